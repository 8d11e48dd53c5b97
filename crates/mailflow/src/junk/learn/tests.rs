use super::super::lessons::LESSONS_PER_ENTRY_MAX;
use super::*;
use crate::testing::{World, world};
use crate::{Arrival, Delivered, Envelope, Reach, Route, Source};
use junk::{Counts, Seen};
use queue::{Policy, Queue, Via, Ways};
use reports::OwnComplaints;
use smtp_proto::{ForwardPath, ReversePath};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use store::sim::SIM_EPOCH;
use store::{
    Actor, Claim, DeviceId, FlagChange, FlagMode, Flags, MailboxId, NewMessage, Protocol, Role, SystemFlag, Target,
    Timestamp, Uid,
};

const NOW: Timestamp = SIM_EPOCH;
const PHONE: Actor = Actor { device: DeviceId(1), protocol: Protocol::Imap, now: NOW };

impl World {
    fn owner(&self, name: &str) -> Account {
        let info = self.flow.auth.directory().account(&format!("{name}@example.org")).unwrap().unwrap();
        self.flow.auth.store().account(info.id)
    }

    fn learn(&self, name: &str) -> usize {
        self.learn_at(name, NOW)
    }

    fn learn_at(&self, name: &str, now: Timestamp) -> usize {
        let mut messages = 0;
        loop {
            let turn = self.flow.learn_junk(self.owner(name).id(), now, &|| false).unwrap();
            messages += turn.messages;
            if !turn.is_behind {
                return messages;
            }
        }
    }

    /// A message from another host; in which mailbox it is then, and its octets.
    fn come(&self, to: &str, from: &str, text: &str) -> (Role, Uid, String) {
        self.come_by(Protocol::Smtp, "192.0.2.1", to, from, text)
    }

    fn come_by(&self, protocol: Protocol, client: &str, to: &str, from: &str, text: &str) -> (Role, Uid, String) {
        let path = ForwardPath::Mailbox(format!("{to}@example.org").parse().unwrap());
        let Route::Local(recipient) = self.flow.route(&path, Reach::Local, &ReversePath::Null, SIM_EPOCH).unwrap()
        else {
            panic!("{to}")
        };
        let client = client.parse().unwrap();
        let source =
            Source { protocol, helo: "client.example".into(), client, with: "ESMTP", tls: None, by_relay: false };
        let reverse_path = ReversePath::Mailbox("me@x".parse().unwrap());
        let envelope = Envelope { local: vec![recipient], ..Envelope::new(reverse_path, source) };
        let content = format!(
            "From: <{from}>\r\nSubject: {text}\r\nMessage-ID: <{}@x>\r\n\r\n{text}\r\n",
            self.flow.next_serial()
        );
        let arrival: Arrival = self.flow.arrive(envelope, content.into_bytes(), None, NOW);
        let delivered: Delivered = self.flow.deliver(arrival, NOW);
        delivered.accepted().into_iter().for_each(Claim::answered);
        let account = self.owner(to);
        let newest = |role| {
            let view = account.view(mailbox(&account, role)).unwrap();
            view.index().iter().max_by_key(|entry| entry.email).map(|entry| (role, entry.uid, entry.email))
        };
        let (role, uid, email) =
            [newest(Role::Inbox), newest(Role::Junk)].into_iter().flatten().max_by_key(|it| it.2).unwrap();
        (role, uid, String::from_utf8(account.reader().unwrap().body(email).unwrap()).unwrap())
    }

    fn shift(&self, name: &str, uid: Uid, from: Role, to: Role) -> Uid {
        let account = self.owner(name);
        let (from, to) = (mailbox(&account, from), mailbox(&account, to));
        let uid_next = account.mailboxes().unwrap().by_id(to).unwrap().uid_next;
        account.move_messages(PHONE, from, vec![uid], to).unwrap();
        uid_next
    }

    /// Alice has taught enough of both.
    fn teach(&self) {
        for n in 0..50 {
            let (_, uid, _) =
                self.come("alice", &format!("s{n}@spam.example"), &format!("cheap pills order now discount {n}"));
            self.shift("alice", uid, Role::Inbox, Role::Junk);
            let (_, uid, _) =
                self.come("alice", &format!("f{n}@friend.example"), &format!("minutes of our garden meeting {n}"));
            self.shift("alice", uid, Role::Inbox, Role::Archive);
        }
        self.learn("alice");
    }
}

fn mailbox(account: &Account, role: Role) -> MailboxId {
    account.mailboxes().unwrap().iter().find(|mailbox| mailbox.role == Some(role)).unwrap().id
}

fn messages(account: &Account) -> (u32, u32) {
    let seen = experience(account).unwrap().counts.messages();
    (seen.wanted, seen.junk)
}

#[test]
fn what_its_owner_moved_into_junk_goes_there_by_itself() {
    let world = world();
    let (role, _, body) = world.come("alice", "x@spam.example", "order cheap pills with discount");
    assert!(role == Role::Inbox && !body.contains("X-Pillarbox-Junk"), "nothing is known yet");
    world.teach();
    let (role, _, body) = world.come("alice", "x@spam.example", "order cheap pills with discount");
    assert!(
        role == Role::Junk && body.contains("X-Pillarbox-Junk: yes; score=") && body.contains("pills\" (0 wanted,"),
        "{body}"
    );
    let (role, _, body) = world.come("alice", "y@friend.example", "next garden meeting");
    assert!(role == Role::Inbox && body.contains("X-Pillarbox-Junk: no; score=-"), "{body}");
    // Bob has taught nothing, and nobody for him.
    let (role, _, body) = world.come("bob", "x@spam.example", "order cheap pills with discount");
    assert!(role == Role::Inbox && !body.contains("X-Pillarbox-Junk"), "{body}");
}

#[test]
fn whoever_switched_it_off_finds_all_mail_in_the_inbox_and_teaches_it_nothing() {
    let world = world();
    world.teach();
    let (account, directory) = (world.owner("alice"), world.flow.auth.directory());
    let before = messages(&account);
    directory.set_filters_junk(account.id(), false).unwrap();
    let (role, uid, body) = world.come("alice", "x@spam.example", "order cheap pills with discount");
    assert!(role == Role::Inbox && !body.contains("X-Pillarbox-Junk"), "{body}");
    world.shift("alice", uid, Role::Inbox, Role::Junk);
    assert_eq!(world.learn("alice"), 0);
    directory.set_filters_junk(account.id(), true).unwrap();
    assert_eq!((world.learn("alice"), messages(&account)), (0, before));
    assert_eq!(world.come("alice", "x@spam.example", "order cheap pills with discount").0, Role::Junk);
}

#[test]
fn what_others_say_is_junk_is_in_the_inbox_of_whoever_switched_it_off() {
    let mut world = world();
    let directory = world.flow.auth.directory();
    directory.set_filters_junk(world.owner("alice").id(), false).unwrap();
    world.flow.filters_junk = false;
    let into = |world: &World, to: &str| {
        let path = ForwardPath::Mailbox(format!("{to}@example.org").parse().unwrap());
        let Route::Local(recipient) = world.flow.route(&path, Reach::Local, &ReversePath::Null, NOW).unwrap() else {
            panic!("{to}")
        };
        let source = Source {
            protocol: Protocol::Smtp,
            helo: "client.example".into(),
            client: "192.0.2.1".parse().unwrap(),
            with: "ESMTP",
            tls: None,
            by_relay: false,
        };
        let envelope = Envelope { local: vec![recipient], ..Envelope::new(ReversePath::Null, source) };
        let arrival = world.flow.arrive(envelope, b"Subject: x\r\n\r\nx\r\n".to_vec(), None, NOW);
        let opinion = scan::Opinion { verdict: scan::Verdict::Junk, ..scan::Opinion::default() };
        world.flow.deliver(arrival.scanned(opinion), NOW).accepted().into_iter().for_each(Claim::answered);
        let account = world.owner(to);
        let mailboxes = account.mailboxes().unwrap();
        let count = |role| mailboxes.iter().find(|it| it.role == Some(role)).map_or(0, |it| it.counts.messages);
        (count(Role::Inbox), count(Role::Junk))
    };
    assert_eq!((into(&world, "alice"), into(&world, "bob")), ((1, 0), (0, 1)));
}

#[test]
fn mail_from_this_machine_and_from_own_users_is_not_judged() {
    let world = world();
    world.teach();
    let role = |protocol, client| world.come_by(protocol, client, "alice", "x@spam.example", "order cheap pills").0;
    assert_eq!(role(Protocol::Smtp, "127.0.0.1"), Role::Inbox);
    assert_eq!(role(Protocol::Smtp, "::ffff:127.0.0.1"), Role::Inbox);
    assert_eq!(role(Protocol::Submission, "192.0.2.1"), Role::Inbox);
    assert_eq!(role(Protocol::Lmtp, "127.0.0.1"), Role::Junk);
}

#[test]
fn who_was_written_to_is_spared() {
    let world = world();
    world.teach();
    assert_eq!(world.come("alice", "shop@spam.example", "order cheap pills").0, Role::Junk);
    let body = b"To: Shop <SHOP@spam.example>\r\n\r\nhi\r\n".to_vec();
    let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
    let account = world.owner("alice");
    account.append(PHONE, Target::Mailbox(mailbox(&account, Role::Sent)), message).unwrap();
    world.learn("alice");
    let (role, _, body) = world.come("alice", "shop@spam.example", "order cheap pills");
    assert!(role == Role::Inbox && body.contains("you have written to this sender"), "{body}");
    assert_eq!(world.come("alice", "other@spam.example", "order cheap pills").0, Role::Junk);
}

#[test]
fn a_message_is_learnt_once_however_often_it_is_said() {
    let world = world();
    let account = world.owner("alice");
    let (_, uid, _) = world.come("alice", "x@spam.example", "cheap pills");
    assert_eq!((world.learn("alice"), messages(&account)), (0, (0, 0)));
    let uid = world.shift("alice", uid, Role::Inbox, Role::Junk);
    assert_eq!((world.learn("alice"), messages(&account)), (1, (0, 1)));
    assert_eq!((world.learn("alice"), messages(&account)), (0, (0, 1)), "nothing new");
    let pages = account.training().unwrap().pages;
    // Out of it and back: the same as before, to the octet.
    let uid = world.shift("alice", uid, Role::Junk, Role::Inbox);
    world.learn("alice");
    assert_eq!(messages(&account).1, 0);
    let uid = world.shift("alice", uid, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!((messages(&account), account.training().unwrap().pages), ((0, 1), pages));
    // To and fro before the filter looks.
    let uid = world.shift("alice", uid, Role::Junk, Role::Inbox);
    world.shift("alice", uid, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!(messages(&account), (0, 1));
}

#[test]
fn a_crash_loses_no_lesson_and_doubles_none() {
    let world = world();
    let (_, uid, _) = world.come("alice", "x@spam.example", "cheap pills");
    world.shift("alice", uid, Role::Inbox, Role::Junk);
    let world = world.after_a_crash();
    assert_eq!((world.learn("alice"), messages(&world.owner("alice"))), (1, (0, 1)));
    let world = world.after_a_crash();
    assert_eq!((world.learn("alice"), messages(&world.owner("alice"))), (0, (0, 1)));
}

#[test]
fn what_says_nothing_is_not_written_down() {
    let world = world();
    world.teach();
    let commits = world.engine.commits();
    assert_eq!((world.learn("alice"), world.engine.commits()), (0, commits), "it heeds its own commits");
    world.come("alice", "x@friend.example", "garden meeting");
    let commits = world.engine.commits();
    assert_eq!((world.learn("alice"), world.engine.commits()), (0, commits));
}

#[test]
fn what_was_read_and_kept_is_wanted_until_the_filter_knows_enough() {
    let world = world();
    let account = world.owner("alice");
    let inbox = mailbox(&account, Role::Inbox);
    let read = |uids: Vec<Uid>| {
        let flags = Flags::system(&[SystemFlag::Seen]);
        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
        account.change_flags(PHONE, inbox, uids, change).unwrap();
    };
    let come = |n: u32| world.come("alice", &format!("f{n}@friend.example"), &format!("garden meeting {n}")).1;
    let uids: Vec<Uid> = (0..70).map(come).collect();
    read(uids[..20].to_vec());
    read(uids[20..].to_vec());
    // One is thrown away, one was junk.
    world.shift("alice", uids[0], Role::Inbox, Role::Trash);
    world.shift("alice", uids[1], Role::Inbox, Role::Junk);
    let days = |days: i64| Timestamp(NOW.0 + days * 24 * 60 * 60 * 1000);
    world.learn_at("alice", days(3));
    let early = world.learn_at("alice", Timestamp(days(3).0 - 1));
    assert_eq!(early, 0, "nothing new");
    let learnt = messages(&account);
    assert!(learnt == (50, 1), "{learnt:?}");
    assert_eq!(world.learn_at("alice", days(30)), 0, "what is known is enough");
    // A crash doubles nothing.
    let world = world.after_a_crash();
    assert_eq!((world.learn_at("alice", days(30)), messages(&world.owner("alice"))), (0, (50, 1)));
}

#[test]
fn nothing_is_wanted_for_having_been_read_today() {
    let world = world();
    let account = world.owner("alice");
    let (_, uid, _) = world.come("alice", "f@friend.example", "garden meeting");
    let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
    account.change_flags(PHONE, mailbox(&account, Role::Inbox), vec![uid], change).unwrap();
    let commits = world.engine.commits();
    let almost = Timestamp(NOW.0 + KEPT_MILLIS - 1);
    assert_eq!((world.learn_at("alice", almost), world.engine.commits()), (0, commits));
    assert_eq!((world.learn_at("alice", Timestamp(almost.0 + 1)), messages(&account)), (1, (1, 0)));
}

#[test]
fn a_friends_address_helps_nobody_whose_mail_its_domain_does_not_vouch_for() {
    let world = world();
    world.teach();
    let account = world.owner("alice");
    let body = b"To: shop@spam.example\r\n\r\nhi\r\n".to_vec();
    let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
    account.append(PHONE, Target::Mailbox(mailbox(&account, Role::Sent)), message).unwrap();
    world.learn("alice");
    // A mail system of ours says what it found.
    let come = |result: &str| {
        let text = format!("order cheap pills\r\nAuthentication-Results: mail.example.org; dmarc={result}");
        world.come_by(Protocol::Lmtp, "127.0.0.1", "alice", "shop@spam.example", &text).0
    };
    assert_eq!((come("pass"), come("none"), come("fail")), (Role::Inbox, Role::Inbox, Role::Junk));
}

#[test]
fn what_was_found_out_about_a_sender_is_learnt_with_his_mail() {
    let world = world();
    let account = world.owner("alice");
    let text = "hello\r\nAuthentication-Results: mail.example.org; dmarc=pass";
    let (_, uid, _) = world.come_by(Protocol::Lmtp, "127.0.0.1", "alice", "a@bank.example", text);
    world.shift("alice", uid, Role::Inbox, Role::Archive);
    world.learn("alice");
    let counts = experience(&account).unwrap().counts;
    let reasons = |proven| {
        let features = Features::of(b"From: a@bank.example\r\n\r\n", Facts { proven, ..Facts::default() });
        Verdict::of(&features, &counts, &Counts::default()).reasons.into_iter().map(|reason| reason.words)
    };
    assert!(reasons(Some(true)).any(|words| words == "from domain bank.example, proven"));
    assert!(!reasons(Some(false)).any(|words| words.contains("not proven")));
}

#[test]
fn keywords_flags_and_copies_say_it_too() {
    let world = world();
    let account = world.owner("alice");
    let inbox = mailbox(&account, Role::Inbox);
    let flag = |uid, flags: Flags| {
        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
        account.change_flags(PHONE, inbox, vec![uid], change).unwrap();
        world.learn("alice");
        messages(&account)
    };
    let keyword = |name: &str| Flags { keywords: vec![name.into()], ..Flags::default() };
    let (_, uid, _) = world.come("alice", "x@spam.example", "cheap pills");
    assert_eq!(flag(uid, keyword("$junk")), (0, 1));
    assert_eq!(flag(uid, keyword("$NotJunk")).1, 0);
    let (_, uid, _) = world.come("alice", "x@spam.example", "cheap pills order");
    assert_eq!(flag(uid, keyword("Junk")).1, 1);
    assert_eq!(flag(uid, keyword("$Label1")).1, 1);
    assert_eq!(flag(uid, Flags::system(&[SystemFlag::Seen])).1, 1);
    assert_eq!(flag(uid, Flags::system(&[SystemFlag::Answered])).1, 0);
    // Programs without MOVE copy.
    let (_, uid, _) = world.come("alice", "x@spam.example", "cheap pills now");
    let junk = mailbox(&account, Role::Junk);
    account.copy(PHONE, inbox, vec![uid], junk).unwrap();
    world.learn("alice");
    assert_eq!(messages(&account).1, 1);
    let copies: BTreeSet<Uid> = account.view(junk).unwrap().index().iter().map(|entry| entry.uid).collect();
    account.copy(PHONE, junk, copies.into_iter().collect(), inbox).unwrap();
    world.learn("alice");
    assert_eq!(messages(&account).1, 0);
}

#[test]
fn thousands_in_one_move_teach_with_the_first_of_them() {
    let world = world();
    let account = world.owner("alice");
    let (inbox, junk) = (mailbox(&account, Role::Inbox), mailbox(&account, Role::Junk));
    let (pieces, count) = (2, 2 * store::PIECE_MESSAGES_MAX);
    for n in 0..count {
        let message =
            NewMessage { body: format!("S: {n}\r\n\r\n").into_bytes(), flags: Flags::default(), internal_date: NOW };
        account.append(Actor { protocol: Protocol::Server, ..PHONE }, Target::Inbox, message).unwrap();
    }
    let uids: Vec<Uid> = account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).collect();
    account.move_messages(PHONE, inbox, uids, junk).unwrap();
    let learnt = world.learn("alice");
    assert!(learnt > 0 && learnt <= pieces * LESSONS_PER_ENTRY_MAX && learnt < count, "{learnt}");
    assert_eq!(world.learn("alice"), 0);
}

#[test]
fn a_filter_that_is_off_neither_judges_nor_learns() {
    let world = world();
    world.teach();
    let off = World { engine: world.engine.clone(), flow: world.flow.clone().without_junk_filter() };
    let (role, uid, body) = off.come("alice", "x@spam.example", "order cheap pills");
    assert!(role == Role::Inbox && !body.contains("X-Pillarbox-Junk"));
    off.shift("alice", uid, Role::Inbox, Role::Junk);
    assert_eq!(off.learn("alice"), 0);
}

#[test]
fn a_strangers_verdict_on_his_own_mail_is_taken_off() {
    let world = world();
    for (protocol, client) in [(Protocol::Smtp, "192.0.2.1"), (Protocol::Lmtp, "127.0.0.1")] {
        let text = "hello\r\nx-pillarbox-JUNK: no; score=-9.000";
        let (_, _, body) = world.come_by(protocol, client, "alice", "a@x.example", text);
        assert!(!body.split("\r\n\r\n").next().unwrap().contains("-9.000"), "{body}");
    }
}

#[derive(Default)]
struct Listener(Mutex<Vec<(bool, String)>>, AtomicBool);

impl Teacher for Listener {
    fn teach(&self, is_junk: bool, content: Vec<u8>) -> Result<(), String> {
        if self.1.load(Ordering::Relaxed) {
            return Err("down".into());
        }
        self.0.lock().unwrap().push((is_junk, String::from_utf8(content).unwrap()));
        Ok(())
    }
}

#[test]
fn a_filter_beside_ours_is_told_what_people_say_even_where_ours_is_off() {
    let world = world();
    let listener = Arc::<Listener>::default();
    let flow = world.flow.clone().without_junk_filter().with_teacher(Arc::clone(&listener) as _);
    let world = World { engine: world.engine.clone(), flow };
    let told = || -> Vec<bool> { listener.0.lock().unwrap().drain(..).map(|(is_junk, _)| is_junk).collect() };
    let (_, uid, _) = world.come("alice", "x@spam.example", "cheap pills");
    world.learn("alice");
    assert!(told().is_empty(), "nobody said anything");
    let uid = world.shift("alice", uid, Role::Inbox, Role::Junk);
    world.learn("alice");
    world.learn("alice");
    assert!(listener.0.lock().unwrap()[0].1.contains("cheap pills"));
    assert_eq!(told(), [true], "once");
    let uid = world.shift("alice", uid, Role::Junk, Role::Inbox);
    world.learn("alice");
    assert_eq!(told(), [false]);
    // It is down: what was said meanwhile it does not hear of, and our filter goes on.
    listener.1.store(true, Ordering::Relaxed);
    world.shift("alice", uid, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!(messages(&world.owner("alice")).1, 1);
    listener.1.store(false, Ordering::Relaxed);
    world.learn("alice");
    assert!(told().is_empty());
}

/// RFC 9477.
#[test]
fn a_sender_who_proved_to_want_it_is_told_once_what_somebody_moves_into_junk() {
    let world = world();
    let queue = Queue::open(world.flow.auth.store(), Policy::default()).with_ways(Ways::all(Via::Mx));
    let flow = MailFlow::new(world.flow.auth.clone(), "mail.example.org", Some(queue.clone()));
    let flow = flow.without_junk_filter().with_complaints(None);
    let world = World { engine: world.engine.clone(), flow };
    let account = world.owner("alice");
    let from = |domain: &str, result: &str| {
        format!(
            "x@{domain}>\r\nCFBL-Address: fbl@{domain}\r\nCFBL-Feedback-ID: 7:me\r\nAuthentication-Results: \
             mail.example.org; dkim={result} header.d={domain} header.b=AbCdEfGh\r\nDKIM-Signature: v=1; d={domain}; \
             h=From:CFBL-Address:CFBL-Feedback-ID; b=AbCdEfGhIj\r\nX: <x"
        )
    };
    // A mail system of ours, whose results are believed.
    let come = |from: &str| world.come_by(Protocol::Lmtp, "127.0.0.1", "alice", from, "cheap pills").1;
    let told = || OwnComplaints::of(world.flow.auth.store()).list(account.id()).unwrap();
    let sent = || -> Vec<String> {
        let entries = queue.list(None, 100).unwrap().into_iter();
        entries.map(|entry| entry.recipients[0].address.clone()).collect()
    };
    let unproven = come(&from("spam.example", "fail"));
    let proven = come(&from("news.example", "pass"));
    assert!(sent().is_empty());
    world.shift("alice", unproven, Role::Inbox, Role::Junk);
    let uid = world.shift("alice", proven, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!(sent(), ["fbl@news.example"]);
    assert_eq!(
        (told().len(), &told()[0].to[..], told()[0].subject.as_str()),
        (1, &["fbl@news.example".to_owned()][..], "cheap pills")
    );
    // Out and in again is no new complaint.
    let uid = world.shift("alice", uid, Role::Junk, Role::Inbox);
    world.learn("alice");
    world.shift("alice", uid, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!((sent().len(), told().len()), (1, 1));
    // What came into Junk a filter took for it: whoever brings it out and back, or undoes that, says nothing new.
    let body = format!("From: <{}>\r\nMessage-ID: <f@x>\r\n\r\npills\r\n", from("pills.example", "pass")).into_bytes();
    let (junk, filter) = (mailbox(&account, Role::Junk), Actor { protocol: Protocol::Lmtp, ..PHONE });
    let filtered = account.mailboxes().unwrap().by_id(junk).unwrap().uid_next;
    let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
    account.append(filter, Target::Mailbox(junk), message).unwrap();
    let uid = world.shift("alice", filtered, Role::Junk, Role::Inbox);
    world.shift("alice", uid, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!(sent().len(), 1);
    // What was moved long before the server looks is nobody's news.
    let old = come(&from("old.example", "pass"));
    world.shift("alice", old, Role::Inbox, Role::Junk);
    world.learn_at("alice", Timestamp(NOW.0 + LATE_MILLIS + 1));
    assert_eq!(sent().len(), 1);
    // Nor is it where that is switched off, by the owner of the server or of the account.
    let again = come(&from("again.example", "pass"));
    world.flow.auth.directory().set_filters_junk(account.id(), false).unwrap();
    world.shift("alice", again, Role::Inbox, Role::Junk);
    world.learn("alice");
    assert_eq!(sent().len(), 1);
}

#[test]
fn a_stranger_writes_nothing_into_the_header() {
    let world = world();
    world.teach();
    let (_, _, body) = world.come("alice", "a\"x@spam.example", "order cheap pills\u{e9} now \u{2028} \"\\");
    let field = body.split("X-Pillarbox-Junk").nth(1).unwrap().split("\r\nReceived:").next().unwrap();
    assert!(field.is_ascii() && field.lines().skip(1).all(|line| line.starts_with('\t')), "{field}");
}

#[test]
fn what_a_filter_of_before_was_taught_is_unlearnt_as_it_was_learnt() {
    let world = world();
    let account = world.owner("alice");
    let (_, uid, body) = world.come("alice", "x@spam.example", "cheap pills");
    let inbox = account.view(mailbox(&account, Role::Inbox)).unwrap();
    let email = inbox.index().iter().find(|entry| entry.uid == uid).unwrap().email;
    // As version 0.1 wrote it: junk was 2, and only words were learnt.
    let mut before = Experience::default();
    before.counts.learn(
        &Features::of(body.as_bytes(), Facts::default()).without_handwriting(),
        Class::Junk,
        Learn::Add,
    );
    let mut pages = before.changed();
    pages.iter_mut().filter(|(number, _)| usize::from(*number) == junk::PAGES).for_each(|(_, page)| page.truncate(8));
    let after = account.learnt_to().unwrap();
    let learnt_to = account.journal(after, ENTRIES_PER_LESSON_MAX).unwrap().last().unwrap().modseq;
    assert!(account.learn(Lesson { after, learnt_to, pages, taught: vec![(email, Some(2))] }).unwrap());
    assert_eq!(messages(&account), (0, 1));
    world.shift("alice", uid, Role::Inbox, Role::Archive);
    world.learn("alice");
    let counts = experience(&account).unwrap().counts;
    assert_eq!((counts.messages(), counts.handwritings()), (Seen { wanted: 1, junk: 0 }, Seen { wanted: 1, junk: 0 }));
    let seen = Verdict::of(&Features::of(body.as_bytes(), Facts::default()), &counts, &Counts::default()).reasons;
    assert!(!seen.is_empty() && seen.iter().all(|reason| reason.seen == Seen { wanted: 1, junk: 0 }), "{seen:?}");
    assert_eq!(account.taught_as(email).unwrap(), Some(3));
}

#[test]
fn what_a_filter_of_before_was_never_told_of_a_host_was_taken_from_what_others_had_taught() {
    let world = world();
    let account = world.owner("alice");
    let text = "pills\r\nAuthentication-Results: mail.example.org; iprev=fail policy.iprev=192.0.2.9";
    let (_, uid, body) = world.come_by(Protocol::Lmtp, "127.0.0.1", "alice", "x@spam.example", text);
    let inbox = account.view(mailbox(&account, Role::Inbox)).unwrap();
    let email = inbox.index().iter().find(|entry| entry.uid == uid).unwrap().email;
    // As version 0.1 wrote it; and nine of a nameless host that were taught later.
    let mut before = Experience::default();
    let old = Features::of(body.as_bytes(), Facts::default()).without_handwriting();
    before.counts.learn(&old, Class::Junk, Learn::Add);
    let nameless = Facts { doubts: junk::Doubts { no_reverse_name: true, ..junk::Doubts::default() }, proven: None };
    let other = Features::of(b"Subject: other\r\n\r\n", nameless);
    (0..9).for_each(|_| before.counts.learn(&other, Class::Junk, Learn::Add));
    let wanted = Features::of(b"Subject: wanted\r\n\r\n", Facts::default());
    (0..9).for_each(|_| before.counts.learn(&wanted, Class::Wanted, Learn::Add));
    let after = account.learnt_to().unwrap();
    let learnt_to = account.journal(after, ENTRIES_PER_LESSON_MAX).unwrap().last().unwrap().modseq;
    let (pages, taught) = (before.changed(), vec![(email, Some(2))]);
    assert!(account.learn(Lesson { after, learnt_to, pages, taught }).unwrap());
    world.shift("alice", uid, Role::Inbox, Role::Archive);
    world.learn("alice");
    let counts = experience(&account).unwrap().counts;
    let reasons = Verdict::of(&Features::of(b"\r\n", nameless), &counts, &Counts::default()).reasons;
    let seen = reasons.iter().find(|reason| reason.words.contains("a host without a name")).unwrap().seen;
    assert_eq!(seen, Seen { wanted: 1, junk: 9 });
}

/// As somebody would who has `$Junk` set and taken away on the same large messages again and again.
#[test]
fn nobodys_filter_waits_for_an_account_that_changes_its_mind_all_the_time() {
    let world = world();
    world.teach();
    world.learn("alice");
    let changes = LESSONS_PER_TURN_MAX * ENTRIES_PER_LESSON_MAX;
    let (_, uid, _) = world.come("alice", "s@spam.example", "cheap pills order now discount");
    let mut from = (Role::Junk, Role::Archive);
    let mut uid = world.shift("alice", uid, Role::Junk, Role::Archive);
    for _ in 0..changes {
        from = (from.1, from.0);
        uid = world.shift("alice", uid, from.0, from.1);
    }
    let account = world.owner("alice");
    let before = account.learnt_to().unwrap();
    let turn = world.flow.learn_junk(account.id(), NOW, &|| false).unwrap();
    let (after, head) = (account.learnt_to().unwrap(), account.head().unwrap());
    assert!(turn.is_behind && before < after && after < head, "{turn:?} {before:?} {after:?} {head:?}");
    world.learn("alice");
    assert_eq!(account.journal(account.learnt_to().unwrap(), 1).unwrap().len(), 0);
}
