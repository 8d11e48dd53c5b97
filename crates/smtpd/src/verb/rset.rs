//! RSET (RFC 5321 §4.1.1.5).

use crate::replies;
use crate::session::Session;
use smtp_proto::Reply;

pub(super) fn handle(session: &mut Session) -> Reply {
    session.transaction = None;
    replies::ok("Forgotten")
}
