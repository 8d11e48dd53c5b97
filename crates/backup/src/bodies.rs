//! Large bodies from one place into another. Nobody may write to either meanwhile.
//!
//! A body's name begins with the BLAKE3 of its content, so that each says by itself whether it is whole.

use crate::Error;
use crate::take::{OnStep, Step};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::AccountId;
use store::backup::referred;
use store::engine::Engine;
use store::objects::{ObjectName, Objects, Shared};

/// Bodies are put together until they are so many ...
const TOGETHER_MAX: usize = 16;
/// ... or so many octets.
const TOGETHER_BYTES: usize = 16 * 1024 * 1024;

/// Copies every body of the accounts of `engine` that is not there, or not whole. How many there are. What no message refers to
/// is left where it is, if it is not whole: a crash left it.
///
/// # Errors
/// One is damaged where it comes from; faults; what `step` returns.
pub fn transfer_bodies(
    engine: &dyn Engine,
    (from, to): (&dyn Objects, &dyn Objects),
    step: OnStep<'_>,
) -> Result<u64, Error> {
    each_account(engine, step, |id| {
        let there = names(to, id)?;
        let (mut together, mut bytes, mut count) = (Vec::new(), 0, 0);
        for name in names(from, id)? {
            if there.contains(&name) {
                if is_whole(&name, &read(to, id, &name)?) {
                    count += 1;
                    continue;
                }
                // What an interrupted one left.
                to.remove(id, &name).map_err(store::Error::from)?;
            }
            let body = read(from, id, &name)?;
            if !is_whole(&name, &body) {
                if !referred(engine, id)?.contains(&name) {
                    continue;
                }
                return Err(Error::Fault(format!(
                    "the large message {name} of keyspace {id} is not what was written; look at `pillarbox check --bodies`"
                )));
            }
            count += 1;
            bytes += body.len();
            together.push((name, Arc::new(body) as Shared));
            if together.len() >= TOGETHER_MAX || bytes >= TOGETHER_BYTES {
                bytes = 0;
                to.put_all(id, std::mem::take(&mut together)).map_err(store::Error::from)?;
            }
        }
        to.put_all(id, together).map_err(store::Error::from)?;
        Ok(count)
    })
}

/// Reads every body where it has gone to, and compares it with its name. How many there are.
///
/// # Errors
/// One is not there, or not whole; faults; what `step` returns.
pub fn compare_bodies(
    engine: &dyn Engine,
    (from, to): (&dyn Objects, &dyn Objects),
    step: OnStep<'_>,
) -> Result<u64, Error> {
    each_account(engine, step, |id| {
        let (there, mut count) = (names(to, id)?, 0);
        for name in &names(from, id)? {
            if there.contains(name) && is_whole(name, &read(to, id, name)?) {
                count += 1;
            } else if is_whole(name, &read(from, id, name)?) || referred(engine, id)?.contains(name) {
                return Err(Error::Fault(format!(
                    "the large message {name} of keyspace {id} did not arrive as it is; nothing has changed where it comes from"
                )));
            }
        }
        Ok(count)
    })
}

fn each_account(
    engine: &dyn Engine,
    step: OnStep<'_>,
    mut work: impl FnMut(AccountId) -> Result<u64, Error>,
) -> Result<u64, Error> {
    let ids = engine.accounts().map_err(store::Error::from)?;
    let mut bodies = 0;
    for (done, id) in ids.iter().enumerate() {
        step(Step::new(done, ids.len(), 0))?;
        bodies += work(*id)?;
    }
    step(Step::new(ids.len(), ids.len(), 0))?;
    Ok(bodies)
}

fn names(objects: &dyn Objects, id: AccountId) -> Result<BTreeSet<ObjectName>, Error> {
    let listed = objects.list(id).map_err(store::Error::from)?;
    Ok(listed.into_iter().map(|(name, _)| name).collect())
}

fn read(objects: &dyn Objects, id: AccountId, name: &str) -> Result<Vec<u8>, Error> {
    Ok(objects.read(id, name).map_err(store::Error::from)?)
}

fn is_whole(name: &str, body: &[u8]) -> bool {
    name.starts_with(blake3::hash(body).to_hex().as_str())
}
