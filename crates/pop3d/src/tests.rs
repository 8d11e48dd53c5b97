//! Sessions in memory: no sockets, no clock, the simulated engine.

use crate::{
    AUTHORIZATION_TIMEOUT_MILLIS, ERRORS_MAX, IDLE_TIMEOUT_MILLIS, LoginDelay, Pop3Service, Pop3Session, State,
};
use auth::{Auth, AuthOptions};
use metrics::Commands;
use session::testing::TestJobs;
use session::{Doing, Goodbye, Moment, Peer, Session as _, Step, Tls};
use std::sync::Arc;
use std::task::Waker;
use store::objects::Objects;
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{Account, Actor, DeviceId, Flags, NewMessage, Protocol, Store, Target, Timestamp};

const NOW: Moment = Moment { unix_millis: 1_790_000_000_000, monotonic_millis: 1_000 };
const TIME: Timestamp = Timestamp(NOW.unix_millis);

struct World {
    engine: SimEngine,
    objects: SimObjects,
    store: Store,
    account: Account,
    service: Arc<Pop3Service>,
    password: String,
    address: &'static str,
}

/// An account with one POP3 device and the given bodies in its INBOX.
fn world(bodies: &[&str]) -> World {
    let (engine, objects) = (SimEngine::new(), SimObjects::new());
    let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
    let auth = Auth::open(store.clone(), [7; 32], AuthOptions::default()).unwrap();
    auth.directory().add_domain("example.org").unwrap();
    let id = auth.directory().add_account("alice@example.org", "correct horse battery", "Alice", TIME).unwrap();
    let (_, password) = auth.add_device(id, "Old PC", Some(RemovalPolicy::KeepWhenShared.into()), TIME).unwrap();
    let account = store.account(id);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: TIME };
    for body in bodies {
        let message = NewMessage { body: body.as_bytes().to_vec(), flags: Flags::default(), internal_date: TIME };
        account.append(actor, Target::Inbox, message).unwrap();
    }
    let service = Arc::new(Pop3Service {
        auth,
        hostname: "mail.example.org".into(),
        tls_available: true,
        login_delay: LoginDelay::new(0),
        commands: Commands::default(),
    });
    World { engine, objects, store, account, service, password, address: "127.0.0.1" }
}

impl World {
    fn connect(&self) -> Client {
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let jobs = TestJobs::at_once();
        let peer = Peer { address: self.address.parse().unwrap(), port: 9, tls: None, waker, jobs };
        let session = Pop3Session::new(Arc::clone(&self.service), peer);
        let mut client = Client { woken, session, now: NOW, last: Step::Wait };
        assert!(client.step().starts_with("+OK mail.example.org"));
        client
    }

    fn log_in(&self) -> Client {
        let mut client = self.connect();
        assert!(client.say("USER alice@example.org\r\n").starts_with("+OK"));
        assert!(client.say(&format!("PASS {}\r\n", self.password)).starts_with("+OK"));
        client
    }

    fn check(&self) {
        assert_eq!(store::check::all(&self.store, store::check::Depth::Bodies).unwrap(), []);
    }
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

struct Client {
    woken: Arc<Woken>,
    session: Pop3Session,
    now: Moment,
    last: Step,
}

impl Client {
    fn say(&mut self, text: &str) -> String {
        self.session.receive(text.as_bytes());
        self.step()
    }

    fn step(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            let mut output = Vec::new();
            self.last = self.session.step(self.now, &mut output);
            all.extend(output);
            if self.last != Step::Flush {
                return String::from_utf8(all).unwrap();
            }
        }
    }

    fn wait(&mut self, millis: u64) -> String {
        self.now = self.now.plus_millis(millis);
        self.step()
    }
}

/// RFC 1939 §5 and §7, on two messages, the second one with dots and without a line end at its end.
#[test]
fn every_command_answers_as_the_rfc_says() {
    let world = world(&["Subject: a\r\n\r\nHello\r\nyou\r\n", "Subject: b\r\n\r\n.dot\r\n..\r\nend"]);
    let mut client = world.log_in();
    let uidl: Vec<String> = client.say("UIDL\r\n").lines().map(str::to_owned).collect();
    let (one, two) = (uidl[1].clone(), uidl[2].clone());
    assert!(one.starts_with("1 M") && two.starts_with("2 M") && uidl.len() == 4, "{uidl:?}");
    for (command, expected) in [
        ("STAT", "+OK 2 55\r\n"),
        ("LIST", "+OK\r\n1 26\r\n2 29\r\n.\r\n"),
        ("LIST 2", "+OK 2 29\r\n"),
        ("list 3", "-ERR There is no message 3\r\n"),
        ("UIDL 1", &format!("+OK {one}\r\n")),
        ("RETR 2", "+OK 29 octets\r\nSubject: b\r\n\r\n..dot\r\n...\r\nend\r\n.\r\n"),
        ("TOP 1 0", "+OK 26 octets\r\nSubject: a\r\n\r\n.\r\n"),
        ("TOP 1 1", "+OK 26 octets\r\nSubject: a\r\n\r\nHello\r\n.\r\n"),
        ("TOP 1 99", "+OK 26 octets\r\nSubject: a\r\n\r\nHello\r\nyou\r\n.\r\n"),
        ("DELE 1", "+OK Message 1 is deleted at QUIT\r\n"),
        ("DELE 1", "-ERR Message 1 is deleted\r\n"),
        ("RETR 1", "-ERR Message 1 is deleted\r\n"),
        ("TOP 1 0", "-ERR Message 1 is deleted\r\n"),
        ("LIST 1", "-ERR Message 1 is deleted\r\n"),
        ("STAT", "+OK 1 29\r\n"),
        ("LIST", "+OK\r\n2 29\r\n.\r\n"),
        ("UIDL", &format!("+OK\r\n{two}\r\n.\r\n")),
        ("RSET", "+OK 2 55\r\n"),
        ("NOOP", "+OK\r\n"),
        ("USER x", "-ERR You are logged in already\r\n"),
        ("XYZ", "-ERR Unknown command\r\n"),
        ("DELE 2", "+OK Message 2 is deleted at QUIT\r\n"),
        ("QUIT", "+OK 1 deleted\r\n"),
    ] {
        assert_eq!(client.say(&format!("{command}\r\n")), expected, "{command}");
    }
    assert_eq!(client.last, Step::Close);
    world.check();
}

#[test]
fn pipelined_commands_in_any_segments_give_the_same_answers() {
    let world = world(&["Subject: a\r\n\r\nHello\r\n"; 3]);
    let script = "USER alice@example.org\r\nPASS PASSWORD\r\nSTAT\r\nLIST\r\nRETR 1\r\nTOP 2 0\r\nDELE 3\r\nUIDL 3\r\nRSET\r\nLIST 3\r\nNOOP\r\n";
    let script = script.replace("PASSWORD", &world.password);
    let whole = world.connect().say(&script);
    assert!(whole.contains("+OK 3 63"), "{whole}");
    for size in [1, 2, 3, 7, 50] {
        let mut client = world.connect();
        let pieces = script.as_bytes().chunks(size).map(|piece| client.say(std::str::from_utf8(piece).unwrap()));
        assert_eq!(pieces.collect::<String>(), whole, "segments of {size}");
    }
}

#[test]
fn an_answer_larger_than_memory_should_hold_comes_in_slices() {
    let large = format!("Subject: large\r\n\r\n{}", ".line of text\r\n".repeat(200_000));
    let world = world(&[&large]);
    let mut client = world.log_in();
    client.session.receive(b"RETR 1\r\n");
    let (mut all, mut slices) = (Vec::new(), 0);
    loop {
        let mut output = Vec::new();
        let step = client.session.step(NOW, &mut output);
        assert!(output.len() <= 2 * session::OUTPUT_HIGH_WATER_BYTES + 1024);
        all.extend(output);
        slices += 1;
        if step == Step::Wait {
            break;
        }
    }
    assert!(slices > 20);
    let text = String::from_utf8(all).unwrap();
    let body = text.split_once("\r\n").unwrap().1.strip_suffix(".\r\n").unwrap();
    assert_eq!(body.replace("\r\n..", "\r\n."), large);
}

#[test]
fn a_session_that_ends_without_quit_changes_nothing() {
    let world = world(&["a", "b"]);
    let mut client = world.log_in();
    client.say("DELE 1\r\n");
    drop(client);
    let mut client = world.log_in();
    assert_eq!(client.say("STAT\r\n"), "+OK 2 6\r\n");
    client.say("DELE 1\r\n");
    assert!(client.wait(IDLE_TIMEOUT_MILLIS).starts_with("-ERR"));
    assert_eq!(client.last, Step::Close);
    drop(client);
    let mut client = world.log_in();
    client.say("DELE 2\r\n");
    let mut goodbye = Vec::new();
    client.session.shut_down(Goodbye::ServerStops, &mut goodbye);
    assert!(goodbye.starts_with(b"-ERR"));
    drop(client);
    let mut client = world.log_in();
    client.say("DELE 2\r\n");
    let device = client.session.doing().device;
    assert!(device.is_some());
    assert_eq!(client.session.doing(), Doing { device, command: None, is_busy: false });
    goodbye.clear();
    client.session.shut_down(Goodbye::Ended, &mut goodbye);
    assert_eq!(goodbye, b"-ERR An administrator has ended this session; nothing was removed\r\n");
    drop(client);
    assert_eq!(world.log_in().say("STAT\r\n"), "+OK 2 6\r\n");
    world.check();
}

#[test]
fn numbers_stay_fixed_while_other_devices_change_the_mailbox() {
    let world = world(&["a", "bb"]);
    let (_, second) =
        world.service.auth.add_device(world.account.id(), "Tablet", Some(RemovalPolicy::Expunge.into()), TIME).unwrap();
    let mut client = world.log_in();
    let mut other = World { password: second, ..world.clone_world() }.log_in();
    other.say("DELE 1\r\n");
    assert_eq!(other.say("QUIT\r\n"), "+OK 1 deleted\r\n");
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: TIME };
    let message = NewMessage { body: b"ccc".to_vec(), flags: Flags::default(), internal_date: TIME };
    world.account.append(actor, Target::Inbox, message).unwrap();
    assert_eq!(client.say("STAT\r\n"), "+OK 2 7\r\n");
    assert_eq!(client.say("RETR 1\r\n"), "+OK 3 octets\r\na\r\n.\r\n", "still restorable, so still readable");
    client.say("DELE 1\r\n");
    client.say("DELE 2\r\n");
    assert!(client.say("QUIT\r\n").starts_with("+OK 2 deleted for this device"));
    drop(client);
    assert_eq!(world.log_in().say("STAT\r\n"), "+OK 1 5\r\n");
    world.check();
}

impl World {
    fn clone_world(&self) -> Self {
        World {
            engine: self.engine.clone(),
            objects: self.objects.clone(),
            store: self.store.clone(),
            account: self.account.clone(),
            service: Arc::clone(&self.service),
            password: self.password.clone(),
            address: self.address,
        }
    }
}

#[test]
fn a_second_session_of_the_same_device_is_in_use_and_another_device_is_not() {
    let world = world(&["a"]);
    let first = world.log_in();
    let mut second = world.connect();
    second.say("USER alice@example.org\r\n");
    assert!(second.say(&format!("PASS {}\r\n", world.password)).starts_with("-ERR [IN-USE]"));
    let (_, other) =
        world.service.auth.add_device(world.account.id(), "Other", Some(RemovalPolicy::Keep.into()), TIME).unwrap();
    second.say("USER alice@example.org\r\n");
    assert!(second.say(&format!("PASS {other}\r\n")).starts_with("+OK"));
    drop(first);
    world.log_in();
}

#[test]
fn deletions_that_cannot_be_stored_are_not_acknowledged() {
    let world = world(&["a"]);
    let mut client = world.log_in();
    client.say("DELE 1\r\n");
    world.engine.plan(0, store::sim::Fault::Full);
    assert!(client.say("QUIT\r\n").starts_with("-ERR [SYS/TEMP]"));
    drop(client);
    assert_eq!(world.log_in().say("STAT\r\n"), "+OK 1 3\r\n");
}

#[test]
fn a_rejected_login_is_told_late_and_nothing_is_read_meanwhile() {
    let world = world(&[]);
    let mut client = world.connect();
    assert!(client.say("USER alice@example.org\r\n").starts_with("+OK"));
    let reply = client.say("PASS wrong wrong\r\nCAPA\r\n");
    let reply = if reply.is_empty() {
        let until = client.session.deadline_millis().unwrap();
        client.wait(until - client.now.monotonic_millis)
    } else {
        reply
    };
    assert!(reply.starts_with("-ERR [AUTH]") && reply.contains("+OK Capabilities"), "{reply}");
}

#[test]
fn strangers_are_limited_in_time_and_errors() {
    let world = world(&[]);
    let mut client = world.connect();
    assert_eq!(client.wait(AUTHORIZATION_TIMEOUT_MILLIS - 1), "");
    assert_eq!(client.say("NOOP\r\n"), "-ERR Log in first\r\n");
    assert!(client.wait(1).starts_with("-ERR"));
    assert_eq!(client.last, Step::Close);

    let mut client = world.connect();
    for _ in 1..ERRORS_MAX {
        client.say("NOOP\r\n");
        assert_eq!(client.last, Step::Wait);
    }
    client.say("NOOP\r\n");
    assert_eq!(client.last, Step::Close);
}

#[test]
fn passwords_are_refused_without_tls_off_loopback_and_taken_with_it() {
    let world = World { address: "192.0.2.1", ..world(&["a"]) };
    let mut client = world.connect();
    let capabilities = client.say("CAPA\r\n");
    assert!(capabilities.contains("\r\nSTLS\r\n") && !capabilities.contains("SASL"));
    assert!(!capabilities.contains("\r\nUSER\r\n"));
    assert!(client.say("USER alice@example.org\r\n").starts_with("-ERR"));
    assert!(client.say("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n").starts_with("-ERR"));
    // RFC 2595 §4: what is pipelined behind STLS is never obeyed.
    assert_eq!(client.say("STLS\r\nUSER mallory\r\n"), "+OK Begin TLS\r\n");
    assert_eq!(client.last, Step::StartTls);
    client.session.tls_started(Tls { version: "TLSv1.3".into(), cipher: "x".into(), ..Tls::default() });
    let capabilities = client.say("CAPA\r\n");
    assert!(!capabilities.contains("STLS") && capabilities.contains("\r\nUSER\r\nSASL SCRAM-SHA-256 PLAIN"));
    assert!(client.say("PASS x\r\n").starts_with("-ERR USER first"));
    client.say("USER alice@example.org\r\n");
    assert!(client.say(&format!("PASS {}\r\n", world.password)).starts_with("+OK"));
}

#[test]
fn auth_plain_and_login_work_and_a_cancelled_one_is_told() {
    let world = world(&["a"]);
    let plain = sasl::client::plain(None, "alice@example.org", &world.password);
    let [user, password] = sasl::client::login("alice@example.org", &world.password);
    for script in [
        format!("AUTH PLAIN {plain}\r\n"),
        format!("AUTH PLAIN\r\n{plain}\r\n"),
        format!("AUTH LOGIN\r\n{user}\r\n{password}\r\n"),
        format!("AUTH PLAIN\r\n*\r\nAUTH PLAIN {plain}\r\n"),
    ] {
        let answer = world.connect().say(&script);
        assert!(answer.lines().last().unwrap().starts_with("+OK 1 messages"), "{script}: {answer}");
    }
    assert!(world.connect().say("AUTH CRAM-MD5\r\n").starts_with("-ERR"));
    assert_eq!(world.connect().say("AUTH\r\n"), "+OK Mechanisms\r\nSCRAM-SHA-256\r\nPLAIN\r\nLOGIN\r\n.\r\n");
}

/// RFC 1939 §11: the size is that of what is sent, in lines that end with CRLF.
#[test]
fn the_size_told_was_not_the_size_sent() {
    let bodies = [
        "Subject: s\r\n\r\nno newline at end",
        "Subject: lf\n\nfirst\n.\nlast\n",
        "Subject: ü\n\nboth",
        "Subject: plain\r\n\r\n.dot\r\n",
        "Subject: cr\r\n\r\na\rb\r",
    ];
    let world = world(&bodies);
    for utf8 in [false, true] {
        let mut client = world.connect();
        if utf8 {
            assert!(client.say("UTF8\r\n").starts_with("+OK"));
        }
        assert!(client.say("USER alice@example.org\r\n").starts_with("+OK"));
        assert!(client.say(&format!("PASS {}\r\n", world.password)).starts_with("+OK"));
        let list = client.say("LIST\r\n");
        let told: Vec<usize> = list.lines().skip(1).filter_map(|line| line.split(' ').nth(1)?.parse().ok()).collect();
        assert_eq!(told.len(), bodies.len(), "{list}");
        assert_eq!(client.say("STAT\r\n"), format!("+OK {} {}\r\n", bodies.len(), told.iter().sum::<usize>()));
        for (number, told) in (1..).zip(told) {
            let answer = client.say(&format!("RETR {number}\r\n"));
            let (first, rest) = answer.split_once("\r\n").unwrap();
            assert_eq!(first, format!("+OK {told} octets"));
            let lines: Vec<&str> = rest.strip_suffix(".\r\n").unwrap().split_inclusive('\n').collect();
            assert!(lines.iter().all(|line| line.ends_with("\r\n")), "{rest:?}");
            let sent: usize = lines.iter().map(|line| line.strip_prefix('.').unwrap_or(line).len()).sum();
            assert_eq!(sent, told, "{rest:?}");
            let top = client.say(&format!("TOP {number} 1\r\n"));
            assert!(top.split_inclusive('\n').all(|line| line.ends_with("\r\n")), "{top:?}");
        }
        assert!(client.say("QUIT\r\n").starts_with("+OK"));
    }
    world.check();
}

/// RFC 6856 §2.1: without UTF-8 mode a header in UTF-8 comes as a surrogate; sizes are those of what is sent.
#[test]
fn a_header_in_utf8_comes_as_it_is_only_in_utf8_mode() {
    let (original, body) = ("Subject: Grüße\r\nX: a\r\n\r\n", "Grüße\r\nzwei\r\n");
    let surrogate = "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nX: a\r\n\r\n";
    let world = world(&[&format!("{original}{body}"), "Subject: plain\r\n\r\nü\r\n"]);
    for (mode, header) in [("", surrogate), ("UTF8\r\n", original)] {
        let mut client = world.connect();
        client.say(&format!("{mode}USER alice@example.org\r\nPASS {}\r\n", world.password));
        let size = header.len() + body.len();
        let uidl = client.say("UIDL 1\r\n");
        assert!(uidl.starts_with("+OK 1 M") && uidl.len() == 22, "{uidl}");
        assert_eq!(client.say("STAT\r\n"), format!("+OK 2 {}\r\n", size + 22));
        assert_eq!(client.say("LIST\r\n"), format!("+OK\r\n1 {size}\r\n2 22\r\n.\r\n"));
        assert_eq!(client.say("LIST 1\r\n"), format!("+OK 1 {size}\r\n"));
        assert_eq!(client.say("RETR 1\r\n"), format!("+OK {size} octets\r\n{header}{body}.\r\n"));
        assert_eq!(client.say("TOP 1 1\r\n"), format!("+OK {size} octets\r\n{header}Grüße\r\n.\r\n"));
        assert_eq!(client.say("RETR 2\r\n"), "+OK 22 octets\r\nSubject: plain\r\n\r\nü\r\n.\r\n");
        assert_eq!(client.say("UTF8\r\n"), "-ERR You are logged in already\r\n");
    }
    world.check();
}

/// RFC 6856 §2.1: STLS after UTF8 is refused. §7: what was said before TLS does not choose the language.
#[test]
fn a_language_said_in_the_clear_is_forgotten_under_tls() {
    let world = World { address: "192.0.2.1", ..world(&[]) };
    let mut client = world.connect();
    assert_eq!(client.say("LANG de\r\n"), "+OK de Das ist Deutsch\r\n");
    assert_eq!(client.say("NOOP\r\n"), "-ERR Erst anmelden\r\n");
    assert_eq!(client.say("STLS\r\n"), "+OK TLS kann beginnen\r\n");
    client.session.tls_started(Tls { version: "TLSv1.3".into(), cipher: "x".into(), ..Tls::default() });
    assert_eq!(client.say("NOOP\r\n"), "-ERR Log in first\r\n");

    let mut client = world.connect();
    assert!(client.say("UTF8\r\n").starts_with("+OK"));
    assert_eq!(client.say("STLS\r\n"), "-ERR STLS comes before UTF8\r\n");
    assert_eq!(client.last, Step::Wait);
}

/// RFC 2449 §6.5: counted from the `+OK`; a login that is refused for another reason does not begin the delay.
#[test]
fn a_login_before_the_delay_is_over_is_refused() {
    let mut world = world(&["a"]);
    let auth = world.service.auth.clone();
    let (hostname, login_delay) = ("mail.example.org".to_owned(), LoginDelay::new(10));
    let commands = Commands::default();
    world.service = Arc::new(Pop3Service { auth, hostname, tls_available: true, login_delay, commands });
    let first = world.log_in();
    let log_in = format!("USER alice@example.org\r\nPASS {}\r\n", world.password);
    let mut client = world.connect();
    assert!(client.say("CAPA\r\n").contains("\r\nLOGIN-DELAY 10\r\n"));
    let refused = "-ERR [LOGIN-DELAY] You were here just now; the next login is welcome in 10 seconds\r\n";
    assert!(client.say(&log_in).ends_with(refused));
    client.now = client.now.plus_millis(9_999);
    assert!(client.say(&log_in).contains("-ERR [LOGIN-DELAY]"));
    client.now = client.now.plus_millis(1);
    assert!(client.say(&log_in).contains("-ERR [IN-USE]"));
    drop(first);
    assert!(client.say(&log_in).contains("+OK 1 messages"));
}

/// The main password over POP3: what one program deletes is not missed by another that logs in otherwise.
#[test]
fn programs_with_the_main_password_are_told_apart_by_how_they_log_in() {
    let mut world = world(&["a"]);
    world.password = "correct horse battery".to_owned();
    let plain = sasl::client::plain(None, "alice@example.org", &world.password);
    let capable = |world: &World| {
        let mut client = world.connect();
        client.say("CAPA\r\n");
        client.say(&format!("AUTH PLAIN {plain}\r\n"));
        client
    };
    world.log_in().say("QUIT\r\n");
    for _ in 0..2 {
        capable(&world).say("QUIT\r\n");
        world.log_in().say("QUIT\r\n");
    }
    let mut second = capable(&world);
    let mut first = world.log_in();
    first.say("RETR 1\r\nDELE 1\r\n");
    assert!(first.say("QUIT\r\n").starts_with("+OK 1 deleted for this device; 1 of them stay"));
    assert_eq!(second.say("STAT\r\n"), "+OK 1 3\r\n");
    second.say("QUIT\r\n");
    assert_eq!(capable(&world).say("STAT\r\n"), "+OK 1 3\r\n");
    assert_eq!(world.log_in().say("STAT\r\n"), "+OK 0 0\r\n");
    world.check();
}

/// A message over a slow line takes longer than the timeout; the session must not end just as it is through.
#[test]
fn a_slow_download_is_not_idle() {
    let large = format!("Subject: large\r\n\r\n{}", "line of text\r\n".repeat(40_000));
    let world = world(&[&large]);
    let mut client = world.log_in();
    client.session.receive(b"RETR 1\r\nDELE 1\r\n");
    let (mut slices, mut last) = (0, Vec::new());
    loop {
        let mut output = Vec::new();
        client.last = client.session.step(client.now, &mut output);
        last = if output.is_empty() { last } else { output };
        if client.last != Step::Flush {
            break;
        }
        slices += 1;
        client.now = client.now.plus_millis(IDLE_TIMEOUT_MILLIS - 1);
    }
    assert!(slices > 3 && last.ends_with(b"+OK Message 1 is deleted at QUIT\r\n"), "{slices}");
    assert_eq!(client.wait(IDLE_TIMEOUT_MILLIS - 1), "");
    assert_eq!(client.say("QUIT\r\n"), "+OK 1 deleted\r\n");
}

/// Outlook deletes what another session of it has deleted already; it must get as far as QUIT all the same.
#[test]
fn refusals_after_the_login_do_not_end_the_session() {
    let world = world(&["a"]);
    let mut client = world.log_in();
    client.say("DELE 1\r\n");
    for _ in 0..2 * ERRORS_MAX {
        assert_eq!(client.say("DELE 1\r\n"), "-ERR Message 1 is deleted\r\n");
    }
    assert_eq!(client.say("QUIT\r\n"), "+OK 1 deleted\r\n");
    // Lines that are none still do.
    let mut client = world.log_in();
    let answers: String = (0..ERRORS_MAX).map(|_| client.say("XYZ\r\n")).collect();
    assert!(answers.ends_with("-ERR Too many errors\r\n") && client.last == Step::Close, "{answers}");
}

/// RFC 1939 §5: what a client is sent as a message is that message.
#[test]
fn a_message_that_was_not_read_was_held_whole() {
    let large = format!("Subject: large\r\n\r\n{}", "line of text\r\n".repeat(700_000));
    let world = world(&[&large, "Subject: small\r\n\r\nsmall\r\n"]);
    for (command, sent) in [("RETR 1\r\n", large.len()), ("TOP 1 600000\r\n", 18 + 600_000 * 14)] {
        let mut client = world.log_in();
        client.session.receive(command.as_bytes());
        let (mut all, mut slices) = (0, 0);
        loop {
            let mut output = Vec::new();
            client.last = client.session.step(client.now, &mut output);
            assert!(output.capacity() <= 256 * 1024, "{} of output", output.capacity());
            let State::Transaction(transaction) = &client.session.state else { panic!() };
            assert!(transaction.held_bytes() <= 128 * 1024, "{} of the message", transaction.held_bytes());
            all += output.len();
            slices += 1;
            if client.last != Step::Flush {
                break;
            }
        }
        assert!(slices > 100, "{slices}");
        assert_eq!(all, format!("+OK {} octets\r\n.\r\n", large.len()).len() + sent, "{command}");
        assert!(client.say("RETR 2\r\n").starts_with("+OK 25 octets\r\nSubject: small\r\n"));
        client.say("QUIT\r\n");
    }
}

#[test]
fn a_damaged_message_is_refused_and_one_that_becomes_so_ends_the_connection() {
    let large = format!("Subject: large\r\n\r\n{}", "line of text\r\n".repeat(700_000));
    let world = world(&[&large, "a"]);
    let name = world.objects.list(world.account.id()).unwrap().remove(0).0;
    let mut client = world.log_in();
    client.session.receive(b"RETR 1\r\n");
    let mut sent = Vec::new();
    while sent.is_empty() {
        assert_eq!(client.session.step(client.now, &mut sent), Step::Flush);
    }
    assert!(world.objects.corrupt(world.account.id(), &name));
    let rest = client.step();
    assert!(client.last == Step::Close && !rest.ends_with("\r\n.\r\n"), "{}", rest.len());
    drop(client);
    let mut client = world.log_in();
    assert!(client.say("RETR 1\r\n").starts_with("-ERR [SYS/TEMP]"));
    assert_eq!(client.say("RETR 2\r\n"), "+OK 3 octets\r\na\r\n.\r\n");
}

#[test]
fn pop3_deleted_and_expunged_after_its_device_was_revoked() {
    const ENDED: &str = "-ERR This login does not count any more; nothing was removed. Log in again\r\n";
    let revoke = |world: &World| {
        let device = *world.account.devices().unwrap().keys().next().unwrap();
        world.service.auth.revoke_device(world.account.id(), device, TIME).unwrap();
    };
    let disable = |world: &World| world.service.auth.directory().set_disabled("alice@example.org", true).unwrap();
    let ways: [&dyn Fn(&World); 2] = [&revoke, &disable];
    for way in ways {
        for command in ["RETR 1\r\n", "DELE 1\r\n", "QUIT\r\n", ""] {
            let world = world(&["Subject: a\r\n\r\n", "Subject: b\r\n\r\n"]);
            let mut client = world.log_in();
            client.say("DELE 1\r\nDELE 2\r\n");
            way(&world);
            assert!(client.woken.0.load(std::sync::atomic::Ordering::SeqCst));
            assert_eq!(client.say(command), ENDED, "{command:?}");
            assert_eq!(client.last, Step::Close);
            let inbox = world.account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
            assert_eq!(world.account.view(inbox).unwrap().index().len(), 2);
            world.check();
        }
    }
}

/// QUIT of a session that deleted many is announced before anything is removed, and `+OK` comes after the last piece.
#[test]
fn quit_works_through_many_messages_in_pieces_and_answers_at_the_end() {
    let many = store::PIECE_MESSAGES_MAX + 1;
    let world = world(&vec!["a: b\r\n\r\n"; many]);
    let mut client = world.log_in();
    let dele: String = (1..=many).map(|number| format!("DELE {number}\r\n")).collect();
    client.say(&dele);
    let before = world.engine.commits();
    client.session.receive(b"QUIT\r\n");
    let mut output = Vec::new();
    assert_eq!((client.session.step(NOW, &mut output), output.len()), (Step::Flush, 0));
    assert_eq!(world.engine.commits(), before, "it waits for a place");
    assert_eq!((client.session.step(NOW, &mut output), output.len()), (Step::Flush, 0));
    assert_eq!(client.session.step(NOW, &mut output), Step::Close);
    assert!(output.starts_with(b"+OK"), "{}", String::from_utf8_lossy(&output));
    // One message in the last commit.
    assert_eq!(world.engine.commits() - before, 2);
    world.check();
}

#[test]
fn a_large_maildrop_was_opened_in_a_step_that_nobody_announced() {
    let max = usize::try_from(crate::authorization::UNANNOUNCED_MESSAGES_MAX).unwrap();
    for (messages, is_announced) in [(max, false), (max + 1, true)] {
        let world = world(&vec!["a: b\r\n\r\n"; messages]);
        // From now on the password is known.
        world.log_in().say("QUIT\r\n");
        let mut client = world.connect();
        client.session.receive(format!("USER alice@example.org\r\nPASS {}\r\n", world.password).as_bytes());
        let mut steps = Vec::new();
        loop {
            let mut output = Vec::new();
            let step = client.session.step(client.now, &mut output);
            steps.push((step, String::from_utf8(output).unwrap().lines().count()));
            if step != Step::Flush {
                break;
            }
        }
        let expected = if is_announced { vec![(Step::Flush, 1), (Step::Wait, 1)] } else { vec![(Step::Wait, 2)] };
        assert_eq!(steps, expected, "{messages}");
    }
}

/// A client that takes all its mail waited for a transaction of the store for each message.
#[test]
fn each_of_many_messages_was_read_by_itself() {
    // Among them some that are large.
    let text = |n: usize| if n % 3 == 1 { "a line of text\r\n".repeat(1200) } else { format!("body {n}\r\n") };
    let bodies: Vec<String> = (1..=40).map(|n| format!("Subject: {n}\r\n\r\n{}", text(n))).collect();
    let world = world(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = world.log_in();
    let mut retr = |n: usize| client.say(&format!("RETR {n}\r\n"));
    let is_whole = |n: usize, answer: &str| answer.ends_with(&format!("{}.\r\n", bodies[n - 1]));
    assert!(is_whole(1, &retr(1)) && is_whole(2, &retr(2)));
    world.engine.plan_read_error(0);
    for n in 3..=34 {
        assert!(is_whole(n, &retr(n)), "{n}");
    }
    assert!(retr(35).starts_with("-ERR [SYS/TEMP]"), "no more than these were read");
    assert!(is_whole(35, &retr(35)) && is_whole(3, &retr(3)) && is_whole(40, &retr(40)));
}
