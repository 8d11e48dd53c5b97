//! NOTIFY (RFC 5465): the command, and what is told between commands because of it.
//!
//! Deviates from RFC 5465 §5: whoever wants to hear of new messages in the selected mailbox hears of flags there too, as any
//! client may at any time (RFC 9051 §7).

use super::{Begun, fetch, metadata, status};
use crate::connection::{ImapSession, Turn};
use crate::context::Context;
use crate::located::OTHERS;
use crate::notify::{NAMES_MAX, Notify, Wanted};
use crate::selected::Selected;
use crate::state::{Running, State};
use crate::sync::{Look, News};
use crate::tagged::Tagged;
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{Fetch, FetchItem, Notify as Request, StatusItem};
use imap_proto::response::{ListEntry, MailboxAttribute};
use imap_proto::{Code, MailboxName, MessageSet, Numbering, SequenceSet};
use std::collections::BTreeSet;
use std::task::Waker;
use store::{Annotation, Error, Mailbox, Mailboxes};

/// RFC 5465 §8: those that there are.
const EVENTS: &[&str] = &[
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];

pub(super) fn run(context: &mut Context<'_>, request: Request, waker: Waker) -> super::Answer {
    // RFC 5465 §3.1: what was wanted before does not count any more.
    let Request::Set { status, groups } = request else {
        context.user.notify = None;
        return Ok(Tagged::ok("NOTIFY done"));
    };
    if groups.iter().any(|group| group.events.unknown) {
        return Err(Tagged::refused(Code::BadEvent(EVENTS), "There are no such events here"));
    }
    // What happens in the mailboxes of others is told of the selected one alone.
    let is_of_others = |name: &MailboxName| name.as_str().starts_with(OTHERS);
    if groups.iter().flat_map(|group| group.filter.names()).any(is_of_others) {
        return Err(Tagged::refused(Code::Cannot, "Of mailboxes that others share only the selected one is watched"));
    }
    if groups.iter().map(|group| group.filter.names().len()).sum::<usize>() > NAMES_MAX {
        return Err(Tagged::refused(Code::Limit, "Too many mailboxes are named"));
    }
    // It watches first and looks then, so nothing in between is missed.
    let watch = context.user.account.watch(waker);
    let now = context.mailboxes()?;
    let notify = Notify::new(groups, watch, now.clone());
    if status {
        for mailbox in now.iter() {
            let Wanted { messages, flags, .. } = notify.wanted(mailbox);
            if messages || flags {
                // RFC 5465 §3.1: whoever asks for flags here learns the mod-sequence, aware of it or not.
                tell_status(context, mailbox, flags)?;
            }
        }
    }
    context.user.notify = Some(Box::new(notify));
    Ok(Tagged::ok("NOTIFY done"))
}

/// What of new messages is told, slice by slice.
pub(crate) type Telling = Box<dyn Work>;

/// How far a look came.
enum Noticed {
    All,
    More,
    /// New messages are to be fetched.
    New(Telling),
}

impl ImapSession {
    /// No command is under way: tells what the client wants to hear without asking. `idle`: what goes on then.
    pub(crate) fn notify(&mut self, idle: Option<Running>, output: &mut Vec<u8>) -> Turn {
        let every = self.service.limits.refresh_millis;
        let noticed = match &mut self.state {
            State::Authenticated(user)
                if user.notify.is_some() && (idle.is_some() || self.receiver.is_between_commands()) =>
            {
                if !user.may_stay(self.now, every) {
                    return self.show_out(output);
                }
                look(&mut Context { service: &self.service, now: self.now, user, output })
            }
            State::Authenticated(_) | State::NotAuthenticated(_) | State::Logout => Ok(Noticed::All),
        };
        match noticed {
            Err(Error::NoSuchAccount | Error::LoginEnded) => self.show_out(output),
            Ok(Noticed::More) => {
                self.running = idle;
                Turn::Flush
            }
            Ok(Noticed::New(telling)) => self.go_on(Running::Telling(telling, idle.map(Box::new))),
            // Logged by the store; the next look tells the same.
            Ok(Noticed::All) | Err(_) => {
                self.running = idle;
                Turn::Wait
            }
        }
    }

    /// The next slice of what is told of new messages.
    pub(crate) fn telling_turn(
        &mut self,
        mut telling: Telling,
        then: Option<Box<Running>>,
        output: &mut Vec<u8>,
    ) -> Turn {
        let State::Authenticated(user) = &mut self.state else { return Turn::Close };
        match telling.run(&mut Context { service: &self.service, now: self.now, user, output }) {
            Ok(Progress::More) => self.pause(Running::Telling(telling, then)),
            // A message that cannot be read is found out by whoever asks for it.
            Ok(Progress::Done(_)) | Err(Stop::Refused(_)) => {
                self.running = then.map(|running| *running);
                Turn::Again
            }
            Err(Stop::Broken) => Turn::Close,
            Err(Stop::Gone) => self.show_out(output),
        }
    }
}

fn look(context: &mut Context<'_>) -> Result<Noticed, Error> {
    let now = context.user.account.mailboxes()?;
    let Some(mut notify) = context.user.notify.take() else { return Ok(Noticed::All) };
    let noticed = notice(context, &mut notify, &now);
    context.user.notify = Some(notify);
    noticed
}

fn notice(context: &mut Context<'_>, notify: &mut Notify, now: &Mailboxes) -> Result<Noticed, Error> {
    let has_changed = now.head() != notify.told.head();
    // Of somebody else's mailbox it is not known before a look.
    let is_shared = context.user.selected.as_ref().is_some_and(|selected| selected.shared.is_some());
    if let (Some(wish), Some(selected)) = (&notify.selected, &context.user.selected)
        && (has_changed || is_shared || (selected.holds_back && !wish.delayed))
    {
        let mut news = if wish.delayed { News::without_expunges() } else { News::default() };
        match context.user.tell(&mut news, context.output)? {
            Look::Done => {}
            Look::More => return Ok(Noticed::More),
        }
    }
    if has_changed {
        tell_changes(context, notify, now)?;
        notify.told = now.clone();
    }
    Ok(new_messages(context, notify)?.map_or(Noticed::All, Noticed::New))
}

fn tell_changes(context: &mut Context<'_>, notify: &Notify, now: &Mailboxes) -> Result<(), Error> {
    for before in notify.told.iter().filter(|before| now.by_id(before.id).is_none()) {
        if notify.wanted(before).names {
            tell_name(context, &before.name, None, &[MailboxAttribute::NonExistent]);
        }
    }
    let own = context.user.selected.as_ref().filter(|selected| selected.shared.is_none());
    let selected = own.map(|selected| selected.mailbox);
    for mailbox in now.iter() {
        let before = notify.told.by_id(mailbox.id);
        if before.is_some_and(|before| is_same(before, mailbox)) {
            continue;
        }
        tell_change(context, notify, before, mailbox)?;
        let wanted = notify.wanted(mailbox);
        if selected != Some(mailbox.id) && has_news(wanted, before, mailbox) {
            tell_status(context, mailbox, false)?;
        }
    }
    if notify.wants_metadata() && now.annotated() > notify.told.head() {
        tell_annotations(context, notify, now)?;
    }
    if notify.wants_subscriptions() {
        tell_names_without_mailbox(context, &notify.told, now);
    }
    Ok(())
}

fn is_same(before: &Mailbox, mailbox: &Mailbox) -> bool {
    before.highest_modseq == mailbox.highest_modseq
        && before.uid_next == mailbox.uid_next
        && before.counts == mailbox.counts
        && before.uid_validity == mailbox.uid_validity
        && before.name == mailbox.name
        && before.subscribed == mailbox.subscribed
}

/// RFC 5465 §5.4, §5.5
fn tell_change(
    context: &mut Context<'_>,
    notify: &Notify,
    before: Option<&Mailbox>,
    mailbox: &Mailbox,
) -> Result<(), Error> {
    let (now, then) = (notify.wanted(mailbox), before.map(|before| notify.wanted(before)).unwrap_or_default());
    let is_renamed = before.is_none_or(|before| before.name != mailbox.name);
    let is_subscribed = before.is_none_or(|before| before.subscribed != mailbox.subscribed);
    let wants_names = now.names || then.names;
    let wants_subscriptions = now.subscriptions || then.subscriptions;
    if (is_renamed && wants_names) || (before.is_some() && is_subscribed && wants_subscriptions) {
        let old = before.map(|before| before.name.as_str()).filter(|old| *old != mailbox.name);
        let attributes: &[MailboxAttribute] = if mailbox.subscribed { &[MailboxAttribute::Subscribed] } else { &[] };
        tell_name(context, &mailbox.name, old, attributes);
    }
    Ok(())
}

/// RFC 5465 §5.1, §5.2, §5.3: whether messages came, went, or changed in a mailbox that is not selected.
fn has_news(wanted: Wanted, before: Option<&Mailbox>, mailbox: &Mailbox) -> bool {
    let Some(before) = before else { return wanted.messages && mailbox.counts.messages > 0 };
    let messages = before.uid_next != mailbox.uid_next
        || before.counts.messages != mailbox.counts.messages
        || before.uid_validity != mailbox.uid_validity;
    (wanted.messages && messages) || (wanted.flags && before.highest_modseq != mailbox.highest_modseq)
}

fn tell_names_without_mailbox(context: &mut Context<'_>, before: &Mailboxes, now: &Mailboxes) {
    let names = |mailboxes: &Mailboxes| -> BTreeSet<String> {
        mailboxes.subscribed_without_mailbox().map(str::to_owned).collect()
    };
    let (were, are) = (names(before), names(now));
    for name in are.difference(&were) {
        tell_name(context, name, None, &[MailboxAttribute::NonExistent, MailboxAttribute::Subscribed]);
    }
    for name in were.difference(&are).filter(|name| now.by_name(name).is_none()) {
        tell_name(context, name, None, &[MailboxAttribute::NonExistent]);
    }
}

/// RFC 5465 §5.6, §5.7
fn tell_annotations(context: &mut Context<'_>, notify: &Notify, now: &Mailboxes) -> Result<(), Error> {
    let since = notify.told.head();
    for (of, all) in context.user.account.all_annotations()? {
        let mailbox = of.and_then(|id| now.by_id(id));
        let is_wanted = match (of, mailbox) {
            (None, _) => notify.wants_server_metadata(),
            (Some(_), Some(mailbox)) => notify.wanted(mailbox).metadata,
            (Some(_), None) => false,
        };
        // What was set after `now` is told at the next look.
        let changed = all.iter().filter(|one| is_wanted && since < one.changed && one.changed <= now.head());
        metadata::tell_changed(context, mailbox, &changed.collect::<Vec<&Annotation>>());
    }
    Ok(())
}

fn tell_name(context: &mut Context<'_>, name: &str, old: Option<&str>, attributes: &[MailboxAttribute]) {
    let Ok(name) = MailboxName::new(name) else { return };
    let old_name = old.and_then(|old| MailboxName::new(old).ok());
    let entry = ListEntry { attributes, name: &name, old_name: old_name.as_ref(), child_info: &[] };
    context.encoder().list(&entry);
}

/// `modseq`: also to a client that is not aware of mod-sequences.
fn tell_status(context: &mut Context<'_>, mailbox: &Mailbox, modseq: bool) -> Result<(), Error> {
    let Ok(name) = MailboxName::new(&mailbox.name) else { return Ok(()) };
    let items = [StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity, StatusItem::Unseen];
    let modseq = (modseq || context.user.enabled.condstore).then_some(StatusItem::HighestModSeq);
    let items: Vec<StatusItem> = items.into_iter().chain(modseq).collect();
    let account = context.user.account.clone();
    status::tell(context, (&account, mailbox), &name, &items)
}

/// RFC 5465 §5.2: what is told of messages that came into the selected mailbox.
fn new_messages(context: &mut Context<'_>, notify: &mut Notify) -> Result<Option<Telling>, Error> {
    let Some(wish) = notify.selected.as_mut().filter(|wish| !wish.fetch.is_empty()) else { return Ok(None) };
    let at = |selected: &Selected| (selected.account.id(), selected.mailbox);
    let here = context.user.selected.as_ref().map(|selected| (at(selected), selected.uid_next()));
    let before = std::mem::replace(&mut wish.new_from, here);
    let (Some((mailbox, end)), Some((known, from))) = (here, before) else { return Ok(None) };
    if mailbox != known || from >= end {
        return Ok(None);
    }
    let items: Vec<FetchItem> = wish.fetch.clone();
    let set = MessageSet::Numbers(SequenceSet::from_ranges([from.0..=end.0.saturating_sub(1)]));
    let request = Fetch { numbering: Numbering::Uid, set, items, changed_since: None, partial: None };
    let begun = fetch::begin(context, request).map(Begun::from);
    Ok(match begun {
        Ok(Begun::Works(work)) => Some(work),
        Ok(Begun::Over(_)) | Err(_) => None,
    })
}
