//! Why the directory did not do what was asked.

use std::fmt;

/// Why a change of the directory, or of what belongs to an account, was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// A rule or the state of things forbids it. A sentence for the operator: what, why and what to do.
    Refused(String),
    /// The store could not.
    Store(store::Error),
}

impl Error {
    /// With a sentence for whoever asked: what, why and what to do.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused(why.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why) => f.write_str(why),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
