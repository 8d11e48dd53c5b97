//! HTTP over real sockets: limits, timeouts, the stop.

use super::*;
use crate::listen::{Admission, ConnectionLimits, Endpoints, accept, bind};
use crate::service::Service;
use crate::tls::{CertificateSource, Certificates, server_config};
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A listener for pages on a router that answers with the path, and with much when asked for `/much`.
struct Rig {
    runtime: Runtime,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    admission: Arc<Admission>,
    _directory: TempDir,
}

impl Rig {
    fn new(service: Service, timeouts: HttpTimeouts) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source =
            CertificateSource::Own { directory: directory.path().to_owned(), names: vec!["localhost".to_owned()] };
        let tls = server_config(Certificates::load(source, 1_800_000_000).unwrap()).unwrap();
        let tls = service.implicit_tls().then(|| with_http(&tls));
        let router = Router::new().fallback(|request: hyper::Request<web::Body>| async move {
            let much = request.uri().path() == "/much";
            if much { "x".repeat(64 * 1024 * 1024) } else { format!("you asked for {}", request.uri().path()) }
        });
        let pages = Arc::new(Pages { router, challenges: Challenges::default(), tls, clock: Clock::start(), timeouts });
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, stopping) = watch::channel(false);
        let admission = Admission::new(ConnectionLimits { total: 9, per_address: 9, per_loopback: 2 }, &[]);
        let bound = {
            let _context = runtime.enter();
            bind(&[(service, "127.0.0.1:0".parse().unwrap())]).unwrap().remove(0)
        };
        let address = bound.address;
        runtime.spawn(accept(bound, Endpoints::Pages(pages), admission.clone(), stopping));
        Self { runtime, address, stop, admission, _directory: directory }
    }

    fn connect(&self) -> StdStream {
        let stream = StdStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// What comes until the server closes.
    fn ask(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _reset = stream.read_to_string(&mut answer);
        answer
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn read_until(stream: &mut StdStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(end.as_bytes()) {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn a_connection_serves_many_requests_and_a_stop_ends_it() {
    let rig = Rig::new(Service::Http, HttpTimeouts::default());
    let mut stream = rig.connect();
    for path in ["/a", "/b"] {
        stream.write_all(request(path).as_bytes()).unwrap();
        assert!(read_until(&mut stream, &format!("you asked for {path}")).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let _second = rig.connect();
    let third = rig.ask("");
    assert!(third.starts_with("HTTP/1.1 503 ") && third.contains("Too many connections"), "{third}");
    rig.stop.send_replace(true);
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "an idle connection is closed");
    rig.runtime.block_on(rig.stop.closed());
    assert!(StdStream::connect(rig.address).is_err());
}

#[test]
fn heads_are_limited_in_length_number_and_time() {
    let rig = Rig::new(Service::Http, HttpTimeouts::default());
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
    let status = |fields: &str| rig.ask(&head(fields)).get(..12).map(str::to_owned);
    assert_eq!(status(&format!("X: {}\r\n", "a".repeat(8 * 1024))).as_deref(), Some("HTTP/1.1 200"));
    assert_eq!(status(&format!("X: {}\r\n", "a".repeat(HEAD_BYTES_MAX))).as_deref(), Some("HTTP/1.1 431"));
    assert_eq!(status(&"X: y\r\n".repeat(FIELDS_MAX - 2)).as_deref(), Some("HTTP/1.1 200"));
    assert_eq!(status(&"X: y\r\n".repeat(FIELDS_MAX - 1)).as_deref(), Some("HTTP/1.1 431"));
    let hasty = Rig::new(Service::Http, HttpTimeouts { head_millis: 50, ..HttpTimeouts::default() });
    let slow = hasty.ask("GET / HTTP/1.1\r\nHost: x\r\n");
    assert!(!slow.contains(" 200 "), "who does not come to the end is cut off: {slow}");
}

#[test]
fn who_does_not_read_is_cut_off() {
    let rig = Rig::new(Service::Http, HttpTimeouts { write_stall_millis: 50, ..HttpTimeouts::default() });
    let mut stream = rig.connect();
    stream.write_all(request("/much").as_bytes()).unwrap();
    let mut all = vec![0];
    stream.read_exact(&mut all).unwrap();
    while rig.admission.open() > 0 {
        std::thread::yield_now();
    }
    let _reset = stream.read_to_end(&mut all);
    assert!(all.len() < 64 * 1024 * 1024, "{}", all.len());
}
