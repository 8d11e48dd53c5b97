//! Where each service listens unless it is said otherwise.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr};

use super::Config;
use crate::service::Service;

impl Config {
    /// The same, listening where it was found to: so pages, letters and links name the ports that the system chose.
    #[must_use]
    pub(crate) fn listening_on(&self, addresses: impl Iterator<Item = (Service, SocketAddr)>) -> Self {
        let mut config = Self { listen: BTreeMap::new(), ..self.clone() };
        addresses.for_each(|(service, address)| config.listen.entry(service).or_default().push(address));
        config
    }
}

/// The ports that IANA has assigned, on all addresses. LMTP has none.
pub(super) fn standard_ports() -> BTreeMap<Service, Vec<SocketAddr>> {
    let addresses = |service| match service {
        Service::Smtp => vec![25],
        Service::Submission => vec![587],
        Service::Submissions => vec![465],
        Service::Lmtp => vec![],
        Service::Imap => vec![143],
        Service::Imaps => vec![993],
        Service::Pop3 => vec![110],
        Service::Pop3s => vec![995],
        Service::Https => vec![443],
        Service::Http | Service::Redirect | Service::Metrics | Service::Standby => vec![],
    };
    let on_all = |port: u16| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    Service::ALL.into_iter().map(|service| (service, addresses(service).into_iter().map(on_all).collect())).collect()
}
