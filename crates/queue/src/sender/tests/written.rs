//! What hosts said is written down while the connection goes on: nothing is lost, and no more is sent twice than has to be.

use super::hard::{converse, host};
use super::*;
use std::sync::mpsc::RecvTimeoutError;
use store::sim::Fault;
use store::{Table, TableId};

/// A queue, and its table.
fn queue_in(engine: &SimEngine) -> (Queue, Table) {
    let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
    (Queue::open(&store, Policy::default()), store.table(TableId::Queue))
}

/// So many messages to one place.
fn fill(queue: &Queue, count: u8) -> Vec<QueueId> {
    let new = |number| message("me@x", &["a@y"], format!("S: {number}\r\n\r\n").as_bytes());
    (1..=count).map(|number| queue.enqueue(new(number), Timestamp(NOW)).unwrap().id).collect()
}

/// Keeps everybody from writing until the result is dropped.
fn hold_writers(table: Table) -> mpsc::Sender<()> {
    let (is_held, held) = mpsc::channel();
    let (gate, opened) = mpsc::channel::<()>();
    thread::spawn(move || {
        let changed = table.change::<_, store::Error>(|_| {
            is_held.send(()).unwrap();
            Ok(opened.recv().unwrap_err())
        });
        drop(changed);
    });
    held.recv_timeout(TIME).unwrap();
    gate
}

fn one_connection(port: u16) -> Smarthost {
    Smarthost { connections_max: 1, ..smarthost(port) }
}

fn messages(lines: &Receiver<String>) -> Vec<String> {
    lines.try_iter().filter(|line| line.starts_with("S: ")).collect()
}

#[test]
fn a_connection_goes_on_while_an_outcome_is_written_and_with_one_message_only() {
    let (port, lines) = serve(Script::default(), 1);
    let (queue, table) = queue_in(&SimEngine::new());
    fill(&queue, 3);
    let gate = hold_writers(table);
    let world = start(queue, one_connection(port), 0);
    hear(&lines, "S: 1");
    hear(&lines, "S: 2");
    assert_eq!(lines.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout), "nothing is durable");
    drop(gate);
    hear(&lines, "S: 3");
    world.until_empty();
    hear(&lines, "QUIT");
    world.sender.stop(TIME);
}

#[test]
fn an_outcome_that_was_not_written_with_others_is_written_by_itself() {
    for fault in [Fault::Full, Fault::Conflict, Fault::Failed] {
        let (port, lines) = serve(Script::default(), 1);
        let engine = SimEngine::new();
        let (queue, _) = queue_in(&engine);
        fill(&queue, 3);
        engine.plan(0, fault);
        let world = start(queue, one_connection(port), 0);
        world.until_empty();
        world.sender.stop(TIME);
        assert_eq!(messages(&lines).len(), 3, "{fault:?}");
    }
}

#[test]
fn an_outcome_that_cannot_be_written_holds_up_no_other() {
    let (heard, lines) = mpsc::channel();
    let port = host("127.0.0.1:0", move |socket| {
        let heard = heard.clone();
        thread::spawn(move || converse(&Script::default(), socket, &heard));
    });
    let engine = SimEngine::new();
    let (queue, table) = queue_in(&engine);
    let ids = fill(&queue, 3);
    let gate = hold_writers(table);
    let world = start(queue, Smarthost { connections_max: 4, ..smarthost(port) }, 0);
    (0..3).for_each(|_| hear(&lines, "S: "));
    engine.spoil(TableId::Queue, &[&b"e"[..], &ids[1].0.to_be_bytes()].concat());
    drop(gate);
    world.until(|queue| [ids[0], ids[2]].iter().all(|id| queue.show(*id) == Err(Error::NoSuchEntry)));
    world.sender.stop(TIME);
    assert!(messages(&lines).is_empty(), "none was sent again");
}

/// What is known of a message is damaged while a host takes it.
#[test]
fn an_outcome_that_could_never_be_written_kept_its_connection_for_ever() {
    let (port, lines) = serve(Script::default(), 2);
    let engine = SimEngine::new();
    let (queue, table) = queue_in(&engine);
    let ids = fill(&queue, 3);
    let gate = hold_writers(table);
    let world = start(queue, one_connection(port), 0);
    hear(&lines, "S: 1");
    engine.spoil(TableId::Queue, &[&b"e"[..], &ids[0].0.to_be_bytes()].concat());
    drop(gate);
    world.until(|queue| ids[1..].iter().all(|id| queue.show(*id) == Err(Error::NoSuchEntry)));
    let letter = world.bounces.recv_timeout(TIME).unwrap();
    assert!(letter.id == ids[0] && letter.text.contains("could not be written down"), "{letter:?}");
    assert_eq!(world.queue.first_due_after(None).unwrap(), None, "it is not sent again");
    world.queue.remove(ids[0]).unwrap();
    world.sender.stop(TIME);
    assert_eq!(messages(&lines), ["S: 2\r\n\r\n.\r\n", "S: 3\r\n\r\n.\r\n"]);
}

/// The engine finds a row damaged: that is no fault of the store that concerns all.
#[test]
fn a_message_whose_row_was_damaged_stalled_all_others() {
    let (port, lines) = serve(Script::default(), 1);
    let engine = SimEngine::new();
    let (queue, _) = queue_in(&engine);
    let ids = fill(&queue, 2);
    engine.spoil(TableId::Queue, &[&b"e"[..], &ids[0].0.to_be_bytes()].concat());
    let world = start(queue, one_connection(port), 0);
    hear(&lines, "S: 2");
    assert_eq!(world.bounces.recv_timeout(TIME).unwrap().id, ids[0]);
    world.sender.stop(TIME);
}

/// Of what is set aside none is written: it would be tried again.
#[test]
fn a_damaged_row_that_says_when_a_message_is_tried_stalled_all() {
    let (port, lines) = serve(Script::default(), 1);
    let engine = SimEngine::new();
    let (queue, _) = queue_in(&engine);
    let ids = fill(&queue, 3);
    let due = queue.first_due_after(None).unwrap().unwrap();
    assert_eq!(due.id, ids[0]);
    queue.set_aside(&due, "the test's", Timestamp(NOW)).unwrap();
    engine.spoil(TableId::Queue, &crate::turns::key(&queue.show(ids[2]).unwrap()));
    assert!(queue.due_now(Turn::default(), (Timestamp(0), QueueId(0)), 9, Timestamp(NOW)).is_err());
    let world = start(queue, one_connection(port), 0);
    hear(&lines, "S: 2");
    hear(&lines, "S: 3");
    world.until(|queue| queue.list(None, 9).unwrap().len() == 1);
    assert_eq!(world.queue.first_due_after(None).unwrap(), None);
    world.sender.stop(TIME);
}

/// RFC 5321 §6.1: who has them nobody knows then.
#[test]
fn a_crash_sends_again_what_was_not_written_and_nothing_else() {
    let (port, lines) = serve(Script::default(), 2);
    let engine = SimEngine::new();
    let (queue, table) = queue_in(&engine);
    let ids = fill(&queue, 4);
    let gate = hold_writers(table);
    let world = start(queue, one_connection(port), 0);
    hear(&lines, "S: 1");
    hear(&lines, "S: 2");
    let after = engine.crash();
    drop(gate);
    world.sender.stop(TIME);
    let sent: Vec<String> = lines.try_iter().filter(|line| line.starts_with("S: ")).collect();
    assert!(sent.is_empty(), "a third before the first was written: {sent:?}");
    let (queue, _) = queue_in(&after);
    assert_eq!(queue.list(None, 9).unwrap().iter().map(|entry| entry.id).collect::<Vec<_>>(), ids);
    let world = start(queue, one_connection(port), 0);
    world.until_empty();
    world.sender.stop(TIME);
    assert_eq!(messages(&lines).len(), 4);
}

#[test]
fn whoever_has_all_connections_but_one_has_them_while_outcomes_are_written() {
    // Whether the second thread takes one of the three is a matter of moments.
    let (port, lines) = serve(Script::default(), 3);
    let (queue, table) = queue_in(&SimEngine::new());
    let new = |_| NewEntry { account: Some(store::AccountId(20)), ..message("me@x", &["a@y"], b"S: 1\r\n\r\n") };
    (0..3).map(new).for_each(|new| drop(queue.enqueue(new, Timestamp(NOW)).unwrap()));
    let gate = hold_writers(table);
    // One of two is for others.
    let world = start(queue, smarthost(port), 0);
    hear(&lines, "S: 1");
    hear(&lines, "S: 1");
    drop(gate);
    world.until_empty();
    world.sender.stop(TIME);
}
