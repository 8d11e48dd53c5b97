use super::*;
use crate::config::DeliveryBy;
use crate::lifecycle::DataDir;
use crate::services::{Outbound, outgoing};
use crate::stores::Stores;
use dns::Options;
use dns::fake::{FakeServer, Manner};
use queue::{Promise, TlsFailure, TlsOutcome};
use reports::Row;
use sender_auth::{Asks, DmarcPolicy};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

const HOUR_MILLIS: i64 = 3600 * 1000;
/// 2026-11-28, noon.
const NOW: Timestamp = Timestamp(1_795_867_200_000);

struct World {
    _directory: tempfile::TempDir,
    config: Config,
    names: FakeServer,
    stores: Stores,
    reporting: Reporting,
    stop: watch::Receiver<bool>,
}

fn world() -> World {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::trial(directory.path().join("data"));
    config.hostname = "mail.example.org".into();
    config.delivery.by = Some(DeliveryBy::Mx);
    let stores = Stores::open(&DataDir::open(&config.data_dir).unwrap(), &config).unwrap();
    for domain in ["aaa.example", "example.org"] {
        stores.auth.directory().add_domain(domain).unwrap();
    }
    let names = FakeServer::start();
    let patience = Duration::from_millis(300);
    let options = Options { servers: vec![names.address()], dnssec: false, patience, ..Options::default() };
    let reporting = Reporting::new(&config, &stores.flow, &Dns::new(&options).unwrap()).unwrap();
    World { _directory: directory, config, names, stores, reporting, stop: watch::channel(false).1 }
}

impl World {
    fn count_mail(&self, domain: &str, rua: &str) {
        let asks = Asks {
            domain: domain.into(),
            organisation: domain.into(),
            rua: rua.into(),
            policy: DmarcPolicy::None,
            subdomains: DmarcPolicy::None,
            missing_subdomains: None,
            is_dkim_strict: false,
            is_spf_strict: false,
            percent: 100,
            is_test: false,
        };
        let row = Row {
            address: [192, 0, 2, 1].into(),
            count: 1,
            disposition: "none".into(),
            reason: String::new(),
            dkim_aligned: false,
            spf_aligned: true,
            header_from: domain.into(),
            envelope_from: domain.into(),
            dkim: Vec::new(),
            spf: None,
        };
        self.reporting.counts.mail(asks, row, NOW);
        self.reporting.counts.write().unwrap();
    }

    /// After so many hours: what is in the queue then, by recipient.
    async fn told(&self, hours: i64) -> Vec<String> {
        let now = Timestamp(NOW.0 + hours * HOUR_MILLIS);
        self.reporting.tell(self.stores.auth.directory(), now, &self.stop).await;
        let queued = self.stores.queue.list(None, 100).unwrap();
        let to = |entry: &queue::Entry| {
            assert_eq!(entry.reverse_path, "");
            entry.recipients.iter().map(|recipient| recipient.address.clone()).collect::<Vec<_>>().join(" ")
        };
        let mut to: Vec<String> = queued.iter().map(to).collect();
        to.sort();
        to
    }
}

#[tokio::test]
async fn owners_of_domains_are_told_once_and_nobody_else_is() {
    let world = world();
    world.count_mail("own.example", "mailto:d@own.example,mailto:D@own.example!1");
    world.count_mail("far.example", "mailto:d@asked.example,mailto:d@victim.example");
    world.names.add("far.example._report._dmarc.asked.example", "TXT", "\"v=DMARC1\"");
    world.names.add("far.example._report._dmarc.victim.example", "TXT", "\"v=spf1 -all\"");
    assert_eq!(world.told(11).await, Vec::<String>::new(), "the day is not over");
    assert_eq!(world.told(17).await, ["d@asked.example", "d@own.example"]);
    assert_eq!(world.told(18).await.len(), 2);
}

#[tokio::test]
async fn a_report_comes_from_the_domain_that_this_host_is_in() {
    let world = world();
    let reporter = Reporter::of(&world.reporting.hostname, None, world.stores.auth.directory()).unwrap().unwrap();
    assert_eq!((reporter.hostname.as_str(), reporter.email.as_str()), ("mail.example.org", "postmaster@example.org"));
}

#[tokio::test]
async fn hosts_that_speak_no_tls_are_told_to_their_domain() {
    let world = world();
    world.names.add("_smtp._tls.a.example", "TXT", "\"v=TLSRPTv1; rua=mailto:tls@b.example\"");
    for domain in ["a.example", "silent.example"] {
        let failure = Some(TlsFailure::NotSupported);
        let outcome =
            TlsOutcome { domain: domain.into(), promise: Promise::Nothing, host: "mx".into(), address: None, failure };
        world.reporting.counts.session(outcome, NOW);
    }
    world.reporting.counts.write().unwrap();
    assert_eq!(world.told(17).await, ["tls@b.example"]);
    assert_eq!(
        world.reporting.counts.due(Timestamp(NOW.0 + 17 * HOUR_MILLIS)).unwrap(),
        [],
        "who asks for none is forgotten"
    );
}

#[tokio::test]
async fn where_the_dns_does_not_answer_it_is_told_later() {
    let world = world();
    world.count_mail("far.example", "mailto:d@asked.example");
    world.names.treat("far.example._report._dmarc.asked.example", Manner::Failing);
    assert_eq!(world.told(17).await, Vec::<String>::new());
    let names = FakeServer::start();
    names.add("far.example._report._dmarc.asked.example", "TXT", "\"v=DMARC1\"");
    let options = Options { servers: vec![names.address()], dnssec: false, ..Options::default() };
    let reporting = Reporting { dns: Dns::new(&options).unwrap(), ..world.reporting.clone() };
    let world = World { reporting, ..world };
    assert_eq!(world.told(18).await, ["d@asked.example"]);
}

#[tokio::test]
async fn a_crash_between_sending_and_forgetting_sends_no_second_report() {
    let world = world();
    world.count_mail("own.example", "mailto:d@own.example");
    let now = Timestamp(NOW.0 + 17 * HOUR_MILLIS);
    let due = world.reporting.counts.due(now).unwrap().remove(0);
    let reporter = Reporter::of(&world.reporting.hostname, None, world.stores.auth.directory()).unwrap().unwrap();
    let to = BTreeSet::from([Address("d@own.example".into(), None)]);
    // Its receipts are not answered, as if the process had died.
    drop(send(&world.stores.flow, &world.reporting.counts, &due, &reporter, &to, now).unwrap());
    assert_eq!(world.told(18).await, ["d@own.example"]);
    assert_eq!(world.reporting.counts.due(now).unwrap(), []);
}

/// A host that takes a message without TLS.
fn host() -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        stream.write_all(b"220 mx.a.example\r\n").unwrap();
        let mut is_content = false;
        for line in lines.map_while(Result::ok) {
            let answer = match line.as_str() {
                "DATA" => "354 go on",
                "." => "250 taken",
                "QUIT" => "221 bye",
                _ if is_content => continue,
                _ => "250 yes",
            };
            is_content = line == "DATA" || is_content && line != ".";
            stream.write_all(format!("{answer}\r\n").as_bytes()).unwrap();
        }
    });
    (port, talk)
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_the_queue_are_counted_but_not_those_that_bring_reports() {
    let world = world();
    world.names.add("a.example", "MX", "10 mx.a.example.");
    world.names.add("mx.a.example", "A", "127.0.0.2");
    let send = |from: &str, config: &mut Config| {
        let (port, talk) = host();
        config.delivery.port = port;
        let outgoing = outgoing(config, None, &world.reporting.dns);
        let outbound = Outbound::start(outgoing, &world.stores, world.stores.queue.clone(), Clock::start()).unwrap();
        let content = Arc::new(message::content::Content::new(b"Subject: x\r\n\r\nx\r\n".to_vec()));
        let to = smtp_proto::ForwardPath::Mailbox("you@a.example".parse().unwrap());
        let from = match from {
            "" => smtp_proto::ReversePath::Null,
            from => smtp_proto::ReversePath::Mailbox(from.parse().unwrap()),
        };
        let now = Timestamp(Clock::start().now().unix_millis);
        let entry = queue::NewEntry::new(from, vec![to.into()], content);
        world.stores.queue.enqueue(entry, now).unwrap().claim.into_iter().for_each(Claim::answered);
        while !world.stores.queue.list(None, 1).unwrap().is_empty() {
            thread::yield_now();
        }
        tokio::task::block_in_place(|| outbound.stop());
        talk.join().unwrap();
        world.reporting.counts.write().unwrap();
        let after = Timestamp(now.0 + 48 * HOUR_MILLIS);
        world.reporting.counts.due(after).unwrap().iter().map(|due| due.domain().to_owned()).collect::<Vec<_>>()
    };
    let mut config = world.config.clone();
    assert_eq!(send("", &mut config), Vec::<String>::new());
    assert_eq!(send("me@example.org", &mut config), ["a.example"]);
}

/// A host that takes what is posted, with a status; what it was told, and the file of who vouches for it.
fn place(status: &'static str) -> (u16, std::sync::mpsc::Receiver<(String, Vec<u8>)>, tempfile::NamedTempFile) {
    let certified = rcgen::generate_simple_self_signed(["r.a.example".to_owned()]).unwrap();
    let mut roots = tempfile::NamedTempFile::new().unwrap();
    roots.write_all(certified.cert.pem().as_bytes()).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let tls = Arc::new(tls);
    let listener = TcpListener::bind("127.0.0.8:0").unwrap();
    let (port, (told, heard)) = (listener.local_addr().unwrap().port(), std::sync::mpsc::channel());
    thread::spawn(move || {
        for socket in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut stream = BufReader::new(rustls::StreamOwned::new(session, socket.unwrap()));
            let mut head = String::new();
            while matches!(stream.read_line(&mut head), Ok(1..)) && !head.ends_with("\r\n\r\n") {}
            if head.is_empty() {
                continue;
            }
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split('\r').next()?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            if std::io::Read::read_exact(&mut stream, &mut body).is_err() {
                continue;
            }
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            let _gone = stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush());
            let _gone = told.send((head, body));
        }
    });
    (port, heard, roots)
}

impl World {
    /// The session of a host of `a.example` whose owner wants to be told so, told to the place at `port`.
    fn wants(self, rua: &str, port: u16, roots: &tempfile::NamedTempFile) -> Self {
        self.names.add("_smtp._tls.a.example", "TXT", &format!("\"v=TLSRPTv1; rua={rua}\""));
        self.names.add("r.a.example", "A", "127.0.0.8");
        let (host, address, failure) = ("mx".to_owned(), None, Some(TlsFailure::NotSupported));
        let outcome = TlsOutcome { domain: "a.example".into(), promise: Promise::Nothing, host, address, failure };
        self.reporting.counts.session(outcome, NOW);
        self.reporting.counts.write().unwrap();
        let https = Https::new(&Roots::File(roots.path().to_owned()), port).unwrap();
        let posting = Some(Posting::new(https, self.reporting.dns.clone()));
        Self { reporting: Reporting { posting, ..self.reporting }, ..self }
    }

    fn is_told(&self, hours: i64) -> bool {
        self.reporting.counts.due(Timestamp(NOW.0 + hours * HOUR_MILLIS)).unwrap().is_empty()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_tls_is_posted_where_its_domain_wants_it_so() {
    let (port, heard, roots) = place("201 Created");
    let world = world().wants("https://r.a.example/v1?of=a,mailto:tls@a.example", port, &roots);
    assert_eq!(world.told(17).await, ["tls@a.example"]);
    let (head, body) = heard.recv().unwrap();
    assert!(head.starts_with("POST /v1?of=a HTTP/1.1\r\n"), "{head}");
    let fields = head.to_lowercase();
    assert!(fields.contains("host: r.a.example\r\n") && fields.contains("content-type: application/tlsrpt+gzip\r\n"));
    assert!(body.starts_with(b"\x1f\x8b"), "it is packed");
    assert!(world.is_told(17));
    world.told(18).await;
    assert!(heard.try_recv().is_err(), "and once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_fails_is_asked_again_and_the_letter_beside_it_is_sent_once() {
    let (port, heard, roots) = place("503 Service Unavailable");
    let world = world().wants("https://r.a.example/,mailto:tls@a.example", port, &roots);
    assert_eq!(world.told(17).await, ["tls@a.example"]);
    assert!(heard.recv().is_ok() && !world.is_told(17));
    assert_eq!(world.told(17).await, ["tls@a.example"], "not at once");
    assert!(heard.try_recv().is_err());
    assert_eq!(world.told(18).await, ["tls@a.example"]);
    assert!(heard.recv().is_ok() && !world.is_told(18));
    // RFC 8460 §5.5: after a day it is given up.
    world.told(40).await;
    assert!(heard.recv().is_ok() && world.is_told(40));
}

/// What is logged, as it is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_round_in_which_a_place_failed_said_that_the_letter_beside_it_was_sent() {
    let (port, _heard, roots) = place("503 Service Unavailable");
    let world = world().wants("https://r.a.example/,mailto:tls@a.example", port, &roots);
    let log = Log::default();
    let lines = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    for hours in [17, 18, 19, 40] {
        world.told(hours).await;
    }
    drop(logging);
    assert!(world.is_told(40));
    assert!(world.reporting.logged.lock().is_empty(), "what is settled is forgotten");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    assert!(lines("a report is not sent yet") >= 3, "{log}");
    assert_eq!(lines("report sent"), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_nobody_vouches_for_or_that_wants_none_gets_none() {
    let (port, heard, _) = place("200 OK");
    let (_, _, others) = place("200 OK");
    let world = world().wants("https://r.a.example/", port, &others);
    assert_eq!(world.told(17).await, Vec::<String>::new());
    assert!(!world.is_told(17), "it may be mended tomorrow");
    assert!(heard.try_recv().is_err(), "nothing was said to whoever is there");
    // A head without end is not read to its end.
    let endless: &'static str = Box::leak(format!("200 OK\r\nX: {}", "x".repeat(4 << 20)).into_boxed_str());
    let (port, _, roots) = place(endless);
    let world = self::world().wants("https://r.a.example/", port, &roots);
    world.told(17).await;
    assert!(!world.is_told(17));
    let (port, heard, roots) = place("404 Not Found");
    let world = self::world().wants("https://r.a.example/", port, &roots);
    world.told(17).await;
    assert!(heard.recv().is_ok() && world.is_told(17));
}
