//! Listeners, TLS, configuration, lifecycle, control socket.
//!
//! The only crate that opens listening sockets and reads a clock. The driver knows sessions through
//! [`session::Session`] only: which protocol is behind it is decided in [`services`]. [`run()`] is the whole server.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

pub mod clock;
mod cluster;
pub mod config;
pub mod control;
pub mod doctor;
pub mod driver;
mod first_steps;
pub mod hinted;
mod http;
pub mod lifecycle;
pub mod listen;
mod moved;
pub mod moving;
mod observation;
mod preparation;
mod private_file;
pub mod rebuilding;
pub mod repairing;
pub mod restoration;
mod run;
pub mod sender;
pub mod service;
pub mod services;
pub mod setup;
pub mod standby;
mod standing;
pub mod stores;
pub mod tls;
pub mod trial;

pub use first_steps::{FirstSteps, configure, first_steps};
pub use preparation::{Checked, Preparation, resolver};
pub use run::run;
