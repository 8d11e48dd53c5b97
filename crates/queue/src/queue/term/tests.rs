use crate::entry::{Entry, LastReply, Matter, QueueId, RecipientState};
use crate::error::Error;
use crate::queue::tests::{message, open};
use crate::queue::{Fate, Heard, Queue, Settled};
use crate::turns::Due;
use smtp_proto::Reply;
use store::Timestamp;
use store::sim::SimEngine;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn said(code: u16) -> LastReply {
    LastReply::new(&Reply::plain(code, "said"), true, NOW)
}

fn delivered(place: usize) -> Settled {
    vec![(place, Fate::Tried(RecipientState::Delivered { reply: said(250), untold: false }))]
}

fn failed(place: usize) -> Settled {
    vec![(place, Fate::Tried(RecipientState::Failed { reply: said(550), reported: false }))]
}

fn queued(queue: &Queue, to: &[&str]) -> QueueId {
    queue.enqueue(message("me@x", to, b"S: 1\r\n\r\n"), NOW).unwrap().id
}

#[test]
fn what_a_server_has_begun_that_does_not_lead_any_more_is_not_gone_on_with_by_it() {
    let engine = SimEngine::new();
    let (one, two) = (open(&engine), open(&engine));
    let first = one.lead(1).unwrap();
    let id = queued(&two, &["a@y", "b@y"]);
    first.settle(id, &failed(0), NOW).unwrap();
    assert!(first.show_to_send(id).is_ok());

    let second = two.lead(2).unwrap();
    let before = two.show(id).unwrap();
    let due = Due::of(&before);
    let settled = failed(1);
    assert_eq!(first.show_to_send(id).err(), Some(Error::Superseded), "nothing is begun");
    assert_eq!(first.settle(id, &settled, NOW), Err(Error::Superseded));
    assert_eq!(first.settle_all(&[(id, &settled)], NOW), Err(Error::Superseded));
    assert_eq!(first.reported(&before, Matter::Failed), Err(Error::Superseded));
    assert_eq!(first.postpone(&before, Matter::Failed, NOW), Err(Error::Superseded));
    assert_eq!(first.set_aside(&due, "damaged", NOW), Err(Error::Superseded));
    assert_eq!(first.forget_due(&due), Err(Error::Superseded));
    assert_eq!(first.begin_release(id, NOW), Err(Error::Superseded));
    assert_eq!(one.lead(1).err(), Some(Error::Superseded), "terms only grow");
    assert_eq!(two.show(id).unwrap(), before);

    // Whoever does not send is not concerned.
    one.enqueue(message("me@x", &["c@y"], b"S: 2\r\n\r\n"), NOW).unwrap();
    assert!(second.show_to_send(id).is_ok());
    second.settle(id, &settled, NOW).unwrap();
    assert!(two.show(id).unwrap().waiting().next().is_none());
}

fn write_down(queue: &Queue, before: &Entry, settled: Settled) -> Option<Entry> {
    let heard = Heard::of(before, settled);
    queue.write_down(&[(before.id, &heard)], NOW).unwrap().pop().unwrap()
}

#[test]
fn who_has_a_message_has_it_whoever_leads_by_now() {
    let engine = SimEngine::new();
    let (one, two) = (open(&engine), open(&engine));
    let first = one.lead(1).unwrap();
    let ids = [(); 3].map(|()| queued(&two, &["a@y", "b@y"]));
    let before = ids.map(|id| two.show(id).unwrap());
    let second = two.lead(2).unwrap();
    // Not tried yet by the other one; tried in vain; delivered by it as well, or refused.
    let after = write_down(&first, &before[0], delivered(0)).unwrap();
    assert_eq!(after.waiting().map(|(place, _)| place).collect::<Vec<_>>(), [1]);
    let later = vec![(0, Fate::Tried(RecipientState::Waiting { last: Some(said(450)) }))];
    second.settle(ids[1], &later, NOW).unwrap();
    assert_eq!(write_down(&first, &before[1], delivered(0)).unwrap().waiting().count(), 1);
    second.settle(ids[2], &failed(0), NOW).unwrap();
    let settled = two.show(ids[2]).unwrap();
    assert_eq!(write_down(&first, &before[2], delivered(0)), Some(settled));
    // The same once more changes nothing.
    assert_eq!(write_down(&first, &before[0], delivered(0)), Some(after));
    assert_eq!(write_down(&second, &two.show(ids[0]).unwrap(), delivered(1)), None, "it is done");
}

/// A refusal can be asked for again; it must not make a bounce of what another server may just be delivering.
#[test]
fn what_was_refused_counts_where_nobody_else_has_led_since() {
    let engine = SimEngine::new();
    let (one, two) = (open(&engine), open(&engine));
    let first = one.lead(1).unwrap();
    let ids = [(); 4].map(|()| queued(&two, &["a@y"]));
    let before = ids.map(|id| two.show(id).unwrap());
    let is_failed = |entry: Option<Entry>| entry.unwrap().matter() == Some(Matter::Failed);
    assert!(is_failed(write_down(&first, &before[0], failed(0))));
    let _again = one.lead(2).unwrap();
    assert!(is_failed(write_down(&first, &before[1], failed(0))), "a later term of the same server");
    let _second = two.lead(3).unwrap();
    assert!(!is_failed(write_down(&first, &before[2], failed(0))));
    let third = one.lead(4).unwrap();
    assert!(!is_failed(write_down(&first, &before[2], failed(0))), "the other one may have tried it");
    third.settle(ids[3], &vec![(0, Fate::Tried(RecipientState::Waiting { last: None }))], NOW).unwrap();
    assert!(!is_failed(write_down(&third, &before[3], failed(0))), "it was tried since");
}
