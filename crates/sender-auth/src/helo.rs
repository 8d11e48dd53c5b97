//! What a host calls itself in HELO (RFC 5321 §4.1.1.1). Pure: what the DNS says of it is SPF's business.

use crate::lookup::name_of;
use std::net::{IpAddr, Ipv6Addr};

/// What a host calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeloName {
    /// A name, or its address.
    Sound,
    /// No name of a host: one label, an address without brackets, an address that is not its own.
    NoName,
    /// This server's name.
    Ours,
}

/// Looks at a name, which may be another one's: it is not asked whether it leads to `address`. `named`: the name of `address`, if
/// that leads back to it: who has our name there bears it rightly, and is this server.
pub(crate) fn look(helo: &str, address: IpAddr, receiver: &str, named: Option<&str>) -> HeloName {
    let is_ours = |name: &str| name.eq_ignore_ascii_case(receiver.trim_end_matches('.'));
    // RFC 5321 §4.1.3.
    if let Some(literal) = helo.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return if own(literal) == Some(address) { HeloName::Sound } else { HeloName::NoName };
    }
    match name_of(helo) {
        Some(name) if is_ours(&name) && named.is_some_and(is_ours) => HeloName::Sound,
        Some(name) if is_ours(&name) => HeloName::Ours,
        Some(name) if name.contains('.') && name.parse::<IpAddr>().is_err() => HeloName::Sound,
        Some(_) | None => HeloName::NoName,
    }
}

fn own(literal: &str) -> Option<IpAddr> {
    let is_tagged = literal.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match literal.get(5..).filter(|_| is_tagged) {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(|address| IpAddr::V6(address).to_canonical()),
        None => literal.parse::<IpAddr>().ok().filter(IpAddr::is_ipv4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_may_call_itself() {
        let check = |helo: &str, address: &str, expected| {
            let name = Some("mx.example.net");
            assert_eq!(look(helo, address.parse().unwrap(), "mail.example.org", name), expected, "{helo}");
        };
        check("mx.example.net", "192.0.2.1", HeloName::Sound);
        check("MX.example.net.", "192.0.2.1", HeloName::Sound);
        check("[192.0.2.1]", "192.0.2.1", HeloName::Sound);
        check("[ipv6:2001:db8::1]", "2001:db8::1", HeloName::Sound);
        for no_name in
            ["localhost", "DESKTOP-1", "192.0.2.1", "[192.0.2.9]", "[2001:db8::1]", "[IPv6:x]", "a..b", "", "["]
        {
            check(no_name, "192.0.2.1", HeloName::NoName);
        }
        check("Mail.Example.org", "192.0.2.1", HeloName::Ours);
        let of_this_machine = |named| look("mail.example.org", [192, 0, 2, 1].into(), "Mail.example.org.", named);
        assert_eq!(of_this_machine(Some("mail.Example.org")), HeloName::Sound, "a server that tests itself");
        assert_eq!(of_this_machine(None), HeloName::Ours);
    }
}
