//! The directory that a repair makes.
//!
//! Invariant: nothing is removed that no repair of the same directory has made.
//! Invariant: the mark that keeps every server out is on the disk before anything else, and goes when all else is.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Component, Path, PathBuf};

use rustix::process::geteuid;

use crate::lifecycle::{DataDir, LOCK, MARKER, REPAIR};
use crate::moved::{BODIES_FILE, ENGINE_FILE, OBJECTS, read, remove, write};
use crate::private_file;
use crate::rebuilding::{NOTES, STORE};
use crate::setup::SetupError;
use crate::stores::{RESTORED_FILE, SECRET_FILE};

pub(super) const ADVICE: &str = "check who owns it, and whether there is room; nothing was changed elsewhere";
/// Large messages that are damaged, as they are.
pub(super) const DAMAGED: &str = "damaged";
pub(super) const REPORT: &str = "report.txt";
/// What a repair makes.
const MADE: [&str; 11] = [
    STORE,
    OBJECTS,
    NOTES,
    DAMAGED,
    REPORT,
    SECRET_FILE,
    ENGINE_FILE,
    BODIES_FILE,
    "try-accounts",
    "tls",
    RESTORED_FILE,
];

/// A directory that is being made; nobody else works in it as long as this lives.
pub(super) struct Target {
    path: PathBuf,
    _lock: File,
}

impl Target {
    /// Takes a directory that is not there, is empty, or is an unfinished repair of `data`, which begins anew.
    pub(super) fn claim(to: &Path, data: &Path) -> Result<Self, SetupError> {
        let failed = |error: io::Error| SetupError::file("make", to, &error, ADVICE);
        let path = std::path::absolute(to).map_err(failed)?;
        if to.components().any(|part| part == Component::ParentDir) {
            let place = to.display();
            return Err(SetupError::new(format!("{place} has `..` in it; name the directory by its whole path")));
        }
        must_lie_apart(&path, data)?;
        let of = data.display().to_string();
        match read(&path.join(REPAIR))? {
            Some(before) if before != of => {
                return Err(SetupError::new(format!(
                    "{} is an unfinished repair of {before}, and not of {of}; name another directory",
                    path.display()
                )));
            }
            Some(_) => {}
            None if !is_empty(&path)? => {
                return Err(SetupError::new(format!(
                    "{} is not empty, and no unfinished repair; name a directory that is not there yet",
                    path.display()
                )));
            }
            None => {
                make(&path)?;
                // One that was there may have been made by somebody more generous.
                fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
                let marked = write(&path.join(REPAIR), &of).and_then(|()| sync_above(&path).map_err(failed));
                marked.inspect_err(|_| {
                    for name in [new(REPAIR), REPAIR.to_owned()] {
                        let _stays = fs::remove_file(path.join(name));
                    }
                    let _stays = fs::remove_dir(&path);
                })?;
            }
        }
        let target = Self { _lock: DataDir::lock_new(&path)?, path };
        target.clear()?;
        if let Some(other) = target.others()?.first() {
            return Err(SetupError::new(format!(
                "{} is in the unfinished repair {}, and was not made by one; move it away",
                other,
                target.path.display()
            )));
        }
        Ok(target)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down what is lost, a line each.
    pub(super) fn report(&self, lines: &[String]) -> Result<(), SetupError> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let file = self.path.join(REPORT);
        private_file::write(&file, text.as_bytes()).map_err(|error| SetupError::file("write", &file, &error, ADVICE))
    }

    pub(super) fn forget_notes(&self) -> Result<(), SetupError> {
        remove(&self.path.join(NOTES))
    }

    /// From here on a server may start in it. It belongs to whom the damaged one belongs to, if root has made it.
    pub(super) fn finish(&self, data: &Path) -> Result<(), SetupError> {
        let failed = |error: io::Error| SetupError::file("write", &self.path, &error, ADVICE);
        DataDir::mark(&self.path)?;
        let theirs = fs::metadata(data).map_err(failed)?;
        let owner = (geteuid().is_root() && theirs.uid() != 0).then_some((theirs.uid(), theirs.gid()));
        settle(&self.path, owner).map_err(failed)?;
        sync_above(&self.path).map_err(failed)?;
        let mark = self.path.join(REPAIR);
        remove(&mark)?;
        // Who is told that it failed finds none that a server starts in.
        sync(&self.path).map_err(failed).inspect_err(|_| drop(write(&mark, &data.display().to_string())))
    }

    /// Nothing of it is of use. What cannot be removed the next call removes.
    pub(super) fn give_up(self) {
        let cleared = self.clear().is_ok() && self.others().is_ok_and(|others| others.is_empty());
        // The mark goes last.
        if cleared && fs::remove_file(self.path.join(LOCK)).is_ok() {
            let _stays = fs::remove_file(self.path.join(REPAIR));
            // It may have been there before; an empty one is taken again.
            let _stays = fs::remove_dir(&self.path);
        }
    }

    /// Removes what an earlier repair has made; first what a server wants to see before it starts.
    fn clear(&self) -> Result<(), SetupError> {
        let made = || [MARKER].into_iter().chain(MADE);
        for name in made().map(str::to_owned).chain(made().chain([REPAIR]).map(new)) {
            let path = self.path.join(name);
            let removed = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            removed.map_err(|error| SetupError::file("remove", &path, &error, ADVICE))?;
        }
        Ok(())
    }

    /// What else there is.
    fn others(&self) -> Result<Vec<String>, SetupError> {
        let entries = fs::read_dir(&self.path).map_err(|error| SetupError::file("read", &self.path, &error, ADVICE))?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_ours = |name: &String| [LOCK, REPAIR, "lost+found"].contains(&name.as_str());
        Ok(names.filter(|name| !is_ours(name)).collect())
    }
}

/// Refuses a directory inside of the damaged one, or around it, by whatever name.
fn must_lie_apart(to: &Path, data: &Path) -> Result<(), SetupError> {
    let failed = |error: io::Error| SetupError::file("find", to, &error, "name another directory");
    let there = to.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(to).canonicalize().map_err(failed)?;
    // Parts of it may lie on other disks.
    for part in [data.to_owned(), data.join(STORE), data.join(OBJECTS)].iter().filter(|part| part.exists()) {
        let part = part.canonicalize().map_err(failed)?;
        if there.starts_with(&part) || (to.exists() && part.starts_with(&there)) {
            return Err(SetupError::new(format!(
                "{} lies in the damaged directory {}, which is not to be changed, or around it; name another directory",
                to.display(),
                data.display()
            )));
        }
    }
    Ok(())
}

/// What a file is called while it is written.
fn new(name: &str) -> String {
    format!("{name}.new")
}

/// Whether a directory has nothing in it, or is not there.
fn is_empty(path: &Path) -> Result<bool, SetupError> {
    match fs::read_dir(path) {
        // What a crash leaves of the mark, and what a fresh file system has.
        Ok(entries) => Ok(entries.flatten().all(|entry| {
            let name = entry.file_name();
            name == "lost+found" || name == *new(REPAIR)
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(SetupError::file("read", path, &error, "name a directory that is not there yet")),
    }
}

pub(super) fn make(directory: &Path) -> Result<(), SetupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| SetupError::file("make", directory, &error, ADVICE))
}

/// Gives everything below a directory to its owner, and has all of it on the disk.
fn settle(directory: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            settle(&path, owner)?;
        } else {
            own(&path, owner)?;
            File::open(&path)?.sync_all()?;
        }
    }
    own(directory, owner)?;
    sync(directory)
}

fn own(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    owner.map_or(Ok(()), |(user, group)| lchown(path, Some(user), Some(group)))
}

/// Has the names on the disk that lead to a directory, as far as this user may see them.
fn sync_above(directory: &Path) -> io::Result<()> {
    directory.ancestors().skip(1).try_for_each(|above| match sync(above) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    })
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
