//! What devices submit: in Sent once whatever their programs upload, and flags on what it answers or forwards.

#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::sync::Arc;
use store::device::Credential;
use store::sim::{Fault, SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, Appended, DeviceId, EmailId, Error, Expunge, FlagChange, FlagMode, Flags, JournalEntry,
    KEYWORDS_MAX, ModSeq, NewMessage, Protocol, SentCopy, Store, Submission, Submitted, SystemFlag, Target, Timestamp,
    Uid, UndoRequest, UndoWhat,
};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const MINUTE: i64 = 60_000;
const SERVER: Actor = Actor { device: DeviceId(0), protocol: Protocol::Lmtp, now: NOW };

struct World {
    engine: SimEngine,
    objects: SimObjects,
    store: Store,
    account: Account,
    /// Sends.
    mail: Actor,
    /// Uploads.
    imap: Actor,
}

impl World {
    fn new() -> Self {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        let account = store.create_account(AccountId(16), NOW).unwrap();
        let credential = Credential::ApplicationPassword { hash: [0; 32] };
        let device = account.add_device(SERVER, "phone", credential, None).unwrap();
        let mail = Actor { device, protocol: Protocol::Submission, now: NOW };
        Self { engine, objects, store, account, mail, imap: Actor { protocol: Protocol::Imap, ..mail } }
    }

    fn submit(&self, body: &str) -> Submitted {
        self.submit_given("", body).unwrap()
    }

    fn submit_given(&self, added: &str, body: &str) -> Result<Submitted, Error> {
        let body = format!("{added}{body}");
        self.account.submit(
            self.mail,
            Submission { body: Arc::new(body.as_bytes().to_vec()), added_bytes: added.len(), handover: None },
        )
    }

    fn append_as(&self, actor: Actor, mailbox: &str, body: &str, flags: &[SystemFlag]) -> Appended {
        let target = Target::Mailbox(self.mailbox(mailbox));
        let message = NewMessage { body: body.into(), flags: Flags::system(flags), internal_date: NOW };
        self.account.append(actor, target, message).unwrap()
    }

    fn append(&self, mailbox: &str, body: &str) -> Appended {
        self.append_as(self.imap, mailbox, body, &[SystemFlag::Seen])
    }

    fn deliver(&self, body: &str) -> EmailId {
        let message = NewMessage { body: body.into(), flags: Flags::default(), internal_date: NOW };
        self.account.append(SERVER, Target::Inbox, message).unwrap().email
    }

    fn mailbox(&self, name: &str) -> store::MailboxId {
        self.account.mailboxes().unwrap().by_name(name).unwrap().id
    }

    /// The bodies in a mailbox, each with its UID and the names of its flags.
    fn look(&self, mailbox: &str) -> Vec<(u32, String, String)> {
        let view = self.account.view(self.mailbox(mailbox)).unwrap();
        let reader = self.account.reader().unwrap();
        let shown = view.index().iter().map(|entry| {
            let flags = view.mailbox().keywords.flags(entry.flags);
            let system = SystemFlag::ALL.iter().filter(|flag| flags.system.has(**flag)).map(|flag| flag.name());
            let names: Vec<&str> = system.chain(flags.keywords.iter().map(String::as_str)).collect();
            (entry.uid.0, String::from_utf8(reader.body(entry.email).unwrap()).unwrap(), names.join(" "))
        });
        shown.collect()
    }

    fn bodies(&self, mailbox: &str) -> Vec<String> {
        self.look(mailbox).into_iter().map(|(_, body, _)| body).collect()
    }

    fn flags(&self, mailbox: &str) -> Vec<String> {
        self.look(mailbox).into_iter().map(|(_, _, flags)| flags).collect()
    }

    fn expunge_all(&self, mailbox: &str) {
        let (id, uids) = (self.mailbox(mailbox), self.look(mailbox).iter().map(|(uid, ..)| Uid(*uid)).collect());
        let flags = Flags::system(&[SystemFlag::Deleted]);
        let change = FlagChange { mode: FlagMode::Add, flags, unchanged_since: None };
        self.account.change_flags(self.imap, id, uids, change).unwrap();
        self.account.expunge(self.imap, id, Expunge::AllDeleted).unwrap();
    }

    fn journal_since(&self, head: ModSeq) -> Vec<JournalEntry> {
        self.account.journal(head, 100).unwrap()
    }

    fn objects(&self) -> usize {
        store::objects::Objects::list(&self.objects, self.account.id()).unwrap().len()
    }

    /// Rows of a kind.
    fn rows(&self, letter: u8) -> usize {
        let mut count = 0;
        let snapshot = store::engine::Engine::snapshot(&self.engine, self.account.id()).unwrap();
        let mut visit = |_: &[u8], _: &[u8]| {
            count += 1;
            ControlFlow::Continue(())
        };
        snapshot.scan(&[letter], &[letter + 1], &mut visit).unwrap();
        count
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(store::check::all(&self.store, store::check::Depth::Bodies).unwrap(), []);
        }
    }
}

fn message(id: &str, body: &str) -> String {
    format!("Message-ID: <{id}@x>\r\nDate: today\r\nFrom: a@x\r\nTo: b@x\r\nSubject: s\r\n\r\n{body}\r\n")
}

fn outcome(submitted: Submitted) -> (SentCopy, usize) {
    (submitted.copy, submitted.flagged)
}

fn saved(submitted: &Submitted) -> Appended {
    match &submitted.copy {
        SentCopy::Saved(appended) => *appended,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_submitted_is_in_sent_read_and_by_whom_it_was_sent() {
    let world = World::new();
    let head = world.account.head().unwrap();
    let appended = saved(&world.submit(&message("1", "hi")));
    assert_eq!(world.look("Sent"), [(1, message("1", "hi"), "\\Seen".into())]);
    assert_eq!(appended.mailbox, world.mailbox("Sent"));
    let entries = world.journal_since(head);
    let [JournalEntry { device, protocol, at, .. }] = entries[..] else { panic!("{entries:?}") };
    assert_eq!((device, protocol, at), (world.mail.device, Protocol::Submission, NOW));
    // The client has not heard the 250 and tries again.
    assert_eq!(world.submit(&message("1", "hi")).copy, SentCopy::WasThere);
    assert_eq!(world.look("Sent").len(), 1);
}

#[test]
fn a_device_that_saves_nothing_saves_nothing() {
    let world = World::new();
    let original = world.deliver(&message("1", "hi"));
    world.account.set_saves_sent(world.imap, world.mail.device, false).unwrap();
    let head = world.account.head().unwrap();
    assert_eq!(outcome(world.submit(&message("2", "hi"))), (SentCopy::Off, 0));
    assert_eq!(world.account.head().unwrap(), head);
    let answer = format!("In-Reply-To: <1@x>\r\n{}", message("3", "hi"));
    assert_eq!(outcome(world.submit(&answer)), (SentCopy::Off, 1));
    assert_eq!((world.look("Sent").len(), world.flags("INBOX")), (0, vec!["\\Answered".to_owned()]));
    assert_eq!(world.account.message_history(original).unwrap().len(), 2);
}

#[test]
fn the_same_upload_is_the_copy_that_is_there() {
    let world = World::new();
    let first = saved(&world.submit(&message("1", "hi")));
    let head = world.account.head().unwrap();
    assert_eq!(world.append("Sent", &message("1", "hi")), first);
    assert_eq!(world.account.head().unwrap(), head);
    // It gets the flags that the program gives it.
    let again = world.append_as(world.imap, "Sent", &message("1", "hi"), &[SystemFlag::Flagged]);
    assert_eq!((again.uid, again.modseq), (first.uid, ModSeq(head.0 + 1)));
    assert_eq!(world.flags("Sent"), ["\\Flagged \\Seen"]);
    // A large body is an object, and none is left behind.
    let large = message("2", &"x".repeat(store::INLINE_BYTES_MAX));
    world.submit(&large);
    world.append("Sent", &large);
    world.submit(&large);
    assert_eq!((world.look("Sent").len(), world.objects()), (2, 1));
}

#[test]
fn a_programs_own_copy_takes_the_place_of_ours() {
    let world = World::new();
    let first = saved(&world.submit(&message("1", "hi")));
    let flagged = FlagChange {
        mode: FlagMode::Add,
        flags: Flags { keywords: vec!["$Label1".into()], ..Flags::system(&[SystemFlag::Flagged]) },
        unchanged_since: None,
    };
    world.account.change_flags(world.imap, first.mailbox, vec![first.uid], flagged).unwrap();
    // Thunderbird keeps Bcc in its copy only.
    let own = format!("Bcc: c@x\r\nX-Mozilla-Keys: \r\n{}", message("1", "hi")).replace("\r\n", "\n");
    let appended = world.append("Sent", &own);
    assert_eq!(world.look("Sent"), [(2, own.clone(), "\\Flagged \\Seen $Label1".into())]);
    assert_ne!(appended.email, first.email);
    // No device has removed ours.
    assert_eq!(world.account.retained_by_device().unwrap().keys().copied().collect::<Vec<_>>(), [DeviceId(0)]);
    // Now it is the program's: what it uploads once more is one more, and what is submitted again is there.
    assert_eq!(world.submit(&message("1", "hi")).copy, SentCopy::WasThere);
    world.append("Sent", &own);
    assert_eq!(world.bodies("Sent"), [own.clone(), own]);
}

#[test]
fn a_programs_own_copy_was_refused_because_ours_has_a_keyword_for_which_there_is_no_room() {
    let world = World::new();
    let flag = |at: Appended, keyword: &str| {
        let flags = Flags { keywords: vec![keyword.into()], ..Flags::system(&[SystemFlag::Flagged]) };
        let change = FlagChange { mode: FlagMode::Replace, flags, unchanged_since: None };
        world.account.change_flags(world.imap, at.mailbox, vec![at.uid], change).unwrap();
    };
    let full = world.append("Archive", "x");
    (0..KEYWORDS_MAX).for_each(|n| flag(full, &format!("k{n}")));
    let own = |id: &str| format!("Bcc: c@x\r\n{}", message(id, "hi"));
    for id in ["1", "2"] {
        flag(saved(&world.submit(&message(id, "hi"))), "$Label1");
    }
    world.append("Archive", &own("1"));
    let draft = world.append("Drafts", &own("2"));
    world.account.copy(world.imap, draft.mailbox, vec![draft.uid], full.mailbox).unwrap();
    assert_eq!(world.bodies("Archive")[1..], [own("1"), own("2")]);
    assert_eq!(world.flags("Archive")[1..], ["\\Flagged \\Seen", "\\Flagged \\Seen"]);
    assert_eq!(world.bodies("Sent"), [""; 0]);
}

#[test]
fn bcc_that_only_we_have_is_kept() {
    let world = World::new();
    let with = format!("Bcc: c@x\r\n{}", message("1", "hi"));
    let first = saved(&world.submit(&with));
    assert_eq!(world.append("Sent", &message("1", "hi")), first);
    assert_eq!(world.bodies("Sent"), [with]);
}

#[test]
fn an_upload_before_the_submission_is_the_copy() {
    let world = World::new();
    world.append("Sent", &message("1", "hi"));
    assert_eq!(world.submit(&message("1", "hi")).copy, SentCopy::WasThere);
    assert_eq!(world.look("Sent").len(), 1);
    // Wherever programs file it; but a draft is not sent, and what is thrown away is not kept.
    world.append("Archive", &message("2", "hi"));
    assert_eq!(world.submit(&message("2", "hi")).copy, SentCopy::WasThere);
    for (mailbox, id) in [("Drafts", "3"), ("Trash", "4")] {
        world.append(mailbox, &message(id, "hi"));
        saved(&world.submit(&message(id, "hi")));
        assert_eq!(world.look(mailbox).len(), 1);
    }
    // Somebody else's copy of it is not ours.
    world.deliver(&message("5", "hi"));
    saved(&world.submit(&message("5", "hi")));
}

#[test]
fn our_copy_is_where_the_program_files_it() {
    let world = World::new();
    world.account.create_mailbox(world.imap, "Sent Items", None).unwrap();
    let first = saved(&world.submit(&message("1", "hi")));
    let moved = world.append("Sent Items", &message("1", "hi"));
    assert_eq!((moved.email, moved.mailbox), (first.email, world.mailbox("Sent Items")));
    assert_eq!((world.look("Sent").len(), world.look("Sent Items").len()), (0, 1));
    // A copy of its own there takes the place of ours here.
    world.submit(&message("2", "hi"));
    world.append("Sent Items", &format!("X-A: b\r\n{}", message("2", "hi")));
    assert_eq!((world.look("Sent").len(), world.look("Sent Items").len()), (0, 2));
}

#[test]
fn any_mailbox_will_do_for_a_quarter_of_an_hour() {
    let later = |world: &World, millis: i64| Actor { now: Timestamp(NOW.0 + millis), ..world.imap };
    let check = |mailbox: &str, millis: i64, in_sent: usize| {
        let world = World::new();
        world.submit(&message("1", "hi"));
        world.append_as(later(&world, millis), mailbox, &message("1", "hi"), &[]);
        assert_eq!(world.look("Sent").len(), in_sent, "{mailbox} after {millis} ms");
    };
    check("Archive", 15 * MINUTE, 0);
    check("Archive", 15 * MINUTE + 1, 1);
    check("INBOX", MINUTE, 0);
    check("Sent", 365 * 24 * 60 * MINUTE, 1);
    for mailbox in ["Drafts", "Trash", "Junk"] {
        check(mailbox, 0, 1);
    }
}

#[test]
fn different_messages_are_never_joined() {
    let world = World::new();
    world.submit(&message("1", "one"));
    saved(&world.submit(&message("1", "two")));
    world.append("Sent", &message("1", "three"));
    world.append("Sent", &message("1", "one").replace("b@x", "c@x"));
    assert_eq!(world.look("Sent").len(), 4);
    // Without Message-ID and Date nothing is the same; a script sends the same words every day.
    let bare = "From: a@x\r\n\r\nthe backup is done\r\n";
    for day in 0..2 {
        let added = format!("Date: {day}\r\nMessage-ID: <{day}@server>\r\n");
        saved(&world.submit_given(&added, bare).unwrap());
    }
    world.append("Sent", bare);
    assert_eq!(world.look("Sent").len(), 7);
}

/// Mutt writes the Date of its copy when it files it.
#[test]
fn a_copy_of_a_second_later_is_the_same_message() {
    let world = World::new();
    world.submit(&message("1", "one"));
    let copy = message("1", "one").replace("today", "a second later");
    world.append("Sent", &copy);
    assert_eq!(world.bodies("Sent"), [copy]);
}

#[test]
fn a_program_that_leaves_the_message_id_to_us_is_known_by_the_date() {
    let world = World::new();
    let original = "Date: today\r\nFrom: a@x\r\n\r\nhi\r\n";
    world.submit_given("Message-ID: <1@server>\r\n", original).unwrap();
    // Tries again: the server gives another.
    let again = world.submit_given("Message-ID: <2@server>\r\n", original).unwrap();
    assert_eq!(again.copy, SentCopy::WasThere);
    world.append("Sent", original);
    assert_eq!(world.bodies("Sent"), [format!("Message-ID: <1@server>\r\n{original}")]);
}

#[test]
fn what_the_owner_removed_may_be_uploaded_again() {
    let world = World::new();
    world.submit(&message("1", "hi"));
    world.expunge_all("Sent");
    world.append("Sent", &message("1", "hi"));
    assert_eq!(world.look("Sent").len(), 1);
    // In the trash it is as good as gone.
    saved(&world.submit(&message("2", "hi")));
    let (sent, trash) = (world.mailbox("Sent"), world.mailbox("Trash"));
    world.account.move_messages(world.imap, sent, vec![Uid(3)], trash).unwrap();
    world.append("Sent", &message("2", "hi"));
    assert_eq!((world.look("Sent").len(), world.look("Trash").len()), (2, 1));
    // And one that is about to be removed is no copy either.
    saved(&world.submit(&message("3", "hi")));
    let change =
        FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Deleted]), unchanged_since: None };
    let uid = Uid(world.look("Sent").last().unwrap().0);
    world.account.change_flags(world.imap, sent, vec![uid], change).unwrap();
    world.append("Sent", &message("3", "hi"));
    assert_eq!(world.look("Sent").len(), 4);
}

#[test]
fn a_draft_that_moves_to_sent_takes_the_place_of_ours() {
    let world = World::new();
    let (drafts, sent) = (world.mailbox("Drafts"), world.mailbox("Sent"));
    for (n, is_move) in [(1, true), (2, false)] {
        let id = n.to_string();
        let draft = world.append("Drafts", &format!("X-Uid: 7\r\n{}", message(&id, "hi")));
        let ours = saved(&world.submit(&message(&id, "hi")));
        match is_move {
            true => world.account.move_messages(world.imap, drafts, vec![draft.uid], sent).unwrap(),
            false => world.account.copy(world.imap, drafts, vec![draft.uid], sent).unwrap(),
        };
        assert_eq!(world.look("Sent").len(), n);
        assert!(world.look("Sent").iter().all(|(uid, ..)| *uid != ours.uid.0));
        assert_eq!(world.flags("Sent")[n - 1], "\\Seen");
    }
    // A copy of ours itself is a copy.
    let ours = saved(&world.submit(&message("3", "hi")));
    let archive = world.mailbox("Archive");
    world.account.copy(world.imap, sent, vec![ours.uid], archive).unwrap();
    assert_eq!((world.look("Sent").len(), world.look("Archive").len()), (3, 1));
}

#[test]
fn an_answer_flags_what_it_answers_everywhere_and_nothing_else() {
    let world = World::new();
    let original = world.deliver(&message("1", "hi"));
    world.deliver(&message("2", "hi"));
    let (inbox, archive) = (world.mailbox("INBOX"), world.mailbox("Archive"));
    world.account.copy(world.imap, inbox, vec![Uid(1)], archive).unwrap();
    // The copy that came over a list is the same message to people.
    world.deliver(&format!("List-Id: l\r\n{}", message("1", "hi")));
    let head = world.account.head().unwrap();
    let answer = format!("In-Reply-To: <1@x>\r\n{}", message("9", "yes"));
    assert_eq!(world.submit(&answer).flagged, 3);
    assert_eq!(world.flags("INBOX"), ["\\Answered", "", "\\Answered"]);
    assert_eq!(world.flags("Archive"), ["\\Answered"]);
    let entries = world.journal_since(head);
    assert!(entries.iter().all(|entry| entry.device == world.mail.device && entry.protocol == Protocol::Submission));
    assert_eq!(entries.len(), 3, "Sent, INBOX, Archive: {entries:?}");
    assert_eq!(world.account.message_history(original).unwrap().len(), 4);
    // Once.
    let head = world.account.head().unwrap();
    assert_eq!(outcome(world.submit(&answer)), (SentCopy::WasThere, 0));
    assert_eq!(world.journal_since(head), []);
}

#[test]
fn a_forward_gets_its_keyword_where_there_is_room_for_one() {
    let world = World::new();
    world.deliver(&message("1", "hi"));
    let forward = |id: &str| format!("X-Forwarded-Message-Id: <1@x>\r\n{}", message(id, "see"));
    assert_eq!(world.submit(&forward("2")).flagged, 1);
    assert_eq!(world.flags("INBOX"), ["$Forwarded"]);

    let full = World::new();
    full.deliver(&message("1", "hi"));
    for n in 0..KEYWORDS_MAX {
        let flags = Flags { keywords: vec![format!("k{n}")], ..Flags::default() };
        let change = FlagChange { mode: FlagMode::Replace, flags, unchanged_since: None };
        full.account.change_flags(full.imap, full.mailbox("INBOX"), vec![Uid(1)], change).unwrap();
    }
    let submitted = full.submit(&format!("In-Reply-To: <1@x>\r\n{}", forward("2").replace("s\r\n", "Re: s\r\n")));
    saved(&submitted);
    assert_eq!(submitted.flagged, 1);
    assert!(full.flags("INBOX")[0].starts_with("\\Answered"));
}

#[test]
fn a_stranger_with_the_same_message_id_does_not_hide_the_original() {
    let world = World::new();
    world.deliver(&message("1", "the original"));
    for n in 0..70 {
        world.deliver(&message("1", &format!("noise {n}")));
    }
    world.submit(&format!("In-Reply-To: <1@x>\r\n{}", message("2", "yes")));
    let flags = world.flags("INBOX");
    assert_eq!((flags[0].as_str(), flags[63].as_str(), flags[64].as_str()), ("\\Answered", "\\Answered", ""));
}

#[test]
fn what_cannot_be_kept_is_said_and_the_flags_are_set_all_the_same() {
    let world = World::new();
    world.deliver(&message("1", "hi"));
    // No mailbox for it, and no more mailboxes.
    world.account.delete_mailbox(world.imap, "Sent").unwrap();
    for n in 0..store::MAILBOXES_MAX {
        if world.account.create_mailbox(world.imap, &format!("m{n}"), None).is_err() {
            break;
        }
    }
    let submitted = world.submit(&format!("In-Reply-To: <1@x>\r\n{}", message("2", &"x".repeat(200_000))));
    assert!(matches!(submitted.copy, SentCopy::Refused(Error::Limit(_))), "{submitted:?}");
    assert_eq!((submitted.flagged, world.objects()), (1, 0));
    assert_eq!(world.flags("INBOX"), ["\\Answered"]);
}

#[test]
fn sent_is_made_where_there_is_none() {
    let world = World::new();
    world.account.delete_mailbox(world.imap, "Sent").unwrap();
    world.submit(&message("1", "hi"));
    assert_eq!(world.look("Sent").len(), 1);
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_nothing() {
    let world = World::new();
    world.deliver(&message("1", "hi"));
    let answer = format!("In-Reply-To: <1@x>\r\n{}", message("2", &"x".repeat(200_000)));
    // Commits: the index, the submission.
    world.engine.plan(1, Fault::Full);
    assert!(matches!(world.submit_given("", &answer), Err(Error::NoSpace(_))));
    assert_eq!((world.look("Sent").len(), world.objects(), world.flags("INBOX")), (0, 0, vec![String::new()]));
    assert_eq!(world.submit(&answer).flagged, 1);
}

#[test]
fn a_lost_answer_and_a_crash_double_nothing() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let dead = World::new();
        dead.engine.plan(0, fault);
        assert!(matches!(dead.submit_given("", &message("1", "hi")), Err(Error::Fault(_))));
        // The same after its start.
        let (engine, objects) = (dead.engine.crash(), dead.objects.crash());
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        let account = store.account(AccountId(16));
        let world = World { engine, objects, store, account, mail: dead.mail, imap: dead.imap };
        std::mem::forget(dead);
        world.submit(&message("1", "hi"));
        world.append("Sent", &message("1", "hi"));
        assert_eq!(world.look("Sent").len(), 1, "{fault:?}");
    }
}

#[test]
fn undo_takes_flags_back_and_brings_no_second_copy() {
    let world = World::new();
    world.deliver(&message("1", "hi"));
    let answer = format!("In-Reply-To: <1@x>\r\n{}", message("2", "yes"));
    world.submit(&answer);
    world.append("Sent", &format!("Bcc: c@x\r\n{answer}"));
    let what = UndoWhat::Device { device: world.mail.device, since: NOW };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    let report = world.account.undo(world.imap, request).unwrap();
    assert_eq!((report.restored, report.reflagged, report.removed), (0, 1, 0));
    assert_eq!((world.flags("INBOX"), world.look("Sent").len()), (vec![String::new()], 1));
    let what = UndoWhat::Undo(report.entry.unwrap());
    world.account.undo(world.imap, UndoRequest { what, ..request }).unwrap();
    assert_eq!((world.flags("INBOX"), world.look("Sent").len()), (vec!["\\Answered".to_owned()], 1));
}

#[test]
fn the_index_goes_with_the_message() {
    let world = World::new();
    world.submit_given("Message-ID: <1@server>\r\n", "Date: today\r\n\r\nhi\r\n").unwrap();
    world.deliver(&message("2", "hi"));
    assert_eq!(world.rows(b'I'), 2);
    assert_eq!((world.account.index_message_ids(9).unwrap(), world.account.index_message_ids(9).unwrap()), (2, 0));
    assert_eq!(world.rows(b'I'), 3);
    world.expunge_all("Sent");
    world.expunge_all("INBOX");
    assert_eq!(world.rows(b'I'), 3);
    world.account.purge(Timestamp(NOW.0 + 1)).unwrap();
    assert_eq!(world.rows(b'I'), 0);
}

#[test]
fn a_mailbox_that_is_full_is_told_and_a_copy_takes_no_more_room_than_it_must() {
    let world = World::new();
    saved(&world.submit(&message("1", "hi")));
    let held = world.account.usage().unwrap().bytes;
    let own = format!("X-A: b\r\n{}", message("1", "hi"));
    world.account.set_quota(world.imap, store::Quota::of_bytes(own.len() as u64)).unwrap();
    assert!(held < own.len() as u64);
    world.append("Sent", &message("1", "hi"));
    world.append("Sent", &own);
    assert_eq!(world.bodies("Sent"), [own]);
    let submitted = world.submit(&message("2", &"x".repeat(200_000)));
    assert!(matches!(submitted.copy, SentCopy::Refused(Error::OverQuota { .. })), "{submitted:?}");
    assert_eq!((world.look("Sent").len(), world.objects()), (1, 0));
}

#[test]
fn mail_that_came_in_the_meantime_is_found_a_part_at_a_time() {
    let world = World::new();
    for n in 0..2001 {
        world.deliver(&message(&format!("{n}"), "hi"));
    }
    assert_eq!(world.account.index_message_ids(1).unwrap(), 2000);
    assert_eq!(world.rows(b'I'), 2000);
    assert_eq!(world.submit(&format!("In-Reply-To: <2000@x>\r\n{}", message("a", "yes"))).flagged, 1);
    assert_eq!(world.rows(b'I'), 2002);
}
