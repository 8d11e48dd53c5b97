//! What is known of mail that went out outlives the term in which it went out.

use super::*;
use store::sim::{FaultRates, HeldEngine};
use store::{AccountId, TableId};

fn contents(lines: &Receiver<String>) -> usize {
    lines.try_iter().filter(|line| line.starts_with("S: ")).count()
}

/// The database takes nothing while a host takes a message; then the lease is over, and the same server leads again.
#[test]
fn what_was_sent_while_nothing_could_be_written_was_sent_again_when_the_lease_was_over() {
    let engine = SimEngine::new();
    let (port, lines) = serve(Script::default(), 2);
    let queue = open(&engine);
    queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    let led = queue.lead(1).unwrap();
    engine.set_rates(FaultRates { full: 1000, ..FaultRates::default() });
    let tried = engine.commits();
    let before = start(led, smarthost(port), 0);
    hear(&lines, "S: 1");
    before.until(|_| engine.commits() > tried);
    before.sender.leave();

    engine.set_rates(FaultRates::default());
    let after = start(queue.lead(2).unwrap(), smarthost(port), 0);
    after.until_empty();
    after.sender.stop(TIME);
    assert_eq!(contents(&lines), 0, "it was sent again");
}

/// The commit of an outcome hangs; meanwhile another server leads, and has not come to that message yet.
#[test]
fn what_a_server_had_sent_that_leads_no_more_was_sent_again_by_the_next_one() {
    let engine = SimEngine::new();
    let held = HeldEngine::new(&engine);
    let (port, lines) = serve(Script::default(), 2);
    let store = Store::new(Arc::new(held.clone()), Arc::new(SimObjects::new()));
    let (one, two) = (Queue::open(&store, Policy::default()), open(&engine));
    two.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    let led = one.lead(1).unwrap();
    held.hold_table(TableId::Queue);
    let first = start(led, smarthost(port), 0);
    hear(&lines, "S: 1");
    held.until_one_waits();
    let second = two.lead(2).unwrap();
    held.hold(None);
    first.until_empty();
    let second = start(second, smarthost(port), 0);
    two.enqueue(message("me@x", &["b@y"], b"S: 2\r\n\r\n"), Timestamp(NOW)).unwrap();
    second.until_empty();
    second.sender.stop(TIME);
    assert_eq!(contents(&lines), 1, "the other one is sent, and it alone");
}

/// The commit of an outcome hangs, and then fails; meanwhile another thread has found out that another server leads.
#[test]
fn what_was_not_written_yet_was_forgotten_when_another_thread_learned_of_another_server() {
    let engine = SimEngine::new();
    let held = HeldEngine::new(&engine);
    let (port, lines) = serve(Script::default(), 2);
    let store = Store::new(Arc::new(held.clone()), Arc::new(SimObjects::new()));
    let (one, two) = (Queue::open(&store, Policy::default()), open(&engine));
    let id = two.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let led = one.lead(1).unwrap();
    held.hold_table(TableId::Queue);
    let first = start(led, smarthost(port), 0);
    hear(&lines, "S: 1");
    held.until_one_waits();
    let _second = two.lead(2).unwrap();
    let other = NewEntry { account: Some(AccountId(20)), ..message("me@x", &["b@y"], b"S: 2\r\n\r\n") };
    two.enqueue(other, Timestamp(NOW)).unwrap();
    first.sender.look_for_news();
    let shared = &first.sender.shared;
    assert!(!shared.watch(shared.lock(), TIME, |state| !state.stopping).1, "it learns that another one leads");
    engine.set_rates(FaultRates { full: 1000, ..FaultRates::default() });
    let tried = engine.commits();
    held.hold(None);
    // With others, and by itself.
    first.until(|_| engine.commits() >= tried + 2);
    engine.set_rates(FaultRates::default());
    first.until(|queue| queue.show(id) == Err(Error::NoSuchEntry));
    assert!(shared.wait_for_threads(TIME));
}

/// It may be with its host by now; put off, it could be given up.
#[test]
fn what_threads_of_an_earlier_term_had_in_their_hands_was_put_off() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let hand = queue.hands().take(id, queue.hands().holder(), Duration::ZERO).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = start(queue.clone(), smarthost(port), 0);
    let before = queue.show(id).unwrap();
    let job = Job { id, turn: Turn::default(), destination: Destination::Smarthost };
    let last = LastReply::new(&smtp_proto::Reply::plain(421, "nobody is there"), false, Timestamp(NOW));
    world.sender.shared.postpone(&[(job, Timestamp(NOW + 1000))], Some(&last)).unwrap();
    assert_eq!(queue.show(id).unwrap(), before);
    drop(hand);
    world.until(|queue| queue.show(id).unwrap().next_at.0 > NOW);
    world.sender.stop(TIME);
}
