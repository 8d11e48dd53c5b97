//! FETCH responses (RFC 9051 §7.5.2), item by item.

use std::io::Write;

use super::{BodyView, Encoder, EnvelopeView, body, string};
use crate::command::{BodySection, Partial, Section, SectionText};
use crate::datetime::DateTime;
use crate::mailbox::Dialect;

/// Writes the items of one FETCH response; [`FetchWriter::finish`] ends it.
///
/// A large section may be written in pieces: [`FetchWriter::section_header`] or another that ends in `_header`,
/// [`FetchWriter::suspend`], then exactly the announced octets into the output, as many as fit at a time, then [`Encoder::resume_fetch`].
#[must_use = "the response is not complete before finish()"]
pub struct FetchWriter<'o> {
    out: &'o mut Vec<u8>,
    dialect: Dialect,
    first: bool,
}

impl Encoder<'_> {
    /// Begins `* n FETCH (…)`.
    pub fn fetch(&mut self, message: u32) -> FetchWriter<'_> {
        self.raw("* ");
        string::decimal(self.out, message.into());
        self.raw(" FETCH (");
        FetchWriter { out: self.out, dialect: self.dialect, first: true }
    }

    /// Begins `* n UIDFETCH (…)` (RFC 9586 §3.3): n is the UID.
    pub fn uid_fetch(&mut self, uid: u32) -> FetchWriter<'_> {
        self.raw("* ");
        string::decimal(self.out, uid.into());
        self.raw(" UIDFETCH (");
        FetchWriter { out: self.out, dialect: self.dialect, first: true }
    }

    /// Goes on with a response after [`FetchWriter::suspend`].
    pub fn resume_fetch(&mut self) -> FetchWriter<'_> {
        FetchWriter { out: self.out, dialect: self.dialect, first: false }
    }
}

impl FetchWriter<'_> {
    /// `UID n`
    pub fn uid(&mut self, uid: u32) {
        self.number("UID ", uid.into());
    }

    /// `FLAGS (…)`, each as on the wire.
    pub fn flags<F: AsRef<str>>(&mut self, flags: impl IntoIterator<Item = F>) {
        self.word("FLAGS ");
        string::parenthesised(self.out, flags);
    }

    /// `MODSEQ (n)`
    pub fn modseq(&mut self, modseq: u64) {
        self.number("MODSEQ (", modseq);
        self.out.push(b')');
    }

    /// `INTERNALDATE "…"`
    pub fn internal_date(&mut self, date: DateTime) {
        self.word("INTERNALDATE \"");
        self.out.extend_from_slice(&date.text());
        self.out.push(b'"');
    }

    /// `SAVEDATE "…"` or `SAVEDATE NIL` (RFC 8514 §4.2)
    pub fn save_date(&mut self, date: Option<DateTime>) {
        self.word("SAVEDATE ");
        match date {
            Some(date) => {
                self.out.push(b'"');
                self.out.extend_from_slice(&date.text());
                self.out.push(b'"');
            }
            None => self.out.extend_from_slice(b"NIL"),
        }
    }

    /// `RFC822.SIZE n`
    pub fn rfc822_size(&mut self, octets: u64) {
        self.number("RFC822.SIZE ", octets);
    }

    /// `EMAILID (id)` (RFC 8474 §5.1)
    pub fn email_id(&mut self, id: &str) {
        self.item(format_args!("EMAILID ({id})"));
    }

    /// `THREADID (id)` or `THREADID NIL` (RFC 8474 §5.2)
    pub fn thread_id(&mut self, id: Option<&str>) {
        match id {
            Some(id) => self.item(format_args!("THREADID ({id})")),
            None => self.item(format_args!("THREADID NIL")),
        }
    }

    /// `PREVIEW "…"` (RFC 8970 §3.2)
    pub fn preview(&mut self, text: &str) {
        self.word("PREVIEW ");
        string::string(self.out, self.dialect, text.as_bytes());
    }

    /// `ENVELOPE (…)`
    pub fn envelope<E: EnvelopeView>(&mut self, envelope: E) {
        self.word("ENVELOPE ");
        body::envelope(self.out, self.dialect, envelope);
    }

    /// `BODY (…)`: the structure without extension data.
    pub fn body<B: BodyView>(&mut self, structure: B) {
        self.word("BODY ");
        body::structure(self.out, self.dialect, body::Extensions::Without, structure);
    }

    /// `BODYSTRUCTURE (…)`
    pub fn body_structure<B: BodyView>(&mut self, structure: B) {
        self.word("BODYSTRUCTURE ");
        body::structure(self.out, self.dialect, body::Extensions::With, structure);
    }

    /// `BODY[…]<offset> …`: the octets after [`Partial::of`], `None` for a part that is not there.
    pub fn section(&mut self, section: &BodySection, octets: Option<&[u8]>) {
        self.section_name("BODY[", section);
        match octets {
            Some(octets) => string::literal(self.out, octets),
            None => self.out.extend_from_slice(b"NIL"),
        }
    }

    /// `BODY[…]<offset> {n}`: `octets` octets must follow.
    pub fn section_header(&mut self, section: &BodySection, octets: u64) {
        self.section_name("BODY[", section);
        string::literal_header(self.out, octets);
    }

    /// `RFC822 …`
    pub fn rfc822(&mut self, octets: &[u8]) {
        self.item(format_args!("RFC822 "));
        string::literal(self.out, octets);
    }

    /// `RFC822 {n}`: `octets` octets must follow.
    pub fn rfc822_literal_header(&mut self, octets: u64) {
        self.item(format_args!("RFC822 "));
        string::literal_header(self.out, octets);
    }

    /// `RFC822.HEADER {n}`: `octets` octets must follow.
    pub fn rfc822_header_literal_header(&mut self, octets: u64) {
        self.item(format_args!("RFC822.HEADER "));
        string::literal_header(self.out, octets);
    }

    /// `RFC822.TEXT {n}`: `octets` octets must follow.
    pub fn rfc822_text_literal_header(&mut self, octets: u64) {
        self.item(format_args!("RFC822.TEXT "));
        string::literal_header(self.out, octets);
    }

    /// `BINARY[…]<offset> …`: decoded octets after [`Partial::of`]; a literal8 where there is a NUL (RFC 3516 §4.2).
    pub fn binary(&mut self, section: &BodySection, octets: Option<&[u8]>) {
        match octets {
            Some(octets) => {
                self.binary_header(section, octets.len() as u64, memchr::memchr(0, octets).is_some());
                self.out.extend_from_slice(octets);
            }
            None => {
                self.section_name("BINARY[", section);
                self.out.extend_from_slice(b"NIL");
            }
        }
    }

    /// `BINARY[…]<offset> {n}`, or `~{n}` where a NUL is among the octets: so many must follow.
    pub fn binary_header(&mut self, section: &BodySection, octets: u64, has_nul: bool) {
        self.section_name("BINARY[", section);
        let header = if has_nul { string::literal8_header } else { string::literal_header };
        header(self.out, octets);
    }

    /// `BINARY.SIZE[…] n`: of the decoded part.
    pub fn binary_size(&mut self, part: &[u32], octets: u64) {
        self.item(format_args!("BINARY.SIZE["));
        part_numbers(self.out, part);
        self.write(format_args!("] {octets}"));
    }

    /// Leaves the response open while the octets of a section are sent.
    pub fn suspend(self) {}

    /// Ends the response.
    pub fn finish(self) {
        self.out.extend_from_slice(b")\r\n");
    }

    fn item(&mut self, item: std::fmt::Arguments<'_>) {
        self.word("");
        self.write(item);
    }

    /// Without the formatting machinery: clients fetch flags of a hundred thousand messages at once.
    fn number(&mut self, name: &str, number: u64) {
        self.word(name);
        string::decimal(self.out, number);
    }

    /// The beginning of an item, after a space if it is not the first.
    fn word(&mut self, word: &str) {
        if !self.first {
            self.out.push(b' ');
        }
        self.first = false;
        self.out.extend_from_slice(word.as_bytes());
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a vector does not fail.
        let _ = self.out.write_fmt(arguments);
    }

    /// `BODY[…]<offset> `, with the space: `.PEEK` and the length are not repeated (RFC 9051 §7.5.2).
    fn section_name(&mut self, head: &str, body: &BodySection) {
        self.item(format_args!("{head}"));
        self.section_spec(&body.section);
        self.out.push(b']');
        if let Some(Partial { offset, .. }) = body.partial {
            self.write(format_args!("<{offset}>"));
        }
        self.out.push(b' ');
    }

    fn section_spec(&mut self, section: &Section) {
        part_numbers(self.out, &section.part);
        if !section.part.is_empty() && section.text != SectionText::Whole {
            self.out.push(b'.');
        }
        match &section.text {
            SectionText::Whole => {}
            SectionText::Header => self.out.extend_from_slice(b"HEADER"),
            SectionText::HeaderFields(names) => self.header_names("HEADER.FIELDS", names),
            SectionText::HeaderFieldsNot(names) => self.header_names("HEADER.FIELDS.NOT", names),
            SectionText::Text => self.out.extend_from_slice(b"TEXT"),
            SectionText::Mime => self.out.extend_from_slice(b"MIME"),
        }
    }

    /// The names as the client wrote them: clients find their section by comparing the text.
    fn header_names(&mut self, head: &str, names: &[String]) {
        self.write(format_args!("{head} ("));
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self.out.push(b' ');
            }
            if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii() && crate::atom::is_astring_char(byte)) {
                self.out.extend_from_slice(name.as_bytes());
            } else {
                string::string(self.out, self.dialect, name.as_bytes());
            }
        }
        self.out.push(b')');
    }
}

fn part_numbers(out: &mut Vec<u8>, part: &[u32]) {
    for (at, number) in part.iter().enumerate() {
        // Writing to a vector does not fail.
        let _ = write!(out, "{}{number}", if at == 0 { "" } else { "." });
    }
}
