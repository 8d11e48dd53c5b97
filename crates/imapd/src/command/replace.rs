//! REPLACE and UID REPLACE (RFC 8508): an APPEND, and the message that it takes the place of leaves the selected mailbox in the
//! same commit.

use super::announced::UNANNOUNCED_BYTES_MAX;
use super::append::{append_uid_code, internal_date, refusal, target};
use super::catenate::Assembly;
use crate::command::store::flags;
use crate::context::Context;
use crate::tagged::Tagged;
use crate::upload::{Upload, no_such_target, not_taken};
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{Append, AppendData, Replace};
use imap_proto::{Code, Status};
use store::{Flags, MailboxId, NewMessage, Uid};
use store_objects::{Holder, Incoming};

/// A REPLACE whose message is all there.
pub(super) struct Replacing {
    mailbox: MailboxId,
    replaced: Uid,
    /// RFC 8508 §4.2: it is being put together.
    assembly: Option<Assembly>,
    /// Those of one that was put together: they came with its first part.
    flags: Option<Flags>,
    /// None: it is done. Of a long message the most is in the spool.
    rest: Option<(Append, Option<Incoming>)>,
}

pub(super) fn begin(context: &mut Context<'_>, replace: Replace, upload: Option<Upload>) -> Result<Replacing, Tagged> {
    let Replace { numbering, replaced, mut append } = replace;
    let no_target = |answer| no_such_target(context.user, &append.mailbox, context.now).unwrap_or(answer);
    let is_catenation = append.data == AppendData::Catenate;
    let begun = || Upload::begin(context.service, &context.user.account);
    let content = match upload.or_else(|| is_catenation.then(begun)) {
        Some(mut upload) => {
            if is_catenation {
                upload.complete(&append);
            }
            Some(upload.end().map_err(no_target)?)
        }
        None => None,
    };
    context.tell_named(&replaced, numbering)?;
    let selected = context.selected()?;
    let uids = selected.uids(&replaced, numbering)?;
    let gone = || Tagged::refused(Code::NonExistent, "The message to be replaced is not there");
    let replaced = *uids.first().ok_or_else(gone)?;
    let mailbox = selected.mailbox;
    let (assembly, incoming) = match content {
        Some((texts, messages)) if is_catenation => {
            context.target(&append.mailbox)?;
            // They are among the texts.
            append.message.clear();
            (Some(Assembly::new(context, texts, messages)), None)
        }
        content => (None, content.map(|(incoming, _)| incoming)),
    };
    Ok(Replacing { mailbox, replaced, assembly, flags: None, rest: Some((append, incoming)) })
}

impl Work for Replacing {
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        if let Some(assembly) = &mut self.assembly {
            if let (Some((whole, mut messages)), Some((append, incoming))) = (assembly.go_on(context)?, &mut self.rest)
            {
                *incoming = Some(whole);
                if let Some(message) = messages.pop() {
                    append.date = message.date;
                    self.flags = Some(message.flags);
                }
                self.assembly = None;
            }
            return Ok(Progress::More);
        }
        let Some((mut append, incoming)) = self.rest.take() else { return Err(Stop::Broken) };
        let bytes = incoming.as_ref().map_or(0, Incoming::len) + append.message.len() as u64;
        let _room = context.service.spool.whole(Holder::Account(context.user.account.id()), bytes);
        if let Some(mut incoming) = incoming {
            let whole = incoming.push(&append.message).and_then(|()| incoming.into_whole(0));
            append.message = whole.map_err(not_taken)?;
        }
        let to = target(context, &append)?;
        let internal_date = internal_date(context, append.date);
        let flags = self.flags.take().unwrap_or_else(|| flags(&append.flags));
        let message = NewMessage { body: append.message, flags, internal_date };
        if to.account.id() != context.selected()?.account.id() {
            let text = "A message takes the place of another one in the same account";
            return Err(Tagged::refused(Code::Cannot, text).into());
        }
        let actor = context.actor_in(&to.account);
        let appended = to.account.replace(actor, (self.mailbox, self.replaced), to.mailbox.id, message);
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
        let is_long = |(append, incoming): &(Append, Option<Incoming>)| {
            incoming.is_some() || append.message.len() > UNANNOUNCED_BYTES_MAX
        };
        self.assembly.is_some() || self.rest.as_ref().is_some_and(is_long)
    }
}
