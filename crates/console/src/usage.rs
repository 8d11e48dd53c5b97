//! How full the mailbox of an account is, what removed mail takes beside it, and what can be cleared.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::letters::{self, Letterhead};
use crate::moment::shown;
use crate::words;
use serde::{Deserialize, Serialize};
use store::{ClearReport, ClearRequest, Flags, NewMessage, OnProgress, Timestamp};

/// How full the mailbox of an account is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCard {
    /// Octets in all mailboxes; a copy counts again.
    pub used_bytes: u64,
    /// Messages, copies included.
    pub messages: u64,
    /// So many octets at most; `None`: as many as there is disk.
    pub quota_bytes: Option<u64>,
    /// So many messages at most; `None`: as many as there may be octets.
    #[serde(default)]
    pub quota_messages: Option<u64>,
    /// Hundredths of the quota, of what is nearer to it.
    pub percent: Option<u64>,
    /// Whether something should be done about it ([`store::FILLING_PERCENT`]).
    pub is_filling: bool,
    /// The same in words.
    pub text: String,
    /// What was removed and can still be put back, beside the quota.
    pub retained: RetainedCard,
    /// What is known of what devices did, beside the quota.
    pub history: HistoryCard,
    /// What every POP device has, if there is any.
    pub clearable: Option<Clearable>,
}

/// What was removed and can still be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedCard {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
    /// So many octets at most; the oldest go first.
    pub bytes_max: u64,
    /// When the first of them was removed.
    pub oldest_at: Option<String>,
    /// The same in words.
    pub text: String,
}

/// The journal: what each device did, for the timeline and undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryCard {
    /// Octets.
    pub bytes: u64,
    /// So many at most; the oldest go first.
    pub bytes_max: u64,
    /// When the first thing happened that is still known.
    pub since: Option<String>,
    /// The same in words.
    pub text: String,
}

/// Mail that every POP device has: removing it makes room, and the devices keep their copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clearable {
    /// Messages.
    pub messages: usize,
    /// Their octets.
    pub bytes: u64,
    /// When the oldest of them arrived.
    pub oldest_at: Option<String>,
    /// The question to the owner.
    pub text: String,
}

/// What is to be cleared of what every POP device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClearAsk {
    /// Only what arrived more than so many days ago; 0 is as good as nothing.
    pub older_than_days: Option<u16>,
    /// Only tell what would happen.
    pub dry_run: bool,
}

/// What was cleared, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearAnswer {
    /// Whether nothing was done yet.
    pub dry_run: bool,
    /// Messages.
    pub messages: usize,
    /// Their octets.
    pub bytes: u64,
    /// Of these so many cannot be put back.
    pub lost_bytes: u64,
    /// The same in words.
    pub text: Vec<String>,
    /// Its entry in the journal, to undo it by.
    pub entry: Option<u64>,
}

impl AccountConsole {
    /// How full the mailbox is.
    ///
    /// # Errors
    /// Faults.
    pub fn usage(&self) -> Result<UsageCard, Error> {
        let usage = self.account.usage()?;
        Ok(UsageCard {
            used_bytes: usage.bytes,
            messages: usage.messages,
            quota_bytes: usage.quota.bytes,
            quota_messages: usage.quota.messages,
            percent: usage.percent(),
            is_filling: usage.is_filling(),
            text: words::usage(&usage),
            retained: self.retained()?,
            history: self.history()?,
            clearable: self.clearable()?,
        })
    }

    /// How full the mailbox is, in words, if something should be done about it.
    ///
    /// # Errors
    /// Faults.
    pub fn filling(&self) -> Result<Option<String>, Error> {
        let usage = self.account.usage()?;
        Ok(usage.is_filling().then(|| words::usage(&usage)))
    }

    /// What was removed and can still be put back.
    ///
    /// # Errors
    /// Faults.
    pub fn retained(&self) -> Result<RetainedCard, Error> {
        let (retained, oldest) = (self.account.retained()?, self.account.retained_since()?);
        let bytes_max = self.account.retention_bytes_max();
        let oldest_at = oldest.map(shown);
        let text = words::retained(&retained, oldest_at.as_deref());
        Ok(RetainedCard { messages: retained.messages, bytes: retained.bytes, bytes_max, oldest_at, text })
    }

    fn history(&self) -> Result<HistoryCard, Error> {
        let (bytes, bytes_max) = (self.account.history_bytes()?, self.account.history_bytes_max());
        let since = self.account.history_since()?.map(shown);
        let text = words::history(bytes, bytes_max, since.as_deref());
        Ok(HistoryCard { bytes, bytes_max, since, text })
    }

    fn clearable(&self) -> Result<Option<Clearable>, Error> {
        let request = ClearRequest { dry_run: true, ..ClearRequest::default() };
        let ClearReport { messages, bytes, oldest, .. } = self.account.clear_taken(self.actor, request)?;
        let text = words::clearable(messages, bytes);
        Ok((messages > 0).then(|| Clearable { messages, bytes, oldest_at: oldest.map(shown), text }))
    }

    /// Removes what every POP device has from INBOX and filed mail, but not what is flagged. `watch` is told how far a
    /// long one is.
    ///
    /// # Errors
    /// Faults.
    pub fn clear(&self, ask: &ClearAsk, watch: OnProgress<'_>) -> Result<ClearAnswer, Error> {
        let days = ask.older_than_days.filter(|days| *days > 0);
        let before: Option<Timestamp> = days.map(|days| self.actor.now.days_before(days));
        let request = ClearRequest { before, bytes: None, dry_run: ask.dry_run };
        let report = self.account.clear_taken_watched(self.actor, request, watch)?;
        let ClearReport { messages, bytes, lost_bytes, entry, .. } = report;
        let text = words::cleared(&report);
        let entry = entry.map(|entry| entry.0);
        Ok(ClearAnswer { dry_run: ask.dry_run, messages, bytes, lost_bytes, text, entry })
    }

    /// Tells the owner by a message in INBOX that the mailbox fills up, once; the actor should be the server. Whether the
    /// message was written.
    ///
    /// # Errors
    /// Faults.
    pub fn tell_of_filling(&self, head: &Letterhead) -> Result<bool, Error> {
        let is_due = self.account.must_tell_of_filling()?;
        let letter = if is_due { Some(self.letter(head)?) } else { None };
        Ok(self.account.tell_of_filling(self.actor, letter)?.is_some())
    }

    /// Tells the owner that removed mail has left retention early, because the server's disk is full.
    ///
    /// # Errors
    /// Faults.
    pub fn tell_of_shorter_retention(&self, head: &Letterhead) -> Result<(), Error> {
        let since = self.account.retained_since()?;
        let body = head.writing_to(&self.account, || letters::shorter_retention_letter(since, head, self.actor.now));
        Ok(self.account.write_letter(self.actor.now, body)?)
    }

    fn letter(&self, head: &Letterhead) -> Result<NewMessage, Error> {
        let usage = self.account.usage()?;
        let body = head.writing_to(&self.account, || {
            let clearable = self.clearable()?;
            Ok::<_, Error>(letters::filling_letter(&usage, clearable.as_ref(), head, self.actor.now))
        })?;
        Ok(NewMessage { body, flags: Flags::default(), internal_date: self.actor.now })
    }
}
