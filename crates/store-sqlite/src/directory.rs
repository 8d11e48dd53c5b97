//! The data directory: who has it open, which format it has, and that its entries are durable.
//!
//! ```text
//! lock             held by the process that has the directory open; contains its process number
//! format           three lines: what this is, the version of the format, the number of shards
//! shard-00.sqlite  and so on, each with SQLite's own -wal and -shm beside it
//! ```
//! The format file is written last: a directory without one was never used.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The version of the format that this program writes. 2: rows have checksums.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// The first version that this program reads, and brings to [`FORMAT_VERSION`].
pub(crate) const FORMAT_VERSION_FIRST: u32 = 1;
/// More shards than this are refused.
pub(crate) const SHARDS_MAX: u8 = 64;
const FORMAT_TITLE: &str = "pillarbox sqlite store";
/// The file that tells the format of a directory; a longer one is not ours.
const FORMAT_FILE_BYTES_MAX: u64 = 4096;

/// The data directory could not be opened: what, where, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError {
    /// A full sentence for the operator.
    pub what: String,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for OpenError {}

/// A data directory that this process has locked.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    lock: File,
}

impl Drop for Directory {
    /// Closing the file would do, were it not for a child process on its way to `exec`, which still has it open.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Directory {
    /// Makes the directory where there is none and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        create(path).map_err(|error| OpenError {
            what: format!(
                "cannot create the data directory {}: {error}; create it and make it writable for this user",
                path.display()
            ),
        })?;
        Ok(Self { path: path.to_owned(), lock: take_lock(&path.join("lock"))? })
    }

    /// The file of a shard.
    pub(crate) fn shard(&self, number: u8) -> PathBuf {
        self.path.join(format!("shard-{number:02}.sqlite"))
    }

    /// The number of shards that the directory was created with, and whether it is marked with the version that this
    /// program writes; `None` when it was never used.
    pub(crate) fn shards(&self) -> Result<Option<(u8, bool)>, OpenError> {
        let path = self.path.join("format");
        let mut text = Vec::new();
        match File::open(&path).and_then(|file| file.take(FORMAT_FILE_BYTES_MAX).read_to_end(&mut text)) {
            Ok(_) => parse_format(&path, &String::from_utf8_lossy(&text)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError {
                what: format!(
                    "cannot read {}: {error}; make the data directory readable for this user",
                    path.display()
                ),
            }),
        }
    }

    /// Records that all shards have been created, or brought to the newest version. Durable.
    pub(crate) fn record_shards(&self, shards: u8) -> Result<(), OpenError> {
        let path = self.path.join("format");
        let text = format!("{FORMAT_TITLE}\nversion {FORMAT_VERSION}\nshards {shards}\n");
        self.write_durably(&path, &text).map_err(|error| OpenError {
            what: format!("cannot write {}: {error}; make the data directory writable for this user", path.display()),
        })
    }

    fn write_durably(&self, path: &Path, text: &str) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync(&self.path)
    }

    /// Makes the names of the files in the directory durable.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        sync(&self.path).map_err(|error| OpenError {
            what: format!("cannot flush the data directory {}: {error}", self.path.display()),
        })
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Mail is nobody else's: what is created is closed to others. An existing directory stays as its owner made it.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mut entry = path;
    while let Some(parent) = entry.parent() {
        sync(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
        entry = parent;
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File, OpenError> {
    let failed = |error: io::Error| OpenError {
        what: format!("cannot lock {}: {error}; make the data directory writable for this user", path.display()),
    };
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let (mut file, locked) = match opened {
        Ok(file) => {
            let locked = file.try_lock();
            (file, locked)
        }
        // Nobody can write here: several may read, and whoever finds that it can be written again waits for them.
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            let file = File::open(path).map_err(failed)?;
            let locked = file.try_lock_shared();
            (file, locked)
        }
        Err(error) => return Err(failed(error)),
    };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(in_use(path, &mut file)),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Only for people and for the sentence below.
    let _unnamed = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn in_use(path: &Path, file: &mut File) -> OpenError {
    let mut text = String::new();
    let holder = match file.take(20).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(number) => format!("process {number}"),
        None => "another process".to_owned(),
    };
    OpenError {
        what: format!(
            "the data directory is in use: {holder} holds {}; stop it, or choose another data directory",
            path.display()
        ),
    }
}

/// The number of shards, and whether all of them are of the version that this program writes.
pub(crate) fn parse_format(path: &Path, text: &str) -> Result<(u8, bool), OpenError> {
    let place = path.display();
    let mut lines = text.lines();
    if lines.next() != Some(FORMAT_TITLE) {
        return Err(OpenError {
            what: format!("{place} does not belong to a mail store of this program; choose another data directory"),
        });
    }
    let mut number = |name: &str| {
        let value =
            lines.next().and_then(|line| line.strip_prefix(name)).and_then(|rest| rest.trim().parse::<u32>().ok());
        value.ok_or_else(|| OpenError {
            what: format!("{place} is damaged: no line `{name} NUMBER`; restore it from a backup"),
        })
    };
    let version = number("version")?;
    if !(FORMAT_VERSION_FIRST..=FORMAT_VERSION).contains(&version) {
        return Err(OpenError {
            what: format!(
                "{place} says that the store has format version {version}, and this program knows versions \
                 {FORMAT_VERSION_FIRST} to {FORMAT_VERSION}; run the version of the program that wrote it"
            ),
        });
    }
    let shards = number("shards")?;
    let shards = u8::try_from(shards).ok().filter(|shards| (1..=SHARDS_MAX).contains(shards)).ok_or_else(|| {
        OpenError { what: format!("{place} is damaged: {shards} is no number of shards; restore it from a backup") }
    })?;
    Ok((shards, version == FORMAT_VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_files() {
        let check = |text: &str, expected: Result<(u8, bool), &str>| match (
            parse_format(Path::new("/d/format"), text),
            expected,
        ) {
            (Ok(shards), Ok(expected)) => assert_eq!(shards, expected),
            (Err(error), Err(part)) => {
                assert!(error.what.contains(part) && error.what.contains("/d/format"), "{error}")
            }
            (found, expected) => panic!("{text:?}: {found:?}, not {expected:?}"),
        };
        check("pillarbox sqlite store\nversion 1\nshards 4\n", Ok((4, false)));
        check("pillarbox sqlite store\nversion 2\nshards 64\n", Ok((64, true)));
        check("pillarbox sqlite store\nversion 1\nshards 65\n", Err("is no number of shards"));
        check("pillarbox sqlite store\nversion 1\nshards 0\n", Err("is no number of shards"));
        check("pillarbox sqlite store\nversion 3\nshards 4\n", Err("format version 3"));
        check("pillarbox sqlite store\nversion 1\n", Err("no line `shards NUMBER`"));
        check("pillarbox sqlite store\n", Err("no line `version NUMBER`"));
        check("something else\nversion 1\nshards 4\n", Err("does not belong"));
        check("", Err("does not belong"));
    }

    #[test]
    fn a_second_lock_names_the_process_that_holds_the_first() {
        let place = tempfile::tempdir().unwrap();
        let first = Directory::lock(&place.path().join("a/b")).unwrap();
        let refused = Directory::lock(&place.path().join("a/b")).unwrap_err();
        let holder = format!("process {} holds", std::process::id());
        assert!(refused.what.contains(&holder) && refused.what.contains("a/b/lock"), "{refused}");
        drop(first);
        Directory::lock(&place.path().join("a/b")).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        let refused = Directory::lock(&place.path().join("file/data")).unwrap_err();
        assert!(refused.what.contains("file/data"), "{refused}");
    }
}
