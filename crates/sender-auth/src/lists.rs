//! Lists of addresses in the DNS (RFC 5782): those that nobody wants mail from, and those that are known to be good.

use crate::lookup::Budget;
use std::net::IpAddr;

/// Lists that are asked, of each kind.
const LISTS_MAX: usize = 10;

/// Which lists are asked; by their domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// An address on one of them is not wanted.
    pub block: Vec<String>,
    /// An address on one of them is good, whatever the others say.
    pub allow: Vec<String>,
}

/// On which lists the client's address is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The first one that does not want it.
    pub blocked_by: Option<String>,
    /// The first one that knows it as good.
    pub allowed_by: Option<String>,
}

/// Asks the lists. One that gives no answer says nothing.
pub(crate) async fn check(dns: &Budget<'_>, address: IpAddr, lists: &Lists) -> Listed {
    let allowed_by = first(dns, address, &lists.allow).await;
    let blocked_by = if allowed_by.is_some() { None } else { first(dns, address, &lists.block).await };
    Listed { blocked_by, allowed_by }
}

async fn first(dns: &Budget<'_>, address: IpAddr, lists: &[String]) -> Option<String> {
    for list in lists.iter().take(LISTS_MAX) {
        let name = format!("{}.{list}", reversed(address));
        let found = dns.addresses(&name, IpAddr::from([0; 4])).await.unwrap_or_default();
        if found.into_iter().any(says_yes) {
            return Some(list.clone());
        }
    }
    None
}

/// RFC 5782 §2.1, §2.4.
fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(address) => {
            let nibbles = (0..32).map(|at| format!("{:x}", (address.to_bits() >> (4 * at)) & 0xf));
            nibbles.collect::<Vec<_>>().join(".")
        }
    }
}

/// RFC 5782 §2.1: in 127.0.0.0/8. What is outside of it comes from a domain that was sold; 127.255.255.0/24 are errors
/// ("you ask too much", "ask another server"), which say nothing about the address.
fn says_yes(answer: IpAddr) -> bool {
    matches!(answer, IpAddr::V4(answer) if answer.is_loopback() && !matches!(answer.octets(), [_, 255, 255, _]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Table;

    #[test]
    fn who_is_on_a_list() {
        let table = Table::default()
            .address("1.2.0.192.bad.example", "127.0.0.2")
            .address("2.2.0.192.bad.example", "127.255.255.254")
            .address("3.2.0.192.bad.example", "203.0.113.9")
            .address("4.2.0.192.bad.example", "127.0.0.2")
            .address("4.2.0.192.good.example", "127.0.5.1")
            .address("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad.example", "127.0.0.4")
            .broken("dead.example");
        let owned = |lists: &[&str]| lists.iter().map(ToString::to_string).collect();
        let lists = Lists { block: owned(&["dead.example", "bad.example"]), allow: owned(&["good.example"]) };
        let check = |address: &str, blocked: bool, allowed: bool| {
            let listed = futures::executor::block_on(check(&Budget::new(&table), address.parse().unwrap(), &lists));
            assert_eq!((listed.blocked_by.is_some(), listed.allowed_by.is_some()), (blocked, allowed), "{address}");
        };
        check("192.0.2.1", true, false);
        check("192.0.2.2", false, false);
        check("192.0.2.3", false, false);
        check("192.0.2.4", false, true);
        check("192.0.2.5", false, false);
        check("2001:db8::1", true, false);
    }
}
