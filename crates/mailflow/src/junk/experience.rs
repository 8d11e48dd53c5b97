//! What a filter knows, as it lies in the account: pages of counts, how many messages they are of, and known senders.

use junk::{Counts, NoPage, PAGES, Seen};
use store::{ModSeq, Training};
use twox_hash::XxHash3_64;

/// Behind the pages of counts: how many messages were taught and, where the filter is not of the time before, of how many the handwriting.
const MESSAGES_PAGE: u8 = PAGES as u8;
/// Addresses that the owner has written to, as hashes, the oldest first.
const KNOWN_PAGE: u8 = MESSAGES_PAGE + 1;
/// Up to which entry of the journal it was looked at what was read and kept.
const READ_PAGE: u8 = MESSAGES_PAGE + 2;
/// So many addresses are known; the oldest goes.
const KNOWN_MAX: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(super) struct Experience {
    pub(super) learnt_to: ModSeq,
    pub(super) counts: Counts,
    known: Vec<u64>,
    knows_more: bool,
    read_to: ModSeq,
    read_on: bool,
}

impl Experience {
    pub(super) fn read(training: &Training) -> Result<Self, NoPage> {
        let page =
            |wanted| training.pages.iter().find(|(number, _)| *number == wanted).map(|(_, page)| page.as_slice());
        let mut counts = match page(MESSAGES_PAGE).map(|page| page.as_chunks::<4>()) {
            None => Counts::default(),
            Some((&[wanted, junk], [])) => Counts::of_messages(seen(wanted, junk), Seen::default()),
            Some((&[wanted, junk, of_wanted, of_junk], [])) => {
                Counts::of_messages(seen(wanted, junk), seen(of_wanted, of_junk))
            }
            Some(_) => return Err(NoPage),
        };
        for (number, page) in training.pages.iter().filter(|(number, _)| *number < MESSAGES_PAGE) {
            counts.set_page((*number).into(), page)?;
        }
        let (known, []) = page(KNOWN_PAGE).unwrap_or_default().as_chunks::<8>() else { return Err(NoPage) };
        let known = known.iter().map(|hash| u64::from_be_bytes(*hash)).collect();
        let read_to = match page(READ_PAGE) {
            None => ModSeq(0),
            Some(page) => ModSeq(page.try_into().map(u64::from_be_bytes).map_err(|_| NoPage)?),
        };
        Ok(Self { learnt_to: training.learnt_to, counts, known, knows_more: false, read_to, read_on: false })
    }

    /// The pages that are not as they were read.
    pub(super) fn changed(&self) -> Vec<(u8, Vec<u8>)> {
        let mut pages: Vec<_> =
            self.counts.changed().filter_map(|page| Some((u8::try_from(page).ok()?, self.counts.page(page)))).collect();
        if !pages.is_empty() {
            let (messages, of) = (self.counts.messages(), self.counts.handwritings());
            let numbers = [messages.wanted, messages.junk, of.wanted, of.junk];
            pages.push((MESSAGES_PAGE, numbers.map(u32::to_be_bytes).concat()));
        }
        if self.knows_more {
            pages.push((KNOWN_PAGE, self.known.iter().flat_map(|hash| hash.to_be_bytes()).collect()));
        }
        if self.read_on {
            pages.push((READ_PAGE, self.read_to.0.to_be_bytes().to_vec()));
        }
        pages
    }

    pub(super) fn read_to(&self) -> ModSeq {
        self.read_to
    }

    pub(super) fn note_read_to(&mut self, modseq: ModSeq) {
        (self.read_to, self.read_on) = (modseq, true);
    }

    pub(super) fn knows(&self, address: &[u8]) -> bool {
        self.known.contains(&hash(address))
    }

    pub(super) fn note_known(&mut self, address: &[u8]) {
        if self.knows(address) {
            return;
        }
        self.known.push(hash(address));
        self.known.drain(..self.known.len().saturating_sub(KNOWN_MAX));
        self.knows_more = true;
    }
}

fn seen(wanted: [u8; 4], junk: [u8; 4]) -> Seen {
    Seen { wanted: u32::from_be_bytes(wanted), junk: u32::from_be_bytes(junk) }
}

fn hash(address: &[u8]) -> u64 {
    XxHash3_64::oneshot(&address.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use junk::{Class, Facts, Features, Learn};

    #[test]
    fn a_filter_of_before_knows_no_handwriting() {
        let page = |octets: Vec<u8>| Training { learnt_to: ModSeq(3), pages: vec![(MESSAGES_PAGE, octets)] };
        let read = |octets| Experience::read(&page(octets)).map(|it| (it.counts.messages(), it.counts.handwritings()));
        let taught = Seen { wanted: 1, junk: 2 };
        assert_eq!(read(vec![0, 0, 0, 1, 0, 0, 0, 2]), Ok((taught, Seen::default())));
        assert_eq!(
            read(vec![0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2]),
            Ok((taught, Seen { wanted: 0, junk: 2 }))
        );
        assert_eq!(read(vec![0; 12]), Err(NoPage));
    }

    #[test]
    fn what_was_learnt_is_read_as_it_was_written() {
        let mut experience = Experience::default();
        assert_eq!(experience.changed(), []);
        let features = Features::of(b"Subject: one two\r\n\r\nthree\r\n", Facts::default());
        experience.counts.learn(&features, Class::Junk, Learn::Add);
        (0..=KNOWN_MAX).for_each(|n| experience.note_known(format!("A{n}@x.example").as_bytes()));
        experience.note_read_to(ModSeq(2));
        let pages = experience.changed();
        assert!(pages.iter().all(|(_, page)| page.len() <= store::TRAINING_PAGE_BYTES_MAX));
        let read = Experience::read(&Training { learnt_to: ModSeq(3), pages }).unwrap();
        assert_eq!((read.counts.messages(), read.learnt_to), (Seen { wanted: 0, junk: 1 }, ModSeq(3)));
        assert_eq!(read.read_to(), ModSeq(2));
        assert!(read.knows(b"a1@X.example") && !read.knows(b"a0@x.example"), "the oldest goes");
        assert_eq!(read.changed(), []);
        for page in [(MESSAGES_PAGE, vec![1]), (KNOWN_PAGE, vec![1]), (READ_PAGE, vec![1]), (0, vec![1])] {
            assert!(Experience::read(&Training { learnt_to: ModSeq(3), pages: vec![page] }).is_err());
        }
    }
}
