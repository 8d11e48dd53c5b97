//! Two devices with QRESYNC (RFC 7162 §3.2) that lose their connections at random, also with a command on its way, while they and a
//! third one change the mailbox at the same time, on the real binary: in the end each has exactly what the server has.
//!
//! The devices are hasty: they believe the MODSEQ of each line as it comes. A run is repeated with `PILLARBOX_RESYNC_SEED`.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use support::imap::{Answer, Imap};
use support::random::Random;
use support::server::{Addresses, Server};

const USER: &str = "alice@example.org";
const PASSWORD: &str = "a long main password";
/// What each of the three does, in commands.
const STEPS: usize = 200;
const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "Work"];

type Messages = BTreeMap<u64, BTreeSet<String>>;

/// A mail program, and what it keeps while it is off line.
struct Device<'s> {
    server: &'s Addresses,
    link: Option<Imap>,
    random: Random,
    uid_validity: u64,
    modseq: u64,
    messages: Messages,
    /// What is below was asked for.
    next: u64,
}

impl<'s> Device<'s> {
    fn new(server: &'s Addresses, random: Random) -> Self {
        Self { server, link: None, random, uid_validity: 0, modseq: 0, messages: Messages::new(), next: 1 }
    }

    fn live(mut self, steps: usize) -> Self {
        for _ in 0..steps {
            self.come_back();
            let command = self.choose();
            match self.random.below(12) {
                // It never hears what came of it.
                0 => self.link.take().unwrap().leave(&command).unwrap(),
                1 => self.link = None,
                _ => {
                    self.run(&command);
                    self.ask_for_new();
                }
            }
        }
        self
    }

    fn come_back(&mut self) {
        if self.link.is_some() {
            return;
        }
        let mut link = self.server.imap(USER, PASSWORD).unwrap();
        link.command("ENABLE QRESYNC").unwrap();
        self.link = Some(link);
        let known = match self.uid_validity {
            0 => String::new(),
            validity => format!(" (QRESYNC ({validity} {}))", self.modseq),
        };
        let answer = self.run(&format!("SELECT INBOX{known}"));
        let validity = answer.number("UIDVALIDITY").unwrap();
        assert!(self.uid_validity == 0 || self.uid_validity == validity);
        self.uid_validity = validity;
        self.ask_for_new();
    }

    fn choose(&mut self) -> String {
        let (first, last) = (self.messages.keys().next().copied(), self.messages.keys().next_back().copied());
        let (Some(first), Some(last)) = (first, last) else { return "APPEND INBOX {2+}\r\na\n".into() };
        let from = first + self.random.below(last + 1 - first);
        let set = format!("{from}:{}", from + self.random.below(4));
        let flag = FLAGS[self.random.below(FLAGS.len() as u64) as usize];
        let (sign, silent) =
            (["+", "-"][self.random.below(2) as usize], ["", ".SILENT"][self.random.below(2) as usize]);
        match self.random.below(10) {
            0..=2 => "APPEND INBOX {2+}\r\na\n".into(),
            3..=5 => format!("UID STORE {set} {sign}FLAGS{silent} ({flag})"),
            6 => format!("UID STORE {set} +FLAGS (\\Deleted)"),
            7 => "EXPUNGE".into(),
            8 => format!("UID MOVE {set} Archive"),
            _ => "NOOP".into(),
        }
    }

    fn run(&mut self, command: &str) -> Answer {
        let before = self.modseq;
        let answer = self.link.as_mut().unwrap().command(command).unwrap();
        self.believe(&answer);
        if command.contains("SILENT") {
            // What was silent is not known until it is asked for.
            let changed = format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {before} VANISHED)");
            let answer = self.link.as_mut().unwrap().command(&changed).unwrap();
            self.believe(&answer);
        }
        answer
    }

    fn believe(&mut self, answer: &Answer) {
        for response in &answer.untagged {
            let text = String::from_utf8_lossy(&response.0);
            if let Some(uids) = text.strip_prefix("VANISHED ") {
                let gone = uids.strip_prefix("(EARLIER) ").unwrap_or(uids);
                self.messages.retain(|uid, _| !holds(gone, *uid));
            } else if let Some((_, attributes)) = response.fetched() {
                let uid = attributes.number("UID").unwrap();
                if attributes.get("FLAGS").is_some() {
                    let flags = attributes.atoms("FLAGS").into_iter().filter(|flag| flag != "\\Recent").collect();
                    self.messages.insert(uid, flags);
                }
                self.modseq = self.modseq.max(attributes.number("MODSEQ").unwrap_or(0));
            }
        }
        self.modseq = self.modseq.max(answer.number("HIGHESTMODSEQ").unwrap_or(0));
    }

    /// EXISTS may have told of more than it knows.
    fn ask_for_new(&mut self) {
        self.run(&format!("UID FETCH {}:* (FLAGS)", self.next));
        self.next = self.messages.last_key_value().map_or(self.next, |(uid, _)| self.next.max(uid + 1));
    }
}

fn holds(set: &str, uid: u64) -> bool {
    set.split(',').any(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        (first.parse().unwrap()..=last.parse().unwrap()).contains(&uid)
    })
}

#[test]
fn devices_that_are_off_line_at_random_end_with_what_the_server_has() {
    let mut random = Random::new(Random::seed("PILLARBOX_RESYNC_SEED"));
    let mut server = Server::new();
    server.add_account(USER);
    server.start();
    let addresses = server.addresses();
    let devices = [(); 3].map(|()| Device::new(addresses, random.fork()));
    let mut devices = thread::scope(|scope| {
        let running = devices.map(|device| scope.spawn(|| device.live(STEPS)));
        running.map(|device| device.join().unwrap())
    });
    let mut fresh = Device::new(addresses, random.fork());
    fresh.come_back();
    assert!(fresh.messages.len() > 2, "{:?}", fresh.messages);
    for device in &mut devices {
        // With the connection that it has, and as if it had none.
        device.come_back();
        device.run("NOOP");
        device.ask_for_new();
        assert_eq!(device.messages, fresh.messages);
        device.link = None;
        device.come_back();
        assert_eq!(device.messages, fresh.messages);
    }
    assert!(server.faults().is_empty(), "{:?}", server.faults());
}
