//! Mailboxes by name: one's own, and those that others share (RFC 4314), in the namespace of other users (RFC 2342).
//!
//! Every command that names a mailbox finds it here: the account that it is in, as far as this user may do something there. A name
//! of one's own comes first. What nobody shares, and what is not there, are the same.

use crate::context::Context;
use crate::tagged::Tagged;
use crate::user::User;
use imap_proto::{Code, MailboxName};
use session::Moment;
use store::device::Credential;
use store::{Account, AccountId, Actor, DeviceId, Error, Mailbox, Protocol, Rights, Timestamp};

/// Before the names of other users.
pub(crate) const OTHERS: &str = directory::SHARED;

/// A mailbox that was named.
pub(crate) struct Located {
    /// With which something is done in it.
    pub(crate) account: Account,
    pub(crate) mailbox: Mailbox,
    /// What may be done.
    pub(crate) rights: Rights,
}

/// A mailbox of somebody else's, as it is listed.
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) mailbox: Mailbox,
}

impl Located {
    /// Whether it is somebody else's.
    pub(crate) fn is_shared(&self) -> bool {
        self.account.guest().is_some()
    }
}

/// RFC 8474 §4, §5.1: an id is unique among all that a user sees, and the numbers of an account are not. So what is somebody else's has
/// the number of its owner after the letter of its kind.
pub(crate) fn id_of(guest_of: Option<AccountId>, id: &str) -> String {
    let Some(owner) = guest_of else { return id.to_owned() };
    let (letter, number) = id.split_at(id.len().min(1));
    format!("{letter}{owner}-{number}")
}

/// The id that is told as `told`; `None`: nothing there has it.
pub(crate) fn id_told(guest_of: Option<AccountId>, told: &str) -> Option<String> {
    let Some(owner) = guest_of else { return Some(told.to_owned()) };
    let (letter, rest) = told.split_at_checked(1)?;
    Some(format!("{letter}{}", rest.strip_prefix(&owner.to_string())?.strip_prefix('-')?))
}

/// Whose guest works with a handle.
pub(crate) fn guest_of(account: &Account) -> Option<AccountId> {
    account.guest().map(|_| account.id())
}

/// Who does something in an account: the device that this session is there.
pub(crate) fn acting_in(account: &Account, actor: Actor) -> Actor {
    let device = if account.guest().is_some() { account.device() } else { actor.device };
    Actor { device, ..actor }
}

impl User {
    /// The mailbox of a name.
    pub(crate) fn locate(&self, name: &str, now: Moment) -> Result<Located, Error> {
        if let Some(mailbox) = self.account.mailboxes()?.by_name(name) {
            let (account, mailbox) = (self.account.clone(), mailbox.clone());
            return Ok(Located { account, mailbox, rights: Rights::ALL });
        }
        let (owner, rest) = self.owner_of(name)?.ok_or(Error::NoSuchMailbox)?;
        // Nothing is written for whoever tries names.
        let known = self.presence.visitor_of(owner).mailboxes().map_err(hidden)?;
        known.by_name(rest).ok_or(Error::NoSuchMailbox)?;
        let account = self.as_guest(owner, now)?;
        let mailbox = account.mailboxes().map_err(hidden)?.by_name(rest).cloned().ok_or(Error::NoSuchMailbox)?;
        let rights = account.rights(mailbox.id)?;
        Ok(Located { account, mailbox, rights })
    }

    /// Where a mailbox of a new name is to be made, and its name there.
    pub(crate) fn locate_new(&self, name: &str, now: Moment) -> Result<(Account, String), Error> {
        if let Some((owner, rest)) = self.owner_of(name)?
            && self.presence.visitor_of(owner).mailboxes().is_ok_and(|mailboxes| mailboxes.iter().next().is_some())
        {
            return Ok((self.as_guest(owner, now)?, rest.to_owned()));
        }
        // Whoever had a mailbox of that name before there were such goes on with it.
        let is_theirs = format!("{name}/").starts_with(OTHERS) && self.account.mailboxes()?.by_name("Shared").is_none();
        if is_theirs { Err(Error::NotPermitted) } else { Ok((self.account.clone(), name.to_owned())) }
    }

    /// All mailboxes that others share, as far as they may be listed.
    pub(crate) fn shared(&self) -> Result<Vec<Shared>, Error> {
        let mut all = Vec::new();
        for owner in self.account.owners()?.iter() {
            let Some(owner_name) = self.presence.name_of_owner(*owner)? else { continue };
            let account = self.presence.visitor_of(*owner);
            let mailboxes = match account.mailboxes() {
                Err(Error::NoSuchAccount | Error::NoSuchMailbox) => continue,
                mailboxes => mailboxes?,
            };
            if self.is_shut_out(&account)? {
                continue;
            }
            all.extend(mailboxes.iter().map(|mailbox| {
                let name = format!("{OTHERS}{owner_name}/{}", mailbox.name);
                Shared { name, account: account.clone(), mailbox: mailbox.clone() }
            }));
        }
        Ok(all)
    }

    /// Whose mailbox a name is of, among those who share any, and its name there.
    fn owner_of<'n>(&self, name: &'n str) -> Result<Option<(AccountId, &'n str)>, Error> {
        let Some(of_others) = name.strip_prefix(OTHERS) else { return Ok(None) };
        for owner in self.account.owners()?.iter() {
            let owner_name = self.presence.name_of_owner(*owner)?;
            let rest = owner_name.and_then(|owner_name| of_others.strip_prefix(&owner_name)?.strip_prefix('/'));
            if let Some(rest) = rest {
                return Ok(Some((*owner, rest)));
            }
        }
        Ok(None)
    }

    /// Whether an owner has revoked the device that this session is there. Whoever only looks around is none.
    fn is_shut_out(&self, visited: &Account) -> Result<bool, Error> {
        let devices = visited.devices()?;
        let guest = |device| Credential::Guest { account: self.account.id(), device };
        let known = |device| devices.values().find(|known| known.credential == guest(device));
        // 0: that of those which are not told apart.
        let device = known(self.presence.login().device).or_else(|| known(DeviceId(0)));
        Ok(device.is_some_and(|device| device.revoked_at.is_some()))
    }

    fn as_guest(&self, owner: AccountId, now: Moment) -> Result<Account, Error> {
        self.presence.guest_of(owner, Timestamp(now.unix_millis), Protocol::Imap).map_err(hidden)
    }
}

/// That an account is gone is nothing that others are told.
fn hidden(error: Error) -> Error {
    if error == Error::NoSuchAccount { Error::NoSuchMailbox } else { error }
}

impl Context<'_> {
    /// The mailbox of a name, in which `needed` may be done.
    pub(crate) fn locate(&self, name: &MailboxName, needed: Rights) -> Result<Located, Error> {
        let located = self.user.locate(name.as_str(), self.now)?;
        match located.rights.has(needed) {
            true => Ok(located),
            false if located.rights.has(Rights::LOOKUP) => Err(Error::NotPermitted),
            // RFC 4314 §6: that it is there is not said.
            false => Err(Error::NoSuchMailbox),
        }
    }

    /// One's own mailbox of a name, for what nobody does in those of others.
    pub(crate) fn locate_own(&self, name: &MailboxName) -> Result<Mailbox, Tagged> {
        // Whoever may not see it is told that there is none.
        let located = self.locate(name, Rights::LOOKUP)?;
        if located.is_shared() {
            return Err(Tagged::refused(Code::NoPerm, "That is for the owner of the mailbox alone"));
        }
        Ok(located.mailbox)
    }

    /// RFC 9051 §6.3.12, §6.4.7: whoever brings messages to a mailbox that is not there may make it first.
    pub(crate) fn target(&self, name: &MailboxName) -> Result<Located, Tagged> {
        self.locate(name, Rights::INSERT).map_err(|error| match error {
            Error::NoSuchMailbox => Tagged::no_such_target(),
            other => other.into(),
        })
    }

    /// Who does something in an account.
    pub(crate) fn actor_in(&self, account: &Account) -> Actor {
        acting_in(account, self.actor())
    }
}
