use super::*;
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::sim::{Fault, FaultRates, Random, SimEngine, SimObjects};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const MINUTE: i64 = 60_000;

pub(crate) fn open(engine: &SimEngine) -> Queue {
    Queue::open(&Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())), Policy::default())
}

pub(crate) fn message(reverse_path: &str, recipients: &[&str], content: &[u8]) -> NewEntry {
    NewEntry {
        reverse_path: reverse_path.parse().map_or(ReversePath::Null, ReversePath::Mailbox),
        recipients: recipients.iter().map(|text| ForwardPath::Mailbox(text.parse().unwrap())).collect(),
        content: content.to_vec(),
        smtputf8: false,
        handover: None,
    }
}

fn reply(code: u16) -> LastReply {
    LastReply::new(&Reply::plain(code, "said"), true, NOW)
}

fn delivered() -> RecipientState {
    RecipientState::Delivered { reply: reply(250) }
}

fn failed() -> RecipientState {
    RecipientState::Failed { reply: reply(550), reported: false }
}

fn later() -> RecipientState {
    RecipientState::Waiting { last: Some(reply(451)) }
}

fn due(queue: &Queue) -> Option<(i64, u64)> {
    queue.next_due(&HashSet::new()).unwrap().map(|(at, id)| (at.0 - NOW.0, id.0))
}

fn rows(engine: &SimEngine) -> usize {
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(AccountId::QUEUE);
    [b"e", b"b", b"d"].iter().map(|prefix| table.scan(*prefix, &[], usize::MAX).unwrap().len()).sum()
}

#[test]
fn a_message_survives_and_comes_back_whole() {
    let engine = SimEngine::new();
    let content: Vec<u8> = (0..BODY_ROW_BYTES * 2 + 5).map(|n| n as u8).collect();
    let id = open(&engine).enqueue(message("me@x", &["a@y", "b@y"], &content), NOW).unwrap().id;
    let queue = open(&engine.crash());
    assert_eq!(queue.content(id).unwrap(), content);
    let entry = queue.show(id).unwrap();
    assert_eq!((entry.reverse_path.as_str(), entry.recipients.len(), entry.size_bytes), ("me@x", 2, 2_097_157));
    assert_eq!(queue.expires_at(&entry).0 - NOW.0, 5 * 24 * 60 * MINUTE);
    assert_eq!(queue.list(None, 10).unwrap(), [entry]);
    assert_eq!(queue.list(Some(id), 10).unwrap(), []);
    assert_eq!(due(&queue), Some((0, id.0)));
}

#[test]
fn delivered_recipients_are_not_tried_again() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let id = queue.enqueue(message("me@x", &["a@y", "b@y"], b"m"), NOW).unwrap().id;
    queue.settle(id, &vec![(0, delivered()), (1, later())], NOW).unwrap();
    let queue = open(&engine.crash());
    let entry = queue.show(id).unwrap();
    assert_eq!(entry.waiting().map(|(place, _)| place).collect::<Vec<_>>(), [1]);
    assert_eq!((entry.attempts, due(&queue)), (1, Some((MINUTE, id.0))));
    // A late report about a settled recipient changes nothing.
    queue.settle(id, &vec![(0, failed()), (1, later())], NOW).unwrap();
    assert_eq!(queue.show(id).unwrap().recipients[0].state, delivered());
    assert_eq!(queue.settle(id, &vec![(1, delivered())], NOW), Ok(None));
    assert_eq!((queue.show(id), rows(&engine.crash())), (Err(Error::NoSuchEntry), 0));
}

#[test]
fn a_failure_stays_until_it_is_reported() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y", "b@y"], b"m"), NOW).unwrap().id;
    let entry = queue.settle(id, &vec![(0, failed()), (1, delivered())], NOW).unwrap().unwrap();
    assert_eq!(entry.unreported().count(), 1);
    let entry = queue.postpone(id, NOW).unwrap().unwrap();
    assert_eq!(due(&queue), Some((MINUTE, id.0)));
    assert_eq!(queue.reported(&entry), Ok(None));
    assert_eq!(queue.list(None, 9).unwrap(), []);
}

#[test]
fn nobody_is_told_about_a_bounce() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("", &["a@y"], b"m"), NOW).unwrap().id;
    assert_eq!(queue.settle(id, &vec![(0, failed())], NOW), Ok(None));
}

#[test]
fn what_waits_too_long_has_failed() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
    let end = Timestamp(NOW.0 + 5 * 24 * 60 * MINUTE);
    let entry = queue.settle(id, &vec![(0, later())], Timestamp(end.0 - 1)).unwrap().unwrap();
    assert_eq!((entry.unreported().count(), due(&queue)), (0, Some((end.0 - NOW.0, id.0))));
    let entry = queue.settle(id, &vec![(0, later())], end).unwrap().unwrap();
    let (address, reply) = entry.unreported().next().unwrap();
    assert_eq!((address, reply.status.as_str()), ("a@y", "5.4.7"));
    assert!(reply.text.contains("451 said"), "{}", reply.text);
}

#[test]
fn an_operator_holds_releases_retries_and_removes() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let id = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
    queue.hold(id).unwrap();
    assert_eq!((due(&queue), queue.retry(id, NOW)), (None, Err(Error::Held)));
    // An attempt that ran meanwhile does not end the hold.
    queue.settle(id, &vec![(0, later())], NOW).unwrap();
    assert_eq!(due(&queue), None);
    queue.release(id, Timestamp(NOW.0 + 5)).unwrap();
    assert_eq!(due(&queue), Some((5, id.0)));
    queue.settle(id, &vec![(0, later())], NOW).unwrap();
    queue.retry(id, Timestamp(NOW.0 + 7)).unwrap();
    assert_eq!(due(&queue), Some((7, id.0)));
    queue.remove(id).unwrap();
    assert_eq!((queue.remove(id), queue.retry(id, NOW), queue.hold(id)), {
        let gone = || Err(Error::NoSuchEntry);
        (gone(), gone(), gone())
    });
    assert_eq!(rows(&engine), 0);
    let next = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
    assert!(next > id, "a number is never used again");
}

#[test]
fn limits_are_held() {
    let queue = open(&SimEngine::new()).with_limits(2, 10);
    let id = queue.enqueue(message("me@x", &["a@y"], b"12345"), NOW).unwrap().id;
    assert!(matches!(queue.enqueue(message("me@x", &["a@y"], b"123456"), NOW), Err(Error::Full(_))));
    queue.enqueue(message("me@x", &["a@y"], b"12345"), NOW).unwrap();
    assert!(matches!(queue.enqueue(message("me@x", &["a@y"], b""), NOW), Err(Error::Full(_))));
    queue.remove(id).unwrap();
    queue.enqueue(message("me@x", &["a@y"], b""), NOW).unwrap();
}

#[test]
fn the_busy_are_passed_over() {
    let queue = open(&SimEngine::new());
    let first = queue.enqueue(message("me@x", &["a@y"], b"1"), NOW).unwrap().id;
    let second = queue.enqueue(message("me@x", &["a@y"], b"2"), NOW).unwrap().id;
    let busy = |ids: &[QueueId]| ids.iter().copied().collect::<HashSet<_>>();
    assert_eq!(queue.next_due(&busy(&[])).unwrap(), Some((NOW, first)));
    assert_eq!(queue.next_due(&busy(&[first])).unwrap(), Some((NOW, second)));
    assert_eq!(queue.next_due(&busy(&[first, second])).unwrap(), None);
}

#[test]
fn a_full_disk_changes_nothing() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    engine.plan(0, Fault::Full);
    let refused = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW);
    assert!(matches!(refused, Err(Error::Store(store::Error::NoSpace(_)))));
    assert_eq!(rows(&engine), 0);
}

/// Whatever fails and whenever the process dies: what was acknowledged is there, in the state acknowledged last.
#[test]
fn nothing_acknowledged_is_lost_in_crashes() {
    for seed in 0..60 {
        let rates = FaultRates { conflict: 100, full: 30, failed: 30, read_error: 10 };
        let mut engine = SimEngine::with_faults(seed, rates);
        let mut random = Random::new(seed);
        let mut queue = open(&engine);
        // Acknowledged, and how many recipients are known to be delivered.
        let mut kept: Vec<(QueueId, bool)> = Vec::new();
        for round in 0..30_u32 {
            if random.chance(200) {
                engine.plan(random.below(2), if random.chance(500) { Fault::CrashBefore } else { Fault::CrashAfter });
            }
            let content = round.to_be_bytes();
            if let Ok(Enqueued { id, .. }) = queue.enqueue(message("me@x", &["a@y", "b@y"], &content), NOW) {
                kept.push((id, false));
            }
            if let Some((id, is_delivered)) = kept.last_mut().filter(|_| random.chance(500)) {
                *is_delivered |= queue.settle(*id, &vec![(0, delivered())], NOW).is_ok();
            }
            if engine.is_dead() || random.chance(100) {
                engine = engine.crash();
                queue = open(&engine);
            }
        }
        engine = engine.crash();
        engine.set_rates(FaultRates::default());
        queue = open(&engine);
        for (id, is_delivered) in kept {
            let entry = queue.show(id).unwrap();
            assert_eq!(queue.content(id).unwrap().len(), 4);
            assert!(!is_delivered || entry.recipients[0].state == delivered(), "seed {seed}, {id}");
            assert!(queue.list(None, usize::MAX).unwrap().contains(&entry));
        }
    }
}
