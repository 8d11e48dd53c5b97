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
