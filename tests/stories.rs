//! Real mail programs against the real binary, set up as `docs/clients.md` says: what a new user of them sees.
//!
//! A program that is not on this machine is told of in one line, and its story is over.

#![allow(clippy::unwrap_used)]

#[path = "stories/mod.rs"]
mod programs;
mod rig;
