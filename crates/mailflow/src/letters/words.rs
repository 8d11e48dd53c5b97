//! What a person reads of a message that was sent: what happened, to whom, what the other side said, what to do. Pure.

use letter::{moment, wrapped};
use queue::{LastReply, Matter, Recipient};
use std::fmt::Write;
use store::Timestamp;
use wording::{tr, trn};

/// So many recipients are told one by one; a report has all of them for programs.
const RECIPIENTS_SHOWN_MAX: usize = 50;

/// A line has at most so many columns, unless one word is longer.
pub(super) const COLUMNS_MAX: usize = 76;

/// What is said of a message beside what became of it.
pub(super) struct About<'a> {
    /// This server.
    pub(super) server: &'a str,
    /// Who spoke where a reply does not say it.
    pub(super) other_server: &'a str,
    /// Its subject, decoded.
    pub(super) subject: Option<String>,
    pub(super) arrived_at: Timestamp,
    /// When it is given up.
    pub(super) expires_at: Timestamp,
    /// Others of its recipients are still waited for.
    pub(super) others_wait: bool,
}

pub(super) fn subject(matter: Matter) -> &'static str {
    match matter {
        Matter::Failed => tr!("Your message could not be delivered"),
        Matter::Delayed => tr!("Your message is delayed"),
        Matter::Relayed => tr!("Your message was handed on"),
    }
}

pub(super) fn of_queue(matter: Matter, recipients: &[&Recipient], about: &About<'_>) -> String {
    let begin = match matter {
        Matter::Failed => tr!("Your message could not be delivered to:"),
        Matter::Delayed => tr!("Your message has not been delivered yet to:"),
        Matter::Relayed => tr!("Another server has taken your message for:"),
    };
    let mut text = format!("{begin}\r\n\r\n");
    for recipient in recipients.iter().take(RECIPIENTS_SHOWN_MAX) {
        let _ = write!(text, "  {}\r\n", recipient.address);
        if let Some(reply) = recipient.last_reply() {
            write_reply(&mut text, reply, about);
            if matter == Matter::Failed {
                write_lines(&mut text, "      ", advice(&reply.status));
            }
        }
        text.push_str("\r\n");
    }
    write_others(&mut text, recipients.len());
    write_which(&mut text, about);
    let end = match matter {
        Matter::Failed if about.others_wait => tr!(
            "For the addresses above nothing more will be tried. Delivery to its other recipients is still being tried."
        )
        .to_owned(),
        Matter::Failed => tr!("For the addresses above nothing more will be tried.").to_owned(),
        Matter::Delayed => tr!(
            "You need not do anything: it is tried again and again until {date}. If it still cannot be delivered then, you get \
             another message.",
            date = moment(about.expires_at)
        ),
        Matter::Relayed => tr!(
            "You asked to be told when it is delivered. The other server does not say that, so this is the last that is known of \
             it here. If it fails there, that server should tell you."
        )
        .to_owned(),
    };
    write_lines(&mut text, "", &end);
    text
}

/// It is in mailboxes here.
pub(super) fn of_delivery(addresses: &[&str], about: &About<'_>) -> String {
    let mut text = format!("{}\r\n\r\n", tr!("Your message was delivered to:"));
    for address in addresses.iter().take(RECIPIENTS_SHOWN_MAX) {
        let _ = write!(text, "  {address}\r\n");
    }
    text.push_str("\r\n");
    write_others(&mut text, addresses.len());
    write_which(&mut text, about);
    let end = tr!("You asked to be told so. It lies in the mailbox; whether anybody has read it is not known.");
    write_lines(&mut text, "", end);
    text
}

fn write_others(text: &mut String, recipients: usize) {
    if let Some(others @ 1..) = recipients.checked_sub(RECIPIENTS_SHOWN_MAX) {
        let others = trn!(
            others,
            "and {n} more, whom the second part of this message names.",
            "and {n} more, whom the second part of this message names."
        );
        let _ = write!(text, "{others}\r\n\r\n");
    }
}

fn write_which(text: &mut String, about: &About<'_>) {
    if let Some(subject) = &about.subject {
        let _ = write!(text, "{}\r\n", tr!("Its subject was: {subject}", subject = subject));
    }
    let _ = write!(text, "{}\r\n\r\n", tr!("It was handed in on {date}.", date = moment(about.arrived_at)));
}

fn write_reply(text: &mut String, reply: &LastReply, about: &About<'_>) {
    let author = if reply.by_smarthost { reply.host.as_deref().unwrap_or(about.other_server) } else { about.server };
    let said = format!("{} {}", reply.code, reply.text);
    let _ = write!(text, "      {}\r\n", tr!("{author} says: {reply}", author = author, reply = said));
}

/// What somebody can do, by what a status means (RFC 3463 §3).
fn advice(status: &str) -> &'static str {
    let detail = status.split_once('.').map_or("", |(_, detail)| detail);
    match detail {
        "1.1" | "1.3" | "1.6" => tr!(
            "There is no such address there. Check it for mistakes; if it is right, ask the person for the new one."
        ),
        "1.2" | "4.4" | "1.10" => {
            tr!("The part after the @ names no place that takes mail. Check it for mistakes.")
        }
        "2.1" => tr!("The mailbox is closed. Reach the person in another way."),
        "2.2" => tr!("The mailbox is full. Send it again in some days, or reach the person in another way."),
        "2.3" | "3.4" => {
            tr!("The message is too large for the other side. Send it without its attachments, or with smaller ones.")
        }
        "4.6" => tr!("It ran in circles between servers, which whoever runs them has to mend."),
        "4.7" | "4.1" | "4.2" => tr!(
            "The other server could not be reached, or did not take it, in all that time. Send it again later, or reach the person \
             in another way."
        ),
        "6.7" => {
            tr!("The other side does not take addresses with such letters. Ask the person for another address.")
        }
        "6.3" | "6.0" | "6.1" => {
            tr!("The other side does not take a message of this form. Send it as plain text.")
        }
        // X.1.7, X.1.8: the sender's address; X.7: security or policy.
        "1.7" | "1.8" => tr!("The other side does not take your own address. Tell whoever runs this server."),
        _ if detail.starts_with("7.") => tr!(
            "The other side does not want this message. What it says may tell why; if it does not, tell whoever runs this server."
        ),
        _ => tr!(
            "Check the address for mistakes; if it is right, reach the person in another way, or send the message again later."
        ),
    }
}

/// In lines that are short, each after `indent`.
fn write_lines(text: &mut String, indent: &str, words: &str) {
    for line in wrapped(words, COLUMNS_MAX - indent.len()).lines() {
        let _ = write!(text, "{indent}{line}\r\n");
    }
}
