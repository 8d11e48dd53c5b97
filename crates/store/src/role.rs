//! What a mailbox is for.

use crate::codec::{Corrupt, Reader};

/// A mailbox's purpose (RFC 6154 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The mailbox that mail arrives in; it cannot be deleted, and renaming it leaves an empty one (RFC 9051 §6.3.6).
    Inbox,
    /// `\Drafts`
    Drafts,
    /// `\Sent`
    Sent,
    /// `\Junk`
    Junk,
    /// `\Trash`
    Trash,
    /// `\Archive`
    Archive,
    /// The mailbox of what is held ([`crate::hold`]); made by need, and nothing comes there or goes from there otherwise.
    Held,
}

impl Role {
    /// Those of the mailboxes that an account has from the start.
    pub const ALL: [Self; 6] = [Self::Inbox, Self::Drafts, Self::Sent, Self::Junk, Self::Trash, Self::Archive];

    /// The mailbox name that it has from the start.
    #[must_use]
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Drafts => "Drafts",
            Self::Sent => "Sent",
            Self::Junk => "Junk",
            Self::Trash => "Trash",
            Self::Archive => "Archive",
            Self::Held => "Held",
        }
    }

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inbox => 0,
            Self::Drafts => 1,
            Self::Sent => 2,
            Self::Junk => 3,
            Self::Trash => 4,
            Self::Archive => 5,
            Self::Held => 6,
        }
    }

    /// The purpose of a mailbox that a program made under a name of its own: iOS and macOS without SPECIAL-USE, Outlook 2010
    /// and older. In any case of letters, first levels only.
    #[must_use]
    pub fn of_alias(name: &str) -> Option<Self> {
        ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, role)| *role)
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let number = r.byte()?;
        Self::ALL.into_iter().chain([Self::Held]).find(|role| role.number() == number).ok_or(Corrupt)
    }
}

const ALIASES: [(&str, Role); 11] = [
    ("Sent Messages", Role::Sent),
    ("Sent Items", Role::Sent),
    ("Sent Mail", Role::Sent),
    ("Deleted Messages", Role::Trash),
    ("Deleted Items", Role::Trash),
    ("Junk E-mail", Role::Junk),
    ("Junk Email", Role::Junk),
    ("Bulk Mail", Role::Junk),
    ("Spam", Role::Junk),
    ("Draft", Role::Drafts),
    ("Archives", Role::Archive),
];
