//! Snapshots: read transactions, each on a connection of its own out of a bounded pool.
//!
//! A transaction that stays open keeps the write-ahead log from starting over: a snapshot is for one step of a session,
//! not for its life.

use crate::fault::Fault;
use crate::shard::{PAGE_BYTES, ShardFile, head};
use crate::sum::{self, Place};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use store::engine::{EngineError, Inspect, Snapshot, Visit, VisitEach};
use store::ids::{AccountId, ModSeq};

/// How long a caller waits for a connection when all are in use. Longer means that they are not given back.
const WAIT: Duration = Duration::from_secs(10);
/// So many connections that wait to be used keep the pages that they have read; the others give their memory back. Those that
/// were used last are used first, so that more than a few are only needed when many read at once.
const WARM_MAX: usize = 8;

/// A row, or the one before it.
const FIND: &str =
    "SELECT key, value, sum, link FROM records WHERE account = ?1 AND key <= ?2 ORDER BY key DESC LIMIT 1";

/// A row and those behind it.
const FROM: &str = "SELECT key, value, sum FROM records WHERE account = ?1 AND key >= ?2 ORDER BY key";

/// So many rows are passed over until the next key of many is looked for in the tree, which costs as much as some of them.
const PASSED_OVER_MAX: usize = 4;

/// The connections for reading a shard.
#[derive(Debug)]
pub(crate) struct Readers {
    file: ShardFile,
    connections_max: usize,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    /// Used last behind.
    idle: Vec<Idle>,
    /// Idle and in use.
    open: usize,
    /// So many wait for one.
    waiting: usize,
}

/// A connection that waits to be used.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    /// It has pages in memory.
    is_warm: bool,
}

impl Readers {
    /// None is open yet.
    pub(crate) fn new(file: ShardFile, connections_max: usize) -> Self {
        Self { file, connections_max: connections_max.max(1), pool: Mutex::default(), freed: Condvar::new() }
    }

    /// A view of the account as it is now.
    pub(crate) fn snapshot(&self, account: AccountId) -> Result<SqliteSnapshot<'_>, EngineError> {
        let mut reader = self.take()?;
        let head = reader.begin(account).map_err(|fault| {
            reader.broken = true;
            self.failed(account, &fault)
        })?;
        Ok(SqliteSnapshot { reader, account, head })
    }

    /// The account's head as it is now: one statement, which is a transaction by itself.
    pub(crate) fn head(&self, account: AccountId) -> Result<ModSeq, EngineError> {
        let mut reader = self.take()?;
        reader.connection().map_err(Fault::from).and_then(|connection| head(connection, account)).map_err(|fault| {
            reader.broken = true;
            self.failed(account, &fault)
        })
    }

    /// Every account of the shard, ascending; also one of which only the head, or only the rows, can be found.
    pub(crate) fn accounts(&self) -> Result<BTreeSet<AccountId>, EngineError> {
        let reader = self.take()?;
        let accounts = || {
            let connection = reader.connection()?;
            let mut heads = connection.prepare_cached("SELECT account FROM heads")?;
            let mut accounts =
                heads.query_map([], |row| row.get(0).map(AccountId))?.collect::<rusqlite::Result<BTreeSet<_>>>()?;
            let next = "SELECT account FROM records WHERE account > ?1 ORDER BY account, key LIMIT 1";
            let (mut next, mut last) = (connection.prepare_cached(next)?, -1_i64);
            while let Some(account) = next.query_row([last], |row| row.get::<_, u32>(0)).optional()? {
                accounts.insert(AccountId(account));
                last = i64::from(account);
            }
            Ok(accounts)
        };
        accounts().map_err(|error: rusqlite::Error| self.error("list the accounts of", &error.into()))
    }

    /// Every row by itself, damaged ones too.
    pub(crate) fn inspect(&self, account: AccountId, visit: &mut Inspect<'_>) -> Result<(), EngineError> {
        let reader = self.take()?;
        let snapshot = SqliteSnapshot { reader, account, head: ModSeq(0) };
        snapshot.inspect(visit).map_err(|fault| self.failed(account, &fault))
    }

    /// What SQLite's own check finds.
    pub(crate) fn check_file(&self) -> Vec<String> {
        let check = || {
            let reader = self.take()?;
            let found = || {
                let mut check = reader.connection()?.prepare("PRAGMA integrity_check(20)")?;
                check.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
            };
            found().map_err(|error| self.error("check", &error.into()))
        };
        let place = self.file.path.display();
        match check() {
            Ok(found) if found == ["ok"] => Vec::new(),
            Ok(found) => found
                .into_iter()
                .map(|text| format!("{place} is damaged ({}); restore it from a backup", text.replace('\n', " ")))
                .collect(),
            Err(error) => vec![error.to_string()],
        }
    }

    /// The free pages of the file.
    pub(crate) fn reusable_bytes(&self) -> Result<u64, EngineError> {
        let reader = self.take()?;
        let pages = || reader.connection()?.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
        let pages = pages().map_err(|error| self.error("read", &error.into()))?;
        Ok(u64::try_from(pages).unwrap_or_default() * u64::from(PAGE_BYTES))
    }

    fn take(&self) -> Result<Reader<'_>, EngineError> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        let all_in_use = |pool: &mut Pool| pool.idle.is_empty() && pool.open >= self.connections_max;
        let mut timed_out = false;
        if all_in_use(&mut pool) {
            pool.waiting += 1;
            let waited = self.freed.wait_timeout_while(pool, WAIT, all_in_use);
            let (woken, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            (pool, timed_out) = (woken, waited.timed_out());
            pool.waiting -= 1;
        }
        if timed_out {
            return Err(EngineError::Failed {
                what: format!(
                    "cannot read {}: all {} read connections have been in use for {} s",
                    self.file.path.display(),
                    self.connections_max,
                    WAIT.as_secs()
                ),
            });
        }
        if let Some(Idle { connection, .. }) = pool.idle.pop() {
            return Ok(Reader { readers: self, connection: Some(connection), broken: false });
        }
        pool.open += 1;
        drop(pool);
        // From here on dropping the reader frees its place.
        let mut reader = Reader { readers: self, connection: None, broken: false };
        let opened = self.file.reader();
        reader.connection = Some(opened.map_err(|error| self.error("open", &error.into()))?);
        Ok(reader)
    }

    /// Gives the memory of a connection back, which is the last to be used again.
    fn cool(&self, connection: Connection) {
        let is_cool = connection.execute_batch("PRAGMA shrink_memory").is_ok();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if is_cool {
            pool.idle.insert(0, Idle { connection, is_warm: false });
        } else {
            pool.open -= 1;
        }
        let is_awaited = pool.waiting > 0;
        drop(pool);
        if is_awaited {
            self.freed.notify_one();
        }
    }

    fn failed(&self, account: AccountId, fault: &Fault) -> EngineError {
        self.error(&format!("read account {account} in"), fault)
    }

    fn error(&self, tried: &str, fault: &Fault) -> EngineError {
        let what = self.file.failed(tried, fault);
        if fault.is_damage() { EngineError::Damaged { what } } else { EngineError::Failed { what } }
    }
}

/// A connection out of the pool; dropped, it ends its transaction and goes back.
struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
    broken: bool,
}

impl Reader<'_> {
    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connection.as_ref().ok_or(rusqlite::Error::InvalidQuery)
    }

    /// The first read fixes what the transaction sees.
    fn begin(&self, account: AccountId) -> Result<ModSeq, Fault> {
        let connection = self.connection()?;
        connection.prepare_cached("BEGIN")?.execute([])?;
        head(connection, account)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let end = |connection: &Connection| {
            connection.is_autocommit()
                || connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).is_ok()
        };
        let sound = self.connection.take().filter(|connection| end(connection) && !self.broken);
        let mut pool = self.readers.pool.lock().unwrap_or_else(PoisonError::into_inner);
        match sound {
            Some(connection) => pool.idle.push(Idle { connection, is_warm: true }),
            None => pool.open -= 1,
        }
        let (cooled, is_awaited) = (pool.take_out_to_cool(), pool.waiting > 0);
        drop(pool);
        // It costs a system call, also where nobody waits.
        if is_awaited {
            self.readers.freed.notify_one();
        }
        if let Some(connection) = cooled {
            self.readers.cool(connection);
        }
    }
}

impl Pool {
    /// The connection that is one too many of those with pages in memory.
    fn take_out_to_cool(&mut self) -> Option<Connection> {
        let at = self.idle.len().checked_sub(WARM_MAX + 1)?;
        self.idle.get(at).filter(|idle| idle.is_warm)?;
        Some(self.idle.remove(at).connection)
    }
}

/// A read transaction on one account.
pub(crate) struct SqliteSnapshot<'a> {
    reader: Reader<'a>,
    account: AccountId,
    head: ModSeq,
}

impl SqliteSnapshot<'_> {
    fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let mut statement = self.reader.connection()?.prepare_cached(FIND)?;
        let mut rows = statement.query(params![self.account.0, key])?;
        let before = match rows.next()? {
            Some(row) if row.get_ref(0)? == ValueRef::Blob(key) => return self.value(key, row).map(Some),
            Some(row) => Some(self.place(key, row)?),
            None => None,
        };
        // Not there: the row before must say so.
        let mut after = self
            .reader
            .connection()?
            .prepare_cached("SELECT key FROM records WHERE account = ?1 AND key > ?2 ORDER BY key LIMIT 1")?;
        let next: Option<Vec<u8>> = after.query_row(params![self.account.0, key], |row| row.get(0)).optional()?;
        self.check_link(before.as_ref(), next.as_deref(), key).map(|()| None)
    }

    /// Goes from the row of `key` on, as long as the other keys lie near it; `key` is then the first one that was not visited,
    /// if there is one. How many were.
    fn find_run(
        &self,
        key: &mut Option<Vec<u8>>,
        keys: &mut dyn Iterator<Item = Vec<u8>>,
        visit: &mut VisitEach<'_>,
    ) -> Result<usize, Fault> {
        let mut statement = self.reader.connection()?.prepare_cached(FROM)?;
        let mut rows = statement.query(params![self.account.0, key.as_deref().unwrap_or_default()])?;
        let (mut visited, mut passed) = (0, 0);
        // Nobody is told of a row behind the last one that he asked for, nor that it cannot be read.
        while let Some(wanted) = key.as_deref() {
            let Some(row) = rows.next()? else { break };
            if row.get_ref(0)? != ValueRef::Blob(wanted) {
                passed += 1;
                // That nothing lies between two rows is not looked at here.
                if passed > PASSED_OVER_MAX || !matches!(row.get_ref(0)?, ValueRef::Blob(key) if key < wanted) {
                    break;
                }
                continue;
            }
            let flow = match row.get_ref(1)? {
                ValueRef::Blob(value) if sum::row(self.account, wanted, value) == row.get::<_, i64>(2)? => {
                    visit(Ok(Some(value)))
                }
                _ => {
                    let value = self.value(wanted, row).map_err(|fault| self.failed(&fault));
                    visit(value.as_deref().map(Some).map_err(Clone::clone))
                }
            };
            (visited, passed) = (visited + 1, 0);
            *key = if flow == ControlFlow::Break(()) { None } else { keys.next() };
        }
        Ok(visited)
    }

    /// The value in a row (key, value, sum, …), sound.
    fn value(&self, key: &[u8], row: &Row<'_>) -> Result<Vec<u8>, Fault> {
        let value = match row.get_ref(1)? {
            ValueRef::Blob(value) => Some(value.to_vec()),
            ValueRef::Integer(number) => self.large(number)?,
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => None,
        };
        let sum: i64 = row.get(2)?;
        // Of a long one the only checksum that is made when a body is read: see `Snapshot::compares_values`.
        value.filter(|value| sum::row(self.account, key, value) == sum).ok_or_else(|| Fault::damaged(self.account, key))
    }

    /// The value that a record keeps elsewhere; `None` if it is not there, which is damage.
    fn large(&self, number: i64) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut statement = self.reader.connection()?.prepare_cached("SELECT value FROM large WHERE number = ?1")?;
        statement.query_row([number], |row| row.get(0)).optional()
    }

    /// Where a row (key, value, sum, link) stands and what it says of the next.
    fn place(&self, near: &[u8], row: &Row<'_>) -> Result<(Place, i64), Fault> {
        let place = Place::read(row.get_ref(0)?).ok_or_else(|| Fault::damaged(self.account, near))?;
        Ok((place, row.get(3)?))
    }

    /// That `next` follows the row before; an account without a head has neither.
    fn check_link(&self, before: Option<&(Place, i64)>, next: Option<&[u8]>, near: &[u8]) -> Result<(), Fault> {
        let holds = match before {
            Some((place, link)) => self.head > ModSeq(0) && place.link(self.account, next) == *link,
            None => self.head == ModSeq(0) && next.is_none(),
        };
        if holds { Ok(()) } else { Err(Fault::damaged(self.account, near)) }
    }

    fn walk(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        if from >= to {
            return Ok(());
        }
        let connection = self.reader.connection()?;
        let mut last = {
            let mut before = connection.prepare_cached(
                "SELECT key, value, sum, link FROM records WHERE account = ?1 AND key < ?2 ORDER BY key DESC LIMIT 1",
            )?;
            let mut rows = before.query(params![self.account.0, from])?;
            rows.next()?.map(|row| self.place(from, row)).transpose()?
        };
        let mut statement = connection.prepare_cached(
            "SELECT key, value, sum, link FROM records WHERE account = ?1 AND key >= ?2 ORDER BY key",
        )?;
        let mut rows = statement.query(params![self.account.0, from])?;
        while let Some(row) = rows.next()? {
            let ValueRef::Blob(key) = row.get_ref(0)? else { return Err(Fault::damaged(self.account, from)) };
            self.check_link(last.as_ref(), Some(key), key)?;
            if key >= to {
                return Ok(());
            }
            let flow = match row.get_ref(1)? {
                // Short values are not copied.
                ValueRef::Blob(value) if sum::row(self.account, key, value) == row.get::<_, i64>(2)? => {
                    visit(key, value)
                }
                _ => visit(key, &self.value(key, row)?),
            };
            if flow == ControlFlow::Break(()) {
                return Ok(());
            }
            let link = row.get(3)?;
            match &mut last {
                Some((Place::Key(last), last_link)) => {
                    last.clear();
                    last.extend_from_slice(key);
                    *last_link = link;
                }
                last => *last = Some((Place::Key(key.to_vec()), link)),
            }
        }
        self.check_link(last.as_ref(), None, to)
    }

    fn inspect(&self, visit: &mut Inspect<'_>) -> Result<(), Fault> {
        let mut statement = self
            .reader
            .connection()?
            .prepare_cached("SELECT key, value, sum, link FROM records WHERE account = ?1 ORDER BY key")?;
        let mut rows = statement.query([self.account.0])?;
        // A row is told when it is known what follows it.
        let mut last: Option<Inspected> = None;
        let mut tell = |row: Inspected, next: Option<&[u8]>| {
            let holds = row.place.link(self.account, next) == row.link;
            match &row.place {
                Place::Start if holds => {}
                Place::Start => visit(&[], None),
                Place::Key(key) => visit(key, row.value.as_deref().filter(|_| holds)),
            }
        };
        while let Some(row) = rows.next()? {
            let Ok((place, link)) = self.place(&[], row) else {
                tell(last.take().unwrap_or(Inspected { place: Place::Start, value: None, link: 0 }), None);
                continue;
            };
            let value = match &place {
                Place::Start => None,
                Place::Key(key) => {
                    if let Some(last) = last.take() {
                        tell(last, Some(key));
                    }
                    self.value(key, row).ok()
                }
            };
            last = Some(Inspected { place, value, link });
        }
        if let Some(last) = last {
            tell(last, None);
        }
        Ok(())
    }

    fn failed(&self, fault: &Fault) -> EngineError {
        self.reader.readers.failed(self.account, fault)
    }
}

/// A row that was looked at by itself.
struct Inspected {
    place: Place,
    value: Option<Vec<u8>>,
    link: i64,
}

impl Snapshot for SqliteSnapshot<'_> {
    fn head(&self) -> ModSeq {
        self.head
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.find(key).map_err(|fault| self.failed(&fault))
    }

    fn compares_values(&self) -> bool {
        true
    }

    fn get_each(&self, keys: &mut dyn Iterator<Item = Vec<u8>>, visit: &mut VisitEach<'_>) {
        let mut key = keys.next();
        while key.is_some() {
            let found = match self.find_run(&mut key, keys, visit) {
                Ok(visited) if visited > 0 => continue,
                Ok(_) => key.as_deref().map_or(Ok(None), |key| self.get(key)),
                Err(fault) => Err(self.failed(&fault)),
            };
            // Not there, as a rule, and the row before says so; or damaged.
            let flow = visit(found.as_ref().map(Option::as_deref).map_err(Clone::clone));
            key = if flow == ControlFlow::Break(()) { None } else { keys.next() };
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.walk(from, to, visit).map_err(|fault| self.failed(&fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    #[test]
    fn who_waits_for_a_connection_has_the_next_that_is_free() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shard");
        let file = ShardFile { path, number: 0, shards: 1, cache_kib: 64, bytes_max: None, is_frozen: false };
        file.create().unwrap();
        let readers = Readers::new(file, 1);
        let held = readers.snapshot(AccountId(16)).unwrap();
        std::thread::scope(|scope| {
            let others: Vec<_> =
                (0..3).map(|_| scope.spawn(|| drop(readers.snapshot(AccountId(16)).unwrap()))).collect();
            while readers.pool.lock().unwrap().waiting < 3 {
                std::thread::yield_now();
            }
            drop(held);
            others.into_iter().for_each(|other| other.join().unwrap());
        });
        assert_eq!(readers.pool.lock().unwrap().waiting, 0);
    }

    #[test]
    fn each_connection_that_ever_was_used_kept_its_pages_in_memory() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shard");
        let file = ShardFile { path, number: 0, shards: 1, cache_kib: 64, bytes_max: None, is_frozen: false };
        file.create().unwrap();
        let readers = Readers::new(file, 64);
        let read_at_once = |count: usize| {
            let held: Vec<_> = (0..count).map(|_| readers.snapshot(AccountId(16)).unwrap()).collect();
            held.iter().for_each(|snapshot| assert_eq!(snapshot.get(b"a").unwrap(), None));
        };
        let warm = || readers.pool.lock().unwrap().idle.iter().map(|idle| idle.is_warm).collect::<Vec<_>>();
        read_at_once(WARM_MAX);
        assert_eq!(warm(), [true; WARM_MAX]);
        for count in [WARM_MAX + 1, 40, 20] {
            read_at_once(count);
            let warm = warm();
            assert_eq!(warm.iter().filter(|warm| **warm).count(), WARM_MAX, "{count}");
            assert!(warm.iter().rev().take(WARM_MAX).all(|warm| *warm), "those are used first: {warm:?}");
        }
        let pool = readers.pool.lock().unwrap();
        assert_eq!((pool.open, pool.idle.len()), (40, 40), "none was closed");
    }

    #[test]
    fn a_statement_was_parsed_anew_for_each_key() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shard");
        let file = ShardFile { path, number: 0, shards: 1, cache_kib: 64, bytes_max: None, is_frozen: false };
        file.create().unwrap();
        let readers = Readers::new(file, 1);
        let snapshot = readers.snapshot(AccountId(16)).unwrap();
        for key in [b"a", b"b", b"c"] {
            assert_eq!(snapshot.get(key).unwrap(), None);
        }
        let statement = snapshot.reader.connection().unwrap().prepare_cached(FIND).unwrap();
        assert_eq!(
            (statement.get_status(StatementStatus::Run), statement.get_status(StatementStatus::RePrepare)),
            (3, 0)
        );
    }

    #[test]
    fn each_of_many_keys_was_looked_for_by_itself() {
        let place = tempfile::tempdir().unwrap();
        let options = crate::SqliteOptions { shards: 1, ..crate::SqliteOptions::default() };
        let engine = crate::SqliteEngine::open(place.path(), &options).unwrap();
        let put = |n: u8| store::engine::Write::Put { key: vec![b'T', n], value: vec![n; 300] };
        let (account, writes) = (AccountId(16), (0..100).map(put).collect());
        let commit = store::engine::Commit { account, expected: ModSeq(0), next: ModSeq(1), writes };
        store::engine::Engine::commit(&engine, commit).unwrap();
        drop(engine);
        let path = place.path().join("shard-00.sqlite");
        let file = ShardFile { path, number: 0, shards: 1, cache_kib: 64, bytes_max: None, is_frozen: false };
        let readers = Readers::new(file, 1);
        let snapshot = readers.snapshot(account).unwrap();
        let (mut keys, mut found) = ((0..100).filter(|n| n % 7 != 0).map(|n| vec![b'T', n]), 0);
        snapshot.get_each(&mut keys, &mut |value| {
            found += usize::from(value.unwrap().is_some());
            ControlFlow::Continue(())
        });
        let statement = snapshot.reader.connection().unwrap().prepare_cached(FROM).unwrap();
        assert_eq!((found, statement.get_status(StatementStatus::Run)), (85, 1));
    }

    #[test]
    fn who_had_enough_of_many_keys_was_told_of_a_damaged_page_behind_them() {
        let place = tempfile::tempdir().unwrap();
        let options = crate::SqliteOptions { shards: 1, ..crate::SqliteOptions::default() };
        let engine = crate::SqliteEngine::open(place.path(), &options).unwrap();
        let key = |n: u8| vec![b'T', n];
        let put = |n: u8| store::engine::Write::Put { key: key(n), value: vec![n; 300] };
        let (account, writes) = (AccountId(16), (0..100).map(put).collect());
        let commit = store::engine::Commit { account, expected: ModSeq(0), next: ModSeq(1), writes };
        store::engine::Engine::commit(&engine, commit).unwrap();
        drop(engine);
        let path = place.path().join("shard-00.sqlite");
        let mut file = std::fs::read(&path).unwrap();
        let at = file.windows(300).position(|octets| octets == [50; 300]).unwrap();
        let size = PAGE_BYTES as usize;
        file[at / size * size..][..size].fill(0xaa);
        std::fs::write(&path, file).unwrap();
        let file = ShardFile { path, number: 0, shards: 1, cache_kib: 64, bytes_max: None, is_frozen: false };
        let readers = Readers::new(file, 1);
        let mut damaged = 0;
        for until in 1..100 {
            let snapshot = readers.snapshot(account).unwrap();
            let mut visits = 0;
            snapshot.get_each(&mut (0..100).map(key), &mut |value| {
                visits += 1;
                damaged += usize::from(value.is_err());
                if visits == until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            assert_eq!(visits, until);
        }
        assert!(damaged > 0);
    }
}
