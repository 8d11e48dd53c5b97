//! What lies beside the store.

use std::fs;
use std::io;
use std::path::Path;

use console::LAST_BACKUP_FILE;

use crate::lifecycle::{FOR_ROOM, LOCK, MARKER};
use crate::moved::{BODIES_FILE, ENGINE_FILE, OBJECTS};
use crate::rebuilding::STORE;
use crate::repairing::target::{ADVICE, DAMAGED, REPORT, make};
use crate::setup::SetupError;
use crate::stores::{RESTORED_FILE, SECRET_BYTES, SECRET_FILE};

/// What comes along as it is.
const FILES: [&str; 4] = [SECRET_FILE, ENGINE_FILE, BODIES_FILE, "try-accounts"];
const DIRECTORIES: [&str; 2] = ["tls", DAMAGED];
/// What is made anew, or by a server that starts; beside [`FOR_ROOM`].
const MADE: [&str; 10] =
    [STORE, OBJECTS, MARKER, LOCK, RESTORED_FILE, REPORT, LAST_BACKUP_FILE, "search-index", "spool", "control.sock"];

/// What of it is lost, or does not come along.
pub(super) fn told(data: &Path) -> Vec<String> {
    let mut told = Vec::new();
    let secret = data.join(SECRET_FILE);
    match fs::metadata(&secret) {
        Ok(found) if found.len() == SECRET_BYTES as u64 => {}
        found => {
            let what = match found {
                Ok(found) => format!("has {} octets", found.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
                Err(_) => "cannot be read".to_owned(),
            };
            told.push(format!(
                "{} {what}: unless it comes out of a backup, application passwords, second factors and keys that sign mail have to be made \
                 anew",
                secret.display()
            ));
        }
    }
    let entries = fs::read_dir(data).into_iter().flatten().flatten();
    let mut others: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    others.retain(|name| {
        let known = FILES.iter().chain(&DIRECTORIES).chain(&MADE).chain(&FOR_ROOM).any(|known| name == known);
        !known && name != "lost+found" && !name.ends_with(".new")
    });
    others.sort();
    told.extend(
        others.into_iter().map(|name| format!("{name} is nothing that Pillarbox knows, and does not come along")),
    );
    told
}

/// Copies what comes along.
pub(super) fn bring(data: &Path, to: &Path) -> Result<(), SetupError> {
    for name in FILES {
        copy(&data.join(name), &to.join(name))?;
    }
    DIRECTORIES.iter().try_for_each(|name| copy_all(&data.join(name), &to.join(name)))
}

/// What is not there stays so.
fn copy_all(from: &Path, to: &Path) -> Result<(), SetupError> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(from, &error)),
    };
    make(to)?;
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(from, &error))?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let is_directory = entry.file_type().map_err(|error| unreadable(&path, &error))?.is_dir();
        if is_directory { copy_all(&path, &to)? } else { copy(&path, &to)? }
    }
    Ok(())
}

/// With its mode; what is not there stays so. A secret of another length is none.
fn copy(from: &Path, to: &Path) -> Result<(), SetupError> {
    let octets = match fs::read(from) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(from, &error)),
    };
    if from.file_name().is_some_and(|name| name == SECRET_FILE) && octets.len() != SECRET_BYTES {
        return Ok(());
    }
    let mode = fs::metadata(from).map_err(|error| unreadable(from, &error))?.permissions();
    let written = crate::private_file::write(to, &octets).and_then(|()| fs::set_permissions(to, mode));
    written.map_err(|error| SetupError::file("write", to, &error, ADVICE))
}

fn unreadable(path: &Path, error: &io::Error) -> SetupError {
    SetupError::file("read", path, error, "what cannot be read is not lost for sure, and nothing is made without it")
}
