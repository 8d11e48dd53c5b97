//! What was found in a large message so far, by each test that looks into all of it.

use crate::condition::Condition;
use crate::fuzzy::{Tally, Words};
use crate::large::Piece;
use message::fold::Needle;
use message::text::Scope;
use std::cell::RefCell;

/// The tests of a condition that look into a message, and what each has found in it.
#[derive(Debug)]
pub(crate) struct Answers {
    texts: Vec<(Scope, Needle, bool)>,
    words: Vec<(Scope, Words, Tally)>,
    /// All of the message was looked at.
    is_end: bool,
}

impl Answers {
    /// Nothing was found yet.
    pub(crate) fn to(condition: &Condition) -> Self {
        let answers = RefCell::new(Self { texts: Vec::new(), words: Vec::new(), is_end: false });
        condition.any(&|test| {
            answers.borrow_mut().note(test);
            false
        });
        answers.into_inner()
    }

    fn note(&mut self, test: &Condition) {
        if let Condition::Text(scope, needle) = test
            && self.text(*scope, needle).is_none()
        {
            self.texts.push((*scope, needle.clone(), false));
        }
        if let Condition::Fuzzy(words, place) = test
            && let Condition::Text(scope, _) = **place
            && self.tally(scope, words).is_none()
        {
            self.words.push((scope, words.clone(), Tally::default()));
        }
    }

    /// Windows that have so many octets in common miss nothing.
    pub(crate) fn overlap(&self) -> usize {
        self.texts.iter().map(|(_, needle, _)| needle.source_bytes_max()).max().unwrap_or(0)
    }

    /// Looks at the next piece; whether something is known then that was not.
    pub(crate) fn take(&mut self, piece: &Piece<'_>) -> bool {
        let (all, new, is_head) = match piece {
            Piece::Head(text) => (*text, *text, true),
            Piece::Text { window, new_at, .. } => (*window, window.get(*new_at..).unwrap_or_default(), false),
            Piece::End => return false,
        };
        let is_there = |scope: Scope| !is_head || scope == Scope::Everything;
        let mut is_news = false;
        for (_, needle, found) in self.texts.iter_mut().filter(|(scope, _, found)| is_there(*scope) && !found) {
            *found = needle.is_in(all);
            is_news |= *found;
        }
        for (_, words, tally) in self.words.iter_mut().filter(|(scope, ..)| is_there(*scope)) {
            let before = words.are_in(tally);
            words.count(new, tally);
            is_news |= words.are_in(tally) != before;
        }
        is_news
    }

    /// All of the message was looked at.
    pub(crate) fn end(&mut self) {
        self.is_end = true;
    }

    /// Whether a text is in the message, as far as that is known.
    pub(crate) fn has(&self, scope: Scope, needle: &Needle) -> Option<bool> {
        self.text(scope, needle).filter(|found| *found || self.is_end)
    }

    /// Whether nearly these words are in it, as far as that is known.
    pub(crate) fn has_nearly(&self, scope: Scope, words: &Words) -> Option<bool> {
        self.tally(scope, words).map(|tally| words.are_in(tally)).filter(|found| *found || self.is_end)
    }

    /// What of these words was found so far.
    pub(crate) fn tally(&self, scope: Scope, words: &Words) -> Option<&Tally> {
        self.words.iter().find(|(of, others, _)| *of == scope && others.are_those_of(words)).map(|(.., tally)| tally)
    }

    fn text(&self, scope: Scope, needle: &Needle) -> Option<bool> {
        let is_it = |(of, other, _): &&(Scope, Needle, bool)| *of == scope && other.folded() == needle.folded();
        self.texts.iter().find(is_it).map(|(.., found)| *found)
    }
}
