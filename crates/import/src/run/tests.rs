//! Imports from a source in memory, which breaks off, changes and lies.

use super::*;
use crate::flags::of_words;
use std::sync::Arc;
use store::check::{self, Depth};
use store::sim::{SimEngine, SimObjects};
use store::{AccountId, Store, UndoRequest, UndoWhat};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ID: AccountId = AccountId(16);
/// Octets of a message at most.
const BYTES_MAX: u64 = 1000;

/// One folder, and how often its server breaks off.
#[derive(Default)]
struct Place {
    validity: u64,
    messages: Vec<(u64, String, Vec<&'static str>)>,
    /// Reads that fail before one succeeds.
    breaks: u32,
    begun: usize,
    reads: usize,
    /// It says that messages are smaller than they are.
    lies: bool,
    /// It says no sizes.
    sizeless: bool,
    /// Of what is read at once so many octets are kept; 0: all.
    room: usize,
    /// Nothing readable is said of these.
    unreadable: Vec<u64>,
    /// Where its folder is to go, if not into one of its name.
    into: Option<&'static str>,
}

impl Place {
    fn with(count: u64) -> Self {
        let messages = (1..=count).map(|mark| (mark, format!("Subject: {mark}\r\n\r\ntext\r\n"), vec!["\\Seen", "x"]));
        Self { validity: 1, messages: messages.collect(), ..Self::default() }
    }
}

impl Source for Place {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        let folder = |name: &str| Folder {
            name: name.to_owned(),
            levels: vec![self.into.unwrap_or(name).to_owned()],
            is_subscribed: true,
            key: name.as_bytes().to_vec(),
            ..Folder::default()
        };
        Ok(vec![folder("Work")])
    }

    fn open(&mut self, _: &Folder) -> Result<Opened, SourceError> {
        Ok(Opened { validity: self.validity, marks: self.messages.iter().map(|(mark, ..)| *mark).collect() })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError> {
        let wanted = self.messages.iter().filter(|(mark, ..)| marks.contains(mark));
        let look = |(mark, text, flags): &(u64, String, Vec<&'static str>)| {
            let (mark, label) = (*mark, format!("UID {mark}"));
            if self.unreadable.contains(&mark) {
                return Err(Unknown { mark, label, why: "unreadable".to_owned() });
            }
            let bytes = if self.lies { 1 } else { text.len() as u64 };
            let flags = of_words(flags.iter().map(|flag| flag.as_bytes()));
            let date = Some(Timestamp::from_unix_seconds(mark as i64));
            Ok(Item { mark, bytes: Some(bytes).filter(|_| !self.sizeless), flags, date, label })
        };
        Ok(wanted.map(look).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        if self.breaks > 0 && self.reads > 0 {
            self.breaks -= 1;
            return Err(SourceError::Broken("it broke".to_owned()));
        }
        self.reads += 1;
        let mut room = if self.room == 0 { usize::MAX } else { self.room };
        let text = |item: &Item| match self.messages.iter().find(|(mark, ..)| *mark == item.mark) {
            None => Content::Missing("gone".to_owned()),
            Some((_, text, _)) if text.len() > room => Content::TooLarge,
            Some((_, text, _)) => {
                room -= text.len();
                Content::Octets(text.clone().into_bytes())
            }
        };
        Ok(items.iter().map(text).collect())
    }

    fn again(&mut self) -> Result<(), SourceError> {
        self.begun += 1;
        Ok(())
    }
}

struct World {
    store: Store,
    account: Account,
    device: DeviceId,
}

impl World {
    fn new() -> Self {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(ID, NOW).unwrap();
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
        let device = account.import_device(actor, "imap://old", "Import").unwrap();
        Self { store, account, device }
    }

    fn import(&self, place: &mut Place) -> (Result<Report, Failure>, Vec<Event>) {
        self.import_but(Known::All, place)
    }

    fn import_but(&self, known: Known<'_>, place: &mut Place) -> (Result<Report, Failure>, Vec<Event>) {
        let mut events = Vec::new();
        let (now, account, device) = (&|| NOW, &self.account, self.device);
        let import = Import { account, device, now, message_bytes_max: BYTES_MAX, only: &[], known };
        let outcome = import.run(place, &mut |event| {
            events.push(event);
            Ok(())
        });
        assert_eq!(check::account(&self.store, ID, Depth::Bodies).unwrap(), []);
        (outcome, events)
    }

    fn brings(&self, place: &mut Place) -> Report {
        self.import(place).0.unwrap()
    }

    /// Subjects, flags and dates in seconds.
    fn work(&self) -> Vec<(String, Flags, i64)> {
        let mailboxes = self.account.mailboxes().unwrap();
        let mailbox = mailboxes.by_name("Work").unwrap();
        assert!(mailbox.subscribed);
        let (view, reader) = (self.account.view(mailbox.id).unwrap(), self.account.reader().unwrap());
        let shown = |entry: &store::Entry| {
            let body = String::from_utf8(reader.body(entry.email).unwrap()).unwrap();
            let subject = body.lines().next().unwrap().to_owned();
            (subject, mailbox.keywords.flags(entry.flags), entry.internal_date.unix_seconds())
        };
        view.index().iter().map(shown).collect()
    }
}

#[test]
fn what_is_new_comes_once_with_its_flags_and_date() {
    let (world, mut place) = (World::new(), Place::with(1200));
    assert_eq!(world.brings(&mut place), Report { brought: 1200, folders: 1, ..Report::default() });
    let work = world.work();
    let flags = of_words([&b"\\Seen"[..], b"x"]);
    let expected: Vec<_> = (1..=1200).map(|mark| (format!("Subject: {mark}"), flags.clone(), mark)).collect();
    assert_eq!(work, expected);
    let reads = place.reads;
    assert_eq!(world.brings(&mut place), Report { known: 1200, folders: 1, ..Report::default() });
    assert_eq!((world.work(), place.reads), (work, reads), "nothing is read again");
}

#[test]
fn what_an_account_has_anyway_came_a_second_time_out_of_salvaged_mail() {
    let (world, mut place) = (World::new(), Place::with(1200));
    let here: HashSet<_> =
        place.messages[..600].iter().map(|(_, text, _)| ContentDigest::of(text.as_bytes())).collect();
    place.breaks = 1;
    for brought in [600, 0] {
        let (report, _) = world.import_but(Known::OrHere(&here), &mut place);
        assert_eq!(report.unwrap(), Report { brought, known: 1200 - brought, folders: 1, ..Report::default() });
        assert_eq!(world.work()[0].0, "Subject: 601");
    }
}

#[test]
fn until_the_switch_new_mail_and_new_flags_come_and_nothing_goes() {
    let (world, mut place) = (World::new(), Place::with(3));
    world.brings(&mut place);
    place.messages[0].2 = vec!["\\Flagged"];
    place.messages.remove(1);
    place.messages.push((9, "Subject: 9\r\n\r\n".to_owned(), vec![]));
    let report = world.brings(&mut place);
    assert_eq!(report, Report { brought: 1, known: 2, reflagged: 1, vanished: 1, folders: 1, ..Report::default() });
    let work = world.work();
    assert_eq!(work[0].1, of_words([&b"\\Flagged"[..]]));
    assert_eq!(
        work.iter().map(|one| one.0.as_str()).collect::<Vec<_>>(),
        ["Subject: 1", "Subject: 2", "Subject: 3", "Subject: 9"]
    );
    assert_eq!(world.brings(&mut place), Report { known: 3, vanished: 1, folders: 1, ..Report::default() });
}

#[test]
fn flags_that_changed_here_alone_stay() {
    let (world, mut place) = (World::new(), Place::with(1));
    world.brings(&mut place);
    let mailbox = world.account.mailboxes().unwrap().by_name("Work").unwrap().id;
    let change = FlagChange { mode: FlagMode::Replace, flags: of_words([&b"\\Answered"[..]]), unchanged_since: None };
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
    world.account.change_flags(actor, mailbox, vec![Uid(1)], change).unwrap();
    assert_eq!(world.brings(&mut place).reflagged, 0);
    assert_eq!(world.work()[0].1, of_words([&b"\\Answered"[..]]));
}

#[test]
fn a_folder_with_new_uids_is_not_brought_twice() {
    let (world, mut place) = (World::new(), Place::with(3));
    place.messages[2].1 = place.messages[1].1.clone();
    world.brings(&mut place);
    place.validity = 2;
    place.messages.iter_mut().for_each(|message| message.0 += 100);
    place.messages.push((200, "Subject: new\r\n\r\n".to_owned(), vec![]));
    assert_eq!(world.brings(&mut place), Report { brought: 1, known: 3, folders: 1, ..Report::default() });
    assert_eq!(world.work().len(), 4);
    assert_eq!(world.brings(&mut place), Report { known: 4, folders: 1, ..Report::default() });
}

#[test]
fn what_was_moved_or_removed_here_does_not_come_again_when_uids_are_others() {
    let (world, mut place) = (World::new(), Place::with(4));
    // Two of the same content are two.
    place.messages[3].1 = place.messages[0].1.clone();
    world.brings(&mut place);
    let mailbox = |name: &str| world.account.mailboxes().unwrap().by_name(name).unwrap().id;
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
    world.account.move_messages(actor, mailbox("Work"), vec![Uid(2)], mailbox("Archive")).unwrap();
    let deleted = of_words([&b"\\Deleted"[..]]);
    let change = FlagChange { mode: FlagMode::Add, flags: deleted, unchanged_since: None };
    world.account.change_flags(actor, mailbox("Work"), vec![Uid(1), Uid(3)], change).unwrap();
    world.account.expunge(actor, mailbox("Work"), store::Expunge::AllDeleted).unwrap();
    place.validity = 2;
    place.messages.iter_mut().for_each(|message| message.0 += 100);
    place.messages.push((200, "Subject: new\r\n\r\n".to_owned(), vec![]));
    assert_eq!(world.brings(&mut place), Report { brought: 1, known: 4, folders: 1, ..Report::default() });
    assert_eq!(world.work().iter().map(|one| one.0.as_str()).collect::<Vec<_>>(), ["Subject: 1", "Subject: new"]);
    place.validity = 3;
    place.messages.iter_mut().for_each(|message| message.0 += 100);
    assert_eq!(world.brings(&mut place), Report { known: 5, folders: 1, ..Report::default() });
}

#[test]
fn what_is_refused_takes_nothing_of_what_is_known_by_its_content() {
    let (world, mut place) = (World::new(), Place::with(3));
    world.brings(&mut place);
    place.validity = 2;
    place.messages.iter_mut().for_each(|message| message.0 += 100);
    place.messages.push((200, "Subject: \0\r\n\r\n".to_owned(), vec![]));
    // The piece is refused for the sake of one, and each comes by itself.
    assert_eq!(world.brings(&mut place), Report { known: 3, refused: 1, folders: 1, ..Report::default() });
    assert_eq!(world.work().len(), 3);
}

#[test]
fn a_message_that_cannot_be_read_is_told_and_tried_again() {
    let (world, mut place) = (World::new(), Place::with(3));
    place.unreadable = vec![2];
    let (outcome, events) = world.import(&mut place);
    assert_eq!(outcome, Ok(Report { brought: 2, refused: 1, folders: 1, ..Report::default() }));
    let (folder, message, why) = ("Work".to_owned(), "UID 2".to_owned(), "unreadable".to_owned());
    assert!(events.contains(&Event::Refused { folder, message, why }), "{events:?}");
    place.unreadable.clear();
    assert_eq!(world.brings(&mut place), Report { brought: 1, known: 2, folders: 1, ..Report::default() });
    // Of what is here already nothing is lost if its flags cannot be read.
    place.unreadable = vec![2];
    assert_eq!(world.brings(&mut place), Report { known: 3, folders: 1, ..Report::default() });
}

#[test]
fn sizes_that_nobody_says_or_that_are_wrong_refuse_no_message() {
    for (sizeless, lies) in [(true, false), (false, true)] {
        let (world, mut place) = (World::new(), Place::with(6));
        place.messages[1].1 = "x".repeat(BYTES_MAX as usize);
        place.messages[3].1 = "y".repeat(BYTES_MAX as usize + 1);
        // As a connection keeps it: one message of any size, or as many smaller ones.
        (place.sizeless, place.lies, place.room) = (sizeless, lies, BYTES_MAX as usize);
        assert_eq!(world.brings(&mut place), Report { brought: 5, refused: 1, folders: 1, ..Report::default() });
        assert_eq!(world.work().len(), 5);
    }
}

#[test]
fn flags_that_there_was_no_room_for_are_tried_again() {
    let (world, mut place) = (World::new(), Place::with(2));
    world.brings(&mut place);
    let long: &'static str = Box::leak("k".repeat(store::KEYWORD_BYTES_MAX + 1).into_boxed_str());
    (place.messages[0].2, place.messages[1].2) = (vec![long], vec!["\\Flagged"]);
    for reflagged in [1, 0] {
        let (outcome, events) = world.import(&mut place);
        assert_eq!(outcome, Ok(Report { known: 2, reflagged, folders: 1, ..Report::default() }));
        let is_told =
            |event: &&Event| matches!(event, Event::Refused { message, .. } if message == "flags that changed");
        assert_eq!(events.iter().filter(is_told).count(), 1);
    }
    place.messages[0].2 = vec!["short"];
    assert_eq!(world.brings(&mut place).reflagged, 1);
    assert_eq!(world.work()[0].1, of_words([&b"short"[..]]));
}

#[test]
fn a_server_that_breaks_off_is_asked_again_and_nothing_is_doubled() {
    let (world, mut place) = (World::new(), Place::with(1200));
    place.breaks = 1;
    let (outcome, events) = world.import(&mut place);
    assert_eq!(outcome, Ok(Report { brought: 1200, folders: 1, ..Report::default() }));
    assert!(events.contains(&Event::Waiting { why: "it broke".to_owned(), seconds: 1 }), "{events:?}");
    assert_eq!((place.begun, world.work().len()), (1, 1200));
}

#[test]
fn what_is_refused_is_told_and_the_rest_goes_on() {
    let (world, mut place) = (World::new(), Place::with(5));
    place.messages[0].1 = "x".repeat(BYTES_MAX as usize + 1);
    place.messages[1].1 = "Subject: \0\r\n\r\n".to_owned();
    place.messages[2].1 = String::new();
    place.messages[3].1 = "x".repeat(BYTES_MAX as usize);
    let (outcome, events) = world.import(&mut place);
    assert_eq!(outcome, Ok(Report { brought: 2, refused: 3, folders: 1, ..Report::default() }));
    let refused = events.iter().filter_map(|event| match event {
        Event::Refused { message, why, .. } => Some((message.as_str(), why.contains("octets") || why.contains("NUL"))),
        _ => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), [("UID 1", true), ("UID 3", false), ("UID 2", true)]);
    assert_eq!(world.brings(&mut place), Report { known: 2, refused: 3, folders: 1, ..Report::default() });
}

#[test]
fn a_server_that_lies_about_sizes_brings_nothing_that_is_too_large() {
    let (world, mut place) = (World::new(), Place::with(3));
    (place.messages[1].1, place.lies) = ("x".repeat(BYTES_MAX as usize + 1), true);
    assert_eq!(world.brings(&mut place), Report { brought: 2, refused: 1, folders: 1, ..Report::default() });
}

#[test]
fn the_quota_holds_and_what_fits_comes() {
    let (world, mut place) = (World::new(), Place::with(4));
    place.messages[1].1 = "x".repeat(900);
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
    world.account.set_quota(actor, store::Quota::of_bytes(200)).unwrap();
    assert_eq!(world.brings(&mut place), Report { brought: 3, refused: 1, folders: 1, ..Report::default() });
    world.account.set_quota(actor, store::Quota::default()).unwrap();
    assert_eq!(world.brings(&mut place), Report { brought: 1, known: 3, folders: 1, ..Report::default() });
}

#[test]
fn a_message_with_too_many_keywords_comes_without_them() {
    let (world, mut place) = (World::new(), Place::with(2));
    let long: &'static str = Box::leak("k".repeat(store::KEYWORD_BYTES_MAX + 1).into_boxed_str());
    place.messages[0].2 = vec!["\\Seen", long];
    let (outcome, events) = world.import(&mut place);
    assert_eq!(outcome.unwrap().brought, 2);
    assert!(
        events.iter().any(|event| matches!(event, Event::Refused { why, .. } if why.contains("without its keywords")))
    );
    let mut flags: Vec<Flags> = world.work().into_iter().map(|one| one.1).collect();
    flags.sort_by_key(|flags| flags.keywords.len());
    assert_eq!(flags, [of_words([&b"\\Seen"[..]]), of_words([&b"\\Seen"[..], b"x"])]);
}

#[test]
fn the_timeline_tells_it_and_undo_takes_it_back() {
    let (world, mut place) = (World::new(), Place::with(600));
    world.brings(&mut place);
    let what = UndoWhat::Device { device: world.device, since: Timestamp(0) };
    let request = UndoRequest { what, mailbox: None, email: None, relist: false, dry_run: false };
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
    assert_eq!(world.account.undo(actor, request).unwrap().removed, 600);
    assert_eq!(world.work(), []);
    assert_eq!(world.brings(&mut place), Report { known: 600, folders: 1, ..Report::default() });
}

#[test]
fn pieces_are_as_large_as_a_commit_takes() {
    let item = |bytes| Item { mark: 1, bytes: Some(bytes), flags: Flags::default(), date: None, label: String::new() };
    let sizes = |bytes: &[u64]| {
        let items: Vec<Item> = bytes.iter().copied().map(item).collect();
        pieces(&items).map(<[Item]>::len).collect::<Vec<_>>()
    };
    let max = APPENDING_PIECE_BYTES_MAX as u64;
    assert_eq!(sizes(&[max, 1, max - 1, 1]), [1, 2, 1]);
    assert_eq!(sizes(&[max * 3, max * 3]), [1, 1]);
    assert_eq!(sizes(&[1; 2 * PIECE_MESSAGES_MAX + 1]), [PIECE_MESSAGES_MAX, PIECE_MESSAGES_MAX, 1]);
    assert_eq!(sizes(&[]), [0; 0]);
}

#[test]
fn a_folder_that_was_to_go_into_another_mailbox_brought_nothing_and_nobody_was_told() {
    let (mut world, mut place) = (World::new(), Place::with(3));
    let elsewhere = |events: Vec<Event>| {
        let of = |event: Event| match event {
            Event::Elsewhere { mailbox, messages, .. } => Some((mailbox, messages)),
            _ => None,
        };
        events.into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(elsewhere(world.import(&mut place).1), []);
    place.into = Some("Old");
    let (outcome, events) = world.import(&mut place);
    assert_eq!(outcome.unwrap(), Report { known: 3, folders: 1, ..Report::default() });
    assert_eq!(elsewhere(events), [(Some("Work".to_owned()), 3)]);
    // As it is said there.
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: NOW };
    world.account.revoke_device(actor, world.device).unwrap();
    world.device = world.account.import_device(actor, "imap://old", "Import").unwrap();
    let (outcome, events) = world.import(&mut place);
    assert_eq!((outcome.unwrap().brought, elsewhere(events)), (3, vec![]));
}
