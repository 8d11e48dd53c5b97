//! `pillarbox promote`: a standby's data directory becomes a server's.
//!
//! Invariant: no server starts in it before all is done; what was broken off is done again from the beginning.

use std::collections::BTreeMap;
use std::sync::Arc;

use directory::{Directory, DirectoryOptions};
use standby::{Follower, Options, damaged, succeed};
use store::engine::Engine;
use store::objects::Objects;
use store::{AccountId, Store, Timestamp};
use tokio::runtime::Builder;

use super::client::Remote;
use super::state::forget;
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
    /// Accounts that are damaged here, and are left as they are.
    pub damaged: Vec<String>,
    /// The server that was followed.
    pub origin: Origin,
    /// Why it could not be told to stop; `None`: it was told.
    pub not_told: Option<String>,
}

/// Makes a server's data directory of a standby's; `tells` the server that was followed to stop, if it can be reached.
///
/// # Errors
/// It is no standby's, or one that never had everything; the standby runs; faults.
pub fn promote(config: &Config, tells: bool, step: &mut dyn FnMut(usize, usize)) -> Result<Promoted, SetupError> {
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
    // All that is needed is read before anything is changed, and before the old server stops.
    let damaged = damaged(&*storage.0).map_err(failed)?;
    if let Some(table) = damaged.iter().find(|id| **id < AccountId::FIRST) {
        return Err(SetupError::new(format!(
            "keyspace {table} of {place} is damaged; `pillarbox restore` brings a backup back"
        )));
    }
    accounts(&storage)?;
    Mark::Promoting(origin.clone()).write(path)?;
    let not_told = match (tells, standing.lineage) {
        (true, Some(lineage)) => tell(&origin, lineage).err().map(|error| error.to_string()),
        (true, None) => Some("an earlier call has tried that".to_owned()),
        (false, _) => Some("that was not wanted".to_owned()),
    };
    let clock = Clock::start().now().unix_millis;
    let now = Timestamp(clock + standing.ahead_millis.max(0) + CLOCK_MARGIN_MILLIS);
    let left = succeed(follower, now, step).map_err(failed)?;
    let (names, empty) = complete(storage, now)?;
    let name = |id: &AccountId| names.get(id).cloned().unwrap_or_else(|| format!("keyspace {id}"));
    let behind = standing.behind.iter().filter(|id| !left.unfinished.contains(id)).map(name).collect();
    let empty = empty.iter().map(name).collect();
    let damaged = left.damaged.iter().map(name).collect();
    mark_restored(path)?;
    remove(&path.join(STANDBY_FILE))?;
    forget(path);
    let whole_at = standing.whole_at.map(|at| moment(Timestamp(at)));
    Ok(Promoted { whole_at, accounts: left.accounts, behind, empty, damaged, origin, not_told })
}

/// The server stops, and does not start again.
fn tell(origin: &Origin, lineage: [u8; 32]) -> Result<(), SetupError> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| SetupError::new(format!("no threads can be started: {error}")))?;
    let remote = Remote::new(runtime.handle().clone(), origin, Arc::default())?;
    remote.supersede(lineage).map_err(|error| SetupError::new(error.to_string()))
}

/// Who has an account, and what it is called.
fn accounts(storage: &Storage) -> Result<BTreeMap<AccountId, String>, SetupError> {
    let store = Store::new(storage.0.clone(), storage.1.clone());
    let directory = Directory::open_as_it_is(store, &[0; 32], DirectoryOptions::default());
    let accounts = directory.and_then(|directory| directory.accounts());
    let accounts =
        accounts.map_err(|error| SetupError::new(format!("the directory of accounts cannot be read: {error}")))?;
    Ok(accounts.into_iter().map(|account| (account.id, account.address)).collect())
}

type Storage = (Arc<dyn Engine>, Arc<dyn Objects>);
/// What accounts are called, and those that are empty.
type Completed = (BTreeMap<AccountId, String>, Vec<AccountId>);

/// Accounts that the directory knows and that are not there are made: they came in the last moments.
fn complete(storage: Storage, now: Timestamp) -> Result<Completed, SetupError> {
    let names = accounts(&storage)?;
    let store = Store::new(storage.0, storage.1);
    let failed = |error: store::Error| SetupError::new(format!("an account cannot be made: {error}"));
    let there = store.accounts().map_err(failed)?;
    let mut empty = Vec::new();
    for account in names.keys().filter(|account| there.binary_search(account).is_err()) {
        store.create_account(*account, now).map_err(failed)?;
        empty.push(*account);
    }
    Ok((names, empty))
}
