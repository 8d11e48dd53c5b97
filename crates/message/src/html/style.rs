//! What is shown of a style: properties that say how something looks in its place, with values that load nothing.
//!
//! A value is written anew from the pieces that are known here; one in which anything else stands is left out as a whole. So it
//! does not matter how a browser would have read it.

/// A style is read up to so many octets.
const STYLE_BYTES_MAX: usize = 4096;
/// Numbers have so many digits before the point at most: nothing is wider or higher than a screen by far.
const DIGITS_MAX: usize = 4;
/// Numbers have so many digits behind the point at most.
const FRACTION_DIGITS_MAX: usize = 6;

/// What says how something looks. Nothing here takes it out of its place, lays it over something else, or loads anything.
const PROPERTIES: [&str; 81] = [
    "background",
    "background-color",
    "border",
    "border-bottom",
    "border-bottom-color",
    "border-bottom-left-radius",
    "border-bottom-right-radius",
    "border-bottom-style",
    "border-bottom-width",
    "border-collapse",
    "border-color",
    "border-left",
    "border-left-color",
    "border-left-style",
    "border-left-width",
    "border-radius",
    "border-right",
    "border-right-color",
    "border-right-style",
    "border-right-width",
    "border-spacing",
    "border-style",
    "border-top",
    "border-top-color",
    "border-top-left-radius",
    "border-top-right-radius",
    "border-top-style",
    "border-top-width",
    "border-width",
    "box-sizing",
    "caption-side",
    "clear",
    "color",
    "direction",
    "display",
    "empty-cells",
    "float",
    "font",
    "font-family",
    "font-size",
    "font-style",
    "font-variant",
    "font-weight",
    "height",
    "letter-spacing",
    "line-height",
    "list-style",
    "list-style-position",
    "list-style-type",
    "margin",
    "margin-bottom",
    "margin-left",
    "margin-right",
    "margin-top",
    "max-height",
    "max-width",
    "min-height",
    "min-width",
    "overflow-wrap",
    "padding",
    "padding-bottom",
    "padding-left",
    "padding-right",
    "padding-top",
    "page-break-inside",
    "table-layout",
    "text-align",
    "text-decoration",
    "text-decoration-color",
    "text-decoration-line",
    "text-decoration-style",
    "text-indent",
    "text-transform",
    "vertical-align",
    "visibility",
    "white-space",
    "widows",
    "width",
    "word-break",
    "word-spacing",
    "word-wrap",
];
/// What may stand behind a number.
const UNITS: [&str; 14] = ["", "%", "px", "em", "rem", "ex", "ch", "pt", "pc", "in", "cm", "mm", "vw", "vh"];
/// Functions that make colours.
const FUNCTIONS: [&str; 4] = ["rgb", "rgba", "hsl", "hsla"];

/// What is shown of it. `urls` counts what it would load.
pub(super) fn cleaned(style: &str, urls: &mut usize) -> String {
    let style = style.get(..style.floor_char_boundary(STYLE_BYTES_MAX)).unwrap_or(style);
    let mut shown = String::new();
    // Where a `;` stands within quotes or brackets, neither half of it is a value.
    for declaration in style.split(';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let name = name.trim().to_ascii_lowercase();
        let loads = name.starts_with("background") || name.starts_with("list-style") || name == "content";
        let before = *urls;
        let value = value_of(value, urls);
        // An address in a property that takes none is never asked for.
        *urls = if loads { *urls } else { before };
        let Some(name) = PROPERTIES.iter().find(|property| **property == name) else { continue };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            shown.push_str(if shown.is_empty() { "" } else { ";" });
            shown.push_str(name);
            shown.push(':');
            shown.push_str(&value);
        }
    }
    shown
}

/// A value, written anew without the addresses in it; `None`: there is something in it that is not known.
fn value_of(value: &str, urls: &mut usize) -> Option<String> {
    // What is important to its sender gives way to what makes it readable here.
    let mut rest = value.split('!').next().unwrap_or_default().trim();
    let mut shown = String::new();
    while let Some(first) = rest.chars().next() {
        let (piece, after) = match first {
            ' ' | '\t' | '\r' | '\n' | '\u{c}' => (" ".to_owned(), rest.trim_ascii_start()),
            ',' | '/' => (first.to_string(), rest.get(1..)?),
            '#' => hash(rest)?,
            '\'' | '"' => quoted(rest, first)?,
            '+' | '.' | '0'..='9' => number(rest)?,
            'a'..='z' | 'A'..='Z' | '-' => word(rest, urls)?,
            _ => return None,
        };
        // What is written reads the same again.
        let is_gap = piece == " " && shown.ends_with(' ');
        shown.push_str(if is_gap { "" } else { &piece });
        rest = after;
    }
    Some(shown.trim().to_owned())
}

/// How many octets at the beginning are such.
fn run(text: &str, is_one: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|octet| !is_one(octet)).unwrap_or(text.len())
}

fn hash(text: &str) -> Option<(String, &str)> {
    let length = 1 + run(text.get(1..)?, |octet| octet.is_ascii_hexdigit());
    let (color, after) = text.split_at(length);
    [4, 5, 7, 9].contains(&length).then(|| (color.to_owned(), after))
}

/// The name of a font.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let (name, after) = text.get(1..)?.split_once(quote)?;
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    name.chars().all(is_plain).then(|| (format!("'{name}'"), after))
}

fn number(text: &str) -> Option<(String, &str)> {
    let sign = usize::from(text.starts_with('+'));
    let whole = run(text.get(sign..)?, |octet| octet.is_ascii_digit());
    let point = sign + whole;
    let fraction = match text.get(point..)?.strip_prefix('.') {
        Some(digits) => 1 + run(digits, |octet| octet.is_ascii_digit()),
        None => 0,
    };
    let unit = match text.get(point + fraction..)? {
        after if after.starts_with('%') => 1,
        after => run(after, |octet| octet.is_ascii_alphabetic()),
    };
    let (number, after) = text.split_at(point + fraction + unit);
    let has_digits = whole > 0 || fraction > 1;
    let unit = number.get(point + fraction..)?.to_ascii_lowercase();
    // `1e9px` is one number to a browser.
    let is_whole = UNITS.contains(&unit.as_str())
        && (after.is_empty() || after.starts_with([' ', '\t', '\r', '\n', '\u{c}', ',', '/']));
    let fits = has_digits && whole <= DIGITS_MAX && fraction <= 1 + FRACTION_DIGITS_MAX && is_whole;
    fits.then(|| (number.to_owned(), after))
}

/// A keyword, a colour that is made by a function, or an address, which is left out.
fn word<'v>(text: &'v str, urls: &mut usize) -> Option<(String, &'v str)> {
    let length = run(text, |octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let (word, after) = text.split_at(length);
    // A number below zero moves things over others.
    let is_negative = word.starts_with('-') && !word.get(1..)?.starts_with(|c: char| c.is_ascii_alphabetic());
    let Some(inside) = after.strip_prefix('(') else { return (!is_negative).then(|| (word.to_owned(), after)) };
    let function = word.to_ascii_lowercase();
    let (inside, after) = inside.split_once(')')?;
    if function == "url" {
        *urls = urls.saturating_add(1);
        // What stands around it stays apart.
        return Some((" ".to_owned(), after));
    }
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b" ,.%/".contains(&octet);
    let makes_a_color = FUNCTIONS.contains(&function.as_str()) && inside.len() <= 64 && inside.bytes().all(is_plain);
    makes_a_color.then(|| (format!("{function}({inside})"), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(style: &str, expected: &str) {
        assert_eq!(cleaned(style, &mut 0), expected, "{style}");
    }

    #[test]
    fn how_it_looks_stays() {
        check("color:#a0b; BACKGROUND : rgb(1, 2,3) ;", "color:#a0b;background:rgb(1, 2,3)");
        check("font-family: 'Segoe UI', Arial, \"Noto Sans\"", "font-family:'Segoe UI', Arial, 'Noto Sans'");
        check("font:bold 12px/1.5 Arial,sans-serif", "font:bold 12px/1.5 Arial,sans-serif");
        check("border:1px solid #eee !important;margin:0 auto", "border:1px solid #eee;margin:0 auto");
        check("width:100%;line-height:1.25em;padding:.5em", "width:100%;line-height:1.25em;padding:.5em");
        check("display:none;mso-hide:all", "display:none");
    }

    #[test]
    fn what_loads_is_left_out_and_counted() {
        let check = |style: &str, expected: &str, count: usize| {
            let mut urls = 0;
            assert_eq!((cleaned(style, &mut urls), urls), (expected.to_owned(), count), "{style}");
        };
        check("background:#fff url(https://x.example/a) no-repeat", "background:#fff no-repeat", 1);
        check("background:#fffurl(x)ab", "background:#fff ab", 1);
        check("background: URL( 'https://x.example/a;b' ) red", "", 0);
        check("background-image:url(\"//x.example/a\"),url(b)", "", 2);
        check("background:url(https://x.example/(a)", "", 1);
        check("list-style:url(x) disc", "list-style:disc", 1);
        check("color:url(x)", "", 0);
        for style in [
            "background:u\\72l(x)",
            "background:\\75rl(x)",
            "background:url/**/(x)",
            "background:/**/url(x)",
            "background:image-set('x' 1x)",
            "background:-webkit-image-set(url(x) 1x)",
            "background:image(x)",
            "background:cross-fade(url(x),url(y))",
            "background:linear-gradient(red,blue)",
            "background:element(#x)",
            "background:paint(x)",
            "background:var(--x)",
            "background:attr(x)",
            "background:src('x')",
            "width:expression(alert(1))",
            "width:calc(1px + 1px)",
            "cursor:url(x),auto",
            "-moz-binding:url(x)",
            "behavior:url(x)",
            "filter:url(x)",
            "src:url(x)",
            "@import url(x)",
            "@import 'x'",
            "color:red}body{background:red",
            "color:red</style><script>",
            "color:\"red",
            "font-family:'a\\'b'",
            "color:red\u{0}",
        ] {
            assert!(
                !cleaned(style, &mut 0).contains(['(', '\\', '@', '<', '{', '"', '*']),
                "{style}: {}",
                cleaned(style, &mut 0)
            );
        }
    }

    #[test]
    fn what_covers_or_moves_is_left_out() {
        for style in [
            "position:fixed",
            "position:absolute;top:0;left:0",
            "z-index:99",
            "margin:-9999px",
            "margin-left:-1px",
            "text-indent:-1em",
            "transform:scale(9)",
            "inset:0",
            "clip-path:none",
            "mix-blend-mode:difference",
            "opacity:.01",
            "animation:x 1s",
            "transition:all 1s",
            "content:'x'",
            "unicode-bidi:bidi-override",
            "pointer-events:none",
            "all:unset",
            "--x:1",
            "pos\\69tion:fixed",
        ] {
            check(style, "");
        }
    }

    #[test]
    fn numbers_and_styles_have_their_limits() {
        check("width:9999px", "width:9999px");
        check("width:10000px", "");
        check("width:1.123456em", "width:1.123456em");
        check("width:1.1234567em", "");
        check("width:1PX", "width:1PX");
        check("width:1abcd", "");
        check("width:1e9px;font-size:1e9px;margin-left:1E9em;height:9e9cm;line-height:1e9", "");
        check("margin:1px2px;width:1e+9px;padding:1px+2px", "");
        check("width:.", "");
        check("color:#ff", "");
        check("color:#fffff", "");
        let long = format!("{}color:red", " ".repeat(STYLE_BYTES_MAX - "color:red".len()));
        check(&long, "color:red");
        check(&format!(" {long}"), "color:re");
    }
}
