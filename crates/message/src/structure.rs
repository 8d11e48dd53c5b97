//! The tree of parts of a message, as BODYSTRUCTURE tells it (RFC 9051 §7.5.2), with places in the original.
//!
//! What is kept is what was sent: types, parameter names and encodings in lower case (they have no case), all values
//! as bytes, unfolded and unquoted but not decoded ([`crate::parameter::decoded`] decodes RFC 2231).
//!
//! Invariant: a `multipart` has at least one child, as the grammar of BODYSTRUCTURE demands, and a `message/rfc822`
//! or `message/global` has a message in it. Where the original has none that can be read (no boundary, nothing
//! between the boundaries, too deep, base64) there is one made-up `text/plain` part with an empty header that covers
//! the body, so that no program hides what is there.

use crate::envelope::Envelope;
use crate::parameter::Parameter;
use crate::span::Span;

/// The structure of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The message itself: its header and its body.
    pub root: Part,
}

impl Structure {
    /// RFC822.SIZE: the octets of the whole message.
    #[must_use]
    pub fn size(&self) -> usize {
        self.root.body.end
    }
}

/// One entity: the whole message, a part of a multipart, or the message inside a `message/rfc822`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Header with its empty line; `body` begins where it ends.
    pub header: Span,
    /// Content, without the line end before the boundary that follows it (RFC 2046 §5.1.1).
    pub body: Span,
    /// Line ends (LF or CRLF) in `body`, as Dovecot and Cyrus count: a last line without line end is not counted.
    pub lines: usize,
    /// `text`, `multipart`, …; lower case.
    pub media_type: String,
    /// `plain`, `mixed`, …; lower case.
    pub subtype: String,
    /// Of `Content-Type`, in order. `charset=us-ascii` stands here where the message has no valid type.
    pub parameters: Vec<Parameter>,
    /// `Content-ID`, with its angle brackets.
    pub id: Option<Vec<u8>>,
    /// `Content-Description`, not decoded.
    pub description: Option<Vec<u8>>,
    /// `Content-Transfer-Encoding` in lower case, `7bit` where there is none.
    pub encoding: String,
    /// `Content-MD5`.
    pub md5: Option<Vec<u8>>,
    /// `Content-Disposition`.
    pub disposition: Option<Disposition>,
    /// `Content-Language`: its tags.
    pub languages: Vec<Vec<u8>>,
    /// `Content-Location`.
    pub location: Option<Vec<u8>>,
    /// What is inside.
    pub content: Content,
}

impl Part {
    /// Octets of the body: the size in BODYSTRUCTURE.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }

    /// Whether the type is `media_type/subtype`; both in lower case.
    #[must_use]
    pub fn is(&self, media_type: &str, subtype: &str) -> bool {
        self.media_type == media_type && self.subtype == subtype
    }

    /// The value of a parameter of `Content-Type` as sent; `name` in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value.as_slice())
    }

    /// The parts directly inside: of a multipart its children, of a `message/rfc822` the message, else none.
    #[must_use]
    pub fn children(&self) -> &[Part] {
        match &self.content {
            Content::Leaf => &[],
            Content::Multipart(children) => children,
            Content::Message(embedded) => std::slice::from_ref(&embedded.part),
        }
    }

    /// This part and all parts inside, outer before inner, in order.
    pub fn walk(&self) -> impl Iterator<Item = &Part> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let part = waiting.pop()?;
            waiting.extend(part.children().iter().rev());
            Some(part)
        })
    }
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, an attachment: nothing that has parts.
    Leaf,
    /// `multipart/*`: its parts, at least one.
    Multipart(Vec<Part>),
    /// `message/rfc822` or `message/global`: the message inside.
    Message(Box<Embedded>),
}

/// A message inside a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its header and body.
    pub part: Part,
}

/// `Content-Disposition` (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment`, …; lower case.
    pub kind: String,
    /// `filename` and others, in order.
    pub parameters: Vec<Parameter>,
}
