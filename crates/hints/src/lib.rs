//! Hints between servers that work on the same storage, over NATS: a server says which accounts it has committed to, and the others
//! look at their heads at once instead of with the next look.
//!
//! A hint is `(account, head)` and the name of who says it. It is never believed: whoever hears it looks, and looks are counted
//! by who does (the server). So a hint that is lost, doubled, late or forged does no harm, and this crate promises nothing but that
//! it holds up nobody: a thread of its own speaks to NATS, what waits to be told is bounded, and so is what waits to be heard.
//!
//! Every second a server says that it is there, to itself as well: who hears all of them knows that hints come, and may look
//! more seldom at what nobody said anything of.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod address;
mod line;
mod message;
mod tls;

pub use address::{Address, WrongAddress};
pub use line::{BEAT, Hearer, HintOptions, Line};
pub use message::{Hint, NODE_BYTES_MAX};
