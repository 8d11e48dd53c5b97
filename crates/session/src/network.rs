//! Networks of addresses: one address, or all that begin with the same bits.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// One address, or all that begin with the same bits. IPv4 addresses inside IPv6 (`::ffff:…`) are IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// The text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNetwork;

impl Network {
    fn new(address: IpAddr, bits: u8) -> Self {
        let first = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::from((address.to_bits() & mask(bits, 32) as u32).to_be_bytes()),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & mask(bits, 128)).into(),
        };
        Self { first, bits }
    }

    /// The network of an address, by the number of first bits that its addresses share: of IPv4, of IPv6.
    #[must_use]
    pub fn around(address: IpAddr, (ipv4_bits, ipv6_bits): (u8, u8)) -> Self {
        Self::new(address, if address.to_canonical().is_ipv4() { ipv4_bits.min(32) } else { ipv6_bits.min(128) })
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && Self::new(address, self.bits) == *self
    }

    /// Whether it has more addresses than one of so many first bits: of IPv4, of IPv6.
    #[must_use]
    pub fn is_wider_than(&self, (ipv4_bits, ipv6_bits): (u8, u8)) -> bool {
        self.bits < if self.first.is_ipv4() { ipv4_bits } else { ipv6_bits }
    }
}

/// The first of so many bits, as a mask on the lower `width` bits.
fn mask(bits: u8, width: u32) -> u128 {
    let all = u128::MAX >> (128 - width);
    let rest = all.checked_shr(bits.into()).unwrap_or(0);
    all & !rest
}

impl FromStr for Network {
    type Err = NoNetwork;

    /// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| NoNetwork)?;
        if bits > most { Err(NoNetwork) } else { Ok(Self::new(address, bits)) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_network_of_an_address() {
        let around = |address: &str| Network::around(address.parse().unwrap(), (24, 48)).to_string();
        assert_eq!(around("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(around("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(around("2001:db8:1:2::3"), "2001:db8:1::/48");
    }

    #[test]
    fn which_addresses_are_in_a_network() {
        let check = |network: &str, inside: &[&str], outside: &[&str]| {
            let network: Network = network.parse().unwrap();
            let holds = |address: &&str| network.contains(address.parse().unwrap());
            assert!(inside.iter().all(holds), "{network}");
            assert!(!outside.iter().any(holds), "{network}");
        };
        check("10.0.0.5", &["10.0.0.5", "::ffff:10.0.0.5"], &["10.0.0.4", "::a00:5"]);
        check("192.0.2.77/24", &["192.0.2.0", "192.0.2.255"], &["192.0.3.0", "2001:db8::1"]);
        check("0.0.0.0/0", &["203.0.113.1"], &["2001:db8::1"]);
        check("2001:db8::/32", &["2001:db8:ffff::1"], &["2001:db9::", "10.0.0.1"]);
        check("::/0", &["2001:db8::1"], &["10.0.0.1"]);
        for text in ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "example.org"] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
    }
}
