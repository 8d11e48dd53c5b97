use super::*;
use crate::entry::{LastReply, NewEntry, QueueId, RecipientState};
use crate::passed::{
    ACCOUNTS_MAX, About, KEPT_MAX, KEPT_MILLIS, NUMBERS, PassedOn, RECIPIENTS_MAX, TEXT_CHARS_MAX, prefix, row_key,
};
use crate::queue::tests::{message, open};
use crate::queue::{Fate, Settled};
use smtp_proto::Reply;
use store::sim::SimEngine;
use store::{EmailId, Handover};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ALICE: AccountId = AccountId(20);

fn new(accounts: &[u32], to: &[&str]) -> NewEntry {
    let about = About { address: "alice@x".into(), subject: "Hello".into(), email: Some(7), ..About::default() };
    let accounts = accounts.iter().map(|account| AccountId(*account)).collect();
    NewEntry { passed_on: Some(PassedOn { accounts, about }), ..message("ada@far", to, b"m") }
}

fn reply(code: u16) -> LastReply {
    let reply = LastReply::new(&Reply::plain(code, "said"), true, NOW);
    LastReply { host: Some("mx.y".into()), tls: true, ..reply }
}

fn settle(queue: &Queue, id: QueueId, states: Vec<RecipientState>) {
    let settled: Settled = states.into_iter().map(Fate::Tried).enumerate().collect();
    queue.settle(id, &settled, NOW).unwrap();
}

fn states(queue: &Queue) -> Vec<Vec<RecipientState>> {
    let passed = queue.passed_on(ALICE).unwrap().into_iter();
    passed.map(|(_, passed)| passed.to.into_iter().map(|to| to.state).collect()).collect()
}

#[test]
fn nobody_saw_what_became_of_a_forwarded_message() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let commits = engine.commits();
    let id = queue.enqueue(new(&[20, 21], &["a@y", "b@y"]), NOW).unwrap().id;
    assert_eq!(engine.commits() - commits, 1, "a commit more");
    let waiting = RecipientState::Waiting { last: None };
    assert_eq!(states(&queue), [vec![waiting.clone(), waiting]]);
    let waits = RecipientState::Waiting { last: Some(reply(451)) };
    let took = RecipientState::Delivered { reply: reply(250), untold: false };
    settle(&queue, id, vec![took.clone(), waits.clone()]);
    assert_eq!(states(&queue), [vec![took.clone(), waits]]);
    // With the last word the message leaves the queue; what is known of it stays.
    let refused = RecipientState::Failed { reply: reply(550), reported: false };
    settle(&queue, id, vec![took.clone(), refused]);
    let entry = queue.show(id).unwrap();
    queue.reported(&entry, crate::Matter::Failed).unwrap();
    assert_eq!(queue.show(id), Err(Error::NoSuchEntry));
    let queue = open(&engine.crash());
    let told = RecipientState::Failed { reply: reply(550), reported: true };
    assert_eq!(states(&queue), [vec![took, told]]);
    let (_, passed) = queue.passed_on(ALICE).unwrap().remove(0);
    assert_eq!((passed.about.email(), passed.queue), (Some(EmailId(7)), id));
    assert_eq!(queue.passed_on(AccountId(21)).unwrap()[0].1, passed);
    assert_eq!(queue.passed_on(AccountId(22)).unwrap(), []);
}

#[test]
fn one_that_comes_again_is_told_once_and_one_thrown_away_says_so() {
    let queue = open(&SimEngine::new());
    let handover = Handover { digest: [7; 16], at: NOW, serial: 0 };
    let take = || queue.enqueue(NewEntry { handover: Some(handover), ..new(&[20], &["a@y"]) }, NOW).unwrap();
    let first = take().id;
    // Its client had no answer.
    let again = take().id;
    assert_eq!((first, queue.passed_on(ALICE).unwrap().len()), (again, 1));
    queue.remove(first).unwrap();
    assert!(queue.passed_on(ALICE).unwrap()[0].1.is_removed);
}

#[test]
fn an_account_keeps_so_many_and_no_longer() {
    let queue = open(&SimEngine::new());
    let at = |n: i64| Timestamp(NOW.0 + n);
    for n in 0..KEPT_MAX as i64 + 2 {
        queue.enqueue(new(&[20], &["a@y"]), at(n)).unwrap();
    }
    let kept = || queue.passed_on(ALICE).unwrap().into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(kept(), (2..KEPT_MAX + 2).rev().collect::<Vec<_>>());
    queue.tidy_passed_on(at(KEPT_MILLIS + 2)).unwrap();
    assert_eq!(kept().last(), Some(&2), "30 days, and no less");
    queue.tidy_passed_on(at(KEPT_MILLIS + 3)).unwrap();
    assert_eq!((kept().last(), kept().len() as u64), (Some(&3), KEPT_MAX - 1));
    queue.enqueue(new(&[20], &["a@y"]), at(1000)).unwrap();
    assert_eq!((kept().first(), kept().len() as u64), (Some(&(KEPT_MAX + 2)), KEPT_MAX));
    queue.tidy_passed_on(at(2 * KEPT_MILLIS)).unwrap();
    assert!(kept().is_empty());
}

#[test]
fn what_strangers_wrote_is_cut_and_members_have_a_limit() {
    let queue = open(&SimEngine::new());
    let many: Vec<String> = (0..RECIPIENTS_MAX + 3).map(|n| format!("m{n}@y")).collect();
    let mut new = new(&(20..60).collect::<Vec<u32>>(), &many.iter().map(String::as_str).collect::<Vec<_>>());
    new.passed_on.as_mut().unwrap().about.subject = "é".repeat(5000);
    queue.enqueue(new, NOW).unwrap();
    let (_, passed) = queue.passed_on(ALICE).unwrap().remove(0);
    assert_eq!((passed.to.len(), passed.others), (RECIPIENTS_MAX, 3));
    assert_eq!(passed.about.subject.chars().count(), TEXT_CHARS_MAX);
    let told = |account: u32| queue.passed_on(AccountId(account)).unwrap().len();
    assert_eq!((told(19 + ACCOUNTS_MAX as u32), told(20 + ACCOUNTS_MAX as u32)), (1, 0));
}

#[test]
fn damage_here_keeps_no_mail_back() {
    let engine = SimEngine::new();
    let queue = open(&engine);
    let id = queue.enqueue(new(&[20], &["a@y"]), NOW).unwrap().id;
    queue
        .table
        .change::<_, store::Error>(|tx| {
            tx.put(&row_key(ALICE, 0), b"\x09".to_vec());
            tx.put(&prefix(NUMBERS, ALICE), b"\x09".to_vec());
            Ok(())
        })
        .unwrap();
    assert_eq!(queue.passed_on(ALICE).unwrap(), []);
    settle(&queue, id, vec![RecipientState::Delivered { reply: reply(250), untold: false }]);
    assert_eq!(queue.show(id), Err(Error::NoSuchEntry));
    queue.enqueue(new(&[20], &["a@y"]), NOW).unwrap();
    queue.tidy_passed_on(NOW).unwrap();
    assert_eq!(queue.passed_on(ALICE).unwrap().len(), 1);
}
