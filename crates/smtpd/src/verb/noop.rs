//! NOOP (RFC 5321 §4.1.1.9).

use crate::replies;
use smtp_proto::Reply;

pub(super) fn handle() -> Reply {
    replies::ok("Done")
}
