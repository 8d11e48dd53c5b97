//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (§6.4.9). What is gone is told by `sync`.

use super::announced::UNANNOUNCED_MESSAGES_MAX;
use crate::context::Context;
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::{MessageSet, Numbering};
use store::{Error, Expunge, MailboxId};

/// An EXPUNGE on its way.
pub(super) struct Expunging {
    mailbox: MailboxId,
    state: State,
}

enum State {
    New(Expunge),
    Begun(store::Expunging),
}

pub(super) fn begin(context: &mut Context<'_>, set: Option<&MessageSet>) -> Result<Expunging, Tagged> {
    let selected = context.selected()?;
    let which = match set {
        Some(set) => Expunge::DeletedAmong(selected.uids(set, Numbering::Uid)?),
        None => Expunge::AllDeleted,
    };
    Ok(Expunging { mailbox: selected.mailbox, state: State::New(which) })
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
