//! What a list has had of late, so that nothing is taken twice, and how much of it in an hour.
//!
//! Rows: `m` list 0 mark = the minute in which it came; `h` list 0 hour = the marks of that hour, [`ENTRY_BYTES`] octets each. What an
//! earlier version kept is one row for all of it (`s` list, of the same entries): it is read as long as it counts. What is of no list
//! any more goes like the rest, when its time is over.

use store::{Error, Table, TableTx, Timestamp};

/// Of one hour so many are remembered, of which 500 count (`directory`); a list that has had as many takes no more in it.
pub(crate) const HOUR_MAX: usize = 1000;
/// For so long: the Date of a post is five days old at most, and a clock one day ahead (`mailflow`).
const SEEN_MINUTES: u32 = 6 * 24 * 60;
const MINUTE_MILLIS: i64 = 60 * 1000;
/// A bit beside the minute: it does not count in its hour.
const UNCOUNTED: u32 = 1 << 31;
/// So many hours are forgotten in one commit.
const FORGOTTEN_AT_ONCE: usize = 24;

/// Octets of a mark that are kept.
const MARK_BYTES: usize = 8;
const ENTRY_BYTES: usize = MARK_BYTES + 4;

/// A mark, and the minute in which it came.
type Entry = ([u8; MARK_BYTES], u32);

/// What a list has had, as far as it is looked at now.
pub(crate) struct Seen<'a> {
    list: &'a str,
    now: u32,
    hour: Vec<Entry>,
    hour_before: Vec<Entry>,
    earlier_version: Vec<Entry>,
}

impl<'a> Seen<'a> {
    pub(crate) fn read(tx: &TableTx<'_>, list: &'a str, now: Timestamp) -> Result<Self, Error> {
        let now = minute(now);
        let hour = |hour| Ok::<_, Error>(entries(&sound(tx.get(&hour_key(list, hour)))?.unwrap_or_default()));
        let earlier_version = entries(&sound(tx.get(&[b"s", list.as_bytes()].concat()))?.unwrap_or_default());
        let (hour, hour_before) = (hour(now / 60)?, hour((now / 60).saturating_sub(1))?);
        Ok(Self { list, now, hour, hour_before, earlier_version })
    }

    pub(crate) fn has(&self, tx: &TableTx<'_>, mark: &[u8; 16]) -> Result<bool, Error> {
        let mark = cut(mark);
        let at = match tx.get(&mark_key(self.list, &mark)) {
            // What is damaged may be it, or what lies beside one that never came: the hours say which.
            Err(Error::Damaged(_)) => self.at_of_hours(tx, &mark)?,
            at => at?.and_then(|value| value.try_into().ok()).map(u32::from_be_bytes),
        };
        Ok(at.is_some_and(|at| counts(at, self.now))
            || self.earlier_version.iter().any(|(known, at)| *known == mark && counts(*at, self.now)))
    }

    /// When a mark came last, as the hours have it. Where one of them is damaged nobody knows, and the post has to come again.
    fn at_of_hours(&self, tx: &TableTx<'_>, mark: &[u8; MARK_BYTES]) -> Result<Option<u32>, Error> {
        let rows = tx.scan_before(&[b"h", self.list.as_bytes(), b"\0"].concat(), &[], usize::MAX)?;
        let all = rows.iter().flat_map(|(_, value)| entries(value));
        Ok(all.filter(|(known, _)| known == mark).map(|(_, at)| at & !UNCOUNTED).max())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.hour.len() >= HOUR_MAX
    }

    pub(crate) fn within_an_hour(&self) -> u32 {
        let all = self.hour.iter().chain(&self.hour_before).chain(&self.earlier_version);
        all.filter(|(_, at)| *at & UNCOUNTED == 0 && self.now.saturating_sub(*at) < 60).count() as u32
    }

    pub(crate) fn add(mut self, tx: &mut TableTx<'_>, mark: &[u8; 16], counts: bool) {
        let (mark, at) = (cut(mark), self.now | if counts { 0 } else { UNCOUNTED });
        self.hour.push((mark, at));
        tx.put(&mark_key(self.list, &mark), at.to_be_bytes().to_vec());
        let octets = |(mark, at): &Entry| [&mark[..], &at.to_be_bytes()].concat();
        tx.put(&hour_key(self.list, self.now / 60), self.hour.iter().flat_map(octets).collect());
    }
}

/// Takes away what cannot come again, of every list that there is or was.
pub(crate) fn forget(table: &Table, now: Timestamp) -> Result<(), Error> {
    let now = minute(now);
    let mut from = Vec::new();
    while let Some((key, _)) = table.scan(b"h", &from, 1)?.pop() {
        let Some((list, _)) = key.split_last_chunk::<4>() else { break };
        // All of one list: the oldest hours come first.
        let is_old = |key: &[u8]| {
            let hour = key.last_chunk().map_or(0, |hour| u32::from_be_bytes(*hour));
            !counts(hour.saturating_mul(60).saturating_add(59), now)
        };
        loop {
            let mut rows = table.scan(list, &[], FORGOTTEN_AT_ONCE)?;
            let all = rows.len();
            rows.retain(|(key, _)| is_old(key));
            if !rows.is_empty() {
                forget_hours(table, list, &rows, now)?;
            }
            if rows.len() < all.max(1) {
                break;
            }
        }
        from = [list, &[0xff; 5]].concat();
    }
    let is_over = |value: &[u8]| entries(value).iter().all(|(_, at)| !counts(*at, now));
    let earlier: Vec<_> = table.scan(b"s", &[], usize::MAX)?.into_iter().filter(|(_, value)| is_over(value)).collect();
    if earlier.is_empty() {
        return Ok(());
    }
    table.change(|tx| {
        earlier.iter().for_each(|(key, _)| tx.delete(key));
        Ok(())
    })
}

fn forget_hours(table: &Table, list: &[u8], rows: &[store::Row], now: u32) -> Result<(), Error> {
    table.change(|tx| {
        for (key, value) in rows {
            for (mark, _) in entries(value) {
                let key = [b"m", list.get(1..).unwrap_or_default(), &mark].concat();
                // One that came again counts anew.
                let at = tx.get(&key)?.and_then(|value| value.try_into().ok()).map_or(0, u32::from_be_bytes);
                if !counts(at, now) {
                    tx.delete(&key);
                }
            }
            tx.delete(key);
        }
        Ok(())
    })
}

/// How much a list has had in an hour is not known where the row is damaged: no post waits for that. What came is known all the same,
/// by its mark.
fn sound(row: Result<Option<Vec<u8>>, Error>) -> Result<Option<Vec<u8>>, Error> {
    match row {
        Err(Error::Damaged(_)) => Ok(None),
        row => row,
    }
}

fn entries(value: &[u8]) -> Vec<Entry> {
    let (entries, _) = value.as_chunks::<ENTRY_BYTES>();
    let entry = |entry: &[u8; ENTRY_BYTES]| {
        let mark = entry.first_chunk().copied().unwrap_or_default();
        (mark, u32::from_be_bytes(entry.last_chunk().copied().unwrap_or_default()))
    };
    entries.iter().map(entry).collect()
}

fn counts(at: u32, now: u32) -> bool {
    now.saturating_sub(at & !UNCOUNTED) <= SEEN_MINUTES
}

fn cut(mark: &[u8; 16]) -> [u8; MARK_BYTES] {
    mark.first_chunk().copied().unwrap_or_default()
}

fn minute(now: Timestamp) -> u32 {
    u32::try_from(now.0.max(0) / MINUTE_MILLIS).unwrap_or(u32::MAX) & !UNCOUNTED
}

/// No address has a zero octet.
fn hour_key(list: &str, hour: u32) -> Vec<u8> {
    [b"h", list.as_bytes(), b"\0", &hour.to_be_bytes()].concat()
}

fn mark_key(list: &str, mark: &[u8; MARK_BYTES]) -> Vec<u8> {
    [b"m", list.as_bytes(), b"\0", mark].concat()
}
