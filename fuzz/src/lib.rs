//! What the targets of whole sessions share: a server in memory, and clients that play the driver.

#![warn(unreachable_pub)]

use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use mailflow::MailFlow;
use session::testing::TestJobs;
use session::{Moment, OUTPUT_HIGH_WATER_BYTES, Peer, Session, Step, Tls};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Wake;
use store::engine::{Commit, Engine, KEY_BYTES_MAX, Write};
use store::sim::{SimEngine, SimObjects};
use store::{Actor, DeviceId, Flags, ModSeq, NewMessage, Protocol, Store, Target, Timestamp};
use store_objects::{Spool, SpoolLimits};

pub const PASSWORD: &str = "correct horse battery";
pub const ALICE: &str = "alice@example.org";
pub const HOSTNAME: &str = "mail.example.org";
pub const MESSAGE_BYTES_MAX: u64 = 100_000;
/// 2026-02-01T10:00:00Z
pub const NOW: Moment = Moment { unix_millis: 1_769_940_000_000, monotonic_millis: 1_000_000 };
/// A session that is asked has an answer within so long, on its own clock, ...
const PATIENCE_MILLIS: u64 = 600_000;
/// ... and so many steps.
const STEPS_MAX: usize = 10_000;
/// What one step writes: up to where it has to stop, and one response more.
const STEP_BYTES_MAX: usize = OUTPUT_HIGH_WATER_BYTES + 4 * MESSAGE_BYTES_MAX as usize;

/// Messages that there are, and that are brought.
pub const BODIES: [&str; 5] = [
    "Subject: one\r\nMessage-ID: <1@example.com>\r\n\r\nbody\r\n",
    "From: A <a@example.com>\r\nTo: b@example.org\r\nSubject: =?utf-8?q?zw=C3=B6lf?=\r\nIn-Reply-To: <1@example.com>\r\n\r\n.\r\n..\r\n.dots\r\n",
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n",
    "no header\r\n",
    "",
];

/// A server with two accounts, of which the first has messages.
pub struct World {
    pub auth: Auth,
    pub store: Store,
    pub spool: Arc<Spool>,
}

/// What every run begins with: each keyspace as one commit.
static BEGINNING: LazyLock<Vec<Commit>> = LazyLock::new(|| {
    let engine = SimEngine::new();
    let world = World::on(engine.clone());
    let (directory, now) = (world.auth.directory(), Timestamp(NOW.unix_millis));
    directory.add_domain("example.org").expect("the engine works");
    for name in [ALICE, "bob@example.org"] {
        let id = directory.add_account(name, PASSWORD, "", now).expect("the engine works");
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now };
        for body in BODIES {
            let message = NewMessage { body: body.as_bytes().to_vec(), flags: Flags::default(), internal_date: now };
            world.store.account(id).append(actor, Target::Inbox, message).expect("the engine works");
        }
    }
    let whole = |account| {
        let snapshot = engine.snapshot(account).expect("the engine works");
        let (next, mut writes) = (snapshot.head(), Vec::new());
        let mut keep = |key: &[u8], value: &[u8]| {
            writes.push(Write::Put { key: key.to_vec(), value: value.to_vec() });
            ControlFlow::Continue(())
        };
        snapshot.scan(&[], &[u8::MAX; KEY_BYTES_MAX], &mut keep).expect("the engine works");
        Commit { account, expected: ModSeq(0), next, writes }
    };
    engine.accounts().expect("the engine works").into_iter().map(whole).collect()
});

impl World {
    pub fn new() -> Self {
        let engine = SimEngine::new();
        BEGINNING.iter().for_each(|commit| engine.commit(commit.clone()).expect("the engine works"));
        Self::on(engine)
    }

    fn on(engine: SimEngine) -> Self {
        let store = Store::new(Arc::new(engine), Arc::new(SimObjects::new()));
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let options = AuthOptions { directory, ..AuthOptions::default() };
        let auth = Auth::open(store.clone(), [7; 32], options).expect("the engine works");
        let limits = SpoolLimits { bytes_max: 3 * MESSAGE_BYTES_MAX, per_holder_max: 2 * MESSAGE_BYTES_MAX };
        let spool = Spool::new(std::env::temp_dir().join(format!("pillarbox-fuzz-{}", std::process::id())), limits);
        Self { auth, store, spool }
    }

    pub fn flow(&self, queue: Option<queue::Queue>) -> MailFlow {
        MailFlow::new(self.auth.clone(), HOSTNAME, queue)
    }

    /// So many messages are in mailboxes.
    pub fn messages(&self) -> usize {
        let accounts = self.store.accounts().expect("the engine works").into_iter().map(|id| self.store.account(id));
        let of = |account: store::Account| {
            let mailboxes = account.mailboxes().expect("the engine works");
            let count = |id| account.view(id).expect("the engine works").index().iter().count();
            mailboxes.iter().map(|mailbox| count(mailbox.id)).sum::<usize>()
        };
        accounts.map(of).sum()
    }

    /// Whatever sessions did, every invariant of the store holds.
    pub fn check(&self) {
        let found = store::check::all(&self.store, store::check::Depth::Bodies).expect("the engine works");
        assert!(found.is_empty(), "{found:?}");
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection.
pub struct Client {
    session: Box<dyn Session>,
    woken: Arc<Woken>,
    pub now: Moment,
    pub is_closed: bool,
}

impl Client {
    /// From this machine.
    pub fn new(session: impl FnOnce(Peer) -> Box<dyn Session>) -> Self {
        Self::from(IpAddr::V4(Ipv4Addr::LOCALHOST), session)
    }

    pub fn from(address: IpAddr, session: impl FnOnce(Peer) -> Box<dyn Session>) -> Self {
        let woken = Arc::new(Woken::default());
        let (waker, jobs) = (Arc::clone(&woken).into(), TestJobs::at_once());
        let peer = Peer { address, port: 40_000, tls: None, waker, jobs };
        Self { session: session(peer), woken, now: NOW, is_closed: false }
    }

    /// Sends, and steps until `is_enough` of what came, or the end. What came; `None`: less.
    pub fn say(&mut self, octets: &[u8], is_enough: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        if self.is_closed {
            return Some(Vec::new());
        }
        self.session.receive(octets);
        let (mut output, until) = (Vec::new(), self.now.plus_millis(PATIENCE_MILLIS));
        for _ in 0..STEPS_MAX {
            let mut piece = Vec::new();
            self.woken.0.store(false, Ordering::SeqCst);
            let step = self.session.step(self.now, &mut piece);
            assert!(piece.len() <= STEP_BYTES_MAX, "a step writes {} octets", piece.len());
            output.extend_from_slice(&piece);
            match step {
                Step::Flush => continue,
                Step::Close => {
                    self.is_closed = true;
                    return Some(output);
                }
                Step::StartTls => self.session.tls_started(Tls::default()),
                Step::Wait | Step::Pause => {}
            }
            if step != Step::Pause && is_enough(&output) {
                return Some(output);
            }
            if self.woken.0.load(Ordering::SeqCst) || step == Step::StartTls {
                continue;
            }
            match self.session.deadline_millis() {
                Some(at) if at <= until.monotonic_millis => {
                    self.now = self.now.plus_millis(at.saturating_sub(self.now.monotonic_millis).max(1));
                }
                Some(_) | None => return is_enough(&output).then_some(output),
            }
        }
        panic!("it comes to no end: {}", output.escape_ascii());
    }
}
