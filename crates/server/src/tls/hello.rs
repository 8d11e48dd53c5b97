//! What a client offers at the beginning of TLS, as a number: programs differ in it, and one program on one system hardly
//! ever does.
//!
//! rustls shows a ClientHello to the resolver of certificates only, in the middle of processing what came; so the number is
//! left where the same thread finds it just after.

use std::cell::{Cell, RefCell};

use rustls::server::ClientHello;

/// Of a client's suites so many are kept.
const SUITES_MAX: usize = 64;

thread_local! {
    static LAST: Cell<Option<u64>> = const { Cell::new(None) };
    static SUITES: RefCell<Vec<u16>> = const { RefCell::new(Vec::new()) };
}

/// Notes the hello that this thread is processing.
pub(super) fn note(hello: &ClientHello<'_>) {
    LAST.set(Some(number(hello)));
    let suites = hello.cipher_suites().iter().map(|suite| u16::from(*suite)).filter(|suite| !is_grease(*suite));
    SUITES.with_borrow_mut(|kept| {
        kept.clear();
        kept.extend(suites.take(SUITES_MAX));
    });
}

/// The cipher suites of the hello that this thread has processed last, in their order.
pub(super) fn take_suites() -> Option<Vec<u16>> {
    Some(SUITES.take()).filter(|suites| !suites.is_empty())
}

/// The hello that this thread has processed since this was called last.
pub(crate) fn take() -> Option<u64> {
    LAST.take()
}

/// What is offered, in its order, without what a client makes up anew each time. Signature schemes are left out: rustls shows
/// only those that this server could use, and a new certificate must not change what a client is known by.
fn number(hello: &ClientHello<'_>) -> u64 {
    let mut hash = Fnv::default();
    let suites = hello.cipher_suites().iter().map(|suite| u16::from(*suite));
    suites.filter(|suite| !is_grease(*suite)).for_each(|suite| hash.add(&suite.to_be_bytes()));
    hash.add(b"groups");
    let groups = hello.named_groups().unwrap_or_default().iter().map(|group| u16::from(*group));
    groups.filter(|group| !is_grease(*group)).for_each(|group| hash.add(&group.to_be_bytes()));
    hash.add(b"alpn");
    hello.alpn().into_iter().flatten().for_each(|name| hash.add(name));
    hash.0
}

/// RFC 8701 §2: `0x0a0a`, `0x1a1a` and so on mean nothing and are chosen at random.
fn is_grease(value: u16) -> bool {
    let [first, second] = value.to_be_bytes();
    first == second && first & 0x0f == 0x0a
}

/// FNV-1a: the same for all versions of this program, and nothing depends on its strength.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_is_left_out() {
        for (value, expected) in [(0x0a0a, true), (0xfafa, true), (0x1301, false), (0x0a1a, false), (0x0b0b, false)] {
            assert_eq!(is_grease(value), expected, "{value:04x}");
        }
    }

    #[test]
    fn a_number_stays_the_same_for_ever() {
        let mut hash = Fnv::default();
        hash.add(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
    }
}
