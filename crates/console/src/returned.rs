//! What a message tells of another one that was sent: that it could not be delivered, waits, or has come. In words.

use crate::error::Error;
use crate::names::{Names, shown};
use message::delivery_report::{Action, DeliveryReport, Reported};
use store::{Account, EmailId};
use wording::{tr, trc};

/// A longer message is no report.
const REPORT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// So many messages that came later are looked through for reports on one.
const LATER_MAX: usize = 1000;

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
        None => trc!("what a report is about", "a message").to_owned(),
    };
    Ok(report.recipients.iter().map(|recipient| said_of(&what, recipient)).collect())
}

/// Reports in INBOX on a message, which say by In-Reply-To that they are: each with what it tells. Those of this server do.
pub(crate) fn on(account: &Account, names: &Names<'_>, email: EmailId) -> Result<Vec<(EmailId, Vec<String>)>, Error> {
    let (Some(id), Some(inbox)) =
        (names.message_id(email)?, account.mailboxes()?.by_name("INBOX").map(|inbox| inbox.id))
    else {
        return Ok(Vec::new());
    };
    let view = account.view(inbox)?;
    let later = view.index().iter().map(|entry| entry.email).filter(|later| *later > email).take(LATER_MAX);
    let mut found = Vec::new();
    for later in later {
        if !names.answers(later, &id)? {
            continue;
        }
        if let Some((body, structure)) = names.report(later, REPORT_BYTES_MAX)?
            && let Some(report) = DeliveryReport::of(&body, &structure)
            && report.message_id.as_deref() == Some(&id)
        {
            let line = |recipient| tr!("{became}, says {report}", became = became(recipient), report = later.text());
            found.push((later, report.recipients.iter().map(line).collect()));
        }
    }
    Ok(found)
}

/// `says that a message could not be delivered to carol@example.net: 550 no such user`.
fn said_of(what: &str, recipient: &Reported) -> String {
    let address = shown(&recipient.address);
    let said = match recipient.action {
        Action::Failed => tr!("says that {what} could not be delivered to {address}", what = what, address = address),
        Action::Delayed => {
            tr!("says that {what} has not been delivered yet to {address}", what = what, address = address)
        }
        Action::Delivered => tr!("says that {what} was delivered to {address}", what = what, address = address),
        Action::Relayed => tr!("says that {what} was handed on for {address}", what = what, address = address),
    };
    with_reason(said, recipient)
}

/// `could not be delivered to carol@example.net: 550 no such user`.
fn became(recipient: &Reported) -> String {
    let address = shown(&recipient.address);
    let became = match recipient.action {
        Action::Failed => tr!("could not be delivered to {address}", address = address),
        Action::Delayed => tr!("has not been delivered yet to {address}", address = address),
        Action::Delivered => tr!("was delivered to {address}", address = address),
        Action::Relayed => tr!("was handed on for {address}", address = address),
    };
    with_reason(became, recipient)
}

fn with_reason(said: String, recipient: &Reported) -> String {
    match shown(&recipient.reason).as_str() {
        "" => said,
        reason => format!("{said}: {reason}"),
    }
}
