//! What a list has had of late: a mark of each post and the minute in which it came, oldest first.

use store::{Error, TableTx, Timestamp};

/// So many are remembered, as many as a list can take in that time (`directory`: 500 in an hour); a list that has had as many takes no
/// more until the first is forgotten.
pub(crate) const SEEN_MAX: usize = 500 * 24 * 6;
/// For so long: the Date of a post is five days old at most, and a clock one day ahead (`mailflow`).
const SEEN_MINUTES: u32 = 6 * 24 * 60;
const MINUTE_MILLIS: i64 = 60 * 1000;
/// A bit beside the minute: it does not count in its hour.
const UNCOUNTED: u32 = 1 << 31;

/// Octets of a mark that are kept.
const MARK_BYTES: usize = 8;
const ENTRY_BYTES: usize = MARK_BYTES + 4;

/// Entries of [`ENTRY_BYTES`] octets each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(Vec<([u8; MARK_BYTES], u32)>);

impl Seen {
    pub(crate) fn read(tx: &TableTx<'_>, list: &str) -> Result<Self, Error> {
        let value = tx.get(&key(list))?.unwrap_or_default();
        let (entries, _) = value.as_chunks::<ENTRY_BYTES>();
        let entry = |entry: &[u8; ENTRY_BYTES]| {
            let mark = entry.first_chunk().copied().unwrap_or_default();
            (mark, u32::from_be_bytes(entry.last_chunk().copied().unwrap_or_default()))
        };
        Ok(Self(entries.iter().map(entry).collect()))
    }

    pub(crate) fn write(&self, tx: &mut TableTx<'_>, list: &str) {
        let octets = |(mark, minute): &([u8; MARK_BYTES], u32)| [&mark[..], &minute.to_be_bytes()].concat();
        tx.put(&key(list), self.0.iter().flat_map(octets).collect());
    }

    /// Those that cannot come again.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let now = minute(now);
        self.0.retain(|(_, at)| now.saturating_sub(*at & !UNCOUNTED) <= SEEN_MINUTES);
    }

    pub(crate) fn has(&self, mark: &[u8; 16]) -> bool {
        self.0.iter().any(|(known, _)| mark.starts_with(known))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= SEEN_MAX
    }

    pub(crate) fn within_an_hour(&self, now: Timestamp) -> u32 {
        let now = minute(now);
        self.0.iter().filter(|(_, at)| *at & UNCOUNTED == 0 && now.saturating_sub(*at) < 60).count() as u32
    }

    pub(crate) fn add(&mut self, mark: &[u8; 16], now: Timestamp, counts: bool) {
        let bit = if counts { 0 } else { UNCOUNTED };
        self.0.push((mark.first_chunk().copied().unwrap_or_default(), minute(now) | bit));
    }
}

fn minute(now: Timestamp) -> u32 {
    u32::try_from(now.0.max(0) / MINUTE_MILLIS).unwrap_or(u32::MAX) & !UNCOUNTED
}

fn key(list: &str) -> Vec<u8> {
    [b"s", list.as_bytes()].concat()
}
