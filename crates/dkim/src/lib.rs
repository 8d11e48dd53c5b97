//! DKIM for mail that leaves (RFC 6376): keys, the DNS records that publish them, and signatures; and ARC (RFC 8617), with the same
//! keys, for mail that is passed on.
//!
//! [`PrivateKey`] is one of a domain's keys, as it is kept; [`PrivateKey::record`] is what the domain publishes for it. A
//! [`Signer`] signs whatever it is given, so that nobody can add a second From, To, Subject or Date to it unnoticed.
//!
//! What this crate deliberately does not do: it keeps no keys, knows no DNS and verifies nothing. The canonical forms and the
//! signature are the business of the crate `mail-auth`, which reads the clock for the time in the signature.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod key;
mod seal;
mod sign;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use key::{Algorithm, KeyError, PrivateKey};
pub use sign::Signer;
