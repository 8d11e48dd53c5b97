//! Guests: other accounts of this server in mailboxes that their owner shares (RFC 4314).
//!
//! A guest works with a handle of the *owner's* account, as a device of it: journal, timeline, undo and brake know what to do
//! with that. Nothing is done through such a handle but by the calls that ask for rights themselves, in the very transaction
//! ([`Account::transact_shared`], [`Tx::must_have`]). `docs/decisions/0105-shared-mailboxes.md` says more.
//!
//! Which owners may have shared something with an account is noted in its own account, so that nobody looks for more. The note
//! is made before the right is given and taken after it was taken away: what a crash leaves is a note too many.

use super::Account;
use super::on_behalf::{Guest, OnBehalf};
use crate::Permit;
use crate::device::{Credential, Device, LastLogin};
use crate::device_name::OTHER_DEVICES;
use crate::error::Error;
use crate::ids::{AccountId, DeviceId, MailboxId};
use crate::journal::{Actor, Change, OfMailbox};
use crate::key;
use crate::record::versioned;
use crate::rights::{Acl, Given, Rights, RightsChange};
use crate::state::AccountState;
use crate::tx::Tx;
use std::collections::BTreeSet;
use std::sync::Arc;
use wording::tr;

/// An account shares mailboxes with at most so many others.
const GUESTS_MAX: usize = 50;
/// At most so many accounts share mailboxes with one.
const OWNERS_MAX: usize = 100;
/// Of a guest at most so many devices are told apart: together they leave the owner room for their own.
const GUEST_DEVICES_MAX: usize = 8;
/// Of so many accounts that have no rights in a mailbox any more it is known what they have seen there.
const FORMER_GUESTS_MAX: usize = 50;
/// A device's name is cut to this length.
const NAME_BYTES_MAX: usize = 100;

/// What a guest's login rests on, beside its device in the owner's account.
pub struct GuestPermits {
    /// The guest's own login.
    pub login: Arc<dyn Permit>,
    /// Whether the owner's account is one that others may look into.
    pub owner: Arc<dyn Permit>,
}

impl Account {
    /// A handle of this account for somebody else, who is its device `device` ([`Account::guest_device`]).
    #[must_use]
    pub fn for_guest(&self, guest: AccountId, device: DeviceId, permits: GuestPermits) -> Self {
        let guest = Guest { account: guest, owner: permits.owner };
        Self {
            on_behalf: Some(Arc::new(OnBehalf { device, permit: permits.login, guest: Some(guest) })),
            ..self.clone()
        }
    }

    /// Whose guest this handle is for; `None`: for somebody whose account it is.
    #[must_use]
    pub fn guest(&self) -> Option<AccountId> {
        self.on_behalf.as_ref().and_then(|on_behalf| on_behalf.guest.as_ref()).map(|guest| guest.account)
    }

    /// The device that this handle is for; 0: nobody's.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.on_behalf.as_ref().map_or(DeviceId(0), |on_behalf| on_behalf.device)
    }

    /// What may be done in a mailbox through this handle.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], faults.
    pub fn rights(&self, mailbox: MailboxId) -> Result<Rights, Error> {
        let state = self.cell.state()?;
        self.may_look(&state)?;
        state.mailbox(mailbox).map(|state| state.mailbox.acl.of_guest(self.guest()))
    }

    /// Refuses a guest who is shut out, or whose login has ended.
    pub(super) fn may_look(&self, state: &AccountState) -> Result<(), Error> {
        match &self.on_behalf {
            Some(on_behalf) if on_behalf.guest.is_some() => on_behalf.admits(&state.devices),
            Some(_) | None => Ok(()),
        }
    }

    /// The device that a guest is here; made when it is first seen, and when it was seen last is noted as of any other. `of`: the guest's account, and its device there.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`] (the owner has revoked it), [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn guest_device(
        &self,
        actor: Actor,
        (account, device): (AccountId, DeviceId),
        name: &str,
    ) -> Result<DeviceId, Error> {
        let find = move |state: &AccountState, device: DeviceId| {
            let wanted = Credential::Guest { account, device };
            let found = state.devices.values().find(|device| device.credential == wanted)?;
            Some(if found.revoked_at.is_none() { Ok(found.id) } else { Err(Error::NoSuchMailbox) })
        };
        let login = LastLogin {
            at: actor.now,
            protocol: actor.protocol,
            // From where they come is nothing that is shared.
            address: String::new(),
            tls: None,
            program: None,
        };
        if let Some(found) = find(&*self.cell.state()?, device) {
            let found = found?;
            return match self.note_login(found, login) {
                Err(error) if !error.is_of_the_disk() => Err(error),
                Ok(()) | Err(_) => Ok(found),
            };
        }
        let (whole, mut others) = (format!("{name}{OTHER_DEVICES}"), name.to_owned());
        cut(&mut others);
        self.transact(move |tx| {
            let of_guest =
                |credential: &Credential| matches!(credential, Credential::Guest { account: of, .. } if *of == account);
            let many =
                tx.state.devices.values().filter(|device| of_guest(&device.credential)).count() >= GUEST_DEVICES_MAX;
            let device = if many { DeviceId(0) } else { device };
            match find(&tx.state, device) {
                Some(found) => found,
                None => {
                    let mut name = if many { whole.clone() } else { others.clone() };
                    cut(&mut name);
                    let id = super::devices::add(tx, actor, name, Credential::Guest { account, device }, None)?;
                    tx.note_login(id, login.clone()).map(|()| id)
                }
            }
        })
    }

    /// Changes what another account may do in a mailbox; gives what it may do then. `name`: that account's, for people.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotPermitted`], [`Error::NotAllowed`] (the owner's own rights, or what is held),
    /// [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn share(
        &self,
        actor: Actor,
        mailbox: MailboxId,
        (with, name): (AccountId, &str),
        change: RightsChange,
    ) -> Result<Rights, Error> {
        if with == self.id() {
            return Err(Error::NotAllowed(tr!("the owner of a mailbox has all rights, always")));
        }
        let name = name.to_owned();
        self.transact_shared(move |tx| {
            tx.must_have(mailbox, Rights::ADMINISTER)?;
            tx.must_not_be_held(mailbox)?;
            let before = tx.mailbox(mailbox)?.acl.of(with);
            let mut acl = tx.mailbox(mailbox)?.acl.clone();
            let rights = acl.change(with, change);
            if rights == before {
                return Ok(rights);
            }
            let mut guests = guests(&tx.state);
            if guests.insert(with) && guests.len() > GUESTS_MAX {
                return Err(Error::Limit(tr!(
                    "an account shares mailboxes with at most {most} others",
                    most = GUESTS_MAX
                )));
            }
            tx.change_mailbox(mailbox)?.mailbox.acl = acl;
            if rights.has(Rights::READ) && !before.has(Rights::READ) {
                tx.comes_into_sight(mailbox, Some(with))?;
            }
            tx.forget_former_guests(mailbox)?;
            let with = name.clone();
            tx.journal(actor, Change::Mailbox(OfMailbox::Shared { mailbox, with, rights }));
            Ok(rights)
        })
    }

    /// The account can be looked into again. While it could not, guests were told that nothing is there.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn is_open_again(&self) -> Result<(), Error> {
        if guests(&*self.cell.state()?).is_empty() {
            return Ok(());
        }
        self.transact(|tx| tx.all_comes_into_sight(None))
    }

    /// The accounts that may have shared something with this one.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn owners(&self) -> Result<Arc<BTreeSet<AccountId>>, Error> {
        Ok(Arc::clone(&self.cell.state()?.owners))
    }

    /// Notes that `owner` is about to share something with this account, or shares nothing any more.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn note_owner(&self, owner: AccountId, shares: bool) -> Result<(), Error> {
        if self.owners()?.contains(&owner) == shares {
            return Ok(());
        }
        self.transact(move |tx| {
            if shares && tx.state.owners.len() >= OWNERS_MAX {
                return Err(Error::Limit(tr!(
                    "at most {most} others share mailboxes with an account",
                    most = OWNERS_MAX
                )));
            }
            let owners = Arc::make_mut(&mut tx.state.owners);
            match shares {
                true => {
                    owners.insert(owner);
                    tx.put(key::owner(owner), versioned().0);
                }
                false => {
                    owners.remove(&owner);
                    tx.delete(key::owner(owner));
                }
            }
            Ok(())
        })
    }

    /// Whether anything is shared with an account.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn shares_with(&self, account: AccountId) -> Result<bool, Error> {
        Ok(guests(&*self.cell.state()?).contains(&account))
    }
}

/// All accounts that something is shared with.
pub(super) fn guests(state: &AccountState) -> BTreeSet<AccountId> {
    state.mailboxes.values().flat_map(|state| state.mailbox.acl.iter()).map(|(account, _)| account).collect()
}

fn cut(name: &mut String) {
    name.retain(|c| !c.is_control());
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
}

impl Acl {
    /// What a guest may do; `None`: the owner.
    pub(super) fn of_guest(&self, guest: Option<AccountId>) -> Rights {
        guest.map_or(Rights::ALL, |guest| self.of(guest))
    }
}

impl Tx<'_> {
    /// What is in a mailbox counts as changed from now on for those who read it, or for one of them: they may have been told that
    /// nothing is there.
    fn comes_into_sight(&mut self, mailbox: MailboxId, guest: Option<AccountId>) -> Result<(), Error> {
        let given = Given::from(self.next_modseq(), self.mailbox(mailbox)?.uid_next);
        self.state.head = given.last;
        self.change_mailbox(mailbox)?.mailbox.acl.give(guest, given);
        Ok(())
    }

    /// To be called of a device that changes. A guest's that is revoked is told that nothing is there, and its program may come back
    /// with another password.
    pub(super) fn shuts_out(&mut self, device: &Device) -> Result<(), Error> {
        match (&device.credential, device.revoked_at) {
            (Credential::Guest { account, .. }, Some(_)) => self.all_comes_into_sight(Some(*account)),
            (_, _) => Ok(()),
        }
    }

    /// As [`Self::comes_into_sight`], of all that is shared.
    fn all_comes_into_sight(&mut self, guest: Option<AccountId>) -> Result<(), Error> {
        let reads =
            |(other, rights): (AccountId, Rights)| rights.has(Rights::READ) && guest.is_none_or(|guest| guest == other);
        let shared = self.state.mailboxes.iter().filter(|(_, state)| state.mailbox.acl.iter().any(reads));
        let shared: Vec<MailboxId> = shared.map(|(id, _)| *id).collect();
        shared.into_iter().try_for_each(|mailbox| self.comes_into_sight(mailbox, guest))
    }

    /// What somebody has seen is kept when they lose their rights: whoever gets them back, with a program that knows all up to some
    /// modseq, finds what they had. When there are too many of such, it goes.
    fn forget_former_guests(&mut self, mailbox: MailboxId) -> Result<(), Error> {
        let known = self.rows(key::all_marked(mailbox), FORMER_GUESTS_MAX + GUESTS_MAX + 1)?;
        if known.len() <= FORMER_GUESTS_MAX + GUESTS_MAX {
            return Ok(());
        }
        for (key, _) in known {
            let guest = AccountId(key::number_at(&key, 6).map_err(Error::corrupt("what a guest has seen"))?);
            if self.mailbox(mailbox)?.acl.of(guest).is_empty() {
                self.forget_marks(mailbox, Some(guest))?;
            }
        }
        Ok(())
    }

    /// What whoever does this may do in a mailbox.
    pub(super) fn rights(&self, mailbox: MailboxId) -> Result<Rights, Error> {
        Ok(self.mailbox(mailbox)?.acl.of_guest(self.guest))
    }

    /// Refuses what whoever does this may not do in a mailbox.
    pub(super) fn must_have(&self, mailbox: MailboxId, needed: Rights) -> Result<(), Error> {
        self.rights(mailbox)?.must_have(needed)
    }
}
