//! The way in and out: addresses, names, ports, certificates, lists.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use acme::Facts;
use dns::Dns;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use web::setup::DnsRecord;
use wording::{Later, tr_later, trn_later};

use super::{Elsewhere, Finding, State, unanswered};
use crate::config::Config;
use crate::service::Service;

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const DAY_SECS: i64 = 24 * 3600;
/// From this share of its life on somebody should look at a certificate: it is renewed well before. Some live for six days only.
const CERTIFICATE_LIFE_SHARE: i64 = 5;
/// Lists that many servers ask before they take mail.
const LISTS: [&str; 3] = ["zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org"];

/// Whether the name leads to this machine.
pub(super) fn own_addresses(finding: Finding, addresses: &[IpAddr]) -> Finding {
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let finding = finding.found(shown.join(", ")).expecting(tr_later!("an address of this machine"));
    if addresses.is_empty() {
        return finding
            .but(State::Wrong, tr_later!("publish an A record, and AAAA if the machine has an address of IPv6"));
    }
    // An address that can be bound is one of this machine.
    let is_here = |address: &IpAddr| UdpSocket::bind((*address, 0)).is_ok();
    if addresses.iter().all(is_here) {
        return finding;
    }
    finding.but(
        State::Warning,
        tr_later!("not all of them are of this machine: fine behind a router that leads here, else correct it"),
    )
}

pub(super) async fn resolver(config: &Config, dns: &Dns) -> Finding {
    let finding = Finding::new(
        tr_later!("resolver"),
        tr_later!("forged answers lead mail elsewhere, and DANE needs signed ones (DNSSEC)"),
    )
    .expecting(tr_later!("it lets signatures through, and answers are validated"));
    match (config.dns.dnssec, dns.validates().await) {
        (_, true) => finding.found(tr_later!("signed answers")),
        (false, false) => finding
            .found(tr_later!("validation is switched off"))
            .but(State::Warning, tr_later!("set {setting}", setting = "dns.dnssec = true")),
        (true, false) => finding
            .found(tr_later!("no signatures"))
            .but(State::Warning, tr_later!("run a resolver on this machine (unbound) and name it in dns.servers")),
    }
}

pub(super) async fn reverse_name(dns: &Dns, host: &str, address: IpAddr) -> Finding {
    let finding = Finding::new(
        tr_later!("reverse name (PTR) of {address}", address = address.to_string()),
        tr_later!("many servers take no mail from an address without"),
    )
    .expecting(host);
    match dns.ptr(address).await {
        Ok(answer) => {
            let is_own = answer.records.iter().any(|name| name.eq_ignore_ascii_case(host));
            let finding = finding.found(answer.records.join(", "));
            let advice = tr_later!("set it where you have the address from (the provider of the machine)");
            if is_own { finding } else { finding.but(State::Wrong, advice) }
        }
        Err(error) => unanswered(finding, &error),
    }
}

/// Lists of addresses that send junk (RFC 5782 §2.1).
pub(super) async fn lists(dns: &Dns, address: IpAddr) -> Vec<Finding> {
    let mut findings = Vec::new();
    for list in LISTS {
        let finding = Finding::new(
            tr_later!("{address} on the list {list}", address = address.to_string(), list),
            tr_later!("who asks it takes no mail from this address"),
        )
        .expecting(tr_later!("not listed"));
        findings.push(match dns.addresses(&format!("{}.{list}", reversed(address))).await {
            Ok(answer) => listed(finding, list, &answer.records),
            Err(error) => unanswered(finding, &error),
        });
    }
    findings
}

pub(super) fn listed(finding: Finding, list: &str, answers: &[IpAddr]) -> Finding {
    let shown: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let finding = finding.found(shown.join(", "));
    let octets = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => [0; 4],
    };
    // 127.255.255.0/24: the list does not answer such a resolver, as Spamhaus says it.
    let (refused, is_listed): (Vec<_>, Vec<_>) =
        answers.iter().map(octets).partition(|octets| octets[..3] == [127, 255, 255]);
    if is_listed.iter().any(|octets| octets[0] == 127) {
        return finding.but(State::Wrong, tr_later!("find out why, mend it, then ask {list} to take it off", list));
    }
    if refused.is_empty() {
        return finding.found(tr_later!("not listed"));
    }
    finding.but(
        State::Unknown,
        tr_later!("the list answers no public resolver; run one on this machine and name it in dns.servers"),
    )
}

/// RFC 5782 §2.1, §2.4.
pub(super) fn reversed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 15, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

/// Whether connections leave: to the smarthost, or to a host that takes mail from everybody.
pub(super) async fn way_out(config: &Config, dns: &Dns, elsewhere: &Elsewhere) -> Finding {
    let (host, port) = match &config.smarthost {
        Some(smarthost) => (Some(smarthost.host.clone()), smarthost.port()),
        None => {
            let exchangers = dns.mx(elsewhere.well_known).await.map(|answer| answer.records).unwrap_or_default();
            (exchangers.into_iter().min_by_key(|mx| mx.preference).map(|mx| mx.exchange), elsewhere.smtp_port)
        }
    };
    let finding =
        Finding::new(tr_later!("port {port} outwards", port = port.to_string()), tr_later!("mail leaves over it"));
    let Some(host) = host else {
        return finding.but(
            State::Unknown,
            tr_later!("the mail exchangers of {domain} are not found", domain = elsewhere.well_known),
        );
    };
    let finding = finding.expecting(tr_later!("{host} takes a connection", host = &host));
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => dns.addresses(&host).await.map(|answer| answer.records).unwrap_or_default(),
    };
    for address in &addresses {
        if let Ok(Ok(_)) = timeout(CONNECT_PATIENCE, TcpStream::connect((*address, port))).await {
            return finding.found(tr_later!("{address} takes one", address = address.to_string()));
        }
    }
    finding.found(tr_later!("no connection")).but(
        State::Wrong,
        tr_later!("many providers of machines close port 25: ask for it to be opened, or send through a [smarthost]"),
    )
}

/// Whether the server is reached on its own ports.
pub(super) async fn ports(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (service, address) in config.addresses().into_iter().filter(|(_, address)| address.port() != 0) {
        let finding = Finding::new(
            tr_later!("{service} on {address}", service = service.to_string(), address = address.to_string()),
            tr_later!("programs and servers come in there"),
        );
        let reached = timeout(CONNECT_PATIENCE, TcpStream::connect(reachable(address))).await;
        findings.push(match reached {
            Ok(Ok(_)) => finding.found(tr_later!("it listens")),
            Ok(Err(_)) | Err(_) => finding
                .found(tr_later!("nothing listens"))
                .but(State::Wrong, tr_later!("start the server (`pillarbox serve`), look at its log")),
        });
    }
    findings
}

/// Where something that listens on `address` is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Whether programs trust the certificate under the names that lead here.
pub(super) async fn certificates(config: &Config, domains: &[(String, Vec<DnsRecord>)]) -> Vec<Finding> {
    let tls = [Service::Https, Service::Imaps, Service::Submissions, Service::Pop3s];
    let of = |service: &Service| config.listen.get(service).into_iter().flatten().find(|address| address.port() != 0);
    let Some(address) = tls.iter().find_map(of) else { return Vec::new() };
    let aliases = domains.iter().flat_map(|(_, records)| records).filter(|record| record.kind == "CNAME");
    let names = aliases.map(|record| record.name.trim_end_matches('.').to_owned());
    let mut findings = Vec::new();
    for (place, name) in std::iter::once(config.hostname.clone()).chain(names).enumerate() {
        let finding = Finding::new(
            tr_later!("certificate for {name}", name = &name),
            tr_later!("programs and servers refuse one that they do not trust"),
        )
        .expecting(tr_later!("one that this system trusts"));
        // Who asked for no other one has the own authority's, and may have told all devices to trust it.
        let is_own = config.tls_files.is_none() && config.acme.is_none();
        let untrusted = if place == 0 && !is_own { State::Wrong } else { State::Warning };
        let advice = match (&config.tls_files, &config.acme) {
            (Some(_), _) => {
                tr_later!("get one for all these names, and name its files in [tls]; SIGHUP has the server read it")
            }
            (None, Some(_)) => {
                tr_later!("`pillarbox certificate` says why there is none yet, and when it is tried again")
            }
            (None, None) => tr_later!(
                "the own authority signs it, which every device must be told to trust; with {setting} a public one does",
                setting = "tls.acme = \"letsencrypt\""
            ),
        };
        findings.push(match trusted(reachable(*address), &name).await {
            Ok(facts) => lasting(finding, &facts, unix_seconds()),
            Err(error) => finding.found(error).but(untrusted, advice),
        });
    }
    findings
}

/// How long a certificate is good still.
pub(super) fn lasting(finding: Finding, facts: &Facts, now: i64) -> Finding {
    let left = facts.not_after.saturating_sub(now);
    let finding =
        finding.found(trn_later!(left.div_euclid(DAY_SECS), "trusted, {n} day left", "trusted, {n} days left"));
    match left {
        left if left < DAY_SECS => {
            finding.but(State::Wrong, tr_later!("it was not renewed: look at what renews it (`pillarbox certificate`)"))
        }
        left if left < facts.not_after.saturating_sub(facts.not_before) / CERTIFICATE_LIFE_SHARE => {
            finding.but(State::Warning, tr_later!("see that it is renewed in time"))
        }
        _ => finding,
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A handshake, as a program does it; what the certificate says.
async fn trusted(address: SocketAddr, name: &str) -> Result<Facts, Later> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let handshake = async {
        let socket = TcpStream::connect(address).await.map_err(|_| tr_later!("nothing listens"))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(server, socket).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        shown.and_then(|shown| Facts::of_der(shown)).ok_or_else(|| tr_later!("it cannot be read"))
    };
    timeout(CONNECT_PATIENCE, handshake).await.unwrap_or_else(|_| Err(tr_later!("no answer")))
}
