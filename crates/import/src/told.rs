//! What an import tells: as it goes on, when it is done, and why it ended before.

use crate::source::SourceError;
use std::fmt;
use store::Error;

/// What an import tells as it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A folder goes into a mailbox.
    Folder {
        /// Its name there.
        name: String,
        /// The mailbox.
        mailbox: String,
    },
    /// A folder, or a script that sorts mail, is left out; why.
    LeftOut {
        /// Its name there.
        name: String,
        /// Why.
        why: String,
    },
    /// Messages of a folder came into another mailbox before, and do not come again.
    Elsewhere {
        /// Its name there.
        name: String,
        /// The mailbox that they came into; `None`: it is gone.
        mailbox: Option<String>,
        /// How many.
        messages: usize,
    },
    /// So much of a folder is looked through.
    Looked {
        /// Its name there.
        name: String,
        /// Messages.
        done: usize,
        /// All of them.
        total: usize,
    },
    /// A message does not come, or not with all its keywords; the next import tries again.
    Refused {
        /// Its folder there.
        folder: String,
        /// What it is found by there.
        message: String,
        /// Why.
        why: String,
    },
    /// The source broke off, and is asked again after so many seconds.
    Waiting {
        /// What it said.
        why: String,
        /// How long.
        seconds: u64,
    },
}

/// What an import did; numbers of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Brought now.
    pub brought: usize,
    /// Brought by an earlier import from there.
    pub known: usize,
    /// Of those: their flags have changed there since, and here now too.
    pub reflagged: usize,
    /// Of those brought earlier: not there any more; here they stay.
    pub vanished: usize,
    /// With the UIDL that they had there, since now.
    pub uidls: usize,
    /// Not brought: told one by one.
    pub refused: usize,
    /// Folders that were looked through.
    pub folders: usize,
    /// Folders that were left out: told one by one.
    pub left_out: usize,
}

/// Why an import ended before its time. What was brought is here, and the next one goes on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The source broke off, and did not come back.
    Broken(String),
    /// The source will not, or there is no such folder.
    Refused(String),
    /// The store.
    Store(Error),
    /// Nobody listens to it any more.
    Unheard,
}

/// Is told what happens; fails when nobody listens any more.
pub type Tell<'a> = &'a mut dyn FnMut(Event) -> Result<(), Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) | Self::Refused(why) => f.write_str(why),
            Self::Store(error) => error.fmt(f),
            Self::Unheard => f.write_str("nobody listens to it any more"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Broken(what) => Self::Broken(what),
            SourceError::Refused(what) => Self::Refused(what),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
