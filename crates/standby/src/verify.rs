//! A keyspace is compared with the server's, row by row, while both go on; and large messages with their names.

use crate::copy::{UNFINISHED, is_whole};
use crate::ranges::{cut, each_row, encode};
use crate::wire::Piece;
use crate::{Error, Primary, fault, is_copied};
use std::collections::BTreeSet;
use store::backup::Kept;
use store::engine::Engine;
use store::objects::{ObjectError, ObjectName, Objects};
use store::succession::{is_body, object_of};
use store::{AccountId, ModSeq, Timestamp};

/// A large message that no row names yet may be on its way; one that is so old is rubbish.
const RUBBISH_AFTER_MILLIS: i64 = 3600 * 1000;

/// What a comparison has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whether the rows are the server's; `None`: they were at different commits, which says nothing.
    pub is_same: Option<bool>,
    /// Large messages that are missing or damaged here.
    pub damaged: Vec<ObjectName>,
}

/// What there is to compare.
///
/// # Errors
/// Faults.
pub fn to_verify(engine: &dyn Engine) -> Result<Vec<AccountId>, Error> {
    let mut keyspaces = engine.accounts()?;
    keyspaces.retain(|keyspace| is_copied(*keyspace));
    Ok(keyspaces)
}

/// Compares a keyspace. Removes large messages that nothing refers to for an hour.
///
/// # Errors
/// Faults.
pub fn verify(
    (engine, objects): (&dyn Engine, &dyn Objects),
    primary: &dyn Primary,
    account: AccountId,
    now: Timestamp,
) -> Result<Verified, Error> {
    let is_account = matches!(Kept::of(account), Some(Kept::Account(_)));
    let listed = if is_account { objects.list(account)? } else { Vec::new() };
    let snapshot = engine.snapshot(account)?;
    if snapshot.get(UNFINISHED)?.is_some() {
        return Ok(Verified { is_same: None, damaged: Vec::new() });
    }
    let (mut head, mut differs, mut is_complete) = (ModSeq(0), false, false);
    primary
        .compare(account, &encode(&cut(&*snapshot)?), &mut |piece| {
            match Piece::decode(piece)? {
                Piece::Head(of_server) => head = of_server,
                Piece::Range { .. } => differs = true,
                Piece::Rows(_) => {}
                Piece::End => is_complete = true,
            }
            // The rest of another state is not read.
            if head != snapshot.head() { Err(fault("it has moved on")) } else { Ok(()) }
        })
        .or_else(|error| if head == snapshot.head() || head == ModSeq(0) { Err(error) } else { Ok(()) })?;
    let is_same = (head == snapshot.head() && is_complete).then_some(!differs);
    let mut named = BTreeSet::new();
    each_row(&*snapshot, |key, value| {
        named.extend(Some(key).filter(|key| is_account && is_body(key)).and_then(|key| object_of(key, value)));
        Ok(())
    })?;
    drop(snapshot);
    let mut damaged = Vec::new();
    for name in &named {
        match objects.read(account, name) {
            Ok(body) if is_whole(name, &body) => {}
            Ok(_) | Err(ObjectError::Missing) => damaged.push(name.clone()),
            Err(error) => return Err(error.into()),
        }
    }
    for (name, written) in listed {
        // Of a state that is just being put together, rows do not tell what is needed.
        if is_same == Some(true) && !named.contains(&name) && now.0.saturating_sub(written) > RUBBISH_AFTER_MILLIS {
            objects.remove(account, &name)?;
        }
    }
    Ok(Verified { is_same, damaged })
}
