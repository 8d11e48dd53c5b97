//! The store of a stopped server goes from one engine into another; large bodies and all else in the data directory stay
//! where they are.
//!
//! How far it is stands in the data directory (`moved`).
//!
//! Invariant: until everything was compared, nothing changes where the mail comes from, and a move that is broken off can be
//! finished or given up.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use backup::{Step, compare, transfer};

use crate::clock::Clock;
use crate::config::{Config, StorageEngine};
use crate::lifecycle::DataDir;
use crate::moved::{ADVICE, ENGINE_FILE, MOVING_FILE, must_be_in, name, read, remove, write};
use crate::restoration::RestoreError;
use crate::setup::SetupError;
use crate::stores::{open_engine, postgres};
use store::engine::Engine;

/// Where SQLite keeps its files; out of the way they begin with [`OLD_STORE`].
const STORE: &str = "store";
const OLD_STORE: &str = "store-moved";

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Accounts and tables, each compared row by row.
    pub keyspaces: usize,
    /// Where the mail was before, and still is as it was then: for people.
    pub left: String,
}

/// What a move is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// Copying.
    Copying(Step),
    /// Comparing.
    Comparing(Step),
}

/// Moves the mail of the stopped server with the configuration `from` to where `to` keeps it: another engine, the same data
/// directory. Goes on with a move that was broken off.
///
/// # Errors
/// The server runs; the configurations are not of one server, or keep mail in the same engine; there is mail already where it
/// is to go; another move was begun; faults.
pub fn move_store(from: &Config, to: &Config, step: &mut dyn FnMut(Moving)) -> Result<Moved, RestoreError> {
    if from.data_dir != to.data_dir {
        let (one, other) = (from.data_dir.display(), to.data_dir.display());
        return Err(refused(format!(
            "the configurations are of different servers: one has data_dir {one}, the other {other}"
        )));
    }
    if from.engine == to.engine {
        return Err(refused(format!(
            "both configurations have `store.engine = \"{}\"`; the mail would stay where it is",
            name(from.engine)
        )));
    }
    let data_dir = DataDir::open(&from.data_dir)?;
    let path = data_dir.path();
    let (source, target) = open(path, from, to)?;
    let mut copying = |at| {
        step(Moving::Copying(at));
        Ok(())
    };
    transfer(&*source, &*target, &mut copying)?;
    let mut comparing = |at| {
        step(Moving::Comparing(at));
        Ok(())
    };
    let keyspaces = compare(&*source, &*target, &mut comparing)?;
    // From here on no server starts on what is left behind; whoever is broken off before the other file goes finds both
    // stores, and finishes.
    write(&path.join(ENGINE_FILE), name(to.engine))?;
    remove(&path.join(MOVING_FILE))?;
    drop((source, target));
    Ok(Moved { keyspaces, left: put_away(path, from)? })
}

type Engines = (Arc<dyn Engine>, Arc<dyn Engine>);

/// Both engines. From here on it is said that a move has begun, and to where.
fn open(path: &Path, from: &Config, to: &Config) -> Result<Engines, RestoreError> {
    must_be_in(path, from.engine)?;
    let moving = path.join(MOVING_FILE);
    let destination = destination(to)?;
    let source = open_engine(path, from)?;
    match read(&moving)? {
        Some(other) if other != destination => Err(refused(format!(
            "a move to {other} has begun; finish that one, or give it up: empty what it has written to, and remove {}",
            moving.display()
        ))),
        Some(_) => Ok((source, open_engine(path, to)?)),
        None if to.engine == StorageEngine::Sqlite => {
            let store = path.join(STORE);
            if store.exists() {
                let text = format!("{} is there already; move it away if nobody needs what is in it", store.display());
                return Err(refused(text));
            }
            write(&moving, &destination)?;
            Ok((source, open_engine(path, to)?))
        }
        None => {
            let target = open_engine(path, to)?;
            if !target.accounts().map_err(store::Error::from).map_err(backup::Error::from)?.is_empty() {
                return Err(refused(format!(
                    "there is mail in {destination} already, perhaps of another server; empty it first (DROP SCHEMA pillarbox \
                     CASCADE)"
                )));
            }
            write(&moving, &destination)?;
            Ok((source, target))
        }
    }
}

/// For people, and to know it again: without a password.
fn destination(config: &Config) -> Result<String, SetupError> {
    Ok(match postgres(config)? {
        None => "files in the data directory".to_owned(),
        Some(options) => options.place().map_err(|error| SetupError::new(error.what))?,
    })
}

/// What is left behind is not thrown away, and not taken for the mail either.
fn put_away(directory: &Path, from: &Config) -> Result<String, SetupError> {
    if from.engine == StorageEngine::Postgres {
        return destination(from);
    }
    let seconds = Clock::start().now().unix_millis / 1000;
    let (old, new) = (directory.join(STORE), directory.join(format!("{OLD_STORE}-{seconds}")));
    fs::rename(&old, &new).map_err(|error| SetupError::file("rename", &old, &error, ADVICE))?;
    Ok(new.display().to_string())
}

fn refused(text: String) -> RestoreError {
    SetupError::new(text).into()
}
