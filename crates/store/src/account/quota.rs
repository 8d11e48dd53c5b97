//! How full an account is: what its mailboxes hold together may not go beyond its quota, in octets and in messages.
//!
//! Each place of a message counts, so a copy counts like another message: that is what the mailboxes already count, and
//! what STATUS SIZE tells (RFC 9208 §5.1 leaves it to the server). What is only restorable does not count.
//!
//! What would add to a full account is refused: delivery, APPEND, COPY. What adds nothing never is: MOVE, RENAME, flags.
//! An undo, and what the server itself asks the owner, is not refused either, though it may go beyond the quota: nothing
//! may be lost because a mailbox is full.

use super::Account;
use super::append::{Target, append};
use crate::error::Error;
use crate::identity::Origin;
use crate::ids::AccountId;
use crate::journal::Actor;
use crate::objects::Shared;
use crate::quota::{Amount, FILLING_PERCENT, Quota, Resource, Usage};
use crate::state::AccountState;
use crate::tx::Tx;
use crate::{Appended, NewMessage};
use message::Summary;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Its owner is told of that once, and again only after it held less than so many.
const EMPTIER_PERCENT: u64 = 75;

/// Accounts of which somebody should look whether they fill up. A hint: what counts is in the account.
#[derive(Default)]
pub(crate) struct Filling(Mutex<BTreeSet<AccountId>>);

impl Filling {
    pub(crate) fn take(&self) -> BTreeSet<AccountId> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<AccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccountState {
    pub(crate) fn usage(&self) -> Usage {
        let counts = self.mailboxes.values().map(|state| &state.mailbox.counts);
        let (bytes, messages) = counts.fold((0u64, 0u64), |(bytes, messages), counts| {
            (bytes.saturating_add(counts.bytes), messages.saturating_add(counts.messages.into()))
        });
        Usage { bytes, messages, quota: self.record.settings.quota }
    }

    /// Whether the owner is to be told that it fills up; `Some(false)`: it may be told again later.
    fn tells_of_filling(&self) -> Option<bool> {
        // Without a quota nothing is added up.
        let percent = match self.record.settings.quota {
            Quota { bytes: None, messages: None } => 0,
            Quota { .. } => self.usage().percent().unwrap_or(0),
        };
        match self.record.told_of_filling {
            false if percent >= FILLING_PERCENT => Some(true),
            true if percent < EMPTIER_PERCENT => Some(false),
            false | true => None,
        }
    }
}

impl Account {
    /// How full the account is.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn usage(&self) -> Result<Usage, Error> {
        Ok(self.cell.state()?.usage())
    }

    /// Changes how much the mailboxes may hold together. What is there stays, also where it is more.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn set_quota(&self, actor: Actor, quota: Quota) -> Result<(), Error> {
        self.change_settings(actor, move |settings| settings.quota = quota)
    }

    /// Whether the owner is to be told that the account fills up, and was not yet.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn must_tell_of_filling(&self) -> Result<bool, Error> {
        Ok(self.cell.state()?.tells_of_filling() == Some(true))
    }

    /// Puts `message`, which tells that the account fills up, into INBOX: once, and again only after it was emptier. Where
    /// that would go beyond the quota it is left for later. Without a message it only notes that the account is emptier.
    ///
    /// # Errors
    /// As [`Account::append`], but never [`Error::OverQuota`].
    pub fn tell_of_filling(&self, actor: Actor, message: Option<NewMessage>) -> Result<Option<Appended>, Error> {
        if self.cell.state()?.tells_of_filling().is_none() {
            return Ok(None);
        }
        let Some(NewMessage { body, flags, internal_date }) = message else {
            return self.transact(|tx| {
                tx.note_emptier();
                Ok(None)
            });
        };
        let summary = Summary::parse(&body);
        let body: Shared = Arc::new(body);
        let prepared = self.prepare(&body, &summary, Origin::Delivered)?;
        let told = self.transact(move |tx| {
            tx.note_emptier();
            if tx.state.tells_of_filling() != Some(true) {
                return Ok(None);
            }
            tx.change_record().told_of_filling = true;
            append(tx, actor, &Target::Inbox, &flags, internal_date, &prepared).map(|(appended, _)| Some(appended))
        });
        match told {
            Err(Error::OverQuota { .. }) => Ok(None),
            told => told,
        }
    }

    /// After each change.
    pub(super) fn note_filling(&self) {
        if self.cell.state().is_ok_and(|state| state.tells_of_filling().is_some()) {
            self.filling.lock().insert(self.id());
        }
    }
}

impl Tx<'_> {
    /// Refuses what would go beyond the quota. Operations of one account come one after the other: no two of them pass the
    /// limit together.
    pub(super) fn must_fit(&self, more: Amount) -> Result<(), Error> {
        if self.state.record.settings.quota == Quota::default() {
            return Ok(());
        }
        let Usage { bytes, messages, quota } = self.state.usage();
        let fits = |resource, more: u64, used: u64, quota: Option<u64>| match quota {
            Some(quota) if more > 0 && used.saturating_add(more) > quota => {
                Err(Error::OverQuota { resource, used, quota })
            }
            Some(_) | None => Ok(()),
        };
        fits(Resource::Storage, more.bytes, bytes, quota.bytes)?;
        fits(Resource::Message, more.messages, messages, quota.messages)
    }

    fn note_emptier(&mut self) {
        if self.state.tells_of_filling() == Some(false) {
            self.change_record().told_of_filling = false;
        }
    }
}
