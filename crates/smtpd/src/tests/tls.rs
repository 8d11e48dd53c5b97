//! STARTTLS (RFC 3207).

use super::*;

#[test]
fn no_password_without_tls_over_a_network() {
    check(
        |world| world.submission_from("192.0.2.1", false),
        &format!(
            "S: 220
             C: EHLO c
             S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250-DELIVERBY
             S: 250 STARTTLS
             C: AUTH PLAIN {ALICE}
             S: 538 5.7.11
             C: MAIL FROM:<alice@example.org>
             S: 530 5.7.0 Say STARTTLS
             C: STARTTLS
             S: 220 2.0.0
             TLS
             C: MAIL FROM:<alice@example.org>
             S: 503 5.5.1
             C: EHLO c
             S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250-DELIVERBY
 S: 250-REQUIRETLS
             S: 250 AUTH SCRAM-SHA-256 PLAIN LOGIN
             C: STARTTLS
             S: 503 5.5.1
             C: AUTH PLAIN {ALICE}
             S: 235"
        ),
    );
}

#[test]
fn implicit_tls_offers_no_starttls() {
    check(
        |world| world.submission_from("192.0.2.1", true),
        "S: 220
         C: EHLO c
         S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250-DELIVERBY
 S: 250-REQUIRETLS
         S: 250 AUTH SCRAM-SHA-256 PLAIN LOGIN",
    );
}

#[test]
fn what_came_before_tls_is_forgotten() {
    let world = world();
    let mut client = world.mx();
    // All in one segment, as an attacker in the middle would put it.
    let injected = "EHLO c\r\nMAIL FROM:<a@x>\r\nSTARTTLS\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n";
    client.send(injected.as_bytes(), usize::MAX);
    client.take();
    client.session.receive(b"more before the handshake\r\n");
    client.start_tls();
    let script = "C: RCPT TO:<alice@example.org>
         S: 503
         C: HELO c
         S: 250
         C: MAIL FROM:<a@x>
         S: 250
         C: RCPT TO:<alice@example.org>
         S: 250
         C: DATA
         S: 354
         C: A: b
         C:
         C: .
         S: 250";
    client.play(script, 1);
    let message = world.mailbox("alice")[0].replace("\r\n\t", " ");
    assert!(message.contains("with ESMTPS (TLSv1.3 TLS13_AES_256_GCM_SHA384) id"), "{message}");
}

#[test]
fn a_service_without_tls_says_so() {
    let connect = |world: &World| {
        let common = Common { starttls: false, ..world.common.clone() };
        Client::new(SmtpService::mx(common), "192.0.2.1", false)
    };
    let script = "S: 220\n C: STARTTLS\n S: 502\n C: EHLO c\n S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT
                  S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250 LIMITS";
    check(connect, script);
}
