//! The octets after BDAT (RFC 3030 §2): counted, never interpreted.

use crate::data::{PART_BYTES, Part};

/// Takes one chunk in, after those that came before it.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    /// What was not handed on yet.
    bytes: Vec<u8>,
    remaining: u64,
    too_big: bool,
    is_last: bool,
}

impl ChunkReader {
    /// The chunks before this one of `size` octets had `so_far_bytes`; together they may have `limit_bytes`.
    pub(crate) fn new(so_far_bytes: u64, size: u64, limit_bytes: usize) -> Self {
        let too_big = so_far_bytes.saturating_add(size) > limit_bytes as u64;
        Self { bytes: Vec::new(), remaining: size, too_big, is_last: false }
    }

    pub(crate) fn last(mut self, is_last: bool) -> Self {
        self.is_last = is_last;
        self
    }

    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Takes octets in. Gives how many of them belong to the chunk, and what came of them.
    pub(crate) fn feed(&mut self, input: &[u8]) -> (usize, Option<Part>) {
        let take = usize::try_from(self.remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
        if self.too_big {
            self.remaining -= take as u64;
            return (take, (self.remaining == 0).then_some(Part::TooBig));
        }
        let take = take.min(PART_BYTES - self.bytes.len());
        self.bytes.extend_from_slice(input.get(..take).unwrap_or_default());
        self.remaining -= take as u64;
        let part = match self.remaining {
            0 => Some(Part::Last(std::mem::take(&mut self.bytes))),
            _ if self.bytes.len() == PART_BYTES => Some(Part::Octets(std::mem::take(&mut self.bytes))),
            _ => None,
        };
        (take, part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(so_far: u64, size: u64, input: &[u8], expected: (usize, Option<Part>)) {
        assert_eq!(ChunkReader::new(so_far, size, 6).feed(input), expected);
    }

    #[test]
    fn chunks_are_counted_and_bounded() {
        check(0, 3, b"\r\n.\r\n", (3, Some(Part::Last(b"\r\n.".to_vec()))));
        check(3, 3, b"def", (3, Some(Part::Last(b"def".to_vec()))));
        check(3, 4, b"defgX", (4, Some(Part::TooBig)));
        check(3, 0, b"X", (0, Some(Part::Last(Vec::new()))));
        check(0, u64::MAX, b"abc", (3, None));
        check(u64::MAX, 1, b"a", (1, Some(Part::TooBig)));
    }

    #[test]
    fn a_long_chunk_comes_in_parts() {
        let input = vec![b'x'; PART_BYTES + 2];
        let mut reader = ChunkReader::new(0, PART_BYTES as u64 + 1, usize::MAX);
        assert_eq!(reader.feed(&input[..10]), (10, None));
        let (used, part) = reader.feed(&input[10..]);
        assert_eq!((used, part), (PART_BYTES - 10, Some(Part::Octets(vec![b'x'; PART_BYTES]))));
        assert_eq!(reader.feed(&input[PART_BYTES..]), (1, Some(Part::Last(b"x".to_vec()))));
    }
}
