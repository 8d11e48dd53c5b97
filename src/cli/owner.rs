//! As whom a command works on the data of a server that does not run: as the user that they belong to.
//!
//! Else what root makes there could not be read by the server, which is another user's, when it starts.

use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

use rustix::process::geteuid;
use server::control::Client;

use super::Outcome;
use super::failure::Failure;
use super::place::Place;

/// Goes on as the user whom the data of `place` belong to, where root has called and no server runs, which would be asked instead.
pub(super) fn become_owner(place: &Place) -> Outcome {
    // What is wrong with a configuration, the command says itself.
    let Some((data_dir, owner)) = place.load().ok().and_then(|config| {
        let owner = other_owner(&config.data_dir)?;
        Some((config.data_dir, owner))
    }) else {
        return Ok(());
    };
    if !matches!(Client::connect(&data_dir), Ok(None)) {
        return Ok(());
    }
    let failed = |error: io::Error| {
        Failure::Fault(format!(
            "{} belongs to user {}, and root cannot act as that user: {error}; call this as that user",
            data_dir.display(),
            owner.user
        ))
    };
    let mut words = env::args_os();
    let called = words.next().unwrap_or_default();
    // Without /proc nobody knows what runs, but how it was called.
    let program = env::current_exe().unwrap_or_else(|_| called.into());
    Err(failed(Command::new(program).args(words).uid(owner.user).gid(owner.group).exec()))
}

/// Gives all in `directory`, which root has just made there, to whom the directory belongs.
pub(super) fn give_to_owner(directory: &Path) -> io::Result<()> {
    match other_owner(directory) {
        Some(owner) => give(directory, owner),
        None => Ok(()),
    }
}

#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

/// Whom `directory` belongs to, if root asks and it is somebody else.
fn other_owner(directory: &Path) -> Option<Owner> {
    if !geteuid().is_root() {
        return None;
    }
    let found = fs::metadata(directory).ok()?;
    (found.uid() != 0).then_some(Owner { user: found.uid(), group: found.gid() })
}

fn give(directory: &Path, owner: Owner) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        lchown(entry.path(), Some(owner.user), Some(owner.group))?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), owner)?;
        }
    }
    Ok(())
}
