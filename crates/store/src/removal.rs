//! What a POP3 device's `DELE` and `QUIT` do to the mailbox that all devices share: a policy, decided in one place.
//!
//! For the device itself they always do the same: the message leaves its maildrop for good (RFC 1939 §6).

use std::fmt;
use std::str::FromStr;

/// What a device's POP3 deletions do to the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RemovalPolicy {
    /// As long as no other device reads the account, delete means delete, as a POP user expects and a quota needs;
    /// as soon as one does, the mailbox keeps the message.
    #[default]
    KeepWhenShared,
    /// The mailbox keeps the message.
    Keep,
    /// The message is expunged for everybody.
    Expunge,
}

/// What happens in the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Keep,
    /// The message is expunged (and restorable for the retention time).
    Expunge,
}

impl RemovalPolicy {
    /// All of them; a record holds the place in this list.
    pub const ALL: [Self; 3] = [Self::KeepWhenShared, Self::Keep, Self::Expunge];

    /// The name in commands and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KeepWhenShared => "keep-when-shared",
            Self::Keep => "keep",
            Self::Expunge => "expunge",
        }
    }

    /// `shared`: another device reads the account.
    #[must_use]
    pub fn decide(self, shared: bool) -> Effect {
        match (self, shared) {
            (Self::KeepWhenShared, false) | (Self::Expunge, _) => Effect::Expunge,
            (Self::KeepWhenShared, true) | (Self::Keep, _) => Effect::Keep,
        }
    }
}

impl fmt::Display for RemovalPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy;

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = RemovalPolicy::ALL.iter().map(|policy| policy.name()).collect();
        write!(f, "a removal policy is one of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownPolicy {}

impl FromStr for RemovalPolicy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL.into_iter().find(|policy| policy.name() == name).ok_or(UnknownPolicy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delete_means_delete_only_where_nobody_else_loses_the_message() {
        for (policy, shared, effect) in [
            (RemovalPolicy::KeepWhenShared, false, Effect::Expunge),
            (RemovalPolicy::KeepWhenShared, true, Effect::Keep),
            (RemovalPolicy::Keep, false, Effect::Keep),
            (RemovalPolicy::Keep, true, Effect::Keep),
            (RemovalPolicy::Expunge, false, Effect::Expunge),
            (RemovalPolicy::Expunge, true, Effect::Expunge),
        ] {
            assert_eq!(policy.decide(shared), effect, "{policy}, shared: {shared}");
            assert_eq!(policy.name().parse(), Ok(policy));
        }
    }
}
