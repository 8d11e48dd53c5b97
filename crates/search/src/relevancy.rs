//! How well what was found fits (RFC 6203 §4): BM25 over the words of FUZZY tests, made percentages of the best.

use crate::fuzzy::Tally;

/// So many words and phrases count; others are found, and do not.
pub(crate) const TERMS_MAX: usize = 16;

/// How soon more occurrences count for little.
const SATURATION: f32 = 1.2;
/// How much a long text counts for less.
const LENGTH_COUNTS: f32 = 0.75;
/// An occurrence, as [`Tally`] counts.
const OCCURRENCE: f32 = 8.0;

/// What is known of each message that was found.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    numbers: Vec<u32>,
    lengths: Vec<u32>,
    /// Of each message so many as there are terms.
    counts: Vec<u8>,
    terms: usize,
}

/// How well messages fit, from 1 to 100.
#[derive(Clone, Debug, Default)]
pub struct Relevancy {
    numbers: Vec<u32>,
    scores: Vec<u8>,
}

impl Evidence {
    pub(crate) fn new(terms: usize) -> Self {
        Self { terms: terms.min(TERMS_MAX), ..Self::default() }
    }

    /// A message, above all before; what it says of all FUZZY tests, in their order.
    pub(crate) fn add(&mut self, number: u32, tally: &Tally) {
        self.numbers.push(number);
        self.lengths.push(tally.length);
        let counts = tally.counts.iter().copied().chain(std::iter::repeat(0));
        self.counts.extend(counts.take(self.terms));
    }

    /// `messages`: how many were looked through.
    pub(crate) fn relevancy(&self, messages: usize) -> Relevancy {
        let numbers = self.numbers.clone();
        let found = numbers.len() as f32;
        let mean = (self.lengths.iter().map(|length| *length as f32).sum::<f32>() / found).max(1.0);
        let rarity: Vec<f32> = (0..self.terms)
            .map(|term| {
                let having =
                    self.counts.iter().skip(term).step_by(self.terms).filter(|count| **count > 0).count() as f32;
                (1.0 + (messages as f32 - having).max(0.0) / (having + 0.5)).ln() + 0.1
            })
            .collect();
        let of_message = |(at, length): (usize, &u32)| {
            let counts = self.counts.get(at * self.terms..(at + 1) * self.terms).unwrap_or_default();
            let length = 1.0 - LENGTH_COUNTS + LENGTH_COUNTS * *length as f32 / mean;
            let terms = counts.iter().zip(&rarity).map(|(count, rarity)| {
                let times = f32::from(*count) / OCCURRENCE;
                rarity * times * (SATURATION + 1.0) / (times + SATURATION * length)
            });
            terms.sum::<f32>()
        };
        let raw: Vec<f32> = self.lengths.iter().enumerate().map(of_message).collect();
        let best = raw.iter().copied().fold(0.0, f32::max);
        // Where nothing was fuzzy, all fit.
        let score = |raw: f32| if best > 0.0 { (raw / best * 100.0).round().clamp(1.0, 100.0) as u8 } else { 100 };
        Relevancy { scores: raw.into_iter().map(score).collect(), numbers }
    }
}

impl Relevancy {
    /// How well the message with this number fits, from 1 to 100; the least if it was not found.
    #[must_use]
    pub fn of(&self, number: u32) -> u8 {
        let found = self.numbers.binary_search(&number).ok();
        found.and_then(|at| self.scores.get(at)).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_better_has_the_higher_score() {
        let scores = |messages: &[(&[u8], u32)]| {
            let mut evidence = Evidence::new(2);
            for (number, (counts, length)) in (1..).zip(messages) {
                evidence.add(number, &Tally { counts: counts.to_vec(), length: *length });
            }
            let relevancy = evidence.relevancy(1000);
            (1..=messages.len() as u32).map(|number| relevancy.of(number)).collect::<Vec<u8>>()
        };
        assert_eq!(scores(&[]), []);
        assert_eq!(scores(&[(&[8, 0], 10)]), [100]);
        assert_eq!(scores(&[(&[], 0), (&[], 0)]), [100, 100]);
        let [often, seldom, wrong] = scores(&[(&[24, 0], 10), (&[8, 0], 10), (&[4, 0], 10)])[..] else { panic!() };
        assert!(often == 100 && often > seldom && seldom > wrong && wrong > 1);
        let [short, long] = scores(&[(&[8, 0], 10), (&[8, 0], 1000)])[..] else { panic!() };
        assert!(short > long);
        // The second word is rarer.
        let [one, other, third] = scores(&[(&[8, 0], 10), (&[0, 8], 10), (&[8, 0], 10)])[..] else { panic!() };
        assert!(other > one && one == third);
        assert_eq!(Relevancy::default().of(7), 1);
    }

    #[test]
    fn terms_beyond_their_bound_do_not_count() {
        let mut evidence = Evidence::new(TERMS_MAX + 1);
        evidence.add(1, &Tally { counts: vec![8; TERMS_MAX + 1], length: 1 });
        assert_eq!(evidence.counts.len(), TERMS_MAX);
    }
}
