//! Messages leave a mailbox for good: IMAP EXPUNGE, and what a POP3 device's policy says. They stay restorable.

use super::piece::next_piece;
use super::{Account, PIECE_MESSAGES_MAX};
use crate::brake::Verdict;
use crate::error::Error;
use crate::flags::SystemFlag;
use crate::ids::{MailboxId, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX, OfMessages};
use crate::key;
use crate::rights::Rights;
use crate::store::StoreOptions;
use crate::tx::Tx;
use std::sync::Arc;

/// Which messages are expunged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expunge {
    /// All with `\Deleted` (EXPUNGE, CLOSE).
    AllDeleted,
    /// Those of these that have `\Deleted` (UID EXPUNGE, RFC 4315 §2.1).
    DeletedAmong(Vec<Uid>),
}

impl Account {
    /// Expunges messages and gives their UIDs, ascending. What is held ([`crate::hold`]) has left the mailbox just the same.
    /// On an error some may have left it.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (the mailbox of what is held), [`Error::NoSpace`], faults.
    pub fn expunge(&self, actor: Actor, mailbox: MailboxId, which: Expunge) -> Result<Vec<Uid>, Error> {
        let mut expunging = self.begin_expunge(actor, mailbox, which)?;
        while expunging.piece(self)? {}
        Ok(expunging.gone)
    }

    /// Takes messages out of a mailbox that came into another account, whether they have `\Deleted` or not: the end of a MOVE. On
    /// an error some may have left it.
    ///
    /// # Errors
    /// As [`Account::expunge`].
    pub fn begin_removal(&self, actor: Actor, mailbox: MailboxId, uids: &[Uid]) -> Result<Expunging, Error> {
        let view = self.view(mailbox)?;
        let mut entries: Vec<Entry> = uids.iter().filter_map(|uid| view.index().find(*uid)).copied().collect();
        entries.sort_unstable_by_key(|entry| entry.uid);
        Ok(Expunging::new(actor, mailbox, Left::Moved, &entries))
    }

    /// Begins to expunge messages. What fits into one commit is expunged at once; of more nothing yet.
    ///
    /// # Errors
    /// As [`Account::expunge`].
    pub fn begin_expunge(&self, actor: Actor, mailbox: MailboxId, which: Expunge) -> Result<Expunging, Error> {
        let options = Arc::clone(&self.options);
        self.transact_shared(move |tx| {
            tx.must_have(mailbox, Rights::EXPUNGE)?;
            let index = tx.index(mailbox)?.clone();
            let deleted = |entry: &&Entry| entry.flags.has(SystemFlag::Deleted);
            let mut entries: Vec<Entry> = match &which {
                Expunge::AllDeleted if tx.mailbox(mailbox)?.counts.deleted == 0 => Vec::new(),
                Expunge::AllDeleted => index.iter().filter(deleted).copied().collect(),
                Expunge::DeletedAmong(uids) => {
                    uids.iter().filter_map(|uid| index.find(*uid)).filter(deleted).copied().collect()
                }
            };
            entries.sort_unstable_by_key(|entry| entry.uid);
            entries.dedup_by_key(|entry| entry.uid);
            if entries.len() > PIECE_MESSAGES_MAX {
                return Ok(Expunging::new(actor, mailbox, Left::Deleted, &entries));
            }
            if !entries.is_empty() {
                tx.remove(actor, mailbox, &entries, &options)?;
            }
            let done = Expunging::new(actor, mailbox, Left::Deleted, &[]);
            Ok(Expunging { gone: entries.iter().map(|entry| entry.uid).collect(), ..done })
        })
    }
}

/// Messages on their way out of a mailbox, [`PIECE_MESSAGES_MAX`] in a commit. Dropped half-way, those that have left stay
/// out and the others stay in.
///
/// Invariant: the brake ([`crate::brake`]) judges and counts all of them together, before the first one leaves.
pub struct Expunging {
    actor: Actor,
    mailbox: MailboxId,
    left: Left,
    uids: Arc<Vec<Uid>>,
    done: usize,
    verdict: Option<Verdict>,
    gone: Vec<Uid>,
}

/// Which of the messages leave, when their turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Those that still have `\Deleted`.
    Deleted,
    /// All that are still there: the mailbox goes.
    All,
    /// All that are still there: they are in another account now.
    Moved,
}

impl Left {
    /// RFC 4314 §4
    fn needed(self) -> Rights {
        match self {
            Self::Deleted => Rights::EXPUNGE,
            Self::All => Rights::DELETE_MAILBOX,
            Self::Moved => Rights::EXPUNGE.and(Rights::DELETE_MESSAGES),
        }
    }
}

impl Expunging {
    /// `entries`: in UID order.
    pub(super) fn new(actor: Actor, mailbox: MailboxId, left: Left, entries: &[Entry]) -> Self {
        let uids = Arc::new(entries.iter().map(|entry| entry.uid).collect());
        Self { actor, mailbox, left, uids, done: 0, verdict: None, gone: Vec::new() }
    }

    /// Whether all is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done >= self.uids.len()
    }

    /// The UIDs that have left so far, ascending.
    #[must_use]
    pub fn gone(&self) -> &[Uid] {
        &self.gone
    }

    /// Does one piece; whether there is more to do.
    ///
    /// # Errors
    /// As [`Account::expunge`]; what was done before stays done.
    pub fn piece(&mut self, account: &Account) -> Result<bool, Error> {
        if self.is_done() {
            return Ok(false);
        }
        let uids = next_piece(&self.uids, self.done).to_vec();
        let next = self.done + uids.len();
        let part = Part {
            actor: self.actor,
            mailbox: self.mailbox,
            left: self.left,
            uids,
            all: Arc::clone(&self.uids),
            verdict: self.verdict,
        };
        let options = Arc::clone(&account.options);
        let (verdict, mut gone) = account.transact_shared(move |tx| part.run(tx, &options))?;
        self.verdict = verdict;
        self.gone.append(&mut gone);
        self.done = next;
        Ok(!self.is_done())
    }
}

/// What of an [`Expunging`] goes into one commit.
struct Part {
    actor: Actor,
    mailbox: MailboxId,
    left: Left,
    uids: Vec<Uid>,
    /// Those of the whole.
    all: Arc<Vec<Uid>>,
    /// The brake's, once it has judged.
    verdict: Option<Verdict>,
}

impl Part {
    fn run(&self, tx: &mut Tx<'_>, options: &StoreOptions) -> Result<(Option<Verdict>, Vec<Uid>), Error> {
        let Self { actor, mailbox, .. } = *self;
        tx.must_have(mailbox, self.left.needed())?;
        let entries = self.entries(tx, &self.uids)?;
        if entries.is_empty() {
            return Ok((self.verdict, Vec::new()));
        }
        tx.must_not_be_held(mailbox)?;
        let verdict = match self.verdict {
            Some(verdict) => verdict,
            None => {
                let all = self.entries(tx, &self.all)?;
                tx.judge_removal(actor, mailbox, &all, options)?
            }
        };
        match verdict {
            Verdict::Pass | Verdict::Tell => tx.expunge(actor, mailbox, &entries)?,
            Verdict::Hold => tx.hold_entries(actor, mailbox, (&entries, self.all.len() as u64), options)?,
        }
        Ok((Some(verdict), entries.iter().map(|entry| entry.uid).collect()))
    }

    /// Those of `uids` that are still to leave.
    fn entries(&self, tx: &mut Tx<'_>, uids: &[Uid]) -> Result<Vec<Entry>, Error> {
        let index = tx.index(self.mailbox)?;
        let leaves = |entry: &&Entry| self.left != Left::Deleted || entry.flags.has(SystemFlag::Deleted);
        Ok(uids.iter().filter_map(|uid| index.find(*uid)).filter(leaves).copied().collect())
    }
}

impl Tx<'_> {
    /// Expunges entries of a mailbox, in UID order.
    pub(super) fn expunge(&mut self, actor: Actor, mailbox: MailboxId, entries: &[Entry]) -> Result<(), Error> {
        for batch in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
            self.unlist(mailbox, batch)?;
            for entry in batch {
                self.leave(entry.email, (mailbox, entry.uid), actor)?;
            }
            let messages = batch.iter().map(Listed::of).collect();
            let modseq = self.journal(actor, Change::Messages(OfMessages::Expunged { mailbox, messages }));
            self.change_mailbox(mailbox)?.mailbox.highest_modseq = modseq;
        }
        Ok(())
    }

    /// Takes messages out of a mailbox: records, counts, index.
    pub(super) fn unlist(&mut self, mailbox: MailboxId, entries: &[Entry]) -> Result<(), Error> {
        self.index(mailbox)?;
        for entry in entries {
            self.delete(key::message(mailbox, entry.uid));
        }
        let state = self.change_mailbox(mailbox)?;
        entries.iter().for_each(|entry| state.mailbox.counts.remove(entry));
        state.mailbox.unpacked =
            state.mailbox.unpacked.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        if let Some(index) = &mut state.index {
            index.remove(&entries.iter().map(|entry| entry.uid).collect::<Vec<_>>());
        }
        Ok(())
    }
}
