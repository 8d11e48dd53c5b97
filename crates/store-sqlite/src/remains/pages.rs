//! The pages of a shard file as its last commit left them, read without SQLite, which refuses a file with a damaged header and
//! finds nothing behind a damaged page of a tree.
//!
//! What stands in the write-ahead log takes the place of what stands in the file (<https://www.sqlite.org/fileformat2.html>, 4). From
//! the first frame on whose checksum does not hold, none takes the place of a page: their rows are looked at beside those of the page as
//! it was before.

use crate::shard::PAGE_BYTES;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const PAGE: usize = PAGE_BYTES as usize;
/// A larger file is not read: from there on the first octet of a page that goes on with a long value can look like that of a tree.
const PAGES_MAX: u64 = 1 << 24;
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// A page, or a frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Image {
    /// The number of a page, from 1 on.
    Page(u32),
    /// Where a frame's page begins in the log.
    Frame(u64),
}

/// A shard file with its log.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    log: Option<File>,
    /// Where the log has a page that the file has not, or has otherwise.
    frames: BTreeMap<u32, u64>,
    /// Frames that are damaged.
    damaged: Vec<u64>,
    /// The log ends with damage.
    ends_damaged: bool,
    /// The disk did not give what was asked of it.
    has_failed: AtomicBool,
    count: u32,
}

impl Pages {
    /// Opens a shard file; `log` beside it may be missing.
    pub(super) fn open(path: &Path, log: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let pages = file.metadata()?.len().div_ceil(PAGE as u64);
        if pages > PAGES_MAX {
            return Err(io::Error::other(format!("{pages} pages are more than the {PAGES_MAX} that can be read so")));
        }
        let log = match File::open(log) {
            Ok(log) => Some(log),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (frames, damaged) = (BTreeMap::new(), Vec::new());
        let (ends_damaged, has_failed) = (false, AtomicBool::new(false));
        let mut pages = Self { file, log, frames, damaged, ends_damaged, has_failed, count: pages as u32 };
        pages.read_log()?;
        Ok(pages)
    }

    /// What was committed last may be missing, and what is there may be older.
    pub(super) fn is_torn(&self) -> bool {
        !self.damaged.is_empty() || self.ends_damaged
    }

    /// The disk did not give what was asked of it so far: nobody knows what is there.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// What ends before that was never there, or was cut off.
    fn note(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::UnexpectedEof {
            self.has_failed.store(true, Ordering::Relaxed);
        }
    }

    /// Every page as it is now, then what is damaged of the log.
    pub(super) fn images(&self) -> impl Iterator<Item = Image> + '_ {
        let frames = self.damaged.iter().map(|at| Image::Frame(*at));
        (1..=self.count).map(Image::Page).chain(frames)
    }

    /// So many pages, with those of the log that are looked at twice.
    pub(super) fn count(&self) -> usize {
        self.count as usize + self.damaged.len()
    }

    /// Reads a page; `false`: there is none, or the disk does not give it.
    pub(super) fn read(&self, image: Image, page: &mut [u8; PAGE]) -> bool {
        let at = match image {
            Image::Page(number) => match self.frames.get(&number) {
                Some(at) => Image::Frame(*at),
                None => image,
            },
            Image::Frame(_) => image,
        };
        page.fill(0);
        match (at, &self.log) {
            (Image::Page(0), _) | (Image::Frame(_), None) => false,
            (Image::Page(number), _) => {
                let at = u64::from(number - 1) * PAGE as u64;
                // The last page of a file that was cut off is read as far as it goes.
                let mut read = || read_what_is_there(&self.file, page, at).inspect_err(|error| self.note(error));
                number <= self.count && read().unwrap_or(false)
            }
            (Image::Frame(at), Some(log)) => log.read_exact_at(page, at).inspect_err(|error| self.note(error)).is_ok(),
        }
    }

    fn read_log(&mut self) -> io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let length = log.metadata()?.len();
        let mut header = [0; LOG_HEADER as usize];
        if let Err(error) = log.read_exact_at(&mut header, 0) {
            self.ends_damaged = length > 0;
            self.note(&error);
            return Ok(());
        }
        let mut reader = Frames::of(&header);
        let (mut at, mut frame) = (LOG_HEADER, vec![0; FRAME_HEADER as usize + PAGE]);
        let (mut open, mut open_damage, mut is_broken) = (BTreeMap::new(), Vec::new(), false);
        loop {
            if let Err(error) = log.read_exact_at(&mut frame, at) {
                self.note(&error);
                break;
            }
            let page = at + FRAME_HEADER;
            match reader.next(&frame) {
                Frame::Foreign => {}
                Frame::Damaged => {
                    // What the same commit had before it has no end any more.
                    open_damage.extend(std::mem::take(&mut open).into_values());
                    open_damage.push(page);
                    is_broken = true;
                }
                // SQLite reads no log behind damage: what stands there may never have been committed.
                Frame::Sound { .. } if is_broken => open_damage.push(page),
                Frame::Sound { number, commit } => {
                    open.insert(number, page);
                    if commit > 0 {
                        self.frames.append(&mut open);
                        self.count = self.count.max(self.frames.keys().next_back().copied().unwrap_or_default());
                    }
                }
            }
            at += frame.len() as u64;
        }
        // Of a frame that is not whole nobody knows whether it was.
        self.ends_damaged = is_broken || !reader.is_sound || length > at;
        self.damaged = open_damage;
        Ok(())
    }
}

fn read_what_is_there(file: &File, page: &mut [u8; PAGE], at: u64) -> io::Result<bool> {
    let mut done = 0;
    while done < PAGE {
        match file.read_at(&mut page[done..], at + done as u64) {
            Ok(0) => break,
            Ok(more) => done += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done > 0)
}

enum Frame {
    /// Of a log that was here before.
    Foreign,
    Damaged,
    Sound {
        number: u32,
        commit: u32,
    },
}

/// Compares the checksums of frames, each of which goes on from the one before.
struct Frames {
    /// The header of the log is what was written.
    is_sound: bool,
    is_big_endian: bool,
    salt: Option<[u8; 8]>,
    /// `None`: what comes next cannot be compared.
    sum: Option<(u32, u32)>,
}

impl Frames {
    fn of(header: &[u8; LOG_HEADER as usize]) -> Self {
        let is_big_endian = number(header, 0) == 0x377f_0683;
        let sum = (number(header, 24), number(header, 28));
        let is_log = matches!(number(header, 0), 0x377f_0682 | 0x377f_0683);
        let holds = is_log && checksum(is_big_endian, (0, 0), &header[..24]) == sum;
        let salt = header[16..24].try_into().ok().filter(|_| holds);
        Self { is_sound: holds, is_big_endian, salt, sum: holds.then_some(sum) }
    }

    fn next(&mut self, frame: &[u8]) -> Frame {
        let (header, page) = frame.split_at(FRAME_HEADER as usize);
        // The first frame is of the newest log, if anything is.
        let salt = *self.salt.get_or_insert(header[8..16].try_into().unwrap_or_default());
        if header[8..16] != salt {
            self.sum = None;
            return Frame::Foreign;
        }
        let said = (number(header, 16), number(header, 20));
        let found = self.sum.map(|sum| {
            let sum = checksum(self.is_big_endian, sum, &header[..8]);
            checksum(self.is_big_endian, sum, page)
        });
        self.sum = found.filter(|found| *found == said).or(match found {
            // The sum that a damaged frame says may be what is damaged.
            Some(_) => None,
            None => Some(said),
        });
        match found {
            Some(found) if found == said => Frame::Sound { number: number(header, 0), commit: number(header, 4) },
            Some(_) => Frame::Damaged,
            // The first one behind a damaged one: nobody knows.
            None => Frame::Damaged,
        }
    }
}

fn number(octets: &[u8], at: usize) -> u32 {
    octets.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn checksum(is_big_endian: bool, (mut a, mut b): (u32, u32), octets: &[u8]) -> (u32, u32) {
    let word = |octets: &[u8]| match (octets.try_into(), is_big_endian) {
        (Ok(octets), true) => u32::from_be_bytes(octets),
        (Ok(octets), false) => u32::from_le_bytes(octets),
        (Err(_), _) => 0,
    };
    for pair in octets.chunks_exact(8) {
        a = a.wrapping_add(word(&pair[..4])).wrapping_add(b);
        b = b.wrapping_add(word(&pair[4..])).wrapping_add(a);
    }
    (a, b)
}
