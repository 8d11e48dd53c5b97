//! News of the selected mailbox: the only place that sends responses nobody asked for, for own and foreign changes alike.
//!
//! What a client knows is [`Selected::told`]. A look takes the mailbox as it is now and tells the difference: what is gone
//! first, then flags in the order of their changes, then what came. So the answer of a session's own STORE, EXPUNGE or
//! APPEND and the news of another device's are the same responses from the same place.
//!
//! That order makes a client whose connection breaks in between lose nothing, even if it believes the MODSEQ of every FETCH
//! at once: whatever changed up to there was told before (`docs/decisions/0012-no-expunge-is-lost.md`).
//!
//! Invariant: after a look `told` is exactly what the responses so far make of the client's view.
//! Invariant: nothing is told between commands outside of IDLE (RFC 9051 §7), and no EXPUNGE while it is held back.
//! Invariant: while an EXPUNGE is held back no MODSEQ is told that is more than [`crate::resync::HELD_BACK_MODSEQS_MAX`] above the last
//! change before it.

use crate::enabled::Enabled;
use crate::selected::{Followed, Selected};
use imap_proto::response::{NewKeywords, Vanished};
use imap_proto::{Code, Encoder, Numbering, SequenceSet, Status, Tag};
use session::OUTPUT_HIGH_WATER_BYTES;
use store::{Delta, Entry, Error, FlagBits, FlagMode, Flags, Keywords, ModSeq, Rights, SystemFlag, Uid, View};

/// A slice of a look tells at most so many changed messages: about what fits in the output.
const CHANGED_PER_SLICE_MAX: usize = 1024;

/// The results of all searches that are kept up to date are at most so many ranges of UIDs.
pub(crate) const CONTEXT_RANGES_MAX: usize = 50_000;

/// What the end of a command tells beside what changed.
#[derive(Default)]
pub(crate) struct News {
    pub(crate) expunges: Expunges,
    /// The client's own change, where it makes a difference what the client wants to hear of it.
    pub(crate) own: Option<OwnChange>,
    /// Messages whose flags are told even if they did not change, highest first: the answer of a STORE that changed nothing.
    pub(crate) repeat: Vec<Uid>,
    /// The mailbox as it is to be told, where what came after that belongs to a later command.
    pub(crate) view: Option<View>,
}

/// Whether messages that are gone are told now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expunges {
    #[default]
    Tell,
    /// RFC 9051 §7.5.1: not during FETCH, STORE and SEARCH, which count messages.
    HoldBack,
}

/// A STORE.
pub(crate) struct OwnChange {
    /// The messages that it was about, ascending.
    pub(crate) uids: Vec<Uid>,
    pub(crate) mode: FlagMode,
    pub(crate) flags: Flags,
    pub(crate) heard: Heard,
}

/// What a client wants to hear of its own change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing.
    Silent,
    /// All that it has counted, also what is gone.
    Counted,
}

/// How far a look came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Done,
    /// The output is full: send it, then look again.
    More,
}

impl News {
    /// As after FETCH, STORE and SEARCH.
    pub(crate) fn without_expunges() -> Self {
        Self { expunges: Expunges::HoldBack, ..Self::default() }
    }

    /// After a command that numbers messages.
    pub(crate) fn after(numbering: Numbering) -> Self {
        match numbering {
            // RFC 9051 §7.5.1: no EXPUNGE during FETCH, STORE and SEARCH; their UID variants may have it.
            Numbering::Sequence => Self::without_expunges(),
            Numbering::Uid => Self::default(),
        }
    }
}

impl News {
    fn silent(&self) -> Option<&OwnChange> {
        self.own.as_ref().filter(|own| own.heard == Heard::Silent)
    }
}

impl OwnChange {
    /// The flags that the message has after this change alone.
    fn expected(&self, before: FlagBits, keywords: &Keywords) -> Option<FlagBits> {
        self.mode.apply(before, &keywords.known(&self.flags))
    }

    /// Says of messages, which ascend, as they were and are, whether this change has made them so, alone.
    fn expects(&self, keywords: &Keywords) -> impl FnMut(&Entry, &Entry) -> bool {
        let flags = keywords.known(&self.flags);
        let mut own = self.uids.iter().peekable();
        move |before, after| {
            while own.next_if(|uid| **uid < after.uid).is_some() {}
            own.peek().is_some_and(|uid| **uid == after.uid)
                && self.mode.apply(before.flags, &flags) == Some(after.flags)
        }
    }
}

/// Tells what changed in the selected mailbox since the last look.
///
/// # Errors
/// Those of the store, a deleted mailbox apart: to its session all messages are gone.
pub(crate) fn look(
    selected: &mut Selected,
    news: &mut News,
    enabled: Enabled,
    output: &mut Vec<u8>,
) -> Result<Look, Error> {
    let view = match news.view.clone().map_or_else(|| selected.account.view(selected.mailbox), Ok) {
        Ok(view) => view,
        // Of somebody else's: or its owner does not share it any more.
        Err(Error::NoSuchMailbox | Error::NotPermitted) => {
            mailbox_deleted(selected, news.expunges, enabled, output);
            return Ok(Look::Done);
        }
        Err(Error::NoSuchAccount) if selected.shared.is_some() => {
            mailbox_deleted(selected, news.expunges, enabled, output);
            return Ok(Look::Done);
        }
        Err(error) => return Err(error),
    };
    // RFC 7162 §3.1.3: MODSEQ is told even after `.SILENT`.
    let silent = news.silent().filter(|_| !enabled.condstore);
    let mut delta = match silent.map(|silent| silent.expects(&view.mailbox().keywords)) {
        Some(expected) => view.index().since_but(&selected.told, expected),
        None => view.index().since(&selected.told),
    };
    let held_back = news.expunges == Expunges::HoldBack && !delta.vanished.is_empty();
    let mut expected = Vec::new();
    if held_back {
        delta = view.index().since(&selected.told);
        hold_back(selected, &view, &mut delta, enabled)?;
        expected = silent.map_or_else(Vec::new, |silent| take_expected(selected, silent, &view, &mut delta.changed));
        if let Some(counted) = news.own.as_ref().filter(|own| own.heard == Heard::Counted) {
            delta.changed.extend(before_they_went(selected, counted, &view, &delta));
        }
    }
    if view.mailbox().keywords.names().len() > selected.view.mailbox().keywords.names().len() {
        flags_of_mailbox(&view, selected.permanent(), &mut Encoder::new(output, enabled.dialect()));
    }
    selected.view = view;
    if !held_back {
        tell_gone(selected, &delta.vanished, enabled, output);
    }
    if tell_changed(selected, news, &mut delta, enabled, output) == Look::More
        || tell_repeated(selected, news, enabled, output) == Look::More
    {
        return Ok(Look::More);
    }
    if let Some(last) = delta.added.last() {
        selected.meet_recent(Uid(last.uid.0.saturating_add(1)), enabled)?;
    }
    delta.changed.extend(expected);
    tell_new(selected, &delta, held_back, enabled, output);
    Ok(Look::Done)
}

/// Tells what changed in the results of searches that are kept up to date (RFC 5267), after what changed in the mailbox was told.
pub(crate) fn keep_up(selected: &mut Selected, enabled: Enabled, output: &mut Vec<u8>) -> Look {
    let Some(mut contexts) = selected.contexts.take() else { return Look::Done };
    let (mut look, mut ranges) = (Look::Done, 0_usize);
    contexts.0.retain_mut(|context| {
        let followed = match look {
            Look::Done => context.catch_up(selected, enabled, output),
            Look::More => Followed::More,
        };
        ranges = ranges.saturating_add(context.ranges());
        let is_kept = followed != Followed::GivenUp && ranges <= CONTEXT_RANGES_MAX;
        if !is_kept {
            refuse_updates(context.tag(), enabled, output);
        } else if followed == Followed::More {
            look = Look::More;
        }
        is_kept
    });
    selected.contexts = Some(contexts).filter(|contexts| !contexts.0.is_empty());
    look
}

/// RFC 5267 §4.3.1: the results of a search are not kept up to date, or not any more.
pub(crate) fn refuse_updates(tag: &Tag, enabled: Enabled, output: &mut Vec<u8>) {
    let text = "The results are not kept up to date";
    Encoder::new(output, enabled.dialect()).untagged(Status::No, Some(Code::NoUpdate(tag)), text);
}

/// Takes out, of changes that ascend by UID, what the client's own STORE with `.SILENT` has made as it expects: nothing is said of
/// that.
fn take_expected(selected: &Selected, silent: &OwnChange, view: &View, changed: &mut Vec<Entry>) -> Vec<Entry> {
    let (mut told, mut expects) = (selected.told.walk(), silent.expects(&view.mailbox().keywords));
    let is_expected = |entry: &mut Entry| told.find(entry.uid).is_some_and(|(_, before)| expects(before, entry));
    changed.extract_if(.., is_expected).collect()
}

/// The messages that the client's own STORE has named, and that are gone and counted still, as if they had gone after it: whoever gets OK
/// has heard of all that it named (RFC 9051 §6.4.6), and which of two commands came first nobody knows.
fn before_they_went(selected: &Selected, own: &OwnChange, view: &View, delta: &Delta) -> Vec<Entry> {
    let flags = view.mailbox().keywords.known(&own.flags);
    let named = delta.vanished.iter().filter(|(_, uid)| own.uids.binary_search(uid).is_ok());
    let after = |entry: &Entry| own.mode.apply(entry.flags, &flags).filter(|after| *after != entry.flags);
    named
        .filter_map(|(_, uid)| selected.told.find(*uid))
        .filter_map(|entry| after(entry).map(|flags| Entry { flags, ..*entry }))
        .collect()
}

/// What the end of a command tells of how far the client's knowledge goes.
///
/// Who holds an EXPUNGE back must say so: the client may believe the MODSEQs that it heard meanwhile, and would never ask
/// for what vanished below them. And VANISHED tells no MODSEQ (RFC 7162 §3.2.7 demands it after EXPUNGE; here after all).
pub(crate) fn modseq_to_say(selected: &mut Selected, enabled: Enabled) -> Option<ModSeq> {
    let untold = std::mem::replace(&mut selected.says_modseq, selected.holds_back) && enabled.qresync;
    (untold || selected.holds_back && enabled.condstore).then_some(selected.known_modseq)
}

/// Whether a command that names messages by number may change them: not if its answer would tell MODSEQs too far above
/// what is held back.
pub(crate) fn may_number(selected: &mut Selected, enabled: Enabled) -> Result<bool, Error> {
    let view = match selected.account.view(selected.mailbox) {
        Ok(view) => view,
        Err(Error::NoSuchMailbox | Error::NotPermitted | Error::NoSuchAccount) => return Ok(true),
        Err(error) => return Err(error),
    };
    let highest = view.mailbox().highest_modseq;
    let is_near = !enabled.condstore || highest < selected.highest_to_tell();
    if is_near || view.index().since(&selected.told).vanished.is_empty() {
        return Ok(true);
    }
    selected.look_for_first_gone()?;
    // The change itself is the next one.
    Ok(highest < selected.highest_to_tell())
}

/// Whether the client knows the mailbox as it is now.
pub(crate) fn is_told(selected: &Selected) -> bool {
    let Ok(view) = selected.account.view(selected.mailbox) else { return false };
    let keywords = |view: &View| view.mailbox().keywords.names().len();
    !selected.holds_back && keywords(&view) == keywords(&selected.view) && view.index().since(&selected.told).is_empty()
}

/// Leaves out of a delta what may not be told while its EXPUNGEs are held back; it is told with them.
fn hold_back(selected: &mut Selected, view: &View, delta: &mut Delta, enabled: Enabled) -> Result<(), Error> {
    if !enabled.condstore || view.mailbox().highest_modseq <= selected.highest_to_tell() {
        return Ok(());
    }
    selected.look_for_first_gone()?;
    let highest = selected.highest_to_tell();
    delta.changed.retain(|entry| entry.modseq <= highest);
    let added = delta.added.iter().take_while(|entry| entry.modseq <= highest).count();
    delta.added.truncate(added);
    Ok(())
}

/// `* FLAGS` and PERMANENTFLAGS (RFC 9051 §7.3.5, §7.1).
pub(crate) fn flags_of_mailbox(view: &View, rights: Rights, encoder: &mut Encoder<'_>) {
    let keywords = &view.mailbox().keywords;
    let mut names: Vec<&str> = SystemFlag::ALL.iter().map(|flag| flag.name()).collect();
    names.extend(keywords.names().iter().map(String::as_str));
    encoder.flags(&names);
    // RFC 4314 §5.1.1: those that there is a right to.
    let needed = |name: &&str| match *name {
        "\\Seen" => Rights::SEEN,
        "\\Deleted" => Rights::DELETE_MESSAGES,
        _ => Rights::WRITE,
    };
    names.retain(|name| rights.has(needed(name)));
    let is_open = keywords.has_room() && rights.has(Rights::WRITE);
    let new = if is_open { NewKeywords::Allowed } else { NewKeywords::Refused };
    encoder.untagged(Status::Ok, Some(Code::PermanentFlags { flags: &names, keywords: new }), "Flags permitted");
}

/// `* n FETCH (UID u FLAGS (…) MODSEQ (m))`
pub(crate) fn flags_of_message(
    selected: &Selected,
    number: u32,
    entry: &Entry,
    enabled: Enabled,
    output: &mut Vec<u8>,
) {
    let keywords = &selected.view.mailbox().keywords;
    let mut encoder = Encoder::new(output, enabled.dialect());
    let mut fetch = enabled.fetch_named(&mut encoder, number, entry.uid);
    fetch.flags(flag_names(entry.flags, keywords, selected.recent.has(entry.uid)));
    if enabled.condstore {
        fetch.modseq(entry.modseq.0);
    }
    fetch.finish();
}

/// The names of a message's flags, as on the wire.
pub(crate) fn flag_names(flags: FlagBits, keywords: &Keywords, recent: bool) -> impl Iterator<Item = &str> {
    let system = SystemFlag::ALL.iter().filter(move |flag| flags.has(**flag)).map(|flag| flag.name());
    system.chain(recent.then_some("\\Recent")).chain(keywords.set_in(flags))
}

fn tell_changed(
    selected: &mut Selected,
    news: &News,
    delta: &mut Delta,
    enabled: Enabled,
    output: &mut Vec<u8>,
) -> Look {
    let more = first_changed(&mut delta.changed);
    let mut count = 0;
    for entry in &delta.changed {
        if output.len() >= OUTPUT_HIGH_WATER_BYTES {
            break;
        }
        tell_one_changed(selected, news, entry, enabled, output);
        count += 1;
    }
    let look = if more || count < delta.changed.len() { Look::More } else { Look::Done };
    if look == Look::More || !news.repeat.is_empty() {
        let told = Delta { changed: delta.changed.drain(..count).collect(), ..Delta::default() };
        selected.told = selected.told.with_expunges_held_back(&told);
    }
    look
}

/// Leaves the first changes of those that there are, in their order; whether there are more.
fn first_changed(changed: &mut Vec<Entry>) -> bool {
    let more = changed.len() > CHANGED_PER_SLICE_MAX;
    if more {
        changed.select_nth_unstable_by_key(CHANGED_PER_SLICE_MAX, |entry| entry.modseq);
        changed.truncate(CHANGED_PER_SLICE_MAX);
    }
    changed.sort_unstable_by_key(|entry| (entry.modseq, entry.uid));
    more
}

fn tell_one_changed(selected: &Selected, news: &News, entry: &Entry, enabled: Enabled, output: &mut Vec<u8>) {
    let Some((number, before)) = number_of(selected, entry.uid) else { return };
    let keywords = &selected.view.mailbox().keywords;
    let own = news.silent().filter(|silent| silent.uids.binary_search(&entry.uid).is_ok());
    if own.is_none_or(|silent| silent.expected(before.flags, keywords) != Some(entry.flags)) {
        flags_of_message(selected, number, entry, enabled, output);
    } else if enabled.condstore {
        // RFC 7162 §3.1.3: MODSEQ is told even after `.SILENT`.
        let mut encoder = Encoder::new(output, enabled.dialect());
        let mut fetch = enabled.fetch_named(&mut encoder, number, entry.uid);
        fetch.modseq(entry.modseq.0);
        fetch.finish();
    }
}

fn tell_repeated(selected: &Selected, news: &mut News, enabled: Enabled, output: &mut Vec<u8>) -> Look {
    while let Some(uid) = news.repeat.pop() {
        if let Some((number, entry)) = number_of(selected, uid) {
            flags_of_message(selected, number, entry, enabled, output);
        }
        if output.len() >= OUTPUT_HIGH_WATER_BYTES && !news.repeat.is_empty() {
            return Look::More;
        }
    }
    Look::Done
}

fn tell_new(selected: &mut Selected, delta: &Delta, held_back: bool, enabled: Enabled, output: &mut Vec<u8>) {
    selected.holds_back = held_back;
    if held_back {
        selected.told = selected.told.with_expunges_held_back(delta);
        selected.known_modseq = selected.gone_after.unwrap_or(selected.known_modseq);
    } else {
        selected.told = selected.view.index().clone();
        selected.known_modseq = selected.view.mailbox().highest_modseq;
        selected.gone_after = None;
    }
    if !delta.added.is_empty() {
        Encoder::new(output, enabled.dialect()).exists(selected.exists());
    }
    selected.recent.tell(&selected.told, false, enabled, &mut Encoder::new(output, enabled.dialect()));
}

fn tell_gone(selected: &mut Selected, vanished: &[(usize, Uid)], enabled: Enabled, output: &mut Vec<u8>) {
    if vanished.is_empty() {
        return;
    }
    // RFC 5267 §4.3.4
    for context in selected.contexts.iter_mut().flat_map(|contexts| &mut contexts.0) {
        context.before_expunge(&selected.told, vanished, enabled, output);
    }
    let mut encoder = Encoder::new(output, enabled.dialect());
    if enabled.tells_vanished() {
        encoder.vanished(Vanished::Now, &SequenceSet::from_sorted(vanished.iter().map(|(_, uid)| uid.0)));
    } else {
        // From the highest number down, so that none of them moves the next.
        for (position, _) in vanished.iter().rev() {
            encoder.expunge(number_at(*position));
        }
    }
    selected.told = selected.told.without(vanished);
    selected.says_modseq = true;
}

/// Another device deleted the mailbox. RFC 9051 knows no way back to the authenticated state that the server could begin,
/// and BYE would only make the client come again; so all messages are gone, and the mailbox stays empty until the client
/// selects another. STORE, COPY and FETCH on it find nothing.
fn mailbox_deleted(selected: &mut Selected, expunges: Expunges, enabled: Enabled, output: &mut Vec<u8>) {
    if expunges == Expunges::HoldBack || selected.told.is_empty() {
        return;
    }
    let vanished: Vec<(usize, Uid)> = selected.told.iter().map(|entry| entry.uid).enumerate().collect();
    tell_gone(selected, &vanished, enabled, output);
    (selected.holds_back, selected.says_modseq) = (false, false);
    let text = "The selected mailbox was deleted";
    Encoder::new(output, enabled.dialect()).untagged(Status::No, Some(Code::NonExistent), text);
}

fn number_of(selected: &Selected, uid: Uid) -> Option<(u32, &Entry)> {
    let position = selected.told.position(uid).ok()?;
    selected.told.get(position).map(|entry| (number_at(position), entry))
}

/// RFC 9051 §2.3.1.2: message sequence numbers begin at 1. A mailbox has fewer than 2³² messages, as UIDs are 32 bits.
pub(crate) fn number_at(position: usize) -> u32 {
    u32::try_from(position + 1).unwrap_or(u32::MAX)
}
