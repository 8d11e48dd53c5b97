//! The real server on a disk whose calls fail: each call that its storage makes of the C library fails at its n-th time, once
//! or from then on, while it starts or while clients change mail. What was acknowledged is there afterwards, once, in the same process, which goes
//! on by itself, and after a restart; what was refused was refused for now; a server that does not start says why.
//!
//! `tests/support/faults.c`, loaded into the server, lets the calls fail. Of all cases a selection is played;
//! `PILLARBOX_FAULTS_SEED` brings it back, `PILLARBOX_FAULTS_ALL=1` plays all of them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod crash {
    pub mod checker;
    pub mod ledger;
    pub mod workload;
}
mod support;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crash::checker;
use crash::ledger::{ARCHIVE, COPIES, DELETED, Flags, INBOX, Id, Places, content};
use crash::workload::{Account, Client, duplicate, erase, relocate, set, set_flags};
use support::random::Random;
use support::server::{Addresses, Server};
use support::{Failure, Outcome};

const ALICE: &str = "alice@example.org";
/// So many of all cases are played in each run of the tests.
const SELECTED: usize = 40;
const PLAYERS: usize = 3;
/// Of the times that a call is made in a phase, each of the first ones is let fail, and so many of the others.
const FIRST_TIMES: u64 = 3;
const OTHER_TIMES: u64 = 5;
/// What the octets of a file are that two processes have in memory.
const WORD: u64 = 8;

/// What a server says that could not write when it was started.
const ONLY_READS: [&str; 2] = ["his server can read its disk and not write to it", " NO [READ-ONLY] "];
/// What it logs when there was no space: new mail is refused until a look at the disk, of which there is one every second.
const GIVEN_UP: &str = "the room in reserve is given up";
/// Within this time.
const PATIENCE: Duration = Duration::from_secs(30);
/// What it logs of accounts that it could not even read then.
const CLOSED: &str = "accounts cannot be used";

const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const ENOLCK: i32 = 37;

/// The calls, in the order of faults.c, and what each may fail with.
const CALLS: [(&str, &[i32]); 15] = [
    ("open", &[EIO, EMFILE, ENOSPC]),
    ("read", &[EIO]),
    ("pread", &[EIO]),
    ("write", &[EIO, ENOSPC]),
    ("pwrite", &[EIO, ENOSPC]),
    ("fsync", &[EIO, ENOSPC]),
    ("fdatasync", &[EIO, ENOSPC]),
    ("ftruncate", &[EIO]),
    ("rename", &[EIO, ENOSPC]),
    ("unlink", &[EIO]),
    ("mkdir", &[EIO, ENOSPC]),
    ("mmap", &[ENOMEM]),
    ("stat", &[EIO]),
    ("lock", &[EIO, ENOLCK]),
    ("readdir", &[EIO]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Start,
    Work,
}

/// What fails, and when.
#[derive(Clone, Copy, Debug)]
struct Case {
    phase: Phase,
    call: usize,
    error: i32,
    /// At its so many-th time in the phase ...
    time: u64,
    /// ... and each time after it, until the phase is over.
    for_ever: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ever = if self.for_ever { " and ever after" } else { "" };
        let (call, error) = (CALLS[self.call].0, std::io::Error::from_raw_os_error(self.error));
        write!(f, "{:?}: {call} no. {}{ever}: {error}", self.phase, self.time)
    }
}

/// The file through which faults.c is told what to let fail.
struct Control(File);

impl Control {
    fn new(path: &Path) -> Self {
        let file = File::options().create_new(true).read(true).write(true).open(path).unwrap();
        file.set_len(4096).unwrap();
        Self(file)
    }

    fn word(&self, at: u64) -> u64 {
        let mut octets = [0; 8];
        self.0.read_exact_at(&mut octets, at * WORD).unwrap();
        u64::from_ne_bytes(octets)
    }

    fn write(&self, at: u64, word: u64) {
        self.0.write_all_at(&word.to_ne_bytes(), at * WORD).unwrap();
    }

    /// From now on.
    fn arm(&self, case: &Case) {
        let first = self.made(case.call) + case.time;
        self.write(0, case.call as u64);
        self.write(1, case.error as u64);
        self.write(3, if case.for_ever { u64::MAX } else { first });
        self.write(2, first);
    }

    /// Nothing fails any more; how often something has.
    fn disarm(&self) -> u64 {
        self.write(2, u64::MAX);
        self.word(4)
    }

    fn made(&self, call: usize) -> u64 {
        self.word(5 + call as u64)
    }
}

/// A server that was killed, with mail, and all that is known of it.
struct Template {
    server: Server,
    account: Account,
    library: PathBuf,
}

impl Template {
    /// `None`, and says so, where there is no compiler for C.
    fn new() -> Option<Self> {
        let mut server = Server::new();
        let library = server.place().join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output();
        match compiled {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                not_tested::without("cc", error);
                return None;
            }
        }
        server.add_account(ALICE);
        // Half of what comes is removed again here, which is this test's business and no accident.
        server.cli(&["held", "--account", ALICE, "brake", "off"], "");
        let account = Account {
            address: ALICE.to_owned(),
            mail: server.add_device(ALICE, "mail", "keep"),
            reader: server.add_device(ALICE, "reader", "keep"),
            eraser: server.add_device(ALICE, "eraser", "expunge"),
            ..Account::default()
        };
        server.start();
        server.addresses().imap(ALICE, &account.mail).unwrap().command(&format!("CREATE {COPIES}")).unwrap();
        for name in ["first", "second", "third", "fourth", "fifth"] {
            all_is_done(&account, &server, name);
        }
        checker::check(server.addresses(), &account).unwrap();
        assert_eq!(account.ledger.book().problems, Vec::<String>::new());
        server.kill();
        Some(Self { server, account, library })
    }

    /// A copy, into which faults can come.
    fn copied(&self) -> (Server, Account, Control) {
        let mut server = self.server.copied();
        let control = server.place().join("control");
        server.set_environment(vec![
            ("LD_PRELOAD", self.library.clone()),
            ("FAULTS_DIRECTORY", server.place().join("data")),
            ("FAULTS_CONTROL", control.clone()),
        ]);
        let Account { address, mail, reader, eraser, ledger } = &self.account;
        let [address, mail, reader, eraser] = [address, mail, reader, eraser].map(Clone::clone);
        let account = Account { address, mail, reader, eraser, ledger: ledger.copied() };
        (server, account, Control::new(&control))
    }

    /// How often each call is made in each phase when nothing fails.
    fn count(&self) -> [(Phase, Vec<u64>); 2] {
        let (mut server, account, control) = self.copied();
        control.disarm();
        let made = || (0..CALLS.len()).map(|call| control.made(call)).collect::<Vec<_>>();
        server.start();
        let at_start = made();
        all_is_done(&account, &server, "count");
        let working = made().iter().zip(&at_start).map(|(after, before)| after - before).collect();
        [(Phase::Start, at_start), (Phase::Work, working)]
    }
}

/// All of them.
fn cases(counts: &[(Phase, Vec<u64>); 2]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (phase, counts) in counts {
        for (call, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let first = 1..=FIRST_TIMES.min(*count);
            let others =
                (1..=OTHER_TIMES).map(|part| FIRST_TIMES + (count.saturating_sub(FIRST_TIMES)) * part / OTHER_TIMES);
            let mut times: Vec<u64> = first.chain(others.filter(|time| time <= count)).collect();
            times.dedup();
            for error in CALLS[call].1 {
                let case = |time, for_ever| Case { phase: *phase, call, error: *error, time, for_ever };
                cases.extend(times.iter().map(|time| case(*time, false)));
                cases.extend([1, count.div_ceil(2)].map(|time| case(time, true)));
            }
        }
    }
    // A lock that is refused each time SQLite asks for again and again, for ten seconds each: such a case takes minutes.
    cases.retain(|case| !(CALLS[case.call].0 == "lock" && case.for_ever));
    cases
}

/// What became of a case.
#[derive(Default)]
struct Result {
    /// How often a call failed.
    failed: u64,
    did_not_start: bool,
    /// It serves reading until its next start (docs/decisions/0027).
    only_reads: bool,
    /// Nor that: the accounts are unavailable until then.
    is_closed: bool,
    /// What clients were told.
    refused: Vec<(&'static str, String)>,
    problems: Vec<String>,
    /// The clients, while calls failed.
    took: Duration,
}

fn play(template: &Template, number: usize, case: &Case) -> Result {
    let (mut server, account, control) = template.copied();
    let mut result = Result::default();
    if case.phase == Phase::Start {
        control.arm(case);
    } else {
        control.disarm();
    }
    if let Err(ended) = server.try_start() {
        result.did_not_start = true;
        result.failed = control.disarm();
        let log = server.log();
        if ended.code().is_none_or(|code| code == 0) || log.contains("panicked") || log.trim().is_empty() {
            result.problems.push(format!("it did not start, with {ended:?}: {log}"));
            return result;
        }
        result.refused.push(("the start", log.lines().last().unwrap_or_default().to_owned()));
        server.start();
    }
    if case.phase == Phase::Work {
        control.arm(case);
    }
    let begun = Instant::now();
    for (step, failure) in refusals(&account, server.addresses(), &format!("{number}.faulty")) {
        // What of its file cannot be read SQLite takes for damage.
        if let Failure::Refused(text) = &failure
            && !is_for_now(text)
            && !(CALLS[case.call].0 == "pread" && text.contains(" NO [CORRUPTION] "))
        {
            result.problems.push(format!("while calls fail, {step}: {text}"));
        }
        result.refused.push((step, failure.to_string()));
    }
    result.failed = control.disarm();
    result.took = begun.elapsed();
    // What could not be opened, or not be written, for the whole of a start stays so until the next (docs/decisions/0027); what
    // failed once was tried once more.
    let at_start = case.phase == Phase::Start && case.for_ever;
    result.is_closed = at_start && server.has_logged(CLOSED);
    if !result.is_closed {
        look(&account, &server, "the same process", &mut result);
    }
    if server.has_logged(GIVEN_UP) {
        wait_for_room(&account, server.addresses(), &format!("{number}.room"), &mut result);
    }
    for (step, failure) in refusals(&account, server.addresses(), &format!("{number}.sound")) {
        let text = failure.to_string();
        if at_start && is_for_now(&text) && (result.is_closed || ONLY_READS.iter().any(|says| text.contains(says))) {
            result.only_reads |= !result.is_closed;
            continue;
        }
        result.problems.push(format!("the same process does not go on, {step}: {failure}"));
    }
    if !result.is_closed {
        look(&account, &server, "the same process, afterwards", &mut result);
    }
    if server.log().contains("panicked") {
        result.problems.push(server.log());
    }
    if number.is_multiple_of(2) {
        server.kill();
    } else {
        server.terminate();
        let ended = server.ended();
        if !ended.success() {
            result.problems.push(format!("it ended with {ended:?}: {}", server.log()));
        }
    }
    server.set_environment(Vec::new());
    server.start();
    look(&account, &server, "after the restart", &mut result);
    let checked = server.cli(&["check", "--bodies"], "");
    if !checked.starts_with("All is well") {
        result.problems.push(format!("check --bodies: {checked}"));
    }
    result
}

/// Until a message is taken.
fn wait_for_room(account: &Account, server: &Addresses, name: &str, result: &mut Result) {
    let begun = Instant::now();
    let mut client = Client { account, server, random: Random::new(0), name: name.to_owned(), made: 0 };
    while let Err(failure) = deliver(&mut client, &[false]) {
        let text = failure.to_string();
        if ONLY_READS.iter().any(|says| text.contains(says)) {
            return;
        }
        let is_full = text.contains("452 4.3.1");
        if !is_full || begun.elapsed() > PATIENCE {
            return result.problems.push(format!("no mail is taken where there is room again: {failure}"));
        }
    }
}

/// Compares everything with what was told.
fn look(account: &Account, server: &Server, when: &str, result: &mut Result) {
    if let Err(failure) = checker::check(server.addresses(), account) {
        result.problems.push(format!("{when}: nobody can look: {failure}\n{}", server.log()));
    }
    let problems = std::mem::take(&mut account.ledger.book().problems);
    result.problems.extend(problems.iter().map(|problem| format!("{when}: {problem}")));
}

/// A client may be told to come again, never that something is not there or may not be.
fn is_for_now(text: &str) -> bool {
    // READ-ONLY is said of a mailbox that was selected as such.
    let words = [
        " NO [UNAVAILABLE]",
        " NO [SERVERBUG]",
        " NO [OVERQUOTA]",
        " NO [READ-ONLY] ",
        "-ERR [SYS/TEMP]",
        "\"4",
        "* BYE",
    ];
    words.iter().any(|word| text.contains(word))
}

type Step = fn(&mut Client<'_>) -> Outcome<()>;

/// Mail comes and is changed in each way once, by one client after the other; what did not work, and why.
fn refusals(account: &Account, server: &Addresses, name: &str) -> Vec<(&'static str, Failure)> {
    let steps: [(&str, Step); 9] = [
        ("deliveries", |client| deliver(client, &[false, true, false, false, true, false])),
        ("APPEND", append),
        ("STORE", mark),
        ("COPY", |client| transfer(client, "COPY")),
        ("MOVE", |client| transfer(client, "MOVE")),
        ("EXPUNGE", expunge),
        ("DELE for one", read_over_pop3),
        ("DELE for all", erase_over_pop3),
        ("FETCH", read),
    ];
    account.ledger.begin_round(u64::MAX);
    let random = Random::new(0);
    let mut client = Client { account, server, random, name: name.to_owned(), made: 0 };
    steps.into_iter().filter_map(|(name, step)| step(&mut client).err().map(|failure| (name, failure))).collect()
}

fn all_is_done(account: &Account, server: &Server, name: &str) {
    let failures = refusals(account, server.addresses(), name);
    assert!(failures.is_empty(), "{failures:?}");
}

/// So many messages in INBOX of which nothing is open. There are enough, whatever was refused.
fn some(client: &Client<'_>, count: usize) -> Vec<Id> {
    let book = client.account.ledger.book();
    let free = book.mails.iter().filter(|(_, mail)| {
        mail.begun.is_none() && mail.hidden == Some(false) && mail.inbox().is_some_and(|flags| !flags.contains(DELETED))
    });
    let some: Vec<Id> = free.map(|(id, _)| id.clone()).take(count).collect();
    assert_eq!(some.len(), count, "the mail is used up");
    some
}

/// A new name, of a message that is an object or of one that is not.
fn new_id(client: &mut Client<'_>, is_large: bool) -> Id {
    loop {
        let id = client.new_id();
        if (content(&id).len() > 16 * 1024) == is_large {
            return id;
        }
    }
}

fn deliver(client: &mut Client<'_>, are_large: &[bool]) -> Outcome<()> {
    for is_large in are_large.iter().copied() {
        let mut lmtp = client.server.lmtp()?;
        let id = new_id(client, is_large);
        client.ledger().begin_new(&id, INBOX, &Flags::new());
        let replies = lmtp.deliver("faults@example.net", &[ALICE], &content(&id))?;
        match replies.as_slice() {
            [reply] if reply.code == 250 => client.ledger().acknowledge("LMTP", &[id]),
            [reply] => return Err(Failure::refused("a message", format!("{} {}", reply.code, reply.text))),
            _ => return Err(Failure::Refused(format!("{id} was answered {replies:?}"))),
        }
    }
    Ok(())
}

fn append(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    for (mailbox, is_large) in [(INBOX, false), (ARCHIVE, true)] {
        let (id, flags) = (new_id(client, is_large), client.flags());
        client.ledger().begin_new(&id, mailbox, &flags);
        imap.append(mailbox, &Vec::from_iter(flags).join(" "), &content(&id))?;
        client.ledger().acknowledge("APPEND", &[id]);
    }
    Ok(())
}

fn mark(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    client.inbox(&mut imap)?;
    let ids = some(client, 1);
    let uids = client.find(&mut imap, &ids)?;
    let flags = client.flags();
    client.ledger().begin(&ids, |places| set_flags(places, &flags));
    let named = Vec::from_iter(flags).join(" ");
    let answer = imap.command(&format!("UID STORE {} FLAGS ({named})", set(&uids)))?;
    client.ledger().acknowledge("STORE", &ids);
    client.learn(&answer, 0);
    Ok(())
}

fn transfer(client: &mut Client<'_>, verb: &'static str) -> Outcome<()> {
    let mut imap = client.imap()?;
    client.inbox(&mut imap)?;
    let ids = some(client, 2);
    let uids = client.find(&mut imap, &ids)?;
    let to = if verb == "MOVE" { ARCHIVE } else { COPIES };
    let change = |places: &mut Places| if verb == "MOVE" { relocate(places, to) } else { duplicate(places, to) };
    client.ledger().begin(&ids, change);
    let answer = imap.command(&format!("UID {verb} {} {to}", set(&uids)))?;
    client.ledger().acknowledge(verb, &ids);
    client.learn(&answer, 0);
    Ok(())
}

fn expunge(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    client.inbox(&mut imap)?;
    let ids = some(client, 1);
    let uids = client.find(&mut imap, &ids)?;
    client.ledger().begin(&ids, |places| {
        for (_, flags) in places.iter_mut().filter(|(mailbox, _)| *mailbox == INBOX) {
            flags.insert(DELETED.to_owned());
        }
    });
    imap.command(&format!("UID STORE {} +FLAGS ({DELETED})", set(&uids)))?;
    client.ledger().acknowledge("STORE of \\Deleted", &ids);
    client.ledger().begin(&ids, erase);
    imap.command(&format!("UID EXPUNGE {}", set(&uids)))?;
    client.ledger().acknowledge("UID EXPUNGE", &ids);
    Ok(())
}

fn read_over_pop3(client: &mut Client<'_>) -> Outcome<()> {
    let ids = some(client, 1);
    let mut pop3 = client.server.pop3(ALICE, &client.account.reader)?;
    let listing = client.listing(&mut pop3)?;
    let mine: Vec<(u32, Id)> = listing.into_iter().filter(|(_, id)| ids.contains(id)).collect();
    for ((_, id), retrieved) in mine.iter().zip(pop3.retrieve(mine.iter().map(|(number, _)| *number))?) {
        if !retrieved.ends_with(&content(id)) {
            return Err(Failure::Refused(format!("{id} over POP3 is not what was sent")));
        }
    }
    pop3.commands(&mine.iter().map(|(number, _)| format!("DELE {number}")).collect::<Vec<_>>())?;
    client.ledger().begin_hiding(&ids);
    pop3.quit()?;
    client.ledger().acknowledge_hidden("DELE for one", &ids);
    Ok(())
}

fn erase_over_pop3(client: &mut Client<'_>) -> Outcome<()> {
    let ids = some(client, 1);
    let mut pop3 = client.server.pop3(ALICE, &client.account.eraser)?;
    let listing = client.listing(&mut pop3)?;
    let mine = listing.into_iter().filter(|(_, id)| ids.contains(id)).map(|(number, _)| format!("DELE {number}"));
    pop3.commands(&mine.collect::<Vec<_>>())?;
    client.ledger().begin(&ids, erase);
    pop3.quit()?;
    client.ledger().acknowledge("DELE for all", &ids);
    Ok(())
}

fn read(client: &mut Client<'_>) -> Outcome<()> {
    let mut imap = client.imap()?;
    client.inbox(&mut imap)?;
    let answer = imap.command("UID FETCH 1:* (FLAGS MODSEQ BODY.PEEK[])")?;
    client.learn(&answer, 0);
    for (_, attributes) in answer.fetched() {
        let body = attributes.text("BODY[]").unwrap_or_default();
        let id = crash::workload::message_id(body);
        if !body.ends_with(&content(&id)) {
            return Err(Failure::Refused(format!("{id} is not what was sent")));
        }
    }
    Ok(())
}

#[test]
fn whichever_call_of_the_storage_fails_nothing_acknowledged_is_lost_or_doubled_and_the_server_goes_on() {
    let mut random = Random::new(Random::seed("PILLARBOX_FAULTS_SEED"));
    let Some(template) = Template::new() else { return };
    let counts = template.count();
    for (phase, counts) in &counts {
        let named: BTreeMap<&str, u64> = CALLS.iter().map(|call| call.0).zip(counts.iter().copied()).collect();
        println!("{phase:?}: {named:?}");
    }
    let mut queue = cases(&counts);
    let all = queue.len();
    if let Ok(wanted) = env::var("PILLARBOX_FAULTS_ONLY") {
        queue.retain(|case| case.to_string().contains(&wanted));
    } else if env::var_os("PILLARBOX_FAULTS_ALL").is_none() {
        while queue.len() > SELECTED {
            queue.swap_remove(random.below(queue.len() as u64) as usize);
        }
    }
    let numbered = Mutex::new(queue.iter().enumerate());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                loop {
                    let Some((number, case)) = numbered.lock().unwrap().next() else { return };
                    let result = play(&template, number, case);
                    println!("{case}: {} failed, {:.0?}, refused: {:#?}", result.failed, result.took, result.refused);
                    result.problems.iter().for_each(|problem| println!("PROBLEM {case}: {problem}"));
                    results.lock().unwrap().push((case, result));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let reached = results.iter().filter(|(_, result)| result.failed > 0).count();
    let refused = results.iter().filter(|(_, result)| !result.refused.is_empty()).count();
    let unstarted = results.iter().filter(|(_, result)| result.did_not_start).count();
    let only_reads = results.iter().filter(|(_, result)| result.only_reads).count();
    let closed = results.iter().filter(|(_, result)| result.is_closed).count();
    println!(
        "{} of {all} cases: in {reached} a call failed, in {refused} somebody noticed; in {unstarted} the server did not start, \
         in {only_reads} it served reading only, in {closed} not even that",
        results.len()
    );
    let problems: Vec<String> = results
        .iter()
        .flat_map(|(case, result)| result.problems.iter().map(move |problem| format!("{case}: {problem}")))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    // A call that is made less often this time is not reached.
    assert!(reached * 2 > results.len(), "only {reached} of {} cases were cases", results.len());
}
