//! What a person can read in a message, as text, for SEARCH (RFC 9051 §6.4.4).
//!
//! Header fields with their encoded-words decoded, the names of attachments, and `text/*` parts with transfer encoding and
//! charset taken off, HTML as what is seen of it ([`crate::html`]). Attachments that are not text are not looked into. Each
//! piece of text is made when it is asked for, so a search that finds something early decodes no more.

use std::borrow::Cow;

use crate::charset;
use crate::encoded_word;
use crate::fold::Needle;
use crate::header::{Field, fields, find_all};
use crate::html;
use crate::parameter;
use crate::section;
use crate::structure::{Content, Part, Structure};

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// SEARCH TEXT: the header, MIME headers, headers of messages inside, and bodies.
    Everything,
    /// SEARCH BODY: bodies; "this doesn't match any header fields".
    Bodies,
}

/// The pieces of text in a message, in the order in which they stand there: a header as [`head_text`], a text part as one
/// piece.
pub fn pieces<'m>(
    message: &'m [u8],
    structure: &'m Structure,
    scope: Scope,
) -> impl Iterator<Item = Cow<'m, str>> + use<'m> {
    structure.root.walk().flat_map(move |part| {
        let header = (scope == Scope::Everything).then_some(Piece::Header(part));
        let body = is_read(part).then_some(Piece::Body(part));
        header.into_iter().chain(body).map(move |piece| piece.text(message))
    })
}

/// Whether a message has `needle` in it (SEARCH TEXT, SEARCH BODY).
#[must_use]
pub fn contains(message: &[u8], structure: &Structure, scope: Scope, needle: &Needle) -> bool {
    pieces(message, structure, scope).any(|text| needle.is_in(&text))
}

/// Whether a header has a field called `name` with `needle` in its decoded value (SEARCH HEADER, SUBJECT, FROM, …);
/// an empty needle is in every value, so it asks whether the field is there.
#[must_use]
pub fn header_contains(header: &[u8], name: &str, needle: &Needle) -> bool {
    header_values(header, name).any(|value| needle.is_in(&value))
}

/// The decoded values of the fields called `name`.
pub fn header_values<'m>(header: &'m [u8], name: &'m str) -> impl Iterator<Item = String> + use<'m> {
    find_all(header, name).map(|field| field_text(&field))
}

/// The value of a field as text.
#[must_use]
pub(crate) fn field_text(field: &Field<'_>) -> String {
    encoded_word::decode(&field.unfolded())
}

/// Whether the body of a part is text.
#[must_use]
pub fn is_read(part: &Part) -> bool {
    part.content == Content::Leaf && part.media_type == "text"
}

/// Whether it is HTML.
#[must_use]
pub fn is_html(part: &Part) -> bool {
    part.subtype == "html"
}

/// The text of a text part, from the octets of its body or from the first of them. What has an unknown transfer encoding is
/// taken as it is.
#[must_use]
pub fn of_body<'m>(part: &Part, body: &'m [u8]) -> Cow<'m, str> {
    let text = as_sent(part, body);
    if is_html(part) { Cow::Owned(html::text_of(&text)) } else { text }
}

/// The same, where HTML stays as it is.
#[must_use]
pub fn as_sent<'m>(part: &Part, body: &'m [u8]) -> Cow<'m, str> {
    let bytes = section::encoding(part).map_or(Cow::Borrowed(body), |encoding| encoding.decode(body));
    let label = part.parameter("charset").unwrap_or_default();
    match bytes {
        Cow::Borrowed(bytes) => charset::decode(label, bytes),
        Cow::Owned(bytes) => Cow::Owned(charset::decode(label, &bytes).into_owned()),
    }
}

enum Piece<'s> {
    Header(&'s Part),
    Body(&'s Part),
}

impl Piece<'_> {
    fn text<'m>(&self, message: &'m [u8]) -> Cow<'m, str> {
        match self {
            Self::Header(part) => Cow::Owned(head_text(part, part.header.of(message))),
            Self::Body(part) => of_body(part, part.body.of(message)),
        }
    }
}

/// What stands before the body of a part as text: its header, a field a line, `Name: value`, encoded-words decoded; then the
/// names of its file as a person sees them, which RFC 2231 lets nobody read.
#[must_use]
pub fn head_text(part: &Part, header: &[u8]) -> String {
    let mut text = header_text(header);
    let disposition = part.disposition.as_ref().map(|disposition| (disposition.parameters.as_slice(), "filename"));
    for (parameters, name) in disposition.into_iter().chain([(part.parameters.as_slice(), "name")]) {
        if let Some(name) = parameter::decoded(parameters, name) {
            text.push_str(&name);
            text.push('\n');
        }
    }
    text
}

fn header_text(header: &[u8]) -> String {
    let mut text = String::with_capacity(header.len());
    for field in fields(header) {
        text.push_str(&String::from_utf8_lossy(field.name));
        text.push_str(": ");
        text.push_str(&field_text(&field));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"Subject: =?utf-8?Q?Caf=C3=A9?=\r\n in Paris\r\n\
        Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n\
        --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        un cr=E8me br=\r\nul=E9e\r\n\
        --b\r\nContent-Type: application/pdf; name=inside.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\naW5zaWRl\r\n\
        --b\r\nContent-Type: image/png\r\n\
        Content-Disposition: attachment; filename*0*=UTF-8''na%C3%AFve%20; \r\n filename*1=plain.png\r\n\r\nx\r\n\
        --b\r\nContent-Type: Text/HTML; charset=windows-1252\r\n\r\n\
        <p title=cue>vi<b>ola</b> &amp;\r\n caf\xe9<script>code</script><i hidden>secret</i></p>\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: forwarded\r\n\r\nThe Original\r\n--b--\r\n";

    #[test]
    fn search_finds_what_a_person_reads() {
        let structure = Structure::parse(MESSAGE);
        let check = |needle: &str, everything: bool, bodies: bool| {
            let needle = Needle::new(needle);
            let found = |scope| contains(MESSAGE, &structure, scope, &needle);
            assert_eq!((found(Scope::Everything), found(Scope::Bodies)), (everything, bodies), "{needle:?}");
        };
        check("CAFÉ IN PARIS", true, false);
        check("Crème Brulée", true, true);
        check("original", true, true);
        check("subject: FORWARDED", true, false);
        check("inside.pdf", true, false);
        check("na\u{ef}ve plain.png", true, false);
        check("aW5zaWRl", false, false);
        check("viola & caf\u{e9}", true, true);
        for unseen in ["<b>", "cue", "code", "secret", "&amp;"] {
            check(unseen, false, false);
        }
        check("absent", false, false);
        check("", true, true);
    }

    #[test]
    fn header_search_looks_at_values_of_a_name() {
        let check = |name: &str, needle: &str, expected: bool| {
            assert_eq!(header_contains(MESSAGE, name, &Needle::new(needle)), expected, "{name} {needle}");
        };
        check("SUBJECT", "café", true);
        check("Subject", "", true);
        check("X-None", "", false);
        check("subject", "subject", false);
    }
}
