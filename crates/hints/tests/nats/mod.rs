//! A NATS server of the test's own, on a port of this machine that stays the same when it is started again.

#![allow(dead_code)] // Each test uses a part of it.

#[path = "../../../../tests/support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server, which may run.
pub struct Nats {
    pub port: u16,
    options: Vec<String>,
    server: Option<Child>,
}

impl Nats {
    /// One that does not run yet; `None`, with a line that says so, where it is not installed.
    pub fn new(options: &[&str]) -> Option<Self> {
        let is_there = Command::new(program()).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !is_there {
            not_tested::without("nats-server", "Debian: nats-server");
            return None;
        }
        Some(Self {
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            server: None,
        })
    }

    /// The same, running.
    pub fn start(options: &[&str]) -> Option<Self> {
        let mut nats = Self::new(options)?;
        nats.run();
        Some(nats)
    }

    /// Starts it and waits until it takes connections.
    pub fn run(&mut self) {
        let mut command = Command::new(program());
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string()]).args(&self.options);
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "nats-server does not start");
            assert!(server.try_wait().unwrap().is_none(), "nats-server has ended");
        }
        self.server = Some(server);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// The process.
    pub fn process(&self) -> &Child {
        self.server.as_ref().unwrap()
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian has it where only administrators look.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nats-server";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "nats-server" }
}

/// Below those that the system chooses by itself.
fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + u16::try_from(std::process::id() % 7_000).unwrap() + TAKEN.fetch_add(50, Ordering::Relaxed);
    (first..20_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// Somebody who may speak there.
pub struct Stranger {
    stream: BufReader<TcpStream>,
}

impl Stranger {
    pub fn at(nats: &Nats) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", nats.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stranger = Self { stream: BufReader::new(stream) };
        assert!(stranger.line().starts_with("INFO "));
        stranger.say(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
        stranger
    }

    /// Hears all that is said.
    pub fn listen(&mut self) {
        self.say(b"SUB > 1\r\n");
        self.wait();
    }

    /// The subject and the octets of what comes next.
    pub fn hear(&mut self) -> (String, Vec<u8>) {
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split(' ').collect();
            if let ["MSG", subject, .., length] = words[..] {
                let mut octets = vec![0; length.parse::<usize>().unwrap() + 2];
                self.stream.read_exact(&mut octets).unwrap();
                octets.truncate(octets.len() - 2);
                return (subject.to_owned(), octets);
            }
        }
    }

    pub fn publish(&mut self, subject: &str, octets: &[u8]) {
        let message = [format!("PUB {subject} {}\r\n", octets.len()).as_bytes(), octets, b"\r\n"].concat();
        self.say(&message);
    }

    /// Returns when the server has taken all.
    pub fn wait(&mut self) {
        self.say(b"PING\r\n");
        while self.line() != "PONG" {}
    }

    fn say(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "NATS has gone");
        line.trim_end().to_owned()
    }
}
