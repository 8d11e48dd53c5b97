//! docs/operate.md by the letter: a machine follows it for a year in a minute, from the first day to the move elsewhere. What it says
//! of each command is looked for; how that is worded is left to the commands.

#![allow(clippy::unwrap_used)]

mod guide;
mod rig;

use guide::{Guide, Told};
use rig::{Lines, Serving, between, free_ports, pillarbox};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

const ALICE: &str = "alice@example.org";
const YOU: &str = "you@example.org";

/// What no test of one machine can do.
const NOT_PLAYED: [(&str, &str); 2] = [
    ("pillarbox COMMAND --help", "tests/try.rs asks each command"),
    (
        "pillarbox backup s3://HOST/BUCKET/PREFIX?region=REGION --bucket-keys FILE",
        "tests/backup.rs does it where there is an S3 server",
    ),
];

/// Ports of the server, in the order of [`SERVICES`].
type Ports = [u16; 11];

const SERVICES: [&str; 11] =
    ["smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s", "https", "redirect", "standby"];

/// What the configuration of `setup` says after its first day here: services on ports that nobody has, and nobody outside is asked.
fn configured(written: &str, ports: &Ports, with_standby: bool) -> String {
    let ours = ["listen.", "tls.acme", "dns.", "log."];
    let kept = written.lines().filter(|line| !ours.iter().any(|begin| line.starts_with(begin)));
    let mut lines: Vec<String> = kept.map(str::to_owned).collect();
    let services = SERVICES.iter().zip(ports).filter(|(name, _)| with_standby || **name != "standby");
    lines.extend(services.map(|(name, port)| format!("listen.{name} = [\"127.0.0.1:{port}\"]")));
    // Nobody is there.
    lines.push("tls.acme = \"https://localhost:1/directory\"".to_owned());
    lines.push(format!("dns.servers = [\"{}\"]", dns_that_knows_nothing()));
    lines.push("log.format = \"json\"".to_owned());
    if with_standby {
        lines.push("standby.token_file = \"pillarbox-standby-token\"".to_owned());
    }
    lines.join("\n") + "\n"
}

/// A name server that says of each question that it cannot answer it, for as long as the test lasts.
fn dns_that_knows_nothing() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut question = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // RFC 1035 §4.1.1: an answer, with recursion, SERVFAIL.
            question[2] |= 0x80;
            question[3] = 0x82;
            socket.send_to(&question[..length], from).unwrap();
        }
    });
    address
}

/// The server of a machine.
fn serve(guide: &Guide) -> Serving {
    Serving::started_by(pillarbox(&["serve", "--config", guide.config.to_str().unwrap()]), guide.config.clone())
}

fn imap(server: &Serving, user: &str, password: &str) -> Lines {
    let mut imap = server.connect_plain("imap");
    imap.until("* OK");
    imap.ask(&format!("l LOGIN {user} \"{password}\""), "l OK");
    imap
}

/// Mail from outside for Alice.
fn deliver(server: &Serving, subject: &str, text: &str) {
    let mut lmtp = server.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
    lmtp.ask("DATA", "354 ");
    lmtp.ask(&format!("From: Carol <carol@example.net>\r\nSubject: {subject}\r\n\r\n{text}\r\n."), "250 ");
}

/// Subjects in a mailbox.
fn subjects(imap: &mut Lines, mailbox: &str) -> Vec<String> {
    imap.ask(&format!("s EXAMINE \"{mailbox}\""), "s OK");
    let lines = imap.ask("f FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "f ");
    lines.iter().filter_map(|line| line.strip_prefix("Subject: ")).map(str::to_owned).collect()
}

/// The password that a command shows once.
fn password_of(told: &str) -> String {
    let line = told.lines().find_map(|line| line.split_once("shown only now")).unwrap_or_else(|| panic!("{told}")).1;
    line.trim_start_matches(['(', ')', ':', ' ']).to_owned()
}

/// The story: who is there, and with which passwords.
struct Year {
    guide: Guide,
    ports: Ports,
    alice: String,
    old_pc: String,
}

#[test]
fn the_guide_is_followed_by_the_letter_for_a_year() {
    let dir = tempfile::tempdir().unwrap();
    let guide = Guide::new(include_str!("../docs/operate.md"), &dir.path().join("one"), &NOT_PLAYED);
    for place in ["etc", "mnt/backup", "tmp", "var/lib"] {
        fs::create_dir_all(guide.root.join(place)).unwrap();
    }
    let mut year = Year { guide, ports: free_ports(), alice: String::new(), old_pc: String::new() };
    let server = year.first_day();
    let server = year.each_day(server);
    let server = year.backups(server);
    let server = year.standby(server, &dir.path().join("two"));
    let server = year.update(server);
    let server = year.full_disk(server);
    let server = year.damage(server);
    let server = year.lost_mail(server);
    let server = year.people(server);
    year.moving(server);
    year.guide.must_be_over();
}

impl Year {
    fn first_day(&mut self) -> Serving {
        let Self { guide, ports, .. } = self;
        let data = guide.path("/var/lib/pillarbox");
        let place = ["--keep-in", data.to_str().unwrap()];
        let told = guide.play("pillarbox setup mail.example.org you@example.org", &place);
        let told = told.done(&["mail.example.org", " MX ", "v=DKIM1", YOU]);
        let you = password_of(&told);
        let written = fs::read_to_string(&guide.config).unwrap();
        assert!(written.contains("tls.acme = \"letsencrypt\""), "{written}");
        let again = guide.run(&["setup", "mail.example.org", YOU, place[0], place[1]]);
        assert!(!again.done(&[" MX ", "v=DKIM1"]).contains(&you));
        assert_eq!(fs::read_to_string(&guide.config).unwrap(), written);

        fs::write(&guide.config, configured(&written, ports, false)).unwrap();
        let port = ports[0].to_string();
        guide.play("pillarbox check-config /etc/pillarbox.toml", &[]).done(&["is valid", &port]);
        guide.next("pillarbox serve --config /etc/pillarbox.toml");
        let server = serve(guide);
        drop(imap(&server, YOU, &you));
        // No authority has given a certificate, and there is no DNS to ask: what is to be done about it is said.
        let told = guide.play("pillarbox doctor", &[]).ends_saying(1, &["certificate for mail.example.org", "Of "]);
        assert_eq!(told.matches("WRONG ").count(), told.matches(" do  ").count(), "{told}");
        guide.play("pillarbox test-mail send you you@example.com", &[]).done(&["you@example.com"]);
        guide.play("pillarbox test-mail show", &[]).done(&["you@example.com"]);
        server
    }

    fn each_day(&mut self, server: Serving) -> Serving {
        let Self { guide, .. } = self;
        let told = guide.run(&["account", "add", ALICE, "--generate"]).done(&[]);
        self.alice = password_of(&told);
        let told = guide.run(&["device", "add", ALICE, "old PC", "--policy", "expunge"]).done(&[]);
        self.old_pc = password_of(&told);
        let told = guide.play("pillarbox status", &[]).ends_saying(1, &["mail         is taken", "TO DO"]);
        assert!(told.lines().any(|line| line.starts_with("TO DO") && line.contains("backup")), "{told}");
        let told = guide.play("pillarbox doctor --json", &[]).text;
        let states = told.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let states: Vec<Value> = states.map(|finding| finding["state"].clone()).collect();
        assert!(states.len() > 10 && states.contains(&"fine".into()), "{told}");

        guide.play("pillarbox certificate", &[]).done(&["https://localhost:1/directory"]);
        guide.play("certificate renew", &[]).done(&[]);
        guide.play("pillarbox queue destinations", &[]).done(&["example.com"]);
        guide.play("pillarbox sending show alice", &[]).done(&[]);
        guide.run(&["device", "add", ALICE, "stolen"]).done(&[]);
        guide.play("device revoke", &[ALICE, "stolen"]).done(&["stolen"]);
        guide.play("account link", &[ALICE]).done(&["https://"]);
        let mut stranger = imap(&server, ALICE, &self.alice);
        let told = guide.play("pillarbox sessions alice", &[]).done(&["imap"]);
        let id = told
            .split_whitespace()
            .find(|word| word.contains('.') && word.chars().all(|c| c.is_ascii_hexdigit() || c == '.'));
        let id = id.unwrap_or_else(|| panic!("{told}")).to_owned();
        guide.run(&["sessions", "--end", &id]).done(&[]);
        stranger.until("* BYE");
        guide.play("pillarbox held list --account alice", &[]).done(&[]);
        server
    }

    fn backups(&mut self, server: Serving) -> Serving {
        deliver(&server, "Invoice of March", "What the invoice is for.");
        let mut alice = imap(&server, ALICE, &self.alice);
        alice.ask("c CREATE Work", "c OK");
        deliver(&server, "Plans", "Work.");
        alice.ask("s SELECT INBOX", "s OK");
        alice.ask("m MOVE 2 Work", "m OK");
        let Self { guide, .. } = self;
        let backup = "pillarbox backup /mnt/backup/mail --keep 30";
        guide.play(backup, &[]).done(&["2 accounts"]);
        guide.play("pillarbox backup /mnt/backup/mail --check", &[]).done(&["all is well", "2 accounts"]);
        guide.run(&["status"]).done(&["last backup"]);
        guide.play("pillarbox backup --new-key /etc/pillarbox-backup-key", &[]).done(&[]);
        let sealed = "pillarbox backup /mnt/backup/sealed --key-file /etc/pillarbox-backup-key --keep 30";
        guide.play(sealed, &[]).done(&["2 accounts"]);
        let at = guide.path("/mnt/backup/sealed");
        guide.run(&["backup", at.to_str().unwrap(), "--check"]).ends(1);

        guide.play("pillarbox restore /mnt/backup/mail --data-dir /tmp/drill", &[]).done(&["2 accounts"]);
        guide.play("pillarbox check --bodies --data-dir /tmp/drill", &[]).done(&["All is well"]);
        guide.play("pillarbox account list --data-dir /tmp/drill", &[]).done(&[ALICE, YOU]);

        alice.ask("s SELECT Work", "s OK");
        alice.ask("d STORE 1 +FLAGS (\\Deleted)", "d OK");
        alice.ask("e EXPUNGE", "e OK");
        // Of three weeks ago there is none yet.
        let missing = r#"pillarbox restore /mnt/backup/mail --account alice@example.org --at "3 weeks ago" --missing"#;
        guide.play(missing, &[]).ends(1);
        let mail = guide.path("/mnt/backup/mail");
        let mail = mail.to_str().unwrap();
        let told = guide.run(&["restore", mail, "--account", ALICE, "--at", "0 minutes ago", "--missing"]);
        let told = told.done(&["1 message"]);
        let device = between(&told, "as the device \"", "\"").to_owned();
        assert!(device.starts_with("Restored from the backup "), "{told}");
        let restored = between(&told, "goes into ", "\n").to_owned();
        assert!(restored.starts_with("Restored/") && restored.ends_with("/Work"), "{told}");
        assert_eq!(subjects(&mut alice, &restored), ["Plans"]);
        let work = "pillarbox restore /mnt/backup/mail --account alice@example.org --mailbox Work";
        guide.play(work, &[]).done(&[]);
        guide.stands_for = vec![("Restored from the backup …", device)];
        let undo = r#"pillarbox undo --account alice --device "Restored from the backup …" --since "1 hour ago""#;
        guide.play(undo, &[]).done(&["1 message"]);
        assert_eq!(subjects(&mut alice, &restored), [""; 0]);

        // Not a drill.
        drop(alice);
        server.stop();
        let data = guide.path("/var/lib/pillarbox");
        fs::remove_dir_all(&data).unwrap();
        guide.run(&["restore", mail]).done(&["2 accounts"]);
        let server = serve(guide);
        let mut alice = imap(&server, ALICE, &self.alice);
        assert_eq!(subjects(&mut alice, "INBOX"), ["Invoice of March"]);
        assert_eq!(subjects(&mut alice, "Work"), ["Plans"]);
        guide.run(&["backup", mail]).done(&["2 accounts"]);
        // It was left in the backup.
        assert!(!guide.run(&["queue", "list"]).done(&[]).contains("example.com"));
        server
    }

    fn standby(&mut self, server: Serving, other: &Path) -> Serving {
        let Self { guide, ports, .. } = self;
        guide.play("pillarbox standby --new-token /etc/pillarbox-standby-token", &[]).done(&[]);
        server.stop();
        let config = fs::read_to_string(&guide.config).unwrap();
        fs::write(&guide.config, configured(&config, ports, true)).unwrap();
        let server = serve(guide);
        deliver(&server, "Seconds ago", "Before the end.");

        // The other machine has the same files in its own places.
        let (one, first) = (guide.root.clone(), guide.config.clone());
        let data = guide.path("/var/lib/pillarbox");
        for place in ["etc", "mnt/backup", "tmp", "var/lib"] {
            fs::create_dir_all(other.join(place)).unwrap();
        }
        (guide.root, guide.config) = (other.to_owned(), other.join("etc/pillarbox.toml"));
        let same = configured(&config, ports, true);
        fs::write(&guide.config, same.replace(one.to_str().unwrap(), other.to_str().unwrap())).unwrap();
        let token = "etc/pillarbox-standby-token";
        fs::copy(one.join(token), other.join(token)).unwrap();
        let authority = other.join("etc/ca.pem");
        fs::copy(data.join("tls/ca.pem"), &authority).unwrap();
        // There is no DNS here in which the server has its name.
        guide.stands_for = vec![("mail.example.org:8425", format!("localhost:{}", ports[10]))];
        let follow = "pillarbox standby --of mail.example.org:8425 --token-file /etc/pillarbox-standby-token --config \
                      /etc/pillarbox.toml";
        let mut words = guide.next(follow);
        words.extend(["--authority".to_owned(), authority.to_str().unwrap().to_owned()]);
        let mut standby = Following::start(&words);
        standby.until("this standby has everything that its server has");
        (guide.root, guide.config) = (one, first.clone());
        guide.play("pillarbox status", &[]).done(&["standby      0 commits behind"]);
        (guide.root, guide.config) = (other.to_owned(), other.join("etc/pillarbox.toml"));
        let told = guide.play("pillarbox standby --json --config /etc/pillarbox.toml", &[]).done(&[]);
        assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["whole"], true, "{told}");

        standby.stop();
        guide.play("pillarbox promote --config /etc/pillarbox.toml", &[]).done(&["2 accounts go on"]);
        assert!(server.wait().success(), "the old server was told to stop");
        let mut old = pillarbox(&["serve", "--config", first.to_str().unwrap()]);
        assert!(!old.output().unwrap().status.success(), "it starts again");
        let server = serve(guide);
        let mut alice = imap(&server, ALICE, &self.alice);
        assert_eq!(subjects(&mut alice, "INBOX"), ["Invoice of March", "Seconds ago"]);
        // What the old one has comes out of it.
        let out = guide.path("/tmp/of-the-old-one");
        let out = out.to_str().unwrap();
        let more = [out, "--account", ALICE, "--config", first.to_str().unwrap()];
        guide.play("pillarbox export", &more).done(&["Wrote 3 messages"]);
        guide.stands_for.clear();
        server
    }

    fn update(&mut self, server: Serving) -> Serving {
        let Self { guide, .. } = self;
        guide.play("pillarbox check --config /etc/pillarbox.toml", &[]).done(&["All is well"]);
        guide.play("pillarbox backup /mnt/backup/mail", &[]).done(&["2 accounts"]);
        let mut alice = imap(&server, ALICE, &self.alice);
        alice.ask("i IDLE", "+");
        server.stop();
        alice.until("* BYE");
        let server = serve(guide);
        drop(imap(&server, ALICE, &self.alice));
        server
    }

    fn full_disk(&mut self, server: Serving) -> Serving {
        let mut pop = server.connect_plain("pop3");
        pop.until("+OK");
        pop.ask(&format!("USER {ALICE}"), "+OK");
        pop.ask(&format!("PASS {}", self.old_pc), "+OK");
        pop.ask("RETR 1", ".");
        pop.ask("QUIT", "+OK");
        let Self { guide, .. } = self;
        guide.play("pillarbox account list", &[]).done(&[ALICE, YOU]);
        let more = [ALICE, "--taken-by-all-pop", "--dry-run"];
        guide.play("account clear", &more).done(&["1 message"]);
        assert_eq!(subjects(&mut imap(&server, ALICE, &self.alice), "INBOX").len(), 2, "nothing was done");
        server
    }

    fn damage(&mut self, server: Serving) -> Serving {
        deliver(&server, "Large", &"A line of a large message.\r\n".repeat(10_000));
        server.stop();
        let Self { guide, .. } = self;
        let data = guide.path("/var/lib/pillarbox");
        spoil(&data);
        let sound = guide.root.join("mnt/backup/mail");
        guide.play("pillarbox check --bodies", &[]).ends_saying(3, &[ALICE]);
        let damaged = guide.root.join("var/lib/copy");
        rig::copy(&data, &damaged);

        // With a backup, and what came since.
        let (config, home) = (guide.config.clone(), guide.root.join("etc/second.toml"));
        let second = guide.root.join("var/lib/second");
        let text = fs::read_to_string(&config).unwrap().replace(data.to_str().unwrap(), second.to_str().unwrap());
        fs::write(&home, text).unwrap();
        guide.config = home;
        guide.run(&["restore", sound.to_str().unwrap()]).done(&["2 accounts"]);
        guide.stands_for = vec![
            ("DAMAGED", damaged.to_str().unwrap().to_owned()),
            ("DIR", guide.root.join("tmp/rescue").to_str().unwrap().to_owned()),
            ("ADDRESS", ALICE.to_owned()),
        ];
        guide.play("pillarbox salvage --data-dir DAMAGED --to DIR", &[]).ends_saying(3, &[ALICE, "report.txt"]);
        let report = fs::read_to_string(guide.root.join("tmp/rescue/report.txt")).unwrap();
        assert!(report.contains(ALICE), "{report}");
        let server = serve(guide);
        guide
            .play("pillarbox import maildir:DIR/ADDRESS --account ADDRESS --missing", &[])
            .done(&["Brought 1 message"]);
        let mut alice = imap(&server, ALICE, &self.alice);
        let found = subjects(&mut alice, "INBOX");
        // What the backup has is there once, and what stands for the damaged one.
        assert!(found.len() == 3 && found[..2] == ["Invoice of March", "Seconds ago"], "{found:?}");
        drop(alice);
        server.stop();
        guide.config = config;

        // Or a server goes on with what is sound.
        guide.stands_for = vec![("FILE", guide.config.to_str().unwrap().to_owned()), ("DIR", String::new())];
        guide
            .play("pillarbox repair --config FILE", &[])
            .ends_saying(3, &["Nothing was made", "1 things would be lost"]);
        let to = guide.root.join("var/lib/new");
        let told = guide.run(&["repair", "--to", to.to_str().unwrap()]).ends_saying(3, &["is ready"]);
        assert!(fs::read_to_string(to.join("report.txt")).unwrap().contains(ALICE));
        let steps: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        let [away, here, check] = steps[..] else { panic!("{told}") };
        assert!(away.starts_with("mv ") && here.starts_with("mv "), "{told}");
        assert!(check.starts_with("pillarbox check --bodies "), "{told}");
        guide.next("pillarbox check --bodies");
        Told::by_shell(&format!("{away}\n{here}")).done(&[]);
        Told::by_shell(check).done(&["All is well"]);
        let server = serve(guide);
        let found = subjects(&mut imap(&server, ALICE, &self.alice), "INBOX");
        assert!(found.len() == 3 && found[..2] == ["Invoice of March", "Seconds ago"], "{found:?}");
        server
    }

    fn lost_mail(&mut self, server: Serving) -> Serving {
        let mut pop = server.connect_plain("pop3");
        pop.until("+OK");
        pop.ask(&format!("USER {ALICE}"), "+OK");
        pop.ask(&format!("PASS {}", self.old_pc), "+OK");
        pop.ask("DELE 1", "+OK");
        pop.ask("QUIT", "+OK");
        let Self { guide, .. } = self;
        let gone = |server: &Serving| {
            let found = subjects(&mut imap(server, ALICE, &self.alice), "INBOX");
            !found.iter().any(|subject| subject == "Invoice of March")
        };
        assert!(gone(&server));
        let told = guide.play("pillarbox find alice invoice march", &[]).done(&["Invoice of March", "--bring-back "]);
        let message = told.split_whitespace().next().unwrap().to_owned();
        guide.play("pillarbox refused alice", &[]).done(&[]);
        guide.play("pillarbox timeline alice", &[]).done(&["old PC", "Invoice of March"]);
        let undo = r#"pillarbox undo --account alice --device "old PC" --since "2 days ago" --dry-run"#;
        guide.play(undo, &[]).done(&["This would happen", "1 message"]);
        assert!(gone(&server));
        guide.run(&["find", "alice", "--bring-back", &message]).done(&[]);
        assert!(!gone(&server));
        server
    }

    fn people(&mut self, server: Serving) -> Serving {
        let Self { guide, .. } = self;
        guide.stands_for = vec![("WORDS", "alice".to_owned())];
        let told = guide.play("account list --search WORDS", &[]).done(&[ALICE]);
        assert!(!told.contains(YOU), "{told}");
        let list = guide.path("/tmp/people.csv");
        fs::write(
            &list,
            "address,name,password\nbob@example.org,Bob,a long password\nbob@example.net,Bob,a long password\n",
        )
        .unwrap();
        guide.stands_for = vec![("people.csv", list.to_str().unwrap().to_owned())];
        // One of a domain that is not ours is refused, and told.
        guide.play("account import people.csv --dry-run", &[]).ends_saying(1, &["bob@example.net: ", "1 to be added"]);
        guide.run(&["account", "show", "bob@example.org"]).ends(1);
        guide.play("account import people.csv", &[]).ends_saying(1, &["bob@example.net: "]);
        drop(imap(&server, "bob@example.org", "a long password"));
        let told = guide.play("account add --generate", &["dora@example.org"]).done(&[]);
        let dora = password_of(&told);
        guide.run(&["invite", "add"]).done(&["https://"]);
        let told = guide.run(&["device", "add", "dora@example.org", "phone"]).done(&[]);
        let phone = password_of(&told);
        let mut lost = imap(&server, "dora@example.org", &phone);
        guide.play("device revoke", &["dora@example.org", "phone"]).done(&[]);
        lost.send_or_end("n NOOP");
        lost.until("* BYE");
        let mut session = imap(&server, "dora@example.org", &dora);
        guide.play("account disable", &["dora@example.org"]).done(&[]);
        session.send_or_end("n NOOP");
        session.until("* BYE");
        guide.play("account remove", &["dora@example.org"]).done(&[]);
        guide.run(&["account", "show", "dora@example.org"]).done(&["Goes "]);
        guide.play("account keep", &["dora@example.org"]).done(&[]);
        assert!(!guide.run(&["account", "show", "dora@example.org"]).done(&[]).contains("Goes "));
        server
    }

    fn moving(&mut self, server: Serving) {
        let Self { guide, .. } = self;
        let saved = guide.path("/tmp/saved");
        fs::write(&saved, "From a@b Mon Jun  1 08:00:00 2026\nFrom: a@b\nSubject: Saved\n\nOf old.\n").unwrap();
        let saved = format!("mbox:{}", saved.to_str().unwrap());
        guide.play("pillarbox import", &[&saved, "--account", "bob@example.org"]).done(&["Brought 1 message"]);
        guide.stands_for = vec![("mbox:", saved)];
        guide.play("import mbox:", &["--account", "bob@example.org"]).done(&["1 message here already"]);
        let out = guide.path("/tmp/bob");
        let out = out.to_str().unwrap();
        guide.play("pillarbox export", &[out, "--account", "bob@example.org"]).done(&["Wrote 1 message"]);
        for format in ["mbox", "eml", "zip"] {
            let out = format!("{out}.{format}");
            guide.run(&["export", &out, "--account", "bob@example.org", "--format", format]).done(&["Wrote 1 message"]);
        }
        let again = guide.path("/tmp/last");
        guide.play("pillarbox backup", &[again.to_str().unwrap()]).done(&["4 accounts"]);
        server.stop();
    }
}

/// Flips a bit of the one large message.
fn spoil(data: &Path) {
    let mut dirs = vec![data.join("objects")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    let [file] = &files[..] else { panic!("{files:?}") };
    let mut octets = fs::read(file).unwrap();
    octets[100_000] ^= 1;
    fs::write(file, octets).unwrap();
}

/// A standby that follows.
struct Following {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Following {
    fn start(words: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
        let mut child = command.args(words).stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    fn until(&mut self, message: &str) {
        let mut all = String::new();
        while !all.contains(message) {
            assert_ne!(self.log.read_line(&mut all).unwrap(), 0, "it ended: {all}");
        }
    }

    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // Only after a failed test it still runs.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
