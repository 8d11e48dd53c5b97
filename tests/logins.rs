//! A login is the same over SMTP, POP3 and IMAP: one table of what is said, and how each of them answers.

#![allow(clippy::unwrap_used)]

use auth::{Auth, AuthOptions, Scram};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use directory::{DirectoryOptions, PasswordCost};
use login::{FAILURES_MAX, Refusal, UNREAD_BYTES_MAX};
use sasl::Binding;
use sasl::scram::client;
use session::testing::TestJobs;
use session::{Moment, Peer, Session, Step, Tls};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{Protocol, Store};

const ALICE: &str = "Alice@example.org";
const PASSWORD: &str = "correct horse battery";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PROTOCOLS: [Protocol; 3] = [Protocol::Imap, Protocol::Pop3, Protocol::Submission];

/// How a login ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    LetIn,
    No(Refusal),
    /// The connection ended for what was sent while an answer waited.
    Flooded,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn server() -> Auth {
    server_with(Scram::Off)
}

fn open(store: &Store, scram: Scram) -> Auth {
    let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    let options = AuthOptions { directory, scram, ..AuthOptions::default() };
    Auth::open(store.clone(), [7; 32], options).unwrap()
}

fn server_with(scram: Scram) -> Auth {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let auth = open(&store, scram);
    auth.directory().add_domain("example.org").unwrap();
    auth.directory().add_account(ALICE, PASSWORD, "", SIM_EPOCH).unwrap();
    auth
}

struct Client {
    protocol: Protocol,
    session: Box<dyn Session>,
    now: Moment,
    last: Step,
    woken: Arc<Woken>,
    answers: String,
}

impl Client {
    fn connect(auth: &Auth, protocol: Protocol) -> Self {
        Self::connect_with(auth, protocol, TestJobs::at_once())
    }

    fn connect_with(auth: &Auth, protocol: Protocol, jobs: Arc<TestJobs>) -> Self {
        Self::connect_over(auth, protocol, jobs, None)
    }

    fn connect_over(auth: &Auth, protocol: Protocol, jobs: Arc<TestJobs>, tls: Option<Tls>) -> Self {
        let woken = Arc::<Woken>::default();
        let waker = Arc::clone(&woken).into();
        let peer = Peer { address: HERE, port: 9, tls, waker, jobs };
        let hostname = String::from("mail.example.org");
        let spool = store_objects::Spool::new(
            std::env::temp_dir().join("pillarbox-test-spool"),
            store_objects::SpoolLimits { bytes_max: u64::MAX, per_holder_max: u64::MAX },
        );
        let session: Box<dyn Session> = match protocol {
            Protocol::Imap => {
                let (auth, limits) = (auth.clone(), imapd::Limits::default());
                let (tls_available, message_bytes_max) = (true, 1000);
                let service = imapd::ImapService {
                    auth,
                    hostname,
                    tls_available,
                    message_bytes_max,
                    indexes: None,
                    sheets: Arc::default(),
                    limits,
                    commands: Default::default(),
                    spool,
                };
                Box::new(imapd::ImapSession::new(Arc::new(service), peer))
            }
            Protocol::Pop3 => {
                let (auth, login_delay) = (auth.clone(), pop3d::LoginDelay::new(0));
                let commands = Default::default();
                let service = pop3d::Pop3Service { auth, hostname, tls_available: true, login_delay, commands };
                Box::new(pop3d::Pop3Session::new(Arc::new(service), peer))
            }
            _ => {
                let common = smtpd::Common {
                    flow: mailflow::MailFlow::new(auth.clone(), &hostname, None),
                    hostname,
                    limits: smtpd::Limits::default(),
                    spool,
                    starttls: true,
                    verifier: None,
                    scanner: None,
                    trusted_relays: Vec::new(),
                    commands: Default::default(),
                    refusals: Default::default(),
                };
                Box::new(smtpd::SmtpSession::new(smtpd::SmtpService::submission(common, auth.clone()), peer))
            }
        };
        let now = Moment { unix_millis: SIM_EPOCH.0, monotonic_millis: 1_000 };
        let mut client = Self { protocol, session, now, last: Step::Wait, woken, answers: String::new() };
        client.step();
        if protocol == Protocol::Submission {
            client.say("EHLO c\r\n");
        }
        client.answers.clear();
        client
    }

    fn step(&mut self) {
        loop {
            let mut output = Vec::new();
            self.last = self.session.step(self.now, &mut output);
            self.answers.push_str(&String::from_utf8(output).unwrap());
            if self.last != Step::Flush {
                return;
            }
        }
    }

    fn say(&mut self, octets: &str) {
        self.session.receive(octets.as_bytes());
        self.step();
    }

    /// Begins with AUTH, and goes on with these lines of base64.
    fn authenticate(&mut self, mechanism: &str, lines: &[&str]) {
        let verb = if self.protocol == Protocol::Imap { "a AUTHENTICATE" } else { "AUTH" };
        self.say(&format!("{verb} {mechanism}\r\n"));
        for line in lines {
            self.say(&format!("{line}\r\n"));
        }
    }

    /// Waits for an answer that is held back; how it ended.
    fn ended(&mut self) -> Ended {
        let before = self.now.monotonic_millis;
        while self.refusal().is_none() && !self.is_in() && self.last == Step::Wait {
            let until = self.session.deadline_millis().unwrap();
            assert!(
                until > self.now.monotonic_millis && until <= before + 8_000,
                "{:?} {}",
                self.protocol,
                self.answers
            );
            self.now = self.now.plus_millis(until - self.now.monotonic_millis);
            self.step();
        }
        match self.refusal() {
            _ if self.is_in() => Ended::LetIn,
            Some(refusal) => Ended::No(refusal),
            None => Ended::Flooded,
        }
    }

    fn is_in(&self) -> bool {
        let word = match self.protocol {
            Protocol::Imap => "a OK [CAPABILITY ",
            Protocol::Pop3 => "+OK 0 messages",
            _ => "235 2.7.0 ",
        };
        self.answers.contains(word)
    }

    fn refusal(&self) -> Option<Refusal> {
        let all = [
            (Refusal::NoSuchMechanism, ["a NO [CANNOT] ", "-ERR No such mechanism", "504 5.5.4 "]),
            (Refusal::Cancelled, ["a BAD Cancelled", "-ERR Cancelled", "501 5.0.0 "]),
            (Refusal::NotBase64, ["a BAD Not base64", "-ERR That is not base64", "501 5.5.2 This is not base64"]),
            (
                Refusal::TooLong,
                ["a NO [AUTHENTICATIONFAILED] The response is too", "-ERR That is too long", "500 5.5.6 "],
            ),
            (
                Refusal::Malformed,
                ["a NO [AUTHENTICATIONFAILED] The response has", "-ERR That is not what", "501 5.5.2 This is not what"],
            ),
            (Refusal::OtherIdentity, ["a NO [AUTHORIZATIONFAILED] ", "-ERR [AUTH] Log in as", "535 5.7.8 Log in as"]),
            (Refusal::Wrong, ["a NO [AUTHENTICATIONFAILED] Wrong", "-ERR [AUTH] The user", "535 5.7.8 Wrong"]),
            (
                Refusal::WrongToken,
                ["a NO [AUTHENTICATIONFAILED] The token", "-ERR [AUTH] The token", "535 5.7.8 The token"],
            ),
            (
                Refusal::TooManyFailures,
                ["a NO [UNAVAILABLE] Too many failed", "-ERR [SYS/TEMP] Too many failed", "454 4.7.0 Too many failed"],
            ),
            (
                Refusal::Busy,
                ["a NO [UNAVAILABLE] Too many people", "-ERR [SYS/TEMP] Too many people", "454 4.7.0 Too many people"],
            ),
        ];
        let at = PROTOCOLS.iter().position(|protocol| *protocol == self.protocol).unwrap();
        let lines = || self.answers.split("\r\n").collect::<Vec<_>>();
        all.into_iter()
            .find(|(_, words)| lines().iter().any(|line| line.starts_with(words[at])))
            .map(|(found, _)| found)
    }
}

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

#[test]
fn the_same_conversation_was_written_three_times_and_had_drifted() {
    let plain = |authorization: &str, password: &str| base64(&format!("{authorization}\0{ALICE}\0{password}"));
    let check = |what: &str, mechanism: &str, lines: &[&str], expected: Ended| {
        for protocol in PROTOCOLS {
            let auth = server();
            let mut client = Client::connect(&auth, protocol);
            client.authenticate(mechanism, lines);
            assert_eq!(client.ended(), expected, "{what} over {protocol:?}: {}", client.answers);
            assert_eq!(client.last, Step::Wait, "{what} over {protocol:?}");
        }
    };
    let no = Ended::No;
    check("right", "PLAIN", &[&plain("", PASSWORD)], Ended::LetIn);
    check("at once", &format!("plain {}", plain("", PASSWORD)), &[], Ended::LetIn);
    check("LOGIN", "LOGIN", &[&base64(ALICE), &base64(PASSWORD)], Ended::LetIn);
    check("wrong", "PLAIN", &[&plain("", "wrong horse")], no(Refusal::Wrong));
    check("nobody", "LOGIN", &[&base64("nobody"), &base64(PASSWORD)], no(Refusal::Wrong));
    check("authzid equal", "PLAIN", &[&plain(ALICE, PASSWORD)], Ended::LetIn);
    check("authzid in another case", "PLAIN", &[&plain("alice@EXAMPLE.org", PASSWORD)], Ended::LetIn);
    check("authzid of another", "PLAIN", &[&plain("bob@example.org", PASSWORD)], no(Refusal::OtherIdentity));
    check("cancelled", "PLAIN", &["*"], no(Refusal::Cancelled));
    check("cancelled late", "LOGIN", &[&base64(ALICE), "*"], no(Refusal::Cancelled));
    check("garbage", "PLAIN", &["???"], no(Refusal::NotBase64));
    check("part missing", "PLAIN", &[&base64("no NUL")], no(Refusal::Malformed));
    check("nothing", "PLAIN =", &[], no(Refusal::Malformed));
    check("too long a password", "PLAIN", &[&plain("", &"x".repeat(1025))], no(Refusal::TooLong));
    check("too long a line", "PLAIN", &[&"A".repeat(20_000)], no(Refusal::TooLong));
    check("no such mechanism", "CRAM-MD5", &[], no(Refusal::NoSuchMechanism));
}

#[test]
fn the_fifth_failure_ends_the_connection_whatever_it_was_and_whatever_is_spoken() {
    let wrong = base64(&format!("\0{ALICE}\0wrong horse"));
    for protocol in PROTOCOLS {
        for line in [wrong.as_str(), "*", "???"] {
            let auth = server();
            let mut client = Client::connect(&auth, protocol);
            for n in 1..=FAILURES_MAX {
                client.answers.clear();
                client.authenticate("PLAIN", &[line]);
                assert_ne!(client.ended(), Ended::LetIn);
                let expected = if n < FAILURES_MAX { Step::Wait } else { Step::Close };
                assert_eq!(client.last, expected, "{n} of {line} over {protocol:?}: {}", client.answers);
            }
        }
    }
}

#[test]
fn pop3_read_without_a_bound_while_a_rejection_was_held_back() {
    for protocol in PROTOCOLS {
        for (more, expected) in [(0, Ended::No(Refusal::Wrong)), (1, Ended::Flooded)] {
            let auth = server();
            let mut client = Client::connect(&auth, protocol);
            client.authenticate("PLAIN", &[&base64(&format!("\0{ALICE}\0wrong horse"))]);
            let piece = "x".repeat(16 * 1024);
            for _ in 0..UNREAD_BYTES_MAX / piece.len() {
                client.say(&piece);
                assert_eq!(client.last, Step::Wait, "{protocol:?}");
            }
            client.say(&piece[..more]);
            assert_eq!(client.ended(), expected, "{more} over {protocol:?}: {}", client.answers);
        }
    }
}

#[test]
fn who_has_to_wait_is_told_to_wait_and_neither_refused_nor_called_wrong() {
    for protocol in PROTOCOLS {
        let auth = server();
        let jobs = TestJobs::held();
        let mut client = Client::connect_with(&auth, protocol, jobs.clone());
        client.authenticate("PLAIN", &[&base64(&format!("\0{ALICE}\0{PASSWORD}"))]);
        // What is sent meanwhile is not looked at.
        client.say(if protocol == Protocol::Imap { "b NOOP\r\n" } else { "NOOP\r\n" });
        assert!(client.last == Step::Wait && client.refusal().is_none() && !client.is_in(), "{}", client.answers);
        assert!(!client.woken.0.load(Ordering::SeqCst));
        jobs.release();
        assert!(client.woken.0.load(Ordering::SeqCst), "its turn has come");
        client.step();
        assert!(client.is_in(), "{protocol:?}: {}", client.answers);
        let mut client = Client::connect_with(&auth, protocol, TestJobs::full());
        client.authenticate("PLAIN", &[&base64("\0bob@example.org\0whatever")]);
        assert_eq!(client.ended(), Ended::No(Refusal::Busy), "{protocol:?}: {}", client.answers);
        assert_eq!(client.last, Step::Wait, "it is no failure of the client");
    }
}

#[test]
fn who_goes_while_the_password_stands_in_line_leaves_the_line() {
    for protocol in PROTOCOLS {
        let (auth, jobs) = (server(), TestJobs::held());
        let mut client = Client::connect_with(&auth, protocol, jobs.clone());
        client.authenticate("PLAIN", &[&base64(&format!("\0{ALICE}\0{PASSWORD}"))]);
        assert_eq!(jobs.waiting(), 1, "{protocol:?}");
        drop(client);
        assert_eq!(jobs.waiting(), 0, "{protocol:?}");
    }
}

const EXPORTER: Binding = [5; 32];

/// An exchange by SCRAM up to what proves the server's side, or to a refusal; how it ended.
fn prove(client: &mut Client, password: &str, binding: Option<Binding>) -> Ended {
    let mechanism = if binding.is_some() { "SCRAM-SHA-256-PLUS" } else { "SCRAM-SHA-256" };
    client.authenticate(mechanism, &[&client::first(ALICE, "abc", binding)]);
    let last = |client: &Client| {
        let line = client.answers.trim_end().rsplit("\r\n").next().unwrap_or_default().to_owned();
        line.split_once(' ').map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    };
    let Some((second, verifier)) = client::second((ALICE, password), "abc", binding, &last(client)) else {
        return client.ended();
    };
    client.say(&format!("{second}\r\n"));
    if client.refusal().is_some() || client.last != Step::Wait || last(client) != verifier {
        return client.ended();
    }
    assert!(!client.is_in(), "the client has not seen yet whether it is the server");
    client.say("\r\n");
    client.ended()
}

#[test]
fn a_password_is_proven_the_same_way_over_every_protocol() {
    let tls = || Some(Tls { version: "TLSv1.3".into(), exporter: Some(Box::new(EXPORTER)), ..Tls::default() });
    for (protocol, scram) in PROTOCOLS.into_iter().flat_map(|protocol| [(protocol, Scram::On), (protocol, Scram::Plus)])
    {
        let auth = server_with(scram);
        let connect = |tls| Client::connect_over(&auth, protocol, TestJobs::full(), tls);
        let check = |what: &str, tls: Option<Tls>, password: &str, binding: Option<Binding>, expected: Ended| {
            let mut client = connect(tls);
            assert_eq!(prove(&mut client, password, binding), expected, "{what} over {protocol:?}: {}", client.answers);
        };
        check("right", None, PASSWORD, None, Ended::LetIn);
        check("over TLS", tls(), PASSWORD, None, Ended::LetIn);
        check("bound", tls(), PASSWORD, Some(EXPORTER), Ended::LetIn);
        check("wrong", tls(), "wrong horse", Some(EXPORTER), Ended::No(Refusal::Wrong));
        check("bound to another", tls(), PASSWORD, Some([6; 32]), Ended::No(Refusal::Malformed));
        check("nothing to bind to", None, PASSWORD, Some(EXPORTER), Ended::No(Refusal::NoSuchMechanism));
        // Where PLUS is announced, somebody told the client that it is not.
        let mut client = connect(tls());
        client.authenticate("SCRAM-SHA-256", &[&base64("y,,n=alice,r=abc")]);
        let expected = (scram == Scram::Plus).then_some(Refusal::Malformed);
        assert_eq!(client.refusal(), expected, "{protocol:?}");
        let mut client = connect(tls());
        client.authenticate("SCRAM-SHA-256", &[&client::first("nobody", "abc", None), "*"]);
        assert_eq!(client.ended(), Ended::No(Refusal::Cancelled), "{protocol:?}");
        let auth = server_with(Scram::Off);
        let mut client = Client::connect(&auth, protocol);
        assert_eq!(prove(&mut client, PASSWORD, None), Ended::No(Refusal::NoSuchMechanism), "{protocol:?}");
    }
}

#[test]
fn who_is_let_in_without_keys_has_keys_from_then_on() {
    for protocol in PROTOCOLS {
        let auth = server_with(Scram::Off);
        let alice = auth.directory().account(ALICE).unwrap().unwrap().id;
        let (_, application) = auth.add_device(alice, "pc", None, SIM_EPOCH).unwrap();
        let auth = open(auth.store(), Scram::On);
        for password in [PASSWORD, &application] {
            let mut client = Client::connect(&auth, protocol);
            assert_eq!(prove(&mut client, password, None), Ended::No(Refusal::Wrong), "{protocol:?}");
            let plain = base64(&format!("\0{ALICE}\0{password}"));
            let mut client = Client::connect_with(&auth, protocol, TestJobs::full());
            client.authenticate("PLAIN", &[&plain]);
            // No place in the line keeps nobody out whose password is right without one.
            assert_eq!(client.is_in(), password != PASSWORD, "{protocol:?}");
            drop(client);
            let jobs = TestJobs::held();
            let mut client = Client::connect_with(&auth, protocol, Arc::clone(&jobs));
            client.authenticate("PLAIN", &[&plain]);
            assert!(!client.is_in() && jobs.waiting() == 1, "{protocol:?}: no session makes keys");
            jobs.release();
            client.step();
            assert!(client.is_in(), "{protocol:?}: {}", client.answers);
            // A maildrop is one session's.
            drop(client);
            let mut client = Client::connect_with(&auth, protocol, TestJobs::full());
            assert_eq!(prove(&mut client, password, None), Ended::LetIn, "{protocol:?}");
        }
    }
}

#[test]
fn what_is_announced_can_be_done() {
    for protocol in PROTOCOLS {
        let announced = |scram, exporter| {
            let exporter: Option<Binding> = exporter;
            let tls = Tls { version: "TLSv1.3".into(), exporter: exporter.map(Box::new), ..Tls::default() };
            let mut client = Client::connect_over(&server_with(scram), protocol, TestJobs::at_once(), Some(tls));
            let verb = match protocol {
                Protocol::Imap => "b CAPABILITY",
                Protocol::Pop3 => "CAPA",
                _ => "EHLO d",
            };
            client.say(&format!("{verb}\r\n"));
            (
                client.answers.contains("SCRAM-SHA-256-PLUS"),
                client.answers.contains("SCRAM-SHA-256 AUTH=PLAIN")
                    || client.answers.contains("SCRAM-SHA-256 PLAIN LOGIN"),
            )
        };
        assert_eq!(announced(Scram::Plus, Some(EXPORTER)), (true, true), "{protocol:?}");
        assert_eq!(announced(Scram::Plus, None), (false, true), "{protocol:?}");
        // Mutt 2.2.12 on GNU SASL: it takes PLUS, has nothing to bind to, and gives up.
        for scram in [Scram::On, Scram::Auto] {
            assert_eq!(announced(scram, Some(EXPORTER)), (false, true), "{protocol:?}");
        }
        assert_eq!(announced(Scram::Off, Some(EXPORTER)), (false, false), "{protocol:?}");
    }
}

/// Whether both mechanisms of tokens are announced; none of them alone is.
fn announces_tokens(auth: &Auth, protocol: Protocol) -> bool {
    let mut client = Client::connect(auth, protocol);
    client.say(match protocol {
        Protocol::Imap => "a CAPABILITY\r\n",
        Protocol::Pop3 => "CAPA\r\n",
        _ => "EHLO c\r\n",
    });
    let has = ["OAUTHBEARER", "XOAUTH2"].map(|mechanism| client.answers.contains(mechanism));
    assert_eq!(has[0], has[1], "{}", client.answers);
    has[0]
}

#[test]
fn a_token_is_the_same_key_over_every_protocol() {
    for protocol in PROTOCOLS {
        let auth = server();
        let (alice, _) = auth.directory().who_logs_in(ALICE).unwrap().unwrap();
        let (phone, _) = auth.add_device(alice, "phone", None, SIM_EPOCH).unwrap();
        assert!(!announces_tokens(&auth, protocol), "nobody has one");
        let (token, _) = auth.make_token(alice, phone, 1, SIM_EPOCH).unwrap();
        assert!(announces_tokens(&auth, protocol));
        let log_in = |mechanism: &str, lines: &[&str]| {
            let mut client = Client::connect(&auth, protocol);
            client.authenticate(mechanism, lines);
            client
        };
        let (bearer, xoauth2) = (sasl::client::oauthbearer, sasl::client::xoauth2);
        let right = [("OAUTHBEARER", bearer(ALICE, &token)), ("xoauth2", xoauth2(ALICE, &token))];
        for (mechanism, response) in right {
            assert_eq!(log_in(mechanism, &[&response]).ended(), Ended::LetIn, "{mechanism} over {protocol:?}");
            let at_once = format!("{mechanism} {response}");
            assert_eq!(log_in(&at_once, &[]).ended(), Ended::LetIn, "{mechanism} over {protocol:?}");
        }
        for (mechanism, response, told) in [
            ("OAUTHBEARER", bearer(ALICE, "t"), r#"{"status":"invalid_token"}"#),
            ("OAUTHBEARER", bearer("bob@example.org", &token), r#"{"status":"invalid_token"}"#),
            ("XOAUTH2", xoauth2(ALICE, "t"), r#"{"status":"401","schemes":"bearer"}"#),
        ] {
            let mut client = log_in(mechanism, &[&response]);
            assert!(client.refusal().is_none() && !client.answers.contains(&base64(told)), "it is held back");
            client.now = client.now.plus_millis(8_000);
            client.step();
            assert!(client.refusal().is_none() && client.answers.contains(&base64(told)), "{}", client.answers);
            client.say("AQ==\r\n");
            assert_eq!(client.ended(), Ended::No(Refusal::WrongToken), "{mechanism} over {protocol:?}");
        }
        assert_eq!(log_in("OAUTHBEARER", &[&base64("n,,")]).ended(), Ended::No(Refusal::Malformed));
        assert_eq!(log_in("OAUTHBEARER", &["*"]).ended(), Ended::No(Refusal::Cancelled));
    }
}
