//! Undo: what a device did, or what an earlier undo did, is taken back.
//!
//! First the journal is read ([`trail`]): where each message was before the device first touched it, and where the device
//! left it. From that follow the steps ([`plan`]), and they are done piece by piece ([`apply`]). Nothing of what others did
//! since is taken back: flags go back only where nobody has changed them since, a message moves back only from where it
//! was left. What comes back has new UIDs (RFC 9051 §2.3.1.1), and is the same message otherwise: EMAILID, UIDL,
//! INTERNALDATE, flags as they were.
//!
//! An undo is itself in the journal, from `first` to its `OfAccount::Undone`, and can be undone, also what one has done that
//! broke off ([`super::act`]).

mod apply;
mod plan;
#[cfg(test)]
mod tests;
mod trail;

use super::Account;
use super::act::{Act, What};
use super::piece::{OnProgress, Progress, next_piece};
use crate::error::Error;
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp};
use crate::journal::{Actor, Change, JournalEntry, OfAccount, Stretches};
use crate::key;
use crate::tx::Tx;
use apply::Made;
use plan::Step;
use trail::Trail;
use wording::tr;

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
    /// An earlier undo or clearing, by the MODSEQ of its `OfAccount::Undone` or `OfAccount::Cleared`.
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
    /// Copies that the device had made of what it then removed, what an import had brought, or what an earlier undo had put
    /// back: removed again.
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
    /// Takes back what `request` says, [`crate::PIECE_MESSAGES_MAX`] messages in a commit.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotAllowed`] (no undo of that MODSEQ), [`Error::Limit`] (more journal entries, or
    /// more messages, than an undo takes: choose a later time), [`Error::NoSpace`], faults; then some of it may have been
    /// done, which can be undone like a whole undo, and to do it again does the rest.
    pub fn undo(&self, actor: Actor, request: UndoRequest) -> Result<UndoReport, Error> {
        self.undo_watched(actor, request, &mut |_| {})
    }

    /// The same for somebody who waits.
    ///
    /// # Errors
    /// As [`Self::undo`].
    pub fn undo_watched(&self, actor: Actor, request: UndoRequest, watch: OnProgress<'_>) -> Result<UndoReport, Error> {
        let mut undoing = self.transact(move |tx| Undoing::begin(tx, actor, &request))?;
        while undoing.act.is_some() {
            watch(Progress { done: undoing.done, total: undoing.steps.len() });
            undoing.piece(self, actor)?;
        }
        Ok(undoing.report)
    }
}

/// An undo under way.
struct Undoing {
    steps: Vec<Step>,
    done: usize,
    device: Option<DeviceId>,
    made: Made,
    report: UndoReport,
    /// `None`: there is nothing more to do.
    act: Option<Act>,
}

impl Undoing {
    /// Finds out what is to be done, and does the first piece.
    fn begin(tx: &mut Tx<'_>, actor: Actor, request: &UndoRequest) -> Result<Self, Error> {
        let (trail, device) = read_trail(tx, request)?;
        let mut plan = plan::make(tx, &trail, request)?;
        let (report, mailboxes) = (plan.report.clone(), std::mem::take(&mut plan.mailboxes));
        let steps = if request.dry_run { Vec::new() } else { plan.steps() };
        let mut undoing = Self { steps, done: 0, device, made: Made::new(), report, act: None };
        if request.dry_run {
            return Ok(undoing);
        }
        let mut act = Act::begin(tx, actor, What::Undo(device));
        undoing.made = apply::make_mailboxes(tx, actor, mailboxes)?;
        let piece = undoing.next_piece();
        apply::apply(tx, actor, (&piece, false), &undoing.made, &mut undoing.report)?;
        if undoing.done >= undoing.steps.len() {
            undoing.report.entry = end(tx, actor, act, device)?;
        } else {
            act.pause(tx);
            undoing.act = Some(act);
        }
        Ok(undoing)
    }

    /// Does the next piece, if there is one.
    fn piece(&mut self, account: &Account, actor: Actor) -> Result<(), Error> {
        let Some(act) = self.act.take() else { return Ok(()) };
        let (before, device, made) = (act.clone(), self.device, self.made.clone());
        let (piece, report) = (self.next_piece(), self.report.clone());
        let is_last = self.done >= self.steps.len();
        let part = account.transact(move |tx| {
            let (mut act, mut report) = (act.clone(), report.clone());
            let others_did = act.go_on(tx)?;
            apply::apply(tx, actor, (&piece, others_did), &made, &mut report)?;
            if is_last {
                report.entry = end(tx, actor, act, device)?;
                return Ok((None, report));
            }
            act.pause(tx);
            Ok((Some(act), report))
        });
        (self.act, self.report) = part.inspect_err(|_| before.break_off(&account.cell))?;
        Ok(())
    }

    fn next_piece(&mut self) -> Vec<Step> {
        let piece = next_piece(&self.steps, self.done).to_vec();
        self.done += piece.len();
        piece
    }
}

fn end(tx: &mut Tx<'_>, actor: Actor, act: Act, device: Option<DeviceId>) -> Result<Option<ModSeq>, Error> {
    if let Some(device) = device {
        tx.close_hold_that_is_undone(actor, device)?;
    }
    Ok(act.end(tx))
}

fn read_trail(tx: &mut Tx<'_>, request: &UndoRequest) -> Result<(Trail, Option<DeviceId>), Error> {
    Ok(match request.what {
        UndoWhat::Device { device, since } => (trail::of_device(tx, device, since)?, Some(device)),
        UndoWhat::Removals { device } => (trail::of_device(tx, device, Timestamp(i64::MIN))?, Some(device)),
        UndoWhat::Undo(last) => {
            let (first, others) = undone_from(tx, last)?;
            (trail::of_undo(tx, first, last, &others)?, None)
        }
    })
}

/// Where the undo began that ended with this entry, and what others did meanwhile.
fn undone_from(tx: &mut Tx<'_>, modseq: ModSeq) -> Result<(ModSeq, Stretches), Error> {
    let no_undo = Error::NotAllowed(tr!("there is no undo of that number, or it has left retention"));
    let Some(bytes) = tx.get(&key::journal(modseq))? else { return Err(no_undo) };
    match JournalEntry::decode(modseq, &bytes).map_err(Error::corrupt("a journal entry"))?.change {
        Change::Account(OfAccount::Undone { first, others, .. })
        | Change::Account(OfAccount::Cleared { first, others }) => Ok((first, others)),
        _ => Err(no_undo),
    }
}
