//! What is in a data directory: the store with all mail, who may log in, and the outbound queue.
//!
//! ```text
//! store/        the mailboxes, the directory and the queue (SQLite), unless a database server keeps them
//! objects/      large bodies, unless a bucket keeps them
//! search-index/ which messages have a text in them; may be lost (crate `search-index`)
//! spool/        large messages that are just coming in
//! tls/          the own authority and certificate, unless files are configured
//! auth-secret   keys the hashes of application passwords, sessions and links; makes the second factors
//! store-engine  which engine has the mail, once it was moved (moved.rs)
//! store-bodies  whether a bucket keeps large bodies
//! standby       it follows a server (standing.rs)
//! superseded    a standby of it was promoted
//! restored      tells backups from before a restore from those after it
//! reserve       room for a full disk (lifecycle/disk.rs)
//! try-accounts  the passwords that `pillarbox try` made
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::{Auth, AuthOptions};
use console::Letterhead;
use directory::DirectoryOptions;
use hints::{Address, HintOptions};
use mailflow::MailFlow;
use queue::{Limits, Policy, Queue};
use reports::Counts;
use search_index::Indexes;
use standby::{Lineage, Source};
use store::engine::Engine;
use store::feed::{FedEngine, Feed};
use store::objects::Objects;
use store::{Node, Store, StoreOptions, Timestamp};
use store_objects::{DirectoryObjects, S3Objects, S3Options, Spool, SpoolLimits};
use store_postgres::{PostgresEngine, PostgresOptions};
use store_sqlite::{SqliteEngine, SqliteOptions};

use crate::clock::Clock;
use crate::config::{Config, DatabaseFiles, StorageEngine};
use crate::lifecycle::DataDir;
use crate::moved::{OBJECTS, bodies_are, bodies_must_be, must_be_there};
use crate::private_file;
use crate::service::Service;
use crate::services::ways;
use crate::setup::SetupError;

/// What a backup copies beside the store: without the secret application passwords stop working and second factors are
/// lost; programs trust the own authority.
pub(crate) const BESIDE: &[&str] = &[SECRET_FILE, RESTORED_FILE, "tls"];

/// Made anew each time that a backup comes back, with something random in it: from then on the heads of accounts are no longer
/// those of the backups that were made before.
pub(crate) const RESTORED_FILE: &str = "restored";
/// There while a backup comes back.
pub(crate) const UNFINISHED_FILE: &str = "restore-unfinished";
pub(crate) const SECRET_FILE: &str = "auth-secret";
pub(crate) const SECRET_BYTES: usize = 32;
/// So much of a hash says whose a bucket is.
const OWNER_CHARS: usize = 20;
/// So much of one says where hints of the same mail are.
const SUBJECT_CHARS: usize = 32;
/// An account, or a stranger's address, may have begun to send so much at the same time ...
const SPOOL_BYTES_PER_HOLDER: u64 = 256 * 1024 * 1024;
/// ... but always so many messages of the largest size,
const SPOOL_MESSAGES_PER_HOLDER_MIN: u64 = 4;
/// and so many of them find place.
const SPOOL_HOLDERS_MIN: u64 = 4;
const HOUR_MILLIS: u64 = 3600 * 1000;

/// An open data directory. Cheap to clone; the last clone that is dropped closes the files.
#[derive(Clone)]
pub struct Stores {
    /// All mail.
    pub store: Store,
    /// Accounts, devices, aliases, domains.
    pub auth: Auth,
    /// Mail for outside addresses.
    pub queue: Queue,
    /// Where mail goes: the way out is there only where one is configured.
    pub flow: MailFlow,
    /// Where large messages lie while they come in.
    pub spool: Arc<Spool>,
    /// Where texts of messages are looked up.
    pub indexes: Arc<Indexes>,
    /// What standbys are told, where one may listen.
    pub(crate) standby: Option<(Arc<Source>, Arc<Feed>)>,
    /// This server among others, if it is one of several; until somebody takes it.
    node: Arc<Mutex<Option<Node>>>,
    directory: PathBuf,
}

/// Who writes to owners of accounts.
pub(crate) fn letterhead(config: &Config) -> Letterhead {
    Letterhead { hostname: config.hostname.clone(), pages: config.pages(), language: config.language }
}

impl Stores {
    /// Opens what is in `data_dir`, and makes it at the first start.
    ///
    /// # Errors
    /// Files that cannot be read or written, or are not what they should be.
    pub fn open(data_dir: &DataDir, config: &Config) -> Result<Self, SetupError> {
        let path = data_dir.path();
        if path.join(UNFINISHED_FILE).exists() {
            return Err(SetupError::new(format!(
                "a backup that was to come back into {} did not come to its end; remove the directory, and restore again",
                path.display()
            )));
        }
        must_be_there(path, config.engine)?;
        let engine = open_engine_of(path, config, config.node.as_deref())?;
        let objects = objects(path, config)?;
        let feed = feed(config)?;
        let engine = fed(engine, feed.as_ref());
        let stored = (engine.clone(), objects.clone());
        let options = StoreOptions {
            retention_bytes_max: config.retention_bytes_max,
            history_bytes_max: config.history_bytes_max,
            quota: store::Quota { bytes: config.quota_bytes, messages: config.quota_messages },
            asks_owner: Some(Arc::new(letterhead(config))),
            ..StoreOptions::default()
        };
        let store = Store::on_disk((engine, objects), options, data_dir.disk());
        // Before anything is done with an account.
        let node = config.node.as_ref().map(|name| join(&store, name)).transpose()?;
        let secret = secret(&path.join(SECRET_FILE))?;
        let standby = feed.map(|feed| Ok((Arc::new(Source::new(stored, feed.clone(), lineage(path, &secret)?)), feed)));
        let standby = standby.transpose()?;
        let options = AuthOptions {
            account_requests: config.account_requests,
            scram: config.scram,
            started_at: Timestamp(Clock::start().now().unix_millis),
            account_request_domains: config.account_request_domains.clone(),
            directory: DirectoryOptions { removal_days: config.removal_days, ..DirectoryOptions::default() },
        };
        let auth = Auth::open(store.clone(), secret, options).map_err(|error| {
            SetupError::new(format!("the directory of accounts in {} cannot be opened: {error}", path.display()))
        })?;
        let lifetime_millis = u64::from(config.queue_lifetime_hours) * HOUR_MILLIS;
        let limits = Limits {
            account_recipients_per_hour: config.recipients_per_hour.into(),
            account_recipients_per_day: config.recipients_per_day.into(),
            strangers_min: config.hold_strangers.into(),
            ..Limits::DEFAULT
        };
        let hours = u64::from(config.queue_warn_after_hours);
        let warn_after_millis = (hours > 0).then_some(hours * HOUR_MILLIS);
        let policy = Policy { lifetime_millis, warn_after_millis, ..Policy::default() };
        let queue = Queue::open(&store, policy).with_limits(limits);
        let queue = queue.with_ways(ways(config));
        let way_out = config.has_way_out().then(|| queue.clone());
        let flow = MailFlow::new(auth.clone(), &config.hostname, way_out).with_policy(config.sender.policy());
        let flow = flow.with_pages(&config.pages()).with_language(config.language);
        let flow = if config.junk_filter { flow } else { flow.without_junk_filter() };
        let flow = if config.reports.send { flow.with_counts(Counts::new(&store)) } else { flow };
        let flow = match config.reports.complaints {
            true => flow.with_complaints(config.reports.from.clone()),
            false => flow,
        };
        let spool = Spool::new(path.join("spool"), spool_limits(config.message_bytes_max));
        if let Err(error) = spool.sweep() {
            // It takes space, nothing else.
            tracing::warn!(%error, directory = %path.join("spool").display(), "what never came to an end is not removed");
        }
        let indexes = Arc::new(Indexes::open(path.join("search-index"), config.search_index));
        let node = Arc::new(Mutex::new(node));
        Ok(Self { store, auth, queue, flow, spool, indexes, standby, node, directory: path.to_owned() })
    }

    /// This server among others; the caller goes on with its beats.
    pub(crate) fn take_node(&self) -> Option<Node> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The data directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// What a standby is told, where the configuration lets one listen.
fn feed(config: &Config) -> Result<Option<Arc<Feed>>, SetupError> {
    if config.listen.get(&Service::Standby).is_none_or(Vec::is_empty) {
        return Ok(None);
    }
    let mut epoch = [0; 8];
    getrandom::fill(&mut epoch)
        .map_err(|error| SetupError::new(format!("the system gives no random numbers: {error}")))?;
    Ok(Some(Feed::new(u64::from_be_bytes(epoch))))
}

/// The engine, whose commits are told in `feed` if there is one.
fn fed(engine: Arc<dyn Engine>, feed: Option<&Arc<Feed>>) -> Arc<dyn Engine> {
    match feed {
        Some(feed) => Arc::new(FedEngine::new(engine, feed.clone())),
        None => engine,
    }
}

/// What the data descend from.
fn lineage(path: &Path, secret: &[u8]) -> Result<Lineage, SetupError> {
    let file = path.join(RESTORED_FILE);
    match fs::read(&file) {
        Ok(restored) => Ok(Lineage::of(secret, &restored)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Lineage::of(secret, &[])),
        Err(error) => Err(SetupError::file("read", &file, &error, "check who owns it")),
    }
}

/// What keeps the mailboxes, where the mail of this data directory is in it.
pub(crate) fn engine(path: &Path, config: &Config) -> Result<Arc<dyn Engine>, SetupError> {
    must_be_there(path, config.engine)?;
    open_engine(path, config)
}

/// This server becomes one of several.
fn join(store: &Store, name: &str) -> Result<Node, SetupError> {
    let mut node = Node::join(store, name);
    match node.beat(Duration::ZERO) {
        Ok(_) => Ok(node),
        Err(error) => Err(SetupError::new(format!("this server cannot show the others that it is there: {error}"))),
    }
}

/// What a configuration says that keeps the mailboxes, for nobody but the caller.
pub(crate) fn open_engine(path: &Path, config: &Config) -> Result<Arc<dyn Engine>, SetupError> {
    open_engine_of(path, config, None)
}

/// The same; `node`: for the one of several servers that has this name.
fn open_engine_of(path: &Path, config: &Config, node: Option<&str>) -> Result<Arc<dyn Engine>, SetupError> {
    match postgres(config)? {
        None => {
            let engine = SqliteEngine::open(&path.join("store"), &SqliteOptions::default());
            Ok(Arc::new(engine.map_err(|error| SetupError::new(error.what))?))
        }
        Some(options) => {
            let options = PostgresOptions { node: node.map(str::to_owned), ..options };
            let engine = PostgresEngine::open(&options).map_err(|error| SetupError::new(error.what))?;
            Ok(Arc::new(engine))
        }
    }
}

/// What keeps large bodies, where those of this data directory are in it.
pub(crate) fn objects(path: &Path, config: &Config) -> Result<Arc<dyn Objects>, SetupError> {
    let in_bucket = config.database.bucket_url_file.is_some();
    bodies_must_be(path, in_bucket)?;
    let objects = open_objects(path, config)?;
    if in_bucket {
        bodies_are(path, true)?;
    }
    Ok(objects)
}

/// What a configuration says that keeps large bodies.
pub(crate) fn open_objects(path: &Path, config: &Config) -> Result<Arc<dyn Objects>, SetupError> {
    match bucket(config)? {
        None => {
            let objects = DirectoryObjects::open(&path.join(OBJECTS));
            Ok(Arc::new(objects.map_err(|error| SetupError::new(error.what))?))
        }
        Some(options) => {
            let objects = S3Objects::open(&options, &owner(path)?);
            Ok(Arc::new(objects.map_err(|error| SetupError::new(error.what))?))
        }
    }
}

/// What a bucket knows this server by: the same after a restore, and nothing that tells the secret.
fn owner(path: &Path) -> Result<String, SetupError> {
    let key = blake3::derive_key("pillarbox 2026-11-28 whose a bucket is", &secret(&path.join(SECRET_FILE))?);
    Ok(blake3::Hash::from_bytes(key).to_hex()[..OWNER_CHARS].to_owned())
}

/// Where the bucket is, if large bodies are kept in one.
///
/// # Errors
/// A file that cannot be read, or says something else.
pub(crate) fn bucket(config: &Config) -> Result<Option<S3Options>, SetupError> {
    let Some(file) = &config.database.bucket_url_file else { return Ok(None) };
    let url = private_file::first_line(file, ("where the bucket is", "store.bucket_url_file"))?;
    let mut options = url.parse::<S3Options>().map_err(|error| {
        SetupError::new(format!(
            "the first line of {} is wrong: {error}; correct store.bucket_url_file",
            file.display()
        ))
    })?;
    options.authority = config.database.authority.clone();
    Ok(Some(options))
}

/// Where the database is, if mail is kept in one.
///
/// # Errors
/// A file that cannot be read.
pub(crate) fn postgres(config: &Config) -> Result<Option<PostgresOptions>, SetupError> {
    match (config.engine, &config.database) {
        (StorageEngine::Postgres, DatabaseFiles { url_file: Some(file), authority, .. }) => {
            let url = private_file::first_line(file, ("where PostgreSQL is", "store.url_file"))?;
            Ok(Some(PostgresOptions { authority: authority.clone(), ..PostgresOptions::new(&url) }))
        }
        (StorageEngine::Sqlite | StorageEngine::Postgres, _) => Ok(None),
    }
}

/// Where NATS is, if servers with the same mail tell each other what they have done.
///
/// # Errors
/// A file that cannot be read, or says something else.
pub(crate) fn hint_address(config: &Config) -> Result<Option<Address>, SetupError> {
    let Some(file) = &config.hints.url_file else { return Ok(config.hints.address.clone()) };
    let url = private_file::first_line(file, ("where NATS is", "cluster.hints_url_file"))?;
    // What is wrong there may be what is secret.
    match url.parse::<Address>() {
        Ok(address) if address.has_secret() => Ok(Some(address)),
        Ok(_) | Err(_) => Err(SetupError::new(format!(
            "the first line of {} is not like tls://user:password@host:4222 or tls://TOKEN@host:4222; correct \
             cluster.hints_url_file",
            file.display()
        ))),
    }
}

/// How hints go to others and come from them, if they do: where only those are who have the secret of this data directory.
///
/// # Errors
/// As [`hint_address`].
pub(crate) fn hints(path: &Path, config: &Config) -> Result<Option<HintOptions>, SetupError> {
    let (Some(address), Some(node)) = (hint_address(config)?, config.node.clone()) else { return Ok(None) };
    let key =
        blake3::derive_key("pillarbox 2026-12-01 where hints between servers are", &secret(&path.join(SECRET_FILE))?);
    let subject = format!("pillarbox.hints.{}", &blake3::Hash::from_bytes(key).to_hex()[..SUBJECT_CHARS]);
    Ok(Some(HintOptions { address, authority: config.database.authority.clone(), subject, node }))
}

fn spool_limits(message_bytes_max: u64) -> SpoolLimits {
    let per_holder_max = SPOOL_BYTES_PER_HOLDER.max(message_bytes_max.saturating_mul(SPOOL_MESSAGES_PER_HOLDER_MIN));
    SpoolLimits { bytes_max: per_holder_max.saturating_mul(SPOOL_HOLDERS_MIN), per_holder_max }
}

/// Reads the secret, or makes one where there is none.
fn secret(file: &Path) -> Result<[u8; SECRET_BYTES], SetupError> {
    match fs::read(file) {
        Ok(bytes) => <[u8; SECRET_BYTES]>::try_from(bytes).map_err(|bytes| {
            SetupError::new(format!(
                "{} has {} bytes instead of {SECRET_BYTES}; restore it from a backup (or remove it: then all \
                 application passwords stop working)",
                file.display(),
                bytes.len()
            ))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut secret = [0; SECRET_BYTES];
            getrandom::fill(&mut secret)
                .map_err(|error| SetupError::new(format!("the system gives no random numbers: {error}")))?;
            private_file::write(file, &secret)
                .map_err(|error| SetupError::file("write", file, &error, "check who owns the data directory"))?;
            Ok(secret)
        }
        Err(error) => Err(SetupError::file("read", file, &error, "check who owns it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let first = secret(&file).unwrap();
        assert_eq!(secret(&file).unwrap(), first);
        assert_ne!(first, [0; SECRET_BYTES]);
        fs::write(&file, "short").unwrap();
        assert!(secret(&file).unwrap_err().to_string().contains("has 5 bytes instead of 32"));
    }

    #[test]
    fn a_data_directory_opens_again_after_it_was_closed() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::trial(dir.path().join("data"));
        for round in 0..2 {
            let data_dir = DataDir::open(&config.data_dir).unwrap();
            let stores = Stores::open(&data_dir, &config).unwrap();
            assert_eq!(stores.auth.directory().domains().unwrap().len(), round);
            if round == 0 {
                stores.auth.directory().add_domain("example.org").unwrap();
            }
        }
    }
}
