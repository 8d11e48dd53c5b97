//! What all forms have in common that an account is written in.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::Outcome;
use super::super::failure::Failure;

/// A mailbox to be written.
pub(super) struct Mailbox {
    pub(super) name: String,
    pub(super) is_subscribed: bool,
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) keywords: Vec<String>,
}

/// A message to be written.
pub(super) struct Message {
    pub(super) uid: u32,
    pub(super) id: String,
    pub(super) uidl: String,
    pub(super) flags: Vec<String>,
    /// When it came, in seconds since 1970.
    pub(super) at: i64,
    pub(super) bytes: usize,
}

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) messages: usize,
    pub(super) folders: usize,
    /// What is otherwise than in the account.
    pub(super) told: Vec<String>,
}

/// A form: takes a mailbox, then each of its messages, and behind each its octets.
pub(super) trait Form {
    /// The next messages are of this mailbox.
    fn mailbox(&mut self, mailbox: Mailbox) -> Outcome;
    /// A message; its octets come after it.
    fn message(&mut self, message: Message) -> Outcome;
    /// The next octets of the message.
    fn octets(&mut self, octets: &[u8]) -> Outcome;
    /// There are no more.
    fn end(self: Box<Self>) -> Result<Done, Failure>;
}

/// A form that takes each message as a whole.
pub(super) trait Whole {
    fn mailbox(&mut self, mailbox: Mailbox) -> Outcome;
    fn message(&mut self, message: &Message, octets: &[u8]) -> Outcome;
    fn end(self) -> Result<Done, Failure>;
}

/// Makes messages whole.
pub(super) struct Gathered<W> {
    whole: W,
    open: Option<(Message, Vec<u8>)>,
}

impl<W: Whole> Gathered<W> {
    pub(super) fn into(whole: W) -> Self {
        Self { whole, open: None }
    }

    fn end_message(&mut self) -> Outcome {
        let Some((message, octets)) = self.open.take() else { return Ok(()) };
        if octets.len() == message.bytes { self.whole.message(&message, &octets) } else { Err(broke_off()) }
    }
}

impl<W: Whole> Form for Gathered<W> {
    fn mailbox(&mut self, mailbox: Mailbox) -> Outcome {
        self.end_message()?;
        self.whole.mailbox(mailbox)
    }

    fn message(&mut self, message: Message) -> Outcome {
        self.end_message()?;
        // What is announced is the server's own word; room is made as octets come.
        self.open = Some((message, Vec::new()));
        Ok(())
    }

    fn octets(&mut self, octets: &[u8]) -> Outcome {
        let Some((_, open)) = &mut self.open else { return Err(out_of_turn()) };
        open.extend_from_slice(octets);
        Ok(())
    }

    fn end(mut self: Box<Self>) -> Result<Done, Failure> {
        self.end_message()?;
        self.whole.end()
    }
}

/// A directory that is to be filled: one that is not there yet, or is empty.
pub(super) fn must_be_empty(root: &Path) -> Outcome {
    let there = match root.read_dir() {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(root, &error)),
    };
    if there {
        let why = format!("{} is not empty; name a directory that is not there yet", root.display());
        return Err(Failure::Refused(why));
    }
    Ok(())
}

/// Makes a directory for its owner alone, with those above it.
pub(super) fn directory(dir: &Path) -> Outcome {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| failed(dir, &error))
}

/// A file for its owner alone, that was not there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// What a file below `root` is called until it is whole: an import passes it over.
pub(super) fn part(root: &Path) -> PathBuf {
    root.join(".part")
}

/// A file has its name, once it is whole.
pub(super) fn name(root: &Path, path: &Path) -> Outcome {
    std::fs::rename(part(root), path).map_err(|error| failed(path, &error))
}

/// What was written there stays, also through a loss of power.
pub(super) fn keep(dir: &Path) -> Outcome {
    File::open(dir).and_then(|dir| Ok(rustix::fs::syncfs(dir)?)).map_err(|error| failed(dir, &error))
}

pub(super) fn write(path: &Path, octets: &[u8]) -> Outcome {
    create(path).and_then(|mut file| file.write_all(octets)).map_err(|error| failed(path, &error))
}

pub(super) fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Refused(format!("cannot write {}: {error}", path.display()))
}

pub(super) fn out_of_turn() -> Failure {
    Failure::Fault("an answer is out of turn".to_owned())
}

pub(super) fn broke_off() -> Failure {
    Failure::Fault("the server broke off in the middle of a message".to_owned())
}
