//! UNAUTHENTICATE (RFC 8437): another user may log in over the same connection.

use crate::capability;
use crate::connection::{ImapSession, Turn};
use crate::state::{Finish, State, Stranger, Then};
use crate::tagged::{ResultCode, Tagged};
use imap_proto::{Code, Dialect, Limits, Tag};
use session::Whom;

impl ImapSession {
    pub(super) fn unauthenticate(&mut self, tag: Tag) -> Turn {
        if self.compression.is_some() {
            // It would have to end in the midst of what is compressed (RFC 8437 §4.3), so it is not announced then.
            return self.end(Finish::new(tag, Tagged::refused(Code::Cannot, "Not within DEFLATE")));
        }
        // RFC 8437 §2: as UNSELECT, nothing is expunged.
        if let State::Authenticated(user) = &mut self.state {
            user.selected = None;
        }
        let names = capability::names(&self.service, &self.peer, false);
        let answer = Tagged::ok("Who comes next?").with_code(ResultCode::Capability(names));
        self.end(Finish { then: Then::Unauthenticate, ..Finish::new(tag, answer) })
    }

    /// Nothing that was said by or to the one who was here counts any more (RFC 8437 §4): the next one is a stranger, who has as
    /// long as any other to log in.
    pub(crate) fn begin_anew(&mut self) -> Turn {
        self.state = State::NotAuthenticated(Stranger::default());
        Whom::is_device(None);
        self.receiver.set_limits(Limits::before_login());
        self.receiver.set_dialect(Dialect::Rev1);
        self.count_as_connected();
        Turn::Again
    }
}
