//! Devices are added, changed, seen and revoked.

use super::Account;
use crate::device::{Credential, DEVICE_NAME_BYTES_MAX, DEVICES_MAX, Device, LastLogin};
use crate::error::Error;
use crate::ids::{DeviceId, Timestamp};
use crate::journal::{Actor, Change, Protocol};
use crate::pop::PopSettings;
use crate::settings::AccountSettings;
use crate::tx::Tx;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A device's last login is written at most this often.
const LOGIN_NOTED_EVERY_MILLIS: i64 = 10 * 60 * 1000;

impl Account {
    /// All devices, revoked ones included.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn devices(&self) -> Result<Arc<BTreeMap<DeviceId, Device>>, Error> {
        Ok(Arc::clone(&self.cell.state()?.devices))
    }

    /// Adds a device with a credential of its own. `pop`: without it the account's default.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] (a device of this name that is not revoked), [`Error::InvalidName`], [`Error::Limit`],
    /// [`Error::NoSpace`], faults.
    pub fn add_device(
        &self,
        actor: Actor,
        name: &str,
        credential: Credential,
        pop: Option<PopSettings>,
    ) -> Result<DeviceId, Error> {
        if name.trim().is_empty() || name.len() > DEVICE_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Error::InvalidName("a device's name has 1 to 100 bytes and no control characters"));
        }
        let name = name.trim().to_owned();
        self.transact(move |tx| {
            if tx.state.devices.values().any(|device| device.revoked_at.is_none() && device.name == name) {
                return Err(Error::AlreadyExists);
            }
            add(tx, actor, name.clone(), credential.clone(), pop)
        })
    }

    /// The device that stands for the main password with a fingerprint; made when it is first seen.
    ///
    /// # Errors
    /// [`Error::Limit`], [`Error::NoSpace`], faults.
    pub fn main_password_device(
        &self,
        now: Timestamp,
        protocol: Protocol,
        fingerprint: &str,
    ) -> Result<DeviceId, Error> {
        let credential = Credential::MainPassword { fingerprint: fingerprint.to_owned() };
        let known = |devices: &BTreeMap<DeviceId, Device>| {
            let mut devices = devices.values();
            devices
                .find(|device| device.credential == credential && device.revoked_at.is_none())
                .map(|device| device.id)
        };
        if let Some(id) = known(&*self.devices()?) {
            return Ok(id);
        }
        let (name, credential) = (format!("{fingerprint} (main password)"), credential.clone());
        let actor = Actor { device: DeviceId(0), protocol, now };
        self.transact(move |tx| {
            let mut devices = tx.state.devices.values();
            let known = devices.find(|device| device.credential == credential && device.revoked_at.is_none());
            match known.map(|device| device.id) {
                Some(id) => Ok(id),
                None => add(tx, actor, name.clone(), credential.clone(), None),
            }
        })
    }

    /// Notes a login: exact to some minutes, so that most logins write nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] (revoked, too), [`Error::NoSpace`], faults.
    pub fn note_login(&self, device: DeviceId, login: LastLogin) -> Result<(), Error> {
        let devices = self.devices()?;
        let noted = devices.get(&device).is_some_and(|known| {
            let recent = |last: &LastLogin| login.at.0.saturating_sub(last.at.0) < LOGIN_NOTED_EVERY_MILLIS;
            known.revoked_at.is_none()
                && known.has_used(login.protocol)
                && known.last_login.as_ref().is_some_and(recent)
        });
        if noted {
            return Ok(());
        }
        self.transact(move |tx| {
            let known = tx.state.devices.get(&device).filter(|device| device.revoked_at.is_none());
            let mut device = known.ok_or(Error::NoSuchDevice)?.clone();
            device.uses(login.protocol);
            device.last_login = Some(login.clone());
            tx.put_device(device);
            Ok(())
        })
    }

    /// Changes what a device's POP3 deletions do and what it lists.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NoSpace`], faults.
    pub fn set_pop_settings(&self, actor: Actor, device: DeviceId, pop: PopSettings) -> Result<(), Error> {
        self.change_device(actor, device, Change::DeviceChanged { device }, move |device| {
            if device.pop.window != pop.window {
                device.pop_since = actor.now;
            }
            if !device.pop.removal.is_put_off() {
                device.removal_since = actor.now;
            }
            device.pop = pop;
            device.introduced |= device.has_used(Protocol::Pop3);
        })
    }

    /// Notes that the owner has seen what a device does over POP3; so they have, too, when they choose what it does.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn introduce(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        self.change_device(actor, device, Change::DeviceChanged { device }, |device| device.introduced = true)
    }

    /// The owner says that the programs that seem to share a device over POP3 are one, which was updated: from then on it
    /// does not seem shared, until another one comes again.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn is_one_program(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        self.change_device(actor, device, Change::DeviceChanged { device }, Device::is_one_program)
    }

    /// Changes whether what a device submits is saved to Sent.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn set_saves_sent(&self, actor: Actor, device: DeviceId, saves_sent: bool) -> Result<(), Error> {
        self.change_device(actor, device, Change::DeviceChanged { device }, move |device| {
            device.saves_sent = saves_sent;
        })
    }

    /// Changes whether a device's removals are held when they are far more than usual.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn set_brake(&self, actor: Actor, device: DeviceId, brake: bool) -> Result<(), Error> {
        self.change_device(actor, device, Change::DeviceChanged { device }, move |device| device.brake = brake)
    }

    /// Notes that the owner does not want back what a device took.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn decline_offer(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        self.change_device(actor, device, Change::DeviceChanged { device }, move |device| {
            device.offer_declined_at = Some(actor.now);
        })
    }

    /// What was chosen for the whole account.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn settings(&self) -> Result<AccountSettings, Error> {
        Ok(self.cell.state()?.record.settings)
    }

    /// Chooses for the whole account: what `change` leaves alone stays as it is, whoever else chooses at the same time.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn change_settings(
        &self,
        actor: Actor,
        change: impl Fn(&mut AccountSettings) + Send + 'static,
    ) -> Result<(), Error> {
        self.transact(move |tx| {
            change(&mut tx.change_record().settings);
            tx.journal(actor, Change::SettingsChanged);
            Ok(())
        })
    }

    /// Takes a device's right to log in. What it did stays known.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NoSpace`], faults.
    pub fn revoke_device(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        let now = actor.now;
        self.change_device(actor, device, Change::DeviceRevoked { device }, move |device| device.revoked_at = Some(now))
    }

    fn change_device(
        &self,
        actor: Actor,
        id: DeviceId,
        change: Change,
        apply: impl Fn(&mut Device) + Send + 'static,
    ) -> Result<(), Error> {
        self.transact(move |tx| {
            let known = tx.state.devices.get(&id).filter(|device| device.revoked_at.is_none());
            let mut device = known.ok_or(Error::NoSuchDevice)?.clone();
            apply(&mut device);
            tx.put_device(device);
            tx.journal(actor, change.clone());
            Ok(())
        })
    }
}

pub(super) fn add(
    tx: &mut Tx<'_>,
    actor: Actor,
    name: String,
    credential: Credential,
    pop: Option<PopSettings>,
) -> Result<DeviceId, Error> {
    if tx.state.devices.len() >= DEVICES_MAX {
        return Err(Error::Limit(format!("an account has at most {DEVICES_MAX} devices")));
    }
    let id = tx.next_device()?;
    let (added_at, last_login, revoked_at) = (actor.now, None, None);
    tx.put_device(Device {
        id,
        name: name.clone(),
        credential,
        added_at,
        last_login,
        revoked_at,
        pop: pop.unwrap_or(tx.state.record.settings.pop),
        pop_since: actor.now,
        removal_since: actor.now,
        saves_sent: true,
        offer_declined_at: None,
        introduced: false,
        programs: Vec::new(),
        brake: tx.state.record.settings.brake,
        protocols: 0,
    });
    tx.journal(actor, Change::DeviceAdded { device: id, name });
    Ok(id)
}
