//! What UID FETCH (CHANGEDSINCE … VANISHED) tells before the messages: UIDs that are gone (RFC 7162 §3.2.6).

use crate::selected::Selected;
use imap_proto::response::Vanished as When;
use imap_proto::{Dialect, Encoder, MessageSet, SequenceSet};
use search::Numbers;
use store::{Error, ModSeq, Uid};

/// A line names at most this many ranges: clients read lines into bounded buffers.
const RANGES_PER_LINE_MAX: usize = 1000;

/// The UIDs that the client asks about, and since when.
#[derive(Debug)]
pub(super) struct Vanished {
    pub(super) set: MessageSet,
    pub(super) since: ModSeq,
}

impl Vanished {
    /// `* VANISHED (EARLIER) …`; nothing when none of them is gone.
    pub(super) fn write(&self, selected: &Selected, dialect: Dialect, output: &mut Vec<u8>) -> Result<(), Error> {
        let gone = selected.account.vanished_since(selected.mailbox, self.since)?;
        // Not `told`'s last UID: `1:*` asks for all, and it may be the last one that is gone.
        let highest = selected.view.mailbox().uid_next.0.saturating_sub(1);
        let wanted = selected.named(&self.set, highest);
        // What the client still counts is told when its number may go: as VANISHED, without EARLIER.
        let told = |uid: &Uid| wanted.contains(uid.0) && selected.told.position(*uid).is_err();
        let gone = Numbers::from_sorted(gone.into_iter().filter(told).map(|uid| uid.0));
        let mut encoder = Encoder::new(output, dialect);
        for ranges in gone.ranges().chunks(RANGES_PER_LINE_MAX) {
            encoder.vanished(When::Earlier, &SequenceSet::from_ranges(ranges.iter().cloned()));
        }
        Ok(())
    }
}
