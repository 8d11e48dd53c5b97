//! Which commands are announced before they begin: the driver gives the step a place where it is in nobody's way.

use crate::fetch;
use crate::located::OTHERS;
use crate::selected::Selected;
use crate::user::User;
use imap_proto::command::{Fetch, StatusItem};
use imap_proto::{Command, MailboxName, MessageSet, Numbering};

/// A step changes at most so many messages without having announced it.
pub(super) const UNANNOUNCED_MESSAGES_MAX: usize = 100;
/// A step stores at most so many octets without having announced it.
pub(super) const UNANNOUNCED_BYTES_MAX: usize = 256 * 1024;
/// A step tells of at most so many mailboxes without having announced it.
const UNANNOUNCED_MAILBOXES_MAX: usize = 200;
/// A step reads the index of at most so many messages without having announced it.
const UNANNOUNCED_INDEX_MAX: u32 = 10_000;

/// How many messages a FETCH is about, at most: of the UIDs some may be gone.
fn named(selected: &Selected, request: &Fetch) -> u32 {
    let max = match request.numbering {
        Numbering::Sequence => selected.exists(),
        Numbering::Uid => selected.uid_next().0.saturating_sub(1),
    };
    let count = match &request.set {
        MessageSet::Numbers(set) => set.resolve(max).iter().map(|range| range.end() - range.start() + 1).sum(),
        MessageSet::Saved => u32::try_from(selected.saved.len()).unwrap_or(u32::MAX),
    };
    count.min(selected.exists())
}

/// Whether a command takes longer than a step may that nobody announced.
pub(super) fn takes_long(user: &User, command: &Command) -> bool {
    let of = |name: &MailboxName| user.account.mailboxes().ok()?.by_name(name.as_str()).map(|mailbox| mailbox.counts);
    // How much is in those of others is not looked for.
    let is_of_others = |name: &MailboxName| name.as_str().starts_with(OTHERS);
    let many = |messages: Option<u32>| messages.is_some_and(|count| count as usize > UNANNOUNCED_MESSAGES_MAX);
    let deleted = || {
        let selected = user.selected.as_ref()?;
        selected.account.mailboxes().ok()?.by_id(selected.mailbox).map(|mailbox| mailbox.counts.deleted)
    };
    match command {
        Command::Append(append) => append.message.len() > UNANNOUNCED_BYTES_MAX,
        Command::Replace(replace) => replace.append.message.len() > UNANNOUNCED_BYTES_MAX,
        Command::Expunge | Command::Close => many(deleted()),
        Command::Delete(name) => is_of_others(name) || many(of(name).map(|counts| counts.messages)),
        Command::Rename(rename) => rename.from.is_inbox() && many(of(&rename.from).map(|counts| counts.messages)),
        Command::Select(select) | Command::Examine(select) => {
            is_of_others(&select.mailbox)
                || of(&select.mailbox).is_some_and(|counts| counts.messages > UNANNOUNCED_INDEX_MAX)
        }
        Command::Fetch(request) => user.selected.as_ref().is_some_and(|selected| {
            // They are put in the order of their changes.
            let sorts = request.changed_since.is_some() && selected.exists() > UNANNOUNCED_INDEX_MAX;
            sorts || (fetch::reads(request) && many(Some(named(selected, request))))
        }),
        Command::Status(status) if status.items.contains(&StatusItem::DeletedStorage) => {
            // All of the index is looked through.
            of(&status.mailbox).is_some_and(|counts| counts.deleted > 0 && counts.messages > UNANNOUNCED_INDEX_MAX)
        }
        Command::List(_) | Command::Lsub(_) | Command::Xlist(_) | Command::Notify(_) => {
            let names =
                |mailboxes: store::Mailboxes| mailboxes.iter().count() + mailboxes.subscribed_without_mailbox().count();
            user.account.mailboxes().is_ok_and(|mailboxes| names(mailboxes) > UNANNOUNCED_MAILBOXES_MAX)
        }
        _ => false,
    }
}
