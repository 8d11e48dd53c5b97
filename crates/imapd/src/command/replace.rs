//! REPLACE and UID REPLACE (RFC 8508): an APPEND, and the message that it takes the place of leaves the selected mailbox in the
//! same commit.

use super::announced::UNANNOUNCED_BYTES_MAX;
use super::append::{append_uid_code, internal_date, refusal, target};
use crate::command::store::flags;
use crate::context::Context;
use crate::tagged::Tagged;
use crate::upload::{Upload, no_such_target, not_taken};
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{Append, Replace};
use imap_proto::{Code, Status};
use store::{MailboxId, NewMessage, Uid};
use store_objects::{Holder, Incoming};

/// A REPLACE whose message is all there.
pub(super) struct Replacing {
    mailbox: MailboxId,
    replaced: Uid,
    /// None: it is done. Of a long message the most is in the spool.
    rest: Option<(Append, Option<Incoming>)>,
}

pub(super) fn begin(context: &mut Context<'_>, replace: Replace, upload: Option<Upload>) -> Result<Replacing, Tagged> {
    let Replace { numbering, replaced, append } = replace;
    let no_target = |answer| no_such_target(&context.user.account, &append.mailbox).unwrap_or(answer);
    let incoming = match upload {
        Some(upload) => Some(upload.end().map_err(no_target)?.0),
        None => None,
    };
    context.tell_named(&replaced, numbering)?;
    let selected = context.selected()?;
    let uids = selected.uids(&replaced, numbering)?;
    let gone = || Tagged::refused(Code::NonExistent, "The message to be replaced is not there");
    let replaced = *uids.first().ok_or_else(gone)?;
    Ok(Replacing { mailbox: selected.mailbox, replaced, rest: Some((append, incoming)) })
}

impl Work for Replacing {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let Some((mut append, incoming)) = self.rest.take() else { return Err(Stop::Broken) };
        let bytes = incoming.as_ref().map_or(0, Incoming::len) + append.message.len() as u64;
        let _room = context.service.spool.whole(Holder::Account(context.user.account.id()), bytes);
        if let Some(mut incoming) = incoming {
            let whole = incoming.push(&append.message).and_then(|()| incoming.into_whole(0));
            append.message = whole.map_err(not_taken)?;
        }
        let to = target(context, &append)?;
        let internal_date = internal_date(context, append.date);
        let message = NewMessage { body: append.message, flags: flags(&append.flags), internal_date };
        let (actor, account) = (context.actor(), &context.user.account);
        let appended = account.replace(actor, (self.mailbox, self.replaced), to, message);
        let appended = appended.map_err(|error| refusal(error, append.data))?;
        if let Some(code) = append_uid_code(&[appended]) {
            // RFC 8508 §4.3: before the EXPUNGE.
            context.encoder().untagged(Status::Ok, Some(code.borrowed(&[])), "The replacement is there");
        }
        // RFC 8508 §4.5, RFC 7162 §3.2.7
        context.selected()?.says_modseq = true;
        Ok(Progress::Done(Tagged::ok("REPLACE done")))
    }

    fn takes_long(&self) -> bool {
        self.rest
            .as_ref()
            .is_some_and(|(append, incoming)| incoming.is_some() || append.message.len() > UNANNOUNCED_BYTES_MAX)
    }
}
