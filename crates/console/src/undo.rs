//! Undo, as people ask for it.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::parse_moment;
use crate::words;
use serde::{Deserialize, Serialize};
use store::{DeviceId, ModSeq, OnProgress, UndoRequest, UndoWhat};
use wording::tr;

/// What is to be undone: `device` and `since`, or `entry`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UndoAsk {
    /// Whose doings: a device's name or number.
    pub device: Option<String>,
    /// From when on ([`parse_moment`]).
    pub since: Option<String>,
    /// An earlier undo, by the number of its entry in the journal.
    pub entry: Option<u64>,
    /// Only messages that were in this mailbox.
    pub mailbox: Option<String>,
    /// Only this message.
    pub message: Option<String>,
    /// A POP device lists everything again that it deleted.
    pub relist: bool,
    /// Only tell what would happen.
    pub dry_run: bool,
}

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoAnswer {
    /// Whether nothing was done yet.
    pub dry_run: bool,
    /// Messages that are put back.
    pub restored: usize,
    /// Messages that move back.
    pub moved: usize,
    /// Messages whose flags go back.
    pub reflagged: usize,
    /// Copies that go again.
    pub removed: usize,
    /// Messages that the device lists again.
    pub relisted: usize,
    /// Messages that cannot come back.
    pub gone: usize,
    /// Mailboxes that are made again.
    pub mailboxes: Vec<String>,
    /// The same in words.
    pub text: Vec<String>,
    /// The undo's own entry in the journal, to undo it by.
    pub entry: Option<u64>,
}

impl AccountConsole {
    /// Takes back what `ask` says, or tells what that would do. `watch` is told how far a long one is.
    ///
    /// # Errors
    /// [`Error::Refused`] with what to write instead; what [`store::Account::undo`] refuses.
    pub fn undo(&self, ask: &UndoAsk, watch: OnProgress<'_>) -> Result<UndoAnswer, Error> {
        let request = UndoRequest {
            what: self.what(ask)?,
            mailbox: ask.mailbox.as_deref().map(|name| self.mailbox(name)).transpose()?,
            email: ask.message.as_deref().map(message).transpose()?,
            relist: ask.relist,
            dry_run: ask.dry_run,
        };
        self.carry_out(request, watch)
    }

    /// Takes an [`crate::Offer`]: puts back what a device removed and is still kept, whenever that was; nothing else that it
    /// did is taken back, and it does not list that mail again.
    ///
    /// # Errors
    /// [`Error::Refused`], [`store::Error::NoSuchDevice`], what [`store::Account::undo`] refuses.
    pub fn put_back(&self, device: DeviceId, dry_run: bool) -> Result<UndoAnswer, Error> {
        let what = UndoWhat::Removals { device };
        self.carry_out(UndoRequest { what, mailbox: None, email: None, relist: false, dry_run }, &mut |_| {})
    }

    /// Declines an [`crate::Offer`]: it is not made again for this device. What it took stays restorable.
    ///
    /// # Errors
    /// [`store::Error::NoSuchDevice`], faults.
    pub fn decline_offer(&self, device: DeviceId) -> Result<(), Error> {
        Ok(self.account.decline_offer(self.actor, device)?)
    }

    pub(crate) fn carry_out(&self, request: UndoRequest, watch: OnProgress<'_>) -> Result<UndoAnswer, Error> {
        let report = self.account.undo_watched(self.actor, request, watch)?;
        Ok(UndoAnswer {
            dry_run: request.dry_run,
            text: words::undo(&report),
            restored: report.restored,
            moved: report.moved,
            reflagged: report.reflagged,
            removed: report.removed,
            relisted: report.relisted,
            gone: report.gone,
            mailboxes: report.mailboxes,
            entry: report.entry.map(|entry| entry.0),
        })
    }

    fn what(&self, ask: &UndoAsk) -> Result<UndoWhat, Error> {
        match (&ask.device, &ask.since, ask.entry) {
            (Some(device), Some(since), None) => {
                let since = parse_moment(since, self.actor.now)?;
                Ok(UndoWhat::Device { device: self.find_device(device)?, since })
            }
            (None, None, Some(entry)) => Ok(UndoWhat::Undo(ModSeq(entry))),
            (Some(_), None, None) => Err(Error::refused(tr!("since when? Say for example: 2 days ago"))),
            (_, _, _) => {
                Err(Error::refused(tr!("say whose doings are to be undone since when, or which undo by its number")))
            }
        }
    }

    fn mailbox(&self, name: &str) -> Result<store::MailboxId, Error> {
        let mailboxes = self.account.mailboxes()?;
        let unknown = || Error::refused(tr!("there is no mailbox “{name}”", name = name));
        mailboxes.by_name(name).map(|mailbox| mailbox.id).ok_or_else(unknown)
    }
}

fn message(id: &str) -> Result<store::EmailId, Error> {
    id.parse()
        .map_err(|_| Error::refused(tr!("“{id}” is no message; the timeline shows their names, such as M…", id = id)))
}
