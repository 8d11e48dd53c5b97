//! Where a message is: its record says it, so that nobody looks through mailboxes for it.
//!
//! Messages that a version stored which did not note it are looked for in the indexes, until their records were brought up
//! ([`Account::note_places`]); and so are those that are in more places than a record lists.

use super::{Account, PIECE_MESSAGES_MAX};
use crate::error::Error;
use crate::flag_block::{FlagBlock, block_of};
use crate::ids::{EmailId, MailboxId, Timestamp, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Relisted};
use crate::key;
use crate::record::{EmailRecord, MessageRecord, PLACES_LISTED_MAX};
use crate::tx::Tx;
use std::ops::Bound;

impl Account {
    /// Notes of some messages where they are; gives how many it looked at, 0 when it is noted of all.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults.
    pub fn note_places(&self) -> Result<usize, Error> {
        match self.cell.state()?.record.places_noted_to {
            Some(_) => self.transact(note_some),
            None => Ok(0),
        }
    }
}

/// One piece, of one mailbox.
fn note_some(tx: &mut Tx<'_>) -> Result<usize, Error> {
    let Some((mailbox, after)) = tx.state.record.places_noted_to else { return Ok(0) };
    let from = (Bound::Included(mailbox), Bound::Unbounded);
    let Some(next) = tx.state.mailboxes.range(from).next().map(|(id, _)| *id) else {
        tx.change_record().places_noted_to = None;
        return Ok(1);
    };
    let after = if next == mailbox { after } else { Uid(0) };
    let behind = tx.index(next)?.uids(Uid(after.0.saturating_add(1)), Uid(u32::MAX));
    let piece: Vec<Entry> = behind.map(|(_, entry)| *entry).take(PIECE_MESSAGES_MAX).collect();
    for entry in &piece {
        let mut record = match tx.email(entry.email) {
            // It is looked for, and was logged.
            Err(Error::Damaged(_)) => continue,
            record => record?,
        };
        if record.note((next, entry.uid), None) {
            tx.put(key::email(entry.email), record.encode());
        }
    }
    let to = match piece.last() {
        Some(last) if piece.len() == PIECE_MESSAGES_MAX => (next, last.uid),
        Some(_) | None => (MailboxId(next.0.saturating_add(1)), Uid(0)),
    };
    tx.change_record().places_noted_to = Some(to);
    Ok(piece.len().max(1))
}

impl Tx<'_> {
    pub(super) fn email(&mut self, email: EmailId) -> Result<EmailRecord, Error> {
        let bytes = self.get(&key::email(email))?;
        let bytes =
            bytes.ok_or_else(|| Error::fault(format_args!("the record of message {} is missing", email.text())))?;
        EmailRecord::decode(&bytes).map_err(Error::corrupt("a message's record"))
    }

    /// Where a message is; first where it came in.
    pub(super) fn places_of(&mut self, email: EmailId, record: &EmailRecord) -> Result<Vec<(MailboxId, Entry)>, Error> {
        if !record.lists_all() {
            return self.find_places(email, record);
        }
        let first = record.arrival.map(|arrival| arrival.mailbox);
        let mut listed = record.listed.clone();
        listed.sort_unstable_by_key(|(mailbox, uid)| (Some(*mailbox) != first, *mailbox, *uid));
        let mut places = Vec::with_capacity(listed.len());
        for (mailbox, uid) in listed {
            let bytes = self.get(&key::message(mailbox, uid))?.ok_or_else(|| {
                Error::fault(format_args!(
                    "message {} is not where its record says; run `pillarbox check`",
                    email.text()
                ))
            })?;
            let entry = MessageRecord::decode(uid, &bytes).map_err(Error::corrupt("a message in a mailbox"))?;
            places.push((mailbox, self.with_flags(mailbox, entry)?));
        }
        Ok(places)
    }

    /// The message as it is, which its own record says was so.
    fn with_flags(&mut self, mailbox: MailboxId, entry: Entry) -> Result<Entry, Error> {
        let Some(bytes) = self.get(&key::flag_block(mailbox, block_of(entry.uid)))? else { return Ok(entry) };
        let block = FlagBlock::decode(&bytes).map_err(Error::corrupt("flags of many messages"))?;
        Ok(block.applied_to(entry))
    }

    fn find_places(&mut self, email: EmailId, record: &EmailRecord) -> Result<Vec<(MailboxId, Entry)>, Error> {
        let first = record.arrival.map(|arrival| arrival.mailbox);
        let mut mailboxes: Vec<MailboxId> = self.state.mailboxes.keys().copied().collect();
        mailboxes.sort_by_key(|id| Some(*id) != first);
        let mut places = Vec::new();
        for id in mailboxes {
            if places.len() >= record.places as usize {
                break;
            }
            places.extend(self.index(id)?.iter().filter(|entry| entry.email == email).map(|entry| (id, *entry)));
        }
        Ok(places)
    }

    /// The message is in one place less; in none, it is kept for the retention time.
    pub(super) fn leave(&mut self, email: EmailId, place: (MailboxId, Uid), actor: Actor) -> Result<(), Error> {
        let mut record = self.email(email)?;
        record.leave(place);
        if record.places == 0 {
            record.removed_at = Some(actor.now);
            self.put(key::retained(actor.now, email), actor.device.0.to_be_bytes().to_vec());
            self.change_record().retained.add(record.size);
        }
        // There were more than are listed; from now on all are.
        if record.places as usize == PLACES_LISTED_MAX && !record.lists_all() {
            let found = self.find_places(email, &record)?;
            for (mailbox, entry) in found {
                record.note((mailbox, entry.uid), None);
            }
        }
        self.put(key::email(email), record.encode());
        Ok(())
    }

    /// The message is in one place more; if it was in none, it leaves retention.
    pub(super) fn enter(&mut self, email: EmailId, place: (MailboxId, Uid), now: Timestamp) -> Result<(), Error> {
        let mut record = self.email(email)?;
        record.places = record.places.saturating_add(1);
        record.note(place, Some(now));
        if let Some(at) = record.removed_at.take() {
            self.delete(key::retained(at, email));
            self.change_record().retained.remove(record.size);
        }
        self.put(key::email(email), record.encode());
        Ok(())
    }

    /// The message is in another place.
    pub(super) fn change_place(
        &mut self,
        moved: &Relisted,
        (from, to): (MailboxId, MailboxId),
        now: Timestamp,
    ) -> Result<(), Error> {
        let email = moved.before.email;
        let mut record = self.email(email)?;
        record.forget((from, moved.before.uid));
        // RFC 8514 §3: also where it comes back to a mailbox that it was in.
        record.note((to, moved.uid), Some(now));
        self.put(key::email(email), record.encode());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
