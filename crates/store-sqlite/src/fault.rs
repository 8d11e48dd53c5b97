//! Why a shard could not be read or written.

use rusqlite::ErrorCode;
use std::fmt;
use store::ids::AccountId;

/// What SQLite said, or damage that a checksum shows.
#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Damaged(Damage),
}

/// A row of an account that is not what was written, or a gap where one is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub account: AccountId,
    /// A key that it is at or near; `None`: the account's head.
    pub key: Option<Vec<u8>>,
}

impl Fault {
    pub(crate) fn damaged(account: AccountId, key: &[u8]) -> Self {
        Self::Damaged(Damage { account, key: Some(key.to_vec()) })
    }

    pub(crate) fn damaged_head(account: AccountId) -> Self {
        Self::Damaged(Damage { account, key: None })
    }

    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Damaged(_) => None,
        }
    }

    /// Whether the file holds something else than what was written to it.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
            || matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            // A column of a type that was never written.
            || matches!(
                self,
                Self::Sqlite(
                    rusqlite::Error::InvalidColumnType(..)
                        | rusqlite::Error::IntegralValueOutOfRange(..)
                        | rusqlite::Error::FromSqlConversionFailure(..)
                )
            )
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, key } = self;
        match key {
            Some(key) => write!(f, "a record of account {account} at or after the key {} is damaged", hex(key)),
            None => write!(f, "the head of account {account} is damaged"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => error.fmt(f),
            Self::Damaged(damage) => damage.fmt(f),
        }
    }
}

fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
