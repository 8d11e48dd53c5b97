//! An SMTP client at each door, with commands that look sound: each has one reply, and what was taken is in a mailbox or in the queue,
//! whatever came between.
#![no_main]

use arbitrary::Arbitrary;
use pillarbox_fuzz::{ALICE, BODIES, Client, HOSTNAME, World};
use queue::{Policy, Queue};
use smtpd::{Common, Limits, SmtpService, SmtpSession};
use std::net::IpAddr;

const COMMANDS_MAX: usize = 30;
/// `\0alice@example.org\0correct horse battery`.
const PLAIN: &str = "AGFsaWNlQGV4YW1wbGUub3JnAGNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";
const PATHS: [&str; 8] = [
    "",
    ALICE,
    "bob@example.org",
    "nobody@example.org",
    "x@example.net",
    "\"a b\"@example.org",
    "alice+x@example.org",
    "postmaster",
];
const PARAMETERS: [&str; 12] = [
    "",
    " SIZE=100",
    " SIZE=99999999",
    " BODY=8BITMIME",
    " SMTPUTF8",
    " RET=HDRS ENVID=a+2Bb",
    " NOTIFY=NEVER",
    " NOTIFY=SUCCESS,DELAY",
    " ORCPT=rfc822;a+40b",
    " REQUIRETLS",
    " HOLDFOR=60",
    " X=y",
];

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    door: Door,
    commands: Vec<Command<'a>>,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Door {
    Mx,
    Submission,
    Lmtp,
}

#[derive(Arbitrary, Debug)]
enum Command<'a> {
    Hello(u8),
    Mail(u8, u8),
    Rcpt(u8, u8),
    Data(Content<'a>),
    Chunk(Content<'a>, bool),
    Reset,
    Noop,
    Verify(u8),
    LogIn(bool),
    Quit,
    Raw(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Content<'a> {
    Known(u8),
    Any(&'a [u8]),
}

impl Content<'_> {
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::Known(which) => BODIES[usize::from(*which) % BODIES.len()].as_bytes().to_vec(),
            Self::Any(octets) => octets.to_vec(),
        }
    }

    /// Lines that end in CRLF, with dots before dots, and the end.
    fn dotted(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for line in self.octets().split_inclusive(|octet| *octet == b'\n') {
            if line.starts_with(b".") {
                out.push(b'.');
            }
            out.extend_from_slice(line.trim_ascii_end());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
        out
    }
}

struct Device {
    client: Client,
    door: Door,
    /// Recipients of this message that were taken.
    recipients: usize,
    taken: usize,
}

/// Whole replies: their codes.
fn codes(said: &[u8]) -> Vec<u16> {
    let lines = said.split_inclusive(|octet| *octet == b'\n');
    let last = |line: &[u8]| {
        assert!(line.ends_with(b"\r\n") && line.len() <= 1000, "{}", line.escape_ascii());
        let code = str::from_utf8(&line[..3]).ok().and_then(|code| code.parse().ok());
        let code: u16 = code.unwrap_or_else(|| panic!("{}", line.escape_ascii()));
        assert!((200..600).contains(&code));
        (line[3] == b' ').then_some(code)
    };
    lines.filter_map(last).collect()
}

impl Device {
    /// So many replies, or fewer and the end.
    fn ask(&mut self, octets: &[u8], count: usize) -> Vec<u16> {
        let is_enough = |said: &[u8]| said.ends_with(b"\n") && codes(said).len() >= count;
        let said =
            self.client.say(octets, is_enough).unwrap_or_else(|| panic!("no answer to {}", octets.escape_ascii()));
        let codes = codes(&said);
        assert!(codes.len() == count || self.client.is_closed, "{}: {}", octets.escape_ascii(), said.escape_ascii());
        codes
    }

    fn line(&mut self, line: &str) -> u16 {
        let codes = self.ask(format!("{line}\r\n").as_bytes(), 1);
        codes.first().copied().unwrap_or(0)
    }

    /// What is said to a message: once, or for each recipient.
    fn end(&mut self, octets: &[u8]) {
        let count = if let Door::Lmtp = self.door { self.recipients } else { 1 };
        let codes = self.ask(octets, count);
        self.taken += codes.iter().filter(|code| **code == 250).count();
        self.recipients = 0;
    }

    fn play(&mut self, command: &Command<'_>) {
        let (path, parameter) =
            (|which: &u8| PATHS[usize::from(*which) % 8], |which: &u8| PARAMETERS[usize::from(*which) % 12]);
        match command {
            Command::Hello(which) => {
                let verb = if let Door::Lmtp = self.door { "LHLO" } else { ["EHLO", "HELO"][usize::from(which % 2)] };
                if self.line(&format!("{verb} client{which}.example")) == 250 {
                    self.recipients = 0;
                }
            }
            Command::Mail(from, with) => drop(self.line(&format!("MAIL FROM:<{}>{}", path(from), parameter(with)))),
            Command::Rcpt(to, with) => {
                let code = self.line(&format!("RCPT TO:<{}>{}", path(to), parameter(with)));
                self.recipients += usize::from(code == 250 || code == 251);
            }
            Command::Data(content) => {
                if self.line("DATA") == 354 {
                    self.end(&content.dotted());
                }
            }
            Command::Chunk(content, is_last) => {
                let octets = content.octets();
                let line = format!("BDAT {}{}\r\n", octets.len(), if *is_last { " LAST" } else { "" });
                let all = [line.as_bytes(), &octets].concat();
                match (is_last, self.recipients) {
                    // Whether a chunk before was refused is not known here.
                    (true, 1..) if matches!(self.door, Door::Lmtp) => self.client.is_closed = true,
                    (true, 1..) => self.end(&all),
                    (true | false, _) => drop(self.ask(&all, 1)),
                }
            }
            Command::Reset => {
                self.line("RSET");
                self.recipients = 0;
            }
            Command::Noop => drop(self.line("NOOP")),
            Command::Verify(who) => drop(self.line(&format!("VRFY <{}>", path(who)))),
            Command::LogIn(is_right) => {
                let _code = self.line(&format!("AUTH PLAIN {}", if *is_right { PLAIN } else { "AGEAYg==" }));
            }
            Command::Quit => drop(self.line("QUIT")),
            Command::Raw(text) => {
                let word = text.get(..4).unwrap_or_default().to_ascii_uppercase();
                let changes =
                    ["DATA", "BDAT", "AUTH", "STAR", "RCPT", "EHLO", "HELO", "LHLO", "RSET"].contains(&word.as_str());
                if !changes && !text.contains(['\r', '\n', '\0']) {
                    self.line(text);
                }
            }
        }
    }
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let world = World::new();
    let queue = Queue::open(&world.store, Policy::default());
    let common = Common {
        hostname: HOSTNAME.to_owned(),
        flow: world.flow(Some(queue.clone())),
        limits: Limits { greeting_pause_millis: 0, tarpit_millis_max: 0, ..Limits::default() },
        spool: world.spool.clone(),
        starttls: true,
        verifier: None,
        scanner: None,
        trusted_relays: Vec::new(),
        commands: metrics::Commands::default(),
        refusals: metrics::Refusals::default(),
    };
    let (address, service): (IpAddr, _) = match input.door {
        Door::Mx => ([192, 0, 2, 1].into(), SmtpService::mx(common)),
        Door::Submission => ([127, 0, 0, 1].into(), SmtpService::submission(common, world.auth.clone())),
        Door::Lmtp => ([127, 0, 0, 1].into(), SmtpService::lmtp(common, Vec::new())),
    };
    let client = Client::from(address, |peer| Box::new(SmtpSession::new(service, peer)));
    let mut device = Device { client, door: input.door, recipients: 0, taken: 0 };
    assert_eq!(device.ask(b"", 1), [220]);
    let hello = if let Door::Lmtp = input.door { "LHLO" } else { "EHLO" };
    device.line(&format!("{hello} client.example"));
    if let Door::Submission = input.door {
        assert_eq!(device.line(&format!("AUTH PLAIN {PLAIN}")), 235);
    }
    for command in input.commands.iter().take(COMMANDS_MAX) {
        device.play(command);
        if device.client.is_closed {
            break;
        }
    }
    let goes_out = matches!(input.door, Door::Submission);
    assert!(device.taken == 0 || goes_out || world.messages() > 2 * BODIES.len(), "{} were taken", device.taken);
    world.check();
});
