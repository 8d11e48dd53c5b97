//! What is counted of logins.
//!
//! Some pass while the throttle is closed for where they come from, because they show that they are no guesses: an application
//! password, a token, a main password that was right from there lately, said or proven. Each is let in and counted as any other, and
//! once more here: whoever watches sees that somebody behind a closed address is at home there.

use crate::error::LoginError;
use crate::login::{Auth, Login};
use crate::noted::LoginNotes;
use crate::throttle::Source;
use crate::web::WebSession;
use metrics::Exposition;
use std::net::IpAddr;
use store::{Protocol, Timestamp};

impl Auth {
    /// Counts a login over `protocol`: `ok`, or why not.
    pub fn count_login(&self, protocol: Protocol, outcome: &'static str) {
        self.counted().logins.inc([protocol.name(), outcome]);
    }

    /// Puts on `told` what was counted of logins.
    pub fn tell_metrics(&self, told: &mut Exposition) {
        self.counted().logins.tell(told);
        self.counted().past_throttle.tell(told);
    }

    /// Notes that somebody was let in.
    pub fn note_login(&self, protocol: Protocol, address: IpAddr, login: &Login) {
        self.counted().noted.login(protocol, address, &login.name, (login.account, login.device));
    }

    /// Notes that somebody was let in on the pages.
    pub fn note_session(&self, address: IpAddr, session: &WebSession) {
        self.counted().noted.login(Protocol::Web, address, &session.address, (session.account, session.device));
    }

    /// Notes that nobody was let in. A name that nobody has is not kept: it may be a password, typed into the wrong field.
    pub fn note_failure(&self, protocol: Protocol, (address, name): (IpAddr, &str), why: &'static str) {
        let known = self.directory().whose(name).ok().flatten().map(|(_, record)| record.address.clone());
        let name = known.as_deref().unwrap_or("a name that nobody has");
        self.counted().noted.failure(protocol, (address, name), why);
    }

    /// What was noted since this was asked last, for whoever writes it down.
    #[must_use]
    pub fn take_login_notes(&self) -> LoginNotes {
        self.counted().noted.take()
    }

    /// What `enter` gives; it is counted if it lets in somebody from where nothing else is tried now.
    pub(crate) fn counting<T>(
        &self,
        (protocol, source): (Protocol, Source),
        now: Timestamp,
        enter: impl FnOnce() -> Result<T, LoginError>,
    ) -> Result<T, LoginError> {
        // Before: who is let in opens it for their name.
        let is_closed = self.throttle().closed(source, now).is_some();
        let entered = enter()?;
        if is_closed {
            self.counted().past_throttle.inc([protocol.name()]);
        }
        Ok(entered)
    }
}

#[cfg(test)]
mod tests {
    use crate::scram::tests::prove;
    use crate::testing::{NOW, PASSWORD, attempt, log_in, server_with};
    use crate::throttle::ADDRESS_FAILURES_MAX;
    use crate::web::WebAttempt;
    use crate::{Auth, AuthOptions, LoginError, Scram};
    use metrics::Exposition;
    use session::testing::TURN;

    const ALICE: &str = "alice@example.org";

    fn told(auth: &Auth) -> Vec<String> {
        let mut told = Exposition::default();
        auth.tell_metrics(&mut told);
        let lines = told.text().unwrap();
        let of = |line: &&str| line.starts_with("pillarbox_logins_past_throttle_total{");
        let mut told: Vec<String> = lines.lines().filter(of).map(str::to_owned).collect();
        told.sort();
        told
    }

    #[test]
    fn who_passed_a_closed_throttle_was_not_counted() {
        let (_, auth, [alice, _]) = server_with(AuthOptions { scram: Scram::On, ..crate::testing::options() });
        let (phone, application) = auth.add_device(alice, "phone", None, NOW).unwrap();
        let (token, _) = auth.make_token(alice, phone, 1, NOW).unwrap();
        let prove = |password: &str| prove(&auth, ALICE, password);
        let pages = || {
            auth.web().log_in(&WebAttempt {
                user: ALICE,
                password: PASSWORD,
                code: "",
                address: attempt("", "").address,
                program: None,
                now: NOW,
                turn: Some(&TURN),
            })
        };
        let all = || {
            log_in(&auth, ALICE, PASSWORD).unwrap();
            log_in(&auth, ALICE, &application).unwrap();
            auth.log_in_by_token(&attempt("", &token)).unwrap();
            prove(PASSWORD).unwrap();
            pages().unwrap();
        };
        all();
        assert_eq!(told(&auth), Vec::<String>::new(), "the throttle is open");
        for n in 0..ADDRESS_FAILURES_MAX {
            let _wrong = log_in(&auth, &format!("user{n}"), "a wrong one");
        }
        assert!(matches!(log_in(&auth, ALICE, "a wrong one"), Err(LoginError::Throttled { .. })));
        assert!(matches!(prove("a wrong one"), Err(LoginError::Throttled { .. })));
        assert_eq!(told(&auth), Vec::<String>::new(), "nobody is let in");
        all();
        let of =
            |protocol: &str, count| format!("pillarbox_logins_past_throttle_total{{protocol=\"{protocol}\"}} {count}");
        assert_eq!(told(&auth), [of("imap", 4), of("web", 1)]);
    }
}
