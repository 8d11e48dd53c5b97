//! LIST and UIDL of the whole maildrop (RFC 1939 §5, §7), in slices: a client that does not read costs no memory.

use pop3_proto::{encode_end, encode_line};
use session::OUTPUT_HIGH_WATER_BYTES;
use store::Maildrop;

pub(crate) struct Listing {
    what: What,
    next: usize,
}

#[derive(Clone, Copy)]
enum What {
    Sizes { utf8: bool },
    Uidls,
}

impl Listing {
    pub(crate) fn sizes(utf8: bool) -> Self {
        Self { what: What::Sizes { utf8 }, next: 0 }
    }

    pub(crate) fn uidls() -> Self {
        Self { what: What::Uidls, next: 0 }
    }

    /// Writes the next slice; `true` when there is more.
    pub(crate) fn write(
        &mut self,
        maildrop: &Maildrop,
        is_there: impl Fn(usize) -> bool,
        output: &mut Vec<u8>,
    ) -> bool {
        while let Some(message) = maildrop.messages().get(self.next) {
            if output.len() >= OUTPUT_HIGH_WATER_BYTES {
                return true;
            }
            let position = self.next;
            self.next += 1;
            if is_there(position) {
                match self.what {
                    What::Sizes { utf8 } => {
                        encode_line(format_args!("{} {}", self.next, maildrop.size(message, utf8)), output);
                    }
                    What::Uidls => encode_line(format_args!("{} {}", self.next, maildrop.uidl(message)), output),
                }
            }
        }
        encode_end(output);
        false
    }
}
