//! The line against a real NATS server: what is committed is heard elsewhere, who may not speak is told so, and what comes is bounded.

#![allow(clippy::unwrap_used)]

mod nats;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hints::{Address, Hearer, Hint, HintOptions, Line};
use metrics::{Counts, HINTS};
use nats::{Nats, Stranger};
use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use store::sim::{SimEngine, SimObjects};
use store::{AccountId, ModSeq, Store, Timestamp};

const ID: AccountId = AccountId(16);
const PATIENCE: Duration = Duration::from_secs(30);
const SUBJECT: &str = "pillarbox.hints.test";

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Heard(String, Vec<(AccountId, ModSeq)>),
    Lost(String),
}

struct Ear(Mutex<Sender<Told>>);

impl Hearer for Ear {
    fn heard(&self, hint: &Hint<'_>) {
        let _over = self.0.lock().unwrap().send(Told::Heard(hint.node.to_owned(), hint.heads().collect()));
    }

    fn lost(&self, why: String) {
        let _over = self.0.lock().unwrap().send(Told::Lost(why));
    }
}

struct End {
    store: Store,
    told: Receiver<Told>,
    counts: Counts<1>,
    _line: Line,
}

fn open(node: &str, address: &str, authority: Option<&Path>) -> End {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let (sender, told) = channel();
    let options = HintOptions {
        address: address.parse::<Address>().unwrap(),
        authority: authority.map(Path::to_owned),
        subject: SUBJECT.to_owned(),
        node: node.to_owned(),
    };
    let counts = Counts::new(&HINTS);
    let _line = Line::open(options, store.clone(), Arc::new(Ear(Mutex::new(sender))), counts.clone()).unwrap();
    End { store, told, counts, _line }
}

impl End {
    fn until(&self, is_it: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.told.recv_timeout(PATIENCE).expect("it is told");
            if is_it(&told) {
                return told;
            }
        }
    }

    fn until_heard(&self, node: &str) {
        self.until(|told| matches!(told, Told::Heard(name, _) if name == node));
    }
}

#[test]
fn what_is_committed_at_one_end_is_heard_at_the_other_and_again_after_nats_was_away() {
    let Some(mut nats) = Nats::start(&[]) else { return };
    let ends = ["one", "two"].map(|node| open(node, &nats.url(), None));
    for end in &ends {
        ["one", "two"].iter().for_each(|node| end.until_heard(node));
    }
    let [one, two] = &ends;
    let account = one.store.create_account(ID, Timestamp(0)).unwrap();
    let said = |head| Told::Heard("one".to_owned(), vec![(ID, head)]);
    let head = account.head().unwrap();
    two.until(|told| *told == said(head));
    nats.kill();
    for end in &ends {
        end.until(|told| matches!(told, Told::Lost(why) if why.contains("the connection has ended")));
        end.until(|told| matches!(told, Told::Lost(why) if why.contains("cannot connect to")));
    }
    // While there is no connection nothing is kept.
    let actor = store::Actor { device: store::DeviceId(0), protocol: store::Protocol::Cli, now: Timestamp(1) };
    account.create_mailbox(actor, "a", None).unwrap();
    nats.run();
    for end in &ends {
        ["one", "two"].iter().for_each(|node| end.until_heard(node));
    }
    account.create_mailbox(actor, "b", None).unwrap();
    let head = account.head().unwrap();
    two.until(|told| *told == said(head));
}

#[test]
fn who_may_not_speak_is_told_so_and_a_password_and_a_token_let_in() {
    for (options, right, wrong) in [
        (&["--user", "mail", "--pass", "p:w@d"][..], "mail:p:w@d@", "mail:other@"),
        (&["--auth", "t0ken"], "t0ken@", "other@"),
    ] {
        let Some(nats) = Nats::start(options) else { return };
        let url = |secret: &str| nats.url().replace("nats://", &format!("nats://{secret}"));
        open("one", &url(right), None).until_heard("one");
        for secret in [wrong, ""] {
            let told = open("one", &url(secret), None).told.recv_timeout(PATIENCE).unwrap();
            let Told::Lost(why) = told else { panic!("{told:?}") };
            assert!(why.contains("authorization violation") && !why.contains("other"), "{why}");
        }
    }
}

#[test]
fn over_tls_the_certificate_is_checked() {
    let place = tempfile::tempdir().unwrap();
    let of = |name: &str| place.path().join(name);
    for (name, host) in [("nats", "127.0.0.1"), ("other", "127.0.0.1")] {
        let made = generate_simple_self_signed([host.to_owned()]).unwrap();
        fs::write(of(&format!("{name}.pem")), made.cert.pem()).unwrap();
        fs::write(of(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    }
    let [certificate, key] = ["nats.pem", "nats.key"].map(|name| of(name).display().to_string());
    let Some(nats) = Nats::start(&["--tls", "--tlscert", &certificate, "--tlskey", &key]) else { return };
    let url = nats.url().replace("nats://", "tls://");
    open("one", &url, Some(&of("nats.pem"))).until_heard("one");
    for authority in [Some(of("other.pem")), None] {
        let told = open("one", &url, authority.as_deref()).told.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(&told, Told::Lost(why) if why.contains("certificate")), "{told:?}");
    }
    // Who wants TLS speaks to nobody without.
    let Some(plain) = Nats::start(&[]) else { return };
    let url = plain.url().replace("nats://", "tls://");
    let told = open("one", &url, Some(&of("nats.pem"))).told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(told, Told::Lost(_)), "{told:?}");
}

#[test]
fn what_is_no_hint_is_counted_and_a_flood_is_not_listened_to() {
    let Some(nats) = Nats::start(&[]) else { return };
    let end = open("one", &nats.url(), None);
    end.until_heard("one");
    let mut stranger = Stranger::at(&nats);
    let huge = vec![b'P'; 1_000_000];
    let garbage = [&b""[..], b"PBH1", b"hello", &[0; 64], &huge];
    garbage.iter().for_each(|octets| stranger.publish(SUBJECT, octets));
    stranger.publish(SUBJECT, b"PBH1\x08stranger");
    end.until_heard("stranger");
    assert_eq!(end.counts.value(["malformed"]), garbage.len() as u64);
    // As many as it takes: what comes too fast is dropped before it is heard.
    let flooded = |told: Told| matches!(told, Told::Lost(why) if why.starts_with("somebody floods nats://"));
    let hint = [b"PBH1\x08stranger".as_slice(), &[0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 9]].concat();
    let mut count: u64 = 0;
    while !end.told.try_iter().any(flooded) {
        assert!(count < 2_000_000, "it is listened to without end: {} heard", end.counts.value(["heard"]));
        (0..10_000).for_each(|_| stranger.publish(SUBJECT, &hint));
        count += 10_000;
    }
    println!("{count} hints were a flood, {} of them heard", end.counts.value(["heard"]));
}

/// NATS names the other servers of its cluster. What is secret went there when the connection broke, and without TLS where one of them
/// said so.
#[test]
fn a_password_is_told_to_nobody_who_was_not_named() {
    let [named, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let elsewhere = other.local_addr().unwrap();
    let place = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let authority = place.path().join("nats.pem");
    fs::write(&authority, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = versions.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let tls = Arc::new(tls);
    let info = |more: &str| format!("INFO {{\"server_id\":\"x\",\"proto\":1,\"max_payload\":1000000{more}}}\r\n");
    let (met, meets) = channel();
    let url = format!("tls://mail:secret@{}", named.local_addr().unwrap());
    let greeting = info(&format!(",\"tls_required\":true,\"connect_urls\":[\"{elsewhere}\"]"));
    let told = met.clone();
    thread::spawn(move || {
        for mut client in named.incoming().map_while(Result::ok) {
            client.write_all(greeting.as_bytes()).unwrap();
            let mut inside = StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), client);
            let mut lines = BufReader::new(&mut inside).lines().map_while(Result::ok);
            let is_asked = lines.any(|line| line == "PING");
            // It answers, and hangs up.
            let _gone = inside.write_all(b"PONG\r\n");
            let _over = told.send(format!("named, asked: {is_asked}"));
        }
    });
    thread::spawn(move || {
        for mut client in other.incoming().map_while(Result::ok) {
            let _gone = client.write_all(info("").as_bytes());
            let _over = met.send("another".to_owned());
        }
    });
    let _end = open("one", &url, Some(&authority));
    for _ in 0..6 {
        assert_eq!(meets.recv_timeout(PATIENCE).unwrap(), "named, asked: true");
    }
}
