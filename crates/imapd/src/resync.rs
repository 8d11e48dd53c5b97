//! What a client is told that comes back: what vanished (RFC 7162 §3.2.5.1, §3.2.6), and which messages changed.
//!
//! A client may believe more than it was told. Some raise the value that they come back with at the MODSEQ of every FETCH,
//! also while an EXPUNGE below it is held back (ImapFlow does). So what vanished in a stretch of changes before the
//! client's value is told again, which RFC 7162 §3.2.5.2 allows: UIDs that the client does not know mean nothing to it.
//! The stretch is as long as `sync` lets the difference grow, so nothing can lie before it
//! (`docs/decisions/0012-no-expunge-is-lost.md`).

use crate::selected::Selected;
use imap_proto::response::Vanished;
use imap_proto::{Dialect, Encoder, SequenceSet};
use search::Numbers;
use store::{Entry, Error, ModSeq, Uid};

/// How far above an EXPUNGE that is held back the MODSEQs may go that a client hears, and so the length of the stretch.
/// MODSEQs count the changes of a whole account.
pub(crate) const HELD_BACK_MODSEQS_MAX: u64 = 512;
/// The messages of the last change that the client knows are told again if they are no more than this: whoever comes back
/// hears of them each time.
pub(crate) const SAME_MODSEQ_MAX: usize = 256;
/// A line names at most this many ranges: clients read lines into bounded buffers.
const RANGES_PER_LINE_MAX: usize = 1000;

/// `* VANISHED (EARLIER) …` for a client that says it knows all up to `since`; nothing when nothing is gone.
pub(crate) fn tell_vanished(
    selected: &Selected,
    since: ModSeq,
    is_wanted: impl Fn(Uid) -> bool,
    output: &mut Vec<u8>,
) -> Result<(), Error> {
    // A value above the last change is one that nobody was told.
    let since = since.min(selected.view.mailbox().highest_modseq);
    let since = ModSeq(since.0.saturating_sub(HELD_BACK_MODSEQS_MAX));
    let gone = selected.account.vanished_since(selected.mailbox, since)?;
    // What the client still counts is told when its number may go: as VANISHED, without EARLIER.
    let gone = gone.into_iter().filter(|uid| is_wanted(*uid) && selected.told.position(*uid).is_err());
    let gone = Numbers::from_sorted(gone.map(|uid| uid.0));
    for ranges in gone.ranges().chunks(RANGES_PER_LINE_MAX) {
        let set = SequenceSet::from_ranges(ranges.iter().cloned());
        Encoder::new(output, Dialect::Rev1).vanished(Vanished::Earlier, &set);
    }
    Ok(())
}

/// The positions of messages that changed after `since`, in the order of their changes: a client that believes each
/// MODSEQ at once has lost nothing when its connection breaks. Before them those of the change `since` itself, if they are
/// at most `same_max`: one change has one MODSEQ, and the connection may have broken between two of its messages.
pub(crate) fn changed_since<'i>(
    entries: impl Iterator<Item = (usize, &'i Entry)>,
    since: ModSeq,
    same_max: usize,
) -> impl Iterator<Item = usize> {
    let mut same = 0;
    let mut changed: Vec<(ModSeq, usize)> = Vec::new();
    for (position, entry) in entries.filter(|(_, entry)| entry.modseq >= since) {
        same += usize::from(entry.modseq == since);
        if entry.modseq > since || same <= same_max {
            changed.push((entry.modseq, position));
        }
    }
    changed.sort_unstable();
    let left_out = if same > same_max { same_max } else { 0 };
    changed.into_iter().skip(left_out).map(|(_, position)| position)
}
