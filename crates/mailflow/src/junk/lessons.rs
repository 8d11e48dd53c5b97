//! What an entry of the journal says about junk: what its owner did, in whatever program.

use store::{
    Change, EmailId, FlagBits, JournalEntry, MailboxId, Mailboxes, OfMessages, Protocol, Reflagged, Role, SystemFlag,
};

/// Of one entry so many messages teach; who moves thousands at once has said it with the first of them.
pub(super) const LESSONS_PER_ENTRY_MAX: usize = 100;

/// What somebody said about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is junk.
    Junk,
    /// It is mail.
    Wanted,
    /// It was copied into INBOX: it is mail, if it was thought to be junk.
    Rescued,
    /// It was sent: its recipients are known.
    Sent,
}

/// Keywords by which programs say it: RFC 8621 §10.4, and Thunderbird's own.
const JUNK_KEYWORDS: [&str; 2] = ["$Junk", "Junk"];
const WANTED_KEYWORDS: [&str; 3] = ["$NotJunk", "NotJunk", "NonJunk"];

/// What an entry says, in its order.
pub(super) fn lessons(entry: &JournalEntry, mailboxes: &Mailboxes) -> Vec<(EmailId, Said)> {
    let role = |mailbox| mailboxes.by_id(mailbox).map(|mailbox| mailbox.role);
    let Change::Messages(change) = &entry.change else { return Vec::new() };
    match change {
        OfMessages::Moved { from, to, messages } => {
            let said = match (role(*from), role(*to)) {
                (from, Some(Some(Role::Junk))) if from != Some(Some(Role::Junk)) => Said::Junk,
                (Some(Some(Role::Junk)), Some(to)) if may_hold_mail(to) || to == Some(Role::Inbox) => Said::Wanted,
                // Filed away.
                (Some(Some(Role::Inbox)), Some(to)) if may_hold_mail(to) => Said::Wanted,
                (_, _) => return Vec::new(),
            };
            messages.iter().take(LESSONS_PER_ENTRY_MAX).map(|moved| (moved.before.email, said)).collect()
        }
        OfMessages::Added { mailbox, messages } if is_by_person(entry.protocol) => {
            let said = match role(*mailbox) {
                Some(Some(Role::Junk)) => Said::Junk,
                Some(Some(Role::Sent)) => Said::Sent,
                Some(Some(Role::Inbox)) => Said::Rescued,
                Some(to) if may_hold_mail(to) => Said::Wanted,
                Some(_) | None => return Vec::new(),
            };
            messages.iter().take(LESSONS_PER_ENTRY_MAX).map(|listed| (listed.email, said)).collect()
        }
        OfMessages::Reflagged { mailbox, messages } => messages
            .iter()
            .take(LESSONS_PER_ENTRY_MAX)
            .filter_map(|changed| {
                let set = changed.after.minus(changed.before);
                Some((changed.email, flagged(set, *mailbox, mailboxes)?))
            })
            .collect(),
        OfMessages::Added { .. } | OfMessages::Expunged { .. } | OfMessages::Restored { .. } => Vec::new(),
    }
}

/// The messages that somebody has moved into Junk. Flags say less: programs with a filter of their own set them, too.
pub(super) fn moved_into_junk(entry: &JournalEntry, mailboxes: &Mailboxes) -> Vec<EmailId> {
    let is_junk = |mailbox| mailboxes.by_id(mailbox).is_some_and(|mailbox| mailbox.role == Some(Role::Junk));
    match &entry.change {
        Change::Messages(OfMessages::Moved { from, to, messages })
            if is_by_person(entry.protocol) && is_junk(*to) && !is_junk(*from) =>
        {
            messages.iter().take(LESSONS_PER_ENTRY_MAX).map(|moved| moved.before.email).collect()
        }
        _ => Vec::new(),
    }
}

/// The messages that an entry says were read where mail is kept, and where that is.
pub(super) fn read_in(entry: &JournalEntry, mailboxes: &Mailboxes) -> Option<(MailboxId, Vec<EmailId>)> {
    let Change::Messages(OfMessages::Reflagged { mailbox, messages }) = &entry.change else { return None };
    let role = mailboxes.by_id(*mailbox)?.role;
    if !is_by_person(entry.protocol) || !(role == Some(Role::Inbox) || may_hold_mail(role)) {
        return None;
    }
    let is_read = |changed: &&Reflagged| changed.after.minus(changed.before).has(SystemFlag::Seen);
    let read = messages.iter().filter(is_read).take(LESSONS_PER_ENTRY_MAX).map(|changed| changed.email);
    Some((*mailbox, read.collect()))
}

/// What flags say that a message got.
fn flagged(set: FlagBits, mailbox: MailboxId, mailboxes: &Mailboxes) -> Option<Said> {
    let mailbox = mailboxes.by_id(mailbox)?;
    let any = |known: &[&str]| {
        mailbox.keywords.set_in(set).any(|keyword| known.iter().any(|known| keyword.eq_ignore_ascii_case(known)))
    };
    if any(&WANTED_KEYWORDS) {
        return Some(Said::Wanted);
    }
    if any(&JUNK_KEYWORDS) {
        return Some(Said::Junk);
    }
    (set.has(SystemFlag::Answered) || set.has(SystemFlag::Flagged)).then_some(Said::Wanted)
}

/// Mailboxes for mail that is kept: those that people made, and the archive.
fn may_hold_mail(role: Option<Role>) -> bool {
    match role {
        None | Some(Role::Archive) => true,
        Some(Role::Inbox | Role::Drafts | Role::Sent | Role::Junk | Role::Trash | Role::Held) => false,
    }
}

/// What the server delivers says nothing.
fn is_by_person(protocol: Protocol) -> bool {
    match protocol {
        Protocol::Submission | Protocol::Imap | Protocol::Pop3 | Protocol::Cli | Protocol::Web => true,
        Protocol::Server | Protocol::Smtp | Protocol::Lmtp => false,
    }
}
