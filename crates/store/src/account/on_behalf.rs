//! Work that somebody does who has logged in: it ends when the login does not count any more.
//!
//! A handle of an account can be one of a device ([`Account::on_behalf_of`]). Each of its transactions then begins with the
//! question whether the device is still there, as the account is in that very transaction, and whether what the login rests
//! on beside it still holds ([`Permit`]). Who reads asks [`Account::still_counts`] first.
//!
//! Invariant: when a revocation is committed, or a change of a table that says so ([`crate::TableTx::concerns_logins_of`])
//! has returned, no commit on behalf of that login comes after it.

use super::Account;
use crate::device::Device;
use crate::error::Error;
use crate::ids::{AccountId, DeviceId};
use crate::watch::Watch;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

/// What a login rests on beside its device. It is asked inside transactions, so it must be quick and must not change
/// anything.
pub trait Permit: Send + Sync {
    /// Whether it still holds.
    ///
    /// # Errors
    /// Faults.
    fn holds(&self) -> Result<bool, Error>;
}

/// Whose work is done through a handle.
#[derive(Clone)]
pub(crate) struct OnBehalf {
    pub(super) device: DeviceId,
    pub(super) permit: Arc<dyn Permit>,
    /// `None`: the account's owner.
    pub(super) guest: Option<Guest>,
}

/// Somebody else, in mailboxes that the owner shares.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) account: AccountId,
    /// Whether the owner's account is one that others may look into.
    pub(super) owner: Arc<dyn Permit>,
}

impl OnBehalf {
    /// Whether it is nobody's whom the account knows: nothing is committed on its behalf.
    pub(crate) fn is_unnoted(&self) -> bool {
        self.device == DeviceId::UNNOTED
    }

    pub(crate) fn counts(&self, devices: &BTreeMap<DeviceId, Device>) -> Result<bool, Error> {
        let is_there = self.is_unnoted() || devices.get(&self.device).is_some_and(|device| device.revoked_at.is_none());
        Ok(is_there && self.permit.holds()?)
    }

    /// Refuses what does not count any more. To a guest whom the owner has shut out there is nothing here.
    pub(crate) fn admits(&self, devices: &BTreeMap<DeviceId, Device>) -> Result<(), Error> {
        let counts = self.counts(devices)?;
        match &self.guest {
            None if counts => Ok(()),
            None => Err(Error::LoginEnded),
            Some(guest) if counts && guest.owner.holds()? => Ok(()),
            Some(_) if !self.permit.holds()? => Err(Error::LoginEnded),
            Some(_) => Err(Error::NoSuchMailbox),
        }
    }
}

impl Account {
    /// A handle whose transactions are refused with [`Error::LoginEnded`] as soon as `device` is revoked or `permit` does
    /// not hold any more.
    #[must_use]
    pub fn on_behalf_of(&self, device: DeviceId, permit: Arc<dyn Permit>) -> Self {
        Self { on_behalf: Some(Arc::new(OnBehalf { device, permit, guest: None })), ..self.clone() }
    }

    /// Whether the login that this handle is for still counts; true for a handle of nobody. Cheap.
    ///
    /// # Errors
    /// Faults.
    pub fn still_counts(&self) -> Result<bool, Error> {
        let Some(on_behalf) = &self.on_behalf else { return Ok(true) };
        match self.devices() {
            Ok(devices) => on_behalf.counts(&devices),
            Err(Error::NoSuchAccount) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// As [`Self::still_counts`], to be asked inside a transaction of another account: it waits for nobody's turn.
    ///
    /// # Errors
    /// Faults.
    pub fn stands(&self) -> Result<bool, Error> {
        let Some(on_behalf) = &self.on_behalf else { return Ok(true) };
        let is_there = on_behalf.is_unnoted() || self.cell.has_device(on_behalf.device)?;
        Ok(is_there && on_behalf.permit.holds()?)
    }

    /// What a login that could not be noted is told when it wants to change something. As soon as the disk takes something
    /// again it does not count any more: the next one is noted.
    pub(crate) fn refuse_unnoted(&self) -> Error {
        let touch = self.cell.transact(|tx| {
            tx.change_record();
            Ok(())
        });
        touch.err().unwrap_or(Error::LoginEnded)
    }

    /// Wakes `waker` whenever something that logins of this account rest on may have changed, as long as the result lives;
    /// [`Watch::changes`] counts it.
    #[must_use]
    pub fn watch_logins(&self, waker: Waker) -> Watch {
        self.cell.logins.watch(self.id(), waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Credential;
    use crate::ids::{AccountId, Timestamp};
    use crate::journal::{Actor, Protocol};
    use crate::sim::{ReadOnly, SimEngine, SimObjects};
    use crate::store::Store;
    use crate::table_id::TableId;
    use std::sync::atomic::{AtomicBool, Ordering};

    const ID: AccountId = AccountId(16);
    const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1) };

    struct Switch(AtomicBool);

    impl Permit for Switch {
        fn holds(&self) -> Result<bool, Error> {
            Ok(self.0.load(Ordering::SeqCst))
        }
    }

    fn store(engine: &SimEngine) -> Store {
        Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
    }

    fn phone(account: &Account, name: &str) -> DeviceId {
        account.add_device(ACTOR, name, Credential::ApplicationPassword { hash: [1; 32] }, None).unwrap()
    }

    #[test]
    fn a_device_that_was_revoked_by_whomever_commits_nothing_more() {
        let engine = SimEngine::new();
        let account = store(&engine).create_account(ID, Timestamp(0)).unwrap();
        let (phone, tablet) = (phone(&account, "phone"), phone(&account, "tablet"));
        let permit = || Arc::new(Switch(AtomicBool::new(true)));
        let (on_phone, on_tablet) = (account.on_behalf_of(phone, permit()), account.on_behalf_of(tablet, permit()));
        let watch = account.watch_logins(Waker::noop().clone());
        on_phone.create_mailbox(ACTOR, "a", None).unwrap();
        assert_eq!((on_phone.still_counts(), watch.changes()), (Ok(true), 0), "mail is nothing that logins rest on");
        account.revoke_device(ACTOR, phone).unwrap();
        assert_eq!((on_phone.still_counts(), watch.changes()), (Ok(false), 1));
        assert_eq!(on_phone.create_mailbox(ACTOR, "b", None), Err(Error::LoginEnded));
        on_tablet.create_mailbox(ACTOR, "b", None).unwrap();
        // Another process: nobody is told of it, and the transaction finds out.
        store(&engine).account(ID).revoke_device(ACTOR, tablet).unwrap();
        assert_eq!(on_tablet.create_mailbox(ACTOR, "c", None), Err(Error::LoginEnded));
        account.create_mailbox(ACTOR, "c", None).unwrap();
    }

    #[test]
    fn what_a_table_says_of_an_account_counts_from_the_return_of_its_change_on() {
        let store = store(&SimEngine::new());
        let account = store.create_account(ID, Timestamp(0)).unwrap();
        let phone = phone(&account, "phone");
        let switch = Arc::new(Switch(AtomicBool::new(true)));
        let on_phone = account.on_behalf_of(phone, Arc::clone(&switch) as Arc<dyn Permit>);
        let (watch, other) = (account.watch_logins(Waker::noop().clone()), AccountId(17));
        let other = store.account(other).watch_logins(Waker::noop().clone());
        store
            .table(TableId::Directory)
            .change::<_, Error>(|tx| {
                tx.put(b"x", Vec::new());
                tx.concerns_logins_of(ID);
                switch.0.store(false, Ordering::SeqCst);
                Ok(())
            })
            .unwrap();
        assert_eq!((watch.changes(), other.changes()), (1, 0));
        assert_eq!(on_phone.create_mailbox(ACTOR, "a", None), Err(Error::LoginEnded));
        assert_eq!(on_phone.still_counts(), Ok(false));
    }

    #[test]
    fn a_login_that_could_not_be_noted_reads_and_ends_when_the_disk_takes_something_again() {
        let engine = SimEngine::new();
        let account = store(&engine).create_account(ID, Timestamp(0)).unwrap();
        let guest = account.on_behalf_of(DeviceId::UNNOTED, Arc::new(Switch(AtomicBool::new(true))));
        engine.set_read_only(Some(ReadOnly::Now));
        assert_eq!(guest.still_counts(), Ok(true));
        assert_eq!(guest.open_maildrop(DeviceId::UNNOTED, &Default::default(), ACTOR.now).unwrap().messages(), []);
        assert_eq!(guest.create_mailbox(ACTOR, "a", None), Err(Error::ReadOnly));
        engine.set_read_only(None);
        assert_eq!(guest.create_mailbox(ACTOR, "a", None), Err(Error::LoginEnded));
        assert!(account.mailboxes().unwrap().by_name("a").is_none());
        let shut_out = account.on_behalf_of(DeviceId::UNNOTED, Arc::new(Switch(AtomicBool::new(false))));
        assert_eq!(shut_out.still_counts(), Ok(false), "another password");
    }
}
