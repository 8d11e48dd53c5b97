//! LOGIN (RFC 9051 §6.2.3), and what follows a password that came by it or by AUTHENTICATE.

use crate::capability;
use crate::command::Session;
use crate::connection::Turn;
use crate::enabled::Enabled;
use crate::state::{Finish, Running, State, Then, User};
use crate::tagged::Tagged;
use auth::{Attempt, LoginError};
use imap_proto::command::Login;
use imap_proto::{Code, Limits, Tag};
use store::{Protocol, Timestamp};

impl Session {
    pub(super) fn login(&mut self, tag: Tag, login: &Login) -> Turn {
        match self.refuse_login() {
            Some(refusal) => self.end(Finish::new(tag, refusal)),
            None => self.check_password(tag, &login.user, &String::from_utf8_lossy(login.password.as_bytes())),
        }
    }

    /// No login in the clear off this machine.
    pub(super) fn refuse_login(&self) -> Option<Tagged> {
        let refusal = || Tagged::refused(Code::PrivacyRequired, "Begin TLS first");
        (!capability::may_log_in(&self.peer)).then(refusal)
    }

    pub(super) fn check_password(&mut self, tag: Tag, user: &str, password: &str) -> Turn {
        let State::NotAuthenticated(stranger) = &self.state else { return Turn::Close };
        let attempt = Attempt {
            user,
            password,
            protocol: Protocol::Imap,
            address: self.peer.address,
            fingerprint: stranger.fingerprint.as_deref(),
            tls: self.peer.tls.as_ref().map(|tls| tls.version.as_str()),
            now: Timestamp(self.now.unix_millis),
        };
        match self.service.auth.log_in(&attempt) {
            Ok(login) => self.admit(tag, login),
            Err(LoginError::Rejected { delay_millis }) => {
                let answer = Tagged::refused(Code::AuthenticationFailed, "Wrong user name or password");
                self.reject(tag, answer, delay_millis)
            }
            Err(LoginError::Throttled { delay_millis }) => {
                let answer = Tagged::refused(Code::Unavailable, "Too many failed logins, try again later");
                self.reject(tag, answer, delay_millis)
            }
            Err(LoginError::Fault(error)) => self.end(Finish::new(tag, error.into())),
        }
    }

    fn admit(&mut self, tag: Tag, login: auth::Login) -> Turn {
        tracing::info!(account = %login.account, device = %login.device, address = %self.peer.address, "IMAP login");
        let presence = self.service.auth.enter(login, self.peer.waker.clone());
        self.state = State::Authenticated(Box::new(User {
            account: presence.account().clone(),
            presence: Box::new(presence),
            enabled: Enabled::default(),
            selected: None,
            refreshed_at: self.now.monotonic_millis,
        }));
        self.receiver.set_limits(Limits::after_login(self.service.message_bytes_max));
        let answer = Tagged::ok("Logged in").with_code(self.capability_code());
        self.end(Finish::new(tag, answer))
    }

    /// The answer waits: it slows guessing down, and holds up nobody else.
    fn reject(&mut self, tag: Tag, answer: Tagged, delay_millis: u64) -> Turn {
        let State::NotAuthenticated(stranger) = &mut self.state else { return Turn::Close };
        stranger.failures += 1;
        let last = stranger.failures >= self.service.limits.login_failures_max;
        let then = if last { Then::Close } else { Then::Continue };
        let until = self.now.monotonic_millis.saturating_add(delay_millis);
        self.run(Running::Delayed(until, Finish { then, ..Finish::new(tag, answer) }))
    }
}
