//! Who asks, and what they may do. The one place that decides it, for the pages, the JSON API and the command line.
//!
//! Administrators of domains may [`Act::Administer`] nothing: what they may is said by [`Party::scope`], and kept to by
//! [`crate::DomainAdministration`].

use crate::error::Error;
use crate::scope::Scope;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{AccountId, DeviceId};
use wording::tr;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// Whoever may use the control socket or the data directory itself: the server's user, or root.
    Operator,
    /// The owner of an account, logged in on the pages; perhaps an administrator.
    Person {
        /// Their own account.
        account: AccountId,
        /// What they administer beside it.
        role: Role,
    },
    /// A program with the application password of a device.
    Program {
        /// The account of the device.
        account: AccountId,
        /// Which.
        device: DeviceId,
    },
}

/// What the owner of an account administers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing but their own account.
    Owner,
    /// These domains (normalised), at least one.
    Domains(Arc<BTreeSet<String>>),
    /// The server.
    Server,
}

impl Role {
    /// Of whoever is an administrator of the server or not, and administers these domains.
    #[must_use]
    pub fn of(is_admin: bool, administers: &Arc<BTreeSet<String>>) -> Self {
        match is_admin {
            true => Self::Server,
            false if administers.is_empty() => Self::Owner,
            false => Self::Domains(Arc::clone(administers)),
        }
    }
}

/// What is to be done. To look at what is one's own needs no leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Decide about a device of the own account.
    DecideFor(DeviceId),
    /// Decide about the own account: what all of its devices have in common.
    Decide,
    /// Administer the server: accounts, addresses and outgoing mail of all.
    Administer,
    /// Take from an account that they may change the right to log in or to administer.
    TakeFrom(AccountId),
    /// Open an account that they may change to whoever reads the answer: its owner is given another password, or needs no second
    /// factor.
    Open(AccountId),
    /// What reaches into other people's mail or passwords.
    Operate,
}

impl Party {
    /// Whether they may.
    ///
    /// # Errors
    /// [`Error::Forbidden`], with who may.
    pub fn may(&self, act: &Act) -> Result<(), Error> {
        match (self, act) {
            (Self::Operator, _)
            | (Self::Person { .. }, Act::Decide | Act::DecideFor(_))
            | (Self::Person { role: Role::Server, .. }, Act::Administer) => Ok(()),
            // Nobody shuts themselves out by a slip; another administrator or the operator can.
            (Self::Person { role: Role::Server | Role::Domains(_), account }, Act::TakeFrom(from))
                if account == from =>
            {
                Err(Error::refused(tr!("You cannot take that from yourself; another administrator can.")))
            }
            // Whoever found them logged in has no password of theirs, and is to get none.
            (Self::Person { role: Role::Server | Role::Domains(_), account }, Act::Open(other)) if account == other => {
                Err(Error::refused(tr!(
                    "That is your own account: change your password and your second factor on the page of your account, where \
                     the present ones are asked for. If you have lost them, another administrator can help."
                )))
            }
            (Self::Person { role: Role::Server | Role::Domains(_), .. }, Act::TakeFrom(_) | Act::Open(_)) => Ok(()),
            (Self::Program { device, .. }, Act::DecideFor(own)) if device == own => Ok(()),
            // One that is lost must not lock out the others.
            (Self::Program { .. }, Act::Decide | Act::DecideFor(_)) => Err(Error::Forbidden(tr!(
                "An application password decides for its own device only. Log in on the page for the others."
            ))),
            (Self::Person { role: Role::Domains(_), .. }, Act::Administer) => Err(Error::Forbidden(tr!(
                "That concerns the whole server, and you administer some of its domains. Ask whoever administers the server."
            ))),
            // Never an application password: a program that reads mail must not be able to open other people's accounts.
            (Self::Person { .. } | Self::Program { .. }, Act::Administer | Act::TakeFrom(_) | Act::Open(_)) => {
                Err(no_administrator())
            }
            (Self::Person { .. } | Self::Program { .. }, Act::Operate) => {
                Err(Error::Forbidden(tr!("Only the operator of the server may do that, on its command line.")))
            }
        }
    }

    /// The account of whoever is logged in.
    #[must_use]
    pub fn person(&self) -> Option<AccountId> {
        match self {
            Self::Person { account, .. } => Some(*account),
            Self::Operator | Self::Program { .. } => None,
        }
    }

    /// Over what they administer.
    ///
    /// # Errors
    /// [`Error::Forbidden`]: over nothing.
    pub fn scope(&self) -> Result<Scope, Error> {
        match self {
            Self::Operator | Self::Person { role: Role::Server, .. } => Ok(Scope::Server),
            Self::Person { role: Role::Domains(domains), .. } if !domains.is_empty() => {
                Ok(Scope::Domains(Arc::clone(domains)))
            }
            Self::Person { role: Role::Owner | Role::Domains(_), .. } | Self::Program { .. } => Err(no_administrator()),
        }
    }
}

fn no_administrator() -> Error {
    Error::Forbidden(tr!(
        "Only an administrator may do that, logged in on the pages. An operator makes one of an account with \
         `pillarbox account admin ADDRESS on`."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_what() {
        let (own, other, device) = (AccountId(16), AccountId(17), DeviceId(3));
        let person = |role| Party::Person { account: own, role };
        let program = Party::Program { account: own, device };
        let domains = Arc::new(BTreeSet::from(["example.org".to_owned()]));
        let of_domains = Role::of(false, &domains);
        let acts = [
            Act::DecideFor(device),
            Act::DecideFor(DeviceId(4)),
            Act::Decide,
            Act::Administer,
            Act::TakeFrom(other),
            Act::TakeFrom(own),
            Act::Open(other),
            Act::Open(own),
            Act::Operate,
        ];
        for (party, allowed, scope) in [
            (Party::Operator, [true; 9], Some(Scope::Server)),
            (
                person(Role::of(true, &domains)),
                [true, true, true, true, true, false, true, false, false],
                Some(Scope::Server),
            ),
            (
                person(of_domains),
                [true, true, true, false, true, false, true, false, false],
                Some(Scope::Domains(domains)),
            ),
            (
                person(Role::of(false, &Arc::default())),
                [true, true, true, false, false, false, false, false, false],
                None,
            ),
            (person(Role::Domains(Arc::default())), [true, true, true, false, true, false, true, false, false], None),
            (program, [true, false, false, false, false, false, false, false, false], None),
        ] {
            assert_eq!(acts.map(|act| party.may(&act).is_ok()), allowed, "{party:?}");
            assert_eq!(party.scope().ok(), scope, "{party:?}");
        }
    }
}
