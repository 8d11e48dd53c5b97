//! Messages that are put together (RFC 4469).

use crate::harness::{MESSAGE_BYTES_MAX, Server};

/// A message of two parts, the second one long; with what that is.
fn long_message() -> (String, String) {
    let long = "0123456789abcdef".repeat(4096);
    let header = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    (format!("{header}--b\r\n\r\nshort\r\n--b\r\n\r\n{long}\r\n--b--\r\n"), long)
}

#[test]
fn a_long_part_is_taken_whatever_the_steps() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    let (message, long) = long_message();
    client.append("INBOX", &message);
    let parts = "(URL \"/INBOX/;UID=1/;SECTION=2/;PARTIAL=3.60000\" TEXT {3+}\r\n<>\0 URL \";UID=1/;SECTION=1\")";
    let refused = client.raw(format!("a APPEND Drafts CATENATE {parts}\r\n"));
    assert!(refused.starts_with("a NO [CANNOT]"), "no door takes a NUL: {refused}");
    let parts = parts.replace('\0', "|");
    let line = format!("a APPEND Drafts CATENATE {parts}");
    let answer = client.send_slowly(&line, || {});
    assert!(answer.starts_with("a OK [APPENDUID"), "{answer}");
    let expected = format!("{}<>|short", &long[3..60_003]);
    client.send("a SELECT Drafts");
    let told = client.send("a FETCH 1 BODY.PEEK[]");
    assert!(told.contains(&expected), "{} octets", told.len());
    assert!(told.starts_with(&format!("* 1 FETCH (BODY[] {{{}}}\r\n", expected.len())));
}

#[test]
fn a_message_of_parts_is_bounded_as_any() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.append("INBOX", &long_message().0);
    let twice = client.send("a APPEND Drafts CATENATE (URL \";UID=1\" URL \";UID=1\")");
    assert_eq!(twice, "a NO [TOOBIG] The message would be too large\r\n");
    let most = MESSAGE_BYTES_MAX as usize;
    let text = "t".repeat(most - 5);
    for (part, expected) in [("", "OK [APPENDUID"), ("x", "NO [TOOBIG]")] {
        let command = format!("a APPEND Drafts CATENATE (TEXT {{{}+}}\r\n{text} ", text.len());
        let answer = client.raw(format!("{command}URL \";UID=1/;SECTION=1\" TEXT {{{}+}}\r\n{part})\r\n", part.len()));
        assert!(answer.contains(&format!("a {expected}")), "{answer}");
    }
    client.check("a STATUS Drafts (MESSAGES)", &["* STATUS \"Drafts\" (MESSAGES 1)", "a OK STATUS done"]);
}

#[test]
fn others_have_their_turn_between_many_parts() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.append("INBOX", "Subject: a\r\n\r\nb");
    let parts = " URL \"/INBOX/;UID=1/;PARTIAL=0.1\"".repeat(1800);
    let steps = client.steps_of(format!("a APPEND Drafts CATENATE ({})\r\n", parts.trim_start()).as_bytes());
    assert!(steps > 3, "{steps}");
    client.check("a STATUS Drafts (SIZE)", &["* STATUS \"Drafts\" (SIZE 1800)", "a OK STATUS done"]);
    let too_many = " URL a".repeat(2001);
    assert!(client.send(&format!("a APPEND Drafts CATENATE ({})", too_many.trim_start())).starts_with("a BAD"));
}

#[test]
fn a_connection_that_breaks_leaves_nothing_of_a_message() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.append("INBOX", "Subject: a\r\n\r\nb");
    client.raw("a APPEND Drafts CATENATE (URL \";UID=1\" TEXT {10+}\r\n0123456789 TEXT {10+}\r\n012");
    drop(client);
    let mut other = server.alice();
    other.check("a STATUS Drafts (MESSAGES)", &["* STATUS \"Drafts\" (MESSAGES 0)", "a OK STATUS done"]);
}

#[test]
fn a_replacement_put_together_of_parts_was_refused() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    let (message, long) = long_message();
    client.append("INBOX", &message);
    // RFC 8508 §4.2: also of the message that it takes the place of.
    let parts = "(TEXT {3+}\r\na\r\n URL \"/INBOX/;UID=1/;SECTION=2\" TEXT {1+}\r\n!)";
    let answer =
        client.raw(format!("a UID REPLACE 1 INBOX (\\Draft) \" 1-Feb-2003 04:05:06 +0000\" CATENATE {parts}\r\n"));
    assert!(answer.starts_with("* OK [APPENDUID "), "{answer}");
    assert!(answer.contains("* 1 EXPUNGE\r\n") && answer.ends_with("a OK REPLACE done\r\n"), "{answer}");
    let told = client.send("a FETCH 1 (UID INTERNALDATE FLAGS BODY.PEEK[])");
    assert!(
        told.starts_with("* 1 FETCH (UID 2 INTERNALDATE \" 1-Feb-2003 04:05:06 +0000\" FLAGS (\\Draft"),
        "{}",
        &told[..100]
    );
    assert!(told.contains(&format!("\r\na\r\n{long}!")), "{}", &told[..100]);
    // What leads nowhere, or to nothing that can be, leaves the message where it is.
    for (line, expected) in [
        ("UID REPLACE 2 INBOX CATENATE (URL \";UID=9\")", "a NO [BADURL ;UID=9]"),
        ("UID REPLACE 2 Nowhere CATENATE (URL \";UID=2\")", "a NO [TRYCREATE]"),
        ("UID REPLACE 2 INBOX CATENATE (URL \";UID=2\" URL \";UID=2\")", "a NO [TOOBIG]"),
        ("UID REPLACE 1 INBOX CATENATE (URL \";UID=2\")", "a NO [NONEXISTENT]"),
        ("REPLACE 1 INBOX CATENATE (URL \";UID=2\") CATENATE (URL \";UID=2\")", "a BAD"),
    ] {
        let answer = client.send(&format!("a {line}"));
        assert!(answer.starts_with(expected), "{line}: {answer}");
    }
    let status = "* STATUS \"INBOX\" (MESSAGES 1 UIDNEXT 3)";
    client.check("a STATUS INBOX (MESSAGES UIDNEXT)", &[status, "a OK STATUS done"]);
}
