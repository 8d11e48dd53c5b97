//! Aliases are added and removed.

use crate::Directory;
use crate::address::Address;
use crate::domains::must_be_local;
use crate::error::Error;
use crate::record::{self, Counters, accounts_value, key, read_accounts};
use store::{AccountId, TableTx};

impl Directory {
    /// From now on mail for `address` goes to each of `targets`, the addresses of accounts. `@example.org` is the
    /// catch-all: it gets what nobody else in that domain gets. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not an address, not in a local domain, in use already, a target is not an account, none or
    /// too many targets, too many aliases.
    pub fn add_alias(&self, address: &str, targets: &[impl AsRef<str>]) -> Result<(), Error> {
        let address = Address::parse(address).map_err(Error::Refused)?;
        let max = self.0.options.limits.alias_targets;
        if targets.is_empty() {
            return Err(Error::refused(format!("name at least one account that {} leads to", address.text())));
        }
        if targets.len() > max {
            return Err(Error::refused(format!(
                "an alias leads to at most {max} accounts; {} were named",
                targets.len()
            )));
        }
        let targets = targets.iter().map(|target| Address::parse(target.as_ref()).map_err(Error::Refused));
        let targets: Vec<Address> = targets.collect::<Result<_, _>>()?;
        self.0.table.change(|tx| {
            must_be_local(tx, &address.domain)?;
            must_be_free(tx, &address)?;
            let ids = accounts_at(tx, &targets)?;
            let mut counters = Counters::read(tx)?;
            if counters.aliases >= self.0.options.limits.aliases {
                let max = self.0.options.limits.aliases;
                return Err(Error::refused(format!("there are {max} aliases, the most this server holds; remove one")));
            }
            counters.aliases += 1;
            counters.write(tx);
            tx.put(&key(record::ALIAS, &address.text()), accounts_value(&ids));
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
            if read_accounts(tx, record::ALIAS, &address)?.is_none() {
                return Err(Error::refused(format!("there is no alias {address}; `pillarbox alias list` shows all")));
            }
            delete_alias(tx, &address)
        })
    }
}

/// Refuses when an account or alias has the address, or when its name looks like a pattern: nothing here matches patterns.
pub(crate) fn must_be_free(tx: &TableTx<'_>, address: &Address) -> Result<(), Error> {
    if address.local_part.contains('*') {
        let Address { local_part, domain } = address;
        return Err(Error::refused(format!(
            "a * in {local_part}@{domain} would stand for itself; what catches all that nobody else in the domain gets is \
             the alias @{domain}"
        )));
    }
    let address = address.text();
    if read_accounts(tx, record::NAME, &address)?.is_some() {
        return Err(Error::refused(format!("{address} is an account already")));
    }
    if read_accounts(tx, record::ALIAS, &address)?.is_some() {
        return Err(Error::refused(format!(
            "{address} is an alias already; `pillarbox alias remove {address}` frees it"
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

fn accounts_at(tx: &TableTx<'_>, targets: &[Address]) -> Result<Vec<AccountId>, Error> {
    let mut ids = Vec::new();
    for target in targets {
        let target = target.text();
        let found = read_accounts(tx, record::NAME, &target)?.ok_or_else(|| {
            Error::refused(format!("{target} is not an account here; an alias leads to accounts, not to other aliases"))
        })?;
        for id in found {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
    Ok(ids)
}
