//! Which hosts take mail for a domain (RFC 5321 §5.1), and at which addresses. Asks the DNS, connects to nobody.

use dns::{Answer, Dns, Error, Mx, Tlsa};
use smtp_proto::{Enhanced, Reply};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};

/// So many hosts of a domain are tried.
pub(crate) const HOSTS_MAX: usize = 5;
/// So many addresses of a host are tried.
pub(crate) const ADDRESSES_MAX: usize = 4;

/// What the DNS says of a domain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// One at least, each with an address, in the order in which they are tried.
    Hosts(Vec<Host>),
    /// It gets no mail, and why.
    Never(Reply),
    /// The DNS did not answer.
    Later(Reply),
}

/// A host that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name, or an address in brackets.
    pub(crate) name: String,
    /// In the order in which they are tried.
    pub(crate) addresses: Vec<IpAddr>,
    /// What its certificate must be like.
    pub(crate) dane: Dane,
    /// What says that it takes mail for the domain is signed.
    pub(crate) is_signed: bool,
}

/// What a host's owner publishes of its certificate (RFC 7672).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dane {
    /// Nothing that can be believed.
    None,
    /// TLS is spoken, and one of these matches; where none is usable, any certificate does (RFC 7672 §2.2).
    Required(Vec<Tlsa>),
}

/// The hosts of a domain. `own`: this server's name, unless it may be one of them. `port`: where mail is delivered.
pub(crate) async fn hosts(dns: &Dns, domain: &str, own: Option<&str>, port: u16) -> Found {
    if let Some(address) = literal(domain) {
        return Found::Hosts(vec![Host {
            name: domain.to_owned(),
            addresses: vec![address],
            dane: Dane::None,
            is_signed: true,
        }]);
    }
    let answer = match dns.mx(domain).await {
        Ok(answer) => answer,
        Err(error) => return unanswered(domain, &error),
    };
    let secure = answer.secure;
    let names = match names(answer, domain, own, RandomState::new().hash_one(domain)) {
        Ok(names) => names,
        Err(reply) => return Found::Never(reply),
    };
    let (mut hosts, mut failure, mut is_own) = (Vec::new(), None, false);
    for name in names.into_iter().take(HOSTS_MAX) {
        match host(dns, name, secure, port).await {
            Ok(Some(host)) if own.is_some() && port == 25 && host.addresses.iter().any(is_here) => is_own = true,
            Ok(Some(host)) => hosts.push(host),
            Ok(None) => {}
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        _ if !hosts.is_empty() => Found::Hosts(hosts),
        Some(error) => unanswered(domain, &error),
        None if is_own => Found::Never(circle(domain)),
        None => Found::Never(Reply::new(
            550,
            Enhanced(5, 4, 4),
            format!("no host that takes mail for {domain} has an address"),
        )),
    }
}

/// The names of the hosts, in the order in which they are tried.
fn names(answer: Answer<Mx>, domain: &str, own: Option<&str>, seed: u64) -> Result<Vec<String>, Reply> {
    if !answer.name_exists {
        return Err(Reply::new(550, Enhanced(5, 1, 2), format!("there is no domain {domain}")));
    }
    let mut records = answer.records;
    if records.is_empty() {
        // RFC 5321 §5.1: a domain without MX records is its own host.
        records.push(Mx { preference: 0, exchange: domain.to_owned() });
    }
    records.retain(|mx| !mx.exchange.is_empty());
    if records.is_empty() {
        // RFC 7505 §4.2.
        return Err(Reply::new(556, Enhanced(5, 1, 10), format!("{domain} takes no mail (null MX)")));
    }
    // RFC 5321 §5.1: this host, and whatever is not preferred to it, is left out, or mail would go in a circle.
    let is_own = |mx: &&Mx| own.is_some_and(|own| mx.exchange.eq_ignore_ascii_case(own));
    if let Some(ours) = records.iter().filter(is_own).map(|mx| mx.preference).min() {
        records.retain(|mx| mx.preference < ours);
        if records.is_empty() {
            return Err(circle(domain));
        }
    }
    // RFC 5321 §5.1: equal ones are tried in random order, to share the load.
    let mix = |exchange: &str| {
        let hash = exchange.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        hash ^ (hash >> 29)
    };
    records.sort_by_cached_key(|mx| (mx.preference, mix(&mx.exchange)));
    records.dedup_by(|one, other| one.exchange == other.exchange);
    Ok(records.into_iter().map(|mx| mx.exchange).collect())
}

/// `None`: it has no address. `signed`: so was what named it.
async fn host(dns: &Dns, name: String, signed: bool, port: u16) -> Result<Option<Host>, Error> {
    let found = match dns.addresses(&name).await {
        Err(Error::Name(_)) => return Ok(None),
        found => found?,
    };
    if found.records.is_empty() {
        return Ok(None);
    }
    // RFC 7672 §2.2: without a signature nothing is asked for, because servers that sign nothing may not know the type.
    let dane = if signed && found.secure { dane(dns, &name, port).await? } else { Dane::None };
    Ok(Some(Host { name, addresses: in_turn(&found.records), dane, is_signed: signed }))
}

async fn dane(dns: &Dns, host: &str, port: u16) -> Result<Dane, Error> {
    // RFC 7672 §2.1.2: an answer that is missing or forged delays mail, or a forger could switch the check off.
    let found = dns.tlsa(&format!("_{port}._tcp.{host}")).await?;
    Ok(if found.secure { Dane::Required(found.records) } else { Dane::None })
}

/// IPv6 and IPv4 in turn, so that a network without one of them loses little time.
fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (mut v6, mut v4) = (addresses.iter().filter(|a| a.is_ipv6()), addresses.iter().filter(|a| a.is_ipv4()));
    let mut ordered = Vec::new();
    while ordered.len() < ADDRESSES_MAX {
        let before = ordered.len();
        ordered.extend(v6.next().into_iter().chain(v4.next()));
        if ordered.len() == before {
            break;
        }
    }
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

fn is_here(address: &IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

/// RFC 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
fn literal(domain: &str) -> Option<IpAddr> {
    let inside = domain.strip_prefix('[')?.strip_suffix(']')?;
    let v6 = inside.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:")).and_then(|_| inside.get(5..));
    match v6 {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        None => inside.parse().ok(),
    }
}

fn circle(domain: &str) -> Reply {
    Reply::new(554, Enhanced(5, 4, 6), format!("mail for {domain} leads to this server, which does not take it"))
}

fn unanswered(domain: &str, error: &Error) -> Found {
    match error {
        Error::Name(_) => Found::Never(Reply::new(550, Enhanced(5, 1, 2), format!("{domain} is no name of a domain"))),
        error => Found::Later(Reply::new(451, Enhanced(4, 4, 3), format!("who takes mail for {domain}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dns::Options;
    use dns::fake::{FakeServer, Manner};

    fn look(server: &FakeServer, domain: &str, port: u16) -> Found {
        let patience = std::time::Duration::from_millis(200);
        let options = Options { servers: vec![server.address()], dnssec: false, patience, ..Options::default() };
        let dns = Dns::new(&options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(hosts(&dns, domain, Some("own.example"), port))
    }

    fn found(server: &FakeServer, domain: &str) -> Vec<(String, Vec<String>)> {
        let Found::Hosts(hosts) = look(server, domain, 25) else { panic!("{:?}", look(server, domain, 25)) };
        let addresses = |host: &Host| host.addresses.iter().map(ToString::to_string).collect();
        hosts.iter().map(|host| (host.name.clone(), addresses(host))).collect()
    }

    fn never(server: &FakeServer, domain: &str) -> String {
        match look(server, domain, 25) {
            Found::Never(reply) => format!("{} {}", reply.code, reply.enhanced.unwrap()),
            other => panic!("{domain}: {other:?}"),
        }
    }

    fn with(records: &[(&str, &str, &str)]) -> FakeServer {
        let server = FakeServer::start();
        records.iter().for_each(|(name, record_type, data)| server.add(name, record_type, data));
        server
    }

    #[test]
    fn hosts_come_by_preference_and_their_addresses_in_turn() {
        let server = with(&[
            ("x.example", "MX", "20 b.x.example."),
            ("x.example", "MX", "10 a.x.example."),
            ("x.example", "MX", "30 gone.x.example."),
            ("a.x.example", "A", "192.0.2.1"),
            ("a.x.example", "A", "192.0.2.2"),
            ("a.x.example", "AAAA", "2001:db8::1"),
            ("b.x.example", "A", "192.0.2.3"),
        ]);
        let expected =
            [("a.x.example", vec!["2001:db8::1", "192.0.2.1", "192.0.2.2"]), ("b.x.example", vec!["192.0.2.3"])];
        let expected =
            expected.map(|(name, addresses)| (name.to_owned(), addresses.into_iter().map(str::to_owned).collect()));
        assert_eq!(found(&server, "x.example"), expected);
    }

    #[test]
    fn a_domain_without_mx_is_its_own_host_also_behind_an_alias() {
        let server = with(&[("x.example", "A", "192.0.2.1"), ("alias.example", "CNAME", "x.example.")]);
        assert_eq!(found(&server, "x.example")[0].0, "x.example");
        assert_eq!(found(&server, "alias.example")[0], ("alias.example".to_owned(), vec!["192.0.2.1".to_owned()]));
    }

    #[test]
    fn what_gets_no_mail_is_told_apart() {
        let server = with(&[
            ("null.example", "MX", "0 ."),
            ("text.example", "TXT", "\"no host\""),
            ("dangling.example", "MX", "10 gone.example."),
            ("here.example", "MX", "10 localhost.example."),
            ("localhost.example", "A", "127.0.0.1"),
            ("ours.example", "MX", "10 own.example."),
        ]);
        assert_eq!(never(&server, "null.example"), "556 5.1.10");
        assert_eq!(never(&server, "none.example"), "550 5.1.2");
        assert_eq!(never(&server, "text.example"), "550 5.4.4");
        assert_eq!(never(&server, "dangling.example"), "550 5.4.4");
        assert_eq!(never(&server, "here.example"), "554 5.4.6");
        assert_eq!(never(&server, "ours.example"), "554 5.4.6");
        assert!(matches!(look(&server, "here.example", 2525), Found::Hosts(_)), "a port of another server's");
    }

    #[test]
    fn this_server_and_what_is_no_better_is_left_out() {
        let server = with(&[
            ("x.example", "MX", "10 first.example."),
            ("x.example", "MX", "20 OWN.example."),
            ("x.example", "MX", "20 equal.example."),
            ("x.example", "MX", "30 last.example."),
            ("first.example", "A", "192.0.2.1"),
            ("equal.example", "A", "192.0.2.2"),
            ("last.example", "A", "192.0.2.3"),
        ]);
        assert_eq!(found(&server, "x.example").len(), 1);
        assert_eq!(found(&server, "x.example")[0].0, "first.example");
    }

    #[test]
    fn equal_hosts_share_the_load() {
        let mx = |exchange: &str| Mx { preference: 10, exchange: exchange.to_owned() };
        let first = |seed| {
            let records = vec![mx("a.example"), mx("b.example")];
            let answer = Answer { records, name_exists: true, secure: false, canonical: "x.example".to_owned() };
            names(answer, "x.example", Some("own.example"), seed).unwrap()[0].clone()
        };
        let chosen: Vec<String> = (0..64).map(|seed: u64| first(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        for name in ["a.example", "b.example"] {
            assert!(chosen.iter().filter(|chosen| *chosen == name).count() > 10, "{chosen:?}");
        }
    }

    #[test]
    fn a_name_server_that_fails_delays_mail() {
        let server = with(&[("x.example", "MX", "10 a.x.example.")]);
        server.treat("a.x.example", Manner::Failing);
        server.treat("y.example", Manner::Failing);
        for domain in ["x.example", "y.example"] {
            let Found::Later(reply) = look(&server, domain, 25) else { panic!("{domain}") };
            assert_eq!((reply.code, reply.enhanced), (451, Some(Enhanced(4, 4, 3))));
        }
    }

    #[test]
    fn an_address_is_its_own_host_and_so_many_are_tried() {
        let server = FakeServer::start();
        assert_eq!(found(&server, "[192.0.2.1]")[0].1, ["192.0.2.1"]);
        assert_eq!(found(&server, "[IPv6:2001:db8::1]")[0].1, ["2001:db8::1"]);
        for number in 1..=ADDRESSES_MAX + 1 {
            server.add("many.example", "A", &format!("192.0.2.{number}"));
        }
        for number in 1..=HOSTS_MAX + 1 {
            server.add("hosts.example", "MX", &format!("{number} h{number}.example."));
            server.add(&format!("h{number}.example"), "A", "192.0.2.9");
        }
        assert_eq!(found(&server, "many.example")[0].1.len(), ADDRESSES_MAX);
        assert_eq!(found(&server, "hosts.example").len(), HOSTS_MAX);
    }
}
