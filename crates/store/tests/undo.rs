//! Undo: what a device did is taken back, and nothing else.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::device::Credential;
use store::pop::PopSettings;
use store::removal::RemovalPolicy;
use store::sim::{Random, SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Error, Expunge, FlagChange, FlagMode, Flags, MailboxId,
    MaildropOptions, MessageChange, ModSeq, NewMessage, Protocol, Retained, Store, StoreOptions, SystemFlag, Target,
    TimelineQuery, Timestamp, Uid, UndoReport, UndoRequest, UndoWhat,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: NOW };

struct World {
    store: Store,
    account: Account,
}

/// In each mailbox each message as often as it is there, with the names of its flags.
type Seen = BTreeMap<String, BTreeMap<(EmailId, Vec<String>), usize>>;

impl World {
    fn new() -> Self {
        Self::retaining(u64::MAX)
    }

    fn retaining(bytes_max: u64) -> Self {
        let options = StoreOptions { retention_bytes_max: bytes_max, ..StoreOptions::default() };
        let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), options);
        let account = store.create_account(AccountId(16), NOW).unwrap();
        Self { store, account }
    }

    fn device(&self, name: &str, pop: PopSettings) -> Actor {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = self.account.add_device(SERVER, name, credential, Some(pop)).unwrap();
        Actor { device, protocol: Protocol::Imap, now: Timestamp(NOW.0 + 1_000) }
    }

    fn deliver(&self, mailbox: &str, subject: &str) -> EmailId {
        let body = format!("Subject: {subject}\r\n\r\n{subject}\r\n").into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: Timestamp(NOW.0 - 5_000) };
        let target = Target::Mailbox(self.mailbox(mailbox));
        self.account.append(SERVER, target, message).unwrap().email
    }

    fn fill(&self, number: u32) {
        self.deliver("INBOX", &number.to_string());
    }

    fn mailbox(&self, name: &str) -> MailboxId {
        self.account.mailboxes().unwrap().by_name(name).unwrap().id
    }

    fn uids(&self, mailbox: MailboxId) -> Vec<Uid> {
        self.account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid).collect()
    }

    fn seen(&self) -> Seen {
        let mut seen = Seen::new();
        for mailbox in self.account.mailboxes().unwrap().iter() {
            let view = self.account.view(mailbox.id).unwrap();
            let of = seen.entry(mailbox.name.clone()).or_default();
            for entry in view.index().iter() {
                let flags = mailbox.keywords.flags(entry.flags);
                let system = SystemFlag::ALL.iter().filter(|flag| flags.system.has(**flag));
                let mut names: Vec<String> = system.map(|flag| flag.name().to_owned()).chain(flags.keywords).collect();
                names.sort();
                *of.entry((entry.email, names)).or_default() += 1;
            }
        }
        seen
    }

    fn undo(&self, what: UndoWhat) -> UndoReport {
        let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
        let would = self.account.undo(SERVER, UndoRequest { dry_run: true, ..request }).unwrap();
        let report = self.account.undo(SERVER, request).unwrap();
        assert_eq!(UndoReport { entry: None, ..report.clone() }, would, "a dry run tells what is done");
        self.check();
        report
    }

    fn check(&self) {
        assert_eq!(self.account.check(&self.store).unwrap(), []);
    }

    fn flag(&self, actor: Actor, mailbox: MailboxId, uid: Uid, mode: FlagMode, flags: Flags) {
        let change = FlagChange { mode, flags, unchanged_since: None };
        self.account.change_flags(actor, mailbox, vec![uid], change).unwrap();
    }

    fn delete(&self, actor: Actor, mailbox: MailboxId, uid: Uid) {
        self.flag(actor, mailbox, uid, FlagMode::Add, Flags::system(&[SystemFlag::Deleted]));
        self.account.expunge(actor, mailbox, Expunge::DeletedAmong(vec![uid])).unwrap();
    }
}

fn of(actor: Actor) -> UndoWhat {
    UndoWhat::Device { device: actor.device, since: NOW }
}

#[test]
fn late_keywords_come_back_as_they_were() {
    let world = World::new();
    let pc = world.device("pc", PopSettings::default());
    let inbox = world.mailbox("INBOX");
    world.deliver("INBOX", "One");
    let keywords = |names: std::ops::Range<usize>| Flags {
        keywords: names.map(|n| format!("k{n}")).collect(),
        ..Flags::system(&[SystemFlag::Seen])
    };
    world.flag(SERVER, inbox, Uid(1), FlagMode::Replace, keywords(0..56));
    world.flag(SERVER, inbox, Uid(1), FlagMode::Replace, keywords(54..59));
    let before = world.seen();
    world.flag(pc, inbox, Uid(1), FlagMode::Remove, keywords(0..58));
    world.flag(pc, inbox, Uid(1), FlagMode::Add, keywords(3..7));
    assert_eq!(world.undo(of(pc)).reflagged, 1);
    assert_eq!(world.seen(), before);
    world.delete(pc, inbox, Uid(1));
    assert_eq!(world.undo(of(pc)).restored, 1);
    assert_eq!(world.seen(), before);
}

#[test]
fn what_a_device_expunged_comes_back_as_it_was() {
    let world = World::new();
    let pc = world.device("pc", PopSettings::default());
    let inbox = world.mailbox("INBOX");
    let email = world.deliver("INBOX", "One");
    world.deliver("INBOX", "Two");
    let label = Flags { keywords: vec!["$Label1".into()], ..Flags::system(&[SystemFlag::Seen]) };
    world.flag(SERVER, inbox, Uid(1), FlagMode::Add, label);
    let before = world.seen();
    world.delete(pc, inbox, Uid(1));
    assert_eq!(world.account.retained_by_device().unwrap()[&pc.device].messages, 1);
    let report = world.undo(of(pc));
    assert_eq!((report.restored, report.gone), (1, 0));
    assert_eq!(world.seen(), before);
    let view = world.account.view(inbox).unwrap();
    let entry = view.index().iter().find(|entry| entry.email == email).unwrap();
    assert_eq!((entry.uid, entry.internal_date), (Uid(3), Timestamp(NOW.0 - 5_000)), "a UID is never used again");
    assert_eq!(world.account.retained().unwrap(), Retained::default());
    assert_eq!(world.undo(of(pc)), UndoReport::default(), "there is nothing left to be undone");

    let undone = world.undo(UndoWhat::Undo(report.entry.unwrap()));
    assert_eq!((undone.removed, undone.restored), (1, 0));
    assert_eq!(world.seen()["INBOX"].len(), 1);
    let redone = world.undo(UndoWhat::Undo(undone.entry.unwrap()));
    assert_eq!((redone.removed, redone.restored), (0, 1));
    assert_eq!(world.seen(), before);
    assert!(matches!(
        world.account.undo(
            SERVER,
            UndoRequest { what: UndoWhat::Undo(ModSeq(1)), mailbox: None, email: None, relist: false, dry_run: false }
        ),
        Err(Error::NotAllowed(_))
    ));
}

#[test]
fn what_others_did_since_stays() {
    let world = World::new();
    let (pc, phone) = (world.device("pc", PopSettings::default()), world.device("phone", PopSettings::default()));
    let (inbox, archive) = (world.mailbox("INBOX"), world.mailbox("Archive"));
    (0..4).for_each(|n| world.fill(n));
    let seen = || Flags::system(&[SystemFlag::Seen]);
    (1..=2).for_each(|uid| world.flag(pc, inbox, Uid(uid), FlagMode::Add, seen()));
    world.account.move_messages(pc, inbox, vec![Uid(3), Uid(4)], archive).unwrap();
    // The phone flags one of the two that were read, and takes one that was moved elsewhere.
    world.flag(phone, inbox, Uid(2), FlagMode::Add, Flags::system(&[SystemFlag::Flagged]));
    world.account.move_messages(phone, archive, vec![Uid(2)], world.mailbox("Junk")).unwrap();
    let report = world.undo(of(pc));
    assert_eq!((report.moved, report.reflagged, report.restored), (1, 1, 0));
    let flags = |uid: u32| world.account.view(inbox).unwrap().index().find(Uid(uid)).map(|entry| entry.flags);
    assert_eq!(flags(1).map(|flags| flags.has(SystemFlag::Seen)), Some(false));
    assert_eq!(flags(2).map(|flags| flags.has(SystemFlag::Seen)), Some(true), "the phone has changed it since");
    assert_eq!(world.uids(inbox), [1, 2, 5].map(Uid));
    assert_eq!((world.uids(archive).len(), world.uids(world.mailbox("Junk")).len()), (0, 1));
}

#[test]
fn a_mailbox_that_was_deleted_is_made_again_with_what_was_in_it() {
    let world = World::new();
    let pc = world.device("pc", PopSettings::default());
    world.account.create_mailbox(SERVER, "Work/2026", None).unwrap();
    world.deliver("Work/2026", "One");
    let label = Flags { keywords: vec!["$Work".into()], ..Flags::default() };
    world.flag(SERVER, world.mailbox("Work/2026"), Uid(1), FlagMode::Add, label);
    let before = world.seen();
    world.account.delete_mailbox(pc, "Work/2026").unwrap();
    world.account.delete_mailbox(pc, "Work").unwrap();
    let report = world.undo(of(pc));
    assert_eq!((report.restored, report.mailboxes), (1, vec!["Work/2026".to_owned()]));
    assert_eq!(world.seen(), before);
}

#[test]
fn an_old_client_that_copies_to_trash_and_expunges_is_undone_without_a_trace() {
    let world = World::new();
    let pc = world.device("pc", PopSettings::default());
    let (inbox, trash) = (world.mailbox("INBOX"), world.mailbox("Trash"));
    world.deliver("INBOX", "One");
    let before = world.seen();
    world.account.copy(pc, inbox, vec![Uid(1)], trash).unwrap();
    world.delete(pc, inbox, Uid(1));
    let report = world.undo(of(pc));
    assert_eq!((report.restored, report.removed), (1, 1));
    assert_eq!(world.seen(), before);
}

#[test]
fn a_draft_that_the_device_wrote_and_threw_away_does_not_come_back() {
    let world = World::new();
    let pc = world.device("pc", PopSettings::default());
    let drafts = world.mailbox("Drafts");
    let draft = || NewMessage { body: b"\r\n".to_vec(), flags: Flags::default(), internal_date: NOW };
    (0..2).for_each(|_| drop(world.account.append(pc, Target::Mailbox(drafts), draft()).map(drop)));
    world.delete(pc, drafts, Uid(1));
    assert_eq!(world.undo(of(pc)), UndoReport::default());
    assert_eq!(world.uids(drafts), [Uid(2)], "what it still has it keeps");
}

#[test]
fn a_pop_device_lists_again_what_it_never_downloaded() {
    let world = World::new();
    let pc = world.device("pc", RemovalPolicy::Expunge.into());
    let pop = Actor { protocol: Protocol::Pop3, ..pc };
    let emails = ["One", "Two"].map(|subject| world.deliver("INBOX", subject));
    let open = || world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
    let maildrop = open();
    world.account.close_maildrop(pop, &maildrop, vec![emails[0]], emails.to_vec()).unwrap();
    drop(maildrop);
    let before = world.account.timeline(&TimelineQuery { limit: 100, ..TimelineQuery::default() }).unwrap();
    let report = world.undo(of(pc));
    assert_eq!((report.restored, report.relisted), (2, 1));
    let listed = || open().messages().iter().map(|message| message.email).collect::<Vec<_>>();
    assert_eq!(listed(), [emails[1]], "it has the other one");
    let after = world.account.timeline(&TimelineQuery { limit: 100, ..TimelineQuery::default() }).unwrap();
    assert_eq!(after.entries.len(), before.entries.len() + 3, "restored, relisted, undone");

    let events: Vec<_> = world.account.message_history(emails[0]).unwrap().into_iter().map(|e| e.what).collect();
    let inbox = world.mailbox("INBOX");
    let expected = [
        MessageChange::Arrived(inbox),
        MessageChange::PopTaken,
        MessageChange::PopDeleted,
        MessageChange::Expunged(inbox),
        MessageChange::Restored(inbox),
    ];
    assert_eq!(events, expected);
    world.undo(UndoWhat::Undo(report.entry.unwrap()));
    assert_eq!((listed(), world.uids(inbox)), (vec![], vec![]));
}

#[test]
fn retention_keeps_within_its_bound_and_the_oldest_go_first() {
    let world = World::retaining(40);
    let pc = world.device("pc", PopSettings::default());
    let inbox = world.mailbox("INBOX");
    let emails: Vec<EmailId> = (0..4).map(|n| world.deliver("INBOX", &n.to_string())).collect();
    let size = u64::from(world.account.view(inbox).unwrap().index().get(0).unwrap().size);
    assert!((2 * size..3 * size).contains(&40), "{size}");
    for uid in 1..=4 {
        let now = Timestamp(pc.now.0 + i64::from(uid));
        world.delete(Actor { now, ..pc }, inbox, Uid(uid));
        let kept = u64::from(uid).min(2);
        assert_eq!(world.account.retained().unwrap(), Retained { messages: kept, bytes: kept * size });
        world.check();
    }
    let report = world.undo(of(pc));
    assert_eq!((report.restored, report.gone), (2, 2));
    let left: Vec<EmailId> = world.account.view(inbox).unwrap().index().iter().map(|entry| entry.email).collect();
    assert_eq!(left, emails[2..]);
}

#[test]
fn a_page_of_the_timeline_goes_on_where_the_last_one_ended() {
    let world = World::new();
    let pc = world.device("pc", PopSettings::default());
    let inbox = world.mailbox("INBOX");
    (0..30).for_each(|n| world.fill(n));
    (1..=10).for_each(|uid| world.delete(pc, inbox, Uid(uid)));
    let all = world.account.journal(ModSeq(0), 1_000).unwrap();
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let query = TimelineQuery { before, limit: 7, ..TimelineQuery::default() };
        let page = world.account.timeline(&query).unwrap();
        assert!(page.entries.len() <= 7);
        found.extend(page.entries);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, all);
    let query = TimelineQuery { device: Some(pc.device), limit: 1_000, ..TimelineQuery::default() };
    assert_eq!(world.account.timeline(&query).unwrap().entries.len(), 20);
    let since = TimelineQuery { since: Some(pc.now), limit: 1_000, ..TimelineQuery::default() };
    assert_eq!(world.account.timeline(&since).unwrap().entries.len(), 20);
}

/// One random thing that the device does.
fn act(world: &World, random: &mut Random, pc: Actor) {
    let names: Vec<String> = world.account.mailboxes().unwrap().iter().map(|mailbox| mailbox.name.clone()).collect();
    let name = &names[random.below(names.len() as u64) as usize];
    let (from, to) = (world.mailbox(name), world.mailbox(&names[random.below(names.len() as u64) as usize]));
    let uids: Vec<Uid> = world.uids(from).into_iter().filter(|_| random.chance(300)).collect();
    match random.below(8) {
        0..2 => uids.iter().for_each(|uid| world.delete(pc, from, *uid)),
        2 => drop(world.account.move_messages(pc, from, uids, to).unwrap()),
        3 => drop(world.account.copy(pc, from, uids, to).unwrap()),
        4 => match world.account.delete_mailbox(pc, name) {
            Ok(()) | Err(Error::NotAllowed(_)) => {}
            Err(error) => panic!("{error}"),
        },
        5 => {
            let maildrop = world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
            let all: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
            let some: Vec<EmailId> = all.iter().copied().filter(|_| random.chance(300)).collect();
            let pop = Actor { protocol: Protocol::Pop3, ..pc };
            world.account.close_maildrop(pop, &maildrop, all, some).unwrap();
        }
        _ => {
            let flags = [SystemFlag::Seen, SystemFlag::Flagged, SystemFlag::Answered];
            let flags = Flags::system(&[flags[random.below(3) as usize]]);
            let mode = if random.chance(500) { FlagMode::Add } else { FlagMode::Replace };
            uids.iter().for_each(|uid| world.flag(pc, from, *uid, mode, flags.clone()));
        }
    }
}

#[test]
fn whatever_a_device_did_alone_is_undone_and_the_undo_too() {
    for seed in 0..150 {
        let world = World::new();
        let policy = RemovalPolicy::ALL[seed as usize % RemovalPolicy::ALL.len()];
        let pc = world.device("pc", policy.into());
        world.account.create_mailbox(SERVER, "Work", None).unwrap();
        for (n, mailbox) in ["INBOX", "INBOX", "INBOX", "Work", "Archive", "Trash"].iter().enumerate() {
            world.deliver(mailbox, &n.to_string());
        }
        let (before, mut random) = (world.seen(), Random::new(seed));
        (0..1 + random.below(12)).for_each(|_| act(&world, &mut random, pc));
        let done = world.seen();
        let report = world.undo(of(pc));
        let after = world.seen();
        for (mailbox, messages) in &before {
            for message in messages.keys() {
                let found = after.get(mailbox).is_some_and(|there| there.contains_key(message));
                assert!(found, "seed {seed}: {message:?} is not in {mailbox} as it was: {after:?}");
            }
        }
        let originals: BTreeSet<EmailId> = before.values().flat_map(|m| m.keys().map(|(email, _)| *email)).collect();
        let removed = |seen: &Seen, email: EmailId| !seen.values().any(|m| m.keys().any(|(one, _)| *one == email));
        assert!(originals.iter().all(|email| !removed(&after, *email)), "seed {seed}");
        if let Some(entry) = report.entry {
            world.undo(UndoWhat::Undo(entry));
            let again = world.seen();
            for (mailbox, messages) in &done {
                let emails = |seen: &Seen| -> BTreeSet<EmailId> {
                    seen.get(mailbox).into_iter().flatten().map(|((email, _), _)| *email).collect()
                };
                let was: BTreeSet<EmailId> = messages.keys().map(|(email, _)| *email).collect();
                assert_eq!(emails(&again), was, "seed {seed}: {mailbox}");
            }
        }
    }
}

#[test]
fn a_special_mailbox_that_comes_back_is_special_again() {
    let world = World::new();
    let phone = world.device("phone", PopSettings::default());
    let role = |name: &str| world.account.mailboxes().unwrap().by_name(name).unwrap().role;
    let undo = || world.undo(UndoWhat::Device { device: phone.device, since: NOW });
    world.deliver("Trash", "thrown away");
    world.account.delete_mailbox(phone, "Trash").unwrap();
    assert_eq!(undo().mailboxes, ["Trash"]);
    assert_eq!(role("Trash"), Some(store::Role::Trash));
    // A POP3 device that lists all ordinary mail does not list it now either.
    let settings = PopSettings { scope: store::pop::Scope::AllButSpecial, ..PopSettings::default() };
    let pc = world.device("pc", settings);
    assert_eq!(world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap().messages(), []);
    // Somebody else has the use by now: it stays there.
    world.deliver("Junk", "junk");
    world.account.delete_mailbox(phone, "Junk").unwrap();
    world.account.create_mailbox(SERVER, "Spam", Some(store::Role::Junk)).unwrap();
    assert_eq!(undo().mailboxes, ["Junk"]);
    assert_eq!((role("Junk"), role("Spam")), (None, Some(store::Role::Junk)));
}

#[test]
fn an_entry_of_a_slower_clock_in_between_hides_nothing_from_an_undo() {
    let world = World::new();
    let phone = world.device("phone", PopSettings::default());
    world.deliver("INBOX", "one");
    let inbox = world.mailbox("INBOX");
    let flags = |now: Timestamp, flag: SystemFlag| {
        let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since: None };
        world.account.change_flags(Actor { now, ..phone }, inbox, world.uids(inbox), change).unwrap();
    };
    flags(Timestamp(NOW.0 + 1_000), SystemFlag::Seen);
    // Another session has looked at the clock before, and waited.
    let late = NewMessage { body: b"Subject: two\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: NOW };
    world.account.append(Actor { now: Timestamp(NOW.0 + 999), ..SERVER }, Target::Inbox, late).unwrap();
    let report = world.undo(UndoWhat::Device { device: phone.device, since: Timestamp(NOW.0 + 1_000) });
    assert_eq!(report.reflagged, 1);
    assert!(world.seen()["INBOX"].keys().all(|(_, flags)| flags.is_empty()));
}

#[test]
fn what_came_back_into_a_mailbox_that_was_made_again_comes_back_once() {
    let world = World::new();
    let phone = world.device("phone", PopSettings::default());
    let (first, second) = (world.deliver("Archive", "one"), world.deliver("Archive", "two"));
    world.account.delete_mailbox(phone, "Archive").unwrap();
    let undo = || world.undo(UndoWhat::Device { device: phone.device, since: NOW });
    assert_eq!((undo().restored, undo().restored), (2, 0));
    assert_eq!(world.seen()["Archive"].len(), 2);
    assert_eq!(undo(), UndoReport::default());
    // Somebody makes it, with one of the two in it.
    world.account.delete_mailbox(phone, "Archive").unwrap();
    world.account.create_mailbox(SERVER, "Archive", None).unwrap();
    let what = UndoWhat::Device { device: phone.device, since: NOW };
    let one = UndoRequest { what, mailbox: None, email: Some(first), relist: false, dry_run: false };
    let report = world.account.undo(phone, one).unwrap();
    assert_eq!((report.restored, report.mailboxes.len()), (1, 0));
    assert_eq!(undo().restored, 1);
    let there: Vec<(EmailId, usize)> =
        world.seen()["Archive"].iter().map(|((email, _), count)| (*email, *count)).collect();
    assert_eq!(there, [(first, 1), (second, 1)]);
}

#[test]
fn what_is_removed_and_put_back_and_removed_again_comes_back_once() {
    let world = World::new();
    let phone = world.device("phone", PopSettings::default());
    let email = world.deliver("INBOX", "one");
    let inbox = world.mailbox("INBOX");
    let undo = || world.undo(UndoWhat::Device { device: phone.device, since: NOW });
    for _ in 0..3 {
        let change =
            FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
        world.account.change_flags(phone, inbox, world.uids(inbox), change).unwrap();
        world.account.expunge(phone, inbox, Expunge::AllDeleted).unwrap();
        assert_eq!(undo().restored, 1);
        assert_eq!(world.seen()["INBOX"], BTreeMap::from([((email, vec![]), 1)]));
    }
    assert_eq!(undo().restored, 0);
}
