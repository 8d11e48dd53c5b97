//! A summary as it lies in its bytes: for whoever shows it and keeps nothing.
//!
//! [`Summary::read`] goes through all of the bytes once, says whether they are a summary, and copies none of them. Lists
//! (addresses, parameters, languages) stay where they are and are read again when they are asked for; only the parts of a
//! `multipart` are set side by side, so that a deep tree is not walked once for each level.
//!
//! Invariant: whatever [`Summary::read`] took can be shown to its end.

use crate::limits::MIME_DEPTH_MAX;
use crate::span::Span;
use crate::summary::{KIND_LEAF, KIND_MESSAGE, KIND_MULTIPART, KIND_SHIFT, SUMMARY_VERSION, SummaryError};
use crate::wire::Source;

type Read<T> = Result<T, SummaryError>;

/// Envelope and structure of a message: [`crate::Summary`].
#[derive(Clone, Debug)]
pub struct Summary<'a> {
    /// ENVELOPE.
    pub envelope: Envelope<'a>,
    /// The message itself: the root of its structure.
    pub root: Part<'a>,
}

/// [`crate::Envelope`]
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// `Date`
    pub date: Option<&'a [u8]>,
    /// `Subject`
    pub subject: Option<&'a [u8]>,
    /// `From`
    pub from: Addresses<'a>,
    /// `Sender`, else `From`.
    pub sender: Addresses<'a>,
    /// `Reply-To`, else `From`.
    pub reply_to: Addresses<'a>,
    /// `To`
    pub to: Addresses<'a>,
    /// `Cc`
    pub cc: Addresses<'a>,
    /// `Bcc`
    pub bcc: Addresses<'a>,
    /// `In-Reply-To`
    pub in_reply_to: Option<&'a [u8]>,
    /// `Message-ID`
    pub message_id: Option<&'a [u8]>,
}

/// [`crate::Address`]
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The display name.
    pub name: Option<&'a [u8]>,
    /// The obsolete source route.
    pub adl: Option<&'a [u8]>,
    /// The local part.
    pub mailbox: Option<&'a [u8]>,
    /// The domain.
    pub host: Option<&'a [u8]>,
}

/// [`crate::Part`]
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Header with its empty line.
    pub header: Span,
    /// Content.
    pub body: Span,
    /// Line ends in `body`.
    pub lines: usize,
    /// `text`, `multipart`, …
    pub media_type: &'a str,
    /// `plain`, `mixed`, …
    pub subtype: &'a str,
    /// Of `Content-Type`.
    pub parameters: Parameters<'a>,
    /// `Content-ID`
    pub id: Option<&'a [u8]>,
    /// `Content-Description`
    pub description: Option<&'a [u8]>,
    /// `Content-Transfer-Encoding`
    pub encoding: &'a str,
    /// `Content-MD5`
    pub md5: Option<&'a [u8]>,
    /// `Content-Disposition`: its type and its parameters.
    pub disposition: Option<(&'a str, Parameters<'a>)>,
    /// `Content-Language`
    pub languages: Languages<'a>,
    /// `Content-Location`
    pub location: Option<&'a [u8]>,
    /// What is inside.
    pub content: Content<'a>,
}

/// [`crate::Content`]
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Nothing that has parts.
    Leaf,
    /// The parts of a multipart, at least one.
    Multipart(Vec<Part<'a>>),
    /// The message in a `message/rfc822` or `message/global`.
    Message(Box<(Envelope<'a>, Part<'a>)>),
}

/// Values one after the other, which were read once.
#[derive(Clone, Copy, Debug, Default)]
struct List<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// The addresses of a field.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses<'a>(List<'a>);

/// Names, and values as sent, of parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a>(List<'a>);

/// Tags of languages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Languages<'a>(List<'a>);

impl<'a> Summary<'a> {
    /// What [`crate::Summary::encode`] gave these bytes for.
    ///
    /// # Errors
    /// [`SummaryError`] for all other bytes.
    pub fn read(bytes: &'a [u8]) -> Read<Self> {
        let mut source = Source::new(bytes);
        let envelope = Envelope::first(&mut source)?;
        // The root says itself how long the message is.
        let root = Part::read(&mut source, (0, usize::MAX), 0)?;
        if source.is_empty() { Ok(Self { envelope, root }) } else { Err(SummaryError::Invalid) }
    }
}

impl<'a> Envelope<'a> {
    /// The envelope of a message, which stands first in its summary.
    pub(crate) fn first(source: &mut Source<'a>) -> Read<Self> {
        let version = source.byte()?;
        if version == SUMMARY_VERSION { Self::read(source) } else { Err(SummaryError::UnknownVersion(version)) }
    }

    fn read(source: &mut Source<'a>) -> Read<Self> {
        let flags = source.byte()?;
        let date = optional(source, flags, 0)?;
        let subject = optional(source, flags, 1)?;
        let in_reply_to = optional(source, flags, 2)?;
        let message_id = optional(source, flags, 3)?;
        let from = Addresses::read(source)?;
        let sender = if flags & 1 << 4 == 0 { from } else { Addresses::read(source)? };
        let reply_to = if flags & 1 << 5 == 0 { from } else { Addresses::read(source)? };
        let (to, cc, bcc) = (Addresses::read(source)?, Addresses::read(source)?, Addresses::read(source)?);
        Ok(Self { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id })
    }
}

impl<'a> Part<'a> {
    /// Reads a part that lies within the octets `from..until` of the message.
    fn read(source: &mut Source<'a>, (from, until): (usize, usize), depth: usize) -> Read<Self> {
        // A made-up part stands one deeper than what may be opened.
        if depth > MIME_DEPTH_MAX + 1 {
            return Err(SummaryError::Invalid);
        }
        let flags = source.byte()?;
        let (header, body) = spans(source, from, until)?;
        let mut part = Self {
            header,
            body,
            lines: source.number()?,
            media_type: source.text()?,
            subtype: source.text()?,
            parameters: Parameters::read(source)?,
            encoding: source.text()?,
            id: optional(source, flags, 0)?,
            description: optional(source, flags, 1)?,
            md5: optional(source, flags, 2)?,
            disposition: if flags & 1 << 3 == 0 { None } else { Some((source.text()?, Parameters::read(source)?)) },
            languages: if flags & 1 << 4 == 0 { Languages::default() } else { Languages::read(source)? },
            location: optional(source, flags, 5)?,
            content: Content::Leaf,
        };
        part.content = match flags >> KIND_SHIFT {
            KIND_LEAF => Content::Leaf,
            KIND_MULTIPART => Content::Multipart(children(source, body, depth)?),
            KIND_MESSAGE => {
                let envelope = Envelope::read(source)?;
                Content::Message(Box::new((envelope, Self::read(source, (body.start, body.end), depth + 1)?)))
            }
            _ => return Err(SummaryError::Invalid),
        };
        Ok(part)
    }
}

fn spans(source: &mut Source<'_>, from: usize, until: usize) -> Read<(Span, Span)> {
    let mut next = |start: usize| source.number().and_then(|len| start.checked_add(len).ok_or(SummaryError::Invalid));
    let start = next(from)?;
    let middle = next(start)?;
    let end = next(middle)?;
    if end > until {
        return Err(SummaryError::Invalid);
    }
    Ok((Span { start, end: middle }, Span { start: middle, end }))
}

/// The parts of a multipart with this body: at least one.
fn children<'a>(source: &mut Source<'a>, body: Span, depth: usize) -> Read<Vec<Part<'a>>> {
    let count = source.number()?;
    if count == 0 {
        return Err(SummaryError::Invalid);
    }
    let mut children = Vec::new();
    let mut from = body.start;
    for _ in 0..count {
        let child = Part::read(source, (from, body.end), depth + 1)?;
        from = child.body.end;
        children.push(child);
    }
    Ok(children)
}

fn optional<'a>(source: &mut Source<'a>, flags: u8, bit: u8) -> Read<Option<&'a [u8]>> {
    if flags & 1 << bit == 0 { Ok(None) } else { source.bytes().map(Some) }
}

impl<'a> List<'a> {
    /// Goes through a list, so that nothing is wrong with it later.
    fn read<T>(source: &mut Source<'a>, item: impl Fn(&mut Source<'a>) -> Read<T>) -> Read<Self> {
        let count = source.number()?;
        let from = source.rest();
        for _ in 0..count {
            item(source)?;
        }
        let bytes = from.get(..from.len() - source.rest().len()).unwrap_or_default();
        Ok(Self { count, bytes })
    }

    fn iter<T>(self, item: impl Fn(&mut Source<'a>) -> Read<T>) -> impl Iterator<Item = T> {
        let mut source = Source::new(self.bytes);
        (0..self.count).map_while(move |_| item(&mut source).ok())
    }
}

impl<'a> Addresses<'a> {
    fn read(source: &mut Source<'a>) -> Read<Self> {
        List::read(source, address).map(Self)
    }

    /// In their order.
    pub fn iter(self) -> impl Iterator<Item = Address<'a>> {
        self.0.iter(address)
    }
}

fn address<'a>(source: &mut Source<'a>) -> Read<Address<'a>> {
    let flags = source.byte()?;
    Ok(Address {
        name: optional(source, flags, 0)?,
        adl: optional(source, flags, 1)?,
        mailbox: optional(source, flags, 2)?,
        host: optional(source, flags, 3)?,
    })
}

impl<'a> Parameters<'a> {
    fn read(source: &mut Source<'a>) -> Read<Self> {
        List::read(source, parameter).map(Self)
    }

    /// In their order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.0.iter(parameter)
    }
}

fn parameter<'a>(source: &mut Source<'a>) -> Read<(&'a str, &'a [u8])> {
    Ok((source.text()?, source.word()?))
}

impl<'a> Languages<'a> {
    fn read(source: &mut Source<'a>) -> Read<Self> {
        List::read(source, Source::bytes).map(Self)
    }

    /// In their order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter(Source::bytes)
    }
}
