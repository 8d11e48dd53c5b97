//! Large changes are made in pieces of bounded size, and told as one; what is left when one breaks off.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;
use store::device::{Credential, LastLogin};
use store::engine::Engine;
use store::hold::{Answer, AsksOwner, Hold, ThenDevice};
use store::pop::PopSettings;
use store::removal::RemovalPolicy;
use store::sim::{Fault, SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, Change, ClearRequest, DeviceId, Error, Expunge, FlagChange, FlagMode, Flags,
    LanguageTag, MailboxId, MaildropOptions, ModSeq, NewMessage, OfAccount, PIECE_MESSAGES_MAX, Progress, Protocol,
    Role, Store, StoreOptions, SystemFlag, Target, Timestamp, Uid, UndoRequest, UndoWhat,
};
use wording::Later;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
const ID: AccountId = AccountId(16);
/// Two full pieces and one more.
const MANY: u32 = 2 * PIECE_MESSAGES_MAX as u32 + 1;

struct World {
    engine: SimEngine,
    objects: SimObjects,
    account: Account,
    inbox: MailboxId,
    archive: MailboxId,
}

/// Whoever is asked gets a letter.
struct Letters;

impl AsksOwner for Letters {
    fn letter(&self, hold: &Hold, _device: &Later, _held_mailbox: &str, _: Option<LanguageTag>) -> Vec<u8> {
        format!("Subject: hold {}\r\n\r\nSomebody wanted to delete {} messages.\r\n", hold.id, hold.messages)
            .into_bytes()
    }
}

fn open(engine: &SimEngine, objects: &SimObjects) -> Store {
    let options = StoreOptions { asks_owner: Some(Arc::new(Letters)), ..StoreOptions::default() };
    Store::with_options(Arc::new(engine.clone()), Arc::new(objects.clone()), options)
}

impl World {
    /// INBOX with `messages`, and an empty Archive.
    fn new(messages: u32) -> Self {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let account = open(&engine, &objects).create_account(ID, NOW).unwrap();
        let mailboxes = account.mailboxes().unwrap();
        let (inbox, archive) = (mailboxes.by_name("INBOX").unwrap().id, mailboxes.by_name("Archive").unwrap().id);
        let world = Self { engine, objects, account, inbox, archive };
        (0..messages).for_each(|_| world.append(inbox));
        world
    }

    fn append(&self, mailbox: MailboxId) {
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: NOW };
        self.account.append(ACTOR, Target::Mailbox(mailbox), message).unwrap();
    }

    /// Several messages for Archive at once.
    fn upload(&self, messages: u32) -> Result<(), Error> {
        let mut appending = self.account.begin_append(
            ACTOR,
            self.archive,
            store::Amount { bytes: messages.into(), messages: messages.into() },
        );
        for number in 1..=messages {
            if !appending.has_room(1) {
                appending.commit(false)?;
            }
            appending.add(NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: NOW })?;
            if number == messages {
                appending.commit(true)?;
            }
        }
        Ok(())
    }

    fn uids(&self, mailbox: MailboxId) -> Vec<Uid> {
        self.account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid).collect()
    }

    fn mark_deleted(&self, mailbox: MailboxId) {
        let change =
            FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
        self.account.change_flags(ACTOR, mailbox, self.uids(mailbox), change).unwrap();
    }

    /// The number of commits that `f` makes.
    fn commits<T>(&self, f: impl FnOnce(&Account) -> T) -> (u64, T) {
        let before = self.engine.commits();
        let result = f(&self.account);
        (self.engine.commits() - before, result)
    }

    fn pop_device(&self, removal: RemovalPolicy) -> Actor {
        let credential = Credential::ApplicationPassword { hash: [1; 32] };
        let device = self.account.add_device(ACTOR, "pc", credential, Some(PopSettings::from(removal))).unwrap();
        Actor { device, protocol: Protocol::Pop3, now: NOW }
    }

    /// Power fails; the account as the next start finds it.
    fn crash(self) -> Self {
        let (engine, objects) = (self.engine.crash(), self.objects.crash());
        let account = open(&engine, &objects).account(ID);
        Self { engine, objects, account, ..self }
    }

    fn check(&self) {
        assert_eq!(store::check::all(&open(&self.engine, &self.objects), store::check::Depth::Bodies).unwrap(), []);
    }
}

#[test]
fn no_commit_of_a_change_of_many_messages_is_larger_than_a_piece() {
    let world = World::new(MANY);
    let all = world.uids(world.inbox);
    let change =
        |flag, unchanged_since| FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since };
    let seen = change(SystemFlag::Seen, None);
    assert_eq!(world.commits(|a| a.change_flags(ACTOR, world.inbox, all.clone(), seen).unwrap()).0, 1, "few rows");
    let (commits, copied) = world.commits(|a| a.copy(ACTOR, world.inbox, all.clone(), world.archive).unwrap());
    assert_eq!((commits, copied.uids.len()), (3, all.len()));
    let (commits, moved) = world.commits(|a| a.move_messages(ACTOR, world.archive, all.clone(), world.inbox).unwrap());
    assert_eq!((commits, moved.uids.len()), (3, all.len()));
    assert!(moved.uids.windows(2).all(|two| two[0] < two[1]), "COPYUID is of all pieces, in order");
    world.mark_deleted(world.inbox);
    let (commits, gone) = world.commits(|a| a.expunge(ACTOR, world.inbox, Expunge::AllDeleted).unwrap());
    assert_eq!((commits, gone.len()), (5, 2 * all.len()));
    world.check();
}

#[test]
fn what_changed_since_is_told_of_every_piece() {
    let world = World::new(MANY);
    let all = world.uids(world.inbox);
    let since = world.account.head().unwrap();
    let flagged = |mode| FlagChange { mode, flags: Flags::system(&[SystemFlag::Flagged]), unchanged_since: None };
    let touched = vec![all[0], all[PIECE_MESSAGES_MAX], all[all.len() - 1]];
    world.account.change_flags(ACTOR, world.inbox, touched.clone(), flagged(FlagMode::Add)).unwrap();
    let change = FlagChange { unchanged_since: Some(since), ..flagged(FlagMode::Remove) };
    let changed = world.account.change_flags(ACTOR, world.inbox, all, change).unwrap();
    assert_eq!(changed.modified, touched, "its own pieces are no changes since");
}

#[test]
fn a_mailbox_of_many_messages_is_deleted_in_pieces_and_is_there_until_the_last() {
    let world = World::new(0);
    (0..MANY).for_each(|_| world.append(world.archive));
    let mut deleting = world.account.begin_deletion(ACTOR, "Archive").unwrap();
    let mut late = 0;
    while deleting.piece(&world.account).unwrap() {
        assert!(world.account.mailboxes().unwrap().by_id(world.archive).is_some());
        if late < 2 {
            world.append(world.archive);
            late += 1;
        }
    }
    assert!(deleting.is_done() && world.account.mailboxes().unwrap().by_id(world.archive).is_none());
    assert_eq!(world.account.retained().unwrap().messages, u64::from(MANY) + 2, "also what came meanwhile");
    world.check();

    let world = World::new(0);
    (0..MANY).for_each(|_| world.append(world.archive));
    world.engine.plan(1, Fault::Full);
    assert!(matches!(world.account.delete_mailbox(ACTOR, "Archive"), Err(Error::NoSpace(_))));
    assert_eq!(world.uids(world.archive).len(), MANY as usize - PIECE_MESSAGES_MAX, "one piece is done");
    assert_eq!(world.commits(|a| a.delete_mailbox(ACTOR, "Archive").unwrap()).0, 3);
    world.check();
}

#[test]
fn inbox_is_renamed_in_pieces() {
    let world = World::new(MANY);
    let (commits, ()) = world.commits(|a| a.rename_mailbox(ACTOR, "INBOX", "Old").unwrap());
    let old = world.account.mailboxes().unwrap().by_name("Old").unwrap().id;
    assert_eq!((commits, world.uids(old).len(), world.uids(world.inbox).len()), (4, MANY as usize, 0));
    world.check();
}

/// RFC 9051 §6.4.7: "restore the destination mailbox to its state before the COPY attempt".
#[test]
fn a_copy_that_breaks_off_leaves_nothing_behind() {
    let world = World::new(MANY);
    world.append(world.archive);
    let all = world.uids(world.inbox);
    world.engine.plan(2, Fault::Full);
    let refused = world.account.copy(ACTOR, world.inbox, all.clone(), world.archive);
    assert!(matches!(refused, Err(Error::NoSpace(_))), "{refused:?}");
    assert_eq!(world.uids(world.archive), [Uid(1)]);
    // A session that ends between two pieces.
    let mut copying = world.account.begin_copy(ACTOR, world.inbox, all.clone(), world.archive);
    assert!(copying.piece().unwrap());
    assert_eq!(world.uids(world.archive).len(), 1 + PIECE_MESSAGES_MAX);
    drop(copying);
    assert_eq!(world.uids(world.archive), [Uid(1)]);
    assert_eq!(world.uids(world.inbox), all);
    let mark = rows_of_copies(&world.engine);
    assert_eq!(mark, 0);
    let copied = world.account.copy(ACTOR, world.inbox, all, world.archive).unwrap();
    assert!(copied.uids[0].1 > Uid(1 + PIECE_MESSAGES_MAX as u32), "no UID is used again");
    world.check();
}

/// What a commit of unknown outcome had brought stayed, and so did the last piece of a copy whose others were taken back.
#[test]
fn of_a_copy_and_of_an_upload_with_an_unknown_outcome_a_part_stayed() {
    let world = World::new(MANY);
    let all = world.uids(world.inbox);
    let pieces = MANY.div_ceil(PIECE_MESSAGES_MAX as u32);
    let mut whole = 0;
    // By the toss of a coin it was applied.
    for at in (0..pieces).cycle().take(24) {
        let before = world.uids(world.archive);
        world.engine.plan(at.into(), Fault::Failed);
        let failed = match at % 2 {
            0 => world.account.copy(ACTOR, world.inbox, all.clone(), world.archive).map(drop),
            _ => world.upload(MANY),
        };
        assert!(matches!(failed, Err(Error::Fault(_))), "{failed:?}");
        let more = world.uids(world.archive).len() - before.len();
        assert!(more == 0 || (more == all.len() && at + 1 == pieces), "{more} of {MANY}, piece {at}");
        whole += u32::from(more > 0);
        assert_eq!(rows_of_copies(&world.engine), 0);
    }
    assert!(whole > 0, "the coin fell on one side only");
    world.check();
}

#[test]
fn a_copy_that_a_crash_breaks_off_is_taken_back_before_anybody_sees_it() {
    let world = World::new(MANY);
    let all = world.uids(world.inbox);
    world.engine.plan(2, Fault::CrashBefore);
    assert!(world.account.copy(ACTOR, world.inbox, all.clone(), world.archive).is_err());
    assert!(world.engine.is_dead());
    let world = world.crash();
    assert_eq!(rows_of_copies(&world.engine), 1, "two pieces were there");
    assert_eq!((world.uids(world.archive), world.uids(world.inbox)), (Vec::new(), all));
    assert_eq!(rows_of_copies(&world.engine), 0);
    world.check();
}

fn rows_of_copies(engine: &SimEngine) -> usize {
    rows(engine, b"C", b"D")
}

/// Of undoing and clearing that has not come to its end.
fn rows_of_acts(engine: &SimEngine) -> usize {
    rows(engine, b"F", b"G")
}

fn rows(engine: &SimEngine, from: &[u8], to: &[u8]) -> usize {
    let mut rows = 0;
    let mut count = |_: &[u8], _: &[u8]| {
        rows += 1;
        ControlFlow::Continue(())
    };
    engine.snapshot(ID).unwrap().scan(from, to, &mut count).unwrap();
    rows
}

/// A device that empties a mailbox in pieces asks for all of it, not for a piece.
#[test]
fn the_brake_judges_a_removal_as_a_whole_before_its_first_piece() {
    let world = World::new(MANY);
    let credential = Credential::ApplicationPassword { hash: [2; 32] };
    let device = world.account.add_device(ACTOR, "phone", credential, None).unwrap();
    let actor = Actor { device, ..ACTOR };
    world.mark_deleted(world.inbox);
    let gone = world.account.expunge(actor, world.inbox, Expunge::AllDeleted).unwrap();
    assert_eq!(gone.len(), MANY as usize, "they have left INBOX");
    let holds = world.account.holds().unwrap();
    assert_eq!(holds.iter().map(|hold| hold.messages).collect::<Vec<_>>(), [u64::from(MANY)], "in one hold");
    let letter = world.uids(world.inbox);
    assert_eq!(letter.len(), 1);
    let email = world.account.view(world.inbox).unwrap().index().get(0).unwrap().email;
    let body = world.account.reader().unwrap().body(email).unwrap();
    assert!(String::from_utf8(body).unwrap().contains(&format!("wanted to delete {MANY} messages")));
    let held = world.account.mailboxes().unwrap().iter().find(|m| m.role == Some(Role::Held)).unwrap().id;
    assert_eq!(world.uids(held).len(), MANY as usize);
    world.check();
}

/// RFC 1939 §6: what QUIT does, it does piece by piece, and once.
#[test]
fn a_pop_session_that_took_and_deleted_many_ends_in_pieces() {
    let world = World::new(MANY);
    let pc = world.pop_device(RemovalPolicy::Expunge);
    let ended = |account: &Account| {
        let maildrop = account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
        let all: Vec<_> = maildrop.messages().iter().map(|message| message.email).collect();
        account.close_maildrop(pc, &maildrop, all.clone(), all)
    };
    // A full disk after one piece of what was taken and one of what was deleted.
    world.engine.plan(4, Fault::Full);
    assert!(matches!(ended(&world.account), Err(Error::NoSpace(_))));
    assert_eq!(world.uids(world.inbox).len(), MANY as usize - PIECE_MESSAGES_MAX);
    let (commits, outcome) = world.commits(ended);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.expunged, outcome.kept, outcome.moved), (MANY as usize - PIECE_MESSAGES_MAX, 0, 0));
    assert_eq!(commits, 1 + 2, "the verdict and two pieces: what was noted before is not noted again");
    assert!(world.uids(world.inbox).is_empty());
    world.check();
}

/// Many operations that wait together share a commit, but not without an end.
#[test]
fn between_two_pieces_others_have_their_turn() {
    let world = World::new(MANY);
    world.mark_deleted(world.inbox);
    let mut expunging = world.account.begin_expunge(ACTOR, world.inbox, Expunge::AllDeleted).unwrap();
    let (mut heads, mut turns) = (vec![ModSeq(0)], 0);
    while expunging.piece(&world.account).unwrap() {
        world.append(world.archive);
        heads.push(world.account.head().unwrap());
        turns += 1;
    }
    assert!(heads.windows(2).all(|two| two[0] < two[1]));
    assert_eq!(world.uids(world.archive).len(), turns);
    assert!(turns >= 2 && world.uids(world.inbox).is_empty());
    world.check();
}

fn undo_all(device: DeviceId) -> UndoRequest {
    let what = UndoWhat::Device { device, since: Timestamp(0) };
    UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false }
}

impl World {
    /// A phone that has moved all of INBOX to Archive.
    fn moved_by_phone(&self) -> DeviceId {
        let credential = Credential::ApplicationPassword { hash: [2; 32] };
        let phone = self.account.add_device(ACTOR, "phone", credential, None).unwrap();
        let actor = Actor { device: phone, ..ACTOR };
        self.account.move_messages(actor, self.inbox, self.uids(self.inbox), self.archive).unwrap();
        phone
    }

    /// The number of the last undo or clearing.
    fn last_act(&self) -> ModSeq {
        let entries = self.account.journal(ModSeq(0), usize::MAX).unwrap();
        let act = |change: &Change| {
            matches!(change, Change::Account(OfAccount::Undone { .. }) | Change::Account(OfAccount::Cleared { .. }))
        };
        entries.iter().rfind(|entry| act(&entry.change)).unwrap().modseq
    }

    fn lengths(&self) -> (usize, usize) {
        (self.uids(self.inbox).len(), self.uids(self.archive).len())
    }
}

const ALL: usize = MANY as usize;

#[test]
fn an_undo_of_many_messages_was_one_commit() {
    let world = World::new(MANY);
    let phone = world.moved_by_phone();
    let (commits, report) = world.commits(|a| a.undo(ACTOR, undo_all(phone)).unwrap());
    assert_eq!((commits, report.moved, world.lengths()), (3, ALL, (ALL, 0)));
    assert_eq!((report.entry, rows_of_acts(&world.engine)), (Some(world.last_act()), 0));
    let what = UndoWhat::Undo(world.last_act());
    let (commits, report) = world.commits(|a| a.undo(ACTOR, UndoRequest { what, ..undo_all(phone) }).unwrap());
    assert_eq!((commits, report.moved, world.lengths()), (3, ALL, (0, ALL)));
    world.check();
}

#[test]
fn what_an_undo_did_that_broke_off_can_be_undone_and_to_do_it_again_does_the_rest() {
    for (crashes, again) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = World::new(MANY);
        let phone = world.moved_by_phone();
        world.engine.plan(1, if crashes { Fault::CrashBefore } else { Fault::Full });
        assert!(world.account.undo(ACTOR, undo_all(phone)).is_err());
        let world = if crashes { world.crash() } else { world };
        assert_eq!(rows_of_acts(&world.engine), usize::from(crashes));
        assert_eq!(world.lengths(), (PIECE_MESSAGES_MAX, ALL - PIECE_MESSAGES_MAX));
        assert_eq!(rows_of_acts(&world.engine), 0);
        let what = UndoWhat::Undo(world.last_act());
        let (request, moved, lengths) = if again {
            (undo_all(phone), ALL - PIECE_MESSAGES_MAX, (ALL, 0))
        } else {
            (UndoRequest { what, ..undo_all(phone) }, PIECE_MESSAGES_MAX, (0, ALL))
        };
        assert_eq!(world.account.undo(ACTOR, request).unwrap().moved, moved);
        assert_eq!(world.lengths(), lengths);
        world.check();
    }
}

#[test]
fn clearing_what_every_pop_device_has_was_one_commit() {
    let world = World::new(MANY);
    let pc = world.pop_device(RemovalPolicy::Keep);
    let login = LastLogin { at: NOW, protocol: pc.protocol, address: "::1".to_owned(), tls: None, program: None };
    world.account.note_login(pc.device, login).unwrap();
    let maildrop = world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
    let all: Vec<_> = maildrop.messages().iter().map(|message| message.email).collect();
    world.account.close_maildrop(pc, &maildrop, all, Vec::new()).unwrap();
    drop(maildrop);
    world.engine.plan(1, Fault::Full);
    assert!(matches!(world.account.clear_taken(ACTOR, ClearRequest::default()), Err(Error::NoSpace(_))));
    assert_eq!((world.lengths().0, rows_of_acts(&world.engine)), (ALL - PIECE_MESSAGES_MAX, 0));
    let undo = |act| UndoRequest { what: UndoWhat::Undo(act), ..undo_all(pc.device) };
    assert_eq!(world.account.undo(ACTOR, undo(world.last_act())).unwrap().restored, PIECE_MESSAGES_MAX);
    let mut told = Vec::new();
    let mut watch = |progress: Progress| told.push((progress.done, progress.total));
    let clear = |a: &Account| a.clear_taken_watched(ACTOR, ClearRequest::default(), &mut watch).unwrap();
    let (commits, report) = world.commits(clear);
    assert_eq!(told, [(PIECE_MESSAGES_MAX, ALL), (2 * PIECE_MESSAGES_MAX, ALL)], "the last piece is the answer");
    assert_eq!((commits, report.messages, world.lengths().0), (3, ALL, 0));
    assert_eq!((report.entry, rows_of_acts(&world.engine)), (Some(world.last_act()), 0));
    assert_eq!(world.account.undo(ACTOR, undo(world.last_act())).unwrap().restored, ALL);
    world.check();
}

#[test]
fn the_answer_to_a_hold_of_many_messages_was_one_commit() {
    for answer in [Answer::Keep(ThenDevice::Stays), Answer::Allow] {
        let world = World::new(MANY);
        let credential = Credential::ApplicationPassword { hash: [2; 32] };
        let device = world.account.add_device(ACTOR, "phone", credential, None).unwrap();
        world.mark_deleted(world.inbox);
        world.account.expunge(Actor { device, ..ACTOR }, world.inbox, Expunge::AllDeleted).unwrap();
        let hold = world.account.holds().unwrap()[0].id;
        world.engine.plan(1, Fault::Full);
        assert!(matches!(world.account.answer_hold(ACTOR, hold, answer), Err(Error::NoSpace(_))));
        let left: usize = world.account.held(hold).unwrap().iter().map(|held| held.emails.len()).sum();
        assert_eq!((left, world.account.open_holds().unwrap()), (ALL - PIECE_MESSAGES_MAX, 1), "the rest is held");
        world.check();
        let (commits, report) = world.commits(|a| a.answer_hold(ACTOR, hold, answer).unwrap());
        assert_eq!((commits, report.kept + report.removed), (2, left));
        // With the letter about it.
        let expected = if answer == Answer::Allow { 1 } else { ALL + 1 };
        assert_eq!((world.lengths().0, world.account.open_holds().unwrap()), (expected, 0));
        world.check();
    }
}
