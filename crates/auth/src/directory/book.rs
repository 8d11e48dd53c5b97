//! The directory in memory, as of one version of its table. It never changes.

use super::record::{self, AccountRecord, accounts_of, name_in, number_in};
use super::{AccountInfo, Alias, Delivery, DomainInfo, Resolution};
use crate::address::{USER_BYTES_MAX, domain_of, fold, join, normalise_domain, shown_domain, split_detail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::{AccountId, Error, ModSeq, Row, Table};

/// Names that reach somebody in every domain (RFC 5321 §4.5.1, RFC 2142 §2).
const ALWAYS_DELIVERABLE: [&str; 2] = ["postmaster", "abuse"];

/// The directory in memory.
#[derive(Default)]
pub(super) struct Book {
    /// The table has been read at this version or a later one.
    pub(super) version: ModSeq,
    domains: BTreeSet<String>,
    accounts: BTreeMap<AccountId, Arc<AccountRecord>>,
    names: HashMap<String, AccountId>,
    aliases: HashMap<String, Vec<AccountId>>,
    /// Local parts of accounts; `None` where two domains have the same.
    bare_names: HashMap<String, Option<AccountId>>,
    /// Who is an administrator and may log in, by number.
    administrators: Vec<AccountId>,
    /// The first account of each domain that has one.
    firsts: HashMap<String, AccountId>,
}

impl Book {
    pub(super) fn load(table: &Table) -> Result<Self, Error> {
        // Older than what is read, or just that: in doubt the table is read once more.
        let version = table.version()?;
        let mut book = Self { version, ..Self::default() };
        // A change that changes nothing: all rows are of one version.
        let kinds: Vec<Vec<Row>> = table.change::<_, Error>(|tx| {
            let kinds = [record::DOMAIN, record::ACCOUNT, record::NAME, record::ALIAS];
            kinds.into_iter().map(|kind| tx.scan_before(kind, kind, usize::MAX)).collect()
        })?;
        for row in kinds.iter().flatten() {
            book.add(row)?;
        }
        book.find_names_and_firsts();
        Ok(book)
    }

    fn add(&mut self, row: &Row) -> Result<(), Error> {
        let (key, _) = row;
        match key.get(..1) {
            Some(record::DOMAIN) => drop(self.domains.insert(name_in(key)?.to_owned())),
            Some(record::ACCOUNT) => {
                self.accounts.insert(number_in(key)?, Arc::new(AccountRecord::of_row(row)?));
            }
            Some(record::NAME) => {
                let [id] = accounts_of(row)?[..] else { return Err(record::damaged(key)) };
                self.names.insert(name_in(key)?.to_owned(), id);
            }
            Some(record::ALIAS) => drop(self.aliases.insert(name_in(key)?.to_owned(), accounts_of(row)?)),
            Some(_) | None => {}
        }
        Ok(())
    }

    fn find_names_and_firsts(&mut self) {
        let disabled_last = |wanted: bool| self.accounts.iter().filter(move |(_, record)| record.disabled == wanted);
        for (id, record) in disabled_last(false).chain(disabled_last(true)) {
            let Some((local_part, domain)) = record.address.rsplit_once('@') else { continue };
            self.firsts.entry(domain.to_owned()).or_insert(*id);
            self.bare_names.entry(local_part.to_owned()).and_modify(|known| *known = None).or_insert(Some(*id));
        }
        let is_one = |(_, record): &(&AccountId, &Arc<AccountRecord>)| record.admin && !record.disabled;
        self.administrators = self.accounts.iter().filter(is_one).map(|(id, _)| *id).collect();
    }

    pub(super) fn resolve(&self, local_part: &str, domain: &str, postmaster: Option<&str>) -> Resolution {
        // RFC 5321 §4.1.1.3: the only mailbox without a domain.
        if domain.is_empty() {
            let found = self.postmasters(postmaster).or_else(|| self.first_of_all());
            return match (fold(local_part).as_str(), found) {
                ("postmaster", Some(ids)) => self.deliver(&ids, None),
                ("postmaster", None) => Resolution::NoSuchUser,
                (_, _) => Resolution::NotLocal,
            };
        }
        let Some(domain) = normalise_domain(domain).filter(|domain| self.has_domain(domain)) else {
            return Resolution::NotLocal;
        };
        if let Some(ids) = self.exact(&join(&fold(local_part), &domain)) {
            return self.deliver(&ids, None);
        }
        let (name, detail) = match split_detail(local_part) {
            Some((name, detail)) => (fold(name), Some(detail)),
            None => (fold(local_part), None),
        };
        let always = ALWAYS_DELIVERABLE.contains(&name.as_str());
        let found = detail
            .and_then(|_| self.exact(&join(&name, &domain)))
            .or_else(|| self.postmasters(postmaster).filter(|_| always))
            .or_else(|| self.aliases.get(&join("", &domain)).cloned())
            .or_else(|| self.first_in(&domain).filter(|_| always));
        found.map_or(Resolution::NoSuchUser, |ids| self.deliver(&ids, detail))
    }

    fn deliver(&self, ids: &[AccountId], detail: Option<&str>) -> Resolution {
        let delivery = |id: &AccountId| {
            let record = self.accounts.get(id)?;
            Some(Delivery { account: *id, address: record.address.clone(), detail: detail.map(str::to_owned) })
        };
        let accounts: Vec<Delivery> = ids.iter().filter_map(delivery).collect();
        if accounts.is_empty() { Resolution::NoSuchUser } else { Resolution::Local { accounts } }
    }

    /// The accounts of an account or alias of exactly this address.
    fn exact(&self, address: &str) -> Option<Vec<AccountId>> {
        match self.names.get(address) {
            Some(id) => Some(vec![*id]),
            None => self.aliases.get(address).cloned(),
        }
    }

    /// The accounts of the configured postmaster, if it is an account or alias.
    fn configured(&self, postmaster: Option<&str>) -> Option<Vec<AccountId>> {
        let (local_part, domain) = postmaster?.trim().rsplit_once('@')?;
        self.exact(&join(&fold(local_part), &normalise_domain(domain)?))
    }

    /// Who was chosen to read mail to the postmaster: the configured one, else the administrators. The catch-all of a domain
    /// is not asked before them: what is sent there can have a certificate made out to the domain.
    fn postmasters(&self, configured: Option<&str>) -> Option<Vec<AccountId>> {
        let administrators = || Some(self.administrators.clone()).filter(|ids| !ids.is_empty());
        self.configured(configured).or_else(administrators)
    }

    pub(super) fn has_administrator(&self) -> bool {
        !self.administrators.is_empty()
    }

    fn first_in(&self, domain: &str) -> Option<Vec<AccountId>> {
        self.firsts.get(domain).map(|id| vec![*id]).or_else(|| self.first_of_all())
    }

    fn first_of_all(&self) -> Option<Vec<AccountId>> {
        let enabled = self.accounts.iter().find(|(_, record)| !record.disabled);
        enabled.or_else(|| self.accounts.first_key_value()).map(|(id, _)| vec![*id])
    }

    pub(super) fn who_logs_in(&self, user: &str) -> Option<(AccountId, Arc<AccountRecord>)> {
        let user = Some(user.trim()).filter(|user| user.len() <= USER_BYTES_MAX)?;
        let id = match user.rsplit_once('@') {
            Some((local_part, domain)) => self.account_at(&join(&fold(local_part), &normalise_domain(domain)?))?,
            None => self.bare_names.get(&fold(user)).copied().flatten()?,
        };
        self.accounts.get(&id).map(|record| (id, Arc::clone(record)))
    }

    /// `domain` is normalised.
    pub(super) fn has_domain(&self, domain: &str) -> bool {
        self.domains.contains(domain)
    }

    /// `address` is normalised.
    pub(super) fn account_at(&self, address: &str) -> Option<AccountId> {
        self.names.get(address).copied()
    }

    /// `address` is normalised.
    pub(super) fn is_taken(&self, address: &str) -> bool {
        self.names.contains_key(address) || self.aliases.contains_key(address)
    }

    pub(super) fn record(&self, id: AccountId) -> Option<Arc<AccountRecord>> {
        self.accounts.get(&id).map(Arc::clone)
    }

    pub(super) fn info(&self, id: AccountId) -> Option<AccountInfo> {
        let AccountRecord { address, display, disabled, admin, created_at, .. } = &**self.accounts.get(&id)?;
        let (address, display, created_at) = (address.clone(), display.clone(), *created_at);
        Some(AccountInfo { id, address, display, disabled: *disabled, admin: *admin, created_at })
    }

    pub(super) fn domains(&self) -> Vec<DomainInfo> {
        let info = |name: &String| DomainInfo { name: name.clone(), shown: shown_domain(name) };
        self.domains.iter().map(info).collect()
    }

    pub(super) fn accounts(&self) -> Vec<AccountInfo> {
        let mut accounts: Vec<AccountInfo> = self.accounts.keys().filter_map(|id| self.info(*id)).collect();
        accounts.sort_by(|a, b| by_domain(&a.address).cmp(&by_domain(&b.address)));
        accounts
    }

    pub(super) fn aliases(&self) -> Vec<Alias> {
        let target = |id: &AccountId| self.accounts.get(id).map(|record| record.address.clone());
        let alias = |(address, ids): (&String, &Vec<AccountId>)| Alias {
            address: address.clone(),
            targets: ids.iter().filter_map(target).collect(),
        };
        let mut aliases: Vec<Alias> = self.aliases.iter().map(alias).collect();
        aliases.sort_by(|a, b| by_domain(&a.address).cmp(&by_domain(&b.address)));
        aliases
    }
}

/// Lists go domain by domain.
fn by_domain(address: &str) -> (&str, &str) {
    (domain_of(address), address)
}
