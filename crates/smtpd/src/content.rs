//! The content of a message, for all three services. While it comes in it lies in the spool; what becomes of it once its end
//! is found says `message::content`. Where a message ends is not decided here but in `smtp_proto::data`: at CRLF.CRLF and
//! nowhere else.

use crate::replies;
use message::content::{self, HasNul};
use smtp_proto::Reply;
use std::sync::Arc;
use store_objects::{Holder, Incoming, NotTaken, Spool, Whole};
use tracing::error;

/// A longer message is not taken in by a step that nobody announced, and gets into memory in its turn.
pub(crate) const UNANNOUNCED_BYTES_MAX: u64 = 256 * 1024;

/// Content that is coming in.
pub(crate) enum Content {
    Coming(Incoming),
    /// What still comes is passed over, and the end answered so.
    NotTaken(Reply),
}

impl Content {
    pub(crate) fn begin(spool: &Arc<Spool>, holder: Holder) -> Self {
        Self::Coming(spool.begin(holder))
    }

    pub(crate) fn push(&mut self, octets: &[u8]) {
        if let Self::Coming(incoming) = self
            && let Err(why) = incoming.push(octets)
        {
            *self = Self::NotTaken(not_taken(&why));
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Coming(incoming) => incoming.len(),
            Self::NotTaken(_) => 0,
        }
    }

    /// What `look` finds in the message; `None` if it cannot be read, which its end tells too. It is not kept in memory: what is
    /// found out about its sender is waited for.
    pub(crate) fn look<T>(&self, spool: &Arc<Spool>, holder: Holder, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let Self::Coming(incoming) = self else { return None };
        let bytes = incoming.len();
        let _room = (bytes > UNANNOUNCED_BYTES_MAX).then(|| spool.whole(holder, bytes));
        let content = content::transferred(incoming.to_whole(0).ok()?).ok()?;
        Some(look(&content))
    }

    /// The message as it is to be kept, with its room in memory; or why it is refused.
    pub(crate) fn complete(self, spool: &Arc<Spool>, holder: Holder) -> Result<(Vec<u8>, Option<Whole>), Reply> {
        let incoming = match self {
            Self::Coming(incoming) => incoming,
            Self::NotTaken(reply) => return Err(reply),
        };
        let bytes = incoming.len();
        let room = (bytes > UNANNOUNCED_BYTES_MAX).then(|| spool.whole(holder, bytes));
        let whole = incoming.into_whole(content::ROOM_BYTES).map_err(|why| not_taken(&why))?;
        let content = content::transferred(whole).map_err(|HasNul| replies::nul())?;
        Ok((content, room))
    }
}

fn not_taken(why: &NotTaken) -> Reply {
    match why {
        NotTaken::TooMuch | NotTaken::Full => replies::no_space(),
        NotTaken::Failed(what) => {
            error!(what, "a message that comes in cannot be kept");
            replies::fault()
        }
    }
}
