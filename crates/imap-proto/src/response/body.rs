//! ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 §7.5.2).
//!
//! The message stands behind two traits with small handles (a reference, or a reference and an index),
//! so that this crate needs no MIME parser and nothing is copied in between.

use super::string::{decimal, nstring, string};
use crate::mailbox::Dialect;

/// The deepest structure that is written; what is deeper is told as one part of octets.
pub(crate) const BODY_DEPTH_MAX: usize = 200;

/// One address of an envelope (RFC 9051 §7.5.2): a group begins with `host: None` and its name in `mailbox`
/// and ends with both `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address<'a> {
    /// The display name, as it stands in the header (encoded words stay).
    pub name: Option<&'a [u8]>,
    /// The obsolete source route: `@a,@b`.
    pub adl: Option<&'a [u8]>,
    /// The local part, unquoted.
    pub mailbox: Option<&'a [u8]>,
    /// The domain.
    pub host: Option<&'a [u8]>,
}

/// The header fields that hold addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressField {
    /// `From`
    From,
    /// `Sender`
    Sender,
    /// `Reply-To`
    ReplyTo,
    /// `To`
    To,
    /// `Cc`
    Cc,
    /// `Bcc`
    Bcc,
}

/// A message's envelope. Texts are unfolded header values, encoded words left as they are; `None` for an absent field.
pub trait EnvelopeView: Copy {
    /// `Date`
    fn date(&self) -> Option<&[u8]>;
    /// `Subject`
    fn subject(&self) -> Option<&[u8]>;
    /// `In-Reply-To`
    fn in_reply_to(&self) -> Option<&[u8]>;
    /// `Message-ID`
    fn message_id(&self) -> Option<&[u8]>;
    /// The addresses of a field, none when absent. `Sender` and `Reply-To` need not fall back to `From`:
    /// the encoder does that (RFC 9051 §7.5.2).
    fn addresses(&self, field: AddressField) -> impl Iterator<Item = Address<'_>>;
}

/// The kinds of body that are written differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// `multipart/*`: has [`BodyView::children`].
    Multipart,
    /// `message/rfc822` or `message/global`: has [`BodyView::message`].
    Message,
    /// `text/*`: has lines.
    Text,
    /// Anything else.
    Basic,
}

/// A part of a message and, through it, the tree below. Type names are written as given, defaults
/// (`text/plain; charset=us-ascii`, `7bit`) are the view's to supply.
pub trait BodyView: Copy {
    /// The envelope of an enclosed message.
    type Envelope: EnvelopeView;

    /// How to write it.
    fn kind(&self) -> BodyKind;
    /// `text` and `plain` of `text/plain`.
    fn media_type(&self) -> (&[u8], &[u8]);
    /// The parameters of Content-Type.
    fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])>;
    /// Content-ID
    fn id(&self) -> Option<&[u8]>;
    /// Content-Description
    fn description(&self) -> Option<&[u8]>;
    /// Content-Transfer-Encoding: `7bit` where there is none.
    fn encoding(&self) -> &[u8];
    /// Octets of the body as it is encoded.
    fn octets(&self) -> u64;
    /// Lines of the body as it is encoded; asked of `Text` and `Message` only.
    fn lines(&self) -> u64;
    /// Content-MD5
    fn md5(&self) -> Option<&[u8]>;
    /// The type of Content-Disposition.
    fn disposition(&self) -> Option<&[u8]>;
    /// The parameters of Content-Disposition; asked only when it has a type.
    fn disposition_parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])>;
    /// Content-Language
    fn languages(&self) -> impl Iterator<Item = &[u8]>;
    /// Content-Location
    fn location(&self) -> Option<&[u8]>;
    /// The parts of a `Multipart`.
    fn children(&self) -> impl Iterator<Item = Self>;
    /// The envelope and the body of the message in a `Message`; without one it is written as `Basic`.
    fn message(&self) -> Option<(Self::Envelope, Self)>;
}

/// Whether extension data is written: BODYSTRUCTURE has it, BODY must not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extensions {
    With,
    Without,
}

/// RFC 9051 §9: envelope.
pub(super) fn envelope<E: EnvelopeView>(out: &mut Vec<u8>, dialect: Dialect, envelope: E) {
    out.push(b'(');
    nstring(out, dialect, envelope.date());
    out.push(b' ');
    nstring(out, dialect, envelope.subject());
    out.push(b' ');
    addresses(out, dialect, &envelope, AddressField::From);
    out.push(b' ');
    addresses_or_from(out, dialect, &envelope, AddressField::Sender);
    out.push(b' ');
    addresses_or_from(out, dialect, &envelope, AddressField::ReplyTo);
    for field in [AddressField::To, AddressField::Cc, AddressField::Bcc] {
        out.push(b' ');
        addresses(out, dialect, &envelope, field);
    }
    out.push(b' ');
    nstring(out, dialect, envelope.in_reply_to());
    out.push(b' ');
    nstring(out, dialect, envelope.message_id());
    out.push(b')');
}

/// RFC 9051 §7.5.2: Sender and Reply-To that are absent or empty are given as From.
fn addresses_or_from<E: EnvelopeView>(out: &mut Vec<u8>, dialect: Dialect, envelope: &E, field: AddressField) {
    let present = envelope.addresses(field).next().is_some();
    addresses(out, dialect, envelope, if present { field } else { AddressField::From });
}

fn addresses<E: EnvelopeView>(out: &mut Vec<u8>, dialect: Dialect, envelope: &E, field: AddressField) {
    let mut empty = true;
    for address in envelope.addresses(field) {
        out.extend_from_slice(if empty { b"((" } else { b"(" });
        empty = false;
        nstring(out, dialect, address.name);
        out.push(b' ');
        // RFC 9051 §9: addr-adl "holds route from [RFC5322] obs-route if not NIL".
        nstring(out, dialect, address.adl);
        out.push(b' ');
        nstring(out, dialect, address.mailbox);
        out.push(b' ');
        nstring(out, dialect, address.host);
        out.push(b')');
    }
    out.extend_from_slice(if empty { b"NIL" } else { b")" });
}

/// RFC 9051 §9: body.
pub(super) fn structure<B: BodyView>(out: &mut Vec<u8>, dialect: Dialect, extensions: Extensions, body: B) {
    Writer { out, dialect, extensions }.body(body, 0);
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    dialect: Dialect,
    extensions: Extensions,
}

impl Writer<'_> {
    fn body<B: BodyView>(&mut self, body: B, depth: usize) {
        if depth == BODY_DEPTH_MAX {
            self.raw("(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" ");
            self.number(body.octets());
            self.raw(")");
            return;
        }
        self.raw("(");
        match body.kind() {
            BodyKind::Multipart => self.multipart(body, depth),
            BodyKind::Message | BodyKind::Text | BodyKind::Basic => self.single_part(body, depth),
        }
        self.raw(")");
    }

    /// RFC 9051 §9: body-type-mpart.
    fn multipart<B: BodyView>(&mut self, body: B, depth: usize) {
        let mut empty = true;
        for child in body.children() {
            empty = false;
            self.body(child, depth + 1);
        }
        if empty {
            // The grammar wants a part at least.
            self.raw("(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)");
        }
        self.raw(" ");
        self.string(body.media_type().1);
        if self.extensions == Extensions::With {
            self.raw(" ");
            self.parameters(body.parameters());
            self.common_extensions(body);
        }
    }

    /// RFC 9051 §9: body-type-1part.
    fn single_part<B: BodyView>(&mut self, body: B, depth: usize) {
        let message = if body.kind() == BodyKind::Message { body.message() } else { None };
        let (media_type, subtype) = body.media_type();
        self.string(media_type);
        self.raw(" ");
        self.string(subtype);
        self.raw(" ");
        self.parameters(body.parameters());
        self.optional(body.id());
        self.optional(body.description());
        self.raw(" ");
        self.string(body.encoding());
        self.raw(" ");
        self.number(body.octets());
        let is_message = message.is_some();
        if let Some((inner_envelope, inner)) = message {
            self.raw(" ");
            envelope(self.out, self.dialect, inner_envelope);
            self.raw(" ");
            self.body(inner, depth + 1);
        }
        if is_message || body.kind() == BodyKind::Text {
            self.raw(" ");
            self.number(body.lines());
        }
        if self.extensions == Extensions::With {
            self.optional(body.md5());
            self.common_extensions(body);
        }
    }

    /// Disposition, languages, location.
    fn common_extensions<B: BodyView>(&mut self, body: B) {
        match body.disposition() {
            Some(disposition) => {
                self.raw(" (");
                self.string(disposition);
                self.raw(" ");
                self.parameters(body.disposition_parameters());
                self.raw(")");
            }
            None => self.raw(" NIL"),
        }
        self.raw(" ");
        self.languages(body.languages());
        self.optional(body.location());
    }

    fn parameters<'p>(&mut self, parameters: impl Iterator<Item = (&'p [u8], &'p [u8])>) {
        let mut empty = true;
        for (name, value) in parameters {
            self.raw(if empty { "(" } else { " " });
            empty = false;
            self.string(name);
            self.raw(" ");
            self.string(value);
        }
        self.raw(if empty { "NIL" } else { ")" });
    }

    fn languages<'p>(&mut self, languages: impl Iterator<Item = &'p [u8]>) {
        let mut empty = true;
        for language in languages {
            self.raw(if empty { "(" } else { " " });
            empty = false;
            self.string(language);
        }
        self.raw(if empty { "NIL" } else { ")" });
    }

    fn optional(&mut self, value: Option<&[u8]>) {
        self.raw(" ");
        nstring(self.out, self.dialect, value);
    }

    fn string(&mut self, value: &[u8]) {
        string(self.out, self.dialect, value);
    }

    fn number(&mut self, number: u64) {
        decimal(self.out, number);
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }
}
