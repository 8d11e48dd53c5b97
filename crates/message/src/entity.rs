//! The MIME fields of one header (RFC 2045, 2183, 3282, 1864, 2557) to a part without places.

use crate::header::unfold;
use crate::lex::Cursor;
use crate::limits::PARAMETERS_MAX;
use crate::parameter::{self, Parameter};
use crate::span::Span;
use crate::structure::{Content, Disposition, Part};

const PREFIX: &[u8] = b"content-";

/// What an entity without a valid `Content-Type` is.
#[derive(Clone, Copy)]
pub(crate) enum DefaultType {
    Text,
    Message,
}

/// The MIME fields of a header; of a field that is there twice, the first counts.
#[derive(Default)]
pub(crate) struct EntityFields {
    content_type: Option<(String, String, Vec<Parameter>)>,
    id: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    encoding: Option<String>,
    md5: Option<Vec<u8>>,
    disposition: Option<Disposition>,
    languages: Vec<Vec<u8>>,
    location: Option<Vec<u8>>,
}

impl EntityFields {
    /// Takes a field in, if it is one of MIME.
    pub(crate) fn read(&mut self, name: &[u8], value: &[u8]) -> bool {
        let name = match name.split_at_checked(PREFIX.len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case(PREFIX) => name,
            _ => return false,
        };
        let value = unfold(value);
        let text = || Some(value.to_vec());
        match name.to_ascii_lowercase().as_slice() {
            b"type" if self.content_type.is_none() => self.content_type = content_type(&value),
            b"id" if self.id.is_none() => self.id = text(),
            b"description" if self.description.is_none() => self.description = text(),
            b"transfer-encoding" if self.encoding.is_none() => self.encoding = encoding(&value),
            b"md5" if self.md5.is_none() => self.md5 = text(),
            b"disposition" if self.disposition.is_none() => self.disposition = disposition(&value),
            b"language" if self.languages.is_empty() => self.languages = languages(&value),
            b"location" if self.location.is_none() => self.location = text(),
            _ => {}
        }
        true
    }

    pub(crate) fn entity(self, default: DefaultType) -> Part {
        let (media_type, subtype, parameters) = self.content_type.unwrap_or_else(|| match default {
            // RFC 2045 §5.2.
            DefaultType::Text => default_text(),
            DefaultType::Message => ("message".to_owned(), "rfc822".to_owned(), Vec::new()),
        });
        Part {
            header: Span::default(),
            body: Span::default(),
            lines: 0,
            media_type,
            subtype,
            parameters,
            id: self.id,
            description: self.description,
            encoding: self.encoding.unwrap_or_else(|| "7bit".to_owned()),
            md5: self.md5,
            disposition: self.disposition,
            languages: self.languages,
            location: self.location,
            content: Content::Leaf,
        }
    }
}

fn default_text() -> (String, String, Vec<Parameter>) {
    ("text".to_owned(), "plain".to_owned(), vec![Parameter::new("charset", b"us-ascii")])
}

/// The made-up text part over the body of a part that cannot be opened.
pub(crate) fn opaque(around: &Part) -> Part {
    let mut part = EntityFields::default().entity(DefaultType::Text);
    part.header = Span { start: around.body.start, end: around.body.start };
    part.body = around.body;
    part.lines = around.lines;
    part.encoding.clone_from(&around.encoding);
    part
}

pub(crate) fn is_message(part: &Part) -> bool {
    // RFC 6532 §3.7 for message/global.
    part.media_type == "message" && (part.subtype == "rfc822" || part.subtype == "global")
}

/// A message in base64 (which RFC 2046 §5.2.1 forbids, and programs send) cannot be read in place.
pub(crate) fn is_readable_message(part: &Part) -> bool {
    is_message(part) && part.encoding != "base64"
}

/// The boundary of a multipart, if it has a usable one.
pub(crate) fn boundary(part: &Part) -> Option<Vec<u8>> {
    if part.media_type != "multipart" {
        return None;
    }
    let boundary = match part.parameter("boundary") {
        Some(value) => value.to_vec(),
        None => parameter::decoded(&part.parameters, "boundary")?.into_bytes(),
    };
    // RFC 2046 §5.1.1: a boundary does not end with a space; the delimiter's trailing white space is padding.
    let boundary = boundary.trim_ascii_end();
    (!boundary.is_empty()).then(|| boundary.to_vec())
}

fn lower_token(cursor: &mut Cursor<'_>) -> Option<String> {
    cursor.skip_cfws();
    let token = cursor.token();
    (!token.is_empty() && token.is_ascii()).then(|| String::from_utf8_lossy(token).to_ascii_lowercase())
}

fn content_type(value: &[u8]) -> Option<(String, String, Vec<Parameter>)> {
    let mut cursor = Cursor::new(value);
    let media_type = lower_token(&mut cursor)?;
    cursor.skip_cfws();
    if cursor.take(1) != b"/" {
        return None;
    }
    let subtype = lower_token(&mut cursor)?;
    Some((media_type, subtype, parameter::read(&mut cursor)))
}

fn encoding(value: &[u8]) -> Option<String> {
    lower_token(&mut Cursor::new(value))
}

fn disposition(value: &[u8]) -> Option<Disposition> {
    let mut cursor = Cursor::new(value);
    let kind = lower_token(&mut cursor)?;
    Some(Disposition { kind, parameters: parameter::read(&mut cursor) })
}

fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut cursor = Cursor::new(value);
    let mut languages = Vec::new();
    while cursor.peek().is_some() && languages.len() < PARAMETERS_MAX {
        cursor.skip_cfws();
        match cursor.token() {
            b"" => cursor.skip(1),
            language => languages.push(language.to_vec()),
        }
    }
    languages
}
