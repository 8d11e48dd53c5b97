//! Messages leave a mailbox for good: IMAP EXPUNGE, and what a POP3 device's policy says. They stay restorable.

use super::Account;
use crate::error::Error;
use crate::flags::SystemFlag;
use crate::ids::{EmailId, MailboxId, Uid};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX};
use crate::key;
use crate::record::EmailRecord;
use crate::tx::Tx;
use std::sync::Arc;

/// Which messages are expunged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expunge {
    /// All with `\Deleted` (EXPUNGE, CLOSE).
    AllDeleted,
    /// Those of these that have `\Deleted` (UID EXPUNGE, RFC 4315 §2.1).
    DeletedAmong(Vec<Uid>),
}

impl Account {
    /// Expunges messages and gives their UIDs, ascending. What is held ([`crate::hold`]) has left the mailbox just the same.
    ///
    /// # Errors
    /// [`Error::NoSuchMailbox`], [`Error::NotAllowed`] (the mailbox of what is held), [`Error::NoSpace`], faults.
    pub fn expunge(&self, actor: Actor, mailbox: MailboxId, which: Expunge) -> Result<Vec<Uid>, Error> {
        let options = Arc::clone(&self.options);
        self.transact(move |tx| {
            let index = tx.index(mailbox)?.clone();
            let deleted = |entry: &&Entry| entry.flags.has(SystemFlag::Deleted);
            let mut entries: Vec<Entry> = match &which {
                Expunge::AllDeleted if tx.mailbox(mailbox)?.counts.deleted == 0 => Vec::new(),
                Expunge::AllDeleted => index.iter().filter(deleted).copied().collect(),
                Expunge::DeletedAmong(uids) => {
                    uids.iter().filter_map(|uid| index.find(*uid)).filter(deleted).copied().collect()
                }
            };
            entries.sort_unstable_by_key(|entry| entry.uid);
            entries.dedup_by_key(|entry| entry.uid);
            if !entries.is_empty() {
                tx.remove(actor, mailbox, &entries, &options)?;
            }
            Ok(entries.iter().map(|entry| entry.uid).collect())
        })
    }
}

impl Tx<'_> {
    /// Expunges entries of a mailbox, in UID order.
    pub(super) fn expunge(&mut self, actor: Actor, mailbox: MailboxId, entries: &[Entry]) -> Result<(), Error> {
        for batch in entries.chunks(MESSAGES_PER_ENTRY_MAX) {
            self.unlist(mailbox, batch)?;
            for entry in batch {
                self.leave(entry.email, actor)?;
            }
            let messages = batch.iter().map(Listed::of).collect();
            let modseq = self.journal(actor, Change::Expunged { mailbox, messages });
            self.change_mailbox(mailbox)?.mailbox.highest_modseq = modseq;
        }
        Ok(())
    }

    /// Takes messages out of a mailbox: records, counts, index.
    pub(super) fn unlist(&mut self, mailbox: MailboxId, entries: &[Entry]) -> Result<(), Error> {
        self.index(mailbox)?;
        for entry in entries {
            self.delete(key::message(mailbox, entry.uid));
        }
        let state = self.change_mailbox(mailbox)?;
        entries.iter().for_each(|entry| state.mailbox.counts.remove(entry));
        state.mailbox.unpacked =
            state.mailbox.unpacked.saturating_add(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        if let Some(index) = &mut state.index {
            index.remove(&entries.iter().map(|entry| entry.uid).collect::<Vec<_>>());
        }
        Ok(())
    }

    pub(super) fn email(&mut self, email: EmailId) -> Result<EmailRecord, Error> {
        let bytes = self.get(&key::email(email))?;
        let bytes =
            bytes.ok_or_else(|| Error::fault(format_args!("the record of message {} is missing", email.text())))?;
        EmailRecord::decode(&bytes).map_err(Error::corrupt("a message's record"))
    }

    /// The message is in one place less; in none, it is kept for the retention time.
    fn leave(&mut self, email: EmailId, actor: Actor) -> Result<(), Error> {
        let mut record = self.email(email)?;
        record.places = record.places.saturating_sub(1);
        if record.places == 0 {
            record.removed_at = Some(actor.now);
            self.put(key::retained(actor.now, email), actor.device.0.to_be_bytes().to_vec());
            self.change_record().retained.add(record.size);
        }
        self.put(key::email(email), record.encode());
        Ok(())
    }

    /// The message is in one place more; if it was in none, it leaves retention.
    pub(super) fn enter(&mut self, email: EmailId) -> Result<(), Error> {
        let mut record = self.email(email)?;
        record.places = record.places.saturating_add(1);
        if let Some(at) = record.removed_at.take() {
            self.delete(key::retained(at, email));
            self.change_record().retained.remove(record.size);
        }
        self.put(key::email(email), record.encode());
        Ok(())
    }
}
