//! What a POP3 device removed comes back with one command, and every device agrees on it: two IMAP devices that
//! resynchronise, a POP3 device that kept its mail, and the one that removed it.

#![allow(clippy::unwrap_used)]

mod rig;

use rig::{Lines, Serving};
use serde_json::Value;
use tempfile::TempDir;

const ALICE: &str = "alice@example.org";

struct Home {
    serving: Serving,
    _directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let serving = Serving::start(directory.path(), "");
        serving.says(&["domain", "add", "example.org"]);
        serving.says(&["account", "add", ALICE, "--generate"]);
        Self { serving, _directory: directory }
    }

    fn device(&self, name: &str, policy: &str) -> String {
        let text = self.serving.says(&["device", "add", ALICE, name, "--policy", policy, "--json"]);
        let device: Value = serde_json::from_str(&text).unwrap();
        device["password"].as_str().unwrap().to_owned()
    }

    fn deliver(&self, subjects: &[&str]) {
        let mut lmtp = self.serving.connect_plain("lmtp");
        lmtp.until("220 ");
        lmtp.ask("LHLO outside.example", "250 ");
        for subject in subjects {
            lmtp.ask("MAIL FROM:<carol@example.net>", "250 ");
            lmtp.ask(&format!("RCPT TO:<{ALICE}>"), "250 ");
            lmtp.ask("DATA", "354 ");
            lmtp.ask(&format!("From: Carol <carol@example.net>\r\nSubject: {subject}\r\n\r\n{subject}\r\n."), "250 ");
        }
    }

    fn imap(&self, password: &str) -> Lines {
        let mut imap = self.serving.connect_tls("imaps");
        imap.until("* OK");
        imap.ask(&format!("l LOGIN {ALICE} {password}"), "l OK");
        imap.ask("e ENABLE QRESYNC", "e OK");
        imap
    }

    fn pop(&self, password: &str) -> Lines {
        let mut pop = self.serving.connect_tls("pop3s");
        pop.until("+OK");
        pop.ask(&format!("USER {ALICE}"), "+OK");
        pop.ask(&format!("PASS {password}"), "+OK");
        pop
    }

    /// The unique ids that a POP3 device lists.
    fn uidl(&self, password: &str) -> Vec<String> {
        let mut pop = self.pop(password);
        let lines = pop.ask("UIDL", ".");
        pop.ask("QUIT", "+OK");
        let ids = lines.iter().filter(|line| !line.starts_with(['+', '.']));
        ids.map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    /// Downloads and deletes everything.
    fn take_all(&self, password: &str) {
        let mut pop = self.pop(password);
        let count: usize = pop.ask("STAT", "+OK")[0].split(' ').nth(1).unwrap().parse().unwrap();
        for number in 1..=count {
            pop.ask(&format!("RETR {number}"), ".");
            pop.ask(&format!("DELE {number}"), "+OK");
        }
        pop.ask("QUIT", "+OK");
    }
}

/// `[NAME value]` in one of the lines.
fn code(lines: &[String], name: &str) -> String {
    let found = lines.iter().find_map(|line| line.split_once(&format!("[{name} ")));
    found.unwrap().1.split_once(']').unwrap().0.to_owned()
}

#[test]
fn what_a_pop_device_removed_comes_back_for_everybody_and_goes_again() {
    let home = Home::new();
    let [phone, tablet] = ["phone", "tablet"].map(|name| home.device(name, "keep"));
    let pc = home.device("old PC", "expunge");
    home.deliver(&["one", "two", "three"]);
    let mut imap = home.imap(&phone);
    imap.ask("s SELECT INBOX", "s OK");
    imap.ask("f UID STORE 2 +FLAGS (\\Flagged $Label1)", "f OK");
    let selected = imap.ask("s SELECT INBOX", "s OK");
    let emails = imap.ask("f UID FETCH 1:* (EMAILID)", "f OK");
    let (validity, modseq) = (code(&selected, "UIDVALIDITY"), code(&selected, "HIGHESTMODSEQ"));
    let before = home.uidl(&tablet);
    assert_eq!(before.len(), 3);

    home.take_all(&pc);
    assert_eq!(imap.ask("n NOOP", "n OK")[0], "* VANISHED 1:3");
    assert_eq!(home.uidl(&tablet), [""; 0]);

    let undo = ["undo", "--account", "alice", "--device", "old PC", "--since", "1 hour ago"];
    let would = home.serving.says(&[&undo[..], &["--dry-run"]].concat());
    assert!(would.contains("3 messages: put back") && would.contains("--dry-run to do it"), "{would}");
    assert_eq!(imap.ask("n NOOP", "n OK"), ["n OK NOOP done"], "nothing was done yet");
    let done = home.serving.says(&undo);
    assert!(done.contains("3 messages: put back into the mailboxes"), "{done}");
    assert!(imap.ask("n NOOP", "n OK").contains(&"* 3 EXISTS".to_owned()));

    // A device that was away since before all of it.
    let mut other = home.imap(&phone);
    let resynced = other.ask(&format!("s SELECT INBOX (QRESYNC ({validity} {modseq}))"), "s OK");
    assert!(resynced.contains(&"* VANISHED (EARLIER) 1:3".to_owned()), "{resynced:?}");
    let came: Vec<&String> = resynced.iter().filter(|line| line.contains(" FETCH (UID ")).collect();
    assert_eq!(came.len(), 3, "{resynced:?}");
    assert!(came[1].contains("UID 5 ") && came[1].contains("\\Flagged $Label1"), "flags as they were: {came:?}");
    let ids = |lines: &[String]| -> Vec<String> {
        lines.iter().filter_map(|line| Some(line.split_once("EMAILID (")?.1.split_once(')')?.0.to_owned())).collect()
    };
    assert_eq!(ids(&other.ask("f UID FETCH 4:6 (EMAILID)", "f OK")), ids(&emails), "the same messages");
    assert_eq!(home.uidl(&tablet), before, "under the same unique ids");
    assert_eq!(home.uidl(&pc), [""; 0], "the device that has them does not get them twice");

    let timeline = home.serving.says(&["timeline", "alice"]);
    for line in ["old PC over POP: removed 3 messages from INBOX", "undid what old PC had done", "  two from Carol"] {
        assert!(timeline.contains(line), "{line}: {timeline}");
    }
    let story = home.serving.says(&["timeline", "alice", "--message", &before[1]]);
    let told =
        ["received in INBOX", "marked flagged", "downloaded by old PC", "removed from INBOX", "put back into INBOX"];
    let mut rest = story.as_str();
    for line in told {
        rest = rest.split_once(line).unwrap_or_else(|| panic!("{line} is not next in {story}")).1;
    }

    // The undo itself is taken back, and that too.
    let take_back = |done: &str| {
        let entry = done.split_once("--entry ").unwrap().1.trim();
        home.serving.says(&["undo", "--account", "alice", "--entry", entry])
    };
    let undone = take_back(&done);
    assert!(imap.ask("n NOOP", "n OK").contains(&"* VANISHED 4:6".to_owned()));
    assert_eq!(home.serving.says(&undo), "There is nothing to take back.\n", "not the PC removed it the second time");
    take_back(&undone);
    assert!(imap.ask("n NOOP", "n OK").contains(&"* 3 EXISTS".to_owned()));
    assert_eq!(home.uidl(&tablet), before);
    drop((imap, other));
    home.serving.stop();
}

#[test]
fn what_the_only_device_took_is_offered_when_a_second_one_comes() {
    let home = Home::new();
    let pc = home.device("old PC", "keep-when-shared");
    home.deliver(&["one", "two"]);
    home.take_all(&pc);
    let offers = || home.serving.says(&["offer", "list", ALICE]);
    assert_eq!(offers(), "Nothing was taken that can be put back.\n", "it is the only device");
    let phone = home.device("phone", "keep");
    assert!(offers().contains("old PC  2 "), "{}", offers());
    let report = home.serving.says(&["account", "report"]);
    assert!(report.contains("amber  1 of 2   0     2 "), "{report}");
    let defaults = ["device", "defaults", ALICE];
    assert!(home.serving.says(&defaults).contains("policy keep-when-shared, window everything"));
    let chosen = home.serving.says(&[&defaults[..], &["trash", "--scope", "inbox"]].concat());
    assert_eq!(chosen, "New devices begin with policy trash, window everything, scope inbox.\n");
    let next = home.serving.says(&["device", "add", ALICE, "tablet", "--json"]);
    assert!(next.contains("\"policy\":\"trash\""), "{next}");
    let accepted = home.serving.says(&["offer", "accept", ALICE, "old PC"]);
    assert!(accepted.contains("2 messages: put back"), "{accepted}");
    let mut imap = home.imap(&phone);
    assert!(imap.ask("s SELECT INBOX", "s OK").contains(&"* 2 EXISTS".to_owned()));
    assert_eq!(home.uidl(&pc), [""; 0]);
    assert_eq!(offers(), "Nothing was taken that can be put back.\n");
    drop(imap);
    home.serving.stop();
}
