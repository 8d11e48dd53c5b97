//! A connection: how it is made, and what the database must promise before anything is written.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::try_join4;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::fault::Fault;
use crate::options::{OpenError, PostgresOptions};
use crate::statements::{COMMIT, CREATE, FORMAT, GET, HEAD, HEADS, REMOVE_HEAD, REMOVE_RECORDS, SCAN};

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// What was sent and is not acknowledged for so long ends the connection: a database that is gone is not waited for.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// A quiet connection is looked at so often.
const KEEPALIVE: Duration = Duration::from_secs(5);
/// The database looks after its side in the same way, so that the lock of a server that is gone is free soon; a statement
/// that does not come to an end must not hold it.
const SESSION: &str = "SET application_name = 'pillarbox'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; \
    SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000; SET statement_timeout = 60000; \
    SET idle_in_transaction_session_timeout = 60000";
/// First half of the number of our advisory locks ("pill"); the second is the writer's, or -1 for who makes the tables.
const LOCK: i32 = 0x7069_6c6c;
const LOCK_TABLES: i32 = -1;
/// First half of the number of the lock of a node ("pnod"); the second is made of its name.
const LOCK_NODE: i32 = 0x706e_6f64;

/// Where the database is, and the threads that talk to it.
#[derive(Debug)]
pub(crate) struct Database {
    config: Config,
    tls: Option<ClientConfig>,
    runtime: Runtime,
    node: Option<String>,
    lock_wait: Duration,
    /// For messages: `postgres://db.example.org/mail`, without a password.
    pub(crate) place: String,
}

/// A connection for reading.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) client: Client,
    pub(crate) head: Statement,
    pub(crate) get: Statement,
    pub(crate) scan: Statement,
    pub(crate) heads: Statement,
}

/// A connection for writing, which holds the lock of its writer.
#[derive(Debug)]
pub(crate) struct WritingConnection {
    pub(crate) client: Client,
    pub(crate) commit: Statement,
    pub(crate) heads: Statement,
    pub(crate) remove_records: Statement,
    pub(crate) remove_head: Statement,
}

impl Database {
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        let mut config = config(options)?;
        let place = place(&config);
        config.connect_timeout(CONNECT).keepalives_idle(KEEPALIVE).tcp_user_timeout(UNACKNOWLEDGED);
        // Of several hosts the one that takes writes; a standby that has become the primary is found in this way.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => {
                // Without a certificate that is checked, TLS does not say who is there.
                config.ssl_mode(SslMode::Require);
                Some(client_tls(options)?)
            }
        };
        // The sockets only; whoever reads or commits waits on a thread of his own.
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("postgres")
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| OpenError { what: format!("cannot start threads for {place}: {error}") })?;
        Ok(Self { config, tls, runtime, node: options.node.clone(), lock_wait: options.lock_wait, place })
    }

    /// A new connection. Waits for it, on any thread.
    fn connect(&self) -> Result<Client, String> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let (answer, answered) = sync_channel(1);
        self.runtime.spawn(async move {
            let connected = match tls {
                Some(tls) => config.connect(MakeRustlsConnect::new(tls)).await.map(|(client, connection)| {
                    tokio::spawn(connection);
                    client
                }),
                None => config.connect(NoTls).await.map(|(client, connection)| {
                    tokio::spawn(connection);
                    client
                }),
            };
            // Who asked waits for it.
            let _ = answer.send(connected);
        });
        let connected = answered.recv().map_err(|_| "the threads of the database have ended".to_owned())?;
        let client = connected.map_err(|error| self.cannot("connect to", &error.into()))?;
        block_on(client.batch_execute(SESSION)).map_err(|error| self.cannot("set up a session in", &error.into()))?;
        Ok(client)
    }

    /// A connection for snapshots.
    pub(crate) fn reading(&self) -> Result<Reading, String> {
        let client = self.connect()?;
        let prepare = || {
            let (head, get, scan) = (client.prepare(HEAD), client.prepare(GET), client.prepare(SCAN));
            Ok(block_on(try_join4(head, get, scan, client.prepare(HEADS)))?)
        };
        let (head, get, scan, heads) = prepare().map_err(|error: Fault| self.cannot("read from", &error))?;
        Ok(Reading { client, head, get, scan, heads })
    }

    /// A connection for the commits of one writer, after a look at what the database promises.
    pub(crate) fn writing(&self, writer: i32) -> Result<WritingConnection, String> {
        let client = self.connect()?;
        self.must_be_durable(&client)?;
        self.lock(&client, writer)?;
        let prepare = || {
            let (commit, heads) = (client.prepare(COMMIT), client.prepare(HEADS));
            let (records, head) = (client.prepare(REMOVE_RECORDS), client.prepare(REMOVE_HEAD));
            Ok(block_on(try_join4(commit, heads, records, head))?)
        };
        let (commit, heads, remove_records, remove_head) =
            prepare().map_err(|error: Fault| self.cannot("prepare commits to", &error))?;
        Ok(WritingConnection { client, commit, heads, remove_records, remove_head })
    }

    /// Takes the lock of a writer, for as long as the connection lives: one that nodes share, or one that nobody else has. The
    /// database may need a moment to see that the server which held it is gone.
    fn lock(&self, client: &Client, writer: i32) -> Result<(), String> {
        let wait = format!("SET lock_timeout = {}", self.lock_wait.as_millis().max(1));
        let locked = block_on(async {
            client.batch_execute(&wait).await?;
            let how = if self.node.is_some() { "pg_advisory_lock_shared" } else { "pg_advisory_lock" };
            client.execute(&format!("SELECT {how}($1, $2)"), &[&LOCK, &writer]).await
        });
        self.has_lock(locked, || match &self.node {
            None => format!("another server writes to {}; two would send mail twice. Stop it", self.place),
            Some(node) => format!(
                "a server that is not one of several writes to {}, and {node} is to be one of several: stop the other, or give it \
                 a name in `cluster.node` too",
                self.place
            ),
        })?;
        // One of the writers holds the name.
        if let Some(node) = self.node.as_ref().filter(|_| writer == 0) {
            let named = block_on(client.execute("SELECT pg_advisory_lock($1, hashtext($2))", &[&LOCK_NODE, node]));
            self.has_lock(named, || {
                format!(
                    "another server that is called {node} in `cluster.node` writes to {}; give each a name of its own",
                    self.place
                )
            })?;
        }
        let unlimited = block_on(client.batch_execute("SET lock_timeout = 0"));
        unlimited.map_err(|error| self.cannot("set up a session in", &error.into()))
    }

    fn has_lock(
        &self,
        locked: Result<u64, tokio_postgres::Error>,
        other: impl FnOnce() -> String,
    ) -> Result<(), String> {
        locked.map(drop).map_err(|error| match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                format!("{}; if its machine has died, its lock is free within half a minute", other())
            }
            _ => self.cannot("lock", &error.into()),
        })
    }

    /// Makes the tables, or finds them of a version that this program knows.
    pub(crate) fn create(&self) -> Result<(), String> {
        let client = self.connect()?;
        let create = async {
            client.execute("SELECT pg_advisory_lock($1, $2)", &[&LOCK, &LOCK_TABLES]).await?;
            // Only who is allowed to needs to make them: a database may be prepared by its administrator.
            let there = client.query_one("SELECT to_regclass('pillarbox.records') IS NOT NULL", &[]).await?;
            if !there.get::<_, bool>(0) {
                client.batch_execute(&format!("BEGIN; {CREATE} COMMIT")).await?;
            }
            let version = "SELECT version FROM pillarbox.format";
            if client.query_opt(version, &[]).await?.is_none() {
                client.execute("INSERT INTO pillarbox.format VALUES ($1)", &[&FORMAT]).await?;
            }
            Ok(client.query_one(version, &[]).await?.get::<_, i32>(0))
        };
        match block_on(create).map_err(|error: Fault| self.cannot("make the tables in", &error))? {
            FORMAT => Ok(()),
            other => Err(format!(
                "{} was written by a later version of Pillarbox (format {other}, this program knows {FORMAT}); update it",
                self.place
            )),
        }
    }

    /// An acknowledged commit is on disk, or this is no place for mail.
    fn must_be_durable(&self, client: &Client) -> Result<(), String> {
        let set = "SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') IN ('off', 'local')";
        let look = "SELECT current_setting('fsync'), current_setting('full_page_writes'),
            current_setting('synchronous_commit')";
        let asked = block_on(async {
            client.execute(set, &[]).await?;
            client.query_one(look, &[]).await
        });
        let row = asked.map_err(|error| self.cannot("ask for the settings of", &error.into()))?;
        let [fsync, pages, commit]: [String; 3] = [row.get(0), row.get(1), row.get(2)];
        if fsync == "on" && pages == "on" && !["off", "local"].contains(&commit.as_str()) {
            return Ok(());
        }
        Err(format!(
            "{} loses mail that was acknowledged: fsync = {fsync}, full_page_writes = {pages}, synchronous_commit = \
             {commit}; set all of them to on",
            self.place
        ))
    }

    fn cannot(&self, what: &str, fault: &Fault) -> String {
        format!("cannot {what} {}: {fault}", self.place)
    }
}

pub(crate) fn config(options: &PostgresOptions) -> Result<Config, OpenError> {
    options.url.parse().map_err(|error| OpenError { what: format!("the address of the database: {error}") })
}

pub(crate) fn place(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    format!("postgres://{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

fn client_tls(options: &PostgresOptions) -> Result<ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    match &options.authority {
        Some(file) => {
            let cannot = |error: &dyn std::fmt::Display| OpenError {
                what: format!("cannot read the authority of the database in {}: {error}", file.display()),
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
                roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OpenError { what: format!("TLS to the database: {error}") })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
