//! How a standby stands, for whoever asks on its own machine: what it has noted last in a file, and whether it runs.
//!
//! The file is no part of what is kept: nothing waits for the disk to have it, and where it is not there nothing is known.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use console::shown;
use serde::{Deserialize, Serialize};
use store::Timestamp;
use tracing::warn;

use crate::clock::Clock;
use crate::lifecycle::DataDir;
use crate::private_file;
use crate::setup::SetupError;
use crate::standing::{Mark, Origin};

/// In the data directory of a standby.
const STATE_FILE: &str = "standby-state";
/// What changes all the time is noted this often.
const NOTED_EVERY: Duration = Duration::from_secs(1);
/// A standby that is silent for longer, or lacks what came so long ago, needs a look.
const SECONDS_MAX: i64 = 60;

/// What it notes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    /// By its own clock, Unix milliseconds.
    pub(super) at: i64,
    /// It has everything that the server had then.
    pub(super) whole: bool,
    /// By the server's clock, Unix milliseconds.
    pub(super) whole_at: Option<i64>,
    pub(super) behind_commits: u64,
    pub(super) to_bring: usize,
    pub(super) lag_millis: u64,
    /// Why it cannot go on for now.
    pub(super) trouble: Option<String>,
}

/// Where it notes it.
#[derive(Debug, Default)]
pub(super) struct Notebook {
    last: Option<(Instant, Noted)>,
    /// That it cannot be written is told once.
    is_told: bool,
}

impl Notebook {
    /// Notes it, if it says something else or the last note is old enough.
    pub(super) fn note(&mut self, directory: &Path, noted: Noted) {
        let is_known = |(at, last): &(Instant, Noted)| {
            last.whole == noted.whole && last.trouble == noted.trouble && at.elapsed() < NOTED_EVERY
        };
        if self.last.as_ref().is_some_and(is_known) {
            return;
        }
        let file = directory.join(STATE_FILE);
        let written =
            serde_json::to_vec(&noted).map_err(Into::into).and_then(|text| private_file::replace(&file, &text));
        if let Err(error) = written
            && !std::mem::replace(&mut self.is_told, true)
        {
            warn!(file = %file.display(), %error, "how this standby stands cannot be noted; it goes on");
        }
        self.last = Some((Instant::now(), noted));
    }
}

/// It is a standby no more.
pub(super) fn forget(directory: &Path) {
    // Nobody reads it in the data directory of a server.
    let _gone = fs::remove_file(directory.join(STATE_FILE));
}

/// How a standby stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StandbyState {
    /// The server that it follows: `HOST:PORT`.
    pub of: String,
    /// It runs.
    pub running: bool,
    /// When it was last heard that the server was reached, or was not, in seconds; `None`: that is not known.
    pub noted_seconds: Option<i64>,
    /// It has everything that the server had then.
    pub whole: bool,
    /// It has everything that was acknowledged until then, by the server's clock: `2026-11-22T22:36:40Z`; `None`: it never had.
    pub whole_at: Option<String>,
    /// Commits that it does not have.
    pub behind_commits: u64,
    /// Accounts and tables that it brings as a whole.
    pub to_bring: usize,
    /// How long the oldest of what came last had waited.
    pub lag_millis: u64,
    /// Why it cannot go on for now; it is tried again.
    pub trouble: Option<String>,
    /// What of it needs a person, each with what to do.
    pub needs: Vec<String>,
}

impl StandbyState {
    /// How the standby with a data directory stands. Changes nothing, and waits for nobody.
    ///
    /// # Errors
    /// It is not that of a standby, or cannot be read.
    pub fn of(directory: &Path) -> Result<Self, SetupError> {
        let place = directory.display();
        let origin = match Mark::read(directory)? {
            Some(Mark::Following(origin)) => origin,
            Some(Mark::Promoting(_)) => {
                return Err(SetupError::new(format!(
                    "{place} is being promoted, and that did not come to its end; call `pillarbox promote` again"
                )));
            }
            None => return Err(SetupError::new(format!("{place} is not that of a standby"))),
        };
        let noted = fs::read(directory.join(STATE_FILE)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        Ok(Self::judged(&origin, DataDir::owner(directory).is_some(), noted, Clock::start().now().unix_millis))
    }

    fn judged(origin: &Origin, running: bool, noted: Option<Noted>, now: i64) -> Self {
        let age = |at: i64| (now.saturating_sub(at) / 1000).max(0);
        let noted_seconds = noted.as_ref().map(|noted| age(noted.at));
        let Noted { whole, whole_at, behind_commits, to_bring, lag_millis, trouble, .. } = noted.unwrap_or_default();
        let mut needs = Vec::new();
        if !running {
            needs.push("It does not run. Start pillarbox standby again, or call pillarbox promote.".to_owned());
        } else if noted_seconds.is_none_or(|seconds| seconds > SECONDS_MAX) {
            needs.push("Nothing was noted for long. Its log says what it does.".to_owned());
        } else if whole_at.is_none_or(|at| age(at) > SECONDS_MAX) && !whole {
            let why = trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            needs.push(format!("It lacks what the server has taken{why}. Its log says more."));
        }
        let of = format!("{}:{}", origin.host, origin.port);
        let whole_at = whole_at.map(|at| shown(Timestamp(at)));
        Self { of, running, noted_seconds, whole, whole_at, behind_commits, to_bring, lag_millis, trouble, needs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_764_500_000_000;

    fn origin() -> Origin {
        Origin { host: "mail.example.org".to_owned(), port: 8425, token_file: "token".into(), authority: None }
    }

    fn well() -> Noted {
        Noted { at: NOW - 2_000, whole: true, whole_at: Some(NOW - 2_500), lag_millis: 7, ..Noted::default() }
    }

    #[test]
    fn what_of_a_standby_needs_a_person() {
        let check = |running: bool, noted: Option<Noted>, expected: Option<&str>| {
            let state = StandbyState::judged(&origin(), running, noted, NOW);
            match (&state.needs[..], expected) {
                ([], None) => {}
                ([one], Some(expected)) if one.contains(expected) => {}
                _ => panic!("{state:?} does not say {expected:?}"),
            }
            state
        };
        let state = check(true, Some(well()), None);
        assert_eq!((state.of.as_str(), state.noted_seconds, state.whole), ("mail.example.org:8425", Some(2), true));
        check(false, Some(well()), Some("does not run"));
        check(true, None, Some("Nothing was noted"));
        check(true, Some(Noted { at: NOW - 62_000, ..well() }), Some("Nothing was noted"));
        let catches_up = Noted { whole: false, behind_commits: 9, ..well() };
        check(true, Some(catches_up.clone()), None);
        let lacks = Noted { whole_at: Some(NOW - 62_000), trouble: Some("refused".to_owned()), ..catches_up };
        check(true, Some(lacks.clone()), Some("lacks what the server has taken (refused)"));
        check(true, Some(Noted { whole_at: None, trouble: None, ..lacks }), Some("lacks what the server has taken."));
    }

    #[test]
    fn what_changes_all_the_time_is_noted_now_and_then_and_the_rest_at_once() {
        let place = tempfile::tempdir().unwrap();
        let read = || serde_json::from_slice::<Noted>(&fs::read(place.path().join(STATE_FILE)).unwrap()).unwrap();
        let mut notebook = Notebook::default();
        notebook.note(place.path(), well());
        assert_eq!(read(), well());
        notebook.note(place.path(), Noted { lag_millis: 8, ..well() });
        assert_eq!(read(), well());
        let trouble = Noted { whole: false, trouble: Some("nobody answers".to_owned()), ..well() };
        notebook.note(place.path(), trouble.clone());
        assert_eq!(read(), trouble);
        forget(place.path());
        assert!(!place.path().join(STATE_FILE).exists());
    }

    #[test]
    fn a_directory_that_is_no_standby_has_no_state() {
        let place = tempfile::tempdir().unwrap();
        assert!(StandbyState::of(place.path()).unwrap_err().to_string().contains("is not that of a standby"));
        Mark::Following(origin()).write(place.path()).unwrap();
        let state = StandbyState::of(place.path()).unwrap();
        assert_eq!((state.running, state.noted_seconds, state.whole_at), (false, None, None));
        Mark::Promoting(origin()).write(place.path()).unwrap();
        assert!(StandbyState::of(place.path()).unwrap_err().to_string().contains("call `pillarbox promote` again"));
    }
}
