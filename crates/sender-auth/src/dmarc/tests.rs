use super::*;
use crate::testing::Table;
use futures::executor::block_on;

fn dmarc(table: &Table, from: &str, spf: (&str, SpfResult), signatures: &[(&str, DkimResult)]) -> Dmarc {
    sampled(table, from, spf, signatures, 50)
}

fn sampled(table: &Table, from: &str, spf: (&str, SpfResult), signatures: &[(&str, DkimResult)], sample: u8) -> Dmarc {
    let digests = Digests::of(format!("{from}Subject: x\r\n\r\ntext\r\n").as_bytes());
    let spf = Spf { domain: spf.0.into(), result: spf.1, explanation: None };
    let signature = |(domain, result): &(&str, DkimResult)| {
        let (selector, start) = Default::default();
        Dkim { result: *result, domain: (*domain).into(), selector, start, reason: None }
    };
    let signatures: Vec<Dkim> = signatures.iter().map(signature).collect();
    let published = block_on(published(&Budget::new(table), &digests));
    evaluate(&published, &spf, &signatures, sample)
}

fn table() -> Table {
    Table::default()
        .txt("_dmarc.example.org", "v=DMARC1; p=reject; sp=quarantine; np=reject; rua=mailto:d@example.org")
        .address("news.example.org", "192.0.2.1")
        .txt("_dmarc.strict.example.net", "v=DMARC1;p=quarantine;adkim=s;aspf=s")
        .txt("_dmarc.example.net", "v=DMARC1; p=none")
        .txt("_dmarc.test.example", "v=DMARC1; p=reject; t=y")
        .txt("_dmarc.some.example", "v=DMARC1; p=reject; pct=20")
        .txt("_dmarc.rua.example", "v=DMARC1; rua=mailto:d@rua.example")
        .txt("_dmarc.empty.example", "v=DMARC1")
        .txt("_dmarc.two.example", "v=DMARC1; p=reject")
        .txt("_dmarc.two.example", "v=DMARC1; p=none")
        .txt("_dmarc.not.example", "v=dmarc1; p=reject")
        .txt("_dmarc.com", "v=DMARC1; p=none")
        .txt("_dmarc.co.uk", "v=DMARC1; p=reject; np=reject; psd=y")
        .txt("_dmarc.psd.example", "v=DMARC1; p=quarantine; psd=y")
        .txt("_dmarc.github.io", "v=DMARC1; p=reject; sp=reject; psd=y")
        .txt("_dmarc.victim.com", "v=DMARC1; p=reject")
        .broken("broken.example")
}

/// From, SPF, signatures; what comes of it, what is asked for, what is left of that.
type Row<'a> = (&'a str, (&'a str, SpfResult), &'a [(&'a str, DkimResult)], (DmarcResult, DmarcPolicy, DmarcPolicy));

#[test]
fn who_vouches_for_what() {
    use DkimResult as D;
    use DmarcPolicy::{None as Nothing, Quarantine, Reject};
    use DmarcResult::{Fail, None, Pass, PermError, TempError};
    use SpfResult as S;
    let no = ("", S::None);
    let rows: &[Row<'_>] = &[
        ("a@example.org", ("example.org", S::Pass), &[], (Pass, Reject, Reject)),
        ("a@EXAMPLE.org", ("bounces.example.org", S::Pass), &[], (Pass, Reject, Reject)),
        ("a@example.org", ("example.org", S::SoftFail), &[], (Fail, Reject, Reject)),
        ("a@example.org", ("other.example", S::Pass), &[("other.example", D::Pass)], (Fail, Reject, Reject)),
        ("a@example.org", ("example.org.evil.example", S::Pass), &[("xexample.org", D::Pass)], (Fail, Reject, Reject)),
        ("a@example.org", no, &[("example.org", D::Fail), ("mail.example.org", D::Pass)], (Pass, Reject, Reject)),
        ("a@example.org", no, &[("example.org", D::Policy)], (Fail, Reject, Reject)),
        ("a@news.example.org", no, &[], (Fail, Quarantine, Quarantine)),
        ("a@nowhere.example.org", no, &[], (Fail, Reject, Reject)),
        ("a@news.example.org", no, &[("example.org", D::Pass)], (Pass, Quarantine, Quarantine)),
        ("a@strict.example.net", no, &[("example.net", D::Pass)], (Fail, Quarantine, Quarantine)),
        ("a@strict.example.net", ("example.net", S::Pass), &[], (Fail, Quarantine, Quarantine)),
        ("a@strict.example.net", no, &[("strict.example.net", D::Pass)], (Pass, Quarantine, Quarantine)),
        ("a@test.example", no, &[], (Fail, Reject, Quarantine)),
        ("a@some.example", no, &[], (Fail, Reject, Quarantine)),
        ("a@rua.example", no, &[], (Fail, Nothing, Nothing)),
        ("a@empty.example", no, &[], (None, Nothing, Nothing)),
        ("a@two.example", no, &[], (None, Nothing, Nothing)),
        ("a@not.example", no, &[], (None, Nothing, Nothing)),
        ("a@broken.example", ("broken.example", S::Pass), &[], (TempError, Nothing, Nothing)),
        ("a@example.org", ("example.org", S::TempError), &[], (TempError, Reject, Reject)),
        ("a@example.org", ("other.example", S::TempError), &[], (Fail, Reject, Reject)),
        ("a@example.org", no, &[("example.org", D::TempError)], (TempError, Reject, Reject)),
        ("a@example.org", no, &[("example.org", D::TempError), ("example.org", D::Pass)], (Pass, Reject, Reject)),
        // A public suffix vouches for nobody below it, and asks nothing for them.
        ("a@victim.com", ("evil.com", S::Pass), &[("com", D::Pass)], (Fail, Reject, Reject)),
        ("a@shop.co.uk", ("co.uk", S::Pass), &[], (None, Nothing, Nothing)),
        // An address in the suffix itself: only that vouches for it, and nobody who has registered a name below.
        ("a@co.uk", no, &[], (Fail, Reject, Reject)),
        ("a@CO.UK", ("evil.co.uk", S::Pass), &[("evil.co.uk", D::Pass), ("uk", D::Pass)], (Fail, Reject, Reject)),
        ("a@co.uk", ("mail.evil.co.uk", S::Pass), &[("", D::Pass)], (Fail, Reject, Reject)),
        ("a@co.uk", no, &[("co.uk", D::Pass)], (Pass, Reject, Reject)),
        ("a@uk", ("co.uk", S::Pass), &[("evil.uk", D::Pass)], (None, Nothing, Nothing)),
        // RFC 9989 §4.7: `psd` changes nothing here (docs/decisions/0041), whoever says it of what.
        ("a@shop.psd.example", ("evil.psd.example", S::Pass), &[], (Pass, Quarantine, Quarantine)),
        ("a@shop.github.io", ("evil.github.io", S::Pass), &[("github.io", D::Pass)], (None, Nothing, Nothing)),
        ("a@github.io", ("evil.github.io", S::Pass), &[("evil.github.io", D::Pass)], (Fail, Reject, Reject)),
        // Several authors: each of them must be vouched for.
        ("a@example.net, b@example.org", ("example.net", S::Pass), &[], (Fail, Reject, Reject)),
        (
            "a@example.net, b@example.org",
            no,
            &[("example.net", D::Pass), ("example.org", D::Pass)],
            (Pass, Reject, Reject),
        ),
        ("a@a.example, a@b.example, a@c.example, a@d.example, a@e.example", no, &[], (PermError, Nothing, Nothing)),
        ("a@a..example", no, &[], (PermError, Nothing, Nothing)),
    ];
    for (from, spf, signatures, expected) in rows {
        let Dmarc { result, policy, disposition, .. } = dmarc(&table(), &format!("From: {from}\r\n"), *spf, signatures);
        assert_eq!((result, policy, disposition), *expected, "{from} {spf:?} {signatures:?}");
    }
}

#[test]
fn a_second_from_field_hides_nobody() {
    let two = "From: a@example.net\r\nFrom: b@example.org\r\n";
    let found = dmarc(&table(), two, ("example.net", SpfResult::Pass), &[]);
    assert_eq!((found.result, found.domain.as_str()), (DmarcResult::Fail, "example.org"));
    assert_eq!(dmarc(&table(), "", ("example.net", SpfResult::Pass), &[]).result, DmarcResult::None);
}

#[test]
fn a_part_of_the_mail_is_spared_the_policy() {
    let disposition =
        |sample| sampled(&table(), "From: a@some.example\r\n", ("", SpfResult::None), &[], sample).disposition;
    assert_eq!((disposition(19), disposition(20)), (DmarcPolicy::Reject, DmarcPolicy::Quarantine));
}

#[test]
fn who_asks_for_reports_is_known_with_what_was_published() {
    let asks = |table: &Table, from: &str| dmarc(table, &format!("From: {from}\r\n"), ("", SpfResult::None), &[]).asks;
    let found = asks(&table(), "a@news.example.org").unwrap();
    assert_eq!((found.domain.as_str(), found.organisation.as_str()), ("example.org", "example.org"));
    assert_eq!((found.rua.as_str(), found.percent), ("mailto:d@example.org", 100));
    let policies = (found.policy, found.subdomains, found.missing_subdomains);
    assert_eq!(policies, (DmarcPolicy::Reject, DmarcPolicy::Quarantine, Some(DmarcPolicy::Reject)));
    for nobody in ["a@strict.example.net", "a@empty.example", "a@broken.example"] {
        assert_eq!(asks(&table(), nobody), None, "{nobody}");
    }
    let long = Table::default()
        .txt("_dmarc.long.example", &format!("v=DMARC1; p=none; rua={}", vec!["mailto:d@long.example"; 60].join(",")));
    let rua = asks(&long, "a@long.example").unwrap().rua;
    assert!(rua.len() <= 1000 && rua.ends_with("mailto:d@long.example"), "{rua}");
}
