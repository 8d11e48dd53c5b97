//! One FETCH response: item by item, and a long literal as much at a time as the output takes.
//!
//! Of a large message it holds the piece that is sent, so that a client that does not read costs no more than one that does.
//!
//! Invariant: a literal's announced octets are those that follow, whatever the summary says.

use super::decoding::{Decoding, Measure};
use super::plan::{Needs, Octets, Plan};
use super::preview;
use crate::located::id_of;
use crate::render;
use crate::sync::flag_names;
use imap_proto::command::{BodySection, FetchItem, Partial, Section, SectionText};
use imap_proto::{DateTime, Encoder, FetchWriter};
use memchr::memchr;
use message::header::{self, Selection};
use message::section::{self, Item};
use message::transfer::{Encoding, UnknownCte};
use message::{Span, Structure, view};
use search::{CONVERSATION_BYTES_MAX, conversation};
use session::OUTPUT_HIGH_WATER_BYTES;
use std::ops::Range;
use store::{AccountId, Body, Entry, Error, Keywords, MailboxId, Reader, Timestamp};

/// Fields are looked for in so much of a header; a client that wants to see more asks for the whole header.
const FIELDS_BYTES_MAX: usize = 256 * 1024;

/// What is known of a message without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) number: u32,
    pub(super) mailbox: MailboxId,
    /// Whose it is, if it is somebody else's.
    pub(super) guest_of: Option<AccountId>,
    pub(super) entry: Entry,
    /// Since when it is in the mailbox, if the plan shows it and it is known.
    pub(super) saved: Option<Timestamp>,
    /// `\Recent`, to this session.
    pub(super) recent: bool,
}

/// The response about one message, as far as it is not written yet.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) facts: Facts,
    /// As [`view::Summary::read`] takes it, if the plan shows it.
    summary: Vec<u8>,
    /// Boxed: most responses have none.
    structure: Option<Box<Structure>>,
    /// All of it, its header or nothing, as the plan needs.
    body: Body,
    /// What must be said of the BINARY items before they come, in the order of the plan; `None` for other items.
    measures: Vec<Option<Measure>>,
    measuring: Option<(Decoding, Measure)>,
    /// The item that comes next.
    next_item: usize,
    literal: Literal,
    /// A BINARY part whose encoding nobody knows was asked for.
    pub(super) unknown_cte: bool,
}

/// What follows an item.
enum After {
    /// The next one.
    Item,
    /// These octets, and perhaps a break.
    Literal(Literal),
}

/// Octets that are announced and not yet written.
#[derive(Debug, Default)]
enum Literal {
    #[default]
    Nothing,
    /// Of the message as it is stored.
    Stored(Range<usize>),
    /// Made for this response.
    Made(Vec<u8>, Range<usize>),
    /// A part without its encoding.
    Decoded(Box<Decoding>),
}

impl Literal {
    fn is_over(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Stored(range) | Self::Made(_, range) => range.is_empty(),
            Self::Decoded(decoding) => decoding.is_over(),
        }
    }

    /// Whether it may be a literal8 (RFC 3516 §4.2): then what a decoded part has is told as it is.
    fn is_binary(&self) -> bool {
        match self {
            Self::Nothing | Self::Stored(_) | Self::Made(..) => false,
            Self::Decoded(_) => true,
        }
    }

    /// The next octets, at most `room` and at least one, unless it is over.
    fn next<'s>(&'s mut self, room: usize, body: &'s mut Body) -> Result<&'s [u8], Error> {
        match self {
            Self::Nothing => Ok(&[]),
            Self::Stored(range) => {
                let octets = body.piece(range.start..range.end.min(range.start + room))?;
                range.start += octets.len();
                Ok(octets)
            }
            Self::Made(octets, range) => {
                let start = range.start;
                range.start += room.min(range.len());
                Ok(octets.get(start..range.start).unwrap_or_default())
            }
            Self::Decoded(decoding) => decoding.next(room, &mut usize::MAX.clone(), body),
        }
    }
}

impl Facts {
    /// The response of a plan that needs nothing else, but for the summary where it is shown.
    pub(super) fn write_all(
        &self,
        plan: &Plan,
        keywords: &Keywords,
        summary: Option<&view::Summary<'_>>,
        encoder: &mut Encoder<'_>,
    ) {
        let mut writer = plan.enabled.fetch(encoder, self.number, self.entry.uid);
        for item in &plan.items {
            if !self.write(item, keywords, &mut writer)
                && let Some(summary) = summary
            {
                show(item, summary, &mut writer);
            }
        }
        writer.finish();
    }

    /// Writes an item; false when it takes more than is known.
    fn write(&self, item: &FetchItem, keywords: &Keywords, writer: &mut FetchWriter<'_>) -> bool {
        match item {
            FetchItem::Flags => writer.flags(flag_names(self.entry.flags, keywords, self.recent)),
            FetchItem::Uid => writer.uid(self.entry.uid.0),
            FetchItem::ModSeq => writer.modseq(self.entry.modseq.0),
            FetchItem::InternalDate => {
                // An earlier version kept what no reader can parse.
                let date = self.entry.internal_date.as_internal_date();
                writer.internal_date(DateTime::from_unix_seconds(date.unix_seconds()));
            }
            FetchItem::SaveDate => {
                writer
                    .save_date(self.saved.map(|at| DateTime::from_unix_seconds(at.as_internal_date().unix_seconds())));
            }
            FetchItem::Rfc822Size => writer.rfc822_size(self.entry.size.into()),
            FetchItem::EmailId => writer.email_id(&id_of(self.guest_of, &self.entry.email.text())),
            FetchItem::ThreadId
            | FetchItem::Envelope
            | FetchItem::Body
            | FetchItem::BodyStructure
            | FetchItem::Preview
            | FetchItem::Rfc822
            | FetchItem::Rfc822Header
            | FetchItem::Rfc822Text
            | FetchItem::Section(_)
            | FetchItem::Binary(_)
            | FetchItem::BinarySize(_) => return false,
        }
        true
    }
}

impl Response {
    /// Of which nothing is read yet.
    fn new(facts: Facts) -> Self {
        Self {
            facts,
            summary: Vec::new(),
            structure: None,
            body: Body::default(),
            measures: Vec::new(),
            measuring: None,
            next_item: 0,
            literal: Literal::default(),
            unknown_cte: false,
        }
    }

    /// With what has to be read; `known` is a body that was read before.
    pub(super) fn read(
        facts: Facts,
        needs: Needs,
        (reader, known): (&Reader<'_>, &mut Option<Body>),
    ) -> Result<Self, Error> {
        let (mut response, email) = (Self::new(facts), facts.entry.email);
        if needs.saved {
            response.facts.saved = reader.saved_at(email, (response.facts.mailbox, response.facts.entry.uid))?;
        }
        if needs.structure {
            response.structure = Some(Box::new(reader.summary(email)?.structure));
        }
        if needs.shown {
            response.summary = reader.encoded_summary(email)?;
        }
        match needs.octets {
            Octets::None => {}
            Octets::Header => response.body = reader.open_header(email, known.take())?,
            Octets::All => response.body = reader.open(email, known.take())?,
        }
        Ok(response)
    }

    /// Does what must be done before the response begins, as far as `budget` octets go; whether all is done. What is wrong
    /// with the message shows here, where it can still be said.
    pub(super) fn prepare(&mut self, plan: &Plan, budget: &mut usize) -> Result<bool, Error> {
        if !self.look_through(budget)? {
            return Ok(false);
        }
        while let Some(item) = plan.items.get(self.measures.len()) {
            let (part, partial) = match item {
                FetchItem::Binary(BodySection { section, partial, .. }) => (&section.part, *partial),
                FetchItem::BinarySize(part) => (part, None),
                _ => {
                    self.measures.push(None);
                    continue;
                }
            };
            let (mut decoding, mut measure) = match self.measuring.take() {
                Some(measuring) => measuring,
                None => match self.encoded(part) {
                    Some(Ok((encoding, octets))) => (Decoding::new(encoding, octets, partial), Measure::default()),
                    Some(Err(UnknownCte)) | None => {
                        self.measures.push(None);
                        continue;
                    }
                },
            };
            if !measure.go_on(&mut decoding, budget, &mut self.body)? {
                self.measuring = Some((decoding, measure));
                return Ok(false);
            }
            self.measures.push(Some(measure));
        }
        Ok(true)
    }

    /// Looks through a large message as far as `budget` octets go; whether that is done.
    pub(super) fn look_through(&mut self, budget: &mut usize) -> Result<bool, Error> {
        let before = self.body.checked_bytes();
        let is_checked = self.body.check(*budget)?;
        *budget = budget.saturating_sub(self.body.checked_bytes() - before);
        Ok(is_checked)
    }

    /// Begins to give a section alone, without a response; of how many octets, `None` where there is no such part.
    pub(super) fn begin(&mut self, section: &BodySection) -> Result<Option<usize>, Error> {
        let Some((literal, octets)) = self.octets(section)? else { return Ok(None) };
        self.literal = literal;
        Ok(Some(octets))
    }

    /// The next octets of what was begun, at most `room`; none at the end.
    pub(super) fn go_on(&mut self, room: usize) -> Result<&[u8], Error> {
        if self.literal.is_over() {
            return Ok(&[]);
        }
        self.literal.next(room, &mut self.body)
    }

    /// Octets of the message that are held in memory.
    pub(super) fn held_bytes(&self) -> usize {
        self.body.held_bytes()
    }

    /// What is worth keeping for the next response about the same message.
    pub(super) fn into_known(self) -> Option<Body> {
        self.body.at_rest()
    }

    /// Writes on until the output is full; true when the response is complete.
    ///
    /// # Errors
    /// What was right when the response was prepared cannot be read any more: the response cannot be ended.
    pub(super) fn write(&mut self, plan: &Plan, keywords: &Keywords, output: &mut Vec<u8>) -> Result<bool, Error> {
        loop {
            self.pour(output)?;
            if !self.literal.is_over() || (self.next_item > 0 && output.len() >= OUTPUT_HIGH_WATER_BYTES) {
                return Ok(false);
            }
            if self.write_items(plan, keywords, output)? {
                return Ok(true);
            }
        }
    }

    /// Writes as much of the announced octets as there is room for.
    fn pour(&mut self, output: &mut Vec<u8>) -> Result<(), Error> {
        while !self.literal.is_over() && output.len() < OUTPUT_HIGH_WATER_BYTES {
            let octets = self.literal.next(OUTPUT_HIGH_WATER_BYTES - output.len(), &mut self.body)?;
            if octets.is_empty() {
                return Err(Error::Fault("a message has fewer octets than were announced".to_owned()));
            }
            let start = output.len();
            output.extend_from_slice(octets);
            if !self.literal.is_binary() {
                without_nul(output.get_mut(start..).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Writes items up to the next literal; true when that was the last.
    fn write_items(&mut self, plan: &Plan, keywords: &Keywords, output: &mut Vec<u8>) -> Result<bool, Error> {
        let mut encoder = Encoder::new(output, plan.enabled.dialect());
        let Facts { number, entry, .. } = &self.facts;
        let mut writer = match self.next_item {
            0 => plan.enabled.fetch(&mut encoder, *number, entry.uid),
            _ => encoder.resume_fetch(),
        };
        while let Some(item) = plan.items.get(self.next_item) {
            self.next_item += 1;
            match self.write_item(item, keywords, &mut writer)? {
                After::Item => {}
                After::Literal(literal) => {
                    self.literal = literal;
                    writer.suspend();
                    return Ok(false);
                }
            }
        }
        writer.finish();
        Ok(true)
    }

    fn write_item(
        &mut self,
        item: &FetchItem,
        keywords: &Keywords,
        writer: &mut FetchWriter<'_>,
    ) -> Result<After, Error> {
        if self.facts.write(item, keywords, writer) {
            return Ok(After::Item);
        }
        match item {
            FetchItem::Flags
            | FetchItem::Uid
            | FetchItem::ModSeq
            | FetchItem::InternalDate
            | FetchItem::Rfc822Size
            | FetchItem::EmailId
            | FetchItem::SaveDate => {}
            FetchItem::ThreadId => {
                let mut header = Vec::new();
                let end = self.body.header_end()?.min(CONVERSATION_BYTES_MAX);
                self.body.copy(0..end, &mut header)?;
                let id = conversation(&header, self.facts.entry.email);
                writer.thread_id(Some(&id_of(self.facts.guest_of, &id)));
            }
            FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure => {
                // The plan has seen to it that the summary is there, and the store that it is one.
                if let Ok(summary) = view::Summary::read(&self.summary) {
                    show(item, &summary, writer);
                }
            }
            FetchItem::Preview => {
                if let Some(structure) = &self.structure {
                    writer.preview(&preview::of(structure, &mut self.body)?);
                }
            }
            FetchItem::Rfc822 => {
                writer.rfc822_literal_header(self.body.len() as u64);
                return Ok(After::Literal(Literal::Stored(0..self.body.len())));
            }
            FetchItem::Rfc822Header => {
                let header = 0..self.body.header_end()?;
                writer.rfc822_header_literal_header(header.len() as u64);
                return Ok(After::Literal(Literal::Stored(header)));
            }
            FetchItem::Rfc822Text => {
                let text = self.body.header_end()?..self.body.len();
                writer.rfc822_text_literal_header(text.len() as u64);
                return Ok(After::Literal(Literal::Stored(text)));
            }
            FetchItem::Section(section) => return self.write_section(section, writer),
            FetchItem::Binary(section) => return Ok(self.write_binary(section, writer)),
            FetchItem::BinarySize(part) => self.write_binary_size(part, writer),
        }
        Ok(After::Item)
    }

    fn write_section(&mut self, body: &BodySection, writer: &mut FetchWriter<'_>) -> Result<After, Error> {
        Ok(match self.octets(body)? {
            Some((literal, octets)) => {
                writer.section_header(body, octets as u64);
                After::Literal(literal)
            }
            None => {
                writer.section(body, None);
                After::Item
            }
        })
    }

    /// The octets of a section, and how many they are; `None` where the message has no such part.
    fn octets(&mut self, body: &BodySection) -> Result<Option<(Literal, usize)>, Error> {
        let Section { part, text } = &body.section;
        let item = match text {
            SectionText::Whole => Item::Whole,
            SectionText::Header => Item::Header,
            SectionText::Text => Item::Text,
            SectionText::Mime => Item::Mime,
            SectionText::HeaderFields(names) => return self.fields(body, names, Selection::Named),
            SectionText::HeaderFieldsNot(names) => return self.fields(body, names, Selection::Others),
        };
        let octets = self.section(part, item)?.map(|octets| limited(octets, body.partial));
        Ok(octets.map(|octets| (Literal::Stored(octets.clone()), octets.len())))
    }

    fn fields(
        &mut self,
        body: &BodySection,
        names: &[String],
        selection: Selection,
    ) -> Result<Option<(Literal, usize)>, Error> {
        let Some(octets) = self.section(&body.section.part, Item::Header)? else { return Ok(None) };
        let mut header = Vec::new();
        self.body.copy(octets.start..octets.end.min(octets.start + FIELDS_BYTES_MAX), &mut header)?;
        let fields = header::select(&header, names, selection);
        let range = limited(0..fields.len(), body.partial);
        Ok(Some((Literal::Made(fields, range.clone()), range.len())))
    }

    fn write_binary(&mut self, body: &BodySection, writer: &mut FetchWriter<'_>) -> After {
        match (self.encoded(&body.section.part), self.measure()) {
            (Some(Ok((encoding, octets))), Some(measure)) => {
                writer.binary_header(body, measure.octets, measure.has_nul);
                let decoding = Decoding::new(encoding, octets, body.partial).limited(measure.octets);
                After::Literal(Literal::Decoded(Box::new(decoding)))
            }
            // RFC 3516 §4.3: the command ends with NO [UNKNOWN-CTE].
            (encoded, _) => {
                writer.binary(body, None);
                self.unknown_cte |= encoded.is_some();
                After::Item
            }
        }
    }

    fn write_binary_size(&mut self, part: &[u32], writer: &mut FetchWriter<'_>) {
        let octets = match (self.encoded(part), self.measure()) {
            (Some(Ok(_)), measure) => measure.map_or(0, |measure| measure.octets),
            (None, _) => 0,
            (Some(Err(UnknownCte)), _) => {
                self.unknown_cte = true;
                self.part(part, Item::Whole).map_or(0, |encoded| encoded.len() as u64)
            }
        };
        writer.binary_size(part, octets);
    }

    /// Of the item that is being written.
    fn measure(&self) -> Option<Measure> {
        self.next_item.checked_sub(1).and_then(|item| *self.measures.get(item)?)
    }

    /// The octets of a section, all of them in the message.
    fn section(&mut self, part: &[u32], item: Item) -> Result<Option<Range<usize>>, Error> {
        let length = self.body.len();
        if !part.is_empty() {
            return Ok(self.part(part, item));
        }
        Ok(match item {
            Item::Whole => Some(0..length),
            Item::Header => Some(0..self.body.header_end()?),
            Item::Text => Some(self.body.header_end()?..length),
            Item::Mime => None,
        })
    }

    fn part(&self, part: &[u32], item: Item) -> Option<Range<usize>> {
        let Span { start, end } = section::range(self.structure.as_ref()?, part, item)?;
        let length = self.body.len();
        Some(start.min(length)..end.min(length))
    }

    /// How a part is encoded, and where it is.
    fn encoded(&self, part: &[u32]) -> Option<Result<(Encoding, Range<usize>), UnknownCte>> {
        if part.is_empty() {
            return Some(Ok((Encoding::Identity, 0..self.body.len())));
        }
        let encoding = section::encoding(section::part(self.structure.as_ref()?, part)?);
        let octets = self.part(part, Item::Whole)?;
        Some(encoding.map(|encoding| (encoding, octets)))
    }
}

/// Writes an item that a summary has.
fn show(item: &FetchItem, of: &view::Summary<'_>, writer: &mut FetchWriter<'_>) {
    match item {
        FetchItem::Envelope => writer.envelope(render::Envelope(&of.envelope)),
        FetchItem::Body => writer.body(render::Body(&of.root)),
        FetchItem::BodyStructure => writer.body_structure(render::Body(&of.root)),
        FetchItem::Flags
        | FetchItem::InternalDate
        | FetchItem::Rfc822Size
        | FetchItem::Uid
        | FetchItem::ModSeq
        | FetchItem::EmailId
        | FetchItem::SaveDate
        | FetchItem::ThreadId
        | FetchItem::Preview
        | FetchItem::Rfc822
        | FetchItem::Rfc822Header
        | FetchItem::Rfc822Text
        | FetchItem::Section(_)
        | FetchItem::Binary(_)
        | FetchItem::BinarySize(_) => {}
    }
}

/// RFC 9051 §9: no literal has a NUL, which only what an earlier version stored can have. The octets stay as many.
pub(super) fn without_nul(mut octets: &mut [u8]) {
    // Hardly any message has one, and all octets of all messages pass here.
    while let Some(at) = memchr(0, octets) {
        let (before, rest) = octets.split_at_mut(at + 1);
        before.last_mut().into_iter().for_each(|octet| *octet = b'?');
        octets = rest;
    }
}

/// RFC 9051 §6.4.5: what lies past the end is left out.
fn limited(octets: Range<usize>, partial: Option<Partial>) -> Range<usize> {
    let Some(Partial { offset, length }) = partial else { return octets };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = octets.start.saturating_add(size(offset)).min(octets.end);
    start..start.saturating_add(size(length)).min(octets.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enabled::Enabled;
    use crate::testing::request_fetch;
    use store::{EmailId, FlagBits, ModSeq, Timestamp, Uid};

    /// What an earlier version took in over APPEND.
    #[test]
    fn a_stored_nul_went_out_in_literals() {
        let body = b"Subject: n\0\r\n\r\na\0b\r\n".to_vec();
        let entry = Entry {
            uid: Uid(1),
            email: EmailId(1),
            flags: FlagBits(0),
            modseq: ModSeq(1),
            internal_date: Timestamp(0),
            size: body.len() as u32,
        };
        let check = |item: &str, expected: &str| {
            let plan = Plan::new(&request_fetch(&format!("FETCH 1 {item}")), Enabled::default());
            let facts = Facts { number: 1, mailbox: MailboxId(1), guest_of: None, entry, saved: None, recent: false };
            let mut response = Response { body: Body::here(body.clone()), ..Response::new(facts) };
            let mut output = Vec::new();
            assert_eq!(response.prepare(&plan, &mut 1000), Ok(true));
            assert_eq!(response.write(&plan, &Keywords::default(), &mut output), Ok(true));
            assert_eq!(String::from_utf8(output).unwrap(), format!("* 1 FETCH ({expected})\r\n"), "{item}");
        };
        check("BODY.PEEK[]", "BODY[] {20}\r\nSubject: n?\r\n\r\na?b\r\n");
        check("BODY.PEEK[]<10.2>", "BODY[]<10> {2}\r\n?\r");
        check("RFC822", "RFC822 {20}\r\nSubject: n?\r\n\r\na?b\r\n");
        check("RFC822.HEADER", "RFC822.HEADER {15}\r\nSubject: n?\r\n\r\n");
        check("RFC822.TEXT", "RFC822.TEXT {5}\r\na?b\r\n");
        check("BODY.PEEK[HEADER.FIELDS (SUBJECT)]", "BODY[HEADER.FIELDS (SUBJECT)] {15}\r\nSubject: n?\r\n\r\n");
        check("BODY.PEEK[TEXT]", "BODY[TEXT] {5}\r\na?b\r\n");
        check("BINARY.PEEK[]", "BINARY[] ~{20}\r\nSubject: n\0\r\n\r\na\0b\r\n");
    }
}
