//! Look-ups against a name server that misbehaves.

#![allow(clippy::unwrap_used)]

use dns::fake::{FakeServer, Manner};
use dns::{Answer, Dns, Error, Mx, Options, Tlsa};

fn plain(server: &FakeServer) -> Dns {
    Dns::new(&Options { servers: vec![server.address()], dnssec: false, ..Options::default() }).unwrap()
}

/// Does not wait long for what does not come.
fn impatient(server: &FakeServer) -> Dns {
    let patience = std::time::Duration::from_millis(200);
    Dns::new(&Options { servers: vec![server.address()], dnssec: false, patience, ..Options::default() }).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn records_of_each_type_are_read() {
    let server = FakeServer::start();
    for (name, record_type, data) in [
        ("example.org", "MX", "20 b.example.org."),
        ("example.org", "MX", "10 A.example.org."),
        ("none.example", "MX", "0 ."),
        ("a.example.org", "A", "192.0.2.1"),
        ("a.example.org", "AAAA", "2001:db8::1"),
        ("example.org", "TXT", "\"v=one \" \"two\""),
        ("_25._tcp.a.example.org", "TLSA", "3 1 1 00ff"),
        ("1.2.0.192.in-addr.arpa", "PTR", "A.example.org."),
    ] {
        server.add(name, record_type, data);
    }
    let dns = plain(&server);
    wait(async {
        let mx = |preference, exchange: &str| Mx { preference, exchange: exchange.to_owned() };
        let found = dns.mx("Example.ORG").await.unwrap();
        assert_eq!(found.records, [mx(20, "b.example.org"), mx(10, "a.example.org")]);
        assert_eq!((found.secure, found.name_exists, found.canonical.as_str()), (false, true, "example.org"));
        assert_eq!(dns.mx("none.example").await.unwrap().records, [mx(0, "")]);
        let addresses = dns.addresses("a.example.org").await.unwrap().records;
        assert_eq!(addresses, ["2001:db8::1".parse::<std::net::IpAddr>().unwrap(), [192, 0, 2, 1].into()]);
        assert_eq!(dns.txt("example.org").await.unwrap().records, [b"v=one two"]);
        let tlsa = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![0, 255] };
        assert_eq!(dns.tlsa("_25._tcp.a.example.org").await.unwrap().records, [tlsa]);
        assert_eq!(dns.ptr([192, 0, 2, 1].into()).await.unwrap().records, ["a.example.org"]);
        // What was asked once is known.
        dns.mx("example.org").await.unwrap();
        assert_eq!(server.asked("example.org", "MX"), 1);
        // Also to a library that has the resolver itself.
        dns.resolver().txt_lookup("example.org.").await.unwrap();
        assert_eq!(server.asked("example.org", "TXT"), 1);
        assert!(!dns.validates().await, "it was not asked for");
    });
}

#[test]
fn no_such_record_and_no_such_name_are_answers() {
    let server = FakeServer::start();
    server.add("a.example", "A", "192.0.2.1");
    let dns = plain(&server);
    let nothing =
        |name: &str, name_exists| Answer { records: vec![], name_exists, secure: false, canonical: name.into() };
    wait(async {
        assert_eq!(dns.mx("a.example").await, Ok(nothing("a.example", true)));
        assert_eq!(dns.mx("b.example").await, Ok(nothing("b.example", false)));
        assert_eq!(dns.mx("a..example").await, Err(Error::Name("a..example".into())));
    });
}

#[test]
fn an_alias_is_followed_and_named_and_a_circle_of_them_ends() {
    let server = FakeServer::start();
    server.add("old.example", "CNAME", "new.example.");
    server.add("new.example", "A", "192.0.2.7");
    server.add("one.example", "CNAME", "two.example.");
    server.add("two.example", "CNAME", "one.example.");
    let dns = plain(&server);
    wait(async {
        let found = dns.addresses("old.example").await.unwrap();
        assert_eq!((found.records, found.canonical.as_str()), (vec![[192, 0, 2, 7].into()], "new.example"));
        let circle = dns.addresses("one.example").await;
        assert!(circle.as_ref().map_or(true, |answer| answer.records.is_empty()), "{circle:?}");
    });
}

#[test]
fn a_server_that_fails_or_lies_is_no_absence() {
    let server = FakeServer::start();
    server.treat("fails.example", Manner::Failing);
    server.treat("lies.example", Manner::Lying);
    let dns = impatient(&server);
    wait(async {
        assert!(matches!(dns.mx("fails.example").await, Err(Error::Refused(_))));
        assert!(dns.mx("lies.example").await.is_err());
    });
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let server = FakeServer::start();
    server.treat("silent.example", Manner::Silent);
    let dns = impatient(&server);
    assert!(matches!(wait(dns.mx("silent.example")), Err(Error::Timeout | Error::Unreachable(_))));
    assert!(server.asked("silent.example", "MX") >= 1);
}

#[test]
fn an_answer_too_long_for_udp_comes_over_tcp() {
    let server = FakeServer::start();
    for number in 0..200 {
        server.add("huge.example", "TXT", &format!("\"{number:0>200}\""));
    }
    assert_eq!(wait(plain(&server).txt("huge.example")).unwrap().records.len(), 200);
    assert_eq!(server.asked("huge.example", "TXT"), 2);
}
