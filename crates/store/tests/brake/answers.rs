//! What is held goes back, or goes, as its owner says.

use crate::house::{DAY, HOUR, House};
use store::hold::{Answer, HoldReport, ThenDevice};
use store::removal::RemovalPolicy;
use store::{
    Actor, DeviceId, EmailId, Error, FlagChange, FlagMode, Flags, HoldId, LanguageTag, MessageChange, NewMessage,
    Protocol, Role, StoreOptions, SystemFlag, Target, Uid, UndoRequest, UndoWhat,
};

const KEEP: Answer = Answer::Keep(ThenDevice::Stays);

fn answer(house: &House, answer: Answer) -> HoldReport {
    let hold = house.open()[0].id;
    let report = house.account.answer_hold(house.owner(), hold, answer).unwrap();
    assert_eq!(house.account.held(hold).unwrap(), []);
    report
}

/// A phone has expunged ten messages from INBOX, two of them with a keyword and a flag.
fn expunged() -> (House, DeviceId, Vec<EmailId>) {
    let house = House::holding_more_than(5);
    let phone = house.imap("phone");
    house.arrive("INBOX", 10);
    let emails = house.emails("INBOX");
    let label = Flags { keywords: vec!["$Label1".into()], ..Flags::system(&[SystemFlag::Flagged]) };
    house.flag(phone, "INBOX", vec![Uid(3), Uid(4)], label);
    house.expunge(phone, "INBOX", 10);
    (house, phone, emails)
}

fn flags(house: &House, mailbox: &str) -> Vec<String> {
    let view = house.account.view(house.mailbox(mailbox)).unwrap();
    let flags = view.index().iter().map(|entry| view.mailbox().keywords.flags(entry.flags));
    flags.map(|flags| format!("{} {:?}", flags.system.0, flags.keywords)).collect()
}

#[test]
fn what_is_held_lies_where_all_find_it_and_nothing_else_changes_it() {
    let (house, phone, emails) = expunged();
    assert_eq!(house.emails("Held"), emails);
    assert_eq!(house.count("INBOX"), 1, "the message of the server");
    let (held, inbox) = (house.mailbox("Held"), house.mailbox("INBOX"));
    let mailboxes = house.account.mailboxes().unwrap();
    let mailbox = mailboxes.by_name("Held").unwrap();
    assert_eq!((mailbox.role, mailbox.subscribed, mailbox.counts.deleted), (Some(Role::Held), true, 0));
    let actor = house.actor(phone, Protocol::Imap);
    let message = NewMessage { body: vec![b'x'], flags: Flags::default(), internal_date: house.now() };
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    let account = &house.account;
    for refused in [
        account.change_flags(actor, held, vec![Uid(1)], change).map(drop),
        account.append(actor, Target::Mailbox(held), message).map(drop),
        account.move_messages(actor, held, vec![Uid(1)], inbox).map(drop),
        account.copy(actor, inbox, vec![Uid(11)], held).map(drop),
        account.delete_mailbox(actor, "Held"),
        account.rename_mailbox(actor, "Held", "Mine"),
        account.create_mailbox(actor, "Mine", Some(Role::Held)).map(drop),
    ] {
        assert!(matches!(refused, Err(Error::NotAllowed(_))), "{refused:?}");
    }
    account.copy(actor, held, vec![Uid(1)], inbox).unwrap();
    house.open();
}

#[test]
fn kept_messages_go_back_as_they_were() {
    let (house, phone, emails) = expunged();
    house.arrive("INBOX", 1);
    house.later(100 * DAY);
    house.account.purge(house.now()).unwrap();
    assert_eq!(house.open().len(), 1, "what waits for an answer never leaves retention");
    assert_eq!(answer(&house, KEEP), HoldReport { kept: 10, removed: 0 });
    assert_eq!(house.emails("INBOX")[2..], emails);
    let flags = flags(&house, "INBOX");
    assert_eq!((flags[2].as_str(), flags[4].as_str(), &flags[4]), ("0 []", "4 [\"$Label1\"]", &flags[5]));
    assert_eq!((house.count("Held"), house.open()), (0, vec![]));
    assert!(house.account.mailboxes().unwrap().by_name("Held").is_some(), "who has seen it finds it again");
    // The next day of the device is an ordinary one.
    house.expunge(phone, "INBOX", 2);
    assert_eq!(house.open(), []);
    let story: Vec<MessageChange> =
        house.account.message_history(emails[5]).unwrap().into_iter().map(|event| event.what).collect();
    let (held, inbox) = (house.mailbox("Held"), house.mailbox("INBOX"));
    assert_eq!(story, [MessageChange::Moved { from: held, to: inbox }], "the rest has left retention");
}

#[test]
fn allowed_removals_are_the_devices_own_and_can_be_undone() {
    let (house, phone, emails) = expunged();
    house.later(HOUR);
    assert_eq!(answer(&house, Answer::Allow), HoldReport { kept: 0, removed: 10 });
    assert_eq!((house.count("INBOX"), house.count("Held")), (1, 0));
    assert_eq!(house.account.retained_by_device().unwrap()[&phone].messages, 10);
    let what = UndoWhat::Device { device: phone, since: house.now() };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    assert_eq!(house.account.undo(house.owner(), request).unwrap().restored, 10);
    assert_eq!(house.emails("INBOX")[1..], emails);
    // Its owner has let it remove ten: ten are nothing new any more.
    house.later(2 * DAY);
    house.expunge(phone, "INBOX", 10);
    assert_eq!(house.open(), []);
}

#[test]
fn an_undo_of_the_device_is_an_answer_too() {
    let (house, phone, emails) = expunged();
    let since = store::Timestamp(0);
    let undo = |what| {
        let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
        house.account.undo(house.owner(), request).unwrap()
    };
    let report = undo(UndoWhat::Device { device: phone, since });
    assert_eq!((report.moved, house.open()), (10, vec![]));
    assert_eq!(house.emails("INBOX")[1..], emails);
    assert_eq!(house.account.holds().unwrap()[0].answer.map(|answer| answer.kept), Some(true));
    undo(UndoWhat::Undo(report.entry.unwrap()));
    assert_eq!((house.count("Held"), house.open()), (0, vec![]), "nothing comes there but through the brake");
}

#[test]
fn an_answer_is_given_once() {
    let (house, _, _) = expunged();
    let hold = house.open()[0].id;
    assert_eq!(answer(&house, KEEP).kept, 10);
    let again = |answer| house.account.answer_hold(house.owner(), hold, answer);
    assert_eq!(again(KEEP), Ok(HoldReport::default()));
    assert!(matches!(again(Answer::Allow), Err(Error::NotAllowed(text)) if text.contains("otherwise")));
    let unknown = house.account.answer_hold(house.owner(), HoldId(9), KEEP);
    assert!(matches!(unknown, Err(Error::NotAllowed(text)) if text.contains("no hold")));
    assert_eq!(house.account.holds().unwrap().len(), 1);
    house.later(DAY);
    house.account.purge(house.now()).unwrap();
    assert_eq!(house.account.holds().unwrap(), [], "answered ones leave retention");
}

#[test]
fn more_of_the_same_joins_the_hold_and_the_next_day_is_new() {
    let (house, phone, _) = expunged();
    house.arrive("INBOX", 5);
    house.later(HOUR);
    house.expunge(phone, "INBOX", 1);
    assert_eq!((house.open()[0].messages, house.letters().len()), (11, 0), "the message was what it removed");
    house.later(DAY);
    house.expunge(phone, "INBOX", 2);
    assert_eq!(house.open()[0].messages, 11);
    assert_eq!(house.account.retained().unwrap().messages, 2);
    assert_eq!(answer(&house, KEEP).kept, 11);
}

#[test]
fn messages_of_a_mailbox_that_is_gone_make_it_again() {
    let house = House::holding_more_than(5);
    let phone = house.imap("phone");
    house.arrive("Work/2026", 8);
    let emails = house.emails("Work/2026");
    house.account.delete_mailbox(house.actor(phone, Protocol::Imap), "Work/2026").unwrap();
    house.account.delete_mailbox(house.actor(phone, Protocol::Imap), "Work").unwrap();
    assert_eq!(answer(&house, KEEP).kept, 8);
    assert_eq!(house.emails("Work/2026"), emails);
}

#[test]
fn the_owner_may_restrain_the_device_with_the_same_click() {
    let (house, phone, _) = expunged();
    answer(&house, Answer::Keep(ThenDevice::IsRevoked));
    assert!(house.account.devices().unwrap()[&phone].revoked_at.is_some());
    let house = House::holding_more_than(5);
    let (_tablet, pc) = (house.imap("tablet"), house.pop("PC", RemovalPolicy::Expunge));
    house.arrive("INBOX", 8);
    house.collect(pc, true);
    answer(&house, Answer::Keep(ThenDevice::Keeps));
    assert_eq!(house.account.devices().unwrap()[&pc].pop.removal, RemovalPolicy::Keep);
}

#[test]
fn what_is_held_over_pop_stays_where_it_was() {
    for policy in
        [RemovalPolicy::Expunge, RemovalPolicy::ExpungeAfterDays(1), RemovalPolicy::ExpungeWhenAllPopDevicesHaveIt]
    {
        for (said, left) in [(KEEP, 8), (Answer::Allow, 1)] {
            let house = House::holding_more_than(5);
            let (tablet, pc) = (house.imap("tablet"), house.pop("PC", policy));
            house.arrive("INBOX", 8);
            assert_eq!(house.collect(pc, true).kept, 8);
            let uids: Vec<Uid> = house.oldest("INBOX", 99);
            assert_eq!(uids.len(), 9);
            let due = || house.account.remove_due(store::Timestamp(house.now().0 + 2 * DAY)).unwrap();
            assert_eq!(due(), 0, "{policy}");
            // The others may do what they want meanwhile.
            house.shift(tablet, "INBOX", "Archive", 1);
            answer(&house, said);
            due();
            assert_eq!(house.count("INBOX"), left, "{policy} {said:?}");
            assert_eq!(house.count("Archive"), 1, "what somebody filed stays");
            assert_eq!(house.listed(pc).len(), 1, "and the device does not list it again");
        }
    }
}

#[test]
fn other_pop_devices_go_on_listing_what_is_held() {
    let house = House::holding_more_than(5);
    let (phone, pc) = (house.imap("phone"), house.pop("PC", RemovalPolicy::Keep));
    house.arrive("INBOX", 10);
    let emails = house.emails("INBOX");
    let expected = |mut all: Vec<EmailId>| {
        all.sort_unstable();
        all
    };
    let all_but_letter = || expected(house.listed(pc).into_iter().filter(|email| emails.contains(email)).collect());
    house.expunge(phone, "INBOX", 10);
    assert_eq!(all_but_letter(), emails);
    assert_eq!(house.listed(phone).len(), 1, "not the device that wanted to remove it");
    // What it deletes leaves its own list, and nothing else.
    house.account.set_pop_settings(house.owner(), pc, RemovalPolicy::Expunge.into()).unwrap();
    house.collect(pc, true);
    assert_eq!((house.count("Held"), house.listed(pc).len()), (10, 0));
    assert_eq!(answer(&house, KEEP).kept, 10);
    assert_eq!(house.listed(pc), []);
}

#[test]
fn the_owner_is_asked_in_the_language_that_they_have_chosen() {
    let house = House::holding_more_than(5);
    let phone = house.imap("phone");
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: house.now() };
    house.account.change_settings(actor, |settings| settings.language = LanguageTag::new("ja")).unwrap();
    house.arrive("INBOX", 10);
    house.expunge(phone, "INBOX", 10);
    let letters = house.letters();
    assert!(letters.len() == 1 && letters[0].ends_with(" in ja\r\n"), "{letters:?}");
}

#[test]
fn a_mailbox_of_that_name_stays_its_owners() {
    let house = House::holding_more_than(5);
    let phone = house.imap("phone");
    house.arrive("Held", 1);
    house.arrive("INBOX", 10);
    house.expunge(phone, "INBOX", 10);
    assert_eq!((house.count("Held"), house.count("Held (2)")), (1, 10));
    assert!(house.letters()[0].contains("\"Held (2)\""));
}

#[test]
fn more_keywords_than_there_is_room_for_come_back_all_the_same() {
    let house = House::holding_more_than(5);
    let phone = house.imap("phone");
    for mailbox in ["A", "B"] {
        house.arrive(mailbox, 40);
        for (number, uid) in (1..=40).map(Uid).enumerate() {
            let keywords = vec![format!("{mailbox}{number}")];
            house.flag(phone, mailbox, vec![uid], Flags { keywords, ..Flags::default() });
        }
    }
    let before = [flags(&house, "A"), flags(&house, "B")];
    house.expunge(phone, "A", 40);
    house.expunge(phone, "B", 40);
    assert_eq!(answer(&house, KEEP).kept, 80);
    assert_eq!([flags(&house, "A"), flags(&house, "B")], before);
}

#[test]
fn the_default_of_the_account_is_that_of_new_devices() {
    let house = House::with(StoreOptions { brake_messages_min: 5, ..StoreOptions::default() });
    assert!(house.account.settings().unwrap().brake);
    house.account.change_settings(house.owner(), |settings| settings.brake = false).unwrap();
    let phone = house.imap("phone");
    house.arrive("INBOX", 10);
    house.expunge(phone, "INBOX", 10);
    assert_eq!(house.open(), []);
    house.account.set_brake(house.owner(), phone, true).unwrap();
    house.later(DAY);
    house.arrive("INBOX", 31);
    house.expunge(phone, "INBOX", 31);
    assert_eq!(house.open()[0].messages, 31, "more than three times what it ever did");
    let server = Actor { device: DeviceId(0), ..house.owner() };
    assert_eq!(house.account.set_brake(server, DeviceId(9), true), Err(Error::NoSuchDevice));
}
