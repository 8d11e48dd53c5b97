//! From one engine into another, as it is: heads, rows and all. Nobody may write to either meanwhile.
//!
//! The last commit of a keyspace gives it the head that it has where it comes from. So whoever is interrupted goes on with
//! those whose heads differ, and [`compare`] reads all rows of both once more.

use crate::Error;
use crate::take::{OnStep, Step};
use std::ops::ControlFlow;
use store::engine::{Commit, Engine, KEY_BYTES_MAX, Write};
use store::{AccountId, ModSeq};

/// Rows are written in commits of about so many octets.
const COMMIT_BYTES: usize = 4 * 1024 * 1024;

/// Copies every keyspace that is not there yet.
///
/// # Errors
/// The other engine holds something that this one does not; faults; what `step` returns.
pub fn transfer(from: &dyn Engine, to: &dyn Engine, step: OnStep<'_>) -> Result<(), Error> {
    let ids = keyspaces(from, to)?;
    let mut bytes = 0;
    for (done, id) in ids.iter().enumerate() {
        step(Step::new(done, ids.len(), bytes))?;
        bytes += copy(from, to, *id)?;
    }
    step(Step::new(ids.len(), ids.len(), bytes))
}

/// Reads all rows of both, and compares them. How many keyspaces there are.
///
/// # Errors
/// They differ; faults; what `step` returns.
pub fn compare(from: &dyn Engine, to: &dyn Engine, step: OnStep<'_>) -> Result<usize, Error> {
    let ids = keyspaces(from, to)?;
    let mut bytes = 0;
    for (done, id) in ids.iter().enumerate() {
        step(Step::new(done, ids.len(), bytes))?;
        let (one, other) = (Content::of(from, *id)?, Content::of(to, *id)?);
        if one != other {
            return Err(Error::Fault(format!(
                "keyspace {id} did not arrive as it is: {} rows at {} became {} rows at {}; nothing has changed where it comes \
                 from",
                one.rows, one.head, other.rows, other.head
            )));
        }
        bytes += one.bytes;
    }
    step(Step::new(ids.len(), ids.len(), bytes))?;
    Ok(ids.len())
}

/// Those of `from`, which are all that `to` may have.
fn keyspaces(from: &dyn Engine, to: &dyn Engine) -> Result<Vec<AccountId>, Error> {
    if let Some(what) = from.closed().into_iter().next() {
        return Err(Error::Fault(format!("not everything can be read: {what}")));
    }
    let ids = from.accounts().map_err(store::Error::from)?;
    let there = to.accounts().map_err(store::Error::from)?;
    match there.into_iter().find(|id| ids.binary_search(id).is_err()) {
        None => Ok(ids),
        Some(id) => Err(Error::Refused(format!(
            "the store to move into holds mail already (keyspace {id}), which is not that of this server; empty it first"
        ))),
    }
}

fn copy(from: &dyn Engine, to: &dyn Engine, id: AccountId) -> Result<u64, Error> {
    let snapshot = from.snapshot(id).map_err(store::Error::from)?;
    let there = to.head(id).map_err(store::Error::from)?;
    if there == snapshot.head() {
        return Ok(0);
    }
    if there > ModSeq(0) {
        // What an interrupted one left.
        to.remove_account(id).map_err(|error| Error::Fault(error.to_string()))?;
    }
    let (mut head, mut open, mut bytes, mut writes) = (ModSeq(0), 0, 0, Vec::new());
    let commit = |head: &mut ModSeq, next: ModSeq, writes: Vec<Write>| {
        let commit = Commit { account: id, expected: *head, next, writes };
        *head = next;
        to.commit(commit).map_err(|error| Error::Fault(error.to_string()))
    };
    let mut failed = Ok(());
    let scanned = snapshot.scan(&[], &[u8::MAX; KEY_BYTES_MAX], &mut |key, value| {
        writes.push(Write::Put { key: key.to_vec(), value: value.to_vec() });
        open += key.len() + value.len();
        bytes += (key.len() + value.len()) as u64;
        // The heads on the way must lie below the last one.
        let next = ModSeq(head.0 + 1);
        if open >= COMMIT_BYTES && next < snapshot.head() {
            open = 0;
            failed = commit(&mut head, next, std::mem::take(&mut writes));
        }
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    scanned.map_err(store::Error::from)?;
    failed?;
    commit(&mut head, snapshot.head(), writes)?;
    Ok(bytes)
}

/// What a keyspace holds.
#[derive(PartialEq, Eq)]
struct Content {
    head: ModSeq,
    rows: u64,
    bytes: u64,
    hash: blake3::Hash,
}

impl Content {
    fn of(engine: &dyn Engine, id: AccountId) -> Result<Self, Error> {
        let snapshot = engine.snapshot(id).map_err(store::Error::from)?;
        let (mut rows, mut bytes, mut hasher) = (0, 0, blake3::Hasher::new());
        let scanned = snapshot.scan(&[], &[u8::MAX; KEY_BYTES_MAX], &mut |key, value| {
            rows += 1;
            bytes += (key.len() + value.len()) as u64;
            for part in [key, value] {
                hasher.update(&(part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            ControlFlow::Continue(())
        });
        scanned.map_err(store::Error::from)?;
        Ok(Self { head: snapshot.head(), rows, bytes, hash: hasher.finalize() })
    }
}
