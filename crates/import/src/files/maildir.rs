//! A Maildir: a file for each message, in `cur` or `new`, with its flags in its name.
//!
//! A message is known by the name of its file up to the flags, which whoever reads the Maildir does not change. Folders are those of
//! Maildir++ (`.Work.Drafts` beside `cur`, in modified UTF-7, as Dovecot and Courier have them) and directories with Maildirs in them.

use super::FileOptions;
use super::dir::{Dir, Kind};
use super::found::{DEPTH_MAX, Found, TOO_DEEP};
use super::listed::{keywords, subscribed};
use super::{mark_of, sieve};
use crate::flags::of_words;
use crate::imap::readable;
use crate::source::{Content, Folder, Item, Opened, Source, SourceError, Unknown};
use message::line_ends::with_crlf;
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use store::Flags;
use uidl_import::Format;

/// What stands between the parts of a folder's key.
const SLASH: u8 = b'/';
/// What each Maildir has.
const OWN: [&[u8]; 3] = [b"cur", b"new", b"tmp"];
/// Why a folder does not come.
const IS_LINK: &str = "it is a symbolic link, which may lead anywhere; name the directory itself to take it";

/// A Maildir with its folders.
pub(super) struct Maildir {
    root: Dir,
    /// The directory that it is in; `None` for `/`.
    home: Option<Result<Dir, SourceError>>,
    message_bytes_max: u64,
    /// `None`: UIDLs stay behind.
    format: Option<Format>,
    open: Option<Open>,
}

/// The folder that is open.
struct Open {
    cur: Dir,
    new: Dir,
    keywords: Vec<Option<String>>,
    files: HashMap<u64, Name>,
    uidls: Vec<(u64, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    is_new: bool,
    name: Vec<u8>,
}

impl Maildir {
    pub(super) fn open(path: &Path, options: &FileOptions) -> Result<Self, SourceError> {
        let format = match options.uidl_format.as_deref() {
            None => Some(Format::dovecot()),
            Some("") => None,
            Some(format) => Some(format.parse().map_err(|error: uidl_import::UnknownFormat| {
                SourceError::Refused(format!("{format:?} is no format of UIDLs: {error}"))
            })?),
        };
        let root = Dir::open(path)?;
        // Where Dovecot has a home the Maildir as a rule lies in it.
        let home = path.parent().map(|home| Dir::open(if home.as_os_str().is_empty() { Path::new(".") } else { home }));
        Ok(Self { root, home, message_bytes_max: options.message_bytes_max, format, open: None })
    }

    /// The directory of a folder's key.
    fn dir(&self, key: &[u8]) -> Result<Option<Dir>, SourceError> {
        let mut dir = None;
        for name in key.split(|octet| *octet == SLASH).filter(|name| !name.is_empty()) {
            dir = Some(dir.as_ref().unwrap_or(&self.root).below(name)?);
        }
        Ok(dir)
    }

    /// What is in a folder's directory: messages by their marks, in the order that they came in.
    fn look_through(&self, folder: &Dir, is_root: bool) -> Result<(Open, Vec<u64>), SourceError> {
        let (cur, new) = (folder.below(b"cur")?, folder.below(b"new")?);
        let (mut files, mut order) = (HashMap::new(), Vec::new());
        for (is_new, dir) in [(true, &new), (false, &cur)] {
            for name in dir.names()?.into_iter().filter(|name| !name.starts_with(b".")) {
                let mark = mark_of(&[base(&name)]);
                order.push((arrived(&name), base(&name).to_vec(), mark));
                // One that is in both was seen in `cur`.
                files.insert(mark, Name { is_new, name });
            }
        }
        order.sort_unstable();
        order.dedup();
        let (mut uidls, mut by_uid) = (Vec::new(), HashMap::new());
        let format = self.format.clone().unwrap_or_else(Format::dovecot);
        for (at, kept) in uids(folder, &format)?.into_iter().enumerate() {
            let mark = mark_of(&[kept.file.as_bytes()]);
            by_uid.insert(mark, at);
            // POP3 knows INBOX, and no other folder.
            if is_root && self.format.is_some() {
                uidls.push((mark, kept.uidl));
            }
        }
        let mut marks: Vec<u64> = order.into_iter().map(|(_, _, mark)| mark).collect();
        // Those that Dovecot has numbered, in its order, then the others.
        marks.sort_by_key(|mark| by_uid.get(mark).copied().unwrap_or(usize::MAX));
        uidls.retain(|(mark, _)| files.contains_key(mark));
        Ok((Open { cur, new, keywords: keywords(folder)?, files, uidls }, marks))
    }

    fn opened(&self) -> Result<&Open, SourceError> {
        self.open.as_ref().ok_or_else(|| SourceError::Refused("no folder is open".to_owned()))
    }
}

impl Source for Maildir {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        let subscribed = subscribed(&self.root)?;
        let mut found = Found { subscribed, ..Found::default() };
        if is_maildir(&self.root) {
            found.add(&["INBOX".to_owned()], Vec::new(), None)?;
        }
        below(&mut found, &self.root, &[], &[])?;
        if found.folders.iter().all(|folder| folder.left_out.is_some()) {
            let path = self.root.path_of(b"");
            return Err(SourceError::Refused(format!(
                "{} is no Maildir: neither it nor what is in it has the directories cur and new",
                path.display()
            )));
        }
        Ok(found.folders)
    }

    fn open(&mut self, folder: &Folder) -> Result<Opened, SourceError> {
        let (open, marks) = match self.dir(&folder.key)? {
            Some(dir) => self.look_through(&dir, false)?,
            None => self.look_through(&self.root, true)?,
        };
        self.open = Some(open);
        Ok(Opened { validity: 1, marks })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError> {
        let open = self.opened()?;
        Ok(marks.iter().map(|mark| open.look(*mark)).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        let open = self.opened()?;
        Ok(items.iter().map(|item| open.read(item.mark, self.message_bytes_max)).collect())
    }

    fn scripts(&mut self) -> Vec<(String, String)> {
        let mut scripts = sieve::scripts(&self.root);
        scripts.extend(self.home.iter().flat_map(sieve::beside));
        scripts
    }

    fn again(&mut self) -> Result<(), SourceError> {
        Ok(())
    }

    fn uidls(&mut self) -> Vec<(u64, String)> {
        self.open.as_mut().map(|open| std::mem::take(&mut open.uidls)).unwrap_or_default()
    }
}

impl Open {
    fn dir(&self, name: &Name) -> &Dir {
        if name.is_new { &self.new } else { &self.cur }
    }

    /// Where the file is now: a program that reads the Maildir may have given it other flags meanwhile.
    fn find(&self, mark: u64) -> Option<Name> {
        let known = self.files.get(&mark)?;
        if matches!(self.dir(known).kind(&known.name), Kind::File { .. } | Kind::Link) {
            return Some(known.clone());
        }
        [(false, &self.cur), (true, &self.new)].into_iter().find_map(|(is_new, dir)| {
            let name = dir.names().ok()?.into_iter().find(|name| base(name) == base(&known.name))?;
            Some(Name { is_new, name })
        })
    }

    fn look(&self, mark: u64) -> Result<Item, Unknown> {
        let unknown = |label: &[u8], why: &str| Unknown { mark, label: shown(label), why: why.to_owned() };
        let Some(found) = self.find(mark) else {
            let label = self.files.get(&mark).map(|known| known.name.clone()).unwrap_or_default();
            return Err(unknown(&label, GONE));
        };
        match self.dir(&found).kind(&found.name) {
            Kind::File { bytes, changed } => {
                let flags = flags(&found, &self.keywords);
                Ok(Item { mark, bytes: Some(bytes), flags, date: changed, label: shown(&found.name) })
            }
            Kind::Link => Err(unknown(&found.name, "it is a symbolic link, which may lead anywhere")),
            Kind::Directory | Kind::Other => Err(unknown(&found.name, "it is no regular file")),
        }
    }

    fn read(&self, mark: u64, bytes_max: u64) -> Content {
        let Some(found) = self.find(mark) else { return Content::Missing(GONE.to_owned()) };
        let mut octets = Vec::new();
        let read = self.dir(&found).file(&found.name);
        match read.and_then(|file| file.take(bytes_max + 1).read_to_end(&mut octets)) {
            Err(error) => Content::Missing(format!("its file cannot be read: {error}")),
            Ok(_) if octets.len() as u64 > bytes_max => Content::TooLarge,
            Ok(_) if octets.starts_with(GZIP) => Content::Missing(
                "its file is compressed (Dovecot's zlib or mail_compress): take it from the server over IMAP"
                    .to_owned(),
            ),
            // Files have the line ends of their system, messages those of the wire.
            Ok(_) => Content::Octets(with_crlf(&octets).into_owned()),
        }
    }
}

/// RFC 1952 §2.3.1, with the method that there is.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];
const GONE: &str = "its file is not there any more";

/// Folders in a directory: `.a.b` of Maildir++, where it is the root, and directories with Maildirs in them.
fn below(found: &mut Found, dir: &Dir, key: &[Vec<u8>], levels: &[String]) -> Result<(), SourceError> {
    let own: &[&[u8]] = if is_maildir(dir) { &OWN } else { &[] };
    for name in dir.names()?.into_iter().filter(|name| !own.contains(&name.as_slice())) {
        let is_link = match dir.kind(&name) {
            Kind::Directory => false,
            Kind::Link => true,
            Kind::File { .. } | Kind::Other => continue,
        };
        let further = match name.strip_prefix(b".") {
            Some(rest) if key.is_empty() => rest.split(|octet| *octet == b'.').map(readable).collect(),
            Some(_) => continue,
            None => [levels, &[readable(&name)]].concat(),
        };
        let path = [key, std::slice::from_ref(&name)].concat();
        if is_link {
            // A link to a file is nothing that a folder could be.
            found.add(&further, path.join(&SLASH), Some(IS_LINK))?;
            continue;
        }
        let below = dir.below(&name)?;
        if is_maildir(&below) {
            found.add(&further, path.join(&SLASH), None)?;
        }
        if name.starts_with(b".") {
            continue;
        }
        if path.len() < DEPTH_MAX {
            self::below(found, &below, &path, &further)?;
        } else if has_directories(&below)? {
            found.add(&[&further[..], &["…".to_owned()]].concat(), path.join(&SLASH), Some(TOO_DEEP))?;
        }
    }
    Ok(())
}

/// Whether there are directories in it, but for those of a Maildir.
fn has_directories(dir: &Dir) -> Result<bool, SourceError> {
    let is_other = |name: &Vec<u8>| !OWN.contains(&name.as_slice()) && dir.kind(name) == Kind::Directory;
    Ok(dir.names()?.iter().any(is_other))
}

fn is_maildir(dir: &Dir) -> bool {
    [&b"cur"[..], b"new"].iter().all(|name| dir.kind(name) == Kind::Directory)
}

/// The name of a file without its flags, and the flags: `:2,` as everywhere, `;2,` and `!2,` where a file's name has no colon.
fn parts(name: &[u8]) -> (&[u8], &[u8]) {
    let at = name.windows(3).rposition(|found| matches!(found, [b':' | b';' | b'!', b'2', b',']));
    match at.map(|at| name.split_at(at)) {
        Some((base, flags)) => (base, flags.get(3..).unwrap_or_default()),
        None => (name.split(|octet| *octet == b':').next().unwrap_or(name), &[]),
    }
}

fn base(name: &[u8]) -> &[u8] {
    parts(name).0
}

/// A name begins with the second in which the message came.
fn arrived(name: &[u8]) -> u64 {
    let digits = name.split(|octet| !octet.is_ascii_digit()).next().unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX)
}

fn flags(name: &Name, keywords: &[Option<String>]) -> Flags {
    let words = parts(&name.name).1.iter().filter_map(|letter| match letter {
        b'D' => Some(&b"\\Draft"[..]),
        b'F' => Some(b"\\Flagged"),
        b'P' => Some(b"$Forwarded"),
        b'R' => Some(b"\\Answered"),
        b'S' => Some(b"\\Seen"),
        b'T' => Some(b"\\Deleted"),
        b'a'..=b'z' => keywords.get(usize::from(letter - b'a'))?.as_deref().map(str::as_bytes),
        _ => None,
    });
    let mut flags = of_words(words);
    flags.keywords.sort_unstable();
    flags.keywords.dedup();
    flags
}

/// The messages that Dovecot has numbered, in the order of their numbers.
fn uids(folder: &Dir, format: &Format) -> Result<Vec<uidl_import::Kept>, SourceError> {
    let name = b"dovecot-uidlist";
    let Some(list) = folder.list(name)? else { return Ok(Vec::new()) };
    uidl_import::dovecot(&list, format).map_err(|bad| {
        let path = folder.path_of(name);
        SourceError::Refused(format!("{}: {bad}; take the file away to go on without its UIDLs", path.display()))
    })
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_have_a_base_and_flags() {
        let check = |name: &str, base: &str, letters: &str| {
            assert_eq!(parts(name.as_bytes()), (base.as_bytes(), letters.as_bytes()), "{name}");
        };
        check("1.M2.host,S=3:2,FS", "1.M2.host,S=3", "FS");
        check("1.M2.host", "1.M2.host", "");
        check("1.M2.host:1,x", "1.M2.host", "");
        check("1.M2.host;2,S", "1.M2.host", "S");
        check("1:2,", "1", "");
        assert_eq!((arrived(b"12.M3"), arrived(b"x"), arrived(b"99999999999999999999999")), (12, u64::MAX, u64::MAX));
    }

    #[test]
    fn letters_are_flags_and_keywords() {
        let keywords = [Some("Work".to_owned()), None, Some("$Forwarded".to_owned())];
        let name = Name { is_new: false, name: b"1:2,DFPRSTabcxZ".to_vec() };
        let words = ["\\Draft", "\\Flagged", "\\Answered", "\\Seen", "\\Deleted", "$Forwarded", "Work"];
        assert_eq!(flags(&name, &keywords), of_words(words.iter().map(|word| word.as_bytes())));
    }
}
