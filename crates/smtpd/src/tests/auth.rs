//! AUTH (RFC 4954).

use super::*;

#[test]
fn login_comes_first() {
    check(
        World::submission,
        &format!(
            "S: 220
             C: AUTH PLAIN {ALICE}
             S: 503 5.5.1
             C: EHLO c
             S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250-DELIVERBY
             S: 250-FUTURERELEASE 31622400 2027-09-22T14:13:20Z
             S: 250-STARTTLS
             S: 250 AUTH SCRAM-SHA-256 PLAIN LOGIN
             C: MAIL FROM:<alice@example.org>
             S: 530 5.7.0
             C: AUTH CRAM-MD5
             S: 504 5.5.4
             C: AUTH PLAIN
             S: 334
             C: *
             S: 501 5.0.0
             C: AUTH PLAIN
             S: 334
             C: ???
             S: 501 5.5.2
             C: AUTH PLAIN =
             S: 501 5.5.2
             C: AUTH LOGIN
             S: 334 VXNlcm5hbWU6
             C: YWxpY2U=
             S: 334 UGFzc3dvcmQ6
             C: Y29ycmVjdCBob3JzZQ==
             S: 235 2.7.0
             C: AUTH PLAIN {ALICE}
             S: 503 5.5.1
             C: EHLO c
             S: 250-mail\n S: 250-PIPE\n S: 250-SIZE\n S: 250-8BIT\n S: 250-SMTPUTF8\n S: 250-ENH\n S: 250-CHUNK\n S: 250-DSN\n S: 250-LIMITS\n S: 250-DELIVERBY
             S: 250-FUTURERELEASE
             S: 250 STARTTLS
             C: MAIL FROM:<alice@example.org>
             S: 250"
        ),
    );
}

#[test]
fn a_wrong_password_is_answered_late_and_not_for_ever() {
    let wrong = "C: AUTH PLAIN AGFsaWNlAHdyb25n
                 LATER
                 S: 535 5.7.8\n";
    let last = format!("{wrong} S: 421 4.7.0 Too many failed logins\n CLOSE");
    check(World::submission, &format!("S: 220\n C: HELO c\n S: 250\n {}{last}", wrong.repeat(4)));
}

#[test]
fn the_answer_waits_for_its_time() {
    let mut client = world().submission();
    client.play("S: 220\n C: HELO c\n S: 250\n C: AUTH PLAIN AGFsaWNlAHdyb25n", 1);
    let at = client.session.deadline_millis().unwrap();
    assert!(at > client.now.monotonic_millis);
    client.send(b"NOOP\r\n", 1);
    client.now = client.now.plus_millis(at - client.now.monotonic_millis - 1);
    client.step();
    assert_eq!(client.take(), "");
    client.now = client.now.plus_millis(1);
    client.step();
    client.play("S: 535\n S: 250", 1);
}

#[test]
fn who_talks_while_waiting_is_not_held_in_memory() {
    let mut client = world().submission();
    client.play("S: 220\n C: HELO c\n S: 250\n C: AUTH PLAIN AGFsaWNlAHdyb25n", usize::MAX);
    client.send(&[b'x'; 64 * 1024], 1024);
    assert_eq!(client.last, Step::Wait);
    client.send(b"x", 1);
    assert_eq!(client.last, Step::Close);
}

#[test]
fn nobody_acts_for_another() {
    // `bob\0alice\0correct horse` and `alice\0alice\0correct horse`.
    let script = "S: 220\n C: HELO c\n S: 250
        C: AUTH PLAIN Ym9iAGFsaWNlAGNvcnJlY3QgaG9yc2U=\n S: 535 5.7.8
        C: AUTH PLAIN YWxpY2UAYWxpY2UAY29ycmVjdCBob3JzZQ==\n S: 235";
    check(World::submission, script);
}

#[test]
fn a_store_that_fails_is_no_wrong_password() {
    let connect = |world: &World| {
        let mut client = world.submission();
        client.play("S: 220\n C: HELO c\n S: 250", usize::MAX);
        world.engine.plan_read_error(0);
        client
    };
    check(connect, &format!("C: AUTH PLAIN {ALICE}\n S: 454 4.7.0\n C: AUTH PLAIN {ALICE}\n S: 235"));
}
