//! What comes in, one message after the other, as one line of the timeline.

use super::{MESSAGES_NAMED_MAX, TimelineLine};
use crate::error::Error;
use crate::moment::shown;
use crate::names::Names;
use crate::words;
use store::{Change, DeviceId, JournalEntry, MailboxId, OfMessages, Protocol};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// The mailbox that mail from elsewhere came into, and the day; what has both in common is one line.
pub(super) fn of(entry: &JournalEntry) -> Option<(MailboxId, i64)> {
    let is_delivery = matches!(entry.protocol, Protocol::Smtp | Protocol::Lmtp) && entry.device == DeviceId(0);
    match &entry.change {
        Change::Messages(OfMessages::Added { mailbox, .. }) if is_delivery => {
            Some((*mailbox, entry.at.0.div_euclid(DAY_MILLIS)))
        }
        Change::Messages(_) | Change::Mailbox(_) | Change::Pop(_) | Change::Device(_) | Change::Account(_) => None,
    }
}

/// Adds an earlier arrival, which has [`of`] in common with the line.
pub(super) fn fold(line: &mut TimelineLine, entry: &JournalEntry, names: &Names<'_>) -> Result<(), Error> {
    let emails = entry.change.emails();
    line.count += emails.len();
    line.first_at = Some(shown(entry.at));
    if let Some((mailbox, _)) = of(entry) {
        line.text = words::came(line.count, &names.mailbox(mailbox));
    }
    for email in emails.iter().take(MESSAGES_NAMED_MAX.saturating_sub(line.messages.len())) {
        line.messages.push(names.message(*email)?);
    }
    Ok(())
}
