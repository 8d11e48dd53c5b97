//! The mail of a stopped server goes elsewhere: from one engine into another, large messages from files into a bucket, or back. All
//! else in the data directory stays where it is.
//!
//! How far it is stands in the data directory (`moved`).
//!
//! Invariant: until everything was compared, nothing changes where the mail comes from, and a move that is broken off can be
//! finished or given up.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use backup::{Step, compare, compare_bodies, transfer, transfer_bodies};

use crate::clock::Clock;
use crate::config::{Config, StorageEngine};
use crate::lifecycle::DataDir;
use crate::moved::{
    ADVICE, ENGINE_FILE, MOVING_FILE, OBJECTS, bodies_are, bodies_must_be, has_files, must_be_in, name, read, remove,
    write,
};
use crate::restoration::RestoreError;
use crate::setup::SetupError;
use crate::stores::{bucket, open_engine, open_objects, postgres};
use store::engine::Engine;
use store::objects::Objects;

/// Where SQLite keeps its files.
const STORE: &str = "store";

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Accounts and tables, each compared row by row; 0 where they stayed.
    pub keyspaces: usize,
    /// Large messages, each compared; 0 where they stayed.
    pub bodies: u64,
    /// Where all that was before, and still is as it was then: for people.
    pub left: Vec<String>,
}

/// What a move is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// Copying large messages.
    Bodies(Step),
    /// Copying the rest.
    Copying(Step),
    /// Comparing.
    Comparing(Step),
}

/// Moves the mail of the stopped server with the configuration `from` to where `to` keeps it: another engine, another place for
/// large messages, or both; the same data directory. Goes on with a move that was broken off.
///
/// # Errors
/// The server runs; the configurations are not of one server, or keep everything in the same places; there is mail already where
/// it is to go; another move was begun; faults.
pub fn move_store(from: &Config, to: &Config, step: &mut dyn FnMut(Moving)) -> Result<Moved, RestoreError> {
    if from.data_dir != to.data_dir {
        let (one, other) = (from.data_dir.display(), to.data_dir.display());
        return Err(refused(format!(
            "the configurations are of different servers: one has data_dir {one}, the other {other}"
        )));
    }
    let moves = Moves::between(from, to)?;
    let data_dir = DataDir::open(&from.data_dir)?;
    let path = data_dir.path();
    begin(path, (from, to), moves)?;
    let source = open_engine(path, from)?;
    let bodies = if moves.bodies { move_bodies(path, (from, to), &*source, step)? } else { 0 };
    let keyspaces = if moves.rows { move_rows(path, to, source, step)? } else { 0 };
    // From here on no server starts on what is left behind; whoever is broken off before the last of these files finds all that he
    // began with, and finishes.
    if moves.bodies {
        bodies_are(path, to.database.bucket_url_file.is_some())?;
    }
    if moves.rows {
        write(&path.join(ENGINE_FILE), name(to.engine))?;
    }
    remove(&path.join(MOVING_FILE))?;
    Ok(Moved { keyspaces, bodies, left: put_away(path, from, moves)? })
}

/// What has another place afterwards.
#[derive(Clone, Copy)]
struct Moves {
    rows: bool,
    bodies: bool,
}

impl Moves {
    fn between(from: &Config, to: &Config) -> Result<Self, RestoreError> {
        let buckets = [from, to].map(|config| bucket(config).map(|bucket| bucket.map(|bucket| bucket.place())));
        let moves = match buckets {
            [Ok(Some(one)), Ok(Some(other))] if one != other => {
                let text = "both configurations have a bucket, but not the same; move large messages into files first";
                return Err(refused(text.to_owned()));
            }
            [Ok(one), Ok(other)] => Self { rows: from.engine != to.engine, bodies: one != other },
            [Err(error), _] | [_, Err(error)] => return Err(error.into()),
        };
        if moves.rows || moves.bodies {
            return Ok(moves);
        }
        Err(refused("both configurations keep everything in the same places; nothing is to be moved".to_owned()))
    }
}

/// Says that a move has begun, whence and to where, unless the mail is not where it is to come from, or something is in the way.
fn begin(path: &Path, (from, to): (&Config, &Config), moves: Moves) -> Result<(), RestoreError> {
    let moving = path.join(MOVING_FILE);
    let (origin, destination) = (place(from)?, place(to)?);
    if let Some(begun) = read(&moving)? {
        let (there, of) = begun.split_once('\n').map_or((begun.as_str(), None), |(there, of)| (there, Some(of)));
        // From elsewhere to the same place would be mail that is not all there yet, taken for the whole.
        if there != destination || of.is_some_and(|of| of != origin) {
            return Err(refused(format!(
                "a move to {there}{} has begun; finish that one, or give it up: empty what it has written to, and remove {}",
                of.map(|of| format!(" from {of}")).unwrap_or_default(),
                moving.display()
            )));
        }
        // Perhaps the new places count already; what was left is still there.
        return Ok(());
    }
    must_be_in(path, from.engine)?;
    bodies_must_be(path, from.database.bucket_url_file.is_some())?;
    let in_the_way = match to.engine {
        StorageEngine::Sqlite => Some(path.join(STORE)).filter(|store| moves.rows && store.exists()),
        StorageEngine::Postgres => None,
    };
    let to_files = moves.bodies && to.database.bucket_url_file.is_none();
    let in_the_way = in_the_way.or(Some(path.join(OBJECTS)).filter(|objects| to_files && has_files(objects)));
    if let Some(there) = in_the_way {
        let text = format!("{} is there already; move it away if nobody needs what is in it", there.display());
        return Err(refused(text));
    }
    if moves.rows && to.engine == StorageEngine::Postgres {
        let target = open_engine(path, to)?;
        if !target.accounts().map_err(store::Error::from).map_err(backup::Error::from)?.is_empty() {
            return Err(refused(format!(
                "there is mail in {destination} already, perhaps of another server; empty it first (DROP SCHEMA pillarbox CASCADE)"
            )));
        }
    }
    Ok(write(&moving, &format!("{destination}\n{origin}"))?)
}

fn move_bodies(
    path: &Path,
    (from, to): (&Config, &Config),
    engine: &dyn Engine,
    step: &mut dyn FnMut(Moving),
) -> Result<u64, RestoreError> {
    let places: [Arc<dyn Objects>; 2] = [open_objects(path, from)?, open_objects(path, to)?];
    let places = (&*places[0], &*places[1]);
    let mut copying = |at| {
        step(Moving::Bodies(at));
        Ok(())
    };
    transfer_bodies(engine, places, &mut copying)?;
    let mut comparing = |at| {
        step(Moving::Comparing(at));
        Ok(())
    };
    Ok(compare_bodies(engine, places, &mut comparing)?)
}

fn move_rows(
    path: &Path,
    to: &Config,
    source: Arc<dyn Engine>,
    step: &mut dyn FnMut(Moving),
) -> Result<usize, RestoreError> {
    let target = open_engine(path, to)?;
    let mut copying = |at| {
        step(Moving::Copying(at));
        Ok(())
    };
    transfer(&*source, &*target, &mut copying)?;
    let mut comparing = |at| {
        step(Moving::Comparing(at));
        Ok(())
    };
    Ok(compare(&*source, &*target, &mut comparing)?)
}

/// For people, and to know it again: without passwords and keys.
fn place(config: &Config) -> Result<String, SetupError> {
    let (rows, bodies) = (rows_place(config)?, bucket(config)?.map(|bucket| bucket.place()));
    Ok(bodies.map_or_else(|| rows.clone(), |bodies| format!("{rows} and {bodies}")))
}

fn rows_place(config: &Config) -> Result<String, SetupError> {
    Ok(match postgres(config)? {
        None => "files in the data directory".to_owned(),
        Some(options) => options.place().map_err(|error| SetupError::new(error.what))?,
    })
}

/// What is left behind is not thrown away, and not taken for the mail either.
fn put_away(directory: &Path, from: &Config, moves: Moves) -> Result<Vec<String>, SetupError> {
    let seconds = Clock::start().now().unix_millis / 1000;
    let away = |name: &str| {
        let (old, new) = (directory.join(name), directory.join(format!("{name}-moved-{seconds}")));
        fs::rename(&old, &new).map_err(|error| SetupError::file("rename", &old, &error, ADVICE))?;
        Ok(new.display().to_string())
    };
    let mut left = Vec::new();
    if moves.bodies {
        left.push(bucket(from)?.map_or_else(|| away(OBJECTS), |bucket| Ok(bucket.place()))?);
    }
    if moves.rows {
        left.push(if from.engine == StorageEngine::Postgres { rows_place(from)? } else { away(STORE)? });
    }
    Ok(left)
}

fn refused(text: String) -> RestoreError {
    SetupError::new(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DatabaseFiles;
    use crate::moved::must_be_there;

    #[test]
    fn a_move_that_was_broken_off_went_on_from_another_place() {
        let data = tempfile::tempdir().unwrap();
        let url = |name: &str, url: &str| {
            fs::write(data.path().join(name), url).unwrap();
            Some(data.path().join(name))
        };
        let bucket_url_file = url("bucket", "s3://key:secret@127.0.0.1:1/mail?tls=off");
        let files = Config::trial(data.path().to_owned());
        let mut bucket = Config::trial(data.path().to_owned());
        bucket.database.bucket_url_file = bucket_url_file.clone();
        let mut other = Config::trial(data.path().to_owned());
        let url_file = url("postgres", "postgres://mail:secret@127.0.0.1:1/mail");
        (other.engine, other.database) =
            (StorageEngine::Postgres, DatabaseFiles { url_file, bucket_url_file, authority: None });
        let moves = |from: &Config| Moves::between(from, &bucket).unwrap();
        for _ in 0..2 {
            begin(data.path(), (&files, &bucket), moves(&files)).unwrap();
        }
        let Err(RestoreError::Setup(refused)) = begin(data.path(), (&other, &bucket), moves(&other)) else { panic!() };
        let refused = refused.to_string();
        assert!(refused.contains("from files in the data directory has begun"), "{refused}");
        let moving = must_be_there(data.path(), StorageEngine::Sqlite).unwrap_err().to_string();
        assert!(moving.contains("is on its way to files in the data directory and s3://127.0.0.1:1/mail;"), "{moving}");
        assert!(!moving.contains("secret"));
    }
}
