use super::*;
use crate::device::Credential;
use crate::sim::{HeldEngine, SimEngine, SimObjects};
use crate::{Actor, DeviceId, Node, Protocol, Timestamp};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Waker;
use std::thread;
use std::time::Duration;

const ID: AccountId = AccountId(16);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1) };

fn store(engine: &SimEngine) -> Store {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
}

#[test]
fn what_others_commit_wakes_who_watches_it_and_what_this_process_does_wakes_nobody_twice() {
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let account = here.create_account(ID, Timestamp(0)).unwrap();
    let other = there.account(ID);
    let watch = here.watches().watch(ID, Waker::noop().clone());
    let logins = account.watch_logins(Waker::noop().clone());
    let mut heads = Heads::default();
    here.notice_others(&mut heads).unwrap();
    assert_eq!(watch.changes(), 0);
    account.create_mailbox(ACTOR, "a", None).unwrap();
    here.notice_others(&mut heads).unwrap();
    assert_eq!((watch.changes(), logins.changes()), (1, 0), "its own");
    let phone = other.add_device(ACTOR, "phone", Credential::ApplicationPassword { hash: [1; 32] }, None).unwrap();
    other.revoke_device(ACTOR, phone).unwrap();
    here.notice_others(&mut heads).unwrap();
    assert!(watch.changes() > 1 && logins.changes() > 0);
    assert_eq!(account.head(), other.head());
    let before = (watch.changes(), logins.changes());
    here.notice_others(&mut heads).unwrap();
    assert_eq!((watch.changes(), logins.changes()), before, "nothing has changed");
    there.remove_account(ID).unwrap();
    here.notice_others(&mut heads).unwrap();
    assert!(logins.changes() > before.1);
    assert_eq!(account.mailboxes().err(), Some(Error::NoSuchAccount));
}

/// Only what somebody watches is looked at; an account of which no session is open must be read as it is all the same.
#[test]
fn what_nobody_watches_is_compared_when_it_is_used_once_between_two_looks() {
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let mut nodes = [Node::join(&here, "one"), Node::join(&there, "two")];
    nodes.iter_mut().for_each(|node| drop(node.beat(Duration::ZERO).unwrap()));
    let account = here.create_account(ID, Timestamp(0)).unwrap();
    let mut heads = Heads::default();
    here.notice_others(&mut heads).unwrap();
    let names = || account.mailboxes().unwrap().by_name("a").is_some();
    assert!(!names());
    there.account(ID).create_mailbox(ACTOR, "a", None).unwrap();
    assert!(!names(), "it was asked for since the last look");
    account.catch_up().unwrap();
    assert!(names(), "who has to be sure asks again");
    there.account(ID).delete_mailbox(ACTOR, "a").unwrap();
    here.notice_others(&mut heads).unwrap();
    assert!(!names());
}

/// A transaction of this process found out before anybody looked: who waits for changes must hear of it all the same.
#[test]
fn what_a_transaction_finds_to_have_changed_is_told_to_who_watches() {
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let account = here.create_account(ID, Timestamp(0)).unwrap();
    let watch = here.watches().watch(ID, Waker::noop().clone());
    there.account(ID).create_mailbox(ACTOR, "a", None).unwrap();
    assert_eq!(watch.changes(), 0);
    assert_eq!(account.create_mailbox(ACTOR, "a", None), Err(Error::AlreadyExists));
    assert_eq!(watch.changes(), 1);
}

#[test]
fn a_table_that_others_have_changed_is_told_from_one_that_this_process_has() {
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    here.create_account(ID, Timestamp(0)).unwrap();
    let logins = here.account(ID).watch_logins(Waker::noop().clone());
    let put = |store: &Store, table: TableId| {
        let put = |tx: &mut crate::TableTx<'_>| {
            tx.put(b"x", vec![1]);
            Ok::<_, Error>(())
        };
        store.table(table).change(put).unwrap();
    };
    let mut heads = Heads::default();
    let mut look = || {
        here.notice_others(&mut heads).unwrap();
        [TableId::Queue, TableId::Directory].map(|table| here.changed_by_others(table))
    };
    assert_eq!(look(), [0, 0]);
    put(&here, TableId::Queue);
    put(&here, TableId::Directory);
    assert_eq!((look(), logins.changes()), ([0, 0], 0));
    // One between two of its own.
    put(&here, TableId::Queue);
    put(&there, TableId::Queue);
    put(&here, TableId::Queue);
    assert_eq!((look(), logins.changes()), ([1, 0], 0));
    put(&there, TableId::Directory);
    assert_eq!((look(), logins.changes()), ([1, 1], 1), "passwords may be others now");
    assert_eq!(look(), [1, 1]);
}

/// A database that hangs on one account: mail for all others is to be seen as soon as ever.
#[test]
fn one_account_that_hangs_held_up_the_look_at_all_others() {
    const OTHER: AccountId = AccountId(17);
    let engine = SimEngine::new();
    let held = HeldEngine::new(&engine);
    let (here, there) = (Store::new(Arc::new(held.clone()), Arc::new(SimObjects::new())), store(&engine));
    for id in [ID, OTHER] {
        here.create_account(id, Timestamp(0)).unwrap();
    }
    let watches = [ID, OTHER].map(|id| here.watches().watch(id, Waker::noop().clone()));
    let mut heads = Heads::default();
    here.notice_others(&mut heads).unwrap();
    held.hold(Some(ID));
    let busy = here.account(ID);
    let hangs = thread::spawn(move || busy.create_mailbox(ACTOR, "b", None));
    held.until_one_waits();
    for id in [ID, OTHER] {
        there.account(id).create_mailbox(ACTOR, "a", None).unwrap();
    }
    let (told, looked) = channel();
    let looking = here.clone();
    thread::spawn(move || told.send(looking.notice_others(&mut heads).map(|()| heads)));
    let mut heads = looked.recv_timeout(Duration::from_secs(10)).expect("a look waits for no account").unwrap();
    assert!(watches.iter().all(|watch| watch.changes() > 0));
    assert!(here.account(OTHER).mailboxes().unwrap().by_name("a").is_some());
    let changes = watches[0].changes();
    here.notice_others(&mut heads).unwrap();
    assert_eq!(watches[0].changes(), changes, "who watches is woken once");
    held.hold(None);
    hangs.join().unwrap().unwrap();
    let names = here.account(ID).mailboxes().unwrap();
    assert!(["a", "b"].iter().all(|name| names.by_name(name).is_some()));
}

/// What cannot be read concerns whoever uses the account, and nobody else.
#[test]
fn one_account_that_could_not_be_read_kept_the_others_from_being_looked_at() {
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let ids = [ID, AccountId(17), AccountId(18)];
    for id in ids {
        here.create_account(id, Timestamp(0)).unwrap();
    }
    let watches = ids.map(|id| here.watches().watch(id, Waker::noop().clone()));
    let mut heads = Heads::default();
    here.notice_others(&mut heads).unwrap();
    for id in ids {
        there.account(id).create_mailbox(ACTOR, "a", None).unwrap();
    }
    engine.spoil_mail(ID, &crate::key::account());
    here.notice_others(&mut heads).unwrap();
    assert!(watches.iter().all(|watch| watch.changes() > 0));
    assert!(here.account(ID).mailboxes().is_err() && here.account(ids[1]).mailboxes().is_ok());
}

#[test]
fn a_hint_has_what_it_names_looked_at_and_nothing_is_believed_of_it() {
    const OTHER: AccountId = AccountId(17);
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let accounts = [ID, OTHER].map(|id| here.create_account(id, Timestamp(0)).unwrap());
    let watches = [ID, OTHER].map(|id| here.watches().watch(id, Waker::noop().clone()));
    let mut heads = Heads::default();
    here.notice_others(&mut heads).unwrap();
    for id in [ID, OTHER] {
        there.account(id).create_mailbox(ACTOR, "a", None).unwrap();
    }
    let moved = there.account(ID).head().unwrap();
    let mut hint = |id, head| here.notice_hinted(&mut heads, &[(id, head)].into());
    assert_eq!(hint(ID, moved), Ok(true));
    assert_eq!(watches.each_ref().map(crate::Watch::changes), [1, 0], "only what the hint names is looked at");
    let names = |account: &crate::Account| account.mailboxes().unwrap().by_name("a").is_some();
    assert!(names(&accounts[0]));
    let before = watches[0].changes();
    assert_eq!(hint(ID, moved), Ok(false), "doubled");
    assert_eq!(hint(ID, ModSeq(moved.0 + 1000)), Ok(true), "forged");
    assert_eq!(hint(AccountId(4711), ModSeq(1)), Ok(false), "nobody watches it");
    assert_eq!(watches[0].changes(), before, "what has not moved wakes nobody");
    assert_eq!(accounts[0].head().unwrap(), moved);
    there.remove_account(ID).unwrap();
    assert_eq!(hint(ID, ModSeq(u64::MAX)), Ok(true));
    assert_eq!(accounts[0].mailboxes().err(), Some(Error::NoSuchAccount));
    // What no hint came of is seen by the next look at all.
    here.notice_others(&mut heads).unwrap();
    assert!(watches[1].changes() > 0 && names(&accounts[1]));
}

#[test]
fn where_hints_come_what_is_watched_counts_as_looked_at_and_nothing_else_does() {
    const NEW: AccountId = AccountId(17);
    const UNWATCHED: AccountId = AccountId(18);
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let mut nodes = [Node::join(&here, "one"), Node::join(&there, "two")];
    nodes.iter_mut().for_each(|node| drop(node.beat(Duration::ZERO).unwrap()));
    let ids = [ID, NEW, UNWATCHED];
    let accounts = ids.map(|id| here.create_account(id, Timestamp(0)).unwrap());
    let names = || accounts.each_ref().map(|account| account.mailboxes().unwrap().by_name("a").is_some());
    let _watch = here.watches().watch(ID, Waker::noop().clone());
    let mut heads = Heads::default();
    here.notice_others(&mut heads).unwrap();
    assert_eq!(names(), [false; 3]);
    for id in ids {
        there.account(id).create_mailbox(ACTOR, "a", None).unwrap();
    }
    let watch = here.watches().watch(NEW, Waker::noop().clone());
    here.notice_newly_watched(&mut heads).unwrap();
    assert_eq!(watch.changes(), 1, "nobody was told of it before it was watched");
    assert_eq!(names(), [false, true, true], "the rest is compared when it is used");
    // Whether somebody may be logged in at all waits for no hint, and is asked as often with them.
    let login = here.logins().watch(ID, Waker::noop().clone());
    let change = |tx: &mut crate::TableTx<'_>| {
        tx.put(b"x", vec![1]);
        Ok::<_, Error>(())
    };
    there.table(TableId::Directory).change(change).unwrap();
    here.notice_hinted(&mut heads, &[(TableId::Directory.keyspace(), ModSeq(7))].into()).unwrap();
    assert_eq!(login.changes(), 0);
    here.notice_newly_watched(&mut heads).unwrap();
    assert_eq!(login.changes(), 1);
    here.notice_others(&mut heads).unwrap();
    assert_eq!(names(), [true; 3]);
}

/// What is to be told to others is what is durable, whoever did it.
#[test]
fn commits_of_accounts_and_of_tables_are_announced() {
    use std::task::{Context, Poll};
    let here = store(&SimEngine::new());
    let take = || match here.announcements().poll_take(&Context::from_waker(Waker::noop())) {
        Poll::Ready(heads) => heads,
        Poll::Pending => Vec::new(),
    };
    assert_eq!(take(), []);
    let account = here.create_account(ID, Timestamp(0)).unwrap();
    account.create_mailbox(ACTOR, "a", None).unwrap();
    here.table(TableId::Queue)
        .change(|tx| {
            tx.put(b"x", vec![1]);
            Ok::<_, Error>(())
        })
        .unwrap();
    let queue = TableId::Queue.keyspace();
    assert_eq!(take(), [(queue, here.table(TableId::Queue).version().unwrap()), (ID, account.head().unwrap())]);
    assert_eq!(account.create_mailbox(ACTOR, "a", None), Err(Error::AlreadyExists));
    assert_eq!(take(), [], "nothing was committed");
    here.remove_account(ID).unwrap();
    assert_eq!(take(), [(ID, ModSeq(0))]);
}
