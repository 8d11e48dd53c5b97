//! Mail that every POP3 device has makes room: removed from the mailbox at its owner's word, in one act that can be undone.
//!
//! Taken counts, and deleted unread as well. Flagged messages stay: somebody wants them. Only INBOX and filed mail is
//! looked at, as POP3 devices list it; Junk, Trash, Sent and Drafts are other matters.

use super::Account;
use super::maildrop::ordinary;
use crate::device::Device;
use crate::error::Error;
use crate::flags::SystemFlag;
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp};
use crate::index::{Entry, Index};
use crate::journal::{Actor, Change, Protocol};
use crate::state::AccountState;
use crate::tx::Tx;
use std::collections::{BTreeMap, HashSet};

/// What is to be cleared of what every POP3 device has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ClearRequest {
    /// Only what arrived (INTERNALDATE) before.
    pub before: Option<Timestamp>,
    /// The oldest first, until so many octets have gone.
    pub bytes: Option<u64>,
    /// Only says what would happen.
    pub dry_run: bool,
}

/// What was cleared, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ClearReport {
    /// Messages; a copy counts again.
    pub messages: usize,
    /// Their octets.
    pub bytes: u64,
    /// When the oldest of them arrived (INTERNALDATE).
    pub oldest: Option<Timestamp>,
    /// Of the octets so many cannot be put back: removed mail takes no more space than its limit allows.
    pub lost_bytes: u64,
    /// The act itself, to undo it by; `None` when nothing was done.
    pub entry: Option<ModSeq>,
}

/// What goes, by mailbox in UID order.
type Due = BTreeMap<MailboxId, Vec<Entry>>;

impl Account {
    /// Removes from INBOX and filed mail what every POP3 device has; nothing where there is no such device.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults; then nothing was removed.
    pub fn clear_taken(&self, actor: Actor, request: ClearRequest) -> Result<ClearReport, Error> {
        let had = self.had_by_all()?;
        if had.is_empty() {
            return Ok(ClearReport::default());
        }
        let state = self.cell.state_with_indexes(mailboxes)?;
        let index = |id: MailboxId| Ok(state.mailbox(id)?.index.clone().unwrap_or_default());
        let due = request.choose(&mailboxes(&state), index, &had)?;
        if request.dry_run {
            return Ok(self.report(&due, state.record.retained.bytes));
        }
        let emails: HashSet<EmailId> = due.values().flatten().map(|entry| entry.email).collect();
        let retained_bytes_max = self.options.retention_bytes_max;
        self.transact(move |tx| {
            let retained_before = tx.state.record.retained.bytes;
            let (due, entry) = clear(tx, actor, &request, &emails)?;
            let lost_bytes = lost(&due, retained_before, retained_bytes_max);
            Ok(ClearReport { entry, lost_bytes, ..ClearReport::of(&due) })
        })
    }

    fn report(&self, due: &Due, retained_bytes: u64) -> ClearReport {
        let lost_bytes = lost(due, retained_bytes, self.options.retention_bytes_max);
        ClearReport { lost_bytes, ..ClearReport::of(due) }
    }

    /// What every POP3 device has taken or deleted.
    fn had_by_all(&self) -> Result<HashSet<EmailId>, Error> {
        let mut had: Option<HashSet<EmailId>> = None;
        for device in pop_devices(&*self.devices()?) {
            let taken = self.taken_by(device)?;
            had = Some(match had {
                None => taken.into_keys().collect(),
                Some(had) => had.into_iter().filter(|email| taken.contains_key(email)).collect(),
            });
        }
        Ok(had.unwrap_or_default())
    }
}

/// Devices that use POP3, and may.
fn pop_devices(devices: &BTreeMap<DeviceId, Device>) -> Vec<DeviceId> {
    let pop = devices.values().filter(|device| device.revoked_at.is_none() && device.has_used(Protocol::Pop3));
    pop.map(|device| device.id).collect()
}

fn mailboxes(state: &AccountState) -> Vec<MailboxId> {
    state.inbox().map(|inbox| ordinary(state, inbox.id)).unwrap_or_default()
}

impl ClearRequest {
    /// Of `had`, what is in the mailboxes and meant.
    fn choose(
        &self,
        mailboxes: &[MailboxId],
        mut index: impl FnMut(MailboxId) -> Result<Index, Error>,
        had: &HashSet<EmailId>,
    ) -> Result<Due, Error> {
        let meant = |entry: &&Entry| {
            had.contains(&entry.email)
                && !entry.flags.has(SystemFlag::Flagged)
                && self.before.is_none_or(|before| entry.internal_date < before)
        };
        let mut found: Vec<(MailboxId, Entry)> = Vec::new();
        for id in mailboxes {
            found.extend(index(*id)?.iter().filter(meant).map(|entry| (*id, *entry)));
        }
        if let Some(bytes) = self.bytes {
            found.sort_by_key(|(_, entry)| (entry.internal_date, entry.email));
            let mut gone = 0u64;
            let enough = |(_, entry): &(MailboxId, Entry)| {
                let is_needed = gone < bytes;
                gone = gone.saturating_add(entry.size.into());
                is_needed
            };
            let needed = found.iter().copied().take_while(enough).count();
            found.truncate(needed);
        }
        let mut due = Due::new();
        found.into_iter().for_each(|(id, entry)| due.entry(id).or_default().push(entry));
        due.values_mut().for_each(|entries| entries.sort_unstable_by_key(|entry| entry.uid));
        Ok(due)
    }
}

impl ClearReport {
    fn of(due: &Due) -> Self {
        let entries = || due.values().flatten();
        Self {
            messages: entries().count(),
            bytes: entries().map(|entry| u64::from(entry.size)).sum(),
            oldest: entries().map(|entry| entry.internal_date).min(),
            ..Self::default()
        }
    }
}

/// Of what goes, what removed mail has no room for; the oldest of that goes first.
fn lost(due: &Due, retained_bytes: u64, retained_bytes_max: u64) -> u64 {
    let bytes: u64 = due.values().flatten().map(|entry| u64::from(entry.size)).sum();
    retained_bytes.saturating_add(bytes).saturating_sub(retained_bytes_max).min(bytes)
}

/// `emails`: what every device had a moment ago.
fn clear(
    tx: &mut Tx<'_>,
    actor: Actor,
    request: &ClearRequest,
    emails: &HashSet<EmailId>,
) -> Result<(Due, Option<ModSeq>), Error> {
    let pop = pop_devices(&tx.state.devices);
    let mut had = HashSet::new();
    for email in emails {
        let has_it = |device: &DeviceId| Ok(tx.taken(*device, *email)?.is_some());
        // A device that was added since does not have it.
        if !pop.is_empty() && pop.iter().map(has_it).collect::<Result<Vec<bool>, Error>>()?.iter().all(|has| *has) {
            had.insert(*email);
        }
    }
    let mailboxes = mailboxes(&tx.state);
    let due = request.choose(&mailboxes, |id| tx.index(id).cloned(), &had)?;
    let first = tx.next_modseq();
    for (mailbox, entries) in &due {
        tx.expunge(actor, *mailbox, entries)?;
    }
    let entry = (!due.is_empty()).then(|| tx.journal(actor, Change::Cleared { first }));
    Ok((due, entry))
}
