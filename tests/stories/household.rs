//! A running server with one account, and a directory in which a program can feel at home.

use super::program::{Ran, run};
use crate::rig::{Lines, Serving};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const USER: &str = "alice@example.org";

pub struct Household {
    pub serving: Serving,
    home: PathBuf,
    _directory: TempDir,
}

/// A message as an IMAP device sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub uid: u32,
    /// Sorted.
    pub flags: Vec<String>,
    pub subject: String,
}

impl Household {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more in its configuration.
    pub fn with(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let serving = Serving::start(directory.path(), configuration);
        serving.says(&["domain", "add", "example.org"]);
        serving.says(&["account", "add", USER, "--generate"]);
        let home = directory.path().join("home");
        fs::create_dir(&home).unwrap();
        Self { serving, home, _directory: directory }
    }

    /// A device's application password.
    pub fn device(&self, name: &str) -> String {
        let text = self.serving.says(&["device", "add", USER, name, "--json"]);
        let device: Value = serde_json::from_str(&text).unwrap();
        device["password"].as_str().unwrap().to_owned()
    }

    pub fn port(&self, service: &str) -> u16 {
        self.serving.port(service)
    }

    pub fn authority(&self) -> String {
        self.serving.authority().to_str().unwrap().to_owned()
    }

    /// Runs a program there.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        run(&self.home, program, arguments, "")
    }

    /// Runs a program there with some input.
    pub fn feed(&self, program: &str, arguments: &[&str], input: &str) -> Ran {
        run(&self.home, program, arguments, input)
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file for its owner only, as programs want it that find a password there.
    pub fn write(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// New mail from outside, one message for each subject.
    pub fn deliver(&self, subjects: &[&str]) {
        let mut smtp = self.serving.connect_plain("smtp");
        smtp.until("220 ");
        smtp.ask("EHLO outside.example", "250 ");
        for subject in subjects {
            smtp.ask("MAIL FROM:<carol@example.net>", "250 ");
            smtp.ask(&format!("RCPT TO:<{USER}>"), "250 ");
            smtp.ask("DATA", "354 ");
            let header = format!("From: Carol <carol@example.net>\r\nTo: {USER}\r\nSubject: {subject}");
            smtp.ask(&format!("{header}\r\n\r\nThis is {subject}.\r\n..a dot\r\n."), "250 ");
        }
        smtp.ask("QUIT", "221 ");
    }

    /// An IMAP device at work.
    pub fn imap(&self, password: &str) -> Lines {
        let mut imap = self.serving.connect_tls("imaps");
        imap.until("* OK");
        imap.ask(&format!("l LOGIN {USER} {password}"), "l OK");
        imap
    }

    /// What an IMAP device sees in a mailbox.
    pub fn look(&self, password: &str, mailbox: &str) -> Vec<Seen> {
        let mut imap = self.imap(password);
        imap.ask(&format!("e EXAMINE \"{mailbox}\""), "e OK");
        let lines = imap.ask("f UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])", "f OK");
        let mut seen: Vec<Seen> = Vec::new();
        for line in lines {
            if let Some((_, rest)) = line.split_once(" FETCH (UID ") {
                let (uid, rest) = rest.split_once(" FLAGS (").unwrap();
                let flags = rest.split_once(')').unwrap().0;
                // Who looks first is told that it is recent, whatever the others did.
                let flags = flags.split_whitespace().filter(|flag| *flag != "\\Recent");
                let mut flags: Vec<String> = flags.map(str::to_owned).collect();
                flags.sort();
                seen.push(Seen { uid: uid.parse().unwrap(), flags, subject: String::new() });
            } else if let Some(subject) = line.strip_prefix("Subject: ") {
                seen.last_mut().unwrap().subject = subject.to_owned();
            }
        }
        seen
    }

    /// The subjects in a mailbox.
    pub fn subjects(&self, password: &str, mailbox: &str) -> Vec<String> {
        self.look(password, mailbox).into_iter().map(|seen| seen.subject).collect()
    }

    /// How many messages INBOX has, as the operator sees it: no device has to log in for it.
    pub fn count_in_inbox(&self) -> u64 {
        let text = self.serving.says(&["account", "show", USER, "--json"]);
        let account: Value = serde_json::from_str(&text).unwrap();
        let mailboxes = account["mailboxes"].as_array().unwrap();
        mailboxes.iter().find(|mailbox| mailbox["name"] == "INBOX").unwrap()["messages"].as_u64().unwrap()
    }
}
