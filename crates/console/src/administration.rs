//! What an administrator sees of all accounts: who they are, and whether their mail is safe.

use crate::account::AccountConsole;
use crate::devices::{DeviceCard, Light};
use crate::error::Error;
use crate::moment::shown;
use crate::party::{Act, Party};
use crate::survey::STRETCH_MESSAGES_MAX;
use crate::words;
use auth::Auth;
use directory::{AccountInfo, AccountsWanted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::check::{self, Depth};
use store::{Actor, Protocol};
use wording::tr;

/// A page of the report has so many accounts: every record of each is read for it.
pub const REPORT_ACCOUNTS_MAX: usize = 50;
/// A page of the list has so many accounts at most.
pub const ACCOUNTS_PER_PAGE_MAX: usize = 500;

/// The console of an administrator.
#[derive(Clone)]
pub struct Administration {
    pub(crate) auth: Auth,
    pub(crate) actor: Actor,
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
    /// The domains that its owner administers, as programs write them; mostly none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub administers: Vec<String>,
    /// Whether it has a second factor: programs then need application passwords.
    pub second_factor: bool,
    /// Since when it is there.
    pub created_at: String,
    /// When one of its devices, or its owner on the pages, was there last; exact to a few minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<String>,
    /// Devices that may log in.
    pub devices: usize,
    /// Octets in its mailboxes.
    pub used_bytes: u64,
    /// So many octets at most; `None`: as many as there is disk.
    pub quota_bytes: Option<u64>,
    /// So many messages at most; `None`: as many as there may be octets.
    #[serde(default)]
    pub quota_messages: Option<u64>,
    /// How full it is, in words.
    pub usage: String,
    /// When it is removed with all its mail, unless it is said before that it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goes_at: Option<String>,
    /// What of it cannot be read, and counts as nothing above; nothing when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// Which accounts a list is to have, in words for `console`: the parameters of a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountsAsk<'a> {
    /// Words that each stand in the address or in the name.
    pub search: &'a str,
    /// From the one after this address on.
    pub after: Option<&'a str>,
    /// At most so many, and at most [`ACCOUNTS_PER_PAGE_MAX`].
    pub limit: usize,
}

/// A page of the accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountsPage {
    /// By address, those of a domain together.
    pub accounts: Vec<AccountLine>,
    /// Where the next page begins, if there is one.
    pub next_after: Option<String>,
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
    /// Messages whose removal is held until the owner answers.
    pub held: u64,
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
    /// For whoever may administer.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn of(party: &Party, auth: Auth, actor: Actor) -> Result<Self, Error> {
        party.may(&Act::Administer)?;
        Ok(Self { auth, actor })
    }

    /// A page of the accounts. One that is damaged hides no other.
    ///
    /// # Errors
    /// Faults.
    pub fn accounts(&self, ask: &AccountsAsk<'_>) -> Result<AccountsPage, Error> {
        self.accounts_in(ask, None)
    }

    /// The same of those in some domains.
    pub(crate) fn accounts_in(
        &self,
        ask: &AccountsAsk<'_>,
        domains: Option<&BTreeSet<String>>,
    ) -> Result<AccountsPage, Error> {
        let limit = ask.limit.clamp(1, ACCOUNTS_PER_PAGE_MAX);
        let wanted = AccountsWanted { search: ask.search, after: ask.after, limit, domains };
        let found = self.auth.directory().find_accounts(&wanted)?;
        let next_after = found.accounts.last().filter(|_| found.more).map(|last| last.address.clone());
        // One that is removed meanwhile is left out.
        let line = |info| there(self.line(info).map_err(Error::from)).transpose();
        Ok(AccountsPage {
            accounts: found.accounts.into_iter().filter_map(line).collect::<Result<_, _>>()?,
            next_after,
        })
    }

    /// The account that a number or an address means; `alice` is enough where there is one only, as at a login.
    ///
    /// # Errors
    /// [`Error::Unknown`], faults.
    pub fn find(&self, wanted: &str) -> Result<AccountInfo, Error> {
        let (directory, wanted) = (self.auth.directory(), wanted.trim());
        let mut found = directory.account(wanted)?;
        if let (None, Ok(number)) = (&found, wanted.parse()) {
            found = directory.account_by_id(store::AccountId(number))?;
        }
        if let (None, Some((id, _))) = (&found, directory.who_logs_in(wanted)?) {
            found = directory.account_by_id(id)?;
        }
        found.ok_or_else(|| unknown_account(wanted))
    }

    /// Changes how much the mailboxes of an account hold. What is there stays.
    ///
    /// # Errors
    /// Faults.
    pub fn set_quota(&self, account: store::AccountId, quota: store::Quota) -> Result<(), Error> {
        Ok(self.auth.store().account(account).set_quota(self.actor, quota)?)
    }

    /// Whether mail is safe, [`REPORT_ACCOUNTS_MAX`] accounts from the one after number `after` on, or as many as have
    /// 100,000 messages. Reads every record of them, not the bodies.
    ///
    /// # Errors
    /// Faults.
    pub fn report(&self, after: Option<u32>) -> Result<IntegrityReport, Error> {
        let after_id = after.map(store::AccountId);
        let mut accounts = self.auth.directory().accounts_by_number(after_id, REPORT_ACCOUNTS_MAX + 1)?;
        let more = accounts.len() > REPORT_ACCOUNTS_MAX;
        accounts.truncate(REPORT_ACCOUNTS_MAX);
        let mut next_after = accounts.last().map(|info| info.id.0).filter(|_| more);
        let mut findings = if after.is_none() { self.auth.directory().check()? } else { Vec::new() };
        let (mut reports, mut messages, count) = (Vec::new(), 0, accounts.len());
        for (index, info) in accounts.into_iter().enumerate() {
            let (id, address) = (info.id, info.address.clone());
            match there(self.account_report(info)) {
                Ok(report) => reports.extend(report),
                // One account that is damaged hides no other.
                Err(Error::Store(store::Error::Damaged(what))) => {
                    findings.push(tr!("{address} is damaged: {what}", address = address, what = what))
                }
                Err(error) => return Err(error),
            }
            messages += self.messages_of(id);
            if messages >= STRETCH_MESSAGES_MAX && index + 1 < count {
                next_after = Some(id.0);
                break;
            }
        }
        Ok(IntegrityReport { accounts: reports, directory: findings, next_after })
    }

    /// What the list says of an account.
    ///
    /// # Errors
    /// It was removed meanwhile.
    pub fn line(&self, info: AccountInfo) -> Result<AccountLine, store::Error> {
        let account = self.auth.store().account(info.id);
        let mut damage = None;
        let devices = sound(account.devices(), &mut damage)?;
        let usage = sound(account.usage(), &mut damage)?;
        let logins = devices.iter().flat_map(|all| all.values()).filter_map(|device| device.last_login.as_ref());
        let last_seen_at = logins.map(|login| login.at).max().map(shown);
        Ok(AccountLine {
            number: info.id.0,
            second_factor: sound(self.auth.web().has_second_factor(info.id), &mut damage)?.unwrap_or_default(),
            devices: devices.iter().flat_map(|all| all.values()).filter(|device| device.revoked_at.is_none()).count(),
            used_bytes: usage.as_ref().map_or(0, |usage| usage.bytes),
            quota_bytes: usage.as_ref().and_then(|usage| usage.quota.bytes),
            quota_messages: usage.as_ref().and_then(|usage| usage.quota.messages),
            usage: usage.as_ref().map_or_else(|| tr!("It cannot be read.").to_owned(), words::usage),
            address: info.address,
            name: info.display,
            disabled: info.disabled,
            admin: info.admin,
            administers: info.administers.iter().cloned().collect(),
            created_at: shown(info.created_at),
            last_seen_at,
            goes_at: self.auth.directory().goes_at(info.id)?.map(shown),
            damage,
        })
    }

    /// Messages of an account whose records a look at it reads; none where that cannot be said.
    pub(crate) fn messages_of(&self, id: store::AccountId) -> u64 {
        let account = self.auth.store().account(id);
        let kept = account.usage().map_or(0, |usage| usage.messages);
        kept.saturating_add(account.retained().map_or(0, |retained| retained.messages))
    }

    /// Reads every record of an account.
    pub(crate) fn account_report(&self, info: AccountInfo) -> Result<AccountReport, Error> {
        let found = check::account(self.auth.store(), info.id, Depth::Records)?;
        self.judged(info, found.into_iter().map(|finding| finding.what).collect())
    }

    /// How safe the mail of an account is, of which it is known what must not be in its store.
    pub(crate) fn judged(&self, info: AccountInfo, findings: Vec<String>) -> Result<AccountReport, Error> {
        let account = self.auth.store().account(info.id);
        let console = AccountConsole::new(account.clone(), self.actor);
        let devices = console.devices(false)?;
        let offered = console.offers()?.iter().map(|offer| offer.messages).sum();
        let held = console.holds(false)?.iter().map(|held| held.messages).sum();
        let retained = account.retained()?;
        let light = worst(&devices, offered + held, !findings.is_empty());
        let bursts = account.bursts()?;
        let told =
            devices.iter().filter(|card| bursts.contains_key(&store::DeviceId(card.id)) && card.light != Light::Green);
        let told: Vec<String> =
            told.map(|card| tr!("“{name}”: {what}", name = card.name, what = card.light_reason)).collect();
        Ok(AccountReport {
            number: info.id.0,
            address: info.address,
            light,
            verdict: words::account_verdict(light, &told, (held, offered), findings.len()),
            devices: devices.len(),
            pop_devices: devices.iter().filter(|card| uses_pop(card)).map(pop_line).collect(),
            offered,
            held,
            retained: retained.messages,
            retained_bytes: retained.bytes,
            findings,
        })
    }
}

/// What is said of an account that is not there, or is not shown.
pub(crate) fn unknown_account(wanted: &str) -> Error {
    Error::Unknown(tr!("there is no account {wanted}; `pillarbox account list` shows all", wanted = wanted))
}

/// Nothing for an account that was removed meanwhile.
pub(crate) fn there<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Err(Error::Store(store::Error::NoSuchAccount)) => Ok(None),
        other => other.map(Some),
    }
}

/// What can be read; nothing, and why, of what cannot.
fn sound<T>(outcome: Result<T, store::Error>, damage: &mut Option<String>) -> Result<Option<T>, store::Error> {
    match outcome {
        Err(error @ (store::Error::Damaged(_) | store::Error::Fault(_))) => {
            damage.get_or_insert(error.to_string());
            Ok(None)
        }
        other => other.map(Some),
    }
}

fn worst(devices: &[DeviceCard], waiting: u64, is_damaged: bool) -> Light {
    let any = |light: Light| devices.iter().any(|card| card.light == light);
    if is_damaged || any(Light::Red) {
        Light::Red
    } else if waiting > 0 || any(Light::Amber) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ADMIN, NOW, administration};
    use store::AccountId;
    use store::device::{Credential, LastLogin};
    use store::removal::RemovalPolicy;

    fn add_device(administration: &Administration, id: AccountId, protocol: Protocol, removal: RemovalPolicy) {
        let account = administration.auth.store().account(id);
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = account.add_device(ADMIN, words::protocol(protocol), credential, Some(removal.into())).unwrap();
        let login = LastLogin { at: NOW, protocol, address: "192.0.2.7".to_owned(), tls: None, program: None };
        account.note_login(device, login).unwrap();
    }

    #[test]
    fn an_account_is_as_safe_as_its_worst_device() {
        let administration = administration(3);
        let [_, changed, emptied] = [16, 17, 18].map(AccountId);
        for id in [changed, emptied] {
            add_device(&administration, id, Protocol::Imap, RemovalPolicy::Keep);
        }
        add_device(&administration, changed, Protocol::Pop3, RemovalPolicy::Trash);
        add_device(&administration, emptied, Protocol::Pop3, RemovalPolicy::Expunge);
        let report = administration.report(None).unwrap();
        let lights: Vec<(Light, &str)> =
            report.accounts.iter().map(|account| (account.light, account.verdict.as_str())).collect();
        let expected = [
            (Light::Green, "Mail is safe."),
            (Light::Amber, "A device changes what the others see, as its owner chose."),
            (Light::Red, "A device takes mail from the others."),
        ];
        assert_eq!(lights, expected);
        let pop: Vec<usize> = report.accounts.iter().map(|account| account.pop_devices.len()).collect();
        assert_eq!((pop, report.accounts[2].devices), (vec![0, 1, 1], 2));
        assert_eq!((report.directory.len(), report.next_after), (0, None));
        let page = administration.accounts(&AccountsAsk { search: "user02", limit: 10, after: None }).unwrap();
        assert_eq!((page.accounts.len(), page.accounts[0].devices, page.next_after), (1, 2, None));
        assert_eq!(page.accounts[0].last_seen_at, Some(shown(NOW)));
    }

    #[test]
    fn the_list_has_pages_that_end_at_their_limit() {
        let administration = administration(3);
        let page = |after: Option<&str>, limit| {
            let page = administration.accounts(&AccountsAsk { search: "", after, limit }).unwrap();
            (page.accounts.into_iter().map(|line| line.address).collect::<Vec<_>>(), page.next_after)
        };
        let address = |n: usize| format!("user{n:02}@example.org");
        assert_eq!(page(None, 2), (vec![address(0), address(1)], Some(address(1))));
        assert_eq!(page(Some(&address(1)), 2), (vec![address(2)], None));
        assert_eq!(page(None, 3).1, None);
        assert_eq!(page(None, 0).0.len(), 1, "a page of none would never end");
    }

    #[test]
    fn the_report_has_pages() {
        let last = 15 + u32::try_from(REPORT_ACCOUNTS_MAX).unwrap();
        for (accounts, next_after) in [(REPORT_ACCOUNTS_MAX, None), (REPORT_ACCOUNTS_MAX + 1, Some(last))] {
            let administration = administration(accounts);
            let first = administration.report(None).unwrap();
            assert_eq!((first.accounts.len(), first.next_after), (REPORT_ACCOUNTS_MAX, next_after));
            let second = administration.report(Some(last)).unwrap();
            assert_eq!((second.accounts.len(), second.next_after), (accounts - REPORT_ACCOUNTS_MAX, None));
        }
    }

    #[test]
    fn what_waits_for_the_owner_and_what_is_wrong_comes_first() {
        let verdict = |waiting, findings| words::account_verdict(Light::Amber, &[], waiting, findings);
        assert!(verdict((3, 2), 1).contains("pillarbox check"));
        assert!(verdict((3, 2), 0).contains("removal of 3 messages is held"));
        assert!(verdict((0, 2), 0).contains("took 2 messages"));
    }
}
