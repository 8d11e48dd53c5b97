//! A year of an account, with the clock moved: five devices of which two poll over POP3, messages that come every day and of
//! which most are removed again, and what the server does by itself. What an account takes beside its mail does not grow from the
//! third month to the twelfth.
//!
//! `PILLARBOX_YEAR=whole` has thirty messages come a day, the POP3 devices every five minutes (103,680 sessions of each, in
//! months of thirty days), and the others every hour; without it all of that happens less often.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use store::device::{Credential, LastLogin};
use store::engine::Engine;
use store::objects::Objects;
use store::removal::RemovalPolicy;
use store::sim::{Random, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Entry, Expunge, FlagChange, FlagMode, Flags, Handover, MailboxId,
    MaildropOptions, Place, Protocol, Store, StoreOptions, SystemFlag, Timestamp, Uid, UndoRequest, UndoWhat,
};
use store_sqlite::{SqliteEngine, SqliteOptions};

const ID: AccountId = AccountId(16);
const HOUR: i64 = 3600 * 1000;
const DAY: i64 = 24 * HOUR;
const START: i64 = 1_790_000_000_000;
const RETENTION: i64 = 30 * DAY;
const MONTHS: usize = 12;
const DAYS_PER_MONTH: u64 = 30;
/// Mail is in INBOX for so many days before somebody files or removes it.
const IN_INBOX_DAYS: u64 = 3;
/// Of so many, one is filed for good; the others are removed.
const FILED_ONE_IN: u64 = 4;
/// A log of the database may be so long: it begins again when it has been brought into its file (64 MiB), and a commit more.
const LOG_BYTES_MAX: u64 = 80 << 20;

/// The kinds of rows that there are for each message that is kept, and how many at most: its record, its place, summary, body and
/// names, what two POP3 devices have of it; the index of a mailbox comes in pieces of many.
const OF_MAIL: &[(u8, f64)] =
    &[(b'E', 1.0), (b'M', 1.0), (b'T', 1.0), (b'Y', 1.0), (b'I', 3.0), (b'P', 2.0), (b'L', 0.1), (b'R', 1.0)];

/// How often something happens in a day.
#[derive(Clone, Copy)]
struct Day {
    deliveries: u64,
    /// Sessions of each POP3 device.
    polls: u64,
    /// Sessions of each IMAP device, and rounds of the server's own work.
    rounds: u64,
}

const SHORT: Day = Day { deliveries: 10, polls: 8, rounds: 4 };
const WHOLE: Day = Day { deliveries: 30, polls: 288, rounds: 24 };

struct Home {
    engine: Arc<SqliteEngine>,
    objects: Arc<SimObjects>,
    day: Day,
    store: Store,
    account: Account,
    now: i64,
    random: Random,
    devices: BTreeMap<&'static str, DeviceId>,
    /// What the device that leaves mail on the server has, of what it lists.
    downloaded: BTreeSet<EmailId>,
    inbox: MailboxId,
    archive: MailboxId,
    arrived: u64,
    sessions: u64,
}

impl Home {
    fn new(place: &Path, day: Day) -> Self {
        let engine = Arc::new(SqliteEngine::open(place, &SqliteOptions::default()).unwrap());
        let objects = Arc::new(SimObjects::new());
        let store = Store::with_options(engine.clone(), objects.clone(), StoreOptions::default());
        let account = store.create_account(ID, Timestamp(START)).unwrap();
        let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(START) };
        let policies = [
            ("pc", None),
            ("phone", None),
            ("tablet", None),
            ("pop that leaves", Some(RemovalPolicy::Keep)),
            ("pop that deletes", Some(RemovalPolicy::KeepWhenShared)),
        ];
        let devices = policies.map(|(name, policy)| {
            let credential = Credential::ApplicationPassword { hash: [0; 32] };
            let device = account.add_device(owner, name, credential, policy.map(Into::into)).unwrap();
            account.set_brake(owner, device, false).unwrap();
            (name, device)
        });
        let mailbox = |name| account.mailboxes().unwrap().by_name(name).unwrap().id;
        let (inbox, archive) = (mailbox("INBOX"), mailbox("Archive"));
        let (random, devices) = (Random::new(1), devices.into());
        Self {
            engine,
            objects,
            day,
            store,
            account,
            now: START,
            random,
            devices,
            inbox,
            archive,
            arrived: 0,
            sessions: 0,
            downloaded: BTreeSet::new(),
        }
    }

    fn actor(&self, device: &str, protocol: Protocol) -> Actor {
        Actor { device: self.devices[device], protocol, now: Timestamp(self.now) }
    }

    /// A log-in, as the servers note it.
    fn log_in(&mut self, device: &str, protocol: Protocol) -> Actor {
        let at = Timestamp(self.now);
        let address = format!("192.0.2.{}", 1 + self.random.below(20));
        let login = LastLogin { at, protocol, address, tls: None, program: None };
        self.account.note_login(self.devices[device], login).unwrap();
        self.sessions += 1;
        self.actor(device, protocol)
    }

    fn deliver(&mut self) {
        self.arrived += 1;
        let lines = if self.random.below(10) == 0 { 1_000 } else { 5 + self.random.below(60) as usize };
        let body = format!(
            "From: <s@example.net>\r\nSubject: {0}\r\nMessage-ID: <{0}@example.net>\r\n\r\n{1}",
            self.arrived,
            "A line of text, 32 octets long.\r\n".repeat(lines)
        );
        let now = Timestamp(self.now);
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now };
        let handover = Handover::new(&[body.as_bytes()], now, 0);
        let body: Arc<Vec<u8>> = Arc::new(body.into_bytes());
        self.account.receive(actor, body, handover, Place::Inbox).unwrap().claim.answered();
    }

    /// Downloads what is new, and deletes it if it is one of that kind.
    fn poll(&mut self, device: &str, deletes: bool) {
        let actor = self.log_in(device, Protocol::Pop3);
        let maildrop = self.account.open_maildrop(actor.device, &MaildropOptions::default(), actor.now).unwrap();
        let listed: BTreeSet<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
        let (new, deleted) = if deletes {
            let all = Vec::from_iter(listed);
            (all.clone(), all)
        } else {
            let new = listed.difference(&self.downloaded).copied().collect();
            self.downloaded = listed;
            (new, Vec::new())
        };
        self.account.close_maildrop(actor, &maildrop, new, deleted).unwrap();
    }

    fn uids(&self, mailbox: MailboxId, of: impl Fn(&Entry) -> bool) -> Vec<Uid> {
        self.account.view(mailbox).unwrap().index().iter().filter(|entry| of(entry)).map(|entry| entry.uid).collect()
    }

    fn flag(&self, actor: Actor, uids: Vec<Uid>, mode: FlagMode, flag: SystemFlag) {
        let change = FlagChange { mode, flags: Flags::system(&[flag]), unchanged_since: None };
        self.account.change_flags(actor, self.inbox, uids, change).unwrap();
    }

    /// Reads what is there, and files or removes what has been there for some days.
    fn tidy_up(&mut self, device: &str) {
        let actor = self.log_in(device, Protocol::Imap);
        let unseen = self.uids(self.inbox, |entry| !entry.flags.has(SystemFlag::Seen));
        if !unseen.is_empty() {
            self.flag(actor, unseen, FlagMode::Add, SystemFlag::Seen);
        }
        let keeps =
            self.uids(self.inbox, |_| true).len().saturating_sub((IN_INBOX_DAYS * self.day.deliveries) as usize);
        let old: Vec<Uid> = self.uids(self.inbox, |_| true).into_iter().take(keeps).collect();
        let (mut filed, mut removed) = (Vec::new(), Vec::new());
        for uid in old {
            if self.random.below(FILED_ONE_IN) == 0 { filed.push(uid) } else { removed.push(uid) }
        }
        if !filed.is_empty() {
            self.account.move_messages(actor, self.inbox, filed, self.archive).unwrap();
        }
        if !removed.is_empty() {
            self.flag(actor, removed.clone(), FlagMode::Add, SystemFlag::Deleted);
            self.account.expunge(actor, self.inbox, Expunge::DeletedAmong(removed)).unwrap();
        }
    }

    /// A flag comes or goes.
    fn look(&mut self, device: &str) {
        let actor = self.log_in(device, Protocol::Imap);
        let uids = self.uids(self.inbox, |_| true);
        if let Some(uid) = uids.get(self.random.below(uids.len() as u64) as usize) {
            let mode = if self.random.below(2) == 0 { FlagMode::Add } else { FlagMode::Remove };
            self.flag(actor, vec![*uid], mode, SystemFlag::Flagged);
        }
    }

    /// The owner takes back what a device did in the last hour.
    fn undo(&mut self) {
        let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(self.now) };
        let what = UndoWhat::Device { device: self.devices["tablet"], since: Timestamp(self.now - HOUR) };
        let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
        self.account.undo(owner, request).unwrap();
    }

    /// What the server does every hour (`server::services::retention`), and every day.
    fn keep_house(&self, daily: bool) {
        self.account.remove_due(Timestamp(self.now)).unwrap();
        self.account.index_message_ids(usize::MAX).unwrap();
        while self.account.note_sent_sizes().unwrap() > 0 {}
        while self.account.note_places().unwrap() > 0 {}
        self.account.purge(Timestamp(self.now - RETENTION)).unwrap();
        if daily {
            self.account.sweep(Timestamp(self.now - DAY)).unwrap();
        }
        self.store.tidy_receipts(Timestamp(self.now));
    }

    fn pass_day(&mut self, number: u64) {
        let Day { deliveries, polls, rounds } = self.day;
        let midnight = START + number as i64 * DAY;
        for poll in 0..polls {
            self.now = midnight + poll as i64 * DAY / polls as i64;
            let begins = |times: u64| poll * times / polls..(poll + 1) * times / polls;
            begins(deliveries).for_each(|_| self.deliver());
            self.store.tidy_receipts(Timestamp(self.now));
            self.poll("pop that leaves", false);
            self.poll("pop that deletes", true);
            for round in begins(rounds) {
                self.tidy_up("pc");
                self.look("phone");
                self.keep_house(round == 0);
            }
        }
        self.tidy_up("tablet");
        if number.is_multiple_of(7) {
            self.undo();
        }
    }

    fn sample(&self, place: &Path) -> Sample {
        let mut rows = BTreeMap::new();
        let snapshot = self.engine.snapshot(ID).unwrap();
        let count = &mut |key: &[u8], _: &[u8]| {
            *rows.entry(key[0]).or_default() += 1;
            ControlFlow::Continue(())
        };
        snapshot.scan(&[], &[255; 512], count).unwrap();
        let length = |ending: &str| {
            let files = fs::read_dir(place).unwrap().map(|entry| entry.unwrap());
            files
                .filter(|file| file.file_name().to_str().unwrap().ends_with(ending))
                .map(|file| file.metadata().unwrap().len())
                .sum()
        };
        Sample {
            rows,
            sessions: self.sessions,
            arrived: self.arrived,
            devices: self.account.devices().unwrap().len(),
            history_bytes: self.account.history_bytes().unwrap(),
            objects: self.objects.list(ID).unwrap().len() as u64,
            database_bytes: length(".sqlite") - self.engine.reusable_bytes(),
            log_bytes: length("-wal"),
        }
    }
}

#[derive(Debug)]
struct Sample {
    /// By the first letter of their keys (`store::key`).
    rows: BTreeMap<u8, u64>,
    sessions: u64,
    arrived: u64,
    devices: usize,
    history_bytes: u64,
    objects: u64,
    /// Without what is free in it.
    database_bytes: u64,
    log_bytes: u64,
}

impl Sample {
    fn of(&self, letter: u8) -> u64 {
        self.rows.get(&letter).copied().unwrap_or_default()
    }

    fn kept(&self) -> u64 {
        self.of(b'E')
    }

    /// Rows of no message.
    fn beside_mail(&self) -> u64 {
        self.rows
            .iter()
            .filter(|(letter, _)| OF_MAIL.iter().all(|(of_mail, _)| of_mail != *letter))
            .map(|(_, count)| count)
            .sum()
    }

    fn print(&self, month: usize) {
        println!(
            "| {month} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {:.1} |",
            self.arrived,
            self.kept(),
            self.of(b'R'),
            self.sessions,
            self.devices,
            self.of(b'J'),
            self.of(b'H'),
            self.history_bytes >> 10,
            self.of(b'P'),
            self.objects,
            self.database_bytes as f64 / f64::from(1 << 20),
            self.log_bytes as f64 / f64::from(1 << 20),
        );
        println!("    {:?}", self.rows.iter().map(|(letter, count)| (char::from(*letter), count)).collect::<Vec<_>>());
    }
}

#[test]
fn what_an_account_takes_beside_its_mail_does_not_grow_in_a_year() {
    let day = if env::var("PILLARBOX_YEAR").is_ok_and(|form| form == "whole") { WHOLE } else { SHORT };
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() };
    let mut home = Home::new(place.path(), day);
    println!(
        "| month | arrived | kept | of them removed | sessions | devices | journal | history | KiB of both | rows of POP devices | \
         large bodies | MiB of the database | of its logs |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut months = Vec::new();
    for month in 1..=MONTHS {
        let days = (month as u64 - 1) * DAYS_PER_MONTH..month as u64 * DAYS_PER_MONTH;
        days.for_each(|number| home.pass_day(number));
        let sample = home.sample(place.path());
        sample.print(month);
        months.push(sample);
    }
    assert_eq!(home.account.check(&home.store).unwrap(), []);
    assert_eq!(home.sessions, MONTHS as u64 * DAYS_PER_MONTH * (2 * day.polls + 2 * day.rounds + 1));
    let (third, last) = (&months[2], &months[MONTHS - 1]);
    for (letter, most) in OF_MAIL {
        let (count, most) = (last.of(*letter), (last.kept() as f64 * most) as u64 + 10);
        assert!(count <= most, "{} rows of {count} for {} messages", char::from(*letter), last.kept());
    }
    // A tenth is luck: which days end a month.
    let within = |what: &str, before: u64, after: u64| {
        assert!(after <= before + before / 10 + 10, "{what}: {before} in the third month and {after} in the last");
    };
    within("rows of no message", third.beside_mail(), last.beside_mail());
    within("removed messages that are kept", third.of(b'R'), last.of(b'R'));
    within("octets of the journal", third.history_bytes, last.history_bytes);
    let each = |sample: &Sample| sample.database_bytes / sample.kept();
    within("octets of the database for a message that is kept", each(third), each(last));
    let objects = |sample: &Sample| sample.objects * 1000 / sample.kept();
    within("large bodies of 1,000 messages that are kept", objects(third), objects(last));
    assert!(months.iter().all(|month| month.log_bytes <= 2 * LOG_BYTES_MAX), "{months:#?}");
    assert_eq!(last.devices, home.devices.len());
}
