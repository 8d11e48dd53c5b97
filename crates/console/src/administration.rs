//! What an administrator sees of all accounts: who they are, and whether their mail is safe.

use crate::account::AccountConsole;
use crate::devices::{DeviceCard, Light};
use crate::error::Error;
use crate::moment::shown;
use crate::words;
use auth::{AccountInfo, Auth};
use serde::{Deserialize, Serialize};
use store::check::{self, Depth};
use store::{Actor, Protocol};

/// A page of the report has so many accounts: every record of each is read for it.
pub const REPORT_ACCOUNTS_MAX: usize = 50;

/// The console of an administrator. Who may hold one is decided where it is made.
#[derive(Clone)]
pub struct Administration {
    auth: Auth,
    actor: Actor,
}

/// An account in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLine {
    /// Its number.
    pub number: u32,
    /// Its address, which is also the name to log in with.
    pub address: String,
    /// Its owner's name; may be empty.
    pub name: String,
    /// Whether it may not log in.
    pub disabled: bool,
    /// Whether its owner is an administrator.
    pub admin: bool,
    /// Whether it has a second factor: programs then need application passwords.
    pub second_factor: bool,
    /// Since when it is there.
    pub created_at: String,
    /// Devices that may log in.
    pub devices: usize,
    /// Octets in its mailboxes.
    pub used_bytes: u64,
    /// So many octets at most; `None`: as many as there is disk.
    pub quota_bytes: Option<u64>,
    /// How full it is, in words.
    pub usage: String,
}

/// Whether the mail of all accounts is safe, a page of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntegrityReport {
    /// In order of their numbers.
    pub accounts: Vec<AccountReport>,
    /// What must not be in the directory of addresses; nothing on a server that is well. On the first page only.
    pub directory: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next_after: Option<u32>,
}

/// Whether the mail of an account is safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReport {
    /// Its number.
    pub number: u32,
    /// Its address.
    pub address: String,
    /// The worst of its devices; red when something is wrong with what is stored.
    pub light: Light,
    /// The same in words.
    pub verdict: String,
    /// Devices that may log in.
    pub devices: usize,
    /// Those that use POP.
    pub pop_devices: Vec<PopDeviceLine>,
    /// Messages that a POP device took, and that are offered to be put back.
    pub offered: u64,
    /// Messages that were removed and can still be brought back.
    pub retained: u64,
    /// Their octets.
    pub retained_bytes: u64,
    /// What must not be in its store; nothing when all is well.
    pub findings: Vec<String>,
}

/// A POP device in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopDeviceLine {
    /// Its number within the account.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether mail is safe from it.
    pub light: Light,
    /// Why.
    pub reason: String,
}

impl Administration {
    /// For somebody who is an administrator.
    #[must_use]
    pub fn new(auth: Auth, actor: Actor) -> Self {
        Self { auth, actor }
    }

    /// All accounts, by address.
    ///
    /// # Errors
    /// Faults.
    pub fn accounts(&self) -> Result<Vec<AccountLine>, Error> {
        let accounts = self.auth.directory().accounts()?;
        // One that is removed meanwhile is left out.
        accounts.into_iter().filter_map(|info| there(self.line(info)).transpose()).collect()
    }

    /// One account.
    ///
    /// # Errors
    /// There is none of that number; faults.
    pub fn account(&self, number: u32) -> Result<AccountLine, Error> {
        let info = self.auth.directory().account_by_id(store::AccountId(number))?;
        self.line(info.ok_or_else(|| Error::refused(format!("there is no account {number}")))?)
    }

    /// Changes how many octets the mailboxes of an account hold; `None`: as many as there is disk. What is there stays.
    ///
    /// # Errors
    /// There is none of that number; faults.
    pub fn set_quota(&self, number: u32, quota_bytes: Option<u64>) -> Result<AccountLine, Error> {
        let line = self.account(number)?;
        self.auth.store().account(store::AccountId(line.number)).set_quota(self.actor, quota_bytes)?;
        self.account(number)
    }

    /// Whether mail is safe, [`REPORT_ACCOUNTS_MAX`] accounts from the one after number `after` on. Reads every record of
    /// them, not the bodies.
    ///
    /// # Errors
    /// Faults.
    pub fn report(&self, after: Option<u32>) -> Result<IntegrityReport, Error> {
        let mut accounts = self.auth.directory().accounts()?;
        accounts.retain(|info| after.is_none_or(|after| info.id.0 > after));
        accounts.sort_by_key(|info| info.id);
        let more = accounts.len() > REPORT_ACCOUNTS_MAX;
        accounts.truncate(REPORT_ACCOUNTS_MAX);
        let next_after = accounts.last().map(|info| info.id.0).filter(|_| more);
        let reports = accounts.into_iter().filter_map(|info| there(self.account_report(info)).transpose());
        Ok(IntegrityReport {
            accounts: reports.collect::<Result<_, _>>()?,
            directory: if after.is_none() { self.auth.directory().check()? } else { Vec::new() },
            next_after,
        })
    }

    fn line(&self, info: AccountInfo) -> Result<AccountLine, Error> {
        let account = self.auth.store().account(info.id);
        let usage = account.usage()?;
        Ok(AccountLine {
            number: info.id.0,
            second_factor: self.auth.web().has_second_factor(info.id)?,
            devices: account.devices()?.values().filter(|device| device.revoked_at.is_none()).count(),
            used_bytes: usage.bytes,
            quota_bytes: usage.quota_bytes,
            usage: words::usage(&usage),
            address: info.address,
            name: info.display,
            disabled: info.disabled,
            admin: info.admin,
            created_at: shown(info.created_at),
        })
    }

    fn account_report(&self, info: AccountInfo) -> Result<AccountReport, Error> {
        let account = self.auth.store().account(info.id);
        let console = AccountConsole::new(account.clone(), self.actor);
        let devices = console.devices(false)?;
        let findings: Vec<String> = check::account(self.auth.store(), info.id, Depth::Records)?
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        let offered = console.offers()?.iter().map(|offer| offer.messages).sum();
        let retained = account.retained()?;
        let light = worst(&devices, offered, !findings.is_empty());
        Ok(AccountReport {
            number: info.id.0,
            address: info.address,
            light,
            verdict: words::account_verdict(light, offered, findings.len()),
            devices: devices.len(),
            pop_devices: devices.iter().filter(|card| uses_pop(card)).map(pop_line).collect(),
            offered,
            retained: retained.messages,
            retained_bytes: retained.bytes,
            findings,
        })
    }
}

/// Nothing for an account that was removed meanwhile.
fn there<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Err(Error::Store(store::Error::NoSuchAccount)) => Ok(None),
        other => other.map(Some),
    }
}

fn worst(devices: &[DeviceCard], offered: u64, is_damaged: bool) -> Light {
    let any = |light: Light| devices.iter().any(|card| card.light == light);
    if is_damaged || any(Light::Red) {
        Light::Red
    } else if offered > 0 || any(Light::Amber) {
        Light::Amber
    } else {
        Light::Green
    }
}

fn uses_pop(card: &DeviceCard) -> bool {
    let pop = words::protocol(Protocol::Pop3);
    card.protocols.iter().any(|protocol| protocol == pop)
}

fn pop_line(card: &DeviceCard) -> PopDeviceLine {
    PopDeviceLine { id: card.id, name: card.name.clone(), light: card.light, reason: card.light_reason.clone() }
}
