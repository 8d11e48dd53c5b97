//! Look-ups in the DNS: one resolver for the process, with one cache, and answers of the types that mail needs.
//!
//! It asks the servers of the configuration, or those of the system, which do the recursion. What decides how mail is
//! secured on its way (MX, addresses, TLSA) is validated here (DNSSEC), because an answer of a server is as trustworthy as
//! the way to it; [`Answer::secure`] says whether it was signed down from a trust anchor. Texts and names of addresses are not
//! validated: nothing that is told by them gets better by a signature.
//!
//! Deliberately not here: what follows from an answer (whether mail waits, is refused, or goes), and any file of hosts.
//!
//! Invariant: a look-up ends within [`LOOKUP_SECS_MAX`]; so many as [`LOOKUPS_MAX`] run at a time, the others wait for their
//! turn within the same time; so many answers as [`CACHED_ANSWERS_MAX`] are kept.
//! Invariant: "there is no such record" is an answer, and never said where nobody could be asked ([`Error`]).

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod answer;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
mod lookup;
mod options;

pub use answer::{Answer, Mx, Tlsa};
pub use error::Error;
pub use hickory_resolver::TokioResolver;
pub use lookup::{CACHED_ANSWERS_MAX, Dns, LOOKUP_SECS_MAX, LOOKUPS_MAX};
pub use options::Options;
