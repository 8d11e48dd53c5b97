//! Whether what an account sends is so much more than it ever sent to people whom it never wrote to that its owner is asked first:
//! so a stolen password does no harm. The message is taken, and waits.
//!
//! Who writes to a stranger writes to an outside address that this account has not written to before. [`decide`] says what
//! follows; it is pure. What it has to know of an account is a row `k` account, renewed with each message that goes to a stranger;
//! a row `w` account id names each message that waits for the owner's answer.
//!
//! Invariant: while messages of an account wait for an answer, all that it sends to strangers waits with them.
//! Invariant: what waits leaves only by an answer: of the owner, of an administrator, or, one by one, of an operator.

use crate::entry::{Entry, QueueId};
use crate::error::Error;
use sha2::{Digest, Sha256};
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, Table, TableTx, Timestamp};

/// Strangers are counted over so many hours.
const WINDOW_HOURS: i64 = 24;
/// An account may write to so many times as many strangers in a window as it ever did.
const TIMES_MAX: u64 = 3;
/// So many addresses that an account has written to are known; the one that became known first is forgotten first. Forgetting
/// makes a stranger of somebody.
const KNOWN_MAX: usize = 8192;
const HOUR_MILLIS: i64 = 3600 * 1000;
const FORMAT: u8 = 1;

/// What is known when an account sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Recipients of this message whom it never wrote to.
    pub(crate) strangers: u64,
    /// Those of the window before, with what waits.
    pub(crate) in_window: u64,
    /// The most that it ever wrote to in a window, and what its owner let go.
    pub(crate) largest_day: u64,
    /// Messages of it wait for an answer.
    pub(crate) is_waiting: bool,
    /// No account waits that writes to so many or fewer; 0: none ever does.
    pub(crate) strangers_min: u64,
}

/// Whether a message waits for an answer.
pub(crate) fn decide(findings: Findings) -> bool {
    let Findings { strangers, in_window, largest_day, is_waiting, strangers_min } = findings;
    if strangers_min == 0 || strangers == 0 {
        return false;
    }
    let usual = largest_day.saturating_mul(TIMES_MAX).max(strangers_min);
    is_waiting || in_window.saturating_add(strangers) > usual
}

/// What an account has sent of late, and to whom it ever sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Hours since 1970, and strangers written to in each, oldest first; those of the window only.
    hours: Vec<(i64, u64)>,
    largest_day: u64,
    /// Whoever is to know knows that messages wait.
    is_told: bool,
    /// Of addresses.
    known: Vec<u32>,
}

/// What waits for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages.
    pub messages: u64,
    /// Whether whoever is to know knows it ([`crate::Queue::told`]).
    pub is_told: bool,
}

/// Whether a message of an account waits; counts it.
pub(crate) fn take(
    tx: &mut TableTx<'_>,
    account: AccountId,
    entry: &Entry,
    strangers_min: u64,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut pace = read(tx.get(&key(account))?);
    pace.advance(now);
    let addresses: Vec<u32> = entry.recipients.iter().map(|recipient| hash(&recipient.address)).collect();
    let strangers: Vec<u32> = addresses.into_iter().filter(|address| !pace.known.contains(address)).collect();
    if strangers.is_empty() {
        return Ok(false);
    }
    let is_waiting = !tx.scan_before(&waiting_prefix(account), &[], 1)?.is_empty();
    let findings = Findings {
        strangers: strangers.len() as u64,
        in_window: pace.in_window(),
        largest_day: pace.largest_day,
        is_waiting,
        strangers_min,
    };
    let waits = decide(findings);
    pace.count(strangers.len() as u64, now);
    if waits {
        // Told anew of each time that begins.
        pace.is_told &= is_waiting;
    } else {
        pace.know(strangers);
    }
    tx.put(&key(account), pace.encode());
    Ok(waits)
}

/// Notes that a message waits.
pub(crate) fn note(tx: &mut TableTx<'_>, entry: &Entry) {
    if let Some(key) = waiting_key(entry) {
        tx.put(&key, Vec::new());
    }
}

/// A message waits no more: somebody let it go, or threw it away.
pub(crate) fn forget(tx: &mut TableTx<'_>, entry: &Entry) {
    if let Some(key) = waiting_key(entry) {
        tx.delete(&key);
    }
}

/// The owner lets it go: so much is usual from now on, and whom it goes to is no stranger.
pub(crate) fn allow(tx: &mut TableTx<'_>, account: AccountId, entries: &[Entry]) -> Result<(), Error> {
    let mut pace = read(tx.get(&key(account))?);
    let all = entries.iter().flat_map(|entry| &entry.recipients).map(|recipient| hash(&recipient.address)).collect();
    pace.largest_day = pace.largest_day.max(pace.in_window());
    pace.know(all);
    tx.put(&key(account), pace.encode());
    Ok(())
}

/// What was thrown away does not count.
pub(crate) fn begin_anew(tx: &mut TableTx<'_>, account: AccountId) -> Result<(), Error> {
    let mut pace = read(tx.get(&key(account))?);
    pace.hours.clear();
    tx.put(&key(account), pace.encode());
    Ok(())
}

/// Notes that whoever is to know knows.
pub(crate) fn tell(tx: &mut TableTx<'_>, account: AccountId) -> Result<(), Error> {
    let mut pace = read(tx.get(&key(account))?);
    pace.is_told = true;
    tx.put(&key(account), pace.encode());
    Ok(())
}

/// What of an account waits; of more than `limit` messages as many.
pub(crate) fn waiting(table: &Table, account: AccountId, limit: usize) -> Result<(Waiting, Vec<QueueId>), Error> {
    let rows = table.scan(&waiting_prefix(account), &[], limit)?;
    let ids: Vec<QueueId> = rows.iter().map(|(key, _)| id_of(key)).collect();
    let is_told = read(table.get(&key(account))?).is_told;
    Ok((Waiting { messages: ids.len() as u64, is_told }, ids))
}

/// Whether an account has written to an address.
pub(crate) fn knows(table: &Table, account: AccountId, address: &str) -> Result<bool, store::Error> {
    Ok(read(table.get(&key(account))?).known.contains(&hash(address)))
}

/// Accounts of which messages wait, at most `limit`.
pub(crate) fn accounts(table: &Table, limit: usize) -> Result<Vec<AccountId>, Error> {
    let (mut found, mut from) = (Vec::new(), b"w".to_vec());
    while found.len() < limit {
        let rows = table.scan(b"w", &from, 1)?;
        let number = |(key, _): &store::Row| key.get(1..5).and_then(|number| number.try_into().ok());
        let Some(number) = rows.first().and_then(number).map(u32::from_be_bytes) else { break };
        found.push(AccountId(number));
        let Some(next) = number.checked_add(1) else { break };
        from = waiting_prefix(AccountId(next));
    }
    Ok(found)
}

impl Pace {
    /// Lets hours leave the window. A clock that went back changes nothing.
    fn advance(&mut self, now: Timestamp) {
        let first = hour_of(now) - WINDOW_HOURS + 1;
        if self.hours.iter().any(|(hour, _)| *hour < first) {
            self.largest_day = self.largest_day.max(self.in_window());
            self.hours.retain(|(hour, _)| *hour >= first);
        }
    }

    fn in_window(&self) -> u64 {
        self.hours.iter().map(|(_, strangers)| strangers).sum()
    }

    fn count(&mut self, strangers: u64, now: Timestamp) {
        let hour = hour_of(now);
        match self.hours.last_mut() {
            Some((last, count)) if *last >= hour => *count = count.saturating_add(strangers),
            Some(_) | None => self.hours.push((hour, strangers)),
        }
    }

    fn know(&mut self, addresses: Vec<u32>) {
        for address in addresses {
            if !self.known.contains(&address) {
                self.known.push(address);
            }
        }
        self.known.drain(..self.known.len().saturating_sub(KNOWN_MAX));
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Writer::of_format(FORMAT);
        value.byte(self.is_told.into()).raw(&self.largest_day.to_be_bytes()).byte(self.hours.len() as u8);
        for (hour, strangers) in &self.hours {
            value.raw(&hour.to_be_bytes()).raw(&strangers.to_be_bytes());
        }
        for address in &self.known {
            value.raw(&address.to_be_bytes());
        }
        value.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut fields = Reader::of_format(value, FORMAT)?;
        let is_told = fields.byte()? != 0;
        let largest_day = u64::from_be_bytes(fields.array()?);
        let mut pace = Self { is_told, largest_day, ..Self::default() };
        for _ in 0..fields.byte()? {
            pace.hours.push((i64::from_be_bytes(fields.array()?), u64::from_be_bytes(fields.array()?)));
        }
        while !fields.0.is_empty() {
            pace.known.push(u32::from_be_bytes(fields.array()?));
        }
        Ok(pace)
    }
}

/// A row that cannot be read stops nobody: it begins anew.
fn read(value: Option<Vec<u8>>) -> Pace {
    value.and_then(|value| Pace::decode(&value).ok()).unwrap_or_default()
}

/// Of what SMTP may tell apart of an address and what people do.
fn hash(address: &str) -> u32 {
    let hash = Sha256::digest(address.to_lowercase().as_bytes());
    u32::from_be_bytes(hash.first_chunk().copied().unwrap_or_default())
}

fn hour_of(now: Timestamp) -> i64 {
    now.0.div_euclid(HOUR_MILLIS)
}

fn key(account: AccountId) -> Vec<u8> {
    [&b"k"[..], &account.0.to_be_bytes()].concat()
}

fn waiting_prefix(account: AccountId) -> Vec<u8> {
    [&b"w"[..], &account.0.to_be_bytes()].concat()
}

fn waiting_key(entry: &Entry) -> Option<Vec<u8>> {
    let prefix = waiting_prefix(AccountId(entry.account?));
    entry.is_asked.then(|| [&prefix[..], &entry.id.0.to_be_bytes()].concat())
}

fn id_of(key: &[u8]) -> QueueId {
    QueueId(u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_at_one_past_it() {
        let all = Findings { strangers_min: 100, ..Findings::default() };
        for (what, findings, expected) in [
            ("a new account", Findings { strangers: 100, ..all }, false),
            ("one more", Findings { strangers: 101, ..all }, true),
            ("one by one", Findings { strangers: 1, in_window: 99, ..all }, false),
            ("one more", Findings { strangers: 1, in_window: 100, ..all }, true),
            ("three times what it ever did", Findings { strangers: 1500, largest_day: 500, ..all }, false),
            ("one more", Findings { strangers: 1501, largest_day: 500, ..all }, true),
            ("after the first that waits", Findings { strangers: 1, is_waiting: true, ..all }, true),
            ("to people it knows", Findings { strangers: 0, in_window: 900, is_waiting: true, ..all }, false),
            ("switched off", Findings { strangers: 9999, strangers_min: 0, ..all }, false),
        ] {
            assert_eq!(decide(findings), expected, "{what}: {findings:?}");
        }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp(hours * HOUR_MILLIS)
    }

    #[test]
    fn a_burst_is_not_measured_against_itself() {
        let mut pace = Pace::default();
        pace.count(40, at(100));
        pace.count(30, at(123));
        pace.advance(at(123));
        assert_eq!((pace.in_window(), pace.largest_day), (70, 0));
        pace.advance(at(124));
        assert_eq!((pace.in_window(), pace.largest_day), (30, 70));
        pace.count(1, at(90));
        assert_eq!(pace.hours.len(), 1, "a clock that goes back opens no hour");
    }

    #[test]
    fn a_pace_is_read_as_it_was_written_and_stays_small() {
        let mut pace = Pace { is_told: true, ..Pace::default() };
        for hour in 0..1000 {
            pace.advance(at(hour));
            pace.count(20, at(hour));
            pace.know((0..20).map(|n| hash(&format!("{hour}-{n}@example.com"))).collect());
        }
        assert_eq!((pace.hours.len() as i64, pace.known.len()), (WINDOW_HOURS, KNOWN_MAX));
        let value = pace.encode();
        assert!(value.len() < 40_000, "{}", value.len());
        assert_eq!(Pace::decode(&value), Ok(pace));
        assert_eq!(hash("Ada@Example.com"), hash("ada@example.com"));
        assert!(Pace::decode(&value[..9]).is_err() && Pace::decode(&[9]).is_err());
    }
}
