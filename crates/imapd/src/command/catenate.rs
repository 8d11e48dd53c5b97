//! CATENATE (RFC 4469): a message is put together of texts that come with the command, and of messages that are here.
//!
//! The texts are in the spool when it begins. It puts the messages together there, slice by slice, and hands them to the
//! same work that stores the messages of any APPEND, or of a REPLACE.

use super::append::Several;
use crate::context::Context;
use crate::fetch::Piece;
use crate::tagged::{ResultCode, Tagged};
use crate::upload::{Complete, Part, not_taken, nothing_appended};
use crate::work::{Progress, Stop, Work};
use imap_proto::{Code, Limits, MailboxName, MessageUrl};
use std::collections::VecDeque;
use std::mem;
use store::{Account, Body, Entry, Error, MailboxId, Rights, Uid};
use store_objects::{Holder, Incoming};

/// A slice reads about so many octets.
const BYTES_PER_SLICE_MAX: usize = 4 * 1024 * 1024;
/// So many octets are in memory at a time.
const BLOCK_BYTES: usize = 64 * 1024;
/// What it costs to look for a message, in octets read.
const LOOK_BYTES: usize = 4 * 1024;

/// An APPEND whose messages are being put together.
pub(super) struct Catenating {
    mailbox: MailboxName,
    assembly: Assembly,
    /// All is put together, and is being stored.
    storing: Option<Several>,
}

/// Messages that are being put together.
pub(super) struct Assembly {
    /// All texts, one behind the other.
    texts: Incoming,
    /// Where in them the next one begins.
    at: u64,
    /// The messages that are not complete yet, with the parts that they still lack.
    rest: VecDeque<Complete>,
    /// The message that a part is taken of.
    piece: Option<Piece>,
    /// The large message that was read last.
    known: Option<Body>,
    /// What is put together.
    whole: Incoming,
    /// The octets of the first of `rest` that are in `whole`.
    bytes: usize,
    done: Vec<Complete>,
}

/// The messages of a command, some of which have parts that are here.
pub(super) fn begin(
    context: &Context<'_>,
    mailbox: MailboxName,
    texts: Incoming,
    messages: Vec<Complete>,
) -> Result<Catenating, Tagged> {
    context.target(&mailbox)?;
    Ok(Catenating { mailbox, assembly: Assembly::new(context, texts, messages), storing: None })
}

fn holder(context: &Context<'_>) -> Holder {
    Holder::Account(context.user.account.id())
}

impl Work for Catenating {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        if let Some(storing) = &mut self.storing {
            return storing.run(context);
        }
        if let Some((whole, messages)) = self.assembly.go_on(context)? {
            self.storing = Some(Several::new(self.mailbox.clone(), whole, messages));
        }
        Ok(Progress::More)
    }

    /// Messages may be large, and any.
    fn takes_long(&self) -> bool {
        true
    }
}

impl Assembly {
    /// Of `texts`, one behind the other, and of what is here.
    pub(super) fn new(context: &Context<'_>, texts: Incoming, messages: Vec<Complete>) -> Self {
        let as_parts = |mut message: Complete| {
            if message.parts.is_empty() {
                message.parts.push_back(Part::Text(message.bytes));
            }
            message
        };
        let rest = messages.into_iter().map(as_parts).collect();
        let whole = context.service.spool.begin(holder(context));
        Self { texts, at: 0, rest, piece: None, known: None, whole, bytes: 0, done: Vec::new() }
    }

    /// The next slice; at the end all messages, one behind the other.
    pub(super) fn go_on(&mut self, context: &Context<'_>) -> Result<Option<(Incoming, Vec<Complete>)>, Stop> {
        let mut budget = BYTES_PER_SLICE_MAX;
        while budget > 0 {
            let Some(message) = self.rest.front_mut() else {
                let whole = mem::replace(&mut self.whole, context.service.spool.begin(holder(context)));
                return Ok(Some((whole, mem::take(&mut self.done))));
            };
            match message.parts.pop_front() {
                Some(Part::Text(bytes)) => self.take_text(context, bytes, &mut budget)?,
                Some(Part::Url(url)) => self.take_url(context, url, &mut budget)?,
                None => self.complete()?,
            }
        }
        Ok(None)
    }

    fn take_text(&mut self, context: &Context<'_>, bytes: usize, budget: &mut usize) -> Result<(), Stop> {
        let now = bytes.min(BLOCK_BYTES);
        let octets = self.texts.part(self.at, now).map_err(not_taken)?;
        self.at += now as u64;
        self.push(context, &octets, budget)?;
        if now < bytes {
            self.put_back(Part::Text(bytes - now));
        }
        Ok(())
    }

    fn take_url(&mut self, context: &Context<'_>, url: String, budget: &mut usize) -> Result<(), Stop> {
        let mut piece = match self.piece.take() {
            Some(piece) => piece,
            None => {
                *budget = budget.saturating_sub(LOOK_BYTES);
                self.open(context, &url)?.ok_or_else(|| bad_url(&url))?
            }
        };
        match piece.prepare(budget)? {
            None => {}
            Some(None) => return Err(bad_url(&url).into()),
            Some(Some(_)) => {
                let octets = piece.next(BLOCK_BYTES)?;
                if octets.is_empty() {
                    self.known = piece.into_known();
                    return Ok(());
                }
                self.push(context, &octets, budget)?;
            }
        }
        self.piece = Some(piece);
        self.put_back(Part::Url(url));
        Ok(())
    }

    /// A part of a message, of which nothing is read yet; `None` where there is no such message.
    fn open(&mut self, context: &Context<'_>, url: &str) -> Result<Option<Piece>, Error> {
        let selected = context.user.selected.as_ref();
        let name = selected.and_then(|selected| MailboxName::new(selected.name()).ok());
        let limits = Limits::after_login(context.service.message_bytes_max);
        let Some(url) = MessageUrl::relative(url, name.as_ref(), &limits) else { return Ok(None) };
        let place = match &url.mailbox {
            Some(name) => context.locate(name, Rights::READ).map(|located| (located.account, located.mailbox.id)),
            None => selected.map(|selected| (selected.account.clone(), selected.mailbox)).ok_or(Error::NoSuchMailbox),
        };
        match place.and_then(|(account, mailbox)| Ok(entry(&account, mailbox, &url)?.map(|entry| (account, entry)))) {
            Ok(Some((account, entry))) => {
                let reader = account.reader()?;
                Piece::open(&reader, entry, url.section, &mut self.known).map(Some)
            }
            Ok(None) | Err(Error::NoSuchMailbox | Error::NotPermitted) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn push(&mut self, context: &Context<'_>, octets: &[u8], budget: &mut usize) -> Result<(), Stop> {
        let bytes = self.bytes.saturating_add(octets.len());
        // RFC 4469 §4.2
        if bytes as u64 > context.service.message_bytes_max {
            return Err(Tagged::refused(Code::TooBig, "The message would be too large").into());
        }
        self.whole.push(octets).map_err(not_taken)?;
        self.bytes = bytes;
        // A part of nothing costs something too.
        *budget = budget.saturating_sub(octets.len().max(LOOK_BYTES));
        Ok(())
    }

    fn put_back(&mut self, part: Part) {
        if let Some(message) = self.rest.front_mut() {
            message.parts.push_front(part);
        }
    }

    fn complete(&mut self) -> Result<(), Tagged> {
        let bytes = mem::take(&mut self.bytes);
        if bytes == 0 {
            return Err(nothing_appended());
        }
        self.done.extend(self.rest.pop_front().map(|message| Complete { bytes, ..message }));
        Ok(())
    }
}

/// The message of an address in the mailbox, as it is now.
fn entry(account: &Account, mailbox: MailboxId, url: &MessageUrl) -> Result<Option<Entry>, Error> {
    let view = account.view(mailbox)?;
    let is_other = url.uid_validity.is_some_and(|validity| validity != view.mailbox().uid_validity.0);
    Ok(view.index().find(Uid(url.uid)).copied().filter(|_| !is_other))
}

/// RFC 4469 §4.1
fn bad_url(url: &str) -> Tagged {
    Tagged::no("No such message or part").with_code(ResultCode::BadUrl(url.to_owned()))
}
