//! EXPN (RFC 5321 §4.1.1.7): is not offered (§7.3).

use crate::replies;
use smtp_proto::Reply;

pub(super) fn handle() -> Reply {
    replies::not_here("Lists are not told")
}
