//! What must be held, and that it costs nobody a message.

use crate::house::{DAY, HOUR, House};
use store::removal::RemovalPolicy;
use store::{DeviceId, Error, Flags, NewMessage, Protocol, UndoRequest, UndoWhat};

const MANY: usize = 1_200;
/// As many as were deleted one night, of as many.
const ALL: usize = 252;

fn outlook_deletes_from_the_server(house: &House) -> DeviceId {
    let _phone = house.imap("phone");
    let outlook = house.pop("Outlook", RemovalPolicy::Expunge);
    house.arrive("INBOX", MANY);
    let outcome = house.collect(outlook, true);
    assert_eq!((outcome.kept, outcome.expunged), (MANY, 0));
    assert_eq!(house.listed(outlook).len(), 1, "the message of the server is all that it lists");
    outlook
}

fn outlook_would_delete_after_a_week(house: &House) -> DeviceId {
    let _phone = house.imap("phone");
    let outlook = house.pop("Outlook", RemovalPolicy::ExpungeAfterDays(7));
    house.arrive("INBOX", MANY);
    house.collect(outlook, true);
    house.later(8 * DAY);
    assert_eq!(house.account.remove_due(house.now()).unwrap(), 0);
    outlook
}

fn outlook_would_delete_once_all_have_it(house: &House) -> DeviceId {
    let _phone = house.imap("phone");
    let outlook = house.pop("Outlook", RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt);
    house.arrive("INBOX", MANY);
    assert_eq!(house.collect(outlook, true).expunged, 0);
    assert_eq!(house.account.remove_due(house.now()).unwrap(), 0);
    outlook
}

fn the_only_device_deletes_what_it_never_downloaded(house: &House) -> DeviceId {
    let pc = house.pop("PC", RemovalPolicy::KeepWhenShared);
    house.arrive("INBOX", MANY);
    house.collect(pc, false);
    pc
}

fn mbsync_expunges_everything(house: &House) -> DeviceId {
    let mbsync = house.imap("mbsync");
    house.arrive("INBOX", MANY);
    house.expunge(mbsync, "INBOX", MANY);
    mbsync
}

fn mbsync_expunges_everything_in_pieces(house: &House) -> DeviceId {
    let mbsync = house.imap("mbsync");
    house.arrive("INBOX", MANY);
    (0..MANY / 100).for_each(|_| house.expunge(mbsync, "INBOX", 100));
    mbsync
}

fn a_small_inbox_is_emptied(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 3_000);
    house.arrive("INBOX", ALL);
    house.expunge(phone, "INBOX", ALL);
    phone
}

fn forty_of_forty_five(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("INBOX", 45);
    house.expunge(phone, "INBOX", 40);
    phone
}

fn the_smallest_mailbox_that_is_looked_after(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("INBOX", 31);
    house.expunge(phone, "INBOX", 31);
    phone
}

fn one_by_one(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("INBOX", ALL);
    (0..ALL).for_each(|_| house.expunge(phone, "INBOX", 1));
    phone
}

/// Just under what an hour would show.
fn drop_by_drop(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("INBOX", ALL);
    for _ in 0..12 {
        house.expunge(phone, "INBOX", ALL / 12);
        house.later(HOUR);
    }
    phone
}

fn many_small_mailboxes(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    (0..40).for_each(|n| house.arrive(&format!("Folder {n}"), 30));
    for n in 0..40 {
        house.account.delete_mailbox(house.actor(phone, Protocol::Imap), &format!("Folder {n}")).unwrap();
    }
    phone
}

fn a_mailbox_of_a_tenth_is_deleted(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("INBOX", 2_000);
    house.arrive("Work", ALL);
    house.account.delete_mailbox(house.actor(phone, Protocol::Imap), "Work").unwrap();
    phone
}

/// By detours: what left INBOX is removed elsewhere.
fn moved_out_of_inbox_and_deleted(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 3_000);
    house.arrive("INBOX", ALL);
    house.shift(phone, "INBOX", "X", ALL);
    house.account.delete_mailbox(house.actor(phone, Protocol::Imap), "X").unwrap();
    phone
}

fn copied_out_of_inbox_and_deleted(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 3_000);
    house.arrive("INBOX", ALL);
    house.copy(phone, "INBOX", "X", ALL);
    house.expunge(phone, "INBOX", ALL);
    house.account.delete_mailbox(house.actor(phone, Protocol::Imap), "X").unwrap();
    phone
}

fn uploaded_again_and_deleted(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 3_000);
    house.arrive("INBOX", ALL);
    house.upload(phone, "X", ALL, Some("INBOX"));
    house.expunge(phone, "INBOX", ALL);
    house.expunge(phone, "X", ALL);
    phone
}

fn into_the_trash_and_out_of_it_in_pieces(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 3_000);
    house.arrive("INBOX", ALL);
    house.arrive("Trash", 20);
    house.shift(phone, "INBOX", "Trash", ALL);
    (0..ALL / 21 + 1).for_each(|_| house.expunge(phone, "Trash", 21));
    phone
}

fn a_small_pop_list_is_expunged(house: &House) -> DeviceId {
    let _phone = house.imap("phone");
    let outlook = house.pop("Outlook", RemovalPolicy::Expunge);
    house.arrive("INBOX", ALL);
    house.collect(outlook, true);
    outlook
}

fn a_stolen_phone_deletes_all_and_empties_the_trash(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 500);
    house.arrive("INBOX", MANY);
    house.shift(phone, "INBOX", "Trash", MANY);
    house.expunge(phone, "Trash", MANY);
    phone
}

fn the_largest_mailbox(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("INBOX", 20_000);
    house.expunge(phone, "INBOX", 20_000);
    phone
}

fn a_stolen_phone_deletes_a_mailbox(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Work", MANY);
    house.account.delete_mailbox(house.actor(phone, Protocol::Imap), "Work").unwrap();
    phone
}

fn an_old_device_goes_mad(house: &House) -> DeviceId {
    let laptop = house.imap("laptop");
    house.arrive("INBOX", MANY);
    for _ in 0..20 {
        house.arrive("INBOX", 40);
        house.expunge(laptop, "INBOX", 40);
        house.later(DAY);
    }
    house.expunge(laptop, "INBOX", MANY);
    laptop
}

#[test]
fn a_disaster_is_held_and_costs_no_message() {
    type Story = fn(&House) -> DeviceId;
    let table: [(&str, Story, usize, usize); 22] = [
        ("Outlook deletes from the server", outlook_deletes_from_the_server, MANY, 0),
        ("Outlook would delete after a week", outlook_would_delete_after_a_week, MANY, 0),
        ("Outlook would delete once all have it", outlook_would_delete_once_all_have_it, MANY, 0),
        ("the only device deletes what it never had", the_only_device_deletes_what_it_never_downloaded, MANY, 0),
        ("mbsync expunges everything", mbsync_expunges_everything, MANY, 0),
        ("mbsync expunges everything in pieces", mbsync_expunges_everything_in_pieces, MANY, 0),
        ("a stolen phone empties the Trash", a_stolen_phone_deletes_all_and_empties_the_trash, MANY, 0),
        ("a stolen phone deletes a mailbox", a_stolen_phone_deletes_a_mailbox, MANY, 0),
        ("an old device goes mad", an_old_device_goes_mad, MANY, 20 * 40),
        ("252 of 252 of a small INBOX", a_small_inbox_is_emptied, ALL, 0),
        ("40 of 45", forty_of_forty_five, 40, 0),
        ("31 of 31", the_smallest_mailbox_that_is_looked_after, 31, 0),
        ("one by one", one_by_one, ALL, 0),
        ("drop by drop", drop_by_drop, ALL, 0),
        ("many small mailboxes", many_small_mailboxes, MANY, 0),
        ("a mailbox of a tenth is deleted", a_mailbox_of_a_tenth_is_deleted, ALL, 0),
        ("moved out of INBOX and deleted", moved_out_of_inbox_and_deleted, ALL, 0),
        ("copied out of INBOX and deleted", copied_out_of_inbox_and_deleted, ALL, 0),
        ("uploaded again and deleted, the copies are held", uploaded_again_and_deleted, ALL, ALL),
        ("into the Trash and out of it in pieces", into_the_trash_and_out_of_it_in_pieces, ALL, 20),
        ("a small POP list is expunged", a_small_pop_list_is_expunged, ALL, 0),
        ("the largest", the_largest_mailbox, 20_000, 0),
    ];
    for (what, story, held, gone) in table {
        let house = House::new();
        let device = story(&house);
        let holds = house.open();
        assert_eq!(holds.len(), 1, "{what}");
        assert_eq!((holds[0].device, holds[0].messages), (device, held as u64), "{what}");
        assert_eq!(house.account.retained().unwrap().messages, gone as u64, "{what}: only what was let pass");
        let letters = house.letters();
        assert_eq!(letters.len(), 1, "{what}: asked once");
        assert!(letters[0].contains(&house.account.devices().unwrap()[&device].name), "{what}: {}", letters[0]);
        assert!(house.account.bursts().unwrap()[&device].is_held, "{what}");
    }
}

/// Seven names, each of which removes a part: they are one.
#[test]
fn a_program_with_the_main_password_is_not_another_one_by_another_name() {
    let house = House::new();
    house.arrive("INBOX", 2_100);
    for n in 0..7 {
        let device = house.with_main_password(&format!("imap:program {n}"));
        house.expunge(device, "INBOX", 300);
    }
    let held: u64 = house.open().iter().map(|hold| hold.messages).sum();
    assert_eq!((held, house.count("Held"), house.account.retained().unwrap().messages), (2_100, 2_100, 0));
    assert_eq!(house.letters().len(), 1, "asked once");
    // An application password is another matter.
    let phone = house.imap("phone");
    house.arrive("INBOX", 20);
    house.expunge(phone, "INBOX", 10);
    assert_eq!(house.account.retained().unwrap().messages, 10);
}

#[test]
fn an_undo_puts_back_what_was_pulled_back_into_the_hold() {
    let house = House::new();
    let phone = house.imap("phone");
    house.arrive("INBOX", ALL);
    let emails = house.emails("INBOX");
    (0..ALL / 21).for_each(|_| house.expunge(phone, "INBOX", 21));
    let what = UndoWhat::Device { device: phone, since: store::Timestamp(0) };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    assert_eq!(house.account.undo(house.owner(), request).unwrap().moved, ALL);
    let mut back = house.emails("INBOX");
    back.retain(|email| emails.contains(email));
    back.sort_unstable();
    assert_eq!((back, house.count("Held"), house.open()), (emails, 0, vec![]));
    assert!(house.account.bursts().unwrap().is_empty());
}

/// A small part of a large account goes, but the owner sees it.
#[test]
fn a_small_mailbox_that_is_emptied_is_told() {
    let house = House::new();
    let phone = house.imap("phone");
    house.arrive("INBOX", 3_000);
    house.arrive("Lists/devel", 100);
    house.expunge(phone, "Lists/devel", 100);
    assert_eq!((house.open(), house.account.retained().unwrap().messages), (vec![], 100));
    let burst = house.account.bursts().unwrap()[&phone].clone();
    assert_eq!((burst.is_held, burst.mailbox.as_deref()), (false, Some("Lists/devel")));
    assert_eq!((burst.removed, burst.there, burst.at), (100, 100, house.now()));
    // The next week it is usual.
    house.later(7 * DAY);
    house.arrive("Lists/devel", 120);
    house.expunge(phone, "Lists/devel", 120);
    assert_eq!(house.account.bursts().unwrap()[&phone], burst);
}

/// What is held is still there.
#[test]
fn replacing_what_is_held_took_an_account_beyond_its_quota() {
    let house = House::new();
    let phone = house.imap("phone");
    house.arrive("Notes", 1);
    house.arrive("INBOX", ALL);
    house.expunge(phone, "INBOX", ALL);
    let used = house.account.usage().unwrap().bytes;
    house.account.set_quota(house.owner(), store::Quota::of_bytes(used)).unwrap();
    let (actor, notes) = (house.actor(phone, Protocol::Imap), house.mailbox("Notes"));
    let message = NewMessage { body: b"x".to_vec(), flags: Flags::default(), internal_date: house.now() };
    let replaced = house.account.replace(actor, (notes, house.oldest("Notes", 1)[0]), notes, message);
    assert!(matches!(replaced, Err(Error::OverQuota { .. })), "{replaced:?}");
    assert_eq!((house.count("Notes"), house.count("Held"), house.open().len()), (1, ALL, 1));
}
