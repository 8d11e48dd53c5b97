//! What a person sees of HTML, where it leads, and how it hides things. Not a parser of HTML: tags are skipped over by their
//! angle brackets, in one pass, and whatever bytes come have an outcome.

use crate::features::Trait;

/// Text as seen, addresses of links and images, and tricks.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) links: Vec<String>,
    pub(crate) traits: Vec<Trait>,
}

/// So many links of one message are looked at.
pub(crate) const LINKS_MAX: usize = 200;
/// A tag is at most so long, in octets; a longer one is cut off there.
const TAG_BYTES_MAX: usize = 4096;

/// The text that a person sees of HTML, from its `body` on where it says where that begins.
#[must_use]
pub fn text_of_html(html: &str) -> String {
    let body = find_ignoring_case(html, "<body").and_then(|at| html.get(at..)).unwrap_or(html);
    read(body).text
}

/// Reads HTML.
pub(crate) fn read(html: &str) -> Seen {
    let mut seen = Seen { text: String::with_capacity(html.len() / 2), ..Seen::default() };
    let mut images = 0_usize;
    let mut rest = html;
    // What stands in a style or a script, and in an element that is not shown, is not seen.
    let mut hidden_until: Option<&'static str> = None;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        if hidden_until.is_none() {
            entities(before, &mut seen.text);
        }
        if let Some(comment) = tag.strip_prefix("<!--") {
            let touches = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
            let (_, after) = comment.split_once("-->").unwrap_or((comment, ""));
            // `via<!-- x -->gra`
            if touches(before.chars().next_back()) && touches(after.chars().next()) {
                seen.traits.push(Trait::CommentInWord);
            }
            rest = after;
            continue;
        }
        let window = tag.get(..floor(tag, TAG_BYTES_MAX)).unwrap_or(tag);
        let Some(end) = window.find('>') else {
            rest = tag.get(window.len().max(1)..).unwrap_or("");
            continue;
        };
        let inside = window.get(1..end).unwrap_or_default();
        rest = tag.get(end + 1..).unwrap_or_default();
        let tag = Tag::of(inside);
        match hidden_until {
            Some(name) if tag.is_end && tag.name == name => hidden_until = None,
            Some(_) => {}
            None => hidden_until = tag.put_into(&mut seen, &mut images),
        }
    }
    if hidden_until.is_none() {
        entities(rest, &mut seen.text);
    }
    let letters = seen.text.chars().filter(|c| c.is_alphanumeric()).take(200).count();
    if images > 0 && letters < 200 {
        seen.traits.push(Trait::ImageInsteadOfText);
    }
    seen
}

struct Tag {
    name: String,
    is_end: bool,
    attributes: String,
}

impl Tag {
    fn of(inside: &str) -> Self {
        let is_end = inside.starts_with('/');
        let inside = inside.trim_start_matches('/');
        let length = inside.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(length);
        Self { name: name.to_ascii_lowercase(), is_end, attributes: attributes.to_owned() }
    }

    /// What the tag does to what is seen; gives the name of the element until whose end nothing is.
    fn put_into(&self, seen: &mut Seen, images: &mut usize) -> Option<&'static str> {
        const BLOCKS: [&str; 20] = [
            "p",
            "br",
            "div",
            "td",
            "tr",
            "th",
            "li",
            "ul",
            "ol",
            "table",
            "h1",
            "h2",
            "h3",
            "h4",
            "hr",
            "center",
            "title",
            "body",
            "option",
            "blockquote",
        ];
        if BLOCKS.contains(&self.name.as_str()) {
            seen.text.push('\n');
        }
        if self.is_end {
            return None;
        }
        let low = self.attributes.to_ascii_lowercase().replace(' ', "");
        if low.contains("display:none") || low.contains("font-size:0") || low.contains("visibility:hidden") {
            seen.traits.push(Trait::HiddenText);
        }
        for name in ["href", "src", "action", "background"] {
            if let Some(link) = attribute(&self.attributes, name)
                && seen.links.len() < LINKS_MAX
            {
                seen.links.push(link.to_owned());
            }
        }
        match self.name.as_str() {
            "style" => return Some("style"),
            "script" => {
                seen.traits.push(Trait::Script);
                return Some("script");
            }
            "form" => seen.traits.push(Trait::Form),
            "iframe" | "object" | "embed" => seen.traits.push(Trait::Frame),
            "img" => *images += 1,
            "font" if low.contains("size=1") || low.contains("size=\"1") => seen.traits.push(Trait::TinyText),
            "font" if low.contains("color=white") || low.contains("#ffffff") => seen.traits.push(Trait::PaleText),
            "font" if low.contains("red") || low.contains("#ff0000") => seen.traits.push(Trait::RedText),
            "font" if low.contains("size=") => seen.traits.push(Trait::LargeText),
            _ => {}
        }
        None
    }
}

/// The value of an attribute, without its quotes.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(found) = find_ignoring_case(attributes.get(from..)?, name) {
        let at = from + found + name.len();
        let value = attributes.get(at..)?.trim_start();
        if let Some(value) = value.strip_prefix('=') {
            let value = value.trim_start();
            return Some(match value.chars().next()? {
                quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
                _ => value.split(|c: char| c.is_whitespace()).next()?,
            });
        }
        from = at;
    }
    None
}

fn find_ignoring_case(text: &str, name: &str) -> Option<usize> {
    text.as_bytes().windows(name.len()).position(|window| window.eq_ignore_ascii_case(name.as_bytes()))
}

/// The names of U+00A0 to U+00FF, in their order.
const LATIN_1: &str = "\
    nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute \
    micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring \
    AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml \
    times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil \
    egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash \
    ugrave uacute ucirc uuml yacute thorn yuml";

/// Appends text with the usual character references resolved; others stay as they are.
fn entities(text: &str, out: &mut String) {
    const NAMED: [(&str, char); 6] =
        [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("nbsp", ' '), ("apos", '\'')];
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let tail = rest.get(at + 1..).unwrap_or_default();
        let window = tail.get(..floor(tail, 10)).unwrap_or(tail);
        let resolved = window.find(';').and_then(|end| {
            let name = window.get(..end)?;
            let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            });
            let latin = || {
                LATIN_1
                    .split_ascii_whitespace()
                    .position(|known| known == name)
                    .and_then(|at| char::from_u32(0xa0 + at as u32))
            };
            let named = || NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c).or_else(latin);
            number.and_then(char::from_u32).or_else(named).map(|c| (c, end + 1))
        });
        match resolved {
            Some((c, length)) => {
                out.push(c);
                rest = tail.get(length..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
}

/// The last place up to `at` where a character begins.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_is_told_from_what_is_hidden() {
        let check = |html: &str, text: &str, traits: &[Trait]| {
            let seen = read(html);
            assert_eq!((seen.text.trim(), seen.traits.as_slice()), (text, traits), "{html}");
        };
        check("<b>bold</b> &amp; &#65;&#x42;&nope;", "bold & AB&nope;", &[]);
        check("pre&ccedil;o &yuml;&iexcl;&szlig;", "preço ÿ¡ß", &[]);
        check("via<!-- x -->gra", "viagra", &[Trait::CommentInWord]);
        check("a <!-- x --> b", "a  b", &[]);
        check("<style>p { color: red }</style>seen", "seen", &[]);
        check("<script>no</script>seen", "seen", &[Trait::Script]);
        check("<span style='font-size: 0px'>x</span>", "x", &[Trait::HiddenText]);
        check("<img src=x>", "", &[Trait::ImageInsteadOfText]);
        check("a < b <", "a", &[]);
        check("", "", &[]);
    }

    #[test]
    fn links_are_found_however_they_are_quoted() {
        let check = |html: &str, link: &str| assert_eq!(read(html).links, [link], "{html}");
        check("<a href=\"http://a.example/x y\">", "http://a.example/x y");
        check("<A HREF = 'http://a.example/'>", "http://a.example/");
        check("<a title=href href=http://a.example/ >", "http://a.example/");
    }

    #[test]
    fn any_number_of_links_is_bounded() {
        assert_eq!(read(&"<a href=http://a.example/>".repeat(100_000)).links.len(), LINKS_MAX);
    }
}
