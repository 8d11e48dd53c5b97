//! A server in memory: sessions on the simulated engine and a clock that stands still unless a session waits for it.
//!
//! The client's bytes are cut into segments, as small as one byte, by a rule that the world is made with.

use super::player::{Link, Whose, World};
use super::script::{Protocol, Setting, Stage};
use super::wire::Wire;
use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use session::testing::TestJobs;
use session::{Moment, Peer, Session, Step};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use store::sim::{SimEngine, SimObjects};
use store::{Account, AccountId, Actor, DeviceId, Flags, NewMessage, Quota, Store, StoreOptions, Target, Timestamp};

const START: Moment = Moment { unix_millis: 1_790_000_000_000, monotonic_millis: 5_000 };
/// The clock goes this far for a session that waits (a rejected login), and no further.
const PATIENCE_MILLIS: u64 = 30_000;

pub struct MemoryWorld {
    store: Store,
    auth: Auth,
    account: AccountId,
    services: Services,
    clock: Rc<Cell<Moment>>,
    connections: Rc<RefCell<Vec<Connection>>>,
    segment_bytes: usize,
    step_millis: u64,
}

struct Services {
    imap: Arc<imapd::ImapService>,
    pop3: Arc<pop3d::Pop3Service>,
    mx: Arc<smtpd::SmtpService>,
    submission: Arc<smtpd::SmtpService>,
    lmtp: Arc<smtpd::SmtpService>,
}

impl Services {
    fn new(auth: &Auth, messages: imapd::MessageLimit) -> Self {
        let hostname = String::from("mail.example.org");
        let common = smtpd::Common {
            hostname: hostname.clone(),
            flow: mailflow::MailFlow::new(auth.clone(), &hostname, None),
            limits: smtpd::Limits::default(),
            spool: store_objects::Spool::new(
                std::env::temp_dir().join("pillarbox-test-spool"),
                store_objects::SpoolLimits { bytes_max: u64::MAX, per_holder_max: u64::MAX },
            ),
            starttls: true,
            verifier: None,
            scanner: None,
            trusted_relays: Vec::new(),
            commands: Default::default(),
            refusals: Default::default(),
        };
        let imap = imapd::ImapService {
            auth: auth.clone(),
            hostname: hostname.clone(),
            tls_available: true,
            message_bytes_max: 1024 * 1024,
            spool: common.spool.clone(),
            indexes: None,
            sheets: Arc::default(),
            limits: imapd::Limits { messages, ..imapd::Limits::default() },
            commands: Default::default(),
        };
        Self {
            imap: Arc::new(imap),
            pop3: Arc::new(pop3d::Pop3Service {
                auth: auth.clone(),
                hostname,
                tls_available: true,
                login_delay: pop3d::LoginDelay::new(0),
                commands: Default::default(),
            }),
            mx: smtpd::SmtpService::mx(common.clone()),
            submission: smtpd::SmtpService::submission(common.clone(), auth.clone()),
            lmtp: smtpd::SmtpService::lmtp(common, Vec::new()),
        }
    }

    fn session(&self, protocol: Protocol, peer: Peer) -> Box<dyn Session> {
        match protocol {
            Protocol::Imap => Box::new(imapd::ImapSession::new(Arc::clone(&self.imap), peer)),
            Protocol::Pop3 => Box::new(pop3d::Pop3Session::new(Arc::clone(&self.pop3), peer)),
            Protocol::Smtp => Box::new(smtpd::SmtpSession::new(Arc::clone(&self.mx), peer)),
            Protocol::Submission => Box::new(smtpd::SmtpSession::new(Arc::clone(&self.submission), peer)),
            Protocol::Lmtp => Box::new(smtpd::SmtpSession::new(Arc::clone(&self.lmtp), peer)),
        }
    }
}

struct Connection {
    session: Option<Box<dyn Session>>,
    woken: Arc<Flag>,
    input: Vec<u8>,
    output: Vec<u8>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

struct MemoryLink {
    connections: Rc<RefCell<Vec<Connection>>>,
    number: usize,
    clock: Rc<Cell<Moment>>,
    segment_bytes: usize,
    step_millis: u64,
    wire: Wire,
}

impl MemoryWorld {
    /// A world in which the client's bytes come in segments of so many bytes.
    pub fn new(segment_bytes: usize, stage: Stage) -> Self {
        let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org".to_owned());
        let asks_owner = Some(Arc::new(console::Letterhead { hostname, pages, ..console::Letterhead::default() }) as _);
        let options = StoreOptions { asks_owner, ..StoreOptions::default() };
        let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), options);
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let options = AuthOptions { directory, ..AuthOptions::default() };
        let auth = Auth::open(store.clone(), [3; 32], options).unwrap();
        auth.directory().add_domain("example.org").unwrap();
        let now = Timestamp(START.unix_millis);
        let account = auth.directory().add_account("alice@example.org", "a long main password", "Alice", now).unwrap();
        let services = Services::new(&auth, stage.limit);
        let (clock, connections) = (Rc::new(Cell::new(START)), Rc::default());
        let step_millis = stage.step_millis;
        Self { store, auth, account, services, clock, connections, segment_bytes, step_millis }
    }

    /// Every invariant of the store.
    pub fn check(&self) -> Vec<store::check::Finding> {
        store::check::all(&self.store, store::check::Depth::Bodies).unwrap()
    }

    fn handle(&self) -> Account {
        self.store.account(self.account)
    }

    fn actor(&self) -> Actor {
        let now = Timestamp(self.clock.get().unix_millis);
        Actor { device: DeviceId(0), protocol: store::Protocol::Cli, now }
    }
}

impl World for MemoryWorld {
    fn connect(&mut self, protocol: Protocol) -> Box<dyn Link> {
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Arc::clone(&woken).into();
        let jobs = TestJobs::at_once();
        let peer = Peer { address: "127.0.0.1".parse().unwrap(), port: 9, tls: None, waker, jobs };
        let session = self.services.session(protocol, peer);
        let connection = Connection { session: Some(session), woken, input: Vec::new(), output: Vec::new() };
        self.connections.borrow_mut().push(connection);
        Box::new(MemoryLink {
            connections: Rc::clone(&self.connections),
            number: self.connections.borrow().len() - 1,
            clock: Rc::clone(&self.clock),
            segment_bytes: self.segment_bytes,
            step_millis: self.step_millis,
            wire: Wire::default(),
        })
    }

    fn add_device(&mut self, whose: Whose, name: &str) -> String {
        let now = Timestamp(self.clock.get().unix_millis);
        let account = match whose {
            Whose::Alice => self.account,
            Whose::Bob => {
                let (directory, bob) = (self.auth.directory(), self.user(whose));
                let known = directory.who_logs_in(&bob).unwrap().map(|(account, _)| account);
                known.unwrap_or_else(|| directory.add_account(&bob, "a long main password", "Bob", now).unwrap())
            }
        };
        self.auth.add_device(account, name, Default::default(), now).unwrap().1
    }

    fn choose(&mut self, device: &str, setting: Setting, name: &str) {
        let account = self.handle();
        let devices = account.devices().unwrap();
        let device = devices.values().find(|known| known.name == device).unwrap();
        let mut pop = device.pop;
        match setting {
            Setting::Policy => pop.removal = name.parse().unwrap(),
            Setting::Window => pop.window = name.parse().unwrap(),
            Setting::Scope => pop.scope = name.parse().unwrap(),
        }
        account.set_pop_settings(self.actor(), device.id, pop).unwrap();
    }

    fn make_token(&mut self, device: &str) -> String {
        let devices = self.handle().devices().unwrap();
        let device = devices.values().find(|known| known.name == device).unwrap().id;
        self.auth.make_token(self.account, device, 1, Timestamp(self.clock.get().unix_millis)).unwrap().0
    }

    fn set_quota(&mut self, quota: Quota) {
        self.handle().set_quota(self.actor(), quota).unwrap();
    }

    fn deliver(&mut self, mailbox: &str, subjects: &[String]) {
        let account = self.handle();
        let mailbox = account.mailboxes().unwrap().by_name(mailbox).unwrap().id;
        let internal_date = Timestamp(self.clock.get().unix_millis);
        for subject in subjects {
            let message = NewMessage { body: super::message(subject), flags: Flags::default(), internal_date };
            account.append(self.actor(), Target::Mailbox(mailbox), message).unwrap();
        }
    }

    fn user(&self, whose: Whose) -> String {
        match whose {
            Whose::Alice => "alice@example.org".into(),
            Whose::Bob => "bob@example.org".into(),
        }
    }

    fn translate(&self, text: &str) -> String {
        text.to_owned()
    }
}

impl Link for MemoryLink {
    fn send(&mut self, bytes: &[u8]) {
        let bytes = self.wire.send(bytes);
        self.connections.borrow_mut()[self.number].input.extend(bytes);
    }

    fn compress(&mut self) {
        self.wire.compress();
    }

    fn receive(&mut self, lines: &mut Vec<String>, is_enough: &dyn Fn(&[String]) -> bool) {
        let started = self.clock.get();
        loop {
            while self.turn() {}
            self.take_lines(lines);
            let deadline = self.deadline().filter(|at| *at <= started.monotonic_millis + PATIENCE_MILLIS);
            match deadline {
                Some(at) if !is_enough(lines) && at > self.clock.get().monotonic_millis => {
                    let now = self.clock.get();
                    self.clock.set(now.plus_millis(at - now.monotonic_millis));
                    self.connections.borrow()[self.number].woken.0.store(true, Ordering::Release);
                }
                _ => return,
            }
        }
    }

    fn settle(&mut self, lines: &mut Vec<String>) {
        while self.turn() {}
        self.take_lines(lines);
    }
}

impl MemoryLink {
    /// Steps every session that has something to do, once; `false` when there was none.
    fn turn(&mut self) -> bool {
        let mut connections = self.connections.borrow_mut();
        let mut busy = false;
        for connection in connections.iter_mut() {
            busy |= connection.turn((&self.clock, self.step_millis), self.segment_bytes);
        }
        busy
    }

    fn take_lines(&mut self, lines: &mut Vec<String>) {
        self.wire.take(&std::mem::take(&mut self.connections.borrow_mut()[self.number].output));
        self.wire.take_lines(lines);
    }

    fn deadline(&self) -> Option<u64> {
        self.connections.borrow()[self.number].session.as_ref()?.deadline_millis()
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        self.connections.borrow_mut()[self.number].session = None;
    }
}

impl Connection {
    fn turn(&mut self, (clock, step_millis): (&Cell<Moment>, u64), segment_bytes: usize) -> bool {
        let Some(session) = &mut self.session else { return false };
        let woken = self.woken.0.swap(false, Ordering::Acquire);
        if !woken && self.input.is_empty() {
            return false;
        }
        let count = self.input.len().min(segment_bytes);
        let segment: Vec<u8> = self.input.drain(..count).collect();
        session.receive(&segment);
        loop {
            clock.set(clock.get().plus_millis(step_millis));
            match session.step(clock.get(), &mut self.output) {
                Step::Flush => {}
                Step::Wait | Step::Pause => return true,
                Step::StartTls | Step::Close => {
                    self.session = None;
                    return true;
                }
            }
        }
    }
}
