//! Files in directories: on the disk, or in an archive.

use super::zip::{Archive, Entry};
use crate::files::dir::{Dir, Kind, unreadable};
use crate::files::found::DEPTH_MAX;
use crate::source::SourceError;
use std::io::Read;
use std::path::Path;
use store::Timestamp;

/// Files in a place; one with more is not taken.
pub(super) const FILES_MAX: usize = if cfg!(test) { 30 } else { 1_000_000 };
/// Directories in a place, also without files; one with more is not taken.
const DIRECTORIES_MAX: usize = if cfg!(test) { 30 } else { 100_000 };

/// Files in directories.
pub(super) enum Tree {
    Disk {
        root: Dir,
        /// The only file; `None`: all.
        only: Option<Vec<u8>>,
        /// The directories that files lie in: their names from the root on.
        dirs: Vec<Vec<Vec<u8>>>,
        /// The directory that was read last.
        last: Option<(usize, Dir)>,
    },
    Archive(Archive),
}

/// A file.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) changed: Option<Timestamp>,
    pub(super) bytes: u64,
}

/// Where the tree has it.
#[derive(Debug)]
pub(super) enum Place {
    /// The number of its directory, and its name there.
    Disk(usize, Vec<u8>),
    Archive(Entry),
    /// It is not read; why.
    Nowhere(String),
}

/// What came of reading a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Octets {
    All(Vec<u8>),
    /// It has more than was allowed.
    TooMany,
    Unreadable(String),
}

/// Is given each file with the names of the directories that it lies in.
pub(super) type Give<'a> = &'a mut dyn FnMut(&[String], Leaf) -> Result<(), SourceError>;

impl Tree {
    /// A directory, or one file.
    pub(super) fn disk(path: &Path) -> Result<Self, SourceError> {
        let path = path.canonicalize().map_err(|error| unreadable(path, &error))?;
        if path.is_dir() {
            return Ok(Self::Disk { root: Dir::open(&path)?, only: None, dirs: Vec::new(), last: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SourceError::Refused(format!("{} is no file", path.display())));
        };
        let only = Some(name.as_encoded_bytes().to_vec());
        Ok(Self::Disk { root: Dir::open(parent)?, only, dirs: Vec::new(), last: None })
    }

    /// Gives all files, in no order.
    pub(super) fn files(&mut self, give: Give<'_>) -> Result<(), SourceError> {
        match self {
            Self::Archive(archive) => archive.files(give),
            Self::Disk { root, only: Some(name), dirs, .. } => {
                *dirs = vec![Vec::new()];
                give(&[], on_disk(root, 0, name.clone()))
            }
            Self::Disk { root, only: None, dirs, .. } => {
                dirs.clear();
                walk(root, &[], dirs, give)
            }
        }
    }

    /// Reads a file of at most so many octets; `counts`: they are a part of what an archive may unpack to.
    pub(super) fn read(&mut self, place: &Place, bytes_max: u64, counts: bool) -> Result<Octets, SourceError> {
        match (self, place) {
            (_, Place::Nowhere(why)) => Ok(Octets::Unreadable(why.clone())),
            (Self::Archive(archive), Place::Archive(entry)) => archive.read(entry, bytes_max, counts),
            (Self::Disk { root, dirs, last, .. }, Place::Disk(number, name)) => {
                if last.as_ref().is_none_or(|(known, _)| known != number) {
                    let names = dirs.get(*number).map(Vec::as_slice).unwrap_or_default();
                    *last = Some((*number, descend(root, names)?));
                }
                let Some((_, dir)) = last else { return Ok(Octets::Unreadable("it is gone".to_owned())) };
                Ok(read(dir, name, bytes_max))
            }
            (Self::Archive(_), Place::Disk(..)) | (Self::Disk { .. }, Place::Archive(_)) => {
                Ok(Octets::Unreadable("it is elsewhere".to_owned()))
            }
        }
    }
}

fn read(dir: &Dir, name: &[u8], bytes_max: u64) -> Octets {
    let mut octets = Vec::new();
    match dir.file(name).and_then(|file| file.take(bytes_max.saturating_add(1)).read_to_end(&mut octets)) {
        Err(error) => Octets::Unreadable(format!("its file cannot be read: {error}")),
        Ok(_) if octets.len() as u64 > bytes_max => Octets::TooMany,
        Ok(_) => Octets::All(octets),
    }
}

fn descend(root: &Dir, names: &[Vec<u8>]) -> Result<Dir, SourceError> {
    // "." is the directory itself: another handle of it.
    names.iter().try_fold(root.below(b".")?, |dir, name| dir.below(name))
}

fn on_disk(dir: &Dir, number: usize, name: Vec<u8>) -> Leaf {
    let shown = shown(&name);
    let (place, bytes, changed) = match dir.kind(&name) {
        Kind::File { bytes, changed } => (Place::Disk(number, name), bytes, changed),
        Kind::Link => (Place::Nowhere("it is a symbolic link, which may lead anywhere".to_owned()), 0, None),
        Kind::Directory | Kind::Other => (Place::Nowhere("it is no regular file".to_owned()), 0, None),
    };
    Leaf { name: shown, place, changed, bytes }
}

fn walk(dir: &Dir, names: &[Vec<u8>], dirs: &mut Vec<Vec<Vec<u8>>>, give: Give<'_>) -> Result<(), SourceError> {
    let levels: Vec<String> = names.iter().map(|name| shown(name)).collect();
    let number = dirs.len();
    if number == DIRECTORIES_MAX {
        return Err(SourceError::Refused(format!("there are more than {DIRECTORIES_MAX} directories")));
    }
    dirs.push(names.to_vec());
    for name in dir.names()?.into_iter().filter(|name| !name.starts_with(b".")) {
        if dir.kind(&name) != Kind::Directory {
            give(&levels, on_disk(dir, number, name))?;
        } else if names.len() < DEPTH_MAX {
            let further = [names, std::slice::from_ref(&name)].concat();
            walk(&dir.below(&name)?, &further, dirs, give)?;
        } else {
            let why = "it lies below more than 16 directories; name one of them to take it";
            let place = Place::Nowhere(why.to_owned());
            // It may be full of messages: it is told as one that does not come.
            give(&levels, Leaf { name: format!("{}/….eml", shown(&name)), place, changed: None, bytes: 0 })?;
        }
    }
    Ok(())
}

/// As people know it; it is shown on a terminal.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace(char::is_control, "\u{fffd}")
}
