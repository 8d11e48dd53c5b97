//! STATUS (RFC 9051 §6.3.11), also as part of LIST (RFC 5819).

use super::{Answer, quota};
use crate::context::Context;
use crate::located::{guest_of, id_of};
use crate::selected::Selected;
use crate::tagged::Tagged;
use imap_proto::MailboxName;
use imap_proto::command::{StatusItem, StatusRequest};
use imap_proto::response::StatusValue;
use store::{Account, Error, Mailbox, MailboxId, Rights, SystemFlag, Uid};

pub(super) fn run(context: &mut Context<'_>, request: &StatusRequest) -> Answer {
    context.user.account.catch_up()?;
    let located = context.locate(&request.mailbox, Rights::READ)?;
    be_aware(context, &request.items);
    tell(context, (&located.account, &located.mailbox), &request.mailbox, &request.items)?;
    Ok(Tagged::ok("STATUS done"))
}

/// RFC 7162 §3.1: to ask for it is to be aware of mod-sequences.
pub(super) fn be_aware(context: &mut Context<'_>, items: &[StatusItem]) {
    if items.contains(&StatusItem::HighestModSeq) {
        context.switch_condstore_on();
    }
}

/// `* STATUS name (…)`
pub(super) fn tell(
    context: &mut Context<'_>,
    (account, mailbox): (&Account, &Mailbox),
    name: &MailboxName,
    items: &[StatusItem],
) -> Result<(), Error> {
    // What is unseen is the reader's own.
    let as_seen = if account.guest().is_some() { Some(account.view(mailbox.id)?) } else { None };
    let mailbox = as_seen.as_ref().map_or(mailbox, |view| view.mailbox());
    let id = mailbox_id(account, mailbox.id);
    let asked_for_deleted = items.contains(&StatusItem::DeletedStorage);
    let deleted_bytes = if asked_for_deleted { deleted_bytes(account, mailbox)? } else { 0 };
    let recent = if items.contains(&StatusItem::Recent) { recent(context, account, mailbox)? } else { 0 };
    let limit = context.service.message_bytes_max;
    // Of the selected mailbox as far as the client has been told: what it believes here it never asks for again.
    let selected = context.user.selected_is(account, mailbox.id);
    let highest_modseq = selected.map_or(mailbox.highest_modseq, |selected| selected.known_modseq);
    let values = items.iter().map(|item| match item {
        StatusItem::Messages => StatusValue::Messages(mailbox.counts.messages),
        StatusItem::Recent => StatusValue::Recent(recent),
        StatusItem::UidNext => StatusValue::UidNext(mailbox.uid_next.0),
        StatusItem::UidValidity => StatusValue::UidValidity(mailbox.uid_validity.0),
        StatusItem::Unseen => StatusValue::Unseen(mailbox.counts.unseen),
        StatusItem::Deleted => StatusValue::Deleted(mailbox.counts.deleted),
        StatusItem::Size => StatusValue::Size(mailbox.counts.bytes),
        StatusItem::HighestModSeq => StatusValue::HighestModSeq(highest_modseq.0),
        StatusItem::MailboxId => StatusValue::MailboxId(&id),
        StatusItem::AppendLimit => StatusValue::AppendLimit(Some(limit)),
        StatusItem::DeletedStorage => StatusValue::DeletedStorage(quota::units(deleted_bytes)),
    });
    context.encoder().status(name, values);
    Ok(())
}

/// Octets of the messages with `\Deleted`, which are not counted all the time: hardly anybody asks.
fn deleted_bytes(account: &Account, mailbox: &Mailbox) -> Result<u64, Error> {
    if mailbox.counts.deleted == 0 {
        return Ok(0);
    }
    let view = match account.view(mailbox.id) {
        // Deleted just now, in the middle of a LIST perhaps.
        Err(Error::NoSuchMailbox) => return Ok(0),
        view => view?,
    };
    let deleted = view.index().iter().filter(|entry| entry.flags.has(SystemFlag::Deleted));
    Ok(deleted.map(|entry| u64::from(entry.size)).sum())
}

/// RFC 3501 §6.3.10: the messages that nobody was told of, and in the selected mailbox those that are this session's.
fn recent(context: &Context<'_>, account: &Account, mailbox: &Mailbox) -> Result<u32, Error> {
    if context.user.enabled.rev2 {
        return Ok(0);
    }
    let own = context.user.selected_is(account, mailbox.id);
    let told = own.map_or(0, |selected| selected.recent.count(&selected.told));
    let first = account.recent_from(mailbox.id).max(own.map_or(Uid(0), Selected::uid_next));
    if first >= mailbox.uid_next {
        return Ok(told);
    }
    let view = match account.view(mailbox.id) {
        // Deleted just now, in the middle of a LIST perhaps.
        Err(Error::NoSuchMailbox) => return Ok(told),
        view => view?,
    };
    let untold = view.index().len() - view.index().position(first).unwrap_or_else(|at| at);
    Ok(told.saturating_add(u32::try_from(untold).unwrap_or(u32::MAX)))
}

/// RFC 8474 §4: the mailbox's immutable id, unique among all that a user sees; `F` keeps it apart from the ids of messages.
pub(super) fn mailbox_id(account: &Account, id: MailboxId) -> String {
    id_of(guest_of(account), &format!("F{id}"))
}
