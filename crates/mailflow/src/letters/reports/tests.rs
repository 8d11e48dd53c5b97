use super::*;
use message::structure::{Content, Structure};
use queue::{Entry, LastReply, NewEntry, Queue, RecipientState, Warning};
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::Store;
use store::sim::{SimEngine, SimObjects};
use wording::Language;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: &str = "mail.example.org";

fn entry(recipients: &[&str]) -> Entry {
    let queue =
        Queue::open(&Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new())), queue::Policy::default());
    let recipients = recipients.iter().map(|text| ForwardPath::Mailbox(text.parse().unwrap()).into()).collect();
    let reverse_path = ReversePath::Mailbox("alice@example.org".parse().unwrap());
    let new = NewEntry::new(reverse_path, recipients, Arc::new(b"x".to_vec()));
    let entry = queue.show(queue.enqueue(new, Timestamp(NOW.0 - 60_000)).unwrap().id).unwrap();
    Entry { id: QueueId(7), attempts: 1, ..entry }
}

fn reply(code: u16, status: &str, text: &str) -> LastReply {
    let (status, text) = (status.to_owned(), text.to_owned());
    LastReply { at: NOW, code, status, text, by_smarthost: true, host: None, tls: true }
}

fn failed(recipients: &[&str], reply: &LastReply) -> Entry {
    let mut entry = entry(recipients);
    for recipient in &mut entry.recipients {
        recipient.state = RecipientState::Failed { reply: reply.clone(), reported: false };
    }
    entry
}

fn letter(matter: Matter, entry: &Entry, original: &[u8]) -> String {
    let handover = Handover::new(&[b"x"], NOW, 1);
    let (other_server, expires_at) = ("relay.example.net", Timestamp(NOW.0 + 3_600_000));
    let report = Report { matter, entry, original, other_server, expires_at, handover };
    let letter = of(Notice::Report(report), SERVER, NOW).unwrap();
    assert_eq!(letter.to, "alice@example.org");
    String::from_utf8(letter.content).unwrap()
}

fn parts(letter: &str) -> Vec<String> {
    let structure = Structure::parse(letter.as_bytes());
    assert!(structure.root.is("multipart", "report"), "{structure:?}");
    assert!(matches!(structure.root.content, Content::Multipart(_)), "{structure:?}");
    let part = |part: &message::Part| {
        format!("{}/{} {}", part.media_type, part.subtype, String::from_utf8_lossy(part.body.of(letter.as_bytes())))
    };
    structure.root.children().iter().map(part).collect()
}

fn holds(text: &str, pieces: &[&str]) {
    pieces.iter().for_each(|piece| assert!(text.contains(piece), "{piece:?} is not in\n{text}"));
}

#[test]
fn a_person_and_a_program_can_read_it() {
    let mut entry = failed(&["b@y", "c@y"], &reply(550, "5.1.1", "No such user"));
    entry.recipients[1].state = RecipientState::Waiting { last: None };
    entry.envelope_id = Some("QQ 314".to_owned());
    entry.recipients[0].original = "rfc822;Bob+2Bx@old.example".parse().ok();
    let original = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n";
    let letter = letter(Matter::Failed, &entry, original);
    holds(
        &letter,
        &[
            "To: <alice@example.org>\r\n",
            "Subject: Your message could not be delivered\r\n",
            "Message-ID: <bounce.7.1.failed@mail.example.org>\r\n",
            "In-Reply-To: <1@x>\r\n",
            "Auto-Submitted: auto-replied\r\n",
            "report-type=delivery-status;",
        ],
    );
    let parts = parts(&letter);
    assert_eq!(parts.len(), 3);
    holds(
        &parts[0],
        &[
            "text/plain",
            "  b@y\r\n      relay.example.net says: 550 No such user\r\n      There is no such address there.",
            "Its subject was: Grüße\r\n",
            "still being tried.\r\n",
        ],
    );
    assert!(!parts[0].contains("c@y"));
    let status = "message/delivery-status Original-Envelope-Id: QQ 314\r\nReporting-MTA: dns; mail.example.org\r\n\
         Arrival-Date: Mon, 21 Sep 2026 14:12:20 +0000\r\n\r\n\
         Original-Recipient: rfc822; Bob+x@old.example\r\n\
         Final-Recipient: rfc822; b@y\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; relay.example.net\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 No such user\r\nLast-Attempt-Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n";
    assert_eq!(parts[1].trim_end(), status.trim_end());
    assert!(parts[2].starts_with("text/rfc822-headers Subject:") && !parts[2].contains("body"), "{}", parts[2]);
}

#[test]
fn who_waits_is_told_until_when_and_that_there_is_nothing_to_do() {
    let mut entry = entry(&["b@y", "c@y"]);
    entry.recipients[0].state = RecipientState::Waiting { last: Some(reply(451, "4.7.1", "greylisted")) };
    entry.recipients[0].warning = Warning::Due;
    let letter = letter(Matter::Delayed, &entry, b"Subject: s\r\n\r\nbody\r\n");
    let parts = parts(&letter);
    let text = parts[0].replace("\r\n", " ");
    holds(
        &text,
        &["not been delivered yet to:", "says: 451 greylisted", "You need not do anything", "15:13:20 +0000."],
    );
    assert!(!letter.contains("c@y") && !text.contains("nothing more will be tried"));
    let until = "Will-Retry-Until: Mon, 21 Sep 2026 15:13:20 +0000\r\n";
    holds(&parts[1], &["Action: delayed\r\nStatus: 4.7.1\r\n", until]);
    assert!(parts[2].starts_with("text/rfc822-headers"));
}

#[test]
fn who_asked_for_it_is_told_that_another_server_has_it() {
    let mut entry = entry(&["b@y"]);
    entry.recipients[0].state = RecipientState::Delivered { reply: reply(250, "2.0.0", "taken"), untold: true };
    let letter = letter(Matter::Relayed, &entry, b"Subject: s\r\n\r\nbody\r\n");
    let parts = parts(&letter);
    holds(&parts[0], &["Another server has taken your message for:\r\n\r\n  b@y\r\n"]);
    holds(&parts[1], &["Action: relayed\r\nStatus: 2.0.0\r\nRemote-MTA: dns; relay.example.net\r\n"]);
}

#[test]
fn the_whole_message_comes_back_where_it_is_wanted_and_not_too_long() {
    let check = |ret: Option<Return>, body: &str, expected: &str, is_whole: bool| {
        let mut entry = failed(&["b@y"], &reply(550, "5.0.0", "no"));
        entry.ret = ret;
        let letter = letter(Matter::Failed, &entry, format!("Subject: s\r\n\r\n{body}").as_bytes());
        let part = parts(&letter).pop().unwrap();
        assert!(part.starts_with(expected), "{part:.99}");
        assert_eq!(part.contains(body), is_whole, "{part:.99}");
    };
    check(None, "body\r\n", "text/rfc822-headers ", false);
    check(Some(Return::Header), "body\r\n", "text/rfc822-headers ", false);
    check(Some(Return::Full), "body ü\r\n", "message/rfc822 Subject: s", true);
    let longest = "x".repeat(998) + "\r\n";
    let long = longest.repeat(262) + &"x".repeat(256 * 1024 - 262 * 1000 - 14);
    check(Some(Return::Full), &long, "message/rfc822 ", true);
    check(Some(Return::Full), &(long + "x"), "text/rfc822-headers ", false);
    check(Some(Return::Full), &format!("x{longest}"), "text/rfc822-headers ", false);
}

#[test]
fn what_is_not_ascii_has_its_own_types() {
    let mut entry = failed(&["jörg@y"], &reply(550, "5.0.0", "nein"));
    let text = letter(Matter::Failed, &entry, b"X: 1\r\n\r\n");
    let found = parts(&text);
    assert!(found[1].starts_with("message/global-delivery-status"), "{}", found[1]);
    holds(&found[1], &["Final-Recipient: utf-8; jörg@y\r\n", "Status: 5.0.0"]);
    assert!(found[2].starts_with("message/global-headers"));
    holds(&text, &["report-type=global-delivery-status;"]);
    entry.recipients[0].address = "b@y".to_owned();
    entry.recipients[0].original = "utf-8;j\\x{F6}rg@y".parse().ok();
    entry.ret = Some(Return::Full);
    let found = parts(&letter(Matter::Failed, &entry, b"X: 1\r\n\r\nbody"));
    holds(&found[1], &["Original-Recipient: utf-8; jörg@y\r\nFinal-Recipient: rfc822; b@y\r\n"]);
    assert!(found[2].starts_with("message/global "), "{}", found[2]);
}

/// The encodings of the whole and of its parts.
fn encodings(letter: &str) -> Vec<String> {
    let structure = Structure::parse(letter.as_bytes());
    let parts = std::iter::once(&structure.root).chain(structure.root.children());
    parts.map(|part| part.encoding.clone()).collect()
}

#[test]
fn a_delivery_status_in_ascii_was_called_8bit() {
    let check = |address: &str, text: &str, original: &str, expected: [&str; 4]| {
        let letter = letter(Matter::Failed, &failed(&[address], &reply(550, "5.0.0", text)), original.as_bytes());
        assert_eq!(encodings(&letter), expected, "{letter}");
        letter
    };
    check("b@y", "no", "X: 1\r\n\r\n", ["7bit"; 4]);
    let found = check("b@y", "größer", "X: 1\r\n\r\n", ["8bit", "8bit", "7bit", "7bit"]);
    holds(&found, &["Diagnostic-Code: smtp; 550 5.0.0 gr??er\r\n"]);
    check("b@y", "no", "X: ü\r\n\r\n", ["8bit", "7bit", "7bit", "8bit"]);
    check("jörg@y", "no", "X: 1\r\n\r\n", ["8bit", "8bit", "8bit", "7bit"]);
    let long = |octets: usize| format!("X: {}\r\n\r\n", "x".repeat(octets - 3));
    check("b@y", "no", &long(998), ["7bit"; 4]);
    check("b@y", "no", &long(999), ["binary", "7bit", "7bit", "binary"]);
}

#[test]
fn nobody_can_break_out_of_a_part() {
    let boundary = format!("=_bounce.7.1.failed_{}", NOW.0);
    let evil = format!("X: 1\r\nY: \r\n\t--{boundary}\r\nSubject: a\r\n\r\n--{boundary}--\r\n");
    let mut entry = failed(&["b@y"], &reply(550, "5.0.0", &format!("no  --{boundary}--  ")));
    for ret in [None, Some(Return::Full)] {
        entry.ret = ret;
        let found = letter(Matter::Failed, &entry, evil.as_bytes());
        assert_eq!(parts(&found).len(), 3, "{found}");
    }
    let found = letter(Matter::Failed, &entry, b"no header at all \xff\n\nx");
    assert_eq!(parts(&found).len(), 3);
}

#[test]
fn of_many_recipients_a_person_reads_a_few_and_a_program_all() {
    let addresses: Vec<String> = (0..60).map(|number| format!("b{number}@y")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let found = parts(&letter(Matter::Failed, &failed(&addresses, &reply(550, "5.1.1", "no")), b"X: 1\r\n\r\n"));
    assert_eq!(found[0].matches("says: 550 no").count(), 50);
    holds(&found[0], &["and 10 more, whom the second part of this message names."]);
    assert_eq!(found[1].matches("Action: failed").count(), 60);
}

#[test]
fn lines_are_short_and_each_kind_of_failure_says_what_to_do() {
    for status in ["5.1.1", "5.1.2", "5.2.2", "5.3.4", "5.4.7", "5.7.1", "5.6.7", "5.0.0", "5.1.8", "5.4.6", "5.2.1"] {
        let found = parts(&letter(Matter::Failed, &failed(&["b@y"], &reply(550, status, "no")), b"X: 1\r\n\r\n"));
        let advice: Vec<&str> = found[0].lines().skip_while(|line| !line.contains("says: 550")).skip(1).collect();
        assert!(advice[0].starts_with("      ") && advice[0].len() > 20, "{status}: {advice:?}");
        assert!(found[0].lines().all(|line| line.len() <= 78), "{}", found[0]);
    }
}

#[test]
fn a_report_speaks_to_people_and_not_to_programs() {
    let entry = failed(&["b@y"], &reply(550, "5.1.1", "No such user"));
    let of = |language| wording::speaking(language, || letter(Matter::Failed, &entry, b"Subject: s\r\n\r\nbody\r\n"));
    let english = parts(&of(Language::English));
    for (language, begin, tag) in [
        (Language::German, "Ihre Nachricht konnte nicht zugestellt werden an:\r\n\r\n  b@y\r\n", "de"),
        (Language::Japanese, "次の宛先にメールを配達できませんでした。\r\n\r\n  b@y\r\n", "ja"),
    ] {
        let whole = of(language);
        let (head, _) = whole.split_once("\r\n\r\n").unwrap();
        assert!(head.is_ascii() && head.contains(&format!("\r\nContent-Language: {tag}\r\n")), "{head}");
        let found = parts(&whole);
        holds(&found[0], &[begin, "550 No such user"]);
        assert_eq!((&found[1], &found[2]), (&english[1], &english[2]));
        assert!(found[0].lines().all(|line| line.len() <= 998), "{}", found[0]);
    }
}

#[test]
fn no_report_says_a_word_that_is_in_no_catalogue() {
    let addresses: Vec<String> = (0..60).map(|number| format!("b{number}@y")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut depth = 0;
    let mut is_outside = |c: &char| {
        depth += i32::from(*c == '⟦') - i32::from(*c == '⟧');
        depth == 0 && *c != '⟧'
    };
    wording::pseudo(|| {
        for status in
            ["5.1.1", "5.1.2", "5.2.1", "5.2.2", "5.3.4", "5.4.6", "5.4.7", "5.6.7", "5.6.3", "5.1.8", "5.7.1", "5.0.0"]
        {
            let failed = failed(&addresses, &reply(550, status, "no"));
            for matter in [Matter::Failed, Matter::Delayed, Matter::Relayed] {
                let mut entry = failed.clone();
                for recipient in &mut entry.recipients {
                    recipient.state = match matter {
                        Matter::Failed => continue,
                        Matter::Delayed => RecipientState::Waiting { last: Some(reply(451, "4.7.1", "later")) },
                        Matter::Relayed => RecipientState::Delivered { reply: reply(250, "2.0.0", "ok"), untold: true },
                    };
                }
                let found = letter(matter, &entry, b"Subject: s\r\n\r\nbody\r\n");
                let text = parts(&found).remove(0);
                let text = text.strip_prefix("text/plain ").unwrap();
                let left: String = text.chars().filter(&mut is_outside).collect();
                let words: Vec<&str> = left.split_whitespace().filter(|word| !word.contains('@')).collect();
                assert!(words.is_empty(), "{words:?} in {text}");
            }
        }
    });
}
