//! What other nodes have committed: heads are asked for, of all that somebody here watches, and whoever watches what has moved
//! is woken. A wake-up is a hint; the journal, and the head that each commit compares, are the truth.

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
                    None => self.notice_account(*id, (before, now), look)?,
                }
            }
        }
        self.nodes().note_look(look);
        Ok(())
    }

    fn notice_account(&self, id: AccountId, (before, now): (Option<ModSeq>, ModSeq), look: u64) -> Result<(), Error> {
        let cell = self.known(id);
        match cell.as_ref().map(|cell| (cell.known_head(), cell)) {
            // This process did it, or nobody did anything.
            Some((Some(known), _)) if known >= now && now != ModSeq(0) => {}
            Some((Some(_), cell)) => cell.refresh()?,
            // Nothing of it is held: who watches reads it.
            Some((None, _)) | None if before.is_some_and(|before| before != now) => {
                self.logins().wake(id);
                self.watches().wake(id);
            }
            Some((None, _)) | None => {}
        }
        if let Some(cell) = cell {
            cell.is_sure_at(look);
        }
        Ok(())
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
