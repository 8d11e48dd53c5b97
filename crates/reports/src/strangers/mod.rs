//! Which strangers have brought mail: who is known of them, and who is to come again before he is (RFC 6647). A rule elsewhere says
//! what follows (`mailflow`).
//!
//! Rows of the table, each key a letter and then:
//!
//! | letter | then | value |
//! |---|---|---|
//! | `h` | address | mail that it brought was delivered: the first and the last time, and on how many days |
//! | `k` | network, domain | mail for that domain from there was delivered: the same |
//! | `t` | network, domain | tried, and was to come again: the same |
//!
//! Where SPF proves the domain the network is left out. What is noted waits in memory and is written in rounds; a crash loses some seconds of it, and somebody waits once
//! more.

mod waiting;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Error, Store, Table, TableId, Timestamp};
use waiting::Waiting;

const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// Who has brought nothing for so long is a stranger again.
const KNOWN_MILLIS: i64 = 90 * DAY_MILLIS;
/// Who has tried once and does not come again in so much time begins anew. Hosts try for days; most within hours.
const TRIED_MILLIS: i64 = 2 * DAY_MILLIS;
/// On so many days a host must have brought mail before it is known for mail of whatever domain: it passes on.
const HOST_DAYS_MIN: u32 = 5;
/// Rows of each letter that [`Strangers::tidy`] leaves; the oldest go first. Who floods one letter forgets nothing of the others.
const ROWS_MAX: usize = 50_000;
/// When so many rows were written since then, more than that are forgotten at once, and not in the next round.
const GROWN_MAX: usize = 10_000;
/// So many rows are forgotten with one commit, since mail that is to be written waits for it.
const FORGOTTEN_AT_ONCE: usize = 1_000;
/// A name in a key has at most so many octets (RFC 1035 §2.3.4).
const DOMAIN_BYTES_MAX: usize = 253;

/// Who brings mail, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger<'a> {
    /// From where.
    pub address: IpAddr,
    /// The domain of the reverse-path, or what stands for it; in lower case.
    pub domain: &'a str,
    /// SPF says that it is that domain's host.
    pub is_proven: bool,
}

/// Strangers. Cheap to clone.
#[derive(Clone)]
pub struct Strangers(Arc<Inner>);

struct Inner {
    table: Table,
    waiting: Mutex<Waiting>,
    /// Rows that were written since the oldest were forgotten.
    grown: AtomicUsize,
}

/// Since when something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    first: Timestamp,
    last: Timestamp,
    days: u32,
}

impl Strangers {
    /// Those that `store` knows.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self(Arc::new(Inner {
            table: store.table(TableId::Strangers),
            waiting: Mutex::default(),
            grown: AtomicUsize::new(0),
        }))
    }

    /// Whether one is known: mail of his domain from his network was delivered, or where it was proven, or on several days of his
    /// host.
    ///
    /// # Errors
    /// Faults.
    pub fn knows(&self, stranger: Stranger<'_>, now: Timestamp) -> Result<bool, Error> {
        let is_fresh = |times: Option<Times>, days| {
            times.is_some_and(|times| times.days >= days && now.0.saturating_sub(times.last.0) < KNOWN_MILLIS)
        };
        Ok(is_fresh(self.times(&key(b'k', stranger))?, 1)
            || is_fresh(self.times(&host_key(stranger.address))?, HOST_DAYS_MIN))
    }

    /// Mail that one brought was delivered.
    ///
    /// # Errors
    /// Faults.
    pub fn brought(&self, stranger: Stranger<'_>, now: Timestamp) -> Result<(), Error> {
        for key in [key(b'k', stranger), host_key(stranger.address)] {
            let times = match self.times(&key)? {
                // Once a day is enough.
                Some(times) if now.0.saturating_sub(times.last.0) < DAY_MILLIS => continue,
                Some(times) => Times { last: now, days: times.days.saturating_add(1), ..times },
                None => Times { first: now, last: now, days: 1 },
            };
            // What finds no place is known another time.
            let _found_place = self.waiting().note(stranger.address, key, times.encode());
        }
        Ok(())
    }

    /// When one who is to come again tried first; that is noted. Where there is no room to note it, it is now, and the next time as well:
    /// whoever tries with more than others do waits until some of it is written.
    ///
    /// # Errors
    /// Faults.
    pub fn tried(&self, stranger: Stranger<'_>, now: Timestamp) -> Result<Timestamp, Error> {
        let key = key(b't', stranger);
        if let Some(times) =
            self.times(&key)?.filter(|times| (0..TRIED_MILLIS).contains(&now.0.saturating_sub(times.first.0)))
        {
            return Ok(times.first);
        }
        let times = Times { first: now, last: now, days: 1 };
        let _found_place = self.waiting().note(stranger.address, key, times.encode());
        Ok(now)
    }

    /// Writes down what was noted, in one commit; nothing if there is nothing. Where nothing can be written it is dropped. After a flood
    /// the oldest are forgotten, so that there are never many more rows than [`Strangers::tidy`] leaves.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn write(&self, now: Timestamp) -> Result<(), Error> {
        let noted = self.waiting().begin_to_write();
        if noted.is_empty() {
            return Ok(());
        }
        let written = self.0.table.takes_mail().and_then(|()| {
            self.0.table.change(|tx| {
                noted.iter().for_each(|(key, value)| tx.put(key, value.clone()));
                Ok(())
            })
        });
        self.waiting().written();
        written?;
        let grown = self.0.grown.fetch_add(noted.len(), Ordering::Relaxed) + noted.len();
        if grown >= GROWN_MAX { self.tidy(now) } else { Ok(()) }
    }

    /// Forgets what is old, and the oldest of what is too much.
    ///
    /// # Errors
    /// Faults.
    pub fn tidy(&self, now: Timestamp) -> Result<(), Error> {
        self.0.grown.store(0, Ordering::Relaxed);
        let mut gone = Vec::new();
        for (letter, kept) in [(b'h', KNOWN_MILLIS), (b'k', KNOWN_MILLIS), (b't', TRIED_MILLIS)] {
            let rows = self.0.table.scan(&[letter], &[letter], usize::MAX)?;
            let mut rows: Vec<(Timestamp, Vec<u8>)> = rows
                .into_iter()
                // What cannot be read is as old as can be.
                .map(|(key, value)| (Times::decode(&value).map_or(Timestamp(0), |times| times.last), key))
                .collect();
            rows.sort();
            let too_many = rows.len().saturating_sub(ROWS_MAX);
            let oldest = Timestamp(now.0.saturating_sub(kept));
            let is_to_go = |(at, (when, _)): &(usize, (Timestamp, Vec<u8>))| *at < too_many || *when < oldest;
            gone.extend(rows.into_iter().enumerate().filter(is_to_go).map(|(_, (_, key))| key));
        }
        gone.chunks(FORGOTTEN_AT_ONCE).try_for_each(|some| {
            self.0.table.change(|tx| {
                some.iter().for_each(|key| tx.delete(key));
                Ok(())
            })
        })
    }

    fn times(&self, key: &[u8]) -> Result<Option<Times>, Error> {
        let noted = self.waiting().get(key);
        let value = match noted {
            Some(value) => Some(value),
            None => self.0.table.get(key)?,
        };
        Ok(value.as_deref().and_then(Times::decode))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // What is noted may be lost.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn encode(self) -> Vec<u8> {
        let Self { first, last, days } = self;
        [&first.0.to_be_bytes()[..], &last.0.to_be_bytes(), &days.to_be_bytes()].concat()
    }

    /// Octets after those that are known are a later version's.
    fn decode(value: &[u8]) -> Option<Self> {
        let (first, rest) = value.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let (days, _) = rest.split_first_chunk()?;
        let time = |bytes: &[u8; 8]| Timestamp(i64::from_be_bytes(*bytes));
        Some(Self { first: time(first), last: time(last), days: u32::from_be_bytes(*days) })
    }
}

/// A network and a domain. Where SPF proves the domain, it is that domain's host whatever network it is in: large hosts come again from
/// another one.
fn key(letter: u8, stranger: Stranger<'_>) -> Vec<u8> {
    let network = if stranger.is_proven { Vec::new() } else { network(stranger.address) };
    let length = network.len() as u8;
    [&[letter, length][..], &network, short(stranger.domain)].concat()
}

fn host_key(address: IpAddr) -> Vec<u8> {
    [&b"h"[..], &octets(address)].concat()
}

fn short(domain: &str) -> &[u8] {
    let bytes = domain.as_bytes();
    bytes.get(..DOMAIN_BYTES_MAX).unwrap_or(bytes)
}

/// The /24 of an IPv4 address, the /64 of an IPv6 one.
fn network(address: IpAddr) -> Vec<u8> {
    let mut octets = octets(address);
    octets.truncate(if octets.len() == 4 { 3 } else { 8 });
    octets
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests;
