//! The console of an account on the simulated engine.

use crate::{
    AccountConsole, ClearAsk, Error, FindAsk, FoundMessage, HeldAnswer, HeldAsk, HeldMailbox, HeldThen, Light,
    TimelineAsk, UndoAsk, parse_moment,
};
use std::sync::Arc;
use store::device::{Credential, LastLogin};
use store::removal::RemovalPolicy;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Expunge, FlagChange, FlagMode, Flags, MaildropOptions, NewMessage,
    Protocol, Store, StoreOptions, SystemFlag, Target, Timestamp,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const OWNER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: Timestamp(NOW.0 + 60_000) };

struct World {
    _store: Store,
    account: Account,
    console: AccountConsole,
}

impl World {
    fn new() -> Self {
        Self::holding_more_than(300)
    }

    fn holding_more_than(brake_messages_min: u64) -> Self {
        Self::on(SimEngine::new(), brake_messages_min)
    }

    fn on(engine: SimEngine, brake_messages_min: u64) -> Self {
        let asks_owner = Some(Arc::new(letterhead()) as _);
        let options = StoreOptions { brake_messages_min, asks_owner, ..StoreOptions::default() };
        let store = Store::with_options(Arc::new(engine), Arc::new(SimObjects::new()), options);
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let console = AccountConsole::new(account.clone(), OWNER);
        Self { _store: store, account, console }
    }

    fn device(&self, name: &str, protocol: Protocol, policy: RemovalPolicy) -> Actor {
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = self.account.add_device(OWNER, name, credential, Some(policy.into())).unwrap();
        let address = "192.0.2.7".to_owned();
        let login = LastLogin { at: NOW, protocol, address, tls: Some("TLSv1.3".to_owned()), program: None };
        self.account.note_login(device, login).unwrap();
        Actor { device, protocol, now: NOW }
    }

    fn deliver(&self, header: &str) -> EmailId {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: NOW };
        let body = format!("{header}\r\n\r\nx\r\n").into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        self.account.append(actor, Target::Inbox, message).unwrap().email
    }

    /// Takes and deletes everything.
    fn fetch(&self, actor: Actor) {
        let maildrop = self.account.open_maildrop(actor.device, &MaildropOptions::default(), NOW).unwrap();
        let all: Vec<EmailId> = maildrop.messages().iter().map(|message| message.email).collect();
        self.account.close_maildrop(actor, &maildrop, all.clone(), all).unwrap();
    }

    fn texts(&self, ask: &TimelineAsk) -> Vec<String> {
        let timeline = self.console.timeline(ask).unwrap();
        timeline.lines.into_iter().map(|line| format!("{}: {}", line.device, line.text)).collect()
    }
}

fn all() -> TimelineAsk {
    TimelineAsk { limit: 100, ..TimelineAsk::default() }
}

#[test]
fn a_card_tells_what_a_device_did_and_whether_mail_is_safe_from_it() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::KeepWhenShared);
    let card = world.console.device_card(pc.device).unwrap();
    assert_eq!((card.light, card.policy.as_str()), (Light::Green, "keep-when-shared"));
    assert!(card.policy_text.contains("only device"), "{}", card.policy_text);
    let other = world.device("laptop", Protocol::Pop3, RemovalPolicy::Expunge);
    (0..3).for_each(|_| drop(world.deliver("Subject: x").text()));
    world.fetch(pc);
    let card = world.console.device_card(pc.device).unwrap();
    assert_eq!(card.lately, ["downloaded 3 messages", "deleted 3 messages here only; still in your mailbox"]);
    assert_eq!((card.light, card.restorable, card.tls.as_deref()), (Light::Green, 0, Some("TLSv1.3")));
    assert!(card.policy_text.contains("keeps it for your other devices") && card.advice.len() == 1);
    world.fetch(other);
    let card = world.console.device_card(other.device).unwrap();
    assert_eq!(card.lately, ["downloaded 3 messages", "removed 3 messages from your mailbox"]);
    assert_eq!((card.light, card.restorable), (Light::Red, 3));
    for (policy, light) in [(RemovalPolicy::Keep, Light::Green), (RemovalPolicy::Trash, Light::Amber)] {
        world.account.set_pop_settings(OWNER, other.device, policy.into()).unwrap();
        assert_eq!(world.console.device_card(other.device).unwrap().light, light, "{policy}");
    }
    assert_eq!(world.console.devices(false).unwrap().len(), 2);
}

#[test]
fn what_the_only_pop_device_took_is_offered_once_another_device_is_there() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::KeepWhenShared);
    (0..2).for_each(|_| drop(world.deliver("Subject: x").text()));
    world.fetch(pc);
    assert_eq!(world.console.offers().unwrap(), []);
    let phone = world.device("phone", Protocol::Imap, RemovalPolicy::KeepWhenShared);
    let offers = world.console.offers().unwrap();
    assert_eq!((offers.len(), offers[0].device.as_str(), offers[0].messages), (1, "old PC", 2));
    assert_eq!(world.console.put_back(pc.device, true).unwrap().restored, 2);
    assert_eq!(world.console.put_back(pc.device, false).unwrap().restored, 2);
    assert_eq!(world.console.offers().unwrap(), [], "it is put back");
    assert_eq!(world.console.put_back(pc.device, false).unwrap().entry, None);
    world.account.revoke_device(OWNER, phone.device).unwrap();
    world.deliver("Subject: later");
    world.account.set_pop_settings(OWNER, pc.device, RemovalPolicy::Expunge.into()).unwrap();
    world.fetch(pc);
    world.device("tablet", Protocol::Imap, RemovalPolicy::KeepWhenShared);
    assert_eq!(world.console.offers().unwrap(), [], "it is to delete for all");
    world.account.set_pop_settings(OWNER, pc.device, RemovalPolicy::KeepWhenShared.into()).unwrap();
    assert_eq!(world.console.offers().unwrap().len(), 1);
    world.console.decline_offer(pc.device).unwrap();
    assert_eq!(world.console.offers().unwrap(), [], "it was declined");
}

/// A scanner, or msmtp, must not make the mailbox keep all mail for ever; and when it reads after all, the owner is asked
/// whether what was deleted beside it comes back.
#[test]
fn a_password_that_only_sends_is_no_device_that_reads() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::KeepWhenShared);
    let scanner = world.device("scanner", Protocol::Submission, RemovalPolicy::KeepWhenShared);
    world.deliver("Subject: one");
    world.fetch(pc);
    let card = world.console.device_card(pc.device).unwrap();
    assert_eq!((card.restorable, world.console.offers().unwrap().len()), (1, 0), "{}", card.policy_text);
    assert!(card.policy_text.contains("only device"), "{}", card.policy_text);
    // It was a phone, which had only sent a trial message so far.
    let login = LastLogin { at: NOW, protocol: Protocol::Imap, address: "::1".into(), tls: None, program: None };
    world.account.note_login(scanner.device, login).unwrap();
    world.deliver("Subject: two");
    world.fetch(pc);
    assert_eq!(world.console.device_card(pc.device).unwrap().restorable, 1, "from now on the mailbox keeps it");
    let offers = world.console.offers().unwrap();
    assert_eq!((offers.len(), offers[0].messages), (1, 1), "and what went before can come back");
    // A password that was never used may belong to a phone that comes tomorrow.
    let credential = Credential::ApplicationPassword { hash: [1; 32] };
    world.account.revoke_device(OWNER, scanner.device).unwrap();
    world.account.add_device(OWNER, "phone", credential, None).unwrap();
    world.deliver("Subject: three");
    world.fetch(pc);
    assert_eq!(world.console.device_card(pc.device).unwrap().restorable, 1);
}

/// The owner is asked, on the device's card, which of the two it is.
#[test]
fn two_faces_of_the_main_password_are_a_question_to_the_owner() {
    let world = World::new();
    let visit = |program| world.account.pop_program_device(NOW, program, "192.0.2.1", true).unwrap();
    let device = visit("PASS #1 alice");
    assert_eq!(world.console.device_card(device).unwrap().perhaps_two, None);
    assert_eq!(visit("PASS #2 alice"), device);
    let card = world.console.device_card(device).unwrap();
    let text = card.perhaps_two.clone().unwrap();
    assert!(card.asks() && text.contains("or one was updated") && text.contains("2026-11-20"), "{text}");
    assert_eq!(world.console.is_one_program(device).unwrap().perhaps_two, None);
}

/// The light speaks of what a device did, not of its protocol.
#[test]
fn a_device_that_empties_a_mailbox_is_not_called_safe() {
    let world = World::holding_more_than(30);
    let phone = world.device("phone", Protocol::Imap, RemovalPolicy::KeepWhenShared);
    let card = || world.console.device_card(phone.device).unwrap();
    assert_eq!(card().light, Light::Green);
    assert!(card().light_reason.contains("removed nothing"), "{}", card().light_reason);
    let lists = world.account.create_mailbox(OWNER, "Lists", None).unwrap();
    let empty = |mailbox| {
        let flags = Flags::system(&[SystemFlag::Deleted]);
        let uids = world.account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid).collect();
        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
        world.account.change_flags(phone, mailbox, uids, change).unwrap();
        world.account.expunge(phone, mailbox, Expunge::AllDeleted).unwrap();
    };
    (0..252).for_each(|n| drop(world.deliver(&format!("Subject: {n}")).text()));
    let inbox = world.account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    empty(inbox);
    assert_eq!(card().light, Light::Red);
    let expected = "It wanted to remove 252 of 252 messages from “INBOX” on 2026-09-21 at 14:13 UTC, far more than it ever \
                    did. They are held until you answer.";
    assert_eq!(card().light_reason, expected);
    let hold = world.console.holds(false).unwrap()[0].id;
    world.console.answer_hold(HeldAsk { id: hold, answer: HeldAnswer::Keep, then: HeldThen::Stays }).unwrap();
    assert_eq!(card().light, Light::Green, "the owner has answered");
    // Of a small mailbox the owner is told, and undo is the answer.
    (0..800).for_each(|n| drop(world.deliver(&format!("Subject: {n}")).text()));
    let uids = world.account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).take(60).collect();
    world.account.move_messages(OWNER, inbox, uids, lists).unwrap();
    empty(lists);
    assert_eq!(card().light, Light::Amber);
    assert!(card().light_reason.starts_with("It removed 60 of 60 messages from “Lists” on"), "{}", card().light_reason);
    let later = AccountConsole::new(world.account.clone(), Actor { now: Timestamp(NOW.0 + 8 * 86_400_000), ..OWNER });
    assert_eq!(later.device_card(phone.device).unwrap().light, Light::Green, "not for ever");
    world.console.put_back(phone.device, false).unwrap();
    assert_eq!(card().light, Light::Green);
}

#[test]
fn the_timeline_tells_and_finds() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::Archive);
    let email = world.deliver("From: Carol <carol@example.net>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe\u{202e}?=");
    world.deliver("Subject: Other");
    world.fetch(pc);
    let texts = world.texts(&all());
    assert_eq!(texts[0], "old PC: moved 2 messages from INBOX to Archive");
    assert!(texts.contains(&"old PC: downloaded 2 messages".to_owned()), "{texts:?}");
    let found = world.console.timeline(&TimelineAsk { search: Some(" GRÜSSE".into()), ..all() }).unwrap();
    assert_eq!(found.lines.len(), 0);
    let found = world.console.timeline(&TimelineAsk { search: Some("GRÜ".into()), ..all() }).unwrap();
    assert_eq!(found.lines.len(), 4, "came, downloaded, deleted, moved");
    let named = &found.lines[0].messages[0];
    assert_eq!((named.subject.as_str(), named.from.as_str()), ("Grüße", "Carol"), "nothing steers the text");
    assert_eq!(world.texts(&TimelineAsk { search: Some("carol".into()), ..all() }).len(), 4);
    assert_eq!(world.texts(&TimelineAsk { device: Some(pc.device), ..all() }).len(), 3);
    let first = world.console.timeline(&TimelineAsk { limit: 2, ..all() }).unwrap();
    let rest = world.texts(&TimelineAsk { before: first.next, ..all() });
    assert_eq!((first.lines.len(), rest.len()), (2, texts.len() - 2));

    let story = world.console.story(&email.text()).unwrap();
    let lines: Vec<String> =
        story.lines.iter().map(|line| format!("{} over {}: {}", line.device, line.protocol, line.text)).collect();
    let expected = [
        "Pillarbox over SMTP: received in INBOX",
        "old PC over POP: downloaded",
        "old PC over POP: deleted from its own list",
        "old PC over POP: moved from INBOX to Archive",
    ];
    assert_eq!(lines, expected);
    for unknown in ["M0000000000000", "x", ""] {
        assert!(matches!(world.console.story(unknown), Err(Error::Refused(_))), "{unknown}");
    }
}

#[test]
fn the_story_of_a_bounce_tells_what_was_not_delivered_and_why() {
    let world = World::new();
    let sent = NewMessage {
        body: b"Subject: Invitation\r\nMessage-ID: <1@example.org>\r\n\r\nx\r\n".to_vec(),
        flags: Flags::default(),
        internal_date: NOW,
    };
    let sent = world.account.append(Actor { now: NOW, ..OWNER }, Target::Inbox, sent).unwrap().email;
    world.account.index_message_ids(1).unwrap();
    let report = |id: &str| {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nsorry\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
             Final-Recipient: rfc822; carol@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n\
             Diagnostic-Code: smtp; 550 5.1.1 no such\u{202e} user\r\n\r\n--b\r\n\
             Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{id}>\r\n\r\n--b--"
        )
    };
    let told = |header: &str| {
        let story = world.console.story(&world.deliver(header).text()).unwrap();
        story.lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    let reason = "could not be delivered to carol@example.net: 550 5.1.1 no such  user";
    let text = format!("says that \"Invitation\" ({}) {reason}", sent.text());
    assert_eq!(told(&report("1@example.org")), ["received in INBOX".to_owned(), text]);
    assert_eq!(told(&report("2@example.org"))[1], format!("says that a message {reason}"));
    assert_eq!(told("Subject: no report"), ["received in INBOX"]);
    // A report that says which message it answers stands in the story of that message, too.
    let answer = world.deliver(&format!("In-Reply-To: <1@example.org>\r\n{}", report("1@example.org")));
    world.deliver(&format!("In-Reply-To: <1@example.org>\r\n{}", report("3@example.org")));
    world.deliver("In-Reply-To: <1@example.org>\r\nSubject: an answer");
    let story = world.console.story(&sent.text()).unwrap();
    let texts: Vec<String> = story.lines.into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["stored in INBOX".to_owned(), format!("{reason}, says {}", answer.text())]);
}

#[test]
fn an_undo_is_asked_for_in_words() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::Trash);
    world.deliver("Subject: x");
    world.fetch(pc);
    let ask = UndoAsk { device: Some("old PC".into()), since: Some("1 hour ago".into()), ..UndoAsk::default() };
    let would = world.console.undo(&UndoAsk { dry_run: true, ..ask.clone() }, &mut |_| {}).unwrap();
    assert_eq!((would.moved, would.entry, would.dry_run), (1, None, true));
    assert_eq!(would.text, ["1 message: moved back to where they were"]);
    let done = world.console.undo(&ask, &mut |_| {}).unwrap();
    let texts = world.texts(&all());
    assert_eq!(texts[0], "Pillarbox: undid what old PC had done");
    let again = world.console.undo(&UndoAsk { entry: done.entry, ..UndoAsk::default() }, &mut |_| {}).unwrap();
    assert_eq!(again.moved, 1);
    assert_eq!(world.texts(&all())[0], "Pillarbox: undid an undo");
    for (ask, expected) in [
        (UndoAsk::default(), "say whose doings"),
        (UndoAsk { device: Some("old PC".into()), ..UndoAsk::default() }, "since when?"),
        (UndoAsk { device: Some("phone".into()), ..ask.clone() }, "no device “phone”"),
        (UndoAsk { since: Some("soon".into()), ..ask.clone() }, "no moment"),
        (UndoAsk { mailbox: Some("Nowhere".into()), ..ask.clone() }, "no mailbox “Nowhere”"),
        (UndoAsk { message: Some("x".into()), ..ask }, "“x” is no message"),
        (UndoAsk { entry: Some(1), ..UndoAsk::default() }, "no undo of that number"),
    ] {
        let refused = world.console.undo(&ask, &mut |_| {}).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn a_search_finds_one_message_among_many_that_went_at_once() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::Archive);
    for number in 0..30 {
        world.deliver(&format!("Subject: number {number}."));
    }
    world.fetch(pc);
    let found = world.console.timeline(&TimelineAsk { search: Some("number 27.".into()), ..all() }).unwrap();
    let named: Vec<(usize, &str)> =
        found.lines.iter().map(|line| (line.count, line.messages[0].subject.as_str())).collect();
    assert_eq!(named, [(30, "number 27."), (30, "number 27."), (30, "number 27."), (1, "number 27.")]);
}

#[test]
fn a_mailbox_that_fills_up_offers_to_clear_what_every_pop_device_has() {
    let world = World::new();
    let (pc, laptop) = ("old PC", "laptop");
    let [pc, laptop] = [pc, laptop].map(|name| world.device(name, Protocol::Pop3, RemovalPolicy::Keep));
    (0..3).for_each(|n| assert!(!world.deliver(&format!("Subject: {n}")).text().is_empty()));
    let size = world.account.usage().unwrap().bytes;
    let card = world.console.usage().unwrap();
    assert_eq!((card.used_bytes, card.messages, card.percent, card.is_filling), (size, 3, None, false));
    assert_eq!((card.text.as_str(), card.clearable), ("The mailbox holds 51 B.", None));
    assert!(!world.console.tell_of_filling(&letterhead()).unwrap(), "there is no quota");
    world.account.set_quota(OWNER, store::Quota::of_bytes(60)).unwrap();
    world.fetch(pc);
    assert_eq!(world.console.usage().unwrap().clearable, None, "the laptop has nothing yet");
    world.fetch(laptop);
    let card = world.console.usage().unwrap();
    assert!(card.is_filling && card.text.ends_with("(85 %)."), "{}", card.text);
    let offer = card.clearable.unwrap();
    assert_eq!((offer.messages, offer.bytes), (3, size));
    assert_eq!(offer.text, "3 messages (51 B) have been taken by every POP device of yours. Clear them?");

    let ask = ClearAsk { older_than_days: None, dry_run: true };
    let would = world.console.clear(&ask, &mut |_| {}).unwrap();
    assert_eq!((would.messages, would.entry, would.text.len()), (3, None, 1));
    let none = world.console.clear(&ClearAsk { older_than_days: Some(1), dry_run: false }, &mut |_| {}).unwrap();
    assert_eq!((none.messages, none.entry, none.text.len()), (0, None, 0));
    let done = world.console.clear(&ClearAsk { dry_run: false, ..ask }, &mut |_| {}).unwrap();
    assert_eq!((done.messages, done.bytes), (3, size));
    let card = world.console.usage().unwrap();
    assert_eq!((card.used_bytes, card.retained.messages, card.retained.bytes), (0, 3, size));
    assert!(card.retained.text.starts_with("3 messages can be put back, 51 B;"), "{}", card.retained.text);
    assert!(world.texts(&all()).contains(&"Pillarbox: cleared what every POP device has".to_owned()));
    let undone = world.console.undo(&UndoAsk { entry: done.entry, ..UndoAsk::default() }, &mut |_| {}).unwrap();
    assert_eq!(undone.restored, 3);
    assert_eq!(world.console.usage().unwrap().retained.text, "Nothing that was removed is kept.");
}

#[test]
fn the_owner_is_told_by_a_message_with_the_offer() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::Keep);
    let body = [b"Subject: large\r\n\r\n".to_vec(), vec![b'x'; 9_000]].concat();
    let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
    world.account.append(OWNER, Target::Inbox, message).unwrap();
    world.fetch(pc);
    world.account.set_quota(OWNER, store::Quota::of_bytes(10_500)).unwrap();
    assert!(world.console.tell_of_filling(&letterhead()).unwrap());
    assert!(!world.console.tell_of_filling(&letterhead()).unwrap());
    let inbox = world.account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let view = world.account.view(inbox).unwrap();
    let letter = world.account.reader().unwrap().body(view.index().last().unwrap().email).unwrap();
    let letter = String::from_utf8(letter).unwrap();
    assert!(letter.contains("Subject: Your mailbox is 85 % full\r\n"), "{letter}");
    assert!(letter.contains("1 message (8.8 KiB) has been taken by every POP device of yours."), "{letter}");
}

#[test]
fn the_card_says_whether_programs_with_the_main_password_can_be_told_apart() {
    let world = World::new();
    // The advice, or the question.
    let visit = |program: &str, minutes: i64| {
        let now = Timestamp(NOW.0 + minutes * 60_000);
        let device = world.account.pop_program_device(now, program, "192.0.2.7", true).unwrap();
        let address = "192.0.2.7".to_owned();
        let login = LastLogin { at: now, protocol: Protocol::Pop3, address, tls: None, program: None };
        world.account.note_login(device, login).unwrap();
        let card = world.console.device_card(device).unwrap();
        card.perhaps_two.clone().unwrap_or_else(|| card.advice[1].clone())
    };
    assert!(visit("PASS", 0).contains("cannot be told from it"));
    assert!(visit("AUTH PLAIN", 1).contains("or one was updated"));
    visit("PASS", 2);
    visit("AUTH PLAIN", 3);
    visit("PASS", 4);
    assert!(visit("AUTH PLAIN", 5).contains("told from other POP programs"));
    assert!(visit("PASS", 6).contains("told from other POP programs"));
}

#[test]
fn what_a_device_sends_is_told_in_words_and_saved_only_if_its_owner_wants() {
    let world = World::new();
    let phone = world.device("phone", Protocol::Submission, RemovalPolicy::Keep);
    let original = world.deliver("Message-ID: <1@x>\r\nSubject: x");
    let send = |id: u32| {
        let body = format!("Message-ID: <{id}@y>\r\nIn-Reply-To: <1@x>\r\nSubject: Re: x\r\n\r\nyes\r\n");
        world
            .account
            .submit(
                phone,
                store::Submission { body: Arc::new(body.as_bytes().to_vec()), added_bytes: 0, handover: None },
            )
            .unwrap()
    };
    let store::SentCopy::Saved(sent) = send(2).copy else { panic!("not saved") };
    let lines = |email: EmailId| -> Vec<String> {
        let story = world.console.story(&email.text()).unwrap();
        story.lines.iter().map(|line| format!("{} over {}: {}", line.device, line.protocol, line.text)).collect()
    };
    assert_eq!(lines(sent.email), ["phone over sending: sent, now in Sent"]);
    assert_eq!(lines(original), ["Pillarbox over SMTP: received in INBOX", "phone over sending: marked answered"]);
    assert_eq!(world.texts(&all())[1], "phone: sent 1 message, now in Sent");
    assert!(world.console.device_card(phone.device).unwrap().saves_sent);
    world.console.set_saves_sent(phone.device, false).unwrap();
    assert!(!world.console.device_card(phone.device).unwrap().saves_sent);
    assert_eq!(send(3).copy, store::SentCopy::Off);
    assert!(matches!(world.console.set_saves_sent(DeviceId(9), true), Err(Error::Store(store::Error::NoSuchDevice))));
}

#[test]
fn what_is_held_is_shown_and_answered_in_words() {
    let world = World::holding_more_than(2);
    let phone = world.device("phone", Protocol::Imap, RemovalPolicy::KeepWhenShared);
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::Expunge);
    for number in 1..=8 {
        world.deliver(&format!("From: carol@example.net\r\nSubject: {number}"));
    }
    assert_eq!(world.console.holds(true).unwrap(), []);
    world.fetch(pc);
    let holds = world.console.holds(false).unwrap();
    let card = &holds[0];
    assert_eq!((holds.len(), card.id, card.device.as_str(), card.messages, card.named.len()), (1, 1, "old PC", 8, 5));
    assert_eq!(card.mailboxes, [HeldMailbox { mailbox: "INBOX".to_owned(), messages: 8 }]);
    assert!(card.text.contains("wanted to delete 8 messages over POP") && card.answer.is_none(), "{}", card.text);
    let device = world.console.device_card(pc.device).unwrap();
    assert_eq!(device.lately[1..], ["wanted to delete 8 messages; they are held"]);
    let ask = |answer, then| world.console.answer_hold(HeldAsk { id: 1, answer, then });
    let refused = ask(HeldAnswer::Allow, HeldThen::IsRevoked).unwrap_err().to_string();
    assert!(refused.contains("only with the answer keep"), "{refused}");
    let kept = ask(HeldAnswer::Keep, HeldThen::Keeps).unwrap();
    assert_eq!((kept.kept, kept.removed, kept.card.answer.as_deref()), (8, 0, Some("kept")));
    assert!(kept.text.starts_with("8 messages stay in your mailbox. What old PC deletes"), "{}", kept.text);
    assert_eq!(ask(HeldAnswer::Keep, HeldThen::Stays).unwrap().text, "Nothing was left to do.");
    assert!(ask(HeldAnswer::Allow, HeldThen::Stays).unwrap_err().to_string().contains("answered otherwise"));
    assert_eq!((world.console.holds(false).unwrap().len(), world.console.holds(true).unwrap().len()), (0, 1));
    assert_eq!(world.texts(&all())[1], "Pillarbox: kept what old PC wanted to remove");

    let inbox = world.account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
    let uids: Vec<store::Uid> = world.account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).collect();
    let flags = Flags::system(&[SystemFlag::Deleted]);
    let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
    world.account.change_flags(phone, inbox, uids, change).unwrap();
    world.account.expunge(phone, inbox, Expunge::AllDeleted).unwrap();
    let card = world.console.holds(false).unwrap().remove(0);
    assert!(card.text.contains("they lie in the mailbox for what is held"), "{}", card.text);
    let ask = HeldAsk { id: card.id, answer: HeldAnswer::Allow, then: HeldThen::Stays };
    let outcome = world.console.answer_hold(ask).unwrap();
    assert_eq!(outcome.text, "9 messages are deleted. An undo of phone brings them back.");
    world.console.set_brake(phone.device, false).unwrap();
    world.console.choose_defaults(&crate::PopChoice::default(), Some(false)).unwrap();
    assert!(!world.console.device_card(phone.device).unwrap().brake);
    let tablet = world.device("tablet", Protocol::Imap, RemovalPolicy::Keep);
    assert!(!world.console.device_card(tablet.device).unwrap().brake);
}

fn letterhead() -> crate::Letterhead {
    let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org".to_owned());
    crate::Letterhead { hostname, pages, ..crate::Letterhead::default() }
}

/// The store holds and asks in one commit; the words are these.
#[test]
fn the_letter_about_a_hold_says_who_what_when_and_where_to_answer() {
    for (protocol, place) in
        [(Protocol::Imap, "in the mailbox \"Held\" now"), (Protocol::Pop3, "where they were, for all")]
    {
        let world = World::holding_more_than(30);
        world.device("phone", Protocol::Imap, RemovalPolicy::KeepWhenShared);
        let device = world.device("Old Outlook", protocol, RemovalPolicy::Expunge);
        (0..252).for_each(|n| drop(world.deliver(&format!("Subject: {n}")).text()));
        let inbox = world.account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        if protocol == Protocol::Pop3 {
            world.fetch(device);
        } else {
            let uids = world.account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).collect();
            let change =
                FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
            world.account.change_flags(device, inbox, uids, change).unwrap();
            world.account.expunge(device, inbox, Expunge::AllDeleted).unwrap();
        }
        let last = world.account.view(inbox).unwrap().index().last().unwrap().email;
        let letter = String::from_utf8(world.account.reader().unwrap().body(last).unwrap()).unwrap();
        let expected = [
            "\"Old Outlook\" wanted to delete 252 messages",
            "21 Sep 2026",
            "Subject: May it delete 252 messages?\r\n",
            "Message-ID: <hold.1.1790000000@mail.example.org>\r\n",
            "https://mail.example.org/held\r\n",
            "it is number 1 of what is held for you.",
            place,
        ];
        for text in expected {
            assert!(letter.contains(text) || letter.replace("\r\n", " ").contains(text), "{text}: {letter}");
        }
        assert!(!letter.replace("\r\n", "").contains(['\r', '\n']));
        assert!(letter.lines().all(|line| line.len() <= 80), "{letter}");
    }
}

#[test]
fn a_mail_that_vanished_is_found_wherever_it_is_and_brought_back() {
    let world = World::new();
    let pc = world.device("old PC", Protocol::Pop3, RemovalPolicy::Expunge);
    let invoice =
        world.deliver("Subject: =?utf-8?q?Rechnung_M=C3=A4rz?=\r\nFrom: Bob <bob@example.net>\r\nMessage-ID: <1@x>");
    let other = world.deliver("Subject: lunch\r\nDate: Mon, 21 Sep 2026 10:00:00 +0000");
    world.fetch(pc);
    let late = world.deliver("Subject: Rechnung April");
    let find = |text: &str| {
        let ask = FindAsk { text: text.to_owned(), limit: 100, ..FindAsk::default() };
        world.console.find(&ask).unwrap().messages
    };
    let ids = |found: &[FoundMessage]| found.iter().map(|one| one.message.id.clone()).collect::<Vec<_>>();
    let check = |text: &str, expected: &[EmailId]| {
        assert_eq!(ids(&find(text)), expected.iter().map(|email| email.text()).collect::<Vec<_>>(), "{text}");
    };
    check("rechnung", &[late, invoice]);
    check("rechnung märz BOB", &[invoice]);
    check("<1@x>", &[invoice]);
    check("\"rechnung märz\"", &[invoice]);
    check("rechnung lunch", &[]);
    check("", &[late, other, invoice]);

    let found = find("märz").remove(0);
    assert_eq!((found.mailboxes.as_slice(), found.removed_by.as_deref()), ([].as_slice(), Some("old PC")));
    assert!(found.text.starts_with("removed by old PC on 2026-"), "{}", found.text);
    assert_eq!(found.devices, ["old PC has deleted it from its own list"]);
    assert!(found.comes_back.is_some());
    let answer = world.console.bring_back(&found.message.id).unwrap();
    assert_eq!(answer.restored, 1);
    let back = find("märz").remove(0);
    assert_eq!((back.text.as_str(), back.comes_back), ("in INBOX", None));
    let again = world.console.bring_back(&found.message.id).unwrap_err().to_string();
    assert!(again.contains("in a mailbox already"), "{again}");
    assert_eq!(find("lunch")[0].mailboxes, [""; 0], "the other one stays where it is");

    let removed = FindAsk { removed: true, limit: 100, ..FindAsk::default() };
    assert_eq!(ids(&world.console.find(&removed).unwrap().messages), [other.text()]);
    let day = |text: &str| Some(parse_moment(text, OWNER.now).unwrap());
    let sent = FindAsk { since: day("2026-09-21"), until: day("2026-09-21"), limit: 100, ..FindAsk::default() };
    assert_eq!(ids(&world.console.find(&sent).unwrap().messages), [other.text()]);
    let before = FindAsk { until: day("2026-09-20"), limit: 100, ..FindAsk::default() };
    assert_eq!(ids(&world.console.find(&before).unwrap().messages), Vec::<String>::new());
}

#[test]
fn what_lies_in_junk_comes_back_to_inbox_and_what_the_server_removed_where_it_was() {
    let world = World::new();
    let mailboxes = world.account.mailboxes().unwrap();
    let of = |name: &str| mailboxes.by_name(name).unwrap().id;
    let email = world.deliver("Subject: offer");
    let uids =
        |name: &str| world.account.view(of(name)).unwrap().index().iter().map(|entry| entry.uid).collect::<Vec<_>>();
    world.account.move_messages(OWNER, of("INBOX"), uids("INBOX"), of("Junk")).unwrap();
    assert_eq!(world.console.bring_back(&email.text()).unwrap().moved, 1);
    assert_eq!((uids("INBOX").len(), uids("Junk").len()), (1, 0));
    // The pages act as no device.
    let deleted = Flags::system(&[SystemFlag::Deleted]);
    let change = FlagChange { mode: FlagMode::Add, flags: deleted, unchanged_since: None };
    world.account.change_flags(OWNER, of("INBOX"), uids("INBOX"), change).unwrap();
    world.account.expunge(OWNER, of("INBOX"), Expunge::AllDeleted).unwrap();
    assert_eq!(world.console.bring_back(&email.text()).unwrap().restored, 1);
    assert_eq!(uids("INBOX").len(), 1);
    assert!(world.console.bring_back("M00000000000000").is_err());
}

#[test]
fn a_page_of_what_was_found_goes_on_where_the_one_before_ended() {
    let world = World::new();
    let all: Vec<EmailId> = (0..7).map(|n| world.deliver(&format!("Subject: number {n}"))).collect();
    let (mut ask, mut seen) = (FindAsk { text: "number".to_owned(), limit: 3, ..FindAsk::default() }, Vec::new());
    loop {
        let page = world.console.find(&ask).unwrap();
        assert!(page.messages.len() <= 3);
        seen.extend(page.messages.into_iter().map(|one| one.message.id));
        match page.next {
            Some(next) => ask.before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, all.iter().rev().map(|email| email.text()).collect::<Vec<_>>());
}

#[test]
fn large_messages_are_looked_through_in_stretches_and_all_of_them() {
    let world = World::new();
    let padding = "y".repeat(1000);
    let all: Vec<EmailId> =
        (0..3).map(|n| world.deliver(&format!("Subject: number {n}\r\nX-Pad: {padding}"))).collect();
    let everything = |before, most| world.account.everything(before, false, most).unwrap();
    let emails = |index: store::Index| index.iter().map(|entry| entry.email).collect::<Vec<_>>();
    assert_eq!(emails(everything(None, (10, 1))), all[2..], "one, however large it is");
    assert_eq!(emails(everything(None, (10, 2500))), all[1..]);
    assert_eq!(emails(everything(Some(all[1]), (10, u64::MAX))), all[..1]);
    assert_eq!(emails(everything(None, (2, u64::MAX))), all[1..]);
    assert_eq!(emails(world.account.everything(None, true, (10, u64::MAX)).unwrap()), []);
}

#[test]
fn the_last_four_lines_of_a_busy_day_read_its_journal_four_entries_at_a_time() {
    const ARRIVALS: usize = 2_000;
    let engine = SimEngine::new();
    let world = World::on(engine.clone(), 300);
    world.device("phone", Protocol::Imap, RemovalPolicy::Keep);
    for number in 0..ARRIVALS {
        world.deliver(&format!("Subject: {number}"));
    }
    let few = TimelineAsk { fold: true, limit: 4, ..TimelineAsk::default() };
    let before = engine.reads();
    let timeline = world.console.timeline(&few).unwrap();
    let reads = engine.reads() - before;
    assert_eq!((timeline.lines[0].count, timeline.lines.len()), (ARRIVALS, 4));
    // A piece of the journal for each reading, the names of five messages, mailboxes and devices.
    assert!(reads < 60, "{reads} reads");
}
