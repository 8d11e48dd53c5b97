//! What is read of mbox files.

use super::*;
use crate::flags::of_words;
use std::fs;

const FROM: &str = "From ada@example.org Thu Jan  1 00:00:00 2026\n";

fn opened(text: &str) -> (tempfile::TempDir, Mbox, Vec<Item>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Work.mbox");
    fs::write(&path, text).unwrap();
    let mut mbox = Mbox::open(&path, &FileOptions { message_bytes_max: 1000, ..FileOptions::default() }).unwrap();
    let folders = mbox.folders().unwrap();
    assert_eq!(folders[0].levels, ["Work"]);
    let marks = mbox.open(&folders[0]).unwrap().marks;
    let items = mbox.look(&marks).unwrap().into_iter().map(Result::unwrap).collect();
    (dir, mbox, items)
}

fn texts(text: &str) -> Vec<String> {
    let (_dir, mut mbox, items) = opened(text);
    let shown = |content| match content {
        Content::Octets(octets) => String::from_utf8(octets).unwrap(),
        other => format!("{other:?}"),
    };
    mbox.read(&items).unwrap().into_iter().map(shown).collect()
}

#[test]
fn messages_begin_behind_a_blank_line_and_a_from_line_and_quoted_ones_are_text() {
    let text = format!(
        "{FROM}A: 1\n\none\n\nFrom now on\n>From me\n>>From me\n> From me\n\n{FROM}A: 2\r\n\r\ntwo\r\n\r\n{FROM}\n{FROM}"
    );
    let expected = [
        "A: 1\r\n\r\none\r\n\r\nFrom now on\r\nFrom me\r\n>From me\r\n> From me\r\n",
        "A: 2\r\n\r\ntwo\r\n",
        "\r\n",
        "",
    ];
    assert_eq!(texts(&text), expected);
    assert_eq!(texts("From x\nA: 1\n\n\nend"), ["A: 1\r\n\r\n\r\nend"], "the first need not say a day");
    assert_eq!(texts(""), [""; 0]);
    let no_separator = format!("{FROM}A: 1\n\none\n{FROM}");
    assert_eq!(texts(&no_separator).len(), 1, "no blank line stands before it");
}

#[test]
fn flags_stand_in_the_header_and_are_no_part_of_the_message() {
    let head = "Status: RO\nX-Status: AFTD\nX-Keywords: Work $Forwarded  a(b\n  \nX-UID: 7\nX-IMAPbase: 1 2\n\tWork\nContent-Length: 3\nSubject: x\n more\n";
    let (_dir, mut mbox, items) = opened(&format!("{FROM}{head}\nStatus: text\n"));
    let words = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted", "$Forwarded", "Work"];
    assert_eq!(items[0].flags, of_words(words.iter().map(|word| word.as_bytes())));
    assert_eq!(items[0].date, Some(Timestamp::from_unix_seconds(1_767_225_600)));
    let expected = "Subject: x\r\n more\r\n\r\nStatus: text\r\n";
    assert_eq!(mbox.read(&items).unwrap(), [Content::Octets(expected.as_bytes().to_vec())]);
    assert_eq!(items[0].bytes, Some(expected.len() as u64));
}

#[test]
fn thunderbird_keeps_what_it_has_removed() {
    let message = |status: &str, text: &str| {
        format!(
            "From - Thu Jan  1 00:00:00 2026\nX-Mozilla-Status: {status}\nX-Mozilla-Keys: $label1   \nA: b\n\n{text}\n\n"
        )
    };
    let (_dir, mut mbox, items) = opened(&(message("0009", "removed") + &message("1003", "here") + &message("8", "x")));
    assert_eq!(items.len(), 1);
    assert_eq!(mbox.left_behind(), [("2 messages".to_owned(), REMOVED.to_owned())]);
    let (_dir, mut none, _) = opened(&message("1003", "here"));
    assert_eq!(none.left_behind(), []);
    assert_eq!(items[0].flags, of_words([&b"\\Seen"[..], b"\\Answered", b"$Forwarded", b"$label1"]));
}

#[test]
fn a_line_that_ends_in_two_carriage_returns_keeps_both_and_ends_no_header() {
    let text = format!("{FROM}A: b\r\r\n\r\r\nC: d\n\nx\r\r\n");
    assert_eq!(texts(&text), ["A: b\r\r\n\r\r\nC: d\r\n\r\nx\r\r\n"]);
}

#[test]
fn keywords_of_headers_have_a_limit_and_those_that_are_left_out_are_told() {
    let message = |from: usize, to: usize| {
        let words: Vec<String> = (from..to).map(|at| format!("k{at:03}")).collect();
        format!("{FROM}X-Keywords: {}\nA: b\n\n", words.join(" "))
    };
    let (_dir, mut mbox, items) = opened(&(message(0, 99) + &message(98, 102) + &message(50, 51)));
    let counts: Vec<usize> = items.iter().map(|item| item.flags.keywords.len()).collect();
    assert_eq!(counts, [99, 2, 1]);
    assert_eq!(items[1].flags.keywords, ["k098", "k099"]);
    let told = mbox.left_behind();
    assert!(told.len() == 1 && told[0].0 == "1 message" && told[0].1.contains("takes 100"), "{told:?}");
}

#[test]
fn a_date_is_that_of_the_from_line_or_of_the_header() {
    let (_dir, _mbox, items) = opened("From x\nDate: Thu, 1 Jan 2026 01:00:00 +0100\n\ntext\n");
    assert_eq!(items[0].date, Some(Timestamp::from_unix_seconds(1_767_225_600)));
}

#[test]
fn a_message_is_known_whatever_flags_it_has_and_where_it_stands() {
    let message = |flags: &str, text: &str| format!("{FROM}{flags}A: b\n\n{text}\n\n");
    let marks = |text: &str| opened(text).2.into_iter().map(|item| item.mark).collect::<Vec<_>>();
    let before = marks(&(message("", "1") + &message("", "2") + &message("", "2")));
    let after = marks(&(message("Status: RO\n", "2") + &message("X-UID: 3\n", "2") + &message("", "3")));
    assert_eq!(after[..2], before[1..]);
    assert!(!before.contains(&after[2]) && before[1] != before[2]);
}

#[test]
fn what_is_too_large_or_changed_is_told() {
    let text = |bytes: usize| format!("{FROM}A: b\n\n{}\n", "x".repeat(bytes - 10));
    let read = |bytes: usize| {
        let (_dir, mut mbox, items) = opened(&text(bytes));
        mbox.read(&items).unwrap().remove(0)
    };
    assert!(matches!(read(1000), Content::Octets(octets) if octets.len() == 1000));
    assert_eq!(read(1001), Content::TooLarge);
    let (dir, mut mbox, items) = opened(&text(100));
    fs::write(dir.path().join("Work.mbox"), text(100).replace('x', "y")).unwrap();
    assert_eq!(mbox.read(&items).unwrap(), [Content::Missing(CHANGED.to_owned())]);
}

#[test]
fn a_line_that_is_longer_than_is_looked_at_at_once_is_one() {
    let long = "x".repeat(2 * LINE_BYTES as usize - 2) + "\r\nFrom x Thu Jan  1 00:00:00 2026\n";
    let (entries, _) = scan(format!("{FROM}A: b\n\n{long}").as_bytes(), &mut Learned::default()).unwrap();
    assert_eq!((entries.len(), entries[0].content_bytes), (1, 8 + long.len() as u64 + 1));
}

#[test]
fn a_file_has_a_limit_of_messages() {
    let text = |count: usize| format!("{FROM}A: b\n\n").repeat(count);
    assert_eq!(opened(&text(MESSAGES_MAX)).2.len(), MESSAGES_MAX);
    let (dir, mut mbox, _) = opened(&text(1));
    fs::write(dir.path().join("Work.mbox"), text(MESSAGES_MAX + 1)).unwrap();
    let folder = mbox.folders().unwrap().remove(0);
    assert!(mbox.open(&folder).is_err_and(|error| error.to_string().contains("more than 20 messages")));
}

#[test]
fn mailboxes_are_called_what_was_noted_beside_their_files() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("mail");
    fs::create_dir_all(dir.join("A.sbd")).unwrap();
    fs::write(dir.join("A.sbd/x_y.mbox"), format!("{FROM}A: b\n\n")).unwrap();
    fs::write(dir.join("Empty.mbox"), "").unwrap();
    fs::write(dir.join("Other.mbox"), format!("{FROM}A: b\n\n")).unwrap();
    let table =
        "place,mailbox,subscribed\nA.sbd/x_y.mbox,A/x:y,yes\nEmpty.mbox,Empty,no\n../up,Up,yes\nA.sbd/../x,X,yes\n";
    fs::write(dir.join(notes::MAILBOXES), table).unwrap();
    fs::write(place.path().join("up"), "").unwrap();
    let mut mbox = Mbox::open(&dir, &FileOptions { message_bytes_max: 1000, ..FileOptions::default() }).unwrap();
    let folders = mbox.folders().unwrap();
    let found: Vec<(&str, bool)> = folders.iter().map(|folder| (folder.name.as_str(), folder.is_subscribed)).collect();
    assert_eq!(found, [("A/x:y", true), ("Other", true), ("Empty", false)]);
    assert_eq!(mbox.open(&folders[0]).unwrap().marks.len(), 1);
    assert_eq!(mbox.open(&folders[2]).unwrap().marks, []);
}
