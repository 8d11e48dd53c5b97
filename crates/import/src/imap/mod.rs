//! An account on another IMAP server (RFC 3501, RFC 9051): the client's side, as far as mail is to be fetched.
//!
//! `reader` and `value` are sans-io; `session` is the conversation, blocking, because an import has a thread of its own. Folders are
//! opened with EXAMINE and messages read with BODY.PEEK: nothing changes there.

mod reader;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod scripted;
mod server;
mod session;
mod stream;
mod value;

pub use server::{Login, Security, Server};

use crate::flags::of_words;
use crate::source::{Content, Folder, Item, Opened, Source, SourceError, Unknown};
use imap_proto::{DateTime, SpecialUse, utf7};
pub(crate) use session::Session;
use session::{Response, Word, shown};
use std::collections::{HashMap, HashSet};
use store::{APPENDING_PIECE_BYTES_MAX, Flags, Role, Timestamp};
use value::Value;

/// A server that has more folders is not asked about the rest.
const FOLDERS_MAX: usize = 5000;
/// A folder with more messages is not taken.
const FOLDER_MESSAGES_MAX: usize = 1_000_000;
/// A message has no more flags.
const FLAGS_MAX: usize = 1000;
/// What is said of a folder is read so far.
const ATTRIBUTES_MAX: usize = 50;
/// Why nothing is known of a message.
const UNREADABLE: &str = "the other server's answer about it cannot be read";
const UNSAID: &str = "the other server says nothing of it; it may have been removed there just now";

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
        Ok(Self::over(server, message_bytes_max, session))
    }

    pub(crate) fn over(server: Server, message_bytes_max: u64, session: Session) -> Self {
        Self { server, message_bytes_max, session }
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
            if response.after(word).is_some() {
                let text = shown(response.text());
                let one = response.values(word).as_deref().and_then(Listed::of);
                listed.push(one.unwrap_or_else(|| Listed::unreadable(text)));
            }
            if listed.len() > FOLDERS_MAX {
                return Err(SourceError::Refused(format!("{host} lists more than {FOLDERS_MAX} folders")));
            }
            Ok(())
        })?;
        Ok(listed)
    }

    /// FETCH of messages by their UIDs: what is said of each, and why nothing is of those that are missing.
    fn fetch(
        &mut self,
        uids: &[u64],
        bytes: u64,
        what: &str,
    ) -> Result<(HashMap<u64, Fetched>, &'static str), SourceError> {
        let set = imap_proto::SequenceSet::from_sorted(uids.iter().filter_map(|uid| u32::try_from(*uid).ok()));
        let asked: HashSet<u64> = uids.iter().copied().collect();
        let (mut fetched, mut missing): (HashMap<u64, Fetched>, _) = (HashMap::new(), UNSAID);
        let command = format!("UID FETCH {set} ({what})");
        self.session.ask_for(bytes, &[Word::Plain(&command)], |response: Response| {
            if !response.is_about_a_message("FETCH") {
                return Ok(());
            }
            match response.values("FETCH").map(Fetched::of) {
                // What nobody asked for is flags that changed just now: the next import finds them.
                Some((Some(uid), more)) if asked.contains(&uid) => fetched.entry(uid).or_default().take(more),
                Some((Some(_), _)) => {}
                // RFC 9051 §7.5.2: what was not asked for need not say its UID.
                Some((None, more)) if more.is_unasked() => {}
                Some((None, _)) | None => missing = UNREADABLE,
            }
            Ok(())
        })?;
        Ok((fetched, missing))
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
        let (mut marks, host) = (Vec::new(), self.server.host.clone());
        self.session.ask(&[Word::Plain("UID SEARCH ALL")], |response| {
            let numbers = response.after("SEARCH").unwrap_or_default().split(|octet| *octet == b' ');
            for number in numbers.filter(|number| !number.is_empty()) {
                let Some(number) = number_of(number) else {
                    let what = shown(number);
                    return Err(SourceError::Refused(format!("{host} says that a message has the number {what:?}")));
                };
                if marks.len() == FOLDER_MESSAGES_MAX {
                    let what = format!("{host} has more than {FOLDER_MESSAGES_MAX} messages in the folder");
                    return Err(SourceError::Refused(what));
                }
                marks.push(u64::from(number));
            }
            Ok(())
        })?;
        marks.sort_unstable();
        marks.dedup();
        Ok(Opened { validity, marks })
    }

    fn look(&mut self, marks: &[u64]) -> Result<Vec<Result<Item, Unknown>>, SourceError> {
        let (mut fetched, missing) = self.fetch(marks, 0, "UID FLAGS INTERNALDATE RFC822.SIZE")?;
        let item = |mark: &u64| {
            let label = format!("UID {mark}");
            match fetched.remove(mark) {
                Some(Fetched { flags: Some(flags), date, bytes, .. }) => {
                    Ok(Item { mark: *mark, bytes, flags, date, label })
                }
                Some(_) => Err(Unknown { mark: *mark, label, why: UNREADABLE.to_owned() }),
                None => Err(Unknown { mark: *mark, label, why: missing.to_owned() }),
            }
        };
        Ok(marks.iter().map(item).collect())
    }

    fn read(&mut self, items: &[Item]) -> Result<Vec<Content>, SourceError> {
        let marks: Vec<u64> = items.iter().map(|item| item.mark).collect();
        // As much as a piece has, if the sizes are true; and one message of any size in any case.
        let room = self.message_bytes_max.max(APPENDING_PIECE_BYTES_MAX as u64);
        let (mut fetched, missing) = self.fetch(&marks, room, "UID BODY.PEEK[]")?;
        let content = |mark: &u64| match fetched.remove(mark).map(|fetched| fetched.body) {
            Some(Some(Value::Text(octets) | Value::Atom(octets))) => Content::Octets(octets),
            Some(Some(Value::TooLarge)) => Content::TooLarge,
            Some(Some(Value::Nil | Value::List(_)) | None) => Content::Missing(UNREADABLE.to_owned()),
            None => Content::Missing(missing.to_owned()),
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
    is_readable: bool,
}

impl Listed {
    fn of(values: &[Value]) -> Option<Self> {
        let [attributes, delimiter, name, ..] = values else { return None };
        let attributes = attributes.items().iter().take(ATTRIBUTES_MAX);
        let attributes = attributes.filter_map(|value| value.octets().map(<[u8]>::to_vec)).collect();
        let delimiter = delimiter.octets().and_then(|octets| octets.first().copied());
        Some(Self { attributes, delimiter, name: name.octets()?.to_vec(), is_readable: true })
    }

    /// What is said of a folder cannot be read: it is told, and not taken.
    fn unreadable(text: String) -> Self {
        Self { attributes: Vec::new(), delimiter: None, name: text.into_bytes(), is_readable: false }
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
        let left_out = if !self.is_readable {
            Some("what the other server says of this folder cannot be read")
        } else if is_of_others {
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
pub(crate) fn readable(wire: &[u8]) -> String {
    let text = String::from_utf8_lossy(wire);
    let name =
        if text.is_ascii() { utf7::decode(&text).unwrap_or_else(|| text.into_owned()) } else { text.into_owned() };
    // It is shown on a terminal.
    name.replace(char::is_control, "\u{fffd}")
}

/// What FETCH says of a message.
#[derive(Default)]
struct Fetched {
    flags: Option<Flags>,
    date: Option<Timestamp>,
    bytes: Option<u64>,
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
                b"RFC822.SIZE" => fetched.bytes = number(),
                b"INTERNALDATE" => {
                    let date = value.octets().and_then(DateTime::parse);
                    fetched.date = date.map(|date| Timestamp::from_unix_seconds(date.unix_seconds()));
                }
                b"FLAGS" => fetched.flags = flags(&value),
                b"BODY[]" => fetched.body = Some(value),
                _ => {}
            }
        }
        (uid, fetched)
    }

    /// A server may say what was asked for in several responses.
    fn take(&mut self, more: Self) {
        self.flags = more.flags.or(self.flags.take());
        self.date = more.date.or(self.date);
        self.bytes = self.bytes.max(more.bytes);
        self.body = more.body.or(self.body.take());
    }

    /// Flags, and nothing else: somebody has changed them just now.
    fn is_unasked(&self) -> bool {
        self.flags.is_some() && self.date.is_none() && self.bytes.is_none() && self.body.is_none()
    }
}

fn flags(value: &Value) -> Option<Flags> {
    match value {
        Value::List(items) if items.len() <= FLAGS_MAX => Some(of_words(items.iter().filter_map(Value::octets))),
        Value::List(_) | Value::Nil | Value::Atom(_) | Value::Text(_) | Value::TooLarge => None,
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
mod tests;
