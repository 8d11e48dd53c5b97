use super::*;
use crate::lookup::{Kind, Record};
use crate::testing::Table;
use futures::executor::block_on;

fn spf(table: &Table, address: &str, domain: &str) -> Spf {
    let sender = Sender {
        address: address.parse().unwrap(),
        helo: "mail.example.net",
        local_part: "info",
        domain,
        receiver: "here.example",
        unix_seconds: 0,
    };
    block_on(check(&Budget::new(table), &sender)).spf
}

fn mx(table: Table, name: &str, hosts: usize) -> Table {
    (0..hosts).fold(table, |table, at| {
        let exchange = format!("mx{at}.{name}");
        table.address(&exchange, "198.51.100.1").with(name, Kind::Mx, Record::Mx { preference: 10, exchange })
    })
}

#[test]
fn what_a_policy_says() {
    let table = Table::default()
        .txt("example.org", "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:host.example.org include:other.example -all")
        .txt("example.org", "something else")
        .address("host.example.org", "198.51.100.7")
        .txt("other.example", "v=spf1 ?ip4:203.0.113.1 ip4:203.0.113.2 -all")
        .txt("soft.example", "v=spf1 ~all")
        .txt("nothing.example", "v=spf1")
        .txt("by.example", "v=spf1 redirect=example.org")
        .txt("astray.example", "v=spf1 redirect=nowhere.example")
        .txt("two.example", "v=spf1 -all")
        .txt("two.example", "v=spf1 +all")
        .txt("wrong.example", "v=spf1 ipv4:192.0.2.1 -all")
        .txt("exists.example", "v=spf1 exists:%{ir}.%{l}.list.example -all")
        .address("1.2.0.192.info.list.example", "127.0.0.2")
        .txt("broken-a.example", "v=spf1 a:x.broken.example -all")
        .broken("broken.example");
    let check = |address: &str, domain: &str, expected: SpfResult| {
        assert_eq!(spf(&table, address, domain).result, expected, "{address} {domain}");
    };
    check("192.0.2.1", "example.org", SpfResult::Pass);
    check("::ffff:192.0.2.1", "EXAMPLE.org", SpfResult::Fail);
    check("2001:db8::1", "example.org", SpfResult::Pass);
    check("198.51.100.7", "example.org", SpfResult::Pass);
    check("203.0.113.1", "example.org", SpfResult::Fail);
    check("203.0.113.2", "example.org", SpfResult::Pass);
    check("192.0.2.1", "soft.example", SpfResult::SoftFail);
    check("192.0.2.1", "nothing.example", SpfResult::Neutral);
    check("192.0.2.1", "by.example", SpfResult::Pass);
    check("192.0.2.1", "astray.example", SpfResult::PermError);
    check("192.0.2.1", "two.example", SpfResult::PermError);
    check("192.0.2.1", "wrong.example", SpfResult::PermError);
    check("192.0.2.1", "exists.example", SpfResult::Pass);
    check("192.0.2.2", "exists.example", SpfResult::Fail);
    check("192.0.2.1", "broken-a.example", SpfResult::TempError);
    check("192.0.2.1", "sub.broken.example", SpfResult::TempError);
    for nobody in ["", "localhost", "no-policy.example", "a..example", "[192.0.2.1]"] {
        check("192.0.2.1", nobody, SpfResult::None);
    }
}

#[test]
fn a_policy_that_asks_too_much_is_none() {
    let chain = |length: usize| {
        let table = Table::default().txt(&format!("d{length}.example"), "v=spf1 +all");
        (0..length).fold(table, |table, at| {
            table.txt(&format!("d{at}.example"), &format!("v=spf1 include:d{}.example", at + 1))
        })
    };
    let check = |table: &Table, domain: &str, expected: SpfResult| {
        assert_eq!(spf(table, "192.0.2.1", domain).result, expected, "{domain}");
    };
    check(&chain(10), "d0.example", SpfResult::Pass);
    check(&chain(11), "d0.example", SpfResult::PermError);
    let circle =
        Table::default().txt("a.example", "v=spf1 redirect=b.example").txt("b.example", "v=spf1 redirect=a.example");
    check(&circle, "a.example", SpfResult::PermError);
    assert_eq!(circle.asked().len(), 11);
    let void = |terms: &str| Table::default().txt("v.example", &format!("v=spf1 {terms} +all"));
    check(&void("a:x1.example a:x2.example"), "v.example", SpfResult::Pass);
    check(&void("a:x1.example a:x2.example a:x3.example"), "v.example", SpfResult::PermError);
    let hosts = |hosts| mx(Table::default().txt("m.example", "v=spf1 mx +all"), "m.example", hosts);
    check(&hosts(10), "m.example", SpfResult::Pass);
    check(&hosts(11), "m.example", SpfResult::PermError);
}

#[test]
fn a_bomb_asks_a_bounded_number_of_questions() {
    // Ten terms, each with ten hosts, and none of them right.
    let terms: String = (0..10).map(|at| format!("mx:m{at}.example ")).collect();
    let table = Table::default().txt("bomb.example", &format!("v=spf1 {terms} mx:m0.example -all"));
    let table = (0..10).fold(table, |table, at| mx(table, &format!("m{at}.example"), 10));
    assert_eq!(spf(&table, "192.0.2.1", "bomb.example").result, SpfResult::PermError);
    assert_eq!(table.asked().len(), 1 + 10 * 11);
}

#[test]
fn the_domain_says_why_not_in_few_words() {
    let long = "x".repeat(1000);
    let table = Table::default()
        .txt("example.org", "v=spf1 include:other.example -all exp=why.example.org")
        .txt("why.example.org", "%{c} may not send for %{d}\r\n250 ok")
        .txt("other.example", "v=spf1 -all exp=not-this.example")
        .txt("long.example", "v=spf1 -all exp=long.why.example")
        .txt("long.why.example", &long);
    assert_eq!(spf(&table, "192.0.2.1", "example.org").explanation, None, "a line end is no part of an explanation");
    let table = table
        .txt("good.example", "v=spf1 -all exp=good.why.example")
        .txt("good.why.example", "%{c} may not send for %{d}");
    let explanation = spf(&table, "192.0.2.1", "good.example").explanation;
    assert_eq!(explanation.as_deref(), Some("192.0.2.1 may not send for good.example"));
    assert_eq!(
        spf(&table, "192.0.2.1", "long.example").explanation.map(|text| text.len()),
        Some(EXPLANATION_BYTES_MAX)
    );
}
