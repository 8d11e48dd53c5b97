//! The mailbox on the simulated engine: what each change does, and that every invariant holds afterwards.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use store::engine::{Commit, Engine, Write};
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, Error, Expunge, FlagChange, FlagMode, Flags, MailboxId, MaildropOptions,
    ModSeq, NewMessage, Protocol, Role, Store, SystemFlag, Target, Timestamp, Uid, device::Credential,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

struct World {
    engine: SimEngine,
    objects: SimObjects,
    store: Store,
    account: Account,
    inbox: MailboxId,
}

fn world() -> World {
    let (engine, objects) = (SimEngine::new(), SimObjects::new());
    let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
    let account = store.create_account(AccountId(16), NOW).unwrap();
    let inbox = account.mailboxes().unwrap().by_name("inbox").unwrap().id;
    World { engine, objects, store, account, inbox }
}

impl World {
    fn append(&self, body: &str) -> store::Appended {
        let message = NewMessage { body: body.as_bytes().to_vec(), flags: Flags::default(), internal_date: NOW };
        self.account.append(ACTOR, Target::Inbox, message).unwrap()
    }

    fn uids(&self, mailbox: MailboxId) -> Vec<u32> {
        self.account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid.0).collect()
    }

    fn flag(&self, uids: &[u32], mode: FlagMode, flag: SystemFlag) {
        let change = FlagChange { mode, flags: Flags::system(&[flag]), unchanged_since: None };
        self.account.change_flags(ACTOR, self.inbox, uids.iter().copied().map(Uid).collect(), change).unwrap();
    }

    fn pop_device(&self, name: &str, removal: RemovalPolicy) -> Actor {
        let credential = Credential::ApplicationPassword { hash: [name.len() as u8; 32] };
        let device = self.account.add_device(ACTOR, name, credential, Some(removal.into())).unwrap();
        Actor { device, protocol: Protocol::Pop3, now: NOW }
    }

    /// Every invariant holds, and a store that starts anew reads the same.
    fn check(&self) {
        assert_eq!(store::check::all(&self.store, store::check::Depth::Bodies).unwrap(), []);
        let again = Store::new(Arc::new(self.engine.clone()), Arc::new(self.objects.clone()));
        for mailbox in self.account.mailboxes().unwrap().iter() {
            let (old, new) =
                (self.account.view(mailbox.id).unwrap(), again.account(AccountId(16)).view(mailbox.id).unwrap());
            assert!(old.index().iter().eq(new.index().iter()), "{}", mailbox.name);
            assert_eq!(old.mailbox(), new.mailbox());
        }
    }
}

#[test]
fn an_account_begins_with_inbox_and_the_special_use_mailboxes() {
    let world = world();
    let names: Vec<(String, Option<Role>, bool)> =
        world.account.mailboxes().unwrap().iter().map(|m| (m.name.clone(), m.role, m.subscribed)).collect();
    assert_eq!(names, Role::ALL.map(|role| (role.default_name().to_owned(), Some(role), true)));
    assert_eq!(world.store.create_account(AccountId(16), NOW).err(), Some(Error::AlreadyExists));
    assert_eq!(world.store.account(AccountId(17)).mailboxes().err(), Some(Error::NoSuchAccount));
    world.check();
}

#[test]
fn a_body_comes_back_byte_exact_whether_inline_or_an_object() {
    let world = world();
    for length in [0, 1, store::INLINE_BYTES_MAX, store::INLINE_BYTES_MAX + 1, 1_000_000] {
        let body = "x".repeat(length);
        let appended = world.append(&body);
        assert_eq!(world.account.reader().unwrap().body(appended.email).unwrap(), body.as_bytes());
    }
    assert_eq!(world.uids(world.inbox), [1, 2, 3, 4, 5]);
    world.check();
}

#[test]
fn an_expunged_uid_is_never_used_again_and_the_message_stays_restorable_until_it_is_purged() {
    let world = world();
    let kept = world.append("kept");
    let large = world.append(&"y".repeat(200_000));
    world.flag(&[2, 99], FlagMode::Add, SystemFlag::Deleted);
    let before = world.account.head().unwrap();
    assert_eq!(world.account.expunge(ACTOR, world.inbox, Expunge::AllDeleted).unwrap(), [Uid(2)]);
    assert_eq!(world.account.vanished_since(world.inbox, before).unwrap(), [Uid(2)]);
    assert_eq!(world.account.reader().unwrap().body(large.email).unwrap().len(), 200_000);
    assert_eq!(world.append("next").uid, Uid(3));
    world.check();

    assert_eq!(world.account.purge(NOW).unwrap().messages, 0, "removed now is not removed before now");
    assert_eq!(world.account.purge(Timestamp(NOW.0 + 1)).unwrap().messages, 1);
    assert_eq!(world.account.reader().unwrap().body(large.email), Err(Error::NoSuchMessage));
    assert_eq!(world.account.reader().unwrap().body(kept.email).unwrap(), b"kept");
    assert_eq!(world.account.vanished_since(world.inbox, ModSeq(1)).unwrap(), [Uid(2)], "also without the journal");
    world.check();
}

#[test]
fn store_with_unchangedsince_leaves_out_what_changed_meanwhile() {
    let world = world();
    (0..3).for_each(|n| {
        world.append(&n.to_string());
    });
    let since = world.account.head().unwrap();
    world.flag(&[2], FlagMode::Add, SystemFlag::Seen);
    let change = FlagChange {
        mode: FlagMode::Replace,
        flags: Flags::system(&[SystemFlag::Flagged]),
        unchanged_since: Some(since),
    };
    let outcome = world.account.change_flags(ACTOR, world.inbox, vec![Uid(1), Uid(2), Uid(3)], change).unwrap();
    assert_eq!(outcome.modified, [Uid(2)]);
    let view = world.account.view(world.inbox).unwrap();
    assert!(view.index().find(Uid(2)).unwrap().flags.has(SystemFlag::Seen));
    assert!(view.index().find(Uid(3)).unwrap().flags.has(SystemFlag::Flagged));
    let head = world.account.head().unwrap();
    world.flag(&[2], FlagMode::Add, SystemFlag::Seen);
    assert_eq!(world.account.head().unwrap(), head, "a change that changes nothing is none");
    world.check();
}

#[test]
fn copy_and_move_keep_the_message_and_its_flags() {
    let world = world();
    let first = world.append("one");
    world.append("two");
    let keyword = Flags { keywords: vec!["$Label1".into()], ..Flags::system(&[SystemFlag::Seen]) };
    let change = FlagChange { mode: FlagMode::Add, flags: keyword.clone(), unchanged_since: None };
    world.account.change_flags(ACTOR, world.inbox, vec![Uid(1)], change).unwrap();
    let work = world.account.create_mailbox(ACTOR, "Work/2026", None).unwrap();
    assert!(world.account.mailboxes().unwrap().by_name("Work").is_some(), "RFC 9051 §6.3.4: superior names are made");

    let copied = world.account.copy(ACTOR, world.inbox, vec![Uid(1), Uid(7)], work).unwrap();
    assert_eq!(copied.uids, [(Uid(1), Uid(1))]);
    let moved = world.account.move_messages(ACTOR, world.inbox, vec![Uid(2), Uid(1)], work).unwrap();
    assert_eq!(moved.uids, [(Uid(1), Uid(2)), (Uid(2), Uid(3))]);
    assert_eq!(world.uids(world.inbox), [0; 0]);
    let view = world.account.view(work).unwrap();
    let entry = view.index().find(Uid(2)).unwrap();
    assert_eq!((entry.email, view.mailbox().keywords.flags(entry.flags)), (first.email, keyword));
    world.check();
}

#[test]
fn a_message_could_not_be_thrown_away_because_of_its_keywords() {
    let world = world();
    let archive = world.account.mailboxes().unwrap().by_name("Archive").unwrap().id;
    let store = |mailbox, uid: Uid, names: &[String]| {
        let flags = Flags { system: Flags::system(&[SystemFlag::Seen]).system, keywords: names.to_vec() };
        world.account.change_flags(
            ACTOR,
            mailbox,
            vec![uid],
            FlagChange { mode: FlagMode::Replace, flags, unchanged_since: None },
        )
    };
    let flags = |mailbox, uid: Uid| {
        let view = world.account.view(mailbox).unwrap();
        let flags = view.mailbox().keywords.flags(view.index().find(uid).unwrap().flags);
        (flags.system.has(SystemFlag::Seen), flags.keywords)
    };
    let names = |names: std::ops::Range<usize>| names.map(|n| format!("k{n}")).collect::<Vec<_>>();
    // There the keywords from 12 on come late.
    let other = world.account.append(
        ACTOR,
        Target::Mailbox(archive),
        NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: NOW },
    );
    let other = other.unwrap().uid;
    store(archive, other, &names(100..144)).unwrap();
    store(archive, other, &names(0..12)).unwrap();
    let all = names(0..20);
    let message = world.append("one").uid;
    store(world.inbox, message, &all).unwrap();
    let moved = world.account.move_messages(ACTOR, world.inbox, vec![message], archive).unwrap().uids[0].1;
    assert_eq!(flags(archive, moved), (true, names(0..12)), "what has room");
    assert!(matches!(store(archive, moved, &all), Err(Error::Limit(_))));
    store(archive, moved, &names(15..20)).unwrap();
    world.check();
}

#[test]
fn renaming_inbox_moves_its_messages_and_renaming_another_takes_those_below_along() {
    let world = world();
    world.append("one");
    world.account.rename_mailbox(ACTOR, "inbox", "Old/Mail").unwrap();
    let old = world.account.mailboxes().unwrap().by_name("Old/Mail").unwrap().id;
    assert_eq!((world.uids(world.inbox), world.uids(old)), (vec![], vec![1]));
    world.account.rename_mailbox(ACTOR, "Old", "Older").unwrap();
    assert_eq!(world.account.mailboxes().unwrap().by_name("Older/Mail").unwrap().id, old);
    assert!(matches!(world.account.rename_mailbox(ACTOR, "Older", "Older/x"), Err(Error::NotAllowed(_))));
    assert!(matches!(world.account.delete_mailbox(ACTOR, "Older"), Err(Error::NotAllowed(_))));
    let validity = world.account.view(old).unwrap().mailbox().uid_validity;
    world.account.delete_mailbox(ACTOR, "Older/Mail").unwrap();
    let again = world.account.create_mailbox(ACTOR, "Older/Mail", None).unwrap();
    assert!(world.account.view(again).unwrap().mailbox().uid_validity > validity);
    world.check();
}

#[test]
fn the_only_device_deletes_for_good_and_with_a_second_one_the_mailbox_keeps_the_message() {
    let world = world();
    let (one, two) = (world.append("one").email, world.append("two").email);
    let pc = world.pop_device("Old PC", RemovalPolicy::KeepWhenShared);
    let maildrop = world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
    assert_eq!(maildrop.messages().iter().map(|m| m.email).collect::<Vec<_>>(), [one, two]);
    assert_eq!(
        world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).err(),
        Some(Error::MaildropInUse)
    );
    let outcome = world.account.close_maildrop(pc, &maildrop, vec![one], vec![one]).unwrap();
    assert_eq!((outcome.expunged, outcome.kept), (1, 0));
    drop(maildrop);
    assert_eq!(world.uids(world.inbox), [2]);

    let tablet = world.pop_device("Tablet PC", RemovalPolicy::KeepWhenShared);
    let maildrop = world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
    let outcome = world.account.close_maildrop(pc, &maildrop, vec![two], vec![two]).unwrap();
    assert_eq!((outcome.expunged, outcome.kept), (0, 1));
    drop(maildrop);
    assert_eq!(world.uids(world.inbox), [2]);
    assert_eq!(world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap().messages(), []);
    assert_eq!(
        world.account.open_maildrop(tablet.device, &MaildropOptions::default(), NOW).unwrap().messages().len(),
        1
    );
    world.check();
}

#[test]
fn many_changes_pack_the_index_and_a_cold_start_reads_it_back() {
    let world = world();
    for n in 0..3000u32 {
        world.append(&n.to_string());
        if n % 3 == 0 {
            world.flag(&[n], FlagMode::Add, SystemFlag::Seen);
        }
    }
    world.flag(&(1..2000).step_by(2).collect::<Vec<_>>(), FlagMode::Add, SystemFlag::Deleted);
    assert_eq!(world.account.expunge(ACTOR, world.inbox, Expunge::AllDeleted).unwrap().len(), 1000);
    world.check();
    world.account.purge(Timestamp(NOW.0 + 1)).unwrap();
    world.check();
}

#[test]
fn threads_on_one_account_lose_nothing_and_share_no_uid() {
    let world = world();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                (0..50).for_each(|n| {
                    world.append(&n.to_string());
                })
            });
        }
    });
    assert_eq!(world.uids(world.inbox), (1..=400).collect::<Vec<_>>());
    world.check();
}

#[test]
fn two_processes_on_one_account_conflict_and_still_lose_nothing() {
    let world = world();
    let other = Store::new(Arc::new(world.engine.clone()), Arc::new(world.objects.clone())).account(AccountId(16));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..100).for_each(|n| {
                world.append(&n.to_string());
            })
        });
        scope.spawn(|| {
            for n in 0..100 {
                let message = NewMessage { body: vec![n + 1], flags: Flags::default(), internal_date: NOW };
                other.append(ACTOR, Target::Inbox, message).unwrap();
            }
        });
    });
    world.account.refresh().unwrap();
    assert_eq!(world.uids(world.inbox), (1..=200).collect::<Vec<_>>());
    world.check();
}

#[test]
fn bodies_are_read_ahead_up_to_the_limits() {
    let world = world();
    let check = |sizes: &[usize], expected: usize| {
        let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
        let emails: Vec<_> =
            bodies.iter().map(|body| (world.append(body).email, u32::try_from(body.len()).unwrap())).collect();
        let reader = world.account.reader().unwrap();
        let mut ahead = reader.read_ahead(emails.iter().copied());
        let taken = emails.iter().map_while(|(email, _)| ahead.take(*email)).map(|body| body.len());
        assert_eq!(taken.collect::<Vec<_>>(), sizes[..expected]);
        // What is passed over is not kept.
        let mut ahead = reader.read_ahead(emails.iter().copied());
        if let [.., (email, _)] = emails[..expected] {
            assert!(ahead.take(email).is_some() && ahead.take(emails[0].0).is_none());
        }
    };
    check(&[], 0);
    check(&[1; 32], 32);
    check(&[1; 33], 32);
    check(&[store::INLINE_BYTES_MAX; 8], 8);
    check(&[store::INLINE_BYTES_MAX; 9], 8);
    // Of a large one nothing is held.
    check(&[1, store::INLINE_BYTES_MAX + 1, 1, 200_000, 1], 5);
    check(&[store::INLINE_BYTES_MAX + 1; 33], 32);
}

#[test]
fn the_header_of_a_large_message_is_read_without_its_body() {
    let world = world();
    let text = "x".repeat(200_000);
    let large = world.append(&text).email;
    let check = |message: &str, reads_object: bool| {
        let header = message.split_inclusive("\r\n\r\n").next().unwrap();
        let email = world.append(message).email;
        let reader = world.account.reader().unwrap();
        assert_eq!(reader.header(email).unwrap(), header.as_bytes());
        // The next read of an object fails.
        world.objects.plan_read_error(0);
        assert_eq!(reader.header(email).is_err(), reads_object, "{} octets", header.len());
        assert_eq!(reader.body(large).is_err(), !reads_object, "no object was read before");
    };
    // What is kept is a header of at most 16 KiB.
    let long = |bytes: usize| format!("X: {}\r\n\r\n{text}", "y".repeat(bytes - "X: \r\n\r\n".len()));
    check(&format!("Subject: large\r\n\r\n{text}"), false);
    check(&long(16 * 1024), false);
    check(&long(16 * 1024 + 1), true);
    check(&text, true);
    check("Subject: small\r\n\r\nbody", false);
    check("no empty line", false);
    world.check();
}

#[test]
fn a_damaged_copy_of_a_header_is_found_and_never_served() {
    let world = world();
    let email = world.append(&format!("Subject: large\r\n\r\n{}", "x".repeat(200_000))).email;
    let key = [b"Y".as_slice(), &email.0.to_be_bytes()].concat();
    let snapshot = world.engine.snapshot(AccountId(16)).unwrap();
    let mut value = snapshot.get(&key).unwrap().unwrap();
    // The sum of the body follows it.
    let last = value.iter_mut().nth_back(8).unwrap();
    assert_eq!(*last, b'\n');
    *last = b'\r';
    let expected = snapshot.head();
    drop(snapshot);
    let writes = vec![Write::Put { key, value }];
    let commit = Commit { account: AccountId(16), expected, next: ModSeq(expected.0 + 1), writes };
    world.engine.commit(commit).unwrap();
    assert_eq!(world.account.reader().unwrap().header(email).unwrap(), b"Subject: large\r\n\r\n");
    let findings = store::check::all(&world.store, store::check::Depth::Bodies).unwrap();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].what.starts_with("the header kept of message "), "{}", findings[0]);
}

#[test]
fn a_policy_that_removes_later_takes_nothing_that_was_deleted_under_another() {
    let world = world();
    let pc = world.pop_device("pc", RemovalPolicy::Keep);
    let day = |days: i64| Timestamp(NOW.0 + days * 24 * 3600 * 1000);
    let delete = |body: &str, days: i64| {
        let email = world.append(body).email;
        let maildrop = world.account.open_maildrop(pc.device, &MaildropOptions::default(), day(days)).unwrap();
        let actor = Actor { now: day(days), ..pc };
        world.account.close_maildrop(actor, &maildrop, vec![email], vec![email]).unwrap();
    };
    let choose = |policy: RemovalPolicy, days: i64| {
        world.account.set_pop_settings(Actor { now: day(days), ..ACTOR }, pc.device, policy.into()).unwrap();
    };
    let due = |days: i64| world.account.remove_due(day(days)).unwrap();
    delete("kept", 0);
    choose(RemovalPolicy::ExpungeAfterDays(30), 60);
    assert_eq!(due(60), 0);
    // From then on it counts, also when the number of days changes.
    delete("removed later", 60);
    choose(RemovalPolicy::ExpungeAfterDays(10), 61);
    assert_eq!((due(69), due(70)), (0, 1));
    choose(RemovalPolicy::Keep, 71);
    delete("kept too", 71);
    choose(RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt, 72);
    assert_eq!(due(72), 0);
    delete("removed at once", 73);
    assert_eq!(due(200), 0);
    assert_eq!(world.uids(world.inbox), [1, 3]);
    world.check();
}
