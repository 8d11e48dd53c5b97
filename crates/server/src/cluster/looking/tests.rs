use super::*;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;

use hints::{Hearer, Hint};
use store::sim::{SimEngine, SimObjects};
use store::{AccountId, Actor, DeviceId, Protocol, Timestamp};

const ID: AccountId = AccountId(16);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1) };
/// What is to come comes within this time.
const PATIENCE: Duration = Duration::from_secs(30);

struct Told(Mutex<Sender<()>>);

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        let _nobody = self.0.lock().unwrap().send(());
    }
}

fn store(engine: &SimEngine) -> Store {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
}

fn hint(account: Option<AccountId>) -> Vec<u8> {
    let heads = account.map(|id| [&id.0.to_be_bytes()[..], &7_u64.to_be_bytes()].concat()).unwrap_or_default();
    [b"PBH1\x03one".as_slice(), &heads].concat()
}

/// Stops who looks, also where the test fails, which would wait for it else.
struct Stop<'a>(&'a Hinted);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// The next look at all that is watched is an hour away: only a hint, or that hints come no more, explains what is seen.
#[test]
fn what_another_server_does_is_seen_because_of_a_hint_and_when_hints_come_no_more() {
    let engine = SimEngine::new();
    let (here, there) = (store(&engine), store(&engine));
    let account = here.create_account(ID, Timestamp(0)).unwrap();
    let hinted = Hinted::new(&here, Some("two".to_owned()));
    hinted.are(&["one".to_owned()]);
    hinted.heard(&Hint::decode(&hint(None)).unwrap());
    let (told, woken) = channel();
    let (seen, queue_changed) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let news = || seen.send(()).unwrap();
            let looking = Looking { beside_hints: Duration::from_secs(3600), ..Looking::new(&here, &hinted, news) };
            looking.go_on();
        });
        let _stop = Stop(&hinted);
        let polls = || hinted.looks.value(["poll"]);
        // A look is counted before it is made, or after somebody was woken by it.
        let until = |kind: &'static str| {
            let end = Instant::now() + PATIENCE;
            while hinted.looks.value([kind]) == 0 {
                assert!(Instant::now() < end, "no {kind}");
                thread::yield_now();
            }
        };
        until("poll");
        let other = there.account(ID);
        other.create_mailbox(ACTOR, "a", None).unwrap();
        let watch = account.watch(Waker::from(Arc::new(Told(Mutex::new(told)))));
        woken.recv_timeout(PATIENCE).expect("what is newly watched is looked at");
        assert!(account.mailboxes().unwrap().by_name("a").is_some());
        let before = watch.changes();
        while woken.try_recv().is_ok() {}
        other.create_mailbox(ACTOR, "b", None).unwrap();
        hinted.heard(&Hint::decode(&hint(Some(ID))).unwrap());
        woken.recv_timeout(PATIENCE).expect("a hint has it looked at");
        assert_eq!((watch.changes(), polls()), (before + 1, 1));
        until("hint");
        assert_eq!(hinted.looks.value(["hint"]), 1);
        assert!(account.mailboxes().unwrap().by_name("b").is_some());
        while woken.try_recv().is_ok() {}
        let put = |tx: &mut store::TableTx<'_>| {
            tx.put(b"x", vec![1]);
            Ok::<_, Error>(())
        };
        there.table(TableId::Queue).change(put).unwrap();
        hinted.heard(&Hint::decode(&hint(Some(TableId::Queue.keyspace()))).unwrap());
        queue_changed.recv_timeout(PATIENCE).expect("the queue has news");
        assert_eq!(polls(), 1);
        // No hint tells of this one.
        other.create_mailbox(ACTOR, "c", None).unwrap();
        hinted.lost("NATS has gone".to_owned());
        woken.recv_timeout(PATIENCE).expect("all is looked at again");
        assert!(polls() > 1 && account.mailboxes().unwrap().by_name("c").is_some());
    });
}
