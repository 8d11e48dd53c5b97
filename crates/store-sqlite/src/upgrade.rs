//! From format version 1, whose rows have no checksums, to version 2.
//!
//! It happens when the shard is opened, in place and in pieces of one transaction each, so that neither memory nor the log
//! grows with the shard. The table `upgrade` holds how far it came: a process that is killed half way goes on there. An
//! earlier version of the program refuses the shard from the first piece on.

use crate::shard::{ShardFile, Unopened};
use crate::sum::{self, Place};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use store::ids::{AccountId, ModSeq};

/// A piece is at most so many rows.
const ROWS_PER_COMMIT: u32 = 10_000;
/// Progress is told after so many pieces.
const PIECES_PER_LINE: u64 = 10;

const BEGIN: &str = "
    BEGIN IMMEDIATE;
    ALTER TABLE heads ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE records ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE records ADD COLUMN link INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE upgrade (account INTEGER NOT NULL, key BLOB);
    INSERT INTO upgrade VALUES (-1, NULL);
    PRAGMA user_version = 2;
    COMMIT;
";

/// Brings the shard to the newest version, or does nothing where it is.
pub(crate) fn upgrade(file: &ShardFile, connection: &Connection) -> Result<(), Unopened> {
    let run = || -> rusqlite::Result<()> {
        if version(connection)? == 1 {
            connection.execute_batch(BEGIN)?;
        }
        if !is_under_way(connection)? {
            return Ok(());
        }
        let mut pieces = 0_u64;
        tracing::info!("{} gets checksums, which happens once", file.path.display());
        while let Some((account, rows)) = piece(connection, ROWS_PER_COMMIT)? {
            pieces += 1;
            if pieces.is_multiple_of(PIECES_PER_LINE) {
                tracing::info!(
                    "{} gets checksums: {pieces} pieces done, now at account {account}",
                    file.path.display()
                );
            }
            if rows == ROWS_PER_COMMIT as usize || pieces.is_multiple_of(PIECES_PER_LINE) {
                connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            }
        }
        tracing::info!("{} has checksums now", file.path.display());
        Ok(())
    };
    run().map_err(|error| {
        let _undone = connection.execute_batch("ROLLBACK");
        file.unopened("bring to the newest format (it goes on at the next start)", &error)
    })
}

/// Whether there is something to do.
pub(crate) fn is_due(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? == 1 || is_under_way(connection)?)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_under_way(connection: &Connection) -> rusqlite::Result<bool> {
    let find = "SELECT count(*) FROM sqlite_schema WHERE name = 'upgrade'";
    connection.query_row(find, [], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}

/// Gives some rows their checksums: of which account, and how many. `None` when all have them; then that is recorded.
fn piece(connection: &Connection, rows_max: u32) -> rusqlite::Result<Option<(AccountId, usize)>> {
    let (done, from): (i64, Option<Vec<u8>>) =
        connection.query_row("SELECT account, key FROM upgrade", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let next = "SELECT account, ver FROM heads WHERE account > ?1 ORDER BY account LIMIT 1";
    let (account, ver) = match &from {
        Some(_) => (AccountId(u32::try_from(done).unwrap_or_default()), None),
        None => match connection.query_row(next, [done], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?))).optional()? {
            Some((account, ver)) => (AccountId(account), Some(ver)),
            None => return connection.execute_batch("DROP TABLE upgrade").map(|()| None),
        },
    };
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let (rows, rest) = rows(connection, account, from.as_deref().unwrap_or_default(), rows_max)?;
    if let Some(ver) = ver {
        start(connection, account, ver, rows.first().map(|(key, _)| key.as_slice()))?;
    }
    let mut set =
        connection.prepare_cached("UPDATE records SET sum = ?3, link = ?4 WHERE account = ?1 AND key = ?2")?;
    for (at, (key, sum)) in rows.iter().enumerate() {
        let next = rows.get(at + 1).map(|(key, _)| key.as_slice()).or(rest.as_deref());
        set.execute(params![account.0, key, sum, sum::link(account, key, next)])?;
    }
    connection.execute("UPDATE upgrade SET account = ?1, key = ?2", params![account.0, rest])?;
    connection.execute_batch("COMMIT")?;
    Ok(Some((account, rows.len())))
}

/// The head of an account and what stands before its rows.
fn start(connection: &Connection, account: AccountId, ver: i64, first: Option<&[u8]>) -> rusqlite::Result<()> {
    let sum = sum::head(account, ModSeq(ver.cast_unsigned()));
    connection.execute("UPDATE heads SET sum = ?2 WHERE account = ?1", params![account.0, sum])?;
    let values =
        params![account.0, Place::Start, [0_u8; 0], sum::row(account, &[], &[]), Place::Start.link(account, first)];
    connection.execute("INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5)", values).map(drop)
}

/// A key and the checksum of it with its value.
type Summed = (Vec<u8>, i64);

/// Rows of an account at and after `from`, and the key of the one after them.
fn rows(
    connection: &Connection,
    account: AccountId,
    from: &[u8],
    max: u32,
) -> rusqlite::Result<(Vec<Summed>, Option<Vec<u8>>)> {
    let mut find = connection
        .prepare_cached("SELECT key, value FROM records WHERE account = ?1 AND key >= ?2 ORDER BY key LIMIT ?3")?;
    let mut large = connection.prepare_cached("SELECT value FROM large WHERE number = ?1")?;
    let mut summed = Vec::new();
    let mut rows = find.query(params![account.0, from, max + 1])?;
    while let Some(row) = rows.next()? {
        let key: Vec<u8> = row.get(0)?;
        if summed.len() == max as usize {
            return Ok((summed, Some(key)));
        }
        let sum = match row.get_ref(1)? {
            ValueRef::Blob(value) => Some(sum::row(account, &key, value)),
            ValueRef::Integer(number) => {
                large.query_row([number], |row| Ok(sum::row(account, &key, row.get_ref(0)?.as_blob()?))).optional()?
            }
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) => None,
        };
        // What is damaged already gets no checksum that would say otherwise.
        if sum.is_none() {
            tracing::error!("a record of account {account} has lost its value: {key:02x?}");
        }
        summed.push((key, sum.unwrap_or_default()));
    }
    Ok((summed, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// What version 1 wrote: two accounts, with short and long values.
    fn old(rows: usize) -> (TempDir, ShardFile) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shard-00.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x50626f78; PRAGMA user_version = 1;
                 CREATE TABLE shard (number INTEGER NOT NULL, shards INTEGER NOT NULL);
                 INSERT INTO shard VALUES (0, 1);
                 CREATE TABLE heads (account INTEGER PRIMARY KEY, ver INTEGER NOT NULL);
                 INSERT INTO heads VALUES (16, 7), (17, 9), (18, 1);
                 CREATE TABLE records (account INTEGER NOT NULL, key BLOB NOT NULL, value NOT NULL,
                     PRIMARY KEY (account, key)) WITHOUT ROWID;
                 CREATE TABLE large (number INTEGER PRIMARY KEY, value BLOB NOT NULL);",
            )
            .unwrap();
        for account in [16, 17] {
            for n in 0..rows {
                let key = (n as u32).to_be_bytes();
                if n.is_multiple_of(3) {
                    connection.execute("INSERT INTO large (value) VALUES (?1)", [value(n)]).unwrap();
                    let number = connection.last_insert_rowid();
                    connection
                        .execute("INSERT INTO records VALUES (?1, ?2, ?3)", params![account, key, number])
                        .unwrap();
                } else {
                    let value = value(n);
                    connection
                        .execute("INSERT INTO records VALUES (?1, ?2, ?3)", params![account, key, value])
                        .unwrap();
                }
            }
        }
        drop(connection);
        (place, ShardFile { path, number: 0, shards: 1, cache_kib: 256, bytes_max: None, is_frozen: false })
    }

    fn value(n: usize) -> Vec<u8> {
        vec![n as u8; if n.is_multiple_of(3) { 3000 } else { 30 }]
    }

    fn check(file: &ShardFile, rows: usize) {
        use crate::reader::Readers;
        use std::ops::ControlFlow;
        use store::engine::Snapshot;
        let readers = Readers::new(file.clone(), 1);
        for (account, ver, rows) in [(16, 7, rows), (17, 9, rows), (18, 1, 0)] {
            let snapshot = readers.snapshot(AccountId(account)).unwrap();
            assert_eq!(snapshot.head(), ModSeq(ver));
            let mut n = 0;
            let mut visit = |key: &[u8], found: &[u8]| {
                assert_eq!((key, found), (&(n as u32).to_be_bytes()[..], value(n).as_slice()));
                n += 1;
                ControlFlow::Continue(())
            };
            snapshot.scan(&[], &[255], &mut visit).unwrap();
            assert_eq!(n, rows);
            assert_eq!(snapshot.get(&[7]).unwrap(), None);
        }
    }

    #[test]
    fn a_shard_of_the_first_version_is_read_as_it_was() {
        for rows in [0, 1, 50] {
            let (_place, file) = old(rows);
            upgrade(&file, &file.writer().unwrap()).unwrap();
            check(&file, rows);
        }
    }

    #[test]
    fn an_upgrade_that_breaks_off_anywhere_goes_on_there() {
        const ROWS: usize = 10;
        for pieces in 0..20 {
            let (_place, file) = old(ROWS);
            let connection = file.writer().unwrap();
            connection.execute_batch(BEGIN).unwrap();
            for _ in 0..pieces {
                if is_under_way(&connection).unwrap() {
                    piece(&connection, 3).unwrap();
                }
            }
            drop(connection);
            upgrade(&file, &file.writer().unwrap()).unwrap();
            check(&file, ROWS);
        }
    }
}
