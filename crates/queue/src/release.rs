//! A message whose time has come, which its sender chose (RFC 4865): it is submitted as if it came now, by a callback that knows
//! mailboxes and rules. Whom it could not be for any more has failed, and its sender is told.
//!
//! What is submitted is known by the number of the entry, so that a crash between that and the commit here doubles nothing.

use crate::entry::{Entry, LastReply, RecipientState};
use crate::error::Error;
use crate::queue::{Fate, Heard, Settled, too_late};
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
    /// Places of recipients who cannot have it now, and why: it is submitted to them again, and the receipts are not answered.
    pub later: Vec<(usize, Reply)>,
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
            Err(error) => return Err(error),
        };
        let now = (self.clock)();
        let (settled, claims) = match released {
            Ok(Released { claims, refused, later }) => {
                (settled(places, &refused, &later, now), if later.is_empty() { claims } else { Vec::new() })
            }
            Err(Unreleased::Later(reply)) => (settled(places, &[], &all(places, &reply), now), Vec::new()),
            Err(Unreleased::Never(reply)) => (settled(places, &all(places, &reply), &[], now), Vec::new()),
        };
        let failed: Settled = settled.iter().filter(|(_, fate)| !has_it(fate)).cloned().collect();
        self.log(entry, &failed);
        let after = self.write_down(entry.id, &Heard::of(entry, settled))?;
        claims.into_iter().for_each(Claim::answered);
        Ok(after)
    }
}

fn has_it(fate: &Fate) -> bool {
    matches!(fate, Fate::Tried(RecipientState::Delivered { .. }))
}

fn all(places: &[usize], reply: &Reply) -> Vec<(usize, Reply)> {
    places.iter().map(|place| (*place, reply.clone())).collect()
}

/// All have it but for those who are refused, or cannot have it now.
fn settled(places: &[usize], refused: &[(usize, Reply)], later: &[(usize, Reply)], now: Timestamp) -> Settled {
    let submitted = LastReply::new(&Reply::new(250, Enhanced(2, 0, 0), "submitted"), false, now);
    let reply = |of: &[(usize, Reply)], place: &usize| {
        of.iter().find(|(of, _)| of == place).map(|(_, reply)| LastReply::new(reply, false, now))
    };
    let fate = |place: &usize| match (reply(refused, place), reply(later, place)) {
        (Some(reply), _) => RecipientState::Failed { reply, reported: false },
        (None, Some(reply)) => RecipientState::Waiting { last: Some(reply) },
        (None, None) => RecipientState::Delivered { reply: submitted.clone(), untold: false },
    };
    places.iter().map(|place| (*place, Fate::Tried(fate(place)))).collect()
}
