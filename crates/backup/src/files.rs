//! The files of a repository: readable for their owner only, whole or not there.

use crate::{Error, Repository};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// What is named by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

pub(crate) fn fault(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::Fault(format!("cannot {what} {}: {error}", path.display()))
}

/// Makes a directory for its owner only, with those above it.
pub(crate) fn make_private(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| fault("make", path, &error))
}

/// Writes a file durably, as a whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    let whole = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
    };
    whole().map_err(|error| fault("write", path, &error))
}

impl Repository {
    /// Keeps content under its hash. True if it was not there.
    pub(crate) fn keep(&self, kind: Kind, hash: &blake3::Hash, content: &[u8]) -> Result<bool, Error> {
        let path = self.content(kind, hash);
        // One of another length was cut off by whoever copied the repository.
        if fs::metadata(&path).is_ok_and(|there| there.len() == content.len() as u64) {
            return Ok(false);
        }
        if let Some(above) = path.parent().filter(|above| !above.exists()) {
            make_private(above)?;
            let of_all = self.root.join(kind.directory());
            File::open(&of_all)
                .and_then(|of_all| of_all.sync_all())
                .map_err(|error| fault("flush", &of_all, &error))?;
        }
        write(&path, content).map(|()| true)
    }

    /// Content, compared with its name.
    pub(crate) fn read(&self, kind: Kind, hash: &blake3::Hash) -> Result<Vec<u8>, Error> {
        let path = self.content(kind, hash);
        let content = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Fault(format!("{} is missing: the backup has lost it", path.display())),
            _ => fault("read", &path, &error),
        })?;
        if blake3::hash(&content) == *hash {
            return Ok(content);
        }
        Err(Error::Fault(format!(
            "{} is not what was written: the disk has changed it; use a copy of the backup",
            path.display()
        )))
    }
}
