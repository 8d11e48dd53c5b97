//! Who shares mailboxes with whom: the right is given in the owner's account, and that there may be one is noted in the other's,
//! where the other's programs look for it.
//!
//! Invariant: whoever has a right finds it: the note is made before, and taken away only when nothing is shared any more.

use crate::Directory;
use std::collections::BTreeSet;
use store::{Account, AccountId, Actor, Error, Former, MailboxId, Rights, RightsChange};

/// Before the names of what others share (RFC 2342: the namespace of other users).
pub const SHARED: &str = "Shared/";

/// Somebody to whom an owner's mailboxes have another name from now on.
pub(crate) struct Renamed {
    guest: AccountId,
    before: String,
    now: String,
}

impl Directory {
    /// Changes what another account may do in a mailbox of `owner`; gives what it may do then. Entries of accounts that are gone
    /// leave the mailbox's list. Durable when it returns.
    ///
    /// # Errors
    /// As [`Account::share`]; [`Error::NoSuchAccount`]: of the other account.
    pub fn share(
        &self,
        owner: &Account,
        actor: Actor,
        mailbox: MailboxId,
        with: AccountId,
        change: RightsChange,
    ) -> Result<Rights, Error> {
        let name = self.record(with)?.ok_or(Error::NoSuchAccount)?.address.clone();
        if with == owner.id() {
            // It says why not.
            return owner.share(actor, mailbox, (with, &name), change);
        }
        let guest = self.0.store.account(with);
        self.forget_the_gone(owner, actor, mailbox)?;
        if change.gives() {
            guest.note_owner(owner.id(), true)?;
        }
        let outcome = owner.share(actor, mailbox, (with, &name), change);
        let shares = owner.shares_with(with)?;
        guest.note_owner(owner.id(), shares)?;
        // Something may have been shared between the look and the note.
        if !shares && owner.shares_with(with)? {
            guest.note_owner(owner.id(), true)?;
        }
        outcome
    }

    fn forget_the_gone(&self, owner: &Account, actor: Actor, mailbox: MailboxId) -> Result<(), Error> {
        let mailboxes = owner.mailboxes()?;
        let acl = mailboxes.by_id(mailbox).ok_or(Error::NoSuchMailbox)?.acl.clone();
        for (account, _) in acl.iter() {
            if self.record(account)?.is_none() {
                let nothing = RightsChange::Replace(Rights::default());
                owner.share(actor, mailbox, (account, "an account that is gone"), nothing)?;
            }
        }
        Ok(())
    }

    /// How an owner is named where others see what they share: by the local part to those of the same domain, else by the whole
    /// address. `None`: the account is not there, or nobody may log in to it.
    ///
    /// # Errors
    /// Faults.
    pub fn name_of_owner(&self, owner: AccountId, to: AccountId) -> Result<Option<String>, Error> {
        let Some(record) = self.record(owner)?.filter(|record| !record.disabled) else { return Ok(None) };
        let Some(other) = self.record(to)? else { return Ok(None) };
        Ok(Some(name_of(&record.address, &other.address)))
    }

    /// Whose names are others, and for whom, once an account has the address `now`: its own to its guests, and those of owners to it,
    /// if it goes to another domain.
    pub(crate) fn renamed_by(&self, id: AccountId, now: &str) -> Result<Vec<Renamed>, Error> {
        let Some(record) = self.record(id)? else { return Ok(Vec::new()) };
        let before = &record.address;
        let account = self.0.store.account(id);
        let mut guests = BTreeSet::new();
        if let Some(mailboxes) = if_sound(account.mailboxes())? {
            for mailbox in mailboxes.iter() {
                guests.extend(mailbox.acl.iter().map(|(guest, _)| guest));
            }
        }
        let mut all = Vec::new();
        for guest in guests {
            let Some(other) = self.record(guest)? else { continue };
            let (before, now) = (name_of(before, &other.address), name_of(now, &other.address));
            all.push(Renamed { guest, before, now });
        }
        for owner in if_sound(account.owners())?.iter().flat_map(|owners| owners.iter()) {
            let Some(owner) = self.record(*owner)? else { continue };
            let (before, now) = (name_of(&owner.address, before), name_of(&owner.address, now));
            all.push(Renamed { guest: id, before, now });
        }
        all.retain(|renamed| renamed.before != renamed.now);
        Ok(all)
    }

    /// What guests have subscribed follows the names of owners. One whose account cannot be changed now subscribes anew: that is no
    /// reason to keep somebody's address.
    pub(crate) fn follow(&self, renamed: &[Renamed], actor: Actor, former: Former) {
        for Renamed { guest, before, now } in renamed {
            let (before, now) = (format!("{SHARED}{before}"), format!("{SHARED}{now}"));
            let _unchanged = self.0.store.account(*guest).rename_subscriptions(actor, (&before, &now), former);
        }
    }
}

/// What can be read of an account. That something cannot, which is logged where it is found, is no reason to keep its address: whoever
/// it shares with subscribes anew.
fn if_sound<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Damaged(_)) => Ok(None),
        read => read.map(Some),
    }
}

fn name_of(owner: &str, other: &str) -> String {
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let local = owner.rsplit_once('@').map(|(local, _)| local);
    let name = local.filter(|_| domain(owner) == domain(other)).unwrap_or(owner);
    // It is one level of a mailbox's name, and LIST could not tell the others from a pattern.
    name.replace(['/', '*', '%'], "_")
}
