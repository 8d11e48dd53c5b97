//! Making an account's index longer, from the same texts that are searched.

use crate::evaluate::{address_text, value_text};
use crate::large::{Large, Piece};
use message::Summary;
use message::fold::fold;
use message::text::{Scope, head_text, pieces};
use search_index::{Draft, Indexes, Kind, Next};
use std::io;
use store::{Account, Body, Error};

/// After so many messages others have their turn.
const MESSAGES_PER_TURN: usize = if cfg!(test) { 1 } else { 32 };
/// And after so many octets of them.
const BYTES_PER_TURN: usize = if cfg!(test) { 128 * 1024 } else { 4 * 1024 * 1024 };
/// So many messages more are worth a segment; of a segment that is made anew, a quarter of what it has.
const NEW_MIN: usize = if cfg!(test) { 2 } else { 64 };

/// What came of an attempt.
#[derive(Debug)]
pub enum Indexed {
    /// The index is longer now; there may be more to do.
    More,
    /// It is as long as it is worth.
    Enough,
    /// The caller stopped it.
    Stopped,
    /// The segment could not be written.
    Not(io::Error),
}

/// Makes one segment of the index of an account. `goes_on` is asked every few messages, with no lock and no snapshot held.
///
/// # Errors
/// Faults of the store.
pub fn index_some(indexes: &Indexes, account: &Account, goes_on: &mut dyn FnMut() -> bool) -> Result<Indexed, Error> {
    let Next { after, again, reached } = indexes.next(account.id());
    let worth = NEW_MIN.max(again / 4);
    if account.emails_after(reached, worth)?.len() < worth {
        return Ok(Indexed::Enough);
    }
    let emails = account.emails_after(after, indexes.limits().segment_messages_max)?;
    let (mut draft, mut last, mut turn) = (Draft::default(), after, Turn::new(goes_on));
    let mut reader = None;
    for email in emails {
        if turn.is_over() {
            reader = None;
            if !turn.next() {
                return Ok(Indexed::Stopped);
            }
        }
        let snapshot = match &mut reader {
            Some(reader) => reader,
            none => none.insert(account.reader()?),
        };
        last = email;
        match (snapshot.summary(email), snapshot.open(email, None)) {
            // It has left retention just now: the index does not name it.
            (Err(Error::NoSuchMessage), _) | (_, Err(Error::NoSuchMessage)) => {}
            // Whoever searches reads it, and tells that it cannot be read.
            (Err(_), _) | (_, Err(_)) => {
                draft.begin(email.0);
                draft.leave_unread();
            }
            (Ok(summary), Ok(body)) => {
                if body.whole().is_none() {
                    // It may be far away.
                    reader = None;
                }
                draft.begin(email.0);
                if !add(&mut draft, &summary, body, &mut turn) {
                    draft.leave_unread();
                }
                if turn.is_stopped {
                    return Ok(Indexed::Stopped);
                }
            }
        }
        if draft.is_full() {
            break;
        }
    }
    Ok(match indexes.add(account.id(), (after, last), &draft) {
        Ok(()) => Indexed::More,
        Err(why) => Indexed::Not(why),
    })
}

/// How much has been done since others had their turn.
struct Turn<'g> {
    goes_on: &'g mut dyn FnMut() -> bool,
    messages: usize,
    bytes: usize,
    is_stopped: bool,
}

impl<'g> Turn<'g> {
    /// The caller is asked before anything is done.
    fn new(goes_on: &'g mut dyn FnMut() -> bool) -> Self {
        Self { goes_on, messages: MESSAGES_PER_TURN, bytes: 0, is_stopped: false }
    }

    fn is_over(&self) -> bool {
        self.messages >= MESSAGES_PER_TURN || self.bytes >= BYTES_PER_TURN
    }

    /// Others have their turn, then the next one begins, unless the caller stops it.
    fn next(&mut self) -> bool {
        (self.messages, self.bytes) = (0, 0);
        self.is_stopped = !(self.goes_on)();
        !self.is_stopped
    }
}

/// Whether all of a message went into the draft.
fn add(draft: &mut Draft, summary: &Summary, body: Body, turn: &mut Turn<'_>) -> bool {
    turn.messages += 1;
    add_summary(draft, summary);
    let Some(message) = body.whole() else {
        let mut large = Large::new(body, 0);
        loop {
            let is_end = large.read(&summary.structure, &mut |piece| {
                turn.bytes += piece.octets();
                match piece {
                    Piece::Head(text) => draft.add(Kind::Header, &fold(text)),
                    Piece::Text { window, .. } => draft.feed(Kind::Body, &fold(window)),
                    Piece::End => draft.finish(Kind::Body),
                }
                !draft.is_too_much() && !turn.is_over()
            });
            match is_end {
                Ok(false) if !draft.is_too_much() && turn.next() => {}
                is_end => return matches!(is_end, Ok(true)),
            }
        }
    };
    turn.bytes += message.len();
    for part in summary.structure.root.walk() {
        let header = message.get(part.header.start..part.header.end).unwrap_or_default();
        draft.add(Kind::Header, &fold(&head_text(part, header)));
    }
    for text in pieces(message, &summary.structure, Scope::Bodies) {
        draft.add(Kind::Body, &fold(&text));
    }
    true
}

fn add_summary(draft: &mut Draft, summary: &Summary) {
    let envelope = &summary.envelope;
    let lists =
        [(Kind::From, &envelope.from), (Kind::To, &envelope.to), (Kind::Cc, &envelope.cc), (Kind::Bcc, &envelope.bcc)];
    for (kind, list) in lists {
        list.iter().for_each(|address| draft.add(kind, &fold(&address_text(address))));
    }
    if let Some(subject) = &envelope.subject {
        draft.add(Kind::Subject, &fold(&value_text(subject)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Addresses, Condition, IndexTest, Looked, Needle, Search, SummaryTest, Value, Wanted};
    use encoding_rs::Encoding;
    use proptest::prelude::*;
    use search_index::IndexLimits;
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use store::objects::Objects;
    use store::sim::{SimEngine, SimObjects};
    use store::{
        AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, SystemFlag, Target, Timestamp, Uid,
        WHOLE_BYTES_MAX,
    };

    const LIMITS: IndexLimits = IndexLimits {
        bytes_max: u64::MAX,
        account_bytes_max: u64::MAX,
        memory_bytes_max: 1 << 20,
        segment_messages_max: 4,
    };
    const ALICE: AccountId = AccountId(16);

    fn account() -> Account {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        store.create_account(ALICE, Timestamp(0)).unwrap()
    }

    fn deliver(account: &Account, body: Vec<u8>) {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: Timestamp(0) };
        account
            .append(actor, Target::Inbox, NewMessage { body, flags: Flags::default(), internal_date: Timestamp(0) })
            .unwrap();
    }

    /// Which messages meet it, by looking it up in `indexes` or by reading.
    fn found(account: &Account, condition: Condition, indexes: Option<&Arc<Indexes>>) -> Vec<Uid> {
        let mailboxes = account.mailboxes().unwrap();
        let view = account.view(mailboxes.by_name("INBOX").unwrap().id).unwrap();
        let search = Search::new(condition, view.index().clone(), Wanted::Everything);
        let mut search = search.with_indexes(indexes.cloned());
        while search.look(account).unwrap() == Looked::More {}
        assert_eq!(search.unreadable(), 0);
        search.found().uids(search.index()).collect()
    }

    fn grow(account: &Account, indexes: &Indexes, times: usize) {
        for _ in 0..times {
            if matches!(index_some(indexes, account, &mut || true), Ok(Indexed::Enough)) {
                return;
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Key {
        Text(bool, String),
        From(String),
        To(String),
        Subject(String),
        Unseen,
        Fuzzy(Box<Key>, String),
        Not(Box<Key>),
        And(Vec<Key>),
        Or(Vec<Key>),
    }

    fn condition(key: &Key) -> Condition {
        let needle = |text: &str| Needle::new(text);
        match key {
            Key::Text(true, text) => Condition::Text(Scope::Everything, needle(text)),
            Key::Text(false, text) => Condition::Text(Scope::Bodies, needle(text)),
            Key::From(text) => Condition::Summary(SummaryTest::Addresses(Addresses::From, needle(text))),
            Key::To(text) => Condition::Summary(SummaryTest::Addresses(Addresses::To, needle(text))),
            Key::Subject(text) => Condition::Summary(SummaryTest::Value(Value::Subject, needle(text))),
            Key::Unseen => Condition::Index(IndexTest::Lacks(store::FlagBits::default().with(SystemFlag::Seen))),
            Key::Fuzzy(key, text) => Condition::fuzzy(condition(key), text),
            Key::Not(key) => Condition::Not(Box::new(condition(key))),
            Key::And(keys) => Condition::and(keys.iter().map(condition).collect()),
            Key::Or(keys) => Condition::or(keys.iter().map(condition).collect()),
        }
    }

    fn words() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "[a-c]{1,4}",
            "[A-C]{1,3}",
            "(stra\u{df}e|STRASSE|caf\u{e9}|\u{130}I)",
            "[日本語の件]{1,3}",
            "(مرحبا|سلام)",
            "(Привет|почта)",
            "(你好|邮件)",
        ];
        prop::collection::vec(word, 1..4).prop_map(|words| words.join(" "))
    }

    const CHARSETS: [&str; 6] = ["shift_jis", "iso-2022-jp", "gb18030", "koi8-r", "windows-1256", "euc-kr"];

    /// A message in one of several charsets and encodings, with a part inside now and then.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        (words(), words(), words(), 0..CHARSETS.len() as u8 + 7).prop_map(|(from, subject, text, form)| {
            let head = format!("From: \"{from}\" <{}@example.org>\r\nTo: a, {subject} <b@c>\r\nSubject: {subject}\r\n", text.len());
            let latin: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
            let quoted: String = latin.iter().map(|octet| format!("={octet:02X}")).collect();
            let typed = |rest: &str| format!("{head}Content-Type: {rest}");
            match form {
                0 => format!("{head}\r\n{text}\r\n").into_bytes(),
                1 => [typed("text/plain; charset=iso-8859-1\r\n\r\n").as_bytes(), &latin].concat(),
                2 => typed(&format!("text/html; charset=latin1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}")).into(),
                3 => typed(&format!("multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: {text}\r\n\r\n{from}\r\n--x\r\nX-Part: {text}\r\n\r\n{subject}\r\n--x--\r\n")).into(),
                4 => typed(&format!("text/html; charset=utf-8\r\n\r\n<style>{from}</style><p>{}</p><i hidden>{subject}</i><!-- {text} --><img alt='{subject}'>", text.replace(' ', "<br>\r\n").replace('a', "&#97;").replace('b', "<b>b</b>"))).into(),
                5 => typed(&format!("multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: image/png; name=\"=?utf-8?Q?{}?=\"\r\n\r\n{from}\r\n--x--\r\n", text.bytes().map(|octet| format!("={octet:02X}")).collect::<String>())).into(),
                7.. => {
                    let charset = CHARSETS[usize::from(form) - 7];
                    let encoded = Encoding::for_label(charset.as_bytes()).unwrap().encode(&text).0;
                    [typed(&format!("text/plain; charset={charset}\r\n\r\n")).as_bytes(), &encoded].concat()
                }
                6 => {
                    let wide = text.encode_utf16().flat_map(u16::to_le_bytes);
                    let quoted: String = wide.map(|octet| format!("={octet:02X}")).collect();
                    typed(&format!("text/plain; charset=utf-16le\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}")).into()
                }
            }
        })
    }

    fn key() -> impl Strategy<Value = Key> {
        let text = || prop_oneof![words(), "[a-c]{1,2}", "[a-zA-Z]{2,3}", "(example|:|\r\n|From|日)"];
        let leaf = prop_oneof![
            (any::<bool>(), text()).prop_map(|(all, text)| Key::Text(all, text)),
            text().prop_map(Key::From),
            text().prop_map(Key::To),
            text().prop_map(Key::Subject),
            Just(Key::Unseen),
            (any::<bool>(), text()).prop_map(|(all, text)| Key::Fuzzy(Box::new(Key::Text(all, text.clone())), text)),
            text().prop_map(|text| Key::Fuzzy(Box::new(Key::Subject(text.clone())), text)),
            text().prop_map(|text| Key::Fuzzy(Box::new(Key::From(text.clone())), text)),
        ];
        leaf.prop_recursive(2, 6, 3, |inner| {
            prop_oneof![
                inner.clone().prop_map(|key| Key::Not(Box::new(key))),
                prop::collection::vec(inner.clone(), 1..3).prop_map(Key::And),
                prop::collection::vec(inner, 1..3).prop_map(Key::Or),
            ]
        })
    }

    /// Takes a file away, or an octet of it.
    fn spoil(directory: &Path, seed: usize) {
        let Ok(of_alice) = fs::read_dir(directory.join(ALICE.0.to_string())) else { return };
        let mut files: Vec<_> = of_alice.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let Some(file) = files.get(seed % files.len().max(1)) else { return };
        if seed.is_multiple_of(3) {
            fs::remove_file(file).unwrap();
            return;
        }
        let mut octets = fs::read(file).unwrap();
        let at = seed % octets.len();
        octets[at] ^= 0x5a;
        fs::write(file, octets).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn an_index_late_lost_or_damaged_gives_the_answer_of_reading_everything(
            messages in prop::collection::vec(message(), 1..14),
            keys in prop::collection::vec(key(), 1..8),
            late in 0..14usize,
            seed in any::<u32>(),
            share in prop_oneof![Just(u64::MAX), 1..20_000u64],
        ) {
            let (account, directory) = (account(), tempfile::tempdir().unwrap());
            let limits = IndexLimits { account_bytes_max: share, ..LIMITS };
            let open = || Arc::new(Indexes::open(directory.path().to_owned(), limits));
            let check = |indexes: &Arc<Indexes>, moment: &str| {
                for key in &keys {
                    let expected = found(&account, condition(key), None);
                    // The second time from what was learnt.
                    for _ in 0..2 {
                        assert_eq!(found(&account, condition(key), Some(indexes)), expected, "{moment}: {key:?}");
                    }
                }
            };
            let indexes = open();
            check(&indexes, "empty");
            for (number, message) in messages.into_iter().enumerate() {
                deliver(&account, message);
                if number == late {
                    grow(&account, &indexes, 1);
                    check(&indexes, "one segment");
                    grow(&account, &indexes, 9);
                }
            }
            check(&indexes, "late");
            grow(&account, &indexes, 9);
            check(&indexes, "up to date");
            spoil(directory.path(), seed as usize);
            check(&indexes, "open while a file was lost or damaged");
            let indexes = open();
            check(&indexes, "lost or damaged");
            grow(&account, &indexes, 9);
            check(&indexes, "grown again");
        }
    }

    #[test]
    fn what_the_index_knows_is_not_read() {
        let (account, directory) = (account(), tempfile::tempdir().unwrap());
        let indexes = Arc::new(Indexes::open(directory.path().to_owned(), LIMITS));
        (0..10).for_each(|n| {
            deliver(
                &account,
                format!("From: Sender {n} <s@e.org>\r\nSubject: number {n}\r\n\r\nSome text {n}x").into_bytes(),
            );
        });
        grow(&account, &indexes, 9);
        let index = indexes.of(ALICE);
        let asked = |kinds: &[Kind], text: &str| {
            let candidates = index.look_up(kinds, text).unwrap();
            (0..10).filter(|at| candidates.says(*at).is_none()).count()
        };
        assert_eq!(asked(&[Kind::Body], "7x"), 0);
        assert_eq!(asked(&[Kind::Body], "ex"), 0, "all have it, and none is read");
        assert_eq!(asked(&[Kind::Header, Kind::Body], "s@e.o"), 0);
        assert_eq!(asked(&[Kind::From], "nder 7 <s"), 0, "an address is known as a whole");
        assert_eq!(asked(&[Kind::Subject], "ber 7"), 0);
        assert_eq!(asked(&[Kind::Body], "some longer text"), 0);
        assert_eq!(asked(&[Kind::Body], "some text 7x"), 10, "where words stand is not known");
        assert_eq!(found(&account, condition(&Key::Text(false, "some text 7x".into())), Some(&indexes)), [Uid(8)]);
        assert_eq!(asked(&[Kind::Body], "some text 7x"), 0, "it was read, and that is known now");
    }

    fn candidates(indexes: &Indexes, kinds: &[Kind], text: &str) -> Vec<Option<bool>> {
        let index = indexes.of(ALICE);
        let candidates = index.look_up(kinds, text).unwrap();
        let count = index.reached().0 as usize;
        (0..count).map(|at| candidates.says(at)).collect()
    }

    #[test]
    fn a_large_message_was_read_by_every_search() {
        let (account, directory) = (account(), tempfile::tempdir().unwrap());
        let indexes = Arc::new(Indexes::open(directory.path().to_owned(), LIMITS));
        // Windows end everywhere in these lines.
        let lines: String = (0..WHOLE_BYTES_MAX / 6).map(|n| format!("{n:06}\u{e4}\r\n")).collect();
        for text in ["none", "needle"] {
            let head = format!("Subject: large {text}\r\nContent-Type: text/plain; charset=utf-8\r\n");
            deliver(&account, format!("{head}\r\n{lines}{text}\r\n").into_bytes());
        }
        grow(&account, &indexes, 9);
        let known = |kinds: &[Kind], text: &str| candidates(&indexes, kinds, text);
        assert_eq!(known(&[Kind::Body], "needle"), [Some(false), Some(true)]);
        assert_eq!(known(&[Kind::Header], "none"), [Some(true), Some(false)]);
        assert_eq!(known(&[Kind::Header, Kind::Body], "needle"), [Some(false), Some(true)]);
        for n in (0..WHOLE_BYTES_MAX / 6).step_by(97) {
            assert_eq!(known(&[Kind::Body], &fold(&format!("{n:06}\u{e4}"))), [Some(true); 2], "{n}");
        }
        for (scope, text) in [(false, "needle"), (true, "needle"), (false, "\u{c4}\r\nNeedle")] {
            assert_eq!(found(&account, condition(&Key::Text(scope, text.into())), Some(&indexes)), [Uid(2)]);
        }
    }

    #[test]
    fn others_waited_until_a_large_message_was_in_the_index() {
        let (account, directory) = (account(), tempfile::tempdir().unwrap());
        let indexes = Indexes::open(directory.path().to_owned(), LIMITS);
        let text = "a line of it\r\n".repeat((WHOLE_BYTES_MAX + 2 * BYTES_PER_TURN) / 14);
        (0..2).for_each(|n| deliver(&account, format!("Subject: {n}\r\n\r\n{text}").into_bytes()));
        for turns in 0..6 {
            let mut left = turns;
            let mut goes_on = || {
                left -= 1;
                left >= 0
            };
            let stopped = index_some(&indexes, &account, &mut goes_on).unwrap();
            assert!(matches!(stopped, Indexed::Stopped), "{turns}: {stopped:?}");
            assert_eq!(indexes.of(ALICE).reached().0, 0);
        }
        grow(&account, &indexes, 9);
        assert_eq!(candidates(&indexes, &[Kind::Subject], "1"), [Some(false), Some(true)]);
    }

    #[test]
    fn what_a_message_that_was_lost_had_was_in_the_index_for_the_next_one() {
        let objects = SimObjects::new();
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(objects.clone()));
        let (account, directory) = (store.create_account(ALICE, Timestamp(0)).unwrap(), tempfile::tempdir().unwrap());
        let indexes = Indexes::open(directory.path().to_owned(), LIMITS);
        deliver(&account, format!("Subject: lost\r\n\r\n{}", "large\r\n".repeat(WHOLE_BYTES_MAX / 7 + 1)).into());
        for (name, _) in objects.list(account.id()).unwrap() {
            objects.remove(account.id(), &name).unwrap();
        }
        deliver(&account, b"Subject: small\r\n\r\ntext".to_vec());
        grow(&account, &indexes, 9);
        assert_eq!(candidates(&indexes, &[Kind::Subject], "lost"), [None, Some(false)]);
        assert_eq!(candidates(&indexes, &[Kind::Subject], "sma"), [None, Some(true)]);
    }
}
