//! What is kept with a message at delivery, so that FETCH of ENVELOPE, BODY, BODYSTRUCTURE and sizes never opens it.
//!
//! The encoding is small (a few hundred bytes for most messages) and begins with a version byte. Decoding is total:
//! bytes that are none of ours are an error, never a panic and never a range outside the message. A summary that
//! cannot be decoded is made again from the message.

use crate::address::Address;
use crate::envelope::Envelope;
use crate::parameter::Parameter;
use crate::parse;
use crate::structure::{Content, Disposition, Embedded, Part, Structure};
use crate::view;
use crate::wire::{Source, put_bytes, put_number, put_word};

/// The first byte of every summary that this code writes.
pub(crate) const SUMMARY_VERSION: u8 = 1;

/// Envelope and structure of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// ENVELOPE.
    pub envelope: Envelope,
    /// BODYSTRUCTURE, RFC822.SIZE and all ranges.
    pub structure: Structure,
}

/// Why bytes are no summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummaryError {
    /// The version byte is another one.
    UnknownVersion(u8),
    /// The bytes end too early.
    Truncated,
    /// The bytes say something that cannot be.
    Invalid,
}

impl std::fmt::Display for SummaryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownVersion(version) => write!(f, "summary of unknown version {version}"),
            Self::Truncated => f.write_str("summary is cut off"),
            Self::Invalid => f.write_str("summary is damaged"),
        }
    }
}

impl std::error::Error for SummaryError {}

impl Summary {
    /// Reads a message once for envelope and structure. Any bytes have both.
    #[must_use]
    pub fn parse(message: &[u8]) -> Self {
        let Embedded { envelope, part } = parse::message(message);
        Self { envelope, structure: Structure { root: part } }
    }

    /// RFC822.SIZE.
    #[must_use]
    pub fn size(&self) -> usize {
        self.structure.size()
    }

    /// The bytes to keep.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.push(SUMMARY_VERSION);
        put_envelope(&mut out, &self.envelope);
        put_part(&mut out, &self.structure.root, 0);
        out
    }

    /// The summary that [`Summary::encode`] gave these bytes for.
    ///
    /// # Errors
    /// [`SummaryError`] for all other bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, SummaryError> {
        let view = view::Summary::read(bytes)?;
        Ok(Self { envelope: view.envelope.into(), structure: Structure { root: Part::from(&view.root) } })
    }

    /// The envelope alone, which stands first: what follows is not looked at.
    ///
    /// # Errors
    /// [`SummaryError`] for bytes that do not begin as [`Summary::encode`] has them begin.
    pub fn decode_envelope(bytes: &[u8]) -> Result<Envelope, SummaryError> {
        view::Envelope::first(&mut Source::new(bytes)).map(Envelope::from)
    }
}

/// A bit for each thing that is there, the first in the lowest bit.
fn flags<const N: usize>(present: [bool; N]) -> u8 {
    present.iter().enumerate().fold(0, |flags, (bit, &present)| flags | u8::from(present) << bit)
}

fn put_optional(out: &mut Vec<u8>, value: Option<&Vec<u8>>) {
    if let Some(value) = value {
        put_bytes(out, value);
    }
}

fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let texts = [&envelope.date, &envelope.subject, &envelope.in_reply_to, &envelope.message_id];
    let own_sender = envelope.sender != envelope.from;
    let own_reply_to = envelope.reply_to != envelope.from;
    let [date, subject, in_reply_to, message_id] = texts.map(|text| text.is_some());
    out.push(flags([date, subject, in_reply_to, message_id, own_sender, own_reply_to]));
    for text in texts {
        put_optional(out, text.as_ref());
    }
    put_addresses(out, &envelope.from);
    if own_sender {
        put_addresses(out, &envelope.sender);
    }
    if own_reply_to {
        put_addresses(out, &envelope.reply_to);
    }
    for list in [&envelope.to, &envelope.cc, &envelope.bcc] {
        put_addresses(out, list);
    }
}

fn put_addresses(out: &mut Vec<u8>, list: &[Address]) {
    put_number(out, list.len());
    for address in list {
        let values = [&address.name, &address.adl, &address.mailbox, &address.host];
        out.push(flags(values.map(|value| value.is_some())));
        for value in values {
            put_optional(out, value.as_ref());
        }
    }
}

fn put_parameters(out: &mut Vec<u8>, parameters: &[Parameter]) {
    put_number(out, parameters.len());
    for parameter in parameters {
        put_word(out, parameter.name.as_bytes());
        put_word(out, &parameter.value);
    }
}

pub(crate) const KIND_SHIFT: u32 = 6;
pub(crate) const KIND_LEAF: u8 = 0;
pub(crate) const KIND_MULTIPART: u8 = 1;
pub(crate) const KIND_MESSAGE: u8 = 2;

/// Writes a part; places count from `from`, where the part before it ended or the part around it begins.
fn put_part(out: &mut Vec<u8>, part: &Part, from: usize) {
    let kind = match &part.content {
        Content::Leaf => KIND_LEAF,
        Content::Multipart(_) => KIND_MULTIPART,
        Content::Message(_) => KIND_MESSAGE,
    };
    let present = [
        part.id.is_some(),
        part.description.is_some(),
        part.md5.is_some(),
        part.disposition.is_some(),
        !part.languages.is_empty(),
        part.location.is_some(),
    ];
    out.push(flags(present) | kind << KIND_SHIFT);
    put_number(out, part.header.start.saturating_sub(from));
    put_number(out, part.header.len());
    put_number(out, part.body.len());
    put_number(out, part.lines);
    put_word(out, part.media_type.as_bytes());
    put_word(out, part.subtype.as_bytes());
    put_parameters(out, &part.parameters);
    put_word(out, part.encoding.as_bytes());
    for value in [&part.id, &part.description, &part.md5] {
        put_optional(out, value.as_ref());
    }
    if let Some(disposition) = &part.disposition {
        put_word(out, disposition.kind.as_bytes());
        put_parameters(out, &disposition.parameters);
    }
    if !part.languages.is_empty() {
        put_number(out, part.languages.len());
        part.languages.iter().for_each(|language| put_bytes(out, language));
    }
    put_optional(out, part.location.as_ref());
    match &part.content {
        Content::Leaf => {}
        Content::Multipart(children) => {
            put_number(out, children.len());
            let mut from = part.body.start;
            for child in children {
                put_part(out, child, from);
                from = child.body.end;
            }
        }
        Content::Message(embedded) => {
            put_envelope(out, &embedded.envelope);
            put_part(out, &embedded.part, part.body.start);
        }
    }
}

impl From<view::Envelope<'_>> for Envelope {
    fn from(view: view::Envelope<'_>) -> Self {
        let from: Vec<Address> = addresses(view.from);
        Self {
            date: owned(view.date),
            subject: owned(view.subject),
            sender: addresses(view.sender),
            reply_to: addresses(view.reply_to),
            to: addresses(view.to),
            cc: addresses(view.cc),
            bcc: addresses(view.bcc),
            in_reply_to: owned(view.in_reply_to),
            message_id: owned(view.message_id),
            from,
        }
    }
}

impl From<&view::Part<'_>> for Part {
    fn from(view: &view::Part<'_>) -> Self {
        Self {
            header: view.header,
            body: view.body,
            lines: view.lines,
            media_type: view.media_type.to_owned(),
            subtype: view.subtype.to_owned(),
            parameters: parameters(view.parameters),
            id: owned(view.id),
            description: owned(view.description),
            encoding: view.encoding.to_owned(),
            md5: owned(view.md5),
            disposition: view
                .disposition
                .map(|(kind, of)| Disposition { kind: kind.to_owned(), parameters: parameters(of) }),
            languages: view.languages.iter().map(<[u8]>::to_vec).collect(),
            location: owned(view.location),
            content: match &view.content {
                view::Content::Leaf => Content::Leaf,
                view::Content::Multipart(children) => Content::Multipart(children.iter().map(Self::from).collect()),
                view::Content::Message(message) => {
                    let (envelope, part) = &**message;
                    Content::Message(Box::new(Embedded { envelope: (*envelope).into(), part: part.into() }))
                }
            },
        }
    }
}

fn owned(value: Option<&[u8]>) -> Option<Vec<u8>> {
    value.map(<[u8]>::to_vec)
}

fn addresses(list: view::Addresses<'_>) -> Vec<Address> {
    let address = |view: view::Address<'_>| Address {
        name: owned(view.name),
        adl: owned(view.adl),
        mailbox: owned(view.mailbox),
        host: owned(view.host),
    };
    list.iter().map(address).collect()
}

fn parameters(list: view::Parameters<'_>) -> Vec<Parameter> {
    list.iter().map(|(name, value)| Parameter { name: name.to_owned(), value: value.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MIME_DEPTH_MAX;

    const MESSAGE: &[u8] = b"Return-Path: <alice@example.org>\r\nDate: Sun, 01 Feb 2026 10:00:00 +0000\r\n\
        From: Alice <alice@example.org>\r\nReply-To: list@example.org\r\nTo: Bob <bob@example.org>, c@example.org\r\n\
        Subject: =?utf-8?Q?Caf=C3=A9?= tomorrow\r\nMessage-ID: <1234567890.abcdef@mail.example.org>\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_outer\"\r\n\r\n\
        --=_outer\r\nContent-Type: multipart/alternative; boundary=\"=_inner\"\r\n\r\n\
        --=_inner\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n\r\nHi\r\n\
        --=_inner\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSGk=\r\n\
        --=_inner--\r\n--=_outer\r\nContent-Type: application/pdf; name=\"menu.pdf\"\r\n\
        Content-Disposition: attachment; filename=\"menu.pdf\"\r\nContent-Language: en, fr\r\nContent-ID: <x@y>\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nSGk=\r\n--=_outer\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\n\r\nbody\r\n--=_outer--\r\n";

    #[test]
    fn a_summary_is_small_and_comes_back() {
        let summary = Summary::parse(MESSAGE);
        let bytes = summary.encode();
        assert!(bytes.len() < 512, "{} bytes", bytes.len());
        assert_eq!(Summary::decode_envelope(&bytes).as_ref(), Ok(&summary.envelope));
        assert_eq!(Summary::decode(&bytes), Ok(summary));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let bytes = Summary::parse(MESSAGE).encode();
        for len in 0..bytes.len() {
            assert!(Summary::decode(&bytes[..len]).is_err(), "{len}");
        }
        let longer = [bytes.as_slice(), b"\0"].concat();
        assert_eq!(Summary::decode(&longer), Err(SummaryError::Invalid));
        let mut newer = bytes;
        newer[0] = SUMMARY_VERSION + 1;
        assert_eq!(Summary::decode(&newer), Err(SummaryError::UnknownVersion(SUMMARY_VERSION + 1)));
        assert_eq!(Summary::decode(b""), Err(SummaryError::Truncated));
    }

    #[test]
    fn depth_is_bounded_when_decoding_too() {
        let nested = |depth: usize| {
            let mut out = vec![SUMMARY_VERSION, 0, 0, 0, 0, 0];
            for _ in 0..depth {
                // Multipart, at 0, nothing in it, `text/plain`, no parameters, `text`, one child.
                out.extend([KIND_MULTIPART << KIND_SHIFT, 0, 0, 0, 0, 1, 3, 0, 1, 1]);
            }
            out.extend([0, 0, 0, 0, 0, 1, 3, 0, 1]);
            Summary::decode(&out)
        };
        assert!(nested(MIME_DEPTH_MAX + 1).is_ok());
        assert_eq!(nested(MIME_DEPTH_MAX + 2), Err(SummaryError::Invalid));
    }
}
