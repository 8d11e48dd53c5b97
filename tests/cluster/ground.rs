//! What tests of several servers need: a database, a bucket, servers on both, what was acknowledged, and a host that takes what they
//! send.

// Each test uses its part of this.
#![allow(dead_code)]

use crate::bucket::Bucket;
use crate::database::Cluster;
use crate::support::imap::Imap;
use crate::support::server::{Addresses, Server};
use crate::support::{Failure, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

pub const ALICE: &str = "alice@example.org";
pub const MAIN: &str = "a long main password";
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The database, the bucket, and what says where they are.
pub struct Ground {
    pub place: tempfile::TempDir,
    pub database: Cluster,
    _bucket: Bucket,
}

impl Ground {
    pub fn new() -> Option<Self> {
        let (database, _bucket) = (Cluster::start()?, Bucket::start()?);
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("database"), database.url()).unwrap();
        fs::write(place.path().join("bucket"), _bucket.url()).unwrap();
        Some(Self { place, database, _bucket })
    }

    pub fn options(&self, node: Option<&str>, more: &str) -> String {
        let [database, bucket] = ["database", "bucket"].map(|name| self.place.path().join(name));
        let node = node.map(|name| format!("cluster.node = \"{name}\"\n")).unwrap_or_default();
        format!(
            "{node}store = {{ engine = \"postgres\", url_file = {database:?}, bucket_url_file = {bucket:?} }}\n{more}"
        )
    }

    /// Of a server that finds the database elsewhere.
    pub fn options_by(&self, url: &str, name: &str, more: &str) -> String {
        let file = self.place.path().join(format!("database-{name}"));
        fs::write(&file, url).unwrap();
        let database = self.place.path().join("database");
        self.options(Some(name), more).replace(&format!("{database:?}"), &format!("{file:?}"))
    }

    /// Servers that have Alice in common.
    pub fn nodes(&self, names: &[&str], more: &str) -> Vec<Server> {
        let mut first = Server::with(&self.options(Some(names[0]), more));
        first.start();
        first.add_account(ALICE);
        let others = names[1..].iter().map(|name| {
            let mut node = first.beside(&self.options(Some(name), more));
            node.start();
            node
        });
        let others: Vec<Server> = others.collect();
        std::iter::once(first).chain(others).collect()
    }
}

pub fn message(id: &str, octets: usize) -> Vec<u8> {
    let text = format!("{id:-<70}\r\n").repeat(octets / 72 + 1);
    format!("From: <carol@example.net>\r\nMessage-ID: <{id}>\r\nSubject: {id}\r\n\r\n{text}").into_bytes()
}

pub fn deliver(at: &Addresses, id: &str, octets: usize) -> Outcome<()> {
    let replies = at.lmtp()?.deliver("carol@example.net", &[ALICE], &message(id, octets))?;
    match replies.as_slice() {
        [reply] if reply.code == 250 => Ok(()),
        _ => Err(Failure::Refused(format!("{id} was answered {replies:?}"))),
    }
}

pub fn imap(at: &Addresses) -> Outcome<Imap> {
    let mut imap = at.imap(ALICE, MAIN)?;
    imap.command("SELECT INBOX")?;
    Ok(imap)
}

/// The UIDs of each message by its Message-ID, and those with `\Flagged`.
pub fn listed(at: &Addresses) -> (BTreeMap<String, Vec<u32>>, BTreeSet<u32>) {
    let answer = imap(at).unwrap().command("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").unwrap();
    let (mut uids, mut flagged): (BTreeMap<String, Vec<u32>>, _) = (BTreeMap::new(), BTreeSet::new());
    for (_, of) in answer.fetched() {
        let uid = u32::try_from(of.number("UID").unwrap()).unwrap();
        let header = String::from_utf8_lossy(of.text("BODY[HEADER.FIELDS (SUBJECT)]").unwrap()).into_owned();
        uids.entry(header.trim().trim_start_matches("Subject: ").to_owned()).or_default().push(uid);
        if of.atoms("FLAGS").iter().any(|flag| flag == "\\Flagged") {
            flagged.insert(uid);
        }
    }
    (uids, flagged)
}

/// What is wrong on a server with what was acknowledged: each message once, each under the UID that it always had, with its flag.
pub fn problems(at: &Addresses, acknowledged: &BTreeMap<String, Option<u32>>) -> Vec<String> {
    let (uids, flagged) = listed(at);
    let mut wrong = Vec::new();
    for (id, uid) in acknowledged {
        match uids.get(id).map(Vec::as_slice) {
            Some([now]) if uid.is_none_or(|uid| uid == *now && flagged.contains(&uid)) => {}
            now => wrong.push(format!("{id}, acknowledged as {uid:?}, is {now:?}")),
        }
    }
    let others = uids.keys().filter(|id| !acknowledged.contains_key(*id));
    wrong.extend(others.map(|id| format!("nobody delivered {id}")));
    wrong
}

/// As long as it is shut no message is taken.
#[derive(Default)]
pub struct Gate {
    is_open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    pub fn set(&self, is_open: bool) {
        *self.is_open.lock().unwrap() = is_open;
        self.changed.notify_all();
    }

    pub fn pass(&self) {
        drop(self.changed.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
    }
}

/// Takes every message for which the gate is open; their subjects.
pub fn smarthost(gate: &Arc<Gate>) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (taken, messages) = channel();
    let gate = Arc::clone(gate);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (taken, gate) = (taken.clone(), Arc::clone(&gate));
            // Whoever sends is killed now and then.
            thread::spawn(move || drop(converse(stream.unwrap(), &taken, &gate)));
        }
    });
    (port, messages)
}

pub fn converse(stream: TcpStream, taken: &Sender<String>, gate: &Gate) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut in_content, mut subject) = (false, String::new());
    stream.get_mut().write_all(b"220 smarthost.example\r\n")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let reply: &[u8] = match (in_content, line.split(' ').next().unwrap_or_default()) {
            (true, ".") => {
                in_content = false;
                gate.pass();
                let _nobody = taken.send(std::mem::take(&mut subject));
                b"250 2.0.0 taken\r\n"
            }
            (true, "Subject:") => {
                line.trim_start_matches("Subject: ").clone_into(&mut subject);
                continue;
            }
            (true, _) => continue,
            (false, "DATA") => {
                in_content = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => b"221 bye\r\n",
            (false, _) => b"250 fine\r\n",
        };
        stream.get_mut().write_all(reply)?;
    }
}

/// Which of the servers said last that it leads.
pub fn leader(nodes: &[Server], begun: Instant) -> usize {
    loop {
        let leads = |node: &Server| node.running().is_some() && node.has_logged("this server leads:");
        if let Some(leader) = nodes.iter().position(leads) {
            return leader;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody leads");
        thread::yield_now();
    }
}
