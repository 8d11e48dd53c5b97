//! Room for files in reserve, on a file system that has a fixed number of them: empty files in a directory of their own.
//!
//! A server that was stopped has no logs beside its shards, and could not even read without making them.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The directory.
pub(super) const RESERVED_FILES: &str = "reserve-files";
/// Until it is whole.
pub(super) const UNFINISHED: &str = "reserve-files.new";

/// Whether they are there.
pub(super) fn has(data_dir: &Path) -> bool {
    place(data_dir).is_dir()
}

/// Makes them; all or none, also when the process dies meanwhile.
pub(super) fn make(data_dir: &Path, count: u64) -> io::Result<()> {
    let unfinished = data_dir.join(UNFINISHED);
    let made = fill(&unfinished, count).and_then(|()| fs::rename(&unfinished, place(data_dir)));
    made.inspect_err(|_| drop(fs::remove_dir_all(&unfinished)))
}

fn fill(unfinished: &Path, count: u64) -> io::Result<()> {
    // What a process that died has left.
    let _nothing = fs::remove_dir_all(unfinished);
    DirBuilder::new().mode(0o700).create(unfinished)?;
    (0..count).try_for_each(|number| File::create(unfinished.join(number.to_string())).map(drop))?;
    File::open(unfinished)?.sync_all()
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
        // A process has died.
        fs::create_dir(place.path().join(UNFINISHED)).unwrap();
        File::create(place.path().join(UNFINISHED).join("7")).unwrap();
        assert!(!has(place.path()));
        make(place.path(), 5).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(place.path().join(RESERVED_FILES)).unwrap().count(), 5);
    }
}
