//! An account: all that a session may read and change. One file per kind of change; each is one transaction.

mod act;
mod ahead;
pub(crate) mod annotations;
mod append;
mod appending;
mod clear;
mod close_maildrop;
pub(crate) mod copy_and_move;
mod devices;
mod expunge;
mod flags;
mod guests;
mod history;
mod holds;
mod import;
mod mailboxes;
mod maildrop;
mod message_ids;
mod on_behalf;
mod piece;
mod places;
mod programs;
pub(crate) mod quiet;
mod quota;
mod read;
mod receive;
pub(crate) mod recent;
mod refers;
mod replace;
mod retention;
pub(crate) mod seen;
mod sent;
mod sizes;
mod subscriptions;
mod training;
mod uidls;
mod undo;
pub(crate) mod url_keys;
mod whereabouts;

pub use ahead::Ahead;
pub(crate) use annotations::ANNOTATIONS_MAX;
pub use annotations::{ANNOTATION_BYTES_MAX, ANNOTATION_NAME_BYTES_MAX, Annotation, Annotations};
pub use append::{Appended, NewMessage, Target};
pub use appending::{APPENDING_PIECE_BYTES_MAX, Appending};
pub use clear::{ClearReport, ClearRequest};
pub use close_maildrop::{MaildropClosing, MaildropOutcome};
pub use copy_and_move::{Copying, Relisting};
pub use expunge::{Expunge, Expunging};
pub use flags::{FlagChange, FlagsChanged};
pub use guests::GuestPermits;
pub use history::{MessageChange, MessageEvent, TimelinePage, TimelineQuery};
pub use holds::HeldIn;
pub(crate) use import::ImportedRow;
pub use import::{Arriving, ContentDigest, Imported, Place as ImportedPlace};
pub use mailboxes::{Deleting, MAILBOXES_MAX};
pub(crate) use maildrop::Taken;
pub use maildrop::{Maildrop, MaildropMessage, MaildropOptions};
pub use on_behalf::Permit;
pub use piece::{OnProgress, PIECE_MESSAGES_MAX, Progress};
pub(crate) use quota::Filling;
pub use read::{Mailboxes, Reader, View};
pub use receive::{Place, Received};
pub use retention::Purged;
pub use sent::{SentCopy, Submission, Submitted};
pub use subscriptions::Former;

pub(crate) use training::Changed;
pub use training::{Lesson, TRAINING_PAGE_BYTES_MAX, Training};
pub use uidls::UidlOutcome;
pub use undo::{UndoReport, UndoRequest, UndoWhat};
pub use whereabouts::Whereabouts;

use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::maildrops::MaildropLocks;
use crate::objects::Objects;
use crate::store::StoreOptions;
use crate::transact::AccountCell;
use crate::tx::Tx;
use on_behalf::OnBehalf;
use std::sync::Arc;

/// A handle of an account. Cheap to clone; all calls block until what they did is durable.
#[derive(Clone)]
pub struct Account {
    pub(crate) cell: Arc<AccountCell>,
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) maildrops: Arc<MaildropLocks>,
    pub(crate) inline_bytes_max: usize,
    pub(crate) options: Arc<StoreOptions>,
    pub(crate) filling: Arc<Filling>,
    pub(crate) changed: Arc<Changed>,
    pub(crate) on_behalf: Option<Arc<OnBehalf>>,
}

impl Account {
    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.cell.id
    }

    /// The account's last change (RFC 7162 MODSEQ).
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn head(&self) -> Result<ModSeq, Error> {
        Ok(self.cell.state()?.head)
    }

    /// Notices what other processes have committed to the account, and wakes who watches it. Sessions call it about every
    /// half minute: a wake-up may have been lost.
    ///
    /// # Errors
    /// Faults.
    pub fn refresh(&self) -> Result<(), Error> {
        self.cell.refresh()
    }

    /// Notices what other nodes have committed to the account, where there are others: what somebody was told there is to be seen
    /// here. To be called before a mailbox is opened.
    ///
    /// # Errors
    /// Faults.
    pub fn catch_up(&self) -> Result<(), Error> {
        if self.cell.nodes.me().is_some() { self.refresh() } else { Ok(()) }
    }

    /// Whether nothing can be changed as long as this process lives: [`crate::Store::read_only`].
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.cell.engine.read_only().is_some()
    }

    /// A transaction on an account that exists, of its owner: no guest does what does not ask for rights.
    fn transact<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if self.guest().is_some() { Err(Error::NotPermitted) } else { self.transact_shared(operation) }
    }

    /// A transaction on an account that exists, which asks by itself what a guest may do ([`Tx::must_have`]).
    fn transact_shared<T: Send + 'static>(
        &self,
        operation: impl FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let lost = || Err(Error::fault("an operation was not queued"));
        self.transact_all(vec![operation]).pop().unwrap_or_else(lost)
    }

    /// As [`Self::transact_shared`], for several operations in their order, which share commits; each has a result of its own.
    fn transact_all<T: Send + 'static, F>(&self, operations: Vec<F>) -> Vec<Result<T, Error>>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.cell.recover();
        if self.on_behalf.as_deref().is_some_and(OnBehalf::is_unnoted) {
            return operations.iter().map(|_| Err(self.refuse_unnoted())).collect();
        }
        let outcomes = self.cell.transact_all(operations.into_iter().map(|mut operation| {
            let on_behalf = self.on_behalf.clone();
            move |tx: &mut Tx<'_>| {
                if tx.state.head == ModSeq(0) {
                    return Err(Error::NoSuchAccount);
                }
                let Some(on_behalf) = &on_behalf else { return operation(tx) };
                on_behalf.admits(&tx.state.devices)?;
                tx.guest = on_behalf.guest.as_ref().map(|guest| guest.account);
                let outcome = operation(tx);
                tx.guest = None;
                outcome
            }
        }));
        let is_done = outcomes.iter().any(Result::is_ok);
        self.note_filling();
        if is_done {
            self.changed.note(self.id());
        }
        if let Err(error) = self.keep_retention_within(self.options.retention_bytes_max)
            && is_done
        {
            // What was asked for is done; the next change, or the next purge, tries again.
            tracing::warn!(account = %self.id(), %error, "removed mail takes more space than it may");
        }
        if let Err(error) = self.keep_history_within(self.options.history_bytes_max)
            && is_done
        {
            tracing::warn!(account = %self.id(), %error, "the journal takes more space than it may");
        }
        outcomes
    }
}
