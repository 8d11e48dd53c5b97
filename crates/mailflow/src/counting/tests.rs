use super::*;
use crate::decide::{self, Enforcement, Policy, decide};
use futures::executor::block_on;
use sender_auth::testing::Table;
use sender_auth::{Claim, Digests, Lists, examine};

fn sender(author: &str, published: &str) -> Findings {
    let domain = author.rsplit_once('@').unwrap().1;
    let table = Table::default()
        .txt(&format!("_dmarc.{domain}"), &format!("v=DMARC1; rua=mailto:d@{domain}; {published}"))
        .txt("good.example", "v=spf1 ip4:198.51.100.1 -all");
    let claim = Claim {
        address: "198.51.100.1".parse().unwrap(),
        helo: "mail.other.example".into(),
        mail_from: author.into(),
        receiver: "mail.example.org".into(),
        unix_seconds: 0,
    };
    let digests = Digests::of(format!("From: {author}\r\n\r\ntext\r\n").as_bytes());
    block_on(examine(&table, &claim, &digests, &Lists::default()))
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
