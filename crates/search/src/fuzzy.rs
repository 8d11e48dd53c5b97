//! Inexact matching (RFC 6203): words that are nearly those asked for.
//!
//! Each word asked for must be there: as it is, with another ending, as part of a longer word, or with a letter or two wrong.
//! It knows no language. What is written without spaces is found as part of the text around it.
//!
//! Invariant: a text that an index has none of the [`Word::pieces`] of has not the word, so the index narrows it safely.

use message::fold::{Needle, fold};
use search_index::Candidates;
use std::sync::Arc;

/// So many words are looked for; others are not.
const WORDS_MAX: usize = 8;
/// A word of more characters must be there as it is.
const WORD_CHARACTERS_MAX: usize = 32;
/// Endings of so many characters make no difference.
const ENDING_CHARACTERS_MAX: usize = 3;

/// How much an occurrence is worth, in eighths.
const AS_IT_IS: u8 = 8;
const OTHER_ENDING: u8 = 6;
const PART: u8 = 5;
const ONE_WRONG: u8 = 4;
const TWO_WRONG: u8 = 3;

/// Words to be found.
#[derive(Clone, Debug)]
pub struct Words {
    words: Vec<Word>,
    /// Several words as they were written: worth more, and not needed.
    phrase: Option<Needle>,
    /// Of each word, for each of its pieces what an index knows of it.
    candidates: Option<Vec<Vec<Arc<Candidates>>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    folded: String,
    characters: Vec<char>,
}

/// What was found in a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Of each word, and of the phrase, in eighths of an occurrence.
    pub(crate) counts: Vec<u8>,
    /// Words in the text.
    pub(crate) length: u32,
}

impl Words {
    /// The words of a text; none if there are none.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut words: Vec<Word> = Vec::new();
        let folded = fold(text);
        for word in words_in(&folded) {
            if words.len() < WORDS_MAX && words.iter().all(|before| before.folded != word) {
                words.push(Word { folded: word.to_owned(), characters: word.chars().collect() });
            }
        }
        let phrase = (words.len() > 1).then(|| Needle::new(text.trim()));
        (!words.is_empty()).then_some(Self { words, phrase, candidates: None })
    }

    /// Whether `others` are the same words.
    pub(crate) fn are_those_of(&self, others: &Self) -> bool {
        let phrase = |words: &Self| words.phrase.as_ref().map(|phrase| phrase.folded().to_owned());
        self.words == others.words && phrase(self) == phrase(others)
    }

    /// How many counts a tally has.
    pub(crate) fn terms(&self) -> usize {
        self.words.len() + usize::from(self.phrase.is_some())
    }

    /// Asks an index, by `look_up`, for each piece of the words; an answer that lacks makes no difference.
    pub(crate) fn narrow(&mut self, look_up: &mut impl FnMut(&str) -> Option<Arc<Candidates>>) {
        let mut of_word = |word: &Word| word.pieces().iter().map(|piece| look_up(piece)).collect::<Option<Vec<_>>>();
        self.candidates = self.words.iter().map(&mut of_word).collect();
    }

    /// Whether an index knows that a word is not in the message at this position.
    pub(crate) fn is_ruled_out(&self, at: usize) -> bool {
        let lacks = |piece: &Arc<Candidates>| piece.says(at) == Some(false);
        self.candidates.iter().flatten().any(|pieces| pieces.iter().all(lacks))
    }

    /// Counts what is in a text.
    pub(crate) fn count(&self, text: &str, tally: &mut Tally) {
        tally.counts.resize(self.terms(), 0);
        let folded = fold(text);
        for seen in words_in(&folded) {
            tally.length = tally.length.saturating_add(1);
            for (word, count) in self.words.iter().zip(&mut tally.counts) {
                *count = count.saturating_add(word.worth(seen));
            }
        }
        if let (Some(phrase), Some(count)) = (&self.phrase, tally.counts.last_mut())
            && phrase.is_in_folded(&folded)
        {
            *count = count.saturating_add(AS_IT_IS);
        }
    }

    /// Whether all words are there.
    pub(crate) fn are_in(&self, tally: &Tally) -> bool {
        let counts = tally.counts.iter().take(self.words.len());
        tally.counts.len() == self.terms() && counts.into_iter().all(|count| *count > 0)
    }
}

impl Word {
    /// So many characters may be wrong: one of the pieces is then there as it is.
    fn wrong_max(&self) -> usize {
        match self.characters.len() {
            0..=3 => 0,
            4..=6 => 1,
            7..=WORD_CHARACTERS_MAX => 2,
            _ => 0,
        }
    }

    /// What stands for the word in an index: one of these is in whatever has it, with another ending too.
    fn pieces(&self) -> Vec<String> {
        let length = self.characters.len().div_ceil(self.wrong_max() + 1).max(1);
        self.characters.chunks(length).map(|piece| piece.iter().collect()).collect()
    }

    /// How much a word that was seen is worth, in eighths.
    fn worth(&self, seen: &str) -> u8 {
        if seen == self.folded {
            return AS_IT_IS;
        }
        let is_long = seen.len() >= self.folded.len();
        if self.has_other_ending(seen) {
            OTHER_ENDING
        } else if is_long && seen.contains(&self.folded) {
            PART
        } else {
            match self.wrong(seen) {
                Some(0 | 1) => ONE_WRONG,
                Some(_) => TWO_WRONG,
                None => 0,
            }
        }
    }

    /// `work` and `working`, `invoices` and `invoicing`; but not `invoice` and `invoke`.
    fn has_other_ending(&self, seen: &str) -> bool {
        let same = self.characters.iter().zip(seen.chars()).take_while(|(one, other)| **one == *other).count();
        if same < 4 || self.characters.len() > WORD_CHARACTERS_MAX {
            return false;
        }
        let (own, other) = (self.characters.len() - same, seen.chars().skip(same).take(WORD_CHARACTERS_MAX).count());
        let is_stem = own.min(other) == 0 || 3 * same >= 2 * (same + own.max(other));
        is_stem && own.max(other) <= ENDING_CHARACTERS_MAX
    }

    /// How many characters have to be left out, put in or changed (Levenshtein's distance), if they are few enough.
    fn wrong(&self, seen: &str) -> Option<usize> {
        let max = self.wrong_max();
        if max == 0 {
            return None;
        }
        let mut other = ['\0'; WORD_CHARACTERS_MAX + 3];
        let mut length = 0;
        for character in seen.chars() {
            *other.get_mut(length)? = character;
            length += 1;
        }
        let (other, own) = (other.get(..length)?, &self.characters);
        if other.len().abs_diff(own.len()) > max {
            return None;
        }
        let mut row: [usize; WORD_CHARACTERS_MAX + 4] = std::array::from_fn(|at| at);
        for (line, character) in own.iter().enumerate() {
            let (mut above, mut least) = (row[0], line + 1);
            row[0] = line + 1;
            for (at, seen) in other.iter().enumerate() {
                let changed = above + usize::from(seen != character);
                above = row[at + 1];
                row[at + 1] = changed.min(row[at] + 1).min(above + 1);
                least = least.min(row[at + 1]);
            }
            if least > max {
                return None;
            }
        }
        row.get(other.len()).copied().filter(|wrong| *wrong <= max)
    }
}

fn words_in(folded: &str) -> impl Iterator<Item = &str> {
    // An accent belongs to its letter, from which folding has parted it.
    let is_accent = |character: char| matches!(character, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}');
    folded
        .split(move |character: char| !character.is_alphanumeric() && !is_accent(character))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(asked: &str, text: &str) -> Option<Vec<u8>> {
        let words = Words::of(asked).unwrap();
        let mut tally = Tally::default();
        words.count(text, &mut tally);
        words.are_in(&tally).then_some(tally.counts)
    }

    #[test]
    fn words_are_nearly_those_asked_for() {
        let check = |asked: &str, text: &str, expected: Option<&[u8]>| {
            assert_eq!(count(asked, text).as_deref(), expected, "{asked} in {text}");
        };
        check("Hello", "hello, HELLO!", Some(&[16]));
        check("Helo", "hello", Some(&[ONE_WRONG]));
        check("work", "working overtime", Some(&[OTHER_ENDING]));
        check("searching", "search", Some(&[OTHER_ENDING]));
        check("invoice", "invoke", Some(&[TWO_WRONG]));
        check("invoice", "invasion", None);
        check("mail", "webmail", Some(&[PART]));
        check("recieve", "receive", Some(&[TWO_WRONG]));
        check("cafe", "Caf\u{e9}", Some(&[OTHER_ENDING]));
        check("creme", "Cr\u{e8}me", Some(&[ONE_WRONG]));
        check("cat", "bat", None);
        check("cat", "concatenate", Some(&[PART]));
        check("\u{4ef6}", "\u{65e5}\u{672c}\u{8a9e}\u{306e}\u{4ef6}", Some(&[PART]));
        check("break IMAP", "imap is breaking", Some(&[OTHER_ENDING, AS_IT_IS, 0]));
        check("IMAP break", "an imap break", Some(&[AS_IT_IS, AS_IT_IS, AS_IT_IS]));
        check("IMAP break", "imap", None);
        check("a", "", None);
        assert!(Words::of(" -- ").is_none());
        assert_eq!(Words::of(&"a b c d e f g h i ".repeat(2)).unwrap().words.len(), WORDS_MAX);
        let long = "x".repeat(WORD_CHARACTERS_MAX + 1);
        check(&long, &long, Some(&[AS_IT_IS]));
        check(&long, &long[1..], None);
        check(&long[1..], &long[2..], Some(&[OTHER_ENDING]));
    }

    proptest! {
        #[test]
        fn a_piece_of_a_word_is_in_whatever_has_it(asked in "[ab\u{e9}]{1,9}", seen in "[ab\u{e9}]{0,12}") {
            let words = Words::of(&asked).unwrap();
            let word = &words.words[0];
            if word.worth(&seen) > 0 {
                prop_assert!(word.pieces().iter().any(|piece| seen.contains(piece)), "{:?}", word.pieces());
            }
        }

        #[test]
        fn what_is_there_is_found(asked in "[a-d]{1,9}", before in "[a-d ]{0,6}", after in "[a-d ]{0,6}") {
            let text = [before.as_str(), &asked, &after].concat();
            prop_assert!(count(&asked, &text).is_some());
        }
    }
}
