//! The real binary, serving a directory of its own on ports that the system chooses.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::Outcome;
use super::imap::Imap;
use super::link::Link;
use super::pop3::Pop3;
use super::smtp::Smtp;

pub const HOSTNAME: &str = "mail.example.org";
/// A start that takes longer has failed.
const START: Duration = Duration::from_secs(20);
/// A log that is longer shows its end only.
const LOG_LINES_SHOWN: usize = 60;

/// A data directory with its configuration, and the server on it while it runs.
pub struct Server {
    place: TempDir,
    running: Option<Running>,
    log: Log,
    environment: Vec<(&'static str, PathBuf)>,
}

struct Running {
    process: Child,
    started: Instant,
    addresses: Addresses,
}

type Log = Arc<Mutex<Vec<String>>>;

/// Where the services of a running server listen.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    services: BTreeMap<String, SocketAddr>,
    authority: PathBuf,
}

impl Server {
    /// A new directory with the domain `example.org`. Nothing runs yet.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with `more` lines in the configuration.
    pub fn with(more: &str) -> Self {
        let server = Self::placed(more);
        server.cli(&["domain", "add", "example.org"], "");
        server
    }

    /// Another one, on another data directory, that has the same secret and the same authority.
    pub fn beside(&self, more: &str) -> Self {
        let server = Self::placed(more);
        let (from, to) = (self.place.path().join("data"), server.place.path().join("data"));
        fs::create_dir_all(to.join("tls")).expect("a directory");
        let copy = |name: &str| {
            fs::copy(from.join(name), to.join(name)).expect("a copy");
        };
        ["pillarbox.format", "auth-secret"].into_iter().for_each(copy);
        for entry in fs::read_dir(from.join("tls")).expect("the authority") {
            copy(&format!("tls/{}", entry.expect("a name").file_name().to_str().expect("a name")));
        }
        server
    }

    fn placed(more: &str) -> Self {
        let place = tempfile::Builder::new().prefix("pillarbox-test-").tempdir().expect("a temporary directory");
        let services = ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "https", "http"];
        let listen: String = services.map(|service| format!("{service} = [\"127.0.0.1:0\"]\n")).concat();
        // What more there is of that table has to stand in it.
        let (of_listen, more): (Vec<&str>, Vec<&str>) = more.lines().partition(|line| line.starts_with("listen."));
        let (of_listen, more) = (of_listen.join("\n").replace("listen.", ""), more.join("\n"));
        let data = place.path().join("data");
        let config = format!(
            "hostname = \"{HOSTNAME}\"\ndata_dir = {data:?}\n{more}\n[listen]\n{listen}{of_listen}\n\
             [log]\nlevel = \"info\"\nformat = \"json\"\n"
        );
        fs::write(place.path().join("pillarbox.toml"), config).expect("the configuration");
        Self { place, running: None, log: Log::default(), environment: Vec::new() }
    }

    /// Runs a command of the command line with one line of input; gives what it prints. A failure panics.
    pub fn cli(&self, arguments: &[&str], input: &str) -> String {
        let config = self.place.path().join("pillarbox.toml");
        let mut process = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(arguments)
            .arg("--config")
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        // A command that asks for nothing may be gone already.
        let _gone = process.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
        let output = process.wait_with_output().expect("its output");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`pillarbox {}`: {text}{error}", arguments.join(" "));
        text
    }

    /// What a command prints that may say with its exit status that something needs a person.
    pub fn cli_any(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
        command.args(arguments).arg("--config").arg(self.place.path().join("pillarbox.toml"));
        let output = command.stdin(Stdio::null()).output().expect("the binary");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Makes an account.
    pub fn add_account(&self, address: &str) {
        self.cli(&["account", "add", address, "--password-stdin"], "a long main password\n");
    }

    /// Makes a device; gives its application password.
    pub fn add_device(&self, address: &str, name: &str, policy: &str) -> String {
        let pop = ["--policy", policy, "--scope", "inbox"];
        let answer = self.cli(&[&["device", "add", address, name, "--json"], &pop[..]].concat(), "");
        let device: Value = serde_json::from_str(&answer).expect("JSON");
        device["password"].as_str().expect("a password").to_owned()
    }

    /// A copy of it as it is, with its configuration, its data and its passwords; nothing may run.
    pub fn copied(&self) -> Self {
        let copy = Self::placed("");
        let (from, to) = (self.place.path(), copy.place.path());
        let config = fs::read_to_string(from.join("pillarbox.toml")).expect("the configuration");
        let moved = config.replace(from.to_str().expect("a name"), to.to_str().expect("a name"));
        fs::write(to.join("pillarbox.toml"), moved).expect("the configuration");
        copy_directory(&from.join("data"), &to.join("data"));
        copy
    }

    /// The directory of everything, in which `data` is the data directory.
    pub fn place(&self) -> &std::path::Path {
        self.place.path()
    }

    /// From the next start on the server has these variables in its environment, and no others of this kind.
    pub fn set_environment(&mut self, variables: Vec<(&'static str, PathBuf)>) {
        self.environment = variables;
    }

    /// Starts the server and waits until it says that it is ready; gives how long that took.
    pub fn start(&mut self) -> Duration {
        let started = self.try_start();
        started.unwrap_or_else(|_| panic!("the server does not start:\n{}", self.log()))
    }

    /// The same where it may refuse to start; then how it ended.
    pub fn try_start(&mut self) -> Result<Duration, std::process::ExitStatus> {
        assert!(self.running.is_none(), "it runs already");
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut process = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(["serve", "--config"])
            .arg(self.place.path().join("pillarbox.toml"))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        let started = Instant::now();
        let (sender, receiver) = channel();
        let (stderr, log) = (process.stderr.take().expect("its log"), self.log.clone());
        let follower = thread::spawn(move || follow(stderr, &log, &sender));
        let authority = self.place.path().join("data/tls/ca.pem");
        let addresses = wait_until_ready(&receiver, started).map(|services| Addresses { services, authority });
        let Some(addresses) = addresses else {
            // It ended, or hangs; then this ends it.
            let _ended = process.kill();
            let ended = process.wait().expect("its end");
            follower.join().expect("its log");
            return Err(ended);
        };
        self.running = Some(Running { process, started, addresses });
        Ok(started.elapsed())
    }

    /// The moment at which the process was started.
    pub fn started(&self) -> Instant {
        self.running.as_ref().expect("it runs").started
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().expect("it runs").process.id()
    }

    /// Where it listens, while it runs.
    pub fn running(&self) -> Option<&Addresses> {
        self.running.as_ref().map(|running| &running.addresses)
    }

    pub fn addresses(&self) -> &Addresses {
        &self.running.as_ref().expect("it runs").addresses
    }

    /// SIGKILL, in the middle of whatever it does. A server that had stopped by itself is a failure.
    pub fn kill(&mut self) {
        let mut running = self.running.take().expect("it runs");
        let ended = running.process.try_wait().expect("its state");
        assert!(ended.is_none(), "the server had ended by itself ({ended:?}):\n{}", self.log());
        running.process.kill().expect("a process of ours");
        running.process.wait().expect("its end");
    }

    /// SIGTERM; the end of the process is the caller's to wait for ([`Self::ended`]).
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.running.as_ref().expect("it runs").process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a process of ours");
    }

    /// Waits for the end of a process that was told to end; how it ended.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.running.take().expect("it runs").process.wait().expect("its end")
    }

    /// The end of the log of the last start.
    pub fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Whether a line of the log of the last start has this text.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|line| line.contains(text))
    }

    /// Lines of the log of the last start that tell of a fault of the server itself.
    pub fn faults(&self) -> Vec<String> {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains("\"level\":\"ERROR\"")).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // The test is over; whether it still ran does not matter any more.
            let _ended = running.process.kill().and_then(|()| running.process.wait());
        }
    }
}

impl Addresses {
    /// The file of the authority that vouches for the server.
    pub fn authority(&self) -> &std::path::Path {
        &self.authority
    }

    /// The same where these services are found elsewhere.
    pub fn through(&self, elsewhere: &[(&str, SocketAddr)]) -> Self {
        let mut services = self.services.clone();
        services.extend(elsewhere.iter().map(|(service, address)| ((*service).to_owned(), *address)));
        Self { services, ..self.clone() }
    }

    pub fn of(&self, service: &str) -> SocketAddr {
        self.services[service]
    }

    pub fn imap(&self, user: &str, password: &str) -> Outcome<Imap> {
        let mut client = Imap::connect(Link::plain(self.of("imap"))?)?;
        client.login(user, password)?;
        Ok(client)
    }

    pub fn imaps(&self, user: &str, password: &str) -> Outcome<Imap> {
        let mut client = Imap::connect(Link::tls(self.of("imaps"), HOSTNAME, &self.authority)?)?;
        client.login(user, password)?;
        Ok(client)
    }

    pub fn pop3(&self, user: &str, password: &str) -> Outcome<Pop3> {
        let mut client = Pop3::connect(Link::plain(self.of("pop3"))?)?;
        client.login(user, password)?;
        Ok(client)
    }

    pub fn pop3s(&self, user: &str, password: &str) -> Outcome<Pop3> {
        let mut client = Pop3::connect(Link::tls(self.of("pop3s"), HOSTNAME, &self.authority)?)?;
        client.login(user, password)?;
        Ok(client)
    }

    pub fn https(&self) -> Outcome<Link> {
        Ok(Link::tls(self.of("https"), HOSTNAME, &self.authority)?)
    }

    pub fn lmtp(&self) -> Outcome<Smtp> {
        Smtp::lmtp(Link::plain(self.of("lmtp"))?)
    }

    pub fn smtp(&self) -> Outcome<Smtp> {
        Smtp::connect(Link::plain(self.of("smtp"))?)
    }

    pub fn submissions(&self, user: &str, password: &str) -> Outcome<Smtp> {
        let mut client = Smtp::connect(Link::tls(self.of("submissions"), HOSTNAME, &self.authority)?)?;
        client.login(user, password)?;
        Ok(client)
    }
}

fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("a name")) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_directory(&path, &to);
        // A socket that was left is nobody's.
        } else if path.is_file() {
            fs::copy(&path, &to).expect("a copy");
        }
    }
}

/// What the log says while the server starts.
enum Event {
    Listening(String, SocketAddr),
    Ready,
}

/// Reads the log to its end, so that the server can always write it.
fn follow(stderr: ChildStderr, log: &Log, events: &Sender<Event>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(event) = event(&line) {
            // Once it is ready nobody listens any more.
            let _nobody = events.send(event);
        }
        log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

fn event(line: &str) -> Option<Event> {
    let entry: Value = serde_json::from_str(line).ok()?;
    match entry["message"].as_str()? {
        "listening" => {
            let service = entry["service"].as_str()?.to_owned();
            Some(Event::Listening(service, entry["address"].as_str()?.parse().ok()?))
        }
        "ready" => Some(Event::Ready),
        _ => None,
    }
}

fn wait_until_ready(events: &Receiver<Event>, started: Instant) -> Option<BTreeMap<String, SocketAddr>> {
    let mut services = BTreeMap::new();
    loop {
        match events.recv_timeout(START.saturating_sub(started.elapsed())).ok()? {
            Event::Listening(service, address) => drop(services.insert(service, address)),
            Event::Ready => return Some(services),
        }
    }
}
