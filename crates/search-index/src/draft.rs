//! A segment that is being made.

use crate::format::{FAR_BITS, FAR_LIST, MAGIC, ROWS, TOKEN_END, length, positions, put_number, row, sum};
use crate::words::{Cutter, KINDS, Kind};
use std::collections::HashMap;
use std::io::{self, Write};

/// So many octets of tokens and of lists in memory, more or less.
const BYTES_MAX: usize = 48 * 1024 * 1024;
/// Of a message that brings more nothing is known: it is read.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a token takes beside its octets.
const TOKEN_BYTES: usize = 72;
/// A block ends with so many octets of tokens, or of their lists.
const BLOCK_TEXT_BYTES: usize = 4096;
const BLOCK_LISTS_BYTES: usize = 8192;
/// A longer list stands behind the blocks.
const INLINE_BYTES_MAX: usize = 64;
/// Fewer blocks are read as fast as what is known of them.
const SIGNED_BLOCKS_MIN: usize = 8;

/// A segment that is being made.
#[derive(Debug, Default)]
pub struct Draft {
    emails: Vec<u64>,
    /// Positions of messages that nobody looked into, or not wholly.
    unread: Vec<u32>,
    lists: [HashMap<Box<[u8]>, List>; KINDS],
    bytes: usize,
    /// Of them, those of the last message.
    message_bytes: usize,
    cutter: Cutter,
}

/// Which messages have a token: differences of positions, the first one counting from -1.
#[derive(Debug)]
struct List {
    first: u32,
    /// The last position in it, plus one.
    next: u32,
    /// What comes behind the first one, seven bits an octet.
    rest: Vec<u8>,
}

/// The tokens of a segment as they are written.
#[derive(Default)]
struct Blocks {
    octets: Vec<u8>,
    /// Lists that are too long to stand in a block.
    far: Vec<u8>,
    /// Of each its kind, the octets of its tokens and of their lists, and its checksum.
    heads: Vec<(Kind, u32, u32, u32)>,
    /// Which three octets each has: a bit for each row.
    signatures: Vec<Vec<u64>>,
}

impl Draft {
    /// Begins a message, above all before.
    pub fn begin(&mut self, email: u64) {
        self.emails.push(email);
        self.message_bytes = 0;
    }

    /// Adds a text of it: what `message::fold` makes of it.
    pub fn add(&mut self, kind: Kind, folded: &str) {
        self.feed(kind, folded);
        self.finish(kind);
    }

    /// Adds the next piece of a text that is given piece by piece.
    pub fn feed(&mut self, kind: Kind, folded: &str) {
        let mut cutter = std::mem::take(&mut self.cutter);
        cutter.feed(kind, folded, &mut |token| self.put(kind, token));
        self.cutter = cutter;
    }

    /// That text is at its end.
    pub fn finish(&mut self, kind: Kind) {
        let mut cutter = std::mem::take(&mut self.cutter);
        cutter.finish(kind, &mut |token| self.put(kind, token));
        self.cutter = cutter;
    }

    /// The message is a candidate for everything: nobody looked into all of it.
    pub fn leave_unread(&mut self) {
        let position = self.position();
        if self.unread.last() != Some(&position) {
            self.unread.push(position);
        }
        self.cutter = Cutter::default();
    }

    /// Whether nothing more of this message is taken, which is left unread.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.message_bytes >= MESSAGE_BYTES_MAX
    }

    /// Whether it is long enough, however many messages are in it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    fn position(&self) -> u32 {
        u32::try_from(self.emails.len()).unwrap_or(u32::MAX).saturating_sub(1)
    }

    fn put(&mut self, kind: Kind, token: &[u8]) {
        let position = self.position();
        if self.is_too_much() {
            self.leave_unread();
            return;
        }
        let Some(lists) = self.lists.get_mut(kind as usize) else { return };
        let grown = match lists.get_mut(token) {
            Some(list) => list.put(position),
            None => {
                lists.insert(token.into(), List::new(position));
                token.len() + TOKEN_BYTES
            }
        };
        self.bytes += grown;
        self.message_bytes += grown;
    }

    /// The file: of all messages above `after`, up to `last`.
    pub(crate) fn write(&self, after: u64, last: u64, file: &mut impl Write) -> io::Result<()> {
        let mut blocks = Blocks::default();
        for (kind, lists) in Kind::ALL.into_iter().zip(&self.lists) {
            blocks.add(kind, lists, self.emails.len())?;
        }
        let rows = if blocks.heads.len() >= SIGNED_BLOCKS_MIN { ROWS } else { 0 };
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&after.to_le_bytes());
        head.extend_from_slice(&last.to_le_bytes());
        let counts = [self.emails.len(), self.unread.len(), blocks.heads.len(), rows, blocks.far.len()];
        for number in counts {
            head.extend_from_slice(&length(number)?.to_le_bytes());
        }
        head.extend_from_slice(&u32::from(self.is_full()).to_le_bytes());
        self.emails.iter().for_each(|email| head.extend_from_slice(&email.to_le_bytes()));
        self.unread.iter().for_each(|position| head.extend_from_slice(&position.to_le_bytes()));
        for (kind, text, lists, sum) in &blocks.heads {
            let text = *text << 3 | *kind as u32;
            [text, *lists, *sum].iter().for_each(|number| head.extend_from_slice(&number.to_le_bytes()));
        }
        file.write_all(&head)?;
        file.write_all(blake3::hash(&head).as_bytes())?;
        (0..rows).try_for_each(|row| blocks.write_row(row, file))?;
        file.write_all(&blocks.octets)?;
        file.write_all(&blocks.far)
    }
}

impl List {
    fn new(position: u32) -> Self {
        Self { first: position, next: position + 1, rest: Vec::new() }
    }

    /// How many octets it has more.
    fn put(&mut self, position: u32) -> usize {
        let before = self.rest.len();
        if position >= self.next {
            put_number(&mut self.rest, position - self.next);
            self.next = position + 1;
        }
        self.rest.len() - before
    }

    /// As it stands in a block; what is too long stands in `far`. There are so many `messages`.
    fn write(&self, block: &mut Vec<u8>, far: &mut Vec<u8>, messages: usize) -> io::Result<()> {
        if self.rest.is_empty() {
            put_number(block, self.first << 1 | 1);
            return Ok(());
        }
        let mut octets = Vec::with_capacity(self.rest.len() + 5);
        put_number(&mut octets, self.first);
        octets.extend_from_slice(&self.rest);
        let (form, octets) = if octets.len() > messages.div_ceil(8).max(INLINE_BYTES_MAX) {
            let mut bits = vec![0u8; messages.div_ceil(8)];
            positions(&octets, &mut |at| {
                if let Some(octet) = bits.get_mut(at / 8) {
                    *octet |= 1 << (at % 8);
                }
            });
            (FAR_BITS, bits)
        } else {
            (FAR_LIST, octets)
        };
        if form == FAR_LIST && octets.len() <= INLINE_BYTES_MAX {
            put_number(block, length(octets.len())? << 1);
            block.extend_from_slice(&octets);
            return Ok(());
        }
        put_number(block, form << 1);
        for number in [length(far.len())?, length(octets.len())?, sum(&octets)] {
            block.extend_from_slice(&number.to_le_bytes());
        }
        far.extend_from_slice(&octets);
        Ok(())
    }
}

impl Blocks {
    /// Adds all tokens of a kind.
    fn add(&mut self, kind: Kind, lists: &HashMap<Box<[u8]>, List>, messages: usize) -> io::Result<()> {
        let mut tokens: Vec<(&[u8], &List)> = lists.iter().map(|(token, list)| (&**token, list)).collect();
        tokens.sort_unstable_by_key(|(token, _)| *token);
        let (mut text, mut lists, mut signature) = (Vec::new(), Vec::new(), vec![0; ROWS / 64]);
        for (token, list) in tokens {
            text.extend_from_slice(token);
            text.push(TOKEN_END);
            list.write(&mut lists, &mut self.far, messages)?;
            for row in token.windows(3).map(row) {
                if let Some(word) = signature.get_mut(row / 64) {
                    *word |= 1u64 << (row % 64);
                }
            }
            if text.len() >= BLOCK_TEXT_BYTES || lists.len() >= BLOCK_LISTS_BYTES {
                self.end(kind, &mut text, &mut lists, &mut signature)?;
            }
        }
        if text.is_empty() { Ok(()) } else { self.end(kind, &mut text, &mut lists, &mut signature) }
    }

    fn end(&mut self, kind: Kind, text: &mut Vec<u8>, lists: &mut Vec<u8>, signature: &mut Vec<u64>) -> io::Result<()> {
        let start = self.octets.len();
        self.octets.append(text);
        let (text, lists_bytes) = (length(self.octets.len() - start)?, length(lists.len())?);
        self.octets.append(lists);
        let sum = sum(self.octets.get(start..).unwrap_or_default());
        self.heads.push((kind, text, lists_bytes, sum));
        self.signatures.push(std::mem::replace(signature, vec![0; ROWS / 64]));
        Ok(())
    }

    /// Which blocks have three octets of this row.
    fn write_row(&self, row: usize, file: &mut impl Write) -> io::Result<()> {
        let mut bits = vec![0u8; self.heads.len().div_ceil(8)];
        let has = |signature: &Vec<u64>| signature.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
        for (at, _) in self.signatures.iter().enumerate().filter(|(_, signature)| has(signature)) {
            if let Some(octet) = bits.get_mut(at / 8) {
                *octet |= 1 << (at % 8);
            }
        }
        file.write_all(&bits)?;
        file.write_all(&sum(&bits).to_le_bytes())
    }
}
