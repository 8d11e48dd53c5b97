//! HTML as its sender made it, made safe to be shown: in a frame of its own, without anything that runs, loads, sends or covers.
//!
//! What is shown is written anew, piece by piece: a tag of an element that is known ([`super::allowed`]), with attributes and
//! values that are known, each in quotes; or text, in which `<`, `>` and `&` are escaped. Nothing else is written, least of all what
//! was not understood. So it makes no difference whether a browser would have read the original otherwise than this does: among
//! the elements that are written none changes how the text after it is read, and there is nothing that a second reading could turn
//! into something else. No tree is made of it: nested as deep as anybody likes it takes one pass, and no stack.
//!
//! Invariant: the work is linear in the length of the HTML and of the pictures in it. Once [`HTML_BYTES_MAX`] octets are written beside
//! the pictures nothing more is, and the pictures have [`PICTURES_BYTES_MAX`] together as they were.
//! Invariant: nothing in it makes a browser ask anybody for anything until somebody follows a link.

use super::allowed::{self, Element, Kind};
use super::link::Link;
use super::tag::Tag;
use super::{Quotes, end_of_comment, end_of_raw, end_of_tag, picture, reference, text_of_value};
use crate::{percent, transfer};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Once so many octets are written, without pictures, nothing more is.
const HTML_BYTES_MAX: usize = 2 * 1024 * 1024;
/// So many elements are written; a newsletter has a thousand or two.
const TAGS_MAX: usize = 20_000;
/// Elements that change how letters look and have no end yet are so many at most: browsers begin each anew in every block.
const FORMATTING_OPEN_MAX: usize = 24;
/// Pictures that a message brings along have so many octets together, each as often as it is shown.
const PICTURES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pictures that a message brings along are shown so often at most.
const PICTURES_MAX: usize = 200;
/// A name of a picture is at most so long, in octets.
const CONTENT_ID_BYTES_MAX: usize = 1000;

/// Gives the octets of the part with a `Content-ID` (without brackets), if there is one of not more than so many octets.
pub type Pictures<'p> = &'p mut dyn FnMut(&[u8], usize) -> Option<Vec<u8>>;

/// What was made safe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What stands within a body.
    pub html: String,
    /// Pictures that lie elsewhere: they are not asked for.
    pub elsewhere: usize,
    /// Pictures in the message that are not shown: too many, too large, or none that are known.
    pub unshown: usize,
    /// There was more than is shown.
    pub is_cut: bool,
}

/// Makes HTML safe, and texts beside it.
pub struct Cleaner<'p> {
    cleaned: Cleaned,
    pictures: Pictures<'p>,
    /// Of what was written, so many octets are pictures.
    picture_bytes: usize,
    /// So many octets of pictures may still come.
    picture_room: usize,
    pictures_shown: usize,
    tags: usize,
    /// Elements that change how letters look: those without an end yet.
    open: Vec<&'static str>,
    /// How many of each were left out, because there were too many, and have no end yet.
    passed_over: BTreeMap<&'static str, usize>,
    link: Option<Link>,
}

impl<'p> Cleaner<'p> {
    /// `pictures`: those in the message.
    pub fn new(pictures: Pictures<'p>) -> Self {
        Self {
            cleaned: Cleaned::default(),
            pictures,
            picture_bytes: 0,
            picture_room: PICTURES_BYTES_MAX,
            pictures_shown: 0,
            tags: 0,
            open: Vec::new(),
            passed_over: BTreeMap::new(),
            link: None,
        }
    }

    /// The same, which shows none, wherever they are.
    #[must_use]
    pub fn without_pictures(self) -> Self {
        Self { picture_room: 0, ..self }
    }

    /// All that was made safe.
    #[must_use]
    pub fn finish(self) -> Cleaned {
        self.cleaned
    }

    /// A plain text: its lines stay as they are.
    pub fn plain(&mut self, text: &str) {
        self.markup("<div style=\"white-space:pre-wrap\">");
        self.text(text);
        self.markup("</div>");
    }

    /// A line between two parts.
    pub fn rule(&mut self) {
        self.markup("<hr>");
    }

    /// HTML, a whole document or a piece of one.
    pub fn html(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = memchr::memchr2(b'<', b'&', rest.as_bytes()) {
            let (before, markup) = rest.split_at(at);
            self.text(before);
            let used = match markup.as_bytes() {
                [b'&', ..] => self.reference(markup),
                [b'<', letter, ..] | [b'<', b'/', letter, ..] if letter.is_ascii_alphabetic() => self.read_tag(markup),
                // Behind the `<!`, so that `<!-->` is a whole one.
                [b'<', b'!', b'-', b'-', ..] => {
                    markup.get(2..).and_then(end_of_comment).map_or(markup.len(), |length| 2 + length)
                }
                // A declaration, or what is taken for a comment.
                [b'<', b'/' | b'!' | b'?', ..] => {
                    memchr::memchr(b'>', markup.as_bytes()).map_or(markup.len(), |at| at + 1)
                }
                _ => {
                    self.text("<");
                    1
                }
            };
            rest = markup.get(used..).unwrap_or_default();
            if self.cleaned.is_cut && self.is_full() {
                rest = "";
            }
        }
        self.text(rest);
        self.end_link();
        // What comes after it looks as it did.
        self.passed_over.clear();
        while let Some(name) = self.open.pop() {
            self.end_tag(name);
        }
    }

    /// A reference, as the character that it stands for. How long it is.
    fn reference(&mut self, markup: &str) -> usize {
        if let Some((used, Some(character))) = reference::read(markup, true) {
            self.text(character.encode_utf8(&mut [0; 4]));
            return used;
        }
        // HTML has 2,231 of them; any that is well-formed is a character, or is seen as it stands here.
        let name = markup.get(1..).unwrap_or_default();
        let length = name.bytes().take(32).take_while(u8::is_ascii_alphanumeric).count();
        let is_whole = length > 0 && name.as_bytes().get(length) == Some(&b';');
        match markup.get(..length + 2).filter(|_| is_whole) {
            Some(reference) => {
                self.markup(reference);
                reference.len()
            }
            None => {
                self.text("&");
                1
            }
        }
    }

    /// A tag, and what is in an element whose content is no HTML and is not seen. How long it is.
    fn read_tag(&mut self, markup: &str) -> usize {
        // One that has no end is none.
        let Some(end) = end_of_tag(markup.as_bytes(), &mut Quotes::default()) else { return markup.len() };
        let tag = Tag::of(markup.get(1..end).unwrap_or_default());
        match tag.raw().filter(|_| !tag.is_end) {
            Some(name) => {
                let after = markup.get(end..).unwrap_or_default();
                end_of_raw(after, name).map_or(markup.len(), |length| end + length)
            }
            None => {
                self.tag(&tag);
                end
            }
        }
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        // A picture behind a text is loaded as any other.
        let background = tag.attributes().find(|(name, _)| name.eq_ignore_ascii_case("background"));
        if background.is_some_and(|(_, value)| !tag.is_end && !value.trim().is_empty()) {
            self.cleaned.elsewhere += 1;
        }
        let Some(element) = allowed::element(&tag.name) else { return };
        if tag.is_end {
            return self.end(element);
        }
        if self.tags == TAGS_MAX || self.is_full() {
            self.cleaned.is_cut = true;
            return;
        }
        if element.kind == Kind::Link {
            self.end_link();
        }
        if matches!(element.kind, Kind::Formatting | Kind::Link) {
            if self.open.len() == FORMATTING_OPEN_MAX {
                *self.passed_over.entry(element.name).or_default() += 1;
                return;
            }
            self.open.push(element.name);
        }
        self.tags += 1;
        self.begin(element, tag);
    }

    fn begin(&mut self, element: Element, tag: &Tag<'_>) {
        let mut written = format!("<{}", element.name);
        let mut seen: Vec<&str> = Vec::new();
        let (mut source, mut target) = (None, None);
        for (name, value) in tag.attributes() {
            let name = name.to_ascii_lowercase();
            match (element.kind, name.as_str()) {
                (Kind::Picture, "src") => source = source.or(Some(value)),
                (Kind::Link, "href") => target = target.or(Some(value)),
                (_, name) => {
                    let value = text_of_value(value);
                    let shown = allowed::attribute(element.name, name, &value, &mut self.cleaned.elsewhere);
                    // The first of that name counts (HTML Living Standard §13.2.5.33).
                    if let Some((name, value)) = shown.filter(|(name, _)| !seen.contains(name)) {
                        seen.push(name);
                        push_attribute(&mut written, name, &value);
                    }
                }
            }
        }
        self.markup(&written);
        if let Some(source) = source {
            self.picture(&text_of_value(source));
        }
        if let Some(link) = target.and_then(|target| Link::to(&text_of_value(target))) {
            let mut written = String::new();
            push_attribute(&mut written, "href", &link.target);
            push_attribute(&mut written, "title", &link.target);
            written.push_str(" target=\"_blank\" rel=\"noopener noreferrer nofollow\"");
            self.markup(&written);
            self.link = Some(link);
        }
        self.markup(">");
    }

    fn end(&mut self, element: Element) {
        match element.kind {
            Kind::Void | Kind::Picture | Kind::Body => return,
            Kind::Plain => {}
            Kind::Link | Kind::Formatting => {
                if let Some(count) = self.passed_over.get_mut(element.name).filter(|count| **count > 0) {
                    *count -= 1;
                    return;
                }
                let Some(at) = self.open.iter().rposition(|name| *name == element.name) else { return };
                self.open.remove(at);
            }
        }
        if element.kind == Kind::Link {
            self.tell_host();
        }
        self.end_tag(element.name);
    }

    fn end_tag(&mut self, name: &str) {
        self.markup("</");
        self.markup(name);
        self.markup(">");
    }

    /// A link ends where another one begins.
    fn end_link(&mut self) {
        if let Some(at) = self.open.iter().rposition(|name| *name == "a") {
            self.open.remove(at);
            self.tell_host();
            self.end_tag("a");
        }
    }

    /// Says where a link leads, if its text says something else.
    fn tell_host(&mut self) {
        if let Some(host) = self.link.take().as_ref().and_then(Link::elsewhere) {
            self.markup(" [→ ");
            self.text(host);
            self.markup("]");
        }
    }

    /// Where a picture is: in the address itself. One that is elsewhere is not asked for.
    fn picture(&mut self, source: &str) {
        let source = source.trim();
        let scheme = source.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_room = self.pictures_shown < PICTURES_MAX && self.picture_room > 0;
        let octets = match scheme.as_deref() {
            Some("cid") => {
                let name = source.get("cid:".len()..).unwrap_or_default();
                let is_name = is_room && name.len() <= CONTENT_ID_BYTES_MAX;
                is_name
                    .then(|| (self.pictures)(&percent::decode_generously(name.as_bytes()), self.picture_room))
                    .flatten()
            }
            Some("data") => picture::data(source, if is_room { self.picture_room } else { 0 }),
            Some(_) | None => {
                self.cleaned.elsewhere += usize::from(!source.is_empty());
                return;
            }
        };
        let octets = octets.filter(|octets| octets.len() <= self.picture_room);
        let Some((media_type, octets)) = octets.and_then(|octets| Some((picture::media_type(&octets)?, octets))) else {
            self.cleaned.unshown += 1;
            return;
        };
        self.picture_room -= octets.len();
        self.pictures_shown += 1;
        let before = self.cleaned.html.len();
        let _written = write!(self.cleaned.html, " src=\"data:{media_type};base64,{}\"", transfer::to_base64(&octets));
        self.picture_bytes += self.cleaned.html.len() - before;
    }

    /// Text, escaped; control characters mean nothing in it.
    fn text(&mut self, text: &str) {
        if let Some(link) = &mut self.link {
            link.read(text);
        }
        if self.is_full() {
            self.cleaned.is_cut |= !text.trim().is_empty();
            return;
        }
        let mut rest = text;
        while let Some(at) =
            rest.find(|c: char| matches!(c, '<' | '>' | '&') || c.is_control() && !matches!(c, '\n' | '\t'))
        {
            let (before, from) = rest.split_at(at);
            self.cleaned.html.push_str(before);
            let special = from.chars().next().unwrap_or_default();
            self.cleaned.html.push_str(match special {
                '<' => "&lt;",
                '>' => "&gt;",
                '&' => "&amp;",
                _ => "",
            });
            rest = from.get(special.len_utf8()..).unwrap_or_default();
        }
        self.cleaned.html.push_str(rest);
    }

    /// What is written here, and not by a sender.
    fn markup(&mut self, markup: &str) {
        self.cleaned.html.push_str(markup);
    }

    fn is_full(&self) -> bool {
        self.cleaned.html.len() - self.picture_bytes >= HTML_BYTES_MAX
    }
}

/// A value in quotes: `"` and `&` are escaped, and so are `<` and `>`, which mean nothing there.
fn push_attribute(written: &mut String, name: &str, value: &str) {
    written.push(' ');
    written.push_str(name);
    written.push_str("=\"");
    for character in value.chars() {
        match character {
            '"' => written.push_str("&quot;"),
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            character => written.push(character),
        }
    }
    written.push('"');
}

#[cfg(test)]
mod tests;
