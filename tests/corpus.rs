//! Thousands of real messages go in over LMTP and come back to the octet over IMAP and POP3, and what ENVELOPE and
//! BODYSTRUCTURE say of them agrees with another MIME parser.
//!
//! The messages are not part of this project (their senders gave no licence): they are in `../shared/mail/` or where
//! `PILLARBOX_MAIL` says. Where they are not, there is nothing to test, which is told in one line.

#![allow(clippy::unwrap_used)]

mod support;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use support::imap::Value;
use support::server::{Addresses, Server};
use tempfile::TempDir;

const MESSAGES: usize = 6_046;
/// Accounts that get a share each, at the same time.
const ACCOUNTS: usize = 8;
const SENDER: &str = "corpus@example.net";
/// RETR commands that are sent at once.
const PIPELINED: usize = 64;
const DIFFERENCES_SHOWN: usize = 50;

/// A message as it is in the archive.
struct Original {
    name: String,
    /// With CRLF, as it goes over the wire.
    content: Vec<u8>,
}

/// A message as the server gives it back.
struct Returned {
    name: String,
    /// With trace fields.
    content: Vec<u8>,
    envelope: Value,
    structure: Value,
}

/// What took how long.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    lmtp: Duration,
    imap: Duration,
    pop3: Duration,
}

#[test]
fn real_mail_comes_back_to_the_octet_and_is_understood() {
    let Some(originals) = originals() else { return };
    assert_eq!(originals.len(), MESSAGES, "the archive holds something else");
    let mut shares: Vec<Vec<Original>> = (0..ACCOUNTS).map(|_| Vec::new()).collect();
    originals.into_iter().enumerate().for_each(|(at, original)| shares[at % ACCOUNTS].push(original));
    let mut server = Server::new();
    let passwords: Vec<String> = (0..ACCOUNTS)
        .map(|number| {
            server.add_account(&address(number));
            server.add_device(&address(number), "corpus", "keep")
        })
        .collect();
    server.start();
    let (returned, times) = round_trips(server.addresses(), &shares, &passwords);
    println!("{MESSAGES} messages over {ACCOUNTS} connections: {times:.1?}");
    assert!(server.cli(&["check", "--bodies"], "").starts_with("All is well"));
    assert_eq!(server.faults(), Vec::<String>::new());
    assert_eq!(returned.len(), MESSAGES);
    compare(&returned);
}

/// The messages of the archive in the order of their names; `None`, and a line that says why, where they are not.
fn originals() -> Option<Vec<Original>> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/mail/real-6000.tar.zst");
    let archive = env::var_os("PILLARBOX_MAIL").map_or(usual, PathBuf::from);
    if !archive.exists() {
        not_tested::because(format_args!("{} is not there (PILLARBOX_MAIL may name another place)", archive.display()));
        return None;
    }
    let place = TempDir::new().unwrap();
    let unpacked = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(place.path()).output();
    match unpacked {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            not_tested::because(format_args!(
                "tar and zstd cannot unpack it: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ));
            return None;
        }
        Err(error) => {
            not_tested::without("tar", error);
            return None;
        }
    }
    let mut originals: Vec<Original> = files(place.path())
        .into_iter()
        .map(|path| Original {
            name: path.strip_prefix(place.path()).unwrap().display().to_string(),
            content: with_crlf(&fs::read(&path).unwrap()),
        })
        .collect();
    originals.sort_by(|a, b| a.name.cmp(&b.name));
    Some(originals)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The archive has lines that end with LF; over the wire they end with CRLF. A bare CR is left as it is.
fn with_crlf(content: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(content.len() + content.len() / 16);
    for line in content.split_inclusive(|octet| *octet == b'\n') {
        made.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        made.extend_from_slice(b"\r\n");
    }
    made
}

fn address(number: usize) -> String {
    format!("reader{number}@example.org")
}

/// All shares at the same time; what came back, and how long the slowest took.
fn round_trips(server: &Addresses, shares: &[Vec<Original>], passwords: &[String]) -> (Vec<Returned>, Times) {
    let (mut all, mut slowest) = (Vec::new(), Times::default());
    thread::scope(|scope| {
        let readers = shares.iter().zip(passwords).enumerate();
        let threads: Vec<_> = readers
            .map(|(number, (share, password))| scope.spawn(move || round_trip(server, (number, password), share)))
            .collect();
        for thread in threads {
            let (returned, times) = thread.join().unwrap();
            all.extend(returned);
            slowest.lmtp = slowest.lmtp.max(times.lmtp);
            slowest.imap = slowest.imap.max(times.imap);
            slowest.pop3 = slowest.pop3.max(times.pop3);
        }
    });
    (all, slowest)
}

/// One account's share: in over LMTP, back over IMAP and over POP3.
fn round_trip(server: &Addresses, (number, password): (usize, &str), share: &[Original]) -> (Vec<Returned>, Times) {
    let mut times = Times::default();
    let begun = Instant::now();
    deliver(server, &address(number), share);
    times.lmtp = begun.elapsed();
    let (returned, ids) = fetch(server, (number, password), share);
    times.imap = begun.elapsed() - times.lmtp;
    retrieve(server, (number, password), &returned, &ids);
    times.pop3 = begun.elapsed() - times.lmtp - times.imap;
    (returned, times)
}

fn deliver(server: &Addresses, address: &str, share: &[Original]) {
    let mut client = server.lmtp().unwrap();
    for original in share {
        let replies = client.deliver(SENDER, &[address], &original.content).unwrap();
        assert!(replies.len() == 1 && replies[0].code == 250, "{}: {replies:?}", original.name);
    }
    client.quit().unwrap();
}

/// Everything over IMAP, and the EMAILIDs. Every second account reads over TLS.
fn fetch(server: &Addresses, (number, password): (usize, &str), share: &[Original]) -> (Vec<Returned>, Vec<String>) {
    let connect = if number % 2 == 0 { Addresses::imap } else { Addresses::imaps };
    let mut client = connect(server, &address(number), password).unwrap();
    let selected = client.command("SELECT INBOX").unwrap();
    assert!(selected.untagged.iter().any(|response| response.0 == format!("{} EXISTS", share.len()).into_bytes()));
    let answer = client.command("FETCH 1:* (UID RFC822.SIZE EMAILID ENVELOPE BODYSTRUCTURE BODY.PEEK[])").unwrap();
    let fetched: Vec<_> = answer.fetched().collect();
    assert_eq!(fetched.len(), share.len());
    let (mut returned, mut ids) = (Vec::new(), Vec::new());
    for ((at, attributes), original) in fetched.into_iter().zip(share) {
        let content = attributes.text("BODY[]").unwrap();
        assert_eq!(attributes.number("RFC822.SIZE"), Some(content.len() as u64), "{}", original.name);
        assert_eq!(at as usize, ids.len() + 1);
        let trace = content.strip_suffix(original.content.as_slice());
        let trace = trace.unwrap_or_else(|| panic!("{} was changed", original.name));
        check_trace(trace, &address(number));
        ids.push(String::from_utf8(attributes.text("EMAILID").unwrap().to_vec()).unwrap());
        returned.push(Returned {
            name: original.name.clone(),
            content: content.to_vec(),
            envelope: attributes.get("ENVELOPE").unwrap().clone(),
            structure: attributes.get("BODYSTRUCTURE").unwrap().clone(),
        });
    }
    (returned, ids)
}

/// RFC 5321 §4.4: what the server wrote on top is exactly three fields.
fn check_trace(trace: &[u8], address: &str) {
    let trace = String::from_utf8(trace.to_vec()).unwrap();
    let unfolded = trace.replace("\r\n\t", " ").replace("\r\n ", " ");
    let lines: Vec<&str> = unfolded.split_terminator("\r\n").collect();
    let [return_path, delivered_to, received] = lines.as_slice() else { panic!("trace fields: {trace:?}") };
    assert_eq!(*return_path, format!("Return-Path: <{SENDER}>"));
    assert_eq!(*delivered_to, format!("Delivered-To: {address}"));
    assert!(received.starts_with("Received: from test.example.net ") && received.contains(" with LMTP "), "{received}");
}

/// The same over POP3: same order, same ids, same octets.
fn retrieve(server: &Addresses, (number, password): (usize, &str), returned: &[Returned], ids: &[String]) {
    let connect = if number % 2 == 0 { Addresses::pop3s } else { Addresses::pop3 };
    let mut client = connect(server, &address(number), password).unwrap();
    let listing: Vec<(u32, String)> = (1..).zip(ids.iter().cloned()).collect();
    assert_eq!(client.uidl().unwrap(), listing, "UIDL is EMAILID, in the order of arrival");
    for (at, messages) in returned.chunks(PIPELINED).enumerate() {
        let first = (at * PIPELINED) as u32 + 1;
        let retrieved = client.retrieve(first..first + messages.len() as u32).unwrap();
        for (content, message) in retrieved.iter().zip(messages) {
            assert!(*content == message.content, "{} over POP3 is not what it is over IMAP", message.name);
        }
    }
    client.quit().unwrap();
}

/// Where the server and Python's `email` may differ, in how many messages at most, and why that is right.
const KNOWN: &[(&str, usize, &str)] = &[
    ("unclosed", 50, "without a closing boundary the last part goes to the end, with its line end (RFC 2046 §5.1.1)"),
    ("opaque", 2, "a multipart without any part has one made up, as the grammar of BODYSTRUCTURE demands"),
    ("parameter", 3, "a word without = is no parameter; in quotes \\x means x (RFC 2045 §5.1), Python keeps the \\"),
    ("type", 1, "`text/plain charset=us-ascii`, the semicolon missing: the type ends at the space"),
    ("envelope from", 5, ODD_ADDRESSES),
    ("envelope sender", 4, ODD_ADDRESSES),
    ("envelope reply-to", 4, ODD_ADDRESSES),
    ("envelope to", 23, ODD_ADDRESSES),
    ("envelope to names", 3, "a comment after a name is left out, one in a comment keeps its parentheses"),
];

/// `<Undisclosed-Recipient:;@host>`, `<C:`Bulk.txt@host>`, `a@b@c`, `[a]@b`, `a@b <a@b>`: not RFC 5322, nearly all spam.
/// The server makes one address of what stands between two commas, Python sometimes two, or half of one.
const ODD_ADDRESSES: &str = "broken addresses, of which anybody's reading is a guess";

fn compare(returned: &[Returned]) {
    let place = TempDir::new().unwrap();
    write_batch(returned, place.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/compare.py");
    let begun = Instant::now();
    let output = match Command::new("python3").arg(script).arg(place.path()).output() {
        Ok(output) => output,
        Err(error) => return not_tested::without("python3", error),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    assert_eq!(summary["compared"], returned.len());
    println!("{summary} with {} differences in {:.1?}", lines.len(), begun.elapsed());
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in &lines {
        kinds.entry(line["kind"].as_str().unwrap()).or_default().push(line.to_string());
    }
    for (kind, differences) in kinds {
        let (allowed, why) = KNOWN.iter().find(|(known, ..)| *known == kind).map_or((0, ""), |(_, n, why)| (*n, *why));
        println!("{kind}: {} of at most {allowed}: {why}", differences.len());
        let shown = &differences[..differences.len().min(DIFFERENCES_SHOWN)];
        assert!(differences.len() <= allowed, "{kind}: {} differ:\n{}", differences.len(), shown.join("\n"));
    }
}

/// Writes what `compare.py` reads.
fn write_batch(returned: &[Returned], place: &Path) {
    let mut messages = BufWriter::new(File::create(place.join("messages")).unwrap());
    let mut index = BufWriter::new(File::create(place.join("index")).unwrap());
    let mut offset = 0;
    for message in returned {
        messages.write_all(&message.content).unwrap();
        let entry = serde_json::json!({
            "name": message.name,
            "offset": offset,
            "length": message.content.len(),
            "envelope": json(&message.envelope),
            "structure": json(&message.structure),
        });
        writeln!(index, "{entry}").unwrap();
        offset += message.content.len();
    }
    messages.flush().unwrap();
    index.flush().unwrap();
}

/// Strings with one character per octet.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Nil => serde_json::Value::Null,
        Value::Atom(atom) => atom.parse::<u64>().map_or_else(|_| atom.as_str().into(), Into::into),
        Value::Text(octets) => octets.iter().copied().map(char::from).collect::<String>().into(),
        Value::List(values) => values.iter().map(json).collect(),
    }
}
