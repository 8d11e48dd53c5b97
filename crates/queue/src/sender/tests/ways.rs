//! Which way mail takes because of who sends it.

use super::direct::Net;
use super::*;
use crate::{Direct, Via, Ways};
use std::collections::HashMap;

fn named(names: &[(&str, Via)]) -> HashMap<String, Via> {
    names.iter().map(|(name, via)| ((*name).to_owned(), *via)).collect()
}

/// Mail goes to the hosts of its domain, but for some senders'; none of this holds for mail to partner.example.
fn ways() -> Ways {
    let senders = named(&[
        ("house.example", Via::Smarthost),
        ("closed@house.example", Via::Refuse),
        ("direct@house.example", Via::Mx),
        ("printer@other.example", Via::Smarthost),
        ("list@other.example", Via::Smarthost),
        ("mail.example.org", Via::Smarthost),
    ]);
    let routes = named(&[("partner.example", Via::Mx), ("nobody.example", Via::Refuse)]);
    Ways { routes, senders, hostname: "mail.example.org".to_owned(), ..Ways::all(Via::Mx) }
}

#[test]
fn the_recipients_domain_goes_before_the_sender_and_an_address_before_its_domain() {
    let check = |from: &str, to: &str, expected: Via| {
        let NewEntry { reverse_path, recipients, .. } = message(from, &[to], b"m");
        assert_eq!(ways().of(&reverse_path, &recipients[0].forward_path).via, expected, "{from} {to}");
    };
    for (from, expected) in [
        ("ada@house.example", Via::Smarthost),
        ("Ada@HOUSE.example", Via::Smarthost),
        ("closed@house.example", Via::Refuse),
        ("Closed+detail@house.example", Via::Refuse),
        ("direct@house.example", Via::Mx),
        ("printer@other.example", Via::Smarthost),
        ("ada@other.example", Via::Mx),
        ("ada@sub.house.example", Via::Mx),
        // To which bounces of a list's mail come back.
        ("list+bounce-a1b2@other.example", Via::Smarthost),
        // What is passed on is sent by the domain that passes it on, not by a stranger.
        ("SRS0=AAAAAA=BB=other.example=printer@house.example", Via::Smarthost),
        ("SRS0=AAAAAA=BB=house.example=ada@other.example", Via::Mx),
        // Bounces.
        ("<>", Via::Smarthost),
    ] {
        check(from, "a@far.example", expected);
        check(from, "a@partner.example", Via::Mx);
        check(from, "a@nobody.example", Via::Refuse);
    }
}

#[test]
fn mail_of_a_sender_with_a_way_of_its_own_took_that_of_all_others() {
    let net = Net::with(&[("far.example", "A", "127.0.0.2"), ("partner.example", "A", "127.0.0.2")]);
    let (port, at_hosts) = serve_at("127.0.0.2:0", Script::default(), 100);
    let (smarthost_port, at_smarthost) = serve(Script::default(), 100);
    let smarthost = Some(Smarthost { connections_max: 1, ..smarthost(smarthost_port) });
    let outgoing = net.outgoing(port);
    let direct = outgoing.direct.map(|direct| Direct { connections_max: 1, ..direct });
    let outgoing = Outgoing { smarthost, direct, ways: ways(), ..outgoing };
    let queue = open(&SimEngine::new());
    for (from, to) in [
        ("ada@house.example", &["1@far.example", "2@partner.example"][..]),
        ("me@other.example", &["3@far.example"]),
        ("printer@other.example", &["4@far.example"]),
        ("<>", &["5@far.example"]),
        ("closed@house.example", &["6@far.example", "7@partner.example"]),
    ] {
        queue.enqueue(message(from, to, b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    }
    let world = start_with(queue, outgoing, 0);
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    assert_eq!(bounce.text, "6@far.example - 550 5.7.1 this server sends no mail from closed@house.example\n");
    world.until_empty();
    world.sender.stop(TIME);
    let recipients = |lines: Receiver<String>| {
        let mut found: Vec<String> = lines.try_iter().filter(|line| line.starts_with("RCPT")).collect();
        found.sort();
        found
    };
    assert_eq!(
        recipients(at_smarthost),
        ["RCPT TO:<1@far.example>", "RCPT TO:<4@far.example>", "RCPT TO:<5@far.example>"]
    );
    assert_eq!(
        recipients(at_hosts),
        ["RCPT TO:<2@partner.example>", "RCPT TO:<3@far.example>", "RCPT TO:<7@partner.example>"]
    );
}

#[test]
fn who_looks_at_the_queue_sees_which_ways_mail_takes() {
    let queue = open(&SimEngine::new()).with_ways(ways());
    let enqueue = |from, to: &[&str]| queue.enqueue(message(from, to, b"m"), Timestamp(NOW)).unwrap().id;
    let both = enqueue("ada@house.example", &["1@far.example", "2@partner.example"]);
    enqueue("me@other.example", &["3@far.example"]);
    let entry = queue.show(both).unwrap();
    let ways: Vec<Via> = entry.recipients.iter().map(|recipient| queue.way(&entry, recipient).unwrap()).collect();
    assert_eq!(ways, [Via::Smarthost, Via::Mx]);
    let told: Vec<(String, Vec<Via>)> = queue
        .backlogs()
        .unwrap()
        .into_iter()
        .map(|backlog| (backlog.domain, backlog.ways.into_iter().collect()))
        .collect();
    let (far, partner) = (vec![Via::Mx, Via::Smarthost], vec![Via::Mx]);
    assert_eq!(told, [("far.example".to_owned(), far), ("partner.example".to_owned(), partner)]);
}
