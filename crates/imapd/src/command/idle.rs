//! IDLE (RFC 2177, RFC 9051 §6.3.13).
//!
//! The session subscribes to the account's wake-ups first and looks then, so nothing in between is missed. A wake-up is
//! a hint: every step looks, and at least every half minute the session looks without one.

use crate::connection::{Session, Turn};
use crate::state::{Finish, Running, State};
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use imap_proto::{Event, Tag};
use store::{Error, Watch};

/// An IDLE that goes on.
pub(crate) struct Idle {
    tag: Tag,
    /// As long as it lives, commits wake the driver.
    _watch: Watch,
}

impl Session {
    pub(super) fn begin_idle(&mut self, tag: Tag, output: &mut Vec<u8>) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        let watch = user.account.watch(self.peer.waker.clone());
        self.encoder(output).continuation("idling");
        self.receiver.expect_done();
        self.running = Some(Running::Idle(Idle { tag, _watch: watch }));
        Turn::Again
    }
}

/// News first, then what the client sent: a `DONE` in the same step as a change is answered after the change.
pub(crate) fn turn(session: &mut Session, idle: Idle, output: &mut Vec<u8>) -> Turn {
    match look(session, output) {
        Ok(Look::Done) => {}
        Ok(Look::More) => {
            session.running = Some(Running::Idle(idle));
            return Turn::Flush;
        }
        Err(Error::NoSuchAccount | Error::LoginEnded) => return session.show_out(output),
        // Logged by the store; the next look tells the same. IDLE never fails: K-9 would give up push for good.
        Err(_) => {}
    }
    let answer = match session.poll() {
        Event::NeedMore => {
            session.running = Some(Running::Idle(idle));
            return Turn::Wait;
        }
        Event::Done => Tagged::ok("IDLE done"),
        Event::Malformed(_) | Event::Command(_) | Event::Literal(_) | Event::Octets(_) | Event::Auth(_) => {
            Tagged::bad("Expected DONE")
        }
    };
    session.end(Finish::new(idle.tag, answer))
}

fn look(session: &mut Session, output: &mut Vec<u8>) -> Result<Look, Error> {
    let every = session.service.limits.refresh_millis;
    let State::Authenticated(user) = &mut session.state else { return Ok(Look::Done) };
    if !user.may_stay(session.now, every) {
        return Err(Error::LoginEnded);
    }
    user.tell(&mut News::default(), output)
}
