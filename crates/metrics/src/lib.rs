//! What is counted, how long things take, and the text in which Prometheus reads both.
//!
//! Whoever counts something owns its series ([`Counts`], [`Durations`] …), so that two servers in one process, or two tests, share
//! nothing. The server asks each for them and puts them on one [`Exposition`].
//!
//! What it deliberately does not do: a label never holds an address, an account or anything else that a stranger chooses, so
//! the number of series is bounded by the program (of destinations, which are domains, the ten for which most waits are
//! told); and nothing is decided by what is counted here.
//!
//! Invariant: every name is in [`ALL`], from which `docs/metrics.md` is made.
//! Invariant: a [`Stopwatch`] only ends in a histogram, in how old something is, or in what is told of a message ([`STAGES`]). It is the
//! one clock below the drivers.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod exposition;
mod names;
mod series;
mod sessions;
mod stopwatch;

pub use exposition::{CONTENT_TYPE, Exposition};
pub use names::*;
pub use series::{Counts, Distribution, Durations, Levels, Worst};
pub use sessions::{Commands, Refusals};
pub use stopwatch::{STAGES, Stopwatch};
