//! Mailboxes as guests see them: what the owner has, with `\Seen` as the guest has set it ([`crate::seen`]).
//!
//! A guest's view is kept beside the account's state and brought up to date by what changed, so it shares memory with what the
//! guest's sessions have told their clients.
//!
//! Invariant: a guest's view is as of one commit, marks and messages alike: no modseq is told below which something is missing.

use super::flags::too_many_keywords;
use super::{Account, FlagChange, FlagsChanged, View};
use crate::error::Error;
use crate::flags::{FlagBits, FlagMode, Flags, SystemFlag};
use crate::ids::{AccountId, MailboxId, ModSeq, Uid};
use crate::index::{Builder, Entry, Index};
use crate::journal::{Actor, MESSAGES_PER_ENTRY_MAX};
use crate::key;
use crate::record::{open, versioned};
use crate::rights::Rights;
use crate::seen::{Mark, Marks, SeenBlock, block_of};
use crate::state::{MailboxState, scan_while};
use crate::tx::Tx;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many views of guests are kept of an account. Of those that no session has, the one that was looked at longest ago goes first, and
/// is made anew when it is asked for.
const VIEWS_MAX: usize = 64;
/// All views of guests of an account have at most so many messages together, 40 octets each: which mailboxes others open, and how
/// many of them, is not for its owner to pay for without end.
const VIEWED_MAX: usize = if cfg!(test) { 10 } else { 10_000_000 };

/// A purge tidies at most so many rows of marks; the next one goes on.
const ROWS_TIDIED_MAX: usize = 10_000;
/// One transaction of it at most so many.
const ROWS_PER_COMMIT_MAX: usize = 250;

/// Views of guests, of an account.
#[derive(Default)]
pub(crate) struct GuestViews(Mutex<Views>);

#[derive(Default)]
struct Views {
    by_guest: HashMap<(MailboxId, AccountId), Viewed>,
    /// Counts on.
    looks: u64,
    /// Of those that are just being made: so many, with so many messages together.
    reserved: (usize, usize),
}

struct Viewed {
    view: Arc<GuestView>,
    looked_at: u64,
}

/// Room for a view that is being made.
struct Room<'v> {
    views: &'v GuestViews,
    messages: usize,
}

/// A mailbox as a guest saw it last.
struct GuestView {
    /// As of this commit.
    head: ModSeq,
    /// The owner's index.
    base: Index,
    /// The last mark that is in it.
    marked: ModSeq,
    marks: Arc<Marks>,
    view: View,
}

impl GuestViews {
    fn get(&self, of: (MailboxId, AccountId)) -> Option<Arc<GuestView>> {
        let mut views = self.lock();
        views.looks += 1;
        let looked_at = views.looks;
        let viewed = views.by_guest.get_mut(&of)?;
        viewed.looked_at = looked_at;
        Some(Arc::clone(&viewed.view))
    }

    fn put(&self, of: (MailboxId, AccountId), view: Arc<GuestView>) {
        self.lock().put(of, view);
    }

    /// Makes room for a view of so many messages, and keeps it for this one: others are made meanwhile.
    fn make_room(&self, messages: usize) -> Result<Room<'_>, Error> {
        let mut views = self.lock();
        while views.count() >= VIEWS_MAX || views.entries() + messages > VIEWED_MAX {
            let idle = views.by_guest.iter().filter(|(_, viewed)| !viewed.view.view.is_held_elsewhere());
            let Some(oldest) = idle.min_by_key(|(_, viewed)| viewed.looked_at).map(|(of, _)| *of) else { break };
            views.by_guest.remove(&oldest);
        }
        // A single one is no larger than what its owner has.
        if views.count() > 0 && views.entries() + messages > VIEWED_MAX {
            return Err(Error::Limit(
                "too many others have large mailboxes of this account open; try again later".into(),
            ));
        }
        views.reserved.0 += 1;
        views.reserved.1 += messages;
        Ok(Room { views: self, messages })
    }

    /// How many messages they have.
    pub(crate) fn entries(&self) -> usize {
        self.lock().entries()
    }

    fn lock(&self) -> MutexGuard<'_, Views> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Views {
    fn put(&mut self, of: (MailboxId, AccountId), view: Arc<GuestView>) {
        self.looks += 1;
        self.by_guest.insert(of, Viewed { view, looked_at: self.looks });
    }

    /// With those that are being made, as the messages are.
    fn count(&self) -> usize {
        self.by_guest.len() + self.reserved.0
    }

    fn entries(&self) -> usize {
        let made: usize = self.by_guest.values().map(|viewed| viewed.view.view.index().len()).sum();
        made + self.reserved.1
    }
}

impl Room<'_> {
    /// Puts the view there that it was kept for.
    fn fill(self, of: (MailboxId, AccountId), view: Arc<GuestView>) {
        let mut views = self.views.lock();
        self.give_back(&mut views);
        views.put(of, view);
        drop(views);
        // It is given back.
        std::mem::forget(self);
    }

    fn give_back(&self, views: &mut Views) {
        views.reserved.0 -= 1;
        views.reserved.1 -= self.messages;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.give_back(&mut self.views.lock());
    }
}

impl Account {
    /// The mailbox as a guest sees it; who may not read it sees nothing.
    pub(super) fn guest_view(&self, mailbox: MailboxId, guest: AccountId) -> Result<View, Error> {
        let state = self.cell.state()?;
        self.may_look(&state)?;
        state.mailbox(mailbox)?.mailbox.acl.of(guest).must_have(Rights::READ)?;
        let known = self.cell.guest_views.get((mailbox, guest));
        if let Some(known) = known.as_ref().filter(|known| known.head == state.head) {
            return Ok(known.view.clone());
        }
        let messages = state.mailbox(mailbox)?.mailbox.counts.messages as usize;
        let room = match known {
            None => Some(self.cell.guest_views.make_room(messages)?),
            // It has its room already, and shares memory with what there was before.
            Some(_) => None,
        };
        // Not as the guest: one of whom the disk took no note reads, too.
        let now = self.cell.transact(move |tx| {
            tx.mailbox(mailbox)?.acl.of(guest).must_have(Rights::READ)?;
            GuestView::read(tx, mailbox, guest, known.as_deref()).map(Arc::new)
        })?;
        match room {
            Some(room) => room.fill((mailbox, guest), Arc::clone(&now)),
            None => self.cell.guest_views.put((mailbox, guest), Arc::clone(&now)),
        }
        Ok(now.view.clone())
    }
}

impl Account {
    /// Forgets the marks of messages that are gone, by whichever way they went.
    pub(super) fn tidy_marks(&self) -> Result<(), Error> {
        for due in self.marks_of_the_gone()?.chunks(ROWS_PER_COMMIT_MAX) {
            let due = due.to_vec();
            self.transact(move |tx| due.iter().try_for_each(|(key, mailbox)| tx.tidy_marks(key, *mailbox)))?;
        }
        Ok(())
    }

    /// The keys of rows with marks of messages that are gone, and their mailboxes; at most [`ROWS_TIDIED_MAX`].
    fn marks_of_the_gone(&self) -> Result<Vec<(Vec<u8>, MailboxId)>, Error> {
        let mut due: Vec<(Vec<u8>, MailboxId)> = Vec::new();
        let mut known: Option<View> = None;
        let [_, marks] = key::all_marks();
        scan_while(&*self.snapshot()?, marks, |key, row| {
            let read = key::number_at(key, 2).and_then(|id| Ok((MailboxId(id), SeenBlock::decode(row)?)));
            let (id, block) = read.map_err(Error::corrupt("what a guest has seen"))?;
            if known.as_ref().is_none_or(|view| view.mailbox().id != id) {
                known = match self.view(id) {
                    // Deleted just now.
                    Err(Error::NoSuchMailbox) => return Ok(ControlFlow::Continue(())),
                    view => Some(view?),
                };
            }
            let is_gone = |uid: Uid| known.as_ref().is_some_and(|view| view.index().position(uid).is_err());
            if block.uids().any(is_gone) {
                due.push((key.to_vec(), id));
            }
            Ok(if due.len() < ROWS_TIDIED_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(due)
    }
}

impl GuestView {
    /// As of this transaction; `known`: as of an earlier one.
    fn read(tx: &mut Tx<'_>, mailbox: MailboxId, guest: AccountId, known: Option<&Self>) -> Result<Self, Error> {
        let (head, base) = (tx.head(), tx.index(mailbox)?.clone());
        let (marked, given) = (tx.last_mark(mailbox, guest)?, tx.mailbox(mailbox)?.acl.given(guest));
        let known = known.filter(|known| known.marks.given == given);
        let marks = match known {
            Some(known) if known.marked == marked => Arc::clone(&known.marks),
            Some(_) | None => Arc::new(tx.all_marks(mailbox, guest)?),
        };
        let index = match known {
            Some(known) => known.brought_to(&base, &marks),
            None => whole(&base, &marks),
        };
        let mut of = tx.mailbox(mailbox)?.clone();
        of.highest_modseq = of.highest_modseq.max(marked).max(given.last);
        let unseen = index.iter().filter(|entry| !entry.flags.has(SystemFlag::Seen)).count();
        of.counts.unseen = u32::try_from(unseen).unwrap_or(u32::MAX);
        let view = View::of(&Arc::new(MailboxState { mailbox: of, index: Some(index) }));
        Ok(Self { head, base, marked, marks, view })
    }

    /// Its index, with what has changed.
    fn brought_to(&self, base: &Index, marks: &Marks) -> Index {
        let delta = base.since(&self.base);
        let mut index = self.view.index().without(&delta.vanished);
        let changed: Vec<Entry> = delta.changed.iter().map(|entry| marks.applied_to(*entry)).collect();
        index.replace_all(&changed);
        delta.added.iter().for_each(|entry| index.push(marks.applied_to(*entry)));
        let mut there = base.walk();
        let marked =
            marks.after(self.marked).filter_map(|uid| there.find(uid).map(|(_, entry)| marks.applied_to(*entry)));
        index.replace_all(&marked.collect::<Vec<Entry>>());
        index
    }
}

fn whole(base: &Index, marks: &Marks) -> Index {
    let mut index = Builder::default();
    for entry in base.iter() {
        // They ascend as they did.
        let _ascends = index.push(marks.applied_to(*entry));
    }
    index.finish()
}

/// What a guest's STORE changes: each flag that they have the right to (RFC 4314 §4). `\Seen` changes for them alone.
pub(super) fn change_flags_of_guest(
    tx: &mut Tx<'_>,
    actor: Actor,
    (mailbox, guest): (MailboxId, AccountId),
    uids: &[Uid],
    change: &FlagChange,
) -> Result<FlagsChanged, Error> {
    let rights = tx.rights(mailbox)?;
    rights.must_have(Rights::READ)?;
    // RFC 4314 §4: a STORE does not fail of which something may be done.
    if !rights.has_some(needed_for(change)) {
        return Err(Error::NotPermitted);
    }
    let index = tx.index(mailbox)?.clone();
    let learns = rights.has(Rights::WRITE) && change.mode != FlagMode::Remove;
    let flags = match learns {
        true => tx.flag_set(mailbox, &change.flags)?,
        false => tx.mailbox(mailbox)?.keywords.known(&change.flags),
    };
    let names_seen = change.flags.system.has(SystemFlag::Seen);
    let (mut outcome, mut changed, mut marks) = (FlagsChanged::default(), Vec::new(), Vec::new());
    let given = tx.mailbox(mailbox)?.acl.given(guest);
    let (mut known, mut walk) = (Marks::of_whom_was(given), index.walk());
    for (_, entry) in uids.iter().filter_map(|uid| walk.find(*uid)) {
        tx.read_marks(&mut known, (mailbox, guest), entry.uid)?;
        let shown = known.applied_to(*entry);
        if change.unchanged_since.is_some_and(|since| shown.modseq > since) {
            outcome.modified.push(entry.uid);
            continue;
        }
        let after = change.mode.apply(entry.flags, &flags).ok_or_else(too_many_keywords)?;
        let after = as_permitted(entry.flags, after, rights);
        if after != entry.flags {
            changed.push((*entry, after));
        }
        let before = shown.flags.has(SystemFlag::Seen);
        let seen = match change.mode {
            FlagMode::Add => before || names_seen,
            FlagMode::Remove => before && !names_seen,
            FlagMode::Replace => names_seen,
        };
        if seen != before && rights.has(Rights::SEEN) {
            marks.push((entry.uid, seen));
        }
    }
    for batch in changed.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.reflag(actor, mailbox, batch)?;
    }
    if !marks.is_empty() {
        let modseq = tx.pass_modseq();
        tx.mark((mailbox, guest), &marks, modseq)?;
    }
    Ok(outcome)
}

/// The rights of which a change needs some.
fn needed_for(change: &FlagChange) -> Rights {
    let Flags { system, keywords } = &change.flags;
    let (is_whole, others) =
        (change.mode == FlagMode::Replace, system.without(SystemFlag::Seen).without(SystemFlag::Deleted));
    let wanted = [
        (is_whole || system.has(SystemFlag::Seen), Rights::SEEN),
        (is_whole || system.has(SystemFlag::Deleted), Rights::DELETE_MESSAGES),
        (is_whole || others != FlagBits::default() || !keywords.is_empty(), Rights::WRITE),
    ];
    wanted.into_iter().filter(|(is_needed, _)| *is_needed).fold(Rights::default(), |all, (_, right)| all.and(right))
}

/// Flags that a guest changes, as far as they may. `\Seen` stays as the owner has it.
fn as_permitted(before: FlagBits, after: FlagBits, rights: Rights) -> FlagBits {
    let flags = if rights.has(Rights::WRITE) { after } else { before };
    let deleted = if rights.has(Rights::DELETE_MESSAGES) { after } else { before };
    let as_in =
        |flags: FlagBits, other: FlagBits, flag| if other.has(flag) { flags.with(flag) } else { flags.without(flag) };
    as_in(as_in(flags, before, SystemFlag::Seen), deleted, SystemFlag::Deleted)
}

impl Tx<'_> {
    /// The flags with which a message comes into a mailbox: of a guest's those that they have the right to (RFC 4314 §4).
    /// Beside them, whether it comes seen by that guest.
    pub(super) fn flags_of_new(&self, mailbox: MailboxId, flags: &Flags) -> Result<(Flags, Option<AccountId>), Error> {
        let Some(guest) = self.guest else { return Ok((flags.clone(), None)) };
        let rights = self.rights(mailbox)?;
        let system = as_permitted(FlagBits::default(), flags.system, rights);
        let keywords = if rights.has(Rights::WRITE) { flags.keywords.clone() } else { Vec::new() };
        let is_seen = flags.system.has(SystemFlag::Seen) && rights.has(Rights::SEEN);
        Ok((Flags { system, keywords }, is_seen.then_some(guest)))
    }

    /// The flags of a copy in the same account: `\Seen` is the owner's, and stays.
    pub(super) fn flags_of_copy(&self, to: MailboxId, flags: Flags) -> Result<Flags, Error> {
        if self.guest.is_none() {
            return Ok(flags);
        }
        let (mut permitted, _) = self.flags_of_new(to, &flags)?;
        if flags.system.has(SystemFlag::Seen) {
            permitted.system = permitted.system.with(SystemFlag::Seen);
        }
        Ok(permitted)
    }

    /// What a guest has seen, they have seen of the copies, too. To be called after the copies are in the journal.
    pub(super) fn copy_marks(&mut self, from: MailboxId, to: MailboxId, uids: &[(Uid, Uid)]) -> Result<(), Error> {
        let Some(guest) = self.guest else { return Ok(()) };
        if !self.rights(to)?.has(Rights::SEEN) {
            return Ok(());
        }
        let (mut known, mut marks) = (Marks::default(), Vec::new());
        for (before, after) in uids {
            self.read_marks(&mut known, (from, guest), *before)?;
            if known.of(*before).is_some_and(|mark| mark.seen) {
                marks.push((*after, true));
            }
        }
        if marks.is_empty() {
            return Ok(());
        }
        let modseq = self.pass_modseq();
        self.mark((to, guest), &marks, modseq)
    }

    /// A guest has seen messages, or not seen them.
    pub(super) fn mark(
        &mut self,
        (mailbox, guest): (MailboxId, AccountId),
        marks: &[(Uid, bool)],
        modseq: ModSeq,
    ) -> Result<(), Error> {
        for of_block in marks.chunk_by(|(a, _), (b, _)| block_of(*a) == block_of(*b)) {
            let Some(number) = of_block.first().map(|(uid, _)| block_of(*uid)) else { continue };
            let mut block = self.seen_block((mailbox, guest), number)?;
            of_block.iter().for_each(|(uid, seen)| block.set(*uid, Mark { seen: *seen, modseq }));
            self.put(key::seen_block(mailbox, guest, number), block.encode());
        }
        let mut w = versioned();
        w.number(modseq.0);
        self.put(key::marked(mailbox, guest), w.0);
        Ok(())
    }

    /// Forgets of a row of marks those of messages that are gone: no UID comes again.
    fn tidy_marks(&mut self, key: &[u8], mailbox: MailboxId) -> Result<(), Error> {
        let Some(row) = self.get(key)? else { return Ok(()) };
        if self.mailbox(mailbox).is_err() {
            return Ok(());
        }
        let mut block = SeenBlock::decode(&row).map_err(Error::corrupt("what a guest has seen"))?;
        let index = self.index(mailbox)?;
        block.retain(|uid| index.position(uid).is_ok());
        if block.is_empty() {
            self.delete(key.to_vec());
        } else {
            self.put(key.to_vec(), block.encode());
        }
        Ok(())
    }

    /// Forgets what a guest, or all guests (`None`), have seen of a mailbox.
    pub(super) fn forget_marks(&mut self, mailbox: MailboxId, guest: Option<AccountId>) -> Result<(), Error> {
        let mut rows = self.rows(key::seen_blocks(mailbox, guest), usize::MAX)?;
        match guest {
            None => rows.append(&mut self.rows(key::all_marked(mailbox), usize::MAX)?),
            Some(guest) => self.delete(key::marked(mailbox, guest)),
        }
        rows.into_iter().for_each(|(key, _)| self.delete(key));
        Ok(())
    }

    fn last_mark(&mut self, mailbox: MailboxId, guest: AccountId) -> Result<ModSeq, Error> {
        let Some(row) = self.get(&key::marked(mailbox, guest))? else { return Ok(ModSeq(0)) };
        let read = open(&row).and_then(|mut r| r.number().and_then(|modseq| r.end().map(|()| ModSeq(modseq))));
        read.map_err(Error::corrupt("what a guest has seen"))
    }

    fn seen_block(&mut self, (mailbox, guest): (MailboxId, AccountId), number: u32) -> Result<SeenBlock, Error> {
        let row = self.get(&key::seen_block(mailbox, guest, number))?;
        let block = row.map_or_else(|| Ok(SeenBlock::default()), |row| SeenBlock::decode(&row));
        block.map_err(Error::corrupt("what a guest has seen"))
    }

    /// Reads the marks of the block that a UID is in, if that was not done before.
    fn read_marks(&mut self, known: &mut Marks, of: (MailboxId, AccountId), uid: Uid) -> Result<(), Error> {
        let number = block_of(uid);
        if !known.has(number) {
            known.insert(number, self.seen_block(of, number)?);
        }
        Ok(())
    }

    fn all_marks(&mut self, mailbox: MailboxId, guest: AccountId) -> Result<Marks, Error> {
        let mut marks = Marks::of_whom_was(self.mailbox(mailbox)?.acl.given(guest));
        for (key, row) in self.rows(key::seen_blocks(mailbox, Some(guest)), usize::MAX)? {
            let read = key::number_at(&key, 10).and_then(|number| Ok((number, SeenBlock::decode(&row)?)));
            let (number, block) = read.map_err(Error::corrupt("what a guest has seen"))?;
            marks.insert(number, block);
        }
        Ok(marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::guests::GuestPermits;
    use crate::account::{NewMessage, Target};
    use crate::ids::{DeviceId, Timestamp};
    use crate::journal::Protocol;
    use crate::rights::RightsChange;
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;

    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(0) };

    struct Always;

    impl crate::Permit for Always {
        fn holds(&self) -> Result<bool, Error> {
            Ok(true)
        }
    }

    /// An account, a mailbox with four messages in it, and its guests.
    fn shared() -> (Account, MailboxId, Vec<Account>) {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), ACTOR.now).unwrap();
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        for _ in 0..4 {
            let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: ACTOR.now };
            account.append(ACTOR, Target::Mailbox(inbox), message).unwrap();
        }
        let guest = |id| {
            let rights = RightsChange::Replace(Rights::parse("lrs").unwrap());
            account.share(ACTOR, inbox, (AccountId(id), "guest"), rights).unwrap();
            let device = account.guest_device(ACTOR, (AccountId(id), DeviceId(1)), "guest").unwrap();
            let permits = GuestPermits { login: Arc::new(Always), owner: Arc::new(Always) };
            account.for_guest(AccountId(id), device, permits)
        };
        let guests = (17..20).map(guest).collect();
        (account, inbox, guests)
    }

    #[test]
    fn views_of_guests_filled_the_memory_one_for_each() {
        assert_eq!(VIEWED_MAX, 10);
        let (account, inbox, guests) = shared();
        let kept = || account.cell.guest_views.entries();
        // Those that nobody has make room for the others, the oldest first.
        for (guest, entries) in guests.iter().zip([4, 8, 8]) {
            guest.view(inbox).unwrap();
            assert_eq!(kept(), entries);
        }
        let known = |guest: &Account| account.cell.guest_views.get((inbox, guest.guest().unwrap())).is_some();
        assert_eq!([&guests[0], &guests[1], &guests[2]].map(known), [false, true, true]);
        assert!(account.cell.entries_held() >= kept(), "an account that nobody uses is forgotten by them, too");
        // Those that sessions have stay, and one that finds no room beside them is refused.
        let held: Vec<View> = guests[..2].iter().map(|guest| guest.view(inbox).unwrap()).collect();
        assert!(matches!(guests[2].view(inbox), Err(Error::Limit(_))));
        assert_eq!(held[0].index().len(), guests[0].view(inbox).unwrap().index().len());
        drop(held);
        assert!(guests[2].view(inbox).is_ok());
    }

    #[test]
    fn views_that_were_made_at_the_same_time_found_the_same_room() {
        let views = GuestViews::default();
        let first = views.make_room(6).unwrap();
        assert!(matches!(views.make_room(6), Err(Error::Limit(_))), "the room of the first is taken");
        let second = views.make_room(4).unwrap();
        assert_eq!(views.entries(), VIEWED_MAX);
        drop(first);
        assert!(views.make_room(6).is_ok(), "what was not made gives its room back");
        drop(second);
        assert_eq!((views.entries(), views.lock().count()), (0, 0));
        assert!(views.make_room(VIEWED_MAX + 1).is_ok(), "a single one is no larger than what its owner has");
    }
}
