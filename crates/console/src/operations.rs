//! What only the operator of a server does: what reaches into other people's passwords and mail.

use crate::account::AccountConsole;
use crate::administration::{AccountLine, Administration};
use crate::error::Error;
use crate::party::{Act, Party};
use crate::usage::RetainedCard;
use auth::{Auth, generate_password};
use serde::{Deserialize, Serialize};
use store::Actor;

/// The console of the operator.
pub struct Operations(Administration);

/// An account, and the password that it has from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountWithPassword {
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
    pub mailboxes: Vec<MailboxLine>,
}

/// A mailbox of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxLine {
    /// The whole path.
    pub name: String,
    /// Messages.
    pub messages: u32,
    /// Messages that nobody has read.
    pub unseen: u32,
    /// Octets of all messages.
    pub bytes: u64,
}

impl Operations {
    /// For the operator.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn of(party: &Party, auth: Auth, actor: Actor) -> Result<Self, Error> {
        party.may(&Act::Operate)?;
        Ok(Self(Administration::of(party, auth, actor)?))
    }

    pub(crate) fn administration(&self) -> &Administration {
        &self.0
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    /// Makes an account with a main password; `None` has one generated.
    ///
    /// # Errors
    /// The address or the password breaks a rule; faults.
    pub fn add_account(&self, address: &str, name: &str, password: Option<&str>) -> Result<AccountWithPassword, Error> {
        self.with_password(password, address, |password| {
            self.auth().directory().add_account(address, password, name, self.0.actor.now).map(drop)
        })
    }

    /// Sets the main password of an account; `None` has one generated. Sessions go on.
    ///
    /// # Errors
    /// There is no such account, the password breaks a rule; faults.
    pub fn set_password(&self, address: &str, password: Option<&str>) -> Result<AccountWithPassword, Error> {
        let address = self.0.find(address)?.address;
        self.with_password(password, &address, |password| self.auth().directory().set_password(&address, password))
    }

    /// Removes an account with all its mail.
    ///
    /// # Errors
    /// There is no such account; faults.
    pub fn remove_account(&self, address: &str) -> Result<(), Error> {
        Ok(self.auth().directory().remove_account(&self.0.find(address)?.address)?)
    }

    /// An account and what is in it.
    ///
    /// # Errors
    /// There is no such account; faults.
    pub fn details(&self, address: &str) -> Result<AccountDetails, Error> {
        let info = self.0.find(address)?;
        let account = self.auth().store().account(info.id);
        let leads_here = |alias: &directory::Alias| alias.targets.contains(&info.address);
        let aliases = self.auth().directory().aliases()?.into_iter().filter(leads_here).map(|alias| alias.address);
        let aliases = aliases.collect();
        let mailboxes = account.mailboxes()?;
        let mailboxes = mailboxes.iter().map(|mailbox| MailboxLine {
            name: mailbox.name.clone(),
            messages: mailbox.counts.messages,
            unseen: mailbox.counts.unseen,
            bytes: mailbox.counts.bytes,
        });
        Ok(AccountDetails {
            aliases,
            mailboxes: mailboxes.collect(),
            retained: AccountConsole::new(account, self.0.actor).retained()?,
            account: self.0.line(info)?,
        })
    }

    fn with_password(
        &self,
        given: Option<&str>,
        address: &str,
        set: impl FnOnce(&str) -> Result<(), directory::Error>,
    ) -> Result<AccountWithPassword, Error> {
        let generated = if given.is_none() { Some(generate_password()?) } else { None };
        set(given.or(generated.as_deref()).unwrap_or_default())?;
        Ok(AccountWithPassword { account: self.0.line(self.0.find(address)?)?, password: generated })
    }
}
