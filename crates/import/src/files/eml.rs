//! Messages in files of their own (`.eml`, Apple's `.emlx`), in directories or in a zip archive.
//!
//! Each directory is a folder; `.eml` and `.emlx` files in it are its messages, in the order of their names. A message is known by its
//! content, as in an mbox file, so that another export of the same mail, which names files otherwise, brings nothing twice. What
//! [`super::notes`] says of a message comes before what its header says, and then its octets are what they are.

mod emlx;
mod tree;
mod zip;

use super::clean::{Cleaner, Facts, Learned, Within};
use super::found::{self, FOLDERS_MAX, Found};
use super::notes::{self, Line};
use super::{FileOptions, mark_of};
use crate::imap::readable;
use crate::source::{Content, Folder, Item, Opened, Source, SourceError, Unknown};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use store::{ContentDigest, Flags, Timestamp};
use tree::{Leaf, Octets, Tree};

/// A table of [`notes`] is at most so long.
const TABLE_BYTES_MAX: u64 = 256 * 1024 * 1024;
const PARTIAL: &str =
    "Apple Mail has only a part of it here: let it load the whole mailbox, or take it from the server";
const NO_MESSAGES: &str = "only .eml and .emlx files are messages; an .mbox file comes, unpacked, with mbox:FILE";

/// Files of messages.
pub(super) struct Eml {
    tree: Tree,
    /// It is one file, which is a message whatever its name is.
    is_single: bool,
    /// What stands before the levels of each folder.
    into: Vec<String>,
    message_bytes_max: u64,
    /// By the directories that they lie in.
    groups: BTreeMap<Vec<String>, Group>,
    open: Option<Open>,
    learned: Learned,
}

/// The files of a directory.
#[derive(Default)]
struct Group {
    messages: Vec<Leaf>,
    /// What was noted of them.
    table: Option<Leaf>,
}

/// The folder that is open.
struct Open {
    /// Its directories.
    group: Vec<String>,
    lines: HashMap<String, Line>,
    entries: HashMap<u64, Result<Entry, Unknown>>,
}

/// A message.
struct Entry {
    /// Its place in its group.
    at: usize,
    /// `None`: it is too large to be looked at.
    content: Option<ContentDigest>,
    bytes: u64,
    flags: Flags,
    date: Option<Timestamp>,
}

/// A message as it was read.
enum Taken {
    Message(Vec<u8>, Facts),
    TooLarge,
    Unknown(String),
}

impl Eml {
    /// A file, or a directory of them.
    pub(super) fn files(path: &Path, options: &FileOptions) -> Result<Self, SourceError> {
        Ok(Self::of(Tree::disk(path)?, options))
    }

    /// A zip archive.
    pub(super) fn archive(path: &Path, options: &FileOptions) -> Result<Self, SourceError> {
        Ok(Self::of(Tree::Archive(zip::Archive::open(path)?), options))
    }

    fn of(tree: Tree, options: &FileOptions) -> Self {
        let into = options.into.as_deref().map(|into| into.split('/').map(str::to_owned).collect());
        let (into, message_bytes_max) = (into.unwrap_or_default(), options.message_bytes_max);
        let is_single = matches!(tree, Tree::Disk { only: Some(_), .. });
        Self {
            tree,
            is_single,
            into,
            message_bytes_max,
            groups: BTreeMap::new(),
            open: None,
            learned: Learned::default(),
        }
    }

    /// Sorts all files into groups; gives the table of mailboxes, and the names of other files.
    fn sort_out(&mut self) -> Result<(Option<Leaf>, Others), SourceError> {
        let (mut groups, mut mailboxes, mut others) = (BTreeMap::<_, Group>::new(), None, Others::default());
        let (mut count, is_single) = (0, self.is_single);
        self.tree.files(&mut |levels, leaf| {
            count += 1;
            if count > tree::FILES_MAX {
                return Err(SourceError::Refused(format!("there are more than {} files", tree::FILES_MAX)));
            }
            if groups.len() > FOLDERS_MAX {
                return Err(found::too_many());
            }
            if is_single || is_message(&leaf.name) {
                groups.entry(group(levels, &leaf.name)).or_default().messages.push(leaf);
            } else if leaf.name == notes::MESSAGES {
                groups.entry(levels.to_vec()).or_default().table = Some(leaf);
            } else if leaf.name == notes::MAILBOXES && levels.is_empty() {
                mailboxes = Some(leaf);
            } else {
                others.add(levels, &leaf.name);
            }
            Ok(())
        })?;
        for group in groups.values_mut() {
            group.messages.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self.groups = groups;
        Ok((mailboxes, others))
    }

    /// The text of a table beside the mail.
    fn text(&mut self, leaf: Option<&Leaf>) -> Result<String, SourceError> {
        let Some(leaf) = leaf else { return Ok(String::new()) };
        let why = match self.tree.read(&leaf.place, TABLE_BYTES_MAX, true)? {
            Octets::All(octets) => {
                let text = String::from_utf8(octets);
                return Ok(text.unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()));
            }
            Octets::TooMany => "it is too long".to_owned(),
            Octets::Unreadable(why) => why,
        };
        Err(SourceError::Refused(format!("{} cannot be read: {why}", leaf.name)))
    }

    /// The folder that a directory is, unless somebody has noted another name.
    fn levels(&self, group: &[String]) -> Vec<String> {
        let own = group.iter().map(|level| readable(level.as_bytes()));
        let levels: Vec<String> = self.into.iter().cloned().chain(own).collect();
        if levels.is_empty() { vec!["INBOX".to_owned()] } else { levels }
    }

    /// Reads a message of a group; `counts`: while all are looked through.
    fn take(
        &mut self,
        (group, at): (&[String], usize),
        lines: &HashMap<String, Line>,
        counts: bool,
    ) -> Result<Taken, SourceError> {
        let Some(leaf) = self.groups.get(group).and_then(|group| group.messages.get(at)) else {
            return Ok(Taken::Unknown("it is gone".to_owned()));
        };
        let octets = match self.tree.read(&leaf.place, self.message_bytes_max, counts)? {
            Octets::All(octets) => octets,
            Octets::TooMany => return Ok(Taken::TooLarge),
            Octets::Unreadable(why) => return Ok(Taken::Unknown(why)),
        };
        if let Some(line) = lines.get(&leaf.name) {
            let Facts { flags, date, .. } = &line.facts;
            let facts = Facts { flags: flags.clone(), date: date.or(leaf.changed), is_removed: false };
            return Ok(Taken::Message(octets, facts));
        }
        Ok(cleaned(&leaf.name, &octets, leaf.changed))
    }
}

impl Source for Eml {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        let (table, others) = self.sort_out()?;
        let noted = notes::mailboxes(&self.text(table.as_ref())?)?;
        let (mut found, mut named) = (Found::default(), HashSet::new());
        for noted in noted {
            let group: Vec<String> = noted.place.split('/').map(str::to_owned).collect();
            // A place that is not there is no mailbox, and none is two.
            if !self.groups.contains_key(&group) || named.contains(&group) {
                continue;
            }
            let levels = [&self.into[..], &noted.levels].concat();
            found.add(&levels, key(&group), None)?;
            found.folders.iter_mut().next_back().into_iter().for_each(|last| last.is_subscribed = noted.is_subscribed);
            named.insert(group);
        }
        for (group, _) in
            self.groups.iter().filter(|(name, group)| !named.contains(*name) && !group.messages.is_empty())
        {
            found.add(&self.levels(group), key(group), None)?;
        }
        if found.folders.is_empty() {
            return Err(SourceError::Refused(format!("there is no message there: {NO_MESSAGES}{}", others.shown())));
        }
        if others.count > 0 {
            found.add(&[others.shown().trim_start_matches("; ").to_owned()], b"//".to_vec(), Some(NO_MESSAGES))?;
        }
        Ok(found.folders)
    }

    fn open(&mut self, folder: &Folder) -> Result<Opened, SourceError> {
        let group: Vec<String> = String::from_utf8_lossy(&folder.key).split('/').map(str::to_owned).collect();
        let group = if group == [""] { Vec::new() } else { group };
        let table = self.groups.get_mut(&group).and_then(|group| group.table.take());
        let text = self.text(table.as_ref())?;
        let leaves = self.groups.get(&group).map(|group| group.messages.as_slice()).unwrap_or_default();
        let (count, names) = (leaves.len(), leaves.iter().map(|leaf| leaf.name.as_str()).collect());
        let lines = notes::messages(&text, &names)?;
        if let Some(group) = self.groups.get_mut(&group) {
            group.table = table;
        }
        let (mut entries, mut marks, mut doubled) = (HashMap::new(), Vec::new(), HashMap::new());
        self.learned.begin();
        for at in 0..count {
            let taken = self.take((&group, at), &lines, true)?;
            let leaf = self.groups.get(&group).and_then(|group| group.messages.get(at));
            let name = leaf.map(|leaf| leaf.name.clone()).unwrap_or_default();
            let by_name = mark_of(&[b"name", name.as_bytes()]);
            let too_large = || leaf.map_or(0, |leaf| leaf.bytes).max(self.message_bytes_max.saturating_add(1));
            let (mark, entry) = match taken {
                Taken::Unknown(why) => (by_name, Err(Unknown { mark: by_name, label: name, why })),
                Taken::TooLarge => {
                    let flags = Flags::default();
                    (by_name, Ok(Entry { at, content: None, bytes: too_large(), flags, date: None }))
                }
                Taken::Message(octets, Facts { mut flags, date, .. }) => {
                    if !lines.contains_key(&name) {
                        self.learned.bound(&mut flags);
                    }
                    let content = ContentDigest::of(&octets);
                    let times: &mut u64 = doubled.entry(content).or_default();
                    let mark = mark_of(&[&content.0, &times.to_be_bytes()]);
                    *times += 1;
                    (mark, Ok(Entry { at, content: Some(content), bytes: octets.len() as u64, flags, date }))
                }
            };
            marks.push(mark);
            entries.insert(mark, entry);
        }
        self.open = Some(Open { group, lines, entries });
        Ok(Opened { validity: 1, marks })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError> {
        let open = self.open.as_ref();
        let name = |at: usize| {
            let leaf = open.and_then(|open| self.groups.get(&open.group)).and_then(|group| group.messages.get(at));
            leaf.map(|leaf| leaf.name.clone()).unwrap_or_default()
        };
        let look = |mark: &u64| match open.and_then(|open| open.entries.get(mark)) {
            Some(Ok(Entry { at, bytes, flags, date, .. })) => {
                let (bytes, flags, date) = (Some(*bytes), flags.clone(), *date);
                Ok(Item { mark: *mark, bytes, flags, date, label: name(*at) })
            }
            Some(Err(unknown)) => Err(unknown.clone()),
            None => Err(Unknown { mark: *mark, label: "a message".to_owned(), why: CHANGED.to_owned() }),
        };
        Ok(marks.iter().map(look).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        let open = self.open.take().ok_or_else(|| SourceError::Refused("no folder is open".to_owned()))?;
        let mut read = |item: &Item| {
            let Some(Ok(entry)) = open.entries.get(&item.mark) else { return Ok(Content::Missing(CHANGED.to_owned())) };
            Ok(match self.take((&open.group, entry.at), &open.lines, false)? {
                Taken::Message(octets, _) if Some(ContentDigest::of(&octets)) == entry.content => {
                    Content::Octets(octets)
                }
                Taken::Message(..) => Content::Missing(CHANGED.to_owned()),
                Taken::TooLarge => Content::TooLarge,
                Taken::Unknown(why) => Content::Missing(why),
            })
        };
        let contents = items.iter().map(&mut read).collect();
        self.open = Some(open);
        contents
    }

    fn uidls(&mut self) -> Vec<(u64, String)> {
        let Some(open) = &self.open else { return Vec::new() };
        let leaves = self.groups.get(&open.group).map(|group| group.messages.as_slice()).unwrap_or_default();
        let uidl = |entry: &Entry| open.lines.get(&leaves.get(entry.at)?.name).map(|line| line.uidl.clone());
        let known = |(mark, entry): (&u64, &Result<Entry, Unknown>)| Some((*mark, uidl(entry.as_ref().ok()?)?));
        open.entries.iter().filter_map(known).filter(|(_, uidl)| !uidl.is_empty()).collect()
    }

    fn left_behind(&mut self) -> Vec<(String, String)> {
        self.learned.told().into_iter().collect()
    }

    fn again(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

const CHANGED: &str = "the file was changed while it was read";

/// Files that are no messages.
#[derive(Default)]
struct Others {
    count: usize,
    first: String,
}

impl Others {
    fn add(&mut self, levels: &[String], name: &str) {
        self.count += 1;
        if self.first.is_empty() {
            self.first = levels.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("/");
        }
    }

    fn shown(&self) -> String {
        match self.count {
            0 => String::new(),
            1 => format!("; {}", self.first),
            count => format!("; {count} other files ({} and more)", self.first),
        }
    }
}

/// What a message in a file of its own is without what programs wrote into it.
fn cleaned(name: &str, octets: &[u8], changed: Option<Timestamp>) -> Taken {
    let is_of_apple = ends(name, ".emlx");
    if is_of_apple && ends(name, ".partial.emlx") {
        return Taken::Unknown(PARTIAL.to_owned());
    }
    let (message, more) = match is_of_apple.then(|| emlx::parts(octets)) {
        None => (octets, Flags::default()),
        Some(Some(parts)) => parts,
        Some(None) => return Taken::Unknown("it is no file of Apple Mail, whatever its name says".to_owned()),
    };
    let mut cleaner = Cleaner::new(Vec::with_capacity(message.len()), Within::File);
    message.split_inclusive(|octet| *octet == b'\n').for_each(|line| cleaner.line(line, true));
    // A file that somebody has saved is a message, whatever its sender or a program has written into it.
    let (octets, Facts { mut flags, date, .. }) = cleaner.end();
    flags.system.0 |= more.system.0;
    flags.keywords.extend(more.keywords);
    Taken::Message(octets, Facts { flags, date: date.or(changed), is_removed: false })
}

fn is_message(name: &str) -> bool {
    ends(name, ".eml") || ends(name, ".emlx")
}

fn ends(name: &str, end: &str) -> bool {
    name.len() > end.len() && name.as_bytes()[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

/// The directories that name the folder of a message. Apple Mail has `Work.mbox/…/Data/1/2/Messages` for the folder `Work`.
fn group(levels: &[String], name: &str) -> Vec<String> {
    let of_apple: Vec<String> =
        levels.iter().filter_map(|level| level.strip_suffix(".mbox")).map(str::to_owned).collect();
    if ends(name, ".emlx") && !of_apple.is_empty() { of_apple } else { levels.to_vec() }
}

fn key(group: &[String]) -> Vec<u8> {
    group.join("/").into_bytes()
}

#[cfg(test)]
mod tests;
