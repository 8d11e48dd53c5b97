//! HTML as its sender made it, made safe to be shown: in a frame of its own, without anything that runs, loads, sends or covers.
//!
//! What is shown is written anew, piece by piece: a tag of an element that is known ([`super::allowed`]), with attributes and
//! values that are known, each in quotes; or text, in which `<`, `>` and `&` are escaped. Nothing else is written, least of all what
//! was not understood. So it makes no difference whether a browser would have read the original otherwise than this does: among
//! the elements that are written none changes how the text after it is read, and there is nothing that a second reading could turn
//! into something else. No tree is made of it: nested as deep as anybody likes it takes one pass, and no stack.
//!
//! What is open is known as a browser knows it ([`super::open`]), and nothing is open when a part of the message ends.
//!
//! Invariant: the work is linear in the length of the HTML and of the pictures in it. Once [`HTML_BYTES_MAX`] octets are written beside
//! the pictures nothing more is, and the pictures have [`PICTURES_BYTES_MAX`] together as they were.
//! Invariant: a browser makes of it no more elements than [`TAGS_MAX`].
//! Invariant: nothing in it makes a browser ask anybody for anything until somebody follows a link.

use super::allowed::{self, Element, Kind};
use super::link::Link;
use super::open::{Open, implied};
use super::tag::Tag;
use super::{Quotes, end_of_comment, end_of_raw, end_of_tag, picture, reference, style, text_of_value};
use crate::{percent, transfer};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Once so many octets are written, without pictures, nothing more is.
const HTML_BYTES_MAX: usize = 2 * 1024 * 1024;
/// So many elements are written; a newsletter has a thousand or two.
const TAGS_MAX: usize = 20_000;
/// Links are open so many in each other at most, each in a cell of a table in the one around it.
const LINKS_OPEN_MAX: usize = 4;
/// Pictures that a message brings along have so many octets together, each as often as it is shown.
const PICTURES_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pictures that a message brings along are shown so often at most, and so many others are looked at in vain.
const PICTURES_MAX: usize = 200;
/// Pictures that a message brings along have so many points together, each as often as it is shown: a browser unpacks them.
const PICTURE_POINTS_MAX: u64 = 40_000_000;
/// A name of a picture is at most so long, in octets.
const CONTENT_ID_BYTES_MAX: usize = 1000;

/// Gives the octets of the part with a `Content-ID` (without brackets), if there is one of not more than so many octets. It is not asked
/// again for one that was not shown.
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
    /// They are counted, and not written.
    counts_pictures: bool,
    /// Of what was written, so many octets are pictures.
    picture_bytes: usize,
    /// So many octets of pictures may still come.
    picture_room: usize,
    /// And so many points.
    picture_points: u64,
    pictures_shown: usize,
    /// Names of those that are not shown.
    unshown: BTreeSet<Vec<u8>>,
    tags: usize,
    open: Open,
    /// Links that are open, outermost first.
    links: Vec<OpenLink>,
    /// Another part came before.
    is_later: bool,
}

/// A link that is open.
struct OpenLink {
    /// How many elements are open around it.
    around: usize,
    /// Where in what was written its attributes end.
    place: usize,
    link: Link,
}

impl<'p> Cleaner<'p> {
    /// `pictures`: those in the message.
    pub fn new(pictures: Pictures<'p>) -> Self {
        Self {
            cleaned: Cleaned::default(),
            pictures,
            counts_pictures: false,
            picture_bytes: 0,
            picture_room: PICTURES_BYTES_MAX,
            picture_points: PICTURE_POINTS_MAX,
            pictures_shown: 0,
            unshown: BTreeSet::new(),
            tags: 0,
            open: Open::default(),
            links: Vec::new(),
            is_later: false,
        }
    }

    /// The same, which shows none, wherever they are.
    #[must_use]
    pub fn without_pictures(self) -> Self {
        Self { picture_room: 0, ..self }
    }

    /// The same, which counts those that would be shown, and writes none.
    #[must_use]
    pub fn counting_pictures(self) -> Self {
        Self { counts_pictures: true, ..self }
    }

    /// All that was made safe.
    #[must_use]
    pub fn finish(self) -> Cleaned {
        self.cleaned
    }

    /// A plain text: its lines stay as they are.
    pub fn plain(&mut self, text: &str) {
        self.begin_part(" style=\"white-space:pre-wrap\"");
        self.text(text);
        self.end_to(0);
    }

    /// A line between two parts. What stands before it hides nothing behind it.
    pub fn rule(&mut self) {
        self.markup("<hr>");
        self.is_later = true;
    }

    /// An element around what comes, with an attribute, perhaps.
    fn begin_part(&mut self, attribute: &str) {
        if self.is_later || !attribute.is_empty() {
            self.markup("<div");
            self.markup(if self.is_later { " data-part=\"\"" } else { "" });
            self.markup(attribute);
            self.markup(">");
            self.open.push(implied("div"));
        }
    }

    /// HTML, a whole document or a piece of one.
    pub fn html(&mut self, html: &str) {
        self.begin_part("");
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
        self.end_to(0);
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
                if let Some(open) = self.links.last_mut() {
                    open.link.has_unknown();
                }
                self.text_begins();
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
            if let Some(stay) = self.open.after_end(element.name) {
                self.end_to(stay);
            }
            return;
        }
        let Some(before) = self.open.before(element.name) else { return };
        if self.tags + before.begin.len() >= TAGS_MAX || self.is_full() {
            self.cleaned.is_cut = true;
            return;
        }
        if element.kind == Kind::Body {
            return self.body(tag);
        }
        self.end_to(before.stay);
        for name in before.begin {
            self.markup("<");
            self.markup(name);
            self.markup(">");
            self.open.push(implied(name));
        }
        self.tags += before.begin.len() + 1;
        if let Some(open) = self.links.last_mut().filter(|_| element.kind != Kind::Picture && tag.has_content()) {
            open.link.has_element();
        }
        self.begin(element, tag);
    }

    fn begin(&mut self, element: Element, tag: &Tag<'_>) {
        let is_formatting = element.kind == Kind::Formatting;
        let mut written = format!("<{}", written_name(element));
        let mut seen = BTreeSet::new();
        let (mut source, mut target, mut style) = (None, None, None);
        for (name, value) in tag.attributes() {
            let name = name.to_ascii_lowercase();
            // The first of that name counts (HTML Living Standard §13.2.5.33).
            if !seen.insert(name.clone()) {
                continue;
            }
            match (element.kind, name.as_str()) {
                (Kind::Picture, "src") => source = Some(value),
                (Kind::Link, "href") => target = Some(value),
                (Kind::Formatting, "style") => style = Some(text_of_value(value)),
                (_, name) => {
                    let value = text_of_value(value);
                    let shown = allowed::attribute(element.name, name, &value, &mut self.cleaned.elsewhere);
                    if let Some((name, value)) = shown {
                        if let Some(open) = self.links.last_mut().filter(|_| name == "alt") {
                            open.link.read(&value);
                        }
                        push_attribute(&mut written, name, &value);
                    }
                }
            }
        }
        if is_formatting {
            let values: Vec<_> = tag.attributes().map(|(name, value)| (name, text_of_value(value))).collect();
            let values = values.iter().map(|(name, value)| (*name, value.as_str()));
            let style = format!("{};{}", allowed::formatting(element.name, values), style.unwrap_or_default());
            let style = style::cleaned(&style, &mut self.cleaned.elsewhere);
            if !style.is_empty() {
                push_attribute(&mut written, "style", &style);
            }
        }
        self.markup(&written);
        if let Some(source) = source {
            self.picture(&text_of_value(source));
        }
        if let Some(target) = target {
            self.link(&text_of_value(target));
        }
        self.markup(">");
        if !matches!(element.kind, Kind::Void | Kind::Picture) {
            self.open.push(element);
        }
    }

    /// What is of the whole page stays with the page, where it hides nothing; the rest is of this part.
    fn body(&mut self, tag: &Tag<'_>) {
        let value = |wanted: &str| {
            let found = tag.attributes().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| text_of_value(value))
        };
        let mut page = String::from("<body");
        let (mut of_page, mut of_part) = (Vec::new(), Vec::new());
        if let Some(color) = value("text") {
            of_part.push(style::cleaned(&format!("color:{}", allowed::color(color.trim())), &mut 0));
        }
        let cleaned = style::cleaned(&value("style").unwrap_or_default(), &mut self.cleaned.elsewhere);
        for declaration in cleaned.split(';') {
            let (name, value) = declaration.split_once(':').unwrap_or_default();
            let is_ground = matches!(name, "background" | "background-color");
            let is_no_edge =
                matches!(name, "margin" | "padding") && value.bytes().all(|octet| b"0px ".contains(&octet));
            let is_of_page = !self.is_later && (is_ground || is_no_edge);
            if is_of_page { &mut of_page } else { &mut of_part }.push(declaration.to_owned());
        }
        let ground = value("bgcolor").and_then(|color| allowed::attribute("body", "bgcolor", &color, &mut 0));
        match ground {
            Some((name, color)) if !self.is_later => push_attribute(&mut page, name, &color),
            Some((_, color)) => of_part.push(style::cleaned(&format!("background:{}", allowed::color(&color)), &mut 0)),
            None => {}
        }
        let joined = |all: Vec<String>| all.into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join(";");
        let (of_page, of_part) = (joined(of_page), joined(of_part));
        if !of_page.is_empty() {
            push_attribute(&mut page, "style", &of_page);
        }
        if page.contains(' ') {
            self.tags += 1;
            self.markup(&page);
            self.markup(">");
        }
        let mut part = String::from("<div");
        for name in ["dir", "lang", "align"] {
            let shown = value(name).and_then(|value| allowed::attribute("div", name, &value, &mut 0));
            if let Some((name, value)) = shown {
                push_attribute(&mut part, name, &value);
            }
        }
        if !of_part.is_empty() {
            push_attribute(&mut part, "style", &of_part);
        }
        if part.contains(' ') {
            if let Some(before) = self.open.before("div") {
                self.end_to(before.stay);
            }
            self.tags += 1;
            self.markup(&part);
            self.markup(">");
            self.open.push(implied("div"));
        }
    }

    /// Ends what is open, innermost first, but for so many.
    fn end_to(&mut self, stay: usize) {
        while self.open.len() > stay {
            let Some(element) = self.open.pop() else { return };
            if self.links.last().is_some_and(|open| open.around == self.open.len()) {
                self.tell_host();
            }
            self.markup("</");
            self.markup(written_name(element));
            self.markup(">");
        }
    }

    /// Where a link leads.
    fn link(&mut self, target: &str) {
        let Some(link) = Link::to(target).filter(|_| self.links.len() < LINKS_OPEN_MAX) else { return };
        let mut written = String::new();
        push_attribute(&mut written, "href", &link.target);
        push_attribute(&mut written, "title", &link.target);
        written.push_str(" target=\"_blank\" rel=\"noopener noreferrer nofollow\"");
        self.markup(&written);
        self.links.push(OpenLink { around: self.open.len(), place: self.cleaned.html.len(), link });
    }

    /// Says where a link leads, if its text says something else. The frame shows it, by a rule that no sender reaches.
    fn tell_host(&mut self) {
        let Some(open) = self.links.pop() else { return };
        if let Some(host) = open.link.elsewhere() {
            let mut sign = String::new();
            push_attribute(&mut sign, "data-to", host);
            // Links lie in few others, so this moves everything a few times at most.
            self.cleaned.html.insert_str(open.place, &sign);
        }
    }

    /// Where a picture is: in the address itself. One that is elsewhere is not asked for.
    fn picture(&mut self, source: &str) {
        let source = source.trim();
        let scheme = source.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let is_room = self.pictures_shown < PICTURES_MAX && self.picture_room > 0;
        let mut name = None;
        let octets = match scheme.as_deref() {
            Some("cid") => {
                let id = source.get("cid:".len()..).unwrap_or_default();
                let id = percent::decode_generously(id.as_bytes());
                let is_tried = is_room
                    && id.len() <= CONTENT_ID_BYTES_MAX
                    && self.unshown.len() < PICTURES_MAX
                    && !self.unshown.contains(&id);
                let octets = if is_tried { (self.pictures)(&id, self.picture_room) } else { None };
                name = is_tried.then_some(id);
                octets
            }
            Some("data") => picture::data(source, if is_room { self.picture_room } else { 0 }),
            Some(_) | None => {
                self.cleaned.elsewhere += usize::from(!source.is_empty());
                return;
            }
        };
        if !octets.is_some_and(|octets| self.show_picture(&octets)) {
            self.cleaned.unshown += 1;
            self.unshown.extend(name);
        }
    }

    /// Whether it was one.
    fn show_picture(&mut self, octets: &[u8]) -> bool {
        let Some(media_type) = picture::media_type(octets).filter(|_| octets.len() <= self.picture_room) else {
            return false;
        };
        let Some(points) = self.picture_points.checked_sub(picture::points(octets).unwrap_or(0)) else { return false };
        self.picture_points = points;
        self.picture_room -= octets.len();
        self.pictures_shown += 1;
        if !self.counts_pictures {
            let before = self.cleaned.html.len();
            let _written =
                write!(self.cleaned.html, " src=\"data:{media_type};base64,{}\"", transfer::to_base64(octets));
            self.picture_bytes += self.cleaned.html.len() - before;
        }
        true
    }

    /// Text, escaped; control characters mean nothing in it.
    fn text(&mut self, text: &str) {
        if let Some(open) = self.links.last_mut() {
            open.link.read(text);
        }
        if !text.trim_matches(|c: char| c.is_ascii_whitespace()).is_empty() {
            self.text_begins();
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

    /// Ends what has no text.
    fn text_begins(&mut self) {
        self.end_to(self.open.before_text());
    }

    /// What is written here, and not by a sender.
    fn markup(&mut self, markup: &str) {
        self.cleaned.html.push_str(markup);
    }

    fn is_full(&self) -> bool {
        self.cleaned.html.len() - self.picture_bytes >= HTML_BYTES_MAX
    }
}

fn written_name(element: Element) -> &'static str {
    if element.kind == Kind::Formatting { "span" } else { element.name }
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
