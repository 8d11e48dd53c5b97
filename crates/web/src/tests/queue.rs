//! What waits to leave, for an administrator.

use crate::testing::{ALICE, World};
use axum::http::StatusCode;
use queue::{Entry, LastReply, Later, NewEntry, QueueId, RecipientState, Way};
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::{TableId, Timestamp};

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
    let reply =
        LastReply { at: world.now(), code: 451, status: "4.7.1".into(), text, by_smarthost: true, host, tls: true };
    entry.recipients[0].state = RecipientState::Waiting { last: Some(reply) };
    keep(&world, &entry);
    world.queue.hold(ids[2]).unwrap();
    let page = alice.get("/admin/queue").plain();
    for part in [
        "<bdi>busy.example</bdi></h2> <span class=\"light amber\">Its servers say later</span>",
        "<p>2 messages; the oldest came just now. Next try: ",
        " It goes to the hosts of that domain.</p>",
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

#[test]
fn each_message_that_waits_is_tried_held_or_thrown_away() {
    let world = World::new();
    world.auth.directory().set_admin(ALICE, true).unwrap();
    let mut alice = world.alice();
    let ids = ["carol@busy.example", "erin@held.example"].map(|to| enqueue(&world, to));
    alice.submit("/admin/queue", "/admin/queue/hold", &[("domain", "held.example")]);
    assert!(world.queue.show(ids[1]).unwrap().held && !world.queue.show(ids[0]).unwrap().held);
    assert!(alice.get("/admin/queue").text.contains("1 message for held.example held back until you let go"));
    let here = "/admin/queue/messages";
    let page = alice.get(here).text;
    assert!(page.contains("To <bdi>carol@busy.example</bdi>: waiting") && page.contains("Held back</span>"), "{page}");
    let mut act = |id: QueueId, verb: &str| {
        alice.submit(here, &format!("{here}/{id}/{verb}"), &[]);
        alice.get(here).text
    };
    world.wait_millis(60_000);
    assert!(
        act(ids[0], "retry").contains("will be tried now") && world.queue.show(ids[0]).unwrap().next_at == world.now()
    );
    assert!(act(ids[0], "hold").contains("is held back") && world.queue.show(ids[0]).unwrap().held);
    assert!(act(ids[0], "release").contains("may go now") && !world.queue.show(ids[0]).unwrap().held);
    assert!(act(ids[0], "remove").contains("was thrown away, and nobody is told") && world.queue.show(ids[0]).is_err());
    assert!(act(ids[0], "retry").contains("does not wait any more"));
}

#[test]
fn an_owner_sees_mail_for_later_sends_it_now_and_cancels_it() {
    let world = World::new();
    let mut alice = world.alice();
    assert!(alice.get("/account/scheduled").text.contains("Nothing waits for its time."));
    let account = world.auth.directory().account(ALICE).unwrap().unwrap().id;
    let at = Timestamp(world.now().0 + 3 * 24 * 3_600_000);
    let put = |subject: &str| {
        let way = Way { helo: "pc".into(), client: [192, 0, 2, 1].into(), with: "ESMTPSA".into(), tls: None };
        let later = Later { at, way, login: "1".into(), is_asked_for: false, has_begun: false };
        let content = format!("Subject: {subject}\r\n\r\nx\r\n").into_bytes();
        let to = vec![ForwardPath::Mailbox("carol@far.example".parse().unwrap()).into()];
        let new = NewEntry::new(ReversePath::Mailbox(ALICE.parse().unwrap()), to, Arc::new(content));
        world.queue.enqueue(NewEntry { account: Some(account), later: Some(later), ..new }, world.now()).unwrap().id
    };
    let (first, second) = (put("=?utf-8?q?Caf=C3=A9?= <b>"), put("second"));
    let page = alice.get("/account/scheduled").text;
    for part in
        ["2 messages wait for their time.", "<bdi>Café &#60;b&#62;</bdi>", "<bdi>carol@far.example</bdi>", "Goes "]
    {
        assert!(page.contains(part), "{part:?} is not in {page}");
    }
    alice.submit("/account/scheduled", &format!("/account/scheduled/{first}/cancel"), &[]);
    assert!(alice.get("/account/scheduled").text.contains("It was cancelled; nothing of it has left."));
    assert!(world.queue.show(first).is_err());
    alice.submit("/account/scheduled", &format!("/account/scheduled/{second}/send"), &[]);
    assert_eq!(world.queue.show(second).unwrap().next_at, world.now());
    alice.submit("/account/scheduled", &format!("/account/scheduled/{first}/cancel"), &[]);
    assert!(alice.get("/account/scheduled").text.contains("does not wait for its time (any more)"));
}
