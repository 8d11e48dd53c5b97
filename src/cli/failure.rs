//! Why a command was not done, and its exit status.

use std::fmt;
use std::process::ExitCode;

use server::config::ConfigError;
use server::control::CallError;
use server::restoration::RestoreError;
use server::setup::SetupError;

/// A failed command, in words for the person who ran it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A rule or the state of things forbids it: exit status 1.
    Refused(String),
    /// The command line does not make sense: exit status 2.
    Usage(String),
    /// The disk, the system or Pillarbox itself: exit status 3.
    Fault(String),
}

impl Failure {
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::Fault(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) | Self::Usage(text) | Self::Fault(text) => f.write_str(text),
        }
    }
}

impl From<backup::Error> for Failure {
    fn from(error: backup::Error) -> Self {
        match error {
            backup::Error::Refused(text) => Self::Refused(text),
            backup::Error::Fault(text) => Self::Fault(text),
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Setup(error) => error.into(),
            RestoreError::Backup(error) => error.into(),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<web::Failure> for Failure {
    fn from(failure: web::Failure) -> Self {
        match failure {
            web::Failure::Refused(text) => Self::Refused(text),
            web::Failure::Fault(text) => Self::Fault(text),
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            CallError::Refused(_) => Self::Refused(text),
            CallError::Failed(_) | CallError::Broken(_) => Self::Fault(text),
        }
    }
}
