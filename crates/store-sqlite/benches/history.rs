//! What a long journal costs: an account with 1,000,000 journal entries on a disk, beside one with a short journal.
//!
//! `cargo bench -p store-sqlite --bench history` measures in the target directory; `BENCH_DIRECTORY` names another place
//! and `BENCH_ENTRIES` another number.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use store::device::Credential;
use store::sim::SimObjects;
use store::{
    Account, AccountId, Actor, DeviceId, Expunge, FlagChange, FlagMode, Flags, MailboxId, ModSeq, NewMessage, Protocol,
    Store, SystemFlag, Target, TimelineQuery, Timestamp, Uid, UndoRequest, UndoWhat,
};
use store_sqlite::{SqliteEngine, SqliteOptions};

const ID: AccountId = AccountId(16);
const INBOX: MailboxId = MailboxId(1);
const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: NOW };
const MESSAGES: u32 = 20_000;
const REMOVED: u32 = 10_000;
const THREADS: u64 = 64;

fn main() {
    let place = std::env::var("BENCH_DIRECTORY").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let entries = std::env::var("BENCH_ENTRIES").map_or(1_000_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir_in(&place).unwrap();
    let engine = Arc::new(SqliteEngine::open(directory.path(), &SqliteOptions::default()).unwrap());
    let account = fresh(&engine).create_account(ID, NOW).unwrap();
    fill(&account);
    println!("a journal of {} entries, {MESSAGES} messages", account.head().unwrap().0);
    looks(&account, &engine);
    lengthen(&account, entries);
    println!("a journal of {} entries, {MESSAGES} messages", account.head().unwrap().0);
    looks(&account, &engine);
    history(&account);
    undo(&account);
}

/// A store that knows nothing yet, as after a start.
fn fresh(engine: &Arc<SqliteEngine>) -> Store {
    Store::new(engine.clone(), Arc::new(SimObjects::new()))
}

fn message() -> NewMessage {
    let body = format!("Subject: a message\r\n\r\n{}\r\n", "text ".repeat(700)).into_bytes();
    NewMessage { body, flags: Flags::default(), internal_date: NOW }
}

/// So many threads at once, as sessions do: their operations share commits.
fn by_threads(count: u64, operation: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    operation(number);
                }
            });
        }
    });
}

fn fill(account: &Account) {
    by_threads(MESSAGES.into(), |_| {
        account.append(SERVER, Target::Inbox, message()).unwrap();
    });
}

fn flag(account: &Account, actor: Actor, uid: Uid, mode: FlagMode, flag: SystemFlag) {
    let change = FlagChange { mode, flags: Flags::system(&[flag]), unchanged_since: None };
    account.change_flags(actor, INBOX, vec![uid], change).unwrap();
}

/// Flags come and go until the journal is so long.
fn lengthen(account: &Account, entries: u64) {
    let begin = Instant::now();
    let wanted = entries.saturating_sub(account.head().unwrap().0);
    by_threads(wanted, |number| {
        let mode = if (number / u64::from(MESSAGES)).is_multiple_of(2) { FlagMode::Add } else { FlagMode::Remove };
        flag(account, SERVER, Uid(1 + (number % u64::from(MESSAGES)) as u32), mode, SystemFlag::Flagged);
    });
    println!("  {:>10.0}  flag changes/s by {THREADS} threads", wanted as f64 / begin.elapsed().as_secs_f64());
}

/// What must not grow with the journal.
fn looks(account: &Account, engine: &Arc<SqliteEngine>) {
    let times = 500;
    report("append one", times, || (0..times).for_each(|_| drop(account.append(SERVER, Target::Inbox, message()))));
    let uids: Vec<Uid> = account.view(INBOX).unwrap().index().iter().skip(MESSAGES as usize).map(|e| e.uid).collect();
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    account.change_flags(SERVER, INBOX, uids.clone(), change).unwrap();
    account.expunge(SERVER, INBOX, Expunge::DeletedAmong(uids)).unwrap();
    report("SELECT, warm", 100_000, || (0..100_000).for_each(|_| drop(black_box(account.view(INBOX).unwrap()))));
    let cold = fresh(engine).account(ID);
    report("SELECT, first after a start", 1, || drop(black_box(cold.view(INBOX).unwrap())));
}

fn history(account: &Account) {
    let emails: Vec<_> = account.view(INBOX).unwrap().index().iter().map(|entry| entry.email).collect();
    let (mut slowest, mut events) = (Duration::ZERO, 0);
    for email in emails.iter().step_by(emails.len() / 200) {
        let begin = Instant::now();
        events = account.message_history(*email).unwrap().len();
        slowest = slowest.max(begin.elapsed());
    }
    println!("  {slowest:>10.1?}  the history of a message, the slowest of 200 ({events} events)");
    let query = TimelineQuery { limit: 50, ..TimelineQuery::default() };
    report("a page of the timeline, newest", 100, || (0..100).for_each(|_| drop(account.timeline(&query).unwrap())));
    let old = TimelineQuery { before: Some(ModSeq(30_000)), ..query };
    report("a page of the timeline, oldest", 100, || (0..100).for_each(|_| drop(account.timeline(&old).unwrap())));
}

fn undo(account: &Account) {
    let credential = Credential::ApplicationPassword { hash: [0; 32] };
    let device = account.add_device(SERVER, "pc", credential, None).unwrap();
    let now = Timestamp(NOW.0 + 1_000);
    let pc = Actor { device, protocol: Protocol::Imap, now };
    let uids: Vec<Uid> = (1..=REMOVED).map(Uid).collect();
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    account.change_flags(pc, INBOX, uids.clone(), change).unwrap();
    report("expunge 10,000", 1, || drop(account.expunge(pc, INBOX, Expunge::DeletedAmong(uids)).unwrap()));
    let what = UndoWhat::Device { device, since: now };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    report("what would an undo of 10,000 do", 1, || {
        let would = account.undo(SERVER, UndoRequest { dry_run: true, ..request }).unwrap();
        assert_eq!(would.restored, REMOVED as usize);
    });
    report("undo 10,000", 1, || assert_eq!(account.undo(SERVER, request).unwrap().restored, REMOVED as usize));
}

fn report(what: &str, times: u32, work: impl FnOnce()) {
    let begin = Instant::now();
    work();
    println!("  {:>10.1?}  {what}", begin.elapsed() / times);
}
