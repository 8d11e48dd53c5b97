//! What the real binary holds in memory for one user who asks much of it and takes little, and for strangers who send much:
//! not the messages that the user fetches and does not read, nor those that come in and never end; and of those that end at
//! the same moment few at a time.
//!
//! What is measured are anonymous pages, which no other program has a part in, and where it is the most that there ever was,
//! all pages. Before each measurement every connection has shown that the server did what it was asked to, so that nothing
//! depends on time.

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
    status(server, "RssAnon:")
}

/// A line of what the system says of the process.
fn status(server: &Server, name: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
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
    check(&server, before, 32 * MIB, "6 messages of 40 MiB without an end");
}

/// Recipients, and all of a message but its end.
fn send_without_an_end(link: &mut Link, hello: &str, message: &[u8]) {
    link.line().unwrap();
    for command in
        [hello, "MAIL FROM:<stranger@example.net>", "RCPT TO:<alice@example.org>", "RCPT TO:<bob@example.org>", "DATA"]
    {
        let mut reply = ask(link, command);
        while reply.as_bytes()[3] == b'-' {
            reply = String::from_utf8(link.line().unwrap()).unwrap();
        }
        assert!(reply.starts_with(if command == "DATA" { "354" } else { "250" }), "{command}: {reply}");
    }
    link.send(message).unwrap();
}

#[test]
fn messages_that_strangers_sent_lay_in_memory() {
    let mut server = Server::new();
    server.add_account(USER);
    server.add_account("bob@example.org");
    server.start();
    let message = message();
    let mut link = Link::plain(server.addresses().of("smtp")).unwrap();
    send_without_an_end(&mut link, "HELO c", b"Subject: small\r\n\r\n");
    assert!(ask(&mut link, ".").starts_with("250"));
    let before = held(&server);
    let mut links: Vec<(Link, usize)> = Vec::new();
    for (service, hello, replies) in [("smtp", "HELO c", 1), ("lmtp", "LHLO c", 2)].iter().cycle().take(6) {
        let mut link = Link::plain(server.addresses().of(service)).unwrap();
        send_without_an_end(&mut link, hello, &message[..MESSAGE_BYTES]);
        links.push((link, *replies));
    }
    check(&server, before, 24 * MIB, "6 messages of 40 MiB from strangers, without an end");
    // From here on the most that there ever is counts.
    fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
    let before = status(&server, "VmRSS:");
    for (link, _) in &mut links {
        link.send(b"\r\n.\r\n").unwrap();
    }
    for (link, replies) in &mut links {
        for _ in 0..*replies {
            let reply = String::from_utf8(link.line().unwrap()).unwrap();
            assert!(reply.starts_with("250"), "{reply}");
        }
    }
    let grown = status(&server, "VmHWM:").saturating_sub(before);
    println!("6 messages of 40 MiB that end at once: {} MiB", grown / MIB);
    // One of them, once, for two recipients; what the one before it had may not have gone back to the system yet.
    assert!(grown <= 104 * MIB, "{} MiB at once", grown / MIB);
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
