//! `pillarbox promote`: a standby's data directory becomes a server's.
//!
//! Invariant: no server starts in it before all is done; what was broken off is done again from the beginning.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use directory::{Directory, DirectoryOptions};
use standby::{Follower, Options, succeed};
use store::engine::Engine;
use store::objects::Objects;
use store::{AccountId, Store, Timestamp};
use tokio::runtime::Builder;

use super::client::Remote;
use crate::clock::Clock;
use crate::config::{Config, StorageEngine};
use crate::lifecycle::DataDir;
use crate::moved::remove;
use crate::restoration::mark_restored;
use crate::setup::SetupError;
use crate::standing::{Mark, Origin, STANDBY_FILE, moment};
use crate::stores::{open_engine, open_objects};

/// The clock of the server that is gone may have been ahead by so much more than was seen.
const CLOCK_MARGIN_MILLIS: i64 = 60_000;

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// It has everything that was acknowledged until then, by the clock of the server that is gone; `None`: an earlier call has noted that, and was broken off.
    pub whole_at: Option<String>,
    /// Accounts that go on.
    pub accounts: usize,
    /// Accounts that had changed before that, which the standby had not brought yet: they are as they were some time earlier.
    pub behind: Vec<String>,
    /// Accounts of which nothing is here but their addresses: they are empty now.
    pub empty: Vec<String>,
    /// The server that was followed.
    pub origin: Origin,
    /// Why it could not be told to stop; `None`: it was told.
    pub not_told: Option<String>,
}

/// Makes a server's data directory of a standby's, and tells the server that was followed to stop, if it can be reached.
///
/// # Errors
/// It is no standby's, or one that never had everything; the standby runs; faults.
pub fn promote(config: &Config, step: &mut dyn FnMut(usize, usize)) -> Result<Promoted, SetupError> {
    let place = config.data_dir.display();
    if config.engine != StorageEngine::Sqlite || config.database.bucket_url_file.is_some() {
        return Err(SetupError::new(format!("{place} has its mail in files; the configuration says otherwise")));
    }
    if !config.data_dir.join(STANDBY_FILE).exists() {
        return Err(SetupError::new(format!("{place} is not that of a standby; nothing is to be promoted")));
    }
    let data_dir = DataDir::open(&config.data_dir)?;
    let path = data_dir.path();
    let mark = Mark::read(path)?.ok_or_else(|| SetupError::new(format!("{place} is not that of a standby")))?;
    let failed = |error: standby::Error| SetupError::new(error.to_string());
    let storage = (open_engine(path, config)?, open_objects(path, config)?);
    let follower = Follower::open(storage.0.clone(), storage.1.clone(), Options::default()).map_err(failed)?;
    let standing = follower.standing().clone();
    let origin = match mark {
        Mark::Promoting(origin) => origin,
        Mark::Following(origin) if standing.whole_at.is_some() => origin,
        Mark::Following(Origin { host, port, .. }) => {
            return Err(SetupError::new(format!(
                "{place} has never had all that {host}:{port} has: it was still being brought for the first time. Let the standby \
                 go on if that server can be reached; else bring a backup back (`pillarbox restore`)"
            )));
        }
    };
    Mark::Promoting(origin.clone()).write(path)?;
    let not_told = tell(&origin).err().map(|error| error.to_string());
    let clock = Clock::start().now().unix_millis;
    let now = Timestamp(clock + standing.ahead_millis.max(0) + CLOCK_MARGIN_MILLIS);
    let left = succeed(follower, now, step).map_err(failed)?;
    let (names, empty) = complete(storage, Timestamp(clock))?;
    let name = |id: &AccountId| names.get(id).cloned().unwrap_or_else(|| format!("keyspace {id}"));
    let behind = standing.behind.iter().filter(|id| !left.unfinished.contains(id)).map(name).collect();
    let empty = empty.iter().map(name).collect();
    mark_restored(path)?;
    remove(&path.join(STANDBY_FILE))?;
    let whole_at = standing.whole_at.map(|at| moment(Timestamp(at)));
    Ok(Promoted { whole_at, accounts: left.accounts, behind, empty, origin, not_told })
}

/// The server stops, and does not start again.
fn tell(origin: &Origin) -> Result<(), SetupError> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| SetupError::new(format!("no threads can be started: {error}")))?;
    let remote = Remote::new(runtime.handle().clone(), origin, Arc::<AtomicBool>::default())?;
    remote.supersede().map_err(|error| SetupError::new(error.to_string()))
}

/// What accounts are called. Those that the directory knows and that are not there are made: they came in the last moments.
type Completed = (BTreeMap<AccountId, String>, Vec<AccountId>);

fn complete(storage: (Arc<dyn Engine>, Arc<dyn Objects>), now: Timestamp) -> Result<Completed, SetupError> {
    let store = Store::new(storage.0, storage.1);
    let failed =
        |error: &dyn std::fmt::Display| SetupError::new(format!("the directory of accounts cannot be read: {error}"));
    let directory = Directory::open_as_it_is(store.clone(), &[0; 32], DirectoryOptions::default());
    let accounts = directory.and_then(|directory| directory.accounts()).map_err(|error| failed(&error))?;
    let there = store.accounts().map_err(|error| failed(&error))?;
    let mut empty = Vec::new();
    for account in accounts.iter().filter(|account| there.binary_search(&account.id).is_err()) {
        store.create_account(account.id, now).map_err(|error| failed(&error))?;
        empty.push(account.id);
    }
    Ok((accounts.into_iter().map(|account| (account.id, account.address)).collect(), empty))
}
