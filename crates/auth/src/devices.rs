//! Application passwords are made and taken back.

use crate::login::Auth;
use crate::secret::ApplicationPassword;
use directory::Error;
use store::device::Credential;
use store::pop::PopSettings;
use store::{AccountId, Actor, DeviceId, Protocol, Timestamp};
use wording::tr;

impl Auth {
    /// Adds a device with an application password of its own. The password is given here and never again: what is kept
    /// is a keyed hash. `pop`: without it the account's default for new devices.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, a device of that name is there, the name breaks a rule, too many devices.
    pub fn add_device(
        &self,
        account: AccountId,
        name: &str,
        pop: Option<PopSettings>,
        now: Timestamp,
    ) -> Result<(DeviceId, String), Error> {
        self.must_exist(account)?;
        let password = ApplicationPassword::generate()?;
        let credential =
            Credential::ApplicationPassword { hash: *password.hash(self.application_key(), account).as_bytes() };
        let id = self.store().account(account).add_device(actor(now), name, credential, pop);
        if let Ok(device) = id {
            self.make_scram_keys_of_device(account, device, &password);
        }
        id.map(|id| (id, password.shown())).map_err(|error| refusal(error, name))
    }

    /// Takes a device's right to log in, at once. What it did stays known.
    ///
    /// A device that stands for the main password comes back with the next login: change the password
    /// ([`directory::Directory::set_password`]) to keep a program out that knows it.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account or device, or it is revoked already.
    pub fn revoke_device(&self, account: AccountId, device: DeviceId, now: Timestamp) -> Result<(), Error> {
        self.must_exist(account)?;
        let revoked = self.store().account(account).revoke_device(actor(now), device);
        self.verified().forget(account);
        revoked.map_err(|error| refusal(error, &device.to_string()))
    }

    pub(crate) fn must_exist(&self, account: AccountId) -> Result<(), Error> {
        match self.directory().account_by_id(account)? {
            Some(_) => Ok(()),
            None => {
                Err(Error::refused(tr!("there is no account {account}; `account list` shows all", account = account)))
            }
        }
    }
}

pub(crate) fn actor(now: Timestamp) -> Actor {
    Actor { device: DeviceId(0), protocol: Protocol::Cli, now }
}

pub(crate) fn refusal(error: store::Error, device: &str) -> Error {
    match error {
        store::Error::AlreadyExists => Error::refused(tr!(
            "there is a device “{device}” already; choose another name or revoke that one first",
            device = device
        )),
        store::Error::NoSuchDevice => Error::refused(tr!(
            "there is no device {device}, or it is revoked; `device list` shows all",
            device = device
        )),
        store::Error::InvalidName(why) => {
            Error::refused(tr!("“{device}” cannot be the name of a device: {why}", device = device, why = why))
        }
        store::Error::Limit(what) => Error::refused(what),
        store::Error::NotAllowed(why) => Error::refused(why),
        store::Error::NoSuchAccount
        | store::Error::NoSuchMailbox
        | store::Error::NoSuchMessage
        | store::Error::InvalidContent(_)
        | store::Error::NotPermitted
        | store::Error::NotPermittedBelow(_)
        | store::Error::LoginEnded
        | store::Error::MaildropInUse
        | store::Error::OverQuota { .. }
        | store::Error::NoSpace(_)
        | store::Error::ReadOnly
        | store::Error::Damaged(_)
        | store::Error::Fault(_) => Error::Store(error),
    }
}
