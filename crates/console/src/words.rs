//! Every word that the console says, in one place, so that it can be said in another language.

mod complaint;
mod membership;
mod passed;
mod sender;
mod size;
mod written;

use crate::devices::{LATELY_DAYS, Light, Traffic};
use crate::moment::shown;
use crate::names::Names;
use store::brake::Burst;
use store::hold::{Hold, HoldReport, ThenDevice};
use store::pop::{Scope, Window};
use store::removal::RemovalPolicy;
use store::{
    Change, DeviceId, Flags, JournalEntry, MessageChange, MessageEvent, OfAccount, OfDevice, OfMailbox, OfMessages,
    OfPop, Protocol, SystemFlag, Timestamp, UndoReport,
};

pub(crate) use complaint::{complained, complained_of};
pub(crate) use membership::membership;
pub(crate) use passed::{passed, passed_on, passed_to};
pub(crate) use sender::examined;
pub use size::{bytes, domain_limits};
pub(crate) use size::{clearable, cleared, history, retained, usage};
pub(crate) use written::{written, written_of};

pub(crate) const THE_SERVER: &str = "Pillarbox";
pub(crate) const A_DEVICE_THAT_IS_GONE: &str = "a device that is gone";
pub(crate) const A_MAILBOX_THAT_IS_GONE: &str = "a mailbox that is gone";
pub(crate) const A_MESSAGE_THAT_IS_GONE: &str = "(a message that is not kept any more)";
pub(crate) const NO_SUBJECT: &str = "(no subject)";

/// A protocol's name.
#[must_use]
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Server => "the server",
        Protocol::Smtp => "SMTP",
        Protocol::Lmtp => "LMTP",
        Protocol::Submission => "sending",
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP",
        Protocol::Cli => "the command line",
        Protocol::Web => "the web",
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn messages(count: usize) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// What an entry of the journal says, without who and when.
pub(crate) fn entry(entry: &JournalEntry, names: &Names<'_>) -> String {
    match &entry.change {
        Change::Messages(change) => messages_changed(change, entry, names),
        Change::Mailbox(change) => mailbox_changed(change, names),
        Change::Pop(OfPop::Taken { emails }) => format!("downloaded {}", messages(emails.len())),
        Change::Pop(OfPop::Deleted { emails }) => format!("deleted {} from its own list", messages(emails.len())),
        Change::Pop(OfPop::UidlsKept { emails }) => {
            format!("kept the UIDLs of another server for {}", messages(emails.len()))
        }
        Change::Pop(OfPop::Relisted { device, emails }) => {
            format!("lists {} again for {}", messages(emails.len()), names.device(*device))
        }
        Change::Device(change) => device_changed(change, names),
        Change::Account(OfAccount::Created) => "the account was made".to_owned(),
        Change::Account(OfAccount::SettingsChanged) => "the settings of the account were changed".to_owned(),
        Change::Account(OfAccount::Undone { device: Some(device), .. }) => {
            format!("undid what {} had done", names.device(*device))
        }
        Change::Account(OfAccount::Undone { device: None, .. }) => "undid an undo".to_owned(),
        Change::Account(OfAccount::Cleared { .. }) => "cleared what every POP device has".to_owned(),
    }
}

fn messages_changed(change: &OfMessages, entry: &JournalEntry, names: &Names<'_>) -> String {
    let count = |list: usize| messages(list);
    match change {
        OfMessages::Added { mailbox, messages } => match entry.protocol {
            Protocol::Submission if entry.device != DeviceId(0) => {
                format!("sent {}, now in {}", count(messages.len()), names.mailbox(*mailbox))
            }
            Protocol::Smtp | Protocol::Lmtp | Protocol::Submission | Protocol::Server => {
                came(messages.len(), &names.mailbox(*mailbox))
            }
            Protocol::Imap | Protocol::Pop3 | Protocol::Cli | Protocol::Web => {
                format!("put {} into {}", count(messages.len()), names.mailbox(*mailbox))
            }
        },
        OfMessages::Reflagged { mailbox, messages } => {
            format!("changed the flags of {} in {}", count(messages.len()), names.mailbox(*mailbox))
        }
        OfMessages::Expunged { mailbox, messages } => {
            format!("removed {} from {}", count(messages.len()), names.mailbox(*mailbox))
        }
        OfMessages::Moved { from, to, messages } => {
            format!("moved {} from {} to {}", count(messages.len()), names.mailbox(*from), names.mailbox(*to))
        }
        OfMessages::Restored { mailbox, messages } => {
            format!("put {} back into {}", count(messages.len()), names.mailbox(*mailbox))
        }
    }
}

/// That so many messages came in.
pub(crate) fn came(count: usize, mailbox: &str) -> String {
    format!("{} came into {mailbox}", messages(count))
}

fn mailbox_changed(change: &OfMailbox, names: &Names<'_>) -> String {
    match change {
        OfMailbox::Created { name, .. } => format!("made the mailbox {name}"),
        OfMailbox::Renamed { before, after, .. } => format!("renamed the mailbox {before} to {after}"),
        OfMailbox::Deleted { name, .. } => format!("deleted the mailbox {name}"),
        OfMailbox::Subscribed { mailbox, subscribed: true } => format!("subscribed {}", names.mailbox(*mailbox)),
        OfMailbox::Subscribed { mailbox, subscribed: false } => format!("unsubscribed {}", names.mailbox(*mailbox)),
        OfMailbox::Annotated { mailbox, entries } => {
            let entries = entries.join(", ");
            match mailbox {
                Some(mailbox) => format!("noted {entries} beside {}", names.mailbox(*mailbox)),
                None => format!("noted {entries} beside the account"),
            }
        }
        OfMailbox::Shared { mailbox, with, rights } if rights.is_empty() => {
            format!("shares {} with {with} no more", names.mailbox(*mailbox))
        }
        OfMailbox::Shared { mailbox, with, rights } => {
            format!("shares {} with {with}, who may {}", names.mailbox(*mailbox), rights.letters())
        }
        OfMailbox::NameSubscribed { name, subscribed: true } => format!("subscribed {name}, which is no mailbox"),
        OfMailbox::NameSubscribed { name, subscribed: false } => format!("unsubscribed {name}, which is no mailbox"),
    }
}

fn device_changed(change: &OfDevice, names: &Names<'_>) -> String {
    match change {
        OfDevice::Added { name, .. } => format!("the device {name} was added"),
        OfDevice::Changed { device } => format!("the settings of {} were changed", names.device(*device)),
        OfDevice::Revoked { device } => format!("{} may not log in any more", names.device(*device)),
        OfDevice::Held { emails, .. } => format!("wanted to remove {}; they are held", messages(emails.len())),
        OfDevice::HoldAnswered { device, kept: true, .. } => {
            format!("kept what {} wanted to remove", names.device(*device))
        }
        OfDevice::HoldAnswered { device, kept: false, .. } => {
            format!("let {} remove what was held", names.device(*device))
        }
    }
}

/// What happened to a message, without who and when.
pub(crate) fn event(event: &MessageEvent, names: &Names<'_>) -> String {
    match &event.what {
        MessageChange::Arrived(mailbox) => match event.protocol {
            Protocol::Submission if event.device != DeviceId(0) => format!("sent, now in {}", names.mailbox(*mailbox)),
            Protocol::Smtp | Protocol::Lmtp | Protocol::Submission | Protocol::Server => {
                format!("received in {}", names.mailbox(*mailbox))
            }
            Protocol::Imap | Protocol::Pop3 | Protocol::Cli | Protocol::Web => {
                format!("stored in {}", names.mailbox(*mailbox))
            }
        },
        MessageChange::Copied(mailbox) => format!("copied to {}", names.mailbox(*mailbox)),
        MessageChange::Flags { set, cleared, .. } => flags(set, cleared),
        MessageChange::Moved { from, to } => format!("moved from {} to {}", names.mailbox(*from), names.mailbox(*to)),
        MessageChange::Expunged(mailbox) => format!("removed from {}", names.mailbox(*mailbox)),
        MessageChange::Restored(mailbox) => format!("put back into {}", names.mailbox(*mailbox)),
        MessageChange::PopTaken => "downloaded".to_owned(),
        MessageChange::Held => "its removal is held".to_owned(),
        MessageChange::PopDeleted => "deleted from its own list".to_owned(),
        MessageChange::UidlKept => "keeps the UIDL of another server".to_owned(),
        MessageChange::PopRelisted(device) => format!("listed again for {}", names.device(*device)),
    }
}

/// What it is to bring back what was removed.
pub(crate) const COMES_BACK_FROM_REMOVED: &str = "It comes back into the mailbox where it was, with its flags.";
/// What it is to bring back what lies in Junk or Trash.
pub(crate) const COMES_BACK_FROM_ASIDE: &str = "It moves to INBOX.";

/// Where a message is; `removed`: when, and by which device.
pub(crate) fn whereabouts(mailboxes: &[String], removed: Option<&(Timestamp, String)>) -> String {
    match (removed, mailboxes) {
        (Some((at, device)), _) => format!("removed by {device} {}; it can come back", on_at(*at)),
        (None, [one]) => format!("in {one}"),
        (None, several) => format!("in {}", several.join(" and ")),
    }
}

/// What a POP device did last with a message.
pub(crate) fn on_pop_device(device: &str, event: &MessageEvent) -> String {
    match event.what {
        MessageChange::PopDeleted => format!("{device} has deleted it from its own list"),
        MessageChange::PopRelisted(_) => format!("{device} lists it again"),
        _ => format!("{device} has downloaded it"),
    }
}

/// What it did to bring back what lay in Junk or Trash.
pub(crate) fn moved_to_inbox(count: usize) -> String {
    format!("{} moved to INBOX", messages(count))
}

/// `read, flagged; no longer answered`.
fn flags(set: &Flags, cleared: &Flags) -> String {
    let (now, no_longer) = (flag_names(set).join(", "), flag_names(cleared).join(", "));
    match (now.is_empty(), no_longer.is_empty()) {
        (false, true) => format!("marked {now}"),
        (true, false) => format!("marked no longer {no_longer}"),
        (false, false) => format!("marked {now}, no longer {no_longer}"),
        (true, true) => "marked".to_owned(),
    }
}

fn flag_names(flags: &Flags) -> Vec<String> {
    let word = |flag: &SystemFlag| match flag {
        SystemFlag::Seen => "read",
        SystemFlag::Answered => "answered",
        SystemFlag::Flagged => "flagged",
        SystemFlag::Deleted => "to be deleted",
        SystemFlag::Draft => "a draft",
    };
    let system = SystemFlag::ALL.iter().filter(|flag| flags.system.has(**flag)).map(|flag| word(flag).to_owned());
    let keyword = |name: &String| match name.as_str() {
        "$Forwarded" => "forwarded".to_owned(),
        other => other.to_owned(),
    };
    system.chain(flags.keywords.iter().map(keyword)).collect()
}

/// What a device's deletions do, for the person who owns the mail.
#[must_use]
pub fn policy(policy: RemovalPolicy, shared: bool) -> String {
    match (policy, shared) {
        (RemovalPolicy::KeepWhenShared, true) => {
            "what it deletes leaves its own list only; your mailbox keeps it for your other devices".to_owned()
        }
        (RemovalPolicy::KeepWhenShared, false) => {
            "it is your only device, so what it deletes is deleted; as soon as you \
                                                   add another one, your mailbox keeps everything"
                .to_owned()
        }
        (RemovalPolicy::Keep, _) => "what it deletes leaves its own list only; your mailbox keeps it".to_owned(),
        (RemovalPolicy::MarkRead, _) => "what it deletes is marked as read in your mailbox".to_owned(),
        (RemovalPolicy::Archive, _) => "what it deletes goes to the archive".to_owned(),
        (RemovalPolicy::Trash, _) => "what it deletes goes to the trash".to_owned(),
        (RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt, _) => {
            "what it deletes is deleted for all devices once each POP device has it".to_owned()
        }
        (RemovalPolicy::ExpungeAfterDays(days), _) => {
            format!("what it deletes is deleted for all devices {days} days later")
        }
        (RemovalPolicy::Expunge, _) => "what it deletes is deleted for all devices at once".to_owned(),
    }
}

/// A policy as a choice: in a few words, and what it means.
pub(crate) fn policy_choice(policy: RemovalPolicy) -> (&'static str, &'static str) {
    match policy {
        RemovalPolicy::KeepWhenShared => (
            "Keep it for my other devices",
            "What this device deletes stays in your mailbox as long as another device uses it. Were it your only device, \
             deleting would delete. Right for nearly everybody.",
        ),
        RemovalPolicy::Keep => (
            "Always keep it",
            "Your mailbox keeps everything, even while this is your only device. You clean up elsewhere.",
        ),
        RemovalPolicy::MarkRead => {
            ("Keep it and mark it as read", "Your other devices see that it was dealt with here.")
        }
        RemovalPolicy::Archive => ("Move it to the archive", "Out of the inbox for all devices, and nothing is lost."),
        RemovalPolicy::Trash => ("Move it to the trash", "For all devices, as if you had deleted it on each of them."),
        RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt => (
            "Delete it once every POP device has it",
            "Each of your POP devices gets its copy first. Devices that use IMAP lose it then.",
        ),
        RemovalPolicy::ExpungeAfterDays(_) => {
            ("Delete it some days later", "Your other devices have so long to see it. Then it is gone for all.")
        }
        RemovalPolicy::Expunge => (
            "Delete it for all devices at once",
            "This device clears the mailbox for everybody. You can still bring mail back here for a while.",
        ),
    }
}

/// A window as a choice.
pub(crate) fn window_choice(window: Window) -> (&'static str, &'static str) {
    match window {
        Window::Everything => ("Everything", "All mail that is in your mailbox, also what came before this device."),
        Window::FromNowOn => ("From now on", "Only what comes after you have chosen this."),
        Window::LastDays(_) => ("The last days", "Only what came lately; good for a device with little room."),
    }
}

/// A scope as a choice.
pub(crate) fn scope_choice(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::InboxAndFiled => (
            "The inbox, and what was filed away before it came here",
            "Another device, or a rule, may file a message before this one fetches it; it gets it all the same.",
        ),
        Scope::Inbox => ("Only the inbox", "What is filed away before this device comes is not for it."),
        Scope::AllButSpecial => ("All mailboxes", "Everything but what lies in Junk, Trash, Sent and Drafts."),
    }
}

/// What a device did lately, a sentence each.
pub(crate) fn lately(traffic: &Traffic) -> Vec<String> {
    let mut lines = Vec::new();
    if traffic.downloaded > 0 {
        lines.push(format!("downloaded {}", messages(traffic.downloaded)));
    }
    let here_only = traffic.deleted_from_its_list.saturating_sub(traffic.removed + traffic.moved + traffic.held);
    if here_only > 0 {
        lines.push(format!("deleted {} here only; still in your mailbox", messages(here_only)));
    }
    if traffic.held > 0 {
        lines.push(format!("wanted to delete {}; they are held", messages(traffic.held)));
    }
    if traffic.removed > 0 {
        lines.push(format!("removed {} from your mailbox", messages(traffic.removed)));
    }
    if traffic.moved > 0 {
        lines.push(format!("moved {}", messages(traffic.moved)));
    }
    if traffic.marked > 0 {
        lines.push(format!("changed the flags of {}", messages(traffic.marked)));
    }
    if traffic.added > 0 {
        lines.push(format!("put {} into your mailbox", messages(traffic.added)));
    }
    lines
}

/// What is held, and why.
pub(crate) fn held(hold: &Hold, device: &str) -> String {
    let (count, over) = (messages_long(hold.messages), protocol(hold.protocol));
    let place = match hold.protocol {
        Protocol::Imap => "they lie in the mailbox for what is held, and all your devices see them there",
        _ => "they are where they were, for all your other devices",
    };
    match hold.answer {
        None => format!(
            "{device} wanted to delete {count} over {over}, far more than it ever did. Nothing is deleted: {place}. \
             Keep them, or let them be deleted?"
        ),
        Some(_) => format!("{device} wanted to delete {count} over {over}, far more than it ever did"),
    }
}

fn messages_long(count: u64) -> String {
    messages(usize::try_from(count).unwrap_or(usize::MAX))
}

/// An answer to what is held.
pub(crate) fn answer(kept: bool) -> &'static str {
    if kept { "kept" } else { "deleted" }
}

/// What an answer did.
pub(crate) fn held_outcome(report: HoldReport, device: &str, then: ThenDevice) -> String {
    let what = match (report.kept, report.removed) {
        (0, 0) => "Nothing was left to do.".to_owned(),
        (kept, 0) => format!("{} stay in your mailbox.", messages(kept)),
        (_, removed) => format!("{} are deleted. An undo of {device} brings them back.", messages(removed)),
    };
    match then {
        ThenDevice::Stays => what,
        ThenDevice::Keeps => format!("{what} What {device} deletes over POP stays in your mailbox from now on."),
        ThenDevice::IsRevoked => format!("{what} {device} may not log in any more."),
    }
}

/// What an undo did, or would do.
#[must_use]
pub fn undo(report: &UndoReport) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = |count: usize, text: &str| {
        if count > 0 {
            lines.push(format!("{}: {text}", messages(count)));
        }
    };
    line(report.restored, "put back into the mailboxes that they were removed from");
    line(report.moved, "moved back to where they were");
    line(report.reflagged, "flags as they were");
    line(report.removed, "copies removed that are not needed then");
    line(report.relisted, "listed again for the device");
    line(report.gone, "cannot come back: they are not kept any more");
    lines.extend(report.mailboxes.iter().map(|name| format!("the mailbox {name} is made again")));
    lines
}

pub(crate) const LIGHT_KEEPS: &str = "Nothing that it does takes mail from your other devices.";
pub(crate) const LIGHT_CHANGES: &str = "What it deletes changes the mailbox of your other devices, as you have chosen.";
pub(crate) const LIGHT_EXPUNGES: &str = "What it deletes is deleted for all your devices.";
pub(crate) const LIGHT_ALONE: &str = "It is the only device; what it deletes is deleted.";
pub(crate) const LOGIN_OF_ONE: &str = "It logs in with the main password. A second POP program that does so in the same way \
                                       cannot be told from it, and each would miss what the other one deletes. Give each an \
                                       application password, and each has a list of its own.";
pub(crate) const LOGIN_TOLD_APART: &str = "It logs in with the main password, and is told from other POP programs by the way \
                                           in which it does. An application password of its own is safer.";
pub(crate) const ADVICE_IMAP: &str =
    "This device uses POP. Over IMAP it would show the same mail, read and unread, as your others.";

/// What a device removed in one go.
pub(crate) fn removed(count: usize) -> String {
    format!("removed {}", messages(count))
}

/// The same where it is far more than it ever did.
pub(crate) fn removed_in_a_burst(burst: &Burst) -> String {
    let place = burst.mailbox.as_deref().unwrap_or("your mailboxes");
    format!("removed {} of {} from {place}", burst.removed, messages_long(burst.there))
}

/// A device that removed, or wanted to remove, far more than it ever did.
pub(crate) fn burst(burst: &Burst) -> String {
    let (removed, there) = (burst.removed, messages_long(burst.there));
    let place = burst.mailbox.as_ref().map_or_else(|| "your mailboxes".to_owned(), |name| format!("“{name}”"));
    let (did, now) = match burst.is_held {
        true => ("wanted to remove", "They are held until you answer"),
        false => ("removed", "Undo puts them back"),
    };
    format!("It {did} {removed} of {there} from {place} {}, far more than it ever did. {now}.", on_at(burst.at))
}

/// `on 2026-11-28 at 04:09 UTC`.
fn on_at(at: Timestamp) -> String {
    let shown = shown(at);
    let (day, time) = shown.split_once('T').unwrap_or((&shown, ""));
    format!("on {day} at {} UTC", time.get(..5).unwrap_or(time))
}

/// A device that does not use POP, by what it did lately.
pub(crate) fn light_imap(has_read: bool, traffic: &Traffic) -> String {
    let works =
        if has_read { "It works in the one mailbox that all your devices see" } else { "It has read no mail yet" };
    match traffic.removed {
        0 => format!("{works}, and removed nothing from it in the last {LATELY_DAYS} days."),
        removed => format!(
            "{works}, and removed {} from it in the last {LATELY_DAYS} days, which is usual for it; they can be put back.",
            messages(removed)
        ),
    }
}

/// Two POP programs with one password, or one that was updated. `until`: when it counts as one, unless the other one comes.
pub(crate) fn perhaps_two(until: &str) -> String {
    let day = until.split('T').next().unwrap_or(until);
    format!(
        "Two POP programs seem to log in with the main password, or one was updated. Until you say which, and \
         until {day} at least, your mailbox keeps what they delete. If there are two, give each an application password: then \
         each gets all mail, whatever the other one deletes."
    )
}

/// Whether the mail of an account is safe, for an administrator.
/// `told`: what devices did that was far more than ever.
pub(crate) fn account_verdict(light: Light, told: &[String], (held, offered): (u64, u64), findings: usize) -> String {
    match (light, offered, findings) {
        (_, _, 1..) => "Something is wrong with what is stored; `pillarbox check` tells more.".to_owned(),
        (_, _, 0) if held > 0 && told.is_empty() => {
            format!("The removal of {held} messages is held until the owner answers.")
        }
        (_, _, 0) if !told.is_empty() => told.join(" "),
        (Light::Red, _, 0) => "A device takes mail from the others.".to_owned(),
        (Light::Amber | Light::Green, 1.., 0) => format!("A device took {offered} messages that can be put back."),
        (Light::Amber, 0, 0) => "A device changes what the others see, as its owner chose.".to_owned(),
        (Light::Green, 0, 0) => "Mail is safe.".to_owned(),
    }
}
