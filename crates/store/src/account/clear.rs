//! Mail that every POP3 device has makes room: removed from the mailbox at its owner's word, piece by piece, in one act that can
//! be undone ([`super::act`]).
//!
//! Taken counts, and deleted unread as well. Flagged messages stay: somebody wants them. Only INBOX and filed mail is
//! looked at, as POP3 devices list it; Junk, Trash, Sent and Drafts are other matters.

use super::Account;
use super::act::{Act, What};
use super::maildrop::ordinary;
use super::piece::{OnProgress, Progress, next_piece};
use crate::device::Device;
use crate::error::Error;
use crate::flags::SystemFlag;
use crate::ids::{DeviceId, EmailId, MailboxId, ModSeq, Timestamp};
use crate::index::{Entry, Index};
use crate::journal::{Actor, Protocol};
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
    /// Removes from INBOX and filed mail what every POP3 device has, [`crate::PIECE_MESSAGES_MAX`] messages in a commit; nothing
    /// where there is no such device.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], [`Error::NoSpace`], faults; then some of it may have been removed, and can be undone.
    pub fn clear_taken(&self, actor: Actor, request: ClearRequest) -> Result<ClearReport, Error> {
        self.clear_taken_watched(actor, request, &mut |_| {})
    }

    /// The same for somebody who waits.
    ///
    /// # Errors
    /// As [`Self::clear_taken`].
    pub fn clear_taken_watched(
        &self,
        actor: Actor,
        request: ClearRequest,
        watch: OnProgress<'_>,
    ) -> Result<ClearReport, Error> {
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
        let mut clearing = Clearing { due: due.into_iter().flat_map(in_order).collect(), ..Clearing::default() };
        loop {
            let (piece, act) = (next_piece(&clearing.due, clearing.done).to_vec(), clearing.act.take());
            clearing.done += piece.len();
            let (is_last, before) = (clearing.done >= clearing.due.len(), act.clone());
            let part = self.transact(move |tx| clear(tx, actor, &piece, (act.clone(), is_last)));
            let Piece { gone, act, entry, retained_before } = part.inspect_err(|_| {
                if let Some(act) = before {
                    act.break_off(&self.cell);
                }
            })?;
            clearing.gone.extend(gone);
            clearing.act = act;
            clearing.retained_before.get_or_insert(retained_before);
            if is_last {
                return Ok(ClearReport { entry, ..self.report_of(&clearing) });
            }
            watch(Progress { done: clearing.done, total: clearing.due.len() });
        }
    }

    fn report_of(&self, Clearing { gone, retained_before, .. }: &Clearing) -> ClearReport {
        let mut due = Due::new();
        gone.iter().for_each(|(mailbox, entry)| due.entry(*mailbox).or_default().push(*entry));
        self.report(&due, retained_before.unwrap_or_default())
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
                None => taken.into_iter().map(|(email, _)| email).collect(),
                Some(had) => taken.into_iter().map(|(email, _)| email).filter(|email| had.contains(email)).collect(),
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

/// A clearing under way.
#[derive(Default)]
struct Clearing {
    due: Vec<(MailboxId, Entry)>,
    done: usize,
    gone: Vec<(MailboxId, Entry)>,
    act: Option<Act>,
    retained_before: Option<u64>,
}

/// What came of a piece.
struct Piece {
    gone: Vec<(MailboxId, Entry)>,
    act: Option<Act>,
    entry: Option<ModSeq>,
    retained_before: u64,
}

fn in_order((mailbox, entries): (MailboxId, Vec<Entry>)) -> impl Iterator<Item = (MailboxId, Entry)> {
    entries.into_iter().map(move |entry| (mailbox, entry))
}

/// Removes a piece of what was due a moment ago, as far as it still is.
fn clear(
    tx: &mut Tx<'_>,
    actor: Actor,
    piece: &[(MailboxId, Entry)],
    (act, is_last): (Option<Act>, bool),
) -> Result<Piece, Error> {
    let retained_before = tx.state.record.retained.bytes;
    let mut act = act.unwrap_or_else(|| Act::begin(tx, actor, What::Clearing));
    act.go_on(tx)?;
    let mut gone = Vec::with_capacity(piece.len());
    for of_mailbox in piece.chunk_by(|(a, _), (b, _)| a == b) {
        let Some((mailbox, _)) = of_mailbox.first() else { continue };
        let entries = still_due(tx, *mailbox, of_mailbox)?;
        tx.expunge(actor, *mailbox, &entries)?;
        gone.extend(entries.into_iter().map(|entry| (*mailbox, entry)));
    }
    let (act, entry) = if is_last {
        (None, act.end(tx))
    } else {
        act.pause(tx);
        (Some(act), None)
    };
    Ok(Piece { gone, act, entry, retained_before })
}

/// A device that was added since does not have it; somebody may have flagged it.
fn still_due(tx: &mut Tx<'_>, mailbox: MailboxId, due: &[(MailboxId, Entry)]) -> Result<Vec<Entry>, Error> {
    let pop = pop_devices(&tx.state.devices);
    if pop.is_empty() || tx.mailbox(mailbox).is_err() {
        return Ok(Vec::new());
    }
    let index = tx.index(mailbox)?.clone();
    let mut entries = Vec::with_capacity(due.len());
    for entry in due.iter().filter_map(|(_, entry)| index.find(entry.uid)) {
        let has_it = |device: &DeviceId| Ok(tx.taken(*device, entry.email)?.is_some());
        let all_have_it = pop.iter().map(has_it).collect::<Result<Vec<bool>, Error>>()?.into_iter().all(|has| has);
        if all_have_it && !entry.flags.has(SystemFlag::Flagged) {
            entries.push(*entry);
        }
    }
    Ok(entries)
}
