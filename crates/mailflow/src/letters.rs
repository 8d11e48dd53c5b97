//! What the server itself writes: reports of the queue (bounces), and letters to people. Nothing comes back to it: the reverse
//! path is null (RFC 5321 §4.5.5).

use crate::flow::MailFlow;
use crate::outgoing::Top;
use crate::route::{Reach, Recipient, Route, Unroutable};
use message::content::Content;
use message::trace;
use queue::{NewEntry, ReportError};
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::{Actor, Claim, DeviceId, Error, Handover, Place, Protocol, Timestamp};
use tracing::warn;

impl MailFlow {
    /// Delivers a report into the mailbox of `address`. Gives the receipts to be answered once it does not come again.
    ///
    /// # Errors
    /// Whether and why it is to be tried again.
    pub fn deliver_report(
        &self,
        address: &str,
        content: &[u8],
        handover: Handover,
        now: Timestamp,
    ) -> Result<Vec<Claim>, ReportError> {
        let route = path(address).map(|path| self.route(&path, Reach::Local, now)).transpose();
        let refused = match route.map_err(|error| ReportError::Later(error.to_string()))? {
            Some(Route::Local(recipient)) => return self.put_into(&recipient, content, handover, now),
            Some(Route::Refused(why)) => why,
            Some(Route::Relay(_)) | None => Unroutable::NotLocal,
        };
        Err(not_delivered(address, refused))
    }

    /// Sends a letter, into a mailbox here or out. Whether it is under way: not to an outside address where there is no way
    /// out, and not when something fails, which is logged.
    #[must_use]
    pub fn send_letter(&self, to: &str, content: &[u8], now: Timestamp) -> bool {
        match self.try_to_send(to, content, now) {
            Ok(sent) => sent,
            Err(why) => {
                warn!(to, why, "a letter cannot be sent");
                false
            }
        }
    }

    fn try_to_send(&self, to: &str, content: &[u8], now: Timestamp) -> Result<bool, String> {
        let path = path(to).ok_or("this is no address")?;
        match self.route(&path, Reach::Everywhere, now).map_err(|error| error.to_string())? {
            Route::Local(recipient) => {
                let letter = Handover::new(&[b"letter", to.as_bytes(), content], now, 0);
                let claims = self.put_into(&recipient, content, letter, now).map_err(|why| format!("{why:?}"))?;
                claims.into_iter().for_each(Claim::answered);
                Ok(true)
            }
            Route::Relay(path) => {
                let entry = |content| NewEntry {
                    smtputf8: !to.is_ascii(),
                    ..NewEntry::new(ReversePath::Null, vec![path.into()], content)
                };
                let content = Arc::new(Content::new(content.to_vec()));
                let top = Top::signed(Vec::new());
                let sent = self.send_out(content, top, entry, now).map_err(|error| error.to_string())?;
                Ok(sent.is_some())
            }
            Route::Refused(Unroutable::NoWayOut) => Ok(false),
            Route::Refused(why) => Err(format!("{:?}", not_delivered(to, why))),
        }
    }

    fn put_into(
        &self,
        recipient: &Recipient,
        content: &[u8],
        handover: Handover,
        now: Timestamp,
    ) -> Result<Vec<Claim>, ReportError> {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now };
        let mut copy = Content::new(content.to_vec());
        copy.set_fields(&[&trace::return_path(""), &trace::delivered_to(&recipient.address)]);
        let (copy, mut claims) = (Arc::new(copy), Vec::new());
        for account in &recipient.accounts {
            match self.auth.store().account(*account).receive(actor, copy.clone(), handover, Place::Inbox) {
                Ok(received) => claims.push(received.claim),
                Err(Error::NoSuchAccount) => return Err(not_delivered(&recipient.address, Unroutable::NoSuchUser)),
                Err(error @ Error::InvalidContent(_)) => return Err(ReportError::Never(error.to_string())),
                Err(error) => return Err(ReportError::Later(error.to_string())),
            }
        }
        claims.extend(self.pass_on_report(recipient, content, handover, now)?);
        Ok(claims)
    }
}

/// An address as the queue or a person writes it. RFC 5321 §4.5.1: `postmaster` needs no domain.
fn path(address: &str) -> Option<ForwardPath> {
    if address.eq_ignore_ascii_case("postmaster") {
        return Some(ForwardPath::Postmaster);
    }
    address.parse().map(ForwardPath::Mailbox).ok()
}

fn not_delivered(address: &str, why: Unroutable) -> ReportError {
    match why {
        Unroutable::Full => ReportError::Later(format!("the mailbox of {address} is full")),
        Unroutable::NoSuchUser | Unroutable::NotReturned | Unroutable::NotLocal | Unroutable::NoWayOut => {
            ReportError::Never(format!("{address} has no mailbox here"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;
    use queue::{Policy, Queue};
    use store::sim::SIM_EPOCH;

    #[test]
    fn a_letter_goes_into_a_mailbox_here_or_out_through_the_smarthost() {
        let without = world().flow;
        let queue = Queue::open(without.auth.store(), Policy::default());
        let with = MailFlow { queue: Some(queue.clone()), ..without.clone() };
        let letter = b"Subject: x\r\n\r\nx\r\n";
        let queued = || queue.list(None, 10).unwrap().len();
        let send = |flow: &MailFlow, to: &str| flow.send_letter(to, letter, SIM_EPOCH);
        assert!(!send(&without, "carol@example.com"));
        assert!(!send(&without, "nobody@example.org") && !send(&without, "nonsense"));
        assert!(send(&without, "alice@example.org"));
        let alice = without.auth.directory().account("alice@example.org").unwrap().unwrap().id;
        let inbox = without.auth.store().account(alice).mailboxes().unwrap().iter().next().unwrap().counts.messages;
        assert_eq!((inbox, queued()), (1, 0));
        assert!(send(&with, "carol@example.com"));
        assert!(!send(&with, "a b@example.com"));
        assert_eq!(queued(), 1);
    }
}
