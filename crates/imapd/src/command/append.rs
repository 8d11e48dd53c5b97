//! APPEND (RFC 9051 §6.3.12). What was sent is stored byte for byte, line ends as they came; the store refuses a NUL.

use super::{Answer, Context, no_such_target};
use crate::command::store::flags;
use crate::tagged::Tagged;
use imap_proto::command::{Append, AppendData};
use imap_proto::{Code, LiteralRequest};
use store::{Account, Error, NewMessage, Target, Timestamp};

/// RFC 9051 §6.3.12: who appends to a mailbox that is not there hears so before a large message goes over the wire. What
/// cannot be said now is said at the end of the command.
pub(crate) fn refuse_early(account: &Account, request: &LiteralRequest) -> Option<Tagged> {
    let name = request.mailbox.as_ref()?;
    let mailboxes = account.mailboxes().ok()?;
    mailboxes.by_name(name.as_str()).is_none().then(no_such_target)
}

pub(super) fn run(context: &mut Context<'_>, append: Append) -> Answer {
    if append.data == AppendData::Utf8 && !context.user.enabled.utf8 {
        // RFC 6855 §4
        return Err(Tagged::bad("ENABLE UTF8=ACCEPT first"));
    }
    let mailbox = context.target(&append.mailbox)?;
    if append.message.is_empty() {
        // RFC 9051 §6.3.12, RFC 3502 §6.3.11: a literal of no octets takes the APPEND back.
        return Err(Tagged::no("Nothing was appended"));
    }
    let message = NewMessage {
        body: append.message,
        flags: flags(&append.flags),
        internal_date: match append.date {
            Some(date) => Timestamp::from_unix_seconds(date.unix_seconds()),
            None => Timestamp(context.now.unix_millis),
        },
    };
    let appended = context.user.account.append(context.actor(), Target::Mailbox(mailbox.id), message);
    let appended = appended.map_err(|error| match error {
        // RFC 3516 §4.4: for a literal8 that cannot be kept as it is.
        Error::InvalidContent(why) if append.data != AppendData::Literal => Tagged::refused(Code::UnknownCte, why),
        other => other.into(),
    })?;
    let code = Code::AppendUid { uidvalidity: appended.uid_validity.0, uid: appended.uid.0 };
    Ok(Tagged::ok("APPEND done").with(code))
}
