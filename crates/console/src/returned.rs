//! What a message tells of another one that was sent: that it could not be delivered, waits, or has come. In words.

use crate::error::Error;
use crate::names::{Names, shown};
use message::delivery_report::{Action, DeliveryReport, Reported};
use store::{Account, EmailId};

/// A longer message is no report.
const REPORT_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Lines for the story of a message; none if it is no report. Anybody can write such a message: it is told as what it says.
pub(crate) fn told(account: &Account, names: &Names<'_>, email: EmailId) -> Result<Vec<String>, Error> {
    let Some((body, structure)) = names.report(email, REPORT_BYTES_MAX)? else { return Ok(Vec::new()) };
    let Some(report) = DeliveryReport::of(&body, &structure) else { return Ok(Vec::new()) };
    let about = match &report.message_id {
        Some(id) => account.with_message_id(id)?.into_iter().find(|about| *about != email),
        None => None,
    };
    let what = match about {
        Some(about) => format!("\"{}\" ({})", names.message(about)?.subject, about.text()),
        None => "a message".to_owned(),
    };
    Ok(report.recipients.iter().map(|recipient| line(&what, recipient)).collect())
}

fn line(what: &str, recipient: &Reported) -> String {
    let address = shown(&recipient.address);
    let became = match recipient.action {
        Action::Failed => "could not be delivered to",
        Action::Delayed => "has not been delivered yet to",
        Action::Delivered => "was delivered to",
        Action::Relayed => "was handed on for",
    };
    match shown(&recipient.reason).as_str() {
        "" => format!("says that {what} {became} {address}"),
        reason => format!("says that {what} {became} {address}: {reason}"),
    }
}
