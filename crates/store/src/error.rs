//! Why the store did not do what was asked: a refusal (policy or state) or a fault (ours).

use crate::codec::Corrupt;
use crate::engine::EngineError;
use crate::objects::ObjectError;
use crate::quota::Resource;
use std::fmt;
use wording::{tr, trn};

/// Why the store did not do what was asked. Nothing was changed, except after [`Error::Fault`]: there it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account does not exist (any more).
    NoSuchAccount,
    /// No mailbox of this name or number.
    NoSuchMailbox,
    /// The message is not there (any more).
    NoSuchMessage,
    /// No device of this number or name, or it is revoked.
    NoSuchDevice,
    /// The login that this comes from does not count any more: see [`crate::Permit`]. Nothing was changed.
    LoginEnded,
    /// A mailbox or device of this name is there.
    AlreadyExists,
    /// The name breaks a rule: which.
    InvalidName(&'static str),
    /// The message has what no message may have: what.
    InvalidContent(&'static str),
    /// The mailbox is somebody else's, who does not share so much of it (RFC 4314).
    NotPermitted,
    /// The same of a mailbox below it, which a change of the upper one would change, too: its name.
    NotPermittedBelow(String),
    /// The mailbox cannot be deleted or renamed: why.
    NotAllowed(&'static str),
    /// A limit is reached: which, as a sentence.
    Limit(String),
    /// Another session of the same device has the maildrop (RFC 1939 §4).
    MaildropInUse,
    /// The account's mailboxes would hold more than its quota lets them. Nothing was changed.
    OverQuota {
        /// Of what.
        resource: Resource,
        /// How many octets, or messages, they hold.
        used: u64,
        /// How many they may hold.
        quota: u64,
    },
    /// No space. Nothing was changed.
    NoSpace(String),
    /// The disk takes nothing at the moment: mail can be read. Nothing was changed.
    ReadOnly,
    /// What is stored is not what was written. Nothing was changed. Logged where it was found.
    Damaged(String),
    /// The engine or an object failed. Logged where it happened.
    Fault(String),
}

impl Error {
    /// A fault, logged here once, with what was tried.
    pub(crate) fn fault(what: impl fmt::Display) -> Self {
        let what = what.to_string();
        tracing::error!(%what, "store fault");
        Self::Fault(what)
    }

    /// Damage in stored bytes, logged here once.
    pub(crate) fn damaged(what: impl fmt::Display) -> Self {
        let what = what.to_string();
        tracing::error!(%what, "stored data is damaged");
        Self::Damaged(what)
    }

    /// The disk is full, broken or read-only. What it says of mail may be readable all the same.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Self::NoSpace(_) | Self::ReadOnly | Self::Damaged(_) | Self::Fault(_))
    }

    /// Stored bytes that cannot be understood.
    pub(crate) fn corrupt(what: impl fmt::Display) -> impl FnOnce(Corrupt) -> Self {
        move |Corrupt| Self::damaged(format_args!("{what} is damaged; run `pillarbox check`"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchAccount => f.write_str(tr!("no such account")),
            Self::NoSuchMailbox => f.write_str(tr!("no such mailbox")),
            Self::NoSuchMessage => f.write_str(tr!("no such message")),
            Self::NoSuchDevice => f.write_str(tr!("no such device")),
            Self::NotPermitted => f.write_str(tr!("its owner has not given you the right to do that in this mailbox")),
            Self::NotPermittedBelow(name) => {
                let said = tr!(
                    "its owner has not given you the right to rename {name}, which is below it",
                    name = format!("{name:?}")
                );
                f.write_str(&said)
            }
            Self::LoginEnded => f.write_str(tr!("this login does not count any more")),
            Self::AlreadyExists => f.write_str(tr!("it exists already")),
            Self::InvalidName(why) | Self::InvalidContent(why) | Self::NotAllowed(why) => f.write_str(why),
            Self::Limit(what) => f.write_str(what),
            Self::MaildropInUse => f.write_str(tr!("another session of this device has the maildrop open")),
            Self::OverQuota { resource: Resource::Storage, used, quota } => {
                let said = tr!("the mailbox is full: it holds {used} of {quota} octets", used = used, quota = quota);
                f.write_str(&said)
            }
            Self::OverQuota { resource: Resource::Message, used, quota } => {
                let said = trn!(
                    *quota,
                    "the mailbox is full: it holds {used} of {n} message",
                    "the mailbox is full: it holds {used} of {n} messages",
                    used = used
                );
                f.write_str(&said)
            }
            Self::NoSpace(what) => f.write_str(&tr!("no space: {what}", what = what)),
            Self::ReadOnly => {
                f.write_str(tr!("nothing can be changed: this server can read its disk and not write to it"))
            }
            Self::Damaged(what) | Self::Fault(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Damaged { what } => Self::damaged(what),
            EngineError::Failed { what } => Self::fault(what),
        }
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Full { what } => Self::NoSpace(what),
            ObjectError::Missing | ObjectError::Failed { .. } => Self::fault(error),
        }
    }
}
