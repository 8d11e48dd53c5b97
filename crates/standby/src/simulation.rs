//! A server and a standby in memory: what connects them cuts off, repeats, comes late and loses; either side dies at any commit.
//!
//! Whatever happens, each keyspace of the standby is at each moment what the server had after one of its commits; and once nothing
//! fails any more, both are the same, row by row. `PILLARBOX_SIM_SEEDS=from..to` runs other seeds.

mod lacking;

use crate::ranges::each_row;
use crate::wire::Message;
use crate::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use store::check::{self, Depth};
use store::engine::{Commit, CommitError, Engine, EngineError, Snapshot};
use store::feed::{FedEngine, Feed};
use store::objects::Objects;
use store::sim::{Fault, FaultRates, Random, SimEngine, SimObjects};
use store::{
    Actor, DeviceId, Expunge, FlagChange, FlagMode, Flags, ModSeq, NewMessage, Protocol, Store, SystemFlag, Target,
    Timestamp,
};

const NOW: i64 = 1_790_000_000_000;
const STEPS: u32 = 150;
/// How often the checker met a keyspace that was never whole, and one that was being brought beside another.
static SEEN_UNFINISHED: AtomicUsize = AtomicUsize::new(0);
static SEEN_BESIDE: AtomicUsize = AtomicUsize::new(0);
const ACCOUNTS: u32 = 3;

type History = Arc<Mutex<BTreeMap<(AccountId, ModSeq), blake3::Hash>>>;

fn content(engine: &dyn Engine, keyspace: AccountId) -> (ModSeq, blake3::Hash) {
    let snapshot = engine.snapshot(keyspace).unwrap();
    let mut sum = ranges::Sum::default();
    each_row(&*snapshot, |key, value| {
        sum.add(key, value);
        Ok(())
    })
    .unwrap();
    (snapshot.head(), sum.take())
}

/// The server's engine, with all that it ever had.
struct Recorder {
    engine: SimEngine,
    history: History,
}

impl Recorder {
    fn record(&self, account: AccountId) {
        if !self.engine.is_dead() {
            let (head, hash) = content(&self.engine, account);
            self.history.lock().unwrap().insert((account, head), hash);
        }
    }
}

impl Engine for Recorder {
    fn snapshot(&self, account: AccountId) -> Result<Box<dyn Snapshot + '_>, EngineError> {
        self.engine.snapshot(account)
    }
    fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let account = commit.account;
        let outcome = self.engine.commit(commit);
        self.record(account);
        outcome
    }
    fn accounts(&self) -> Result<Vec<AccountId>, EngineError> {
        self.engine.accounts()
    }
    fn remove_account(&self, account: AccountId) -> Result<(), CommitError> {
        self.engine.remove_account(account)
    }
}

struct Server {
    engine: SimEngine,
    objects: SimObjects,
    history: History,
    store: Store,
    source: Source,
}

impl Server {
    fn start((engine, objects): (SimEngine, SimObjects), history: History, epoch: u64) -> Self {
        let feed = Feed::with_room(epoch, 300_000);
        let recorder = Recorder { engine: engine.clone(), history: history.clone() };
        let fed: Arc<dyn Engine> = Arc::new(FedEngine::new(Arc::new(recorder), feed.clone()));
        let store = Store::new(fed.clone(), Arc::new(objects.clone()));
        let source = Source::new((fed, Arc::new(objects.clone())), feed, Lineage::of(b"secret", b""));
        Self { engine, objects, history, store, source }
    }
}

/// What connects both.
struct Link<'s> {
    source: &'s Source,
    random: Mutex<Random>,
    /// Of 1,000 calls.
    fails: u16,
    /// Of 1,000 answers with news, one commit is left out.
    loses: u16,
    late: Mutex<Option<Vec<u8>>>,
}

impl<'s> Link<'s> {
    fn sound(source: &'s Source) -> Self {
        Self { source, random: Mutex::new(Random::new(0)), fails: 0, loses: 0, late: Mutex::default() }
    }

    fn chance(&self, per_mille: u16) -> bool {
        self.random.lock().unwrap().chance(per_mille)
    }

    fn works(&self) -> Result<(), Error> {
        if self.chance(self.fails) { Err(fault("the link is cut")) } else { Ok(()) }
    }
}

impl Primary for Link<'_> {
    fn heads(&self) -> Result<Vec<u8>, Error> {
        self.works()?;
        self.source.heads()
    }

    fn news(&self, place: Place, wait: Duration) -> Result<Option<Vec<u8>>, Error> {
        self.works()?;
        let Some(mut answer) = self.source.news(place, wait, || NOW) else { return Ok(None) };
        if self.chance(self.loses) {
            let mut message = Message::decode(&answer).unwrap();
            if !message.news.is_empty() {
                let lost = self.random.lock().unwrap().below(message.news.len() as u64) as usize;
                message.news.remove(lost);
                let news = message.news.into_iter().map(Arc::new).collect();
                let batch = store::feed::Batch { news, to: message.to, end: message.end, age: message.age };
                answer = Message::encode(place, NOW, &batch);
            }
        }
        // One answer is mistaken for the next.
        let before = self.late.lock().unwrap().replace(answer.clone());
        Ok(Some(before.filter(|_| self.chance(self.fails)).unwrap_or(answer)))
    }

    fn compare(&self, account: AccountId, ranges: &[u8], take: Take<'_>) -> Result<(), Error> {
        self.works()?;
        let is_cut = self.chance(self.fails);
        let left = Cell::new(self.random.lock().unwrap().below(6));
        self.source.compare(account, ranges, &mut |piece| {
            if is_cut && left.replace(left.get().saturating_sub(1)) == 0 {
                return Err(fault("the link is cut within an answer"));
            }
            take(piece)
        })
    }

    fn object(&self, account: AccountId, name: &ObjectName) -> Result<Option<Vec<u8>>, Error> {
        self.works()?;
        self.source.object(account, name)
    }
}

struct World {
    random: Random,
    server: Server,
    epoch: u64,
    standby: (SimEngine, SimObjects),
    follower: Option<Follower>,
    now: i64,
    loses: u16,
    next: AccountId,
}

/// The head, UIDVALIDITY by the name of the mailbox, the last EMAILID.
type Numbers = (ModSeq, Vec<(String, u32)>, store::EmailId);

fn options() -> Options {
    Options { workers: 1, changed_bytes_max: 40_000, part_bytes: 10_000 }
}

impl World {
    fn new(seed: u64, loses: u16) -> Self {
        let server = Server::start((SimEngine::new(), SimObjects::new()), History::default(), 1);
        let standby = (SimEngine::with_faults(seed, FaultRates::default()), SimObjects::new());
        let next = AccountId(AccountId::FIRST.0 + ACCOUNTS);
        let world =
            Self { random: Random::new(seed), server, epoch: 1, standby, follower: None, now: NOW, loses, next };
        for id in AccountId::FIRST.0..next.0 {
            world.server.store.create_account(AccountId(id), Timestamp(NOW)).unwrap();
        }
        world
    }

    fn actor(&mut self) -> Actor {
        self.now += 1000;
        Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(self.now) }
    }

    fn append(&mut self, account: AccountId, bytes: u64) -> Option<store::Appended> {
        let (actor, n) = (self.actor(), self.random.next_u64());
        let text = format!("{n:070}\r\n").repeat(bytes as usize / 72);
        let body = format!("From: a@example.net\r\nSubject: {n}\r\n\r\n{text}").into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: actor.now };
        self.server.store.account(account).append(actor, Target::Inbox, message).ok()
    }

    /// Something happens on the server; what fails there may have happened or not.
    fn change(&mut self) {
        let span = u64::from(self.next.0 - AccountId::FIRST.0);
        let id = AccountId(AccountId::FIRST.0 + self.random.below(span) as u32);
        let (account, actor, what) = (self.server.store.account(id), self.actor(), self.random.below(20));
        let bytes = self.random.below(if what < 2 { 60_000 } else { 3_000 });
        let inbox = account.mailboxes().ok().and_then(|all| all.by_name("INBOX").map(|inbox| inbox.id));
        let Some(inbox) = inbox else { return };
        let uids = |seldom: u64| -> Vec<store::Uid> {
            let view = account.view(inbox).unwrap();
            view.index().iter().map(|entry| entry.uid).filter(|uid| u64::from(uid.0) % seldom == 0).collect()
        };
        match what {
            0..=9 => {
                self.append(id, bytes);
            }
            10..=12 => {
                let change = FlagChange {
                    mode: FlagMode::Add,
                    flags: Flags::system(&[SystemFlag::Seen]),
                    unchanged_since: None,
                };
                drop(account.change_flags(actor, inbox, uids(3), change));
            }
            13 => {
                let change = FlagChange {
                    mode: FlagMode::Add,
                    flags: Flags::system(&[SystemFlag::Deleted]),
                    unchanged_since: None,
                };
                drop(account.change_flags(actor, inbox, uids(5), change));
                drop(account.expunge(actor, inbox, Expunge::AllDeleted));
            }
            14 => drop(account.purge(Timestamp(self.now))),
            15 => drop(account.create_mailbox(actor, &format!("M{}", self.random.below(5)), None)),
            16 => drop(account.delete_mailbox(actor, &format!("M{}", self.random.below(5)))),
            17 => {
                let value = self.random.next_u64().to_be_bytes().to_vec();
                let table = [TableId::Queue, TableId::Directory, TableId::Sessions][self.random.below(3) as usize];
                drop(self.server.store.table(table).change(|tx| -> Result<(), StoreError> {
                    tx.put(&[b'k', value[0] % 8], value.clone());
                    Ok(())
                }));
            }
            18 if self.random.chance(200) => drop(self.server.store.remove_account(id)),
            18 => {
                for _ in 0..30 {
                    self.append(id, 3_000);
                }
            }
            _ => {
                drop(self.server.store.create_account(self.next, Timestamp(self.now)));
                self.next.0 += 1;
            }
        }
    }

    fn restart_server(&mut self) {
        self.epoch += 1;
        let stored = (self.server.engine.crash(), self.server.objects.crash());
        self.server = Server::start(stored, self.server.history.clone(), self.epoch);
        // What was committed as it died.
        let recorder = Recorder { engine: self.server.engine.clone(), history: self.server.history.clone() };
        recorder.accounts().unwrap().into_iter().for_each(|account| recorder.record(account));
    }

    fn restart_standby(&mut self) {
        self.follower = None;
        self.standby = (self.standby.0.crash(), self.standby.1.crash());
    }

    /// One step of the standby over a link; whether both are the same by then, as far as it knows.
    fn follow(&mut self, fails: u16) -> bool {
        let (engine, objects) = self.standby.clone();
        let follower = match self.follower.take() {
            Some(follower) => Ok(follower),
            None => Follower::open(Arc::new(engine.clone()), Arc::new(objects.clone()), options()),
        };
        let link = Link {
            random: Mutex::new(Random::new(self.random.next_u64())),
            fails,
            loses: if fails > 0 { self.loses } else { 0 },
            ..Link::sound(&self.server.source)
        };
        let Ok(mut follower) = follower else {
            self.restart_standby();
            return false;
        };
        if self.random.chance(100) {
            drop(follower.doubt(&link));
        }
        // Several with one link, so that something can come late.
        let mut is_whole = false;
        for _ in 0..=self.random.below(4) {
            match follower.step(&link, Duration::ZERO, self.now) {
                Ok(told) => is_whole = told.is_whole(),
                Err(Error::Refused(what)) => panic!("{what}"),
                Err(Error::Fault(_)) => is_whole = false,
            }
        }
        if engine.is_dead() {
            self.restart_standby();
            return false;
        }
        self.follower = Some(follower);
        is_whole
    }

    /// The checker: it knows the server's history, and nothing of how the standby came to what it has.
    fn check(&self) {
        let engine = &self.standby.0;
        let history = self.server.history.lock().unwrap();
        let is_beside = |id: &AccountId| id.0 >= OWN && *id != notes::NOTES;
        SEEN_BESIDE.fetch_add(engine.accounts().unwrap().iter().filter(|id| is_beside(id)).count(), Ordering::Relaxed);
        for keyspace in engine.accounts().unwrap().into_iter().filter(|id| is_copied(*id)) {
            let is_whole = engine.snapshot(keyspace).unwrap().get(copy::UNFINISHED).unwrap().is_none();
            let (head, hash) = content(engine, keyspace);
            SEEN_UNFINISHED.fetch_add(usize::from(!is_whole), Ordering::Relaxed);
            if is_whole {
                assert_eq!(history.get(&(keyspace, head)), Some(&hash), "keyspace {keyspace} at {head}");
            }
        }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..=54 => self.change(),
            55..=56 => self.restart_server(),
            57..=58 => self.restart_standby(),
            59..=62 => {
                let fault =
                    [Fault::CrashBefore, Fault::CrashAfter, Fault::Failed, Fault::Full][self.random.below(4) as usize];
                self.standby.0.plan(self.random.below(6), fault);
            }
            63 => {
                let fault = [Fault::CrashBefore, Fault::CrashAfter, Fault::Failed][self.random.below(3) as usize];
                self.server.engine.plan(self.random.below(3), fault);
                self.change();
            }
            _ => {
                let fails = if self.random.chance(500) { 150 } else { 0 };
                self.follow(fails);
                self.check();
            }
        }
        if self.server.engine.is_dead() {
            self.restart_server();
        }
    }

    /// Nothing fails any more.
    fn catch_up(&mut self) {
        for _ in 0..10 {
            // What was planned happens, and is over.
            drop((self.standby.0.remove_account(AccountId(5)), self.server.engine.remove_account(AccountId(5))));
            self.restart_standby();
            self.restart_server();
        }
        for _ in 0..2000 {
            if !self.follow(0) {
                continue;
            }
            let (Some(follower), link) = (self.follower.as_mut(), Link::sound(&self.server.source)) else { continue };
            follower.doubt(&link).unwrap();
            if follower.step(&link, Duration::ZERO, self.now).unwrap().is_whole() {
                return self.check();
            }
        }
        panic!("the standby never has everything");
    }

    fn compare(&self) {
        let copied = |engine: &SimEngine| -> BTreeMap<AccountId, (ModSeq, blake3::Hash)> {
            let all = engine.accounts().unwrap().into_iter().filter(|id| is_copied(*id));
            all.map(|id| (id, content(engine, id))).collect()
        };
        let theirs = copied(&self.server.engine);
        assert_eq!(copied(&self.standby.0), theirs);
        let link = Link::sound(&self.server.source);
        assert_eq!(to_verify(&self.standby.0).unwrap(), theirs.keys().copied().collect::<Vec<_>>());
        for account in theirs.into_keys() {
            let stored: (&dyn Engine, &dyn Objects) = (&self.standby.0, &self.standby.1);
            let verified = verify(stored, &link, account, Timestamp(self.now)).unwrap();
            assert_eq!(verified, Verified { is_same: Some(true), damaged: Vec::new() }, "{account}");
        }
    }

    /// The server is gone; what it told last may not be on the standby.
    fn promote(mut self) {
        for _ in 0..5 {
            self.change();
        }
        let before = self.numbers(&self.server.store);
        let follower = self.follower.take().unwrap();
        assert!(follower.standing().whole_at.is_some());
        let left = succeed(follower, Timestamp(self.now + 60_000), &mut |_, _| ()).unwrap();
        assert_eq!(left.unfinished, []);
        let (engine, objects) = self.standby.clone();
        let store = Store::new(Arc::new(engine), Arc::new(objects));
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
        for (id, (head, validities, email)) in before {
            let account = store.account(id);
            let Ok(mailboxes) = account.mailboxes() else { continue };
            assert!(mailboxes.head() > head, "MODSEQs of {id}");
            for mailbox in mailboxes.iter() {
                let given = validities.iter().filter(|(name, _)| *name == mailbox.name);
                assert!(
                    given.into_iter().all(|(_, validity)| mailbox.uid_validity.0 > *validity),
                    "{id} {}",
                    mailbox.name
                );
            }
            let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(self.now) };
            let message =
                NewMessage { body: b"A: b\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: actor.now };
            let appended = account.append(actor, Target::Inbox, message).unwrap();
            assert!(appended.email > email, "EMAILIDs of {id}, although the clock stood still");
        }
        assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    }

    /// The last of each kind that was given.
    fn numbers(&self, store: &Store) -> BTreeMap<AccountId, Numbers> {
        let mut all = BTreeMap::new();
        for id in store.accounts().unwrap() {
            let account = store.account(id);
            let mailboxes = account.mailboxes().unwrap();
            let validities = mailboxes.iter().map(|mailbox| (mailbox.name.clone(), mailbox.uid_validity.0)).collect();
            let last = account.emails_after(store::EmailId(0), 100_000).unwrap().into_iter().max();
            all.insert(id, (mailboxes.head(), validities, last.unwrap_or(store::EmailId(0))));
        }
        all
    }
}

fn seeds(usual: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(wanted) = std::env::var("PILLARBOX_SIM_SEEDS") else { return usual };
    let (from, to) = wanted.split_once("..").unwrap_or(("0", &wanted));
    from.parse().unwrap()..to.parse().unwrap()
}

fn run(usual: std::ops::Range<u64>, story: impl Fn(u64)) {
    for seed in seeds(usual) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| story(seed))) {
            println!("PILLARBOX_SIM_SEEDS={seed}..{} shows it again", seed + 1);
            resume_unwind(panic);
        }
    }
}

#[test]
fn whatever_is_cut_doubled_or_late_and_whoever_dies_the_standby_has_what_the_server_had() {
    run(0..120, |seed| {
        let mut world = World::new(seed, 0);
        (0..STEPS).for_each(|_| world.step());
        world.catch_up();
        world.compare();
        world.promote();
    });
    let seen = [&SEEN_UNFINISHED, &SEEN_BESIDE].map(|seen| seen.load(Ordering::Relaxed));
    assert!(std::env::var_os("PILLARBOX_SIM_SEEDS").is_some() || seen.iter().all(|seen| *seen > 0), "{seen:?}");
}

/// The negative control: news that are lost on the way are noticed, and what they told is brought.
#[test]
fn news_that_are_lost_are_noticed_by_the_heads() {
    run(0..60, |seed| {
        let mut world = World::new(seed, 300);
        (0..STEPS).for_each(|_| world.step());
        world.catch_up();
        world.compare();
    });
}

fn followed(world: &mut World) {
    (0..20).for_each(|_| world.change());
    world.catch_up();
    world.compare();
}

#[test]
fn a_server_that_is_behind_its_standby_is_not_followed() {
    let mut world = World::new(1, 0);
    followed(&mut world);
    let old = world.server.engine.clone();
    let id = AccountId::FIRST;
    // Older files were put back: fewer commits.
    let head = old.head(id).unwrap();
    old.remove_account(id).unwrap();
    old.commit(Commit { account: id, expected: ModSeq(0), next: ModSeq(head.0 - 1), writes: Vec::new() }).unwrap();
    world.restart_standby();
    let before = content(&world.standby.0, id);
    let (engine, objects) = world.standby.clone();
    let mut follower = Follower::open(Arc::new(engine), Arc::new(objects), options()).unwrap();
    let error = follower.step(&Link::sound(&world.server.source), Duration::ZERO, NOW).unwrap_err();
    assert!(matches!(&error, Error::Refused(what) if what.contains("behind this standby")), "{error}");
    assert_eq!(content(&world.standby.0, id), before, "nothing is changed");
}

#[test]
fn the_standby_of_another_server_is_left_as_it_is() {
    let mut world = World::new(2, 0);
    followed(&mut world);
    let other = World::new(2, 0);
    let stored = (Arc::new(other.server.engine) as Arc<dyn Engine>, Arc::new(other.server.objects) as Arc<dyn Objects>);
    let source = Source::new(stored, Feed::new(9), Lineage::of(b"another secret", b""));
    let follower = world.follower.as_mut().unwrap();
    follower.step(&Link::sound(&source), Duration::ZERO, NOW).unwrap_err();
    let error = follower.step(&Link::sound(&source), Duration::ZERO, NOW).unwrap_err();
    assert!(matches!(&error, Error::Refused(what) if what.contains("not of this server")), "{error}");
    world.compare();
}

#[test]
fn rows_and_large_messages_that_differ_under_the_same_head_are_found_and_brought() {
    let mut world = World::new(3, 0);
    let id = AccountId::FIRST;
    world.append(id, 40_000).unwrap();
    followed(&mut world);
    let (engine, objects) = world.standby.clone();
    let name = objects.list(id).unwrap().remove(0).0;
    assert!(objects.corrupt(id, &name));
    // As a disk would, and nothing else: the head stays.
    let (head, right) = content(&engine, id);
    let rows = {
        let snapshot = engine.snapshot(id).unwrap();
        let mut rows = Vec::new();
        each_row(&*snapshot, |key, value| {
            rows.push(copy::put((key, value)));
            Ok(())
        })
        .unwrap();
        rows.remove(0);
        rows
    };
    engine.remove_account(id).unwrap();
    engine.commit(Commit { account: id, expected: ModSeq(0), next: head, writes: rows }).unwrap();
    let link = Link::sound(&world.server.source);
    let verified = verify((&engine, &objects), &link, id, Timestamp(NOW)).unwrap();
    assert_eq!(verified, Verified { is_same: Some(false), damaged: vec![name] });
    let follower = world.follower.as_mut().unwrap();
    follower.suspect(id);
    follower.mend(&link, id, &verified.damaged).unwrap();
    follower.step(&link, Duration::ZERO, NOW).unwrap();
    assert_eq!(content(&engine, id), (head, right));
    world.compare();
}

#[test]
fn a_message_from_the_news_is_applied_once() {
    let mut world = World::new(4, 0);
    followed(&mut world);
    world.append(AccountId::FIRST, 100).unwrap();
    let follower = world.follower.as_mut().unwrap();
    let link = Link::sound(&world.server.source);
    let told = follower.step(&link, Duration::ZERO, NOW).unwrap();
    assert!(told.applied > 0 && told.is_whole(), "{told:?}");
    // Opened again it applies once more what it was told last.
    let before = content(&world.standby.0, AccountId::FIRST);
    world.restart_standby();
    let (engine, objects) = world.standby.clone();
    let follower = Follower::open(Arc::new(engine.clone()), Arc::new(objects), options()).unwrap();
    assert_eq!(content(&engine, AccountId::FIRST), before);
    assert_eq!((follower.standing().behind.len(), follower.standing().whole_at), (0, Some(NOW)));
}
