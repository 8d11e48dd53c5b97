//! A message on its way out: with doubled dots after DATA, or in chunks (BDAT, RFC 3030). It comes from the driver piece by piece,
//! and no more than one is in memory.
//!
//! A bare LF becomes CRLF (programs on Unix mean a line end by it), a bare CR becomes a space (nobody has meant a line end by it
//! for decades, and as one it could forge a header field), and the last line ends with CRLF. Where a piece begins makes no
//! difference.

use line_proto::Stuffer;
use memchr::memchr2_iter;
use std::io::Write;

/// So many chunks may be unanswered, where the server takes commands in a row: it may refuse a long message early, and neither side's
/// buffers fill up while both write (RFC 2920 §3.1).
const CHUNKS_UNANSWERED_MAX: usize = 8;

/// A message of which some was sent.
pub(super) struct Sending {
    form: Form,
    line_ends: LineEnds,
    position: u64,
    size_bytes: u64,
}

enum Form {
    Lines(Stuffer),
    Chunks { unanswered: usize, unanswered_max: usize },
}

impl Sending {
    /// After DATA.
    pub(super) fn lines(size_bytes: u64) -> Self {
        Self::new(Form::Lines(Stuffer::new()), size_bytes)
    }

    /// With BDAT.
    pub(super) fn chunks(size_bytes: u64, pipelining: bool) -> Self {
        let unanswered_max = if pipelining { CHUNKS_UNANSWERED_MAX } else { 1 };
        Self::new(Form::Chunks { unanswered: 0, unanswered_max }, size_bytes)
    }

    fn new(form: Form, size_bytes: u64) -> Self {
        Self { form, line_ends: LineEnds::default(), position: 0, size_bytes }
    }

    /// Where the next piece begins that may be sent now.
    pub(super) fn wanted(&self) -> Option<u64> {
        let is_full = match self.form {
            Form::Lines(_) => false,
            Form::Chunks { unanswered, unanswered_max } => unanswered >= unanswered_max,
        };
        (!is_full).then_some(self.position)
    }

    /// Sends the next piece. With the last one: how many answers come before the one to the message.
    pub(super) fn take(&mut self, piece: &[u8], output: &mut Vec<u8>) -> Option<usize> {
        self.position += piece.len() as u64;
        let is_last = self.position >= self.size_bytes;
        let mut octets = Vec::with_capacity(piece.len() + 2);
        self.line_ends.write(piece, &mut octets);
        if is_last {
            self.line_ends.finish(&mut octets);
        }
        match &mut self.form {
            Form::Lines(stuffer) => {
                stuffer.write(&octets, output);
                if is_last {
                    std::mem::take(stuffer).finish(output);
                }
                is_last.then_some(0)
            }
            Form::Chunks { unanswered, .. } => {
                let last = if is_last { " LAST" } else { "" };
                // A Vec takes every write.
                let _ = write!(output, "BDAT {}{last}\r\n", octets.len());
                output.append(&mut octets);
                let before = *unanswered;
                *unanswered += 1;
                is_last.then_some(before)
            }
        }
    }

    /// Whether a chunk is unanswered.
    pub(super) fn awaits_answer(&self) -> bool {
        matches!(self.form, Form::Chunks { unanswered: 1.., .. })
    }

    /// The server has taken a chunk.
    pub(super) fn answered(mut self) -> Self {
        if let Form::Chunks { unanswered, .. } = &mut self.form {
            *unanswered = unanswered.saturating_sub(1);
        }
        self
    }
}

/// Makes CRLF the only line end.
#[derive(Default)]
struct LineEnds {
    /// The last piece ended with a CR, which waits for what follows.
    is_after_cr: bool,
    /// What was made does not end with CRLF.
    is_broken_line: bool,
}

impl LineEnds {
    fn write(&mut self, piece: &[u8], made: &mut Vec<u8>) {
        let begin = made.len();
        let mut copied = 0;
        if std::mem::take(&mut self.is_after_cr) && !piece.is_empty() {
            let is_crlf = piece.first() == Some(&b'\n');
            made.extend_from_slice(if is_crlf { b"\r\n" } else { b" " });
            copied = usize::from(is_crlf);
        } else if piece.is_empty() {
            return;
        }
        let first = copied;
        for at in memchr2_iter(b'\r', b'\n', piece).filter(|at| *at >= first) {
            let is_lf = piece.get(at) == Some(&b'\n');
            let follows_cr = at > first && piece.get(at - 1) == Some(&b'\r');
            let is_regular = if is_lf { follows_cr } else { piece.get(at + 1) == Some(&b'\n') };
            if is_regular {
                continue;
            }
            made.extend_from_slice(piece.get(copied..at).unwrap_or_default());
            copied = at + 1;
            match (is_lf, copied == piece.len()) {
                (true, _) => made.extend_from_slice(b"\r\n"),
                (false, true) => self.is_after_cr = true,
                (false, false) => made.push(b' '),
            }
        }
        made.extend_from_slice(piece.get(copied..).unwrap_or_default());
        if made.len() > begin {
            self.is_broken_line = !made.ends_with(b"\n");
        }
    }

    fn finish(&mut self, made: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_after_cr) {
            made.push(b' ');
            self.is_broken_line = true;
        }
        if self.is_broken_line {
            made.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, expected: &str) {
        for length in 1..=message.len().max(1) {
            let (mut line_ends, mut made) = (LineEnds::default(), Vec::new());
            message.as_bytes().chunks(length).for_each(|piece| line_ends.write(piece, &mut made));
            line_ends.finish(&mut made);
            assert_eq!(String::from_utf8(made).unwrap(), expected, "{message:?} in pieces of {length}");
        }
    }

    #[test]
    fn bare_line_ends_are_repaired_wherever_a_piece_begins() {
        check("", "");
        check("a\r\nb\r\n", "a\r\nb\r\n");
        check("\na\nb", "\r\na\r\nb\r\n");
        check("a\rb\r", "a b \r\n");
        check("a\r\r\n\n", "a \r\n\r\n");
        check("\n.\n", "\r\n.\r\n");
        check("\r\n\r\r\n\r", "\r\n \r\n \r\n");
        check("\0\r\n", "\0\r\n");
    }

    #[test]
    fn so_many_chunks_are_unanswered_and_no_more() {
        for (pipelining, max) in [(true, CHUNKS_UNANSWERED_MAX), (false, 1)] {
            let (mut sending, mut output) = (Sending::chunks(100, pipelining), Vec::new());
            assert!(!sending.awaits_answer());
            for number in 0..max as u64 {
                assert_eq!(sending.wanted(), Some(number));
                assert_eq!(sending.take(b"x", &mut output), None);
            }
            assert_eq!(sending.wanted(), None);
            assert!(sending.awaits_answer());
            sending = sending.answered();
            assert_eq!(sending.wanted(), Some(max as u64));
            assert_eq!(sending.take(&[b'y'; 100], &mut output), Some(max - 1));
            assert!(output.starts_with(b"BDAT 1\r\nxBDAT 1\r\nx") || !pipelining);
            assert!(output.ends_with(b"y\r\n"));
        }
    }
}
