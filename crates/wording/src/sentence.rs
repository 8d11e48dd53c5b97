//! From a sentence to what is said. The macros call what is here; nobody else has to.

use crate::voice::{Voice, note, voice};
use crate::{Language, catalogue};
use std::fmt::{self, Display, Write};

/// What stands in the places of a sentence, by their names.
type Values<'v> = [(&'v str, &'v dyn Display)];

/// The sentence in the language of this thread.
pub fn said(text: &'static str) -> &'static str {
    let said = sentence(None, text, false);
    note(said, || text.to_owned());
    said
}

/// The sentence as it is meant in a context.
pub fn said_in(context: &'static str, text: &'static str) -> &'static str {
    let said = sentence(Some(context), text, false);
    note(said, || text.to_owned());
    said
}

/// The sentence with its places filled in.
pub fn filled(context: Option<&'static str>, text: &'static str, values: &Values<'_>) -> String {
    let said = fill(sentence(context, text, false), values);
    note(&said, || fill(text, values));
    said
}

/// HTML with its places filled in by HTML.
pub fn filled_html(text: &'static str, values: &Values<'_>) -> String {
    fill(sentence(None, text, true), values)
}

/// The sentence in the form for a number.
pub fn counted(count: u64, one: &'static str, many: &'static str, values: &Values<'_>) -> String {
    let said = fill_counted(count, form(count, one, many, false), values);
    note(&said, || fill_counted(count, if Language::English.form(count) == 0 { one } else { many }, values));
    said
}

/// HTML in the form for a number, with its places filled in by HTML.
pub fn counted_html(count: u64, one: &'static str, many: &'static str, values: &Values<'_>) -> String {
    fill_counted(count, form(count, one, many, true), values)
}

fn fill_counted(count: u64, sentence: &str, values: &Values<'_>) -> String {
    let own: (&str, &dyn Display) = ("n", &count);
    fill(sentence, &values.iter().copied().chain([own]).collect::<Vec<_>>())
}

fn sentence(context: Option<&'static str>, text: &'static str, is_html: bool) -> &'static str {
    match voice() {
        Voice::Of(language) => catalogue::translated(language, context, text, 0).unwrap_or(text),
        Voice::Pseudo => marked(text, is_html),
    }
}

fn form(count: u64, one: &'static str, many: &'static str, is_html: bool) -> &'static str {
    let english = if Language::English.form(count) == 0 { one } else { many };
    match voice() {
        Voice::Of(language) => catalogue::translated(language, None, one, language.form(count)).unwrap_or(english),
        Voice::Pseudo => marked(english, is_html),
    }
}

#[cfg(any(test, feature = "pseudo"))]
fn marked(text: &'static str, is_html: bool) -> &'static str {
    crate::pseudo::of(text, is_html)
}

/// Nobody can ask for that language.
#[cfg(not(any(test, feature = "pseudo")))]
fn marked(text: &'static str, _: bool) -> &'static str {
    text
}

/// A place that has no value stays as it is written.
fn fill(sentence: &str, values: &Values<'_>) -> String {
    let mut said = String::with_capacity(sentence.len() + 16 * values.len());
    let mut rest = sentence;
    while let Some(at) = rest.find(['{', '}']) {
        said.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            said.push_str(&rest[..1]);
            rest = &rest[2..];
            continue;
        }
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        let name = rest[..end].trim_matches(['{', '}']);
        match values.iter().find(|(known, _)| *known == name) {
            // Writing into a `String` cannot fail, and a `Display` that does has nothing to say.
            Some((_, value)) => drop(write!(said, "{value}")),
            None => said.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    said.push_str(rest);
    said
}

/// Whole numbers that decide on the form of a sentence.
pub trait Count {
    /// How many; below zero is none.
    fn count(&self) -> u64;
}

macro_rules! counts {
    ($($number:ty),*) => {
        $(impl Count for $number {
            fn count(&self) -> u64 {
                u64::try_from(*self).unwrap_or_default()
            }
        })*
    };
}

counts!(u8, u16, u32, u64, usize, i32, i64);

impl<T: Count + ?Sized> Count for &T {
    fn count(&self) -> u64 {
        (**self).count()
    }
}

/// Text as HTML says it, in an element or in an attribute in quotes.
#[derive(Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'f, 'b>(&'f mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            self.0.write_str(&rest[..at])?;
            self.0.write_str(match rest.as_bytes()[at] {
                b'&' => "&#38;",
                b'<' => "&#60;",
                b'>' => "&#62;",
                b'"' => "&#34;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

/// When it is compiled: each place of a sentence has a name of `names`, and each name a place.
///
/// # Panics
/// When it is not so, which the compiler says.
pub const fn check(text: &str, names: &[&str]) {
    assert!(names.len() <= 16, "a sentence has 16 places at most");
    if names.is_empty() {
        assert!(!has_brace(text), "a sentence without values has no braces");
    }
    let mut at = 0;
    while at < names.len() {
        assert!(has_place(text.as_bytes(), names[at].as_bytes()), "a value has no place in the sentence");
        at += 1;
    }
    check_some(text, names);
}

/// When it is compiled: each place of a sentence has a name of `names`.
///
/// # Panics
/// When it is not so, which the compiler says.
pub const fn check_some(text: &str, names: &[&str]) {
    let text = text.as_bytes();
    let mut at = 0;
    while at < text.len() {
        let is_doubled = at + 1 < text.len() && text[at] == text[at + 1];
        match text[at] {
            b'{' | b'}' if is_doubled => at += 2,
            b'{' => {
                let mut known = 0;
                while known < names.len() && !is_place(text, at, names[known].as_bytes()) {
                    known += 1;
                }
                assert!(known < names.len(), "a place of the sentence has no value");
                at += names[known].len() + 2;
            }
            b'}' => panic!("a brace in the sentence stands alone"),
            _ => at += 1,
        }
    }
}

const fn has_brace(text: &str) -> bool {
    let text = text.as_bytes();
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'{' || text[at] == b'}' {
            return true;
        }
        at += 1;
    }
    false
}

const fn has_place(text: &[u8], name: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'{' && is_place(text, at, name) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether `{name}` stands there.
const fn is_place(text: &[u8], brace: usize, name: &[u8]) -> bool {
    let end = brace + 1 + name.len();
    if end >= text.len() || text[end] != b'}' {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if text[brace + 1 + at] != name[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pseudo, speaking, tr, tr_html, trc, trn, trn_html};
    use std::panic::catch_unwind;

    #[test]
    fn places_are_filled_in_by_their_names() {
        let (count, from) = (3, String::from("INBOX"));
        assert_eq!(
            filled(None, "moved {count} from {from}", &[("count", &count), ("from", &from)]),
            "moved 3 from INBOX"
        );
        assert_eq!(fill("{b} {a}{b}{{{c}}}", &[("a", &1), ("b", &"{a}")]), "{a} 1{a}{{c}}");
        assert_eq!(fill("a { b", &[]), "a { b");
    }

    #[test]
    fn a_number_decides_on_the_form() {
        let said = |n: usize| trn!(n, "{n} test sentence, {what}", "{n} test sentences, {what}", what = "here");
        assert_eq!(
            [said(0), said(1), said(2)].join("; "),
            "0 test sentences, here; 1 test sentence, here; 2 test sentences, here"
        );
        assert_eq!(trn!(-1_i64, "one", "{n} of them"), "0 of them");
        assert_eq!(trn!(2000_u64, "one", "{n} of them", n = "2 000"), "2 000 of them");
    }

    #[test]
    fn what_is_filled_into_html_is_escaped() {
        assert_eq!(tr_html!("<a href=\"{url}\">how</a>", url = "/?a&\"b\""), "<a href=\"/?a&#38;&#34;b&#34;\">how</a>");
        assert_eq!(trn_html!(1, "<b>{n}</b> {x}", "<b>{n}</b>s {x}", x = "<'>"), "<b>1</b> &#60;&#39;&#62;");
        assert_eq!(tr!("Read {what}", what = "<b>"), "Read <b>");
    }

    #[test]
    fn what_has_no_translation_is_said_in_english() {
        speaking(Language::Japanese, || {
            assert_eq!(said("no catalogue has this"), "no catalogue has this");
            assert_eq!(counted(1, "one of none", "{n} of none", &[]), "one of none");
            assert_eq!(trc!("a test", "no catalogue has {this}", this = 1), "no catalogue has 1");
        });
    }

    #[test]
    fn what_was_said_is_known_in_english() {
        let english = |what: &dyn Fn() -> String| {
            speaking(Language::German, || {
                let said = what();
                (crate::english(&said), said)
            })
        };
        let (known, german) = english(&|| said("Undo").to_owned());
        assert!(known == "Undo" && german != known, "{german}");
        // Sentences in the places of others, and what is none.
        let both = || format!("{}, {}: {}", said("Undo"), said("Timeline"), "Zeit");
        let (known, german) = english(&both);
        assert!(known == "Undo, Timeline: Zeit" && german != known, "{german}");
    }

    #[test]
    fn the_language_of_tests_marks_sentences_and_not_what_is_filled_in() {
        let said =
            pseudo(|| (tr!("Undo"), trn!(2, "{n} day", "{n} days {x}", x = "pc"), tr_html!("<i>b</i> {x}", x = "<")));
        assert_eq!(said, ("⟦Фнго⟧", "⟦2 гашт pc⟧".to_owned(), "⟦<i>б</i> &#60;⟧".to_owned()));
    }

    #[test]
    fn a_place_without_a_value_and_a_value_without_a_place_do_not_compile() {
        for (text, names, is_right) in [
            ("a {b} {{c}} {b}", &["b"][..], true),
            ("a {b}", &["bb"], false),
            ("a {b} {c}", &["b"], false),
            ("a {b}", &["b", "c"], false),
            ("a {b", &["b"], false),
            ("a } {b}", &["b"], false),
            ("a {{b}}", &[], false),
            ("a", &[], true),
        ] {
            assert_eq!(catch_unwind(|| check(text, names)).is_ok(), is_right, "{text} {names:?}");
        }
    }
}
