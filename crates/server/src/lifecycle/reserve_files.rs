//! Room for files in reserve, on a file system that has a fixed number of them: empty files in a directory of their own.
//!
//! A server that was stopped has no logs beside its shards, and could not even read without making them.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The directory.
pub(super) const RESERVED_FILES: &str = "reserve-files";

/// Whether they are there.
pub(super) fn has(data_dir: &Path) -> bool {
    place(data_dir).is_dir()
}

/// Makes them; all or none.
pub(super) fn make(data_dir: &Path, count: u64) -> io::Result<()> {
    let place = place(data_dir);
    DirBuilder::new().mode(0o700).create(&place)?;
    for number in 0..count {
        if let Err(error) = File::create(place.join(number.to_string())) {
            remove(data_dir);
            return Err(error);
        }
    }
    Ok(())
}

/// Takes them away; whether there were any.
pub(super) fn remove(data_dir: &Path) -> bool {
    fs::remove_dir_all(place(data_dir)).is_ok()
}

fn place(data_dir: &Path) -> PathBuf {
    data_dir.join(RESERVED_FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_there_until_they_are_taken_away() {
        let place = tempfile::tempdir().unwrap();
        assert!(!has(place.path()) && !remove(place.path()));
        make(place.path(), 5).unwrap();
        assert_eq!(fs::read_dir(place.path().join(RESERVED_FILES)).unwrap().count(), 5);
        assert!(make(place.path(), 5).is_err(), "they are there");
        assert!(has(place.path()) && remove(place.path()) && !has(place.path()));
    }
}
