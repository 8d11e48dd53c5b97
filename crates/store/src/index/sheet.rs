//! Sheets: the chunks of an index as they are stored, some thousand messages each.
//!
//! A sheet is the number of its format, a checksum of the rest (XXH3), the number of its chunks, for each chunk the number of its
//! entries, its first UID and how many octets it takes, and then the chunks ([`super::chunk`]). All is little-endian.

use super::chunk::{PADDING, PackedChunk};
use super::{Builder, Chunk, Index};
use crate::codec::{Corrupt, Reader};
use crate::ids::Uid;
use std::sync::Arc;
use twox_hash::XxHash3_64;

/// A sheet is full once it has so many entries. Part of what bounds the number of sheets: each but the last has them.
pub(crate) const SHEET_ENTRIES_MIN: usize = 4096;
/// The number of the format, which follows that of the rows that told every entry as the difference to the one before.
pub(crate) const FORMAT: u8 = 2;

impl Index {
    /// All of it, packed. Chunks that nobody changed since they were read are not packed again.
    pub(crate) fn sheets(&self) -> Vec<Vec<u8>> {
        let (mut sheets, mut of_sheet, mut entries) = (Vec::new(), Vec::new(), 0);
        for chunk in self.groups.iter().flat_map(|group| group.chunks.iter()) {
            entries += chunk.entries.len();
            of_sheet.push(chunk);
            if entries >= SHEET_ENTRIES_MIN {
                sheets.push(write(&of_sheet));
                of_sheet.clear();
                entries = 0;
            }
        }
        if !of_sheet.is_empty() {
            sheets.push(write(&of_sheet));
        }
        sheets
    }
}

fn write(chunks: &[&Chunk]) -> Vec<u8> {
    let (mut table, mut packed) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let before = packed.len();
        chunk.entries.pack(&mut packed);
        table.extend_from_slice(&(chunk.entries.len() as u16).to_le_bytes());
        table.extend_from_slice(&chunk.first.0.to_le_bytes());
        table.extend_from_slice(&((packed.len() - before) as u32).to_le_bytes());
    }
    let rest = [&(chunks.len() as u16).to_le_bytes()[..], &table, &packed, &PADDING].concat();
    [&[FORMAT][..], &XxHash3_64::oneshot(&rest).to_le_bytes(), &rest].concat()
}

impl Builder {
    /// Adds what a sheet has, packed as it is. `is_compared`: somebody has compared a checksum of the octets already.
    pub(crate) fn push_sheet(&mut self, octets: &[u8], is_compared: bool) -> Result<(), Corrupt> {
        let mut r = Reader::of_format(octets, FORMAT)?;
        let sum = u64::from_le_bytes(r.array()?);
        if !is_compared && XxHash3_64::oneshot(r.0) != sum {
            return Err(Corrupt);
        }
        let sheet: Arc<[u8]> = octets.into();
        let chunks = usize::from(u16::from_le_bytes(r.array()?));
        let mut table = Reader(r.take(chunks * 10)?);
        let mut start = octets.len() - r.0.len();
        self.close_chunk(Vec::new());
        for _ in 0..chunks {
            let count = usize::from(u16::from_le_bytes(table.array()?));
            let first = Uid(u32::from_le_bytes(table.array()?));
            let length = usize::try_from(u32::from_le_bytes(table.array()?)).map_err(|_| Corrupt)?;
            let packed = PackedChunk::read(&sheet, start, length, count)?;
            // Within a chunk they ascend as they did when it was written.
            if self.last.is_some_and(|last| last >= first) {
                return Err(Corrupt);
            }
            self.last = Some(first);
            self.add_chunk(first, packed.into());
            start += length;
        }
        if start + PADDING.len() == octets.len() { Ok(()) } else { Err(Corrupt) }
    }
}
