//! What was backed up comes back as it was, each part is written once, and damage is seen.

#![allow(clippy::unwrap_used)]

use backup::{Beside, Clock, Copied, Directory, Error, Key, Pace, Place, Repository, Reread, SHARES, Step};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::check::Depth;
use store::engine::{Engine, KEY_BYTES_MAX};
use store::objects::Objects;
use store::sim::{SimEngine, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, FlagChange, FlagMode, Flags, NewMessage, Protocol, Store, SystemFlag, TableId,
    Target, Timestamp, Uid,
};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const LATER: Timestamp = Timestamp(NOW.0 + 3_600_000);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
const ALICE: AccountId = AccountId(16);

struct Server {
    engine: SimEngine,
    objects: SimObjects,
    store: Store,
}

impl Server {
    fn new() -> Self {
        let (engine, objects) = (SimEngine::new(), SimObjects::new());
        let store = Store::new(Arc::new(engine.clone()), Arc::new(objects.clone()));
        Self { engine, objects, store }
    }

    /// Two accounts, the directory and the queue.
    fn with_mail() -> Self {
        let server = Self::new();
        for id in [ALICE, AccountId(17)] {
            let account = server.store.create_account(id, NOW).unwrap();
            for n in 0..200 {
                append(&account, &message(n, 2000));
            }
            append(&account, &message(200, 300_000));
        }
        for table in [TableId::Directory, TableId::Queue, TableId::Sessions] {
            let put = |tx: &mut store::TableTx<'_>| -> Result<(), store::Error> {
                tx.put(b"row", vec![1, 2, 3]);
                Ok(())
            };
            server.store.table(table).change(put).unwrap();
        }
        server
    }

    fn alice(&self) -> Account {
        self.store.account(ALICE)
    }

    fn take(&self, repository: &Repository, now: Timestamp) -> Copied {
        self.try_to_take(repository, (now, Reread::Share)).unwrap()
    }

    fn try_to_take(&self, repository: &Repository, how: (Timestamp, Reread)) -> Result<Copied, Error> {
        let beside = Beside { directory: Path::new("/"), names: &[] };
        repository.take(&self.store, &beside, how, &mut |_| Ok(()))
    }

    /// All rows of a keyspace but those that change when they come back.
    fn rows(&self, keyspace: u32) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut rows = BTreeMap::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        };
        self.engine.snapshot(AccountId(keyspace)).unwrap().scan(&[], &[255; KEY_BYTES_MAX], &mut visit).unwrap();
        rows
    }
}

fn message(n: u32, bytes: usize) -> Vec<u8> {
    let text: String = (0..bytes / 70).map(|line| format!("{:070}\r\n", u64::from(n) << 32 | line as u64)).collect();
    format!("From: a@example.net\r\nSubject: {n}\r\nMessage-ID: <{n}@example.net>\r\n\r\n{text}").into_bytes()
}

fn append(account: &Account, body: &[u8]) {
    let message = NewMessage { body: body.to_vec(), flags: Flags::default(), internal_date: NOW };
    account.append(ACTOR, Target::Inbox, message).unwrap();
}

fn repository() -> (TempDir, Repository) {
    let place = tempfile::tempdir().unwrap();
    let repository = Repository::create(&place.path().join("backups"), None).unwrap();
    (place, repository)
}

/// The same with a key, and where it lies.
fn encrypted() -> (TempDir, Repository, Key) {
    let place = tempfile::tempdir().unwrap();
    let key = Key::write_new(&place.path().join("key")).unwrap();
    let repository = Repository::create(&place.path().join("backups"), Some(&key)).unwrap();
    (place, repository, key)
}

fn findings(repository: &Repository) -> Vec<String> {
    repository.check(None, &mut |_| Ok(())).unwrap().findings
}

fn restored(repository: &Repository, name: Option<&str>, with_queue: bool) -> Server {
    let server = Server::new();
    repository.restore(name, (&server.engine, &server.objects), (with_queue, LATER), &mut |_| Ok(())).unwrap();
    server
}

fn files(below: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn what_was_backed_up_comes_back() {
    let ((_place, repository), server) = (repository(), Server::with_mail());
    let Copied { taken, bytes, .. } = server.take(&repository, NOW);
    assert_eq!((taken.accounts, bytes > 600_000), (2, true), "{taken:?} {bytes}");
    let back = restored(&repository, None, false);
    assert_eq!(store::check::all(&back.store, Depth::Bodies).unwrap(), []);
    for id in [16, 17] {
        let differ = |(key, value): &(&Vec<u8>, &Vec<u8>)| server.rows(id).get(*key) != Some(*value);
        let rows = back.rows(id);
        assert_eq!(rows.len(), server.rows(id).len());
        let changed: Vec<u8> = rows.iter().filter(differ).map(|(key, _)| key[0]).collect();
        assert!(changed.iter().all(|kind| b"AB".contains(kind)), "rows of other kinds changed: {changed:?}");
        assert_eq!(back.engine.head(AccountId(id)), server.engine.head(AccountId(id)));
    }
    assert_eq!(back.store.table(TableId::Directory).get(b"row").unwrap(), Some(vec![1, 2, 3]));
    assert_eq!(back.store.table(TableId::Queue).get(b"row").unwrap(), None, "it would be sent a second time");
    assert_eq!(back.store.table(TableId::Sessions).get(b"row").unwrap(), None, "nobody stays logged in");
    let with_queue = restored(&repository, None, true);
    assert_eq!(with_queue.store.table(TableId::Queue).get(b"row").unwrap(), Some(vec![1, 2, 3]));
}

#[test]
fn a_snapshot_is_read_as_a_store_that_nothing_is_written_to() {
    let (plain, (sealed_place, sealed, _)) = (repository(), encrypted());
    for (_place, repository) in [plain, (sealed_place, sealed)] {
        let server = Server::with_mail();
        let taken = server.take(&repository, NOW).taken;
        append(&server.alice(), b"Subject: later\r\n\r\n");
        server.take(&repository, LATER);
        let (name, at, opened) = repository.opened(Some(&taken.name)).unwrap();
        assert_eq!((name, at), (taken.name, NOW));
        let store = Store::new(opened.clone(), opened.clone());
        assert_eq!(store::check::all(&store, Depth::Bodies).unwrap(), []);
        let then = restored(&repository, Some(&repository.snapshots().unwrap()[0].as_ref().unwrap().name), true);
        let snapshot = opened.snapshot(ALICE).unwrap();
        let (rows, mut scanned) = (then.rows(16), Vec::new());
        let mut visit = |key: &[u8], _: &[u8]| {
            scanned.push(key.to_vec());
            ControlFlow::Continue(())
        };
        snapshot.scan(&[], &[255; KEY_BYTES_MAX], &mut visit).unwrap();
        assert!(scanned.iter().eq(rows.keys()), "{} rows of {}", scanned.len(), rows.len());
        for (n, key) in scanned.iter().enumerate() {
            assert!(snapshot.get(key).unwrap().is_some(), "row {n}");
            assert_eq!(snapshot.get(&[key, &b"\0"[..]].concat()).unwrap(), None);
            let (mut found, to) = (Vec::new(), scanned.get(n + 3).cloned().unwrap_or(vec![255; KEY_BYTES_MAX]));
            let mut visit = |key: &[u8], _: &[u8]| {
                found.push(key.to_vec());
                ControlFlow::Continue(())
            };
            snapshot.scan(key, &to, &mut visit).unwrap();
            assert_eq!(found, scanned[n..scanned.len().min(n + 3)]);
        }
        let alice = store.account(ALICE);
        let append = NewMessage { body: b"Subject: x\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: NOW };
        assert!(alice.append(ACTOR, Target::Inbox, append).is_err());
        assert!(matches!(repository.prune(1), Err(Error::Refused(_))), "what is read is kept");
    }
}

#[test]
fn numbers_that_devices_have_seen_are_not_given_again() {
    let ((_place, repository), server) = (repository(), Server::with_mail());
    server.take(&repository, NOW);
    // After the backup: a message, and a mailbox, that are lost with the disk.
    append(&server.alice(), b"Subject: lost\r\n\r\n");
    server.alice().create_mailbox(ACTOR, "lost", None).unwrap();
    let mailboxes = |server: &Server| server.alice().mailboxes().unwrap().iter().cloned().collect::<Vec<_>>();
    let before: Vec<_> = mailboxes(&server).iter().map(|mailbox| mailbox.uid_validity).collect();
    let lost = server.alice().view(mailboxes(&server)[0].id).unwrap().index().iter().last().copied().unwrap();
    let back = restored(&repository, None, false);
    let mut seen = before.clone();
    for mailbox in mailboxes(&back) {
        assert!(!seen.contains(&mailbox.uid_validity), "{}", mailbox.name);
        seen.push(mailbox.uid_validity);
    }
    let actor = Actor { now: LATER, ..ACTOR };
    let made = back.alice().create_mailbox(actor, "new", None).unwrap();
    let made = mailboxes(&back).into_iter().find(|mailbox| mailbox.id == made).unwrap();
    assert!(seen.iter().all(|validity| *validity < made.uid_validity), "{seen:?} {:?}", made.uid_validity);
    let message = NewMessage { body: b"Subject: new\r\n\r\n".to_vec(), flags: Flags::default(), internal_date: LATER };
    assert!(back.alice().append(actor, Target::Inbox, message).unwrap().email > lost.email);
}

#[test]
fn only_what_has_changed_is_written() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    let all = server.take(&repository, NOW).bytes;
    assert_eq!(server.take(&repository, LATER).bytes, 0, "nothing has changed");
    append(&server.alice(), &message(201, 2000));
    let flags = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
    let inbox = server.alice().mailboxes().unwrap().by_name("INBOX").unwrap().id;
    server.alice().change_flags(ACTOR, inbox, vec![Uid(7)], flags).unwrap();
    let Copied { taken, bytes, .. } = server.take(&repository, Timestamp(LATER.0 + 1000));
    assert!(bytes > 0 && bytes < all / 2, "{bytes} of {all}");
    let names: Vec<String> = repository.snapshots().unwrap().into_iter().map(|taken| taken.unwrap().name).collect();
    assert_eq!(names.len(), 3);
    assert_eq!(names.last(), Some(&taken.name));
    let now = restored(&repository, None, false);
    assert_eq!(now.alice().view(inbox).unwrap().index().len(), 202);
    let then = restored(&repository, Some(&names[0]), false);
    assert_eq!(then.alice().view(inbox).unwrap().index().len(), 201);
    // The same large body in two accounts lies there once.
    assert_eq!(files(&place.path().join("backups/bodies")).len(), 1);

    let pruned = repository.prune(1).unwrap();
    assert!(pruned.snapshots == 2 && pruned.bytes > 0, "{pruned:?}");
    assert_eq!(store::check::all(&restored(&repository, None, false).store, Depth::Bodies).unwrap(), []);
    let checked = repository.check(None, &mut |_| Ok(())).unwrap();
    assert_eq!((checked.findings.len(), checked.accounts), (0, 2));
    assert_eq!(repository.prune(1).unwrap().bytes, 0, "what is kept was not all needed");
}

#[test]
fn a_body_that_was_half_written_when_it_was_copied_is_copied_whole_the_next_time() {
    let ((_place, repository), server) = (repository(), Server::with_mail());
    let body = message(300, 300_000);
    // As a place for bodies may show one that is on its way: under its name, and not whole.
    let name = format!("{}-0000000000000001", blake3::hash(&body).to_hex());
    server.objects.put(ALICE, &name, &body[..1000]).unwrap();
    server.take(&repository, NOW);
    server.objects.remove(ALICE, &name).unwrap();
    server.objects.put(ALICE, &name, &body).unwrap();
    append(&server.alice(), b"Subject: something has changed\r\n\r\n");
    server.take(&repository, LATER);
    assert_eq!(restored(&repository, None, false).objects.read(ALICE, &name).unwrap(), body);
}

#[test]
fn a_server_that_was_restored_has_other_accounts_behind_the_same_heads() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    let mark = |content: &str| fs::write(place.path().join("restored"), content).unwrap();
    let take = |server: &Server, now: i64| {
        let beside = Beside { directory: place.path(), names: &["restored"] };
        repository.take(&server.store, &beside, (Timestamp(now), Reread::Share), &mut |_| Ok(())).unwrap().taken.name
    };
    let inbox = |server: &Server| server.alice().mailboxes().unwrap().by_name("INBOX").unwrap().id;
    mark("");
    let first = take(&server, NOW.0);
    append(&server.alice(), b"Subject: lost\r\n\r\n");
    take(&server, NOW.0 + 1);
    let back = restored(&repository, Some(&first), false);
    mark("once");
    append(&back.alice(), b"Subject: new\r\n\r\n");
    assert_eq!(back.engine.head(ALICE), server.engine.head(ALICE));
    take(&back, NOW.0 + 2);
    let again = restored(&repository, None, false);
    let last = |server: &Server| {
        let last = server.alice().view(inbox(server)).unwrap().index().iter().last().copied().unwrap();
        server.alice().reader().unwrap().body(last.email).unwrap()
    };
    assert_eq!(String::from_utf8(last(&again)).unwrap(), "Subject: new\r\n\r\n");
}

#[test]
fn what_was_removed_from_the_repository_is_copied_again_and_the_newest_is_the_last() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    server.take(&repository, NOW);
    for directory in ["chunks", "bodies"] {
        let all = files(&place.path().join("backups").join(directory));
        all.iter().step_by(3).for_each(|file| fs::remove_file(file).unwrap());
    }
    server.take(&repository, LATER);
    assert_eq!(repository.check(None, &mut |_| Ok(())).unwrap().findings, Vec::<String>::new());
    let beside = Beside { directory: Path::new("/"), names: &[] };
    let clock_went_back = repository.take(&server.store, &beside, (NOW, Reread::Share), &mut |_| Ok(()));
    assert!(matches!(clock_went_back, Err(Error::Refused(why)) if why.contains("clock")));
}

#[test]
fn each_flipped_bit_is_seen_and_nothing_false_comes_back() {
    let (plain, (sealed_place, sealed, key)) = (repository(), encrypted());
    for (place, repository, key) in [(plain.0, plain.1, None), (sealed_place, sealed, Some(key))] {
        let (server, backups) = (Server::with_mail(), place.path().join("backups"));
        server.take(&repository, NOW);
        // Which share is looked at next is no part of what comes back.
        for file in files(&backups).iter().filter(|file| !file.ends_with("looked")) {
            let whole = fs::read(file).unwrap();
            let mut flipped = whole.clone();
            flipped[whole.len() / 2] ^= 1;
            let cut = whole[..whole.len() - 1].to_vec();
            for content in [Some(flipped), Some(cut), Some(Vec::new()), None] {
                match content {
                    Some(content) => fs::write(file, content).unwrap(),
                    None => fs::remove_file(file).unwrap(),
                }
                let found = Repository::open(&backups, key.as_ref()).and_then(|repository| {
                    let checked = repository.check(None, &mut |_| Ok(()))?;
                    let server = Server::new();
                    let into = (&server.engine as &dyn Engine, &server.objects as &dyn Objects);
                    let restored = repository.restore(None, into, (true, LATER), &mut |_| Ok(()));
                    assert_eq!(checked.findings.is_empty(), restored.is_ok(), "{checked:?} {restored:?}");
                    restored
                });
                assert!(found.is_err(), "{}", file.display());
            }
            fs::write(file, whole).unwrap();
        }
        assert_eq!(findings(&repository), Vec::<String>::new());
    }
}

#[test]
fn damage_in_what_has_not_changed_was_in_all_later_backups() {
    let (plain, (sealed_place, sealed, _)) = (repository(), encrypted());
    for (place, repository) in [plain, (sealed_place, sealed)] {
        let server = Server::with_mail();
        server.take(&repository, NOW);
        let damage = || {
            let content = ["chunks", "bodies"].map(|name| files(&place.path().join("backups").join(name))).concat();
            for (n, file) in content.iter().enumerate() {
                let mut content = fs::read(file).unwrap();
                if n % 2 == 0 {
                    content[n % 40] ^= 0x10;
                } else {
                    content.pop();
                }
                fs::write(file, content).unwrap();
            }
            content.len()
        };
        let damaged = damage();
        assert!(damaged > 10 && !findings(&repository).is_empty());
        let mended: Vec<usize> =
            (1..=i64::from(SHARES)).map(|n| server.take(&repository, Timestamp(NOW.0 + n)).mended).collect();
        assert_eq!(findings(&repository), Vec::<String>::new(), "after {SHARES} backups: {mended:?}");
        assert_eq!(mended.iter().sum::<usize>(), damaged, "{mended:?}");
        damage();
        let copied = server.try_to_take(&repository, (LATER, Reread::All)).unwrap();
        assert_eq!((copied.mended, copied.lost, findings(&repository)), (damaged, 0, Vec::new()));
        assert_eq!(store::check::all(&restored(&repository, None, false).store, Depth::Bodies).unwrap(), []);
    }
}

#[test]
fn a_damaged_list_of_large_bodies_was_in_the_next_backup() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    server.take(&repository, NOW);
    let name = server.objects.list(ALICE).unwrap()[0].0.clone().into_bytes();
    let is_list = |file: &&PathBuf| {
        let content = fs::read(file).unwrap();
        content.len() < 1000 && content.windows(name.len()).any(|at| at == name)
    };
    let chunks = files(&place.path().join("backups/chunks"));
    let lists: Vec<&PathBuf> = chunks.iter().filter(is_list).collect();
    let [list] = lists[..] else { panic!("{lists:?}") };
    // In whichever share it is, and whether its account has changed or not.
    for (n, changes) in [false, false, true, false].into_iter().enumerate() {
        let mut content = fs::read(list).unwrap();
        content[3] ^= 1;
        fs::write(list, content).unwrap();
        if changes {
            append(&server.alice(), b"Subject: changed\r\n\r\n");
        }
        let copied = server.take(&repository, Timestamp(NOW.0 + 1 + n as i64));
        assert_eq!((findings(&repository), copied.mended), (Vec::new(), 1), "{n}");
    }
}

#[test]
fn a_damaged_snapshot_failed_all_later_backups() {
    let (plain, (sealed_place, sealed, _)) = (repository(), encrypted());
    for (place, repository) in [plain, (sealed_place, sealed)] {
        let server = Server::with_mail();
        server.take(&repository, NOW);
        let newest = server.take(&repository, LATER).taken.name;
        let file = place.path().join("backups/snapshots").join(&newest);
        let mut content = fs::read(&file).unwrap();
        content[30] ^= 1;
        fs::write(&file, content).unwrap();
        let copied = server.take(&repository, Timestamp(LATER.0 + 1));
        assert!(copied.unreadable.as_ref().is_some_and(|why| why.contains(&newest)), "{copied:?}");
        assert!(copied.bytes < 10_000, "what is there is used again: {copied:?}");
        assert_eq!(restored(&repository, None, false).rows(16).len(), server.rows(16).len());
        let listed = repository.snapshots().unwrap();
        assert!(matches!(&listed[..], [Ok(_), Err(Error::Fault(why)), Ok(_)] if why.contains(&newest)), "{listed:?}");
        assert_eq!(server.take(&repository, Timestamp(LATER.0 + 2)).unreadable, None);
    }
}

#[test]
fn a_large_body_that_has_the_octets_of_a_file_beside_was_not_copied() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    fs::write(place.path().join("beside"), message(200, 300_000)).unwrap();
    let beside = Beside { directory: place.path(), names: &["beside"] };
    repository.take(&server.store, &beside, (NOW, Reread::All), &mut |_| Ok(())).unwrap();
    assert_eq!(findings(&repository), Vec::<String>::new());
    assert_eq!(store::check::all(&restored(&repository, None, false).store, Depth::Bodies).unwrap(), []);
}

#[test]
fn a_large_body_that_went_while_rows_were_read_was_left_out() {
    let ((_place, repository), server) = (repository(), Server::new());
    let account = server.store.create_account(ALICE, NOW).unwrap();
    append(&account, &message(0, 300_000));
    (1..600).for_each(|n| append(&account, &message(n, 14_000)));
    let name = server.objects.list(ALICE).unwrap()[0].0.clone();
    let (beside, mut removed) = (Beside { directory: Path::new("/"), names: &[] }, false);
    let mut step = |step: Step| {
        // Rows are read by now, as they were before it went.
        if step.within.is_some_and(|within| within.read > 3_000_000) && !removed {
            server.objects.remove(ALICE, &name).unwrap();
            removed = true;
        }
        Ok(())
    };
    repository.take(&server.store, &beside, (NOW, Reread::Share), &mut step).unwrap();
    assert!(removed);
    assert_eq!(store::check::all(&restored(&repository, None, false).store, Depth::Bodies).unwrap(), []);
}

#[test]
fn what_a_creation_left_that_was_broken_off_was_in_the_way_for_good() {
    let place = tempfile::tempdir().unwrap();
    let backups = place.path().join("backups");
    fs::create_dir(&backups).unwrap();
    fs::write(backups.join("pillarbox-backup.new"), "pillarbox ba").unwrap();
    let key = Key::write_new(&place.path().join("key")).unwrap();
    let one = Repository::create(&backups, Some(&key)).unwrap();
    let server = Server::with_mail();
    server.take(&one, NOW);
    // Somebody who was a moment later, and saw nothing yet.
    let head = fs::read(backups.join("pillarbox-backup")).unwrap();
    let directory = Directory::new(&backups);
    directory.write_aside("pillarbox-backup", b"another").unwrap();
    directory.name_once("pillarbox-backup").unwrap();
    assert_eq!(fs::read(backups.join("pillarbox-backup")).unwrap(), head);
    assert_eq!(findings(&Repository::open(&backups, Some(&key)).unwrap()), Vec::<String>::new());
}

#[test]
fn what_the_server_does_not_have_any_more_is_said_to_be_lost() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    let first = server.take(&repository, NOW).taken.name;
    append(&server.alice(), b"Subject: later\r\n\r\n");
    let chunks = files(&place.path().join("backups/chunks"));
    chunks.iter().for_each(|file| fs::write(file, "damaged").unwrap());
    let copied = server.try_to_take(&repository, (LATER, Reread::All)).unwrap();
    assert!(copied.lost > 0 && copied.mended > copied.lost, "{copied:?}");
    assert_eq!(copied.mended + copied.lost, chunks.len());
    assert_eq!(findings(&repository), Vec::<String>::new());
    let older = repository.check(Some(&first), &mut |_| Ok(())).unwrap();
    assert_eq!(older.findings.len(), copied.lost, "{older:?}");
}

/// A directory on a disk that writes one file otherwise than it was told.
#[derive(Debug)]
struct Faulty {
    directory: Directory,
    good: AtomicUsize,
}

impl Place for Faulty {
    fn shown(&self, path: &str) -> String {
        self.directory.shown(path)
    }
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.directory.read(path)
    }
    fn length(&self, path: &str) -> io::Result<Option<u64>> {
        self.directory.length(path)
    }
    fn write_aside(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let mut content = content.to_vec();
        if self.good.fetch_sub(1, Ordering::SeqCst) == 0 {
            content.last_mut().map(|last| *last ^= 1).unwrap();
        }
        self.directory.write_aside(path, &content)
    }
    fn read_aside(&self, path: &str) -> io::Result<Vec<u8>> {
        self.directory.read_aside(path)
    }
    fn name_once(&self, path: &str) -> io::Result<()> {
        self.directory.name_once(path)
    }
    fn drop_aside(&self, path: &str) -> io::Result<()> {
        self.directory.drop_aside(path)
    }
    fn name(&self, path: &str) -> io::Result<()> {
        self.directory.name(path)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.directory.remove(path)
    }
    fn list(&self, directory: &str) -> io::Result<Vec<(String, u64)>> {
        self.directory.list(directory)
    }
    fn hold(&self, path: &str, shared: bool) -> io::Result<Option<Box<dyn Send>>> {
        self.directory.hold(path, shared)
    }
}

#[test]
fn what_is_not_read_back_as_it_was_written_is_no_backup() {
    let server = Server::with_mail();
    for good in 1..12 {
        let (place, plain) = repository();
        let directory = Directory::new(&place.path().join("backups"));
        let faulty = Repository::open_in(Arc::new(Faulty { directory, good: AtomicUsize::new(good) }), None).unwrap();
        let failed = server.try_to_take(&faulty, (NOW, Reread::Share));
        assert!(matches!(&failed, Err(Error::Fault(why)) if why.contains("read back")), "{good}: {failed:?}");
        assert_eq!(plain.snapshots().unwrap(), []);
        // What has a name already is sound, so the next one need not look at it.
        server.take(&plain, LATER);
        assert_eq!(findings(&plain), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn without_the_key_nothing_is_read_nor_known() {
    let ((place, repository, key), server) = (encrypted(), Server::with_mail());
    server.take(&repository, NOW);
    append(&server.alice(), b"Subject: new\r\n\r\n");
    assert!(server.take(&repository, LATER).bytes < 200_000, "it is incremental");
    let backups = place.path().join("backups");
    let body = blake3::hash(&message(200, 300_000)).to_hex();
    for file in files(&backups).iter().filter(|file| !file.ends_with("pillarbox-backup")) {
        assert!(!file.ends_with(body.as_str()), "the name of a large body tells what it is");
        let content = fs::read(file).unwrap();
        for word in [&b"Subject"[..], b"keyspace", b"example.net", b"INBOX"] {
            assert!(!content.windows(word.len()).any(|at| at == word), "{}", file.display());
        }
    }
    let other = Key::write_new(&place.path().join("other")).unwrap();
    let why = |repository: Result<Repository, Error>| match repository.unwrap_err() {
        Error::Refused(why) => why,
        Error::Fault(fault) => panic!("{fault}"),
    };
    for open in [Repository::open, Repository::create] {
        assert!(why(open(&backups, None)).contains("are encrypted"));
        assert!(why(open(&backups, Some(&other))).contains("another key"));
    }
    let plain = self::repository();
    let plain = plain.0.path().join("backups");
    assert!(why(Repository::create(&plain, Some(&key))).contains("are not encrypted"));
    let back = restored(&Repository::open(&backups, Some(&key)).unwrap(), None, false);
    assert_eq!(store::check::all(&back.store, Depth::Bodies).unwrap(), []);
    assert_eq!(back.rows(16).len(), server.rows(16).len());
    assert_eq!(repository.prune(1).unwrap().snapshots, 1);
    assert_eq!(findings(&repository), Vec::<String>::new());
}

#[test]
fn what_was_put_in_the_place_of_another_is_seen() {
    let ((place, repository, _), server) = (encrypted(), Server::with_mail());
    let mut names = Vec::new();
    for n in 0..4 {
        append(&server.alice(), format!("Subject: {n}\r\n\r\n").as_bytes());
        names.push(server.take(&repository, Timestamp(NOW.0 + n)).taken.name);
    }
    let chunks = files(&place.path().join("backups/chunks"));
    let swap = |one: &Path, other: &Path| {
        let aside = place.path().join("aside");
        fs::rename(one, &aside).unwrap();
        fs::rename(other, one).unwrap();
        fs::rename(&aside, other).unwrap();
    };
    for pair in chunks.windows(2) {
        swap(&pair[0], &pair[1]);
        let all = names.iter().flat_map(|name| repository.check(Some(name), &mut |_| Ok(())).unwrap().findings);
        assert!(all.count() >= 2, "{pair:?}");
        swap(&pair[0], &pair[1]);
    }
    // A snapshot from before, as if it were the newest.
    let snapshot = |name: &str| place.path().join("backups/snapshots").join(name);
    let newest = fs::read(snapshot(&names[3])).unwrap();
    fs::copy(snapshot(&names[0]), snapshot(&names[3])).unwrap();
    assert!(matches!(repository.check(None, &mut |_| Ok(())), Err(Error::Fault(_))));
    fs::write(snapshot(&names[3]), newest).unwrap();
    // One that was taken out, wherever.
    for taken_out in &names[1..3] {
        let content = fs::read(snapshot(taken_out)).unwrap();
        fs::remove_file(snapshot(taken_out)).unwrap();
        let found = findings(&repository);
        assert!(matches!(&found[..], [one] if one.contains(taken_out) && one.contains("removed")), "{found:?}");
        fs::write(snapshot(taken_out), content).unwrap();
    }
    // Those that are let go are the oldest, and nothing is missed of them.
    repository.prune(1).unwrap();
    assert_eq!(findings(&repository), Vec::<String>::new());
}

#[test]
fn an_account_of_many_octets_was_one_step() {
    let ((_place, repository), server) = (repository(), Server::new());
    let account = server.store.create_account(ALICE, NOW).unwrap();
    (0..1500).for_each(|n| append(&account, &message(n, 14_000)));
    (0..4).for_each(|n| append(&account, &message(n, 2_000_000)));
    let (beside, mut within) = (Beside { directory: Path::new("/"), names: &[] }, Vec::new());
    let mut step = |step: Step| {
        within.extend(step.within);
        Ok(())
    };
    repository.take(&server.store, &beside, (NOW, Reread::Share), &mut step).unwrap();
    assert!(within.len() >= 6, "{within:?}");
    assert!(within.is_sorted_by(|one, other| one.read < other.read && one.account == ALICE), "{within:?}");
    let last = within.last().unwrap();
    assert!(last.read <= last.of && last.read > last.of / 2 && last.of > 20_000_000, "{last:?}");
}

/// Goes on only while somebody waits.
#[derive(Clone, Default)]
struct Counted(Arc<Mutex<Duration>>);

impl Clock for Counted {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    fn wait(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

#[test]
fn a_backup_reads_and_writes_at_its_pace() {
    let (server, clock) = (Server::with_mail(), Counted::default());
    let (_place, repository) = repository();
    let paced = repository.clone().paced(Some(Pace::new(100_000, Box::new(clock.clone()))));
    let copied = server.take(&paced, NOW);
    // Read of the server, written, read back; the second account has the same large body, which is written once.
    let octets = 3 * copied.bytes + 300_000;
    let seconds = clock.now().as_secs();
    assert!((octets / 100_000 - 2..octets / 80_000).contains(&seconds), "{octets} in {seconds} s");
    let before = clock.now();
    let checked = paced.check(None, &mut |_| Ok(())).unwrap();
    let seconds = (clock.now() - before).as_secs();
    assert!(seconds >= checked.bytes / 100_000 - 2, "{checked:?} in {seconds} s");
}

#[test]
fn what_is_wanted_of_a_time_is_the_newest_before_it() {
    let ((_place, repository), server) = (repository(), Server::with_mail());
    assert!(matches!(repository.newest_until(NOW), Err(Error::Refused(why)) if why.contains("no backup yet")));
    let names: Vec<String> = (0..3).map(|n| server.take(&repository, Timestamp(NOW.0 + n * 1000)).taken.name).collect();
    for (at, expected) in [(0, 0), (999, 0), (1000, 1), (1999, 1), (2000, 2), (1_000_000, 2)] {
        assert_eq!(repository.newest_until(Timestamp(NOW.0 + at)).as_ref(), Ok(&names[expected]), "{at}");
    }
    let too_early = repository.newest_until(Timestamp(NOW.0 - 1));
    assert!(matches!(too_early, Err(Error::Refused(why)) if why.contains(&names[0])));
}

#[test]
fn what_is_broken_off_is_no_backup_and_is_gone_on_with() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    let beside = Beside { directory: Path::new("/"), names: &[] };
    let mut after_the_first = |step: Step| if step.bytes > 0 { Err(Error::Refused("enough".into())) } else { Ok(()) };
    let broken_off = repository.take(&server.store, &beside, (NOW, Reread::Share), &mut after_the_first);
    assert_eq!(broken_off, Err(Error::Refused("enough".into())));
    assert_eq!(repository.snapshots().unwrap(), []);
    assert!(matches!(repository.check(None, &mut |_| Ok(())), Err(Error::Refused(_))));
    let copied = files(&place.path().join("backups/chunks"));
    assert!(!copied.is_empty());
    server.take(&repository, NOW);
    let now = files(&place.path().join("backups/chunks"));
    assert!(copied.iter().all(|chunk| now.contains(chunk)));
    // What is read is not removed meanwhile.
    let mut pruned = None;
    let mut while_read = |_: Step| {
        pruned.get_or_insert_with(|| repository.prune(1));
        Ok(())
    };
    repository.check(None, &mut while_read).unwrap();
    assert!(matches!(pruned, Some(Err(Error::Refused(_)))), "{pruned:?}");
    // While one is made there is no other.
    let mut second = None;
    let mut during = |_: Step| {
        second.get_or_insert_with(|| repository.take(&server.store, &beside, (LATER, Reread::Share), &mut |_| Ok(())));
        Ok(())
    };
    repository.take(&server.store, &beside, (LATER, Reread::Share), &mut during).unwrap();
    assert!(matches!(second, Some(Err(Error::Refused(why))) if why.contains("another backup")));
}

#[test]
fn a_backup_goes_into_a_directory_of_its_own_and_comes_back_into_an_empty_store() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("mine"), "").unwrap();
    assert!(matches!(Repository::create(place.path(), None), Err(Error::Refused(_))));
    let ((_place, repository), server) = (repository(), Server::with_mail());
    server.take(&repository, NOW);
    let full = repository.restore(None, (&server.engine, &server.objects), (false, LATER), &mut |_| Ok(()));
    assert!(matches!(full, Err(Error::Refused(_))), "{full:?}");
    let unknown = repository.restore(
        Some("2020-01-01T00-00-00Z"),
        (&server.engine, &server.objects),
        (false, LATER),
        &mut |_| Ok(()),
    );
    assert!(matches!(unknown, Err(Error::Refused(why)) if why.contains("--list")));
}

#[test]
fn a_backup_came_back_into_a_bucket_that_a_running_server_sweeps() {
    let ((_place, repository), server) = (repository(), Server::with_mail());
    server.take(&repository, NOW);
    append(&server.alice(), &message(300, 300_000));
    let back = SimEngine::new();
    let refused = repository.restore(None, (&back, &server.objects), (false, LATER), &mut |_| Ok(()));
    assert!(matches!(refused, Err(Error::Refused(why)) if why.contains("another part of it")));
    assert_eq!(back.accounts().unwrap(), []);
}
