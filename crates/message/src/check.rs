//! Holds everything that must be true of any bytes read as a message. For tests and fuzzers; it costs a multiple of
//! reading the message.

use crate::delivery_report::{DeliveryReport, RECIPIENTS_MAX, TEXT_CHARS_MAX};
use crate::envelope::Envelope;
use crate::header::{self, Selection, fields, select};
use crate::html::{Cleaner, Reader, is_clean};
use crate::limits::{MIME_DEPTH_MAX, PARTS_MAX};
use crate::section::{self, Item};
use crate::span::Span;
use crate::structure::{Content, Part, Structure};
use crate::summary::Summary;
use crate::text::{self, Scope};
use crate::{date, line_ends, parameter, surrogate, trace};

/// Reads `bytes` in every way this crate knows and checks the invariants.
///
/// # Errors
/// A sentence about the first invariant that does not hold.
pub fn message(bytes: &[u8]) -> Result<(), String> {
    let summary = Summary::parse(bytes);
    let structure = &summary.structure;
    let root = &structure.root;
    hold(root.header.start == 0 && root.body.end == bytes.len(), || "the root is not the whole".to_owned())?;
    hold(root.header.end == header::end(bytes), || "the root's header ends elsewhere".to_owned())?;
    hold(root.walk().count() <= 2 * PARTS_MAX, || "too many parts".to_owned())?;
    part(root, bytes, 0)?;
    numbered(structure, root, &mut Vec::new())?;
    selection(root.header.of(bytes))?;
    let decoded = Summary::decode(&summary.encode());
    hold(decoded.as_ref() == Ok(&summary), || format!("the summary does not come back: {decoded:?}"))?;
    hold(Structure::parse(bytes) == *structure, || "two parses, two structures".to_owned())?;
    envelope(&summary.envelope)?;
    let _ = summary.envelope.date.as_deref().and_then(date::parse);
    let canonical = line_ends::canonical(bytes);
    hold(line_ends::is_canonical(&canonical), || "canonical is not canonical".to_owned())?;
    let _ = text::pieces(bytes, structure, Scope::Everything).map(|text| text.len()).sum::<usize>();
    let _ = trace::received_count(bytes);
    delivery_report(bytes, structure)?;
    surrogate(bytes)
}

/// What a report says of recipients is short, and on one line.
fn delivery_report(bytes: &[u8], structure: &Structure) -> Result<(), String> {
    let Some(report) = DeliveryReport::of(bytes, structure) else { return Ok(()) };
    hold(report.recipients.len() <= RECIPIENTS_MAX, || "too many recipients in a report".to_owned())?;
    report.recipients.iter().flat_map(|told| [&told.address, &told.reason]).try_for_each(|text| {
        let is_line = !text.contains(char::is_control) && text.chars().count() <= TEXT_CHARS_MAX;
        hold(is_line, || format!("{text:?} is no line, or too long"))
    })
}

/// A surrogate's header is ASCII, and ends as the message's own does.
fn surrogate(bytes: &[u8]) -> Result<(), String> {
    let Some(mut made) = surrogate::header(bytes) else {
        let needs_one = |header: &[u8]| !header.is_ascii() && str::from_utf8(header).is_ok();
        return hold(!bytes.get(..header::end(bytes)).is_some_and(needs_one), || "no surrogate".to_owned());
    };
    hold(made.is_ascii(), || "a surrogate is not ASCII".to_owned())?;
    let header = made.len();
    made.extend_from_slice(bytes.get(header::end(bytes)..).unwrap_or_default());
    hold(header::end(&made) == header, || "the header of a surrogate ends elsewhere".to_owned())?;
    hold(surrogate::header(&made).is_none(), || "a surrogate needs a surrogate".to_owned())
}

/// Decodes `bytes` as a summary; what decodes must encode to something that decodes to the same.
///
/// # Errors
/// A sentence about the invariant that does not hold.
pub fn summary(bytes: &[u8]) -> Result<(), String> {
    let Ok(summary) = Summary::decode(bytes) else { return Ok(()) };
    hold(Summary::decode(&summary.encode()) == Ok(summary), || "the summary does not come back".to_owned())
}

/// Makes `html` safe, and reads it as text in two pieces, cut at `cut` or before it.
///
/// # Errors
/// A sentence about the first invariant that does not hold.
pub fn html(html: &str, cut: usize) -> Result<(), String> {
    let cleaned = |html: &str| {
        let mut no_pictures = |_: &[u8], _: usize| None;
        let mut cleaner = Cleaner::new(&mut no_pictures);
        cleaner.html(html);
        cleaner.finish().html
    };
    let once = cleaned(html);
    is_clean(&once)?;
    is_clean(&cleaned(&once)).map_err(|broken| format!("cleaned again: {broken}"))?;
    let text = |pieces: &[&str]| {
        let (mut reader, mut text) = (Reader::default(), String::new());
        pieces.iter().for_each(|piece| reader.feed(piece, &mut text));
        reader.finish(&mut text);
        text
    };
    let (first, second) = html.split_at(html.floor_char_boundary(cut));
    let (whole, cut) = (text(&[html]), text(&[first, second]));
    hold(whole == cut, || format!("cut it reads {cut:?}, and not {whole:?}"))
}

fn hold(is_so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(otherwise()) }
}

fn part(part: &Part, bytes: &[u8], depth: usize) -> Result<(), String> {
    hold(depth <= MIME_DEPTH_MAX + 1, || "too deep".to_owned())?;
    let Part { header, body, .. } = *part;
    hold(header.start <= header.end && header.end == body.start && body.start <= body.end, || {
        format!("header {header:?} and body {body:?} do not join")
    })?;
    hold(body.end <= bytes.len(), || format!("{body:?} is outside of the message"))?;
    let lines = body.of(bytes).iter().filter(|&&byte| byte == b'\n').count();
    hold(lines == part.lines, || format!("{lines} lines, not {}", part.lines))?;
    let is_message = part.media_type == "message" && matches!(part.subtype.as_str(), "rfc822" | "global");
    let kind = match &part.content {
        Content::Leaf => part.media_type != "multipart" && !is_message,
        Content::Multipart(children) => part.media_type == "multipart" && !children.is_empty(),
        Content::Message(_) => is_message,
    };
    hold(kind, || format!("{}/{} has the wrong content", part.media_type, part.subtype))?;
    values(part)?;
    let mut from = body.start;
    for child in part.children() {
        hold(from <= child.header.start && child.body.end <= body.end, || {
            format!("{:?} is not in its place", child.body)
        })?;
        from = child.body.end;
        self::part(child, bytes, depth + 1)?;
    }
    let _ = section::decoded(part, bytes);
    let _ = parameter::decoded(&part.parameters, "name");
    Ok(())
}

/// No value has a byte that IMAP cannot send.
fn values(part: &Part) -> Result<(), String> {
    let texts = [&part.id, &part.description, &part.md5, &part.location].into_iter().flatten();
    let disposition = part.disposition.iter().flat_map(|disposition| &disposition.parameters);
    let parameters = part.parameters.iter().chain(disposition).map(|parameter| &parameter.value);
    for value in texts.chain(&part.languages).chain(parameters) {
        sendable(value)?;
    }
    if let Content::Message(embedded) = &part.content { envelope(&embedded.envelope) } else { Ok(()) }
}

fn envelope(envelope: &Envelope) -> Result<(), String> {
    let Envelope { date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id } = envelope;
    let texts = [date, subject, in_reply_to, message_id].into_iter();
    let addresses = [from, sender, reply_to, to, cc, bcc].into_iter().flatten();
    let pieces = addresses.flat_map(|address| [&address.name, &address.adl, &address.mailbox, &address.host]);
    texts.chain(pieces).flatten().try_for_each(|value| sendable(value))
}

fn sendable(value: &[u8]) -> Result<(), String> {
    let bad = value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    hold(!bad, || format!("{:?} has a line end or a NUL", String::from_utf8_lossy(value)))
}

/// Every part has a number, and its sections are its ranges.
fn numbered(structure: &Structure, message: &Part, path: &mut Vec<u32>) -> Result<(), String> {
    let single = std::slice::from_ref(message);
    let parts = if let Content::Multipart(children) = &message.content { children.as_slice() } else { single };
    for (number, part) in (1..).zip(parts) {
        path.push(number);
        same(structure, path, Item::Whole, Some(part.body))?;
        same(structure, path, Item::Mime, Some(part.header))?;
        let inside = match &part.content {
            Content::Message(embedded) => Some(&embedded.part),
            Content::Leaf | Content::Multipart(_) => None,
        };
        same(structure, path, Item::Header, inside.map(|inside| inside.header))?;
        same(structure, path, Item::Text, inside.map(|inside| inside.body))?;
        match &part.content {
            Content::Leaf => {}
            Content::Multipart(_) => numbered(structure, part, path)?,
            Content::Message(embedded) => numbered(structure, &embedded.part, path)?,
        }
        path.pop();
    }
    Ok(())
}

fn same(structure: &Structure, path: &[u32], item: Item, expected: Option<Span>) -> Result<(), String> {
    let found = section::range(structure, path, item);
    hold(found == expected, || format!("section {path:?} {item:?} is {found:?}, not {expected:?}"))
}

/// Naming none and all others gives the header back; a field is selected or not, never both.
fn selection(header: &[u8]) -> Result<(), String> {
    let none: [&[u8]; 0] = [];
    hold(select(header, &none, Selection::Others) == header, || "all other fields are not the header".to_owned())?;
    let Some(first) = fields(header).find(|field| !field.name.is_empty()) else { return Ok(()) };
    let [named, others] =
        [Selection::Named, Selection::Others].map(|selection| select(header, &[first.name], selection));
    let blank = header.len() - fields(header).map(|field| field.span.len()).sum::<usize>();
    hold(named.len() + others.len() == header.len() + blank, || "selections do not add up".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces that MIME is made of, so that random messages have structure.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let known = prop::sample::select(vec![
            "\r\n",
            "\n",
            "\r",
            "--",
            "--a",
            "--a--",
            "--b",
            "--b--",
            "--a \r\n",
            "a",
            " ",
            "\t",
            ":",
            ";",
            "\"",
            "(",
            "<",
            "@",
            ",",
            "\0",
            "\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=a\r\n",
            "Content-Type: multipart/digest; boundary=\"b\"\r\n",
            "Content-Type: message/rfc822\r\n",
            "Content-Type: text/plain; charset=iso-8859-1\r\n",
            "Content-Transfer-Encoding: base64\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n",
            "Content-Disposition: inline; filename*0*=utf-8''%41\r\n",
            "Subject: =?utf-8?Q?=41?=\r\n",
            "From: a <b@c>, g:d@e;\r\n",
            "Date: 1 Jan 2026 00:00:00 +0000\r\n",
            "Content-Language: de, en\r\n",
            "\r\n--a\r\n",
            "\r\n--b\r\n",
            "\r\n--b--\r\n",
            "\r\n--a--\r\n",
        ]);
        prop_oneof![
            9 => known.prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..8),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(message(&bytes), Ok(()));
        }

        #[test]
        fn any_mime_is_a_message(pieces in prop::collection::vec(piece(), 0..60)) {
            prop_assert_eq!(message(&pieces.concat()), Ok(()));
        }

        #[test]
        fn any_bytes_may_be_a_summary(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(summary(&[&[crate::summary::SUMMARY_VERSION], bytes.as_slice()].concat()), Ok(()));
        }

        #[test]
        fn a_changed_summary_may_be_one(
            pieces in prop::collection::vec(piece(), 0..30), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = Summary::parse(&pieces.concat()).encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            prop_assert_eq!(summary(&bytes), Ok(()));
        }
    }
}
