//! A server comes back out of a backup: into a data directory that is empty or not there.

use std::fs;
use std::path::Path;

use backup::{Key, Restored, Step};
use console::{backups, parse_moment};
use store::Timestamp;

use crate::clock::Clock;
use crate::config::Config;
use crate::lifecycle::DataDir;
use crate::private_file;
use crate::setup::SetupError;
use crate::stores::{RESTORED_FILE, UNFINISHED_FILE, engine, objects};

/// What is to come back.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The directory of the backups, or the address of a bucket with its keys.
    pub from: &'a str,
    /// Their key, if they are encrypted.
    pub key: Option<&'a Key>,
    /// Which of them.
    pub which: Which<'a>,
    /// Mail that waited for other servers, too.
    pub with_queue: bool,
}

/// One of several backups.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The last one.
    Newest,
    /// By its name.
    Named(&'a str),
    /// The last one of this moment or before, as people write one.
    Until(&'a str),
}

/// Why nothing came back.
#[derive(Debug)]
pub enum RestoreError {
    /// The data directory, or what keeps the mail.
    Setup(SetupError),
    /// The backup.
    Backup(backup::Error),
}

impl From<SetupError> for RestoreError {
    fn from(error: SetupError) -> Self {
        Self::Setup(error)
    }
}

impl From<backup::Error> for RestoreError {
    fn from(error: backup::Error) -> Self {
        Self::Backup(error)
    }
}

/// Durable before anything is written that the next backup compares.
pub(crate) fn mark_restored(directory: &Path) -> Result<(), SetupError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random)
        .map_err(|error| SetupError::new(format!("the system gives no random numbers: {error}")))?;
    let file = directory.join(RESTORED_FILE);
    private_file::write(&file, &random)
        .map_err(|error| SetupError::file("write", &file, &error, "check who owns the data directory"))
}

/// Brings a backup back. What an interrupted one leaves is opened by nobody.
///
/// # Errors
/// The data directory holds a server already, or is in use; there is no such backup; faults.
pub fn restore(config: &Config, wanted: Wanted<'_>, step: &mut dyn FnMut(Step)) -> Result<Restored, RestoreError> {
    let repository = backups(wanted.from, wanted.key, false)?;
    let (now, with_queue) = (Timestamp(Clock::start().now().unix_millis), wanted.with_queue);
    // One and the same for all that comes back.
    let _lock = repository.lock_to_read()?;
    let name = match wanted.which {
        Which::Newest => repository.newest()?,
        Which::Named(name) => name.to_owned(),
        Which::Until(at) => {
            let at = parse_moment(at, now).map_err(|error| backup::Error::Refused(error.to_string()))?;
            repository.newest_until(at)?
        }
    };
    let name = Some(name.as_str());
    let place = config.data_dir.display();
    if config.data_dir.join("store").exists() || config.data_dir.join("auth-secret").exists() {
        return Err(SetupError::new(format!(
            "{place} holds a server already; a backup comes back into a directory that is empty or not there: move the old one \
             away first"
        ))
        .into());
    }
    let data_dir = DataDir::open(&config.data_dir)?;
    let unfinished = data_dir.path().join(UNFINISHED_FILE);
    let advice = "check who owns the data directory";
    private_file::write(&unfinished, b"").map_err(|error| SetupError::file("write", &unfinished, &error, advice))?;
    repository.restore_beside(name, data_dir.path())?;
    mark_restored(data_dir.path())?;
    let engine = engine(data_dir.path(), config)?;
    let objects = objects(data_dir.path(), config)?;
    let restored = repository.restore(name, (&*engine, &*objects), (with_queue, now), &mut |at| {
        step(at);
        Ok(())
    })?;
    fs::remove_file(&unfinished).map_err(|error| SetupError::file("remove", &unfinished, &error, advice))?;
    Ok(restored)
}
