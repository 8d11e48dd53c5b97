//! Messages in a zip archive, which anybody may have made.
//!
//! Invariant: nothing is written anywhere but into mailboxes, so that no name leads out; what an archive may hold and what it may unpack
//! to is bounded before it is read.

use super::tree::{FILES_MAX, Give, Leaf, Octets, Place, shown};
use crate::files::dir::unreadable;
use crate::files::found::DEPTH_MAX;
use crate::source::SourceError;
use flate2::bufread::DeflateDecoder;
use rawzip::time::ZipDateTimeKind;
use rawzip::{CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use store::Timestamp;

/// The name of an entry, with its directories; a longer one is not taken.
const PATH_BYTES_MAX: usize = 4096;
/// All names of an archive.
const PATHS_BYTES_MAX: usize = if cfg!(test) { 8 * PATH_BYTES_MAX } else { 256 * 1024 * 1024 };
/// An archive unpacks to at most so many times its octets; mail does to three times, text of logs to twenty.
const RATIO_MAX: u64 = 200;
/// So much unpacks in any case, however small the archive is.
const FREE_BYTES: u64 = if cfg!(test) { 10_000 } else { 64 * 1024 * 1024 };
/// The octets that an entry has in any case: its local header.
const HEADER_BYTES: u64 = 30;

/// A zip archive.
pub(super) struct Archive {
    path: PathBuf,
    archive: ZipArchive<FileReader>,
    bytes: u64,
    /// What is still allowed to be unpacked in one look through the archive.
    left: u64,
}

/// Where an entry lies, and how it is packed.
#[derive(Debug)]
pub(super) struct Entry {
    at: ZipArchiveEntryWayfinder,
    is_deflated: bool,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let failed = |error: &std::io::Error| unreadable(path, error);
        let file = File::open(path).map_err(|error| failed(&error))?;
        let about = file.metadata().map_err(|error| failed(&error))?;
        if !about.is_file() {
            return Err(SourceError::Refused(format!("{} is no file", path.display())));
        }
        let archive = ZipArchive::from_file(file, &mut vec![0; RECOMMENDED_BUFFER_SIZE]);
        let archive = archive.map_err(|error| no_archive(path, &error))?;
        Ok(Self { path: path.to_owned(), archive, bytes: about.len(), left: 0 })
    }

    /// Gives all files.
    pub(super) fn files(&mut self, give: Give<'_>) -> Result<(), SourceError> {
        self.left = self.bytes.saturating_mul(RATIO_MAX).saturating_add(FREE_BYTES);
        let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
        let mut entries = self.archive.entries(&mut buffer);
        let (mut count, mut packed, mut names) = (0usize, 0u64, 0usize);
        while let Some(record) = entries.next_entry().map_err(|error| no_archive(&self.path, &error))? {
            let path = record.file_path();
            let path = path.as_bytes();
            packed = packed.saturating_add(record.compressed_size_hint()).saturating_add(HEADER_BYTES);
            (count, names) = (count + 1, names + path.len().min(PATH_BYTES_MAX));
            self.bounds(count, packed, names)?;
            let Some((mut levels, name)) = levels(path) else { continue };
            let entry = Entry {
                at: record.wayfinder(),
                is_deflated: record.compression_method() == CompressionMethod::DEFLATE,
            };
            let place = match why_not(&record, path, &levels) {
                Some(why) => Place::Nowhere(why),
                None => Place::Archive(entry),
            };
            // What lies deeper is told, and needs no more room for it.
            levels.truncate(DEPTH_MAX);
            let changed = moment(record.last_modified());
            give(&levels, Leaf { name, place, changed, bytes: record.uncompressed_size_hint() })?;
        }
        Ok(())
    }

    /// What is still allowed to be unpacked.
    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn bounds(&self, count: usize, packed: u64, names: usize) -> Result<(), SourceError> {
        let why = if count > FILES_MAX {
            format!("has more than {FILES_MAX} entries")
        } else if names > PATHS_BYTES_MAX {
            format!("has more than {PATHS_BYTES_MAX} octets of names")
        } else if packed > self.bytes {
            "has entries that lie one over another, as no program packs mail".to_owned()
        } else {
            return Ok(());
        };
        Err(SourceError::Refused(format!("{} {why}", self.path.display())))
    }

    /// Reads an entry of at most so many octets. `counts`: while the archive is looked through, when all that is unpacked has one
    /// limit, whatever comes of an entry; what was good then may be read again.
    pub(super) fn read(&mut self, entry: &Entry, bytes_max: u64, counts: bool) -> Result<Octets, SourceError> {
        let local = match self.archive.get_entry(entry.at) {
            Ok(local) => local,
            Err(error) => return Ok(damaged(&error)),
        };
        let left = if counts { self.left } else { u64::MAX };
        let limit = bytes_max.min(left).saturating_add(1);
        let (mut octets, mut bytes) = (Vec::new(), 0);
        // One octet more says that there is more; what is whole was compared with its checksum.
        let read = if entry.is_deflated {
            let packed = BufReader::with_capacity(RECOMMENDED_BUFFER_SIZE, local.reader());
            let from = Counting { from: DeflateDecoder::new(packed), bytes: &mut bytes };
            local.verifying_reader(from).take(limit).read_to_end(&mut octets)
        } else {
            let from = Counting { from: local.reader(), bytes: &mut bytes };
            local.verifying_reader(from).take(limit).read_to_end(&mut octets)
        };
        if bytes > left {
            return Err(SourceError::Refused(format!(
                "{} unpacks to more than {RATIO_MAX} times its size, as no mail does",
                self.path.display()
            )));
        }
        if counts {
            self.left = self.left.saturating_sub(bytes);
        }
        if bytes > bytes_max {
            return Ok(Octets::TooMany);
        }
        Ok(read.map_or_else(|error| damaged(&error), |_| Octets::All(octets)))
    }
}

/// Counts what is read, also of what turns out to be damaged.
struct Counting<'a, R> {
    from: R,
    bytes: &'a mut u64,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(buffer)?;
        *self.bytes += count as u64;
        Ok(count)
    }
}

fn damaged(why: &dyn std::fmt::Display) -> Octets {
    Octets::Unreadable(format!("it is damaged in the archive: {why}"))
}

fn no_archive(path: &Path, why: &rawzip::Error) -> SourceError {
    SourceError::Refused(format!("{} is no zip archive, or it is damaged: {why}", path.display()))
}

/// Why an entry is not read.
fn why_not(record: &rawzip::ZipFileHeaderRecord<'_>, path: &[u8], levels: &[String]) -> Option<String> {
    let why = if path.len() > PATH_BYTES_MAX {
        "its name is too long"
    } else if levels.len() > DEPTH_MAX {
        "it lies below more than 16 directories"
    } else if levels.iter().any(|level| level == "..") {
        "its name leads out of the archive"
    } else if record.flags().is_encrypted() {
        "it is encrypted: unpack the archive with its password, and take the files (eml:DIR)"
    } else if ![CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&record.compression_method()) {
        return Some(format!(
            "it is packed with {:?}, and only Deflate is understood: unpack the archive, and take the files (eml:DIR)",
            record.compression_method()
        ));
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// The directories of an entry and its own name; `None`: it is a directory, or beside the files of macOS.
fn levels(path: &[u8]) -> Option<(Vec<String>, String)> {
    let cut = &path[..path.len().min(PATH_BYTES_MAX)];
    // APPNOTE.TXT §4.4.17.1 says `/`; Windows has packed with `\`.
    let mut parts = cut.split(|octet| matches!(octet, b'/' | b'\\'));
    let name = parts.next_back().filter(|name| !name.is_empty())?;
    let levels: Vec<String> = parts.filter(|part| !matches!(*part, b"" | b".")).map(shown).collect();
    let is_of_programs = |name: &str| name.starts_with('.') && name != "..";
    let name = shown(name);
    let skipped = levels.first().is_some_and(|level| level == "__MACOSX")
        || levels.iter().any(|level| is_of_programs(level))
        || is_of_programs(&name);
    (!skipped).then_some((levels, name))
}

/// When a file was changed. Archives have local time without a zone; some have UTC beside it.
fn moment(when: ZipDateTimeKind) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = (when.year(), MONTHS.get(usize::from(when.month()).checked_sub(1)?)?, when.day());
    let text = format!("{day} {month} {year:04} {}:{}:{}", when.hour(), when.minute(), when.second());
    message::date::parse(text.as_bytes()).map(|read| Timestamp::from_unix_seconds(read.unix_seconds))
}
