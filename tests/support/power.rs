//! A disk whose power goes: what the server wrote and did not flush is forgotten, in part or as a whole, sector by sector.
//!
//! `power.c`, loaded into the server, writes down each change of a file or a name below the data directory, and each flush. After
//! the server was killed [`Power::cut`] takes back what no flush has made durable:
//!
//! - octets of a file, until the file itself is flushed;
//! - names (a file made, renamed, unlinked), until their directory is flushed; of those that may be forgotten the later ones go, as with a
//!   journal of the file system.

#[path = "not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::ops::AddAssign;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::random::Random;
use super::server::Server;

/// What a disk writes as a whole.
const SECTOR: u64 = 512;
/// The words before the octets of a record.
const WORDS: usize = 9;
/// So long a flush takes.
const FLUSH_MICROS: &str = "1000";

/// The library, and where the server writes it down.
pub struct Power {
    library: PathBuf,
    journal: PathBuf,
    data: PathBuf,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgotten {
    pub flushes: u64,
    pub writes: u64,
    pub sectors: u64,
    pub names: u64,
}

impl AddAssign for Forgotten {
    fn add_assign(&mut self, more: Self) {
        self.flushes += more.flushes;
        self.writes += more.writes;
        self.sectors += more.sectors;
        self.names += more.names;
    }
}

/// In the order of power.c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Resize,
    Sync,
    Create,
    Rename,
    Unlink,
}

#[derive(Debug)]
struct Record<'l> {
    kind: Kind,
    inode: u64,
    /// Of a write; the new length; of a flush, the records before which it is of.
    offset: u64,
    /// The length before.
    size: u64,
    /// Under which name in the journal the file still is; 0: none.
    saved: u64,
    path: PathBuf,
    to: PathBuf,
    old: &'l [u8],
    new: &'l [u8],
}

/// How much of what could be forgotten is.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Everything,
    /// What comes from this record on.
    From(usize),
    /// Each sector, or not.
    Sectors,
}

impl Power {
    /// `None`, and says so, where there is no compiler for C.
    pub fn of(server: &mut Server) -> Option<Self> {
        let place = server.place();
        let (library, journal, data) = (place.join("power.so"), place.join("journal"), place.join("data"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/power.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output();
        match compiled {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                not_tested::without("cc", error);
                return None;
            }
        }
        fs::create_dir(&journal).unwrap();
        let power = Self { library, journal, data };
        server.set_environment(power.environment());
        Some(power)
    }

    /// From the next start on the disk says to have written what it has not.
    pub fn lies(&self, server: &mut Server) {
        let mut environment = self.environment();
        environment.push(("POWER_LIES", "yes".into()));
        server.set_environment(environment);
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("LD_PRELOAD", self.library.clone()),
            ("POWER_DIRECTORY", self.data.clone()),
            ("POWER_JOURNAL", self.journal.clone()),
            ("POWER_FLUSH_MICROS", FLUSH_MICROS.into()),
        ]
    }

    /// The server was killed, and so was the disk.
    pub fn cut(&self, random: &mut Random) -> Forgotten {
        let log = fs::read(self.journal.join("log")).unwrap();
        let records = records(&log);
        let luck = match random.below(4) {
            0 => Luck::Everything,
            1 => Luck::From(random.below(records.len() as u64 + 1) as usize),
            _ => Luck::Sectors,
        };
        let until = flushed(&records);
        let mut forgotten = Forgotten { flushes: until.len() as u64, ..Forgotten::default() };
        let is_durable = |at: usize, inode: u64| until.get(&inode).is_some_and(|until| (at as u64) < *until);
        self.forget_names(&records, luck, random, &is_durable, &mut forgotten);
        let mut paths = BTreeMap::new();
        walk(&self.data, &mut paths);
        walk(&self.journal, &mut paths);
        let mut open: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (at, record) in records.iter().enumerate() {
            if matches!(record.kind, Kind::Write | Kind::Resize) && !is_durable(at, record.inode) {
                open.entry(record.inode).or_default().push(at);
            }
        }
        for (inode, all) in open {
            let Some(path) = paths.get(&inode) else { continue };
            let file = File::options().write(true).open(path).unwrap();
            for at in all.iter().rev() {
                records[*at].take_back(&file);
            }
            for at in all {
                let sectors = records[at].happens(&file, at, luck, random);
                forgotten.writes += u64::from(sectors > 0);
                forgotten.sectors += sectors;
            }
        }
        for entry in fs::read_dir(&self.journal).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        forgotten
    }

    fn forget_names(
        &self,
        records: &[Record<'_>],
        luck: Luck,
        random: &mut Random,
        is_durable: &dyn Fn(usize, u64) -> bool,
        forgotten: &mut Forgotten,
    ) {
        let from = match luck {
            Luck::Everything => 0,
            Luck::From(at) => at,
            Luck::Sectors => random.below(records.len() as u64 + 1) as usize,
        };
        for (at, record) in records.iter().enumerate().skip(from).rev() {
            let last = if record.kind == Kind::Rename { &record.to } else { &record.path };
            let is_name = matches!(record.kind, Kind::Create | Kind::Rename | Kind::Unlink);
            let directory = last.parent().and_then(|parent| fs::metadata(parent).ok());
            if !is_name || directory.is_some_and(|directory| is_durable(at, directory.ino())) {
                continue;
            }
            let saved = self.journal.join(record.saved.to_string());
            let is_there = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.ino() == record.inode);
            match record.kind {
                Kind::Create if is_there(&record.path) => {
                    fs::rename(&record.path, self.journal.join(format!("forgotten-{at}"))).unwrap();
                }
                Kind::Rename if is_there(&record.to) => {
                    fs::rename(&record.to, &record.path).unwrap();
                    if record.saved > 0 {
                        fs::rename(saved, &record.to).unwrap();
                    }
                }
                Kind::Unlink if fs::symlink_metadata(&record.path).is_err() => {
                    fs::rename(saved, &record.path).unwrap();
                }
                _ => continue,
            }
            forgotten.names += 1;
        }
    }
}

impl Record<'_> {
    fn take_back(&self, file: &File) {
        file.write_all_at(self.old, self.offset).unwrap();
        file.set_len(self.size).unwrap();
    }

    /// As far as luck has it; how many sectors did not.
    fn happens(&self, file: &File, at: usize, luck: Luck, random: &mut Random) -> u64 {
        let is_late = match luck {
            Luck::Everything => true,
            Luck::From(from) => at >= from,
            Luck::Sectors => false,
        };
        let end = self.offset + self.new.len() as u64;
        if is_late {
            return end / SECTOR - self.offset / SECTOR + 1;
        }
        let loses = matches!(luck, Luck::Sectors);
        if self.kind == Kind::Resize {
            if !(loses && random.one_in(2)) {
                file.set_len(self.offset).unwrap();
            }
            return 0;
        }
        let (mut from, mut lost) = (self.offset, 0);
        while from < end {
            let to = ((from / SECTOR + 1) * SECTOR).min(end);
            if loses && random.one_in(2) {
                lost += 1;
            } else {
                let piece = &self.new[(from - self.offset) as usize..(to - self.offset) as usize];
                file.write_all_at(piece, from).unwrap();
            }
            from = to;
        }
        lost
    }
}

/// Up to which record each file, or directory, is flushed.
fn flushed(records: &[Record<'_>]) -> BTreeMap<u64, u64> {
    let mut until = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == Kind::Sync) {
        let flushed: &mut u64 = until.entry(record.inode).or_default();
        *flushed = record.offset.max(*flushed);
    }
    until
}

/// The last one may be cut off: then it has not happened.
fn records(mut log: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while let Some((words, rest)) = log.split_at_checked(WORDS * 8) {
        let word = |at: usize| u64::from_ne_bytes(words[at * 8..][..8].try_into().unwrap());
        let mut rest = rest;
        let mut take = |at: usize| {
            let (taken, left) = rest.split_at_checked(word(at) as usize)?;
            rest = left;
            Some(taken)
        };
        let (Some(path), Some(to), Some(old), Some(new)) = (take(5), take(6), take(7), take(8)) else { break };
        let kinds = [Kind::Write, Kind::Resize, Kind::Sync, Kind::Create, Kind::Rename, Kind::Unlink];
        let [path, to] = [path, to].map(|path| PathBuf::from(OsStr::from_bytes(path)));
        let [inode, offset, size, saved] = [1, 2, 3, 4].map(word);
        records.push(Record { kind: kinds[word(0) as usize], inode, offset, size, saved, path, to, old, new });
        log = rest;
    }
    records
}

fn walk(directory: &Path, paths: &mut BTreeMap<u64, PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, found) = (entry.path(), entry.metadata().unwrap());
        if found.is_dir() {
            walk(&path, paths);
        } else if found.is_file() {
            paths.insert(found.ino(), path);
        }
    }
}
