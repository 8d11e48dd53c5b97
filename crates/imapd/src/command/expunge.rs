//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (§6.4.9). What is gone is told by `sync`.

use super::announced::UNANNOUNCED_MESSAGES_MAX;
use super::within::Within;
use crate::context::Context;
use crate::message_limit::Cut;
use crate::selected::Selected;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{MessageSet, Numbering};
use store::{Error, Expunge, MailboxId, SystemFlag, Uid};

/// An EXPUNGE on its way.
pub(super) struct Expunging {
    mailbox: MailboxId,
    state: State,
}

enum State {
    New(Expunge),
    Begun(store::Expunging),
}

pub(super) fn begin(context: &mut Context<'_>, set: Option<&MessageSet>) -> Result<Within<Expunging>, Tagged> {
    let max = context.service.limits.messages.processed();
    let selected = context.selected()?;
    let (which, cut) = match set {
        Some(set) => {
            let mut uids = selected.uids(set, Numbering::Uid)?;
            let cut = cut(selected, &mut uids, max)?;
            (Expunge::DeletedAmong(uids), cut)
        }
        // RFC 9738 §3.1: never limited, nor is CLOSE.
        None => (Expunge::AllDeleted, None),
    };
    Ok(Within::new(Expunging { mailbox: selected.mailbox, state: State::New(which) }, cut))
}

/// RFC 9738 §3.1: those with `\Deleted` count.
fn cut(selected: &Selected, uids: &mut Vec<Uid>, max: Option<u32>) -> Result<Option<Cut>, Error> {
    if max.is_none_or(|max| uids.len() <= max as usize) {
        return Ok(None);
    }
    let view = match selected.account.view(selected.mailbox) {
        // Which `sync` tells.
        Err(Error::NoSuchMailbox) => return Ok(None),
        view => view?,
    };
    uids.retain(|uid| view.index().find(*uid).is_some_and(|entry| entry.flags.has(SystemFlag::Deleted)));
    Ok(Cut::last_of(uids, max))
}

impl Work for Expunging {
    fn takes_long(&self) -> bool {
        match &self.state {
            State::New(Expunge::DeletedAmong(uids)) => uids.len() > UNANNOUNCED_MESSAGES_MAX,
            // Announced by the command.
            State::New(Expunge::AllDeleted) | State::Begun(_) => false,
        }
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let account = context.selected()?.account.clone();
        let (actor, mailbox) = (context.actor_in(&account), self.mailbox);
        let done = Tagged::ok("EXPUNGE done");
        let more = match &mut self.state {
            State::New(which) => account.begin_expunge(actor, mailbox, which.clone()).map(|begun| {
                let more = !begun.is_done();
                self.state = State::Begun(begun);
                more
            }),
            State::Begun(begun) => begun.piece(&account),
        };
        match more {
            Ok(true) => Ok(Progress::More),
            Ok(false) => {
                let gone = matches!(&self.state, State::Begun(begun) if !begun.gone().is_empty());
                if let Some(selected) = context.user.selected.as_mut().filter(|_| gone) {
                    // RFC 7162 §3.2.7: also where the client never knew what is gone.
                    selected.says_modseq = true;
                }
                Ok(Progress::Done(done))
            }
            // Another device deleted the mailbox, which `sync` tells.
            Err(Error::NoSuchMailbox) => Ok(Progress::Done(done)),
            Err(error) => Err(error.into()),
        }
    }
}
