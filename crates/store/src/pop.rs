//! What the owner of an account chose for a POP3 device: what its deletions do, and which mail it lists.

use crate::codec::{Corrupt, Reader, Writer};
use crate::ids::Timestamp;
use crate::removal::{RemovalPolicy, days_in};
use std::fmt;
use std::str::FromStr;

/// A window has at most so many days.
pub const WINDOW_DAYS_MAX: u16 = 3650;
/// With `recent:` before the user name a device lists what came in so many days, as it does at Gmail.
pub const RECENT_DAYS: u16 = 30;

/// The choices for one device, or those that new devices begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PopSettings {
    /// What its deletions do to the mailbox.
    pub removal: RemovalPolicy,
    /// From when on it lists mail.
    pub window: Window,
    /// Which mailboxes it lists mail from.
    pub scope: Scope,
}

/// From when on a POP3 device lists mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Window {
    /// All that is there.
    #[default]
    Everything,
    /// What came after this was chosen ([`crate::device::Device::pop_since`]).
    FromNowOn,
    /// What came in the last so many days, 1 to [`WINDOW_DAYS_MAX`].
    LastDays(u16),
}

/// Which mailboxes a POP3 device lists mail from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Scope {
    /// INBOX, and what arrived there since the device was added and another device filed away before this one took it.
    #[default]
    InboxAndFiled,
    /// INBOX only.
    Inbox,
    /// All but Junk, Trash, Sent and Drafts.
    AllButSpecial,
}

impl From<RemovalPolicy> for PopSettings {
    fn from(removal: RemovalPolicy) -> Self {
        Self { removal, ..Self::default() }
    }
}

impl PopSettings {
    pub(crate) fn write(self, w: &mut Writer) {
        self.removal.write(w);
        match self.window {
            Window::Everything => w.byte(0),
            Window::FromNowOn => w.byte(1),
            Window::LastDays(days) => w.byte(2).number(days.into()),
        };
        w.byte(match self.scope {
            Scope::InboxAndFiled => 0,
            Scope::Inbox => 1,
            Scope::AllButSpecial => 2,
        });
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            removal: RemovalPolicy::read(r)?,
            window: match r.byte()? {
                0 => Window::Everything,
                1 => Window::FromNowOn,
                2 => Window::LastDays(u16::try_from(r.number()?).map_err(|_| Corrupt)?),
                3.. => return Err(Corrupt),
            },
            scope: match r.byte()? {
                0 => Scope::InboxAndFiled,
                1 => Scope::Inbox,
                2 => Scope::AllButSpecial,
                3.. => return Err(Corrupt),
            },
        })
    }
}

impl Window {
    /// Mail of an earlier INTERNALDATE is not listed. `since`: when the window was chosen.
    #[must_use]
    pub fn opens_at(self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Everything => None,
            Self::FromNowOn => Some(since),
            Self::LastDays(days) => Some(now.days_before(days)),
        }
    }
}

/// The name in commands and files: `everything`, `last-days(30)`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::FromNowOn => f.write_str("from-now-on"),
            Self::LastDays(days) => write!(f, "last-days({days})"),
        }
    }
}

/// The name in commands and files.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InboxAndFiled => "inbox-and-filed",
            Self::Inbox => "inbox",
            Self::AllButSpecial => "all-but-special",
        })
    }
}

/// Not the name of a window or a scope; the text says what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName(&'static str);

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for Window {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match (name, days_in(name, "last-days")) {
            ("everything", _) => Ok(Self::Everything),
            ("from-now-on", _) => Ok(Self::FromNowOn),
            (_, Some(days)) if (1..=WINDOW_DAYS_MAX).contains(&days) => Ok(Self::LastDays(days)),
            (_, _) => Err(UnknownName("a window is one of everything, from-now-on, last-days(30) (1 to 3650 days)")),
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let all = [Self::InboxAndFiled, Self::Inbox, Self::AllButSpecial];
        let found = all.into_iter().find(|scope| scope.to_string() == name);
        found.ok_or(UnknownName("a scope is one of inbox-and-filed, inbox, all-but-special"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_records_are_read_as_they_are_written() {
        let windows = [Window::Everything, Window::FromNowOn, Window::LastDays(1), Window::LastDays(WINDOW_DAYS_MAX)];
        for window in windows {
            assert_eq!(window.to_string().parse(), Ok(window));
            for scope in [Scope::InboxAndFiled, Scope::Inbox, Scope::AllButSpecial] {
                assert_eq!(scope.to_string().parse(), Ok(scope));
                let settings = PopSettings { removal: RemovalPolicy::Trash, window, scope };
                let mut w = Writer::default();
                settings.write(&mut w);
                assert_eq!(PopSettings::read(&mut Reader(&w.0)), Ok(settings));
            }
        }
        for wrong in ["", "all", "last-days(0)", "last-days(3651)", "last-days(x)"] {
            assert!(wrong.parse::<Window>().is_err() && wrong.parse::<Scope>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_window_opens_when_it_was_chosen_or_some_days_ago() {
        let (since, now) = (Timestamp(5_000), Timestamp(86_400_000 * 10));
        for (window, opens) in [
            (Window::Everything, None),
            (Window::FromNowOn, Some(since)),
            (Window::LastDays(1), Some(Timestamp(86_400_000 * 9))),
        ] {
            assert_eq!(window.opens_at(since, now), opens, "{window}");
        }
    }
}
