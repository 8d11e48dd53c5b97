//! BDAT (RFC 3030 §2).

use super::data::may_begin;
use crate::replies;
use crate::session::{Phase, Session};
use smtp_proto::{Bdat, Reply};

/// The answer to a refused chunk; to another the answer comes when it is here.
pub(super) fn handle(session: &mut Session, bdat: Bdat) -> Option<Reply> {
    // RFC 3030 §2: the octets of a refused chunk come nevertheless; the machine skips them.
    if let Err(reply) = may_begin(session) {
        return Some(reply);
    }
    let is_first = session.transaction.as_ref().is_some_and(|transaction| transaction.chunks.is_none());
    let chunks = session.transaction.as_mut().and_then(|transaction| transaction.chunks.replace(Vec::new()));
    session.receiver.begin_chunk(chunks.unwrap_or_default(), session.service.common.limits.message_bytes_max);
    let phase = Phase::Chunk { is_last: bdat.last };
    if is_first {
        session.begin_content(phase)
    } else {
        session.phase = phase
    }
    None
}

/// All chunks so far.
pub(crate) fn chunk(session: &mut Session, chunks: Vec<u8>) -> Reply {
    session.phase = Phase::Command;
    let Some(transaction) = &mut session.transaction else {
        return replies::out_of_order("No message is under way");
    };
    // What came in one piece with its command is not counted yet.
    if !transaction.reservation.grow_to(chunks.len()) {
        session.end_transaction();
        return replies::no_space();
    }
    transaction.chunks = Some(chunks);
    replies::ok("Chunk ok")
}
