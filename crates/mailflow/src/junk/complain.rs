//! Senders who ask for it are told that somebody has moved their mail into Junk (RFC 9477): who has proven, when the message came, that
//! they want it, of what came from elsewhere, each once and not many of one account.
//!
//! What a crash comes between is never told: one complaint less is no loss, and none twice.

use crate::flow::MailFlow;
use reports::{About, OwnComplaint, OwnComplaints, Reporter, Wish};
use store::{Account, Claim, EmailId, Error, Handover, Protocol, Store, Timestamp};
use tracing::{info, warn};

/// What was sent, and in whose name.
#[derive(Clone)]
pub(crate) struct Complaining {
    sent: OwnComplaints,
    /// `None`: a postmaster's.
    from: Option<String>,
}

impl Complaining {
    pub(crate) fn new(store: &Store, from: Option<String>) -> Self {
        Self { sent: OwnComplaints::of(store), from }
    }
}

impl MailFlow {
    /// Takes away what is known of complaints of long ago.
    pub fn forget_complaints(&self, now: Timestamp) {
        let Some(complaining) = &self.complaining else { return };
        if let Err(error) = complaining.sent.forget(now) {
            warn!(%error, "what senders were told long ago is not forgotten yet");
        }
    }

    /// Tells the senders of messages that the owner of an account has moved into Junk.
    pub(super) fn complain(&self, account: &Account, moved: &[EmailId], now: Timestamp) -> Result<(), Error> {
        let Some(Complaining { sent, from }) = &self.complaining else { return Ok(()) };
        let Some(reporter) = Reporter::of(&self.hostname, from.as_deref(), self.auth.directory())? else {
            return Ok(());
        };
        for email in moved {
            let header = match account.reader()?.header(*email) {
                Err(Error::NoSuchMessage) => continue,
                header => header?,
            };
            let Some(wish) = Wish::of(&header, &self.hostname) else { continue };
            if !came(account, *email)? || !sent.may(account.id(), *email, now)? {
                continue;
            }
            let mut to = wish.to.clone();
            to.retain(|to| self.complain_to(account, *email, (&wish, to), (&reporter, now)));
            if !to.is_empty() {
                let subject = About::of(&header).subject;
                sent.note(account.id(), &OwnComplaint { at_millis: now.0, email: email.0, subject, to })?;
            }
        }
        Ok(())
    }

    /// Whether the report is under way.
    fn complain_to(
        &self,
        account: &Account,
        email: EmailId,
        (wish, to): (&Wish, &str),
        (reporter, now): (&Reporter, Timestamp),
    ) -> bool {
        let parts: [&[u8]; 4] = [b"complaint", &account.id().0.to_be_bytes(), &email.0.to_be_bytes(), to.as_bytes()];
        let name = format!("{:x}.{:x}", now.0, self.next_serial());
        let report = wish.report(to, reporter, (&name, now));
        match self.post(to, &report, Handover::new(&parts, now, 0), now) {
            Ok(claims) => {
                claims.into_iter().for_each(Claim::answered);
                info!(account = %account.id(), email = email.text(), to, "complaint sent");
                true
            }
            Err(why) => {
                warn!(account = %account.id(), to, why = ?why, "a complaint is not sent");
                false
            }
        }
    }
}

/// Whether a message came from elsewhere. What somebody put here says of itself what they like.
fn came(account: &Account, email: EmailId) -> Result<bool, Error> {
    let history = account.message_history(email)?;
    Ok(history.first().is_some_and(|first| matches!(first.protocol, Protocol::Smtp | Protocol::Lmtp)))
}
