//! What a POP3 device's `DELE` and `QUIT` do to the mailbox that all devices share: a policy, decided in one place.
//!
//! For the device itself they always do the same: the message leaves its maildrop for good (RFC 1939 §6).

use crate::codec::{Corrupt, Reader, Writer};
use crate::role::Role;
use std::fmt;
use std::str::FromStr;

/// A message that a device deleted is expunged at the latest after so many days, where its policy says days.
pub const EXPUNGE_AFTER_DAYS_MAX: u16 = 3650;

/// What a device's POP3 deletions do to the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RemovalPolicy {
    /// As long as no other device reads the account, delete means delete, as a POP user expects and a quota needs;
    /// as soon as one does, the mailbox keeps the message.
    #[default]
    KeepWhenShared,
    /// The mailbox keeps the message.
    Keep,
    /// The mailbox keeps the message and marks it as read.
    MarkRead,
    /// The message goes to the mailbox for archived mail.
    Archive,
    /// The message goes to the mailbox for deleted mail.
    Trash,
    /// The message is expunged for everybody once every device that uses POP3 has taken or deleted it.
    ExpungeWhenAllPopDevicesHaveIt,
    /// The message is expunged for everybody so many days after the device deleted it; 1 to
    /// [`EXPUNGE_AFTER_DAYS_MAX`].
    ExpungeAfterDays(u16),
    /// The message is expunged for everybody.
    Expunge,
}

/// What happens in the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Keep,
    /// The message is marked as read.
    MarkRead,
    /// The message goes to the mailbox of this purpose.
    MoveTo(Role),
    /// The message is expunged (and restorable for the retention time).
    Expunge,
    /// The message is expunged once every device that uses POP3 has it.
    ExpungeWhenAllHaveIt,
    /// The message is expunged after so many days.
    ExpungeAfterDays(u16),
}

impl RemovalPolicy {
    /// One of each, the usual one first; days stand for any number of days.
    pub const ALL: [Self; 8] = [
        Self::KeepWhenShared,
        Self::Keep,
        Self::MarkRead,
        Self::Archive,
        Self::Trash,
        Self::ExpungeWhenAllPopDevicesHaveIt,
        Self::ExpungeAfterDays(30),
        Self::Expunge,
    ];

    /// `shared`: another device reads the account.
    #[must_use]
    pub fn decide(self, shared: bool) -> Effect {
        match (self, shared) {
            (Self::KeepWhenShared, false) | (Self::Expunge, _) => Effect::Expunge,
            (Self::KeepWhenShared, true) | (Self::Keep, _) => Effect::Keep,
            (Self::MarkRead, _) => Effect::MarkRead,
            (Self::Archive, _) => Effect::MoveTo(Role::Archive),
            (Self::Trash, _) => Effect::MoveTo(Role::Trash),
            (Self::ExpungeWhenAllPopDevicesHaveIt, _) => Effect::ExpungeWhenAllHaveIt,
            (Self::ExpungeAfterDays(days), _) => Effect::ExpungeAfterDays(days),
        }
    }

    /// Whether what a device deletes is removed later. Who chooses such a policy speaks of what it will delete, not of all that
    /// it deleted while its deletions did nothing.
    #[must_use]
    pub(crate) fn is_put_off(self) -> bool {
        match self {
            Self::ExpungeWhenAllPopDevicesHaveIt | Self::ExpungeAfterDays(_) => true,
            Self::KeepWhenShared | Self::Keep | Self::MarkRead | Self::Archive | Self::Trash | Self::Expunge => false,
        }
    }

    pub(crate) fn write(self, w: &mut Writer) {
        match self {
            // Numbers of version 1.
            Self::KeepWhenShared => w.byte(0),
            Self::Keep => w.byte(1),
            Self::Expunge => w.byte(2),
            Self::MarkRead => w.byte(3),
            Self::Archive => w.byte(4),
            Self::Trash => w.byte(5),
            Self::ExpungeWhenAllPopDevicesHaveIt => w.byte(6),
            Self::ExpungeAfterDays(days) => w.byte(7).number(days.into()),
        };
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(match r.byte()? {
            0 => Self::KeepWhenShared,
            1 => Self::Keep,
            2 => Self::Expunge,
            3 => Self::MarkRead,
            4 => Self::Archive,
            5 => Self::Trash,
            6 => Self::ExpungeWhenAllPopDevicesHaveIt,
            7 => Self::ExpungeAfterDays(u16::try_from(r.number()?).map_err(|_| Corrupt)?),
            8.. => return Err(Corrupt),
        })
    }
}

/// The name in commands and files: `keep-when-shared`, `expunge-after-days(30)`.
impl fmt::Display for RemovalPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeepWhenShared => "keep-when-shared",
            Self::Keep => "keep",
            Self::MarkRead => "mark-read",
            Self::Archive => "archive",
            Self::Trash => "trash",
            Self::ExpungeWhenAllPopDevicesHaveIt => "expunge-when-all-pop-devices-have-it",
            Self::ExpungeAfterDays(days) => return write!(f, "expunge-after-days({days})"),
            Self::Expunge => "expunge",
        })
    }
}

/// Not the name of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownPolicy;

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = RemovalPolicy::ALL.map(|policy| policy.to_string()).join(", ");
        write!(f, "a removal policy is one of {names} (1 to {EXPUNGE_AFTER_DAYS_MAX} days)")
    }
}

impl std::error::Error for UnknownPolicy {}

impl FromStr for RemovalPolicy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        match days_in(name, "expunge-after-days") {
            Some(days) if (1..=EXPUNGE_AFTER_DAYS_MAX).contains(&days) => Ok(Self::ExpungeAfterDays(days)),
            Some(_) => Err(UnknownPolicy),
            None => Self::ALL.into_iter().find(|policy| policy.to_string() == name).ok_or(UnknownPolicy),
        }
    }
}

/// The number in `name(number)`.
pub(crate) fn days_in(text: &str, name: &str) -> Option<u16> {
    let digits = text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?;
    digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delete_means_delete_only_where_nobody_else_loses_the_message() {
        for (policy, alone, shared) in [
            (RemovalPolicy::KeepWhenShared, Effect::Expunge, Effect::Keep),
            (RemovalPolicy::Keep, Effect::Keep, Effect::Keep),
            (RemovalPolicy::MarkRead, Effect::MarkRead, Effect::MarkRead),
            (RemovalPolicy::Archive, Effect::MoveTo(Role::Archive), Effect::MoveTo(Role::Archive)),
            (RemovalPolicy::Trash, Effect::MoveTo(Role::Trash), Effect::MoveTo(Role::Trash)),
            (RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt, Effect::ExpungeWhenAllHaveIt, Effect::ExpungeWhenAllHaveIt),
            (RemovalPolicy::ExpungeAfterDays(9), Effect::ExpungeAfterDays(9), Effect::ExpungeAfterDays(9)),
            (RemovalPolicy::Expunge, Effect::Expunge, Effect::Expunge),
        ] {
            assert_eq!((policy.decide(false), policy.decide(true)), (alone, shared), "{policy}");
        }
    }

    #[test]
    fn names_and_records_are_read_as_they_are_written() {
        let most = RemovalPolicy::ExpungeAfterDays(EXPUNGE_AFTER_DAYS_MAX);
        for policy in RemovalPolicy::ALL.into_iter().chain([RemovalPolicy::ExpungeAfterDays(1), most]) {
            assert_eq!(policy.to_string().parse(), Ok(policy));
            let mut w = Writer::default();
            policy.write(&mut w);
            assert_eq!(RemovalPolicy::read(&mut Reader(&w.0)), Ok(policy));
        }
        let wrong = ["", "Keep", "expunge-after-days", "expunge-after-days(0)", "expunge-after-days(3651)"];
        for name in wrong.into_iter().chain(["expunge-after-days(+1)", "expunge-after-days(65536)", "keep()"]) {
            assert_eq!(name.parse::<RemovalPolicy>(), Err(UnknownPolicy), "{name:?}");
        }
    }
}
