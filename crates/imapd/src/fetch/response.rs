//! One FETCH response: item by item, and a long literal as much at a time as the output takes.
//!
//! Invariant: a literal's announced octets are those that follow, whatever the summary says.

use super::plan::{Needs, Octets, Plan};
use crate::render;
use crate::sync::flag_names;
use imap_proto::command::{BodySection, FetchItem, Partial, Section, SectionText};
use imap_proto::{DateTime, Encoder, FetchWriter};
use message::header::{self, Selection};
use message::section::{self, Item};
use message::transfer::UnknownCte;
use message::{Span, Summary};
use session::OUTPUT_HIGH_WATER_BYTES;
use std::borrow::Cow;
use std::ops::Range;
use store::{Entry, Error, Keywords, Reader};

/// The response about one message, as far as it is not written yet.
#[derive(Debug)]
pub(super) struct Response {
    number: u32,
    entry: Entry,
    /// Boxed: most responses have none, and there may be a million of them.
    summary: Option<Box<Summary>>,
    /// All of it, its header or nothing, as the plan needs.
    body: Vec<u8>,
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
struct Literal {
    /// What they are of, where that is not the message as it is stored.
    made: Option<Vec<u8>>,
    range: Range<usize>,
}

impl Literal {
    fn of_message(range: Range<usize>) -> Self {
        Self { made: None, range }
    }

    fn of(made: Vec<u8>, partial: Option<Partial>) -> Self {
        let range = limited(0..made.len(), partial);
        Self { made: Some(made), range }
    }
}

impl Response {
    /// From the index alone.
    pub(super) fn new(number: u32, entry: Entry) -> Self {
        Self {
            number,
            entry,
            summary: None,
            body: Vec::new(),
            next_item: 0,
            literal: Literal::default(),
            unknown_cte: false,
        }
    }

    /// With what has to be read.
    pub(super) fn read(number: u32, entry: Entry, needs: Needs, reader: &Reader<'_>) -> Result<Self, Error> {
        let mut response = Self::new(number, entry);
        if needs.summary {
            response.summary = Some(Box::new(reader.summary(entry.email)?));
        }
        match needs.octets {
            Octets::None => {}
            Octets::Header => response.body = reader.header(entry.email)?,
            Octets::All => response.body = reader.body(entry.email)?,
        }
        Ok(response)
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Octets that it holds.
    pub(super) fn read_bytes(&self) -> usize {
        self.body.len()
    }

    /// Writes on until the output is full; true when the response is complete.
    pub(super) fn write(&mut self, plan: &Plan, keywords: &Keywords, output: &mut Vec<u8>) -> bool {
        loop {
            self.pour(output);
            if !self.literal.range.is_empty() || (self.next_item > 0 && output.len() >= OUTPUT_HIGH_WATER_BYTES) {
                return false;
            }
            if self.write_items(plan, keywords, output) {
                return true;
            }
        }
    }

    /// Writes as much of the announced octets as there is room for.
    fn pour(&mut self, output: &mut Vec<u8>) {
        let Literal { made, range } = &mut self.literal;
        let room = OUTPUT_HIGH_WATER_BYTES.saturating_sub(output.len());
        let end = range.start + room.min(range.len());
        let octets = made.as_ref().unwrap_or(&self.body);
        output.extend_from_slice(octets.get(range.start..end).unwrap_or_default());
        range.start = end;
    }

    /// Writes items up to the next literal; true when that was the last.
    fn write_items(&mut self, plan: &Plan, keywords: &Keywords, output: &mut Vec<u8>) -> bool {
        let mut encoder = Encoder::new(output, plan.dialect);
        let mut writer = if self.next_item == 0 { encoder.fetch(self.number) } else { encoder.resume_fetch() };
        while let Some(item) = plan.items.get(self.next_item) {
            self.next_item += 1;
            match self.write_item(item, keywords, &mut writer) {
                After::Item => {}
                After::Literal(literal) => {
                    self.literal = literal;
                    writer.suspend();
                    return false;
                }
            }
        }
        writer.finish();
        true
    }

    fn write_item(&mut self, item: &FetchItem, keywords: &Keywords, writer: &mut FetchWriter<'_>) -> After {
        match item {
            FetchItem::Flags => writer.flags(flag_names(self.entry.flags, keywords)),
            FetchItem::Uid => writer.uid(self.entry.uid.0),
            FetchItem::ModSeq => writer.modseq(self.entry.modseq.0),
            FetchItem::InternalDate => {
                writer.internal_date(DateTime::from_unix_seconds(self.entry.internal_date.unix_seconds()));
            }
            FetchItem::Rfc822Size => writer.rfc822_size(self.entry.size.into()),
            FetchItem::EmailId => writer.email_id(&self.entry.email.text()),
            // RFC 8474 §5.2: NIL from a server that keeps no threads.
            FetchItem::ThreadId => writer.thread_id(None),
            FetchItem::Envelope => self.with_summary(|of| writer.envelope(render::Envelope(&of.envelope))),
            FetchItem::Body => self.with_summary(|of| writer.body(render::Body(&of.structure.root))),
            FetchItem::BodyStructure => self.with_summary(|of| writer.body_structure(render::Body(&of.structure.root))),
            FetchItem::Rfc822 => {
                writer.rfc822_literal_header(self.body.len() as u64);
                return After::Literal(Literal::of_message(0..self.body.len()));
            }
            FetchItem::Rfc822Header => {
                let header = 0..header::end(&self.body);
                writer.rfc822_header_literal_header(header.len() as u64);
                return After::Literal(Literal::of_message(header));
            }
            FetchItem::Rfc822Text => {
                let text = header::end(&self.body)..self.body.len();
                writer.rfc822_text_literal_header(text.len() as u64);
                return After::Literal(Literal::of_message(text));
            }
            FetchItem::Section(section) => return self.write_section(section, writer),
            FetchItem::Binary(section) => return self.write_binary(section, writer),
            FetchItem::BinarySize(part) => return self.write_binary_size(part, writer),
        }
        After::Item
    }

    /// The plan has seen to it that the summary is there.
    fn with_summary(&self, write: impl FnOnce(&Summary)) {
        if let Some(summary) = &self.summary {
            write(summary);
        }
    }

    fn write_section(&self, body: &BodySection, writer: &mut FetchWriter<'_>) -> After {
        let Section { part, text } = &body.section;
        let item = match text {
            SectionText::Whole => Item::Whole,
            SectionText::Header => Item::Header,
            SectionText::Text => Item::Text,
            SectionText::Mime => Item::Mime,
            SectionText::HeaderFields(names) => return self.write_fields(body, names, Selection::Named, writer),
            SectionText::HeaderFieldsNot(names) => return self.write_fields(body, names, Selection::Others, writer),
        };
        match self.section(part, item) {
            Some(octets) => {
                let octets = limited(octets, body.partial);
                writer.section_header(body, octets.len() as u64);
                After::Literal(Literal::of_message(octets))
            }
            None => {
                writer.section(body, None);
                After::Item
            }
        }
    }

    fn write_fields(
        &self,
        body: &BodySection,
        names: &[String],
        selection: Selection,
        writer: &mut FetchWriter<'_>,
    ) -> After {
        let Some(header) = self.octets(&body.section.part, Item::Header) else {
            writer.section(body, None);
            return After::Item;
        };
        let fields = Literal::of(header::select(header, names, selection), body.partial);
        writer.section_header(body, fields.range.len() as u64);
        After::Literal(fields)
    }

    fn write_binary(&mut self, body: &BodySection, writer: &mut FetchWriter<'_>) -> After {
        let part = &body.section.part;
        let literal = match self.binary(part) {
            Some(Ok(Cow::Owned(decoded))) => Literal::of(decoded, body.partial),
            // No encoding to take off.
            Some(Ok(Cow::Borrowed(_))) => {
                let octets = self.section(part, Item::Whole).unwrap_or_default();
                Literal::of_message(limited(octets, body.partial))
            }
            // RFC 3516 §4.3: the command ends with NO [UNKNOWN-CTE].
            unknown @ (Some(Err(UnknownCte)) | None) => {
                writer.binary(body, None);
                self.unknown_cte |= unknown.is_some();
                return After::Item;
            }
        };
        let octets = literal.made.as_ref().unwrap_or(&self.body).get(literal.range.clone());
        writer.binary_header(body, octets.unwrap_or_default());
        After::Literal(literal)
    }

    fn write_binary_size(&mut self, part: &[u32], writer: &mut FetchWriter<'_>) -> After {
        let octets = match self.binary(part) {
            Some(Ok(decoded)) => decoded.len(),
            None => 0,
            Some(Err(UnknownCte)) => {
                self.unknown_cte = true;
                self.section(part, Item::Whole).map_or(0, |encoded| encoded.len())
            }
        };
        writer.binary_size(part, octets as u64);
        After::Item
    }

    /// The octets of a section, all of them in `body`.
    fn section(&self, part: &[u32], item: Item) -> Option<Range<usize>> {
        let length = self.body.len();
        if part.is_empty() {
            return match item {
                Item::Whole => Some(0..length),
                Item::Header => Some(0..header::end(&self.body)),
                Item::Text => Some(header::end(&self.body)..length),
                Item::Mime => None,
            };
        }
        let Span { start, end } = section::range(&self.summary.as_ref()?.structure, part, item)?;
        Some(start.min(length)..end.min(length))
    }

    fn octets(&self, part: &[u32], item: Item) -> Option<&[u8]> {
        self.body.get(self.section(part, item)?)
    }

    fn binary(&self, part: &[u32]) -> Option<Result<Cow<'_, [u8]>, UnknownCte>> {
        if part.is_empty() {
            return Some(Ok(Cow::Borrowed(&self.body)));
        }
        section::binary(&self.summary.as_ref()?.structure, &self.body, part)
    }
}

/// RFC 9051 §6.4.5: what lies past the end is left out.
fn limited(octets: Range<usize>, partial: Option<Partial>) -> Range<usize> {
    let Some(Partial { offset, length }) = partial else { return octets };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = octets.start.saturating_add(size(offset)).min(octets.end);
    start..start.saturating_add(size(length)).min(octets.end)
}
