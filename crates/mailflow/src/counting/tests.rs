use super::*;
use crate::decide::{self, Enforcement, Policy, decide};
use crate::testing::world;
use crate::{Envelope, MailFlow, Recipient, Source};
use futures::executor::block_on;
use message::content::Content;
use reports::rua::Destination;
use reports::{Counts, Document, Reporter};
use sender_auth::testing::Table;
use sender_auth::{Claim, Digests, Lists, examine};
use smtp_proto::ReversePath;
use std::sync::Arc;
use store::sim::SIM_EPOCH;
use store::{Protocol, Timestamp};

/// A message of somebody for Alice.
fn arrival(flow: &MailFlow, author: &str, subject: &str) -> Arrival {
    let client = "198.51.100.1".parse().unwrap();
    let (helo, protocol) = ("mail.other.example".to_owned(), Protocol::Smtp);
    let source = Source { protocol, helo, client, with: "ESMTP", tls: None, by_relay: false };
    let alice = flow.auth.directory().account("alice@example.org").unwrap().unwrap().id;
    let address = "alice@example.org".to_owned();
    let local =
        vec![Recipient { address, accounts: vec![alice], onward: None, list: None, reports: Default::default() }];
    let envelope = Envelope { local, ..Envelope::new(ReversePath::Mailbox(author.parse().unwrap()), source) };
    let content = format!("From: {author}\r\nSubject: {subject}\r\n\r\ntext\r\n");
    flow.arrive(envelope, content.into_bytes(), None, SIM_EPOCH)
}

#[test]
fn mail_is_counted_but_not_reports_and_not_for_our_own_domains() {
    let flow = world().flow;
    let counts = Counts::new(flow.auth.store());
    let flow = flow.with_counts(counts.clone());
    let deliver = |author: &str, subject: &str| {
        let arrival = arrival(&flow, author, subject).from_sender(sender(author, "p=none"));
        let delivered = flow.deliver(arrival, SIM_EPOCH);
        delivered.accepted().into_iter().for_each(store::Claim::answered);
    };
    deliver("a@good.example", "hello");
    deliver("a@other.example", "Report domain: example.org Submitter: other.example");
    deliver("a@example.org", "forged");
    counts.write().unwrap();
    let due = counts.due(Timestamp(SIM_EPOCH.0 + 2 * 24 * 3600 * 1000)).unwrap();
    assert_eq!(due.iter().map(reports::Due::domain).collect::<Vec<_>>(), ["good.example"]);
}

/// Two servers whose domains ask for reports, and people who write to each other.
#[test]
fn two_servers_told_each_other_of_the_letters_that_told_them() {
    const DAY_MILLIS: i64 = 24 * 3600 * 1000;
    let server = |domain: &'static str| {
        let flow = world().flow;
        flow.auth.directory().add_domain(domain).unwrap();
        let counts = Counts::new(flow.auth.store());
        (domain, flow.with_counts(counts.clone()), counts)
    };
    let servers = [server("near.example"), server("far.example")];
    let bring = |at: usize, author: &str, content: &[u8]| {
        let (_, flow, counts) = &servers[at];
        let mut arrival = arrival(flow, author, "").from_sender(sender(author, "p=none"));
        arrival.content = Arc::new(Content::new(content.to_vec()));
        flow.deliver(arrival, SIM_EPOCH).accepted().into_iter().for_each(store::Claim::answered);
        counts.write().unwrap();
    };
    let after = Timestamp(SIM_EPOCH.0 + 2 * DAY_MILLIS);
    for day in 0..3 {
        for (at, other) in [(0, 1), (1, 0)] {
            let author = format!("ada@{}", servers[other].0);
            bring(at, &author, format!("From: {author}\r\nSubject: day {day}\r\n\r\ntext\r\n").as_bytes());
        }
        let letters = [(0, 1), (1, 0)].map(|(at, other)| {
            let ((domain, _, counts), (asks, ..)) = (&servers[at], &servers[other]);
            let due = counts.due(after).unwrap();
            assert_eq!(due.iter().map(reports::Due::domain).collect::<Vec<_>>(), [*asks], "day {day}");
            let reporter = Reporter { hostname: format!("mail.{domain}"), email: format!("postmaster@{domain}") };
            let to = Destination { address: format!("d@{asks}"), bytes_max: None };
            let letter = Document::new(counts, &due[0], &reporter).unwrap().unwrap().to(&to, after).unwrap();
            counts.settle(&due[0]).unwrap();
            (other, reporter.email, letter.content)
        });
        for (to, from, content) in letters {
            bring(to, &from, &content);
            assert_eq!(servers[to].2.due(after).unwrap(), [], "day {day}");
        }
    }
}

#[test]
fn a_report_is_whose_domain_vouches_for_it() {
    let flow = world().flow;
    let check = |author: &str, published: Option<&str>, expected: Option<(&str, bool)>| {
        let arrival = arrival(&flow, author, "Report domain: example.org");
        let arrival = match published {
            Some(published) => arrival.from_sender(sender(author, published)),
            None => arrival,
        };
        let found = who_reports(&arrival, &arrival.content);
        let found = found.as_ref().map(|by| (by.domain.as_str(), by.is_checked));
        assert_eq!(found, expected, "{author} {published:?}");
    };
    check("a@good.example", Some("p=reject"), Some(("good.example", true)));
    check("a@bad.example", Some("p=none"), None);
    // Mail that nobody looked at: over LMTP, of this machine.
    check("a@bad.example", None, Some(("bad.example", false)));
    let none = sender_of("a@good.example", &Table::default().txt("good.example", "v=spf1 ip4:198.51.100.1 -all"));
    let arrival = |sender| arrival(&flow, "a@good.example", "x").from_sender(sender);
    let found = arrival(none);
    assert_eq!(who_reports(&found, &found.content).map(|by| by.is_checked), Some(true), "without a policy SPF says it");
    let found = arrival(sender_of("a@good.example", &Table::default()));
    assert_eq!(who_reports(&found, &found.content), None);
}

fn sender(author: &str, published: &str) -> Findings {
    let domain = author.rsplit_once('@').unwrap().1;
    let table = Table::default()
        .txt(&format!("_dmarc.{domain}"), &format!("v=DMARC1; rua=mailto:d@{domain}; {published}"))
        .txt("good.example", "v=spf1 ip4:198.51.100.1 -all");
    sender_of(author, &table)
}

fn sender_of(author: &str, table: &Table) -> Findings {
    let claim = Claim {
        address: "198.51.100.1".parse().unwrap(),
        helo: "mail.other.example".into(),
        mail_from: author.into(),
        receiver: "mail.example.org".into(),
        unix_seconds: 0,
    };
    let digests = Digests::of(format!("From: {author}\r\n\r\ntext\r\n").as_bytes());
    block_on(examine(table, &claim, &digests, &Lists::default()))
}

#[test]
fn it_is_told_what_became_of_mail_and_why_that_is_not_what_was_asked_for() {
    let check = |author: &str, published: &str, policy: &Policy, expected: (&str, &str, bool)| {
        let sender = sender(author, published);
        let decision = decide(decide::Findings::of(b"\r\n", Some(&sender)), policy);
        let row = row(&sender, author, &decision);
        let (disposition, reason) = (row.disposition.as_str(), row.reason.as_str());
        assert_eq!((disposition, reason, row.passes()), expected, "{author} {published}");
        assert_eq!((row.envelope_from.as_str(), row.spf.unwrap().scope.as_str()), (row.header_from.as_str(), "mfrom"));
    };
    let follow = Policy::default();
    let off = Policy { dmarc: Enforcement::Off, ..Policy::default() };
    let junk = Policy { dmarc: Enforcement::Junk, ..Policy::default() };
    check("a@good.example", "p=reject", &follow, ("none", "", true));
    check("a@bad.example", "p=reject", &follow, ("reject", "", false));
    check("a@bad.example", "p=quarantine", &follow, ("quarantine", "", false));
    check("a@bad.example", "p=none", &follow, ("none", "", false));
    check("a@bad.example", "p=reject; pct=0", &follow, ("quarantine", "sampled_out", false));
    check("a@bad.example", "p=reject; t=y", &follow, ("quarantine", "sampled_out", false));
    check("a@bad.example", "p=reject", &junk, ("quarantine", "local_policy", false));
    check("a@bad.example", "p=reject", &off, ("none", "local_policy", false));
}
