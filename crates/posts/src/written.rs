//! What accounts here have written to lists, and what became of it: for their timelines.
//!
//! Rows: `w` account number = a [`Written`]. They are written in the commit that takes a post, and renewed in those that decide on it: no
//! commit more.

use crate::post::{Post, PostId, Stage, id_of};
use serde::{Deserialize, Serialize};
use store::{AccountId, Error, Row, Table, TableTx, Timestamp};

/// An account keeps so many; the oldest goes first.
pub(crate) const KEPT_MAX: usize = 500;
/// No longer than this.
pub(crate) const KEPT_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;
/// So much is kept of a Message-ID.
const MESSAGE_ID_CHARS_MAX: usize = 200;
/// So many are looked at, or taken away, at once.
const AT_ONCE: usize = 500;

/// What an account has written to a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The number of the post.
    #[serde(skip)]
    pub id: PostId,
    /// The address of the list.
    pub list: String,
    /// Decoded.
    pub subject: String,
    /// As it stands.
    pub message_id: String,
    /// When it was taken.
    pub at_millis: i64,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It goes to the members.
    Taken,
    /// It waits for an owner of the list.
    Waits {
        /// Why, in words.
        why: String,
    },
    /// An owner has said that it goes to the members.
    Approved,
    /// It goes to nobody.
    Refused {
        /// Nobody answered.
        is_over: bool,
    },
}

impl Written {
    /// When it was taken.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at_millis)
    }

    fn decode((key, value): &Row) -> Option<Self> {
        serde_json::from_slice(value).ok().map(|written| Self { id: id_of(key), ..written })
    }
}

impl Fate {
    fn of(stage: &Stage, before: Option<&Self>) -> Self {
        match (stage, before) {
            (Stage::Going(_), Some(Self::Waits { .. } | Self::Approved)) => Self::Approved,
            (Stage::Going(_), _) => Self::Taken,
            (Stage::Held(held), _) => Self::Waits { why: held.why.clone() },
            (Stage::Refused { is_over }, _) => Self::Refused { is_over: *is_over },
        }
    }
}

/// What an account has written, newest first. What cannot be read is left out.
pub(crate) fn of(table: &Table, account: AccountId) -> Result<Vec<Written>, Error> {
    let rows = table.scan(&prefix(account.0), &[], 2 * KEPT_MAX)?;
    Ok(rows.iter().rev().filter_map(Written::decode).collect())
}

/// Notes a post that is taken, if an account here has written it.
pub(crate) fn note(tx: &mut TableTx<'_>, post: &Post) -> Result<(), Error> {
    let Some(account) = post.account else { return Ok(()) };
    let kept = tx.scan_before(&prefix(account), &[], KEPT_MAX)?;
    if let Some((oldest, _)) = kept.first().filter(|_| kept.len() >= KEPT_MAX) {
        tx.delete(oldest);
    }
    let written = Written {
        id: post.id,
        list: post.list.clone(),
        subject: post.subject.clone(),
        message_id: post.message_id.chars().take(MESSAGE_ID_CHARS_MAX).collect(),
        at_millis: post.at_millis,
        fate: Fate::of(&post.stage, None),
    };
    put(tx, account, &written)
}

/// Writes down what was decided on a post. No post waits for what is damaged here.
pub(crate) fn renew(tx: &mut TableTx<'_>, post: &Post) -> Result<(), Error> {
    let Some(account) = post.account else { return Ok(()) };
    let key = key(account, post.id);
    let row = match tx.get(&key) {
        Err(Error::Damaged(_)) => None,
        row => row?,
    };
    let Some(written) = row.and_then(|value| Written::decode(&(key, value))) else { return Ok(()) };
    let fate = Fate::of(&post.stage, Some(&written.fate));
    if fate == written.fate { Ok(()) } else { put(tx, account, &Written { fate, ..written }) }
}

/// Takes away what is old, of all accounts.
pub(crate) fn forget(table: &Table, now: Timestamp) -> Result<(), Error> {
    let is_old =
        |row: &&Row| Written::decode(row).is_none_or(|written| now.0.saturating_sub(written.at_millis) > KEPT_MILLIS);
    let mut from = Vec::new();
    loop {
        let rows = table.scan(b"w", &from, AT_ONCE)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        from = [&last[..], &[0]].concat();
        let old: Vec<&Row> = rows.iter().filter(is_old).collect();
        if !old.is_empty() {
            table.change(|tx| {
                old.iter().for_each(|(key, _)| tx.delete(key));
                Ok::<_, Error>(())
            })?;
        }
    }
}

fn put(tx: &mut TableTx<'_>, account: u32, written: &Written) -> Result<(), Error> {
    let value = serde_json::to_vec(written).map_err(|error| Error::Fault(format!("what became of a post: {error}")))?;
    tx.put(&key(account, written.id), value);
    Ok(())
}

fn prefix(account: u32) -> Vec<u8> {
    [&b"w"[..], &account.to_be_bytes()].concat()
}

fn key(account: u32, id: PostId) -> Vec<u8> {
    [&prefix(account)[..], &id.0.to_be_bytes()].concat()
}
