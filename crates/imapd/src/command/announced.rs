//! Which commands are announced before they begin: the driver gives the step a place where it is in nobody's way.

use crate::user::User;
use imap_proto::{Command, MailboxName};

/// A step changes at most so many messages without having announced it.
pub(super) const UNANNOUNCED_MESSAGES_MAX: usize = 100;
/// A step stores at most so many octets without having announced it.
const UNANNOUNCED_BYTES_MAX: usize = 256 * 1024;
/// A step tells of at most so many mailboxes without having announced it.
const UNANNOUNCED_MAILBOXES_MAX: usize = 200;
/// A step reads the index of at most so many messages without having announced it.
const UNANNOUNCED_INDEX_MAX: u32 = 10_000;

/// Whether a command takes longer than a step may that nobody announced.
pub(super) fn takes_long(user: &User, command: &Command) -> bool {
    let of = |name: &MailboxName| user.account.mailboxes().ok()?.by_name(name.as_str()).map(|mailbox| mailbox.counts);
    let many = |messages: Option<u32>| messages.is_some_and(|count| count as usize > UNANNOUNCED_MESSAGES_MAX);
    let deleted = || {
        let selected = user.selected.as_ref()?;
        user.account.mailboxes().ok()?.by_id(selected.mailbox).map(|mailbox| mailbox.counts.deleted)
    };
    match command {
        Command::Append(append) => append.message.len() > UNANNOUNCED_BYTES_MAX,
        Command::Expunge | Command::Close => many(deleted()),
        Command::Delete(name) => many(of(name).map(|counts| counts.messages)),
        Command::Rename(rename) => rename.from.is_inbox() && many(of(&rename.from).map(|counts| counts.messages)),
        Command::Select(select) | Command::Examine(select) => {
            of(&select.mailbox).is_some_and(|counts| counts.messages > UNANNOUNCED_INDEX_MAX)
        }
        Command::Fetch(fetch) if fetch.changed_since.is_some() => {
            // They are put in the order of their changes.
            user.selected.as_ref().is_some_and(|selected| selected.exists() > UNANNOUNCED_INDEX_MAX)
        }
        Command::List(_) | Command::Lsub(_) => {
            let names =
                |mailboxes: store::Mailboxes| mailboxes.iter().count() + mailboxes.subscribed_without_mailbox().count();
            user.account.mailboxes().is_ok_and(|mailboxes| names(mailboxes) > UNANNOUNCED_MAILBOXES_MAX)
        }
        _ => false,
    }
}
