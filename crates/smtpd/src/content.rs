//! What becomes of a message once its end is found, for all three services: what `message::content` says. Where a message
//! ends is not decided here but in `smtp_proto::data`: at CRLF.CRLF and nowhere else.

use crate::replies;
use message::content::{self, HasNul};
use smtp_proto::{Body, Reply};

/// The message as it is to be kept, or why it is refused.
pub(crate) fn accept(body: Body) -> Result<Vec<u8>, Reply> {
    content::transferred(body.bytes).map_err(|HasNul| replies::nul())
}
