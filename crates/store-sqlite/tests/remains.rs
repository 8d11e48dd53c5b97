//! Damaged shard files, salvaged: what is sound comes over as it was, the rest is named, and everything agrees.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::check::{self, Depth};
use store::device::Credential;
use store::engine::{Commit, Engine, Write};
use store::objects::Objects;
use store::removal::RemovalPolicy;
use store::salvage::{Aim, Loss, Remains, Remnant, Salvage};
use store::sim::{Random, SimObjects};
use store::{
    Account, AccountId, Actor, DeviceId, EmailId, Expunge, FlagChange, FlagMode, Flags, INLINE_BYTES_MAX, MailboxId,
    MaildropOptions, ModSeq, NewMessage, Protocol, Store, SystemFlag, Target, Timestamp, Uid, UidValidity,
};
use store_sqlite::{SqliteEngine, SqliteOptions, SqliteRemains};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ACTOR: Actor = Actor { device: DeviceId(1), protocol: Protocol::Imap, now: NOW };
const IDS: [AccountId; 2] = [AccountId(16), AccountId(17)];

/// What is said of an account whose rows may be of different moments.
const TORN: &str = "what was written last is damaged";

struct Data {
    place: TempDir,
    objects: SimObjects,
}

impl Data {
    fn store(&self) -> PathBuf {
        self.place.path().join("store")
    }

    fn files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.store()).unwrap().map(|entry| entry.unwrap().path());
        let is_read = |path: &PathBuf| path.extension().is_some_and(|end| end == "sqlite" || end == "sqlite-wal");
        let mut files: Vec<PathBuf> = files.filter(is_read).collect();
        files.sort();
        files
    }

    /// The same files, and the same large messages.
    fn twin(&self) -> Self {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("store")).unwrap();
        for entry in fs::read_dir(self.store()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, place.path().join("store").join(path.file_name().unwrap())).unwrap();
        }
        let objects = SimObjects::new();
        for id in IDS {
            for (name, _) in self.objects.list(id).unwrap() {
                objects.put(id, &name, &self.objects.read(id, &name).unwrap()).unwrap();
            }
        }
        Self { place, objects }
    }
}

fn engine(directory: &Path) -> SqliteEngine {
    SqliteEngine::open(directory, &SqliteOptions { shards: 2, ..SqliteOptions::default() }).unwrap()
}

/// Two accounts with something of everything; as a server leaves them that is stopped, or one that is killed.
fn sound() -> [Data; 2] {
    let (place, objects) = (tempfile::tempdir().unwrap(), SimObjects::new());
    let engine = Arc::new(engine(&place.path().join("store")));
    let store = Store::new(engine, Arc::new(objects.clone()));
    for id in IDS {
        let account = store.create_account(id, NOW).unwrap();
        let work = account.create_mailbox(ACTOR, "Work/Ätsch", None).unwrap();
        let mut emails = Vec::new();
        for n in 0..60usize {
            let long = match n % 12 {
                0 => INLINE_BYTES_MAX + n,
                1..4 => 5000 + n,
                _ => n,
            };
            let body = format!(
                "Subject: {n} of {id}\r\nFrom: a@example.org\r\nMessage-ID: <{n}.{id}@x>\r\n\r\n{}\r\n",
                "x".repeat(long)
            );
            let target = if n % 3 == 0 { Target::Mailbox(work) } else { Target::Inbox };
            let flags = Flags { keywords: vec![format!("$k{}", n % 4)], ..Flags::system(&[SystemFlag::Seen]) };
            let message =
                NewMessage { body: body.into_bytes(), flags, internal_date: Timestamp(NOW.0 + n as i64 * 1000) };
            emails.push(account.append(ACTOR, target, message).unwrap().email);
        }
        let inbox = MailboxId(1);
        flag(&account, inbox, 3, SystemFlag::Deleted);
        flag(&account, inbox, 25, SystemFlag::Flagged);
        account.expunge(ACTOR, inbox, Expunge::AllDeleted).unwrap();
        let credential = Credential::ApplicationPassword { hash: [7; 32] };
        account.add_device(ACTOR, "pc", credential, Some(RemovalPolicy::Keep.into())).unwrap();
        let maildrop = account.open_maildrop(DeviceId(1), &MaildropOptions::default(), NOW).unwrap();
        account.close_maildrop(ACTOR, &maildrop, vec![emails[7]], vec![]).unwrap();
        let uids = account.view(inbox).unwrap().index().iter().map(|entry| entry.uid).take(20).collect();
        account.copy(ACTOR, inbox, uids, work).unwrap();
    }
    assert_eq!(check::all(&store, Depth::Bodies).unwrap(), []);
    let stopped = Data { place, objects };
    let killed = stopped.twin();
    drop(store);
    assert!(killed.files().len() > stopped.files().len(), "it has a log");
    [stopped, killed]
}

fn flag(account: &Account, mailbox: MailboxId, few: usize, flag: SystemFlag) {
    let uids = account.view(mailbox).unwrap().index().iter().map(|entry| entry.uid).take(few).collect();
    let change = FlagChange { mode: FlagMode::Add, flags: Flags::system(&[flag]), unchanged_since: None };
    account.change_flags(ACTOR, mailbox, uids, change).unwrap();
}

/// Of each message in a mailbox: EMAILID, UIDVALIDITY, flags with keywords, date, octets.
type Message = (String, u32, Vec<String>, i64, Vec<u8>);
/// By account, mailbox and UID.
type Mail = BTreeMap<(AccountId, String, u32), Message>;

/// Of each mailbox: number, UIDVALIDITY, the highest MODSEQ, the next UID; of each message EMAILID, flags and MODSEQ.
type Known =
    BTreeMap<(AccountId, String), ((MailboxId, UidValidity, ModSeq, Uid), BTreeMap<Uid, (EmailId, String, ModSeq)>)>;

struct Salvaged {
    _place: TempDir,
    store: Store,
    losses: Vec<(AccountId, Loss)>,
    told: Vec<String>,
    unknown: usize,
}

fn salvage(data: &Data) -> Salvaged {
    let before: Vec<Vec<u8>> = data.files().iter().map(|file| fs::read(file).unwrap()).collect();
    let place = tempfile::tempdir().unwrap();
    let remains = SqliteRemains::read(&data.store(), &place.path().join("notes"), &mut |_, _| {}).unwrap();
    let engine = Arc::new(engine(&place.path().join("store")));
    let objects: Arc<dyn Objects> = Arc::new(data.objects.clone());
    let (to, aim) = (Arc::clone(&engine), Aim::Export);
    let work = Salvage { remains: &remains, engine: to, objects: Arc::clone(&objects), now: NOW, aim };
    let mut losses = Vec::new();
    let mut unknown = 0;
    for id in IDS {
        let salvaged = work.account(id).unwrap();
        assert_eq!(salvaged.faults, Vec::<String>::new());
        losses.extend(salvaged.losses.into_iter().map(|loss| (id, loss)));
        unknown += salvaged.unknown;
    }
    let known = remains.accounts().unwrap();
    assert!(known.len() <= IDS.len(), "{known:?}");
    let told = remains.told().to_vec();
    assert!(data.files().iter().map(|file| fs::read(file).unwrap()).eq(before), "they were written to");
    Salvaged { store: Store::new(engine, objects), _place: place, losses, told, unknown }
}

impl Salvaged {
    fn mail(&self) -> Mail {
        let mut mail = Mail::new();
        for id in IDS {
            let account = self.store.account(id);
            let mailboxes: Vec<MailboxId> = account.mailboxes().unwrap().iter().map(|mailbox| mailbox.id).collect();
            for mailbox in mailboxes {
                let (view, reader) = (account.view(mailbox).unwrap(), account.reader().unwrap());
                for entry in view.index().iter() {
                    let Flags { system, keywords } = view.mailbox().keywords.flags(entry.flags);
                    let flags = keywords.into_iter().chain([format!("{:?}", system)]).collect();
                    let key = (id, view.mailbox().name.clone(), entry.uid.0);
                    let (validity, date) = (view.mailbox().uid_validity.0, entry.internal_date.0);
                    mail.insert(key, (entry.email.text(), validity, flags, date, reader.body(entry.email).unwrap()));
                }
            }
        }
        mail
    }

    /// What programs know that synchronise by MODSEQ.
    fn known(&self) -> Known {
        let mut known = Known::new();
        for id in IDS {
            let account = self.store.account(id);
            for mailbox in account.mailboxes().unwrap().iter() {
                let view = account.view(mailbox.id).unwrap();
                let entries = view.index().iter().map(|entry| {
                    let Flags { system, keywords } = view.mailbox().keywords.flags(entry.flags);
                    (entry.uid, (entry.email, format!("{system:?} {keywords:?}"), entry.modseq))
                });
                let of = (mailbox.id, mailbox.uid_validity, mailbox.highest_modseq, mailbox.uid_next);
                known.insert((id, mailbox.name.clone()), (of, entries.collect()));
            }
        }
        known
    }

    /// Whoever knew this is told what has become of it (RFC 7162 §3.1, §3.2.5.2), or that nothing is as it was (RFC 9051 §2.3.1.1).
    fn tells_those_who_knew(&self, before: &Known, what: &str) -> usize {
        let (now, mut same) = (self.known(), 0);
        for (key, ((_, validity, highest, next), then)) in before {
            let Some(((mailbox, _, _, _), there)) = now.get(key).filter(|now| now.0.1 == *validity) else { continue };
            same += 1;
            let gone = self.store.account(key.0).vanished_since(*mailbox, *highest).unwrap();
            for uid in then.keys().filter(|uid| !there.contains_key(uid)) {
                assert!(gone.contains(uid), "{what}: {key:?}: that {uid} is gone is not told");
            }
            for (uid, (email, flags, modseq)) in there {
                let Some((before, were, _)) = then.get(uid) else {
                    assert!(uid >= next, "{what}: {key:?}: {uid} was given before");
                    continue;
                };
                assert_eq!(email, before, "{what}: {key:?}: {uid} is another message");
                assert!(
                    flags == were || modseq > highest,
                    "{what}: {key:?}: {uid} has {flags}, had {were} at {modseq}"
                );
            }
        }
        same
    }

    fn names(&self, account: AccountId, id: &str) -> bool {
        self.losses.iter().any(|(whose, loss)| *whose == account && loss.email.is_some_and(|email| email.text() == id))
    }

    /// What is told of one account.
    fn report_of(&self, account: AccountId) -> String {
        let losses = self.losses.iter().filter(|(id, _)| *id == account);
        losses.map(|(_, loss)| loss.to_string()).collect::<Vec<_>>().join("\n")
    }

    fn report(&self) -> String {
        let losses = self.losses.iter().map(|(id, loss)| format!("{id}: {loss}"));
        self.told.iter().cloned().chain(losses).collect::<Vec<_>>().join("\n")
    }
}

/// A number below `end`.
fn below(random: &mut Random, end: usize) -> usize {
    random.below(end as u64) as usize
}

fn spoil(data: &Data, random: &mut Random) -> String {
    let mut told = String::new();
    for _ in 0..=below(random, 3) {
        let files = data.files();
        let path = &files[below(random, files.len())];
        let mut file = fs::read(path).unwrap();
        if file.is_empty() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let page = below(random, file.len().div_ceil(4096)) * 4096;
        // A log that ends early is what a crash leaves, but not in the middle of a frame.
        let kinds = if name.ends_with("-wal") { 2..12 } else { 0..11 };
        match kinds.start + below(random, kinds.len()) {
            0 => {
                let end = (page + 4096).min(file.len());
                file[page..end].fill([0, 0xa5, 0x0d][below(random, 3)]);
                told.push_str(&format!("{name} octets {page} to {end}; "));
            }
            1 => {
                file.truncate(page.max(1));
                told.push_str(&format!("{name} cut at {page}; "));
            }
            // The head of a page and the first pointers.
            2..5 => {
                let bit = (page * 8 + below(random, 40 * 8)).min(file.len() * 8 - 1);
                file[bit / 8] ^= 1 << (bit % 8);
                told.push_str(&format!("{name} bit {bit}; "));
            }
            10 => {
                let sector = below(random, file.len().div_ceil(512)) * 512;
                let end = (sector + 512).min(file.len());
                file[sector..end].fill(0);
                told.push_str(&format!("{name} sector {sector} of zeros; "));
            }
            11 => {
                let end = 33 + below(random, file.len() - 33) / 4120 * 4120;
                file.truncate(end);
                told.push_str(&format!("{name} cut at {end}; "));
            }
            _ => {
                let bit = below(random, file.len() * 8);
                file[bit / 8] ^= 1 << (bit % 8);
                told.push_str(&format!("{name} bit {bit}; "));
            }
        }
        fs::write(path, file).unwrap();
    }
    told
}

#[test]
fn what_is_sound_comes_over_as_it_is() {
    let [data, killed] = sound();
    let salvaged = salvage(&data);
    assert_eq!(salvaged.report(), "");
    let of_killed = salvage(&killed);
    assert_eq!(of_killed.report(), "");
    assert_eq!(check::all(&salvaged.store, Depth::Bodies).unwrap(), []);
    let store = Store::new(Arc::new(engine(&data.store())), Arc::new(data.objects.clone()));
    let before =
        Salvaged { _place: tempfile::tempdir().unwrap(), store, losses: Vec::new(), told: Vec::new(), unknown: 0 };
    let mail = before.mail();
    assert!(mail.len() > 130, "{}", mail.len());
    assert!(mail == salvaged.mail() && mail == of_killed.mail());
}

/// Octets 2048 to 2560 of every seventh page, one after the other, half of the times without the file that says that rows have sums: sums
/// of zeros are none, and rows that were removed stay so.
#[test]
fn a_sector_of_zeros_changes_no_message() {
    let [sound, _] = sound();
    let before = salvage(&sound).mail();
    let path = sound.files().into_iter().find(|path| path.ends_with("shard-00.sqlite")).unwrap();
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    let mut replaced = 0;
    for page in (1..pages).step_by(7) {
        let data = sound.twin();
        let path = data.store().join("shard-00.sqlite");
        let mut file = fs::read(&path).unwrap();
        let sector = page as usize * 4096 + 2048;
        file[sector..sector + 512].fill(0);
        fs::write(&path, file).unwrap();
        if page % 2 == 0 {
            fs::write(data.store().join("format"), "").unwrap();
        }
        let salvaged = salvage(&data);
        assert_eq!(check::all(&salvaged.store, Depth::Bodies).unwrap(), [], "{}", salvaged.report());
        let after = salvaged.mail();
        assert!(after.len() <= before.len(), "{}", salvaged.report());
        for (key, now) in &after {
            let is_same = before.get(key).is_some_and(|then| then.4 == now.4);
            let is_stub = now.4.windows(14).any(|window| window == b"was damaged on");
            replaced += usize::from(is_stub);
            assert!(is_same || is_stub, "page {page}: {key:?} is another\n{}", salvaged.report());
        }
        let is_there = |key: &(AccountId, String, u32)| after.contains_key(key);
        let is_told = |key: &(AccountId, String, u32), message: &Message| {
            salvaged.names(key.0, &message.0) || salvaged.report_of(key.0).contains("of which nothing tells")
        };
        for (key, then) in before.iter().filter(|(key, _)| !is_there(key)) {
            assert!(is_told(key, then), "page {page}: {key:?} is gone\n{}", salvaged.report());
        }
    }
    assert!(replaced > 0);
}

/// Octets that SQLite does not read as a log are not taken for no log.
#[test]
fn of_a_log_that_is_cut_or_zeros_it_is_said_that_the_last_may_be_missing() {
    let [_, killed] = sound();
    let name = "shard-00.sqlite-wal";
    let whole = fs::read(killed.store().join(name)).unwrap();
    let bits: Vec<u8> = [&[0x36][..], &whole[1..]].concat();
    for (log, is_torn) in [
        (whole.clone(), false),
        (Vec::new(), false),
        (whole[..20].to_vec(), true),
        (whole[..whole.len() - 7].to_vec(), true),
        (vec![0; 16 * 1024], true),
        (bits, true),
    ] {
        let data = killed.twin();
        fs::write(data.store().join(name), &log).unwrap();
        let told = salvage(&data).told.join("\n");
        let length = log.len();
        assert_eq!(told.contains("what was written last may be missing"), is_torn, "{length} octets: {told}");
    }
}

#[test]
fn whatever_is_damaged_what_is_sound_comes_over_and_everything_agrees() {
    let (sound, seed) =
        (sound(), env::var("PILLARBOX_SALVAGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x51a7));
    println!("PILLARBOX_SALVAGE_SEED={seed}");
    let rounds = env::var("PILLARBOX_SALVAGE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(40);
    let (whole, mut random) = (salvage(&sound[0]), Random::new(seed));
    let (before, known) = (whole.mail(), whole.known());
    let (mut kept, mut replaced, mut untold, mut same) = (0, 0, 0, 0);
    for round in 0..rounds {
        let data = sound[round % 2].twin();
        let what = format!("round {round}: {}", spoil(&data, &mut random));
        println!("{what}");
        let salvaged = salvage(&data);
        let report = salvaged.report();
        assert_eq!(check::all(&salvaged.store, Depth::Bodies).unwrap(), [], "{what}\n{report}");
        let after = salvaged.mail();
        same += salvaged.tells_those_who_knew(&known, &format!("{what}\n{report}"));
        for id in IDS {
            let all = |mail: &Mail| mail.keys().filter(|(whose, ..)| *whose == id).count();
            let (then, now) = (all(&before), all(&after));
            // What was removed last may be there still; a large one is found by itself.
            let told = salvaged.report_of(id);
            let may_be_more = told.contains("nothing tells in which mailbox") || told.contains(TORN);
            assert!(now <= then || may_be_more, "{what}: {then} messages became {now}\n{report}");
        }
        for (key, message) in &before {
            let report = salvaged.report_of(key.0);
            if after.get(key) == Some(message) {
                kept += 1;
                continue;
            }
            let has_uidvalidity = after
                .get(key)
                .is_some_and(|now| (&now.0, &now.2, now.3, &now.4) == (&message.0, &message.2, message.3, &message.4));
            let is_told = salvaged.names(key.0, &message.0) || (has_uidvalidity && report.contains("UIDVALIDITY"));
            if report.contains(TORN) {
                // It may be older; what it says does not change.
                let same = |((id, ..), now): (&(AccountId, String, u32), &Message)| *id == key.0 && now.0 == message.0;
                let differs = after.iter().any(|(place, now)| same((place, now)) && now.4 != message.4);
                assert!(!differs, "{what}\n{key:?}\n{report}");
                continue;
            }
            // A large one of which nothing else is left is found by itself.
            let is_recovered =
                |(key, now): (&(AccountId, String, u32), &Message)| key.1 == "Recovered" && now.4 == message.4;
            if after.iter().any(is_recovered) {
                continue;
            }
            if report.contains("of which nothing tells")
                && !after.iter().any(|((id, ..), now)| *id == key.0 && now.0 == message.0)
            {
                untold += 1;
                continue;
            }
            let is_told = is_told
                || (report.contains("flags that many messages")
                    && after.get(key).is_some_and(|now| now.0 == message.0 && now.4 == message.4));
            let without_mailbox = report.contains("the record of mailbox")
                && after.iter().any(|((id, ..), now)| *id == key.0 && now.0 == message.0 && now.4 == message.4);
            assert!(
                is_told || without_mailbox,
                "{what}\n{key:?} is {:?}\n{report}",
                after.get(key).map(|now| (&now.0, now.1, &now.2, now.3))
            );
        }
        replaced += salvaged.losses.iter().filter(|(_, loss)| loss.is_replaced).count();
    }
    println!("{kept} kept, {replaced} replaced, {untold} gone without a trace");
    assert!(same > rounds, "{same} mailboxes with the same UIDVALIDITY");
    assert!(kept > before.len() * rounds / 2 && replaced > 0 && untold < kept / 10, "{kept} {replaced} {untold}");
}

/// A page that is there twice, as it was before a change and after it: the disk has put one of them elsewhere.
#[test]
fn where_sound_rows_of_one_key_differ_all_may_be_older_and_no_number_is_given_again() {
    let [data, _] = sound();
    let path = data.store().join("shard-00.sqlite");
    let before = fs::read(&path).unwrap();
    let store = Store::new(Arc::new(engine(&data.store())), Arc::new(data.objects.clone()));
    let account = store.account(IDS[0]);
    flag(&account, MailboxId(1), 2, SystemFlag::Answered);
    let last = account.create_mailbox(ACTOR, "Last", None).unwrap();
    let device = Credential::ApplicationPassword { hash: [8; 32] };
    let device = account.add_device(ACTOR, "last", device, None).unwrap();
    drop((account, store));
    let (of_sound, mut file) = (salvage(&data), fs::read(&path).unwrap());
    assert_eq!(of_sound.report(), "");
    let pages = before.chunks(4096).zip(file.chunks(4096)).skip(1);
    // Those of trees.
    let older: Vec<&[u8]> = pages.filter(|(then, now)| then != now && then[0] > 0).map(|(then, _)| then).collect();
    assert!(!older.is_empty());
    file.extend(older.concat());
    fs::write(&path, file).unwrap();
    let salvaged = salvage(&data);
    assert!(
        salvaged.report_of(IDS[0]).contains(TORN) && salvaged.report_of(IDS[1]).is_empty(),
        "{}",
        salvaged.report()
    );
    let (then, now) = (of_sound.known(), salvaged.known());
    for ((id, name), ((_, validity, ..), _)) in &now {
        let same = then.iter().any(|((whose, _), ((_, before, ..), _))| whose == id && before == validity);
        assert_eq!(same, *id == IDS[1], "{name} of {id}: {validity}");
    }
    let account = salvaged.store.account(IDS[0]);
    let another = Credential::ApplicationPassword { hash: [9; 32] };
    let another = account.add_device(ACTOR, "another", another, None).unwrap();
    let mailbox = account.create_mailbox(ACTOR, "Another", None).unwrap();
    assert!(mailbox.0 > last.0 + 1000 && another.0 > device.0 + 1000, "{mailbox} {another}");
}

#[test]
fn rows_of_a_later_version_are_told_from_damage() {
    let [data, _] = sound();
    let rows =
        [(b"X\x8c1".to_vec(), Vec::new()), (b"a".to_vec(), vec![1]), (b"J\0\0\0\0\0\x7f\xff\xff".to_vec(), vec![1])];
    for (key, value) in rows {
        let data = data.twin();
        let written = engine(&data.store());
        let expected = written.head(IDS[0]).unwrap();
        let writes = vec![Write::Put { key, value }];
        let next = ModSeq(0x7f_ffff);
        written.commit(Commit { account: IDS[0], expected, next, writes }).unwrap();
        drop(written);
        let mut file = fs::read(data.store().join("shard-00.sqlite")).unwrap();
        let octets = b"Subject: 5 of 16";
        let at = file.windows(octets.len()).position(|window| window == octets).unwrap();
        file[at] ^= 1;
        fs::write(data.store().join("shard-00.sqlite"), file).unwrap();
        assert_eq!(salvage(&data).unknown, 1);
    }
    assert_eq!(salvage(&data).unknown, 0);
}

/// Flips a bit right behind each key of these that stands in the file of the first shard: the row is not what was written.
fn spoil_rows(data: &Data, keys: &[Vec<u8>]) {
    let path = data.store().join("shard-00.sqlite");
    let mut file = fs::read(&path).unwrap();
    for key in keys {
        let all: Vec<usize> = (0..file.len() - key.len()).filter(|at| file[*at..].starts_with(key)).collect();
        assert!(!all.is_empty(), "{key:?}");
        all.iter().for_each(|at| file[at + key.len()] ^= 1);
    }
    fs::write(&path, file).unwrap();
}

fn key(letter: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[letter][..], &parts.concat()].concat()
}

#[test]
fn a_mailbox_without_messages_does_not_go_unsaid() {
    let [data, _] = sound();
    let store = Store::new(Arc::new(engine(&data.store())), Arc::new(data.objects.clone()));
    let account = store.account(IDS[0]);
    account.create_mailbox(ACTOR, "Gone", None).unwrap();
    account.delete_mailbox(ACTOR, "Gone").unwrap();
    let empty = account.create_mailbox(ACTOR, "Empty 77", None).unwrap();
    drop((account, store));
    spoil_rows(&data, &[key(b'B', &[&empty.0.to_be_bytes()])]);
    let salvaged = salvage(&data);
    let names: Vec<String> = salvaged.known().into_keys().map(|(_, name)| name).collect();
    assert!(names.iter().any(|name| name == "Empty 77") && !names.iter().any(|name| name == "Gone"), "{names:?}");
    let report = salvaged.report_of(IDS[0]);
    assert!(report.contains("\"Empty 77\"") && report.contains("a mailbox without messages may be lost"), "{report}");
}

/// Large messages with rows lost: what is damaged is named with its object, and what is sound is found although another one with the
/// same content is not.
#[test]
fn octets_without_rows_are_named_or_found() {
    let [data, _] = sound();
    let store = Store::new(Arc::new(engine(&data.store())), Arc::new(data.objects.clone()));
    let account = store.account(IDS[0]);
    let append = |words: &str| {
        let body = format!("Subject: {words}\r\n\r\n{}\r\n", words.repeat(INLINE_BYTES_MAX)).into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Inbox, message).unwrap()
    };
    let (twice, other) = ([append("twice"), append("twice")], append("other"));
    let names: BTreeMap<EmailId, String> = {
        let all = data.objects.list(IDS[0]).unwrap().into_iter().map(|(name, _)| name);
        let read = |name: &String| String::from_utf8(data.objects.read(IDS[0], name).unwrap()).unwrap();
        let all: Vec<String> = all.filter(|name| !read(name).contains(" of ")).collect();
        assert_eq!(all.len(), 3);
        let other_name = all.iter().find(|name| read(name).contains("other")).unwrap().clone();
        [(other.email, other_name)].into()
    };
    drop((account, store));
    let rows = |added: &store::Appended| {
        let email = added.email.0.to_be_bytes();
        [key(b'E', &[&email]), key(b'M', &[&1u32.to_be_bytes(), &added.uid.0.to_be_bytes()])]
    };
    let spoil = |name: &str| {
        let mut octets = data.objects.read(IDS[0], name).unwrap();
        data.objects.remove(IDS[0], name).unwrap();
        octets[20_000] ^= 1;
        data.objects.put(IDS[0], name, &octets).unwrap();
    };
    // Nothing but the octets of one is left, and they are damaged.
    spoil_rows(&data, &rows(&other));
    spoil(&names[&other.email]);
    // Of two with one content the rows of one are lost, and the octets of the other.
    spoil_rows(&data, &rows(&twice[1]));
    spoil_rows(&data, &[key(b'Y', &[&twice[1].email.0.to_be_bytes()])]);
    let first = data.objects.list(IDS[0]).unwrap().into_iter().map(|(name, _)| name);
    let same: Vec<String> = first
        .filter(|name| String::from_utf8_lossy(&data.objects.read(IDS[0], name).unwrap()).contains("Subject: twice"))
        .collect();
    // Which one is whose no row of this test says: each is damaged once.
    for name in same {
        let data = data.twin();
        let mut octets = data.objects.read(IDS[0], &name).unwrap();
        data.objects.remove(IDS[0], &name).unwrap();
        octets[20_000] ^= 1;
        data.objects.put(IDS[0], &name, &octets).unwrap();
        let salvaged = salvage(&data);
        let lost = salvaged.losses.iter().find(|(_, loss)| loss.email == Some(other.email)).expect("it is named");
        assert_eq!(lost.1.object, Some((IDS[0], names[&other.email].clone())), "{}", salvaged.report());
        let is_there = salvaged.mail().values().any(|message| {
            message.4.starts_with(b"Subject: twice\r\n\r\ntwice") && message.4.len() > INLINE_BYTES_MAX * 5
        });
        assert!(is_there, "{}", salvaged.report());
    }
}

/// Each page in turn as it was before, in its own place: the disk lost one write. No message goes unsaid, and what contradicts itself is
/// said to be of two moments.
#[test]
fn of_a_write_that_the_disk_lost_no_message_goes_unsaid() {
    let [data, _] = sound();
    let path = data.store().join("shard-00.sqlite");
    let before = fs::read(&path).unwrap();
    let store = Store::new(Arc::new(engine(&data.store())), Arc::new(data.objects.clone()));
    let account = store.account(IDS[0]);
    for n in 0..40 {
        let body = format!("Subject: late {n}\r\n\r\n{}\r\n", "y".repeat(n * 20)).into_bytes();
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Inbox, message).unwrap();
    }
    drop((account, store));
    let (mail, now) = (salvage(&data).mail(), fs::read(&path).unwrap());
    let mut torn = 0;
    for at in (4096..before.len()).step_by(4096).filter(|at| before[*at..at + 4096] != now[*at..at + 4096]) {
        let mut file = now.clone();
        file[at..at + 4096].copy_from_slice(&before[at..at + 4096]);
        fs::write(&path, file).unwrap();
        let salvaged = salvage(&data);
        let report = salvaged.report_of(IDS[0]);
        torn += usize::from(report.contains(TORN));
        let there = salvaged.mail();
        for (place, message) in mail.iter().filter(|(place, _)| place.0 == IDS[0]) {
            let is_there = there.iter().any(|((id, ..), now)| *id == IDS[0] && now.0 == message.0);
            let is_told = salvaged.names(IDS[0], &message.0) || report.contains("of which nothing tells");
            assert!(is_there || is_told || report.contains(TORN), "page {at}: {place:?} is gone\n{report}");
        }
    }
    assert!(torn > 0);
}

/// Sound rows of an account.
fn rows_of(place: &Path, account: AccountId) -> (BTreeMap<Vec<u8>, Vec<u8>>, bool) {
    let notes = tempfile::tempdir().unwrap();
    let remains = SqliteRemains::read(place, &notes.path().join("notes"), &mut |_, _| {}).unwrap();
    let mut rows = BTreeMap::new();
    let take = &mut |remnant: Remnant<'_>| {
        if let Remnant::Row { key, value } = remnant {
            rows.insert(key.to_vec(), value.to_vec());
        }
        ControlFlow::Continue(())
    };
    remains.rows(account, take).unwrap();
    let is_torn = remains.is_torn(account);
    (rows, is_torn)
}

/// A row comes between two others, and each page that it changes is put back as it was: what stands in other pages is there, or all may
/// be older.
#[test]
fn a_page_of_another_moment_takes_nothing_from_other_pages_unsaid() {
    let (place, account) = (tempfile::tempdir().unwrap(), AccountId(18));
    let put = |place: &Path, rows: &[u32], bytes: usize, head: u64| {
        let engine = engine(place);
        let key = |n: u32| [&b"k"[..], &n.to_be_bytes()].concat();
        let writes = rows.iter().map(|n| Write::Put { key: key(*n), value: vec![*n as u8; bytes] }).collect();
        let (expected, next) = (ModSeq(head), ModSeq(head + 1));
        engine.commit(Commit { account, expected, next, writes }).unwrap();
    };
    put(place.path(), &(0..160).step_by(2).collect::<Vec<u32>>(), 300, 0);
    let before = fs::read(place.path().join("shard-00.sqlite")).unwrap();
    let (mut torn, mut alone) = (0, 0);
    for n in (1..160).step_by(2) {
        let twin = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(place.path()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, twin.path().join(path.file_name().unwrap())).unwrap();
        }
        put(twin.path(), &[n], 700, 1);
        let path = twin.path().join("shard-00.sqlite");
        let now = fs::read(&path).unwrap();
        for at in (4096..before.len()).step_by(4096).filter(|at| before[*at..at + 4096] != now[*at..at + 4096]) {
            let of = |page: &[u8]| {
                let mut file = now.clone();
                file[at..at + 4096].copy_from_slice(page);
                fs::write(&path, file).unwrap();
                rows_of(twin.path(), account)
            };
            let (of_others, _) = of(&[0; 4096]);
            let (rows, is_torn) = of(&before[at..at + 4096]);
            torn += usize::from(is_torn);
            let has_all = of_others.iter().all(|(key, value)| rows.get(key) == Some(value));
            alone += usize::from(!has_all);
            assert!(has_all || is_torn, "row {n}, page {at}: rows of other pages are gone, and nothing says so");
        }
    }
    assert!(torn > 0 && alone > 0, "{torn} {alone}");
}
