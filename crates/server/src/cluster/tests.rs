use super::*;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Wake, Waker};
use store::device::Credential;
use store::sim::{FaultRates, HeldEngine, SimEngine, SimObjects};
use store::{AccountId, Actor, DeviceId, MaildropOptions, Protocol, Timestamp};

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
    let cluster = Cluster::start(node, store.clone(), begin).unwrap();
    begun.recv_timeout(IN_TIME).expect("it leads");
    held.until_one_waits();
    must_beat(&store);
    assert!(begun.try_recv().is_err(), "it led all the time");
    held.hold(None);
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
    let cluster = Cluster::start(node, store.clone(), begin).unwrap();
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
    let cluster = Cluster::start(node, store, begin).unwrap();
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
