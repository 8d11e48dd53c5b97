//! mbox files: messages one behind another, each behind a line that begins with `From ` (RFC 4155).
//!
//! A message is known by its content without the lines that programs change in it ([`clean`]), and by how many of the same stood before
//! it: so a file can be taken again after mail was added to it or removed from it.

mod separator;

use super::FileOptions;
use super::clean::{self, Cleaner, Facts, Learned, Within};
use super::dir::{Dir, Kind, unreadable};
use super::found::{DEPTH_MAX, Found, TOO_DEEP};
use super::listed::subscribed;
use super::mark_of;
use super::notes::{self, Noted};
use crate::imap::readable;
use crate::source::{Content, Folder, Item, Opened, Source, SourceError, Unknown};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use store::{ContentDigest, Flags, Timestamp};

/// An mbox file with more messages is not taken.
const MESSAGES_MAX: usize = if cfg!(test) { 20 } else { 1_000_000 };
/// So much of a line is looked at at once.
const LINE_BYTES: u64 = 64 * 1024;
const IS_LINK: &str = "it is a symbolic link, which may lead anywhere; name the file itself to take it";
const IS_NO_MBOX: &str = "it is no mbox file: it does not begin with \"From \"";

/// An mbox file, or a directory of them.
pub(super) struct Mbox {
    dir: Dir,
    /// The only file, and the levels of the folder that it is; `None`: all of the directory.
    only: Option<(Vec<u8>, Vec<String>)>,
    message_bytes_max: u64,
    open: Option<Open>,
    learned: Learned,
}

/// The file that is open.
struct Open {
    file: File,
    entries: HashMap<u64, Entry>,
    /// Messages that Thunderbird has removed, as far as the file says.
    removed: usize,
}

/// A message in the file.
struct Entry {
    /// From 1.
    number: usize,
    at: u64,
    /// In the file.
    bytes: u64,
    content: ContentDigest,
    /// Without the lines that are left out.
    content_bytes: u64,
    flags: Flags,
    date: Option<Timestamp>,
}

impl Mbox {
    pub(super) fn open(path: &Path, options: &FileOptions) -> Result<Self, SourceError> {
        let path: PathBuf = path.canonicalize().map_err(|error| unreadable(path, &error))?;
        let message_bytes_max = options.message_bytes_max;
        if path.is_dir() {
            return Ok(Self {
                dir: Dir::open(&path)?,
                only: None,
                message_bytes_max,
                open: None,
                learned: Learned::default(),
            });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(SourceError::Refused(format!("{} is no file", path.display())));
        };
        let name = name.as_encoded_bytes().to_vec();
        let levels = match &options.into {
            Some(into) => into.split('/').map(str::to_owned).collect(),
            None => vec![level(&name)],
        };
        let dir = Dir::open(parent)?;
        if !begins_as_mbox(&dir, &name)? {
            return Err(SourceError::Refused(format!("{}: {IS_NO_MBOX}", path.display())));
        }
        Ok(Self { dir, only: Some((name, levels)), message_bytes_max, open: None, learned: Learned::default() })
    }

    /// The file of a folder's key.
    fn file(&self, key: &[u8]) -> Result<File, SourceError> {
        let mut parts: Vec<&[u8]> = key.split(|octet| *octet == b'/').collect();
        let name = parts.pop().unwrap_or_default();
        let mut dir = None;
        for part in parts {
            dir = Some(dir.as_ref().unwrap_or(&self.dir).below(part)?);
        }
        let dir = dir.as_ref().unwrap_or(&self.dir);
        dir.file(name).map_err(|error| unreadable(&dir.path_of(name), &error))
    }
}

impl Mbox {
    /// What `pillarbox export` has noted: which mailbox a file is, also one without messages.
    fn name_as_noted(&self, found: &mut Found) -> Result<(), SourceError> {
        let table = self.dir.list(notes::MAILBOXES.as_bytes())?.unwrap_or_default();
        let noted = notes::mailboxes(&table)?;
        if noted.is_empty() {
            return Ok(());
        }
        found.folders.retain(|folder| folder.key != notes::MAILBOXES.as_bytes());
        let of_folders = found.folders.iter().enumerate();
        let mut by_key: HashMap<Vec<u8>, usize> = of_folders.map(|(at, folder)| (folder.key.clone(), at)).collect();
        for Noted { place, levels, is_subscribed } in noted {
            let key = place.into_bytes();
            let at = match by_key.get(&key) {
                Some(at) => *at,
                None if self.has(&key) => {
                    let at = found.folders.len();
                    found.add(&levels, key.clone(), None)?;
                    by_key.insert(key, at);
                    at
                }
                // It is gone, or never was.
                None => continue,
            };
            if let Some(folder) = found.folders.get_mut(at) {
                (folder.name, folder.levels, folder.is_subscribed) = (levels.join("/"), levels, is_subscribed);
            }
        }
        Ok(())
    }

    /// Whether there is such a file, with nothing in it: others were found.
    fn has(&self, key: &[u8]) -> bool {
        let is_name = |part: &[u8]| !part.is_empty() && !part.starts_with(b".");
        key.split(|octet| *octet == b'/').all(is_name)
            && self
                .file(key)
                .and_then(|file| file.metadata().map_err(|error| unreadable(Path::new(""), &error)))
                .is_ok_and(|about| about.len() == 0)
    }
}

impl Source for Mbox {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        let mut found = Found::default();
        if let Some((name, levels)) = &self.only {
            found.add(levels, name.clone(), None)?;
            return Ok(found.folders);
        }
        found.subscribed = subscribed(&self.dir)?;
        below(&mut found, &self.dir, &[], &[])?;
        self.name_as_noted(&mut found)?;
        if found.folders.iter().all(|folder| folder.left_out.is_some()) {
            let path = self.dir.path_of(b"");
            return Err(SourceError::Refused(format!("there is no mbox file in {}", path.display())));
        }
        Ok(found.folders)
    }

    fn open(&mut self, folder: &Folder) -> Result<Opened, SourceError> {
        let file = self.file(&folder.key)?;
        let failed = |error: &io::Error| unreadable(Path::new(&folder.name), error);
        self.learned.begin();
        let (found, removed) = scan(BufReader::new(&file), &mut self.learned).map_err(|error| failed(&error))?;
        let (mut entries, mut marks, mut doubled) = (HashMap::new(), Vec::new(), HashMap::new());
        for entry in found {
            let times: &mut u64 = doubled.entry(entry.content).or_default();
            let mark = mark_of(&[&entry.content.0, &times.to_be_bytes()]);
            *times += 1;
            marks.push(mark);
            entries.insert(mark, entry);
        }
        self.open = Some(Open { file, entries, removed });
        Ok(Opened { validity: 1, marks })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError> {
        let look = |mark: &u64| match self.open.as_ref().and_then(|open| open.entries.get(mark)) {
            Some(entry) => Ok(entry.item(*mark)),
            None => Err(Unknown { mark: *mark, label: "a message".to_owned(), why: CHANGED.to_owned() }),
        };
        Ok(marks.iter().map(look).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        let open = self.open.as_mut().ok_or_else(|| SourceError::Refused("no folder is open".to_owned()))?;
        Ok(items.iter().map(|item| open.read(item.mark, self.message_bytes_max)).collect())
    }

    fn left_behind(&mut self) -> Vec<(String, String)> {
        let removed = self.open.as_ref().map(|open| open.removed).filter(|removed| *removed > 0);
        let removed = removed.map(|removed| (clean::messages(removed), REMOVED.to_owned()));
        removed.into_iter().chain(self.learned.told()).collect()
    }

    fn again(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

const REMOVED: &str = "Thunderbird has removed them and not compacted the folder (X-Mozilla-Status), so they do not come; whoever \
                       wants them takes that field out of the file";
const CHANGED: &str = "the file was changed while it was read";

impl Entry {
    fn item(&self, mark: u64) -> Item {
        let label = format!("message {} (octet {})", self.number, self.at);
        Item { mark, bytes: Some(self.content_bytes), flags: self.flags.clone(), date: self.date, label }
    }
}

impl Open {
    fn read(&mut self, mark: u64, bytes_max: u64) -> Content {
        let Some(entry) = self.entries.get(&mark) else { return Content::Missing(CHANGED.to_owned()) };
        if entry.content_bytes > bytes_max {
            return Content::TooLarge;
        }
        let mut cleaner = Cleaner::new(Vec::new(), Within::Mbox);
        let read = self.file.seek(SeekFrom::Start(entry.at)).and_then(|_| {
            let mut lines = Lines::of(BufReader::new((&self.file).take(entry.bytes)));
            while lines.next()? {
                cleaner.line(&lines.line, lines.begins);
            }
            Ok(())
        });
        let (octets, _) = cleaner.end();
        match read {
            Err(error) => Content::Missing(format!("the file cannot be read: {error}")),
            Ok(()) if ContentDigest::of(&octets) != entry.content => Content::Missing(CHANGED.to_owned()),
            Ok(()) => Content::Octets(octets),
        }
    }
}

/// The messages of a file, and how many of it were removed.
fn scan(file: impl BufRead, learned: &mut Learned) -> io::Result<(Vec<Entry>, usize)> {
    let mut scan = Scan { entries: Vec::new(), number: 0, removed: 0, open: None, learned };
    let (mut lines, mut at, mut after_blank) = (Lines::of(file), 0u64, true);
    while lines.next()? {
        let from = separator::date(&lines.line);
        // RFC 4155: a blank line and this one; the first of a file may be any that begins so.
        let is_first = at == 0 && lines.line.starts_with(b"From ");
        let is_separator = lines.begins && after_blank && (from.is_some() || is_first);
        let next = at + lines.line.len() as u64;
        if is_separator {
            scan.close();
            scan.begin(next, from)?;
        } else {
            scan.line(&lines, at);
        }
        after_blank = lines.begins && matches!(lines.line.as_slice(), b"\n" | b"\r\n");
        at = next;
    }
    scan.close();
    Ok((scan.entries, scan.removed))
}

struct Scan<'a> {
    entries: Vec<Entry>,
    number: usize,
    removed: usize,
    open: Option<Message>,
    learned: &'a mut Learned,
}

/// A message as far as it was read.
struct Message {
    at: u64,
    end: u64,
    date: Option<Timestamp>,
    cleaner: Cleaner<Digesting>,
    /// A blank line in the text: what ends the message, unless more of it comes.
    blank: Option<(Vec<u8>, u64)>,
}

/// What is kept of a message while its file is looked through.
#[derive(Default)]
struct Digesting {
    hasher: blake3::Hasher,
    bytes: u64,
}

impl clean::Takes for Digesting {
    fn take(&mut self, octets: &[u8]) {
        self.hasher.update(octets);
        self.bytes += octets.len() as u64;
    }
}

impl Scan<'_> {
    fn begin(&mut self, at: u64, date: Option<Timestamp>) -> io::Result<()> {
        if self.entries.len() == MESSAGES_MAX {
            return Err(io::Error::other(format!("it has more than {MESSAGES_MAX} messages")));
        }
        self.number += 1;
        let cleaner = Cleaner::new(Digesting::default(), Within::Mbox);
        self.open = Some(Message { at, end: at, date, cleaner, blank: None });
        Ok(())
    }

    fn line(&mut self, lines: &Lines<impl BufRead>, at: u64) {
        let Some(message) = &mut self.open else { return };
        if let Some((blank, end)) = message.blank.take() {
            message.cleaner.line(&blank, true);
            message.end = end;
        }
        let end = at + lines.line.len() as u64;
        let is_blank = lines.begins && matches!(lines.line.as_slice(), b"\n" | b"\r\n");
        if is_blank && message.cleaner.is_in_text() {
            message.blank = Some((lines.line.clone(), end));
        } else {
            message.cleaner.line(&lines.line, lines.begins);
            message.end = end;
        }
    }

    fn close(&mut self) {
        let Some(Message { at, end, date, cleaner, .. }) = self.open.take() else { return };
        let (Digesting { hasher, bytes }, Facts { mut flags, date: written, is_removed }) = cleaner.end();
        let content = ContentDigest(hasher.finalize().as_bytes().first_chunk().copied().unwrap_or_default());
        if is_removed {
            self.removed += 1;
        } else {
            self.learned.bound(&mut flags);
            let (number, date) = (self.number, date.or(written));
            let entry = Entry { number, at, bytes: end - at, content, content_bytes: bytes, flags, date };
            self.entries.push(entry);
        }
    }
}

/// Lines of a file, and pieces of those that are long.
struct Lines<R> {
    file: R,
    line: Vec<u8>,
    /// Whether the piece is the beginning of its line.
    begins: bool,
}

impl<R: BufRead> Lines<R> {
    fn of(file: R) -> Self {
        Self { file, line: b"\n".to_vec(), begins: true }
    }

    /// Whether there is another one.
    fn next(&mut self) -> io::Result<bool> {
        self.begins = self.line.ends_with(b"\n");
        self.line.clear();
        let count = self.file.by_ref().take(LINE_BYTES).read_until(b'\n', &mut self.line)?;
        Ok(count > 0)
    }
}

/// Each file is a folder; those of a directory are below it, whether it is called `Work` or, as Thunderbird has it, `Work.sbd`.
fn below(found: &mut Found, dir: &Dir, key: &[Vec<u8>], levels: &[String]) -> Result<(), SourceError> {
    for name in dir.names()?.into_iter().filter(|name| !is_of_programs(name)) {
        let path = [key, std::slice::from_ref(&name)].concat();
        let further = [levels, &[level(&name)]].concat();
        match dir.kind(&name) {
            Kind::Directory if path.len() < DEPTH_MAX => below(found, &dir.below(&name)?, &path, &further)?,
            Kind::Directory => found.add(&further, path.join(&b'/'), Some(TOO_DEEP))?,
            Kind::File { bytes: 1.., .. } => {
                // Apple Mail has a directory for each folder, with a file of this name in it.
                let is_own = name == b"mbox" && !levels.is_empty();
                let why = (!begins_as_mbox(dir, &name)?).then_some(IS_NO_MBOX);
                found.add(if is_own { levels } else { &further }, path.join(&b'/'), why)?;
            }
            Kind::Link => found.add(&further, path.join(&b'/'), Some(IS_LINK))?,
            Kind::File { .. } | Kind::Other => {}
        }
    }
    Ok(())
}

/// Dovecot's `.imap`, Thunderbird's indexes and the like.
fn is_of_programs(name: &[u8]) -> bool {
    let ends = |end: &[u8]| name.len() > end.len() && name.ends_with(end);
    name.starts_with(b".") || [&b".msf"[..], b".dat", b".html", b".lock"].iter().any(|end| ends(end))
}

/// What a file or a directory is called as a folder.
fn level(name: &[u8]) -> String {
    let stem = [&b".mbox"[..], b".mbx", b".sbd"].iter().find_map(|end| name.strip_suffix(*end));
    let stem = readable(stem.filter(|stem| !stem.is_empty()).unwrap_or(name));
    if ["mbox", "inbox"].iter().any(|inbox| stem.eq_ignore_ascii_case(inbox)) { "INBOX".to_owned() } else { stem }
}

/// A file with nothing in it is one too.
fn begins_as_mbox(dir: &Dir, name: &[u8]) -> Result<bool, SourceError> {
    let mut begin = Vec::new();
    let read = dir.file(name).and_then(|file| file.take(5).read_to_end(&mut begin));
    read.map_err(|error| unreadable(&dir.path_of(name), &error))?;
    Ok(begin.is_empty() || begin == b"From ")
}

#[cfg(test)]
mod tests;
