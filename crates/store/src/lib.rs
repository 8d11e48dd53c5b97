//! The mailbox: accounts, journal, views, maildrops, and the contract of storage engines.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod engine;
pub mod ids;
pub mod objects;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod sim;
