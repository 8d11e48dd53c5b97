//! A message whose time has come, which its sender chose (RFC 4865): it is submitted as if it came now, by a callback that knows
//! mailboxes and rules. Whom it could not be for any more has failed, and its sender is told.
//!
//! What is submitted is known by the number of the entry, so that a crash between that and the commit here doubles nothing.

use crate::entry::{Entry, LastReply, RecipientState};
use crate::error::Error;
use crate::queue::{Fate, Settled, too_late};
use crate::sender::Shared;
use smtp_proto::{Enhanced, Reply};
use std::sync::Arc;
use store::{Claim, Timestamp};

/// Submits a message whose time has come, for those who still wait: durable when it returns `Ok`. What is submitted twice, because
/// it could not be written down that it was, goes once. Called from the sender's threads, by one at a time.
pub type Releaser = Arc<dyn Fn(&Entry, Vec<u8>) -> Result<Released, Unreleased> + Send + Sync>;

/// What was submitted.
#[derive(Debug, Default)]
pub struct Released {
    /// The receipts to be answered once it is written down.
    pub claims: Vec<Claim>,
    /// Places of recipients whom it is not for any more, and why.
    pub refused: Vec<(usize, Reply)>,
}

/// Why a message was not submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreleased {
    /// Try again.
    Later(Reply),
    /// It comes back.
    Never(Reply),
}

impl Shared {
    pub(crate) fn release(&self, entry: &Entry, places: &[usize]) -> Result<Option<Entry>, Error> {
        let now = (self.clock)();
        if let Some(over) = too_late(entry, places, now) {
            return self.persist(|| self.queue.settle(entry.id, &over, now));
        }
        if !self.queue.begin_release(entry.id, now)? {
            return Ok(None);
        }
        let released = match self.queue.content_of(entry, u64::MAX) {
            Ok(content) => (self.release)(entry, content),
            Err(Error::NoSuchEntry) => return Ok(None),
            Err(Error::Damaged(why)) => {
                return self.set_aside(&crate::turns::Due::of(entry), &why).map(|()| None);
            }
            Err(error) => return Err(error),
        };
        let now = (self.clock)();
        let (settled, claims) = match released {
            Ok(Released { claims, refused }) => (settled(places, &refused, now), claims),
            Err(Unreleased::Later(reply)) => {
                let last = LastReply::new(&reply, false, now);
                let fate = Fate::Tried(RecipientState::Waiting { last: Some(last) });
                (places.iter().map(|place| (*place, fate.clone())).collect(), Vec::new())
            }
            Err(Unreleased::Never(reply)) => {
                let all: Vec<_> = places.iter().map(|place| (*place, reply.clone())).collect();
                (settled(places, &all, now), Vec::new())
            }
        };
        let failed: Settled = settled.iter().filter(|(_, fate)| !has_it(fate)).cloned().collect();
        self.log(entry, &failed);
        let after = self.persist(|| self.queue.settle(entry.id, &settled, now))?;
        claims.into_iter().for_each(Claim::answered);
        Ok(after)
    }
}

fn has_it(fate: &Fate) -> bool {
    matches!(fate, Fate::Tried(RecipientState::Delivered { .. }))
}

/// All have it but for those who are refused.
fn settled(places: &[usize], refused: &[(usize, Reply)], now: Timestamp) -> Settled {
    let submitted = LastReply::new(&Reply::new(250, Enhanced(2, 0, 0), "submitted"), false, now);
    let fate = |place: &usize| match refused.iter().find(|(refused, _)| refused == place) {
        None => RecipientState::Delivered { reply: submitted.clone(), untold: false },
        Some((_, reply)) => RecipientState::Failed { reply: LastReply::new(reply, false, now), reported: false },
    };
    places.iter().map(|place| (*place, Fate::Tried(fate(place)))).collect()
}
