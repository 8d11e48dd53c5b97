//! Hints between servers: what is read is what was said, to the octet, and a name that is one.
#![no_main]

#[path = "../../crates/hints/src/message.rs"]
mod message;

use message::{Hint, NODE_BYTES_MAX, encode};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some(hint) = Hint::decode(octets) else { return };
    assert!((1..=NODE_BYTES_MAX).contains(&hint.node.len()));
    let heads: Vec<_> = hint.heads().collect();
    assert_eq!(encode(hint.node, &heads), octets);
});
