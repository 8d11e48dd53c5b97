//! The records of an account as they lie in the engine. Each begins with a version byte.

use crate::codec::{Corrupt, Reader, Writer};
use crate::flags::{FlagBits, Keywords};
use crate::identity::Name;
use crate::ids::{EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
use crate::index::Entry;
use crate::receipt::Receipt;
use crate::rights::Acl;
use crate::role::Role;
use crate::settings::{AccountSettings, LanguageTag};
use twox_hash::XxHash3_64;

const VERSION: u8 = 1;
/// Of records that have grown since version 1, which is still read.
const GROWN: u8 = 2;

pub(crate) fn versioned() -> Writer {
    Writer(vec![VERSION])
}

pub(crate) fn open(bytes: &[u8]) -> Result<Reader<'_>, Corrupt> {
    let mut r = Reader(bytes);
    if r.byte()? == VERSION { Ok(r) } else { Err(Corrupt) }
}

/// That a record has all that its current version has.
pub(crate) struct Grown;

/// A record that has grown since version 1.
pub(crate) fn grown() -> Writer {
    Writer(vec![GROWN])
}

/// Opens a record that has grown; whether it has what version 1 did not.
pub(crate) fn open_grown(bytes: &[u8]) -> Result<(Reader<'_>, bool), Corrupt> {
    let mut r = Reader(bytes);
    match r.byte()? {
        VERSION => Ok((r, false)),
        GROWN => Ok((r, true)),
        _ => Err(Corrupt),
    }
}

/// What an account counts up, and what was chosen for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountRecord {
    pub(crate) created: Timestamp,
    pub(crate) last_email: EmailId,
    pub(crate) last_uid_validity: UidValidity,
    pub(crate) last_mailbox: MailboxId,
    pub(crate) last_device: u32,
    /// Journal entries up to this one have left retention.
    pub(crate) journal_floor: ModSeq,
    pub(crate) settings: AccountSettings,
    /// What is in no mailbox and still restorable.
    pub(crate) retained: Retained,
    /// From the next journal entry on, the history of each message is indexed.
    pub(crate) history_from: ModSeq,
    /// The owner was told that the mailboxes fill up, and they have not become emptier since.
    pub(crate) told_of_filling: bool,
    /// Messages up to this one are found by their Message-ID, those after it not yet.
    pub(crate) named_to: EmailId,
    pub(crate) last_hold: HoldId,
    /// Holds without an answer.
    pub(crate) open_holds: u32,
    /// What was handed over, the oldest first.
    pub(crate) receipts: Vec<Receipt>,
    /// Of messages up to this one it is noted how many octets POP3 sends, where those are not their own.
    pub(crate) sized_to: EmailId,
    /// Records of messages up to this place say where they are; `None`: all do.
    pub(crate) places_noted_to: Option<(MailboxId, Uid)>,
}

/// What was removed and is still kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Retained {
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub bytes: u64,
}

impl Retained {
    pub(crate) fn add(&mut self, size: u32) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size.into());
    }

    pub(crate) fn remove(&mut self, size: u32) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size.into());
    }
}

impl AccountRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = grown();
        w.signed(self.created.0).number(self.last_email.0).number(self.last_uid_validity.0.into());
        w.number(self.last_mailbox.0.into()).number(self.last_device.into()).number(self.journal_floor.0);
        self.settings.write(&mut w);
        w.number(self.retained.messages).number(self.retained.bytes).number(self.history_from.0);
        w.byte(u8::from(self.told_of_filling)).number(self.named_to.0);
        w.number(self.last_hold.0.into()).number(self.open_holds.into());
        Receipt::write_all(&self.receipts, &mut w);
        w.number(self.sized_to.0);
        w.option(self.places_noted_to, write_place);
        w.option(self.settings.quota.messages, |w, messages| {
            w.number(messages);
        });
        // Where nobody has chosen one, earlier versions can read the record.
        if let Some(language) = &self.settings.language {
            w.text(language.as_str());
        }
        w.0
    }

    /// `None` beside it: the record is of version 1, and what that did not count is 0.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, Option<Grown>), Corrupt> {
        let (mut r, has_grown) = open_grown(bytes)?;
        let number = |r: &mut Reader<'_>| if has_grown { r.number() } else { Ok(0) };
        let mut record = Self {
            created: Timestamp(r.signed()?),
            last_email: EmailId(r.number()?),
            last_uid_validity: UidValidity(r.small()?),
            last_mailbox: MailboxId(r.small()?),
            last_device: r.small()?,
            journal_floor: ModSeq(r.number()?),
            settings: if has_grown { AccountSettings::read(&mut r)? } else { AccountSettings::default() },
            retained: Retained { messages: number(&mut r)?, bytes: number(&mut r)? },
            history_from: ModSeq(number(&mut r)?),
            told_of_filling: has_grown && r.byte()? != 0,
            named_to: EmailId(number(&mut r)?),
            last_hold: HoldId(u32::try_from(number(&mut r)?).map_err(|_| Corrupt)?),
            open_holds: u32::try_from(number(&mut r)?).map_err(|_| Corrupt)?,
            receipts: Receipt::read_all(&mut r)?,
            // A record of an earlier version ends before it.
            sized_to: if r.0.is_empty() { EmailId(0) } else { EmailId(r.number()?) },
            places_noted_to: if r.0.is_empty() { Some((MailboxId(0), Uid(0))) } else { r.option(read_place)? },
        };
        if !r.0.is_empty() {
            record.settings.quota.messages = r.option(Reader::number)?;
        }
        if !r.0.is_empty() {
            record.settings.language = Some(LanguageTag::new(&r.text()?).ok_or(Corrupt)?);
        }
        r.end().map(|()| (record, has_grown.then_some(Grown)))
    }
}

/// What a mailbox holds, kept up to date by every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages.
    pub bytes: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.messages = self.messages.saturating_add(1);
        self.bytes = self.bytes.saturating_add(u64::from(entry.size));
        self.count_flags(entry.flags, u32::saturating_add);
    }

    pub(crate) fn remove(&mut self, entry: &Entry) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(u64::from(entry.size));
        self.count_flags(entry.flags, u32::saturating_sub);
    }

    pub(crate) fn reflag(&mut self, before: FlagBits, after: FlagBits) {
        self.count_flags(before, u32::saturating_sub);
        self.count_flags(after, u32::saturating_add);
    }

    fn count_flags(&mut self, flags: FlagBits, change: impl Fn(u32, u32) -> u32) {
        use crate::flags::SystemFlag::{Deleted, Seen};
        self.unseen = change(self.unseen, u32::from(!flags.has(Seen)));
        self.deleted = change(self.deleted, u32::from(flags.has(Deleted)));
    }
}

/// A mailbox, without its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Survives renames.
    pub id: MailboxId,
    /// The whole path, UTF-8, levels separated by `/`.
    pub name: String,
    /// RFC 6154 special use.
    pub role: Option<Role>,
    /// Whether it is on the list of RFC 9051 §6.3.7.
    pub subscribed: bool,
    /// RFC 9051 §2.3.1.1.
    pub uid_validity: UidValidity,
    /// The UID that the next message gets.
    pub uid_next: Uid,
    /// The last change of a message in it, or its creation (RFC 7162 §3.1.1); at least 1.
    pub highest_modseq: ModSeq,
    /// The keywords seen in it.
    pub keywords: Keywords,
    /// What it holds.
    pub counts: Counts,
    /// Who may do what in it, beside its owner.
    pub acl: Acl,
    /// Up to which modseq the packed index is complete.
    pub(crate) packed_to: ModSeq,
    /// How many messages were touched since; where one entry of the journal tells of many, less.
    pub(crate) unpacked: u32,
}

impl Mailbox {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.number(self.id.0.into()).text(&self.name);
        w.option(self.role, |w, role| {
            w.byte(role.number());
        });
        w.byte(u8::from(self.subscribed)).number(self.uid_validity.0.into()).number(self.uid_next.0.into());
        w.number(self.highest_modseq.0);
        self.keywords.write(&mut w);
        let Counts { messages, unseen, deleted, bytes } = self.counts;
        w.number(messages.into()).number(unseen.into()).number(deleted.into()).number(bytes);
        w.number(self.packed_to.0).number(self.unpacked.into());
        self.acl.write(&mut w);
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let mailbox = Self {
            id: MailboxId(r.small()?),
            name: r.text()?,
            role: r.option(Role::read)?,
            subscribed: r.byte()? != 0,
            uid_validity: UidValidity(r.small()?),
            uid_next: Uid(r.small()?),
            highest_modseq: ModSeq(r.number()?),
            keywords: Keywords::read(&mut r)?,
            counts: Counts { messages: r.small()?, unseen: r.small()?, deleted: r.small()?, bytes: r.number()? },
            packed_to: ModSeq(r.number()?),
            unpacked: r.small()?,
            acl: Acl::read(&mut r)?,
        };
        r.end().map(|()| mailbox)
    }
}

/// A name on the list of subscriptions (RFC 9051 §6.3.7) that no mailbox has.
pub(crate) struct Subscription;

impl Subscription {
    pub(crate) fn encode(name: &str) -> Vec<u8> {
        let mut w = versioned();
        w.text(name);
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<String, Corrupt> {
        let mut r = open(bytes)?;
        let name = r.text()?;
        r.end().map(|()| name)
    }
}

/// A message in a mailbox: the truth of which the index is a copy.
pub(crate) struct MessageRecord;

impl MessageRecord {
    pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
        let mut w = versioned();
        w.number(entry.email.0).number(entry.flags.0).number(entry.modseq.0);
        w.signed(entry.internal_date.0).number(entry.size.into());
        w.0
    }

    pub(crate) fn decode(uid: Uid, bytes: &[u8]) -> Result<Entry, Corrupt> {
        let mut r = open(bytes)?;
        let entry = Entry {
            uid,
            email: EmailId(r.number()?),
            flags: FlagBits(r.number()?),
            modseq: ModSeq(r.number()?),
            internal_date: Timestamp(r.signed()?),
            size: r.small()?,
        };
        r.end().map(|()| entry)
    }
}

/// A message whatever mailboxes it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmailRecord {
    /// Octets.
    pub(crate) size: u32,
    /// In how many places (mailbox, UID) it is; 0: removed, restorable until it leaves retention.
    pub(crate) places: u32,
    /// When `places` became 0.
    pub(crate) removed_at: Option<Timestamp>,
    /// The object that holds the body, when it is not inline.
    pub(crate) object: Option<String>,
    /// How it came; `None` where a version that did not note it stored the message.
    pub(crate) arrival: Option<Arrival>,
    /// What it is found by, as rows `I` say.
    pub(crate) names: Vec<Name>,
    /// Where it is: all of `places`, but for what an earlier version did not note, and at most [`PLACES_LISTED_MAX`].
    pub(crate) listed: Vec<(MailboxId, Uid)>,
    /// Of each place in `listed`, since when the message is there; `None` where that was not noted.
    pub(crate) since: Vec<Option<Timestamp>>,
}

/// A record lists at most so many places: it is written anew with each of them.
pub(crate) const PLACES_LISTED_MAX: usize = 64;

/// How a message came into the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The journal entry that tells of it.
    pub(crate) modseq: ModSeq,
    /// The mailbox that it came into first.
    pub(crate) mailbox: MailboxId,
}

impl EmailRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = grown();
        w.number(self.size.into()).number(self.places.into());
        w.option(self.removed_at, |w, at| {
            w.signed(at.0);
        });
        w.option(self.object.as_deref(), |w, name| {
            w.text(name);
        });
        w.option(self.arrival, |w, arrival| {
            w.number(arrival.modseq.0).number(arrival.mailbox.0.into());
        });
        w.number(self.names.len() as u64);
        self.names.iter().for_each(|name| w.0.extend_from_slice(&name.0.to_be_bytes()));
        w.number(self.listed.len() as u64);
        self.listed.iter().for_each(|place| write_place(&mut w, *place));
        if self.since.iter().any(Option::is_some) {
            for at in 0..self.listed.len() {
                w.option(self.since.get(at).copied().flatten(), |w, since| {
                    w.signed(since.0);
                });
            }
        }
        w.0
    }

    /// Whether it says of every place that the message is there.
    pub(crate) fn lists_all(&self) -> bool {
        self.listed.len() == self.places as usize
    }

    /// Notes that the message is in a place, of which `places` knows, and since when, if that is known; whether that is new.
    pub(crate) fn note(&mut self, place: (MailboxId, Uid), since: Option<Timestamp>) -> bool {
        let is_new = self.listed.len() < PLACES_LISTED_MAX && !self.listed.contains(&place);
        if is_new {
            self.since.resize(self.listed.len(), None);
            self.listed.push(place);
            self.since.push(since);
        }
        is_new
    }

    /// Since when the message is in a place, if that was noted.
    pub(crate) fn since(&self, place: (MailboxId, Uid)) -> Option<Timestamp> {
        let at = self.listed.iter().position(|listed| *listed == place)?;
        self.since.get(at).copied().flatten()
    }

    /// The message is in a place no more, of which `places` knows.
    pub(crate) fn forget(&mut self, place: (MailboxId, Uid)) {
        if let Some(at) = self.listed.iter().position(|listed| *listed == place) {
            self.since.resize(self.listed.len(), None);
            self.listed.remove(at);
            self.since.remove(at);
        }
    }

    /// The message is in a place no more.
    pub(crate) fn leave(&mut self, place: (MailboxId, Uid)) {
        self.places = self.places.saturating_sub(1);
        self.forget(place);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut r, has_grown) = open_grown(bytes)?;
        let arrival = |r: &mut Reader<'_>| Ok(Arrival { modseq: ModSeq(r.number()?), mailbox: MailboxId(r.small()?) });
        let mut record = Self {
            size: r.small()?,
            places: r.small()?,
            removed_at: r.option(|r| r.signed().map(Timestamp))?,
            object: r.option(Reader::text)?,
            arrival: if has_grown { r.option(arrival)? } else { None },
            names: if has_grown { r.list(read_name)? } else { Vec::new() },
            // A record of an earlier version ends before it.
            listed: if r.0.is_empty() { Vec::new() } else { r.list(read_place)? },
            since: Vec::new(),
        };
        if !r.0.is_empty() {
            for _ in 0..record.listed.len() {
                record.since.push(r.option(|r| r.signed().map(Timestamp))?);
            }
        }
        r.end().map(|()| record)
    }
}

fn write_place(w: &mut Writer, (mailbox, uid): (MailboxId, Uid)) {
    w.number(mailbox.0.into()).number(uid.0.into());
}

fn read_place(r: &mut Reader<'_>) -> Result<(MailboxId, Uid), Corrupt> {
    Ok((MailboxId(r.small()?), Uid(r.small()?)))
}

fn read_name(r: &mut Reader<'_>) -> Result<Name, Corrupt> {
    r.take(8)?.try_into().map(|bytes| Name(u64::from_be_bytes(bytes))).map_err(|_| Corrupt)
}

/// A body, or where it lies; with the BLAKE3 of the body.
pub(crate) enum BodyRecord<'a> {
    Inline { hash: [u8; 32], body: &'a [u8] },
    Object { digest: Digest, size: u32, name: String, header: Option<HeaderCopy<'a>> },
}

/// What tells whether the octets of an object are those that were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    /// BLAKE3.
    pub(crate) hash: [u8; 32],
    /// XXH3, which is enough against disks (docs/decisions/0025-checksums.md) and costs a fraction; `None` where an earlier
    /// version stored the message.
    pub(crate) sum: Option<u64>,
}

impl Digest {
    pub(crate) fn of(octets: &[u8], hash: [u8; 32]) -> Self {
        Self { hash, sum: Some(XxHash3_64::oneshot(octets)) }
    }

    /// Whether these are the octets.
    pub(crate) fn is_of(&self, octets: &[u8]) -> bool {
        match self.sum {
            Some(sum) => XxHash3_64::oneshot(octets) == sum,
            None => *blake3::hash(octets).as_bytes() == self.hash,
        }
    }
}

/// A header of at most this many octets is kept beside the object that it begins.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The header of a message whose body is an object, so that nobody has to read a large object for it.
#[derive(Clone, Copy)]
pub(crate) struct HeaderCopy<'a> {
    /// BLAKE3 of `octets`.
    pub(crate) hash: [u8; 32],
    /// Up to and with the empty line (RFC 5322 §2.1).
    pub(crate) octets: &'a [u8],
}

impl<'a> HeaderCopy<'a> {
    /// None where the header is too long to be kept twice.
    pub(crate) fn of(message: &'a [u8]) -> Option<Self> {
        // One octet more tells whether the header ends within the bound.
        let start = message.get(..=HEADER_BYTES_MAX).unwrap_or(message);
        let octets = message.get(..message::header::end(start)).filter(|header| header.len() <= HEADER_BYTES_MAX)?;
        Some(Self { hash: *blake3::hash(octets).as_bytes(), octets })
    }

    /// The header, unless it is damaged.
    pub(crate) fn intact(&self) -> Option<&'a [u8]> {
        (*blake3::hash(self.octets).as_bytes() == self.hash).then_some(self.octets)
    }
}

impl<'a> BodyRecord<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        match self {
            Self::Inline { hash, body } => {
                w.0.reserve_exact(33 + body.len());
                w.byte(0).0.extend_from_slice(hash);
                w.0.extend_from_slice(body);
            }
            Self::Object { digest, size, name, header } => {
                w.byte(1).0.extend_from_slice(&digest.hash);
                w.number((*size).into()).text(name);
                w.option(*header, |w, header| {
                    w.0.extend_from_slice(&header.hash);
                    w.bytes(header.octets);
                });
                w.0.extend(digest.sum.iter().flat_map(|sum| sum.to_be_bytes()));
            }
        }
        w.0
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let kind = r.byte()?;
        let hash = r.take(32)?.try_into().map_err(|_| Corrupt)?;
        match kind {
            0 => Ok(Self::Inline { hash, body: r.0 }),
            1 => {
                let (size, name) = (r.small()?, r.text()?);
                let header = r.option(|r| {
                    let hash = r.take(32)?.try_into().map_err(|_| Corrupt)?;
                    Ok(HeaderCopy { hash, octets: r.bytes()? })
                })?;
                // A record of an earlier version ends before it.
                let sum = if r.0.is_empty() { None } else { Some(r.take(8)?.try_into().map_err(|_| Corrupt)?) };
                let digest = Digest { hash, sum: sum.map(u64::from_be_bytes) };
                r.end().map(|()| Self::Object { digest, size, name, header })
            }
            2.. => Err(Corrupt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Quota;
    use crate::state::AccountState;

    #[test]
    fn the_record_of_an_object_may_end_before_its_sum() {
        let body = b"Subject: a\r\n\r\nb";
        let digest = Digest::of(body, *blake3::hash(body).as_bytes());
        for header in [None, HeaderCopy::of(body)] {
            let name = "a".to_owned();
            let now = BodyRecord::Object { digest, size: 15, name, header }.encode();
            for (bytes, sum) in [(&now[..], digest.sum), (&now[..now.len() - 8], None)] {
                let Ok(BodyRecord::Object { digest: decoded, .. }) = BodyRecord::decode(bytes) else { panic!() };
                assert_eq!(decoded, Digest { sum, ..digest });
                assert!(decoded.is_of(body) && !decoded.is_of(b"Subject: a\r\n\r\nc"));
            }
            assert!(BodyRecord::decode(&now[..now.len() - 1]).is_err());
        }
    }

    #[test]
    fn an_account_record_may_end_before_what_it_grew_by() {
        let record = AccountRecord { open_holds: 3, ..AccountState::empty(Timestamp(5)).record };
        let now = record.encode();
        assert_eq!(AccountRecord::decode(&now).unwrap().0, record);
        // It had no limit for how many messages there are.
        assert_eq!(AccountRecord::decode(&now[..now.len() - 1]).unwrap().0, record);
        // It did not note where messages are.
        let before = AccountRecord { places_noted_to: Some((MailboxId(0), Uid(0))), ..record };
        for shorter in 2..=4 {
            assert_eq!(AccountRecord::decode(&now[..now.len() - shorter]).unwrap().0, before, "{shorter}");
        }
        assert!(AccountRecord::decode(&now[..now.len() - 5]).is_err());
        let settings = AccountSettings { quota: Quota { bytes: Some(9), messages: Some(300) }, ..before.settings };
        let limited = AccountRecord { settings, ..before };
        assert_eq!(AccountRecord::decode(&limited.encode()).unwrap().0, limited);
        let settings = AccountSettings { language: LanguageTag::new("ja"), ..limited.settings };
        let spoken = AccountRecord { settings, ..limited.clone() };
        let bytes = spoken.encode();
        assert_eq!(AccountRecord::decode(&bytes).unwrap().0, spoken);
        assert!(bytes.starts_with(&limited.encode()), "where none is chosen the record is as it was before");
        assert!(AccountRecord::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(AccountRecord::decode(&[&limited.encode()[..], b"\x01 "].concat()).is_err(), "no language");
    }
}
