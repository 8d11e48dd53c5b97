//! Listening sockets: opening them, and accepting or refusing who comes.

mod admission;
mod bind;
mod proxy;

use std::future::poll_fn;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::driver::{Endpoint, drive};
use crate::http::{Pages, serve_pages};
use crate::service::{Refusal, Service};

pub use admission::{Admission, ConnectionLimits, Ticket};
pub use bind::{Bound, bind, has_ipv6_loopback};

/// The first and the longest pause when the system has no socket for us.
const ACCEPT_PAUSE_MILLIS: (u64, u64) = (50, 1_000);
/// Refusals are logged together, so that a flood of connections is no flood of lines.
const REFUSALS_LOGGED_MILLIS: u64 = 10_000;
/// For the log.
const NO_HEADER: &str = "A proxy did not say whom it speaks for, see listen.proxy_from";

/// What answers on a listener.
#[derive(Clone)]
pub enum Endpoints {
    /// Sessions of a protocol.
    Sessions(Arc<Endpoint>),
    /// Pages and the JSON API.
    Pages(Arc<Pages>),
}

impl Endpoints {
    fn clock(&self) -> Clock {
        match self {
            Self::Sessions(endpoint) => endpoint.clock,
            Self::Pages(pages) => pages.clock,
        }
    }
}

/// Accepts connections on `bound` and drives each in a task of its own, until `stop` becomes true or its sender is
/// dropped. The connections go on; each holds a receiver of `stop`, so `Sender::closed` tells when all are over.
pub async fn accept(bound: Bound, endpoint: Endpoints, admission: Arc<Admission>, stop: watch::Receiver<bool>) {
    let mut pause = ACCEPT_PAUSE_MILLIS.0;
    let mut stopping = pin!(stopped(stop.clone()));
    let door = Door { service: bound.service, endpoint, admission, refusals: Arc::default(), stop };
    loop {
        let accepted = poll_fn(|context| match stopping.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => bound.socket.poll_accept(context).map(Some),
        });
        match accepted.await {
            // The socket first: when the last receiver of `stop` is gone, nobody can connect any more.
            None => return drop(bound),
            Some(Ok((socket, address))) => {
                pause = ACCEPT_PAUSE_MILLIS.0;
                door.take(socket, address);
            }
            // The client gave up before its turn came.
            Some(Err(error)) if error.kind() == ErrorKind::ConnectionAborted => {}
            Some(Err(error)) => {
                // Most likely no file descriptor is left. Those who are connected go on; trying at once would only
                // take their time.
                warn!(service = %bound.service, %error, pause_millis = pause, "cannot accept connections");
                sleep(Duration::from_millis(pause)).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MILLIS.1);
            }
        }
    }
}

/// What whoever comes to a listener meets.
#[derive(Clone)]
struct Door {
    service: Service,
    endpoint: Endpoints,
    admission: Arc<Admission>,
    refusals: Arc<RefusalLog>,
    stop: watch::Receiver<bool>,
}

impl Door {
    /// Takes a connection in, or refuses it.
    fn take(&self, socket: TcpStream, address: SocketAddr) {
        if !self.admission.is_proxy(address.ip(), self.service) {
            let admitted = self.admission.admit(address.ip(), self.service, self.now());
            return self.admitted(socket, address, admitted);
        }
        match self.admission.admit_proxy(self.now()) {
            Ok(ticket) => drop(tokio::spawn(self.clone().announced(socket, address, ticket))),
            refused => self.admitted(socket, address, refused),
        }
    }

    /// Serves the client for whom a balancer says that the connection is. PROXY §2: without a header it is not served, because
    /// nobody may guess whether one comes.
    async fn announced(self, mut socket: TcpStream, proxy: SocketAddr, ticket: Ticket) {
        let told = {
            let header = timeout(Duration::from_millis(proxy::HEADER_MILLIS), proxy::read_header(&mut socket));
            let (mut header, mut stopping) = (pin!(header), pin!(stopped(self.stop.clone())));
            let told = poll_fn(|context| match stopping.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => header.as_mut().poll(context).map(Some),
            });
            told.await
        };
        match told {
            Some(Ok(Ok(told))) => {
                let client = proxy::client(proxy, told);
                let admitted = ticket.becomes(client.ip(), self.service, self.now());
                self.admitted(socket, client, admitted);
            }
            // A balancer that looks whether the port is open sends nothing, and goes.
            Some(Ok(Err(error))) if error.kind() != ErrorKind::InvalidData => {
                debug!(service = %self.service, peer = %proxy, %error, "a proxy has gone");
            }
            Some(Ok(Err(_)) | Err(_)) => self.refusals.note(self.service, proxy, NO_HEADER, self.now()),
            None => {}
        }
    }

    fn admitted(&self, socket: TcpStream, address: SocketAddr, admitted: Result<Ticket, Refusal>) {
        match admitted {
            Ok(ticket) => {
                debug!(service = %self.service, peer = %address, "connected");
                serve(socket, address, ticket, (&self.endpoint, &self.stop));
            }
            Err(refusal) => {
                self.refusals.note(self.service, address, refusal.text(), self.now());
                self.admission.note_refused(self.service, address.ip(), refusal);
                refuse(socket, self.service, refusal);
            }
        }
    }

    fn now(&self) -> u64 {
        self.endpoint.clock().now().monotonic_millis
    }
}

/// Ready once the server stops, or nobody can stop it any more.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _gone = stop.wait_for(|stop| *stop).await;
}

fn serve(socket: TcpStream, address: SocketAddr, ticket: Ticket, shared: (&Endpoints, &watch::Receiver<bool>)) {
    let (endpoint, stop) = (shared.0.clone(), shared.1.clone());
    // Replies are written as a whole; waiting for more only delays them.
    let _slower = socket.set_nodelay(true);
    // A task of each kind: one for both would be as large as the larger, and idle sessions are many.
    match endpoint {
        Endpoints::Sessions(endpoint) => drop(tokio::spawn(session(socket, address, endpoint, (ticket, stop)))),
        Endpoints::Pages(pages) => drop(tokio::spawn(async move {
            serve_pages(socket, address, pages, stop.clone()).await;
            leave(ticket, stop);
        })),
    }
}

async fn session(
    socket: TcpStream,
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
    (ticket, stop): (Ticket, watch::Receiver<bool>),
) {
    drive(socket, address, endpoint, stop.clone()).await;
    leave(ticket, stop);
}

fn leave(ticket: Ticket, stop: watch::Receiver<bool>) {
    // The ticket first: when the last receiver of `stop` is gone, nothing is counted any more.
    drop(ticket);
    drop(stop);
}

/// Says no in the protocol's own words, where that costs one write.
fn refuse(socket: TcpStream, service: Service, refusal: Refusal) {
    let say = |line: String| -> io::Result<()> { socket.into_std()?.write_all(line.as_bytes()) };
    // Who does not take a line at once gets none.
    let _said = service.refusal(refusal).map(say);
}

/// Of one listener.
#[derive(Default)]
struct RefusalLog(Mutex<Refusals>);

#[derive(Default)]
struct Refusals {
    count: u64,
    /// When the next line may come.
    next: u64,
}

impl RefusalLog {
    fn note(&self, service: Service, address: SocketAddr, reason: &str, now: u64) {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.count += 1;
        if now >= refusals.next {
            let count = refusals.count;
            warn!(%service, peer = %address, count, reason, "connections refused since the last such line");
            *refusals = Refusals { count: 0, next: now + REFUSALS_LOGGED_MILLIS };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{SessionFactory, Timeouts, Work};
    use crate::tls::{CertificateSource, Certificates, server_config};
    use session::{Goodbye, Moment, Session, Step, Tls};
    use std::io::Read;
    use std::net::TcpStream as StdStream;
    use tokio::runtime::Builder;

    struct Greeter(bool);

    impl Session for Greeter {
        fn receive(&mut self, _: &[u8]) {}
        fn step(&mut self, _: Moment, output: &mut Vec<u8>) -> Step {
            if !std::mem::replace(&mut self.0, true) {
                output.extend_from_slice(b"* OK\r\n");
            }
            Step::Wait
        }
        fn deadline_millis(&self) -> Option<u64> {
            None
        }
        fn tls_started(&mut self, _: Tls) {}
        fn shut_down(&mut self, _: Goodbye, output: &mut Vec<u8>) {
            output.extend_from_slice(b"* BYE\r\n");
        }
    }

    fn connect(address: SocketAddr) -> StdStream {
        let stream = StdStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn check_line(stream: &mut StdStream, expected: &str) {
        let mut line = vec![0; expected.len()];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn the_task_of_a_session_was_as_large_as_that_of_a_page() {
        type Arguments = (TcpStream, SocketAddr, Arc<Endpoint>, (Ticket, watch::Receiver<bool>));
        fn bytes<F>(_: impl Fn(Arguments) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = bytes(|(socket, address, endpoint, rest)| session(socket, address, endpoint, rest));
        assert!(bytes <= 1152, "{bytes}");
    }

    /// Greets with the address that it sees, then says what it hears.
    struct Mirror(Option<String>, Vec<u8>);

    impl Session for Mirror {
        fn receive(&mut self, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }
        fn step(&mut self, _: Moment, output: &mut Vec<u8>) -> Step {
            output.extend(self.0.take().into_iter().flat_map(String::into_bytes));
            output.append(&mut self.1);
            Step::Wait
        }
        fn deadline_millis(&self) -> Option<u64> {
            None
        }
        fn tls_started(&mut self, _: Tls) {}
        fn shut_down(&mut self, _: Goodbye, _: &mut Vec<u8>) {}
    }

    /// A listener for IMAP whose sessions `begin` makes; the directory has its certificate.
    struct Listening {
        address: SocketAddr,
        admission: Arc<Admission>,
        stop: watch::Sender<bool>,
        runtime: tokio::runtime::Runtime,
        _directory: tempfile::TempDir,
    }

    fn listening(begin: SessionFactory, admission: Arc<Admission>) -> Listening {
        let directory = tempfile::tempdir().unwrap();
        let source = CertificateSource::Own { directory: directory.path().to_owned(), names: Vec::new() };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let context = runtime.enter();
        let endpoint = Arc::new(Endpoint {
            service: Service::Imap,
            begin,
            tls: server_config(Certificates::load(source, 1_800_000_000).unwrap()).unwrap(),
            clock: Clock::start(),
            timeouts: Timeouts::default(),
            work: Work::start().unwrap(),
        });
        let (stop, stopping) = watch::channel(false);
        let bound = bind(&[(Service::Imap, "127.0.0.1:0".parse().unwrap())]).unwrap().remove(0);
        let address = bound.address;
        tokio::spawn(accept(bound, Endpoints::Sessions(endpoint), admission.clone(), stopping));
        drop(context);
        Listening { address, admission, stop, runtime, _directory: directory }
    }

    #[test]
    fn a_balancer_hid_the_addresses_of_its_clients() {
        let mirror: SessionFactory =
            Box::new(|peer| Box::new(Mirror(Some(format!("{} {}\r\n", peer.address, peer.port)), Vec::new())));
        let limits = ConnectionLimits { total: 9, per_address: 1, per_loopback: 1 };
        let server = listening(mirror, Admission::new(limits, &["127.0.0.1".parse().unwrap()]));
        let say = |parts: &[&[u8]]| {
            let mut stream = connect(server.address);
            stream.set_nodelay(true).unwrap();
            parts.iter().for_each(|part| stream.write_all(part).unwrap());
            stream
        };
        // What the client sent in the same segment as the header is the client's, in whatever pieces the header came.
        let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 143\r\na NOOP\r\n";
        let mut first = say(&[header]);
        check_line(&mut first, "192.0.2.7 56324\r\na NOOP\r\n");
        // The share of an address is that of the client.
        let mut refused = String::new();
        say(&[&header[..header.len() - 8]]).read_to_string(&mut refused).unwrap();
        assert!(refused.starts_with("* BYE [UNAVAILABLE] Too many connections from your address"), "{refused}");
        let second =
            [b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".as_slice(), &[0x20; 16], &[0; 16], &[1, 0, 0, 143]].concat();
        let mut second = say(&second.chunks(1).collect::<Vec<_>>());
        check_line(&mut second, "2020:2020:2020:2020:2020:2020:2020:2020 256\r\n");
        // A look from the balancer itself.
        let mut own = say(&[b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"]);
        check_line(&mut own, "127.0.0.1 ");
        // Without a header nobody is served, and nothing is said.
        let mut none = Vec::new();
        let _reset = say(&[b"a LOGIN x y\r\n"]).read_to_end(&mut none);
        assert!(none.is_empty(), "{}", none.escape_ascii());

        // Who has sent half a header is gone at a stop, like everybody.
        let mut half = say(&[b"PROXY TCP4 192.0"]);
        server.stop.send_replace(true);
        drop((first, second, own));
        assert_eq!(half.read(&mut [0]).unwrap_or(0), 0);
        server.runtime.block_on(server.stop.closed());
        assert_eq!(server.admission.open(), 0);
    }

    #[test]
    fn whoever_is_no_balancer_says_nothing_by_the_header_of_one() {
        let mirror: SessionFactory = Box::new(|peer| Box::new(Mirror(Some(peer.address.to_string()), Vec::new())));
        let limits = ConnectionLimits { total: 9, per_address: 9, per_loopback: 1 };
        let server = listening(mirror, Admission::new(limits, &["192.0.2.0/24".parse().unwrap()]));
        let mut stream = connect(server.address);
        let header = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 143\r\n";
        stream.write_all(header.as_bytes()).unwrap();
        check_line(&mut stream, &format!("127.0.0.1{header}"));
    }

    #[test]
    fn the_one_too_many_is_refused_in_words_and_a_stop_drains_the_others() {
        let limits = ConnectionLimits { total: 9, per_address: 9, per_loopback: 1 };
        let server = listening(Box::new(|_| Box::new(Greeter(false))), Admission::new(limits, &[]));
        let mut first = connect(server.address);
        check_line(&mut first, "* OK\r\n");
        let mut second = String::new();
        connect(server.address).read_to_string(&mut second).unwrap();
        assert!(second.starts_with("* BYE [UNAVAILABLE] Too many") && second.ends_with("\r\n"), "{second}");

        server.stop.send_replace(true);
        check_line(&mut first, "* BYE\r\n");
        drop(first);
        server.runtime.block_on(server.stop.closed());
        assert_eq!(server.admission.open(), 0);
        assert!(StdStream::connect(server.address).is_err(), "nobody listens any more");
    }
}
