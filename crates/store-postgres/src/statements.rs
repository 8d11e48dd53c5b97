//! What is said to the database.
//!
//! Nothing here is peculiar to PostgreSQL but for advisory locks: what speaks its protocol understands it.

use std::collections::BTreeMap;

use store::engine::{Commit, Write};
use store::group_commit::Change;

/// The version of the tables. A program that knows an older one only does not touch them.
pub(crate) const FORMAT: i32 = 1;

/// Makes what is not there. Run under a lock, so that two servers that start at the same time do not meet.
pub(crate) const CREATE: &str = "
    CREATE SCHEMA IF NOT EXISTS pillarbox;
    CREATE TABLE IF NOT EXISTS pillarbox.format (version int NOT NULL);
    CREATE TABLE IF NOT EXISTS pillarbox.heads (account bigint PRIMARY KEY, head bigint NOT NULL);
    CREATE TABLE IF NOT EXISTS pillarbox.records (
        account bigint NOT NULL, key bytea NOT NULL, value bytea NOT NULL, PRIMARY KEY (account, key));";

/// A snapshot begins with its first statement, which is [`HEAD`].
pub(crate) const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// The head of an account.
pub(crate) const HEAD: &str = "SELECT head FROM pillarbox.heads WHERE account = $1";
/// The value of a key.
pub(crate) const GET: &str = "SELECT value FROM pillarbox.records WHERE account = $1 AND key = $2";
/// Records in the order of their keys: at most `$4`, and no further ones after `$5` octets of values; with each how many
/// there were before the octets were counted.
pub(crate) const SCAN: &str = "
    SELECT key, value, found FROM (
        SELECT key, value, count(*) OVER () AS found,
            sum(octet_length(value)) OVER (ORDER BY key) - octet_length(value) AS before
        FROM (SELECT key, value FROM pillarbox.records
            WHERE account = $1 AND key >= $2 AND key < $3 ORDER BY key LIMIT $4) AS few
    ) AS sized WHERE before < $5 ORDER BY key";
/// Who is there.
pub(crate) const ACCOUNTS: &str = "SELECT account FROM pillarbox.heads ORDER BY account";
/// The heads of some accounts.
pub(crate) const HEADS: &str = "SELECT account, head FROM pillarbox.heads WHERE account = ANY($1)";

/// One change of each of several accounts: `$1` accounts, `$2` expected heads, `$3` next heads; `$4`, `$5`, `$6` account,
/// key and value of what is put; `$7`, `$8` account and key of what is deleted. Gives back the accounts whose head was the
/// expected one; of the others nothing is changed.
///
/// The statement sees what was committed before it began. That is enough for the rows: whoever expects a head has seen it,
/// so the rows of that commit are there, and if another commit came in between, the head is not the expected one. The
/// comparison of the head itself waits for a commit under way and looks again (READ COMMITTED).
///
/// Heads are locked in the order of their accounts, so that the batches of two nodes wait for each other in one direction only.
pub(crate) const COMMIT: &str = "
    WITH asked (account, expected, next) AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])),
    held AS (SELECT account FROM pillarbox.heads WHERE account = ANY($1::bigint[]) ORDER BY account FOR UPDATE),
    moved AS (
        UPDATE pillarbox.heads AS heads SET head = asked.next FROM asked JOIN held USING (account)
        WHERE heads.account = asked.account AND heads.head = asked.expected RETURNING heads.account),
    made AS (
        INSERT INTO pillarbox.heads (account, head) SELECT account, next FROM asked WHERE expected = 0
        ON CONFLICT (account) DO NOTHING RETURNING account),
    won AS (SELECT account FROM moved UNION ALL SELECT account FROM made),
    put AS (
        INSERT INTO pillarbox.records (account, key, value)
        SELECT p.account, p.key, p.value FROM unnest($4::bigint[], $5::bytea[], $6::bytea[]) AS p (account, key, value)
        JOIN won USING (account)
        ON CONFLICT (account, key) DO UPDATE SET value = excluded.value),
    gone AS (
        DELETE FROM pillarbox.records AS records
        USING won JOIN unnest($7::bigint[], $8::bytea[]) AS d (account, key) USING (account)
        WHERE records.account = won.account AND records.key = d.key)
    SELECT account FROM won";
/// Removes an account: `$1`.
pub(crate) const REMOVE_RECORDS: &str = "DELETE FROM pillarbox.records WHERE account = $1";
/// Removes an account: `$1`.
pub(crate) const REMOVE_HEAD: &str = "DELETE FROM pillarbox.heads WHERE account = $1";

/// The arguments of [`COMMIT`].
#[derive(Default)]
pub(crate) struct Columns<'c> {
    pub(crate) accounts: Vec<i64>,
    pub(crate) expected: Vec<i64>,
    pub(crate) next: Vec<i64>,
    pub(crate) put_accounts: Vec<i64>,
    pub(crate) put_keys: Vec<&'c [u8]>,
    pub(crate) put_values: Vec<&'c [u8]>,
    pub(crate) delete_accounts: Vec<i64>,
    pub(crate) delete_keys: Vec<&'c [u8]>,
}

impl<'c> Columns<'c> {
    /// Adds a commit of an account of which there is none yet. Of several writes of one key the last counts: a statement
    /// writes a row once.
    pub(crate) fn add(&mut self, commit: &'c Commit) {
        let account = i64::from(commit.account.0);
        self.accounts.push(account);
        self.expected.push(signed(commit.expected.0));
        self.next.push(signed(commit.next.0));
        let last: BTreeMap<&[u8], Option<&[u8]>> = commit.writes.iter().map(last_word).collect();
        for (key, value) in last {
            match value {
                Some(value) => {
                    self.put_accounts.push(account);
                    self.put_keys.push(key);
                    self.put_values.push(value);
                }
                None => {
                    self.delete_accounts.push(account);
                    self.delete_keys.push(key);
                }
            }
        }
    }
}

fn last_word(write: &Write) -> (&[u8], Option<&[u8]>) {
    match write {
        Write::Put { key, value } => (key, Some(value)),
        Write::Delete { key } => (key, None),
    }
}

/// Heads are below 2^63 ([`Commit::check_limits`]).
fn signed(head: u64) -> i64 {
    i64::try_from(head).unwrap_or(i64::MAX)
}

/// Divides a batch into rounds in which no account has two changes, in their order: one statement changes a head once. Gives
/// the index of each change.
pub(crate) fn rounds(changes: &[&Change]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for (index, change) in changes.iter().enumerate() {
        let account = match change {
            Change::Commit(commit) => commit.account.0,
            Change::Remove(account) => account.0,
        };
        let round = seen.entry(account).and_modify(|round| *round += 1).or_insert(0);
        match rounds.get_mut(*round) {
            Some(changes) => changes.push(index),
            None => rounds.push(vec![index]),
        }
    }
    rounds
}
