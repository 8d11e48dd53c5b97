//! Several servers on one database when it is the way to the database that fails, or the database itself: what was acknowledged is
//! there once, mail goes out once, a maildrop has one session, and a server that was away comes back by itself.

#![allow(clippy::unwrap_used)]

#[path = "../crates/store-objects/tests/bucket/mod.rs"]
mod bucket;
#[path = "../crates/store-postgres/tests/cluster/mod.rs"]
mod database;
#[path = "cluster/ground.rs"]
mod ground;
mod support;
#[path = "cluster/wire.rs"]
mod wire;

use ground::{ALICE, Gate, Ground, MAIN, PATIENCE, deliver, imap, message, problems, smarthost};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use support::server::{Addresses, Server};
use support::{Failure, Outcome};
use wire::{BOTH_WAYS, Cut, WHOLE, Wire};

/// What a server held that is cut off is free after this time.
const TAKEN_OVER: Duration = Duration::from_secs(20);
/// So long a server is cut off.
const AWAY: Duration = Duration::from_secs(15);
/// So long the database does not answer: longer than a lease.
const STALL: Duration = Duration::from_secs(7);
/// What is done on one server is noticed on the others within this time.
const NOTICED: Duration = Duration::from_secs(10);
/// What would come twice comes within this time.
const QUIET: Duration = Duration::from_secs(2);

const LEADS: &str = "this server leads:";
const LEADS_NO_MORE: &str = "this server leads no more";

/// Hands over a message for an address elsewhere.
fn submit(at: &Addresses, id: &str) -> Outcome<()> {
    let content = String::from_utf8(message(id, 600)).unwrap().replace("carol@example.net", ALICE);
    let content = format!("To: <friend@outside.example>\r\n{content}").into_bytes();
    let replies = at.submissions(ALICE, MAIN)?.deliver(ALICE, &["friend@outside.example"], &content)?;
    match replies.as_slice() {
        [reply] if reply.code == 250 => Ok(()),
        _ => Err(Failure::Refused(format!("{id} was answered {replies:?}"))),
    }
}

/// What came to the host outside.
struct Outside {
    messages: Receiver<String>,
    taken: BTreeMap<String, usize>,
}

impl Outside {
    /// A host that takes everything, and the options with which mail goes there.
    fn new() -> (Self, String) {
        let gate = Arc::new(Gate::default());
        gate.set(true);
        let (port, messages) = smarthost(&gate);
        let options = format!(
            "queue.hold_strangers = 0\nsmarthost = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}\n"
        );
        (Self { messages, taken: BTreeMap::new() }, options)
    }

    /// Waits until so many different ones have come.
    fn until(&mut self, count: usize, within: Duration) {
        let end = Instant::now() + within;
        while self.taken.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            let next = self.messages.recv_timeout(left);
            let next = next.unwrap_or_else(|_| panic!("{} of {count} came: {:?}", self.taken.len(), self.taken));
            *self.taken.entry(next).or_default() += 1;
        }
    }

    /// Takes what comes for so long.
    fn listen(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            match self.messages.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(next) => *self.taken.entry(next).or_default() += 1,
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the host outside has gone"),
            }
        }
    }

    fn doubled(&self) -> Vec<&String> {
        self.taken.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect()
    }
}

/// A server, which leads, whose way to the database can be cut, and others with a way of their own; `true`: that can be cut as well.
fn servers(ground: &Ground, options: &str, others: &[(&str, bool)]) -> (Vec<Server>, Vec<Wire>) {
    let mut wires = vec![Wire::to(ground.database.socket())];
    let mut first = Server::with(&ground.options_by(&wires[0].url(), "one", options));
    first.start();
    first.add_account(ALICE);
    until(|| first.has_logged(LEADS), "the first server leads");
    let mut nodes = vec![first];
    for (name, has_wire) in others {
        let url = if *has_wire {
            wires.push(Wire::to(ground.database.socket()));
            wires.last().unwrap().url()
        } else {
            ground.database.url()
        };
        let mut node = nodes[0].beside(&ground.options_by(&url, name, options));
        node.start();
        nodes.push(node);
    }
    (nodes, wires)
}

fn until(is_so: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

fn until_done<T>(what: &str, work: impl Fn() -> Outcome<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match work() {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < end, "{what}: {error}"),
        }
    }
}

/// The server that leads is cut off, for longer than the others wait for it.
fn cut_off(cut: Cut) {
    let Some(ground) = Ground::new() else { return };
    let (mut outside, options) = Outside::new();
    let (nodes, wires) = servers(&ground, &options, &[("two", false)]);
    let [one, two] = [nodes[0].addresses().clone(), nodes[1].addresses().clone()];
    let password = nodes[1].add_device(ALICE, "pc", "expunge");
    deliver(&two, "1@example.net", 600).unwrap();
    (0..5).for_each(|number| submit(&one, &format!("before-{number}")).unwrap());
    outside.until(5, PATIENCE);
    until(|| nodes[1].cli(&["queue", "list"], "") == "The queue is empty.\n", "what went out is written down");
    let mut pc = one.pop3(ALICE, &password).unwrap();
    pc.command("DELE 1").unwrap();

    wires[0].set(cut);
    let begun = Instant::now();
    (0..20).for_each(|number| submit(&two, &format!("meanwhile-{number}")).unwrap());
    outside.until(25, TAKEN_OVER);
    println!("{cut:?}: the queue of a server that is cut off goes on after {:.1?}", begun.elapsed());
    let taken_over = until_done("the maildrop is free", || two.pop3(ALICE, &password));
    assert!(begun.elapsed() < TAKEN_OVER);
    outside.listen(AWAY.saturating_sub(begun.elapsed()));

    wires[0].set(WHOLE);
    assert!(pc.quit().is_err(), "a session whose lock was taken over deletes nothing");
    let back = Instant::now();
    until_done("a server that was cut off serves again", || deliver(&one, "2@example.net", 600));
    until_done("and takes mail to go out", || submit(&one, "after"));
    println!("{cut:?}: it serves again after {:.1?}", back.elapsed());
    outside.until(26, PATIENCE);
    outside.listen(QUIET);
    assert_eq!(outside.doubled(), Vec::<&String>::new());
    assert_eq!(outside.taken.len(), 26);
    until(|| nodes[0].has_logged("took this server for gone"), "it knows that it was away");
    assert!(nodes[0].has_logged(LEADS_NO_MORE) && nodes[1].has_logged(LEADS));
    taken_over.quit().unwrap();
    assert_eq!(one.pop3(ALICE, &password).unwrap().uidl().unwrap().len(), 2);
    let acknowledged = ["1@example.net", "2@example.net"].map(|id| (id.to_owned(), None)).into();
    for at in [&one, &two] {
        assert_eq!(problems(at, &acknowledged), Vec::<String>::new());
    }
}

#[test]
fn a_server_that_is_cut_off_while_it_leads_comes_back_and_nothing_happens_twice() {
    cut_off(BOTH_WAYS);
}

#[test]
fn a_server_whose_words_do_not_reach_the_database_comes_back_and_nothing_happens_twice() {
    cut_off(Cut { to_database: true, from_database: false });
}

#[test]
fn a_server_that_hears_nothing_of_the_database_comes_back_and_nothing_happens_twice() {
    cut_off(Cut { to_database: false, from_database: true });
}

/// It does not answer anybody, and nobody has died.
#[test]
fn a_database_that_does_not_answer_for_longer_than_a_lease_has_nothing_sent_twice() {
    const MESSAGES: usize = 24;
    let Some(ground) = Ground::new() else { return };
    let (mut outside, options) = Outside::new();
    let (nodes, wires) = servers(&ground, &options, &[("two", true)]);
    thread::scope(|scope| {
        let [one, two] = [nodes[0].addresses(), nodes[1].addresses()];
        let sending = scope.spawn(move || {
            for number in 0..MESSAGES {
                // What had no answer is handed over again.
                let at = if number % 2 == 0 { one } else { two };
                until_done("mail is taken", || submit(at, &format!("out-{number}")));
            }
        });
        outside.until(10, PATIENCE);
        wires.iter().for_each(|wire| wire.set(BOTH_WAYS));
        outside.listen(STALL);
        wires.iter().for_each(|wire| wire.set(WHOLE));
        sending.join().unwrap();
    });
    // A look at what others have done that had waited for the database was the last one for a minute.
    outside.until(MESSAGES, NOTICED);
    outside.listen(QUIET);
    assert!(nodes.iter().any(|node| node.has_logged(LEADS_NO_MORE)), "the lease was over");
    assert_eq!(outside.doubled(), Vec::<&String>::new());
    assert_eq!(outside.taken.len(), MESSAGES);
}

/// Ends as by a power cut, with its disk, and comes back.
#[test]
fn a_database_that_is_killed_under_load_loses_and_doubles_nothing() {
    const CLIENTS: u64 = 4;
    const KILLS: u64 = 3;
    let Some(mut ground) = Ground::new() else { return };
    let (mut outside, options) = Outside::new();
    let (nodes, _wires) = servers(&ground, &options, &[("two", false)]);
    let at = [nodes[0].addresses().clone(), nodes[1].addresses().clone()];
    let (acknowledged, count, is_over) = (Mutex::new(BTreeMap::new()), AtomicU64::new(0), AtomicBool::new(false));
    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (at, acknowledged, count, is_over, sent) = (&at, &acknowledged, &count, &is_over, &sent);
            scope.spawn(move || {
                for number in 0_u64.. {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    let at = &at[((client + number) % 2) as usize];
                    let id = format!("{client}.{number}@example.net");
                    until_done("mail is taken", || deliver(at, &id, 600));
                    acknowledged.lock().unwrap().insert(id.clone(), None);
                    if number % 4 == 0 {
                        until_done("mail for elsewhere is taken", || submit(at, &format!("out-{id}")));
                        sent.fetch_add(1, Ordering::AcqRel);
                    }
                    count.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        for _ in 0..KILLS {
            let goal = count.load(Ordering::Acquire) + 25;
            until(|| count.load(Ordering::Acquire) >= goal, "clients go on");
            ground.database.kill_at_once();
            ground.database.run(&[]);
        }
        let goal = count.load(Ordering::Acquire) + 25;
        until(|| count.load(Ordering::Acquire) >= goal, "clients go on");
        is_over.store(true, Ordering::Release);
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    for at in &at {
        assert_eq!(problems(at, &acknowledged), Vec::<String>::new());
    }
    let sent = usize::try_from(sent.into_inner()).unwrap();
    outside.until(sent, PATIENCE);
    outside.listen(QUIET);
    assert_eq!((outside.doubled(), outside.taken.len()), (Vec::new(), sent));
    println!("{} messages, {sent} of them sent on, and {KILLS} kills of the database", acknowledged.len());
}

/// What is waited for, of one server and of one of two: round trips to the database.
#[test]
fn what_is_done_most_waits_for_the_database_a_few_times_only() {
    const TIMES: u64 = 50;
    let (_outside, options) = Outside::new();
    for others in [&[][..], &[("two", false)]] {
        let Some(ground) = Ground::new() else { return };
        let (nodes, wires) = servers(&ground, &options, others);
        let at = nodes[0].addresses();
        let mut client = imap(at).unwrap();
        let count = |work: &mut dyn FnMut(u64)| {
            let (before, begun) = (wires[0].round_trips(), Instant::now());
            (0..TIMES).for_each(work);
            let (took, trips) = (begun.elapsed(), wires[0].round_trips() - before);
            // Beats and looks go on meanwhile, as often as in the same time of quiet.
            let (before, begun) = (wires[0].round_trips(), Instant::now());
            until(|| begun.elapsed() >= took, "time passes");
            trips.saturating_sub(wires[0].round_trips() - before) as f64 / TIMES as f64
        };
        let delivered = count(&mut |number| deliver(at, &format!("{}.{number}", nodes.len()), 600).unwrap());
        let fetched = count(&mut |_| drop(client.command("FETCH 1:* (FLAGS)").unwrap()));
        let stored = count(&mut |number| {
            let sign = if number % 2 == 0 { '+' } else { '-' };
            client.command(&format!("STORE 1 {sign}FLAGS (\\Flagged)")).unwrap();
        });
        let of = nodes.len();
        println!("of {of}: {delivered:.1} a delivery, {fetched:.1} a FETCH of flags, {stored:.1} a STORE");
        // Three and one; of several servers one compares what it holds with the database once between two looks.
        assert!(fetched < 0.5 && stored < 2.0 && delivered < 4.5);
        client.leave("LOGOUT").unwrap();
    }
}
