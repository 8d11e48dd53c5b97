//! What other nodes have committed: heads are asked for, of all that somebody here watches, and whoever watches what has moved
//! is woken. A wake-up is a hint; the journal, and the head that each commit compares, are the truth.
//!
//! A look waits for no account, and reads none: one that is busy, or damaged, or large, holds up nobody else. Whoever is woken reads what
//! is new.
//!
//! Where hints of others come that say what has moved, only that is looked at, and all of it now and then: a hint is a reason to
//! look, and never believed.

use crate::error::Error;
use crate::ids::{AccountId, ModSeq};
use crate::store::Store;
use crate::table_id::TableId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

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
        let look = self.nodes().looks() + 1;
        let watched = self.watched(heads);
        self.look_at(&watched, heads, look)?;
        self.nodes().note_look(look);
        Ok(())
    }

    /// As [`Self::notice_others`], where hints say what has moved: looks only at what is watched and was not when it was looked last,
    /// and at the tables: what logins rest on waits for no hint. The rest counts as looked at. What nobody watches is compared when it is used, as ever.
    ///
    /// # Errors
    /// As [`Self::notice_others`].
    pub fn notice_newly_watched(&self, heads: &mut Heads) -> Result<(), Error> {
        let look = self.nodes().looks() + 1;
        let watched = self.watched(heads);
        let (known, new): (Vec<AccountId>, Vec<AccountId>) =
            watched.iter().partition(|id| heads.0.contains_key(id) && table_of(**id).is_none());
        self.look_at(&new, heads, look)?;
        let known = known.into_iter().filter_map(|id| self.known(id));
        known.filter(|cell| !cell.is_behind()).for_each(|cell| cell.is_sure_at(look));
        self.nodes().note_look(look);
        Ok(())
    }

    /// Looks at those of which a hint came, with the head that it names: those that are watched, where that is not what was seen
    /// last. Gives whether there was one.
    ///
    /// # Errors
    /// As [`Self::notice_others`].
    pub fn notice_hinted(&self, heads: &mut Heads, hinted: &BTreeMap<AccountId, ModSeq>) -> Result<bool, Error> {
        let is_news = |(id, head): &(AccountId, ModSeq)| heads.0.get(id) != Some(head) && !wakes_all(*id);
        let news = hinted.iter().map(|(id, head)| (*id, *head)).filter(is_news).collect();
        let news: Vec<AccountId> = self.watched_of(news).into_iter().map(|(id, _)| id).collect();
        self.look_at(&news, heads, self.nodes().looks())?;
        Ok(!news.is_empty())
    }

    /// Those by whose change somebody here would be woken.
    #[must_use]
    pub fn watched_of(&self, mut heads: Vec<(AccountId, ModSeq)>) -> Vec<(AccountId, ModSeq)> {
        let watched = [self.watches(), self.logins()].map(|watches| watches.watched_of(&heads));
        let is_watched = |id: &AccountId| table_of(*id).is_some() || watched.iter().any(|some| some.contains(id));
        heads.retain(|(id, _)| is_watched(id));
        heads
    }

    /// All that is watched, ascending; what is not any more is forgotten.
    fn watched(&self, heads: &mut Heads) -> Vec<AccountId> {
        let mut watched: BTreeSet<AccountId> = TableId::ALL.into_iter().map(TableId::keyspace).collect();
        watched.extend(self.watches().watched());
        watched.extend(self.logins().watched());
        let watched: Vec<AccountId> = watched.into_iter().collect();
        heads.0.retain(|id, _| watched.binary_search(id).is_ok());
        watched
    }

    fn look_at(&self, accounts: &[AccountId], heads: &mut Heads, look: u64) -> Result<(), Error> {
        for some in accounts.chunks(HEADS_AT_ONCE) {
            for (id, now) in some.iter().zip(self.engine().heads(some)?) {
                let before = heads.0.insert(*id, now);
                match table_of(*id) {
                    Some(table) => self.notice_table(table, before, now),
                    None => self.notice_account(*id, (before, now), look),
                }
            }
        }
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

/// A change of it concerns all who are logged in, so that it is seen with the next look, and no oftener.
fn wakes_all(id: AccountId) -> bool {
    matches!(table_of(id), Some(TableId::Directory | TableId::People))
}

fn table_of(id: AccountId) -> Option<TableId> {
    TableId::ALL.into_iter().find(|table| table.keyspace() == id)
}

#[cfg(test)]
mod tests;
