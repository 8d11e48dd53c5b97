//! The octets after BDAT (RFC 3030 §2): counted, never interpreted.

use crate::data::End;

/// Takes one chunk in, after those that came before it.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    bytes: Vec<u8>,
    remaining: u64,
    too_big: bool,
    is_last: bool,
}

impl ChunkReader {
    /// `so_far` are the chunks before this one of `size` octets; together they may have `limit_bytes`.
    pub(crate) fn new(so_far: Vec<u8>, size: u64, limit_bytes: usize) -> Self {
        let room = limit_bytes.saturating_sub(so_far.len());
        let too_big =
            so_far.len() > limit_bytes || usize::try_from(size).is_ok_and(|size| size > room) || size > room as u64;
        Self { bytes: if too_big { Vec::new() } else { so_far }, remaining: size, too_big, is_last: false }
    }

    pub(crate) fn last(mut self, is_last: bool) -> Self {
        self.is_last = is_last;
        self
    }

    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Takes octets in. Gives how many of them belong to the chunk, and its end when it is complete.
    pub(crate) fn feed(&mut self, input: &[u8]) -> (usize, Option<End>) {
        let take = usize::try_from(self.remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
        if !self.too_big {
            self.bytes.extend_from_slice(input.get(..take).unwrap_or_default());
        }
        self.remaining -= take as u64;
        let end = (self.remaining == 0).then(|| match self.too_big {
            true => End::TooBig,
            false => End::Complete(std::mem::take(&mut self.bytes)),
        });
        (take, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(so_far: &[u8], size: u64, input: &[u8], expected: (usize, Option<End>)) {
        assert_eq!(ChunkReader::new(so_far.to_vec(), size, 6).feed(input), expected);
    }

    #[test]
    fn chunks_are_counted_and_bounded() {
        check(b"", 3, b"\r\n.\r\n", (3, Some(End::Complete(b"\r\n.".to_vec()))));
        check(b"abc", 3, b"def", (3, Some(End::Complete(b"abcdef".to_vec()))));
        check(b"abc", 4, b"defgX", (4, Some(End::TooBig)));
        check(b"abc", 0, b"X", (0, Some(End::Complete(b"abc".to_vec()))));
        check(b"", 0, b"", (0, Some(End::Complete(Vec::new()))));
        check(b"", u64::MAX, b"abc", (3, None));
    }
}
