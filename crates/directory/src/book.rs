//! The directory in memory, as of one version of its table; a change of a few rows changes it in place.

use crate::address::{USER_BYTES_MAX, domain_of, fold, join, normalise_domain, shown_domain, split_detail};
use crate::bounds;
use crate::forwards::ForwardRecord;
use crate::leaving::Leaving;
use crate::listing::{Place, in_list};
use crate::record::{self, AccountRecord, Leads, accounts_of, name_in, number_in};
use crate::{AccountInfo, Alias, Delivery, DomainInfo, Forward, List, Resolution};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use store::{AccountId, Error, ModSeq, Table, Timestamp};

/// Names that reach somebody in every domain (RFC 5321 §4.5.1, RFC 2142 §2).
const ALWAYS_DELIVERABLE: [&str; 2] = ["postmaster", "abuse"];

/// The directory in memory.
#[derive(Default)]
pub(crate) struct Book {
    /// The table has been read at this version or a later one.
    pub(crate) version: ModSeq,
    domains: BTreeSet<String>,
    accounts: BTreeMap<AccountId, Arc<AccountRecord>>,
    names: HashMap<String, AccountId>,
    /// The accounts as lists have them.
    in_order: BTreeMap<Place, AccountId>,
    aliases: HashMap<String, Leads>,
    lists: BTreeMap<String, Arc<List>>,
    /// Where mail of an account is forwarded to.
    forwards: HashMap<AccountId, Forward>,
    /// Whose mail is never put into Junk.
    without_junk_filter: BTreeSet<AccountId>,
    /// Accounts that are to be removed.
    leaving: BTreeMap<AccountId, Leaving>,
    /// Who administers which domains.
    roles: BTreeMap<AccountId, Arc<BTreeSet<String>>>,
    /// The accounts of a local part: a name without a domain means the only one that there is.
    bare_names: HashMap<String, BTreeSet<AccountId>>,
    /// Whether programs are told that they may show a token.
    pub(crate) announces_tokens: bool,
    /// Who is an administrator and may log in.
    administrators: BTreeSet<AccountId>,
    /// The accounts of each domain that has one, those that are disabled last.
    by_domain: HashMap<String, BTreeSet<(bool, AccountId)>>,
}

impl Book {
    pub(crate) fn load(table: &Table) -> Result<Self, Error> {
        let kinds = [
            record::DOMAIN,
            record::ACCOUNT,
            record::NAME,
            record::ALIAS,
            record::LIST,
            record::FORWARD,
            record::WITHOUT_JUNK_FILTER,
            record::LEAVING,
            record::ROLE,
            record::TOKENS,
        ];
        let (version, rows) = table.scan_all(&kinds)?;
        let mut book = Self { version, ..Self::default() };
        for (key, value) in rows {
            book.set(&key, Some(value))?;
        }
        Ok(book)
    }

    /// Brings what was read to a later version, by what has changed; false when that is not known.
    pub(crate) fn follow(&mut self, table: &Table, to: ModSeq) -> Result<bool, Error> {
        let Some(changed) = table.changed(self.version, to) else { return Ok(false) };
        for (key, value) in changed.iter().flat_map(|rows| rows.iter()) {
            self.set(key, value.clone())?;
        }
        self.version = to;
        Ok(true)
    }

    /// A row is set or removed.
    fn set(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Result<(), Error> {
        let row = value.map(|value| (key.to_vec(), value));
        match (key.get(..1), row) {
            (Some(record::DOMAIN), Some(_)) => drop(self.domains.insert(name_in(key)?.to_owned())),
            (Some(record::DOMAIN), None) => drop(self.domains.remove(name_in(key)?)),
            (Some(record::ACCOUNT), row) => {
                let record = row.map(|row| AccountRecord::of_row(&row)).transpose()?;
                self.set_account(number_in(key)?, record.map(Arc::new));
            }
            (Some(record::NAME), Some(row)) => {
                let [id] = accounts_of(&row)?[..] else { return Err(record::damaged(key)) };
                self.names.insert(name_in(key)?.to_owned(), id);
            }
            (Some(record::NAME), None) => drop(self.names.remove(name_in(key)?)),
            (Some(record::ALIAS), Some(row)) => {
                drop(self.aliases.insert(name_in(key)?.to_owned(), Leads::of_row(&row)?));
            }
            (Some(record::ALIAS), None) => drop(self.aliases.remove(name_in(key)?)),
            (Some(record::LIST), Some(row)) => {
                drop(self.lists.insert(name_in(key)?.to_owned(), Arc::new(List::of_row(&row)?)));
            }
            (Some(record::LIST), None) => drop(self.lists.remove(name_in(key)?)),
            (Some(record::FORWARD), row) => {
                let record = row.map(|row| ForwardRecord::of_row(&row)).transpose()?;
                match record.and_then(|record| record.active) {
                    Some(forward) => drop(self.forwards.insert(number_in(key)?, forward)),
                    None => drop(self.forwards.remove(&number_in(key)?)),
                }
            }
            (Some(record::WITHOUT_JUNK_FILTER), Some(_)) => drop(self.without_junk_filter.insert(number_in(key)?)),
            (Some(record::WITHOUT_JUNK_FILTER), None) => drop(self.without_junk_filter.remove(&number_in(key)?)),
            (Some(record::LEAVING), Some(row)) => {
                let (id, leaving) = Leaving::of_row(&row)?;
                self.leaving.insert(id, leaving);
            }
            (Some(record::LEAVING), None) => drop(self.leaving.remove(&number_in(key)?)),
            (Some(record::ROLE), Some(row)) => {
                let (id, domains) = bounds::of_row(&row)?;
                self.roles.insert(id, Arc::new(domains));
            }
            (Some(record::ROLE), None) => drop(self.roles.remove(&number_in(key)?)),
            (Some(record::TOKENS), row) => self.announces_tokens = row.is_some(),
            (Some(_) | None, _) => {}
        }
        Ok(())
    }

    fn set_account(&mut self, id: AccountId, record: Option<Arc<AccountRecord>>) {
        let before = match &record {
            Some(record) => self.accounts.insert(id, Arc::clone(record)),
            None => self.accounts.remove(&id),
        };
        if let Some(before) = before {
            let Some((local_part, domain)) = before.address.rsplit_once('@') else { return };
            take_out(&mut self.bare_names, local_part, &id);
            take_out(&mut self.by_domain, domain, &(before.disabled, id));
            let place = in_list(&before.address);
            if self.in_order.get(&place) == Some(&id) {
                self.in_order.remove(&place);
            }
            self.administrators.remove(&id);
        }
        if let Some(record) = record {
            let Some((local_part, domain)) = record.address.rsplit_once('@') else { return };
            self.bare_names.entry(local_part.to_owned()).or_default().insert(id);
            self.by_domain.entry(domain.to_owned()).or_default().insert((record.disabled, id));
            self.in_order.insert(in_list(&record.address), id);
            if record.admin && !record.disabled {
                self.administrators.insert(id);
            }
        }
    }

    pub(crate) fn resolve(&self, local_part: &str, domain: &str, postmaster: Option<&str>) -> Resolution {
        // RFC 5321 §4.1.1.3: the only mailbox without a domain.
        if domain.is_empty() {
            let found = self.postmasters(postmaster).or_else(|| self.first_of_all());
            return match (fold(local_part).as_str(), found) {
                ("postmaster", Some(ids)) => self.deliver(&Leads::to(ids), None),
                ("postmaster", None) => Resolution::NoSuchUser,
                (_, _) => Resolution::NotLocal,
            };
        }
        let Some(domain) = normalise_domain(domain).filter(|domain| self.has_domain(domain)) else {
            return Resolution::NotLocal;
        };
        let whole = join(&fold(local_part), &domain);
        if let Some(leads) = self.exact(&whole) {
            return self.deliver(&leads, None);
        }
        if let Some(list) = self.list(&whole) {
            return Resolution::List(list, None);
        }
        let (name, detail) = match split_detail(local_part) {
            Some((name, detail)) => (fold(name), Some(detail)),
            None => (fold(local_part), None),
        };
        if let Some(list) = self.list(&join(&name, &domain)) {
            return Resolution::List(list, detail.map(str::to_owned));
        }
        let always = ALWAYS_DELIVERABLE.contains(&name.as_str());
        let found = detail
            .and_then(|_| self.exact(&join(&name, &domain)))
            .or_else(|| self.postmasters(postmaster).filter(|_| always).map(Leads::to))
            .or_else(|| self.aliases.get(&join("", &domain)).cloned())
            .or_else(|| self.first_in(&domain).filter(|_| always).map(Leads::to));
        found.map_or(Resolution::NoSuchUser, |leads| self.deliver(&leads, detail))
    }

    fn deliver(&self, leads: &Leads, detail: Option<&str>) -> Resolution {
        let delivery = |id: &AccountId| {
            // What is taken for one that leaves would be thrown away.
            let record = self.accounts.get(id).filter(|_| self.leaving(*id).is_none())?;
            Some(Delivery { account: *id, address: record.address.clone(), detail: detail.map(str::to_owned) })
        };
        let mut ids = leads.accounts.clone();
        let mut outside = Vec::new();
        for address in &leads.outside {
            match address.rsplit_once('@') {
                // The domain has become ours since: an alias leads to accounts and never to another alias.
                Some((local_part, domain)) if self.has_domain(domain) => {
                    let id = self.account_at(&join(&fold(local_part), domain));
                    ids.extend(id.filter(|id| !ids.contains(id)));
                }
                Some(_) | None => outside.push(address.clone()),
            }
        }
        let accounts: Vec<Delivery> = ids.iter().filter_map(delivery).collect();
        match accounts.is_empty() && outside.is_empty() {
            true => Resolution::NoSuchUser,
            false => Resolution::Local { accounts, outside },
        }
    }

    /// Where an account or alias of exactly this address leads to.
    fn exact(&self, address: &str) -> Option<Leads> {
        match self.names.get(address) {
            Some(id) => Some(Leads::to(vec![*id])),
            None => self.aliases.get(address).cloned(),
        }
    }

    /// The accounts of the configured postmaster, if it is an account, or an alias that leads to one.
    fn configured(&self, postmaster: Option<&str>) -> Option<Vec<AccountId>> {
        let (local_part, domain) = postmaster?.trim().rsplit_once('@')?;
        let leads = self.exact(&join(&fold(local_part), &normalise_domain(domain)?))?;
        let ids: Vec<AccountId> = leads.accounts.into_iter().filter(|id| self.leaving(*id).is_none()).collect();
        Some(ids).filter(|ids| !ids.is_empty())
    }

    /// Who was chosen to read mail to the postmaster: the configured one, else the administrators. The catch-all of a domain
    /// is not asked before them: what is sent there can have a certificate made out to the domain.
    fn postmasters(&self, configured: Option<&str>) -> Option<Vec<AccountId>> {
        let administrators = || self.administrators.iter().copied().collect();
        self.configured(configured).or_else(|| self.has_administrator().then(administrators))
    }

    pub(crate) fn has_administrator(&self) -> bool {
        !self.administrators.is_empty()
    }

    fn first_in(&self, domain: &str) -> Option<Vec<AccountId>> {
        let mut all = self.by_domain.get(domain).into_iter().flatten().map(|(_, id)| *id);
        let first = all.find(|id| self.leaving(*id).is_none()).map(|id| vec![id]);
        first.or_else(|| self.first_of_all())
    }

    fn first_of_all(&self) -> Option<Vec<AccountId>> {
        let enabled = self.accounts.iter().find(|(_, record)| !record.disabled);
        let staying = || self.accounts.iter().find(|(id, _)| self.leaving(**id).is_none());
        enabled.or_else(staying).map(|(id, _)| vec![*id])
    }

    pub(crate) fn who_logs_in(&self, user: &str) -> Option<(AccountId, Arc<AccountRecord>)> {
        let user = Some(user.trim()).filter(|user| user.len() <= USER_BYTES_MAX)?;
        let id = match user.rsplit_once('@') {
            Some((local_part, domain)) => self.account_at(&join(&fold(local_part), &normalise_domain(domain)?))?,
            None => match self.bare_names.get(&fold(user))? {
                ids if ids.len() == 1 => ids.first().copied()?,
                _ => return None,
            },
        };
        self.accounts.get(&id).map(|record| (id, Arc::clone(record)))
    }

    /// As [`Self::who_logs_in`]; a name that nobody logs in with means the one account that it is an alias of.
    pub(crate) fn whose(&self, name: &str) -> Option<(AccountId, Arc<AccountRecord>)> {
        if let Some(known) = self.who_logs_in(name) {
            return Some(known);
        }
        // Nobody at a domain is its catch-all.
        let name = Some(name.trim())
            .filter(|name| name.len() <= USER_BYTES_MAX && !name.is_empty() && !name.starts_with('@'))?;
        let only = |leads: &Leads| match leads.accounts[..] {
            [id] if leads.outside.is_empty() => Some(id),
            _ => None,
        };
        let id = match name.rsplit_once('@') {
            Some((local_part, domain)) => {
                self.aliases.get(&join(&fold(local_part), &normalise_domain(domain)?)).and_then(only)
            }
            // Several accounts have it.
            None if self.bare_names.contains_key(&fold(name)) => None,
            None => {
                let mut all = self.domains.iter().filter_map(|domain| self.aliases.get(&join(&fold(name), domain)));
                let first = all.next()?;
                only(first).filter(|_| all.all(|other| other == first))
            }
        }?;
        self.accounts.get(&id).map(|record| (id, Arc::clone(record)))
    }

    /// Only one that is disabled leaves: an earlier version that does not know the row may have let it in again.
    pub(crate) fn leaving(&self, id: AccountId) -> Option<Leaving> {
        let leaving = self.leaving.get(&id).copied()?;
        self.accounts.get(&id).is_some_and(|record| record.disabled).then_some(leaving)
    }

    /// Accounts that are to be gone by then.
    pub(crate) fn leavers_until(&self, now: Timestamp, max: usize) -> Vec<AccountId> {
        let leavers = self.leaving.keys().filter_map(|id| Some((*id, self.leaving(*id)?)));
        leavers.filter(|(_, leaving)| leaving.goes_at <= now).map(|(id, _)| id).take(max).collect()
    }

    /// `domain` is normalised.
    pub(crate) fn has_domain(&self, domain: &str) -> bool {
        self.domains.contains(domain)
    }

    /// `address` is normalised.
    pub(crate) fn account_at(&self, address: &str) -> Option<AccountId> {
        self.names.get(address).copied()
    }

    /// `address` is normalised.
    pub(crate) fn is_taken(&self, address: &str) -> bool {
        self.names.contains_key(address) || self.aliases.contains_key(address) || self.lists.contains_key(address)
    }

    /// `address` is normalised.
    pub(crate) fn list(&self, address: &str) -> Option<Arc<List>> {
        self.lists.get(address).map(Arc::clone)
    }

    pub(crate) fn lists(&self) -> Vec<Arc<List>> {
        self.lists.values().map(Arc::clone).collect()
    }

    pub(crate) fn record(&self, id: AccountId) -> Option<Arc<AccountRecord>> {
        self.accounts.get(&id).map(Arc::clone)
    }

    pub(crate) fn info(&self, id: AccountId) -> Option<AccountInfo> {
        let AccountRecord { address, display, disabled, admin, created_at, .. } = &**self.accounts.get(&id)?;
        let (address, display, created_at) = (address.clone(), display.clone(), *created_at);
        let administers = self.administers(id);
        Some(AccountInfo { id, address, display, disabled: *disabled, admin: *admin, administers, created_at })
    }

    pub(crate) fn administers(&self, id: AccountId) -> Arc<BTreeSet<String>> {
        self.roles.get(&id).map(Arc::clone).unwrap_or_default()
    }

    /// `domain` is normalised.
    pub(crate) fn administrators_of(&self, domain: &str) -> Vec<AccountId> {
        self.roles.iter().filter(|(_, domains)| domains.contains(domain)).map(|(id, _)| *id).collect()
    }

    /// The accounts that an alias of exactly this address (normalised) leads to by their numbers.
    pub(crate) fn led_to(&self, alias: &str) -> &[AccountId] {
        self.aliases.get(alias).map_or(&[], |leads| &leads.accounts)
    }

    /// The accounts that aliases in other domains than these lead to by their numbers, and owners of lists there.
    pub(crate) fn reached_from_outside(&self, domains: &BTreeSet<String>) -> BTreeSet<AccountId> {
        let is_outside = |address: &str| !domains.contains(domain_of(address));
        let aliases = self.aliases.iter().filter(|(address, _)| is_outside(address)).map(|(_, leads)| &leads.accounts);
        let lists = self.lists.values().filter(|list| is_outside(&list.address)).map(|list| &list.owners);
        aliases.chain(lists).flatten().copied().collect()
    }

    pub(crate) fn forward(&self, id: AccountId) -> Option<Forward> {
        self.forwards.get(&id).filter(|_| self.leaving(id).is_none()).cloned()
    }

    pub(crate) fn filters_junk(&self, id: AccountId) -> bool {
        !self.without_junk_filter.contains(&id)
    }

    pub(crate) fn domains(&self) -> Vec<DomainInfo> {
        let info = |name: &String| DomainInfo { name: name.clone(), shown: shown_domain(name) };
        self.domains.iter().map(info).collect()
    }

    pub(crate) fn has_scram_keys(&self) -> bool {
        self.accounts.values().any(|record| !record.scram.is_empty())
    }

    pub(crate) fn accounts(&self) -> Vec<AccountInfo> {
        self.in_order.values().filter_map(|id| self.info(*id)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Of the next accounts of the list, `count` at most, those that are wanted; and which was the last, unless it was the last
    /// of all.
    pub(crate) fn some_accounts(
        &self,
        after: Option<&Place>,
        count: usize,
        is_wanted: &dyn Fn(&AccountRecord) -> bool,
    ) -> (Vec<AccountInfo>, Option<Place>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut found, mut looked_at, mut last): (_, _, Option<&Place>) = (Vec::new(), 0, None);
        for (place, id) in self.in_order.range::<Place, _>((from, Bound::Unbounded)) {
            if looked_at == count {
                return (found, last.cloned());
            }
            (looked_at, last) = (looked_at + 1, Some(place));
            if self.accounts.get(id).is_some_and(|record| is_wanted(record)) {
                found.extend(self.info(*id));
            }
        }
        (found, None)
    }

    pub(crate) fn accounts_by_number(&self, after: Option<AccountId>, limit: usize) -> Vec<AccountInfo> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.accounts.range((from, Bound::Unbounded)).take(limit);
        ids.filter_map(|(id, _)| self.info(*id)).collect()
    }

    pub(crate) fn aliases(&self) -> Vec<Alias> {
        let target = |id: &AccountId| self.accounts.get(id).map(|record| record.address.clone());
        let alias = |(address, leads): (&String, &Leads)| Alias {
            address: address.clone(),
            targets: leads.accounts.iter().filter_map(target).chain(leads.outside.iter().cloned()).collect(),
        };
        let mut aliases: Vec<Alias> = self.aliases.iter().map(alias).collect();
        aliases.sort_by_cached_key(|alias| in_list(&alias.address));
        aliases
    }
}

fn take_out<T: Ord>(sets: &mut HashMap<String, BTreeSet<T>>, of: &str, what: &T) {
    if let Some(set) = sets.get_mut(of) {
        set.remove(what);
        if set.is_empty() {
            sets.remove(of);
        }
    }
}
