//! A conversation with `auth` behind it.

use crate::conversation::{Answer, Conversation, Refusal, Said};
use crate::log;
use auth::{Attempt, Auth, LoginError, Presence, Turn};
use sasl::Failure;
use session::{Moment, Peer};
use std::net::IpAddr;
use store::{Protocol, Timestamp};

/// The logins of one connection.
pub struct Desk {
    protocol: Protocol,
    conversation: Conversation,
    check: Check,
}

/// How far the credentials have come.
#[derive(Default)]
enum Check {
    #[default]
    New,
    /// They have to be verified, which takes long: [`Progress::Work`] was asked for.
    Unknown,
    /// In line.
    InLine(Turn),
    /// Called, and [`Progress::Work`] was asked for.
    Called(Turn),
}

/// What comes next.
pub enum Progress {
    /// Nothing until the waker fires or [`Desk::until`] has come (`Step::Wait`).
    Wait,
    /// Something that takes long (`Step::Flush`).
    Work,
    /// The answer is no.
    Refused(Answer),
    /// Somebody is logged in.
    Admitted(Box<Presence>),
}

impl Desk {
    /// A connection begins.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, conversation: Conversation::default(), check: Check::New }
    }

    /// As [`Conversation::begin`].
    pub fn begin(&mut self, address: IpAddr, mechanism: &str, initial: Option<&[u8]>) -> Said {
        let said = self.conversation.begin(mechanism, initial);
        self.noted(address, said)
    }

    /// As [`Conversation::line`].
    pub fn line(&mut self, address: IpAddr, line: Result<&[u8], Failure>) -> Said {
        let said = self.conversation.line(line);
        self.noted(address, said)
    }

    /// As [`Conversation::password`].
    pub fn password(&mut self, user: &str, password: &str) -> Said {
        self.conversation.password(user, password)
    }

    /// The user name, while it is looked into.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.conversation.credentials().map(|credentials| credentials.authentication_id.as_str())
    }

    /// As [`Conversation::until`].
    #[must_use]
    pub fn until(&self) -> Option<u64> {
        self.conversation.until()
    }

    /// As [`Conversation::is_busy`].
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.conversation.is_busy()
    }

    /// As [`Conversation::heard`].
    pub fn heard(&mut self, bytes: usize) {
        self.conversation.heard(bytes);
    }

    /// As [`Conversation::is_flooded`].
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        self.conversation.is_flooded()
    }

    /// As [`Conversation::begin_anew`].
    pub fn begin_anew(&mut self) {
        self.conversation.begin_anew();
        self.check = Check::New;
    }

    /// Goes on, as long as [`Self::is_busy`]. `fingerprint`: as [`Attempt::fingerprint`].
    pub fn go_on(&mut self, auth: &Auth, client: &Peer, fingerprint: Option<&str>, now: Moment) -> Progress {
        if let Some(answer) = self.conversation.due(now.monotonic_millis) {
            return Progress::Refused(answer);
        }
        let Some(credentials) = self.conversation.credentials() else { return Progress::Wait };
        let attempt = Attempt {
            user: &credentials.authentication_id,
            password: credentials.password.as_str(),
            protocol: self.protocol,
            address: client.address,
            fingerprint,
            tls: client.tls.as_ref().map(|tls| tls.version.as_str()),
            now: Timestamp(now.unix_millis),
        };
        let outcome = match std::mem::take(&mut self.check) {
            Check::New => match auth.recognise(&attempt) {
                Ok(None) => {
                    self.check = Check::Unknown;
                    return Progress::Work;
                }
                Ok(Some(login)) => Ok(login),
                Err(error) => Err(error),
            },
            // What was written is out by now: nobody who does not read keeps a place.
            Check::Unknown => match auth.queue(&attempt, client.waker.clone()) {
                Ok(turn) if turn.is_called() => auth.verify(&attempt, &turn),
                Ok(turn) => {
                    self.check = Check::InLine(turn);
                    return Progress::Wait;
                }
                Err(error) => Err(error),
            },
            Check::InLine(turn) if turn.is_called() => {
                self.check = Check::Called(turn);
                return Progress::Work;
            }
            Check::InLine(turn) => {
                self.check = Check::InLine(turn);
                return Progress::Wait;
            }
            Check::Called(turn) => auth.verify(&attempt, &turn),
        };
        match outcome {
            Ok(login) => {
                self.begin_anew();
                log::succeeded(self.protocol, client.address, &login);
                Progress::Admitted(Box::new(auth.enter(login, client.waker.clone())))
            }
            Err(error) => self.refused(client, error, now),
        }
    }

    fn refused(&mut self, client: &Peer, error: LoginError, now: Moment) -> Progress {
        let refusal = Refusal::from(&error);
        let delay_millis = match error {
            LoginError::Rejected { delay_millis }
            | LoginError::Throttled { delay_millis }
            | LoginError::Busy { delay_millis } => delay_millis,
            LoginError::Fault(_) => 0,
        };
        log::failed(self.protocol, client.address, self.user().unwrap_or_default(), refusal.why());
        self.conversation.hold_back(refusal, now.monotonic_millis.saturating_add(delay_millis));
        self.conversation.due(now.monotonic_millis).map_or(Progress::Wait, Progress::Refused)
    }

    fn noted(&self, address: IpAddr, said: Said) -> Said {
        match &said {
            Said::Refused(answer) => log::failed(self.protocol, address, "", answer.refusal.why()),
            Said::Check | Said::Challenge(_) => {}
        }
        said
    }
}
