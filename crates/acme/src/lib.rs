//! Certificates from an authority that gives them by itself: the client's part of ACME (RFC 8555), by `instant-acme`.
//!
//! It orders a certificate for names and a key that it is given, proves by TLS (RFC 8737) or HTTP (RFC 8555 §8.3) that the names
//! lead here, and reads what is in a certificate. When to order, which key, and where both are kept is the business of its
//! callers. What the authority asks at our own ports is answered by whoever listens there, out of [`Challenges`].
//!
//! Invariant: whatever the authority says or does not say, an order ends within [`ORDER_SECS_MAX`], and what is read of an answer
//! is bounded.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![warn(unreachable_pub)]

mod authority;
mod certificate;
mod challenges;
mod http;

pub use authority::{Authority, Error, ExternalAccount, NAMES_MAX, ORDER_SECS_MAX, Wanted, Way};
pub use certificate::{Facts, new_key, public_key_digest};
pub use challenges::{Challenges, TLS_ALPN};
