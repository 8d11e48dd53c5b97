//! APPEND (RFC 9051 §6.3.12). What was sent is stored byte for byte, line ends as they came; the store refuses a NUL.

use super::{Answer, Begun};
use crate::command::store::flags;
use crate::context::Context;
use crate::tagged::Tagged;
use crate::upload::{Upload, no_such_target, not_taken};
use crate::work::{Progress, Stop, Work};
use imap_proto::Code;
use imap_proto::command::{Append, AppendData};
use store::{Error, NewMessage, Target, Timestamp};
use store_objects::{Holder, Incoming};

/// An APPEND of a message that is in the spool.
struct Appending {
    /// None: it is done.
    rest: Option<(Append, Incoming)>,
}

/// With what came of a long message before the end of the command.
pub(super) fn begin(context: &mut Context<'_>, append: Append, upload: Option<Upload>) -> Result<Begun, Tagged> {
    match upload {
        None => run(context, append).map(Begun::Over),
        Some(Upload::Coming(incoming)) => Ok(Appending { rest: Some((append, incoming)) }.into()),
        Some(Upload::NotTaken(answer)) => Err(no_such_target(&context.user.account, &append.mailbox).unwrap_or(answer)),
    }
}

impl Work for Appending {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let Some((append, mut incoming)) = self.rest.take() else { return Err(Stop::Broken) };
        let bytes = incoming.len() + append.message.len() as u64;
        let _room = context.service.spool.whole(Holder::Account(context.user.account.id()), bytes);
        let whole = incoming.push(&append.message).and_then(|()| incoming.into_whole(0));
        let message = whole.map_err(not_taken)?;
        run(context, Append { message, ..append }).map(Progress::Done).map_err(Stop::from)
    }

    /// What it needs takes its time.
    fn takes_long(&self) -> bool {
        true
    }
}

fn run(context: &mut Context<'_>, append: Append) -> Answer {
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
