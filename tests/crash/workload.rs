//! Clients that change mail as fast as they can, until the server is killed under them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::ledger::{ARCHIVE, COPIES, DELETED, Flags, INBOX, Id, Ledger, Places, content};
use crate::support::imap::{Answer, Attributes, Imap};
use crate::support::pop3::Pop3;
use crate::support::random::Random;
use crate::support::server::Addresses;
use crate::support::{Failure, Outcome};

const SENDER: &str = "crash@example.net";
/// A connection that is gone is seen within this time.
const PATIENCE: Duration = Duration::from_secs(30);
const FLAGS: [&str; 6] = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "$Label1", "Later"];

/// An account, and what its clients log in with.
#[derive(Default)]
pub struct Account {
    pub address: String,
    /// The password of the IMAP devices.
    pub mail: String,
    /// The POP3 device that deletes from its own maildrop only.
    pub reader: String,
    /// The POP3 device that deletes for everybody.
    pub eraser: String,
    pub ledger: Ledger,
}

/// The kinds of changes that clients ask for.
pub const KINDS: [&str; 11] = [
    "LMTP",
    "LMTP to two",
    "APPEND",
    "APPEND of several",
    "STORE",
    "MOVE",
    "COPY",
    "UID EXPUNGE",
    "EXPUNGE",
    "DELE for all",
    "DELE for one",
];

/// What a client does over one connection.
pub type Work<'a> = dyn Fn(&mut Client<'_>) -> Outcome<()> + Send + Sync + 'a;

/// One client: the account it works on, the way to the server, and its luck.
pub struct Client<'a> {
    pub account: &'a Account,
    pub server: &'a Addresses,
    pub random: Random,
    /// Unlike that of any other client of any round.
    pub name: String,
    pub made: u64,
}

impl<'a> Client<'a> {
    /// Works until the server has gone. Whatever else ends the work is a problem.
    pub fn run(mut self, work: &Work<'_>) {
        let ledger = &self.account.ledger;
        while !ledger.is_over() {
            match work(&mut self) {
                Ok(()) => {}
                Err(Failure::Gone(_)) if ledger.is_dying() => return,
                Err(Failure::Gone(error)) => return ledger.problem(format!("{} was cut off: {error}", self.name)),
                Err(Failure::Refused(text)) => return ledger.problem(format!("{}: {text}", self.name)),
            }
        }
    }

    pub fn ledger(&self) -> &'a Ledger {
        &self.account.ledger
    }

    pub fn new_id(&mut self) -> Id {
        self.made += 1;
        format!("{}.{}@crash.example.net", self.name, self.made)
    }

    pub fn imap(&self) -> Outcome<Imap> {
        self.server.imap(&self.account.address, &self.account.mail)
    }

    pub fn flags(&mut self) -> Flags {
        FLAGS.into_iter().filter(|_| self.random.one_in(3)).map(str::to_owned).collect()
    }

    /// Selects INBOX so that MODSEQs are told.
    pub fn inbox(&self, client: &mut Imap) -> Outcome<()> {
        client.command("SELECT INBOX (CONDSTORE)").map(drop)
    }

    /// The UIDs of messages that must be in INBOX, sorted, with their messages.
    pub fn find(&self, client: &mut Imap, ids: &[Id]) -> Outcome<BTreeMap<u32, Id>> {
        let mut found = BTreeMap::new();
        for id in ids {
            let answer = client.command(&format!("UID SEARCH HEADER Message-ID \"<{id}>\""))?;
            let [uid] = answer.found()[..] else {
                let uids = answer.found();
                return Err(Failure::Refused(format!("{id} is acknowledged, but SEARCH finds {uids:?}")));
            };
            self.ledger().book().learn_uid(INBOX, uid, id);
            found.insert(uid, id.clone());
        }
        Ok(found)
    }

    /// Notes what an answer tells of INBOX; gives the flags of `uid`, if they are among it.
    pub fn learn(&self, answer: &Answer, uid: u32) -> Option<Flags> {
        let mut of_uid = None;
        if let Some(modseq) = answer.number("HIGHESTMODSEQ") {
            self.ledger().book().learn_highest(INBOX, modseq);
        }
        for (_, attributes) in answer.fetched() {
            let (Some(told), Some(modseq)) = (attributes.number("UID"), attributes.number("MODSEQ")) else { continue };
            let flags = flags_of(&attributes);
            self.ledger().book().learn_flags(INBOX, told as u32, modseq, &flags);
            if told == u64::from(uid) {
                of_uid = Some(flags);
            }
        }
        of_uid
    }
}

/// Mail for this account over LMTP.
pub fn deliver(client: &mut Client<'_>) -> Outcome<()> {
    let mut lmtp = client.server.lmtp()?;
    while client.ledger().wants_more() {
        let id = client.new_id();
        client.ledger().begin_new(&id, INBOX, &Flags::new());
        let replies = lmtp.deliver(SENDER, &[&client.account.address], &content(&id))?;
        match replies.as_slice() {
            [reply] if reply.code == 250 => {}
            _ => return Err(Failure::Refused(format!("{id} was answered {replies:?}"))),
        }
        client.ledger().acknowledge("LMTP", std::slice::from_ref(&id));
        client.ledger().give_back(&[id]);
    }
    Ok(())
}

/// Mail for two accounts at once: each has its own answer (RFC 2033 §4.2).
pub fn deliver_to_both(client: &mut Client<'_>, other: &Account) -> Outcome<()> {
    let mut lmtp = client.server.lmtp()?;
    while client.ledger().wants_more() {
        let id = client.new_id();
        let accounts = [client.account, other];
        accounts.iter().for_each(|account| account.ledger.begin_new(&id, INBOX, &Flags::new()));
        lmtp.start(SENDER, &accounts.map(|account| account.address.as_str()), &content(&id))?;
        for account in accounts {
            let reply = lmtp.reply()?;
            if reply.code != 250 {
                return Err(Failure::Refused(format!("{id} was answered {reply:?}")));
            }
            account.ledger.acknowledge("LMTP to two", std::slice::from_ref(&id));
            account.ledger.give_back(std::slice::from_ref(&id));
        }
    }
    Ok(())
}

/// APPEND to INBOX and elsewhere, with flags.
pub fn append(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    while client.ledger().wants_more() {
        let mailbox = if client.random.one_in(3) { ARCHIVE } else { INBOX };
        if client.random.one_in(4) {
            append_several(client, &mut imap, mailbox)?;
            continue;
        }
        let (id, flags) = (client.new_id(), client.flags());
        client.ledger().begin_new(&id, mailbox, &flags);
        let answer = imap.append(mailbox, &Vec::from_iter(flags).join(" "), &content(&id))?;
        client.ledger().acknowledge("APPEND", std::slice::from_ref(&id));
        let code = answer.find("APPENDUID").unwrap_or_default();
        let numbers: Vec<u32> = code.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [validity, uid] = numbers[..] else { return Err(Failure::refused("APPEND", answer.text)) };
        client.ledger().book().learn_validity(mailbox, validity.into());
        client.ledger().book().learn_uid(mailbox, uid, &id);
        if mailbox == INBOX {
            client.ledger().give_back(&[id]);
        }
    }
    Ok(())
}

/// RFC 3502: several messages at once.
fn append_several(client: &mut Client<'_>, imap: &mut Imap, mailbox: &'static str) -> Outcome<()> {
    let messages: Vec<(Id, Flags)> = (0..3).map(|_| (client.new_id(), client.flags())).collect();
    let mut command = format!("APPEND \"{mailbox}\"");
    for (id, flags) in &messages {
        client.ledger().begin_new(id, mailbox, flags);
        let message = String::from_utf8(content(id)).unwrap();
        let flags = Vec::from_iter(flags.clone()).join(" ");
        write!(command, " ({flags}) {{{}+}}\r\n{message}", message.len()).unwrap();
    }
    let answer = imap.command(&command)?;
    let ids: Vec<Id> = messages.into_iter().map(|(id, _)| id).collect();
    client.ledger().acknowledge("APPEND of several", &ids);
    let code = answer.find("APPENDUID").unwrap_or_default();
    let numbers = code.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
    let [validity, first, last] = numbers[..] else { return Err(Failure::refused("APPEND", answer.text)) };
    client.ledger().book().learn_validity(mailbox, validity.into());
    for (uid, id) in (first..=last).zip(&ids) {
        client.ledger().book().learn_uid(mailbox, uid, id);
    }
    if mailbox == INBOX {
        client.ledger().give_back(&ids);
    }
    Ok(())
}

/// STORE of flags and keywords, over TLS.
pub fn store(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.server.imaps(&client.account.address, &client.account.mail)?;
    client.inbox(&mut imap)?;
    loop {
        let ids = client.ledger().take(&mut client.random, 1);
        let Some((uid, id)) = client.find(&mut imap, &ids)?.pop_first() else { return Ok(()) };
        let before = client.ledger().book().mail(&id).inbox().cloned().unwrap_or_default();
        let named = client.flags();
        let (verb, after): (&str, Flags) = match client.random.below(3) {
            0 => ("FLAGS", named.clone()),
            1 => ("+FLAGS", before.union(&named).cloned().collect()),
            _ => ("-FLAGS", before.difference(&named).cloned().collect()),
        };
        client.ledger().begin(&ids, |places| set_flags(places, &after));
        let named = Vec::from_iter(named).join(" ");
        let answer = imap.command(&format!("UID STORE {uid} {verb} ({named})"))?;
        client.ledger().acknowledge("STORE", &ids);
        let told = client.learn(&answer, uid);
        if told.as_ref() != Some(&after) {
            return Err(Failure::Refused(format!("{id}: {verb} ({named}) on {before:?} gives {told:?}")));
        }
        client.ledger().give_back(&ids);
    }
}

/// MOVE to another mailbox, and COPY.
pub fn transfer(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    imap.command("ENABLE QRESYNC")?;
    client.inbox(&mut imap)?;
    loop {
        let ids = client.ledger().take(&mut client.random, 3);
        let uids = client.find(&mut imap, &ids)?;
        if uids.is_empty() {
            return Ok(());
        }
        let is_move = client.random.one_in(2);
        let (verb, target) = if is_move { ("MOVE", ARCHIVE) } else { ("COPY", COPIES) };
        client
            .ledger()
            .begin(&ids, |places| if is_move { relocate(places, target) } else { duplicate(places, target) });
        let answer = imap.command(&format!("UID {verb} {} {target}", set(&uids)))?;
        client.ledger().acknowledge(verb, &ids);
        client.learn(&answer, 0);
        let code = answer.find("COPYUID").unwrap_or_default();
        let Some((validity, pairs)) = copy_uid(&code) else { return Err(Failure::refused(verb, answer.text)) };
        let mut book = client.ledger().book();
        book.learn_validity(target, validity);
        let told: Vec<u32> = pairs.iter().map(|(from, _)| *from).collect();
        if !told.iter().eq(uids.keys()) {
            book.problems.push(format!("{verb} of {uids:?} is answered with COPYUID {code}"));
        }
        for (from, to) in pairs {
            let id = uids.get(&from).cloned().unwrap_or_default();
            book.learn_uid(target, to, &id);
        }
        drop(book);
        if !is_move {
            client.ledger().give_back(&ids);
        }
    }
}

/// STORE of \Deleted, then EXPUNGE or UID EXPUNGE. Nobody else sets \Deleted.
pub fn expunge(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    imap.command("ENABLE QRESYNC")?;
    client.inbox(&mut imap)?;
    let mut doomed = client.ledger().book().doomed();
    loop {
        let ids = client.ledger().take(&mut client.random, 3);
        let uids = client.find(&mut imap, &ids)?;
        if uids.is_empty() {
            return Ok(());
        }
        client.ledger().begin(&ids, |places| {
            places.iter_mut().filter(|(mailbox, _)| *mailbox == INBOX).for_each(|(_, flags)| {
                flags.insert(DELETED.to_owned());
            });
        });
        let answer = imap.command(&format!("UID STORE {} +FLAGS ({DELETED})", set(&uids)))?;
        client.ledger().acknowledge("STORE of \\Deleted", &ids);
        client.learn(&answer, 0);
        if client.random.one_in(2) {
            client.ledger().begin(&ids, erase);
            let answer = imap.command(&format!("UID EXPUNGE {}", set(&uids)))?;
            client.learn(&answer, 0);
            client.ledger().acknowledge("UID EXPUNGE", &ids);
        } else {
            doomed.extend(ids);
            client.ledger().begin(&doomed, erase);
            let answer = imap.command("EXPUNGE")?;
            client.learn(&answer, 0);
            client.ledger().acknowledge("EXPUNGE", &doomed);
            doomed.clear();
        }
    }
}

/// POP3: DELE and QUIT of the device that deletes for everybody.
pub fn erase_over_pop3(client: &mut Client<'_>) -> Outcome<()> {
    let mut pop3 = client.server.pop3(&client.account.address, &client.account.eraser)?;
    let listing = client.listing(&mut pop3)?;
    let count = 1 + client.random.below(4) as usize;
    let mut mine: Vec<(u32, Id)> = Vec::new();
    for (number, id) in listing {
        if mine.len() < count && client.random.one_in(3) && client.ledger().take_this(&id) {
            mine.push((number, id));
        }
    }
    pop3.commands(&mine.iter().map(|(number, _)| format!("DELE {number}")).collect::<Vec<_>>())?;
    let ids: Vec<Id> = mine.into_iter().map(|(_, id)| id).collect();
    if ids.is_empty() {
        return pop3.quit();
    }
    if client.random.one_in(4) {
        // RFC 1939 §6: a session that ends without QUIT removes nothing.
        drop(pop3);
        client.ledger().give_back(&ids);
        return client.wait_for_maildrop();
    }
    client.ledger().begin(&ids, erase);
    pop3.quit()?;
    client.ledger().acknowledge("DELE for all", &ids);
    Ok(())
}

/// POP3: RETR, DELE and QUIT of the device that deletes from its own maildrop only.
pub fn read_over_pop3(client: &mut Client<'_>) -> Outcome<()> {
    let mut pop3 = client.server.pop3s(&client.account.address, &client.account.reader)?;
    let mut mine = client.listing(&mut pop3)?;
    mine.retain(|_| client.random.one_in(8));
    let contents = pop3.retrieve(mine.iter().map(|(number, _)| *number))?;
    for ((_, id), retrieved) in mine.iter().zip(contents) {
        if !retrieved.ends_with(&content(id)) {
            return Err(Failure::Refused(format!("{id} over POP3 is not what was sent")));
        }
    }
    pop3.commands(&mine.iter().map(|(number, _)| format!("DELE {number}")).collect::<Vec<_>>())?;
    let ids: Vec<Id> = mine.into_iter().map(|(_, id)| id).collect();
    if ids.is_empty() {
        return pop3.quit();
    }
    client.ledger().begin_hiding(&ids);
    pop3.quit()?;
    client.ledger().acknowledge_hidden("DELE for one", &ids);
    Ok(())
}

impl Client<'_> {
    /// The server may need a moment to see that a connection is gone, and the device has one session at a time
    /// (RFC 1939 §4).
    fn wait_for_maildrop(&self) -> Outcome<()> {
        let begun = Instant::now();
        loop {
            match self.server.pop3(&self.account.address, &self.account.eraser) {
                Ok(pop3) => return pop3.quit(),
                Err(Failure::Refused(text)) if text.contains("[IN-USE]") && begun.elapsed() < PATIENCE => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The maildrop: numbers and messages. What a UIDL stands for is looked up once.
    pub fn listing(&self, pop3: &mut Pop3) -> Outcome<Vec<(u32, Id)>> {
        let mut listing = Vec::new();
        for (number, email) in pop3.uidl()? {
            let known = self.ledger().book().id_of(&email).cloned();
            let id = match known {
                Some(id) => id,
                None => message_id(&pop3.top(number)?),
            };
            let mut book = self.ledger().book();
            book.learn_email(&id, &email);
            match book.mails.contains_key(&id) {
                true => listing.push((number, id)),
                false => book.problems.push(format!("{id} is listed over POP3, but nobody sent it")),
            }
        }
        Ok(listing)
    }
}

/// The flags in a FETCH response. \Recent is the session's, not the message's.
pub fn flags_of(attributes: &Attributes) -> Flags {
    attributes.atoms("FLAGS").into_iter().filter(|flag| flag != "\\Recent").collect()
}

/// The Message-ID in a header.
pub fn message_id(message: &[u8]) -> Id {
    let header = String::from_utf8_lossy(message);
    let value = header.lines().find_map(|line| line.strip_prefix("Message-ID: <"));
    value.map(|value| value.trim_end_matches('>').to_owned()).unwrap_or_default()
}

pub fn set_flags(places: &mut Places, flags: &Flags) {
    let in_inbox = places.iter_mut().filter(|(mailbox, _)| *mailbox == INBOX);
    in_inbox.for_each(|(_, before)| before.clone_from(flags));
}

pub fn relocate(places: &mut Places, target: &'static str) {
    let in_inbox = places.iter_mut().filter(|(mailbox, _)| *mailbox == INBOX);
    in_inbox.for_each(|(mailbox, _)| *mailbox = target);
}

pub fn duplicate(places: &mut Places, target: &'static str) {
    let flags = places.iter().find(|(mailbox, _)| *mailbox == INBOX).map(|(_, flags)| flags.clone());
    places.extend(flags.map(|flags| (target, flags)));
}

pub fn erase(places: &mut Places) {
    places.retain(|(mailbox, _)| *mailbox != INBOX);
}

pub fn set(uids: &BTreeMap<u32, Id>) -> String {
    uids.keys().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// `38505 304,319:320 3956:3958` (RFC 4315 §3): the UIDVALIDITY, and each UID with its new one.
fn copy_uid(code: &str) -> Option<(u64, Vec<(u32, u32)>)> {
    let [validity, from, to] = code.split(' ').collect::<Vec<_>>()[..] else { return None };
    let (from, to) = (numbers(from)?, numbers(to)?);
    (from.len() == to.len()).then_some(())?;
    Some((validity.parse().ok()?, from.into_iter().zip(to).collect()))
}

fn numbers(set: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for range in set.split(',') {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        numbers.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}
