//! What the server itself writes: reports on messages, and letters to people. Nothing comes back to it: the reverse path is null
//! (RFC 5321 §4.5.5). How reports are worded: `letters/words.rs`, what programs read of them: `letters/status.rs`.

mod reports;
mod status;
mod words;

use crate::arrival::Arrival;
use crate::flow::MailFlow;
use crate::outcome::{Delivered, RecipientOutcome};
use crate::outgoing::Top;
use crate::route::{Reach, Recipient, Route, Unroutable};
use message::content::Content;
use message::trace;
use queue::{NewEntry, Notice, ReportError, TlsWish};
use reports::{Letter, Success};
use sender_auth::SpfResult;
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::{Actor, Claim, DeviceId, Error, Handover, Place, Protocol, Timestamp};
use tracing::{info, warn};

impl MailFlow {
    /// Tells somebody what the queue has to tell, in a letter. Gives the receipts to be answered once it does not come again.
    ///
    /// # Errors
    /// Whether and why it is to be tried again.
    pub fn deliver_report(&self, notice: Notice<'_>, now: Timestamp) -> Result<Vec<Claim>, ReportError> {
        let to = reports::whom(&notice).unwrap_or_default();
        let letter = self.writing_to(to, || reports::of(notice, &self.hostname, now));
        let Some(Letter { to, content, handover, tls }) = letter else { return Ok(Vec::new()) };
        self.post_over(tls, &to, &content, handover, now)
    }

    /// Tells the sender of a message that it is in mailboxes here, where that is wanted (RFC 3461 §5.2.3). Gives the receipts
    /// to be answered with those of the message. It does not keep the message from being taken: if it fails the log says so.
    ///
    /// Not told is who may not be the sender: a stranger could have reports sent to anybody.
    pub(crate) fn tell_of_success(
        &self,
        arrival: &Arrival,
        delivered: &Delivered,
        now: Timestamp,
        original: &[u8],
    ) -> Vec<Claim> {
        // Where one answer is for all, the message comes again for all; what waited for its time does for the others alone.
        let has_waited = arrival.envelope.appointment.is_some_and(|appointment| appointment.came_at < appointment.at);
        let answers_each = arrival.envelope.source.protocol == Protocol::Lmtp || has_waited;
        let comes_again = !answers_each && delivered.worst() != RecipientOutcome::Delivered;
        if arrival.from.is_empty() || comes_again || !is_known(arrival) {
            return Vec::new();
        }
        let is_told = |(recipient, outcome): &(&Recipient, &RecipientOutcome)| {
            let is_here = **outcome == RecipientOutcome::Delivered && !recipient.accounts.is_empty();
            is_here && recipient.reports.notify.is_some_and(|notify| notify.success)
        };
        let told = arrival.envelope.local.iter().zip(&delivered.outcomes).filter(is_told);
        let recipients: Vec<_> =
            told.map(|(recipient, _)| (recipient.address.as_str(), recipient.reports.original.as_ref())).collect();
        if recipients.is_empty() {
            return Vec::new();
        }
        let Handover { digest, at, serial } = arrival.handover;
        // To other recipients it is another report.
        let whom: Vec<u8> = recipients.iter().flat_map(|(address, _)| [address.as_bytes(), b"\n"].concat()).collect();
        let success = Success {
            to: &arrival.from,
            id: &arrival.id,
            reports: &arrival.envelope.reports,
            appointment: arrival.envelope.appointment,
            recipients: &recipients,
            original,
            handover: Handover::new(&[b"success", &digest, &whom], at, serial),
            tls: arrival.envelope.tls(),
        };
        let (id, to) = (&arrival.id, &arrival.from);
        let letter = self.writing_to(to, || reports::of_success(&success, &self.hostname, now));
        let Letter { content, handover, tls, .. } = letter;
        match self.post_over(tls, to, &content, handover, now) {
            Ok(claims) => {
                info!(id, to, "success told");
                claims
            }
            Err(why) => {
                warn!(id, to, ?why, "the sender could not be told that a message was delivered");
                Vec::new()
            }
        }
    }

    /// Sends a report to the owner of another domain; one that was sent before is not sent again. Gives the receipts to be answered
    /// once it does not come again.
    ///
    /// # Errors
    /// Whether and why it is to be tried again.
    pub fn send_report(&self, report: &::reports::Letter, now: Timestamp) -> Result<Vec<Claim>, ReportError> {
        self.post(&report.to, &report.content, report.handover, now)
    }

    /// Into a mailbox here, or out.
    pub(crate) fn post(
        &self,
        to: &str,
        content: &[u8],
        handover: Handover,
        now: Timestamp,
    ) -> Result<Vec<Claim>, ReportError> {
        self.post_over(TlsWish::Usual, to, content, handover, now)
    }

    fn post_over(
        &self,
        tls: TlsWish,
        to: &str,
        content: &[u8],
        handover: Handover,
        now: Timestamp,
    ) -> Result<Vec<Claim>, ReportError> {
        let route = path(to).map(|path| self.route(&path, Reach::Everywhere, &ReversePath::Null, now)).transpose();
        match route.map_err(|error| ReportError::Later(error.to_string()))? {
            Some(Route::Local(recipient)) => self.put_into(&recipient, content, handover, now),
            Some(Route::Relay(path)) => {
                let entry = |shared| NewEntry {
                    smtputf8: !to.is_ascii() || has_utf8_header(content),
                    tls,
                    handover: Some(handover),
                    ..NewEntry::new(ReversePath::Null, vec![path.into()], shared)
                };
                match self.send_out(Arc::new(Content::new(content.to_vec())), Top::signed(Vec::new()), entry, now) {
                    Ok(sent) => Ok(sent.and_then(|sent| sent.claim).into_iter().collect()),
                    Err(error) => Err(ReportError::Later(error.to_string())),
                }
            }
            Some(Route::Refused(why)) => Err(not_delivered(to, why)),
            None => Err(not_delivered(to, Unroutable::NotLocal)),
        }
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
        match self.route(&path, Reach::Everywhere, &ReversePath::Null, now).map_err(|error| error.to_string())? {
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
            Route::Refused(Unroutable::NoWayOut | Unroutable::NotSent | Unroutable::NotSentFrom) => Ok(false),
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
        if let Some(list) = &recipient.list {
            return match self.report_to_list(list, content, now) {
                Ok(true) => Ok(Vec::new()),
                Ok(false) => Err(not_delivered(&recipient.address, Unroutable::NoSuchUser)),
                Err(error) => Err(ReportError::Later(error.to_string())),
            };
        }
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

/// RFC 6532: whether it goes only where SMTPUTF8 is on offer.
fn has_utf8_header(content: &[u8]) -> bool {
    !content.get(..message::header::end(content)).unwrap_or_default().is_ascii()
}

/// Whether the reverse path is that of whoever sent the message: an account here, a mail system of ours, a program on this
/// machine, or a host that may send for that domain.
fn is_known(arrival: &Arrival) -> bool {
    let source = &arrival.envelope.source;
    match (&arrival.sender, source.protocol) {
        (Some(sender), _) => sender.introduction.mail_from.result == SpfResult::Pass,
        (None, Protocol::Smtp) => source.client.to_canonical().is_loopback(),
        (None, _) => true,
    }
}

fn not_delivered(address: &str, why: Unroutable) -> ReportError {
    match why {
        Unroutable::Full => ReportError::Later(format!("the mailbox of {address} is full")),
        Unroutable::NoSuchUser
        | Unroutable::NotReturned
        | Unroutable::NotLocal
        | Unroutable::NoWayOut
        | Unroutable::NotSent
        | Unroutable::NotSentFrom => ReportError::Never(format!("{address} has no mailbox here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::world;
    use queue::{Policy, Queue, Via, Ways};
    use store::LanguageTag;
    use store::sim::SIM_EPOCH;
    use wording::Language;

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

    #[test]
    fn a_letter_of_the_server_leaves_the_way_of_its_hostname() {
        let flow = world().flow;
        let queue = Queue::open(flow.auth.store(), Policy::default());
        let ways = |name: &str| Ways {
            senders: [(name.to_owned(), Via::Refuse)].into(),
            hostname: flow.hostname.to_string(),
            ..Ways::all(Via::Mx)
        };
        let send = |name| {
            let flow = MailFlow { queue: Some(queue.clone().with_ways(ways(name))), ..flow.clone() };
            flow.send_letter("carol@example.com", b"Subject: x\r\n\r\nx\r\n", SIM_EPOCH)
        };
        assert!(!send("mail.example.org"));
        assert!(send("example.org"));
        assert_eq!(queue.list(None, 10).unwrap().len(), 1);
    }

    #[test]
    fn whoever_is_written_to_is_spoken_to_in_their_language_and_else_in_that_of_the_server() {
        let flow = world().flow.with_language(Language::German);
        let alice = flow.auth.directory().account("alice@example.org").unwrap().unwrap().id;
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: SIM_EPOCH };
        let chosen = |settings: &mut store::AccountSettings| settings.language = LanguageTag::new("ja");
        flow.auth.store().account(alice).change_settings(actor, chosen).unwrap();
        for (to, language) in [
            ("alice@example.org", Language::Japanese),
            ("Alice+x@example.org", Language::Japanese),
            ("nobody@example.org", Language::German),
            ("carol@example.com", Language::German),
            ("postmaster", Language::German),
        ] {
            assert_eq!(flow.writing_to(to, wording::language), language, "{to}");
        }
        assert_eq!(wording::language(), Language::English);
    }
}
