//! Mailboxes and paths (RFC 5321 §4.1.2, RFC 6531 §3.3).
//!
//! A [`Mailbox`] holds meaning, not spelling: the local part without its quotes, the domain in lower case.
//! So two of them are equal when they name the same mailbox, as far as SMTP may know: the local part is compared
//! octet by octet (RFC 5321 §2.4), and the IDNA forms of a domain are not brought together here.

mod parse;

pub(crate) use parse::{parse_forward, parse_reverse};

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::str::FromStr;

/// The longest local part, in octets. RFC 5321 §4.5.3.1.1 asks for 64 at least; real return addresses are longer.
pub const LOCAL_PART_OCTETS_MAX: usize = 255;
/// The longest domain, in octets (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_OCTETS_MAX: usize = 255;
/// The longest label of an ASCII domain, in octets (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;

/// What is wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A `<` without its `>`, or something after it.
    Brackets,
    /// The local part is missing, has a character that needs quotes, or a quote without end.
    LocalPart,
    /// The local part is longer than [`LOCAL_PART_OCTETS_MAX`].
    LocalPartTooLong,
    /// There is no `@` and domain.
    NoDomain,
    /// The domain has an empty label or a character that no domain has.
    Domain,
    /// The domain is longer than [`DOMAIN_OCTETS_MAX`] or a label longer than [`LABEL_OCTETS_MAX`].
    DomainTooLong,
    /// `[…]` is no IPv4 or `IPv6:` address.
    AddressLiteral,
}

/// The part after the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Domain {
    /// A name in lower case, A-labels or U-labels as they came, at most [`DOMAIN_OCTETS_MAX`] octets.
    Name(String),
    /// An address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Address(IpAddr),
}

impl Domain {
    /// Whether the name has no U-label.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Name(name) => name.is_ascii(),
            Self::Address(_) => true,
        }
    }
}

impl FromStr for Domain {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let (domain, rest) = parse::domain(text)?;
        if rest.is_empty() { Ok(domain) } else { Err(PathError::Domain) }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[IPv6:{address}]"),
        }
    }
}

/// An address. `Display` writes it as it goes on the wire, quoted where it must be; parsing that gives it back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    local_part: String,
    domain: Domain,
}

impl Mailbox {
    /// Joins the two. `local_part` is meant without quotes: at most [`LOCAL_PART_OCTETS_MAX`] octets, no control characters.
    pub fn new(local_part: impl Into<String>, domain: Domain) -> Result<Self, PathError> {
        let local_part = local_part.into();
        if local_part.len() > LOCAL_PART_OCTETS_MAX {
            return Err(PathError::LocalPartTooLong);
        }
        if local_part.chars().any(char::is_control) {
            return Err(PathError::LocalPart);
        }
        Ok(Self { local_part, domain })
    }

    /// The part before the `@`, without quotes, its case kept.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The part after the `@`.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether the address can go where SMTPUTF8 is not on offer.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local_part.is_ascii() && self.domain.is_ascii()
    }
}

impl FromStr for Mailbox {
    type Err = PathError;

    /// Reads `local@domain`, without angle brackets.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let (mailbox, rest) = parse::mailbox(text)?;
        if rest.is_empty() { Ok(mailbox) } else { Err(PathError::Domain) }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if parse::is_dot_string(&self.local_part) {
            f.write_str(&self.local_part)?;
        } else {
            f.write_char('"')?;
            for c in self.local_part.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
            f.write_char('"')?;
        }
        write!(f, "@{}", self.domain)
    }
}

/// Where bounces go (RFC 5321 §4.1.1.2). `Display` includes the angle brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody; bounces themselves come from it (RFC 5321 §4.5.5).
    Null,
    /// Somebody.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// The address, unless null.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// A recipient (RFC 5321 §4.1.1.3). `Display` includes the angle brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<postmaster>` in any case, without a domain: every server must take it (RFC 5321 §4.5.1).
    Postmaster,
    /// Somebody.
    Mailbox(Mailbox),
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<postmaster>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}
