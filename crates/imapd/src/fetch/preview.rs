//! PREVIEW (RFC 8970): the first words of a message, as a person reads them.
//!
//! Made of the message whenever it is asked for, also with LAZY: nothing of it is kept. A text that has no words gives way to the
//! next one; what is quoted, and what is not seen, is left out.

use message::charset;
use message::structure::{Content, Part};
use message::transfer::Encoding;
use message::{Span, Structure};
use store::{Body, Error};

/// RFC 8970 §3.1: 200 characters at most.
const CHARACTERS_MAX: usize = 200;
/// So many octets of a text are read, as they are encoded: the styles of an HTML mail stand before its words.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// So many texts of a message are read.
const TEXTS_MAX: usize = 4;

/// The preview of a message; empty where it has no text. `body` has been looked through.
///
/// # Errors
/// As [`Body::piece`].
pub(super) fn of(structure: &Structure, body: &mut Body) -> Result<String, Error> {
    for part in structure.root.walk().filter(|part| is_read_first(part)).take(TEXTS_MAX) {
        let preview = words(&text(part, body)?);
        if !preview.is_empty() {
            return Ok(preview);
        }
    }
    Ok(String::new())
}

fn is_read_first(part: &Part) -> bool {
    let is_attached = part.disposition.as_ref().is_some_and(|disposition| disposition.kind == "attachment");
    part.content == Content::Leaf && part.media_type == "text" && !is_attached
}

fn text(part: &Part, body: &mut Body) -> Result<String, Error> {
    let Span { start, end } = part.body;
    let end = end.min(body.len());
    let mut octets = Vec::new();
    body.copy(start.min(end)..end.min(start.saturating_add(TEXT_BYTES_MAX)), &mut octets)?;
    let decoded = Encoding::named(&part.encoding).unwrap_or(Encoding::Identity).decode(&octets);
    let text = charset::decode(part.parameter("charset").unwrap_or_default(), whole_characters(&decoded));
    Ok(if part.subtype == "html" { junk::text_of_html(&text) } else { text.into_owned() })
}

/// Without what may be the beginning of a character: text of an unknown charset is UTF-8 only if all of it is.
fn whole_characters(octets: &[u8]) -> &[u8] {
    match std::str::from_utf8(octets) {
        Err(error) if error.error_len().is_none() => octets.get(..error.valid_up_to()).unwrap_or(octets),
        Ok(_) | Err(_) => octets,
    }
}

/// The first words, one space between them.
fn words(text: &str) -> String {
    let mut preview = String::new();
    let mut characters = 0;
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('>'));
    let seen = |c: &char| !c.is_control() && !is_filling(*c);
    for word in lines.flat_map(str::split_whitespace) {
        let word: String = word.chars().filter(seen).collect();
        if word.is_empty() {
            continue;
        }
        if characters > 0 {
            preview.push(' ');
            characters += 1;
        }
        for c in word.chars() {
            if characters == CHARACTERS_MAX {
                return preview.trim_end().to_owned();
            }
            preview.push(c);
            characters += 1;
        }
        if characters + 1 >= CHARACTERS_MAX {
            break;
        }
    }
    preview
}

/// What newsletters fill a preview up with, so that it shows nothing of what follows: invisible, and no word has it.
fn is_filling(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{200b}' | '\u{200c}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        let structure = Structure::parse(message.as_bytes());
        let mut body = Body::here(message.as_bytes().to_vec());
        assert_eq!(of(&structure, &mut body).as_deref(), Ok(expected), "{message:?}");
    }

    #[test]
    fn the_first_words_as_a_person_reads_them() {
        check("Subject: a\r\n\r\nHello,\r\n\r\n  how \tare you?\r\n", "Hello, how are you?");
        check("Subject: a\r\n\r\n", "");
        check("Content-Type: application/pdf\r\n\r\nhello", "");
        check("\r\n> What?\r\n >> Who?\r\nThat.\r\n", "That.");
        check(
            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             un cr=E8me br=\r\nul=E9e\r\n",
            "un crème brulée",
        );
        check(
            "Content-Type: text/html\r\n\r\n<html><head><title>No</title><style>p {}</style></head><BODY class=x>\
             <p>Caf&eacute;</p><p>&#8204;&#8204; open</p>",
            "Café open",
        );
        check("\r\na\0b\u{200c} \u{feff} c\r\n", "ab c");
    }

    #[test]
    fn a_text_without_words_gives_way_to_the_next() {
        check(
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n\u{200c}\r\n\
             --b\r\nContent-Type: text/html\r\n\r\n<b>Sale</b>\r\n--b--\r\n",
            "Sale",
        );
        check(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\
             Content-Disposition: attachment\r\n\r\nlog\r\n--b\r\n\r\nSee the log.\r\n--b--\r\n",
            "See the log.",
        );
    }

    #[test]
    fn it_has_200_characters_at_most() {
        let of_length = |length: usize| format!("\r\n{}\r\n", "é".repeat(length));
        check(&of_length(200), &"é".repeat(200));
        check(&of_length(201), &"é".repeat(200));
        let words = "nine char ".repeat(40);
        check(&format!("\r\n{words}\r\n"), words[..200].trim_end());
        // What was read of it ends within a character.
        check(&format!("\r\nxxx{}\r\n", "é ".repeat(TEXT_BYTES_MAX)), format!("xxx{}", "é ".repeat(99)).trim_end());
        // More would be read, but no octet past the limit is.
        let far = format!("\r\n{}\r\nfar\r\n", "\r\n".repeat(TEXT_BYTES_MAX / 2));
        check(&far, "");
    }
}
