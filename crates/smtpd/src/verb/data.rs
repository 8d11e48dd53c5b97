//! DATA (RFC 5321 §4.1.1.4).

use crate::replies;
use crate::session::{Phase, SmtpSession};
use smtp_proto::{Enhanced, Reply};

/// Where there is room for less, no message is begun.
const ROOM_BYTES_MIN: u64 = 64 * 1024;

pub(super) fn handle(session: &mut SmtpSession) -> Reply {
    if let Err(reply) = may_begin(session) {
        return reply;
    }
    if session.transaction.as_ref().is_some_and(|transaction| transaction.content.is_some()) {
        // RFC 3030 §2.
        return replies::out_of_order("DATA after BDAT");
    }
    session.receiver.begin_data(session.limits.message_bytes_max);
    session.begin_content(Phase::Data);
    Reply::plain(354, "Go ahead; end with CRLF.CRLF")
}

/// Whether content may come now: the same for BDAT.
pub(super) fn may_begin(session: &SmtpSession) -> Result<(), Reply> {
    let Some(transaction) = &session.transaction else {
        return Err(replies::out_of_order("MAIL and RCPT come first"));
    };
    if transaction.recipients() == 0 {
        return Err(match session.service.is_lmtp() {
            // RFC 2033 §4.2.
            true => replies::out_of_order("No valid recipients"),
            // RFC 5321 §3.3.
            false => Reply::new(554, Enhanced(5, 5, 1), "No valid recipients"),
        });
    }
    if transaction.content.is_none() && session.service.common.spool.available_to(session.holder()) < ROOM_BYTES_MIN {
        return Err(replies::no_space());
    }
    Ok(())
}
