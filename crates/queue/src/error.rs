//! Why the queue did not do what was asked.

use std::fmt;

/// Why the queue did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No entry of this number (any more).
    NoSuchEntry,
    /// The entry is held: release it first.
    Held,
    /// The queue takes no more: which limit, as a sentence. Nothing was changed.
    Full(String),
    /// The account has as much in the queue as it may: a sentence for its owner. Nothing was changed.
    Share(String),
    /// The account has sent as much as it may for now: a sentence for its owner, with the time to wait. Nothing was changed.
    Rate(String),
    /// As many messages of the account wait for a time of their own as may: a sentence for its owner. Nothing was changed.
    Scheduled(String),
    /// It is being sent just now: nobody can call it back.
    Underway,
    /// Another server sends what is in the queue from now on. Nothing was changed.
    Superseded,
    /// Stored bytes are not what was written: which. It is logged.
    Damaged(String),
    /// The store's answer, but that something is damaged.
    Store(store::Error),
}

impl Error {
    /// Stored bytes are not what was written. Logged here, once.
    pub(crate) fn damaged(what: impl fmt::Display) -> Self {
        let what = format!("outbound queue: {what}");
        tracing::error!(%what, "damage");
        Self::Damaged(what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchEntry => f.write_str("no such message in the queue"),
            Self::Held => f.write_str("the message is held; release it first"),
            Self::Superseded => f.write_str("another server sends what is in the queue"),
            Self::Underway => f.write_str("the message is being sent just now"),
            Self::Full(what) | Self::Share(what) | Self::Rate(what) | Self::Scheduled(what) | Self::Damaged(what) => {
                f.write_str(what)
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            // Logged where it was found.
            store::Error::Damaged(what) => Self::Damaged(what),
            error => Self::Store(error),
        }
    }
}
