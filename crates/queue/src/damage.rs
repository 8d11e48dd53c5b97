//! A message that cannot be read is set aside: it stalls neither its sender nor the queue, is shown to the operator, and
//! waits for a backup to be restored or for its removal. A row `x` id says why.

use crate::entry::QueueId;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use store::{Row, TableTx, Timestamp};

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Its number.
    pub id: QueueId,
    /// Since when it is set aside; `None`: it was not tried yet.
    pub at: Option<Timestamp>,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct Note {
    at: i64,
    why: String,
    /// Whose share of the queue it takes.
    #[serde(default)]
    account: Option<u32>,
}

pub(crate) const PREFIX: &[u8] = b"x";
/// How rows begin that end with the number of a message: what is due (`turns`), of the server and of accounts, what waits for an
/// answer (`pace`), and for its time (`queue::scheduled`). But for the first an account stands behind that.
const NAMING: [&[u8]; 5] = [b"d", b"t", b"w", b"v", b"f"];
/// So many rows are read at a time.
const LOOKED_AT_AT_ONCE: usize = 1000;

pub(crate) fn key(id: QueueId) -> Vec<u8> {
    [PREFIX, &id.0.to_be_bytes()].concat()
}

pub(crate) fn encode(why: &str, account: Option<u32>, now: Timestamp) -> Result<Vec<u8>, Error> {
    let note = Note { at: now.0, why: why.to_owned(), account };
    serde_json::to_vec(&note).map_err(|error| Error::damaged(format_args!("a note: {error}")))
}

pub(crate) fn decode((key, value): &Row) -> Damaged {
    let id = QueueId(u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default()));
    let unknown = || Note { at: 0, why: "it cannot be read".to_owned(), account: None };
    let Note { at, why, .. } = serde_json::from_slice(value).unwrap_or_else(|_| unknown());
    Damaged { id, at: Some(Timestamp(at)), why }
}

/// Takes away what names a message whose entry cannot be read: its note, that it is due, that it waits for an answer or for its time.
/// Whose share of the queue it takes, as far as one of these says it, and whether as one that waits for its time. Looks at all of them.
pub(crate) fn forget(tx: &mut TableTx<'_>, id: QueueId) -> Result<Option<(u32, bool)>, store::Error> {
    let note = sound(tx.get(&key(id)))?.flatten().and_then(|value| serde_json::from_slice::<Note>(&value).ok());
    let mut account = note.and_then(|note| note.account);
    let mut is_scheduled = false;
    tx.delete(&key(id));
    for prefix in NAMING {
        let mut from = Vec::new();
        while let Some(rows) = sound(tx.scan_before(prefix, &from, LOOKED_AT_AT_ONCE))? {
            for (key, _) in rows.iter().filter(|(key, _)| key.ends_with(&id.0.to_be_bytes())) {
                let number = key.get(1..5).filter(|_| prefix != b"d").and_then(|number| number.try_into().ok());
                account = account.or(number.map(u32::from_be_bytes));
                is_scheduled |= prefix == b"f";
                tx.delete(key);
            }
            match rows.last() {
                Some((last, _)) if rows.len() >= LOOKED_AT_AT_ONCE => from = [&last[..], &[0]].concat(),
                Some(_) | None => break,
            }
        }
    }
    Ok(account.map(|account| (account, is_scheduled)))
}

/// What is damaged itself says nothing, and keeps nobody from removing a message.
fn sound<T>(read: Result<T, store::Error>) -> Result<Option<T>, store::Error> {
    match read {
        Err(store::Error::Damaged(_)) => Ok(None),
        read => read.map(Some),
    }
}
