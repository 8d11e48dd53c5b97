//! Listening sockets: opening them, and accepting or refusing who comes.

mod admission;
mod bind;

use std::future::poll_fn;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
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
    let mut refusals = RefusalLog::default();
    let mut own_stop = stop.clone();
    let mut stopping = pin!(async move {
        let _gone = own_stop.wait_for(|stop| *stop).await;
    });
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
                let now = endpoint.clock().now().monotonic_millis;
                match admission.admit(address.ip(), bound.service, now) {
                    Ok(ticket) => {
                        debug!(service = %bound.service, peer = %address, "connected");
                        serve(socket, address, ticket, (&endpoint, &stop));
                    }
                    Err(refusal) => {
                        refusals.note(bound.service, address, refusal, now);
                        refuse(socket, bound.service, refusal);
                    }
                }
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

#[derive(Default)]
struct RefusalLog {
    count: u64,
    next: u64,
}

impl RefusalLog {
    fn note(&mut self, service: Service, address: SocketAddr, refusal: Refusal, now: u64) {
        self.count += 1;
        if now >= self.next {
            let (count, reason) = (self.count, refusal.text());
            warn!(%service, peer = %address, count, reason, "connections refused since the last such line");
            *self = Self { count: 0, next: now + REFUSALS_LOGGED_MILLIS };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Timeouts, Work};
    use crate::tls::{CertificateSource, Certificates, server_config};
    use session::{Moment, Session, Step, Tls};
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
        fn shut_down(&mut self, output: &mut Vec<u8>) {
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

    #[test]
    fn the_one_too_many_is_refused_in_words_and_a_stop_drains_the_others() {
        let directory = tempfile::tempdir().unwrap();
        let source = CertificateSource::Own { directory: directory.path().to_owned(), names: Vec::new() };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let work = {
            let _context = runtime.enter();
            Work::start().unwrap()
        };
        let endpoint = Arc::new(Endpoint {
            service: Service::Imap,
            begin: Box::new(|_| Box::new(Greeter(false))),
            tls: server_config(Certificates::load(source, 1_800_000_000).unwrap()).unwrap(),
            clock: Clock::start(),
            timeouts: Timeouts::default(),
            work,
        });
        let admission = Admission::new(ConnectionLimits { total: 9, per_address: 9, per_loopback: 1 });
        let (stop, stopping) = watch::channel(false);
        let bound = {
            let _context = runtime.enter();
            bind(&[(Service::Imap, "127.0.0.1:0".parse().unwrap())]).unwrap().remove(0)
        };
        let address = bound.address;
        runtime.spawn(accept(bound, Endpoints::Sessions(endpoint), admission.clone(), stopping));

        let mut first = connect(address);
        check_line(&mut first, "* OK\r\n");
        let mut second = String::new();
        connect(address).read_to_string(&mut second).unwrap();
        assert!(second.starts_with("* BYE [UNAVAILABLE] Too many") && second.ends_with("\r\n"), "{second}");

        stop.send_replace(true);
        check_line(&mut first, "* BYE\r\n");
        drop(first);
        runtime.block_on(stop.closed());
        assert_eq!(admission.open(), 0);
        assert!(StdStream::connect(address).is_err(), "nobody listens any more");
    }
}
