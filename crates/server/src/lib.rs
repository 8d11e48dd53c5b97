//! Listeners, TLS, configuration, lifecycle, control socket.
//!
//! The only crate that opens listening sockets and reads a clock. It knows sessions through [`session::Session`] only:
//! which protocol is behind it is decided where the endpoints are made.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod clock;
pub mod config;
pub mod control;
pub mod driver;
pub mod lifecycle;
pub mod listen;
mod private_file;
pub mod service;
pub mod setup;
pub mod tls;
