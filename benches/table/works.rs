//! What is measured: the rows of the table, in its order.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::client::Client;
use crate::limits::Limit;
use crate::{PASSWORD, Sample, Work, World, user};

/// One after the other.
const ALONE: usize = 100;
/// On each of several connections.
const EACH: usize = 16;
const PIPELINED: usize = 1_000;
const NOOPS: usize = 2_000;
const MANY: usize = 64;
/// Words and keywords that were not asked for yet.
static FRESH: AtomicU32 = AtomicU32::new(0);

/// What is measured once: afterwards the mailbox is full, and has an index of its texts.
pub fn first() -> Vec<Work> {
    vec![
        work("filling by MULTIAPPEND of 50", "messages", Limit::Disk, fill),
        work("SEARCH BODY, nowhere, without an index", "messages", Limit::Copy, read_all),
    ]
}

/// The work, what it is counted in, and what bounds it.
fn work(name: &'static str, unit: &'static str, limit: Limit, run: fn(&World) -> io::Result<Sample>) -> Work {
    Work { name, unit, limit, run }
}

pub fn all() -> Vec<Work> {
    vec![
        work("delivery over LMTP, one after the other", "messages", Limit::Flush, |world| deliver(world, 1, ALONE)),
        work("delivery over LMTP, 64 connections", "messages", Limit::Flush, |world| deliver(world, MANY, EACH)),
        work("APPEND, one after the other", "messages", Limit::Flush, |world| append(world, 1, ALONE)),
        work("APPEND, 8 connections", "messages", Limit::Flush, |world| append(world, 8, EACH)),
        work("STORE, one after the other", "commands", Limit::Flush, single_stores),
        work("STORE, 1,000 pipelined", "commands", Limit::Flush, pipelined_stores),
        work("STORE of all in one command", "messages", Limit::Flush, store_all),
        work("a flag to a device in IDLE", "times", Limit::Flush, push),
        work("NOOP", "commands", Limit::RoundTrip, noops),
        work("log-in, SELECT, LOGOUT", "sessions", Limit::RoundTrip, sessions),
        work("FETCH of UID and FLAGS of all", "messages", Limit::Loopback, |world| {
            fetch(world, "UID FETCH 1:* (UID FLAGS)")
        }),
        work("FETCH of ENVELOPE and BODYSTRUCTURE of all", "messages", Limit::Loopback, |world| {
            fetch(world, "FETCH 1:* (UID FLAGS ENVELOPE INTERNALDATE RFC822.SIZE BODYSTRUCTURE)")
        }),
        work("FETCH of all bodies", "messages", Limit::Loopback, |world| {
            fetch(world, "UID FETCH 1:* (UID BODY.PEEK[])")
        }),
        work("RETR, one after the other", "messages", Limit::RoundTrip, retr_one_by_one),
        work("RETR, all pipelined", "messages", Limit::Loopback, retr_pipelined),
        work("SEARCH BODY, in one message", "searches", Limit::RoundTrip, |world| {
            search(world, |n| format!("BODY number{n}x"))
        }),
        work("SEARCH FROM, in one of 97", "searches", Limit::RoundTrip, |world| {
            search(world, |n| format!("FROM \"sender {} <\"", n % 97))
        }),
        work("SEARCH TEXT, in all", "searches", Limit::RoundTrip, |world| {
            search(world, |_| "TEXT example.net".to_owned())
        }),
        work("SORT (SUBJECT) of all", "messages", Limit::Loopback, |world| fetch(world, "SORT (SUBJECT) UTF-8 ALL")),
        work("THREAD REFERENCES of all", "messages", Limit::Loopback, |world| {
            fetch(world, "THREAD REFERENCES UTF-8 ALL")
        }),
    ]
}

fn fill(world: &World) -> io::Result<Sample> {
    let mut client = world.imap()?;
    world.measure(world.messages, || {
        for batch in &world.batches {
            client.send(batch)?;
            client.until("b OK")?;
        }
        Ok(world.octets as f64)
    })
}

fn read_all(world: &World) -> io::Result<Sample> {
    let mut client = world.in_inbox()?;
    world.measure(world.messages, || client.ask("SEARCH BODY x1234q").map(|_| world.octets as f64))
}

/// On several connections at once, each of which does `each` of them; they could all share a flush.
fn together(
    world: &World,
    clients: Vec<Client>,
    each: usize,
    one: impl Fn(&mut Client, usize) -> io::Result<()> + Sync,
) -> io::Result<Sample> {
    let count = clients.len();
    world.measure(count * each, || {
        thread::scope(|scope| {
            let work = |(number, mut client): (usize, Client)| {
                let one = &one;
                scope.spawn(move || (0..each).try_for_each(|turn| one(&mut client, number * each + turn)))
            };
            let threads: Vec<_> = clients.into_iter().enumerate().map(work).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| io::ErrorKind::Other)?)
        })?;
        Ok(each as f64)
    })
}

fn small(number: usize) -> String {
    format!(
        "From: <s@example.net>\r\nTo: <a@example.org>\r\nSubject: message {number}\r\nMessage-ID: <{}-{number}@example.com>\r\n\
         Date: Mon, 2 Feb 2026 10:00:00 +0000\r\n\r\n{}",
        FRESH.fetch_add(1, Ordering::Relaxed),
        "A line of text that is nothing but a line.\r\n".repeat(45)
    )
}

fn deliver(world: &World, connections: usize, each: usize) -> io::Result<Sample> {
    let clients: Vec<_> = (0..connections).map(|_| Client::lmtp(world.address("lmtp"))).collect::<io::Result<_>>()?;
    together(world, clients, each, |client, number| {
        client.say(b"MAIL FROM:<s@example.net>\r\n", "250")?;
        client.say(format!("RCPT TO:<{}>\r\n", other(number)).as_bytes(), "250")?;
        client.say(b"DATA\r\n", "354")?;
        client.say(format!("{}.\r\n", small(number)).as_bytes(), "250")
    })
}

/// Not the account whose INBOX is measured.
fn other(number: usize) -> String {
    user(1 + number % (crate::ACCOUNTS - 1))
}

fn append(world: &World, connections: usize, each: usize) -> io::Result<Sample> {
    let log_in = |number| Client::imap(world.address("imap"), &other(number), PASSWORD);
    let clients: Vec<_> = (0..connections).map(log_in).collect::<io::Result<_>>()?;
    together(world, clients, each, |client, number| {
        let message = small(number);
        client.ask(&format!("APPEND INBOX {{{}+}}\r\n{message}", message.len())).map(drop)
    })
}

fn single_stores(world: &World) -> io::Result<Sample> {
    let mut client = world.in_inbox()?;
    let sign = sign();
    world.measure(ALONE, || {
        for number in 1..=ALONE {
            client.ask(&format!("STORE {number} {sign}FLAGS.SILENT (\\Answered)"))?;
        }
        Ok(ALONE as f64)
    })
}

/// A flag is set in one turn and taken away in the next.
fn sign() -> char {
    if FRESH.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) { '+' } else { '-' }
}

fn pipelined_stores(world: &World) -> io::Result<Sample> {
    let mut client = world.in_inbox()?;
    let count = PIPELINED.min(world.messages);
    let keyword = FRESH.fetch_add(1, Ordering::Relaxed);
    let store = |number| format!("p{number} STORE {number} +FLAGS.SILENT (k{keyword})\r\n");
    let commands: String = (1..=count).map(store).collect();
    world.measure(count, || {
        client.send(commands.as_bytes())?;
        client.until(&format!("p{count} OK"))?;
        Ok(1.0)
    })
}

fn store_all(world: &World) -> io::Result<Sample> {
    let mut client = world.in_inbox()?;
    let keyword = FRESH.fetch_add(1, Ordering::Relaxed);
    world.measure(world.messages, || {
        client.ask(&format!("STORE 1:* +FLAGS.SILENT (k{keyword})"))?;
        Ok(1.0)
    })
}

fn push(world: &World) -> io::Result<Sample> {
    let (mut idle, mut other) = (world.in_inbox()?, world.in_inbox()?);
    idle.send(b"i IDLE\r\n")?;
    while !idle.line()?.starts_with('+') {}
    let keyword = FRESH.fetch_add(1, Ordering::Relaxed);
    world.measure(ALONE, || {
        for number in 1..=ALONE {
            other.send(format!("s STORE {number} +FLAGS.SILENT (k{keyword})\r\n").as_bytes())?;
            while !idle.line()?.contains("FETCH") {}
            other.until("s OK")?;
        }
        Ok(ALONE as f64)
    })
}

fn noops(world: &World) -> io::Result<Sample> {
    let mut client = world.in_inbox()?;
    world.measure(NOOPS, || {
        (0..NOOPS).try_for_each(|_| client.ask("NOOP").map(drop))?;
        Ok(NOOPS as f64)
    })
}

fn sessions(world: &World) -> io::Result<Sample> {
    const TRIPS: usize = 4;
    world.measure(ALONE, || {
        (0..ALONE).try_for_each(|_| world.in_inbox()?.ask("LOGOUT").map(drop))?;
        Ok((ALONE * TRIPS) as f64)
    })
}

/// A command that is about all messages; its answer goes over the loopback interface.
fn fetch(world: &World, command: &str) -> io::Result<Sample> {
    let mut client = world.in_inbox()?;
    world.measure(world.messages, || client.ask(command).map(|octets| octets as f64))
}

fn search(world: &World, what: impl Fn(usize) -> String) -> io::Result<Sample> {
    const SEARCHES: usize = 10;
    let mut client = world.in_inbox()?;
    world.measure(SEARCHES, || {
        for _ in 0..SEARCHES {
            let number = FRESH.fetch_add(1, Ordering::Relaxed) as usize % world.messages;
            client.ask(&format!("UID SEARCH RETURN (COUNT) {}", what(number)))?;
        }
        Ok(SEARCHES as f64)
    })
}

fn maildrop(world: &World) -> io::Result<(Client, usize)> {
    let mut client = Client::connect(world.address("pop3"))?;
    client.say(format!("USER {}\r\n", user(0)).as_bytes(), "+OK")?;
    client.say(format!("PASS {PASSWORD}\r\n").as_bytes(), "+OK")?;
    client.send(b"STAT\r\n")?;
    let answer = client.line()?;
    let count = answer.split(' ').nth(1).and_then(|count| count.parse().ok());
    count.map(|count| (client, count)).ok_or_else(|| io::Error::other(answer))
}

fn retr_one_by_one(world: &World) -> io::Result<Sample> {
    let (mut client, count) = maildrop(world)?;
    world.measure(count, || {
        for number in 1..=count {
            client.send(format!("RETR {number}\r\n").as_bytes())?;
            client.until(".\r")?;
        }
        Ok(count as f64)
    })
}

fn retr_pipelined(world: &World) -> io::Result<Sample> {
    let (mut client, count) = maildrop(world)?;
    let commands: String = (1..=count).map(|number| format!("RETR {number}\r\n")).collect();
    world.measure(count, || {
        client.send((commands + "QUIT\r\n").as_bytes())?;
        client.read_to_end().map(|octets| octets as f64)
    })
}
