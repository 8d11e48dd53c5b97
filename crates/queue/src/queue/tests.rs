use super::*;
use crate::entry::tests::later_at;
use crate::entry::{LastReply, Matter, RecipientState};
use crate::outgoing::Destination;
use crate::report;
use crate::window::Window;
use smtp_proto::{ForwardPath, Reply, ReversePath};
use std::sync::Arc;
use store::sim::{Fault, FaultRates, Random, SimEngine, SimObjects};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

pub(crate) fn open(engine: &SimEngine) -> Queue {
    Queue::open(&Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())), Policy::default())
}

pub(crate) fn message(reverse_path: &str, recipients: &[&str], content: &[u8]) -> NewEntry {
    let reverse_path = reverse_path.parse().map_or(ReversePath::Null, ReversePath::Mailbox);
    let recipients = recipients.iter().map(|text| ForwardPath::Mailbox(text.parse().unwrap()).into()).collect();
    NewEntry::new(reverse_path, recipients, Arc::new(content.to_vec()))
}

fn reply(code: u16) -> LastReply {
    LastReply::new(&Reply::plain(code, "said"), true, NOW)
}

fn delivered() -> RecipientState {
    RecipientState::Delivered { reply: reply(250), untold: false }
}

fn failed() -> RecipientState {
    RecipientState::Failed { reply: reply(550), reported: false }
}

fn later() -> RecipientState {
    RecipientState::Waiting { last: Some(reply(451)) }
}

fn due(queue: &Queue) -> Option<(i64, u64)> {
    first_due(queue).map(|due| (due.at.0 - NOW.0, due.id.0))
}

fn rows(engine: &SimEngine) -> usize {
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    [b"e", b"b", b"d", b"t", b"x"].iter().map(|prefix| table.scan(*prefix, &[], usize::MAX).unwrap().len()).sum()
}

#[test]
fn a_message_survives_and_comes_back_whole() {
    let engine = SimEngine::new();
    let content: Vec<u8> = (0..BODY_ROW_BYTES * 2 + 5).map(|n| n as u8).collect();
    let id = open(&engine).enqueue(message("me@x", &["a@y", "b@y"], &content), NOW).unwrap().id;
    let queue = open(&engine.crash());
    assert_eq!(queue.content(id).unwrap(), content);
    let entry = queue.show(id).unwrap();
    assert_eq!((entry.reverse_path.as_str(), entry.recipients.len(), entry.size_bytes), ("me@x", 2, 262_149));
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
    queue.settle(id, &vec![(0, Fate::Tried(delivered())), (1, Fate::Tried(later()))], NOW).unwrap();
    let queue = open(&engine.crash());
    let entry = queue.show(id).unwrap();
    assert_eq!(entry.waiting().map(|(place, _)| place).collect::<Vec<_>>(), [1]);
    assert_eq!((entry.attempts, due(&queue)), (1, Some((MINUTE, id.0))));
    // A late report about a settled recipient changes nothing.
    queue.settle(id, &vec![(0, Fate::Tried(failed())), (1, Fate::Tried(later()))], NOW).unwrap();
    assert_eq!(queue.show(id).unwrap().recipients[0].state, delivered());
    assert_eq!(queue.settle(id, &vec![(1, Fate::Tried(delivered()))], NOW), Ok(None));
    assert_eq!((queue.show(id), rows(&engine.crash())), (Err(Error::NoSuchEntry), 0));
}

#[test]
fn a_failure_stays_until_it_is_reported() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y", "b@y"], b"m"), NOW).unwrap().id;
    let entry =
        queue.settle(id, &vec![(0, Fate::Tried(failed())), (1, Fate::Tried(delivered()))], NOW).unwrap().unwrap();
    assert_eq!(entry.to_report(Matter::Failed).count(), 1);
    let entry = queue.postpone(&queue.show(id).unwrap(), Matter::Failed, NOW).unwrap().unwrap();
    assert_eq!(due(&queue), Some((MINUTE, id.0)));
    assert_eq!(queue.reported(&entry, Matter::Failed), Ok(None));
    assert_eq!(queue.list(None, 9).unwrap(), []);
}

#[test]
fn nobody_is_told_about_a_bounce() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("", &["a@y"], b"m"), NOW).unwrap().id;
    assert_eq!(queue.settle(id, &vec![(0, Fate::Tried(failed()))], NOW), Ok(None));
}

#[test]
fn what_waits_too_long_has_failed() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
    let end = Timestamp(NOW.0 + 5 * 24 * 60 * MINUTE);
    let entry = queue.settle(id, &vec![(0, Fate::Tried(later()))], Timestamp(end.0 - 1)).unwrap().unwrap();
    assert_eq!((entry.to_report(Matter::Failed).count(), entry.recipients[0].next_at), (0, Some(end.0)));
    let entry = queue.settle(id, &vec![(0, Fate::Tried(later()))], end).unwrap().unwrap();
    let failed = entry.to_report(Matter::Failed).next().unwrap();
    let (address, reply) = (failed.address.as_str(), failed.last_reply().unwrap());
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
    queue.settle(id, &vec![(0, Fate::Tried(later()))], NOW).unwrap();
    assert_eq!(due(&queue), None);
    queue.release(id, Timestamp(NOW.0 + 5)).unwrap();
    assert_eq!(due(&queue), Some((5, id.0)));
    queue.settle(id, &vec![(0, Fate::Tried(later()))], NOW).unwrap();
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
    let queue = open(&SimEngine::new()).with_limits(Limits { entries: 2, bytes: 10, ..Limits::DEFAULT });
    let id = queue.enqueue(message("me@x", &["a@y"], b"12345"), NOW).unwrap().id;
    assert!(matches!(queue.enqueue(message("me@x", &["a@y"], b"123456"), NOW), Err(Error::Full(_))));
    queue.enqueue(message("me@x", &["a@y"], b"12345"), NOW).unwrap();
    assert!(matches!(queue.enqueue(message("me@x", &["a@y"], b""), NOW), Err(Error::Full(_))));
    queue.remove(id).unwrap();
    queue.enqueue(message("me@x", &["a@y"], b""), NOW).unwrap();
}

fn first_due(queue: &Queue) -> Option<Due> {
    let mut firsts = Vec::new();
    while let Some(due) = queue.first_due_after(firsts.last().map(|due: &Due| due.turn)).unwrap() {
        firsts.push(due);
    }
    firsts.into_iter().min_by_key(|due| due.at)
}

/// What is tried, one after the other, while all of it stays under way.
fn order(queue: &Queue, per_sender_max: usize, count: usize) -> Vec<u64> {
    let (mut window, mut after) = (Window::default(), None);
    while let Some(first) = queue.first_due_after(after).unwrap() {
        for due in queue.due_now(first.turn, (Timestamp(0), QueueId(0)), usize::MAX - 1, NOW).unwrap().messages {
            window.add(due.turn, due.id, vec![Destination::Smarthost]);
        }
        after = Some(first.turn);
    }
    (0..count).map_while(|_| window.take(per_sender_max, &mut |_, _| true)).map(|job| job.id.0).collect()
}

fn of(account: u32, recipients: usize) -> NewEntry {
    let addresses: Vec<String> = (0..recipients).map(|n| format!("r{n}@y")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    NewEntry { account: Some(AccountId(account)), ..message("me@x", &addresses, b"m") }
}

#[test]
fn the_busy_are_passed_over() {
    let queue = open(&SimEngine::new());
    (0..2).for_each(|_| drop(queue.enqueue(message("me@x", &["a@y"], b"1"), NOW).unwrap()));
    assert_eq!(order(&queue, 2, 9), [1, 2]);
    assert_eq!(order(&queue, 1, 9), [1], "a connection is left to the others");
}

#[test]
fn with_a_hundred_thousand_recipients_of_one_account_queued_the_others_are_served_next() {
    let limits = Limits {
        account_recipients_per_hour: u64::MAX / HOUR as u64,
        account_recipients_per_day: u64::MAX / HOUR as u64,
        ..Limits::DEFAULT
    };
    let queue = open(&SimEngine::new()).with_limits(limits);
    (0..1000).for_each(|_| drop(queue.enqueue(of(20, 100), NOW).unwrap()));
    let [bob, carol, server] = [of(21, 1), of(u32::MAX, 1), message("", &["a@y"], b"m")]
        .map(|new| queue.enqueue(new, Timestamp(NOW.0 + 5)).unwrap().id.0);
    // At first nobody but the first is due.
    assert_eq!(order(&queue, 2, 9), [1, 2]);
    for id in [bob, carol, server] {
        queue.retry(QueueId(id), NOW).unwrap();
    }
    assert_eq!(order(&queue, 3, 9), [1, bob, carol, server, 2, 3]);
    // What waits for later does not hold up what is due.
    queue.settle(QueueId(bob), &vec![(0, Fate::Tried(later()))], NOW).unwrap();
    assert_eq!(order(&queue, 1, 9), [1, carol, server]);
}

#[test]
fn one_account_cannot_fill_the_queue_and_the_others_still_send() {
    let queue = open(&SimEngine::new());
    let limits = Limits::DEFAULT;
    // A hundred thousand recipients, as fast as they come.
    let taken = (0..1000).filter(|_| queue.enqueue(of(20, 100), NOW).is_ok()).count() as u64;
    assert_eq!(taken * 100, limits.account_recipients_per_hour);
    assert!(matches!(queue.enqueue(of(20, 100), NOW), Err(Error::Rate(why)) if why.contains("in 3 minutes")));
    assert!(matches!(queue.check(AccountId(20), 1, 1, NOW), Err(Error::Rate(_))));
    assert!(queue.check(AccountId(21), 100, 1, NOW).is_ok());
    queue.enqueue(of(21, 100), NOW).unwrap();
    queue.enqueue(of(20, 100), Timestamp(NOW.0 + 3 * MINUTE)).unwrap();
    // One more than its share of places.
    let queue = queue.with_limits(Limits { account_entries: taken + 1, ..limits });
    let at = Timestamp(NOW.0 + 2 * HOUR);
    assert!(matches!(queue.enqueue(of(20, 1), at), Err(Error::Share(_))));
    queue.remove(QueueId(1)).unwrap();
    queue.enqueue(of(20, 1), at).unwrap();
    assert!(matches!(queue.enqueue(of(20, 1), at), Err(Error::Share(_))));
}

#[test]
fn what_an_earlier_version_queued_is_sent() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let id = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    // As version 0.1.0 wrote them.
    let row = String::from_utf8(table.get(&entry_key(id)).unwrap().unwrap()).unwrap();
    assert!(!row.contains("account"), "{row}");
    assert_eq!(table.scan(b"d", &[], 9).unwrap().len(), 1);
    queue.enqueue(of(20, 1), NOW).unwrap();
    assert_eq!(order(&queue, 1, 9), [2, 1]);
}

#[test]
fn a_damaged_message_is_set_aside_shown_and_removed() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let ids = [(); 3].map(|()| queue.enqueue(of(20, 1), NOW).unwrap().id);
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    let change = |key: Vec<u8>, value: &[u8]| {
        table.change::<_, store::Error>(|tx| {
            tx.put(&key, value.to_vec());
            Ok(())
        })
    };
    change(entry_key(ids[0]), b"\x01{").unwrap();
    assert!(matches!(queue.show(ids[0]), Err(Error::Damaged(_))));
    assert_eq!(queue.list(None, 1).unwrap()[0].id, ids[1], "the others are listed all the same");
    let [untried] = &queue.damaged(9).unwrap()[..] else { panic!("not one") };
    assert_eq!((untried.id, untried.at), (ids[0], None));
    let due = first_due(&queue).unwrap();
    assert_eq!(due.id, ids[0]);
    queue.set_aside(&due, "it is no JSON", NOW).unwrap();
    assert_eq!(queue.damaged(9).unwrap(), [Damaged { id: ids[0], at: Some(NOW), why: "it is no JSON".into() }]);
    assert_eq!(order(&queue, 3, 9), [ids[1].0, ids[2].0]);
    queue.remove(ids[0]).unwrap();
    assert_eq!((queue.damaged(9).unwrap(), queue.show(ids[0])), (vec![], Err(Error::NoSuchEntry)));
    // One whose entry is sound is restored, and tried again.
    let due = first_due(&queue).unwrap();
    queue.set_aside(&due, "it was too short", NOW).unwrap();
    queue.retry(due.id, NOW).unwrap();
    assert_eq!((queue.damaged(9).unwrap(), order(&queue, 3, 9)), (vec![], vec![ids[1].0, ids[2].0]));
    ids[1..].iter().for_each(|id| queue.remove(*id).unwrap());
    assert_eq!(rows(&engine), 0);
}

/// With what it waited for: an account of which nothing waits any more had all its mail to strangers wait.
#[test]
fn the_share_of_a_message_that_could_not_be_read_was_never_given_back() {
    let account = AccountId(20);
    for (what, is_scheduled, is_asked, is_set_aside) in [
        ("it is due", false, false, false),
        ("it was set aside", false, false, true),
        ("it waits for an answer", false, true, false),
        ("it waits for its time", true, false, false),
    ] {
        let engine = SimEngine::new();
        let limits = Limits {
            account_entries: 1,
            account_scheduled: 1,
            strangers_min: if is_asked { 1 } else { 100 },
            ..Limits::DEFAULT
        };
        let queue = open(&engine).with_limits(limits);
        let later = is_scheduled.then(|| later_at(Timestamp(NOW.0 + HOUR)));
        let is_submitted = is_asked;
        let new =
            NewEntry { account: Some(account), later, is_submitted, ..message("me@x", &["a@y", "b@y"], b"content") };
        let id = queue.enqueue(new, NOW).unwrap().id;
        let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
        let spoilt = table.change::<_, store::Error>(|tx| {
            tx.put(&entry_key(id), b"\x01{".to_vec());
            Ok(())
        });
        spoilt.unwrap();
        if is_set_aside {
            queue.set_aside(&first_due(&queue).unwrap(), "it is no JSON", NOW).unwrap();
        }
        assert!(queue.check(account, 1, 1, NOW).is_err(), "{what}");
        assert_eq!(queue.accounts_waiting(9).unwrap().len(), usize::from(is_asked), "{what}");
        queue.remove(id).unwrap();
        let share: serde_json::Value =
            serde_json::from_slice(&table.get(&[&b"a"[..], &20_u32.to_be_bytes()].concat()).unwrap().unwrap()).unwrap();
        let left = ["entries", "bytes", "scheduled"].map(|name| share[name].as_u64());
        assert_eq!(left, [Some(0); 3], "{what}");
        assert_eq!((queue.accounts_waiting(9).unwrap(), first_due(&queue), rows(&engine)), (vec![], None, 0), "{what}");
        assert_eq!(queue.scheduled(account).unwrap(), [], "{what}");
    }
}

#[test]
fn a_message_that_could_not_be_read_could_not_be_removed_where_another_is_damaged_too() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let [first, second] = [(); 2].map(|()| queue.enqueue(message("me@x", &["a@y"], b"content"), NOW).unwrap().id);
    let due = turns::key(&queue.show(second).unwrap());
    engine.spoil(TableId::Queue, &due);
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    table
        .change::<_, store::Error>(|tx| {
            tx.put(&entry_key(first), b"\x01{".to_vec());
            Ok(())
        })
        .unwrap();
    assert!(queue.remove(first).is_ok());
    assert_eq!(queue.show(first), Err(Error::NoSuchEntry));
}

/// Of the totals, of what one account has sent, of a receipt: nobody is kept from sending by a row that cannot be read.
#[test]
fn a_damaged_row_of_totals_stopped_new_messages_of_everybody() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let came_again = |body: &str| {
        let handover = store::Handover::new(&[body.as_bytes()], NOW, 1);
        NewEntry { handover: Some(handover), ..of(20, 1) }
    };
    let first = queue.enqueue(came_again("a"), NOW).unwrap().id;
    let second = queue.enqueue(of(21, 1), NOW).unwrap().id;
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    let totals = || serde_json::from_slice::<Totals>(&table.get(TOTALS_KEY).unwrap().unwrap()).unwrap();
    let before = totals();

    engine.spoil(TableId::Queue, TOTALS_KEY);
    queue.remove(second).unwrap();
    let third = queue.enqueue(came_again("b"), NOW).unwrap().id;
    assert!(third > second && third.0 > NOW.0 as u64, "no number is given twice");
    assert_eq!((totals().entries, totals().bytes), (before.entries, before.bytes), "one has gone and one has come");

    table
        .change::<_, store::Error>(|tx| {
            tx.put(TOTALS_KEY, b"{".to_vec());
            Ok(())
        })
        .unwrap();
    for key in [&entry_key(first)[..], b"a\0\0\0\x14", &[b"r", &first.0.to_be_bytes()[..]].concat()] {
        assert!(table.get(key).unwrap().is_some(), "{key:?}");
        engine.spoil(TableId::Queue, key);
    }
    let fourth = queue.enqueue(came_again("c"), NOW).unwrap().id;
    queue.tidy_receipts(NOW).unwrap();
    queue.check(AccountId(20), 1, 1, NOW).unwrap();
    assert!(fourth > third);
    assert_eq!(totals(), Totals { next: fourth.0, entries: 1, bytes: 1 }, "behind damage nothing is counted");
    assert_eq!(queue.content(fourth).unwrap(), b"m");
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
                *is_delivered |= queue.settle(*id, &vec![(0, Fate::Tried(delivered()))], NOW).is_ok();
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

#[test]
fn who_is_given_up_without_being_tried_is_told_in_a_bounce_of_its_own() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y", "b@z"], b"x"), NOW).unwrap().id;
    let first = queue.settle(id, &vec![(0, Fate::Tried(failed()))], NOW).unwrap().unwrap();
    queue.reported(&first, Matter::Failed).unwrap();
    let end = Timestamp(NOW.0 + 5 * 24 * HOUR);
    let blocked = Fate::Postponed { last: Some(reply(421)), until: Timestamp(end.0 + MINUTE) };
    let second = queue.settle(id, &vec![(1, blocked)], end).unwrap().unwrap();
    assert_eq!(second.to_report(Matter::Failed).map(|failed| &*failed.address).collect::<Vec<_>>(), ["b@z"]);
    assert_ne!(first.attempts, second.attempts, "a bounce with the number of the first would be taken for it");
}

/// It had the report, and nobody could write that down; found by a simulation (`crates/smtpd/tests/sending`).
#[test]
fn a_sender_was_told_twice_when_a_recipient_was_tried_before_that_was_written_down() {
    let check = |begin: &dyn Fn(&Queue, &Entry)| {
        let engine = SimEngine::new();
        let queue = open(&engine);
        let id = queue.enqueue(message("me@x", &["a@y", "b@z", "c@z"], b"x"), NOW).unwrap().id;
        let rest = [(1, Fate::Tried(later())), (2, Fate::Tried(later()))];
        let first = queue.settle(id, &[&[(0, Fate::Tried(failed()))], &rest[..]].concat(), NOW).unwrap().unwrap();
        let number = report::handover(&first, Matter::Failed, NOW);
        begin(&queue, &first);
        let queue = open(&engine.crash());
        queue.settle(id, &vec![(1, Fate::Tried(later())), (2, Fate::Tried(failed()))], NOW).unwrap();
        let again = queue.show(id).unwrap();
        assert_eq!(report::handover(&again, Matter::Failed, NOW), number);
        assert_eq!(told(&again, Matter::Failed), ["a@y"]);
        let rest = queue.reported(&again, Matter::Failed).unwrap().unwrap();
        assert_eq!(told(&rest, Matter::Failed), ["c@z"], "with another report");
        assert_ne!(report::handover(&rest, Matter::Failed, NOW), number);
    };
    check(&|queue, first| drop(queue.begin_report(first, Matter::Failed).unwrap()));
    check(&|queue, first| drop(queue.postpone(first, Matter::Failed, NOW).unwrap()));
}

/// The warning on its way, and the bounce, are two things.
#[test]
fn whoever_is_given_up_while_a_warning_is_told_comes_back_all_the_same() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"x"), NOW).unwrap().id;
    let at = Timestamp(NOW.0 + 5 * HOUR);
    let late = queue.settle(id, &vec![(0, Fate::Tried(later()))], at).unwrap().unwrap();
    queue.postpone(&late, Matter::Delayed, at).unwrap();
    let failed = queue.settle(id, &vec![(0, Fate::Tried(failed()))], at).unwrap().unwrap();
    assert_eq!((told(&failed, Matter::Delayed), told(&failed, Matter::Failed)), (Vec::new(), vec!["a@y"]));
    assert_eq!(failed.recipients[0].telling, None);
    assert_eq!(queue.reported(&late, Matter::Delayed).unwrap(), Some(failed.clone()), "too late");
    assert_eq!(queue.reported(&failed, Matter::Failed), Ok(None));
}

#[test]
fn who_was_not_tried_waits_without_an_attempt() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y", "b@z"], b"x"), NOW).unwrap().id;
    let until = Timestamp(NOW.0 + 7 * MINUTE);
    let settled = vec![(0, Fate::Tried(later())), (1, Fate::Postponed { last: None, until })];
    let entry = queue.settle(id, &settled, NOW).unwrap().unwrap();
    assert_eq!(entry.recipients.iter().map(|recipient| recipient.attempts).collect::<Vec<_>>(), [1, 0]);
    assert_eq!((entry.next_at.0, entry.recipients[1].next_at), (NOW.0 + MINUTE, Some(until.0)));
}

/// For each recipient what its sender wants to be told of.
fn with_notify(reverse_path: &str, notify: &[&str]) -> NewEntry {
    let addresses: Vec<String> = (0..notify.len()).map(|number| format!("{number}@y")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut new = message(reverse_path, &addresses, b"m");
    new.recipients.iter_mut().zip(notify).for_each(|(rcpt, notify)| rcpt.reports.notify = notify.parse().ok());
    new
}

fn told(entry: &Entry, matter: Matter) -> Vec<&str> {
    entry.to_report(matter).map(|recipient| recipient.address.as_str()).collect()
}

const NOTIFY: [&str; 5] = ["", "NEVER", "FAILURE", "SUCCESS", "SUCCESS,FAILURE,DELAY"];

#[test]
fn a_sender_is_told_of_what_it_wants_to_know_and_of_nothing_else() {
    let queue = open(&SimEngine::new());
    let all = |state: &RecipientState| -> Settled {
        (0..NOTIFY.len()).map(|place| (place, Fate::Tried(state.clone()))).collect()
    };
    let check = |state: RecipientState, matter: Matter, expected: &[&str]| {
        let id = queue.enqueue(with_notify("me@x", &NOTIFY), NOW).unwrap().id;
        let entry = queue.settle(id, &all(&state), Timestamp(NOW.0 + 4 * HOUR)).unwrap();
        assert_eq!(entry.as_ref().map(|entry| told(entry, matter)).unwrap_or_default(), expected, "{matter:?}");
    };
    let relayed = RecipientState::Delivered { reply: reply(250), untold: true };
    check(failed(), Matter::Failed, &["0@y", "2@y", "4@y"]);
    check(later(), Matter::Delayed, &["0@y", "4@y"]);
    check(relayed.clone(), Matter::Relayed, &["3@y", "4@y"]);
    check(delivered(), Matter::Relayed, &[]);
    let id = queue.enqueue(with_notify("", &NOTIFY), NOW).unwrap().id;
    assert_eq!(queue.settle(id, &all(&relayed), NOW), Ok(None), "nobody is told of what nobody sent");
}

#[test]
fn a_delay_is_told_once_and_then_the_message_waits_for_its_next_turn() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
    let settle =
        |after: i64| queue.settle(id, &vec![(0, Fate::Tried(later()))], Timestamp(NOW.0 + after)).unwrap().unwrap();
    assert_eq!(settle(4 * HOUR - 1).matter(), None);
    let entry = settle(4 * HOUR);
    assert_eq!(told(&entry, Matter::Delayed), ["a@y"]);
    let next_at = Timestamp(entry.recipients[0].next_at.unwrap());
    let entry = queue.reported(&entry, Matter::Delayed).unwrap().unwrap();
    assert_eq!((entry.matter(), entry.next_at), (None, next_at));
    assert_eq!(settle(8 * HOUR).matter(), None);
}

#[test]
fn each_matter_is_told_by_itself() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(with_notify("me@x", &["SUCCESS", "FAILURE"]), NOW).unwrap().id;
    let relayed = RecipientState::Delivered { reply: reply(250), untold: true };
    let settled = vec![(0, Fate::Tried(relayed)), (1, Fate::Tried(failed()))];
    let entry = queue.settle(id, &settled, NOW).unwrap().unwrap();
    let entry = queue.reported(&entry, Matter::Failed).unwrap().unwrap();
    assert_eq!((told(&entry, Matter::Failed), told(&entry, Matter::Relayed)), (Vec::new(), vec!["0@y"]));
    assert_eq!(due(&queue), Some((0, id.0)), "the other is to be told at once");
    assert_eq!(queue.reported(&entry, Matter::Relayed), Ok(None));
}

#[test]
fn a_report_that_was_late_left_a_message_due_whose_recipients_were_not() {
    let queue = open(&SimEngine::new());
    let id = queue.enqueue(message("me@x", &["a@y", "b@z"], b"m"), NOW).unwrap().id;
    let blocked = Fate::Postponed { last: None, until: Timestamp(NOW.0 + HOUR) };
    queue.settle(id, &vec![(0, Fate::Tried(failed())), (1, blocked)], NOW).unwrap();
    let entry = queue.postpone(&queue.show(id).unwrap(), Matter::Failed, NOW).unwrap().unwrap();
    assert_eq!(due(&queue), Some((MINUTE, id.0)), "the report has a time of its own");
    queue.reported(&entry, Matter::Failed).unwrap();
    assert_eq!(due(&queue), Some((HOUR, id.0)));
    queue.retry(id, NOW).unwrap();
    queue.settle(id, &vec![(1, Fate::Postponed { last: None, until: Timestamp(NOW.0 + HOUR) })], NOW).unwrap();
    assert_eq!(due(&queue), Some((HOUR, id.0)));
}

#[test]
fn when_its_time_is_over_a_message_comes_back_or_its_sender_is_told() {
    let queue = open(&SimEngine::new());
    let with = |by: &str| NewEntry { deliver_by: by.parse().ok(), ..message("me@x", &["a@y"], b"m") };
    let after = |seconds: i64| Timestamp(NOW.0 + seconds * 1000);
    let tried = || vec![(0, Fate::Tried(later()))];
    // It is looked at when its time is over, however long the pause would be.
    let returned = queue.enqueue(with("30;R"), NOW).unwrap().id;
    let entry = queue.settle(returned, &tried(), NOW).unwrap().unwrap();
    assert_eq!((entry.next_at, entry.deliver_by.unwrap().rest(after(10)).to_string()), (after(30), "20;R".into()));
    let entry = queue.settle(returned, &tried(), after(30)).unwrap().unwrap();
    let failed = entry.to_report(Matter::Failed).next().unwrap();
    assert_eq!(failed.last_reply().unwrap().status, "5.4.7");
    queue.remove(returned).unwrap();

    let told_once = queue.enqueue(with("30;N"), NOW).unwrap().id;
    assert_eq!(queue.settle(told_once, &tried(), after(29)).unwrap().unwrap().matter(), None);
    let entry = queue.settle(told_once, &tried(), after(30)).unwrap().unwrap();
    assert_eq!(told(&entry, Matter::Delayed), ["a@y"]);
    let entry = queue.reported(&entry, Matter::Delayed).unwrap().unwrap();
    assert!(entry.next_at > after(31), "it is tried on, as any other");
    assert_eq!(queue.settle(told_once, &tried(), after(90)).unwrap().unwrap().matter(), None);
}

#[test]
fn who_wants_a_trace_is_told_who_has_the_message_next() {
    let queue = open(&SimEngine::new());
    let relayed = || vec![(0, Fate::Tried(RecipientState::Delivered { reply: reply(250), untold: true }))];
    let check = |by: &str, notify: &str, expected: usize| {
        let new = NewEntry { deliver_by: by.parse().ok(), ..with_notify("me@x", &[notify]) };
        let id = queue.enqueue(new, NOW).unwrap().id;
        let entry = queue.settle(id, &relayed(), NOW).unwrap();
        assert_eq!(entry.map_or(0, |entry| told(&entry, Matter::Relayed).len()), expected, "{by} {notify}");
    };
    check("60;NT", "", 1);
    check("60;NT", "FAILURE", 1);
    check("60;NT", "NEVER", 0);
    check("60;N", "", 0);
}

#[test]
fn what_waits_is_told_changed_and_counted_by_domain() {
    let queue = open(&SimEngine::new());
    let enqueue = |to: &[&str], minute: i64| {
        queue.enqueue(message("me@x", to, b"m"), Timestamp(NOW.0 + minute * MINUTE)).unwrap().id
    };
    let both = enqueue(&["a@Y.example", "b@y.example", "c@z.example"], 0);
    let one = enqueue(&["d@y.example"], 1);
    queue
        .settle(both, &vec![(0, Fate::Tried(later())), (1, Fate::Tried(later())), (2, Fate::Tried(later()))], NOW)
        .unwrap();
    let told = |domain: &str| queue.backlogs().unwrap().into_iter().find(|backlog| backlog.domain == domain).unwrap();
    let y = told("y.example");
    assert_eq!((y.messages, y.held, y.oldest_at, y.next_at), (2, 0, NOW, Some(Timestamp(NOW.0 + MINUTE))));
    assert_eq!(y.last.map(|last| last.code), Some(451));
    assert_eq!(queue.backlogs().unwrap()[0].domain, "y.example", "most come first");

    assert_eq!(queue.change_all("Y.EXAMPLE", Wish::Hold, NOW), Ok(2));
    let y = told("y.example");
    assert_eq!((y.held, y.next_at, due(&queue)), (2, None, None));
    assert_eq!(queue.change_all("y.example", Wish::Retry, NOW), Ok(2));
    assert_eq!(due(&queue), None, "what is held stays so");
    assert_eq!(queue.change_all("z.example", Wish::Release, Timestamp(NOW.0 + 5)), Ok(1));
    assert_eq!(due(&queue), Some((5, both.0)));
    let entry = queue.show(both).unwrap();
    let next: Vec<bool> = entry.recipients.iter().map(|recipient| recipient.next_at.is_some()).collect();
    assert_eq!(next, [true, true, false], "the others keep their time");
    assert!(queue.show(one).unwrap().held);
    assert_eq!(queue.change_all("none.example", Wish::Hold, NOW), Ok(0));
}

/// Of the metrics, which have a series for each.
#[test]
fn ten_destinations_are_counted_by_name_and_all_others_as_one() {
    let queue = open(&SimEngine::new());
    let enqueue = |to: &[&str]| queue.enqueue(message("me@x", to, b"m"), NOW).unwrap().id;
    for other in 0..12 {
        enqueue(&[&format!("a@d{other:02}.example")]);
    }
    let census = queue.census().unwrap();
    assert_eq!(census.destinations.len(), 10);
    assert_eq!(census.destinations[9], ("d09.example".to_owned(), Bound { waiting: 1, held: 0 }));
    assert_eq!(census.elsewhere, Bound { waiting: 2, held: 0 });
    // One for two of a domain counts there once, and for another domain once more.
    enqueue(&["a@D11.example", "b@d11.example", "c@d10.example"]);
    enqueue(&["a@d11.example"]);
    queue.change_all("d10.example", Wish::Hold, NOW).unwrap();
    let later = Some(later_at(Timestamp(NOW.0 + HOUR)));
    queue.enqueue(NewEntry { later, ..message("me@x", &["a@d00.example"], b"m") }, NOW).unwrap();
    let census = queue.census().unwrap();
    let first: Vec<(&str, Bound)> =
        census.destinations.iter().take(3).map(|(name, bound)| (name.as_str(), *bound)).collect();
    assert_eq!(
        first,
        [
            ("d11.example", Bound { waiting: 2, held: 1 }),
            ("d10.example", Bound { waiting: 0, held: 2 }),
            ("d00.example", Bound { waiting: 1, held: 0 }),
        ]
    );
    assert_eq!((census.elsewhere, census.waiting, census.held), (Bound { waiting: 2, held: 0 }, 12, 2));
}

/// A look at the queue took megabytes, which the allocator kept for each thread that had looked.
#[test]
fn what_is_due_is_read_in_pieces_that_leave_nothing_out() {
    let queue = open(&SimEngine::new());
    let ids: Vec<QueueId> = (0..10).map(|_| queue.enqueue(message("me@x", &["a@y"], b"x"), NOW).unwrap().id).collect();
    let turn = first_due(&queue).unwrap().turn;
    let (mut from, mut read, mut sizes) = ((Timestamp(0), QueueId(0)), Vec::new(), Vec::new());
    loop {
        let DueNow { messages, has_more, .. } = queue.due_now(turn, from, 4, NOW).unwrap();
        from = messages.last().unwrap().next();
        sizes.push(messages.len());
        read.extend(messages.iter().map(|due| due.id));
        if !has_more {
            break;
        }
    }
    assert_eq!((read, sizes), (ids, vec![4, 4, 2]));
}

#[test]
fn what_is_damaged_of_one_message_hides_none_that_is_read_with_it() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let [first, second] = [(); 2].map(|()| queue.enqueue(message("me@x", &["a@y"], b"S: 1\r\n\r\n"), NOW).unwrap().id);
    let gone = QueueId(second.0 + 1);
    assert_eq!(queue.show_to_send(second).unwrap().1.as_deref(), Some(&b"S: 1\r\n\r\n"[..]));
    assert_eq!(queue.show_to_send(gone), Err(Error::NoSuchEntry));
    engine.spoil(TableId::Queue, &body_key(second, 0));
    let (entry, row) = queue.show_to_send(second).unwrap();
    assert_eq!((entry.id, row), (second, None));
    engine.spoil(TableId::Queue, &entry_key(first));
    let shown = queue.show_all(&[second, gone, first]);
    assert_eq!((&shown[0], &shown[1]), (&Ok(entry), &Err(Error::NoSuchEntry)));
    assert!(matches!(shown[2], Err(Error::Damaged(_))), "{:?}", shown[2]);
}

/// Whoever looks after the queue saw nothing of it, and so not which message was damaged.
#[test]
fn a_damaged_row_hid_all_other_messages_from_the_operator() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let ids = [(); 5].map(|()| queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id);
    for damaged in [ids[0], ids[3], ids[4]] {
        engine.spoil(TableId::Queue, &entry_key(damaged));
    }
    let listed = |after, limit| queue.list(after, limit).unwrap().iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(
        (listed(None, 9), listed(Some(ids[1]), 9), listed(None, 1)),
        (ids[1..3].to_vec(), vec![ids[2]], vec![ids[1]])
    );
    let damaged: Vec<QueueId> = queue.damaged(9).unwrap().iter().map(|damaged| damaged.id).collect();
    assert_eq!(damaged, [ids[0], ids[3], ids[4]]);
    assert_eq!((queue.backlogs().unwrap()[0].messages, queue.census().unwrap().waiting), (2, 2));
    assert_eq!(queue.change_all("y", Wish::Hold, NOW), Ok(2));
    for damaged in damaged {
        queue.remove(damaged).unwrap();
    }
    assert_eq!((queue.damaged(9).unwrap(), queue.list(None, 9).unwrap().len()), (vec![], 2));
}

/// Then no key says which message it is.
#[test]
fn a_message_of_which_entry_and_octets_were_damaged_hid_all_others() {
    for apart in [0, 1, 63, 64, 65, 1000] {
        let engine = SimEngine::new();
        let queue = open(&engine);
        let new = || queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id;
        let first = new();
        for _ in 0..apart {
            queue.remove(new()).unwrap();
        }
        let ids = [(); 3].map(|()| new());
        for damaged in &ids[..2] {
            engine.spoil(TableId::Queue, &entry_key(*damaged));
            engine.spoil(TableId::Queue, &body_key(*damaged, 0));
        }
        let listed: Vec<QueueId> = queue.list(None, 9).unwrap().iter().map(|entry| entry.id).collect();
        assert_eq!(listed, [first, ids[2]], "{apart}");
        assert!(queue.damaged(9).unwrap().iter().any(|damaged| damaged.id == ids[1]), "{apart}");
    }
}

#[test]
fn of_a_queue_of_which_rows_are_lost_every_message_is_tried_and_no_number_is_given_again() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let ids: Vec<QueueId> = (0..3).map(|_| queue.enqueue(message("me@x", &["a@y"], b"m"), NOW).unwrap().id).collect();
    let table = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new())).table(TableId::Queue);
    let due = || table.scan(b"d", &[], 9).unwrap().len() + table.scan(b"t", &[], 9).unwrap().len();
    let before = due();
    table
        .change::<_, store::Error>(|tx| {
            for prefix in [&b"d"[..], b"t", b"s"] {
                tx.scan_before(prefix, &[], 99)?.iter().for_each(|(key, _)| tx.delete(key));
            }
            Ok(())
        })
        .unwrap();
    assert_eq!((before > 0, due()), (true, 0));
    queue.mend(NOW).unwrap();
    assert_eq!(due(), before);
    let next = queue.enqueue(message("me@x", &["a@y"], b"n"), NOW).unwrap().id;
    assert!(ids.iter().all(|id| *id < next), "{next:?}");
    assert_eq!(queue.content(ids[0]).unwrap(), b"m");
}
