//! What strangers do with a one-time link.

use super::{OwnerError, Web};
use crate::LoginError;
use session::Turn;
use store::{AccountId, Timestamp};

/// What somebody who was invited chooses.
#[derive(Clone, Copy)]
pub struct NewOwner<'a> {
    /// The address of the account; not looked at when the invitation is for one.
    pub address: &'a str,
    /// The owner's name for people; may be empty.
    pub display: &'a str,
    /// The main password.
    pub password: &'a str,
}

impl Web<'_> {
    /// Sets the main password with a link that [`directory::Directory::password_link`] made. Gives the account's address. Every
    /// session and every other such link of the account is over; a second factor stays. A password is hashed in turn, as
    /// one is verified: strangers can ask for it.
    ///
    /// # Errors
    /// [`OwnerError::Refused`]: the link is not good (any more), the password breaks a rule.
    /// [`crate::LoginError::OutOfTurn`].
    pub fn choose_password(
        &self,
        token: &str,
        password: &str,
        turn: Option<&Turn>,
        now: Timestamp,
    ) -> Result<String, OwnerError> {
        turn.ok_or(OwnerError::Login(LoginError::OutOfTurn))?;
        Ok(self.0.directory().use_password_link(token, password, now)?)
    }

    /// Makes the account of somebody with a link that [`directory::Directory::invite`] made. Who is invited learns whether an
    /// address is in use: they could not choose one otherwise.
    ///
    /// # Errors
    /// As [`Self::choose_password`]; the address or the name breaks a rule, or is in use: then the link stays good.
    pub fn accept_invitation(
        &self,
        token: &str,
        owner: &NewOwner<'_>,
        turn: Option<&Turn>,
        now: Timestamp,
    ) -> Result<AccountId, OwnerError> {
        let NewOwner { address, display, password } = *owner;
        turn.ok_or(OwnerError::Login(LoginError::OutOfTurn))?;
        Ok(self.0.directory().use_invitation(token, (address, display), password, now)?)
    }
}
