//! Devices are added, changed, seen and revoked.

use super::Account;
use super::guests::guests;
use crate::device::{
    Credential, DEVICE_NAME_BYTES_MAX, DEVICES_MAX, Device, DeviceToken, FORGOTTEN_MAX, Forgotten, LastLogin,
    MAIN_PASSWORD_ROOM, main_password_name,
};
use crate::error::Error;
use crate::ids::{AccountId, DeviceId, Timestamp};
use crate::journal::{Actor, Change, OfAccount, OfDevice, Protocol};
use crate::key;
use crate::pop::PopSettings;
use crate::settings::AccountSettings;
use crate::tx::Tx;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wording::tr;

/// A purge forgets at most so much of what devices that gave way took; the next one goes on.
const TAKEN_FORGOTTEN_MAX: usize = 10_000;
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

    /// The names of devices that gave way to others, as long as the journal may name them.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn forgotten_devices(&self) -> Result<BTreeMap<DeviceId, String>, Error> {
        let mut names = BTreeMap::new();
        crate::state::scan(&*self.snapshot()?, key::kind(b'W'), |key, value| {
            let row = key::number_at(key, 1).and_then(|id| Ok((DeviceId(id), Forgotten::decode(value)?)));
            let (id, forgotten) = row.map_err(Error::corrupt("the name of a device"))?;
            names.insert(id, forgotten.name);
            Ok(())
        })?;
        Ok(names)
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
            return Err(Error::InvalidName(tr!("a device's name has 1 to 100 bytes and no control characters")));
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
        let (name, credential) = (main_password_name(fingerprint), credential.clone());
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
        self.transact(move |tx| tx.note_login(device, login.clone()))
    }

    /// Keeps what lets a device log in without saying its password.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] (revoked, too), [`Error::NoSpace`], faults.
    pub fn note_scram(&self, device: DeviceId, scram: Vec<u8>) -> Result<(), Error> {
        self.transact(move |tx| {
            let known = tx.state.devices.get(&device).filter(|device| device.revoked_at.is_none());
            let mut device = known.ok_or(Error::NoSuchDevice)?.clone();
            device.scram.clone_from(&scram);
            tx.put_device(device);
            Ok(())
        })
    }

    /// Gives a device with a password of its own a token, in place of the one that it had.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] (revoked, too), [`Error::NotAllowed`], [`Error::NoSpace`], faults.
    pub fn set_token(&self, actor: Actor, device: DeviceId, token: DeviceToken) -> Result<(), Error> {
        self.transact(move |tx| {
            let known = tx.state.devices.get(&device).filter(|device| device.revoked_at.is_none());
            let mut known = known.ok_or(Error::NoSuchDevice)?.clone();
            if !matches!(known.credential, Credential::ApplicationPassword { .. }) {
                return Err(Error::NotAllowed(
                    "a program that logs in with the main password has no token; add a device",
                ));
            }
            known.token = Some(token);
            tx.put_device(known);
            tx.journal(actor, Change::Device(OfDevice::Changed { device }));
            Ok(())
        })
    }

    /// Changes what a device's POP3 deletions do and what it lists.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NoSpace`], faults.
    pub fn set_pop_settings(&self, actor: Actor, device: DeviceId, pop: PopSettings) -> Result<(), Error> {
        self.change_device(actor, device, Change::Device(OfDevice::Changed { device }), move |device| {
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
        self.change_device(actor, device, Change::Device(OfDevice::Changed { device }), |device| {
            device.introduced = true
        })
    }

    /// The owner says that the programs that seem to share a device over POP3 are one, which was updated: from then on it
    /// does not seem shared, until another one comes again.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn is_one_program(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        self.change_device(actor, device, Change::Device(OfDevice::Changed { device }), Device::is_one_program)
    }

    /// Changes whether what a device submits is saved to Sent.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn set_saves_sent(&self, actor: Actor, device: DeviceId, saves_sent: bool) -> Result<(), Error> {
        self.change_device(actor, device, Change::Device(OfDevice::Changed { device }), move |device| {
            device.saves_sent = saves_sent;
        })
    }

    /// Changes whether a device's removals are held when they are far more than usual.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn set_brake(&self, actor: Actor, device: DeviceId, brake: bool) -> Result<(), Error> {
        self.change_device(actor, device, Change::Device(OfDevice::Changed { device }), move |device| {
            device.brake = brake
        })
    }

    /// Notes that the owner does not want back what a device took.
    ///
    /// # Errors
    /// As [`Account::set_pop_settings`].
    pub fn decline_offer(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        self.change_device(actor, device, Change::Device(OfDevice::Changed { device }), move |device| {
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
            tx.journal(actor, Change::Account(OfAccount::SettingsChanged));
            Ok(())
        })
    }

    /// Takes a device's right to log in. What it did stays known.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NoSpace`], faults.
    pub fn revoke_device(&self, actor: Actor, device: DeviceId) -> Result<(), Error> {
        let now = actor.now;
        self.change_device(actor, device, Change::Device(OfDevice::Revoked { device }), move |device| {
            device.revoked_at = Some(now)
        })
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
            tx.shuts_out(&device)?;
            tx.put_device(device);
            tx.journal(actor, change.clone());
            Ok(())
        })
    }
}

/// The account takes another device: if it is full, one that was revoked, or was not seen for a year, gives way.
fn make_room(tx: &mut Tx<'_>, credential: &Credential, now: Timestamp) -> Result<(), Error> {
    let most = match credential {
        Credential::ApplicationPassword { .. } | Credential::Guest { .. } | Credential::Import { .. } => DEVICES_MAX,
        Credential::MainPassword { .. } => DEVICES_MAX + MAIN_PASSWORD_ROOM,
    };
    if tx.state.devices.len() < most {
        return Ok(());
    }
    let guests = guests(&tx.state);
    let others = tx.state.devices.values().filter(|device| !is_kept_out(device, &guests));
    let candidates = others.filter_map(|device| Some((device.gives_way(now)?, device.id)));
    let mut candidates: Vec<((bool, Timestamp), DeviceId)> = candidates.collect();
    candidates.sort_unstable();
    for (_, id) in candidates {
        // Its owner is asked about it.
        if tx.pace(id)?.hold.is_none() {
            return tx.forget_device(id, now);
        }
    }
    Err(Error::Limit(tr!("an account has at most {most} devices", most = most)))
}

/// Whether a device is one that the owner has shut out and that would come in again if that was forgotten. They are few: of each of those
/// who share something, those that are told apart.
fn is_kept_out(device: &Device, guests: &BTreeSet<AccountId>) -> bool {
    match device.credential {
        Credential::Guest { account, .. } => device.revoked_at.is_some() && guests.contains(&account),
        Credential::ApplicationPassword { .. } | Credential::MainPassword { .. } | Credential::Import { .. } => false,
    }
}

impl Tx<'_> {
    pub(super) fn note_login(&mut self, device: DeviceId, login: LastLogin) -> Result<(), Error> {
        let known = self.state.devices.get(&device).filter(|device| device.revoked_at.is_none());
        let mut device = known.ok_or(Error::NoSuchDevice)?.clone();
        device.uses(login.protocol);
        device.last_login = Some(login);
        self.put_device(device);
        Ok(())
    }

    /// A device gives way to another one; the journal may go on naming it.
    fn forget_device(&mut self, id: DeviceId, now: Timestamp) -> Result<(), Error> {
        let Some(device) = Arc::make_mut(&mut self.state.devices).remove(&id) else { return Ok(()) };
        self.delete(key::device(id));
        self.delete(key::pace(id));
        self.forget_imported(id)?;
        let known = self.rows(key::kind(b'W'), FORGOTTEN_MAX)?;
        if known.len() >= FORGOTTEN_MAX
            && let Some((oldest, _)) = known.into_iter().next()
        {
            self.delete(oldest);
        }
        self.put(key::forgotten(id), Forgotten { name: device.name, at: now }.encode());
        Ok(())
    }

    /// Forgets the names of devices that gave way before a moment, and what is left of what devices that gave way took.
    pub(super) fn forget_devices(&mut self, before: Timestamp) -> Result<(), Error> {
        for (key, value) in self.rows(key::kind(b'W'), FORGOTTEN_MAX)? {
            let forgotten = Forgotten::decode(&value).map_err(Error::corrupt("the name of a device"))?;
            if forgotten.at < before {
                self.delete(key);
            }
        }
        let (mut next, end) = key::kind(b'P');
        let mut left = TAKEN_FORGOTTEN_MAX;
        // From device to device.
        while let Some((key, _)) = self.rows((next, end.clone()), 1)?.into_iter().next() {
            let id = DeviceId(key::number_at(&key, 1).map_err(Error::corrupt("a maildrop key"))?);
            let of_device = key::kind_of(b'P', id.0);
            next = of_device.1.clone();
            if !self.state.devices.contains_key(&id) {
                let gone = self.rows(of_device, left)?;
                left -= gone.len();
                gone.into_iter().for_each(|(key, _)| self.delete(key));
            }
            if left == 0 {
                break;
            }
        }
        Ok(())
    }
}

pub(super) fn add(
    tx: &mut Tx<'_>,
    actor: Actor,
    name: String,
    credential: Credential,
    pop: Option<PopSettings>,
) -> Result<DeviceId, Error> {
    make_room(tx, &credential, actor.now)?;
    let id = tx.next_device()?;
    let settings = AccountSettings { pop: pop.unwrap_or(tx.state.record.settings.pop), ..tx.state.record.settings };
    tx.put_device(Device::new(id, (name.clone(), credential), &settings, actor.now));
    tx.journal(actor, Change::Device(OfDevice::Added { device: id, name }));
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DEVICES_MAX, UNSEEN_DAYS};
    use crate::sim::{SimEngine, SimObjects};
    use crate::store::Store;

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    fn account() -> (Store, Account) {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        (store, account)
    }

    fn add(account: &Account, name: &str, now: Timestamp) -> Result<DeviceId, Error> {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now };
        account.add_device(actor, name, Credential::ApplicationPassword { hash: [0; 32] }, None)
    }

    fn at(days: u16) -> Timestamp {
        NOW.days_after(days)
    }

    #[test]
    fn a_device_that_was_revoked_leaves_room_and_its_name() {
        let (store, account) = account();
        let old = add(&account, "old phone", NOW).unwrap();
        (2..=DEVICES_MAX).for_each(|n| assert!(add(&account, &format!("device {n}"), NOW).is_ok()));
        assert!(matches!(add(&account, "one more", NOW), Err(Error::Limit(_))), "all may log in");
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: at(1) };
        let taken = key::taken(old, crate::ids::EmailId(7));
        let note = move |tx: &mut Tx<'_>| {
            tx.put(taken.clone(), super::super::Taken::default().encode());
            Ok(())
        };
        account.transact(note).unwrap();
        account.revoke_device(actor, old).unwrap();
        assert!(account.devices().unwrap().contains_key(&old), "as long as there is room");
        let new = add(&account, "new phone", at(1)).unwrap();
        assert_eq!(new.0 as usize, DEVICES_MAX + 1, "a number is not used again");
        assert_eq!(account.devices().unwrap().len(), DEVICES_MAX);
        assert_eq!(account.forgotten_devices().unwrap()[&old], "old phone");
        assert_eq!(account.check(&store).unwrap(), []);
        // What it did can still be undone, and its name goes with the journal.
        let what = crate::UndoWhat::Device { device: old, since: NOW };
        let request = crate::UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: true };
        assert!(account.undo(actor, request).is_ok());
        account.purge(at(2)).unwrap();
        assert!(account.forgotten_devices().unwrap().is_empty());
        assert!(account.taken_by(old).unwrap().is_empty(), "what it took goes, too");
        assert_eq!(account.check(&store).unwrap(), []);
    }

    #[test]
    fn a_device_that_was_not_seen_for_a_year_gives_way_after_those_that_were_revoked() {
        let (_, account) = account();
        (1..=DEVICES_MAX).for_each(|n| assert!(add(&account, &format!("device {n}"), NOW).is_ok()));
        assert!(matches!(add(&account, "one more", at(UNSEEN_DAYS)), Err(Error::Limit(_))));
        let later = Timestamp(at(UNSEEN_DAYS).0 + 1);
        let (first, revoked) = (DeviceId(1), DeviceId(9));
        let (address, protocol) = ("::1".to_owned(), Protocol::Imap);
        account.note_login(first, LastLogin { at: later, protocol, address, tls: None, program: None }).unwrap();
        account.revoke_device(Actor { device: DeviceId(0), protocol, now: later }, revoked).unwrap();
        let gone = |id| !account.devices().unwrap().contains_key(&id);
        add(&account, "new", later).unwrap();
        assert!(gone(revoked) && !gone(DeviceId(2)));
        add(&account, "newer", later).unwrap();
        assert!(gone(DeviceId(2)) && !gone(first), "it was here just now");
    }

    #[test]
    fn the_names_that_are_remembered_are_bounded() {
        let (_, account) = account();
        account
            .transact(|tx| {
                for n in 1..=FORGOTTEN_MAX as u32 + 1 {
                    let id = DeviceId(100_000 + n);
                    tx.put(key::forgotten(id), Forgotten { name: n.to_string(), at: NOW }.encode());
                }
                tx.delete(key::forgotten(DeviceId(100_001)));
                Ok(())
            })
            .unwrap();
        (1..=DEVICES_MAX).for_each(|n| assert!(add(&account, &format!("device {n}"), NOW).is_ok()));
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
        account.revoke_device(actor, DeviceId(1)).unwrap();
        add(&account, "new", NOW).unwrap();
        assert_eq!(account.forgotten_devices().unwrap().len(), FORGOTTEN_MAX);
    }
}
