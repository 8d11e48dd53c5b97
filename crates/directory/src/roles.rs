//! Who administers which domains, and how far: rows of the table.
//!
//! ```text
//! R number           the domains that the owner of an account administers, beside which it is nobody's
//! B domain           how far administrators of a domain go: accounts, and octets of each
//! ```
//!
//! A role counts from the next request on. It goes with the account, and with the domain: one that is local again later has no
//! administrators. Whoever is given more rights than before has a password that nobody else can set: links that were made
//! before are not good any more. Nor are, once they have less, the links that they made for others.
//!
//! Invariant: a role names local domains only.

use crate::Directory;
use crate::accounts::{must_be_account, own_address};
use crate::address::{Address, normalise_domain};
use crate::bounds::{DomainLimits, read, write};
use crate::domains::must_be_local;
use crate::error::Error;
use crate::link_rows;
use crate::record::{self, AccountRecord, damaged, key, number_key};
use crate::{AccountInfo, Resolution};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::AccountId;
use store::codec::Corrupt;
use wording::tr;

/// The owner of an account administers so many domains at most.
pub(crate) const ROLE_DOMAINS_MAX: usize = 100;
impl Directory {
    /// Makes an account's owner an administrator, or no longer. An administrator does on the pages what an operator does
    /// on the command line. Counts from the next request on. Links for the password of whoever becomes one are over, and those that whoever
    /// is none any more made for others: gives how many of these there were. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account.
    pub fn set_admin(&self, address: &str, admin: bool) -> Result<usize, Error> {
        let address = own_address(address)?.text();
        self.0.table.change(|tx| {
            let id = must_be_account(tx, &address)?;
            let damaged = || damaged(&number_key(record::ACCOUNT, id));
            let mut record = AccountRecord::read(tx, id)?.ok_or_else(damaged)?;
            if admin && !record.admin {
                link_rows::end_password_links(tx, id)?;
            }
            let has_less = record.admin && !admin;
            record.admin = admin;
            record.write(tx, id);
            Ok(if has_less { link_rows::end_links_by(tx, id)? } else { 0 })
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

    /// Says which domains the owner of an account administers from now on; without any they administer none. If these are less
    /// than before, links that they made for others are over: gives how many there were. Durable when it returns.
    ///
    /// # Errors
    /// [`Error::Refused`]: no such account, not a local domain, too many.
    pub fn set_administers(&self, address: &str, domains: &[impl AsRef<str>]) -> Result<usize, Error> {
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
                link_rows::end_password_links(tx, id)?;
            }
            write(tx, id, &domains);
            Ok(if before.is_subset(&domains) { 0 } else { link_rows::end_links_by(tx, id)? })
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

    /// Whether an account reads mail to the postmaster of the server (the configured one, else all administrators who may log in, else
    /// whoever was there first), or an address is the configured one.
    ///
    /// # Errors
    /// Faults.
    pub fn is_postmaster(&self, account: Option<AccountId>, address: &str) -> Result<bool, store::Error> {
        let same = |one: &str| Address::parse(one).ok().map(|address| address.text());
        let configured = self.0.options.postmaster.as_deref().and_then(same);
        if configured.is_some() && configured == same(address) {
            return Ok(true);
        }
        let Some(account) = account else { return Ok(false) };
        Ok(match self.resolve("postmaster", "")? {
            Resolution::Local { accounts, .. } => accounts.iter().any(|delivery| delivery.account == account),
            Resolution::List(..) | Resolution::NoSuchUser | Resolution::NotLocal => false,
        })
    }

    /// The accounts that an alias of exactly this address leads to by their numbers; none where there is no such alias.
    ///
    /// # Errors
    /// Faults.
    pub fn led_to(&self, alias: &str) -> Result<Vec<AccountInfo>, store::Error> {
        let Ok(alias) = Address::parse(alias) else { return Ok(Vec::new()) };
        let book = self.book()?;
        Ok(book.led_to(&alias.text()).iter().filter_map(|id| book.info(*id)).collect())
    }

    /// The accounts that have something of domains other than these (normalised), as somebody gave it to them who administers both: an
    /// alias there leads to them by their number, or they own a list there. Looks at all aliases and lists.
    ///
    /// # Errors
    /// Faults.
    pub fn reached_from_outside(&self, domains: &BTreeSet<String>) -> Result<BTreeSet<AccountId>, store::Error> {
        Ok(self.book()?.reached_from_outside(domains))
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
    use crate::{DOMAIN_LINKS_MAX, DirectoryOptions, LinkMaker, LinkPurpose, OldAddress, Posting};
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
    }

    #[test]
    fn without_a_configured_one_the_postmaster_is_who_reads_its_mail() {
        let (_, directory, [alice, bob]) = server();
        let read = || [alice, bob].map(|account| directory.is_postmaster(Some(account), "x@example.org").unwrap());
        assert_eq!(read(), [true, false], "who was there first");
        directory.set_admin(BOB, true).unwrap();
        assert_eq!(read(), [false, true]);
        directory.set_disabled(BOB, true).unwrap();
        assert_eq!(read(), [true, false], "nobody else may log in");
        directory.set_disabled("alice@example.org", true).unwrap();
        directory.leave("alice@example.org", NOW).unwrap();
        assert_eq!(read(), [false, true], "mail for who leaves is refused");
    }

    #[test]
    fn what_an_account_has_of_other_domains_is_known() {
        let (_, directory, [alice, bob]) = server();
        let own = BTreeSet::from(["example.org".to_owned()]);
        let reached = |domains: &BTreeSet<String>| Vec::from_iter(directory.reached_from_outside(domains).unwrap());
        directory.add_alias("sales@example.org", &[BOB]).unwrap();
        directory.add_list("choir@example.org", "", Posting::Members, &[BOB]).unwrap();
        // Whoever administers the other domain alone reaches nobody by that.
        directory.add_alias_within("y@bücher.example", &[BOB], &BTreeSet::from([BOOKS.to_owned()])).unwrap();
        assert_eq!(reached(&own), []);
        directory.add_alias("@bücher.example", &[BOB]).unwrap();
        assert_eq!(reached(&own), [bob]);
        directory.add_list("tribe@bücher.example", "", Posting::Members, &["alice@example.org"]).unwrap();
        assert_eq!(reached(&own), [alice, bob]);
        assert_eq!(reached(&BTreeSet::from(["example.org".to_owned(), BOOKS.to_owned()])), []);
        let led_to = |alias: &str| directory.led_to(alias).unwrap().into_iter().map(|info| info.id).collect::<Vec<_>>();
        assert_eq!((led_to("Sales@example.org"), led_to("@BÜCHER.example")), (vec![bob], vec![bob]));
        assert_eq!((led_to(BOB), led_to("x"), led_to("y@bücher.example")), (vec![], vec![], vec![]));
    }

    #[test]
    fn links_do_not_outlive_what_whoever_made_them_may_do() {
        type End = fn(&Directory);
        const ALICE: &str = "alice@example.org";
        let ends: [(&str, End); 6] = [
            ("has one domain less", |directory| {
                assert_eq!(directory.set_administers(ALICE, &["example.org"]), Ok(2));
            }),
            ("has none any more", |directory| assert_eq!(directory.set_administers(ALICE, &[""; 0]), Ok(2))),
            ("is no administrator any more", |directory| {
                directory.set_admin(ALICE, true).unwrap();
                assert_eq!(directory.set_admin(ALICE, false), Ok(2));
                assert_eq!(directory.set_administers(ALICE, &[""; 0]), Ok(0));
            }),
            ("may not log in", |directory| directory.set_disabled(ALICE, true).unwrap()),
            ("leaves", |directory| directory.leave(ALICE, NOW).map(drop).unwrap()),
            ("is gone", |directory| directory.remove_account(ALICE).unwrap()),
        ];
        for (what, end) in ends {
            let (engine, directory, [alice, _]) = server();
            directory.set_administers(ALICE, &["example.org", BOOKS]).unwrap();
            let domains = directory.administers(alice).unwrap();
            let maker = LinkMaker { account: Some(alice), domains: Some(&domains) };
            let made = [
                directory.invite_by(None, &["example.org"], 90, NOW, &maker).unwrap().token,
                directory.password_link_by(BOB, NOW, &maker).unwrap().token,
            ];
            let by_others = directory.invite(None, &["example.org"], 90, NOW).unwrap().token;
            let taken_back = directory.invite_by(None, &["example.org"], 90, NOW, &maker).unwrap();
            directory.take_link_back(&taken_back.info.id).unwrap();
            let good =
                |directory: &Directory| made.iter().filter(|t| directory.link(t, NOW).unwrap().is_some()).count();
            directory.set_administers(ALICE, &["example.org", BOOKS]).unwrap();
            assert_eq!(good(&start(&engine)), 2, "nothing less than before");
            end(&directory);
            assert_eq!((good(&directory), good(&start(&engine))), (0, 0), "who made them {what}");
            assert!(directory.use_invitation(&made[0], ("eve@example.org", ""), "somebody else's", NOW).is_err());
            assert!(directory.link(&by_others, NOW).unwrap().is_some(), "{what}");
            for made in [
                directory.invite_by(None, &["example.org"], 90, NOW, &maker),
                directory.password_link_by(BOB, NOW, &maker),
            ] {
                assert!(matches!(made, Err(Error::Refused(_))), "who {what} makes no more: {made:?}");
            }
            assert_eq!(directory.0.table.scan(record::LINK_MAKER, record::LINK_MAKER, 9).unwrap(), [], "{what}");
        }
    }

    #[test]
    fn so_many_links_into_domains_are_open_whoever_asks_at_the_same_time() {
        let (_, directory, [alice, _]) = server();
        directory.set_administers("alice@example.org", &["example.org"]).unwrap();
        let domains = directory.administers(alice).unwrap();
        let maker = LinkMaker { account: Some(alice), domains: Some(&domains) };
        let invite = || directory.invite_by(None, &["example.org"], 7, NOW, &maker).is_ok();
        let made = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..40).filter(|_| invite()).count())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).sum::<usize>()
        });
        assert_eq!(made, DOMAIN_LINKS_MAX);
        assert!(directory.password_link_by(BOB, NOW, &maker).is_err());
        // They are not in the way of others.
        directory.invite(None, &["example.org"], 7, NOW).unwrap();
        directory.set_administers("alice@example.org", &[BOOKS]).unwrap();
        let domains = directory.administers(alice).unwrap();
        let maker = LinkMaker { account: Some(alice), domains: Some(&domains) };
        directory.invite_by(None, &[BOOKS], 7, NOW, &maker).unwrap();
    }

    #[test]
    fn a_domain_that_is_added_again_is_another_one() {
        let (engine, directory, [_, bob]) = server();
        let invite =
            |address: Option<&str>, domains: &[&str]| directory.invite(address, domains, 90, NOW).unwrap().token;
        let over = [invite(Some("eve@bücher.example"), &[]), invite(None, &[BOOKS])];
        let (both, any) = (invite(None, &["example.org", BOOKS]), invite(None, &[]));
        directory.remove_domain("bücher.example").unwrap();
        // As an earlier version leaves it, which knows of no roles and nothing of this.
        directory
            .0
            .table
            .change::<_, store::Error>(|tx| {
                tx.put(&number_key(record::ROLE, bob), crate::bounds::encode(&BTreeSet::from([BOOKS.to_owned()])));
                Ok(())
            })
            .unwrap();
        let directory = start(&engine);
        directory.add_domain("bücher.example").unwrap();
        assert!(roles(&directory, bob).is_empty() && roles(&start(&engine), bob).is_empty());
        for token in &over {
            assert_eq!(directory.link(token, NOW).unwrap(), None);
        }
        let domains_of = |token: &str| match directory.link(token, NOW).unwrap().unwrap().purpose {
            LinkPurpose::Invitation { domains, .. } => domains,
            LinkPurpose::Password { .. } => panic!("no invitation"),
        };
        assert_eq!((domains_of(&both), domains_of(&any)), (vec!["example.org".to_owned()], vec![]));
        let use_it = |token: &str| directory.use_invitation(token, ("eve@bücher.example", ""), "somebody else's", NOW);
        assert!(use_it(&both).is_err());
        use_it(&any).unwrap();
    }

    fn actor() -> Actor {
        Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW }
    }
}
