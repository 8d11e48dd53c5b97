//! `pillarbox repair`: another data directory beside a damaged one, with all of it that is sound, that a server can start with.
//!
//! Invariant: the damaged directory is not written to, and nobody else works on it meanwhile.
//! Invariant: what cannot be read is not lost: nothing is made without it.
//! Invariant: no server starts in the new directory before all that is told to be in it is on the disk, was read again, and agrees.

mod beside;
mod bodies;
mod target;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use directory::{Directory, DirectoryOptions};
use queue::{Policy, Queue};
use store::check::{self, Depth};
use store::engine::Engine;
use store::objects::Objects;
use store::salvage::Aim;
use store::{AccountId, Store, Timestamp};
use store_objects::DirectoryObjects;
use store_sqlite::{SqliteEngine, SqliteOptions};

use crate::clock::Clock;
use crate::config::{Config, StorageEngine};
use crate::lifecycle::DataDir;
use crate::moved::{OBJECTS, bodies_must_be, must_be_there};
use crate::rebuilding::{OnStep, Rebuilt, STORE, build};
use crate::restoration::mark_restored;
use crate::setup::SetupError;
use crate::standing::must_not_be_superseded;
use crate::stores::{UNFINISHED_FILE, open_objects};
use bodies::Bodies;
use target::Target;

/// So much of what cannot be read, or does not agree, is named.
const NAMED_MAX: usize = 20;

/// What a repair has made, or would make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Accounts that are in it.
    pub accounts: usize,
    /// Messages in their mailboxes, with those that stand for lost ones.
    pub messages: u64,
    /// What is lost or may be, a line each: whose, and what.
    pub losses: Vec<String>,
    /// The damaged directory, absolute.
    pub data: PathBuf,
}

/// Tells what a repair would lose. Everything it needs it makes in `work`, an empty directory.
///
/// # Errors
/// As [`repair`].
pub fn look(config: &Config, work: &Path, step: OnStep<'_>) -> Result<Repaired, SetupError> {
    let source = Source::open(config)?;
    let rebuilt = source.rebuild(work, step)?;
    let lost = source.lost(&rebuilt);
    source.must_be_as_before()?;
    Ok(Repaired { losses: lost, ..made(&rebuilt, &source)? })
}

/// Makes the data directory `to` of what is left of that of `config`, whose server does not run. `to` is not there yet, is empty, or is
/// what an earlier call has left that did not come to its end.
///
/// # Errors
/// A server works on the data; mail or large messages are not in files, or are on their way elsewhere; something cannot be read; the
/// directory of accounts is damaged and so is its copy; `to` is something else, or cannot be written.
pub fn repair(config: &Config, to: &Path, step: OnStep<'_>) -> Result<Repaired, SetupError> {
    let source = Source::open(config)?;
    let target = Target::claim(to, &source.data)?;
    let made = match fill(&source, &target, step) {
        Ok((repaired, faults)) if faults.is_empty() => target.finish(&source.data).map(|()| repaired),
        // Whoever looks into it needs it.
        Ok((_, faults)) => {
            return Err(SetupError::new(format!(
                "what was made in {} does not agree, which is a fault of Pillarbox; no server starts with it, and {} is what it was:\n{}",
                target.path().display(),
                source.data.display(),
                some_of(&faults)
            )));
        }
        Err(error) => Err(error),
    };
    made.inspect_err(|_| target.give_up())
}

/// A damaged directory.
struct Source {
    data: PathBuf,
    objects: Arc<dyn Objects>,
    /// What the files of the store were when it began.
    files: Vec<(OsString, u64, SystemTime)>,
    _lock: Option<File>,
}

impl Source {
    fn open(config: &Config) -> Result<Self, SetupError> {
        let data = &config.data_dir;
        if !data.is_dir() {
            return Err(SetupError::new(format!("there is no directory {}", data.display())));
        }
        let data = std::path::absolute(data)
            .map_err(|error| SetupError::file("find", data, &error, "name it by its whole path"))?;
        let lock = DataDir::keep_out(&data)?;
        must_be_all_here(config, &data)?;
        let objects = open_objects(&data, config)?;
        Ok(Self { files: files(&data)?, data, objects, _lock: lock })
    }

    /// Where there is no lock nobody was kept out.
    fn must_be_as_before(&self) -> Result<(), SetupError> {
        if files(&self.data)? == self.files {
            return Ok(());
        }
        Err(SetupError::new(format!(
            "the files in {} have changed meanwhile: something works on them; stop it, and begin again",
            self.data.join(STORE).display()
        )))
    }

    fn rebuild(&self, work: &Path, step: OnStep<'_>) -> Result<Rebuilt, SetupError> {
        let told = bodies::told(&self.data.join(OBJECTS));
        let rebuilt = build((&self.data, Some(self.objects.clone())), work, (Aim::Server, told), step)?;
        if !rebuilt.unread.is_empty() {
            return Err(SetupError::new(format!(
                "what cannot be read is not lost for sure, and nothing is made without it; copy it to a sound disk, try again, or move away \
                 what no tool can read, and it counts as lost:\n{}",
                some_of(&rebuilt.unread)
            )));
        }
        Ok(rebuilt)
    }

    /// What is lost, as it is told.
    fn lost(&self, rebuilt: &Rebuilt) -> Vec<String> {
        let files = rebuilt.files.iter().cloned().chain(beside::told(&self.data));
        let losses = rebuilt.losses.iter().map(|(whose, loss)| format!("{whose}: {loss}"));
        files.map(|what| format!("files: {what}")).chain(losses).map(|line| on_a_line(&line)).collect()
    }
}

/// The files of the store, with how long they are, and when they were written.
fn files(data: &Path) -> Result<Vec<(OsString, u64, SystemTime)>, SetupError> {
    let place = data.join(STORE);
    let failed = |error: std::io::Error| SetupError::file("read", &place, &error, "check who owns it");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // One that cannot be looked at is told where it is read.
        if let Ok(found) = entry.path().metadata() {
            files.push((entry.file_name(), found.len(), found.modified().map_err(failed)?));
        }
    }
    files.sort();
    Ok(files)
}

/// Whether everything of a server is in files of this directory.
fn must_be_all_here(config: &Config, data: &Path) -> Result<(), SetupError> {
    if config.engine != StorageEngine::Sqlite {
        return Err(SetupError::new(
            "the mail of this server is in PostgreSQL, whose files only PostgreSQL's own tools can mend (pg_amcheck finds what is \
             damaged there); `pillarbox check --bodies` names the messages that are concerned, and a backup brings an account back",
        ));
    }
    if config.database.bucket_url_file.is_some() {
        return Err(SetupError::new(
            "the large messages of this server are in a bucket, and a repair makes a data directory of files alone; `pillarbox salvage` \
             brings out what can be read, and `pillarbox restore` brings a backup back",
        ));
    }
    must_be_there(data, config.engine)?;
    must_not_be_superseded(data)?;
    bodies_must_be(data, false)?;
    let place = data.display();
    if !matches!(data.join(UNFINISHED_FILE).try_exists(), Ok(false)) {
        return Err(SetupError::new(format!(
            "a backup that was to come back into {place} did not come to its end, and what it has not brought is not here: restore it \
             again into another directory"
        )));
    }
    if !data.join(OBJECTS).is_dir() {
        return Err(SetupError::new(format!(
            "{place}/{OBJECTS} is not there, where large messages are: if it is on another disk, mount that; if it is lost for good, make \
             an empty directory of this name, and the messages count as lost"
        )));
    }
    Ok(())
}

fn fill(source: &Source, target: &Target, step: OnStep<'_>) -> Result<(Repaired, Vec<String>), SetupError> {
    let path = target.path();
    let rebuilt = source.rebuild(path, step)?;
    let mut lost = source.lost(&rebuilt);
    lost.extend(bodies::keep_damaged(&*source.objects, &rebuilt, path)?);
    // Told before anything is left behind for good.
    target.report(&lost)?;
    let repaired = Repaired { losses: lost, ..made(&rebuilt, source)? };
    let (accounts, names) = (rebuilt.accounts.clone(), rebuilt.names.clone());
    let lacks_queue = rebuilt.lacks_queue;
    let mut faults = rebuilt.faults.clone();
    drop(rebuilt);
    target.forget_notes()?;
    // What a server would open, and nothing else.
    let failed = |what: String| SetupError::new(what);
    let engine =
        SqliteEngine::open(&path.join(STORE), &SqliteOptions::default()).map_err(|error| failed(error.what))?;
    let engine: Arc<dyn Engine> = Arc::new(engine);
    let objects = DirectoryObjects::open(&path.join(OBJECTS)).map_err(|error| failed(error.what))?;
    let bodies = Bodies { from: &*source.objects, to: &objects, engine: &*engine };
    for (done, id) in accounts.iter().enumerate() {
        step(done, accounts.len(), "accounts whose large messages are copied");
        bodies.bring(*id)?;
    }
    beside::bring(&source.data, path)?;
    let store = Store::new(engine.clone(), Arc::new(objects));
    if lacks_queue {
        // What leads to its messages, and what counts them.
        let mended = Queue::open(&store, Policy::default()).mend(Timestamp(Clock::start().now().unix_millis));
        mended.map_err(|error| SetupError::new(format!("the outbound queue cannot be made anew: {error}")))?;
    }
    faults.extend(disagreements(&store, &accounts, step)?);
    faults.iter_mut().for_each(|fault| {
        for (id, name) in &names {
            *fault = fault.replace(&format!("account {id}:"), &format!("{name}:"));
        }
    });
    mark_restored(path)?;
    source.must_be_as_before()?;
    Ok((repaired, faults))
}

/// Reads all that was made, and compares it.
fn disagreements(store: &Store, accounts: &[AccountId], step: OnStep<'_>) -> Result<Vec<String>, SetupError> {
    let failed = |error: store::Error| SetupError::new(format!("what was made cannot be read again: {error}"));
    let mut faults = Vec::new();
    for (done, id) in accounts.iter().enumerate() {
        step(done, accounts.len(), "accounts that are read again");
        let findings = check::account(store, *id, Depth::Bodies).map_err(failed)?;
        faults.extend(findings.iter().map(ToString::to_string));
    }
    let directory = Directory::open_as_it_is(store.clone(), &[0; 32], DirectoryOptions::default());
    faults.extend(directory.and_then(|directory| directory.check()).map_err(failed)?);
    Ok(faults)
}

fn made(rebuilt: &Rebuilt, source: &Source) -> Result<Repaired, SetupError> {
    let mut messages = 0;
    for id in &rebuilt.accounts {
        let mailboxes = rebuilt.store.account(*id).mailboxes();
        let mailboxes =
            mailboxes.map_err(|error| SetupError::new(format!("what was made cannot be read again: {error}")))?;
        messages += mailboxes.iter().map(|mailbox| u64::from(mailbox.counts.messages)).sum::<u64>();
    }
    Ok(Repaired { accounts: rebuilt.accounts.len(), messages, losses: Vec::new(), data: source.data.clone() })
}

fn some_of(lines: &[String]) -> String {
    let mut some: Vec<String> = lines.iter().take(NAMED_MAX).map(|line| on_a_line(line)).collect();
    if lines.len() > NAMED_MAX {
        some.push(format!("and {} more", lines.len() - NAMED_MAX));
    }
    some.join("\n")
}

/// What others wrote stays on its line.
fn on_a_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::Stores;
    use std::io::Write;

    #[test]
    fn what_works_on_the_files_without_a_lock_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::trial(dir.path().join("data"));
        {
            let data_dir = DataDir::open(&config.data_dir).unwrap();
            Stores::open(&data_dir, &config).unwrap();
        }
        std::fs::remove_file(config.data_dir.join("pillarbox.lock")).unwrap();
        let source = Source::open(&config).unwrap();
        source.must_be_as_before().unwrap();
        let shard = config.data_dir.join("store/shard-00.sqlite");
        File::options().append(true).open(shard).unwrap().write_all(b"x").unwrap();
        let error = source.must_be_as_before().unwrap_err().to_string();
        assert!(error.contains("have changed meanwhile"), "{error}");
    }
}
