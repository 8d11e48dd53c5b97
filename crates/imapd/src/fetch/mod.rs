//! FETCH and UID FETCH (RFC 9051 §6.4.5) with BINARY, CONDSTORE, QRESYNC and OBJECTID.
//!
//! A fetch answers from the index that the client knows, as it stood when the command came, and reads the store for
//! what the index does not have: summaries for ENVELOPE and the structures, bodies for sections, each once a message.
//! It works in slices, each with one snapshot of the store. A message that another device expunges meanwhile is still
//! served: the client counts it, and the store keeps its body.
//!
//! What it does not do: tell the flags that it sets or anything else that changed; that is `sync`'s.
//!
//! Invariant: a large body is looked through, slice by slice, before its response begins; after that it is read in pieces.
//! Invariant: `\Seen` is set for a message only after all of its response is written.

mod decoding;
mod piece;
mod plan;
mod preview;
mod response;
mod targets;

use crate::enabled::Enabled;
use crate::located::{acting_in, guest_of};
use crate::message_limit::Cut;
use crate::resync;
use crate::selected::Selected;
use crate::sync::number_at;
use crate::tagged::Tagged;
use crate::work::Progress;
use imap_proto::command::{Fetch as Request, FetchItem};
use imap_proto::{Code, Encoder, MessageSet, Numbering};
pub(crate) use piece::Piece;
use plan::{Needs, Plan};
use response::{Facts, Response};
use session::OUTPUT_HIGH_WATER_BYTES;
use std::ops::ControlFlow;
use store::{Actor, Body, Entry, Error, FlagChange, FlagMode, Flags, Index, ModSeq, Reader, SystemFlag, Uid};
use targets::Targets;

/// A slice reads at most about this much of bodies: other work of the connection waits so long.
const READ_BYTES_PER_SLICE_MAX: usize = 8 * 1024 * 1024;
/// A slice reads at most this many messages.
const READS_PER_SLICE_MAX: usize = 1000;
/// After so many messages that cannot be read the command gives up: the disk is not well.
const UNREADABLE_MAX: u32 = 8;

/// A FETCH on its way.
#[derive(Debug)]
pub(crate) struct Fetch {
    plan: Plan,
    numbering: Numbering,
    /// What the client knew when it asked.
    index: Index,
    targets: Targets,
    /// Still to be told, before anything else.
    vanished: Option<Vanished>,
    /// The response that the last slice did not finish.
    response: Option<Response>,
    troubles: Troubles,
}

/// The UIDs that the client asks about with VANISHED, and since when.
#[derive(Debug)]
struct Vanished {
    set: MessageSet,
    since: ModSeq,
}

/// What will have to be said at the end.
#[derive(Debug, Default)]
struct Troubles {
    unreadable: u32,
    unknown_cte: bool,
    gone: bool,
}

/// What a slice did.
struct Slice {
    seen: Vec<Uid>,
    /// The large body that was read last.
    known: Option<Body>,
    /// Octets of bodies that it may still go through.
    budget: usize,
    reads: usize,
}

/// A response that has begun cannot be ended, because what it announced cannot be read any more: no answer can be told from
/// mail now, the connection must end.
#[derive(Debug)]
pub(crate) struct Broken;

/// How a slice ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Full,
    LastMessage,
}

/// RFC 7162 §3.1: whether the command switches CONDSTORE on.
pub(crate) fn enables_condstore(request: &Request) -> bool {
    request.changed_since.is_some() || request.items.contains(&FetchItem::ModSeq)
}

/// Whether the store has to be read for each message: the index does not have all that is asked for.
pub(crate) fn reads(request: &Request) -> bool {
    Plan::new(request, Enabled::default()).needs != Needs::default()
}

impl Fetch {
    /// A fetch of what `selected` has told the client.
    ///
    /// # Errors
    /// BAD: a message number above EXISTS, or VANISHED without QRESYNC.
    pub(crate) fn new(request: Request, enabled: Enabled, selected: &Selected) -> Result<Self, Tagged> {
        let targets = Targets::of(&request, selected)?;
        let plan = Plan::new(&request, enabled);
        let vanished = match request.changed_since {
            Some(since) if since.vanished => {
                // RFC 7162 §3.2.6: BAD without ENABLE QRESYNC.
                if !enabled.qresync {
                    return Err(Tagged::bad("VANISHED needs ENABLE QRESYNC first"));
                }
                Some(Vanished { set: request.set, since: ModSeq(since.modseq) })
            }
            Some(_) | None => None,
        };
        let index = selected.told.clone();
        let troubles = Troubles::default();
        Ok(Self { plan, numbering: request.numbering, index, targets, vanished, response: None, troubles })
    }

    /// How many messages it is about.
    pub(crate) fn count(&self) -> usize {
        self.targets.left()
    }

    /// Leaves the last `max` of them (RFC 9738 §3.1). None: there are no more.
    pub(crate) fn cut(&mut self, max: u32) -> Option<Cut> {
        if self.count() <= max as usize {
            return None;
        }
        let lowest = self.targets.keep_last(max as usize)?;
        self.index.get(lowest).map(|entry| Cut { max, lowest: entry.uid })
    }

    /// Writes responses until the output is full, the slice's work is done or the command is over.
    pub(crate) fn run(
        &mut self,
        selected: &mut Selected,
        actor: Actor,
        output: &mut Vec<u8>,
    ) -> Result<Progress, Broken> {
        if let Some(vanished) = self.vanished.take()
            && let Err(error) = vanished.tell(selected, output)
        {
            return Ok(Progress::Done(error.into()));
        }
        if self.response.is_none()
            && let Err(error) = selected.must_be_readable()
        {
            return Ok(Progress::Done(error.into()));
        }
        let mut slice = Slice {
            seen: Vec::new(),
            budget: READ_BYTES_PER_SLICE_MAX,
            reads: 0,
            known: selected.known.take().map(|body| *body),
        };
        let end = match self.plan.needs {
            needs if needs == Needs::default() => Ok(Ok(self.write_facts(selected, output))),
            Needs::SHOWN => Ok(self.write_summaries(selected, output)),
            _ => self.write(selected, &mut slice, output),
        };
        selected.known = slice.known.map(Box::new);
        mark_seen(selected, actor, slice.seen);
        Ok(match end? {
            Ok(End::Full) => Progress::More,
            Ok(End::LastMessage) => Progress::Done(self.troubles.conclusion(self.numbering)),
            Err(error) => Progress::Done(error.into()),
        })
    }

    /// Responses that need no message to be read.
    fn write_facts(&mut self, selected: &Selected, output: &mut Vec<u8>) -> End {
        let keywords = &selected.view.mailbox().keywords;
        loop {
            let stretch = self.targets.stretch();
            if stretch.is_empty() {
                return End::LastMessage;
            }
            for (position, entry) in self.index.positions(stretch.clone()) {
                if output.len() >= OUTPUT_HIGH_WATER_BYTES {
                    self.targets.go_on_at(position);
                    return End::Full;
                }
                let facts = facts(selected, position, *entry);
                facts.write_all(&self.plan, keywords, None, &mut Encoder::new(output, self.plan.enabled.dialect()));
            }
            self.targets.go_on_at(stretch.end);
        }
    }

    /// Responses for which the summary alone has to be read: written where it lies, without a copy of it.
    fn write_summaries(&mut self, selected: &Selected, output: &mut Vec<u8>) -> Result<End, Error> {
        let keywords = &selected.view.mailbox().keywords;
        let reader = selected.account.reader()?;
        let mut end = Ok(End::LastMessage);
        let mut reads = 0;
        while end == Ok(End::LastMessage) && !self.targets.stretch().is_empty() {
            let stretch = self.targets.stretch();
            let mut next = stretch.end;
            let mut entries = self.index.positions(stretch.clone());
            let emails = self.index.positions(stretch).map(|(_, entry)| entry.email);
            reader.summaries(emails, |summary| {
                let Some((position, entry)) = entries.next() else { return ControlFlow::Break(()) };
                let facts = facts(selected, position, *entry);
                let written = summary.map(|summary| {
                    let mut encoder = Encoder::new(output, self.plan.enabled.dialect());
                    facts.write_all(&self.plan, keywords, Some(summary), &mut encoder);
                });
                if let Err(error) = written.or_else(|error| self.troubles.note(error)) {
                    end = Err(error);
                }
                reads += 1;
                if end.is_ok() && output.len() < OUTPUT_HIGH_WATER_BYTES && reads < READS_PER_SLICE_MAX {
                    return ControlFlow::Continue(());
                }
                next = position + 1;
                if end.is_ok() {
                    end = Ok(End::Full);
                }
                ControlFlow::Break(())
            });
            self.targets.go_on_at(next);
        }
        end
    }

    fn write(
        &mut self,
        selected: &Selected,
        slice: &mut Slice,
        output: &mut Vec<u8>,
    ) -> Result<Result<End, Error>, Broken> {
        let keywords = &selected.view.mailbox().keywords;
        let mut reader = None;
        while output.len() < OUTPUT_HIGH_WATER_BYTES && !slice.is_full() {
            if self.response.is_none() {
                match self.next_response(selected, &mut reader, slice) {
                    Ok(Some(response)) => self.response = Some(response),
                    Ok(None) => return Ok(Ok(End::LastMessage)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            let Some(response) = &mut self.response else { continue };
            match response.prepare(&self.plan, &mut slice.budget) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.response = None;
                    match self.troubles.note(error) {
                        // That it cannot be read may have taken long: others have their turn.
                        Ok(()) => break,
                        Err(error) => return Ok(Err(error)),
                    }
                }
            }
            // Logged by the store.
            if !response.write(&self.plan, keywords, output).map_err(|_| Broken)? {
                break;
            }
            self.troubles.unknown_cte |= response.unknown_cte;
            let entry = &response.facts.entry;
            if self.plan.sets_seen && !selected.read_only && !entry.flags.has(SystemFlag::Seen) {
                slice.seen.push(entry.uid);
            }
            slice.known = self.response.take().and_then(Response::into_known).or(slice.known.take());
        }
        Ok(Ok(End::Full))
    }

    /// The next message, with what has to be read of it; those that cannot be read are passed over.
    fn next_response<'s>(
        &mut self,
        selected: &'s Selected,
        reader: &mut Option<Reader<'s>>,
        slice: &mut Slice,
    ) -> Result<Option<Response>, Error> {
        let needs = self.plan.needs;
        for position in self.targets.by_ref() {
            let Some(entry) = self.index.get(position).copied() else { continue };
            // What a client takes slowly goes on for long.
            selected.must_be_readable()?;
            let reader = match reader {
                Some(reader) => reader,
                None => reader.insert(selected.account.reader()?),
            };
            match Response::read(facts(selected, position, entry), needs, (reader, &mut slice.known)) {
                Ok(response) => {
                    slice.reads += 1;
                    slice.budget = slice.budget.saturating_sub(response.held_bytes());
                    return Ok(Some(response));
                }
                Err(error) => self.troubles.note(error)?,
            }
        }
        Ok(None)
    }
}

fn facts(selected: &Selected, position: usize, entry: Entry) -> Facts {
    let (number, recent) = (number_at(position), selected.recent.has(entry.uid));
    let guest_of = guest_of(&selected.account);
    Facts { number, mailbox: selected.mailbox, guest_of, entry, saved: None, recent }
}

impl Vanished {
    /// RFC 7162 §3.2.6
    fn tell(&self, selected: &Selected, output: &mut Vec<u8>) -> Result<(), Error> {
        // Not `told`'s last UID: `1:*` asks for all, and it may be the last one that is gone.
        let highest = selected.view.mailbox().uid_next.0.saturating_sub(1);
        let wanted = selected.named(&self.set, highest);
        resync::tell_vanished(selected, self.since, |uid| wanted.contains(uid.0), output)
    }
}

impl Slice {
    fn is_full(&self) -> bool {
        self.budget == 0 || self.reads >= READS_PER_SLICE_MAX
    }
}

impl Troubles {
    /// A message could not be read: one that is damaged must not hide the others.
    fn note(&mut self, error: Error) -> Result<(), Error> {
        if error == Error::NoSuchMessage {
            self.gone = true;
            return Ok(());
        }
        self.unreadable += 1;
        if self.unreadable < UNREADABLE_MAX { Ok(()) } else { Err(error) }
    }

    fn conclusion(&self, numbering: Numbering) -> Tagged {
        if self.unreadable > 0 {
            Tagged::refused(Code::Unavailable, "Some messages could not be read")
        } else if self.unknown_cte {
            Tagged::refused(Code::UnknownCte, "The encoding of a part is not known")
        } else if self.gone && numbering == Numbering::Sequence {
            // RFC 5530 §3. RFC 9051 §6.4.9: UIDs that are gone are no error.
            Tagged::refused(Code::ExpungeIssued, "Some messages are gone")
        } else {
            Tagged::ok("FETCH done")
        }
    }
}

/// RFC 9051 §6.4.5: who fetches a body has seen it. That it cannot be noted (the disk is full, broken or read-only, the
/// mailbox was deleted meanwhile) must not keep anybody from reading; the client is told of flags only what was stored.
fn mark_seen(selected: &Selected, actor: Actor, uids: Vec<Uid>) {
    if uids.is_empty() {
        return;
    }
    let seen = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
    // The store has logged what is worth it.
    let actor = acting_in(&selected.account, actor);
    let _unnoted = selected.account.change_flags(actor, selected.mailbox, uids, seen);
}

#[cfg(test)]
mod tests;
