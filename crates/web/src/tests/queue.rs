//! What waits to leave, for an administrator.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use queue::{Entry, LastReply, NewEntry, QueueId, RecipientState};
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::TableId;

fn enqueue(world: &World, to: &str) -> QueueId {
    let to = ForwardPath::Mailbox(to.parse().unwrap());
    let new = NewEntry::new(ReversePath::Mailbox(ALICE.parse().unwrap()), vec![to.into()], Arc::new(b"x\r\n".to_vec()));
    world.queue.enqueue(new, world.now()).unwrap().id
}

/// As it is kept after an attempt.
fn keep(world: &World, entry: &Entry) {
    let row = [vec![1], serde_json::to_vec(entry).unwrap()].concat();
    let kept = world.auth.store().table(TableId::Queue).change::<_, store::Error>(|tx| {
        tx.put(&[&b"e"[..], &entry.id.0.to_be_bytes()].concat(), row.clone());
        Ok(())
    });
    kept.unwrap();
}

#[test]
fn an_administrator_sees_what_waits_for_whom_and_has_it_tried() {
    let world = World::new();
    let mut alice = world.alice();
    assert_eq!(alice.get("/admin/queue").status, StatusCode::FORBIDDEN);
    world.auth.directory().set_admin(ALICE, true).unwrap();
    assert!(alice.get("/admin/queue").text.contains("Nothing waits."));
    let ids = ["carol@busy.example", "dave@busy.example", "erin@held.example"].map(|to| enqueue(&world, to));
    let mut entry = world.queue.show(ids[0]).unwrap();
    let (text, host) = ("<b>busy".to_owned(), Some("mx.busy.example".to_owned()));
    let reply = LastReply { at: world.now(), code: 451, status: "4.7.1".into(), text, by_smarthost: true, host };
    entry.recipients[0].state = RecipientState::Waiting { last: Some(reply) };
    keep(&world, &entry);
    world.queue.hold(ids[2]).unwrap();
    let page = alice.get("/admin/queue").text;
    for part in [
        "<bdi>busy.example</bdi></h2> <span class=\"light amber\">Its servers say later</span>",
        "<p>2 messages; the oldest came just now. Next try: ",
        "Last answer: <bdi>451 &#60;b&#62;busy</bdi>",
        "<bdi>held.example</bdi></h2> <span class=\"light amber\">Held back</span>",
    ] {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    assert_eq!((page.matches("Try now").count(), page.matches("Let go").count()), (1, 1), "{page}");

    world.wait_millis(60_000);
    alice.submit("/admin/queue", "/admin/queue/retry", &[("domain", "busy.example")]);
    assert!(alice.get("/admin/queue").text.contains("2 messages for busy.example will be tried now."));
    assert_eq!(world.queue.show(ids[1]).unwrap().next_at, world.now());
    alice.submit("/admin/queue", "/admin/queue/release", &[("domain", "held.example")]);
    assert!(alice.get("/admin/queue").text.contains("1 message for held.example may go now."));
    assert!(!world.queue.show(ids[2]).unwrap().held);
    // It left before the button was pressed.
    world.queue.remove(ids[2]).unwrap();
    alice.submit("/admin/queue", "/admin/queue/retry", &[("domain", "held.example")]);
    assert!(alice.get("/admin/queue").text.contains("Nothing waits for held.example any more."));
}
