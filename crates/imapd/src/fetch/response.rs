//! One FETCH response: item by item, and a long literal as much at a time as the output takes.
//!
//! Invariant: a literal's announced octets are those that follow, whatever the summary says.

use super::plan::{Needs, Plan};
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
    summary: Option<Summary>,
    /// Empty where the plan does not need it.
    body: Vec<u8>,
    /// The item that comes next.
    next_item: usize,
    /// What is announced of `body` and not yet written.
    literal: Range<usize>,
    /// A BINARY part whose encoding nobody knows was asked for.
    pub(super) unknown_cte: bool,
}

/// What follows an item.
enum After {
    /// The next one.
    Item,
    /// These octets of the body, and perhaps a break.
    Literal(Range<usize>),
}

impl Response {
    /// From the index alone.
    pub(super) fn new(number: u32, entry: Entry) -> Self {
        Self { number, entry, summary: None, body: Vec::new(), next_item: 0, literal: 0..0, unknown_cte: false }
    }

    /// With what has to be read.
    pub(super) fn read(number: u32, entry: Entry, needs: Needs, reader: &Reader<'_>) -> Result<Self, Error> {
        let mut response = Self::new(number, entry);
        if needs.summary {
            response.summary = Some(reader.summary(entry.email)?);
        }
        if needs.body {
            response.body = reader.body(entry.email)?;
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
            if !self.literal.is_empty() || (self.next_item > 0 && output.len() >= OUTPUT_HIGH_WATER_BYTES) {
                return false;
            }
            if self.write_items(plan, keywords, output) {
                return true;
            }
        }
    }

    /// Writes as much of the announced octets as there is room for.
    fn pour(&mut self, output: &mut Vec<u8>) {
        let room = OUTPUT_HIGH_WATER_BYTES.saturating_sub(output.len());
        let end = self.literal.start + room.min(self.literal.len());
        output.extend_from_slice(self.body.get(self.literal.start..end).unwrap_or_default());
        self.literal.start = end;
    }

    /// Writes items up to the next octets of the body; true when that was the last.
    fn write_items(&mut self, plan: &Plan, keywords: &Keywords, output: &mut Vec<u8>) -> bool {
        let mut encoder = Encoder::new(output, plan.dialect);
        let mut writer = if self.next_item == 0 { encoder.fetch(self.number) } else { encoder.resume_fetch() };
        while let Some(item) = plan.items.get(self.next_item) {
            self.next_item += 1;
            match self.write_item(item, keywords, &mut writer) {
                After::Item => {}
                After::Literal(octets) => {
                    self.literal = octets;
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
                return After::Literal(0..self.body.len());
            }
            FetchItem::Rfc822Header => writer.rfc822_header(self.octets(&[], Item::Header).unwrap_or_default()),
            FetchItem::Rfc822Text => writer.rfc822_text(self.octets(&[], Item::Text).unwrap_or_default()),
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
                After::Literal(octets)
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
        let header = self.octets(&body.section.part, Item::Header);
        let fields = header.map(|header| header::select(header, names, selection));
        writer.section(body, fields.as_deref().map(|fields| part_of(fields, body.partial)));
        // It may have been long.
        After::Literal(0..0)
    }

    fn write_binary(&mut self, body: &BodySection, writer: &mut FetchWriter<'_>) -> After {
        let decoded = match self.binary(&body.section.part) {
            Some(Ok(decoded)) => Some(decoded),
            None => None,
            // RFC 3516 §4.3: the command ends with NO [UNKNOWN-CTE].
            Some(Err(UnknownCte)) => {
                writer.binary(body, None);
                self.unknown_cte = true;
                return After::Item;
            }
        };
        writer.binary(body, decoded.as_deref().map(|octets| part_of(octets, body.partial)));
        After::Literal(0..0)
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

fn part_of(octets: &[u8], partial: Option<Partial>) -> &[u8] {
    partial.map_or(octets, |partial| partial.of(octets))
}

/// RFC 9051 §6.4.5: what lies past the end is left out.
fn limited(octets: Range<usize>, partial: Option<Partial>) -> Range<usize> {
    let Some(Partial { offset, length }) = partial else { return octets };
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = octets.start.saturating_add(size(offset)).min(octets.end);
    start..start.saturating_add(size(length)).min(octets.end)
}
