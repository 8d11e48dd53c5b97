//! What was passed on for accounts (`passed`): read, and forgotten.

use super::Queue;
use crate::error::Error;
use crate::passed::{self, Passed};
use store::{AccountId, Timestamp};

impl Queue {
    /// What was passed on for an account in the last 30 days, newest first, each with its number; at most 500. What cannot be
    /// read is left out.
    ///
    /// # Errors
    /// Faults.
    pub fn passed_on(&self, account: AccountId) -> Result<Vec<(u64, Passed)>, Error> {
        passed::of(&self.table, account)
    }

    /// Takes away what is older than 30 days.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn tidy_passed_on(&self, now: Timestamp) -> Result<(), Error> {
        passed::forget(&self.table, now)
    }
}

#[cfg(test)]
mod tests;
