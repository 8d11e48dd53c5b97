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
    assert!(answer.contains(" 2 1] Moved\r\n* 2 EXPUNGE\r\n* 2 RECENT\r\na OK MOVE done\r\n"), "{answer}");
    pc.check("a UID STORE $ +FLAGS \\Seen", &["a OK STORE done"]);
}

#[test]
fn a_client_that_waits_for_long_is_told_that_its_command_goes_on() {
    // RFC 9585 §4
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(1100);
    pc.receive("a SORT (SUBJECT) UTF-8 ALL");
    assert_eq!(pc.step(), "", "the first slice");
    pc.later(399);
    assert_eq!(pc.step(), "");
    pc.receive("b SORT (SUBJECT) UTF-8 ALL");
    assert!(pc.poll().ends_with("b OK SORT done\r\n"));
    // What was compared once is kept: a server that knows nothing yet has to read.
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(2100);
    pc.receive("c SORT (SUBJECT) UTF-8 ALL");
    assert_eq!(pc.step(), "");
    pc.later(400);
    assert_eq!(pc.step(), "* OK [INPROGRESS (\"c\" NIL NIL)] Still at it\r\n");
    // After the first time seldom.
    pc.later(9_999);
    assert_eq!(pc.step(), "");
    let answer = pc.poll();
    assert!(answer.starts_with("* SORT 1 10 100 1000 1001 ") && !answer.contains("INPROGRESS"), "{answer}");
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

#[test]
fn a_client_that_polls_with_search_or_fetch_finds_new_mail_at_once() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(1);
    phone.check("a UID SEARCH UNSEEN", &["* 1 EXISTS", "* SEARCH 1", "a OK SEARCH done"]);
    pc.fill(1);
    phone.check("a SEARCH *", &["* 2 EXISTS", "* SEARCH 2", "a OK SEARCH done"]);
    pc.fill(1);
    phone.check("a UID FETCH 3:* UID", &["* 3 EXISTS", "* 3 FETCH (UID 3)", "a OK FETCH done"]);
    pc.fill(1);
    phone.check("a FETCH 4:* UID", &["* 4 EXISTS", "* 4 FETCH (UID 4)", "a OK FETCH done"]);
}

#[test]
fn fetch_never_tells_old_flags() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(1);
    phone.send("a NOOP");
    pc.send("a STORE 1 +FLAGS \\Flagged");
    phone.check(
        "b FETCH 1 FLAGS",
        &["* 1 FETCH (UID 1 FLAGS (\\Flagged))", "* 1 FETCH (FLAGS (\\Flagged))", "b OK FETCH done"],
    );
}

#[test]
fn numbers_mean_what_they_meant_when_they_were_sent() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(3);
    phone.send("a NOOP");
    pc.send("a STORE 1 +FLAGS.SILENT \\Deleted");
    pc.send("a EXPUNGE");
    pc.fill(1);
    phone.check("a FETCH 3:* UID", &["* 4 EXISTS", "* 3 FETCH (UID 3)", "* 4 FETCH (UID 4)", "a OK FETCH done"]);
    phone.check("a SEARCH ALL", &["* SEARCH 1 2 3 4", "a OK SEARCH done"]);
    phone.check("a FETCH 9 UID", &["a BAD No message has this number"]);
    phone.check("a UID FETCH 3 UID", &["* 3 FETCH (UID 3)", "* 1 EXPUNGE", "a OK FETCH done"]);
}

#[test]
fn a_star_of_store_does_not_reach_mail_that_nobody_has_seen() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(1);
    phone.send("a NOOP");
    pc.fill(1);
    phone.check("a STORE 1:* +FLAGS.SILENT \\Deleted", &["* 2 EXISTS", "a OK STORE done"]);
    pc.fill(1);
    phone.check("a UID STORE 2:* +FLAGS.SILENT \\Deleted", &["* 3 EXISTS", "a OK STORE done"]);
    phone.check("a SEARCH DELETED", &["* SEARCH 1 2", "a OK SEARCH done"]);
}

#[test]
fn many_news_before_a_search_go_out_in_slices() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(2000);
    phone.send("a NOOP");
    pc.send("a STORE 1:* +FLAGS.SILENT (\\Seen \\Flagged \\Answered)");
    let answer = phone.send("a SEARCH UNSEEN");
    assert!(answer.len() > session::OUTPUT_HIGH_WATER_BYTES);
    assert_eq!(answer.matches(" FETCH (UID ").count(), 2000);
    assert!(answer.ends_with("\r\n* SEARCH\r\na OK SEARCH done\r\n"));
    phone.check("a FETCH 2000 FLAGS", &["* 2000 FETCH (FLAGS (\\Answered \\Flagged \\Seen))", "a OK FETCH done"]);
}

#[test]
fn every_command_that_switches_condstore_on_tells_the_modseq_once() {
    for command in [
        "FETCH 1 MODSEQ",
        "UID FETCH 1 UID (CHANGEDSINCE 1)",
        "SEARCH MODSEQ 1",
        "STORE 1 (UNCHANGEDSINCE 1) +FLAGS \\Seen",
        "STATUS Trash (HIGHESTMODSEQ)",
        "LIST \"\" Trash RETURN (STATUS (HIGHESTMODSEQ))",
        "ENABLE CONDSTORE",
        "ENABLE QRESYNC",
    ] {
        let server = Server::new();
        let mut pc = server.alice_in_inbox();
        pc.fill(1);
        let highest = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().highest_modseq;
        let expected = format!("* OK [HIGHESTMODSEQ {highest}] Highest\r\n");
        assert_eq!(pc.send(&format!("a {command}")).matches(&expected).count(), 1, "{command}");
        assert!(!pc.send("a FETCH 1 MODSEQ").contains("HIGHESTMODSEQ"), "{command}");
        assert!(!server.alice().send(&format!("a {command}")).contains("* OK [HIGH"), "{command}: nothing selected");
    }
}

#[test]
fn the_modseq_of_a_client_that_does_not_know_all_expunges_is_the_one_that_it_knows() {
    let server = Server::new();
    let (mut pc, mut phone) = (server.alice_in_inbox(), server.alice_in_inbox());
    pc.fill(2);
    phone.send("a NOOP");
    let known = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().highest_modseq;
    pc.send("a UID STORE 1 +FLAGS.SILENT \\Deleted");
    pc.send("a EXPUNGE");
    phone.send("a SEARCH ALL");
    let answer = phone.send("a SEARCH MODSEQ 1");
    assert!(answer.starts_with(&format!("* OK [HIGHESTMODSEQ {known}] Highest\r\n")), "{answer}");
}

/// Each TEXT and BODY key goes through every message: some are enough.
#[test]
fn a_search_asks_for_so_many_texts_and_not_one_more() {
    let mut pc = Server::new().alice_in_inbox();
    pc.fill(1);
    let texts = |count: usize| "NOT BODY zz ".repeat(count).trim_end().to_owned();
    pc.check(&format!("a SEARCH {}", texts(32)), &["* SEARCH 1", "a OK SEARCH done"]);
    pc.check(&format!("b SEARCH {}", texts(33)), &["b NO [LIMIT] Too many TEXT and BODY keys in one SEARCH"]);
}
