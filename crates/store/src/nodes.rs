//! Servers ("nodes") that work on the same storage at the same time: which are there, which are gone, and which one leads.
//!
//! A node has a row that it counts up with every [`BEAT`]. Whoever has seen no beat of another for [`SILENCE`] removes its row, and
//! with that the other is gone: what it held (half of a copy, locks of maildrops, the lead) is free. One that was only away finds
//! its row gone and goes on under another number; what it held before it does not hold any more, and finds that out in the
//! transaction that rests on it. Numbers never come again.
//!
//! One node leads: it does what is to be done once for all. Terms are counted, and only grow. What a term does is valid until
//! [`LEASE`] after the beat that proved it *began*; who takes over has seen no beat for longer than that.
//!
//! No clock of one machine is compared with that of another: each node counts the time itself, and only while it sees the rows.
//!
//! Invariant: a node whose row is there is alive, or not yet known to be gone; one whose row is not there is gone for good.

use crate::codec::{Corrupt, Reader, Writer};
use crate::error::Error;
use crate::key;
use crate::known_nodes::{NODE, NodeNumber, Nodes, key_of};
use crate::store::Store;
use crate::table::{Table, TableTx};
use crate::table_id::TableId;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// From one beat of a node to the next.
pub const BEAT: Duration = Duration::from_secs(2);
/// A node leads for so long after the beginning of its last beat.
pub const LEASE: Duration = Duration::from_secs(6);
/// A node without a beat for so long is gone.
const SILENCE: Duration = Duration::from_secs(8);
/// Who has not looked for so long begins to count anew: it may be that nobody could write.
const BLINK: Duration = Duration::from_secs(4);

const LEADER: &[u8] = b"l";
/// No node has this number: who led has given it up.
const NOBODY: NodeNumber = NodeNumber(0);
const WHAT: &str = "a row of the nodes";

/// A server among others.
pub struct Node {
    table: Table,
    nodes: Arc<Nodes>,
    name: String,
    number: Option<NodeNumber>,
    others: BTreeMap<NodeNumber, Seen>,
    looked_at: Option<Duration>,
    has_resigned: bool,
}

/// A beat, and since when there was no other.
#[derive(Clone, Copy)]
struct Seen {
    beat: u64,
    since: Duration,
}

/// How a node stands after a beat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The number of the term, if it leads.
    pub leads: Option<u64>,
    /// All that are there, by name.
    pub nodes: Vec<String>,
    /// Those that were found to be gone.
    pub gone: Vec<String>,
    /// Others took this one for gone: what it held before it holds no more.
    pub was_away: bool,
}

struct Row {
    beat: u64,
    name: String,
}

struct Leader {
    term: u64,
    node: NodeNumber,
}

impl Node {
    /// This process as one of several that work on the same storage, which must all be that. Before anything is done with an
    /// account; it is one from its first beat on.
    #[must_use]
    pub fn join(store: &Store, name: &str) -> Self {
        let (table, nodes) = (store.table(TableId::Nodes), Arc::clone(store.nodes()));
        let (name, others) = (name.to_owned(), BTreeMap::new());
        Self { table, nodes, name, number: None, others, looked_at: None, has_resigned: false }
    }

    /// Shows that it is alive, and looks at the others; `now`: the time since some moment, on a clock that is never set. To be
    /// called every [`BEAT`].
    ///
    /// # Errors
    /// Faults; then nobody is told anything, and it leads until [`LEASE`] after the last beat that was.
    pub fn beat(&mut self, now: Duration) -> Result<Standing, Error> {
        if self.looked_at.is_none_or(|at| now.saturating_sub(at) > BLINK) {
            self.others.clear();
        }
        let fresh = NodeNumber(RandomState::new().hash_one(&self.name).max(1));
        let Self { table, others, number, name, has_resigned, .. } = self;
        let is_silent = |node: &NodeNumber, row: &Row| {
            let seen = others.get(node).filter(|seen| seen.beat == row.beat);
            seen.is_some_and(|seen| now.saturating_sub(seen.since) >= SILENCE)
        };
        let (me, rows, standing) = table.change(|tx| {
            let mut rows = all(tx)?;
            let me = number.filter(|number| rows.contains_key(number)).unwrap_or(fresh);
            let mut gone = Vec::new();
            rows.retain(|node, row| {
                // One of the same name may live as well: the lock of the name is gone with the connection that held it.
                let stays = *node == me || !is_silent(node, row);
                if !stays {
                    tx.delete(&key_of(*node));
                    gone.push(row.name.clone());
                }
                stays
            });
            let beat = rows.get(&me).map_or(1, |row| row.beat + 1);
            put(tx, me, &Row { beat, name: name.clone() });
            rows.entry(me).or_insert(Row { beat, name: name.clone() });
            let leads = match *number == Some(me) {
                // It may have failed before.
                true if *has_resigned => give_up(tx, me).map(|()| None)?,
                true => lead(tx, me, &rows)?,
                // Who has just come, or come back, begins nothing.
                false => None,
            };
            let nodes = rows.values().map(|row| row.name.clone()).collect();
            let was_away = number.is_some_and(|number| number != me);
            Ok::<_, Error>((me, rows, Standing { leads, nodes, gone, was_away }))
        })?;
        self.looked_at = Some(now);
        self.note(me, rows, &standing, now);
        Ok(standing)
    }

    /// Leads no more, whatever happens: another one does from its next beat on. Only once nothing is done any more that is to be done
    /// once for all.
    ///
    /// # Errors
    /// Faults; then it does so with its next beat.
    pub fn resign(&mut self) -> Result<(), Error> {
        self.has_resigned = true;
        let Some(me) = self.number else { return Ok(()) };
        self.table.change(|tx| give_up(tx, me))
    }

    /// Says that it stops: nobody waits for it.
    ///
    /// # Errors
    /// Faults; then others find out by themselves.
    pub fn leave(&mut self) -> Result<(), Error> {
        let Some(me) = self.number.take() else { return Ok(()) };
        self.table.change(|tx| {
            tx.delete(&key_of(me));
            Ok(())
        })
    }

    fn note(&mut self, me: NodeNumber, rows: BTreeMap<NodeNumber, Row>, standing: &Standing, now: Duration) {
        self.number = Some(me);
        self.nodes.me.store(me.0, Ordering::Release);
        let has_left = self.others.keys().any(|node| !rows.contains_key(node));
        if has_left || standing.was_away || !standing.gone.is_empty() {
            self.nodes.gone.fetch_add(1, Ordering::AcqRel);
        }
        let before = std::mem::take(&mut self.others);
        let seen = |(node, row): (NodeNumber, Row)| {
            let known = before.get(&node).filter(|seen| seen.beat == row.beat).copied();
            (node, known.unwrap_or(Seen { beat: row.beat, since: now }))
        };
        self.others = rows.into_iter().filter(|(node, _)| *node != me).map(seen).collect();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!(name = self.name, %error, "others find out by themselves that this server has stopped");
        }
    }
}

/// The number of the term, where this node leads; it does where nobody does.
fn lead(tx: &mut TableTx<'_>, me: NodeNumber, rows: &BTreeMap<NodeNumber, Row>) -> Result<Option<u64>, Error> {
    let term = match leader(tx)? {
        Some(leader) if rows.contains_key(&leader.node) => return Ok((leader.node == me).then_some(leader.term)),
        Some(leader) => leader.term + 1,
        None => 1,
    };
    tx.put(LEADER, Leader { term, node: me }.encode());
    Ok(Some(term))
}

/// Nobody leads, if this node did.
fn give_up(tx: &mut TableTx<'_>, me: NodeNumber) -> Result<(), Error> {
    if let Some(Leader { term, .. }) = leader(tx)?.filter(|leader| leader.node == me) {
        tx.put(LEADER, Leader { term, node: NOBODY }.encode());
    }
    Ok(())
}

fn leader(tx: &TableTx<'_>) -> Result<Option<Leader>, Error> {
    tx.get(LEADER)?.map(|row| Leader::decode(&row)).transpose().map_err(Error::corrupt(WHAT))
}

fn all(tx: &TableTx<'_>) -> Result<BTreeMap<NodeNumber, Row>, Error> {
    let rows = tx.scan_before(NODE, &[], usize::MAX)?;
    let row = |(key, value): (Vec<u8>, Vec<u8>)| Ok((NodeNumber(key::long_at(&key, 1)?), Row::decode(&value)?));
    rows.into_iter().map(row).collect::<Result<_, Corrupt>>().map_err(Error::corrupt(WHAT))
}

fn put(tx: &mut TableTx<'_>, node: NodeNumber, row: &Row) {
    let mut w = Writer::of_format(1);
    w.number(row.beat).wide_text(&row.name);
    tx.put(&key_of(node), w.0);
}

impl Row {
    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut r = Reader::of_format(value, 1)?;
        let row = Self { beat: r.number()?, name: r.wide_text()? };
        r.end().map(|()| row)
    }
}

impl Leader {
    fn encode(&self) -> Vec<u8> {
        let mut w = Writer::of_format(1);
        w.number(self.term).number(self.node.0);
        w.0
    }

    fn decode(value: &[u8]) -> Result<Self, Corrupt> {
        let mut r = Reader::of_format(value, 1)?;
        let leader = Self { term: r.number()?, node: NodeNumber(r.number()?) };
        r.end().map(|()| leader)
    }
}

#[cfg(test)]
mod tests;
