//! APPEND (RFC 9051 §6.3.12). What was sent is stored byte for byte, line ends as they came.

use super::{Answer, Context};
use crate::command::store::flags;
use crate::tagged::Tagged;
use imap_proto::Code;
use imap_proto::command::{Append, AppendData};
use store::{NewMessage, Target, Timestamp};

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
    let appended = context.user.account.append(context.actor(), Target::Mailbox(mailbox.id), message)?;
    let code = Code::AppendUid { uidvalidity: appended.uid_validity.0, uid: appended.uid.0 };
    Ok(Tagged::ok("APPEND done").with(code))
}
