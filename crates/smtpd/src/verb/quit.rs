//! QUIT (RFC 5321 §4.1.1.10).

use crate::session::{Phase, Session};
use smtp_proto::{Enhanced, Reply};

pub(super) fn handle(session: &mut Session) -> Reply {
    session.phase = Phase::Closed;
    Reply::new(221, Enhanced(2, 0, 0), "Bye")
}
