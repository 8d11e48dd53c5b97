//! Who administers which domains, and how far: rows of the table.
//!
//! ```text
//! R number           the domains that the owner of an account administers, beside which it is nobody's
//! B domain           how far administrators of a domain go: accounts, and octets of each
//! ```
//!
//! A role counts from the next request on. It goes with the account, and with the domain: one that is local again later has no
//! administrators. Whoever is given more rights than before has a password that nobody else can set: links that were made
//! before are not good any more.
//!
//! Invariant: a role names local domains only.

use crate::Directory;
use crate::accounts::{must_be_account, own_address};
use crate::address::{Address, normalise_domain};
use crate::bounds::{DomainLimits, read, write};
use crate::domains::must_be_local;
use crate::error::Error;
use crate::links;
use crate::record::{self, AccountRecord, damaged, key, number_key};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::AccountId;
use store::codec::Corrupt;
use wording::tr;

/// The owner of an account administers so many domains at most.
pub(crate) const ROLE_DOMAINS_MAX: usize = 100;
impl Directory {
    /// Makes an account's owner an administrator, or no longer. An administrator does on the pages what an operator does
    /// on the command line. Counts from the next request on. Links for the password of whoever becomes one are over. Durable when
    /// it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account.
    pub fn set_admin(&self, address: &str, admin: bool) -> Result<(), Error> {
        let address = own_address(address)?.text();
        self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            let damaged = || damaged(&number_key(record::ACCOUNT, id));
            let mut record = AccountRecord::read(tx, id)?.ok_or_else(damaged)?;
            if admin && !record.admin {
                links::end_password_links(tx, id)?;
            }
            record.admin = admin;
            record.write(tx, id);
            Ok(())
        })
    }

    /// The domains that the owner of an account administers, normalised; mostly none.
    ///
    /// # Errors
    /// Faults.
    pub fn administers(&self, account: AccountId) -> Result<Arc<BTreeSet<String>>, store::Error> {
        Ok(self.book()?.administers(account))
    }

    /// The accounts whose owners administer a domain (normalised), in the order of their numbers.
    ///
    /// # Errors
    /// Faults.
    pub fn administrators_of(&self, domain: &str) -> Result<Vec<AccountId>, store::Error> {
        Ok(self.book()?.administrators_of(domain))
    }

    /// Says which domains the owner of an account administers from now on; without any they administer none. Durable when it
    /// returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, not a local domain, too many.
    pub fn set_administers(&self, address: &str, domains: &[impl AsRef<str>]) -> Result<(), Error> {
        let address = own_address(address)?.text();
        if domains.len() > ROLE_DOMAINS_MAX {
            return Err(Error::refused(tr!("an account administers {most} domains at most", most = ROLE_DOMAINS_MAX)));
        }
        let domains: BTreeSet<String> =
            domains.iter().map(|domain| checked(domain.as_ref())).collect::<Result<_, _>>()?;
        self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            domains.iter().try_for_each(|domain| must_be_local(tx, domain))?;
            let before = read(tx, id)?;
            if !domains.is_subset(&before) {
                links::end_password_links(tx, id)?;
            }
            write(tx, id, &domains);
            Ok(())
        })
    }

    /// How far administrators of a domain go.
    ///
    /// # Errors
    /// Faults.
    pub fn domain_limits(&self, domain: &str) -> Result<DomainLimits, store::Error> {
        let Some(domain) = normalise_domain(domain) else { return Ok(DomainLimits::default()) };
        let key = key(record::BOUNDS, &domain);
        self.0
            .table
            .get(&key)?
            .map_or(Ok(DomainLimits::default()), |value| DomainLimits::decode(&value).map_err(|Corrupt| damaged(&key)))
    }

    /// Says how far they go. What is beyond it already stays. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: not a local domain.
    pub fn set_domain_limits(&self, domain: &str, limits: DomainLimits) -> Result<(), Error> {
        let domain = checked(domain)?;
        self.0.table.change(|tx| {
            must_be_local(tx, &domain)?;
            match limits == DomainLimits::default() {
                true => tx.delete(&key(record::BOUNDS, &domain)),
                false => tx.put(&key(record::BOUNDS, &domain), limits.encode()),
            }
            Ok(())
        })
    }

    /// Whether mail to the postmaster of all domains comes to an account, or to an address, because the configuration says so.
    ///
    /// # Errors
    /// Faults.
    pub fn is_postmaster(&self, account: Option<AccountId>, address: &str) -> Result<bool, store::Error> {
        let Some(configured) = self.0.options.postmaster.as_deref() else { return Ok(false) };
        let same = |one: &str| Address::parse(one).ok().map(|address| address.text());
        let is_the_address = same(configured).is_some() && same(configured) == same(address);
        let readers = self.book()?.configured(Some(configured)).unwrap_or_default();
        Ok(is_the_address || account.is_some_and(|account| readers.contains(&account)))
    }
}

fn checked(domain: &str) -> Result<String, Error> {
    normalise_domain(domain.trim())
        .ok_or_else(|| Error::refused(tr!("“{domain}” is not a domain; write it as example.org", domain = domain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, options, server, server_with, start};
    use crate::{DirectoryOptions, OldAddress};
    use store::{Actor, DeviceId, Protocol};

    const BOB: &str = "bob@example.org";
    const BOOKS: &str = "xn--bcher-kva.example";

    fn roles(directory: &Directory, id: AccountId) -> Vec<String> {
        directory.administers(id).unwrap().iter().cloned().collect()
    }

    #[test]
    fn a_role_stays_goes_with_its_domain_and_with_its_account() {
        let (engine, directory, [alice, bob]) = server();
        directory.set_administers(BOB, &["Bücher.example", "EXAMPLE.org."]).unwrap();
        for directory in [directory.clone(), start(&engine)] {
            assert_eq!(roles(&directory, bob), ["example.org", BOOKS]);
            assert_eq!((roles(&directory, alice).len(), directory.check()), (0, Ok(vec![])));
            assert_eq!(directory.administrators_of(BOOKS).unwrap(), [bob]);
            assert!(!directory.account(BOB).unwrap().unwrap().admin);
        }
        directory.remove_domain("bücher.example").unwrap();
        directory.add_domain("bücher.example").unwrap();
        assert_eq!(roles(&directory, bob), ["example.org"], "another one of that name is not his");
        directory.rename_account(BOB, "rob@example.org", OldAddress::Goes, actor()).unwrap();
        assert_eq!(roles(&directory, bob), ["example.org"]);
        directory.remove_account("rob@example.org").unwrap();
        let again = directory.add_account("rob@example.org", "battery staple", "", NOW).unwrap();
        for directory in [directory.clone(), start(&engine)] {
            assert!(roles(&directory, bob).is_empty() && roles(&directory, again).is_empty());
            assert_eq!(directory.check(), Ok(vec![]));
        }
        directory.set_administers("rob@example.org", &["example.org"]).unwrap();
        directory.set_administers("rob@example.org", &[""; 0]).unwrap();
        assert!(roles(&start(&engine), again).is_empty());
    }

    #[test]
    fn only_local_domains_and_not_too_many_are_administered() {
        let (_, directory, [_, bob]) = server();
        for wrong in [&["example.net"][..], &["no domain"], &["example.org", "example.net"], &[""]] {
            assert!(directory.set_administers(BOB, wrong).is_err(), "{wrong:?}");
        }
        assert!(directory.set_administers("nobody@example.org", &["example.org"]).is_err());
        assert!(directory.set_administers(BOB, &vec!["example.org"; ROLE_DOMAINS_MAX]).is_ok());
        assert!(directory.set_administers(BOB, &vec!["example.org"; ROLE_DOMAINS_MAX + 1]).is_err());
        assert_eq!(roles(&directory, bob), ["example.org"]);
    }

    #[test]
    fn a_link_for_a_password_ends_where_its_account_gets_more_rights() {
        let (_, directory, _) = server();
        let link = || directory.password_link(BOB, NOW).unwrap().token;
        let is_good = |token: &str| directory.link(token, NOW).unwrap().is_some();
        let (first, alices) = (link(), directory.password_link("alice@example.org", NOW).unwrap().token);
        directory.set_administers(BOB, &["example.org"]).unwrap();
        assert!(!is_good(&first) && is_good(&alices));
        assert!(directory.use_password_link(&first, "somebody else's", NOW).is_err());
        let second = link();
        directory.set_administers(BOB, &["example.org"]).unwrap();
        assert!(is_good(&second), "nothing more than before");
        directory.set_admin(BOB, true).unwrap();
        assert!(!is_good(&second));
        let third = link();
        directory.set_admin(BOB, true).unwrap();
        directory.set_admin(BOB, false).unwrap();
        assert!(is_good(&third));
    }

    #[test]
    fn a_domain_has_as_many_accounts_as_it_may() {
        let (engine, directory, _) = server();
        let limits = DomainLimits { accounts: Some(3), quota_bytes: Some(5 << 20) };
        directory.set_domain_limits("Example.org", limits).unwrap();
        assert_eq!(start(&engine).domain_limits("example.org").unwrap(), limits);
        let carol = directory.add_account("carol@example.org", "battery staple", "", NOW).unwrap();
        assert_eq!(directory.store().account(carol).usage().unwrap().quota.bytes, Some(5 << 20));
        let refused = directory.add_account("dave@example.org", "battery staple", "", NOW).unwrap_err();
        assert!(refused.to_string().contains("as many accounts"), "{refused}");
        assert!(directory.invite(Some("dave@example.org"), &[], 7, NOW).is_err());
        let dave = directory.add_account("dave@bücher.example", "battery staple", "", NOW).unwrap();
        assert_eq!(directory.store().account(dave).usage().unwrap().quota.bytes, None);
        directory.rename_account("dave@bücher.example", "dave@example.org", OldAddress::Goes, actor()).unwrap_err();
        directory.remove_account("carol@example.org").unwrap();
        directory.rename_account("dave@bücher.example", "dave@example.org", OldAddress::Goes, actor()).unwrap();
        directory.rename_account("dave@example.org", "david@example.org", OldAddress::Goes, actor()).unwrap();
        directory.set_domain_limits("example.org", DomainLimits::default()).unwrap();
        directory.add_account("carol@example.org", "battery staple", "", NOW).unwrap();
        assert!(directory.set_domain_limits("example.net", limits).is_err());
        directory.set_domain_limits("bücher.example", limits).unwrap();
        directory.remove_domain("bücher.example").unwrap();
        directory.add_domain("bücher.example").unwrap();
        assert_eq!(directory.domain_limits("bücher.example").unwrap(), DomainLimits::default());
    }

    #[test]
    fn the_configured_postmaster_is_known_by_address_and_by_account() {
        let postmaster = Some("Post@example.org".to_owned());
        let (_, directory, [alice, bob]) = server_with(DirectoryOptions { postmaster, ..options() });
        let is = |account, address: &str| directory.is_postmaster(account, address).unwrap();
        assert!(is(None, "POST@example.org") && !is(Some(bob), BOB) && !is(None, "post@bücher.example"));
        directory.add_alias("post@example.org", &[BOB]).unwrap();
        assert!(is(Some(bob), BOB) && !is(Some(alice), "alice@example.org"));
        let (_, other, [_, bob]) = server();
        assert!(!other.is_postmaster(Some(bob), BOB).unwrap());
    }

    fn actor() -> Actor {
        Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW }
    }
}
