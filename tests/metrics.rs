//! The metrics: what the real binary tells is what `docs/metrics.md`, the dashboard and the alerts say, and it counts right.

#![allow(clippy::unwrap_used)]

mod rig;

use metrics::{ALL, Kind, Name};
use rig::{Serving, says};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

#[test]
fn the_document_has_every_metric() {
    let row = |Name { name, kind, labels, text }: &Name| {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {} | {} | {text} |\n", kind.name(), labels.join(" "))
    };
    let rows: String = ALL.iter().map(row).collect();
    let table = format!("| metric | kind | labels | |\n|---|---|---|---|\n{rows}");
    assert!(document("metrics.md").contains(&table), "docs/metrics.md is to have this table:\n{table}");
}

/// The names in a text that are of ours, each without what a histogram adds to it.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("pillarbox_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_what_there_is_and_show_all_of_it() {
    let exposed: BTreeSet<String> = ALL
        .iter()
        .flat_map(|Name { name, kind, .. }| match kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")).to_vec(),
            Kind::Counter | Kind::Gauge => vec![(*name).to_owned()],
        })
        .collect();
    let dashboard = document("grafana-dashboard.json");
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    for text in [&dashboard, &document("prometheus-alerts.yml")] {
        let unknown: Vec<String> = names_in(text).difference(&exposed).cloned().collect();
        assert_eq!(unknown, Vec::<String>::new());
    }
    let shown = names_in(&dashboard);
    let unseen: Vec<&str> = ALL.iter().map(|metric| metric.name).filter(|name| !shows(&shown, name)).collect();
    // What is always the same, or beside something that is shown.
    let left_out = ["pillarbox_connections_max", "pillarbox_connections_accepted_total", "process_start_time_seconds"];
    assert_eq!(unseen, left_out);
}

fn shows(shown: &BTreeSet<String>, name: &str) -> bool {
    ["", "_bucket", "_sum", "_count"].iter().any(|end| shown.contains(&format!("{name}{end}")))
}

/// The answer to a GET: its status, and what follows the head.
fn get(server: &Serving, path: &str, fields: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port("metrics"))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// The samples of an exposition, by their names with labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

fn traffic(server: &Serving, password: &str) {
    let mut imap = server.connect_plain("imap");
    imap.ask("a LOGIN alice@example.org wrong", "a NO");
    imap.ask(&format!("b LOGIN alice@example.org {password}"), "b OK");
    imap.ask("c SELECT INBOX", "c OK");
    imap.ask("d IDLE", "+ idling");
    let mut pop3 = server.connect_plain("pop3");
    pop3.ask("USER alice@example.org", "+OK");
    pop3.ask(&format!("PASS {password}"), "+OK 0");
    pop3.ask("QUIT", "+OK");
    let mut smtp = server.connect_plain("smtp");
    smtp.until("220 ");
    smtp.ask("EHLO c", "250 ");
    smtp.ask("MAIL FROM:<bob@example.net>", "250 ");
    smtp.ask("RCPT TO:<nobody@example.org>", "550 ");
    smtp.ask("RCPT TO:<alice@example.org>", "250 ");
    smtp.ask("DATA", "354 ");
    smtp.ask("Subject: hi\r\n\r\nx\r\n.", "250 ");
    // The commit wakes who idles.
    imap.until("* 1 EXISTS");
    imap.ask("DONE", "d OK");
    imap.ask("e STORE 1 +FLAGS (\\Seen)\r\nf STORE 1 +FLAGS (\\Flagged)", "f OK");
    imap.ask("g LOGOUT", "g OK");
    assert!(rig::page(server, "GET /login", "", "").starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_happens_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "0123456789abcdef\n").unwrap();
    let more = "listen.metrics = [\"127.0.0.1:0\"]\nmetrics.token_file = \"token\"\n";
    let server = Serving::start(dir.path(), more);
    server.says(&["domain", "add", "example.org"]);
    let added = server.says(&["account", "add", "alice@example.org", "--generate", "--json"]);
    let added: serde_json::Value = serde_json::from_str(&added).unwrap();
    traffic(&server, added["password"].as_str().unwrap());
    let backup = dir.path().join("backup");
    let config = server.config.to_str().unwrap();
    assert!(says(&["backup", backup.to_str().unwrap(), "--config", config]).contains("1 account"));

    assert_eq!(get(&server, "/health", ""), (200, "ok\n".to_owned()));
    assert_eq!(get(&server, "/ready", ""), (200, "ready\n".to_owned()));
    assert_eq!(get(&server, "/metrics", "").0, 401);
    let (status, text) = get(&server, "/metrics", "Authorization: Bearer 0123456789abcdef\r\n");
    assert_eq!(status, 200);
    let told = samples(&text);
    for (sample, expected) in [
        ("pillarbox_logins_total{protocol=\"imap\",outcome=\"ok\"}", 1.0),
        ("pillarbox_logins_total{protocol=\"imap\",outcome=\"wrong name or password\"}", 1.0),
        ("pillarbox_logins_total{protocol=\"pop3\",outcome=\"ok\"}", 1.0),
        ("pillarbox_command_seconds_count{protocol=\"imap\",command=\"LOGIN\"}", 2.0),
        ("pillarbox_command_seconds_count{protocol=\"imap\",command=\"IDLE\"}", 1.0),
        ("pillarbox_command_seconds_count{protocol=\"imap\",command=\"STORE\"}", 2.0),
        ("pillarbox_command_seconds_count{protocol=\"pop3\",command=\"PASS\"}", 1.0),
        ("pillarbox_command_seconds_count{protocol=\"pop3\",command=\"QUIT\"}", 1.0),
        ("pillarbox_command_seconds_count{protocol=\"smtp\",command=\"RCPT\"}", 2.0),
        ("pillarbox_command_seconds_count{protocol=\"smtp\",command=\"end of data\"}", 1.0),
        ("pillarbox_command_seconds_count{protocol=\"web\",command=\"page\"}", 1.0),
        ("pillarbox_connections_accepted_total{service=\"imap\"}", 1.0),
        ("pillarbox_deliveries_total{mailbox=\"inbox\"}", 1.0),
        ("pillarbox_refusals_total{protocol=\"smtp\",what=\"recipient\",class=\"permanent\"}", 1.0),
        ("pillarbox_queue_messages{state=\"waiting\"}", 0.0),
        ("pillarbox_queue_destination_messages{destination=\"(others)\",state=\"waiting\"}", 0.0),
        ("pillarbox_disk_refuses_mail", 0.0),
    ] {
        assert_eq!(told.get(sample), Some(&expected), "{sample} in\n{text}");
    }
    for (sample, least) in [
        ("pillarbox_store_commits_total{outcome=\"ok\"}", 3.0),
        ("pillarbox_store_flush_seconds_count", 3.0),
        ("pillarbox_hint_lag_seconds_count", 1.0),
        ("pillarbox_step_seconds_count", 10.0),
        ("pillarbox_worst_step_seconds", 0.000_001),
        ("pillarbox_last_backup_timestamp_seconds", 1_700_000_000.0),
        ("pillarbox_certificate_expiry_timestamp_seconds", 1_700_000_000.0),
        ("pillarbox_store_wal_bytes", 1.0),
        ("pillarbox_disk_free_bytes", 1.0),
        ("process_resident_memory_bytes", 1_000_000.0),
        ("process_open_fds", 10.0),
    ] {
        assert!(told.get(sample).is_some_and(|value| *value >= least), "{sample} is below {least} in\n{text}");
    }
    none_is_unknown(&text);
    server.stop();
}

/// No name, label or kind that is not in the table.
fn none_is_unknown(text: &str) {
    let known: BTreeMap<&str, &Name> =
        ALL.iter().map(|metric| (metric.name.trim_end_matches("_total"), metric)).collect();
    let mut labels = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let metric = known.get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
            assert_eq!(kind, metric.kind.name(), "{name}");
            labels.insert(name, metric.labels.iter().copied().chain(["le"]).collect::<BTreeSet<&str>>());
        } else if let Some((name, rest)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let base = labels.keys().filter(|known| name.starts_with(**known)).max_by_key(|known| known.len()).unwrap();
            for label in rest.split('}').next().unwrap().split(',') {
                assert!(labels[base].contains(label.split('=').next().unwrap()), "{line}");
            }
        }
    }
}
