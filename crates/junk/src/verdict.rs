//! What counts say of a message: a score with its reasons.

use crate::counts::{Class, Counts, Seen};
use crate::features::{Feature, Features, Kind};

// The constants were chosen inside the older half of a corpus, taught in time order and tested with what came next
// (`tests/corpus.rs`).

/// A message with at least this score is junk: one wanted message of 1,435 that it was tested with reached it.
const JUNK: i32 = 490;
/// So much junk, and so much wanted mail, an owner must have taught before his filter calls anything junk; until then
/// everything teaches. In the corpus a filter that knows junk and hardly any wanted mail calls nine of ten wanted messages junk,
/// and one that knows only what every filter begins with 2 in 1,000.
const OWN_JUNK_MIN: u32 = 10;
const OWN_WANTED_MIN: u32 = 50;
/// Junk with at least this score was surely known as junk, and teaches nothing.
const SURELY_JUNK: i32 = 2000;
/// Wanted mail with at most this score was surely known as wanted. Farther from the threshold than what is surely junk: a
/// false alarm costs more than a miss.
const SURELY_WANTED: i32 = -1500;
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
/// What the handwriting of the header counts beside all the rest.
const HANDWRITING: f64 = 0.6;

/// Whether a message is junk, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The weighted mean of what its features say, and of what its handwriting does, as thousandths of the natural logarithm
    /// of the odds: 0 is even, `JUNK` is junk.
    pub score: i32,
    /// What of the score the handwriting of the header is.
    pub handwriting: i32,
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
        let said = Said::of(features, own, start);
        let (lacks_junk, lacks_wanted) = (own.handwritings().junk < OWN_JUNK_MIN, Self::lacks_wanted(own));
        // A filter that was taught before there was this, and now hears of the handwriting of junk alone, would take that of
        // all mail for it.
        let is_known = own.handwritings() == own.messages() || !lacks_junk && !lacks_wanted;
        let handwriting = if is_known { HANDWRITING * said_by_handwriting(features, own) } else { 0.0 };
        let score = said.mean + handwriting;
        let is_taught = own.messages().junk >= OWN_JUNK_MIN && own.messages().wanted >= OWN_WANTED_MIN;
        let reasons = said.reasons(features, if score < 0.0 { -1.0 } else { 1.0 });
        let threshold = is_taught.then_some(JUNK);
        Self {
            score: thousandths(score),
            handwriting: thousandths(handwriting),
            threshold,
            lacks_junk,
            lacks_wanted,
            reasons,
        }
    }

    /// Whether it is junk.
    #[must_use]
    pub fn is_junk(&self) -> bool {
        self.threshold.is_some_and(|threshold| self.score >= threshold)
    }

    /// Whether an owner has taught too little wanted mail for his filter to know all that it could.
    #[must_use]
    pub fn lacks_wanted(own: &Counts) -> bool {
        own.handwritings().wanted < OWN_WANTED_MIN
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

/// What features said that were seen before.
struct Said {
    mean: f64,
    /// The odds of each that tells something.
    telling: Vec<(f64, Feature, Seen)>,
}

impl Said {
    fn of(features: &Features, own: &Counts, start: &Counts) -> Self {
        let messages = own.messages() + start.messages();
        let telling = |feature: &Feature| {
            let seen = own.seen(feature.hash) + start.seen(feature.hash);
            odds(seen, messages).map(|odds| (odds, *feature, seen))
        };
        let telling: Vec<_> = features.list().iter().filter_map(telling).collect();
        let weight = |feature: &Feature| if feature.kind == Kind::Pair { PAIR } else { 1.0 };
        let sum: f64 = telling.iter().map(|(odds, feature, _)| weight(feature) * odds).sum();
        let weights: f64 = telling.iter().map(|(_, feature, _)| weight(feature)).sum();
        Self { mean: sum / (weights + EVIDENCE), telling }
    }

    /// What said most for a side: 1 junk, -1 wanted.
    fn reasons(mut self, features: &Features, side: f64) -> Vec<Reason> {
        self.telling.sort_by(|(a, _, _), (b, _, _)| (b * side).total_cmp(&(a * side)));
        self.telling.truncate(REASONS_MAX);
        let reasons = self.telling.into_iter().filter(|(odds, _, _)| odds * side > 0.0);
        reasons.map(|(_, feature, seen)| Reason { words: features.words(feature).to_owned(), seen }).collect()
    }
}

/// The mean of what the octets of a header say.
fn said_by_handwriting(features: &Features, own: &Counts) -> f64 {
    let odds =
        features.handwriting().unwrap_or_default().iter().filter_map(|hash| odds(own.seen(*hash), own.handwritings()));
    let (count, sum) = odds.fold((0.0, 0.0), |(count, sum), odds| (count + 1.0, sum + odds));
    sum / (count + EVIDENCE)
}

/// The natural logarithm of the odds that what was seen so often in so many messages says junk; `None`: it says nothing.
fn odds(seen: Seen, messages: Seen) -> Option<f64> {
    let n = f64::from(seen.wanted + seen.junk);
    if n == 0.0 {
        return None;
    }
    let (h, s) = (
        f64::from(seen.wanted) / f64::from(messages.wanted.max(1)),
        f64::from(seen.junk) / f64::from(messages.junk.max(1)),
    );
    // Gary Robinson's f(w): the share of junk, drawn to the middle as long as little was seen.
    let share = (DOUBT * 0.5 + n * (s / (h + s))) / (DOUBT + n);
    ((share - 0.5).abs() >= TELLS).then(|| (share / (1.0 - share)).ln())
}

fn thousandths(score: f64) -> i32 {
    (score * 1000.0).round() as i32
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

    fn letter(program: &str, text: &str) -> Features {
        let content = format!("Message-ID: <{program}@x>\r\nMIME-version: 1.0\r\nSubject: {text}\r\n\r\n{text}\r\n");
        Features::of(content.as_bytes(), Facts::default())
    }

    #[test]
    fn a_header_that_is_written_as_junk_is_says_junk_whatever_the_words_are() {
        let (mut own, start) = (Counts::default(), Counts::default());
        for n in 0..OWN_WANTED_MIN {
            own.learn(&letter("QZX$KWV%", &format!("one{n}")), Class::Junk, Learn::Add);
            own.learn(&letter("abcdefgh", &format!("two{n}")), Class::Wanted, Learn::Add);
        }
        let of = |program| Verdict::of(&letter(program, "never seen before"), &own, &start);
        let (junk, wanted, unknown) = (of("aaQZX$KWV%aa"), of("bbabcdefghbb"), of("12345"));
        assert!(junk.handwriting > 200 && wanted.handwriting < -200, "{junk:?} {wanted:?}");
        assert_eq!(unknown.handwriting, 0);
        assert!(junk.score - wanted.score >= junk.handwriting - wanted.handwriting);
    }

    #[test]
    fn a_filter_of_before_does_not_take_all_mail_for_junk_because_of_its_first_lessons_in_handwriting() {
        let (mut own, start) = (Counts::default(), Counts::default());
        for n in 0..OWN_WANTED_MIN {
            let (junk, wanted) = (letter("QZX$KWV%", &format!("pills{n}")), letter("abcdefgh", &format!("garden{n}")));
            own.learn(&junk.without_handwriting(), Class::Junk, Learn::Add);
            own.learn(&wanted.without_handwriting(), Class::Wanted, Learn::Add);
        }
        let of = |own: &Counts| Verdict::of(&letter("aaQZX$KWV%aa", "never seen before"), own, &start);
        let teach = |own: &mut Counts, class| own.learn(&letter("QZX$KWV%", "new"), class, Learn::Add);
        assert!(of(&own).threshold.is_some() && of(&own).teaches(Class::Junk) && of(&own).teaches(Class::Wanted));
        (0..OWN_JUNK_MIN).for_each(|_| teach(&mut own, Class::Junk));
        (1..OWN_WANTED_MIN).for_each(|_| own.learn(&letter("abcdefgh", "new"), Class::Wanted, Learn::Add));
        assert_eq!((of(&own).handwriting, Verdict::lacks_wanted(&own)), (0, true));
        own.learn(&letter("abcdefgh", "new"), Class::Wanted, Learn::Add);
        assert!(of(&own).handwriting > 200 && !Verdict::lacks_wanted(&own), "{:?}", of(&own));
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
