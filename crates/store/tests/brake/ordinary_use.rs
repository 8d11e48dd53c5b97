//! Heavy use, as people and their programs do it, without a false alarm.

use crate::house::{DAY, HOUR, House};
use store::removal::RemovalPolicy;
use store::{DeviceId, Flags, SystemFlag};

/// Thirty days of mail, and what is done with it each day.
fn month(house: &House, arrive: usize, mut each_day: impl FnMut(&House, usize)) {
    for day in 0..30 {
        house.arrive("INBOX", arrive);
        each_day(house, day);
        house.later(DAY);
    }
}

fn reads_and_deletes_on_the_phone(house: &House) {
    let phone = house.imap("phone");
    house.arrive("INBOX", 100);
    month(house, 60, |house, day| {
        house.shift(phone, "INBOX", "Trash", 45);
        if day % 7 == 6 {
            let count = house.count("Trash");
            house.expunge(phone, "Trash", count);
        }
    });
}

fn expunges_the_same_each_day(house: &House) {
    let mbsync = house.imap("mbsync");
    house.arrive("INBOX", 2_000);
    month(house, 150, |house, _| house.expunge(mbsync, "INBOX", 150));
}

fn empties_inbox_every_evening(house: &House) {
    let laptop = house.imap("laptop");
    month(house, 120, |house, _| house.expunge(laptop, "INBOX", usize::MAX));
}

fn cleans_up_after_a_holiday(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("Archive", 500);
    month(house, 60, |house, _| house.expunge(laptop, "INBOX", 50));
    month(house, 40, |_, _| ());
    house.expunge(laptop, "INBOX", 1_400);
}

fn a_busy_desk_of_two(house: &House) {
    let (one, two) = (house.imap("one"), house.imap("two"));
    house.arrive("Archive", 4_000);
    house.arrive("INBOX", 1_500);
    for _ in 0..10 {
        house.arrive("INBOX", 600);
        house.expunge(one, "INBOX", 350);
        house.later(2 * HOUR);
        house.expunge(two, "INBOX", 250);
        house.later(22 * HOUR);
    }
}

fn archives_everything_with_move(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("INBOX", 3_000);
    house.shift(laptop, "INBOX", "Archive", 3_000);
}

fn archives_everything_with_copy_and_expunge(house: &House) {
    let outlook = house.imap("Outlook");
    house.arrive("INBOX", 1_500);
    for _ in 0..3 {
        house.copy(outlook, "INBOX", "Archive", 500);
        house.expunge(outlook, "INBOX", 500);
    }
    house.arrive("INBOX", 10);
    house.expunge(outlook, "INBOX", 5);
}

fn cleans_up_a_mailing_list(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("Lists/devel", 1_000);
    house.arrive("Archive", 2_500);
    house.arrive("INBOX", 600);
    house.expunge(laptop, "Lists/devel", 900);
}

fn deletes_an_old_mailbox(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("Old", 700);
    house.arrive("Archive", 2_500);
    house.account.delete_mailbox(house.actor(laptop, store::Protocol::Imap), "Old").unwrap();
}

fn empties_a_full_trash_and_junk(house: &House) {
    let (phone, laptop) = (house.imap("phone"), house.imap("laptop"));
    house.arrive("INBOX", 900);
    house.arrive("Junk", 2_000);
    house.shift(phone, "INBOX", "Trash", 800);
    house.expunge(laptop, "Trash", usize::MAX);
    house.expunge(laptop, "Junk", usize::MAX);
    house.arrive("INBOX", 800);
    house.shift(phone, "INBOX", "Trash", 800);
    house.later(DAY);
    house.expunge(phone, "Trash", usize::MAX);
}

fn the_only_device_collects_a_month_over_pop(house: &House) {
    let pc = house.pop("PC", RemovalPolicy::KeepWhenShared);
    house.arrive("INBOX", 2_000);
    assert_eq!(house.collect(pc, true).expunged, 2_000, "delete means delete");
    month(house, 30, |_, _| ());
    assert_eq!(house.collect(pc, true).expunged, 900);
}

fn a_pop_device_next_to_others_keeps(house: &House) {
    let (pc, _phone) = (house.pop("PC", RemovalPolicy::KeepWhenShared), house.imap("phone"));
    house.arrive("INBOX", 2_000);
    assert_eq!(house.collect(pc, true).kept, 2_000);
}

fn a_pop_device_that_clears_comes_back_after_a_holiday(house: &House) {
    let (pc, _phone) = (house.pop("PC", RemovalPolicy::Expunge), house.imap("phone"));
    house.arrive("Archive", 300);
    month(house, 50, |house, _| assert_eq!(house.collect(pc, true).expunged, 50));
    month(house, 40, |_, _| ());
    assert_eq!(house.collect(pc, true).expunged, 1_200);
}

fn a_small_account_is_cleared(house: &House) {
    let phone = house.imap("phone");
    house.arrive("INBOX", 300);
    house.expunge(phone, "INBOX", 300);
}

fn a_draft_is_saved_again_and_again(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("INBOX", 50);
    for _ in 0..250 {
        house.arrive("Drafts", 1);
        house.expunge(laptop, "Drafts", 1);
        house.later(60 * 1000);
    }
}

fn everything_is_marked_as_read(house: &House) {
    let phone = house.imap("phone");
    house.arrive("INBOX", 2_000);
    house.flag(phone, "INBOX", house.oldest("INBOX", 2_000), Flags::system(&[SystemFlag::Seen]));
}

fn the_owner_clears_the_account_himself(house: &House) {
    house.arrive("INBOX", 500);
    house.expunge(DeviceId(0), "INBOX", 500);
}

fn a_device_that_is_meant_to_clear(house: &House) {
    let cleaner = house.imap("cleaner");
    house.account.set_brake(house.owner(), cleaner, false).unwrap();
    house.arrive("INBOX", 500);
    house.expunge(cleaner, "INBOX", 500);
}

#[test]
fn nothing_is_held_of_ordinary_use() {
    type Story = fn(&House);
    let table: [(&str, Story); 18] = [
        ("reads and deletes on the phone", reads_and_deletes_on_the_phone),
        ("expunges the same each day", expunges_the_same_each_day),
        ("empties INBOX every evening", empties_inbox_every_evening),
        ("cleans up after a holiday", cleans_up_after_a_holiday),
        ("a busy desk of two", a_busy_desk_of_two),
        ("archives everything with MOVE", archives_everything_with_move),
        ("archives everything with COPY and EXPUNGE", archives_everything_with_copy_and_expunge),
        ("cleans up a mailing list", cleans_up_a_mailing_list),
        ("deletes an old mailbox", deletes_an_old_mailbox),
        ("empties a full Trash and Junk", empties_a_full_trash_and_junk),
        ("the only device collects a month over POP", the_only_device_collects_a_month_over_pop),
        ("a POP device next to others keeps", a_pop_device_next_to_others_keeps),
        ("a POP device that clears comes back", a_pop_device_that_clears_comes_back_after_a_holiday),
        ("a small account is cleared", a_small_account_is_cleared),
        ("a draft is saved again and again", a_draft_is_saved_again_and_again),
        ("everything is marked as read", everything_is_marked_as_read),
        ("the owner clears the account himself", the_owner_clears_the_account_himself),
        ("a device that is meant to clear", a_device_that_is_meant_to_clear),
    ];
    for (what, story) in table {
        let house = House::new();
        story(&house);
        assert_eq!(house.open(), [], "{what}");
        assert!(house.account.mailboxes().unwrap().by_name("Held").is_none(), "{what}");
    }
}
