//! Mail from other hosts.

use super::*;
use store::sim::Fault;

#[test]
fn a_message_arrives() {
    let world = check(
        World::mx,
        "S: 220 mail.example.org ESMTP Pillarbox
         C: EHLO client.example
         S: 250-mail.example.org
         S: 250-PIPELINING
         S: 250-SIZE 52428800
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS
         S: 250 STARTTLS
         C: MAIL FROM:<sender@x> SIZE=20 BODY=8BITMIME
         S: 250 2.1.0
         C: RCPT TO:<alice+lists@example.org>
         S: 250 2.1.5
         C: DATA
         S: 354
         C: Subject: hi
         C:
         C: ..dots
         C: .
         S: 250 2.0.0 Accepted as
         C: QUIT
         S: 221 2.0.0
         CLOSE",
    );
    let message = &world.mailbox("alice")[0];
    assert_eq!(
        without_id(&message.replace("\r\n\t", " ")),
        "Return-Path: <sender@x>\r\nDelivered-To: alice+lists@example.org\r\n\
         Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTP id ID \
         for <alice+lists@example.org>; Mon, 21 Sep 2026 14:13:20 +0000\r\nSubject: hi\r\n\r\n.dots\r\n"
    );
}

#[test]
fn helo_without_extensions() {
    let world = check(
        World::mx,
        "S: 220
         C: helo client
         S: 250 mail.example.org
         C: mail from:<>
         S: 250
         C: rcpt to:<Postmaster>
         S: 250
         C: data
         S: 354
         C: Subject: bounce
         C:
         C: .
         S: 250",
    );
    let message = &world.mailbox("alice")[0];
    assert!(message.starts_with("Return-Path: <>\r\nDelivered-To: postmaster\r\n"), "{message}");
    assert!(message.contains(" with SMTP"), "{message}");
}

#[test]
fn nothing_is_relayed_not_even_for_this_machine() {
    let script = "S: 220
         C: EHLO c
         S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250 STARTTLS
         C: MAIL FROM:<alice@example.org>
         S: 250
         C: RCPT TO:<somebody@example.net>
         S: 550 5.7.1
         C: RCPT TO:<alice@[192.0.2.7]>
         S: 550 5.7.1
         C: RCPT TO:<nobody@example.org>
         S: 550 5.1.1
         C: DATA
         S: 554 5.5.1
         C: AUTH PLAIN x
         S: 502 5.5.1";
    check(World::mx, script);
    check(|world| Client::new(SmtpService::mx(world.common.clone()), "127.0.0.1", false), script);
}

#[test]
fn every_verb_knows_its_place() {
    check(
        World::mx,
        "S: 220
         C: MAIL FROM:<a@x>
         S: 503 5.5.1
         C: LHLO c
         S: 500 5.5.1
         C: HELO c
         S: 250
         C: RCPT TO:<alice@example.org>
         S: 503 5.5.1
         C: DATA
         S: 503 5.5.1
         C: BDAT 6 LAST
         C: QUIT
         S: 503 5.5.1
         C: MAIL FROM:<a@x>
         S: 250
         C: MAIL FROM:<b@x>
         S: 503 5.5.1
         C: RCPT TO:<ä@example.org>
         S: 553 5.6.7
         C: RSET
         S: 250 2.0.0
         C: RCPT TO:<alice@example.org>
         S: 503 5.5.1
         C: NOOP whatever
         S: 250 2.0.0
         C: VRFY alice
         S: 252 2.1.5
         C: EXPN team
         S: 502 5.5.1
         C: HELP
         S: 214 2.0.0
         C: TURN
         S: 500 5.5.1
         C: MAIL FROM:<a@x> BY=60;R
         S: 555 5.5.4
         C: MAIL FROM:a b
         S: 501
         C: BDAT x
         S: 501 5.5.4
         CLOSE",
    );
}

#[test]
fn hello_forgets_a_transaction() {
    check(
        World::mx,
        "S: 220
         C: HELO c
         S: 250
         C: MAIL FROM:<a@x>
         S: 250
         C: HELO c
         S: 250
         C: RCPT TO:<alice@example.org>
         S: 503",
    );
}

#[test]
fn chunks_make_a_message() {
    let world = check(
        World::mx,
        "S: 220
         C: HELO c
         S: 250
         C: MAIL FROM:<a@x>
         S: 250
         C: RCPT TO:<alice@example.org>
         S: 250
         C: BDAT 8
         C: A: b\\r\\n
         S: 250 2.0.0
         C: DATA
         S: 503
         C: RCPT TO:<bob@example.org>
         S: 503
         C: BDAT 5 LAST
         C: .\\r\\n
         S: 250 2.0.0 Accepted
         C: BDAT 0 LAST
         S: 503",
    );
    assert_eq!(world.contents("alice"), ["A: b\r\n\r\n.\r\n\r\n"]);
}

#[test]
fn what_was_passed_on_comes_back_and_nobody_sends_through_that() {
    let world = world();
    world.auth.directory().add_alias("away@example.org", &["eve@far.example"]).unwrap();
    let mail = "S: 220\n C: HELO c\n S: 250\n C: MAIL FROM:<ada@author.example>\n S: 250\n C: RCPT TO:<away@example.org>\n S: 250
                C: DATA\n S: 354\n C: A: b\n C:\n C: .\n S: 250 2.0.0 Accepted as\n C: QUIT\n S: 221\n CLOSE";
    world.mx().play(mail, usize::MAX);
    let queued = world.queue.list(None, 9).unwrap();
    let back = queued[0].reverse_path.clone();
    assert!(back.starts_with("SRS0=") && back.ends_with("@example.org"), "{back}");
    let forged = back.replace("=ada@", "=eve@");
    let script = format!(
        "S: 220\n C: HELO c\n S: 250\n C: MAIL FROM:<me@x>\n S: 250\n C: RCPT TO:<{back}>\n S: 550 5.7.1\n C: RSET\n S: 250
         C: MAIL FROM:<>\n S: 250\n C: RCPT TO:<{forged}>\n S: 550 5.1.1\n C: RCPT TO:<{back}>\n S: 250
         C: DATA\n S: 354\n C: A: bounce\n C:\n C: .\n S: 250\n C: QUIT\n S: 221\n CLOSE"
    );
    world.mx().play(&script, usize::MAX);
    let bounce = world.queue.list(None, 9).unwrap().pop().unwrap();
    assert_eq!((bounce.reverse_path.as_str(), bounce.recipients[0].address.as_str()), ("", "ada@author.example"));
}

#[test]
fn a_refused_chunk_is_no_command() {
    check(
        World::mx,
        "S: 220
         C: HELO c
         S: 250
         C: MAIL FROM:<a@x>
         S: 250
         C: RCPT TO:<nobody@example.org>
         S: 550
         C: BDAT 12 LAST
         C: RSET\\r\\nQUIT
         S: 554 5.5.1
         C: NOOP
         S: 250",
    );
}

/// Whoever reads an end in any of these, a stranger smuggles a second message past it (CVE-2023-51764).
#[test]
fn nothing_but_crlf_dot_crlf_ends_a_message() {
    for end in ["\\n.\\n", "\\n.", "\\r.\\r", "\\r.", "\\r\\n.\\n", "\\r\\n.\\rx", "\\r.\\n", "\\n.\\r"] {
        let world = check(
            World::mx,
            &format!(
                "S: 220
                 C: HELO c
                 S: 250
                 C: MAIL FROM:<a@x>
                 S: 250
                 C: RCPT TO:<alice@example.org>
                 S: 250
                 C: DATA
                 S: 354
                 C: A: b\\r\\n\\r\\nx{end}
                 C: MAIL FROM:<ceo@example.org>
                 C: RCPT TO:<bob@example.org>
                 C: DATA
                 C: smuggled
                 C: .
                 S: 250 2.0.0
                 C: QUIT
                 S: 221"
            ),
        );
        assert_eq!((world.counts(), end), ((1, 0, 0), end));
        assert!(world.contents("alice")[0].ends_with("smuggled\r\n"));
    }
}

#[test]
fn bare_line_feeds_become_line_ends_and_bare_returns_stay() {
    let message = |text: &str| {
        format!(
            "S: 220\n C: HELO c\n S: 250\n C: MAIL FROM:<a@x>\n S: 250\n C: RCPT TO:<alice@example.org>\n S: 250
             C: DATA\n S: 354\n C: {text}\n C: ."
        )
    };
    let world = check(World::mx, &(message("A: b\\n\\nx\\n.\\ny\\rz") + "\n S: 250"));
    assert_eq!(world.contents("alice"), ["A: b\r\n\r\nx\r\n.\r\ny\rz\r\n"]);
    let world = check(World::mx, &(message("A: b\\0") + "\n S: 550 5.6.0\n C: NOOP\n S: 250"));
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn what_is_not_durable_is_not_accepted() {
    let script = |reply: &str| {
        format!(
            "S: 220\n C: HELO c\n S: 250\n C: MAIL FROM:<a@x>\n S: 250\n C: RCPT TO:<alice@example.org>\n S: 250
             C: RCPT TO:<bob@example.org>\n S: 250\n C: DATA\n S: 354\n C: A: b\n C:\n C: .\n S: {reply}"
        )
    };
    let with_fault = |before: u64, fault: Fault| {
        let world = world();
        world.engine.plan(before, fault);
        world
    };
    let world = check_in(|| with_fault(0, Fault::Full), World::mx, &script("452 4.3.1"));
    assert_eq!(world.counts(), (0, 1, 0));
    // The client tries again: nobody has it twice.
    world.mx().play(&script("250 2.0.0"), usize::MAX);
    assert_eq!(world.counts(), (1, 1, 0));
    let world = check_in(|| with_fault(0, Fault::CrashBefore), World::mx, &script("451 4.3.0"));
    assert!(world.engine.is_dead());
}

#[test]
fn a_directory_that_fails_refuses_nobody_for_good() {
    let connect = |world: &World| {
        let mut client = world.mx();
        client.play("S: 220\n C: HELO c\n S: 250\n C: MAIL FROM:<a@x>\n S: 250", usize::MAX);
        world.engine.plan_read_error(0);
        client
    };
    check(connect, "C: RCPT TO:<nobody@example.org>\n S: 451 4.3.0\n C: RCPT TO:<nobody@example.org>\n S: 550");
}

#[test]
fn a_message_that_runs_in_circles_is_refused_for_good() {
    let received = "C: Received: from a by b\n".repeat(51);
    let script = format!(
        "S: 220\n C: HELO c\n S: 250\n C: MAIL FROM:<a@x>\n S: 250\n C: RCPT TO:<alice@example.org>\n S: 250
         C: DATA\n S: 354\n {received} C:\n C: .\n S: 554 5.4.6"
    );
    assert_eq!(check(World::mx, &script).counts(), (0, 0, 0));
}

#[test]
fn the_server_says_goodbye() {
    let mut client = world().mx();
    client.take();
    client.session.shut_down(session::Goodbye::ServerStops, &mut client.output);
    client.step();
    client.play("S: 421 4.3.2\n CLOSE", 1);
}

#[test]
fn a_message_in_chunks_is_one_that_comes_in_between_two_of_them_too() {
    let mut client = world().mx();
    client.play("S: 220", 1);
    client.send(b"HELO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<alice@example.org>\r\n", usize::MAX);
    assert!(client.take().lines().count() == 3 && !client.session.doing().is_busy);
    client.send(b"BDAT 17\r\nSubject: chunks\r\n", usize::MAX);
    assert!(client.take().starts_with("250 "));
    let doing = client.session.doing();
    assert_eq!((doing.command, doing.is_busy), (Some("BDAT"), true));
    client.send(b"BDAT 4 LAST\r\n\r\na\n", usize::MAX);
    assert!(client.take().starts_with("250 ") && !client.session.doing().is_busy);
    client.send(b"MAIL FROM:<a@x>\r\nRCPT TO:<alice@example.org>\r\nBDAT 1\r\nxRSET\r\n", usize::MAX);
    assert!(client.take().ends_with("\r\n") && !client.session.doing().is_busy);
}
