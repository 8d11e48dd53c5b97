//! What the owner of an account chose for a POP3 device: what its deletions do, and which mail it lists.

use crate::codec::{Corrupt, Reader, Writer};
use crate::removal::RemovalPolicy;

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
    /// What came in the last so many days.
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
