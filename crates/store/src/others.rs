//! What other nodes have committed: heads are asked for, of all that somebody here watches, and whoever watches what has moved
//! is woken. A wake-up is a hint; the journal, and the head that each commit compares, are the truth.
//!
//! A look waits for no account, and reads none: one that is busy, or damaged, or large, holds up nobody else. Whoever is woken reads what
//! is new.

use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::store::Store;
use crate::table_id::TableId;
use std::collections::{BTreeSet, HashMap};

/// So many heads are asked for at once.
const HEADS_AT_ONCE: usize = 10_000;

/// The heads of what is watched, as they were when they were looked at last.
#[derive(Debug, Default)]
pub struct Heads(HashMap<AccountId, ModSeq>);

impl Store {
    /// Looks at what others have committed since the last look, and wakes who watches it. What it costs grows with what is watched
    /// here, and with what has changed of that; no look at what has not changed.
    ///
    /// # Errors
    /// Faults; the next look finds what this one did not.
    pub fn notice_others(&self, heads: &mut Heads) -> Result<(), Error> {
        let mut watched: BTreeSet<AccountId> = TableId::ALL.into_iter().map(TableId::keyspace).collect();
        watched.extend(self.watches().watched());
        watched.extend(self.logins().watched());
        let watched: Vec<AccountId> = watched.into_iter().collect();
        let look = self.nodes().looks() + 1;
        heads.0.retain(|id, _| watched.binary_search(id).is_ok());
        for some in watched.chunks(HEADS_AT_ONCE) {
            for (id, now) in some.iter().zip(self.engine().heads(some)?) {
                let before = heads.0.insert(*id, now);
                match TableId::ALL.into_iter().find(|table| table.keyspace() == *id) {
                    Some(table) => self.notice_table(table, before, now),
                    None => self.notice_account(*id, (before, now), look),
                }
            }
        }
        self.nodes().note_look(look);
        Ok(())
    }

    fn notice_account(&self, id: AccountId, (before, now): (Option<ModSeq>, ModSeq), look: u64) {
        let has_moved = before.is_some_and(|before| before != now);
        let wakes = match self.known(id) {
            Some(cell) if cell.known_head().is_some() => {
                let is_behind = cell.see(now);
                if !is_behind {
                    // This process did it, or nobody did anything.
                    cell.is_sure_at(look);
                }
                // Once: until it is read it stays behind.
                is_behind && before != Some(now)
            }
            // Nothing of it is held.
            Some(_) | None => has_moved,
        };
        if wakes {
            self.logins().wake(id);
            self.watches().wake(id);
        }
    }

    fn notice_table(&self, table: TableId, before: Option<ModSeq>, now: ModSeq) {
        let turns = self.turns(table);
        if before.is_none_or(|before| before == now || turns.are_own(before, now)) {
            return;
        }
        turns.note_foreign();
        self.watches().wake(table.keyspace());
        match table {
            // Whom it concerns is not known here: all look whether their login still counts.
            TableId::Directory | TableId::People => self.logins().wake_all(),
            TableId::Queue
            | TableId::Sessions
            | TableId::Reports
            | TableId::Posts
            | TableId::Strangers
            | TableId::Nodes => {}
        }
    }
}

#[cfg(test)]
mod tests;
