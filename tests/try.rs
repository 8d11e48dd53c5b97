//! The real binary as a new user meets it: `pillarbox try`, mail in and out over TLS, the command line beside it.

#![allow(clippy::unwrap_used)]

mod rig;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rig::{Lines, Serving, Trial, run, says};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What a person waits for the table. An unoptimised build hashes and starts more slowly, and shares its processors
/// with all other tests.
const START_MAX: Duration = if cfg!(debug_assertions) { Duration::from_secs(20) } else { Duration::from_secs(2) };
/// From SIGTERM to the end.
const STOP_MAX: Duration = Duration::from_secs(5);

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";

fn send_over_submission(trial: &Trial, subject: &str) {
    let mut smtp = trial.connect_tls(trial.port("send: submission", 0));
    smtp.until("220 ");
    smtp.ask("EHLO pc.example.org", "250 ");
    let login = STANDARD.encode(format!("\0{BOB}\0{}", trial.password(BOB)));
    smtp.ask(&format!("AUTH PLAIN {login}"), "235 ");
    smtp.ask(&format!("MAIL FROM:<{BOB}>"), "250 ");
    smtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    smtp.ask("DATA", "354 ");
    smtp.ask(&format!("From: {BOB}\r\nTo: {ALICE}\r\nSubject: {subject}\r\n\r\nThis is {subject}.\r\n."), "250 ");
    smtp.ask("QUIT", "221 ");
}

fn send_without_login(mut lines: Lines, hello: &str, subject: &str) {
    lines.until("220 ");
    lines.ask(hello, "250 ");
    lines.ask("MAIL FROM:<carol@example.net>", "250 ");
    lines.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    lines.ask("DATA", "354 ");
    lines.ask(&format!("From: carol@example.net\r\nSubject: {subject}\r\n\r\nThis is {subject}.\r\n."), "250 ");
    lines.ask("QUIT", "221 ");
}

/// The subjects in INBOX over IMAP with TLS from the first byte.
fn imap_subjects(trial: &Trial) -> Vec<String> {
    let mut imap = trial.connect_tls(trial.port("read: IMAP", 0));
    imap.until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} {}", trial.password(ALICE)), "a OK");
    imap.ask("b SELECT INBOX", "b OK");
    let lines = imap.ask("c FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "c OK");
    imap.ask("d LOGOUT", "d OK");
    lines.iter().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect()
}

/// The subjects in the maildrop over POP3 after STLS would be the same; here with TLS from the first byte.
fn pop_subjects(trial: &Trial) -> Vec<String> {
    let mut pop = trial.connect_tls(trial.port("read: POP3", 0));
    pop.until("+OK");
    pop.ask(&format!("USER {ALICE}"), "+OK");
    pop.ask(&format!("PASS {}", trial.password(ALICE)), "+OK");
    let count: usize = pop.ask("STAT", "+OK")[0].split(' ').nth(1).unwrap().parse().unwrap();
    let subjects = (1..=count).map(|number| {
        let lines = pop.ask(&format!("RETR {number}"), ".");
        lines.iter().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned()
    });
    let subjects = subjects.collect();
    pop.ask("QUIT", "+OK");
    subjects
}

#[test]
fn mail_goes_in_over_three_protocols_and_out_over_two_and_a_restart_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let trial = Trial::start(&dir.path().join("data"));
    assert!(trial.started_in < START_MAX, "{:?}", trial.started_in);
    send_over_submission(&trial, "one");
    send_without_login(trial.connect_plain(trial.port("receive: SMTP", 0)), "EHLO mx.example.net", "two");
    send_without_login(trial.connect_plain(trial.port("receive: LMTP", 0)), "LHLO mx.example.net", "three");
    let expected = ["Welcome to Pillarbox", "one", "two", "three"];
    assert_eq!(imap_subjects(&trial), expected);
    assert_eq!(pop_subjects(&trial), expected);
    let passwords = [ALICE, BOB].map(|address| trial.password(address));
    trial.stop();

    let trial = Trial::start(&dir.path().join("data"));
    assert_eq!([ALICE, BOB].map(|address| trial.password(address)), passwords);
    assert_eq!(imap_subjects(&trial), expected);
    assert_eq!(pop_subjects(&trial), expected);
    trial.stop();
}

#[test]
fn with_ports_that_the_system_chose_letters_and_links_led_to_port_0() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serving::start(dir.path(), "listen.redirect = [\"127.0.0.1:0\"]\n");
    let mut browser = server.connect_plain("redirect");
    let moved = browser.ask("GET /login HTTP/1.1\r\nHost: localhost\r\n", "location: ");
    let expected = format!("location: https://localhost:{}/login", server.port("https"));
    assert_eq!(moved.last(), Some(&expected));
    server.stop();
}

/// What each device is told in each scene: IMAP, IMAP, POP3.
fn scenes(told: &str) -> Vec<[u32; 3]> {
    let counts = told.lines().filter(|line| line.ends_with(" in INBOX") || line.ends_with(" in its list"));
    let counts: Vec<u32> =
        counts.filter_map(|line| line.split_whitespace().rev().find_map(|word| word.parse().ok())).collect();
    counts.as_chunks().0.to_vec()
}

#[test]
fn the_story_shows_that_mail_a_device_takes_stays_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let play = || Trial::start_until(&data, &["--story"], "plays it again");
    let trial = play();
    assert_eq!(scenes(&trial.guide), [[1, 1, 1], [7, 7, 7], [7, 7, 0], [1, 1, 0], [7, 7, 0]], "{}", trial.guide);
    let pages = trial.guide.lines().filter_map(|line| line.trim().strip_prefix("See it: http://127.0.0.1:"));
    let pages: Vec<&str> = pages.filter_map(|link| link.split_once('/')).map(|(_, page)| page).collect();
    assert_eq!(pages, ["devices", "timeline", "timeline", "undo", "timeline"]);
    // The command that it shows is one that works.
    let undo = trial.guide.lines().find_map(|line| line.trim().strip_prefix("pillarbox undo ")).unwrap();
    assert!(undo.ends_with("--account alice@example.org --device \"phone\" --since \"1 day ago\""), "{undo}");
    let path = data.to_str().unwrap();
    let again = ["undo", "--data-dir", path, "--account", ALICE, "--device", "phone", "--since", "1 day ago"];
    assert!(says(&again).starts_with("There is nothing to take back."));
    trial.stop();

    let trial = play();
    assert_eq!(scenes(&trial.guide), [[7, 7, 7], [13, 13, 13], [13, 13, 0], [7, 7, 0], [13, 13, 0]], "{}", trial.guide);
    assert!(trial.guide.contains("--device \"phone 2\""), "{}", trial.guide);
    trial.stop();
}

/// The lines of README that are typed into a second terminal while `pillarbox try` runs.
fn typed_by_hand() -> String {
    let readme = include_str!("../README.md");
    let (_, after) = readme.split_once("By hand, in another terminal").unwrap();
    let lines = after.lines().skip_while(|line| !line.starts_with("    "));
    lines.take_while(|line| line.starts_with("    ")).map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn readme_is_followed_by_the_letter_and_brings_back_what_the_old_pc_took() {
    let home = tempfile::tempdir().unwrap();
    let trial = Trial::start(&home.path().join(".local/share/pillarbox"));
    let steps = typed_by_hand();
    assert!(steps.lines().count() >= 7 && steps.contains("pop3s://localhost:1995/"), "{steps}");
    // All but the port, which may be another server's here.
    let steps = steps.replace("localhost:1995", &format!("localhost:{}", trial.port("read: POP3", 0)));
    let binaries = Path::new(env!("CARGO_BIN_EXE_pillarbox")).parent().unwrap().to_str().unwrap();
    let path = format!("{binaries}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &steps]).env("HOME", home.path()).env("PATH", path).env_remove("XDG_DATA_HOME");
    let output = shell.output().unwrap();
    let (said, wrong) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && wrong.is_empty(), "{said}{wrong}");
    for part in [
        "removed by old PC on ",
        "1 message: put back",
        "Pillarbox over the command line: undid what old PC had done",
        "“old PC” was revoked",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert_eq!(imap_subjects(&trial), ["Welcome to Pillarbox"]);
    trial.stop();
}

#[test]
fn starttls_leads_to_the_same_mailbox_on_every_service_that_offers_it() {
    let dir = tempfile::tempdir().unwrap();
    let trial = Trial::start(&dir.path().join("data"));
    let check = |port: u16, ask: &[(&str, &str)], after: (&str, &str)| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut lines = Lines::new(Box::new(stream.try_clone().unwrap()));
        lines.line();
        for (line, end) in ask {
            lines.ask(line, end);
        }
        let mut secure = Lines::new(rig::tls(stream, &trial.authority()));
        secure.ask(after.0, after.1);
    };
    check(trial.port("read: IMAP", 1), &[("a STARTTLS", "a OK")], ("b CAPABILITY", "b OK"));
    check(trial.port("read: POP3", 1), &[("STLS", "+OK")], ("CAPA", "."));
    check(trial.port("send: submission", 1), &[("EHLO a", "250 "), ("STARTTLS", "220 ")], ("EHLO a", "250 "));
    check(trial.port("receive: SMTP", 0), &[("EHLO a", "250 "), ("STARTTLS", "220 ")], ("EHLO a", "250 "));
    trial.stop();
}

#[test]
fn a_stop_says_goodbye_and_takes_less_than_five_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let mut trial = Trial::start(&dir.path().join("data"));
    let mut imap = trial.connect_tls(trial.port("read: IMAP", 0));
    imap.until("* OK");
    imap.ask(&format!("a LOGIN {ALICE} {}", trial.password(ALICE)), "a OK");
    imap.ask("b SELECT INBOX", "b OK");
    imap.ask("c IDLE", "+");
    let mut pop = trial.connect_plain(trial.port("read: POP3", 1));
    pop.until("+OK");
    let begin = Instant::now();
    trial.signal(Signal::TERM);
    imap.until("* BYE");
    pop.until("-ERR");
    assert!(trial.wait().success());
    assert!(begin.elapsed() < STOP_MAX, "{:?}", begin.elapsed());
}

#[test]
fn a_reload_keeps_connections_and_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let trial = Trial::start(&dir.path().join("data"));
    let mut imap = trial.connect_tls(trial.port("read: IMAP", 0));
    imap.until("* OK");
    trial.signal(Signal::HUP);
    imap.ask("a NOOP", "a OK");
    let mut after = trial.connect_tls(trial.port("read: IMAP", 0));
    after.until("* OK");
    trial.stop();
}

#[test]
fn a_device_that_is_revoked_is_kept_out_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let trial = Trial::start(&dir.path().join("data"));
    let place = trial.data_dir.to_str().unwrap().to_owned();
    let added = says(&["device", "add", ALICE, "phone", "--data-dir", &place]);
    let password = added.lines().find_map(|line| line.strip_prefix("Password (shown only now): ")).unwrap().to_owned();
    let login = |expected: &str| {
        let mut imap = trial.connect_tls(trial.port("read: IMAP", 0));
        imap.until("* OK");
        imap.ask(&format!("a LOGIN {ALICE} {password}"), expected);
    };
    login("a OK");
    assert!(says(&["device", "list", ALICE, "--data-dir", &place]).contains("phone  application password  imap"));
    assert_eq!(says(&["device", "revoke", ALICE, "phone", "--data-dir", &place]), "Device 1 “phone” was revoked.\n");
    login("a NO");
    trial.stop();
}

#[test]
fn the_commands_say_the_same_on_a_running_server_and_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let trial = Trial::start(&dir.path().join("data"));
    let place = trial.data_dir.to_str().unwrap().to_owned();
    let ask = |arguments: &[&str]| says(&[arguments, &["--data-dir", &place]].concat());
    ask(&["domain", "add", "example.net"]);
    ask(&["account", "add", "carol@example.net", "--generate", "--name", "Carol"]);
    ask(&["alias", "add", "team@example.net", ALICE, "carol@example.net"]);
    ask(&["account", "disable", "carol@example.net"]);
    ask(&["account", "admin", "carol@example.net", "on"]);
    ask(&["invite", "add", "--address", "dave@example.net"]);
    let questions: [&[&str]; 10] = [
        &["account", "list"],
        &["account", "list", "--json"],
        &["account", "show", ALICE],
        &["device", "list", ALICE],
        &["alias", "list"],
        &["domain", "list", "--json"],
        &["request", "list"],
        &["invite", "list", "--json"],
        &["queue", "list"],
        &["check", "--bodies"],
    ];
    let running = questions.map(ask);
    trial.stop();
    assert_eq!(questions.map(ask), running);
    assert!(running[0].contains("carol@example.net  Carol  no"), "{}", running[0]);
    assert!(running[4].contains("team@example.net  alice@example.org, carol@example.net"), "{}", running[4]);
    assert_eq!(running[9], "All is well: 5 checked.\n");
    assert!(
        ask(&["account", "remove", BOB])
            .starts_with("bob@example.org cannot log in any more, and mail for it is refused.")
    );
    assert!(ask(&["account", "show", BOB]).contains("Goes      "));
    ask(&["account", "keep", BOB]);
    assert!(!ask(&["account", "show", BOB]).contains("Goes      "));
    ask(&["account", "remove", "--now", BOB]);
    let again = Trial::start(&dir.path().join("data"));
    assert!(!again.guide.contains(BOB), "it was removed by hand");
    again.stop();
}

#[test]
fn the_exit_status_tells_a_refusal_from_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data");
    let place = place.to_str().unwrap();
    let check = |arguments: &[&str], status: i32, part: &str| {
        let output = run(&[arguments, &["--data-dir", place]].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
        assert!(text.contains(part), "{arguments:?}: {text:?} lacks {part:?}");
    };
    check(&["account", "list"], 1, "there is no server in");
    assert!(!dir.path().join("data").exists(), "a slip in the name makes no server");
    fs::create_dir(place).unwrap();
    check(&["domain", "add", "example.org"], 0, "");
    check(&["domain", "add", "example.org"], 1, "is a local domain already");
    check(&["account", "show", "nobody@example.org"], 1, "there is no account nobody@example.org");
    check(&["account", "add", ALICE], 2, "no password came on standard input");
    check(&["account", "add", ALICE, "--generate", "--password-stdin"], 2, "cannot be used with");
    check(&["device", "policy", ALICE, "phone", "burn"], 2, "keep-when-shared, keep, mark-read");
    check(&["device", "sent", ALICE, "phone", "perhaps"], 2, "[possible values: on, off]");
    check(&["device", "sent", ALICE, "phone", "off"], 1, "there is no account");
    check(&["queue", "show", "1"], 1, "there is no message 1 in the queue");
    check(&["accounts"], 2, "unrecognized subcommand");
    check(&["try", "--config", "x"], 2, "cannot be used with");
}

/// What keeps a server from starting is told in one sentence.
fn check_refusal(arguments: &[&str], parts: &[&str]) {
    let output = run(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("pillarbox: ") && text.lines().count() == 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn what_keeps_it_from_starting_is_told_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let try_in = |name: &str, parts: &[&str]| {
        check_refusal(&["try", "--free-ports", "--data-dir", &at(name)], &[parts, &[at(name).as_str()]].concat());
    };
    fs::write(dir.path().join("file"), "").unwrap();
    try_in("file/data", &["cannot create the data directory", "not a directory"]);
    fs::create_dir(dir.path().join("photos")).unwrap();
    fs::write(dir.path().join("photos/cat.jpg"), "").unwrap();
    try_in("photos", &["not a data directory of Pillarbox", "cat.jpg"]);
    fs::create_dir(dir.path().join("newer")).unwrap();
    fs::write(dir.path().join("newer/pillarbox.format"), "pillarbox 2\n").unwrap();
    try_in("newer", &["written by a newer Pillarbox"]);
    let trial = Trial::start(&dir.path().join("used"));
    try_in("used", &["in use by another Pillarbox"]);
    trial.stop();
}

#[test]
fn a_port_in_use_is_told_with_its_listener() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = write_config(dir.path(), &format!("imap = [\"{address}\"]"));
    check_refusal(&["serve", "--config", &file], &["imap cannot listen on", &address, "listen.imap"]);
}

fn write_config(dir: &Path, listen: &str) -> String {
    let file = dir.join("pillarbox.toml");
    let off = ["smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "https"];
    let off = off.iter().filter(|service| !listen.starts_with(&format!("{service} ")));
    let off: String = off.map(|service| format!("{service} = []\n")).collect();
    fs::write(&file, format!("data_dir = \"data\"\nlog.level = \"warn\"\n[listen]\n{off}{listen}\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_some_commands_say_only_people_could_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let ask = |arguments: &[&str]| -> Value {
        let said = says(&[arguments, &["--json"]].concat());
        assert_eq!(said.lines().count(), 1, "{said}");
        serde_json::from_str(&said).unwrap()
    };
    let (config, data) = (file("new.toml"), file("mail"));
    let setup = ["setup", "mail.example.org", "you@example.org", "--config", &config, "--keep-in", &data];
    let first = ask(&setup);
    assert_eq!((&first["domain"], &first["config_is_new"]), (&"example.org".into(), &true.into()), "{first}");
    assert!(first["password"].as_str().unwrap().len() > 10 && first["data_dir"] == *data, "{first}");
    assert!(first["records"].as_array().unwrap().iter().any(|record| record["kind"] == "MX"), "{first}");
    let again = ask(&setup);
    assert_eq!((&again["password"], &again["config_is_new"]), (&Value::Null, &false.into()), "{again}");

    let exported = ask(&["export", &file("you.zip"), "--account", "you", "--format", "zip", "--config", &config]);
    assert_eq!((&exported["messages"], &exported["unreadable"]), (&0.into(), &json!([])), "{exported}");
    let salvaged = ask(&["salvage", "--to", &file("rescued"), "--config", &config]);
    assert_eq!((&salvaged["accounts"], &salvaged["lost"]), (&1.into(), &json!([])), "{salvaged}");
    let checked = ask(&["check-config", &write_config(dir.path(), "imap = [\"127.0.0.1:0\"]")]);
    assert_eq!(checked["listen"], json!([{ "service": "imap", "address": "127.0.0.1:0" }]), "{checked}");
    assert_eq!((&checked["smarthost"], &checked["server_runs"]), (&Value::Null, &false.into()), "{checked}");
}

#[test]
fn help_teaches_with_examples() {
    let all = says(&["--help"]);
    let commands =
        all.split("Commands:\n").nth(1).expect("a list of commands").lines().take_while(|line| !line.is_empty());
    let commands: Vec<&str> =
        commands.filter_map(|line| line.split_whitespace().next()).filter(|&name| name != "help").collect();
    assert!(commands.len() > 30, "{commands:?}");
    for command in [None].into_iter().chain(commands.into_iter().map(Some)) {
        let arguments: Vec<&str> = command.into_iter().chain(["--help"]).collect();
        let help = says(&arguments);
        assert!(help.contains("Examples:\n  pillarbox"), "{command:?}: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 125, "{command:?}: {line}");
        }
    }
}
