//! EXPUNGE, COPY, MOVE, and when a client may hear that messages are gone (RFC 9051 §7.5.1).

use crate::harness::Server;

#[test]
fn expunge_counts_from_the_end() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(4);
    phone.send("a NOOP");
    pc.send("a STORE 1,3 +FLAGS.SILENT \\Deleted");
    pc.check("a EXPUNGE", &["* 3 EXPUNGE", "* 1 EXPUNGE", "a OK EXPUNGE done"]);
    pc.check("a EXPUNGE", &["a OK EXPUNGE done"]);
    phone.check("a NOOP", &["* 3 EXPUNGE", "* 1 EXPUNGE", "a OK NOOP done"]);
}

#[test]
fn uid_expunge_takes_only_what_it_names() {
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(4);
    pc.send("a STORE 1:3 +FLAGS.SILENT \\Deleted");
    pc.check("a UID EXPUNGE 2,4", &["* 2 EXPUNGE", "a OK EXPUNGE done"]);
}

#[test]
fn no_expunge_while_messages_are_numbered() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(3);
    phone.send("a NOOP");
    pc.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    pc.send("a EXPUNGE");
    pc.append("INBOX", "Subject: new\r\n\r\n");
    phone.check("a STORE 2 +FLAGS \\Seen", &["* 2 FETCH (UID 2 FLAGS (\\Seen))", "* 4 EXISTS", "a OK STORE done"]);
    phone.check("a STORE 4 +FLAGS \\Seen", &["* 4 FETCH (UID 4 FLAGS (\\Seen))", "a OK STORE done"]);
    // RFC 9051 §6.4.6: of what was named without `.SILENT` all is told, as if it had gone after that.
    phone.check(
        "a STORE 1:2 +FLAGS \\Draft",
        &["* 1 FETCH (UID 1 FLAGS (\\Draft))", "* 2 FETCH (UID 2 FLAGS (\\Seen \\Draft))", "a OK STORE done"],
    );
    phone.check("a STORE 1 +FLAGS \\Draft", &["* 1 FETCH (UID 1 FLAGS (\\Draft))", "a OK STORE done"]);
    // The message is gone: nothing to change, nothing to say, no error.
    phone.check("a STORE 1 +FLAGS.SILENT \\Seen", &["a OK STORE done"]);
    phone.check("a UID STORE 3 +FLAGS \\Seen", &["* 1 EXPUNGE", "* 2 FETCH (UID 3 FLAGS (\\Seen))", "a OK STORE done"]);
}

#[test]
fn copies_and_moves_tell_their_uids() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(4);
    let trash = server.account().mailboxes().unwrap().by_name("Trash").unwrap().uid_validity;
    pc.check("a COPY 2:3 Trash", &[&format!("a OK [COPYUID {trash} 2:3 1:2] COPY done")]);
    pc.check(
        "a MOVE 1,4 Trash",
        &[&format!("* OK [COPYUID {trash} 1,4 3:4] Moved"), "* 4 EXPUNGE", "* 1 EXPUNGE", "a OK MOVE done"],
    );
    pc.check("a STATUS Trash (MESSAGES)", &["* STATUS \"Trash\" (MESSAGES 4)", "a OK STATUS done"]);
    let answer = pc.send("a COPY 1 INBOX");
    assert!(answer.starts_with("* 3 EXISTS\r\n* 3 RECENT\r\na OK [COPYUID "), "{answer}");
}

#[test]
fn a_mailbox_that_another_device_deletes_is_empty() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice(), server.alice());
    pc.send("a CREATE Work");
    pc.append("Work", "Subject: a\r\n\r\n");
    phone.send("a SELECT Work");
    pc.check("a DELETE Work", &["a OK DELETE done"]);
    phone.check(
        "a UID STORE 1 +FLAGS \\Seen",
        &["* 1 EXPUNGE", "* NO [NONEXISTENT] The selected mailbox was deleted", "a OK STORE done"],
    );
    phone.check("a EXPUNGE", &["a OK EXPUNGE done"]);
    phone.check("a NOOP", &["a OK NOOP done"]);
    phone.check("a UID COPY 1 INBOX", &["a OK COPY done"]);
    assert!(phone.send("a SELECT INBOX").contains("a OK [READ-WRITE]"));
}
