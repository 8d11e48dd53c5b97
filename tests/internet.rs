//! A small Internet on loopback addresses: servers that exchange mail, a host that does not behave, and a DNS with signatures.

#![allow(clippy::unwrap_used)]

#[path = "internet/host.rs"]
mod host;
mod rig;
#[path = "internet/zone.rs"]
mod zone;

use acme::Facts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::tlsa;
use host::BadHost;
use rig::{PATIENCE, Serving, free_ports};
use std::fs;
use std::time::Instant;
use tempfile::TempDir;
use zone::Zone;

/// Two servers, a host that does not behave, and the names of all of them.
struct Internet {
    /// Alice's, which sends.
    near: Serving,
    /// Of several domains; knows a `bob@` in each.
    far: Serving,
    bad: BadHost,
    password: String,
    _zone: Zone,
    _dirs: [TempDir; 3],
}

/// Where each host is.
const NEAR: &str = "127.0.0.2";
const FAR: &str = "127.0.0.3";
const BAD: &str = "127.0.0.4";
/// Nobody is there.
const DEAD: &str = "127.0.0.9";

impl Internet {
    /// `records` are told the port of mail and what a TLSA record says of the far server's key. `domains` are the far server's.
    fn start(domains: &[&str], records: impl Fn(u16, &str) -> String) -> Option<Self> {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [port] = free_ports();
        let checks = "sender.check = false\nsender.greeting_pause_millis = 0\n";
        let there = format!("listen.smtp = [\"{FAR}:{port}\"]\n{checks}");
        let far = Serving::start(dirs[1].path(), &there);
        let pem = fs::read_to_string(far.config.with_file_name("data").join("tls/server.pem")).unwrap();
        let key = tlsa(&Facts::of_chain(&pem).unwrap().key_digest);
        for domain in domains {
            far.says(&["domain", "add", domain]);
            far.says(&["account", "add", &format!("bob@{domain}"), "--generate"]);
        }
        let zone = Zone::start(dirs[2].path(), &records(port, &key))?;
        let bad = BadHost::start(&format!("{BAD}:{port}"));
        let delivery = format!("delivery = {{ by = \"mx\", port = {port} }}\n{}", zone.options());
        // Only now there are the names that it sends to.
        far.stop();
        let far = Serving::start(dirs[1].path(), &format!("{there}{delivery}"));
        let here = format!("listen.smtp = [\"{NEAR}:{port}\"]\n{checks}");
        let near = Serving::start(dirs[0].path(), &format!("{here}{delivery}"));
        near.says(&["domain", "add", "near.test"]);
        let added = near.says(&["account", "add", "alice@near.test", "--generate", "--json"]);
        let added: serde_json::Value = serde_json::from_str(&added).unwrap();
        let password = added["password"].as_str().unwrap().to_owned();
        Some(Self { near, far, bad, password, _zone: zone, _dirs: dirs })
    }

    /// Alice sends a message to somebody.
    fn send(&self, recipient: &str) {
        self.send_with("", recipient);
    }

    /// The same, with parameters of `MAIL`.
    fn send_with(&self, parameters: &str, recipient: &str) {
        let mut smtp = self.near.connect_tls("submissions");
        smtp.until("220 ");
        smtp.ask("EHLO pc.near.test", "250 ");
        let login = STANDARD.encode(format!("\0alice@near.test\0{}", self.password));
        smtp.ask(&format!("AUTH PLAIN {login}"), "235 ");
        smtp.ask(&format!("MAIL FROM:<alice@near.test>{parameters}"), "250 ");
        smtp.ask(&format!("RCPT TO:<{recipient}>"), "250 ");
        smtp.ask("DATA", "354 ");
        smtp.ask(&format!("From: alice@near.test\r\nSubject: to {recipient}\r\n\r\nHello.\r\n."), "250 ");
        smtp.ask("QUIT", "221 ");
    }

    /// What the near server says of the next attempt: whether the message was handed over, and the reply.
    fn tried(&self, message: &str) -> String {
        let line = self.near.logged(message);
        format!("{} {}", line["code"], line["text"].as_str().unwrap_or_default())
    }

    /// The one message that waits is tried now.
    fn retry(&self) {
        let list = self.near.says(&["queue", "list", "--json"]);
        let message: serde_json::Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
        self.near.says(&["queue", "retry", &message["id"].to_string()]);
    }

    /// What became of a message is logged before it is noted in the queue.
    fn until_the_queue_is_empty(&self) {
        let asked = Instant::now();
        while self.near.says(&["queue", "list"]) != "The queue is empty.\n" {
            assert!(asked.elapsed() < PATIENCE, "{}", self.near.says(&["queue", "list"]));
        }
    }

    fn stop(self) {
        self.near.stop();
        self.far.stop();
    }
}

const OVER: &str = "handed over";
const DEFERRED: &str = "handing over deferred";
const FAILED: &str = "handing over failed";

#[test]
fn a_key_in_a_signed_zone_decides_who_gets_the_mail() {
    let domains = ["good.test", "wrong.test", "stripped.test", "open.test"];
    let zone = |port, key: &str| {
        let other = "3 1 1 ".to_owned() + &"00".repeat(32);
        [("good", FAR, key), ("wrong", FAR, &other), ("stripped", BAD, key)].iter().fold(
            format!("open.test. MX 10 mx.open.test.\nmx.open.test. A {FAR}\n"),
            |zone, (name, address, key)| {
                format!(
                    "{zone}{name}.test. MX 10 mx.{name}.test.\nmx.{name}.test. A {address}\n\
                     _{port}._tcp.mx.{name}.test. TLSA {key}\n"
                )
            },
        )
    };
    let Some(internet) = Internet::start(&domains, zone) else { return };
    for domain in ["good.test", "open.test"] {
        internet.send(&format!("bob@{domain}"));
        assert!(internet.tried(OVER).starts_with("250 "));
        assert_eq!(internet.far.logged("delivered")["to"], format!("bob@{domain}"));
    }
    internet.send("bob@wrong.test");
    let why = internet.tried(DEFERRED);
    assert!(why.contains("DANE") || why.contains("TLSA") || why.contains("certificate"), "{why}");
    // Who is between takes away STARTTLS: nothing is said in the clear.
    internet.send("bob@stripped.test");
    let why = internet.tried(DEFERRED);
    assert!(why.contains("TLS"), "{why}");
    let told = internet.bad.commands.lock().unwrap().clone();
    assert!(
        told.iter().any(|line| line.starts_with("EHLO")) && !told.iter().any(|line| line.starts_with("MAIL")),
        "{told:?}"
    );
    internet.stop();
}

/// RFC 7672 §2.2: what an unsigned zone says of a key proves nothing, and keeps no mail back.
#[test]
fn a_key_in_a_zone_without_signatures_says_nothing() {
    let zone = |port, _: &str| {
        let other = "3 1 1 ".to_owned() + &"00".repeat(32);
        format!("plain.test. MX 10 mx.plain.test.\nmx.plain.test. A {FAR}\n_{port}._tcp.mx.plain.test. TLSA {other}\n")
    };
    let Some(internet) = Internet::start(&["plain.test"], zone) else { return };
    internet.send("bob@plain.test");
    assert!(internet.tried(OVER).starts_with("250 "));
    assert_eq!(internet.far.logged("delivered")["to"], "bob@plain.test");
    internet.stop();
}

#[test]
fn a_host_without_smtputf8_is_not_told_of_such_a_message_and_its_sender_is_told_why() {
    let zone = |_, _: &str| format!("bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\n");
    let Some(internet) = Internet::start(&[], zone) else { return };
    internet.send_with(" SMTPUTF8", "büro@bad.test");
    let why = internet.tried(FAILED);
    assert!(why.contains("SMTPUTF8") || why.contains("beyond ASCII"), "{why}");
    assert_eq!(internet.near.logged("sender told")["to"], "alice@near.test");
    let told = internet.bad.commands.lock().unwrap().clone();
    assert!(!told.iter().any(|line| line.starts_with("MAIL")), "{told:?}");
    internet.until_the_queue_is_empty();
    internet.stop();
}

#[test]
fn the_next_host_is_tried_where_one_is_dead_and_one_address_where_another_is() {
    let zone = |_, _: &str| {
        format!(
            "order.test. MX 20 mx.order.test.\norder.test. MX 10 dead.order.test.\ndead.order.test. A {DEAD}\n\
             mx.order.test. A {FAR}\nv6.test. MX 10 mx.v6.test.\nmx.v6.test. AAAA ::1\nmx.v6.test. A {FAR}\n\
             implicit.test. A {FAR}\nnull.test. MX 0 .\n"
        )
    };
    let Some(internet) = Internet::start(&["order.test", "v6.test", "implicit.test"], zone) else { return };
    for domain in ["order.test", "v6.test", "implicit.test"] {
        internet.send(&format!("bob@{domain}"));
        assert!(internet.tried(OVER).starts_with("250 "));
        assert_eq!(internet.far.logged("delivered")["to"], format!("bob@{domain}"));
    }
    // RFC 7505 §3: it takes no mail, and says so.
    internet.send("bob@null.test");
    assert_eq!(internet.near.logged("sender told")["to"], "alice@near.test");
    internet.until_the_queue_is_empty();
    internet.stop();
}

#[test]
fn a_host_that_puts_off_hangs_up_or_closes_has_each_message_once_in_the_end() {
    let zone = |_, _: &str| format!("bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\n");
    let Some(internet) = Internet::start(&[], zone) else { return };
    for (who, why) in [("grey", "451 "), ("dies", ""), ("shut", "421 ")] {
        internet.send(&format!("{who}@bad.test"));
        let said = internet.tried(DEFERRED);
        assert!(said.starts_with(why), "{who}: {said}");
        internet.retry();
        assert!(internet.tried(OVER).starts_with("250 "), "{who}");
        let message = internet.bad.messages.recv_timeout(PATIENCE).unwrap();
        assert!(message.contains(&format!("Subject: to {who}@bad.test")), "{message:?}");
        internet.until_the_queue_is_empty();
    }
    assert!(internet.bad.messages.try_recv().is_err(), "one of them came twice");
    internet.stop();
}
