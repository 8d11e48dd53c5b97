//! Clients that hand a message over until they have an answer, through every death of the server.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use crate::support::imap::Imap;
use crate::support::server::{Addresses, Server};
use crate::support::smtp::Smtp;
use crate::support::{Failure, Outcome};

pub const ALICE: &str = "alice@example.org";
pub const BOB: &str = "bob@example.org";
const PASSWORD: &str = "a long main password";
const STRANGER: &str = "crash@example.net";

/// The way that a client's messages take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To Alice and Bob, with one answer for both.
    Smtp,
    /// To Alice and Bob, with an answer for each.
    Lmtp,
    /// From Alice to herself, Bob and an outside address, without Date and Message-ID.
    Submission,
}

/// A client, in all rounds.
pub struct Client {
    pub way: Way,
    /// Unlike that of any other.
    pub name: String,
    /// The message that has no answer yet: its number, and who is still to get it.
    open: Option<(u32, Vec<String>)>,
    /// So many have theirs.
    pub answered: u32,
    /// How often a message was handed over once more.
    pub retries: u32,
}

impl Client {
    pub fn new(way: Way, number: usize) -> Self {
        Self { way, name: format!("{way:?}-{number}"), open: None, answered: 0, retries: 0 }
    }

    /// Hands over until the server has gone, or `last`: what is open, and no more. Tells of each stage of each message.
    pub fn run(&mut self, server: &Addresses, last: bool, stages: &Sender<()>) -> Outcome<()> {
        let mut smtp = match self.way {
            Way::Smtp => server.smtp()?,
            Way::Lmtp => server.lmtp()?,
            Way::Submission => server.submissions(ALICE, PASSWORD)?,
        };
        self.retries += u32::from(self.open.is_some());
        while !last || self.open.is_some() {
            // Once the server is to die nobody listens any more.
            let told = || {
                let _gone = stages.send(());
            };
            let (number, to) =
                self.open.get_or_insert_with(|| (self.answered, recipients(self.way, &self.name, self.answered)));
            let content = content(self.way, &subject(&self.name, *number));
            let sender = if self.way == Way::Submission { ALICE } else { STRANGER };
            smtp.start(sender, &to.iter().map(String::as_str).collect::<Vec<_>>(), &content)?;
            told();
            answers(&mut smtp, self.way, to)?;
            self.open = None;
            self.answered += 1;
            told();
        }
        Ok(())
    }

    fn subjects(&self) -> impl Iterator<Item = String> {
        (0..self.answered).map(|number| subject(&self.name, number))
    }
}

/// The answers; who has a 250 of one's own is not tried again.
fn answers(smtp: &mut Smtp, way: Way, to: &mut Vec<String>) -> Outcome<()> {
    while !to.is_empty() {
        let reply = smtp.reply()?;
        if reply.code != 250 {
            return Err(Failure::Refused(format!("{way:?}: {reply:?}")));
        }
        match way {
            Way::Lmtp => drop(to.remove(0)),
            Way::Smtp | Way::Submission => to.clear(),
        }
    }
    Ok(())
}

fn subject(name: &str, number: u32) -> String {
    format!("{name}-{number}")
}

fn outside(name: &str, number: u32) -> String {
    format!("{}@outside.example", subject(name, number))
}

fn recipients(way: Way, name: &str, number: u32) -> Vec<String> {
    let here = [ALICE, BOB].map(str::to_owned);
    let outside = (way == Way::Submission).then(|| outside(name, number));
    here.into_iter().chain(outside).collect()
}

/// Four in ten are objects, larger than what is kept in a row (16 KiB).
fn content(way: Way, subject: &str) -> Vec<u8> {
    let lines = match subject.bytes().last() {
        Some(b'0' | b'5') => 2_400,
        Some(b'3' | b'9') => 400,
        _ => 3,
    };
    let rest = match way {
        Way::Submission => "",
        Way::Smtp | Way::Lmtp => "Date: Mon, 1 Jun 2026 12:00:00 +0000\r\n",
    };
    let line = "It must be there once, and once only, for each of them.\r\n";
    format!("Subject: {subject}\r\n{rest}\r\n{}", line.repeat(lines)).into_bytes()
}

/// What is not as it must be: every message that was answered is there once for everybody, and nothing else is there.
pub fn problems(server: &Server, clients: &[Client]) -> Vec<String> {
    let mut problems = Vec::new();
    let all = || clients.iter().flat_map(Client::subjects);
    let submitted = || clients.iter().filter(|client| client.way == Way::Submission);
    let mut compare = |place: &str, mut found: BTreeMap<String, usize>, expected: Vec<String>| {
        for subject in expected {
            match found.remove(&subject) {
                Some(1) => {}
                count => problems.push(format!("{subject} is {} times in {place}", count.unwrap_or(0))),
            }
        }
        problems.extend(found.into_keys().map(|subject| format!("{subject} is in {place}, and must not")));
    };
    for (address, mailbox, expected) in [
        (ALICE, "INBOX", all().collect::<Vec<_>>()),
        (BOB, "INBOX", all().collect()),
        (ALICE, "Sent", submitted().flat_map(Client::subjects).collect()),
    ] {
        let mut imap = server.addresses().imap(address, PASSWORD).unwrap();
        compare(&format!("{mailbox} of {address}"), subjects_in(&mut imap, mailbox), expected);
    }
    let mut queued = BTreeMap::new();
    for line in server.cli(&["queue", "list", "--json"], "").lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        for recipient in message["recipients"].as_array().unwrap() {
            *queued.entry(recipient["address"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let expected = submitted().flat_map(|client| (0..client.answered).map(|number| outside(&client.name, number)));
    compare("the queue", queued, expected.collect());
    problems
}

fn subjects_in(imap: &mut Imap, mailbox: &str) -> BTreeMap<String, usize> {
    imap.command(&format!("SELECT {mailbox}")).unwrap();
    let answer = imap.command("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])").unwrap();
    let mut found = BTreeMap::new();
    for (_, attributes) in answer.fetched() {
        let header =
            String::from_utf8_lossy(attributes.text("BODY[HEADER.FIELDS (SUBJECT)]").unwrap_or_default()).into_owned();
        let subject = header.trim().trim_start_matches("Subject: ").to_owned();
        *found.entry(subject).or_default() += 1;
    }
    found
}
