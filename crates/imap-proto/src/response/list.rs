//! LIST (RFC 9051 §7.3.1, RFC 5258) and LSUB (RFC 3501 §7.2.3) responses.

use super::{Encoder, string};
use crate::mailbox::{MailboxName, SpecialUse};

/// What a LIST response says of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxAttribute {
    /// `\HasChildren`
    HasChildren,
    /// `\HasNoChildren`
    HasNoChildren,
    /// `\Marked`
    Marked,
    /// `\NoInferiors`
    NoInferiors,
    /// `\NonExistent`; implies `\Noselect`, which is written for IMAP4rev1 by naming it too.
    NonExistent,
    /// `\Noselect`
    NoSelect,
    /// `\Remote`
    Remote,
    /// `\Subscribed`
    Subscribed,
    /// `\Unmarked`
    Unmarked,
    /// What it is for.
    SpecialUse(SpecialUse),
}

impl AsRef<str> for MailboxAttribute {
    fn as_ref(&self) -> &str {
        match self {
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::Marked => "\\Marked",
            Self::NoInferiors => "\\NoInferiors",
            Self::NonExistent => "\\NonExistent",
            Self::NoSelect => "\\Noselect",
            Self::Remote => "\\Remote",
            Self::Subscribed => "\\Subscribed",
            Self::Unmarked => "\\Unmarked",
            Self::SpecialUse(special) => special.as_str(),
        }
    }
}

/// One line of a LIST.
#[derive(Clone, Copy, Debug)]
pub struct ListEntry<'a> {
    /// In the order in which they are written.
    pub attributes: &'a [MailboxAttribute],
    /// Which mailbox.
    pub name: &'a MailboxName,
    /// `OLDNAME`: its name before a RENAME, or the name that CREATE was given and normalised (RFC 9051 §6.3.9.7).
    pub old_name: Option<&'a MailboxName>,
    /// `CHILDINFO`: the selection options, in capitals, that matched a child when RECURSIVEMATCH was asked for.
    pub child_info: &'a [&'a str],
}

impl Encoder<'_> {
    /// `* LIST (…) "/" name`
    pub fn list(&mut self, entry: &ListEntry<'_>) {
        self.raw("* LIST ");
        string::parenthesised(self.out, entry.attributes);
        self.raw(" \"/\" ");
        self.mailbox(entry.name);
        if !entry.child_info.is_empty() || entry.old_name.is_some() {
            self.list_extensions(entry);
        }
        self.raw("\r\n");
    }

    /// RFC 9051 §9: mbox-list-extended.
    fn list_extensions(&mut self, entry: &ListEntry<'_>) {
        self.raw(" (");
        for (at, option) in entry.child_info.iter().enumerate() {
            self.raw(if at == 0 { "CHILDINFO (" } else { " " });
            self.string(option.as_bytes());
        }
        self.raw(if entry.child_info.is_empty() { "" } else { ")" });
        if let Some(old_name) = entry.old_name {
            self.raw(if entry.child_info.is_empty() { "OLDNAME (" } else { " OLDNAME (" });
            self.mailbox(old_name);
            self.raw(")");
        }
        self.raw(")");
    }

    /// The answer to an empty pattern: the separator (RFC 9051 §6.3.9).
    pub fn list_separator(&mut self) {
        self.raw("* LIST (\\Noselect) \"/\" \"\"\r\n");
    }

    /// The answer of LSUB to an empty pattern.
    pub fn lsub_separator(&mut self) {
        self.raw("* LSUB (\\Noselect) \"/\" \"\"\r\n");
    }

    /// `* XLIST (…) "/" name`
    pub fn xlist(&mut self, attributes: &[&str], name: &MailboxName) {
        self.raw("* XLIST ");
        string::parenthesised(self.out, attributes);
        self.raw(" \"/\" ");
        self.mailbox(name);
        self.raw("\r\n");
    }

    /// The answer of XLIST to an empty pattern.
    pub fn xlist_separator(&mut self) {
        self.raw("* XLIST (\\Noselect) \"/\" \"\"\r\n");
    }

    /// `* LSUB (…) "/" name` (RFC 3501 §7.2.3)
    pub fn lsub(&mut self, attributes: &[MailboxAttribute], name: &MailboxName) {
        self.raw("* LSUB ");
        string::parenthesised(self.out, attributes);
        self.raw(" \"/\" ");
        self.mailbox(name);
        self.raw("\r\n");
    }
}
