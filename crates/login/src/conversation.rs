//! What is said until it is known who somebody claims to be, and while that is looked into. Pure.

use auth::LoginError;
use sasl::scram::SALT_BYTES;
use sasl::{Bearer, Binding, Credentials, Exchange, Failure, Mechanism, Password, Progress, ScramProof};

/// So many logins may fail on one connection; the last of them ends it. What is refused for load is no failure.
pub const FAILURES_MAX: u32 = 5;
/// A client may send so many octets while it waits for the answer to a login; more end the connection. RFC 4954 §4 and
/// RFC 5034 §4: it should send none.
pub const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A mechanism that is not known here.
    NoSuchMechanism,
    /// The client gave up.
    Cancelled,
    /// A line is not base64.
    NotBase64,
    /// A line, the user name or the password is too long.
    TooLong,
    /// A part is missing, or there is one too many.
    Malformed,
    /// It wants to act for somebody else.
    OtherIdentity,
    /// The user name or the password is wrong, or the account is disabled: a stranger does not learn which.
    Wrong,
    /// The token is wrong, too old or was taken back, or the account is disabled.
    WrongToken,
    /// Too many logins failed from there; this one was not tried.
    TooManyFailures,
    /// Too many logins wait at this moment; this one was not tried, and no fault of the client's.
    Busy,
    /// Ours.
    Fault,
}

/// What is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Why not.
    pub refusal: Refusal,
    /// It was the last one: after it the connection ends.
    pub is_last: bool,
}

/// What follows from what the client said.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// This is sent (base64, may be empty), and a line of the client's follows.
    Challenge(String),
    /// Who it claims to be is known, and is to be looked into.
    Check,
    /// No.
    Refused(Answer),
}

/// The salt that goes with a name, and a nonce.
pub(crate) type Salt = ([u8; SALT_BYTES], String);

/// What an exchange needs of the server.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    /// What can be done.
    pub(crate) mechanisms: &'a [Mechanism],
    /// The channel that SCRAM-SHA-256-PLUS binds to.
    pub(crate) binding: Option<Binding>,
    /// Whether that mechanism is announced: then nobody may believe that it is not (RFC 5802 §6).
    pub(crate) announces_plus: bool,
    /// The salt of a name, and a nonce; none where the system gives no random numbers.
    pub(crate) salt: &'a dyn Fn(&str) -> Option<Salt>,
}

/// Who somebody claims to be.
#[derive(Clone)]
pub(crate) enum Claimed {
    /// With a password.
    Password(Credentials),
    /// With a proof that they know one.
    Proof(ScramProof),
    /// With a token.
    Bearer(Bearer),
    /// It was proven, and they have heard what proves the server's side.
    Proven(String),
}

impl Claimed {
    pub(crate) fn user(&self) -> &str {
        match self {
            Self::Password(credentials) => &credentials.authentication_id,
            Self::Proof(proof) => &proof.authentication_id,
            Self::Bearer(bearer) => bearer.user.as_deref().unwrap_or_default(),
            Self::Proven(user) => user,
        }
    }
}

/// The logins of one connection.
#[derive(Default)]
pub(crate) struct Conversation {
    stage: Stage,
    failures: u32,
    unread_bytes: usize,
}

#[derive(Default)]
enum Stage {
    #[default]
    Quiet,
    /// A line of the client's is to come.
    Exchange(Exchange),
    /// It is being looked into.
    Checking(Claimed),
    /// It was proven; an empty line of the client's is to come, once it has heard what proves the server's side.
    LastLine { user: String },
    /// The answer waits until then, on the monotonic clock: it slows guessing down. `told` comes first.
    HeldBack { until: u64, refusal: Refusal, told: Option<String> },
    /// The client was told why not; a line of its own, which says nothing, and then the answer are to come.
    Told { refusal: Refusal },
}

/// An answer that was held back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// No.
    Refused(Answer),
    /// What is sent before that (base64); a line of the client's follows.
    Challenge(String),
}

impl Conversation {
    /// Begins an exchange. `initial` is the initial response: base64, `=` for an empty one.
    pub(crate) fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>, means: Means<'_>) -> Said {
        match Mechanism::from_name(mechanism).filter(|mechanism| means.mechanisms.contains(mechanism)) {
            Some(mechanism) => {
                let counts = means.announces_plus || mechanism == Mechanism::ScramSha256Plus;
                let binding = means.binding.filter(|_| counts);
                self.progress(Exchange::start(mechanism, initial, binding), means)
            }
            None => Said::Refused(self.refuse(Refusal::NoSuchMechanism)),
        }
    }

    /// Takes a line of an exchange, or what was wrong with it as a line.
    pub(crate) fn line(&mut self, line: Result<&[u8], Failure>, means: Means<'_>) -> Said {
        match (std::mem::take(&mut self.stage), line) {
            (Stage::Exchange(exchange), Ok(line)) => self.progress(exchange.respond(line), means),
            (Stage::LastLine { user }, Ok(b"" | b"=")) => self.check(Claimed::Proven(user)),
            // RFC 7628 §3.2.3: whatever it says.
            (Stage::Told { refusal }, _) => Said::Refused(self.refuse(refusal)),
            (Stage::LastLine { .. }, Ok(b"*")) => Said::Refused(self.refuse(Refusal::Cancelled)),
            (_, Err(failure)) => Said::Refused(self.refuse(failure.into())),
            (Stage::Quiet | Stage::Checking(_) | Stage::LastLine { .. } | Stage::HeldBack { .. }, Ok(_)) => {
                Said::Refused(self.refuse(Refusal::Malformed))
            }
        }
    }

    /// A name and a password came without an exchange.
    pub(crate) fn password(&mut self, user: &str, password: &str) -> Said {
        let (authentication_id, password) = (user.to_owned(), Password::new(password));
        self.check(Claimed::Password(Credentials { authorization_id: None, authentication_id, password }))
    }

    /// They have proven who they are, and are told now what proves the server's side.
    pub(crate) fn proven(&mut self) {
        if let Stage::Checking(claimed) = std::mem::take(&mut self.stage) {
            self.stage = Stage::LastLine { user: claimed.user().to_owned() };
        }
    }

    fn progress(&mut self, progress: Progress, means: Means<'_>) -> Said {
        match progress {
            Progress::Salt(wanted) => match (means.salt)(wanted.user()) {
                Some((salt, nonce)) => self.progress(wanted.answer(&salt, &nonce), means),
                None => Said::Refused(self.refuse(Refusal::Fault)),
            },
            Progress::Challenge(challenge, exchange) => {
                self.stage = Stage::Exchange(exchange);
                Said::Challenge(challenge)
            }
            Progress::Done(Credentials { authorization_id, authentication_id, .. })
            | Progress::Proof(ScramProof { authorization_id, authentication_id, .. })
                if acts_for_another(authorization_id.as_deref(), &authentication_id) =>
            {
                Said::Refused(self.refuse(Refusal::OtherIdentity))
            }
            Progress::Done(credentials) => self.check(Claimed::Password(credentials)),
            Progress::Proof(proof) => self.check(Claimed::Proof(proof)),
            Progress::Bearer(bearer) => self.check(Claimed::Bearer(bearer)),
            Progress::Failed(failure) => Said::Refused(self.refuse(failure.into())),
        }
    }

    fn check(&mut self, claimed: Claimed) -> Said {
        self.stage = Stage::Checking(claimed);
        self.unread_bytes = 0;
        Said::Check
    }

    /// Who it claims to be, while that is looked into.
    #[must_use]
    pub(crate) fn claimed(&self) -> Option<&Claimed> {
        match &self.stage {
            Stage::Checking(claimed) => Some(claimed),
            Stage::Quiet
            | Stage::Exchange(_)
            | Stage::LastLine { .. }
            | Stage::HeldBack { .. }
            | Stage::Told { .. } => None,
        }
    }

    /// Whether the client was told why not, and only its last line is waited for.
    #[must_use]
    pub(crate) fn is_told(&self) -> bool {
        matches!(self.stage, Stage::Told { .. })
    }

    /// Not, at once.
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Answer {
        self.stage = Stage::Quiet;
        self.failures += u32::from(refusal.is_failure());
        Answer { refusal, is_last: refusal.is_failure() && self.failures >= FAILURES_MAX }
    }

    /// Not, but the answer waits until `until`. Who has shown a wrong token is told so first (RFC 7628 §3.2.2).
    pub(crate) fn hold_back(&mut self, refusal: Refusal, until: u64) {
        let told = match (&self.stage, refusal) {
            (Stage::Checking(Claimed::Bearer(bearer)), Refusal::WrongToken) => Some(bearer.refusal()),
            (_, _) => None,
        };
        self.stage = Stage::HeldBack { until, refusal, told };
    }

    /// The answer that was held back, once its time has come.
    pub(crate) fn due(&mut self, now: u64) -> Option<Due> {
        match &mut self.stage {
            Stage::HeldBack { until, refusal, told } if now >= *until => {
                let refusal = *refusal;
                let Some(told) = told.take() else { return Some(Due::Refused(self.refuse(refusal))) };
                self.stage = Stage::Told { refusal };
                Some(Due::Challenge(told))
            }
            Stage::HeldBack { .. }
            | Stage::Quiet
            | Stage::Exchange(_)
            | Stage::Checking(_)
            | Stage::LastLine { .. }
            | Stage::Told { .. } => None,
        }
    }

    /// When an answer that is held back is due.
    #[must_use]
    pub(crate) fn until(&self) -> Option<u64> {
        match self.stage {
            Stage::HeldBack { until, .. } => Some(until),
            Stage::Quiet | Stage::Exchange(_) | Stage::Checking(_) | Stage::LastLine { .. } | Stage::Told { .. } => {
                None
            }
        }
    }

    /// Whether the client waits for an answer: nothing else of it is looked at.
    #[must_use]
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Checking(_) | Stage::HeldBack { .. })
    }

    /// So many octets came.
    pub(crate) fn heard(&mut self, bytes: usize) {
        if self.is_busy() {
            self.unread_bytes = self.unread_bytes.saturating_add(bytes);
        }
    }

    /// Whether the client has sent too much while it waits.
    #[must_use]
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_busy() && self.unread_bytes > UNREAD_BYTES_MAX
    }

    /// What was begun does not count: the client was let in, or TLS began. What failed was nevertheless a failure.
    pub(crate) fn begin_anew(&mut self) {
        self.stage = Stage::Quiet;
    }
}

/// RFC 4616 §2: nobody acts for somebody else here. Names in another case are the same name, as at the login itself.
fn acts_for_another(authorization_id: Option<&str>, authentication_id: &str) -> bool {
    let folded = |name: &str| name.trim().to_lowercase();
    let Some(other) = authorization_id else { return false };
    !other.is_empty() && folded(other) != folded(authentication_id)
}

impl Refusal {
    /// Whether it is the client's: the others are ours.
    #[must_use]
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::NoSuchMechanism
            | Self::Cancelled
            | Self::NotBase64
            | Self::TooLong
            | Self::Malformed
            | Self::OtherIdentity
            | Self::Wrong
            | Self::WrongToken
            | Self::TooManyFailures => true,
            Self::Busy | Self::Fault => false,
        }
    }

    /// In the log.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::NoSuchMechanism => "no such mechanism",
            Self::Cancelled => "cancelled",
            Self::NotBase64 => "not base64",
            Self::TooLong => "too long",
            Self::Malformed => "malformed",
            Self::OtherIdentity => "acts for another",
            Self::Wrong => "wrong name or password",
            Self::WrongToken => "wrong token",
            Self::TooManyFailures => "too many failures",
            Self::Busy => "load",
            Self::Fault => "fault",
        }
    }
}

impl From<&LoginError> for Refusal {
    fn from(error: &LoginError) -> Self {
        match error {
            LoginError::Rejected { .. } => Self::Wrong,
            LoginError::Throttled { .. } => Self::TooManyFailures,
            LoginError::Busy { .. } => Self::Busy,
            LoginError::OutOfTurn | LoginError::Fault(_) => Self::Fault,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Cancelled => Self::Cancelled,
            Failure::NotBase64 => Self::NotBase64,
            Failure::TooLong => Self::TooLong,
            Failure::Malformed => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_act_for_whom() {
        let check = |authorization: Option<&str>, expected: bool| {
            let initial = sasl::client::plain(authorization, "Alice@example.org", "pw");
            let mut conversation = Conversation::default();
            let means = Means { mechanisms: &Mechanism::ALL, binding: None, announces_plus: false, salt: &|_| None };
            let is_let_on = conversation.begin("plain", Some(initial.as_bytes()), means) == Said::Check;
            assert_eq!(is_let_on, expected, "{authorization:?}");
        };
        check(None, true);
        check(Some("Alice@example.org"), true);
        check(Some("alice@EXAMPLE.org"), true);
        check(Some("bob@example.org"), false);
        check(Some("alice"), false);
    }

    #[test]
    fn the_last_failure_ends_it_and_load_is_none() {
        let mut conversation = Conversation::default();
        for n in 1..=FAILURES_MAX {
            conversation.password("alice", "wrong");
            assert!(!conversation.refuse(Refusal::Busy).is_last);
            conversation.password("alice", "wrong");
            conversation.hold_back(Refusal::Wrong, 10);
            assert_eq!((conversation.due(9), conversation.until()), (None, Some(10)));
            let answer = Answer { refusal: Refusal::Wrong, is_last: n == FAILURES_MAX };
            assert_eq!(conversation.due(10), Some(Due::Refused(answer)));
        }
    }

    #[test]
    fn who_shows_a_wrong_token_is_told_why_before_the_answer() {
        let means = Means { mechanisms: &Mechanism::ALL, binding: None, announces_plus: false, salt: &|_| None };
        let initial = sasl::client::oauthbearer("alice", "t");
        let mut conversation = Conversation::default();
        for last in [Ok(&b"AQ=="[..]), Ok(b""), Ok(b"*"), Err(Failure::TooLong)] {
            assert_eq!(conversation.begin("oauthbearer", Some(initial.as_bytes()), means), Said::Check);
            conversation.hold_back(Refusal::WrongToken, 10);
            assert_eq!(conversation.due(9), None);
            let Some(Due::Challenge(told)) = conversation.due(10) else { panic!("{last:?}") };
            assert_eq!(told, "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=");
            assert!(!conversation.is_busy() && conversation.is_told());
            let Said::Refused(answer) = conversation.line(last, means) else { panic!("{last:?}") };
            assert_eq!(answer.refusal, Refusal::WrongToken);
        }
        // What is no fault of the token's is answered at once.
        assert_eq!(conversation.begin("xoauth2", Some(sasl::client::xoauth2("a", "t").as_bytes()), means), Said::Check);
        conversation.hold_back(Refusal::TooManyFailures, 10);
        assert_eq!(
            conversation.due(10),
            Some(Due::Refused(Answer { refusal: Refusal::TooManyFailures, is_last: true }))
        );
    }

    #[test]
    fn what_comes_while_the_client_waits_is_bounded() {
        let mut conversation = Conversation::default();
        conversation.heard(2 * UNREAD_BYTES_MAX);
        assert!(!conversation.is_flooded(), "nothing is under way");
        conversation.password("alice", "wrong");
        conversation.heard(UNREAD_BYTES_MAX);
        assert!(!conversation.is_flooded());
        conversation.hold_back(Refusal::Wrong, 10);
        conversation.heard(1);
        assert!(conversation.is_flooded());
    }
}
