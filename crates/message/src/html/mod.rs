//! HTML as the text that a person sees, in pieces of any size; and as its sender made it, made safe ([`Cleaner`]).
//!
//! Tags, comments, styles, scripts and elements that are not shown are left out, references stand for their characters, white
//! space is one space, a block begins a line, and an image is what stands in its place. It is no browser: tags are told as
//! HTML's tokenizer does, but no tree is made, and style sheets hide nothing, only elements that say so themselves. Where it is
//! not clear how far a hidden element goes, rather too much is seen than too little.
//!
//! Invariant: how the HTML is cut into pieces makes no difference, and no more of it is kept than a tag.

mod allowed;
mod cleaned;
mod hidden;
mod judged;
mod link;
mod open;
mod picture;
mod reference;
mod style;
mod tag;

pub use cleaned::{Cleaned, Cleaner, Pictures};
use hidden::Hidden;
pub(crate) use judged::is_clean;
pub use picture::is_picture;
use tag::Tag;

/// Of a tag so many octets are looked at; the rest is passed over.
const TAG_BYTES_MAX: usize = 4096;

/// The text that a person sees of a whole document.
#[must_use]
pub(crate) fn text_of(html: &str) -> String {
    let (mut reader, mut text) = (Reader::default(), String::with_capacity(html.len() / 2));
    reader.feed(html, &mut text);
    reader.finish(&mut text);
    text
}

/// Reads HTML piece by piece.
#[derive(Debug, Default)]
pub struct Reader {
    state: State,
    /// What is not known to be anything yet: the beginning of a tag, a reference, or what ends a comment.
    pending: String,
    /// A hidden element, and those within it that are open.
    hidden: Hidden,
    /// How many elements are open in which lines count.
    preformatted: u32,
    gap: Gap,
    has_text: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Up to `-->`.
    Comment,
    /// In an element whose content is no HTML, and is not seen: up to its end tag.
    Raw(&'static str),
    /// In a tag of which all that matters was read: within which quotes, and whether a value may begin.
    Tag(Quotes),
}

/// Where in a tag: `>` ends it, but not within the quotes of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Quotes {
    within: Option<u8>,
    is_after_equals: bool,
}

/// What stands between the text before and the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
}

impl Reader {
    /// Reads on; `text` gets what is seen.
    pub fn feed(&mut self, html: &str, text: &mut String) {
        if self.pending.is_empty() {
            let used = self.read(html, false, text);
            self.pending.push_str(html.get(used..).unwrap_or_default());
            return;
        }
        let mut all = std::mem::take(&mut self.pending);
        all.push_str(html);
        let used = self.read(&all, false, text);
        all.drain(..used);
        self.pending = all;
    }

    /// There is no more.
    pub fn finish(&mut self, text: &mut String) {
        let rest = std::mem::take(&mut self.pending);
        self.read(&rest, true, text);
    }

    /// How much of it is read.
    fn read(&mut self, html: &str, is_end: bool, text: &mut String) -> usize {
        let mut at = 0;
        while at < html.len() {
            let rest = html.get(at..).unwrap_or_default();
            let (used, goes_on) = match self.state {
                State::Text => self.read_text(rest, is_end, text),
                State::Comment => self.skip(end_of_comment(rest), rest.len(), b"--!".len()),
                State::Raw(name) => self.skip(end_of_raw(rest, name), rest.len(), name.len() + 2),
                State::Tag(mut quotes) => match end_of_tag(rest.as_bytes(), &mut quotes) {
                    Some(end) => self.skip(Some(end), rest.len(), 0),
                    None => {
                        self.state = State::Tag(quotes);
                        (rest.len(), false)
                    }
                },
            };
            at = html.floor_char_boundary(at + used);
            if !goes_on {
                break;
            }
        }
        if is_end { html.len() } else { at }
    }

    /// What is not seen ends at `end`, or goes on: then its last octets, `kept`, may be the beginning of the end.
    fn skip(&mut self, end: Option<usize>, length: usize, kept: usize) -> (usize, bool) {
        match end {
            Some(end) => {
                self.state = State::Text;
                (end, true)
            }
            None => (length.saturating_sub(kept), false),
        }
    }

    /// Text up to what may be markup, and that.
    fn read_text(&mut self, html: &str, is_end: bool, text: &mut String) -> (usize, bool) {
        let Some(at) = memchr::memchr2(b'<', b'&', html.as_bytes()) else {
            self.write(html, text);
            return (html.len(), true);
        };
        let (before, markup) = html.split_at(at);
        self.write(before, text);
        let used = match markup.as_bytes() {
            [b'&', ..] => reference::read(markup, is_end).map(|(used, character)| {
                self.write(character.unwrap_or('&').encode_utf8(&mut [0; 4]), text);
                used
            }),
            [b'<', letter, ..] if letter.is_ascii_alphabetic() => self.read_tag(markup, text),
            [b'<', b'/', letter, ..] if letter.is_ascii_alphabetic() => self.read_tag(markup, text),
            [b'<', b'!', b'-', b'-', ..] => {
                self.state = State::Comment;
                // `<!-->` is a whole one.
                Some(2)
            }
            // What could still be any of these.
            [b'<'] | [b'<', b'/' | b'!'] | [b'<', b'!', b'-'] if !is_end => None,
            // A declaration, or what is taken for a comment.
            [b'<', b'/' | b'!' | b'?', ..] => {
                self.state = State::Tag(Quotes { within: None, is_after_equals: false });
                Some(2.min(markup.len()))
            }
            _ => {
                self.write("<", text);
                Some(1)
            }
        };
        used.map_or((at, false), |used| (at + used, true))
    }

    /// A tag, as soon as all of it is there or it is too long.
    fn read_tag(&mut self, markup: &str, text: &mut String) -> Option<usize> {
        let window = markup.get(..markup.floor_char_boundary(TAG_BYTES_MAX)).unwrap_or(markup);
        let mut quotes = Quotes::default();
        let end = end_of_tag(window.as_bytes(), &mut quotes);
        if end.is_none() {
            if markup.len() < TAG_BYTES_MAX {
                return None;
            }
            self.state = State::Tag(quotes);
        }
        let end = end.unwrap_or(window.len());
        self.tag(&Tag::of(window.get(1..end).unwrap_or_default()), text);
        Some(end)
    }

    fn tag(&mut self, tag: &Tag<'_>, text: &mut String) {
        self.gap = self.gap.max(tag.gap());
        if tag.is("pre") {
            self.preformatted =
                if tag.is_end { self.preformatted.saturating_sub(1) } else { self.preformatted.saturating_add(1) };
        }
        if tag.is_end {
            self.hidden.end(tag);
            return;
        }
        self.hidden.end_before(tag);
        if let Some(name) = tag.raw() {
            // One that is too long is passed over first, and what is in it is seen.
            if self.state == State::Text {
                self.state = State::Raw(name);
            }
        } else if tag.has_content() && (tag.is_hidden() || !self.hidden.is_empty()) {
            self.hidden.begin(tag);
        } else if let Some(instead) = tag.instead() {
            let instead = text_of_value(instead);
            self.write(&instead, text);
        }
    }

    fn write(&mut self, seen: &str, text: &mut String) {
        if !self.hidden.is_empty() {
            return;
        }
        let mut rest = seen;
        while !rest.is_empty() {
            let word = rest.find(is_gap).unwrap_or(rest.len());
            let (word, after) = rest.split_at(word);
            if !word.is_empty() {
                self.bridge(text);
                text.push_str(word);
            }
            let mut after = after.chars();
            match after.next() {
                Some('\n' | '\r') if self.preformatted > 0 => self.gap = Gap::Line,
                Some(space) if !is_invisible(space) => self.gap = self.gap.max(Gap::Space),
                Some(_) | None => {}
            }
            rest = after.as_str();
        }
    }

    /// The gap before a word.
    fn bridge(&mut self, text: &mut String) {
        match std::mem::take(&mut self.gap) {
            Gap::Space if self.has_text => text.push(' '),
            Gap::Line if self.has_text => text.push('\n'),
            Gap::None | Gap::Space | Gap::Line => {}
        }
        self.has_text = true;
    }
}

/// The text of an attribute's value.
fn text_of_value(value: &str) -> String {
    let (mut text, mut rest) = (String::new(), value);
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let (used, character) = reference::read_in_value(from);
        text.push(character.unwrap_or('&'));
        rest = from.get(used..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

fn is_gap(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\u{a0}' || is_invisible(character)
}

/// What stands within words and is not seen.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{34f}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Behind the `>` that ends a tag.
fn end_of_tag(octets: &[u8], quotes: &mut Quotes) -> Option<usize> {
    for (at, octet) in octets.iter().enumerate() {
        match (quotes.within, *octet) {
            (Some(quote), octet) => {
                if octet == quote {
                    quotes.within = None;
                }
            }
            (None, b'>') => return Some(at + 1),
            (None, quote @ (b'"' | b'\'')) if quotes.is_after_equals => {
                *quotes = Quotes { within: Some(quote), is_after_equals: false };
            }
            (None, octet) => {
                quotes.is_after_equals = octet == b'=' || (quotes.is_after_equals && octet.is_ascii_whitespace());
            }
        }
    }
    None
}

fn end_of_comment(html: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(html.as_bytes().get(from..)?, b"--") {
        let at = from + found;
        match html.as_bytes().get(at + 2..)? {
            [b'>', ..] => return Some(at + 3),
            [b'!', b'>', ..] => return Some(at + 4),
            _ => from = at + 1,
        }
    }
    None
}

/// Where `</name` begins.
fn end_of_raw(html: &str, name: &str) -> Option<usize> {
    let octets = html.as_bytes();
    memchr::memchr_iter(b'<', octets).find(|at| {
        let tag = octets.get(at + 1..).and_then(|rest| rest.strip_prefix(b"/"));
        tag.and_then(|tag| tag.get(..name.len())).is_some_and(|tag| tag.eq_ignore_ascii_case(name.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(text_of(html), expected, "{html}");
    }

    #[test]
    fn a_person_sees_no_markup() {
        check("", "");
        check("just text", "just text");
        check("<p>One <b>bo</b>ld</p>\r\n<p>Two</p>", "One bold\nTwo");
        check("a<br>b<br/>c<hr>d", "a\nb\nc\nd");
        check("<table><tr><td>Total:</td><td>5</td></tr><tr><td>Due</td></tr></table>", "Total: 5\nDue");
        check("vi<!-- x -->agra <!---->a<!-->b<!--->c <!-- --!>d<!-- - -- > --", "viagra abc d");
        check("<!DOCTYPE html><?xml x?><html lang=en><title>No <b></title><body>yes</body>", "yes");
        check("<style>p > a { }</style><SCRIPT>if (a </b) {}</script >seen", "seen");
        check("<![if !mso]>seen<![endif]><!--[if mso]>not<![endif]-->", "seen");
        check("<a href=\"x>y\" title='<b>'>z</a>", "z");
        check("<p title=it's>z</p>", "z");
        check("a < b <3 >", "a < b <3 >");
        check("</>a</ b>c", "ac");
        check("end of <a href=\"x", "end of");
        check("<pre>one\n  two\n</pre>three\nfour", "one\ntwo\nthree four");
        check("see <img src=x alt='a &quot;map&quot;'> here <img src=y>", "see a \"map\" here");
    }

    #[test]
    fn white_space_is_one_space_and_what_is_invisible_is_nothing() {
        check("  a \t\r\n b&nbsp;&#160; c  ", "a b c");
        check("Donau&shy;dampf&#8203;schiff", "Donaudampfschiff");
        // Where characters are joined, it is part of the word.
        check("\u{645}\u{6cc}\u{200c}\u{62e}", "\u{645}\u{6cc}\u{200c}\u{62e}");
    }

    #[test]
    fn references_are_characters() {
        check("caf&eacute; &lt;b&gt; &#x65e5;&#26412; &copy 2026 &nope; AT&T &", "café <b> 日本 © 2026 &nope; AT&T &");
    }

    #[test]
    fn what_is_hidden_is_not_seen() {
        check("<span style='Display : NONE; x'>no</span>yes", "yes");
        check("<div hidden>no<div>no</div>no</div>yes", "yes");
        check("<div style=\"visibility:hidden\"><img alt=no>no<br>no</div>yes", "yes");
        check("<p style=display:none>no<p>yes", "yes");
        check("<ul><li hidden>no<ul><li>no</ul><li>yes</ul>", "yes");
        check("<table><tr><td style='display:none'>no<td>yes</table>", "yes");
        // Another element ends around it, or one that is not there.
        check("<td><span hidden>no</td>yes", "yes");
        check("<div><p hidden>no</b>no</div>yes", "yes");
        check("<body hidden>no</body>yes", "yes");
        // What hides is not everything that is called so, and an element that has no content hides nothing.
        check("<p title='display:none' class=hidden data-hidden>yes<br hidden>yes", "yes\nyes");
        // As programs for newsletters lay out: what is in it has a size of its own.
        check("<td style='font-size:0px'><p style='font-size:13px'>yes</p></td>", "yes");
    }

    #[test]
    fn no_more_is_kept_than_a_tag() {
        let mut reader = Reader::default();
        let mut text = String::new();
        let mut feed = |html: &str, times: usize| {
            for _ in 0..times {
                reader.feed(html, &mut text);
                assert!(reader.pending.len() <= TAG_BYTES_MAX && reader.hidden.len() <= hidden::OPEN_MAX);
            }
        };
        feed("<div hidden>", 1000);
        feed("</div>", 1000);
        feed("<a title='x", 1);
        feed("aaaaaaaaaaaaaa>", 1000);
        feed("'>seen<!--", 1);
        feed("-- x", 1000);
        feed("--><style>", 1);
        feed("</styl", 1000);
        feed("</style>&", 1);
        feed("a", 1000);
        assert!(text.starts_with("seen&aaa"), "{text}");
    }

    #[test]
    fn a_tag_at_the_limit_is_read_and_of_a_longer_one_the_beginning() {
        let tag =
            |length: usize| format!("<p hidden title=\"{}\">", "<".repeat(length - "<p hidden title=\"\">".len()));
        for length in [TAG_BYTES_MAX - 1, TAG_BYTES_MAX, TAG_BYTES_MAX + 1, 3 * TAG_BYTES_MAX] {
            check(&format!("{}no</p>yes", tag(length)), "yes");
        }
        let late = format!("<p title=\"{}\" hidden>yes", "<".repeat(TAG_BYTES_MAX));
        check(&late, "yes");
    }

    fn html() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-c \u{e9}\u{a0}\u{ad}\n]{0,4}",
            "</?(p|b|div|td|li|script|style|title|pre|img)( hidden| alt='[a&;>]{0,3}'| style=\"display:none\")?/?>",
            "&(#[0-9]{0,3}|#x[0-9a-f]{0,3}|amp|eacute|notit|[a-z]{0,3});?",
            "[<>&!/'\"=-]{1,4}",
            "<!-{0,3}[a>]{0,2}-{0,3}>?",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(html in html(), sizes in prop::collection::vec(1..9usize, 1..9)) {
            let (mut reader, mut text, mut rest) = (Reader::default(), String::new(), html.as_str());
            for size in sizes.iter().cycle() {
                let (piece, after) = rest.split_at(rest.ceil_char_boundary(*size));
                reader.feed(piece, &mut text);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            reader.finish(&mut text);
            prop_assert_eq!(text, text_of(&html));
        }
    }
}
