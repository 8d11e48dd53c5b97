//! Flags and keywords change: IMAP STORE.

use super::seen::change_flags_of_guest;
use super::{Account, View};
use crate::error::Error;
use crate::flag_block::{FlagBlock, block_of, flags_piece, is_crowded};
use crate::flags::{FlagBits, FlagMode, FlagSet, Flags};
use crate::ids::{MailboxId, ModSeq, Uid};
use crate::index::{Entry, Index};
use crate::journal::{Actor, Change, MESSAGES_PER_ENTRY_MAX, OfMessages, Reflagged};
use crate::key;
use crate::record::MessageRecord;
use crate::state::MailboxState;
use crate::tx::Tx;
use std::borrow::Cow;

/// So many messages in one entry of the journal cost a start about what an entry of a single one costs it.
const REPLAYED_ALIKE: usize = 32;

/// Messages as they are, each with the flags that it gets.
type Changes<'c> = &'c [(Entry, FlagBits)];

/// A change of flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// How.
    pub mode: FlagMode,
    /// Which.
    pub flags: Flags,
    /// RFC 7162 §3.1.3: leave out messages that changed after this.
    pub unchanged_since: Option<ModSeq>,
}

/// What came of a change of flags.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FlagsChanged {
    /// The messages that were left out because they changed after `unchanged_since`, ascending (`MODIFIED`).
    pub modified: Vec<Uid>,
}

impl Account {
    /// Changes the flags of messages, those of [`crate::flags_piece`] in a commit. UIDs that are gone are passed over; a message whose
    /// flags stay the same gets no new modseq. On an error some may have been changed.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (the mailbox of what is held), [`Error::Limit`] (a keyword too many),
    /// [`Error::NoSpace`], faults.
    pub fn change_flags(
        &self,
        actor: Actor,
        mailbox: MailboxId,
        mut uids: Vec<Uid>,
        change: FlagChange,
    ) -> Result<FlagsChanged, Error> {
        // Each message once, in UID order: as the journal has them.
        uids.sort_unstable();
        uids.dedup();
        let mut outcome = FlagsChanged::default();
        let mut done = 0;
        // Once also for none at all: the mailbox must be there.
        loop {
            let (piece, change) = (flags_piece(uids.get(done..).unwrap_or_default()).to_vec(), change.clone());
            done += piece.len();
            let part = self.transact_shared(move |tx| change_flags(tx, actor, mailbox, &piece, &change))?;
            outcome.modified.extend(part.modified);
            if done >= uids.len() {
                return Ok(outcome);
            }
        }
    }
}

impl Account {
    /// As [`Self::change_flags`], for several changes of one mailbox that come at once, of at most
    /// [`crate::PIECE_MESSAGES_MAX`] messages each: they share commits. Each has an outcome of its own, and the mailbox as it
    /// is after that change and before the next.
    ///
    /// # Errors
    /// As [`Self::change_flags`], each its own.
    pub fn change_flags_in_turn(
        &self,
        actor: Actor,
        mailbox: MailboxId,
        changes: Vec<(Vec<Uid>, FlagChange)>,
    ) -> Vec<Result<(FlagsChanged, View), Error>> {
        let in_turn = |(mut uids, change): (Vec<Uid>, FlagChange)| {
            uids.sort_unstable();
            uids.dedup();
            move |tx: &mut Tx<'_>| {
                let outcome = change_flags(tx, actor, mailbox, &uids, &change)?;
                Ok((outcome, View::of(tx.state.mailbox(mailbox)?)))
            }
        };
        self.transact_all(changes.into_iter().map(in_turn).collect())
    }
}

fn change_flags(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailbox: MailboxId,
    uids: &[Uid],
    change: &FlagChange,
) -> Result<FlagsChanged, Error> {
    tx.must_not_be_held(mailbox)?;
    if let Some(guest) = tx.guest {
        return change_flags_of_guest(tx, actor, (mailbox, guest), uids, change);
    }
    let index = tx.index(mailbox)?.clone();
    let flags = match change.mode {
        FlagMode::Add | FlagMode::Replace => tx.flag_set(mailbox, &change.flags)?,
        FlagMode::Remove => tx.mailbox(mailbox)?.keywords.known(&change.flags),
    };
    let mut outcome = FlagsChanged::default();
    let mut changed: Vec<(Entry, FlagBits)> = Vec::with_capacity(uids.len().min(MESSAGES_PER_ENTRY_MAX));
    let mut walk = index.walk();
    for (_, entry) in uids.iter().filter_map(|uid| walk.find(*uid)) {
        if change.unchanged_since.is_some_and(|since| entry.modseq > since) {
            outcome.modified.push(entry.uid);
            continue;
        }
        let after = change.mode.apply(entry.flags, &flags).ok_or_else(too_many_keywords)?;
        if after == entry.flags {
            continue;
        }
        changed.push((*entry, after));
        if changed.len() >= MESSAGES_PER_ENTRY_MAX {
            tx.reflag(actor, mailbox, &changed)?;
            changed.clear();
        }
    }
    if !changed.is_empty() {
        tx.reflag(actor, mailbox, &changed)?;
    }
    Ok(outcome)
}

pub(super) fn too_many_keywords() -> Error {
    Error::Limit("a message with a keyword that came late to its mailbox has few others".to_owned())
}

impl Tx<'_> {
    /// The flags that a client names, whose keywords the mailbox learns by need.
    pub(super) fn flag_set(&mut self, mailbox: MailboxId, flags: &Flags) -> Result<FlagSet, Error> {
        let known = &self.mailbox(mailbox)?.keywords;
        if flags.keywords.iter().all(|name| known.number(name).is_some()) {
            return Ok(known.known(flags));
        }
        let mut keywords = known.clone();
        let refuse =
            |name| Error::Limit(format!("the mailbox takes no keyword {name:?}: it has too many, or it is too long"));
        let set = keywords.learn(flags).map_err(refuse)?;
        self.change_mailbox(mailbox)?.mailbox.keywords = keywords;
        Ok(set)
    }

    /// The same as the flags of a message.
    pub(super) fn flag_bits(&mut self, mailbox: MailboxId, flags: &Flags) -> Result<FlagBits, Error> {
        self.flag_set(mailbox, flags)?.bits().ok_or_else(too_many_keywords)
    }

    /// The flags of a message that comes from another mailbox. A keyword for which there is no room is left out: whoever
    /// deletes or restores a message wants it to go where it goes.
    pub(super) fn flag_bits_with_room(&mut self, mailbox: MailboxId, flags: &Flags) -> Result<FlagBits, Error> {
        match self.flag_bits(mailbox, flags) {
            Err(Error::Limit(_)) => {}
            other => return other,
        }
        let mut fitting = Flags { system: flags.system, keywords: Vec::new() };
        for name in &flags.keywords {
            fitting.keywords.push(name.clone());
            if self.flag_bits(mailbox, &fitting).is_err() {
                fitting.keywords.pop();
            }
        }
        self.flag_bits(mailbox, &fitting)
    }

    /// Removes what the mailbox has of flags of many messages.
    pub(super) fn forget_flag_blocks(&mut self, mailbox: MailboxId) -> Result<(), Error> {
        let rows = self.rows(key::flag_blocks(mailbox), usize::MAX)?;
        rows.into_iter().for_each(|(key, _)| self.delete(key));
        Ok(())
    }

    /// Gives entries of a mailbox other flags, each with those that it gets; at most [`MESSAGES_PER_ENTRY_MAX`].
    pub(super) fn reflag(&mut self, actor: Actor, mailbox: MailboxId, batch: Changes<'_>) -> Result<(), Error> {
        let mut sorted = Cow::Borrowed(batch);
        if !batch.is_sorted_by_key(|(before, _)| before.uid) {
            sorted.to_mut().sort_by_key(|(before, _)| before.uid);
        }
        let modseq = self.next_modseq();
        let (crowded, single): (Vec<Changes<'_>>, Vec<Changes<'_>>) = sorted
            .chunk_by(|(a, _), (b, _)| block_of(a.uid) == block_of(b.uid))
            .partition(|block| is_crowded(block.len()));
        if !crowded.is_empty() {
            // A block is made of it.
            self.index(mailbox)?;
        }
        for (before, after) in single.iter().copied().flatten() {
            let entry = Entry { flags: *after, modseq, ..*before };
            self.put(key::message(mailbox, before.uid), MessageRecord::encode(&entry));
        }
        let MailboxState { mailbox: record, index } = self.change_mailbox(mailbox)?;
        let replayed = batch.len().div_ceil(REPLAYED_ALIKE);
        record.unpacked = record.unpacked.saturating_add(u32::try_from(replayed).unwrap_or(u32::MAX));
        record.highest_modseq = modseq;
        batch.iter().for_each(|(before, after)| record.counts.reflag(before.flags, *after));
        if let Some(index) = index {
            reflag_in_index(index, modseq, &sorted);
        }
        for block in crowded.iter().filter_map(|block| block.first()).map(|(before, _)| block_of(before.uid)) {
            let row = FlagBlock::of(self.index(mailbox)?, block).encode();
            self.put(key::flag_block(mailbox, block), row);
        }
        let reflagged = |(before, after): &(Entry, FlagBits)| Reflagged {
            uid: before.uid,
            email: before.email,
            before: before.flags,
            after: *after,
        };
        self.journal(
            actor,
            Change::Messages(OfMessages::Reflagged { mailbox, messages: batch.iter().map(reflagged).collect() }),
        );
        Ok(())
    }
}

fn reflag_in_index(index: &mut Index, modseq: ModSeq, changes: Changes<'_>) {
    let reflag = |place: &mut Entry, (_, after): &(Entry, FlagBits)| (place.flags, place.modseq) = (*after, modseq);
    index.change_each(changes, |(before, _)| before.uid, reflag);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::flags::SystemFlag;
    use crate::ids::{AccountId, DeviceId, Timestamp};
    use crate::journal::Protocol;
    use crate::sim::{SimEngine, SimObjects};
    use crate::{Expunge, NewMessage, Store, Target, state};
    use proptest::prelude::*;
    use std::sync::Arc;

    const ACCOUNT: AccountId = AccountId(16);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(0) };

    fn open(engine: &SimEngine, objects: &SimObjects) -> Store {
        Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()))
    }

    fn append(account: &Account, mailbox: MailboxId) {
        let (body, flags, internal_date) = (b"x".to_vec(), Flags::default(), Timestamp(0));
        account.append(ACTOR, Target::Mailbox(mailbox), NewMessage { body, flags, internal_date }).unwrap();
    }

    fn uids(account: &Account, mailbox: MailboxId) -> Vec<Uid> {
        account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid).collect()
    }

    #[derive(Clone, Debug)]
    enum Deed {
        Append(u8),
        /// From a position on, every so many messages.
        Flag {
            from: usize,
            count: usize,
            every: usize,
            flag: SystemFlag,
            mode: FlagMode,
        },
        Expunge {
            from: usize,
            count: usize,
        },
        Move {
            from: usize,
            count: usize,
        },
        Restart,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let flag = prop::sample::select(vec![SystemFlag::Seen, SystemFlag::Flagged, SystemFlag::Answered]);
        let mode = prop_oneof![Just(FlagMode::Add), Just(FlagMode::Remove), Just(FlagMode::Replace)];
        prop_oneof![
            1 => (1..30_u8).prop_map(Deed::Append),
            4 => (0..20_usize, 1..60_usize, 1..3_usize, flag, mode)
                .prop_map(|(from, count, every, flag, mode)| Deed::Flag { from, count, every, flag, mode }),
            1 => (0..20_usize, 1..4_usize).prop_map(|(from, count)| Deed::Expunge { from, count }),
            1 => (0..20_usize, 1..9_usize).prop_map(|(from, count)| Deed::Move { from, count }),
            1 => Just(Deed::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn records_and_blocks_together_say_what_the_index_says(deeds in prop::collection::vec(deed(), 1..40)) {
            let (engine, objects) = (SimEngine::new(), SimObjects::new());
            let mut store = open(&engine, &objects);
            let mut account = store.create_account(ACCOUNT, Timestamp(0)).unwrap();
            let [inbox, other] = ["INBOX", "Archive"].map(|name| account.mailboxes().unwrap().by_name(name).unwrap().id);
            (0..20).for_each(|_| append(&account, inbox));
            for deed in deeds {
                let all = uids(&account, inbox);
                let some = |from: usize, count: usize| all.iter().copied().skip(from).take(count).collect::<Vec<_>>();
                match deed {
                    Deed::Append(count) => (0..count).for_each(|_| append(&account, inbox)),
                    Deed::Flag { from, count, every, flag, mode } => {
                        let uids = some(from, count).into_iter().step_by(every).collect();
                        let change = FlagChange { mode, flags: Flags::system(&[flag]), unchanged_since: None };
                        account.change_flags(ACTOR, inbox, uids, change).unwrap();
                    }
                    Deed::Expunge { from, count } => {
                        let deleted = Flags::system(&[SystemFlag::Deleted]);
                        let change = FlagChange { mode: FlagMode::Add, flags: deleted, unchanged_since: None };
                        account.change_flags(ACTOR, inbox, some(from, count), change).unwrap();
                        account.expunge(ACTOR, inbox, Expunge::DeletedAmong(some(from, count))).unwrap();
                    }
                    Deed::Move { from, count } => {
                        account.move_messages(ACTOR, inbox, some(from, count), other).unwrap();
                        account.move_messages(ACTOR, other, uids(&account, other), inbox).unwrap();
                    }
                    Deed::Restart => {
                        store = open(&engine, &objects);
                        account = store.account(ACCOUNT);
                    }
                }
                let view = account.view(inbox).unwrap();
                let records = crate::pack::load_records(&*engine.snapshot(ACCOUNT).unwrap(), inbox).unwrap();
                prop_assert!(records.iter().eq(view.index().iter()));
                prop_assert_eq!(account.check(&store).unwrap(), []);
            }
        }
    }

    #[test]
    fn a_change_of_all_flags_wrote_a_row_for_each_message() {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let store = open(&engine, &objects);
        let account = store.create_account(ACCOUNT, Timestamp(0)).unwrap();
        let name = "Bulk";
        account.create_mailbox(ACTOR, name, None).unwrap();
        let bulk = account.mailboxes().unwrap().by_name(name).unwrap().id;
        (0..300).for_each(|_| append(&account, bulk));
        let seen = |mode| FlagChange { mode, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
        let change = seen(FlagMode::Add);
        let all = uids(&account, bulk);
        let writes = account
            .transact(move |tx| {
                change_flags(tx, ACTOR, bulk, &all, &change)?;
                Ok(tx.writes())
            })
            .unwrap();
        assert!(writes <= 4, "two blocks, the journal and the way to it: {writes}");
        // The mailbox takes them along.
        let blocks = || {
            let mut count = 0;
            let snapshot = engine.snapshot(ACCOUNT).unwrap();
            state::scan(&*snapshot, key::all_flag_blocks(), |_, _| {
                count += 1;
                Ok(())
            })
            .unwrap();
            count
        };
        assert_eq!(blocks(), 2);
        account.delete_mailbox(ACTOR, name).unwrap();
        assert_eq!((blocks(), account.check(&store).unwrap()), (0, Vec::new()));
    }

    #[test]
    fn changes_of_all_flags_packed_the_index_again_and_again() {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let account = open(&engine, &objects).create_account(ACCOUNT, Timestamp(0)).unwrap();
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        (0..300).for_each(|_| append(&account, inbox));
        let packed_to = || account.view(inbox).unwrap().mailbox().packed_to;
        let before = packed_to();
        for turn in 0..16 {
            let mode = if turn % 2 == 0 { FlagMode::Add } else { FlagMode::Remove };
            let change = FlagChange { mode, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
            account.change_flags(ACTOR, inbox, uids(&account, inbox), change).unwrap();
        }
        assert_eq!(packed_to(), before);
        // A start replays them.
        let store = open(&engine, &objects);
        let view = store.account(ACCOUNT).view(inbox).unwrap();
        assert!(view.index().iter().eq(account.view(inbox).unwrap().index().iter()));
        assert_eq!(store.account(ACCOUNT).check(&store).unwrap(), []);
    }
}
