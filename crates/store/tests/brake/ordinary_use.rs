//! Heavy use, as people and their programs do it, and how often their owner is asked. Once is the first time that a device
//! empties what is not to be lost; never is what everybody does.

use crate::house::{DAY, HOUR, House};
use store::removal::RemovalPolicy;
use store::{DeviceId, Flags, SystemFlag};

/// Thirty days of mail, and what is done with it each day.
fn month(house: &House, arrive: usize, mut each_day: impl FnMut(&House, usize)) {
    for day in 0..30 {
        house.arrive("INBOX", arrive);
        each_day(house, day);
        house.allow();
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
    house.arrive("INBOX", 100);
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
    // It is asked about on the first day, and fetches the question on the second.
    let expunged = |day| if day < 2 { [0, 51][day] } else { 50 };
    month(house, 50, |house, day| assert_eq!(house.collect(pc, true).expunged, expunged(day)));
    month(house, 40, |_, _| ());
    assert_eq!(house.collect(pc, true).expunged, 1_200);
}

fn a_small_account_is_cleared(house: &House) {
    let phone = house.imap("phone");
    for messages in [5, 12, 30] {
        house.arrive("INBOX", messages);
        house.expunge(phone, "INBOX", messages);
        house.later(DAY);
    }
}

fn archive_zero_every_evening(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("Archive", 800);
    month(house, 60, |house, _| {
        house.shift(laptop, "INBOX", "Archive", usize::MAX);
        // And now and then something old goes.
        house.expunge(laptop, "Archive", 20);
    });
}

fn an_old_client_archives_with_copy_every_evening(house: &House) {
    let outlook = house.imap("Outlook");
    house.arrive("Archive", 800);
    month(house, 60, |house, _| {
        house.copy(outlook, "INBOX", "Archive", 60);
        house.expunge(outlook, "INBOX", 60);
    });
}

fn cleans_up_a_folder_once_a_month(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("INBOX", 2_500);
    for _ in 0..12 {
        house.arrive("Newsletters", 110);
        house.expunge(laptop, "Newsletters", 100);
        house.later(30 * DAY);
    }
}

fn empties_mailing_lists_every_week(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("Archive", 3_000);
    for _ in 0..8 {
        for list in ["Lists/devel", "Lists/users", "Lists/commits"] {
            house.arrive(list, 70);
            house.expunge(laptop, list, 70);
        }
        house.later(7 * DAY);
    }
}

fn empties_a_large_mailing_list_every_week(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("INBOX", 500);
    for _ in 0..8 {
        house.arrive("Lists/devel", 200);
        house.expunge(laptop, "Lists/devel", 200);
        house.allow();
        house.later(7 * DAY);
    }
}

fn cleans_newsletters_out_of_a_large_inbox(house: &House) {
    let phone = house.imap("phone");
    house.arrive("INBOX", 3_000);
    (0..4).for_each(|_| house.expunge(phone, "INBOX", 25));
}

fn mbsync_moves_what_was_filed_on_its_disk(house: &House) {
    let mbsync = house.imap("mbsync");
    house.arrive("INBOX", 252);
    house.upload(mbsync, "Archive", 252, Some("INBOX"));
    house.expunge(mbsync, "INBOX", 252);
}

fn mbsync_moves_what_was_filed_on_its_disk_in_pieces(house: &House) {
    let mbsync = house.imap("mbsync");
    house.arrive("INBOX", 252);
    for _ in 0..12 {
        house.upload(mbsync, "Archive", 21, Some("INBOX"));
        house.expunge(mbsync, "INBOX", 21);
    }
}

fn the_filters_of_a_client_clear_the_inbox(house: &House) {
    let laptop = house.imap("laptop");
    month(house, 0, |house, _| {
        for _ in 0..10 {
            house.arrive("INBOX", 10);
            house.shift(laptop, "INBOX", "Lists/devel", 4);
            house.shift(laptop, "INBOX", "Receipts", 2);
            house.expunge(laptop, "INBOX", 4);
            house.later(HOUR);
        }
    });
}

fn a_migration_tries_out_uploads_and_takes_them_back(house: &House) {
    let imapsync = house.imap("imapsync");
    house.upload(imapsync, "Test", 200, None);
    house.account.delete_mailbox(house.actor(imapsync, store::Protocol::Imap), "Test").unwrap();
    house.upload(imapsync, "INBOX", 100, None);
    house.expunge(imapsync, "INBOX", 100);
}

fn a_draft_is_saved_again_and_again(house: &House) {
    let laptop = house.imap("laptop");
    house.arrive("INBOX", 50);
    for _ in 0..250 {
        house.upload(laptop, "Drafts", 1, None);
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
fn ordinary_use_is_asked_about_as_often_as_the_table_says() {
    type Story = fn(&House);
    let table: [(&str, Story, usize); 28] = [
        ("reads and deletes on the phone", reads_and_deletes_on_the_phone, 0),
        ("expunges the same each day", expunges_the_same_each_day, 0),
        ("empties INBOX every evening", empties_inbox_every_evening, 1),
        ("cleans up after a holiday", cleans_up_after_a_holiday, 0),
        ("a busy desk of two", a_busy_desk_of_two, 0),
        ("archives everything with MOVE", archives_everything_with_move, 0),
        ("archives everything with COPY and EXPUNGE", archives_everything_with_copy_and_expunge, 0),
        ("archive zero every evening", archive_zero_every_evening, 0),
        ("archive zero of an old client", an_old_client_archives_with_copy_every_evening, 0),
        ("cleans up a folder once a month", cleans_up_a_folder_once_a_month, 0),
        ("empties mailing lists every week", empties_mailing_lists_every_week, 0),
        ("empties a large mailing list every week", empties_a_large_mailing_list_every_week, 1),
        ("cleans up a mailing list of years", cleans_up_a_mailing_list, 1),
        ("cleans newsletters out of a large INBOX", cleans_newsletters_out_of_a_large_inbox, 0),
        ("mbsync moves between folders", mbsync_moves_what_was_filed_on_its_disk, 0),
        ("mbsync moves between folders in pieces", mbsync_moves_what_was_filed_on_its_disk_in_pieces, 0),
        ("the filters of a client clear INBOX", the_filters_of_a_client_clear_the_inbox, 0),
        ("a migration tries out uploads", a_migration_tries_out_uploads_and_takes_them_back, 0),
        ("deletes an old mailbox", deletes_an_old_mailbox, 1),
        ("empties a full Trash and Junk", empties_a_full_trash_and_junk, 0),
        ("the only device collects a month over POP", the_only_device_collects_a_month_over_pop, 0),
        ("a POP device next to others keeps", a_pop_device_next_to_others_keeps, 0),
        ("a POP device that clears comes back", a_pop_device_that_clears_comes_back_after_a_holiday, 1),
        ("a small account is cleared", a_small_account_is_cleared, 0),
        ("a draft is saved again and again", a_draft_is_saved_again_and_again, 0),
        ("everything is marked as read", everything_is_marked_as_read, 0),
        ("the owner clears the account himself", the_owner_clears_the_account_himself, 0),
        ("a device that is meant to clear", a_device_that_is_meant_to_clear, 0),
    ];
    let asked = table.map(|(what, story, _)| {
        let house = House::new();
        story(&house);
        (what, house.allow())
    });
    assert_eq!(asked, table.map(|(what, _, expected)| (what, expected)));
}
