//! What is known of mail that went out outlives the term in which it went out.

use super::*;
use store::TableId;
use store::sim::{FaultRates, HeldEngine};

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
