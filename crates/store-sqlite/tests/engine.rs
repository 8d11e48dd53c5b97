//! What the rules of all engines do not say: the directory, a full disk, damage, a killed process.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use store::engine::{Commit, CommitError, Engine, EngineError, Write};
use store::ids::{AccountId, ModSeq};
use store_sqlite::{SqliteEngine, SqliteOptions};

fn open(place: &Path) -> SqliteEngine {
    SqliteEngine::open(place, &SqliteOptions::default()).unwrap()
}

fn refusal(place: &Path) -> String {
    SqliteEngine::open(place, &SqliteOptions::default()).unwrap_err().to_string()
}

fn put(account: u32, expected: u64, value: Vec<u8>) -> Commit {
    let writes = vec![Write::Put { key: expected.to_be_bytes().to_vec(), value }];
    Commit { account: AccountId(account), expected: ModSeq(expected), next: ModSeq(expected + 1), writes }
}

fn head(engine: &SqliteEngine, account: u32) -> u64 {
    engine.snapshot(AccountId(account)).unwrap().head().0
}

fn used(place: &Path) {
    let engine = open(place);
    for account in 16..20 {
        engine.commit(put(account, 0, vec![1; 3000])).unwrap();
    }
}

#[test]
fn a_directory_in_use_is_refused_and_the_holder_is_named() {
    let place = tempfile::tempdir().unwrap();
    let engine = open(place.path());
    let text = refusal(place.path());
    assert!(text.contains(&format!("process {} holds", std::process::id())), "{text}");
    drop(engine);
    open(place.path());
}

#[test]
fn the_number_of_shards_is_that_of_the_creation() {
    let place = tempfile::tempdir().unwrap();
    let three = SqliteOptions { shards: 3, ..SqliteOptions::default() };
    drop(SqliteEngine::open(place.path(), &three).unwrap());
    used(place.path());
    assert!(place.path().join("shard-02.sqlite").exists() && !place.path().join("shard-03.sqlite").exists());
    assert_eq!(open(place.path()).accounts().unwrap(), (16..20).map(AccountId).collect::<Vec<_>>());
    for shards in [0, 65] {
        let other = tempfile::tempdir().unwrap();
        let options = SqliteOptions { shards, ..SqliteOptions::default() };
        assert!(SqliteEngine::open(other.path(), &options).unwrap_err().what.contains("choose 1 to 64"));
    }
}

#[test]
fn a_foreign_newer_or_incomplete_store_is_refused_with_what_to_do() {
    let check = |spoil: &dyn Fn(&Path), parts: &[&str]| {
        let place = tempfile::tempdir().unwrap();
        used(place.path());
        spoil(place.path());
        let text = refusal(place.path());
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let format = |text: &'static str| move |place: &Path| fs::write(place.join("format"), text).unwrap();
    check(&format("a list of groceries"), &["format does not belong", "choose another"]);
    check(&format("pillarbox sqlite store\nversion 3\nshards 2\n"), &["version 3", "run the version"]);
    check(&|place| fs::remove_file(place.join("format")).unwrap(), &["shard-00.sqlite holds mail", "restore it"]);
    let lose = |place: &Path| {
        for shard in ["shard-00.sqlite", "shard-01.sqlite"] {
            fs::remove_file(place.join(shard)).unwrap();
        }
    };
    check(&lose, &["shard-00.sqlite is missing", "restore it"]);
}

#[test]
fn one_shard_that_cannot_be_used_stops_its_own_accounts_only() {
    let check = |spoil: &dyn Fn(&Path), parts: &[&str]| {
        let place = tempfile::tempdir().unwrap();
        used(place.path());
        spoil(&place.path().join("shard-01.sqlite"));
        let engine = open(place.path());
        let closed = engine.closed();
        assert_eq!(closed.len(), 1);
        assert!(parts.iter().all(|part| closed[0].contains(part)), "{closed:?}");
        assert_eq!(engine.accounts().unwrap(), [AccountId(16), AccountId(18)]);
        for account in [17, 19] {
            let Err(refused) = engine.snapshot(AccountId(account)) else { panic!("{account} can be read") };
            assert!(matches!(&refused, EngineError::Damaged { what } if what.contains("shard-01")), "{refused}");
            let refused = engine.commit(put(account, 1, vec![1])).unwrap_err();
            assert!(matches!(refused, CommitError::Damaged { .. }), "{refused}");
        }
        engine.commit(put(16, 1, vec![1])).unwrap();
        assert_eq!(head(&engine, 16), 2);
    };
    let sql =
        |sql: &'static str| move |shard: &Path| rusqlite::Connection::open(shard).unwrap().execute_batch(sql).unwrap();
    check(&|shard| fs::remove_file(shard).unwrap(), &["shard-01.sqlite is missing", "restore"]);
    check(&|shard| fs::write(shard, vec![7; 9000]).unwrap(), &["shard-01.sqlite", "damaged", "restore"]);
    check(&|shard| fs::write(shard, []).unwrap(), &["shard-01.sqlite was not written by"]);
    check(&sql("PRAGMA user_version = 3"), &["shard-01.sqlite has format version 3", "run the version"]);
    check(&sql("PRAGMA application_id = 7"), &["shard-01.sqlite was not written by", "choose another"]);
    let swap = |shard: &Path| {
        fs::copy(shard.with_file_name("shard-00.sqlite"), shard).unwrap();
    };
    check(&swap, &["shard-01.sqlite is shard 0 of 2, not shard 1 of 2", "put the file back"]);
}

/// Accounts as a map: what a reader may be told.
type Truth = BTreeMap<u32, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Small and long values, keys that begin alike, deletions and several accounts, in a file of a few dozen pages.
fn written(place: &Path, options: &SqliteOptions) -> Truth {
    let engine = SqliteEngine::open(place, options).unwrap();
    let mut truth = Truth::new();
    for (n, account) in (0..60_u64).flat_map(|n| [(n, 16), (n, 17), (n, 21)]) {
        let long = n % 10 == 9;
        let bytes = if long { 3000 } else { 20 + 3 * n as usize };
        let records = truth.entry(account).or_default();
        let mut writes = Vec::new();
        for part in 0..if long { 1 } else { 6_u8 } {
            let key = [&b"EMYY"[usize::from(part % 4)..][..1], &n.to_be_bytes(), &[part]].concat();
            let value: Vec<u8> = (0..bytes).map(|at| (at * 7 + n as usize * 31) as u8 ^ part).collect();
            records.insert(key.clone(), value.clone());
            writes.push(Write::Put { key, value });
        }
        if n % 7 == 6 {
            let key = records.keys().nth(n as usize / 2).unwrap().clone();
            records.remove(&key);
            writes.push(Write::Delete { key });
        }
        engine
            .commit(Commit { account: AccountId(account), expected: ModSeq(n), next: ModSeq(n + 1), writes })
            .unwrap();
    }
    truth
}

/// How many answers were right and how many were errors. Panics at one that is wrong.
fn answers(engine: &SqliteEngine, truth: &Truth, what: &str) -> (u32, u32) {
    let (mut right, mut errors) = (0, 0);
    let mut count = |sound: bool| if sound { right += 1 } else { errors += 1 };
    for account in 15..23 {
        let none = BTreeMap::new();
        let records = truth.get(&account).unwrap_or(&none);
        let Ok(snapshot) = engine.snapshot(AccountId(account)) else {
            count(false);
            continue;
        };
        assert_eq!(snapshot.head(), ModSeq(if records.is_empty() { 0 } else { 60 }), "{what}: head of {account}");
        for (key, value) in records {
            for (key, value) in [(key.clone(), Some(value)), ([key.as_slice(), b"x"].concat(), None)] {
                let got = snapshot.get(&key);
                count(got.is_ok());
                assert!(got.is_err() || got.unwrap().as_ref() == value, "{what}: account {account} key {key:02x?}");
            }
        }
        // Who reads a body relies on it.
        assert!(snapshot.compares_values());
        let (mut left, mut keys) = (records.values(), records.keys().cloned());
        snapshot.get_each(&mut keys, &mut |got| {
            count(got.is_ok());
            let value = left.next().map(Vec::as_slice);
            assert!(got.is_err() || got.unwrap() == value, "{what}: account {account}, one of many keys");
            ControlFlow::Continue(())
        });
        assert_eq!(left.next(), None, "{what}: account {account}, a key was left out");
        for (from, to) in [(&b""[..], &b"z"[..]), (b"M", b"N"), (b"Y\0\0", b"Y\0\0\0\0\0\0\0\x20"), (b"N", b"O")] {
            let mut seen = Vec::new();
            let mut visit = |key: &[u8], value: &[u8]| {
                seen.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            };
            let scanned = snapshot.scan(from, to, &mut visit);
            count(scanned.is_ok());
            let range = records.range(from.to_vec()..to.to_vec());
            let expected: Vec<_> = range.map(|(key, value)| (key.clone(), value.clone())).collect();
            assert!(
                seen.iter().all(|row| expected.contains(row)),
                "{what}: a scan of {account} tells what is not true"
            );
            assert!(scanned.is_err() || seen == expected, "{what}: a scan of {account} leaves something out");
        }
    }
    (right, errors)
}

const FLIPS: usize = 300;

/// Of 80 bits 6 were served as truth, before rows had checksums.
#[test]
fn of_many_flipped_bits_none_is_served_as_truth() {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteOptions { shards: 1, ..SqliteOptions::default() };
    let truth = written(place.path(), &options);
    let path = place.path().join("shard-00.sqlite");
    let sound = fs::read(&path).unwrap();
    let mut flip = Flips::new(&sound);
    let (mut noticed, mut closed, mut sound_answers) = (0, 0, 0);
    for n in 0..FLIPS {
        let bit = flip.next(n);
        let mut spoiled = sound.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, spoiled).unwrap();
        let what = format!("bit {} of byte {} of page {}", bit % 8, bit / 8 % 4096, bit / 8 / 4096 + 1);
        match SqliteEngine::open(place.path(), &options) {
            Ok(engine) => {
                let (right, errors) = answers(&engine, &truth, &what);
                noticed += u32::from(errors > 0);
                sound_answers += right;
            }
            Err(_) => closed += 1,
        }
        // What a checkpoint or a new log left.
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", path.display()));
        }
    }
    println!("{noticed} of {FLIPS} noticed, {closed} not opened, {sound_answers} sound answers");
    assert!(noticed > FLIPS as u32 / 2, "{noticed} were noticed and {closed} kept the file from being opened");
    assert!(sound_answers > 1000 * FLIPS as u32, "what is sound is served beside the damage: {sound_answers} answers");
}

/// Bits all over the file, and many where the trees are: the heads of pages and what points to rows and pages.
struct Flips<'a> {
    sound: &'a [u8],
    state: u64,
}

impl<'a> Flips<'a> {
    fn new(sound: &'a [u8]) -> Self {
        Self { sound, state: 0x9e37_79b9_7f4a_7c15 }
    }

    fn random(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % below as u64) as usize
    }

    fn next(&mut self, n: usize) -> usize {
        match n % 3 {
            0 => self.random(self.sound.len() * 8),
            // The head of a page and the first pointers.
            1 => {
                let page = self.random(self.sound.len() / 4096);
                let start = if page == 0 { 100 } else { 0 };
                (page * 4096 + start) * 8 + self.random(40 * 8)
            }
            // Content lies at the end of pages.
            _ => self.random(self.sound.len() / 4096) * 4096 * 8 + (2048 + self.random(2048)) * 8 + self.random(8),
        }
    }
}

#[test]
fn a_commit_to_a_damaged_account_is_refused_and_those_beside_it_go_on() {
    let place = tempfile::tempdir().unwrap();
    let one = SqliteOptions { shards: 1, ..SqliteOptions::default() };
    let engine = SqliteEngine::open(place.path(), &one).unwrap();
    for account in [16, 17] {
        for n in 0..3 {
            engine.commit(put(account, n, vec![1; 100])).unwrap();
        }
    }
    drop(engine);
    let shard = rusqlite::Connection::open(place.path().join("shard-00.sqlite")).unwrap();
    // The last row: whatever comes next would link to it.
    let key = 2_u64.to_be_bytes().to_vec();
    shard.execute("UPDATE records SET link = link + 1 WHERE account = 16 AND key = ?1", [key]).unwrap();
    drop(shard);
    let engine = SqliteEngine::open(place.path(), &one).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| (3..30).for_each(|n| engine.commit(put(17, n, vec![2; 100])).unwrap()));
        for _ in 0..30 {
            let refused = engine.commit(put(16, 3, vec![2; 100])).unwrap_err();
            assert!(matches!(&refused, CommitError::Damaged { what } if what.contains("account 16")), "{refused:?}");
        }
        other.join().unwrap();
    });
    assert_eq!((head(&engine, 16), head(&engine, 17)), (3, 30));
    let snapshot = engine.snapshot(AccountId(16)).unwrap();
    assert_eq!(snapshot.get(&1_u64.to_be_bytes()).unwrap(), Some(vec![1; 100]), "what is sound can be read");
    assert!(matches!(snapshot.get(&3_u64.to_be_bytes()), Err(EngineError::Damaged { .. })), "not: it is not there");
}

#[test]
fn a_creation_that_was_cut_short_is_taken_up_again() {
    let place = tempfile::tempdir().unwrap();
    drop(open(place.path()));
    fs::remove_file(place.path().join("format")).unwrap();
    fs::remove_file(place.path().join("shard-01.sqlite")).unwrap();
    fs::write(place.path().join("format.new"), "pilla").unwrap();
    used(place.path());
    assert_eq!(open(place.path()).accounts().unwrap().len(), 4);
}

#[test]
fn damage_is_an_error_and_never_a_missing_key() {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteOptions { shards: 1, ..SqliteOptions::default() };
    let engine = SqliteEngine::open(place.path(), &options).unwrap();
    for n in 0..500 {
        engine.commit(put(16, n, vec![1; if n % 2 == 0 { 300 } else { 3000 }])).unwrap();
    }
    drop(engine);
    let path = place.path().join("shard-00.sqlite");
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in (10..pages).step_by(3) {
        file.write_all_at(&[0xee; 4096], page * 4096).unwrap();
    }
    drop(file);
    let engine = SqliteEngine::open(place.path(), &options).unwrap();
    let snapshot = engine.snapshot(AccountId(16)).unwrap();
    let (mut right, mut errors) = (0, 0);
    for n in 0..500_u64 {
        match snapshot.get(&n.to_be_bytes()) {
            Ok(value) => {
                assert!(value.is_some(), "key {n} is not missing");
                right += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("shard-00.sqlite"), "{error}");
                errors += 1;
            }
        }
    }
    assert!(right > 0 && errors > 0, "{right} right, {errors} errors");
    let mut seen = 0;
    let scanned = snapshot.scan(&[], &[255], &mut |_, _| {
        seen += 1;
        ControlFlow::Continue(())
    });
    assert!(scanned.is_err(), "a scan over damage ends with an error, after {seen} keys");
}

#[test]
fn a_caller_waits_for_a_read_connection_and_gets_it() {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteOptions { shards: 1, readers_max: 2, ..SqliteOptions::default() };
    let engine = SqliteEngine::open(place.path(), &options).unwrap();
    engine.commit(put(16, 0, vec![1])).unwrap();
    let held = [engine.snapshot(AccountId(16)).unwrap(), engine.snapshot(AccountId(16)).unwrap()];
    let (started, wait) = sync_channel(0);
    thread::scope(|scope| {
        let third = scope.spawn(|| {
            started.send(()).unwrap();
            engine.snapshot(AccountId(16)).unwrap().head()
        });
        wait.recv().unwrap();
        engine.commit(put(16, 1, vec![1])).unwrap();
        drop(held);
        assert_eq!(third.join().unwrap(), ModSeq(2));
    });
}

#[test]
fn a_full_store_refuses_goes_on_and_takes_small_commits_beside_large_ones() {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteOptions { shards: 1, shard_bytes_max: Some(1 << 20), ..SqliteOptions::default() };
    let engine = SqliteEngine::open(place.path(), &options).unwrap();
    fill_and_recover(&engine);
    thread::scope(|scope| {
        let large = scope.spawn(|| engine.commit(put(30, 0, vec![1; 2 << 20])));
        for n in 0..20 {
            engine.commit(put(31, n, vec![1; 100])).unwrap();
        }
        assert!(matches!(large.join().unwrap(), Err(CommitError::Full { .. })));
    });
}

fn fill_and_recover(engine: &SqliteEngine) {
    let mut acknowledged = 0;
    let refused = loop {
        match engine.commit(put(16, acknowledged, vec![1; 50_000])) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "there is an end");
    };
    assert!(matches!(&refused, CommitError::Full { what } if what.contains("free some space")), "{refused:?}");
    assert!(acknowledged > 3);
    assert_eq!(head(engine, 16), acknowledged);
    assert_eq!(engine.snapshot(AccountId(16)).unwrap().get(&acknowledged.to_be_bytes()).unwrap(), None);
    engine.remove_account(AccountId(16)).unwrap();
    engine.commit(put(16, 0, vec![1; 50_000])).unwrap();
}

/// A file system of its own, where this user may make one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        let run = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(path).output().ok()?;
        run.status.success().then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// The real thing where mounting is allowed; elsewhere the limit of the shard's file stands for it (above).
#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(place.path()) else {
        return;
    };
    let options = SqliteOptions { shards: 1, ..SqliteOptions::default() };
    let data = place.path().join("data");
    fs::write(place.path().join("ballast"), vec![0; 1 << 20]).unwrap();
    let engine = SqliteEngine::open(&data, &options).unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        match engine.commit(put(16, acknowledged, vec![acknowledged as u8; 50_000])) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(&refused, CommitError::Full { .. }), "{refused:?}");
    assert!(acknowledged > 3);
    assert_eq!(head(&engine, 16), acknowledged);
    fs::remove_file(place.path().join("ballast")).unwrap();
    engine.commit(put(16, acknowledged, vec![1; 1000])).unwrap();
    drop(engine);
    let engine = SqliteEngine::open(&data, &options).unwrap();
    assert_eq!(head(&engine, 16), acknowledged + 1);
    let snapshot = engine.snapshot(AccountId(16)).unwrap();
    for n in 0..acknowledged {
        assert_eq!(snapshot.get(&n.to_be_bytes()).unwrap().unwrap(), vec![n as u8; 50_000]);
    }
    drop(snapshot);
    drop(engine);
    drop(disk);
}

const KILLED: &str = "STORE_SQLITE_TEST_KILLED_IN";

/// Started again by the next test, with a place to write to; on its own there is nothing to do.
#[test]
fn commits_until_it_is_killed() {
    let Some(place) = std::env::var_os(KILLED) else {
        return;
    };
    let engine = open(Path::new(&place));
    let commit = |account: u32| {
        for n in head(&engine, account).. {
            engine.commit(put(account, n, vec![n as u8; 1 + (n as usize * 997) % 20_000])).unwrap();
            // One write call for a line: those of several threads do not mix.
            std::io::stderr().write_all(format!("acknowledged {account} {}\n", n + 1).as_bytes()).unwrap();
        }
    };
    thread::scope(|scope| {
        for account in 16..24 {
            scope.spawn(move || commit(account));
        }
    });
}

#[test]
fn a_killed_process_has_lost_nothing_that_it_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let mut acknowledged = [0_u64; 8];
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "commits_until_it_is_killed"])
            .env(KILLED, place.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut seen = 0;
        for line in lines {
            let mut words =
                line.strip_prefix("acknowledged ").unwrap().split(' ').map(|word| word.parse::<u64>().unwrap());
            let (account, head) = (words.next().unwrap(), words.next().unwrap());
            acknowledged[account as usize - 16] = head;
            seen += 1;
            if seen == 150 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let engine = open(place.path());
        for (account, acknowledged) in (16..).zip(acknowledged) {
            let snapshot = engine.snapshot(AccountId(account)).unwrap();
            let head = snapshot.head().0;
            assert!(head == acknowledged || head == acknowledged + 1, "{head}, acknowledged {acknowledged}");
            for n in 0..head {
                let value = snapshot.get(&n.to_be_bytes()).unwrap().unwrap();
                assert_eq!(value, vec![n as u8; 1 + (n as usize * 997) % 20_000]);
            }
            assert_eq!(snapshot.get(&head.to_be_bytes()).unwrap(), None);
        }
    }
    assert!(acknowledged.iter().all(|acknowledged| *acknowledged > 10), "{acknowledged:?}");
}

/// Whether any file in a directory holds these bytes.
fn is_on_disk(place: &Path, marker: &[u8]) -> bool {
    let files = fs::read_dir(place).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(marker.len()).any(|window| window == marker))
}

#[test]
fn what_is_deleted_is_in_no_file_any_more_and_its_pages_are_used_again() {
    let place = tempfile::tempdir().unwrap();
    let one = SqliteOptions { shards: 1, ..SqliteOptions::default() };
    let length = || fs::metadata(place.path().join("shard-00.sqlite")).unwrap().len();
    let small = b"small secret 3141".to_vec();
    let large = b"large secret 2718 ".repeat(1000);
    let mut before = 0;
    for round in 0..6u64 {
        let engine = SqliteEngine::open(place.path(), &one).unwrap();
        let key = |number: u8| vec![number];
        let put = (0..40u8).map(|number| {
            let value = if number % 2 == 0 { small.clone() } else { large.clone() };
            Write::Put { key: key(number), value }
        });
        let commit =
            |ver: u64, writes| Commit { account: AccountId(20), expected: ModSeq(ver), next: ModSeq(ver + 1), writes };
        engine.commit(commit(2 * round, put.collect())).unwrap();
        drop(engine);
        assert!(is_on_disk(place.path(), b"small secret") && is_on_disk(place.path(), b"large secret"));
        let engine = SqliteEngine::open(place.path(), &one).unwrap();
        let delete = (0..40u8).map(|number| Write::Delete { key: key(number) });
        engine.commit(commit(2 * round + 1, delete.collect())).unwrap();
        drop(engine);
        assert!(!is_on_disk(place.path(), b"small secret"), "round {round}");
        assert!(!is_on_disk(place.path(), b"large secret"), "round {round}");
        if round == 1 {
            before = length();
        }
    }
    assert_eq!(length(), before, "the room of what was deleted is used again");
}

/// A store as a killed process leaves it, with what was written last in the log only, on a disk that takes nothing: as far as
/// SQLite sees, because no `-shm` file can be made.
fn unwritable(with_log: bool) -> tempfile::TempDir {
    let (place, frozen) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    used(place.path());
    let engine = open(place.path());
    for account in 16..20 {
        engine.commit(put(account, 1, vec![2; 3000])).unwrap();
    }
    let running = with_log.then_some(engine);
    for entry in fs::read_dir(place.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with("-shm") {
            fs::copy(place.path().join(&name), frozen.path().join(&name)).unwrap();
        }
    }
    drop(running);
    for shard in 0..2 {
        fs::create_dir(frozen.path().join(format!("shard-0{shard}.sqlite-shm"))).unwrap();
        let log = fs::metadata(frozen.path().join(format!("shard-0{shard}.sqlite-wal")));
        assert_eq!(log.is_ok_and(|log| log.len() > 0), with_log);
    }
    frozen
}

#[test]
fn a_disk_that_took_nothing_could_not_be_read_either() {
    for with_log in [true, false] {
        let place = unwritable(with_log);
        let engine = open(place.path());
        assert!(engine.read_only().is_some_and(|why| why.contains("shard-00.sqlite")));
        let readers: Vec<_> = (0..4).map(|_| engine.snapshot(AccountId(16)).unwrap()).collect();
        for reader in &readers {
            assert_eq!(reader.head(), ModSeq(2), "log: {with_log}");
            assert_eq!(reader.get(&1_u64.to_be_bytes()).unwrap(), Some(vec![2; 3000]));
        }
        assert_eq!(engine.accounts().unwrap().len(), 4);
        assert!(engine.check_files().is_empty());
        assert!(matches!(engine.commit(put(16, 2, vec![3])), Err(CommitError::ReadOnly { .. })));
        assert!(matches!(engine.remove_account(AccountId(17)), Err(CommitError::ReadOnly { .. })));
        drop(readers);
        drop(engine);
        // The disk takes something again.
        for shard in 0..2 {
            fs::remove_dir(place.path().join(format!("shard-0{shard}.sqlite-shm"))).unwrap();
        }
        let engine = open(place.path());
        assert_eq!((engine.read_only(), head(&engine, 17)), (None, 2));
        engine.commit(put(17, 2, vec![3])).unwrap();
    }
}

#[test]
fn what_is_in_a_log_that_cannot_be_read_is_not_left_out_in_silence() {
    let place = unwritable(true);
    for shard in 0..2 {
        let log = place.path().join(format!("shard-0{shard}.sqlite-wal"));
        fs::remove_file(&log).unwrap();
        fs::create_dir(&log).unwrap();
    }
    let text = refusal(place.path());
    assert!(text.contains("shard-00.sqlite: unable to open database file"), "{text}");
}
