//! COMPRESS (RFC 4978).

use crate::connection::{ImapSession, Turn};
use crate::state::{Finish, Then};
use crate::tagged::Tagged;
use imap_proto::{Code, Tag};

impl ImapSession {
    pub(super) fn compress(&mut self, tag: Tag) -> Turn {
        let finish = if self.compression.is_some() {
            // RFC 4978 §3
            Finish::new(tag, Tagged::refused(Code::CompressionActive, "DEFLATE is active already"))
        } else {
            Finish { then: Then::Compress, ..Finish::new(tag, Tagged::ok("DEFLATE active")) }
        };
        self.end(finish)
    }
}
