use super::*;
use crate::testing::{ENABLED_CONDSTORE, ENABLED_REV2, Mailbox, NOW, request_search};
use imap_proto::Status;
use proptest::prelude::*;
use store::{SystemFlag, Uid};

fn search(command: &str, enabled: Enabled, selected: &Selected) -> Search {
    Search::new(&request_search(command), Tag::new("a").unwrap(), enabled, &Place::selected(selected), NOW)
}

/// What a command says, how it ends and in how many slices.
fn run(command: &str, enabled: Enabled, selected: &mut Selected) -> (String, Tagged, usize) {
    let mut search = search(command, enabled, selected);
    let mut output = Vec::new();
    for slices in 1.. {
        match search.run(selected, &mut output) {
            Progress::Done(tagged) => return (String::from_utf8(output).unwrap(), tagged, slices),
            Progress::More => assert!(output.is_empty()),
        }
    }
    unreachable!("a search ends")
}

fn said(command: &str, enabled: Enabled, selected: &mut Selected) -> String {
    let (said, tagged, _) = run(command, enabled, selected);
    assert_eq!(tagged.status, Status::Ok, "{command}");
    said
}

fn check(mailbox: &Mailbox, keys: &str, expected: &str) {
    let said = said(&format!("SEARCH {keys}"), Enabled::default(), &mut mailbox.select());
    assert_eq!(said, format!("* SEARCH{}{expected}\r\n", if expected.is_empty() { "" } else { " " }), "{keys}");
}

#[test]
fn keys_that_the_index_answers() {
    let mut mailbox = Mailbox::new();
    let at = |seconds_ago: i64| Timestamp(NOW.0 - seconds_ago * 1000);
    mailbox.add_message(b"12", &["\\Seen", "\\Deleted"], at(0));
    mailbox.add_message(b"1234", &["\\Seen", "$Label1"], at(36_000));
    mailbox.add_message(b"123456", &["\\Draft", "\\Answered", "\\Flagged"], at(36_001));
    let check = |keys: &str, expected: &str| check(&mailbox, keys, expected);
    check("ALL", "1 2 3");
    check("OLD", "1 2 3");
    check("NEW", "");
    check("SEEN", "1 2");
    check("UNSEEN", "3");
    check("NOT SEEN", "3");
    check("ANSWERED FLAGGED DRAFT", "3");
    check("UNANSWERED UNFLAGGED UNDRAFT UNDELETED", "2");
    check("KEYWORD $label1", "2");
    check("UNKEYWORD $Label1", "1 3");
    check("KEYWORD nobody", "");
    check("UNKEYWORD nobody", "1 2 3");
    check("OR DELETED DRAFT", "1 3");
    check("NOT (SEEN DELETED)", "2 3");
    check("LARGER 2 SMALLER 6", "2");
    // NOW is 10:00 in UTC.
    check("SINCE 1-Feb-2026", "1 2");
    check("BEFORE 1-Feb-2026", "3");
    check("ON 1-Feb-2026", "1 2");
    check("ON 31-Jan-2026", "3");
    check("OLDER 36000", "2 3");
    check("YOUNGER 36000", "1 2");
    check("1,3", "1 3");
    check("*", "3");
    check("9", "");
    check("UID 2:*", "2 3");
    check("UID 9:*", "3");
    let told = mailbox.select().told;
    check(&format!("EMAILID {}", told.get(1).unwrap().email.text()), "2");
    check("EMAILID x", "");
    check("THREADID x", "");
}

const FULL: &str = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>\r\nTo: Team: a@x.org, Bo <bo@y.org>;\r\n\
    Cc: cc@x.org\r\nSubject: =?utf-8?B?Q2Fmw6k=?= tomorrow\r\nDate: Sun, 1 Feb 2026 00:30:00 +0200\r\n\
    Message-ID: <m1@x>\r\nIn-Reply-To: <m0@x>\r\nX-Spam: =?utf-8?Q?n=C3=B3?=\r\n\
    Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    Cr=E8me br=\r\nul=E9e\r\n";

#[test]
fn keys_that_need_the_message() {
    let mut mailbox = Mailbox::new();
    mailbox.add(FULL);
    mailbox.add("Bcc: hidden@x.org\r\nSubject:\r\n\r\nmere\r\n");
    let check = |keys: &str, expected: &str| check(&mailbox, keys, expected);
    check("FROM \"j\u{f6}rg\"", "1");
    check("FROM JOERG@EXAMPLE", "1");
    check("FROM \"J\u{f6}rg <joerg@\"", "1");
    check("TO team", "1");
    check("TO bo@y.org", "1");
    check("CC cc@", "1");
    check("BCC hidden", "2");
    check("FROM cc@", "");
    check("SUBJECT \"CAF\u{c9} TOM\"", "1");
    check("SUBJECT \"\"", "1 2");
    check("SENTON 1-Feb-2026", "1");
    check("SENTBEFORE 1-Feb-2026", "");
    check("SENTSINCE 1-Feb-2026", "1");
    check("NOT SENTSINCE 1-Feb-2027", "1 2");
    check("HEADER Message-Id m1@X", "1");
    check("HEADER message-id \"\"", "1");
    check("HEADER In-Reply-To m0", "1");
    check("HEADER X-Spam \"n\u{f3}\"", "1");
    check("HEADER X-Spam \"\"", "1");
    check("HEADER X-None \"\"", "");
    check("BODY \"cr\u{e8}me BRUL\u{c9}E\"", "1");
    check("BODY tomorrow", "");
    check("TEXT tomorrow", "1");
    check("TEXT \"\"", "1 2");
    check("NOT TEXT mere", "1");
    check("OR SUBJECT caf BODY mere", "1 2");
    check("OR NOT BODY mere BCC hidden", "1 2");
    check("CHARSET UTF-8 TEXT {7+}\r\nbrul\u{e9}e", "1");
}

#[test]
fn no_more_is_read_than_needed() {
    let mailbox = Mailbox::with_messages(10);
    let reads = |keys: &str| {
        let mut selected = mailbox.select();
        // The first read after these fails: a search that finds all without it has not needed it.
        let needed = (0..40).find(|reads| {
            let engine = &mailbox.engine;
            engine.plan_read_error(*reads);
            let ok = run(&format!("SEARCH {keys}"), Enabled::default(), &mut selected).1.status == Status::Ok;
            // Uses the planned error up, if it is still there.
            while ok && run("SEARCH TEXT x", Enabled::default(), &mut selected).1.status == Status::Ok {}
            ok
        });
        needed.unwrap()
    };
    assert_eq!(reads("UNSEEN LARGER 1 SINCE 1-Jan-2026"), 0);
    assert_eq!(reads("TEXT x SEEN"), 0, "a cheap key decides before a dear one");
    assert_eq!(reads("OR TEXT x UNSEEN"), 0);
    assert_eq!(reads("SUBJECT x"), 11, "a snapshot and the summaries");
    assert_eq!(reads("TEXT x SUBJECT y"), 11);
    assert_eq!(reads("HEADER X-A y"), 11, "a snapshot and the bodies");
    assert_eq!(reads("3 TEXT x"), 3);
}

#[test]
fn a_search_of_headers_does_not_read_large_bodies() {
    let mut mailbox = Mailbox::new();
    mailbox.add(&format!("X-A: yes\r\n\r\n{}", "x".repeat(200_000)));
    mailbox.add(&format!("X-A: no\r\n\r\n{}", "needle ".repeat(30_000)));
    mailbox.objects.plan_read_error(0);
    check(&mailbox, "HEADER X-A yes", "1");
    check(&mailbox, "NOT HEADER X-A yes", "2");
    check(&mailbox, "OR HEADER X-A \"\" TEXT needle", "1 2");
    let (_, tagged, _) = run("SEARCH TEXT needle", Enabled::default(), &mut mailbox.select());
    assert_eq!(tagged.status, Status::No, "no large body was read before");
    check(&mailbox, "HEADER X-A no TEXT needle", "2");
    check(&mailbox, "OR HEADER X-A yes TEXT needle", "1 2");
}

#[test]
fn answers_of_every_kind() {
    let mut mailbox = Mailbox::with_messages(6);
    mailbox.expunge(&[2]);
    mailbox.flag(&[3, 4, 6], &["\\Flagged"]);
    let check = |command: &str, enabled: Enabled, expected: &str| {
        assert_eq!(said(command, enabled, &mut mailbox.select()), expected, "{command}");
    };
    let rev1 = Enabled::default();
    check("UID SEARCH FLAGGED", rev1, "* SEARCH 3 4 6\r\n");
    check("SEARCH FLAGGED", ENABLED_REV2, "* ESEARCH (TAG \"a\") ALL 2:3,5\r\n");
    check("UID SEARCH FLAGGED", ENABLED_REV2, "* ESEARCH (TAG \"a\") UID ALL 3:4,6\r\n");
    check("SEARCH DRAFT", ENABLED_REV2, "* ESEARCH (TAG \"a\")\r\n");
    check("SEARCH RETURN () FLAGGED", rev1, "* ESEARCH (TAG \"a\") ALL 2:3,5\r\n");
    check("SEARCH RETURN (MIN MAX) FLAGGED", rev1, "* ESEARCH (TAG \"a\") MIN 2 MAX 5\r\n");
    check("UID SEARCH RETURN (MIN) FLAGGED", rev1, "* ESEARCH (TAG \"a\") UID MIN 3\r\n");
    check("UID SEARCH RETURN (MAX) FLAGGED", rev1, "* ESEARCH (TAG \"a\") UID MAX 6\r\n");
    check("UID SEARCH RETURN (MIN MAX COUNT ALL) 4", rev1, "* ESEARCH (TAG \"a\") UID MIN 5 MAX 5 ALL 5 COUNT 1\r\n");
    check("SEARCH RETURN (MIN MAX) 4", rev1, "* ESEARCH (TAG \"a\") MIN 4 MAX 4\r\n");
    check("SEARCH RETURN (COUNT MIN MAX ALL) DRAFT", rev1, "* ESEARCH (TAG \"a\") COUNT 0\r\n");
    check("SEARCH RETURN (SAVE) FLAGGED", rev1, "");
    check("SEARCH RETURN (SAVE COUNT) FLAGGED", rev1, "* ESEARCH (TAG \"a\") COUNT 3\r\n");
}

#[test]
fn modseq_is_told_when_it_was_a_key() {
    let mut mailbox = Mailbox::with_messages(3);
    mailbox.flag(&[2], &["\\Seen"]);
    let modseq = |uid: u32| mailbox.select().told.find(Uid(uid)).unwrap().modseq.0;
    let (two, three) = (modseq(2), modseq(3));
    let check = |command: &str, expected: &str| {
        assert_eq!(said(command, ENABLED_CONDSTORE, &mut mailbox.select()), expected, "{command}");
    };
    check(&format!("SEARCH MODSEQ {three}"), &format!("* SEARCH 2 3 (MODSEQ {two})\r\n"));
    check(&format!("SEARCH OR MODSEQ {two} 3"), &format!("* SEARCH 2 3 (MODSEQ {two})\r\n"));
    check("SEARCH SEEN", "* SEARCH 2\r\n");
    check(&format!("SEARCH MODSEQ {}", two + 1), "* SEARCH\r\n");
    let max = format!("SEARCH RETURN (MAX) MODSEQ {three}");
    check(&max, &format!("* ESEARCH (TAG \"a\") MAX 3 MODSEQ {three}\r\n"));
    let count = format!("SEARCH RETURN (COUNT) NOT MODSEQ {two}");
    check(&count, &format!("* ESEARCH (TAG \"a\") COUNT 2 MODSEQ {three}\r\n"));
    assert!(enables_condstore(&request_search("SEARCH OR SEEN NOT MODSEQ 1")));
    assert!(!enables_condstore(&request_search("SEARCH OR SEEN NOT TEXT 1")));
}

#[test]
fn saved_results_can_be_asked_again() {
    let mut mailbox = Mailbox::with_messages(6);
    mailbox.flag(&[2, 3, 5], &["\\Flagged"]);
    let mut selected = mailbox.select();
    let saved = |command: &str, selected: &mut Selected| {
        said(command, Enabled::default(), selected);
        selected.saved.iter().map(|uid| uid.0).collect::<Vec<_>>()
    };
    assert_eq!(saved("SEARCH RETURN (SAVE) FLAGGED", &mut selected), [2, 3, 5]);
    assert_eq!(saved("SEARCH SEEN", &mut selected), [2, 3, 5], "only SAVE changes it");
    assert_eq!(said("SEARCH $ 3:*", Enabled::default(), &mut selected), "* SEARCH 3 5\r\n");
    assert_eq!(said("UID SEARCH NOT UID $", Enabled::default(), &mut selected), "* SEARCH 1 4 6\r\n");
    assert_eq!(saved("SEARCH RETURN (SAVE MIN) FLAGGED", &mut selected), [2]);
    assert_eq!(saved("SEARCH RETURN (SAVE MIN MAX) FLAGGED", &mut selected), [2, 5]);
    assert_eq!(saved("SEARCH RETURN (SAVE MAX COUNT) FLAGGED", &mut selected), [2, 3, 5]);
    assert_eq!(saved("SEARCH RETURN (SAVE) DRAFT", &mut selected), [] as [u32; 0]);
}

#[test]
fn what_cannot_be_read_is_not_called_absent() {
    let mailbox = Mailbox::with_messages(3);
    let mut selected = mailbox.select();
    selected.saved = vec![Uid(1)];
    // A snapshot, then summary and body of the first.
    mailbox.engine.plan_read_error(3);
    let (said, tagged, _) = run("SEARCH RETURN (SAVE ALL) BODY body", Enabled::default(), &mut selected);
    assert_eq!((said.as_str(), tagged.status), ("* ESEARCH (TAG \"a\") ALL 1,3\r\n", Status::No));
    assert_eq!(selected.saved, [], "RFC 9051 §6.4.4.1");
}

#[test]
fn messages_that_others_expunged_are_found_until_told() {
    let mut mailbox = Mailbox::with_messages(3);
    let mut selected = mailbox.select();
    mailbox.expunge(&[2]);
    assert_eq!(said("SEARCH BODY body", Enabled::default(), &mut selected), "* SEARCH 1 2 3\r\n");
    mailbox.account.purge(Timestamp(NOW.0 + 1)).unwrap();
    assert_eq!(said("SEARCH BODY body", Enabled::default(), &mut selected), "* SEARCH 1 3\r\n");
}

#[test]
fn a_long_search_goes_in_slices() {
    let mut mailbox = Mailbox::new();
    let body = format!("Subject: x\r\n\r\n{}needle\r\n", "hay ".repeat(300_000));
    for _ in 0..10 {
        mailbox.add(&body);
    }
    let (said, _, slices) = run("SEARCH BODY needle", Enabled::default(), &mut mailbox.select());
    assert_eq!((said.as_str(), slices), ("* SEARCH 1 2 3 4 5 6 7 8 9 10\r\n", 6));
    let (said, _, slices) = run("SEARCH RETURN (MIN) BODY needle", Enabled::default(), &mut mailbox.select());
    assert_eq!((said.as_str(), slices), ("* ESEARCH (TAG \"a\") MIN 1\r\n", 1), "MIN reads one");
}

/// Search keys, each with what it means.
type Meaning = fn(u32, store::FlagBits) -> bool;
const KEYS: [(&str, Meaning); 5] = [
    ("SEEN", |_, flags| flags.has(SystemFlag::Seen)),
    ("FLAGGED", |_, flags| flags.has(SystemFlag::Flagged)),
    ("SUBJECT odd", |uid, _| uid % 2 == 1),
    ("BODY third", |uid, _| uid.is_multiple_of(3)),
    ("UID 4:9", |uid, _| (4..=9).contains(&uid)),
];

#[derive(Clone, Debug)]
enum Expression {
    Key(usize),
    Not(Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    And(Vec<Expression>),
}

impl Expression {
    fn text(&self) -> String {
        match self {
            Self::Key(key) => KEYS[*key].0.to_owned(),
            Self::Not(inner) => format!("NOT {}", inner.text()),
            Self::Or(one, other) => format!("OR {} {}", one.text(), other.text()),
            Self::And(all) => format!("({})", all.iter().map(Self::text).collect::<Vec<_>>().join(" ")),
        }
    }

    fn means(&self, uid: u32, flags: store::FlagBits) -> bool {
        match self {
            Self::Key(key) => KEYS[*key].1(uid, flags),
            Self::Not(inner) => !inner.means(uid, flags),
            Self::Or(one, other) => one.means(uid, flags) || other.means(uid, flags),
            Self::And(all) => all.iter().all(|one| one.means(uid, flags)),
        }
    }
}

fn expressions() -> impl Strategy<Value = Expression> {
    (0..KEYS.len()).prop_map(Expression::Key).prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Expression::Not(Box::new(one))),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| Expression::Or(Box::new(one), Box::new(other))),
            prop::collection::vec(inner, 1..4).prop_map(Expression::And),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_combination_of_keys_means_what_it_says(
        flags in prop::collection::vec((any::<bool>(), any::<bool>()), 0..14),
        expression in expressions(),
    ) {
        let mut mailbox = Mailbox::new();
        for (n, (seen, flagged)) in (1_u32..).zip(&flags) {
            let subject = if n % 2 == 1 { "odd" } else { "even" };
            let body = format!("Subject: {subject}\r\n\r\n{}\r\n", if n.is_multiple_of(3) { "third" } else { "other" });
            let mut flags = Vec::new();
            flags.extend(seen.then_some("\\Seen"));
            flags.extend(flagged.then_some("\\Flagged"));
            mailbox.add_message(body.as_bytes(), &flags, NOW);
        }
        let mut selected = mailbox.select();
        let uids: Vec<u32> =
            selected.told.iter().filter(|e| expression.means(e.uid.0, e.flags)).map(|e| e.uid.0).collect();
        let text = expression.text();
        let expected: String = uids.iter().map(|uid| format!(" {uid}")).collect();
        let all = said(&format!("UID SEARCH {text}"), Enabled::default(), &mut selected);
        prop_assert_eq!(all, format!("* SEARCH{expected}\r\n"));
        let ends = said(&format!("UID SEARCH RETURN (MIN MAX SAVE) {text}"), Enabled::default(), &mut selected);
        let expected = match (uids.first(), uids.last()) {
            (Some(min), Some(max)) => format!(" MIN {min} MAX {max}"),
            _ => String::new(),
        };
        prop_assert_eq!(ends, format!("* ESEARCH (TAG \"a\") UID{expected}\r\n"));
        prop_assert!(selected.saved.len() <= 2);
    }
}
