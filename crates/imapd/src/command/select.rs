//! SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3) with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5).

use super::Context;
use crate::command::status::mailbox_id;
use crate::connection::{Session, Turn};
use crate::enabled::Enabled;
use crate::resync;
use crate::selected::Selected;
use crate::state::{Finish, Running, State};
use crate::sync::{flags_of_mailbox, flags_of_message, number_at};
use crate::tagged::Tagged;
use imap_proto::command::{Qresync, Select};
use imap_proto::response::{ListEntry, MailboxAttribute};
use imap_proto::{Code, Encoder, MailboxName, Status, Tag};
use session::OUTPUT_HIGH_WATER_BYTES;
use store::{Error, ModSeq, Role, SystemFlag, Uid, View};

/// SELECT or EXAMINE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// The flags that a client with QRESYNC has missed: told slice by slice, then the answer.
pub(crate) struct Resync {
    positions: std::vec::IntoIter<usize>,
    answer: Tagged,
}

/// The first unseen message is looked for in at most this many entries. RFC 3501 §6.3.1 lets UNSEEN be left out.
const UNSEEN_SCAN_MAX: usize = 32 * 1024;
const UNSEEN_SCAN_STEP: usize = 256;

impl Session {
    pub(super) fn select(&mut self, tag: Tag, select: &Select, access: Access, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        match run(&mut context, select, access) {
            Ok(resync) => self.run(Running::Resync(tag, Box::new(resync))),
            Err(refusal) => self.end(Finish::new(tag, refusal)),
        }
    }

    /// Tells some more of what a client with QRESYNC has missed.
    pub(crate) fn resync_turn(&mut self, tag: Tag, mut resync: Box<Resync>, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let Some(selected) = &user.selected else { return self.end(Finish::new(tag, resync.answer)) };
        for position in resync.positions.by_ref() {
            if let Some(entry) = selected.told.get(position) {
                flags_of_message(selected, number_at(position), entry, user.enabled, output);
            }
            if output.len() >= OUTPUT_HIGH_WATER_BYTES {
                return self.pause(Running::Resync(tag, resync));
            }
        }
        // After what it is true of: whose connection broke before comes back with what it had.
        let modseq = selected.known_modseq.0;
        self.encoder(output).untagged(Status::Ok, Some(Code::HighestModSeq(modseq)), "Highest");
        // RFC 9051 §6.3.2: what came meanwhile would be told of a mailbox that the client has not selected yet.
        self.end(Finish { news: None, ..Finish::new(tag, resync.answer) })
    }
}

fn run(context: &mut Context<'_>, select: &Select, access: Access) -> Result<Resync, Tagged> {
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
    let mailbox = context.mailbox(&select.mailbox)?;
    let account = context.user.account.clone();
    let view = account.view(mailbox.id)?;
    // RFC 9051 §7.1: nothing there changes but by the answer of the owner, which is not given here.
    let is_held = view.mailbox().role == Some(Role::Held);
    let read_only = access == Access::ReadOnly || is_held;
    let enabled = context.user.enabled;
    let mut selected = Selected::new(account, view, read_only);
    selected.meet_recent(selected.view.mailbox().uid_next, enabled)?;
    tell_mailbox(&mut selected, &select.mailbox, context.user.enabled, context.output);
    let positions = match &select.qresync {
        Some(known) => tell_missed(&selected, known, context.output)?,
        None => Vec::new(),
    };
    context.user.selected = Some(selected);
    let answer = match access {
        Access::ReadWrite if is_held => Tagged::ok("Selected, to be read only").with(Code::ReadOnly),
        Access::ReadWrite => Tagged::ok("Selected").with(Code::ReadWrite),
        Access::ReadOnly => Tagged::ok("Examined").with(Code::ReadOnly),
    };
    Ok(Resync { positions: positions.into_iter(), answer })
}

fn tell_mailbox(selected: &mut Selected, name: &MailboxName, enabled: Enabled, output: &mut Vec<u8>) {
    let mailbox = selected.view.mailbox();
    let mut encoder = Encoder::new(output, enabled.dialect());
    flags_of_mailbox(&selected.view, selected.read_only, &mut encoder);
    encoder.exists(selected.exists());
    if enabled.rev2 {
        // RFC 9051 §6.3.2: LIST tells the name as the server knows it.
        let attributes: &[MailboxAttribute] = &[];
        encoder.list(&ListEntry { attributes, name, old_name: None, child_info: &[] });
    } else {
        selected.recent.tell(&selected.told, true, enabled, &mut encoder);
        if let Some(position) = first_unseen(&selected.view) {
            encoder.untagged(Status::Ok, Some(Code::Unseen(number_at(position))), "First unseen");
        }
    }
    let codes = [
        (Code::UidValidity(mailbox.uid_validity.0), "UIDs are valid"),
        (Code::UidNext(mailbox.uid_next.0), "Predicted next UID"),
        (Code::MailboxId(&mailbox_id(mailbox.id)), "Immutable"),
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
    let ranges = known.known_uids.as_ref().map(|set| set.resolve(u32::MAX));
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
