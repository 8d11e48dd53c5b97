//! Test mail: an owner sends one to an address elsewhere, or through this server's own port, and is told how it went: what the host
//! said that took it, and what came back of it (`reading.rs`).
//!
//! Rows of the table: `m`, token; the value is a [`TestMail`]. A test is known by its token, which only who gets the test can know.
//! Who sends back what is not true deceives the one who asked them.
//!
//! Invariant: mail that comes costs nothing here while no test is open, and a test keeps no mail from being taken.

mod reading;

use crate::refused::About;
use message::delivery_report::Action as Reported;
use queue::{Protection, RecipientState, Said};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use store::{AccountId, Error, Store, Table, TableId, TableTx, Timestamp};

/// A test of one account and of all together in an hour; so that it is no way to send mail past the brake for stolen passwords.
const HOURLY_MAX: usize = 10;
/// See [`HOURLY_MAX`].
const HOURLY_MAX_OF_ALL: usize = 60;
const HOUR_MILLIS: i64 = 3600 * 1000;
/// How long a test is kept, and its answers are read.
const KEPT_MILLIS: i64 = 30 * 24 * HOUR_MILLIS;
/// Tests that are kept; the oldest go first.
const TESTS_MAX: usize = 300;
/// What hosts said, and what came back: so much of a test is kept.
const SAID_MAX: usize = 12;
/// See [`SAID_MAX`].
const CAME_MAX: usize = 6;
/// So much of a text is kept.
const TEXT_CHARS_MAX: usize = 300;

/// The [`HostSaid::host`] that a smarthost has.
pub const THE_SMARTHOST: &str = "the smarthost";

const TOKEN_CHARS: usize = 20;
const MARK: &str = "pillarbox-test-";
const MARK_BYTES: usize = MARK.len() + TOKEN_CHARS;

/// Test mail. Cheap to clone.
#[derive(Clone)]
pub struct TestMails(Arc<Inner>);

struct Inner {
    table: Table,
    /// The tokens of tests whose answers are read, and [`Table::changed_by_others`] when that was looked at; `None`: it was not.
    open: Mutex<Option<(u64, BTreeSet<String>)>>,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestMail {
    /// What it is known by.
    pub token: String,
    /// When it was sent, milliseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// The number of the account that sent it.
    pub account: u32,
    /// Its address.
    pub from: String,
    /// Whom it went to.
    pub to: String,
    /// That is here: it goes out, and in through this server's own port.
    pub is_loop: bool,
    /// Its number in the outbound queue.
    pub queue: Option<u64>,
    /// What hosts said of it, in their order.
    pub said: Vec<HostSaid>,
    /// What came back, in its order.
    pub came: Vec<Came>,
}

/// What a host said of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSaid {
    /// When.
    pub at: i64,
    /// Which host; empty: this server says it.
    pub host: String,
    /// Its reply: code and text.
    pub reply: String,
    /// What that means.
    pub verdict: Verdict,
    /// How the session was protected.
    pub protection: Protection,
    /// Whether the host tells by itself what becomes of the message.
    pub reports: bool,
}

/// What a reply means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It has the test.
    Taken,
    /// Not now.
    Later,
    /// Never.
    Refused,
}

/// What came back of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came {
    /// When.
    pub at: i64,
    /// Who wrote it.
    pub by: String,
    /// What it is.
    pub what: What,
    /// Whether the test came there over TLS; `None`: that is not told.
    pub is_tls: Option<bool>,
    /// What the server there found out.
    pub seen: Vec<Seen>,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The test itself, through this server's own port; whether it went to Junk.
    Itself {
        /// Whether it did.
        is_junk: bool,
    },
    /// An answer.
    Answer,
    /// A report on it (RFC 3464).
    Report {
        /// What became of it.
        action: Action,
        /// Why.
        why: String,
    },
}

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It will not be delivered.
    Failed,
    /// It takes longer.
    Delayed,
    /// It is in the mailbox, or with a server that does not report.
    Delivered,
}

/// One result of a server (RFC 8601).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What the server calls itself.
    pub by: String,
    /// `spf`, `dkim`, `dmarc`, …
    pub method: String,
    /// `pass`, `fail`, …
    pub result: String,
    /// What stood beside it.
    pub detail: String,
}

/// Why no test is sent.
#[derive(Debug)]
pub enum NoTest {
    /// There were enough in this hour: so many.
    TooMany(usize),
    /// The store.
    Store(Error),
}

impl From<Error> for NoTest {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for NoTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(most) => write!(f, "{most} tests in an hour are enough; try again later"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl From<Reported> for Action {
    fn from(action: Reported) -> Self {
        match action {
            Reported::Failed => Self::Failed,
            Reported::Delayed => Self::Delayed,
            Reported::Delivered | Reported::Relayed => Self::Delivered,
        }
    }
}

impl TestMail {
    /// What stands in its Message-ID before the `@`, in its subject, and as the name of its envelope.
    #[must_use]
    pub fn mark(&self) -> String {
        mark_of(&self.token)
    }
}

fn mark_of(token: &str) -> String {
    format!("{MARK}{token}")
}

impl TestMails {
    /// Those that `store` has.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self(Arc::new(Inner { table: store.table(TableId::Reports), open: Mutex::default() }))
    }

    /// Begins a test: `(from, to)`, and whether that is here.
    ///
    /// # Errors
    /// [`NoTest`].
    pub fn begin(
        &self,
        account: AccountId,
        (from, to): (&str, &str),
        is_loop: bool,
        now: Timestamp,
    ) -> Result<TestMail, NoTest> {
        let of_hour: Vec<TestMail> =
            self.all()?.into_iter().filter(|test| (now.0 - HOUR_MILLIS..=now.0).contains(&test.at)).collect();
        if of_hour.len() >= HOURLY_MAX_OF_ALL {
            return Err(NoTest::TooMany(HOURLY_MAX_OF_ALL));
        }
        if of_hour.iter().filter(|test| test.account == account.0).count() >= HOURLY_MAX {
            return Err(NoTest::TooMany(HOURLY_MAX));
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        let (token, said, came) = (token()?, Vec::new(), Vec::new());
        let test = TestMail { token, at: now.0, account: account.0, from, to, is_loop, queue: None, said, came };
        self.0.table.change(|tx| {
            let mut known = tests_in(tx.scan_before(b"m", b"m", usize::MAX)?);
            known.sort_by_key(|test| test.at);
            let too_many = (known.len() + 1).saturating_sub(TESTS_MAX);
            let is_old = |test: &TestMail| test.at < now.0 - KEPT_MILLIS;
            known.iter().enumerate().filter(|(place, test)| *place < too_many || is_old(test)).for_each(|(_, test)| {
                tx.delete(&key(&test.token));
            });
            put(tx, &test);
            Ok::<_, NoTest>(())
        })?;
        self.look_again()?;
        Ok(test)
    }

    /// It is under way, with that number in the queue.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn sent(&self, token: &str, queue: u64) -> Result<(), Error> {
        self.alter(token, |test| test.queue = Some(queue))
    }

    /// It could not be sent.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn withdraw(&self, token: &str) -> Result<(), Error> {
        self.0.table.change(|tx| {
            tx.delete(&key(token));
            Ok::<_, Error>(())
        })?;
        self.look_again()
    }

    /// A host said something of a message whose envelope has a name; nothing is noted of one that is no test.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn said(&self, said: &Said<'_>, now: Timestamp) -> Result<(), Error> {
        let name = said.entry.envelope_id.as_deref().and_then(|name| name.strip_prefix(MARK));
        let Some(token) = name.filter(|token| self.is_open(token)) else { return Ok(()) };
        let (verdict, reply, reports) = match said.state {
            RecipientState::Delivered { reply, untold } => (Verdict::Taken, Some(reply), !untold),
            RecipientState::Waiting { last } => (Verdict::Later, last.as_ref(), false),
            RecipientState::Failed { reply, .. } => (Verdict::Refused, Some(reply), false),
        };
        let by_other = reply.filter(|reply| reply.by_smarthost).map(|reply| reply.host.clone());
        let host = by_other.map(|host| host.unwrap_or_else(|| THE_SMARTHOST.to_owned())).unwrap_or_default();
        let reply = reply.map(|reply| cut(&format!("{} {}", reply.code, reply.text))).unwrap_or_default();
        let host_said = HostSaid { at: now.0, host, reply, verdict, protection: said.protection, reports };
        self.alter(token, |test| {
            // Whoever names another message like it does not steer what is told of it.
            if said.entry.account == Some(test.account) {
                test.said.truncate(SAID_MAX - 1);
                test.said.push(host_said.clone());
            }
        })
    }

    /// Whether there is a test that may come back.
    #[must_use]
    pub fn any_open(&self) -> bool {
        self.open(|open| !open.is_empty())
    }

    /// Whether a message is an open test that was to come in through this server's own port.
    #[must_use]
    pub fn comes_back(&self, content: &[u8]) -> bool {
        self.open_in(content).is_some_and(|token| reading::is_itself(content, &token))
    }

    /// Looks whether mail that was delivered is a test or answers one, and notes what it says; whether it was one. `results`: what
    /// this server found out about it (RFC 8601), and whether it came over TLS. `hostname`: the name of this server.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`], faults.
    pub fn take(&self, content: &[u8], arrival: &Arrived<'_>, now: Timestamp) -> Result<bool, Error> {
        let Some(token) = self.open_in(content) else { return Ok(false) };
        let Arrived { hostname, results, is_tls, is_junk } = *arrival;
        let by = cut(&About::of(content).author);
        let came = if reading::is_itself(content, &token) {
            let (what, seen) = (What::Itself { is_junk }, reading::seen_in(results));
            Came { at: now.0, by, what, is_tls: Some(is_tls), seen }
        } else {
            let reading = reading::of_answer(content, hostname);
            let what = reading.report.map_or(What::Answer, |(action, why)| What::Report { action, why });
            Came { at: now.0, by, what, is_tls: reading.is_tls, seen: reading.seen }
        };
        self.alter(&token, |test| {
            if test.came.len() < CAME_MAX {
                test.came.push(came.clone());
            }
        })?;
        Ok(true)
    }

    /// Those of an account, or all; the newest first.
    ///
    /// # Errors
    /// Faults.
    pub fn list(&self, account: Option<AccountId>) -> Result<Vec<TestMail>, Error> {
        let mut tests = self.all()?;
        tests.retain(|test| account.is_none_or(|account| test.account == account.0));
        tests.sort_by_key(|test| std::cmp::Reverse(test.at));
        Ok(tests)
    }

    fn all(&self) -> Result<Vec<TestMail>, Error> {
        Ok(tests_in(self.0.table.scan(b"m", b"m", usize::MAX)?))
    }

    fn alter(&self, token: &str, change: impl Fn(&mut TestMail)) -> Result<(), Error> {
        self.0.table.change(|tx| {
            let Some(known) = tx.get(&key(token))? else { return Ok(()) };
            let Some(mut test) = read(&known) else { return Ok(()) };
            change(&mut test);
            put(tx, &test);
            Ok(())
        })
    }

    /// The token of an open test in a mail.
    fn open_in(&self, content: &[u8]) -> Option<String> {
        self.any_open().then(|| reading::token_in(content)).flatten().filter(|token| self.is_open(token))
    }

    fn is_open(&self, token: &str) -> bool {
        self.open(|open| open.contains(token))
    }

    fn open<T>(&self, ask: impl FnOnce(&BTreeSet<String>) -> T) -> T {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.0.table.changed_by_others();
        // What cannot be read now is looked for again.
        if open.as_ref().is_none_or(|(at, _)| *at != seen) {
            *open = self.tokens().ok().map(|tokens| (seen, tokens));
        }
        ask(open.as_ref().map_or(&BTreeSet::new(), |(_, tokens)| tokens))
    }

    fn look_again(&self) -> Result<(), Error> {
        // Whoever looks later knows more: what was found before is not to replace it.
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.0.table.changed_by_others();
        *open = Some((seen, self.tokens()?));
        Ok(())
    }

    fn tokens(&self) -> Result<BTreeSet<String>, Error> {
        Ok(self.all()?.into_iter().map(|test| test.token).collect())
    }
}

/// How mail came that may have to do with a test.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// The name of this server.
    pub hostname: &'a str,
    /// What this server found out about its sender: the value of `Authentication-Results`, on one line.
    pub results: &'a str,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// Whether it went to Junk.
    pub is_junk: bool,
}

/// What is damaged is no test: nothing else depends on it.
fn tests_in(rows: Vec<store::Row>) -> Vec<TestMail> {
    rows.iter().filter_map(|(_, value)| read(value)).collect()
}

fn read(value: &[u8]) -> Option<TestMail> {
    serde_json::from_slice(value).ok()
}

fn put(tx: &mut TableTx<'_>, test: &TestMail) {
    // It has no maps with keys that are no text, which is all that could fail.
    tx.put(&key(&test.token), serde_json::to_vec(test).unwrap_or_default());
}

fn key(token: &str) -> Vec<u8> {
    [b"m", token.as_bytes()].concat()
}

/// Letters and digits at random.
fn token() -> Result<String, Error> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut octets = [0; TOKEN_CHARS];
    getrandom::fill(&mut octets).map_err(|error| Error::Fault(format!("the system has no random numbers: {error}")))?;
    Ok(octets
        .iter()
        .filter_map(|octet| LETTERS.get(usize::from(octet % 32)))
        .map(|letter| char::from(*letter))
        .collect())
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Reads any octets as an answer to a test.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn check(content: &[u8]) {
    if let Some(token) = reading::token_in(content) {
        let _is = reading::is_itself(content, &token);
    }
    let _reading = reading::of_answer(content, "mail.example.org");
}

#[cfg(test)]
mod tests;
