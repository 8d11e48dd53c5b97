//! Guests in mailboxes that somebody else shares: what they may do, what they have seen, and what becomes of what they did.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::device::Credential;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, Error, Expunge, FlagChange, FlagMode, Flags, GuestPermits, Index, MailboxId,
    ModSeq, NewMessage, Permit, Protocol, Rights, RightsChange, Store, SystemFlag, Target, Timestamp, Uid, UndoRequest,
    UndoWhat,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ALICE: AccountId = AccountId(16);
const BOB: AccountId = AccountId(17);
const CAROL: AccountId = AccountId(18);
const OWNER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

struct Switch(AtomicBool);

impl Permit for Switch {
    fn holds(&self) -> Result<bool, Error> {
        Ok(self.0.load(Ordering::SeqCst))
    }
}

struct World {
    engine: SimEngine,
    objects: SimObjects,
    store: Store,
    alice: Account,
    inbox: MailboxId,
}

fn world() -> World {
    let (engine, objects) = (SimEngine::new(), SimObjects::new());
    let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
    let alice = store.create_account(ALICE, NOW).unwrap();
    let inbox = alice.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    World { engine, objects, store, alice, inbox }
}

fn rights(letters: &str) -> RightsChange {
    RightsChange::Replace(Rights::parse(letters).unwrap())
}

impl World {
    fn share(&self, with: AccountId, letters: &str) {
        self.alice.share(OWNER, self.inbox, (with, &format!("account {with}")), rights(letters)).unwrap();
    }

    fn permits() -> (GuestPermits, [Arc<Switch>; 2]) {
        let switches = [(); 2].map(|()| Arc::new(Switch(AtomicBool::new(true))));
        let [login, owner] = switches.clone();
        (GuestPermits { login, owner }, switches)
    }

    fn guest(&self, who: AccountId) -> (Account, Actor) {
        let device = self.alice.guest_device(OWNER, (who, DeviceId(3)), &format!("guest {who}")).unwrap();
        (self.alice.for_guest(who, device, Self::permits().0), Actor { device, ..OWNER })
    }

    fn append(&self, account: &Account, actor: Actor, flags: &[SystemFlag]) -> Result<Uid, Error> {
        let message =
            NewMessage { body: b"Subject: a\r\n\r\nb".to_vec(), flags: Flags::system(flags), internal_date: NOW };
        account.append(actor, Target::Mailbox(self.inbox), message).map(|appended| appended.uid)
    }

    /// What each message looks like: its UID and its flags.
    fn shown(&self, account: &Account) -> Vec<(u32, Vec<&'static str>)> {
        let view = account.view(self.inbox).unwrap();
        let mut shown = Vec::new();
        for entry in view.index().iter() {
            let flags = SystemFlag::ALL.into_iter().filter(|flag| entry.flags.has(*flag));
            shown.push((entry.uid.0, flags.map(SystemFlag::name).collect::<Vec<_>>()));
        }
        let unseen = shown.iter().filter(|(_, flags)| !flags.contains(&"\\Seen")).count();
        assert_eq!(view.mailbox().counts.unseen as usize, unseen);
        shown
    }

    fn check(&self) {
        assert_eq!(store::check::all(&self.store, store::check::Depth::Bodies).unwrap(), []);
    }
}

fn change(mode: FlagMode, flags: &[SystemFlag]) -> FlagChange {
    FlagChange { mode, flags: Flags::system(flags), unchanged_since: None }
}

const SEEN: SystemFlag = SystemFlag::Seen;
const FLAGGED: SystemFlag = SystemFlag::Flagged;
const DELETED: SystemFlag = SystemFlag::Deleted;

#[test]
fn each_reader_has_a_seen_flag_of_their_own_and_all_others_are_shared() {
    let world = world();
    world.append(&world.alice, OWNER, &[SEEN]).unwrap();
    world.append(&world.alice, OWNER, &[FLAGGED]).unwrap();
    world.share(BOB, "lrsw");
    world.share(CAROL, "lr");
    let ((bob, by_bob), (carol, by_carol)) = (world.guest(BOB), world.guest(CAROL));
    assert_eq!(world.shown(&bob), [(1, vec![]), (2, vec!["\\Flagged"])]);
    bob.change_flags(by_bob, world.inbox, vec![Uid(2)], change(FlagMode::Replace, &[SEEN, SystemFlag::Answered]))
        .unwrap();
    assert_eq!(world.shown(&bob), [(1, vec![]), (2, vec!["\\Answered", "\\Seen"])]);
    assert_eq!(world.shown(&carol), [(1, vec![]), (2, vec!["\\Answered"])]);
    assert_eq!(world.shown(&world.alice), [(1, vec!["\\Seen"]), (2, vec!["\\Answered"])]);
    // The same again is no change.
    let head = world.alice.head().unwrap();
    bob.change_flags(by_bob, world.inbox, vec![Uid(2)], change(FlagMode::Add, &[SEEN])).unwrap();
    assert_eq!(world.alice.head().unwrap(), head);
    let last = world.alice.view(world.inbox).unwrap().mailbox().highest_modseq;
    assert_eq!(world.alice.view(world.inbox).unwrap().index().find(Uid(2)).unwrap().modseq, last);
    let refused = carol.change_flags(by_carol, world.inbox, vec![Uid(1)], change(FlagMode::Add, &[SEEN]));
    assert_eq!(refused.unwrap_err(), Error::NotPermitted);
    // What may be done of a STORE is done.
    bob.change_flags(by_bob, world.inbox, vec![Uid(1)], change(FlagMode::Add, &[DELETED, SEEN])).unwrap();
    assert_eq!(world.shown(&bob)[0], (1, vec!["\\Seen"]));
    world.check();
    let before = world.shown(&bob);
    // The same after a crash.
    let engine = world.engine.crash();
    let again = Store::new(Arc::new(engine), Arc::new(world.objects.clone())).account(ALICE);
    let again = again.for_guest(BOB, by_bob.device, World::permits().0);
    assert_eq!(world.shown(&again), before);
}

#[test]
fn a_guest_does_what_they_have_the_right_to_and_nothing_else() {
    let world = world();
    for _ in 0..2 {
        world.append(&world.alice, OWNER, &[DELETED]).unwrap();
    }
    let work = world.alice.create_mailbox(OWNER, "Work", None).unwrap();
    world.share(BOB, "l");
    let (bob, by_bob) = world.guest(BOB);
    let check = |letters: &str, allowed: &[&str]| {
        world.share(BOB, letters);
        let inbox = world.inbox;
        let no = |letters: &str| if letters.contains('l') { Error::NotPermitted } else { Error::NoSuchMailbox };
        let outcomes: BTreeMap<&str, Result<(), Error>> = [
            ("view", bob.view(inbox).map(drop)),
            ("append", world.append(&bob, by_bob, &[]).map(drop)),
            ("copy", bob.copy(by_bob, inbox, vec![Uid(2)], inbox).map(drop)),
            ("move", bob.move_messages(by_bob, inbox, vec![Uid(2)], inbox).map(drop)),
            ("create", bob.create_mailbox(by_bob, &format!("INBOX/{letters}"), None).map(drop)),
            ("expunge", bob.expunge(by_bob, inbox, Expunge::DeletedAmong(vec![Uid(1)])).map(drop)),
            ("share", bob.share(by_bob, inbox, (CAROL, "carol"), rights("l")).map(drop)),
            ("delete", bob.change_flags(by_bob, inbox, vec![Uid(2)], change(FlagMode::Add, &[DELETED])).map(drop)),
        ]
        .into();
        for (what, outcome) in outcomes {
            let expected = if allowed.contains(&what) { Ok(()) } else { Err(no(letters)) };
            let expected = if what == "create" && expected.is_err() { Err(Error::NotPermitted) } else { expected };
            assert_eq!(outcome, expected, "{letters}: {what}");
        }
    };
    check("l", &[]);
    check("", &[]);
    check("lr", &["view"]);
    check("i", &["append"]);
    check("lri", &["view", "append", "copy"]);
    check("lrt", &["view", "delete"]);
    check("lrk", &["view", "create"]);
    check("lra", &["view", "share"]);
    check("lre", &["view", "expunge"]);
    check("lrite", &["view", "append", "copy", "move", "delete", "expunge"]);
    // Of other mailboxes they know nothing, and the account's own affairs are not theirs.
    assert!(bob.mailboxes().unwrap().iter().all(|mailbox| mailbox.name.starts_with("INBOX")));
    assert_eq!(bob.view(work).err(), Some(Error::NoSuchMailbox));
    assert_eq!(bob.change_settings(by_bob, |_| {}), Err(Error::NotPermitted));
    assert_eq!(bob.subscribe(by_bob, "INBOX", false), Err(Error::NotPermitted));
    assert_eq!(bob.create_mailbox(by_bob, "Bob", None), Err(Error::NotPermitted));
    assert_eq!(bob.rename_mailbox(by_bob, "Work", "INBOX/w"), Err(Error::NoSuchMailbox));
    assert_eq!(bob.annotate(by_bob, Some(world.inbox), vec![]), Err(Error::NotPermitted));
    world.check();
}

#[test]
fn what_a_guest_removed_comes_back_by_its_name_in_the_owners_journal() {
    let world = world();
    let first = world.append(&world.alice, OWNER, &[]).unwrap();
    world.share(BOB, "lrte");
    let (bob, by_bob) = world.guest(BOB);
    bob.change_flags(by_bob, world.inbox, vec![first], change(FlagMode::Add, &[DELETED])).unwrap();
    bob.expunge(by_bob, world.inbox, Expunge::AllDeleted).unwrap();
    assert_eq!(world.shown(&world.alice), []);
    let devices = world.alice.devices().unwrap();
    let device = &devices[&by_bob.device];
    assert_eq!((device.name.as_str(), device.reads_mail()), ("guest 17", false));
    assert_eq!(device.credential, Credential::Guest { account: BOB, device: DeviceId(3) });
    let entry = world.alice.journal(ModSeq(0), 100).unwrap().pop().unwrap();
    assert_eq!(entry.device, by_bob.device);
    let what = UndoWhat::Device { device: by_bob.device, since: NOW };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    assert_eq!(world.alice.undo(OWNER, request).unwrap().restored, 1);
    assert_eq!(world.shown(&world.alice).len(), 1);
    world.check();
}

#[test]
fn what_ends_a_guests_login_ends_what_they_do_elsewhere() {
    let world = world();
    world.append(&world.alice, OWNER, &[]).unwrap();
    world.share(BOB, "lrs");
    let (_, by_bob) = world.guest(BOB);
    let (permits, [login, owner]) = World::permits();
    let bob = world.alice.for_guest(BOB, by_bob.device, permits);
    let store = || bob.change_flags(by_bob, world.inbox, vec![Uid(1)], change(FlagMode::Add, &[SEEN])).map(drop);
    assert_eq!(store(), Ok(()));
    login.0.store(false, Ordering::SeqCst);
    assert_eq!((store(), bob.view(world.inbox).err()), (Err(Error::LoginEnded), Some(Error::LoginEnded)));
    login.0.store(true, Ordering::SeqCst);
    owner.0.store(false, Ordering::SeqCst);
    assert_eq!((store(), bob.view(world.inbox).err()), (Err(Error::NoSuchMailbox), Some(Error::NoSuchMailbox)));
    owner.0.store(true, Ordering::SeqCst);
    world.alice.revoke_device(OWNER, by_bob.device).unwrap();
    assert_eq!((store(), bob.mailboxes().err()), (Err(Error::NoSuchMailbox), Some(Error::NoSuchMailbox)));
    let again = world.alice.guest_device(OWNER, (BOB, DeviceId(3)), "guest");
    assert_eq!(again, Err(Error::NoSuchMailbox), "the owner has shut this device out");
}

#[test]
fn a_list_goes_where_its_mailbox_goes_and_has_a_bound() {
    let world = world();
    let work = world.alice.create_mailbox(OWNER, "Work", None).unwrap();
    world.alice.share(OWNER, work, (BOB, "bob"), rights("lrskx")).unwrap();
    world.alice.rename_mailbox(OWNER, "Work", "Projects").unwrap();
    let (bob, by_bob) = world.guest(BOB);
    bob.create_mailbox(by_bob, "Projects/a/b", None).unwrap();
    let names = |account: &Account| {
        let names = account.mailboxes().unwrap();
        names.iter().map(|mailbox| mailbox.name.clone()).filter(|name| name.starts_with('P')).collect::<Vec<_>>()
    };
    assert_eq!(names(&bob), ["Projects", "Projects/a", "Projects/a/b"], "they inherit");
    assert_eq!(
        world.alice.share(OWNER, work, (ALICE, "alice"), rights("")),
        Err(Error::NotAllowed("the owner of a mailbox has all rights, always"))
    );
    for guest in 100..149 {
        world.alice.share(OWNER, work, (AccountId(guest), "many"), rights("l")).unwrap();
    }
    let one_more = world.alice.share(OWNER, work, (AccountId(149), "many"), rights("l"));
    assert!(matches!(one_more, Err(Error::Limit(_))));
    bob.delete_mailbox(by_bob, "Projects/a/b").unwrap();
    bob.delete_mailbox(by_bob, "Projects/a").unwrap();
    bob.delete_mailbox(by_bob, "Projects").unwrap();
    world.alice.create_mailbox(OWNER, "Projects", None).unwrap();
    assert_eq!(names(&bob), [""; 0]);
    assert!(!world.alice.shares_with(BOB).unwrap());
    world.check();
}

#[test]
fn who_shares_is_noted_with_the_guest_and_has_a_bound() {
    let world = world();
    let bob = world.store.create_account(BOB, NOW).unwrap();
    for owner in 100..200 {
        bob.note_owner(AccountId(owner), true).unwrap();
        bob.note_owner(AccountId(owner), true).unwrap();
    }
    assert!(matches!(bob.note_owner(AccountId(200), true), Err(Error::Limit(_))));
    bob.note_owner(AccountId(100), false).unwrap();
    bob.note_owner(AccountId(200), true).unwrap();
    world.check();
    let again = Store::new(Arc::new(world.engine.crash()), Arc::new(world.objects.clone())).account(BOB);
    assert_eq!(
        again.owners().unwrap().iter().map(|owner| owner.0).collect::<Vec<_>>(),
        (101..=200).collect::<Vec<_>>()
    );
}

#[test]
fn many_devices_of_a_guest_leave_the_owner_room() {
    let world = world();
    world.share(BOB, "l");
    let device = |number| world.alice.guest_device(OWNER, (BOB, DeviceId(number)), "bob").unwrap();
    let devices: BTreeSet<DeviceId> = (1..100).map(device).collect();
    assert_eq!(devices.len(), 9);
    assert_eq!(device(1), *devices.first().unwrap());
}

#[test]
fn a_guest_that_came_every_day_was_last_seen_on_the_first() {
    let world = world();
    world.share(BOB, "lr");
    let seen_at = |actor: Actor| {
        let device = world.alice.guest_device(actor, (BOB, DeviceId(3)), "bob").unwrap();
        let devices = world.alice.devices().unwrap();
        (devices[&device].last_seen(), devices[&device].has_used(Protocol::Imap))
    };
    let at = |minutes: i64| Actor { now: Timestamp(NOW.0 + minutes * 60_000), ..OWNER };
    assert_eq!(seen_at(at(0)), (NOW, true));
    let head = world.alice.head().unwrap();
    assert_eq!((seen_at(at(9)), world.alice.head().unwrap()), ((NOW, true), head), "exact to some minutes");
    assert_eq!(seen_at(at(10)), (at(10).now, true));
    // That the disk takes no note keeps nobody out.
    world.engine.set_read_only(Some(store::sim::ReadOnly::Now));
    assert_eq!(seen_at(at(60)), (at(10).now, true));
}

#[test]
fn a_device_that_was_shut_out_was_forgotten_among_a_thousand_and_came_in_again() {
    let world = world();
    for guest in [BOB, CAROL] {
        world.share(guest, "lr");
        let device = world.guest(guest).1.device;
        world.alice.revoke_device(OWNER, device).unwrap();
    }
    // Whom nothing is shared with any more nobody has to remember.
    world.share(CAROL, "");
    for number in 0..999 {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        world.alice.add_device(OWNER, &format!("device {number}"), credential, None).unwrap();
    }
    let is_known = |guest| {
        let devices = world.alice.devices().unwrap();
        devices.values().any(|device| device.credential == Credential::Guest { account: guest, device: DeviceId(3) })
    };
    assert_eq!((is_known(BOB), is_known(CAROL)), (true, false));
    let comes_in = world.alice.guest_device(OWNER, (BOB, DeviceId(3)), "bob");
    assert_eq!(comes_in, Err(Error::NoSuchMailbox));
}

#[test]
fn what_was_seen_of_messages_that_are_gone_stayed_for_good() {
    let world = world();
    for _ in 0..300 {
        world.append(&world.alice, OWNER, &[]).unwrap();
    }
    world.share(BOB, "lrs");
    let (bob, by_bob) = world.guest(BOB);
    let all: Vec<Uid> = (1..=300).map(Uid).collect();
    bob.change_flags(by_bob, world.inbox, all, change(FlagMode::Add, &[SEEN])).unwrap();
    let marks = || {
        let snapshot = store::engine::Engine::snapshot(&world.engine, ALICE).unwrap();
        let mut octets = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            octets.push(key.len() + value.len());
            std::ops::ControlFlow::Continue(())
        };
        // As `key::seen_block` has them.
        snapshot.scan(b"X\x3d", b"X\x3e", &mut visit).unwrap();
        octets
    };
    assert_eq!(marks().len(), 2);
    let before = marks().iter().sum::<usize>();
    // All of a row, and one in the middle of the other.
    let gone: Vec<Uid> = (256..=300).chain([100]).map(Uid).collect();
    world.alice.change_flags(OWNER, world.inbox, gone, change(FlagMode::Add, &[DELETED])).unwrap();
    world.alice.expunge(OWNER, world.inbox, Expunge::AllDeleted).unwrap();
    world.alice.purge(NOW).unwrap();
    assert_eq!(marks().len(), 1);
    assert!(marks()[0] < before);
    assert!(world.shown(&bob).iter().all(|(_, flags)| flags == &["\\Seen"]));
    let head = world.alice.head().unwrap();
    world.alice.purge(NOW).unwrap();
    assert_eq!(world.alice.head().unwrap(), head, "there is nothing left to do");
    world.check();
}

/// What bob may know of: `l` alone is not enough for what follows.
fn family() -> World {
    let world = world();
    for (name, letters) in [
        ("Work", "lrkx"),
        ("Work/plans", "lrx"),
        ("Work/secret", ""),
        ("Work/secret/deep", ""),
        ("Work/blind", "x"),
        ("Other", "lrk"),
        ("Other/taken", ""),
    ] {
        let id = world.alice.create_mailbox(OWNER, name, None).unwrap();
        world.alice.share(OWNER, id, (BOB, "bob"), rights(letters)).unwrap();
    }
    world
}

fn names(account: &Account) -> Vec<String> {
    let mailboxes = account.mailboxes().unwrap();
    let mut names: Vec<String> = mailboxes.iter().filter(|m| m.role.is_none()).map(|m| m.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn a_guest_took_mailboxes_along_that_they_may_not_see() {
    let world = family();
    let (bob, by_bob) = world.guest(BOB);
    let id = |name: &str| world.alice.mailboxes().unwrap().by_name(name).map(|mailbox| mailbox.id);
    let (work, secret, blind) = (id("Work"), id("Work/secret"), id("Work/blind"));
    bob.rename_mailbox(by_bob, "Work", "Other/work").unwrap();
    // They see what they would see if there was nothing else.
    assert_eq!(names(&bob), ["Other", "Other/work", "Other/work/plans"]);
    assert_eq!(bob.rename_mailbox(by_bob, "Work", "Other/again"), Err(Error::NoSuchMailbox));
    // Each mailbox of the owner's has one above it.
    let all = ["Other", "Other/taken", "Other/work", "Other/work/blind", "Other/work/plans"];
    assert_eq!(names(&world.alice), [&all[..], &["Work", "Work/secret", "Work/secret/deep"]].concat());
    assert_eq!((id("Other/work"), id("Work/secret"), id("Other/work/blind")), (work, secret, blind));
    let left = world.alice.mailboxes().unwrap().by_name("Work").unwrap().clone();
    assert!(left.acl.is_empty() && Some(left.id) != work);
    // The owner takes all along.
    world.alice.rename_mailbox(OWNER, "Work", "Mine").unwrap();
    assert_eq!((id("Mine/secret"), id("Work")), (secret, None));
    world.check();
}

#[test]
fn a_guest_who_may_not_rename_all_that_they_see_renames_nothing() {
    let world = family();
    let plans = world.alice.mailboxes().unwrap().by_name("Work/plans").unwrap().id;
    world.alice.share(OWNER, plans, (BOB, "bob"), rights("lr")).unwrap();
    let (bob, by_bob) = world.guest(BOB);
    let before = names(&world.alice);
    let refused = Err(Error::NotPermittedBelow("Work/plans".into()));
    assert_eq!(bob.rename_mailbox(by_bob, "Work", "Other/work"), refused);
    assert_eq!(names(&world.alice), before);
    world.check();
}

#[test]
fn a_guest_heard_of_mailboxes_that_they_may_not_see_by_what_was_refused() {
    let world = family();
    let (bob, by_bob) = world.guest(BOB);
    // As where they may not make any.
    assert_eq!(bob.create_mailbox(by_bob, "Other/taken", None), Err(Error::NotPermitted));
    assert_eq!(bob.rename_mailbox(by_bob, "Work", "Other/taken"), Err(Error::NotPermitted));
    bob.delete_mailbox(by_bob, "Work/plans").unwrap();
    bob.delete_mailbox(by_bob, "Work").unwrap();
    assert_eq!(names(&bob), ["Other"]);
    let left = ["Other", "Other/taken", "Work", "Work/blind", "Work/secret", "Work/secret/deep"];
    assert_eq!(names(&world.alice), left);
    assert!(matches!(world.alice.delete_mailbox(OWNER, "Work"), Err(Error::NotAllowed(_))), "the owner sees it all");
    world.check();
}

#[derive(Clone, Debug)]
enum Deed {
    /// By the owner (0) or a guest.
    Flag(usize, Vec<u32>, FlagMode, Vec<SystemFlag>),
    Append(usize, bool),
    Expunge(usize, u32),
    /// A reader comes back with what they knew.
    Resync(usize),
    /// A guest loses the right to read, and perhaps hears that nothing is there.
    Loses(usize, bool),
    /// And has it again.
    Gets(usize),
    /// The owner's account is open again, after guests heard that nothing is there.
    Opens,
    /// A device of a guest's is shut out, and hears the same.
    ShutsOut,
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    let mode = prop_oneof![Just(FlagMode::Add), Just(FlagMode::Remove), Just(FlagMode::Replace)];
    let flags = prop::collection::vec(prop::sample::select(vec![SEEN, FLAGGED]), 1..3);
    prop_oneof![
        5 => (0..3_usize, prop::collection::vec(1..40_u32, 1..6), mode, flags).prop_map(|(who, uids, mode, flags)| Deed::Flag(who, uids, mode, flags)),
        3 => (0..3_usize, any::<bool>()).prop_map(|(who, seen)| Deed::Append(who, seen)),
        1 => (0..3_usize, 1..40_u32).prop_map(|(who, uid)| Deed::Expunge(who, uid)),
        3 => (0..3_usize).prop_map(Deed::Resync),
        1 => (1..3_usize, any::<bool>()).prop_map(|(who, hears)| Deed::Loses(who, hears)),
        2 => (1..3_usize).prop_map(Deed::Gets),
        1 => Just(Deed::Opens),
        1 => Just(Deed::ShutsOut),
        1 => Just(Deed::Restart),
    ]
}

/// What a client with QRESYNC knows.
#[derive(Default)]
struct Known {
    flags: BTreeMap<Uid, u64>,
    modseq: ModSeq,
}

impl Known {
    /// RFC 7162 §3.2.5: what vanished, and what changed since.
    fn resync(&mut self, account: &Account, mailbox: MailboxId) {
        for uid in account.vanished_since(mailbox, self.modseq).unwrap() {
            self.flags.remove(&uid);
        }
        let view = account.view(mailbox).unwrap();
        for entry in view.index().iter().filter(|entry| entry.modseq > self.modseq) {
            self.flags.insert(entry.uid, entry.flags.0);
        }
        self.modseq = view.mailbox().highest_modseq;
        let now: BTreeMap<Uid, u64> = view.index().iter().map(|entry| (entry.uid, entry.flags.0)).collect();
        assert_eq!(self.flags, now);
    }
}

/// The view that a session holds, brought up to date by differences, is what a new session sees.
fn same(held: &Index, now: &Index) {
    let delta = now.since(held);
    let mut of = held.without(&delta.vanished).with_expunges_held_back(&delta);
    assert!(of.iter().eq(now.iter()));
    of = now.clone();
    assert_eq!(of.len(), now.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The owner and two guests, each with a client that comes back with QRESYNC, always have what there is; and each has the
    /// `\Seen` that they set themselves.
    #[test]
    fn readers_that_come_back_have_what_there_is(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut world = world();
        world.share(BOB, "lrswite");
        world.share(CAROL, "lrswite");
        let (bob, carol) = (world.guest(BOB), world.guest(CAROL));
        let actors = [OWNER, bob.1, carol.1];
        let mut readers = [world.alice.clone(), bob.0, carol.0];
        let mut known: [Known; 3] = Default::default();
        let mut seen: [BTreeSet<Uid>; 3] = Default::default();
        let mut held: [Index; 3] = Default::default();
        let mut reads = [true; 3];
        let ids = [ALICE, BOB, CAROL];
        for deed in deeds {
            match deed {
                Deed::Flag(who, ..) | Deed::Append(who, _) | Deed::Expunge(who, _) | Deed::Resync(who) if !reads[who] => {}
                Deed::Loses(who, hears) => {
                    world.share(ids[who], "l");
                    reads[who] = false;
                    if hears {
                        known[who].flags.clear();
                    }
                }
                Deed::Gets(who) => {
                    world.share(ids[who], "lrswite");
                    reads[who] = true;
                }
                Deed::Opens => {
                    world.alice.is_open_again().unwrap();
                    (1..3).for_each(|who| known[who].flags.clear());
                }
                Deed::ShutsOut => {
                    // Their program comes back as another device.
                    let device = world.alice.guest_device(OWNER, (BOB, DeviceId(9)), "other");
                    if device.is_ok_and(|device| world.alice.revoke_device(OWNER, device).is_ok()) {
                        known[1].flags.clear();
                    }
                }
                Deed::Flag(who, uids, mode, flags) => {
                    let uids: Vec<Uid> = uids.into_iter().map(Uid).collect();
                    let there: Vec<Uid> = world.alice.view(world.inbox).unwrap().index().iter().map(|entry| entry.uid).collect();
                    for uid in uids.iter().filter(|uid| there.contains(uid)) {
                        let names_seen = flags.contains(&SEEN);
                        let is_seen = match mode {
                            FlagMode::Add => names_seen || seen[who].contains(uid),
                            FlagMode::Remove => !names_seen && seen[who].contains(uid),
                            FlagMode::Replace => names_seen,
                        };
                        seen[who].retain(|other| other != uid);
                        seen[who].extend(is_seen.then_some(*uid));
                    }
                    readers[who].change_flags(actors[who], world.inbox, uids, change(mode, &flags)).unwrap();
                }
                Deed::Append(who, is_seen) => {
                    let flags: &[SystemFlag] = if is_seen { &[SEEN] } else { &[] };
                    let uid = world.append(&readers[who], actors[who], flags).unwrap();
                    if is_seen {
                        seen[who].insert(uid);
                    }
                }
                Deed::Expunge(who, uid) => {
                    let deleted = change(FlagMode::Add, &[DELETED]);
                    readers[who].change_flags(actors[who], world.inbox, vec![Uid(uid)], deleted).unwrap();
                    readers[who].expunge(actors[who], world.inbox, Expunge::AllDeleted).unwrap();
                    let gone = world.alice.view(world.inbox).unwrap().index().find(Uid(uid)).is_none();
                    if gone {
                        seen.iter_mut().for_each(|seen| seen.retain(|seen| *seen != Uid(uid)));
                    }
                }
                Deed::Resync(who) => known[who].resync(&readers[who], world.inbox),
                Deed::Restart => {
                    world.store = Store::new(Arc::new(world.engine.clone()), Arc::new(world.objects.clone()));
                    world.alice = world.store.account(ALICE);
                    let again = |who, actor: Actor| world.alice.for_guest(who, actor.device, World::permits().0);
                    readers = [world.alice.clone(), again(BOB, actors[1]), again(CAROL, actors[2])];
                }
            }
            for who in (0..3).filter(|who| reads[*who]) {
                let view = readers[who].view(world.inbox).unwrap();
                let shown = view.index().iter().filter(|entry| entry.flags.has(SEEN)).map(|entry| entry.uid);
                prop_assert_eq!(shown.collect::<BTreeSet<_>>(), seen[who].clone());
                prop_assert!(view.index().iter().all(|entry| entry.modseq <= view.mailbox().highest_modseq));
                same(&held[who], view.index());
                held[who] = view.index().clone();
            }
        }
        (1..3).for_each(|who| world.share(ids[who], "lrswite"));
        (0..3).for_each(|who| known[who].resync(&readers[who], world.inbox));
        world.check();
    }
}
