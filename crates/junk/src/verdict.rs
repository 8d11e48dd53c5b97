//! What counts say of a message: a score with its reasons.

use crate::counts::{Class, Counts, Seen};
use crate::features::{Feature, Features, Kind};

// The constants were chosen inside the older half of a corpus, taught in time order and tested with what came next
// (`tests/corpus.rs`).

/// A message with at least this score is junk: no wanted message that it was tested with reached it.
const JUNK: i32 = 480;
/// So much junk, and so much wanted mail, an owner must have taught before his filter calls anything junk; until then
/// everything teaches. In the corpus a filter that knows junk and hardly any wanted mail calls nine of ten wanted messages junk,
/// and one that knows only what every filter begins with 2 in 1,000.
const OWN_JUNK_MIN: u32 = 10;
const OWN_WANTED_MIN: u32 = 50;
/// Junk with at least this score was surely known as junk, and teaches nothing.
const SURELY_JUNK: i32 = 1400;
/// Wanted mail with at most this score was surely known as wanted. Farther from the threshold than what is surely junk: a
/// false alarm costs more than a miss.
const SURELY_WANTED: i32 = -1000;
/// So many reasons a verdict gives at most.
const REASONS_MAX: usize = 6;
/// How many messages a feature that was never seen counts as having been seen in, with even odds.
const DOUBT: f64 = 1.0;
/// A feature whose odds are about even tells nothing. As a distance from 0.5.
const TELLS: f64 = 0.15;
/// A message of which less is known keeps nearer to zero.
const EVIDENCE: f64 = 12.0;
/// What a pair of words counts. There are three times as many of them as of words, and they say nearly the same.
const PAIR: f64 = 0.3;

/// Whether a message is junk, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The weighted mean of what its features say, as thousandths of the natural logarithm of the odds: 0 is even, `JUNK` is junk.
    pub score: i32,
    /// From which score on a message is junk; none where the filter was taught too little to call anything junk.
    pub threshold: Option<i32>,
    lacks_junk: bool,
    lacks_wanted: bool,
    /// What said most, for the side that the score is on.
    pub reasons: Vec<Reason>,
}

/// A feature that a verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What it is, for people.
    pub words: String,
    /// In how many messages it was seen.
    pub seen: Seen,
}

impl Verdict {
    /// Judges a message by what its recipient has taught, on top of what every filter begins with.
    #[must_use]
    pub fn of(features: &Features, own: &Counts, start: &Counts) -> Self {
        let (a, b) = (own.messages(), start.messages());
        let wanted = f64::from(a.wanted + b.wanted).max(1.0);
        let junk = f64::from(a.junk + b.junk).max(1.0);
        let mut telling = Vec::new();
        for feature in features.list() {
            let (a, b) = (own.seen(feature.hash), start.seen(feature.hash));
            let seen = Seen { wanted: a.wanted + b.wanted, junk: a.junk + b.junk };
            let n = f64::from(seen.wanted + seen.junk);
            if n == 0.0 {
                continue;
            }
            let (h, s) = (f64::from(seen.wanted) / wanted, f64::from(seen.junk) / junk);
            // Gary Robinson's f(w): the share of junk, drawn to the middle as long as little was seen.
            let share = (DOUBT * 0.5 + n * (s / (h + s))) / (DOUBT + n);
            if (share - 0.5).abs() >= TELLS {
                telling.push(((share / (1.0 - share)).ln(), *feature, seen));
            }
        }
        let weight = |feature: &Feature| if feature.kind == Kind::Pair { PAIR } else { 1.0 };
        let sum: f64 = telling.iter().map(|(odds, feature, _)| weight(feature) * odds).sum();
        let weights: f64 = telling.iter().map(|(_, feature, _)| weight(feature)).sum();
        let score = sum / (weights + EVIDENCE);
        let side = if score < 0.0 { -1.0 } else { 1.0 };
        telling.sort_by(|(a, _, _), (b, _, _)| (b * side).total_cmp(&(a * side)));
        telling.truncate(REASONS_MAX);
        let reasons = telling.into_iter().filter(|(odds, _, _)| odds * side > 0.0);
        let reasons =
            reasons.map(|(_, feature, seen)| Reason { words: features.words(feature).to_owned(), seen }).collect();
        let (lacks_junk, lacks_wanted) = (a.junk < OWN_JUNK_MIN, Self::lacks_wanted(own));
        let threshold = (!lacks_junk && !lacks_wanted).then_some(JUNK);
        Self { score: (score * 1000.0).round() as i32, threshold, lacks_junk, lacks_wanted, reasons }
    }

    /// Whether it is junk.
    #[must_use]
    pub fn is_junk(&self) -> bool {
        self.threshold.is_some_and(|threshold| self.score >= threshold)
    }

    /// Whether an owner has taught too little wanted mail for his filter to call anything junk.
    #[must_use]
    pub fn lacks_wanted(own: &Counts) -> bool {
        own.messages().wanted < OWN_WANTED_MIN
    }

    /// Whether a message that its recipient says is of this class is to be learnt: the filter erred, was not sure, or
    /// knows too few of them.
    #[must_use]
    pub fn teaches(&self, class: Class) -> bool {
        match class {
            Class::Junk => self.lacks_junk || self.score < SURELY_JUNK,
            Class::Wanted => self.lacks_wanted || self.score > SURELY_WANTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Learn;
    use crate::features::Facts;

    fn features(text: &str) -> Features {
        Features::of(
            format!("From: Some Body <a@b.example>\r\nSubject: {text}\r\n\r\n{text}\r\n").as_bytes(),
            Facts::default(),
        )
    }

    /// Counts of a person who has taught both classes in this way.
    fn taught() -> Counts {
        let mut counts = Counts::default();
        for n in 0..OWN_WANTED_MIN {
            counts.learn(&features(&format!("cheap pills order now discount {n}")), Class::Junk, Learn::Add);
            counts.learn(&features(&format!("minutes of our meeting about the garden {n}")), Class::Wanted, Learn::Add);
        }
        counts
    }

    #[test]
    fn what_was_taught_is_recognised_and_said() {
        let (own, start) = (taught(), Counts::default());
        let junk = Verdict::of(&features("order cheap pills"), &own, &start);
        assert!(junk.is_junk() && junk.reasons.iter().any(|reason| reason.words.contains("pills")), "{junk:?}");
        let wanted = Verdict::of(&features("our next meeting about the garden"), &own, &start);
        assert!(wanted.score < 0 && wanted.reasons.iter().any(|reason| reason.words.contains("meeting")), "{wanted:?}");
        assert!(!junk.teaches(Class::Junk) && junk.teaches(Class::Wanted));
        assert!(!wanted.teaches(Class::Wanted) && wanted.teaches(Class::Junk));
    }

    #[test]
    fn a_filter_that_was_taught_too_little_calls_nothing_junk() {
        for (lacking, mail) in [(Class::Junk, OWN_JUNK_MIN), (Class::Wanted, OWN_WANTED_MIN)] {
            let mut own = Counts::default();
            let mut teach = |class, text: &str, times: u32| {
                (0..times).for_each(|n| own.learn(&features(&format!("{text} {n}")), class, Learn::Add));
                Verdict::of(&features("order cheap pills"), &own, crate::start::start())
            };
            let (junk, wanted) = ("cheap pills order now discount", "minutes of our meeting about the garden");
            let text = |class| if class == Class::Junk { junk } else { wanted };
            let other = if lacking == Class::Junk { Class::Wanted } else { Class::Junk };
            teach(other, text(other), 100);
            let before = teach(lacking, text(lacking), mail - 1);
            assert!(!before.is_junk() && before.threshold.is_none() && before.teaches(lacking), "{before:?}");
            assert!(teach(lacking, text(lacking), 1).is_junk());
        }
    }

    #[test]
    fn a_filter_that_knows_nothing_says_nothing() {
        let verdict = Verdict::of(&features("anything"), &Counts::default(), &Counts::default());
        assert!(verdict.score == 0 && !verdict.is_junk() && verdict.reasons.is_empty());
        assert!(verdict.teaches(Class::Junk) && verdict.teaches(Class::Wanted));
    }

    #[test]
    fn what_one_person_teaches_changes_no_verdict_of_another() {
        let (mut poisoned, other, start) = (taught(), taught(), start_counts());
        let before = Verdict::of(&features("minutes of our meeting"), &other, &start);
        for _ in 0..1000 {
            poisoned.learn(&features("minutes of our meeting"), Class::Junk, Learn::Add);
        }
        assert_eq!(Verdict::of(&features("minutes of our meeting"), &other, &start), before);
        assert!(Verdict::of(&features("minutes of our meeting"), &poisoned, &start).score > before.score);
    }

    fn start_counts() -> Counts {
        crate::start::start().clone()
    }
}
