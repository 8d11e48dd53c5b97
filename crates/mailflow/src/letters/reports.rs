//! Reports on messages: of what the queue has to tell, and of what was delivered here. Pure.

use super::status::{Action, Fate, Status, original_field, original_header};
use super::words::{self, About};
use crate::arrival::Appointment;
use letter::{Head, wrapped};
use queue::{Matter, Notice, QueueId, Recipient, Report, TlsWish};
use smtp_proto::{MailReports, OriginalRecipient, Return};
use store::{Handover, Timestamp};
use wording::tr;

/// A letter of the server itself.
#[derive(Debug)]
pub(super) struct Letter {
    /// Without angle brackets, or `postmaster`.
    pub(super) to: String,
    /// Header and body with CRLF line ends.
    pub(super) content: Vec<u8>,
    /// What it is known by if it is delivered again.
    pub(super) handover: Handover,
    /// RFC 8689 §5: as the message that it is about.
    pub(super) tls: TlsWish,
}

/// What was delivered into mailboxes here, and is to be told.
pub(super) struct Success<'a> {
    /// Whom it is told, without angle brackets.
    pub(super) to: &'a str,
    /// How the message is called.
    pub(super) id: &'a str,
    pub(super) reports: &'a MailReports,
    pub(super) appointment: Option<Appointment>,
    pub(super) recipients: &'a [(&'a str, Option<&'a OriginalRecipient>)],
    /// The message.
    pub(super) original: &'a [u8],
    pub(super) handover: Handover,
    pub(super) tls: TlsWish,
}

/// Who is told: `None`: nobody, or the administrators.
pub(super) fn whom<'a>(notice: &Notice<'a>) -> Option<&'a str> {
    match notice {
        Notice::Report(report) => Some(&report.entry.reverse_path),
        Notice::Damaged { .. } | Notice::Said(_) => None,
    }
}

/// `None`: there is nothing to write.
pub(super) fn of(notice: Notice<'_>, server: &str, now: Timestamp) -> Option<Letter> {
    match notice {
        Notice::Report(report) => Some(of_queue(&report, server, now)),
        Notice::Damaged { id, why, handover } => Some(of_damage(id, why, handover, server, now)),
        Notice::Said(_) => None,
    }
}

fn of_queue(report: &Report<'_>, server: &str, now: Timestamp) -> Letter {
    let Report { matter, entry, original, other_server, expires_at, handover } = *report;
    let recipients: Vec<&Recipient> = entry.to_report(matter).collect();
    let others_wait = entry.recipients.iter().any(|recipient| recipient.is_waiting());
    let (subject, arrived_at) = (subject_of(original), entry.arrived_at());
    let about = About { server, other_server, subject, arrived_at, expires_at, others_wait };
    let status = Status {
        server,
        to: &entry.reverse_path,
        subject: words::subject(matter),
        id: format!("bounce.{}.{}.{}", entry.id, entry.attempts, matter.name()),
        text: words::of_queue(matter, &recipients, &about),
        envelope_id: entry.envelope_id.as_deref(),
        arrived_at,
        hold: entry.hold,
        recipients: recipients.into_iter().map(|recipient| fate(matter, recipient, report)).collect(),
        original,
        // RFC 3461 §4.3: "applies only to those that indicate failure"; by default the header is enough.
        // RFC 8689 §5: nor is more sent back of what had to stay protected.
        whole: matter == Matter::Failed && entry.ret == Some(Return::Full) && entry.tls != TlsWish::Required,
        now,
    };
    Letter { to: entry.reverse_path.clone(), content: status.compose(), handover, tls: entry.tls }
}

fn fate<'a>(matter: Matter, recipient: &'a Recipient, report: &Report<'a>) -> Fate<'a> {
    let last = recipient.last_reply();
    // RFC 3464 §2.3.4: the class is that of the action, whatever the last reply was.
    let class = match matter {
        Matter::Failed => '5',
        Matter::Delayed => '4',
        Matter::Relayed => '2',
    };
    let detail = last.and_then(|reply| reply.status.split_once('.')).map_or("0.0", |(_, detail)| detail);
    let by_other = last.filter(|reply| reply.by_smarthost);
    Fate {
        original: recipient.original.as_ref(),
        address: &recipient.address,
        action: Action::Queued(matter),
        status: format!("{class}.{detail}"),
        remote: by_other.map(|reply| reply.host.as_deref().unwrap_or(report.other_server)),
        reply: last.map(|reply| (format!("{} {} {}", reply.code, reply.status, reply.text), reply.at)),
        retry_until: (matter == Matter::Delayed).then_some(report.expires_at),
    }
}

pub(super) fn of_success(success: &Success<'_>, server: &str, now: Timestamp) -> Letter {
    let addresses: Vec<&str> = success.recipients.iter().map(|(address, _)| *address).collect();
    let subject = subject_of(success.original);
    let about = About { server, other_server: server, subject, arrived_at: now, expires_at: now, others_wait: false };
    let status = Status {
        server,
        to: success.to,
        subject: tr!("Your message was delivered"),
        id: format!("delivered.{}", success.id),
        text: words::of_delivery(&addresses, &about),
        envelope_id: success.reports.envelope_id.as_deref(),
        arrived_at: success.appointment.map_or(now, |appointment| appointment.came_at),
        hold: success.appointment.map(|appointment| appointment.hold),
        recipients: success.recipients.iter().map(|(address, original)| delivered(address, *original)).collect(),
        original: success.original,
        whole: false,
        now,
    };
    let Success { handover, tls, .. } = *success;
    Letter { to: success.to.to_owned(), content: status.compose(), handover, tls }
}

fn delivered<'a>(address: &'a str, original: Option<&'a OriginalRecipient>) -> Fate<'a> {
    let (action, status) = (Action::Delivered, "2.1.5".to_owned());
    Fate { original, address, action, status, remote: None, reply: None, retry_until: None }
}

/// Tells the administrators of a message that cannot be read.
fn of_damage(id: QueueId, why: &str, handover: Handover, server: &str, now: Timestamp) -> Letter {
    let what = tr!("Message {id} in the outbound queue of {server} cannot be read:", id = id, server = server);
    let then = tr!(
        "It was set aside and is not tried any more; all others are. Look at the disk. `pillarbox queue list` shows it, \
         `pillarbox queue remove {id}` throws it away, and after a backup was restored `pillarbox queue retry {id}` has it tried \
         again.",
        id = id
    );
    let head = Head {
        from: &format!("Mail delivery <MAILER-DAEMON@{server}>"),
        to: &format!("postmaster@{server}"),
        subject: tr!("A message in the queue is damaged"),
        id: &format!("damaged.{id}.{}@{server}", now.0),
        at: now,
    };
    let content = head.letter(&wrapped(&format!("{what}\n\n  {why}\n\n{then}"), words::COLUMNS_MAX));
    Letter { to: "postmaster".to_owned(), content, handover, tls: TlsWish::Usual }
}

fn subject_of(original: &[u8]) -> Option<String> {
    let subject = original_field(&original_header(original), "subject")?;
    let decoded = message::encoded_word::decode(subject.as_bytes());
    Some(decoded.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests;
