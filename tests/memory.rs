//! What the real binary holds in memory for one user who asks much of it and takes little: not the messages that the user
//! fetches and does not read, nor those that are uploaded and never end.
//!
//! What is measured are anonymous pages, which no other program has a part in. Before each measurement every connection has
//! shown that the server did what it was asked to, so that nothing depends on time.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use support::link::Link;
use support::server::Server;

const USER: &str = "alice@example.org";
const PASSWORD: &str = "a long main password";
const MIB: usize = 1024 * 1024;
const MESSAGE_BYTES: usize = 40 * MIB;

fn server() -> Server {
    let mut server = Server::new();
    server.add_account(USER);
    server.start();
    server
}

/// Octets of anonymous memory.
fn held(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

fn message() -> Vec<u8> {
    let mut message = b"From: a@example.org\r\nSubject: large\r\n\r\n".to_vec();
    while message.len() < MESSAGE_BYTES {
        message.extend_from_slice(b"A line of a large message, as long as such lines are in the attachments.\r\n");
    }
    message
}

/// Sends a command; gives the first line that comes.
fn ask(link: &mut Link, command: &str) -> String {
    link.send(format!("{command}\r\n").as_bytes()).unwrap();
    String::from_utf8(link.line().unwrap()).unwrap()
}

/// The answer to a command up to its tagged line.
fn finish(link: &mut Link, command: &str) {
    let mut line = ask(link, &format!("x {command}"));
    while !line.starts_with("x ") {
        line = String::from_utf8(link.line().unwrap()).unwrap();
    }
    assert!(line.starts_with("x OK"), "{command}: {line}");
}

fn log_in(server: &Server) -> Link {
    let mut link = Link::plain(server.addresses().of("imap")).unwrap();
    link.line().unwrap();
    finish(&mut link, &format!("LOGIN {USER} \"{PASSWORD}\""));
    link
}

fn log_in_many(server: &Server, count: usize) -> Vec<Link> {
    (0..count).map(|_| log_in(server)).collect()
}

/// A large message in INBOX.
fn append(server: &Server) {
    let (mut link, message) = (log_in(server), message());
    let go_on = ask(&mut link, &format!("x APPEND INBOX {{{}}}", message.len()));
    assert!(go_on.starts_with("+ "), "{go_on}");
    link.send(&message).unwrap();
    let done = ask(&mut link, "");
    assert!(done.starts_with("x OK"), "{done}");
}

/// Asks for the message and reads no more than the line that announces it.
fn fetch_and_do_not_read(link: &mut Link, item: &str) {
    finish(link, "EXAMINE INBOX");
    let announced = ask(link, &format!("f FETCH 1 {item}"));
    assert!(announced.starts_with("* 1 FETCH (") && announced.ends_with('}'), "{announced}");
}

/// Sends all of a message but its end.
fn append_without_an_end(link: &mut Link, message: &[u8]) {
    let go_on = ask(link, &format!("a APPEND INBOX {{{}}}", message.len() + 10));
    assert!(go_on.starts_with("+ "), "{go_on}");
    link.send(message).unwrap();
}

/// The growth since `before` is at most `bound`.
fn check(server: &Server, before: usize, bound: usize, what: &str) {
    let grown = held(server).saturating_sub(before);
    println!("{what}: {} MiB", grown / MIB);
    assert!(grown <= bound, "{what}: {} MiB more in memory", grown / MIB);
}

#[test]
fn messages_that_were_fetched_and_not_read_lay_in_memory() {
    let server = server();
    append(&server);
    let mut links = log_in_many(&server, 16);
    let before = held(&server);
    for (link, item) in
        links.iter_mut().zip(["BODY.PEEK[]", "BODY.PEEK[TEXT]", "BINARY.PEEK[1]", "RFC822"].iter().cycle())
    {
        fetch_and_do_not_read(link, item);
    }
    check(&server, before, 24 * MIB, "16 messages of 40 MiB that nobody reads");
}

#[test]
fn messages_that_were_uploaded_without_an_end_lay_in_memory() {
    let server = server();
    let message = message();
    let mut links = log_in_many(&server, 6);
    let before = held(&server);
    for link in &mut links {
        append_without_an_end(link, &message[..38 * MIB]);
    }
    // The server has taken all but what lies in the buffers of sockets, which are not in its memory.
    check(&server, before, 24 * MIB, "6 messages of 40 MiB without an end");
}

/// One user with a hundred connections that want much and take little.
#[test]
fn a_hundred_connections_of_one_user_stay_small_together() {
    let server = server();
    append(&server);
    let mut links = log_in_many(&server, 100);
    let before = held(&server);
    let part = vec![b'x'; 4 * MIB];
    for (n, link) in links.iter_mut().enumerate() {
        match n % 5 {
            0 => fetch_and_do_not_read(link, "BODY.PEEK[]"),
            1 => fetch_and_do_not_read(link, "BINARY.PEEK[1]"),
            2 => append_without_an_end(link, &part),
            3 => {
                finish(link, "EXAMINE INBOX");
                // A few of them: each goes through 40 MiB.
                if n < 25 {
                    finish(link, "SEARCH TEXT \"no such words\"");
                }
            }
            _ => {
                let first = ask(link, "y LIST \"\" *\r\n".repeat(20_000).trim_end());
                assert!(first.starts_with("* LIST"), "{first}");
            }
        }
    }
    check(&server, before, 64 * MIB, "100 connections of one user");
}
