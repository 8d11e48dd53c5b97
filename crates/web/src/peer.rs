//! Who is at the other end.

use std::net::IpAddr;

/// The client of a connection; every request has one as extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// The version of TLS, if there is any.
    pub tls: Option<String>,
}
