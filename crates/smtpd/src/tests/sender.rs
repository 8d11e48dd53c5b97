//! Who a message comes from. A test plays a stranger by the address of its `Peer`; on loopback nobody is looked at.

use super::*;
use ::session::Jobs;
use sender_auth::testing::Table;

fn table() -> Table {
    Table::default()
        .txt("good.example", "v=spf1 ip4:192.0.2.1 -all")
        .txt("_dmarc.good.example", "v=DMARC1; p=reject")
        .txt("_dmarc.reject.example", "v=DMARC1; p=reject")
        .txt("_dmarc.suspect.example", "v=DMARC1; p=quarantine")
        .ptr("192.0.2.1", "mail.good.example")
        .address("mail.good.example", "192.0.2.1")
        .broken("dark.example")
}

fn checking() -> (World, Arc<Table>) {
    let (world, table) = (world(), Arc::new(table()));
    let common = Common { verifier: Some(Arc::clone(&table) as _), ..world.common.clone() };
    (World { common, ..world }, table)
}

fn mail(from: &str, to: &str, author: &str, reply: &str) -> String {
    format!(
        "S: 220
         C: EHLO mail.good.example
         S: 250-mail
         S: 250-PIPE
         S: 250-SIZE
         S: 250-8BIT
         S: 250-SMTPUTF8
         S: 250-ENH
         S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS
         S: 250 STARTTLS
         C: MAIL FROM:<{from}>
         S: 250
         C: RCPT TO:<{to}>
         S: 250
         C: DATA
         S: 354
         C: Authentication-Results: mail.example.org; dmarc=pass
         C: From: {author}
         C:
         C: text
         C: .
         S: {reply}"
    )
}

/// Before the message is there.
fn refused_at_rcpt(from: &str, reply: &str) -> String {
    let whole = mail(from, "alice@example.org", "x", "");
    let envelope = whole.split("S: 250\n         C: DATA").next().unwrap();
    format!("{envelope}S: {reply}")
}

fn play(from: &str, to: &str, author: &str, reply: &str) -> World {
    check_in(|| checking().0, World::mx, &mail(from, to, author, reply))
}

#[test]
fn what_was_found_out_stands_on_top_and_nothing_else_in_our_name() {
    let world = play("ada@good.example", "alice@example.org", "ada@good.example", "250 2.0.0 Accepted as");
    let message = world.mailbox("alice").remove(0);
    let results = "Authentication-Results: mail.example.org;\r\n\
                   \tiprev=pass policy.iprev=192.0.2.1 (mail.good.example);\r\n\
                   \tspf=pass smtp.mailfrom=good.example;\r\n\
                   \tspf=none smtp.helo=mail.good.example;\r\n\
                   \tdkim=none;\r\n\
                   \tdmarc=pass header.from=good.example policy.dmarc=reject\r\n\
                   Received: from mail.good.example";
    assert!(message.contains(results), "{message}");
    assert_eq!(message.matches("Authentication-Results").count(), 1);
}

#[test]
fn mail_that_its_domain_refuses_is_answered_with_why() {
    let why = "550 5.7.26 From says reject.example, which does not vouch for this mail (DMARC, p=reject): SPF pass";
    let world = play("ada@good.example", "alice@example.org", "ada@reject.example", why);
    assert_eq!(world.counts(), (0, 0, 0));
    // Everybody reaches the postmaster.
    let world = world_with_postmaster();
    World::mx(&world).play(&mail("a@good.example", "postmaster@example.org", "a@reject.example", "250"), usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 1);
}

fn world_with_postmaster() -> World {
    let world = checking().0;
    world.auth.directory().add_alias("postmaster@example.org", &["alice@example.org"]).unwrap();
    world
}

#[test]
fn suspect_mail_is_in_junk_and_says_why() {
    let world = play("ada@good.example", "alice@example.org", "ada@suspect.example", "250 2.0.0 Accepted as");
    assert_eq!(world.mailbox("alice"), Vec::<String>::new());
    let junk = world.messages("alice", "Junk").remove(0);
    assert!(junk.contains("dmarc=fail reason=\"into Junk: From says suspect.example, which does not vouch"), "{junk}");
}

#[test]
fn a_dead_resolver_loses_no_mail() {
    let world = play("ada@dark.example", "alice@example.org", "ada@dark.example", "250 2.0.0 Accepted as");
    assert!(world.mailbox("alice")[0].contains("dmarc=temperror header.from=dark.example"));
}

#[test]
fn who_is_on_this_machine_is_not_looked_at() {
    let (world, table) = checking();
    let script = mail("ada@good.example", "alice@example.org", "ada@reject.example", "250");
    Client::new(SmtpService::mx(world.common.clone()), "127.0.0.1", false).play(&script, usize::MAX);
    world.lmtp().play(&script.replace("EHLO", "LHLO"), usize::MAX);
    assert_eq!(table.asked(), []);
    let [over_smtp, over_lmtp] = <[String; 2]>::try_from(world.mailbox("alice")).unwrap();
    assert!(!over_smtp.contains("Authentication-Results"), "it is forged: {over_smtp}");
    assert!(
        over_lmtp.contains("Authentication-Results: mail.example.org; dmarc=pass"),
        "a mail system of ours says so"
    );
}

/// Plays as a host, with other hosts' trace fields on top of the message.
fn through_relay(address: &str, fields: &str, reply: &str) -> World {
    let relayed = || {
        let (world, _) = checking();
        let relays = ["10.0.0.5", "203.0.113.0/24"].map(|network| network.parse().unwrap());
        World { common: Common { trusted_relays: relays.into(), ..world.common.clone() }, ..world }
    };
    let script = mail("ada@good.example", "alice@example.org", "ada@reject.example", reply);
    let script = script.replace("C: From:", &format!("{fields}\nC: From:")).replace("ada@reject", "ada@good");
    let connect = |world: &World| Client::new(SmtpService::mx(world.common.clone()), address, false);
    check_in(relayed, connect, &script)
}

#[test]
fn mail_through_a_relay_was_judged_by_the_relays_own_address() {
    let good = "C: Received: from mail.good.example (h [192.0.2.1]) by relay.example with ESMTP";
    for relay in ["10.0.0.5", "203.0.113.77"] {
        let world = through_relay(relay, good, "250");
        let message = world.mailbox("alice").remove(0);
        assert!(message.contains("iprev=pass policy.iprev=192.0.2.1"), "{message}");
        assert!(message.contains("dmarc=pass header.from=good.example"), "{message}");
    }
    // Over two relays; a stranger's own field below does not count, and is not refused but in Junk.
    let bad = "C: Received: from x (x [203.0.113.9]) by a with ESMTP\n\
               C: Received: from x (x [198.51.100.1]) by b with ESMTP\n\
               C: Received: from mail.good.example (h [192.0.2.1]) by c with ESMTP";
    let world = through_relay("10.0.0.5", bad, "250");
    assert!(world.messages("alice", "Junk")[0].contains("policy.iprev=198.51.100.1"));
    // Who is no relay is judged by its own address, whatever it writes.
    through_relay("198.51.100.1", good, "550 5.7.26");
    // What begins at the relay comes from no stranger.
    let own = "C: Received: by relay.example (Postfix, from userid 0)";
    assert!(!through_relay("10.0.0.5", own, "250").mailbox("alice")[0].contains("Authentication-Results"));
}

fn stranger(world: &World, jobs: Arc<dyn Jobs>) -> Client {
    let (address, waker) = ("192.0.2.1".parse().unwrap(), Waker::noop().clone());
    let peer = Peer { address, port: 1, tls: None, waker, jobs };
    let now = Moment { unix_millis: SIM_EPOCH.0, monotonic_millis: 1000 };
    let session = SmtpSession::new(SmtpService::mx(world.common.clone()), peer);
    let mut client = Client { session, now, output: Vec::new(), last: Step::Wait };
    client.step();
    client
}

/// Up to the end of a message, without its answer.
fn unanswered() -> String {
    let whole = mail("ada@good.example", "alice@example.org", "ada@good.example", "250");
    whole.rsplit_once('\n').unwrap().0.to_owned()
}

/// Up to the answer to RCPT, and from there on.
fn halves(script: &str) -> (String, String) {
    let (envelope, rest) = script.split_once("C: DATA").unwrap();
    (envelope.trim_end().strip_suffix("S: 250").unwrap().to_owned(), format!("S: 250\nC: DATA{rest}"))
}

/// A stranger whose message is complete, and is looked at.
fn looked_at(world: &World, jobs: &Arc<TestJobs>) -> Client {
    let mut client = stranger(world, jobs.clone());
    let (envelope, message) = halves(&unanswered());
    client.play(&envelope, usize::MAX);
    jobs.release();
    jobs.hold();
    client.step();
    client.play(&message, usize::MAX);
    client
}

#[test]
fn an_answer_that_is_waited_for_holds_nothing_and_comes_in_its_turn() {
    let (world, _) = checking();
    let jobs = TestJobs::held();
    let mut client = looked_at(&world, &jobs);
    assert_eq!((client.last, jobs.waiting(), world.mailbox("alice").len()), (Step::Wait, 1, 0));
    client.send(b"NOOP\r\n", usize::MAX);
    assert_eq!(client.take(), "");
    jobs.release();
    client.step();
    client.play("S: 250 2.0.0 Accepted as\nS: 250 2.0.0", usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 1);
}

#[test]
fn who_floods_while_he_should_wait_has_to_go() {
    let (world, _) = checking();
    let jobs = TestJobs::held();
    let mut client = looked_at(&world, &jobs);
    client.send(&[b'x'; 64 * 1024], usize::MAX);
    assert_eq!(client.last, Step::Wait);
    client.send(b"x", usize::MAX);
    client.play("S: 421 4.7.0 Too much input\nCLOSE", usize::MAX);
    drop(client);
    assert_eq!((jobs.waiting(), world.mailbox("alice").len()), (0, 0));
}

#[test]
fn what_cannot_be_looked_at_comes_again() {
    let (world, _) = checking();
    let mut full = stranger(&world, TestJobs::full());
    full.play(&format!("{}\nS: 451 4.3.2", unanswered()), usize::MAX);
    let mut late = looked_at(&world, &TestJobs::held());
    late.play("LATER\nS: 451 4.3.2", usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 0);
}

#[test]
fn a_large_message_in_chunks_is_looked_at_too() {
    let (world, table) = checking();
    let mut client = world.mx();
    let content = format!("From: ada@reject.example\r\n\r\n{}", "text\r\n".repeat(60_000));
    let begin =
        "S: 220\nC: HELO x\nS: 250\nC: MAIL FROM:<a@good.example>\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 250";
    client.play(begin, usize::MAX);
    client.send(format!("BDAT {} LAST\r\n{content}", content.len()).as_bytes(), 4096);
    client.play("S: 550 5.7.26 From says reject.example", usize::MAX);
    assert!(!table.asked().is_empty());
}

#[test]
fn a_host_on_a_list_is_refused_unless_another_list_knows_it_as_good() {
    let bad = || table().address("1.2.0.192.bad.example", "127.0.0.2");
    let world = |table: Table| {
        let world = world();
        let common = Common { verifier: Some(Arc::new(table) as _), ..world.common.clone() };
        World { common, ..world }
    };
    let script = |reply: &str| mail("ada@good.example", "alice@example.org", "ada@good.example", reply);
    let refused = refused_at_rcpt("ada@good.example", "550 5.7.1 192.0.2.1 is on the list bad.example");
    let blocked = check_in(|| world(bad()), World::mx, &refused);
    assert_eq!(blocked.mailbox("alice").len(), 0);
    let allowed = check_in(|| world(bad().address("1.2.0.192.good.example", "127.0.5.1")), World::mx, &script("250"));
    assert!(allowed.mailbox("alice")[0].contains("dnswl=pass dns.zone=good.example"));
}

/// What was written down of refused mail for an account, or for nobody: recipient, code, subject.
fn refused(world: &World, name: Option<&str>) -> Vec<(String, u16, String)> {
    let account = name.map(|name| world.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap().id);
    let refusals = world.common.flow.refusals();
    refusals.write(SIM_EPOCH).unwrap();
    let wanted = reports::Wanted { limit: 10, ..reports::Wanted::default() };
    let listed = refusals.list(account, &wanted).unwrap().refusals.into_iter();
    listed.map(|refusal| (refusal.to, refusal.code, refusal.about.subject)).collect()
}

#[test]
fn whoever_looks_for_a_lost_mail_finds_what_was_refused() {
    let world = play("ada@good.example", "team@example.org", "ada@reject.example\\nC: Subject: Lost", "550 5.7.26");
    assert_eq!(refused(&world, Some("alice")), [("team@example.org".into(), 550, "Lost".into())]);
    assert_eq!(refused(&world, Some("bob")).len(), 1);
    assert_eq!(refused(&world, None), []);
    let begin =
        "S: 220\nC: HELO x\nS: 250\nC: MAIL FROM:<a@good.example>\nS: 250\nC: RCPT TO:<nobody@example.org>\nS: 550";
    let (world, _) = checking();
    world.mx().play(begin, usize::MAX);
    assert_eq!(refused(&world, None), [("nobody@example.org".into(), 550, String::new())]);
    // What a program says wrong is no mail.
    world.mx().play("S: 220\nC: HELO x\nS: 250\nC: RCPT TO:<alice@example.org>\nS: 503", usize::MAX);
    assert_eq!(refused(&world, Some("alice")), []);
    // Nor is it told to anybody before somebody is named for whom it is, but to an administrator.
    let large = "S: 220\nC: HELO x\nS: 250\nC: MAIL FROM:<a@good.example> SIZE=99999999\nS: 552 5.3.4";
    world.mx().play(large, usize::MAX);
    world.lmtp().play(&large.replace("HELO", "LHLO").replacen("S: 250", &"S: 250\n".repeat(10), 1), usize::MAX);
    let before = |world: &World| refused(world, None).iter().filter(|(to, ..)| to.is_empty()).count();
    assert_eq!((refused(&world, Some("alice")), before(&world)), (Vec::new(), 2));
    // Nor is a login that is missing.
    world.submission_from("192.0.2.1", true).play("S: 220\nC: HELO x\nS: 250\nC: MAIL FROM:<a@x>\nS: 530", usize::MAX);
    assert_eq!(before(&world), 2);
    // Who sends is told what was not sent.
    let refused_sender = format!(
        "S: 220\nC: EHLO x\n{}C: AUTH PLAIN {ALICE}\nS: 235\nC: MAIL FROM:<bob@example.org>\nS: 550",
        "S: 250\n".repeat(13)
    );
    world.submission().play(&refused_sender, usize::MAX);
    assert_eq!(refused(&world, Some("alice")), [(String::new(), 550, String::new())]);
    assert_eq!(refused(&world, Some("bob")), []);
}

#[test]
fn who_was_sent_away_left_no_trace() {
    let limits =
        Limits { bad_commands_max: 1, refused_recipients_max: 0, greeting_pause_millis: 1, ..Limits::default() };
    let world = world_with(limits);
    let traces = |world: &World| -> Vec<u16> {
        let before = refused(world, None).into_iter().filter(|(to, ..)| to.is_empty());
        let mut codes: Vec<u16> = before.map(|(_, code, _)| code).collect();
        codes.sort_unstable();
        codes
    };
    world.mx().play("LATER\nS: 220\nC: X\nS: 500\nC: X\nS: 421 4.7.0\nCLOSE", usize::MAX);
    assert_eq!(traces(&world), [421]);
    let mut hasty = world.mx();
    hasty.send(b"EHLO x\r\n", usize::MAX);
    hasty.play("S: 554\nCLOSE", usize::MAX);
    assert_eq!(traces(&world), [421, 554]);
    let lmtp = SmtpService::lmtp(world.common.clone(), Vec::new());
    Client::new(lmtp, "192.0.2.7", false).play("S: 554\nCLOSE", usize::MAX);
    assert_eq!(traces(&world), [421, 554, 554]);
}

#[test]
fn a_stranger_wrote_fields_of_this_server_where_nobody_looked() {
    for (connect, hello) in [(World::mx as fn(&World) -> Client, "HELO"), (World::lmtp, "LHLO")] {
        let world = world();
        let lines = [
            &format!("{hello} x"),
            "MAIL FROM:<a@x>",
            "RCPT TO:<alice@example.org>",
            "DATA",
            "X-Pillarbox-Junk: no",
            "x-pillarbox-Other: x",
            "X-Pillarboxes: y",
            "",
            "X-Pillarbox-Junk: text",
            ".",
            "",
        ];
        connect(&world).send(lines.join("\r\n").as_bytes(), usize::MAX);
        let message = world.contents("alice").remove(0);
        assert_eq!(message, "X-Pillarboxes: y\r\n\r\nX-Pillarbox-Junk: text\r\n", "{hello}");
    }
}

#[test]
fn every_rule_that_refuses_a_sender_lets_him_reach_the_postmaster_of_each_domain() {
    let listed = || table().address("1.2.0.192.bad.example", "127.0.0.2");
    let wait = mailflow::Policy { wait_for_dns: true, ..mailflow::Policy::default() };
    let rules: [(&str, Table, mailflow::Policy, &str); 3] = [
        ("ada@reject.example", table(), mailflow::Policy::default(), "550 5.7.26"),
        ("ada@good.example", listed(), mailflow::Policy::default(), "550 5.7.1"),
        ("ada@dark.example", table(), wait, "451 4.4.3"),
    ];
    for (author, table, policy, refused) in rules {
        let is_listed = refused == "550 5.7.1";
        let world = world();
        world.auth.directory().add_domain("example.com").unwrap();
        let flow = world.common.flow.clone().with_policy(policy);
        let common = Common { verifier: Some(Arc::new(table) as _), flow, ..world.common.clone() };
        let world = World { common, ..world };
        let script = match is_listed {
            true => refused_at_rcpt("ada@good.example", refused),
            false => mail("ada@good.example", "alice@example.org", author, refused),
        };
        world.mx().play(&script, usize::MAX);
        let everybody =
            ["example.org", "example.com"].map(|domain| [format!("postmaster@{domain}"), format!("Abuse@{domain}")]);
        for to in everybody.as_flattened().iter().map(String::as_str).chain(["postmaster"]) {
            world.mx().play(&mail("ada@good.example", to, author, "250 2.0.0 Accepted"), usize::MAX);
        }
        // Nobody else gets it along with them.
        let (at_rcpt, at_the_end) = if is_listed { (refused, "250") } else { ("250", refused) };
        let both = mail("ada@good.example", "postmaster@example.org", author, at_the_end).replacen(
            "C: DATA",
            &format!("C: RCPT TO:<bob@example.org>\nS: {at_rcpt}\nC: DATA"),
            1,
        );
        world.mx().play(&both, usize::MAX);
        assert_eq!(world.mailbox("bob"), Vec::<String>::new(), "{author}");
    }
}

fn null_mx() -> sender_auth::Record {
    sender_auth::Record::Mx { preference: 0, exchange: String::new() }
}

fn with_spf_fail(spf_fail: mailflow::SpfFail) -> World {
    let table = table()
        .txt("unused.example", "v=spf1 -all")
        .with("unused.example", sender_auth::Kind::Mx, null_mx())
        .txt("other.example", "v=spf1 ip4:203.0.113.1 -all exp=why.other.example")
        .txt("why.other.example", "ask our postmaster");
    let world = world();
    let flow = world.common.flow.clone().with_policy(mailflow::Policy { spf_fail, ..mailflow::Policy::default() });
    let common = Common { verifier: Some(Arc::new(table) as _), flow, ..world.common.clone() };
    World { common, ..world }
}

#[test]
fn before_the_message_only_what_no_signature_can_save_is_refused_and_more_if_so_configured() {
    use mailflow::SpfFail::{Dmarc, Reject, Unused};
    let unused = "550 5.7.27 unused.example says that it sends no mail and takes none (SPF, null MX), so this";
    let other = "550 5.7.23 other.example says that 192.0.2.1 may not send for it (SPF): ask our postmaster";
    for (policy, from, told) in [
        (Unused, "a@unused.example", Some(unused)),
        (Reject, "a@unused.example", Some(unused)),
        (Dmarc, "a@unused.example", None),
        (Unused, "a@other.example", None),
        (Reject, "a@other.example", Some(other)),
        (Reject, "a@good.example", None),
        (Reject, "a@dark.example", None),
    ] {
        let script = match told {
            Some(reply) => refused_at_rcpt(from, reply),
            None => mail(from, "alice@example.org", "ada@plain.example", "250"),
        };
        let world = check_in(|| with_spf_fail(policy), World::mx, &script);
        let expected = told.map(|_| [("alice@example.org".to_owned(), 550, String::new())]);
        assert_eq!(refused(&world, Some("alice")), expected.map(Vec::from).unwrap_or_default(), "{policy:?} {from}");
    }
}

#[test]
fn who_brings_a_message_is_asked_for_once_and_only_rcpt_waits_for_it() {
    let (world, table) = checking();
    let jobs = TestJobs::held();
    let mut client = stranger(&world, jobs.clone());
    let (envelope, rest) = halves(&mail("ada@good.example", "alice@example.org", "ada@good.example", "250"));
    // The answer to MAIL does not wait.
    client.play(&envelope, usize::MAX);
    assert_eq!((client.last, jobs.waiting()), (Step::Wait, 1));
    client.send(b"NOOP\r\n", usize::MAX);
    assert_eq!(client.take(), "");
    jobs.release();
    client.step();
    client.play(&rest.replacen("C: DATA", "S: 250 2.0.0\nC: DATA", 1), usize::MAX);
    let of_policies =
        table.asked().iter().filter(|(name, kind)| name == "good.example" && *kind == sender_auth::Kind::Txt).count();
    assert_eq!(of_policies, 1, "{:?}", table.asked());
    assert!(world.mailbox("alice")[0].contains("spf=pass smtp.mailfrom=good.example"));
}

#[test]
fn what_could_not_be_decided_at_rcpt_is_decided_with_the_message() {
    let (envelope, message) = halves(&mail("a@unused.example", "alice@example.org", "ada@good.example", "550 5.7.27"));
    let message = message.strip_prefix("S: 250\n").unwrap();
    let begin = |jobs: &Arc<TestJobs>| {
        let world = with_spf_fail(mailflow::SpfFail::Unused);
        let client = stranger(&world, jobs.clone());
        (world, client)
    };
    // The name servers take their time.
    let jobs = TestJobs::held();
    let (world, mut late) = begin(&jobs);
    late.play(&format!("{envelope}\nLATER\nS: 250"), usize::MAX);
    jobs.release();
    late.play(message, usize::MAX);
    assert_eq!(refused(&world, Some("alice")), [("alice@example.org".into(), 550, String::new())]);
    // Too much is asked already.
    let jobs = TestJobs::full();
    let (_world, mut busy) = begin(&jobs);
    busy.play(&format!("{envelope}\nS: 250"), usize::MAX);
    jobs.release();
    busy.play(message, usize::MAX);
    // The client has begun with the message (RFC 3030 §4.2), and is not cut off for that.
    let jobs = TestJobs::held();
    let (_world, mut eager) = begin(&jobs);
    eager.play(&envelope, usize::MAX);
    let text = format!("From: ada@good.example\r\n\r\n{}\r\n", "x".repeat(64 * 1024));
    eager.send(format!("BDAT {} LAST\r\n{text}", text.len()).as_bytes(), usize::MAX);
    assert!(eager.take().starts_with("250"), "the recipient is taken");
    jobs.release();
    eager.step();
    assert!(eager.take().starts_with("550 5.7.27"));
}

#[test]
fn slow_name_servers_and_slow_filters_together_put_a_message_off() {
    let (world, _) = checking();
    let jobs = TestJobs::held();
    let mut client = stranger(&world, jobs.clone());
    let (envelope, message) = halves(&mail("ada@good.example", "alice@example.org", "ada@good.example", "250"));
    let message = message.strip_prefix("S: 250\n").unwrap().trim_end();
    client.play(&format!("{envelope}\nLATER\nS: 250"), usize::MAX);
    client.play(message.strip_suffix("S: 250").unwrap(), usize::MAX);
    // Who brings it is asked once more, then who it comes from, then the filters, each as long as it may take.
    client.now = client.now.plus_millis((30 + 30 + 45) * 1000);
    client.step();
    assert_eq!((client.last, client.take()), (Step::Wait, String::new()));
    jobs.release();
    client.step();
    client.play("S: 250", usize::MAX);
}

#[test]
fn what_is_odd_about_a_host_stands_in_the_message_and_may_be_refused() {
    use mailflow::{Consequence, Doubts};
    let odd = |doubts| {
        let (world, _) = checking();
        let flow = world.common.flow.clone().with_policy(mailflow::Policy { doubts, ..mailflow::Policy::default() });
        World { common: Common { flow, ..world.common.clone() }, ..world }
    };
    let script = |reply: &str| mail("a@plain.example", "alice@example.org", "a@plain.example", reply);
    let nameless = |world: &World| Client::new(SmtpService::mx(world.common.clone()), "203.0.113.9", false);
    let world =
        check_in(|| odd(Doubts::default()), nameless, &script("250").replace("EHLO mail.good.example", "EHLO pc"));
    let message = world.mailbox("alice").remove(0);
    assert!(message.contains("iprev=permerror policy.iprev=203.0.113.9 policy.helo=no-name"), "{message}");
    let ours = script("250").replace("EHLO mail.good.example", "EHLO mail.example.org");
    let world = check_in(|| odd(Doubts::default()), World::mx, &ours);
    assert!(world.messages("alice", "Junk")[0].contains("policy.helo=our-name"));
    let strict = Doubts { no_reverse_name: Consequence::Reject, ..Doubts::default() };
    let why = "550 5.7.25 203.0.113.9 has no name in the DNS that leads back to it (PTR)";
    let world = check_in(|| odd(strict), nameless, &refused_at_rcpt("a@plain.example", why));
    assert_eq!(refused(&world, Some("alice")), [("alice@example.org".into(), 550, String::new())]);
    let named = check_in(|| odd(strict), World::mx, &script("250"));
    assert_eq!(named.mailbox("alice").len(), 1);
}

fn greylisting(greylist: mailflow::Greylist) -> World {
    let world = checking().0;
    let flow = world.common.flow.clone().with_policy(mailflow::Policy { greylist, ..mailflow::Policy::default() });
    World { common: Common { flow, ..world.common.clone() }, ..world }
}

/// A host without a name, so many seconds later.
fn nameless_after(world: &World, seconds: u64) -> Client {
    let mut client = Client::new(SmtpService::mx(world.common.clone()), "203.0.113.9", false);
    let peer = client.session.peer.clone();
    client.session = SmtpSession::new(SmtpService::mx(world.common.clone()), peer);
    client.now = client.now.plus_millis(seconds * 1000);
    client.output.clear();
    client.step();
    client
}

#[test]
fn a_suspicious_stranger_comes_again_and_is_known_then() {
    let world = greylisting(mailflow::Greylist::Suspicious);
    let from = "a@plain.example";
    let wait = |left: u64| {
        format!("450 4.7.1 No mail of plain.example from 203.0.113.9 is known here yet: try again in {left} sec")
    };
    let delivered = mail(from, "alice@example.org", from, "250");
    nameless_after(&world, 0).play(&refused_at_rcpt(from, &wait(60)), usize::MAX);
    // Too soon; that does not begin anew.
    nameless_after(&world, 59).play(&refused_at_rcpt(from, &wait(1)), usize::MAX);
    assert_eq!(refused(&world, Some("alice"))[0].1, 450);
    // Another domain from there, and the postmaster.
    let other = refused_at_rcpt("a@dark.example", "450 4.7.1").replace("dark.example", "other.example");
    nameless_after(&world, 60).play(&other, usize::MAX);
    world.auth.directory().add_alias("postmaster@example.org", &["alice@example.org"]).unwrap();
    nameless_after(&world, 60).play(&mail("a@third.example", "postmaster@example.org", from, "250"), usize::MAX);
    nameless_after(&world, 60).play(&delivered, usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 2);
    // Known for long; then a stranger again.
    let day = 24 * 3600;
    nameless_after(&world, 89 * day).play(&delivered.replace("text", "again"), usize::MAX);
    nameless_after(&world, (89 + 91) * day).play(&refused_at_rcpt(from, &wait(60)), usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 3);
}

#[test]
fn whom_somebody_here_wrote_to_answers_without_waiting() {
    let world = greylisting(mailflow::Greylist::All);
    let write = format!(
        "S: 220\nC: EHLO x\n{}C: AUTH PLAIN {ALICE}\nS: 235\nC: MAIL FROM:<alice@example.org>\nS: 250\n\
         C: RCPT TO:<a@plain.example>\nS: 250\nC: DATA\nS: 354\nC: From: alice@example.org\nC:\nC: hello\nC: .\nS: 250",
        "S: 250\n".repeat(13)
    );
    world.submission().play(&write, usize::MAX);
    world.mx().play(&refused_at_rcpt("b@plain.example", "450 4.7.1"), usize::MAX);
    world.mx().play(&mail("a@plain.example", "alice@example.org", "a@plain.example", "250"), usize::MAX);
    // What was delivered makes known who brought it.
    world.mx().play(&mail("b@plain.example", "alice@example.org", "b@plain.example", "250"), usize::MAX);
    world.mx().play(&refused_at_rcpt("ada@good.example", "450 4.7.1"), usize::MAX);
    assert_eq!(world.mailbox("alice").len(), 2);
}
