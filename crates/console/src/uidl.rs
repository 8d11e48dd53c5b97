//! UIDLs of another server: what messages here are known by, and which UIDLs they get.

use crate::account::AccountConsole;
use crate::checking::Steps;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::{EmailId, UidlOutcome};
use uidl_import::Mark;
use wording::tr;

/// One call names at most so many UIDLs.
pub const UIDLS_MAX: usize = 2000;

/// What a message is known by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMark {
    /// EMAILID.
    pub id: String,
    /// A digest of its octets.
    pub content: String,
    /// RFC 5322 §3.6.4; empty where it has none.
    pub message_id: String,
}

/// What became of a UIDL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptUidl {
    /// EMAILID.
    pub id: String,
    /// The UIDL.
    pub uidl: String,
    /// What became of it.
    pub outcome: UidlResult,
}

/// What became of a UIDL: [`UidlOutcome`] in the words of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UidlResult {
    /// The message has it now, or would have it.
    Kept,
    /// The message has had it already.
    Same,
    /// It is none.
    Invalid,
    /// Another message has it.
    InUse,
    /// The message has another one.
    HasAnother,
    /// A POP device knows the message under its own already.
    Downloaded,
    /// The message is gone.
    NoMessage,
}

impl AccountConsole {
    /// What each message is known by, in order of arrival.
    ///
    /// # Errors
    /// `step` fails; faults.
    pub fn marks(&self, step: Steps<'_, MessageMark>) -> Result<(), Error> {
        let mut emails = BTreeSet::new();
        for mailbox in self.account.mailboxes()?.iter() {
            emails.extend(self.account.view(mailbox.id)?.index().iter().map(|entry| entry.email));
        }
        let reader = self.account.reader()?;
        for email in emails {
            match reader.body(email) {
                Ok(body) => {
                    let Mark { content, message_id } = mark_of(&body);
                    step(MessageMark { id: email.text(), content, message_id })?;
                }
                // It has gone since.
                Err(store::Error::NoSuchMessage) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives messages, by their EMAILID, the UIDLs that they had on another server; what became of each. `dry_run`: what
    /// would.
    ///
    /// # Errors
    /// What is no EMAILID; faults.
    pub fn keep_uidls(&self, uidls: &[(&str, &str)], dry_run: bool) -> Result<Vec<KeptUidl>, Error> {
        let parsed = uidls.iter().map(|(id, uidl)| Ok((id.parse()?, (*uidl).to_owned())));
        let parsed: Result<Vec<(EmailId, String)>, store::NotAnEmailId> = parsed.collect();
        let parsed = parsed.map_err(|_| Error::refused(tr!("a message's id is not an EMAILID")))?;
        let outcomes = self.account.keep_uidls(self.actor, parsed, dry_run)?;
        let kept = uidls.iter().zip(outcomes).map(|((id, uidl), outcome)| KeptUidl {
            id: (*id).to_owned(),
            uidl: (*uidl).to_owned(),
            outcome: outcome.into(),
        });
        Ok(kept.collect())
    }
}

/// What a message is known by, here and on another server: line ends count as one, whichever they are.
#[must_use]
pub fn mark_of(octets: &[u8]) -> Mark {
    let canonical = message::line_ends::canonical(octets);
    let message_id = message::header::find(&canonical, "message-id");
    Mark {
        content: blake3::hash(&canonical).to_hex().to_string(),
        message_id: message_id.map_or_else(String::new, |id| String::from_utf8_lossy(&id.unfolded()).into_owned()),
    }
}

impl From<UidlOutcome> for UidlResult {
    fn from(outcome: UidlOutcome) -> Self {
        match outcome {
            UidlOutcome::Kept => Self::Kept,
            UidlOutcome::Same => Self::Same,
            UidlOutcome::Invalid => Self::Invalid,
            UidlOutcome::InUse => Self::InUse,
            UidlOutcome::HasAnother => Self::HasAnother,
            UidlOutcome::Downloaded => Self::Downloaded,
            UidlOutcome::NoMessage => Self::NoMessage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_whatever_its_line_ends() {
        let (unix, mail) =
            (mark_of(b"A: b\nMessage-ID:\n <x@y>\n\nc\n"), mark_of(b"A: b\r\nMessage-ID:\r\n <x@y>\r\n\r\nc\r\n"));
        assert_eq!(unix, mail);
        assert_eq!(mail.message_id, "<x@y>");
        assert_ne!(mail.content, mark_of(b"A: b\r\n\r\nc\r\n").content);
        assert_eq!(mark_of(b"").message_id, "");
    }
}
