//! Responses: an encoder that appends to the session's output.
//!
//! Nothing is built in between: numbers, strings and literals go straight into the vector.
//! Where a text must be told from a client's point of view (mailbox names, 8-bit strings) the [`Dialect`] decides.

mod acl;
mod body;
mod code;
mod fetch;
mod languages;
mod list;
mod metadata;
mod quota;
mod search;
mod status;
mod string;
mod urlauth;

pub use body::{Address, AddressField, BodyKind, BodyView, EnvelopeView};
pub use code::{Code, NewKeywords};
pub use fetch::FetchWriter;
pub use list::{ListEntry, MailboxAttribute};
pub use quota::ResourceQuota;
pub use search::{Esearch, ThreadMark};
pub use status::StatusValue;

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::mailbox::{Dialect, MailboxName};
use crate::malformed::Malformed;
use crate::sequence::SequenceSet;
use crate::tag::Tag;

/// The kind of a status response (RFC 9051 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done, or information.
    Ok,
    /// Refused, or a warning.
    No,
    /// Not understood, or our fault.
    Bad,
}

/// Whether a VANISHED tells of the past (RFC 7162 §3.2.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vanished {
    /// `VANISHED`: just now; message numbers move.
    Now,
    /// `VANISHED (EARLIER)`: the answer to QRESYNC or FETCH (VANISHED); numbers do not move.
    Earlier,
}

/// Writes responses to the end of a byte vector. Make one where it is needed: it holds nothing else.
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    dialect: Dialect,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

impl<'o> Encoder<'o> {
    /// An encoder that appends to `out`.
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>, dialect: Dialect) -> Self {
        Self { out, dialect }
    }

    /// The answer that ends a command. Line ends and non-ASCII in `text` become `?`.
    pub fn tagged(&mut self, tag: &Tag, status: Status, code: Option<Code<'_>>, text: &str) {
        self.raw(tag.as_str());
        self.raw(" ");
        self.condition(status.as_str(), code, text);
    }

    /// `tag OK …`
    pub fn ok(&mut self, tag: &Tag, code: Option<Code<'_>>, text: &str) {
        self.tagged(tag, Status::Ok, code, text);
    }

    /// `tag NO …`
    pub fn no(&mut self, tag: &Tag, code: Option<Code<'_>>, text: &str) {
        self.tagged(tag, Status::No, code, text);
    }

    /// `tag BAD …`
    pub fn bad(&mut self, tag: &Tag, code: Option<Code<'_>>, text: &str) {
        self.tagged(tag, Status::Bad, code, text);
    }

    /// `* OK …`, `* NO …`, `* BAD …`: the greeting, information, warnings (RFC 9051 §7.1).
    pub fn untagged(&mut self, status: Status, code: Option<Code<'_>>, text: &str) {
        self.raw("* ");
        self.condition(status.as_str(), code, text);
    }

    /// `* BYE …`
    pub fn bye(&mut self, code: Option<Code<'_>>, text: &str) {
        self.raw("* ");
        self.condition("BYE", code, text);
    }

    /// The answer to what the machine refused: tagged where it has a tag, else an untagged BAD.
    pub fn malformed(&mut self, malformed: &Malformed) {
        let Malformed { tag, reason } = malformed;
        let (status, text) = (reason.status(), reason.to_string());
        match tag {
            Some(tag) => self.tagged(tag, status, reason.code(), &text),
            // RFC 9051 §7.1.3: BAD without a tag is a protocol error that belongs to no command.
            None => self.untagged(Status::Bad, None, &text),
        }
    }

    /// `+ text`: send the literal, or idling.
    pub fn continuation(&mut self, text: &str) {
        self.raw("+ ");
        self.text(text);
    }

    /// `+ base64`: a challenge of AUTHENTICATE; empty for none.
    pub fn challenge(&mut self, data: &[u8]) {
        self.raw("+ ");
        self.raw(&STANDARD.encode(data));
        self.raw("\r\n");
    }

    /// `* CAPABILITY …`; `names` has IMAP4rev1 or IMAP4rev2 in it.
    pub fn capability(&mut self, names: &[&str]) {
        self.words("* CAPABILITY", names);
    }

    /// `* ENABLED …`
    pub fn enabled(&mut self, names: &[&str]) {
        self.words("* ENABLED", names);
    }

    /// `* n EXISTS`
    pub fn exists(&mut self, messages: u32) {
        self.format(format_args!("* {messages} EXISTS\r\n"));
    }

    /// `* n RECENT`, for IMAP4rev1 only (RFC 3501 §7.3.2).
    pub fn recent(&mut self, messages: u32) {
        self.format(format_args!("* {messages} RECENT\r\n"));
    }

    /// `* n EXPUNGE`: the message with this number is gone and those above it move down.
    pub fn expunge(&mut self, message: u32) {
        self.format(format_args!("* {message} EXPUNGE\r\n"));
    }

    /// `* VANISHED …`; `uids` is not empty and has no `*`.
    pub fn vanished(&mut self, when: Vanished, uids: &SequenceSet) {
        self.raw(match when {
            Vanished::Now => "* VANISHED ",
            Vanished::Earlier => "* VANISHED (EARLIER) ",
        });
        uids.encode(self.out);
        self.raw("\r\n");
    }

    /// `* FLAGS (…)`: the flags that messages of the mailbox have, as on the wire.
    pub fn flags<F: AsRef<str>>(&mut self, flags: impl IntoIterator<Item = F>) {
        self.raw("* FLAGS ");
        string::parenthesised(self.out, flags);
        self.raw("\r\n");
    }

    /// `* NAMESPACE (("" "/")) (("Shared/" "/")) NIL`: a personal namespace without prefix, and that of other users
    /// (RFC 9051 §7.3.5).
    pub fn namespace(&mut self, of_others: &str) {
        self.raw("* NAMESPACE ((\"\" \"/\")) ((");
        self.string(of_others.as_bytes());
        self.raw(" \"/\")) NIL\r\n");
    }

    /// `* ID (…)`; `* ID NIL` without fields (RFC 2971 §3.2).
    pub fn id(&mut self, fields: &[(&str, &str)]) {
        self.raw("* ID ");
        for (at, (name, value)) in fields.iter().enumerate() {
            self.raw(if at == 0 { "(" } else { " " });
            self.string(name.as_bytes());
            self.raw(" ");
            self.string(value.as_bytes());
        }
        self.raw(if fields.is_empty() { "NIL\r\n" } else { ")\r\n" });
    }

    fn condition(&mut self, condition: &str, code: Option<Code<'_>>, text: &str) {
        self.raw(condition);
        self.raw(" ");
        if let Some(code) = code {
            self.raw("[");
            self.code(code);
            self.raw("] ");
        }
        self.text(text);
    }

    /// RFC 9051 §9: resp-text is never empty and has no line end.
    fn text(&mut self, text: &str) {
        let text = if text.is_empty() { "-" } else { text };
        self.out.extend(text.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c as u8 } else { b'?' }));
        self.raw("\r\n");
    }

    fn words(&mut self, head: &str, words: &[&str]) {
        self.raw(head);
        for word in words {
            self.raw(" ");
            self.raw(word);
        }
        self.raw("\r\n");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn format(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a vector does not fail.
        let _ = self.out.write_fmt(arguments);
    }

    fn string(&mut self, value: &[u8]) {
        string::string(self.out, self.dialect, value);
    }

    fn mailbox(&mut self, name: &MailboxName) {
        let wire = name.to_wire(self.dialect);
        self.string(wire.as_bytes());
    }
}

#[cfg(test)]
mod tests;
