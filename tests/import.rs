//! Mail moves here: from Dovecot, from another Pillarbox, and through SIGKILL.

#![allow(clippy::unwrap_used)]

mod dovecot;
mod rig;

use dovecot::{Dovecot, MASTER_PASSWORD, PASSWORD as OLD_PASSWORD};
use rig::{Lines, Serving, pillarbox, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ALICE: &str = "alice@example.org";
const PASSWORD: &str = "a long main password";

/// A server with one account.
struct Home {
    place: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { place: tempfile::tempdir().unwrap() }
    }

    fn serve(&self) -> Serving {
        Serving::start(self.place.path(), "")
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.place.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Serves with accounts, which have the same password.
    fn with(&self, accounts: &[&str]) -> Serving {
        let serving = self.serve();
        serving.says(&["domain", "add", "example.org"]);
        for account in accounts {
            let config = serving.config.to_str().unwrap();
            let arguments = ["account", "add", account, "--password-stdin", "--config", config];
            let password = fs::File::open(self.file("password", &format!("{PASSWORD}\n"))).unwrap();
            assert!(pillarbox(&arguments).stdin(password).stdout(Stdio::null()).status().unwrap().success());
        }
        serving
    }
}

fn message(number: usize, bytes: usize) -> String {
    let text = format!("{number:070}\r\n").repeat(bytes / 72 + 1);
    format!("From: Carol <carol@example.net>\r\nMessage-ID: <{number}@example.net>\r\nSubject: {number}\r\n\r\n{text}")
}

fn append(imap: &mut Lines, mailbox: &str, details: &str, text: &str) {
    imap.ask(&format!("a APPEND \"{mailbox}\" {details} {{{}}}", text.len()), "+ ");
    imap.ask(text, "a OK");
}

/// What a mail program could compare of a mailbox: flags and keywords, date, all octets. UIDs are each server's own.
fn mail(imap: &mut Lines, mailbox: &str) -> Vec<String> {
    let examined = imap.ask(&format!("e EXAMINE \"{mailbox}\""), "e OK");
    let count =
        examined.iter().find_map(|line| line.strip_prefix("* ")?.strip_suffix(" EXISTS")?.parse::<usize>().ok());
    let mut lines = Vec::new();
    for first in (1..=count.unwrap()).step_by(200) {
        let last = (first + 199).min(count.unwrap());
        lines.extend(imap.ask(&format!("f FETCH {first}:{last} (FLAGS INTERNALDATE BODY.PEEK[])"), "f OK"));
    }
    let shown = |line: &String| match line.split_once(" FETCH (FLAGS (").and_then(|(_, rest)| rest.split_once(')')) {
        Some((flags, rest)) => {
            let flags: BTreeSet<String> =
                flags.split_whitespace().filter(|flag| *flag != "\\Recent").map(str::to_lowercase).collect();
            // RFC 9051 §9, date-day-fixed: a space before one digit; Dovecot writes a zero.
            format!("{flags:?}{}", rest.replace("INTERNALDATE \"0", "INTERNALDATE \" "))
        }
        None => line.clone(),
    };
    lines.iter().filter(|line| !line.starts_with("f OK")).map(shown).collect()
}

fn uidls(pop: &mut Lines) -> Vec<String> {
    let lines = pop.ask("UIDL", ".");
    lines
        .iter()
        .filter_map(|line| Some(line.split_once(' ')?.1.to_owned()).filter(|_| !line.starts_with('+')))
        .collect()
}

/// Folders there, and the mailboxes that they become.
const FOLDERS: [(&str, &str); 4] =
    [("INBOX", "INBOX"), ("Work", "Work"), ("Work.Entw&APw-rfe &- R", "Work/Entw&APw-rfe &- R"), ("Gesendet", "Sent")];

fn fill(dovecot: &Dovecot) {
    let mut imap = dovecot.imap();
    imap.ask("c CREATE Work", "c OK");
    imap.ask("c CREATE \"Work.Entw&APw-rfe &- R\"", "c OK");
    imap.ask("s SUBSCRIBE \"Work.Entw&APw-rfe &- R\"", "s OK");
    for (at, (folder, _)) in FOLDERS.into_iter().enumerate() {
        for number in 0..20 {
            let flags =
                ["", "\\Seen", "\\Seen \\Answered $Forwarded", "\\Flagged Work", "\\Deleted \\Draft"][number % 5];
            let date = format!("({flags}) \"{:2}-Mar-20{at}{} 04:05:06 +0100\"", number + 1, number % 5);
            // In the database, and in files.
            let bytes = [100, 20_000, 100, 100_000, 100][number % 5];
            append(&mut imap, folder, &date, &message(at * 100 + number, bytes));
        }
    }
}

#[test]
fn a_whole_move_from_dovecot() {
    let Some(dovecot) = Dovecot::start() else { return };
    fill(&dovecot);
    let home = Home::new();
    let serving = home.with(&[ALICE]);
    let from = format!("imap://alice@127.0.0.1:{}", dovecot.imap_port);
    let password = home.file("master", &format!("{MASTER_PASSWORD}\n"));
    let way = ["import", &from, "--account", "alice", "--password-file", &password, "--no-tls", "--master", "root"];
    // As one name, and as RFC 4616 has it.
    let told = serving.says(&[&way[..], &["--separator", "*"]].concat());
    assert!(told.contains("Brought 80 messages of 4 folders") && told.contains("Gesendet goes into Sent"), "{told}");
    let again = serving.says(&way);
    assert!(again.contains("Brought 0 messages") && again.contains("80 messages here already"), "{again}");
    compare(&dovecot, &serving, FOLDERS);
    let mut here = serving.imap("alice", &format!("\"{PASSWORD}\""));
    let subscribed = here.ask("l LSUB \"\" *", "l OK").join("\n");
    assert!(subscribed.contains("Work/Entw&APw-rfe &- R") && !subscribed.contains("\"Work\""), "{subscribed}");

    // Until the switch, both are in use.
    let mut there = dovecot.imap();
    append(&mut there, "Work", "(\\Seen)", &message(999, 100));
    there.ask("s SELECT Work", "s OK");
    there.ask("f STORE 1:3 FLAGS (\\Flagged Later)", "f OK");
    let told = serving.says(&way);
    assert!(
        told.contains("Brought 1 message of 4") && told.contains("3 messages of them now with the flags"),
        "{told}"
    );
    compare(&dovecot, &serving, FOLDERS);

    // The switch of POP programs.
    let before = uidls(&mut dovecot.pop3());
    serving.says(&["import-uidl", "--account", "alice", "--dovecot", &dovecot.maildir()]);
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask("USER alice", "+OK");
    pop.ask(&format!("PASS {PASSWORD}"), "+OK");
    assert_eq!((uidls(&mut pop), before.len()), (before, 20));
    let timeline = serving.says(&["timeline", "alice"]);
    assert!(timeline.contains("Import from 127.0.0.1 (alice)"), "{timeline}");
    assert!(serving.says(&["check", "--bodies"]).starts_with("All is well"));
    serving.stop();
}

fn compare(dovecot: &Dovecot, serving: &Serving, folders: [(&str, &str); 4]) {
    compare_with(dovecot, serving.imap("alice", &format!("\"{PASSWORD}\"")), folders);
}

fn compare_with(dovecot: &Dovecot, mut here: Lines, folders: [(&str, &str); 4]) {
    let mut there = dovecot.imap();
    for (folder, mailbox) in folders {
        let (before, after) = (mail(&mut there, folder), mail(&mut here, mailbox));
        assert!(before.len() > 20, "{before:?}");
        let differs = before.iter().zip(&after).find(|(before, after)| before != after);
        assert_eq!((before.len(), differs), (after.len(), None), "{folder}");
    }
}

/// The same by their files, which do not say what a folder is for.
const BY_FILES: [(&str, &str); 4] = [
    ("INBOX", "INBOX"),
    ("Work", "Work"),
    ("Work.Entw&APw-rfe &- R", "Work/Entw&APw-rfe &- R"),
    ("Gesendet", "Gesendet"),
];

#[test]
fn mail_comes_from_dovecots_files_and_goes_back_into_such() {
    let Some(dovecot) = Dovecot::start() else { return };
    fill(&dovecot);
    let home = Home::new();
    let serving = home.with(&[ALICE, "bob@example.org"]);
    let from = format!("maildir:{}", dovecot.maildir());
    // POP numbers what is new in INBOX.
    let before = uidls(&mut dovecot.pop3());
    let told = serving.says(&["import", &from, "--account", "alice"]);
    assert!(told.contains("Brought 80 messages of 4 folders"), "{told}");
    assert!(told.contains("20 messages with the UIDL"), "{told}");
    let again = serving.says(&["import", &from, "--account", "alice"]);
    assert!(again.contains("Brought 0 messages") && again.contains("80 messages here already"), "{again}");
    compare(&dovecot, &serving, BY_FILES);
    let mut here = serving.imap("alice", &format!("\"{PASSWORD}\""));
    let subscribed = here.ask("l LSUB \"\" *", "l OK").join("\n");
    assert!(subscribed.contains("Work/Entw&APw-rfe &- R") && !subscribed.contains("\"Work\""), "{subscribed}");
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask("USER alice", "+OK");
    pop.ask(&format!("PASS {PASSWORD}"), "+OK");
    assert_eq!((&uidls(&mut pop), before.len()), (&before, 20));

    // Into another account, and to another Dovecot.
    let other = Dovecot::start().unwrap();
    let told = serving.says(&["export", &other.maildir(), "--account", "alice"]);
    assert!(told.contains("Wrote 80 messages"), "{told}");
    let told = serving.says(&["import", &format!("maildir:{}", other.maildir()), "--account", "bob"]);
    assert!(told.contains("Brought 80 messages") && told.contains("20 messages with the UIDL"), "{told}");
    other.owns_its_mail();
    assert_eq!(uidls(&mut other.pop3()), before);
    let (mut there, mut bob) = (other.imap(), serving.imap("bob", &format!("\"{PASSWORD}\"")));
    for (folder, mailbox) in BY_FILES {
        let mail_here = mail(&mut here, mailbox);
        assert!(mail_here.len() > 20, "{mail_here:?}");
        for (whose, found) in [("bob", mail(&mut bob, mailbox)), ("Dovecot", mail(&mut there, folder))] {
            let differs = mail_here.iter().zip(&found).find(|(before, after)| before != after);
            assert_eq!((mail_here.len(), differs), (found.len(), None), "{mailbox} of {whose}");
        }
    }
    let audit = serving.says(&["audit"]);
    assert!(audit.contains("called /api/v1/operator/export (alice@example.org)"), "{audit}");
    assert!(serving.says(&["check", "--bodies"]).starts_with("All is well"));
    serving.stop();
}

/// Lines of docs/migration.md as they stand there, under `sh`, with paths and users of this machine.
struct Lineup {
    place: PathBuf,
    lines: String,
}

/// What lines said: on standard output, and on standard error.
struct Said {
    told: String,
    trouble: String,
}

impl Lineup {
    /// Those in which these words stand.
    fn new(words: &str, dovecot: &Dovecot, serving: &Serving, stands_for: &[(&str, &str)]) -> Self {
        let place = serving.config.parent().unwrap().to_owned();
        let guide = include_str!("../docs/migration.md");
        // Between one fence and the next.
        let found = guide.split("\n```").skip(1).step_by(2).find(|block| block.contains(words));
        let mut lines = found.unwrap_or_else(|| panic!("{words:?} does not stand in the guide")).to_owned();
        for (there, here) in stands_for {
            assert!(lines.contains(there), "{there:?} does not stand there: {lines}");
            lines = lines.replace(there, here);
        }
        let fails = place.join("backup fails");
        let (fails, config) = (fails.display(), dovecot.config());
        let path = std::env::var("PATH").unwrap();
        let doveadm = format!(
            "[ \"$1\" = backup ] && [ -e '{fails}' ] && exit 65\nPATH='{path}'\nexec doveadm -c '{}' \"$@\"\n",
            config.display()
        );
        let pillarbox =
            format!("exec '{}' \"$@\" --config '{}'\n", env!("CARGO_BIN_EXE_pillarbox"), serving.config.display());
        fs::create_dir_all(place.join("bin")).unwrap();
        for (name, script) in [("doveadm", doveadm), ("pillarbox", pillarbox)] {
            let file = place.join("bin").join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { place, lines }
    }

    fn play(&self) -> Said {
        let path = format!("{}:{}", self.place.join("bin").display(), std::env::var("PATH").unwrap());
        // Nobody may have to stay where it is run.
        let output = Command::new("sh").args(["-c", &self.lines]).env("PATH", path).current_dir("/").output().unwrap();
        let [told, trouble] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Said { told, trouble }
    }

    /// The same, while Dovecot brings nothing out.
    fn play_in_vain(&self) -> Said {
        fs::write(self.place.join("backup fails"), "").unwrap();
        let said = self.play();
        fs::remove_file(self.place.join("backup fails")).unwrap();
        said
    }
}

/// Scripts of Dovecot's user, one of them in use.
fn has_scripts(dovecot: &Dovecot) {
    let home = dovecot.home();
    fs::create_dir(home.join("sieve")).unwrap();
    let script = "require [\"fileinto\", \"copy\"];\nif header :contains \"subject\" \"x\" { fileinto \"Work\"; }\n\
                  redirect :copy \"carol@example.com\";\n";
    fs::write(home.join("sieve/mine.sieve"), script).unwrap();
    fs::write(home.join("sieve/old.sieve"), "keep;\n").unwrap();
    symlink("sieve/mine.sieve", home.join(".dovecot.sieve")).unwrap();
    assert!(Command::new("chown").args(["-R", "nobody"]).arg(&home).status().unwrap().success());
}

/// The sequence of docs/migration.md, where the old server keeps its mail in a form of its own.
fn moves_on_the_same_disk(form: &str) {
    let Some(dovecot) = Dovecot::start_with(form) else { return };
    let users = dovecot.hash_password("SHA512-CRYPT", ":::Alice:::userdb_quota_rule=*:storage=1G");
    fill(&dovecot);
    has_scripts(&dovecot);
    let before = uidls(&mut dovecot.pop3());

    let new = Home::new();
    let serving = new.serve();
    serving.says(&["domain", "add", "example.org"]);
    let import = ["account", "import", &users, "--passwd-file", "--domain", "example.org"];
    assert!(serving.says(&[&import[..], &["--dry-run"]].concat()).contains("1 to be added"));
    assert!(serving.says(&import).contains("1 added"));
    assert!(serving.says(&import).contains("1 there already"));
    assert!(serving.says(&["account", "quota", ALICE]).contains("1.0 GiB"));
    let virtual_aliases =
        new.file("virtual", "# Postfix\ninfo@example.org sales@example.org\nsales@example.org\n  alice\n");
    let aliases = ["alias", "import", &virtual_aliases, "--domain", "example.org"];
    assert!(serving.says(&[&aliases[..], &["--dry-run"]].concat()).contains("2 to be asked for"));
    assert!(serving.says(&aliases).contains("2 added, 0 there already, 0 refused"));
    assert!(serving.says(&aliases).contains("0 added, 2 there already, 0 refused"));

    let moved = dovecot.config().with_file_name("move");
    let stands_for = [("/srv/move", moved.to_str().unwrap()), ("vmail", "nobody"), ("-g pillarbox", "-g nogroup")];
    let lines = Lineup::new("doveadm backup", &dovecot, &serving, &stands_for);
    let Said { told, trouble } = lines.play();
    assert!(told.contains("Brought 80 messages of 4 folders"), "{told}{trouble}");
    assert!(!told.contains("run it again") && trouble.is_empty(), "{trouble}");
    let said = "Sieve script mine.sieve is left out: there is no Sieve here; it asks for copy, fileinto; it redirects to carol@example.com, for \
                which there is `pillarbox forward ask`\nSieve script old.sieve is left out: there is no Sieve here; it was not in use\n";
    assert!(told.contains(said), "{told}");
    // With the password of before.
    let imap = || serving.imap("alice", OLD_PASSWORD);
    compare_with(&dovecot, imap(), BY_FILES);
    let mut pop = serving.connect_tls("pop3s");
    pop.until("+OK");
    pop.ask("USER alice", "+OK");
    pop.ask(&format!("PASS {OLD_PASSWORD}"), "+OK");
    assert_eq!((uidls(&mut pop), before.len()), (before, 20));

    // Until the switch, and once more after it.
    let mut there = dovecot.imap();
    append(&mut there, "Work", "(\\Seen)", &message(999, 100));
    there.ask("s SELECT Work", "s OK");
    there.ask("f STORE 1:3 FLAGS (\\Flagged Later)", "f OK");
    let Said { told, .. } = lines.play_in_vain();
    assert!(told.contains("alice: run it again") && told.contains("Brought 0 messages"), "{told}");
    // Whom the mail belongs to has put a link there, and root writes nothing through it.
    let of_root = dovecot.config().with_file_name("of root");
    fs::write(&of_root, "as it was").unwrap();
    fs::remove_file(moved.join("alice/sieve/old.sieve")).unwrap();
    symlink(&of_root, moved.join("alice/sieve/old.sieve")).unwrap();
    let Said { told, trouble } = lines.play();
    assert_eq!(fs::read_to_string(&of_root).unwrap(), "as it was");
    assert!(trouble.contains("old.sieve"), "{trouble}");
    assert!(told.contains("Brought 1 message of 4") && told.contains("3 messages of them now with"), "{told}");
    compare_with(&dovecot, imap(), BY_FILES);
    Lineup::new("rm -r /srv/move", &dovecot, &serving, &stands_for[..1]).play();
    assert!(!moved.exists());

    let mut lmtp = serving.connect_plain("lmtp");
    lmtp.until("220 ");
    lmtp.ask("LHLO outside.example", "250 ");
    lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
    lmtp.ask("RCPT TO:<info@example.org>", "250 ");
    lmtp.ask("DATA", "354 ");
    lmtp.ask("Subject: by the alias\r\n\r\nx\r\n.", "250 ");
    assert!(mail(&mut imap(), "INBOX").iter().any(|line| line == "Subject: by the alias"));
    assert!(serving.says(&["check", "--bodies"]).starts_with("All is well"));
    serving.stop();
}

#[test]
fn a_whole_move_from_mdbox_of_dovecot_on_the_same_disk() {
    moves_on_the_same_disk("mdbox");
}

#[test]
fn a_whole_move_from_sdbox_of_dovecot_on_the_same_disk() {
    moves_on_the_same_disk("sdbox");
}

#[test]
fn whom_dovecot_keeps_out_gets_no_account() {
    let home = Home::new();
    let serving = home.with(&[]);
    let users =
        home.file("users", "# users\nbob:{PLAIN}a long password::::::nologin\ncarol:{plain}another long password\n");
    let import = ["account", "import", &users, "--passwd-file", "--domain", "example.org"];
    let told = serving.says_all(&import);
    assert!(told.contains("bob@example.org") && told.contains("nologin lets nobody in"), "{told}");
    assert!(told.contains("line 2"), "{told}");
    assert!(told.contains("1 added, 0 there already, 1 refused."), "{told}");
    serving.imap("carol", "\"another long password\"");
    assert!(!serving.says(&["account", "list"]).contains("bob"));
    serving.stop();
}

#[test]
fn mail_comes_from_mbox_files() {
    let home = Home::new();
    let serving = home.with(&[ALICE]);
    let one = |flags: &str, text: &str| {
        format!("From a@b Thu Jan  1 00:00:00 2026\nSubject: {text}\n{flags}\n>From {text}\n\n")
    };
    let file = home.file("old.mbox", &(one("Status: RO\nX-Keywords: Work\n", "first") + &one("", "second")));
    let way = ["import", &format!("mbox:{file}"), "--account", "alice", "--into", "Old/2026"];
    assert!(serving.says(&way).contains("Brought 2 messages of 1 folder,"));
    // One is gone, one is new, and flags are others.
    home.file("old.mbox", &(one("Status: O\n", "second") + &one("", "third")));
    let told = serving.says(&way);
    assert!(told.contains("Brought 1 message ") && told.contains("  1 message here already"), "{told}");
    let mut here = serving.imap("alice", &format!("\"{PASSWORD}\""));
    let found = mail(&mut here, "Old/2026").join("\n");
    let message = |flags: &str, text: &str| {
        let octets = format!("Subject: {text}\r\n\r\nFrom {text}\r\n");
        let lines = octets.trim_end_matches("\r\n").replace("\r\n", "\n");
        format!("{flags} INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" BODY[] {{{}}}\n{lines}\n)", octets.len())
    };
    let expected = [message("{\"\\\\seen\", \"work\"}", "first"), message("{}", "second"), message("{}", "third")];
    assert_eq!(found, expected.join("\n"));
    serving.stop();
}

/// An import that says what it does, line by line.
fn import_until(config: &Path, way: &[&str], looked: usize) -> bool {
    let arguments = [way, &["--json", "--config", config.to_str().unwrap()]].concat();
    let mut child = pillarbox(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        let step: Value = serde_json::from_str(&line).unwrap();
        if step["looked"]["done"].as_u64().is_some_and(|done| done >= looked as u64) {
            // Dropped, the import goes on as long as the server lives.
            drop(child.kill());
            drop(child.wait());
            return true;
        }
    }
    drop(child.wait());
    false
}

#[test]
fn a_sigkill_in_the_middle_of_an_import_doubles_nothing_and_loses_nothing() {
    const COUNT: usize = 2_000;
    let (old, new) = (Home::new(), Home::new());
    let source = old.with(&[ALICE]);
    let mut imap = source.imap("alice", &format!("\"{PASSWORD}\""));
    for number in 0..COUNT {
        let text = message(number, 200);
        imap.send(&format!("a APPEND Archive (x{}) {{{}+}}\r\n{text}", number % 3, text.len()));
    }
    (0..COUNT).for_each(|_| drop(imap.until("a OK")));
    let before = mail(&mut imap, "Archive");
    let (from, authority) = (format!("imaps://alice@localhost:{}", source.port("imaps")), source.authority());
    let password = new.file("secret", PASSWORD);
    let way = ["import", &from, "--account", "alice", "--password-file", &password, "--authority"];
    let way = [&way[..], &[authority.to_str().unwrap(), "--folder", "Archive"]].concat();
    drop(new.with(&[ALICE]));
    for looked in [500, 1000, 1500] {
        let serving = new.serve();
        assert!(import_until(&serving.config, &way, looked), "it was done before it could be killed");
        // SIGKILL.
        drop(serving);
    }
    let serving = new.serve();
    let told = serving.says(&way);
    assert!(told.contains("here already") && told.contains("of 1 folder"), "{told}");
    let mut here = serving.imap("alice", &format!("\"{PASSWORD}\""));
    let after = mail(&mut here, "Archive");
    assert!(before == after, "{} lines there, {} here", before.len(), after.len());
    assert!(serving.says(&["check", "--bodies"]).starts_with("All is well"));
    let undo = ["undo", "--account", "alice", "--device", "Import from localhost (alice)", "--since", "1 day ago"];
    assert!(serving.says(&undo).contains("2000"), "undo takes all of it back");
    assert_eq!(mail(&mut here, "Archive"), [""; 0]);
    serving.stop();
    source.stop();
}

#[test]
fn many_accounts_come_from_a_file_and_one_that_fails_holds_up_none() {
    let (old, new) = (Home::new(), Home::new());
    let (source, serving) =
        (old.with(&[ALICE, "bob@example.org"]), new.with(&[ALICE, "bob@example.org", "carl@example.org"]));
    for user in ["alice", "bob"] {
        let mut imap = source.imap(user, &format!("\"{PASSWORD}\""));
        append(&mut imap, "INBOX", "(\\Seen)", &message(1, 100));
    }
    let rows =
        format!("alice,alice@example.org,{PASSWORD}\ncarl,alice@example.org,wrong\nbob,bob@example.org,{PASSWORD}\n");
    let (file, config) = (new.file("accounts.csv", &rows), serving.config.to_str().unwrap().to_owned());
    let from = format!("imap://localhost:{}", source.port("imap"));
    let authority: PathBuf = source.authority();
    let way = ["import", &from, "--csv", &file, "--authority", authority.to_str().unwrap(), "--config", &config];
    let output = run(&way);
    let (told, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{told}{why}");
    assert_eq!(told.matches("Brought 1 message of 6 folders").count(), 2, "{told}");
    assert!(
        why.contains("1 of 3 accounts are not done") && why.contains("carl: no login as alice@example.org"),
        "{why}"
    );
    // Nobody gives a password to whom nobody vouches for.
    let output = run(&["import", &from, "--csv", &file, "--config", &config]);
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("3 of 3 accounts are not done") && why.contains("--authority"), "{why}");
    serving.stop();
    source.stop();
}

/// Runs a script of Python; what it says.
fn python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new("python3").arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Another program's archive of what is in a directory.
const PACK: &str = "import sys, os, zipfile
with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED) as archive:
    for above, _, names in os.walk(sys.argv[1]):
        for name in sorted(names):
            path = os.path.join(above, name)
            archive.write(path, os.path.relpath(path, sys.argv[1]))";

#[test]
fn mail_comes_from_files_of_one_message_each_and_from_an_archive_of_them() {
    let home = Home::new();
    let serving = home.with(&[ALICE, "bob@example.org"]);
    let received = "Received: by b;\n Thu, 1 Jan 2026 00:00:00 +0000\n";
    let expected = |flags: &str, text: &str| {
        let octets = format!("{received}Subject: {text}\n\n>From {text}\n").replace('\n', "\r\n");
        let lines = octets.trim_end_matches("\r\n").replace("\r\n", "\n");
        format!("{flags} INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" BODY[] {{{}}}\n{lines}\n)", octets.len())
    };
    for (account, kind) in [("alice", "eml"), ("bob", "zip")] {
        let (place, archive) = (home.place.path().join(account), home.place.path().join("saved.zip"));
        let put = |name: &str, status: &str, text: &str| {
            let path = place.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("X-Mozilla-Status: {status}\n{received}Subject: {text}\n\n>From {text}\n"))
                .unwrap();
        };
        let (dir, packed) = (place.to_str().unwrap(), archive.to_str().unwrap());
        let from = format!("{kind}:{}", if kind == "zip" { packed } else { dir });
        let bring = || {
            python(PACK, &[dir, packed]);
            serving.says(&["import", &from, "--account", account])
        };
        put("Work/Entwürfe/1.eml", "0001", "first");
        put("Work/Entwürfe/2.eml", "0000", "second");
        put("Gesendet/1.eml", "0005", "sent");
        let told = bring();
        assert!(told.contains("Brought 3 messages of 2 folders"), "{told}");
        let told = bring();
        assert!(told.contains("Brought 0 messages") && told.contains("3 messages here already"), "{told}");
        // One has another name, one other flags, one is new.
        fs::rename(place.join("Work/Entwürfe/1.eml"), place.join("Work/Entwürfe/9.eml")).unwrap();
        put("Work/Entwürfe/2.eml", "0004", "second");
        put("Later/1.eml", "0000", "later");
        let told = bring();
        assert!(told.contains("Brought 1 message of 3") && told.contains("1 message of them now with"), "{told}");
        let mut here = serving.imap(account, &format!("\"{PASSWORD}\""));
        let both = [expected("{\"\\\\seen\"}", "first"), expected("{\"\\\\flagged\"}", "second")].join("\n");
        assert_eq!(mail(&mut here, "Work/Entw&APw-rfe").join("\n"), both);
        assert_eq!(mail(&mut here, "Gesendet").join("\n"), expected("{\"\\\\flagged\", \"\\\\seen\"}", "sent"));
        assert!(serving.says(&["timeline", account]).contains(&format!("Import from {kind}:")), "it is a device");
    }
    serving.stop();
}

/// Mailboxes as they are called on the wire, and how many messages each has; the last has what an mbox file cannot hold.
const ODD: [(&str, usize); 7] = [
    ("INBOX", 5),
    ("Work", 5),
    ("work", 1),
    ("Work/a: b?", 5),
    ("Entw&APw-rfe &- R./nul", 5),
    ("Empty", 0),
    ("Odd", 4),
];

fn fill_oddly(imap: &mut Lines) {
    for (at, (mailbox, count)) in ODD.into_iter().enumerate() {
        if !matches!(mailbox, "INBOX" | "Work") {
            imap.ask(&format!("c CREATE \"{mailbox}\""), "c ");
        }
        for number in 0..count {
            let text = match (mailbox, number) {
                ("Odd", 0) => {
                    "Status: RO\r\nX-Mozilla-Status: 0008\r\nX-Keywords: own\r\nSubject: own\r\n\r\ntext\r\n".to_owned()
                }
                ("Odd", 1) => "Subject: no end\r\n\r\ntext".to_owned(),
                ("Odd", 2) => "Subject: no text\r\n".to_owned(),
                ("Odd", _) => "\r\nno header\r\n".to_owned(),
                (_, 1) => {
                    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe:_..=5C../x?=\r\n\r\nFrom me\r\n>From me\r\n\r\n\r\n".to_owned()
                }
                _ => message(at * 100 + number, [100, 100, 20_000, 100_000, 100][number]),
            };
            let flags =
                ["", "\\Seen", "\\Seen \\Answered $Forwarded", "\\Flagged Work", "\\Deleted \\Draft x'y+z"][number % 5];
            append(imap, mailbox, &format!("({flags}) \"{:2}-Mar-20{at}4 04:05:06 +0100\"", number + 1), &text);
        }
    }
    imap.ask("s SUBSCRIBE Empty", "s OK");
}

/// A mailbox as the protocol has its name: IMAP4rev1 gives and takes modified UTF-7.
fn subscribed(imap: &mut Lines) -> BTreeSet<String> {
    imap.ask("l LSUB \"\" *", "l OK").into_iter().filter(|line| line.starts_with("* LSUB")).collect()
}

/// Dovecot has the flags, keywords, dates and UIDs of mbox files; its text has one `>` more where a line begins with `From `.
fn read_by_dovecot(mbox: &Path, imap: &mut Lines) {
    let Some(dovecot) = Dovecot::start_with("mbox") else { return };
    let there = PathBuf::from(dovecot.maildir());
    fs::create_dir(&there).unwrap();
    for (file, folder) in [("INBOX.mbox", "inbox"), ("Work.sbd/a_ b_.mbox", "Other")] {
        fs::copy(mbox.join(file), there.join(folder)).unwrap();
    }
    dovecot.owns_its_mail();
    let mut known = dovecot.imap();
    let states = |imap: &mut Lines, mailbox: &str| -> Vec<String> {
        let shown = mail(imap, mailbox);
        let uids = imap.ask("u UID FETCH 1:* UID", "u OK");
        let validity = imap.ask(&format!("v STATUS \"{mailbox}\" (UIDVALIDITY)"), "v OK");
        let validity = validity[0].rsplit('(').next().unwrap().to_owned();
        let states = shown.iter().filter_map(|line| Some(line.split_once(" BODY[]")?.0.to_owned()));
        states.chain(uids.into_iter().filter(|line| line.starts_with("* "))).chain([validity]).collect()
    };
    for (mailbox, folder) in [("INBOX", "INBOX"), ("Work/a: b?", "Other")] {
        let here = states(imap, mailbox);
        assert!(here.len() == 11 && here[2].contains("$forwarded"), "{here:?}");
        assert_eq!(states(&mut known, folder), here);
    }
}

#[test]
fn what_is_exported_comes_back_as_it_was() {
    let home = Home::new();
    let serving = home.with(&[ALICE, "eml@example.org", "zip@example.org", "mbox@example.org"]);
    let mut imap = serving.imap("alice", &format!("\"{PASSWORD}\""));
    imap.ask("c CREATE Work", "c OK");
    fill_oddly(&mut imap);
    for form in ["eml", "zip", "mbox"] {
        let to = home.place.path().join(format!("out.{form}"));
        let to = to.to_str().unwrap();
        let way = ["export", to, "--account", "alice", "--format", form];
        let told = serving.says(&way);
        assert!(told.contains("Wrote 25 messages of 13 mailboxes"), "{told}");
        let again = run(&[&way[..], &["--config", serving.config.to_str().unwrap()]].concat());
        assert_eq!(again.status.code(), Some(1), "what is there is not written over");
        let told = serving.says(&["import", &format!("{form}:{to}"), "--account", form]);
        assert!(told.contains("Brought 25 messages of 13 folders"), "{told}");
        let mut there = serving.imap(form, &format!("\"{PASSWORD}\""));
        assert_eq!(subscribed(&mut there), subscribed(&mut imap), "{form}");
        for (mailbox, count) in ODD.into_iter().filter(|(mailbox, _)| form != "mbox" || *mailbox != "Odd") {
            let (before, after) = (mail(&mut imap, mailbox), mail(&mut there, mailbox));
            assert!(before.iter().filter(|line| line.contains("INTERNALDATE")).count() == count, "{before:?}");
            let differs = before.iter().zip(&after).find(|(before, after)| before != after);
            assert_eq!((before.len(), differs), (after.len(), None), "{mailbox} by {form}");
        }
        let again = serving.says(&["import", &format!("{form}:{to}"), "--account", form]);
        assert!(again.contains("Brought 0 messages") && again.contains("25 messages here already"), "{again}");
    }
    // Other programs read it too.
    let place = home.place.path();
    let read = "import mailbox, sys
for message in mailbox.mbox(sys.argv[1], create=False):
    print(message.get_flags(), message['X-Keywords'], message.get_from(), len(message.get_payload()))";
    let told = python(read, &[place.join("out.mbox/Work.mbox").to_str().unwrap()]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    assert!(lines[0].starts_with("O None MAILER-DAEMON Sat Mar  1 03:05:06 2014"), "{told}");
    assert!(lines[1].starts_with("RO None") && lines[2].starts_with("ROA $Forwarded"), "{told}");
    assert!(lines[3].starts_with("OF Work") && lines[4].starts_with("OTD x'y+z"), "{told}");
    read_by_dovecot(&place.join("out.mbox"), &mut imap);
    let read = "import zipfile, sys
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
for entry in archive.infolist(): print(entry.filename, entry.date_time)";
    let told = python(read, &[place.join("out.zip").to_str().unwrap()]);
    assert!(told.contains("Work/a_ b_/0000000002 Grüße .. .. x.eml (2034, 3, 2, 3, 5, 6)"), "{told}");
    assert!(told.contains("Entwürfe & R_/_nul_/messages.csv") && told.contains("Empty/ "), "{told}");
    assert!(told.contains("work_/0000000001"), "Windows tells no capitals apart: {told}");
    assert!(!place.join("out.zip.part").exists());
    assert!(serving.says(&["check", "--bodies"]).starts_with("All is well"));
    serving.stop();
}

#[test]
fn a_sigkill_in_the_middle_of_an_import_from_an_archive_doubles_nothing_and_loses_nothing() {
    const COUNT: usize = 2_000;
    let home = Home::new();
    let place = home.place.path().join("saved");
    fs::create_dir_all(place.join("Archive")).unwrap();
    for number in 0..COUNT {
        // The same text in many: each is a message.
        fs::write(place.join(format!("Archive/{number:05}.eml")), message(number / 3, 200)).unwrap();
    }
    let archive = home.place.path().join("saved.zip");
    python(PACK, &[place.to_str().unwrap(), archive.to_str().unwrap()]);
    drop(home.with(&[ALICE]));
    let from = format!("zip:{}", archive.display());
    let way = ["import", &from, "--account", "alice"];
    for looked in [500, 1000, 1500] {
        let serving = home.serve();
        assert!(import_until(&serving.config, &way, looked), "it was done before it could be killed");
        // SIGKILL.
        drop(serving);
    }
    let serving = home.serve();
    let told = serving.says(&way);
    assert!(told.contains("here already"), "{told}");
    let mut here = serving.imap("alice", &format!("\"{PASSWORD}\""));
    let found = mail(&mut here, "Archive");
    let found: Vec<&String> = found.iter().filter(|line| line.starts_with("Message-ID")).collect();
    let expected: Vec<String> = (0..COUNT).map(|number| format!("Message-ID: <{}@example.net>", number / 3)).collect();
    assert!(found.iter().map(|line| line.as_str()).eq(expected.iter().map(String::as_str)), "{} came", found.len());
    assert!(serving.says(&["check", "--bodies"]).starts_with("All is well"));
    serving.stop();
}
