//! The steps of an undo, each with its journal entries, and the entry that says that it was one.

use super::UndoReport;
use super::plan::{Comeback, Plan};
use super::trail::DeletedMailbox;
use crate::error::Error;
use crate::flags::{FlagBits, Flags};
use crate::ids::{DeviceId, EmailId, MailboxId};
use crate::index::Entry;
use crate::journal::{Actor, Change, Listed, MESSAGES_PER_ENTRY_MAX};
use crate::key;
use crate::tx::Tx;
use std::collections::BTreeMap;

pub(super) fn apply(tx: &mut Tx<'_>, actor: Actor, plan: Plan, device: Option<DeviceId>) -> Result<UndoReport, Error> {
    let first = tx.next_modseq();
    let mut report = plan.report;
    let made = make_mailboxes(tx, actor, plan.mailboxes)?;
    let now = |id: MailboxId| made.get(&id).copied().unwrap_or(id);
    for (mailbox, comebacks) in &plan.restore {
        for batch in comebacks.chunks(MESSAGES_PER_ENTRY_MAX) {
            restore(tx, actor, now(*mailbox), batch)?;
        }
    }
    for ((from, to), messages) in &plan.moves {
        tx.move_with_flags(actor, (*from, now(*to)), messages)?;
    }
    for (mailbox, messages) in &plan.reflag {
        let bits = |(entry, flags): &(Entry, Flags)| Ok((*entry, tx.flag_bits(*mailbox, flags)?));
        let messages: Vec<(Entry, FlagBits)> = messages.iter().map(bits).collect::<Result<_, Error>>()?;
        messages.chunks(MESSAGES_PER_ENTRY_MAX).try_for_each(|batch| tx.reflag(actor, *mailbox, batch))?;
    }
    for (mailbox, entries) in &plan.remove {
        tx.expunge(actor, *mailbox, entries)?;
    }
    for (device, emails) in plan.relist {
        relist(tx, actor, device, &emails)?;
    }
    for (device, email) in plan.hide {
        hide(tx, actor, device, email)?;
    }
    if let Some(device) = device {
        tx.close_hold_that_is_undone(actor, device)?;
    }
    if tx.next_modseq() > first {
        report.entry = Some(tx.journal(actor, Change::Undone { device, first }));
    }
    Ok(report)
}

/// Makes mailboxes again; gives the number that each has now. Where one of the name is there, that is it.
fn make_mailboxes(
    tx: &mut Tx<'_>,
    actor: Actor,
    mailboxes: BTreeMap<MailboxId, DeletedMailbox>,
) -> Result<BTreeMap<MailboxId, MailboxId>, Error> {
    let mut made = BTreeMap::new();
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
    let modseq = tx.next_modseq();
    let mut messages = Vec::with_capacity(batch.len());
    for Comeback { email, size, internal_date, flags } in batch {
        let flags = tx.flag_bits(mailbox, flags)?;
        let uid = tx.next_uid(mailbox)?;
        let listed = Listed { uid, email: *email, flags, internal_date: *internal_date, size: *size };
        tx.list(mailbox, &listed.entry(modseq))?;
        tx.enter(*email, (mailbox, uid))?;
        messages.push(listed);
    }
    tx.journal(actor, Change::Restored { mailbox, messages });
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
        tx.journal(actor, Change::PopRelisted { device, emails: batch.to_vec() });
    }
    Ok(())
}

/// The opposite, when the undo is undone; a message that has left retention meanwhile is passed over.
fn hide(tx: &mut Tx<'_>, actor: Actor, device: DeviceId, email: EmailId) -> Result<(), Error> {
    let Some(mut taken) = tx.taken(device, email)? else { return Ok(()) };
    if taken.deleted_at.replace(actor.now).is_none() {
        tx.put(key::taken(device, email), taken.encode());
        let actor = Actor { device, ..actor };
        tx.journal(actor, Change::PopDeleted { emails: vec![email] });
    }
    Ok(())
}
