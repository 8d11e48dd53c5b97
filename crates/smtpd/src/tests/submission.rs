//! Mail from own accounts (RFC 6409).

use super::*;
use queue::Limits;
use queue::TlsWish;
use store::sim::Fault;

fn logged_in() -> String {
    format!("S: 220\n C: HELO c\n S: 250\n C: AUTH PLAIN {ALICE}\n S: 235 2.7.0\n")
}

fn message(to: &[&str], header: &str, reply: &str) -> String {
    let recipients: String = to.iter().map(|to| format!("C: RCPT TO:<{to}>\n S: 250 2.1.5\n")).collect();
    let header = header.replace('\n', "\n C: ");
    format!(
        "C: MAIL FROM:<alice@example.org>\n S: 250\n {recipients} C: DATA\n S: 354\n C: {header}\n C:\n C: .\n S: {reply}\n"
    )
}

#[test]
fn a_message_to_here_and_elsewhere_is_stored_and_queued() {
    let full = "From: Alice <alice+x@example.org>\nDate: today\nMessage-ID: <1@x>";
    let script = logged_in() + &message(&["bob@example.org", "carol@example.net"], full, "250 2.0.0 Accepted as");
    let world = check(World::submission, &script);
    let content = "From: Alice <alice+x@example.org>\r\nDate: today\r\nMessage-ID: <1@x>\r\n\r\n";
    assert_eq!(world.contents("bob"), [content]);
    let entry = &world.queue.list(None, 9).unwrap()[0];
    assert_eq!((entry.reverse_path.as_str(), entry.recipients.len()), ("alice@example.org", 1));
    assert_eq!(entry.recipients[0].address, "carol@example.net");
    let queued = String::from_utf8(world.queue.content(entry.id).unwrap()).unwrap();
    assert!(queued.starts_with("Received: from c ([127.0.0.1])") && queued.ends_with(content), "{queued}");
    assert!(queued.contains("with ESMTPA") && !queued.contains("carol"), "{queued}");
}

#[test]
fn what_is_wanted_of_reports_and_of_time_is_queued_with_the_message() {
    let script = logged_in()
        + "C: MAIL FROM:<alice@example.org> RET=HDRS ENVID=QQ+2B1 BY=60;R
           S: 250
           C: RCPT TO:<carol@example.net> NOTIFY=SUCCESS ORCPT=rfc822;old@example.net
           S: 250
           C: RCPT TO:<dave@example.net>
           S: 250
           C: DATA
           S: 354
           C: From: alice@example.org
           C:
           C: .
           S: 250
           C: MAIL FROM:<alice@example.org> BY=0;R
           S: 501 5.5.4";
    let world = check(World::submission, &script);
    let entry = &world.queue.list(None, 9).unwrap()[0];
    assert_eq!((entry.ret, entry.envelope_id.as_deref()), (Some(smtp_proto::Return::Header), Some("QQ+1")));
    let deadline = entry.deliver_by.unwrap();
    assert_eq!((deadline.at.0 - entry.enqueued_at.0, deadline.returns, deadline.trace), (60_000, true, false));
    let [carol, dave] = &entry.recipients[..] else { panic!("not two") };
    assert_eq!(carol.notify.unwrap().to_string(), "SUCCESS");
    assert_eq!(carol.original.as_ref().unwrap().address(), "old@example.net");
    assert_eq!((dave.notify, &dave.original), (None, &None));
}

#[test]
fn a_line_over_998_octets_left_for_the_smarthost() {
    let header = |octets: usize| format!("From: alice@example.org\nX: {}", "x".repeat(octets - 3));
    let refused = "550 5.6.0 Line 2 of the message has 999 octets";
    let script = logged_in()
        + &message(&["bob@example.org", "carol@example.net"], &header(999), refused)
        + &message(&["bob@example.org"], &header(999), "250 2.0.0 Accepted as")
        + &message(&["carol@example.net"], &header(998), "250 2.0.0 Accepted as");
    let world = check(World::submission, &script);
    assert_eq!((world.contents("bob").len(), world.queue.list(None, 9).unwrap().len()), (1, 1));
}

#[test]
fn what_a_message_lacks_is_added() {
    let world = check(World::submission, &(logged_in() + &message(&["bob@example.org"], "Subject: hi", "250")));
    let content = &world.contents("bob")[0];
    let expected = "From: <alice@example.org>\r\nDate: Mon, 21 Sep 2026 14:13:20 +0000\r\nMessage-ID: <ID@mail.example.org>\r\nSubject: hi\r\n\r\n";
    assert_eq!(without_id(content), expected);
}

#[test]
fn only_own_addresses_send() {
    let world = check(
        World::submission,
        &(logged_in()
            + "C: MAIL FROM:<bob@example.org>
               S: 550 5.7.1 alice@example.org may not send as bob@example.org: it is not one of its addresses
               C: MAIL FROM:<alice@example.net>
               S: 550 5.7.1
               C: MAIL FROM:<team@example.org>
               S: 250
               C: RSET
               S: 250
               C: MAIL FROM:<\"alice+x\"@example.org>
               S: 250
               C: RSET
               S: 250
               C: MAIL FROM:<>
               S: 250
               C: RSET
               S: 250\n"
            + &message(
                &["bob@example.org"],
                "From: bob@example.org",
                "550 5.7.1 alice@example.org may not write as bob@",
            )
            + &message(&["bob@example.org"], "From: alice@example.org, ceo@example.net", "550 5.7.1")
            + &message(&["bob@example.org"], "From: alice@example.org\nFROM: ceo@example.net", "550 5.7.1")
            + &message(&["bob@example.org"], "From: \"alice@example.org\" <ceo@example.net>", "550 5.7.1")
            + &message(&["bob@example.org"], "From: undisclosed:;", "550 5.7.1 The From field has no address")),
    );
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn without_a_smarthost_it_says_so() {
    check(
        World::submission_without_smarthost,
        &(logged_in()
            + "C: MAIL FROM:<alice@example.org>
               S: 250
               C: RCPT TO:<carol@example.net>
               S: 550 5.4.4 <carol@example.net>: this server has no way out configured, so it cannot send to outside addresses
               C: RCPT TO:<nobody@example.org>
               S: 550 5.1.1
               C: RCPT TO:<bob@example.org>
               S: 250"),
    );
}

#[test]
fn a_recipient_whom_no_way_leads_to_is_refused_by_name() {
    check(
        World::submission_with_refused,
        &(logged_in()
            + "C: MAIL FROM:<alice@example.org>
               S: 250
               C: RCPT TO:<carol@Example.net>
               S: 550 5.7.1 <carol@example.net>: this server sends no mail to that domain
               C: RCPT TO:<dave@example.com>
               S: 250"),
    );
}

#[test]
fn a_sender_whose_mail_does_not_leave_is_told_at_each_recipient() {
    check(
        World::submission_with_sender_refused,
        &(logged_in()
            + "C: MAIL FROM:<Alice@example.org>
               S: 250
               C: RCPT TO:<dave@example.com>
               S: 550 5.7.1 <dave@example.com>: this server sends no mail from <Alice@example.org> to others
               C: RCPT TO:<carol@example.net>
               S: 250
               C: RCPT TO:<bob@example.org>
               S: 250"),
    );
}

#[test]
fn a_queue_that_fails_accepts_nothing_and_doubles_nothing() {
    let full = "From: alice@example.org\nDate: today\nMessage-ID: <1@x>";
    let to = ["bob@example.org", "carol@example.net"];
    // Commits: the login is noted, Bob's copy, the copy in Sent, the queue.
    let attempt = |fault: Option<Fault>, reply: &str| {
        let script = logged_in() + &message(&to, full, reply);
        (fault, script)
    };
    let world = world();
    world.submission().play(&logged_in(), usize::MAX);
    let play = |(fault, script): (Option<Fault>, String), commits_before: u64| {
        if let Some(fault) = fault {
            world.engine.plan(commits_before, fault);
        }
        world.submission().play(&script, usize::MAX);
    };
    play(attempt(Some(Fault::Full), "452 4.3.1"), 1);
    assert_eq!(world.counts(), (0, 1, 0));
    assert_eq!(world.messages("alice", "Sent").len(), 0);
    play(attempt(Some(Fault::Full), "452 4.3.1"), 1);
    assert_eq!(world.counts(), (0, 1, 0));
    assert_eq!(world.messages("alice", "Sent").len(), 1);
    play(attempt(None, "250 2.0.0"), 0);
    assert_eq!(world.counts(), (0, 1, 1));
    assert_eq!(world.messages("alice", "Sent").len(), 1);
    // Nothing goes out when a local copy fails.
    play(attempt(Some(Fault::Full), "452 4.3.1"), 0);
    assert_eq!(world.counts(), (0, 1, 1));
}

#[test]
fn a_submission_that_comes_again_after_a_crash_is_the_same_to_the_last_octet_and_nobody_has_it_twice() {
    let to = ["bob@example.org", "team@example.org", "carol@example.net"];
    let script = |reply: &str| logged_in() + &message(&to, "Subject: nothing else", reply);
    // Commits: Alice's copy, Bob's copy, the copy in Sent, the queue.
    for (commits, fault) in (0..4).flat_map(|n| [(n, Fault::CrashBefore), (n, Fault::CrashAfter), (n, Fault::Full)]) {
        let world = world();
        world.submission().play(&logged_in(), usize::MAX);
        world.engine.plan(commits, fault);
        let mut client = world.submission();
        client.play(&script("45"), usize::MAX);
        let world = started(world.engine.crash(), crate::Limits::default());
        let mut later = world.submission();
        later.now.unix_millis += 3_600_000;
        later.play(&script("250 2.0.0"), usize::MAX);
        let name = format!("{fault:?} of commit {commits}");
        assert_eq!(world.counts(), (1, 1, 1), "{name}");
        let sent = world.messages("alice", "Sent");
        let queued = world.queue.content(world.queue.list(None, 1).unwrap()[0].id).unwrap();
        let queued = String::from_utf8(queued).unwrap();
        assert_eq!(sent, world.contents("bob"), "{name}");
        assert_eq!(sent, world.contents("alice"), "{name}");
        assert!(queued.ends_with(&sent[0]) && sent[0].contains("Message-ID: "), "{name}: {queued}");
        // All have their answers: the same once more is another message, and has a name of its own.
        world.submission().play(&script("250 2.0.0"), usize::MAX);
        assert_eq!(world.counts(), (2, 2, 2), "{name}");
        let sent = world.messages("alice", "Sent");
        assert!(sent.len() == 2 && sent[0] != sent[1], "{name}: {sent:?}");
    }
}

#[test]
fn a_full_queue_is_told() {
    let world = || {
        let world = world();
        world.with_queue_limits(Limits { entries: 0, ..Limits::DEFAULT })
    };
    let script = logged_in() + &message(&["carol@example.net"], "From: alice@example.org", "452 4.3.1");
    check_in(world, World::submission, &script);
}

#[test]
fn who_sends_too_much_is_told_what_and_when_and_the_others_still_send() {
    let world = world();
    let limits = Limits { account_recipients_per_hour: 3, account_entries: 2, ..Limits::DEFAULT };
    let world = world.with_queue_limits(limits);
    let from = "From: alice@example.org";
    let send = |to: &[&str], reply: &str| {
        world.submission().play(&(logged_in() + &message(to, from, reply)), usize::MAX);
    };
    send(&["a@example.net", "b@example.net"], "250");
    send(
        &["bob@example.org", "c@example.net", "d@example.net"],
        "450 4.7.1 You may send to 3 outside recipients an hour, and have; send it again in 20 minutes",
    );
    assert_eq!((world.counts(), world.messages("alice", "Sent").len()), ((0, 0, 1), 1), "nothing of it was done");
    send(&["c@example.net"], "250");
    send(&["d@example.net"], "452 4.3.1 2 messages of yours wait to be sent");
    // Mail to here is no matter of the queue.
    send(&["bob@example.org"], "250");
    let bob = logged_in().replace(ALICE, "AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl");
    let of_bob = message(&["d@example.net"], "From: bob@example.org", "250").replace("alice@", "bob@");
    world.submission().play(&(bob + &of_bob), usize::MAX);
    assert_eq!(world.counts(), (0, 1, 3));
}

#[test]
fn mail_to_far_more_strangers_than_ever_is_taken_and_waits() {
    let world = world();
    let world = world.with_queue_limits(Limits { strangers_min: 1, ..Limits::DEFAULT });
    let send = |to: &[&str], reply: &str| {
        world.submission().play(&(logged_in() + &message(to, "From: alice@example.org", reply)), usize::MAX);
    };
    send(&["a@example.net"], "250 2.0.0 Accepted as");
    send(&["a@example.net", "b@example.net"], "250 2.0.0 Accepted as");
    let queued = world.queue.list(None, 9).unwrap();
    assert_eq!(
        queued.iter().map(|entry| (entry.held, entry.asked_of)).collect::<Vec<_>>(),
        [(false, None), (true, Some(1))]
    );
}

#[test]
fn utf8_is_asked_for_only_where_it_is_needed() {
    let send = |header: &str| {
        let script = format!(
            "{}C: MAIL FROM:<alice@example.org> SMTPUTF8\n S: 250\n C: RCPT TO:<carol@example.net>\n S: 250
             C: DATA\n S: 354\n C: {header}\n C:\n C: ü\n C: .\n S: 250",
            logged_in()
        );
        check(World::submission, &script).queue.list(None, 1).unwrap()[0].smtputf8
    };
    assert!(!send("Subject: plain"));
    assert!(send("Subject: ü"));
}

#[test]
fn bcc_is_in_sent_and_nowhere_else() {
    let full = "From: alice@example.org\nBcc: bob@example.org,\n carol@example.net\nDate: today\nMessage-ID: <1@x>";
    let world =
        check(World::submission, &(logged_in() + &message(&["bob@example.org", "carol@example.net"], full, "250")));
    let sent = "From: alice@example.org\r\nBcc: bob@example.org,\r\n carol@example.net\r\nDate: today\r\nMessage-ID: <1@x>\r\n\r\n";
    assert_eq!(world.messages("alice", "Sent"), [sent]);
    let received = "From: alice@example.org\r\nDate: today\r\nMessage-ID: <1@x>\r\n\r\n";
    assert_eq!(world.contents("bob"), [received]);
    let entry = &world.queue.list(None, 9).unwrap()[0];
    let queued = String::from_utf8(world.queue.content(entry.id).unwrap()).unwrap();
    assert!(queued.ends_with(received) && !queued.contains("carol"), "{queued}");
}

#[test]
fn the_device_of_the_sender_is_no_device_of_the_recipient() {
    let world = check(World::submission, &(logged_in() + &message(&["bob@example.org"], "Subject: hi", "250")));
    let devices = |name: &str| {
        let info = world.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
        let journal = world.auth.store().account(info.id).journal(store::ModSeq(0), 100).unwrap();
        let added = journal
            .into_iter()
            .filter(|entry| matches!(entry.change, store::Change::Messages(store::OfMessages::Added { .. })));
        added.map(|entry| (entry.device, entry.protocol)).collect::<Vec<_>>()
    };
    assert_eq!(devices("bob"), [(store::DeviceId(0), store::Protocol::Submission)]);
    assert_eq!(devices("alice"), [(store::DeviceId(1), store::Protocol::Submission)]);
}

#[test]
fn what_cannot_be_kept_is_sent_and_the_reply_says_so() {
    let world = world();
    let info = world.auth.directory().account("alice@example.org").unwrap().unwrap();
    let account = world.auth.store().account(info.id);
    let actor = store::Actor { device: store::DeviceId(0), protocol: store::Protocol::Cli, now: SIM_EPOCH };
    account.delete_mailbox(actor, "Sent").unwrap();
    let mut count = account.mailboxes().unwrap().iter().count();
    while count < store::MAILBOXES_MAX {
        account.create_mailbox(actor, &format!("m{count}"), None).unwrap();
        count += 1;
    }
    let mut client = world.submission();
    let script = logged_in() + &message(&["bob@example.org", "carol@example.net"], "From: alice@example.org", "");
    let (before, end) = script.trim_end().trim_end_matches("S:").trim_end().rsplit_once("C: .").unwrap();
    assert_eq!(end, "");
    client.play(before, usize::MAX);
    client.send(b".\r\n", usize::MAX);
    let said = client.take();
    assert!(said.ends_with("; it could not be saved to Sent: an account has at most 2000 mailboxes\r\n"), "{said}");
    assert_eq!(world.counts(), (0, 1, 1));
}

#[test]
fn submission_took_mail_after_revoke_and_disable() {
    const ENDED: &str = "421 4.7.0 This login does not count any more; log in again\r\n";
    let begin = "HELO c\r\nAUTH PLAIN @\r\n".replace('@', ALICE);
    let envelope = "MAIL FROM:<alice@example.org>\r\nRCPT TO:<carol@example.net>\r\nRCPT TO:<bob@example.org>\r\n";
    let message = "From: alice@example.org\r\n\r\nx\r\n.\r\n";
    let whole = format!("{envelope}DATA\r\n{message}");
    let revoke = |world: &World| {
        let alice = world.auth.directory().account("alice@example.org").unwrap().unwrap().id;
        for device in world.auth.store().account(alice).devices().unwrap().keys() {
            world.auth.revoke_device(alice, *device, SIM_EPOCH).unwrap();
        }
    };
    let disable = |world: &World| world.auth.directory().set_disabled("alice@example.org", true).unwrap();
    let ways: [&dyn Fn(&World); 2] = [&revoke, &disable];
    for way in ways {
        // It happens between the commands, before the last line of the message, and while nothing is said.
        for at in [0, envelope.len(), whole.len() - 5, whole.len() - 3] {
            let world = world();
            let mut client = world.submission();
            let mut say = |octets: &[u8]| {
                client.send(octets, usize::MAX);
                client.step();
                (client.take(), client.last)
            };
            assert!(say(begin.as_bytes()).0.ends_with("235 2.7.0 You are logged in\r\n"));
            let (answers, _) = say(&whole.as_bytes()[..at]);
            assert!(!answers.contains("421"), "{answers}");
            way(&world);
            assert_eq!(say(&whole.as_bytes()[at..]), (ENDED.to_owned(), Step::Close), "{at}");
            assert_eq!(world.counts(), (0, 0, 0));
        }
    }
}

/// RFC 8689 §2, §3.
#[test]
fn a_message_that_has_to_stay_protected_is_queued_so_and_comes_over_tls_only() {
    check(
        |world| world.submission_from("127.0.0.1", false),
        &(logged_in()
            + "C: MAIL FROM:<alice@example.org> REQUIRETLS
               S: 555 5.5.4"),
    );
    for (parameter, field, expected) in [
        (" REQUIRETLS", "X: y", TlsWish::Required),
        ("", "TLS-Required: No", TlsWish::Waived),
        (" REQUIRETLS", "TLS-Required: no", TlsWish::Required),
        ("", "TLS-Required: yes", TlsWish::Usual),
    ] {
        let world = world();
        let script = logged_in()
            + &format!(
                "C: MAIL FROM:<alice@example.org>{parameter}
                 S: 250
                 C: RCPT TO:<carol@example.net>
                 S: 250
                 C: DATA
                 S: 354
                 C: From: alice@example.org
                 C: {field}
                 C:
                 C: .
                 S: 250\n"
            );
        let service = SmtpService::submission(world.common.clone(), world.auth.clone());
        Client::new(service, "127.0.0.1", true).play(&script, usize::MAX);
        assert_eq!(world.queue.list(None, 1).unwrap()[0].tls, expected, "{parameter} {field}");
    }
}

/// RFC 4865 §4.2.
#[test]
fn a_mail_for_monday_is_taken_and_waits_whoever_it_is_for() {
    let script = logged_in()
        + "C: MAIL FROM:<alice@example.org> HOLDFOR=259200 SIZE=100
           S: 250
           C: RCPT TO:<bob@example.org>
           S: 250
           C: RCPT TO:<carol@example.net>
           S: 250
           C: DATA
           S: 354
           C: From: alice@example.org
           C:
           C: .
           S: 250 2.0.0 Accepted as";
    let world = check(World::submission, &script);
    let entry = &world.queue.list(None, 9).unwrap()[0];
    assert_eq!(entry.next_at.0 - entry.enqueued_at.0, 259_200_000);
    let to: Vec<&str> = entry.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    assert_eq!((to, world.mailbox("bob").len()), (vec!["bob@example.org", "carol@example.net"], 0));
    let later = entry.later.as_ref().unwrap();
    assert_eq!((later.way.helo.as_str(), later.way.with.as_str(), later.has_begun), ("c", "ESMTPA", false));
}

/// RFC 4865 §4.2, §5.1.1, §5.2.2, §6.
#[test]
fn what_cannot_be_held_as_its_sender_wants_is_refused_at_once() {
    let too_far = smtp_proto::Hold::written(SIM_EPOCH.0 + 367 * 24 * 3_600_000);
    let script = logged_in()
        + &format!(
            "C: MAIL FROM:<alice@example.org> HOLDFOR=0
             S: 501 5.5.4
             C: MAIL FROM:<alice@example.org> HOLDFOR=31622401
             S: 501 5.5.4
             C: MAIL FROM:<alice@example.org> HOLDUNTIL={too_far}
             S: 501 5.5.4
             C: MAIL FROM:<alice@example.org> HOLDFOR=1 HOLDFOR=1
             S: 501 5.5.4
             C: MAIL FROM:<alice@example.org> HOLDFOR=61 BY=60;R
             S: 501 5.5.4
             C: MAIL FROM:<> HOLDFOR=61
             S: 501 5.5.4
             C: MAIL FROM:<alice@example.org> HOLDFOR=60 BY=60;R
             S: 250"
        );
    check(World::submission, &script);
    let full = || world().with_queue_limits(Limits { account_scheduled: 0, ..Limits::DEFAULT });
    check_in(full, World::submission, &(logged_in() + "C: MAIL FROM:<alice@example.org> HOLDFOR=60\nS: 552 5.7.16"));
    let full = || world().with_queue_limits(Limits { entries: 0, ..Limits::DEFAULT });
    check_in(full, World::submission, &(logged_in() + "C: MAIL FROM:<alice@example.org> HOLDFOR=60\nS: 552 5.7.17"));
    check(
        World::mx,
        "S: 220\nC: EHLO c\nS: 250-mail\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-\nS: 250-DSN\nS: 250-LIMITS\nS: 250 STARTTLS\nC: MAIL FROM:<a@b.example> HOLDFOR=60\nS: 555 5.5.4",
    );
    check(
        World::submission_without_smarthost,
        &(logged_in() + "C: MAIL FROM:<alice@example.org> HOLDFOR=60\nS: 555 5.5.4"),
    );
}
