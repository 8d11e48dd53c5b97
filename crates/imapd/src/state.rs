//! The states of a session (RFC 9051 §3) and what it may be busy with.

use crate::command::append::Appending;
use crate::command::bulk::Bulk;
use crate::command::fetch::Fetching;
use crate::command::idle::Idle;
use crate::command::pending::Pending;
use crate::command::search::Searching;
use crate::command::select::Resync;
use crate::enabled::Enabled;
use crate::selected::Selected;
use crate::sync::{Look, News, look, modseq_to_say};
use crate::tagged::Tagged;
use auth::{Auth, Presence};
use imap_proto::Tag;
use login::Desk;
use session::{Moment, Peer};
use store::{Account, Actor, Error, ModSeq, Protocol, Timestamp};

/// RFC 9051 §3. The selected state is [`User::selected`].
pub(crate) enum State {
    NotAuthenticated(Stranger),
    Authenticated(Box<User>),
    Logout,
}

/// Who has not logged in.
pub(crate) struct Stranger {
    /// The program, as it named itself by ID.
    pub(crate) fingerprint: Option<String>,
    /// On the heap: a session that idles stays small.
    pub(crate) desk: Box<Desk>,
    pub(crate) commands: u32,
}

impl Default for Stranger {
    fn default() -> Self {
        Self { fingerprint: None, desk: Box::new(Desk::new(Protocol::Imap)), commands: 0 }
    }
}

impl Stranger {
    /// Goes on with a login.
    pub(crate) fn go_on(&mut self, auth: &Auth, peer: &Peer, now: Moment) -> login::Progress {
        self.desk.go_on(auth, peer, self.fingerprint.as_deref(), now)
    }
}

/// Who has.
pub(crate) struct User {
    pub(crate) presence: Box<Presence>,
    /// Theirs, for as long as the login counts.
    pub(crate) account: Account,
    pub(crate) enabled: Enabled,
    pub(crate) selected: Option<Selected>,
    /// When other processes' commits were last looked for, on the monotonic clock.
    pub(crate) refreshed_at: u64,
}

/// What a session is in the middle of. While it is, no command is taken from the client.
pub(crate) enum Running {
    /// The end of a command: news, then the answer.
    Finish(Finish),
    /// Responses of SELECT with QRESYNC.
    Resync(Tag, Box<Resync>),
    /// A FETCH or SEARCH that has not begun.
    Pending(Box<Pending>),
    Append(Box<Appending>),
    /// A command that takes long, before its first slice.
    Announced(Box<imap_proto::Tagged>),
    /// One that changes many messages, between two pieces.
    Bulk(Box<Bulk>),
    Fetch(Box<Fetching>),
    Search(Box<Searching>),
    Idle(Idle),
    /// A line of AUTHENTICATE is to come.
    AuthLine(Tag),
    /// A login is looked into, or its answer is held back.
    LogIn(Tag),
}

/// The end of a command.
pub(crate) struct Finish {
    pub(crate) tag: Tag,
    pub(crate) answer: Tagged,
    /// None after SELECT: the mailbox was told as it was, and what changed since belongs to the next command.
    pub(crate) news: Option<News>,
    pub(crate) then: Then,
}

/// What follows the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Continue,
    Close,
    StartTls,
}

impl Finish {
    pub(crate) fn new(tag: Tag, answer: Tagged) -> Self {
        Self { tag, answer, news: Some(News::default()), then: Then::Continue }
    }
}

impl User {
    /// Goes on as another device.
    pub(crate) fn be(&mut self, presence: Presence) {
        self.account = presence.account().clone();
        if let Some(selected) = &mut self.selected {
            selected.account = self.account.clone();
        }
        *self.presence = presence;
    }

    pub(crate) fn actor(&self, now: Moment) -> Actor {
        Actor { device: self.presence.login().device, protocol: Protocol::Imap, now: Timestamp(now.unix_millis) }
    }

    /// Tells what changed in the selected mailbox.
    pub(crate) fn tell(&mut self, news: &mut News, output: &mut Vec<u8>) -> Result<Look, Error> {
        match &mut self.selected {
            Some(selected) => look(selected, news, self.enabled, output),
            None => Ok(Look::Done),
        }
    }

    /// How far the client's knowledge of the selected mailbox goes, where it has to be told.
    pub(crate) fn modseq_to_say(&mut self) -> Option<ModSeq> {
        self.selected.as_mut().and_then(|selected| modseq_to_say(selected, self.enabled))
    }

    /// Whether the login still counts. Looks for commits of other processes, whose wake-ups may get lost, if that was not
    /// done lately. A disk that cannot be read ends no session.
    pub(crate) fn may_stay(&mut self, now: Moment, every_millis: u64) -> bool {
        if now.monotonic_millis < self.refreshed_at.saturating_add(every_millis) {
            return self.presence.still_counts().unwrap_or(true);
        }
        self.refreshed_at = now.monotonic_millis;
        self.presence.look_around().unwrap_or(true)
    }
}
