//! The collation `i;unicode-casemap` (RFC 5051): texts in the order of their octets, once their case and the forms in
//! which their characters can be written make no difference.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// What stands for a text when it is compared.
pub(crate) fn casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let titles: String = text.chars().map(title).collect();
    // RFC 5051 §2 (b): decomposed, compatible characters too.
    DecomposingNormalizerBorrowed::new_nfkd().normalize(&titles).into_owned()
}

/// RFC 5051 §2 (a): the simple titlecase mapping of a character.
fn title(character: char) -> char {
    match character {
        // The only letters that have a title case of their own, and Georgian ones, which are their own title case.
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => character,
        // What becomes several letters has no simple mapping.
        _ => {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => character,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_case_nor_form_makes_a_difference() {
        let same = |one: &str, other: &str| assert_eq!(casemap(one), casemap(other), "{one} {other}");
        same("Hello", "hELLO");
        same("\u{c9}t\u{e9}", "E\u{301}TE\u{301}");
        same("\u{1c4}", "\u{1c6}");
        same("\u{ff46}in", "FIN");
        assert!(casemap("e") < casemap("\u{e9}") && casemap("\u{e9}") < casemap("f"));
        assert_ne!(casemap("\u{df}"), casemap("ss"), "RFC 5051: no full case folding");
    }
}
