//! IDLE (RFC 2177): pushes, DONE in pieces, time.

use crate::harness::{NOW, Server};
use session::Step;

#[test]
fn a_change_wakes_who_idles_and_nobody_else() {
    let server = Server::new();
    let (mut pc, mut phone, other) = (server.alice_in_inbox(), server.alice_in_inbox(), server.alice_in_inbox());
    phone.check("a IDLE", &["+ idling"]);
    assert!(!phone.was_woken());
    pc.fill(1);
    assert!(phone.was_woken());
    assert!(!other.was_woken());
    phone.check_news(&["* 1 EXISTS"]);
    phone.check_news(&[]);
    pc.send("a STORE 1 +FLAGS \\Deleted");
    phone.check_news(&["* 1 FETCH (UID 1 FLAGS (\\Deleted))"]);
    pc.send("a EXPUNGE");
    phone.check("DONE", &["* 1 EXPUNGE", "a OK IDLE done"]);
    pc.fill(1);
    phone.check_news(&[]);
    phone.check("b NOOP", &["* 1 EXISTS", "b OK NOOP done"]);
}

#[test]
fn a_done_in_pieces_with_a_push_in_between_is_seen() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    phone.send("a IDLE");
    assert_eq!(phone.raw("DO"), "");
    pc.fill(1);
    assert_eq!(phone.poll(), "* 1 EXISTS\r\n");
    assert_eq!(phone.raw("NE\r"), "");
    assert_eq!(phone.raw("\nb NOOP\r\n"), "a OK IDLE done\r\nb OK NOOP done\r\n");
}

#[test]
fn what_changed_before_idle_is_told_at_once() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(1);
    phone.check("a IDLE", &["+ idling", "* 1 EXISTS"]);
    phone.check("nonsense", &["a BAD Expected DONE"]);
    phone.check("b NOOP", &["b OK NOOP done"]);
}

#[test]
fn idle_without_a_mailbox() {
    let mut client = Server::new().alice();
    client.check("a IDLE", &["+ idling"]);
    client.check("done", &["a OK IDLE done"]);
}

#[test]
fn idle_looks_every_half_minute_and_lasts_longer_than_clients_need() {
    let mut client = Server::new().alice_in_inbox();
    assert_eq!(client.deadline(), Some(NOW.monotonic_millis + 30 * 60_000));
    client.send("a IDLE");
    for minute in 0..31 {
        assert_eq!(client.deadline(), Some(NOW.monotonic_millis + minute * 60_000 + 30_000));
        client.later(30_000);
        client.check_news(&[]);
        client.later(30_000);
        client.check_news(&[]);
    }
    client.later(4 * 60_000);
    client.check_news(&["* BYE Idle for too long"]);
    assert_eq!(client.step, Step::Close);
}

#[test]
fn silence_of_half_an_hour_ends_a_session() {
    let mut client = Server::new().alice_in_inbox();
    client.later(30 * 60_000 - 1);
    client.check("a NOOP", &["a OK NOOP done"]);
    client.later(30 * 60_000 - 1);
    client.check_news(&[]);
    client.later(1);
    client.check_news(&["* BYE Idle for too long"]);
}
