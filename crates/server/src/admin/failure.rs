//! What a refusal or a fault of the crates below is for the person at the command line.

use std::io;

use crate::control::Failure;

impl Failure {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let text = error.to_string();
        match error {
            store::Error::NoSpace(_) | store::Error::ReadOnly | store::Error::Damaged(_) | store::Error::Fault(_) => {
                Self::Fault(text)
            }
            store::Error::NoSuchAccount
            | store::Error::NoSuchMailbox
            | store::Error::NoSuchMessage
            | store::Error::NoSuchDevice
            | store::Error::LoginEnded
            | store::Error::AlreadyExists
            | store::Error::InvalidName(_)
            | store::Error::InvalidContent(_)
            | store::Error::NotAllowed(_)
            | store::Error::Limit(_)
            | store::Error::OverQuota { .. }
            | store::Error::MaildropInUse => Self::Refused(text),
        }
    }
}

impl From<directory::Error> for Failure {
    fn from(error: directory::Error) -> Self {
        match error {
            directory::Error::Refused(text) => Self::Refused(text),
            directory::Error::Store(error) => error.into(),
        }
    }
}

/// Nobody listens to the answer any more.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Fault(format!("the answer could not be given: {error}"))
    }
}
