//! Commands that may be about more messages than one commit takes: they go on piece by piece, and are answered after the last.
//!
//! Between two pieces other sessions of the account have their turn. What breaks off half-way leaves what
//! docs/decisions/0017-bounded-steps.md says.

use super::Context;
use super::close::{self, Closing};
use super::copy::{self, Copying};
use super::delete::{self, Deleting};
use super::expunge::{self, Expunging};
use super::fetch::news_after;
use super::relocate::{self, Moving};
use super::store::Storing;
use crate::connection::{Session, Turn};
use crate::progress::Progress;
use crate::state::{Finish, Running, State, User};
use crate::sync::{Expunges, News};
use crate::tagged::Tagged;
use imap_proto::{Command, MailboxName, MessageSet, Tag, command};

/// A step changes at most so many messages without having announced it.
pub(super) const UNANNOUNCED_MESSAGES_MAX: usize = 100;
/// A step stores at most so many octets without having announced it.
const UNANNOUNCED_BYTES_MAX: usize = 256 * 1024;
/// A step tells of at most so many mailboxes without having announced it.
const UNANNOUNCED_MAILBOXES_MAX: usize = 200;
/// A step reads the index of at most so many messages without having announced it.
const UNANNOUNCED_INDEX_MAX: u32 = 10_000;

/// A command that goes on.
pub(crate) struct Bulk {
    tag: Tag,
    work: Work,
}

/// What it does.
pub(super) enum Work {
    Store(Storing),
    Expunge(Expunging),
    Close(Closing),
    Copy(Copying),
    Move(Moving),
    Delete(Deleting),
}

/// A command that cannot begin, and what its end tells nevertheless.
pub(super) struct Refused {
    answer: Tagged,
    expunges: Expunges,
}

impl From<Tagged> for Refused {
    fn from(answer: Tagged) -> Self {
        Self { answer, expunges: Expunges::Tell }
    }
}

impl Work {
    pub(super) fn store(context: &mut Context<'_>, request: command::Store) -> Result<Self, Refused> {
        let numbering = request.numbering;
        let refused = |answer| Refused { answer, expunges: news_after(numbering).expunges };
        super::store::begin(context, request).map(Self::Store).map_err(refused)
    }

    pub(super) fn expunge(context: &mut Context<'_>, set: Option<&MessageSet>) -> Result<Self, Refused> {
        Ok(Self::Expunge(expunge::begin(context, set)?))
    }

    pub(super) fn close(context: &mut Context<'_>, how: close::How) -> Result<Self, Refused> {
        Ok(Self::Close(close::begin(context, how)?))
    }

    pub(super) fn copy(context: &mut Context<'_>, transfer: &command::Transfer) -> Result<Self, Refused> {
        Ok(Self::Copy(copy::begin(context, transfer)?))
    }

    pub(super) fn relocate(context: &mut Context<'_>, transfer: &command::Transfer) -> Result<Self, Refused> {
        Ok(Self::Move(relocate::begin(context, transfer)?))
    }

    pub(super) fn delete(context: &mut Context<'_>, name: &MailboxName) -> Result<Self, Refused> {
        Ok(Self::Delete(delete::begin(context, name)?))
    }

    /// Whether the first piece is too much for a step that nobody announced.
    fn takes_long(&self) -> bool {
        let messages = match self {
            Self::Store(storing) => storing.messages(),
            Self::Expunge(expunging) => expunging.messages(),
            Self::Copy(copying) => copying.messages(),
            Self::Move(moving) => moving.messages(),
            // Announced by their commands.
            Self::Close(_) | Self::Delete(_) => 0,
        };
        messages > UNANNOUNCED_MESSAGES_MAX
    }

    fn piece(&mut self, context: &mut Context<'_>) -> Result<Progress, Tagged> {
        match self {
            Self::Store(storing) => storing.piece(context),
            Self::Expunge(expunging) => expunging.piece(context),
            Self::Close(closing) => closing.piece(context),
            Self::Copy(copying) => copying.piece(context),
            Self::Move(moving) => moving.piece(context),
            Self::Delete(deleting) => deleting.piece(context),
        }
    }

    /// What the end of the command tells.
    fn news(&mut self) -> News {
        match self {
            Self::Store(storing) => storing.news(),
            Self::Expunge(_) | Self::Close(_) | Self::Copy(_) | Self::Move(_) | Self::Delete(_) => News::default(),
        }
    }
}

impl Session {
    pub(super) fn bulk(
        &mut self,
        tag: Tag,
        output: &mut Vec<u8>,
        begin: impl FnOnce(&mut Context<'_>) -> Result<Work, Refused>,
    ) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let work = match begin(&mut context) {
            Ok(work) => work,
            Err(Refused { answer, expunges }) => {
                let news = News { expunges, ..News::default() };
                return self.end(Finish { news: Some(news), ..Finish::new(tag, answer) });
            }
        };
        let takes_long = work.takes_long();
        let running = Running::Bulk(Box::new(Bulk { tag, work }));
        if takes_long { self.pause(running) } else { self.run(running) }
    }

    /// The next piece.
    pub(crate) fn bulk_turn(&mut self, mut bulk: Box<Bulk>, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let mut context = Context { service: &self.service, now: self.now, user, output };
        let answer = match bulk.work.piece(&mut context) {
            Ok(Progress::More) => return self.pause(Running::Bulk(bulk)),
            Ok(Progress::Done(answer)) | Err(answer) => answer,
        };
        let news = bulk.work.news();
        let Bulk { tag, work } = *bulk;
        // What a copy that failed has brought is taken back before the client hears of it.
        drop(work);
        self.end(Finish { news: Some(news), ..Finish::new(tag, answer) })
    }
}

/// Whether a command takes longer than a step may that nobody announced.
pub(super) fn takes_long(user: &User, command: &Command) -> bool {
    let of = |name: &MailboxName| user.account.mailboxes().ok()?.by_name(name.as_str()).map(|mailbox| mailbox.counts);
    let many = |messages: Option<u32>| messages.is_some_and(|count| count as usize > UNANNOUNCED_MESSAGES_MAX);
    let deleted = || {
        let selected = user.selected.as_ref()?;
        user.account.mailboxes().ok()?.by_id(selected.mailbox).map(|mailbox| mailbox.counts.deleted)
    };
    match command {
        Command::Append(append) => append.message.len() > UNANNOUNCED_BYTES_MAX,
        Command::Expunge | Command::Close => many(deleted()),
        Command::Delete(name) => many(of(name).map(|counts| counts.messages)),
        Command::Rename(rename) => rename.from.is_inbox() && many(of(&rename.from).map(|counts| counts.messages)),
        Command::Select(select) | Command::Examine(select) => {
            of(&select.mailbox).is_some_and(|counts| counts.messages > UNANNOUNCED_INDEX_MAX)
        }
        Command::Fetch(fetch) if fetch.changed_since.is_some() => {
            // They are put in the order of their changes.
            user.selected.as_ref().is_some_and(|selected| selected.exists() > UNANNOUNCED_INDEX_MAX)
        }
        Command::List(_) | Command::Lsub(_) => {
            let names =
                |mailboxes: store::Mailboxes| mailboxes.iter().count() + mailboxes.subscribed_without_mailbox().count();
            user.account.mailboxes().is_ok_and(|mailboxes| names(mailboxes) > UNANNOUNCED_MAILBOXES_MAX)
        }
        _ => false,
    }
}
