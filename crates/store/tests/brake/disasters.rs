//! What must be held, and that it costs nobody a message.

use crate::house::{DAY, House};
use store::removal::RemovalPolicy;
use store::{DeviceId, Protocol};

const MANY: usize = 1_200;

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
    house.arrive("INBOX", MANY + 300);
    (0..(MANY + 300) / 100).for_each(|_| house.expunge(mbsync, "INBOX", 100));
    mbsync
}

fn a_stolen_phone_deletes_all_and_empties_the_trash(house: &House) -> DeviceId {
    let phone = house.imap("phone");
    house.arrive("Archive", 500);
    house.arrive("INBOX", MANY);
    house.shift(phone, "INBOX", "Trash", MANY);
    house.expunge(phone, "Trash", MANY);
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
    let table: [(&str, Story, usize); 9] = [
        ("Outlook deletes from the server", outlook_deletes_from_the_server, 0),
        ("Outlook would delete after a week", outlook_would_delete_after_a_week, 0),
        ("Outlook would delete once all have it", outlook_would_delete_once_all_have_it, 0),
        ("the only device deletes what it never had", the_only_device_deletes_what_it_never_downloaded, 0),
        ("mbsync expunges everything", mbsync_expunges_everything, 0),
        ("mbsync expunges everything in pieces", mbsync_expunges_everything_in_pieces, 300),
        ("a stolen phone empties the Trash", a_stolen_phone_deletes_all_and_empties_the_trash, 0),
        ("a stolen phone deletes a mailbox", a_stolen_phone_deletes_a_mailbox, 0),
        ("an old device goes mad", an_old_device_goes_mad, 20 * 40),
    ];
    for (what, story, gone) in table {
        let house = House::new();
        let device = story(&house);
        let holds = house.open();
        assert_eq!(holds.len(), 1, "{what}");
        assert_eq!((holds[0].device, holds[0].messages), (device, MANY as u64), "{what}");
        assert_eq!(house.account.retained().unwrap().messages, gone as u64, "{what}: only what was let pass");
        let letters = house.letters();
        assert_eq!(letters.len(), 1, "{what}: asked once");
        assert!(letters[0].contains(&house.account.devices().unwrap()[&device].name), "{what}: {}", letters[0]);
    }
}
