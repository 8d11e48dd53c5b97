use super::*;
use queue::{NewEntry, Outgoing, Policy, Queue, Released, Roots, Security, Sender, Smarthost};
use smtp_proto::{ForwardPath, ReversePath};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Wake, Waker};
use store::device::Credential;
use store::sim::{FaultRates, HeldEngine, SimEngine, SimObjects};
use store::{AccountId, Actor, DeviceId, MaildropOptions, Protocol, TableId, Timestamp};

const ID: AccountId = AccountId(16);
const CLI: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1) };
/// A beat that comes later is no beat in time.
const IN_TIME: Duration = Duration::from_secs(2 * BEAT.as_secs());

fn joined(engine: impl store::engine::Engine + 'static, name: &str) -> (Store, Node) {
    let store = Store::new(Arc::new(engine), Arc::new(SimObjects::new()));
    let mut node = Node::join(&store, name);
    node.beat(Duration::ZERO).unwrap();
    (store, node)
}

/// Begins at once what there is to begin; says when.
fn begins() -> (Begin, Receiver<u64>) {
    let (told, begun) = channel();
    let told = Mutex::new(told);
    let begin: Begin = Box::new(move |term| {
        told.lock().unwrap().send(term).unwrap();
        Ok(Leading { outbound: Outbound::none(), stop: watch::channel(false).0 })
    });
    (begin, begun)
}

/// Without hints.
fn start(node: Node, store: &Store, begin: Begin) -> Result<Cluster, SetupError> {
    Cluster::start(node, (store.clone(), Arc::new(Hinted::new(store, None))), None, begin)
}

struct Told(Mutex<std::sync::mpsc::Sender<()>>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        let _nobody = self.0.lock().unwrap().send(());
    }
}

/// Three more beats come in time.
fn must_beat(store: &Store) {
    let (told, beats) = channel();
    let _watch = store.table(TableId::Nodes).watch(Waker::from(Arc::new(Told(Mutex::new(told)))));
    for _ in 0..3 {
        beats.recv_timeout(IN_TIME).expect("a beat in time");
    }
}

/// Lets go on what hangs, also where a test fails: who waits for the threads of a cluster waited forever.
struct LetGo<'a>(&'a HeldEngine);

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        self.0.hold(None);
    }
}

/// The lock of a maildrop could not be given back; then its account hangs.
#[test]
fn a_lock_that_is_given_back_late_kept_a_healthy_server_from_its_beats() {
    let engine = SimEngine::new();
    let held = HeldEngine::new(&engine);
    let (store, node) = joined(held.clone(), "one");
    let account = store.create_account(ID, Timestamp(0)).unwrap();
    let pc = account.add_device(CLI, "pc", Credential::ApplicationPassword { hash: [1; 32] }, None).unwrap();
    let maildrop = account.open_maildrop(pc, &MaildropOptions::default(), Timestamp(2)).unwrap();
    engine.set_rates(FaultRates { full: 1000, ..FaultRates::default() });
    drop(maildrop);
    engine.set_rates(FaultRates::default());
    held.hold(Some(ID));
    let (begin, begun) = begins();
    let cluster = start(node, &store, begin).unwrap();
    let hangs = LetGo(&held);
    begun.recv_timeout(IN_TIME).expect("it leads");
    held.until_one_waits();
    must_beat(&store);
    assert!(begun.try_recv().is_err(), "it led all the time");
    drop(hangs);
    drop(cluster);
    assert!(account.open_maildrop(pc, &MaildropOptions::default(), Timestamp(2)).is_ok());
}

#[test]
fn what_takes_long_to_begin_kept_a_healthy_server_from_its_beats() {
    let (store, node) = joined(SimEngine::new(), "one");
    let (gate, opened) = channel::<()>();
    let (told, begun) = channel();
    let hung = Mutex::new((opened, told));
    let begin: Begin = Box::new(move |term| {
        let hung = hung.lock().unwrap();
        hung.1.send(term).unwrap();
        let _dropped = hung.0.recv();
        Ok(Leading { outbound: Outbound::none(), stop: watch::channel(false).0 })
    });
    let cluster = start(node, &store, begin).unwrap();
    // Whatever fails: it is dropped before the cluster.
    let gate = gate;
    begun.recv_timeout(IN_TIME).expect("it leads");
    must_beat(&store);
    drop(gate);
    drop(cluster);
}

#[test]
fn who_stops_gives_up_the_lead_before_all_else_has_ended() {
    let engine = SimEngine::new();
    let ((store, node), (_other, mut two)) = (joined(engine.clone(), "one"), joined(engine, "two"));
    let (begin, begun) = begins();
    let cluster = start(node, &store, begin).unwrap();
    begun.recv_timeout(IN_TIME).expect("it leads");
    assert_eq!(two.beat(Duration::from_secs(1)).unwrap().leads, None);
    cluster.retire(Duration::ZERO);
    let end = Instant::now() + IN_TIME;
    let standing = loop {
        // No time passes for it: whom it takes for gone is not what this is about.
        let standing = two.beat(Duration::from_secs(1)).unwrap();
        if standing.leads.is_some() || Instant::now() > end {
            break standing;
        }
        thread::yield_now();
    };
    assert_eq!((standing.leads, standing.nodes.len()), (Some(2), 2));
    drop(cluster);
    assert_eq!(two.beat(Duration::from_secs(1)).unwrap().nodes.len(), 1);
}

/// A host that tells when it has a message, and says that it takes it when it is told to.
fn slow_host() -> (u16, Receiver<()>, std::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((told, heard), (may, waits)) = (channel(), channel());
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(socket.try_clone().unwrap()).lines();
        let say = |text: &str| drop((&socket).write_all(format!("{text}\r\n").as_bytes()));
        say("220 test");
        while let Some(Ok(line)) = lines.next() {
            match line.as_str() {
                "DATA" => say("354 go"),
                "." => {
                    told.send(()).unwrap();
                    let _told = waits.recv();
                    say("250 taken");
                }
                "QUIT" => return say("221 bye"),
                other if other.starts_with("S:") || other.is_empty() => {}
                _ => say("250 ok"),
            }
        }
    });
    (port, heard, may)
}

fn sender(queue: Queue, port: u16) -> Sender {
    let smarthost = Smarthost {
        host: "localhost".to_owned(),
        port,
        security: Security::Loopback,
        roots: Roots::System,
        credentials: None,
        hello: "mail.example.org".to_owned(),
        connections_max: 2,
    };
    let (report, release) =
        (Arc::new(|_: queue::Notice<'_>| Ok(Vec::new())), Arc::new(|_: &_, _| Ok(Released::default())));
    Sender::start(queue, Outgoing::to(smarthost), report, release, Arc::new(|| Timestamp(1))).unwrap()
}

/// A host has taken a message, the lease is over before that is written down, and then the server stops: with the process it was
/// forgotten, and the next server sent the message again.
#[test]
fn a_stop_after_the_end_of_a_lease_waited_for_nobody_who_wrote_down_what_a_host_had_taken() {
    let held = HeldEngine::new(&SimEngine::new());
    let (store, node) = joined(held.clone(), "one");
    let queue = Queue::open(&store, Policy::default());
    let content = Arc::new(b"S: 1\r\n\r\n".to_vec());
    let new = NewEntry::new(ReversePath::Null, vec![ForwardPath::Postmaster.into()], content);
    queue.enqueue(new, Timestamp(1)).unwrap();
    let (port, heard, may) = slow_host();
    let sender = Mutex::new(Some(sender(queue.lead(1).unwrap(), port)));
    let (told, begun) = channel();
    let told = Mutex::new(told);
    let begin: Begin = Box::new(move |term| {
        // The beats go on here, so it leads again.
        let outbound = sender.lock().unwrap().take().map_or_else(Outbound::none, Outbound::of);
        told.lock().unwrap().send(term).unwrap();
        Ok(Leading { outbound, stop: watch::channel(false).0 })
    });
    let cluster = start(node, &store, begin).unwrap();
    let hangs = LetGo(&held);
    begun.recv_timeout(IN_TIME).expect("it leads");
    heard.recv_timeout(IN_TIME).expect("the host has it");
    held.hold_table(TableId::Queue);
    may.send(()).unwrap();
    held.until_one_waits();
    cluster.shared.lock().valid_until = Some(Instant::now());
    cluster.shared.changed.notify_all();
    begun.recv_timeout(IN_TIME).expect("it leads again");
    thread::scope(|scope| {
        let (ended, end) = channel();
        let cluster = &cluster;
        scope.spawn(move || {
            cluster.retire(IN_TIME);
            ended.send(()).unwrap();
        });
        let early = end.recv_timeout(Duration::from_millis(100));
        drop(hangs);
        assert!(early.is_err(), "what is being written is waited for");
        end.recv_timeout(IN_TIME).expect("it ends");
    });
    assert_eq!(queue.list(None, 1).unwrap(), [], "it is written down");
    drop(cluster);
}
