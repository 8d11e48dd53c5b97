//! A small Internet on loopback addresses: servers that exchange mail, a host that does not behave, and a DNS with signatures.

#![allow(clippy::unwrap_used)]

#[path = "internet/host.rs"]
mod host;
#[path = "internet/policies.rs"]
mod policies;
#[path = "internet/postfix.rs"]
mod postfix;
mod rig;
#[path = "internet/verifier.rs"]
mod verifier;
#[path = "internet/zone.rs"]
mod zone;

#[path = "support/not_tested.rs"]
#[allow(clippy::duplicate_mod)]
mod not_tested;

use acme::Facts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::tlsa;
use host::BadHost;
use policies::{Authority, Policies};
use postfix::Postfix;
use rig::{Lines, PATIENCE, Serving, between, free_ports, page};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tempfile::TempDir;
use verifier::{Author, Verifier, verify_message};
use zone::Zone;

/// Two servers, a host that does not behave, and the names of all of them.
struct Internet {
    /// Alice's, which sends.
    near: Serving,
    /// Of several domains; knows a `bob@` in each.
    far: Serving,
    bad: BadHost,
    /// The port of mail, at all addresses.
    port: u16,
    password: String,
    /// The options of the near server, and the environment of its process.
    options: String,
    environment: Vec<(&'static str, PathBuf)>,
    _zone: Zone,
    dirs: [TempDir; 3],
}

/// How a small Internet differs from the usual one.
#[derive(Default)]
struct Setting<'a> {
    /// The far server's.
    domains: &'a [&'a str],
    /// Further options of the near server, and of the far one.
    near: String,
    far: String,
    /// Certificates that the near server trusts.
    roots: Option<&'a Path>,
}

/// Where each host is.
const NEAR: &str = "127.0.0.2";
const FAR: &str = "127.0.0.3";
const BAD: &str = "127.0.0.4";
const POLICIES: &str = "127.0.0.5";
const POSTFIX: &str = "127.0.0.6";
/// Nobody is there.
const DEAD: &str = "127.0.0.9";
/// Nobody looks at who sends.
const UNCHECKED: &str = "sender.check = false\nsender.greeting_pause_millis = 0\n";

impl Internet {
    /// `records` are told the port of mail and what a TLSA record says of the far server's key. `domains` are the far server's.
    fn start(domains: &[&str], records: impl Fn(u16, &str) -> String) -> Option<Self> {
        let setting = Setting { domains, near: UNCHECKED.to_owned(), ..Setting::default() };
        Self::start_with(&setting, records)
    }

    fn start_with(setting: &Setting<'_>, records: impl Fn(u16, &str) -> String) -> Option<Self> {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [port] = free_ports();
        let there = format!("listen.smtp = [\"{FAR}:{port}\"]\n{UNCHECKED}{}", setting.far);
        let far = Serving::start(dirs[1].path(), &there);
        let pem = fs::read_to_string(far.config.with_file_name("data").join("tls/server.pem"));
        // With a certificate of somebody else there is none of its own.
        let key = pem.map(|pem| tlsa(&Facts::of_chain(&pem).unwrap().key_digest)).unwrap_or_default();
        for domain in setting.domains {
            far.says(&["domain", "add", domain]);
            far.says(&["account", "add", &format!("bob@{domain}"), "--generate"]);
        }
        let zone = Zone::start(dirs[2].path(), &records(port, &key))?;
        let bad = BadHost::start(&format!("{BAD}:{port}"));
        let delivery = format!("delivery.by = \"mx\"\ndelivery.port = {port}\n{}", zone.options());
        // Only now there are the names that it sends to.
        far.stop();
        let far = Serving::start(dirs[1].path(), &format!("{there}{delivery}"));
        let options = format!("listen.smtp = [\"{NEAR}:{port}\"]\n{delivery}{}", setting.near);
        let environment: Vec<_> = setting.roots.iter().map(|roots| ("SSL_CERT_FILE", (*roots).to_owned())).collect();
        let near = serve(dirs[0].path(), &options, &environment);
        near.says(&["domain", "add", "near.test"]);
        let added = near.says(&["account", "add", "alice@near.test", "--generate", "--json"]);
        let added: serde_json::Value = serde_json::from_str(&added).unwrap();
        let password = added["password"].as_str().unwrap().to_owned();
        Some(Self { near, far, bad, port, password, options, environment, _zone: zone, dirs })
    }

    /// The near server stops, and starts again when its clock shows so many hours more than others do. `None`, and says so, where its
    /// clock cannot be moved.
    fn hours_ahead(self, hours: u32) -> Option<Self> {
        let library =
            ["x86_64", "aarch64"].map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"));
        let Some(library) = library.into_iter().map(PathBuf::from).find(|library| library.exists()) else {
            not_tested::without("faketime", "Debian: faketime");
            return None;
        };
        self.near.stop();
        let moved = [
            ("LD_PRELOAD", library),
            ("FAKETIME", format!("+{hours}h").into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        let environment = [&self.environment[..], &moved[..]].concat();
        let near = serve(self.dirs[0].path(), &self.options, &environment);
        Some(Self { near, ..self })
    }

    /// Alice sends a message to somebody.
    fn send(&self, recipient: &str) {
        self.send_with("", recipient);
    }

    /// The same, with parameters of `MAIL`.
    fn send_with(&self, parameters: &str, recipient: &str) {
        self.send_and_ask(parameters, recipient, "");
    }

    /// The same, with parameters of `RCPT`.
    fn send_and_ask(&self, parameters: &str, recipient: &str, wishes: &str) {
        let mut smtp = self.near.connect_tls("submissions");
        smtp.until("220 ");
        smtp.ask("EHLO pc.near.test", "250 ");
        let login = STANDARD.encode(format!("\0alice@near.test\0{}", self.password));
        smtp.ask(&format!("AUTH PLAIN {login}"), "235 ");
        smtp.ask(&format!("MAIL FROM:<alice@near.test>{parameters}"), "250 ");
        smtp.ask(&format!("RCPT TO:<{recipient}>{wishes}"), "250 ");
        smtp.ask("DATA", "354 ");
        smtp.ask(&format!("From: alice@near.test\r\nSubject: to {recipient}\r\n\r\nHello.\r\n."), "250 ");
        smtp.ask("QUIT", "221 ");
    }

    /// Another host brings the near server a message; the answer to all of it.
    fn bring(&self, from: &str, to: &str, fields: &str) -> String {
        let mut smtp = Lines::new(Box::new(TcpStream::connect((NEAR, self.near.port("smtp"))).unwrap()));
        smtp.until("220 ");
        smtp.ask("EHLO out.test", "250 ");
        smtp.ask(&format!("MAIL FROM:<{from}>"), "250 ");
        smtp.ask(&format!("RCPT TO:<{to}>"), "250 ");
        smtp.ask("DATA", "354 ");
        let message = format!("From: Ada <{from}>\r\nTo: {to}\r\n{fields}\r\nHello.");
        smtp.send(&message);
        let answer = smtp.ask(".", "").pop().unwrap();
        smtp.ask("QUIT", "221 ");
        answer
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

    /// What the near server makes of the next report that Alice gets: a letter of its own, or what another server sends.
    fn told(&self, is_own: bool) -> String {
        let logged = self.near.logged(if is_own { "sender told" } else { "delivered" });
        assert_eq!(logged["to"], "alice@near.test", "{logged}");
        let mut imap = self.inbox();
        let last = imap.ask("c FETCH * EMAILID", "c OK").join("\n");
        let email = between(&last, "EMAILID (", ")");
        self.near.says(&["timeline", "alice@near.test", "--message", email])
    }

    /// A device of Alice that has selected INBOX.
    fn inbox(&self) -> Lines {
        let mut imap = self.near.connect_tls("imaps");
        imap.until("* OK");
        imap.ask(&format!("a LOGIN alice@near.test {}", self.password), "a OK");
        imap.ask("b SELECT INBOX", "b OK");
        imap
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

fn serve(dir: &Path, options: &str, environment: &[(&'static str, PathBuf)]) -> Serving {
    let mut binary = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
    binary.envs(environment.iter().cloned());
    Serving::start_as(binary, dir, options)
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

/// RFC 8461 §5: who cannot prove to be a host of the domain gets no mail; under a policy in testing, or one that has expired,
/// mail goes as it does to anybody.
#[test]
fn a_policy_decides_who_gets_the_mail_as_long_as_it_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(dir.path());
    let domains = ["good", "wrong", "stripped", "testing"].map(|name| format!("{name}.plain.test"));
    let policy = |domain: &str| {
        let mode = if domain.starts_with("testing") { "testing" } else { "enforce" };
        format!("version: STSv1\r\nmode: {mode}\r\nmx: mx.{domain}\r\nmax_age: 86400\r\n")
    };
    let published: Vec<(&str, String)> = domains.iter().map(|domain| (domain.as_str(), policy(domain))).collect();
    let [port] = free_ports();
    let policies = Policies::start(&format!("{POLICIES}:{port}"), &authority, &published);
    let setting = Setting {
        domains: &domains.each_ref().map(String::as_str),
        near: format!("{UNCHECKED}delivery.mta_sts_port = {port}\n"),
        // One host for all, with a certificate for one of its names.
        far: authority.options(dir.path(), "mx.good.plain.test"),
        roots: Some(&authority.file),
    };
    let zone = |_, _: &str| {
        domains.iter().fold(String::new(), |zone, domain| {
            let host = if domain.starts_with("stripped") { BAD } else { FAR };
            format!(
                "{zone}{domain}. MX 10 mx.{domain}.\nmx.{domain}. A {host}\n_mta-sts.{domain}. TXT \"v=STSv1; id=1;\"\n\
                 mta-sts.{domain}. A {POLICIES}\n"
            )
        })
    };
    let Some(internet) = Internet::start_with(&setting, zone) else { return };
    for name in ["good", "testing"] {
        internet.send(&format!("bob@{name}.plain.test"));
        let said = internet.near.logged(OVER);
        assert!((&said["code"], &said["to"]) == (&250.into(), &format!("bob@{name}.plain.test").into()), "{said}");
    }
    for (name, why) in [("wrong", "certificate"), ("stripped", "STARTTLS")] {
        internet.send(&format!("bob@{name}.plain.test"));
        let said = internet.tried(DEFERRED);
        assert!(said.contains(why), "{name}: {said}");
    }
    // Two days later nothing is published any more, and what was has expired.
    policies.take_away();
    let Some(internet) = internet.hours_ahead(48) else { return };
    let mut gone = [(); 2].map(|()| internet.near.logged(OVER)["to"].as_str().unwrap().to_owned());
    gone.sort_unstable();
    assert_eq!(gone, ["bob@stripped.plain.test", "bob@wrong.plain.test"]);
    internet.until_the_queue_is_empty();
    let told = internet.bad.commands.lock().unwrap().clone();
    assert_eq!(told.iter().filter(|line| line.starts_with("MAIL")).count(), 1, "none before: {told:?}");
    internet.stop();
}

#[test]
fn a_circle_between_two_servers_ends_where_it_began_and_its_sender_is_told() {
    let zone = |_, _: &str| {
        format!(
            "ring.test. MX 10 mx.ring.test.\nmx.ring.test. A {FAR}\nnear.test. MX 10 mx.near.test.\nmx.near.test. A {NEAR}\n"
        )
    };
    let Some(internet) = Internet::start(&["ring.test"], zone) else { return };
    internet.near.says(&["alias", "add", "round@near.test", "round@ring.test"]);
    internet.far.says(&["alias", "add", "round@ring.test", "round@near.test"]);
    internet.send("round@near.test");
    assert!(internet.tried(OVER).starts_with("250 "));
    assert_eq!(internet.far.logged("passed on")["to"], "round@ring.test");
    let refused = internet.far.logged(FAILED);
    assert_eq!((&refused["to"], &refused["code"]), (&"round@near.test".into(), &554.into()), "{refused}");
    // Of what the far server passed on it tells whom it came from.
    assert!(internet.told(false).contains("could not be delivered to round@near.test"));
    internet.until_the_queue_is_empty();
    internet.stop();
}

/// RFC 5321 §4.5.4.1.
#[test]
fn a_host_that_says_later_for_three_days_has_the_message_once_and_its_sender_one_warning() {
    let zone = |_, _: &str| format!("bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\n");
    let Some(mut internet) = Internet::start(&[], zone) else { return };
    internet.send("later@bad.test");
    assert!(internet.tried(DEFERRED).starts_with("450 "));
    for hours in [5, 24, 48, 71] {
        let Some(later) = internet.hours_ahead(hours) else { return };
        internet = later;
        assert!(internet.tried(DEFERRED).starts_with("450 "), "after {hours} hours");
        if hours == 5 {
            assert!(internet.told(true).contains("has not been delivered yet to later@bad.test"));
        }
    }
    internet.bad.is_ready.store(true, Ordering::SeqCst);
    let Some(internet) = internet.hours_ahead(76) else { return };
    assert!(internet.tried(OVER).starts_with("250 "));
    internet.until_the_queue_is_empty();
    let message = internet.bad.messages.recv_timeout(PATIENCE).unwrap();
    assert!(message.contains(&"Subject: to later@bad.test".to_owned()), "{message:?}");
    assert!(internet.bad.messages.try_recv().is_err(), "it came twice");
    let mut imap = internet.inbox();
    assert!(imap.ask("c STATUS INBOX (MESSAGES)", "c OK")[0].contains("MESSAGES 1"), "one warning");
    internet.stop();
}

/// RFC 4865.
#[test]
fn a_mail_for_monday_is_in_nobodys_mailbox_before_and_in_everybodys_then() {
    let zone = |_, _: &str| format!("bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\n");
    let Some(internet) = Internet::start(&[], zone) else { return };
    for to in ["alice@near.test", "monday@bad.test", "never@bad.test"] {
        internet.send_with(" HOLDFOR=259200", to);
    }
    let card = internet.near.says(&["scheduled", "show", "alice@near.test", "--json"]);
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    assert_eq!(
        (&card["messages"][2]["subject"], &card["messages"][3]),
        (&"to never@bad.test".into(), &serde_json::Value::Null)
    );
    internet.near.says(&["scheduled", "cancel", "alice@near.test", &card["messages"][2]["id"].to_string()]);
    let Some(internet) = internet.hours_ahead(71) else { return };
    assert!(
        internet.near.says(&["scheduled", "show", "alice@near.test"]).starts_with("2 messages wait for their time.\n")
    );
    assert!(internet.bad.messages.try_recv().is_err(), "it went before its time");
    let Some(internet) = internet.hours_ahead(73) else { return };
    assert!(internet.tried(OVER).starts_with("250 "));
    internet.until_the_queue_is_empty();
    let message = internet.bad.messages.recv_timeout(PATIENCE).unwrap();
    assert!(message.contains(&"Subject: to monday@bad.test".to_owned()), "{message:?}");
    assert!(internet.bad.messages.try_recv().is_err(), "it came twice");
    let mut imap = internet.inbox();
    assert!(imap.ask("c STATUS INBOX (MESSAGES)", "c OK")[0].contains("MESSAGES 1"));
    assert!(imap.ask("d STATUS Sent (MESSAGES)", "d OK")[0].contains("MESSAGES 2"));
    internet.stop();
}

/// RFC 3461, RFC 3464: what became of a message is told across both, in each kind of report.
#[test]
fn postfix_and_this_server_exchange_mail_and_each_kind_of_report() {
    let dir = tempfile::tempdir().unwrap();
    let zone = |_, _: &str| {
        format!(
            "post.test. MX 10 mx.post.test.\nmx.post.test. A {POSTFIX}\npost.test. TXT \"v=spf1 ip4:{POSTFIX} -all\"\n\
             bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\n"
        )
    };
    // Whom a report of success goes to is looked at (SPF).
    let setting = Setting { near: "sender.greeting_pause_millis = 0\n".to_owned(), ..Setting::default() };
    let Some(internet) = Internet::start_with(&setting, zone) else { return };
    let Some(postfix) = Postfix::start(dir.path(), [POSTFIX, NEAR, BAD], internet.port) else { return };

    // There, and what Postfix tells of it.
    internet.send_and_ask("", "bob@post.test", " NOTIFY=SUCCESS");
    assert!(internet.tried(OVER).starts_with("250 "));
    assert!(postfix.received().contains("\nSubject: to bob@post.test\n"));
    let told = internet.told(false);
    assert!(told.contains("\"to bob@post.test\"") && told.contains("was delivered to bob@post.test"), "{told}");
    internet.send_and_ask("", "lost@post.test", " NOTIFY=FAILURE");
    let told = internet.told(false);
    assert!(told.contains("could not be delivered to lost@post.test: 550 5.1.1"), "{told}");
    internet.send_and_ask("", "late@post.test", " NOTIFY=DELAY");
    let told = internet.told(false);
    assert!(told.contains("has not been delivered yet to late@post.test"), "{told}");

    // Back, and what this server tells of it.
    postfix.send("SUCCESS", "alice@near.test");
    let report = postfix.received();
    check_report(&report, "delivered", "alice@near.test");
    internet.near.says(&["alias", "add", "lost@near.test", "nobody@post.test"]);
    postfix.send("FAILURE", "lost@near.test");
    check_report(&postfix.received(), "failed", "nobody@post.test");
    internet.near.says(&["alias", "add", "late@near.test", "later@bad.test"]);
    postfix.send("DELAY", "late@near.test");
    assert!(internet.tried(DEFERRED).starts_with("450 "));
    let Some(internet) = internet.hours_ahead(5) else { return };
    check_report(&postfix.received(), "delayed", "later@bad.test");
    internet.stop();
}

/// A report on one recipient, as it lies in a mailbox of Postfix.
fn check_report(report: &str, action: &str, recipient: &str) {
    let report = report.replace("; ", ";");
    for part in [
        "Return-Path: <>\n".to_owned(),
        "report-type=delivery-status".to_owned(),
        format!("\nFinal-Recipient: rfc822;{recipient}\n"),
        format!("\nAction: {action}\n"),
    ] {
        assert!(report.contains(&part), "{part:?} is not in\n{report}");
    }
}

/// From joining by mail over a post and mail that comes back to leaving with one click.
#[test]
fn a_list_lives_between_servers() {
    let zone = |_, _: &str| {
        format!(
            "bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\nfar.test. MX 10 mx.far.test.\nmx.far.test. A {FAR}\n"
        )
    };
    let Some(internet) = Internet::start(&["far.test"], zone) else { return };
    let (near, choir) = (&internet.near, "choir@near.test");
    near.says(&["list", "add", choir, "--owner", "alice@near.test", "--title", "The Choir"]);
    near.says(&["list", "joining", choir, "open"]);
    // Whoever asks for the keys of a domain finds them made.
    near.says(&["domain", "records", "near.test"]);
    near.says(&["list", "join", choir, "bob@far.test"]);
    let said = internet.bring("ada@bad.test", choir, "Message-ID: <0@bad.test>\r\n");
    assert!(said.starts_with("550 5.7.2 "), "who is no member may not write: {said}");
    assert!(internet.bring("ada@bad.test", "choir+join@near.test", "").starts_with("250 "));
    assert_eq!(near.logged("joined a list")["member"], "ada@bad.test");
    let welcome = internet.bad.messages.recv_timeout(PATIENCE).unwrap().join("\r\n");
    assert!(welcome.contains("is a member of this list now"), "{welcome}");
    near.says(&["list", "join", choir, "gone@far.test"]);
    for _ in 0..2 {
        let said = internet.bring("ada@bad.test", choir, "Subject: Gr\u{fc}\u{df}e\r\nMessage-ID: <1@bad.test>\r\n");
        assert!(said.starts_with("250 "), "{said}");
    }
    let copy = internet.bad.messages.recv_timeout(PATIENCE).unwrap().join("\r\n");
    let (head, _) = copy.split_once("\r\n\r\n").unwrap();
    for field in [
        "From: Ada via \"The Choir\"\r\n <choir@near.test>",
        "Reply-To: <ada@bad.test>",
        "Precedence: list",
        "List-Id: \"The Choir\" <choir.near.test>",
        "List-Post: <mailto:choir@near.test>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "DKIM-Signature: ",
    ] {
        assert!(head.replace("\"Ada\"", "Ada").contains(field), "{field} in {head}");
    }
    assert!(head.is_ascii(), "{head}");
    assert_eq!(internet.far.logged("delivered")["to"], "bob@far.test");
    assert_eq!(near.logged("list mail came back")["member"], "gone@far.test");
    // A mail program presses the button: without a cookie, and without looking first.
    let link = between(head, "List-Unsubscribe: <https://", ">");
    let (_, path) = link.split_once('/').unwrap();
    let answer = page(near, &format!("POST /{path}"), "", "List-Unsubscribe=One-Click");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let shown = near.says(&["list", "show", choir]);
    assert!(!shown.contains("ada@bad.test") && shown.contains("bob@far.test"), "{shown}");
    assert!(internet.bad.messages.try_recv().is_err(), "the second time it went to nobody");
    // What a stranger writes waits for Alice, and goes out when she says so.
    near.says(&["list", "approval", choir, "others"]);
    let said = internet.bring("zoe@bad.test", choir, "Subject: Concert\r\nMessage-ID: <2@bad.test>\r\n");
    assert!(said.starts_with("250 "), "{said}");
    assert_eq!(near.logged("post taken")["waits"], true);
    let waiting = near.says(&["list", "waiting", choir]);
    assert!(waiting.contains("zoe@bad.test") && waiting.contains("Concert"), "{waiting}");
    near.says(&["list", "approve", choir, "2"]);
    assert_eq!(internet.far.logged("delivered")["to"], "bob@far.test");
    internet.stop();
}

#[test]
fn a_test_tells_what_the_other_server_said_and_what_it_found_out() {
    let zone = |_, _: &str| {
        format!(
            "bad.test. MX 10 mx.bad.test.\nmx.bad.test. A {BAD}\nfar.test. MX 10 mx.far.test.\nmx.far.test. A {FAR}\n"
        )
    };
    let Some(internet) = Internet::start(&["far.test"], zone) else { return };
    let near = &internet.near;
    near.says(&["test-mail", "send", "alice@near.test", "bob@far.test"]);
    assert!(internet.tried(OVER).starts_with("250 "));
    assert_eq!(internet.far.logged("delivered")["to"], "bob@far.test");
    let told = near.says(&["test-mail", "show"]);
    assert!(told.contains("the way out: mx.far.test took it: 250 "), "{told}");
    assert!(told.contains("TLS, with whoever it is") && told.contains("(DSN)"), "{told}");
    // A host that speaks no TLS puts it off, takes it, and somebody there sends it back.
    near.says(&["test-mail", "send", "alice@near.test", "grey@bad.test"]);
    assert!(internet.tried(DEFERRED).starts_with("451 "));
    let told = near.says(&["test-mail", "show", "alice@near.test"]);
    assert!(told.contains("mx.bad.test: 451 not now") && told.contains("takes it the next time"), "{told}");
    internet.retry();
    assert!(internet.tried(OVER).starts_with("250 "));
    let mut test = internet.bad.messages.recv_timeout(PATIENCE).unwrap();
    assert_eq!(test.pop().as_deref(), Some("."));
    let test = test.join("\r\n");
    let fields = format!(
        "Subject: Fwd\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n\r\n\
         Authentication-Results: mx.bad.test; spf=fail smtp.mailfrom=near.test;\r\n dkim=pass; dmarc=pass\r\n\
         Received: from localhost ([127.0.0.1]) by mx.bad.test with ESMTP; Sun, 29 Nov 2026 00:00:00 +0000\r\n{test}"
    );
    assert!(internet.bring("grey@bad.test", "alice@near.test", &fields).starts_with("250 "));
    near.logged("a test came back");
    let told = near.says(&["test-mail", "show", "alice@near.test"]);
    for words in [
        "it was put off first",
        "in the clear",
        "an answer of grey@bad.test",
        "SPF, as mx.bad.test has it: fail",
        "compare it with `pillarbox domain records near.test`",
        "DKIM, as mx.bad.test has it: pass",
        "TLS, as the other side saw it: no TLS",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    internet.stop();
}

#[test]
fn a_test_goes_out_and_in_again_and_is_looked_at_as_mail_of_a_stranger() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [port] = free_ports();
    let here = format!("listen.smtp = [\"127.0.0.1:{port}\"]\nsender.greeting_pause_millis = 0\n");
    let near = Serving::start(dirs[0].path(), &here);
    near.says(&["domain", "add", "near.test"]);
    near.says(&["account", "add", "alice@near.test", "--generate"]);
    let records = near.says(&["domain", "records", "near.test"]);
    let keys: Vec<&str> = records.lines().filter(|line| line.contains("._domainkey.")).collect();
    assert!(!keys.is_empty(), "{records}");
    near.stop();
    let zone = format!(
        "near.test. MX 10 localhost.\nnear.test. TXT \"v=spf1 ip4:127.0.0.1 -all\"\n_dmarc.near.test. TXT \"v=DMARC1; p=reject\"\n{}\n",
        keys.join("\n")
    );
    let Some(zone) = Zone::start(dirs[1].path(), &zone) else { return };
    let delivery = format!("delivery.by = \"mx\"\ndelivery.port = {port}\n{}", zone.options());
    let near = Serving::start(dirs[0].path(), &format!("{here}{delivery}"));
    near.says(&["test-mail", "send", "alice@near.test"]);
    near.logged("a test came back");
    let told = near.says(&["test-mail", "show"]);
    for words in [
        "the test is in the mailbox",
        "SPF, as localhost has it: pass",
        "DKIM, as localhost has it: pass",
        "DMARC, as localhost has it: pass",
        "reverse name, as localhost has it: pass",
        "TLS, as the other side saw it: TLS",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    near.stop();
}

/// What comes to the near server comes through a relay in front of it: nobody looks at who is on this machine.
const BEHIND_A_RELAY: &str = "sender.trusted_relays = [\"127.0.0.1\"]\n";

/// What near.test publishes of its keys, and the password of Alice; a server in `dir` starts for that and stops again.
fn keys_and_password(dir: &Path, options: &str) -> (String, String) {
    let near = Serving::start(dir, options);
    near.says(&["domain", "add", "near.test"]);
    let added = near.says(&["account", "add", "alice@near.test", "--generate", "--json"]);
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    let records = near.says(&["domain", "records", "near.test"]);
    near.stop();
    let keys = records.lines().filter(|line| line.contains("._domainkey.")).map(|line| format!("{line}\n"));
    (keys.collect(), added["password"].as_str().unwrap().to_owned())
}

/// Another implementation signs as the host of an author, and says at the far end what is left of the proof.
#[test]
fn what_is_passed_on_proves_at_the_far_end_who_wrote_it_and_who_passed_it_on() {
    let Some(verifier) = Verifier::find() else { return };
    let dirs = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let [near_dir, far_dir, zone_dir, dir] = dirs.each_ref().map(TempDir::path);
    let [port] = free_ports();
    let here = format!("listen.smtp = [\"{NEAR}:{port}\"]\n{BEHIND_A_RELAY}");
    let (keys, _) = keys_and_password(near_dir, &here);
    let author = Author::new(dir);
    let zone = author.records()
        + &keys
        + &format!(
            "far.test. MX 10 mx.far.test.\nmx.far.test. A {FAR}\nnear.test. TXT \"v=spf1 ip4:127.0.0.1 -all\"\n"
        );
    let Some(zone) = Zone::start(zone_dir, &zone) else { return };
    let delivery = format!("delivery.by = \"mx\"\ndelivery.port = {port}\n{}", zone.options());
    let far = Serving::start(far_dir, &format!("listen.smtp = [\"{FAR}:{port}\"]\n{UNCHECKED}{delivery}"));
    far.says(&["domain", "add", "far.test"]);
    far.says(&["account", "add", "bob@far.test", "--generate"]);
    let near = Serving::start(near_dir, &format!("{here}{delivery}"));
    let of_bob = |at: usize, subject: &str| {
        assert_eq!(far.logged("delivered")["to"], "bob@far.test");
        let to = dir.join(format!("bob-{at}"));
        far.says(&["export", to.to_str().unwrap(), "--account", "bob@far.test"]);
        let files = ["new", "cur"].map(|name| fs::read_dir(to.join(name)).unwrap());
        let mut messages = files.into_iter().flatten().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        messages.find(|message| message.contains(&format!("\nSubject: {subject}"))).unwrap()
    };
    // A personal forward, once Bob has agreed to it, and an alias.
    near.says(&["forward", "ask", "alice@near.test", "bob@far.test"]);
    let letter = of_bob(0, "");
    let code = letter.lines().map(str::trim).find(|line| {
        line.len() == 11 && line.split_once('-').is_some_and(|(first, last)| first.len() == 5 && last.len() == 5)
    });
    near.says(&["forward", "confirm", "alice@near.test", code.unwrap_or_else(|| panic!("no code in {letter}"))]);
    far.logged("delivered");
    near.says(&["alias", "add", "choir@near.test", "bob@far.test"]);
    for (at, to) in [(1, "alice@near.test"), (2, "choir@near.test")] {
        author.send(&verifier, (NEAR, near.port("smtp")), to, "");
        let received = of_bob(at, &format!("to {to}"));
        let found = verifier.look(&zone, "127.0.0.1", &received);
        let path = found["path"].as_str().unwrap();
        assert!(path.starts_with("SRS0=") && path.ends_with("=out.test=ada@near.test"), "{found}");
        let expected = serde_json::json!({
            "path": path, "signed_by": ["out.test"], "spf": "pass", "policy": "reject", "dmarc": "pass",
            "arc": "pass", "sealed_by": ["near.test"],
        });
        assert_eq!(found, expected, "{received}");
        let sealed =
            received.split_once("\nARC-Authentication-Results: i=1;").unwrap().1.split("\nARC-").next().unwrap();
        for result in ["spf=pass smtp.mailfrom=out.test", "dkim=pass header.d=out.test", "dmarc=pass"] {
            assert!(sealed.contains(result), "{result} is not in {sealed}");
        }
        // What this server would say in the place of the far one, and what is left when somebody changes it.
        let ours = verify_message(&zone, (path, "127.0.0.1"), &received);
        for result in ["spf=pass", "dkim=pass header.d=out.test", "arc=pass", "dmarc=pass"] {
            assert!(ours.contains(result), "{result} is not in {ours}");
        }
        let changed = received.replace("Hello", "Hullo");
        let found = verifier.look(&zone, "127.0.0.9", &changed);
        assert_eq!((&found["arc"], &found["dmarc"], &found["spf"]), (&"fail".into(), &"fail".into(), &"fail".into()));
        assert!(verify_message(&zone, (path, "127.0.0.9"), &changed).contains("dmarc=fail"));
    }
    far.stop();
    near.stop();
}

/// RFC 9477: a sender who has signed that they want it is told, with a signature, and of nothing but the message's name and mark.
#[test]
fn a_sender_who_asks_is_told_what_was_moved_into_junk() {
    let Some(verifier) = Verifier::find() else { return };
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [near_dir, zone_dir, dir] = dirs.each_ref().map(TempDir::path);
    let [port] = free_ports();
    let here = format!("listen.smtp = [\"{NEAR}:{port}\"]\n{BEHIND_A_RELAY}reports.complaints = true\n");
    let (keys, password) = keys_and_password(near_dir, &here);
    let author = Author::new(dir);
    let zone = author.records() + &keys + &format!("out.test. MX 10 mx.out.test.\nmx.out.test. A {BAD}\n");
    let Some(zone) = Zone::start(zone_dir, &zone) else { return };
    let bad = BadHost::start(&format!("{BAD}:{port}"));
    let delivery = format!("delivery.by = \"mx\"\ndelivery.port = {port}\n{}", zone.options());
    let near = Serving::start(near_dir, &format!("{here}{delivery}"));
    let fields = "CFBL-Address: fbl@out.test; report=arf\r\nCFBL-Feedback-ID: 7:of-alice\r\n";
    author.send(&verifier, (NEAR, near.port("smtp")), "alice@near.test", fields);
    assert_eq!(near.logged("delivered")["to"], "alice@near.test");
    let mut imap = near.imap("alice@near.test", &password);
    imap.ask("a SELECT INBOX", "a OK");
    imap.ask("b MOVE 1 Junk", "b OK");
    assert_eq!(near.logged("complaint sent")["to"], "fbl@out.test");
    let mut report = bad.messages.recv_timeout(PATIENCE).unwrap();
    assert_eq!(report.pop().as_deref(), Some("."));
    let report = report.join("\r\n") + "\r\n";
    let found = verifier.look(&zone, "127.0.0.1", &report);
    assert!(found["signed_by"].as_array().unwrap().contains(&"near.test".into()), "{found}: {report}");
    for part in ["Feedback-Type: abuse", "Message-ID: <1.15@out.test>", "CFBL-Feedback-ID: 7:of-alice"] {
        assert!(report.contains(&format!("\r\n{part}\r\n")), "{part} is not in {report}");
    }
    assert!(!report.contains("alice@near.test") && !report.contains("Hello"), "{report}");
    let told = near.says(&["timeline", "alice@near.test"]);
    assert!(told.contains("fbl@out.test was told that it was called junk"), "{told}");
    near.stop();
}
