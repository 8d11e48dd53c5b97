//! Answers to mistakes wait, longer with each: whoever tries names learns few of them. Who makes none, or one or two, notices
//! nothing.
//!
//! An answer that waits is all that is kept: as long as it waits its client is not read from, so nothing grows, and no thread
//! waits along.

use smtp_proto::Reply;

/// Mistakes of a connection that are anybody's: an old address, a list that nobody tended.
const FREE_MISTAKES: u32 = 2;
/// So many mistakes of its network count as one of its own.
const NETWORK_MISTAKES: u32 = 50;
/// How long the first answer waits; each one after that twice as long.
const FIRST_MILLIS: u64 = 1000;

/// An answer that is known and not said yet.
#[derive(Debug)]
pub(crate) struct Held {
    /// On the clock that never goes back.
    pub(crate) until: u64,
    pub(crate) reply: Reply,
}

/// How long the answer to a mistake waits: the `own`-th of a connection, of whose network `of_network` are not forgiven yet.
pub(crate) fn delay_millis(own: u32, of_network: u32, most: u64) -> u64 {
    match own.saturating_add(of_network / NETWORK_MISTAKES).saturating_sub(FREE_MISTAKES) {
        0 => 0,
        beyond => FIRST_MILLIS.saturating_mul(1 << (beyond - 1).min(16)).min(most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_costs_more_than_the_one_before_it() {
        let delays = |of_network, most| [1, 2, 3, 4, 5, 6, 100].map(|own| delay_millis(own, of_network, most));
        assert_eq!(delays(0, 5000), [0, 0, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(delays(49, 5000), delays(0, 5000));
        assert_eq!(delays(100, 5000), [1000, 2000, 4000, 5000, 5000, 5000, 5000]);
        assert_eq!(delays(u32::MAX, 5000), [5000; 7]);
        assert_eq!(delays(u32::MAX, 0), [0; 7]);
    }
}
