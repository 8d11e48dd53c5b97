//! What a device may do and did, in words.

use crate::devices::{LATELY_DAYS, Traffic};
use store::pop::{Scope, Window};
use store::removal::RemovalPolicy;
use wording::{tr, trn};

/// What a device's deletions do, for the person who owns the mail.
#[must_use]
pub fn policy(policy: RemovalPolicy, shared: bool) -> String {
    let text = match (policy, shared) {
        (RemovalPolicy::KeepWhenShared, true) => {
            tr!("what it deletes leaves its own list only; your mailbox keeps it for your other devices")
        }
        (RemovalPolicy::KeepWhenShared, false) => tr!(
            "it is your only device, so what it deletes is deleted; as soon as you add another one, your mailbox keeps everything"
        ),
        (RemovalPolicy::Keep, _) => tr!("what it deletes leaves its own list only; your mailbox keeps it"),
        (RemovalPolicy::MarkRead, _) => tr!("what it deletes is marked as read in your mailbox"),
        (RemovalPolicy::Archive, _) => tr!("what it deletes goes to the archive"),
        (RemovalPolicy::Trash, _) => tr!("what it deletes goes to the trash"),
        (RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt, _) => {
            tr!("what it deletes is deleted for all devices once each POP device has it")
        }
        (RemovalPolicy::ExpungeAfterDays(days), _) => {
            return trn!(
                days,
                "what it deletes is deleted for all devices {n} day later",
                "what it deletes is deleted for all devices {n} days later"
            );
        }
        (RemovalPolicy::Expunge, _) => tr!("what it deletes is deleted for all devices at once"),
    };
    text.to_owned()
}

/// A policy as a choice: in a few words, and what it means.
pub(crate) fn policy_choice(policy: RemovalPolicy) -> (&'static str, &'static str) {
    match policy {
        RemovalPolicy::KeepWhenShared => (
            tr!("Keep it for my other devices"),
            tr!(
                "What this device deletes stays in your mailbox as long as another device uses it. Were it your only device, \
             deleting would delete. Right for nearly everybody."
            ),
        ),
        RemovalPolicy::Keep => (
            tr!("Always keep it"),
            tr!("Your mailbox keeps everything, even while this is your only device. You clean up elsewhere."),
        ),
        RemovalPolicy::MarkRead => {
            (tr!("Keep it and mark it as read"), tr!("Your other devices see that it was dealt with here."))
        }
        RemovalPolicy::Archive => {
            (tr!("Move it to the archive"), tr!("Out of the inbox for all devices, and nothing is lost."))
        }
        RemovalPolicy::Trash => {
            (tr!("Move it to the trash"), tr!("For all devices, as if you had deleted it on each of them."))
        }
        RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt => (
            tr!("Delete it once every POP device has it"),
            tr!("Each of your POP devices gets its copy first. Devices that use IMAP lose it then."),
        ),
        RemovalPolicy::ExpungeAfterDays(_) => (
            tr!("Delete it some days later"),
            tr!("Your other devices have so long to see it. Then it is gone for all."),
        ),
        RemovalPolicy::Expunge => (
            tr!("Delete it for all devices at once"),
            tr!("This device clears the mailbox for everybody. You can still bring mail back here for a while."),
        ),
    }
}

/// A window as a choice.
pub(crate) fn window_choice(window: Window) -> (&'static str, &'static str) {
    match window {
        Window::Everything => {
            (tr!("Everything"), tr!("All mail that is in your mailbox, also what came before this device."))
        }
        Window::FromNowOn => (tr!("From now on"), tr!("Only what comes after you have chosen this.")),
        Window::LastDays(_) => {
            (tr!("The last days"), tr!("Only what came lately; good for a device with little room."))
        }
    }
}

/// A scope as a choice.
pub(crate) fn scope_choice(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Scope::InboxAndFiled => (
            tr!("The inbox, and what was filed away before it came here"),
            tr!("Another device, or a rule, may file a message before this one fetches it; it gets it all the same."),
        ),
        Scope::Inbox => (tr!("Only the inbox"), tr!("What is filed away before this device comes is not for it.")),
        Scope::AllButSpecial => {
            (tr!("All mailboxes"), tr!("Everything but what lies in Junk, Trash, Sent and Drafts."))
        }
    }
}

/// What a device did lately, a sentence each.
pub(crate) fn lately(traffic: &Traffic) -> Vec<String> {
    let mut lines = Vec::new();
    if traffic.downloaded > 0 {
        lines.push(trn!(traffic.downloaded, "downloaded {n} message", "downloaded {n} messages"));
    }
    let here_only = traffic.deleted_from_its_list.saturating_sub(traffic.removed + traffic.moved + traffic.held);
    if here_only > 0 {
        lines.push(trn!(
            here_only,
            "deleted {n} message here only; still in your mailbox",
            "deleted {n} messages here only; still in your mailbox"
        ));
    }
    if traffic.held > 0 {
        lines.push(trn!(
            traffic.held,
            "wanted to delete {n} message; they are held",
            "wanted to delete {n} messages; they are held"
        ));
    }
    if traffic.removed > 0 {
        lines.push(trn!(
            traffic.removed,
            "removed {n} message from your mailbox",
            "removed {n} messages from your mailbox"
        ));
    }
    if traffic.moved > 0 {
        lines.push(trn!(traffic.moved, "moved {n} message", "moved {n} messages"));
    }
    if traffic.marked > 0 {
        lines.push(trn!(traffic.marked, "changed the flags of {n} message", "changed the flags of {n} messages"));
    }
    if traffic.added > 0 {
        lines.push(trn!(traffic.added, "put {n} message into your mailbox", "put {n} messages into your mailbox"));
    }
    lines
}

pub(crate) fn light_keeps() -> &'static str {
    tr!("Nothing that it does takes mail from your other devices.")
}

pub(crate) fn light_changes() -> &'static str {
    tr!("What it deletes changes the mailbox of your other devices, as you have chosen.")
}

pub(crate) fn light_expunges() -> &'static str {
    tr!("What it deletes is deleted for all your devices.")
}

pub(crate) fn light_alone() -> &'static str {
    tr!("It is the only device; what it deletes is deleted.")
}

pub(crate) fn login_of_one() -> &'static str {
    tr!(
        "It logs in with the main password. A second POP program that does so in the same way cannot be told from it, and each \
         would miss what the other one deletes. Give each an application password, and each has a list of its own."
    )
}

pub(crate) fn login_told_apart() -> &'static str {
    tr!(
        "It logs in with the main password, and is told from other POP programs by the way in which it does. An application \
         password of its own is safer."
    )
}

pub(crate) fn advice_imap() -> &'static str {
    tr!("This device uses POP. Over IMAP it would show the same mail, read and unread, as your others.")
}

/// A device that does not use POP, by what it did lately.
pub(crate) fn light_imap(has_read: bool, traffic: &Traffic) -> String {
    let days = LATELY_DAYS;
    match (has_read, traffic.removed) {
        (true, 0) => tr!(
            "It works in the one mailbox that all your devices see, and removed nothing from it in the last {days} days.",
            days = days
        ),
        (false, 0) => {
            tr!("It has read no mail yet, and removed nothing from it in the last {days} days.", days = days)
        }
        (true, removed) => trn!(
            removed,
            "It works in the one mailbox that all your devices see, and removed {n} message from it in the last {days} days, \
             which is usual for it; they can be put back.",
            "It works in the one mailbox that all your devices see, and removed {n} messages from it in the last {days} days, \
             which is usual for it; they can be put back.",
            days = days
        ),
        (false, removed) => trn!(
            removed,
            "It has read no mail yet, and removed {n} message from it in the last {days} days, which is usual for it; they can \
             be put back.",
            "It has read no mail yet, and removed {n} messages from it in the last {days} days, which is usual for it; they can \
             be put back.",
            days = days
        ),
    }
}

/// Two POP programs with one password, or one that was updated. `until`: when it counts as one, unless the other one comes.
pub(crate) fn perhaps_two(until: &str) -> String {
    tr!(
        "Two POP programs seem to log in with the main password, or one was updated. Until you say which, and until {day} at \
         least, your mailbox keeps what they delete. If there are two, give each an application password: then each gets all \
         mail, whatever the other one deletes.",
        day = until.split('T').next().unwrap_or(until)
    )
}
