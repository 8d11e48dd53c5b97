//! A conversation with `auth` behind it.

use crate::conversation::{Answer, Claimed, Conversation, Due, Means, Refusal, Said};
use crate::log;
use auth::{Attempt, Auth, Login, LoginError, Presence};
use sasl::{Bearer, Credentials, Failure, Mechanism, Password, ScramProof};
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
    /// They are right, and keys are made of them, once, with which they need not be said the next time.
    Keying { login: Box<Login>, job: Job<()> },
    /// They were proven, and the client is told so.
    Proven(Box<Login>),
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
    /// This is sent (base64), and a line of the client's follows.
    Challenge(String),
    /// The answer is no.
    Refused(Answer),
    /// Somebody is logged in.
    Admitted(Box<Presence>),
}

/// What is announced to a client that may log in, the one to prefer first.
#[must_use]
pub fn mechanisms(auth: &Auth, client: &Peer) -> Vec<Mechanism> {
    let with_scram = auth.offers_scram(client.address);
    let mut announced = possible(client, with_scram, with_scram && auth.offers_scram_plus());
    if !auth.offers_tokens() {
        announced.retain(|mechanism| !matches!(mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2));
    }
    announced
}

/// What can be done: a client that learnt of SCRAM a moment ago may use it, though it is not announced any more.
fn possible(client: &Peer, with_scram: bool, with_plus: bool) -> Vec<Mechanism> {
    let binds = client.tls.as_ref().is_some_and(|tls| tls.exporter.is_some());
    let is_possible = |mechanism: &Mechanism| match mechanism {
        Mechanism::Plain | Mechanism::Login | Mechanism::OAuthBearer | Mechanism::XOAuth2 => true,
        Mechanism::ScramSha256 => with_scram,
        Mechanism::ScramSha256Plus => with_plus && binds,
    };
    Mechanism::ALL.into_iter().filter(is_possible).collect()
}

impl Desk {
    /// A connection begins.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, conversation: Conversation::default(), check: Check::New }
    }

    /// Begins an exchange. `initial` is the initial response: base64, `=` for an empty one.
    pub fn begin(&mut self, auth: &Auth, client: &Peer, mechanism: &str, initial: Option<&[u8]>) -> Said {
        let said = with_means(auth, client, |means| self.conversation.begin(mechanism, initial, means));
        self.noted(auth, client.address, said)
    }

    /// Takes a line of an exchange, or what was wrong with it as a line.
    pub fn line(&mut self, auth: &Auth, client: &Peer, line: Result<&[u8], Failure>) -> Said {
        let is_noted = self.conversation.is_told();
        let said = with_means(auth, client, |means| self.conversation.line(line, means));
        if is_noted { said } else { self.noted(auth, client.address, said) }
    }

    /// A name and a password came without an exchange.
    pub fn password(&mut self, user: &str, password: &str) -> Said {
        self.conversation.password(user, password)
    }

    /// The user name, while it is looked into.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.conversation.claimed().map(Claimed::user)
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
        if let Some(due) = self.conversation.due(now.monotonic_millis) {
            return due.into();
        }
        let Some(claimed) = self.conversation.claimed().cloned() else { return Progress::Wait };
        match (claimed, std::mem::take(&mut self.check)) {
            (Claimed::Password(credentials), Check::New | Check::Proven(_)) => {
                self.look_into(auth, client, (credentials, fingerprint), now)
            }
            (Claimed::Password(_), Check::InLine(job)) => self.look_at(auth, client, job, now),
            (Claimed::Password(_), Check::Keying { login, job }) => self.look_at_keys(auth, client, (login, job), now),
            (Claimed::Proof(proof), _) => self.prove(auth, client, (&proof, fingerprint), now),
            (Claimed::Bearer(bearer), _) => self.look_at_token(auth, client, (&bearer, fingerprint), now),
            (Claimed::Proven(_), Check::Proven(login)) => self.looked_into(auth, client, Ok(*login), now),
            (Claimed::Proven(_), Check::New | Check::InLine(_) | Check::Keying { .. }) => {
                self.refused(auth, client, (Refusal::Fault, 0), now)
            }
        }
    }

    fn look_into(
        &mut self,
        auth: &Auth,
        client: &Peer,
        (credentials, fingerprint): (Credentials, Option<&str>),
        now: Moment,
    ) -> Progress {
        let claim = Claim {
            credentials,
            protocol: self.protocol,
            address: client.address,
            fingerprint: fingerprint.map(str::to_owned),
            tls: client.tls.as_ref().map(|tls| tls.version.clone()),
            now: Timestamp(now.unix_millis),
        };
        match auth.log_in(&claim.attempt(None)) {
            Err(LoginError::OutOfTurn) => {}
            Ok(login) if auth.lacks_scram_keys(&login, claim.credentials.password.as_str()) => {
                return match make_keys(auth, client, &login, claim.credentials.password) {
                    Ok(job) => self.look_at_keys(auth, client, (Box::new(login), job), now),
                    // The next login makes them.
                    Err(Full) => self.looked_into(auth, client, Ok(login), now),
                };
            }
            outcome => return self.looked_into(auth, client, outcome, now),
        }
        match stand_in_line(auth, client, claim) {
            Ok(job) => self.look_at(auth, client, job, now),
            Err(error) => self.looked_into(auth, client, Err(error), now),
        }
    }

    fn look_at(
        &mut self,
        auth: &Auth,
        client: &Peer,
        mut job: Job<Result<Login, LoginError>>,
        now: Moment,
    ) -> Progress {
        match job.look(&client.waker) {
            Poll::Pending => {
                self.check = Check::InLine(job);
                Progress::Wait
            }
            Poll::Ready(Ok(outcome)) => self.looked_into(auth, client, outcome, now),
            Poll::Ready(Err(Lost)) => self.refused(auth, client, (Refusal::Fault, 0), now),
        }
    }

    fn look_at_keys(
        &mut self,
        auth: &Auth,
        client: &Peer,
        (login, mut job): (Box<Login>, Job<()>),
        now: Moment,
    ) -> Progress {
        match job.look(&client.waker) {
            Poll::Pending => {
                self.check = Check::Keying { login, job };
                Progress::Wait
            }
            Poll::Ready(Ok(()) | Err(Lost)) => self.looked_into(auth, client, Ok(*login), now),
        }
    }

    fn look_at_token(
        &mut self,
        auth: &Auth,
        client: &Peer,
        (bearer, fingerprint): (&Bearer, Option<&str>),
        now: Moment,
    ) -> Progress {
        let attempt = Attempt {
            user: bearer.user.as_deref().unwrap_or_default(),
            password: bearer.token.as_str(),
            protocol: self.protocol,
            address: client.address,
            fingerprint,
            tls: client.tls.as_ref().map(|tls| tls.version.as_str()),
            now: Timestamp(now.unix_millis),
            turn: None,
        };
        match auth.log_in_by_token(&attempt) {
            Err(LoginError::Rejected { delay_millis }) => {
                self.refused(auth, client, (Refusal::WrongToken, delay_millis), now)
            }
            outcome => self.looked_into(auth, client, outcome, now),
        }
    }

    /// Looks into a proof; who is let in is told first what proves the server's side (RFC 5802 §5).
    fn prove(
        &mut self,
        auth: &Auth,
        client: &Peer,
        (proof, fingerprint): (&ScramProof, Option<&str>),
        now: Moment,
    ) -> Progress {
        let attempt = Attempt {
            user: &proof.authentication_id,
            password: "",
            protocol: self.protocol,
            address: client.address,
            fingerprint,
            tls: client.tls.as_ref().map(|tls| tls.version.as_str()),
            now: Timestamp(now.unix_millis),
            turn: None,
        };
        match auth.log_in_by_proof(&attempt, proof) {
            Ok((login, verifier)) => {
                self.check = Check::Proven(Box::new(login));
                self.conversation.proven();
                Progress::Challenge(verifier)
            }
            Err(error) => self.looked_into(auth, client, Err(error), now),
        }
    }

    fn looked_into(&mut self, auth: &Auth, client: &Peer, outcome: Result<Login, LoginError>, now: Moment) -> Progress {
        match outcome {
            Ok(login) => {
                self.begin_anew();
                log::succeeded(auth, self.protocol, client.address, &login);
                Progress::Admitted(Box::new(auth.enter(login, client.waker.clone())))
            }
            Err(error) => {
                let delay_millis = match error {
                    LoginError::Rejected { delay_millis }
                    | LoginError::Throttled { delay_millis }
                    | LoginError::Busy { delay_millis } => delay_millis,
                    LoginError::OutOfTurn | LoginError::Fault(_) => 0,
                };
                self.refused(auth, client, (Refusal::from(&error), delay_millis), now)
            }
        }
    }

    fn refused(
        &mut self,
        auth: &Auth,
        client: &Peer,
        (refusal, delay_millis): (Refusal, u64),
        now: Moment,
    ) -> Progress {
        log::failed(auth, self.protocol, (client.address, self.user().unwrap_or_default()), refusal.why());
        self.conversation.hold_back(refusal, now.monotonic_millis.saturating_add(delay_millis));
        self.conversation.due(now.monotonic_millis).map_or(Progress::Wait, Progress::from)
    }

    fn noted(&self, auth: &Auth, address: IpAddr, said: Said) -> Said {
        match &said {
            Said::Refused(answer) => log::failed(auth, self.protocol, (address, ""), answer.refusal.why()),
            Said::Check | Said::Challenge(_) => {}
        }
        said
    }
}

fn with_means(auth: &Auth, client: &Peer, then: impl FnOnce(Means<'_>) -> Said) -> Said {
    let binding = client.tls.as_ref().and_then(|tls| tls.exporter.as_deref().copied());
    let salt = |user: &str| auth.scram_challenge(user).ok();
    let mechanisms = possible(client, auth.takes_scram(), auth.takes_scram());
    let announces_plus = auth.offers_scram_plus();
    then(Means { mechanisms: &mechanisms, binding, announces_plus, salt: &salt })
}

impl From<Due> for Progress {
    fn from(due: Due) -> Self {
        match due {
            Due::Refused(answer) => Self::Refused(answer),
            Due::Challenge(challenge) => Self::Challenge(challenge),
        }
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
        let outcome = auth.log_in(&claim.attempt(Some(&turn)));
        let said = claim.credentials.password.as_str();
        if let Ok(login) = &outcome
            && auth.lacks_scram_keys(login, said)
        {
            auth.make_scram_keys(login, said);
        }
        outcome
    };
    Job::in_turn(&*client.jobs, client.stranger(), verify).map_err(|Full| LoginError::BUSY)
}

fn make_keys(auth: &Auth, client: &Peer, login: &Login, said: Password) -> Result<Job<()>, Full> {
    let (auth, login) = (auth.clone(), login.clone());
    Job::in_turn(&*client.jobs, client.stranger(), move |_| auth.make_scram_keys(&login, said.as_str()))
}
