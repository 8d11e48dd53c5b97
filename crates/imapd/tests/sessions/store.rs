//! STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3) and who hears of it.

use crate::harness::Server;

#[test]
fn own_and_foreign_changes_come_from_one_place() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(2);
    let mut phone = server.alice_in_inbox();
    pc.check(
        "a STORE 1 +FLAGS (\\Seen $Label1)",
        &[
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label1)",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label1 \\*)] Flags permitted",
            "* 1 FETCH (UID 1 FLAGS (\\Seen $Label1))",
            "a OK STORE done",
        ],
    );
    phone.check(
        "a NOOP",
        &[
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label1)",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label1 \\*)] Flags permitted",
            "* 1 FETCH (UID 1 FLAGS (\\Seen $Label1))",
            "a OK NOOP done",
        ],
    );
    phone.check("a NOOP", &["a OK NOOP done"]);
    pc.check("a UID STORE 1 -FLAGS $LABEL1", &["* 1 FETCH (UID 1 FLAGS (\\Seen))", "a OK STORE done"]);
    pc.check("a STORE 2 FLAGS ()", &["* 2 FETCH (UID 2 FLAGS ())", "a OK STORE done"]);
}

#[test]
fn a_store_that_changes_nothing_still_answers() {
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(3);
    pc.send("a STORE 2 +FLAGS \\Seen");
    pc.check(
        "a STORE 1:3 +FLAGS \\Seen",
        &[
            "* 1 FETCH (UID 1 FLAGS (\\Seen))",
            "* 3 FETCH (UID 3 FLAGS (\\Seen))",
            "* 2 FETCH (UID 2 FLAGS (\\Seen))",
            "a OK STORE done",
        ],
    );
}

#[test]
fn silent_hides_own_changes_and_no_foreign_one() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(3);
    phone.send("a NOOP");
    pc.send("a NOOP");
    phone.send("a STORE 2:3 +FLAGS.SILENT \\Flagged");
    pc.check(
        "a STORE 1:2 +FLAGS.SILENT \\Seen",
        &["* 3 FETCH (UID 3 FLAGS (\\Flagged))", "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))", "a OK STORE done"],
    );
    pc.check("a NOOP", &["a OK NOOP done"]);
}

#[test]
fn uids_that_are_gone_and_numbers_that_never_were() {
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(1);
    pc.check("a UID STORE 7:9 +FLAGS \\Seen", &["a OK STORE done"]);
    pc.check("a UID COPY 7 Trash", &["a OK COPY done"]);
    pc.check("a UID MOVE 7 Trash", &["a OK MOVE done"]);
    pc.check("a STORE 2 +FLAGS \\Seen", &["a BAD No message has this number"]);
    pc.check("a COPY 1 Nowhere", &["a NO [TRYCREATE] No such mailbox"]);
}

#[test]
fn unchangedsince_leaves_out_what_changed() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(3);
    phone.send("a NOOP");
    let since = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().highest_modseq;
    phone.send("a STORE 2 +FLAGS \\Flagged");
    let answer = pc.send(&format!("a UID STORE 1:3 (UNCHANGEDSINCE {since}) +FLAGS.SILENT \\Seen"));
    let lines: Vec<&str> = answer.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 5, "{answer}");
    assert_eq!(lines[0], format!("* OK [HIGHESTMODSEQ {since}] Highest"));
    assert!(lines[1].starts_with("* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ ("), "{answer}");
    assert!(lines[2].starts_with("* 1 FETCH (UID 1 MODSEQ ("), "{answer}");
    assert!(lines[3].starts_with("* 3 FETCH (UID 3 MODSEQ ("), "{answer}");
    assert_eq!(lines[4], "a OK [MODIFIED 2] Some have changed since");
}

#[test]
fn many_changes_are_told_in_pieces() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(2500);
    phone.send("a NOOP");
    let answer = pc.send("a STORE 1:* +FLAGS (\\Seen \\Flagged \\Answered)");
    assert_eq!(answer.matches(" FETCH (UID ").count(), 2500);
    assert!(answer.len() > session::OUTPUT_HIGH_WATER_BYTES);
    assert_eq!(phone.send("a NOOP").matches(" FETCH (UID ").count(), 2500);
    let answer = pc.send("a STORE 1:* +FLAGS (\\Seen \\Flagged \\Answered)");
    assert_eq!(answer.matches(" FETCH (UID ").count(), 2500);
    phone.check("a NOOP", &["a OK NOOP done"]);
}

/// Thunderbird appends on one connection and flags on another, with the UID that APPENDUID told.
#[test]
fn a_uid_that_another_connection_was_told_is_found() {
    let server = Server::new();
    let mut one = server.alice_in_inbox();
    let mut other = server.alice_in_inbox();
    one.fill(2);
    other
        .check("a UID STORE 2 +FLAGS (\\Seen)", &["* 2 EXISTS", "* 2 FETCH (UID 2 FLAGS (\\Seen))", "a OK STORE done"]);
    one.fill(1);
    other.check(
        "b UID STORE 1:* +FLAGS (\\Flagged)",
        &[
            "* 1 FETCH (UID 1 FLAGS (\\Flagged))",
            "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))",
            "* 3 EXISTS",
            "b OK STORE done",
        ],
    );
}
