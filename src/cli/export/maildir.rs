//! A Maildir as Dovecot has it: Maildir++ folders, keywords as letters, line ends of the system.
//!
//! The name of a message's file begins with its UID, so that who numbers the messages anew has them in the same order, and has its
//! EMAILID, so that it is the same in the next export: an import knows by it what it has.

use std::collections::BTreeSet;
use std::fs::{File, FileTimes};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use imap_proto::utf7;

use super::super::Outcome;
use super::super::failure::Failure;
use super::form::{
    Done, Form, Mailbox, Message, broke_off, create, directory, failed, must_be_empty, out_of_turn, write,
};

/// `a` to `z`.
const LETTERS: usize = 26;
/// A directory's name has no more octets.
const NAME_BYTES_MAX: usize = 255;

/// A Maildir that is written.
pub(super) struct Maildir {
    root: PathBuf,
    names: BTreeSet<String>,
    subscribed: Vec<String>,
    folder: Option<Folder>,
    message: Option<Writing>,
    done: Done,
}

struct Folder {
    name: String,
    dir: PathBuf,
    keywords: Vec<String>,
    /// Keywords for which there is no letter.
    without: BTreeSet<String>,
    /// Dovecot's `dovecot-uidlist`: what messages are known by.
    uids: String,
}

/// A message that is written.
struct Writing {
    file: BufWriter<File>,
    path: PathBuf,
    /// Where it goes when it is whole.
    to: PathBuf,
    /// An octet that may belong to a line's end.
    has_cr: bool,
    left: usize,
    at: i64,
}

impl Maildir {
    pub(super) fn create(root: &Path) -> Result<Self, Failure> {
        must_be_empty(root)?;
        directories(root)?;
        Ok(Self {
            root: root.to_owned(),
            names: BTreeSet::new(),
            subscribed: Vec::new(),
            folder: None,
            message: None,
            done: Done::default(),
        })
    }

    /// A name as Maildir++ has it: `.` between levels, so that no level can have one.
    fn storage_name(&mut self, name: &str) -> String {
        let level = |level: &str| utf7::encode(&level.replace('.', "_"));
        let mut stored = name.split('/').map(level).collect::<Vec<_>>().join(".");
        if stored.len() >= NAME_BYTES_MAX {
            stored = "_long".to_owned();
        }
        while self.names.contains(&stored) {
            stored.push('_');
        }
        self.names.insert(stored.clone());
        if stored.split('.').map(utf7::decode).collect::<Option<Vec<_>>>().is_none_or(|levels| levels.join("/") != name)
        {
            self.done.told.push(format!("The mailbox {name} is in .{stored}."));
        }
        stored
    }

    fn end_message(&mut self) -> Outcome {
        let Some(writing) = self.message.take() else { return Ok(()) };
        if writing.left > 0 {
            return Err(broke_off());
        }
        let path = writing.path.clone();
        writing.end().map_err(|error| failed(&path, &error))?;
        self.done.messages += 1;
        Ok(())
    }

    fn end_folder(&mut self) -> Outcome {
        self.end_message()?;
        let Some(Folder { name, dir, keywords, without, uids }) = self.folder.take() else { return Ok(()) };
        write(&dir.join("dovecot-uidlist"), uids.as_bytes())?;
        if !keywords.is_empty() {
            let lines: String = keywords.iter().enumerate().map(|(at, word)| format!("{at} {word}\n")).collect();
            write(&dir.join("dovecot-keywords"), lines.as_bytes())?;
        }
        if !without.is_empty() {
            let words = without.into_iter().collect::<Vec<_>>().join(", ");
            self.done.told.push(format!("{name} has more keywords than a Maildir has letters; without: {words}."));
        }
        Ok(())
    }
}

impl Form for Maildir {
    fn mailbox(&mut self, Mailbox { name, is_subscribed, uid_validity, uid_next, .. }: Mailbox) -> Outcome {
        self.end_folder()?;
        let below = if name == "INBOX" { String::new() } else { format!(".{}", self.storage_name(&name)) };
        if is_subscribed {
            self.subscribed.push(if below.is_empty() { "INBOX".to_owned() } else { below[1..].to_owned() });
        }
        let dir = self.root.join(&below);
        if !below.is_empty() {
            directories(&dir)?;
            // Maildir++: it tells a folder from a mailbox of its own.
            write(&dir.join("maildirfolder"), b"")?;
        }
        self.done.folders += 1;
        let (keywords, without) = (Vec::new(), BTreeSet::new());
        let uids = format!("3 V{uid_validity} N{uid_next}\n");
        self.folder = Some(Folder { name, dir, keywords, without, uids });
        Ok(())
    }

    fn message(&mut self, message: Message) -> Outcome {
        self.end_message()?;
        let Some(folder) = &mut self.folder else { return Err(out_of_turn()) };
        let Message { uid, id, uidl, flags, at, bytes } = message;
        let letters = folder.letters(&flags);
        let name = format!("{uid:010}.{id}.pillarbox");
        // POP3 knows INBOX, and no other folder.
        let own = if folder.name == "INBOX" { format!(" P{uidl}") } else { String::new() };
        folder.uids.push_str(&format!("{uid}{own} :{name}\n"));
        let (path, to) =
            (folder.dir.join("tmp").join(&name), folder.dir.join("cur").join(format!("{name}:2,{letters}")));
        let file = create(&path).map_err(|error| failed(&path, &error))?;
        self.message = Some(Writing { file: BufWriter::new(file), path, to, has_cr: false, left: bytes, at });
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> Outcome {
        let Some(writing) = &mut self.message else { return Err(out_of_turn()) };
        writing.left = writing.left.saturating_sub(octets.len());
        writing.lines(octets).map_err(|error| failed(&writing.path, &error))
    }

    fn end(mut self: Box<Self>) -> Result<Done, Failure> {
        self.end_folder()?;
        let lines: String = self.subscribed.iter().map(|name| format!("{name}\n")).collect();
        write(&self.root.join("subscriptions"), lines.as_bytes())?;
        Ok(self.done)
    }
}

impl Folder {
    /// Flags as letters, in the order of ASCII.
    fn letters(&mut self, flags: &[String]) -> String {
        let mut letters = BTreeSet::new();
        for flag in flags {
            let letter = match flag.as_str() {
                "\\Draft" => Some('D'),
                "\\Flagged" => Some('F'),
                "\\Answered" => Some('R'),
                "\\Seen" => Some('S'),
                "\\Deleted" => Some('T'),
                keyword => {
                    if keyword.eq_ignore_ascii_case("$Forwarded") {
                        // Some programs know the letter, Dovecot knows the keyword.
                        letters.insert('P');
                    }
                    self.letter(keyword)
                }
            };
            letters.extend(letter);
        }
        letters.into_iter().collect()
    }

    fn letter(&mut self, keyword: &str) -> Option<char> {
        let known = self.keywords.iter().position(|known| known == keyword);
        let at = known.unwrap_or(self.keywords.len());
        if at >= LETTERS {
            self.without.insert(keyword.to_owned());
            return None;
        }
        if known.is_none() {
            self.keywords.push(keyword.to_owned());
        }
        u8::try_from(at).ok().map(|at| char::from(b'a' + at))
    }
}

impl Writing {
    /// Files have the line ends of the system.
    fn lines(&mut self, octets: &[u8]) -> io::Result<()> {
        for octet in octets {
            match (self.has_cr, octet) {
                (true, b'\n') | (false, b'\r') => {}
                (true, _) => self.file.write_all(b"\r")?,
                (false, _) => {}
            }
            self.has_cr = *octet == b'\r';
            if !self.has_cr {
                self.file.write_all(&[*octet])?;
            }
        }
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        if self.has_cr {
            self.file.write_all(b"\r")?;
        }
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if let Ok(seconds) = u64::try_from(self.at) {
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))?;
        }
        std::fs::rename(&self.path, &self.to)
    }
}

fn directories(dir: &Path) -> Outcome {
    ["cur", "new", "tmp"].iter().try_for_each(|name| directory(&dir.join(name)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs;

    fn mailbox(name: &str, is_subscribed: bool, (uid_validity, uid_next): (u32, u32)) -> Mailbox {
        Mailbox { name: name.to_owned(), is_subscribed, uid_validity, uid_next, keywords: Vec::new() }
    }

    fn message(uid: u32, flags: &[&str], bytes: usize) -> Message {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Message { uid, id: format!("M{uid}"), uidl: format!("0000000{uid}4c0907b0"), flags, at: 1_577_833_200, bytes }
    }

    #[test]
    fn messages_lie_under_their_flags_with_their_date() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("Maildir");
        let mut maildir = Maildir::create(&root).unwrap();
        maildir.mailbox(mailbox("INBOX", true, (1_275_660_208, 9))).unwrap();
        maildir.message(message(1, &["\\Seen", "Work", "$Forwarded", "\\Flagged"], 9)).unwrap();
        // A line's end in two parts; a bare CR stays.
        for part in [&b"a\r"[..], b"\nb\rc\r", b"\r"] {
            maildir.octets(part).unwrap();
        }
        maildir.octets(b"\n").unwrap();
        maildir.mailbox(mailbox("Work/Entwürfe & a.b", false, (7, 3))).unwrap();
        maildir.message(message(2, &[], 0)).unwrap();
        let done = Box::new(maildir).end().unwrap();
        assert_eq!((done.messages, done.folders), (2, 2));
        assert_eq!(done.told, ["The mailbox Work/Entwürfe & a.b is in .Work.Entw&APw-rfe &- a_b."]);
        let file = root.join("cur/0000000001.M1.pillarbox:2,FPSab");
        assert_eq!(fs::read(&file).unwrap(), b"a\nb\rc\r\n");
        let changed = file.metadata().unwrap().modified().unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(changed.as_secs(), 1_577_833_200);
        assert_eq!(fs::read_to_string(root.join("dovecot-keywords")).unwrap(), "0 Work\n1 $Forwarded\n");
        assert_eq!(fs::read_to_string(root.join("subscriptions")).unwrap(), "INBOX\n");
        let below = root.join(".Work.Entw&APw-rfe &- a_b");
        assert!(below.join("cur/0000000002.M2.pillarbox:2,").exists());
        let uids = |dir: &Path| fs::read_to_string(dir.join("dovecot-uidlist")).unwrap();
        assert_eq!(uids(&root), "3 V1275660208 N9\n1 P000000014c0907b0 :0000000001.M1.pillarbox\n");
        assert_eq!(uids(&below), "3 V7 N3\n2 :0000000002.M2.pillarbox\n");
        assert!(matches!(Maildir::create(&root), Err(Failure::Refused(why)) if why.contains("not empty")));
    }

    #[test]
    fn names_and_keywords_that_a_maildir_cannot_have_are_told() {
        let place = tempfile::tempdir().unwrap();
        let mut maildir = Maildir::create(&place.path().join("Maildir")).unwrap();
        let mut told = |name: &str| {
            maildir.mailbox(mailbox(name, false, (1, 2))).unwrap();
            maildir.done.told.pop()
        };
        assert_eq!(told(&"a".repeat(NAME_BYTES_MAX - 1)), None);
        assert!(told(&"b".repeat(NAME_BYTES_MAX)).unwrap().ends_with("._long."));
        assert_eq!(told("a_b"), None);
        assert_eq!(told("a.b").unwrap(), "The mailbox a.b is in .a_b_.");
        let words: Vec<String> = (0..=LETTERS).map(|at| format!("w{at:02}")).collect();
        let flags: Vec<&str> = words.iter().map(String::as_str).collect();
        maildir.message(message(1, &flags, 0)).unwrap();
        let told = Box::new(maildir).end().unwrap().told;
        assert_eq!(told, ["a.b has more keywords than a Maildir has letters; without: w26."]);
    }

    #[test]
    fn a_message_that_breaks_off_is_told() {
        let place = tempfile::tempdir().unwrap();
        let mut maildir = Maildir::create(&place.path().join("Maildir")).unwrap();
        maildir.mailbox(mailbox("INBOX", false, (1, 2))).unwrap();
        maildir.message(message(1, &[], 2)).unwrap();
        maildir.octets(b"a").unwrap();
        assert!(matches!(Box::new(maildir).end(), Err(Failure::Fault(why)) if why.contains("broke off")));
    }
}
