//! Aliases are added and removed.

use crate::Directory;
use crate::address::Address;
use crate::domains::{is_local, must_be_local};
use crate::error::Error;
use crate::record::{self, Counters, Leads, key, read_name};
use std::collections::BTreeSet;
use store::TableTx;
use wording::tr;

impl Directory {
    /// From now on mail for `address` goes to each of `targets`, the addresses of accounts and addresses in domains that are
    /// not ours. `@example.org` is the catch-all: it gets what nobody else in that domain gets. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not an address, not in a local domain, in use already, a target in a local domain is not an
    /// account, none or too many targets, too many aliases.
    pub fn add_alias(&self, address: &str, targets: &[impl AsRef<str>]) -> Result<(), Error> {
        self.add_alias_where(address, targets, &|_| true)
    }

    /// The same for whoever is to learn nothing of accounts in other domains than these (normalised): a target there is kept as an
    /// address elsewhere is, and mail goes to whoever has it then, if anybody does.
    ///
    /// # Errors
    /// The same.
    pub fn add_alias_within(
        &self,
        address: &str,
        targets: &[impl AsRef<str>],
        domains: &BTreeSet<String>,
    ) -> Result<(), Error> {
        self.add_alias_where(address, targets, &|domain| domains.contains(domain))
    }

    fn add_alias_where(
        &self,
        address: &str,
        targets: &[impl AsRef<str>],
        is_known: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let address = Address::parse(address).map_err(Error::Refused)?;
        let max = self.0.options.limits.alias_targets;
        if targets.is_empty() {
            return Err(Error::refused(tr!("name at least one address that {alias} leads to", alias = address.text())));
        }
        if targets.len() > max {
            return Err(Error::refused(tr!(
                "an alias leads to at most {max} addresses; {named} were named",
                max = max,
                named = targets.len()
            )));
        }
        let targets = targets.iter().map(|target| Target::parse(target.as_ref()));
        let targets: Vec<Target> = targets.collect::<Result<_, _>>()?;
        self.0.table.change(|tx| {
            must_be_local(tx, &address.domain)?;
            must_be_free(tx, &address)?;
            let leads = leads_to(tx, &targets, is_known)?;
            let mut counters = Counters::read(tx)?;
            if counters.aliases >= self.0.options.limits.aliases {
                let max = self.0.options.limits.aliases;
                return Err(Error::refused(tr!(
                    "there are {max} aliases, the most this server holds; remove one",
                    max = max
                )));
            }
            counters.aliases += 1;
            counters.write(tx);
            tx.put(&key(record::ALIAS, &address.text()), leads.encode());
            Ok(())
        })
    }

    /// Removes an alias. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such alias.
    pub fn remove_alias(&self, address: &str) -> Result<(), Error> {
        let address = Address::parse(address).map_err(Error::Refused)?.text();
        self.0.table.change(|tx| {
            if tx.get(&key(record::ALIAS, &address))?.is_none() {
                return Err(Error::refused(tr!(
                    "there is no alias {address}; `pillarbox alias list` shows all",
                    address = address
                )));
            }
            delete_alias(tx, &address)
        })
    }
}

/// Refuses when an account or alias has the address, or when its name looks like a pattern: nothing here matches patterns.
pub(crate) fn must_be_free(tx: &TableTx<'_>, address: &Address) -> Result<(), Error> {
    if address.local_part.contains('*') {
        let Address { local_part, domain } = address;
        return Err(Error::refused(tr!(
            "a * in {local_part}@{domain} would stand for itself; what catches all that nobody else in the domain gets is \
             the alias @{domain}",
            local_part = local_part,
            domain = domain
        )));
    }
    let address = address.text();
    if read_name(tx, &address)?.is_some() {
        return Err(Error::refused(tr!("{address} is an account already", address = address)));
    }
    if tx.get(&key(record::ALIAS, &address))?.is_some() {
        return Err(Error::refused(tr!(
            "{address} is an alias already; `pillarbox alias remove {address}` frees it",
            address = address
        )));
    }
    if tx.get(&key(record::LIST, &address))?.is_some() {
        return Err(Error::refused(tr!(
            "{address} is a list already; `pillarbox list remove {address}` frees it",
            address = address
        )));
    }
    Ok(())
}

/// Removes an alias that is there.
pub(crate) fn delete_alias(tx: &mut TableTx<'_>, address: &str) -> Result<(), Error> {
    let mut counters = Counters::read(tx)?;
    counters.aliases = counters.aliases.saturating_sub(1);
    counters.write(tx);
    tx.delete(&key(record::ALIAS, address));
    Ok(())
}

/// An address that an alias is to lead to.
struct Target {
    address: Address,
    /// As it is written outside: the case of what stands before the @ may mean something there.
    outside: String,
}

impl Target {
    fn parse(text: &str) -> Result<Self, Error> {
        let address = Address::parse(text).map_err(Error::Refused)?;
        let outside = outside(text, &address)?;
        Ok(Self { address, outside })
    }
}

/// An address as other servers get it: its local part as it is written, its domain normalised.
///
/// # Errors
/// [`Error::Refused`]: a catch-all.
pub(crate) fn outside(text: &str, address: &Address) -> Result<String, Error> {
    match text.trim().rsplit_once('@') {
        Some((local_part, _)) if !local_part.is_empty() => Ok(format!("{local_part}@{}", address.domain)),
        Some(_) | None => {
            Err(Error::refused(tr!("“{text}” is no address of somebody; write it as name@example.org", text = text)))
        }
    }
}

fn leads_to(tx: &TableTx<'_>, targets: &[Target], is_known: &dyn Fn(&str) -> bool) -> Result<Leads, Error> {
    let mut leads = Leads::default();
    for Target { address, outside } in targets {
        if !is_local(tx, &address.domain)? || !is_known(&address.domain) {
            if !leads.outside.contains(outside) {
                leads.outside.push(outside.clone());
            }
            continue;
        }
        let target = address.text();
        let found = read_name(tx, &target)?.ok_or_else(|| {
            Error::refused(tr!("{target} is not an account here; an alias leads to accounts, not to other aliases, and to addresses in \
                 domains of others", target = target))
        })?;
        for id in found {
            if !leads.accounts.contains(&id) {
                leads.accounts.push(id);
            }
        }
    }
    Ok(leads)
}
