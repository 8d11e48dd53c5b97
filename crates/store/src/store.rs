//! The store: all accounts on one engine.

use crate::account::{Account, Changed, Filling};
use crate::announcements::Announcements;
use crate::brake;
use crate::engine::{CommitError, Engine};
use crate::error::Error;
use crate::figures::Figures;
use crate::hold::AsksOwner;
use crate::ids::{AccountId, Timestamp};
use crate::known_nodes::Nodes;
use crate::maildrops::MaildropLocks;
use crate::objects::Objects;
use crate::quota::Quota;
use crate::space::{Space, Unreserved};
use crate::table::{Table, Turns};
use crate::table_id::TableId;
use crate::transact::AccountCell;
use crate::watch::Watches;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// A body up to this length lies inside the transaction that brings it; a longer one becomes an object.
pub const INLINE_BYTES_MAX: usize = 16 * 1024;
/// Accounts that nobody uses are forgotten (in memory) when there are more of them than this.
const IDLE_ACCOUNTS_MAX: usize = 10_000;
/// The same when the indexes of accounts that nobody uses name more messages than this, 40 bytes each.
const IDLE_ENTRIES_MAX: usize = 4_000_000;
/// Idle accounts are looked for each time that this many handles were given out.
const HANDLES_PER_SWEEP: u32 = 1024;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    objects: Arc<dyn Objects>,
    watches: Arc<Watches>,
    /// Of what logins rest on.
    logins: Arc<Watches>,
    maildrops: Arc<MaildropLocks>,
    nodes: Arc<Nodes>,
    cells: Mutex<Cells>,
    options: Arc<StoreOptions>,
    space: Arc<dyn Space>,
    filling: Arc<Filling>,
    changed: Arc<Changed>,
    figures: Arc<Figures>,
    tables: [Arc<Turns>; TableId::COUNT],
}

/// How a store treats its accounts.
#[derive(Clone)]
pub struct StoreOptions {
    /// So many octets of removed messages are kept at most; the oldest go first, at once.
    pub retention_bytes_max: u64,
    /// So many octets the journal of an account takes at most; the oldest entries go first.
    pub history_bytes_max: u64,
    /// The quota that a new account begins with.
    pub quota: Quota,
    /// No device is held that removes so many messages or fewer ([`crate::brake::MESSAGES_MIN`]).
    pub brake_messages_min: u64,
    /// Who writes to the owner of an account when something of it is held; `None`: nobody does.
    pub asks_owner: Option<Arc<dyn AsksOwner>>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            retention_bytes_max: u64::MAX,
            history_bytes_max: u64::MAX,
            quota: Quota::default(),
            brake_messages_min: brake::MESSAGES_MIN,
            asks_owner: None,
        }
    }
}

/// A mailbox with fewer messages is read as quickly without a pack.
const PACKED_MESSAGES_MIN: usize = 256;
/// Indexes of so many messages are packed at a stop, about 60 MiB: it must not take long.
const PACKED_AT_ONCE_MAX: usize = 4_000_000;

#[derive(Default)]
struct Cells {
    by_id: HashMap<AccountId, Arc<AccountCell>>,
    handles_given: u32,
}

impl Cells {
    /// Forgets accounts that nobody uses, until few enough are left.
    fn sweep(&mut self) {
        let (mut accounts, mut entries) = (0, 0);
        self.by_id.retain(|_, cell| {
            // No handle can be made meanwhile: that takes the lock of these cells.
            if Arc::strong_count(cell) > 1 || !cell.claims.is_empty() {
                return true;
            }
            let held = cell.entries_held();
            let keep = accounts < IDLE_ACCOUNTS_MAX && entries + held <= IDLE_ENTRIES_MAX;
            if keep {
                accounts += 1;
                entries += held;
            }
            keep
        });
    }
}

impl Store {
    /// A store on an engine and a place for objects.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, objects: Arc<dyn Objects>) -> Self {
        Self::with_options(engine, objects, StoreOptions::default())
    }

    /// A store that treats its accounts as `options` say.
    #[must_use]
    pub fn with_options(engine: Arc<dyn Engine>, objects: Arc<dyn Objects>, options: StoreOptions) -> Self {
        Self::on_disk((engine, objects), options, Arc::new(Unreserved))
    }

    /// A store that asks `space` whether there is room.
    #[must_use]
    pub fn on_disk(
        (engine, objects): (Arc<dyn Engine>, Arc<dyn Objects>),
        options: StoreOptions,
        space: Arc<dyn Space>,
    ) -> Self {
        Self(Arc::new(Inner {
            options: Arc::new(options),
            space,
            filling: Arc::default(),
            changed: Arc::default(),
            figures: Arc::default(),
            engine,
            objects,
            watches: Arc::default(),
            logins: Arc::default(),
            maildrops: Arc::default(),
            nodes: Arc::default(),
            cells: Mutex::default(),
            tables: Default::default(),
        }))
    }

    /// The handle of an account, whether it exists or not.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Account {
        let mut cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.handles_given = cells.handles_given.wrapping_add(1);
        if cells.handles_given.is_multiple_of(HANDLES_PER_SWEEP) {
            cells.sweep();
        }
        let watches = || (Arc::clone(&self.0.watches), Arc::clone(&self.0.logins));
        let nodes = Arc::clone(&self.0.nodes);
        let parts = || (Arc::clone(&self.0.engine), Arc::clone(&self.0.space), Arc::clone(&self.0.figures));
        let new = || Arc::new(AccountCell::new(id, parts(), watches(), nodes));
        let cell = Arc::clone(cells.by_id.entry(id).or_insert_with(new));
        Account {
            cell,
            objects: Arc::clone(&self.0.objects),
            maildrops: Arc::clone(&self.0.maildrops),
            inline_bytes_max: INLINE_BYTES_MAX,
            options: Arc::clone(&self.0.options),
            filling: Arc::clone(&self.0.filling),
            changed: Arc::clone(&self.0.changed),
            on_behalf: None,
        }
    }

    /// Accounts that may have filled up, or become emptier, since this was asked last: [`Account::tell_of_filling`] knows.
    /// A hint, and not durable.
    #[must_use]
    pub fn take_filling(&self) -> BTreeSet<AccountId> {
        self.0.filling.take()
    }

    /// Accounts that were changed in this process since this was asked last: a hint where the junk filter may have something
    /// to learn.
    #[must_use]
    pub fn take_changed(&self) -> BTreeSet<AccountId> {
        self.0.changed.take()
    }

    /// Takes away the receipts of messages whose clients have their answers (`crate::receipt`). To be called every few
    /// seconds, and at the end: what a crash leaves makes a message that is sent once more on purpose the same.
    pub fn tidy_receipts(&self, now: Timestamp) {
        let cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = cells.by_id.iter().filter(|(_, cell)| !cell.claims.answered().is_empty());
        let answered: Vec<AccountId> = answered.map(|(id, _)| *id).collect();
        drop(cells);
        for id in answered {
            if let Err(error) = self.account(id).tidy_receipts(now) {
                tracing::warn!(account = %id, %error, "receipts stay for now");
            }
        }
    }

    /// Makes an account: INBOX and the special-use mailboxes.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], [`Error::NoSpace`], faults.
    pub fn create_account(&self, id: AccountId, now: Timestamp) -> Result<Account, Error> {
        let account = self.account(id);
        account.create(now).map(|()| account)
    }

    /// Removes an account with all its mail, for good. From then on every handle of it, old or new, answers
    /// [`Error::NoSuchAccount`].
    ///
    /// # Errors
    /// [`Error::NoSpace`], faults.
    pub fn remove_account(&self, id: AccountId) -> Result<(), Error> {
        self.account(id).cell.remove().map_err(|error| match error {
            CommitError::Full { what } => Error::NoSpace(what),
            CommitError::Damaged { what } => Error::damaged(what),
            CommitError::ReadOnly { .. } => Error::ReadOnly,
            CommitError::Conflict { .. } | CommitError::Failed { .. } => Error::fault(error),
        })?;
        // Only now: an account whose records are there must have its bodies.
        for (name, _) in self.0.objects.list(id)? {
            self.0.objects.remove(id, &name)?;
        }
        self.0.logins.wake(id);
        self.0.watches.wake(id);
        Ok(())
    }

    /// Packs the indexes that are in memory and have changed since they were packed, so that after the next start a mailbox is
    /// read from its pack and nothing else. To be called when nobody waits: at a stop. A pack is a cache: what is not packed is
    /// brought up to date from the journal.
    pub fn pack_indexes(&self) {
        let cells: Vec<Arc<AccountCell>> = {
            let cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.by_id.values().cloned().collect()
        };
        let mut room = PACKED_AT_ONCE_MAX;
        for cell in cells {
            let mut due = cell.unpacked();
            due.retain(|(_, messages)| {
                let takes_part = *messages >= PACKED_MESSAGES_MIN && *messages <= room;
                room -= if takes_part { *messages } else { 0 };
                takes_part
            });
            if due.is_empty() {
                continue;
            }
            let packed = cell.transact(move |tx| due.iter().try_for_each(|(id, _)| tx.pack(*id)));
            if let Err(error) = packed {
                tracing::warn!(account = %cell.id, %error, "indexes were not packed: the next start is slower");
            }
        }
    }

    /// Every account that holds mail, ascending.
    ///
    /// # Errors
    /// Faults.
    pub fn accounts(&self) -> Result<Vec<AccountId>, Error> {
        Ok(self.0.engine.accounts()?.into_iter().filter(|id| id.is_mail()).collect())
    }

    /// Takes away the locks of maildrops that could not be taken away when their sessions ended. To be called with every beat.
    pub fn tidy_locks(&self) {
        self.0.maildrops.tidy();
    }

    /// How often this process has noticed that others had changed a table: what it keeps of that in memory is to be read again.
    #[must_use]
    pub fn changed_by_others(&self, id: TableId) -> u64 {
        self.turns(id).foreign()
    }

    /// A table of the server.
    #[must_use]
    pub fn table(&self, id: TableId) -> Table {
        Table::new(id, self.clone(), Arc::clone(&self.0.tables[id as usize]))
    }

    /// What logins of an account rest on has changed: its sessions look, and nothing of them is committed that did not.
    pub(crate) fn logins_changed(&self, id: AccountId) {
        self.0.logins.wake(id);
        if let Some(cell) = self.known(id) {
            cell.settle();
        }
    }

    /// Whether new mail is taken.
    ///
    /// # Errors
    /// [`Error::NoSpace`], [`Error::ReadOnly`].
    pub fn takes_mail(&self) -> Result<(), Error> {
        takes_mail(self.engine(), self.space())
    }

    /// Why nothing can be written as long as this process lives, in a sentence: mail can only be read.
    #[must_use]
    pub fn read_only(&self) -> Option<String> {
        self.0.engine.read_only()
    }

    /// Whether the engine can be read.
    ///
    /// # Errors
    /// Faults.
    pub fn answers(&self) -> Result<(), Error> {
        Ok(self.0.engine.head(TableId::Directory.keyspace()).map(drop)?)
    }

    /// What is wrong with the files of the engine, in a sentence for each.
    #[must_use]
    pub fn check_files(&self) -> Vec<String> {
        self.0.engine.check_files()
    }

    /// Octets of its files that the engine uses again before they grow.
    #[must_use]
    pub fn reusable_bytes(&self) -> u64 {
        self.0.engine.reusable_bytes()
    }

    /// Puts on `told` what was counted of commits.
    pub fn tell_metrics(&self, told: &mut metrics::Exposition) {
        self.0.figures.tell(told);
        if let Some(flushes) = self.0.engine.flushes() {
            flushes.tell(told);
        }
    }

    pub(crate) fn space(&self) -> &dyn Space {
        &*self.0.space
    }

    /// What is in memory of an account, if anything is.
    pub(crate) fn known(&self, id: AccountId) -> Option<Arc<AccountCell>> {
        self.0.cells.lock().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    /// What this process commits, for others that work on the same storage.
    #[must_use]
    pub fn announcements(&self) -> &Announcements {
        &self.0.nodes.announcements
    }

    pub(crate) fn nodes(&self) -> &Arc<Nodes> {
        &self.0.nodes
    }

    pub(crate) fn turns(&self, table: TableId) -> &Turns {
        &self.0.tables[table as usize]
    }

    pub(crate) fn logins(&self) -> &Arc<Watches> {
        &self.0.logins
    }

    pub(crate) fn watches(&self) -> &Arc<Watches> {
        &self.0.watches
    }

    /// The place of large bodies.
    pub(crate) fn objects(&self) -> &dyn Objects {
        &*self.0.objects
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0.engine
    }
}

/// Whether new mail is taken: it is what makes way first when the disk is full.
pub(crate) fn takes_mail(engine: &dyn Engine, space: &dyn Space) -> Result<(), Error> {
    if engine.read_only().is_some() {
        return Err(Error::ReadOnly);
    }
    space.refuses_mail().map_or(Ok(()), |why| Err(Error::NoSpace(why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{SimEngine, SimObjects};

    #[test]
    fn the_first_look_after_a_stop_read_what_had_changed_since_the_last_pack() {
        let engine = SimEngine::new();
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let account = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let actor = crate::Actor { device: crate::DeviceId(0), protocol: crate::Protocol::Imap, now: Timestamp(0) };
        let append = || {
            let (body, flags, internal_date) = (b"x".to_vec(), crate::Flags::default(), Timestamp(0));
            let message = crate::NewMessage { body, flags, internal_date };
            account.append(actor, crate::Target::Inbox, message).unwrap().mailbox
        };
        let inbox = append();
        for _ in 2..PACKED_MESSAGES_MIN {
            append();
        }
        account.view(inbox).unwrap();
        let packs = || {
            let before = engine.commits();
            store.pack_indexes();
            engine.commits() - before
        };
        assert_eq!(packs(), 0, "so few are read as quickly without");
        append();
        assert_eq!((packs(), packs()), (1, 0));
        let cold = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).account(AccountId(16));
        let (warm, cold) = (account.view(inbox).unwrap(), cold.view(inbox).unwrap());
        assert!(cold.mailbox().packed_to >= cold.mailbox().highest_modseq, "nothing is left to be read of the journal");
        assert!(warm.index().iter().eq(cold.index().iter()) && cold.index().len() == PACKED_MESSAGES_MIN);
        assert_eq!(account.check(&store).unwrap(), []);
    }

    #[test]
    fn accounts_that_nobody_uses_are_forgotten_and_the_others_are_not() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let held = store.create_account(AccountId(16), Timestamp(0)).unwrap();
        let many = IDLE_ACCOUNTS_MAX as u32 + 3 * HANDLES_PER_SWEEP;
        (100..100 + many).for_each(|id| drop(store.account(AccountId(id))));
        let known = store.0.cells.lock().unwrap().by_id.len();
        assert!((IDLE_ACCOUNTS_MAX..IDLE_ACCOUNTS_MAX + 1 + HANDLES_PER_SWEEP as usize).contains(&known), "{known}");
        assert!(Arc::ptr_eq(&held.cell, &store.account(AccountId(16)).cell), "two cells would have two queues");
    }
}
