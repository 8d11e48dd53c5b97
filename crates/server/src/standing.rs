//! Whose a data directory is: a server's, a standby's, or that of a server in whose place a standby went on.
//!
//! ```text
//! standby     it follows a server, or is being promoted: no server starts in it
//! superseded  a standby of it was promoted: it serves nobody
//! ```

use std::path::{Path, PathBuf};

use store::Timestamp;

use crate::moved::{read, write};
use crate::private_file;
use crate::setup::SetupError;

/// In the data directory of a standby.
pub(crate) const STANDBY_FILE: &str = "standby";
/// In the data directory of a server in whose place a standby went on.
pub(crate) const SUPERSEDED_FILE: &str = "superseded";
/// A token is not to be guessed: whoever has it gets all mail.
const TOKEN_CHARS_MIN: usize = 32;

/// Which server is followed, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its host.
    pub host: String,
    /// The port of `listen.standby`.
    pub port: u16,
    /// A file of which the first line is the token of `standby.token_file`.
    pub token_file: PathBuf,
    /// The certificates that vouch for it; `None`: those of the system.
    pub authority: Option<PathBuf>,
}

/// What a data directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Following(Origin),
    /// From here on it is not that of a standby any more, and not that of a server yet.
    Promoting(Origin),
}

impl Mark {
    /// `None`: it is not a standby's.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, SetupError> {
        let file = directory.join(STANDBY_FILE);
        let Some(text) = read(&file)? else { return Ok(None) };
        let mut lines = text.lines();
        let mut next = || lines.next().filter(|line| !line.is_empty());
        let mark = (|| {
            let (state, host) = (next()?, next()?.to_owned());
            let (port, token_file) = (next()?.parse().ok()?, next()?.into());
            let origin = Origin { host, port, token_file, authority: next().map(PathBuf::from) };
            match state {
                "following" => Some(Self::Following(origin)),
                "promoting" => Some(Self::Promoting(origin)),
                _ => None,
            }
        })();
        let damaged = || {
            SetupError::new(format!("{} is not what was written; empty the directory, and begin anew", file.display()))
        };
        mark.map(Some).ok_or_else(damaged)
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<(), SetupError> {
        let (state, origin) = match self {
            Self::Following(origin) => ("following", origin),
            Self::Promoting(origin) => ("promoting", origin),
        };
        let Origin { host, port, token_file, authority } = origin;
        let authority = authority.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        write(&directory.join(STANDBY_FILE), &format!("{state}\n{host}\n{port}\n{}\n{authority}", token_file.display()))
    }
}

/// Whether a server may use the data directory.
///
/// # Errors
/// It is a standby's.
pub(crate) fn must_be_none(directory: &Path) -> Result<(), SetupError> {
    let place = directory.display();
    match Mark::read(directory)? {
        None => Ok(()),
        Some(Mark::Following(Origin { host, port, .. })) => Err(SetupError::new(format!(
            "{place} is that of a standby, which follows {host}:{port}; `pillarbox promote` makes it go on in place of that server"
        ))),
        Some(Mark::Promoting(_)) => Err(SetupError::new(format!(
            "{place} is being promoted, and that did not come to its end; call `pillarbox promote` again"
        ))),
    }
}

/// Whether a server may serve anybody with the data directory.
///
/// # Errors
/// A standby was promoted.
pub(crate) fn must_not_be_superseded(directory: &Path) -> Result<(), SetupError> {
    let file = directory.join(SUPERSEDED_FILE);
    match read(&file)? {
        None => Ok(()),
        Some(when) => Err(SetupError::new(format!(
            "{} belongs to a server in whose place a standby goes on since {when}: two would each take mail that the other one \
             never has. Nothing in it was changed since; `pillarbox export` brings out what the other one lacks. Only if the other one \
             is gone for good: remove {}",
            directory.display(),
            file.display()
        ))),
    }
}

/// A standby goes on in place of this server from now on.
pub(crate) fn supersede(directory: &Path, now: Timestamp) -> Result<(), SetupError> {
    write(&directory.join(SUPERSEDED_FILE), &moment(now))
}

/// In UTC, to the second, for people.
pub(crate) fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "a time that is none".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A token that whoever has it may show.
pub(crate) fn read_token(file: &Path) -> Result<String, SetupError> {
    let token = private_file::first_line(file, ("the token of a standby", "standby.token_file"))?;
    match token.chars().count() < TOKEN_CHARS_MIN {
        false => Ok(token),
        true => Err(SetupError::new(format!(
            "the token in {} is shorter than {TOKEN_CHARS_MIN} characters; `pillarbox standby --new-token FILE` makes one \
             (standby.token_file)",
            file.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_directory_is_stands_in_it() {
        let place = tempfile::tempdir().unwrap();
        must_be_none(place.path()).unwrap();
        for authority in [None, Some("/etc/ca.pem".into())] {
            let origin =
                Origin { host: "mail.example.org".into(), port: 4650, token_file: "/etc/token".into(), authority };
            for (mark, says) in [
                (Mark::Following(origin.clone()), "follows mail.example.org:4650"),
                (Mark::Promoting(origin), "did not come to its end"),
            ] {
                mark.write(place.path()).unwrap();
                assert_eq!(Mark::read(place.path()).unwrap(), Some(mark));
                assert!(must_be_none(place.path()).unwrap_err().to_string().contains(says));
            }
        }
        fs::write(place.path().join(STANDBY_FILE), "following\n").unwrap();
        must_be_none(place.path()).unwrap_err();
    }

    #[test]
    fn a_server_that_was_superseded_is_told_so_when_it_starts() {
        let place = tempfile::tempdir().unwrap();
        must_not_be_superseded(place.path()).unwrap();
        supersede(place.path(), Timestamp(1_790_000_000_000)).unwrap();
        let error = must_not_be_superseded(place.path()).unwrap_err().to_string();
        assert!(error.contains("2026-09-21") && error.contains("superseded"), "{error}");
    }
}
