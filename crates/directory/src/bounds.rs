//! The rows of roles and of limits of domains (see `roles`), and how many accounts a domain has room for.

use crate::address::{domain_of, shown_domain};
use crate::error::Error;
use crate::record::{self, FORMAT, damaged, key, name_in, number_in, number_key};
use std::collections::{BTreeMap, BTreeSet};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Row, TableTx};
use wording::tr;

/// What stands for no limit.
const WITHOUT: u64 = u64::MAX;

/// How far administrators of a domain go. Whoever administers the server sets it, and is not bound by the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DomainLimits {
    /// It has so many accounts at most, whoever makes them.
    pub accounts: Option<u64>,
    /// Each holds so many octets at most; what a new one begins with.
    pub quota_bytes: Option<u64>,
}

impl DomainLimits {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        for limit in [self.accounts, self.quota_bytes] {
            value.raw(&limit.unwrap_or(WITHOUT).to_be_bytes());
        }
        value.0
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let mut limit = || fields.array().map(u64::from_be_bytes).map(|limit| Some(limit).filter(|n| *n != WITHOUT));
        let limits = Self { accounts: limit()?, quota_bytes: limit()? };
        fields.end()?;
        Ok(limits)
    }
}

/// How many accounts domains have room for, counted once in a change.
#[derive(Default)]
pub(crate) struct Room(BTreeMap<String, Option<u64>>);

impl Room {
    /// Takes the room of an account.
    ///
    /// # Errors
    /// [`Error::Refused`]: there is none.
    pub(crate) fn take(&mut self, tx: &TableTx<'_>, domain: &str) -> Result<(), Error> {
        if !self.0.contains_key(domain) {
            let left = left(tx, domain)?;
            self.0.insert(domain.to_owned(), left);
        }
        match self.0.get_mut(domain) {
            Some(Some(0)) => Err(Error::refused(tr!(
                "{domain} has as many accounts as it may have; whoever administers the server can let it have more",
                domain = shown_domain(domain)
            ))),
            Some(Some(left)) => {
                *left -= 1;
                Ok(())
            }
            Some(None) | None => Ok(()),
        }
    }
}

/// How many accounts a domain may still get; `None`: as many as the server holds.
fn left(tx: &TableTx<'_>, domain: &str) -> Result<Option<u64>, store::Error> {
    let key = key(record::BOUNDS, domain);
    let Some(value) = tx.get(&key)? else { return Ok(None) };
    let limits = DomainLimits::decode(&value).map_err(|Corrupt| damaged(&key))?;
    let Some(max) = limits.accounts else { return Ok(None) };
    let mut count = 0;
    for (key, _) in tx.scan_before(record::NAME, record::NAME, usize::MAX)? {
        count += u64::from(domain_of(name_in(&key)?) == domain);
    }
    Ok(Some(max.saturating_sub(count)))
}

/// The owner of an account administers nothing any more.
pub(crate) fn delete(tx: &mut TableTx<'_>, id: AccountId) {
    tx.delete(&number_key(record::ROLE, id));
}

/// A domain that is not local any more has no administrators, and no limits.
pub(crate) fn delete_domain(tx: &mut TableTx<'_>, domain: &str) -> Result<(), store::Error> {
    for row in tx.scan_before(record::ROLE, record::ROLE, usize::MAX)? {
        let (id, mut domains) = of_row(&row)?;
        if domains.remove(domain) {
            write(tx, id, &domains);
        }
    }
    tx.delete(&key(record::BOUNDS, domain));
    Ok(())
}

/// Whose role a row is, and of which domains.
pub(crate) fn of_row((key, value): &Row) -> Result<(AccountId, BTreeSet<String>), store::Error> {
    Ok((number_in(key)?, decode(value).map_err(|Corrupt| damaged(key))?))
}

/// The domains that the owner of an account administers.
pub(crate) fn read(tx: &TableTx<'_>, id: AccountId) -> Result<BTreeSet<String>, store::Error> {
    let key = number_key(record::ROLE, id);
    let value = tx.get(&key)?;
    value.map_or(Ok(BTreeSet::new()), |value| decode(&value).map_err(|Corrupt| damaged(&key)))
}

/// Whoever is logged in is asked anew.
pub(crate) fn write(tx: &mut TableTx<'_>, id: AccountId, domains: &BTreeSet<String>) {
    match domains.is_empty() {
        true => tx.delete(&number_key(record::ROLE, id)),
        false => tx.put(&number_key(record::ROLE, id), encode(domains)),
    }
    tx.concerns_logins_of(id);
}

pub(crate) fn encode(domains: &BTreeSet<String>) -> Vec<u8> {
    let mut value = Writer::of_format(FORMAT);
    for domain in domains {
        value.wide_text(domain);
    }
    value.0
}

/// At least one.
pub(crate) fn decode(value: &[u8]) -> Result<BTreeSet<String>, Corrupt> {
    let mut fields = Reader::of_format(value, FORMAT)?;
    let mut domains = BTreeSet::new();
    while !fields.0.is_empty() {
        if !domains.insert(fields.wide_text()?) {
            return Err(Corrupt);
        }
    }
    if domains.is_empty() { Err(Corrupt) } else { Ok(domains) }
}

/// What is wrong with roles, one sentence each.
pub(crate) fn check(
    rows: &[Row],
    accounts: &BTreeMap<AccountId, String>,
    domains: &BTreeSet<String>,
) -> Result<Vec<String>, store::Error> {
    let mut findings = Vec::new();
    for row in rows {
        let (id, administered) = of_row(row)?;
        if !accounts.contains_key(&id) {
            findings.push(format!("account {id}, which is not there, administers domains"));
        }
        let lost = administered.difference(domains);
        findings.extend(lost.map(|domain| format!("account {id} administers {domain}, which is no local domain")));
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn what_is_written_is_read_and_damage_is_found(domains: BTreeSet<String>, accounts in 0..WITHOUT, bytes: Vec<u8>) {
            let expected = if domains.is_empty() { Err(Corrupt) } else { Ok(domains.clone()) };
            prop_assert_eq!(decode(&encode(&domains)), expected);
            for limits in [DomainLimits { accounts: Some(accounts), quota_bytes: None }, DomainLimits { accounts: None, quota_bytes: Some(accounts) }] {
                prop_assert_eq!(DomainLimits::decode(&limits.encode()), Ok(limits));
                prop_assert!(DomainLimits::decode(&limits.encode()[..16]).is_err());
            }
            let _ = (decode(&bytes), DomainLimits::decode(&bytes));
        }
    }
}
