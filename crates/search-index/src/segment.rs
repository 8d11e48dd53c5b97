//! A segment: some thousand messages and what is in them, in one file.
//!
//! ```text
//! MAGIC, after, last, counts, full so that it is known what is there
//! numbers of the messages          8 octets each, ascending
//! blocks of the dictionary         the first key and the checksum of each
//! checksum of all that             16 octets
//! dictionary                       in blocks of 64 keys: key, where its list is, length, checksum
//! lists                            differences of positions, 7 bits an octet; the first position counts from -1
//! ```
//! Numbers are little endian. The head is in memory while the segment is open; of the rest a look-up reads a block and a list.

use crate::Terms;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// So many octets of lists, more or less.
const LISTS_BYTES_MAX: usize = 48 * 1024 * 1024;
/// The last octet is another one as soon as something else is made of the same message: what was made before then counts as
/// not there, and is made anew.
const MAGIC: [u8; 8] = *b"PBSEARC2";
const FIXED_BYTES: usize = 40;
const BLOCK_KEYS: usize = 64;
const KEY_BYTES: usize = 16;
/// The list of the messages that are not looked into: no text has this key.
const ALL: u32 = u32::MAX;

/// A segment that is being made.
#[derive(Debug, Default)]
pub struct Draft {
    emails: Vec<u64>,
    lists: HashMap<u32, List>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct List {
    octets: Vec<u8>,
    /// The last position in it, plus one.
    next: u32,
}

/// A segment that can be asked.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    pub(crate) after: u64,
    pub(crate) last: u64,
    pub(crate) emails: Vec<u64>,
    /// It takes no more messages.
    pub(crate) is_full: bool,
    blocks: Vec<(u32, u32)>,
    keys: usize,
    dictionary_at: u64,
    lists_at: u64,
}

impl Draft {
    /// Adds a message, above all before. Without terms it is a candidate for everything: nobody looked into it.
    pub fn add(&mut self, email: u64, terms: Option<&mut Terms>) {
        let position = u32::try_from(self.emails.len()).unwrap_or(u32::MAX);
        self.emails.push(email);
        let (lists, bytes) = (&mut self.lists, &mut self.bytes);
        let mut put = |key| *bytes += lists.entry(key).or_default().put(position);
        match terms {
            Some(terms) => terms.take(put),
            None => put(ALL),
        }
    }

    /// Whether it is long enough, however many messages are in it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes >= LISTS_BYTES_MAX
    }

    /// The file: of all messages above `after`, up to `last`.
    pub(crate) fn write(&self, after: u64, last: u64, file: &mut impl Write) -> io::Result<()> {
        let mut keys: Vec<(&u32, &List)> = self.lists.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        let mut dictionary = Vec::with_capacity(keys.len() * KEY_BYTES);
        let mut at = 0u32;
        for (key, list) in &keys {
            let length = length(list.octets.len())?;
            for number in [**key, at, length, sum(&list.octets)] {
                dictionary.extend_from_slice(&number.to_le_bytes());
            }
            at = at.checked_add(length).ok_or_else(too_large)?;
        }
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&after.to_le_bytes());
        head.extend_from_slice(&last.to_le_bytes());
        for number in [length(self.emails.len())?, length(keys.len())?, at, u32::from(self.is_full())] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        self.emails.iter().for_each(|email| head.extend_from_slice(&email.to_le_bytes()));
        for block in dictionary.chunks(BLOCK_KEYS * KEY_BYTES) {
            head.extend_from_slice(block.get(..4).unwrap_or_default());
            head.extend_from_slice(&sum(block).to_le_bytes());
        }
        file.write_all(&head)?;
        file.write_all(blake3::hash(&head).as_bytes())?;
        file.write_all(&dictionary)?;
        keys.iter().try_for_each(|(_, list)| file.write_all(&list.octets))
    }
}

impl List {
    /// How many octets it has more.
    fn put(&mut self, position: u32) -> usize {
        let before = self.octets.len();
        let mut rest = position - self.next;
        self.next = position + 1;
        while rest >= 0x80 {
            self.octets.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.octets.push(rest as u8);
        self.octets.len() - before
    }
}

impl Segment {
    /// Opens a file; one that is not whole, or none of ours, is an error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut head = vec![0; FIXED_BYTES];
        file.read_exact(&mut head)?;
        let long =
            |head: &[u8], at: usize| head.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let short =
            |head: &[u8], at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        let (Some(after), Some(last)) = (long(&head, 8), long(&head, 16)) else { return Err(damaged()) };
        let counts = [24, 28, 32, 36].map(|at| short(&head, at));
        let [Some(emails), Some(keys), Some(lists), Some(full)] = counts else { return Err(damaged()) };
        let blocks = (keys as usize).div_ceil(BLOCK_KEYS);
        let rest = u64::from(emails) * 8 + blocks as u64 * 8;
        let dictionary_at = FIXED_BYTES as u64 + rest + blake3::OUT_LEN as u64;
        let lists_at = dictionary_at + u64::from(keys) * KEY_BYTES as u64;
        if head.get(..8) != Some(&MAGIC[..]) || lists_at + u64::from(lists) != size {
            return Err(damaged());
        }
        // Not more than the file is long, as was just seen.
        let start = head.len();
        head.resize(start + rest as usize, 0);
        file.read_exact(head.get_mut(start..).unwrap_or_default())?;
        let mut hash = [0; blake3::OUT_LEN];
        file.read_exact(&mut hash)?;
        if *blake3::hash(&head).as_bytes() != hash {
            return Err(damaged());
        }
        let (numbers, index) = head.get(start..).unwrap_or_default().split_at(emails as usize * 8);
        let emails = numbers.chunks_exact(8).filter_map(|b| long(b, 0)).collect();
        let blocks = index.chunks_exact(8).filter_map(|b| Some((short(b, 0)?, short(b, 4)?))).collect();
        Ok(Self { file, after, last, emails, is_full: full != 0, blocks, keys: keys as usize, dictionary_at, lists_at })
    }

    /// What is held in memory while it is open, in octets.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.emails.len() * size_of::<u64>() + self.blocks.len() * size_of::<(u32, u32)>()
    }

    /// Which messages have any of the keys from `first` to `last`: `found` gets their positions, perhaps more than once.
    pub(crate) fn look_up(&self, first: u32, last: u32, found: &mut impl FnMut(usize)) -> io::Result<()> {
        let begin = self.blocks.partition_point(|(key, _)| *key <= first).saturating_sub(1);
        let mut list = Vec::new();
        for (number, (key, checksum)) in self.blocks.iter().enumerate().skip(begin) {
            if *key > last {
                return Ok(());
            }
            let at = number * BLOCK_KEYS;
            let mut block = vec![0; self.keys.saturating_sub(at).min(BLOCK_KEYS) * KEY_BYTES];
            self.file.read_exact_at(&mut block, self.dictionary_at + (at * KEY_BYTES) as u64)?;
            if sum(&block) != *checksum {
                return Err(damaged());
            }
            for entry in block.chunks_exact(KEY_BYTES) {
                let mut numbers = entry.chunks_exact(4).filter_map(|b| b.try_into().ok()).map(u32::from_le_bytes);
                let [Some(key), Some(at), Some(length), Some(checksum)] = [(); 4].map(|()| numbers.next()) else {
                    continue;
                };
                if key < first || key > last {
                    continue;
                }
                list.resize(length as usize, 0);
                self.file.read_exact_at(&mut list, self.lists_at + u64::from(at))?;
                if sum(&list) != checksum {
                    return Err(damaged());
                }
                positions(&list, found);
            }
        }
        Ok(())
    }

    /// The messages that nobody looked into.
    pub(crate) fn unread(&self, found: &mut impl FnMut(usize)) -> io::Result<()> {
        self.look_up(ALL, ALL, found)
    }
}

fn positions(list: &[u8], found: &mut impl FnMut(usize)) {
    let (mut next, mut number, mut shift) = (0usize, 0usize, 0);
    for octet in list {
        number |= usize::from(octet & 0x7f) << shift;
        if octet & 0x80 != 0 {
            shift = (shift + 7).min(28);
            continue;
        }
        found(next + number);
        (next, number, shift) = (next + number + 1, 0, 0);
    }
}

fn sum(octets: &[u8]) -> u32 {
    let hash = blake3::hash(octets);
    let [a, b, c, d, ..] = *hash.as_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn length(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(|_| too_large())
}

fn too_large() -> io::Error {
    io::Error::other("a segment is too large")
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a segment is damaged")
}
