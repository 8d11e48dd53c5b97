//! Directories and files that others may have made, and may change while they are read.
//!
//! Invariant: below the place that was named no symbolic link is followed, not even one that appears meanwhile: each step is an
//! `openat` of one name. Nothing but regular files is read; a pipe holds nobody up.

use crate::source::SourceError;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use store::Timestamp;

/// A directory with more is not read.
const ENTRIES_MAX: usize = if cfg!(test) { 30 } else { 1_000_000 };
/// Lists beside the mail (subscriptions, keywords, UIDLs) are at most so long.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The last second of a message's date; RFC 9051 §9, date-year, has four digits.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A directory.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    /// For people.
    path: PathBuf,
}

/// What a name in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// A regular file: its octets, and when it was last changed.
    File {
        /// Octets.
        bytes: u64,
        /// When, if a message can have that date.
        changed: Option<Timestamp>,
    },
    /// A symbolic link.
    Link,
    /// Something else, or nothing.
    Other,
}

impl Dir {
    /// The place that was named, by whichever way it is reached.
    pub(super) fn open(path: &Path) -> Result<Self, SourceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(|error| unreadable(path, &error.into()))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// A directory in it.
    pub(super) fn below(&self, name: &[u8]) -> Result<Self, SourceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.path_of(name);
        let fd = openat(&self.fd, c_name(name), flags, Mode::empty());
        Ok(Self { fd: fd.map_err(|error| unreadable(&path, &error.into()))?, path })
    }

    /// All names in it but `.` and `..`, ascending.
    pub(super) fn names(&self) -> Result<Vec<Vec<u8>>, SourceError> {
        let failed = |error: Errno| unreadable(&self.path, &error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_bytes().to_vec();
            if matches!(name.as_slice(), b"." | b"..") {
                continue;
            }
            if names.len() == ENTRIES_MAX {
                return Err(SourceError::Refused(format!("{} has more than {ENTRIES_MAX} files", self.path.display())));
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }

    /// What a name is.
    pub(super) fn kind(&self, name: &[u8]) -> Kind {
        self.known(name).ok().flatten().unwrap_or(Kind::Other)
    }

    /// The same; nothing has it, or that cannot be known.
    pub(super) fn known(&self, name: &[u8]) -> Result<Option<Kind>, SourceError> {
        let stat = match statat(&self.fd, c_name(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(unreadable(&self.path_of(name), &error.into())),
        };
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::RegularFile => {
                let seconds = Some(stat.st_mtime).filter(|seconds| (0..=SECONDS_MAX).contains(seconds));
                let changed = seconds.map(Timestamp::from_unix_seconds);
                Kind::File { bytes: u64::try_from(stat.st_size).unwrap_or_default(), changed }
            }
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        }))
    }

    /// Where a symbolic link in it leads to, if it is one. It is not followed.
    pub(super) fn link(&self, name: &[u8]) -> Option<Vec<u8>> {
        readlinkat(&self.fd, c_name(name), Vec::new()).ok().map(CString::into_bytes)
    }

    /// A regular file in it.
    pub(super) fn file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(&self.fd, c_name(name), flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no regular file")) }
    }

    /// A list beside the mail, where there is one.
    pub(super) fn list(&self, name: &[u8]) -> Result<Option<String>, SourceError> {
        if self.kind(name) == Kind::Other {
            return Ok(None);
        }
        let read = self.file(name).and_then(|file| {
            let mut octets = Vec::new();
            file.take(LIST_BYTES_MAX + 1).read_to_end(&mut octets)?;
            if octets.len() as u64 > LIST_BYTES_MAX { Err(io::Error::other("it is too long")) } else { Ok(octets) }
        });
        let octets = read.map_err(|error| unreadable(&self.path_of(name), &error))?;
        Ok(Some(String::from_utf8_lossy(&octets).into_owned()))
    }

    /// For people.
    pub(super) fn path_of(&self, name: &[u8]) -> PathBuf {
        self.path.join(String::from_utf8_lossy(name).as_ref())
    }
}

/// A name in a directory; one with a slash or a NUL, which none has, is that of nothing.
fn c_name(name: &[u8]) -> CString {
    let is_name = !name.contains(&b'/');
    CString::new(if is_name { name } else { b"" }).unwrap_or_default()
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> SourceError {
    let hint = if error.kind() == io::ErrorKind::PermissionDenied {
        "; a running server reads it itself, as the user that it runs as"
    } else {
        ""
    };
    SourceError::Refused(format!("{} cannot be read: {error}{hint}", path.display()))
}
