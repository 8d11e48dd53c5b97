//! A name server on loopback, for tests: it has the records that it is given, and can lie, be huge, loop, or never answer.
//!
//! It serves over UDP and TCP with threads of its own, which end with the process. What panics here fails the test.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use crate::answer::Answer;
use crate::error::Error;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// An answer longer than this is truncated over UDP.
const UDP_BYTES_MAX: usize = 1232;
/// Aliases that are followed.
const ALIASES_MAX: usize = 8;
/// Ports are taken from here until one is free for UDP and TCP.
const PORT_TRIES: usize = 50;

/// How the server treats a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It never answers.
    Silent,
    /// It says SERVFAIL.
    Failing,
    /// It answers another question.
    Lying,
}

/// What is asked instead of servers: a name and a type (`MX`). Data as in a zone file; `None`: there is no such name.
pub type Script = Arc<dyn Fn(&str, &str) -> Result<Option<Vec<String>>, Error> + Send + Sync>;

pub(crate) fn ask<T>(
    script: &Script,
    name: &str,
    record_type: RecordType,
    take: impl Fn(&RData) -> Option<T>,
) -> Result<Answer<T>, Error> {
    let found = script(name, &record_type.to_string())?;
    let (name_exists, data) = (found.is_some(), found.unwrap_or_default());
    let records = data.iter().filter_map(|data| take(&RData::try_from_str(record_type, data).unwrap())).collect();
    Ok(Answer { records, name_exists, secure: false, canonical: name.to_owned() })
}

/// The server. Clones are the same one.
#[derive(Clone)]
pub struct FakeServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    records: HashMap<(String, RecordType), Vec<RData>>,
    names: HashSet<String>,
    manners: HashMap<String, Manner>,
    asked: Vec<(String, RecordType)>,
}

impl FakeServer {
    /// A server without any records, on a port that the system chooses.
    #[must_use]
    pub fn start() -> Self {
        let (udp, tcp) = (0..PORT_TRIES).find_map(|_| sockets()).unwrap();
        let server = Self { address: udp.local_addr().unwrap(), zone: Arc::default() };
        let (over_udp, over_tcp) = (server.clone(), server.clone());
        thread::spawn(move || over_udp.serve_udp(&udp));
        thread::spawn(move || over_tcp.serve_tcp(&tcp));
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a record: `add("example.org", "MX", "10 mail.example.org.")`, as in a zone file.
    pub fn add(&self, name: &str, record_type: &str, data: &str) {
        let record_type = RecordType::from_str(record_type).unwrap();
        let data = RData::try_from_str(record_type, data).unwrap();
        let mut zone = self.zone();
        zone.names.insert(key(name));
        zone.records.entry((key(name), record_type)).or_default().push(data);
    }

    /// Takes away all records of a name.
    pub fn clear(&self, name: &str) {
        let name = key(name);
        let mut zone = self.zone();
        zone.names.remove(&name);
        zone.records.retain(|(other, _), _| *other != name);
    }

    /// Treats all questions for a name in this manner.
    pub fn treat(&self, name: &str, manner: Manner) {
        self.zone().manners.insert(key(name), manner);
    }

    /// How often it was asked for this.
    #[must_use]
    pub fn asked(&self, name: &str, record_type: &str) -> usize {
        let wanted = (key(name), RecordType::from_str(record_type).unwrap());
        self.zone().asked.iter().filter(|asked| **asked == wanted).count()
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Some(reply) = self.reply(&buffer[..length]) else { continue };
            let bytes = reply.to_vec().unwrap();
            let bytes = if bytes.len() > UDP_BYTES_MAX { reply.truncate().to_vec().unwrap() } else { bytes };
            let _ = socket.send_to(&bytes, from);
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            let server = self.clone();
            thread::spawn(move || server.serve_stream(stream));
        }
    }

    fn serve_stream(&self, mut stream: TcpStream) -> Option<()> {
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut question).ok()?;
            let Some(reply) = self.reply(&question) else { continue };
            let bytes = reply.to_vec().unwrap();
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length[..], &bytes].concat()).ok()?;
        }
    }

    fn reply(&self, question: &[u8]) -> Option<Message> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = key(&query.name.to_ascii());
        let mut zone = self.zone();
        zone.asked.push((name.clone(), query.query_type));
        let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
        reply.metadata.recursion_available = true;
        if question.edns.is_some() {
            reply.set_edns(Edns::new());
        }
        match zone.manners.get(&name) {
            Some(Manner::Silent) => return None,
            Some(Manner::Failing) => reply.metadata.response_code = ResponseCode::ServFail,
            Some(Manner::Lying) => {
                let other = Name::from_ascii("lie.example.").unwrap();
                reply.add_query(Query::query(other, query.query_type));
                return Some(reply);
            }
            None => zone.answer(&query, &mut reply),
        }
        reply.add_query(query);
        Some(reply)
    }
}

impl Zone {
    fn answer(&self, query: &Query, reply: &mut Message) {
        let mut name = query.name.clone();
        for _ in 0..ALIASES_MAX {
            let key = key(&name.to_ascii());
            if let Some(found) = self.records.get(&(key.clone(), query.query_type)) {
                reply.add_answers(found.iter().map(|data| record(&name, data)));
                return;
            }
            let Some(alias) = self.records.get(&(key.clone(), RecordType::CNAME)).and_then(|found| found.first())
            else {
                if !self.names.contains(&key) {
                    reply.metadata.response_code = ResponseCode::NXDomain;
                }
                return;
            };
            reply.add_answer(record(&name, alias));
            let RData::CNAME(CNAME(target)) = alias else { return };
            name = target.clone();
        }
    }
}

fn record(name: &Name, data: &RData) -> Record {
    Record::from_rdata(name.clone(), 300, data.clone())
}

/// UDP and TCP on one port.
fn sockets() -> Option<(UdpSocket, TcpListener)> {
    let tcp = TcpListener::bind("127.0.0.1:0").ok()?;
    let udp = UdpSocket::bind(tcp.local_addr().ok()?).ok()?;
    Some((udp, tcp))
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
