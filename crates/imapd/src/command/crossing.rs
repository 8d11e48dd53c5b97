//! COPY and MOVE (RFC 9051 §6.4.7, §6.4.8) between mailboxes of two accounts.
//!
//! No transaction joins two accounts. All messages come into the target or none, durably, before the first one leaves the source:
//! what breaks off in between leaves them in both.

use super::copy::copy_uid_of;
use crate::context::Context;
use crate::located::{Located, acting_in};
use crate::selected::{Selected, must_be_readable};
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::Status;
use std::collections::VecDeque;
use store::{Account, Amount, Appending, Error, Expunging, MailboxId, NewMessage, Rights, Uid, UidValidity, View};
use store_objects::Holder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Copy,
    Move,
}

/// Messages on their way into another account.
pub(super) struct Crossing {
    how: How,
    from: (Account, View),
    to: (Account, MailboxId, UidValidity),
    left: VecDeque<Uid>,
    appending: Option<Appending>,
    /// Those that are in the target, or in what is being made of them.
    copied: Vec<Uid>,
    /// MOVE: all are in the target.
    leaving: Option<Expunging>,
}

/// `None`: the target is in the same account.
pub(super) fn begin(selected: &Selected, uids: &[Uid], to: &Located, how: How) -> Result<Option<Crossing>, Tagged> {
    if selected.account.id() == to.account.id() {
        return Ok(None);
    }
    let (account, view) = (selected.account.clone(), selected.account.view(selected.mailbox)?);
    // RFC 6851 §3.3: of EXPUNGE and of STORE.
    let needed = Rights::DELETE_MESSAGES.and(Rights::EXPUNGE);
    if how == How::Move && !account.rights(selected.mailbox)?.has(needed) {
        return Err(Error::NotPermitted.into());
    }
    let to = (to.account.clone(), to.mailbox.id, to.mailbox.uid_validity);
    let left = uids.iter().copied().collect();
    Ok(Some(Crossing { how, from: (account, view), to, left, appending: None, copied: Vec::new(), leaving: None }))
}

impl Work for Crossing {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        if let Some(leaving) = &mut self.leaving {
            return Ok(if leaving.piece(&self.from.0)? {
                Progress::More
            } else {
                Progress::Done(Tagged::ok("MOVE done"))
            });
        }
        let mut appending = match self.appending.take() {
            Some(appending) => appending,
            None => self.begin_append(context),
        };
        self.fill(context, &mut appending)?;
        let is_last = self.left.is_empty();
        if !self.copied.is_empty() {
            appending.commit(is_last)?;
        }
        if !is_last {
            self.appending = Some(appending);
            return Ok(Progress::More);
        }
        let appended = appending.finish();
        let code = copy_uid_of(self.to.2.0, self.copied.iter().copied().zip(appended.iter().map(|one| one.uid)));
        match self.how {
            How::Copy => {
                let done = Tagged::ok("COPY done");
                Ok(Progress::Done(match code {
                    Some(code) => done.with_code(code),
                    None => done,
                }))
            }
            How::Move => {
                // RFC 6851 §4.3: before the EXPUNGEs.
                if let Some(code) = code {
                    context.encoder().untagged(Status::Ok, Some(code.borrowed(&[])), "Moved");
                }
                let (account, view) = &self.from;
                let actor = acting_in(account, context.actor());
                self.leaving = Some(account.begin_removal(actor, view.mailbox().id, &self.copied)?);
                Ok(Progress::More)
            }
        }
    }

    fn takes_long(&self) -> bool {
        true
    }
}

impl Crossing {
    fn begin_append(&self, context: &Context<'_>) -> Appending {
        let (_, view) = &self.from;
        let sizes = self.left.iter().filter_map(|uid| view.index().find(*uid)).map(|entry| entry.size);
        let (account, mailbox, _) = &self.to;
        account.begin_append(acting_in(account, context.actor()), *mailbox, Amount::of(sizes))
    }

    /// Reads the messages of the next piece.
    fn fill(&mut self, context: &Context<'_>, appending: &mut Appending) -> Result<(), Stop> {
        let (account, view) = &self.from;
        must_be_readable(account, view.mailbox().id)?;
        let reader = account.reader()?;
        while let Some(uid) = self.left.front().copied() {
            let entry = view.index().find(uid).copied();
            if entry.is_some_and(|entry| !appending.has_room(entry.size as usize)) {
                break;
            }
            self.left.pop_front();
            // What is gone is passed over, as in a COPY within an account.
            let Some(entry) = entry else { continue };
            let holder = Holder::Account(context.user.account.id());
            let _room = context.service.spool.whole(holder, entry.size.into());
            let body = match reader.body(entry.email) {
                Err(Error::NoSuchMessage) => continue,
                body => body?,
            };
            let flags = view.mailbox().keywords.flags(entry.flags);
            appending.add(NewMessage { body, flags, internal_date: entry.internal_date })?;
            self.copied.push(uid);
        }
        Ok(())
    }
}
