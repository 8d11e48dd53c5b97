//! The sender against a scripted server on loopback; the clock stands still unless a test moves it.

use super::*;
use crate::entry::{Entry, QueueId, RecipientState};
use crate::queue::Body;
use crate::queue::tests::{message, open};
use crate::smarthost::Smarthost;
use crate::wire::MailObject;
use crate::{Error, Matter, NewEntry, Policy, Recipient, Released, Report, Roots, Said, Security};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use smtp_proto::{MailReports, Message};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;
use store::Store;
use store::sim::{SimEngine, SimObjects};

const NOW: i64 = 1_790_000_000_000;
const TIME: Duration = Duration::from_secs(20);

/// How the server talks.
struct Script {
    /// Replies to the n-th RCPT over all connections.
    rcpt: Vec<&'static str>,
    /// Reply to the content.
    content: &'static str,
    tls: Option<Arc<ServerConfig>>,
    implicit: bool,
    /// A line of the reply to EHLO.
    offer: &'static str,
}

impl Default for Script {
    fn default() -> Self {
        Self { rcpt: Vec::new(), content: "250 2.0.0 taken", tls: None, implicit: false, offer: "HELP" }
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Serves `connections` connections one after another and tells each line that it hears (and each whole message).
fn serve(script: Script, connections: usize) -> (u16, Receiver<String>) {
    serve_at("127.0.0.1:0", script, connections)
}

fn serve_at(address: &str, script: Script, connections: usize) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut replies = script.rcpt.clone().into_iter();
        for _ in 0..connections {
            let (socket, _) = listener.accept().unwrap();
            let stream: Box<dyn Stream> =
                if script.implicit { start_tls(&script, Box::new(socket)) } else { Box::new(socket) };
            talk(&script, &mut replies, stream, &mut |line| drop(heard.send(line)));
        }
    });
    (port, lines)
}

fn start_tls(script: &Script, stream: Box<dyn Stream>) -> Box<dyn Stream> {
    let tls = ServerConnection::new(script.tls.clone().unwrap()).unwrap();
    Box::new(StreamOwned::new(tls, stream))
}

fn talk(
    script: &Script,
    replies: &mut dyn Iterator<Item = &'static str>,
    stream: Box<dyn Stream>,
    hear: &mut dyn FnMut(String),
) {
    let mut stream = BufReader::new(stream);
    let say = |stream: &mut BufReader<Box<dyn Stream>>, text: &str| {
        let _ = stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).and_then(|()| stream.get_mut().flush());
    };
    let mut is_tls = script.implicit;
    let mut has_taken_some = false;
    say(&mut stream, "220 test");
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line), Ok(1..)) {
            return;
        }
        let line = line.trim_end().to_owned();
        hear(line.clone());
        match line.split([' ', ':']).next().unwrap() {
            "EHLO" if script.tls.is_some() && !is_tls => say(&mut stream, "250-test\r\n250 STARTTLS"),
            "EHLO" => {
                let offer = script.offer;
                let lines = format!(
                    "250-test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-{offer}\r\n250 AUTH PLAIN"
                );
                say(&mut stream, &lines);
            }
            "STARTTLS" => {
                say(&mut stream, "220 go");
                stream = BufReader::new(start_tls(script, stream.into_inner()));
                is_tls = true;
            }
            "AUTH" => say(&mut stream, "235 in"),
            "RCPT" => {
                let reply = replies.next().unwrap_or("250 ok");
                has_taken_some |= reply.starts_with('2');
                say(&mut stream, reply);
            }
            "DATA" if !has_taken_some => say(&mut stream, "503 5.5.1 for nobody"),
            "DATA" => {
                has_taken_some = false;
                say(&mut stream, "354 go");
                let mut content = String::new();
                while !content.ends_with("\r\n.\r\n") {
                    if !matches!(stream.read_line(&mut content), Ok(1..)) {
                        return;
                    }
                }
                hear(content);
                say(&mut stream, script.content);
            }
            "QUIT" => return say(&mut stream, "221 bye"),
            _ => say(&mut stream, "250 ok"),
        }
    }
}

/// What somebody was told.
#[derive(Debug)]
struct Bounce {
    id: QueueId,
    /// In which matter of a message; `None` of one that is damaged.
    matter: Option<Matter>,
    recipient: String,
    /// Each recipient with its last reply, and who spoke.
    text: String,
}

impl Bounce {
    fn of(notice: Notice<'_>) -> Self {
        match notice {
            Notice::Damaged { id, why, .. } => {
                Self { id, matter: None, recipient: "postmaster".to_owned(), text: why.to_owned() }
            }
            Notice::Said(Said { entry, recipient, state, protection }) => {
                let reply = Recipient { state: state.clone(), ..entry.recipients[0].clone() }.last_reply().cloned();
                let text = format!("{protection:?} {}", reply.map_or(0, |reply| reply.code));
                Self { id: entry.id, matter: None, recipient: recipient.to_owned(), text }
            }
            Notice::Report(Report { matter, entry, .. }) => {
                let line = |recipient: &Recipient| {
                    let reply = recipient.last_reply().unwrap();
                    let author = reply.host.as_deref().filter(|_| reply.by_smarthost).unwrap_or("-");
                    format!("{} {author} {} {} {}\n", recipient.address, reply.code, reply.status, reply.text)
                };
                let text = entry.to_report(matter).map(line).collect();
                Self { id: entry.id, matter: Some(matter), recipient: entry.reverse_path.clone(), text }
            }
        }
    }
}

struct World {
    queue: Queue,
    sender: Sender,
    clock: Arc<AtomicI64>,
    bounces: Receiver<Bounce>,
}

fn smarthost(port: u16) -> Smarthost {
    Smarthost {
        host: "localhost".into(),
        port,
        security: Security::Loopback,
        roots: Roots::System,
        credentials: None,
        hello: "mail.example.org".into(),
        connections_max: 2,
    }
}

/// `refuse_bounces`: so many bounces cannot be delivered at first.
fn start(queue: Queue, smarthost: Smarthost, refuse_bounces: i64) -> World {
    start_with(queue, Outgoing::to(smarthost), refuse_bounces)
}

fn start_with(queue: Queue, outgoing: Outgoing, refuse_bounces: i64) -> World {
    start_with_door(queue, outgoing, refuse_bounces, Arc::new(|_, _| Ok(Released::default())))
}

fn start_with_door(queue: Queue, outgoing: Outgoing, refuse_bounces: i64, release: Releaser) -> World {
    let clock = Arc::new(AtomicI64::new(NOW));
    let (bounced, bounces) = mpsc::channel();
    let bounced = Mutex::new((bounced, refuse_bounces));
    let report: Reporter = Arc::new(move |notice: Notice<'_>| {
        let mut bounced = bounced.lock().unwrap();
        bounced.1 -= 1;
        if bounced.1 >= 0 {
            return Err(ReportError::Later("disk full".into()));
        }
        bounced.0.send(Bounce::of(notice)).unwrap();
        Ok(Vec::new())
    });
    let hands = Arc::clone(&clock);
    let clock_of_sender: Clock = Arc::new(move || Timestamp(hands.load(Ordering::SeqCst)));
    let sender = Sender::start(queue.clone(), outgoing, report, release, clock_of_sender).unwrap();
    World { queue, sender, clock, bounces }
}

impl World {
    /// Waits, by the queue's own wake-ups, until `is_so`.
    fn until(&self, is_so: impl Fn(&Queue) -> bool) {
        let end = Instant::now() + TIME;
        let mut state = self.sender.shared.lock();
        while !is_so(&self.queue) {
            assert!(Instant::now() < end, "{:?}", self.queue.list(None, 10));
            state.watching += 1;
            state = self.sender.shared.changed.wait_timeout(state, Duration::from_millis(50)).unwrap().0;
            state.watching -= 1;
        }
    }

    fn until_empty(&self) {
        self.until(|queue| queue.list(None, 1).unwrap().is_empty());
    }

    fn pass(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
        self.sender.wake();
    }
}

fn hear(lines: &Receiver<String>, expected: &str) {
    loop {
        let line = lines.recv_timeout(TIME).unwrap_or_else(|_| panic!("{expected:?} did not come"));
        if line.contains(expected) {
            return;
        }
    }
}

mod direct;
mod hard;
mod later;
mod news;
mod requiretls;
mod said;
mod slow;
mod sts;
mod terms;
mod ways;
mod written;

#[test]
fn a_message_goes_out_and_leaves_the_queue() {
    let (port, lines) = serve(Script::default(), 1);
    let world = start(open(&SimEngine::new()), smarthost(port), 0);
    world.queue.enqueue(message("me@x", &["a@y", "b@y"], b"A: b\r\n\r\n.dot\r\n"), Timestamp(NOW)).unwrap();
    hear(&lines, "EHLO mail.example.org");
    hear(&lines, "MAIL FROM:<me@x>");
    hear(&lines, "RCPT TO:<a@y>");
    hear(&lines, "RCPT TO:<b@y>");
    hear(&lines, "A: b\r\n\r\n..dot\r\n.\r\n");
    world.until_empty();
    hear(&lines, "QUIT");
    world.sender.stop(TIME);
}

/// Two servers have one queue; the second one leads before the first one knows.
#[test]
fn of_two_servers_only_the_one_that_leads_sends() {
    let engine = SimEngine::new();
    let ((old, not_heard), (new, heard)) = (serve(Script::default(), 1), serve(Script::default(), 1));
    let (doors, second) = (open(&engine), open(&engine));
    let first = start(doors.lead(1).unwrap(), smarthost(old), 0);
    let second = second.lead(2).unwrap();
    // What comes in is nobody's term.
    doors.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    assert!(first.sender.shared.wait_for_threads(TIME), "it stops by itself");
    let second = start(second, smarthost(new), 0);
    hear(&heard, "RCPT TO:<a@y>");
    second.until_empty();
    assert!(not_heard.try_iter().all(|line| !line.starts_with("MAIL")));
    second.sender.stop(TIME);
}

#[test]
fn each_recipient_has_its_own_fate() {
    let script = Script { rcpt: vec!["250 ok", "450 4.2.1 later", "550 5.1.1 never"], ..Script::default() };
    let (port, lines) = serve(script, 2);
    let world = start(open(&SimEngine::new()), smarthost(port), 0);
    let id = world.queue.enqueue(message("me@x", &["a@y", "b@y", "c@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    assert_eq!((bounce.id, bounce.recipient.as_str()), (id, "me@x"));
    assert_eq!((bounce.matter, bounce.text.as_str()), (Some(Matter::Failed), "c@y - 550 5.1.1 never\n"));
    world.until(|queue| queue.show(id).unwrap().matter().is_none());
    assert_eq!(world.queue.show(id).unwrap().attempts, 1);
    hear(&lines, "QUIT");
    world.pass(60_000);
    // Only who waits is tried again, and nobody is told twice.
    hear(&lines, "MAIL FROM");
    assert_eq!(lines.recv_timeout(TIME).unwrap(), "RCPT TO:<b@y>");
    assert_eq!(lines.recv_timeout(TIME).unwrap(), "DATA");
    world.until_empty();
    assert!(world.bounces.try_recv().is_err());
    world.sender.stop(TIME);
}

#[test]
fn a_bounce_that_finds_no_room_is_tried_again() {
    let (port, _lines) = serve(Script { content: "554 5.7.1 spam", ..Script::default() }, 1);
    let world = start(open(&SimEngine::new()), smarthost(port), 1);
    let id = world.queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    world.until(|queue| queue.show(id).unwrap().attempts == 2);
    assert!(world.bounces.try_recv().is_err());
    world.pass(60_000);
    assert!(world.bounces.recv_timeout(TIME).unwrap().text.contains("5.7.1 spam"));
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn a_dead_smarthost_delays_and_in_the_end_bounces() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = start(open(&SimEngine::new()), smarthost(port), 0);
    let id = world.queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    let entry = world.queue.show(id).unwrap();
    let RecipientState::Waiting { last: Some(last) } = &entry.recipients[0].state else { panic!("{entry:?}") };
    assert!(!last.by_smarthost && last.text.contains("refused"), "{last:?}");
    assert_eq!(entry.next_at.0, NOW + 60_000);
    world.pass(i64::try_from(Policy::default().lifetime_millis).unwrap());
    assert!(world.bounces.recv_timeout(TIME).unwrap().text.contains("not delivered in time"));
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn a_message_that_another_server_takes_without_reporting_is_reported_here() {
    let (port, lines) = serve(Script::default(), 1);
    let world = start(open(&SimEngine::new()), smarthost(port), 0);
    let mut new = message("me@x", &["a@y", "b@y"], b"S: 1\r\n\r\n");
    new.recipients[0].reports.notify = "SUCCESS".parse().ok();
    world.queue.enqueue(new, Timestamp(NOW)).unwrap();
    hear(&lines, "RCPT TO:<a@y>");
    let told = world.bounces.recv_timeout(TIME).unwrap();
    assert_eq!((told.matter, told.text.as_str()), (Some(Matter::Relayed), "a@y - 250 2.0.0 taken\n"));
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn a_damaged_message_stalls_nobody_and_the_administrators_are_told() {
    let (port, heard) = serve(Script::default(), 1);
    let engine = SimEngine::new();
    let queue = open(&engine);
    let new = || NewEntry { account: Some(store::AccountId(20)), ..message("me@x", &["a@y"], b"S: 1\r\n\r\n") };
    let first = queue.enqueue(new(), Timestamp(NOW)).unwrap().id;
    let second = queue.enqueue(new(), Timestamp(NOW)).unwrap().id;
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(store::TableId::Queue);
    let cut = table.change::<_, store::Error>(|tx| {
        tx.put(&[&b"b"[..], &first.0.to_be_bytes(), &[0; 4]].concat(), b"S".to_vec());
        Ok(())
    });
    cut.unwrap();
    let world = start(queue, smarthost(port), 0);
    world.until(|queue| queue.show(second).is_err());
    hear(&heard, "MAIL FROM:<me@x>");
    let letter = world.bounces.recv().unwrap();
    assert!(letter.recipient == "postmaster" && letter.id == first && letter.text.contains("octets"), "{letter:?}");
    assert_eq!(world.queue.damaged(9).unwrap()[0].id, first);
    world.sender.stop(TIME);
}

#[test]
fn a_held_message_stays() {
    let (port, lines) = serve(Script::default(), 1);
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    queue.hold(id).unwrap();
    let world = start(queue, smarthost(port), 0);
    let second = world.queue.enqueue(message("me@x", &["b@y"], b"S: 2\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    world.until(|queue| queue.show(second) == Err(Error::NoSuchEntry));
    world.sender.stop(TIME);
    assert_eq!(world.queue.list(None, 9).unwrap().len(), 1);
    assert!(lines.try_iter().all(|line| line != "RCPT TO:<a@y>"));
}

fn tls(names: &[&str]) -> (Arc<ServerConfig>, tempfile::NamedTempFile) {
    let own = rcgen::generate_simple_self_signed(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(own.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    (Arc::new(config), file)
}

fn secure(port: u16, security: Security, roots: &tempfile::NamedTempFile) -> Smarthost {
    let credentials = Some(smtp_proto::Credentials { user: "u".into(), password: "p".into() });
    Smarthost { security, roots: Roots::File(roots.path().to_owned()), credentials, ..smarthost(port) }
}

#[test]
fn tls_comes_before_the_password() {
    for implicit in [false, true] {
        let (config, roots) = tls(&["localhost"]);
        let (port, lines) = serve(Script { tls: Some(config), implicit, ..Script::default() }, 1);
        let security = if implicit { Security::Tls } else { Security::StartTls };
        let world = start(open(&SimEngine::new()), secure(port, security, &roots), 0);
        world.queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
        world.until_empty();
        world.sender.stop(TIME);
        let said: Vec<String> = lines.try_iter().collect();
        let auth = said.iter().position(|line| line == "AUTH PLAIN AHUAcA==").unwrap();
        assert_eq!(said[..auth].contains(&"STARTTLS".to_owned()), !implicit, "{said:?}");
    }
}

#[test]
fn a_foreign_certificate_gets_no_password_and_no_message() {
    let (config, roots) = tls(&["other.example"]);
    let (port, lines) = serve(Script { tls: Some(config), ..Script::default() }, 1);
    let world = start(open(&SimEngine::new()), secure(port, Security::StartTls, &roots), 0);
    let id = world.queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    world.sender.stop(TIME);
    assert!(lines.try_iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")));
}

#[test]
fn cleartext_stays_on_this_machine() {
    let outgoing = Outgoing::to(Smarthost { host: "192.0.2.1".into(), ..smarthost(25) });
    let reach = Reach::new(&outgoing, &open(&SimEngine::new())).unwrap();
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"m"), Timestamp(NOW)).unwrap().id;
    let entry = queue.show(id).unwrap();
    let content = Body::open(&queue, &entry, None).unwrap();
    let mut mail = MailObject { envelope: envelope(), content, waives_tls: false, may_come_back: false };
    let told = reach.deliver(&Destination::Smarthost, &mut mail, Session::none(), &|_| {}, Timestamp(NOW));
    assert!(told.unreached.unwrap().last.text.contains("not on this machine"));
}

fn envelope() -> Message {
    Message {
        reverse_path: smtp_proto::ReversePath::Null,
        recipients: vec![smtp_proto::ForwardPath::Postmaster.into()],
        size_bytes: 1,
        eight_bit: false,
        smtputf8: false,
        reports: MailReports::default(),
        deliver_by: None,
        requires_tls: false,
    }
}

#[test]
fn stopping_cuts_a_connection_that_hangs() {
    // It accepts and never greets.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = start(open(&SimEngine::new()), smarthost(listener.local_addr().unwrap().port()), 0);
    let id = world.queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let (_socket, _) = listener.accept().unwrap();
    let begin = Instant::now();
    world.sender.stop(Duration::from_millis(10));
    assert!(begin.elapsed() < TIME);
    // The attempt that this server broke off does not count.
    assert_eq!(world.queue.show(id).unwrap().attempts, 0);
}
