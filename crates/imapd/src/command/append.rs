//! APPEND (RFC 9051 §6.3.12), also of several messages (RFC 3502). What was sent is stored byte for byte, line ends as they came;
//! the store refuses a NUL.

use super::{Answer, Begun, catenate};
use crate::command::store::flags;
use crate::context::Context;
use crate::located::Located;
use crate::state::{Answers, Finish};
use crate::sync::News;
use crate::tagged::{ResultCode, Tagged};
use crate::upload::{Complete, Upload, no_such_target, not_taken, nothing_appended};
use crate::user::User;
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{Append, AppendData};
use imap_proto::{Code, DateTime, MailboxName, SequenceSet, Tag};
use std::collections::VecDeque;
use std::ops::RangeInclusive;
use store::{Amount, Appended, Error, MailboxId, NewMessage, Target, Timestamp, View};
use store_objects::{Holder, Incoming};

/// An APPEND of a message that is in the spool.
struct Appending {
    /// None: it is done.
    rest: Option<(Append, Incoming)>,
}

/// An APPEND of several messages: all of them or none.
pub(super) struct Several {
    mailbox: MailboxName,
    incoming: Incoming,
    rest: VecDeque<Complete>,
    /// Where in `incoming` they begin.
    at: u64,
    /// None: it was not begun, or it is done.
    appending: Option<store::Appending>,
}

/// With what came of it before the end of the command.
pub(super) fn begin(context: &mut Context<'_>, append: Append, upload: Option<Upload>) -> Result<Begun, Tagged> {
    let is_catenation = append.data == AppendData::Catenate || !append.before.is_empty();
    let begin = || Upload::begin(context.service, &context.user.account);
    let Some(mut upload) = upload.or_else(|| is_catenation.then(begin)) else {
        return run(context, append).map(Begun::Over);
    };
    let is_of_several = upload.is_of_several() || is_catenation;
    if is_of_several {
        upload.complete(&append);
    }
    let no_target = |answer| no_such_target(context.user, &append.mailbox, context.now).unwrap_or(answer);
    let (incoming, complete) = upload.end().map_err(no_target)?;
    if !is_of_several {
        return Ok(Appending { rest: Some((append, incoming)) }.into());
    }
    let mut data = complete.iter().map(|message| message.data);
    if data.any(|data| data == AppendData::Utf8) && !context.user.enabled.utf8 {
        return Err(enable_utf8());
    }
    if complete.iter().any(|message| !message.parts.is_empty()) {
        return catenate::begin(context, append.mailbox, incoming, complete).map(Begun::from);
    }
    Ok(Several::new(append.mailbox, incoming, complete).into())
}

impl Several {
    /// Messages that lie one behind the other in `incoming`.
    pub(super) fn new(mailbox: MailboxName, incoming: Incoming, messages: Vec<Complete>) -> Self {
        Self { mailbox, incoming, rest: messages.into(), at: 0, appending: None }
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

impl Work for Several {
    /// A piece, which is one commit.
    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        let mut appending = match self.appending.take() {
            Some(appending) => appending,
            None => {
                let Located { account, mailbox, .. } = context.target(&self.mailbox)?;
                let amount = Amount { bytes: self.incoming.len(), messages: self.rest.len() as u64 };
                account.begin_append(context.actor_in(&account), mailbox.id, amount)
            }
        };
        let bytes = self.rest.iter().map(|message| message.bytes as u64).sum();
        let most = store::APPENDING_PIECE_BYTES_MAX.max(self.rest.front().map_or(0, |message| message.bytes)) as u64;
        let _room = context.service.spool.whole(Holder::Account(context.user.account.id()), most.min(bytes));
        while let Some(next) = self.rest.pop_front_if(|next| appending.has_room(next.bytes)) {
            let body = self.incoming.part(self.at, next.bytes).map_err(not_taken)?;
            self.at += next.bytes as u64;
            let internal_date = internal_date(context, next.date);
            let added = appending.add(NewMessage { body, flags: next.flags, internal_date });
            added.map_err(|error| refusal(error, next.data))?;
        }
        appending.commit(self.rest.is_empty())?;
        if self.rest.is_empty() {
            return Ok(Progress::Done(append_uid(&appending.finish())));
        }
        self.appending = Some(appending);
        Ok(Progress::More)
    }

    /// What it needs takes its time.
    fn takes_long(&self) -> bool {
        true
    }
}

fn run(context: &mut Context<'_>, append: Append) -> Answer {
    let Located { account, mailbox, .. } = target(context, &append)?;
    let Ready { mailbox, message, data } = Ready::of(context, mailbox.id, append);
    let appended = account.append(context.actor_in(&account), Target::Mailbox(mailbox), message);
    appended.map(|appended| append_uid(&[appended])).map_err(|error| refusal(error, data))
}

/// A message as the store takes it.
pub(super) struct Ready {
    mailbox: MailboxId,
    message: NewMessage,
    data: AppendData,
}

impl Ready {
    fn of(context: &Context<'_>, mailbox: MailboxId, append: Append) -> Self {
        let internal_date = internal_date(context, append.date);
        let message = NewMessage { body: append.message, flags: flags(&append.flags), internal_date };
        Self { mailbox, message, data: append.data }
    }
}

/// An APPEND that may share a commit with others; it is given back where nothing is to be stored.
pub(super) fn ready(context: &mut Context<'_>, append: Append) -> Result<Ready, Box<Append>> {
    match target(context, &append) {
        _ if append.data == AppendData::Catenate || !append.before.is_empty() => Err(Box::new(append)),
        Ok(located) if !located.is_shared() => Ok(Ready::of(context, located.mailbox.id, append)),
        Ok(_) | Err(_) => Err(Box::new(append)),
    }
}

/// Where a message goes, or why nothing is to be stored.
pub(super) fn target(context: &Context<'_>, append: &Append) -> Result<Located, Tagged> {
    if append.data == AppendData::Utf8 && !context.user.enabled.utf8 {
        return Err(enable_utf8());
    }
    let located = context.target(&append.mailbox)?;
    if append.message.is_empty() { Err(nothing_appended()) } else { Ok(located) }
}

type Stored = Result<(Appended, Option<View>), Error>;

/// Several APPENDs that came at once, each with what came of it.
struct AppendsInTurn {
    rest: VecDeque<(Tag, AppendData, Stored)>,
    /// The selected mailbox as the last one that was answered left it: what is newer belongs to a later one.
    left: Option<View>,
}

/// Does APPENDs that came at once; they share commits, and each has its answer.
pub(super) fn in_turn(context: &mut Context<'_>, appends: Vec<(Tag, Ready)>) -> impl Answers + use<> {
    let answered: Vec<(Tag, AppendData)> = appends.iter().map(|(tag, ready)| (tag.clone(), ready.data)).collect();
    let messages = appends.into_iter().map(|(_, ready)| (ready.mailbox, ready.message)).collect();
    let outcomes = context.user.account.append_in_turn(context.actor(), messages);
    let rest = answered.into_iter().zip(outcomes).map(|((tag, data), stored)| (tag, data, stored)).collect();
    let own = context.user.selected.as_ref().filter(|selected| selected.shared.is_none());
    AppendsInTurn { rest, left: own.map(|selected| selected.view.clone()) }
}

impl Answers for AppendsInTurn {
    /// It tells what that APPEND has brought, and the last one whatever there is.
    fn next(&mut self, user: &mut User) -> Option<Finish> {
        let (tag, data, stored) = self.rest.pop_front()?;
        let answer = match stored {
            Ok((appended, view)) => {
                let is_selected = user.selected_is(&user.account, appended.mailbox).is_some();
                self.left = view.filter(|_| is_selected).or(self.left.take());
                append_uid(&[appended])
            }
            Err(error) => refusal(error, data),
        };
        let view = (!self.rest.is_empty()).then(|| self.left.clone()).flatten();
        Some(Finish { news: Some(News { view, ..News::default() }), ..Finish::new(tag, answer) })
    }
}

pub(super) fn internal_date(context: &Context<'_>, date: Option<DateTime>) -> Timestamp {
    match date {
        Some(date) => Timestamp::from_unix_seconds(date.unix_seconds()),
        None => Timestamp(context.now.unix_millis),
    }
}

/// RFC 6855 §4
fn enable_utf8() -> Tagged {
    Tagged::bad("ENABLE UTF8=ACCEPT first")
}

pub(super) fn refusal(error: Error, data: AppendData) -> Tagged {
    match error {
        // RFC 3516 §4.4: for a literal8 that cannot be kept as it is.
        Error::InvalidContent(why) if matches!(data, AppendData::Literal8 | AppendData::Utf8) => {
            Tagged::refused(Code::UnknownCte, why)
        }
        other => other.into(),
    }
}

/// RFC 4315 §3, RFC 3502 §6.3.11: the UIDs in the order of the messages.
fn append_uid(appended: &[Appended]) -> Tagged {
    let done = Tagged::ok("APPEND done");
    match append_uid_code(appended) {
        Some(code) => done.with_code(code),
        None => done,
    }
}

/// The same alone.
pub(super) fn append_uid_code(appended: &[Appended]) -> Option<ResultCode> {
    let first = appended.first()?;
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for Appended { uid, .. } in appended {
        match ranges.last_mut() {
            Some(range) if range.end().checked_add(1) == Some(uid.0) => *range = *range.start()..=uid.0,
            _ => ranges.push(uid.0..=uid.0),
        }
    }
    let (uidvalidity, uids) = (first.uid_validity.0, SequenceSet::from_ranges(ranges));
    Some(ResultCode::AppendUid { uidvalidity, uids })
}
