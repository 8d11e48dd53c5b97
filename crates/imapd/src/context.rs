//! What a command of a user works with.

use crate::selected::Selected;
use crate::service::ImapService;
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use crate::user::User;
use imap_proto::{Code, Encoder, MessageSet, Numbering, Status};
use session::Moment;
use std::mem;
use store::{Actor, Error, Mailboxes};

/// What a command of a user works with.
pub(crate) struct Context<'a> {
    pub(crate) service: &'a ImapService,
    pub(crate) now: Moment,
    pub(crate) user: &'a mut User,
    pub(crate) output: &'a mut Vec<u8>,
}

impl Context<'_> {
    pub(crate) fn actor(&self) -> Actor {
        self.user.actor(self.now)
    }

    pub(crate) fn encoder(&mut self) -> Encoder<'_> {
        Encoder::new(self.output, self.user.enabled.dialect())
    }

    /// One's own.
    pub(crate) fn mailboxes(&self) -> Result<Mailboxes, Error> {
        self.user.account.mailboxes()
    }

    pub(crate) fn selected(&mut self) -> Result<&mut Selected, Tagged> {
        self.user.selected()
    }

    /// Before a command that changes messages: those whose UIDs the client names and was not told of on this connection
    /// (it has them from an APPENDUID or COPYUID on another one, as Thunderbird does) are told first. `*` stays the last
    /// message that was told: nothing reaches a message that the user has not seen yet.
    pub(crate) fn tell_named(&mut self, set: &MessageSet, numbering: Numbering) -> Result<(), Tagged> {
        let names_unknown = self.selected()?.names_unknown(set, numbering);
        while names_unknown && self.user.tell_messages(&mut News::without_expunges(), self.output)? == Look::More {}
        Ok(())
    }

    /// A command that is aware of mod-sequences switches CONDSTORE on by itself (RFC 7162 §3.1).
    pub(crate) fn switch_condstore_on(&mut self) {
        if !mem::replace(&mut self.user.enabled.condstore, true) {
            self.tell_modseq();
        }
    }

    /// RFC 7162 §3.1: the first command that switches CONDSTORE on tells how far the client knows the selected mailbox.
    pub(crate) fn tell_modseq(&mut self) {
        if let Some(selected) = &self.user.selected {
            let modseq = selected.known_modseq.0;
            self.encoder().untagged(Status::Ok, Some(Code::HighestModSeq(modseq)), "Highest");
        }
    }
}
