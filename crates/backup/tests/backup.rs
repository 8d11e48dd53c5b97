//! What was backed up comes back as it was, each part is written once, and damage is seen.

#![allow(clippy::unwrap_used)]

use backup::{Beside, Error, Repository, Step, Taken};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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

    fn take(&self, repository: &Repository, now: Timestamp) -> (Taken, u64) {
        let beside = Beside { directory: Path::new("/"), names: &[] };
        repository.take(&self.store, &beside, now, &mut |_| Ok(())).unwrap()
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
    let repository = Repository::create(&place.path().join("backups")).unwrap();
    (place, repository)
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
    let (taken, bytes) = server.take(&repository, NOW);
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
    let (_, all) = server.take(&repository, NOW);
    assert_eq!(server.take(&repository, LATER).1, 0, "nothing has changed");
    append(&server.alice(), &message(201, 2000));
    let flags = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[SystemFlag::Seen]), unchanged_since: None };
    let inbox = server.alice().mailboxes().unwrap().by_name("INBOX").unwrap().id;
    server.alice().change_flags(ACTOR, inbox, vec![Uid(7)], flags).unwrap();
    let (taken, bytes) = server.take(&repository, Timestamp(LATER.0 + 1000));
    assert!(bytes > 0 && bytes < all / 2, "{bytes} of {all}");
    let names: Vec<String> = repository.snapshots().unwrap().into_iter().map(|taken| taken.name).collect();
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
        repository.take(&server.store, &beside, Timestamp(now), &mut |_| Ok(())).unwrap().0.name
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
    let clock_went_back = repository.take(&server.store, &beside, NOW, &mut |_| Ok(()));
    assert!(matches!(clock_went_back, Err(Error::Refused(why)) if why.contains("clock")));
}

#[test]
fn each_flipped_bit_is_seen_and_nothing_false_comes_back() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    server.take(&repository, NOW);
    for file in files(&place.path().join("backups")) {
        let whole = fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        for content in [Some(damaged), None] {
            match content {
                Some(content) => fs::write(&file, content).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let found = Repository::open(&place.path().join("backups")).and_then(|repository| {
                let checked = repository.check(None, &mut |_| Ok(()))?;
                let server = Server::new();
                let into = (&server.engine as &dyn Engine, &server.objects as &dyn Objects);
                let restored = repository.restore(None, into, (true, LATER), &mut |_| Ok(()));
                assert_eq!(checked.findings.is_empty(), restored.is_ok(), "{checked:?} {restored:?}");
                restored
            });
            assert!(found.is_err(), "{}", file.display());
        }
        fs::write(&file, whole).unwrap();
    }
}

#[test]
fn what_is_broken_off_is_no_backup_and_is_gone_on_with() {
    let ((place, repository), server) = (repository(), Server::with_mail());
    let beside = Beside { directory: Path::new("/"), names: &[] };
    let mut after_the_first = |step: Step| if step.bytes > 0 { Err(Error::Refused("enough".into())) } else { Ok(()) };
    let broken_off = repository.take(&server.store, &beside, NOW, &mut after_the_first);
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
        second.get_or_insert_with(|| repository.take(&server.store, &beside, LATER, &mut |_| Ok(())));
        Ok(())
    };
    repository.take(&server.store, &beside, LATER, &mut during).unwrap();
    assert!(matches!(second, Some(Err(Error::Refused(why))) if why.contains("another backup")));
}

#[test]
fn a_backup_goes_into_a_directory_of_its_own_and_comes_back_into_an_empty_store() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("mine"), "").unwrap();
    assert!(matches!(Repository::create(place.path()), Err(Error::Refused(_))));
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
