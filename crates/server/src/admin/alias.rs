//! Aliases: added, listed, removed.

use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What can be asked about aliases.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasRequest {
    /// Makes one. No items.
    Add {
        /// The alias; `@example.org` is the catch-all of that domain.
        address: String,
        /// The accounts that it leads to.
        targets: Vec<String>,
    },
    /// All of them: [`Item::Alias`] each.
    List,
    /// Removes one. No items.
    Remove {
        /// Which.
        address: String,
    },
}

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasItem {
    /// The alias; `@example.org` is the catch-all of that domain.
    pub address: String,
    /// The accounts that it leads to.
    pub targets: Vec<String>,
}

impl AliasRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        let directory = admin.stores.auth.directory();
        match self {
            Self::Add { address, targets } => Ok(directory.add_alias(&address, &targets)?),
            Self::List => {
                for alias in directory.aliases()? {
                    item(Item::Alias(AliasItem { address: alias.address, targets: alias.targets }))?;
                }
                Ok(())
            }
            Self::Remove { address } => Ok(directory.remove_alias(&address)?),
        }
    }
}
