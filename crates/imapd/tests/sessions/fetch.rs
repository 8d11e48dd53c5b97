//! FETCH and SEARCH within a session: slices, `\Seen`, and the news that follow (RFC 9051 §6.4.4, §6.4.5).

use crate::harness::Server;

#[test]
fn reading_sets_seen_and_all_devices_hear_of_it() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(1);
    let mut phone = server.alice_in_inbox();
    phone.send("i IDLE");
    pc.check(
        "a FETCH 1 BODY[TEXT]",
        &["* 1 FETCH (BODY[TEXT] {6}", "body", ")", "* 1 FETCH (UID 1 FLAGS (\\Seen))", "a OK FETCH done"],
    );
    phone.check_news(&["* 1 FETCH (UID 1 FLAGS (\\Seen))"]);
    pc.check("a UID SEARCH UNSEEN", &["* SEARCH", "a OK SEARCH done"]);
}

#[test]
fn a_long_answer_goes_out_in_slices_and_pipelined_commands_wait() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    for _ in 0..4 {
        pc.append("INBOX", &"0123456789abcdef\r\n".repeat(5000));
    }
    let answer = pc.raw("a FETCH 1:4 BODY.PEEK[]\r\nb NOOP\r\n");
    assert_eq!(answer.matches("BODY[] {90000}\r\n").count(), 4);
    assert!(answer.ends_with(")\r\na OK FETCH done\r\nb OK NOOP done\r\n"));
}

#[test]
fn a_message_that_another_device_expunged_is_still_served() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(2);
    phone.send("a NOOP");
    pc.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    pc.send("a EXPUNGE");
    let answer = phone.send("a FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]");
    assert!(answer.contains("Subject: message 1\r\n") && !answer.contains("EXPUNGE"), "{answer}");
    phone.check("a NOOP", &["* 1 EXPUNGE", "a OK NOOP done"]);
}

#[test]
fn saved_results_are_used_by_other_commands() {
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(3);
    pc.send("a STORE 2 +FLAGS.SILENT \\Flagged");
    let answer = pc.send("a SEARCH RETURN (SAVE COUNT) FLAGGED");
    assert!(answer.starts_with("* ESEARCH (TAG \"a\") COUNT 1\r\n"), "{answer}");
    let answer = pc.send("a MOVE $ Trash");
    assert!(answer.contains(" 2 1] Moved\r\n* 2 EXPUNGE\r\na OK MOVE done\r\n"), "{answer}");
    pc.check("a UID STORE $ +FLAGS \\Seen", &["a OK STORE done"]);
}

#[test]
fn modseq_switches_condstore_on() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(1);
    let mut phone = server.alice_in_inbox();
    phone.send("a FETCH 1 MODSEQ");
    pc.send("a STORE 1 +FLAGS \\Seen");
    let answer = phone.send("a NOOP");
    assert!(answer.starts_with("* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ ("), "{answer}");
}
