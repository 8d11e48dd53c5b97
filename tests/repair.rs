//! `pillarbox repair` makes a data directory of what is sound of a damaged one: a server starts with it, what is lost is told, and
//! programs that come back are told the truth.

#![allow(clippy::unwrap_used)]

#[path = "support/random.rs"]
#[allow(dead_code)]
mod random;
mod rig;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use random::Random;
use rig::{Lines, Mounted, Serving, pillarbox, run, says};
use serde_json::Value;
use tempfile::TempDir;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
const PASSWORD: &str = "a long main password";
/// Nobody listens there: what is sent waits.
const OPTIONS: &str = "smarthost = { host = \"127.0.0.1\", port = 1, security = \"none\" }";
/// What a message says that stands for a damaged one.
const STUB: &str = "was damaged on the disk of the mail server";

/// A home with the configuration of a server, and its data.
struct Home {
    place: TempDir,
}

/// What there is to compare.
struct World {
    home: Home,
    /// The password of the POP3 device.
    pop: String,
    /// What programs of Alice and Bob knew, some time before and at the end.
    known: Vec<(&'static str, Known)>,
    /// What POP3 lists.
    uidls: Vec<String>,
}

/// What an IMAP program keeps: mailboxes by name.
type Known = BTreeMap<String, Mailbox>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mailbox {
    validity: u64,
    next: u64,
    highest: u64,
    /// By UID: EMAILID, flags, MODSEQ.
    messages: BTreeMap<u64, (String, String, u64)>,
}

impl Home {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("home")).unwrap();
        Self { place }
    }

    fn home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    fn to(&self) -> PathBuf {
        self.place.path().join("new")
    }

    fn twin(&self) -> Self {
        let twin = Self::new();
        rig::copy(&self.home(), &twin.home());
        twin
    }

    fn start(&self) -> Serving {
        Serving::start(&self.home(), OPTIONS)
    }

    /// What a command about this server says, and its exit status.
    fn run(&self, arguments: &[&str]) -> (String, i32) {
        let config = self.home().join("pillarbox.toml");
        let output = run(&[arguments, &["--config", config.to_str().unwrap()]].concat());
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code().expect("it ends by itself"))
    }

    /// Makes a new data directory beside, and changes nothing of the old one.
    fn repair(&self) -> (String, i32) {
        let before = contents(&self.data());
        let told = self.run(&["repair", "--to", self.to().to_str().unwrap()]);
        assert!(contents(&self.data()) == before, "repair has changed something");
        told
    }

    fn report(&self) -> String {
        fs::read_to_string(self.to().join("report.txt")).unwrap()
    }

    /// As the last lines of a repair say.
    fn put_in_place(&self) {
        fs::rename(self.data(), self.home().join("data.damaged")).unwrap();
        fs::rename(self.to(), self.data()).unwrap();
    }

    /// All mail of it: by account, folder, and UID, EMAILID and flags.
    fn mail(&self) -> BTreeMap<(String, String, String), Vec<u8>> {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("out");
        let (text, status) = self.run(&["salvage", "--to", out.to_str().unwrap()]);
        assert_eq!(status, 0, "it is damaged: {text}");
        let mut mail = BTreeMap::new();
        for (path, octets) in contents(&out) {
            let (name, folder) = (path.file_name().unwrap().to_str().unwrap(), path.parent().unwrap());
            if folder.ends_with("cur") {
                let account = folder.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
                let folder = folder.parent().unwrap().strip_prefix(&account).unwrap().to_str().unwrap().to_owned();
                mail.insert((account, folder, name.to_owned()), octets);
            }
        }
        mail
    }

    fn object(&self) -> PathBuf {
        let objects = contents(&self.data().join("objects"));
        self.data().join("objects").join(objects.keys().next().unwrap())
    }

    /// The shard with these octets.
    fn shard_with(&self, octets: &str) -> PathBuf {
        let has = |file: &[u8]| file.windows(octets.len()).any(|window| window == octets.as_bytes());
        let files = contents(&self.data().join("store"));
        let name = files.iter().find(|(_, file)| has(file)).expect("some shard has it").0;
        self.data().join("store").join(name)
    }

    /// Flips a bit of these octets wherever they are in this file.
    fn spoil(&self, path: &Path, octets: &str) -> usize {
        let mut file = fs::read(path).unwrap();
        let all: Vec<usize> =
            (0..file.len() - octets.len()).filter(|at| file[*at..].starts_with(octets.as_bytes())).collect();
        all.iter().for_each(|at| file[*at] ^= 1);
        fs::write(path, file).unwrap();
        all.len()
    }
}

fn add_account(serving: &Serving, address: &str) {
    let config = serving.config.to_str().unwrap();
    let mut add = pillarbox(&["account", "add", address, "--password-stdin", "--config", config]);
    let mut child = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn imap(serving: &Serving, user: &str) -> Lines {
    serving.imap(user, &format!("\"{PASSWORD}\""))
}

fn pop(serving: &Serving, password: &str) -> Lines {
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {password}"), "+OK");
    pop
}

fn uidls(serving: &Serving, password: &str) -> Vec<String> {
    let mut pop = pop(serving, password);
    let lines = pop.ask("UIDL", ".");
    pop.ask("QUIT", "+OK");
    lines
}

fn number(text: &str, before: &str) -> u64 {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().unwrap()
}

/// UID, EMAILID, flags and MODSEQ of a line of FETCH.
fn fetched(line: &str) -> Option<(u64, (String, String, u64))> {
    line.strip_prefix("* ")?.split_once(" FETCH (")?;
    let part = |name: &str| line.split_once(name).map(|(_, rest)| rest.split(')').next().unwrap().to_owned());
    let mut flags: Vec<String> = part("FLAGS (")?.split(' ').map(str::to_owned).collect();
    flags.retain(|flag| flag != "\\Recent");
    flags.sort();
    Some((number(line, "UID "), (part("EMAILID (").unwrap_or_default(), flags.join(" "), number(line, "MODSEQ ("))))
}

fn mailbox(imap: &mut Lines, name: &str) -> Mailbox {
    let text = imap.ask(&format!("x EXAMINE {name} (CONDSTORE)"), "x OK").join("\n");
    let lines = imap.ask("f UID FETCH 1:* (UID FLAGS MODSEQ EMAILID)", "f OK");
    Mailbox {
        validity: number(&text, "[UIDVALIDITY "),
        next: number(&text, "[UIDNEXT "),
        highest: number(&text, "[HIGHESTMODSEQ "),
        messages: lines.iter().filter_map(|line| fetched(line)).collect(),
    }
}

fn known(imap: &mut Lines) -> Known {
    let lines = imap.ask("l LIST \"\" *", "l OK");
    let names = lines.iter().filter_map(|line| line.strip_prefix("* LIST ")?.split_once(" \"/\" "));
    let name = |(_, name): (&str, &str)| name.trim_matches('"').to_owned();
    names.map(name).map(|name| (name.clone(), mailbox(imap, &name))).collect()
}

fn uids(set: &str) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
    set.split(',').map(|range| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        first.parse().unwrap()..=last.parse().unwrap()
    })
}

/// A program comes back that knew this, and believes what it is told (RFC 7162 §3.2.5): then it has what the server has, unless the
/// UIDVALIDITY is another one or the mailbox is gone.
fn resync(imap: &mut Lines, name: &str, before: &Mailbox, what: &str) -> Option<Mailbox> {
    imap.ask("e ENABLE QRESYNC", "e OK");
    imap.send(&format!("s SELECT {name} (QRESYNC ({} {}))", before.validity, before.highest));
    let lines = imap.until("s ");
    if lines.last().unwrap().starts_with("s NO") {
        return None;
    }
    if number(&lines.join("\n"), "[UIDVALIDITY ") != before.validity {
        return None;
    }
    let mut has: BTreeMap<u64, String> =
        before.messages.iter().map(|(uid, (_, flags, _))| (*uid, flags.clone())).collect();
    for line in &lines {
        if let Some(set) = line.strip_prefix("* VANISHED (EARLIER) ") {
            let gone: Vec<_> = uids(set).collect();
            has.retain(|uid, _| !gone.iter().any(|range| range.contains(uid)));
        } else if let Some((uid, (_, flags, _))) = fetched(line) {
            has.insert(uid, flags);
        }
    }
    let now = mailbox(imap, name);
    let there: BTreeMap<u64, String> = now.messages.iter().map(|(uid, (_, flags, _))| (*uid, flags.clone())).collect();
    assert_eq!(has, there, "{what}: {name} from MODSEQ {}", before.highest);
    for (uid, (email, flags, modseq)) in &now.messages {
        match before.messages.get(uid) {
            Some((then, _, _)) => assert_eq!(email, then, "{what}: {name} UID {uid} is another message"),
            None => assert!(*uid >= before.next, "{what}: {name} UID {uid} was given before"),
        }
        let changed = before.messages.get(uid).is_some_and(|(_, then, _)| then != flags);
        assert!(!changed || *modseq > before.highest, "{what}: {name} UID {uid}: {flags} at MODSEQ {modseq}");
    }
    Some(now)
}

fn deliver(lmtp: &mut Lines, to: &str, n: usize) {
    let octets = if n % 20 == 7 { 90_000 } else { 100 + n * 131 % 3000 };
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask(&format!("RCPT TO:<{to}>"), "250 ");
    lmtp.ask("DATA", "354 ");
    let text = format!("A line of text of {to} {n:05}.\r\n").repeat(octets / 40);
    lmtp.ask(&format!("From: Carol <carol@example.net>\r\nSubject: Mail {n}\r\n\r\nMessage {n}.\r\n{text}."), "250 ");
}

impl World {
    /// A server that was stopped, or killed, with mail of two.
    fn make(is_killed: bool) -> Self {
        let home = Home::new();
        let serving = home.start();
        serving.says(&["domain", "add", "example.org"]);
        [ALICE, BOB].iter().for_each(|address| add_account(&serving, address));
        serving.says(&["alias", "add", "office@example.org", ALICE]);
        let device = serving.says(&["device", "add", ALICE, "PC", "--policy", "expunge", "--json"]);
        let device: Value = serde_json::from_str(&device).unwrap();
        let password = device["password"].as_str().unwrap().to_owned();
        let mut lmtp = serving.connect_plain("lmtp");
        lmtp.until("220 ");
        lmtp.ask("LHLO outside.example", "250 ");
        (0..60).for_each(|n| deliver(&mut lmtp, if n % 3 == 0 { BOB } else { ALICE }, n));
        let mut alice = imap(&serving, ALICE);
        for command in [
            "CREATE Work/Old",
            "SELECT INBOX",
            "STORE 1:9 +FLAGS (\\Seen $Important)",
            "COPY 3:12 Work/Old",
            "STORE 1:* +FLAGS (\\Flagged)",
            "STORE 5 +FLAGS (\\Deleted)",
            "EXPUNGE",
        ] {
            alice.ask(&format!("c {command}"), "c OK");
        }
        let mut pop = pop(&serving, &password);
        ["RETR 2", "DELE 2", "RETR 4", "QUIT"].iter().for_each(|command| {
            pop.ask(command, if command.starts_with("RETR") { "." } else { "+OK" });
        });
        let early = ("early", known(&mut alice));
        (60..80).for_each(|n| deliver(&mut lmtp, ALICE, n));
        for command in [
            "SELECT INBOX",
            "STORE 20:30 -FLAGS (\\Flagged)",
            "STORE 21:24 +FLAGS (\\Deleted)",
            "EXPUNGE",
            "MOVE 3:4 Work/Old",
            "STORE 2 +FLAGS (Later)",
        ] {
            alice.ask(&format!("c {command}"), "c OK");
        }
        let mut smtp = serving.connect_tls("submissions");
        smtp.until("220 ");
        smtp.ask("EHLO pc.example.org", "250 ");
        smtp.ask(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{ALICE}\0{PASSWORD}"))), "235 ");
        smtp.ask(&format!("MAIL FROM:<{ALICE}>"), "250 ");
        smtp.ask("RCPT TO:<dave@example.com>", "250 ");
        smtp.ask("DATA", "354 ");
        smtp.ask(&format!("From: {ALICE}\r\nSubject: outside\r\n\r\nHello.\r\n."), "250 ");
        let uidls = uidls(&serving, &password);
        let known = vec![early, ("late", known(&mut alice)), ("bob", known(&mut imap(&serving, BOB)))];
        drop((alice, lmtp, smtp));
        // As after a backup. It was called lost once.
        fs::write(home.data().join("last-backup"), "1790000000000").unwrap();
        if is_killed {
            serving.kill();
            fs::remove_file(home.data().join("control.sock")).unwrap();
        } else {
            serving.stop();
            // It copies what is in the logs.
            assert!(home.run(&["account", "list"]).0.contains(BOB));
        }
        Self { home, pop: password, known, uidls }
    }
}

/// Gives a directory with all in it to a user.
fn own_all(path: &Path, user: u32) {
    chown(path, Some(user), None).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| own_all(&entry.unwrap().path(), user));
    }
}

/// All files below a directory, with their modes left out.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut left) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            match path.symlink_metadata().unwrap() {
                found if found.is_dir() => left.push(path),
                found if found.is_file() => {
                    files.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
                }
                _ => {}
            }
        }
    }
    files
}

#[test]
fn of_sound_data_everything_comes_over_as_it_was() {
    for is_killed in [false, true] {
        let World { home, pop, known: before, uidls: listed } = World::make(is_killed);
        let old = home.twin();
        // Where this is root.
        if fs::metadata(home.data()).unwrap().uid() == 0 {
            chown(home.data(), Some(4711), None).unwrap();
            // As somebody prepares a place for the user of the server.
            fs::create_dir(home.to()).unwrap();
            chown(home.to(), Some(4711), None).unwrap();
        }
        let (text, status) = home.repair();
        assert_eq!((status, home.report().as_str()), (0, ""), "{text}");
        // Root gives it to whom the damaged one belongs to.
        let user = |path: &Path| fs::metadata(path).unwrap().uid();
        assert_eq!(user(&home.to()), user(&home.data()));
        let parts = ["auth-secret", "store/format", "pillarbox.lock"];
        assert!(parts.iter().all(|part| user(&home.to().join(part)) == user(&home.data())));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home.to()), mode(&home.to().join("auth-secret"))), (0o700, 0o600));
        // What it says is to be done can be done.
        let (data, to) = (home.data(), home.to());
        let moves: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("mv ")).collect();
        assert_eq!(moves[1], format!("mv {} {}", to.display(), data.display()));
        assert!(moves[0].starts_with(&format!("mv {} ", data.display())), "{text}");
        home.put_in_place();
        let ours = fs::metadata(home.home()).unwrap().uid();
        own_all(&home.data(), ours);
        assert!(home.mail() == old.mail());
        assert!(home.run(&["check", "--bodies"]).0.starts_with("All is well"));
        for command in [
            &["account", "list"][..],
            &["alias", "list"],
            &["domain", "list"],
            &["device", "list", ALICE],
            &["queue", "list"],
            &["timeline", ALICE],
            &["held", "list", ALICE],
        ] {
            let (now, then) = (home.run(command), old.run(command));
            assert_eq!(now, then, "{command:?}");
        }
        assert!(home.run(&["queue", "list"]).0.contains("dave@example.com"));
        let serving = home.start();
        assert_eq!(uidls(&serving, &pop), listed);
        for (who, then) in &before[1..] {
            let mut imap = imap(&serving, if *who == "bob" { BOB } else { ALICE });
            assert_eq!(&known(&mut imap), then);
        }
        for (name, then) in &before[0].1 {
            assert!(resync(&mut imap(&serving, ALICE), name, then, "sound").is_some());
        }
        serving.stop();
    }
}

/// Damages files of the store and large messages: bits, sectors, whole pages, what lies at the end, whole files.
fn damage(home: &Home, random: &mut Random) -> String {
    let mut told = String::new();
    let mut below = |end: usize| random.below(end as u64) as usize;
    let files: Vec<PathBuf> = contents(&home.data())
        .into_keys()
        .filter(|file| {
            let name = file.to_str().unwrap();
            (name.starts_with("store/shard") && !name.ends_with("-shm")) || name.starts_with("objects/")
        })
        .collect();
    for _ in 0..=below(3) {
        let name = &files[below(files.len())];
        let path = home.data().join(name);
        let Ok(mut file) = fs::read(&path) else { continue };
        if file.is_empty() {
            continue;
        }
        let pages = file.len().div_ceil(4096);
        match below(9) {
            0 => {
                let page = below(pages) * 4096;
                let end = (page + 4096).min(file.len());
                file[page..end].fill(below(2) as u8 * 0xa5);
                told.push_str(&format!("{} octets {page} to {end}; ", name.display()));
            }
            1 => {
                let end = below(file.len());
                file.truncate(end);
                told.push_str(&format!("{} cut at {end}; ", name.display()));
            }
            2 => {
                let sector = below(file.len().div_ceil(512)) * 512;
                let end = (sector + 512).min(file.len());
                file[sector..end].fill(0);
                told.push_str(&format!("{} sector {sector} of zeros; ", name.display()));
            }
            3 if below(2) == 0 => {
                fs::remove_file(&path).unwrap();
                told.push_str(&format!("{} gone; ", name.display()));
                continue;
            }
            // A page as it was before: the disk lost a write, and has it elsewhere.
            4 if name.starts_with("store") => {
                let (from, to) = (below(pages) * 4096, below(pages) * 4096);
                if from != to && from + 4096 <= file.len() && to + 4096 <= file.len() {
                    file.copy_within(from..from + 4096, to);
                    told.push_str(&format!("{} octets {from} over {to}; ", name.display()));
                }
            }
            _ => {
                for _ in 0..1 + below(8) {
                    let bit = below(file.len() * 8);
                    file[bit / 8] ^= 1 << (bit % 8);
                    told.push_str(&format!("{} bit {bit}; ", name.display()));
                }
            }
        }
        fs::write(&path, file).unwrap();
    }
    told
}

/// Each message of an account that was there is there, or told; none is another one.
fn must_have_all_of(before: &BTreeMap<(String, String, String), Vec<u8>>, home: &Home, report: &str, what: &str) {
    let now = home.mail();
    let id = |name: &str| name.split('.').nth(1).unwrap().to_owned();
    for ((account, folder, name), octets) in before {
        let email = id(name);
        let of_account = |line: &&str| line.starts_with(&format!("{account}: "));
        let says = |words: &str| report.lines().filter(of_account).any(|line| line.contains(words));
        let same =
            now.iter().any(|((whose, _, now), content)| whose == account && id(now) == email && content == octets);
        let is_recovered = now
            .iter()
            .any(|((whose, folder, _), content)| whose == account && folder == ".Recovered" && content == octets);
        let is_told = says(&email) || says("of which nothing tells any more") || is_recovered;
        assert!(same || is_told, "{what}: {account} {folder} {name} is gone\n{report}");
        let differs =
            now.iter().any(|((whose, _, now), content)| whose == account && id(now) == email && content != octets);
        assert!(!differs, "{what}: {account} {email} says something else\n{report}");
    }
    for ((account, folder, name), octets) in &now {
        let is_stub = octets.windows(STUB.len()).any(|window| window == STUB.as_bytes());
        let was_there = before.iter().any(|((whose, _, _), then)| whose == account && then == octets);
        // One that was removed, of which nothing tells that any more.
        let is_back = folder == ".Recovered" || report.contains("what was written last is damaged");
        assert!(was_there || is_stub || is_back, "{what}: {account} {folder} {name} was not there\n{report}");
    }
}

#[test]
fn whatever_is_damaged_a_server_goes_on_with_what_is_sound_and_tells_the_rest() {
    let world = [World::make(false), World::make(true)];
    let before = [world[0].home.mail(), world[1].home.mail()];
    let seed = std::env::var("PILLARBOX_REPAIR_SEED").ok().map_or(0x4e9a, |seed| seed.parse().unwrap());
    let rounds = std::env::var("PILLARBOX_REPAIR_ROUNDS").ok().map_or(14, |rounds| rounds.parse().unwrap());
    println!("PILLARBOX_REPAIR_SEED={seed}");
    let (mut random, mut repaired, mut same) = (Random::new(seed), 0, 0);
    for round in 0..rounds {
        let World { home: sound, known, .. } = &world[round % 2];
        let home = sound.twin();
        let what = format!("round {round}: {}", damage(&home, &mut random));
        println!("{what}");
        let (text, status) = home.repair();
        if status == 1 {
            assert!(text.contains("is damaged") && text.contains("and so is its copy"), "{what}: {text}");
            assert!(!home.to().exists(), "{what}: something was left");
            println!("refused: {text}");
            continue;
        }
        let report = home.report();
        assert_eq!(status == 0, report.is_empty(), "{what}: {text}\n{report}");
        home.put_in_place();
        assert!(home.run(&["check", "--bodies"]).0.starts_with("All is well"), "{what}\n{report}");
        must_have_all_of(&before[round % 2], &home, &report, &what);
        let serving = home.start();
        for (who, then) in known {
            let mut imap = imap(&serving, if *who == "bob" { BOB } else { ALICE });
            for (name, mailbox) in then {
                same += usize::from(resync(&mut imap, name, mailbox, &format!("{what} {who}\n{report}")).is_some());
            }
        }
        // It takes mail, and gives no number again.
        let mut lmtp = serving.connect_plain("lmtp");
        lmtp.until("220 ");
        lmtp.ask("LHLO outside.example", "250 ");
        deliver(&mut lmtp, ALICE, 99);
        let (now, then) = (mailbox(&mut imap(&serving, ALICE), "INBOX"), &known[1].1["INBOX"]);
        let last = now.messages.last_key_value().unwrap();
        assert!(now.validity != then.validity || *last.0 >= then.next, "{what}: UID {}", last.0);
        serving.stop();
        repaired += 1;
    }
    println!("{repaired} of {rounds} repaired, {same} mailboxes with the same UIDVALIDITY");
    assert!(repaired * 2 > rounds && same > rounds, "{repaired} {same}");
}

#[test]
fn large_messages_that_are_lost_are_named_and_damaged_ones_are_kept() {
    let World { home, .. } = World::make(false);
    let object = home.object();
    let mut octets = fs::read(&object).unwrap();
    octets[40_000] ^= 1;
    fs::write(&object, &octets).unwrap();
    let (text, status) = home.run(&["repair"]);
    assert!(status == 3 && text.contains("1 things would be lost") && text.contains("is damaged on disk"), "{text}");
    let (text, status) = home.repair();
    assert_eq!(status, 3, "{text}");
    let report = home.report();
    let name = object.file_name().unwrap().to_str().unwrap();
    let line = report.lines().find(|line| line.contains("what is left of a large message")).expect(&report);
    let kept = |line: &str| home.to().join(line.rsplit_once(" in ").unwrap().1);
    assert!(line.contains("beside this report, in damaged/") && line.ends_with(name), "{line}");
    assert_eq!(fs::read(kept(line)).unwrap(), octets);
    assert!(report.lines().any(|line| line.contains(", UID ") && line.contains("a message in its place says so")));
    // The next repair of the new directory finds nothing, what stands for the lost one included.
    home.put_in_place();
    let (text, status) = home.run(&["repair"]);
    assert!(status == 0, "{text}");

    // Where the rows are lost too, nothing names it but itself.
    let World { home, .. } = World::make(false);
    let object = home.object();
    let mut octets = fs::read(&object).unwrap();
    octets[40_000] ^= 1;
    fs::write(&object, &octets).unwrap();
    let shard = home.shard_with(object.file_name().unwrap().to_str().unwrap());
    fs::remove_file(shard).unwrap();
    let (text, status) = home.repair();
    assert_eq!(status, 3, "{text}");
    let report = home.report();
    let line = report.lines().find(|line| line.contains("what is left of a large message")).expect(&report);
    assert_eq!(fs::read(home.to().join(line.rsplit_once(" in ").unwrap().1)).unwrap(), octets);
}

#[test]
fn what_cannot_be_read_is_not_lost_and_nothing_is_made_without_it() {
    let World { home, .. } = World::make(false);
    for path in [home.object(), home.data().join("store/shard-01.sqlite"), home.data().join("auth-secret")] {
        let aside = home.place.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        // Every call that opens it fails, and not because there is none.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        for arguments in [&["repair", "--to", home.to().to_str().unwrap()][..], &["repair"]] {
            let (text, status) = home.run(arguments);
            // Nothing needs the secret that only looks.
            if !(arguments.len() == 1 && path.ends_with("auth-secret")) {
                assert_eq!(status, 1, "{}: {text}", path.display());
                assert!(text.contains("not lost for sure") && text.contains(path.to_str().unwrap()), "{text}");
            }
            assert!(!home.to().exists(), "{text}");
        }
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(home.repair().1, 0);
}

#[test]
fn who_may_log_in_comes_from_a_copy_that_is_whole_or_nothing_is_made() {
    let World { home, pop, uidls: listed, .. } = World::make(false);
    let files = contents(&home.data().join("store"));
    let has = |file: &[u8]| file.windows(BOB.len()).any(|window| window == BOB.as_bytes());
    let shards: Vec<PathBuf> = files.iter().filter(|(_, file)| has(file)).map(|(name, _)| name.clone()).collect();
    assert_eq!(shards.len(), 2, "the table, and its copy");
    let path = |n: usize| home.data().join("store").join(&shards[n]);
    assert!(home.spoil(&path(0), BOB) > 0);
    let (text, status) = home.repair();
    assert!(status == 0 || status == 3, "{text}");
    let twin = home.twin();
    home.put_in_place();
    let serving = home.start();
    assert_eq!(uidls(&serving, &pop), listed);
    drop(imap(&serving, BOB));
    serving.stop();
    assert!(twin.spoil(&twin.data().join("store").join(&shards[1]), BOB) > 0);
    let (text, status) = twin.repair();
    assert!(status == 1 && text.contains("and so is its copy"), "{status}: {text}");
    assert!(!twin.to().exists());
}

#[test]
fn what_is_not_all_here_is_refused_and_nothing_is_written_elsewhere() {
    let World { home, .. } = World::make(false);
    let to = home.to();
    let to = to.to_str().unwrap();
    for (file, says, part) in [
        ("store-engine", "postgres", "was moved"),
        ("store-bodies", "bucket", "`store.bucket_url_file`"),
        ("store-moving", "postgres://x", "is on its way"),
        ("standby", "following\nhost\n1\n/token\n", "is that of a standby"),
        ("superseded", "2026-01-01", "a standby goes on"),
        ("restore-unfinished", "", "did not come to its end"),
        ("repair-unfinished", "/x", "did not come to its end"),
    ] {
        fs::write(home.data().join(file), format!("{says}\n")).unwrap();
        for arguments in [&["repair", "--to", to][..], &["repair"]] {
            let (text, status) = home.run(arguments);
            assert!(status == 1 && text.contains(part), "{file}: {status}: {text}");
        }
        assert!(!home.to().exists());
        fs::remove_file(home.data().join(file)).unwrap();
    }
    for (option, part) in [
        ("store.bucket_url_file = \"bucket\"", "are in a bucket"),
        ("store.engine = \"postgres\"\nstore.url_file = \"url\"", "is in PostgreSQL"),
    ] {
        let other = home.home().join("other.toml");
        let options = "data_dir = \"data\"\nhostname = \"localhost\"\nlisten.imap = [\"127.0.0.1:0\"]";
        fs::write(&other, format!("{options}\n{option}\n")).unwrap();
        let output = run(&["repair", "--config", other.to_str().unwrap(), "--to", to]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && text.contains(part), "{option}: {text}");
    }
    // Rows of the first version have no checksums.
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1.0");
    let output = run(&["repair", "--data-dir", first.to_str().unwrap(), "--to", to]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("have no checksums"), "{text}");
    assert!(!home.to().exists());
    let objects = (home.data().join("objects"), home.data().join("elsewhere"));
    fs::rename(&objects.0, &objects.1).unwrap();
    let (text, status) = home.run(&["repair", "--to", to]);
    assert!(status == 1 && text.contains("mount that"), "{status}: {text}");
    fs::rename(&objects.1, &objects.0).unwrap();

    let link = home.place.path().join("link");
    std::os::unix::fs::symlink(home.data(), &link).unwrap();
    let full = home.place.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("precious"), "mine").unwrap();
    let before = contents(&home.data());
    for (to, why) in [
        (home.data().join("new"), "lies in the damaged directory"),
        (link.join("new"), "lies in the damaged directory"),
        (home.data(), "lies in the damaged directory"),
        (home.home(), "or around it"),
        (home.place.path().join("not there/../home/data/new"), "has `..` in it"),
        (full.clone(), "is not empty"),
    ] {
        let (text, status) = home.run(&["repair", "--to", to.to_str().unwrap()]);
        assert!(status == 1 && text.contains(why), "{}: {status}: {text}", to.display());
    }
    assert!(contents(&home.data()) == before && fs::read(full.join("precious")).unwrap() == b"mine");

    let serving = home.start();
    for arguments in [&["repair", "--to", to][..], &["repair"]] {
        let (text, status) = home.run(arguments);
        assert!(status == 1 && text.contains("is in use by another Pillarbox"), "{status}: {text}");
    }
    serving.stop();
    assert!(!home.to().exists());
}

#[test]
fn one_that_only_looks_leaves_nothing_and_removes_nothing() {
    let World { home, .. } = World::make(false);
    assert!(home.spoil(&home.shard_with("Message 8."), "Message 8.") > 0);
    let (temporary, config) = (home.place.path().join("tmp"), home.home().join("pillarbox.toml"));
    fs::create_dir(&temporary).unwrap();
    fs::create_dir(home.to()).unwrap();
    fs::write(home.to().join("repair-unfinished"), home.data().to_str().unwrap()).unwrap();
    fs::write(home.to().join("report.txt"), "of an earlier one").unwrap();
    let before = (contents(&home.data()), contents(&home.to()));
    let look = pillarbox(&["repair", "--config", config.to_str().unwrap()]).env("TMPDIR", &temporary).output().unwrap();
    let text = String::from_utf8(look.stdout).unwrap();
    assert!(look.status.code() == Some(3) && text.contains("Mail 8") && text.contains("Nothing was made"), "{text}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
    assert!((contents(&home.data()), contents(&home.to())) == before);
}

/// Killed at each step, it begins anew, and until then nobody takes what it has made for a server's data.
#[test]
fn a_repair_that_was_killed_is_taken_for_nothing_and_begins_anew() {
    let World { home, .. } = World::make(true);
    let (sound, config, to) = (home.mail(), home.home().join("pillarbox.toml"), home.to());
    let arguments = ["repair", "--config", config.to_str().unwrap(), "--to", to.to_str().unwrap()];
    let mut broken_off = 0;
    for part in ["repair-unfinished", "notes.sqlite", "store/format", "report.txt", "auth-secret", "pillarbox.format"] {
        let mut child = pillarbox(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !to.join(part).exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if to.join("repair-unfinished").exists() {
            broken_off += 1;
            for command in [&["check"][..], &["account", "list"], &["repair"]] {
                let output = run(&[command, &["--data-dir", to.to_str().unwrap()]].concat());
                let text = String::from_utf8(output.stderr).unwrap();
                assert!(!output.status.success() && text.contains("did not come to its end"), "{part}: {text}");
            }
        } else {
            fs::remove_dir_all(&to).unwrap();
        }
    }
    assert!(broken_off > 2, "{broken_off}");
    let other = home.twin();
    let (text, status) = other.run(&["repair", "--to", to.to_str().unwrap()]);
    assert!(status == 1 && text.contains("and not of"), "{status}: {text}");
    fs::write(to.join("precious"), "mine").unwrap();
    let (text, status) = home.run(&["repair", "--to", to.to_str().unwrap()]);
    assert!(status == 1 && text.contains("precious"), "{status}: {text}");
    fs::remove_file(to.join("precious")).unwrap();
    assert_eq!(home.repair().1, 0);
    home.put_in_place();
    assert!(home.mail() == sound);
}

#[test]
fn on_a_full_disk_nothing_is_made_and_with_room_it_is() {
    let World { home, .. } = World::make(false);
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(place.path()) else { return };
    let ballast = disk.0.join("ballast");
    let to = disk.0.join("new");
    let before = contents(&home.data());
    for leaves in [64 << 10, 300 << 10, 600 << 10] {
        fs::write(&ballast, vec![1; (32 << 20) - leaves]).unwrap();
        let (text, status) = home.run(&["repair", "--to", to.to_str().unwrap()]);
        assert!(status == 1, "{leaves}: {status}: {text}");
        assert!(!to.exists(), "{leaves}: {text}");
    }
    fs::remove_file(&ballast).unwrap();
    let (text, status) = home.run(&["repair", "--to", to.to_str().unwrap()]);
    assert_eq!(status, 0, "{text}");
    assert!(contents(&home.data()) == before);
    assert!(says(&["check", "--bodies", "--data-dir", to.to_str().unwrap()]).starts_with("All is well"));
}

/// The calls of `support/faults.c` by their place there, that a repair makes of what it reads, and of what it makes.
const READS: [(usize, &str); 7] =
    [(0, "open"), (1, "read"), (2, "pread"), (11, "mmap"), (12, "stat"), (13, "lock"), (14, "readdir")];
const WRITES: [(usize, &str); 9] = [
    (0, "open"),
    (3, "write"),
    (4, "pwrite"),
    (5, "fsync"),
    (6, "fdatasync"),
    (7, "ftruncate"),
    (8, "rename"),
    (9, "unlink"),
    (10, "mkdir"),
];
/// Beside the first time and the last, a call fails at so many others, each for itself.
const OTHER_TIMES: usize = 1;
const EIO: u64 = 5;
const ENOSPC: u64 = 28;

/// A repair of which one call of the C library below a directory fails.
struct Faulty {
    library: PathBuf,
    control: PathBuf,
    below: PathBuf,
}

impl Faulty {
    /// `None`, and says so, where there is no compiler for C.
    fn new(place: &Path, below: PathBuf) -> Option<Self> {
        let (library, control) = (place.join("faults.so"), place.join("control"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let mut cc = Command::new("cc");
        match cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output() {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                not_tested::without("cc", error);
                return None;
            }
        }
        Some(Self { library, control, below })
    }

    /// What it says, its exit status, and how often each call was made; the call fails at its so many-th time.
    fn repair(&self, home: &Home, (call, error, time): (u64, u64, u64)) -> (String, i32, Vec<u64>) {
        let words: Vec<u8> = [call, error, time, time].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let mut control = words;
        control.resize(4096, 0);
        fs::write(&self.control, control).unwrap();
        let config = home.home().join("pillarbox.toml");
        let mut repair =
            pillarbox(&["repair", "--config", config.to_str().unwrap(), "--to", home.to().to_str().unwrap()]);
        repair.env("LD_PRELOAD", &self.library).env("FAULTS_CONTROL", &self.control);
        let output = repair.env("FAULTS_DIRECTORY", &self.below).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let words = fs::read(&self.control).unwrap();
        let made = words.chunks(8).skip(5).take(15).map(|word| u64::from_ne_bytes(word.try_into().unwrap())).collect();
        (text, output.status.code().expect("it ends by itself"), made)
    }

    /// Each of these calls fails at the first time, at the last, and at some others.
    fn each(&self, home: &Home, calls: &[(usize, &str)], errors: &[u64], check: &mut dyn FnMut(&str, &str, i32)) {
        let (text, status, made) = self.repair(home, (u64::MAX, 0, 0));
        assert_eq!(status, 0, "{text}");
        fs::remove_dir_all(home.to()).unwrap();
        let mut random = Random::new(Random::seed("PILLARBOX_REPAIR_FAULTS_SEED"));
        for (call, name) in calls {
            let last = made[*call];
            let others: Vec<u64> = (0..OTHER_TIMES).map(|_| 1 + random.below(last.max(1))).collect();
            let times: BTreeSet<u64> =
                [1, last].into_iter().chain(others).filter(|time| (1..=last).contains(time)).collect();
            for time in times {
                let error = errors[random.below(errors.len() as u64) as usize];
                let (text, status, _) = self.repair(home, (*call as u64, error, time));
                check(&format!("{name} no. {time} of {last}, error {error}"), &text, status);
            }
        }
    }
}

/// Whatever the disk does not give once: either nothing is made, or nothing of it is missing.
#[test]
fn what_a_disk_does_not_give_is_never_called_lost() {
    let World { home, .. } = World::make(true);
    let Some(faulty) = Faulty::new(home.place.path(), home.data()) else { return };
    let (before, mut refused) = (contents(&home.data()), 0);
    let to = home.to();
    faulty.each(&home, &READS, &[EIO], &mut |what, text, status| {
        match status {
            0 => {
                assert!(home.report().is_empty(), "{what}: {text}");
                let found = says(&["check", "--bodies", "--data-dir", to.to_str().unwrap()]);
                assert!(found.starts_with("All is well"), "{what}: {found}");
                fs::remove_dir_all(&to).unwrap();
            }
            status => {
                assert_eq!(status, 1, "{what}: {text}");
                refused += 1;
            }
        }
        assert!(!to.exists(), "{what}: {text}");
    });
    assert!(refused > 4, "{refused}");
    assert!(contents(&home.data()) == before);
}

/// Whatever the disk does not take once: either all is there, or no server starts with it, and the next call makes it.
#[test]
fn what_a_disk_does_not_take_is_never_called_ready() {
    let World { home, .. } = World::make(false);
    let Some(faulty) = Faulty::new(home.place.path(), home.to()) else { return };
    let (to, mut refused) = (home.to(), 0);
    faulty.each(&home, &WRITES, &[EIO, ENOSPC], &mut |what, text, status| {
        if status == 1 {
            refused += 1;
            if to.exists() {
                let output = run(&["check", "--data-dir", to.to_str().unwrap()]);
                assert!(!output.status.success(), "{what}: {text}");
            }
            let (text, status) = home.run(&["repair", "--to", to.to_str().unwrap()]);
            assert_eq!(status, 0, "{what}: {text}");
        } else {
            assert!(status == 0 && home.report().is_empty(), "{what}: {status}: {text}");
        }
        let found = says(&["check", "--bodies", "--data-dir", to.to_str().unwrap()]);
        assert!(found.starts_with("All is well"), "{what}: {found}");
        fs::remove_dir_all(&to).unwrap();
    });
    assert!(refused > 4, "{refused}");
}
