//! The states of a session (RFC 9051 §3) and what it may be busy with.

use crate::sync::News;
use crate::tagged::Tagged;
use crate::user::User;
use crate::work::Work;
use auth::Auth;
use imap_proto::Tag;
use login::Desk;
use session::{Moment, Peer};
use store::{Protocol, Watch};

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

/// What a session is in the middle of. While it is, no command is taken from the client.
pub(crate) enum Running {
    /// The end of a command: news, then the answer.
    Finish(Finish),
    /// A command that takes long, before it begins.
    Announced(Box<imap_proto::Tagged>),
    /// A command that goes on; on the clock that never goes back, when its client is told that it does.
    Work(Tag, Box<dyn Work>, u64),
    /// IDLE. As long as the watch lives, commits wake the driver.
    Idle(Tag, Watch),
    /// What a client wants to hear of new messages without asking; what goes on after it.
    Telling(Box<dyn Work>, Option<Box<Running>>),
    /// A line of AUTHENTICATE is to come.
    AuthLine(Tag),
    /// A login is looked into, or its answer is held back.
    LogIn(Tag),
}

/// The ends of commands that were done together, in their order.
pub(crate) trait Answers: Send {
    /// The next one; `None` after the last.
    fn next(&mut self, user: &mut User) -> Option<Finish>;
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
    /// From here on all octets are compressed.
    Compress,
    /// Whoever comes next is a stranger.
    Unauthenticate,
}

impl Finish {
    pub(crate) fn new(tag: Tag, answer: Tagged) -> Self {
        Self { tag, answer, news: Some(News::default()), then: Then::Continue }
    }
}
