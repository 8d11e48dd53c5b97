//! VRFY (RFC 5321 §4.1.1.6): tells nobody who is here (§7.3).

use smtp_proto::{Enhanced, Reply};

pub(super) fn handle() -> Reply {
    Reply::new(252, Enhanced(2, 1, 5), "Send a message and see")
}
