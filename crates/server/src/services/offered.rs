//! What mail programs are told that they can use: what really listens.

use std::net::SocketAddr;

use web::setup::{Offered, Protocol, Security};

use crate::config::Config;
use crate::service::Service;

/// What of `addresses` mail programs can use under the name of this host. What listens on this machine only counts where nothing
/// else does: then all of the server is for this machine, as with `pillarbox try`.
#[must_use]
pub fn offered(config: &Config, addresses: &[(Service, SocketAddr)]) -> Offered {
    let port = |service: Service| {
        let of = addresses.iter().filter(|(found, _)| *found == service).map(|(_, address)| address);
        let mut of: Vec<&SocketAddr> = of.collect();
        of.sort_by_key(|address| address.ip().is_loopback());
        of.first().map(|address| address.port())
    };
    let mail = [
        (Service::Imaps, Protocol::Imap, Security::Tls),
        (Service::Imap, Protocol::Imap, Security::StartTls),
        (Service::Pop3s, Protocol::Pop3, Security::Tls),
        (Service::Pop3, Protocol::Pop3, Security::StartTls),
        (Service::Submissions, Protocol::Submission, Security::Tls),
        (Service::Submission, Protocol::Submission, Security::StartTls),
    ];
    let services = mail.into_iter().filter_map(|(service, protocol, security)| {
        Some(web::setup::OfferedService { protocol, security, port: port(service)? })
    });
    Offered {
        host: config.hostname.clone(),
        services: services.collect(),
        pages_port: port(Service::Https),
        keys_stay: config.acme.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_is_offered_and_nothing_else() {
        let at = |service, address: &str| (service, address.parse().unwrap());
        let addresses = [
            at(Service::Imaps, "127.0.0.1:1993"),
            at(Service::Imaps, "[::]:993"),
            at(Service::Submissions, "127.0.0.1:4650"),
            at(Service::Lmtp, "[::]:24"),
        ];
        let offered = offered(&Config { hostname: "mail.example.org".to_owned(), ..Config::default() }, &addresses);
        let imap = offered.best(Protocol::Imap).unwrap();
        assert_eq!((imap.port, imap.security, offered.services.len()), (993, Security::Tls, 2));
        assert_eq!(offered.best(Protocol::Submission).unwrap().port, 4650);
        assert_eq!((offered.best(Protocol::Pop3), offered.pages_port), (None, None));
    }
}
