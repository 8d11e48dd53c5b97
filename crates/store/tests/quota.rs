//! Quota: what would go beyond it is refused, and nothing else; what every POP3 device has makes room.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use store::device::{Credential, LastLogin};
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, Amount, ClearReport, ClearRequest, DeviceId, EmailId, Error, Expunge, FILLING_PERCENT,
    FlagChange, FlagMode, Flags, MailboxId, MaildropOptions, NewMessage, Protocol, Quota, Resource, Store,
    StoreOptions, SystemFlag, Target, Timestamp, Uid, UndoRequest, UndoWhat, Usage,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: NOW };

struct World {
    engine: SimEngine,
    store: Store,
    account: Account,
}

impl World {
    fn new(options: StoreOptions) -> Self {
        let engine = SimEngine::new();
        let store = Store::with_options(Arc::new(engine.clone()), Arc::new(SimObjects::new()), options);
        let account = store.create_account(AccountId(16), NOW).unwrap();
        Self { engine, store, account }
    }

    fn with_quota(bytes: u64) -> Self {
        Self::new(StoreOptions { quota: Quota::of_bytes(bytes), ..StoreOptions::default() })
    }

    fn mailbox(&self, name: &str) -> MailboxId {
        self.account.mailboxes().unwrap().by_name(name).unwrap().id
    }

    /// A message of so many octets, which arrived so many seconds after [`NOW`].
    fn put(&self, mailbox: &str, bytes: usize, after: i64) -> Result<EmailId, Error> {
        let appended = self.account.append(SERVER, Target::Mailbox(self.mailbox(mailbox)), message(bytes, after));
        appended.map(|appended| appended.email)
    }

    fn expunge(&self, mailbox: &str, uid: u32) {
        let mailbox = self.mailbox(mailbox);
        self.flag(mailbox, uid, SystemFlag::Deleted);
        self.account.expunge(SERVER, mailbox, Expunge::AllDeleted).unwrap();
    }

    fn flag(&self, mailbox: MailboxId, uid: u32, flag: SystemFlag) {
        let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since: None };
        self.account.change_flags(SERVER, mailbox, vec![Uid(uid)], change).unwrap();
    }

    fn pop_device(&self, name: &str) -> Actor {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = self.account.add_device(SERVER, name, credential, Some(RemovalPolicy::Keep.into())).unwrap();
        let protocol = Protocol::Pop3;
        let login = LastLogin { at: NOW, protocol, address: "::1".to_owned(), tls: None, program: None };
        self.account.note_login(device, login).unwrap();
        Actor { device, protocol, now: NOW }
    }

    fn take(&self, actor: Actor) {
        let maildrop = self.account.open_maildrop(actor.device, &MaildropOptions::default(), NOW).unwrap();
        let all = maildrop.messages().iter().map(|message| message.email).collect();
        self.account.close_maildrop(actor, &maildrop, all, vec![]).unwrap();
    }

    /// A dry run tells what is done.
    fn clear(&self, request: ClearRequest) -> ClearReport {
        let would = self.account.clear_taken(SERVER, ClearRequest { dry_run: true, ..request }).unwrap();
        let done = self.account.clear_taken(SERVER, request).unwrap();
        assert_eq!(ClearReport { entry: None, ..done }, would);
        self.check();
        done
    }

    fn undo(&self, entry: store::ModSeq) {
        let what = UndoWhat::Undo(entry);
        let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
        self.account.undo(SERVER, request).unwrap();
        self.check();
    }

    fn used(&self) -> u64 {
        self.account.usage().unwrap().bytes
    }

    fn check(&self) {
        assert_eq!(self.account.check(&self.store).unwrap(), []);
    }
}

fn message(bytes: usize, after: i64) -> NewMessage {
    NewMessage { body: vec![b'x'; bytes], flags: Flags::default(), internal_date: Timestamp(NOW.0 + after * 1000) }
}

#[test]
fn a_mailbox_takes_mail_up_to_its_quota_and_not_an_octet_more() {
    let world = World::with_quota(100);
    world.put("INBOX", 60, 0).unwrap();
    let over = Error::OverQuota { resource: Resource::Storage, used: 60, quota: 100 };
    assert_eq!(world.put("Sent", 41, 0).unwrap_err(), over);
    world.put("Archive", 40, 0).unwrap();
    let usage = world.account.usage().unwrap();
    assert_eq!(usage, Usage { bytes: 100, messages: 2, quota: Quota::of_bytes(100) });
    assert!(usage.is_full() && usage.percent() == Some(100));
    assert!(matches!(world.put("INBOX", 1, 0), Err(Error::OverQuota { used: 100, .. })));
    world.expunge("Archive", 1);
    world.put("INBOX", 40, 0).unwrap();
    world.check();
}

#[test]
fn a_mailbox_takes_so_many_messages_and_not_one_more() {
    let world = World::new(StoreOptions { quota: Quota { bytes: None, messages: Some(3) }, ..StoreOptions::default() });
    let over = |used| Error::OverQuota { resource: Resource::Message, used, quota: 3 };
    world.put("INBOX", 60, 0).unwrap();
    world.put("Archive", 0, 0).unwrap();
    let (inbox, archive) = (world.mailbox("INBOX"), world.mailbox("Archive"));
    world.account.copy(SERVER, inbox, vec![Uid(1)], archive).unwrap();
    let usage = world.account.usage().unwrap();
    assert_eq!((usage.messages, usage.percent(), usage.is_full()), (3, Some(100), true));
    assert_eq!(world.put("INBOX", 0, 0).unwrap_err(), over(3), "what has no octets is a message too");
    assert_eq!(over(3).to_string(), "the mailbox is full: it holds 3 of 3 messages");
    assert_eq!(world.account.copy(SERVER, inbox, vec![Uid(1)], archive).unwrap_err(), over(3));
    world.account.move_messages(SERVER, inbox, vec![Uid(1)], archive).unwrap();
    world.account.replace(SERVER, (archive, Uid(1)), inbox, message(70, 0)).unwrap();
    world.expunge("Archive", 2);
    assert_eq!(world.account.begin_copy(SERVER, archive, vec![Uid(3)], inbox).piece(), Ok(false));
    let mut appending = world.account.begin_append(SERVER, archive, Amount { bytes: 0, messages: 1 });
    appending.add(message(1, 0)).unwrap();
    assert_eq!(appending.commit(true), Err(over(3)));
    drop(appending);
    // Of both limits each holds.
    world.account.set_quota(SERVER, Quota { bytes: Some(140), messages: Some(4) }).unwrap();
    assert!(matches!(world.put("INBOX", 100, 0), Err(Error::OverQuota { resource: Resource::Storage, .. })));
    world.account.set_quota(SERVER, Quota { bytes: Some(1000), messages: Some(4) }).unwrap();
    world.put("INBOX", 100, 0).unwrap();
    assert_eq!(
        world.put("INBOX", 1, 0).unwrap_err(),
        Error::OverQuota { resource: Resource::Message, used: 4, quota: 4 }
    );
    world.check();
}

#[test]
fn the_owner_is_told_that_there_are_many_messages() {
    let world = World::new(StoreOptions { quota: Quota { bytes: None, messages: Some(5) }, ..StoreOptions::default() });
    (0..3).for_each(|n| assert!(world.put("INBOX", 1, n).is_ok()));
    assert!(!world.account.must_tell_of_filling().unwrap());
    world.put("INBOX", 1, 4).unwrap();
    assert!(world.account.must_tell_of_filling().unwrap());
    assert!(world.account.tell_of_filling(SERVER, Some(message(10, 0))).unwrap().is_some());
    assert!(world.account.usage().unwrap().is_full());
}

#[test]
fn a_copy_counts_and_a_move_never_fails_for_the_quota() {
    let world = World::with_quota(100);
    world.put("INBOX", 60, 0).unwrap();
    let (inbox, archive) = (world.mailbox("INBOX"), world.mailbox("Archive"));
    assert!(matches!(world.account.copy(SERVER, inbox, vec![Uid(1)], archive), Err(Error::OverQuota { .. })));
    world.account.set_quota(SERVER, Quota::of_bytes(10)).unwrap();
    assert_eq!(world.account.usage().unwrap().percent(), Some(600));
    let copied = world.account.copy(SERVER, inbox, vec![Uid(9)], archive).unwrap();
    assert_eq!(copied.uids, [], "nothing is copied, so nothing is refused");
    world.account.move_messages(SERVER, inbox, vec![Uid(1)], archive).unwrap();
    world.account.rename_mailbox(SERVER, "Archive", "Old").unwrap();
    world.account.set_quota(SERVER, Quota::default()).unwrap();
    world.account.copy(SERVER, archive, vec![Uid(1)], inbox).unwrap();
    assert_eq!(world.used(), 120, "each place counts");
    world.check();
}

#[test]
fn an_undo_may_go_beyond_the_quota_so_that_nothing_is_lost() {
    let world = World::with_quota(100);
    let device = world.pop_device("pc");
    world.put("INBOX", 80, 0).unwrap();
    world.take(device);
    let cleared = world.clear(ClearRequest::default());
    world.put("INBOX", 90, 0).unwrap();
    world.undo(cleared.entry.unwrap());
    assert_eq!(world.used(), 170);
    assert!(matches!(world.put("INBOX", 1, 0), Err(Error::OverQuota { .. })));
}

#[test]
fn two_deliveries_at_once_do_not_pass_the_quota_together() {
    let world = World::with_quota(1000);
    let other = Store::new(Arc::new(world.engine.clone()), Arc::new(SimObjects::new()));
    let accounts = [world.account.clone(), world.account.clone(), other.account(AccountId(16))];
    let deliver = |account: &Account| {
        let outcomes = (0..40).map(|_| account.append(SERVER, Target::Inbox, message(30, 0)));
        outcomes.filter(|outcome| outcome.is_ok()).count()
    };
    let delivered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = accounts.iter().map(|account| scope.spawn(move || deliver(account))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(delivered, 33);
    world.account.refresh().unwrap();
    assert_eq!(world.used(), 990);
    world.check();
}

#[test]
fn the_owner_is_told_once_that_it_fills_up_and_again_only_after_it_was_emptier() {
    let world = World::with_quota(1000);
    let tell = || world.account.tell_of_filling(SERVER, Some(message(10, 0))).unwrap().is_some();
    world.put("INBOX", (10 * FILLING_PERCENT) as usize - 1, 0).unwrap();
    assert!(!world.account.must_tell_of_filling().unwrap() && !tell());
    assert!(world.store.take_filling().is_empty());
    world.put("INBOX", 1, 0).unwrap();
    assert_eq!(world.store.take_filling().into_iter().collect::<Vec<_>>(), [AccountId(16)]);
    assert!(world.account.must_tell_of_filling().unwrap() && tell() && !tell());
    assert!(world.account.usage().unwrap().is_filling() && !world.account.must_tell_of_filling().unwrap());
    // A little less, a little more: that is the same crossing.
    world.expunge("INBOX", 2);
    world.expunge("INBOX", 3);
    assert!(!world.account.usage().unwrap().is_filling() && !tell());
    world.put("INBOX", 1, 0).unwrap();
    assert!(world.account.usage().unwrap().is_filling() && !tell());
    world.expunge("INBOX", 1);
    world.account.tell_of_filling(SERVER, None).unwrap();
    world.put("INBOX", 900, 0).unwrap();
    assert!(tell() && !tell());
    world.check();
}

#[test]
fn the_message_that_tells_it_never_makes_the_mailbox_overflow() {
    let world = World::with_quota(100);
    world.put("INBOX", 95, 0).unwrap();
    assert_eq!(world.account.tell_of_filling(SERVER, Some(message(6, 0))).unwrap(), None);
    assert!(world.account.must_tell_of_filling().unwrap(), "it is left for later");
    assert!(world.account.tell_of_filling(SERVER, Some(message(5, 0))).unwrap().is_some());
    assert_eq!(world.used(), 100);
    world.check();
}

#[test]
fn what_every_pop_device_has_is_cleared_and_put_back_as_one_act() {
    let world = World::with_quota(10_000);
    assert_eq!(world.clear(ClearRequest::default()), ClearReport::default(), "there is no POP device");
    let (pc, laptop) = (world.pop_device("pc"), world.pop_device("laptop"));
    (1..=4).for_each(|n| assert!(world.put("INBOX", n as usize * 100, n).is_ok()));
    world.put("Sent", 50, 0).unwrap();
    world.take(pc);
    assert_eq!(world.clear(ClearRequest::default()).messages, 0, "the laptop has none of them");
    world.take(laptop);
    world.put("INBOX", 70, 9).unwrap();
    world.flag(world.mailbox("INBOX"), 2, SystemFlag::Flagged);
    let before = ClearRequest { before: Some(Timestamp(NOW.0 + 2_000)), ..ClearRequest::default() };
    let would = world.account.clear_taken(SERVER, ClearRequest { dry_run: true, ..before }).unwrap();
    assert_eq!((would.messages, would.bytes, would.oldest), (1, 100, Some(Timestamp(NOW.0 + 1_000))));
    // 100 octets are not 101: the next goes as well, and 200 is flagged.
    let some = world.clear(ClearRequest { bytes: Some(101), ..ClearRequest::default() });
    assert_eq!((some.messages, some.bytes), (2, 400));
    let rest = world.clear(ClearRequest::default());
    assert_eq!((rest.messages, rest.bytes, rest.lost_bytes), (1, 400, 0));
    assert_eq!(world.used(), 200 + 70 + 50);
    world.undo(rest.entry.unwrap());
    world.undo(some.entry.unwrap());
    assert_eq!(world.used(), 1000 + 70 + 50);
    let maildrop = world.account.open_maildrop(pc.device, &MaildropOptions::default(), NOW).unwrap();
    assert_eq!(maildrop.messages().len(), 5);
    drop(maildrop);
    assert_eq!(world.clear(ClearRequest::default()).messages, 3, "the devices have them still");
}

#[test]
fn a_device_that_was_revoked_is_not_waited_for_and_a_new_one_is() {
    let world = World::with_quota(10_000);
    let (pc, laptop) = (world.pop_device("pc"), world.pop_device("laptop"));
    world.put("INBOX", 100, 0).unwrap();
    world.take(pc);
    assert_eq!(world.clear(ClearRequest::default()).messages, 0);
    world.account.revoke_device(SERVER, laptop.device).unwrap();
    let tablet = world.pop_device("tablet");
    assert_eq!(world.clear(ClearRequest::default()).messages, 0);
    world.take(tablet);
    assert_eq!(world.clear(ClearRequest::default()).messages, 1);
}

#[test]
fn what_removed_mail_has_no_room_for_is_said_before() {
    let options = StoreOptions { retention_bytes_max: 250, ..StoreOptions::default() };
    let world = World::new(options);
    let pc = world.pop_device("pc");
    (1..=4).for_each(|n| assert!(world.put("INBOX", 100, n).is_ok()));
    world.take(pc);
    let report = world.clear(ClearRequest::default());
    assert_eq!((report.messages, report.bytes, report.lost_bytes), (4, 400, 150));
    let retained = world.account.retained().unwrap();
    assert_eq!((retained.messages, retained.bytes), (2, 200));
}
