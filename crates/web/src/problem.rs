//! Why a request was not answered as it was meant; `refusal` says it.

use axum::http::StatusCode;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// One sentence or more: what is wrong and what to do.
    pub(crate) detail: String,
    /// Of a fault: what happened, for the log and the operator.
    pub(crate) cause: Option<String>,
    /// The answer is held back for so long.
    pub(crate) delay_millis: u64,
}

/// What kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request makes no sense.
    Bad,
    /// Who asks is not logged in.
    LogIn,
    /// The form or the call does not come from a page or a program of the one who is logged in.
    Forged,
    /// They may not do that.
    Forbidden,
    /// There is no such page or thing.
    NotFound,
    /// Not with that method.
    Method,
    /// It took too long to come.
    Slow,
    /// The body is too long.
    TooLong,
    /// The body is of a kind that is not taken.
    MediaType,
    /// A name that this server does not go by.
    Host,
    /// What was asked for makes no sense as things are.
    Refused,
    /// The disk takes nothing.
    Full,
    /// Too often.
    TooOften,
    /// A password has to be verified, and it is not this request's turn: it is answered once it is, and this is never shown.
    OutOfTurn,
    /// Ours.
    Fault,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), cause: None, delay_millis: 0 }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(Kind::Bad, detail)
    }

    pub(crate) fn refused(detail: impl Into<String>) -> Self {
        Self::new(Kind::Refused, detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            Kind::NotFound,
            tr!("There is nothing at this address. It may have been mistyped, or it is no longer there."),
        )
    }

    /// Nobody's fault.
    pub(crate) fn hashing() -> Self {
        Self::new(
            Kind::TooOften,
            tr!("Too many passwords are being verified at this moment: nothing was done; try again."),
        )
    }

    pub(crate) fn busy() -> Self {
        Self::new(
            Kind::TooOften,
            tr!("Too many people log in at this moment. Nothing is wrong with your password: try again."),
        )
    }

    pub(crate) fn out_of_turn() -> Self {
        Self::new(Kind::OutOfTurn, "")
    }

    /// Ours: logged where it is told; who asked learns that it was not their fault.
    pub(crate) fn fault(what: &str) -> Self {
        let detail =
            tr!("Something went wrong in the server; what you asked for may not have been done. Your mail is not \
                      touched by this. Try again; if it goes on, tell whoever runs this server to look at its log.");
        Self { cause: Some(what.to_owned()), ..Self::new(Kind::Fault, detail) }
    }

    pub(crate) fn after_millis(mut self, delay_millis: u64) -> Self {
        self.delay_millis = delay_millis;
        self
    }
}

impl Kind {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Bad => StatusCode::BAD_REQUEST,
            Self::LogIn => StatusCode::UNAUTHORIZED,
            Self::Forged | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Refused | Self::Full => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooOften => StatusCode::TOO_MANY_REQUESTS,
            Self::OutOfTurn | Self::Fault => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bad => tr!("That was not understood"),
            Self::LogIn => tr!("Please log in"),
            Self::Forged => tr!("That page was too old"),
            Self::Forbidden => tr!("That is not allowed"),
            Self::NotFound => tr!("Nothing here"),
            Self::Method => tr!("Not like this"),
            Self::Slow => tr!("That took too long"),
            Self::TooLong => tr!("That is too long"),
            Self::MediaType => tr!("That was not understood"),
            Self::Host => tr!("This is another server"),
            Self::Refused | Self::Full => tr!("That cannot be done"),
            Self::TooOften => tr!("Too many attempts"),
            Self::OutOfTurn | Self::Fault => tr!("Something went wrong"),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchDevice => Self::new(Kind::NotFound, tr!("There is no such device, or it was revoked.")),
            store::Error::NoSuchMailbox => Self::new(Kind::NotFound, tr!("There is no such mailbox.")),
            store::Error::NoSuchMessage => {
                Self::new(Kind::NotFound, tr!("There is no such message, or it is not kept any more."))
            }
            store::Error::NoSuchAccount => Self::new(Kind::LogIn, tr!("The account is not there any more.")),
            store::Error::LoginEnded => {
                Self::new(Kind::LogIn, tr!("This login does not count any more. Log in again."))
            }
            store::Error::AlreadyExists
            | store::Error::InvalidName(_)
            | store::Error::InvalidContent(_)
            | store::Error::NotAllowed(_)
            | store::Error::NotPermitted
            | store::Error::NotPermittedBelow(_)
            | store::Error::Limit(_)
            | store::Error::MaildropInUse
            | store::Error::OverQuota { .. } => Self::refused(error.to_string()),
            store::Error::NoSpace(_) | store::Error::ReadOnly => Self::new(Kind::Full, error.to_string()),
            store::Error::Damaged(what) | store::Error::Fault(what) => Self::fault(&what),
        }
    }
}

impl From<console::Error> for Problem {
    fn from(error: console::Error) -> Self {
        match error {
            console::Error::Refused(text) => Self::refused(text),
            console::Error::Unknown(text) => Self::new(Kind::NotFound, text),
            console::Error::Forbidden(text) => Self::new(Kind::Forbidden, text),
            console::Error::Unheard => Self::fault(&error.to_string()),
            console::Error::Store(error) => error.into(),
        }
    }
}

impl From<directory::Error> for Problem {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Refused(text) => Self::refused(text),
            directory::Error::Store(error) => error.into(),
        }
    }
}
