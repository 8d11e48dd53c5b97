//! IMAP sessions (RFC 9051, RFC 3501 and extensions): imap-proto's machine on the store.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![allow(dead_code)]

mod enabled;
mod fetch;
mod numbers;
mod progress;
mod render;
mod selected;
mod tagged;
#[cfg(test)]
mod testing;
