//! Mailboxes that accounts share: who may do what in those of one, and what others share with it.

use crate::account::AccountConsole;
use crate::error::Error;
use auth::Auth;
use directory::SHARED;
use serde::{Deserialize, Serialize};
use store::{AccountId, Rights, RightsChange};
use wording::tr;

/// What is usually given, by a word.
const USUAL: [(&str, &str); 3] = [("read", "lrs"), ("edit", "lrswite"), ("manage", "lrswipkxte")];

/// A mailbox, and what somebody may do in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareCard {
    /// The mailbox, as it is named by whom this is told.
    pub mailbox: String,
    /// The other account: who may do something there, or whose it is.
    pub with: String,
    /// The letters of RFC 4314.
    pub rights: String,
    /// In words, what may be done.
    pub text: String,
}

/// What is shared with whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareCards {
    /// What this account shares.
    pub shared: Vec<ShareCard>,
    /// What others share with it.
    pub from_others: Vec<ShareCard>,
}

impl AccountConsole {
    /// What is shared with whom.
    ///
    /// # Errors
    /// Faults.
    pub fn shares(&self, auth: &Auth) -> Result<ShareCards, Error> {
        let mut shared = Vec::new();
        for mailbox in self.account.mailboxes()?.iter() {
            for (account, rights) in mailbox.acl.iter() {
                if let Some(record) = auth.directory().record(account)? {
                    shared.push(card(mailbox.name.clone(), record.address.clone(), rights));
                }
            }
        }
        let mut from_others = Vec::new();
        for owner in self.account.owners()?.iter() {
            from_others.extend(self.shared_by(auth, *owner)?);
        }
        Ok(ShareCards { shared, from_others })
    }

    fn shared_by(&self, auth: &Auth, owner: AccountId) -> Result<Vec<ShareCard>, Error> {
        let Some(name) = auth.directory().name_of_owner(owner, self.account.id())? else { return Ok(Vec::new()) };
        let address = auth.directory().record(owner)?.map_or_else(|| name.clone(), |record| record.address.clone());
        let mailboxes = match auth.store().account(owner).mailboxes() {
            Err(store::Error::NoSuchAccount) => return Ok(Vec::new()),
            mailboxes => mailboxes?,
        };
        let of_us = mailboxes.iter().map(|mailbox| (mailbox, mailbox.acl.of(self.account.id())));
        let listed = of_us.filter(|(_, rights)| rights.has(Rights::LOOKUP));
        let cards =
            listed.map(|(mailbox, rights)| card(format!("{SHARED}{name}/{}", mailbox.name), address.clone(), rights));
        Ok(cards.collect())
    }

    /// Changes what another account of this server may do in a mailbox: `read`, `edit`, `manage`, `none`, or the letters of RFC 4314.
    /// Gives that in words.
    ///
    /// # Errors
    /// No such mailbox, account or right; too many accounts; faults.
    pub fn share(&self, auth: &Auth, mailbox: &str, with: &str, rights: &str) -> Result<ShareCard, Error> {
        let usual = USUAL.iter().find(|(word, _)| *word == rights).map(|(_, letters)| *letters);
        let letters = if rights == "none" { "" } else { usual.unwrap_or(rights) };
        let rights = Rights::parse(letters).ok_or_else(|| {
            Error::refused(tr!("What somebody may do is “read”, “edit”, “manage” or “none”, or letters as RFC 4314 has them (lrswipkxtea)."))
        })?;
        let mailboxes = self.account.mailboxes()?;
        let mailbox = mailboxes.by_name(mailbox).ok_or(Error::Store(store::Error::NoSuchMailbox))?;
        let unknown = || Error::refused(tr!("There is no account “{with}” on this server.", with = with));
        let (account, record) = auth.directory().who_logs_in(with)?.ok_or_else(unknown)?;
        let change = RightsChange::Replace(rights);
        let rights = auth.directory().share(&self.account, self.actor, mailbox.id, account, change)?;
        Ok(card(mailbox.name.clone(), record.address.clone(), rights))
    }
}

fn card(mailbox: String, with: String, rights: Rights) -> ShareCard {
    let letters = rights.letters();
    let usual = USUAL.iter().find(|(_, usual)| *usual == letters).map(|(word, _)| *word);
    let text = match usual {
        Some("read") => tr!("reads it").to_owned(),
        Some("edit") => tr!("reads it, marks and files messages there, and deletes them").to_owned(),
        Some(_) => {
            tr!("does everything there, and makes and deletes mailboxes below it, but shares it with nobody").to_owned()
        }
        None if rights.is_empty() => tr!("may do nothing there any more").to_owned(),
        None => tr!("may do there what these letters say: {letters}", letters = letters),
    };
    ShareCard { mailbox, with, rights: letters, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_are_rights_that_there_are() {
        for (word, letters) in USUAL {
            let rights = Rights::parse(letters).unwrap();
            assert_eq!(rights.letters(), letters, "{word}");
            assert!(!rights.has(Rights::ADMINISTER), "{word}");
        }
    }
}
