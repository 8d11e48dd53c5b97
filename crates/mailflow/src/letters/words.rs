//! What a person reads of a message that was sent: what happened, to whom, what the other side said, what to do. Pure.

use message::date::format_rfc5322;
use queue::{LastReply, Matter, Recipient};
use std::fmt::Write;
use store::Timestamp;

/// So many recipients are told one by one; a report has all of them for programs.
const RECIPIENTS_SHOWN_MAX: usize = 50;

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
        Matter::Failed => "Your message could not be delivered",
        Matter::Delayed => "Your message is delayed",
        Matter::Relayed => "Your message was handed on",
    }
}

pub(super) fn of_queue(matter: Matter, recipients: &[&Recipient], about: &About<'_>) -> String {
    let mut text = match matter {
        Matter::Failed => "Your message could not be delivered to:\r\n\r\n",
        Matter::Delayed => "Your message has not been delivered yet to:\r\n\r\n",
        Matter::Relayed => "Another server has taken your message for:\r\n\r\n",
    }
    .to_owned();
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
    let until = format_rfc5322(about.expires_at.unix_seconds());
    let end = match matter {
        Matter::Failed if about.others_wait => {
            "For the addresses above nothing more will be tried. Delivery to its other recipients is still being tried."
        }
        Matter::Failed => "For the addresses above nothing more will be tried.",
        Matter::Delayed => {
            let end = format!(
                "You need not do anything: it is tried again and again until {until}. If it still cannot be delivered \
                 then, you get another message."
            );
            write_lines(&mut text, "", &end);
            return text;
        }
        Matter::Relayed => {
            "You asked to be told when it is delivered. The other server does not say that, so this is the last that is \
             known of it here. If it fails there, that server should tell you."
        }
    };
    write_lines(&mut text, "", end);
    text
}

/// It is in mailboxes here.
pub(super) fn of_delivery(addresses: &[&str], about: &About<'_>) -> String {
    let mut text = "Your message was delivered to:\r\n\r\n".to_owned();
    for address in addresses.iter().take(RECIPIENTS_SHOWN_MAX) {
        let _ = write!(text, "  {address}\r\n");
    }
    text.push_str("\r\n");
    write_others(&mut text, addresses.len());
    write_which(&mut text, about);
    let end = "You asked to be told so. It lies in the mailbox; whether anybody has read it is not known.";
    write_lines(&mut text, "", end);
    text
}

fn write_others(text: &mut String, recipients: usize) {
    if let Some(others @ 1..) = recipients.checked_sub(RECIPIENTS_SHOWN_MAX) {
        let _ = write!(text, "and {others} more, whom the second part of this message names.\r\n\r\n");
    }
}

fn write_which(text: &mut String, about: &About<'_>) {
    if let Some(subject) = &about.subject {
        let _ = write!(text, "Its subject was: {subject}\r\n");
    }
    let _ = write!(text, "It was handed in on {}.\r\n\r\n", format_rfc5322(about.arrived_at.unix_seconds()));
}

fn write_reply(text: &mut String, reply: &LastReply, about: &About<'_>) {
    let author = if reply.by_smarthost { reply.host.as_deref().unwrap_or(about.other_server) } else { about.server };
    let _ = write!(text, "      {author} says: {} {}\r\n", reply.code, reply.text);
}

/// What somebody can do, by what a status means (RFC 3463 §3).
fn advice(status: &str) -> &'static str {
    let detail = status.split_once('.').map_or("", |(_, detail)| detail);
    match detail {
        "1.1" | "1.3" | "1.6" => {
            "There is no such address there. Check it for mistakes; if it is right, ask the person for the new one."
        }
        "1.2" | "4.4" | "1.10" => "The part after the @ names no place that takes mail. Check it for mistakes.",
        "2.1" => "The mailbox is closed. Reach the person in another way.",
        "2.2" => "The mailbox is full. Send it again in some days, or reach the person in another way.",
        "2.3" | "3.4" => {
            "The message is too large for the other side. Send it without its attachments, or with smaller ones."
        }
        "4.6" => "It ran in circles between servers, which whoever runs them has to mend.",
        "4.7" | "4.1" | "4.2" => {
            "The other server could not be reached, or did not take it, in all that time. Send it again later, or reach \
             the person in another way."
        }
        "6.7" => "The other side does not take addresses with such letters. Ask the person for another address.",
        "6.3" | "6.0" | "6.1" => "The other side does not take a message of this form. Send it as plain text.",
        // X.1.7, X.1.8: the sender's address; X.7: security or policy.
        "1.7" | "1.8" => "The other side does not take your own address. Tell whoever runs this server.",
        _ if detail.starts_with("7.") => {
            "The other side does not want this message. What it says may tell why; if it does not, tell whoever runs this \
             server."
        }
        _ => {
            "Check the address for mistakes; if it is right, reach the person in another way, or send the message again \
             later."
        }
    }
}

/// In lines that are short, each after `indent`.
fn write_lines(text: &mut String, indent: &str, words: &str) {
    /// A line of a letter, unless one word is longer.
    const LINE_CHARS_MAX: usize = 76;
    let mut column = 0;
    for word in words.split(' ') {
        if column > 0 && column + 1 + word.len() > LINE_CHARS_MAX {
            text.push_str("\r\n");
            column = 0;
        }
        let blank = if column == 0 { indent } else { " " };
        text.push_str(blank);
        text.push_str(word);
        column += blank.len() + word.len();
    }
    text.push_str("\r\n");
}
