//! STARTTLS (RFC 9051 §6.2.1).

use crate::connection::{ImapSession, Turn};
use crate::state::{Finish, Then};
use crate::tagged::Tagged;
use imap_proto::Tag;

impl ImapSession {
    pub(super) fn start_tls(&mut self, tag: Tag) -> Turn {
        let finish = if self.peer.tls.is_some() {
            Finish::new(tag, Tagged::bad("TLS is already there"))
        } else if self.compression.is_some() {
            // RFC 4978 §5: TLS comes below compression, so it comes first.
            Finish::new(tag, Tagged::bad("TLS cannot begin within DEFLATE"))
        } else if self.service.tls_available {
            Finish { then: Then::StartTls, ..Finish::new(tag, Tagged::ok("Begin TLS now")) }
        } else {
            Finish::new(tag, Tagged::bad("TLS is not available"))
        };
        self.end(finish)
    }
}
