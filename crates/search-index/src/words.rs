//! What of a text is in the index, and what of it is asked for: where texts are cut into tokens.
//!
//! An address and a subject are one token each. Other text is cut where its characters change their class: words (letters and digits of
//! one or two octets, joined by a single `.`, `@`, `-`, `_` or `'` between them), wide characters (letters of three octets and more,
//! which are written without spaces as a rule), of which each two neighbours are a token, and what is between. Long tokens are cut
//! into pieces that overlap by half.
//!
//! Invariant: whatever [`Question::pieces`] has stands within one token of each text that has the text that is asked for; and where
//! [`Question::is_exact`], so does the text as a whole. Each token stands in its text.

/// What a text is of. Each kind is searched by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address of `From`, as it is searched for.
    From,
    /// Of `To`.
    To,
    /// Of `Cc`.
    Cc,
    /// Of `Bcc`.
    Bcc,
    /// `Subject`.
    Subject,
    /// A whole header: the message's, or that of a part.
    Header,
    /// A part that is text.
    Body,
}

pub(crate) const KINDS: usize = 7;
/// A piece of a word, and of what is between words, has at most so many octets.
const WORD_BYTES_MAX: usize = 64;
/// And of what is one token as a whole.
const VALUE_BYTES_MAX: usize = 1024;
/// For so many pieces of a text a look-up asks at most: they narrow it down well enough.
const PIECES_MAX: usize = 12;
/// They join letters and digits on both sides of them.
const CONNECTORS: [char; 5] = ['.', '@', '-', '_', '\''];

impl Kind {
    pub(crate) const ALL: [Self; KINDS] =
        [Self::From, Self::To, Self::Cc, Self::Bcc, Self::Subject, Self::Header, Self::Body];

    /// Whether a text of this kind is one token as a whole.
    fn is_value(self) -> bool {
        match self {
            Self::From | Self::To | Self::Cc | Self::Bcc | Self::Subject => true,
            Self::Header | Self::Body => false,
        }
    }

    pub(crate) fn token_bytes_max(self) -> usize {
        if self.is_value() { VALUE_BYTES_MAX } else { WORD_BYTES_MAX }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Class {
    Word,
    Wide,
    #[default]
    Between,
}

fn class(character: char) -> Class {
    match character {
        // Texts come decomposed: accents belong to their letter, and letters of Korean words are written with spaces between the words.
        '\u{300}'..='\u{36f}' | '\u{1100}'..='\u{11ff}' => return Class::Word,
        // Voiced kana.
        '\u{3099}' | '\u{309a}' => return Class::Wide,
        _ => {}
    }
    match character.is_alphanumeric() {
        true if character.len_utf8() >= 3 => Class::Wide,
        true => Class::Word,
        false => Class::Between,
    }
}

/// Cuts a text into tokens, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    class: Class,
    /// The token that is not at its end yet: of wide characters the last one.
    token: Vec<u8>,
    /// What stands behind a word and joins it to the next character, if that is one of a word.
    connector: Option<char>,
    /// Something of this run of one class was given away already.
    is_continued: bool,
}

impl Cutter {
    /// Takes a text, or the next piece of it; `put` gets tokens.
    pub(crate) fn feed(&mut self, kind: Kind, folded: &str, put: &mut impl FnMut(&[u8])) {
        if kind.is_value() {
            folded.bytes().for_each(|octet| self.push(octet, VALUE_BYTES_MAX, put));
            return;
        }
        for character in folded.chars() {
            let class = class(character);
            if let Some(connector) = self.connector.take() {
                if class == Class::Word {
                    self.push(connector as u8, WORD_BYTES_MAX, put);
                } else {
                    self.begin(Class::Between, put);
                    self.push(connector as u8, WORD_BYTES_MAX, put);
                }
            }
            if self.class == Class::Word && class == Class::Between && CONNECTORS.contains(&character) {
                self.connector = Some(character);
                continue;
            }
            if class != self.class {
                self.begin(class, put);
            }
            let mut octets = [0; 4];
            let octets = character.encode_utf8(&mut octets).as_bytes();
            if class == Class::Wide && !self.token.is_empty() {
                let before = self.token.len();
                self.token.extend_from_slice(octets);
                put(&self.token);
                self.token.drain(..before);
                self.is_continued = true;
            } else {
                octets.iter().for_each(|octet| self.push(*octet, WORD_BYTES_MAX, put));
            }
        }
    }

    /// The text ends.
    pub(crate) fn finish(&mut self, kind: Kind, put: &mut impl FnMut(&[u8])) {
        if let Some(connector) = self.connector.take() {
            self.begin(Class::Between, put);
            self.push(connector as u8, WORD_BYTES_MAX, put);
        }
        self.give(kind.token_bytes_max(), put);
        *self = Self { token: std::mem::take(&mut self.token), ..Self::default() };
    }

    fn begin(&mut self, class: Class, put: &mut impl FnMut(&[u8])) {
        self.give(WORD_BYTES_MAX, put);
        self.class = class;
    }

    fn push(&mut self, octet: u8, bytes_max: usize, put: &mut impl FnMut(&[u8])) {
        if self.token.len() >= bytes_max {
            put(&self.token);
            self.token.drain(..bytes_max / 2);
            self.is_continued = true;
        }
        self.token.push(octet);
    }

    /// Ends a token.
    fn give(&mut self, bytes_max: usize, put: &mut impl FnMut(&[u8])) {
        // Of one that goes on, what is not longer was given away already.
        let given = match self.class {
            Class::Wide => usize::MAX,
            Class::Word | Class::Between => bytes_max / 2,
        };
        if self.token.len() > if self.is_continued { given } else { 0 } {
            put(&self.token);
        }
        self.token.clear();
        self.is_continued = false;
    }
}

/// A text that is asked for, in texts of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// Whether a text that has it has it within one token.
    pub(crate) is_exact: bool,
    /// Whether it may be within one token.
    pub(crate) is_token: bool,
    /// Where it is not exact: who has it has each of these within a token, longer ones first.
    pub(crate) pieces: Vec<Vec<u8>>,
}

impl Question {
    pub(crate) fn new(kind: Kind, folded: &str) -> Self {
        let octets_max = kind.token_bytes_max() / 2 + 1;
        let runs = if kind.is_value() { vec![(Class::Word, folded)] } else { runs(folded) };
        let is_exact = match *runs {
            [(Class::Wide, run)] => run.chars().nth(2).is_none(),
            [(Class::Word | Class::Between, run)] => run.len() <= octets_max,
            _ => false,
        };
        // At the ends a connector may be within a word.
        let mut words = runs.iter().filter(|(_, run)| !run.chars().all(|c| CONNECTORS.contains(&c)) || run.len() > 1);
        let is_token = folded.len() <= kind.token_bytes_max()
            && matches!((words.next(), words.next()), (Some((Class::Word, _)), None));
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for (class, run) in runs.iter().filter(|_| !is_exact) {
            if *class == Class::Wide {
                let ends = run.char_indices().skip(2).map(|(at, _)| at).chain([run.len()]);
                let pairs = run.char_indices().zip(ends);
                pieces.extend(pairs.filter_map(|((from, _), to)| Some(run.get(from..to)?.into())));
            } else {
                pieces.extend(run.as_bytes().chunks(octets_max).map(<[u8]>::to_vec));
            }
        }
        pieces.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        pieces.dedup();
        pieces.truncate(PIECES_MAX);
        Self { is_exact, is_token: is_exact || is_token, pieces }
    }

    /// Whether an index can say anything.
    pub(crate) fn is_worth_asking(&self) -> bool {
        self.is_exact || self.narrowing().next().is_some()
    }

    /// The pieces that few texts have, as far as their length tells.
    pub(crate) fn narrowing(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice).filter(|piece| piece.len() >= 3)
    }
}

/// The runs of characters of one class, as they are wherever the text stands; a connector at its end is by itself.
fn runs(text: &str) -> Vec<(Class, &str)> {
    let mut runs: Vec<(Class, usize, usize)> = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| class(*next));
        let is_within = next == Some(Class::Word) && CONNECTORS.contains(&character);
        let end = at + character.len_utf8();
        match (runs.last_mut(), class(character)) {
            (Some((Class::Word, _, run_end)), Class::Between) if is_within => *run_end = end,
            (Some((before, _, run_end)), class) if *before == class => *run_end = end,
            (_, class) => runs.push((class, at, end)),
        }
    }
    runs.into_iter().filter_map(|(class, from, to)| Some((class, text.get(from..to)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokens(kind: Kind, text: &str, piece_chars: usize) -> Vec<String> {
        let (mut cutter, mut tokens) = (Cutter::default(), Vec::new());
        let mut put = |token: &[u8]| tokens.push(String::from_utf8_lossy(token).into_owned());
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(piece_chars) {
            cutter.feed(kind, &String::from_iter(piece), &mut put);
        }
        cutter.finish(kind, &mut put);
        tokens
    }

    #[test]
    fn texts_are_cut_where_their_characters_change() {
        let check = |text: &str, expected: &[&str]| assert_eq!(tokens(Kind::Body, text, 1), expected, "{text}");
        check("", &[]);
        check("two words", &["two", " ", "words"]);
        check("<bob@a-b.org>.\r\n", &["<", "bob@a-b.org", ">.\r\n"]);
        check("don't.", &["don't", "."]);
        check("a--b.本語です c", &["a", "--", "b", ".", "本語", "語で", "です", " ", "c"]);
        check("本 ñ", &["本", " ", "ñ"]);
        check("cafe\u{301}s か\u{3099}き", &["cafe\u{301}s", " ", "か\u{3099}", "\u{3099}き"]);
        check("\u{1112}\u{1161}\u{11ab} a", &["\u{1112}\u{1161}\u{11ab}", " ", "a"]);
        let long = |length: usize| "x".repeat(length);
        check(&long(64), &[&long(64)]);
        check(&long(65), &[&long(64), &long(33)]);
        check(&long(97), &[&long(64), &long(64), &long(33)]);
        assert_eq!(tokens(Kind::Subject, "two words: 本語", 1), ["two words: 本語"]);
    }

    #[test]
    fn what_is_asked_for_is_cut_in_the_same_way() {
        let check = |text: &str, is_exact: bool, is_token: bool, pieces: &[&str]| {
            let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
            assert_eq!(Question::new(Kind::Body, text), Question { is_exact, is_token, pieces }, "{text}");
        };
        check("word", true, true, &[]);
        check("bob@example.org", true, true, &[]);
        check("@example.org", false, true, &["example.org", "@"]);
        check("@", true, true, &[]);
        check("two words", false, false, &["words", "two", " "]);
        check(", ", true, true, &[]);
        check("本語", true, true, &[]);
        check("本語で", false, false, &["本語", "語で"]);
        check("本語a", false, false, &["本語", "a"]);
        check(&"x".repeat(33), true, true, &[]);
        check(&"x".repeat(34), false, true, &[&"x".repeat(33), "x"]);
        assert!(Question::new(Kind::Subject, "two words").is_exact);
    }

    fn some_text() -> impl Strategy<Value = String> {
        prop_oneof!["[ab.@ -]{0,16}", "[aß.本語 ]{0,12}", "\\PC{0,16}", "[ab]{0,80}( |\\.)?[ab]{0,70}", "[. -]{0,80}"]
    }

    proptest! {
        #[test]
        fn what_stands_in_a_text_stands_in_its_tokens(
            text in some_text(),
            ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
            other in some_text(),
            piece_chars in 1..40usize,
            kind in prop_oneof![Just(Kind::Body), Just(Kind::Subject)],
        ) {
            let tokens = tokens(kind, &text, piece_chars);
            // Of octets, where characters are cut.
            let mut octets = Vec::new();
            let mut cutter = Cutter::default();
            cutter.feed(kind, &text, &mut |token| octets.push(token.to_vec()));
            cutter.finish(kind, &mut |token| octets.push(token.to_vec()));
            prop_assert_eq!(tokens.len(), octets.len());
            let is_in = |of: &[u8], what: &[u8]| what.is_empty() || of.windows(what.len()).any(|part| part == what);
            for token in &octets {
                prop_assert!(is_in(text.as_bytes(), token));
            }
            let mut bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            bounds.push(0);
            let (a, b) = (*ends.0.get(&bounds), *ends.1.get(&bounds));
            for needle in [&text[a.min(b)..a.max(b)], &other] {
                let question = Question::new(kind, needle);
                let is_there = text.contains(needle) && !needle.is_empty();
                let in_token = |what: &[u8]| octets.iter().any(|token| is_in(token, what));
                if is_there {
                    prop_assert!(question.pieces.iter().all(|piece| in_token(piece)), "{:?}", question);
                    prop_assert!(!question.is_exact || in_token(needle.as_bytes()), "{:?}", question);
                }
            }
        }
    }
}
