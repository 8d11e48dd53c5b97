//! What a hint looks like on the wire: a mark, the length of a name, the name of the server that says it, then accounts with their
//! heads, 4 and 8 octets each, the largest octet first. One without accounts says that the server is there.

use store::{AccountId, ModSeq};

const MARK: &[u8; 4] = b"PBH1";
/// A name has at most so many octets.
pub const NODE_BYTES_MAX: usize = 40;
/// A hint has at most so many accounts.
pub(crate) const HEADS_MAX: usize = 1000;
const HEAD_BYTES: usize = 12;

/// What a server says, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint<'m> {
    /// The name of the server, as somebody says.
    pub node: &'m str,
    heads: &'m [[u8; HEAD_BYTES]],
}

impl<'m> Hint<'m> {
    /// Reads one; `None`: it is none.
    #[must_use]
    pub fn decode(octets: &'m [u8]) -> Option<Self> {
        let (length, rest) = octets.strip_prefix(MARK)?.split_first()?;
        let (node, heads) = rest.split_at_checked(usize::from(*length))?;
        let (heads, []) = heads.as_chunks() else { return None };
        let fits = (1..=NODE_BYTES_MAX).contains(&node.len()) && heads.len() <= HEADS_MAX;
        std::str::from_utf8(node).ok().filter(|_| fits).map(|node| Self { node, heads })
    }

    /// Accounts that may have moved, each with the head that it is said to have.
    pub fn heads(&self) -> impl ExactSizeIterator<Item = (AccountId, ModSeq)> {
        self.heads.iter().map(|&[a, b, c, d, ref head @ ..]| {
            (AccountId(u32::from_be_bytes([a, b, c, d])), ModSeq(u64::from_be_bytes(*head)))
        })
    }
}

/// A hint of `node`; of `heads` the first [`HEADS_MAX`].
pub(crate) fn encode(node: &str, heads: &[(AccountId, ModSeq)]) -> Vec<u8> {
    let length = u8::try_from(node.len()).unwrap_or(u8::MAX);
    let mut octets = [MARK.as_slice(), &[length], node.as_bytes()].concat();
    for (account, head) in heads.iter().take(HEADS_MAX) {
        octets.extend_from_slice(&account.0.to_be_bytes());
        octets.extend_from_slice(&head.0.to_be_bytes());
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heads(count: usize) -> Vec<(AccountId, ModSeq)> {
        (0..count).map(|n| (AccountId(u32::try_from(n).unwrap()), ModSeq(u64::MAX - n as u64))).collect()
    }

    #[test]
    fn a_hint_is_read_as_it_was_said_up_to_its_limits() {
        for (node, count) in [("one", 0), ("a", 1), (&*"n".repeat(NODE_BYTES_MAX), HEADS_MAX)] {
            let said = encode(node, &heads(count));
            let heard = Hint::decode(&said).unwrap();
            assert_eq!((heard.node, heard.heads().collect::<Vec<_>>()), (node, heads(count)));
        }
        assert_eq!(Hint::decode(&encode(&"n".repeat(NODE_BYTES_MAX + 1), &[])), None);
        let one_more = [encode("one", &heads(HEADS_MAX)), vec![0; HEAD_BYTES]].concat();
        assert_eq!(Hint::decode(&one_more), None);
        assert_eq!(Hint::decode(&encode("one", &heads(HEADS_MAX + 1))).unwrap().heads().len(), HEADS_MAX);
    }

    #[test]
    fn what_is_no_hint_is_none() {
        let said = encode("one", &heads(2));
        for end in 0..said.len() {
            let is_whole = end == said.len() - 2 * HEAD_BYTES || end == said.len() - HEAD_BYTES;
            assert_eq!(Hint::decode(&said[..end]).is_some(), is_whole, "{end} octets");
        }
        for garbage in [&b""[..], b"PBH1", b"PBH1\0", b"PBH2\x03one", b"PBH1\x04one", b"PBH1\x01\xff"] {
            assert_eq!(Hint::decode(garbage), None, "{garbage:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_not(octets in proptest::collection::vec(any::<u8>(), 0..200), marked in any::<bool>()) {
            let octets = if marked { [MARK.to_vec(), octets].concat() } else { octets };
            if let Some(hint) = Hint::decode(&octets) {
                prop_assert_eq!(encode(hint.node, &hint.heads().collect::<Vec<_>>()), octets);
            }
        }
    }
}
