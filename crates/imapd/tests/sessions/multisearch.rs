//! RFC 7377: one command that looks into many mailboxes is not one step, and never says less than is there.

use crate::harness::Server;

/// Beside those that every account has.
const MAILBOXES: usize = 40;

fn server_with_many_mailboxes() -> Server {
    let server = Server::new();
    let mut client = server.alice();
    for number in 1..=MAILBOXES {
        assert!(client.send(&format!("c CREATE M/{number:02}")).starts_with("c OK"));
        let answer = client.append(&format!("M/{number:02}"), "Subject: found\r\n\r\n");
        assert!(answer.contains("p OK"), "{answer}");
    }
    server
}

#[test]
fn a_search_of_many_mailboxes_goes_on_in_slices() {
    let server = server_with_many_mailboxes();
    let mut client = server.alice();
    let answer = client.send("a ESEARCH IN (subtree M) SUBJECT found");
    assert_eq!(answer.matches("* ESEARCH (TAG \"a\" MAILBOX \"M/").count(), MAILBOXES, "{answer}");
    assert!(answer.ends_with("a OK ESEARCH done\r\n"), "{answer}");
    // One is announced, and each slice looks into sixteen.
    assert!(client.steps_of(b"b ESEARCH IN (subtree M) RETURN (COUNT) ALL\r\n") > MAILBOXES / 16);
}

#[test]
fn a_mailbox_that_is_deleted_during_the_search_is_passed_over() {
    let server = server_with_many_mailboxes();
    let (mut client, mut other) = (server.alice(), server.alice());
    let mut steps = 0;
    let answer = client.send_slowly("a ESEARCH IN (subtree M) SUBJECT found", || {
        steps += 1;
        if steps == 3 {
            assert!(other.send("d DELETE M/40").starts_with("d OK"));
        }
    });
    assert!(answer.contains("MAILBOX \"M/39\"") && !answer.contains("MAILBOX \"M/40\""), "{answer}");
    assert!(answer.ends_with("a OK ESEARCH done\r\n"), "{answer}");
}

#[test]
fn a_message_that_cannot_be_read_is_not_silently_not_found() {
    let server = server_with_many_mailboxes();
    let mut client = server.alice();
    server.fail_read(10);
    let answer = client.send("a ESEARCH IN (subtree M) BODY nothing");
    assert!(answer.contains("a NO [UNAVAILABLE]"), "{answer}");
    server.use_up_read_errors();
    client.check("b ESEARCH IN (subtree M) BODY nothing", &["b OK ESEARCH done"]);
}

#[test]
fn more_names_than_may_be_named_are_refused() {
    let mut client = Server::new().alice();
    let names = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>().join(" ");
    client.check(&format!("a ESEARCH IN (mailboxes ({})) ALL", names(1000)), &["a OK ESEARCH done"]);
    let answer = client.send(&format!("b ESEARCH IN (mailboxes ({}) subtree x) ALL", names(1000)));
    assert!(answer.starts_with("b NO [LIMIT]"), "{answer}");
}
