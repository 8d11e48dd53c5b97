//! Senders who ask for it are told that somebody has moved their mail into Junk (RFC 9477): who has proven, when the message came, that
//! they want it, of what came from elsewhere, each once and not many of one account.
//!
//! What a crash comes between is never told: one complaint less is no loss, and none twice.

use crate::flow::MailFlow;
use reports::{About, OwnComplaint, OwnComplaints, Reporter, Wish};
use store::{Account, Claim, EmailId, Error, Handover, MessageChange, Protocol, Role, Store, Timestamp};
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

    /// Tells the senders of messages that the owner of an account has moved into Junk. Where that fails it stays undone.
    pub(super) fn complain(&self, account: &Account, moved: &[EmailId], now: Timestamp) {
        let Some(complaining) = &self.complaining else { return };
        let reporter = Reporter::of(&self.hostname, complaining.from.as_deref(), self.auth.directory());
        let told = match &reporter {
            Ok(Some(reporter)) => {
                moved.iter().map(|email| self.complain_about(account, *email, (reporter, now))).collect()
            }
            Ok(None) => Vec::new(),
            Err(error) => vec![Err(error.clone())],
        };
        for error in told.into_iter().filter_map(Result::err) {
            warn!(account = %account.id(), %error, "the sender of what was moved into Junk is not told");
        }
    }

    fn complain_about(
        &self,
        account: &Account,
        email: EmailId,
        (reporter, now): (&Reporter, Timestamp),
    ) -> Result<(), Error> {
        let Some(Complaining { sent, .. }) = &self.complaining else { return Ok(()) };
        let header = match account.reader()?.header(email) {
            Err(Error::NoSuchMessage) => return Ok(()),
            header => header?,
        };
        let Some(wish) = Wish::of(&header, &self.hostname) else { return Ok(()) };
        if !came(account, email)? || !sent.may(account.id(), email, now)? {
            return Ok(());
        }
        let mut to = wish.to.clone();
        to.retain(|to| self.complain_to(account, email, (&wish, to), (reporter, now)));
        if !to.is_empty() {
            let subject = About::of(&header).subject;
            sent.note(account.id(), &OwnComplaint { at_millis: now.0, email: email.0, subject, to })?;
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

/// Whether a message came from elsewhere, and not into Junk: then it was a filter that took it for junk, and whoever moves it there again,
/// or has undone what moved it out, says nothing new. What somebody put here says of itself what they like.
fn came(account: &Account, email: EmailId) -> Result<bool, Error> {
    let history = account.message_history(email)?;
    let Some(first) = history.first().filter(|first| matches!(first.protocol, Protocol::Smtp | Protocol::Lmtp)) else {
        return Ok(false);
    };
    let mailboxes = account.mailboxes()?;
    let is_junk = |mailbox| mailboxes.by_id(mailbox).is_some_and(|mailbox| mailbox.role == Some(Role::Junk));
    Ok(matches!(first.what, MessageChange::Arrived(mailbox) if !is_junk(mailbox)))
}
