//! Local domains: added, listed, removed.

use directory::{Directory, DomainInfo};
use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;

/// What can be asked about local domains.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomainRequest {
    /// Makes a domain local. No items.
    Add {
        /// The domain.
        domain: String,
    },
    /// All of them: [`Item::Domain`] each.
    List,
    /// What to publish in the DNS for a domain: the [`Item::Domain`] and [`Item::DnsRecord`] each.
    Records {
        /// The domain.
        domain: String,
    },
    /// Makes the next keys that sign its mail, or has them sign from now on. No items.
    Rotate {
        /// The domain.
        domain: String,
        /// The next keys are published: they sign from now on.
        switch: bool,
    },
    /// Makes a domain foreign again. No items.
    Remove {
        /// The domain.
        domain: String,
    },
}

/// A local domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainItem {
    /// As programs write it: in A-labels.
    pub domain: String,
    /// As people read it: in U-labels.
    pub shown: String,
    /// The accounts that mail to its postmaster and about abuse reaches.
    #[serde(default)]
    pub postmasters: Vec<String>,
}

impl DomainItem {
    fn of(directory: &Directory, domain: DomainInfo) -> Result<Self, store::Error> {
        let postmasters = directory.postmasters(&domain.name)?;
        Ok(Self { domain: domain.name, shown: domain.shown, postmasters })
    }
}

impl DomainRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        let directory = admin.stores.auth.directory();
        match self {
            Self::Add { domain } => Ok(directory.add_domain(&domain)?),
            Self::List => {
                for domain in directory.domains()? {
                    item(Item::Domain(DomainItem::of(directory, domain)?))?;
                }
                Ok(())
            }
            Self::Records { domain } => {
                let found = web::setup::records_of(directory, &domain, &admin.offered, admin.now())?;
                let (known, records) = found.ok_or_else(|| {
                    Failure::refused(format!("{domain} is no local domain; `pillarbox domain add` makes it one"))
                })?;
                item(Item::Domain(DomainItem::of(directory, known)?))?;
                records.into_iter().try_for_each(|record| Ok(item(Item::DnsRecord(record))?))
            }
            Self::Rotate { domain, switch: false } => Ok(directory.make_next_signing_keys(&domain, admin.now())?),
            Self::Rotate { domain, switch: true } => Ok(directory.use_next_signing_keys(&domain, admin.now())?),
            Self::Remove { domain } => Ok(directory.remove_domain(&domain)?),
        }
    }
}
