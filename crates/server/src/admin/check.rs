//! Whether every invariant of the data holds.

use std::collections::BTreeSet;

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
        let accounts = accounts(admin, item)?;
        let total = accounts.len() + 2;
        let checked = |place: &str, done| Item::Checked(CheckedItem { place: place.to_owned(), done, total });
        for text in admin.stores.store.check_files() {
            found("files", text, item)?;
        }
        item(checked("files", 1))?;
        match admin.stores.auth.directory().check() {
            Ok(findings) => findings.into_iter().try_for_each(|text| found("directory", text, item))?,
            Err(error) => found("directory", error.to_string(), item)?,
        }
        item(checked("directory", 2))?;
        for (index, id) in accounts.into_iter().enumerate() {
            check_account(admin, id, depth, item)?;
            item(checked(&place(admin, id), index + 3))?;
        }
        Ok(())
    }
}

/// Those that the store knows, and those that the directory knows: where one of them is damaged, the other may not be.
fn accounts(admin: &Admin, item: Items<'_>) -> Result<BTreeSet<AccountId>, Failure> {
    let mut accounts = BTreeSet::new();
    match admin.stores.store.accounts() {
        Ok(found) => accounts.extend(found),
        Err(error) => found("files", error.to_string(), item)?,
    }
    // What is wrong with the directory is told when it is checked.
    if let Ok(known) = admin.stores.auth.directory().accounts() {
        accounts.extend(known.into_iter().map(|info| info.id));
    }
    Ok(accounts)
}

fn found(place: &str, text: String, item: Items<'_>) -> Result<(), Failure> {
    Ok(item(Item::Finding(FindingItem { place: place.to_owned(), text }))?)
}

fn check_account(admin: &Admin, id: AccountId, depth: Depth, item: Items<'_>) -> Result<(), Failure> {
    let findings = match check::account(&admin.stores.store, id, depth) {
        Ok(findings) => findings,
        // Removed meanwhile.
        Err(Error::NoSuchAccount) => return Ok(()),
        Err(error) => return found(&place(admin, id), error.to_string(), item),
    };
    findings.into_iter().try_for_each(|finding| found(&place(admin, id), finding.what, item))
}

/// The address of an account; its number where the directory does not know it.
fn place(admin: &Admin, id: AccountId) -> String {
    match admin.stores.auth.directory().account_by_id(id) {
        Ok(Some(info)) => info.address,
        Ok(None) | Err(_) => format!("account {id}"),
    }
}
