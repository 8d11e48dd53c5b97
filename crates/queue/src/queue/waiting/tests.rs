//! Who sends suddenly to strangers: a thief, a writer of newsletters, somebody new.

use super::*;
use crate::entry::NewEntry;
use crate::queue::tests::{message, open};
use crate::{Limits, QueueId, Wish};
use store::DeviceId;
use store::sim::SimEngine;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;
const ALICE: AccountId = AccountId(16);

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

/// As much as anybody likes, but for strangers.
fn queue_of(engine: &SimEngine) -> Queue {
    let limits =
        Limits { account_recipients_per_hour: 1_000_000, account_recipients_per_day: 1_000_000, ..Limits::DEFAULT };
    open(engine).with_limits(limits)
}

/// Sends one message to the people of these numbers; whether it waits.
fn send(queue: &Queue, account: AccountId, people: std::ops::Range<u32>, now: Timestamp) -> bool {
    let people: Vec<String> = people.map(|number| format!("p{number}@far.example")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let new = NewEntry { account: Some(account), is_submitted: true, ..message("me@x", &people, b"x") };
    queue.enqueue(new, now).unwrap().waits
}

/// The same with the password of a device.
fn send_from(queue: &Queue, device: u32, people: std::ops::Range<u32>, now: Timestamp) -> bool {
    let people: Vec<String> = people.map(|number| format!("p{number}@far.example")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let new = NewEntry {
        account: Some(ALICE),
        is_submitted: true,
        device: Some(DeviceId(device)),
        ..message("me@x", &people, b"x")
    };
    queue.enqueue(new, now).unwrap().waits
}

/// How many recipients could be sent to now.
fn recipients_that_go(queue: &Queue) -> usize {
    let all = queue.list(None, usize::MAX).unwrap();
    all.iter().filter(|entry| !entry.held).map(|entry| entry.recipients.len()).sum()
}

#[test]
fn a_stolen_password_sent_to_ten_thousand_people() {
    let engine = SimEngine::new();
    let queue = queue_of(&engine);
    assert!(!send(&queue, ALICE, 0..5, at(-DAY)), "her friends");
    for number in 0..1000 {
        send(&queue, ALICE, 1000 + number * 10..1010 + number * 10, at(i64::from(number) * 1000));
    }
    assert_eq!(recipients_that_go(&queue), 5 + 100);
    assert!(!send(&queue, ALICE, 0..5, at(HOUR)), "her friends still hear from her");
    assert!(!send(&queue, AccountId(17), 0..50, at(HOUR)), "and so do others");
    // Nothing of it is lost, or goes, by a crash.
    let queue = queue_of(&engine.crash());
    let (waiting, first) = queue.waiting(ALICE, 3).unwrap();
    assert_eq!((waiting.messages, first.len(), queue.accounts_waiting(9).unwrap()), (990, 3, vec![ALICE]));
    assert_eq!(queue.throw_away(ALICE).unwrap(), 990);
    assert_eq!((queue.waiting(ALICE, 3).unwrap().0.messages, recipients_that_go(&queue)), (0, 5 + 100 + 5 + 50));
    assert_eq!(queue.accounts_waiting(9).unwrap(), []);
    assert!(queue.check(ALICE, 1, 1, at(HOUR)).is_ok());
}

/// Of a phone, in an account whose newsletter goes to thousands: three times as many were usual.
#[test]
fn a_stolen_password_of_one_device_hid_behind_what_another_sends() {
    let (pc, phone) = (1, 2);
    let engine = SimEngine::new();
    let queue = queue_of(&engine);
    assert!(send_from(&queue, pc, 0..2000, NOW));
    assert_eq!(queue.let_go(ALICE, NOW).unwrap(), 1);
    assert!(!send_from(&queue, phone, 9000..9005, at(HOUR)));
    let day = at(2 * DAY);
    let sent: Vec<bool> = (0..30).map(|n| send_from(&queue, phone, 3000 + n * 10..3010 + n * 10, day)).collect();
    assert_eq!(sent.iter().filter(|waits| !**waits).count(), 10);
    let waiting = |queue: &Queue| {
        let (waiting, first) = queue.waiting(ALICE, 1).unwrap();
        (waiting.messages, waiting.devices, first[0].asked_of)
    };
    assert_eq!(waiting(&queue), (20, vec![DeviceId(phone)], Some(phone)));
    // The other devices go on, to strangers as well; the phone to people whom the account knows.
    assert!(!send_from(&queue, pc, 5000..7000, day));
    assert!(!send_from(&queue, 3, 7000..7100, day), "a new one has what a new account has");
    assert!(!send_from(&queue, phone, 0..5, day));
    let queue = queue_of(&engine.crash());
    assert!(send_from(&queue, phone, 8000..8001, day), "all that it sends to strangers waits");
    assert_eq!((queue.accounts_waiting(9).unwrap(), waiting(&queue).0), (vec![ALICE], 21));
    queue.told(ALICE).unwrap();
    assert!(queue.waiting(ALICE, 1).unwrap().0.is_told);
    // Another device that begins is told of anew.
    assert!(send_from(&queue, 4, 20_000..20_200, day));
    let (both, _) = queue.waiting(ALICE, 1).unwrap();
    assert_eq!((both.is_told, both.devices), (false, vec![DeviceId(phone), DeviceId(4)]));
    assert_eq!(queue.throw_away(ALICE).unwrap(), 22);
    assert_eq!(queue.accounts_waiting(9).unwrap(), []);
    assert!(!send_from(&queue, phone, 30_000..30_100, day), "what was thrown away does not count");
}

/// What a thief sent before the hold counted for the account, so that everybody waited with the next stranger.
#[test]
fn what_one_device_sent_stopped_all_the_others() {
    let queue = queue_of(&SimEngine::new());
    assert!(!send_from(&queue, 1, 0..3, NOW));
    assert!((0..97).all(|n| !send_from(&queue, 2, 100 + n..101 + n, NOW)));
    assert!(send_from(&queue, 2, 900..901, NOW));
    assert!((0..97).all(|n| !send_from(&queue, 1, 1000 + n..1001 + n, NOW)), "hundred of its own");
    assert_eq!(queue.let_go(ALICE, NOW).unwrap(), 1);
    assert!(!send_from(&queue, 2, 2000..2150, NOW), "as much is usual, of the device and of the account");
}

/// The first device that sends after it is the one that sent before.
#[test]
fn a_newsletter_of_an_earlier_version_was_asked_about_again() {
    let queue = queue_of(&SimEngine::new());
    assert!(send(&queue, ALICE, 0..2000, NOW));
    queue.let_go(ALICE, NOW).unwrap();
    assert!(!send_from(&queue, 1, 3000..6000, at(2 * DAY)));
    assert!(send_from(&queue, 2, 7000..7200, at(2 * DAY)));
}

#[test]
fn a_newsletter_is_asked_about_once() {
    let queue = queue_of(&SimEngine::new());
    for number in 0..50 {
        send(&queue, ALICE, number * 10..number * 10 + 10, NOW);
    }
    assert_eq!((queue.waiting(ALICE, 1).unwrap().0.messages, recipients_that_go(&queue)), (40, 100));
    assert_eq!(queue.let_go(ALICE, at(HOUR)).unwrap(), 40);
    assert_eq!((recipients_that_go(&queue), queue.waiting(ALICE, 1).unwrap().0.messages), (500, 0));
    assert!(!send(&queue, ALICE, 500..520, at(HOUR)), "on the same day");
    let week = at(7 * DAY);
    assert!((0..50).all(|number| !send(&queue, ALICE, number * 10..number * 10 + 10, week)), "its readers");
    assert!(!send(&queue, ALICE, 1000..2500, week), "three times as many new ones");
    assert!(send(&queue, ALICE, 9000..9100, week));
}

#[test]
fn somebody_new_writes_to_a_hundred_people_a_day() {
    let queue = queue_of(&SimEngine::new());
    for day in 0..5 {
        let first = day * 100;
        let now = at(i64::from(day) * 25 * HOUR);
        assert!((first..first + 100).all(|number| !send(&queue, ALICE, number..number + 1, now)), "day {day}");
    }
    let many = Limits { strangers_min: 0, ..Limits::DEFAULT };
    assert!(!send(&queue.with_limits(many), ALICE, 1000..2000, at(6 * DAY)), "switched off");
}

#[test]
fn an_operator_answers_message_by_message_too() {
    let queue = queue_of(&SimEngine::new());
    let waits: Vec<bool> =
        [0..100, 100..101, 101..102].into_iter().map(|people| send(&queue, ALICE, people, NOW)).collect();
    assert_eq!(waits, [false, true, true]);
    let waiting = || queue.waiting(ALICE, 9).unwrap().0.messages;
    queue.release(QueueId(2), NOW).unwrap();
    assert_eq!((waiting(), recipients_that_go(&queue)), (1, 101));
    queue.remove(QueueId(3)).unwrap();
    assert_eq!((waiting(), queue.let_go(ALICE, NOW).unwrap(), queue.throw_away(ALICE).unwrap()), (0, 0, 0));
}

#[test]
fn whoever_is_to_know_is_told_once_each_time() {
    let engine = SimEngine::new();
    let queue = queue_of(&engine);
    let is_told = |queue: &Queue| queue.waiting(ALICE, 1).unwrap().0.is_told;
    assert!(send(&queue, ALICE, 0..101, NOW) && !is_told(&queue));
    queue.told(ALICE).unwrap();
    assert!(send(&queue, ALICE, 200..201, NOW) && is_told(&queue_of(&engine)));
    queue.throw_away(ALICE).unwrap();
    assert!(send(&queue, ALICE, 0..101, at(DAY)) && !is_told(&queue), "another time");
}

#[test]
fn what_a_thief_wrote_left_with_all_that_was_released_for_its_domain() {
    let queue = queue_of(&SimEngine::new());
    assert!(send(&queue, ALICE, 0..200, NOW));
    assert_eq!(queue.change_all("far.example", Wish::Release, NOW), Ok(1));
    assert_eq!((recipients_that_go(&queue), queue.waiting(ALICE, 3).unwrap().0.messages), (0, 1));
}

/// They count as a day of the account that was over before.
#[test]
fn what_was_let_go_after_days_made_one_day_of_two() {
    let queue = queue_of(&SimEngine::new());
    assert!(send_from(&queue, 1, 0..200, NOW));
    assert!(!send_from(&queue, 2, 1000..1090, at(3 * DAY)));
    assert_eq!(queue.let_go(ALICE, at(3 * DAY)).unwrap(), 1);
    assert!(!send(&queue, ALICE, 2000..2510, at(3 * DAY)), "three times two hundred, with the ninety");
    assert!(send(&queue, ALICE, 3000..3001, at(3 * DAY)));
}

#[test]
fn a_device_whose_mail_an_operator_had_let_go_was_counted_twice_days_later() {
    let queue = queue_of(&SimEngine::new());
    assert!(send_from(&queue, 1, 0..200, NOW));
    queue.release(QueueId(1), NOW).unwrap();
    let later = at(2 * DAY);
    assert!(!send_from(&queue, 1, 1000..1050, later));
    assert!(send_from(&queue, 1, 2000..2700, later));
    assert_eq!(queue.let_go(ALICE, later).unwrap(), 1);
    assert!(!send(&queue, ALICE, 3000..4500, later), "three times 750, with those");
    assert!(send(&queue, ALICE, 5000..5001, later));
}

#[test]
fn a_device_whose_mail_an_operator_had_let_go_was_counted_twice_the_next_day() {
    let queue = queue_of(&SimEngine::new());
    assert!(!send_from(&queue, 2, 8000..8100, at(-3 * DAY)), "the account is used to something");
    assert!(!send_from(&queue, 1, 0..60, NOW));
    assert!(send_from(&queue, 1, 100..160, at(5 * HOUR)));
    queue.release(QueueId(3), at(5 * HOUR)).unwrap();
    let later = at(25 * HOUR);
    assert!(!send_from(&queue, 1, 1000..1200, later));
    assert!(send_from(&queue, 1, 2000..2200, later));
    assert_eq!(queue.let_go(ALICE, later).unwrap(), 1);
    assert!(!send(&queue, ALICE, 3000..3920, later), "three times 460, with those");
    assert!(send(&queue, ALICE, 5000..5001, later));
}
