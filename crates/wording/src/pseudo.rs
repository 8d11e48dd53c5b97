//! A language for tests: each sentence stands in marks, and its letters are others.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

static SAID: LazyLock<Mutex<HashMap<(&'static str, bool), &'static str>>> = LazyLock::new(Mutex::default);

/// The sentence in that language; its places, and the tags of HTML, stay. Each is made once and kept.
pub(crate) fn of(text: &'static str, is_html: bool) -> &'static str {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    said.entry((text, is_html)).or_insert_with(|| made(text, is_html).leak())
}

fn made(text: &str, is_html: bool) -> String {
    let mut made = String::from("⟦");
    let mut until = None;
    for c in text.chars() {
        match until {
            Some(end) if c == end => until = None,
            Some(_) => {}
            None => match c {
                '{' => until = Some('}'),
                '<' if is_html => until = Some('>'),
                '&' if is_html => until = Some(';'),
                _ => {
                    made.push(other(c));
                    continue;
                }
            },
        }
        made.push(c);
    }
    made.push('⟧');
    made
}

/// Letters of ASCII as letters of Cyrillic and beyond, one for one: none is left.
fn other(c: char) -> char {
    match c {
        'a'..='z' => char::from_u32('а' as u32 + (c as u32 - 'a' as u32)).unwrap_or('?'),
        'A'..='Z' => char::from_u32('А' as u32 + (c as u32 - 'A' as u32)).unwrap_or('?'),
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_change_and_places_and_tags_stay() {
        assert_eq!(of("Add {n}", false), "⟦Агг {n}⟧");
        assert_eq!(of("a <b class=\"x\">b</b>&amp;{url}", true), "⟦а <b class=\"x\">б</b>&amp;{url}⟧");
        assert_eq!(of("a <b>", false), "⟦а <б>⟧");
    }
}
