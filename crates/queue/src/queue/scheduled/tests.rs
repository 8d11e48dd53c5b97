use super::*;
use crate::entry::NewEntry;
use crate::entry::tests::later_at;
use crate::queue::tests::{message, open};
use crate::{Limits, Wish};
use store::sim::SimEngine;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const MONDAY: Timestamp = Timestamp(NOW.0 + 3 * 24 * 3_600_000);
const ALICE: AccountId = AccountId(16);
const BOB: AccountId = AccountId(17);

fn for_monday() -> NewEntry {
    NewEntry { account: Some(ALICE), later: Some(later_at(MONDAY)), ..message("me@x", &["a@y"], b"x") }
}

fn put(queue: &Queue) -> QueueId {
    queue.enqueue(for_monday(), NOW).unwrap().id
}

#[test]
fn its_owner_sees_and_cancels_it_and_nobody_else_does() {
    let engine = SimEngine::new();
    let (first, second) = (put(&open(&engine)), put(&open(&engine)));
    let queue = open(&engine.crash());
    let ids = |queue: &Queue| queue.scheduled(ALICE).unwrap().iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(&queue), [first, second]);
    assert_eq!(queue.scheduled(BOB), Ok(Vec::new()));
    assert_eq!(queue.cancel(BOB, first), Err(Error::NoSuchEntry));
    assert_eq!(queue.send_now(BOB, first, NOW), Err(Error::NoSuchEntry));
    queue.cancel(ALICE, first).unwrap();
    assert_eq!((ids(&queue), queue.show(first)), (vec![second], Err(Error::NoSuchEntry)));
    // What goes at once is not in the list, and not cancelled.
    let usual = NewEntry { later: None, ..for_monday() };
    let usual = queue.enqueue(usual, NOW).unwrap().id;
    assert_eq!((ids(&queue), queue.cancel(ALICE, usual)), (vec![second], Err(Error::NoSuchEntry)));
}

#[test]
fn what_is_being_sent_was_cancelled_and_went_nevertheless() {
    let queue = open(&SimEngine::new());
    let id = put(&queue);
    assert_eq!(queue.begin_release(id, NOW), Ok(false), "it is not time");
    assert_eq!(queue.begin_release(id, MONDAY), Ok(true));
    assert_eq!(queue.cancel(ALICE, id), Err(Error::Underway));
    queue.settle(id, &vec![(0, crate::queue::Fate::Postponed { last: None, until: MONDAY })], MONDAY).unwrap();
    assert_eq!(queue.cancel(ALICE, id), Ok(false), "it was not sent");
}

/// A mailbox that it was for was full; the others had it.
#[test]
fn what_some_had_already_was_cancelled_as_if_nobody_had_it() {
    let queue = open(&SimEngine::new());
    let id = put(&queue);
    assert_eq!(queue.begin_release(id, MONDAY), Ok(true));
    let later = crate::queue::Fate::Tried(crate::RecipientState::Waiting { last: None });
    queue.settle(id, &vec![(0, later)], MONDAY).unwrap();
    assert_eq!(queue.cancel(ALICE, id), Ok(true));
}

#[test]
fn an_account_has_so_many_that_wait_and_each_that_goes_makes_room() {
    let queue = open(&SimEngine::new()).with_limits(Limits { account_scheduled: 2, ..Limits::DEFAULT });
    let (first, _) = (put(&queue), put(&queue));
    assert!(matches!(queue.enqueue(for_monday(), NOW), Err(Error::Scheduled(why)) if why.starts_with("2 messages")));
    assert!(matches!(queue.check_scheduled(ALICE, 1, NOW), Err(Error::Scheduled(_))));
    assert_eq!(queue.check_scheduled(BOB, 1, NOW), Ok(()));
    assert_eq!(queue.check(ALICE, 1, 1, NOW), Ok(()), "what goes at once does not count");
    queue.remove(first).unwrap();
    put(&queue);
    assert!(queue.enqueue(for_monday(), NOW).is_err());
}

#[test]
fn its_recipients_count_when_it_goes() {
    let limits = Limits { account_recipients_per_hour: 1, ..Limits::DEFAULT };
    let queue = open(&SimEngine::new()).with_limits(limits);
    for _ in 0..3 {
        put(&queue);
    }
    assert_eq!(queue.check(ALICE, 1, 1, NOW), Ok(()));
}

#[test]
fn an_operator_who_has_a_domain_tried_again_does_not_release_mail_for_monday() {
    let queue = open(&SimEngine::new());
    let id = put(&queue);
    for wish in [Wish::Retry, Wish::Hold, Wish::Release] {
        assert_eq!(queue.change_all("y", wish, NOW), Ok(0), "{wish:?}");
    }
    assert_eq!((queue.backlogs().unwrap().len(), queue.show(id).unwrap().next_at), (0, MONDAY));
    queue.hold(id).unwrap();
    assert_eq!(queue.send_now(ALICE, id, NOW), Err(Error::Held));
    queue.release(id, NOW).unwrap();
    assert_eq!(queue.show(id).unwrap().next_at, MONDAY);
    queue.retry(id, NOW).unwrap();
    let entry = queue.show(id).unwrap();
    assert!(entry.next_at == NOW && entry.later.unwrap().is_asked_for);
}
