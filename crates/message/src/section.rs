//! IMAP section specifications to ranges and bytes (RFC 9051 §6.4.5.1, RFC 3516).
//!
//! Ranges come from the structure alone, so a summary is enough to know the sizes.

use std::borrow::Cow;

use crate::span::Span;
use crate::structure::{Content, Part, Structure};
use crate::transfer::{Encoding, UnknownCte};

/// What of a part is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// `BODY[]`: the whole message; `BODY[n]`: the body of a part.
    Whole,
    /// `HEADER`: of the message, or of the message in a `message/rfc822` part; with its empty line.
    Header,
    /// `TEXT`: the body of the message, or of the message in a part.
    Text,
    /// `MIME`: the header of a part; with its empty line.
    Mime,
}

/// The part at `path`; none for an empty path and where there is no such part. Numbers begin at 1.
///
/// Part 1 of a message that is not a multipart is its body; a number after that of a `message/rfc822` part goes
/// into the message.
#[must_use]
pub fn part<'s>(structure: &'s Structure, path: &[u32]) -> Option<&'s Part> {
    let (&first, rest) = path.split_first()?;
    rest.iter().try_fold(in_message(&structure.root, first)?, |part, &number| match &part.content {
        Content::Leaf => None,
        Content::Multipart(children) => nth(children, number),
        Content::Message(embedded) => in_message(&embedded.part, number),
    })
}

/// Part `number` of a message, whose header and body are `message`.
fn in_message(message: &Part, number: u32) -> Option<&Part> {
    match &message.content {
        Content::Multipart(children) => nth(children, number),
        Content::Leaf | Content::Message(_) => (number == 1).then_some(message),
    }
}

fn nth(children: &[Part], number: u32) -> Option<&Part> {
    children.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

/// The bytes that a section means; none where there is no such section.
#[must_use]
pub fn range(structure: &Structure, path: &[u32], item: Item) -> Option<Span> {
    if path.is_empty() {
        let root = &structure.root;
        return match item {
            Item::Whole => Some(Span { start: root.header.start, end: root.body.end }),
            Item::Header => Some(root.header),
            Item::Text => Some(root.body),
            // "The MIME part specifier MUST be prefixed by one or more numeric part specifiers."
            Item::Mime => None,
        };
    }
    let part = part(structure, path)?;
    match (item, &part.content) {
        (Item::Whole, _) => Some(part.body),
        (Item::Mime, _) => Some(part.header),
        (Item::Header, Content::Message(embedded)) => Some(embedded.part.header),
        (Item::Text, Content::Message(embedded)) => Some(embedded.part.body),
        (Item::Header | Item::Text, Content::Leaf | Content::Multipart(_)) => None,
    }
}

/// `BINARY[path]`: the body of a part without its transfer encoding; its length is `BINARY.SIZE[path]`.
/// None where there is no such part. The whole message, multiparts and messages have no encoding to take off
/// (RFC 2045 §6.4) and come as they are.
///
/// # Errors
/// [`UnknownCte`] where the encoding is none of RFC 2045.
pub fn binary<'m>(structure: &Structure, message: &'m [u8], path: &[u32]) -> Option<Result<Cow<'m, [u8]>, UnknownCte>> {
    if path.is_empty() {
        return Some(Ok(Cow::Borrowed(range(structure, path, Item::Whole)?.of(message))));
    }
    Some(decoded(part(structure, path)?, message))
}

/// The body of a part without its transfer encoding; see [`binary`].
///
/// # Errors
/// [`UnknownCte`] where the encoding is none of RFC 2045.
pub fn decoded<'m>(part: &Part, message: &'m [u8]) -> Result<Cow<'m, [u8]>, UnknownCte> {
    Ok(encoding(part)?.decode(part.body.of(message)))
}

/// How the body of a part is encoded; multiparts and messages are not (RFC 2045 §6.4).
///
/// # Errors
/// [`UnknownCte`] where the encoding is none of RFC 2045.
pub fn encoding(part: &Part) -> Result<Encoding, UnknownCte> {
    match part.content {
        Content::Leaf => Encoding::named(&part.encoding),
        Content::Multipart(_) | Content::Message(_) => Ok(Encoding::Identity),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9051 §6.4.5.1, whose parts are named after their numbers.
    const MESSAGE: &str = "Content-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n\
        --o\r\nContent-Type: text/plain\r\n\r\nbody 1\r\n\
        --o\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nYm9keSAy\r\n\
        --o\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: 3\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n\
        --i\r\n\r\nbody 3.1\r\n\
        --i\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: x-odd\r\n\r\nbody 3.2\r\n--i--\r\n\r\n\
        --o\r\nContent-Type: multipart/mixed; boundary=p\r\n\r\n\
        --p\r\nContent-Type: message/rfc822\r\n\r\nSubject: 4.1\r\n\r\nbody 4.1.1\r\n--p--\r\n\
        --o--\r\nepilogue\r\n";

    fn section(message: &str, path: &[u32], item: Item) -> Option<String> {
        let structure = Structure::parse(message.as_bytes());
        let span = range(&structure, path, item)?;
        Some(String::from_utf8(span.of(message.as_bytes()).to_vec()).unwrap())
    }

    #[test]
    fn sections_are_found() {
        let check = |path: &[u32], item, expected: Option<&str>| {
            assert_eq!(section(MESSAGE, path, item).as_deref(), expected, "{path:?} {item:?}");
        };
        check(&[], Item::Whole, Some(MESSAGE));
        check(&[], Item::Header, Some("Content-Type: multipart/mixed; boundary=o\r\n\r\n"));
        check(&[], Item::Text, MESSAGE.split_once("\r\n\r\n").map(|(_, text)| text));
        check(&[], Item::Mime, None);
        check(&[1], Item::Whole, Some("body 1"));
        check(&[1], Item::Mime, Some("Content-Type: text/plain\r\n\r\n"));
        check(&[1], Item::Header, None);
        check(&[1, 1], Item::Whole, None);
        check(&[2], Item::Whole, Some("Ym9keSAy"));
        check(&[3], Item::Header, Some("Subject: 3\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n"));
        check(&[3], Item::Mime, Some("Content-Type: message/rfc822\r\n\r\n"));
        check(&[3, 1], Item::Whole, Some("body 3.1"));
        check(&[3, 1], Item::Mime, Some("\r\n"));
        check(&[3, 2], Item::Whole, Some("body 3.2"));
        check(&[3, 3], Item::Whole, None);
        check(&[4, 1], Item::Whole, Some("Subject: 4.1\r\n\r\nbody 4.1.1"));
        check(&[4, 1], Item::Text, Some("body 4.1.1"));
        check(&[4, 1, 1], Item::Whole, Some("body 4.1.1"));
        check(&[4, 1, 1], Item::Mime, Some("Subject: 4.1\r\n\r\n"));
        check(&[4, 1, 2], Item::Whole, None);
        check(&[5], Item::Whole, None);
        check(&[0], Item::Whole, None);
    }

    #[test]
    fn part_1_of_a_plain_message_is_its_body() {
        let message = "Subject: x\r\n\r\nbody";
        assert_eq!(section(message, &[1], Item::Whole).as_deref(), Some("body"));
        assert_eq!(section(message, &[1], Item::Mime).as_deref(), Some("Subject: x\r\n\r\n"));
        assert_eq!(section(message, &[2], Item::Whole), None);
        assert_eq!(section(message, &[1, 1], Item::Whole), None);
    }

    #[test]
    fn binary_takes_the_encoding_off() {
        let structure = Structure::parse(MESSAGE.as_bytes());
        let get = |path: &[u32]| binary(&structure, MESSAGE.as_bytes(), path);
        assert_eq!(get(&[2]), Some(Ok(Cow::Borrowed(b"body 2".as_slice()))));
        assert_eq!(get(&[3, 2]), Some(Err(UnknownCte)));
        assert_eq!(get(&[]), Some(Ok(Cow::Borrowed(MESSAGE.as_bytes()))));
        assert_eq!(get(&[9]), None);
    }
}
