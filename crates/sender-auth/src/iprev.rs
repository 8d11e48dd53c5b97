//! Whether the client's address has a name that leads back to it (RFC 8601 §3, "FCrDNS").

use crate::lookup::{Budget, Failed, name_of};
use std::net::IpAddr;

/// Names that are looked at.
const NAMES_MAX: usize = 5;

/// What the address' name says (RFC 8601 §2.7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IprevResult {
    /// It leads back.
    Pass,
    /// It does not.
    Fail,
    /// The DNS gave no answer.
    TempError,
    /// The address has no name.
    PermError,
}

impl IprevResult {
    /// As `Authentication-Results` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// What is known of the client's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iprev {
    /// Whether it is right.
    pub result: IprevResult,
    /// The name that leads back.
    pub name: Option<String>,
}

pub(crate) async fn check(dns: &Budget<'_>, address: IpAddr) -> Iprev {
    let result = |result| Iprev { result, name: None };
    let names = match dns.names(address).await {
        Ok(names) => names,
        Err(Failed::NoName | Failed::NoData) => return result(IprevResult::PermError),
        Err(Failed::Trouble) => return result(IprevResult::TempError),
    };
    let mut worst = IprevResult::Fail;
    for name in names.iter().take(NAMES_MAX) {
        match dns.addresses(name, address).await {
            Ok(addresses) if addresses.contains(&address) => {
                return Iprev { result: IprevResult::Pass, name: name_of(name) };
            }
            Ok(_) | Err(Failed::NoName | Failed::NoData) => {}
            Err(Failed::Trouble) => worst = IprevResult::TempError,
        }
    }
    result(worst)
}
