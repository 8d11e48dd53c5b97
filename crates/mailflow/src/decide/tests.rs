use super::*;
use sender_auth::testing::Table;
use sender_auth::{Claim, Digests, Lists, examine};

fn received(count: usize) -> Decision {
    let content = "Received: from a by b\r\n".repeat(count) + "\r\nReceived: no field\r\n";
    decide(Findings::of(content.as_bytes(), None), &Policy::default())
}

#[test]
fn a_message_that_runs_in_circles_is_stopped() {
    assert_eq!(received(0), Decision::Deliver);
    assert_eq!(received(RECEIVED_MAX), Decision::Deliver);
    assert_eq!(received(RECEIVED_MAX + 1), Decision::Loop);
}

fn sender(author: &str) -> sender_auth::Findings {
    let table = Table::default()
        .txt("reject.example", "v=spf1 ip4:192.0.2.1 -all")
        .txt("_dmarc.reject.example", "v=DMARC1; p=reject")
        .txt("_dmarc.suspect.example", "v=DMARC1; p=quarantine")
        .txt("_dmarc.watch.example", "v=DMARC1; p=none")
        .txt("nobody.example", "v=spf1 -all")
        .broken("dark.example");
    let claim = Claim {
        address: "198.51.100.1".parse().unwrap(),
        helo: "mail.other.example".into(),
        mail_from: author.into(),
        receiver: "mail.example.org".into(),
        unix_seconds: 0,
    };
    let digests = Digests::of(format!("From: {author}\r\n\r\ntext\r\n").as_bytes());
    futures::executor::block_on(examine(&table, &claim, &digests, &Lists::default()))
}

/// What is done, without the reason.
fn done(decision: &Decision) -> &'static str {
    match decision {
        Decision::Deliver => "deliver",
        Decision::Junk(_) => "junk",
        Decision::Later(_) | Decision::PutOff(_) => "later",
        Decision::Refuse(_) | Decision::RefuseHost(_) | Decision::RefuseContent(_) => "refuse",
        Decision::Loop => "loop",
    }
}

#[test]
fn what_follows_from_who_a_message_comes_from() {
    let follow = Policy::default();
    let junk = Policy { dmarc: Enforcement::Junk, ..Policy::default() };
    let off = Policy { dmarc: Enforcement::Off, ..Policy::default() };
    let wait = Policy { wait_for_dns: true, ..Policy::default() };
    let check = |author: &str, policy: &Policy, expected: &str| {
        let sender = sender(author);
        let decision = decide(Findings::of(b"\r\n", Some(&sender)), policy);
        assert_eq!(done(&decision), expected, "{author} {policy:?}");
    };
    for (author, expected) in [
        ("a@reject.example", ["refuse", "junk", "junk", "refuse"]),
        ("a@suspect.example", ["junk", "junk", "deliver", "junk"]),
        ("a@watch.example", ["deliver", "deliver", "deliver", "deliver"]),
        ("a@unknown.example", ["deliver", "deliver", "deliver", "deliver"]),
        // SPF alone says no, and nobody signed it.
        ("a@nobody.example", ["junk", "junk", "junk", "junk"]),
        ("a@dark.example", ["deliver", "deliver", "deliver", "later"]),
    ] {
        for (policy, expected) in [&follow, &junk, &off, &wait].into_iter().zip(expected) {
            check(author, policy, expected);
        }
    }
}

#[test]
fn who_is_refused_reaches_the_postmaster() {
    let sender = sender("a@reject.example");
    let decision = |is_to_postmaster| {
        decide(Findings { is_to_postmaster, ..Findings::of(b"\r\n", Some(&sender)) }, &Policy::default())
    };
    assert_eq!(done(&decision(true)), "deliver");
    let Decision::Refuse(reason) = decision(false) else { panic!("it is not refused") };
    assert_eq!(
        reason.to_string(),
        "From says reject.example, which does not vouch for this mail (DMARC, p=reject): SPF fail for reject.example from \
         198.51.100.1, DKIM none"
    );
}

#[test]
fn a_relay_of_ours_is_refused_nothing_for_what_a_stranger_did() {
    let by_relay = |sender: &sender_auth::Findings, policy: &Policy| {
        done(&decide(Findings { by_relay: true, ..Findings::of(b"\r\n", Some(sender)) }, policy)).to_owned()
    };
    assert_eq!(by_relay(&sender("a@reject.example"), &Policy::default()), "junk");
    let wait = Policy { wait_for_dns: true, ..Policy::default() };
    assert_eq!(by_relay(&sender("a@dark.example"), &wait), "deliver");
    let mut listed = sender("a@watch.example");
    listed.introduction.listed.blocked_by = Some("bad.example".into());
    assert_eq!(by_relay(&listed, &Policy::default()), "junk");
}

#[test]
fn a_list_that_is_trusted_vouches_for_what_it_changed() {
    let mut sender = sender("a@reject.example");
    sender.arc = sender_auth::Arc { result: DkimResult::Pass, sets: 1, sealer: "lists.example".into(), reason: None };
    let trusting = Policy { trusted_sealers: vec!["Lists.Example".into()], ..Policy::default() };
    let decision =
        |sender: &sender_auth::Findings, policy: &Policy| decide(Findings::of(b"\r\n", Some(sender)), policy);
    assert_eq!(done(&decision(&sender, &trusting)), "deliver");
    assert_eq!(done(&decision(&sender, &Policy::default())), "refuse");
    sender.arc.result = DkimResult::Fail;
    assert_eq!(done(&decision(&sender, &trusting)), "refuse");
}

#[test]
fn what_filters_say_counts_beside_who_it_comes_from() {
    let check = |author: &str, verdict, expected: [&str; 3]| {
        let sender = sender(author);
        let opinion = scan::Opinion { verdict, reason: "why".into(), edits: Vec::new() };
        let of = |is_to_postmaster, by_relay| Findings {
            filters: Some(&opinion),
            is_to_postmaster,
            by_relay,
            ..Findings::of(b"\r\n", Some(&sender))
        };
        let policy = Policy::default();
        let found =
            [of(false, false), of(true, false), of(false, true)].map(|findings| done(&decide(findings, &policy)));
        assert_eq!(found, expected, "{author} {verdict:?}");
    };
    use scan::Verdict::{Deliver, Junk, Later, Refuse};
    check("a@plain.example", Deliver, ["deliver", "deliver", "deliver"]);
    check("a@plain.example", Junk, ["junk", "junk", "junk"]);
    check("a@plain.example", Later, ["later", "deliver", "later"]);
    // A relay of ours has taken it; a refusal would make it bounce.
    check("a@plain.example", Refuse, ["refuse", "deliver", "junk"]);
    check("a@suspect.example", Refuse, ["refuse", "deliver", "junk"]);
    check("a@suspect.example", Deliver, ["junk", "junk", "junk"]);
    check("a@reject.example", Junk, ["refuse", "deliver", "junk"]);
}

#[test]
fn what_is_odd_about_a_host_refuses_no_mail_of_a_home_unless_so_configured() {
    use sender_auth::{HeloName, IprevResult};
    let of = |helo_name, iprev, doubts: Doubts, by_relay| {
        let mut sender = sender("a@unknown.example");
        sender.introduction.helo_name = helo_name;
        sender.introduction.iprev.result = iprev;
        let policy = Policy { doubts, ..Policy::default() };
        let recipient = |address: &str| crate::Recipient {
            address: address.into(),
            accounts: Vec::new(),
            onward: None,
            list: None,
            reports: smtp_proto::RcptReports::default(),
        };
        let admitted = ["bob@example.org", "postmaster@example.org"]
            .map(|address| admit(&sender.introduction, &recipient(address), &policy) == Admission::Admit);
        let decision = decide(Findings { by_relay, ..Findings::of(b"\r\n", Some(&sender)) }, &policy);
        assert!(admitted[1], "everybody reaches the postmaster");
        (admitted[0], done(&decision))
    };
    let default = Doubts::default();
    assert_eq!(of(HeloName::NoName, IprevResult::PermError, default, false), (true, "deliver"));
    assert_eq!(of(HeloName::Sound, IprevResult::Fail, default, false), (true, "deliver"));
    assert_eq!(of(HeloName::Ours, IprevResult::Pass, default, false), (true, "junk"));
    for (consequence, direct, relayed) in [
        (Consequence::Ignore, (true, "deliver"), "deliver"),
        (Consequence::Hint, (true, "deliver"), "deliver"),
        (Consequence::Junk, (true, "junk"), "junk"),
        // What is refused before the message has none that could be decided.
        (Consequence::Reject, (false, "deliver"), "junk"),
    ] {
        let all = Doubts { bad_helo: consequence, own_helo: consequence, no_reverse_name: consequence };
        for (helo, iprev) in [
            (HeloName::NoName, IprevResult::Pass),
            (HeloName::Ours, IprevResult::Pass),
            (HeloName::Sound, IprevResult::Fail),
            (HeloName::Sound, IprevResult::PermError),
        ] {
            assert_eq!(of(helo, iprev, all, false), direct, "{consequence:?} {helo:?} {iprev:?}");
            assert_eq!(of(helo, iprev, all, true).1, relayed, "{consequence:?} {helo:?} {iprev:?}");
        }
        // The DNS gives no answer.
        assert_eq!(of(HeloName::Sound, IprevResult::TempError, all, false), (true, "deliver"));
    }
}

#[test]
fn first_mail_of_honest_hosts_does_not_wait() {
    use sender_auth::{HeloName, IprevResult};
    let of = |helo_name, iprev, spf, allowed: bool| {
        let mut known = sender("a@unknown.example").introduction;
        known.helo_name = helo_name;
        known.iprev.result = iprev;
        known.mail_from.result = spf;
        known.listed.allowed_by = allowed.then(|| "good.example".into());
        [Greylist::Off, Greylist::Suspicious, Greylist::All].map(|greylist| needs_acquaintance(&known, greylist))
    };
    let named = |spf| of(HeloName::Sound, IprevResult::Pass, spf, false);
    // A large host, a newsletter; a small host without SPF; name servers that give no answer.
    for spf in [SpfResult::Pass, SpfResult::None, SpfResult::Neutral, SpfResult::TempError, SpfResult::PermError] {
        assert_eq!(named(spf), [false, false, true], "{spf:?}");
    }
    assert_eq!(of(HeloName::Sound, IprevResult::TempError, SpfResult::TempError, false), [false, false, true]);
    for spf in [SpfResult::Fail, SpfResult::SoftFail] {
        assert_eq!(named(spf), [false, true, true], "{spf:?}");
    }
    for (helo, iprev) in [
        (HeloName::Sound, IprevResult::PermError),
        (HeloName::Sound, IprevResult::Fail),
        (HeloName::NoName, IprevResult::Pass),
        (HeloName::Ours, IprevResult::Pass),
    ] {
        assert_eq!(of(helo, iprev, SpfResult::Pass, false), [false, true, true], "{helo:?} {iprev:?}");
        assert_eq!(of(helo, iprev, SpfResult::Pass, true), [false; 3], "it is known as good");
    }
}
