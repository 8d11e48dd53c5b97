//! `pillarbox standby`: follows a server until it is told to stop. Serves nobody.

use std::fs;
use std::mem;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use standby::{Error, Follower, Options, Told, Verified};
use store::AccountId;
use tokio::runtime::Builder;
use tracing::{info, warn};

use super::client::Remote;
use super::course::Course;
use super::state::{Notebook, Noted, Touch};
use super::verifying::Verifying;
use crate::clock::Clock;
use crate::config::{Config, StorageEngine};
use crate::lifecycle::{DataDir, Request, Signals, Telling};
use crate::moved::ADVICE;
use crate::private_file;
use crate::setup::SetupError;
use crate::standing::{Mark, Origin, SUPERSEDED_FILE};
use crate::stores::{SECRET_FILE, open_engine, open_objects};

/// The server answers by then, with news or without.
const WAIT: Duration = Duration::from_secs(1);
/// After a fault it is tried again, later each time.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// How often the log says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// How often all heads are compared although there are news, and files beside the store brought.
const LOOKED_EVERY: Duration = Duration::from_secs(60);

/// Follows a server, in a data directory that is new or followed the same one before, until SIGTERM or SIGINT.
///
/// # Errors
/// The directory is another server's; the server is not to be followed (any more); what a start needs.
pub fn follow(config: &Config, origin: Origin) -> Result<(), SetupError> {
    if config.engine != StorageEngine::Sqlite || config.database.bucket_url_file.is_some() {
        return Err(SetupError::new(
            "a standby keeps its mail in files, as its server does; PostgreSQL and buckets have their own ways to be kept twice",
        ));
    }
    let _telling = Telling::start(config)?;
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("standby").enable_all().build();
    let runtime = runtime.map_err(|error| SetupError::new(format!("no threads can be started: {error}")))?;
    let course = Arc::<Course>::default();
    let remote = Remote::new(runtime.handle().clone(), &origin, course.clone())?;
    let data_dir = DataDir::open(&config.data_dir)?;
    begin(data_dir.path(), &origin)?;
    let context = runtime.enter();
    let mut signals = Signals::listen()?;
    let stopping = course.clone();
    runtime.spawn(async move {
        while signals.next().await != Request::Stop {}
        stopping.stop();
    });
    drop(context);
    let engine = open_engine(data_dir.path(), config)?;
    let objects = open_objects(data_dir.path(), config)?;
    let follower =
        Follower::open(engine, objects, Options::default()).map_err(|error| SetupError::new(error.to_string()))?;
    info!(data_dir = %config.data_dir.display(), of = origin.host, port = origin.port, "this standby begins to follow");
    let (findings, found) = channel();
    let (storage, clock) = (follower.storage(), Clock::start());
    let verifying = Verifying { storage, remote: remote.another(), course: course.clone(), clock, found: findings };
    let thread = thread::Builder::new().name("standby-verify".to_owned()).spawn(move || verifying.run());
    let thread = thread.map_err(|error| SetupError::new(format!("no threads can be started: {error}")))?;
    let path = data_dir.path().to_owned();
    let mut following = Following {
        follower,
        remote,
        clock,
        path: &path,
        found,
        course: course.clone(),
        looked: None,
        told: None,
        // One that cannot be read is written anew.
        noted: Noted::read(&path).ok().flatten().unwrap_or_default(),
        notebook: Notebook::default(),
    };
    let ended = following.run();
    course.stop();
    // One that panicked has said so.
    let _verified = thread.join();
    info!("stopped");
    ended
}

/// Says whose the directory is.
fn begin(directory: &Path, origin: &Origin) -> Result<(), SetupError> {
    let place = directory.display();
    match Mark::read(directory)? {
        Some(Mark::Promoting(_)) => Err(SetupError::new(format!(
            "{place} is being promoted; call `pillarbox promote` again, and make a new standby elsewhere"
        ))),
        // Which server it is says its lineage, not its name.
        Some(Mark::Following(_)) => Mark::Following(origin.clone()).write(directory),
        None if directory.join("store").exists() || directory.join(SUPERSEDED_FILE).exists() => {
            Err(SetupError::new(format!(
                "{place} is that of a server; a standby begins in a directory that is empty or not there: move the old one away"
            )))
        }
        None => Mark::Following(origin.clone()).write(directory),
    }
}

struct Following<'a> {
    follower: Follower,
    remote: Remote,
    clock: Clock,
    path: &'a Path,
    found: Receiver<(AccountId, Verified)>,
    course: Arc<Course>,
    looked: Option<Instant>,
    /// When the log said last how far it is, and whether it had everything.
    told: Option<(Instant, bool)>,
    /// What was noted last, also before it was started.
    noted: Noted,
    /// For whoever asks on this machine.
    notebook: Notebook,
}

impl Following<'_> {
    fn run(&mut self) -> Result<(), SetupError> {
        let (mut pause, mut last) = (PAUSE.0, String::new());
        while !self.course.stops() {
            match self.step() {
                Ok(told) => {
                    if !mem::take(&mut last).is_empty() {
                        info!("the server answers again");
                    }
                    pause = PAUSE.0;
                    self.heard(&told);
                    self.note(None, None);
                    self.tell(told);
                }
                Err(Error::Refused(what)) => {
                    // Whoever looks next must not take it for one that was stopped.
                    self.note(None, Some(&what));
                    return Err(SetupError::new(what));
                }
                Err(Error::Fault(_)) if self.course.stops() => {}
                Err(Error::Fault(what)) => {
                    self.course.set_whole(false);
                    self.note(Some(&what), None);
                    if what != last {
                        warn!(error = what, "this standby cannot go on for now; it is tried again");
                        last = what;
                    }
                    self.course.rest(pause);
                    pause = (pause * 2).min(PAUSE.1);
                }
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Told, Error> {
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOKED_EVERY) {
            self.follower.greet(&self.remote)?;
            self.bring_beside()?;
            self.follower.doubt(&self.remote)?;
            self.looked = Some(Instant::now());
        }
        while let Ok((keyspace, verified)) = self.found.try_recv() {
            if verified.is_same == Some(false) {
                self.follower.suspect(keyspace);
            }
            if let Err(error) = self.follower.mend(&self.remote, keyspace, &verified.damaged) {
                warn!(%keyspace, %error, "large messages stay damaged here until the next round");
            }
        }
        let told = self.follower.step(&self.remote, WAIT, self.clock.now().unix_millis)?;
        self.course.set_whole(told.is_whole());
        Ok(told)
    }

    /// Before the first account: without the secret nobody could log in.
    fn bring_beside(&self) -> Result<(), Error> {
        for (name, content) in self.remote.beside()? {
            let path = self.path.join(&name);
            let is_plain = Path::new(&name).components().all(|part| matches!(part, Component::Normal(_)));
            if !is_plain {
                return Err(Error::Refused(format!(
                    "the server names a file {name}, which is none of a data directory"
                )));
            }
            match fs::read(&path) {
                Ok(here) if here == content => continue,
                Ok(_) if name == SECRET_FILE => {
                    return Err(Error::Refused(format!(
                        "the server has another secret than {}: it is not the one that was followed",
                        path.display()
                    )));
                }
                Ok(_) | Err(_) => {}
            }
            let written = path.parent().map_or(Ok(()), fs::create_dir_all);
            let written = written.and_then(|()| private_file::write(&path, &content));
            written.map_err(|error| Error::Fault(SetupError::file("write", &path, &error, ADVICE).to_string()))?;
        }
        Ok(())
    }

    /// The server has told how far it is.
    fn heard(&mut self, told: &Told) {
        let (at, whole) = (self.clock.now().unix_millis, told.is_whole());
        let lag_millis = u64::try_from(told.lag.as_millis()).unwrap_or(u64::MAX);
        let (behind_commits, to_bring) = (told.behind, told.to_bring);
        self.noted.told = Some(Touch { at, whole, behind_commits, to_bring, lag_millis });
        if whole {
            self.noted.whole_here = Some(at);
        }
    }

    /// `trouble`: why it cannot go on for now; `ended`: why it never does.
    fn note(&mut self, trouble: Option<&str>, ended: Option<&str>) {
        let at = self.clock.now().unix_millis;
        self.noted = Noted {
            at,
            told: self.noted.told,
            whole_at: self.follower.standing().whole_at,
            // It is not to come, whatever is done to the clock.
            whole_here: self.noted.whole_here.map(|whole| whole.min(at)),
            trouble: trouble.map(str::to_owned),
            ended: ended.map(str::to_owned),
        };
        self.notebook.note(self.path, self.noted.clone());
    }

    fn tell(&mut self, told: Told) {
        let is_whole = told.is_whole();
        let is_due = self.told.is_none_or(|(at, was_whole)| at.elapsed() > TOLD_EVERY || was_whole != is_whole);
        if !is_due {
            return;
        }
        self.told = Some((Instant::now(), is_whole));
        let Told { behind, to_bring, lag, .. } = told;
        let lag_millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        match is_whole {
            true => info!(lag_millis, "this standby has everything that its server has"),
            false => info!(behind, to_bring, lag_millis, "this standby catches up"),
        }
    }
}
