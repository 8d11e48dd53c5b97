//! What is passed on, what is not, and what the far end makes of it.

use super::*;
use crate::outcome::Delivered;
use crate::testing::{World, started, world};
use crate::{Envelope, Reach, Route, Source, Unroutable};
use directory::KeyState;
use dkim::{Algorithm, PrivateKey, Signer};
use futures::executor::block_on;
use queue::{Entry, Limits, Policy, Queue, Via, Ways};
use sender_auth::testing::Table;
use sender_auth::{Digests, Findings, Lists, examine};
use store::sim::{Fault, SIM_EPOCH, SimObjects};

const NOW: Timestamp = SIM_EPOCH;
const OK: RecipientOutcome = RecipientOutcome::Delivered;
const MESSAGE: &str = "From: Ada <ada@author.example>\r\nTo: x@example.org\r\nSubject: Hello\r\n\r\nHello.\r\n";

/// With a way out, which takes so many messages for an address; `away@` and `team@` lead elsewhere, `team@` also to Bob.
fn with_way_out(account_entries: u64) -> (World, Queue) {
    let world = world();
    let directory = world.flow.auth.directory();
    directory.add_alias("away@example.org", &["eve@far.example", "dave@far.example"]).unwrap();
    directory.add_alias("both@example.org", &["bob@example.org", "eve@far.example"]).unwrap();
    directory.make_signing_keys("example.org", NOW).unwrap();
    again_with(world, account_entries)
}

fn again_with(world: World, account_entries: u64) -> (World, Queue) {
    let queue = Queue::open(world.flow.auth.store(), Policy::default());
    let queue = queue.with_limits(Limits { account_entries, ..Limits::DEFAULT });
    let flow = MailFlow { queue: Some(queue.clone()), ..world.flow };
    (World { flow, ..world }, queue)
}

fn account_of(world: &World, name: &str) -> Account {
    let info = world.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
    world.flow.auth.store().account(info.id)
}

fn forward(world: &World, name: &str, keeps_copy: bool) {
    let (directory, account) = (world.flow.auth.directory(), account_of(world, name).id());
    let code = directory.ask_for_forward(account, "me@far.example", keeps_copy, NOW).unwrap().unwrap();
    directory.confirm_forward(account, &code, NOW).unwrap();
}

/// Alice keeps her copy, Carol does not.
fn forward_alice_and_carol(world: &World) {
    forward(world, "alice", true);
    forward(world, "carol", false);
}

fn messages(world: &World, name: &str, mailbox: &str) -> usize {
    let mailboxes = account_of(world, name).mailboxes().unwrap();
    mailboxes.by_name(mailbox).map_or(0, |mailbox| mailbox.counts.messages as usize)
}

fn arrival(world: &World, (from, to): (&str, &[&str]), content: &str, sender: Option<Findings>) -> Arrival {
    let reverse_path = from.parse().map_or(ReversePath::Null, ReversePath::Mailbox);
    let recipient = |to: &&str| match world.flow.route(&path(to).unwrap(), Reach::Local, &reverse_path, NOW).unwrap() {
        Route::Local(recipient) => recipient,
        other => panic!("{to}: {other:?}"),
    };
    let source = Source {
        protocol: Protocol::Smtp,
        helo: "client.example".into(),
        client: "192.0.2.1".parse().unwrap(),
        with: "ESMTPS",
        tls: None,
        by_relay: false,
    };
    let envelope = Envelope { local: to.iter().map(recipient).collect(), ..Envelope::new(reverse_path, source) };
    let arrival = world.flow.arrive(envelope, content.into(), None, NOW);
    match sender {
        Some(sender) => arrival.from_sender(sender),
        None => arrival,
    }
}

fn deliver(world: &World, from: &str, to: &[&str], content: &str) -> Delivered {
    world.flow.deliver(arrival(world, (from, to), content, None), NOW)
}

/// The client has its answer.
fn outcomes(delivered: Delivered) -> Vec<RecipientOutcome> {
    let outcomes = delivered.outcomes.clone();
    delivered.accepted().into_iter().for_each(Claim::answered);
    outcomes
}

fn queued(queue: &Queue) -> Vec<(Entry, String)> {
    let all = queue.list(None, 100).unwrap().into_iter();
    all.map(|entry| (entry.clone(), String::from_utf8(queue.content(entry.id).unwrap()).unwrap())).collect()
}

fn path(address: &str) -> Option<ForwardPath> {
    address.parse().map(ForwardPath::Mailbox).ok()
}

#[test]
fn an_alias_passes_on_and_the_bounce_finds_its_way_back() {
    let (world, queue) = with_way_out(10);
    assert_eq!(
        outcomes(deliver(&world, "ada@author.example", &["away@example.org", "both@example.org"], MESSAGE)),
        [OK; 2]
    );
    let all = queued(&queue);
    let to: Vec<Vec<&str>> =
        all.iter().map(|(entry, _)| entry.recipients.iter().map(|to| to.address.as_str()).collect()).collect();
    assert_eq!(to, [vec!["eve@far.example", "dave@far.example"], vec!["eve@far.example"]]);
    assert_eq!(messages(&world, "bob", "INBOX"), 1);
    let (entry, content) = &all[0];
    assert!(content.starts_with("Delivered-To: away@example.org\r\nReceived: from client.example"), "{content}");
    assert!(content.ends_with(MESSAGE) && !content.contains("DKIM-Signature"), "nobody looked at it: {content}");
    let back = entry.reverse_path.clone();
    assert!(back.starts_with("SRS0=") && back.ends_with("=author.example=ada@example.org"), "{back}");

    // A bounce of another host, and one of our own queue.
    assert_eq!(outcomes(deliver(&world, "", &[&back], "Subject: Undelivered\r\n\r\n")), [OK]);
    let handover = Handover::new(&[b"bounce"], NOW, 1);
    let claims = world.flow.post(&back, b"Subject: Ours\r\n\r\n", handover, NOW).unwrap();
    assert_eq!(claims.len(), 1);
    let bounces: Vec<(String, String)> = queued(&queue)[2..]
        .iter()
        .map(|(entry, _)| (entry.reverse_path.clone(), entry.recipients[0].address.clone()))
        .collect();
    assert_eq!(bounces, vec![(String::new(), "ada@author.example".to_owned()); 2]);
}

#[test]
fn a_way_back_is_no_way_to_send_and_cannot_be_made_by_others() {
    let (world, queue) = with_way_out(10);
    drop(deliver(&world, "ada@author.example", &["away@example.org"], MESSAGE));
    let back = queued(&queue)[0].0.reverse_path.clone();
    let route =
        |address: &str, now| world.flow.route(&path(address).unwrap(), Reach::Local, &ReversePath::Null, now).unwrap();
    let Route::Local(recipient) = route(&back, NOW) else { panic!("{back} leads nowhere") };
    assert!(recipient.takes(&ReversePath::Null));
    assert!(!recipient.takes(&ReversePath::Mailbox("spammer@example.net".parse().unwrap())));
    let delivered = deliver(&world, "spammer@example.net", &[&back], MESSAGE);
    assert_eq!((delivered.outcomes.clone(), queued(&queue).len()), (vec![RecipientOutcome::SenderRefused], 1));
    let forged = Route::Refused(Unroutable::NotReturned);
    assert_eq!(route(&back.replace("=ada@", "=eve@"), NOW), forged);
    assert_eq!(route(&back, Timestamp(NOW.0 + 15 * 24 * 3_600_000)), forged);
    world.flow.auth.directory().add_alias("@example.org", &["alice@example.org"]).unwrap();
    assert_eq!(route("SRS0=AAAAAA=AA=author.example=ada@example.org", NOW), forged, "the catch-all took it");
}

#[test]
fn an_owner_gets_copies_elsewhere_or_all_of_it() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    for name in ["alice@example.org", "carol@example.org", "bob@example.org"] {
        assert_eq!(outcomes(deliver(&world, "ada@author.example", &[name], MESSAGE)), [OK]);
    }
    let counts = ["alice", "carol", "bob"].map(|name| messages(&world, name, "INBOX"));
    assert_eq!(counts, [1, 0, 1]);
    let all = queued(&queue);
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|(entry, _)| entry.recipients[0].address == "me@far.example"));
    assert!(all[1].1.starts_with("Delivered-To: carol@example.org\r\n") && all[1].1.ends_with(MESSAGE));
    // Under an address of its own an account needs no other.
    assert!(all.iter().all(|(entry, _)| entry.reverse_path.starts_with("SRS0=")));
}

#[test]
fn nobody_was_told_where_a_message_had_gone() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    let to = ["alice@example.org", "carol@example.org", "both@example.org"];
    assert_eq!(outcomes(deliver(&world, "ada@author.example", &to, MESSAGE)), [OK; 3]);
    let passed = |name: &str| {
        let all = queue.passed_on(account_of(&world, name).id()).unwrap();
        all.into_iter().map(|(_, passed)| passed).collect::<Vec<_>>()
    };
    let to = |name: &str| passed(name).into_iter().map(|passed| passed.to[0].address.clone()).collect::<Vec<_>>();
    assert_eq!([to("alice"), to("carol"), to("bob")], [["me@far.example"], ["me@far.example"], ["eve@far.example"]]);
    let about = |name: &str| passed(name).remove(0).about;
    let alice = account_of(&world, "alice");
    let inbox = alice.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let email = alice.view(inbox).unwrap().index().get(0).unwrap().email;
    assert_eq!((about("alice").email(), about("carol").email()), (Some(email), None));
    let bob = about("bob");
    assert_eq!((bob.address.as_str(), bob.by_alias, bob.subject.as_str()), ("both@example.org", true, "Hello"));
    // The bounce that goes back to its sender is nobody's news here.
    let back = queued(&queue)[0].0.reverse_path.clone();
    assert_eq!(outcomes(deliver(&world, "", &[&back], "Subject: Undelivered\r\n\r\n")), [OK]);
    assert_eq!((passed("alice").len(), passed("carol").len(), passed("bob").len()), (1, 1, 1));
}

#[test]
fn what_was_passed_on_was_doubled_when_its_client_had_no_answer() {
    let (world, _) = with_way_out(10);
    forward_alice_and_carol(&world);
    let to = ["alice@example.org", "carol@example.org", "away@example.org", "bob@example.org"];
    // Bob's disk is full when it comes first; then the server dies.
    world.engine.plan(4, Fault::Full);
    let first = deliver(&world, "ada@author.example", &to, MESSAGE);
    assert!(first.outcomes.iter().any(|outcome| *outcome != OK), "{:?}", first.outcomes);
    drop(first);
    let crashed = started(world.engine.crash(), Arc::new(SimObjects::new()));
    let (world, queue) = again_with(crashed, 10);
    assert_eq!(outcomes(deliver(&world, "ada@author.example", &to, MESSAGE)), [OK; 4]);
    assert_eq!(
        (queued(&queue).len(), messages(&world, "alice", "INBOX"), messages(&world, "carol", "INBOX")),
        (3, 1, 0)
    );
    let told = |name: &str| queue.passed_on(account_of(&world, name).id()).unwrap().len();
    assert_eq!((told("alice"), told("carol")), (1, 1), "and told once");
    // It was answered: the same once more is another message.
    assert_eq!(outcomes(deliver(&world, "ada@author.example", &to[..1], MESSAGE)), [OK]);
    assert_eq!(queued(&queue).len(), 4);
}

#[test]
fn a_circle_ends_where_it_comes_back_to() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    let to = ["alice@example.org", "carol@example.org", "away@example.org", "both@example.org"];
    for (name, outcome) in to.into_iter().zip([OK, OK, RecipientOutcome::Loop, OK]) {
        let been_here = format!("Delivered-To: {}\r\n{MESSAGE}", name.to_uppercase());
        assert_eq!(outcomes(deliver(&world, "ada@author.example", &[name], &been_here)), [outcome], "{name}");
    }
    assert_eq!(queued(&queue).len(), 0);
    assert_eq!(["alice", "carol", "bob"].map(|name| messages(&world, name, "INBOX")), [1; 3]);
}

#[test]
fn what_the_queue_does_not_take_stays_here_and_nobody_is_kept_from_sending() {
    let (world, queue) = with_way_out(1);
    forward_alice_and_carol(&world);
    let to = ["alice@example.org", "carol@example.org", "away@example.org"];
    let round = |content: &str| to.map(|name| outcomes(deliver(&world, "ada@author.example", &[name], content))[0]);
    assert_eq!(round(MESSAGE), [OK; 3]);
    assert_eq!(queued(&queue).len(), 3, "each has a share of its own");
    assert_eq!(round("S: 2\r\n\r\n"), [OK, OK, RecipientOutcome::Unavailable]);
    assert_eq!(["alice", "carol"].map(|name| messages(&world, name, "INBOX")), [2, 1]);
    let alice = account_of(&world, "alice").id();
    assert!(queue.check(alice, 1, 10, NOW).is_ok(), "a flood for her mailbox takes her own share");
}

/// Our own keys, and what the other domains publish.
fn dns(world: &World, author: Option<&PrivateKey>) -> Table {
    let keys = world.flow.auth.directory().signing_keys("example.org", NOW).unwrap();
    let table = Table::default()
        .txt("_dmarc.author.example", "v=DMARC1; p=reject")
        .txt("author.example", "v=spf1 ip4:192.0.2.1 -all")
        .txt("_dmarc.example.org", "v=DMARC1; p=none")
        .txt("example.org", "v=spf1 ip4:203.0.113.1 -all");
    let table = keys
        .into_iter()
        .filter(|key| key.state == KeyState::Signing)
        .fold(table, |table, key| table.txt(&format!("{}._domainkey.example.org", key.selector), &key.record));
    match author {
        Some(key) => table.txt("s._domainkey.author.example", &key.record().unwrap()),
        None => table,
    }
}

fn looked_at(table: &Table, address: &str, mail_from: &str, content: &str) -> Findings {
    let claim = sender_auth::Claim {
        address: address.parse().unwrap(),
        helo: "client.example".into(),
        mail_from: mail_from.into(),
        receiver: "mail.example.org".into(),
        unix_seconds: 0,
    };
    block_on(examine(table, &claim, &Digests::of(content.as_bytes()), &Lists::default()))
}

#[test]
fn forwarded_mail_was_taken_for_forged_at_the_far_end() {
    let (world, queue) = with_way_out(10);
    forward(&world, "carol", false);
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let signature = Signer::new("author.example", "s", &key).unwrap().sign(MESSAGE.as_bytes(), false).unwrap();
    let signed = format!("{}{MESSAGE}", String::from_utf8(signature).unwrap());
    let table = dns(&world, Some(&key));
    let keys = world.flow.auth.directory().signing_keys("example.org", NOW).unwrap().into_iter();
    let records: Vec<_> = keys.map(|key| (format!("{}._domainkey.example.org", key.selector), key.record)).collect();
    for (content, is_signed) in [(signed.as_str(), true), (MESSAGE, false)] {
        let mut hop = (content.to_owned(), "ada@author.example".to_owned(), "192.0.2.1");
        // Twice through here: to the address of the owner, and from there through an alias.
        for (sets, to) in ["carol@example.org", "away@example.org"].into_iter().enumerate() {
            let found = looked_at(&table, hop.2, &hop.1, &hop.0);
            let mut arrival = arrival(&world, (&hop.1, &[to]), &hop.0, Some(found));
            if sets > 0 && !is_signed {
                // The next host trusts the first.
                arrival.sender.as_mut().unwrap().dmarc.disposition = sender_auth::DmarcPolicy::None;
                arrival.sender.as_mut().unwrap().introduction.mail_from.result = sender_auth::SpfResult::Pass;
            }
            assert_eq!(outcomes(world.flow.deliver(arrival, NOW)), [OK], "{to} {is_signed}");
            let (entry, passed_on) = queued(&queue).pop().unwrap();
            hop = (passed_on, entry.reverse_path, "203.0.113.1");
            let far = looked_at(&table, hop.2, &hop.1, &hop.0);
            assert_eq!((far.arc.result, far.arc.sets), (DkimResult::Pass, sets + 1), "{:?} {}", far.arc, hop.0);
            assert_eq!(far.arc.sealer, "example.org");
            assert_eq!(dkim::testing::chain_holds(hop.0.as_bytes(), &records), Some(true));
            assert_eq!(far.introduction.mail_from.result, sender_auth::SpfResult::Pass, "the envelope is ours");
            assert_eq!(far.dmarc.result == DmarcResult::Pass, is_signed, "{:?}", far.dmarc);
            assert!(hop.0.contains("dmarc=pass header.from=author.example"), "{}", hop.0);
            assert!(hop.0.ends_with(content), "it was changed: {}", hop.0);
        }
    }
}

#[test]
fn a_forged_message_in_our_name_became_a_true_one_when_it_was_passed_on() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    let table = dns(&world, None);
    for author in ["boss@example.org", "boss@sub.example.org"] {
        let forged = MESSAGE.replace("ada@author.example", author);
        let deliver = |to: &str| {
            let found = looked_at(&table, "192.0.2.1", "spammer@author.example", &forged);
            outcomes(world.flow.deliver(arrival(&world, ("spammer@author.example", &[to]), &forged, Some(found)), NOW))
        };
        assert_eq!(deliver("alice@example.org"), [OK]);
        assert_eq!(deliver("carol@example.org"), [OK]);
        assert_eq!(deliver("away@example.org"), [RecipientOutcome::SenderRefused]);
    }
    assert_eq!(queued(&queue).len(), 0);
    assert_eq!(["alice", "carol"].map(|name| messages(&world, name, "INBOX")), [2; 2]);
}

#[test]
fn junk_is_not_passed_on() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    let table = dns(&world, None).txt("_dmarc.suspect.example", "v=DMARC1; p=quarantine");
    let content = MESSAGE.replace("author.example", "suspect.example");
    for (to, outcome) in [
        ("alice@example.org", OK),
        ("carol@example.org", OK),
        ("both@example.org", OK),
        ("away@example.org", RecipientOutcome::SenderRefused),
    ] {
        let found = looked_at(&table, "192.0.2.1", "ada@suspect.example", &content);
        let arrival = arrival(&world, ("ada@suspect.example", &[to]), &content, Some(found));
        let delivered = world.flow.deliver(arrival, NOW);
        assert_eq!(delivered.reason.is_some(), outcome != OK, "a postmaster is told why");
        assert_eq!(outcomes(delivered), [outcome], "{to}");
    }
    assert_eq!(["alice", "carol", "bob"].map(|name| messages(&world, name, "Junk")), [1; 3]);
    assert_eq!(queued(&queue).len(), 0);
}

#[test]
fn what_is_forwarded_to_a_domain_that_the_operator_closed_is_kept_here() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    let ways = Ways { routes: [("far.example".to_owned(), Via::Refuse)].into(), ..Ways::all(Via::Mx) };
    let flow = MailFlow { queue: Some(queue.clone().with_ways(ways)), ..world.flow };
    let world = World { flow, ..world };
    let to = ["alice@example.org", "carol@example.org", "both@example.org"];
    assert_eq!(outcomes(deliver(&world, "ada@author.example", &to, MESSAGE)), [OK; 3]);
    assert_eq!(["alice", "bob", "carol"].map(|name| messages(&world, name, "INBOX")), [1; 3]);
    assert_eq!(queued(&queue), []);
    let away = world.flow.route(&path("away@example.org").unwrap(), Reach::Local, &ReversePath::Null, NOW).unwrap();
    assert_eq!(away, Route::Refused(Unroutable::NotSent));
}

#[test]
fn what_is_passed_on_leaves_the_way_of_the_domain_that_passes_it_on() {
    let (world, queue) = with_way_out(10);
    forward_alice_and_carol(&world);
    let with = |name: &str| {
        let ways = Ways { senders: [(name.to_owned(), Via::Refuse)].into(), ..Ways::all(Via::Mx) };
        MailFlow { queue: Some(queue.clone().with_ways(ways)), ..world.flow.clone() }
    };
    let route = |flow: &MailFlow, from: &str, reach| {
        let from = from.parse().map_or(ReversePath::Null, ReversePath::Mailbox);
        flow.route(&path("away@example.org").unwrap(), reach, &from, NOW).unwrap()
    };
    let refused = Route::Refused(Unroutable::NotSentFrom);
    assert_eq!(route(&with("example.org"), "ada@author.example", Reach::Local), refused);
    assert!(matches!(route(&with("author.example"), "ada@author.example", Reach::Local), Route::Local(_)));
    // An account here sends it under its own address.
    assert_eq!(route(&with("alice@example.org"), "alice@example.org", Reach::Everywhere), refused);
    assert!(matches!(route(&with("alice@example.org"), "bob@example.org", Reach::Everywhere), Route::Local(_)));

    let world = World { flow: with("example.org"), ..world };
    let to = ["alice@example.org", "carol@example.org", "both@example.org"];
    assert_eq!(outcomes(deliver(&world, "ada@author.example", &to, MESSAGE)), [OK; 3]);
    assert_eq!(["alice", "bob", "carol"].map(|name| messages(&world, name, "INBOX")), [1; 3], "kept here");
    assert_eq!(queued(&queue), []);
}
