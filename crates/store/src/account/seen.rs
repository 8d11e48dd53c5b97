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
use crate::state::MailboxState;
use crate::tx::Tx;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many views of guests are kept of an account; another one is made anew when it is asked for.
const VIEWS_MAX: usize = 64;

/// Views of guests, of an account.
#[derive(Default)]
pub(crate) struct GuestViews(Mutex<HashMap<(MailboxId, AccountId), Arc<GuestView>>>);

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
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned()
    }

    fn put(&self, of: (MailboxId, AccountId), view: Arc<GuestView>) {
        let mut views = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= VIEWS_MAX && !views.contains_key(&of) {
            views.clear();
        }
        views.insert(of, view);
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
        // Not as the guest: one of whom the disk took no note reads, too.
        let now = self.cell.transact(move |tx| {
            tx.mailbox(mailbox)?.acl.of(guest).must_have(Rights::READ)?;
            GuestView::read(tx, mailbox, guest, known.as_deref()).map(Arc::new)
        })?;
        self.cell.guest_views.put((mailbox, guest), Arc::clone(&now));
        Ok(now.view.clone())
    }
}

impl GuestView {
    /// As of this transaction; `known`: as of an earlier one.
    fn read(tx: &mut Tx<'_>, mailbox: MailboxId, guest: AccountId, known: Option<&Self>) -> Result<Self, Error> {
        let (head, base) = (tx.head(), tx.index(mailbox)?.clone());
        let marked = tx.last_mark(mailbox, guest)?;
        let marks = match known {
            Some(known) if known.marked == marked => Arc::clone(&known.marks),
            Some(_) | None => Arc::new(tx.all_marks(mailbox, guest)?),
        };
        let index = match known {
            Some(known) => known.brought_to(&base, &marks),
            None => whole(&base, &marks),
        };
        let mut of = tx.mailbox(mailbox)?.clone();
        of.highest_modseq = of.highest_modseq.max(marked);
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
    let (mut known, mut walk) = (Marks::default(), index.walk());
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
        let mut marks = Marks::default();
        for (key, row) in self.rows(key::seen_blocks(mailbox, Some(guest)), usize::MAX)? {
            let read = key::number_at(&key, 10).and_then(|number| Ok((number, SeenBlock::decode(&row)?)));
            let (number, block) = read.map_err(Error::corrupt("what a guest has seen"))?;
            marks.insert(number, block);
        }
        Ok(marks)
    }
}
