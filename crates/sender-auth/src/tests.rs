//! What a stranger makes as bad as he can: the message, his zones, and the answers of his name servers.

use super::*;
use crate::testing::Table;
use futures::executor::block_on;

const ADDRESS: &str = "192.0.2.1";

fn findings(table: &Table, mail_from: &str, message: &str) -> Findings {
    let claim = Claim {
        address: ADDRESS.parse().unwrap(),
        helo: "helo.bomb.example".into(),
        mail_from: mail_from.into(),
        receiver: "here.example".into(),
        unix_seconds: 0,
    };
    block_on(examine(table, &claim, &Digests::of(message.as_bytes()), &Lists::default()))
}

/// A policy of ten terms with ten hosts each, none of which is right: the most that SPF asks for.
fn bomb(table: Table, domain: &str) -> Table {
    let terms: String = (0..10).map(|at| format!("mx:m{at}.{domain} ")).collect();
    (0..10).fold(table.txt(domain, &format!("v=spf1 {terms}-all")), |table, term| {
        (0..10).fold(table, |table, host| {
            let (name, exchange) = (format!("m{term}.{domain}"), format!("h{host}.m{term}.{domain}"));
            let table = table.address(&exchange, "198.51.100.1");
            table.with(&name, Kind::Mx, Record::Mx { preference: 10, exchange })
        })
    })
}

#[test]
fn bombs_in_all_places_do_not_hide_whom_a_message_forges() {
    let table = bomb(bomb(Table::default(), "helo.bomb.example"), "bomb.example");
    let table = (0..1000).fold(table, |table, at| table.ptr(ADDRESS, &format!("n{at}.bomb.example")));
    let table = table.txt("_dmarc.victim.example", "v=DMARC1; p=reject");
    let from = "From: a@a.victim.example, b@b.victim.example, c@c.victim.example, d@victim.example\r\n";
    let signatures: String = (0..400)
        .map(|at| {
            // The body's digest is right, so that each key would be asked for.
            format!(
                "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=bomb.example; s=s{at}; h=From;\r\n \
                 bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
            )
        })
        .collect();
    let found = findings(&table, "x@bomb.example", &format!("{signatures}{from}\r\n"));
    assert_eq!((found.dmarc.result, found.dmarc.disposition), (DmarcResult::Fail, DmarcPolicy::Reject));
    assert_eq!(
        (found.introduction.helo.result, found.introduction.mail_from.result),
        (SpfResult::Fail, SpfResult::Fail)
    );
    assert_eq!(found.dkim.len(), SIGNATURES_MAX);
    let asked = |is_one: &dyn Fn(&str) -> bool| table.asked().iter().filter(|(name, _)| is_one(name)).count();
    let keys = asked(&|name| name.contains("._domainkey."));
    let policies = asked(&|name| name.starts_with("_dmarc."));
    let named = asked(&|name| name.starts_with('n') && name.ends_with(".bomb.example"));
    assert_eq!(keys, SIGNATURES_MAX);
    // Each author's domain and the one that it belongs to.
    assert_eq!(policies, 7);
    assert_eq!(named, 5, "of an address with a thousand names");
    assert_eq!(table.asked().len() - keys - policies - named, 2 * (1 + 10 * 11), "two policies of SPF");
}

#[test]
fn huge_answers_are_read_once_and_answer_nothing_else() {
    let long = format!("v=spf1 {}-all", "ip4:198.51.100.1 ".repeat(3_800));
    let table = Table::default().txt("long.example", &long);
    let table = (0..1000).fold(table, |table, at| {
        let p = if at % 2 == 0 { "reject" } else { "none" };
        table.txt("_dmarc.long.example", &format!("v=DMARC1; p={p}; rua=mailto:{at}@long.example"))
    });
    let found = findings(&table, "x@long.example", "From: x@long.example\r\n\r\n");
    assert_eq!(found.introduction.mail_from.result, SpfResult::Fail);
    assert_eq!((found.dmarc.result, found.dmarc.policy), (DmarcResult::None, DmarcPolicy::None));
    let of = |wanted: &str| table.asked().iter().filter(|(name, _)| name == wanted).count();
    assert_eq!((of("long.example"), of("_dmarc.long.example")), (1, 1));
}

#[test]
fn a_dns_without_answers_accuses_nobody() {
    let table = Table::default().broken("example");
    let signature = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=slow.example; s=s; h=From;\r\n \
                     bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n";
    let found = findings(&table, "x@slow.example", &format!("{signature}From: x@slow.example\r\n\r\n"));
    assert_eq!(
        (found.introduction.helo.result, found.introduction.mail_from.result),
        (SpfResult::TempError, SpfResult::TempError)
    );
    let results: Vec<DkimResult> = found.dkim.iter().map(|one| one.result).collect();
    assert_eq!(results, [DkimResult::TempError]);
    assert_eq!((found.dmarc.result, found.dmarc.disposition), (DmarcResult::TempError, DmarcPolicy::None));
}

#[test]
fn a_domain_is_unused_if_it_neither_sends_nor_takes_mail() {
    let null = || Record::Mx { preference: 0, exchange: String::new() };
    let host = || Record::Mx { preference: 10, exchange: "mx.example".into() };
    let table = Table::default()
        .txt("unused.example", "v=spf1 -all")
        .with("unused.example", Kind::Mx, null())
        .txt("silent.example", "v=spf1 -all")
        .txt("newsletter.example", "v=spf1 -all")
        .with("newsletter.example", Kind::Mx, host())
        .txt("odd.example", "v=spf1 -all")
        .with("odd.example", Kind::Mx, null())
        .with("odd.example", Kind::Mx, host())
        .txt("sends.example", "v=spf1 ip4:198.51.100.1 redirect=unused.example")
        .with("sends.example", Kind::Mx, null())
        .txt("includes.example", "v=spf1 include:unused.example -all")
        .with("includes.example", Kind::Mx, null());
    let of = |mail_from: &str| {
        let claim = Claim {
            address: ADDRESS.parse().unwrap(),
            helo: "unused.example".into(),
            mail_from: mail_from.into(),
            receiver: "here.example".into(),
            unix_seconds: 0,
        };
        block_on(introduce(&table, &claim, &Lists::default()))
    };
    assert!(of("a@unused.example").is_unused && of("a@Unused.Example").is_unused);
    for used in ["silent", "newsletter", "odd", "sends", "includes"] {
        let found = of(&format!("a@{used}.example"));
        assert_eq!((found.mail_from.result, found.is_unused), (SpfResult::Fail, false), "{used}");
    }
    // A report comes from nobody, whatever its host calls itself.
    assert!(!of("").is_unused);
}
