//! Large messages that the server does not give, or does not have any more.

use super::*;

/// A server that gives no large messages; how often it was asked for one.
struct Grudging<'s>(Link<'s>, Result<Option<Vec<u8>>, Error>, AtomicUsize);

impl Primary for Grudging<'_> {
    fn heads(&self) -> Result<Vec<u8>, Error> {
        self.0.heads()
    }
    fn news(&self, place: Place, wait: Duration) -> Result<Option<Vec<u8>>, Error> {
        self.0.news(place, wait)
    }
    fn compare(&self, account: AccountId, ranges: &[u8], take: Take<'_>) -> Result<(), Error> {
        self.0.compare(account, ranges, take)
    }
    fn object(&self, _: AccountId, _: &ObjectName) -> Result<Option<Vec<u8>>, Error> {
        self.2.fetch_add(1, Ordering::Relaxed);
        self.1.clone()
    }
}

/// A row whose large message the server does not have is brought at the fourth time, however often the link has failed before.
#[test]
fn a_link_that_failed_cost_a_standby_large_messages() {
    let world = World::new(5, 0);
    let id = AccountId::FIRST;
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: Timestamp(NOW) };
    let body = [b"Subject: large\r\n\r\n".as_slice(), &[b'x'; 40_000]].concat();
    let message = NewMessage { body, flags: Flags::default(), internal_date: actor.now };
    world.server.store.account(id).append(actor, Target::Inbox, message).unwrap();
    let (engine, objects) = world.standby.clone();
    let mut follower = Follower::open(Arc::new(engine.clone()), Arc::new(objects), options()).unwrap();
    let mut is_brought_after = |answer, asked| {
        let grudging = Grudging(Link::sound(&world.server.source), answer, AtomicUsize::new(0));
        let is_brought = || engine.head(id).unwrap() > ModSeq(0);
        while grudging.2.load(Ordering::Relaxed) < asked && !is_brought() {
            follower.step(&grudging, Duration::ZERO, NOW).unwrap();
        }
        is_brought()
    };
    assert!(!is_brought_after(Err(fault("the link is cut")), 10));
    assert!(!is_brought_after(Ok(None), 3), "it may have been purged meanwhile");
    assert!(!is_brought_after(Err(fault("the link is cut")), 1));
    assert!(is_brought_after(Ok(None), 1));
    assert_eq!(world.standby.1.list(id).unwrap(), []);
}
