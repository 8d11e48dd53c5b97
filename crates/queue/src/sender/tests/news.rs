//! What is looked at when another server has queued a message.

use super::*;
use crate::queue::Fate;
use store::AccountId;

/// So many reads for a message that comes: where it is known up to, what lies behind, the message.
const READS_MAX: u64 = 16;

fn until_known(world: &World, id: QueueId) {
    let end = Instant::now() + TIME;
    let shared = &world.sender.shared;
    let mut state = shared.lock();
    while !state.window.has(id) {
        assert!(Instant::now() < end, "it is not looked at");
        state.watching += 1;
        state = shared.changed.wait_timeout(state, Duration::from_millis(50)).unwrap().0;
        state.watching -= 1;
    }
}

/// All threads but so many have nothing to do.
fn until_at_rest(world: &World, but: usize) {
    let end = Instant::now() + TIME;
    while world.sender.shared.lock().resting + but < world.sender.shared.outgoing.connections_max() {
        assert!(Instant::now() < end, "the threads do not come to rest");
        thread::yield_now();
    }
}

/// A host that takes connections and says nothing; how many.
fn silent_host() -> (u16, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (taken, sockets) = mpsc::channel();
    thread::spawn(move || listener.incoming().map_while(Result::ok).all(|socket| taken.send(socket).is_ok()));
    (port, sockets)
}

fn of(account: u32, number: u32) -> NewEntry {
    let new = message("me@x", &["a@y"], format!("S: {number}\r\n\r\n").as_bytes());
    NewEntry { account: Some(AccountId(16 + account)), ..new }
}

/// What a message of another server costs the one that leads, where so many messages of so many senders wait already: for their time, or,
/// of one sender, for the one connection that it may have, at which nobody answers.
fn reads_beside(waiting: u32, senders: u32, ahead: i64) -> u64 {
    let engine = SimEngine::new();
    let (port, sockets) = silent_host();
    let (doors, other) = (open(&engine), open(&engine));
    let ids: Vec<QueueId> =
        (0..waiting).map(|number| other.enqueue(of(number % senders, number), Timestamp(NOW)).unwrap().id).collect();
    let are_due = senders == 1;
    let later = vec![(0, Fate::Postponed { last: None, until: Timestamp(NOW + 3_600_000) })];
    ids.iter().filter(|_| !are_due).for_each(|id| drop(other.settle(*id, &later, Timestamp(NOW)).unwrap()));
    let world = start(doors.lead(1).unwrap(), smarthost(port), 0);
    ids.iter().filter(|_| are_due).for_each(|id| until_known(&world, *id));
    let held: Vec<TcpStream> =
        ids.iter().take(1).filter(|_| are_due).map(|_| sockets.recv_timeout(TIME).unwrap()).collect();
    until_at_rest(&world, held.len());
    let id = other.enqueue(of(senders, waiting), Timestamp(NOW + ahead)).unwrap().id;
    let before = engine.reads();
    world.sender.look_for_news();
    until_known(&world, id);
    let reads = engine.reads() - before;
    world.sender.stop(Duration::ZERO);
    reads
}

#[test]
fn each_message_of_another_server_had_the_whole_queue_read() {
    // The last one's clock is a minute ahead.
    for (waiting, senders, ahead) in [(10, 1, 0), (500, 1, 0), (500, 100, 0), (500, 100, 60_000)] {
        let reads = reads_beside(waiting, senders, ahead);
        assert!(reads <= READS_MAX, "{reads} reads, where {waiting} messages of {senders} senders wait, {ahead}");
    }
}

/// On another server an operator has a message tried that waits for its next attempt.
#[test]
fn what_is_changed_on_another_server_is_looked_at() {
    let engine = SimEngine::new();
    let (port, lines) = serve(Script { rcpt: vec!["450 4.2.1 later"], ..Script::default() }, 2);
    let (doors, other) = (open(&engine), open(&engine));
    let id = other.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let world = start(doors.lead(1).unwrap(), smarthost(port), 0);
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    hear(&lines, "QUIT");
    other.retry(id, Timestamp(NOW)).unwrap();
    world.sender.look_for_news();
    hear(&lines, "S: 1");
    world.until_empty();
    world.sender.stop(TIME);
}

/// Nobody was there; now somebody is, and an operator knows it.
#[test]
fn what_was_to_be_tried_by_the_word_of_another_server_waited_for_a_destination_that_was_not_asked() {
    let engine = SimEngine::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (doors, other) = (open(&engine), open(&engine));
    let id = other.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let world = start(doors.lead(1).unwrap(), smarthost(port), 0);
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    let (_, lines) = serve_at(&format!("127.0.0.1:{port}"), Script::default(), 1);
    other.retry(id, Timestamp(NOW)).unwrap();
    world.sender.look_for_news();
    hear(&lines, "S: 1");
    world.until_empty();
    world.sender.stop(TIME);
}

/// There was no room for all of it once; what is here goes to a host that hangs.
#[test]
fn a_message_of_a_sender_of_whom_much_waits_waited_half_a_minute() {
    let engine = SimEngine::new();
    let (port, sockets) = silent_host();
    let (doors, other) = (open(&engine), open(&engine));
    // More than a part of what there may be, or it is loaded for that.
    let news: Vec<NewEntry> = (0..1100).map(|number| of(0, number)).collect();
    let last = other.enqueue_all(&news, Timestamp(NOW)).unwrap().last().unwrap().id;
    let world = start(doors.lead(1).unwrap(), smarthost(port), 0);
    until_known(&world, last);
    let _hangs = sockets.recv_timeout(TIME).unwrap();
    until_at_rest(&world, 1);
    world.sender.shared.lock().window.leave_out(Turn::of(Some(16)));
    let id = other.enqueue(of(0, 1100), Timestamp(NOW)).unwrap().id;
    world.sender.look_for_news();
    until_known(&world, id);
    world.sender.stop(Duration::ZERO);
}

/// Nobody is there; somebody holds a message.
#[test]
fn each_change_of_a_message_had_all_destinations_asked_anew() {
    let engine = SimEngine::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (doors, other) = (open(&engine), open(&engine));
    let add = || other.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap().id;
    let first = add();
    let world = start(doors.lead(1).unwrap(), smarthost(port), 0);
    let is_put_off = |queue: &Queue, id| queue.show(id).unwrap().next_at.0 > NOW;
    world.until(|queue| is_put_off(queue, first));
    other.hold(first).unwrap();
    let second = add();
    world.sender.look_for_news();
    world.until(|queue| is_put_off(queue, second));
    world.queue.hold(second).unwrap();
    let third = add();
    world.sender.look_for_news();
    world.until(|queue| is_put_off(queue, third));
    let attempts = [first, second, third].map(|id| other.show(id).unwrap().attempts);
    assert_eq!(attempts, [1, 0, 0], "the second and the third wait until it is asked again");
    world.sender.stop(TIME);
}

/// Its clock is a minute ahead of that of the one that sends.
#[test]
fn what_a_server_took_whose_clock_is_ahead_waited() {
    let engine = SimEngine::new();
    let (port, lines) = serve(Script::default(), 2);
    let (doors, other) = (open(&engine), open(&engine));
    let world = start(doors.lead(1).unwrap(), smarthost(port), 0);
    other.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), Timestamp(NOW)).unwrap();
    world.sender.look_for_news();
    world.until_empty();
    until_at_rest(&world, 0);
    other.enqueue(message("me@x", &["a@y"], b"S: 2\r\n\r\n"), Timestamp(NOW + 60_000)).unwrap();
    world.sender.look_for_news();
    hear(&lines, "S: 2");
    world.until_empty();
    world.sender.stop(TIME);
}
