//! The tables of the server: rows that are sound are taken over; of a table that has a copy, what is missing comes from there.

use super::rows::{self, Out};
use super::{Aim, Loss, MARGIN, Remnant, Salvage};
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

/// What became of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tabled {
    /// What of it is lost, or may be.
    pub losses: Vec<Loss>,
    /// All of its rows are there, as of one moment.
    pub is_whole: bool,
}

impl Tabled {
    fn whole(losses: Vec<Loss>) -> Self {
        Self { losses, is_whole: true }
    }
}

/// Brings a table over.
///
/// # Errors
/// The other engine takes nothing; faults of the disk that holds what was found.
pub fn table(salvage: &Salvage<'_>, table: TableId) -> Result<Tabled, Error> {
    let keyspace = table.keyspace();
    let head = salvage.remains.head(keyspace)?;
    let is_torn = salvage.remains.is_torn(keyspace);
    // What is of different moments fills no gap.
    let copy = match table.copy().filter(|copy| !salvage.remains.is_torn(*copy)) {
        Some(copy) => Left::read(salvage, copy)?,
        None => Left::default(),
    };
    let version = copy.rows.get(&COPY_MARK[..]).and_then(|mark| mark.as_slice().try_into().ok());
    let version = version.map(|mark| ModSeq(u64::from_be_bytes(mark)));
    if let Some(head) = head.filter(|_| !is_torn)
        && is_sound(salvage, keyspace)?
        && (salvage.aim == Aim::Export || version.is_none_or(|version| version <= head))
    {
        rows::copy(salvage, keyspace, head)?;
        let is_same = salvage.aim == Aim::Export || version != Some(head) || is_same(salvage, keyspace, &copy)?;
        // A write that the disk lost left a page of another moment in one of them.
        let differs = || Loss::of(format_args!("{table} and its copy are of one version, and do not say the same"));
        return Ok(Tabled { losses: (!is_same).then(differs).into_iter().collect(), is_whole: is_same });
    }
    let left = Left::read(salvage, keyspace)?;
    let has_nothing = left.rows.is_empty() && left.damaged.is_empty() && head.is_none();
    if has_nothing && version == Some(ModSeq(0)) {
        // Its copy says that there was never anything.
        return Ok(Tabled::whole(Vec::new()));
    }
    if has_nothing && copy.rows.is_empty() {
        if is_torn {
            return Ok(Tabled { losses: vec![Loss::of(format_args!("{table} is lost"))], is_whole: false });
        }
        // Where heads are lost, that of a table of which no row is left may be one of them.
        let all = salvage.remains.accounts()?;
        let has_lost = salvage.aim == Aim::Server && all.iter().any(|id| matches!(salvage.remains.head(*id), Ok(None)));
        let loss = has_lost.then(|| Loss::of(format_args!("nothing is left of {table}, if there was anything")));
        return Ok(Tabled::whole(loss.into_iter().collect()));
    }
    let (mut rows, tabled) = joined(salvage.aim, (table, head, is_torn), left, (copy, version));
    rows.remove(&COPY_MARK[..]);
    // Nobody may take for known what was the state of another moment.
    let last = ModSeq(head.max(version).unwrap_or_default().0 + MARGIN);
    let mut out = Out::new(salvage, keyspace, last);
    for (key, value) in rows {
        out.put(key, value)?;
    }
    out.end()?;
    Ok(tabled)
}

/// What a table is from now on, of what is left of it and of its copy, which is of that version.
fn joined(
    aim: Aim,
    (table, head, is_torn): (TableId, Option<ModSeq>, bool),
    mut left: Left,
    (copy, version): (Left, Option<ModSeq>),
) -> (BTreeMap<Vec<u8>, Vec<u8>>, Tabled) {
    // Each change is in the copy before it is acknowledged. Without its head nobody knows whether rows of the table are newer, unless
    // the copy has all of them.
    let has_all = || left.rows.iter().all(|(key, value)| copy.rows.get(key) == Some(value));
    let is_newest = version.is_some_and(|version| head.map_or_else(has_all, |head| version >= head));
    let is_sure = head.is_some() && !is_torn;
    let mut losses = Vec::new();
    if is_newest && copy.gaps.is_empty() && copy.damaged.is_empty() {
        if !is_sure {
            losses.push(Loss::of(format_args!("{table} is what its copy says: what was changed last may be missing")));
        }
        return (copy.rows, Tabled::whole(losses));
    }
    // Who has left is not to be there again.
    if table == TableId::Sessions && aim == Aim::Server {
        losses.push(Loss::of("who is logged in on the pages is lost: everybody has to log in again"));
        return (BTreeMap::new(), Tabled { losses, is_whole: false });
    }
    if is_newest || aim == Aim::Export {
        for (key, value) in copy.rows {
            // What the table has not, and knows that it has not, was removed since.
            if left.lacks(&key) {
                left.rows.entry(key).or_insert(value);
            }
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
        if table == TableId::Queue {
            losses.push(Loss::of("mail that was sent last may be sent again"));
        }
    }
    let is_whole = losses.is_empty() && head.is_some();
    (left.rows, Tabled { losses, is_whole })
}

/// Whether a copy that is whole says what its table says.
fn is_same(salvage: &Salvage<'_>, keyspace: AccountId, copy: &Left) -> Result<bool, Error> {
    if !copy.gaps.is_empty() || !copy.damaged.is_empty() {
        return Ok(true);
    }
    let (mut count, mut is_same) = (0, true);
    rows::each(salvage, keyspace, &mut |key, value| {
        count += 1;
        is_same &= copy.rows.get(key).is_some_and(|same| same == value);
        Ok(())
    })?;
    // The copy has its mark beside them.
    Ok(is_same && count + 1 == copy.rows.len())
}

fn is_sound(salvage: &Salvage<'_>, keyspace: AccountId) -> Result<bool, Error> {
    let mut is_sound = true;
    salvage.remains.rows(keyspace, &mut |remnant| {
        is_sound = matches!(remnant, Remnant::Row { .. });
        if is_sound { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(rows: &[(&str, &str)], damaged: &[&str], is_broken: bool) -> Left {
        let row = |(key, value): &(&str, &str)| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        Left {
            rows: rows.iter().map(row).collect(),
            gaps: is_broken.then(|| (Vec::new(), None)).into_iter().collect(),
            damaged: damaged.iter().map(|key| key.as_bytes().to_vec()).collect(),
        }
    }

    /// What becomes of a table with `b` damaged, whose copy has it as it was at a version.
    fn of_copy(aim: Aim, (head, is_torn): (Option<u64>, bool), copy: (Left, u64)) -> (Vec<String>, Tabled) {
        let table = left(&[("a", "1")], &["b"], false);
        let of = (TableId::Directory, head.map(ModSeq), is_torn);
        let (rows, tabled) = joined(aim, of, table, (copy.0, Some(ModSeq(copy.1))));
        (rows.into_values().map(|value| String::from_utf8(value).unwrap()).collect(), tabled)
    }

    #[test]
    fn rows_of_an_older_copy_come_back_for_nobody_who_logs_in() {
        let copy = || left(&[("a", "1"), ("b", "2")], &[], false);
        let (rows, tabled) = of_copy(Aim::Server, (Some(9), false), (copy(), 8));
        assert_eq!((rows, tabled.is_whole, tabled.losses.len()), (vec!["1".to_owned()], false, 1));
        let (rows, tabled) = of_copy(Aim::Export, (Some(9), false), (copy(), 8));
        assert_eq!((rows.len(), tabled.is_whole), (2, true), "a name is better than none");
        let (rows, tabled) = of_copy(Aim::Server, (Some(9), false), (copy(), 9));
        assert_eq!((rows.len(), tabled), (2, Tabled::whole(Vec::new())));
    }

    #[test]
    fn a_copy_stands_for_a_table_without_a_head_only_if_it_has_all_that_is_left_of_it() {
        for of in [(None, false), (Some(9), true), (None, true)] {
            let (rows, tabled) = of_copy(Aim::Server, of, (left(&[("a", "1"), ("b", "2")], &[], false), 9));
            assert_eq!((rows.len(), tabled.is_whole, tabled.losses.len()), (2, true, 1), "{of:?}");
            // What a torn table says may be of another moment.
            let (rows, tabled) = of_copy(Aim::Server, of, (left(&[("a", "0"), ("b", "2")], &[], false), 9));
            assert_eq!((rows[0] == "0", tabled.is_whole), (of.0.is_some(), of.0.is_some()), "{of:?}");
            let (_, tabled) = of_copy(Aim::Server, of, (left(&[("a", "1"), ("b", "2")], &[], true), 9));
            assert!(!tabled.is_whole, "{of:?}");
            let (_, tabled) = of_copy(Aim::Server, (Some(10), of.1), (left(&[("a", "1"), ("b", "2")], &[], false), 9));
            assert!(!tabled.is_whole, "{of:?}");
        }
    }

    #[test]
    fn who_has_logged_out_is_not_logged_in_again() {
        let table = || left(&[("a", "1")], &["b"], false);
        let of = (TableId::Sessions, Some(ModSeq(9)), false);
        let (rows, tabled) = joined(Aim::Server, of, table(), (Left::default(), None));
        assert_eq!((rows.len(), tabled.losses.len()), (0, 1));
        assert_eq!(joined(Aim::Export, of, table(), (Left::default(), None)).0.len(), 1);
    }
}
