//! The tables of the server: rows that are sound are taken over; of a table that has a copy, what is missing comes from there.

use super::rows::{self, Out};
use super::{Loss, MARGIN, Remnant, Salvage};
use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::table::COPY_MARK;
use crate::table_id::TableId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A row that is lost is named by at most so many octets of its key.
const NAMED_BYTES_MAX: usize = 60;

/// Rows of a table that is damaged, and whether any is missing.
#[derive(Default)]
struct Left {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Rows are missing behind the first, before the second; `None`: to the end.
    gaps: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    damaged: BTreeSet<Vec<u8>>,
}

impl Left {
    fn read(salvage: &Salvage<'_>, keyspace: AccountId) -> Result<Self, Error> {
        let mut left = Self::default();
        salvage.remains.rows(keyspace, &mut |remnant| {
            match remnant {
                Remnant::Row { key, value } => drop(left.rows.insert(key.to_vec(), value.to_vec())),
                Remnant::Damaged { key, .. } => drop(left.damaged.insert(key.to_vec())),
                Remnant::Gap { after, before } => left.gaps.push((after.to_vec(), before.map(<[u8]>::to_vec))),
            }
            ControlFlow::Continue(())
        })?;
        Ok(left)
    }

    /// Whether a row with this key can have been there.
    fn lacks(&self, key: &[u8]) -> bool {
        let is_in = |(after, before): &(Vec<u8>, Option<Vec<u8>>)| {
            after.as_slice() < key && before.as_deref().is_none_or(|before| key < before)
        };
        self.damaged.contains(key) || self.gaps.iter().any(is_in)
    }
}

/// Brings a table over; what of it is lost.
///
/// # Errors
/// The other engine takes nothing; faults of the disk that holds what was found.
pub fn table(salvage: &Salvage<'_>, table: TableId) -> Result<Vec<Loss>, Error> {
    let keyspace = table.keyspace();
    let head = salvage.remains.head(keyspace)?;
    let is_torn = salvage.remains.is_torn(keyspace);
    if let Some(head) = head.filter(|_| !is_torn)
        && is_sound(salvage, keyspace)?
    {
        rows::copy(salvage, keyspace, head)?;
        return Ok(Vec::new());
    }
    let mut left = Left::read(salvage, keyspace)?;
    // What is of different moments fills no gap.
    let copy = match table.copy().filter(|copy| !salvage.remains.is_torn(*copy)) {
        Some(copy) => Left::read(salvage, copy)?,
        None => Left::default(),
    };
    let version = copy.rows.get(&COPY_MARK[..]).and_then(|mark| mark.as_slice().try_into().ok());
    let version = version.map(|mark| ModSeq(u64::from_be_bytes(mark)));
    let has_nothing = left.rows.is_empty() && left.damaged.is_empty() && head.is_none();
    if has_nothing && copy.rows.is_empty() {
        return Ok(if is_torn { vec![Loss::of(format_args!("{table} is lost"))] } else { Vec::new() });
    }
    // Without its head nobody knows whether rows of the table are newer.
    let is_newest = version.is_some_and(|version| head.map_or(has_nothing, |head| !is_torn && version >= head));
    let copy_is_whole = is_newest && copy.gaps.is_empty() && copy.damaged.is_empty();
    let mut losses = Vec::new();
    if copy_is_whole {
        left.rows = copy.rows;
    } else {
        for (key, value) in copy.rows {
            // What the table has not, and knows that it has not, was removed since.
            if left.lacks(&key) {
                left.rows.entry(key).or_insert(value);
            }
        }
        losses.extend(left.damaged.iter().filter(|key| !left.rows.contains_key(*key)).map(|key| {
            let name: String =
                key.iter().take(NAMED_BYTES_MAX).flat_map(|octet| octet.escape_ascii()).map(char::from).collect();
            Loss::of(format_args!("a row of {table} is lost: {name}"))
        }));
        if !left.gaps.is_empty() {
            losses.push(Loss::of(format_args!("in {} places rows of {table} may be missing", left.gaps.len())));
        }
        if is_torn {
            losses.push(Loss::of(format_args!("what was written last of {table} may be missing")));
        }
    }
    left.rows.remove(&COPY_MARK[..]);
    // Nobody may take for known what was the state of another moment.
    let last = ModSeq(head.max(version).unwrap_or_default().0 + MARGIN);
    let mut out = Out::new(salvage, keyspace, last);
    for (key, value) in left.rows {
        out.put(key, value)?;
    }
    out.end()?;
    Ok(losses)
}

fn is_sound(salvage: &Salvage<'_>, keyspace: AccountId) -> Result<bool, Error> {
    let mut is_sound = true;
    salvage.remains.rows(keyspace, &mut |remnant| {
        is_sound = matches!(remnant, Remnant::Row { .. });
        if is_sound { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(is_sound)
}
