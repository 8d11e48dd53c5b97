//! SASL mechanisms, server and client side: PLAIN, LOGIN, SCRAM, OAUTHBEARER and XOAUTH2.
//!
//! PLAIN is RFC 4616; LOGIN is draft-murchison-sasl-login, obsolete and still what some Outlook versions and devices speak.
//! The lines are base64 as SMTP (RFC 4954), POP3 (RFC 5034) and IMAP (RFC 9051 §6.2.2) carry them, without line ends
//! and without `334`, `+`: those belong to the protocols.
//!
//! Deliberately not here: whether TLS is needed first, whether the password is right, what an authorization identity
//! may be, and SASLprep (RFC 4013) but where SCRAM asks for it: names and passwords are compared as they come.
//!
//! Invariant: a finished exchange has a user name and a password or a proof of one, or a token; none of them is empty, and all
//! are UTF-8 and within their limits.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod bearer;
pub mod client;
mod credentials;
mod login;
mod plain;
pub mod scram;
mod server;

pub use bearer::{Bearer, TOKEN_OCTETS_MAX};
pub use credentials::{Credentials, IDENTITY_OCTETS_MAX, PASSWORD_OCTETS_MAX, Password};
pub use scram::{Binding, ScramKeys, ScramProof};
pub use server::{Exchange, Failure, Mechanism, Progress, SaltWanted};
