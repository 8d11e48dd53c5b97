//! Where the mail of a data directory is, once it was moved. Neither file is there before the first move.
//!
//! ```text
//! store-moving  a move has begun, and to where: no server starts, so that what is copied stays what it is
//! store-engine  the engine that has the mail: no server starts on the other one
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::config::StorageEngine;
use crate::private_file;
use crate::setup::SetupError;

pub(crate) const MOVING_FILE: &str = "store-moving";
pub(crate) const ENGINE_FILE: &str = "store-engine";
pub(crate) const ADVICE: &str = "check who owns the data directory";

/// Whether the mail of a data directory is in `engine`, as far as it was ever moved.
///
/// # Errors
/// It is in the other one, or on its way.
pub(crate) fn must_be_there(directory: &Path, engine: StorageEngine) -> Result<(), SetupError> {
    must_be_in(directory, engine)?;
    match read(&directory.join(MOVING_FILE))? {
        None => Ok(()),
        Some(destination) => Err(SetupError::new(format!(
            "the mail of {} is on its way to {destination}; finish that with `pillarbox move-store`, or give it up: empty what it has \
             written to, and remove {}",
            directory.display(),
            directory.join(MOVING_FILE).display()
        ))),
    }
}

/// The same, whether or not it is on its way.
pub(crate) fn must_be_in(directory: &Path, engine: StorageEngine) -> Result<(), SetupError> {
    match read(&directory.join(ENGINE_FILE))? {
        Some(other) if other != name(engine) => Err(SetupError::new(format!(
            "the mail of {} was moved: `store.engine` must be \"{other}\", not \"{}\"",
            directory.display(),
            name(engine)
        ))),
        Some(_) | None => Ok(()),
    }
}

/// As the configuration calls it.
pub(crate) fn name(engine: StorageEngine) -> &'static str {
    match engine {
        StorageEngine::Sqlite => "sqlite",
        StorageEngine::Postgres => "postgres",
    }
}

/// What a file says, if it is there.
pub(crate) fn read(file: &Path) -> Result<Option<String>, SetupError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SetupError::file("read", file, &error, ADVICE)),
    }
}

pub(crate) fn write(file: &Path, text: &str) -> Result<(), SetupError> {
    private_file::write(file, format!("{text}\n").as_bytes())
        .map_err(|error| SetupError::file("write", file, &error, ADVICE))
}

pub(crate) fn remove(file: &Path) -> Result<(), SetupError> {
    fs::remove_file(file).map_err(|error| SetupError::file("remove", file, &error, ADVICE))
}
