//! MULTIAPPEND (RFC 3502): several messages in one APPEND, all of them or none.

use crate::harness::{Client, MESSAGE_BYTES_MAX, Server};
use session::Step;
use store::sim::Fault;
use store::{MailboxId, PIECE_MESSAGES_MAX, SystemFlag, Timestamp};

const INBOX: MailboxId = MailboxId(1);

/// An APPEND of messages that the client does not wait to be asked for.
fn multiappend(tag: &str, messages: &[&str]) -> String {
    let message = |message: &&str| format!(" {{{}+}}\r\n{message}", message.len());
    format!("{tag} APPEND INBOX{}", messages.iter().map(message).collect::<String>())
}

fn bodies(server: &Server) -> Vec<Vec<u8>> {
    let account = server.account();
    let (view, reader) = (account.view(INBOX).unwrap(), account.reader().unwrap());
    view.index().iter().map(|entry| reader.body(entry.email).unwrap()).collect()
}

fn uid_validity(server: &Server) -> store::UidValidity {
    server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity
}

#[test]
fn several_messages_come_in_one_commit_each_with_its_flags_and_date() {
    let server = Server::new();
    let mut client = server.alice_in_inbox();
    let validity = uid_validity(&server);
    let before = server.commits();
    client.check(
        "a APPEND INBOX (\\Seen) \" 7-Jul-2026 02:44:25 +0200\" {3+}\r\none (\\Flagged) {3+}\r\ntwo {5+}\r\nthree",
        &["* 3 EXISTS", &format!("a OK [APPENDUID {validity} 1:3] APPEND done")],
    );
    assert_eq!(server.commits() - before, 1);
    assert_eq!(bodies(&server), [&b"one"[..], b"two", b"three"]);
    let view = server.account().view(INBOX).unwrap();
    let has = |at: usize, flag| view.index().get(at).unwrap().flags.has(flag);
    assert!(has(0, SystemFlag::Seen) && !has(1, SystemFlag::Seen) && has(1, SystemFlag::Flagged));
    let dates = [0, 1].map(|at| view.index().get(at).unwrap().internal_date);
    assert_eq!(dates, [Timestamp::from_unix_seconds(1_783_385_065), Timestamp(crate::harness::NOW.unix_millis)]);
}

#[test]
fn each_message_is_asked_for_where_the_client_waits_for_that() {
    let server = Server::new();
    let mut client = server.alice();
    let validity = uid_validity(&server);
    let long = "x".repeat(MESSAGE_BYTES_MAX as usize - 5);
    client.check("a APPEND INBOX {3}", &["+ Send the literal"]);
    client.check(&format!("one (\\Seen) {{{}}}", long.len()), &["+ Send the literal"]);
    client.check(&format!("{long} {{5}}"), &["+ Send the literal"]);
    client.check("three", &[&format!("a OK [APPENDUID {validity} 1:3] APPEND done")]);
    assert_eq!(bodies(&server), [b"one", long.as_bytes(), b"three"]);
}

#[test]
fn one_message_that_cannot_be_stored_leaves_none_of_the_others() {
    let server = Server::new();
    let mut client = server.alice();
    let long = "x".repeat(MESSAGE_BYTES_MAX as usize + 1);
    client.check(&multiappend("a", &["one", ""]), &["a NO Nothing was appended"]);
    client.check(&multiappend("b", &["", "two"]), &["b NO Nothing was appended"]);
    client.check(&multiappend("c", &["one", &long]), &["c NO [TOOBIG] Literal too big"]);
    client.check("d APPEND INBOX {3+}\r\none NOOP {3+}\r\ntwo", &["d BAD Expected a literal"]);
    client.check("e APPEND INBOX {3+}\r\none UTF8 (~{3+}\r\ntwo)", &["e BAD ENABLE UTF8=ACCEPT first"]);
    client.check(
        "f APPEND INBOX {3+}\r\none ~{3+}\r\n\0wo",
        &["f NO [UNKNOWN-CTE] the message has a NUL octet, which mail must not have and IMAP cannot carry"],
    );
    client.check("g APPEND Nowhere {3+}\r\none {3+}\r\ntwo", &["g NO [TRYCREATE] No such mailbox"]);
    let keyword = "k".repeat(101);
    let answer = client.send(&format!("h APPEND INBOX {{3+}}\r\none ({keyword}) {{3+}}\r\ntwo"));
    assert!(answer.starts_with("h NO [LIMIT]"), "{answer}");
    let half = "x".repeat(MESSAGE_BYTES_MAX as usize);
    let answer = client.send(&multiappend("i", &[&half, &half, &half]));
    assert!(answer.starts_with("i NO [LIMIT] Too many large"), "{answer}");
    assert_eq!(bodies(&server), [b""; 0]);
    // Nothing of what was given up is left to a later command.
    client.check(
        &multiappend("j", &["a", "b"]),
        &[&format!("j OK [APPENDUID {} 1:2] APPEND done", uid_validity(&server))],
    );
}

#[test]
fn what_is_more_than_the_quota_brings_nothing() {
    let server = Server::new();
    let mut client = server.alice();
    let (device, now) = (store::DeviceId(0), Timestamp(crate::harness::NOW.unix_millis));
    let actor = store::Actor { device, protocol: store::Protocol::Server, now };
    server.account().set_quota(actor, store::Quota::of_bytes(5)).unwrap();
    let answer = client.send(&multiappend("a", &["123", "456"]));
    assert!(answer.starts_with("a NO [OVERQUOTA]"), "{answer}");
    let many = vec!["1"; PIECE_MESSAGES_MAX + 1];
    let commits = server.commits();
    assert!(client.send(&multiappend("b", &many)).starts_with("b NO [OVERQUOTA]"));
    assert_eq!((bodies(&server).len(), server.commits()), (0, commits));
    assert!(client.send(&multiappend("c", &["123", "45"])).starts_with("c OK"));
}

/// Plays a command until `pieces` commits were made.
fn pieces(server: &Server, client: &mut Client, line: &str, pieces: u64) {
    let before = server.commits();
    for segment in format!("{line}\r\n").as_bytes().chunks(16 * 1024) {
        client.receive_raw(segment);
        while server.commits() - before < pieces {
            assert_eq!(client.step(), "");
            if client.step == Step::Wait {
                break;
            }
        }
    }
    assert_eq!(server.commits() - before, pieces);
}

#[test]
fn more_than_one_commit_takes_come_in_pieces_and_all_of_them_or_none() {
    let many: Vec<String> = (0..=2 * PIECE_MESSAGES_MAX).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let command = multiappend("a", &many);
    let server = Server::new();
    let (mut client, validity) = (server.alice(), uid_validity(&server));
    let before = server.commits();
    client.check(&command, &[&format!("a OK [APPENDUID {validity} 1:{}] APPEND done", many.len())]);
    assert_eq!(server.commits() - before, 3);
    assert!(bodies(&server).iter().map(Vec::as_slice).eq(many.iter().map(|message| message.as_bytes())));
    assert_eq!(server.account().check(&server.store).unwrap(), []);

    // The session ends, or the machine loses its power, after two of three pieces.
    for is_crash in [false, true] {
        let server = Server::new();
        let mut client = server.alice();
        assert!(client.append("INBOX", "there").contains("p OK"));
        pieces(&server, &mut client, &command, 2);
        let server = if is_crash {
            server.after_crash()
        } else {
            drop(client);
            server
        };
        assert_eq!(bodies(&server), [b"there"]);
        assert_eq!(server.account().check(&server.store).unwrap(), []);
        let answer = server.alice().append("INBOX", "new");
        assert!(answer.contains(&format!(" {}] APPEND", 2 + 2 * PIECE_MESSAGES_MAX)), "no UID is used again: {answer}");
    }
}

#[test]
fn nothing_is_acknowledged_that_is_not_on_disk() {
    for fault in [Fault::Failed, Fault::CrashBefore] {
        let server = Server::new();
        let mut client = server.alice();
        server.fail_next_commit(fault);
        let answer = client.send(&multiappend("a", &["one", "two", "three"]));
        assert!(answer.starts_with("a NO"), "{answer}");
        let left = bodies(&server.after_crash()).len();
        assert!(left == 0 || (left == 3 && fault == Fault::Failed), "{left}");
    }
}

#[test]
fn the_details_of_many_messages_took_memory_without_a_bound() {
    let server = Server::new();
    let mut client = server.alice();
    let flags: String = (0..600).map(|n| format!(" keyword-of-a-length-that-is-allowed-to-everybody-{n}")).collect();
    let one = format!(" ({}) {{1+}}\r\nx", flags.trim_start());
    let answer = client.send(&format!("a APPEND INBOX{}", one.repeat(40)));
    assert_eq!(answer, "a NO [LIMIT] Too many messages in one command\r\n");
    client.check("b NOOP", &["b OK NOOP done"]);
}
