//! One account, two processes on one engine, and who uses them.

use crate::checker::Checker;
use crate::imap::Imap;
use crate::link::Link;
use crate::pop::Pop;
use crate::web;
use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use session::Moment;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::pop::PopSettings;
use store::removal::RemovalPolicy;
use store::sim::{Fault, Random, SimEngine, SimObjects};
use store::{Account, AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, StoreOptions, Target, Timestamp};

pub const ALICE: &str = "alice@example.org";
const START: Moment = Moment { unix_millis: 1_790_000_000_000, monotonic_millis: 5_000 };
/// Few messages are many here.
const BRAKE_MESSAGES_MIN: u64 = 1;
const PROCESSES: usize = 2;
const HOUR_MILLIS: u64 = 3600 * 1000;

pub struct House {
    pub random: Random,
    pub now: Moment,
    engine: SimEngine,
    objects: SimObjects,
    processes: Vec<Process>,
    id: AccountId,
    imaps: Vec<Imap>,
    pops: Vec<Pop>,
    pub checker: Checker,
    subjects: u32,
}

/// A server: all it knows is gone when it stops.
struct Process {
    store: Store,
    imap: Arc<imapd::ImapService>,
    pop3: Arc<pop3d::Pop3Service>,
}

impl Process {
    fn start(engine: &SimEngine, objects: &SimObjects) -> (Self, Auth) {
        let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org".to_owned());
        let asks_owner = Some(Arc::new(console::Letterhead { hostname, pages, ..console::Letterhead::default() }) as _);
        let brake_messages_min = BRAKE_MESSAGES_MIN;
        let options = StoreOptions { brake_messages_min, asks_owner, ..StoreOptions::default() };
        let store = Store::with_options(Arc::new(engine.clone()), Arc::new(objects.clone()), options);
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let options = AuthOptions { directory, ..AuthOptions::default() };
        let auth = Auth::open(store.clone(), [3; 32], options).unwrap();
        let hostname = "mail.example.org".to_owned();
        let imap = imapd::ImapService {
            auth: auth.clone(),
            hostname: hostname.clone(),
            tls_available: true,
            message_bytes_max: 1024 * 1024,
            spool: store_objects::Spool::new(
                std::env::temp_dir().join("pillarbox-test-spool"),
                store_objects::SpoolLimits { bytes_max: u64::MAX, per_holder_max: u64::MAX },
            ),
            indexes: None,
            sheets: Arc::default(),
            limits: imapd::Limits::default(),
            commands: Default::default(),
        };
        let login_delay = pop3d::LoginDelay::new(0);
        let (auth_of_pop3, commands) = (auth.clone(), Default::default());
        let pop3 = pop3d::Pop3Service { auth: auth_of_pop3, hostname, tls_available: true, login_delay, commands };
        (Self { store, imap: Arc::new(imap), pop3: Arc::new(pop3) }, auth)
    }
}

/// Who connects, and to which process.
pub enum Door {
    Imap(usize),
    Pop(usize),
}

impl House {
    pub fn new(seed: u64) -> Self {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let (process, auth) = Process::start(&engine, &objects);
        auth.directory().add_domain("example.org").unwrap();
        let now = Timestamp(START.unix_millis);
        let id = auth.directory().add_account(ALICE, "a long main password", "Alice", now).unwrap();
        let device = |name: &str, policy: RemovalPolicy| {
            auth.add_device(id, name, Some(PopSettings::from(policy)), now).unwrap()
        };
        let imap = |name: &str, qresync| {
            let (device, password) = device(name, RemovalPolicy::default());
            Imap::new(device, password, qresync)
        };
        let imaps = vec![imap("phone", true), imap("laptop", false)];
        let pop = |name: &str, policy, deletes| {
            let (device, password) = device(name, policy);
            Pop::new(device, password, deletes)
        };
        let pops = vec![pop("keeper", RemovalPolicy::Keep, false), pop("deleter", RemovalPolicy::default(), true)];
        let processes = vec![process, Process::start(&engine, &objects).0];
        let random = Random::new(seed);
        let checker = Checker::default();
        let mut house = Self { random, now: START, engine, objects, processes, id, imaps, pops, checker, subjects: 0 };
        (0..5).for_each(|_| house.deliver());
        house
    }

    pub fn deleter(&self) -> DeviceId {
        self.pops[1].device
    }

    pub fn devices(&self) -> Vec<DeviceId> {
        let imaps = self.imaps.iter().map(|imap| imap.device);
        imaps.chain(self.pops.iter().map(|pop| pop.device)).collect()
    }

    pub fn timestamp(&self) -> Timestamp {
        Timestamp(self.now.unix_millis)
    }

    /// The account as one of the processes has it, looked at anew.
    pub fn account(&mut self) -> Account {
        let process = self.random.below(PROCESSES as u64) as usize;
        let account = self.processes[process].store.account(self.id);
        account.refresh().unwrap();
        account
    }

    pub fn store(&self) -> &Store {
        &self.processes[0].store
    }

    pub fn link(&mut self, door: &Door) -> Link {
        match door {
            Door::Imap(process) => {
                let service = Arc::clone(&self.processes[*process].imap);
                Link::new(self.now, |peer| Box::new(imapd::ImapSession::new(service, peer)))
            }
            Door::Pop(process) => {
                let service = Arc::clone(&self.processes[*process].pop3);
                Link::new(self.now, |peer| Box::new(pop3d::Pop3Session::new(service, peer)))
            }
        }
    }

    pub fn any_process(&mut self) -> usize {
        self.random.below(PROCESSES as u64) as usize
    }

    /// The next text that no message has yet.
    pub fn subject(&mut self) -> String {
        self.subjects += 1;
        format!("m{}", self.subjects)
    }

    pub fn step(&mut self) {
        self.now = self.now.plus_millis(self.random.below(2_000));
        match self.random.below(100) {
            0..35 => self.imap(0),
            35..60 => self.imap(1),
            60..68 => self.pop(0),
            68..82 => self.pop(1),
            82..92 => self.deliver(),
            92..97 => web::step(self),
            97 => self.pass_time(),
            98 => {
                let fault = if self.random.chance(500) { Fault::Conflict } else { Fault::Full };
                self.engine.plan(self.random.below(3), fault);
            }
            _ if self.random.chance(300) => self.crash(),
            _ => drop(self.account()),
        }
    }

    fn imap(&mut self, number: usize) {
        let mut imap = std::mem::take(&mut self.imaps[number]);
        imap.step(self);
        self.imaps[number] = imap;
    }

    fn pop(&mut self, number: usize) {
        let mut pop = std::mem::take(&mut self.pops[number]);
        pop.step(self);
        self.pops[number] = pop;
    }

    fn deliver(&mut self) {
        let (subject, account) = (self.subject(), self.account());
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: self.timestamp() };
        let body = message(&subject).into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: self.timestamp() };
        if let Ok(appended) = account.append(actor, Target::Inbox, message) {
            self.checker.stored(&subject, appended.email);
        }
    }

    /// Some hours; what is put off is done.
    fn pass_time(&mut self) {
        self.now = self.now.plus_millis(self.random.below(20 * HOUR_MILLIS));
        // Connections that are idle for hours end.
        self.hang_up();
        let (now, account) = (self.timestamp(), self.account());
        let _full = account.remove_due(now);
    }

    fn hang_up(&mut self) {
        self.imaps.iter_mut().for_each(Imap::lose_connection);
        self.pops.iter_mut().for_each(Pop::lose_connection);
    }

    /// The power fails: what was acknowledged is on disk, and nothing else is known to anybody.
    fn crash(&mut self) {
        self.hang_up();
        self.processes.clear();
        (self.engine, self.objects) = (self.engine.crash(), self.objects.crash());
        self.processes = (0..PROCESSES).map(|_| Process::start(&self.engine, &self.objects).0).collect();
    }

    pub fn put_back(&mut self, device: DeviceId) {
        self.pops.iter_mut().filter(|pop| pop.device == device).for_each(Pop::may_list_again);
    }

    /// Everybody catches up, and everything is compared. Gives what happened, in words of [`Checker::happened`].
    pub fn end(mut self) -> BTreeSet<&'static str> {
        // What was to fail has failed.
        (0..4).for_each(|_| self.deliver());
        let (mut imaps, mut pops) = (std::mem::take(&mut self.imaps), std::mem::take(&mut self.pops));
        imaps.iter_mut().for_each(|imap| imap.finish(&mut self));
        // What they take may be removed then, as the policy of one says; so both look twice.
        for _ in 0..2 {
            pops.iter_mut().for_each(|pop| pop.settle(&mut self));
        }
        imaps.iter_mut().for_each(|imap| imap.settle(&mut self));
        (self.imaps, self.pops) = (imaps, pops);
        let account = self.account();
        self.checker.check(&account, self.store(), &self.imaps, &self.pops);
        self.crash();
        let account = self.account();
        self.checker.check(&account, self.store(), &self.imaps, &self.pops);
        Checker::happened(&account)
    }
}

pub fn message(subject: &str) -> String {
    format!("From: Carol <carol@example.net>\r\nSubject: {subject}\r\n\r\nThis is {subject}.\r\n")
}
