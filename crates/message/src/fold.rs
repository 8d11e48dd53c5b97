//! Search without regard to case: `contains`, for text that may be megabytes long.
//!
//! Folding is Unicode's full upper case, then lower case, of each character: `Straße` finds `STRASSE`, `Σ` finds `ς`.
//! Work is linear whatever the text and the needle are.

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
        // The Kelvin sign folds from three octets to one, and no character to a smaller part of itself.
        self.folded.len().saturating_mul(4)
    }

    /// Whether it stands in `haystack`; what is empty stands everywhere.
    #[must_use]
    pub fn is_in(&self, haystack: &str) -> bool {
        if haystack.is_ascii() {
            self.folded.is_ascii() && self.is_in_ascii(haystack.as_bytes())
        } else {
            self.finder.find(fold(haystack).as_bytes()).is_some()
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

/// Text without its case: equal for texts that differ in case only.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            folded.push(character.to_ascii_lowercase());
        } else {
            folded.extend(character.to_uppercase().flat_map(char::to_lowercase));
        }
    }
    folded
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
        check("Die Straße", "STRASSE", true);
        check("STRASSE", "straße", true);
        check("ΟΔΟΣ", "οδος", true);
        check("ПРИВЕТ мир", "привет", true);
        check("ascii", "é", false);
        check("É", "e", false);
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

    proptest! {
        #[test]
        fn finds_what_is_there(before in "\\PC{0,20}", needle in "\\PC{0,10}", after in "\\PC{0,20}") {
            let haystack = [before.as_str(), needle.as_str(), after.as_str()].concat();
            prop_assert!(Needle::new(&needle).is_in(&haystack));
            prop_assert!(Needle::new(&needle).is_in(&fold(&haystack)));
        }
    }
}
