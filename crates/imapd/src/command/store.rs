//! STORE (RFC 9051 §6.4.6) with UNCHANGEDSINCE (RFC 7162 §3.1.3). Its own FETCH responses come from `sync` too.

use super::announced::UNANNOUNCED_MESSAGES_MAX;
use super::within::Within;
use crate::context::Context;
use crate::located::acting_in;
use crate::message_limit::Cut;
use crate::selected::Selected;
use crate::state::{Answers, Finish};
use crate::sync::{Heard, Look, News, OwnChange, is_told, may_number};
use crate::tagged::{ResultCode, Tagged};
use crate::user::User;
use crate::work::{Progress, Stop, Work};
use imap_proto::command::{Store, StoreAction};
use imap_proto::{Code, Flag, Numbering, SequenceSet, Tag};
use std::collections::VecDeque;
use std::mem;
use store::{Error, FlagChange, FlagMode, Flags, FlagsChanged, ModSeq, SystemFlag, Uid, View, flags_piece};

/// A STORE on its way. What a piece has changed is told before the next one.
pub(super) struct Storing {
    store: Store,
    change: FlagChange,
    uids: Vec<Uid>,
    begun: usize,
    modified: Vec<Uid>,
    /// Of the last piece.
    news: News,
    is_told: bool,
}

pub(super) fn begin(context: &mut Context<'_>, store: Store) -> Result<Within<Storing>, Tagged> {
    // RFC 7162 §3.1
    if store.unchanged_since.is_some() {
        context.switch_condstore_on();
    }
    context.tell_named(&store.set, store.numbering)?;
    let (enabled, max) = (context.user.enabled, context.service.limits.messages.processed());
    let selected = context.selected()?;
    if store.numbering == Numbering::Sequence && !may_number(selected, enabled)? {
        // RFC 2180 §4.2, RFC 5530 §3
        return Err(Tagged::refused(Code::ExpungeIssued, "Messages are gone that you count: ask by NOOP"));
    }
    let mut uids = selected.uids(&store.set, store.numbering)?;
    let cut = Cut::last_of(&mut uids, max);
    let change = FlagChange {
        mode: mode(store.action),
        flags: flags(&store.flags),
        unchanged_since: store.unchanged_since.map(ModSeq),
    };
    let news = News::after(store.numbering);
    let storing = Storing { store, change, uids, begun: 0, modified: Vec::new(), news, is_told: true };
    Ok(Within::new(storing, cut))
}

type Stored = Result<(FlagsChanged, View), Error>;

/// Several STOREs that came at once, each with what came of it.
struct StoresInTurn {
    rest: VecDeque<(Tag, Storing, Stored)>,
    /// The mailbox as the last one that was answered left it. Where nothing came of one, what is newer is not told yet: the
    /// next one would tell what is older.
    left: View,
}

/// Whether STOREs may share a commit that begin with this one: nothing is to be told before it.
pub(super) fn may_share(user: &mut User, store: &Store) -> bool {
    may_follow(user, store) && user.selected().is_ok_and(|selected| is_told(selected))
}

/// Whether a STORE may share the commit of those before it.
pub(super) fn may_follow(user: &mut User, store: &Store) -> bool {
    let condstore = user.enabled.condstore;
    let Ok(selected) = user.writable() else { return false };
    // What a guest changes is looked at by itself.
    selected.shared.is_none()
        && (condstore || store.unchanged_since.is_none())
        && !selected.names_unknown(&store.set, store.numbering)
}

/// Does STOREs that came at once; they share commits, and each has its answer.
pub(super) fn in_turn(context: &mut Context<'_>, stores: Vec<(Tag, Storing)>) -> Result<impl Answers + use<>, Tagged> {
    let actor = context.actor();
    let selected = context.selected()?;
    let changes = stores.iter().map(|(_, storing)| (storing.uids.clone(), storing.change.clone())).collect();
    let outcomes = selected.account.change_flags_in_turn(actor, selected.mailbox, changes);
    let rest = stores.into_iter().zip(outcomes).map(|((tag, storing), outcome)| (tag, storing, outcome)).collect();
    Ok(StoresInTurn { rest, left: selected.view.clone() })
}

impl Answers for StoresInTurn {
    /// It tells what that STORE has changed, and the last one whatever there is.
    fn next(&mut self, user: &mut User) -> Option<Finish> {
        let (tag, mut storing, outcome) = self.rest.pop_front()?;
        let selected = user.selected().ok()?;
        let uids = mem::take(&mut storing.uids);
        let same = storing.unchanged(selected, &uids);
        let answer = match outcome {
            Ok((changed, view)) => {
                self.left = view;
                storing.done(uids, same, changed);
                answer(selected, &storing.store, &storing.modified)
            }
            // Another device deleted the mailbox, which `sync` tells.
            Err(Error::NoSuchMailbox) => answer(selected, &storing.store, &[]),
            Err(error) => error.into(),
        };
        let view = (!self.rest.is_empty()).then(|| self.left.clone());
        let news = storing.news().map(|news| News { view, ..news });
        Some(Finish { news, ..Finish::new(tag, answer) })
    }
}

impl Storing {
    /// How many messages it is about.
    pub(super) fn count(&self) -> usize {
        self.uids.len()
    }

    /// The messages whose flags are told though they do not change.
    fn unchanged(&self, selected: &Selected, uids: &[Uid]) -> Vec<Uid> {
        if self.store.silent { Vec::new() } else { unchanged(selected, uids, &self.change) }
    }

    /// Notes what came of a change of `uids`, of which `same` had the flags already.
    fn done(&mut self, uids: Vec<Uid>, same: Vec<Uid>, FlagsChanged { modified }: FlagsChanged) {
        // RFC 9051 §7.5.1: nothing gone is told before the end, where it depends on the numbers that the command has.
        self.news = News::without_expunges();
        let is_done = |uid: &Uid| modified.binary_search(uid).is_err();
        self.news.repeat = same.into_iter().filter(is_done).collect();
        let heard = match self.store.numbering {
            _ if self.store.silent => Some(Heard::Silent),
            Numbering::Sequence if self.store.unchanged_since.is_none() => Some(Heard::Counted),
            Numbering::Sequence | Numbering::Uid => None,
        };
        self.news.own = heard.map(|heard| {
            let uids = uids.into_iter().filter(is_done).collect();
            OwnChange { uids, mode: self.change.mode, flags: self.change.flags.clone(), heard }
        });
        self.modified.extend(modified);
        self.is_told = false;
    }
}

impl Work for Storing {
    fn takes_long(&self) -> bool {
        self.uids.len() > UNANNOUNCED_MESSAGES_MAX
    }

    fn news(&mut self) -> Option<News> {
        let expunges = News::after(self.store.numbering).expunges;
        Some(News { expunges, ..mem::take(&mut self.news) })
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<Progress, Stop> {
        if !self.is_told && context.user.tell(&mut self.news, context.output)? == Look::More {
            return Ok(Progress::More);
        }
        let actor = context.actor();
        let selected = context.selected()?;
        let rest = self.uids.get(self.begun..).unwrap_or_default();
        let uids = flags_piece(rest).to_vec();
        self.begun += uids.len();
        let same = self.unchanged(selected, &uids);
        let actor = acting_in(&selected.account, actor);
        let changed = selected.account.change_flags(actor, selected.mailbox, uids.clone(), self.change.clone());
        let changed = match changed {
            Ok(changed) => changed,
            // Another device deleted the mailbox, which `sync` tells.
            Err(Error::NoSuchMailbox) => FlagsChanged::default(),
            Err(error) => return Err(error.into()),
        };
        self.done(uids, same, changed);
        let is_last = self.begun >= self.uids.len();
        Ok(if is_last { Progress::Done(answer(selected, &self.store, &self.modified)) } else { Progress::More })
    }
}

fn answer(selected: &Selected, store: &Store, modified: &[Uid]) -> Tagged {
    let answer = Tagged::ok("STORE done");
    if modified.is_empty() {
        return answer;
    }
    // RFC 7162 §3.1.3: numbers as the command counts them.
    let numbers = modified.iter().filter_map(|uid| match store.numbering {
        Numbering::Uid => Some(uid.0),
        Numbering::Sequence => selected.told.position(*uid).ok().map(crate::sync::number_at),
    });
    let code = ResultCode::Modified(SequenceSet::from_sorted(numbers));
    Tagged { text: "Some have changed since".into(), ..answer }.with_code(code)
}

/// The messages that have these flags already, highest first: they do not change, and the client hears of them still.
fn unchanged(selected: &Selected, uids: &[Uid], change: &FlagChange) -> Vec<Uid> {
    let keywords = &selected.view.mailbox().keywords;
    let new_keyword = change.flags.keywords.iter().any(|name| keywords.number(name).is_none());
    if new_keyword && change.mode != FlagMode::Remove {
        return Vec::new();
    }
    let flags = keywords.known(&change.flags);
    let mut told = selected.told.walk();
    let same = |uid: &&Uid| {
        let entry = told.find(**uid).map(|(_, entry)| entry.flags);
        entry.is_some_and(|before| change.mode.apply(before, &flags) == Some(before))
    };
    let mut unchanged: Vec<Uid> = uids.iter().filter(same).copied().collect();
    unchanged.reverse();
    unchanged
}

fn mode(action: StoreAction) -> FlagMode {
    match action {
        StoreAction::Replace => FlagMode::Replace,
        StoreAction::Add => FlagMode::Add,
        StoreAction::Remove => FlagMode::Remove,
    }
}

/// Flags as the store takes them.
pub(crate) fn flags(flags: &[Flag]) -> Flags {
    let mut stored = Flags::default();
    for flag in flags {
        let system = match flag {
            Flag::Seen => SystemFlag::Seen,
            Flag::Answered => SystemFlag::Answered,
            Flag::Flagged => SystemFlag::Flagged,
            Flag::Deleted => SystemFlag::Deleted,
            Flag::Draft => SystemFlag::Draft,
            Flag::Keyword(name) => {
                stored.keywords.push(name.clone());
                continue;
            }
        };
        stored.system = stored.system.with(system);
    }
    stored
}
