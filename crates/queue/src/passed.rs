//! What was passed on for accounts, and what became of it: kept beside the messages, and after them, for whoever looks for a mail.
//!
//! Rows: `p` account number = a [`Passed`]; `n` account = the numbers of the oldest and of the next one. They are written in the
//! commit that takes a message, and renewed in those that say what became of it: no commit more, and never anything else than
//! what the queue knows.

use crate::entry::{Entry, QueueId, Recipient, RecipientState, timestamp};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use store::{AccountId, EmailId, Row, Table, TableTx, Timestamp};

/// An account keeps so many; the oldest goes first.
pub(crate) const KEPT_MAX: u64 = 500;
/// No longer than this.
pub(crate) const KEPT_MILLIS: i64 = 30 * 24 * 3600 * 1000;
/// A message is noted for so many accounts; an alias with more tells the others nothing.
pub(crate) const ACCOUNTS_MAX: usize = 20;
/// Of so many recipients it is told what became of them.
pub(crate) const RECIPIENTS_MAX: usize = 10;
/// So much is kept of each word of others.
pub(crate) const TEXT_CHARS_MAX: usize = 200;
/// So many are taken away in one commit.
const TIDIED_AT_ONCE: usize = 500;

const VERSION: u8 = 1;
const ROWS: &[u8] = b"p";
pub(crate) const NUMBERS: &[u8] = b"n";

/// A message that is passed on, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassedOn {
    /// The accounts that are told what becomes of it.
    pub accounts: Vec<AccountId>,
    /// What it is.
    pub about: About,
}

/// What is known of a message that is passed on. What others wrote is cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The address here that it came for.
    pub address: String,
    /// An alias has members elsewhere; else the owner of the account has mail forwarded.
    pub by_alias: bool,
    /// Who wrote it.
    pub from: String,
    /// Decoded.
    pub subject: String,
    /// As it stands.
    pub message_id: String,
    /// The copy that the account has; `None`: it has none.
    pub email: Option<u64>,
}

/// What became of a message that was passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Its number in the queue.
    pub queue: QueueId,
    /// When it came.
    #[serde(with = "timestamp")]
    pub at: Timestamp,
    /// What it is.
    pub about: About,
    /// To whom it goes, and what became of it there; of more than ten the first.
    pub to: Vec<PassedTo>,
    /// How many there are beside those.
    pub others: usize,
    /// An administrator has thrown it away; who waited gets nothing.
    pub is_removed: bool,
}

/// A recipient of a message that was passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedTo {
    /// The address.
    pub address: String,
    /// What became of it.
    pub state: RecipientState,
}

impl About {
    /// The copy that the account has.
    #[must_use]
    pub fn email(&self) -> Option<EmailId> {
        self.email.map(EmailId)
    }

    fn cut(&self) -> Self {
        let cut = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect();
        Self {
            address: cut(&self.address),
            from: cut(&self.from),
            subject: cut(&self.subject),
            message_id: cut(&self.message_id),
            ..*self
        }
    }
}

/// What was passed on for an account, newest first, each with its number. What cannot be read is left out.
pub(crate) fn of(table: &Table, account: AccountId) -> Result<Vec<(u64, Passed)>, Error> {
    let rows = table.scan(&prefix(ROWS, account), &[], 2 * KEPT_MAX as usize)?;
    Ok(rows.iter().rev().filter_map(|(key, value)| Some((number_of(key), decode(value)?))).collect())
}

/// Takes away what is old, of all accounts.
pub(crate) fn forget(table: &Table, now: Timestamp) -> Result<(), Error> {
    let mut from = Vec::new();
    // One row for each account that ever had mail passed on.
    while let Some((key, value)) = table.scan(NUMBERS, &from, 1)?.pop() {
        tidy(table, account_of(&key), Numbers::decode(&value), now)?;
        from = [&key[..], &[0]].concat();
    }
    Ok(())
}

/// Notes a message that is taken; gives where.
pub(crate) fn note(tx: &mut TableTx<'_>, passed_on: &PassedOn, entry: &Entry) -> Result<Vec<(u32, u64)>, Error> {
    let passed = Passed {
        queue: entry.id,
        at: entry.enqueued_at,
        about: passed_on.about.cut(),
        to: told(&entry.recipients),
        others: entry.recipients.len().saturating_sub(RECIPIENTS_MAX),
        is_removed: false,
    };
    let mut places = Vec::new();
    for account in passed_on.accounts.iter().take(ACCOUNTS_MAX) {
        let key = prefix(NUMBERS, *account);
        let mut numbers = numbers(tx, &key)?;
        let number = numbers.next;
        numbers.next = numbers.next.saturating_add(1);
        if numbers.next - numbers.first > KEPT_MAX {
            tx.delete(&row_key(*account, numbers.first));
            numbers.first += 1;
        }
        tx.put(&key, numbers.encode());
        tx.put(&row_key(*account, number), encode(&passed)?);
        places.push((account.0, number));
    }
    Ok(places)
}

/// Writes down what became of a message since.
pub(crate) fn renew(tx: &mut TableTx<'_>, before: &Entry, after: &Entry) -> Result<(), Error> {
    let states = |entry: &Entry| told(&entry.recipients);
    if after.passed.is_empty() || states(before) == states(after) {
        return Ok(());
    }
    change(tx, after, |passed| passed.to = told(&after.recipients))
}

/// An administrator throws a message away.
pub(crate) fn remove(tx: &mut TableTx<'_>, entry: &Entry) -> Result<(), Error> {
    change(tx, entry, |passed| passed.is_removed = true)
}

/// Those that are there still, and can be read.
fn change(tx: &mut TableTx<'_>, entry: &Entry, change: impl Fn(&mut Passed)) -> Result<(), Error> {
    for (account, number) in &entry.passed {
        let key = row_key(AccountId(*account), *number);
        if let Some(mut passed) = sound(tx.get(&key))?.as_deref().and_then(decode) {
            change(&mut passed);
            tx.put(&key, encode(&passed)?);
        }
    }
    Ok(())
}

fn told(recipients: &[Recipient]) -> Vec<PassedTo> {
    let told = |recipient: &Recipient| {
        let mut state = recipient.state.clone();
        match &mut state {
            // What its sender hears is another matter.
            RecipientState::Delivered { untold, .. } => *untold = false,
            RecipientState::Failed { reported, .. } => *reported = true,
            RecipientState::Waiting { .. } => {}
        }
        PassedTo { address: recipient.address.clone(), state }
    };
    recipients.iter().take(RECIPIENTS_MAX).map(told).collect()
}

/// Of an account, as they were found.
fn tidy(table: &Table, account: AccountId, found: Numbers, now: Timestamp) -> Result<(), Error> {
    let is_old = |(_, value): &Row| decode(value).is_none_or(|passed| now.0.saturating_sub(passed.at.0) > KEPT_MILLIS);
    // Oldest first: what comes before one that stays goes.
    let first = table.scan(&prefix(ROWS, account), &[], 1)?;
    if !first.iter().any(is_old) {
        return Ok(());
    }
    let rows = table.scan(&prefix(ROWS, account), &[], TIDIED_AT_ONCE)?;
    let gone: Vec<&Row> = rows.iter().take_while(|row| is_old(row)).collect();
    let first = gone.last().map_or(found.first, |(key, _)| number_of(key).saturating_add(1));
    table.change(|tx| {
        let key = prefix(NUMBERS, account);
        let mut numbers = numbers(tx, &key)?;
        numbers.first = numbers.first.max(first).min(numbers.next);
        gone.iter().for_each(|(key, _)| tx.delete(key));
        tx.put(&key, numbers.encode());
        Ok(())
    })
}

/// Of the rows of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Numbers {
    first: u64,
    next: u64,
}

fn numbers(tx: &TableTx<'_>, key: &[u8]) -> Result<Numbers, store::Error> {
    Ok(sound(tx.get(key))?.map_or_else(Numbers::default, |value| Numbers::decode(&value)))
}

/// What is damaged tells nothing: no mail waits for that.
fn sound(row: Result<Option<Vec<u8>>, store::Error>) -> Result<Option<Vec<u8>>, store::Error> {
    match row {
        Err(store::Error::Damaged(_)) => Ok(None),
        row => row,
    }
}

impl Numbers {
    fn encode(self) -> Vec<u8> {
        [self.first.to_be_bytes(), self.next.to_be_bytes()].concat()
    }

    /// One that cannot be read begins anew.
    fn decode(value: &[u8]) -> Self {
        let number =
            |at: usize| value.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_be_bytes(*bytes));
        match (number(0), number(8)) {
            (Some(first), Some(next)) if first <= next => Self { first, next },
            _ => Self::default(),
        }
    }
}

fn encode(passed: &Passed) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, passed).map_err(|error| Error::damaged(format_args!("passed on: {error}")))?;
    Ok(bytes)
}

fn decode(value: &[u8]) -> Option<Passed> {
    let (VERSION, json) = value.split_first().map(|(version, json)| (*version, json))? else { return None };
    serde_json::from_slice(json).ok()
}

pub(crate) fn prefix(of: &[u8], account: AccountId) -> Vec<u8> {
    [of, &account.0.to_be_bytes()].concat()
}

pub(crate) fn row_key(account: AccountId, number: u64) -> Vec<u8> {
    [&prefix(ROWS, account)[..], &number.to_be_bytes()].concat()
}

fn number_of(key: &[u8]) -> u64 {
    u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default())
}

fn account_of(key: &[u8]) -> AccountId {
    AccountId(key.get(1..5).and_then(|number| number.try_into().ok()).map_or(0, u32::from_be_bytes))
}
