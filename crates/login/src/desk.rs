//! A conversation with `auth` behind it.

use crate::conversation::{Answer, Conversation, Refusal, Said};
use crate::log;
use auth::{Attempt, Auth, Login, LoginError, Presence};
use sasl::{Credentials, Failure};
use session::{Full, Job, Lost, Moment, Peer, Turn};
use std::net::IpAddr;
use std::task::Poll;
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
    /// They have to be verified: they stand in line, or it is their turn.
    InLine(Job<Result<Login, LoginError>>),
}

/// An attempt that stands in line by itself.
struct Claim {
    credentials: Credentials,
    protocol: Protocol,
    address: IpAddr,
    fingerprint: Option<String>,
    tls: Option<String>,
    now: Timestamp,
}

/// What comes next.
pub enum Progress {
    /// Nothing until the waker fires or [`Desk::until`] has come (`Step::Wait`).
    Wait,
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

    /// Begins an exchange. `initial` is the initial response: base64, `=` for an empty one.
    pub fn begin(&mut self, address: IpAddr, mechanism: &str, initial: Option<&[u8]>) -> Said {
        let said = self.conversation.begin(mechanism, initial);
        self.noted(address, said)
    }

    /// Takes a line of an exchange, or what was wrong with it as a line.
    pub fn line(&mut self, address: IpAddr, line: Result<&[u8], Failure>) -> Said {
        let said = self.conversation.line(line);
        self.noted(address, said)
    }

    /// A name and a password came without an exchange.
    pub fn password(&mut self, user: &str, password: &str) -> Said {
        self.conversation.password(user, password)
    }

    /// The user name, while it is looked into.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.conversation.credentials().map(|credentials| credentials.authentication_id.as_str())
    }

    /// When an answer that is held back is due, on the monotonic clock.
    #[must_use]
    pub fn until(&self) -> Option<u64> {
        self.conversation.until()
    }

    /// Whether the client waits for an answer: nothing else of it is looked at.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.conversation.is_busy()
    }

    /// So many octets came.
    pub fn heard(&mut self, bytes: usize) {
        self.conversation.heard(bytes);
    }

    /// Whether the client has sent too much while it waits.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        self.conversation.is_flooded()
    }

    /// What was begun does not count: the client was let in, or TLS began. What failed was nevertheless a failure.
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
        let mut job = match std::mem::take(&mut self.check) {
            Check::InLine(job) => job,
            Check::New => {
                let claim = Claim {
                    credentials: credentials.clone(),
                    protocol: self.protocol,
                    address: client.address,
                    fingerprint: fingerprint.map(str::to_owned),
                    tls: client.tls.as_ref().map(|tls| tls.version.clone()),
                    now: Timestamp(now.unix_millis),
                };
                match auth.log_in(&claim.attempt(None)) {
                    Err(LoginError::OutOfTurn) => {}
                    outcome => return self.looked_into(auth, client, outcome, now),
                }
                match stand_in_line(auth, client, claim) {
                    Ok(job) => job,
                    Err(error) => return self.looked_into(auth, client, Err(error), now),
                }
            }
        };
        match job.look(&client.waker) {
            Poll::Pending => {
                self.check = Check::InLine(job);
                Progress::Wait
            }
            Poll::Ready(Ok(outcome)) => self.looked_into(auth, client, outcome, now),
            Poll::Ready(Err(Lost)) => self.refused(client, Refusal::Fault, 0, now),
        }
    }

    fn looked_into(&mut self, auth: &Auth, client: &Peer, outcome: Result<Login, LoginError>, now: Moment) -> Progress {
        match outcome {
            Ok(login) => {
                self.begin_anew();
                log::succeeded(self.protocol, client.address, &login);
                Progress::Admitted(Box::new(auth.enter(login, client.waker.clone())))
            }
            Err(error) => {
                let delay_millis = match error {
                    LoginError::Rejected { delay_millis }
                    | LoginError::Throttled { delay_millis }
                    | LoginError::Busy { delay_millis } => delay_millis,
                    LoginError::OutOfTurn | LoginError::Fault(_) => 0,
                };
                self.refused(client, Refusal::from(&error), delay_millis, now)
            }
        }
    }

    fn refused(&mut self, client: &Peer, refusal: Refusal, delay_millis: u64, now: Moment) -> Progress {
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

impl Claim {
    fn attempt<'a>(&'a self, turn: Option<&'a Turn>) -> Attempt<'a> {
        Attempt {
            user: &self.credentials.authentication_id,
            password: self.credentials.password.as_str(),
            protocol: self.protocol,
            address: self.address,
            fingerprint: self.fingerprint.as_deref(),
            tls: self.tls.as_deref(),
            now: self.now,
            turn,
        }
    }
}

/// Among strangers, whoever it claims to be: who it is, is what is looked into.
fn stand_in_line(auth: &Auth, client: &Peer, claim: Claim) -> Result<Job<Result<Login, LoginError>>, LoginError> {
    let standing = auth.stand(&claim.attempt(None))?;
    let auth = auth.clone();
    let verify = move |turn| {
        let _standing = standing;
        auth.log_in(&claim.attempt(Some(&turn)))
    };
    Job::in_turn(&*client.jobs, client.stranger(), verify).map_err(|Full| LoginError::BUSY)
}
