//! The directories that objects lie in: made durable once by each process, and cleared of what a crash left in them.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// At most this many directories are remembered as durable; then all are forgotten and flushed again when used.
const REMEMBERED_MAX: usize = 65_536;
/// A staging file, which earlier versions wrote, that was not written to for so long belongs to a process that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Directories {
    root: PathBuf,
    durable: Mutex<HashSet<PathBuf>>,
}

impl Directories {
    /// Creates `root` where it is not there.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        if !root.is_dir() {
            create(root)?;
            for parent in root.ancestors().skip(1) {
                sync(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })?;
            }
        }
        // Finds out whether it can be read. Nothing is flushed: a disk that takes nothing can be read.
        drop(fs::read_dir(root)?);
        Ok(Self { root: root.to_owned(), durable: Mutex::default() })
    }

    /// When this returns `Ok`, the names of all files that are in a bucket survive a power cut.
    pub(crate) fn settle(&self, account: &str, bucket: u8) -> io::Result<()> {
        sync(&self.bucket(account, bucket))
    }

    fn bucket(&self, account: &str, bucket: u8) -> PathBuf {
        self.root.join(account).join(format!("{bucket:02x}"))
    }

    /// When this returns `Ok`, the directory of a bucket is there and its name and its parent's survive a power cut.
    pub(crate) fn make_durable(&self, account: &str, bucket: u8) -> io::Result<()> {
        let (account, bucket) = (self.root.join(account), self.bucket(account, bucket));
        let (account_is_durable, bucket_is_durable) = {
            let durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
            (durable.contains(&account), durable.contains(&bucket))
        };
        if bucket_is_durable {
            return Ok(());
        }
        create(&bucket)?;
        remove_abandoned(&bucket)?;
        sync(&account)?;
        if !account_is_durable {
            sync(&self.root)?;
        }
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if durable.len() >= REMEMBERED_MAX {
            durable.clear();
        }
        durable.extend([account, bucket]);
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Removes the staging files (`name#1`, `name#2`) of puts that never ended.
fn remove_abandoned(bucket: &Path) -> io::Result<()> {
    for entry in fs::read_dir(bucket)? {
        let entry = entry?;
        // The names of objects contain no `#`.
        if !entry.file_name().as_encoded_bytes().contains(&b'#') {
            continue;
        }
        let age = SystemTime::now().duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if age > ABANDONED_AFTER {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let bucket = place.path().join("00000010/a0");
        fs::create_dir_all(&bucket).unwrap();
        let long_ago = SystemTime::now() - ABANDONED_AFTER * 2;
        for (name, old) in [("a", true), ("b#1", true), ("c#2", false)] {
            let file = File::create(bucket.join(name)).unwrap();
            if old {
                file.set_modified(long_ago).unwrap();
            }
        }
        Directories::open(place.path()).unwrap().make_durable("00000010", 0xa0).unwrap();
        let mut left: Vec<_> = fs::read_dir(&bucket).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["a", "c#2"]);
    }

    #[test]
    fn directories_are_made_with_their_parents() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("a/b");
        let directories = Directories::open(&root).unwrap();
        directories.make_durable("00000010", 0xa0).unwrap();
        directories.make_durable("00000010", 0xa1).unwrap();
        directories.make_durable("00000010", 0xa1).unwrap();
        assert!(root.join("00000010/a0").is_dir() && root.join("00000010/a1").is_dir());
        assert!(Directories::open(&place.path().join("a")).is_ok());
    }
}
