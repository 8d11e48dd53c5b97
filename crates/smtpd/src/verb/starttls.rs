//! STARTTLS (RFC 3207).

use crate::replies;
use crate::session::{Phase, SmtpSession};
use smtp_proto::{Enhanced, Reply};

pub(super) fn handle(session: &mut SmtpSession) -> Reply {
    if session.peer.tls.is_some() {
        return replies::out_of_order("TLS is on already");
    }
    if !session.service.common.starttls {
        return replies::not_here("This service has no TLS");
    }
    session.phase = Phase::Handshake;
    Reply::new(220, Enhanced(2, 0, 0), "Begin the handshake")
}
