use crate::entry::{LastReply, Matter, RecipientState};
use crate::error::Error;
use crate::queue::tests::{message, open};
use crate::queue::{Fate, Settled};
use crate::turns::Due;
use smtp_proto::Reply;
use store::Timestamp;
use store::sim::SimEngine;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

#[test]
fn what_a_server_has_sent_that_does_not_lead_any_more_is_not_written_down_by_it() {
    let engine = SimEngine::new();
    let (one, two) = (open(&engine), open(&engine));
    let first = one.lead(1).unwrap();
    let id = two.enqueue(message("me@x", &["a@y", "b@y"], b"S: 1\r\n\r\n"), NOW).unwrap().id;
    let reply = LastReply::new(&Reply::plain(550, "never"), true, NOW);
    let failed = |place| vec![(place, Fate::Tried(RecipientState::Failed { reply: reply.clone(), reported: false }))];
    first.settle(id, &failed(0), NOW).unwrap();
    assert!(first.show_to_send(id).is_ok());

    let second = two.lead(2).unwrap();
    let before = two.show(id).unwrap();
    let due = Due::of(&before);
    let settled: Settled = failed(1);
    assert_eq!(first.show_to_send(id).err(), Some(Error::Superseded), "nothing is begun");
    assert_eq!(first.settle(id, &settled, NOW), Err(Error::Superseded));
    assert_eq!(first.settle_all(&[(id, &settled)], NOW), Err(Error::Superseded));
    assert_eq!(first.reported(&before, Matter::Failed), Err(Error::Superseded));
    assert_eq!(first.postpone(id, NOW), Err(Error::Superseded));
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
