//! Whether every invariant of the data holds.

use serde::{Deserialize, Serialize};
use store::check::{self, Depth};
use store::{AccountId, Error};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What is to be checked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckRequest {
    /// The account; `None` checks all of them and the directory.
    pub account: Option<String>,
    /// Whether every body is read and compared with its checksum.
    pub bodies: bool,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingItem {
    /// The account that it is about, or `directory`.
    pub place: String,
    /// What.
    pub text: String,
}

/// So much is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedItem {
    /// The account (or `directory`) that was just checked.
    pub place: String,
    /// How many are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

impl CheckRequest {
    /// Answered with [`Item::Finding`]s and an [`Item::Checked`] after each account.
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        let depth = if self.bodies { Depth::Bodies } else { Depth::Records };
        if let Some(address) = &self.account {
            let info = admin.account(address)?;
            check_account(admin, info.id, depth, item)?;
            return Ok(item(Item::Checked(CheckedItem { place: info.address, done: 1, total: 1 }))?);
        }
        let accounts = admin.stores.store.accounts()?;
        let total = accounts.len() + 1;
        for text in admin.stores.auth.directory().check()? {
            item(Item::Finding(FindingItem { place: "directory".to_owned(), text }))?;
        }
        item(Item::Checked(CheckedItem { place: "directory".to_owned(), done: 1, total }))?;
        for (index, id) in accounts.into_iter().enumerate() {
            check_account(admin, id, depth, item)?;
            item(Item::Checked(CheckedItem { place: place(admin, id), done: index + 2, total }))?;
        }
        Ok(())
    }
}

fn check_account(admin: &Admin, id: AccountId, depth: Depth, item: Items<'_>) -> Result<(), Failure> {
    let findings = match check::account(&admin.stores.store, id, depth) {
        Ok(findings) => findings,
        // Removed meanwhile.
        Err(Error::NoSuchAccount) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for finding in findings {
        item(Item::Finding(FindingItem { place: place(admin, id), text: finding.what }))?;
    }
    Ok(())
}

/// The address of an account; its number where the directory does not know it.
fn place(admin: &Admin, id: AccountId) -> String {
    match admin.stores.auth.directory().account_by_id(id) {
        Ok(Some(info)) => info.address,
        Ok(None) | Err(_) => format!("account {id}"),
    }
}
