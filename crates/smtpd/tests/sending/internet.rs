//! Hosts that take, put off, refuse and hang up, and a DNS that fails. What they saw is told as events, in the order in which it was.

use queue::simulation::{Network, Reading, now_millis, pause};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use store::Timestamp;
use store::sim::Random;

const BEGIN: i64 = 1_790_000_000_000;
const LATE_MILLIS: u64 = 25 * 60 * 1000;

/// The clock on the wall, which somebody may set.
#[derive(Clone, Default)]
pub struct Wall(Arc<AtomicI64>);

impl Wall {
    pub fn now(&self) -> Timestamp {
        Timestamp(BEGIN + now_millis() as i64 + self.0.load(Ordering::Relaxed))
    }

    pub fn set(&self, by_millis: i64) {
        self.0.fetch_add(by_millis, Ordering::Relaxed);
    }
}

/// What a host does with a message for a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Taken,
    PutOff,
    Refused,
}

pub enum Event {
    /// A host was asked to take something for somebody.
    Asked { address: String, connection: u64, at: Timestamp },
    /// It has decided. `content`: what it has then.
    Said { address: String, connection: u64, fate: Fate, saying: u64, content: Option<Arc<str>> },
    /// What it said was read.
    Heard { saying: u64, at: Timestamp },
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked { address, connection, at } => write!(f, "{connection}: asked for {address} at {}", at.0),
            Self::Said { address, connection, fate, saying, .. } => {
                write!(f, "{connection}: says of {address}: {fate:?} ({saying})")
            }
            Self::Heard { saying, at } => write!(f, "({saying}) is read at {}", at.0),
        }
    }
}

/// How things are at the hosts of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Fine,
    Bad,
    Down,
}

/// The domains there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// It has two hosts.
    Two,
    Solo,
    /// Nobody gets mail there.
    Never,
    /// It always says that it takes mail later.
    Later,
    /// There is none.
    Gone,
    /// Its name servers never answer.
    Mute,
}

impl Domain {
    pub const ALL: [Self; 6] = [Self::Two, Self::Solo, Self::Never, Self::Later, Self::Gone, Self::Mute];

    pub fn name(self) -> &'static str {
        match self {
            Self::Two => "two.example",
            Self::Solo => "solo.example",
            Self::Never => "never.example",
            Self::Later => "later.example",
            Self::Gone => "gone.example",
            Self::Mute => "mute.example",
        }
    }

    fn of_address(address: SocketAddr) -> Self {
        match address.ip().to_string().as_str() {
            "192.0.2.1" | "192.0.2.2" => Self::Two,
            "192.0.2.3" => Self::Solo,
            "192.0.2.4" => Self::Never,
            _ => Self::Later,
        }
    }
}

pub struct Internet {
    random: Random,
    wall: Wall,
    pub weather: BTreeMap<Domain, Weather>,
    pub dns: Weather,
    connections: BTreeMap<u64, Connection>,
    count: u64,
    sayings: u64,
    pub events: Vec<Event>,
}

#[derive(Clone)]
pub struct Shared(pub Arc<Mutex<Internet>>);

struct Connection {
    domain: Domain,
    weather: Weather,
    input: Vec<u8>,
    output: VecDeque<(u64, Vec<u8>, Vec<u64>)>,
    taken: Vec<String>,
    /// What has come of a message.
    content: Option<Vec<u8>>,
    end: Option<Reading>,
    is_pipelined: bool,
    has_dsn: bool,
}

impl Shared {
    pub fn new(seed: u64, wall: Wall) -> Self {
        let weather = Domain::ALL.map(|domain| (domain, Weather::Fine)).into();
        Self(Arc::new(Mutex::new(Internet {
            random: Random::new(seed ^ 0x5eed),
            wall,
            weather,
            dns: Weather::Fine,
            connections: BTreeMap::new(),
            count: 0,
            sayings: 0,
            events: Vec::new(),
        })))
    }

    pub fn dns(&self) -> dns::Dns {
        // To make one takes long.
        static FIRST: LazyLock<dns::Dns> = LazyLock::new(|| dns::Dns::new(&dns::Options::default()).unwrap());
        let this = self.clone();
        FIRST.scripted(Arc::new(move |name, record| {
            let time = this.0.lock().unwrap().time_of_look_up();
            pause(time);
            this.0.lock().unwrap().look_up(name, record)
        }))
    }
}

impl Internet {
    fn time_of_look_up(&mut self) -> u64 {
        let most = if self.dns == Weather::Fine { 100 } else { 20_000 };
        1 + self.random.below(most)
    }

    fn look_up(&mut self, name: &str, record: &str) -> Result<Option<Vec<String>>, dns::Error> {
        let fails = match self.dns {
            Weather::Fine => false,
            Weather::Bad => self.random.chance(200),
            Weather::Down => true,
        };
        if fails || name.ends_with("mute.example") {
            return Err(dns::Error::Timeout);
        }
        let records: &[&str] = match (name, record) {
            ("two.example", "MX") => &["10 mx1.two.example.", "20 mx2.two.example."],
            ("never.example", "MX") => &["10 mx.never.example."],
            ("later.example", "MX") => &["10 mx.later.example."],
            ("mx1.two.example", "A") => &["192.0.2.1"],
            ("mx2.two.example", "A") => &["192.0.2.2"],
            ("solo.example", "A") => &["192.0.2.3"],
            ("mx.never.example", "A") => &["192.0.2.4"],
            ("mx.later.example", "A") => &["192.0.2.5"],
            ("gone.example", _) => return Ok(None),
            _ => &[],
        };
        Ok(Some(records.iter().map(ToString::to_string).collect()))
    }

    fn said(&mut self, address: &str, connection: u64, fate: Fate, content: Option<Arc<str>>) -> u64 {
        self.sayings += 1;
        let saying = self.sayings;
        self.events.push(Event::Said { address: address.to_owned(), connection, fate, saying, content });
        saying
    }
}

impl Connection {
    fn say(&mut self, random: &mut Random, now: u64, line: &str, sayings: Vec<u64>) {
        let after = match random.below(100) {
            0..60 => random.below(20),
            60..95 => random.below(900),
            _ => random.below(30_000),
        };
        let last = self.output.back().map_or(0, |(at, ..)| *at);
        self.output.push_back((last.max(now + after), format!("{line}\r\n").into_bytes(), sayings));
    }

    fn is_bad(&self, random: &mut Random, per_mille: u16) -> bool {
        self.weather == Weather::Bad && random.chance(per_mille)
    }
}

impl Network for Shared {
    fn connect(&mut self, to: SocketAddr, now: u64) -> io::Result<u64> {
        let internet = &mut *self.0.lock().unwrap();
        let domain = Domain::of_address(to);
        let weather = internet.weather[&domain];
        if weather == Weather::Down || weather == Weather::Bad && internet.random.chance(150) {
            let kind = if internet.random.chance(300) { ErrorKind::TimedOut } else { ErrorKind::ConnectionRefused };
            return Err(kind.into());
        }
        internet.count += 1;
        let random = &mut internet.random;
        let mut connection = Connection {
            domain,
            weather,
            input: Vec::new(),
            output: VecDeque::new(),
            taken: Vec::new(),
            content: None,
            end: None,
            is_pipelined: random.chance(500),
            has_dsn: random.chance(300),
        };
        if connection.is_bad(random, 80) {
            connection.say(random, now, "421 4.3.2 not now", Vec::new());
            connection.end = Some(Reading::End);
        } else if !connection.is_bad(random, 30) {
            connection.say(random, now, "220 here", Vec::new());
        }
        internet.connections.insert(internet.count, connection);
        Ok(internet.count)
    }

    fn write(&mut self, number: u64, octets: &[u8], now: u64) -> io::Result<()> {
        let internet = &mut *self.0.lock().unwrap();
        let Some(mut connection) = internet.connections.remove(&number) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        connection.input.extend_from_slice(octets);
        while connection.end.is_none() && internet.take_one(number, &mut connection, now) {}
        internet.connections.insert(number, connection);
        Ok(())
    }

    fn read(&mut self, number: u64, now: u64) -> Reading {
        let internet = &mut *self.0.lock().unwrap();
        let Some(connection) = internet.connections.get_mut(&number) else { return Reading::Reset };
        match connection.output.front() {
            Some((at, ..)) if *at > now => Reading::Later(Some(*at)),
            Some(_) => {
                let (_, octets, sayings) = connection.output.pop_front().unwrap();
                let at = internet.wall.now_at(now);
                internet.events.extend(sayings.into_iter().map(|saying| Event::Heard { saying, at }));
                Reading::Octets(octets)
            }
            None => connection.end.clone().unwrap_or(Reading::Later(None)),
        }
    }

    fn close(&mut self, number: u64, _now: u64) {
        self.0.lock().unwrap().connections.remove(&number);
    }
}

impl Wall {
    /// Where the simulation's lock is held.
    fn now_at(&self, now: u64) -> Timestamp {
        Timestamp(BEGIN + now as i64 + self.0.load(Ordering::Relaxed))
    }
}

impl Internet {
    /// Does the next thing that the client wants. False: it has not said it whole.
    fn take_one(&mut self, number: u64, connection: &mut Connection, now: u64) -> bool {
        if connection.content.is_some() {
            return self.take_content(number, connection, now);
        }
        let Some(end) = connection.input.windows(2).position(|pair| pair == b"\r\n") else { return false };
        let line: Vec<u8> = connection.input.drain(..end + 2).collect();
        let line = String::from_utf8(line).unwrap();
        let line = line.trim_end();
        let random = &mut self.random;
        match line.split([' ', ':']).next().unwrap() {
            "EHLO" => {
                let mut lines = vec!["250-here".to_owned(), "250-8BITMIME".to_owned()];
                lines.extend(connection.is_pipelined.then(|| "250-PIPELINING".to_owned()));
                lines.extend(connection.has_dsn.then(|| "250-DSN".to_owned()));
                lines.push("250 ENHANCEDSTATUSCODES".to_owned());
                connection.say(random, now, &lines.join("\r\n"), Vec::new());
            }
            "MAIL" if connection.is_bad(random, 30) => {
                connection.say(random, now, "421 4.3.2 enough", Vec::new());
                connection.end = Some(Reading::End);
            }
            "MAIL" if connection.is_bad(random, 20) => connection.end = Some(Reading::Reset),
            "RCPT" => self.take_rcpt(number, connection, line, now),
            "DATA" if connection.taken.is_empty() => connection.say(random, now, "503 5.5.1 for nobody", Vec::new()),
            "DATA" if connection.is_bad(random, 20) => connection.end = Some(Reading::Reset),
            "DATA" => {
                connection.content = Some(Vec::new());
                connection.say(random, now, "354 go on", Vec::new());
            }
            "RSET" => {
                connection.taken.clear();
                connection.say(random, now, "250 2.0.0 ok", Vec::new());
            }
            "QUIT" => {
                connection.say(random, now, "221 2.0.0 bye", Vec::new());
                connection.end = Some(Reading::End);
            }
            _ => connection.say(random, now, "250 2.0.0 ok", Vec::new()),
        }
        true
    }

    fn take_rcpt(&mut self, number: u64, connection: &mut Connection, line: &str, now: u64) {
        let address = line.split(['<', '>']).nth(1).unwrap().to_owned();
        self.events.push(Event::Asked { address: address.clone(), connection: number, at: self.wall.now_at(now) });
        let fate = match connection.domain {
            Domain::Never if self.random.chance(700) => Fate::Refused,
            Domain::Later if self.random.chance(700) => Fate::PutOff,
            _ if connection.is_bad(&mut self.random, 80) => Fate::Refused,
            _ if connection.is_bad(&mut self.random, 200) => Fate::PutOff,
            _ => Fate::Taken,
        };
        let reply = match fate {
            Fate::Taken => {
                connection.taken.push(address);
                return connection.say(&mut self.random, now, "250 2.1.5 ok", Vec::new());
            }
            Fate::PutOff => "450 4.2.1 later",
            Fate::Refused => "550 5.1.1 never",
        };
        let saying = self.said(&address, number, fate, None);
        connection.say(&mut self.random, now, reply, vec![saying]);
    }

    fn take_content(&mut self, number: u64, connection: &mut Connection, now: u64) -> bool {
        let content = connection.content.as_mut().unwrap();
        content.append(&mut connection.input);
        let end = content.windows(5).position(|end| end == b"\r\n.\r\n");
        if end.is_none() && connection.is_bad(&mut self.random, 40) {
            connection.end = Some(Reading::Reset);
            return false;
        }
        let Some(end) = end else { return false };
        let content = connection.content.take().unwrap();
        connection.input = content[end + 5..].to_vec();
        let text = String::from_utf8(content[..end + 2].to_vec()).unwrap();
        // RFC 5321 §4.5.2.
        let text: Arc<str> = text.replace("\r\n..", "\r\n.").into();
        let addresses = std::mem::take(&mut connection.taken);
        if connection.is_bad(&mut self.random, 50) {
            // It has lost it itself.
            connection.end = Some(Reading::Reset);
            return false;
        }
        let fate = match connection.domain {
            Domain::Never => Fate::Refused,
            Domain::Later => Fate::PutOff,
            _ if connection.is_bad(&mut self.random, 50) => Fate::Refused,
            _ if connection.is_bad(&mut self.random, 100) => Fate::PutOff,
            _ => Fate::Taken,
        };
        let sayings =
            addresses.iter().map(|address| self.said(address, number, fate, Some(Arc::clone(&text)))).collect();
        if connection.is_bad(&mut self.random, 70) {
            connection.end = Some(Reading::Reset);
            return false;
        }
        let reply = match fate {
            Fate::Taken => "250 2.0.0 taken",
            Fate::PutOff => "451 4.3.0 later",
            Fate::Refused => "554 5.7.1 never",
        };
        let is_late = connection.is_bad(&mut self.random, 30);
        connection.say(&mut self.random, if is_late { now + LATE_MILLIS } else { now }, reply, sayings);
        if connection.is_bad(&mut self.random, 100) {
            connection.end = Some(Reading::End);
        }
        true
    }
}
