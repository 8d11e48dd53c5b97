//! mbsync (isync): a Maildir that is the mailbox.

use super::household::{Household, USER};
use super::program::are_here;
use std::fs;
use std::path::PathBuf;

pub struct Synced {
    pub house: Household,
    config: String,
    pub phone: String,
}

impl Synced {
    pub fn new() -> Self {
        let house = Household::new();
        let (password, port, authority) = (house.device("mbsync"), house.port("imaps"), house.authority());
        let home = house.home().to_str().unwrap();
        fs::create_dir(house.home().join("Mail")).unwrap();
        let config = format!(
            "IMAPAccount pillarbox\nHost localhost\nPort {port}\nUser {USER}\nPass {password}\nSSLType IMAPS\n\
             CertificateFile {authority}\n\nIMAPStore server\nAccount pillarbox\n\n\
             MaildirStore here\nSubFolders Verbatim\nPath {home}/Mail/\nInbox {home}/Mail/INBOX\n\n\
             Channel mail\nFar :server:\nNear :here:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\nSyncState *\n"
        );
        let config = house.write("mbsyncrc", &config);
        let phone = house.device("phone");
        Self { house, config, phone }
    }

    pub fn sync(&self) {
        self.house.run("mbsync", &["-c", &self.config, "-a"]).ended(0);
    }

    /// The files of a mailbox in the order of their UIDs, with the text behind the UID: `:2,` and flags.
    pub fn files(&self, mailbox: &str) -> Vec<(PathBuf, String)> {
        let mut files = Vec::new();
        for below in ["new", "cur"] {
            let directory = self.house.home().join("Mail").join(mailbox).join(below);
            for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
                let name = path.file_name().unwrap().to_str().unwrap();
                let (uid, flags) = name.split_once("U=").and_then(|(_, rest)| rest.split_once(":2,")).unwrap();
                files.push((uid.parse::<u32>().unwrap(), path.clone(), flags.to_owned()));
            }
        }
        files.sort();
        files.into_iter().map(|(_, path, flags)| (path, flags)).collect()
    }

    pub fn set_flags(&self, number: usize, flags: &str) {
        let (path, _) = self.files("INBOX").swap_remove(number);
        let name = path.file_name().unwrap().to_str().unwrap();
        let stem = name.split_once(":2,").unwrap().0;
        fs::rename(&path, self.house.home().join(format!("Mail/INBOX/cur/{stem}:2,{flags}"))).unwrap();
    }

    fn phone(&self, commands: &[&str]) {
        let mut imap = self.house.imap(&self.phone);
        imap.ask("s SELECT INBOX", "s OK");
        commands.iter().for_each(|command| drop(imap.ask(&format!("c {command}"), "c OK")));
    }

    /// MODSEQ of all mailboxes: it stands still while nothing changes.
    fn modseqs(&self) -> Vec<String> {
        let mut imap = self.house.imap(&self.phone);
        imap.ask("l LIST \"\" * RETURN (STATUS (HIGHESTMODSEQ MESSAGES UIDNEXT))", "l OK")
    }
}

#[test]
fn mbsync_brings_mail_and_flags_both_ways() {
    if !are_here(&["mbsync"]) {
        return;
    }
    let synced = Synced::new();
    synced.house.deliver(&["One", "Two", "Three"]);
    synced.sync();
    assert_eq!(synced.files("INBOX").len(), 3);
    let names = ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"];
    assert!(names.iter().all(|name| synced.house.home().join("Mail").join(name).is_dir()));
    let text = fs::read_to_string(&synced.files("INBOX")[1].0).unwrap();
    assert!(text.contains("\nSubject: Two\n") && text.ends_with("This is Two.\n.a dot\n"), "{text}");

    let (modseqs, files) = (synced.modseqs(), synced.files("INBOX"));
    synced.sync();
    assert_eq!((synced.modseqs(), synced.files("INBOX")), (modseqs, files), "a second run changes nothing");

    synced.phone(&["STORE 1 +FLAGS (\\Flagged)"]);
    synced.set_flags(2, "RS");
    synced.sync();
    assert_eq!(synced.files("INBOX").into_iter().map(|(_, flags)| flags).collect::<Vec<_>>(), ["F", "", "RS"]);
    let flags: Vec<_> = synced.house.look(&synced.phone, "INBOX").into_iter().map(|seen| seen.flags.concat()).collect();
    assert_eq!(flags, ["\\Flagged", "", "\\Answered\\Seen"]);
}

#[test]
fn mbsync_expunges_and_uploads_both_ways() {
    if !are_here(&["mbsync"]) {
        return;
    }
    let synced = Synced::new();
    synced.house.deliver(&["One", "Two", "Three"]);
    synced.sync();
    synced.set_flags(0, "ST");
    synced.phone(&["STORE 3 +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]);
    fs::write(synced.house.home().join("Mail/Sent/cur/1.1.here:2,S"), "Subject: Reply\n\nwritten offline\n").unwrap();
    synced.sync();
    assert_eq!(synced.house.subjects(&synced.phone, "INBOX"), ["Two"]);
    assert_eq!(synced.files("INBOX").len(), 1);
    let sent = synced.house.look(&synced.phone, "Sent");
    assert_eq!((sent[0].subject.as_str(), sent[0].flags.concat().as_str()), ("Reply", "\\Seen"));

    // A move by another device, and a mailbox that is new.
    synced.phone(&["CREATE Work", "MOVE 1 Work"]);
    let mut modseqs = Vec::new();
    for _ in 0..2 {
        synced.sync();
        assert_eq!((synced.files("INBOX").len(), synced.files("Work").len()), (0, 1));
        modseqs.push(synced.modseqs());
    }
    assert_eq!(modseqs[0], modseqs[1]);
}
