//! RETR and TOP (RFC 1939 §5, §7): a message on its way to the client, in slices.

use message::surrogate;
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
    pub(crate) fn new(body: Vec<u8>, lines: Option<u64>, utf8: bool) -> Self {
        let body = if utf8 { body } else { with_ascii_header(body) };
        let end = lines.map_or(body.len(), |lines| top(&body, lines).len());
        Self { body, end, next: 0, stuffer: Stuffer::new() }
    }

    /// How many octets the message has as it is sent.
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.body.len()).unwrap_or(u32::MAX)
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

/// RFC 6856 §2.1: without UTF-8 mode a message whose header needs it is sent as a surrogate.
// Deviates from RFC 6856 §2.1, which wants a body in UTF-8 changed too: programs have always taken 8-bit bodies as they
// are, and a change would break signatures.
fn with_ascii_header(body: Vec<u8>) -> Vec<u8> {
    match surrogate::header(&body) {
        None => body,
        Some(mut made) => {
            made.extend_from_slice(body.get(message::header::end(&body)..).unwrap_or_default());
            made
        }
    }
}
