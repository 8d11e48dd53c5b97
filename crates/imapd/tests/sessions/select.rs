//! SELECT, EXAMINE, CLOSE, ENABLE, CONDSTORE and QRESYNC (RFC 9051 §6.3.2, RFC 7162).

use crate::harness::Server;

#[test]
fn an_empty_inbox() {
    let server = Server::new();
    let uid_validity = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity;
    server.alice().check(
        "a SELECT inbox",
        &[
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted",
            "* 0 EXISTS",
            "* 0 RECENT",
            &format!("* OK [UIDVALIDITY {uid_validity}] UIDs are valid"),
            "* OK [UIDNEXT 1] Predicted next UID",
            "* OK [MAILBOXID (F1)] Immutable",
            "* OK [URLMECH INTERNAL] Addresses can be authorized",
            "* OK [HIGHESTMODSEQ 2] Highest",
            "a OK [READ-WRITE] Selected",
        ],
    );
}

#[test]
fn examine_is_read_only() {
    let server = Server::new();
    server.alice().fill(1);
    let mut client = server.alice();
    let answer = client.send("a EXAMINE INBOX");
    assert!(
        answer.contains("* OK [PERMANENTFLAGS ()] ") && answer.ends_with("a OK [READ-ONLY] Examined\r\n"),
        "{answer}"
    );
    let refusal = "a NO [READ-ONLY] The mailbox is open read-only";
    client.check("a STORE 1 +FLAGS \\Deleted", &[refusal]);
    client.check("a EXPUNGE", &[refusal]);
    client.check("a MOVE 1 Trash", &[refusal]);
    client.check("a CLOSE", &["a OK Closed"]);
    client.check("a CLOSE", &["a BAD Select a mailbox first"]);
}

/// Who shares a mailbox, and what is noted beside it, is no concern of whoever opens it.
#[test]
fn a_mailbox_with_rights_and_annotations_is_opened_by_the_same_reads() {
    let reads = |has_both: bool| {
        let server = Server::new();
        let mut client = server.alice();
        client.fill(3);
        if has_both {
            let (most, list) = ("x".repeat(16_000), "a SETACL INBOX bob lrswipkxtea");
            assert!(client.send(list).starts_with("a OK"));
            for n in 0..100 {
                let note = format!("b SETMETADATA INBOX (/private/n{n} \"{}\")", if n < 10 { &most } else { "x" });
                assert!(client.send(&note).starts_with("b OK"), "{n}");
            }
        }
        // The first time after a start, and again.
        let server = server.restarted();
        let mut client = server.alice();
        ["SELECT", "SELECT", "EXAMINE"].map(|verb| {
            let before = (server.reads(), server.commits());
            assert!(client.send(&format!("s {verb} INBOX")).contains("s OK"));
            (server.reads() - before.0, server.commits() - before.1)
        })
    };
    let (with, without) = (reads(true), reads(false));
    assert_eq!(with, without);
    assert_eq!(without[1..], [(0, 0); 2], "what is known is not read");
}

/// A guest who opens a mailbox again is told by what is in memory, however much that is; who may look into whose mail is looked up anew.
#[test]
fn a_guest_opens_a_mailbox_again_without_reading_it() {
    let costs = |messages: usize| {
        let server = Server::new();
        let mut alice = server.alice();
        alice.fill(messages);
        alice.send("a SETACL INBOX bob lrs");
        let mut bob = server.bob();
        [(); 3].map(|()| {
            let before = (server.reads(), server.commits());
            assert!(bob.send("s SELECT Shared/alice/INBOX").contains("s OK"));
            (server.reads() - before.0, server.commits() - before.1)
        })
    };
    let [_, again, and_again] = costs(3);
    assert_eq!((again, again.1), (and_again, 0));
    assert_eq!(costs(300)[1..], [again; 2]);
}

#[test]
fn what_fails_leaves_nothing_selected() {
    let mut client = Server::new().alice_in_inbox();
    client.check(
        "a SELECT Nowhere",
        &["* OK [CLOSED] The previous mailbox is closed", "a NO [NONEXISTENT] no such mailbox"],
    );
    client.check("a EXPUNGE", &["a BAD Select a mailbox first"]);
}

#[test]
fn unseen_is_the_first_one_without_seen() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.fill(4);
    let unseen = |client: &mut crate::harness::Client| {
        let answer = client.send("a EXAMINE INBOX");
        answer.split("[UNSEEN ").nth(1).map(|rest| rest.split(']').next().unwrap().to_owned())
    };
    let mut other = server.alice();
    assert_eq!(unseen(&mut other).as_deref(), Some("1"));
    client.send("a STORE 1:2 +FLAGS.SILENT \\Seen");
    assert_eq!(unseen(&mut other).as_deref(), Some("3"));
    client.send("a STORE 3:4 +FLAGS.SILENT \\Seen");
    assert_eq!(unseen(&mut other), None);
}

#[test]
fn unselect_keeps_what_close_expunges() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    client.fill(2);
    client.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    client.check("a UNSELECT", &["a OK Closed"]);
    client
        .check("a STATUS INBOX (MESSAGES DELETED)", &["* STATUS \"INBOX\" (MESSAGES 2 DELETED 1)", "a OK STATUS done"]);
    client.send("a SELECT INBOX");
    client.check("a CLOSE", &["a OK Closed"]);
    client
        .check("a STATUS INBOX (MESSAGES DELETED)", &["* STATUS \"INBOX\" (MESSAGES 1 DELETED 0)", "a OK STATUS done"]);
}

#[test]
fn enable_tells_what_is_new() {
    let mut client = Server::new().alice();
    client.check("a ENABLE UTF8=ACCEPT X-FOO", &["* ENABLED UTF8=ACCEPT", "a OK ENABLE done"]);
    client.check("a ENABLE QRESYNC", &["* ENABLED CONDSTORE QRESYNC", "a OK ENABLE done"]);
    client.check("a ENABLE CONDSTORE", &["* ENABLED", "a OK ENABLE done"]);
    let answer = client.send("a ENABLE IMAP4rev2");
    assert!(answer.starts_with("* ENABLED IMAP4rev2\r\n"));
    let answer = client.send("a SELECT INBOX");
    assert!(
        answer.contains("* LIST () \"/\" \"INBOX\"\r\n") || answer.contains("* LIST () \"/\" \"INBOX\"\r\n"),
        "{answer}"
    );
    assert!(!answer.contains("RECENT") && !answer.contains("UNSEEN"), "{answer}");
}

#[test]
fn qresync_tells_what_was_missed() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(5);
    let mailbox = || server.account().mailboxes().unwrap().by_name("INBOX").unwrap().clone();
    let known = mailbox();
    pc.send("a STORE 2 +FLAGS.SILENT \\Flagged");
    pc.send("a STORE 4 +FLAGS.SILENT \\Deleted");
    pc.send("a EXPUNGE");
    let now = mailbox();
    let mut phone = server.alice();
    let (validity, since) = (known.uid_validity, known.highest_modseq);
    phone.check(&format!("a SELECT INBOX (QRESYNC ({validity} {since}))"), &["a BAD ENABLE QRESYNC first"]);
    phone.send("a ENABLE QRESYNC");
    let answer = phone.send(&format!("a SELECT INBOX (QRESYNC ({validity} {since} 1:9))"));
    let news = "* VANISHED (EARLIER) 4\r\n* 4 FETCH (UID 5 FLAGS () MODSEQ (14))\r\n* 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (";
    assert!(answer.contains(news), "{answer}");
    assert!(answer.contains("* 4 EXISTS\r\n"), "{answer}");
    for (parameters, vanished) in [
        // Told again: an EXPUNGE may have been held back while the client heard of a later change.
        (format!("{validity} {}", now.highest_modseq), "* VANISHED (EARLIER) 4\r\n"),
        (format!("{} 1", validity.0 + 1), ""),
        (format!("{validity} {since} 6:9"), ""),
    ] {
        let answer = phone.send(&format!("a SELECT INBOX (QRESYNC ({parameters}))"));
        assert!(answer.contains(vanished) && !answer.contains("FETCH"), "{parameters}: {answer}");
        assert_eq!(answer.matches("VANISHED").count(), vanished.len().min(1), "{parameters}: {answer}");
    }
}

#[test]
fn a_client_with_qresync_gets_vanished_and_modseq() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(4);
    let mut phone = server.alice();
    phone.send("a ENABLE QRESYNC");
    phone.send("a SELECT INBOX");
    pc.send("a STORE 1,3:4 +FLAGS.SILENT \\Deleted");
    let answer = phone.send("a NOOP");
    assert!(answer.starts_with("* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ ("), "{answer}");
    pc.send("a EXPUNGE");
    let highest = || server.account().mailboxes().unwrap().by_name("INBOX").unwrap().highest_modseq;
    phone.check("a NOOP", &["* VANISHED 1,3:4", &format!("a OK [HIGHESTMODSEQ {}] NOOP done", highest())]);
    phone.check("a NOOP", &["a OK NOOP done"]);
    let answer = phone.send("a STORE 1 +FLAGS (\\Deleted)");
    assert!(answer.contains("* 1 FETCH (UID 2 FLAGS (\\Deleted) MODSEQ ("), "{answer}");
    let answer = phone.send("a EXPUNGE");
    assert_eq!(answer, format!("* VANISHED 2\r\na OK [HIGHESTMODSEQ {}] EXPUNGE done\r\n", highest()));
}

#[test]
fn close_tells_how_far_the_client_knows_and_no_further() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    pc.fill(3);
    let highest = || server.account().mailboxes().unwrap().by_name("INBOX").unwrap().highest_modseq;
    let mut phone = server.alice();
    phone.send("a ENABLE QRESYNC");
    phone.send("a SELECT INBOX");
    phone.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    let answer = phone.send("a CLOSE");
    assert_eq!(answer, format!("a OK [HIGHESTMODSEQ {}] Closed\r\n", highest()));
    phone.send("a SELECT INBOX");
    phone.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    pc.send("a UID STORE 3 +FLAGS.SILENT \\Seen");
    phone.check("a CLOSE", &["a OK Closed"]);
}

#[test]
fn nothing_is_news_before_the_answer_to_select() {
    for (command, enable) in [
        ("SELECT INBOX", "CONDSTORE"),
        ("EXAMINE INBOX", "CONDSTORE"),
        ("SELECT INBOX", "IMAP4rev2"),
        ("SELECT INBOX (QRESYNC (VALIDITY 1))", "QRESYNC"),
    ] {
        let server = Server::new();
        let mut pc = server.alice_in_inbox();
        pc.fill(5);
        let validity = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity;
        let mut phone = server.alice();
        phone.send(&format!("e ENABLE {enable}"));
        phone.send("x SELECT INBOX");
        let command = command.replace("VALIDITY", &validity.to_string());
        let mut steps = 0;
        let answer = phone.send_slowly(&format!("a {command}"), || {
            steps += 1;
            pc.append("INBOX", "Subject: new\r\n\r\n");
            pc.send("a STORE 1 +FLAGS (\\Deleted)");
            pc.send("a EXPUNGE");
        });
        assert!(steps > 1, "{command}: nothing came in between");
        assert!(answer.starts_with("* OK [CLOSED]"), "{command}: {answer}");
        assert_eq!(answer.matches("EXISTS").count(), 1, "{command}: {answer}");
        assert_eq!(answer.matches("VANISHED").count() + answer.matches("EXPUNGE").count(), 0, "{command}: {answer}");
        assert!(answer.contains("* 5 EXISTS\r\n") && answer.contains("\r\na OK ["), "{command}: {answer}");
        let news = phone.send("a NOOP");
        assert!(news.contains("* 5 EXISTS\r\n") && news.contains("EXPUNGE") != news.contains("VANISHED"), "{news}");
    }
}
