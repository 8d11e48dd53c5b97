//! What the index of texts costs, and what searches cost with it: `cargo bench -p search`. No disk but for the index, no network.
//!
//! `BENCH_MESSAGES=100000` measures one size; `BENCH_MAIL=DIRECTORY` takes the messages from files below it instead of making
//! them. Times are those of the processor, so that it makes little difference what else the machine does, in means of ten: `first` is a
//! search right after the index was opened, `again` the same once more.

#![allow(clippy::unwrap_used, missing_docs)]

use search::{Addresses, Condition, Indexed, Looked, Needle, Scope, Search, SummaryTest, Value, Wanted, index_some};
use search_index::{IndexLimits, Indexes};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::sim::{SimEngine, SimObjects};
use store::{Account, AccountId, Actor, DeviceId, Flags, MailboxId, NewMessage, Protocol, Store, Target, Timestamp};

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const ACTOR: Actor = Actor { device: DeviceId(0), protocol: Protocol::Imap, now: NOW };
const LIMITS: IndexLimits = IndexLimits {
    bytes_max: u64::MAX,
    account_bytes_max: u64::MAX,
    memory_bytes_max: usize::MAX,
    segment_messages_max: 4096,
};
const GB: f64 = 1e9;
/// Each search is done so often: before it was ever done with an index, and once more.
const RUNS: usize = 10;

fn main() {
    if let Ok(directory) = std::env::var("BENCH_MAIL") {
        let mut files = Vec::new();
        find(Path::new(&directory), &mut files);
        bench(&directory, files.iter().map(|file| fs::read(file).unwrap()));
        return;
    }
    let only = std::env::var("BENCH_MESSAGES").ok().map(|text| text.parse::<u64>().unwrap());
    for messages in only.map_or(vec![10_000, 100_000], |messages| vec![messages]) {
        bench(&format!("{messages} messages"), (0..messages).map(message));
    }
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { find(&path, files) } else { files.push(path) }
    }
}

/// About 1 KiB: words of a language of 20,000, few of which are frequent, and one word that three of four messages have.
fn message(number: u64) -> Vec<u8> {
    let mut random = Random(number + 1);
    let mut text = format!(
        "Return-Path: <s{n}@example.net>\r\nDate: Sun, 1 Feb 2026 10:00:00 +0000\r\nFrom: Sender {n} <s{n}@example.net>\r\n\
         To: Alice <alice@example.org>\r\nMessage-ID: <{number}@example.net>\r\nSubject: About {} {}\r\n\r\n",
        random.word(),
        random.word(),
        n = number % 500,
    );
    if !number.is_multiple_of(4) {
        text.push_str("regards\r\n");
    }
    if number.is_multiple_of(5_000) {
        text.push_str("quicksilver\r\n");
    }
    while text.len() < 1000 {
        text.push_str(&random.word());
        text.push_str(if random.next().is_multiple_of(12) { "\r\n" } else { " " });
    }
    text.into_bytes()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn word(&mut self) -> String {
        // The nth word comes about as often as 1/n.
        let mut rest = 20_000_f64.powf(self.next() as f64 / f64::from(1 << 31)) as u64;
        let mut word = String::new();
        while word.len() < 3 || rest > 0 {
            word.push(char::from(b"etaoinshrdlucmfwypvbgkjqxz"[(rest % 26) as usize]));
            word.push(char::from(b"aeiou"[(rest / 26 % 5) as usize]));
            rest /= 60;
        }
        word
    }
}

/// What the processor has done for this thread, in milliseconds.
fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_ascii_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e6
}

fn bench(title: &str, messages: impl Iterator<Item = Vec<u8>>) {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let account = store.create_account(AccountId(16), NOW).unwrap();
    let (mut count, mut bytes) = (0, 0);
    for body in messages {
        (count, bytes) = (count + 1, bytes + body.len());
        let message = NewMessage { body, flags: Flags::default(), internal_date: NOW };
        account.append(ACTOR, Target::Inbox, message).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let open = || Arc::new(Indexes::open(directory.path().to_owned(), LIMITS));
    let indexes = open();
    let before = busy();
    while !matches!(index_some(&indexes, &account, &mut || true).unwrap(), Indexed::Enough) {}
    let spent = busy() - before;
    println!("{title}, {:.1} MB", bytes as f64 / 1e6);
    println!("  {:>8.3} ms to put a message into the index", spent / f64::from(count));
    println!("  {:>8.0} MB of index for each GB of mail", indexes.bytes() as f64 / bytes as f64 * GB / 1e6);
    let text = |scope, text: &str| Condition::Text(scope, Needle::new(text));
    let needle = |text: &str| Needle::new(text);
    report(&account, &open, "FROM", || {
        Condition::Summary(SummaryTest::Addresses(Addresses::From, needle("Sender 77")))
    });
    report(&account, &open, "SUBJECT, rare", || {
        Condition::Summary(SummaryTest::Value(Value::Subject, needle("quicksilver")))
    });
    report(&account, &open, "BODY, rare", || text(Scope::Bodies, "quicksilver"));
    report(&account, &open, "TEXT, common", || text(Scope::Everything, "regards"));
    report(&account, &open, "BODY, fuzzy", || Condition::fuzzy(text(Scope::Bodies, "quicksliver"), "quicksliver"));
}

fn report(account: &Account, open: &dyn Fn() -> Arc<Indexes>, what: &str, condition: impl Fn() -> Condition) {
    let index = account.view(MailboxId(1)).unwrap().index().clone();
    let search = |indexes: Option<&Arc<Indexes>>| {
        let before = busy();
        let mut search = Search::new(condition(), index.clone(), Wanted::Everything).with_indexes(indexes.cloned());
        while search.look(account).unwrap() == Looked::More {}
        (busy() - before, search.found().count)
    };
    let (read, matching) = search(None);
    // The files are opened with the index.
    let opened: Vec<Arc<Indexes>> = (0..RUNS).map(|_| open()).collect();
    opened.iter().for_each(|indexes| drop(indexes.of(account.id())));
    // The clock of the processor moves on in steps of some milliseconds.
    let mean = |indexes: &mut dyn Iterator<Item = &Arc<Indexes>>| {
        let before = busy();
        for indexes in indexes {
            search(Some(indexes));
        }
        (busy() - before) / RUNS as f64
    };
    let first = mean(&mut opened.iter());
    let again = mean(&mut opened.iter().cycle().take(RUNS));
    println!(
        "  {what:<14} {matching:>6} match: {read:>8.1} ms without an index, {first:>7.2} first, {again:>6.2} again"
    );
}
