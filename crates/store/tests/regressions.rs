//! A test for each thing that once went wrong, named after it.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;
use store::check::Depth;
use store::device::Credential;
use store::engine::{Commit, Engine, Write};
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, Appended, DeviceId, EmailId, Error, Expunge, FlagChange, FlagMode, Flags, MailboxId,
    MaildropOptions, ModSeq, NewMessage, Protocol, Store, SystemFlag, Target, Timestamp, Uid,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ID: AccountId = AccountId(16);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

struct World {
    engine: SimEngine,
    store: Store,
    account: Account,
    inbox: MailboxId,
}

fn world() -> World {
    let engine = SimEngine::new();
    let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
    let account = store.create_account(ID, NOW).unwrap();
    let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    World { engine, store, account, inbox }
}

impl World {
    fn append_to(&self, mailbox: MailboxId, body: &str) -> Appended {
        let message = NewMessage { body: body.into(), flags: Flags::default(), internal_date: NOW };
        self.account.append(ACTOR, Target::Mailbox(mailbox), message).unwrap()
    }

    fn flag(&self, uids: Vec<u32>, flag: SystemFlag) {
        let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since: None };
        self.account.change_flags(ACTOR, self.inbox, uids.into_iter().map(Uid).collect(), change).unwrap();
    }

    /// Another process on the same engine.
    fn other(&self) -> Account {
        Store::new(Arc::new(self.engine.clone()), Arc::new(SimObjects::new())).account(ID)
    }

    fn keys(&self, letter: u8) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let snapshot = self.engine.snapshot(ID).unwrap();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        };
        snapshot.scan(&[letter], &[letter + 1], &mut visit).unwrap();
        keys
    }

    /// Writes behind the store's back, as damage does.
    fn damage(&self, write: Write) {
        let expected = self.engine.snapshot(ID).unwrap().head();
        self.engine
            .commit(Commit { account: ID, expected, next: ModSeq(expected.0 + 1), writes: vec![write] })
            .unwrap();
    }

    fn check(&self) {
        assert_eq!(store::check::all(&self.store, Depth::Bodies).unwrap(), []);
        for mailbox in self.account.mailboxes().unwrap().iter() {
            let (warm, cold) = (self.account.view(mailbox.id).unwrap(), self.other().view(mailbox.id).unwrap());
            assert!(warm.index().iter().eq(cold.index().iter()), "{}", mailbox.name);
        }
    }
}

#[test]
fn a_message_named_twice_in_a_change_of_flags_counts_once() {
    let world = world();
    world.append_to(world.inbox, "one");
    world.append_to(world.inbox, "two");
    world.flag(vec![2, 1, 1, 2, 1], SystemFlag::Seen);
    let counts = world.account.view(world.inbox).unwrap().mailbox().counts;
    assert_eq!((counts.messages, counts.unseen), (2, 0));
    world.check();
}

#[test]
fn every_handle_of_a_removed_account_finds_it_gone_and_brings_nothing_back() {
    let world = world();
    let email = world.append_to(world.inbox, &"x".repeat(200_000)).email;
    let other = world.other();
    other.view(world.inbox).unwrap();
    let device = world.account.add_device(
        ACTOR,
        "pc",
        Credential::ApplicationPassword { hash: [0; 32] },
        Some(RemovalPolicy::Keep.into()),
    );
    let device = device.unwrap();
    let maildrop = world.account.open_maildrop(device, &MaildropOptions::default(), NOW).unwrap();
    let reader = world.account.reader().unwrap();
    world.store.remove_account(ID).unwrap();
    assert_eq!(reader.body(email).err().map(|error| matches!(error, Error::Fault(_))), Some(true));
    for (account, what) in [(&world.account, "old"), (&world.store.account(ID), "new"), (&other, "another process's")] {
        other.refresh().unwrap();
        let gone = Some(Error::NoSuchAccount);
        assert_eq!(account.mailboxes().err(), gone, "{what}");
        assert_eq!(account.view(world.inbox).err(), gone, "{what}");
        assert_eq!(account.head().err(), gone, "{what}");
        assert_eq!(account.devices().err(), gone, "{what}");
        assert_eq!(account.reader().err(), gone, "{what}");
        assert_eq!(account.journal(ModSeq(0), 1).err(), gone, "{what}");
        assert_eq!(account.vanished_since(world.inbox, ModSeq(0)).err(), gone, "{what}");
        let message = NewMessage { body: vec![b'x'; 200_000], flags: Flags::default(), internal_date: NOW };
        assert_eq!(account.append(ACTOR, Target::Inbox, message).err(), gone, "{what}");
        assert_eq!(account.expunge(ACTOR, world.inbox, Expunge::AllDeleted).err(), gone, "{what}");
        assert_eq!(account.subscribe(ACTOR, "INBOX", false).err(), gone, "{what}");
        assert_eq!(account.purge(NOW).err(), gone, "{what}");
    }
    let pop = Actor { device, protocol: Protocol::Pop3, now: NOW };
    assert_eq!(world.account.close_maildrop(pop, &maildrop, vec![], vec![email]).err(), Some(Error::NoSuchAccount));
    assert_eq!(world.engine.snapshot(ID).unwrap().head(), ModSeq(0));
    assert_eq!(world.store.accounts().unwrap(), []);
}

#[test]
fn a_mailbox_that_nobody_changes_does_not_keep_the_journal_for_ever() {
    let world = world();
    let archive = world.account.mailboxes().unwrap().by_name("Archive").unwrap().id;
    for n in 0..1200 {
        world.append_to(archive, &n.to_string());
    }
    assert!(!world.keys(b'K').is_empty(), "it is packed");
    for n in 0..5 {
        world.append_to(world.inbox, &n.to_string());
    }
    let purged = world.account.purge(Timestamp(NOW.0 + 1)).unwrap();
    assert!(purged.journal_entries > 1200);
    assert_eq!(world.keys(b'J').len(), 0);
    world.check();
    world.append_to(archive, "later");
    world.check();
}

#[test]
fn a_pack_that_gets_smaller_leaves_no_piece_behind() {
    let world = world();
    for n in 0..9000 {
        world.append_to(world.inbox, &n.to_string());
    }
    assert_eq!(world.keys(b'L').len(), 3);
    world.flag((1..=8000).collect(), SystemFlag::Deleted);
    world.account.expunge(ACTOR, world.inbox, Expunge::AllDeleted).unwrap();
    assert_eq!(world.keys(b'L').len(), 1);
    world.check();
}

#[test]
fn two_purges_at_once_do_not_fail_each_other() {
    let world = world();
    for n in 0..40 {
        world.append_to(world.inbox, &n.to_string());
    }
    world.flag((1..=40).collect(), SystemFlag::Deleted);
    world.account.expunge(ACTOR, world.inbox, Expunge::AllDeleted).unwrap();
    std::thread::scope(|scope| {
        let purges: Vec<_> =
            (0..8).map(|_| scope.spawn(|| world.account.purge(Timestamp(NOW.0 + 1)).unwrap())).collect();
        let messages: usize = purges.into_iter().map(|purge| purge.join().unwrap().messages).sum();
        assert_eq!(messages, 40);
    });
    assert_eq!(world.keys(b'Y').len(), 0);
    world.check();
}

#[test]
fn a_body_that_should_be_there_and_is_not_is_a_fault() {
    let world = world();
    let email = world.append_to(world.inbox, "here").email;
    let mut key = world.keys(b'Y');
    world.damage(Write::Delete { key: key.remove(0) });
    let reader = world.account.reader().unwrap();
    assert!(matches!(reader.body(email), Err(Error::Fault(_))));
    assert_eq!(reader.body(EmailId(email.0 + 1)), Err(Error::NoSuchMessage));
    assert!(reader.summary(email).is_ok(), "the summary is still there");
    assert_eq!(store::check::all(&world.store, Depth::Records).unwrap().len(), 1);
}

#[test]
fn a_summary_that_is_missing_is_made_anew() {
    let world = world();
    let email = world.append_to(world.inbox, "Subject: here\r\n\r\nbody").email;
    let before = world.account.reader().unwrap().summary(email).unwrap();
    let mut key = world.keys(b'T');
    world.damage(Write::Delete { key: key.remove(0) });
    assert_eq!(world.account.reader().unwrap().summary(email).unwrap(), before);
}

#[test]
fn a_message_whose_summary_is_huge_is_stored() {
    let world = world();
    // Embedded messages whose header fields are as long as they may be.
    let subject = "x".repeat(200_000);
    let part = format!("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: {subject}\r\n\r\nbody\r\n");
    let body = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", part.repeat(60));
    let email = world.append_to(world.inbox, &body).email;
    let reader = world.account.reader().unwrap();
    assert_eq!(reader.body(email).unwrap(), body.as_bytes());
    assert_eq!(reader.summary(email).unwrap().size(), body.len());
}

#[test]
fn the_first_level_of_a_name_below_inbox_is_found_in_any_case() {
    let world = world();
    let id = world.account.create_mailbox(ACTOR, "inbox/Work", None).unwrap();
    for name in ["Inbox/Work", "INBOX/Work", "inbox/Work"] {
        assert_eq!(world.account.mailboxes().unwrap().by_name(name).map(|mailbox| mailbox.id), Some(id), "{name}");
    }
    for name in ["INBOX/work", "INBOXES/Work", "inboxer", "IN", "ÍNBOX"] {
        assert!(world.account.mailboxes().unwrap().by_name(name).is_none(), "{name}");
    }
    assert_eq!(world.account.create_mailbox(ACTOR, "iNBOX/Work", None), Err(Error::AlreadyExists));
    world.account.delete_mailbox(ACTOR, "inbox/Work").unwrap();
    world.check();
}

#[test]
fn a_revoked_device_cannot_log_in_by_racing_the_revocation() {
    let world = world();
    let credential = Credential::ApplicationPassword { hash: [0; 32] };
    let device = world.account.add_device(ACTOR, "pc", credential, Some(RemovalPolicy::Keep.into())).unwrap();
    world.other().revoke_device(ACTOR, device).unwrap();
    // This process has not noticed yet; its transaction does.
    let login =
        store::device::LastLogin { at: NOW, protocol: Protocol::Imap, address: "::1".into(), tls: None, program: None };
    assert_eq!(world.account.note_login(device, login), Err(Error::NoSuchDevice));
}

#[test]
fn a_deleted_mailbox_takes_its_pack_along() {
    let world = world();
    let work = world.account.create_mailbox(ACTOR, "Work", None).unwrap();
    let uids: Vec<Uid> = (0..40).map(|n| world.append_to(world.inbox, &n.to_string()).uid).collect();
    for _ in 0..30 {
        world.account.copy(ACTOR, world.inbox, uids.clone(), work).unwrap();
    }
    assert_eq!((world.keys(b'K').len(), world.keys(b'L').len()), (1, 1), "it is packed");
    world.account.delete_mailbox(ACTOR, "Work").unwrap();
    assert_eq!((world.keys(b'K').len(), world.keys(b'L').len()), (0, 0));
    world.check();
}
