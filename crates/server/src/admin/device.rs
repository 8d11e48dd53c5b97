//! The devices of an account: added with an application password, listed, revoked; what their POP3 deletions do.

use std::str::FromStr;

use auth::AccountInfo;
use serde::{Deserialize, Serialize};
use store::device::{Credential, Device};
use store::removal::RemovalPolicy;
use store::{DeviceId, Protocol};

use super::{Admin, Item, Items, text_of};
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
        /// What its POP3 deletions do: one of [`removal_policies`].
        policy: String,
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
    /// Changes what its POP3 deletions do. Answered with [`Item::Device`].
    Policy {
        /// Whose.
        account: String,
        /// Its number or name.
        device: String,
        /// One of [`removal_policies`].
        policy: String,
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

/// The names of what a device's POP3 deletions can do; the first is the usual one.
#[must_use]
pub fn removal_policies() -> [&'static str; 3] {
    RemovalPolicy::ALL.map(RemovalPolicy::name)
}

impl DeviceRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        match self {
            Self::Add { account, name, policy } => add(admin, &admin.account(&account)?, (&name, &policy), item),
            Self::List { account, revoked } => list(admin, &admin.account(&account)?, revoked, item),
            Self::Revoke { account, device } => {
                let account = admin.account(&account)?;
                let id = find(admin, &account, &device)?;
                admin.stores.auth.revoke_device(account.id, id, admin.now())?;
                tell(admin, &account, id, None, item)
            }
            Self::Policy { account, device, policy } => {
                let account = admin.account(&account)?;
                let id = find(admin, &account, &device)?;
                let policy = parse_policy(&policy)?;
                admin.stores.store.account(account.id).set_pop_settings(admin.actor(), id, policy.into())?;
                tell(admin, &account, id, None, item)
            }
        }
    }
}

fn add(admin: &Admin, account: &AccountInfo, (name, policy): (&str, &str), item: Items<'_>) -> Result<(), Failure> {
    let policy = parse_policy(policy)?;
    let (id, password) = admin.stores.auth.add_device(account.id, name, Some(policy.into()), admin.now())?;
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

fn parse_policy(name: &str) -> Result<RemovalPolicy, Failure> {
    RemovalPolicy::from_str(name).map_err(|error| Failure::refused(format!("“{name}”: {error}")))
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
            protocols: used.map(|protocol| protocol_name(protocol).to_owned()).collect(),
            policy: device.pop.removal.name().to_owned(),
            added_at: text_of(device.added_at),
            last_login_at: device.last_login.as_ref().map(|login| text_of(login.at)),
            last_login_from: device.last_login.as_ref().map(|login| login.address.clone()),
            revoked_at: device.revoked_at.map(text_of),
            password,
        }
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Server => "server",
        Protocol::Smtp => "smtp",
        Protocol::Lmtp => "lmtp",
        Protocol::Submission => "submission",
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        Protocol::Cli => "cli",
        Protocol::Web => "web",
    }
}
