//! What one change, one look and one start cost in mailboxes of 1,000 to 1,000,000 messages, without a disk.
//!
//! `cargo bench -p store`; `BENCH_MESSAGES=100000` measures one size. The simulated engine holds everything in memory:
//! what is measured is the store's own work, and what must not grow faster than the mailbox.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::device::Credential;
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Expunge, FlagChange, FlagMode, Flags, MailboxId, MaildropOptions,
    ModSeq, NewMessage, Protocol, Store, SystemFlag, Target, Timestamp, Uid,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ID: AccountId = AccountId(16);
const INBOX: MailboxId = MailboxId(1);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

fn main() {
    let only = std::env::var("BENCH_MESSAGES").ok().map(|text| text.parse::<u32>().unwrap());
    for messages in only.map_or(vec![1_000, 10_000, 100_000, 1_000_000], |messages| vec![messages]) {
        bench(messages);
    }
}

fn bench(messages: u32) {
    let engine = SimEngine::new();
    let store = cold(&engine);
    let account = store.create_account(ID, NOW).unwrap();
    println!("{messages} messages");
    report("fill, each message", messages, || fill(&account, messages));
    println!("  {:>10}  octets of memory a message in an index that was just read", resident_of_index(&engine));
    let uids: Vec<Uid> = account.view(INBOX).unwrap().index().iter().map(|entry| entry.uid).collect();
    singles(&account, &uids);
    looks(&engine, &account, &uids);
    pops(&account);
    wholes(&account, uids);
    report("purge, each message", messages, || {
        account.purge(Timestamp(NOW.0 + 1)).unwrap();
    });
}

/// One message at a time, as devices do.
fn singles(account: &Account, uids: &[Uid]) {
    const TIMES: u32 = 200;
    let spread = |n: u32| uids[(n as usize * 7919) % uids.len()];
    report("append one", TIMES, || (0..TIMES).for_each(|_| append(account)));
    report("flag one", TIMES, || (0..TIMES).for_each(|n| flag(account, vec![spread(n)], SystemFlag::Flagged)));
    let newest = |by: Actor| {
        for _ in 0..TIMES {
            let uid = account.view(INBOX).unwrap().index().last().unwrap().uid;
            flag(account, vec![uid], SystemFlag::Deleted);
            account.expunge(by, INBOX, Expunge::DeletedAmong(vec![uid])).unwrap();
        }
    };
    report("flag and expunge the newest, without a brake", TIMES, || newest(ACTOR));
    let device = account.add_device(ACTOR, "imap", Credential::ApplicationPassword { hash: [1; 32] }, None).unwrap();
    (0..TIMES).for_each(|_| append(account));
    report("flag and expunge the newest, by a device", TIMES, || newest(Actor { device, ..ACTOR }));
    report("flag one, and a session tells it", TIMES, || {
        let mut told = account.view(INBOX).unwrap().index().clone();
        for n in 0..TIMES {
            flag(account, vec![spread(n)], if n % 2 == 0 { SystemFlag::Answered } else { SystemFlag::Draft });
            let view = account.view(INBOX).unwrap();
            assert!(view.index().since(&told).changed.len() <= 1);
            told = view.index().clone();
        }
    });
    report("STORE that changes nothing", TIMES, || {
        (0..TIMES).for_each(|n| flag(account, vec![spread(n)], SystemFlag::Flagged));
    });
}

/// Opening and resynchronising.
fn looks(engine: &SimEngine, account: &Account, uids: &[Uid]) {
    const TIMES: u32 = 100_000;
    report("view, warm", TIMES, || (0..TIMES).for_each(|_| drop(black_box(account.view(INBOX).unwrap()))));
    report("view, first after a start", 1, || drop(black_box(cold(engine).account(ID).view(INBOX).unwrap())));
    let head = account.head().unwrap();
    report("vanished since 1,000 changes ago", 1, || {
        black_box(account.vanished_since(INBOX, ModSeq(head.0.saturating_sub(1000))).unwrap());
    });
    report("vanished since the beginning", 1, || {
        black_box(account.vanished_since(INBOX, ModSeq(1)).unwrap());
    });
    let view = account.view(INBOX).unwrap();
    report("find by UID", uids.len() as u32, || {
        uids.iter().for_each(|uid| assert!(black_box(view.index().find(*uid)).is_some()));
    });
}

/// A POP device that deletes all it is shown.
fn pops(account: &Account) {
    let credential = Credential::ApplicationPassword { hash: [0; 32] };
    let device = account.add_device(ACTOR, "pc", credential, Some(RemovalPolicy::Keep.into())).unwrap();
    report("open a maildrop", 1, || {
        drop(black_box(account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap()))
    });
    let pop = Actor { device, protocol: Protocol::Pop3, now: NOW };
    let maildrop = account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap();
    let all: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
    report("QUIT after DELE of all, each message", all.len() as u32, || {
        account.close_maildrop(pop, &maildrop, all.clone(), all.clone()).unwrap();
    });
    drop(maildrop);
    report("open a maildrop that is empty because all was deleted", 1, || {
        assert!(account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap().messages().is_empty());
    });
}

/// All messages at once, as `STORE 1:*` and EXPUNGE do.
fn wholes(account: &Account, uids: Vec<Uid>) {
    let count = uids.len() as u32;
    let told = account.view(INBOX).unwrap().index().clone();
    report("flag all, each message", count, || flag(account, uids.clone(), SystemFlag::Seen));
    report("a session tells that, each message", count, || {
        black_box(account.view(INBOX).unwrap().index().since(&told));
    });
    let archive = account.mailboxes().unwrap().by_name("Archive").unwrap().id;
    report("copy all, each message", count, || {
        account.copy(ACTOR, INBOX, uids.clone(), archive).unwrap();
    });
    let third: Vec<Uid> = uids.iter().copied().step_by(3).collect();
    report("flag and expunge every third, each message", count / 3, || {
        flag(account, third.clone(), SystemFlag::Deleted);
        account.expunge(ACTOR, INBOX, Expunge::AllDeleted).unwrap();
    });
    let rest: Vec<Uid> = account.view(INBOX).unwrap().index().iter().map(|entry| entry.uid).collect();
    report("move the others, each message", rest.len() as u32, || {
        account.move_messages(ACTOR, INBOX, rest.clone(), archive).unwrap();
    });
    report("delete the mailbox of all, each message", count / 3 * 5, || {
        account.delete_mailbox(ACTOR, "Archive").unwrap();
    });
}

fn cold(engine: &SimEngine) -> Store {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
}

fn append(account: &Account) {
    let message = NewMessage { body: b"Subject: x\r\n\r\nx\r\n".to_vec(), flags: Flags::default(), internal_date: NOW };
    account.append(ACTOR, Target::Inbox, message).unwrap();
}

/// A hundred thousand messages at most, and copies of them.
fn fill(account: &Account, messages: u32) {
    (0..messages.min(100_000)).for_each(|_| append(account));
    loop {
        let index = account.view(INBOX).unwrap().index().clone();
        let missing = messages as usize - index.len();
        if missing == 0 {
            return;
        }
        let uids = index.iter().map(|entry| entry.uid).take(missing).collect();
        account.copy(ACTOR, INBOX, uids, INBOX).unwrap();
    }
}

fn flag(account: &Account, uids: Vec<Uid>, flag: SystemFlag) {
    let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since: None };
    account.change_flags(ACTOR, INBOX, uids, change).unwrap();
}

fn resident_of_index(engine: &SimEngine) -> usize {
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
    };
    let before = resident();
    let stores: Vec<Store> = (0..4).map(|_| cold(engine)).collect();
    let views: Vec<_> = stores.iter().map(|store| store.account(ID).view(INBOX).unwrap()).collect();
    let messages: usize = views.iter().map(|view| view.index().len()).sum();
    resident().saturating_sub(before) / messages.max(1)
}

fn report(what: &str, times: u32, run: impl FnOnce()) {
    let start = Instant::now();
    run();
    let each: Duration = start.elapsed() / times.max(1);
    println!("  {each:>10.1?}  {what}");
}
