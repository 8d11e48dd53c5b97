//! LOGIN (RFC 9051 §6.2.3), and what follows a password that came by it or by AUTHENTICATE.

use super::authenticate::refusal;
use crate::capability::may_log_in;
use crate::connection::{ImapSession, Turn};
use crate::enabled::Enabled;
use crate::state::{Finish, Running, State, Then};
use crate::tagged::Tagged;
use crate::user::User;
use auth::Presence;
use imap_proto::command::Login;
use imap_proto::{Code, Limits, Tag};
use login::{Answer, Progress, Said};

impl ImapSession {
    pub(super) fn login(&mut self, tag: Tag, login: &Login, output: &mut Vec<u8>) -> Turn {
        if let Some(refusal) = self.must_begin_tls() {
            return self.end(Finish::new(tag, refusal));
        }
        let State::NotAuthenticated(stranger) = &mut self.state else { return Turn::Close };
        let said = stranger.desk.password(&login.user, &login.password.text());
        self.said(tag, said, output)
    }

    /// No login in the clear off this machine.
    pub(super) fn must_begin_tls(&self) -> Option<Tagged> {
        let refusal = || Tagged::refused(Code::PrivacyRequired, "Begin TLS first");
        (!may_log_in(&self.peer)).then(refusal)
    }

    /// A login is looked into, or the answer to it waits.
    pub(crate) fn log_in_turn(&mut self, tag: Tag, output: &mut Vec<u8>) -> Turn {
        let State::NotAuthenticated(stranger) = &mut self.state else { return Turn::Close };
        if stranger.desk.is_flooded() {
            return self.bye(output, Some(Code::ClientBug), "Too much input before login");
        }
        match stranger.go_on(&self.service.auth, &self.peer, self.now) {
            Progress::Wait => {
                self.running = Some(Running::LogIn(tag));
                Turn::Wait
            }
            Progress::Challenge(challenge) => self.said(tag, Said::Challenge(challenge), output),
            Progress::Refused(answer) => self.refuse_login(tag, answer, output),
            Progress::Admitted(presence) => self.admit(tag, presence),
        }
    }

    pub(super) fn refuse_login(&mut self, tag: Tag, answer: Answer, output: &mut Vec<u8>) -> Turn {
        if answer.is_last {
            // RFC 9051 §7.1.5: as at LOGOUT, before the tagged answer.
            self.encoder(output).bye(Some(Code::ClientBug), "Too many failed logins");
        }
        let then = if answer.is_last { Then::Close } else { Then::Continue };
        self.end(Finish { then, ..Finish::new(tag, refusal(answer.refusal)) })
    }

    fn admit(&mut self, tag: Tag, presence: Box<Presence>) -> Turn {
        self.state = State::Authenticated(Box::new(User {
            account: presence.account().clone(),
            presence,
            enabled: Enabled::default(),
            selected: None,
            notify: None,
            refreshed_at: self.now.monotonic_millis,
        }));
        self.receiver.set_limits(Limits::after_login(self.service.message_bytes_max));
        let answer = Tagged::ok("Logged in").with_code(self.capability_code());
        self.end(Finish::new(tag, answer))
    }
}
