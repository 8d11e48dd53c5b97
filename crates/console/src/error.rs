//! Why something was not done.

use std::fmt;
use wording::tr;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// What was asked for makes no sense, or the state of things forbids it: a sentence with what to do.
    Refused(String),
    /// There is nothing of that name: a sentence with what shows all.
    Unknown(String),
    /// Who asks may not do that; the sentence says who may.
    Forbidden(&'static str),
    /// Nobody listens to the answer any more.
    Unheard,
    /// The store.
    Store(store::Error),
}

impl Error {
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<directory::Error> for Error {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Refused(text) => Self::Refused(text),
            directory::Error::Store(error) => Self::Store(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) | Self::Unknown(text) => f.write_str(text),
            Self::Forbidden(text) => f.write_str(text),
            Self::Unheard => f.write_str(tr!("nobody listens to the answer any more")),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}
