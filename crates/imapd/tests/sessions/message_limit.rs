//! MESSAGELIMIT and SAVELIMIT (RFC 9738): a command is about so many messages at most.

use crate::harness::{Client, Server};
use imapd::MessageLimit;
use std::num::NonZeroU32;
use store::MailboxId;

const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

/// A client in an INBOX of five messages, with a mailbox beside it.
fn client(limit: MessageLimit) -> (Server, Client) {
    let server = Server::limited(limit);
    let mut client = server.alice();
    client.fill(5);
    client.send("c CREATE Other");
    client.send("s SELECT INBOX");
    (server, client)
}

fn three() -> (Server, Client) {
    client(MessageLimit::Every(THREE))
}

#[test]
fn one_limit_is_announced_or_none() {
    let check = |limit: MessageLimit, names: &[&str]| {
        let server = Server::limited(limit);
        let mut client = server.connect();
        for _ in 0..2 {
            let told = client.send("a CAPABILITY");
            let told: Vec<&str> = told.split_whitespace().filter(|name| name.contains("ELIMIT=")).collect();
            assert_eq!(told, names);
            client.send(&format!("l LOGIN alice@example.org \"{}\"", crate::harness::PASSWORD));
        }
    };
    check(MessageLimit::None, &[]);
    check(MessageLimit::Every(THREE), &["MESSAGELIMIT=3"]);
    check(MessageLimit::Saving(THREE), &["SAVELIMIT=3"]);
}

#[test]
fn fetch_tells_the_last_messages_from_the_highest_on() {
    let (_server, mut client) = three();
    let uid = |number: u32| format!("* {number} FETCH (UID {number})");
    let cut = "OK [MESSAGELIMIT 3 3] FETCH done, of the last 3 messages";
    client.check("a FETCH 1:* UID", &[&uid(5), &uid(4), &uid(3), &format!("a {cut}")]);
    client.check("b UID FETCH 1:2 UID", &[&uid(1), &uid(2), "b OK FETCH done"]);
    client.check("c FETCH 3:5 UID", &[&uid(3), &uid(4), &uid(5), "c OK FETCH done"]);
    client.check("d FETCH 1,3:4,5 UID", &[&uid(5), &uid(4), &uid(3), &format!("d {cut}")]);
    client.send("e SEARCH RETURN (SAVE) UID 1:3");
    client.check("f FETCH $ UID", &[&uid(1), &uid(2), &uid(3), "f OK FETCH done"]);
    // Whole messages, one after the other.
    let answer = client.send("g FETCH 1:* BODY.PEEK[HEADER]");
    let order: Vec<&str> = answer.lines().filter(|line| line.ends_with('}')).map(|line| &line[..3]).collect();
    assert_eq!(order, ["* 5", "* 4", "* 3"]);
    assert!(answer.ends_with(&format!("g {cut}\r\n")), "{answer}");
    let answer = client.send("h FETCH 1:* BODY[TEXT]");
    assert_eq!(answer.matches("FLAGS (\\Seen").count(), 3, "those that are told are seen: {answer}");
    let answer = client.send("i FETCH 1:* ENVELOPE");
    assert!(answer.contains("* 5 FETCH") && !answer.contains("* 2 FETCH"), "{answer}");
}

/// RFC 9738 §3.1: for the others it is asked again, below the last one that was told.
#[test]
fn who_goes_on_below_has_every_message_once() {
    let server = Server::limited(MessageLimit::Every(THREE));
    let mut client = server.alice_in_inbox();
    client.fill(13);
    client.send("a UID STORE 4,9:10 +FLAGS.SILENT (\\Deleted)");
    client.send("b EXPUNGE");
    let (mut fetched, mut found, mut below) = (Vec::new(), Vec::new(), 14);
    let uids = |text: &str| -> Vec<u32> { text.split_whitespace().map(|uid| uid.parse().unwrap()).collect() };
    let mut rounds = 0;
    loop {
        rounds += 1;
        let answer = client.send(&format!("c UID FETCH 1:{} UID", below - 1));
        fetched.extend(answer.lines().filter_map(|line| line.split_once("(UID ")?.1.strip_suffix(')')).flat_map(uids));
        let answer_of_search = client.send(&format!("d UID SEARCH UIDBEFORE {below}"));
        let line = answer_of_search.lines().find_map(|line| line.strip_prefix("* SEARCH")).unwrap();
        found.extend(uids(line).into_iter().rev());
        let cut =
            |answer: &str| Some(answer.split_once("[MESSAGELIMIT 3 ")?.1.split_once(']')?.0.parse::<u32>().unwrap());
        assert_eq!(cut(&answer), cut(&answer_of_search));
        match cut(&answer) {
            Some(lowest) => below = lowest,
            None => break,
        }
    }
    assert_eq!(rounds, 4, "ten messages");
    // The last round, which is whole, comes in the order of the mailbox.
    assert_eq!(fetched, [13, 12, 11, 8, 7, 6, 5, 3, 2, 1]);
    assert_eq!(found, fetched);
}

#[test]
fn a_page_that_is_too_long_is_refused() {
    let (_server, mut client) = three();
    let refused = "NO [MESSAGELIMIT 3] This page has too many messages";
    client.check("a UID FETCH 1:* UID (PARTIAL -1:-4)", &[&format!("a {refused}")]);
    client.check("b UID FETCH 1:* UID (PARTIAL -1:-1)", &["* 5 FETCH (UID 5)", "b OK FETCH done"]);
    // There are no more, whatever was asked for.
    client.check("c UID FETCH 5 UID (PARTIAL 1:1000)", &["* 5 FETCH (UID 5)", "c OK FETCH done"]);
}

#[test]
fn of_those_that_changed_the_last_ones_are_told() {
    let (server, mut client) = three();
    let highest = server.account().view(MailboxId(1)).unwrap().mailbox().highest_modseq.0;
    client.send("a STORE 1:2 +FLAGS.SILENT (x)");
    client.send("b STORE 3,5 +FLAGS.SILENT (x)");
    let answer = client.send(&format!("c UID FETCH 1:* FLAGS (CHANGEDSINCE {highest})"));
    assert!(answer.contains("c OK [MESSAGELIMIT 3 2] FETCH done"), "{answer}");
    assert!(answer.contains("UID 5") && answer.contains("UID 2 ") && !answer.contains("UID 1 "), "{answer}");
    let answer = client.send(&format!("d UID FETCH 1:1 FLAGS (CHANGEDSINCE {highest})"));
    assert!(answer.contains("UID 1 ") && answer.contains("d OK FETCH done"), "{answer}");
}

#[test]
fn search_goes_through_the_last_messages() {
    let (_server, mut client) = three();
    let cut = "OK [MESSAGELIMIT 3 3] SEARCH done, of the last 3 messages";
    client.send("s STORE 2,4 +FLAGS.SILENT (\\Flagged)");
    client.check("a SEARCH ALL", &["* SEARCH 3 4 5", &format!("a {cut}")]);
    client.check("b UID SEARCH FLAGGED", &["* SEARCH 4", &format!("b {cut}")]);
    client.check("c UID SEARCH UID 1:2 FLAGGED", &["* SEARCH 2", "c OK SEARCH done"]);
    client.check(
        "d SEARCH RETURN (MIN MAX COUNT) ALL",
        &["* ESEARCH (TAG \"d\") MIN 3 MAX 5 COUNT 3", &format!("d {cut}")],
    );
    client.check("e SEARCH UIDBEFORE 3", &["* SEARCH 1 2", "e OK SEARCH done"]);
    client.check("f SEARCH UIDAFTER 3", &["* SEARCH 4 5", "f OK SEARCH done"]);
    client.check("g SEARCH UIDBEFORE 1", &["* SEARCH", "g OK SEARCH done"]);
    client.check("h SEARCH UIDAFTER 5", &["* SEARCH", "h OK SEARCH done"]);
    // RFC 9738 §3.4
    client.check("i SEARCH RETURN (SAVE) ALL", &[&format!("i {cut}")]);
    client.check("j SEARCH $", &["* SEARCH 3 4 5", "j OK SEARCH done"]);
    client.send("k ENABLE UIDONLY");
    client.check("l UID SEARCH ALL", &["* SEARCH 3 4 5", &format!("l {cut}")]);
}

#[test]
fn what_is_kept_up_to_date_is_about_the_last_messages_too() {
    let (_server, mut client) = three();
    let answer = client.send("a UID SEARCH RETURN (ALL UPDATE) UNFLAGGED");
    assert!(answer.starts_with("* ESEARCH (TAG \"a\") UID ALL 3:5\r\na OK [MESSAGELIMIT 3 3]"), "{answer}");
    let answer = client.send("b STORE 1,3 +FLAGS.SILENT (\\Flagged)");
    assert!(answer.contains("REMOVEFROM (0 3)"), "{answer}");
    let answer = client.send("c STORE 1,3 -FLAGS.SILENT (\\Flagged)");
    assert!(answer.contains("ADDTO (0 3)"), "{answer}");
    client.append("INBOX", "Subject: later\r\n\r\nx");
    let answer = client.send("d NOOP");
    assert!(answer.contains("d OK"), "{answer}");
}

/// RFC 9738 §3.3
#[test]
fn more_messages_are_not_put_in_order() {
    let (_server, mut client) = three();
    let refused = "NO [MESSAGELIMIT 3] Too many messages to be put in order, try fewer";
    client.check("a SORT (SUBJECT) UTF-8 ALL", &[&format!("a {refused}")]);
    client.check("b THREAD REFERENCES UTF-8 FLAGGED", &[&format!("b {refused}")]);
    client.check("c SORT (REVERSE SUBJECT) UTF-8 2:4", &["* SORT 4 3 2", "c OK SORT done"]);
    client.check("d UID THREAD REFERENCES UTF-8 UIDAFTER 3", &["* THREAD (4)(5)", "d OK THREAD done"]);
}

#[test]
fn esearch_of_several_mailboxes_is_refused_where_they_have_more() {
    let (_server, mut client) = three();
    client.check(
        "a ESEARCH IN (MAILBOXES (INBOX Other)) RETURN (COUNT) ALL",
        &["a NO [MESSAGELIMIT 3] Too many messages to be searched, try fewer mailboxes"],
    );
    client.check("b ESEARCH IN (MAILBOXES Other) RETURN (COUNT) ALL", &["b OK ESEARCH done"]);
    let answer = client.send("c ESEARCH IN (SELECTED) RETURN (COUNT) ALL");
    assert!(answer.contains("COUNT 3\r\nc OK [MESSAGELIMIT 3 3] ESEARCH done"), "{answer}");
}

#[test]
fn store_changes_the_last_messages() {
    let (_server, mut client) = three();
    let told = |number: u32| format!("* {number} FETCH (UID {number} FLAGS (\\Flagged))");
    client.check(
        "a STORE 1:* +FLAGS (\\Flagged)",
        &[&told(3), &told(4), &told(5), "a OK [MESSAGELIMIT 3 3] STORE done, of the last 3 messages"],
    );
    client.check("b SEARCH UID 1:2 FLAGGED", &["* SEARCH", "b OK SEARCH done"]);
    // What the answer says already it says alone.
    let answer = client.send("c UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS.SILENT (x)");
    let expected = ["* NO [MESSAGELIMIT 3 3] Of the last messages only\r\n", "\r\nc OK [MODIFIED 3:5]"];
    assert!(expected.iter().all(|line| answer.contains(line)), "{answer}");
    // Several that come at once.
    let answer =
        client.raw("d STORE 1 +FLAGS.SILENT (y)\r\ne STORE 1:* +FLAGS.SILENT (y)\r\nf SEARCH UID 1:2 KEYWORD y\r\n");
    let expected = ["d OK STORE done", "e OK [MESSAGELIMIT 3 3] STORE done", "* SEARCH 1\r\nf OK"];
    assert!(expected.iter().all(|line| answer.contains(line)), "{answer}");
}

#[test]
fn copy_is_refused_and_move_takes_the_last_messages() {
    let (server, mut client) = three();
    client.check("a COPY 1:* Other", &["a NO [MESSAGELIMIT 3 3] Too many messages to be copied, try fewer"]);
    // What the client can mend is told first.
    client.check("b COPY 1:* None", &["b NO [TRYCREATE] No such mailbox"]);
    client.check("c STATUS Other (MESSAGES)", &["* STATUS \"Other\" (MESSAGES 0)", "c OK STATUS done"]);
    let to = server.account().mailboxes().unwrap().by_name("Other").unwrap().uid_validity;
    client.check("d UID COPY 3:* Other", &[&format!("d OK [COPYUID {to} 3:5 1:3] COPY done")]);
    client.check(
        "e UID MOVE 1:* Other",
        &[
            &format!("* OK [COPYUID {to} 3:5 4:6] Moved"),
            "* 5 EXPUNGE",
            "* 4 EXPUNGE",
            "* 3 EXPUNGE",
            "e OK [MESSAGELIMIT 3 3] MOVE done, of the last 3 messages",
        ],
    );
    let answer = client.send("f UID MOVE 1:* Other");
    assert!(answer.ends_with("f OK MOVE done\r\n"), "{answer}");
}

#[test]
fn uid_expunge_counts_deleted_messages_and_others_have_no_limit() {
    let (_server, mut client) = three();
    client.send("a UID STORE 1,3 +FLAGS.SILENT (\\Deleted)");
    client.check("b UID EXPUNGE 1:*", &["* 3 EXPUNGE", "* 1 EXPUNGE", "b OK EXPUNGE done"]);
    client.fill(3);
    client.send("c UID STORE 4:* +FLAGS.SILENT (\\Deleted)");
    client.send("d UID STORE 1:5 +FLAGS.SILENT (\\Deleted)");
    client.check(
        "e UID EXPUNGE 1:*",
        &["* 6 EXPUNGE", "* 5 EXPUNGE", "* 4 EXPUNGE", "e OK [MESSAGELIMIT 3 6] EXPUNGE done, of the last 3 messages"],
    );
    client.check("f UID EXPUNGE 1:*", &["* 3 EXPUNGE", "* 2 EXPUNGE", "* 1 EXPUNGE", "f OK EXPUNGE done"]);
    client.fill(5);
    for range in ["1:3", "4:5"] {
        client.send(&format!("g STORE {range} +FLAGS.SILENT (\\Deleted)"));
    }
    let answer = client.send("h EXPUNGE");
    assert!(answer.matches(" EXPUNGE\r\n").count() == 5 && answer.contains("h OK EXPUNGE done"), "{answer}");
}

#[test]
fn an_append_of_more_messages_brings_none() {
    let (_server, mut client) = three();
    let refused = "NO [MESSAGELIMIT 3] Too many messages in one command, try fewer";
    let messages = |count: usize| format!("a APPEND Other{}", " {1+}\r\nx".repeat(count));
    assert_eq!(client.send(&messages(4)), format!("a {refused}\r\n"));
    assert_eq!(client.send(&messages(9)), format!("a {refused}\r\n"));
    client.check("b STATUS Other (MESSAGES)", &["* STATUS \"Other\" (MESSAGES 0)", "b OK STATUS done"]);
    assert!(client.send(&messages(3)).starts_with("a OK [APPENDUID"));
    // Who waits to be asked for a message is not asked for the fourth.
    client.check("c APPEND Other {1}", &["+ Send the literal"]);
    client.check("x {1}", &["+ Send the literal"]);
    client.check("x {1}", &["+ Send the literal"]);
    client.check("x {1}", &[&format!("c {refused}")]);
    client.check("d STATUS Other (MESSAGES)", &["* STATUS \"Other\" (MESSAGES 3)", "d OK STATUS done"]);
}

#[test]
fn savelimit_is_about_copy_and_append_alone() {
    let (_server, mut client) = client(MessageLimit::Saving(THREE));
    client.check("a COPY 1:* Other", &["a NO [MESSAGELIMIT 3 3] Too many messages to be copied, try fewer"]);
    let answer = client.send(&format!("b APPEND Other{}", " {1+}\r\nx".repeat(4)));
    assert_eq!(answer, "b NO [MESSAGELIMIT 3] Too many messages in one command, try fewer\r\n");
    client.check("c SEARCH ALL", &["* SEARCH 1 2 3 4 5", "c OK SEARCH done"]);
    client.check("d SORT (ARRIVAL) UTF-8 ALL", &["* SORT 1 2 3 4 5", "d OK SORT done"]);
    assert!(client.send("e FETCH 1:* UID").contains("e OK FETCH done"));
    assert!(client.send("f STORE 1:* +FLAGS.SILENT (\\Deleted)").contains("f OK STORE done"));
    assert!(client.send("g UID EXPUNGE 1").contains("g OK EXPUNGE done"));
    assert!(client.send("h MOVE 1:* Other").contains("h OK MOVE done"));
}
