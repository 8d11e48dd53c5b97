//! How the owner of an account says who they are.

use session::Turn;
use std::net::IpAddr;
use store::Timestamp;

/// The owner of an account says who they are, to whoever can ask for a code.
#[derive(Clone, Copy)]
pub(crate) struct OwnerProof<'a> {
    /// As [`crate::Attempt::user`], without what POP3 adds.
    pub(crate) user: &'a str,
    /// The main password.
    pub(crate) password: &'a str,
    /// The code of the second factor, or a recovery code; not looked at where there is none.
    pub(crate) code: &'a str,
    pub(crate) address: IpAddr,
    pub(crate) now: Timestamp,
    /// As [`crate::Attempt::turn`].
    pub(crate) turn: Option<&'a Turn>,
}
