//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3) with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).

use crate::command::status::mailbox_id;
use crate::context::Context;
use crate::enabled::Enabled;
use crate::located::Located;
use crate::resync;
use crate::selected::{Selected, Shared};
use crate::sync::{News, flags_of_mailbox, flags_of_message, number_at};
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{Qresync, Select};
use imap_proto::response::{ListEntry, MailboxAttribute};
use imap_proto::{Code, Encoder, MailboxName, Status};
use session::OUTPUT_HIGH_WATER_BYTES;
use std::task::Waker;
use store::{Error, ModSeq, Rights, Role, SystemFlag, Uid, View};

/// SELECT or EXAMINE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// The flags that a client with QRESYNC has missed: told slice by slice, then the answer.
pub(super) struct Resync {
    positions: std::vec::IntoIter<usize>,
    answer: Tagged,
}

/// RFC 4314 §5.1.1: whoever has none of these rights opens a mailbox to read it.
const CHANGES: Rights =
    Rights::INSERT.and(Rights::EXPUNGE).and(Rights::DELETE_MESSAGES).and(Rights::SEEN).and(Rights::WRITE);
/// The first unseen message is looked for in at most this many entries. RFC 3501 §6.3.1 lets UNSEEN be left out.
const UNSEEN_SCAN_MAX: usize = 32 * 1024;
const UNSEEN_SCAN_STEP: usize = 256;

pub(super) fn begin(
    context: &mut Context<'_>,
    select: &Select,
    access: Access,
    waker: Waker,
) -> Result<Resync, Tagged> {
    if select.qresync.is_some() && !context.user.enabled.qresync {
        // RFC 7162 §3.2.5
        return Err(Tagged::bad("ENABLE QRESYNC first"));
    }
    // RFC 9051 §6.3.2: whatever comes of it, the mailbox that was selected is not any more.
    if context.user.selected.take().is_some() {
        context.encoder().untagged(Status::Ok, Some(Code::Closed), "The previous mailbox is closed");
    }
    // RFC 7162 §3.1.8
    context.user.enabled.condstore |= select.condstore;
    context.user.account.catch_up()?;
    let located = context.locate(&select.mailbox, Rights::READ)?;
    let shared = located.is_shared().then(|| {
        let (name, _watch) = (select.mailbox.as_str().to_owned(), located.account.watch(waker));
        Box::new(Shared { name, _watch })
    });
    let Located { account, mailbox, rights } = located;
    let view = account.view(mailbox.id)?;
    // RFC 9051 §7.1: nothing there changes but by the answer of the owner, which is not given here.
    let is_held = view.mailbox().role == Some(Role::Held);
    let takes_nothing = account.is_read_only();
    let changes_nothing = is_held || !rights.has_some(CHANGES);
    let read_only = access == Access::ReadOnly || changes_nothing || takes_nothing;
    let enabled = context.user.enabled;
    let mut selected = Selected::new(account, view, read_only);
    selected.shared = shared;
    selected.meet_recent(selected.view.mailbox().uid_next, enabled)?;
    tell_mailbox(&mut selected, &select.mailbox, context.user.enabled, context.output);
    let positions = match &select.qresync {
        Some(known) => tell_missed(&selected, known, context.output)?,
        None => Vec::new(),
    };
    context.user.selected = Some(selected);
    let answer = match access {
        Access::ReadWrite if takes_nothing => {
            Tagged::ok("Selected, to be read only: the server cannot write to its disk").with(Code::ReadOnly)
        }
        Access::ReadWrite if changes_nothing => Tagged::ok("Selected, to be read only").with(Code::ReadOnly),
        Access::ReadWrite => Tagged::ok("Selected").with(Code::ReadWrite),
        Access::ReadOnly => Tagged::ok("Examined").with(Code::ReadOnly),
    };
    Ok(Resync { positions: positions.into_iter(), answer })
}

impl Work for Resync {
    /// Tells some more of what a client with QRESYNC has missed.
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let Some(selected) = &context.user.selected else { return Ok(Progress::Done(self.answer.clone())) };
        for position in self.positions.by_ref() {
            if let Some(entry) = selected.told.get(position) {
                flags_of_message(selected, number_at(position), entry, context.user.enabled, context.output);
            }
            if context.output.len() >= OUTPUT_HIGH_WATER_BYTES {
                return Ok(Progress::More);
            }
        }
        // After what it is true of: whose connection broke before comes back with what it had.
        let modseq = selected.known_modseq.0;
        context.encoder().untagged(Status::Ok, Some(Code::HighestModSeq(modseq)), "Highest");
        Ok(Progress::Done(self.answer.clone()))
    }

    /// RFC 9051 §6.3.2: what came meanwhile would be told of a mailbox that the client has not selected yet.
    fn news(&mut self) -> Option<News> {
        None
    }
}

fn tell_mailbox(selected: &mut Selected, name: &MailboxName, enabled: Enabled, output: &mut Vec<u8>) {
    let mailbox = selected.view.mailbox();
    let mut encoder = Encoder::new(output, enabled.dialect());
    flags_of_mailbox(&selected.view, selected.permanent(), &mut encoder);
    encoder.exists(selected.exists());
    if enabled.rev2 {
        // RFC 9051 §6.3.2: LIST tells the name as the server knows it.
        let attributes: &[MailboxAttribute] = &[];
        encoder.list(&ListEntry { attributes, name, old_name: None, child_info: &[] });
    } else {
        selected.recent.tell(&selected.told, true, enabled, &mut encoder);
        // RFC 9586 §3: it would be a number.
        if let Some(position) = first_unseen(&selected.view).filter(|_| !enabled.uid_only) {
            encoder.untagged(Status::Ok, Some(Code::Unseen(number_at(position))), "First unseen");
        }
    }
    let codes = [
        (Code::UidValidity(mailbox.uid_validity.0), "UIDs are valid"),
        (Code::UidNext(mailbox.uid_next.0), "Predicted next UID"),
        (Code::MailboxId(&mailbox_id(&selected.account, mailbox.id)), "Immutable"),
        // RFC 4467 §7
        (Code::UrlMech, "Addresses can be authorized"),
    ];
    for (code, text) in codes {
        encoder.untagged(Status::Ok, Some(code), text);
    }
}

/// The position of the first message without `\Seen`, looked for from both ends: from the end back until as many were
/// found as there are, since what is new is mostly unseen.
fn first_unseen(view: &View) -> Option<usize> {
    let (index, mut missing) = (view.index(), view.mailbox().counts.unseen as usize);
    if missing == 0 {
        return None;
    }
    let unseen = |(position, entry): (usize, &store::Entry)| (!entry.flags.has(SystemFlag::Seen)).then_some(position);
    let (mut start, mut end) = (0, index.len());
    while start < end && start < UNSEEN_SCAN_MAX / 2 {
        if let Some(position) = index.positions(start..start + UNSEEN_SCAN_STEP).find_map(unseen) {
            return Some(position);
        }
        start += UNSEEN_SCAN_STEP;
        let from = end.saturating_sub(UNSEEN_SCAN_STEP);
        let found: Vec<usize> = index.positions(from..end).filter_map(unseen).collect();
        missing = missing.saturating_sub(found.len());
        if missing == 0 {
            return found.first().copied();
        }
        end = from;
    }
    None
}

/// `VANISHED (EARLIER)`; gives the positions of the messages whose flags the client has missed.
fn tell_missed(selected: &Selected, known: &Qresync, output: &mut Vec<u8>) -> Result<Vec<usize>, Error> {
    // RFC 7162 §3.2.5: with another UIDVALIDITY everything that the client knows is void.
    if known.uidvalidity != selected.view.mailbox().uid_validity.0 {
        return Ok(Vec::new());
    }
    let since = ModSeq(known.modseq);
    // Who was given the right to read it after that may have been told that all is gone: which UIDs they know says nothing.
    let given = selected.account.guest().map(|guest| selected.view.mailbox().acl.readable_since(guest));
    let is_from_before = given.is_some_and(|given| since < given);
    let known_uids = known.known_uids.as_ref().filter(|_| !is_from_before);
    let ranges = known_uids.map(|set| set.resolve(u32::MAX));
    let is_known = |uid: Uid| {
        ranges.as_ref().is_none_or(|ranges| {
            let at = ranges.partition_point(|range| *range.end() < uid.0);
            ranges.get(at).is_some_and(|range| range.contains(&uid.0))
        })
    };
    resync::tell_vanished(selected, since, is_known, output)?;
    let known = selected.told.positions(0..selected.told.len()).filter(|(_, entry)| is_known(entry.uid));
    Ok(resync::changed_since(known, since, resync::SAME_MODSEQ_MAX).collect())
}
