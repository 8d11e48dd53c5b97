//! Who asks, and what they may do. The one place that decides it, for the pages, the JSON API and the command line.

use crate::error::Error;
use store::{AccountId, DeviceId};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Whoever may use the control socket or the data directory itself: the server's user, or root.
    Operator,
    /// The owner of an account, logged in on the pages; perhaps an administrator.
    Person {
        /// Their own account.
        account: AccountId,
        /// Whether they administer the server.
        is_admin: bool,
    },
    /// A program with the application password of a device.
    Program {
        /// The account of the device.
        account: AccountId,
        /// Which.
        device: DeviceId,
    },
}

/// What is to be done. To look at what is one's own needs no leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Decide about a device of the own account.
    DecideFor(DeviceId),
    /// Decide about the own account: what all of its devices have in common.
    Decide,
    /// Administer accounts, addresses and outgoing mail.
    Administer,
    /// Take from an account the right to log in or to administer.
    TakeFrom(AccountId),
    /// What reaches into other people's mail or passwords.
    Operate,
}

impl Party {
    /// Whether they may.
    ///
    /// # Errors
    /// [`Error::Forbidden`], with who may.
    pub fn may(self, act: Act) -> Result<(), Error> {
        match (self, act) {
            (Self::Operator, _)
            | (Self::Person { .. }, Act::Decide | Act::DecideFor(_))
            | (Self::Person { is_admin: true, .. }, Act::Administer) => Ok(()),
            // Nobody shuts themselves out by a slip; another administrator or the operator can.
            (Self::Person { is_admin: true, account }, Act::TakeFrom(from)) if account == from => {
                Err(Error::refused("You cannot take that from yourself; another administrator can."))
            }
            (Self::Person { is_admin: true, .. }, Act::TakeFrom(_)) => Ok(()),
            (Self::Program { device, .. }, Act::DecideFor(own)) if device == own => Ok(()),
            // One that is lost must not lock out the others.
            (Self::Program { .. }, Act::Decide | Act::DecideFor(_)) => Err(Error::Forbidden(
                "An application password decides for its own device only. Log in on the page for the others.",
            )),
            // Never an application password: a program that reads mail must not be able to open other people's accounts.
            (Self::Person { .. } | Self::Program { .. }, Act::Administer | Act::TakeFrom(_)) => Err(Error::Forbidden(
                "Only an administrator may do that, logged in on the pages. An operator makes one of an account with \
                 `pillarbox account admin ADDRESS on`.",
            )),
            (Self::Person { .. } | Self::Program { .. }, Act::Operate) => {
                Err(Error::Forbidden("Only the operator of the server may do that, on its command line."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_what() {
        let (own, other, device) = (AccountId(16), AccountId(17), DeviceId(3));
        let person = |is_admin| Party::Person { account: own, is_admin };
        let program = Party::Program { account: own, device };
        let acts = [
            Act::DecideFor(device),
            Act::DecideFor(DeviceId(4)),
            Act::Decide,
            Act::Administer,
            Act::TakeFrom(other),
            Act::TakeFrom(own),
            Act::Operate,
        ];
        for (party, allowed) in [
            (Party::Operator, [true; 7]),
            (person(true), [true, true, true, true, true, false, false]),
            (person(false), [true, true, true, false, false, false, false]),
            (program, [true, false, false, false, false, false, false]),
        ] {
            assert_eq!(acts.map(|act| party.may(act).is_ok()), allowed, "{party:?}");
        }
    }
}
