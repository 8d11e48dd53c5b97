//! An account on another IMAP server (RFC 3501, RFC 9051): the client's side, as far as mail is to be fetched.
//!
//! `reader` and `value` are sans-io; `session` is the conversation, blocking, because an import has a thread of its own. Folders are
//! opened with EXAMINE and messages read with BODY.PEEK: nothing changes there.

mod reader;
mod server;
mod session;
mod stream;
mod value;

pub use server::{Login, Security, Server};

use crate::flags::of_words;
use crate::source::{Content, Folder, Item, Opened, Source, SourceError};
use imap_proto::{DateTime, SpecialUse, utf7};
use session::{Response, Session, Word};
use std::collections::{HashMap, HashSet};
use store::{APPENDING_PIECE_BYTES_MAX, Role, Timestamp};
use value::Value;

/// A server that has more folders is not asked about the rest.
const FOLDERS_MAX: usize = 5000;
/// A folder with more messages is not taken.
const FOLDER_MESSAGES_MAX: usize = 1_000_000;

/// An account on another server.
pub struct ImapSource {
    server: Server,
    message_bytes_max: u64,
    session: Session,
}

impl ImapSource {
    /// Connects and logs in; messages of more octets are not kept.
    ///
    /// # Errors
    /// [`SourceError`].
    pub fn begin(server: Server, message_bytes_max: u64) -> Result<Self, SourceError> {
        let session = Session::begin(&server)?;
        Ok(Self { server, message_bytes_max, session })
    }

    fn refused(&self, what: &str) -> SourceError {
        SourceError::Refused(format!("{} {what}", self.server.host))
    }

    /// RFC 2342: what all own folders have in common, and where those of others are.
    fn namespaces(&mut self) -> Result<Namespaces, SourceError> {
        let mut namespaces = Namespaces::default();
        if self.session.can("NAMESPACE") {
            self.session.ask(&[Word::Plain("NAMESPACE")], |response| {
                if let Some(values) = response.values("NAMESPACE") {
                    namespaces = Namespaces::of(&values);
                }
                Ok(())
            })?;
        }
        Ok(namespaces)
    }

    fn listed(&mut self, command: &str, word: &'static str) -> Result<Vec<Listed>, SourceError> {
        let mut listed = Vec::new();
        let host = self.server.host.clone();
        self.session.ask(&[Word::Plain(command)], |response| {
            listed.extend(response.values(word).as_deref().and_then(Listed::of));
            if listed.len() > FOLDERS_MAX {
                return Err(SourceError::Refused(format!("{host} lists more than {FOLDERS_MAX} folders")));
            }
            Ok(())
        })?;
        Ok(listed)
    }

    /// FETCH of messages by their UIDs: what is said of each.
    fn fetch(&mut self, uids: &[u64], bytes: u64, what: &str) -> Result<HashMap<u64, Fetched>, SourceError> {
        let set = imap_proto::SequenceSet::from_sorted(uids.iter().filter_map(|uid| u32::try_from(*uid).ok()));
        let asked: HashSet<u64> = uids.iter().copied().collect();
        let mut fetched: HashMap<u64, Fetched> = HashMap::new();
        let command = format!("UID FETCH {set} ({what})");
        self.session.ask_for(bytes, &[Word::Plain(&command)], |response: Response| {
            let Some(values) = response.values("FETCH") else { return Ok(()) };
            let (uid, more) = Fetched::of(values);
            // What nobody asked for is flags that changed just now: the next import finds them.
            if let Some(uid) = uid.filter(|uid| asked.contains(uid)) {
                fetched.entry(uid).or_default().take(more);
            }
            Ok(())
        })?;
        Ok(fetched)
    }
}

impl Source for ImapSource {
    fn folders(&mut self) -> Result<Vec<Folder>, SourceError> {
        let namespaces = self.namespaces()?;
        // RFC 6154 §3: without being asked not every server says what a folder is for.
        let says_use = self.session.can("SPECIAL-USE") && self.session.can("LIST-EXTENDED");
        let list = if says_use { "LIST \"\" \"*\" RETURN (SPECIAL-USE)" } else { "LIST \"\" \"*\"" };
        let listed = self.listed(list, "LIST")?;
        let subscribed = self.listed("LSUB \"\" \"*\"", "LSUB")?;
        let subscribed: HashSet<Vec<u8>> = subscribed.into_iter().map(|listed| listed.name).collect();
        let folders = listed.into_iter().filter(Listed::can_be_opened);
        Ok(folders.map(|listed| listed.folder(&namespaces, &subscribed)).collect())
    }

    fn open(&mut self, folder: &Folder) -> Result<Opened, SourceError> {
        let mut validity = None;
        self.session.ask(&[Word::Plain("EXAMINE "), Word::String(&folder.key)], |response| {
            if let Some(number) = code_number(response.text(), b"[UIDVALIDITY ") {
                validity = Some(number);
            }
            Ok(())
        })?;
        let Some(validity) = validity else { return Err(self.refused("gives the folder no UIDVALIDITY")) };
        let mut marks = Vec::new();
        self.session.ask(&[Word::Plain("UID SEARCH ALL")], |response| {
            let numbers = response.after("SEARCH").unwrap_or_default().split(|octet| *octet == b' ');
            marks.extend(numbers.filter_map(|number| u64::from(number_of(number)?).into()));
            Ok(())
        })?;
        marks.sort_unstable();
        marks.dedup();
        if marks.len() > FOLDER_MESSAGES_MAX {
            return Err(self.refused(&format!("has more than {FOLDER_MESSAGES_MAX} messages in the folder")));
        }
        Ok(Opened { validity, marks })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Item>, SourceError> {
        let mut fetched = self.fetch(marks, 0, "UID FLAGS INTERNALDATE RFC822.SIZE")?;
        let item = |mark: &u64| {
            let Fetched { flags, date, bytes, .. } = fetched.remove(mark)?;
            let flags = of_words(flags.iter().map(Vec::as_slice));
            Some(Item { mark: *mark, bytes, flags, date, label: format!("UID {mark}") })
        };
        Ok(marks.iter().filter_map(item).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        let marks: Vec<u64> = items.iter().map(|item| item.mark).collect();
        // As much as a piece has, if the sizes are true; and one message of any size in any case.
        let room = self.message_bytes_max.max(APPENDING_PIECE_BYTES_MAX as u64);
        let mut fetched = self.fetch(&marks, room, "UID BODY.PEEK[]")?;
        let content = |mark: &u64| match fetched.remove(mark).and_then(|fetched| fetched.body) {
            Some(Value::Text(octets) | Value::Atom(octets)) => Content::Octets(octets),
            Some(Value::TooLarge) => Content::TooLarge,
            Some(Value::Nil | Value::List(_)) | None => {
                Content::Missing("the other server did not give it; it may have been removed there just now".to_owned())
            }
        };
        Ok(marks.iter().map(content).collect())
    }

    fn again(&mut self) -> Result<(), SourceError> {
        self.session = Session::begin(&self.server)?;
        Ok(())
    }
}

/// What all own folders have in common (`INBOX.`, with Courier), and where those of others are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Namespaces {
    own: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
}

impl Namespaces {
    fn of(values: &[Value]) -> Self {
        let prefixes = |value: Option<&Value>| {
            let all = value.map(Value::items).unwrap_or_default().iter();
            all.filter_map(|one| one.items().first()?.octets().map(<[u8]>::to_vec)).collect::<Vec<_>>()
        };
        let others = values.iter().skip(1).flat_map(|value| prefixes(Some(value)));
        Self { own: prefixes(values.first()), others: others.filter(|prefix| !prefix.is_empty()).collect() }
    }
}

/// A folder as LIST has it.
struct Listed {
    attributes: Vec<Vec<u8>>,
    delimiter: Option<u8>,
    name: Vec<u8>,
}

impl Listed {
    fn of(values: &[Value]) -> Option<Self> {
        let [attributes, delimiter, name, ..] = values else { return None };
        let attributes = attributes.items().iter().filter_map(|value| value.octets().map(<[u8]>::to_vec)).collect();
        let delimiter = delimiter.octets().and_then(|octets| octets.first().copied());
        Some(Self { attributes, delimiter, name: name.octets()?.to_vec() })
    }

    fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|found| found.eq_ignore_ascii_case(attribute.as_bytes()))
    }

    /// RFC 9051 §7.3.1.
    fn can_be_opened(&self) -> bool {
        !self.has("\\Noselect") && !self.has("\\NonExistent")
    }

    fn folder(self, namespaces: &Namespaces, subscribed: &HashSet<Vec<u8>>) -> Folder {
        let own =
            namespaces.own.iter().filter(|prefix| self.name.starts_with(prefix)).max_by_key(|prefix| prefix.len());
        let below = self.name.get(own.map_or(0, Vec::len)..).unwrap_or_default();
        let below = if below.is_empty() { &self.name } else { below };
        let levels = match self.delimiter {
            Some(delimiter) => below.split(|octet| *octet == delimiter).map(readable).collect(),
            None => vec![readable(below)],
        };
        let uses: Vec<SpecialUse> = self.attributes.iter().filter_map(|name| SpecialUse::parse(name)).collect();
        let is_shown_twice =
            |used: &SpecialUse| matches!(used, SpecialUse::All | SpecialUse::Flagged | SpecialUse::Important);
        let is_of_others = namespaces.others.iter().any(|prefix| self.name.starts_with(prefix));
        let left_out = if is_of_others {
            Some("it is shared by others; take it with --folder if it is to be yours")
        } else if uses.iter().any(is_shown_twice) {
            Some(
                "it shows messages of other folders once more; take it with --folder if it has some that they have not",
            )
        } else {
            None
        };
        Folder {
            name: readable(&self.name),
            levels,
            role: uses.iter().find_map(|used| role(*used)),
            is_subscribed: subscribed.contains(&self.name),
            left_out,
            key: self.name,
        }
    }
}

fn role(used: SpecialUse) -> Option<Role> {
    match used {
        SpecialUse::Archive => Some(Role::Archive),
        SpecialUse::Drafts => Some(Role::Drafts),
        SpecialUse::Junk => Some(Role::Junk),
        SpecialUse::Sent => Some(Role::Sent),
        SpecialUse::Trash => Some(Role::Trash),
        SpecialUse::All | SpecialUse::Flagged | SpecialUse::Important => None,
    }
}

/// A name as people know it: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 from servers that say it so.
fn readable(wire: &[u8]) -> String {
    let text = String::from_utf8_lossy(wire);
    let name =
        if text.is_ascii() { utf7::decode(&text).unwrap_or_else(|| text.into_owned()) } else { text.into_owned() };
    // It is shown on a terminal.
    name.replace(char::is_control, "\u{fffd}")
}

/// What FETCH says of a message.
#[derive(Default)]
struct Fetched {
    flags: Vec<Vec<u8>>,
    date: Option<Timestamp>,
    bytes: u64,
    body: Option<Value>,
}

impl Fetched {
    /// Beside it, the UID.
    fn of(values: Vec<Value>) -> (Option<u64>, Self) {
        let (mut uid, mut fetched) = (None, Self::default());
        let Some(Value::List(items)) = values.into_iter().next() else { return (None, fetched) };
        let mut items = items.into_iter();
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            let name = name.octets().unwrap_or_default().to_ascii_uppercase();
            let number = || value.octets().and_then(|octets| std::str::from_utf8(octets).ok()?.parse().ok());
            match name.as_slice() {
                b"UID" => uid = number(),
                b"RFC822.SIZE" => fetched.bytes = number().unwrap_or_default(),
                b"INTERNALDATE" => {
                    let date = value.octets().and_then(DateTime::parse);
                    fetched.date = date.map(|date| Timestamp::from_unix_seconds(date.unix_seconds()));
                }
                b"FLAGS" => {
                    fetched.flags = value.items().iter().filter_map(|flag| flag.octets().map(<[u8]>::to_vec)).collect();
                }
                b"BODY[]" => fetched.body = Some(value),
                _ => {}
            }
        }
        (uid, fetched)
    }

    /// A server may say what was asked for in several responses.
    fn take(&mut self, more: Self) {
        if !more.flags.is_empty() {
            self.flags = more.flags;
        }
        self.date = more.date.or(self.date);
        self.bytes = self.bytes.max(more.bytes);
        self.body = more.body.or(self.body.take());
    }
}

/// The number behind a response code.
fn code_number(text: &[u8], code: &[u8]) -> Option<u64> {
    let at = text.windows(code.len()).position(|found| found.eq_ignore_ascii_case(code))?;
    let digits = text.get(at + code.len()..)?.split(|octet| *octet == b']').next()?;
    number_of(digits).map(u64::from)
}

fn number_of(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(attributes: &[&str], delimiter: &str, name: &str) -> Listed {
        let attributes = attributes.iter().map(|name| name.as_bytes().to_vec()).collect();
        Listed { attributes, delimiter: delimiter.bytes().next(), name: name.as_bytes().to_vec() }
    }

    #[test]
    fn folders_of_other_servers() {
        let namespaces = Namespaces { own: vec![b"INBOX.".to_vec(), Vec::new()], others: vec![b"shared.".to_vec()] };
        let folder = |attributes: &[&str], delimiter: &str, name: &str| {
            listed(attributes, delimiter, name).folder(&namespaces, &HashSet::from([b"INBOX.Sent".to_vec()]))
        };
        let sent = folder(&["\\Sent", "\\HasNoChildren"], ".", "INBOX.Sent");
        assert_eq!((sent.levels, sent.role, sent.is_subscribed), (vec!["Sent".to_owned()], Some(Role::Sent), true));
        assert_eq!(folder(&[], ".", "INBOX").levels, ["INBOX"]);
        assert_eq!(folder(&[], ".", "INBOX.").levels.join("/"), "INBOX/");
        assert_eq!(folder(&[], ".", "INBOX.Entw&APw-rfe.a/b").levels, ["Entwürfe", "a/b"]);
        assert_eq!(folder(&[], "/", "Entwürfe/2026").levels, ["Entwürfe", "2026"]);
        assert_eq!(folder(&[], "", "a.b/c").levels, ["a.b/c"]);
        assert_eq!(folder(&[], "/", "R&D").levels, ["R&D"], "no modified UTF-7, and a name all the same");
        assert!(folder(&[], ".", "shared.team").left_out.is_some());
        assert!(folder(&["\\All"], "/", "[Gmail]/All Mail").left_out.is_some());
        assert!(!listed(&["\\noselect"], "/", "x").can_be_opened());
    }

    #[test]
    fn what_fetch_says() {
        let response = [
            reader::Part::Text(
                b"* 3 FETCH (UID 7 FLAGS (\\Seen x) INTERNALDATE \" 1-Jan-2020 00:00:00 +0100\" BODY[] ".to_vec(),
            ),
            reader::Part::Literal(b"text".to_vec()),
            reader::Part::Text(b" RFC822.SIZE 4)".to_vec()),
        ];
        let values = value::parse(response.to_vec()).unwrap().split_off(3);
        let (uid, mut fetched) = Fetched::of(values);
        assert_eq!((uid, fetched.bytes, fetched.flags.len()), (Some(7), 4, 2));
        assert_eq!(fetched.date, Some(Timestamp(1_577_833_200_000)));
        fetched.take(Fetched { bytes: 2, ..Fetched::default() });
        assert_eq!((fetched.body, fetched.bytes), (Some(Value::Text(b"text".to_vec())), 4));
        assert_eq!(Fetched::of(vec![Value::Nil]).0, None);
    }

    #[test]
    fn numbers_in_codes() {
        assert_eq!(code_number(b"* OK [uidvalidity 12] x", b"[UIDVALIDITY "), Some(12));
        assert_eq!(code_number(b"* OK [UIDVALIDITY 0]", b"[UIDVALIDITY "), None);
        assert_eq!(code_number(b"* OK [UIDVALIDITY x]", b"[UIDVALIDITY "), None);
    }
}
