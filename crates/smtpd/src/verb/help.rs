//! HELP (RFC 5321 §4.1.1.8).

use smtp_proto::{Enhanced, Reply};

pub(super) fn handle() -> Reply {
    Reply::new(214, Enhanced(2, 0, 0), "Pillarbox, a mail server; it obeys RFC 5321")
}
