//! A server in memory: two processes on one simulated disk, of which one sends; its submission, its mailboxes, and what happens to it.

use crate::checker::{Checker, LIFETIME, Sent, Wish};
use crate::internet::{Domain, Shared, Wall, Weather};
use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use mailflow::MailFlow;
use queue::simulation::Simulation;
use queue::{Direct, Entry, Limits, Notice, Outgoing, Policy, Queue, Rates, Sender, Via, Ways};
use session::testing::TestJobs;
use session::{Moment, Peer, Session as _, Step};
use smtpd::{Common, SmtpService, SmtpSession};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;
use store::sim::{Fault, FaultRates, Random, SimEngine, SimObjects};
use store::{AccountId, Store, TableId, Timestamp};
use store_objects::{Spool, SpoolLimits};
use tokio::runtime::Runtime;

const SENDERS: [&str; 2] = ["alice@example.org", "bob@example.org"];
const PROCESSES: usize = 2;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: i64 = 24 * 3600 * 1000;
/// A message that nobody has an answer on is handed over so often at most.
const HANDOVERS_MAX: usize = 4;
/// So often the queue is looked at when all is calm again, before somebody says that it never ends.
const ROUNDS_MAX: usize = 400;

pub struct World {
    sim: Simulation,
    random: Random,
    wall: Wall,
    internet: Shared,
    engine: SimEngine,
    objects: SimObjects,
    passwords: Vec<String>,
    ids: Vec<AccountId>,
    processes: Vec<Process>,
    sender: Option<Sender>,
    pub checker: Checker,
    messages: usize,
    /// Handed over without an answer.
    unanswered: Vec<(usize, Letter, usize)>,
}

/// What a client hands over.
#[derive(Clone)]
struct Letter {
    sender: usize,
    hold_secs: Option<u64>,
    recipients: Vec<(String, Wish, bool)>,
    mark: String,
    body: String,
}

struct Process {
    store: Store,
    flow: MailFlow,
    queue: Queue,
    service: Arc<SmtpService>,
    sessions: Vec<Option<Client>>,
}

struct Client {
    session: SmtpSession,
    output: Vec<u8>,
    is_closed: bool,
}

/// One for all: nothing waits on it.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap())
}

fn auth(store: Store) -> Auth {
    let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    Auth::open(store, [1; 32], AuthOptions { directory, ..AuthOptions::default() }).unwrap()
}

impl Process {
    fn start(engine: &SimEngine, objects: &SimObjects) -> Self {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        let limits = Limits { strangers_min: u64::MAX, ..Limits::DEFAULT };
        let queue = Queue::open(&store, Policy::default()).with_limits(limits);
        let auth = auth(store.clone());
        let flow = MailFlow::new(auth.clone(), "mail.example.org", Some(queue.clone()));
        let limits = SpoolLimits { bytes_max: u64::MAX, per_holder_max: u64::MAX };
        let common = Common {
            hostname: "mail.example.org".into(),
            flow: flow.clone(),
            limits: smtpd::Limits::default(),
            spool: Spool::new(std::env::temp_dir().join("pillarbox-test-spool"), limits),
            starttls: true,
            verifier: None,
            scanner: None,
            trusted_relays: Vec::new(),
            commands: metrics::Commands::default(),
            refusals: metrics::Refusals::default(),
        };
        let service = SmtpService::submission(common, auth);
        Self { store, flow, queue, service, sessions: SENDERS.iter().map(|_| None).collect() }
    }
}

impl Client {
    fn new(service: Arc<SmtpService>, now: Moment) -> Self {
        let (waker, jobs) = (Waker::noop().clone(), TestJobs::at_once());
        let peer = Peer { address: "127.0.0.1".parse().unwrap(), port: 9, tls: None, waker, jobs };
        let mut client = Self { session: SmtpSession::new(service, peer), output: Vec::new(), is_closed: false };
        client.step(now);
        client.output.clear();
        client
    }

    fn step(&mut self, now: Moment) {
        loop {
            match self.session.step(now, &mut self.output) {
                Step::Flush => {}
                Step::Wait | Step::Pause => return,
                Step::Close | Step::StartTls => {
                    self.is_closed = true;
                    return;
                }
            }
        }
    }

    /// The answer to some lines, each of which has one.
    fn ask(&mut self, text: &str, now: Moment) -> String {
        if !self.is_closed {
            self.session.receive(text.as_bytes());
            self.session.receive(b"\r\n");
            self.step(now);
        }
        String::from_utf8(std::mem::take(&mut self.output)).unwrap()
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let (engine, objects, wall) = (SimEngine::new(), SimObjects::new(), Wall::default());
        let internet = Shared::new(seed, wall.clone());
        let sim = Simulation::start(seed, Box::new(internet.clone()), Box::new(|| false));
        let auth = auth(Store::new(Arc::new(engine.clone()), Arc::new(objects.clone())));
        auth.directory().add_domain("example.org").unwrap();
        let now = wall.now();
        let (mut ids, mut passwords) = (Vec::new(), Vec::new());
        for name in SENDERS {
            let id = auth.directory().add_account(name, "correct horse", "", now).unwrap();
            passwords.push(auth.add_device(id, "client", None, now).unwrap().1);
            ids.push(id);
        }
        let mut world = Self {
            sim,
            random: Random::new(seed),
            wall,
            internet,
            engine,
            objects,
            passwords,
            ids,
            processes: Vec::new(),
            sender: None,
            checker: Checker::default(),
            messages: 0,
            unanswered: Vec::new(),
        };
        world.start();
        world
    }

    fn now(&self) -> Moment {
        Moment { unix_millis: self.wall.now().0, monotonic_millis: self.sim.now_millis() }
    }

    /// Both processes begin with what the disk holds.
    fn start(&mut self) {
        // A start that a fault breaks off is made again by whoever watches over the process.
        self.engine.set_rates(FaultRates::default());
        self.sim.restart();
        let engine = self.engine.clone();
        self.sim.dies_when(Box::new(move || engine.is_dead()));
        self.processes = (0..PROCESSES).map(|_| Process::start(&self.engine, &self.objects)).collect();
        let direct = Direct {
            dns: self.internet.dns(),
            runtime: runtime().handle().clone(),
            port: 25,
            connections_max: 3,
            per_domain_max: 2,
            rates: Rates::default(),
            sts: None,
            tls_told: None,
        };
        let hello = "mail.example.org".to_owned();
        let outgoing = Outgoing { hello, smarthost: None, direct: Some(direct), ways: Ways::all(Via::Mx) };
        let (flow, wall) = (self.processes[0].flow.clone(), self.wall.clone());
        let report = move |notice: Notice<'_>| flow.deliver_report(notice, wall.now());
        let (flow, wall) = (self.processes[0].flow.clone(), self.wall.clone());
        let release = move |entry: &Entry, content| flow.release(entry, content, wall.now());
        let wall = self.wall.clone();
        let queue = self.processes[0].queue.clone();
        let clock = Arc::new(move || wall.now());
        self.sender = Some(Sender::start(queue, outgoing, Arc::new(report), Arc::new(release), clock).unwrap());
    }

    /// The power fails, or failed.
    fn crash(&mut self) {
        self.sim.kill();
        self.look();
        self.checker.died();
        self.sender = None;
        self.processes.clear();
        self.engine = self.engine.crash();
        self.objects = self.objects.crash();
        self.start();
    }

    /// The process ends in good order, and another begins.
    fn stop(&mut self) {
        self.engine.set_rates(FaultRates::default());
        if let Some(sender) = self.sender.take() {
            sender.stop(Duration::from_millis(self.random.below(4000)));
        }
        if self.engine.is_dead() {
            return self.crash();
        }
        self.sim.kill();
        self.look();
        self.checker.stopped();
        self.processes.clear();
        self.start();
    }

    /// Takes note of what was seen outside.
    fn look(&mut self) {
        let events = std::mem::take(&mut self.internet.0.lock().unwrap().events);
        self.checker.happened(events, self.sim.now_millis());
    }

    /// After anything in which the process may have died.
    fn after(&mut self) {
        self.look();
        if self.engine.is_dead() {
            self.crash();
        }
    }

    fn run_until(&mut self, millis: u64) {
        self.sim.run_until(millis).unwrap_or_else(|panic| panic!("a thread of the sender: {panic}"));
        self.after();
    }

    fn run_for(&mut self, millis_max: u64) {
        let millis = self.random.below(millis_max);
        self.run_until(self.sim.now_millis() + millis);
    }

    fn run_turns(&mut self) {
        let turns = 1 << self.random.below(8);
        self.sim.run_turns(turns).unwrap_or_else(|panic| panic!("a thread of the sender: {panic}"));
        self.after();
    }

    pub fn step(&mut self) {
        match self.random.below(100) {
            0..30 => self.submit(),
            30..36 => self.hand_over_again(),
            36..54 => self.run_turns(),
            54..62 => self.run_for(2 * SECOND),
            62..68 => self.run_for(3 * MINUTE),
            68..73 => self.doze(),
            73..76 => self.set_clock(),
            76..81 => self.change_weather(),
            81..87 => self.plan_a_crash(),
            87..88 => self.crash(),
            88..89 => self.stop(),
            89..94 => self.change_disk(),
            94..96 => self.sender.as_ref().unwrap().look_for_news(),
            96..97 => self.do_jobs(),
            97..98 => self.ask_for_one(),
            98..99 => self.look_into_queue(),
            _ => self.look_into_mailboxes(),
        }
    }

    fn letter(&mut self) -> Letter {
        self.messages += 1;
        let number = self.messages;
        let count = 1 + self.random.below(4);
        let recipients = (0..count).map(|place| {
            let domain = match self.random.below(20) {
                0..6 => Domain::Two,
                6..11 => Domain::Solo,
                11..14 => Domain::Never,
                14..16 => Domain::Later,
                16..19 => Domain::Gone,
                _ => Domain::Mute,
            };
            let wish = match self.random.below(10) {
                0..5 => Wish::Usual,
                5 => Wish::Never,
                6 => Wish::Failure,
                7 => Wish::FailureAndDelay,
                _ => Wish::SuccessAndFailure,
            };
            (format!("m{number}r{place}@{}", domain.name()), wish, domain == Domain::Gone)
        });
        let recipients = recipients.collect();
        let lines = if self.random.chance(50) { 4000 } else { 1 + self.random.below(4) };
        let hold_secs = self.random.chance(60).then(|| 60 + self.random.below(4 * 3600));
        let mark = format!("Subject: m{number}x\r\n");
        let body = (0..lines).map(|line| format!("..{number} line {line} .\r\n")).collect();
        Letter { sender: self.random.below(SENDERS.len() as u64) as usize, hold_secs, recipients, mark, body }
    }

    fn submit(&mut self) {
        let letter = self.letter();
        let now = self.wall.now();
        let sent = Sent {
            mark: letter.mark.clone(),
            body: letter.body.clone(),
            sender: letter.sender,
            hold_secs: letter.hold_secs,
            hold_until: letter.hold_secs.map(|secs| Timestamp(now.0 + secs as i64 * 1000)),
            is_acknowledged: false,
            at: now,
        };
        let message = self.checker.is_sent(sent, &letter.recipients);
        self.hand_over(message, letter, 1);
    }

    fn hand_over_again(&mut self) {
        if self.unanswered.is_empty() {
            return;
        }
        let place = self.random.below(self.unanswered.len() as u64) as usize;
        let (message, letter, count) = self.unanswered.swap_remove(place);
        self.checker.is_handed_over_again(message, self.wall.now());
        self.hand_over(message, letter, count + 1);
    }

    fn hand_over(&mut self, message: usize, letter: Letter, count: usize) {
        let process = self.random.below(PROCESSES as u64) as usize;
        if self.say(process, &letter).starts_with("250") {
            self.checker.is_acknowledged(message);
        } else {
            self.processes[process].sessions[letter.sender] = None;
            if count < HANDOVERS_MAX {
                self.unanswered.push((message, letter, count));
            }
        }
        self.after();
    }

    /// The answer to a message, or what kept it from being said.
    fn say(&mut self, process: usize, letter: &Letter) -> String {
        let now = self.now();
        let Process { service, sessions, .. } = &mut self.processes[process];
        let session = &mut sessions[letter.sender];
        let is_new = session.as_ref().is_none_or(|client| client.is_closed);
        if is_new {
            *session = Some(Client::new(Arc::clone(service), now));
        }
        let client = session.as_mut().unwrap();
        if is_new {
            let login = format!("\0{}\0{}", SENDERS[letter.sender], self.passwords[letter.sender]);
            client.ask("EHLO client", now);
            let answer = client.ask(&format!("AUTH PLAIN {}", base64(login.as_bytes())), now);
            if !answer.starts_with("235") {
                return answer;
            }
        }
        let from = SENDERS[letter.sender];
        let hold = letter.hold_secs.map_or(String::new(), |secs| format!(" HOLDFOR={secs}"));
        let answer = client.ask(&format!("MAIL FROM:<{from}>{hold}"), now);
        if !answer.starts_with("250") {
            return answer;
        }
        for (address, wish, _) in &letter.recipients {
            let notify = match wish {
                Wish::Usual => "",
                Wish::Never => " NOTIFY=NEVER",
                Wish::Failure => " NOTIFY=FAILURE",
                Wish::FailureAndDelay => " NOTIFY=FAILURE,DELAY",
                Wish::SuccessAndFailure => " NOTIFY=SUCCESS,FAILURE",
            };
            let answer = client.ask(&format!("RCPT TO:<{address}>{notify}"), now);
            if !answer.starts_with("250") {
                return answer;
            }
        }
        let answer = client.ask("DATA", now);
        if !answer.starts_with("354") {
            return answer;
        }
        let head = format!("From: <{from}>\r\nDate: Tue, 1 Dec 2026 12:00:00 +0000\r\nMessage-ID: <{from}>\r\n");
        let body = letter.body.replace("\r\n..", "\r\n...");
        let body = if body.starts_with("..") { format!(".{body}") } else { body };
        client.ask(&format!("{head}{}\r\n{body}.", letter.mark), now)
    }

    /// The machine sleeps, or is stopped, until something is due or for some hours.
    fn doze(&mut self) {
        self.sim.doze(self.random.below(3 * HOUR));
        self.after();
    }

    fn set_clock(&mut self) {
        let most = match self.random.below(10) {
            0..6 => 2 * MINUTE,
            6..9 => 5 * HOUR,
            _ => 30 * HOUR,
        };
        let by = self.random.below(most) as i64;
        let by = if self.random.chance(500) { by } else { -by };
        let before = self.wall.now();
        self.wall.set(by);
        self.checker.clock_set(by, before, self.sim.now_millis());
        // The hint may be lost.
        if self.random.chance(500) {
            self.sender.as_ref().unwrap().wake();
        }
    }

    fn change_weather(&mut self) {
        let weather = match self.random.below(5) {
            0 | 1 => Weather::Fine,
            2 | 3 => Weather::Bad,
            _ => Weather::Down,
        };
        let mut internet = self.internet.0.lock().unwrap();
        match self.random.below(4) {
            0 => internet.dns = weather,
            which => *internet.weather.get_mut(&Domain::ALL[which as usize - 1]).unwrap() = weather,
        }
    }

    fn plan_a_crash(&mut self) {
        let fault = if self.random.chance(500) { Fault::CrashBefore } else { Fault::CrashAfter };
        self.engine.plan(self.random.below(12), fault);
    }

    fn change_disk(&mut self) {
        let mut rate = |most: u64| self.random.below(most) as u16;
        let rates = match rate(4) {
            0 => FaultRates { full: rate(1000), ..FaultRates::default() },
            1 => FaultRates { conflict: rate(300), failed: rate(200), full: rate(50), read_error: rate(20) },
            _ => FaultRates::default(),
        };
        self.engine.set_rates(rates);
    }

    /// What the server does every now and then.
    fn do_jobs(&mut self) {
        let now = self.wall.now();
        for process in &self.processes {
            // What fails is tried again with the next round.
            let _ = process.queue.tidy_receipts(now);
            let _ = process.queue.tidy_passed_on(now);
            process.store.tidy_receipts(now);
            for id in &self.ids {
                let account = process.store.account(*id);
                let _ = account.remove_due(now).and_then(|_| account.purge(Timestamp(now.0 - DAY)));
            }
        }
        self.after();
    }

    /// An operator has a message tried.
    fn ask_for_one(&mut self) {
        self.look_into_queue();
        let entries = self.processes[1].queue.list(None, 100).unwrap_or_default();
        if !entries.is_empty() {
            let entry = &entries[self.random.below(entries.len() as u64) as usize];
            if entry.later.is_none() && self.processes[1].queue.retry(entry.id, self.wall.now()).is_ok() {
                self.checker.asked_for(entry.id.0);
            }
        }
        self.after();
    }

    fn look_into_queue(&mut self) {
        self.after();
        for entry in self.processes[0].queue.list(None, 1000).unwrap_or_default() {
            self.checker.is_queued(entry.id.0, &entry.recipients[0].address, entry.later.is_some());
        }
    }

    fn look_into_mailboxes(&mut self) {
        self.after();
        for sender in 0..SENDERS.len() {
            let Ok(found) = self.reports_of(sender) else { continue };
            let now = self.wall.now();
            self.checker.has_reports(sender, &found, now);
        }
    }

    /// The reports in a mailbox, by recipient and action.
    fn reports_of(&self, sender: usize) -> Result<BTreeMap<(String, String), usize>, store::Error> {
        let account = self.processes[1].store.account(self.ids[sender]);
        account.refresh()?;
        let inbox = account.mailboxes()?.by_name("INBOX").unwrap().id;
        let (view, reader) = (account.view(inbox)?, account.reader()?);
        let mut found = BTreeMap::new();
        for entry in view.index().iter() {
            let text = String::from_utf8(reader.body(entry.email)?).unwrap();
            let mut address = String::new();
            for line in text.lines() {
                if let Some(recipient) = line.strip_prefix("Final-Recipient: rfc822;") {
                    address = recipient.trim().to_owned();
                } else if let Some(action) = line.strip_prefix("Action: ") {
                    *found.entry((address.clone(), action.to_owned())).or_default() += 1;
                }
            }
        }
        Ok(found)
    }

    /// All faults end, time passes, and nothing is left.
    pub fn end(mut self) -> Checker {
        self.engine.set_rates(FaultRates::default());
        {
            let mut internet = self.internet.0.lock().unwrap();
            internet.dns = Weather::Fine;
            internet.weather.values_mut().for_each(|weather| *weather = Weather::Fine);
        }
        if self.random.chance(300) {
            self.crash();
        }
        let begin = self.wall.now();
        for round in 0.. {
            self.run_until(self.sim.now_millis() + 5 * SECOND);
            self.look_into_queue();
            let entries = self.processes[0].queue.list(None, 10_000).unwrap();
            let Some(next) = entries.iter().map(|entry| entry.next_at.0).min() else { break };
            let now = self.wall.now();
            assert!(round < ROUNDS_MAX, "it never ends: {entries:?}");
            assert!(now.0 - begin.0 < LIFETIME + 3 * DAY, "it should have ended: {entries:?}");
            self.sim.doze((next - now.0).max(SECOND as i64) as u64 + self.random.below(2 * HOUR));
            if round % 8 == 0 {
                self.look_into_mailboxes();
            }
        }
        self.look_into_mailboxes();
        let damaged = self.processes[0].queue.damaged(10).unwrap();
        assert!(damaged.is_empty(), "{damaged:?}");
        let table = self.processes[1].store.table(TableId::Queue);
        for rows in [b"e", b"b", b"d", b"t", b"f", b"x"] {
            let left = table.scan(rows, &[], 10).unwrap();
            assert!(left.is_empty(), "rows are left: {:?}", left.first());
        }
        self.checker.end();
        if let Some(sender) = self.sender.take() {
            sender.stop(Duration::from_secs(9));
        }
        self.checker
    }

    /// What tells two runs apart.
    pub fn turns(&self) -> u64 {
        self.sim.turns()
    }
}

fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { ALPHABET[sextet as usize] as char } else { '=' });
        }
    }
    text
}
