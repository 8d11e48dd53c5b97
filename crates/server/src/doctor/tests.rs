//! What the doctor finds in a world that is made for it.

use super::machine::{off, room};
use super::network::{lasting, listed, reversed};
use super::*;
use dns::fake::FakeServer;
use std::net::SocketAddr;
use std::time::Duration;

fn record(name: &str, kind: &str, value: &str) -> DnsRecord {
    DnsRecord { name: format!("{name}."), kind: kind.into(), value: value.into(), purpose: "x".into(), in_use: false }
}

fn resolver(server: &FakeServer) -> Dns {
    let options =
        dns::Options { servers: vec![server.address()], patience: Duration::from_millis(300), ..Default::default() };
    Dns::new(&options).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

const ADDRESS: &str = "192.0.2.25";

/// A zone in which everything is as it should be.
fn zone() -> FakeServer {
    let server = FakeServer::start();
    for (name, kind, data) in [
        ("mail.example.org", "A", ADDRESS),
        ("25.2.0.192.in-addr.arpa", "PTR", "mail.example.org."),
        ("example.org", "MX", "10 mail.example.org."),
        ("example.org", "TXT", "\"v=spf1 mx -all\""),
        ("example.org", "TXT", "\"google-site-verification=1\""),
        ("_dmarc.example.org", "TXT", "\"v=DMARC1; p=reject\""),
        ("a._domainkey.example.org", "TXT", "\"v=DKIM1; k=rsa;\" \" p=AAAA\""),
        ("autoconfig.example.org", "CNAME", "mail.example.org."),
        ("_imaps._tcp.example.org", "SRV", "0 1 993 mail.example.org."),
    ] {
        server.add(name, kind, data);
    }
    server
}

fn wanted() -> Vec<DnsRecord> {
    vec![
        record("example.org", "MX", "10 mail.example.org."),
        record("example.org", "TXT", "\"v=spf1 mx ~all\""),
        record("_dmarc.example.org", "TXT", "\"v=DMARC1; p=quarantine\""),
        DnsRecord { in_use: true, ..record("a._domainkey.example.org", "TXT", "\"v=DKIM1; k=rsa; p=AAAA\"") },
        record("autoconfig.example.org", "CNAME", "mail.example.org."),
        record("_imaps._tcp.example.org", "SRV", "0 1 993 mail.example.org."),
        record("_pop3._tcp.example.org", "SRV", "0 0 0 ."),
    ]
}

fn states(server: &FakeServer) -> Vec<State> {
    let domains = [("example.org".to_owned(), wanted())];
    let findings = runtime().block_on(each_domain(&resolver(server), &[ADDRESS.parse().unwrap()], &domains));
    assert!(findings.iter().all(|finding| (finding.state == State::Fine) == finding.advice.is_empty()), "{findings:?}");
    findings.into_iter().map(|finding| finding.state).collect()
}

#[test]
fn each_record_that_is_missing_or_another_one_is_found() {
    assert_eq!(states(&zone()), [State::Fine; 7]);
    let with = |name: &str, kind: &str, data: Option<&str>| {
        let server = zone();
        server.clear(name);
        data.into_iter().for_each(|data| server.add(name, kind, data));
        states(&server)
    };
    let except = |places: &[(usize, State)]| {
        let mut states = vec![State::Fine; 7];
        places.iter().for_each(|(place, state)| states[*place] = *state);
        states
    };
    use State::{Warning, Wrong};
    assert_eq!(with("example.org", "MX", Some("10 other.example.net.")), except(&[(0, Wrong), (1, Wrong)]));
    assert_eq!(with("_dmarc.example.org", "TXT", None), except(&[(2, Wrong)]));
    assert_eq!(with("a._domainkey.example.org", "TXT", None), except(&[(3, Wrong)]));
    assert_eq!(with("a._domainkey.example.org", "TXT", Some("\"v=DKIM1; k=rsa; p=BBBB\"")), except(&[(3, Wrong)]));
    assert_eq!(with("autoconfig.example.org", "A", Some("192.0.2.26")), except(&[(4, Warning)]));
    assert_eq!(with("_imaps._tcp.example.org", "SRV", Some("0 1 143 mail.example.org.")), except(&[(5, Warning)]));
    let next = record("b._domainkey.example.org", "TXT", "\"v=DKIM1; k=rsa; p=CCCC\"");
    let look = async { records::published(&resolver(&zone()), &[], &next).await.state };
    assert_eq!(runtime().block_on(look), Warning, "the next key does not sign yet");
    let server = zone();
    server.add("example.org", "TXT", "\"v=spf1 -all\"");
    assert_eq!(states(&server), except(&[(1, Wrong)]), "two of them");
}

#[test]
fn keys_in_the_dns_are_none_or_ours() {
    let server = zone();
    let digest = |octet: &str| format!("3 1 1 {}", octet.repeat(32));
    let of =
        |octet: &str, in_use: bool| DnsRecord { in_use, ..record("_25._tcp.mail.example.org", "TLSA", &digest(octet)) };
    let look = |octet: &str, in_use: bool| {
        let (dns, record) = (resolver(&server), of(octet, in_use));
        runtime().block_on(records::published(&dns, &[], &record)).state
    };
    assert_eq!(look("ab", true), State::Fine, "DANE is not for every zone");
    server.add("_25._tcp.mail.example.org", "TLSA", &digest("AB"));
    assert_eq!(look("ab", true), State::Fine);
    assert_eq!(look("cd", true), State::Wrong, "who looks at it sends nothing here");
    assert_eq!(look("cd", false), State::Warning);
}

#[test]
fn an_address_needs_its_name_and_is_on_no_list() {
    let server = zone();
    let address: IpAddr = ADDRESS.parse().unwrap();
    let look = |host: &str| runtime().block_on(network::reverse_name(&resolver(&server), host, address)).state;
    assert_eq!((look("mail.example.org"), look("mail.example.net")), (State::Fine, State::Wrong));
    let lists = || {
        let findings = runtime().block_on(network::lists(&resolver(&server), address));
        findings.into_iter().map(|finding| finding.state).collect::<Vec<_>>()
    };
    assert_eq!(lists(), [State::Fine; 3]);
    server.add("25.2.0.192.zen.spamhaus.org", "A", "127.0.0.4");
    server.add("25.2.0.192.bl.spamcop.net", "A", "127.255.255.254");
    assert_eq!(lists(), [State::Wrong, State::Unknown, State::Fine]);
    assert_eq!(reversed("2001:db8::1".parse().unwrap()), format!("1.{}8.b.d.0.1.0.0.2", "0.".repeat(23)));
    // A name server that leads whatever it does not know to a page of its own.
    assert_eq!(listed(Finding::new("x", "x"), "x", &["192.0.2.80".parse().unwrap()]).state, State::Fine);
}

#[test]
fn the_way_out_is_tried_and_ports_too() {
    let server = zone();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    server.add("far.example", "MX", "10 mx.far.example.");
    server.add("mx.far.example", "A", "127.0.0.1");
    let mut config = Config { listen: Default::default(), smarthost: None, ..Config::default() };
    let out = |config: &Config, well_known, smtp_port| {
        let elsewhere = Elsewhere { well_known, smtp_port, ..ELSEWHERE };
        runtime().block_on(network::way_out(config, &resolver(&server), &elsewhere)).state
    };
    assert_eq!(out(&config, "far.example", port), State::Fine);
    assert_eq!(out(&config, "nowhere.example", port), State::Unknown);
    let own: SocketAddr = ([0, 0, 0, 0], port).into();
    config.listen.insert(crate::service::Service::Imaps, vec![own]);
    let ports = |config: &Config| runtime().block_on(network::ports(config)).remove(0).state;
    assert_eq!(ports(&config), State::Fine);
    drop(listener);
    assert_eq!((ports(&config), out(&config, "far.example", port)), (State::Wrong, State::Wrong));
    let certificates = runtime().block_on(network::certificates(&config, &[]));
    assert_eq!((certificates.len(), certificates[0].state), (1, State::Warning), "no other one was asked for");
    config.acme = Some(crate::config::Acme::default());
    assert_eq!(runtime().block_on(network::certificates(&config, &[]))[0].state, State::Wrong);
}

#[test]
fn without_a_dns_that_is_all_that_is_said_about_it() {
    let server = FakeServer::start();
    let config = Config { listen: Default::default(), hostname: "mail.example.org".into(), ..Config::default() };
    server.treat("mail.example.org", dns::fake::Manner::Failing);
    let findings = runtime().block_on(examine(&config, &resolver(&server), &[("example.org".to_owned(), wanted())]));
    let last = findings.last().unwrap();
    assert_eq!((last.check.to_string().as_str(), last.state), ("address of mail.example.org", State::Wrong));
    assert!(findings.iter().all(|finding| !finding.check.to_string().starts_with("MX")));
}

#[test]
fn room_and_time_have_bounds() {
    let finding = || Finding::new("x", "x");
    let mib = |mib: u64| room(finding(), mib << 20).state;
    assert_eq!([mib(63), mib(64), mib(1023), mib(1024)], [State::Wrong, State::Warning, State::Warning, State::Fine]);
    let facts = acme::Facts::new(Vec::new(), (0, 90 * 86_400), [7; 32]);
    let days = |days: i64| lasting(finding(), &facts, (90 - days) * 86_400).state;
    assert_eq!(
        [days(-1), days(0), days(1), days(17), days(18)],
        [State::Wrong, State::Wrong, State::Warning, State::Warning, State::Fine]
    );
    let secs = |secs| off(finding(), secs).state;
    assert_eq!([secs(5), secs(6), secs(60), secs(61)], [State::Fine, State::Warning, State::Warning, State::Wrong]);
}

/// All that is found in a world where much is wrong.
fn ill() -> Vec<Finding> {
    let (server, listener) = (zone(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    for name in ["_dmarc.example.org", "a._domainkey.example.org", "_imaps._tcp.example.org"] {
        server.clear(name);
    }
    server.add("example.org", "TXT", "\"v=spf1 -all\"");
    server.add("25.2.0.192.zen.spamhaus.org", "A", "127.0.0.4");
    server.add("25.2.0.192.bl.spamcop.net", "A", "127.255.255.254");
    server.treat("25.2.0.192.b.barracudacentral.org", dns::fake::Manner::Failing);
    let mut config = Config {
        listen: Default::default(),
        hostname: "mail.example.org".into(),
        data_dir: "/nowhere".into(),
        ..Config::default()
    };
    config.sender.check = false;
    config.listen.insert(crate::service::Service::Imaps, vec![([127, 0, 0, 1], port).into()]);
    let digest = format!("3 1 1 {}", "ab".repeat(32));
    let key = DnsRecord { in_use: true, ..record("_25._tcp.mail.example.org", "TLSA", &digest) };
    server.add("_25._tcp.mail.example.org", "TLSA", &format!("3 1 1 {}", "CD".repeat(32)));
    let domains = [("example.org".to_owned(), [wanted(), vec![key]].concat())];
    let mut findings = runtime().block_on(examine(&config, &resolver(&server), &domains));
    let elsewhere = Elsewhere { well_known: "nowhere.example", ..ELSEWHERE };
    findings.push(runtime().block_on(network::way_out(&config, &resolver(&server), &elsewhere)));
    findings.push(off(Finding::new("x", "x"), 61));
    findings.push(room(Finding::new("x", "x"), 1));
    findings
}

#[test]
fn what_is_found_is_worded_in_the_language_of_whoever_reads_it() {
    let findings = ill();
    assert!(findings.len() > 20, "{findings:?}");
    let said = |finding: &Finding| {
        let Finding { check, found, expected, why, advice, .. } = finding;
        wording::pseudo(|| [check, found, expected, why, advice].map(ToString::to_string))
    };
    for (at, finding) in findings.iter().enumerate() {
        let [check, found, expected, why, advice] = said(finding);
        // Of the tests themselves: "x". Records, names of hosts, and what the system says of a file, are the same in each language.
        let is_said = |text: &str| text.is_empty() || text == "x" || text.starts_with('⟦');
        let is_record = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == ' ');
        let is_value =
            |text: &str| is_said(text) || is_record(text) || text.contains(['=', '.']) || text.contains("(os error");
        assert!([&check, &why, &advice].iter().all(|text| is_said(text)), "{at}: {check}: {why}; {advice}");
        assert!(is_value(&found) && is_value(&expected), "{at}: {check}: {found}; {expected}");
        let german = wording::speaking(wording::Language::German, || finding.advice.to_string());
        assert!(advice.is_empty() || german != finding.advice.to_string(), "{german}");
    }
}
