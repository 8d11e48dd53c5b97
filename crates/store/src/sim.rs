//! An engine and an object store in memory that fail on purpose, for tests and transcripts.
//!
//! [`SimEngine::new`] and [`SimObjects::new`] never fail and are fast. [`SimEngine::with_faults`] draws faults from a
//! seed, [`SimEngine::plan`] puts one at a chosen commit. A handle stands for a running process, and its clones for the
//! same one; [`SimEngine::crash`] ends that process and gives the handle of the next, which finds exactly what a
//! machine finds after a power cut: every acknowledged commit, and each other one whole or not at all.
//!
//! Invariant: the same seed and the same order of calls give the same faults.
//! Invariant: after a crash the old handles change nothing and read nothing.

mod held;

use crate::engine::{Commit, CommitError, Engine, EngineError, Snapshot, Visit, Write};
use crate::ids::{AccountId, ModSeq, Timestamp};
use crate::objects::{ObjectError, ObjectName, Objects, Shared};
use crate::table_id::TableId;
pub use held::HeldEngine;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// SplitMix64: small, quick, the same on every machine. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence that is fixed by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next_u64().checked_rem(end).unwrap_or(0)
    }

    /// True `per_mille` times of 1,000.
    pub fn chance(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.below(1000) < u64::from(per_mille)
    }
}

/// What goes wrong with one commit (or one change of the objects).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// [`CommitError::Conflict`] with the head as it is; nothing changes. No meaning for objects, where it does nothing.
    Conflict,
    /// No space: nothing changes.
    Full,
    /// The outcome is unknown: the change is applied as a whole or not at all, by the toss of a coin.
    Failed,
    /// The process dies before the change is applied.
    CrashBefore,
    /// The process dies when the change is durable but not acknowledged.
    CrashAfter,
}

/// How often a fault is drawn, each in 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Of commits: [`Fault::Conflict`].
    pub conflict: u16,
    /// Of commits and of changes of objects: [`Fault::Full`].
    pub full: u16,
    /// Of commits and of changes of objects: [`Fault::Failed`].
    pub failed: u16,
    /// Of snapshots, gets, scans and reads of objects: an error, where a scan has already shown a part.
    pub read_error: u16,
}

/// Which operation fails how.
#[derive(Debug)]
struct Plan {
    rates: FaultRates,
    random: Random,
    changes: u64,
    planned: BTreeMap<u64, Fault>,
    reads: u64,
    planned_reads: BTreeSet<u64>,
}

impl Plan {
    fn new(seed: u64, rates: FaultRates) -> Self {
        Self {
            rates,
            random: Random::new(seed),
            changes: 0,
            planned: BTreeMap::new(),
            reads: 0,
            planned_reads: BTreeSet::new(),
        }
    }

    fn change(&mut self) -> Option<Fault> {
        self.changes += 1;
        if let Some(fault) = self.planned.remove(&self.changes) {
            return Some(fault);
        }
        let rates = self.rates;
        [(rates.conflict, Fault::Conflict), (rates.full, Fault::Full), (rates.failed, Fault::Failed)]
            .into_iter()
            .find_map(|(rate, fault)| self.random.chance(rate).then_some(fault))
    }

    fn read_fails(&mut self) -> bool {
        self.reads += 1;
        self.planned_reads.remove(&self.reads) || self.random.chance(self.rates.read_error)
    }

    fn coin(&mut self) -> bool {
        self.random.chance(500)
    }
}

/// What the process is told about a change, and whether the change is made.
enum Outcome {
    Apply,
    Conflict,
    Full,
    Failed { applied: bool },
}

/// What is left when a process dies: the content, and the plan of faults.
#[derive(Debug)]
struct Machine<T> {
    process: u64,
    plan: Plan,
    read_only: Option<ReadOnly>,
    content: T,
}

/// How long a disk takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// It may take something again.
    Now,
    /// As long as the process lives: [`Engine::read_only`].
    ForEver,
}

impl<T> Machine<T> {
    fn outcome(&mut self) -> Outcome {
        match self.plan.change() {
            None => Outcome::Apply,
            Some(Fault::Conflict) => Outcome::Conflict,
            Some(Fault::Full) => Outcome::Full,
            Some(Fault::Failed) => Outcome::Failed { applied: self.plan.coin() },
            Some(Fault::CrashBefore) => {
                self.process += 1;
                Outcome::Failed { applied: false }
            }
            Some(Fault::CrashAfter) => {
                self.process += 1;
                Outcome::Failed { applied: true }
            }
        }
    }
}

/// A handle of one process on a machine.
#[derive(Debug)]
struct Process<T> {
    machine: Arc<Mutex<Machine<T>>>,
    number: u64,
}

impl<T> Clone for Process<T> {
    fn clone(&self) -> Self {
        Self { machine: Arc::clone(&self.machine), number: self.number }
    }
}

impl<T> Process<T> {
    fn new(content: T, plan: Plan) -> Self {
        Self { machine: Arc::new(Mutex::new(Machine { process: 0, plan, read_only: None, content })), number: 0 }
    }

    /// A thread that panicked has not changed the content by half: every change is made after its last check.
    fn lock(&self) -> MutexGuard<'_, Machine<T>> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_alive(&self) -> Option<MutexGuard<'_, Machine<T>>> {
        Some(self.lock()).filter(|machine| machine.process == self.number)
    }

    fn lock_to_read(&self) -> Result<MutexGuard<'_, Machine<T>>, String> {
        let mut machine = self.lock_alive().ok_or(DEAD)?;
        if machine.plan.read_fails() { Err("simulated read error".to_owned()) } else { Ok(machine) }
    }

    fn restart(&self) -> Self {
        let mut machine = self.lock();
        machine.process += 1;
        Self { machine: Arc::clone(&self.machine), number: machine.process }
    }
}

const DEAD: &str = "simulated crash: this process is gone";
const READ_ONLY: &str = "simulated disk that takes nothing";
const FULL: &str = "simulated full disk";
const FAILED: &str = "simulated input/output error: the outcome is not known";

/// An [`Engine`] in memory. Cheap to clone: clones share one content and one process.
#[derive(Clone, Debug)]
pub struct SimEngine {
    process: Process<BTreeMap<AccountId, Arc<Account>>>,
}

#[derive(Clone, Debug, Default)]
struct Account {
    head: ModSeq,
    keys: BTreeMap<Vec<u8>, Arc<[u8]>>,
    damaged: BTreeSet<Vec<u8>>,
}

impl Default for SimEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl SimEngine {
    /// An empty engine that never fails.
    #[must_use]
    pub fn new() -> Self {
        Self { process: Process::new(BTreeMap::new(), Plan::new(0, FaultRates::default())) }
    }

    /// An empty engine that fails as `rates` say, drawn from `seed`, which is printed for the report of a failed test.
    #[must_use]
    pub fn with_faults(seed: u64, rates: FaultRates) -> Self {
        println!("simulated engine: seed {seed}");
        Self { process: Process::new(BTreeMap::new(), Plan::new(seed, rates)) }
    }

    /// From now on faults are drawn at these rates.
    pub fn set_rates(&self, rates: FaultRates) {
        self.process.lock().plan.rates = rates;
    }

    /// `fault` happens at the commit after `commits_before` more have been tried (0: at the next one).
    pub fn plan(&self, commits_before: u64, fault: Fault) {
        let mut machine = self.process.lock();
        let at = machine.plan.changes + commits_before + 1;
        machine.plan.planned.insert(at, fault);
    }

    /// The read after `reads_before` more (0: the next one) fails. A snapshot, a get and a scan are one read each.
    pub fn plan_read_error(&self, reads_before: u64) {
        let mut machine = self.process.lock();
        let at = machine.plan.reads + reads_before + 1;
        machine.plan.planned_reads.insert(at);
    }

    /// Damages the value of a key of a table, until it is written anew.
    pub fn spoil(&self, table: TableId, key: &[u8]) {
        self.spoil_mail(table.keyspace(), key);
    }

    /// The same of an account.
    pub fn spoil_mail(&self, account: AccountId, key: &[u8]) {
        if let Some(account) = self.process.lock().content.get_mut(&account) {
            Arc::make_mut(account).damaged.insert(key.to_vec());
        }
    }

    /// How many reads there were.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.process.lock().plan.reads
    }

    /// How many commits and removals of accounts were tried, whatever came of them.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.process.lock().plan.changes
    }

    /// From now on the disk takes nothing, or takes everything again.
    pub fn set_read_only(&self, read_only: Option<ReadOnly>) {
        self.process.lock().read_only = read_only;
    }

    /// Whether a planned crash has ended this process.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.process.lock_alive().is_none()
    }

    /// Ends this process, if it still runs, and starts the next on what is durable.
    #[must_use]
    pub fn crash(&self) -> Self {
        Self { process: self.process.restart() }
    }

    fn change(
        &self,
        account: AccountId,
        expected: Option<ModSeq>,
        apply: impl FnOnce(&mut BTreeMap<AccountId, Arc<Account>>),
    ) -> Result<(), CommitError> {
        let Some(mut machine) = self.process.lock_alive() else {
            return Err(CommitError::Failed { what: DEAD.to_owned() });
        };
        if machine.read_only.is_some() {
            return Err(CommitError::ReadOnly { what: READ_ONLY.to_owned() });
        }
        let outcome = machine.outcome();
        let head = machine.content.get(&account).map_or(ModSeq(0), |account| account.head);
        if expected.is_some_and(|expected| expected != head) {
            return Err(CommitError::Conflict { head });
        }
        match outcome {
            Outcome::Apply => apply(&mut machine.content),
            Outcome::Conflict if expected.is_some() => return Err(CommitError::Conflict { head }),
            Outcome::Conflict => apply(&mut machine.content),
            Outcome::Full => return Err(CommitError::Full { what: FULL.to_owned() }),
            Outcome::Failed { applied } => {
                if applied {
                    apply(&mut machine.content);
                }
                return Err(CommitError::Failed { what: FAILED.to_owned() });
            }
        }
        Ok(())
    }
}

impl Engine for SimEngine {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        let machine = self.process.lock_to_read().map_err(|what| EngineError::Failed { what })?;
        let account = machine.content.get(&account).cloned().unwrap_or_default();
        drop(machine);
        Ok(Box::new(SimSnapshot { engine: self, account }))
    }

    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        commit.check_limits().map_err(|what| CommitError::Failed { what })?;
        let Commit { account, expected, next, writes } = commit;
        self.change(account, Some(expected), |accounts| {
            let account = Arc::make_mut(accounts.entry(account).or_default());
            account.head = next;
            for write in writes {
                let (Write::Put { key, .. } | Write::Delete { key }) = &write;
                account.damaged.remove(key);
                match write {
                    Write::Put { key, value } => drop(account.keys.insert(key, value.into())),
                    Write::Delete { key } => drop(account.keys.remove(&key)),
                }
            }
        })
    }

    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        let machine = self.process.lock_to_read().map_err(|what| EngineError::Failed { what })?;
        Ok(machine.content.keys().copied().collect())
    }

    fn read_only(&self) -> Option<String> {
        (self.process.lock().read_only == Some(ReadOnly::ForEver)).then(|| READ_ONLY.to_owned())
    }

    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        self.change(account, None, |accounts| drop(accounts.remove(&account)))
    }
}

struct SimSnapshot<'a> {
    engine: &'a SimEngine,
    account: Arc<Account>,
}

impl SimSnapshot<'_> {
    fn read_fails(&self) -> Result<(), EngineError> {
        self.engine.process.lock_to_read().map(drop).map_err(|what| EngineError::Failed { what })
    }

    fn must_be_sound(&self, key: &[u8]) -> Result<(), EngineError> {
        match self.account.damaged.contains(key) {
            true => Err(EngineError::Damaged { what: format!("simulated damage at {key:02x?}") }),
            false => Ok(()),
        }
    }
}

impl Snapshot for SimSnapshot<'_> {
    fn head(&self) -> ModSeq {
        self.account.head
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.read_fails()?;
        self.must_be_sound(key)?;
        Ok(self.account.keys.get(key).map(|value| value.to_vec()))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if from >= to {
            return Ok(());
        }
        let keys = || self.account.keys.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let failure = self.read_fails();
        // A disk fails in the middle: whoever forgets to look at the result has then seen a part of the keys.
        let shown = if failure.is_err() { keys().count() / 2 } else { usize::MAX };
        for (key, value) in keys().take(shown) {
            self.must_be_sound(key)?;
            if visit(key, value) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        failure
    }
}

/// [`Objects`] in memory. Cheap to clone: clones share one content and one process.
#[derive(Clone, Debug)]
pub struct SimObjects {
    process: Process<Bodies>,
}

#[derive(Debug)]
struct Bodies {
    now: Timestamp,
    objects: BTreeMap<(AccountId, ObjectName), Object>,
}

#[derive(Debug)]
struct Object {
    written: Timestamp,
    content: Arc<[u8]>,
}

/// The time that [`SimObjects`] begins with: 2026-09-21T14:13:20Z.
pub const SIM_EPOCH: Timestamp = Timestamp(1_790_000_000_000);

impl Default for SimObjects {
    fn default() -> Self {
        Self::new()
    }
}

impl SimObjects {
    /// An empty place that never fails; its clock stands at [`SIM_EPOCH`].
    #[must_use]
    pub fn new() -> Self {
        Self::start(Plan::new(0, FaultRates::default()))
    }

    /// An empty place that fails as `rates` say, drawn from `seed`, which is printed for the report of a failed test.
    #[must_use]
    pub fn with_faults(seed: u64, rates: FaultRates) -> Self {
        println!("simulated objects: seed {seed}");
        Self::start(Plan::new(seed, rates))
    }

    fn start(plan: Plan) -> Self {
        Self { process: Process::new(Bodies { now: SIM_EPOCH, objects: BTreeMap::new() }, plan) }
    }

    /// From now on faults are drawn at these rates.
    pub fn set_rates(&self, rates: FaultRates) {
        self.process.lock().plan.rates = rates;
    }

    /// `fault` happens at the put or removal after `changes_before` more (0: at the next one).
    pub fn plan(&self, changes_before: u64, fault: Fault) {
        let mut machine = self.process.lock();
        let at = machine.plan.changes + changes_before + 1;
        machine.plan.planned.insert(at, fault);
    }

    /// The read or list after `reads_before` more (0: the next one) fails.
    pub fn plan_read_error(&self, reads_before: u64) {
        let mut machine = self.process.lock();
        let at = machine.plan.reads + reads_before + 1;
        machine.plan.planned_reads.insert(at);
    }

    /// Flips one bit of a stored object, as a bad disk does; false when there is no such object or it is empty.
    pub fn corrupt(&self, account: AccountId, name: &str) -> bool {
        let mut machine = self.process.lock();
        let Some(object) = machine.content.objects.get_mut(&(account, name.to_owned())) else {
            return false;
        };
        let mut bytes = object.content.to_vec();
        let middle = bytes.len() / 2;
        let Some(byte) = bytes.get_mut(middle) else {
            return false;
        };
        *byte ^= 1;
        object.content = bytes.into();
        true
    }

    /// Ends this process, if it still runs, and starts the next on what is durable.
    #[must_use]
    pub fn crash(&self) -> Self {
        Self { process: self.process.restart() }
    }

    fn change(&self, apply: impl FnOnce(&mut Bodies) -> Result<(), ObjectError>) -> Result<(), ObjectError> {
        let Some(mut machine) = self.process.lock_alive() else {
            return Err(ObjectError::Failed { what: DEAD.to_owned() });
        };
        match machine.outcome() {
            Outcome::Apply | Outcome::Conflict => apply(&mut machine.content),
            Outcome::Full => Err(ObjectError::Full { what: FULL.to_owned() }),
            Outcome::Failed { applied } => {
                if applied {
                    apply(&mut machine.content)?;
                }
                Err(ObjectError::Failed { what: FAILED.to_owned() })
            }
        }
    }
}

impl Objects for SimObjects {
    fn put_shared(&self, account: AccountId, name: &str, content: Shared) -> Result<(), ObjectError> {
        self.change(|bodies| {
            let key = (account, name.to_owned());
            if bodies.objects.contains_key(&key) {
                let what = format!("object {name} of account {account} exists already");
                return Err(ObjectError::Failed { what });
            }
            bodies.objects.insert(key, Object { written: bodies.now, content: (*content).as_ref().into() });
            Ok(())
        })
    }

    fn read(&self, account: AccountId, name: &str) -> Result<Vec<u8>, ObjectError> {
        let machine = self.process.lock_to_read().map_err(|what| ObjectError::Failed { what })?;
        let object = machine.content.objects.get(&(account, name.to_owned()));
        object.map(|object| object.content.to_vec()).ok_or(ObjectError::Missing)
    }

    fn read_range(&self, account: AccountId, name: &str, range: Range<usize>) -> Result<Vec<u8>, ObjectError> {
        let ended = || ObjectError::Failed { what: format!("object {name} of account {account} ends early") };
        self.read(account, name)?.get(range).map(<[u8]>::to_vec).ok_or_else(ended)
    }

    fn length(&self, account: AccountId, name: &str) -> Result<u64, ObjectError> {
        let machine = self.process.lock_to_read().map_err(|what| ObjectError::Failed { what })?;
        let object = machine.content.objects.get(&(account, name.to_owned()));
        object.map(|object| object.content.len() as u64).ok_or(ObjectError::Missing)
    }

    fn remove(&self, account: AccountId, name: &str) -> Result<(), ObjectError> {
        self.change(|bodies| {
            bodies.objects.remove(&(account, name.to_owned()));
            Ok(())
        })
    }

    fn list(&self, account: AccountId) -> Result<Vec<(ObjectName, i64)>, ObjectError> {
        let machine = self.process.lock_to_read().map_err(|what| ObjectError::Failed { what })?;
        let from = (account, String::new());
        let of_account = machine.content.objects.range(from..).take_while(|((owner, _), _)| *owner == account);
        Ok(of_account.map(|((_, name), object)| (name.clone(), object.written.0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    const ACCOUNT: AccountId = AccountId(16);

    fn put(expected: u64, next: u64, key: &[u8]) -> Commit {
        let writes = vec![Write::Put { key: key.to_vec(), value: b"v".to_vec() }];
        Commit { account: ACCOUNT, expected: ModSeq(expected), next: ModSeq(next), writes }
    }

    fn has(engine: &SimEngine, key: &[u8]) -> bool {
        engine.snapshot(ACCOUNT).unwrap().get(key).unwrap().is_some()
    }

    #[test]
    fn the_simulated_engine_keeps_the_contract() {
        let engine = SimEngine::new();
        conformance::engine(|| Box::new(engine.crash()));
    }

    #[test]
    fn the_simulated_objects_keep_the_contract() {
        let objects = SimObjects::new();
        conformance::objects(|| Box::new(objects.crash()));
    }

    #[test]
    fn planned_faults_hit_the_chosen_commit_and_nothing_else() {
        let engine = SimEngine::new();
        engine.plan(1, Fault::Full);
        engine.plan(2, Fault::Conflict);
        engine.commit(put(0, 1, b"a")).unwrap();
        assert!(matches!(engine.commit(put(1, 2, b"b")), Err(CommitError::Full { .. })));
        assert_eq!(engine.commit(put(1, 2, b"b")), Err(CommitError::Conflict { head: ModSeq(1) }));
        assert!(!has(&engine, b"b"));
        engine.commit(put(1, 2, b"b")).unwrap();
        assert!(has(&engine, b"b"));
        assert_eq!(engine.commits(), 4);
    }

    #[test]
    fn a_crash_keeps_the_commit_that_was_durable_and_drops_the_one_that_was_not() {
        for (fault, survives) in [(Fault::CrashBefore, false), (Fault::CrashAfter, true)] {
            let engine = SimEngine::new();
            engine.commit(put(0, 1, b"first")).unwrap();
            engine.plan(0, fault);
            assert!(matches!(engine.commit(put(1, 2, b"second")), Err(CommitError::Failed { .. })));
            assert!(engine.is_dead());
            assert!(engine.snapshot(ACCOUNT).is_err());
            let next = engine.crash();
            assert!(has(&next, b"first"));
            assert_eq!(has(&next, b"second"), survives);
            assert!(matches!(engine.commit(put(1, 2, b"late")), Err(CommitError::Failed { .. })));
            assert!(!has(&next, b"late"));
        }
    }

    #[test]
    fn a_failed_commit_is_there_as_a_whole_or_not_at_all_and_both_happen() {
        let engine = SimEngine::with_faults(7, FaultRates { failed: 500, ..FaultRates::default() });
        let (mut applied, mut dropped, mut head) = (0, 0, 0);
        for n in 1..200 {
            let result = engine.commit(put(head, n, &n.to_be_bytes()));
            let snapshot = engine.snapshot(ACCOUNT).unwrap();
            let there = snapshot.get(&n.to_be_bytes()).unwrap().is_some();
            assert_eq!(snapshot.head(), ModSeq(if there { n } else { head }));
            match result {
                Ok(()) => assert!(there),
                Err(_) if there => applied += 1,
                Err(_) => dropped += 1,
            }
            head = snapshot.head().0;
        }
        assert!(applied > 20 && dropped > 20, "{applied} applied, {dropped} dropped");
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let rates = FaultRates { conflict: 100, full: 100, failed: 100, read_error: 100 };
        let story = |seed| {
            let engine = SimEngine::with_faults(seed, rates);
            let commits = (0..100).map(|n| engine.commit(put(n, n + 1, b"k")).is_ok()).collect::<Vec<_>>();
            (commits, (0..100).map(|_| engine.accounts().is_ok()).collect::<Vec<_>>())
        };
        assert_eq!(story(1), story(1));
        assert_ne!(story(1), story(2));
    }

    #[test]
    fn a_scan_that_fails_says_so_even_after_it_has_shown_a_part() {
        let engine = SimEngine::new();
        for n in 0..10 {
            engine.commit(put(n, n + 1, &[n as u8])).unwrap();
        }
        let snapshot = engine.snapshot(ACCOUNT).unwrap();
        engine.plan_read_error(0);
        let mut seen = 0;
        let mut visit = |_: &[u8], _: &[u8]| {
            seen += 1;
            ControlFlow::Continue(())
        };
        assert!(snapshot.scan(&[0], &[255], &mut visit).is_err());
        assert_eq!(seen, 5);
        engine.plan_read_error(0);
        assert!(snapshot.get(&[1]).is_err());
        assert!(snapshot.get(&[1]).unwrap().is_some());
    }

    #[test]
    fn objects_fail_as_planned_and_can_rot() {
        let objects = SimObjects::new();
        objects.plan(0, Fault::Full);
        assert!(matches!(objects.put(ACCOUNT, "a", b"1"), Err(ObjectError::Full { .. })));
        objects.put(ACCOUNT, "a", b"1").unwrap();
        objects.plan_read_error(0);
        assert!(matches!(objects.read(ACCOUNT, "a"), Err(ObjectError::Failed { .. })));
        assert_eq!(objects.read(ACCOUNT, "b"), Err(ObjectError::Missing));
        assert!(objects.corrupt(ACCOUNT, "a"));
        assert_eq!(objects.read(ACCOUNT, "a"), Ok(b"0".to_vec()));
        objects.plan(0, Fault::CrashAfter);
        assert!(objects.put(ACCOUNT, "c", b"2").is_err());
        assert!(objects.list(ACCOUNT).is_err());
        assert_eq!(objects.crash().list(ACCOUNT).unwrap().len(), 2);
    }
}
