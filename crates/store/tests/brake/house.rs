//! An account with devices, mail that keeps coming, and a clock that the tests move.

use std::cell::Cell;
use std::sync::Arc;
use store::device::{Credential, LastLogin};
use store::hold::{Answer, AsksOwner, Hold};
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Expunge, FlagChange, FlagMode, Flags, LanguageTag, MailboxId,
    MaildropOptions, NewMessage, Protocol, Store, StoreOptions, SystemFlag, Target, Timestamp, Uid,
};
use wording::Later;

pub const HOUR: i64 = 3600 * 1000;
pub const DAY: i64 = 24 * HOUR;
const START: i64 = 1_790_000_000_000;

pub struct House {
    pub store: Store,
    pub account: Account,
    now: Cell<i64>,
    allowed: Cell<usize>,
    arrived: Cell<usize>,
}

/// What a letter is made of.
struct Facts;

impl AsksOwner for Facts {
    fn letter(&self, hold: &Hold, device: &Later, held_mailbox: &str, language: Option<LanguageTag>) -> Vec<u8> {
        let language = language.map(|tag| format!(" in {tag:?}")).unwrap_or_default();
        let text = format!("{} messages, {:?}, {held_mailbox:?}{language}", hold.messages, device.to_string());
        format!("Subject: hold {}\r\n\r\n{text}\r\n", hold.id).into_bytes()
    }
}

impl House {
    pub fn new() -> Self {
        Self::with(StoreOptions::default())
    }

    /// In which the brake takes notice of more than so many messages.
    pub fn holding_more_than(brake_messages_min: u64) -> Self {
        Self::with(StoreOptions { brake_messages_min, ..StoreOptions::default() })
    }

    pub fn with(options: StoreOptions) -> Self {
        let options = StoreOptions { asks_owner: Some(Arc::new(Facts)), ..options };
        let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), options);
        let account = store.create_account(AccountId(16), Timestamp(START)).unwrap();
        Self { store, account, now: Cell::new(START), allowed: Cell::new(0), arrived: Cell::new(0) }
    }

    pub fn later(&self, millis: i64) {
        self.now.set(self.now.get() + millis);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.now.get())
    }

    pub fn owner(&self) -> Actor {
        Actor { device: DeviceId(0), protocol: Protocol::Web, now: self.now() }
    }

    pub fn actor(&self, device: DeviceId, protocol: Protocol) -> Actor {
        Actor { device, protocol, now: self.now() }
    }

    pub fn imap(&self, name: &str) -> DeviceId {
        self.device(name, Protocol::Imap, RemovalPolicy::default())
    }

    /// A program that has the main password and calls itself so.
    pub fn with_main_password(&self, program: &str) -> DeviceId {
        let device = self.account.main_password_device(self.now(), Protocol::Imap, program).unwrap();
        let (at, address) = (self.now(), "::1".to_owned());
        let login = LastLogin { at, protocol: Protocol::Imap, address, tls: None, program: None };
        self.account.note_login(device, login).unwrap();
        device
    }

    /// The owner lets a device do what it wanted; gives how often they were asked so far.
    pub fn allow(&self) -> usize {
        // A check of everything takes long.
        let open = if self.account.open_holds().unwrap() > 0 { self.open() } else { Vec::new() };
        for hold in open {
            self.account.answer_hold(self.owner(), hold.id, Answer::Allow).unwrap();
            self.allowed.set(self.allowed.get() + 1);
        }
        self.allowed.get()
    }

    pub fn pop(&self, name: &str, policy: RemovalPolicy) -> DeviceId {
        self.device(name, Protocol::Pop3, policy)
    }

    fn device(&self, name: &str, protocol: Protocol, policy: RemovalPolicy) -> DeviceId {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = self.account.add_device(self.owner(), name, credential, Some(policy.into())).unwrap();
        let login = LastLogin { at: self.now(), protocol, address: "::1".to_owned(), tls: None, program: None };
        self.account.note_login(device, login).unwrap();
        device
    }

    pub fn mailbox(&self, name: &str) -> MailboxId {
        let known = self.account.mailboxes().unwrap().by_name(name).map(|mailbox| mailbox.id);
        known.unwrap_or_else(|| self.account.create_mailbox(self.owner(), name, None).unwrap())
    }

    pub fn arrive(&self, mailbox: &str, count: usize) {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: self.now() };
        let mailbox = self.mailbox(mailbox);
        for number in 0..count {
            let id = self.arrived.replace(self.arrived.get() + 1);
            let body = format!("Message-ID: <{id}@x>\r\nSubject: {number}\r\n\r\nx\r\n").into_bytes();
            let message = NewMessage { body, flags: Flags::default(), internal_date: self.now() };
            self.account.append(actor, Target::Mailbox(mailbox), message).unwrap();
        }
    }

    /// Uploads messages; the same octets as those of `from`, or new ones.
    pub fn upload(&self, by: DeviceId, mailbox: &str, count: usize, from: Option<&str>) {
        let emails = from.map(|from| self.emails(from));
        let mailbox = self.mailbox(mailbox);
        for number in 0..count {
            let body = match &emails {
                Some(emails) => self.account.reader().unwrap().body(emails[number]).unwrap(),
                None => format!("Message-ID: <up{number}.{}@x>\r\n\r\nx\r\n", self.now.get()).into_bytes(),
            };
            let message = NewMessage { body, flags: Flags::default(), internal_date: self.now() };
            self.account.append(self.actor(by, Protocol::Imap), Target::Mailbox(mailbox), message).unwrap();
        }
    }

    /// The oldest of a mailbox.
    pub fn oldest(&self, mailbox: &str, count: usize) -> Vec<Uid> {
        let view = self.account.view(self.mailbox(mailbox)).unwrap();
        view.index().iter().map(|entry| entry.uid).take(count).collect()
    }

    pub fn count(&self, mailbox: &str) -> usize {
        self.account.view(self.mailbox(mailbox)).unwrap().index().len()
    }

    pub fn emails(&self, mailbox: &str) -> Vec<EmailId> {
        let view = self.account.view(self.mailbox(mailbox)).unwrap();
        view.index().iter().map(|entry| entry.email).collect()
    }

    pub fn flag(&self, by: DeviceId, mailbox: &str, uids: Vec<Uid>, flags: Flags) {
        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
        self.account.change_flags(self.actor(by, Protocol::Imap), self.mailbox(mailbox), uids, change).unwrap();
    }

    /// Over IMAP: `\Deleted` and EXPUNGE.
    pub fn expunge(&self, by: DeviceId, mailbox: &str, count: usize) {
        let uids = self.oldest(mailbox, count);
        self.flag(by, mailbox, uids.clone(), Flags::system(&[SystemFlag::Deleted]));
        let actor = self.actor(by, Protocol::Imap);
        let gone = self.account.expunge(actor, self.mailbox(mailbox), Expunge::DeletedAmong(uids.clone())).unwrap();
        assert_eq!(gone, uids, "the device sees what it expects");
    }

    pub fn shift(&self, by: DeviceId, from: &str, to: &str, count: usize) {
        let (actor, uids) = (self.actor(by, Protocol::Imap), self.oldest(from, count));
        self.account.move_messages(actor, self.mailbox(from), uids, self.mailbox(to)).unwrap();
    }

    pub fn copy(&self, by: DeviceId, from: &str, to: &str, count: usize) {
        let (actor, uids) = (self.actor(by, Protocol::Imap), self.oldest(from, count));
        self.account.copy(actor, self.mailbox(from), uids, self.mailbox(to)).unwrap();
    }

    /// What a POP3 device lists.
    pub fn listed(&self, by: DeviceId) -> Vec<EmailId> {
        let maildrop = self.account.open_maildrop(by, &MaildropOptions::default(), self.now()).unwrap();
        maildrop.messages().iter().map(|message| message.email).collect()
    }

    /// Over POP3: everything that is listed is deleted, and downloaded before if `takes`.
    pub fn collect(&self, by: DeviceId, takes: bool) -> store::MaildropOutcome {
        let maildrop = self.account.open_maildrop(by, &MaildropOptions::default(), self.now()).unwrap();
        let all: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
        let taken = if takes { all.clone() } else { Vec::new() };
        self.account.close_maildrop(self.actor(by, Protocol::Pop3), &maildrop, taken, all).unwrap()
    }

    /// What is held and waits; everything is as it must be.
    pub fn open(&self) -> Vec<Hold> {
        assert_eq!(self.account.check(&self.store).unwrap(), []);
        let mut holds = self.account.holds().unwrap();
        holds.retain(|hold| hold.answer.is_none());
        assert_eq!(holds.len(), self.account.open_holds().unwrap() as usize);
        holds
    }

    /// What the server wrote to the owner, oldest first.
    pub fn letters(&self) -> Vec<String> {
        let reader = self.account.reader().unwrap();
        let body = |email| String::from_utf8(reader.body(email).unwrap()).unwrap();
        let all = self.emails("INBOX").into_iter().map(body);
        all.filter(|body| body.starts_with("Subject: hold ")).collect()
    }
}
