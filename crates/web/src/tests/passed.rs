//! What became of mail that was passed on, where its owner looks.

use crate::testing::{ALICE, PASSWORD, World};
use queue::{About, NewEntry, PassedOn};
use serde_json::Value;
use smtp_proto::{ForwardPath, ReversePath};
use std::sync::Arc;
use store::{Actor, DeviceId, Flags, NewMessage, Protocol, Target, Timestamp};

const DAY_MILLIS: i64 = 86_400_000;

/// Forwards a message of Alice's, and keeps a copy or not; gives its id.
fn forward(world: &World, subject: &str, keeps_copy: bool, at: Timestamp) -> Option<String> {
    let account = world.auth.directory().account(ALICE).unwrap().unwrap().id;
    let email = keeps_copy.then(|| {
        let body = format!("From: Ada <ada@author.example>\r\nSubject: {subject}\r\n\r\nx\r\n").into_bytes();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: at };
        let message = NewMessage { body, flags: Flags::default(), internal_date: at };
        world.auth.store().account(account).append(actor, Target::Inbox, message).unwrap().email
    });
    let about = About {
        address: ALICE.into(),
        subject: subject.into(),
        from: "ada@author.example".into(),
        message_id: format!("<{subject}@author.example>"),
        email: email.map(|email| email.0),
        by_alias: false,
    };
    let to = vec![ForwardPath::Mailbox("me@far.example".parse().unwrap()).into()];
    let new = NewEntry::new(ReversePath::Null, to, Arc::new(b"m".to_vec()));
    let passed_on = Some(PassedOn { accounts: vec![account], about });
    world.queue.enqueue(NewEntry { passed_on, ..new }, at).unwrap();
    email.map(|email| email.text())
}

fn texts(timeline: &Value) -> Vec<String> {
    let lines = timeline["lines"].as_array().unwrap().iter();
    lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nobody_could_see_where_a_forwarded_message_had_gone() {
    let world = World::new();
    let kept = forward(&world, "Stays", true, world.now()).unwrap();
    forward(&world, "Gone <b>", false, world.now());
    let mut alice = world.alice();
    let page = alice.get("/timeline?search=gone").text;
    let told =
        "“Gone &#60;b&#62;” of ada@author.example was forwarded, and not kept here, to me@far.example: not sent yet";
    assert!(page.contains(told), "{page}");
    assert!(!page.contains("Stays"), "{page}");
    let story = alice.get(&format!("/messages/{kept}")).text;
    assert!(story.contains("forwarded to me@far.example: not sent yet"), "{story}");
    let line = alice.get("/api/v1/timeline?search=Stays").json()["lines"][0].clone();
    assert_eq!((line["entry"].as_u64(), line["messages"][0]["id"].as_str()), (Some(0), Some(kept.as_str())));
    // Who looks for a mail of which there is no copy finds out where it went.
    let found = alice.get("/api/v1/messages?text=author.example%20gone").json();
    assert_eq!(found["messages"].as_array().unwrap().len(), 0);
    assert_eq!(found["elsewhere"][0]["message_id"], "<Gone <b>@author.example>");
    let found = alice.get("/api/v1/messages?text=stays").json();
    assert_eq!(found["messages"][0]["passed_on"][0], "forwarded to me@far.example: not sent yet");
    assert_eq!(found["elsewhere"].as_array().unwrap().len(), 0);
    assert_eq!(alice.get("/api/v1/messages?text=gone&removed=true").json()["elsewhere"].as_array().unwrap().len(), 0);
    // Nobody else does, and no device did it.
    assert_eq!(texts(&alice.get("/api/v1/timeline?device=1&search=forwarded").json()), Vec::<String>::new());
    let mut bob = world.browser();
    bob.log_in("bob@example.org", PASSWORD);
    assert!(!bob.get("/timeline").text.contains("me@far.example"));
}

#[test]
fn pages_of_the_timeline_show_each_line_once_in_its_place() {
    let world = World::new();
    let mut alice = world.alice();
    let at = |n: i64| Timestamp(world.now().0 + n * DAY_MILLIS);
    for n in 0..12 {
        // One of three is kept, so that the journal has a line of it, too.
        forward(&world, &format!("n{n}"), n % 3 == 0, at(n));
    }
    let whole = texts(&alice.get("/api/v1/timeline?limit=500").json());
    assert!(whole.len() >= 16, "{whole:?}");
    for limit in 1..8 {
        let (mut all, mut next) = (Vec::new(), String::new());
        for round in 0.. {
            assert!(round < 60, "it does not end");
            let page = alice.get(&format!("/api/v1/timeline?limit={limit}{next}")).json();
            all.extend(texts(&page));
            assert!(texts(&page).len() <= limit);
            let Some(before) = page["next"].as_u64() else { break };
            let passed = page["next_passed"].as_u64().map(|next| format!("&before_passed={next}"));
            next = format!("&before={before}{}", passed.unwrap_or_default());
        }
        assert_eq!(all, whole, "{limit}");
    }
    // Who knows of the journal's numbers only goes on where it does.
    let first = alice.get("/api/v1/timeline?limit=5").json();
    let second = alice.get(&format!("/api/v1/timeline?limit=500&before={}", first["next"])).json();
    let shown = [texts(&first), texts(&second)].concat();
    assert_eq!(shown.iter().filter(|text| text.contains("“n11”")).count(), 1, "{shown:?}");
    assert!(shown.iter().any(|text| text.contains("“n1”")), "{shown:?}");
}
