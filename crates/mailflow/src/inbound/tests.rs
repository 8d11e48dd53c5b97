use super::*;
use crate::testing::{World, fill, started, world};
use crate::{Envelope, Reach, Route, Source, Unroutable};
use queue::ReportError;
use sender_auth::SpfResult;
use smtp_proto::{ForwardPath, ReversePath};
use std::ops::Range;
use std::sync::Mutex;
use store::objects::{ObjectError, ObjectName, Objects, Shared};
use store::sim::{Fault, SIM_EPOCH, SimEngine, SimObjects};
use store::{Claim, Protocol};

const NOW: Timestamp = SIM_EPOCH;

fn source(protocol: Protocol) -> Source {
    Source {
        protocol,
        helo: "client.example".into(),
        client: "192.0.2.1".parse().unwrap(),
        with: "ESMTPS",
        tls: Some("TLSv1.3".into()),
        by_relay: false,
    }
}

fn arrival(protocol: Protocol, local: Vec<Recipient>, content: &str) -> Arrival {
    let handover = Handover::new(&[b"me@x", content.as_bytes()], NOW, 1);
    let reverse_path = ReversePath::Mailbox("me@x".parse().unwrap());
    let envelope = Envelope { local, ..Envelope::new(reverse_path, source(protocol)) };
    let content = Arc::new(Content::new(content.into()));
    Arrival {
        id: "id1".into(),
        from: envelope.from(),
        envelope,
        content,
        handover,
        account: None,
        sender: None,
        opinion: None,
    }
}

impl World {
    fn route(&self, address: &str) -> Route {
        self.flow.route(&ForwardPath::Mailbox(address.parse().unwrap()), Reach::Local, &ReversePath::Null, NOW).unwrap()
    }

    fn recipient(&self, address: &str) -> Recipient {
        match self.route(address) {
            Route::Local(recipient) => recipient,
            other => panic!("{address}: {other:?}"),
        }
    }

    /// The client has its answer: one for all, or over LMTP one each.
    fn deliver(&self, protocol: Protocol, addresses: &[&str], content: &str) -> Vec<RecipientOutcome> {
        let delivered = self.hand_over(protocol, addresses, content);
        let outcomes = delivered.outcomes.clone();
        let claims = match (protocol, outcomes.iter().all(|outcome| *outcome == OK)) {
            (Protocol::Lmtp, _) => delivered.answered_one_by_one(),
            (_, true) => delivered.accepted(),
            (_, false) => Vec::new(),
        };
        claims.into_iter().for_each(Claim::answered);
        outcomes
    }

    /// The client has no answer yet.
    fn hand_over(&self, protocol: Protocol, addresses: &[&str], content: &str) -> Delivered {
        let recipients = addresses.iter().map(|address| self.recipient(address)).collect();
        self.flow.deliver(arrival(protocol, recipients, content), NOW)
    }

    fn mailbox(&self, name: &str) -> Vec<String> {
        let info = self.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
        let account = self.flow.auth.store().account(info.id);
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        let view = account.view(inbox).unwrap();
        let reader = account.reader().unwrap();
        let body = |entry: &store::Entry| String::from_utf8(reader.body(entry.email).unwrap()).unwrap();
        view.index().iter().map(body).collect()
    }

    fn counts(&self) -> [usize; 3] {
        ["alice", "bob", "carol"].map(|name| self.mailbox(name).len())
    }
}

const OK: RecipientOutcome = RecipientOutcome::Delivered;

#[test]
fn a_copy_has_its_trace_on_top() {
    let world = world();
    assert_eq!(world.deliver(Protocol::Smtp, &["alice+x@example.org"], "A: b\r\n\r\nbody\r\n"), [OK]);
    let expected = "Return-Path: <me@x>\r\nDelivered-To: alice+x@example.org\r\n\
        Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTPS\r\n\
        \t(TLSv1.3) id id1 for <alice+x@example.org>;\r\n\tMon, 21 Sep 2026 14:13:20 +0000\r\nA: b\r\n\r\nbody\r\n";
    assert_eq!(world.mailbox("alice")[0].replace("\r\n\t", " "), expected.replace("\r\n\t", " "));
}

#[test]
fn recipients_do_not_learn_of_each_other() {
    let world = world();
    assert_eq!(world.deliver(Protocol::Smtp, &["alice@example.org", "bob@example.org"], "A: b\r\n\r\n"), [OK, OK]);
    assert!(!world.mailbox("alice")[0].contains("bob") && !world.mailbox("bob")[0].contains("alice"));
}

#[test]
fn an_account_gets_one_copy() {
    let world = world();
    let addresses = ["team@example.org", "alice@example.org", "alice+x@example.org", "bob@example.org"];
    assert_eq!(world.deliver(Protocol::Smtp, &addresses, "A: b\r\n\r\n"), [OK; 4]);
    assert_eq!(world.counts(), [1, 1, 0]);
    assert!(world.mailbox("bob")[0].contains("Delivered-To: team@example.org\r\n"));
}

#[test]
fn a_circle_is_broken_before_anything_is_written() {
    let world = world();
    let content = "Received: x\r\n".repeat(51) + "\r\n";
    assert_eq!(world.deliver(Protocol::Smtp, &["alice@example.org"], &content), [RecipientOutcome::Loop]);
    assert_eq!(world.counts(), [0, 0, 0]);
}

#[test]
fn what_one_account_cannot_take_is_not_doubled_for_the_others() {
    let world = world();
    let addresses = ["alice@example.org", "bob@example.org", "carol@example.org"];
    let twice = |fault, outcome| {
        let before = world.counts();
        let content = format!("S: {outcome:?}\r\n\r\n");
        world.engine.plan(1, fault);
        assert_eq!(world.deliver(Protocol::Smtp, &addresses, &content), [OK, outcome, OK]);
        assert_eq!(world.deliver(Protocol::Smtp, &addresses, &content), [OK; 3]);
        assert_eq!(world.counts(), before.map(|count| count + 1));
        // It is known to be complete: the same once more is another message.
        assert_eq!(world.deliver(Protocol::Smtp, &addresses, &content), [OK; 3]);
        assert_eq!(world.counts(), before.map(|count| count + 2));
    };
    twice(Fault::Full, RecipientOutcome::NoSpace);
}

#[test]
fn over_lmtp_only_who_was_refused_comes_again() {
    let world = world();
    let addresses = ["team@example.org", "carol@example.org"];
    world.engine.plan(1, Fault::Full);
    assert_eq!(world.deliver(Protocol::Lmtp, &addresses, "S: 1\r\n\r\n"), [RecipientOutcome::NoSpace, OK]);
    assert_eq!(world.counts(), [1, 0, 1]);
    // Carol's second one is a second message; Alice has hers.
    assert_eq!(world.deliver(Protocol::Lmtp, &addresses, "S: 1\r\n\r\n"), [OK; 2]);
    assert_eq!(world.counts(), [1, 1, 2]);
}

#[test]
fn a_refusal_for_another_reason_doubles_nothing() {
    let world = world();
    for _ in 0..2 {
        let delivered = world.hand_over(Protocol::Submission, &["alice@example.org"], "S: 1\r\n\r\n");
        assert_eq!(delivered.outcomes, [OK]);
    }
    assert_eq!(world.counts(), [1, 0, 0]);
}

#[test]
fn what_was_delivered_before_a_crash_is_not_doubled_by_the_next_try() {
    let addresses = ["team@example.org", "carol@example.org"];
    let content = "S: 1\r\n\r\n";
    // Alice and Bob have it, for Carol the disk is full or the power fails.
    for (fault, expected) in [(Fault::Full, RecipientOutcome::NoSpace), (Fault::CrashAfter, RecipientOutcome::Fault)] {
        for protocol in [Protocol::Smtp, Protocol::Lmtp, Protocol::Submission] {
            let world = world();
            world.engine.plan(2, fault);
            // It dies with the answer on its lips.
            let delivered = world.hand_over(protocol, &addresses, content);
            assert_eq!(delivered.outcomes, [OK, expected]);
            let world = world.after_a_crash();
            assert_eq!(world.deliver(protocol, &addresses, content), [OK, OK]);
            assert_eq!(world.counts(), [1, 1, 1], "{protocol:?} {fault:?}");
            // The answer is there: the same once more is meant.
            assert_eq!(world.deliver(protocol, &addresses, content), [OK, OK]);
            assert_eq!(world.counts(), [2, 2, 2]);
        }
    }
}

#[test]
fn the_same_message_sent_twice_on_purpose_comes_twice() {
    let world = world();
    let content = "S: the disk is full\r\n\r\n";
    for _ in 0..2 {
        assert_eq!(world.deliver(Protocol::Lmtp, &["alice@example.org"], content), [OK]);
    }
    assert_eq!(world.counts(), [2, 0, 0]);
    // At the same moment over two connections, too.
    let both = [(); 2].map(|()| world.hand_over(Protocol::Smtp, &["bob@example.org"], content));
    assert_eq!(world.counts(), [2, 2, 0]);
    // Neither has an answer when the process dies: both come again, and a third one is another message.
    drop(both);
    let world = world.after_a_crash();
    (0..3).for_each(|_| assert_eq!(world.deliver(Protocol::Smtp, &["bob@example.org"], content), [OK]));
    assert_eq!(world.counts(), [2, 3, 0]);
}

#[test]
fn a_crash_long_after_the_answer_makes_no_message_the_same() {
    let world = world();
    let content = "S: the disk is full\r\n\r\n";
    assert_eq!(world.deliver(Protocol::Smtp, &["alice@example.org"], content), [OK]);
    world.flow.auth.store().tidy_receipts(NOW);
    let world = world.after_a_crash();
    assert_eq!(world.deliver(Protocol::Smtp, &["alice@example.org"], content), [OK]);
    assert_eq!(world.counts(), [2, 0, 0]);
}

#[test]
fn what_comes_again_after_five_days_is_another_message() {
    let world = world();
    let recipients = vec![world.recipient("alice@example.org")];
    for (later, count) in [(0, 1), (store::RECEIPT_MILLIS, 1), (store::RECEIPT_MILLIS + 1, 2)] {
        let now = Timestamp(NOW.0 + later);
        drop(world.flow.deliver(arrival(Protocol::Smtp, recipients.clone(), "S: 1\r\n\r\n"), now));
        assert_eq!(world.mailbox("alice").len(), count);
    }
}

#[test]
fn the_receipts_of_an_account_are_bounded() {
    let world = world();
    let content = |n: usize| format!("S: {n}\r\n\r\n");
    for n in 0..=store::RECEIPTS_MAX {
        drop(world.hand_over(Protocol::Smtp, &["alice@example.org"], &content(n)));
    }
    let count = store::RECEIPTS_MAX + 1;
    for (n, expected) in [(1, count), (store::RECEIPTS_MAX, count), (0, count + 1)] {
        drop(world.hand_over(Protocol::Smtp, &["alice@example.org"], &content(n)));
        assert_eq!(world.counts()[0], expected, "the oldest is forgotten, and doubled");
    }
}

#[test]
fn faults_are_told_as_ours() {
    let world = world();
    world.engine.plan(0, Fault::CrashBefore);
    let outcome = world.deliver(Protocol::Smtp, &["alice@example.org"], "S: 1\r\n\r\n");
    assert_eq!(outcome, [RecipientOutcome::Fault]);
}

#[test]
fn a_mailbox_that_goes_is_unavailable() {
    let world = world();
    let recipients = vec![world.recipient("bob@example.org")];
    world.flow.auth.directory().remove_account("bob@example.org").unwrap();
    let delivered = world.flow.deliver(arrival(Protocol::Smtp, recipients, "S: 1\r\n\r\n"), NOW);
    assert_eq!(delivered.outcomes, [RecipientOutcome::Unavailable]);
}

#[test]
fn reports_come_from_nobody() {
    let world = world();
    let entry_of = |address: &str| {
        let reverse_path = ReversePath::Mailbox(address.parse().unwrap());
        let queue = queue::Queue::open(world.flow.auth.store(), queue::Policy::default());
        let recipients = vec![ForwardPath::Mailbox("carol@example.net".parse().unwrap()).into()];
        let new = queue::NewEntry::new(reverse_path, recipients, Arc::new(b"Subject: x\r\n\r\n".to_vec()));
        let mut entry = queue.show(queue.enqueue(new, NOW).unwrap().id).unwrap();
        entry.recipients[0].warning = queue::Warning::Due;
        entry
    };
    let entries = ["alice@example.org", "nobody@example.org", "alice@example.net"].map(entry_of);
    let deliver = |address: &str, number: u8| {
        let entry = entries.iter().find(|entry| entry.reverse_path == address).unwrap();
        let report = queue::Report {
            matter: queue::Matter::Delayed,
            entry,
            original: b"Subject: x\r\n\r\n",
            other_server: "relay",
            expires_at: NOW,
            handover: Handover::new(&[address.as_bytes(), &[number]], NOW, 1),
        };
        world.flow.deliver_report(queue::Notice::Report(report), NOW)
    };
    // The second one is the first once more: nobody has written down that it was delivered.
    (0..2).for_each(|_| drop(deliver("alice@example.org", 1).unwrap()));
    let [bounce] = &world.mailbox("alice")[..] else { panic!("not one") };
    assert!(bounce.starts_with("Return-Path: <>\r\nDelivered-To: alice@example.org\r\nFrom: Mail delivery <MAILER"));
    let refused = |address| deliver(address, 2).map(drop);
    assert!(matches!(refused("nobody@example.org"), Err(ReportError::Never(_))));
    assert!(matches!(refused("alice@example.net"), Err(ReportError::Never(_))));
    world.engine.plan(0, Fault::Full);
    assert!(matches!(refused("alice@example.org"), Err(ReportError::Later(_))));
}

/// Two recipients, one of whom asks for it; the reports that are made of them: to whom, and what.
fn told_of_success(change: impl Fn(Arrival) -> Arrival) -> Vec<(String, String)> {
    let world = world();
    let queue = queue::Queue::open(world.flow.auth.store(), queue::Policy::default());
    let flow = MailFlow { queue: Some(queue.clone()), ..world.flow.clone() };
    let mut recipients = vec![world.recipient("bob@example.org"), world.recipient("carol@example.org")];
    recipients[0].reports.notify = "SUCCESS".parse().ok();
    recipients[0].reports.original = "rfc822;old-bob@example.com".parse().ok();
    recipients[1].reports.notify = "FAILURE".parse().ok();
    let arrival = || {
        let mut arrival =
            arrival(Protocol::Smtp, recipients.clone(), "Subject: s\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n");
        arrival.envelope.source.client = "127.0.0.1".parse().unwrap();
        arrival.envelope.reports.envelope_id = Some("QQ".to_owned());
        change(arrival)
    };
    // Its client has no answer, and brings it again: that makes no second report.
    (0..2).for_each(|_| drop(flow.deliver(arrival(), NOW)));
    let entries = queue.list(None, 9).unwrap();
    let told = |entry: &queue::Entry| {
        assert_eq!((entry.reverse_path.as_str(), entry.recipients.len()), ("", 1));
        (entry.recipients[0].address.clone(), String::from_utf8(queue.content(entry.id).unwrap()).unwrap())
    };
    entries.iter().map(told).collect()
}

#[test]
fn who_asked_for_it_is_told_that_a_message_was_delivered() {
    let [(to, letter)] = &told_of_success(|arrival| arrival)[..] else { panic!("not one") };
    assert_eq!(to, "me@x");
    for piece in [
        "Subject: Your message was delivered\r\n",
        "In-Reply-To: <1@x>\r\n",
        "Original-Envelope-Id: QQ\r\n",
        "Original-Recipient: rfc822; old-bob@example.com\r\nFinal-Recipient: rfc822; bob@example.org\r\n\
         Action: delivered\r\nStatus: 2.1.5\r\n",
    ] {
        assert!(letter.contains(piece), "{piece:?} is not in\n{letter}");
    }
    assert!(!letter.contains("carol@") && !letter.contains("\r\nbody"), "{letter}");
}

#[test]
fn a_stranger_has_no_reports_sent_to_others() {
    let with = |result: SpfResult| {
        move |arrival: Arrival| {
            let table = sender_auth::testing::Table::default();
            let claim = sender_auth::Claim {
                address: "192.0.2.1".parse().unwrap(),
                helo: "mx.x".into(),
                mail_from: "me@x".into(),
                receiver: "mail.example.org".into(),
                unix_seconds: 0,
            };
            let (digests, lists) = (sender_auth::Digests::of(&arrival.content), sender_auth::Lists::default());
            let mut sender = futures::executor::block_on(sender_auth::examine(&table, &claim, &digests, &lists));
            sender.introduction.mail_from.result = result;
            arrival.from_sender(sender)
        }
    };
    let none: Vec<(String, String)> = Vec::new();
    assert_eq!(told_of_success(with(SpfResult::Pass)).len(), 1);
    assert_eq!(told_of_success(with(SpfResult::SoftFail)), none);
    assert_eq!(told_of_success(with(SpfResult::None)), none);
    let elsewhere = |mut arrival: Arrival| {
        arrival.envelope.source.client = "192.0.2.1".parse().unwrap();
        arrival
    };
    assert_eq!(told_of_success(elsewhere), none);
    assert_eq!(told_of_success(|arrival| Arrival { from: String::new(), ..arrival }), none, "nobody is told");
    let over_lmtp = |arrival: Arrival| {
        let mut arrival = elsewhere(arrival);
        arrival.envelope.source.protocol = Protocol::Lmtp;
        arrival
    };
    assert_eq!(told_of_success(over_lmtp).len(), 1, "a mail system of ours");
}

#[test]
fn a_full_mailbox_is_refused_before_the_message_and_only_for_itself() {
    let world = world();
    let quota = |name: &str, bytes| {
        let info = world.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
        world.flow.auth.store().account(info.id).set_quota(actor, store::Quota { bytes, messages: None }).unwrap();
    };
    let check = |local_part: &str| world.route(&format!("{local_part}@example.org"));
    quota("alice", Some(0));
    assert_eq!(check("alice"), Route::Refused(Unroutable::Full));
    assert!(matches!(check("team"), Route::Local(_)), "bob has room");
    let addresses = ["team@example.org", "bob@example.org"];
    let outcomes = world.deliver(Protocol::Lmtp, &addresses, "S: 1\r\n\r\n");
    assert_eq!(outcomes, [RecipientOutcome::OverQuota, OK]);
    quota("bob", Some(1));
    assert_eq!(check("team"), Route::Refused(Unroutable::Full));
    quota("alice", None);
    assert_eq!(world.deliver(Protocol::Lmtp, &addresses[..1], "S: 1\r\n\r\n"), [OK]);
    assert_eq!((world.mailbox("alice").len(), world.mailbox("bob").len()), (1, 1));
}

/// Objects that note where in memory the end of each content was.
struct Noting(SimObjects, Mutex<Vec<usize>>);

impl Objects for Noting {
    fn put_shared(&self, account: AccountId, name: &str, content: Shared) -> Result<(), ObjectError> {
        self.1.lock().unwrap().push((*content).as_ref().as_ptr_range().end as usize);
        self.0.put_shared(account, name, content)
    }

    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError> {
        self.0.read(account, name)
    }

    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        self.0.read_range(account, name, range)
    }

    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError> {
        self.0.length(account, name)
    }

    fn remove(&self, account: AccountId, name: &str) -> Result<(), ObjectError> {
        self.0.remove(account, name)
    }

    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        self.0.list(account)
    }
}

#[test]
fn a_large_message_was_copied_for_each_account() {
    let noting = Arc::new(Noting(SimObjects::new(), Mutex::default()));
    let world = started(SimEngine::new(), noting.clone());
    fill(&world);
    let content = format!("S: 1\r\n\r\n{}", "x".repeat(200_000));
    let addresses = ["team@example.org", "carol@example.org"];
    assert_eq!(world.deliver(Protocol::Smtp, &addresses, &content), [OK; 2]);
    assert!(["alice", "bob", "carol"].iter().all(|name| world.mailbox(name)[0].ends_with(&content)));
    let places = noting.1.lock().unwrap();
    assert!(places.len() == 3 && places.iter().all(|place| *place == places[0]), "{places:?}");
}

/// The fields of each line on who a message comes from.
struct Fields(Arc<Mutex<Vec<Vec<&'static str>>>>);

impl tracing::Subscriber for Fields {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let names: Vec<&str> = event.metadata().fields().iter().map(|field| field.name()).collect();
        if names.contains(&"spf") {
            self.0.lock().unwrap().push(names.into_iter().filter(|name| *name != "message").collect());
        }
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// A flood of one address took the lines of all others, and nobody could tell whose it was.
#[test]
fn the_line_on_who_a_message_comes_from_did_not_say_from_which_address_it_came() {
    use sender_auth::{Claim, Digests, Lists, examine, testing::Table};
    let claim = Claim {
        address: "198.51.100.1".parse().unwrap(),
        helo: "mail.other.example".into(),
        mail_from: "me@x.example".into(),
        receiver: "mail.example.org".into(),
        unix_seconds: 0,
    };
    let digests = Digests::of(b"From: me@x.example\r\n\r\ntext\r\n");
    let sender = futures::executor::block_on(examine(&Table::default(), &claim, &digests, &Lists::default()));
    let arrival = Arrival { sender: Some(sender), ..arrival(Protocol::Smtp, Vec::new(), "") };
    let lines = Arc::default();
    let told = tracing::subscriber::set_default(Fields(Arc::clone(&lines)));
    arrival.log_sender(&Decision::Deliver);
    drop(told);
    let document = include_str!("../../../../docs/log.md");
    let row = document.lines().find_map(|line| line.strip_prefix("| `sender examined` | ")).unwrap();
    let documented: Vec<&str> = row.trim_end_matches(" |").split(' ').collect();
    assert_eq!(documented[..2], ["protocol", "address"]);
    assert_eq!(*lines.lock().unwrap(), [documented]);
}
