//! Over what somebody administers: the server, or some domains of it.

use directory::{Address, normalise_domain};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Over what somebody administers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Server,
    /// What is in these domains (normalised), at least one.
    Domains(Arc<BTreeSet<String>>),
}

impl Scope {
    /// The domains, unless it is all of the server.
    #[must_use]
    pub fn domains(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Server => None,
            Self::Domains(domains) => Some(domains),
        }
    }

    /// Whether a domain, however it is written, is in it. What is no domain is in none.
    #[must_use]
    pub fn has_domain(&self, domain: &str) -> bool {
        let has = |domains: &BTreeSet<String>| normalise_domain(domain).is_some_and(|domain| domains.contains(&domain));
        self.domains().is_none_or(has)
    }

    /// Whether an address, however it is written, is in one of its domains.
    #[must_use]
    pub fn has_address(&self, address: &str) -> bool {
        let has =
            |domains: &BTreeSet<String>| Address::parse(address).is_ok_and(|address| domains.contains(&address.domain));
        self.domains().is_none_or(has)
    }

    /// Whether what concerns these domains (normalised) concerns nobody else's. What concerns nothing that is known is the server's.
    #[must_use]
    pub fn has_all(&self, domains: &[String]) -> bool {
        let has = |own: &BTreeSet<String>| !domains.is_empty() && domains.iter().all(|domain| own.contains(domain));
        self.domains().is_none_or(has)
    }
}

/// The domains (normalised) of all addresses in a text, of people here or elsewhere; empty if there are none, or one cannot be read.
#[must_use]
pub fn domains_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| c.is_whitespace() || "<>()[]{},;:“”\"'".contains(c));
    let addresses = words.filter(|word| word.contains('@')).map(|word| word.trim_end_matches(['.', '!', '?']));
    let domains: Option<BTreeSet<String>> =
        addresses.map(|address| address.rsplit_once('@').and_then(|(_, domain)| normalise_domain(domain))).collect();
    domains.unwrap_or_default().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_domain_however_it_is_written() {
        let domains = ["example.org", "xn--bcher-kva.example"].map(str::to_owned);
        let scope = Scope::Domains(Arc::new(BTreeSet::from(domains)));
        for (address, expected) in [
            ("a@example.org", true),
            (" A@EXAMPLE.ORG. ", true),
            ("a@bücher.example", true),
            ("@example.org", true),
            ("a@example.org@example.net", false),
            ("a@example.net", false),
            ("a@sub.example.org", false),
            ("example.org", false),
            ("a@[192.0.2.1]", false),
            ("", false),
        ] {
            assert_eq!(scope.has_address(address), expected, "{address}");
            assert!(Scope::Server.has_address(address));
        }
        assert!(scope.has_domain("Bücher.example") && !scope.has_domain("example.net") && !scope.has_domain(""));
        let owned = |domains: &[&str]| domains.iter().map(|domain| (*domain).to_owned()).collect::<Vec<_>>();
        assert!(scope.has_all(&owned(&["example.org"])) && Scope::Server.has_all(&[]));
        assert!(!scope.has_all(&[]) && !scope.has_all(&owned(&["example.org", "example.net"])));
    }

    #[test]
    fn the_domains_of_a_text_are_those_of_all_addresses_in_it() {
        for (text, expected) in [
            ("bob@example.org cannot log in any more.", &["example.org"][..]),
            ("a@example.org leads to b@example.net, C@EXAMPLE.ORG now.", &["example.net", "example.org"]),
            ("@example.org leads to “x@bücher.example”.", &["example.org", "xn--bcher-kva.example"]),
            ("The request of Bob was declined; a letter went to bob@gmail.example.", &["gmail.example"]),
            ("a@example.org, x@no_domain", &[]),
            ("called /api/v1/admin/doctor/look", &[]),
        ] {
            assert_eq!(domains_in(text), expected, "{text}");
        }
    }
}
