//! Mail for outside addresses on the real binary: through the queue to a smarthost, and back as a bounce.

#![allow(clippy::unwrap_used)]

mod rig;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rig::{Lines, PATIENCE, Serving};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// A smarthost that knows everybody whose name does not begin with `nobody`; the messages that it takes.
fn smarthost() -> (u16, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (taken, messages) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            converse(stream.unwrap(), &taken);
        }
    });
    (port, messages)
}

fn converse(stream: TcpStream, taken: &Sender<Vec<String>>) {
    let mut lines = Lines::new(Box::new(stream));
    lines.send("220 smarthost.example");
    loop {
        let line = lines.line();
        match line.split([' ', ':']).next().unwrap_or_default() {
            "" => return,
            "RCPT" if line.contains("<nobody") => lines.send("550 5.1.1 there is nobody of that name"),
            "DATA" => {
                lines.send("354 go on");
                // Whoever waits for it may have gone.
                let _gone = taken.send(lines.until("."));
                lines.send("250 2.0.0 taken");
            }
            "QUIT" => return lines.send("221 bye"),
            _ => lines.send("250 fine"),
        }
    }
}

fn submit(server: &Serving, password: &str, recipients: &[(&str, &str)]) {
    let mut smtp = server.connect_tls("submissions");
    smtp.until("220 ");
    smtp.ask("EHLO pc.example.org", "250 ");
    let login = STANDARD.encode(format!("\0alice@example.org\0{password}"));
    smtp.ask(&format!("AUTH PLAIN {login}"), "235 ");
    smtp.ask("MAIL FROM:<alice@example.org>", "250 ");
    for (recipient, reply) in recipients {
        smtp.ask(&format!("RCPT TO:<{recipient}>"), reply);
    }
    if recipients.iter().any(|(_, reply)| reply.starts_with('2')) {
        smtp.ask("DATA", "354 ");
        smtp.ask("From: alice@example.org\r\nSubject: to the outside\r\n\r\nHello.\r\n.", "250 ");
    }
    smtp.ask("QUIT", "221 ");
}

fn make_alice(server: &Serving) -> String {
    server.says(&["domain", "add", "example.org"]);
    let added = server.says(&["account", "add", "alice@example.org", "--generate", "--json"]);
    let account: serde_json::Value = serde_json::from_str(&added).unwrap();
    account["password"].as_str().unwrap().to_owned()
}

#[test]
fn one_recipient_gets_it_and_the_other_comes_back_as_a_bounce() {
    let (port, messages) = smarthost();
    let dir = tempfile::tempdir().unwrap();
    let more = format!("smarthost = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}");
    let server = Serving::start(dir.path(), &more);
    let password = make_alice(&server);
    let mut imap = server.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("a LOGIN alice@example.org {password}"), "a OK");
    imap.ask("b SELECT INBOX", "b OK");
    imap.ask("c IDLE", "+");
    // Makes the keys, if the server has not yet.
    let records = server.says(&["domain", "records", "example.org"]);
    assert_eq!(records.matches("._domainkey.example.org. 3600 IN TXT").count(), 2, "{records}");
    submit(&server, &password, &[("friend@outside.example", "250 "), ("nobody@outside.example", "250 ")]);
    let message = messages.recv_timeout(PATIENCE).unwrap();
    assert!(message.contains(&"Subject: to the outside".to_owned()), "{message:?}");
    let signatures = message.iter().filter(|line| line.starts_with("DKIM-Signature: v=1; a="));
    assert_eq!(signatures.filter(|line| line.contains("; d=example.org;")).count(), 2, "{message:?}");
    imap.until("* 1 EXISTS");
    imap.ask("DONE", "c OK");
    let bounce = imap.ask("d FETCH 1 BODY[]", "d OK").join("\n");
    for part in
        ["Final-Recipient: rfc822;nobody@outside.example", "Action: failed", "Status: 5.1.1", "nobody of that name"]
    {
        assert!(bounce.replace("rfc822; ", "rfc822;").contains(part), "{part:?} is not in\n{bounce}");
    }
    assert!(!bounce.contains("Final-Recipient: rfc822; friend"), "{bounce}");
    server.stop();
}

/// A collector of OpenTelemetry that takes what it gets, and tells what that was.
fn collector() -> (u16, Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (taken, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, taken) = (BufReader::new(stream.unwrap()), taken.clone());
            thread::spawn(move || {
                while let Some(body) = posted(&mut stream) {
                    let _gone = taken.send(serde_json::from_slice(&body).unwrap());
                    stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
                }
            });
        }
    });
    (port, told)
}

/// The body of the next request; `None`: there is none.
fn posted(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|octets| *octets > 0)?;
    assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some(body)
}

/// A span: its name, its trace, itself, what it is a part of, how many nanoseconds it took, and how it ended.
type Span = (String, String, String, String, u64, bool);

fn spans(told: &serde_json::Value) -> Vec<Span> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let nanos = |value: &serde_json::Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let all = told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let one = |span: &serde_json::Value| {
        let took = nanos(&span["endTimeUnixNano"]) - nanos(&span["startTimeUnixNano"]);
        let failed = span["status"]["code"].as_u64() == Some(2);
        (text(&span["name"]), text(&span["traceId"]), text(&span["spanId"]), text(&span["parentSpanId"]), took, failed)
    };
    all.iter().map(one).collect()
}

/// From the first octet of the envelope to what another host says hours later, in one trace.
#[test]
fn the_way_of_a_message_can_be_followed() {
    let ((port, messages), (collector, told)) = (smarthost(), collector());
    let dir = tempfile::tempdir().unwrap();
    let more = format!(
        "smarthost = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}\n\
         traces.url = \"http://127.0.0.1:{collector}/v1/traces\""
    );
    let server = Serving::start(dir.path(), &more);
    let password = make_alice(&server);
    let recipients =
        [("friend@outside.example", "250 "), ("nobody@outside.example", "250 "), ("alice@example.org", "250 ")];
    submit(&server, &password, &recipients);
    messages.recv_timeout(PATIENCE).unwrap();
    let (mut all, mut about) = (Vec::new(), serde_json::Value::Null);
    let names = |all: &[Span]| all.iter().map(|span| span.0.clone()).collect::<Vec<_>>();
    let count = |all: &[Span], name: &str| all.iter().filter(|span| span.0 == name).count();
    // Both outcomes of the host, and that they are on the disk.
    while count(&all, "handed over") < 2 || count(&all, "outcome written down") < 1 || count(&all, "received") < 1 {
        let more = told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("only {:?}", names(&all)));
        about = more["resourceSpans"][0]["resource"]["attributes"].clone();
        all.extend(spans(&more));
    }
    for name in ["delivered", "saved to Sent", "queued"] {
        assert!(count(&all, name) >= 1, "{name}: {:?}", names(&all));
    }
    assert!(about.to_string().contains("\"pillarbox\""), "{about}");
    let (_, trace, whole, parent, took, _) = all.iter().find(|span| span.0 == "received").unwrap();
    assert!(parent.is_empty() && *took > 0, "{all:?}");
    let of_it: Vec<_> = all.iter().filter(|span| span.1 == *trace && span.0 != "received").collect();
    assert!(of_it.iter().all(|span| span.3 == *whole && span.4 <= 120 * 1_000_000_000), "{all:?}");
    assert!(of_it.iter().any(|span| span.0 == "saved to Sent" && span.4 > 0), "{all:?}");
    let tried: Vec<_> = of_it.iter().filter(|span| span.0 == "handed over").map(|span| span.5).collect();
    assert_eq!(tried.iter().filter(|failed| **failed).count(), 1, "{all:?}");
    assert_eq!(tried.len(), 2, "{all:?}");
    server.stop();
}

/// A collector that is not there holds up nobody, and one line says so.
#[test]
fn without_the_collector_everything_goes_on() {
    let [nobody] = rig::free_ports();
    let (port, messages) = smarthost();
    let dir = tempfile::tempdir().unwrap();
    let more = format!(
        "smarthost = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}\n\
         traces.url = \"http://127.0.0.1:{nobody}/v1/traces\""
    );
    let server = Serving::start(dir.path(), &more);
    let password = make_alice(&server);
    for _ in 0..3 {
        submit(&server, &password, &[("friend@outside.example", "250 ")]);
        messages.recv_timeout(PATIENCE).unwrap();
    }
    let line = server.logged("the collector of traces takes nothing; they are left out");
    assert!(line["why"].as_str().unwrap().contains("refused"), "{line}");
    server.stop();
}

/// Reads a report as another program does: the types of its parts, and the fields of its second part.
const READ_REPORT: &str = r#"
import email, email.policy, json, sys
report = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
def walk(part):
    return [part.get_content_type(), [d.__class__.__name__ for d in part.defects]] + [walk(p) for p in part.iter_parts()] \
        if part.is_multipart() and part.get_content_maintype() == "multipart" else part.get_content_type()
status = next(p for p in report.iter_parts() if p.get_content_type().endswith("delivery-status"))
groups = [dict(g.items()) for g in status.get_payload()]
print(json.dumps({"type": report["Content-Type"].params["report-type"], "parts": walk(report), "status": groups}))
"#;

fn read_report(message: &str) -> serde_json::Value {
    let mut python = std::process::Command::new("python3");
    let (input, output) = (std::process::Stdio::piped(), std::process::Stdio::piped());
    let mut child = python.args(["-c", READ_REPORT]).stdin(input).stdout(output).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{message}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn another_program_reads_the_reports_that_a_sender_asked_for() {
    let (port, messages) = smarthost();
    let dir = tempfile::tempdir().unwrap();
    let more = format!("smarthost = {{ host = \"127.0.0.1\", port = {port}, security = \"none\" }}");
    let server = Serving::start(dir.path(), &more);
    let password = make_alice(&server);
    let mut imap = server.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("a LOGIN alice@example.org {password}"), "a OK");
    imap.ask("b SELECT INBOX", "b OK");
    imap.ask("c IDLE", "+");
    let mut smtp = server.connect_tls("submissions");
    smtp.until("220 ");
    assert!(smtp.ask("EHLO pc.example.org", "250 ").contains(&"250-DSN".to_owned()));
    let login = STANDARD.encode(format!("\0alice@example.org\0{password}"));
    smtp.ask(&format!("AUTH PLAIN {login}"), "235 ");
    smtp.ask("MAIL FROM:<alice@example.org> RET=FULL ENVID=QQ+2B1", "250 ");
    smtp.ask(
        "RCPT TO:<friend@outside.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old+2Bfriend@outside.example",
        "250 ",
    );
    smtp.ask("RCPT TO:<nobody@outside.example> NOTIFY=FAILURE", "250 ");
    smtp.ask("RCPT TO:<nobody2@outside.example> NOTIFY=NEVER", "250 ");
    smtp.ask("RCPT TO:<alice@example.org> NOTIFY=SUCCESS", "250 ");
    smtp.ask("DATA", "354 ");
    smtp.ask("From: alice@example.org\r\nSubject: to the outside\r\n\r\nHello.\r\n.", "250 ");
    messages.recv_timeout(PATIENCE).unwrap();
    // The message itself, and three reports.
    imap.until("* 4 EXISTS");
    imap.ask("DONE", "c OK");
    let mut found = std::collections::BTreeMap::new();
    for number in 1..=4 {
        let fetched = imap.ask(&format!("d FETCH {number} BODY.PEEK[]"), "d OK").join("\r\n");
        let message = fetched.split_once("}\r\n").unwrap().1;
        let message = message.rsplit_once(")\r\nd OK").map_or(message, |(message, _)| message);
        if !message.contains("multipart/report") {
            continue;
        }
        let report = read_report(message);
        assert_eq!(report["type"], "delivery-status");
        assert_eq!(report["status"][0]["Original-Envelope-Id"], "QQ+1", "{report}");
        assert_eq!(report["parts"][1], serde_json::json!([]), "no defects");
        let status = &report["status"][1];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        found.insert(text(&status["Action"]), (text(&status["Final-Recipient"]), text(&report["parts"][4])));
        assert_eq!(report["status"].as_array().unwrap().len(), 2, "{report}");
        if status["Action"] == "relayed" {
            assert_eq!(status["Original-Recipient"], "rfc822; old+friend@outside.example");
        }
    }
    let expected = [
        ("delivered", "rfc822; alice@example.org", "text/rfc822-headers"),
        ("failed", "rfc822; nobody@outside.example", "message/rfc822"),
        ("relayed", "rfc822; friend@outside.example", "text/rfc822-headers"),
    ];
    let expected = expected.map(|(action, whom, part)| (action.to_owned(), (whom.to_owned(), part.to_owned())));
    assert_eq!(found, expected.into());
    server.stop();
}

#[test]
fn without_a_smarthost_outside_mail_is_refused_at_rcpt() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path(), "");
    let password = make_alice(&server);
    submit(&server, &password, &[("friend@outside.example", "550 ")]);
    assert_eq!(server.says(&["queue", "list"]), "The queue is empty.\n");
    server.stop();
}

#[test]
fn a_smarthost_that_is_away_leaves_mail_in_the_queue_which_survives_a_restart() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let more = format!("smarthost = {{ host = \"127.0.0.1\", port = {away}, security = \"none\" }}");
    let server = Serving::start(dir.path(), &more);
    let password = make_alice(&server);
    submit(&server, &password, &[("friend@outside.example", "250 ")]);
    server.says(&["queue", "hold", "1"]);
    check_held(&server.says(LIST));
    let config = server.config.clone();
    server.stop();
    check_held(&rig::says(&[LIST, &["--config", config.to_str().unwrap()]].concat()));
    let server = Serving::start(dir.path(), &more);
    check_held(&server.says(LIST));
    assert_eq!(server.says(&["queue", "remove", "1"]), "Message 1 was thrown away.\n");
    server.stop();
}

const LIST: &[&str] = &["queue", "list", "--json"];

/// How often it was tried is not looked at: the first attempt may just be ending.
fn check_held(list: &str) {
    let message: serde_json::Value = serde_json::from_str(list).unwrap();
    assert_eq!(message["id"], 1);
    assert_eq!(message["from"], "alice@example.org");
    assert_eq!(message["held"], true);
    assert_eq!(message["recipients"][0]["address"], "friend@outside.example");
    assert_eq!(message["recipients"][0]["state"], "waiting");
}

#[test]
fn a_message_finds_another_server_by_mx_and_comes_back_from_one_that_knows_nobody() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = dns::fake::FakeServer::start();
    names.add("far.example", "MX", "10 mail.far.example.");
    names.add("mail.far.example", "A", "127.0.0.1");
    names.add("null.example", "MX", "0 .");
    let far = Serving::start(there.path(), "");
    far.says(&["domain", "add", "far.example"]);
    let added = far.says(&["account", "add", "bob@far.example", "--generate", "--json"]);
    let bob: serde_json::Value = serde_json::from_str(&added).unwrap();
    let (server, port) = (names.address(), far.port("smtp"));
    let more =
        format!("delivery = {{ by = \"mx\", port = {port} }}\ndns = {{ servers = [\"{server}\"], dnssec = false }}");
    let near = Serving::start(here.path(), &more);
    let password = make_alice(&near);
    let mut imap = far.connect_tls("imaps");
    imap.until("* OK");
    imap.ask(&format!("a LOGIN bob@far.example {}", bob["password"].as_str().unwrap()), "a OK");
    imap.ask("b SELECT INBOX", "b OK");
    imap.ask("c IDLE", "+");
    let mut own = near.connect_tls("imaps");
    own.until("* OK");
    own.ask(&format!("a LOGIN alice@example.org {password}"), "a OK");
    own.ask("b SELECT INBOX", "b OK");
    own.ask("c IDLE", "+");
    let recipients = ["bob@far.example", "nobody@far.example", "carol@null.example"];
    submit(&near, &password, &recipients.map(|recipient| (recipient, "250 ")));
    imap.until("* 1 EXISTS");
    imap.ask("DONE", "c OK");
    let message = imap.ask("d FETCH 1 BODY[HEADER]", "d OK").join("\n");
    assert!(message.contains("with ESMTPS") && message.contains("Subject: to the outside"), "{message}");
    own.until("* 1 EXISTS");
    own.ask("DONE", "c OK");
    let bounce = own.ask("d FETCH 1 BODY[]", "d OK").join("\n");
    for part in ["Remote-MTA: dns; mail.far.example", "Status: 5.1.1", "Status: 5.1.10"] {
        assert!(bounce.contains(part), "{part:?} is not in\n{bounce}");
    }
    near.stop();
    far.stop();
}
