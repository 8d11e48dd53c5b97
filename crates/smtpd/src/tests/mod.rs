//! Sessions in memory: services on the simulated engine, a client that is a script.
//!
//! A script has one line per step: `C: ` the client says it (with CRLF), `S: ` a line that begins so must come,
//! `TLS` the handshake is done, `LATER` the session's deadline passes, `CLOSE` the session must close.
//! Each script is played line by line, octet by octet and, where nothing has to happen in between, all at once.

mod auth;
mod filters;
mod limits;
mod lmtp;
mod mx;
mod networks;
mod properties;
mod sender;
mod submission;
mod tls;

use crate::{Common, Limits, SmtpService, SmtpSession};
use ::auth::{Auth, AuthOptions};
use ::session::testing::TestJobs;
use ::session::{Moment, Peer, Session as _, Step, Tls};
use directory::{DirectoryOptions, PasswordCost};
use mailflow::MailFlow;
use queue::{Policy, Queue, Via, Ways};
use std::sync::Arc;
use std::task::Waker;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{Entry, Store};
use store_objects::{Holder, Spool, SpoolLimits};

const PASSWORD: &str = "correct horse";
/// `\0alice@example.org\0correct horse`.
const ALICE: &str = "AGFsaWNlQGV4YW1wbGUub3JnAGNvcnJlY3QgaG9yc2U=";

struct World {
    engine: SimEngine,
    auth: Auth,
    common: Common,
    queue: Queue,
}

fn world_with(limits: Limits) -> World {
    let world = started(SimEngine::new(), limits);
    let directory = world.auth.directory();
    directory.add_domain("example.org").unwrap();
    for name in ["alice", "bob"] {
        directory.add_account(&format!("{name}@example.org"), PASSWORD, "", SIM_EPOCH).unwrap();
    }
    directory.add_alias("team@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
    world
}

/// A process that begins with what the engine holds.
fn started(engine: SimEngine, limits: Limits) -> World {
    let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
    let queue = Queue::open(&store, Policy::default());
    let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    let options = AuthOptions { directory, ..AuthOptions::default() };
    let auth = Auth::open(store, [1; 32], options).unwrap();
    let common = Common {
        hostname: "mail.example.org".into(),
        flow: MailFlow::new(auth.clone(), "mail.example.org", Some(queue.clone())),
        limits,
        spool: spool(1024 * 1024),
        starttls: true,
        verifier: None,
        scanner: None,
        trusted_relays: Vec::new(),
        commands: metrics::Commands::default(),
        refusals: metrics::Refusals::default(),
    };
    World { engine, auth, common, queue }
}

/// Room for so much that is coming in.
fn spool(bytes: u64) -> Arc<Spool> {
    let limits = SpoolLimits { bytes_max: bytes, per_holder_max: bytes };
    Spool::new(std::env::temp_dir().join("pillarbox-test-spool"), limits)
}

fn world() -> World {
    world_with(Limits::default())
}

impl World {
    fn with_queue_limits(self, limits: queue::Limits) -> Self {
        let queue = self.queue.with_limits(limits);
        let flow = MailFlow::new(self.auth.clone(), "mail.example.org", Some(queue.clone()));
        Self { common: Common { flow, ..self.common }, queue, ..self }
    }

    fn mx(&self) -> Client {
        Client::new(SmtpService::mx(self.common.clone()), "192.0.2.1", false)
    }

    fn lmtp(&self) -> Client {
        Client::new(SmtpService::lmtp(self.common.clone(), Vec::new()), "127.0.0.1", false)
    }

    /// On this machine, so that no TLS is needed.
    fn submission(&self) -> Client {
        let service = SmtpService::submission(self.common.clone(), self.auth.clone());
        Client::new(service, "127.0.0.1", false)
    }

    fn submission_without_smarthost(&self) -> Client {
        self.submission_from("127.0.0.1", false)
    }

    /// No mail goes to example.net.
    fn submission_with_refused(&self) -> Client {
        self.submission_with(Ways { routes: [("example.net".to_owned(), Via::Refuse)].into(), ..Ways::all(Via::Mx) })
    }

    /// No mail of Alice leaves, but to example.net.
    fn submission_with_sender_refused(&self) -> Client {
        let routes = [("example.net".to_owned(), Via::Mx)].into();
        let senders = [("alice@example.org".to_owned(), Via::Refuse)].into();
        self.submission_with(Ways { routes, senders, ..Ways::all(Via::Mx) })
    }

    fn submission_with(&self, ways: Ways) -> Client {
        let flow = MailFlow::new(self.auth.clone(), "mail.example.org", Some(self.queue.clone().with_ways(ways)));
        let common = Common { flow, ..self.common.clone() };
        Client::new(SmtpService::submission(common, self.auth.clone()), "127.0.0.1", false)
    }

    fn submission_from(&self, address: &str, tls: bool) -> Client {
        let flow = MailFlow::new(self.auth.clone(), "mail.example.org", None);
        let common = Common { flow, ..self.common.clone() };
        Client::new(SmtpService::submission(common, self.auth.clone()), address, tls)
    }

    fn mailbox(&self, name: &str) -> Vec<String> {
        self.messages(name, "INBOX")
    }

    fn messages(&self, name: &str, mailbox: &str) -> Vec<String> {
        let info = self.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
        let account = self.auth.store().account(info.id);
        let mailbox = account.mailboxes().unwrap().by_name(mailbox).unwrap().id;
        let view = account.view(mailbox).unwrap();
        let reader = account.reader().unwrap();
        let body = |entry: &Entry| String::from_utf8(reader.body(entry.email).unwrap()).unwrap();
        view.index().iter().map(body).collect()
    }

    /// The messages without their trace fields.
    fn contents(&self, name: &str) -> Vec<String> {
        let without_trace = |message: String| {
            let received = message.find("Received:").unwrap();
            let length = message[received..].find("+0000\r\n").unwrap();
            message[received + length + "+0000\r\n".len()..].to_owned()
        };
        self.mailbox(name).into_iter().map(without_trace).collect()
    }

    fn counts(&self) -> (usize, usize, usize) {
        (self.mailbox("alice").len(), self.mailbox("bob").len(), self.queue.list(None, 100).unwrap().len())
    }
}

/// Without what is different in each run: the random parts of messages' names.
fn without_id(text: &str) -> String {
    let mut pieces = text.split("1a0c4506c00.");
    let first = pieces.next().unwrap_or_default().to_owned();
    let rest = pieces.map(|piece| format!("ID{}", piece.trim_start_matches(|c: char| c.is_ascii_hexdigit())));
    rest.fold(first, |text, piece| text + &piece)
}

/// The client's side and the driver's.
struct Client {
    session: SmtpSession,
    now: Moment,
    output: Vec<u8>,
    last: Step,
}

fn tls() -> Tls {
    Tls { version: "TLSv1.3".into(), cipher: "TLS13_AES_256_GCM_SHA384".into(), ..Tls::default() }
}

impl Client {
    fn new(service: Arc<SmtpService>, address: &str, with_tls: bool) -> Self {
        let waker = Waker::noop().clone();
        let jobs = TestJobs::at_once();
        let peer = Peer { address: address.parse().unwrap(), port: 1, tls: with_tls.then(tls), waker, jobs };
        let now = Moment { unix_millis: SIM_EPOCH.0, monotonic_millis: 1000 };
        let mut client = Self { session: SmtpSession::new(service, peer), now, output: Vec::new(), last: Step::Wait };
        client.step();
        client
    }

    fn step(&mut self) {
        loop {
            self.last = self.session.step(self.now, &mut self.output);
            if self.last != Step::Flush {
                return;
            }
        }
    }

    fn send(&mut self, octets: &[u8], segment: usize) {
        for piece in octets.chunks(segment) {
            if !matches!(self.last, Step::Wait) {
                return;
            }
            self.session.receive(piece);
            self.step();
        }
    }

    fn start_tls(&mut self) {
        assert_eq!(self.last, Step::StartTls);
        self.session.tls_started(tls());
        self.step();
    }

    /// Lets the session's deadline pass.
    fn later(&mut self) {
        let at = self.session.deadline_millis().unwrap();
        self.now = self.now.plus_millis(at - self.now.monotonic_millis);
        self.step();
    }

    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.output)).unwrap()
    }

    fn expect(&mut self, expected: &str) {
        let end = self.output.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2);
        let line: Vec<u8> = self.output.drain(..end.unwrap_or(0)).collect();
        let line = String::from_utf8(line).unwrap();
        assert!(!line.is_empty() && line.starts_with(expected), "{expected:?} did not come but {line:?}");
    }

    fn play(&mut self, script: &str, segment: usize) {
        for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line {
                "TLS" => self.start_tls(),
                "LATER" => self.later(),
                "CLOSE" => assert_eq!(self.last, Step::Close),
                _ => match line.split_at(2) {
                    ("C:", text) => {
                        let text = text.strip_prefix(' ').unwrap_or(text).replace("\\n", "\n").replace("\\r", "\r");
                        self.send(format!("{}\r\n", text.replace("\\0", "\0")).as_bytes(), segment);
                    }
                    ("S:", text) => self.expect(text.trim_start()),
                    _ => panic!("{line}"),
                },
            }
        }
        assert_eq!(self.take(), "", "nothing more was to come");
    }
}

/// Plays a script in every segmentation; each time in a world of its own. Gives the last one.
fn check(connect: impl Fn(&World) -> Client, script: &str) -> World {
    check_in(world, connect, script)
}

fn check_in(world: impl Fn() -> World, connect: impl Fn(&World) -> Client, script: &str) -> World {
    for segment in [usize::MAX, 1] {
        connect(&world()).play(script, segment);
    }
    let lines = || script.lines().map(str::trim_start).filter(|line| !line.is_empty());
    let last = world();
    if lines().any(|line| matches!(line, "TLS" | "LATER")) {
        connect(&last).play(script, 3);
        return last;
    }
    // All at once: the answers must come in the same order.
    let (said, rest): (Vec<_>, Vec<_>) = lines().partition(|line| line.starts_with("C:"));
    if said.is_empty() {
        return last;
    }
    let whole = said.join("\\r\\n").replace("C: ", "").replace("C:", "");
    connect(&last).play(&format!("C: {whole}\n{}", rest.join("\n")), usize::MAX);
    last
}
