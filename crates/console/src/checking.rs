//! Whether every invariant of the data holds.

use crate::error::Error;
use crate::operations::Operations;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::AccountId;
use store::check::{self, Depth};
use wording::tr;

/// What a check tells as it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStep {
    /// Something that must not be.
    Finding {
        /// The account that it is about, or `directory`, or `files`.
        place: String,
        /// What.
        text: String,
    },
    /// So much is checked.
    Checked {
        /// The account (or `directory`, or `files`) that was just checked.
        place: String,
        /// How many are done.
        done: usize,
        /// How many there are.
        total: usize,
    },
}

/// Takes what comes of long work, as it comes; fails when nobody listens any more, and then the work may end.
pub type Steps<'a, T> = &'a mut dyn FnMut(T) -> Result<(), Error>;

impl Operations {
    /// Checks one account, or all of them with the files and the directory of addresses. `bodies`: reads every body, and
    /// compares it with its checksum. Goes on after damage.
    ///
    /// # Errors
    /// There is no such account; `step` fails.
    pub fn check(&self, account: Option<&str>, bodies: bool, step: Steps<'_, CheckStep>) -> Result<(), Error> {
        let depth = if bodies { Depth::Bodies } else { Depth::Records };
        if let Some(address) = account {
            let info = self.administration().find(address)?;
            self.check_account(info.id, depth, step)?;
            return step(CheckStep::Checked { place: info.address, done: 1, total: 1 });
        }
        let accounts = self.accounts_to_check(step)?;
        let total = accounts.len() + 2;
        let checked = |place: &str, done| CheckStep::Checked { place: place.to_owned(), done, total };
        for text in self.auth().store().check_files() {
            found("files", text, step)?;
        }
        step(checked("files", 1))?;
        match self.auth().directory().check() {
            Ok(findings) => findings.into_iter().try_for_each(|text| found("directory", text, step))?,
            Err(error) => found("directory", error.to_string(), step)?,
        }
        step(checked("directory", 2))?;
        for (index, id) in accounts.into_iter().enumerate() {
            self.check_account(id, depth, step)?;
            step(checked(&self.place(id), index + 3))?;
        }
        Ok(())
    }

    /// Those that the store knows, and those that the directory knows: where one of them is damaged, the other may not be.
    fn accounts_to_check(&self, step: Steps<'_, CheckStep>) -> Result<BTreeSet<AccountId>, Error> {
        let mut accounts = BTreeSet::new();
        match self.auth().store().accounts() {
            Ok(found) => accounts.extend(found),
            Err(error) => found("files", error.to_string(), step)?,
        }
        // What is wrong with the directory is told when it is checked.
        if let Ok(known) = self.auth().directory().accounts() {
            accounts.extend(known.into_iter().map(|info| info.id));
        }
        Ok(accounts)
    }

    fn check_account(&self, id: AccountId, depth: Depth, step: Steps<'_, CheckStep>) -> Result<(), Error> {
        let findings = match check::account(self.auth().store(), id, depth) {
            Ok(findings) => findings,
            // Removed meanwhile.
            Err(store::Error::NoSuchAccount) => return Ok(()),
            Err(error) => return found(&self.place(id), error.to_string(), step),
        };
        findings.into_iter().try_for_each(|finding| found(&self.place(id), finding.what, step))
    }

    /// The address of an account; its number where the directory does not know it.
    fn place(&self, id: AccountId) -> String {
        match self.auth().directory().account_by_id(id) {
            Ok(Some(info)) => info.address,
            Ok(None) | Err(_) => tr!("account {number}", number = id),
        }
    }
}

fn found(place: &str, text: String, step: Steps<'_, CheckStep>) -> Result<(), Error> {
    step(CheckStep::Finding { place: place.to_owned(), text })
}
