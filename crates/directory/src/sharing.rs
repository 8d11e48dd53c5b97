//! Who shares mailboxes with whom: the right is given in the owner's account, and that there may be one is noted in the other's,
//! where the other's programs look for it.
//!
//! Invariant: whoever has a right finds it: the note is made before, and taken away only when nothing is shared any more.

use crate::Directory;
use store::{Account, AccountId, Actor, Error, MailboxId, Rights, RightsChange};

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
        let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let local = record.address.rsplit_once('@').map(|(local, _)| local);
        let name = match local.filter(|_| domain(&record.address) == domain(&other.address)) {
            Some(local) => local,
            None => &record.address,
        };
        // It is one level of a mailbox's name, and LIST could not tell the others from a pattern.
        Ok(Some(name.replace(['/', '*', '%'], "_")))
    }
}
