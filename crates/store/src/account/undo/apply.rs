//! The steps of an undo, each with its journal entries, and the entry that says that it was one.

use super::UndoReport;
use super::plan::{Comeback, Step};
use super::trail::DeletedMailbox;
use crate::error::Error;
use crate::flags::{FlagBits, Flags};
use crate::ids::{DeviceId, EmailId, MailboxId};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX, OfMessages, OfPop};
use crate::key;
use crate::tx::Tx;
use std::collections::{BTreeMap, HashSet};

/// The number that each mailbox has now that was made again.
pub(super) type Made = BTreeMap<MailboxId, MailboxId>;

/// Does the steps of a piece. `others_did`: between the plan and now others may have changed what it is about; what they did
/// stays.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    actor: Actor,
    (steps, others_did): (&[Step], bool),
    made: &Made,
    report: &mut UndoReport,
) -> Result<(), Error> {
    let now = |id: MailboxId| made.get(&id).copied().unwrap_or(id);
    for group in steps.chunk_by(Step::goes_with) {
        match group {
            [] => {}
            [Step::Restore(mailbox, _), ..] => {
                let comebacks = group
                    .iter()
                    .filter_map(|step| if let Step::Restore(_, comeback) = step { Some(comeback) } else { None });
                let comebacks = still_gone(tx, now(*mailbox), comebacks, others_did)?;
                report.restored = report.restored.saturating_sub(group.len() - comebacks.len());
                restore(tx, actor, now(*mailbox), &comebacks)?;
            }
            [Step::Move((from, to), _), ..] => {
                let messages = group
                    .iter()
                    .filter_map(|step| if let Step::Move(_, message) = step { Some(message) } else { None });
                let messages = still_there(tx, *from, messages)?;
                report.moved = report.moved.saturating_sub(group.len() - messages.len());
                tx.move_with_flags(actor, (*from, now(*to)), &messages)?;
            }
            [Step::Reflag(mailbox, _), ..] => {
                let messages = group
                    .iter()
                    .filter_map(|step| if let Step::Reflag(_, message) = step { Some(message) } else { None });
                let messages = untouched(tx, *mailbox, messages, |(entry, _)| entry)?;
                report.reflagged = report.reflagged.saturating_sub(group.len() - messages.len());
                let bits = |(entry, flags): &(Entry, Flags)| Ok((*entry, tx.flag_bits_with_room(*mailbox, flags)?));
                let messages: Vec<(Entry, FlagBits)> = messages.iter().map(bits).collect::<Result<_, Error>>()?;
                messages.chunks(MESSAGES_PER_ENTRY_MAX).try_for_each(|batch| tx.reflag(actor, *mailbox, batch))?;
            }
            [Step::Remove(mailbox, _), ..] => {
                let entries =
                    group.iter().filter_map(|step| if let Step::Remove(_, entry) = step { Some(entry) } else { None });
                let entries = untouched(tx, *mailbox, entries, |entry| entry)?;
                report.removed = report.removed.saturating_sub(group.len() - entries.len());
                tx.expunge(actor, *mailbox, &entries)?;
            }
            [Step::Relist(device, _), ..] => {
                let emails =
                    group.iter().filter_map(|step| if let Step::Relist(_, email) = step { Some(*email) } else { None });
                relist(tx, actor, *device, &emails.collect::<Vec<_>>())?;
            }
            [Step::Hide(device, email), ..] => hide(tx, actor, *device, *email)?,
        }
    }
    Ok(())
}

impl Step {
    /// Whether both are done at once.
    fn goes_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Restore(a, _), Self::Restore(b, _))
            | (Self::Reflag(a, _), Self::Reflag(b, _))
            | (Self::Remove(a, _), Self::Remove(b, _)) => a == b,
            (Self::Move(a, _), Self::Move(b, _)) => a == b,
            (Self::Relist(a, _), Self::Relist(b, _)) => a == b,
            _ => false,
        }
    }
}

/// Those that nobody has brought back, and that are still kept.
fn still_gone<'a>(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    comebacks: impl Iterator<Item = &'a Comeback>,
    others_did: bool,
) -> Result<Vec<Comeback>, Error> {
    if !others_did {
        return Ok(comebacks.cloned().collect());
    }
    let there: HashSet<EmailId> = tx.index(mailbox)?.iter().map(|entry| entry.email).collect();
    let mut gone = Vec::new();
    for comeback in comebacks.filter(|comeback| !there.contains(&comeback.email)) {
        if tx.get(&key::email(comeback.email))?.is_some() {
            gone.push(comeback.clone());
        }
    }
    Ok(gone)
}

/// Those that are where they were; whose flags somebody has changed keeps them.
fn still_there<'a>(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    messages: impl Iterator<Item = &'a (Entry, Flags)>,
) -> Result<Vec<(Entry, Flags)>, Error> {
    if tx.mailbox(mailbox).is_err() {
        return Ok(Vec::new());
    }
    let keywords = tx.mailbox(mailbox)?.keywords.clone();
    let index = tx.index(mailbox)?;
    let there = messages.filter_map(|(before, flags)| {
        let entry = index.find(before.uid)?;
        Some((*entry, if entry == before { flags.clone() } else { keywords.flags(entry.flags) }))
    });
    Ok(there.collect())
}

/// Those that are as they were.
fn untouched<'a, T: Clone + 'a>(
    tx: &mut Tx<'_>,
    mailbox: MailboxId,
    messages: impl Iterator<Item = &'a T>,
    entry: fn(&T) -> &Entry,
) -> Result<Vec<T>, Error> {
    if tx.mailbox(mailbox).is_err() {
        return Ok(Vec::new());
    }
    let index = tx.index(mailbox)?;
    Ok(messages.filter(|message| index.find(entry(message).uid) == Some(entry(message))).cloned().collect())
}

/// Makes mailboxes again; gives the number that each has now. Where one of the name is there, that is it.
pub(super) fn make_mailboxes(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailboxes: BTreeMap<MailboxId, DeletedMailbox>,
) -> Result<Made, Error> {
    let mut made = Made::new();
    for (before, DeletedMailbox { name, role, .. }) in mailboxes {
        let now = match tx.state.by_name(&name).map(|state| state.mailbox.id) {
            Some(id) => id,
            None => tx.create_again(actor, &name, role)?,
        };
        made.insert(before, now);
    }
    Ok(made)
}

fn restore(tx: &mut Tx<'_>, actor: Actor, mailbox: MailboxId, batch: &[Comeback]) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let modseq = tx.next_modseq();
    let mut messages = Vec::with_capacity(batch.len());
    for Comeback { email, size, internal_date, flags } in batch {
        let flags = tx.flag_bits_with_room(mailbox, flags)?;
        let uid = tx.next_uid(mailbox)?;
        let listed = Listed { uid, email: *email, flags, internal_date: *internal_date, size: *size };
        tx.list(mailbox, &listed.entry(modseq))?;
        tx.enter(*email, (mailbox, uid), actor.now)?;
        messages.push(listed);
    }
    tx.journal(actor, Change::Messages(OfMessages::Restored { mailbox, messages }));
    Ok(())
}

/// A device lists messages again that it had deleted from its maildrop.
fn relist(tx: &mut Tx<'_>, actor: Actor, device: DeviceId, emails: &[EmailId]) -> Result<(), Error> {
    for email in emails {
        let Some(mut taken) = tx.taken(device, *email)? else { continue };
        taken.deleted_at = None;
        taken.stays = false;
        tx.put(key::taken(device, *email), taken.encode());
    }
    for batch in emails.chunks(MESSAGES_PER_ENTRY_MAX) {
        tx.journal(actor, Change::Pop(OfPop::Relisted { device, emails: batch.to_vec() }));
    }
    Ok(())
}

/// The opposite, when the undo is undone; a message that has left retention meanwhile is passed over.
fn hide(tx: &mut Tx<'_>, actor: Actor, device: DeviceId, email: EmailId) -> Result<(), Error> {
    let Some(mut taken) = tx.taken(device, email)? else { return Ok(()) };
    if taken.deleted_at.replace(actor.now).is_none() {
        tx.put(key::taken(device, email), taken.encode());
        let actor = Actor { device, ..actor };
        tx.journal(actor, Change::Pop(OfPop::Deleted { emails: vec![email] }));
    }
    Ok(())
}
