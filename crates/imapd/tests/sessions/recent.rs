//! `\\Recent` (RFC 3501 §2.3.2): to the first session that is told of a message, and to no other.

use crate::harness::{Client, Server};

/// The number of recent messages that SELECT or EXAMINE tells.
fn selected(client: &mut Client, command: &str) -> String {
    let answer = client.send(&format!("a {command} INBOX"));
    let line = answer.lines().find(|line| line.ends_with(" RECENT")).unwrap_or("none").to_owned();
    line.trim_start_matches("* ").trim_end_matches(" RECENT").to_owned()
}

#[test]
fn the_first_session_that_selects_gets_what_came_since() {
    let server = Server::new();
    server.alice().fill(3);
    let (mut pc, mut phone) = (server.alice(), server.alice());
    pc.check("a STATUS INBOX (RECENT)", &["* STATUS \"INBOX\" (RECENT 3)", "a OK STATUS done"]);
    assert_eq!(selected(&mut phone, "EXAMINE"), "3", "it does not take them");
    assert_eq!(selected(&mut phone, "EXAMINE"), "3");
    assert_eq!(selected(&mut pc, "SELECT"), "3");
    assert_eq!(selected(&mut phone, "SELECT"), "0");
    phone.check("a STATUS INBOX (RECENT)", &["* STATUS \"INBOX\" (RECENT 0)", "a OK STATUS done"]);
    pc.check("a STATUS INBOX (RECENT)", &["* STATUS \"INBOX\" (RECENT 3)", "a OK STATUS done"]);
    phone.check("a FETCH 2 FLAGS", &["* 2 FETCH (FLAGS ())", "a OK FETCH done"]);
    pc.check("a FETCH 2 FLAGS", &["* 2 FETCH (FLAGS (\\Recent))", "a OK FETCH done"]);
    pc.check("a STORE 2 +FLAGS \\Seen", &["* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))", "a OK STORE done"]);
    pc.check("a STORE 2 FLAGS (\\Recent \\Draft)", &["* 2 FETCH (UID 2 FLAGS (\\Draft \\Recent))", "a OK STORE done"]);
    for (key, of_pc, of_phone) in
        [("RECENT", " 1 2 3", ""), ("NEW", " 1 2 3", ""), ("OLD", "", " 1 2 3"), ("NOT RECENT", "", " 1 2 3")]
    {
        pc.check(&format!("a SEARCH {key}"), &[&format!("* SEARCH{of_pc}"), "a OK SEARCH done"]);
        phone.send("a NOOP");
        phone.check(&format!("a SEARCH {key}"), &[&format!("* SEARCH{of_phone}"), "a OK SEARCH done"]);
    }
    pc.send("a STORE 1 +FLAGS.SILENT \\Seen");
    pc.check("a SEARCH NEW", &["* SEARCH 2 3", "a OK SEARCH done"]);
    assert_eq!(selected(&mut pc, "SELECT"), "0", "they were told of before");
}

#[test]
fn exactly_one_of_those_that_look_gets_what_comes() {
    let server = Server::new();
    let (mut pc, mut phone, mut tablet) = (server.alice_in_inbox(), server.alice_in_inbox(), server.alice());
    tablet.send("a EXAMINE INBOX");
    server.alice().fill(2);
    tablet.check("a NOOP", &["* 2 EXISTS", "* 2 RECENT", "a OK NOOP done"]);
    phone.check("a NOOP", &["* 2 EXISTS", "* 2 RECENT", "a OK NOOP done"]);
    assert_eq!(pc.send("a NOOP"), "* 2 EXISTS\r\na OK NOOP done\r\n");
    server.alice().fill(1);
    pc.check("a NOOP", &["* 3 EXISTS", "* 1 RECENT", "a OK NOOP done"]);
    assert_eq!(phone.send("a NOOP"), "* 3 EXISTS\r\na OK NOOP done\r\n");
    phone.check("a SEARCH RECENT", &["* SEARCH 1 2", "a OK SEARCH done"]);
    pc.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    phone.send("a NOOP");
    phone.check("a EXPUNGE", &["* 1 EXPUNGE", "* 1 RECENT", "a OK EXPUNGE done"]);
    pc.check("a FETCH 3 FLAGS", &["* 3 FETCH (FLAGS (\\Recent))", "a OK FETCH done"]);
}

#[test]
fn a_new_mailbox_and_a_copy_are_recent() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(1);
    pc.send("a CREATE New");
    pc.send("a COPY 1 New");
    pc.check("a STATUS New (RECENT)", &["* STATUS \"New\" (RECENT 1)", "a OK STATUS done"]);
    assert!(pc.send("a SELECT New").contains("* 1 RECENT\r\n"));
}

#[test]
fn imap4rev2_knows_nothing_recent() {
    let server = Server::new();
    server.alice().fill(2);
    let mut pc = server.alice();
    pc.send("a ENABLE IMAP4rev2");
    assert_eq!(selected(&mut pc, "SELECT"), "none");
    pc.check("a FETCH 1 FLAGS", &["* 1 FETCH (FLAGS ())", "a OK FETCH done"]);
    pc.append("INBOX", "Subject: a\r\n\r\n");
    let answer = pc.send("a FETCH 1:3 FLAGS");
    assert!(!answer.contains("ecent"), "{answer}");
    // It was told of them first.
    assert_eq!(selected(&mut server.alice(), "SELECT"), "0");
    let mut phone = server.alice_in_inbox();
    phone.fill(1);
    phone.check("a FETCH 4 FLAGS", &["* 4 FETCH (FLAGS (\\Recent))", "a OK FETCH done"]);
    phone.send("a ENABLE IMAP4rev2");
    let answer = phone.send("a FETCH 4 FLAGS");
    assert!(!answer.contains("ecent"), "{answer}");
}

#[test]
fn what_came_before_the_server_started_is_not_recent_and_what_comes_after_is() {
    let server = Server::new();
    server.alice().fill(3);
    let again = server.restarted();
    again.alice().fill(1);
    assert_eq!(selected(&mut again.alice(), "SELECT"), "1");
}
