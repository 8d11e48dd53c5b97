//! A message that cannot be read is set aside: it stalls neither its sender nor the queue, is shown to the operator, and
//! waits for a backup to be restored or for its removal. A row `x` id says why.

use crate::entry::QueueId;
use crate::error::Error;
use serde::{Deserialize, Serialize};
use store::{Row, Timestamp};

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
}

pub(crate) const PREFIX: &[u8] = b"x";

pub(crate) fn key(id: QueueId) -> Vec<u8> {
    [PREFIX, &id.0.to_be_bytes()].concat()
}

pub(crate) fn encode(why: &str, now: Timestamp) -> Result<Vec<u8>, Error> {
    let note = Note { at: now.0, why: why.to_owned() };
    serde_json::to_vec(&note).map_err(|error| Error::damaged(format_args!("a note: {error}")))
}

pub(crate) fn decode((key, value): &Row) -> Damaged {
    let id = QueueId(u64::from_be_bytes(key.last_chunk().copied().unwrap_or_default()));
    let unknown = || Note { at: 0, why: "it cannot be read".to_owned() };
    let Note { at, why } = serde_json::from_slice(value).unwrap_or_else(|_| unknown());
    Damaged { id, at: Some(Timestamp(at)), why }
}
