//! A message of an mbox file as it was before it came into one.
//!
//! - Lines that begin with `From `, whatever number of `>` stands before, have one `>` less (mboxrd; in mboxo only the first is told).
//! - Line ends become those of the wire.
//! - Fields in which programs keep flags and numbers are read and left out, as Dovecot hides them: they change, and are no part of
//!   what somebody has sent.

use crate::flags::of_words;
use imap_proto::Flag;
use message::date;
use store::{Flags, Timestamp};

/// What programs write into a header, in lower case.
const HIDDEN: [&[u8]; 10] = [
    b"status",
    b"x-status",
    b"x-keywords",
    b"x-uid",
    b"x-imap",
    b"x-imapbase",
    b"content-length",
    b"x-mozilla-status",
    b"x-mozilla-status2",
    b"x-mozilla-keys",
];
/// Keywords of a message in an mbox file; more are left out.
const KEYWORDS_MAX: usize = 1000;
/// Thunderbird: removed, and in the file until it is compacted.
const MOZILLA_REMOVED: u32 = 0x8;
const MOZILLA_FLAGS: [(u32, &[u8]); 4] =
    [(0x1, b"\\Seen"), (0x2, b"\\Answered"), (0x4, b"\\Flagged"), (0x1000, b"$Forwarded")];

/// Takes octets as they come.
pub(super) trait Takes {
    fn take(&mut self, octets: &[u8]);
}

impl Takes for Vec<u8> {
    fn take(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// What the header says of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) flags: Flags,
    /// RFC 5322 §3.6.1.
    pub(super) date: Option<Timestamp>,
    pub(super) is_removed: bool,
}

/// Where a message is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    /// In a field that is left out.
    Hidden,
    Text,
}

/// Takes lines, and gives what is to be kept of them.
pub(super) struct Cleaner<T> {
    takes: T,
    state: State,
    last: u8,
    words: Vec<Vec<u8>>,
    date: Option<Timestamp>,
    is_removed: bool,
}

impl<T: Takes> Cleaner<T> {
    pub(super) fn new(takes: T) -> Self {
        Self { takes, state: State::Header, last: 0, words: Vec::new(), date: None, is_removed: false }
    }

    /// Whether the header has ended.
    pub(super) fn is_in_text(&self) -> bool {
        self.state == State::Text
    }

    /// A line with its end, or a piece of one; `begins`: its first.
    pub(super) fn line(&mut self, line: &[u8], begins: bool) {
        if begins && self.state != State::Text {
            self.state = match line {
                b"\n" | b"\r\n" => State::Text,
                // RFC 5322 §2.2.3: the field goes on.
                [b' ' | b'\t', ..] => self.state,
                _ => self.field(line),
            };
        }
        if self.state == State::Hidden {
            return;
        }
        let quoted = line.strip_prefix(b">").filter(|rest| {
            begins && rest.iter().position(|octet| *octet != b'>').is_some_and(|at| rest[at..].starts_with(b"From "))
        });
        self.keep(quoted.unwrap_or(line));
    }

    fn field(&mut self, line: &[u8]) -> State {
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { return State::Header };
        let (name, value) = line.split_at(colon);
        let (name, value) = (name.trim_ascii().to_ascii_lowercase(), value.get(1..).unwrap_or_default().trim_ascii());
        if name == b"date" && self.date.is_none() {
            self.date = date::parse(value).map(|read| Timestamp::from_unix_seconds(read.unix_seconds));
        }
        if !HIDDEN.contains(&name.as_slice()) {
            return State::Header;
        }
        match name.as_slice() {
            b"status" => self.letters(value, &[(b'R', b"\\Seen")]),
            b"x-status" => self.letters(
                value,
                &[(b'A', b"\\Answered"), (b'F', b"\\Flagged"), (b'T', b"\\Draft"), (b'D', b"\\Deleted")],
            ),
            b"x-keywords" | b"x-mozilla-keys" => {
                let words = value
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| matches!(Flag::parse(word), Ok(Some(Flag::Keyword(_)))));
                let room = KEYWORDS_MAX.saturating_sub(self.words.len());
                self.words.extend(words.take(room).map(<[u8]>::to_vec));
            }
            b"x-mozilla-status" => {
                let digits = std::str::from_utf8(value).unwrap_or_default();
                let bits = u32::from_str_radix(digits, 16).unwrap_or_default();
                let words = MOZILLA_FLAGS.iter().filter(|(bit, _)| bits & bit != 0);
                self.words.extend(words.map(|(_, word)| word.to_vec()));
                self.is_removed |= bits & MOZILLA_REMOVED != 0;
            }
            _ => {}
        }
        State::Hidden
    }

    fn letters(&mut self, value: &[u8], meanings: &[(u8, &[u8])]) {
        let said = meanings.iter().filter(|(letter, _)| value.contains(letter));
        self.words.extend(said.map(|(_, word)| word.to_vec()));
    }

    fn keep(&mut self, line: &[u8]) {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                self.give(text);
                self.give(if self.last == b'\r' { b"\n" } else { b"\r\n" });
            }
            None => self.give(line),
        }
    }

    fn give(&mut self, octets: &[u8]) {
        if let Some(last) = octets.last() {
            self.last = *last;
            self.takes.take(octets);
        }
    }

    /// What was kept, and what the header said.
    pub(super) fn end(self) -> (T, Facts) {
        let mut flags = of_words(self.words.iter().map(Vec::as_slice));
        flags.keywords.sort_unstable();
        flags.keywords.dedup();
        (self.takes, Facts { flags, date: self.date, is_removed: self.is_removed })
    }
}
