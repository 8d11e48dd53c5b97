//! Several servers behind a balancer (HAProxy, as `docs/cluster.md` has it): whose server dies is on another one within a second, with
//! all that was acknowledged; a server that is to stop sends its clients away in good order, and another one leads at once.

#![allow(clippy::unwrap_used)]

#[path = "../crates/store-objects/tests/bucket/mod.rs"]
mod bucket;
#[path = "../crates/store-postgres/tests/cluster/mod.rs"]
mod database;
#[path = "cluster/ground.rs"]
mod ground;
mod support;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use ground::{ALICE, Ground, MAIN, PATIENCE, message, problems};
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::imap::Imap;
use support::link::Link;
use support::pop3::Pop3;
use support::server::{Addresses, HOSTNAME, Server};
use support::smtp::Smtp;
use support::{Failure, Outcome};

/// What goes through the balancer.
const SERVICES: [&str; 5] = ["imap", "imaps", "pop3s", "smtp", "submissions"];
/// The balancer connects from here; from other addresses of this machine clients come by themselves.
const BALANCER: &str = "127.0.0.2";
/// Whose server dies is on another one within this time.
const RECONNECTED: Duration = Duration::from_secs(1);
/// From one beat of a server to the next, and what a loaded machine takes to say so.
const LEADS_NEXT: Duration = Duration::from_secs(4);

/// A balancer for some servers, until it is dropped.
struct Balancer {
    process: Child,
    addresses: Addresses,
}

impl Balancer {
    /// `None`, with a line that says so, where HAProxy is not installed.
    fn before(nodes: &[Server], ground: &Ground) -> Option<Self> {
        let Some(program) =
            ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"].into_iter().find(|path| fs::exists(path).unwrap())
        else {
            not_tested::without("haproxy", "Debian: haproxy");
            return None;
        };
        let mut config = format!(
            "global\n maxconn 500\ndefaults\n mode tcp\n timeout connect 500ms\n timeout client 60s\n timeout server 60s\n \
             option redispatch 1\n retries 3\n source {BALANCER}\n"
        );
        // It is given sockets that are open: a port that somebody else takes meanwhile is no port.
        let listeners = SERVICES.map(|service| (service, TcpListener::bind("127.0.0.1:0").unwrap()));
        for (service, listener) in &listeners {
            rustix::io::fcntl_setfd(listener, rustix::io::FdFlags::empty()).unwrap();
            config += &format!("listen {service}\n bind fd@{}\n", listener.as_raw_fd());
            for (number, node) in nodes.iter().enumerate() {
                let address = node.addresses().of(service);
                let check = "check check-send-proxy inter 250ms fall 1 rise 1";
                config += &format!(" server node{number} {address} send-proxy-v2 {check}\n");
            }
        }
        let file = ground.place.path().join("haproxy.cfg");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        let command =
            command.arg("-db").arg("-f").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let elsewhere: Vec<(&str, SocketAddr)> =
            listeners.iter().map(|(service, listener)| (*service, listener.local_addr().unwrap())).collect();
        let addresses = nodes[0].addresses().through(&elsewhere);
        Some(Self { process, addresses })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

fn content(id: &str) -> Vec<u8> {
    message(id, 600)
}

/// What clients have had acknowledged, and how long they were without a server.
#[derive(Default)]
struct Seen {
    acknowledged: Mutex<BTreeMap<String, Option<u32>>>,
    /// Of messages.
    count: AtomicU64,
    is_over: AtomicBool,
    gaps: Mutex<Vec<(&'static str, Duration)>>,
}

impl Seen {
    /// Does something again and again with a client, and connects again when its server has gone: what broke is done again.
    fn go_on<C>(
        &self,
        name: &'static str,
        connect: &dyn Fn() -> Outcome<C>,
        login: &dyn Fn(&mut C) -> Outcome<()>,
        work: &dyn Fn(&mut C, u64) -> Outcome<Option<String>>,
    ) {
        let mut client = None;
        let mut without = None;
        for number in 0.. {
            loop {
                if self.is_over.load(Ordering::Acquire) {
                    return;
                }
                if client.is_none() {
                    match connect() {
                        Ok(mut connected) => {
                            let begun: Option<Instant> = without.take();
                            self.gaps.lock().unwrap().extend(begun.map(|begun| (name, begun.elapsed())));
                            client = login(&mut connected).map(|()| connected).ok();
                        }
                        Err(error) => {
                            let begun = *without.get_or_insert_with(Instant::now);
                            assert!(begun.elapsed() < PATIENCE, "{name}: {error}");
                        }
                    }
                    continue;
                }
                match client.as_mut().map(|client| work(client, number)) {
                    Some(Ok(acknowledged)) => {
                        self.count.fetch_add(u64::from(acknowledged.is_some()), Ordering::AcqRel);
                        self.acknowledged.lock().unwrap().extend(acknowledged.map(|id| (id, None)));
                        break;
                    }
                    Some(Err(Failure::Gone(_))) | None => {
                        without.get_or_insert_with(Instant::now);
                        client = None;
                    }
                    // A client tries again what is refused for now.
                    Some(Err(Failure::Refused(text))) => {
                        assert!(["\"4", "code: 4", "IN-USE"].iter().any(|word| text.contains(word)), "{name}: {text}");
                        client = None;
                    }
                }
            }
        }
    }

    fn until(&self, count: u64) {
        let end = Instant::now() + PATIENCE;
        while self.count.load(Ordering::Acquire) < count {
            assert!(Instant::now() < end, "clients do not go on");
            thread::yield_now();
        }
    }
}

fn handed_over(replies: &[support::smtp::Reply], id: &str) -> Outcome<Option<String>> {
    match replies {
        [reply] if reply.code == 250 => Ok(Some(id.to_owned())),
        _ => Err(Failure::Refused(format!("{id} was answered {replies:?}"))),
    }
}

#[test]
fn whose_server_is_killed_is_on_another_one_within_a_second_with_all_that_was_acknowledged() {
    let Some(ground) = Ground::new() else { return };
    let mut nodes = ground.nodes(&["one", "two", "three"], &format!("listen.proxy_from = [\"{BALANCER}\"]\n"));
    let Some(balancer) = Balancer::before(&nodes, &ground) else { return };
    let at = &balancer.addresses;
    let password = nodes[0].add_device(ALICE, "pc", "keep");
    let seen = Seen::default();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                seen.go_on(
                    "imap",
                    &|| Imap::connect(Link::plain(at.of("imap"))?),
                    &|imap: &mut Imap| imap.login(ALICE, MAIN).and_then(|()| imap.command("SELECT INBOX").map(drop)),
                    &|imap, _| imap.command("NOOP").map(|_| None),
                );
            });
        }
        scope.spawn(|| {
            seen.go_on(
                "smtp",
                &|| Smtp::connect(Link::plain(at.of("smtp"))?),
                &|_: &mut Smtp| Ok(()),
                &|smtp, number| {
                    let id = format!("in.{number}@example.net");
                    handed_over(&smtp.deliver("carol@example.net", &[ALICE], &content(&id))?, &id)
                },
            );
        });
        scope.spawn(|| {
            let authority = at.authority();
            seen.go_on(
                "submissions",
                &|| Smtp::connect(Link::tls(at.of("submissions"), HOSTNAME, authority)?),
                &|smtp: &mut Smtp| smtp.login(ALICE, MAIN),
                &|smtp, number| {
                    let id = format!("sent.{number}@example.net");
                    let content = String::from_utf8(content(&id)).unwrap().replace("carol@example.net", ALICE);
                    handed_over(&smtp.deliver(ALICE, &[ALICE], content.as_bytes())?, &id)
                },
            );
        });
        scope.spawn(|| {
            let (authority, password) = (at.authority(), &password);
            seen.go_on(
                "pop3s",
                &|| Pop3::connect(Link::tls(at.of("pop3s"), HOSTNAME, authority)?),
                // Its maildrop may be that of a session of the dead server, for some seconds.
                &|pop3: &mut Pop3| pop3.login(ALICE, password),
                &|pop3, _| pop3.command("STAT").map(|_| None),
            );
        });
        seen.until(40);
        nodes[0].kill();
        let count = seen.count.load(Ordering::Acquire);
        seen.until(count + 40);
        seen.is_over.store(true, Ordering::Release);
    });
    let gaps = seen.gaps.into_inner().unwrap();
    println!("without a server: {gaps:.0?}");
    assert!(gaps.iter().any(|(name, _)| *name == "imap"), "one of three had its session there");
    assert!(gaps.iter().all(|(_, gap)| *gap < RECONNECTED), "{gaps:?}");
    let acknowledged = seen.acknowledged.into_inner().unwrap();
    println!("{} messages", acknowledged.len());
    for node in &nodes[1..] {
        assert_eq!(problems(node.addresses(), &acknowledged), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_is_to_stop_sends_clients_away_in_good_order_and_another_one_leads_at_once() {
    const LEADS: &str = "this server leads:";
    let Some(ground) = Ground::new() else { return };
    let mut nodes = ground.nodes(&["one", "two"], "");
    let password = nodes[0].add_device(ALICE, "pc", "keep");
    let until_leads = |node: &Server, within: Duration| {
        let begun = Instant::now();
        while !node.has_logged(LEADS) {
            assert!(begun.elapsed() < within, "it does not lead:\n{}", node.log());
            thread::yield_now();
        }
        begun.elapsed()
    };
    until_leads(&nodes[0], PATIENCE);
    let one = nodes[0].addresses().clone();
    let mut idle = Link::plain(one.of("imap")).unwrap();
    idle.send(format!("a LOGIN {ALICE} \"{MAIN}\"\r\nb SELECT INBOX\r\nc IDLE\r\n").as_bytes()).unwrap();
    while !idle.line().unwrap().starts_with(b"+") {}
    let mut smtp = Link::plain(one.of("smtp")).unwrap();
    smtp.line().unwrap();
    let mut pop3 = one.pop3(ALICE, &password).unwrap();

    nodes[0].terminate();
    let took = until_leads(&nodes[1], LEADS_NEXT);
    println!("another server leads {took:.1?} after SIGTERM");
    let bye = idle.line().unwrap();
    assert!(bye.starts_with(b"* BYE"), "{}", String::from_utf8_lossy(&bye));
    let closing = smtp.line().unwrap();
    assert!(closing.starts_with(b"421"), "{}", String::from_utf8_lossy(&closing));
    assert!(pop3.command("NOOP").is_err());
    assert!(nodes[0].ended().success());
    let two = nodes[1].addresses();
    assert_eq!(two.pop3(ALICE, &password).unwrap().uidl().unwrap(), [], "its maildrop is free");
}
