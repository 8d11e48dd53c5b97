//! Where backups are: in a directory of this machine, or in a part of a bucket.

use backup::{Error, Key, Place, Repository};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use store_objects::{BucketFiles, NoBucket, S3Options};

/// What an address of a bucket begins with.
pub(crate) const IN_BUCKET: &str = "s3://";

/// Opens the backups in a directory, by its path from the root on, or in a bucket
/// (`s3://KEY:SECRET@host:port/bucket/prefix?region=…&tls=off`). With `make` it makes a place for new ones.
///
/// # Errors
/// There are none, or with another key, or of another version; the place cannot be reached, or says no.
pub fn backups(at: &str, key: Option<&Key>, make: bool) -> Result<Repository, Error> {
    if at.starts_with(IN_BUCKET) {
        let options: S3Options = at.parse().map_err(|error: NoBucket| Error::Refused(error.to_string()))?;
        let files = BucketFiles::new(&options).map_err(|error| Error::Refused(error.to_string()))?;
        let place: Arc<dyn Place> = Arc::new(InBucket(files));
        return if make { Repository::create_in(place, key) } else { Repository::open_in(place, key) };
    }
    let path = Path::new(at);
    if make { Repository::create(path, key) } else { Repository::open(path, key) }
}

/// Backups in a bucket. A file has its name at once, and is removed again where it is not read back as it was written. A bucket knows
/// no locks: only backups of this process wait for each other.
#[derive(Debug)]
struct InBucket(BucketFiles);

/// The places that are written, read while they are changed, by this process.
static HELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Held until it is dropped.
struct Held(String);

impl Drop for Held {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

impl Place for InBucket {
    fn shown(&self, path: &str) -> String {
        self.0.shown(path)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn length(&self, path: &str) -> io::Result<Option<u64>> {
        self.0.length(path)
    }

    fn write_aside(&self, path: &str, content: &[u8]) -> io::Result<()> {
        self.0.put(path, content)
    }

    fn read_aside(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read(path)
    }

    fn drop_aside(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn name(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn name_once(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        self.0.list(directory)
    }

    fn hold(&self, _: &str, shared: bool) -> io::Result<Option<Box<dyn Send>>> {
        let place = self.0.shown("");
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains(&place) {
            return Ok(None);
        }
        // Several may read, and none of them keeps a backup from being made: what goes meanwhile is missed by those who read.
        if shared {
            return Ok(Some(Box::new(())));
        }
        held.insert(place.clone());
        Ok(Some(Box::new(Held(place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_process_one_backup_at_a_time_is_made_in_a_bucket() {
        let place = |path: &str| {
            let options: S3Options = format!("s3://key:secret@127.0.0.1:1/{path}?tls=off").parse().unwrap();
            InBucket(BucketFiles::new(&options).unwrap())
        };
        let (one, other, elsewhere) = (place("mail/one"), place("mail/one"), place("mail/two"));
        let held = one.hold("", false).unwrap();
        assert!(held.is_some());
        assert!(other.hold("", false).unwrap().is_none() && other.hold("", true).unwrap().is_none());
        assert!(elsewhere.hold("", false).unwrap().is_some());
        drop(held);
        assert!(other.hold("", true).unwrap().is_some());
        assert!(other.hold("", false).unwrap().is_some());
    }
}
