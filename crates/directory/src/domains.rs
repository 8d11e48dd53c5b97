//! Local domains are added and removed.

use crate::Directory;
use crate::address::{domain_of, normalise_domain, shown_domain};
use crate::error::Error;
use crate::record::{self, Counters, domain_value, key, name_in};
use crate::{bounds, link_rows, signing};
use store::TableTx;
use wording::tr;

/// Ends of addresses, of which any will do: `@example.org or @example.com`.
#[must_use]
pub fn any_of(domains: &[String]) -> String {
    let ends = domains.iter().map(|domain| format!("@{domain}"));
    ends.reduce(|first, second| tr!("{first} or {second}", first = first, second = second)).unwrap_or_default()
}

impl Directory {
    /// From now on mail for a domain is ours. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not a domain name, it is local already, too many domains.
    pub fn add_domain(&self, domain: &str) -> Result<(), Error> {
        let name = checked(domain)?;
        self.0.table.change(|tx| {
            if is_local(tx, &name)? {
                return Err(Error::refused(tr!("{domain} is a local domain already", domain = shown_domain(&name))));
            }
            let mut counters = Counters::read(tx)?;
            if counters.domains >= self.0.options.limits.domains {
                let max = self.0.options.limits.domains;
                return Err(Error::refused(tr!(
                    "there are {max} domains, the most this server holds; remove one",
                    max = max
                )));
            }
            counters.domains += 1;
            counters.write(tx);
            tx.put(&key(record::DOMAIN, &name), domain_value());
            // An earlier version that knows nothing of these may have removed one of that name.
            bounds::delete_domain(tx, &name)?;
            link_rows::end_invitations_into(tx, &name)?;
            Ok(())
        })
    }

    /// From now on mail for a domain is not ours. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not a local domain, or it has accounts or aliases.
    pub fn remove_domain(&self, domain: &str) -> Result<(), Error> {
        let name = checked(domain)?;
        self.0.table.change(|tx| {
            must_be_local(tx, &name)?;
            let [accounts, aliases, lists] =
                [count(tx, record::NAME, &name)?, count(tx, record::ALIAS, &name)?, count(tx, record::LIST, &name)?];
            if accounts + aliases + lists > 0 {
                return Err(Error::refused(tr!(
                    "{domain} is not empty (accounts: {accounts}, aliases: {aliases}, lists: {lists}); remove them first",
                    domain = shown_domain(&name),
                    accounts = accounts,
                    aliases = aliases,
                    lists = lists
                )));
            }
            let mut counters = Counters::read(tx)?;
            counters.domains = counters.domains.saturating_sub(1);
            counters.write(tx);
            tx.delete(&key(record::DOMAIN, &name));
            signing::delete(tx, &name);
            bounds::delete_domain(tx, &name)?;
            link_rows::end_invitations_into(tx, &name)?;
            Ok(())
        })
    }
}

/// Refuses with what to do when `domain` (normalised) is not local.
pub(crate) fn must_be_local(tx: &TableTx<'_>, domain: &str) -> Result<(), Error> {
    if is_local(tx, domain)? {
        return Ok(());
    }
    let shown = shown_domain(domain);
    Err(Error::refused(tr!(
        "{domain} is not a local domain; `pillarbox domain add {domain}` makes it one",
        domain = shown
    )))
}

/// Whether `domain` (normalised) is local.
pub(crate) fn is_local(tx: &TableTx<'_>, domain: &str) -> Result<bool, Error> {
    Ok(tx.get(&key(record::DOMAIN, domain))?.is_some())
}

fn count(tx: &TableTx<'_>, kind: &[u8], domain: &str) -> Result<usize, Error> {
    let rows = tx.scan_before(kind, kind, usize::MAX)?;
    let names: Result<Vec<&str>, store::Error> = rows.iter().map(|(key, _)| name_in(key)).collect();
    Ok(names?.into_iter().filter(|name| domain_of(name) == domain).count())
}

fn checked(domain: &str) -> Result<String, Error> {
    normalise_domain(domain.trim())
        .ok_or_else(|| Error::refused(tr!("“{domain}” is not a domain; write it as example.org", domain = domain)))
}
