//! Messages that wait for a time that their sender chose.

use super::*;
use crate::entry::tests::later_at;
use crate::{Released, Unreleased, Via, Ways};
use smtp_proto::{DeliverBy, Enhanced, Reply};
use std::collections::VecDeque;
use store::AccountId;

const ALICE: AccountId = AccountId(16);
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What whoever submits says, and what was submitted.
#[derive(Clone)]
struct Door {
    answers: Arc<Mutex<VecDeque<Result<Released, Unreleased>>>>,
    submitted: Arc<Mutex<Vec<String>>>,
}

impl Door {
    fn new(answers: Vec<Result<Released, Unreleased>>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into())), submitted: Arc::default() }
    }

    fn open(&self, queue: Queue) -> World {
        let door = self.clone();
        let release: Releaser = Arc::new(move |entry, content| {
            let whom: Vec<&str> = entry.waiting().map(|(_, recipient)| recipient.address.as_str()).collect();
            door.submitted.lock().unwrap().push(format!("{} {}", whom.join(" "), String::from_utf8(content).unwrap()));
            door.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Released::default()))
        });
        // No way leads out: what is released does not need any.
        let ways = Ways::all(Via::Refuse);
        let outgoing = Outgoing { hello: "mail.example.org".into(), smarthost: None, direct: None, ways };
        start_with_door(queue, outgoing, 0, release)
    }

    fn submitted(&self) -> Vec<String> {
        self.submitted.lock().unwrap().clone()
    }
}

fn for_later(text: &str, after_millis: i64) -> NewEntry {
    let later = Some(later_at(Timestamp(NOW + after_millis)));
    NewEntry { account: Some(ALICE), later, ..message("me@x", &["a@y", "b@here"], text.as_bytes()) }
}

fn put(queue: &Queue, text: &str, after_millis: i64) -> QueueId {
    queue.enqueue(for_later(text, after_millis), Timestamp(NOW)).unwrap().id
}

#[test]
fn a_mail_for_monday_goes_on_monday_and_not_before_whatever_happens_meanwhile() {
    let engine = SimEngine::new();
    let (monday, sunday) = (put(&open(&engine), "monday", 3 * DAY), put(&open(&engine), "sunday", 2 * DAY));
    let door = Door::new(Vec::new());
    let world = door.open(open(&engine.crash()));
    world.pass(2 * DAY);
    world.until(|queue| queue.show(sunday).is_err());
    world.pass(DAY - 1);
    // Something else that is due goes meanwhile.
    let other = put(&world.queue, "at once", 0);
    world.until(|queue| queue.show(other).is_err());
    assert_eq!(door.submitted(), ["a@y b@here sunday", "a@y b@here at once"]);
    assert_eq!(world.queue.scheduled(ALICE).unwrap().len(), 1);
    world.pass(1);
    world.until(|queue| queue.show(monday).is_err());
    assert_eq!(door.submitted()[2..], ["a@y b@here monday"]);
    assert_eq!(world.queue.scheduled(ALICE).unwrap(), []);
    assert!(world.bounces.try_recv().is_err());
    world.sender.stop(TIME);
}

#[test]
fn what_cannot_be_submitted_now_is_tried_again_and_for_as_long_as_any_other_from_its_time_on() {
    let queue = open(&SimEngine::new());
    let id = put(&queue, "x", 30 * DAY);
    let full = || Err(Unreleased::Later(Reply::new(452, Enhanced(4, 2, 2), "full")));
    let door = Door::new((0..3).map(|_| full()).collect());
    let world = door.open(queue);
    world.pass(30 * DAY);
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    let entry = world.queue.show(id).unwrap();
    assert_eq!(entry.recipients[0].last_reply().unwrap().text, "full");
    assert_eq!((entry.next_at.0 - NOW - 30 * DAY, world.queue.expires_at(&entry).0 - NOW), (60_000, 35 * DAY));
    world.pass(60_000);
    world.until(|queue| queue.show(id).unwrap().attempts == 2);
    world.pass(5 * DAY - 60_000);
    assert!(
        world.bounces.recv_timeout(TIME).unwrap().text.contains("not delivered in time; the last answer was: 452 full")
    );
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn whom_it_is_not_for_any_more_is_told_to_its_sender() {
    let queue = open(&SimEngine::new());
    let no_more = Reply::new(550, Enhanced(5, 1, 1), "nobody any more");
    let door = Door::new(vec![Ok(Released { refused: vec![(1, no_more.clone())], ..Released::default() })]);
    let world = door.open(queue);
    put(&world.queue, "x", 0);
    assert_eq!(world.bounces.recv_timeout(TIME).unwrap().text, "b@here - 550 5.1.1 nobody any more\n");
    world.until_empty();
    world.sender.stop(TIME);

    let queue = open(&SimEngine::new());
    let world = Door::new(vec![Err(Unreleased::Never(no_more))]).open(queue);
    put(&world.queue, "x", 0);
    assert_eq!(world.bounces.recv_timeout(TIME).unwrap().text.lines().count(), 2, "it comes back whole");
    world.until_empty();
    world.sender.stop(TIME);
}

#[test]
fn who_cannot_have_it_now_gets_it_later_and_nobody_twice() {
    let full = vec![(1, Reply::new(450, Enhanced(4, 2, 2), "full"))];
    let door = Door::new(vec![Ok(Released { later: full, ..Released::default() })]);
    let world = door.open(open(&SimEngine::new()));
    let id = put(&world.queue, "x", 0);
    world.until(|queue| queue.show(id).unwrap().attempts == 1);
    let states: Vec<_> = world.queue.show(id).unwrap().waiting().map(|(place, _)| place).collect();
    assert_eq!(states, [1]);
    world.pass(60_000);
    world.until_empty();
    assert_eq!(door.submitted(), ["a@y b@here x", "b@here x"]);
    assert!(world.bounces.try_recv().is_err());
    world.sender.stop(TIME);
}

/// RFC 2852 §4.1.4, RFC 4865 §5.2: the server was down when its time came.
#[test]
fn what_is_too_late_by_its_senders_word_comes_back_and_is_not_submitted() {
    let queue = open(&SimEngine::new());
    let deliver_by = Some(DeliverBy { seconds: 2 * 3600, returns: true, trace: false });
    let id = queue.enqueue(NewEntry { deliver_by, ..for_later("x", HOUR) }, Timestamp(NOW)).unwrap().id;
    let door = Door::new(Vec::new());
    let world = door.open(queue);
    world.pass(2 * HOUR);
    let bounce = world.bounces.recv_timeout(TIME).unwrap();
    assert!(bounce.id == id && bounce.text.contains("not delivered in time"), "{bounce:?}");
    world.until_empty();
    assert_eq!(door.submitted(), Vec::<String>::new());
    world.sender.stop(TIME);
}

#[test]
fn its_owner_sends_it_now() {
    let queue = open(&SimEngine::new());
    let (id, other) = (put(&queue, "x", 300 * DAY), put(&queue, "another", 300 * DAY));
    let door = Door::new(Vec::new());
    let world = door.open(queue);
    world.queue.send_now(ALICE, id, Timestamp(NOW)).unwrap();
    world.until(|queue| queue.show(id).is_err());
    assert_eq!(door.submitted(), ["a@y b@here x"]);
    world.queue.retry(other, Timestamp(NOW)).unwrap();
    world.until_empty();
    world.sender.stop(TIME);
}
