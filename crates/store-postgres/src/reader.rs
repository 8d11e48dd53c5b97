//! Snapshots: read-only transactions, each on a connection of its own out of a bounded pool.
//!
//! A transaction that stays open keeps the database from clearing away old rows: a snapshot is for one step of a session,
//! not for its life.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::{try_join, try_join_all};
use store::engine::{EngineError, Snapshot, Visit};
use store::ids::{AccountId, ModSeq};
use tokio_postgres::Row;

use crate::connection::{Database, Reading};
use crate::fault::Fault;
use crate::statements::BEGIN_READING;

/// How long a caller waits for a connection when all are in use. Longer means that they are not given back.
const WAIT: Duration = Duration::from_secs(10);
/// A scan asks for so many records first, as many only want the first one, ...
const SCAN_FIRST: i64 = 16;
/// ... then for four times as many each time, up to so many,
const SCAN_MAX: i64 = 1024;
/// and for no further one after so many octets of values.
const SCAN_BYTES: i64 = 1024 * 1024;
/// What is brought before it is read are so many records of each range.
const AHEAD_MAX: i64 = 64;

/// The connections for reading.
#[derive(Debug)]
pub(crate) struct Readers {
    database: Arc<Database>,
    connections_max: usize,
    pool: Mutex<Pool>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Reading>,
    /// Idle and in use.
    open: usize,
}

/// A connection that goes back into the pool, unless it broke.
#[derive(Debug)]
pub(crate) struct Reader<'e> {
    readers: &'e Readers,
    connection: Option<Reading>,
    is_broken: Cell<bool>,
    is_reading: bool,
}

impl Readers {
    /// None is open yet.
    pub(crate) fn new(database: Arc<Database>, connections_max: usize) -> Self {
        Self { database, connections_max: connections_max.max(1), pool: Mutex::default(), freed: Condvar::new() }
    }

    /// A view of the account as it is now.
    pub(crate) fn snapshot(&self, account: AccountId) -> Result<PostgresSnapshot<'_>, EngineError> {
        let (reader, head) = self.ask(|reader| reader.begin(account))?;
        Ok(PostgresSnapshot { head, reader, account, ahead: RefCell::default() })
    }

    /// The head of the account as it is now: one statement, and a transaction by itself.
    pub(crate) fn head(&self, account: AccountId) -> Result<ModSeq, EngineError> {
        let (_, head) = self.ask(|reader| {
            let (connection, account) = (reader.connection()?, i64::from(account.0));
            let row = block_on(connection.client.query_opt(&connection.head, &[&account]));
            let head = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
            head.map(as_head).map_err(|error| reader.fault(error))
        })?;
        Ok(head)
    }

    /// The first thing that is asked on a connection.
    fn ask<T>(
        &self,
        first: impl Fn(&mut Reader<'_>) -> Result<T, EngineError>,
    ) -> Result<(Reader<'_>, T), EngineError> {
        let mut reader = self.take()?;
        let mut answer = first(&mut reader);
        if answer.is_err() && reader.is_broken.get() {
            // A connection that broke while it was idle says so now; nothing was read, so another does it.
            drop(reader);
            self.forget_idle();
            reader = self.take()?;
            answer = first(&mut reader);
        }
        answer.map(|answer| (reader, answer))
    }

    /// A connection that is idle, or a new one.
    pub(crate) fn take(&self) -> Result<Reader<'_>, EngineError> {
        let failed = |what| EngineError::Failed { what };
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(connection) = pool.idle.pop() {
                if !connection.client.is_closed() {
                    return Ok(self.reader(connection));
                }
                pool.open -= 1;
            }
            if pool.open < self.connections_max {
                pool.open += 1;
                break;
            }
            let (waited, timeout) = self.freed.wait_timeout(pool, WAIT).unwrap_or_else(PoisonError::into_inner);
            pool = waited;
            if timeout.timed_out() && pool.idle.is_empty() {
                let what = format!("all {} connections to {} are in use", self.connections_max, self.database.place);
                return Err(failed(what));
            }
        }
        drop(pool);
        match self.database.reading() {
            Ok(connection) => Ok(self.reader(connection)),
            Err(what) => {
                self.gone();
                Err(failed(what))
            }
        }
    }

    fn reader(&self, connection: Reading) -> Reader<'_> {
        Reader { readers: self, connection: Some(connection), is_broken: Cell::new(false), is_reading: false }
    }

    /// What broke one connection broke the others that are idle.
    fn forget_idle(&self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.open -= pool.idle.len();
        pool.idle.clear();
    }

    fn gone(&self) {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).open -= 1;
        self.freed.notify_one();
    }
}

impl Reader<'_> {
    /// Begins a transaction; gives the head of the account in it.
    fn begin(&mut self, account: AccountId) -> Result<ModSeq, EngineError> {
        self.is_reading = true;
        let connection = self.connection()?;
        let account = i64::from(account.0);
        // Both are sent before the answer to the first: one round trip.
        let begin = connection.client.batch_execute(BEGIN_READING);
        let begun = block_on(try_join(begin, connection.client.query_opt(&connection.head, &[&account])));
        let head = begun.and_then(|((), row)| row.map(|row| row.try_get(0)).transpose());
        head.map(as_head).map_err(|error| self.fault(error))
    }

    pub(crate) fn connection(&self) -> Result<&Reading, EngineError> {
        let closed = || EngineError::Failed { what: format!("no connection to {}", self.readers.database.place) };
        self.connection.as_ref().ok_or_else(closed)
    }

    /// What to tell the caller; remembers whether the connection can be used again.
    pub(crate) fn fault(&self, error: tokio_postgres::Error) -> EngineError {
        let fault = Fault::from(error);
        self.is_broken.set(self.is_broken.get() || fault.ends_connection());
        fault.of_reader(&self.readers.database.place)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.is_broken.get() {
            return self.readers.gone();
        }
        if self.is_reading {
            // Asked once, the end of the transaction is on its way, before whatever comes next on this connection. Nobody
            // needs the answer: a transaction that read has nothing to lose.
            let _ = connection.client.batch_execute("COMMIT").now_or_never();
        }
        self.readers.pool.lock().unwrap_or_else(PoisonError::into_inner).idle.push(connection);
        self.readers.freed.notify_one();
    }
}

/// An account that was never written has none.
fn as_head(head: Option<i64>) -> ModSeq {
    ModSeq(head.unwrap_or_default().unsigned_abs())
}

/// One account as it was when the transaction began.
pub(crate) struct PostgresSnapshot<'e> {
    reader: Reader<'e>,
    account: AccountId,
    head: ModSeq,
    ahead: RefCell<Vec<Ahead>>,
}

/// The first records of a range, which somebody is about to read.
struct Ahead {
    from: Vec<u8>,
    to: Vec<u8>,
    piece: Rc<Piece>,
}

/// Records in the order of their keys.
struct Piece {
    rows: Vec<Row>,
    /// There are no further ones in the range.
    is_last: bool,
}

impl PostgresSnapshot<'_> {
    async fn piece(&self, from: &[u8], to: &[u8], limit: i64) -> Result<Piece, tokio_postgres::Error> {
        let Some(connection) = &self.reader.connection else { return Ok(Piece { rows: Vec::new(), is_last: true }) };
        let account = i64::from(self.account.0);
        let rows = connection.client.query(&connection.scan, &[&account, &from, &to, &limit, &SCAN_BYTES]).await?;
        let found = rows.last().map(|last| last.try_get::<_, i64>(2)).transpose()?.unwrap_or_default();
        let is_last = found < limit && found.unsigned_abs() == rows.len() as u64;
        Ok(Piece { rows, is_last })
    }

    /// The value of a key that was brought before; `None`: it was not, and may be there all the same.
    fn known(&self, key: &[u8]) -> Result<Option<Option<Vec<u8>>>, tokio_postgres::Error> {
        let ahead = self.ahead.borrow();
        let Some(ahead) = ahead.iter().find(|ahead| *ahead.from <= *key && *key < *ahead.to) else { return Ok(None) };
        for row in &ahead.piece.rows {
            if row.try_get::<_, &[u8]>(0)? == key {
                return row.try_get(1).map(|value| Some(Some(value)));
            }
        }
        Ok(ahead.piece.is_last.then_some(None))
    }
}

impl Snapshot for PostgresSnapshot<'_> {
    fn head(&self) -> ModSeq {
        self.head
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        if let Some(known) = self.known(key).map_err(|error| self.reader.fault(error))? {
            return Ok(known);
        }
        let connection = self.reader.connection()?;
        let row = block_on(connection.client.query_opt(&connection.get, &[&i64::from(self.account.0), &key]));
        let value = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
        value.map_err(|error| self.reader.fault(error))
    }

    fn fetch_ahead(&self, ranges: &[(Vec<u8>, Vec<u8>)]) -> Result<(), EngineError> {
        self.reader.connection()?;
        // All are sent before the first answer: one round trip.
        let asked = ranges.iter().map(|(from, to)| self.piece(from, to, AHEAD_MAX));
        let pieces = block_on(try_join_all(asked)).map_err(|error| self.reader.fault(error))?;
        let ahead = ranges.iter().zip(pieces).map(|((from, to), piece)| Ahead {
            from: from.clone(),
            to: to.clone(),
            piece: Rc::new(piece),
        });
        *self.ahead.borrow_mut() = ahead.collect();
        Ok(())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.reader.connection()?;
        let (mut from, mut limit) = (from.to_vec(), SCAN_FIRST);
        let is_it = |ahead: &&Ahead| ahead.from == from && ahead.to == to;
        let mut ahead = self.ahead.borrow().iter().find(is_it).map(|ahead| Rc::clone(&ahead.piece));
        // Piece by piece, so that the visitor may read on the same connection meanwhile.
        loop {
            let piece = match ahead.take() {
                Some(piece) => piece,
                None => Rc::new(block_on(self.piece(&from, to, limit)).map_err(|error| self.reader.fault(error))?),
            };
            for row in &piece.rows {
                let (key, value) = (row.try_get(0), row.try_get(1));
                let key: &[u8] = key.map_err(|error| self.reader.fault(error))?;
                if visit(key, value.map_err(|error| self.reader.fault(error))?).is_break() {
                    return Ok(());
                }
            }
            let Some(last) = piece.rows.last().filter(|_| !piece.is_last) else { return Ok(()) };
            // The first key after the last one.
            from = last.try_get(0).map_err(|error| self.reader.fault(error))?;
            from.push(0);
            limit = (limit * 4).min(SCAN_MAX);
        }
    }
}
