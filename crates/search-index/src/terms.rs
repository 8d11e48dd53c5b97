//! What of a message is in the index.

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

/// The texts of one message, three octets at a time. Made once and used for many messages.
#[derive(Debug)]
pub struct Terms {
    /// A bit for each key.
    seen: Vec<u64>,
    keys: Vec<u32>,
}

const KINDS: usize = 7;
/// Of a message that has more nothing is known: it is read.
const KEYS_MAX: usize = 1 << 20;

impl Kind {
    pub(crate) fn key(self, three: [u8; 3]) -> u32 {
        u32::from_be_bytes([self as u8, three[0], three[1], three[2]])
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self { seen: vec![0; (KINDS << 24) / 64], keys: Vec::new() }
    }
}

impl Terms {
    /// Adds a text: what `message::fold` makes of it. Behind it stand two octets 0, so that its last octets begin something
    /// too.
    pub fn add(&mut self, kind: Kind, folded: &str) {
        let octets = folded.as_bytes();
        octets.windows(3).for_each(|three| self.note(kind, [three[0], three[1], three[2]]));
        if let [.., one, two] = octets {
            self.note(kind, [*one, *two, 0]);
        }
        if let [.., one] = octets {
            self.note(kind, [*one, 0, 0]);
        }
    }

    fn note(&mut self, kind: Kind, three: [u8; 3]) {
        let key = kind.key(three);
        if let Some(word) = self.seen.get_mut(key as usize / 64) {
            let bit = 1 << (key % 64);
            if *word & bit == 0 {
                *word |= bit;
                self.keys.push(key);
            }
        }
    }

    /// Whether so much was added that it is worth nothing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.keys.len() >= KEYS_MAX
    }

    /// Forgets what was added.
    pub fn clear(&mut self) {
        self.take(|_| ());
    }

    /// Takes what was added, each once.
    pub(crate) fn take(&mut self, mut each: impl FnMut(u32)) {
        for key in self.keys.drain(..) {
            if let Some(word) = self.seen.get_mut(key as usize / 64) {
                *word = 0;
            }
            each(key);
        }
    }
}
