//! How a batch of changes becomes one transaction of a shard, and what an error of it means.

use crate::chain::{Chain, Ends};
use crate::checkpoint::Log;
use crate::fault::Fault;
use crate::shard::{ShardFile, Unopened, head};
use crate::sum;
use crate::upgrade::upgrade;
use rusqlite::{CachedStatement, Connection, Error, ErrorCode, ffi, params};
use std::collections::HashMap;
use store::engine::{Commit, Write};
use store::group_commit::{BatchError, Batches, Change, Outcome};
use store::ids::{AccountId, ModSeq};

/// The writer's side of a shard.
pub(crate) struct ShardWriter {
    file: ShardFile,
    /// `None` while the shard could not be opened again after an error.
    connection: Option<Connection>,
    log: Log,
    /// The heads that this process has acknowledged: none of them may be missing after the file is opened again.
    acknowledged: HashMap<AccountId, ModSeq>,
    ends: Ends,
}

impl ShardWriter {
    /// Opens the shard and makes durable whatever its log holds.
    pub(crate) fn open(file: ShardFile, log: Log) -> Result<Self, Unopened> {
        let connection = file.writer()?;
        match empty_log(&connection) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                // Mail must be readable on a full disk. No flush has failed in this process, so that one will do.
                tracing::warn!("{}", file.cannot("bring the log into", &error));
                file.sync_log().map_err(|error| Unopened {
                    what: format!("cannot flush the log of {}: {error}", file.path.display()),
                    is_unwritable: true,
                })?;
            }
            emptied => emptied.map_err(|error| file.unopened("bring the log into", &error))?,
        }
        upgrade(&file, &connection)?;
        Ok(Self { file, connection: Some(connection), log, acknowledged: HashMap::new(), ends: Ends::default() })
    }

    /// The state that readers see must be what was acknowledged, or ahead of it by commits whose outcome was unknown.
    fn check_heads(&self, connection: &Connection) -> Result<(), String> {
        for (account, acknowledged) in &self.acknowledged {
            let found = head(connection, *account).map_err(|fault| self.file.failed("read", &fault))?;
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

    /// Whether it is certain that the rolled back `changes` left nothing: no head is one that they would have set. (The
    /// head that was acknowledged before does not count: a change that lost a race would have set the same.)
    fn is_unchanged(&self, connection: &Connection, changes: &[&Change]) -> bool {
        changes.iter().all(|change| match change {
            Change::Commit(Commit { account, next, .. }) => head(connection, *account)
                .is_ok_and(|head| head != *next || self.acknowledged.get(account) == Some(&head)),
            Change::Remove(_) => true,
        })
    }

    fn run_once(&mut self, connection: &Connection, changes: &[&Change]) -> Result<Vec<Outcome>, BatchError> {
        let outcomes = transaction(connection, &mut self.ends, changes)
            .map_err(|fault| self.roll_back(connection, changes, &fault))?;
        self.acknowledge(changes, &outcomes);
        Ok(outcomes)
    }

    /// Ends a transaction that failed and says what is certain about it.
    fn roll_back(&mut self, connection: &Connection, changes: &[&Change], fault: &Fault) -> BatchError {
        let what = self.file.failed("write", fault);
        let ended = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        let unchanged = ended && self.is_unchanged(connection, changes);
        if fault.code() == Some(ErrorCode::DiskFull) && unchanged {
            return BatchError::Full { what };
        }
        // Nothing was flushed: that the file is damaged was found while it was read.
        if fault.is_damage() && ended {
            return BatchError::Damaged { what };
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
        let mut result = self.run_once(&connection, changes);
        // A log that was copied whole is written over from its beginning, which takes no room on the disk.
        if matches!(result, Err(BatchError::Full { .. })) && self.log.starts_over(&connection) {
            result = self.run_once(&connection, changes);
        }
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
        let connection = self.file.writer().map_err(|unopened| unopened.what)?;
        empty_log(&connection).map_err(|error| self.file.cannot("bring the log into", &error))?;
        self.check_heads(&connection)?;
        self.connection = Some(connection);
        Ok(())
    }
}

/// Copies the log into the file and cuts it. A log can hold commits that were written but not flushed when a
/// process died or a flush failed: this makes durable all that a reader can see, before anything builds on it.
fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 {
        return Ok(());
    }
    // A reader did not finish in time.
    Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None))
}

fn transaction(connection: &Connection, ends: &mut Ends, changes: &[&Change]) -> Result<Vec<Outcome>, Fault> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut tables = Tables::prepare(connection, ends)?;
    let apply = |change: &&Change| match change {
        Change::Commit(commit) => tables.commit(commit),
        Change::Remove(account) => tables.remove(*account).map(|()| Outcome::Applied),
    };
    let outcomes = changes.iter().map(apply).collect::<Result<Vec<_>, Fault>>()?;
    tables.chain.settle()?;
    drop(tables);
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(outcomes)
}

/// The statements that every batch needs.
struct Tables<'c> {
    connection: &'c Connection,
    advance: CachedStatement<'c>,
    chain: Chain<'c>,
}

impl<'c> Tables<'c> {
    fn prepare(connection: &'c Connection, ends: &'c mut Ends) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            advance: connection
                .prepare_cached("UPDATE heads SET ver = ?3, sum = ?5 WHERE account = ?1 AND ver = ?2 AND sum = ?4")?,
            chain: Chain::new(connection, ends),
        })
    }

    fn commit(&mut self, commit: &Commit) -> Result<Outcome, Fault> {
        // The head comes first: a conflict is found before anything was written.
        if !self.advance_head(commit)? {
            return Ok(Outcome::Conflict { head: head(self.connection, commit.account)? });
        }
        for write in &commit.writes {
            match write {
                Write::Put { key, value } => self.chain.put(commit.account, key, value)?,
                Write::Delete { key } => self.chain.remove(commit.account, key)?,
            }
        }
        Ok(Outcome::Applied)
    }

    fn advance_head(&mut self, commit: &Commit) -> Result<bool, Fault> {
        let Commit { account, expected, next, .. } = commit;
        let (was, is) = (sum::head(*account, *expected), sum::head(*account, *next));
        if *expected != ModSeq(0) {
            let vers = (expected.0.cast_signed(), next.0.cast_signed());
            return Ok(self.advance.execute(params![account.0, vers.0, vers.1, was, is])? == 1);
        }
        let mut create =
            self.connection.prepare_cached("INSERT INTO heads VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?;
        let created = create.execute(params![account.0, next.0.cast_signed(), is])? == 1;
        if created {
            self.chain.start(*account)?;
        }
        Ok(created)
    }

    fn remove(&mut self, account: AccountId) -> Result<(), Fault> {
        self.chain.clear(account)?;
        self.connection.execute("DELETE FROM heads WHERE account = ?1", [account.0])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpointer;
    use crate::reader::Readers;
    use crate::shard::INLINE_BYTES_MAX;
    use std::collections::BTreeSet;
    use std::ops::ControlFlow;
    use std::path::Path;
    use store::engine::Snapshot;
    use tempfile::TempDir;

    struct Shard {
        // Dropped in this order.
        writer: ShardWriter,
        _checkpointer: Checkpointer,
        file: ShardFile,
        _place: TempDir,
    }

    fn shard(bytes_max: Option<u64>) -> Shard {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("shard-00.sqlite");
        let file = ShardFile { path, number: 0, shards: 1, cache_kib: 256, bytes_max, is_frozen: false };
        file.create().unwrap();
        let (checkpointer, log) = Checkpointer::start("copy".to_owned(), file.clone()).unwrap();
        let writer = ShardWriter::open(file.clone(), log).unwrap();
        Shard { writer, _checkpointer: checkpointer, file, _place: place }
    }

    fn put(account: u32, expected: u64, next: u64, value: &[u8]) -> Change {
        let writes = vec![Write::Put { key: next.to_be_bytes().to_vec(), value: value.to_vec() }];
        Change::Commit(Commit { account: AccountId(account), expected: ModSeq(expected), next: ModSeq(next), writes })
    }

    fn run(shard: &mut Shard, changes: &[Change]) -> Result<Vec<Outcome>, BatchError> {
        shard.writer.run(&changes.iter().collect::<Vec<_>>())
    }

    fn count(file: &ShardFile, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        file.reader().unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn commits_of_one_account_in_one_batch_build_on_each_other() {
        let mut shard = shard(None);
        let long = [1; INLINE_BYTES_MAX + 1];
        let changes =
            [put(16, 0, 1, b"a"), put(16, 0, 2, &long), put(16, 1, 2, &long), put(17, 1, 2, b""), put(16, 2, 5, b"c")];
        let outcomes = run(&mut shard, &changes).unwrap();
        let conflict = |head| Outcome::Conflict { head: ModSeq(head) };
        let applied = Outcome::Applied;
        assert_eq!(outcomes, [applied, conflict(1), applied, conflict(0), applied]);
        let counts = ["heads", "records", "large"].map(|table| count(&shard.file, table));
        assert_eq!(counts, [1, 1 + 3, 1], "the conflicts have written nothing, the first row of an account counts");
    }

    #[test]
    fn values_lie_beside_their_keys_up_to_the_limit_and_leave_nothing_behind() {
        let mut shard = shard(None);
        let mut head = 0;
        let mut check = |bytes: usize, large: i64| {
            let write = Write::Put { key: b"k".to_vec(), value: vec![1; bytes] };
            head += 1;
            let (account, expected, next) = (AccountId(16), ModSeq(head - 1), ModSeq(head));
            run(&mut shard, &[Change::Commit(Commit { account, expected, next, writes: vec![write] })]).unwrap();
            assert_eq!((count(&shard.file, "records"), count(&shard.file, "large")), (2, large), "{bytes} bytes");
        };
        check(INLINE_BYTES_MAX, 0);
        check(INLINE_BYTES_MAX + 1, 1);
        check(100_000, 1);
        check(0, 0);
        check(INLINE_BYTES_MAX + 1, 1);
        run(&mut shard, &[Change::Remove(AccountId(16))]).unwrap();
        for table in ["heads", "records", "large"] {
            assert_eq!(count(&shard.file, table), 0, "{table}");
        }
    }

    #[test]
    fn a_full_file_changes_nothing_and_takes_commits_again_once_there_is_space() {
        let mut shard = shard(Some(400 << 10));
        run(&mut shard, &[put(16, 0, 1, &[1; 200_000])]).unwrap();
        let lost_a_race = put(16, 0, 1, b"");
        let refused = run(&mut shard, &[put(17, 0, 1, b"small"), lost_a_race, put(16, 1, 2, &[2; 300_000])]);
        assert!(matches!(&refused, Err(BatchError::Full { what }) if what.contains("shard-00")), "{refused:?}");
        assert_eq!((count(&shard.file, "heads"), count(&shard.file, "records")), (1, 2));
        run(&mut shard, &[put(17, 0, 1, b"small")]).unwrap();
        run(&mut shard, &[Change::Remove(AccountId(16))]).unwrap();
        run(&mut shard, &[put(18, 0, 1, &[2; 300_000])]).unwrap();
    }

    #[test]
    fn a_shard_opened_again_goes_on_where_it_was() {
        let mut shard = shard(None);
        run(&mut shard, &[put(16, 0, 1, b"a"), put(17, 0, 4, b"a"), Change::Remove(AccountId(17))]).unwrap();
        shard.writer.reopen().unwrap();
        assert_eq!(run(&mut shard, &[put(16, 1, 2, b"b"), put(17, 0, 1, b"b")]).unwrap(), [Outcome::Applied; 2]);
    }

    #[test]
    fn a_shard_that_lost_an_acknowledged_commit_stays_stopped() {
        let mut shard = shard(None);
        run(&mut shard, &[put(16, 0, 7, b"a"), put(17, 0, 1, b"a")]).unwrap();
        let bad_disk = shard.file.writer().unwrap();
        let set_head = |ver| {
            let values = params![ver, sum::head(AccountId(16), ModSeq(ver as u64))];
            bad_disk.execute("UPDATE heads SET ver = ?1, sum = ?2 WHERE account = 16", values).unwrap();
        };
        set_head(6_i64);
        let refused = shard.writer.reopen().unwrap_err();
        assert!(refused.contains("account 16 is at 6 and was at 7"), "{refused}");
        assert!(matches!(run(&mut shard, &[put(17, 1, 2, b"b")]), Err(BatchError::Failed { .. })), "and closed");
        set_head(8);
        shard.writer.reopen().unwrap();
        assert_eq!(run(&mut shard, &[put(16, 8, 9, b"b")]).unwrap(), [Outcome::Applied]);
    }

    #[test]
    fn what_is_remembered_of_the_rows_is_proved_before_anything_builds_on_it() {
        let mut shard = shard(None);
        let (_checkpointer, log) = Checkpointer::start("copy".to_owned(), shard.file.clone()).unwrap();
        let mut other = ShardWriter::open(shard.file.clone(), log).unwrap();
        let mut keys = BTreeSet::new();
        // Each writer grows two journals, into which the other one writes as well, also before what was written last.
        for n in 0..40_u64 {
            let new = [[1, 100 - n as u8], [1, 100 + n as u8], [2, n as u8]].map(|key| key.to_vec());
            let writes = new.iter().map(|key| Write::Put { key: key.clone(), value: vec![n as u8] });
            let gone = keys.iter().nth(n as usize).filter(|_| n % 5 == 4).cloned();
            let writes = writes.chain(gone.iter().map(|key: &Vec<u8>| Write::Delete { key: key.clone() })).collect();
            let commit = Commit { account: AccountId(16), expected: ModSeq(n), next: ModSeq(n + 1), writes };
            let writer = if n % 3 == 0 { &mut other } else { &mut shard.writer };
            assert_eq!(writer.run(&[&Change::Commit(commit)]).unwrap(), [Outcome::Applied]);
            keys.extend(new);
            gone.iter().for_each(|key| assert!(keys.remove(key)));
        }
        let (readers, mut found) = (Readers::new(shard.file.clone(), 1), BTreeSet::new());
        let mut visit = |key: &[u8], _: &[u8]| {
            found.insert(key.to_vec());
            ControlFlow::Continue(())
        };
        // Every link is looked at.
        readers.snapshot(AccountId(16)).unwrap().scan(&[], &[9], &mut visit).unwrap();
        assert_eq!(found, keys);
    }

    #[test]
    fn a_row_that_the_one_before_does_not_know_is_damage_also_where_rows_were_added_last() {
        let mut shard = shard(None);
        run(&mut shard, &[put(16, 0, 1, b"a")]).unwrap();
        let bad_disk = shard.file.writer().unwrap();
        let row = "INSERT INTO records SELECT account, ?1, value, sum, link FROM records WHERE typeof(key) = 'blob'";
        bad_disk.execute(row, [2_u64.to_be_bytes()]).unwrap();
        let key = |n: u64| Write::Put { key: n.to_be_bytes().to_vec(), value: vec![1; INLINE_BYTES_MAX + 1] };
        let (account, expected, next) = (AccountId(16), ModSeq(1), ModSeq(2));
        let refused = run(&mut shard, &[Change::Commit(Commit { account, expected, next, writes: vec![key(2)] })]);
        assert!(matches!(refused, Err(BatchError::Damaged { .. })), "{refused:?}");
    }

    #[test]
    fn an_error_within_a_batch_undoes_all_of_it() {
        let mut shard = shard(None);
        run(&mut shard, &[put(16, 0, 1, b"a")]).unwrap();
        // A table that is gone stands for any error that SQLite finds half way.
        shard.file.writer().unwrap().execute_batch("ALTER TABLE large RENAME TO elsewhere").unwrap();
        let refused = run(&mut shard, &[put(16, 1, 2, b"b"), put(17, 0, 1, &[1; 9_000])]);
        assert!(matches!(refused, Err(BatchError::Failed { .. })), "{refused:?}");
        shard.file.writer().unwrap().execute_batch("ALTER TABLE elsewhere RENAME TO large").unwrap();
        shard.writer.reopen().unwrap();
        assert_eq!((count(&shard.file, "heads"), count(&shard.file, "records")), (1, 2));
        run(&mut shard, &[put(16, 1, 2, b"b"), put(17, 0, 1, &[1; 9_000])]).unwrap();
    }

    #[test]
    fn the_log_starts_over_when_it_was_copied() {
        let mut shard = shard(None);
        let log_bytes = |file: &ShardFile| {
            let log = format!("{}-wal", file.path.display());
            Path::new(&log).metadata().unwrap().len()
        };
        for n in 0..40 {
            run(&mut shard, &[put(16, n, n + 1, &vec![n as u8; 4 << 20])]).unwrap();
            shard.writer.answered();
        }
        assert!(log_bytes(&shard.file) < 100 << 20, "{} bytes after 160 MiB", log_bytes(&shard.file));
    }
}
