use super::*;
use crate::account::{Expunge, NewMessage, Submission, Target};
use crate::check::{self, Depth};
use crate::flags::{Flags, SystemFlag};
use crate::ids::{AccountId, DeviceId, Timestamp};
use crate::journal::Protocol;
use crate::sim::{SimEngine, SimObjects};
use crate::store::Store;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
const ID: AccountId = AccountId(16);

fn store(engine: &SimEngine) -> Store {
    Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()))
}

fn append(account: &Account, target: Target, number: usize) -> (Uid, EmailId) {
    let body = format!("Message-ID: <{number}@example.org>\r\n\r\n{number}\r\n").into_bytes();
    let flags = Flags::system(&[SystemFlag::Deleted]);
    let appended = account.append(ACTOR, target, NewMessage { body, flags, internal_date: NOW }).unwrap();
    (appended.uid, appended.email)
}

fn mailbox(account: &Account, name: &str) -> MailboxId {
    account.mailboxes().unwrap().by_name(name).unwrap().id
}

fn answer(account: &Account, number: usize) -> usize {
    let body = format!("Subject: Re\r\nIn-Reply-To: <{number}@example.org>\r\n\r\n");
    let submission = Submission { body: Arc::new(body.as_bytes().to_vec()), added_bytes: 0, handover: None };
    account.submit(Actor { protocol: Protocol::Submission, ..ACTOR }, submission).unwrap().flagged
}

fn is_well(store: &Store) {
    assert_eq!(check::all(store, Depth::Records).unwrap(), []);
}

fn record(account: &Account, email: EmailId) -> EmailRecord {
    account.transact(move |tx| tx.email(email)).unwrap()
}

/// As a version left it that did not note places.
fn forget(account: &Account, emails: &[EmailId]) {
    let emails = emails.to_vec();
    let forget = move |tx: &mut Tx<'_>| {
        for email in &emails {
            let mut bytes = EmailRecord { listed: Vec::new(), ..tx.email(*email)? }.encode();
            assert_eq!(bytes.pop(), Some(0), "how many places are listed");
            tx.put(key::email(*email), bytes);
        }
        tx.change_record().places_noted_to = Some((MailboxId(0), Uid(0)));
        Ok(())
    };
    account.transact(forget).unwrap();
}

#[test]
fn an_answer_had_every_message_of_every_mailbox_read() {
    let engine = SimEngine::new();
    let account = store(&engine).create_account(ID, NOW).unwrap();
    let (inbox, archive) = (mailbox(&account, "INBOX"), mailbox(&account, "Archive"));
    let (uid, _) = append(&account, Target::Inbox, 1);
    append(&account, Target::Mailbox(archive), 2);
    account.copy(ACTOR, inbox, vec![uid], archive).unwrap();
    account.move_messages(ACTOR, inbox, vec![uid], archive).unwrap();
    let account = store(&engine).account(ID);
    assert_eq!((answer(&account, 1), account.cell.entries_held()), (2, 0), "no index was read");
    let view = account.view(archive).unwrap();
    let answered: Vec<bool> = view.index().iter().map(|entry| entry.flags.has(SystemFlag::Answered)).collect();
    assert_eq!(answered, [false, true, true]);
    is_well(&store(&engine));
}

#[test]
fn what_an_earlier_version_has_stored_is_found_and_brought_up_in_pieces() {
    let engine = SimEngine::new();
    let store = store(&engine);
    let account = store.create_account(ID, NOW).unwrap();
    let (inbox, archive) = (mailbox(&account, "INBOX"), mailbox(&account, "Archive"));
    let old: Vec<(Uid, EmailId)> = (0..=PIECE_MESSAGES_MAX).map(|n| append(&account, Target::Inbox, n)).collect();
    account.copy(ACTOR, inbox, vec![old[7].0, old[8].0], archive).unwrap();
    forget(&account, &old.iter().map(|(_, email)| *email).collect::<Vec<_>>());
    is_well(&store);
    assert_eq!((answer(&account, 7), answer(&account, 9)), (2, 1), "as long as it is not noted it is looked for");
    assert_eq!(account.note_places().unwrap(), PIECE_MESSAGES_MAX);
    // What changes meanwhile notes what it does, on either side of what was brought up.
    append(&account, Target::Inbox, 2000);
    account.move_messages(ACTOR, inbox, vec![old[1].0], archive).unwrap();
    account.move_messages(ACTOR, inbox, vec![old[PIECE_MESSAGES_MAX].0], archive).unwrap();
    account.expunge(ACTOR, archive, Expunge::AllDeleted).unwrap();
    is_well(&store);
    while account.note_places().unwrap() > 0 {}
    is_well(&store);
    assert!(old.iter().all(|(_, email)| record(&account, *email).lists_all()));
    assert_eq!(account.cell.state().unwrap().record.places_noted_to, None);
}

#[test]
fn a_record_lists_so_many_places_and_not_one_more() {
    let engine = SimEngine::new();
    let store = store(&engine);
    let account = store.create_account(ID, NOW).unwrap();
    let inbox = mailbox(&account, "INBOX");
    let (first, email) = append(&account, Target::Inbox, 1);
    let count = PLACES_LISTED_MAX as u32;
    (1..count + 2).for_each(|_| drop(account.copy(ACTOR, inbox, vec![first], inbox).unwrap()));
    is_well(&store);
    assert_eq!(record(&account, email).listed.len(), PLACES_LISTED_MAX);
    assert_eq!(answer(&account, 1), PLACES_LISTED_MAX + 2, "those beyond are looked for");
    // Those that go are listed, and then all that are left are.
    for uid in 1..=3 {
        account.expunge(ACTOR, inbox, Expunge::DeletedAmong(vec![Uid(uid)])).unwrap();
        is_well(&store);
    }
    let record = record(&account, email);
    assert!(record.lists_all() && record.places == count - 1);
}

#[test]
fn check_finds_a_list_that_is_wrong() {
    let engine = SimEngine::new();
    let store = store(&engine);
    let account = store.create_account(ID, NOW).unwrap();
    let (uid, email) = append(&account, Target::Inbox, 1);
    let inbox = mailbox(&account, "INBOX");
    for (listed, says) in [
        (vec![], "is in 1 places and lists 0"),
        (vec![(inbox, Uid(uid.0 + 1))], "lists a place that it is not in, or one twice"),
        (vec![(inbox, uid), (inbox, uid)], "lists a place that it is not in, or one twice"),
    ] {
        account
            .transact(move |tx| {
                let record = EmailRecord { listed: listed.clone(), ..tx.email(email)? };
                tx.put(key::email(email), record.encode());
                Ok(())
            })
            .unwrap();
        let findings = check::all(&store, Depth::Records).unwrap();
        assert!(findings.iter().any(|finding| finding.what.ends_with(says)), "{findings:?}");
    }
}

#[test]
fn a_record_says_since_when_a_message_is_in_each_place() {
    let engine = SimEngine::new();
    let store = store(&engine);
    let account = store.create_account(ID, NOW).unwrap();
    let (inbox, archive) = (mailbox(&account, "INBOX"), mailbox(&account, "Archive"));
    let (uid, email) = append(&account, Target::Inbox, 1);
    let later = |hours: i64| Actor { now: Timestamp(NOW.0 + hours * 3_600_000), ..ACTOR };
    let since = |mailbox, uid| account.reader().unwrap().saved_at(email, (mailbox, uid)).unwrap();
    assert_eq!(since(inbox, uid), Some(NOW));
    let copy = account.copy(later(1), inbox, vec![uid], archive).unwrap().uids[0].1;
    assert_eq!((since(inbox, uid), since(archive, copy)), (Some(NOW), Some(later(1).now)));
    let moved = account.move_messages(later(2), inbox, vec![uid], archive).unwrap().uids[0].1;
    assert_eq!((since(inbox, uid), since(archive, moved)), (None, Some(later(2).now)));
    let back = account.move_messages(later(3), archive, vec![copy], inbox).unwrap().uids[0].1;
    assert_eq!((since(inbox, back), since(archive, moved)), (Some(later(3).now), Some(later(2).now)));
    is_well(&store);
    // As a version left it that did not note it.
    let of = account.clone();
    of.transact(move |tx| {
        let record = EmailRecord { since: Vec::new(), ..tx.email(email)? };
        tx.put(key::email(email), record.encode());
        Ok(())
    })
    .unwrap();
    assert_eq!(since(inbox, back), None);
    let new = account.copy(later(4), inbox, vec![back], archive).unwrap().uids[0].1;
    assert_eq!((since(inbox, back), since(archive, new)), (None, Some(later(4).now)));
    is_well(&store);
}
