//! Where the mail of a data directory is, once it was moved. Neither file is there before the first move.
//!
//! ```text
//! store-moving  a move has begun, to where and (in a second line) whence: no server starts, so that what is copied stays what it is
//! store-engine  the engine that has the mail: no server starts on the other one
//! store-bodies  whether a bucket has the large bodies: from the first start with one on
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::config::StorageEngine;
use crate::lifecycle::check_repaired;
use crate::private_file;
use crate::setup::SetupError;
use crate::standing;

pub(crate) const MOVING_FILE: &str = "store-moving";
pub(crate) const ENGINE_FILE: &str = "store-engine";
pub(crate) const BODIES_FILE: &str = "store-bodies";
pub(crate) const ADVICE: &str = "check who owns the data directory";
/// Large bodies that are files.
pub(crate) const OBJECTS: &str = "objects";
/// In [`BODIES_FILE`].
const IN_BUCKET: &str = "bucket";
/// In [`BODIES_FILE`].
const AS_FILES: &str = "files";

/// Whether the mail of a data directory is in `engine`, as far as it was ever moved.
///
/// # Errors
/// It is in the other one, or on its way; it is a standby's; a repair has not made all of it.
pub(crate) fn must_be_there(directory: &Path, engine: StorageEngine) -> Result<(), SetupError> {
    check_repaired(directory)?;
    must_be_in(directory, engine)?;
    standing::must_be_none(directory)?;
    match read(&directory.join(MOVING_FILE))? {
        None => Ok(()),
        Some(moving) => Err(SetupError::new(format!(
            "the mail of {} is on its way to {}; finish that with `pillarbox move-store`, or give it up: empty what it has \
             written to, and remove {}",
            directory.display(),
            moving.lines().next().unwrap_or_default(),
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

/// Whether the large bodies of a data directory are in a bucket, or files.
///
/// # Errors
/// They are elsewhere.
pub(crate) fn bodies_must_be(directory: &Path, in_bucket: bool) -> Result<(), SetupError> {
    let place = directory.display();
    match read(&directory.join(BODIES_FILE))?.as_deref() {
        Some(IN_BUCKET) if !in_bucket => Err(SetupError::new(format!(
            "the large messages of {place} are in a bucket; say in which with `store.bucket_url_file`"
        ))),
        Some(AS_FILES) if in_bucket => Err(SetupError::new(format!(
            "the large messages of {place} are files in it; `pillarbox move-store` takes them into a bucket"
        ))),
        None if in_bucket && has_files(&directory.join(OBJECTS)) => Err(SetupError::new(format!(
            "there are large messages in {place}/{OBJECTS} already; `pillarbox move-store` takes them into a bucket"
        ))),
        _ => Ok(()),
    }
}

/// Notes where they are.
pub(crate) fn bodies_are(directory: &Path, in_bucket: bool) -> Result<(), SetupError> {
    let (file, place) = (directory.join(BODIES_FILE), if in_bucket { IN_BUCKET } else { AS_FILES });
    if read(&file)?.as_deref() == Some(place) { Ok(()) } else { write(&file, place) }
}

/// Whether a directory has anything in it.
pub(crate) fn has_files(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
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
