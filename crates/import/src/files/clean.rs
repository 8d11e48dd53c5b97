//! A message of a file as it was before programs wrote into it.
//!
//! - In an mbox file, lines that begin with `From `, whatever number of `>` stands before, have one `>` less (mboxrd; in mboxo only the
//!   first is told).
//! - Line ends become those of the wire.
//! - Fields in which programs keep flags and numbers are read and left out, as Dovecot hides them: they change, and are no part of
//!   what somebody has sent.

use crate::flags::of_words;
use imap_proto::Flag;
use message::{date, encoded_word};
use std::collections::HashSet;
use store::{Flags, Timestamp};

/// What programs write into a header, in lower case.
const HIDDEN: [&[u8]; 11] = [
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
    b"x-gmail-labels",
];
/// Keywords of a message in a file; more are left out.
pub(super) const KEYWORDS_MAX: usize = 1000;
/// So many keywords an import learns from headers, which anybody may have written; a mailbox has 1,000, and keeps them for good.
const LEARNED_MAX: usize = 100;
/// Of a field of a header so much is read.
const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Thunderbird: removed, and in the file until it is compacted.
const MOZILLA_REMOVED: u32 = 0x8;
const MOZILLA_FLAGS: [(u32, &[u8]); 4] =
    [(0x1, b"\\Seen"), (0x2, b"\\Answered"), (0x4, b"\\Flagged"), (0x1000, b"$Forwarded")];
/// Labels of Gmail that are its own: folders, which Takeout does not tell from the others, and states.
const GMAIL_OWN: [&str; 16] = [
    "inbox",
    "sent",
    "archived",
    "important",
    "trash",
    "spam",
    "chat",
    "opened",
    "unread",
    "starred",
    "drafts",
    "draft",
    "scheduled",
    "snoozed",
    "muted",
    "all mail",
];

/// Whether a line of a header begins a field in which programs keep flags and numbers, which an import leaves out.
#[must_use]
pub fn is_field_of_programs(line: &[u8]) -> bool {
    let name = line.iter().position(|octet| *octet == b':').map(|colon| line[..colon].trim_ascii());
    name.is_some_and(|name| HIDDEN.contains(&name.to_ascii_lowercase().as_slice()))
}

/// Takes octets as they come.
pub(super) trait Takes {
    fn take(&mut self, octets: &[u8]);
}

impl Takes for Vec<u8> {
    fn take(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// The keywords that an import has learnt from headers.
#[derive(Default)]
pub(super) struct Learned {
    /// In lower case.
    names: HashSet<String>,
    /// Messages of the open folder that come without some of theirs.
    messages: usize,
}

impl Learned {
    /// Another folder is opened.
    pub(super) fn begin(&mut self) {
        self.messages = 0;
    }

    /// Leaves out of a message what is too much.
    pub(super) fn bound(&mut self, flags: &mut Flags) {
        let (before, names) = (flags.keywords.len(), &mut self.names);
        flags.keywords.retain(|keyword| {
            let name = keyword.to_ascii_lowercase();
            names.contains(&name) || (names.len() < LEARNED_MAX && names.insert(name))
        });
        self.messages += usize::from(flags.keywords.len() < before);
    }

    /// What was left out in the open folder, and why.
    pub(super) fn told(&self) -> Option<(String, String)> {
        let why = format!(
            "they come without some of their keywords: an import takes {LEARNED_MAX} from headers, and a mailbox keeps them for good"
        );
        (self.messages > 0).then(|| (messages(self.messages), why))
    }
}

/// Which file a message lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    /// With others, where text that begins with `From ` is quoted.
    Mbox,
    /// One of its own.
    File,
}

/// What the header says of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) flags: Flags,
    /// When the last server took it in (RFC 5322 §3.6.7), else when it was written (§3.6.1).
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
    within: Within,
    state: State,
    last: u8,
    /// The field that is open, if it is one that is read.
    field: Vec<u8>,
    words: Vec<Vec<u8>>,
    received: Option<Timestamp>,
    written: Option<Timestamp>,
    is_removed: bool,
}

impl<T: Takes> Cleaner<T> {
    pub(super) fn new(takes: T, within: Within) -> Self {
        Self {
            takes,
            within,
            state: State::Header,
            last: 0,
            field: Vec::new(),
            words: Vec::new(),
            received: None,
            written: None,
            is_removed: false,
        }
    }

    /// Whether the header has ended.
    pub(super) fn is_in_text(&self) -> bool {
        self.state == State::Text
    }

    /// A line with its end, or a piece of one; `begins`: its first.
    pub(super) fn line(&mut self, line: &[u8], begins: bool) {
        if self.state != State::Text {
            self.state = match line {
                _ if !begins => self.goes_on(line),
                b"\n" | b"\r\n" => {
                    self.end_field();
                    State::Text
                }
                // RFC 5322 §2.2.3: the field goes on.
                [b' ' | b'\t', ..] => self.goes_on(line),
                _ => self.begin_field(line),
            };
        }
        if self.state == State::Hidden {
            return;
        }
        let quoted = line.strip_prefix(b">").filter(|rest| {
            self.within == Within::Mbox
                && begins
                && rest.iter().position(|octet| *octet != b'>').is_some_and(|at| rest[at..].starts_with(b"From "))
        });
        self.keep(quoted.unwrap_or(line));
    }

    fn begin_field(&mut self, line: &[u8]) -> State {
        self.end_field();
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { return State::Header };
        let name = line[..colon].trim_ascii().to_ascii_lowercase();
        let is_hidden = is_field_of_programs(line);
        let is_read = is_hidden
            || (name == b"date" && self.written.is_none())
            || (name == b"received" && self.received.is_none());
        if is_read {
            self.field.extend_from_slice(line);
        }
        if is_hidden { State::Hidden } else { State::Header }
    }

    fn goes_on(&mut self, line: &[u8]) -> State {
        if !self.field.is_empty() && self.field.len() + line.len() <= FIELD_BYTES_MAX {
            self.field.extend_from_slice(line);
        }
        self.state
    }

    fn end_field(&mut self) {
        let field = std::mem::take(&mut self.field);
        let Some(colon) = field.iter().position(|octet| *octet == b':') else { return };
        let (name, value) = field.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"date" => self.written = moment(value),
            // RFC 5322 §3.6.7: behind the last semicolon. The first field is that of the last server.
            b"received" => self.received = value.rsplit(|octet| *octet == b';').next().and_then(moment),
            b"status" => self.letters(value, &[(b'R', b"\\Seen")]),
            b"x-status" => self.letters(
                value,
                &[(b'A', b"\\Answered"), (b'F', b"\\Flagged"), (b'T', b"\\Draft"), (b'D', b"\\Deleted")],
            ),
            b"x-keywords" | b"x-mozilla-keys" => {
                value.split(u8::is_ascii_whitespace).for_each(|word| self.keyword(word));
            }
            b"x-gmail-labels" => self.labels(&encoded_word::decode(value)),
            b"x-mozilla-status" => {
                let digits = std::str::from_utf8(value).unwrap_or_default();
                let bits = u32::from_str_radix(digits, 16).unwrap_or_default();
                let words = MOZILLA_FLAGS.iter().filter(|(bit, _)| bits & bit != 0);
                self.words.extend(words.map(|(_, word)| word.to_vec()));
                self.is_removed |= bits & MOZILLA_REMOVED != 0;
            }
            _ => {}
        }
    }

    fn letters(&mut self, value: &[u8], meanings: &[(u8, &[u8])]) {
        let said = meanings.iter().filter(|(letter, _)| value.contains(letter));
        self.words.extend(said.map(|(_, word)| word.to_vec()));
    }

    fn keyword(&mut self, word: &[u8]) {
        if self.words.len() < KEYWORDS_MAX && matches!(Flag::parse(word), Ok(Some(Flag::Keyword(_)))) {
            self.words.push(word.to_vec());
        }
    }

    /// Google Takeout: `Inbox,Starred,"Work, old"`. Whatever is not unread was read; labels of one's own are keywords.
    fn labels(&mut self, labels: &str) {
        let labels: Vec<String> =
            labels.split(',').map(|label| label.trim().trim_matches('"').trim().to_owned()).collect();
        let has = |name: &str| labels.iter().any(|label| label.eq_ignore_ascii_case(name));
        for (is_so, word) in [
            (!has("unread"), &b"\\Seen"[..]),
            (has("starred"), b"\\Flagged"),
            (has("draft") || has("drafts"), b"\\Draft"),
        ] {
            self.words.extend(is_so.then(|| word.to_vec()));
        }
        for label in &labels {
            let lower = label.to_ascii_lowercase();
            if !GMAIL_OWN.contains(&lower.as_str()) && !lower.starts_with("category ") {
                self.keyword(label.replace(char::is_whitespace, "_").as_bytes());
            }
        }
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
    pub(super) fn end(mut self) -> (T, Facts) {
        self.end_field();
        let mut flags = of_words(self.words.iter().map(Vec::as_slice));
        flags.keywords.sort_unstable();
        flags.keywords.dedup();
        (self.takes, Facts { flags, date: self.received.or(self.written), is_removed: self.is_removed })
    }
}

fn moment(value: &[u8]) -> Option<Timestamp> {
    date::parse(value).map(|read| Timestamp::from_unix_seconds(read.unix_seconds))
}

/// So many messages, in words.
pub(super) fn messages(count: usize) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}
