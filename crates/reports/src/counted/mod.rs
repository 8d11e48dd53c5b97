//! What is counted for reports to others: mail that named their domains in From, and sessions with their hosts.
//!
//! Rows of the table, each key a letter and then:
//!
//! | letter | then | value |
//! |---|---|---|
//! | `a` | day, domain | [`Policy`]: what was published, and how many rows of mail there are |
//! | `e` | day, domain, 0, digest | [`Row`]: mail that is alike |
//! | `t` | day, domain | how many rows of sessions there are |
//! | `s` | day, domain, 0, digest | [`Sessions`] that are alike |
//! | `n` | day | how many domains of either kind there are |
//! | `g` | day, domain below a public suffix | how many domains below it have rows of mail |

mod due;
mod row;

pub use due::{Due, Matter, Reporter};
pub(crate) use row::{Policy, Sessions};

use crate::day::Day;
use crate::dmarc::Row;
use queue::TlsOutcome;
use row::{Key, Kind};
use sender_auth::Asks;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use store::{Error, Store, Table, TableId, TableTx, Timestamp};

/// Kinds of mail and of sessions that are counted in memory between two rounds.
const NOTED_MAX: usize = 5_000;
/// Domains of a day, of mail and of sessions.
const DOMAINS_PER_DAY_MAX: u32 = 2_000;
/// Of them such whose mail asks for reports below one domain that somebody has registered: who makes names up fills no more.
const DOMAINS_PER_ORGANISATION_MAX: u32 = 20;
/// Rows of a domain in a day.
const ROWS_PER_DOMAIN_MAX: u32 = 2_000;

/// Counts. Cheap to clone.
#[derive(Clone)]
pub struct Counts(Arc<Inner>);

struct Inner {
    table: Table,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    mail: HashMap<(Day, Asks, Row), u64>,
    sessions: HashMap<(Day, String, Sessions), u64>,
}

impl Counts {
    /// What `store` has of them.
    #[must_use]
    pub fn new(store: &Store) -> Self {
        Self(Arc::new(Inner { table: store.table(TableId::Reports), noted: Mutex::default() }))
    }

    /// Counts a message of a domain that asks for reports; `row.count` does not matter. It costs nothing but memory, of which it
    /// takes a bounded piece; [`Self::write`] writes it down.
    pub fn mail(&self, asks: Asks, row: Row, now: Timestamp) {
        if !is_name(&asks.domain) {
            return;
        }
        let mut noted = self.noted();
        let key = (Day::of(now), asks, Row { count: 0, ..row.bounded() });
        if noted.mail.len() < NOTED_MAX || noted.mail.contains_key(&key) {
            let count = noted.mail.entry(key).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Counts a session with a host of another domain, as [`Self::mail`] does.
    pub fn session(&self, outcome: TlsOutcome, now: Timestamp) {
        let TlsOutcome { domain, promise, host, address, failure } = outcome;
        if !is_name(&domain) {
            return;
        }
        let sessions = match failure {
            Some(failure) => Sessions { promise, host, address, failure: failure.name().to_owned(), count: 0 },
            // Where all is well it is not told where.
            None => Sessions { promise, host: String::new(), address: None, failure: String::new(), count: 0 },
        };
        let mut noted = self.noted();
        let key = (Day::of(now), domain, sessions);
        if noted.sessions.len() < NOTED_MAX || noted.sessions.contains_key(&key) {
            let count = noted.sessions.entry(key).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Writes down what was noted, in one commit; nothing if there is nothing. Where nothing can be written it is dropped.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn write(&self) -> Result<(), Error> {
        let Noted { mail, sessions } = std::mem::take(&mut *self.noted());
        if mail.is_empty() && sessions.is_empty() {
            return Ok(());
        }
        self.0.table.takes_mail()?;
        self.0.table.change(|tx| {
            for ((day, asks, row), count) in &mail {
                let key = Key { kind: Kind::Mail, day: *day, domain: asks.domain.clone() };
                let known = tx.get(&key.of_domain())?.map(|value| row::decode::<Policy>(&value)).transpose()?;
                let before = known.as_ref().map(|policy| policy.rows);
                let add = |so_far: Option<Row>| {
                    let so_far = so_far.map_or(0, |row| row.count);
                    Row { count: so_far.saturating_add(*count), ..row.clone() }
                };
                if let Some(rows) = add_row(tx, (&key, Some(&asks.organisation)), row, before, add)? {
                    tx.put(&key.of_domain(), row::encode(&Policy { rows, ..Policy::of(asks) }));
                }
            }
            for ((day, domain, sessions), count) in &sessions {
                let key = Key { kind: Kind::Sessions, day: *day, domain: domain.clone() };
                let before = tx.get(&key.of_domain())?.map(|value| row::decode::<u32>(&value)).transpose()?;
                let add = |so_far: Option<Sessions>| {
                    let so_far = so_far.map_or(0, |sessions| sessions.count);
                    Sessions { count: so_far.saturating_add(*count), ..sessions.clone() }
                };
                if let Some(rows) = add_row(tx, (&key, None), sessions, before, add)? {
                    tx.put(&key.of_domain(), row::encode(&rows));
                }
            }
            Ok(())
        })
    }

    fn noted(&self) -> std::sync::MutexGuard<'_, Noted> {
        // What is noted may be lost.
        self.0.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What stands in the header of a report, and what the DNS can be asked for.
fn is_name(domain: &str) -> bool {
    let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || b"-._".contains(&octet);
    !domain.is_empty() && domain.len() <= 253 && domain.bytes().all(is_letter)
}

/// Adds to the row of a kind. How many rows its domain has now; `None` where there is no room for it.
fn add_row<T: serde::Serialize + serde::de::DeserializeOwned>(
    tx: &mut TableTx<'_>,
    (key, organisation): (&Key, Option<&str>),
    kind: &T,
    before: Option<u32>,
    add: impl FnOnce(Option<T>) -> T,
) -> Result<Option<u32>, Error> {
    let at = key.of_row(kind);
    let so_far = tx.get(&at)?.map(|value| row::decode::<T>(&value)).transpose()?;
    let is_new = so_far.is_none();
    let rows = before.unwrap_or(0);
    if is_new && (rows >= ROWS_PER_DOMAIN_MAX || before.is_none() && !has_room(tx, key.day, organisation)?) {
        return Ok(None);
    }
    tx.put(&at, row::encode(&add(so_far)));
    Ok(Some(if is_new { rows.saturating_add(1) } else { rows }))
}

/// Whether one more domain finds room; it is counted then.
fn has_room(tx: &mut TableTx<'_>, day: Day, organisation: Option<&str>) -> Result<bool, Error> {
    let of_organisation = organisation.map(|name| (row::of_organisation(day, name), DOMAINS_PER_ORGANISATION_MAX));
    let limits: Vec<_> = of_organisation.into_iter().chain([(row::of_day(day), DOMAINS_PER_DAY_MAX)]).collect();
    let mut counts = Vec::new();
    for (key, most) in &limits {
        let count = tx.get(key)?.map_or(Ok(0), |value| row::decode::<u32>(&value))?;
        if count >= *most {
            return Ok(false);
        }
        counts.push((key, count + 1));
    }
    counts.into_iter().for_each(|(key, count)| tx.put(key, row::encode(&count)));
    Ok(true)
}

#[cfg(test)]
mod tests;
