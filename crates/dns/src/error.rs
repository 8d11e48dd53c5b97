//! Why there is no answer.

use hickory_resolver::net::{DnsError, NetError};
use std::fmt;

/// Why there is no answer. All but [`Error::Name`] may be different the next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// What was asked for is no name.
    Name(String),
    /// Signatures are wrong or missing: somebody lies, or its owner made a mistake.
    Bogus,
    /// The servers said so: which code.
    Refused(String),
    /// No server answered in time, or too many look-ups run.
    Timeout,
    /// No server could be asked.
    Unreachable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name:?} is no name of the DNS"),
            Self::Bogus => f.write_str("the answer of the DNS is not signed as it should be (DNSSEC)"),
            Self::Refused(code) => write!(f, "the name servers answer with an error: {code}"),
            Self::Timeout => f.write_str("the name servers do not answer in time"),
            Self::Unreachable(why) => write!(f, "the name servers cannot be asked: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<NetError> for Error {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Timeout | NetError::Busy => Self::Timeout,
            NetError::Dns(DnsError::DnssecBogus | DnsError::Nsec { .. }) => Self::Bogus,
            NetError::Dns(error) => Self::Refused(error.to_string()),
            other => Self::Unreachable(other.to_string()),
        }
    }
}
