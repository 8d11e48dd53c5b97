//! Search without regard to case: `contains`, for text that may be megabytes long.
//!
//! Texts are compared by i;unicode-casemap (RFC 5051), as RFC 5255 §4.3 asks for: `Σ` finds `ς`, an `é` in one piece finds the one of two
//! characters; `ß` does not find `ss`. Work is linear whatever the text and the needle are.

use icu_normalizer::DecomposingNormalizerBorrowed;
use memchr::memmem;

/// ASCII text is folded and searched in pieces of this size, so that no copy of all of it is made.
const PIECE_BYTES: usize = 64 * 1024;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Needle {
    folded: String,
    finder: memmem::Finder<'static>,
}

impl Needle {
    /// Prepares `text` to be looked for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let folded = fold(text);
        let finder = memmem::Finder::new(folded.as_bytes()).into_owned();
        Self { folded, finder }
    }

    /// What is looked for, as [`fold`] makes it.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Text that it stands in and that cannot be made shorter has at most so many octets.
    #[must_use]
    pub fn source_bytes_max(&self) -> usize {
        // No character becomes fewer octets than a quarter of its own: mathematical letters become ASCII.
        self.folded.len().saturating_mul(4)
    }

    /// Whether it stands in what [`fold`] made of a text.
    #[must_use]
    pub fn is_in_folded(&self, folded: &str) -> bool {
        self.finder.find(folded.as_bytes()).is_some()
    }

    /// Whether it stands in `haystack`; what is empty stands everywhere.
    #[must_use]
    pub fn is_in(&self, haystack: &str) -> bool {
        if haystack.is_ascii() {
            self.folded.is_ascii() && self.is_in_ascii(haystack.as_bytes())
        } else {
            self.is_in_folded(&fold(haystack))
        }
    }

    fn is_in_ascii(&self, haystack: &[u8]) -> bool {
        let overlap = self.folded.len().saturating_sub(1);
        let piece_bytes = PIECE_BYTES.max(overlap.saturating_mul(2));
        let mut folded = Vec::with_capacity(piece_bytes.min(haystack.len()));
        let mut rest = haystack;
        loop {
            let piece = rest.get(..piece_bytes).unwrap_or(rest);
            folded.clear();
            folded.extend_from_slice(piece);
            folded.make_ascii_lowercase();
            if self.finder.find(&folded).is_some() {
                return true;
            }
            if piece.len() == rest.len() {
                return false;
            }
            // `overlap` is at most half a piece, and `rest` is longer than a piece.
            rest = &rest[piece_bytes - overlap..];
        }
    }
}

/// What stands for a text when it is compared by i;unicode-casemap (RFC 5051 §2): equal octets for texts that differ only in case and in
/// the form in which their characters are written; their order is the order of texts.
#[must_use]
pub fn casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    let titles: String = text.chars().map(title).collect();
    // RFC 5051 §2 (b): decomposed, compatible characters too.
    DecomposingNormalizerBorrowed::new_nfkd().normalize(&titles).into_owned()
}

/// The same but for the case of ASCII letters, which is the other way round: nearly all text is ASCII in lower case. What is equal
/// by [`casemap`] is equal by this, and nothing else is.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let other_case = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    casemap(text).chars().map(other_case).collect()
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
    use proptest::prelude::*;

    #[test]
    fn case_makes_no_difference() {
        let check = |haystack: &str, needle: &str, expected: bool| {
            assert_eq!(Needle::new(needle).is_in(haystack), expected, "{needle} in {haystack}");
        };
        check("Hello World", "lo wo", true);
        check("Hello", "help", false);
        check("", "", true);
        check("", "a", false);
        check("Die Straße", "STRAßE", true);
        check("STRASSE", "straße", false);
        check("ΟΔΟΣ", "οδος", true);
        check("ПРИВЕТ мир", "привет", true);
        check("ascii", "é", false);
        check("É", "e\u{301}", true);
        check("e\u{301}t", "ÉT", true);
        check("\u{ff46}in", "FIN", true);
        // RFC 5051 §2: it has no simple titlecase, so what it falls apart into are small letters.
        check("ﬁn", "FI", false);
        check("ﬁn", "ﬁ", true);
        check("n\u{ba}", "n\u{ba}", true);
        check("\u{1c6}", "\u{1c4}", true);
        // RFC 5051: octets that stand in octets; the accent is behind the letter.
        check("É", "e", true);
    }

    #[test]
    fn a_needle_across_two_pieces_is_found() {
        let needle = Needle::new("NEEDLE");
        for before in PIECE_BYTES - 7..PIECE_BYTES + 2 {
            assert!(needle.is_in(&format!("{}needle{}", "x".repeat(before), "y".repeat(PIECE_BYTES))));
        }
        assert!(!needle.is_in(&"needl".repeat(PIECE_BYTES)));
        let long = "ab".repeat(PIECE_BYTES);
        assert!(Needle::new(&format!("{}C", long.to_uppercase())).is_in(&format!("x{long}{long}c")));
    }

    #[test]
    fn neither_case_nor_form_makes_a_difference_to_the_order() {
        let same = |one: &str, other: &str| assert_eq!(casemap(one), casemap(other), "{one} {other}");
        same("Hello", "hELLO");
        same("\u{c9}t\u{e9}", "E\u{301}TE\u{301}");
        same("\u{1c4}", "\u{1c6}");
        same("\u{ff46}in", "FIN");
        assert!(casemap("e") < casemap("\u{e9}") && casemap("\u{e9}") < casemap("f"));
        assert_ne!(casemap("\u{df}"), casemap("ss"), "RFC 5051: no full case folding");
    }

    proptest! {
        #[test]
        fn finds_what_is_there(before in "\\PC{0,20}", needle in "\\PC{0,10}", after in "\\PC{0,20}") {
            let haystack = [before.as_str(), needle.as_str(), after.as_str()].concat();
            // Marks stand in canonical order (UAX 15): one that follows may come to stand among those of the needle, which is then not there.
            prop_assume!(fold(&haystack) == [before, needle.clone(), after].map(|part| fold(&part)).concat());
            prop_assert!(Needle::new(&needle).is_in(&haystack));
            prop_assert!(Needle::new(&needle).is_in_folded(&fold(&haystack)));
        }

        #[test]
        fn what_is_equal_folded_is_equal_by_the_collation(one in "\\PC{0,6}", other in "[aA\u{aa}é\u{e9}\u{301}ｆFﬁ]{0,3}") {
            for (one, other) in [(&one, &other), (&other, &fold(&other)), (&one, &one.to_uppercase())] {
                prop_assert_eq!(fold(one) == fold(other), casemap(one) == casemap(other), "{} {}", one, other);
            }
        }
    }
}
