//! The messages that are recent to a session (RFC 3501 §2.3.2): told to it before any other that may change the mailbox.
//!
//! IMAP4rev2 knows nothing of it: its sessions take the messages, as they are told of them, and keep none.

use crate::enabled::Enabled;
use imap_proto::Encoder;
use search::Numbers;
use std::ops::RangeInclusive;
use store::{Account, Error, Index, MailboxId, Uid};

/// More ranges are forgotten, the oldest first: several sessions that look in turn make one for each message.
const RANGES_MAX: usize = 1000;

/// UIDs that are recent to one session.
#[derive(Default)]
pub(crate) struct Recent {
    /// Ascending, not empty.
    ranges: Vec<RangeInclusive<u32>>,
    /// The number that the client was told last.
    told: u32,
}

impl Recent {
    /// The messages below `up_to` that nobody has taken. Who may only read takes none (RFC 3501 §6.3.2).
    pub(crate) fn meet(
        &mut self,
        account: &Account,
        mailbox: MailboxId,
        up_to: Uid,
        read_only: bool,
        enabled: Enabled,
    ) -> Result<(), Error> {
        let first = if read_only { account.recent_from(mailbox) } else { account.take_recent(mailbox, up_to)? };
        let first = first.0.max(self.ranges.last().map_or(0, |range| range.end().saturating_add(1)));
        if enabled.rev2 || first >= up_to.0 {
            return Ok(());
        }
        let last = up_to.0.saturating_sub(1);
        match self.ranges.last_mut() {
            Some(range) if range.end().saturating_add(1) == first => *range = *range.start()..=last,
            Some(_) | None => self.ranges.push(first..=last),
        }
        if self.ranges.len() > RANGES_MAX {
            self.ranges.remove(0);
        }
        Ok(())
    }

    pub(crate) fn has(&self, uid: Uid) -> bool {
        let at = self.ranges.partition_point(|range| *range.end() < uid.0);
        self.ranges.get(at).is_some_and(|range| range.contains(&uid.0))
    }

    pub(crate) fn numbers(&self) -> Numbers {
        Numbers::from_ranges(self.ranges.clone())
    }

    /// How many of the messages that the client knows.
    pub(crate) fn count(&self, told: &Index) -> u32 {
        let place = |uid: u32| told.position(Uid(uid)).unwrap_or_else(|at| at);
        let counts = self.ranges.iter().map(|range| place(range.end().saturating_add(1)) - place(*range.start()));
        u32::try_from(counts.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// `* n RECENT` at SELECT, and later when the number is another one (RFC 3501 §7.3.2).
    pub(crate) fn tell(&mut self, told: &Index, always: bool, enabled: Enabled, encoder: &mut Encoder<'_>) {
        let count = self.count(told);
        if !enabled.rev2 && (always || count != self.told) {
            encoder.recent(count);
            self.told = count;
        }
    }

    /// RFC 9051 has no `\Recent`.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}
