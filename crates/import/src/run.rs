//! An import: what a source has comes into an account.

use crate::flags::digest;
use crate::folders::{NOT_ASKED_FOR, Target, is_called, targets};
use crate::source::{Content, Folder, Item, Opened, Source, SourceError, Unknown};
use crate::told::{Event, Failure, Report, Tell};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::thread;
use std::time::Duration;
use store::{
    APPENDING_PIECE_BYTES_MAX, Account, Actor, Arriving, ContentDigest, DeviceId, Error, FlagChange, FlagMode, Flags,
    Imported, ImportedPlace, MailboxId, NewMessage, PIECE_MESSAGES_MAX, Protocol, Role, Timestamp, Uid, UidlOutcome,
    Usage,
};

/// A source that broke off is asked again so often without anything that came, after 1, 2, 4, 8 and 16 seconds.
const ATTEMPTS_MAX: u32 = 5;
/// A message of which nobody says how large it is counts as one of so many octets where a piece is cut.
const UNKNOWN_BYTES: u64 = 256 * 1024;

/// What is to be done.
pub struct Import<'a> {
    /// Whose mail it will be.
    pub account: &'a Account,
    /// The device that stands for the source ([`Account::import_device`]).
    pub device: DeviceId,
    /// Reads the clock: an import takes hours.
    pub now: &'a dyn Fn() -> Timestamp,
    /// A message of more octets is refused.
    pub message_bytes_max: u64,
    /// The folders that are wanted; none: all.
    pub only: &'a [String],
    /// Which messages do not come again.
    pub known: Known<'a>,
}

/// Which of what was taken once is not taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// All, also what was moved or removed here since: it is somebody's decision.
    All,
    /// What is still where it came to: whoever asks again wants back what is gone.
    ThatStayed,
    /// All, and of what was not taken yet what the account has anyway, wherever from: these contents.
    OrHere(&'a HashSet<ContentDigest>),
}

/// An import under way.
struct Running<'a, 'b> {
    import: &'a Import<'b>,
    source: &'a mut dyn Source,
    tell: Tell<'a>,
    report: Report,
    /// How often the source broke off since something came.
    attempts: u32,
}

/// A folder under way, however often its source breaks off.
struct Way<'a> {
    folder: &'a Folder,
    mailbox: MailboxId,
    /// What was refused is not asked for again.
    refused: HashSet<u64>,
    /// What the account has anyway.
    here: HashSet<u64>,
    /// What was brought by this import.
    brought: usize,
    reflagged: usize,
}

/// What came of a folder when its marks were others, by its content.
type Before = HashMap<ContentDigest, Vec<ImportedPlace>>;

/// What was read of a piece.
#[derive(Default)]
struct Read<'a> {
    arriving: Vec<Arriving>,
    /// Of these messages.
    coming: Vec<&'a Item>,
    bytes: u64,
    /// What of them was known by its content; whoever brings nothing gives it back.
    known: Vec<(ContentDigest, ImportedPlace)>,
    /// What was larger than its source had said, and may come by itself.
    alone: Vec<&'a Item>,
}

impl Import<'_> {
    /// Takes all that is new in `source`.
    ///
    /// # Errors
    /// [`Failure`]; what was brought stays.
    pub fn run(&self, source: &mut dyn Source, tell: Tell<'_>) -> Result<Report, Failure> {
        let mut running = Running { import: self, source, tell, report: Report::default(), attempts: 0 };
        let folders = running.patiently(|running| Ok(running.source.folders()?))?;
        if let Some(name) = self.only.iter().find(|name| !folders.iter().any(|folder| is_called(folder, name))) {
            let names: Vec<&str> = folders.iter().map(|folder| folder.name.as_str()).collect();
            return Err(Failure::Refused(format!("there is no folder {name:?} there, but {}", names.join(", "))));
        }
        let targets = targets(&folders, self.only, &self.account.mailboxes()?);
        for (folder, target) in folders.iter().zip(targets) {
            match target {
                Target::LeftOut(NOT_ASKED_FOR) => {}
                Target::LeftOut(why) => running.leave_out(folder, why.to_owned())?,
                Target::Mailbox(name, role) => running.folder(folder, &name, role)?,
            }
        }
        for (name, why) in running.source.scripts() {
            running.say(Event::LeftOut { name, why })?;
        }
        Ok(running.report)
    }

    fn actor(&self) -> Actor {
        Actor { device: self.device, protocol: Protocol::Cli, now: (self.now)() }
    }
}

impl Running<'_, '_> {
    fn say(&mut self, event: Event) -> Result<(), Failure> {
        (self.tell)(event)
    }

    fn leave_out(&mut self, folder: &Folder, why: String) -> Result<(), Failure> {
        self.report.left_out += 1;
        self.say(Event::LeftOut { name: folder.name.clone(), why })
    }

    /// Does what asks the source, again and again where it breaks off.
    fn patiently<T>(&mut self, mut ask: impl FnMut(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        loop {
            let mut why = match ask(self) {
                Err(Failure::Broken(why)) => why,
                outcome => return outcome,
            };
            loop {
                if self.attempts >= ATTEMPTS_MAX {
                    return Err(Failure::Broken(why));
                }
                let seconds = 1 << self.attempts;
                self.attempts += 1;
                self.say(Event::Waiting { why, seconds })?;
                thread::sleep(Duration::from_secs(seconds));
                match self.source.again() {
                    Ok(()) => break,
                    Err(SourceError::Broken(again)) => why = again,
                    Err(SourceError::Refused(again)) => return Err(Failure::Refused(again)),
                }
            }
        }
    }

    fn folder(&mut self, folder: &Folder, name: &str, role: Option<Role>) -> Result<(), Failure> {
        let mailbox = match self.mailbox(folder, name, role) {
            Ok(mailbox) => mailbox,
            Err(why @ (Error::InvalidName(_) | Error::Limit(_) | Error::NotAllowed(_))) => {
                return self.leave_out(folder, why.to_string());
            }
            Err(error) => return Err(error.into()),
        };
        self.report.folders += 1;
        self.say(Event::Folder { name: folder.name.clone(), mailbox: name.to_owned() })?;
        let mut way = Way { folder, mailbox, refused: HashSet::new(), here: HashSet::new(), brought: 0, reflagged: 0 };
        let outcome = self.patiently(|running| running.take(&mut way));
        self.report.brought += way.brought;
        self.report.reflagged += way.reflagged;
        self.report.refused += way.refused.len();
        self.report.known += way.here.len();
        match outcome {
            // The others may be better.
            Err(Failure::Refused(why)) => self.leave_out(folder, why),
            outcome => outcome,
        }
    }

    fn mailbox(&self, folder: &Folder, name: &str, role: Option<Role>) -> Result<MailboxId, Error> {
        let (account, actor) = (self.import.account, self.import.actor());
        let there = account.mailboxes()?.by_name(name).map(|mailbox| mailbox.id);
        let mailbox = there.map_or_else(|| account.create_mailbox(actor, name, role), Ok)?;
        if folder.is_subscribed {
            account.subscribe(actor, name, true)?;
        }
        Ok(mailbox)
    }

    /// Takes what is new in a folder.
    fn take(&mut self, way: &mut Way<'_>) -> Result<(), Failure> {
        let Opened { validity, marks } = self.source.open(way.folder)?;
        let mut imported = self.import.account.imported(self.import.device, folder_number(way.folder), validity)?;
        if self.import.known == Known::ThatStayed {
            self.forget_gone(&mut imported)?;
        }
        let mut before = self.before(&imported)?;
        let there: HashSet<u64> = marks.iter().copied().collect();
        let vanished = imported.marks().filter(|mark| !there.contains(mark)).count();
        let (total, mut done) = (marks.len(), 0);
        for chunk in marks.chunks(PIECE_MESSAGES_MAX) {
            let items = self.look(way, &imported, chunk)?;
            way.reflagged += self.reflag(way, &mut imported, &items)?;
            let new: Vec<Item> = items
                .into_iter()
                .filter(|item| imported.of(item.mark).is_none())
                .filter(|item| !way.refused.contains(&item.mark) && !way.here.contains(&item.mark))
                .collect();
            let fitting = self.fitting(way, new)?;
            for piece in pieces(&fitting) {
                self.bring(way, &mut imported, &mut before, piece)?;
                self.attempts = 0;
            }
            done += chunk.len();
            self.say(Event::Looked { name: way.folder.name.clone(), done, total })?;
        }
        for (message, why) in self.source.left_behind() {
            self.say(Event::Refused { folder: way.folder.name.clone(), message, why })?;
        }
        let known = marks.iter().filter(|mark| imported.of(**mark).is_some()).count();
        self.report.known += known.saturating_sub(way.brought);
        self.report.vanished += vanished;
        self.tell_of_elsewhere(way, &imported, &marks)?;
        self.keep_uidls(way, &imported)
    }

    /// What is not any more where it came to counts as never taken.
    fn forget_gone(&self, imported: &mut Imported) -> Result<(), Failure> {
        let mut views = HashMap::new();
        for place in imported.places() {
            if let Entry::Vacant(entry) = views.entry(place.mailbox) {
                entry.insert(match self.import.account.view(place.mailbox) {
                    Ok(view) => Some(view),
                    Err(Error::NoSuchMailbox) => None,
                    Err(error) => return Err(error.into()),
                });
            }
        }
        imported.keep(|place| {
            let view = views.get(&place.mailbox).and_then(Option::as_ref);
            view.is_some_and(|view| view.index().find(place.uid).is_some())
        });
        Ok(())
    }

    /// Whoever wants them in this mailbox is to know why they are not.
    fn tell_of_elsewhere(&mut self, way: &Way<'_>, imported: &Imported, marks: &[u64]) -> Result<(), Failure> {
        let mut elsewhere: BTreeMap<MailboxId, usize> = BTreeMap::new();
        for (place, _) in marks.iter().filter_map(|mark| imported.of(*mark)).filter(|at| at.0.mailbox != way.mailbox) {
            *elsewhere.entry(place.mailbox).or_default() += 1;
        }
        if elsewhere.is_empty() {
            return Ok(());
        }
        let mailboxes = self.import.account.mailboxes()?;
        for (mailbox, messages) in elsewhere {
            let mailbox = mailboxes.by_id(mailbox).map(|mailbox| mailbox.name.clone());
            self.say(Event::Elsewhere { name: way.folder.name.clone(), mailbox, messages })?;
        }
        Ok(())
    }

    /// POP programs know messages by the UIDLs that these had there.
    fn keep_uidls(&mut self, way: &Way<'_>, imported: &Imported) -> Result<(), Failure> {
        let (mut here, mut views) = (Vec::new(), HashMap::new());
        for (mark, uidl) in self.source.uidls() {
            let Some((place, _)) = imported.of(mark) else { continue };
            let view = match views.entry(place.mailbox) {
                Entry::Occupied(view) => view.into_mut(),
                Entry::Vacant(entry) => entry.insert(self.import.account.view(place.mailbox).ok()),
            };
            let email = view.as_ref().and_then(|view| view.index().find(place.uid)).map(|entry| entry.email);
            here.extend(email.map(|email| (email, uidl)));
        }
        if here.is_empty() {
            return Ok(());
        }
        let outcomes = self.import.account.keep_uidls(self.import.actor(), here, false)?;
        self.report.uidls += outcomes.iter().filter(|outcome| **outcome == UidlOutcome::Kept).count();
        let not = outcomes.iter().filter(|outcome| !matches!(outcome, UidlOutcome::Kept | UidlOutcome::Same)).count();
        if not == 0 {
            return Ok(());
        }
        let message = format!("{not} UIDLs");
        let why = "another message has them, the message has another one, or POP3 does not allow them; `pillarbox \
                   import-uidl` tells which";
        self.say(Event::Refused { folder: way.folder.name.clone(), message, why: why.to_owned() })
    }

    /// What is known of messages. One of which nothing is said that can be read does not come, and is told; the next import tries
    /// again.
    fn look(&mut self, way: &mut Way<'_>, imported: &Imported, marks: &[u64]) -> Result<Vec<Item>, Failure> {
        let mut items = Vec::with_capacity(marks.len());
        for look in self.source.look(marks)? {
            match look {
                Ok(item) => items.push(item),
                Err(Unknown { mark, .. }) if imported.of(mark).is_some() || way.refused.contains(&mark) => {}
                Err(Unknown { mark, label, why }) => self.refuse(way, (mark, &label), why)?,
            }
        }
        Ok(items)
    }

    /// Flags that have changed there since somebody last looked. Where the message is not any more where it came to, what was
    /// done with it here counts.
    fn reflag(&mut self, way: &mut Way<'_>, imported: &mut Imported, items: &[Item]) -> Result<usize, Failure> {
        let mut changes: BTreeMap<(MailboxId, u32), (Flags, Vec<Uid>)> = BTreeMap::new();
        let mut noted = BTreeMap::new();
        for item in items {
            let (Some((place, before)), now) = (imported.of(item.mark), digest(&item.flags)) else { continue };
            if before != now {
                noted.insert(item.mark, now);
                let change = changes.entry((place.mailbox, now)).or_insert_with(|| (item.flags.clone(), Vec::new()));
                change.1.push(place.uid);
            }
        }
        for ((mailbox, new), (flags, uids)) in changes {
            let change = FlagChange { mode: FlagMode::Replace, flags, unchanged_since: None };
            match self.import.account.change_flags(self.import.actor(), mailbox, uids, change) {
                Ok(_) | Err(Error::NoSuchMailbox | Error::NotAllowed(_)) => {}
                Err(Error::Limit(why)) => {
                    let (folder, message) = (way.folder.name.clone(), "flags that changed".to_owned());
                    self.say(Event::Refused { folder, message, why })?;
                    // The next import tries again.
                    noted.retain(|mark, now| {
                        *now != new || imported.of(*mark).is_none_or(|(place, _)| place.mailbox != mailbox)
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        let noted: Vec<_> = noted.into_iter().collect();
        self.import.account.note_flags_elsewhere(imported, &noted)?;
        Ok(noted.len())
    }

    /// What of these can come, as far as their sizes say: what cannot need not come over the wire.
    fn fitting(&mut self, way: &mut Way<'_>, items: Vec<Item>) -> Result<Vec<Item>, Failure> {
        let Usage { bytes, messages, quota } = self.import.account.usage()?;
        let left = |quota: Option<u64>, used: u64| quota.map_or(u64::MAX, |quota| quota.saturating_sub(used));
        let (mut room, mut places) = (left(quota.bytes, bytes), left(quota.messages, messages));
        let mut fitting = Vec::with_capacity(items.len());
        for item in items {
            let size = item.bytes.unwrap_or_default();
            if size > self.import.message_bytes_max {
                self.refuse(way, item.named(), self.too_large())?;
            } else if size > room || places == 0 {
                let why = format!("the mailbox is full: it holds {bytes} octets in {messages} messages");
                self.refuse(way, item.named(), why)?;
            } else {
                (room, places) = (room - size, places - 1);
                fitting.push(item);
            }
        }
        Ok(fitting)
    }

    fn too_large(&self) -> String {
        format!("it is larger than {} octets, limits.message_bytes_max", self.import.message_bytes_max)
    }

    fn refuse(&mut self, way: &mut Way<'_>, (mark, label): (u64, &str), why: String) -> Result<(), Failure> {
        way.refused.insert(mark);
        self.say(Event::Refused { folder: way.folder.name.clone(), message: label.to_owned(), why })
    }

    /// Brings a piece. Where the store refuses it, each message comes by itself: the others are not to wait for one.
    fn bring(
        &mut self,
        way: &mut Way<'_>,
        imported: &mut Imported,
        before: &mut Before,
        items: &[Item],
    ) -> Result<(), Failure> {
        let contents = match self.source.read(items) {
            Err(SourceError::Refused(_)) if items.len() > 1 => return self.one_by_one(way, imported, before, items),
            Err(SourceError::Refused(why)) => {
                return items.iter().try_for_each(|item| self.refuse(way, item.named(), why.clone()));
            }
            contents => contents?,
        };
        let Read { arriving, coming, bytes, known, alone } = self.sort_out(way, before, items, contents)?;
        let (new, count) = (arriving.iter().filter(|one| one.message.is_ok()).count(), arriving.len());
        let outcome = match count {
            0 => Ok(()),
            // Whatever sizes were announced.
            2.. if bytes > APPENDING_PIECE_BYTES_MAX as u64 => Err(Error::Limit("a commit takes less".to_owned())),
            _ => self.import.account.import(self.import.actor(), way.mailbox, imported, arriving),
        };
        if outcome.is_err() {
            known.into_iter().for_each(|(content, place)| before.entry(content).or_default().push(place));
        }
        match outcome {
            Ok(()) => way.brought += new,
            Err(Error::InvalidContent(_) | Error::OverQuota { .. } | Error::Limit(_)) if items.len() > 1 => {
                return self.one_by_one(way, imported, before, items);
            }
            Err(why @ Error::Limit(_)) => self.without_keywords(way, imported, before, (items, why))?,
            Err(why @ (Error::InvalidContent(_) | Error::OverQuota { .. })) => {
                coming.into_iter().try_for_each(|item| self.refuse(way, item.named(), why.to_string()))?;
            }
            Err(error) => return Err(error.into()),
        }
        alone.into_iter().try_for_each(|item| self.bring(way, imported, before, std::slice::from_ref(item)))
    }

    /// What can come of what was read; what cannot is told.
    fn sort_out<'a>(
        &mut self,
        way: &mut Way<'_>,
        before: &mut Before,
        items: &'a [Item],
        contents: Vec<Content>,
    ) -> Result<Read<'a>, Failure> {
        let mut read = Read::default();
        for (item, content) in items.iter().zip(contents) {
            match content {
                Content::TooLarge if items.len() > 1 => read.alone.push(item),
                Content::TooLarge => self.refuse(way, item.named(), self.too_large())?,
                Content::Missing(why) => self.refuse(way, item.named(), why)?,
                // Whatever size was announced.
                Content::Octets(octets) if octets.len() as u64 > self.import.message_bytes_max => {
                    self.refuse(way, item.named(), self.too_large())?;
                }
                Content::Octets(octets) if octets.is_empty() => {
                    self.refuse(way, item.named(), "it is empty".to_owned())?;
                }
                Content::Octets(octets) if self.is_here(&octets) => {
                    way.here.insert(item.mark);
                }
                Content::Octets(octets) => {
                    read.bytes += octets.len() as u64;
                    let one = self.arriving(item, octets, before);
                    read.known.extend(one.message.as_ref().err().map(|place| (one.content, *place)));
                    read.arriving.push(one);
                    read.coming.push(item);
                }
            }
        }
        Ok(read)
    }

    fn is_here(&self, octets: &[u8]) -> bool {
        match self.import.known {
            Known::All | Known::ThatStayed => false,
            Known::OrHere(contents) => contents.contains(&ContentDigest::of(octets)),
        }
    }

    fn one_by_one(
        &mut self,
        way: &mut Way<'_>,
        imported: &mut Imported,
        before: &mut Before,
        items: &[Item],
    ) -> Result<(), Failure> {
        for item in items.iter().filter(|item| !way.refused.contains(&item.mark)).cloned().collect::<Vec<_>>() {
            self.bring(way, imported, before, std::slice::from_ref(&item))?;
        }
        Ok(())
    }

    /// A message counts more than its keywords.
    fn without_keywords(
        &mut self,
        way: &mut Way<'_>,
        imported: &mut Imported,
        before: &mut Before,
        (items, why): (&[Item], Error),
    ) -> Result<(), Failure> {
        for item in items {
            if item.flags.keywords.is_empty() {
                self.refuse(way, item.named(), why.to_string())?;
                continue;
            }
            let (folder, message) = (way.folder.name.clone(), item.label.clone());
            self.say(Event::Refused { folder, message, why: format!("it comes without its keywords: {why}") })?;
            let flags = Flags { system: item.flags.system, keywords: Vec::new() };
            self.bring(way, imported, before, &[Item { flags, ..item.clone() }])?;
        }
        Ok(())
    }

    fn arriving(&self, item: &Item, octets: Vec<u8>, before: &mut Before) -> Arriving {
        let content = ContentDigest::of(&octets);
        let message = match before.get_mut(&content).and_then(Vec::pop) {
            Some(place) => Err(place),
            None => Ok(NewMessage {
                body: octets,
                flags: item.flags.clone(),
                internal_date: item.date.unwrap_or_else(self.import.now),
            }),
        };
        Arriving { mark: item.mark, flags_there: digest(&item.flags), content, message }
    }

    /// Where the folder has other marks than when it was last taken, what came of it is known again by its content, also what
    /// its owner has moved or removed here since.
    fn before(&self, imported: &Imported) -> Result<Before, Failure> {
        let mut before = Before::new();
        if imported.before().is_empty() {
            return Ok(before);
        }
        let reader = self.import.account.reader()?;
        for (place, content) in imported.before() {
            let content = match content {
                Some(content) => *content,
                // An earlier version has brought it: where it came to there may be its content.
                None => {
                    let Ok(view) = self.import.account.view(place.mailbox) else { continue };
                    let Some(entry) = view.index().find(place.uid) else { continue };
                    ContentDigest::of(&reader.body(entry.email)?)
                }
            };
            before.entry(content).or_default().push(*place);
        }
        Ok(before)
    }
}

impl Item {
    fn named(&self) -> (u64, &str) {
        (self.mark, &self.label)
    }
}

/// What the notes of a folder are kept under.
fn folder_number(folder: &Folder) -> u64 {
    u64::from_be_bytes(blake3::hash(&folder.key).as_bytes().first_chunk().copied().unwrap_or_default())
}

/// What one commit takes, as far as the sizes say.
fn pieces(items: &[Item]) -> impl Iterator<Item = &[Item]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut bytes = 0u64;
        let fits = |item: &&Item| {
            bytes = bytes.saturating_add(item.bytes.unwrap_or(UNKNOWN_BYTES));
            bytes <= APPENDING_PIECE_BYTES_MAX as u64
        };
        let count = rest.iter().take(PIECE_MESSAGES_MAX).take_while(fits).count().max(1).min(rest.len());
        let (piece, after) = rest.split_at(count);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests;
