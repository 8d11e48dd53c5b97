//! Mail from a local mail system (RFC 2033).

use super::*;
use store::sim::Fault;

const BEGIN: &str = "S: 220 mail.example.org LMTP
    C: LHLO c
    S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250 STARTTLS
    C: MAIL FROM:<a@x>
    S: 250\n";

#[test]
fn each_recipient_has_a_reply() {
    let connect = |world: &World| {
        world.engine.plan(1, Fault::Full);
        world.lmtp()
    };
    let world = check(
        connect,
        &format!(
            "{BEGIN}
             C: RCPT TO:<alice@example.org>
             S: 250
             C: RCPT TO:<nobody@example.org>
             S: 550 5.1.1
             C: RCPT TO:<somebody@example.net>
             S: 550 5.1.2
             C: RCPT TO:<bob@example.org>
             S: 250
             C: RCPT TO:<alice+x@example.org>
             S: 250
             C: DATA
             S: 354
             C: A: b
             C:
             C: .
             S: 250 2.0.0
             S: 452 4.3.1
             S: 250 2.0.0
             C: QUIT
             S: 221"
        ),
    );
    assert_eq!(world.counts(), (1, 0, 0));
    assert!(world.mailbox("alice")[0].replace("\r\n\t", " ").contains(" with LMTP id "));
}

#[test]
fn chunks_and_too_large_ones_too() {
    let limits = Limits { message_bytes_max: 10, ..Limits::trusted() };
    let recipients = "C: RCPT TO:<alice@example.org>\n S: 250\n C: RCPT TO:<bob@example.org>\n S: 250";
    let world = check_in(
        || world_with(limits),
        World::lmtp,
        &format!(
            "{BEGIN} {recipients}
             C: BDAT 10 LAST
             C: A: b\\r\\n\\r\\n
             S: 250 2.0.0
             S: 250 2.0.0
             C: MAIL FROM:<a@x>
             S: 250
             {recipients}
             C: BDAT 11 LAST
             C: 123456789
             S: 552 5.3.4
             S: 552 5.3.4
             C: MAIL FROM:<a@x>
             S: 250
             {recipients}
             C: DATA
             S: 354
             C: 123456789
             C: .
             S: 552 5.3.4
             S: 552 5.3.4"
        ),
    );
    assert_eq!(world.counts(), (1, 1, 0));
}

#[test]
fn without_recipients_there_is_nothing_to_send() {
    check(
        World::lmtp,
        &format!("{BEGIN} C: DATA\n S: 503 5.5.1\n C: HELO x\n S: 500 5.5.1\n C: EHLO x\n S: 500 5.5.1"),
    );
}

#[test]
fn strangers_are_sent_away() {
    let from = |address: &'static str, peers: &'static [&str]| {
        move |world: &World| {
            let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
            Client::new(SmtpService::lmtp(world.common.clone(), peers), address, false)
        }
    };
    check(from("192.0.2.1", &["192.0.2.2"]), "S: 554 5.7.1\n CLOSE");
    check(from("192.0.2.2", &["192.0.2.2"]), "S: 220");
    check(from("::ffff:192.0.2.2", &["192.0.2.2"]), "S: 220");
    check(from("::1", &[]), "S: 220");
}
