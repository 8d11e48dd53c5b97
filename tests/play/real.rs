//! The real binary: one server for all stories, an account for each, TLS wherever a client would use it.
//!
//! IMAP, POP3 and submission are spoken over TLS from the first byte, SMTP after STARTTLS, LMTP in the clear.

use super::player::{Link, Whose, World};
use super::script::{Protocol, Setting};
use super::wire::Wire;
use crate::rig::{Serving, Stream, tls};
use imapd::MessageLimit;
use serde_json::Value;
use server::control::Client;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use store::Quota;
use tempfile::TempDir;
use web::Call;

const PASSWORD: &str = "a long main password";
/// What has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 16 * 1024;

/// A running server.
pub struct RealServer {
    serving: Serving,
    _directory: TempDir,
}

/// An account on it, in which one story happens.
pub struct RealWorld<'a> {
    server: &'a RealServer,
    /// What `alice` is called here.
    name: String,
    /// What `bob` is called here, once he is there.
    bob: Option<String>,
}

struct RealLink {
    stream: Box<dyn Stream>,
    /// The same connection, to say how long a read may take.
    socket: TcpStream,
    wire: Wire,
}

impl RealServer {
    /// On which one command may be about so many messages.
    pub fn start(messages: MessageLimit) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let more = match messages {
            MessageLimit::None => String::new(),
            MessageLimit::Every(max) => format!("limits.messages_per_command_max = {max}"),
            MessageLimit::Saving(max) => format!("limits.messages_saved_per_command_max = {max}"),
        };
        let serving = Serving::start(directory.path(), &more);
        let server = Self { serving, _directory: directory };
        ask(&mut server.control(), &Call::new("POST /api/v1/admin/domains").with("domain", "example.org"));
        // Whose account comes first has what is for the postmaster: that of no story.
        let first =
            Call::new("POST /api/v1/operator/accounts").with("address", "first@example.org").with("name", "A B");
        ask(&mut server.control(), &first.with("password", PASSWORD));
        server
    }

    /// Every invariant of all accounts.
    pub fn check(&self) -> Vec<Value> {
        let steps = ask(&mut self.control(), &Call::new("GET /api/v1/operator/check").with("bodies", true));
        assert!(!steps.is_empty(), "it tells how far it is");
        steps.into_iter().filter(|step| step.get("finding").is_some()).collect()
    }

    pub fn stop(self) {
        self.serving.stop();
    }

    fn control(&self) -> Client {
        let data_dir = self.serving.authority().ancestors().nth(2).map(Path::to_owned).unwrap();
        Client::connect(&data_dir).unwrap().unwrap()
    }

    fn connect(&self, service: &str) -> TcpStream {
        let socket = TcpStream::connect(("127.0.0.1", self.serving.port(service))).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }
}

impl<'a> RealWorld<'a> {
    /// The account of the story with this number.
    pub fn new(server: &'a RealServer, number: usize) -> Self {
        let mut world = Self { server, name: format!("alice{number}"), bob: None };
        world.add_account(Whose::Alice);
        world
    }

    fn add_account(&mut self, whose: Whose) {
        let call = Call::new("POST /api/v1/operator/accounts").with("address", self.user(whose)).with("name", "A B");
        ask(&mut self.server.control(), &call.with("password", PASSWORD));
    }

    fn ask_device(&mut self, call: Call) -> Value {
        self.ask_device_of(Whose::Alice, call)
    }

    fn ask_device_of(&mut self, whose: Whose, call: Call) -> Value {
        let call = call.of(self.user(whose));
        ask(&mut self.server.control(), &call).pop().unwrap()
    }
}

fn ask(control: &mut Client, call: &Call) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut take = |part| {
        parts.push(part);
        Ok(())
    };
    control.call(call, &mut take).unwrap();
    parts
}

impl World for RealWorld<'_> {
    fn connect(&mut self, protocol: Protocol) -> Box<dyn Link> {
        let server = self.server;
        let (service, is_tls) = match protocol {
            Protocol::Imap => ("imaps", true),
            Protocol::Pop3 => ("pop3s", true),
            Protocol::Submission => ("submissions", true),
            Protocol::Smtp => return Box::new(start_tls(server)),
            Protocol::Lmtp => ("lmtp", false),
        };
        let socket = server.connect(service);
        let stream: Box<dyn Stream> = match is_tls {
            true => tls(socket.try_clone().unwrap(), &server.serving.authority()),
            false => Box::new(socket.try_clone().unwrap()),
        };
        Box::new(RealLink { stream, socket, wire: Wire::default() })
    }

    fn add_device(&mut self, whose: Whose, name: &str) -> String {
        if whose == Whose::Bob && self.bob.is_none() {
            self.bob = Some(self.name.replace("alice", "bob"));
            self.add_account(whose);
        }
        let device = self.ask_device_of(whose, Call::new("POST /api/v1/operator/devices").with("name", name));
        device["password"].as_str().unwrap().to_owned()
    }

    fn choose(&mut self, device: &str, setting: Setting, name: &str) {
        let field = match setting {
            Setting::Policy => "policy",
            Setting::Window => "window",
            Setting::Scope => "scope",
        };
        self.ask_device(Call::new("POST /api/v1/devices/{id}").at("id", device).with(field, name));
    }

    fn make_token(&mut self, device: &str) -> String {
        let made = self.ask_device(Call::new("POST /api/v1/devices/{id}/token").at("id", device));
        made["token"].as_str().unwrap().to_owned()
    }

    fn set_quota(&mut self, quota: Quota) {
        let call = Call::new("POST /api/v1/admin/accounts/{id}/quota").at("id", self.user(Whose::Alice));
        ask(&mut self.server.control(), &call.with("quota_bytes", quota.bytes).with("quota_messages", quota.messages));
    }

    /// By a device that is gone again when the story begins.
    fn deliver(&mut self, mailbox: &str, subjects: &[String]) {
        let (user, password) = (self.user(Whose::Alice), self.add_device(Whose::Alice, "before the story"));
        let mut link = self.connect(Protocol::Imap);
        let append = |subject: &String| {
            let message = String::from_utf8(super::message(subject)).unwrap();
            format!("b APPEND {mailbox} {{{}+}}\r\n{message}\r\n", message.len())
        };
        let appends: String = subjects.iter().map(append).collect();
        link.send(format!("a LOGIN {user} {password}\r\n{appends}c LOGOUT\r\n").as_bytes());
        let mut lines = Vec::new();
        link.receive(&mut lines, &|lines| lines.iter().any(|line| line.starts_with("c OK")));
        let stored = lines.iter().filter(|line| line.starts_with("b OK")).count();
        assert_eq!(stored, subjects.len(), "{lines:?}");
        self.ask_device(Call::new("POST /api/v1/devices/{id}/revoke").at("id", "before the story"));
    }

    fn user(&self, whose: Whose) -> String {
        let name = match (whose, &self.bob) {
            (Whose::Bob, Some(bob)) => bob,
            (Whose::Alice | Whose::Bob, _) => &self.name,
        };
        format!("{name}@example.org")
    }

    fn translate(&self, text: &str) -> String {
        let text = text.replace("alice", &self.name).replace("ALICE", &self.name.to_uppercase());
        self.bob.as_ref().map_or_else(|| text.clone(), |bob| text.replace("bob", bob))
    }
}

/// SMTP after STARTTLS. The greeting is what came before it, because none comes after.
fn start_tls(server: &RealServer) -> RealLink {
    let socket = server.connect("smtp");
    let stream = Box::new(socket.try_clone().unwrap());
    let mut plain = RealLink { stream, socket, wire: Wire::default() };
    let mut lines = Vec::new();
    plain.receive(&mut lines, &|lines| !lines.is_empty());
    let greeting = lines[0].clone();
    plain.send(b"EHLO client.example\r\n");
    plain.receive(&mut lines, &|lines| lines.last().is_some_and(|line| line.starts_with("250 ")));
    plain.send(b"STARTTLS\r\n");
    let count = lines.len();
    plain.receive(&mut lines, &|lines| lines.len() > count);
    assert!(lines[count].starts_with("220 "), "{lines:?}");
    let stream = tls(plain.socket.try_clone().unwrap(), &server.serving.authority());
    RealLink { stream, socket: plain.socket, wire: Wire::after(format!("{greeting}\r\n").into_bytes()) }
}

impl Link for RealLink {
    fn send(&mut self, bytes: &[u8]) {
        // A server that has closed the connection is found out by what does not come.
        let _gone = self.stream.write_all(&self.wire.send(bytes)).and_then(|()| self.stream.flush());
    }

    fn compress(&mut self) {
        self.wire.compress();
    }

    fn receive(&mut self, lines: &mut Vec<String>, is_enough: &dyn Fn(&[String]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.wire.take_lines(lines);
            let left = deadline.saturating_duration_since(Instant::now());
            if is_enough(lines) || left.is_zero() {
                return;
            }
            self.socket.set_read_timeout(Some(left)).unwrap();
            if !self.read() {
                self.wire.take_lines(lines);
                return;
            }
        }
    }

    fn settle(&mut self, lines: &mut Vec<String>) {
        self.socket.set_nonblocking(true).unwrap();
        while self.read() {}
        self.socket.set_nonblocking(false).unwrap();
        self.wire.take_lines(lines);
    }
}

impl RealLink {
    /// Reads what there is; `false` when there is nothing, or never will be.
    fn read(&mut self) -> bool {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.wire.take(&bytes[..count]);
                true
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }
}
