//! The machine, its processes and their clients, one step at a time.

use crate::found::{Found, LOOK_AT};
use crate::history::{History, check_all};
use crate::model::{Email, Model, Names, Op, Purged, Reply};
use crate::workload::{self, Moment, pick};
use std::mem::discriminant;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Wake;
use store::device::{Credential, LastLogin};
use store::hold::{Answer, HoldReport, ThenDevice};
use store::objects::Objects;
use store::sim::{Fault, FaultRates, Random, SIM_EPOCH, SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, ClearRequest, DeviceId, EmailId, Error, Expunge, FlagBits, FlagChange, Flags, HoldId,
    Index, MailboxId, Maildrop, MaildropOptions, MaildropOutcome, ModSeq, NewMessage, Protocol, Store, SystemFlag,
    Target, Timestamp, Uid, Watch,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Calm,
    Faults,
    Crashes,
    /// Some faults, and so many messages that indexes are packed.
    Large,
}

impl Kind {
    fn rates(self) -> FaultRates {
        match self {
            Self::Calm => FaultRates::default(),
            Self::Faults | Self::Large => FaultRates { conflict: 50, full: 40, failed: 60, read_error: 4 },
            Self::Crashes => FaultRates { conflict: 10, full: 10, failed: 30, read_error: 1 },
        }
    }

    fn crashes_per_mille(self) -> u16 {
        match self {
            Self::Calm => 0,
            Self::Faults | Self::Large => 15,
            Self::Crashes => 150,
        }
    }
}

const PROCESSES: usize = 2;
const ACCOUNTS: usize = 2;

pub struct World {
    kind: Kind,
    random: Random,
    now: Timestamp,
    engine: SimEngine,
    objects: SimObjects,
    processes: Vec<Process>,
    accounts: Vec<Subject>,
    next_account: u32,
}

/// One account, and what must be true of it.
struct Subject {
    id: AccountId,
    model: Model,
    history: History,
    found: Found,
}

struct Process {
    store: Store,
    readers: Vec<ImapClient>,
    pops: Vec<PopSession>,
}

/// A client that looks now and then, whatever hints it gets.
struct ImapClient {
    account: Account,
    subject: usize,
    mailbox: MailboxId,
    told: Index,
    knows: Vec<(Uid, FlagBits)>,
    head: ModSeq,
    woken: Arc<Count>,
    _watch: Watch,
}

struct PopSession {
    subject: usize,
    account: Account,
    maildrop: Maildrop,
    device: DeviceId,
    shown: Vec<(EmailId, MailboxId)>,
}

#[derive(Default)]
struct Count(AtomicU64);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl World {
    pub fn new(seed: u64, kind: Kind) -> Self {
        let calm = FaultRates::default();
        let (engine, objects) = (SimEngine::with_faults(seed, calm), SimObjects::with_faults(seed ^ 1, calm));
        let mut world = Self {
            kind,
            random: Random::new(seed.wrapping_mul(0x9e37_79b9) ^ kind as u64),
            now: SIM_EPOCH,
            engine,
            objects,
            processes: Vec::new(),
            accounts: Vec::new(),
            next_account: AccountId::FIRST.0,
        };
        world.start();
        (0..ACCOUNTS).for_each(|_| world.create_account());
        if kind == Kind::Large {
            world.fill();
        }
        world
    }

    /// A few messages, and copies of copies of them.
    fn fill(&mut self) {
        let kind = std::mem::replace(&mut self.kind, Kind::Calm);
        let inbox = self.accounts[0].model.inbox();
        let account = self.processes[0].store.account(self.accounts[0].id);
        for n in 1..=10u8 {
            let op = Op::Append { mailbox: None, body: vec![n], flags: Names::new(), date: self.now };
            self.perform(0, 0, &op, |now| perform(&account, &op, now, None));
        }
        for _ in 0..7 {
            let uids = self.accounts[0].model.mailbox(inbox).messages.keys().copied().collect();
            let op = Op::Copy { by: DeviceId(0), from: inbox, uids, to: inbox };
            self.perform(0, 0, &op, |now| perform(&account, &op, now, None));
        }
        self.kind = kind;
    }

    /// All processes start, after whatever happened to those before them.
    fn start(&mut self) {
        let process =
            || Process { store: crate::found::fresh(&self.engine, &self.objects), readers: vec![], pops: vec![] };
        self.processes = (0..PROCESSES).map(|_| process()).collect();
    }

    fn create_account(&mut self) {
        let id = AccountId(self.next_account);
        self.next_account += 1;
        // A crash that was planned for an operation that wrote nothing may come now.
        while let Err(error) = self.processes[0].store.create_account(id, self.now) {
            self.survive(&error);
            if error == Error::AlreadyExists {
                break;
            }
        }
        let found = Found::read(&self.engine, &self.objects, id, None);
        let (model, history) = (Model::created(&found), History::default());
        self.accounts.push(Subject { id, model, history, found });
        self.add_devices(self.accounts.len() - 1);
    }

    /// Two of them, so that something can happen to the mail.
    fn add_devices(&mut self, subject: usize) {
        let kind = std::mem::replace(&mut self.kind, Kind::Calm);
        let account = self.processes[0].store.account(self.accounts[subject].id);
        for name in ["first", "second"] {
            let op = Op::AddDevice { name: name.to_owned(), pop: workload::pop(&mut self.random) };
            self.perform(subject, 0, &op, |now| perform(&account, &op, now, None));
        }
        self.kind = kind;
    }

    fn survive(&mut self, error: &Error) {
        assert!(matches!(error, Error::Fault(_) | Error::AlreadyExists), "{error}");
        if self.engine.is_dead() {
            self.crash();
        }
    }

    pub fn step(&mut self) {
        self.now.0 += self.random.below(2000) as i64 - 200;
        if self.random.chance(30) {
            self.now.0 += self.random.below(30 * 3600 * 1000) as i64;
        }
        let subjects = if self.kind == Kind::Large { 1 } else { ACCOUNTS as u64 };
        let subject = self.random.below(subjects) as usize;
        let process = self.random.below(PROCESSES as u64) as usize;
        match self.random.below(100) {
            0..6 => self.look(process, subject),
            6..9 => self.open_pop(process, subject),
            9..14 => self.end_pop(process),
            14..16 => self.all_clients_look(),
            16 => self.clear(process, subject),
            17 => self.restart_process(process),
            18..20 => self.check(subject),
            21 => self.sweep(subject),
            20 if self.random.chance(100) => self.remove_account(subject),
            _ => {
                let moment = Moment { head: self.accounts[subject].found.head, now: self.now };
                let op = workload::draw(&mut self.random, &self.accounts[subject].model, &moment);
                let account = self.processes[process].store.account(self.accounts[subject].id);
                self.perform(subject, process, &op, |now| perform(&account, &op, now, None));
            }
        }
    }

    /// Does one thing with faults, and finds out what came of it.
    fn perform(
        &mut self,
        subject: usize,
        process: usize,
        op: &Op,
        run: impl FnOnce(Timestamp) -> Result<Reply, Error>,
    ) {
        let may_break_off = self.accounts[subject].model.may_break_off(op);
        if may_break_off && self.random.chance(self.kind.crashes_per_mille()) {
            let fault = *pick(&mut self.random, &[Fault::CrashBefore, Fault::CrashAfter]).unwrap();
            self.engine.plan(self.random.below(2), fault);
        }
        let before = self.accounts[subject].found.head;
        let hints: Vec<u64> = self.processes[process].readers.iter().map(ImapClient::hints).collect();
        if may_break_off {
            self.engine.set_rates(self.kind.rates());
            self.objects.set_rates(self.kind.rates());
        }
        let outcome = run(self.now);
        self.engine.set_rates(FaultRates::default());
        self.objects.set_rates(FaultRates::default());
        let died = self.engine.is_dead();
        if died {
            self.crash();
        }
        self.settle(subject, op, &outcome);
        if died {
            (0..ACCOUNTS).for_each(|subject| self.check(subject));
        } else if outcome.is_ok() && self.accounts[subject].found.head > before {
            let readers = self.processes[process].readers.iter().zip(hints);
            let missed = readers.filter(|(reader, hints)| reader.subject == subject && reader.hints() == *hints);
            assert_eq!(missed.count(), 0, "{op:?} did not wake who watches");
        }
    }

    /// The operation has happened, or not, as its answer says.
    fn settle(&mut self, subject: usize, op: &Op, outcome: &Result<Reply, Error>) {
        let at = &mut self.accounts[subject];
        let broke_off = at.model.is_large(op) && matches!(outcome, Err(Error::Fault(_) | Error::NoSpace(_)));
        if broke_off {
            // What is taken back is taken back before anybody sees the account.
            crate::found::fresh(&self.engine, &self.objects).account(at.id).head().unwrap();
        }
        let found = Found::read(&self.engine, &self.objects, at.id, Some(&at.found));
        let mut after = at.model.clone();
        let expected = after.apply(op, self.now, &found);
        let fault = matches!(outcome, Err(Error::Fault(_) | Error::NoSpace(_)));
        assert!(!fault || self.kind != Kind::Calm, "{op:?}: {outcome:?}");
        match (outcome, &expected) {
            (Err(_), _) if broke_off => at.model.broken_off(op, self.now, &found),
            (Ok(reply), _) => {
                assert_eq!(Ok(reply), expected.as_ref(), "{op:?}");
                at.model = after;
            }
            (Err(Error::Fault(_)), _) => {
                if let (Op::Purge { before }, Ok(_)) = (op, &expected) {
                    at.model.perhaps_purged(*before);
                } else if found.head > at.found.head {
                    // It is durable. What it did may not be seen at once: the comparison alone could not tell.
                    assert!(expected.is_ok(), "{op:?}: {outcome:?}, should be {expected:?}");
                    at.model = after;
                }
            }
            // A purge is several transactions: the first may have found room.
            (Err(Error::NoSpace(_)), Ok(_)) if matches!(op, Op::Purge { .. }) => {
                let Op::Purge { before } = op else { return };
                at.model.perhaps_purged(*before);
            }
            (Err(Error::NoSpace(_)), _) => {}
            (Err(refusal), _) => {
                let same = matches!(&expected, Err(expected) if discriminant(expected) == discriminant(refusal));
                assert!(same, "{op:?}: {refusal:?}, should be {expected:?}");
            }
        }
        at.model.compare(&found).unwrap_or_else(|what| panic!("after {op:?} -> {outcome:?}: {what}"));
        History::note_flags(&at.found, &found);
        at.history.note(&found);
        if self.random.chance(100) {
            at.history.observe(&found, &mut self.random);
        }
        at.found = found;
    }

    fn check(&mut self, subject: usize) {
        let Subject { id, model, history, found } = &mut self.accounts[subject];
        *found = check_all(&self.engine, &self.objects, *id, model, history);
    }

    /// The power fails, or failed. Sessions end without a word.
    fn crash(&mut self) {
        self.engine = self.engine.crash();
        self.objects = self.objects.crash();
        self.start();
    }

    fn restart_process(&mut self, process: usize) {
        self.processes[process] =
            Process { store: crate::found::fresh(&self.engine, &self.objects), readers: vec![], pops: vec![] };
    }

    /// What no message refers to goes, and nothing else.
    fn sweep(&mut self, subject: usize) {
        let at = &self.accounts[subject];
        self.processes[0].store.account(at.id).sweep(Timestamp(i64::MAX)).unwrap();
        let is_large = |body: &Arc<[u8]>| body.len() > store::INLINE_BYTES_MAX;
        let large = |email: &&Email| email.purged != Purged::Yes && email.body.as_ref().is_some_and(is_large);
        let needed = at.model.emails.values().filter(large).count();
        let perhaps = at.model.emails.values().filter(large).filter(|email| email.purged == Purged::Perhaps).count();
        let left = self.objects.list(at.id).unwrap().len();
        assert!(
            (needed - perhaps..=needed).contains(&left),
            "{left} objects, {needed} needed, {perhaps} of them perhaps"
        );
        self.check(subject);
    }

    fn remove_account(&mut self, subject: usize) {
        let id = self.accounts[subject].id;
        while let Err(error) = self.processes[0].store.remove_account(id) {
            self.survive(&error);
        }
        for client in self.processes.iter().flat_map(|process| &process.readers).filter(|c| c.subject == subject) {
            client.account.refresh().unwrap();
            assert_eq!(client.account.head(), Err(Error::NoSuchAccount));
        }
        assert!(!self.processes[1].store.accounts().unwrap().contains(&id));
        for process in &mut self.processes {
            process.readers.retain(|reader| reader.subject != subject);
            process.pops.retain(|pop| pop.subject != subject);
        }
        self.create_account();
        self.accounts.swap_remove(subject);
    }

    /// A client selects a mailbox and stays.
    fn look(&mut self, process: usize, subject: usize) {
        let account = self.processes[process].store.account(self.accounts[subject].id);
        let ids: Vec<MailboxId> = self.accounts[subject].model.mailboxes.keys().copied().collect();
        let mailbox = *pick(&mut self.random, &ids).unwrap();
        let woken = Arc::new(Count::default());
        let watch = account.watch(Arc::clone(&woken).into());
        account.refresh().unwrap();
        let view = account.view(mailbox).unwrap();
        let (told, head) = (view.index().clone(), account.head().unwrap());
        let knows = told.iter().map(|entry| (entry.uid, entry.flags)).collect();
        let client = ImapClient { account, subject, mailbox, told, knows, head, woken, _watch: watch };
        let readers = &mut self.processes[process].readers;
        readers.truncate(8);
        readers.push(client);
    }

    fn all_clients_look(&mut self) {
        let Self { processes, accounts, random, .. } = self;
        for process in processes {
            process.readers.retain_mut(|client| client.look(&accounts[client.subject], random.chance(500)));
        }
    }

    fn open_pop(&mut self, process: usize, subject: usize) {
        let Self { processes, accounts, random, .. } = self;
        let devices: Vec<DeviceId> = accounts[subject].model.devices.keys().copied().collect();
        let Some(device) = pick(random, &devices).copied() else { return };
        let account = processes[process].store.account(accounts[subject].id);
        account.refresh().unwrap();
        let busy = processes[process].pops.iter().any(|pop| pop.subject == subject && pop.device == device);
        match account.open_maildrop(device, &MaildropOptions::default(), LOOK_AT) {
            Err(Error::MaildropInUse) => assert!(busy),
            Err(Error::NoSuchDevice) => assert!(accounts[subject].model.devices[&device].revoked && !busy),
            Err(error) => panic!("{error}"),
            Ok(maildrop) => {
                assert!(!busy);
                let shown = crate::found::shown(&maildrop);
                assert_eq!(shown, accounts[subject].model.maildrop(device, LOOK_AT));
                processes[process].pops.push(PopSession { subject, account, maildrop, device, shown });
            }
        }
    }

    /// A POP session says QUIT, or its line drops.
    fn end_pop(&mut self, process: usize) {
        let count = self.processes[process].pops.len();
        if count == 0 {
            return;
        }
        let pop = self.processes[process].pops.swap_remove(self.random.below(count as u64) as usize);
        if self.random.chance(200) {
            return;
        }
        let op = workload::quit(&mut self.random, pop.device, &pop.shown);
        self.perform(pop.subject, process, &op, |now| perform(&pop.account, &op, now, Some(&pop.maildrop)));
    }

    /// Most POP devices take all that they list; then what they all have is cleared.
    fn clear(&mut self, process: usize, subject: usize) {
        let account = self.processes[process].store.account(self.accounts[subject].id);
        let devices = self.accounts[subject].model.devices.iter().filter(|(_, d)| d.uses_pop && !d.revoked);
        for device in devices.map(|(id, _)| *id).collect::<Vec<_>>() {
            account.refresh().unwrap();
            let Ok(maildrop) = account.open_maildrop(device, &MaildropOptions::default(), LOOK_AT) else { continue };
            let most = if self.random.chance(800) { 1000 } else { 500 };
            let taken = workload::some(&mut self.random, &crate::found::shown(&maildrop), most);
            let taken = taken.into_iter().map(|(email, _)| email).collect();
            let op = Op::PopQuit { device, taken, deleted: Vec::new() };
            self.perform(subject, process, &op, |now| perform(&account, &op, now, Some(&maildrop)));
        }
        let before = self.random.chance(200).then(|| Timestamp(self.now.0 - self.random.below(1_000_000) as i64));
        let op = Op::Clear { before };
        let account = self.processes[process].store.account(self.accounts[subject].id);
        self.perform(subject, process, &op, |now| perform(&account, &op, now, None));
    }

    pub fn end(mut self) {
        self.all_clients_look();
        let Self { processes, accounts, .. } = &mut self;
        for client in processes.iter_mut().flat_map(|process| &mut process.readers) {
            client.look(&accounts[client.subject], true);
        }
        (0..ACCOUNTS).for_each(|subject| self.check(subject));
        self.crash();
        (0..ACCOUNTS).for_each(|subject| self.check(subject));
    }
}

impl ImapClient {
    fn hints(&self) -> u64 {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Catches up with what the process knows, after it was told to look again or not. `false` when the mailbox is gone.
    fn look(&mut self, subject: &Subject, refresh: bool) -> bool {
        if refresh {
            self.account.refresh().unwrap();
        }
        let head = self.account.head().unwrap();
        assert!(head >= self.head, "the MODSEQ that a session sees went back");
        self.head = head;
        let view = match self.account.view(self.mailbox) {
            Ok(view) => view,
            Err(error) => {
                assert_eq!(error, Error::NoSuchMailbox);
                assert!(!subject.model.mailboxes.contains_key(&self.mailbox));
                return false;
            }
        };
        let delta = view.index().since(&self.told);
        for (position, uid) in delta.vanished.iter().rev() {
            assert_eq!(self.knows.remove(*position).0, *uid);
        }
        for entry in &delta.changed {
            let at = self.knows.binary_search_by_key(&entry.uid, |(uid, _)| *uid).unwrap();
            self.knows[at].1 = entry.flags;
        }
        self.knows.extend(delta.added.iter().map(|entry| (entry.uid, entry.flags)));
        self.told = view.index().clone();
        assert!(self.knows.iter().copied().eq(view.index().iter().map(|entry| (entry.uid, entry.flags))));
        assert_eq!(view.mailbox().counts.messages as usize, self.knows.len());
        assert!(self.knows.last().is_none_or(|(uid, _)| *uid < view.mailbox().uid_next));
        if refresh {
            // What can be seen is the newest, however many hints came late or never.
            assert_eq!(head, subject.found.head);
            let newest = subject.found.mailboxes.get(&self.mailbox).unwrap();
            assert!(newest.index.iter().eq(view.index().iter()));
            assert_eq!(&newest.mailbox, view.mailbox());
        }
        true
    }
}

fn flags(names: &Names) -> Flags {
    let system: Vec<SystemFlag> = SystemFlag::ALL.into_iter().filter(|flag| names.contains(flag.name())).collect();
    let keywords = names.iter().filter(|name| !name.starts_with('\\')).cloned().collect();
    Flags { keywords, ..Flags::system(&system) }
}

fn uids(uids: &[u32]) -> Vec<Uid> {
    uids.iter().copied().map(Uid).collect()
}

fn numbers(uids: Vec<Uid>) -> Vec<u32> {
    uids.into_iter().map(|uid| uid.0).collect()
}

/// Asks the store for what `op` says.
fn perform(account: &Account, op: &Op, now: Timestamp, maildrop: Option<&Maildrop>) -> Result<Reply, Error> {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now };
    match op.clone() {
        Op::Append { mailbox, body, flags: names, date } => {
            let target = mailbox.map_or(Target::Inbox, Target::Mailbox);
            let message = NewMessage { body, flags: flags(&names), internal_date: date };
            let appended = account.append(actor, target, message)?;
            Ok(Reply::Appended { mailbox: appended.mailbox, uid: appended.uid.0, email: appended.email })
        }
        Op::Flags { mailbox, uids: which, mode, flags: names, since } => {
            let change = FlagChange { mode, flags: flags(&names), unchanged_since: since };
            let changed = account.change_flags(actor, mailbox, uids(&which), change)?;
            Ok(Reply::Modified(numbers(changed.modified)))
        }
        Op::Expunge { by, mailbox, uids: among } => {
            let which = among.map_or(Expunge::AllDeleted, |among| Expunge::DeletedAmong(uids(&among)));
            account.expunge(Actor { device: by, ..actor }, mailbox, which).map(numbers).map(Reply::Gone)
        }
        Op::Copy { by, from, uids: which, to } => {
            relisted(account.copy(Actor { device: by, ..actor }, from, uids(&which), to)?)
        }
        Op::Move { by, from, uids: which, to } => {
            relisted(account.move_messages(Actor { device: by, ..actor }, from, uids(&which), to)?)
        }
        Op::Create { name, role } => account.create_mailbox(actor, &name, role).map(Reply::Mailbox),
        Op::Rename { from, to } => account.rename_mailbox(actor, &from, &to).map(|()| Reply::Done),
        Op::Delete { by, name } => account.delete_mailbox(Actor { device: by, ..actor }, &name).map(|()| Reply::Done),
        Op::Subscribe { name, subscribed } => account.subscribe(actor, &name, subscribed).map(|()| Reply::Done),
        Op::AddDevice { name, pop } => {
            let credential = Credential::ApplicationPassword { hash: [7; 32] };
            account.add_device(actor, &name, credential, Some(pop)).map(Reply::Device)
        }
        Op::MainDevice { fingerprint } => {
            // As at every login.
            account.refresh()?;
            account.main_password_device(now, Protocol::Imap, &fingerprint).map(Reply::Device)
        }
        Op::Login { device, protocol } => {
            account.refresh()?;
            let login = LastLogin { at: now, protocol, address: "::1".to_owned(), tls: None, program: None };
            account.note_login(device, login).map(|()| Reply::Done)
        }
        Op::Policy { device, pop } => account.set_pop_settings(actor, device, pop).map(|()| Reply::Done),
        Op::Brake { device, on } => account.set_brake(actor, device, on).map(|()| Reply::Done),
        Op::Answer { hold, kept } => {
            let answer = if kept { Answer::Keep(ThenDevice::Stays) } else { Answer::Allow };
            let HoldReport { kept, removed } = account.answer_hold(actor, HoldId(hold), answer)?;
            Ok(Reply::Answered { kept, removed })
        }
        Op::Revoke { device } => account.revoke_device(actor, device).map(|()| Reply::Done),
        Op::PopQuit { device, taken, deleted } => {
            let actor = Actor { device, protocol: Protocol::Pop3, now };
            let deleted = deleted.into_iter().map(|(email, _)| email).collect();
            let MaildropOutcome { kept, expunged, moved } =
                account.close_maildrop(actor, maildrop.unwrap(), taken, deleted)?;
            Ok(Reply::Pop { kept, expunged, moved })
        }
        Op::RemoveDue => account.remove_due(now).map(Reply::Removed),
        Op::Quota { quota } => account.set_quota(actor, quota).map(|()| Reply::Done),
        Op::Clear { before } => {
            account.refresh()?;
            let request = ClearRequest { before, ..ClearRequest::default() };
            let report = account.clear_taken(actor, request)?;
            Ok(Reply::Cleared { messages: report.messages, bytes: report.bytes })
        }
        Op::Purge { before } => account.purge(before).map(|_| Reply::Done),
    }
}

fn relisted(relisting: store::Relisting) -> Result<Reply, Error> {
    Ok(Reply::Pairs(relisting.uids.into_iter().map(|(here, there)| (here.0, there.0)).collect()))
}
