//! The damage brake: a month of ordinary use by all kinds of people passes, disasters are held, answers are carried out.

#![allow(clippy::unwrap_used)]

mod answers;
mod disasters;
mod house;
mod ordinary_use;
