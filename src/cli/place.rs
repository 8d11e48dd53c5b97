//! Which server a command is for, and the way to it: its control socket while it runs, else its data directory.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use server::admin::{Admin, Item, Request};
use server::clock::Clock;
use server::config::Config;
use server::control::{Client, Handler};
use server::lifecycle::DataDir;
use server::services::offered;
use server::stores::Stores;

use super::failure::Failure;

/// Where the configuration is unless somebody says otherwise.
pub(super) const CONFIG_FILE: &str = "/etc/pillarbox.toml";

/// Which server is meant.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The server with this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The server with this data directory [default: ~/.local/share/pillarbox]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config")]
    pub(super) data_dir: Option<PathBuf>,
}

/// The way to a server.
enum Way {
    Running(Client),
    InProcess { admin: Box<Admin>, _data_dir: DataDir },
}

impl Place {
    /// The data directory of `pillarbox try`.
    pub(super) fn trial_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    /// The configuration that the commands work with.
    fn load(&self) -> Result<Config, Failure> {
        match &self.config {
            Some(file) => Ok(Config::load(file)?),
            None => Ok(Config::trial(self.trial_dir())),
        }
    }

    /// Asks the server, and gives each part of the answer to `item` as it comes.
    pub(super) fn ask(&self, request: &Request, item: &mut dyn FnMut(Item)) -> Result<(), Failure> {
        match self.way()? {
            Way::Running(mut client) => Ok(client.call(request, item)?),
            Way::InProcess { admin, .. } => {
                let mut give = |part| {
                    item(part);
                    Ok(())
                };
                Ok(admin.handle(request.clone(), &mut give)?)
            }
        }
    }

    /// All parts of an answer.
    pub(super) fn collect(&self, request: &Request) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::new();
        self.ask(request, &mut |item| items.push(item))?;
        Ok(items)
    }

    fn way(&self) -> Result<Way, Failure> {
        let config = self.load()?;
        if let Some(client) = Client::connect(&config.data_dir)? {
            return Ok(Way::Running(client));
        }
        self.must_be_meant(&config.data_dir)?;
        let data_dir = DataDir::open(&config.data_dir)?;
        let stores = Stores::open(&data_dir, &config)?;
        let offered = offered(&config.hostname, &config.addresses());
        let admin = Box::new(Admin::new(stores, Clock::start()).offering(offered));
        Ok(Way::InProcess { admin, _data_dir: data_dir })
    }

    /// A directory is not made by a command that looks for it: its name may be a slip. With a configuration it is meant.
    fn must_be_meant(&self, directory: &Path) -> Result<(), Failure> {
        if self.config.is_some() || directory.exists() {
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
