//! Large messages that go elsewhere arrive whole, or the other place is not used.

#![allow(clippy::unwrap_used)]

use backup::{Error, compare_bodies, transfer_bodies};
use std::sync::Arc;
use store::objects::Objects;
use store::sim::{Fault, SimEngine, SimObjects};
use store::{AccountId, Actor, DeviceId, Flags, NewMessage, Protocol, Store, Target, Timestamp};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
const ALICE: AccountId = AccountId(16);

/// An account with large messages.
fn server(messages: usize) -> (SimEngine, SimObjects) {
    let (engine, objects) = (SimEngine::new(), SimObjects::new());
    let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
    let account = store.create_account(ALICE, NOW).unwrap();
    for n in 0..messages {
        let body = format!("Subject: {n}\r\n\r\n{}", "large\r\n".repeat(20_000)).into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Inbox, message).unwrap();
    }
    (engine, objects)
}

fn names(objects: &SimObjects) -> Vec<String> {
    let mut names: Vec<String> = objects.list(ALICE).unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

#[test]
fn a_transfer_of_large_messages_that_was_broken_off_goes_on() {
    let (engine, from) = server(20);
    for broken in 0..20 {
        let to = SimObjects::new();
        to.plan(broken, Fault::Failed);
        assert!(matches!(transfer_bodies(&engine, (&from, &to), &mut |_| Ok(())), Err(Error::Fault(_))), "{broken}");
        assert_eq!(transfer_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap(), 20);
        assert_eq!(compare_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap(), 20);
        assert_eq!(names(&from), names(&to), "{broken}");
    }
}

#[test]
fn a_large_message_that_was_half_written_is_written_anew() {
    let (engine, from) = server(3);
    let (to, name) = (SimObjects::new(), names(&from).remove(1));
    to.put(ALICE, &name, b"Subject: 1\r\n\r\nlar").unwrap();
    assert!(compare_bodies(&engine, (&from, &to), &mut |_| Ok(())).is_err());
    assert_eq!(transfer_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap(), 3);
    assert_eq!(to.read(ALICE, &name).unwrap(), from.read(ALICE, &name).unwrap());
    assert_eq!(compare_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap(), 3);
    assert!(to.corrupt(ALICE, &name));
    let found = compare_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap_err().to_string();
    assert!(found.contains("did not arrive as it is") && found.contains(&name), "{found}");
}

#[test]
fn what_is_damaged_is_not_carried_on() {
    let (engine, from) = server(3);
    let name = names(&from).remove(2);
    assert!(from.corrupt(ALICE, &name));
    let found = transfer_bodies(&engine, (&from, &SimObjects::new()), &mut |_| Ok(())).unwrap_err().to_string();
    assert!(found.contains("is not what was written") && found.contains(&name), "{found}");
}

#[test]
fn what_a_crash_left_of_an_append_kept_the_large_messages_from_moving() {
    let (engine, from) = server(3);
    let (to, half) = (SimObjects::new(), format!("{}-1", blake3::hash(b"Subject: 4\r\n\r\nlarge").to_hex()));
    from.put(ALICE, &half, b"Subject: 4\r\n\r\nlar").unwrap();
    assert_eq!(transfer_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap(), 3);
    assert_eq!(compare_bodies(&engine, (&from, &to), &mut |_| Ok(())).unwrap(), 3);
    assert!(!names(&to).contains(&half) && names(&to).len() == 3);
}
