//! Octets that were received and not consumed, and how lines are cut from them.
//!
//! A line is what ends with LF; whether the LF needs a CR before it is the caller's rule.
//! Invariant: a line longer than the limit is reported once, at its LF, and held in memory only up to the limit.

use memchr::memchr;

/// An empty buffer that grew beyond this is given back, so that idle connections stay small.
const IDLE_CAPACITY_BYTES_MAX: usize = 16 * 1024;

/// Octets that came and are not consumed yet.
#[derive(Debug, Default)]
pub struct Input {
    buffer: Vec<u8>,
    start: usize,
    /// Up to here (from `start`) there is no LF.
    scanned: usize,
    swallowing: bool,
}

/// A line was longer than the limit given to [`Input::take_line`]; it is gone.
#[derive(Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl Input {
    /// Takes octets. Consume what can be consumed before pushing more, and memory stays bounded.
    pub fn push(&mut self, octets: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// What came and is not consumed.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Forgets everything that was pushed.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Drops the first `count` pending octets (at most all of them).
    pub fn consume(&mut self, count: usize) {
        self.start = self.buffer.len().min(self.start.saturating_add(count));
        self.scanned = 0;
        if self.start == self.buffer.len() {
            self.start = 0;
            self.buffer.clear();
            if self.buffer.capacity() > IDLE_CAPACITY_BYTES_MAX {
                self.buffer = Vec::new();
            }
        }
    }

    /// The next line including its LF, if it is complete. `octets_max` counts the line end too.
    ///
    /// # Errors
    /// The line was longer; it is gone, and the next one is as good as any.
    pub fn take_line(&mut self, octets_max: usize) -> Option<Result<Vec<u8>, LineTooLong>> {
        let pending = self.pending();
        let Some(at) = memchr(b'\n', pending.get(self.scanned..).unwrap_or_default()) else {
            self.wait_for_line_end(octets_max);
            return None;
        };
        let length = self.scanned + at + 1;
        let too_long = self.swallowing || length > octets_max;
        let line = if too_long { Err(LineTooLong) } else { Ok(pending.get(..length).unwrap_or_default().to_vec()) };
        self.swallowing = false;
        self.consume(length);
        Some(line)
    }

    fn wait_for_line_end(&mut self, octets_max: usize) {
        let pending = self.pending().len();
        if self.swallowing || pending >= octets_max {
            self.swallowing = true;
            self.consume(pending);
        } else {
            self.scanned = pending;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expected: &[Result<&str, LineTooLong>]) {
        let mut input = Input::default();
        let mut lines = Vec::new();
        for piece in pieces {
            input.push(piece.as_bytes());
            while let Some(line) = input.take_line(5) {
                lines.push(line.map(|line| String::from_utf8(line).unwrap()));
            }
        }
        let expected: Vec<_> =
            expected.iter().map(|line| line.as_ref().map(ToString::to_string).map_err(|_| LineTooLong)).collect();
        assert_eq!(lines, expected, "{pieces:?}");
    }

    #[test]
    fn lines_are_cut_at_lf_and_bounded() {
        check(&["abc\r\nd\n"], &[Ok("abc\r\n"), Ok("d\n")]);
        check(&["abcd\r\ne\n"], &[Err(LineTooLong), Ok("e\n")]);
        check(&["abcd", "\n"], &[Ok("abcd\n")]);
        check(&["abcde", "\n", "x\n"], &[Err(LineTooLong), Ok("x\n")]);
        check(&["abcdefgh", "ijk", "l\nx\n"], &[Err(LineTooLong), Ok("x\n")]);
        check(&["a", "b", "\r", "\n"], &[Ok("ab\r\n")]);
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut input = Input::default();
        for _ in 0..1000 {
            input.push(&[b'x'; 1000]);
            assert_eq!(input.take_line(100), None);
            assert!(input.pending().is_empty());
        }
    }
}
