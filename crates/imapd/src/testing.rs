//! A mailbox in memory, and commands as their parser gives them, for the unit tests of long commands.

use crate::enabled::Enabled;
use crate::selected::Selected;
use imap_proto::command::{Fetch, Search};
use imap_proto::{Command, Event, Limits, Receiver};
use std::sync::Arc;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, Expunge, FlagBits, FlagChange, FlagMode, Flags, MailboxId, NewMessage,
    Protocol, Store, SystemFlag, Target, Timestamp, Uid,
};

/// 2026-02-01T10:00:00Z
pub(crate) const NOW: Timestamp = Timestamp(1_769_940_000_000);
pub(crate) const ACTOR: Actor = Actor { device: DeviceId(1), protocol: Protocol::Imap, now: NOW };
const ENABLED_NOTHING: Enabled =
    Enabled { condstore: false, qresync: false, utf8: false, rev2: false, uid_only: false };
pub(crate) const ENABLED_CONDSTORE: Enabled = Enabled { condstore: true, ..ENABLED_NOTHING };
pub(crate) const ENABLED_QRESYNC: Enabled = Enabled { qresync: true, ..ENABLED_CONDSTORE };
pub(crate) const ENABLED_REV2: Enabled = Enabled { rev2: true, ..ENABLED_NOTHING };

/// The INBOX of a new account.
pub(crate) struct Mailbox {
    pub(crate) engine: SimEngine,
    pub(crate) objects: SimObjects,
    pub(crate) account: Account,
    pub(crate) id: MailboxId,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let id = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        Self { engine, objects, account, id }
    }

    /// `message n` with body `body n`, UIDs from 1.
    pub(crate) fn with_messages(count: u32) -> Self {
        let mut mailbox = Self::new();
        for number in 1..=count {
            mailbox.add(&format!("Subject: message {number}\r\n\r\nbody {number}\r\n"));
        }
        mailbox
    }

    pub(crate) fn add(&mut self, body: &str) -> Uid {
        self.add_message(body.as_bytes(), &[], NOW)
    }

    /// Words with a backslash are system flags.
    pub(crate) fn add_message(&mut self, body: &[u8], flags: &[&str], internal_date: Timestamp) -> Uid {
        let message = NewMessage { body: body.to_vec(), flags: named(flags), internal_date };
        self.account.append(ACTOR, Target::Mailbox(self.id), message).unwrap().uid
    }

    pub(crate) fn flag(&mut self, uids: &[u32], flags: &[&str]) {
        let change = FlagChange { mode: FlagMode::Add, flags: named(flags), unchanged_since: None };
        let uids = uids.iter().map(|uid| Uid(*uid)).collect();
        self.account.change_flags(ACTOR, self.id, uids, change).unwrap();
    }

    pub(crate) fn expunge(&mut self, uids: &[u32]) {
        self.flag(uids, &["\\Deleted"]);
        let which = Expunge::DeletedAmong(uids.iter().map(|uid| Uid(*uid)).collect());
        self.account.expunge(ACTOR, self.id, which).unwrap();
    }

    pub(crate) fn select(&self) -> Selected {
        Selected::new(self.account.clone(), self.account.view(self.id).unwrap(), false)
    }

    pub(crate) fn flags_of(&self, uid: u32) -> FlagBits {
        self.account.view(self.id).unwrap().index().find(Uid(uid)).unwrap().flags
    }
}

fn named(flags: &[&str]) -> Flags {
    let mut all = Flags::default();
    for name in flags {
        match SystemFlag::ALL.into_iter().find(|flag| flag.name() == *name) {
            Some(flag) => all.system = all.system.with(flag),
            None => all.keywords.push((*name).to_owned()),
        }
    }
    all
}

fn parse(command: &str) -> Command {
    let mut receiver = Receiver::new(Limits::after_login(1 << 20));
    receiver.push(format!("a {command}\r\n").as_bytes());
    match receiver.poll() {
        Event::Command(tagged) => tagged.command,
        event => panic!("{command}: {event:?}"),
    }
}

pub(crate) fn request_fetch(command: &str) -> Fetch {
    let Command::Fetch(fetch) = parse(command) else { panic!("{command} is no FETCH") };
    fetch
}

pub(crate) fn request_search(command: &str) -> Search {
    let Command::Search(search) = parse(command) else { panic!("{command} is no SEARCH") };
    search
}
