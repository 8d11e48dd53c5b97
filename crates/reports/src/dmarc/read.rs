//! Reading an aggregate report that a stranger wrote.
//!
//! No document type is read and no entity is expanded; depth, texts, rows and what is kept of them have limits. The rest of a
//! document is bounded by the octets that it is unpacked to.

use super::{Aggregate, Row, SIGNATURES_MAX, Signature, SpfSeen, TEXT_BYTES_MAX};
use crate::NotRead;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use std::collections::HashMap;
use std::net::IpAddr;

/// Elements within elements.
const DEPTH_MAX: usize = 16;
/// So many kinds of rows are told apart while it is read ...
const KINDS_MAX: usize = 5_000;
/// ... and so many kept, those with the most messages.
pub(crate) const ROWS_MAX: usize = 500;

/// Reads a document; alike rows become one, those with the most messages first.
pub(crate) fn read(document: &[u8]) -> Result<Aggregate, NotRead> {
    let document = String::from_utf8_lossy(document);
    let mut reader = Reader::from_str(&document);
    reader.config_mut().expand_empty_elements = true;
    let mut reading = Reading::default();
    loop {
        match reader.read_event().map_err(|_| NotRead::Malformed)? {
            Event::Start(start) => reading.open(start.local_name().as_ref())?,
            Event::End(_) => reading.close()?,
            Event::Text(text) => reading.text(&text),
            Event::CData(text) => reading.text(&text),
            Event::GeneralRef(entity) => {
                let known = entity.resolve_char_ref().ok().flatten().map(String::from);
                let known = known.or_else(|| resolve_predefined_entity(&entity).map(str::to_owned));
                reading.text(&known.ok_or(NotRead::Malformed)?);
            }
            // Whoever has one wants something else.
            Event::DocType(_) => return Err(NotRead::Malformed),
            // They come as start and end.
            Event::Empty(_) => {}
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    reading.end()
}

/// What is read so far.
#[derive(Default)]
struct Reading {
    path: Vec<String>,
    text: String,
    report: Aggregate,
    /// The row that is being read.
    row: RowRead,
    kinds: HashMap<Row, u64>,
}

#[derive(Default)]
struct RowRead {
    address: Option<IpAddr>,
    count: u64,
    disposition: String,
    reason: String,
    dkim_aligned: bool,
    spf_aligned: bool,
    header_from: String,
    envelope_from: String,
    dkim: Vec<Signature>,
    spf: Option<SpfSeen>,
}

impl Reading {
    fn open(&mut self, name: &str) -> Result<(), NotRead> {
        if self.path.len() >= DEPTH_MAX || self.path.is_empty() && name != "feedback" {
            return Err(NotRead::Malformed);
        }
        self.path.push(name.get(..name.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().to_owned());
        self.text.clear();
        match self.at().as_slice() {
            ["record"] => self.row = RowRead::default(),
            ["record", "auth_results", "dkim"] if self.row.dkim.len() < SIGNATURES_MAX => {
                self.row.dkim.push(Signature::default());
            }
            ["record", "auth_results", "spf"] => self.row.spf = Some(SpfSeen::default()),
            _ => {}
        }
        Ok(())
    }

    /// Where it is, below `feedback`.
    fn at(&self) -> Vec<&str> {
        self.path.iter().skip(1).map(String::as_str).collect()
    }

    fn text(&mut self, text: &str) {
        let room = TEXT_BYTES_MAX.saturating_sub(self.text.len());
        let visible = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        self.text.extend(visible.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }

    fn close(&mut self) -> Result<(), NotRead> {
        let text = std::mem::take(&mut self.text).trim().to_owned();
        let path = std::mem::take(&mut self.path);
        let at: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
        match at.as_slice() {
            ["record"] => self.row_is_read()?,
            ["record", rest @ ..] => self.row.take(rest, text),
            ["report_metadata" | "policy_published", ..] => self.take(&at, text),
            _ => {}
        }
        self.path = path;
        self.path.pop();
        Ok(())
    }

    fn take(&mut self, at: &[&str], text: String) {
        let Aggregate { organisation, email, id, between, domain, published, .. } = &mut self.report;
        match at {
            ["report_metadata", "org_name"] => *organisation = text,
            ["report_metadata", "email"] => *email = text,
            ["report_metadata", "report_id"] => *id = text,
            ["report_metadata", "date_range", "begin"] => between.0 = text.parse().unwrap_or(i64::MAX),
            ["report_metadata", "date_range", "end"] => between.1 = text.parse().unwrap_or(i64::MAX),
            ["policy_published", "domain"] => *domain = text.trim_end_matches('.').to_lowercase(),
            ["policy_published", "p"] => published.policy = text,
            ["policy_published", "sp"] => published.subdomains = text,
            ["policy_published", "np"] => published.missing_subdomains = text,
            ["policy_published", "adkim"] => published.dkim = text,
            ["policy_published", "aspf"] => published.spf = text,
            ["policy_published", "pct"] => published.percent = text.parse().unwrap_or(100),
            ["policy_published", "testing"] => published.is_test = text.eq_ignore_ascii_case("y"),
            _ => {}
        }
    }

    fn row_is_read(&mut self) -> Result<(), NotRead> {
        let row = std::mem::take(&mut self.row);
        let count = row.count;
        let row = Row {
            address: row.address.ok_or(NotRead::Malformed)?,
            count: 0,
            disposition: row.disposition,
            reason: row.reason,
            dkim_aligned: row.dkim_aligned,
            spf_aligned: row.spf_aligned,
            header_from: row.header_from,
            envelope_from: row.envelope_from,
            dkim: row.dkim,
            spf: row.spf,
        };
        if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&row) {
            let known = self.kinds.entry(row).or_default();
            *known = known.saturating_add(count);
        } else {
            self.report.left_out = self.report.left_out.saturating_add(count);
        }
        Ok(())
    }

    fn end(self) -> Result<Aggregate, NotRead> {
        let Self { path, mut report, kinds, .. } = self;
        if !path.is_empty() || report.domain.is_empty() {
            return Err(NotRead::Malformed);
        }
        report.rows = kinds.into_iter().map(|(row, count)| Row { count, ..row }).collect();
        report.rows.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.cmp(other)));
        let rare: u64 = report.rows.iter().skip(ROWS_MAX).fold(0, |sum, row| sum.saturating_add(row.count));
        report.left_out = report.left_out.saturating_add(rare);
        report.rows.truncate(ROWS_MAX);
        Ok(report)
    }
}

impl RowRead {
    fn take(&mut self, at: &[&str], text: String) {
        match at {
            ["row", "source_ip"] => self.address = text.parse::<IpAddr>().ok().map(|address| address.to_canonical()),
            ["row", "count"] => self.count = text.parse().unwrap_or(0),
            ["row", "policy_evaluated", "disposition"] => self.disposition = text,
            ["row", "policy_evaluated", "dkim"] => self.dkim_aligned = text == "pass",
            ["row", "policy_evaluated", "spf"] => self.spf_aligned = text == "pass",
            ["row", "policy_evaluated", "reason", "type"] => self.reason = text,
            ["identifiers" | "identities", "header_from"] => self.header_from = text.to_lowercase(),
            ["identifiers" | "identities", "envelope_from"] => self.envelope_from = text.to_lowercase(),
            ["auth_results", "dkim", property] => {
                let Some(signature) = self.dkim.last_mut() else { return };
                match *property {
                    "domain" => signature.domain = text.to_lowercase(),
                    "selector" => signature.selector = text,
                    "result" => signature.result = text,
                    _ => {}
                }
            }
            ["auth_results", "spf", property] => {
                let Some(spf) = &mut self.spf else { return };
                match *property {
                    "domain" => spf.domain = text.to_lowercase(),
                    "scope" => spf.scope = text,
                    "result" => spf.result = text,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
