//! Accounts are listed page by page, and searched.
//!
//! Nothing here makes a list of all: what is looked at is what a page needs, and while others wait to change the directory it
//! is let go after every few thousand accounts.

use crate::address::{domain_of, fold};
use crate::{AccountInfo, AccountRecord, Directory};
use std::collections::BTreeSet;
use store::{AccountId, Error};

/// So many accounts are looked at before the directory is let go.
const LOOKED_AT_ONCE_MAX: usize = 4096;

/// Which accounts are wanted, by address, those of a domain together.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountsWanted<'a> {
    /// Words that each stand in the address or in the name of the owner, in any case; none: every account.
    pub search: &'a str,
    /// Only those in these domains (normalised).
    pub domains: Option<&'a BTreeSet<String>>,
    /// From the one after this address on, whether there is still an account of that address or not.
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: usize,
}

/// A page of accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountsFound {
    /// The accounts.
    pub accounts: Vec<AccountInfo>,
    /// There are more after the last of them.
    pub more: bool,
}

impl Directory {
    /// A page of the accounts.
    ///
    /// # Errors
    /// Faults.
    pub fn find_accounts(&self, wanted: &AccountsWanted<'_>) -> Result<AccountsFound, Error> {
        let words: Vec<String> = wanted.search.split_whitespace().map(fold).collect();
        let is_wanted = |record: &AccountRecord| {
            let is_in = || wanted.domains.is_none_or(|domains| domains.contains(domain_of(&record.address)));
            is_in() && has_all(record, &words)
        };
        let mut from = wanted.after.map(in_list);
        let mut found = AccountsFound::default();
        loop {
            let (mut accounts, last) = self.book()?.some_accounts(from.as_ref(), LOOKED_AT_ONCE_MAX, &is_wanted);
            found.accounts.append(&mut accounts);
            found.more = found.accounts.len() > wanted.limit;
            if found.more || last.is_none() {
                found.accounts.truncate(wanted.limit);
                return Ok(found);
            }
            from = last;
        }
    }

    /// The first accounts in the order of their numbers, from the one after number `after` on, at most `limit`.
    ///
    /// # Errors
    /// Faults.
    pub fn accounts_by_number(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<AccountInfo>, Error> {
        Ok(self.book()?.accounts_by_number(after, limit))
    }
}

/// Where an account stands in a list: domain by domain.
pub(crate) type Place = (String, String);

pub(crate) fn in_list(address: &str) -> Place {
    let (local_part, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    (domain.to_owned(), local_part.to_owned())
}

fn has_all(record: &AccountRecord, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let name = fold(&record.display);
    words.iter().all(|word| record.address.contains(word.as_str()) || name.contains(word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn addresses(directory: &Directory, wanted: &AccountsWanted<'_>) -> (Vec<String>, bool) {
        let found = directory.find_accounts(wanted).unwrap();
        (found.accounts.into_iter().map(|info| info.address).collect(), found.more)
    }

    #[test]
    fn pages_are_by_domain_and_address_and_go_on_after_one_that_is_gone() {
        let (_, directory, _) = testing::server();
        for address in ["zoe@bücher.example", "carol@example.org", "dave@example.org"] {
            directory.add_account(address, testing::PASSWORD, "", testing::NOW).unwrap();
        }
        let page = |after, limit| addresses(&directory, &AccountsWanted { after, limit, ..AccountsWanted::default() });
        let all = ["alice@example.org", "bob@example.org", "carol@example.org", "dave@example.org"];
        let (first, more) = page(None, 3);
        assert_eq!((&first[..], more), (&all.map(str::to_owned)[..3], true));
        directory.remove_account("carol@example.org").unwrap();
        let (second, more) = page(Some("carol@example.org"), 3);
        assert_eq!((second, more), (vec![all[3].to_owned(), "zoe@xn--bcher-kva.example".to_owned()], false));
        assert!(!page(None, 4).1, "as many as there are");
        assert_eq!(page(Some("zoe@xn--bcher-kva.example"), 1), (vec![], false));
    }

    #[test]
    fn each_word_stands_in_the_address_or_in_the_name() {
        let (_, directory, _) = testing::server();
        directory.add_account("x1@example.org", testing::PASSWORD, "Änne Bobrowski", testing::NOW).unwrap();
        for (search, expected) in [
            ("BOB", vec!["bob@example.org", "x1@example.org"]),
            ("änne bob", vec!["x1@example.org"]),
            ("bob x1 org", vec!["x1@example.org"]),
            ("nobody", vec![]),
            (" ", vec!["alice@example.org", "bob@example.org", "x1@example.org"]),
        ] {
            let wanted = AccountsWanted { search, limit: 10, ..AccountsWanted::default() };
            assert_eq!(addresses(&directory, &wanted).0, expected, "{search}");
        }
        let domains = BTreeSet::from(["xn--bcher-kva.example".to_owned()]);
        let wanted = AccountsWanted { domains: Some(&domains), limit: 10, ..AccountsWanted::default() };
        assert_eq!(addresses(&directory, &wanted), (vec![], false));
    }

    #[test]
    fn more_accounts_than_are_looked_at_at_once_are_searched_to_the_end() {
        let (_, directory, _) = testing::server();
        let last = LOOKED_AT_ONCE_MAX + 1;
        let record = directory.record(AccountId::FIRST).unwrap().unwrap();
        directory
            .0
            .table
            .change(|tx| {
                for n in 0..=last {
                    let record = AccountRecord { address: format!("u{n:05}@example.org"), ..(*record).clone() };
                    record.write(tx, AccountId(1000 + n as u32));
                }
                Ok::<_, Error>(())
            })
            .unwrap();
        let search = format!("u{last:05}");
        let wanted = AccountsWanted { search: &search, limit: 1, ..AccountsWanted::default() };
        assert_eq!(addresses(&directory, &wanted), (vec![format!("u{last:05}@example.org")], false));
    }
}
