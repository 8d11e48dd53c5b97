//! RETR and TOP (RFC 1939 §5, §7): a message on its way to the client, in slices.

use pop3_proto::{Stuffer, top};
use session::OUTPUT_HIGH_WATER_BYTES;

pub(crate) struct Retrieval {
    body: Vec<u8>,
    end: usize,
    next: usize,
    stuffer: Stuffer,
}

impl Retrieval {
    /// The whole message, or its header and so many lines of its body.
    pub(crate) fn new(body: Vec<u8>, lines: Option<u64>) -> Self {
        let end = lines.map_or(body.len(), |lines| top(&body, lines).len());
        Self { body, end, next: 0, stuffer: Stuffer::new() }
    }

    /// Writes the next slice; `true` when there is more.
    pub(crate) fn write(&mut self, output: &mut Vec<u8>) -> bool {
        let room = OUTPUT_HIGH_WATER_BYTES.saturating_sub(output.len());
        let until = self.next.saturating_add(room).min(self.end);
        self.stuffer.write(self.body.get(self.next..until).unwrap_or_default(), output);
        self.next = until;
        if self.next < self.end {
            return true;
        }
        std::mem::take(&mut self.stuffer).finish(output);
        false
    }
}
