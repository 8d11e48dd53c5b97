//! Why somebody is not let in.

use crate::throttle::DELAY_FIRST_MILLIS;
use std::fmt;

/// Why a login was not accepted. Whoever answers waits for the delay first: it slows guessing down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginError {
    /// Wrong user or password, or the account is disabled: a stranger cannot tell which.
    Rejected {
        /// Wait this long before the answer; grows with every failure.
        delay_millis: u64,
    },
    /// Too many failures from this address: the password was not even tried.
    Throttled {
        /// Wait this long before the answer.
        delay_millis: u64,
    },
    /// Too many logins wait at this moment: the password was not tried, and nothing is wrong with it.
    Busy {
        /// Wait this long before the answer.
        delay_millis: u64,
    },
    /// The password has to be verified, and it is nobody's turn: the caller stands in line ([`session::Job::in_turn`]) and
    /// asks again with the turn. Nothing was counted.
    OutOfTurn,
    /// Ours: the store failed.
    Fault(store::Error),
}

impl LoginError {
    /// So many stand in line that this one must come again.
    pub const BUSY: Self = Self::Busy { delay_millis: DELAY_FIRST_MILLIS };
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { .. } => f.write_str("wrong user name or password"),
            Self::Throttled { .. } => f.write_str("too many failed logins; try again later"),
            Self::Busy { .. } => f.write_str("too many logins at this moment; try again"),
            Self::OutOfTurn => f.write_str("the password has to be verified"),
            Self::Fault(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LoginError {}

impl From<store::Error> for LoginError {
    fn from(error: store::Error) -> Self {
        Self::Fault(error)
    }
}
