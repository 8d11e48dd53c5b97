//! Which elements and attributes of HTML are shown, and which values of attributes.
//!
//! Whatever is not named here is left out: what runs, loads, sends, covers, or is read by other rules than those of plain HTML
//! (`svg`, `math`, `template`, `style`, `noscript`, …). `id`, `name` and `class` are left out, too: nothing refers to them.

use super::style;

/// Numbers in attributes are no larger: a browser takes its time for a cell that spans 65,534 rows.
const NUMBER_MAX: u32 = 5000;
/// Cells span so many columns or rows at most.
const SPAN_MAX: u32 = 100;
/// A keyword, a colour or a length is at most so long, in octets.
const WORD_BYTES_MAX: usize = 32;
/// A text in an attribute, such as what stands in the place of a picture, is at most so long, in octets.
const TEXT_BYTES_MAX: usize = 1000;

/// An element that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What is to be heeded of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its tags stand where they stood.
    Plain,
    /// It has neither content nor end.
    Void,
    /// The same, and changes how letters look. It is written as `span`: browsers begin all of these anew in every block that follows
    /// where they have no end (HTML Living Standard §13.2.4.3).
    Formatting,
    /// A link.
    Link,
    /// A picture.
    Picture,
    /// The whole text: its colours are those of the page.
    Body,
}

const PLAIN: [&str; 51] = [
    "abbr",
    "acronym",
    "address",
    "article",
    "aside",
    "bdi",
    "bdo",
    "blockquote",
    "caption",
    "center",
    "cite",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "dir",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "ins",
    "kbd",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "section",
    "span",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
    "var",
];
const FORMATTING: [&str; 12] = ["b", "big", "code", "em", "font", "i", "s", "small", "strike", "strong", "tt", "u"];
const VOID: [&str; 4] = ["br", "col", "hr", "wbr"];

/// The element of this name, which is in lower case; `None`: its tags are left out, and what is in it is read as any other.
pub(super) fn element(name: &str) -> Option<Element> {
    let among =
        |names: &[&'static str], kind| names.iter().find(|one| **one == name).map(|name| Element { name, kind });
    among(&PLAIN, Kind::Plain)
        .or_else(|| among(&FORMATTING, Kind::Formatting))
        .or_else(|| among(&VOID, Kind::Void))
        .or_else(|| among(&["a"], Kind::Link))
        .or_else(|| among(&["img"], Kind::Picture))
        .or_else(|| among(&["body"], Kind::Body))
}

/// What a value may be.
#[derive(Clone, Copy)]
enum Rule {
    /// Letters, digits and `-`.
    Keyword,
    /// A name, or a number with `#`.
    Color,
    /// A number, perhaps with `%`, `px` or a sign.
    Length,
    /// A number up to another.
    Number(u32),
    /// Any text.
    Text,
    /// What [`style`] lets through.
    Style,
    /// What is there or not.
    Flag,
    /// `presentation` and `none`: a table that is none, for whoever has the page read to them.
    Role,
}

/// An attribute and its value as they are shown; `None`: it is left out. `urls` counts what a style would load.
pub(super) fn attribute(element: &str, name: &str, value: &str, urls: &mut usize) -> Option<(&'static str, String)> {
    let (name, rule) = rule(element, name)?;
    let value = value.trim();
    let is_word = |allowed: fn(u8) -> bool| (1..=WORD_BYTES_MAX).contains(&value.len()) && value.bytes().all(allowed);
    let shown = match rule {
        Rule::Keyword => is_word(|octet| octet.is_ascii_alphanumeric() || octet == b'-').then(|| value.to_owned()),
        Rule::Color => is_word(|octet| octet.is_ascii_alphanumeric() || octet == b'#').then(|| value.to_owned()),
        Rule::Length => length(value).then(|| value.to_owned()),
        Rule::Number(most) => {
            value.parse().ok().filter(|number: &u32| *number <= most).map(|number| number.to_string())
        }
        Rule::Text => {
            // What is written reads the same again.
            let text: String = value.chars().filter(|c| !c.is_control()).collect();
            let text = text.trim();
            Some(text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text).trim_end().to_owned())
        }
        Rule::Style => Some(style::cleaned(value, urls)).filter(|style| !style.is_empty()),
        Rule::Flag => Some(String::new()),
        Rule::Role => ["presentation", "none"].contains(&value).then(|| value.to_owned()),
    }?;
    Some((name, shown))
}

fn rule(element: &str, name: &str) -> Option<(&'static str, Rule)> {
    // Of every element.
    let general = match name {
        "style" => Some(("style", Rule::Style)),
        "align" => Some(("align", Rule::Keyword)),
        "valign" => Some(("valign", Rule::Keyword)),
        "bgcolor" => Some(("bgcolor", Rule::Color)),
        "width" => Some(("width", Rule::Length)),
        "height" => Some(("height", Rule::Length)),
        "dir" => Some(("dir", Rule::Keyword)),
        "lang" => Some(("lang", Rule::Keyword)),
        "hidden" if element != "body" => Some(("hidden", Rule::Flag)),
        "role" => Some(("role", Rule::Role)),
        _ => None,
    };
    general.or(match (element, name) {
        ("table" | "img", "border") => Some(("border", Rule::Number(100))),
        ("table", "cellpadding") => Some(("cellpadding", Rule::Number(100))),
        ("table", "cellspacing") => Some(("cellspacing", Rule::Number(100))),
        ("table", "frame") => Some(("frame", Rule::Keyword)),
        ("table", "rules") => Some(("rules", Rule::Keyword)),
        ("td" | "th", "colspan") => Some(("colspan", Rule::Number(SPAN_MAX))),
        ("td" | "th", "rowspan") => Some(("rowspan", Rule::Number(SPAN_MAX))),
        ("td" | "th", "nowrap") => Some(("nowrap", Rule::Flag)),
        ("th", "scope") => Some(("scope", Rule::Keyword)),
        ("col" | "colgroup", "span") => Some(("span", Rule::Number(SPAN_MAX))),
        ("hr", "color") => Some(("color", Rule::Color)),
        ("hr", "size") => Some(("size", Rule::Length)),
        ("hr", "noshade") => Some(("noshade", Rule::Flag)),
        ("br", "clear") => Some(("clear", Rule::Keyword)),
        ("ol", "start") => Some(("start", Rule::Number(NUMBER_MAX))),
        ("li", "value") => Some(("value", Rule::Number(NUMBER_MAX))),
        ("ol" | "ul" | "li", "type") => Some(("type", Rule::Keyword)),
        ("img", "alt") => Some(("alt", Rule::Text)),
        ("img", "hspace") => Some(("hspace", Rule::Number(100))),
        ("img", "vspace") => Some(("vspace", Rule::Number(100))),
        (_, _) => None,
    })
}

/// A style that looks as such an element does, and its attributes. What is in it goes through [`style::cleaned`].
pub(super) fn formatting<'v>(name: &str, attributes: impl Iterator<Item = (&'v str, &'v str)>) -> String {
    let mut style = String::from(match name {
        "b" | "strong" => "font-weight:bold",
        "big" => "font-size:larger",
        "code" | "tt" => "font-family:monospace",
        "em" | "i" => "font-style:italic",
        "s" | "strike" => "text-decoration:line-through",
        "small" => "font-size:smaller",
        "u" => "text-decoration:underline",
        _ => "",
    });
    if name != "font" {
        return style;
    }
    for (attribute, value) in attributes {
        let value = value.trim();
        match attribute.to_ascii_lowercase().as_str() {
            "color" => style.push_str(&format!(";color:{}", color(value))),
            "face" => style.push_str(&format!(";font-family:{value}")),
            "size" => style.push_str(&format!(";font-size:{}", size(value))),
            _ => {}
        }
    }
    style
}

/// A colour of an attribute, as styles have it.
pub(super) fn color(value: &str) -> String {
    let is_number = [3, 6].contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_hexdigit());
    format!("{}{value}", if is_number && value != "red" { "#" } else { "" })
}

/// The sizes from 1 to 7 (HTML Living Standard §15.3.4).
fn size(value: &str) -> &'static str {
    let number: i32 = value.parse().unwrap_or(3);
    let number = if value.starts_with(['+', '-']) { number.saturating_add(3) } else { number };
    match number {
        ..=1 => "x-small",
        2 => "small",
        3 => "medium",
        4 => "large",
        5 => "x-large",
        6 => "xx-large",
        7.. => "xxx-large",
    }
}

fn length(value: &str) -> bool {
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    let number = unsigned.strip_suffix('%').or_else(|| unsigned.strip_suffix("px")).unwrap_or(unsigned);
    let whole = number.split_once('.').map_or(number, |(whole, _)| whole);
    let is_number =
        number.len() <= WORD_BYTES_MAX && number.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    is_number && whole.parse().is_ok_and(|whole: u32| whole <= NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loads_runs_sends_or_is_read_otherwise_is_no_element_to_be_shown() {
        for name in [
            "script",
            "style",
            "svg",
            "math",
            "template",
            "noscript",
            "iframe",
            "frame",
            "object",
            "embed",
            "applet",
            "link",
            "base",
            "meta",
            "form",
            "input",
            "button",
            "select",
            "textarea",
            "video",
            "audio",
            "source",
            "track",
            "picture",
            "canvas",
            "map",
            "area",
            "title",
            "xmp",
            "plaintext",
            "listing",
            "noembed",
            "noframes",
            "html",
            "head",
            "dialog",
            "details",
            "slot",
            "portal",
            "marquee",
            "",
        ] {
            assert_eq!(element(name), None, "{name}");
        }
        assert_eq!(element("td").map(|element| element.kind), Some(Kind::Plain));
    }

    #[test]
    fn values_are_what_they_should_be_up_to_their_limits() {
        let check = |element: &str, name: &str, value: &str, expected: Option<&str>| {
            let found = attribute(element, name, value, &mut 0);
            assert_eq!(found.as_ref().map(|(_, value)| value.as_str()), expected, "{element} {name}={value}");
        };
        check("td", "colspan", "100", Some("100"));
        check("td", "colspan", "101", None);
        check("td", "rowspan", "65534", None);
        check("p", "colspan", "2", None);
        check("table", "width", "100%", Some("100%"));
        check("table", "width", " 600px ", Some("600px"));
        check("table", "width", "5000", Some("5000"));
        check("table", "width", "5001", None);
        check("table", "width", "99999999999", None);
        check("table", "width", "expression(1)", None);
        check("hr", "size", "+2", Some("+2"));
        check("hr", "color", "#a0b", Some("#a0b"));
        check("hr", "color", "red;x", None);
        check("p", "align", "center", Some("center"));
        check("p", "align", "javascript:1", None);
        check("p", "align", &"a".repeat(WORD_BYTES_MAX), Some(&"a".repeat(WORD_BYTES_MAX)));
        check("p", "align", &"a".repeat(WORD_BYTES_MAX + 1), None);
        check("img", "alt", "a\u{0}b\"", Some("ab\""));
        check("img", "alt", "\u{1} a", Some("a"));
        check("img", "alt", &format!("{} b", "a".repeat(TEXT_BYTES_MAX - 1)), Some(&"a".repeat(TEXT_BYTES_MAX - 1)));
        check("img", "alt", &"ä".repeat(TEXT_BYTES_MAX), Some(&"ä".repeat(TEXT_BYTES_MAX / 2)));
        check("table", "role", "presentation", Some("presentation"));
        check("table", "role", "button", None);
        for element in ["a", "span", "img", "td"] {
            check(element, "title", "http://bank.example", None);
        }
        check("body", "hidden", "", None);
        for name in [
            "onclick",
            "id",
            "class",
            "name",
            "src",
            "srcset",
            "href",
            "ping",
            "background",
            "poster",
            "action",
            "xlink:href",
            "is",
        ] {
            check("img", name, "1", None);
        }
    }
}
