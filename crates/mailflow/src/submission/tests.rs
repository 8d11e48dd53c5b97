//! Whoever has a message and somebody who is logged in: no session, no protocol.

use super::*;
use crate::testing::{World, world};
use crate::{Envelope, Reach, Route, Source};
use auth::Attempt;
use queue::{Limits, Policy, Queue};
use smtp_proto::{ForwardPath, ReversePath};
use std::net::Ipv4Addr;
use std::task::Waker;
use store::sim::SIM_EPOCH;

const NOW: Timestamp = SIM_EPOCH;
const HERE: std::net::IpAddr = std::net::IpAddr::V4(Ipv4Addr::LOCALHOST);

fn alice(world: &World) -> Presence {
    let attempt = Attempt {
        user: "alice@example.org",
        password: "correct horse",
        protocol: Protocol::Web,
        address: HERE,
        fingerprint: None,
        tls: None,
        now: NOW,
        turn: Some(&session::testing::TURN),
    };
    let login = world.flow.auth.log_in(&attempt).unwrap();
    world.flow.auth.enter(login, Waker::noop().clone())
}

/// With a way out, which takes so many messages of an account.
fn with_way_out(account_entries: u64) -> (World, Queue) {
    let world = world();
    let queue = Queue::open(world.flow.auth.store(), Policy::default());
    let queue = queue.with_limits(Limits { account_entries, ..Limits::DEFAULT });
    let flow = MailFlow { queue: Some(queue.clone()), ..world.flow };
    (World { flow, ..world }, queue)
}

fn submit(world: &World, to: &[&str], content: &str) -> Result<Accepted, Refusal> {
    let (mut local, mut outside) = (Vec::new(), Vec::new());
    for address in to {
        match world
            .flow
            .route(&ForwardPath::Mailbox(address.parse().unwrap()), Reach::Everywhere, &ReversePath::Null, NOW)
            .unwrap()
        {
            Route::Local(recipient) => local.push(recipient),
            Route::Relay(path) => outside.push(path.into()),
            Route::Refused(why) => panic!("{address}: {why:?}"),
        }
    }
    let source = Source {
        protocol: Protocol::Submission,
        helo: "pages".into(),
        client: HERE,
        with: "HTTP",
        tls: None,
        by_relay: false,
    };
    let reverse_path = ReversePath::Mailbox("alice@example.org".parse().unwrap());
    let envelope = Envelope { local, outside, ..Envelope::new(reverse_path, source) };
    let presence = alice(world);
    let arrival = world.flow.arrive(envelope, content.into(), Some(presence.login().account), NOW);
    world.flow.submit(&presence, arrival, NOW)
}

fn messages(world: &World, name: &str, mailbox: &str) -> Vec<String> {
    let info = world.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
    let account = world.flow.auth.store().account(info.id);
    let Some(mailbox) = account.mailboxes().unwrap().by_name(mailbox).map(|mailbox| mailbox.id) else {
        return Vec::new();
    };
    let (view, reader) = (account.view(mailbox).unwrap(), account.reader().unwrap());
    view.index().iter().map(|entry| String::from_utf8(reader.body(entry.email).unwrap()).unwrap()).collect()
}

#[test]
fn only_smtp_sessions_could_submit() {
    let (world, queue) = with_way_out(10);
    let head = "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\nMessage-ID: <1@x>\r\n";
    let body = "x\r\n".repeat(60_000);
    let content = format!("{head}From: alice@example.org\r\nBcc: carol@example.org\r\n\r\n{body}");
    let accepted = submit(&world, &["bob@example.org", "carol@example.org", "dave@example.net"], &content).unwrap();
    assert_eq!((accepted.claims.len(), accepted.not_kept), (4, None), "Bob, Carol, Sent, the queue");
    let outgoing = content.replace("Bcc: carol@example.org\r\n", "");
    assert_eq!(messages(&world, "alice", "Sent"), [content]);
    for name in ["bob", "carol"] {
        let [copy] = &messages(&world, name, "INBOX")[..] else { panic!("{name} has not one") };
        let fields = copy.strip_suffix(&outgoing).unwrap();
        assert!(fields.starts_with("Return-Path: <alice@example.org>\r\nDelivered-To: "), "{fields}");
        assert_eq!(fields.matches("Received:").count(), 1);
    }
    let entry = &queue.list(None, 9).unwrap()[0];
    let queued = String::from_utf8(queue.content(entry.id).unwrap()).unwrap();
    assert!(queued.starts_with("Received: from pages") && queued.ends_with(&outgoing));
}

#[test]
fn a_refusal_is_a_value_and_leaves_nothing() {
    let (world, queue) = with_way_out(0);
    let check = |to: &str, content: &str, expected: &dyn Fn(&Refusal) -> bool| {
        let refusal = submit(&world, &[to], content).map(drop).unwrap_err();
        assert!(expected(&refusal), "{refusal:?}");
        let copies = ["alice", "bob"].map(|name| messages(&world, name, "INBOX").len());
        assert_eq!((copies, messages(&world, "alice", "Sent").len()), ([0, 0], 0));
        assert!(queue.list(None, 9).unwrap().is_empty());
    };
    let own = "From: alice@example.org\r\n";
    check("bob@example.org", "From: bob@example.org\r\n\r\n", &|why| *why == Refusal::NotOwn("bob@example.org".into()));
    check("bob@example.org", "From: \r\n\r\n", &|why| *why == Refusal::NoAuthor);
    let circle = format!("{own}{}\r\n", "Received: x\r\n".repeat(crate::decide::RECEIVED_MAX + 1));
    check("bob@example.org", &circle, &|why| *why == Refusal::Outcome(RecipientOutcome::Loop));
    let long = format!("{own}\r\n{}\r\n", "x".repeat(999));
    check("dave@example.net", &long, &|why| *why == Refusal::LineTooLong { number: 3, octets: 999 });
    check("dave@example.net", &format!("{own}\r\n"), &|why| matches!(why, Refusal::NotQueued(queue::Error::Share(_))));
}

/// What a receiver finds out: who signed, and whether it holds.
fn signed_by(world: &World, message: &[u8]) -> Vec<(String, bool)> {
    let keys = world.flow.auth.directory().signing_keys("example.org", NOW).unwrap();
    let record = |key: directory::SigningKey| (format!("{}._domainkey.example.org", key.selector), key.record);
    let records: Vec<_> = keys.into_iter().map(record).collect();
    dkim::testing::verify(message, &records).into_iter().map(|(domain, _, holds)| (domain, holds)).collect()
}

#[test]
fn what_leaves_is_signed_by_the_domain_that_it_is_from_and_nothing_else_is() {
    let (world, queue) = with_way_out(10);
    let directory = world.flow.auth.directory();
    let newest = || queue.content(queue.list(None, 9).unwrap().last().unwrap().id).unwrap();
    let content = "From: Alice <alice@example.org>\r\nSubject: x\r\nBcc: bob@example.org\r\n\r\nx\r\n";
    let both = || vec![("example.org".to_owned(), true); 2];
    drop(submit(&world, &["dave@example.net"], content).unwrap());
    assert_eq!(signed_by(&world, &newest()), [], "there are no keys yet");

    directory.make_signing_keys("example.org", NOW).unwrap();
    let content = content.replace("Subject: x", "Subject: y");
    drop(submit(&world, &["bob@example.org", "dave@example.net"], &content).unwrap());
    assert_eq!(signed_by(&world, &newest()), both(), "{}", String::from_utf8_lossy(&newest()));
    assert!(!messages(&world, "bob", "INBOX").concat().contains("DKIM-Signature"));
    assert!(!messages(&world, "alice", "Sent").concat().contains("DKIM-Signature"));

    // A letter of the server, whose name is below the domain.
    assert!(world.flow.send_letter("dave@example.net", b"From: <x@mail.example.org>\r\n\r\nx\r\n", NOW));
    assert_eq!(signed_by(&world, &newest()), both());
    assert!(world.flow.send_letter("dave@example.net", b"From: <x@elsewhere.example>\r\n\r\nx\r\n", NOW));
    assert_eq!(signed_by(&world, &newest()), []);

    // The next keys, once they are to be used.
    let selectors = || {
        let text = String::from_utf8(newest()).unwrap();
        let selector = |part: &str| part.split(';').next().unwrap().to_owned();
        text.split("; s=").skip(1).map(selector).collect::<Vec<_>>()
    };
    let send =
        |subject: &str| drop(submit(&world, &["dave@example.net"], &content.replace("Subject: y", subject)).unwrap());
    send("Subject: z");
    let before = selectors();
    directory.make_next_signing_keys("example.org", NOW).unwrap();
    send("Subject: zz");
    assert_eq!(selectors(), before);
    directory.use_next_signing_keys("example.org", NOW).unwrap();
    send("Subject: zzz");
    assert!(selectors().len() == 2 && selectors() != before, "{:?}", selectors());
    assert_eq!(signed_by(&world, &newest()), both());
}

#[test]
fn a_stolen_password_was_noticed_by_nobody() {
    let (world, queue) = with_way_out(1000);
    world.flow.auth.directory().set_admin("carol@example.org", true).unwrap();
    let people: Vec<String> = (0..150).map(|number| format!("p{number}@far.example")).collect();
    let send = |people: &[String], subject: &str| {
        let people: Vec<&str> = people.iter().map(String::as_str).collect();
        let accepted =
            submit(&world, &people, &format!("From: alice@example.org\r\nSubject: {subject}\r\n\r\n")).unwrap();
        let waits = accepted.waits;
        accepted.claims.into_iter().for_each(Claim::answered);
        waits
    };
    let waits: Vec<bool> = people.chunks(30).enumerate().map(|(n, some)| send(some, &n.to_string())).collect();
    assert_eq!(waits, [false, false, false, true, true]);
    assert_eq!(messages(&world, "alice", "Sent").len(), 5, "they were taken");
    // One letter each, however many messages wait.
    for (name, command) in
        [("alice", "pillarbox sending let-go alice@example.org"), ("carol", "pillarbox sending show alice")]
    {
        let letters = messages(&world, name, "INBOX");
        assert_eq!(letters.len(), 1, "{name}: {letters:?}");
        assert!(
            letters[0].contains("Subject: Is this mail yours? It waits") && letters[0].contains(command),
            "{}",
            letters[0]
        );
        assert!(letters[0].lines().all(|line| line.len() <= 90), "{}", letters[0]);
        assert!(letters[0].contains("What other programs of the account send goes on"), "{}", letters[0]);
    }
    let device = alice(&world).login().device;
    let alice = alice(&world).login().account;
    let (waiting, _) = queue.waiting(alice, 9).unwrap();
    assert_eq!((waiting.messages, waiting.devices), (2, vec![device]));
    assert!(!send(&people[..1], "to somebody whom she knows") && !send(&["bob@example.org".into()], "to here"));
    queue.let_go(alice, NOW).unwrap();
    assert!(!send(&people[60..], "to her readers, once more"));
}
