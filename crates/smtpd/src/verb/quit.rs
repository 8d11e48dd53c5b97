//! QUIT (RFC 5321 §4.1.1.10).

use crate::session::{Phase, SmtpSession};
use smtp_proto::{Enhanced, Reply};

pub(super) fn handle(session: &mut SmtpSession) -> Reply {
    session.phase = Phase::Closed;
    Reply::new(221, Enhanced(2, 0, 0), "Bye")
}
