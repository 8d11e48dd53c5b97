//! In how many wanted messages and in how much junk a feature was seen. A table of bounded size, in pages that are stored one
//! by one; what was seen once goes first when a page is full, and old experience fades.

use crate::features::Features;
use std::ops::Add;

/// The pages of a table; a feature belongs to one of them.
pub const PAGES: usize = 128;
/// A page has at most so many features: a table takes less than 2 MiB. With half of it 1 % less junk is caught in the corpus.
const PAGE_CELLS_MAX: usize = 2048;
/// After so many messages of one class all counts are halved: what is new counts more, and no count overflows.
const MESSAGES_MAX: u32 = 8000;
/// Octets of a feature in a page: 24 bits that tell it from the others of the page, and two counts.
const CELL_BYTES: usize = 7;

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
    wanted: u16,
    junk: u16,
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
            wanted: u16::from_be_bytes([d, e]),
            junk: u16::from_be_bytes([f, g]),
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
            bytes.extend_from_slice(&cell.wanted.to_be_bytes());
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
        for hash in features.hashes() {
            self.count(hash, class, learn);
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

    fn count(&mut self, hash: u64, class: Class, learn: Learn) {
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
                page.insert(at, Cell { print, wanted: 0, junk: 0 });
                at
            }
        };
        *changed = true;
        let Some(cell) = page.get_mut(at) else { return };
        let count = match class {
            Class::Wanted => &mut cell.wanted,
            Class::Junk => &mut cell.junk,
        };
        *count = match learn {
            Learn::Add => count.saturating_add(1),
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
            page.retain(|cell| cell.wanted + cell.junk > 0);
        }
    }
}

/// The page of a feature, and what tells it from others there.
fn place(hash: u64) -> (usize, u32) {
    ((hash >> 57) as usize, (hash >> 24 & 0x00ff_ffff) as u32)
}

/// Of those that were seen least, every second goes; so it does not matter when they came.
fn make_room(page: &mut Vec<Cell>) {
    let of = |cell: &Cell| u32::from(cell.wanted) + u32::from(cell.junk);
    let least = page.iter().map(of).min().unwrap_or(0);
    let mut nth = 0_usize;
    page.retain(|cell| {
        nth += usize::from(of(cell) == least);
        of(cell) != least || nth.is_multiple_of(2)
    });
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
        (0..10).for_each(|_| counts.count(hash(0), Class::Junk, Learn::Add));
        (0..3 * PAGE_CELLS_MAX as u64).for_each(|n| counts.count(hash(n), Class::Wanted, Learn::Add));
        let cells = counts.page(0).len() / CELL_BYTES;
        assert!(cells <= PAGE_CELLS_MAX && cells > PAGE_CELLS_MAX / 3, "{cells}");
        assert_eq!(counts.seen(hash(0)), Seen { wanted: 1, junk: 10 });
    }

    #[test]
    fn old_experience_fades() {
        let mut counts = Counts::default();
        let message = features("one two");
        (0..MESSAGES_MAX).for_each(|_| counts.learn(&message, Class::Junk, Learn::Add));
        assert_eq!(counts.messages().junk, MESSAGES_MAX);
        counts.learn(&message, Class::Junk, Learn::Add);
        let hash = message.hashes().next().unwrap();
        assert_eq!((counts.messages().junk, counts.seen(hash).junk), (MESSAGES_MAX / 2, MESSAGES_MAX / 2));
    }
}
