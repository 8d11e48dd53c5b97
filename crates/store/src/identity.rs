//! What a message is found by: its Message-ID; and of the account's own mail, what tells that two are the same message.
//!
//! Rows `I` lead from a [`Name`] to messages. Those of the account's own mail are written with it; those of mail from others
//! later and many at a time (`account::message_ids`): rows in no order cost a delivery more than all else that it writes. A name is a hash and may have been chosen by a stranger: whoever finds a
//! message by it looks at the message itself, or at its [`Own`], before it believes anything.

use crate::codec::Corrupt;
use crate::record::{open, versioned};
use memchr::memchr_iter;
use message::header::{self, known_fields};
use message::{Summary, refers};

/// What a message is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(pub(crate) u64);

impl Name {
    /// `id` without angle brackets.
    pub(crate) fn of_message_id(id: &[u8]) -> Self {
        Self::first(blake3::hash(id).as_bytes())
    }

    /// Of a message that has a Message-ID.
    pub(crate) fn of(summary: &Summary) -> Option<Self> {
        summary.envelope.message_id.as_deref().and_then(refers::message_id).map(Self::of_message_id)
    }

    fn first(hash: &[u8]) -> Self {
        Self(u64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default()))
    }
}

/// What a copy of a sent message has in common with what was submitted: Message-ID (without one, Date), From, To, Cc,
/// Subject, what it was resent with, and every line of the body. Programs differ in the rest: Bcc, fields of their own, line
/// ends, and the Date, which Mutt writes anew for its copy: a second later, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 16]);

const FIELDS: [&str; 5] = ["message-id", "from", "to", "cc", "subject"];

impl Fingerprint {
    /// `None` for a message that has neither Message-ID nor Date: another one may look the same.
    pub(crate) fn of(message: &[u8]) -> Option<Self> {
        let end = header::end(message);
        let (head, body) = message.split_at_checked(end)?;
        let has = |name: &str| header::find(head, name).is_some_and(|field| !field.value.trim_ascii().is_empty());
        if !has("message-id") && !has("date") {
            return None;
        }
        let mut hasher = Hashing::default();
        let date = (!has("message-id")).then_some("date");
        for name in date.into_iter().chain(FIELDS) {
            header::find_all(head, name).for_each(|field| write_field(&mut hasher, name.as_bytes(), field.value));
        }
        for field in known_fields(head).filter(|field| is_resent(field.name)) {
            write_field(&mut hasher, &field.name.to_ascii_lowercase(), field.value);
        }
        write_lines(&mut hasher, body);
        hasher.finish().first_chunk().copied().map(Self)
    }

    fn name(self) -> Name {
        Name::first(&self.0)
    }
}

/// BLAKE3 of what comes in short pieces: of many octets at once it is several times as fast.
#[derive(Default)]
struct Hashing {
    hasher: blake3::Hasher,
    waiting: Vec<u8>,
}

/// So many octets are hashed at once.
const HASHED_AT_ONCE_BYTES: usize = 16 * 1024;

impl Hashing {
    fn update(&mut self, octets: &[u8]) -> &mut Self {
        self.waiting.extend_from_slice(octets);
        if self.waiting.len() >= HASHED_AT_ONCE_BYTES {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
        }
        self
    }

    fn finish(mut self) -> [u8; 32] {
        *self.hasher.update(&self.waiting).finalize().as_bytes()
    }
}

/// RFC 5322 §3.6.6: resent to others it is another submission.
fn is_resent(name: &[u8]) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"resent-"))
        && !name.eq_ignore_ascii_case(b"resent-bcc")
}

/// However it is folded.
fn write_field(hasher: &mut Hashing, name: &[u8], value: &[u8]) {
    hasher.update(name).update(b":");
    for word in value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
        hasher.update(b" ").update(word);
    }
    hasher.update(b"\n");
}

/// However they end; empty lines at the end of the message do not count.
fn write_lines(hasher: &mut Hashing, body: &[u8]) {
    let (mut empty, mut from) = (0, 0);
    for end in memchr_iter(b'\n', body).chain([body.len()]) {
        let line = body.get(from..end).unwrap_or_default();
        from = end + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            hasher.update(b"\n");
        }
        hasher.update(line).update(b"\n");
    }
}

/// That a message is the account's own: uploaded by a program, or saved for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) fingerprint: Fingerprint,
    /// What only the same octets have in common: as the program sent them.
    pub(crate) exact: [u8; 16],
    /// Saved to Sent when it was submitted: a program's own copy takes its place.
    pub(crate) saved: bool,
}

impl Own {
    /// The value of an `I` row: empty for mail of others.
    pub(crate) fn encode(own: Option<Self>) -> Vec<u8> {
        let Some(Self { fingerprint, exact, saved }) = own else { return Vec::new() };
        let mut w = versioned();
        w.byte(u8::from(saved));
        w.0.extend_from_slice(&fingerprint.0);
        w.0.extend_from_slice(&exact);
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, Corrupt> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut r = open(bytes)?;
        let saved = match r.byte()? {
            0 => false,
            1 => true,
            2.. => return Err(Corrupt),
        };
        let fingerprint = Fingerprint(r.take(16)?.try_into().map_err(|_| Corrupt)?);
        let exact = r.take(16)?.try_into().map_err(|_| Corrupt)?;
        r.end().map(|()| Some(Self { fingerprint, exact, saved }))
    }
}

/// Whose a new message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody else's: its rows are written later.
    Delivered,
    /// Uploaded by a program.
    Uploaded,
    /// Submitted; so many octets at its beginning are what it lacked, and are not in what the program uploads.
    Submitted { added_bytes: usize },
}

/// What a new message is found by at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// At most two; a copy of the account's own mail is found by the last.
    pub(crate) names: Vec<Name>,
    pub(crate) own: Option<Own>,
}

impl Identity {
    /// `hash`: the BLAKE3 of the message.
    pub(crate) fn of(message: &[u8], hash: &[u8; 32], summary: &Summary, origin: Origin) -> Self {
        let (original, exact, saved) = match origin {
            Origin::Delivered => return Self::default(),
            Origin::Uploaded => (message, *hash, false),
            Origin::Submitted { added_bytes } => {
                let original = message.get(added_bytes..).unwrap_or_default();
                (original, *blake3::hash(original).as_bytes(), true)
            }
        };
        let mut names: Vec<Name> = Name::of(summary).into_iter().collect();
        let Some(fingerprint) = Fingerprint::of(original) else { return Self { names, own: None } };
        if header::find(original, "message-id").and_then(|field| refers::message_id(field.value)).is_none() {
            names.push(fingerprint.name());
        }
        let exact = exact.first_chunk().copied().unwrap_or_default();
        Self { names, own: Some(Own { fingerprint, exact, saved }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str =
        "Message-ID: <1@x>\r\nDate: today\r\nFrom: a@x\r\nTo: b@x\r\nSubject: hi\r\n there\r\n\r\nbody\r\n\r\nend\r\n";

    #[test]
    fn what_is_hashed_in_pieces_has_the_hash_of_the_whole() {
        for (piece, pieces) in [(1, 40_000), (77, 1_000), (HASHED_AT_ONCE_BYTES, 3), (0, 2)] {
            let (mut hashing, mut whole) = (Hashing::default(), Vec::new());
            for n in 0..pieces {
                let octets = vec![n as u8; piece];
                hashing.update(&octets);
                whole.extend(octets);
            }
            assert_eq!(hashing.finish(), *blake3::hash(&whole).as_bytes(), "{piece} {pieces}");
        }
    }

    fn fingerprint(message: &str) -> Option<Fingerprint> {
        Fingerprint::of(message.as_bytes())
    }

    #[test]
    fn what_programs_change_in_their_copy_makes_no_other_message() {
        let same = |message: String| assert_eq!(fingerprint(&message), fingerprint(SENT), "{message}");
        same(SENT.replace("\r\n", "\n"));
        same(format!("Bcc: c@x\r\nX-Mozilla-Keys: \r\n{SENT}\r\n\r\n"));
        same(SENT.replace("hi\r\n there", "hi there").replace("Message-ID: ", "Message-Id:"));
        same(SENT.trim_end().to_owned());
        same(SENT.replace("today", "a second later"));
    }

    #[test]
    fn what_makes_another_message_is_seen() {
        let other = |from: &str, to: &str| {
            assert!(SENT.contains(from));
            assert_ne!(fingerprint(&SENT.replacen(from, to, 1)), fingerprint(SENT), "{from} {to}");
        };
        for (from, to) in [
            ("<1@x>", "<2@x>"),
            ("a@x", "d@x"),
            ("b@x", "d@x"),
            ("hi", "Hi"),
            ("body", "body "),
            ("body\r\n\r\n", "body\r\n"),
            ("To: b@x", "Cc: b@x"),
            ("To:", "Resent-To: c@x\r\nTo:"),
        ] {
            other(from, to);
        }
    }

    #[test]
    fn without_message_id_and_date_nothing_is_the_same() {
        assert_eq!(fingerprint("From: a@x\r\n\r\nbody"), None);
        assert_eq!(fingerprint("Message-ID: \r\n\r\nbody"), None);
        assert_eq!(fingerprint(""), None);
        assert!(fingerprint("Date: today\r\n\r\nbody").is_some());
        assert_ne!(fingerprint("Date: today\r\n\r\nbody"), fingerprint("Date: tomorrow\r\n\r\nbody"));
    }

    #[test]
    fn an_upload_finds_what_was_submitted() {
        let identity = |message: &str, origin| {
            let message = message.as_bytes();
            Identity::of(message, blake3::hash(message).as_bytes(), &Summary::parse(message), origin)
        };
        let check = |added: &str, original: &str, names: usize| {
            let submitted = identity(&format!("{added}{original}"), Origin::Submitted { added_bytes: added.len() });
            let uploaded = identity(original, Origin::Uploaded);
            assert_eq!(submitted.names.len(), names);
            assert_eq!(submitted.names.last(), uploaded.names.last());
            assert_eq!(submitted.own.map(|own| own.fingerprint), uploaded.own.map(|own| own.fingerprint));
            assert!(submitted.own.unwrap().saved && !uploaded.own.unwrap().saved);
        };
        check("", SENT, 1);
        check("Message-ID: <server@x>\r\n", "Date: today\r\n\r\nbody", 2);
        check("Date: today\r\n", "Message-ID: <1@x>\r\n\r\nbody", 1);
        assert_eq!(identity(SENT, Origin::Delivered), Identity::default());
        assert_eq!(identity(SENT, Origin::Uploaded).names, [Name::of_message_id(b"1@x")]);
    }

    #[test]
    fn rows_are_read_as_they_are_written() {
        for own in [None, Some(true), Some(false)] {
            let own = own.map(|saved| Own { fingerprint: Fingerprint([7; 16]), exact: [8; 16], saved });
            assert_eq!(Own::decode(&Own::encode(own)), Ok(own));
        }
        for bad in [&b"\x01"[..], b"\x01\x02", b"\x01\x01short", b"\x02"] {
            assert_eq!(Own::decode(bad), Err(Corrupt));
        }
    }
}
