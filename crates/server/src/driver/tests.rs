//! The driver against a line-based session over loopback sockets; the clients are blocking and know nothing of tokio.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener as StdListener, TcpStream as StdStream};
use std::ops::ControlFlow;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex};
use std::task::Waker;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use session::{Doing, Ending, Moment, OUTPUT_HIGH_WATER_BYTES, Roster, Step, Tls};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::tls::{CertificateSource, Certificates, server_config};

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The runtime of a [`Rig`] has so many threads.
const THREADS: usize = 2;
/// ... and the sessions on it so many places for long work.
const PLACES: usize = 2;

/// Answers lines: `ECHO`, `WORK` (its second slice ends once somebody says `FREE`), `BLOCK` (this very step does), `FREE`,
/// `OWNER n`, `BUSY` (until `DONE`), `BIG n`, `DRIP n`, `DEADLINE ms`, `PAUSE ms` (then whatever is read is `early`), `STARTTLS`, `PANIC`, `QUIT`.
struct Lines {
    input: Vec<u8>,
    greeted: bool,
    tls: Option<Tls>,
    big: usize,
    /// Slices of one octet to come.
    drips: usize,
    deadline: Option<u64>,
    pauses: bool,
    hinted: Arc<AtomicBool>,
    works: bool,
    owner: Option<u64>,
    busy: bool,
    gate: Arc<Gate>,
    ended: Sender<()>,
}

/// What `WORK` and `BLOCK` wait for.
#[derive(Default)]
struct Gate {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    open: bool,
    /// Who waits in there, by owner.
    owners: Vec<Option<u64>>,
    /// The most that were ever in there.
    most: usize,
}

impl Gate {
    /// Waits until it is open; whether it is.
    fn pass(&self, owner: Option<u64>) -> bool {
        let mut inside = self.inside.lock().unwrap();
        inside.owners.push(owner);
        inside.most = inside.most.max(inside.owners.len());
        self.changed.notify_all();
        let (mut inside, _) = self.changed.wait_timeout_while(inside, PATIENCE, |inside| !inside.open).unwrap();
        let at = inside.owners.iter().position(|other| *other == owner).unwrap();
        inside.owners.swap_remove(at);
        inside.open
    }

    fn open(&self) {
        self.inside.lock().unwrap().open = true;
        self.changed.notify_all();
    }

    /// Waits until so many are inside.
    fn wait_for(&self, count: usize) -> Vec<Option<u64>> {
        let inside = self.inside.lock().unwrap();
        let fewer = |inside: &mut Inside| inside.owners.len() < count;
        let (inside, waited) = self.changed.wait_timeout_while(inside, PATIENCE, fewer).unwrap();
        assert!(!waited.timed_out(), "only {:?} came in", inside.owners);
        inside.owners.clone()
    }
}

impl Session for Lines {
    fn receive(&mut self, input: &[u8]) {
        if self.pauses {
            self.input.extend_from_slice(b"early ");
        }
        self.input.extend_from_slice(input);
    }

    fn step(&mut self, now: Moment, output: &mut Vec<u8>) -> Step {
        if !std::mem::replace(&mut self.greeted, true) {
            let tls = self.tls.as_ref().map_or("plain", |tls| &tls.version);
            output.extend_from_slice(format!("hello {tls}\n").as_bytes());
        }
        if self.hinted.swap(false, Ordering::SeqCst) {
            output.extend_from_slice(b"hint\n");
        }
        if self.deadline.is_some_and(|deadline| deadline <= now.monotonic_millis) {
            (self.deadline, self.pauses) = (None, false);
            output.extend_from_slice(b"deadline\n");
        }
        if self.pauses {
            return Step::Pause;
        }
        if std::mem::take(&mut self.works) {
            output.extend_from_slice(if self.gate.pass(self.owner) { b"worked\n" } else { b"in vain\n" });
        }
        loop {
            if self.drips > 0 {
                self.drips -= 1;
                output.push(b'.');
                return Step::Flush;
            }
            if self.big > 0 {
                let len = self.big.min(OUTPUT_HIGH_WATER_BYTES.saturating_sub(output.len()));
                output.resize(output.len() + len, b'x');
                self.big -= len;
                if self.big > 0 {
                    return Step::Flush;
                }
                output.push(b'\n');
            }
            let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else { return Step::Wait };
            let line: Vec<u8> = self.input.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
            match word {
                "ECHO" => output.extend_from_slice(format!("echo {rest}\n").as_bytes()),
                "OFFERED" => {
                    let hello = self.tls.as_ref().map_or(0, |tls| tls.hello);
                    output.extend_from_slice(format!("{hello:016x}\n").as_bytes());
                }
                "WORK" => {
                    self.works = true;
                    return Step::Flush;
                }
                "FREE" => {
                    self.gate.open();
                    output.extend_from_slice(b"free\n");
                }
                "BLOCK" => {
                    output.extend_from_slice(if self.gate.pass(self.owner) { b"blocked\n" } else { b"in vain\n" });
                }
                "BUSY" => self.busy = true,
                "DONE" => {
                    self.busy = false;
                    output.extend_from_slice(b"done\n");
                }
                "OWNER" => self.owner = Some(u64::from_str(rest).unwrap()),
                "BIG" => self.big = usize::from_str(rest).unwrap(),
                "DRIP" => self.drips = usize::from_str(rest).unwrap(),
                "DEADLINE" => self.deadline = Some(now.monotonic_millis + u64::from_str(rest).unwrap()),
                "PAUSE" => {
                    self.deadline = Some(now.monotonic_millis + u64::from_str(rest).unwrap());
                    self.pauses = true;
                    return Step::Pause;
                }
                "PANIC" => {
                    output.extend_from_slice(b"half a re");
                    panic!("asked to");
                }
                "STARTTLS" => {
                    output.extend_from_slice(b"go\n");
                    return Step::StartTls;
                }
                "QUIT" => {
                    output.extend_from_slice(b"bye\n");
                    return Step::Close;
                }
                other => output.extend_from_slice(format!("what? {other}\n").as_bytes()),
            }
        }
    }

    fn owner(&self) -> Option<u64> {
        self.owner
    }

    fn doing(&self) -> Doing {
        Doing { device: self.owner.map(|_| 3), command: self.busy.then_some("BUSY"), is_busy: self.busy }
    }

    fn deadline_millis(&self) -> Option<u64> {
        self.deadline
    }

    fn tls_started(&mut self, tls: Tls) {
        self.input.clear();
        self.tls = Some(tls);
        self.greeted = false;
    }

    fn shut_down(&mut self, why: Goodbye, output: &mut Vec<u8>) {
        let word: &[u8] = match why {
            Goodbye::ServerStops => b"goodbye\n",
            Goodbye::Ended => b"ended\n",
        };
        output.extend_from_slice(word);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _test_over = self.ended.send(());
    }
}

struct Rig {
    runtime: Option<Runtime>,
    listener: Option<StdListener>,
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
    stop: watch::Sender<bool>,
    hinted: Arc<AtomicBool>,
    wakers: Receiver<Waker>,
    ended: Receiver<()>,
    gate: Arc<Gate>,
    directory: TempDir,
}

impl Rig {
    /// Listens, but serves nobody before [`Rig::serve`].
    fn listen(service: Service, timeouts: Timeouts) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source =
            CertificateSource::Own { directory: directory.path().to_owned(), names: vec!["localhost".to_owned()] };
        let clock = Clock::start();
        let certificates = Certificates::load(source, clock.now().unix_millis / 1000).unwrap();
        let hinted = Arc::new(AtomicBool::new(false));
        let (wake, wakers) = channel();
        let (ended_sender, ended) = channel();
        let gate = Arc::<Gate>::default();
        let (shared, shared_gate) = (hinted.clone(), gate.clone());
        let begin: SessionFactory = Box::new(move |peer: Peer| {
            let _test_over = wake.send(peer.waker);
            Box::new(Lines {
                input: Vec::new(),
                greeted: false,
                tls: peer.tls,
                big: 0,
                drips: 0,
                deadline: None,
                pauses: false,
                hinted: shared.clone(),
                works: false,
                owner: None,
                busy: false,
                gate: shared_gate.clone(),
                ended: ended_sender.clone(),
            })
        });
        let tls = server_config(certificates).unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let work = {
            let _context = runtime.enter();
            Work::with_places(PLACES, PLACES).unwrap()
        };
        let endpoint = Arc::new(Endpoint { service, begin, tls, clock, timeouts, work });
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (runtime, listener, stop) = (Some(runtime), Some(listener), watch::channel(false).0);
        Self { runtime, listener, address, endpoint, stop, hinted, wakers, ended, gate, directory }
    }

    fn serve(mut self) -> Self {
        let listener = self.listener.take().unwrap();
        let (endpoint, stop) = (self.endpoint.clone(), self.stop.clone());
        self.runtime.as_ref().unwrap().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, address)) = listener.accept().await {
                tokio::spawn(drive(socket, address, endpoint.clone(), stop.subscribe()));
            }
        });
        self
    }

    fn new(service: Service) -> Self {
        Self::listen(service, Timeouts::default()).serve()
    }

    fn connect(&self) -> StdStream {
        let stream = StdStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn secure(&self, stream: StdStream) -> StreamOwned<ClientConnection, StdStream> {
        self.secure_with(&self.program(rustls::crypto::aws_lc_rs::default_provider()), stream)
    }

    /// A program that offers what `provider` can.
    fn program(&self, provider: CryptoProvider) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.directory.path().join("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    fn secure_with(&self, program: &Arc<ClientConfig>, stream: StdStream) -> StreamOwned<ClientConnection, StdStream> {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(program), name).unwrap(), stream)
    }

    /// Who is connected, the last first.
    fn present(&self) -> (Present, Vec<session::Live>) {
        let (present, mut all) = (Present::new(self.endpoint.work.clone(), self.endpoint.clock), Vec::new());
        present.each(None, &mut |live| {
            all.push(live);
            ControlFlow::Continue(())
        });
        (present, all)
    }

    fn session_ended(&self) {
        self.ended.recv_timeout(PATIENCE).unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Sends and checks that exactly `expected` comes back.
fn check(stream: &mut (impl Read + Write), sent: &str, expected: &str) {
    stream.write_all(sent.as_bytes()).unwrap();
    stream.flush().unwrap();
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(String::from_utf8(answer).unwrap(), expected);
}

/// Checks that the rest of the stream is exactly `expected`; under TLS an end without close_notify is an error.
fn check_rest(stream: &mut impl Read, expected: &str) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(String::from_utf8(rest).unwrap(), expected);
}

#[test]
fn what_comes_in_a_pause_is_not_read_before_its_end() {
    let rig = Rig::new(Service::Imap);
    let mut client = rig.connect();
    check(&mut client, "ECHO a\nPAUSE 200\n", "hello plain\necho a\n");
    check(&mut client, "ECHO b\n", "deadline\necho b\n");
    // A stop waits for no pause.
    check(&mut client, "ECHO c\nPAUSE 3600000\n", "echo c\n");
    rig.stop.send_replace(true);
    check_rest(&mut client, "goodbye\n");
    rig.session_ended();
}

#[test]
fn each_filled_output_gave_its_place_up_and_took_it_again() {
    const SLICES: usize = 320;
    let rig = Rig::new(Service::Imap);
    let mut client = rig.connect();
    check(&mut client, "ECHO a\n", "hello plain\necho a\n");
    let before = rig.endpoint.work.begun();
    let big = SLICES * OUTPUT_HIGH_WATER_BYTES;
    client.write_all(format!("BIG {big}\n").as_bytes()).unwrap();
    let mut answer = vec![0; big + 1];
    client.read_exact(&mut answer).unwrap();
    let turns = usize::try_from(rig.endpoint.work.begun() - before).unwrap();
    assert!(turns < SLICES, "what the client takes at once goes on in its place: {turns}");
    assert!(turns > SLICES / 16, "and not for ever: {turns}");
}

#[test]
fn bytes_in_any_segments_get_the_same_answers() {
    let rig = Rig::new(Service::Imap);
    let mut whole = rig.connect();
    check(&mut whole, "ECHO a\nECHO b\nQUIT\n", "hello plain\necho a\necho b\nbye\n");
    check_rest(&mut whole, "");
    let mut split = rig.connect();
    split.set_nodelay(true).unwrap();
    for byte in b"ECHO a\nECHO b\nQUIT\n" {
        split.write_all(&[*byte]).unwrap();
    }
    check_rest(&mut split, "hello plain\necho a\necho b\nbye\n");
    rig.session_ended();
    rig.session_ended();
}

/// The thread that is woken by the sockets must not be the one that works on: nobody else would hear of them.
#[test]
fn a_session_that_works_long_in_slices_holds_up_nobody() {
    let rig = Rig::new(Service::Imap);
    let mut busy = rig.connect();
    check(&mut busy, "ECHO a\n", "hello plain\necho a\n");
    busy.write_all(b"WORK\n").unwrap();
    let mut other = rig.connect();
    check(&mut other, "FREE\n", "hello plain\nfree\n");
    check(&mut busy, "ECHO b\n", "worked\necho b\n");
}

/// A flush of a slow disk, a lock, a password: whatever a step waits for, the sockets of others are looked at.
#[test]
fn a_step_that_blocks_unannounced_holds_up_nobody() {
    let rig = Rig::new(Service::Imap);
    let mut blocked = rig.connect();
    check(&mut blocked, "ECHO a\n", "hello plain\necho a\n");
    blocked.write_all(b"BLOCK\n").unwrap();
    rig.gate.wait_for(1);
    let mut other = rig.connect();
    check(&mut other, "ECHO b\n", "hello plain\necho b\n");
    check(&mut other, "FREE\n", "free\n");
    check(&mut blocked, "ECHO c\n", "blocked\necho c\n");
}

#[test]
fn long_work_of_many_waits_without_a_thread_and_one_owner_does_not_take_every_place() {
    let rig = Rig::new(Service::Imap);
    let work = |owner: u64| {
        let mut client = rig.connect();
        check(&mut client, &format!("OWNER {owner}\nECHO a\n"), "hello plain\necho a\n");
        client.write_all(b"WORK\n").unwrap();
        client
    };
    let mut clients: Vec<StdStream> = (0..4 * THREADS).map(|_| work(1)).collect();
    rig.gate.wait_for(PLACES / 2);
    clients.push(work(2));
    let mut inside = rig.gate.wait_for(PLACES);
    inside.sort_unstable();
    assert_eq!(inside, [Some(1), Some(2)], "the others wait for their turn");
    let mut stranger = rig.connect();
    check(&mut stranger, "ECHO b\n", "hello plain\necho b\n");
    check(&mut stranger, "FREE\n", "free\n");
    for client in &mut clients {
        check(client, "", "worked\n");
    }
    assert_eq!(rig.gate.inside.lock().unwrap().most, PLACES);
}

#[test]
fn a_stop_cuts_off_who_waits_for_a_place() {
    let rig = Rig::new(Service::Imap);
    let mut clients = [rig.connect(), rig.connect()];
    for client in &mut clients {
        check(client, "OWNER 1\nECHO a\n", "hello plain\necho a\n");
        client.write_all(b"WORK\n").unwrap();
    }
    rig.gate.wait_for(PLACES / 2);
    rig.stop.send_replace(true);
    // The one that waits ends; the other one ends after its slice.
    rig.session_ended();
    rig.gate.open();
    rig.session_ended();
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_answers() {
    let rig = Rig::new(Service::Imap);
    let mut client = rig.connect();
    client.write_all(b"ECHO a\nBIG 300000\nECHO b\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    check_rest(&mut client, &format!("hello plain\necho a\n{}\necho b\n", "x".repeat(300_000)));
    rig.session_ended();
}

#[test]
fn implicit_tls_serves_and_says_close_notify() {
    let rig = Rig::new(Service::Imaps);
    let mut client = rig.secure(rig.connect());
    check(&mut client, "ECHO a\nBIG 200000\n", &format!("hello TLSv1.3\necho a\n{}\n", "x".repeat(200_000)));
    client.write_all(b"QUIT\n").unwrap();
    check_rest(&mut client, "bye\n");
    rig.session_ended();
}

#[test]
fn a_program_offers_the_same_each_time_and_another_one_something_else() {
    let rig = Rig::new(Service::Imaps);
    let offered = |program: &Arc<ClientConfig>| {
        let mut client = rig.secure_with(program, rig.connect());
        client.write_all(b"OFFERED\nQUIT\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        (answer.lines().nth(1).unwrap().to_owned(), client.conn.handshake_kind())
    };
    let usual = rustls::crypto::aws_lc_rs::default_provider();
    let backwards =
        CryptoProvider { cipher_suites: usual.cipher_suites.iter().rev().copied().collect(), ..usual.clone() };
    let (one, other) = (rig.program(usual), rig.program(backwards));
    let (first, again) = (offered(&one), offered(&one));
    assert_eq!((first.1, again.1), (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)));
    assert_eq!(first.0, again.0);
    let hello = offered(&other).0;
    assert!(hello != first.0 && hello.len() == 16 && first.0 != "0000000000000000", "{first:?} {hello}");
}

#[test]
fn the_clients_close_notify_ends_the_session() {
    let rig = Rig::new(Service::Imaps);
    let mut client = rig.secure(rig.connect());
    check(&mut client, "ECHO a\n", "hello TLSv1.3\necho a\n");
    client.write_all(b"ECHO b\n").unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    rig.session_ended();
    check_rest(&mut client, "echo b\n");
}

#[test]
fn what_was_pipelined_behind_starttls_is_thrown_away() {
    fn check_injected(injected: &str) {
        let rig = Rig::listen(Service::Imap, Timeouts::default());
        let mut client = rig.connect();
        client.write_all(format!("STARTTLS\n{injected}").as_bytes()).unwrap();
        let rig = rig.serve();
        check(&mut client, "", "hello plain\ngo\n");
        let mut client = rig.secure(client);
        check(&mut client, "ECHO after\n", "hello TLSv1.3\necho after\n");
        client.write_all(b"QUIT\n").unwrap();
        check_rest(&mut client, "bye\n");
    }
    check_injected("");
    check_injected("ECHO injected\nECHO inj");
    // More than the driver reads at once: the rest waits in the socket when the session asks for TLS.
    check_injected(&"ECHO injected\n".repeat(3_500));
}

#[test]
fn a_second_starttls_ends_the_connection() {
    let rig = Rig::new(Service::Imaps);
    let mut client = rig.secure(rig.connect());
    check(&mut client, "STARTTLS\n", "hello TLSv1.3\ngo\n");
    check_rest(&mut client, "");
    rig.session_ended();
}

#[test]
fn a_client_that_reads_late_loses_nothing() {
    fn check_late(client: &mut (impl Read + Write), greeting: &str) {
        check(client, "BIG 6000000\nECHO a\n", greeting);
        let mut big = vec![0; 6_000_001];
        client.read_exact(&mut big).unwrap();
        assert!(big.ends_with(b"x\n") && big.iter().filter(|byte| **byte == b'x').count() == 6_000_000);
        client.write_all(b"QUIT\n").unwrap();
        check_rest(client, "echo a\nbye\n");
    }
    let rig = Rig::new(Service::Imap);
    check_late(&mut rig.connect(), "hello plain\n");
    let rig = Rig::new(Service::Imaps);
    check_late(&mut rig.secure(rig.connect()), "hello TLSv1.3\n");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let rig = Rig::listen(Service::Imap, Timeouts { write_stall_millis: 50, ..Timeouts::default() }).serve();
    let mut client = rig.connect();
    client.write_all(b"BIG 50000000\n").unwrap();
    rig.session_ended();
    let mut rest = Vec::new();
    // Reset or ended; in any case not all of it.
    let _cut = client.read_to_end(&mut rest);
    assert!(rest.len() < 50_000_000);
}

#[test]
fn the_sessions_deadline_fires_without_any_input() {
    let rig = Rig::new(Service::Imap);
    let mut client = rig.connect();
    check(&mut client, "DEADLINE 3600000\nECHO a\n", "hello plain\necho a\n");
    check(&mut client, "DEADLINE 20\n", "deadline\n");
    check(&mut client, "DEADLINE 3600000\nDEADLINE 1\n", "deadline\n");
}

#[test]
fn the_waker_leads_to_a_step() {
    let rig = Rig::new(Service::Imap);
    let mut client = rig.connect();
    check(&mut client, "", "hello plain\n");
    let waker = rig.wakers.recv_timeout(PATIENCE).unwrap();
    for _ in 0..3 {
        rig.hinted.store(true, Ordering::SeqCst);
        waker.wake_by_ref();
        check(&mut client, "", "hint\n");
    }
    client.write_all(b"QUIT\n").unwrap();
    check_rest(&mut client, "bye\n");
    // Waking a connection that is over is harmless.
    waker.wake();
}

#[test]
fn a_panic_ends_one_connection_only() {
    let rig = Rig::new(Service::Imap);
    let mut other = rig.connect();
    check(&mut other, "ECHO a\n", "hello plain\necho a\n");
    let mut failing = rig.connect();
    check(&mut failing, "", "hello plain\n");
    failing.write_all(b"PANIC\n").unwrap();
    check_rest(&mut failing, "");
    rig.session_ended();
    check(&mut other, "ECHO b\n", "echo b\n");
    check(&mut rig.connect(), "", "hello plain\n");
}

#[test]
fn a_stop_says_goodbye_to_everyone_and_drains() {
    let rig = Rig::new(Service::Imap);
    let mut idle = rig.connect();
    check(&mut idle, "", "hello plain\n");
    let mut busy = rig.connect();
    // It is in the middle of its answer.
    check(&mut busy, "BIG 30000000\n", "hello plain\nx");
    rig.stop.send_replace(true);
    check_rest(&mut idle, "goodbye\n");
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 30_000_000 && rest.iter().all(|byte| *byte == b'x'), "no goodbye inside other output");
    drop((idle, busy));
    rig.session_ended();
    rig.session_ended();

    let tls = Rig::new(Service::Imaps);
    let mut client = tls.secure(tls.connect());
    check(&mut client, "", "hello TLSv1.3\n");
    tls.stop.send_replace(true);
    check_rest(&mut client, "goodbye\n");
}

/// Lets a connection go on until it comes up for air, or until there is nothing to do: `true` when it came up.
async fn comes_up(connection: &mut Connection) -> bool {
    loop {
        let wait = connection.advance();
        match wait {
            Wait::Nothing => return true,
            Wait::Writable { .. } => poll_fn(|context| poll_socket(connection.socket(), wait, context)).await,
            Wait::Readable { .. } | Wait::Ended => return false,
            Wait::Moment { .. } => panic!("no session pauses"),
            Wait::Place { .. } => panic!("there are places"),
        }
    }
}

/// Driven by hand, because it depends on where exactly in a session's work the stop is seen.
#[test]
fn a_goodbye_came_in_the_middle_of_an_answer() {
    fn check_stopped(ups: usize) {
        let mut rig = Rig::listen(Service::Imap, Timeouts::default());
        let mut client = rig.connect();
        let (listener, endpoint) = (rig.listener.take().unwrap(), rig.endpoint.clone());
        rig.runtime.as_ref().unwrap().block_on(async {
            let (socket, address) = TcpListener::from_std(listener).unwrap().accept().await.unwrap();
            let live = endpoint.work.sessions.begin(endpoint.service, address, endpoint.clock.now());
            let mut connection = Connection::new(socket, endpoint, live);
            connection.open();
            // From here on it is known in which phase it is: it waits for the client's first byte.
            assert!(!comes_up(&mut connection).await);
            client.write_all(b"DRIP 1000\n").unwrap();
            while !comes_up(&mut connection).await {
                poll_fn(|context| connection.socket().poll_read_ready(context)).await.unwrap();
            }
            for _ in 1..ups {
                assert!(comes_up(&mut connection).await);
            }
            connection.shut_down(Goodbye::ServerStops);
            assert!(!comes_up(&mut connection).await);
        });
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let drips = answer.strip_prefix("hello plain\n").unwrap();
        assert!(drips.len() < 1000 && drips.bytes().all(|byte| byte == b'.'), "{ups} {drips}");
    }
    // A slice is a step, its sending, and a look for a place. Each time it comes up, it is between two others of these.
    for ups in 1..=3 {
        check_stopped(ups);
    }
}

#[test]
fn the_last_reply_arrives_though_the_client_keeps_sending() {
    let rig = Rig::new(Service::Imap);
    let mut client = rig.connect();
    check(&mut client, "", "hello plain\n");
    client.write_all(b"QUIT\n").unwrap();
    check_rest(&mut client, "bye\n");
    // A closed socket would answer the first write with a reset, which on some systems takes unread replies away.
    for _ in 0..40 {
        client.write_all(&[b'x'; 10_000]).unwrap();
    }
}

#[test]
fn a_handshake_that_takes_too_long_is_cut_off() {
    let rig = Rig::listen(Service::Imaps, Timeouts { handshake_millis: 30, ..Timeouts::default() }).serve();
    check_rest(&mut rig.connect(), "");
}

#[test]
fn plaintext_to_a_tls_port_gets_an_alert() {
    let rig = Rig::new(Service::Imaps);
    let mut client = rig.connect();
    client.write_all(b"a LOGIN user password\r\n").unwrap();
    let mut alert = [0; 1];
    client.read_exact(&mut alert).unwrap();
    // RFC 8446 §5.1: content type 21.
    assert_eq!(alert, [21]);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rig.wakers.try_recv().is_err(), "no session begins");
}

#[test]
fn a_tls_client_that_vanishes_ends_its_session() {
    let rig = Rig::new(Service::Imaps);
    let mut client = rig.secure(rig.connect());
    check(&mut client, "ECHO a\n", "hello TLSv1.3\necho a\n");
    let socket: io::Result<StdStream> = client.sock.try_clone();
    drop(client);
    socket.unwrap().shutdown(Shutdown::Both).unwrap();
    rig.session_ended();
}

#[test]
fn who_is_connected_is_seen_and_can_be_told_to_end() {
    let rig = Rig::new(Service::Imap);
    let (mut alice, mut stranger) = (rig.connect(), rig.connect());
    check(&mut alice, "OWNER 7\nECHO a\n", "hello plain\necho a\n");
    check(&mut stranger, "ECHO a\n", "hello plain\necho a\n");
    let (present, all) = rig.present();
    let own = *all.iter().find(|live| live.owner == Some(7)).unwrap();
    assert_eq!((all.len(), own.port, own.doing.device), (2, alice.local_addr().unwrap().port(), Some(3)));
    assert_eq!((own.received_bytes, own.is_tls, own.is_ending), (15, false, false));
    assert_eq!((present.one(own.id).map(|live| live.id), own.id.second() > 0), (Some(own.id), true));
    assert_eq!(present.end(own.id), Some(Ending::Begins));
    check_rest(&mut alice, "ended\n");
    rig.session_ended();
    check(&mut stranger, "ECHO b\n", "echo b\n");
    drop((alice, stranger));
    // No connection is left, so none is seen.
    rig.runtime.as_ref().unwrap().block_on(rig.stop.closed());
    let (present, all) = rig.present();
    assert_eq!((all, present.end(own.id)), (Vec::new(), None));
}

#[test]
fn what_a_client_waits_for_comes_before_the_end() {
    let rig = Rig::new(Service::Imaps);
    let mut client = rig.secure(rig.connect());
    check(&mut client, "BUSY\nECHO a\n", "hello TLSv1.3\necho a\n");
    let (present, all) = rig.present();
    assert_eq!((all[0].doing.command, all[0].is_tls), (Some("BUSY"), true));
    assert_eq!(present.end(all[0].id), Some(Ending::Begins));
    check(&mut client, "ECHO b\n", "echo b\n");
    assert!(rig.present().1[0].is_ending);
    client.write_all(b"DONE\n").unwrap();
    check_rest(&mut client, "done\nended\n");

    // A slice of something long is under way.
    let mut client = rig.secure(rig.connect());
    check(&mut client, "", "hello TLSv1.3\n");
    client.write_all(b"WORK\n").unwrap();
    rig.gate.wait_for(1);
    assert_eq!(present.end(rig.present().1[0].id), Some(Ending::Begins));
    rig.gate.open();
    check_rest(&mut client, "worked\nended\n");
}

#[test]
fn a_session_that_is_told_to_end_does_so_in_time_whatever_its_client_does() {
    let rig = Rig::new(Service::Imap);
    let mut busy = rig.connect();
    check(&mut busy, "BUSY\nECHO a\n", "hello plain\necho a\n");
    let mut deaf = rig.connect();
    check(&mut deaf, "BIG 300000000\n", "hello plain\nx");
    for live in rig.endpoint.work.sessions.some_before(None) {
        live.end_by(rig.endpoint.clock.now().monotonic_millis + 30);
    }
    check_rest(&mut busy, "ended\n");
    rig.session_ended();
    let mut rest = Vec::new();
    deaf.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 300_000_000 && rest.iter().all(|byte| *byte == b'x'), "no goodbye inside other output");
    rig.session_ended();
}
