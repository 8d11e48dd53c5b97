//! What became of a message for a recipient.

/// What became of a message for one recipient. Ordered: with several accounts the worst one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecipientOutcome {
    /// In the mailbox, on disk.
    Delivered,
    /// The mailbox is full; to be tried again later, when its owner has made room.
    OverQuota,
    /// No space; to be tried again later.
    NoSpace,
    /// The mailbox has reached a limit, or goes just now; to be tried again later.
    Unavailable,
    /// Ours, and already logged; to be tried again later.
    Fault,
    /// The message runs in circles; never to be tried again.
    Loop,
}

/// Why a report (a bounce) was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportRefused {
    /// Try again: why.
    Later(String),
    /// There is no such mailbox (any more): why.
    Never(String),
}

impl From<&store::Error> for RecipientOutcome {
    fn from(error: &store::Error) -> Self {
        match error {
            store::Error::OverQuota { .. } => Self::OverQuota,
            store::Error::NoSpace(_) => Self::NoSpace,
            store::Error::NoSuchAccount
            | store::Error::NoSuchMailbox
            | store::Error::NotAllowed(_)
            | store::Error::Limit(_) => Self::Unavailable,
            store::Error::NoSuchMessage
            | store::Error::NoSuchDevice
            | store::Error::AlreadyExists
            | store::Error::InvalidName(_)
            | store::Error::MaildropInUse
            | store::Error::Fault(_) => Self::Fault,
        }
    }
}
