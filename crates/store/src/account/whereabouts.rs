//! Everything that the account still has, and where a message is: in mailboxes, or removed and restorable.

use super::Account;
use crate::error::Error;
use crate::flags::FlagBits;
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::{Builder, Entry, Index};
use crate::key;
use crate::record::EmailRecord;
use crate::state;
use std::ops::ControlFlow;

/// Messages are looked for backwards in stretches of so many numbers, longer where there are few.
const STRETCH: u64 = 4096;

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Octets.
    pub size: u32,
    /// The mailboxes that it is in, each once; empty where it was removed.
    pub mailboxes: Vec<MailboxId>,
    /// When it was removed from the last mailbox, and by which device; 0: by the server itself.
    pub removed: Option<(Timestamp, DeviceId)>,
}

impl Account {
    /// The newest messages with numbers below `before`, in mailboxes and removed alike, or `removed` alone, as an index that a
    /// search can look through: the number is the order in which they came, UIDs are positions, flags and dates are those of no
    /// mailbox. At most `limit`, and no more than have `bytes_max` octets together, but one.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn everything(
        &self,
        before: Option<EmailId>,
        removed: bool,
        (limit, bytes_max): (usize, u64),
    ) -> Result<Index, Error> {
        let snapshot = self.snapshot()?;
        let last = self.cell.state()?.record.last_email.0;
        let mut end = before.map_or(u64::MAX, |before| before.0).min(last.saturating_add(1));
        let (mut newest, mut stretch) = (Vec::new(), STRETCH);
        while end > 0 && newest.len() < limit {
            let start = end.saturating_sub(stretch);
            let mut found = Vec::new();
            let range = (key::email(EmailId(start)), key::email(EmailId(end)));
            state::scan_while(&*snapshot, range, |key, value| {
                let email = EmailId(key::long_at(key, 1).map_err(Error::corrupt("the key of a message"))?);
                let record = EmailRecord::decode(value).map_err(Error::corrupt("a message's record"))?;
                if !removed || record.removed_at.is_some() {
                    found.push((email, record.size));
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if found.len() < limit / 4 {
                stretch = stretch.saturating_mul(2);
            }
            newest.extend(found.into_iter().rev());
            end = start;
        }
        newest.truncate(limit);
        let mut bytes = 0;
        let fits = newest.iter().take_while(|(_, size)| {
            bytes += u64::from(*size);
            bytes <= bytes_max
        });
        let fitting = fits.count().max(1);
        newest.truncate(fitting);
        Ok(index_of(newest.into_iter().rev()))
    }

    /// Where a message is; `None` when it has left retention, or never was.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn whereabouts(&self, email: EmailId) -> Result<Option<Whereabouts>, Error> {
        let snapshot = self.snapshot()?;
        let Some(record) = snapshot.get(&key::email(email))? else { return Ok(None) };
        let record = EmailRecord::decode(&record).map_err(Error::corrupt("a message's record"))?;
        if let Some(at) = record.removed_at {
            let by = snapshot.get(&key::retained(at, email))?;
            let by = by.and_then(|by| by.try_into().ok()).map_or(0, u32::from_be_bytes);
            let removed = Some((at, DeviceId(by)));
            return Ok(Some(Whereabouts { size: record.size, mailboxes: Vec::new(), removed }));
        }
        let mut mailboxes: Vec<MailboxId> = if record.lists_all() {
            record.listed.iter().map(|(mailbox, _)| *mailbox).collect()
        } else {
            self.transact(move |tx| {
                let record = tx.email(email)?;
                Ok(tx.places_of(email, &record)?.into_iter().map(|(mailbox, _)| mailbox).collect())
            })?
        };
        mailboxes.sort_unstable();
        mailboxes.dedup();
        Ok(Some(Whereabouts { size: record.size, mailboxes, removed: None }))
    }
}

fn index_of(messages: impl Iterator<Item = (EmailId, u32)>) -> Index {
    let mut builder = Builder::default();
    for ((email, size), uid) in messages.zip(1..) {
        let entry = Entry {
            uid: Uid(uid),
            size,
            flags: FlagBits::default(),
            modseq: ModSeq(0),
            email,
            internal_date: Timestamp(0),
        };
        builder.push(entry);
    }
    builder.finish()
}
