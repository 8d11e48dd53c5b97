//! One shard file: its tables, its settings, and the sentences for its errors.
//!
//! `records` keeps short values beside their keys, so that a scan of small records walks dense pages. A value longer
//! than [`INLINE_BYTES_MAX`] lies in `large` under a number, and the record holds the number: long values in a table
//! without row numbers would fill its inner pages, while in `large` the bodies of all commits of a batch are appended
//! side by side, whichever accounts they belong to. What `sum` and `link` are: [`crate::sum`].

use crate::directory::{FORMAT_VERSION, FORMAT_VERSION_FIRST};
use crate::fault::Fault;
use crate::sum;
use crate::upgrade;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::fmt::Write;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::ids::{AccountId, ModSeq};

/// A value of at most this many bytes lies beside its key.
pub(crate) const INLINE_BYTES_MAX: usize = 512;
/// How long SQLite waits for a lock. Only a foreign program that has the file open can hold one for long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// `Pbox`: marks the file as ours (`file` and SQLite's own tools show it).
const APPLICATION_ID: i32 = 0x5062_6f78;
pub(crate) const PAGE_BYTES: u32 = 4096;
/// A log that grew past this (because a snapshot was held for long) is cut when it starts over.
const LOG_BYTES_KEPT: u32 = 64 << 20;
const STATEMENTS_CACHED: usize = 32;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS shard (number INTEGER NOT NULL, shards INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS heads (
        account INTEGER PRIMARY KEY, ver INTEGER NOT NULL, sum INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS records (
        account INTEGER NOT NULL,
        key BLOB NOT NULL,
        value NOT NULL, -- a blob is the value, an integer is its number in `large`
        sum INTEGER NOT NULL DEFAULT 0,
        link INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, key)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS large (number INTEGER PRIMARY KEY, value BLOB NOT NULL);
";

/// Which shard a file is, and how it is opened.
#[derive(Clone, Debug)]
pub(crate) struct ShardFile {
    pub path: PathBuf,
    pub number: u8,
    pub shards: u8,
    /// Memory for pages that the writer has read or written.
    pub cache_kib: u32,
    /// The file may not grow beyond this.
    pub bytes_max: Option<u64>,
    /// Nobody writes it as long as this process has the directory.
    pub is_frozen: bool,
}

/// Why a shard was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unopened {
    /// A full sentence for the operator.
    pub what: String,
    /// It is the disk that takes nothing: what is there may be readable.
    pub is_unwritable: bool,
}

impl From<String> for Unopened {
    fn from(what: String) -> Self {
        Self { what, is_unwritable: false }
    }
}

impl ShardFile {
    /// Creates the tables where the file is new; says what is wrong where it is not one of ours.
    pub(crate) fn create(&self) -> Result<(), String> {
        let flags = OpenFlags::SQLITE_OPEN_CREATE;
        let connection = self.connect(flags).map_err(|error| self.cannot("open", &error))?;
        let create = || {
            let setup =
                format!("PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
            connection.execute_batch(&setup)?;
            let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT_VERSION};");
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {marks} {SCHEMA} DELETE FROM shard;"))?;
            connection.execute("INSERT INTO shard VALUES (?1, ?2)", [self.number, self.shards])?;
            connection.execute_batch("COMMIT")
        };
        create().map_err(|error| self.cannot("create the tables of", &error))
    }

    /// Whether the file holds any account.
    pub(crate) fn is_used(&self) -> Result<bool, String> {
        let used = || {
            let connection = self.connect(OpenFlags::empty())?;
            let tables: i64 =
                connection
                    .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'heads'", [], |row| row.get(0))?;
            Ok(tables > 0 && connection.query_row("SELECT count(*) FROM heads", [], |row| row.get::<_, i64>(0))? > 0)
        };
        used().map_err(|error| self.cannot("read", &error))
    }

    fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        // Each connection is used by one thread at a time, so that SQLite needs no locks of its own.
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        prepared(connection)
    }

    /// A connection for one snapshot at a time.
    pub(crate) fn reader(&self) -> rusqlite::Result<Connection> {
        let connection = if self.is_frozen { self.frozen()? } else { self.connect(OpenFlags::empty())? };
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -1024;")?;
        Ok(connection)
    }

    /// A connection to a file that nobody writes, on a disk that takes nothing. SQLite would want to make a `-shm` file to
    /// know what is in the log; in exclusive mode it keeps that in memory, and without locks several connections can be
    /// exclusive. Where there is no log it would want to make one; an immutable file needs none.
    fn frozen(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Where it cannot be seen whether there is a log, the other way finds out.
        let has_log = match fs::metadata(self.log()) {
            Ok(log) => log.len() > 0,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        let connection = if has_log {
            let connection = Connection::open_with_flags_and_vfs(&self.path, flags, "unix-none")?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
            connection
        } else {
            Connection::open_with_flags(immutable_uri(&self.path), flags | OpenFlags::SQLITE_OPEN_URI)?
        };
        prepared(connection)
    }

    /// Whether the file, with what its log holds, can be read as it is.
    pub(crate) fn check_frozen(&self) -> Result<(), String> {
        let connection = self.frozen().map_err(|error| self.cannot("open", &error))?;
        self.check_format(&connection).map_err(|unopened| unopened.what)?;
        if upgrade::is_due(&connection).map_err(|error| self.cannot("read", &error))? {
            return Err(format!(
                "{} was written by an earlier version and must be brought to the newest format first, which takes a disk \
                 that can be written",
                self.path.display()
            ));
        }
        Ok(())
    }

    /// A connection that copies the log back into the file.
    pub(crate) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::empty())?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -256;")?;
        Ok(connection)
    }

    /// The connection that writes. Refuses a file of another format, or of another place in the directory.
    pub(crate) fn writer(&self) -> Result<Connection, Unopened> {
        let connection = self.connect(OpenFlags::empty()).map_err(|error| self.unopened("open", &error))?;
        self.check_format(&connection)?;
        // What is deleted is overwritten: mail that has left retention is in no free page of the file.
        let settings = format!(
            "PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = {LOG_BYTES_KEPT};
             PRAGMA cache_size = -{};",
            self.cache_kib
        );
        connection.execute_batch(&settings).map_err(|error| self.unopened("open", &error))?;
        if let Some(bytes) = self.bytes_max {
            let pages = format!("PRAGMA max_page_count = {}", bytes / u64::from(PAGE_BYTES));
            connection.query_row(&pages, [], |_| Ok(())).map_err(|error| self.unopened("open", &error))?;
        }
        Ok(connection)
    }

    fn check_format(&self, connection: &Connection) -> Result<(), Unopened> {
        let place = self.path.display();
        let pragma = |name: &str| {
            connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                .map_err(|error| self.unopened("read", &error))
        };
        if pragma("application_id")? != i64::from(APPLICATION_ID) {
            return Err(format!("{place} was not written by this program; choose another data directory").into());
        }
        let version = pragma("user_version")?;
        if !(i64::from(FORMAT_VERSION_FIRST)..=i64::from(FORMAT_VERSION)).contains(&version) {
            return Err(format!(
                "{place} has format version {version}, and this program knows versions {FORMAT_VERSION_FIRST} to \
                 {FORMAT_VERSION}; run the version of the program that wrote it"
            )
            .into());
        }
        let found = connection
            .query_row("SELECT number, shards FROM shard", [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .map_err(|error| self.unopened("read", &error))?;
        if found != (i64::from(self.number), i64::from(self.shards)) {
            return Err(format!(
                "{place} is shard {} of {}, not shard {} of {}; put the file back that belongs here",
                found.0, found.1, self.number, self.shards
            )
            .into());
        }
        Ok(())
    }

    /// Flushes the log as it is.
    pub(crate) fn sync_log(&self) -> io::Result<()> {
        File::open(self.log())?.sync_all()
    }

    fn log(&self) -> PathBuf {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        log.into()
    }

    /// As [`Self::cannot`], for one who opens the file.
    pub(crate) fn unopened(&self, what: &str, error: &rusqlite::Error) -> Unopened {
        let is_of_the_disk = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::DiskFull)
        );
        // That is for whoever gave the file to another user.
        let is_others = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        Unopened { what: self.cannot(what, error), is_unwritable: is_of_the_disk && !is_others }
    }

    /// The sentence for an error of SQLite with this file.
    pub(crate) fn cannot(&self, what: &str, error: &rusqlite::Error) -> String {
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "; free some space on its file system",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "; a reader did not finish, or another program has the file open: end that"
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                "; the file is damaged: stop the server and restore it from a backup"
            }
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                "; check that the file is there and that this user may read and write it"
            }
            Some(ErrorCode::SystemIoFailure) => "; look for errors of the disk in the system's log",
            _ => "",
        };
        format!("cannot {what} {}: {error}{advice}", self.path.display())
    }

    /// The same for damage that a checksum shows.
    pub(crate) fn failed(&self, what: &str, fault: &Fault) -> String {
        match fault {
            Fault::Sqlite(error) => self.cannot(what, error),
            Fault::Damaged(damage) => format!(
                "{} is damaged: {damage}; run `pillarbox check` to see what else is, and restore the file from a backup",
                self.path.display()
            ),
        }
    }
}

/// How statements are kept.
fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Else a statement with a range of keys is parsed and planned anew for every value of its bounds: that costs more than
    // the search itself, and there is one plan only.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// A file that is not changed while it is open.
fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            // Nothing fails when a string is written to.
            other => drop(write!(uri, "%{other:02x}")),
        }
    }
    uri + "?immutable=1"
}

/// The head of an account as the connection sees it.
pub(crate) fn head(connection: &Connection, account: AccountId) -> Result<ModSeq, Fault> {
    let mut statement = connection.prepare_cached("SELECT ver, sum FROM heads WHERE account = ?1")?;
    let head: Option<(i64, i64)> = statement.query_row([account.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((ver, sum)) = head else {
        // An account that was never written, or removed, has no rows either.
        let mut rows = connection.prepare_cached("SELECT 1 FROM records WHERE account = ?1 LIMIT 1")?;
        return if rows.exists([account.0])? { Err(Fault::damaged_head(account)) } else { Ok(ModSeq(0)) };
    };
    // The engine takes no head above `i64::MAX`, so that none is negative here.
    let ver = ModSeq(ver.cast_unsigned());
    if sum::head(account, ver) == sum { Ok(ver) } else { Err(Fault::damaged_head(account)) }
}
