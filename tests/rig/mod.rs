//! The real binary in a directory of its own, and a small client that speaks lines to it, with TLS or without.

#![allow(dead_code)]

#[path = "../support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing here takes so long unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The binary with arguments.
pub fn pillarbox(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    pillarbox(arguments).output().unwrap()
}

/// What a command that must succeed says.
pub fn says(arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Ports that nobody listens on at the moment, on no address, below those that the system chooses by itself.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 9_000).unwrap() + TAKEN.fetch_add(50, Ordering::Relaxed);
    let is_free =
        |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok() && UdpSocket::bind(("0.0.0.0", *port)).is_ok();
    let mut free = (first..32_000).chain(10_000..first).filter(is_free);
    std::array::from_fn(|_| free.next().unwrap())
}

/// Copies a directory with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// A small file system of its own, at `data` below a place.
pub struct Mounted(pub PathBuf);

impl Mounted {
    /// `None`, and says so, where this user may not mount.
    pub fn new(place: &Path) -> Option<Self> {
        let data = place.join("data");
        fs::create_dir(&data).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(&data).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(data)),
            Ok(output) => {
                not_tested::because(format_args!(
                    "no file system can be mounted: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ));
                None
            }
            Err(error) => {
                not_tested::because(format_args!("there is no mount: {error}"));
                None
            }
        }
    }

    /// `ro` or `rw`; nobody may be writing.
    pub fn remount(&self, how: &str) {
        let mount = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(mount.unwrap().success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _left = Command::new("umount").arg(&self.0).status();
    }
}

/// A server that `try` started.
pub struct Trial {
    child: Child,
    /// All that it printed at the start.
    pub guide: String,
    /// How long it took to print it.
    pub started_in: Duration,
    pub data_dir: PathBuf,
}

impl Trial {
    pub fn start(data_dir: &Path) -> Self {
        Self::start_until(data_dir, &[], "Ctrl-C stops")
    }

    /// With more arguments, and up to a line that has `end`.
    pub fn start_until(data_dir: &Path, more: &[&str], end: &str) -> Self {
        let path = data_dir.to_str().unwrap();
        let mut command = pillarbox(&["try", "--free-ports", "--data-dir", path]);
        command.args(more);
        Self::started_by(command, data_dir, end)
    }

    /// By a command that becomes the server, whose data are at `data_dir` for this test, whatever the server calls it.
    pub fn started_by(mut command: Command, data_dir: &Path, end: &str) -> Self {
        let begin = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut guide = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while !guide.contains(end) {
            assert_ne!(output.read_line(&mut guide).unwrap(), 0, "it ended after: {guide}");
        }
        Self { child, guide, started_in: begin.elapsed(), data_dir: data_dir.to_owned() }
    }

    /// The port in the row of the table that begins with `what`; `row` counts from there.
    pub fn port(&self, what: &str, row: usize) -> u16 {
        let mut lines = self.guide.lines().skip_while(|line| !line.trim_start().starts_with(what)).skip(row);
        let mut words = lines.next().unwrap().split_whitespace().skip_while(|word| *word != "localhost");
        words.nth(1).unwrap().parse().unwrap()
    }

    /// The password that was printed for an address.
    pub fn password(&self, address: &str) -> String {
        let mut lines = self.guide.lines().filter_map(|line| line.trim().strip_prefix(address));
        lines.next().unwrap().trim().to_owned()
    }

    pub fn authority(&self) -> PathBuf {
        assert!(self.guide.lines().any(|line| line.trim().ends_with("/tls/ca.pem")), "{}", self.guide);
        self.data_dir.join("tls/ca.pem")
    }

    pub fn connect_tls(&self, port: u16) -> Lines {
        Lines::new(tls(TcpStream::connect(("127.0.0.1", port)).unwrap(), &self.authority()))
    }

    pub fn connect_plain(&self, port: u16) -> Lines {
        Lines::new(Box::new(patient(TcpStream::connect(("127.0.0.1", port)).unwrap())))
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGTERM, and its end.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.wait().success());
    }
}

/// A server that `serve` started, on ports that the system chose.
pub struct Serving {
    child: Child,
    pub config: PathBuf,
    /// Where each service listens.
    ports: BTreeMap<String, u16>,
    /// The lines of its log until it was ready.
    pub said: Vec<Value>,
    /// The lines after that.
    log: Mutex<Receiver<Value>>,
}

impl Serving {
    /// Every service listens on a free port of 127.0.0.1 and the host is called localhost, unless `more`, which is added to the
    /// configuration at its top, says otherwise.
    pub fn start(dir: &Path, more: &str) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_pillarbox")), dir, more)
    }

    /// The same; `binary` runs it in its own way.
    pub fn start_as(mut binary: Command, dir: &Path, more: &str) -> Self {
        let config = dir.join("pillarbox.toml");
        let services = ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "https", "http"];
        let listen = services.iter().map(|service| format!("listen.{service} = [\"127.0.0.1:0\"]\n"));
        let usual = listen.chain(["hostname = \"localhost\"\n".to_owned()]);
        let usual: String = usual.filter(|line| !more.contains(line.split('=').next().unwrap())).collect();
        let fixed = "data_dir = \"data\"\nlog.format = \"json\"\n";
        fs::write(&config, format!("{fixed}{usual}{more}\n")).unwrap();
        binary.args(["serve", "--config", config.to_str().unwrap()]);
        Self::started_by(binary, config)
    }

    /// By a command that becomes the server of a configuration, which writes its log as JSON.
    pub fn started_by(mut command: Command, config: PathBuf) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let (mut ports, mut said) = (BTreeMap::new(), Vec::new());
        loop {
            let line = log.next().expect("it ended before it was ready");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            match line["message"].as_str() {
                Some("ready") => break,
                Some("listening") => {
                    let port = line["address"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
                    ports.insert(line["service"].as_str().unwrap().to_owned(), port);
                }
                Some(_) | None => {}
            }
            said.push(line);
        }
        // A full pipe would stop the server.
        let (after, lines) = channel();
        // Mail goes out before it is ready: what became of that is looked for, too.
        said.iter().cloned().for_each(|line| drop(after.send(line)));
        thread::spawn(move || {
            log.filter_map(|line| serde_json::from_str(&line).ok()).for_each(|line| drop(after.send(line)))
        });
        Self { child, config, ports, said, log: Mutex::new(lines) }
    }

    /// The port of a service.
    pub fn port(&self, service: &str) -> u16 {
        self.ports[service]
    }

    /// Waits for the next line of the log with this message.
    pub fn logged(&self, message: &str) -> Value {
        let log = self.log.lock().unwrap();
        let mut others = Vec::new();
        loop {
            let line = log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{message} was not logged, but {others:#?}"));
            if line["message"] == message {
                return line;
            }
            others.push(line.to_string());
        }
    }

    /// The certificate authority of this server.
    pub fn authority(&self) -> PathBuf {
        self.config.with_file_name("data").join("tls/ca.pem")
    }

    pub fn connect_tls(&self, service: &str) -> Lines {
        Lines::new(tls(TcpStream::connect(("127.0.0.1", self.port(service))).unwrap(), &self.authority()))
    }

    pub fn connect_plain(&self, service: &str) -> Lines {
        Lines::new(Box::new(patient(TcpStream::connect(("127.0.0.1", self.port(service))).unwrap())))
    }

    /// IMAP over TLS, logged in.
    pub fn imap(&self, user: &str, password: &str) -> Lines {
        let mut imap = self.connect_tls("imaps");
        imap.until("* OK");
        imap.ask(&format!("l LOGIN {user} {password}"), "l OK");
        imap
    }

    /// What a command about this server says.
    pub fn says(&self, arguments: &[&str]) -> String {
        says(&[arguments, &["--config", self.config.to_str().unwrap()]].concat())
    }

    /// The same, whether or not it succeeds.
    pub fn says_all(&self, arguments: &[&str]) -> String {
        let output = run(&[arguments, &["--config", self.config.to_str().unwrap()]].concat());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Octets of its anonymous memory.
    pub fn anonymous_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }

    /// SIGTERM, and its end.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// SIGKILL, and its end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// It ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Only after a failed test it still runs.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Only after a failed test it still runs.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Both halves of a connection.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// TLS to `localhost` that trusts the authority in a file and nobody else.
pub fn tls(stream: TcpStream, authority: &Path) -> Box<dyn Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    Box::new(StreamOwned::new(connection, patient(stream)))
}

/// A conversation in lines.
pub struct Lines(BufReader<Box<dyn Stream>>);

impl Lines {
    pub fn new(stream: Box<dyn Stream>) -> Self {
        Self(BufReader::new(stream))
    }

    /// The next line without its end; empty at the end of the stream.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Lines up to one that begins with `end`.
    pub fn until(&mut self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line();
            assert!(!line.is_empty() || lines.len() < 10_000, "waiting for {end:?}: {lines:?}");
            lines.push(line);
            if lines.last().is_some_and(|line| line.starts_with(end)) {
                return lines;
            }
        }
    }

    /// Sends a line; `None` where nobody takes it any more.
    pub fn send_or_end(&mut self, line: &str) -> Option<()> {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).and_then(|()| stream.flush()).ok()
    }

    /// Reads up to a line that begins with `end`; `None` at the end of the stream.
    pub fn until_or_end(&mut self, end: &str) -> Option<()> {
        loop {
            let mut line = String::new();
            let is_over = self.0.read_line(&mut line).map_or(true, |bytes| bytes == 0 || !line.ends_with('\n'));
            if is_over {
                return None;
            }
            if line.starts_with(end) {
                return Some(());
            }
        }
    }

    pub fn send(&mut self, line: &str) {
        let stream = self.0.get_mut();
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        stream.flush().unwrap();
    }

    /// Sends a line and reads up to the line that begins with `end`.
    pub fn ask(&mut self, line: &str, end: &str) -> Vec<String> {
        self.send(line);
        self.until(end)
    }
}

/// An answer of the pages, whole.
pub fn page(serving: &Serving, request: &str, cookie: &str, body: &str) -> String {
    page_at(serving.port("http"), request, cookie, body)
}

fn page_at(port: u16, request: &str, cookie: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://localhost";
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n{form}");
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What stands between two texts.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split(after).next().unwrap()
}

/// Logs in on the pages; the cookie of the session.
pub fn log_in_on_the_pages(serving: &Serving, user: &str, password: &str) -> String {
    log_in_on_the_pages_at(serving.port("http"), user, password)
}

/// The same where only the port is known.
pub fn log_in_on_the_pages_at(port: u16, user: &str, password: &str) -> String {
    let form = page_at(port, "GET /login", "", "");
    let csrf = between(&form, "name=\"csrf\" value=\"", "\"");
    let visitor = between(&form, "set-cookie: ", ";");
    let login = format!("csrf={csrf}&user={user}&password={password}").replace('@', "%40").replace(' ', "+");
    let answer = page_at(port, "POST /login", visitor, &login);
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    between(&answer, "set-cookie: ", ";").to_owned()
}
