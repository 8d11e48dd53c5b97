//! The junk filter of an account: it judges what comes, and learns from what its owner does in any program.
//!
//! What it has learnt is the account's own, and nobody else's mail or hands change it. It judges while mail comes in
//! ([`judge`]), which reads and writes nothing but the verdict; it learns in the background from the journal ([`learn`]).

mod complain;
mod experience;
mod judge;
mod learn;
mod lessons;

pub(crate) use complain::Complaining;
pub(crate) use judge::Letter;
pub use learn::Turn;
