//! IDLE (RFC 2177, RFC 9051 §6.3.13).
//!
//! The session subscribes to the account's wake-ups first and looks then, so nothing in between is missed. A wake-up is
//! a hint: every step looks, and at least every half minute the session looks without one.

use crate::connection::{ImapSession, Turn};
use crate::state::{Finish, Running, State};
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use imap_proto::{Event, Tag};
use store::{Error, Watch};

impl ImapSession {
    pub(super) fn begin_idle(&mut self, tag: Tag, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let watch = user.account.watch(self.peer.waker.clone());
        self.encoder(output).continuation("idling");
        self.note_answered();
        self.receiver.expect_done();
        self.go_on(Running::Idle(tag, watch))
    }

    /// News first, then what the client sent: a `DONE` in the same step as a change is answered after the change.
    pub(crate) fn idle_turn(&mut self, tag: Tag, watch: Watch, output: &mut Vec<u8>) -> Turn {
        match self.look(output) {
            Ok(Look::Done) => {}
            Ok(Look::More) => {
                self.running = Some(Running::Idle(tag, watch));
                return Turn::Flush;
            }
            Err(Error::NoSuchAccount | Error::LoginEnded) => return self.show_out(output),
            // Logged by the store; the next look tells the same. IDLE never fails: K-9 would give up push for good.
            Err(_) => {}
        }
        let answer = match self.poll() {
            Event::NeedMore => {
                return self.notify(Some(Running::Idle(tag, watch)), output);
            }
            Event::Done => Tagged::ok("IDLE done"),
            Event::Malformed(_)
            | Event::Command(_)
            | Event::Literal(_)
            | Event::Octets(_)
            | Event::Message(_)
            | Event::Auth(_) => Tagged::bad("Expected DONE"),
        };
        self.end(Finish::new(tag, answer))
    }

    fn look(&mut self, output: &mut Vec<u8>) -> Result<Look, Error> {
        let every = self.service.limits.refresh_millis;
        let State::Authenticated(user) = &mut self.state else { return Ok(Look::Done) };
        if !user.may_stay(self.now, every) {
            return Err(Error::LoginEnded);
        }
        user.tell(&mut News::default(), output)
    }
}
