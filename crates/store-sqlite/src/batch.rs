//! How a batch of changes becomes one transaction of a shard, and what an error of it means.

use crate::checkpoint::Log;
use crate::shard::{INLINE_BYTES_MAX, ShardFile, head};
use crate::writer::{BatchError, Batches, Change, Outcome};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Error, ErrorCode, params};
use std::collections::HashMap;
use store::engine::{Commit, Write};
use store::ids::{AccountId, ModSeq};

/// The writer's side of a shard.
pub(crate) struct ShardWriter {
    file: ShardFile,
    /// `None` while the shard could not be opened again after an error.
    connection: Option<Connection>,
    log: Log,
    /// The heads that this process has acknowledged: none of them may be missing after the file is opened again.
    acknowledged: HashMap<AccountId, ModSeq>,
}

impl ShardWriter {
    /// Opens the shard and makes durable whatever its log holds.
    pub fn open(file: ShardFile, log: Log) -> Result<Self, String> {
        let connection = file.writer()?;
        empty_log(&file, &connection)?;
        Ok(Self { file, connection: Some(connection), log, acknowledged: HashMap::new() })
    }

    /// The state that readers see must be what was acknowledged, or ahead of it by commits whose outcome was unknown.
    fn check_heads(&self, connection: &Connection) -> Result<(), String> {
        for (account, acknowledged) in &self.acknowledged {
            let found = head(connection, *account).map_err(|error| self.file.cannot("read", &error))?;
            if found < *acknowledged {
                return Err(format!(
                    "{} has lost acknowledged commits: account {account} is at {found} and was at {acknowledged}; \
                     stop the server, check the disk and restore the file from a backup",
                    self.file.path.display()
                ));
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, changes: &[&Change], outcomes: &[Outcome]) {
        for (change, outcome) in changes.iter().zip(outcomes) {
            match (change, outcome) {
                (Change::Commit(commit), Outcome::Applied) => self.acknowledged.insert(commit.account, commit.next),
                (Change::Commit(_), Outcome::Conflict { .. }) => None,
                (Change::Remove(account), _) => self.acknowledged.remove(account),
            };
        }
    }

    /// Ends a transaction that failed and says what is certain about it.
    fn roll_back(&mut self, connection: &Connection, changes: &[&Change], error: &Error) -> BatchError {
        let what = self.file.cannot("write", error);
        let ended = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) && ended && is_unchanged(connection, changes) {
            return BatchError::Full { what };
        }
        for change in changes {
            // It may be gone or not, so that its head says nothing.
            if let Change::Remove(account) = change {
                self.acknowledged.remove(account);
            }
        }
        BatchError::Failed { what }
    }
}

impl Batches for ShardWriter {
    fn run(&mut self, changes: &[&Change]) -> Result<Vec<Outcome>, BatchError> {
        let Some(connection) = self.connection.take() else {
            return Err(BatchError::Failed { what: format!("{} is not open", self.file.path.display()) });
        };
        let result = match transaction(&connection, changes) {
            Ok(outcomes) => {
                self.acknowledge(changes, &outcomes);
                Ok(outcomes)
            }
            Err(error) => Err(self.roll_back(&connection, changes, &error)),
        };
        self.connection = Some(connection);
        result
    }

    fn answered(&mut self) {
        if let Some(connection) = &self.connection {
            self.log.written(&self.file, connection);
        }
    }

    fn reopen(&mut self) -> Result<(), String> {
        // Closed before it is opened: SQLite forgets what it believed of the file and of the log.
        self.connection = None;
        let connection = self.file.writer()?;
        empty_log(&self.file, &connection)?;
        self.check_heads(&connection)?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// Copies the log into the file and cuts it. A log can hold commits that were written but not flushed when a
/// process died or a flush failed: this makes durable all that a reader can see, before anything builds on it.
fn empty_log(file: &ShardFile, connection: &Connection) -> Result<(), String> {
    let busy: i64 = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(|error| file.cannot("bring the log into", &error))?;
    if busy == 0 {
        return Ok(());
    }
    Err(format!("cannot bring the log into {}: a reader did not finish in time", file.path.display()))
}

/// Whether it is certain that the rolled back `changes` left nothing: the head of each is not the one it would have set.
fn is_unchanged(connection: &Connection, changes: &[&Change]) -> bool {
    changes.iter().all(|change| match change {
        Change::Commit(commit) => head(connection, commit.account).is_ok_and(|head| head != commit.next),
        Change::Remove(_) => true,
    })
}

fn transaction(connection: &Connection, changes: &[&Change]) -> rusqlite::Result<Vec<Outcome>> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut tables = Tables::prepare(connection)?;
    let apply = |change: &&Change| match change {
        Change::Commit(commit) => tables.commit(commit),
        Change::Remove(account) => tables.remove(*account).map(|()| Outcome::Applied),
    };
    let outcomes = changes.iter().map(apply).collect::<rusqlite::Result<Vec<_>>>()?;
    drop(tables);
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(outcomes)
}

/// The statements that every batch needs.
struct Tables<'c> {
    connection: &'c Connection,
    advance: CachedStatement<'c>,
    find: CachedStatement<'c>,
    set: CachedStatement<'c>,
    unset: CachedStatement<'c>,
    add_large: CachedStatement<'c>,
    set_large: CachedStatement<'c>,
    unset_large: CachedStatement<'c>,
}

impl<'c> Tables<'c> {
    fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            advance: connection.prepare_cached("UPDATE heads SET ver = ?3 WHERE account = ?1 AND ver = ?2")?,
            find: connection.prepare_cached("SELECT value FROM records WHERE account = ?1 AND key = ?2")?,
            set: connection.prepare_cached(
                "INSERT INTO records VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = excluded.value",
            )?,
            unset: connection.prepare_cached("DELETE FROM records WHERE account = ?1 AND key = ?2")?,
            add_large: connection.prepare_cached("INSERT INTO large (value) VALUES (?1)")?,
            set_large: connection.prepare_cached("UPDATE large SET value = ?2 WHERE number = ?1")?,
            unset_large: connection.prepare_cached("DELETE FROM large WHERE number = ?1")?,
        })
    }

    fn commit(&mut self, commit: &Commit) -> rusqlite::Result<Outcome> {
        // The head comes first: a conflict is found before anything was written.
        if !self.advance_head(commit)? {
            return Ok(Outcome::Conflict { head: head(self.connection, commit.account)? });
        }
        for write in &commit.writes {
            match write {
                Write::Put { key, value } => self.put(commit.account, key, value)?,
                Write::Delete { key } => self.delete(commit.account, key)?,
            }
        }
        Ok(Outcome::Applied)
    }

    fn advance_head(&mut self, commit: &Commit) -> rusqlite::Result<bool> {
        let Commit { account, expected, next, .. } = commit;
        if *expected == ModSeq(0) {
            let mut create =
                self.connection.prepare_cached("INSERT INTO heads VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
            return Ok(create.execute(params![account.0, next.0.cast_signed()])? == 1);
        }
        Ok(self.advance.execute(params![account.0, expected.0.cast_signed(), next.0.cast_signed()])? == 1)
    }

    /// The number in `large` of what the key holds, if it holds a long value.
    fn large(&mut self, account: AccountId, key: &[u8]) -> rusqlite::Result<Option<i64>> {
        let mut rows = self.find.query(params![account.0, key])?;
        Ok(match rows.next()? {
            Some(row) => match row.get_ref(0)? {
                ValueRef::Integer(number) => Some(number),
                _ => None,
            },
            None => None,
        })
    }

    fn put(&mut self, account: AccountId, key: &[u8], value: &[u8]) -> rusqlite::Result<()> {
        let old = self.large(account, key)?;
        if value.len() <= INLINE_BYTES_MAX {
            self.set.execute(params![account.0, key, value])?;
            return old.map_or(Ok(()), |number| self.unset_large.execute([number]).map(drop));
        }
        if let Some(number) = old {
            return self.set_large.execute(params![number, value]).map(drop);
        }
        let number = self.add_large.insert([value])?;
        self.set.execute(params![account.0, key, number]).map(drop)
    }

    fn delete(&mut self, account: AccountId, key: &[u8]) -> rusqlite::Result<()> {
        if let Some(number) = self.large(account, key)? {
            self.unset_large.execute([number])?;
        }
        self.unset.execute(params![account.0, key]).map(drop)
    }

    fn remove(&mut self, account: AccountId) -> rusqlite::Result<()> {
        let large = "DELETE FROM large WHERE number IN
                     (SELECT value FROM records WHERE account = ?1 AND typeof(value) = 'integer')";
        self.connection.execute(large, [account.0])?;
        self.connection.execute("DELETE FROM records WHERE account = ?1", [account.0])?;
        self.connection.execute("DELETE FROM heads WHERE account = ?1", [account.0]).map(drop)
    }
}
