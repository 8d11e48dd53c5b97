//! Two POP3 clients of one account, with commands that look sound: each has one answer, an answer of many lines has one end, and the
//! sizes that are told are those of what is sent.
#![no_main]

use arbitrary::Arbitrary;
use pillarbox_fuzz::{ALICE, Client, HOSTNAME, PASSWORD, World};
use pop3d::{LoginDelay, Pop3Service, Pop3Session};
use std::collections::BTreeMap;
use std::sync::Arc;

const COMMANDS_MAX: usize = 30;

#[derive(Arbitrary, Debug)]
enum Command<'a> {
    Stat,
    List(Option<u8>),
    Uidl(Option<u8>),
    Retr(u8),
    Top(u8, u8),
    Dele(u8),
    Rset,
    Noop,
    Capa,
    Quit,
    LogIn,
    Raw(&'a str),
}

struct Device {
    client: Client,
    sizes: BTreeMap<u8, usize>,
}

impl Device {
    fn new(service: &Arc<Pop3Service>) -> Self {
        let client = Client::new(|peer| Box::new(Pop3Session::new(Arc::clone(service), peer)));
        let mut device = Self { client, sizes: BTreeMap::new() };
        assert!(device.ask("", false).starts_with("+OK "));
        device
    }

    fn log_in(&mut self) {
        self.ask(&format!("USER {ALICE}\r\n"), false);
        self.ask(&format!("PASS {PASSWORD}\r\n"), false);
    }

    /// One answer, and nothing behind it.
    fn ask(&mut self, line: &str, has_lines: bool) -> String {
        let is_whole =
            |said: &[u8]| said.ends_with(if has_lines && said.starts_with(b"+") { b"\r\n.\r\n" } else { b"\r\n" });
        let said = self.client.say(line.as_bytes(), is_whole).unwrap_or_else(|| panic!("no answer to {line:?}"));
        let said = String::from_utf8_lossy(&said).into_owned();
        if self.client.is_closed {
            return said;
        }
        assert!(said.starts_with("+OK") || said.starts_with("-ERR") || said.starts_with("+ "), "{line:?}: {said}");
        let ends = said.matches("\r\n.\r\n").count();
        assert_eq!(ends, usize::from(has_lines && said.starts_with('+')), "{line:?}: {said}");
        assert!(has_lines || said.matches("\r\n").count() == 1, "{line:?}: {said}");
        said
    }

    fn play(&mut self, command: &Command<'_>) {
        let of = |number: &Option<u8>| number.map(|number| format!(" {}", number % 8)).unwrap_or_default();
        match command {
            Command::Stat => drop(self.ask("STAT\r\n", false)),
            Command::Noop => drop(self.ask("NOOP\r\n", false)),
            Command::Rset => drop(self.ask("RSET\r\n", false)),
            Command::Quit => drop(self.ask("QUIT\r\n", false)),
            Command::Capa => drop(self.ask("CAPA\r\n", true)),
            Command::LogIn => self.log_in(),
            Command::Dele(number) => drop(self.ask(&format!("DELE {}\r\n", number % 8), false)),
            Command::Top(number, lines) => drop(self.ask(&format!("TOP {} {lines}\r\n", number % 8), true)),
            Command::List(number) => {
                let said = self.ask(&format!("LIST{}\r\n", of(number)), number.is_none());
                if number.is_some()
                    && let Some((number, size)) = said.strip_prefix("+OK ").and_then(|it| it.trim().split_once(' '))
                    && let (Ok(number), Ok(size)) = (number.parse(), size.parse())
                {
                    let before = self.sizes.insert(number, size);
                    assert!(before.is_none_or(|before| before == size), "{said}");
                }
            }
            Command::Uidl(number) => drop(self.ask(&format!("UIDL{}\r\n", of(number)), number.is_none())),
            Command::Retr(number) => {
                let number = number % 8;
                let said = self.ask(&format!("RETR {number}\r\n"), true);
                let Some(size) = self.sizes.get(&number).filter(|_| said.starts_with('+') && !self.client.is_closed)
                else {
                    return;
                };
                let body =
                    said.split_once("\r\n").map_or("", |(_, rest)| rest).strip_suffix(".\r\n").unwrap_or_default();
                let sent: usize =
                    body.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line).len()).sum();
                assert_eq!(sent, *size, "{said}");
            }
            Command::Raw(text) => {
                let word = text.split([' ', '\t']).next().unwrap_or_default().to_ascii_uppercase();
                let has_lines =
                    ["CAPA", "TOP", "RETR", "LIST", "UIDL", "AUTH", "STLS", "LANG"].contains(&word.as_str());
                if !has_lines && !text.contains(['\r', '\n', '\0']) {
                    self.ask(&format!("{text}\r\n"), false);
                }
            }
        }
        if let Command::LogIn = command {
            self.sizes.clear();
        }
    }
}

libfuzzer_sys::fuzz_target!(|commands: Vec<(bool, Command<'_>)>| {
    let world = World::new();
    let service = Arc::new(Pop3Service {
        auth: world.auth.clone(),
        hostname: HOSTNAME.to_owned(),
        tls_available: true,
        login_delay: LoginDelay::new(0),
        commands: metrics::Commands::default(),
    });
    let mut devices = [Device::new(&service), Device::new(&service)];
    devices[0].log_in();
    for (which, command) in commands.iter().take(COMMANDS_MAX) {
        let device = &mut devices[usize::from(*which)];
        if device.client.is_closed {
            *device = Device::new(&service);
            device.log_in();
        }
        device.play(command);
    }
    world.check();
});
