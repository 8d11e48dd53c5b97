//! What one account may have in the queue, and how fast it may fill it: nobody takes the place of the others, and a stolen
//! password sends no hundred thousand messages before somebody notices. A row `a` account each.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use store::{AccountId, Table, TableTx, Timestamp};

const HOUR_MILLIS: u64 = 60 * 60 * 1000;
const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;
const MINUTE_MILLIS: u64 = 60 * 1000;

/// How much the queue holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages.
    pub entries: u64,
    /// Octets of all messages together.
    pub bytes: u64,
    /// Messages of one account.
    pub account_entries: u64,
    /// Octets of the messages of one account together.
    pub account_bytes: u64,
    /// Recipients that one account may send to at once, and again within an hour.
    pub account_recipients_per_hour: u64,
    /// The same within a day.
    pub account_recipients_per_day: u64,
    /// Messages of one account that wait for a time that their sender chose.
    pub account_scheduled: u64,
    /// So many recipients whom it never wrote to an account may write to in a day before its owner is asked; more as soon as it
    /// has done so before (`pace`). 0: nobody is asked.
    pub strangers_min: u64,
}

impl Limits {
    /// What [`crate::Queue::open`] uses.
    pub const DEFAULT: Self = Self {
        entries: 1_000_000,
        bytes: 16 * 1024 * 1024 * 1024,
        account_entries: 5_000,
        account_bytes: 2 * 1024 * 1024 * 1024,
        account_recipients_per_hour: 2_000,
        account_recipients_per_day: 10_000,
        account_scheduled: 100,
        strangers_min: 100,
    };
}

/// What an account has in the queue, and what it has sent of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Share {
    entries: u64,
    bytes: u64,
    /// Recipients that count at the moment `at_millis`; from then on fewer and fewer.
    recent: u64,
    at_millis: i64,
    /// The same of a day.
    #[serde(default)]
    of_day: u64,
    /// Of `entries`, those that wait for a time that their sender chose.
    #[serde(default)]
    scheduled: u64,
}

/// A message that an account wants to send.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) account: AccountId,
    /// Those of what waits for a time of its own count when that has come.
    pub(crate) recipients: u64,
    pub(crate) bytes: u64,
    /// It waits for a time that its sender chose.
    pub(crate) is_scheduled: bool,
}

/// Takes an account's part of the queue for a message.
pub(crate) fn take(tx: &mut TableTx<'_>, wanted: Wanted, limits: &Limits, now: Timestamp) -> Result<(), Error> {
    let key = key(wanted.account.0);
    let share = read(tx.get(&key))?.with(wanted, limits, now)?;
    put(tx, &key, share)
}

/// Whether there is room for a message at the moment.
pub(crate) fn check(table: &Table, wanted: Wanted, limits: &Limits, now: Timestamp) -> Result<(), Error> {
    read(table.get(&key(wanted.account.0)))?.with(wanted, limits, now).map(drop)
}

/// Gives an account's part of the queue back; how much it has sent goes on to count.
pub(crate) fn give_back(
    tx: &mut TableTx<'_>,
    account: u32,
    (size_bytes, is_scheduled): (u64, bool),
) -> Result<(), Error> {
    let key = key(account);
    let share = read(tx.get(&key))?;
    let (entries, bytes) = (share.entries.saturating_sub(1), share.bytes.saturating_sub(size_bytes));
    let scheduled = share.scheduled.saturating_sub(u64::from(is_scheduled));
    put(tx, &key, Share { entries, bytes, scheduled, ..share })
}

fn key(account: u32) -> Vec<u8> {
    [&b"a"[..], &account.to_be_bytes()].concat()
}

/// A row that cannot be read stops nobody: it begins anew.
fn read(value: Result<Option<Vec<u8>>, store::Error>) -> Result<Share, Error> {
    match value {
        Err(store::Error::Damaged(_)) => Ok(Share::default()),
        value => Ok(value?.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()),
    }
}

fn put(tx: &mut TableTx<'_>, key: &[u8], share: Share) -> Result<(), Error> {
    let json = serde_json::to_vec(&share).map_err(|error| Error::damaged(format_args!("a share: {error}")))?;
    tx.put(key, json);
    Ok(())
}

impl Share {
    /// The share with one more message.
    fn with(self, wanted: Wanted, limits: &Limits, now: Timestamp) -> Result<Self, Error> {
        let Wanted { recipients, bytes, is_scheduled, .. } = wanted;
        if is_scheduled && self.scheduled >= limits.account_scheduled {
            return Err(Error::Scheduled(format!(
                "{} messages of yours wait for their time, the most there can be; send or cancel one first",
                self.scheduled
            )));
        }
        if self.entries >= limits.account_entries {
            let entries = self.entries;
            return Err(Error::Share(format!(
                "{entries} messages of yours wait to be sent, the most there can be; send it again when some have left"
            )));
        }
        if self.bytes.saturating_add(bytes) > limits.account_bytes {
            let waiting = self.bytes;
            return Err(Error::Share(format!(
                "{waiting} octets of yours wait to be sent, with this message too many; send it again when some have left"
            )));
        }
        let millis = u64::try_from(now.0.saturating_sub(self.at_millis)).unwrap_or(0);
        let hour =
            Pot { recent: self.recent, max: limits.account_recipients_per_hour, period: ("an hour", HOUR_MILLIS) };
        let day = Pot { recent: self.of_day, max: limits.account_recipients_per_day, period: ("a day", DAY_MILLIS) };
        Ok(Self {
            entries: self.entries + 1,
            bytes: self.bytes.saturating_add(bytes),
            recent: hour.with(recipients, millis)?,
            of_day: day.with(recipients, millis)?,
            at_millis: now.0,
            scheduled: self.scheduled + u64::from(is_scheduled),
        })
    }
}

/// Recipients of late, that are forgotten by and by.
struct Pot {
    /// As of the last message.
    recent: u64,
    /// So many at once, and again within a period.
    max: u64,
    /// In words, and in milliseconds.
    period: (&'static str, u64),
}

impl Pot {
    /// With more of them, `millis` after the last. A clock that was set back makes none fewer.
    fn with(&self, recipients: u64, millis: u64) -> Result<u64, Error> {
        let (max, (words, period_millis)) = (self.max, self.period);
        let forgotten = u128::from(millis) * u128::from(max) / u128::from(period_millis);
        let recent = self.recent.saturating_sub(u64::try_from(forgotten).unwrap_or(u64::MAX));
        // A message with more recipients than a whole period has goes when nothing else did.
        let too_many = recent.saturating_add(recipients).saturating_sub(max).min(recent);
        if too_many > 0 {
            let minutes = too_many.saturating_mul(period_millis).div_ceil(max.max(1)).div_ceil(MINUTE_MILLIS);
            let unit = if minutes == 1 { "minute" } else { "minutes" };
            return Err(Error::Rate(format!(
                "You may send to {max} outside recipients {words}, and have; send it again in {minutes} {unit}"
            )));
        }
        Ok(recent.saturating_add(recipients))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { account_entries: 3, account_bytes: 100, account_recipients_per_hour: 60, ..Limits::DEFAULT };

    fn with(share: Share, recipients: u64, bytes: u64, minute: i64) -> Result<Share, Error> {
        let wanted = Wanted { account: AccountId(16), recipients, bytes, is_scheduled: false };
        share.with(wanted, &LIMITS, Timestamp(minute * MINUTE_MILLIS as i64))
    }

    #[test]
    fn a_share_ends_at_its_limit_and_not_before() {
        let share = Share { entries: 2, bytes: 40, ..Share::default() };
        assert!(with(share, 1, 60, 0).is_ok());
        assert!(matches!(with(share, 1, 61, 0), Err(Error::Share(why)) if why.contains("40 octets")));
        let full = with(share, 1, 0, 0).unwrap();
        assert!(matches!(with(full, 1, 0, 0), Err(Error::Share(why)) if why.contains("3 messages")));
    }

    #[test]
    fn a_rate_is_told_with_the_time_to_wait_and_forgotten_by_and_by() {
        let share = with(Share::default(), 60, 1, 0).unwrap();
        assert!(matches!(with(share, 10, 1, 0), Err(Error::Rate(why)) if why.contains("in 10 minutes")));
        assert!(matches!(with(share, 10, 1, 9), Err(Error::Rate(why)) if why.ends_with("in 1 minute")));
        assert_eq!(with(share, 10, 1, 10).unwrap().recent, 60);
        assert_eq!(with(share, 10, 1, 60).unwrap().recent, 10);
        assert!(with(share, 1, 1, -5).is_err(), "a clock that was set back");
        let day = Share { of_day: Limits::DEFAULT.account_recipients_per_day - 5, ..Share::default() };
        assert!(with(day, 5, 1, 0).is_ok());
        assert!(matches!(with(day, 6, 1, 0), Err(Error::Rate(why)) if why.contains("10000 outside recipients a day")));
        // More than an hour has.
        assert!(with(Share::default(), 61, 1, 0).is_ok() && with(share, 61, 1, 59).is_err());
    }
}
