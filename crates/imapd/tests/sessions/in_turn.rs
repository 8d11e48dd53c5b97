//! Commands that come at once share commits, and are answered as if each had come by itself.

use crate::harness::{Client, Server};
use proptest::prelude::*;
use store::sim::Fault;

const MESSAGES: usize = 6;

fn pc(server: &Server, enable: &str) -> Client {
    let mut pc = server.alice();
    if !enable.is_empty() {
        pc.send(&format!("e ENABLE {enable}"));
    }
    pc.send("s SELECT INBOX");
    pc.fill(MESSAGES);
    pc.send("n NOOP");
    pc
}

#[test]
fn each_pipelined_store_paid_for_a_flush_of_its_own() {
    let server = Server::new();
    let mut pc = pc(&server, "");
    let before = server.commits();
    let commands: String =
        (0..100).map(|n| format!("a{n} STORE {} FLAGS (k{})\r\n", n % MESSAGES + 1, n % 9)).collect();
    let answer = pc.raw(&commands);
    assert_eq!(server.commits() - before, 1);
    let answered: Vec<&str> = answer.lines().filter(|line| line.starts_with('a')).collect();
    let expected: Vec<String> = (0..100).map(|n| format!("a{n} OK STORE done")).collect();
    assert_eq!(answered, expected);
    // One that is more than a step may do unannounced is done by itself, and so is what follows it.
    let commands: String = (0..250).map(|n| format!("b{n} UID STORE 1 FLAGS (k{})\r\n", n % 9)).collect();
    let before = server.commits();
    assert_eq!(pc.raw(&commands).matches(" OK STORE done").count(), 250);
    assert_eq!(server.commits() - before, 3);
}

#[test]
fn one_of_many_that_fails_takes_no_other_with_it() {
    let server = Server::new();
    let mut pc = pc(&server, "CONDSTORE");
    let long = "k".repeat(101);
    let answer = pc.raw(format!(
        "a STORE 1 +FLAGS (\\Seen)\r\nb STORE 2 +FLAGS ({long})\r\nc STORE 9 +FLAGS (\\Seen)\r\n\
         d STORE 3 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)\r\ne STORE 4 +FLAGS.SILENT (\\Seen)\r\nf NOOP\r\n"
    ));
    let tagged: Vec<&str> = answer.lines().filter(|line| !line.starts_with('*')).collect();
    assert!(tagged[0].starts_with("a OK") && tagged[1].starts_with("b NO [LIMIT]"), "{answer}");
    assert!(tagged[2].starts_with("c BAD") && tagged[3].starts_with("d OK [MODIFIED 3]"), "{answer}");
    assert!(tagged[4].starts_with("e OK STORE") && tagged[5].starts_with("f OK NOOP"), "{answer}");
}

#[test]
fn nothing_is_acknowledged_that_is_not_on_disk() {
    for fault in [Fault::Full, Fault::Failed, Fault::CrashBefore] {
        let server = Server::new();
        let mut pc = pc(&server, "");
        server.fail_next_commit(fault);
        let answer = pc.raw("a STORE 1 +FLAGS (\\Seen)\r\nb STORE 2 +FLAGS (\\Seen)\r\nc STORE 3 +FLAGS (\\Seen)\r\n");
        let done = answer.matches(" OK STORE done").count();
        let flags = server.after_crash().alice_in_inbox().send("a FETCH 1:3 FLAGS");
        match fault {
            // Each was tried by itself.
            Fault::Full => assert_eq!((done, flags.matches("\\Seen").count()), (3, 3), "{answer}"),
            _ => assert_eq!(done, 0, "{answer}"),
        }
        if fault == Fault::CrashBefore {
            assert_eq!(flags.matches("\\Seen").count(), 0, "{flags}");
        }
    }
}

fn appends(mailboxes: &[&str]) -> String {
    let append = |(n, mailbox): (usize, &&str)| format!("a{n} APPEND {mailbox} (k{n}) {{2+}}\r\n{:02}\r\n", n % 100);
    mailboxes.iter().enumerate().map(append).collect()
}

#[test]
fn each_pipelined_append_paid_for_a_flush_of_its_own() {
    let server = Server::new();
    let mut pc = server.alice_in_inbox();
    let before = server.commits();
    let answer = pc.raw(appends(&["INBOX"; 50]));
    assert_eq!(server.commits() - before, 1);
    let uid_validity = server.account().mailboxes().unwrap().by_name("INBOX").unwrap().uid_validity;
    // Each is told with the mailbox as it left it.
    let told: Vec<&str> = answer.lines().filter(|line| line.starts_with('a') || line.ends_with(" EXISTS")).collect();
    let expected = (0..50).flat_map(|n| {
        [format!("* {} EXISTS", n + 1), format!("a{n} OK [APPENDUID {uid_validity} {}] APPEND done", n + 1)]
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(answer.matches("* FLAGS").count(), 50, "each has a new keyword");
}

#[test]
fn pipelined_appends_are_answered_as_if_each_had_come_alone() {
    let mailboxes = ["INBOX", "Archive", "INBOX", "Nowhere", "Archive", "INBOX"];
    let nul = "n APPEND INBOX {1+}\r\n\0\r\nm APPEND INBOX ~{1+}\r\n\0\r\n";
    let wire = appends(&mailboxes) + nul + &appends(&mailboxes[..2]) + "e APPEND INBOX {0+}\r\n\r\nf NOOP\r\n";
    let play = |segment: usize| {
        let server = Server::new();
        let mut pc = server.alice_in_inbox();
        wire.as_bytes().chunks(segment).map(|segment| pc.raw(segment)).collect::<String>()
    };
    let alone = play(1);
    assert_eq!((alone.matches(" OK [APPENDUID").count(), alone.matches(" NO ").count()), (7, 4), "{alone}");
    for segment in [wire.len(), wire.len() / 2, 50] {
        assert_eq!(play(segment), alone, "{segment}");
    }
}

#[test]
fn no_pipelined_append_is_acknowledged_that_is_not_on_disk() {
    for fault in [Fault::Full, Fault::Failed, Fault::CrashBefore] {
        let server = Server::new();
        let mut pc = server.alice_in_inbox();
        server.fail_next_commit(fault);
        let done = pc.raw(appends(&["INBOX"; 5])).matches(" OK [APPENDUID").count();
        let after = server.after_crash();
        let held = after.account().view(store::MailboxId(1)).unwrap().index().len();
        match fault {
            // Each was tried by itself.
            Fault::Full => assert_eq!((done, held), (5, 5)),
            Fault::CrashBefore => assert_eq!((done, held), (0, 0)),
            _ => assert_eq!(done, 0),
        }
        assert_eq!(after.account().check(&after.store).unwrap(), []);
    }
}

fn stores() -> impl Strategy<Value = Vec<String>> {
    let message = 1..=MESSAGES + 2;
    let set = prop_oneof![
        message.clone().prop_map(|one| one.to_string()),
        (message.clone(), message).prop_map(|(one, other)| format!("{one}:{other}")),
        Just("1:*".to_owned()),
        Just("*".to_owned()),
    ];
    let flags = prop::sample::select(vec!["\\Seen", "\\Flagged", "$k", "\\Seen \\Deleted", ""]);
    let action = prop::sample::select(vec!["FLAGS", "+FLAGS", "-FLAGS", "+FLAGS.SILENT", "FLAGS.SILENT"]);
    let since = prop::sample::select(vec!["", "", "", "(UNCHANGEDSINCE 9) ", "(UNCHANGEDSINCE 12) "]);
    let verb = prop::sample::select(vec!["STORE", "STORE", "UID STORE", "UID STORE"]);
    let one = (verb, set, since, action, flags);
    let one = one.prop_map(|(verb, set, since, action, flags)| format!("{verb} {set} {since}{action} ({flags})"));
    let other = prop::sample::select(vec!["NOOP", "EXPUNGE", "FETCH 1:* FLAGS", "STORE x", "SEARCH SEEN"]);
    prop::collection::vec(prop_oneof![9 => one, 1 => other.prop_map(str::to_owned)], 1..20)
}

fn without_modseqs(answer: &str) -> String {
    let mut parts = answer.split("MODSEQ ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start_matches(|char: char| char == '(' || char.is_ascii_digit()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn at_once_or_one_by_one_the_answers_are_the_same(
        commands in stores(),
        enable in prop::sample::select(vec!["", "CONDSTORE", "QRESYNC"]),
    ) {
        let (one, other) = (Server::new(), Server::new());
        let (mut at_once, mut by_itself) = (pc(&one, enable), pc(&other, enable));
        let all: String = commands.iter().enumerate().map(|(n, command)| format!("a{n} {command}\r\n")).collect();
        let at_once = at_once.raw(&all);
        let by_itself: String =
            commands.iter().enumerate().map(|(n, command)| by_itself.send(&format!("a{n} {command}"))).collect();
        // Each commit has a MODSEQ, also one that changes no message.
        prop_assert_eq!(without_modseqs(&at_once), without_modseqs(&by_itself));
    }
}
