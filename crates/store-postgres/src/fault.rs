//! Why the database could not be read or written.

use std::error::Error as _;
use std::fmt;
use store::engine::EngineError;
use store::group_commit::BatchError;
use tokio_postgres::error::SqlState;

/// What the database, or the way to it, said.
#[derive(Debug)]
pub(crate) struct Fault(tokio_postgres::Error);

impl Fault {
    fn code(&self) -> Option<&SqlState> {
        self.0.code()
    }

    /// Whether the server itself refused: then the transaction was rolled back, and nothing was changed. Anything else, a
    /// connection that broke first of all, leaves open what became of it.
    fn is_answer(&self) -> bool {
        // The server says these on its way down; a commit may have gone before.
        let ends = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
        self.code().is_some_and(|code| !ends.contains(code))
    }

    /// Whether the same transaction may succeed if it is sent again, because it lost against another.
    pub(crate) fn is_lost_race(&self) -> bool {
        matches!(self.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED))
    }

    /// What it means for a batch.
    pub(crate) fn of_batch(&self, place: &str) -> BatchError {
        let what = format!("cannot commit to {place}: {self}");
        let full = [
            SqlState::DISK_FULL,
            SqlState::OUT_OF_MEMORY,
            SqlState::CONFIGURATION_LIMIT_EXCEEDED,
            SqlState::INSUFFICIENT_RESOURCES,
        ];
        match self.code() {
            Some(code) if full.contains(code) => BatchError::Full { what },
            Some(code) if is_damage(code) => BatchError::Damaged { what },
            _ => BatchError::Failed { what },
        }
    }

    /// What it means for somebody who reads.
    pub(crate) fn of_reader(&self, place: &str) -> EngineError {
        let what = format!("cannot read from {place}: {self}");
        match self.code() {
            Some(code) if is_damage(code) => EngineError::Damaged { what },
            _ => EngineError::Failed { what },
        }
    }

    /// Whether the connection is of no more use.
    pub(crate) fn ends_connection(&self) -> bool {
        self.0.is_closed() || !self.is_answer()
    }
}

fn is_damage(code: &SqlState) -> bool {
    [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code)
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Fault {
    /// The crate says "db error" and keeps to itself what the database said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(answer) = self.0.as_db_error() {
            return write!(f, "{} (SQLSTATE {})", answer.message(), answer.code().code());
        }
        self.0.fmt(f)?;
        match self.0.source() {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}
