use super::*;
use crate::dmarc::Signature;
use crate::{Document, Reporter, dmarc, packed, rua, tls};
use queue::{Promise, TlsFailure};
use sender_auth::DmarcPolicy;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

fn counts() -> (SimEngine, Counts) {
    let engine = SimEngine::new();
    let counts = open(&engine);
    (engine, counts)
}

fn open(engine: &SimEngine) -> Counts {
    Counts::new(&Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())))
}

fn asks(domain: &str) -> Asks {
    Asks {
        domain: domain.into(),
        organisation: sender_auth::organisational(domain).into(),
        rua: "mailto:dmarc@example.net".into(),
        policy: DmarcPolicy::Reject,
        subdomains: DmarcPolicy::None,
        missing_subdomains: None,
        is_dkim_strict: true,
        is_spf_strict: false,
        percent: 100,
        is_test: false,
    }
}

fn row(number: u32) -> Row {
    Row {
        address: std::net::Ipv4Addr::from_bits(0xc000_0200 + number).into(),
        count: 0,
        disposition: "none".into(),
        reason: String::new(),
        dkim_aligned: true,
        spf_aligned: false,
        header_from: "example.net".into(),
        envelope_from: String::new(),
        dkim: vec![Signature { domain: "example.net".into(), selector: "s".into(), result: "pass".into() }],
        spf: None,
    }
}

fn session(domain: &str, promise: Promise, failure: Option<TlsFailure>) -> TlsOutcome {
    let (host, address) = (format!("mx.{domain}"), Some([192, 0, 2, 7].into()));
    TlsOutcome { domain: domain.into(), promise, host, address, failure }
}

/// When every domain's time of the night has come.
fn tomorrow() -> Timestamp {
    Timestamp(SIM_EPOCH.0.div_euclid(DAY_MILLIS) * DAY_MILLIS + DAY_MILLIS + 4 * 3600 * 1000)
}

fn reporter() -> Reporter {
    Reporter { hostname: "mail.example.org".into(), email: "postmaster@example.org".into() }
}

#[test]
fn a_day_of_mail_becomes_one_report_that_is_read_again() {
    let (engine, counts) = counts();
    for _ in 0..3 {
        counts.mail(asks("example.net"), row(1), SIM_EPOCH);
    }
    counts.mail(asks("example.net"), row(2), SIM_EPOCH);
    let before = engine.commits();
    counts.write().unwrap();
    counts.write().unwrap();
    assert_eq!(engine.commits() - before, 1);
    // After a crash it goes on.
    let counts = open(&engine.crash());
    counts.mail(asks("example.net"), row(2), SIM_EPOCH);
    counts.mail(asks("example.net"), row(2), tomorrow());
    counts.write().unwrap();
    assert_eq!(counts.due(SIM_EPOCH).unwrap(), [], "the day is not over");
    let due = counts.due(tomorrow()).unwrap();
    let [due] = due.as_slice() else { panic!("{due:?}") };
    let report = counts.aggregate(due, &reporter()).unwrap().unwrap();
    assert_eq!(report.rows.iter().map(|row| row.count).collect::<Vec<_>>(), [3, 2]);
    let reporter = reporter();
    let document = Document::new(&counts, due, &reporter).unwrap().unwrap();
    let to = |rua: &str| document.to(&rua::destinations(rua)[0], tomorrow());
    let letter = to("mailto:dmarc@example.net!1m").unwrap();
    assert_eq!(to("mailto:dmarc@example.net!900"), None, "it is longer than wanted");
    let structure = message::Structure::parse(&letter.content);
    let attached = message::section::decoded(&structure.root.children()[1], &letter.content).unwrap();
    let read = dmarc::read(&packed::unpacked(&attached).unwrap()).unwrap();
    assert_eq!(read, report);
    assert_eq!(read.published.dkim, "s");
    // What is sent again is known again.
    let again = document.to(&rua::destinations("mailto:dmarc@example.net")[0], Timestamp(tomorrow().0 + 1)).unwrap();
    assert_eq!(again.handover, letter.handover);
    counts.settle(due).unwrap();
    assert_eq!(counts.due(tomorrow()).unwrap(), []);
    assert_eq!(counts.due(Timestamp(tomorrow().0 + DAY_MILLIS)).unwrap().len(), 1, "the next day");
}

#[test]
fn a_day_of_sessions_becomes_one_report_policy_by_policy() {
    let (_, counts) = counts();
    let sts = Promise::Sts { lines: vec!["version: STSv1".into()], mx: vec!["mx.example.net".into()] };
    for failure in [None, None, Some(TlsFailure::Expired), Some(TlsFailure::Expired)] {
        counts.session(session("example.net", sts.clone(), failure), SIM_EPOCH);
    }
    counts.session(session("example.net", Promise::Nothing, Some(TlsFailure::NotSupported)), SIM_EPOCH);
    counts.write().unwrap();
    let due = counts.due(tomorrow()).unwrap();
    let [due] = due.as_slice() else { panic!("{due:?}") };
    let (reporter, report) = (reporter(), counts.tls_report(due, &reporter()).unwrap().unwrap());
    let letter = Document::new(&counts, due, &reporter).unwrap().unwrap();
    let letter = letter.to(&rua::destinations("mailto:tls@example.net")[0], tomorrow()).unwrap();
    let structure = message::Structure::parse(&letter.content);
    let attached = message::section::decoded(&structure.root.children()[1], &letter.content).unwrap();
    let read = tls::read(&packed::unpacked(&attached).unwrap()).unwrap();
    assert_eq!(read, report);
    assert_eq!(read.date_range.start_datetime[10..], *"T00:00:00Z");
    let counts: Vec<_> = read
        .policies
        .iter()
        .map(|policy| {
            let summary = policy.summary;
            let kind = policy.policy.policy_type.as_str();
            (kind, summary.total_successful_session_count, summary.total_failure_session_count)
        })
        .collect();
    assert_eq!(counts, [("sts", 2, 2), ("no-policy-found", 0, 1)]);
    let [failure] = read.policies[0].failure_details.as_slice() else { panic!("{read:?}") };
    assert_eq!((failure.result_type.as_str(), failure.failed_session_count), ("certificate-expired", 2));
    assert_eq!(
        (failure.receiving_mx_hostname.as_str(), failure.receiving_ip.as_str()),
        ("mx.example.net", "192.0.2.7")
    );
}

#[test]
fn who_makes_names_and_addresses_up_takes_no_place_of_others() {
    let (_, counts) = counts();
    let rows = |domain: &str| {
        let due = counts.due(tomorrow()).unwrap().into_iter().find(|due| due.domain() == domain);
        due.map_or(0, |due| counts.aggregate(&due, &reporter()).unwrap().unwrap().rows.len())
    };
    for number in 0..=ROWS_PER_DOMAIN_MAX {
        counts.mail(asks("many.example"), row(number), SIM_EPOCH);
    }
    for number in 0..=DOMAINS_PER_ORGANISATION_MAX {
        counts.mail(asks(&format!("n{number}.evil.example")), row(1), SIM_EPOCH);
    }
    counts.mail(asks("many.example"), row(1), SIM_EPOCH);
    counts.write().unwrap();
    assert_eq!(rows("many.example"), usize::try_from(ROWS_PER_DOMAIN_MAX).unwrap());
    let due = counts.due(tomorrow()).unwrap();
    let of_evil = due.iter().filter(|due| due.domain().ends_with(".evil.example")).count();
    assert_eq!(of_evil, usize::try_from(DOMAINS_PER_ORGANISATION_MAX).unwrap());
    // What is known already is counted on.
    counts.mail(asks("many.example"), row(1), SIM_EPOCH);
    counts.mail(asks("good.example"), row(1), SIM_EPOCH);
    counts.write().unwrap();
    assert_eq!(rows("good.example"), 1);
    // Nor between two rounds.
    for number in 0..u32::try_from(NOTED_MAX).unwrap() + 10 {
        counts.mail(asks("other.example"), row(number), SIM_EPOCH);
    }
    assert_eq!(counts.noted().mail.len(), NOTED_MAX);
}

#[test]
fn texts_that_a_stranger_chose_are_cut_and_names_that_are_none_left_out() {
    let (_, counts) = counts();
    let signature = Signature { domain: "ü".repeat(1000), selector: "s".repeat(1000), result: "fail".into() };
    counts.mail(asks("example.net"), Row { dkim: vec![signature; 100], ..row(1) }, SIM_EPOCH);
    for name in ["", "a\r\nBcc: x", "a b", "ü.example", &"a".repeat(254)] {
        counts.mail(asks(name), row(1), SIM_EPOCH);
        counts.session(session(name, Promise::Nothing, None), SIM_EPOCH);
    }
    counts.write().unwrap();
    let due = counts.due(tomorrow()).unwrap();
    let [due] = due.as_slice() else { panic!("{due:?}") };
    let report = counts.aggregate(due, &reporter()).unwrap().unwrap();
    let [Row { dkim, .. }] = report.rows.as_slice() else { panic!("{report:?}") };
    assert_eq!((dkim.len(), dkim[0].domain.len(), dkim[0].selector.len()), (8, 254, 255));
}

#[test]
fn domains_that_cannot_be_told_keep_no_others_waiting() {
    let (_, counts) = counts();
    for number in 0..150 {
        counts.mail(asks(&format!("d{number}.example")), row(1), SIM_EPOCH);
    }
    counts.write().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for turn in 0..20 {
        let due = counts.due(Timestamp(tomorrow().0 + turn * 10 * 60 * 1000)).unwrap();
        assert_eq!(due.len(), due::DUE_MAX);
        seen.extend(due.iter().map(|due| due.domain().to_owned()));
    }
    assert_eq!(seen.len(), 150);
}

#[test]
fn what_could_not_be_told_for_days_is_forgotten() {
    let (_, counts) = counts();
    counts.mail(asks("example.net"), row(1), SIM_EPOCH);
    counts.session(session("example.net", Promise::Nothing, None), SIM_EPOCH);
    counts.write().unwrap();
    let after = |days: i64| Timestamp(SIM_EPOCH.0 + days * DAY_MILLIS);
    counts.tidy(after(3)).unwrap();
    assert_eq!(counts.due(after(3)).unwrap().len(), 2);
    counts.tidy(after(4)).unwrap();
    assert_eq!(counts.due(after(4)).unwrap(), []);
    let rows =
        ["a", "e", "g", "n", "s", "t"].map(|letter| counts.0.table.scan(letter.as_bytes(), letter.as_bytes(), 9));
    assert!(rows.iter().all(|rows| rows.as_ref().unwrap().is_empty()), "{rows:?}");
}

#[test]
fn a_message_that_is_counted_costs_no_commit_and_a_round_of_a_thousand_costs_one() {
    let (engine, counts) = counts();
    let before = engine.commits();
    for number in 0..1_000 {
        counts.mail(asks(&format!("d{}.example", number % 10)), row(number / 10 % 5), SIM_EPOCH);
    }
    assert_eq!(engine.commits(), before);
    counts.write().unwrap();
    assert_eq!(engine.commits() - before, 1);
    let rows = ["a", "e", "g", "n"]
        .map(|letter| counts.0.table.scan(letter.as_bytes(), letter.as_bytes(), 999).unwrap().len());
    assert_eq!(rows[..2], [10, 50], "a row for each domain, and for what is alike");
    assert!(rows[2] + rows[3] <= 11, "{rows:?}");
}
