//! The devices of an account: added with an application password, listed, revoked; what their POP3 deletions do.

use console::{PopChoice, shown};
use directory::AccountInfo;
use serde::{Deserialize, Serialize};
use store::device::{Credential, Device};
use store::{DeviceId, Protocol};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What can be asked about the devices of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRequest {
    /// Adds one with an application password. Answered with [`Item::Device`].
    Add {
        /// Whose.
        account: String,
        /// Its name for people.
        name: String,
        /// Its POP3 settings, where they are not the account's default.
        pop: PopChoice,
    },
    /// All of them: [`Item::Device`] each.
    List {
        /// Whose.
        account: String,
        /// Also those that were revoked.
        revoked: bool,
    },
    /// Takes its right to log in. Answered with [`Item::Device`].
    Revoke {
        /// Whose.
        account: String,
        /// Its number or name.
        device: String,
    },
    /// Chooses whether what it sends is saved to Sent. Answered with [`Item::Device`].
    Sent {
        /// Whose.
        account: String,
        /// Its number or name.
        device: String,
        /// Whether it is.
        saved: bool,
    },
    /// One program logs in as it over POP3, which was updated. Answered with [`Item::Device`].
    OneProgram {
        /// Whose.
        account: String,
        /// Its number or name.
        device: String,
    },
    /// Changes what new devices of an account begin with; an empty choice only tells. Answered with [`Item::Defaults`].
    Defaults {
        /// Whose.
        account: String,
        /// What is to be changed.
        pop: PopChoice,
    },
    /// Changes its POP3 settings. Answered with [`Item::Device`].
    Policy {
        /// Whose.
        account: String,
        /// Its number or name.
        device: String,
        /// What is to be changed.
        pop: PopChoice,
    },
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceItem {
    /// Its number within the account.
    pub id: u32,
    /// Its name for people.
    pub name: String,
    /// How it logs in: `application password` or `main password`.
    pub credential: String,
    /// The protocols that it has logged in with.
    pub protocols: Vec<String>,
    /// What its POP3 deletions do.
    pub policy: String,
    /// From when on it lists mail.
    pub window: String,
    /// Which mailboxes it lists mail from.
    pub scope: String,
    /// Whether what it sends is saved to Sent.
    pub saves_sent: bool,
    /// When it was added.
    pub added_at: String,
    /// When it logged in last, exact to some minutes.
    pub last_login_at: Option<String>,
    /// From where it logged in last.
    pub last_login_from: Option<String>,
    /// Since when it may not log in.
    pub revoked_at: Option<String>,
    /// Its application password, if it was added just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl DeviceRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        match self {
            Self::Add { account, name, pop } => add(admin, &admin.account(&account)?, (&name, &pop), item),
            Self::List { account, revoked } => list(admin, &admin.account(&account)?, revoked, item),
            Self::Revoke { account, device } => {
                let account = admin.account(&account)?;
                let id = find(admin, &account, &device)?;
                admin.stores.auth.revoke_device(account.id, id, admin.now())?;
                tell(admin, &account, id, None, item)
            }
            Self::Sent { account, device, saved } => {
                let account = admin.account(&account)?;
                let id = find(admin, &account, &device)?;
                admin.console(&account.address)?.set_saves_sent(id, saved)?;
                tell(admin, &account, id, None, item)
            }
            Self::OneProgram { account, device } => {
                let account = admin.account(&account)?;
                let id = find(admin, &account, &device)?;
                admin.console(&account.address)?.is_one_program(id)?;
                tell(admin, &account, id, None, item)
            }
            Self::Defaults { account, pop } => {
                Ok(item(Item::Defaults(admin.console(&account)?.choose_defaults(&pop)?))?)
            }
            Self::Policy { account, device, pop } => {
                let account = admin.account(&account)?;
                let id = find(admin, &account, &device)?;
                let store = admin.stores.store.account(account.id);
                let now = store.devices()?.get(&id).map(|device| device.pop).unwrap_or_default();
                let pop = pop.apply(now)?;
                store.set_pop_settings(admin.actor(), id, pop)?;
                tell(admin, &account, id, None, item)
            }
        }
    }
}

fn add(admin: &Admin, account: &AccountInfo, (name, pop): (&str, &PopChoice), item: Items<'_>) -> Result<(), Failure> {
    let default = admin.stores.store.account(account.id).settings()?.pop;
    let pop = pop.apply(default)?;
    let (id, password) = admin.stores.auth.add_device(account.id, name, Some(pop), admin.now())?;
    tell(admin, account, id, Some(password), item)
}

fn list(admin: &Admin, account: &AccountInfo, revoked: bool, item: Items<'_>) -> Result<(), Failure> {
    for device in admin.stores.store.account(account.id).devices()?.values() {
        if revoked || device.revoked_at.is_none() {
            item(Item::Device(DeviceItem::of(device, None)))?;
        }
    }
    Ok(())
}

fn tell(
    admin: &Admin,
    account: &AccountInfo,
    id: DeviceId,
    password: Option<String>,
    item: Items<'_>,
) -> Result<(), Failure> {
    let devices = admin.stores.store.account(account.id).devices()?;
    let device = devices.get(&id).ok_or(store::Error::NoSuchDevice)?;
    Ok(item(Item::Device(DeviceItem::of(device, password)))?)
}

/// The device that a number or a name means. A name means the one that is not revoked.
fn find(admin: &Admin, account: &AccountInfo, wanted: &str) -> Result<DeviceId, Failure> {
    let devices = admin.stores.store.account(account.id).devices()?;
    let of_name = devices.values().find(|device| device.revoked_at.is_none() && device.name == wanted);
    let of_number = wanted.parse().ok().and_then(|number| devices.get(&DeviceId(number)));
    let found = of_name.or(of_number).filter(|device| device.revoked_at.is_none());
    found.map(|device| device.id).ok_or_else(|| {
        let address = &account.address;
        Failure::refused(format!(
            "{address} has no device “{wanted}”, or it is revoked; `pillarbox device list {address}` shows all"
        ))
    })
}

impl DeviceItem {
    fn of(device: &Device, password: Option<String>) -> Self {
        let credential = match device.credential {
            Credential::ApplicationPassword { .. } => "application password",
            Credential::MainPassword { .. } => "main password",
        };
        let used = Protocol::ALL.into_iter().filter(|protocol| device.has_used(*protocol));
        Self {
            id: device.id.0,
            name: device.name.clone(),
            credential: credential.to_owned(),
            protocols: used.map(|protocol| protocol.name().to_owned()).collect(),
            policy: device.pop.removal.to_string(),
            window: device.pop.window.to_string(),
            scope: device.pop.scope.to_string(),
            saves_sent: device.saves_sent,
            added_at: shown(device.added_at),
            last_login_at: device.last_login.as_ref().map(|login| shown(login.at)),
            last_login_from: device.last_login.as_ref().map(|login| login.address.clone()),
            revoked_at: device.revoked_at.map(shown),
            password,
        }
    }
}
