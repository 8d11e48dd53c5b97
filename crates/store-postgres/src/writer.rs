//! Commits: batches of one writer, each one transaction on its connection.

use std::collections::HashMap;
use std::sync::Arc;

use futures::executor::block_on;
use store::group_commit::{BatchError, Batches, Change, Outcome};
use store::ids::{AccountId, ModSeq};

use crate::connection::{Database, WritingConnection};
use crate::fault::Fault;
use crate::statements::{Columns, rounds};

/// A transaction that lost against another is sent again so often. Every account has one writer, so only what somebody else
/// does to our tables, such as moving them to another machine, makes it lose.
const TRIES: u32 = 5;

/// A connection that commits, and the way to another one.
#[derive(Debug)]
pub(crate) struct ConnectionWriter {
    database: Arc<Database>,
    number: u8,
    connection: Option<WritingConnection>,
}

impl ConnectionWriter {
    /// Connects; an error says why this server must not write.
    pub(crate) fn open(database: Arc<Database>, number: u8) -> Result<Self, String> {
        let connection = database.writing(number.into())?;
        Ok(Self { database, number, connection: Some(connection) })
    }

    fn failed(&self, fault: &Fault) -> BatchError {
        fault.of_batch(&self.database.place)
    }
}

impl Batches for ConnectionWriter {
    fn run(&mut self, changes: &[&Change]) -> Result<Vec<Outcome>, BatchError> {
        let Some(connection) = &self.connection else {
            return Err(BatchError::Failed { what: format!("no connection to {}", self.database.place) });
        };
        let mut tries = 1;
        loop {
            match block_on(connection.transaction(changes)) {
                Err(fault) if fault.is_lost_race() && tries < TRIES => tries += 1,
                result => return result.map_err(|fault| self.failed(&fault)),
            }
        }
    }

    fn answered(&mut self) {}

    fn reopen(&mut self) -> Result<(), String> {
        // Given up before another is asked for: its lock is the one that the other needs.
        self.connection = None;
        self.connection = Some(self.database.writing(self.number.into())?);
        Ok(())
    }
}

impl WritingConnection {
    /// Runs all changes in one transaction. One statement is one by itself, and one round trip.
    async fn transaction(&self, changes: &[&Change]) -> Result<Vec<Outcome>, Fault> {
        let rounds = rounds(changes);
        let is_one_statement = rounds.len() == 1 && !changes.iter().any(|change| matches!(change, Change::Remove(_)));
        let outcomes = if is_one_statement {
            self.round(changes).await?
        } else {
            self.client.batch_execute("BEGIN").await?;
            match self.rounds(changes, &rounds).await {
                Ok(outcomes) => {
                    self.client.batch_execute("COMMIT").await?;
                    outcomes
                }
                Err(fault) => {
                    // Where the connection is gone, so is the transaction.
                    let _ = self.client.batch_execute("ROLLBACK").await;
                    return Err(fault);
                }
            }
        };
        Ok(outcomes)
    }

    async fn rounds(&self, changes: &[&Change], rounds: &[Vec<usize>]) -> Result<Vec<Outcome>, Fault> {
        let mut outcomes = vec![Outcome::Applied; changes.len()];
        for round in rounds {
            let of_round: Vec<&Change> = round.iter().map(|index| changes[*index]).collect();
            for (index, outcome) in round.iter().zip(self.round(&of_round).await?) {
                outcomes[*index] = outcome;
            }
        }
        Ok(outcomes)
    }

    /// Runs at most one change of each account.
    async fn round(&self, changes: &[&Change]) -> Result<Vec<Outcome>, Fault> {
        let mut columns = Columns::default();
        for change in changes {
            match change {
                Change::Commit(commit) => columns.add(commit),
                Change::Remove(account) => self.remove(*account).await?,
            }
        }
        if columns.accounts.is_empty() {
            return Ok(vec![Outcome::Applied; changes.len()]);
        }
        let Columns { accounts, expected, next, put_accounts, put_keys, put_values, delete_accounts, delete_keys } =
            &columns;
        let won = self
            .client
            .query(
                &self.commit,
                &[accounts, expected, next, put_accounts, put_keys, put_values, delete_accounts, delete_keys],
            )
            .await?;
        if won.len() == accounts.len() {
            return Ok(vec![Outcome::Applied; changes.len()]);
        }
        let won: Vec<i64> = won.iter().map(|row| row.get(0)).collect();
        let lost: Vec<i64> = accounts.iter().copied().filter(|account| !won.contains(account)).collect();
        let heads = self.client.query(&self.heads, &[&lost]).await?;
        let heads: HashMap<i64, i64> = heads.iter().map(|row| (row.get(0), row.get(1))).collect();
        let outcome = |change: &&Change| match change {
            Change::Commit(commit) if lost.contains(&commit.account.0.into()) => {
                let head = heads.get(&commit.account.0.into()).copied().unwrap_or_default();
                Outcome::Conflict { head: ModSeq(head.unsigned_abs()) }
            }
            Change::Commit(_) | Change::Remove(_) => Outcome::Applied,
        };
        Ok(changes.iter().map(outcome).collect())
    }

    async fn remove(&self, account: AccountId) -> Result<(), Fault> {
        let account = i64::from(account.0);
        // However many rows it has; for this transaction only.
        self.client.batch_execute("SET LOCAL statement_timeout = 0").await?;
        self.client.execute(&self.remove_head, &[&account]).await?;
        self.client.execute(&self.remove_records, &[&account]).await?;
        Ok(())
    }
}
