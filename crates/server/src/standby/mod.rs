//! A second machine that is kept seconds behind: the server's door for it, the process that follows, and the promotion. Whose a data
//! directory is says `standing.rs`.

mod client;
mod course;
mod door;
mod following;
mod promotion;
mod state;
mod verifying;

use std::fs;
use std::path::Path;

use crate::moved::ADVICE;
use crate::private_file;
use crate::setup::SetupError;
use crate::stores::BESIDE;

pub use crate::standing::Origin;
pub(crate) use door::door;
pub use following::follow;
pub use promotion::{Promoted, promote};
pub use state::{LastKnown, StandbyState};

/// Octets of a token that is made.
const TOKEN_BYTES: usize = 32;
/// Files beside the store have some kilobytes.
const BESIDE_BYTES_MAX: u64 = 1024 * 1024;

/// Writes a random token into a file that is not there yet, for its owner only.
///
/// # Errors
/// It is there, or cannot be written; the system gives no random numbers.
pub fn new_token(file: &Path) -> Result<(), SetupError> {
    if file.exists() {
        return Err(SetupError::new(format!("{} is there already; name a file that is not", file.display())));
    }

    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| SetupError::new(format!("the system gives no random numbers: {error}")))?;
    private_file::write(file, format!("{}\n", blake3::Hash::from_bytes(random).to_hex()).as_bytes())
        .map_err(|error| SetupError::file("write", file, &error, "name a file that this user can write"))
}

/// The files beside the store, by their paths in the data directory.
fn beside(directory: &Path) -> Result<Vec<(String, Vec<u8>)>, SetupError> {
    let mut found = Vec::new();
    let mut open: Vec<String> = BESIDE.iter().map(|name| (*name).to_owned()).collect();
    while let Some(name) = open.pop() {
        let path = directory.join(&name);
        let unreadable = |error| SetupError::file("read", &path, &error, ADVICE);
        if path.is_dir() {
            for entry in fs::read_dir(&path).map_err(unreadable)? {
                open.push(format!("{name}/{}", entry.map_err(unreadable)?.file_name().to_string_lossy()));
            }
        } else if fs::metadata(&path).is_ok_and(|found| found.len() <= BESIDE_BYTES_MAX) && !name.ends_with(".new") {
            found.push((name, fs::read(&path).map_err(unreadable)?));
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::read_token;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let place = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let file = place.path().join(name);
            new_token(&file).unwrap();
            new_token(&file).unwrap_err();
            fs::read_to_string(&file).unwrap().trim_end().to_owned()
        };
        let (one, other) = (made("one"), made("other"));
        assert_ne!(one, other);
        let file = place.path().join("token");
        for (line, is_taken) in [(one.as_str(), true), (&one[..32], true), (&one[..32 - 1], false)] {
            fs::write(&file, line).unwrap();
            assert_eq!(read_token(&file).is_ok(), is_taken, "{line}");
        }
    }
}
