//! The data directory: made for the server's user only, marked with its format, used by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::disk::{Disk, FOR_ROOM};
use super::open_files::enough_files;
use crate::private_file;
use crate::setup::SetupError;

/// Says whose directory it is and how it is laid out.
pub(crate) const MARKER: &str = "pillarbox.format";
pub(crate) const LOCK: &str = "pillarbox.lock";
const NAME: &str = "pillarbox";
/// The layout that this version reads and writes. It changes when an older version could not use the directory.
const FORMAT: u32 = 1;
/// There while a repair makes this data directory ([`crate::repairing`]), and what it is made of.
pub(crate) const REPAIR: &str = "repair-unfinished";
/// What may be in a directory that is taken as new, beside [`FOR_ROOM`]: what a crash of the first start leaves, and what a fresh file
/// system has.
const NOT_FOREIGN: [&str; 3] = ["pillarbox.format.new", LOCK, "lost+found"];
/// A marker is one short line.
const MARKER_BYTES_MAX: u64 = 256;
const ADVICE_TO_WRITE: &str = "the server's user must be able to write the data directory";
const ADVICE_TO_MAKE: &str = "choose another data_dir, or make the directory and give it to the server's user";

/// A data directory that nobody else uses as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    disk: Arc<Disk>,
    /// The lock goes with the file, also when the process is killed.
    _lock: File,
}

impl DataDir {
    /// Opens the directory at `path`, made and marked if it is not there or empty.
    ///
    /// # Errors
    /// It cannot be written, is somebody else's, was written by a newer version, or is in use.
    pub fn open(path: &Path) -> Result<Self, SetupError> {
        enough_files()?;
        make(path)?;
        check_repaired(path)?;
        check_not_foreign(path)?;
        // On a full disk nothing below could be written, and SQLite could not even read.
        let disk = Arc::new(Disk::open(path));
        let lock = lock(path)?;
        check_marker(path)?;
        keep_private(path)?;
        Ok(Self { path: path.to_owned(), disk, _lock: lock })
    }

    /// The disk that it is on.
    #[must_use]
    pub fn disk(&self) -> Arc<Disk> {
        self.disk.clone()
    }

    /// Whether [`DataDir::open`] would take the directory at `path`, as far as that can be seen without changing anything.
    ///
    /// # Errors
    /// As [`DataDir::open`], but that it is in use: [`DataDir::owner`].
    pub fn check(path: &Path) -> Result<(), SetupError> {
        if !path.exists() {
            let above = path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("."));
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            let can_be_made = if above.is_dir() { may_write(above) } else { Err(ErrorKind::NotADirectory.into()) };
            return can_be_made
                .map_err(|error| SetupError::file("create the data directory", path, &error, ADVICE_TO_MAKE));
        }
        check_repaired(path)?;
        check_not_foreign(path)?;
        if let Some(text) = read_marker(path)? {
            check_format(path, &text)?;
        }
        may_write(path).map_err(|error| SetupError::file("write the data directory", path, &error, ADVICE_TO_MAKE))
    }

    /// Another process uses the directory at `path`: whose number that is, as far as it can be told.
    #[must_use]
    pub fn owner(path: &Path) -> Option<String> {
        let lock = File::open(path.join(LOCK)).ok()?;
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| owner(&lock))
    }

    /// What is said when `owner` uses the directory at `path`.
    pub(crate) fn in_use(path: &Path, owner: &str) -> SetupError {
        SetupError::new(format!(
            "{} is in use by another Pillarbox{owner}; stop that one first or choose another data_dir",
            path.display()
        ))
    }

    /// Keeps everybody else out of a directory that is not to be changed, as long as the result lives. Nobody was ever in one without a
    /// lock: `None`.
    ///
    /// # Errors
    /// It is in use, or was written by a newer version; it cannot be read.
    pub(crate) fn keep_out(path: &Path) -> Result<Option<File>, SetupError> {
        // What is damaged of the marker is not needed.
        match read_marker(path)?.as_deref().and_then(format_in) {
            Some(newer) if newer > FORMAT => check_format(path, &format!("{NAME} {newer}"))?,
            Some(_) | None => {}
        }
        let file = path.join(LOCK);
        let lock = match File::open(&file) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SetupError::file("lock", &file, &error, ADVICE_TO_WRITE)),
        };
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Err(Self::in_use(path, &owner(&lock))),
            Err(TryLockError::Error(error)) => {
                Err(SetupError::file("lock", &file, &error, "the file system must support file locks"))
            }
        }
    }

    /// The same of one that is being made, and is not marked yet.
    pub(crate) fn lock_new(path: &Path) -> Result<File, SetupError> {
        lock(path)
    }

    /// Marks one that was made.
    pub(crate) fn mark(path: &Path) -> Result<(), SetupError> {
        check_marker(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn make(path: &Path) -> Result<(), SetupError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| SetupError::file("create the data directory", path, &error, ADVICE_TO_MAKE))
}

/// A directory may be read-only for everybody; that is for the store to say.
fn may_write(directory: &Path) -> io::Result<()> {
    match access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) | Err(Errno::ROFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One that a repair has not finished holds a part of the mail.
pub(crate) fn check_repaired(path: &Path) -> Result<(), SetupError> {
    // One that cannot be seen may be there.
    if matches!(path.join(REPAIR).try_exists(), Ok(false)) {
        return Ok(());
    }
    Err(SetupError::new(format!(
        "{} is what a `pillarbox repair` was making that did not come to its end: only a part of the mail is in it, and no server starts \
         with it. Call that again with the same --to, or remove the directory",
        path.display()
    )))
}

/// A directory with other things in it is not touched.
fn check_not_foreign(path: &Path) -> Result<(), SetupError> {
    let unreadable = |error| SetupError::file("read the data directory", path, &error, "check who owns it");
    if path.join(MARKER).exists() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !NOT_FOREIGN.iter().chain(&FOR_ROOM).any(|known| name == *known) {
            return Err(SetupError::new(format!(
                "{} is not a data directory of Pillarbox: it has no {MARKER} but contains {}; choose an empty or new \
                 directory as data_dir",
                path.display(),
                name.display()
            )));
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File, SetupError> {
    let file = path.join(LOCK);
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&file);
    let (mut lock, locked) = match opened {
        Ok(lock) => {
            let locked = lock.try_lock();
            (lock, locked)
        }
        // Nobody can write here. Several may read, and whoever finds that it can be written again waits for them.
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            let lock = File::open(&file).map_err(|error| SetupError::file("lock", &file, &error, ADVICE_TO_WRITE))?;
            let locked = lock.try_lock_shared();
            (lock, locked)
        }
        Err(error) => return Err(SetupError::file("write", &file, &error, ADVICE_TO_WRITE)),
    };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(DataDir::in_use(path, &owner(&lock)));
        }
        Err(TryLockError::Error(error)) => {
            return Err(SetupError::file("lock", &file, &error, "the file system must support file locks"));
        }
    }
    // Only for people and for the sentence above.
    let _unnamed = lock.set_len(0).and_then(|()| lock.write_all(format!("{}\n", process::id()).as_bytes()));
    Ok(lock)
}

/// Who holds the lock, only to name the process: without it the sentence is still true.
fn owner(lock: &File) -> String {
    let mut owner = String::new();
    let _unnamed = lock.take(MARKER_BYTES_MAX).read_to_string(&mut owner);
    let owner = owner.trim();
    if owner.is_empty() { String::new() } else { format!(" (process {owner})") }
}

/// Checks the marker, or writes it into a new directory.
fn check_marker(path: &Path) -> Result<(), SetupError> {
    let Some(text) = read_marker(path)? else {
        let file = path.join(MARKER);
        return private_file::write(&file, format!("{NAME} {FORMAT}\n").as_bytes())
            .map_err(|error| SetupError::file("write", &file, &error, ADVICE_TO_WRITE));
    };
    check_format(path, &text)
}

/// What the marker says; `None` where there is none.
fn read_marker(path: &Path) -> Result<Option<String>, SetupError> {
    let file = path.join(MARKER);
    let mut text = String::new();
    match File::open(&file).and_then(|marker| marker.take(MARKER_BYTES_MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => Ok(Some(String::new())),
        Err(error) => Err(SetupError::file("read", &file, &error, "check who owns it")),
    }
}

fn format_in(text: &str) -> Option<u32> {
    text.trim_end().strip_prefix(NAME).and_then(|rest| rest.trim_start().parse().ok())
}

fn check_format(path: &Path, text: &str) -> Result<(), SetupError> {
    let path = path.display();
    match format_in(text) {
        Some(FORMAT) => Ok(()),
        Some(newer) if newer > FORMAT => Err(SetupError::new(format!(
            "{path} was written by a newer Pillarbox (format {newer}, this version knows {FORMAT}); start the newer \
             version, or restore a backup from before the upgrade into another directory"
        ))),
        Some(_) | None => Err(SetupError::new(format!(
            "{path} is not a data directory that Pillarbox knows: {MARKER} in it says {:?}; choose another data_dir \
             or restore that file from a backup",
            text.trim_end()
        ))),
    }
}

/// Mail is nobody else's to read, also in a directory that was made by somebody more generous.
fn keep_private(path: &Path) -> Result<(), SetupError> {
    let failed = |error| SetupError::file("keep other users out of", path, &error, "the server's user must own it");
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, Permissions::from_mode(0o700)) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            tracing::warn!(
                place = %path.display(),
                "other users of this machine may see what is in the data directory, and on a read-only disk that stays so"
            );
            Ok(())
        }
        kept => kept.map_err(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_marked_and_private_and_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        for _ in 0..2 {
            let opened = DataDir::open(&path).unwrap();
            assert_eq!(opened.path(), path);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
            assert_eq!(fs::read_to_string(path.join(MARKER)).unwrap(), "pillarbox 1\n");
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        let error = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("in use by another Pillarbox (process {})", process::id())), "{error}");
        drop(first);
        DataDir::open(dir.path()).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_refused_in_one_sentence_and_left_alone() {
        fn check(file: &str, content: &[u8], expected: &[&str]) {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(file), content).unwrap();
            let found = DataDir::open(dir.path());
            let text = found.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(text.is_empty(), expected.is_empty(), "{file}: {text}");
            for part in expected {
                assert!(text.contains(part), "{text:?} lacks {part:?}");
            }
            assert!(!text.contains('\n'));
            if !expected.is_empty() {
                assert_eq!(fs::read(dir.path().join(file)).unwrap(), content);
            }
        }
        check("holiday.jpg", b"x", &["not a data directory", "holiday.jpg", "choose an empty or new"]);
        check(MARKER, b"pillarbox 2\n", &["newer Pillarbox (format 2, this version knows 1)", "restore a backup"]);
        check(MARKER, b"pillarbox 0\n", &["Pillarbox knows", "pillarbox 0"]);
        check(MARKER, b"dovecot\n", &["dovecot", "choose another data_dir"]);
        check(MARKER, b"\xff\xfe", &["Pillarbox knows"]);
        check(MARKER, b"pillarbox 1\n", &[]);
        check("pillarbox.format.new", b"pillarb", &[]);
    }

    #[test]
    fn a_path_that_cannot_be_a_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(&file.join("data")).unwrap_err().to_string();
        assert!(error.starts_with("cannot create the data directory ") && error.contains("not a directory"), "{error}");
    }
}
