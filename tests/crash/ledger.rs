//! What the workload asked for and was told, for one account: where each message must be, and facts that stay true.
//!
//! A worker *begins* a change before its command goes out, and *acknowledges* it when the answer is there. What was begun
//! and not acknowledged when the server was killed may have happened or not. A message is in the hands of one worker at
//! a time, so that at most one change of it is open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::support::random::Random;

pub const INBOX: &str = "INBOX";
pub const ARCHIVE: &str = "Archive";
pub const COPIES: &str = "Copies";
pub const MAILBOXES: [&str; 3] = [INBOX, ARCHIVE, COPIES];
/// Clients that get nothing done for so long get nothing done.
const PATIENCE: Duration = Duration::from_secs(30);
pub const DELETED: &str = "\\Deleted";

/// A Message-ID without its angle brackets.
pub type Id = String;
pub type Flags = BTreeSet<String>;
/// The mailboxes a message is in, with its flags there; sorted, and twice where it is there twice.
pub type Places = Vec<(&'static str, Flags)>;

/// One account's ledger, shared by all that work on it.
#[derive(Default)]
pub struct Ledger {
    book: Mutex<Book>,
    changed: Condvar,
}

#[derive(Clone, Default)]
pub struct Book {
    pub mails: BTreeMap<Id, Mail>,
    pub facts: Facts,
    /// What must not be.
    pub problems: Vec<String>,
    /// In INBOX, not deleted, and in nobody's hands.
    pool: BTreeSet<Id>,
    acknowledged: u64,
    /// How often each kind of change was acknowledged, in all rounds.
    pub tally: BTreeMap<&'static str, u64>,
    /// Changes under way when the server was killed: those that had happened, and those that had not.
    pub open: (u64, u64),
    /// Nothing new arrives after so much was acknowledged.
    arrivals_end: u64,
    is_dying: bool,
    is_over: bool,
}

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// Where it is, as far as acknowledged.
    pub places: Places,
    /// Where it will be, if the change that is under way happens.
    pub begun: Option<Places>,
    /// Whether the POP3 device `reader` has deleted it from its maildrop; `None`: perhaps.
    pub hidden: Option<bool>,
}

/// What was told once and must be so for ever.
#[derive(Clone, Default)]
pub struct Facts {
    uids: BTreeMap<(&'static str, u32), Id>,
    validity: BTreeMap<&'static str, u64>,
    emails: BTreeMap<Id, String>,
    ids: BTreeMap<String, Id>,
    /// The flags that a message had at a MODSEQ.
    flags: BTreeMap<(&'static str, u32, u64), Flags>,
    /// The highest MODSEQ told of a message.
    modseqs: BTreeMap<(&'static str, u32), u64>,
    /// The highest HIGHESTMODSEQ told of a mailbox.
    highest: BTreeMap<&'static str, u64>,
    /// UIDNEXT and HIGHESTMODSEQ as they were when the server had just been started.
    floors: BTreeMap<&'static str, (u64, u64)>,
}

impl Ledger {
    /// Another one that goes on from the same facts.
    // For tests/storage_faults.rs; others use other parts of this.
    #[allow(dead_code)]
    pub fn copied(&self) -> Self {
        Self { book: Mutex::new(self.book().clone()), changed: Condvar::new() }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new message is about to go to a mailbox.
    pub fn begin_new(&self, id: &Id, mailbox: &'static str, flags: &Flags) {
        let begun = Some(vec![(mailbox, flags.clone())]);
        let mail = Mail { places: Places::new(), begun, hidden: Some(false) };
        let before = self.book().mails.insert(id.clone(), mail);
        assert!(before.is_none(), "{id} was used before");
    }

    /// A change of messages is about to be asked for.
    pub fn begin(&self, ids: &[Id], change: impl Fn(&mut Places)) {
        let mut book = self.book();
        for id in ids {
            let mail = book.mail(id);
            assert!(mail.begun.is_none(), "{id} has a change under way");
            let mut after = mail.places.clone();
            change(&mut after);
            after.sort();
            mail.begun = Some(after);
        }
    }

    /// The change was answered with success.
    pub fn acknowledge(&self, what: &'static str, ids: &[Id]) {
        let mut book = self.book();
        for id in ids {
            let mail = book.mail(id);
            mail.places = mail.begun.take().expect("a change was begun");
        }
        book.acknowledged += 1;
        *book.tally.entry(what).or_default() += 1;
        self.changed.notify_all();
    }

    /// `reader` is about to delete messages from its maildrop.
    pub fn begin_hiding(&self, ids: &[Id]) {
        let mut book = self.book();
        ids.iter().for_each(|id| book.mail(id).hidden = None);
    }

    /// The messages are gone from the maildrop of `reader`.
    pub fn acknowledge_hidden(&self, what: &'static str, ids: &[Id]) {
        let mut book = self.book();
        ids.iter().for_each(|id| book.mail(id).hidden = Some(true));
        book.acknowledged += 1;
        *book.tally.entry(what).or_default() += 1;
        self.changed.notify_all();
    }

    /// Messages in INBOX that nobody else works on, now in the caller's hands: one to `count`. Waits until there is one;
    /// none when it is over.
    pub fn take(&self, random: &mut Random, count: u64) -> Vec<Id> {
        let mut book = self.book();
        while book.pool.is_empty() && !book.is_over {
            book = self.changed.wait(book).unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Vec::new();
        for _ in 0..=random.below(count) {
            let at = random.below(book.pool.len() as u64) as usize;
            let Some(id) = book.pool.iter().nth(at).cloned() else { break };
            book.pool.remove(&id);
            taken.push(id);
        }
        self.changed.notify_all();
        if book.is_over { Vec::new() } else { taken }
    }

    /// The one message, if nobody else works on it.
    pub fn take_this(&self, id: &Id) -> bool {
        let mut book = self.book();
        !book.is_over && book.pool.remove(id)
    }

    /// Messages in INBOX are free for others.
    pub fn give_back(&self, ids: &[Id]) {
        self.book().pool.extend(ids.iter().cloned());
        self.changed.notify_all();
    }

    /// Waits until so much was acknowledged in this round, or nothing is left to change, or somebody has found a problem.
    pub fn wait_for(&self, acknowledged: u64) {
        let waits = |book: &mut Book| {
            let used_up = book.acknowledged >= book.arrivals_end && book.pool.is_empty();
            book.acknowledged < acknowledged && !used_up && book.problems.is_empty()
        };
        let waited = self.changed.wait_timeout_while(self.book(), PATIENCE, waits);
        let (mut book, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            let done = book.acknowledged;
            book.problems.push(format!("the clients stand still: {done} of {acknowledged} are acknowledged"));
        }
    }

    /// From now on a connection may break.
    pub fn begin_end(&self) {
        self.book().is_dying = true;
    }

    pub fn is_dying(&self) -> bool {
        self.book().is_dying
    }

    /// The server has gone; nobody waits any more. Gives how much was acknowledged.
    pub fn end_round(&self) -> u64 {
        let mut book = self.book();
        book.is_over = true;
        self.changed.notify_all();
        book.acknowledged
    }

    /// Whether new messages are to come now; waits while they are not. `false` when it is over.
    pub fn wants_more(&self) -> bool {
        let waits = |book: &mut Book| book.acknowledged >= book.arrivals_end && !book.is_over;
        !self.changed.wait_while(self.book(), waits).unwrap_or_else(PoisonError::into_inner).is_over
    }

    pub fn is_over(&self) -> bool {
        self.book().is_over
    }

    /// Begins a round with what the checker found to be true. New messages come until `arrivals_end` changes are
    /// acknowledged.
    pub fn begin_round(&self, arrivals_end: u64) {
        let mut book = self.book();
        let free = book.mails.iter().filter(|(_, mail)| mail.is_free()).map(|(id, _)| id.clone()).collect();
        book.pool = free;
        (book.is_dying, book.is_over, book.acknowledged, book.arrivals_end) = (false, false, 0, arrivals_end);
    }

    pub fn problem(&self, text: String) {
        self.book().problems.push(text);
        self.changed.notify_all();
    }
}

impl Book {
    pub fn mail(&mut self, id: &Id) -> &mut Mail {
        self.mails.get_mut(id).unwrap_or_else(|| panic!("{id} is not known"))
    }

    /// The UID of a message in a mailbox was told.
    pub fn learn_uid(&mut self, mailbox: &'static str, uid: u32, id: &Id) {
        let Self { facts, problems, .. } = self;
        match facts.uids.get(&(mailbox, uid)) {
            Some(known) if known == id => {}
            Some(known) => problems.push(format!("{mailbox}: UID {uid} was {known} and is {id} now")),
            None => {
                let floor = facts.floors.get(mailbox).map_or(0, |floors| floors.0);
                if u64::from(uid) < floor {
                    problems.push(format!("{mailbox}: {id} has the new UID {uid}, but UIDNEXT was {floor} before"));
                }
                facts.uids.insert((mailbox, uid), id.clone());
            }
        }
    }

    /// The UIDVALIDITY of a mailbox was told.
    pub fn learn_validity(&mut self, mailbox: &'static str, validity: u64) {
        let known = *self.facts.validity.entry(mailbox).or_insert(validity);
        if known != validity {
            self.problems.push(format!("{mailbox}: UIDVALIDITY was {known} and is {validity} now"));
        }
    }

    /// The EMAILID, or UIDL, of a message was told.
    pub fn learn_email(&mut self, id: &Id, email: &str) {
        let Self { facts, problems, .. } = self;
        let known = facts.emails.entry(id.clone()).or_insert_with(|| email.to_owned());
        if known != email {
            problems.push(format!("{id}: its EMAILID was {known} and is {email} now"));
        }
        let known = facts.ids.entry(email.to_owned()).or_insert_with(|| id.clone());
        if known != id {
            problems.push(format!("the EMAILID {email} was that of {known} and is that of {id} now"));
        }
    }

    /// Flags of a message were told with their MODSEQ.
    pub fn learn_flags(&mut self, mailbox: &'static str, uid: u32, modseq: u64, flags: &Flags) {
        let Self { facts, problems, .. } = self;
        let highest = facts.modseqs.entry((mailbox, uid)).or_default();
        *highest = modseq.max(*highest);
        match facts.flags.get(&(mailbox, uid, modseq)) {
            Some(known) if known == flags => {}
            Some(known) => problems.push(format!(
                "{mailbox}: UID {uid} had {known:?} at MODSEQ {modseq} and has {flags:?} now, with the same MODSEQ"
            )),
            None => {
                let floor = facts.floors.get(mailbox).map_or(0, |floors| floors.1);
                if modseq <= floor {
                    problems.push(format!(
                        "{mailbox}: UID {uid} has the new MODSEQ {modseq}, but HIGHESTMODSEQ was {floor} before"
                    ));
                }
                facts.flags.insert((mailbox, uid, modseq), flags.clone());
            }
        }
    }

    /// HIGHESTMODSEQ of a mailbox was told.
    pub fn learn_highest(&mut self, mailbox: &'static str, modseq: u64) {
        let highest = self.facts.highest.entry(mailbox).or_default();
        *highest = modseq.max(*highest);
    }

    /// What was told of a mailbox right after the start; everything told before must be below.
    pub fn learn_floors(&mut self, mailbox: &'static str, uid_next: u64, highest_modseq: u64) {
        let Self { facts, problems, .. } = self;
        let told = |highest: Option<u64>| highest.unwrap_or_default();
        let uid =
            told(facts.uids.range((mailbox, 0)..=(mailbox, u32::MAX)).next_back().map(|((_, uid), _)| (*uid).into()));
        let modseqs = facts.modseqs.range((mailbox, 0)..=(mailbox, u32::MAX)).map(|(_, modseq)| *modseq);
        let modseq = told(modseqs.chain(facts.highest.get(mailbox).copied()).max());
        let uid_next_before = facts.floors.get(mailbox).map_or(0, |floors| floors.0);
        if uid_next <= uid || uid_next < uid_next_before {
            problems.push(format!(
                "{mailbox}: UIDNEXT is {uid_next}, but was {uid_next_before} and UID {uid} has been given out"
            ));
        }
        if highest_modseq < modseq {
            problems.push(format!("{mailbox}: HIGHESTMODSEQ is {highest_modseq}, but {modseq} has been told"));
        }
        facts.highest.insert(mailbox, highest_modseq);
        facts.floors.insert(mailbox, (uid_next, highest_modseq));
    }

    /// The highest MODSEQ that was told of a message.
    pub fn modseq(&self, mailbox: &'static str, uid: u32) -> u64 {
        self.facts.modseqs.get(&(mailbox, uid)).copied().unwrap_or_default()
    }

    /// The message of a UIDL, if it has been told.
    pub fn id_of(&self, email: &str) -> Option<&Id> {
        self.facts.ids.get(email)
    }

    /// Messages in INBOX that have \Deleted.
    pub fn doomed(&self) -> Vec<Id> {
        let doomed = self.mails.iter().filter(|(_, mail)| mail.inbox().is_some_and(|flags| flags.contains(DELETED)));
        doomed.map(|(id, _)| id.clone()).collect()
    }
}

impl Mail {
    /// Its flags in INBOX, if it is there.
    pub fn inbox(&self) -> Option<&Flags> {
        self.places.iter().find(|(mailbox, _)| *mailbox == INBOX).map(|(_, flags)| flags)
    }

    fn is_free(&self) -> bool {
        self.begun.is_none() && self.inbox().is_some_and(|flags| !flags.contains(DELETED))
    }
}

/// The message with this Message-ID, always the same: one in four is an object, larger than what is kept in a row (16 KiB).
pub fn content(id: &Id) -> Vec<u8> {
    let seed = id.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let mut random = Random::new(seed);
    let bytes = match random.below(8) {
        0 => 131_073 + random.below(20_000),
        1 => 17_000 + random.below(40_000),
        _ => 100 + random.below(4_000),
    };
    let mut text = format!(
        "From: Crash <crash@example.net>\r\nTo: alice@example.org\r\nSubject: {id}\r\nMessage-ID: <{id}>\r\n\
         Date: Mon, 1 Jun 2026 12:00:00 +0000\r\n\r\n"
    );
    while (text.len() as u64) < bytes {
        match random.below(12) {
            0 => text += ".\r\n",
            1 => text += "Grüße\r\n",
            _ => text += &format!("{:016x} {:016x} {:016x}\r\n", random.next(), random.next(), random.next()),
        }
    }
    text.into_bytes()
}
