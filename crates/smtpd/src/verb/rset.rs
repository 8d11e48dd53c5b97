//! RSET (RFC 5321 §4.1.1.5).

use crate::replies;
use crate::session::SmtpSession;
use smtp_proto::Reply;

pub(super) fn handle(session: &mut SmtpSession) -> Reply {
    session.transaction = None;
    replies::ok("Forgotten")
}
