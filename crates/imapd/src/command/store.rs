//! STORE (RFC 9051 §6.4.6) with UNCHANGEDSINCE (RFC 7162 §3.1.3). Its own FETCH responses come from `sync` too.

use super::{Answer, Context, enable};
use crate::selected::Selected;
use crate::sync::{Expunges, News, Silent, changed_bits};
use crate::tagged::{ResultCode, Tagged};
use imap_proto::command::{Store, StoreAction};
use imap_proto::{Flag, Numbering, SequenceSet};
use store::{Error, FlagChange, FlagMode, Flags, FlagsChanged, ModSeq, SystemFlag, Uid};

pub(super) fn run(context: &mut Context<'_>, store: &Store, news: &mut News) -> Answer {
    if store.numbering == Numbering::Sequence {
        news.expunges = Expunges::HoldBack;
    }
    // RFC 7162 §3.1
    if store.unchanged_since.is_some() {
        enable::switch_condstore_on(context);
    }
    let actor = context.actor();
    context.tell_named(&store.set, store.numbering)?;
    let selected = context.writable()?;
    let uids = selected.uids(&store.set, store.numbering)?;
    let change = FlagChange {
        mode: mode(store.action),
        flags: flags(&store.flags),
        unchanged_since: store.unchanged_since.map(ModSeq),
    };
    let same = if store.silent { Vec::new() } else { unchanged(selected, &uids, &change) };
    let changed = selected.account.change_flags(actor, selected.mailbox, uids.clone(), change.clone());
    let FlagsChanged { modified } = match changed {
        Ok(changed) => changed,
        // Another device deleted the mailbox, which `sync` tells.
        Err(Error::NoSuchMailbox) => FlagsChanged::default(),
        Err(error) => return Err(error.into()),
    };
    news.repeat = same;
    news.repeat.retain(|uid| modified.binary_search(uid).is_err());
    let answer = answer(selected, store, &modified);
    if store.silent {
        let uids = uids.into_iter().filter(|uid| modified.binary_search(uid).is_err()).collect();
        news.silent = Some(Silent { uids, mode: change.mode, flags: change.flags });
    }
    Ok(answer)
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
    let bits = keywords.known_bits(&change.flags);
    let same = |uid: &&Uid| {
        selected.told.find(**uid).is_some_and(|entry| changed_bits(entry.flags, change.mode, bits) == entry.flags)
    };
    uids.iter().rev().filter(same).copied().collect()
}

fn mode(action: StoreAction) -> FlagMode {
    match action {
        StoreAction::Replace => FlagMode::Replace,
        StoreAction::Add => FlagMode::Add,
        StoreAction::Remove => FlagMode::Remove,
    }
}

/// Flags as the store takes them.
pub(super) fn flags(flags: &[Flag]) -> Flags {
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
