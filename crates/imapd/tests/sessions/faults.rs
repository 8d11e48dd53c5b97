//! When the disk fails, the client hears NO and keeps its connection, and is told nothing that did not happen.

use crate::harness::Server;
use store::sim::Fault;

#[test]
fn a_full_disk_is_a_refusal() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.fill(1);
    server.fail_next_commit(Fault::Full);
    let answer = client.send("a STORE 1 +FLAGS \\Seen");
    assert!(answer.starts_with("a NO [OVERQUOTA] no space: "), "{answer}");
    client.check("a STORE 1 +FLAGS \\Seen", &["* 1 FETCH (UID 1 FLAGS (\\Seen))", "a OK STORE done"]);
}

#[test]
fn a_disk_that_takes_no_writes_keeps_nobody_from_reading() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.fill(1);
    server.fail_next_commit(Fault::Failed);
    let answer = client.send("a FETCH 1 BODY[TEXT]");
    assert!(answer.starts_with("* 1 FETCH (BODY[TEXT] {") && answer.contains("a OK FETCH done"), "{answer}");
}

#[test]
fn a_fault_is_no_detail_for_strangers() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    server.fail_next_commit(Fault::Failed);
    let answer = client.append("INBOX", "Subject: a\r\n\r\n");
    assert!(answer.ends_with("p NO [UNAVAILABLE] Internal error, try again later\r\n"), "{answer}");
    client.check("a LIST \"\" INBOX", &["* LIST (\\HasNoChildren) \"/\" \"INBOX\"", "a OK LIST done"]);
}

#[test]
fn a_conflict_with_another_process_is_tried_again() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    server.fail_next_commit(Fault::Conflict);
    assert!(client.append("INBOX", "Subject: a\r\n\r\n").contains("p OK [APPENDUID "));
}
