//! Indexes against the texts that they are made of, also where files are damaged, lost, or too many.

use crate::words::Question;
use crate::{Draft, IndexLimits, Indexes, Kind};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use store::{AccountId, EmailId};
use tempfile::TempDir;

const ALICE: AccountId = AccountId(16);
const LIMITS: IndexLimits = IndexLimits {
    bytes_max: u64::MAX,
    account_bytes_max: u64::MAX,
    memory_bytes_max: usize::MAX,
    segment_messages_max: 3,
};

/// What is known of a message: its number, a header and a body, or that nobody looked into it.
type Message = Option<(String, String)>;

fn fill(indexes: &Indexes, messages: &[Message]) {
    loop {
        let next = indexes.next(ALICE);
        let first = next.after.0 as usize;
        let some: Vec<&Message> = messages.iter().skip(first).take(LIMITS.segment_messages_max).collect();
        let last = first + some.len();
        if next.reached.0 as usize >= last {
            return;
        }
        let mut draft = Draft::default();
        for (message, number) in some.into_iter().zip(first + 1..) {
            draft.begin(number as u64);
            match message {
                Some((header, body)) => {
                    draft.add(Kind::Header, header);
                    draft.add(Kind::Body, body);
                }
                None => draft.leave_unread(),
            }
        }
        indexes.add(ALICE, (next.after, EmailId(last as u64)), &draft).unwrap();
    }
}

/// What the index says is true, and of a message that it names and has been looked into it knows it where it promises to.
fn check(indexes: &Indexes, messages: &[Message], needle: &str, kinds: &[Kind]) {
    let index = indexes.of(ALICE);
    let Some(candidates) = index.look_up(kinds, needle) else { return };
    let mut hint = 0;
    for (message, number) in messages.iter().zip(1u64..) {
        let Some(position) = index.position(EmailId(number), &mut hint) else {
            assert!(number > index.reached().0, "{number}");
            continue;
        };
        let Some((header, body)) = message else {
            assert_eq!(candidates.says(position), None);
            continue;
        };
        let of_kind = |kind: Kind, text: &str| kinds.contains(&kind) && text.contains(needle);
        let has_it = of_kind(Kind::Header, header) || of_kind(Kind::Body, body);
        match candidates.says(position) {
            Some(says) => assert_eq!(says, has_it, "{needle:?} in {message:?}"),
            None => {
                let is_exact = Question::new(Kind::Body, needle).is_exact;
                assert!(!is_exact || index.is_damaged(), "{needle:?} in {message:?}");
            }
        }
        if number % 2 == 0 {
            candidates.learn(position, has_it);
            assert_eq!(candidates.says(position), Some(has_it));
        }
    }
}

fn files(directory: &TempDir) -> Vec<PathBuf> {
    let of_alice = directory.path().join(ALICE.0.to_string());
    let mut files: Vec<PathBuf> = fs::read_dir(of_alice).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn some_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]{0,12}",
        "[abcäß]{0,10}",
        "[ab.@ -]{0,12}",
        "[ab]{50,120}",
        "[日本語メール a]{0,6}",
        "\\PC{0,12}",
        "[a\\x00]{0,6}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_an_index_says_is_true(
        messages in prop::collection::vec(prop::option::weighted(0.9, (some_text(), some_text())), 1..10),
        needles in prop::collection::vec(some_text(), 1..8),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let all = [Kind::Header, Kind::Body];
        for length in 0..=messages.len() {
            let indexes = Indexes::open(directory.path().to_owned(), LIMITS);
            fill(&indexes, &messages[..length]);
            prop_assert_eq!(indexes.of(ALICE).reached(), EmailId(length as u64));
            let some = messages.iter().flatten().map(|(_, body)| body.as_str());
            for needle in needles.iter().map(String::as_str).chain(some) {
                for kinds in [&all[..], &all[..1], &all[1..]] {
                    // Twice: what was learnt is true, too.
                    (0..2).for_each(|_| check(&indexes, &messages, needle, kinds));
                }
            }
        }
    }
}

#[test]
fn an_index_of_few_messages_learnt_of_texts_without_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let index = Indexes::open(directory.path().to_owned(), LIMITS).of(ALICE);
    for number in 0..4000 {
        assert!(index.look_up(&[Kind::Header, Kind::Body], &format!("a{number}")).is_some());
        assert!(index.learnt() <= 2048, "{}", index.learnt());
    }
}

fn messages(count: usize) -> Vec<Message> {
    (0..count).map(|n| Some((format!("subject: message {n}\n"), format!("this is text {n} of many")))).collect()
}

#[test]
fn a_damaged_octet_makes_an_index_slow_and_never_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let messages = messages(4);
    fill(&Indexes::open(directory.path().to_owned(), LIMITS), &messages);
    for file in files(&directory) {
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x21;
            fs::write(&file, &damaged).unwrap();
            let indexes = Indexes::open(directory.path().to_owned(), LIMITS);
            for needle in ["text 1 of", "xt 3", "is", "absent"] {
                check(&indexes, &messages, needle, &[Kind::Header, Kind::Body]);
            }
        }
        for length in (0..whole.len()).step_by(11) {
            fs::write(&file, &whole[..length]).unwrap();
            check(&Indexes::open(directory.path().to_owned(), LIMITS), &messages, "text", &[Kind::Body]);
        }
        fs::write(&file, &whole).unwrap();
    }
}

#[test]
fn an_index_that_had_other_texts_of_the_same_messages_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let messages = messages(4);
    fill(&Indexes::open(directory.path().to_owned(), LIMITS), &messages);
    for file in files(&directory) {
        let mut octets = fs::read(&file).unwrap();
        let number = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap()) as usize;
        let head_bytes = 48 + number(24) * 8 + number(28) * 4 + number(32) * 12;
        let (head, rest) = octets.split_at_mut(head_bytes);
        assert_eq!(*blake3::hash(head).as_bytes(), rest[..32]);
        // As the version before wrote it.
        head[7] = b'3';
        rest[..32].copy_from_slice(blake3::hash(head).as_bytes());
        fs::write(&file, octets).unwrap();
    }
    let indexes = Indexes::open(directory.path().to_owned(), LIMITS);
    assert_eq!(indexes.of(ALICE).reached(), EmailId(0));
    fill(&indexes, &messages);
    assert_eq!((indexes.of(ALICE).reached(), files(&directory).len()), (EmailId(4), 2));
}

#[test]
fn segments_of_any_length_stand_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let lengths = [1usize, 63, 64, 65, 130, 62, 3];
    let indexes = Indexes::open(directory.path().to_owned(), IndexLimits { segment_messages_max: 1, ..LIMITS });
    let mut number = 0;
    for length in lengths {
        let (after, mut draft) = (EmailId(number), Draft::default());
        for _ in 0..length {
            number += 1;
            draft.begin(number);
            draft.add(Kind::Body, if number % 3 == 0 { "third" } else { "other" });
            if number % 11 == 0 {
                draft.leave_unread();
            }
        }
        indexes.add(ALICE, (after, EmailId(number)), &draft).unwrap();
    }
    let index = indexes.of(ALICE);
    let candidates = index.look_up(&[Kind::Body], "hir").unwrap();
    for number in (1..=number).rev() {
        let said = candidates.says(index.position(EmailId(number), &mut 0).unwrap());
        assert_eq!(said, (number % 11 != 0).then_some(number % 3 == 0), "{number}");
    }
}

#[test]
fn an_index_that_lost_a_segment_ends_before_it_and_grows_again() {
    let directory = tempfile::tempdir().unwrap();
    let messages = messages(10);
    fill(&Indexes::open(directory.path().to_owned(), LIMITS), &messages);
    fs::remove_file(&files(&directory)[1]).unwrap();
    let indexes = Indexes::open(directory.path().to_owned(), LIMITS);
    assert_eq!(indexes.of(ALICE).reached(), EmailId(3));
    check(&indexes, &messages, "text 7", &[Kind::Body]);
    fill(&indexes, &messages);
    assert_eq!((indexes.of(ALICE).reached(), files(&directory).len()), (EmailId(10), 4));
    check(&indexes, &messages, "text 7", &[Kind::Body]);
}

/// Adds a segment of one message to the index of an account; how long it is.
fn grow(indexes: &Indexes, account: AccountId) -> u64 {
    let mut draft = Draft::default();
    let after = indexes.next(account).reached;
    let number = EmailId(after.0 + 1);
    draft.begin(number.0);
    draft.add(Kind::Body, "the text of a message");
    indexes.add(account, (after, number), &draft).unwrap();
    indexes.segments(account).last().unwrap().1
}

#[test]
fn an_account_that_has_its_share_keeps_its_newest_mail() {
    let directory = tempfile::tempdir().unwrap();
    let one = grow(&Indexes::open(directory.path().to_owned(), LIMITS), ALICE);
    for (share, expected) in [(3 * one, 3), (3 * one - 1, 2), (1, 1)] {
        let directory = tempfile::tempdir().unwrap();
        let limits = IndexLimits { account_bytes_max: share, segment_messages_max: 1, ..LIMITS };
        let indexes = Indexes::open(directory.path().to_owned(), limits);
        for number in 1..=5 {
            grow(&indexes, ALICE);
            assert_eq!(indexes.of(ALICE).reached(), EmailId(number));
        }
        assert_eq!(files(&directory).len(), expected);
        // Also when it is opened anew: what went is read, the rest is known.
        for indexes in [indexes, Indexes::open(directory.path().to_owned(), limits)] {
            let index = indexes.of(ALICE);
            let named = (1..=5).filter(|number| index.position(EmailId(*number), &mut 0).is_some());
            assert_eq!(named.collect::<Vec<u64>>(), (6 - expected as u64..=5).collect::<Vec<u64>>());
            assert_eq!(indexes.next(ALICE).reached, EmailId(5));
        }
    }
}

#[test]
fn an_account_pushed_the_indexes_of_others_out() {
    let (bob, carol) = (AccountId(17), AccountId(18));
    let directory = tempfile::tempdir().unwrap();
    let one = grow(&Indexes::open(directory.path().to_owned(), LIMITS), carol);
    let limits = IndexLimits { bytes_max: 6 * one, segment_messages_max: 1, ..LIMITS };
    let indexes = Indexes::open(directory.path().to_owned(), limits);
    for _ in 0..20 {
        grow(&indexes, ALICE);
    }
    let sizes = || [ALICE, bob, carol].map(|account| indexes.segments(account).len());
    assert_eq!(sizes(), [5, 0, 1], "a large one takes nothing from a small one");
    for _ in 0..20 {
        grow(&indexes, bob);
    }
    assert_eq!(sizes(), [3, 2, 1], "they share");
    assert!(indexes.bytes() <= limits.bytes_max);
    for _ in 0..20 {
        grow(&indexes, carol);
    }
    assert_eq!(sizes(), [2, 2, 2]);
}

#[test]
fn the_memory_of_open_indexes_is_bounded_in_octets() {
    let directory = tempfile::tempdir().unwrap();
    let open =
        |memory_bytes_max| Indexes::open(directory.path().to_owned(), IndexLimits { memory_bytes_max, ..LIMITS });
    let accounts: Vec<AccountId> = (20..100).map(AccountId).collect();
    let indexes = open(usize::MAX);
    for account in &accounts {
        grow(&indexes, *account);
    }
    let one = indexes.of(accounts[0]).memory_bytes();
    for (memory, expected) in [(usize::MAX, 64), (3 * one, 3), (3 * one - 1, 2), (1, 1)] {
        let indexes = open(memory);
        accounts.iter().for_each(|account| drop(indexes.of(*account)));
        assert_eq!(indexes.open_accounts(), accounts[accounts.len() - expected..]);
        // It is read again, and the same.
        assert_eq!(indexes.of(accounts[0]).reached(), EmailId(1));
    }
}

#[test]
fn indexes_go_when_they_are_to() {
    let directory = tempfile::tempdir().unwrap();
    let indexes = Indexes::open(directory.path().to_owned(), IndexLimits { bytes_max: 1, ..LIMITS });
    grow(&indexes, ALICE);
    assert!(indexes.bytes() > 1 && indexes.wanted() == [ALICE], "one segment more may be there");
    indexes.remove(ALICE);
    assert_eq!((indexes.bytes(), indexes.wanted(), indexes.of(ALICE).reached()), (0, Vec::new(), EmailId(0)));
    let none = Indexes::open(directory.path().to_owned(), IndexLimits { bytes_max: 0, ..LIMITS });
    none.want(ALICE);
    assert_eq!(none.wanted(), []);
}
