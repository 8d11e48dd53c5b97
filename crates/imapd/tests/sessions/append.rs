//! APPEND (RFC 9051 §6.3.12).

use crate::harness::{MESSAGE_BYTES_MAX, Server};

#[test]
fn an_append_tells_its_uid_and_the_selected_mailbox_grows() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    let inbox = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity;
    client.check("a APPEND INBOX (\\Seen $Work) \" 7-Jul-2026 02:44:25 +0200\" {16}", &["+ Send the literal"]);
    client.check(
        "Subject: a\r\n\r\nb",
        &[
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)",
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)] Flags permitted",
            "* 1 EXISTS",
            &format!("a OK [APPENDUID {inbox} 1] APPEND done"),
        ],
    );
    let view = server.account().view(store::MailboxId(1)).unwrap();
    let entry = view.index().get(0).unwrap();
    assert_eq!(entry.internal_date.unix_seconds(), 1_783_385_065);
    assert_eq!(view.mailbox().keywords.flags(entry.flags).keywords, ["$Work"]);
}

#[test]
fn the_message_is_kept_byte_for_byte() {
    let server = Server::new();
    let message = b"Subject: a\nX: \xff\r\r\nbare\rCR and LF\n\n.".to_vec();
    let mut client = server.alice();
    let mut wire = format!("a APPEND INBOX {{{}+}}\r\n", message.len()).into_bytes();
    wire.extend_from_slice(&message);
    wire.extend_from_slice(b"\r\n");
    assert!(client.raw(&wire).contains("a OK [APPENDUID"));
    let account = server.account();
    let email = account.view(store::MailboxId(1)).unwrap().index().get(0).unwrap().email;
    assert_eq!(account.reader().unwrap().body(email).unwrap(), message);
}

#[test]
fn what_is_refused() {
    let mut client = Server::new().alice();
    client.check("a APPEND Nowhere {1+}\r\nx", &["a NO [TRYCREATE] No such mailbox"]);
    client.check("a APPEND INBOX {0+}\r\n", &["a NO Nothing was appended"]);
    client.check("a APPEND INBOX UTF8 (~{1+}\r\nx)", &["a BAD ENABLE UTF8=ACCEPT first"]);
    client.check(&format!("a APPEND INBOX {{{}}}", MESSAGE_BYTES_MAX + 1), &["a NO [TOOBIG] Literal too big"]);
    client.check("a NOOP", &["a OK NOOP done"]);
    let largest = "x".repeat(MESSAGE_BYTES_MAX as usize);
    assert!(client.append("INBOX", &largest).starts_with("p OK [APPENDUID"));
}

#[test]
fn a_message_for_no_mailbox_is_refused_before_it_is_sent() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    server.alice().fill(1);
    client.check("a APPEND Nowhere (\\Seen) {99999}", &["* 1 EXISTS", "a NO [TRYCREATE] No such mailbox"]);
    client.check("b NOOP", &["b OK NOOP done"]);
    client.check("c APPEND {7}", &["+ Send the literal"]);
    client.check("Nowhere {5}", &["c NO [TRYCREATE] No such mailbox"]);
    client.check("d CREATE Nowhere", &["d OK [MAILBOXID (F7)] CREATE done"]);
    client.check("e APPEND Nowhere {2}", &["+ Send the literal"]);
    assert!(client.send("ab").starts_with("e OK [APPENDUID"));
    // A stranger's command is read to its end: what he asks for is not told.
    server.connect().check("a APPEND Nowhere {2}", &["+ Send the literal"]);
}

#[test]
fn messages_without_an_end_took_memory_without_a_bound() {
    let server = Server::new();
    let announce = format!("APPEND INBOX {{{MESSAGE_BYTES_MAX}}}");
    let mut unfinished = [server.alice(), server.alice()];
    for client in &mut unfinished {
        client.check(&format!("a {announce}"), &["+ Send the literal"]);
    }
    let mut third = server.alice();
    let refusal = "NO [LIMIT] Too many large messages are on their way, try again later";
    third.check(&format!("a {announce}"), &[&format!("a {refusal}")]);
    // What the client does not wait for is passed over, and the connection goes on behind it.
    let message = "x".repeat(MESSAGE_BYTES_MAX as usize);
    third.check(&format!("b APPEND INBOX {{{MESSAGE_BYTES_MAX}+}}\r\n{message}"), &[&format!("b {refusal}")]);
    third
        .check("c APPEND INBOX {5+}\r\nsmall", &[&format!("c OK [APPENDUID {} 1] APPEND done", uid_validity(&server))]);
    // Others have their own share.
    let mut bob = server.bob();
    bob.check(&format!("a {announce}"), &["+ Send the literal"]);
    drop(bob);
    let [mut first, second] = unfinished;
    first.check(&message, &[&format!("a OK [APPENDUID {} 2] APPEND done", uid_validity(&server))]);
    drop(second);
    third.check(&format!("d {announce}"), &["+ Send the literal"]);
    third.check(&message, &[&format!("d OK [APPENDUID {} 3] APPEND done", uid_validity(&server))]);
    let account = server.account();
    let email = account.view(store::MailboxId(1)).unwrap().index().get(2).unwrap().email;
    assert!(account.reader().unwrap().body(email).unwrap() == message.as_bytes());
}

#[test]
fn that_the_mailbox_is_not_there_was_not_told_when_there_was_no_room_either() {
    let server = Server::new();
    let mut unfinished = [server.alice(), server.alice()];
    for client in &mut unfinished {
        client.check(&format!("a APPEND INBOX {{{MESSAGE_BYTES_MAX}}}"), &["+ Send the literal"]);
    }
    let mut third = server.alice();
    let message = "x".repeat(MESSAGE_BYTES_MAX as usize);
    third.check(
        &format!("a APPEND Nowhere {{{MESSAGE_BYTES_MAX}+}}\r\n{message}"),
        &["a NO [TRYCREATE] No such mailbox"],
    );
    drop(unfinished);
    let actor = store::Actor {
        device: store::DeviceId(0),
        protocol: store::Protocol::Server,
        now: store::Timestamp(crate::harness::NOW.unix_millis),
    };
    server.account().set_quota(actor, store::Quota::of_bytes(0)).unwrap();
    for announced in ["{2+}", "{2}"] {
        let answer = third.send(&format!("b APPEND Nowhere {announced}\r\nhi"));
        assert!(answer.starts_with("b NO [TRYCREATE]"), "{answer}");
    }
    third.check("c NOOP", &["c OK NOOP done"]);
}

#[test]
fn a_long_message_of_a_command_that_is_none_is_forgotten() {
    let server = Server::new();
    let mut client = server.alice();
    let message = "x".repeat(MESSAGE_BYTES_MAX as usize);
    for _ in 0..3 {
        client.check(
            &format!("a APPEND INBOX {{{MESSAGE_BYTES_MAX}+}}\r\n{message} more"),
            &["a BAD Unexpected text after the command"],
        );
    }
    client.check(&format!("b APPEND INBOX {{{MESSAGE_BYTES_MAX}}}"), &["+ Send the literal"]);
    client.check(&message, &[&format!("b OK [APPENDUID {} 1] APPEND done", uid_validity(&server))]);
}

fn uid_validity(server: &Server) -> store::UidValidity {
    server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity
}
