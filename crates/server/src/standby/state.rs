//! How a standby stands, for whoever asks on its own machine: what it has noted last in a file, and whether it runs.
//!
//! The file is no part of what is kept: nothing waits for the disk to have it, and where it is not there nothing is known.

use std::fs;
use std::io;
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
/// A standby that is silent for longer, does not reach its server, or lacks what came so long ago, needs a look.
const SECONDS_MAX: i64 = 60;

/// What it notes. Moments are by its own clock, Unix milliseconds, unless something else is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    pub(super) at: i64,
    /// What the server told last; `None`: nothing yet.
    pub(super) told: Option<Touch>,
    /// It had everything then, by the server's clock.
    pub(super) whole_at: Option<i64>,
    /// The same moment here.
    pub(super) whole_here: Option<i64>,
    /// Why it cannot go on for now.
    pub(super) trouble: Option<String>,
    /// Why it ended for good.
    pub(super) ended: Option<String>,
}

/// What the server told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touch {
    pub(super) at: i64,
    pub(super) whole: bool,
    pub(super) behind_commits: u64,
    pub(super) to_bring: usize,
    pub(super) lag_millis: u64,
}

impl Noted {
    /// What was noted in a directory last; `None`: nothing, or nothing that is understood.
    pub(super) fn read(directory: &Path) -> io::Result<Option<Self>> {
        match fs::read(directory.join(STATE_FILE)) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn is_whole(&self) -> bool {
        self.told.is_some_and(|told| told.whole)
    }
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
            let says = |noted: &Noted| (noted.is_whole(), noted.trouble.clone(), noted.ended.clone());
            says(last) == says(&noted) && at.elapsed() < NOTED_EVERY
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
    /// When the server told something last, by the clock here: `2026-11-22T22:36:40Z`.
    pub reached_at: Option<String>,
    /// It runs, the server was reached just now, and it has everything that the server had then.
    pub whole: bool,
    /// It has everything that was acknowledged until then, by the server's clock; `None`: it never had.
    pub whole_at: Option<String>,
    /// Commits that it does not have; `None`: that is not known now.
    pub behind_commits: Option<u64>,
    /// Accounts and tables that it brings as a whole; `None`: that is not known now.
    pub to_bring: Option<usize>,
    /// How long the oldest of what came last had waited; `None`: that is not known now.
    pub lag_millis: Option<u64>,
    /// The three as they were when the server was reached last.
    pub last_known: Option<LastKnown>,
    /// Why it cannot go on for now; it is tried again.
    pub trouble: Option<String>,
    /// Why it ended for good.
    pub ended: Option<String>,
    /// What of it needs a person, each with what to do.
    pub needs: Vec<String>,
}

/// What a standby lacked when it was in touch with its server last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LastKnown {
    /// Commits.
    pub behind_commits: u64,
    /// Accounts and tables to bring as a whole.
    pub to_bring: usize,
    /// How long the oldest of what came had waited.
    pub lag_millis: u64,
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
        let noted = Noted::read(directory).map_err(|error| {
            SetupError::file("read", &directory.join(STATE_FILE), &error, "look as the server's user")
        })?;
        Ok(Self::judged(&origin, DataDir::owner(directory).is_some(), noted, Clock::start().now().unix_millis))
    }

    fn judged(origin: &Origin, running: bool, noted: Option<Noted>, now: i64) -> Self {
        let age = |at: i64| now.saturating_sub(at) / 1000;
        // One that is to come is of a clock that was set back.
        let is_fresh = |at: i64| age(at).abs() <= SECONDS_MAX;
        let noted_at = noted.as_ref().map(|noted| noted.at);
        let Noted { told, whole_at, whole_here, trouble, ended, .. } = noted.unwrap_or_default();
        let runs_on = running && ended.is_none();
        let known = told.filter(|told| runs_on && trouble.is_none() && is_fresh(told.at));
        let whole = known.is_some_and(|told| told.whole);
        let why = trouble.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let need = if let Some(why) = &ended {
            Some(format!("It ended for good: {why}. Settle that before it is started again or promoted."))
        } else if !running {
            Some("It does not run. Start pillarbox standby again; if the server is gone for good, call pillarbox promote.".to_owned())
        } else if !noted_at.is_some_and(is_fresh) {
            Some("Nothing was noted for long. Its log says what it does.".to_owned())
        } else if trouble.is_some() && !told.is_some_and(|told| is_fresh(told.at)) {
            Some(format!("The server was not reached for long{why}. Its log says more."))
        } else if !whole && !whole_here.is_some_and(is_fresh) {
            Some(format!("It lacks what the server has taken{why}. Its log says more."))
        } else {
            None
        };
        Self {
            of: format!("{}:{}", origin.host, origin.port),
            running,
            noted_seconds: noted_at.map(|at| age(at).max(0)),
            reached_at: told.map(|told| shown(Timestamp(told.at))),
            whole,
            whole_at: whole_at.map(|at| shown(Timestamp(at))),
            behind_commits: known.map(|told| told.behind_commits),
            to_bring: known.map(|told| told.to_bring),
            lag_millis: known.map(|told| told.lag_millis),
            last_known: told.map(|Touch { behind_commits, to_bring, lag_millis, .. }| LastKnown {
                behind_commits,
                to_bring,
                lag_millis,
            }),
            trouble,
            ended,
            needs: need.into_iter().collect(),
        }
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
        let told = Touch { at: NOW - 2_000, whole: true, lag_millis: 7, ..Touch::default() };
        let whole_here = Some(NOW - 2_000);
        Noted { at: NOW - 2_000, told: Some(told), whole_at: Some(NOW - 2_500), whole_here, ..Noted::default() }
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
        assert_eq!((state.behind_commits, state.lag_millis), (Some(0), Some(7)));
        check(true, None, Some("Nothing was noted"));
        check(true, Some(Noted { at: NOW - 62_000, ..well() }), Some("Nothing was noted"));
        check(true, Some(Noted { at: NOW + 62_000, ..well() }), Some("Nothing was noted"));
        let touch = |at: i64, behind_commits: u64| {
            Some(Touch { at, whole: behind_commits == 0, behind_commits, ..Touch::default() })
        };
        let catches_up = Noted { told: touch(NOW - 1_000, 9), ..well() };
        assert_eq!(check(true, Some(catches_up.clone()), None).behind_commits, Some(9));
        // By the clock here, however far that of the server is ahead.
        let ahead = Some(NOW + 3_600_000);
        let lacks = Noted { whole_at: ahead, whole_here: Some(NOW - 62_000), ..catches_up };
        check(true, Some(lacks.clone()), Some("lacks what the server has taken."));
        check(true, Some(Noted { whole_here: None, ..lacks }), Some("lacks what the server has taken."));
    }

    #[test]
    fn a_standby_that_was_stopped_or_cut_off_had_everything_and_lacked_nothing() {
        let unknown = |running: bool, noted: Noted| {
            let state = StandbyState::judged(&origin(), running, Some(noted), NOW);
            assert_eq!(
                (state.whole, state.behind_commits, state.to_bring, state.lag_millis),
                (false, None, None, None)
            );
            assert!(state.reached_at.is_some() && state.last_known.is_some_and(|last| last.behind_commits == 0));
            state.needs
        };
        assert!(unknown(false, well())[0].contains("does not run"));
        let nobody = Noted { trouble: Some("nobody answers".to_owned()), ..well() };
        assert!(unknown(true, nobody.clone()).is_empty());
        let long = Touch { at: NOW - 62_000, ..nobody.told.unwrap() };
        let nobody = Noted { told: Some(long), ..nobody };
        assert!(unknown(true, nobody)[0].contains("not reached for long (nobody answers)"));
        // Why it ended for good is told whether or not somebody has started it again.
        let ended = Noted { ended: Some("the server is behind this standby".to_owned()), ..well() };
        for running in [false, true] {
            let [need] = &unknown(running, ended.clone())[..] else { panic!("it says one thing") };
            assert!(need.contains("the server is behind this standby. Settle that before"), "{need}");
        }
    }

    #[test]
    fn what_changes_all_the_time_is_noted_now_and_then_and_the_rest_at_once() {
        let place = tempfile::tempdir().unwrap();
        let read = || serde_json::from_slice::<Noted>(&fs::read(place.path().join(STATE_FILE)).unwrap()).unwrap();
        let mut notebook = Notebook::default();
        notebook.note(place.path(), well());
        assert_eq!(read(), well());
        notebook.note(place.path(), Noted { whole_at: Some(NOW), ..well() });
        assert_eq!(read(), well());
        let trouble = Noted { trouble: Some("nobody answers".to_owned()), ..well() };
        notebook.note(place.path(), trouble.clone());
        assert_eq!((read(), Noted::read(place.path()).unwrap()), (trouble.clone(), Some(trouble)));
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
