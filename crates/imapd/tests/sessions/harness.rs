//! A server in memory and clients that play the driver.

use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use imapd::{ImapService, ImapSession, Limits, MessageLimit};
use session::testing::TestJobs;
use session::{Goodbye, Moment, OUTPUT_HIGH_WATER_BYTES, Peer, Session as _, Step, Tls};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use store::engine::Engine;
use store::sim::{Fault, SimEngine, SimObjects};
use store::{Account, AccountId, Store, Timestamp};
use store_objects::{Spool, SpoolLimits};

pub const PASSWORD: &str = "correct horse battery";
/// 2026-02-01T10:00:00Z
pub const NOW: Moment = Moment { unix_millis: 1_769_940_000_000, monotonic_millis: 1_000_000 };
pub const MESSAGE_BYTES_MAX: u64 = 100_000;
const SEGMENT_BYTES: usize = 16 * 1024;
/// Two messages of one account may be on their way.
const SPOOL_LIMITS: SpoolLimits =
    SpoolLimits { bytes_max: 3 * MESSAGE_BYTES_MAX, per_holder_max: 2 * MESSAGE_BYTES_MAX };

pub struct Server {
    pub service: Arc<ImapService>,
    pub store: Store,
    engine: SimEngine,
}

/// One connection.
pub struct Client {
    session: ImapSession,
    pub now: Moment,
    pub step: Step,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Server {
    /// With `alice@example.org` and `bob@example.org`.
    pub fn new() -> Self {
        Self::on(SimEngine::new())
    }

    pub fn on(engine: SimEngine) -> Self {
        Self::with_accounts(engine, MessageLimit::None)
    }

    /// Where one command may be about so many messages.
    pub fn limited(messages: MessageLimit) -> Self {
        Self::with_accounts(SimEngine::new(), messages)
    }

    fn with_accounts(engine: SimEngine, messages: MessageLimit) -> Self {
        let server = Self::started(engine, messages);
        let directory = server.service.auth.directory();
        directory.add_domain("example.org").unwrap();
        for name in ["alice@example.org", "bob@example.org"] {
            directory.add_account(name, PASSWORD, "", Timestamp(NOW.unix_millis)).unwrap();
        }
        server
    }

    /// Another process on the same disk.
    pub fn restarted(&self) -> Self {
        Self::started(self.engine.clone(), MessageLimit::None)
    }

    /// After the machine has lost its power.
    pub fn after_crash(&self) -> Self {
        Self::started(self.engine.crash(), MessageLimit::None)
    }

    fn started(engine: SimEngine, messages: MessageLimit) -> Self {
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let options = AuthOptions { directory, ..AuthOptions::default() };
        let auth = Auth::open(store.clone(), [7; 32], options).unwrap();
        let service = Arc::new(ImapService {
            auth,
            hostname: "mail.example.org".to_owned(),
            tls_available: true,
            message_bytes_max: MESSAGE_BYTES_MAX,
            spool: Spool::new(std::env::temp_dir().join("pillarbox-test-spool"), SPOOL_LIMITS),
            indexes: None,
            sheets: Arc::default(),
            limits: Limits { messages, ..Limits::default() },
            commands: metrics::Commands::default(),
        });
        Self { service, store, engine }
    }

    pub fn account(&self) -> Account {
        self.store.account(self.store.accounts().unwrap()[0])
    }

    pub fn fail_next_commit(&self, fault: Fault) {
        self.engine.plan(0, fault);
    }

    /// How many commits the disk has taken.
    pub fn commits(&self) -> u64 {
        self.engine.commits()
    }

    /// How often something was read.
    pub fn reads(&self) -> u64 {
        self.engine.reads()
    }

    /// The read after `reads_before` more fails.
    pub fn fail_read(&self, reads_before: u64) {
        self.engine.plan_read_error(reads_before);
    }

    /// All reads that were to fail have failed.
    pub fn use_up_read_errors(&self) {
        for _ in 0..10 {
            let _ = self.engine.snapshot(AccountId(16));
        }
    }

    /// A connection from this machine, greeted.
    pub fn connect(&self) -> Client {
        self.connect_from(IpAddr::V4(Ipv4Addr::LOCALHOST), None).0
    }

    pub fn connect_from(&self, address: IpAddr, tls: Option<Tls>) -> (Client, String) {
        let woken = Arc::new(Woken::default());
        let (waker, jobs) = (Arc::clone(&woken).into(), TestJobs::at_once());
        let peer = Peer { address, port: 40_000, tls, waker, jobs };
        let session = ImapSession::new(Arc::clone(&self.service), peer);
        let mut client = Client { session, now: NOW, step: Step::Wait, woken };
        let greeting = client.poll();
        (client, greeting)
    }

    /// A device of alice's, logged in.
    pub fn alice(&self) -> Client {
        let mut client = self.connect();
        assert!(client.send(&format!("l LOGIN alice@example.org \"{PASSWORD}\"")).starts_with("l OK ["));
        client
    }

    pub fn bob(&self) -> Client {
        let mut client = self.connect();
        assert!(client.send(&format!("l LOGIN bob@example.org \"{PASSWORD}\"")).starts_with("l OK ["));
        client
    }

    /// A device of alice's with INBOX selected.
    pub fn alice_in_inbox(&self) -> Client {
        let mut client = self.alice();
        assert!(client.send("s SELECT INBOX").ends_with("s OK [READ-WRITE] Selected\r\n"));
        client
    }
}

impl Client {
    /// Steps until the session waits or ends; all that it wrote.
    pub fn poll(&mut self) -> String {
        let mut output = Vec::new();
        loop {
            let mut piece = Vec::new();
            self.step = self.session.step(self.now, &mut piece);
            output.extend_from_slice(&piece);
            if self.step != Step::Flush {
                return String::from_utf8(output).unwrap();
            }
        }
    }

    /// Hands a line over, without a step.
    pub fn receive(&mut self, line: &str) {
        self.session.receive(format!("{line}\r\n").as_bytes());
    }

    /// Hands bytes over, without a step.
    pub fn receive_raw(&mut self, bytes: &[u8]) {
        self.session.receive(bytes);
    }

    /// One step; what it wrote.
    pub fn step(&mut self) -> String {
        let mut output = Vec::new();
        self.step = self.session.step(self.now, &mut output);
        String::from_utf8(output).unwrap()
    }

    /// Sends a line and goes on by the smallest steps that there are, as for a client that reads slowly; `between` runs
    /// after each of them.
    pub fn send_slowly(&mut self, line: &str, mut between: impl FnMut()) -> String {
        self.session.receive(format!("{line}\r\n").as_bytes());
        let mut output = Vec::new();
        loop {
            let mut piece = vec![0; OUTPUT_HIGH_WATER_BYTES - 1];
            self.step = self.session.step(self.now, &mut piece);
            output.extend_from_slice(&piece[OUTPUT_HIGH_WATER_BYTES - 1..]);
            if self.step != Step::Flush {
                return String::from_utf8(output).unwrap();
            }
            between();
        }
    }

    /// Hands octets over at once and steps until the session waits or ends; how many steps that took.
    pub fn steps_of(&mut self, octets: &[u8]) -> usize {
        self.session.receive(octets);
        for steps in 1.. {
            self.step = self.session.step(self.now, &mut Vec::new());
            if self.step != Step::Flush {
                return steps;
            }
        }
        unreachable!("steps have no end")
    }

    /// Sends bytes as they are, as much at once as a driver reads from a socket.
    pub fn raw(&mut self, input: impl AsRef<[u8]>) -> String {
        let mut output = String::new();
        for segment in input.as_ref().chunks(SEGMENT_BYTES) {
            self.session.receive(segment);
            output += &self.poll();
        }
        output
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) -> String {
        self.raw(format!("{line}\r\n"))
    }

    /// Sends a line and must read exactly this.
    pub fn check(&mut self, line: &str, expected: &[&str]) {
        let answer = self.send(line);
        assert_eq!(lines(&answer, expected), expected, "{line}");
    }

    /// Without sending, must read exactly this.
    pub fn check_news(&mut self, expected: &[&str]) {
        let answer = self.poll();
        assert_eq!(lines(&answer, expected), expected);
    }

    pub fn append(&mut self, mailbox: &str, message: &str) -> String {
        self.raw(format!("p APPEND {mailbox} {{{}+}}\r\n{message}\r\n", message.len()))
    }

    /// `message 1`, `message 2`, … in INBOX.
    pub fn fill(&mut self, count: usize) {
        for number in 1..=count {
            let answer = self.append("INBOX", &format!("Subject: message {number}\r\n\r\nbody\r\n"));
            assert!(answer.contains("p OK [APPENDUID"), "{answer}");
        }
    }

    pub fn later(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
    }

    pub fn deadline(&self) -> Option<u64> {
        self.session.deadline_millis()
    }

    pub fn was_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::SeqCst)
    }

    pub fn start_tls(&mut self) {
        self.session.tls_started(Tls { version: "TLSv1.3".into(), cipher: "test".into(), ..Tls::default() });
    }

    /// What its client waits for, or hands over.
    pub fn busy_with(&self) -> Option<&'static str> {
        let doing = self.session.doing();
        doing.command.filter(|_| doing.is_busy)
    }

    pub fn shut_down(&mut self, why: Goodbye) -> String {
        let mut output = Vec::new();
        self.session.shut_down(why, &mut output);
        String::from_utf8(output).unwrap()
    }
}

/// The lines of an answer; where nothing that is expected speaks of what is recent, neither do they.
fn lines(answer: &str, expected: &[&str]) -> Vec<String> {
    let lines = answer.split_terminator("\r\n");
    if expected.iter().any(|line| line.contains("RECENT") || line.contains("\\Recent")) {
        return lines.map(str::to_owned).collect();
    }
    let lines = lines.filter(|line| !line.ends_with(" RECENT"));
    lines.map(|line| line.replace("(\\Recent", "(").replace(" \\Recent", "").replace("( ", "(")).collect()
}
