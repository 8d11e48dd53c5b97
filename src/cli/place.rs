//! Which server a command is for, and the way to it: its control socket while it runs, else its data directory.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::{env, io};

use clap::Args;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use server::clock::Clock;
use server::config::Config;
use server::control::Client;
use server::lifecycle::DataDir;
use server::services::{offered, stopped_site};
use server::stores::Stores;
use web::{Call, Site};

use super::Outcome;
use super::failure::Failure;

/// Where the configuration is unless somebody says otherwise.
pub(super) const CONFIG_FILE: &str = "/etc/pillarbox.toml";

/// Which server is meant.
#[derive(Args)]
pub(super) struct Place {
    /// The server with this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The server with this data directory [default: ~/.local/share/pillarbox]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config")]
    pub(super) data_dir: Option<PathBuf>,
    /// The server itself, once it is found that none runs
    #[clap(skip)]
    stopped: OnceCell<Stopped>,
}

/// How far the server is with what takes long.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    progress: Progress,
}

#[derive(Deserialize)]
struct Progress {
    done: usize,
    total: usize,
}

impl Step {
    fn of(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }
}

/// A server that does not run, in this process.
struct Stopped {
    site: Site,
    _data_dir: DataDir,
}

impl Place {
    /// The server with this configuration file.
    pub(super) fn of(config: PathBuf) -> Self {
        Self { config: Some(config), data_dir: None, stopped: OnceCell::new() }
    }

    /// The server of `pillarbox try` with this data directory.
    pub(super) fn of_data_dir(data_dir: PathBuf) -> Self {
        Self { config: None, data_dir: Some(data_dir), stopped: OnceCell::new() }
    }

    /// The data directory of `pillarbox try`.
    pub(super) fn trial_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    /// The configuration that the commands work with.
    pub(super) fn load(&self) -> Result<Config, Failure> {
        match &self.config {
            Some(file) => Ok(Config::load(file)?),
            None if self.is_installed() => Ok(Config::load(Path::new(CONFIG_FILE))?),
            None => Ok(Config::trial(self.trial_dir())),
        }
    }

    /// Whether nobody says which server is meant, and only the one of the usual configuration is there.
    fn is_installed(&self) -> bool {
        self.data_dir.is_none() && !self.trial_dir().exists() && Path::new(CONFIG_FILE).exists()
    }

    /// Calls the server, and gives each part of the answer to `part` as it comes.
    pub(super) fn call<T: DeserializeOwned>(&self, call: &Call, part: &mut dyn FnMut(T) -> Outcome) -> Outcome {
        let mut failed = None;
        let mut take = |value: Value| {
            if let Some(Step { progress }) = Step::of(&value) {
                super::progress(progress.done, progress.total, "messages");
                return Ok(());
            }
            let fault = |error| Failure::Fault(format!("an answer is not understood: {error}"));
            serde_json::from_value(value).map_err(fault).and_then(&mut *part).map_err(|failure| {
                failed = Some(failure);
                io::Error::other("it is not listened to any more")
            })
        };
        let outcome = match self.running()? {
            Some(mut client) => client.call(call, &mut take).map_err(Failure::from),
            None => self.stopped()?.operate(call, &mut take).map_err(Failure::from),
        };
        failed.map_or(outcome, Err)
    }

    /// All parts of an answer.
    pub(super) fn all<T: DeserializeOwned>(&self, call: &Call) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut take = |part| {
            all.push(part);
            Ok(())
        };
        self.call(call, &mut take)?;
        Ok(all)
    }

    /// For what a server that does not run has none of: its data directory is not opened, let alone made.
    pub(super) fn must_run(&self, why: &str) -> Outcome {
        match self.running()? {
            Some(_) => Ok(()),
            None => Err(Failure::Refused(format!(
                "no server runs on {}; {why}: start it, or say which you mean with --config FILE or --data-dir DIR",
                self.load()?.data_dir.display()
            ))),
        }
    }

    fn running(&self) -> Result<Option<Client>, Failure> {
        match self.stopped.get() {
            Some(_) => Ok(None),
            None => Ok(Client::connect(&self.load()?.data_dir)?),
        }
    }

    fn stopped(&self) -> Result<&Site, Failure> {
        if let Some(stopped) = self.stopped.get() {
            return Ok(&stopped.site);
        }
        let config = self.load()?;
        self.must_be_meant(&config.data_dir)?;
        let data_dir = DataDir::open(&config.data_dir)?;
        let site = stopped_site(&config, &Stores::open(&data_dir, &config)?, Clock::start())?;
        site.offer(offered(&config, &config.addresses()));
        Ok(&self.stopped.get_or_init(|| Stopped { site, _data_dir: data_dir }).site)
    }

    /// A directory is not made by a command that looks for it: its name may be a slip. With a configuration it is meant.
    fn must_be_meant(&self, directory: &Path) -> Result<(), Failure> {
        if self.config.is_some() || self.is_installed() || directory.exists() {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "there is no server in {} yet; start one with `pillarbox try`, or say which you mean with --config FILE or \
             --data-dir DIR",
            directory.display()
        )))
    }
}

/// XDG Base Directory Specification: relative paths in the variable count as unset.
fn default_data_dir() -> PathBuf {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || absolute("HOME").map(|home| home.join(".local/share"));
    match absolute("XDG_DATA_HOME").or_else(home) {
        Some(base) => base.join("pillarbox"),
        None => "pillarbox-data".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn how_far_it_is_is_told_from_an_answer() {
        let step = Step::of(&json!({"progress": {"done": 500, "total": 2000}}));
        assert_eq!(step.map(|step| (step.progress.done, step.progress.total)), Some((500, 2000)));
        assert!(Step::of(&json!({"progress": "half", "entry": 1})).is_none());
        assert!(Step::of(&json!({"text": ["3 messages put back"], "entry": 12})).is_none());
    }
}
