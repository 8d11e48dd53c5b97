//! The index by Message-ID is brought up to date: after a delivery, not in it.

use super::Account;
use super::sent::NAMESAKES_MAX;
use crate::error::Error;
use crate::identity::{Name, Own};
use crate::ids::EmailId;
use crate::key;
use crate::record::EmailRecord;
use crate::state;
use crate::tx::{Row, Tx};
use message::Summary;
use std::ops::ControlFlow;

/// One transaction indexes at most so many messages.
const NAMED_PER_COMMIT_MAX: usize = 2000;

impl Account {
    /// Brings the index by Message-ID up to date, at most `commits` times 2,000 messages of it; what is left is for the next
    /// time. Cheap when there is nothing to do. Gives how many messages it looked at.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn index_message_ids(&self, commits: usize) -> Result<usize, Error> {
        let mut looked_at = 0;
        for _ in 0..commits {
            let record = &self.cell.state()?.record;
            if record.named_to >= record.last_email {
                break;
            }
            looked_at += self.transact(index_some)?;
        }
        Ok(looked_at)
    }

    /// The messages with a Message-ID, which is given without angle brackets: the oldest first. Of mail that came just now none
    /// may be found ([`Self::index_message_ids`]); what the account sent is.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn with_message_id(&self, id: &[u8]) -> Result<Vec<EmailId>, Error> {
        let snapshot = self.snapshot()?;
        let mut found = Vec::new();
        state::scan_while(&*snapshot, key::all_named(Name::of_message_id(id)), |key, _| {
            found.push(email_of(key.get(8..).unwrap_or_default())?);
            Ok(if found.len() < NAMESAKES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let reader = self.reader()?;
        let has_it = |email: &EmailId| {
            let summary = reader.summary(*email).ok();
            let found = summary.and_then(|summary| summary.envelope.message_id);
            found.as_deref().and_then(message::refers::message_id) == Some(id)
        };
        // The name is a hash.
        found.retain(has_it);
        Ok(found)
    }
}

fn index_some(tx: &mut Tx<'_>) -> Result<usize, Error> {
    let next = EmailId(tx.state.record.named_to.0.saturating_add(1));
    let (_, end) = key::kind(b'E');
    let rows = tx.rows((key::email(next), end), NAMED_PER_COMMIT_MAX)?;
    for row in &rows {
        name(tx, row)?;
    }
    let named_to = match rows.last() {
        Some((key, _)) if rows.len() == NAMED_PER_COMMIT_MAX => email_of(key)?,
        // The last ones may be gone again.
        Some(_) | None => tx.state.record.last_email,
    };
    tx.change_record().named_to = named_to;
    Ok(rows.len())
}

fn name(tx: &mut Tx<'_>, (key, value): &Row) -> Result<(), Error> {
    let email = email_of(key)?;
    let mut record = EmailRecord::decode(value).map_err(Error::corrupt("a message's record"))?;
    if !record.names.is_empty() {
        return Ok(());
    }
    // A message whose summary is not kept is not found.
    let summary = tx.get(&key::summary(email))?.unwrap_or_default();
    if let Some(name) = Summary::decode(&summary).ok().as_ref().and_then(Name::of) {
        tx.put(key::named(name, email), Own::encode(None));
        record.names.push(name);
        tx.put(key::email(email), record.encode());
    }
    Ok(())
}

fn email_of(key: &[u8]) -> Result<EmailId, Error> {
    key::long_at(key, 1).map(EmailId).map_err(Error::corrupt("a message's key"))
}
