//! Others have their turn between the pieces of an undo.

use super::*;
use crate::account::{NewMessage, PIECE_MESSAGES_MAX, Target};
use crate::check;
use crate::device::Credential;
use crate::flags::Flags;
use crate::ids::{AccountId, Uid};
use crate::journal::Protocol;
use crate::sim::{SimEngine, SimObjects};
use crate::store::Store;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const PC: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };

#[test]
fn what_others_do_between_the_pieces_of_an_undo_is_no_part_of_it() {
    let store = Store::new(std::sync::Arc::new(SimEngine::new()), std::sync::Arc::new(SimObjects::new()));
    let account = store.create_account(AccountId(16), NOW).unwrap();
    let mailboxes = account.mailboxes().unwrap();
    let [inbox, archive] = ["INBOX", "Archive"].map(|name| mailboxes.by_name(name).unwrap().id);
    let append = || {
        let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: NOW };
        account.append(PC, Target::Inbox, message).unwrap().uid
    };
    let uids = |mailbox| account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid).collect::<Vec<Uid>>();
    for _ in 0..=2 * PIECE_MESSAGES_MAX {
        append();
    }
    let phone = account.add_device(PC, "phone", Credential::ApplicationPassword { hash: [1; 32] }, None).unwrap();
    let all = uids(inbox);
    account.move_messages(Actor { device: phone, ..PC }, inbox, all.clone(), archive).unwrap();

    let what = UndoWhat::Device { device: phone, since: Timestamp(0) };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    let web = Actor { protocol: Protocol::Web, ..PC };
    let mut undoing = account.transact(move |tx| Undoing::begin(tx, web, &request)).unwrap();
    assert_eq!(uids(inbox).len(), PIECE_MESSAGES_MAX);
    let new = append();
    // The last two, in pieces to come: one goes, one gets a flag.
    let left = uids(archive);
    let [.., flagged, gone] = left.as_slice() else { panic!("{left:?}") };
    account.move_messages(PC, archive, vec![*gone], inbox).unwrap();
    let seen = Flags::system(&[crate::flags::SystemFlag::Seen]);
    let change = crate::account::FlagChange { mode: crate::flags::FlagMode::Add, flags: seen, unchanged_since: None };
    account.change_flags(PC, archive, vec![*flagged], change).unwrap();
    while undoing.act.is_some() {
        undoing.piece(&account, web).unwrap();
    }
    assert_eq!((undoing.report.moved, uids(archive).len()), (all.len() - 1, 0));
    let entries = account.view(inbox).unwrap().index().clone();
    assert_eq!(entries.iter().filter(|entry| entry.flags.has(crate::flags::SystemFlag::Seen)).count(), 1);

    let what = UndoWhat::Undo(undoing.report.entry.unwrap());
    let mut told = Vec::new();
    let request = UndoRequest { what, ..request };
    let report = account.undo_watched(web, request, &mut |Progress { done, total }| told.push((done, total))).unwrap();
    assert_eq!((report.moved, report.removed), (all.len() - 1, 0));
    assert_eq!(told, [(PIECE_MESSAGES_MAX, 2 * PIECE_MESSAGES_MAX)], "the last piece is the answer");
    let stayed = uids(inbox);
    assert_eq!(stayed.len(), 2, "what came meanwhile, and what another device put back");
    assert!(stayed.contains(&new));
    assert_eq!(check::all(&store, check::Depth::Bodies).unwrap(), []);
}
