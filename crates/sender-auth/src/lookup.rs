//! What is asked of the DNS, and how much of it for one message.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

/// Questions to the DNS for one message, whatever it claims. Honest mail needs about 15; SPF alone may take 111 (RFC 7208
/// §4.6.4: ten terms, each with ten hosts), and a chain of ARC sets a key for each.
pub(crate) const LOOKUPS_MAX: u32 = 150;

/// Labels of a name, and octets of it, that the DNS can carry (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// One label of a name in the DNS (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// What kind of record is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Hosts that take mail.
    Mx,
    /// Text.
    Txt,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A or AAAA.
    Address(IpAddr),
    /// A host that takes mail.
    Mx {
        /// The least one first.
        preference: u16,
        /// Its name.
        exchange: String,
    },
    /// Text, its strings put together without anything between them (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
    Text(Vec<u8>),
}

/// Why there are no records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// There is no such name (NXDOMAIN).
    NoName,
    /// The name has none of that kind.
    NoData,
    /// No answer, in time or at all; another time there may be one.
    Trouble,
}

/// What comes of a question.
pub type Answer<T> = Result<T, Failed>;

/// An answer that is waited for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The DNS. Every answer comes within a time that the implementation bounds.
pub trait Lookup: Send + Sync {
    /// The records of a name; never an empty list. `name`: ASCII, without the last dot.
    fn lookup<'a>(&'a self, name: &'a str, kind: Kind) -> Pending<'a, Answer<Vec<Record>>>;

    /// The names that an address says it has; never an empty list.
    fn names(&self, address: IpAddr) -> Pending<'_, Answer<Vec<String>>>;
}

/// The DNS for one message.
pub(crate) struct Budget<'a> {
    lookup: &'a dyn Lookup,
    left: AtomicU32,
}

impl<'a> Budget<'a> {
    pub(crate) fn new(lookup: &'a dyn Lookup) -> Self {
        Self { lookup, left: AtomicU32::new(LOOKUPS_MAX) }
    }

    pub(crate) async fn txt(&self, name: &str) -> Answer<Vec<Vec<u8>>> {
        let text = |record| if let Record::Text(text) = record { Some(text) } else { None };
        Ok(self.ask(name, Kind::Txt).await?.into_iter().filter_map(text).collect())
    }

    /// Addresses of the family of `like`.
    pub(crate) async fn addresses(&self, name: &str, like: IpAddr) -> Answer<Vec<IpAddr>> {
        let kind = if like.is_ipv4() { Kind::A } else { Kind::Aaaa };
        let address = |record| if let Record::Address(address) = record { Some(address) } else { None };
        Ok(self.ask(name, kind).await?.into_iter().filter_map(address).collect())
    }

    /// Hosts that take mail, without their order.
    pub(crate) async fn exchanges(&self, name: &str) -> Answer<Vec<String>> {
        let exchange = |record| if let Record::Mx { exchange, .. } = record { Some(exchange) } else { None };
        Ok(self.ask(name, Kind::Mx).await?.into_iter().filter_map(exchange).collect())
    }

    /// The names that an address says it has.
    pub(crate) async fn names(&self, address: IpAddr) -> Answer<Vec<String>> {
        self.take()?;
        self.lookup.names(address).await
    }

    async fn ask(&self, name: &str, kind: Kind) -> Answer<Vec<Record>> {
        let Some(name) = name_of(name) else { return Err(Failed::NoName) };
        self.take()?;
        self.lookup.lookup(&name, kind).await
    }

    fn take(&self) -> Answer<()> {
        let less = |left: u32| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).map(drop).map_err(|_| Failed::Trouble)
    }
}

/// A name as the DNS has it: in lower case, IDNA's A-labels, no last dot; `None` if it can be no name.
pub(crate) fn name_of(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let name = if text.is_ascii() { text.to_ascii_lowercase() } else { idna::domain_to_ascii(text).ok()? };
    let is_label = |label: &str| !label.is_empty() && label.len() <= LABEL_BYTES_MAX;
    let is_name = name.len() <= NAME_BYTES_MAX && name.bytes().all(|octet| octet.is_ascii_graphic());
    (is_name && name.split('.').all(is_label)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_no_name_is_not_asked_for() {
        assert_eq!(name_of("Example.ORG."), Some("example.org".into()));
        assert_eq!(name_of("bücher.example"), Some("xn--bcher-kva.example".into()));
        for text in ["", ".", "a..b", "a b", &"a".repeat(64), &"a.".repeat(128)] {
            assert_eq!(name_of(text), None, "{text}");
        }
        assert!(name_of(&"a".repeat(63)).is_some());
    }
}
