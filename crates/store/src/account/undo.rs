//! Undo: what a device did, or what an earlier undo did, is taken back.
//!
//! First the journal is read ([`trail`]): where each message was before the device first touched it, and where the device
//! left it. From that follow the steps ([`plan`]), and they are done in one commit ([`apply`]). Nothing of what others did
//! since is taken back: flags go back only where nobody has changed them since, a message moves back only from where it
//! was left. What comes back has new UIDs (RFC 9051 §2.3.1.1), and is the same message otherwise: EMAILID, UIDL,
//! INTERNALDATE, flags as they were.
//!
//! An undo is itself in the journal, from `first` to its [`Change::Undone`], and can be undone.

mod apply;
mod plan;
mod trail;

use super::Account;
use crate::error::Error;
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp};
use crate::journal::{Actor, Change, JournalEntry};
use crate::key;
use crate::tx::Tx;

/// What is to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoWhat {
    /// What a device did at `since` or later.
    Device {
        /// Which device.
        device: DeviceId,
        /// From when on.
        since: Timestamp,
    },
    /// Only what a device removed from mailboxes, ever, as far as it is still kept.
    Removals {
        /// Which device.
        device: DeviceId,
    },
    /// An earlier undo or clearing, by the MODSEQ of its [`Change::Undone`] or [`Change::Cleared`].
    Undo(ModSeq),
}

/// What is to be undone, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoRequest {
    /// Whose doings.
    pub what: UndoWhat,
    /// Only what happened to messages of this mailbox (as it was before).
    pub mailbox: Option<MailboxId>,
    /// Only what happened to this message.
    pub email: Option<EmailId>,
    /// A POP3 device lists everything again that it deleted; otherwise only what it never downloaded, because the rest it
    /// has, and would get twice.
    pub relist: bool,
    /// Only says what would happen.
    pub dry_run: bool,
}

/// What an undo did, or would do; numbers of messages.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UndoReport {
    /// Put back into the mailboxes that they were removed from.
    pub restored: usize,
    /// Moved back.
    pub moved: usize,
    /// Flags as they were.
    pub reflagged: usize,
    /// Copies that the device had made of what it then removed, or that an earlier undo put back: removed again.
    pub removed: usize,
    /// Listed again in the device's maildrop.
    pub relisted: usize,
    /// They cannot come back: they have left retention.
    pub gone: usize,
    /// Mailboxes that are made again, by name.
    pub mailboxes: Vec<String>,
    /// The undo itself, to undo it by; `None` when nothing was done.
    pub entry: Option<ModSeq>,
}

impl Account {
    /// Takes back what `request` says, in one commit.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotAllowed`] (no undo of that MODSEQ), [`Error::Limit`] (more journal entries, or
    /// more messages, than an undo takes: choose a later time), [`Error::NoSpace`], faults; then nothing was changed.
    pub fn undo(&self, actor: Actor, request: UndoRequest) -> Result<UndoReport, Error> {
        self.transact(move |tx| undo(tx, actor, &request))
    }
}

fn undo(tx: &mut Tx<'_>, actor: Actor, request: &UndoRequest) -> Result<UndoReport, Error> {
    let (trail, device) = match request.what {
        UndoWhat::Device { device, since } => (trail::of_device(tx, device, since)?, Some(device)),
        UndoWhat::Removals { device } => (trail::of_device(tx, device, Timestamp(i64::MIN))?, Some(device)),
        UndoWhat::Undo(last) => {
            let first = undone_from(tx, last)?;
            (trail::of_undo(tx, first, last)?, None)
        }
    };
    let plan = plan::make(tx, &trail, request)?;
    if request.dry_run {
        return Ok(plan.report);
    }
    apply::apply(tx, actor, plan, device)
}

/// Where the undo began that ended with this entry.
fn undone_from(tx: &mut Tx<'_>, modseq: ModSeq) -> Result<ModSeq, Error> {
    let no_undo = Error::NotAllowed("there is no undo of that number, or it has left retention");
    let Some(bytes) = tx.get(&key::journal(modseq))? else { return Err(no_undo) };
    match JournalEntry::decode(modseq, &bytes).map_err(Error::corrupt("a journal entry"))?.change {
        Change::Undone { first, .. } | Change::Cleared { first } => Ok(first),
        _ => Err(no_undo),
    }
}
