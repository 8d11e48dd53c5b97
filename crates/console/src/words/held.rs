//! Removals that are far more than usual, what is held of them, and what became of it.

use super::{day_and_time, protocol, sentences};
use crate::devices::Light;
use store::brake::Burst;
use store::hold::{Hold, HoldReport, ThenDevice};
use store::{Protocol, UndoReport};
use wording::{tr, trc, trn};

/// What is held, and why.
pub(crate) fn held(hold: &Hold, device: &str) -> String {
    let (count, over) = (hold.messages, protocol(hold.protocol));
    match (hold.answer, hold.protocol) {
        (None, Protocol::Imap) => trn!(
            count,
            "{device} wanted to delete {n} message over {over}, far more than it ever did. Nothing is deleted: they lie in the \
             mailbox for what is held, and all your devices see them there. Keep them, or let them be deleted?",
            "{device} wanted to delete {n} messages over {over}, far more than it ever did. Nothing is deleted: they lie in the \
             mailbox for what is held, and all your devices see them there. Keep them, or let them be deleted?",
            device = device,
            over = over
        ),
        (None, _) => trn!(
            count,
            "{device} wanted to delete {n} message over {over}, far more than it ever did. Nothing is deleted: they are where \
             they were, for all your other devices. Keep them, or let them be deleted?",
            "{device} wanted to delete {n} messages over {over}, far more than it ever did. Nothing is deleted: they are where \
             they were, for all your other devices. Keep them, or let them be deleted?",
            device = device,
            over = over
        ),
        (Some(_), _) => trn!(
            count,
            "{device} wanted to delete {n} message over {over}, far more than it ever did",
            "{device} wanted to delete {n} messages over {over}, far more than it ever did",
            device = device,
            over = over
        ),
    }
}

/// An answer to what is held.
pub(crate) fn answer(kept: bool) -> &'static str {
    if kept { trc!("an answer to what is held", "kept") } else { trc!("an answer to what is held", "deleted") }
}

/// What an answer did.
pub(crate) fn held_outcome(report: HoldReport, device: &str, then: ThenDevice) -> String {
    let what = match (report.kept, report.removed) {
        (0, 0) => tr!("Nothing was left to do.").to_owned(),
        (kept, 0) => trn!(kept, "{n} message stay in your mailbox.", "{n} messages stay in your mailbox."),
        (_, removed) => trn!(
            removed,
            "{n} message are deleted. An undo of {device} brings them back.",
            "{n} messages are deleted. An undo of {device} brings them back.",
            device = device
        ),
    };
    let then = match then {
        ThenDevice::Stays => String::new(),
        ThenDevice::Keeps => {
            tr!("What {device} deletes over POP stays in your mailbox from now on.", device = device)
        }
        ThenDevice::IsRevoked => tr!("{device} may not log in any more.", device = device),
    };
    sentences(&[&what, &then])
}

/// What a device removed in one go.
pub(crate) fn removed(count: usize) -> String {
    trn!(count, "removed {n} message", "removed {n} messages")
}

/// The same where it is far more than it ever did.
pub(crate) fn removed_in_a_burst(burst: &Burst) -> String {
    let place = burst.mailbox.clone().unwrap_or_else(|| your_mailboxes().to_owned());
    trn!(
        burst.there,
        "removed {removed} of {n} message from {place}",
        "removed {removed} of {n} messages from {place}",
        removed = burst.removed,
        place = place
    )
}

fn your_mailboxes() -> &'static str {
    trc!("where messages were removed from", "your mailboxes")
}

/// A device that removed, or wanted to remove, far more than it ever did.
pub(crate) fn burst(burst: &Burst) -> String {
    let (removed, there, (day, time)) = (burst.removed, burst.there, day_and_time(burst.at));
    let place = burst.mailbox.as_ref().map(|name| tr!("“{name}”", name = name));
    let place = place.unwrap_or_else(|| your_mailboxes().to_owned());
    match burst.is_held {
        true => trn!(
            there,
            "It wanted to remove {removed} of {n} message from {place} on {day} at {time} UTC, far more than it ever did. They \
             are held until you answer.",
            "It wanted to remove {removed} of {n} messages from {place} on {day} at {time} UTC, far more than it ever did. They \
             are held until you answer.",
            removed = removed,
            place = place,
            day = day,
            time = time
        ),
        false => trn!(
            there,
            "It removed {removed} of {n} message from {place} on {day} at {time} UTC, far more than it ever did. Undo puts them \
             back.",
            "It removed {removed} of {n} messages from {place} on {day} at {time} UTC, far more than it ever did. Undo puts them \
             back.",
            removed = removed,
            place = place,
            day = day,
            time = time
        ),
    }
}

/// What an undo did, or would do.
#[must_use]
pub fn undo(report: &UndoReport) -> Vec<String> {
    let UndoReport { restored, moved, reflagged, removed, relisted, gone, .. } = report;
    let counted = [
        (
            restored,
            trn!(
                restored,
                "{n} message: put back into the mailboxes that they were removed from",
                "{n} messages: put back into the mailboxes that they were removed from"
            ),
        ),
        (
            moved,
            trn!(moved, "{n} message: moved back to where they were", "{n} messages: moved back to where they were"),
        ),
        (reflagged, trn!(reflagged, "{n} message: flags as they were", "{n} messages: flags as they were")),
        (
            removed,
            trn!(
                removed,
                "{n} message: copies removed that are not needed then",
                "{n} messages: copies removed that are not needed then"
            ),
        ),
        (
            relisted,
            trn!(relisted, "{n} message: listed again for the device", "{n} messages: listed again for the device"),
        ),
        (
            gone,
            trn!(
                gone,
                "{n} message: cannot come back: they are not kept any more",
                "{n} messages: cannot come back: they are not kept any more"
            ),
        ),
    ];
    let counted = counted.into_iter().filter(|(count, _)| **count > 0).map(|(_, line)| line);
    let again = report.mailboxes.iter().map(|name| tr!("the mailbox {name} is made again", name = name));
    counted.chain(again).collect()
}

/// Whether the mail of an account is safe, for an administrator.
/// `told`: what devices did that was far more than ever.
pub(crate) fn account_verdict(light: Light, told: &[String], (held, offered): (u64, u64), findings: usize) -> String {
    match (light, offered, findings) {
        (_, _, 1..) => tr!("Something is wrong with what is stored; `pillarbox check` tells more.").to_owned(),
        (_, _, 0) if held > 0 && told.is_empty() => trn!(
            held,
            "The removal of {n} messages is held until the owner answers.",
            "The removal of {n} messages is held until the owner answers."
        ),
        (_, _, 0) if !told.is_empty() => sentences(&told.iter().map(String::as_str).collect::<Vec<_>>()),
        (Light::Red, _, 0) => tr!("A device takes mail from the others.").to_owned(),
        (Light::Amber | Light::Green, 1.., 0) => trn!(
            offered,
            "A device took {n} messages that can be put back.",
            "A device took {n} messages that can be put back."
        ),
        (Light::Amber, 0, 0) => tr!("A device changes what the others see, as its owner chose.").to_owned(),
        (Light::Green, 0, 0) => tr!("Mail is safe.").to_owned(),
    }
}
