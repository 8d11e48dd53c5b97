//! Where the files of a repository lie: a directory, readable for its owner only.
//!
//! A file is written aside first and gets its name when it was read back. So what bears a name is whole, and was what it
//! should be when it got it.

use rustix::fs::{Advice, fadvise};
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A place for files that are written once. Paths are relative, with `/` between their parts. All calls block.
pub trait Place: fmt::Debug + Send + Sync {
    /// The place, or a file in it, as people know it.
    fn shown(&self, path: &str) -> String;

    /// A whole file.
    ///
    /// # Errors
    /// `NotFound` only if it is certain that there is none.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// How many octets a file has; `None`: there is none.
    ///
    /// # Errors
    /// It cannot be known.
    fn length(&self, path: &str) -> io::Result<Option<u64>>;

    /// Writes what is to become a file, durably.
    ///
    /// # Errors
    /// Whatever the system says.
    fn write_aside(&self, path: &str, content: &[u8]) -> io::Result<()>;

    /// What was written aside, from where it lies and not from memory, as far as the place can.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read_aside(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The same, unless something has the name: then that stays.
    ///
    /// # Errors
    /// Whatever the system says.
    fn name_once(&self, path: &str) -> io::Result<()>;

    /// Throws away what was written aside.
    ///
    /// # Errors
    /// Whatever the system says.
    fn drop_aside(&self, path: &str) -> io::Result<()>;

    /// Gives what was written aside its name, durably; what had it is gone.
    ///
    /// # Errors
    /// Whatever the system says.
    fn name(&self, path: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// The files in a directory: their names and their octets, in any order. Without the directory there are none.
    ///
    /// # Errors
    /// Whatever the system says.
    fn list(&self, directory: &str) -> io::Result<Vec<(String, u64)>>;

    /// Holds a file as long as what is given lives, alone or with others who share it; `None`: somebody else holds it.
    ///
    /// # Errors
    /// Whatever the system says.
    fn hold(&self, path: &str, shared: bool) -> io::Result<Option<Box<dyn Send>>>;
}

/// A directory of this machine.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// A directory that may not be there.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn aside(&self, path: &str) -> PathBuf {
        self.root.join(path).with_extension("new")
    }
}

impl Place for Directory {
    fn shown(&self, path: &str) -> String {
        if path.is_empty() { self.root.display().to_string() } else { self.root.join(path).display().to_string() }
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        read_past_cache(&self.root.join(path))
    }

    fn length(&self, path: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.root.join(path)) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write_aside(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let new = self.aside(path);
        if let Some(above) = new.parent().filter(|above| !above.exists()) {
            make_private(above)?;
            above.parent().map_or(Ok(()), |of_all| File::open(of_all)?.sync_all())?;
        }
        // A file of our own: somebody else may be about to name the one that is there.
        removed(&new)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn read_aside(&self, path: &str) -> io::Result<Vec<u8>> {
        read_past_cache(&self.aside(path))
    }

    fn name_once(&self, path: &str) -> io::Result<()> {
        match fs::hard_link(self.aside(path), self.root.join(path)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => removed(&self.aside(path))?,
        }
        File::open(&self.root)?.sync_all()
    }

    fn drop_aside(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.aside(path))
    }

    fn name(&self, path: &str) -> io::Result<()> {
        let to = self.root.join(path);
        fs::rename(self.aside(path), &to)?;
        to.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }

    fn list(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        let entries = match fs::read_dir(self.root.join(directory)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let (entry, found) = entry.and_then(|entry| entry.metadata().map(|found| (entry, found)))?;
            if found.is_file() {
                files.push((entry.file_name().to_string_lossy().into_owned(), found.len()));
            }
        }
        Ok(files)
    }

    fn hold(&self, path: &str, shared: bool) -> io::Result<Option<Box<dyn Send>>> {
        let file = File::open(self.root.join(path))?;
        match if shared { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// Removes a file, if it is there.
fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the system does as it is asked, what comes is what the disk has, and takes no room of what others read.
fn read_past_cache(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut content) = (File::open(path)?, Vec::new());
    let _only_advice = fadvise(&file, 0, None, Advice::DontNeed);
    file.read_to_end(&mut content)?;
    let _only_advice = fadvise(&file, 0, None, Advice::DontNeed);
    Ok(content)
}

/// Makes a directory for its owner only, with those above it.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
