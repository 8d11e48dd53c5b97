//! A message as its sender made it: its HTML, made safe ([`message::html::Cleaner`]), with the pictures that it brings along, and the
//! plain texts between. It is shown in a frame of its own (docs/decisions/0142-html-as-it-was-sent.md).

use crate::account::AccountConsole;
use crate::error::Error;
use crate::read::{Preference, Sorted, email, has_html, texts};
use message::html::{self, Cleaned, Cleaner};
use message::{Content, Part, Structure, section, text};
use std::collections::HashMap;
use store::Body;
use wording::tr;

/// So many octets, as they were sent, are read of a message's pictures: more than are shown, for some are none.
const PICTURES_READ_MAX: usize = 12 * 1024 * 1024;
/// So many octets of a part tell whether it is a picture.
const BEGINNING_BYTES: usize = 64;

/// Whether pictures in a message are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// To its owner.
    Shown,
    /// On the page around that: only how many are not.
    Counted,
    /// To whoever helps: they are attachments.
    LeftOut,
}

impl AccountConsole {
    /// The HTML of a message, made safe.
    ///
    /// # Errors
    /// As [`AccountConsole::read`]; [`Error::Unknown`] where there is none.
    pub fn as_sent(&self, id: &str, pictures: Pictures) -> Result<Cleaned, Error> {
        let email = email(id)?;
        let reader = self.account.reader()?;
        let structure = reader.summary(email)?.structure;
        if !has_html(&structure) {
            return Err(Error::Unknown(tr!("There is no HTML in this message.").to_owned()));
        }
        cleaned(&structure, &mut reader.open(email, None)?, pictures)
    }
}

fn cleaned(structure: &Structure, body: &mut Body, pictures: Pictures) -> Result<Cleaned, Error> {
    let sorted = Sorted::of(structure, Preference::Html);
    let (texts, is_cut) = texts(&sorted.texts, body, |part, octets| text::as_sent(part, octets).into_owned())?;
    let named = match pictures {
        Pictures::Shown | Pictures::Counted => named(structure),
        Pictures::LeftOut => HashMap::new(),
    };
    let (mut fault, mut left) = (None, PICTURES_READ_MAX);
    let mut picture = |name: &[u8], room: usize| {
        let part = named.get(name)?;
        octets(part, body, room, &mut left).unwrap_or_else(|error| {
            fault = Some(error);
            None
        })
    };
    let mut cleaner = Cleaner::new(&mut picture);
    match pictures {
        Pictures::Shown => {}
        Pictures::Counted => cleaner = cleaner.counting_pictures(),
        Pictures::LeftOut => cleaner = cleaner.without_pictures(),
    }
    for (place, (part, text)) in texts.iter().enumerate() {
        if place > 0 {
            cleaner.rule();
        }
        if text::is_html(part) { cleaner.html(text) } else { cleaner.plain(text) }
    }
    let cleaned = cleaner.finish();
    match fault {
        Some(fault) => Err(fault),
        None => Ok(Cleaned { is_cut: cleaned.is_cut || is_cut, ..cleaned }),
    }
}

/// Parts by their `Content-ID`, the first of each (RFC 2392 §2).
fn named(structure: &Structure) -> HashMap<&[u8], &Part> {
    let mut named = HashMap::new();
    for part in structure.root.walk().filter(|part| part.content == Content::Leaf) {
        let id = part.id.as_deref().unwrap_or_default().trim_ascii();
        let id = id.strip_prefix(b"<").unwrap_or(id);
        let id = id.strip_suffix(b">").unwrap_or(id);
        if !id.is_empty() {
            named.entry(id).or_insert(part);
        }
    }
    named
}

/// The picture that a part holds, if that is not more than there is room for; `left`: how much may still be read. What is damaged on disk
/// is not shown.
fn octets(part: &Part, body: &mut Body, room: usize, left: &mut usize) -> Result<Option<Vec<u8>>, Error> {
    // base64 makes it a third more, and has line ends.
    let Ok(encoding) = section::encoding(part) else { return Ok(None) };
    if part.body.len() > room.saturating_add(room / 2) {
        return Ok(None);
    }
    let mut read = |length: usize| {
        let Some(after) = left.checked_sub(length) else { return Ok(None) };
        *left = after;
        let mut octets = Vec::new();
        match body.copy(part.body.start..part.body.start + length, &mut octets) {
            Ok(()) => Ok(Some(encoding.decode(&octets).into_owned())),
            Err(store::Error::Damaged(_)) => Ok(None),
            Err(error) => Err(Error::from(error)),
        }
    };
    // What is no picture is not read.
    if !read(part.body.len().min(BEGINNING_BYTES))?.is_some_and(|beginning| html::is_picture(&beginning)) {
        return Ok(None);
    }
    Ok(read(part.body.len())?.filter(|octets| octets.len() <= room))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "Content-Type: multipart/mixed; boundary=o\r\n\r\n\
        --o\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
        --a\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
        --a\r\nContent-Type: multipart/related; boundary=r\r\n\r\n\
        --r\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <p onclick=3Dx>caf=E9</p><img src=3Dcid:logo><img src=3D'cid:a%40b'><img src=3Dhttp://x.example/><img src=3Dcid:page>\r\n\
        --r\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n\
        --r\r\nContent-Type: application/octet-stream\r\nContent-ID: a@b\r\n\r\nGIF89a\r\n\
        --r\r\nContent-Type: image/png\r\nContent-ID: <page>\r\n\r\n<svg onload=x>\r\n--r--\r\n--a--\r\n\
        --o\r\nContent-Type: text/plain\r\n\r\nfooter <x>\r\n--o--\r\n";

    fn of(message: &str, pictures: Pictures) -> Cleaned {
        let structure = Structure::parse(message.as_bytes());
        cleaned(&structure, &mut Body::here(message.as_bytes().to_vec()), pictures).unwrap()
    }

    #[test]
    fn of_alternatives_the_richest_is_shown_with_the_pictures_that_it_brings_along() {
        let shown = of(MESSAGE, Pictures::Shown);
        let expected = "<p>café</p><img src=\"data:image/png;base64,iVBORw0KGgo=\"><img src=\"data:image/gif;base64,R0lGODlh\"><img><img>\
                        <hr><div data-part=\"\" style=\"white-space:pre-wrap\">footer &lt;x&gt;</div>";
        assert_eq!((shown.html.as_str(), shown.elsewhere, shown.unshown, shown.is_cut), (expected, 1, 1, false));
        let counted = of(MESSAGE, Pictures::Counted);
        assert_eq!((counted.elsewhere, counted.unshown, counted.html.contains("src=")), (1, 1, false));
        let left_out = of(MESSAGE, Pictures::LeftOut);
        assert!(!left_out.html.contains("src="), "{}", left_out.html);
        assert_eq!((left_out.elsewhere, left_out.unshown), (1, 3));
        let data = MESSAGE.replace("cid:logo", "data:image/png;base64,iVBORw0KGgo=3D");
        assert_eq!((of(&data, Pictures::Shown).unshown, of(&data, Pictures::LeftOut).unshown), (1, 3));
    }

    #[test]
    fn without_html_there_is_nothing_but_text() {
        let check = |message: &str, expected: bool| {
            assert_eq!(has_html(&Structure::parse(message.as_bytes())), expected, "{message}");
        };
        check(MESSAGE, true);
        check("Content-Type: text/html\r\n\r\n<p>x", true);
        check("Subject: x\r\n\r\n<p>x", false);
        check("Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n<p>x", false);
        check("Content-Type: text/plain\r\n\r\n<p>x", false);
    }

    #[test]
    fn a_picture_has_its_room_and_no_more() {
        let structure = Structure::parse(MESSAGE.as_bytes());
        let named = named(&structure);
        let mut body = Body::here(MESSAGE.as_bytes().to_vec());
        let mut room =
            |room: usize| octets(named[&b"logo"[..]], &mut body, room, &mut 1000).unwrap().map(|octets| octets.len());
        assert_eq!([room(8), room(7), room(0)], [Some(8), None, None]);
    }

    #[test]
    fn so_much_is_read_of_pictures_and_of_what_is_none_its_beginning() {
        let structure = Structure::parse(MESSAGE.as_bytes());
        let named = named(&structure);
        let mut body = Body::here(MESSAGE.as_bytes().to_vec());
        let mut read = |name: &str, left: usize| {
            let mut rest = left;
            let found = octets(named[name.as_bytes()], &mut body, 1000, &mut rest).unwrap().is_some();
            (found, left - rest)
        };
        let length = "iVBORw0KGgo=".len();
        assert_eq!(read("logo", 2 * length), (true, 2 * length));
        assert_eq!(read("logo", 2 * length - 1), (false, length));
        let long = format!("Content-ID: <x>\r\nContent-Type: image/png\r\n\r\n{}", "x".repeat(1000));
        let structure = Structure::parse(long.as_bytes());
        let mut left = 1000;
        let found = octets(&structure.root, &mut Body::here(long.clone().into_bytes()), 1000, &mut left).unwrap();
        assert_eq!((found, left), (None, 1000 - BEGINNING_BYTES));
    }
}
