//! Whether what an account sends is so much more than it ever sent to people whom it never wrote to that its owner is asked first:
//! so a stolen password does no harm. The message is taken, and waits.
//!
//! Who writes to a stranger writes to an outside address that this account has not written to before. [`decide`] says what
//! follows; it is pure, and asked twice: of the device that sends, whose password may be stolen, and of the account. What it has to
//! know is a row `k` account, and one `k` account device, renewed with each message that goes to a stranger; a row `w` account id, or
//! `v` account device id, names each message that waits for the owner's answer.
//!
//! Invariant: while messages of an account wait for an answer, all that it sends to strangers waits with them.
//! Invariant: while messages of one device wait, all that it sends to strangers waits with them, and the other devices go on.
//! Invariant: what waits leaves only by an answer: of the owner, of an administrator, or, one by one, of an operator.

use crate::entry::{Entry, QueueId};
use crate::error::Error;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use store::codec::{Corrupt, Reader, Writer};
use store::{AccountId, DeviceId, Table, TableTx, Timestamp};

/// Strangers are counted over so many hours.
const WINDOW_HOURS: i64 = 24;
/// An account may write to so many times as many strangers in a window as it ever did.
const TIMES_MAX: u64 = 3;
/// So many addresses that an account has written to are known; the one that became known first is forgotten first. Forgetting
/// makes a stranger of somebody.
const KNOWN_MAX: usize = 8192;
const HOUR_MILLIS: i64 = 3600 * 1000;
const FORMAT: u8 = 1;
/// Of the row of an account; that of a device is longer.
const ACCOUNT_KEY_BYTES: usize = 5;

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
    /// Of a device: what it sent is not counted for its account, because it may be a thief's.
    is_apart: bool,
    /// Of addresses; of an account only.
    known: Vec<u32>,
}

/// Whose pace it is: that of an account, or of one of its devices.
#[derive(Clone, Copy)]
struct Whose {
    account: AccountId,
    device: Option<DeviceId>,
}

/// Whether a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// It goes.
    No,
    /// The account never sent as much.
    OfAccount,
    /// This device never did.
    OfDevice(DeviceId),
}

/// What waits for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages.
    pub messages: u64,
    /// The devices that never sent as much, of which messages wait; the others go on.
    pub devices: Vec<DeviceId>,
    /// Whether whoever is to know knows it ([`crate::Queue::told`]).
    pub is_told: bool,
}

/// Whether a message of an account, and of the device that sends it, waits; counts it.
pub(crate) fn take(
    tx: &mut TableTx<'_>,
    (account, device): (AccountId, Option<DeviceId>),
    entry: &Entry,
    strangers_min: u64,
    now: Timestamp,
) -> Result<Waits, Error> {
    let whole = Whose { account, device: None };
    let mut pace = read(tx.get(&whole.key())?);
    pace.advance(now);
    let addresses: Vec<u32> = entry.recipients.iter().map(|recipient| hash(&recipient.address)).collect();
    let strangers: Vec<u32> = addresses.into_iter().filter(|address| !pace.known.contains(address)).collect();
    if strangers.is_empty() {
        return Ok(Waits::No);
    }
    let sent = (strangers.len() as u64, strangers_min);
    let mut after = pace.clone();
    let is_waiting = whole.is_waiting(tx)?;
    let of_account = after.waits(is_waiting, sent, now);
    if let Some(device) = device {
        let whose = Whose { account, device: Some(device) };
        let mut before = of_device(tx, whose, &pace)?;
        before.advance(now);
        // Nothing is left that its account does not count.
        before.is_apart &= !before.hours.is_empty();
        let (mut own, is_told_of) = (before.clone(), whose.is_waiting(tx)?);
        // The account waits because of it, for the most part.
        let is_its_doing = |own: &Pace| of_account && !is_waiting && own.in_window() * 2 > after.in_window();
        if own.waits(is_told_of, sent, now) || is_its_doing(&own) {
            own.is_told &= is_told_of;
            if !before.is_apart {
                pace.take_back(&before);
                own.is_apart = true;
            }
            tx.put(&whose.key(), own.encode());
            tx.put(&whole.key(), pace.encode());
            return Ok(Waits::OfDevice(device));
        }
        tx.put(&whose.key(), own.encode());
        if own.is_apart && !of_account {
            // An operator has let go what waited of it, message by message: nobody has answered for the device yet, and what it
            // sends counts for it alone, as before.
            pace.know(strangers);
            tx.put(&whole.key(), pace.encode());
            return Ok(Waits::No);
        }
    }
    if !of_account {
        after.know(strangers);
    }
    tx.put(&whole.key(), after.encode());
    Ok(if of_account { Waits::OfAccount } else { Waits::No })
}

/// The pace of a device. The first of an account that an earlier version knew is taken for the one that sent until then.
fn of_device(tx: &TableTx<'_>, whose: Whose, account: &Pace) -> Result<Pace, Error> {
    let value = tx.get(&whose.key())?;
    let has_others = || {
        let rows = tx.scan_before(&Whose { device: None, ..whose }.key(), &[], 2)?;
        Ok::<_, Error>(rows.iter().any(|(key, _)| key.len() > ACCOUNT_KEY_BYTES))
    };
    if value.is_none() && !has_others()? {
        return Ok(Pace { is_told: false, known: Vec::new(), ..account.clone() });
    }
    Ok(read(value))
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
pub(crate) fn allow(tx: &mut TableTx<'_>, account: AccountId, entries: &[Entry], now: Timestamp) -> Result<(), Error> {
    let whole = Whose { account, device: None };
    let mut pace = read(tx.get(&whole.key())?);
    pace.advance(now);
    let all = entries.iter().flat_map(|entry| &entry.recipients).map(|recipient| hash(&recipient.address)).collect();
    for whose in devices_of(account, entries) {
        let mut own = read(tx.get(&whose.key())?);
        own.largest_day = own.largest_day.max(own.in_window());
        if own.is_apart {
            // What it sent days ago makes no day of the account larger than it was.
            pace.largest_day = pace.largest_day.max(own.in_window());
            own.advance(now);
            pace.give_back(&own);
            own.is_apart = false;
        }
        tx.put(&whose.key(), own.encode());
    }
    pace.largest_day = pace.largest_day.max(pace.in_window());
    pace.know(all);
    tx.put(&whole.key(), pace.encode());
    Ok(())
}

/// What was thrown away does not count.
pub(crate) fn begin_anew(tx: &mut TableTx<'_>, account: AccountId, entries: &[Entry]) -> Result<(), Error> {
    for whose in devices_of(account, entries).into_iter().chain([Whose { account, device: None }]) {
        let mut pace = read(tx.get(&whose.key())?);
        // What the other devices sent counts on, unless it was the account as a whole that waited.
        if whose.device.is_some() || entries.iter().any(|entry| entry.asked_of.is_none()) {
            pace.hours.clear();
            pace.is_apart = false;
            tx.put(&whose.key(), pace.encode());
        }
    }
    Ok(())
}

/// The devices of which messages wait.
fn devices_of(account: AccountId, entries: &[Entry]) -> Vec<Whose> {
    let devices: BTreeSet<u32> = entries.iter().filter_map(|entry| entry.asked_of).collect();
    devices.into_iter().map(|device| Whose { account, device: Some(DeviceId(device)) }).collect()
}

/// Notes that whoever is to know knows.
pub(crate) fn tell(tx: &mut TableTx<'_>, account: AccountId, waiting: &Waiting) -> Result<(), Error> {
    let devices = waiting.devices.iter().map(|device| Whose { account, device: Some(*device) });
    for whose in devices.chain([Whose { account, device: None }]) {
        let mut pace = read(tx.get(&whose.key())?);
        pace.is_told = true;
        tx.put(&whose.key(), pace.encode());
    }
    Ok(())
}

/// What of an account waits; of more than `limit` messages as many.
pub(crate) fn waiting(table: &Table, account: AccountId, limit: usize) -> Result<(Waiting, Vec<QueueId>), Error> {
    let of_account = table.scan(&Whose { account, device: None }.waiting(), &[], limit)?;
    let of_devices = table.scan(&of_devices(account), &[], limit)?;
    let mut ids: Vec<QueueId> = of_account.iter().chain(&of_devices).map(|(key, _)| id_of(key)).collect();
    ids.sort_unstable();
    ids.truncate(limit);
    let device =
        |(key, _): &store::Row| key.get(5..9).and_then(|number| number.try_into().ok()).map(u32::from_be_bytes);
    let devices: BTreeSet<u32> = of_devices.iter().filter_map(device).collect();
    let devices: Vec<DeviceId> = devices.into_iter().map(DeviceId).collect();
    let mut is_told = true;
    let whole = (!of_account.is_empty() || devices.is_empty()).then_some(None);
    for device in whole.into_iter().chain(devices.iter().copied().map(Some)) {
        is_told &= read(table.get(&Whose { account, device }.key())?).is_told;
    }
    Ok((Waiting { messages: ids.len() as u64, devices, is_told }, ids))
}

/// Whether an account has written to an address.
pub(crate) fn knows(table: &Table, account: AccountId, address: &str) -> Result<bool, store::Error> {
    Ok(read(table.get(&Whose { account, device: None }.key())?).known.contains(&hash(address)))
}

/// Accounts of which messages wait, at most `limit`.
pub(crate) fn accounts(table: &Table, limit: usize) -> Result<Vec<AccountId>, Error> {
    let mut all = BTreeSet::new();
    for prefix in [b"w", b"v"] {
        let (mut found, mut from) = (0, Vec::new());
        while found < limit {
            let rows = table.scan(prefix, &from, 1)?;
            let number = |(key, _): &store::Row| key.get(1..5).and_then(|number| number.try_into().ok());
            let Some(number) = rows.first().and_then(number).map(u32::from_be_bytes) else { break };
            all.insert(AccountId(number));
            found += 1;
            let Some(next) = number.checked_add(1) else { break };
            from = [&prefix[..], &next.to_be_bytes()].concat();
        }
    }
    Ok(all.into_iter().take(limit).collect())
}

impl Whose {
    fn key(self) -> Vec<u8> {
        let device = self.device.map(|device| device.0.to_be_bytes().to_vec()).unwrap_or_default();
        [&b"k"[..], &self.account.0.to_be_bytes(), &device].concat()
    }

    fn is_waiting(self, tx: &TableTx<'_>) -> Result<bool, Error> {
        Ok(!tx.scan_before(&self.waiting(), &[], 1)?.is_empty())
    }

    /// How the keys begin of what waits because of it.
    fn waiting(self) -> Vec<u8> {
        match self.device {
            None => [&b"w"[..], &self.account.0.to_be_bytes()].concat(),
            Some(device) => [of_devices(self.account), device.0.to_be_bytes().to_vec()].concat(),
        }
    }
}

fn of_devices(account: AccountId) -> Vec<u8> {
    [&b"v"[..], &account.0.to_be_bytes()].concat()
}

impl Pace {
    /// Whether a message to so many strangers waits; counts it.
    fn waits(&mut self, is_waiting: bool, (strangers, strangers_min): (u64, u64), now: Timestamp) -> bool {
        let (in_window, largest_day) = (self.in_window(), self.largest_day);
        let waits = decide(Findings { strangers, in_window, largest_day, is_waiting, strangers_min });
        self.count(strangers, now);
        // Told anew of each time that begins.
        self.is_told &= !waits || is_waiting;
        waits
    }

    /// What a device sent does not count for its account any more.
    fn take_back(&mut self, device: &Self) {
        for (hour, strangers) in &mut self.hours {
            let same = device.hours.iter().find(|(other, _)| other == hour);
            *strangers = strangers.saturating_sub(same.map_or(0, |(_, strangers)| *strangers));
        }
    }

    /// It does.
    fn give_back(&mut self, device: &Self) {
        for (hour, strangers) in &device.hours {
            match self.hours.iter_mut().find(|(known, _)| known == hour) {
                Some((_, count)) => *count = count.saturating_add(*strangers),
                None => self.hours.push((*hour, *strangers)),
            }
        }
        self.hours.sort_unstable();
    }

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
        value
            .byte(u8::from(self.is_told) | u8::from(self.is_apart) << 1)
            .raw(&self.largest_day.to_be_bytes())
            .byte(self.hours.len() as u8);
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
        let bits = fields.byte()?;
        let largest_day = u64::from_be_bytes(fields.array()?);
        let (is_told, is_apart) = (bits & 1 != 0, bits & 2 != 0);
        let mut pace = Self { is_told, is_apart, largest_day, ..Self::default() };
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

fn waiting_key(entry: &Entry) -> Option<Vec<u8>> {
    let whose = Whose { account: AccountId(entry.account?), device: entry.asked_of.map(DeviceId) };
    entry.is_asked.then(|| [&whose.waiting()[..], &entry.id.0.to_be_bytes()].concat())
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
        let mut pace = Pace { is_told: true, is_apart: true, ..Pace::default() };
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
