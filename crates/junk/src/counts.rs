//! In how many wanted messages and in how much junk a feature was seen. A table of bounded size, in pages that are stored one
//! by one; when a page is full pairs of words that were seen once go first, and old experience fades.

use crate::features::Features;
use std::ops::Add;

/// The pages of a table; a feature belongs to one of them.
pub const PAGES: usize = 128;
/// A page has at most so many features: a table takes less than 2 MiB. With half of it 1 % less junk is caught in the corpus.
const PAGE_CELLS_MAX: usize = 2048;
/// After so many messages of one class all counts are halved: what is new counts more, and no count overflows.
const MESSAGES_MAX: u32 = 8000;
/// When a page is full, so much of it is emptied.
const PAGE_CELLS_FREED: usize = PAGE_CELLS_MAX / 8;
/// What was seen once is worth as much as a pair of words that was seen so often. There are three times as many pairs as there is
/// of everything else, and a verdict hears them less.
const WORTH_PAIRS: u32 = 3;
/// Octets of a feature in a page: 24 bits that tell it from the others of the page, and two counts.
const CELL_BYTES: usize = 7;
/// A bit beside the first count: the feature is a pair of words. Counts are far below it ([`MESSAGES_MAX`]); pages of before have
/// it nowhere, and get it where a pair is seen again.
const PAIR: u16 = 1 << 15;
/// Of a word or pair no more is counted.
const COUNT_MAX: u16 = PAIR - 1;

/// What a message is to its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Mail.
    Wanted,
    /// Unwanted.
    Junk,
}

/// Whether a message is counted, or is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learn {
    /// It is counted.
    Add,
    /// It was counted, and is not any more.
    Remove,
}

/// How often something was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// In wanted messages.
    pub wanted: u32,
    /// In junk.
    pub junk: u32,
}

impl Add for Seen {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wanted: self.wanted + other.wanted, junk: self.junk + other.junk }
    }
}

impl Seen {
    fn count(&mut self, class: Class, learn: Learn) -> u32 {
        let count = match class {
            Class::Wanted => &mut self.wanted,
            Class::Junk => &mut self.junk,
        };
        *count = match learn {
            Learn::Add => count.saturating_add(1),
            Learn::Remove => count.saturating_sub(1),
        };
        *count
    }

    fn half(self) -> Self {
        Self { wanted: self.wanted / 2, junk: self.junk / 2 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    print: u32,
    is_pair: bool,
    wanted: u16,
    junk: u16,
}

impl Cell {
    fn seen(&self) -> u32 {
        u32::from(self.wanted) + u32::from(self.junk)
    }

    /// What is worth least goes first.
    fn worth(&self) -> u32 {
        if self.is_pair { self.seen() } else { self.seen() * WORTH_PAIRS }
    }
}

/// Counts of features.
#[derive(Clone, Debug)]
pub struct Counts {
    messages: Seen,
    /// Those of them whose handwriting was learnt.
    handwritings: Seen,
    /// Each in the order of its prints.
    pages: Vec<Vec<Cell>>,
    changed: [bool; PAGES],
}

/// Bytes that are no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPage;

impl Default for Counts {
    fn default() -> Self {
        Self {
            messages: Seen::default(),
            handwritings: Seen::default(),
            pages: vec![Vec::new(); PAGES],
            changed: [false; PAGES],
        }
    }
}

impl Counts {
    /// Counts of so many messages, so many of them with their handwriting; without features yet.
    #[must_use]
    pub fn of_messages(messages: Seen, handwritings: Seen) -> Self {
        Self { messages, handwritings, ..Self::default() }
    }

    /// Puts a page that [`Self::page`] gave into its place.
    ///
    /// # Errors
    /// [`NoPage`].
    pub fn set_page(&mut self, number: usize, bytes: &[u8]) -> Result<(), NoPage> {
        let (cells, []) = bytes.as_chunks::<CELL_BYTES>() else { return Err(NoPage) };
        let cell = |&[a, b, c, d, e, f, g]: &[u8; CELL_BYTES]| Cell {
            print: u32::from_be_bytes([0, a, b, c]),
            is_pair: u16::from_be_bytes([d, e]) & PAIR != 0,
            wanted: u16::from_be_bytes([d, e]) & COUNT_MAX,
            junk: u16::from_be_bytes([f, g]) & COUNT_MAX,
        };
        let cells: Vec<Cell> = cells.iter().map(cell).collect();
        if cells.len() > PAGE_CELLS_MAX || !cells.is_sorted_by(|a, b| a.print < b.print) {
            return Err(NoPage);
        }
        *self.pages.get_mut(number).ok_or(NoPage)? = cells;
        Ok(())
    }

    /// A page as it is stored; empty: it has nothing.
    #[must_use]
    pub fn page(&self, number: usize) -> Vec<u8> {
        let cells = self.pages.get(number).map(Vec::as_slice).unwrap_or_default();
        let mut bytes = Vec::with_capacity(cells.len() * CELL_BYTES);
        for cell in cells {
            bytes.extend_from_slice(cell.print.to_be_bytes().get(1..).unwrap_or_default());
            let wanted = cell.wanted | if cell.is_pair { PAIR } else { 0 };
            bytes.extend_from_slice(&wanted.to_be_bytes());
            bytes.extend_from_slice(&cell.junk.to_be_bytes());
        }
        bytes
    }

    /// The pages that are not as they were read.
    pub fn changed(&self) -> impl Iterator<Item = usize> {
        (0..PAGES).filter(|number| self.changed.get(*number).copied().unwrap_or(false))
    }

    /// How many messages were learnt.
    #[must_use]
    pub fn messages(&self) -> Seen {
        self.messages
    }

    /// In how many of them it was learnt how the header is written.
    #[must_use]
    pub fn handwritings(&self) -> Seen {
        self.handwritings
    }

    /// Counts a message, or no longer.
    pub fn learn(&mut self, features: &Features, class: Class, learn: Learn) {
        let total = self.messages.count(class, learn);
        if features.handwriting().is_some() {
            self.handwritings.count(class, learn);
        }
        let fades = total > MESSAGES_MAX;
        for (hash, is_pair) in features.hashes() {
            self.count((hash, is_pair), class, learn);
        }
        if fades {
            self.fade();
        }
    }

    pub(crate) fn seen(&self, hash: u64) -> Seen {
        let (number, print) = place(hash);
        let page = self.pages.get(number).map(Vec::as_slice).unwrap_or_default();
        match page.binary_search_by_key(&print, |cell| cell.print).ok().and_then(|at| page.get(at)) {
            Some(cell) => Seen { wanted: cell.wanted.into(), junk: cell.junk.into() },
            None => Seen::default(),
        }
    }

    fn count(&mut self, (hash, is_pair): (u64, bool), class: Class, learn: Learn) {
        let (number, print) = place(hash);
        let (Some(page), Some(changed)) = (self.pages.get_mut(number), self.changed.get_mut(number)) else { return };
        let at = match (page.binary_search_by_key(&print, |cell| cell.print), learn) {
            (Ok(at), _) => at,
            (Err(_), Learn::Remove) => return,
            (Err(_), Learn::Add) => {
                if page.len() >= PAGE_CELLS_MAX {
                    make_room(page);
                }
                let at = page.partition_point(|cell| cell.print < print);
                page.insert(at, Cell { print, is_pair, wanted: 0, junk: 0 });
                at
            }
        };
        *changed = true;
        let Some(cell) = page.get_mut(at) else { return };
        cell.is_pair = is_pair;
        let count = match class {
            Class::Wanted => &mut cell.wanted,
            Class::Junk => &mut cell.junk,
        };
        *count = match learn {
            Learn::Add => count.saturating_add(1).min(COUNT_MAX),
            Learn::Remove => count.saturating_sub(1),
        };
        if cell.wanted == 0 && cell.junk == 0 {
            page.remove(at);
        }
    }

    fn fade(&mut self) {
        (self.messages, self.handwritings) = (self.messages.half(), self.handwritings.half());
        self.changed = [true; PAGES];
        for page in &mut self.pages {
            for cell in page.iter_mut() {
                (cell.wanted, cell.junk) = (cell.wanted / 2, cell.junk / 2);
            }
            page.retain(|cell| cell.seen() > 0);
        }
    }
}

/// The page of a feature, and what tells it from others there.
fn place(hash: u64) -> (usize, u32) {
    ((hash >> 57) as usize, (hash >> 24 & 0x00ff_ffff) as u32)
}

/// Of those that are worth least, every second goes, so it does not matter when they came; until there is room for many.
fn make_room(page: &mut Vec<Cell>) {
    while page.len() > PAGE_CELLS_MAX - PAGE_CELLS_FREED {
        let least = page.iter().map(Cell::worth).min().unwrap_or(0);
        let mut nth = 0_usize;
        page.retain(|cell| {
            nth += usize::from(cell.worth() == least);
            cell.worth() != least || nth.is_multiple_of(2)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Facts;

    fn features(text: &str) -> Features {
        Features::of(format!("Subject: {text}\r\n\r\n{text}\r\n").as_bytes(), Facts::default())
    }

    fn pages(counts: &Counts) -> Vec<Vec<u8>> {
        (0..PAGES).map(|number| counts.page(number)).collect()
    }

    #[test]
    fn to_learn_and_to_unlearn_leaves_nothing() {
        let mut counts = Counts::default();
        counts.learn(&features("one two three"), Class::Junk, Learn::Add);
        let state = |counts: &Counts| (counts.messages(), counts.handwritings(), pages(counts));
        let before = state(&counts);
        for features in [features("three four"), features("three four").without_handwriting()] {
            counts.learn(&features, Class::Wanted, Learn::Add);
            assert_ne!(before.2, pages(&counts));
            counts.learn(&features, Class::Wanted, Learn::Remove);
            assert_eq!(before, state(&counts));
        }
        counts.learn(&features("one two three"), Class::Junk, Learn::Remove);
        counts.learn(&features("never learnt"), Class::Junk, Learn::Remove);
        assert_eq!((counts.messages(), pages(&counts)), (Seen::default(), pages(&Counts::default())));
    }

    #[test]
    fn pages_are_read_as_they_were_written() {
        let mut counts = Counts::default();
        counts.learn(&features("one two three four five"), Class::Junk, Learn::Add);
        let mut read = Counts::of_messages(counts.messages(), counts.handwritings());
        for number in counts.changed() {
            read.set_page(number, &counts.page(number)).unwrap();
        }
        assert_eq!(pages(&read), pages(&counts));
        assert_eq!(read.changed().count(), 0);
        for bad in [&[0; 6][..], &[0; 14], &[1; 7 * 4000]] {
            assert_eq!(read.set_page(0, bad), Err(NoPage));
        }
        assert_eq!(read.set_page(PAGES, &[]), Err(NoPage));
    }

    #[test]
    fn a_full_page_forgets_what_was_seen_once_and_keeps_the_rest() {
        let mut counts = Counts::default();
        // All on the first page.
        let hash = |n: u64| n << 24;
        (0..10).for_each(|_| counts.count((hash(0), false), Class::Junk, Learn::Add));
        (0..3 * PAGE_CELLS_MAX as u64).for_each(|n| counts.count((hash(n), false), Class::Wanted, Learn::Add));
        let cells = counts.page(0).len() / CELL_BYTES;
        assert!(cells <= PAGE_CELLS_MAX && cells > PAGE_CELLS_MAX / 3, "{cells}");
        assert_eq!(counts.seen(hash(0)), Seen { wanted: 1, junk: 10 });
    }

    #[test]
    fn pairs_that_come_once_push_no_words_out() {
        let mut counts = Counts::default();
        // All on the first page: a quarter of it words, and then pairs without end.
        let (hash, words) = (|n: u64| n << 24, PAGE_CELLS_MAX as u64 / 4);
        (0..words).for_each(|n| counts.count((hash(n), false), Class::Junk, Learn::Add));
        for n in words..20 * words {
            counts.count((hash(n), true), Class::Wanted, Learn::Add);
            assert!(counts.page(0).len() / CELL_BYTES <= PAGE_CELLS_MAX);
        }
        assert!((0..words).all(|n| counts.seen(hash(n)) == Seen { wanted: 0, junk: 1 }));
        // A pair that came as often as it is worth stays as words do.
        let pair = hash(30 * words);
        (0..WORTH_PAIRS).for_each(|_| counts.count((pair, true), Class::Wanted, Learn::Add));
        (31 * words..40 * words).for_each(|n| counts.count((hash(n), true), Class::Wanted, Learn::Add));
        assert_eq!(counts.seen(pair), Seen { wanted: WORTH_PAIRS, junk: 0 });
    }

    /// Pages of before say of nothing that it is a pair.
    #[test]
    fn pages_of_before_are_read_and_pairs_in_them_known_when_they_come_again() {
        let (cell, count) = ([0, 0, 1, 0, 2, 0x1f, 0x40], (1 << 24, true));
        let mut counts = Counts::default();
        counts.set_page(0, &cell).unwrap();
        assert_eq!((counts.page(0), counts.seen(1 << 24)), (cell.to_vec(), Seen { wanted: 2, junk: 8000 }));
        counts.count(count, Class::Wanted, Learn::Add);
        assert_eq!(counts.page(0), [0, 0, 1, 0x80, 3, 0x1f, 0x40]);
        let mut read = Counts::default();
        read.set_page(0, &counts.page(0)).unwrap();
        assert_eq!((read.page(0), read.seen(1 << 24)), (counts.page(0), Seen { wanted: 3, junk: 8000 }));
    }

    #[test]
    fn old_experience_fades() {
        let mut counts = Counts::default();
        let message = features("one two");
        (0..MESSAGES_MAX).for_each(|_| counts.learn(&message, Class::Junk, Learn::Add));
        assert_eq!(counts.messages().junk, MESSAGES_MAX);
        counts.learn(&message, Class::Junk, Learn::Add);
        let (hash, _) = message.hashes().next().unwrap();
        assert_eq!((counts.messages().junk, counts.seen(hash).junk), (MESSAGES_MAX / 2, MESSAGES_MAX / 2));
    }
}
