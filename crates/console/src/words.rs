//! Every word that the console says, in one place, so that it can be said in another language.

mod complaint;
mod device;
mod held;
mod looked;
mod membership;
pub mod moment;
mod passed;
mod sender;
mod size;
mod written;

use crate::moment::shown;
use crate::names::Names;
use store::{
    Change, DeviceId, Flags, JournalEntry, MessageChange, MessageEvent, OfAccount, OfDevice, OfMailbox, OfMessages,
    OfPop, Protocol, SystemFlag, Timestamp,
};
use wording::{Language, tr, trc, trn};

pub(crate) use complaint::{complained, complained_of};
pub use device::policy;
pub(crate) use device::{
    advice_imap, lately, light_alone, light_changes, light_expunges, light_imap, light_keeps, login_of_one,
    login_told_apart, perhaps_two, policy_choice, scope_choice, window_choice,
};
pub use held::undo;
pub(crate) use held::{account_verdict, answer, burst, held, held_outcome, removed, removed_in_a_burst};
pub(crate) use looked::looked;
pub(crate) use membership::membership;
pub(crate) use passed::{passed, passed_on, passed_to};
pub(crate) use sender::examined;
pub use size::{bytes, domain_limits};
pub(crate) use size::{clearable, cleared, history, retained, usage};
pub(crate) use written::{written, written_of};

pub(crate) const THE_SERVER: &str = "Pillarbox";

pub(crate) fn a_device_that_is_gone() -> &'static str {
    tr!("a device that is gone")
}

pub(crate) fn a_mailbox_that_is_gone() -> &'static str {
    tr!("a mailbox that is gone")
}

pub(crate) fn a_message_that_is_gone() -> &'static str {
    tr!("(a message that is not kept any more)")
}

pub(crate) fn no_subject() -> &'static str {
    tr!("(no subject)")
}

/// The subject of a message, on one line, or that it has none.
pub(crate) fn subject(subject: &str) -> String {
    if subject.trim().is_empty() { no_subject().to_owned() } else { crate::names::shown(subject) }
}

/// A protocol's name.
#[must_use]
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Server => tr!("the server"),
        Protocol::Smtp => "SMTP",
        Protocol::Lmtp => "LMTP",
        Protocol::Submission => tr!("sending"),
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP",
        Protocol::Cli => tr!("the command line"),
        Protocol::Web => tr!("the web"),
    }
}

/// Names of things, one after the other: `INBOX and Archive`.
fn all_of(names: &[String]) -> String {
    let both = |first: String, second: &str| match first.as_str() {
        "" => second.to_owned(),
        first => tr!("{first} and {second}", first = first, second = second),
    };
    names.iter().fold(String::new(), |all, name| both(all, name))
}

/// Sentences, one after the other.
pub(crate) fn sentences(all: &[&str]) -> String {
    let blank = if wording::language() == Language::Japanese { "" } else { " " };
    all.iter().filter(|sentence| !sentence.is_empty()).copied().collect::<Vec<_>>().join(blank)
}

/// What an entry of the journal says, without who and when.
pub(crate) fn entry(entry: &JournalEntry, names: &Names<'_>) -> String {
    match &entry.change {
        Change::Messages(change) => messages_changed(change, entry, names),
        Change::Mailbox(change) => mailbox_changed(change, names),
        Change::Pop(OfPop::Taken { emails }) => {
            trn!(emails.len(), "downloaded {n} message", "downloaded {n} messages")
        }
        Change::Pop(OfPop::Deleted { emails }) => {
            trn!(emails.len(), "deleted {n} message from its own list", "deleted {n} messages from its own list")
        }
        Change::Pop(OfPop::UidlsKept { emails }) => trn!(
            emails.len(),
            "kept the UIDLs of another server for {n} message",
            "kept the UIDLs of another server for {n} messages"
        ),
        Change::Pop(OfPop::Relisted { device, emails }) => trn!(
            emails.len(),
            "lists {n} message again for {device}",
            "lists {n} messages again for {device}",
            device = names.device(*device)
        ),
        Change::Device(change) => device_changed(change, names),
        Change::Account(OfAccount::Created) => tr!("the account was made").to_owned(),
        Change::Account(OfAccount::SettingsChanged) => tr!("the settings of the account were changed").to_owned(),
        Change::Account(OfAccount::Undone { device: Some(device), .. }) => {
            tr!("undid what {device} had done", device = names.device(*device))
        }
        Change::Account(OfAccount::Undone { device: None, .. }) => tr!("undid an undo").to_owned(),
        Change::Account(OfAccount::Cleared { .. }) => tr!("cleared what every POP device has").to_owned(),
        Change::Account(OfAccount::Repaired) => {
            tr!("made the account anew of what a damaged disk had left of it; what came before may be incomplete")
                .to_owned()
        }
    }
}

fn messages_changed(change: &OfMessages, entry: &JournalEntry, names: &Names<'_>) -> String {
    match change {
        OfMessages::Added { mailbox, messages } => {
            let (count, mailbox) = (messages.len(), names.mailbox(*mailbox));
            match entry.protocol {
                Protocol::Submission if entry.device != DeviceId(0) => trn!(
                    count,
                    "sent {n} message, now in {mailbox}",
                    "sent {n} messages, now in {mailbox}",
                    mailbox = mailbox
                ),
                Protocol::Smtp | Protocol::Lmtp | Protocol::Submission | Protocol::Server => came(count, &mailbox),
                Protocol::Imap | Protocol::Pop3 | Protocol::Cli | Protocol::Web => {
                    trn!(count, "put {n} message into {mailbox}", "put {n} messages into {mailbox}", mailbox = mailbox)
                }
            }
        }
        OfMessages::Reflagged { mailbox, messages } => trn!(
            messages.len(),
            "changed the flags of {n} message in {mailbox}",
            "changed the flags of {n} messages in {mailbox}",
            mailbox = names.mailbox(*mailbox)
        ),
        OfMessages::Expunged { mailbox, messages } => trn!(
            messages.len(),
            "removed {n} message from {mailbox}",
            "removed {n} messages from {mailbox}",
            mailbox = names.mailbox(*mailbox)
        ),
        OfMessages::Moved { from, to, messages } => trn!(
            messages.len(),
            "moved {n} message from {from} to {to}",
            "moved {n} messages from {from} to {to}",
            from = names.mailbox(*from),
            to = names.mailbox(*to)
        ),
        OfMessages::Restored { mailbox, messages } => trn!(
            messages.len(),
            "put {n} message back into {mailbox}",
            "put {n} messages back into {mailbox}",
            mailbox = names.mailbox(*mailbox)
        ),
    }
}

/// That so many messages came in.
pub(crate) fn came(count: usize, mailbox: &str) -> String {
    trn!(count, "{n} message came into {mailbox}", "{n} messages came into {mailbox}", mailbox = mailbox)
}

fn mailbox_changed(change: &OfMailbox, names: &Names<'_>) -> String {
    match change {
        OfMailbox::Created { name, .. } => tr!("made the mailbox {name}", name = name),
        OfMailbox::Renamed { before, after, .. } => {
            tr!("renamed the mailbox {before} to {after}", before = before, after = after)
        }
        OfMailbox::Deleted { name, .. } => tr!("deleted the mailbox {name}", name = name),
        OfMailbox::Subscribed { mailbox, subscribed: true } => {
            tr!("subscribed {mailbox}", mailbox = names.mailbox(*mailbox))
        }
        OfMailbox::Subscribed { mailbox, subscribed: false } => {
            tr!("unsubscribed {mailbox}", mailbox = names.mailbox(*mailbox))
        }
        OfMailbox::Annotated { mailbox, entries } => {
            let entries = entries.join(", ");
            match mailbox {
                Some(mailbox) => {
                    tr!("noted {entries} beside {mailbox}", entries = entries, mailbox = names.mailbox(*mailbox))
                }
                None => tr!("noted {entries} beside the account", entries = entries),
            }
        }
        OfMailbox::Shared { mailbox, with, rights } if rights.is_empty() => {
            tr!("shares {mailbox} with {with} no more", mailbox = names.mailbox(*mailbox), with = with)
        }
        OfMailbox::Shared { mailbox, with, rights } => tr!(
            "shares {mailbox} with {with}, who may {rights}",
            mailbox = names.mailbox(*mailbox),
            with = with,
            rights = rights.letters()
        ),
        OfMailbox::NameSubscribed { name, subscribed: true } => {
            tr!("subscribed {name}, which is no mailbox", name = name)
        }
        OfMailbox::NameSubscribed { name, subscribed: false } => {
            tr!("unsubscribed {name}, which is no mailbox", name = name)
        }
    }
}

fn device_changed(change: &OfDevice, names: &Names<'_>) -> String {
    match change {
        OfDevice::Added { device, name } => tr!("the device {name} was added", name = names.added(*device, name)),
        OfDevice::Changed { device } => {
            tr!("the settings of {device} were changed", device = names.device(*device))
        }
        OfDevice::Revoked { device } => tr!("{device} may not log in any more", device = names.device(*device)),
        OfDevice::Held { emails, .. } => wanted_to_remove(emails.len()),
        OfDevice::HoldAnswered { device, kept: true, .. } => {
            tr!("kept what {device} wanted to remove", device = names.device(*device))
        }
        OfDevice::HoldAnswered { device, kept: false, .. } => {
            tr!("let {device} remove what was held", device = names.device(*device))
        }
    }
}

fn wanted_to_remove(count: usize) -> String {
    trn!(count, "wanted to remove {n} message; they are held", "wanted to remove {n} messages; they are held")
}

/// What happened to a message, without who and when.
pub(crate) fn event(event: &MessageEvent, names: &Names<'_>) -> String {
    match &event.what {
        MessageChange::Arrived(mailbox) => {
            let mailbox = names.mailbox(*mailbox);
            match event.protocol {
                Protocol::Submission if event.device != DeviceId(0) => {
                    tr!("sent, now in {mailbox}", mailbox = mailbox)
                }
                Protocol::Smtp | Protocol::Lmtp | Protocol::Submission | Protocol::Server => {
                    tr!("received in {mailbox}", mailbox = mailbox)
                }
                Protocol::Imap | Protocol::Pop3 | Protocol::Cli | Protocol::Web => {
                    tr!("stored in {mailbox}", mailbox = mailbox)
                }
            }
        }
        MessageChange::Copied(mailbox) => tr!("copied to {mailbox}", mailbox = names.mailbox(*mailbox)),
        MessageChange::Flags { set, cleared, .. } => flags(set, cleared),
        MessageChange::Moved { from, to } => {
            tr!("moved from {from} to {to}", from = names.mailbox(*from), to = names.mailbox(*to))
        }
        MessageChange::Expunged(mailbox) => tr!("removed from {mailbox}", mailbox = names.mailbox(*mailbox)),
        MessageChange::Restored(mailbox) => tr!("put back into {mailbox}", mailbox = names.mailbox(*mailbox)),
        MessageChange::PopTaken => tr!("downloaded").to_owned(),
        MessageChange::Held => tr!("its removal is held").to_owned(),
        MessageChange::PopDeleted => tr!("deleted from its own list").to_owned(),
        MessageChange::UidlKept => tr!("keeps the UIDL of another server").to_owned(),
        MessageChange::PopRelisted(device) => tr!("listed again for {device}", device = names.device(*device)),
    }
}

/// What it is to bring back what was removed.
pub(crate) fn comes_back_from_removed() -> &'static str {
    tr!("It comes back into the mailbox where it was, with its flags.")
}

/// What it is to bring back what lies in Junk or Trash.
pub(crate) fn comes_back_from_aside() -> &'static str {
    tr!("It moves to INBOX.")
}

/// Where a message is; `removed`: when, and by which device.
pub(crate) fn whereabouts(mailboxes: &[String], removed: Option<&(Timestamp, String)>) -> String {
    match removed {
        Some((at, device)) => {
            let (day, time) = day_and_time(*at);
            tr!("removed by {device} on {day} at {time} UTC; it can come back", device = device, day = day, time = time)
        }
        None => tr!("in {mailboxes}", mailboxes = all_of(mailboxes)),
    }
}

/// What a POP device did last with a message.
pub(crate) fn on_pop_device(device: &str, event: &MessageEvent) -> String {
    match event.what {
        MessageChange::PopDeleted => tr!("{device} has deleted it from its own list", device = device),
        MessageChange::PopRelisted(_) => tr!("{device} lists it again", device = device),
        _ => tr!("{device} has downloaded it", device = device),
    }
}

/// What it did to bring back what lay in Junk or Trash.
pub(crate) fn moved_to_inbox(count: usize) -> String {
    trn!(count, "{n} message moved to INBOX", "{n} messages moved to INBOX")
}

/// `marked read, flagged, no longer answered`.
fn flags(set: &Flags, cleared: &Flags) -> String {
    let (now, no_longer) = (flag_names(set).join(", "), flag_names(cleared).join(", "));
    match (now.is_empty(), no_longer.is_empty()) {
        (false, true) => tr!("marked {now}", now = now),
        (true, false) => tr!("marked no longer {no_longer}", no_longer = no_longer),
        (false, false) => tr!("marked {now}, no longer {no_longer}", now = now, no_longer = no_longer),
        (true, true) => tr!("marked").to_owned(),
    }
}

fn flag_names(flags: &Flags) -> Vec<String> {
    let word = |flag: &SystemFlag| match flag {
        SystemFlag::Seen => trc!("a flag of a message", "read"),
        SystemFlag::Answered => trc!("a flag of a message", "answered"),
        SystemFlag::Flagged => trc!("a flag of a message", "flagged"),
        SystemFlag::Deleted => trc!("a flag of a message", "to be deleted"),
        SystemFlag::Draft => trc!("a flag of a message", "a draft"),
    };
    let system = SystemFlag::ALL.iter().filter(|flag| flags.system.has(**flag)).map(|flag| word(flag).to_owned());
    let keyword = |name: &String| match name.as_str() {
        "$Forwarded" => trc!("a flag of a message", "forwarded").to_owned(),
        other => other.to_owned(),
    };
    system.chain(flags.keywords.iter().map(keyword)).collect()
}

/// `2026-11-28` and `04:09`, in UTC.
fn day_and_time(at: Timestamp) -> (String, String) {
    let shown = shown(at);
    let (day, time) = shown.split_once('T').unwrap_or((&shown, ""));
    (day.to_owned(), time.get(..5).unwrap_or(time).to_owned())
}
