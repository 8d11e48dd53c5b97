//! The lines of `docs/log.md`: what the real binary writes is what the document says, and what fail2ban's filter reads.

#![allow(clippy::unwrap_used)]

mod rig;

use rig::{Lines, PATIENCE, pillarbox, says};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PASSWORD: &str = "a long main password";

/// The table of the document: an event and its fields, in order.
fn documented() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/log.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.map(|(event, fields)| (event.to_owned(), fields.split(' ').map(str::to_owned).collect())).collect()
}

/// The event of a line and its fields, if it is one of the table.
fn event(line: &str, documented: &BTreeMap<String, Vec<String>>) -> Option<(String, Vec<String>)> {
    let (_, rest) = line.split_once(" INFO ")?;
    let is_it = |(event, fields): &(&String, &Vec<String>)| rest.starts_with(&format!("{event} {}=", fields[0]));
    let (event, _) = documented.iter().find(is_it)?;
    Some((event.clone(), keys(&rest[event.len()..])))
}

/// The keys of ` key=value key="value"`.
fn keys(mut text: &str) -> Vec<String> {
    let mut keys = Vec::new();
    while let Some((key, value)) = text.split_once('=') {
        keys.push(key.trim_start().to_owned());
        let end = match value.strip_prefix('"') {
            None => value.find(' ').unwrap_or(value.len()),
            Some(quoted) => {
                let mut escaped = false;
                let mut is_end = |c: char| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                };
                quoted.find(&mut is_end).unwrap() + 2
            }
        };
        text = &value[end..];
    }
    keys
}

fn connect(port: u16) -> Lines {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Lines::new(Box::new(stream))
}

/// All that a server logs while `clients` speak to it.
fn logged(clients: impl FnOnce(&BTreeMap<String, u16>)) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("pillarbox.toml");
    let services = ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "https", "http"];
    let listen: String = services.map(|service| format!("listen.{service} = [\"127.0.0.1:0\"]\n")).concat();
    fs::write(&config, format!("hostname = \"localhost\"\ndata_dir = \"data\"\n{listen}")).unwrap();
    let path = config.to_str().unwrap();
    says(&["domain", "add", "example.org", "--config", path]);
    let add = ["account", "add", "alice@example.org", "--password-stdin", "--config", path];
    let mut adding = pillarbox(&add).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writeln!(adding.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(adding.wait().unwrap().success());

    let mut server = pillarbox(&["serve", "--config", path]).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut ports = BTreeMap::new();
    for line in log.by_ref().take_while(|line| !line.contains(" ready ")) {
        if let Some((_, rest)) = line.split_once(" listening service=") {
            let (service, address) = rest.split_once(" address=127.0.0.1:").unwrap();
            ports.insert(service.to_owned(), address.trim().parse().unwrap());
        }
    }
    let reader = std::thread::spawn(move || log.collect::<Vec<String>>());
    clients(&ports);
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    reader.join().unwrap()
}

/// One of each, with names that would like to be lines of their own.
fn clients(ports: &BTreeMap<String, u16>) {
    const FORGED: &str = r#"x\" INFO login failed protocol=\"imap\" address=10.0.0.1 name=\"y"#;
    let mut imap = connect(ports["imap"]);
    imap.ask("a LOGIN alice@example.org wrong", "a NO");
    imap.ask(&format!("b LOGIN \"{FORGED}\" wrong"), "b NO");
    imap.ask(&format!("c LOGIN alice@example.org \"{PASSWORD}\""), "c OK");
    // Somebody else on the same connection.
    let mut shared = connect(ports["imap"]);
    shared.ask(&format!("a LOGIN alice@example.org \"{PASSWORD}\""), "a OK");
    shared.ask("b UNAUTHENTICATE", "b OK");
    shared.ask("c LOGIN alice@example.org wrong", "c NO");
    let mut pop3 = connect(ports["pop3"]);
    pop3.ask("USER alice", "+OK Send");
    pop3.ask("PASS wrong", "-ERR [AUTH]");
    pop3.ask("AUTH PLAIN *", "-ERR");
    pop3.ask("USER alice", "+OK Send");
    pop3.ask(&format!("PASS {PASSWORD}"), "+OK 0");
    let mut submission = connect(ports["submission"]);
    submission.until("220 ");
    submission.ask("EHLO c", "250 ");
    submission.ask("AUTH PLAIN AGFsaWNlAHdyb25n", "535 ");
    // user=alice@example.org^Aauth=Bearer t^A^A: why comes first, and then the answer; that is one failure.
    submission.ask("AUTH XOAUTH2 dXNlcj1hbGljZUBleGFtcGxlLm9yZwFhdXRoPUJlYXJlciB0AQE=", "334 ");
    submission.ask("", "535 ");
    // \0alice@example.org\0a long main password
    submission.ask("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAGEgbG9uZyBtYWluIHBhc3N3b3Jk", "235 ");
    submission.ask("MAIL FROM:<bob@example.org>", "550 ");
    submission.ask("MAIL FROM:<alice@example.org>", "250 ");
    submission.ask("RCPT TO:<alice@example.org>", "250 ");
    submission.ask("DATA", "354 ");
    submission.ask("From: alice@example.org\r\n\r\nx\r\n.", "250 ");
    let mut smtp = connect(ports["smtp"]);
    smtp.until("220 ");
    smtp.ask("EHLO c", "250 ");
    smtp.ask("MAIL FROM:<bob@example.net> SIZE=99999999999", "552 ");
    smtp.ask("MAIL FROM:<\"a address=10.0.0.1 b\"@example.net>", "250 ");
    smtp.ask("RCPT TO:<nobody@example.org>", "550 ");
    smtp.ask("RCPT TO:<\"x\\\" INFO y\"@example.org>", "550 ");
    smtp.ask("RCPT TO:<alice@example.org>", "250 ");
    smtp.ask("DATA", "354 ");
    smtp.ask("Subject: hi\r\n\r\nx\r\n.", "250 ");
    pop3.ask("QUIT", "+OK");
    submission.ask("QUIT", "221 ");
    rig::log_in_on_the_pages_at(ports["http"], "alice@example.org", PASSWORD);
    // TLS 1.0, as Windows 7 offers it; TLS 1.2 with ciphers of that time; and what is no TLS at all.
    assert_eq!(alert(ports["imaps"], &client_hello([3, 1], &[])), HANDSHAKE_FAILURE);
    // signature_algorithms, rsa_pkcs1_sha256 alone; supported_groups, secp256r1 alone.
    let extensions = [0, 13, 0, 4, 0, 2, 4, 1, 0, 10, 0, 4, 0, 2, 0, 23];
    assert_eq!(alert(ports["imaps"], &client_hello([3, 3], &extensions)), HANDSHAKE_FAILURE);
    let _no_tls = alert(ports["imaps"], b"a LOGIN alice@example.org wrong\r\n");
}

/// What TLS calls it when two cannot agree.
const HANDSHAKE_FAILURE: u8 = 40;

/// A ClientHello of TLS 1.2 or older in its record, with two ciphers that encrypt by CBC.
fn client_hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    // No session; TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA; no compression.
    hello.extend([0, 0, 4, 0x00, 0x2f, 0xc0, 0x13, 1, 0]);
    if !extensions.is_empty() {
        hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        hello.extend(extensions);
    }
    let framed = |head: &[u8], body: &[u8]| [head, &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    framed(&[22, 3, 1], &framed(&[1, 0], &hello))
}

/// Says something where TLS is spoken; the alert that comes, when the connection is over.
fn alert(port: u16, said: &[u8]) -> u8 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(said).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    assert_eq!((heard.len(), heard[0]), (7, 21), "{heard:?}");
    heard[6]
}

#[test]
fn the_log_was_blind() {
    let documented = documented();
    let lines = logged(clients);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut sessions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut is_logged_in = BTreeSet::new();
    for line in &lines {
        assert!(!line.contains("wrong\"") && !line.contains(PASSWORD), "a secret: {line}");
        if let Some((event, mut keys)) = event(line, &documented) {
            assert_eq!(keys.pop().unwrap(), "session", "{line}");
            let (_, session) = line.rsplit_once(" session=").unwrap();
            // From the login on, whichever line it is.
            match event.as_str() {
                "login" => drop(is_logged_in.insert(session)),
                "login failed" => drop(is_logged_in.remove(session)),
                _ => {}
            }
            let has_device = keys.pop_if(|key| key == "device").is_some();
            // Of who was there last.
            let is_over = event == "session ended";
            assert_eq!(has_device, is_over || is_logged_in.contains(session), "{line}");
            if let Some((_, protocol)) = line.split_once(" protocol=\"") {
                sessions.entry(protocol.split_once('"').unwrap().0).or_default().insert(session);
            }
            if let Some((_, service)) = line.split_once(" service=") {
                sessions.entry(service.split_once(' ').unwrap().0).or_default().insert(session);
            }
            let optional = |field: &String| keys.iter().find(|key| format!("[{key}]") == *field).cloned();
            let expected = documented[&event].iter().filter_map(|field| match field.starts_with('[') {
                true => optional(field),
                false => Some(field.clone()),
            });
            assert_eq!(keys, expected.collect::<Vec<_>>(), "{line}");
            *counts.entry(event).or_default() += 1;
        }
    }
    let expected = [
        ("delivered", 2),
        ("login", 5),
        ("login failed", 7),
        ("message refused", 2),
        ("recipient refused", 2),
        ("saved to Sent", 1),
        ("session ended", 4),
        ("TLS failed", 2),
        ("senders on this machine are not examined", 1),
    ];
    let expected: BTreeMap<String, usize> = expected.map(|(event, count)| (event.to_owned(), count)).into();
    assert_eq!(counts, expected, "{}", lines.join("\n"));
    assert_eq!(sessions.keys().copied().collect::<Vec<_>>(), ["imap", "pop3", "smtp", "submission", "web"]);
    let ended = |how: &str| lines.iter().filter(|line| line.contains(" session ended ") && line.contains(how)).count();
    assert_eq!(ended(" why=\"goodbye\" "), 2, "{}", lines.join("\n"));
    assert!(
        ["pop3", "smtp", "submission"].iter().all(|protocol| sessions[protocol].len() == 1),
        "one connection each: {sessions:?}"
    );
    assert_eq!(sessions.values().flatten().collect::<BTreeSet<_>>().len(), 8, "and no two the same: {sessions:?}");

    let failed: Vec<&String> = lines.iter().filter(|line| line.contains(" TLS failed ")).collect();
    assert!(
        failed[0].contains(" why=\"no signature algorithms are offered, as by programs that know no TLS 1.2\" "),
        "{failed:?}"
    );
    let offered =
        " why=\"no cipher in common\" offered=\"TLS_RSA_WITH_AES_128_CBC_SHA TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA\" ";
    assert!(failed[1].contains(offered), "{failed:?}");

    // What fail2ban makes of them: who failed, and nobody whom they name.
    let banned = fail2ban(&lines);
    assert_eq!(banned, vec!["127.0.0.1"; 8], "five wrong passwords, a token, two recipients: {}", lines.join("\n"));
}

/// The addresses that the filter finds in lines, with the tags that it uses.
fn fail2ban(lines: &[String]) -> Vec<String> {
    const SCRIPT: &str = r#"
import re, sys, configparser
filter = configparser.ConfigParser(interpolation=None)
filter.read(sys.argv[1])
filter = filter["Definition"]
def pattern(text):
    text = re.sub(r"%\((\w+)\)s", lambda name: filter[name.group(1)], text)
    text = text.replace("<ADDR>", r"(?P<address>[0-9A-Fa-f:.]+)")
    return re.compile(text.replace("<F-CONTENT>", "(?P<content>").replace("</F-CONTENT>", ")"))
before = pattern(filter["prefregex"])
rules = [pattern(rule) for rule in filter["failregex"].split("\n")]
for line in sys.stdin.read().splitlines():
    # A file, whose time fail2ban takes out, and the journal, which keeps it.
    found = set()
    for seen in (re.sub(r"^\S+", "", line), "host pillarbox[7]: " + line):
        content = before.search(seen)
        for rule in rules if content else []:
            match = rule.search(content.group("content"))
            if match: found.add((seen[:4] == "host", match.group("address")))
    assert len({address for _, address in found}) <= 1 and len(found) in (0, 2), line
    for address in {address for _, address in found}: print(address)
"#;
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fail2ban/pillarbox.conf");
    let mut python = Command::new("python3")
        .arg("-c")
        .arg(SCRIPT)
        .arg(filter)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_journal_is_told_how_urgent_a_line_is() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("pillarbox.toml");
    let listen = "listen.imap = [\"127.0.0.1:0\"]\n";
    let off = ["smtp", "submission", "submissions", "imaps", "pop3", "pop3s", "https"];
    let off: String = off.map(|service| format!("listen.{service} = []\n")).concat();
    fs::write(&config, format!("hostname = \"localhost\"\ndata_dir = \"data\"\n{listen}{off}")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let file = fs::metadata(format!("/proc/self/fd/{}", writer.as_raw_fd())).unwrap();
    let mut server = pillarbox(&["serve", "--config", config.to_str().unwrap()]);
    server.env("JOURNAL_STREAM", format!("{}:{}", file.dev(), file.ino())).stderr(writer);
    let mut running = server.spawn().unwrap();
    // The last writer is the server's.
    drop(server);
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    let ready = lines.find(|line| line.contains(" ready ")).unwrap();
    assert!(ready.starts_with("<6>2") && ready.contains("Z  INFO ready "), "{ready}");
    kill_process(Pid::from_child(&running), Signal::TERM).unwrap();
    assert!(running.wait().unwrap().success());
    assert!(lines.all(|line| ["<4>", "<6>"].iter().any(|priority| line.starts_with(priority))));
}

#[test]
fn a_line_for_programs_says_of_which_connection_it_is() {
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("pillarbox.toml");
    let listen = "log.format = \"json\"\nlisten.imap = [\"127.0.0.1:0\"]\n";
    let off = ["smtp", "submission", "submissions", "imaps", "pop3", "pop3s", "https"];
    let off: String = off.map(|service| format!("listen.{service} = []\n")).concat();
    fs::write(&config, format!("hostname = \"localhost\"\ndata_dir = \"data\"\n{listen}{off}")).unwrap();
    let serve = ["serve", "--config", config.to_str().unwrap()];
    let mut server = pillarbox(&serve).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let listening = lines.find(|line| line["message"] == "listening" && line["service"] == "imap").unwrap();
    assert_eq!(listening["session"], serde_json::Value::Null, "it is of no connection: {listening}");
    let address = listening["address"].as_str().unwrap();
    let mut imap = connect(address.rsplit_once(':').unwrap().1.parse().unwrap());
    imap.ask("a LOGIN alice@example.org wrong", "a NO");
    let failed = lines.find(|line| line["message"] == "login failed").unwrap();
    assert!(failed["session"].as_str().is_some_and(|session| session.contains('.')), "{failed}");
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
}

#[test]
fn the_events_in_the_code_are_those_in_the_document() {
    let mut found = BTreeSet::new();
    for name in [
        "login/src",
        "smtpd/src",
        "mailflow/src",
        "queue/src",
        "server/src/services/reporting",
        "server/src/driver",
        "server/src/tls/failed.rs",
    ] {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").join(name);
        sources_in(&sources, &mut |text| {
            for call in text.split(" info!(").skip(1) {
                let literal = call[..end_of_call(call)].rsplit('"').nth(1).unwrap();
                found.insert(literal.to_owned());
            }
        });
    }
    assert_eq!(found, documented().into_keys().collect());
}

/// Where the parenthesis closes that was opened before.
fn end_of_call(text: &str) -> usize {
    let (mut depth, mut quoted) = (1, false);
    let end = text.find(|c| {
        quoted ^= c == '"';
        depth += i32::from(c == '(' && !quoted) - i32::from(c == ')' && !quoted);
        depth == 0
    });
    end.unwrap()
}

fn sources_in(path: &Path, visit: &mut impl FnMut(&str)) {
    if path.is_file() {
        return visit(&fs::read_to_string(path).unwrap());
    }
    for entry in fs::read_dir(path).unwrap() {
        sources_in(&entry.unwrap().path(), visit);
    }
}
