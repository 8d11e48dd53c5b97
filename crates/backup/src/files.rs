//! The files of a repository: named by what is in them, sealed where there is a key, and read back before they have their names.

use crate::key::SEAL_BYTES;
use crate::{Error, Repository};
use blake3::Hash;
use metrics::Stopwatch;
use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;

/// What is named by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Chunk,
    Body,
}

impl Kind {
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Chunk => "chunks",
            Self::Body => "bodies",
        }
    }

    /// Where content of this name lies.
    pub(crate) fn path(self, hash: &Hash) -> String {
        let name = hash.to_hex();
        format!("{}/{}/{name}", self.directory(), name.get(..2).unwrap_or_default())
    }
}

impl Repository {
    pub(crate) fn fault(&self, what: &str, path: &str, error: &io::Error) -> Error {
        Error::Fault(format!("cannot {what} {}: {error}", self.place.shown(path)))
    }

    /// The name of content.
    pub(crate) fn hash(&self, content: &[u8]) -> Hash {
        self.cipher.as_ref().map_or_else(|| blake3::hash(content), |cipher| cipher.hash(content))
    }

    /// How long the file of so much content is.
    pub(crate) fn length_of(&self, content: &[u8]) -> u64 {
        content.len() as u64 + if self.cipher.is_some() { SEAL_BYTES as u64 } else { 0 }
    }

    pub(crate) fn spend(&self, bytes: usize) {
        if let Some(pace) = &self.pace {
            pace.spend(bytes);
        }
    }

    /// Writes a file, which has its name when all of it was read back and is what it should be.
    pub(crate) fn put(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        let sealed = self.cipher.as_ref().map(|cipher| cipher.seal(path, content)).transpose()?;
        self.write_aside(path, sealed.as_deref().unwrap_or(content))?;
        self.place.name(path).map_err(|error| self.fault("write", path, &error))
    }

    /// Writes what is to become a file, and reads it back.
    pub(crate) fn write_aside(&self, path: &str, content: &[u8]) -> Result<(), Error> {
        self.spend(content.len());
        self.place.write_aside(path, content).map_err(|error| self.fault("write", path, &error))?;
        self.spend(content.len());
        let watch = Stopwatch::start();
        let back = self.place.read_aside(path).map_err(|error| self.fault("read back", path, &error))?;
        let is_same = back == content;
        self.comparing_micros.fetch_add(watch.micros(), Ordering::Relaxed);
        if !is_same {
            self.place.drop_aside(path).map_err(|error| self.fault("remove", path, &error))?;
            return Err(Error::Fault(format!(
                "what was written to {} is not what is read back: the disk, its controller or the memory of this machine is \
                 faulty; make the backup elsewhere",
                self.place.shown(path)
            )));
        }
        Ok(())
    }

    /// A file's content, `None` if it was not written here, under this name and with this key, or is not whole.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self.place.read(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                Error::Fault(format!("{} is missing: the backup has lost it", self.place.shown(path)))
            }
            _ => self.fault("read", path, &error),
        })?;
        self.spend(found.len());
        Ok(match &self.cipher {
            Some(cipher) => cipher.open(path, found),
            None => Some(found),
        })
    }

    /// Content, compared with its name.
    pub(crate) fn read(&self, kind: Kind, hash: &Hash) -> Result<Vec<u8>, Error> {
        let path = kind.path(hash);
        self.get(&path)?.filter(|content| self.hash(content) == *hash).ok_or_else(|| {
            Error::Fault(format!(
                "{} is not what was written: the disk, or somebody, has changed it; the next backup writes it anew if the server \
                 still has it, or use a copy of the backup",
                self.place.shown(&path)
            ))
        })
    }
}
