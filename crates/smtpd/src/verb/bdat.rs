//! BDAT (RFC 3030 §2).

use super::data::may_begin;
use crate::content::Content;
use crate::replies;
use crate::session::{Phase, SmtpSession};
use smtp_proto::{Bdat, Reply};

/// The answer to a refused chunk; to another the answer comes when it is here.
pub(super) fn handle(session: &mut SmtpSession, bdat: Bdat) -> Option<Reply> {
    // RFC 3030 §2: the octets of a refused chunk come nevertheless; the machine skips them.
    if let Err(reply) = may_begin(session) {
        return Some(reply);
    }
    let so_far = session.transaction.as_ref().and_then(|transaction| transaction.content.as_ref());
    let (is_first, so_far) = (so_far.is_none(), so_far.map_or(0, Content::len));
    let limit = session.limits.message_bytes_max;
    let phase = Phase::Chunk { is_last: bdat.last };
    if is_first {
        session.begin_content(phase)
    } else {
        session.phase = phase
    }
    session.receiver.begin_chunk(so_far, limit);
    None
}

/// The end of a chunk.
pub(crate) fn chunk(session: &mut SmtpSession) -> Reply {
    session.phase = Phase::Command;
    match session.transaction.as_ref().and_then(|transaction| transaction.content.as_ref()) {
        None => replies::out_of_order("No message is under way"),
        Some(Content::Coming(_)) => replies::ok("Chunk ok"),
        Some(Content::NotTaken(reply)) => {
            // RFC 3030 §2: with the transaction gone, the chunks to come are refused.
            let reply = reply.clone();
            session.end_transaction();
            reply
        }
    }
}
