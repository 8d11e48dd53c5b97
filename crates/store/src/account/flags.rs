//! Flags and keywords change: IMAP STORE.

use super::piece::next_piece;
use super::{Account, View};
use crate::error::Error;
use crate::flags::{FlagBits, FlagMode, Flags};
use crate::ids::{MailboxId, ModSeq, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Change, MESSAGES_PER_ENTRY_MAX, OfMessages, Reflagged};
use crate::key;
use crate::record::MessageRecord;
use crate::tx::Tx;

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
    /// Changes the flags of messages, [`crate::PIECE_MESSAGES_MAX`] in a commit. UIDs that are gone are passed over; a message whose
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
            let (piece, change) = (next_piece(&uids, done).to_vec(), change.clone());
            done += piece.len();
            let part = self.transact(move |tx| change_flags(tx, actor, mailbox, &piece, &change))?;
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
    let index = tx.index(mailbox)?.clone();
    let bits = match change.mode {
        FlagMode::Add | FlagMode::Replace => tx.flag_bits(mailbox, &change.flags)?,
        FlagMode::Remove => tx.mailbox(mailbox)?.keywords.known_bits(&change.flags),
    };
    let mut outcome = FlagsChanged::default();
    let mut changed: Vec<(Entry, FlagBits)> = Vec::new();
    for entry in uids.iter().filter_map(|uid| index.find(*uid)) {
        if change.unchanged_since.is_some_and(|since| entry.modseq > since) {
            outcome.modified.push(entry.uid);
            continue;
        }
        let after = change.mode.apply(entry.flags, bits);
        if after != entry.flags {
            changed.push((*entry, after));
        }
    }
    for batch in changed.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.reflag(actor, mailbox, batch)?;
    }
    Ok(outcome)
}

impl Tx<'_> {
    /// Gives entries of a mailbox other flags, each with those that it gets; at most [`MESSAGES_PER_ENTRY_MAX`].
    pub(super) fn reflag(
        &mut self,
        actor: Actor,
        mailbox: MailboxId,
        batch: &[(Entry, FlagBits)],
    ) -> Result<(), Error> {
        let modseq = self.next_modseq();
        for (before, after) in batch {
            let entry = Entry { flags: *after, modseq, ..*before };
            self.put(key::message(mailbox, entry.uid), MessageRecord::encode(&entry));
            let state = self.change_mailbox(mailbox)?;
            state.mailbox.counts.reflag(before.flags, *after);
            state.mailbox.unpacked = state.mailbox.unpacked.saturating_add(1);
            state.mailbox.highest_modseq = modseq;
            if let Some(index) = &mut state.index {
                index.replace(entry);
            }
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
