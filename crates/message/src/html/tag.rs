//! Tags: what their elements do to what is seen.

use super::Gap;

/// A name is at most so long, in octets; a longer one is cut, and means nothing.
const NAME_BYTES_MAX: usize = 32;

/// What begins a line, and ends one.
const BLOCKS: [&str; 45] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tr",
    "ul",
    "textarea",
];

/// What has no content and no end (HTML Living Standard §13.1.2).
const VOID: [&str; 15] = [
    "area", "base", "basefont", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param", "source",
    "wbr",
];

/// A tag.
pub(super) struct Tag<'h> {
    /// In lower case.
    pub(super) name: String,
    pub(super) is_end: bool,
    attributes: &'h str,
}

impl<'h> Tag<'h> {
    /// Of what stands between `<` and `>`.
    pub(super) fn of(inside: &'h str) -> Self {
        let is_end = inside.starts_with('/');
        let inside = inside.strip_prefix('/').unwrap_or(inside);
        let length = inside.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(length);
        let name = name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or(name).to_ascii_lowercase();
        Self { name, is_end, attributes: attributes.strip_suffix('>').unwrap_or(attributes) }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn gap(&self) -> Gap {
        match self.name.as_str() {
            "td" | "th" => Gap::Space,
            name if BLOCKS.contains(&name) => Gap::Line,
            _ => Gap::None,
        }
    }

    /// The name of an element whose content is no HTML and is not seen.
    pub(super) fn raw(&self) -> Option<&'static str> {
        ["style", "script", "title", "iframe", "noembed", "noframes"].into_iter().find(|name| self.is(name))
    }

    pub(super) fn has_content(&self) -> bool {
        !VOID.contains(&self.name.as_str())
    }

    /// Whether the end of such an element ends what is in it, whatever that is.
    pub(super) fn is_container(&self) -> bool {
        !self.is("p") && !self.is("br") && self.has_content() && self.gap() != Gap::None
    }

    /// Whether the element says that it is not shown.
    pub(super) fn is_hidden(&self) -> bool {
        let hides = |style: &str| {
            let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
            let style = style.to_ascii_lowercase();
            style.contains("display:none") || style.contains("visibility:hidden")
        };
        self.attribute("hidden").is_some() || self.attribute("style").is_some_and(hides) || self.is("template")
    }

    /// What stands in the place of an image.
    pub(super) fn instead(&self) -> Option<&'h str> {
        if self.is("img") { self.attribute("alt") } else { None }
    }

    /// The value of an attribute, without its quotes; empty where it has none.
    fn attribute(&self, name: &str) -> Option<&'h str> {
        self.attributes().find(|(this, _)| this.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values of its attributes, as they stand there.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'h str, &'h str)> + use<'h> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            // One that begins with `=` is called so.
            let length =
                rest.bytes().skip(1).position(|octet| octet.is_ascii_whitespace() || matches!(octet, b'=' | b'/'));
            let (this, after) = rest.split_at(length.map_or(rest.len(), |length| length + 1));
            let after_name = after.trim_ascii_start();
            let (value, after) = match after_name.strip_prefix('=') {
                None => ("", after),
                Some(value) => value_of(value.trim_ascii_start()),
            };
            rest = after;
            Some((this, value))
        })
    }
}

/// A value, and what comes after it.
fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(text) = text.strip_prefix(quote) {
            return text.split_once(quote).unwrap_or((text, ""));
        }
    }
    text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()))
}
