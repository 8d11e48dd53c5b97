//! A segment that can be asked. Its layout: [`crate::format`].

use crate::format::{
    BLOCK_HEAD_BYTES, FAR_BITS, FAR_LIST, FIXED_BYTES, MAGIC, SUM_BYTES, TOKEN_END, damaged, positions, row, sum,
    take_number,
};
use crate::words::{Kind, Question};
use memchr::memmem::Finder;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Of so many rows a look-up asks at most: they narrow it down well enough.
const ROWS_ASKED_MAX: usize = 12;
/// So few messages are read sooner than they are narrowed down.
const FEW: usize = 4;

/// A segment that can be asked.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    pub(crate) after: u64,
    pub(crate) last: u64,
    pub(crate) emails: Vec<u64>,
    /// The positions of messages that nobody looked into.
    pub(crate) unread: Vec<u32>,
    /// It takes no more messages.
    pub(crate) is_full: bool,
    /// By kind.
    blocks: Vec<Block>,
    rows: usize,
    rows_at: u64,
    blocks_at: u64,
    far_at: u64,
}

/// Where tokens of one kind are.
#[derive(Debug)]
struct Block {
    kind: u8,
    text_bytes: u32,
    lists_bytes: u32,
    sum: u32,
    /// Behind the beginning of the first one.
    at: u64,
}

/// Which messages of a segment have a text, a bit for each position: those that may, and of them those that do.
pub(crate) struct Answer {
    pub(crate) may: Vec<u64>,
    pub(crate) does: Vec<u64>,
}

impl Segment {
    /// Opens a file; one that is not whole, or none of ours, is an error.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut head = vec![0; FIXED_BYTES];
        file.read_exact(&mut head)?;
        let (Some(after), Some(last)) = (long(&head, 8), long(&head, 16)) else { return Err(damaged()) };
        let counts = [24, 28, 32, 36, 40, 44].map(|at| short(&head, at));
        let [Some(emails), Some(unread), Some(blocks), Some(rows), Some(far), Some(full)] = counts else {
            return Err(damaged());
        };
        let rest = u64::from(emails) * 8 + u64::from(unread) * 4 + u64::from(blocks) * BLOCK_HEAD_BYTES as u64;
        let rows_at = FIXED_BYTES as u64 + rest + blake3::OUT_LEN as u64;
        if head.get(..MAGIC.len()) != Some(&MAGIC[..]) || rows_at > size {
            return Err(damaged());
        }
        // Not more than the file is long, as was just seen.
        head.resize(FIXED_BYTES + rest as usize, 0);
        file.read_exact(head.get_mut(FIXED_BYTES..).unwrap_or_default())?;
        let mut hash = [0; blake3::OUT_LEN];
        file.read_exact(&mut hash)?;
        if *blake3::hash(&head).as_bytes() != hash {
            return Err(damaged());
        }
        let (numbers, others) = head.get(FIXED_BYTES..).unwrap_or_default().split_at(emails as usize * 8);
        let (positions, heads) = others.split_at(unread as usize * 4);
        let emails = numbers.chunks_exact(8).filter_map(|octets| long(octets, 0)).collect();
        let unread = positions.chunks_exact(4).filter_map(|octets| short(octets, 0)).collect();
        let (blocks, blocks_bytes) = Block::all(heads);
        let rows = rows as usize;
        let blocks_at = rows_at + (rows * (blocks.len().div_ceil(8) + SUM_BYTES)) as u64;
        let far_at = blocks_at + blocks_bytes;
        if far_at + u64::from(far) != size {
            return Err(damaged());
        }
        let is_full = full != 0;
        Ok(Self { file, after, last, emails, unread, is_full, blocks, rows, rows_at, blocks_at, far_at })
    }

    /// What is held in memory while it is open, in octets.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.emails.len() * size_of::<u64>()
            + self.unread.len() * size_of::<u32>()
            + self.blocks.len() * size_of::<Block>()
    }

    /// Which messages have what is asked for in a text of this kind, and how many octets that took.
    pub(crate) fn ask(&self, kind: Kind, question: &Question, folded: &str, answer: &mut Answer) -> io::Result<usize> {
        let mut bits = vec![0; answer.may.len()];
        let mut read = 0;
        if question.is_token {
            read += self.with_token(kind, folded.as_bytes(), &mut bits)?;
            add(&mut answer.does, &bits);
            add(&mut answer.may, &bits);
        }
        let mut all: Option<Vec<u64>> = None;
        for piece in question.narrowing() {
            bits.fill(0);
            read += self.with_token(kind, piece, &mut bits)?;
            match &mut all {
                Some(all) => all.iter_mut().zip(&bits).for_each(|(all, bits)| *all &= bits),
                none => *none = Some(bits.clone()),
            }
            if all.as_ref().is_some_and(|all| count(all) <= FEW) {
                break;
            }
        }
        add(&mut answer.may, &all.unwrap_or_default());
        Ok(read)
    }

    /// Sets the bits of the messages that have a token of this kind with these octets in it; how many octets were read.
    fn with_token(&self, kind: Kind, octets: &[u8], bits: &mut [u64]) -> io::Result<usize> {
        let kind = kind as u8;
        let first = self.blocks.partition_point(|block| block.kind < kind);
        let (blocks, mut read) = self.signed(octets)?;
        let has =
            |at: usize| blocks.as_ref().is_none_or(|blocks| blocks.get(at / 8).is_some_and(|b| b >> (at % 8) & 1 == 1));
        let finder = Finder::new(octets);
        let of_kind = self.blocks.iter().enumerate().skip(first).take_while(|(_, block)| block.kind == kind);
        let mut buffer = Vec::new();
        for (_, block) in of_kind.filter(|(at, _)| has(*at)) {
            read +=
                self.read(self.blocks_at + block.at, block.text_bytes + block.lists_bytes, block.sum, &mut buffer)?;
            let Some((text, lists)) = buffer.split_at_checked(block.text_bytes as usize) else { return Err(damaged()) };
            read += self.found(&finder, text, lists, bits)?;
            if count(bits) >= self.emails.len() {
                break;
            }
        }
        Ok(read)
    }

    /// The blocks that may have these octets, if that is known, and how many octets were read.
    fn signed(&self, octets: &[u8]) -> io::Result<(Option<Vec<u8>>, usize)> {
        let places = octets.len().saturating_sub(2);
        if self.rows == 0 || places == 0 {
            return Ok((None, 0));
        }
        let mut rows: Vec<usize> = octets.windows(3).step_by(places.div_ceil(ROWS_ASKED_MAX)).map(row).collect();
        rows.sort_unstable();
        rows.dedup();
        let row_bytes = self.blocks.len().div_ceil(8) + SUM_BYTES;
        let (mut all, mut bits, mut read) = (vec![0xff; row_bytes - SUM_BYTES], vec![0; row_bytes], 0);
        for row in rows.into_iter().filter(|row| *row < self.rows) {
            self.file.read_exact_at(&mut bits, self.rows_at + (row * row_bytes) as u64)?;
            read += row_bytes;
            let (bits, checksum) = bits.split_at(row_bytes - SUM_BYTES);
            if short(checksum, 0) != Some(sum(bits)) {
                return Err(damaged());
            }
            all.iter_mut().zip(bits).for_each(|(all, bits)| *all &= bits);
            if all.iter().all(|bits| *bits == 0) {
                break;
            }
        }
        Ok((Some(all), read))
    }

    /// Goes through the tokens of a block.
    fn found(&self, finder: &Finder<'_>, text: &[u8], mut lists: &[u8], bits: &mut [u64]) -> io::Result<usize> {
        let (mut at, mut listed, mut token, mut read) = (0, 0, 0, 0);
        while let Some(hit) = finder.find(text.get(at..).unwrap_or_default()) {
            let behind = text.get(at + hit..).unwrap_or_default();
            token += memchr::memchr_iter(TOKEN_END, text.get(at..at + hit).unwrap_or_default()).count();
            while listed < token {
                self.list(&mut lists, None)?;
                listed += 1;
            }
            read += self.list(&mut lists, Some(bits))?;
            listed += 1;
            let Some(end) = memchr::memchr(TOKEN_END, behind) else { return Err(damaged()) };
            at += hit + end + 1;
            token += 1;
        }
        Ok(read)
    }

    /// Takes the next list, and sets the bits of what is in it; how many octets more were read.
    fn list(&self, lists: &mut &[u8], bits: Option<&mut [u64]>) -> io::Result<usize> {
        let number = take_number(lists).ok_or_else(damaged)?;
        let mut take = |length: usize| {
            let (octets, rest) = lists.split_at_checked(length).ok_or_else(damaged)?;
            *lists = rest;
            Ok::<&[u8], io::Error>(octets)
        };
        if number & 1 == 1 {
            if let Some(bits) = bits {
                set(bits, (number >> 1) as usize);
            }
            return Ok(0);
        }
        let form = number >> 1;
        if form != FAR_LIST && form != FAR_BITS {
            let list = take(form as usize)?;
            if let Some(bits) = bits {
                positions(list, &mut |at| set(bits, at));
            }
            return Ok(0);
        }
        let far = take(3 * size_of::<u32>())?;
        let (Some(bits), Some(at), Some(length), Some(sum)) = (bits, short(far, 0), short(far, 4), short(far, 8))
        else {
            return Ok(0);
        };
        let mut octets = Vec::new();
        let read = self.read(self.far_at + u64::from(at), length, sum, &mut octets)?;
        if form == FAR_LIST {
            positions(&octets, &mut |at| set(bits, at));
        } else {
            for (word, octets) in bits.iter_mut().zip(octets.chunks(size_of::<u64>())) {
                *word |= octets.iter().rev().fold(0, |word, octet| word << 8 | u64::from(*octet));
            }
        }
        Ok(read)
    }

    /// Reads what has this checksum; how many octets it has.
    fn read(&self, at: u64, length: u32, checksum: u32, octets: &mut Vec<u8>) -> io::Result<usize> {
        octets.resize(length as usize, 0);
        self.file.read_exact_at(octets, at)?;
        if sum(octets) == checksum { Ok(octets.len()) } else { Err(damaged()) }
    }
}

impl Block {
    /// From their heads, and how many octets they have.
    fn all(heads: &[u8]) -> (Vec<Self>, u64) {
        let mut at = 0;
        let one = |head: &[u8]| {
            let (first, lists_bytes, sum) = (short(head, 0)?, short(head, 4)?, short(head, 8)?);
            let block = Self { kind: (first & 7) as u8, text_bytes: first >> 3, lists_bytes, sum, at };
            at += u64::from(block.text_bytes) + u64::from(lists_bytes);
            Some(block)
        };
        (heads.chunks_exact(BLOCK_HEAD_BYTES).filter_map(one).collect(), at)
    }
}

fn short(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn long(octets: &[u8], at: usize) -> Option<u64> {
    octets.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn set(bits: &mut [u64], at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

fn add(bits: &mut [u64], more: &[u64]) {
    bits.iter_mut().zip(more).for_each(|(bits, more)| *bits |= more);
}

/// How many bits are set.
fn count(bits: &[u64]) -> usize {
    bits.iter().map(|word| word.count_ones() as usize).sum()
}
