//! What a client asks for with few octets and could make the server do much for, or with many octets for nothing.

use crate::harness::Server;
use store::{Flags, NewMessage, Protocol, Target, Timestamp};

/// A step of each: what comes of it is answered before another client's turn would be late.
const STEPS_MAX: usize = 2;

#[test]
fn five_megabytes_of_parentheses_are_refused_and_the_session_goes_on() {
    let server = Server::new();
    for (open, close) in [("(", ")"), ("NOT (", ")"), ("OR ALL (", ")")] {
        let mut client = server.alice_in_inbox();
        let nested = 2_500_000 / open.len();
        let answer = client.raw(format!("a SEARCH {}ALL{}\r\n", open.repeat(nested), close.repeat(nested)));
        assert!(answer.starts_with("a BAD "), "{open}: {answer}");
        assert_eq!(answer.lines().count(), 1, "{open}: {answer}");
        client.check("b NOOP", &["b OK NOOP done"]);
    }
}

#[test]
fn a_set_of_all_numbers_there_are_is_looked_up_not_counted() {
    let server = Server::new();
    server.alice().fill(3);
    let mut client = server.alice_in_inbox();
    for (command, is_answered) in [
        ("UID FETCH 1:4294967295 UID", true),
        ("UID FETCH 4294967295:1 UID", true),
        ("UID SEARCH UID 1:4294967295", true),
        ("UID SEARCH RETURN (PARTIAL 1:4294967295) ALL", true),
        ("UID FETCH 1:* UID (PARTIAL -1:-4294967295)", true),
        ("UID STORE 1:4294967295 +FLAGS (\\Flagged)", true),
        ("UID COPY 4:4294967295 Junk", true),
        ("FETCH 1:4294967295 UID", false),
    ] {
        assert!(client.steps_of(format!("a {command}\r\n").as_bytes()) <= STEPS_MAX, "{command}");
        let answer = client.send(&format!("b {command}"));
        assert_eq!(answer.contains("b OK"), is_answered, "{command}: {answer}");
    }
}

#[test]
fn a_thousand_times_all_messages_are_all_messages_once() {
    let server = Server::new();
    server.alice().fill(3);
    let mut client = server.alice_in_inbox();
    let set = vec!["1:*"; 1000].join(",");
    client.check(
        &format!("a FETCH {set} UID"),
        &["* 1 FETCH (UID 1)", "* 2 FETCH (UID 2)", "* 3 FETCH (UID 3)", "a OK FETCH done"],
    );
    client.check(&format!("b SEARCH {set}"), &["* SEARCH 1 2 3", "b OK SEARCH done"]);
    assert!(client.steps_of(format!("c UID STORE {set} +FLAGS (\\Seen)\r\n").as_bytes()) <= STEPS_MAX);
    // More ranges than a set may have.
    let set = vec!["1:*"; 10_001].join(",");
    let answer = client.send(&format!("d FETCH {set} UID"));
    assert!(answer.starts_with("d BAD "), "{answer}");
}

#[test]
fn a_header_of_a_hundred_thousand_fields_is_one_step_for_each_command() {
    let server = Server::new();
    let fields: String = (0..100_000).map(|n| format!("X{}: y\r\n", n % 10)).collect();
    let (account, now) = (server.account(), Timestamp(crate::harness::NOW.unix_millis));
    let actor = store::Actor { device: store::DeviceId(0), protocol: Protocol::Server, now };
    let body = format!("Message-ID: <a@x>\r\n{fields}\r\nbody\r\n").into();
    account.append(actor, Target::Inbox, NewMessage { body, flags: Flags::default(), internal_date: now }).unwrap();
    let mut client = server.alice_in_inbox();
    for command in [
        "FETCH 1 (ENVELOPE BODYSTRUCTURE THREADID)",
        "FETCH 1 BODY.PEEK[HEADER.FIELDS (X1)]",
        "SEARCH HEADER X9 z",
        "SEARCH THREADID T1",
        "SORT (SUBJECT) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "THREAD REFS UTF-8 ALL",
    ] {
        // A slice more for what is sent before the next.
        assert!(client.steps_of(format!("a {command}\r\n").as_bytes()) <= STEPS_MAX + 1, "{command}");
        let answer = client.send(&format!("b {command}"));
        assert!(answer.contains("b OK"), "{command}");
    }
}

/// How many there are only says in how many slices: others wait for one of them.
#[test]
fn an_order_and_threads_of_many_messages_read_some_of_them_at_a_time() {
    const MESSAGES: usize = 3500;
    // Of a message in a slice at most so often: its summary, and for threads by references its header.
    const READS_MAX: u64 = 3 * 1000;
    let server = Server::new();
    let (account, now) = (server.account(), Timestamp(crate::harness::NOW.unix_millis));
    let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let actor = store::Actor { device: store::DeviceId(0), protocol: Protocol::Server, now };
    let message = |n: usize| {
        let text = format!("Subject: {}\r\nMessage-ID: <{n}@x>\r\nReferences: <{}@x>\r\n\r\n", n * 7919 % 997, n / 2);
        (inbox, NewMessage { body: text.into_bytes(), flags: Flags::default(), internal_date: now })
    };
    for first in (0..MESSAGES).step_by(500) {
        let some = (first..first + 500).map(message).collect();
        assert!(account.append_in_turn(actor, some).iter().all(Result::is_ok));
    }
    for command in ["SORT (SUBJECT FROM) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL"] {
        // Without what the one before has left.
        let server = server.restarted();
        let mut client = server.alice_in_inbox();
        let (mut before, mut most, mut pauses) = (server.reads(), 0, 0);
        let told = client.send_slowly(&format!("a {command}"), || {
            let reads = server.reads();
            (most, before, pauses) = (most.max(reads - before), reads, pauses + 1);
        });
        assert!(told.contains("a OK"), "{command}");
        assert!((1..=READS_MAX).contains(&most) && pauses > MESSAGES / 1000, "{command}: {most} {pauses}");
    }
}
