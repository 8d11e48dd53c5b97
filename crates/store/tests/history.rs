//! How much the journal takes, and what goes when that is too much.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use store::device::Credential;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Expunge, FlagChange, FlagMode, Flags, MailboxId, MessageChange,
    ModSeq, NewMessage, Protocol, Store, StoreOptions, SystemFlag, Target, Timestamp, UidValidity, UndoRequest,
    UndoWhat,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const MESSAGES: usize = 2_000;

struct World {
    store: Store,
    account: Account,
    phone: Actor,
    inbox: MailboxId,
    emails: Vec<EmailId>,
}

fn world(history_bytes_max: u64) -> World {
    let options = StoreOptions { history_bytes_max, brake_messages_min: 1_000_000, ..StoreOptions::default() };
    let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), options);
    let account = store.create_account(AccountId(16), NOW).unwrap();
    let owner = Actor { device: DeviceId(0), protocol: Protocol::Web, now: NOW };
    let credential = Credential::ApplicationPassword { hash: [0; 32] };
    let device = account.add_device(owner, "phone", credential, None).unwrap();
    let mut emails = Vec::new();
    for n in 0..MESSAGES {
        let body = format!("Subject: {n}\r\n\r\n").into_bytes();
        // Mail of months.
        let now = Timestamp(NOW.0 + n as i64 * 3_600_000);
        let message = NewMessage { body, flags: Flags::default(), internal_date: now };
        emails.push(account.append(Actor { now, ..owner }, Target::Inbox, message).unwrap().email);
    }
    let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    World { store, account, phone: Actor { device, protocol: Protocol::Imap, now: NOW }, inbox, emails }
}

impl World {
    /// `STORE 1:count`, of which every second one takes the flag away.
    fn store_flags(&self, count: usize, round: usize) {
        let mode = if round.is_multiple_of(2) { FlagMode::Add } else { FlagMode::Remove };
        let change = FlagChange { mode, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
        let view = self.account.view(self.inbox).unwrap();
        let uids = view.index().iter().map(|entry| entry.uid).take(count).collect();
        self.account.change_flags(self.phone, self.inbox, uids, change).unwrap();
    }
}

/// 60 times `STORE 1:*` on 10,001 messages wrote 85 MiB.
#[test]
fn a_change_of_flags_of_all_messages_takes_few_octets_each() {
    let world = world(u64::MAX);
    let before = world.account.history_bytes().unwrap();
    (0..60).for_each(|round| world.store_flags(MESSAGES, round));
    let each = (world.account.history_bytes().unwrap() - before) as f64 / (60 * MESSAGES) as f64;
    // A difference of UIDs, and one of EMAILIDs an hour apart; 31 before, with a row for each message.
    assert!(each < 8.0, "{each} octets");
    assert_eq!(world.account.check(&world.store).unwrap(), []);
    let story = world.account.message_history(world.emails[77]).unwrap();
    let flags = story.iter().filter(|event| matches!(event.what, MessageChange::Flags { .. })).count();
    assert_eq!((story.len(), flags), (61, 60), "its story tells each of them");
    assert!(story.is_sorted_by_key(|event| event.modseq));
    let what = UndoWhat::Device { device: world.phone.device, since: NOW };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    world.store_flags(MESSAGES, 0);
    assert_eq!(world.account.undo(world.phone, request).unwrap().reflagged, MESSAGES);
}

#[test]
fn the_journal_stays_within_its_bound_and_what_was_removed_can_be_put_back() {
    let bound = 300_000;
    let world = world(bound);
    let uids = vec![store::Uid(1), store::Uid(2)];
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    world.account.change_flags(world.phone, world.inbox, uids, change).unwrap();
    world.account.expunge(world.phone, world.inbox, Expunge::AllDeleted).unwrap();
    for round in 0..120 {
        world.store_flags(MESSAGES, round);
        assert!(world.account.history_bytes().unwrap() <= bound);
    }
    assert_eq!(world.account.check(&world.store).unwrap(), []);
    // Flags of many go first: the removal is still known.
    let what = UndoWhat::Device { device: world.phone.device, since: NOW };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    assert_eq!(world.account.undo(world.phone, request).unwrap().restored, 2);
}

#[test]
fn what_a_client_flips_one_by_one_pushes_out_the_oldest_and_it_synchronises_all_the_same() {
    let world = world(120_000);
    let uids: Vec<store::Uid> = [3, 4].map(store::Uid).into();
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    let known = world.account.head().unwrap();
    world.account.change_flags(world.phone, world.inbox, uids.clone(), change).unwrap();
    world.account.expunge(world.phone, world.inbox, Expunge::AllDeleted).unwrap();
    for round in 0..3_000 {
        world.store_flags(1, round);
    }
    assert!(world.account.history_bytes().unwrap() <= 120_000);
    assert!(world.account.journal_floor().unwrap() > known, "it does not go back so far");
    assert_eq!(world.account.vanished_since(world.inbox, known).unwrap(), uids);
    assert_eq!(world.account.check(&world.store).unwrap(), []);
    assert!(world.account.history_since().unwrap().is_some());
    let validity = world.account.view(world.inbox).unwrap().mailbox().uid_validity;
    assert!(validity > UidValidity(0) && known > ModSeq(0));
}
