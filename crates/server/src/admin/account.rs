//! Accounts: made, listed, shown, changed, removed.

use auth::generate_password;
use console::{AccountLine, Administration, ClearAsk, RetainedCard};
use directory::AccountInfo;
use serde::{Deserialize, Serialize};

use super::{Admin, Item, Items};
use crate::control::Failure;
use crate::trial;

/// What can be asked about accounts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountRequest {
    /// Makes one. Answered with [`Item::Account`].
    Add {
        /// Its address, in a local domain.
        address: String,
        /// Its owner's name for people; may be empty.
        name: String,
        /// Its main password; `None` has one generated.
        password: Option<String>,
    },
    /// All of them: [`Item::Account`] each.
    List,
    /// One of them: [`Item::AccountDetails`].
    Show {
        /// Its address.
        address: String,
    },
    /// Sets the main password. Answered with [`Item::Account`].
    Password {
        /// Whose.
        address: String,
        /// The new one; `None` has one generated.
        password: Option<String>,
    },
    /// Takes (or gives back) the right to log in. Answered with [`Item::Account`].
    SetDisabled {
        /// Whose.
        address: String,
        /// Whether it may not log in.
        disabled: bool,
    },
    /// Makes its owner an administrator, or no longer. Answered with [`Item::Account`].
    SetAdmin {
        /// Whose.
        address: String,
        /// Whether the owner is one from now on.
        admin: bool,
    },
    /// Switches the second factor off, for an owner who has lost it. Answered with [`Item::Account`].
    SecondFactorOff {
        /// Whose.
        address: String,
    },
    /// Changes how many octets its mailboxes may hold. Answered with [`Item::Account`].
    SetQuota {
        /// Whose.
        address: String,
        /// `None`: as many as there is disk.
        bytes: Option<u64>,
    },
    /// How full its mailboxes are. Answered with [`Item::Usage`].
    Usage {
        /// Whose.
        address: String,
    },
    /// Removes what every POP device has. Answered with [`Item::Cleared`].
    Clear {
        /// Whose.
        address: String,
        /// What of it.
        ask: ClearAsk,
    },
    /// Whether the mail of every account is safe: [`Item::Report`] each.
    Report,
    /// Removes it with all its mail. No items.
    Remove {
        /// Which.
        address: String,
    },
}

/// An account that was asked for or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountItem {
    /// As it is now.
    #[serde(flatten)]
    pub account: AccountLine,
    /// Its new password, if one was generated just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// An account and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDetails {
    /// The account.
    #[serde(flatten)]
    pub account: AccountLine,
    /// Aliases that lead to it.
    pub aliases: Vec<String>,
    /// What was removed and can still be put back, beside the quota.
    pub retained: RetainedCard,
    /// Its mailboxes in the order in which they were made.
    pub mailboxes: Vec<MailboxItem>,
}

/// A mailbox of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxItem {
    /// The whole path.
    pub name: String,
    /// Messages.
    pub messages: u32,
    /// Messages that nobody has read.
    pub unseen: u32,
    /// Octets of all messages.
    pub bytes: u64,
}

impl AccountRequest {
    pub(super) fn execute(self, admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
        match self {
            Self::Add { address, name, password } => add(admin, (&address, &name), password, item),
            Self::List => list(admin, item),
            Self::Show { address } => show(admin, &address, item),
            Self::Password { address, password } => set_password(admin, &address, password, item),
            Self::SetDisabled { address, disabled } => {
                admin.stores.auth.directory().set_disabled(&address, disabled)?;
                tell(admin, &address, None, item)
            }
            Self::SetAdmin { address, admin: on } => {
                admin.stores.auth.directory().set_admin(&address, on)?;
                tell(admin, &address, None, item)
            }
            Self::SecondFactorOff { address } => {
                let account = admin.account(&address)?;
                if !admin.stores.auth.web().reset_second_factor(account.id)? {
                    return Err(Failure::refused(format!("{} has no second factor", account.address)));
                }
                tell(admin, &address, None, item)
            }
            Self::SetQuota { address, bytes } => {
                let account = admin.stores.store.account(admin.account(&address)?.id);
                account.set_quota(admin.actor(), bytes)?;
                tell(admin, &address, None, item)
            }
            Self::Usage { address } => Ok(item(Item::Usage(admin.console(&address)?.usage()?))?),
            Self::Clear { address, ask } => Ok(item(Item::Cleared(admin.console(&address)?.clear(&ask)?))?),
            Self::Report => report(admin, item),
            Self::Remove { address } => {
                admin.stores.auth.directory().remove_account(&address)?;
                trial::forget(admin.stores.directory(), &address)
            }
        }
    }
}

fn add(admin: &Admin, (address, name): (&str, &str), password: Option<String>, item: Items<'_>) -> Result<(), Failure> {
    let (password, generated) = given_or_generated(password)?;
    admin.stores.auth.directory().add_account(address, &password, name, admin.now())?;
    tell(admin, address, generated, item)
}

fn list(admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
    let accounts = admin.administration().accounts()?;
    accounts.into_iter().try_for_each(|account| Ok(item(Item::Account(AccountItem { account, password: None }))?))
}

fn show(admin: &Admin, address: &str, item: Items<'_>) -> Result<(), Failure> {
    let info = admin.account(address)?;
    let account = admin.stores.store.account(info.id);
    let aliases = admin.stores.auth.directory().aliases()?;
    let mailboxes = account.mailboxes()?;
    let mailboxes = mailboxes.iter().map(|mailbox| MailboxItem {
        name: mailbox.name.clone(),
        messages: mailbox.counts.messages,
        unseen: mailbox.counts.unseen,
        bytes: mailbox.counts.bytes,
    });
    let details = AccountDetails {
        aliases: aliases
            .into_iter()
            .filter(|alias| alias.targets.contains(&info.address))
            .map(|alias| alias.address)
            .collect(),
        mailboxes: mailboxes.collect(),
        retained: admin.console(address)?.retained()?,
        account: admin.administration().line(info)?,
    };
    Ok(item(Item::AccountDetails(details))?)
}

fn set_password(admin: &Admin, address: &str, password: Option<String>, item: Items<'_>) -> Result<(), Failure> {
    let (password, generated) = given_or_generated(password)?;
    admin.stores.auth.directory().set_password(address, &password)?;
    trial::forget(admin.stores.directory(), address)?;
    tell(admin, address, generated, item)
}

/// The password to set, and the one to show.
fn given_or_generated(password: Option<String>) -> Result<(String, Option<String>), Failure> {
    match password {
        Some(password) => Ok((password, None)),
        None => {
            let password = generate_password()?;
            Ok((password.clone(), Some(password)))
        }
    }
}

/// Page after page; what is wrong with the directory of addresses itself is told by `pillarbox check`.
fn report(admin: &Admin, item: Items<'_>) -> Result<(), Failure> {
    let administration = admin.administration();
    let mut after = None;
    loop {
        let page = administration.report(after)?;
        page.accounts.into_iter().try_for_each(|account| item(Item::Report(Box::new(account))))?;
        after = page.next_after;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn tell(admin: &Admin, address: &str, generated: Option<String>, item: Items<'_>) -> Result<(), Failure> {
    let account = admin.administration().line(admin.account(address)?)?;
    Ok(item(Item::Account(AccountItem { account, password: generated }))?)
}

impl Admin {
    pub(super) fn administration(&self) -> Administration {
        Administration::new(self.stores.auth.clone(), self.actor())
    }

    /// The account of an address.
    pub(super) fn account(&self, address: &str) -> Result<AccountInfo, Failure> {
        let directory = self.stores.auth.directory();
        let found = match directory.account(address)? {
            // As at a login: `alice` is enough where there is one only.
            None if !address.contains('@') => {
                let mut alike = directory.accounts()?.into_iter().filter(|info| {
                    info.address.split('@').next().is_some_and(|name| name.eq_ignore_ascii_case(address.trim()))
                });
                alike.next().filter(|_| alike.next().is_none())
            }
            found => found,
        };
        found.ok_or_else(|| {
            Failure::refused(format!("there is no account {address}; `pillarbox account list` shows all"))
        })
    }
}
