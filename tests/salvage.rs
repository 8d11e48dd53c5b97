//! `pillarbox salvage` brings what can be read out of damaged data, and touches nothing of them.

#![allow(clippy::unwrap_used)]

#[path = "support/random.rs"]
#[allow(dead_code)]
mod random;
mod rig;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use random::Random;
use rig::{run, says};
use tempfile::TempDir;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
/// The BLAKE3 of nothing.
const EMPTY: &str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
/// What a message says that stands for a damaged one.
const STUB: &str = "was damaged on the disk of the mail server";

/// A data directory with mail of Alice (first shard) and Bob (second shard), of the newest format.
struct Data {
    place: TempDir,
    data: PathBuf,
}

impl Data {
    fn sound() -> Self {
        let data = Self::of_0_1_0();
        assert!(says(&["check", "--data-dir", data.data.to_str().unwrap()]).starts_with("All is well"));
        data
    }

    /// As an earlier version left it when it was killed.
    fn of_0_1_0() -> Self {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        rig::copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1.0"), &data);
        Self { place, data }
    }

    fn twin(&self) -> Self {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("data");
        rig::copy(&self.data, &data);
        Self { place, data }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// Flips a bit of these octets in a shard.
    fn spoil(&self, shard: &str, octets: &str) {
        let path = self.file("store").join(shard);
        let mut file = fs::read(&path).unwrap();
        let at = file.windows(octets.len()).position(|window| window == octets.as_bytes()).unwrap();
        file[at] ^= 1;
        fs::write(&path, file).unwrap();
    }

    fn object(&self) -> PathBuf {
        let bucket = self.file("objects/00000010/02");
        fs::read_dir(bucket).unwrap().next().unwrap().unwrap().path()
    }

    /// What a command says, and its exit status.
    fn run(&self, arguments: &[&str]) -> (String, i32) {
        let output = run(&[arguments, &["--data-dir", self.data.to_str().unwrap()]].concat());
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code().expect("it ends by itself"))
    }

    /// What can be brought out; nothing is changed by it.
    fn salvage(&self) -> Salvaged {
        let before = contents(&self.data);
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("out");
        let (text, status) = self.run(&["salvage", "--to", to.to_str().unwrap()]);
        assert!(contents(&self.data) == before, "salvage has changed something");
        assert!(status == 0 || status == 3, "{status}: {text}");
        let report = fs::read_to_string(to.join("report.txt")).unwrap();
        assert_eq!(status == 0, report.is_empty(), "{text}\n{report}");
        let mut mail = BTreeMap::new();
        for (path, octets) in contents(&to) {
            let (name, folder) = (path.file_name().unwrap().to_str().unwrap(), path.parent().unwrap());
            if folder.ends_with("cur") {
                let account = folder.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
                let folder = folder.parent().unwrap().strip_prefix(&account).unwrap().to_str().unwrap().to_owned();
                // UID, EMAILID and flags.
                mail.insert((account, folder, name.to_owned()), octets);
            }
        }
        Salvaged { mail, report }
    }
}

type Mail = BTreeMap<(String, String, String), Vec<u8>>;

struct Salvaged {
    mail: Mail,
    report: String,
}

impl Salvaged {
    /// Of a message of these words, the octets.
    fn with(&self, words: &str) -> Vec<&Vec<u8>> {
        let has = |octets: &&Vec<u8>| octets.windows(words.len()).any(|window| window == words.as_bytes());
        self.mail.values().filter(has).collect()
    }

    fn of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = (&'a str, &'a str, &'a Vec<u8>)> {
        let all = self.mail.iter().filter(move |((whose, _, _), _)| whose == account);
        all.map(|((_, folder, name), octets)| (folder.as_str(), name.as_str(), octets))
    }

    /// Each message that was there is there as it was, or the report names it.
    fn must_have_all_of(&self, before: &Self, what: &str) {
        for ((account, folder, name), octets) in &before.mail {
            let id = name.split('.').nth(1).unwrap();
            let same = self.mail.iter().any(|((_, _, now), content)| now.contains(id) && content == octets);
            // What another account has lost excuses nothing.
            let says = |words: &str| self.report_of(account).any(|line| line.contains(words));
            // A large one of which nothing else is left is found by itself; of a short one nothing is.
            let is_recovered =
                || self.mail.iter().any(|((_, folder, _), content)| folder == ".Recovered" && content == octets);
            // Of an account nothing at all may be left, where the directory is damaged too.
            let is_known = self.report_of(account).next().is_some() || self.of(account).next().is_some();
            let is_unknown = !is_known && self.report.contains("accounts may be lost of which nothing tells");
            let is_told = is_unknown || says(id) || says("of which nothing tells any more") || is_recovered();
            assert!(same || is_told, "{what}: {account} {folder} {name} is gone\n{}", self.report);
            let has_its_name = self.mail.keys().any(|(whose, _, _)| whose == account);
            if !is_told && has_its_name && !says("UIDVALIDITY") && !says("flags") {
                let key = (account.clone(), folder.clone(), name.clone());
                assert_eq!(self.mail.get(&key), Some(octets), "{what}: {key:?} is another\n{}", self.report);
            }
        }
        // Nothing has become more.
        let count = |mail: &Mail, octets: &Vec<u8>| mail.values().filter(|all| *all == octets).count();
        for (key, octets) in &self.mail {
            let (now, then) = (count(&self.mail, octets), count(&before.mail, octets));
            let is_stub = octets.windows(STUB.len()).any(|window| window == STUB.as_bytes());
            // One that was removed, and of which nothing tells that any more.
            let is_found = key.1 == ".Recovered" && then == 0 && now == 1;
            assert!(now <= then || is_stub || is_found, "{what}: {key:?}: {then} became {now}\n{}", self.report);
        }
    }

    /// Lines about an account, whether its name is left or not.
    fn report_of<'a>(&'a self, account: &str) -> impl Iterator<Item = &'a str> {
        let number = if account == ALICE { "account 16: " } else { "account 17: " };
        let name = format!("{account}: ");
        self.report.lines().filter(move |line| line.starts_with(&name) || line.starts_with(number))
    }
}

/// All files below a directory.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut left) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// What the environment says of `name`, else `other`; it is printed.
fn number_in(name: &str, other: u64) -> u64 {
    let number = env::var(name).ok().map_or(other, |text| text.parse().expect("it is a number"));
    println!("{name}={number}");
    number
}

/// A number below `end`.
fn below(random: &mut Random, end: usize) -> usize {
    random.below(end as u64) as usize
}

/// Damages files of the store and large messages: bits, whole pages, and what lies at the end.
fn damage(data: &Data, random: &mut Random) -> String {
    let mut told = String::new();
    let files: Vec<PathBuf> = contents(&data.data)
        .into_keys()
        .filter(|file| {
            let name = file.to_str().unwrap();
            (name.starts_with("store/") && !name.ends_with("lock")) || name.starts_with("objects/")
        })
        .collect();
    for _ in 0..=below(random, 6) {
        let name = &files[below(random, files.len())];
        let path = data.file(name.to_str().unwrap());
        let mut file = fs::read(&path).unwrap();
        if file.is_empty() {
            continue;
        }
        match below(random, 8) {
            0 => {
                let page = below(random, file.len().div_ceil(4096)) * 4096;
                let end = (page + 4096).min(file.len());
                let with = below(random, 2) as u8 * 0xa5;
                file[page..end].fill(with);
                told.push_str(&format!("{} octets {page} to {end}; ", name.display()));
            }
            1 => {
                let end = below(random, file.len());
                file.truncate(end);
                told.push_str(&format!("{} cut at {end}; ", name.display()));
            }
            _ => {
                let bits = 1 + below(random, 8);
                for _ in 0..bits {
                    let bit = below(random, file.len() * 8);
                    file[bit / 8] ^= 1 << (bit % 8);
                    told.push_str(&format!("{} bit {bit}; ", name.display()));
                }
            }
        }
        fs::write(&path, file).unwrap();
    }
    told
}

#[test]
fn of_sound_data_everything_is_salvaged() {
    let sound = Data::sound().salvage();
    assert_eq!(sound.report, "");
    assert_eq!(sound.of(ALICE).filter(|(folder, _, _)| folder.is_empty()).count(), 20);
    assert!(sound.of(BOB).count() > 0);
    assert_eq!(sound.with("Subject: Fixture 13").len(), 1);
    // Without checksums, and with most of it in the log.
    let before = Data::of_0_1_0().salvage();
    let names = |mail: &Mail| mail.keys().cloned().collect::<Vec<_>>();
    assert_eq!((names(&before.mail), before.report.as_str()), (names(&sound.mail), ""));
    assert!(before.mail == sound.mail);
}

#[test]
fn whatever_is_damaged_what_is_sound_is_salvaged() {
    let sound = Data::sound();
    let before = sound.salvage();
    let mut random = Random::new(number_in("PILLARBOX_SALVAGE_SEED", 0x5a1f));
    let (mut kept, mut all) = (0, 0);
    for round in 0..number_in("PILLARBOX_SALVAGE_ROUNDS", 12) {
        let data = sound.twin();
        let told = format!("round {round}: {}", damage(&data, &mut random));
        println!("{told}");
        let text = data.salvage();
        text.must_have_all_of(&before, &told);
        all += before.mail.len();
        kept += before.mail.iter().filter(|(key, octets)| text.mail.get(*key) == Some(*octets)).count();
    }
    println!("{kept} of {all} messages as they were");
    assert!(kept * 2 > all);
}

#[test]
fn of_a_lost_shard_the_others_are_salvaged() {
    let sound = Data::sound();
    let before = sound.salvage();
    for (shard, lost, left) in [("shard-01.sqlite", BOB, ALICE), ("shard-00.sqlite", ALICE, BOB)] {
        let data = sound.twin();
        fs::remove_file(data.file("store").join(shard)).unwrap();
        let salvaged = data.salvage();
        assert!(salvaged.report.contains(shard), "{}", salvaged.report);
        assert!(salvaged.of(left).eq(before.of(left)), "{}", salvaged.report);
        // A large message is found by itself, and is a message.
        let large = before.of(lost).filter(|(_, _, octets)| octets.len() > 16_384).count();
        assert_eq!(salvaged.of(lost).count(), large, "{}", salvaged.report);
        assert!(salvaged.of(lost).all(|(folder, _, _)| folder == ".Recovered"), "{}", salvaged.report);
    }
}

/// Three messages of Alice that are damaged in three ways.
fn with_damaged_messages() -> Data {
    let data = Data::sound();
    data.spoil("shard-00.sqlite", "Message 7.");
    data.spoil("shard-00.sqlite", "Message 9.");
    let mut octets = fs::read(data.object()).unwrap();
    octets[40_000] ^= 1;
    fs::write(data.object(), octets).unwrap();
    data
}

#[test]
fn a_message_that_is_damaged_is_replaced_by_one_that_says_so() {
    let (sound, salvaged) = (Data::sound().salvage(), with_damaged_messages().salvage());
    assert_eq!(salvaged.report.lines().count(), 3, "{}", salvaged.report);
    for number in [7, 9, 13] {
        let line = salvaged.report.lines().find(|line| line.contains(&format!("\"Fixture {number}\"")));
        let line = line.expect(&salvaged.report);
        assert!(
            line.starts_with("alice@example.org: ") && line.contains(", UID ") && line.contains(" octets, from "),
            "{line}"
        );
    }
    let mut damaged = 0;
    for (key, octets) in &sound.mail {
        let says = |words: &str| octets.windows(words.len()).any(|window| window == words.as_bytes());
        let is_damaged = octets.len() > 40_000 || says("Message 7.") || says("Message 9.");
        damaged += usize::from(is_damaged);
        assert_eq!(salvaged.mail.get(key) == Some(octets), !is_damaged, "{key:?}");
    }
    assert_eq!((salvaged.mail.len(), damaged), (sound.mail.len(), 3));
    let stub = String::from_utf8(salvaged.with("Subject: Fixture 7\n")[0].clone()).unwrap();
    assert!(stub.contains("was damaged on the disk") && stub.contains("filename=damaged.eml"), "{stub}");
}

#[test]
fn a_large_message_that_cannot_be_read_is_not_called_lost() {
    let data = Data::sound();
    let object = data.object();
    fs::remove_file(&object).unwrap();
    // Every call that opens it fails, and not because there is none.
    std::os::unix::fs::symlink(&object, &object).unwrap();
    let to = data.place.path().join("out");
    let (text, status) = data.run(&["salvage", "--to", to.to_str().unwrap()]);
    assert_eq!(status, 3, "{text}");
    let report = fs::read_to_string(to.join("report.txt")).unwrap();
    let line = report.lines().find(|line| line.contains("could not be read, and may be there still")).expect(&report);
    assert!(line.contains(object.to_str().unwrap()) && line.contains("Fixture 13"), "{line}");
    assert!(!to.join("work").exists());
}

#[test]
fn what_is_elsewhere_is_not_called_lost() {
    let data = Data::sound();
    let to = data.place.path().join("out");
    for (file, says, part) in
        [("store-engine", "postgres", "was moved"), ("store-bodies", "bucket", "`store.bucket_url_file`")]
    {
        fs::write(data.file(file), format!("{says}\n")).unwrap();
        let (text, status) = data.run(&["salvage", "--to", to.to_str().unwrap()]);
        assert!(status == 1 && text.contains(part), "{file}: {status}: {text}");
        assert!(!to.join("report.txt").exists());
        fs::remove_file(data.file(file)).unwrap();
    }
    fs::remove_dir_all(data.file("objects")).unwrap();
    let salvaged = data.salvage();
    assert!(salvaged.report.contains("objects is not there: large messages are missing"), "{}", salvaged.report);
}

#[test]
fn nothing_is_written_where_the_damage_is() {
    let data = Data::sound();
    let link = data.place.path().join("link");
    std::os::unix::fs::symlink(&data.data, &link).unwrap();
    let before = contents(&data.data);
    for (to, why) in [
        (data.file("out"), "lies in the damaged directory"),
        (link.join("new/out"), "lies in the damaged directory"),
        (data.file("objects"), "is not empty"),
    ] {
        let (text, status) = data.run(&["salvage", "--to", to.to_str().unwrap()]);
        assert!(status == 1 && text.contains(why), "{}: {status}: {text}", to.display());
    }
    assert!(contents(&data.data) == before);
}

#[test]
fn what_was_removed_does_not_come_back() {
    let data = Data::sound();
    let before = data.salvage();
    // Of an account that was removed; and an object that no message names any more, where no row is missing.
    fs::create_dir_all(data.file("objects/00000063/02")).unwrap();
    let bucket = data.file("objects/00000010/09");
    fs::create_dir_all(&bucket).unwrap();
    fs::write(bucket.join(EMPTY), "").unwrap();
    data.spoil("shard-00.sqlite", "Message 7.");
    let after = data.salvage();
    assert_eq!(after.mail.len(), before.mail.len(), "{}", after.report);
    assert!(after.mail.keys().all(|(whose, _, _)| whose == ALICE || whose == BOB));
    // Where rows are missing it may be a message.
    fs::remove_file(data.file("store/shard-00.sqlite")).unwrap();
    let found = data.salvage();
    assert!(found.mail.iter().any(|((_, folder, _), octets)| folder == ".Recovered" && octets.is_empty()));
}
