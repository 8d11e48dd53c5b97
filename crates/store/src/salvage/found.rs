//! What is found of an account: read once, everything but the octets of its messages.

use super::gaps::Gaps;
use super::{Loss, MARGIN, Remnant, Salvage};
use crate::brake::Pace;
use crate::codec::Corrupt;
use crate::device::Device;
use crate::error::Error;
use crate::flag_block::FlagBlock;
use crate::hold::{Batch, Hold};
use crate::identity::{Name, Own};
use crate::ids::{AccountId, DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid};
use crate::index::Entry;
use crate::journal::{Change, JournalEntry, OfDevice, OfMailbox, OfMessages};
use crate::key;
use crate::objects::{ObjectError, ObjectName, Objects};
use crate::record::{AccountRecord, BodyRecord, Digest, EmailRecord, Mailbox, MessageRecord};
use crate::shown::Shown;
use crate::store::INLINE_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// What became of the octets of a message.
#[derive(Debug)]
pub(super) enum Octets {
    Sound {
        size: u32,
        object: Option<String>,
    },
    /// Why, and where what is left may be.
    Lost(String, Option<ObjectName>),
    /// Nobody knows: it could not be read.
    Unread(String, ObjectName),
}

/// All that is found of an account.
#[derive(Default)]
pub(super) struct Found {
    pub(super) head: Option<ModSeq>,
    /// The highest modseq in any row.
    pub(super) top: ModSeq,
    pub(super) is_torn: bool,
    pub(super) gaps: Gaps,
    pub(super) record: Option<AccountRecord>,
    /// The record is of a version before 0.1.0, which did not count everything.
    pub(super) is_old: bool,
    pub(super) mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub(super) entries: BTreeMap<MailboxId, BTreeMap<Uid, Entry>>,
    pub(super) blocks: BTreeMap<(MailboxId, u32), FlagBlock>,
    pub(super) emails: BTreeMap<EmailId, EmailRecord>,
    pub(super) octets: BTreeMap<EmailId, Octets>,
    /// When, and by which device.
    pub(super) removed: BTreeMap<EmailId, (Timestamp, Vec<u8>)>,
    pub(super) names: BTreeMap<EmailId, Vec<Name>>,
    pub(super) summaries: BTreeSet<EmailId>,
    pub(super) shown: BTreeMap<EmailId, Shown>,
    pub(super) uidls: BTreeMap<EmailId, String>,
    pub(super) devices: BTreeSet<DeviceId>,
    /// The highest number of a device that any row names.
    pub(super) last_device: u32,
    pub(super) holds: BTreeMap<HoldId, Hold>,
    pub(super) batches: BTreeMap<(HoldId, u32), Batch>,
    pub(super) paces: BTreeMap<DeviceId, Pace>,
    pub(super) journal: BTreeSet<ModSeq>,
    /// What the journal calls mailboxes.
    pub(super) called: BTreeMap<MailboxId, String>,
    /// Mailboxes that the journal says are gone.
    pub(super) deleted: BTreeSet<MailboxId>,
    /// The highest UIDs that the journal names.
    pub(super) given: BTreeMap<MailboxId, Uid>,
    /// Since when devices may not log in, as the journal tells.
    pub(super) revoked: BTreeMap<DeviceId, Timestamp>,
    /// Octets that a row led to which is lost: their object, by which the row is made anew.
    pub(super) rowless: BTreeMap<EmailId, ObjectName>,
    /// Rows that are what was written, and that this version does not understand.
    pub(super) unknown: usize,
    /// Of what imports have taken of a folder, by its key.
    pub(super) imported: BTreeMap<Vec<u8>, u32>,
    /// Of large messages that nothing names, and that could not be read or are damaged.
    pub(super) strays: Vec<Loss>,
}

impl Found {
    pub(super) fn read(salvage: &Salvage<'_>, account: AccountId) -> Result<Self, Error> {
        let head = salvage.remains.head(account)?;
        let mut found = Self { head, is_torn: salvage.remains.is_torn(account), ..Self::default() };
        found.top = head.unwrap_or_default();
        salvage.remains.rows(account, &mut |remnant| {
            match remnant {
                Remnant::Row { key, value } => {
                    if found.row((account, &*salvage.objects), key, value).is_err() {
                        // It is what was written, and this version does not write so.
                        found.unknown += 1;
                        found.gaps.damaged(key);
                    }
                }
                Remnant::Damaged { key, .. } => {
                    if let (Some(b'Y'), Ok(email)) = (key.first(), key::long_at(key, 1)) {
                        let why = "its text is damaged on disk".to_owned();
                        found.octets.entry(EmailId(email)).or_insert(Octets::Lost(why, None));
                    }
                    found.gaps.damaged(key);
                }
                Remnant::Gap { after, before } => found.gaps.gap(after, before),
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Whether nothing is damaged or missing.
    pub(super) fn is_sound(&self) -> bool {
        let has_all = |email: &EmailId| matches!(self.octets.get(email), Some(Octets::Sound { .. }));
        self.head.is_some()
            && !self.is_torn
            && self.gaps.is_none()
            && self.record.is_some()
            && self.octets.len() == self.emails.len()
            && self.emails.keys().all(has_all)
    }

    /// Whether there can have been messages of which no row is left.
    fn may_lack_messages(&self) -> bool {
        let (emails, octets) = (key::kind(b'E'), key::kind(b'Y'));
        // A short message lies in its row: no object was its octets.
        let is_short = |key: &Vec<u8>| {
            let record = key::long_at(key, 1).ok().and_then(|email| self.emails.get(&EmailId(email)));
            record.is_some_and(|record| record.object.is_some() || record.size as usize <= INLINE_BYTES_MAX)
        };
        let damaged = &self.gaps.damaged;
        self.head.is_none()
            || self.is_torn
            || self.record.is_none()
            || !self.gaps.is_whole(&emails)
            || !self.gaps.is_unbroken(&octets)
            || !damaged.range(octets.0..octets.1).all(is_short)
    }

    fn row(&mut self, at: (AccountId, &dyn Objects), key: &[u8], value: &[u8]) -> Result<(), Corrupt> {
        let email = |at| key::long_at(key, at).map(EmailId);
        match key.first() {
            Some(b'A') => {
                let (record, grown) = AccountRecord::decode(value)?;
                self.is_old = grown.is_none();
                self.record = Some(record);
            }
            Some(b'B' | b'D' | b'M') => self.thing(key, value)?,
            Some(b'E') => drop(self.emails.insert(email(1)?, EmailRecord::decode(value)?)),
            Some(b'I') => {
                Own::decode(value)?;
                self.names.entry(email(9)?).or_default().push(Name(key::long_at(key, 1)?));
            }
            Some(b'J') => self.entry(JournalEntry::decode(ModSeq(key::long_at(key, 1)?), value)?),
            Some(b'N') => {
                let uidl = String::from_utf8(key.get(1..).unwrap_or_default().to_vec()).map_err(|_| Corrupt)?;
                let email = value.try_into().map(u64::from_be_bytes).map_err(|_| Corrupt)?;
                self.uidls.insert(EmailId(email), uidl);
            }
            Some(b'O' | b'Q' | b'V') => self.hold(key, value)?,
            Some(b'P') => self.last_device = self.last_device.max(key::number_at(key, 1)?),
            Some(b'R') => {
                let at = Timestamp(i64::try_from(key::long_at(key, 1)?).map_err(|_| Corrupt)?);
                self.removed.insert(email(9)?, (at, value.to_vec()));
            }
            Some(b'T') => drop(self.summaries.insert(email(1)?)),
            Some(b'U') => drop(self.shown.insert(email(1)?, Shown::decode(value)?)),
            Some(b'X') => self.other(key, value)?,
            Some(b'Y') => self.body(at, email(1)?, value)?,
            // What is taken as it is, and what is made anew.
            Some(b'C' | b'F' | b'S' | b'W' | b'G' | b'H' | b'K' | b'L' | b'Z') => {}
            Some(_) | None => self.unknown += 1,
        }
        Ok(())
    }

    /// Mailboxes, devices, and messages in mailboxes.
    fn thing(&mut self, key: &[u8], value: &[u8]) -> Result<(), Corrupt> {
        let number = key::number_at(key, 1)?;
        match key.first() {
            Some(b'B') => {
                let mailbox = Mailbox::decode(value)?;
                if key != key::mailbox(mailbox.id) {
                    return Err(Corrupt);
                }
                self.top = self.top.max(mailbox.highest_modseq);
                self.mailboxes.insert(mailbox.id, mailbox);
            }
            Some(b'D') => {
                self.devices.insert(Device::decode(DeviceId(number), value)?.id);
                self.last_device = self.last_device.max(number);
            }
            _ => {
                let entry = MessageRecord::decode(Uid(key::number_at(key, 5)?), value)?;
                self.top = self.top.max(entry.modseq);
                self.entries.entry(MailboxId(number)).or_default().insert(entry.uid, entry);
            }
        }
        Ok(())
    }

    fn hold(&mut self, key: &[u8], value: &[u8]) -> Result<(), Corrupt> {
        let number = key::number_at(key, 1)?;
        match key.first() {
            Some(b'O') => drop(self.holds.insert(HoldId(number), Hold::decode(HoldId(number), value)?)),
            Some(b'Q') => {
                drop(self.batches.insert((HoldId(number), key::number_at(key, 5)?), Batch::decode(value)?));
            }
            _ => drop(self.paces.insert(DeviceId(number), Pace::decode(value)?)),
        }
        Ok(())
    }

    fn entry(&mut self, entry: JournalEntry) {
        self.journal.insert(entry.modseq);
        self.top = self.top.max(entry.modseq);
        self.last_device = self.last_device.max(entry.device.0);
        let mut given = |mailbox, uids: &mut dyn Iterator<Item = Uid>| {
            let last = self.given.entry(mailbox).or_default();
            *last = uids.fold(*last, Uid::max);
        };
        match entry.change {
            Change::Mailbox(OfMailbox::Created { mailbox, name } | OfMailbox::Renamed { mailbox, after: name, .. }) => {
                drop(self.called.insert(mailbox, name))
            }
            Change::Mailbox(OfMailbox::Deleted { mailbox, .. }) => {
                self.called.remove(&mailbox);
                self.deleted.insert(mailbox);
            }
            Change::Messages(
                OfMessages::Added { mailbox, messages }
                | OfMessages::Restored { mailbox, messages }
                | OfMessages::Expunged { mailbox, messages },
            ) => given(mailbox, &mut messages.iter().map(|listed| listed.uid)),
            Change::Messages(OfMessages::Moved { from, to, messages }) => {
                given(from, &mut messages.iter().map(|moved| moved.before.uid));
                given(to, &mut messages.iter().map(|moved| moved.uid));
            }
            Change::Device(OfDevice::Revoked { device }) => drop(self.revoked.insert(device, entry.at)),
            Change::Messages(OfMessages::Reflagged { .. })
            | Change::Mailbox(_)
            | Change::Pop(_)
            | Change::Device(_)
            | Change::Account(_) => {}
        }
    }

    fn other(&mut self, key: &[u8], value: &[u8]) -> Result<(), Corrupt> {
        match key.get(1) {
            Some(8) => {
                let place = (MailboxId(key::number_at(key, 2)?), key::number_at(key, 6)?);
                self.blocks.insert(place, FlagBlock::decode(value)?);
            }
            Some(120) if key.len() > FOLDER_KEY_BYTES => {
                let folder = key.get(..FOLDER_KEY_BYTES).unwrap_or_default().to_vec();
                *self.imported.entry(folder).or_default() += 1;
            }
            Some(0..=2 | 20 | 40 | 60..=62 | 80 | 120) => {}
            Some(_) | None => self.unknown += 1,
        }
        Ok(())
    }

    fn body(
        &mut self,
        (account, objects): (AccountId, &dyn Objects),
        email: EmailId,
        value: &[u8],
    ) -> Result<(), Corrupt> {
        let octets = match BodyRecord::decode(value)? {
            BodyRecord::Inline { hash, body } if *blake3::hash(body).as_bytes() == hash => {
                Octets::Sound { size: u32::try_from(body.len()).map_err(|_| Corrupt)?, object: None }
            }
            BodyRecord::Inline { .. } => Octets::Lost("its text is damaged on disk".to_owned(), None),
            BodyRecord::Object { digest, size, name, .. } => match object(objects, (account, &name), size, &digest) {
                Ok(()) => Octets::Sound { size, object: Some(name) },
                Err(Why::Lost(why)) => Octets::Lost(format!("{why} (object {name})"), Some(name)),
                Err(Why::Unread(why)) => Octets::Unread(format!("{why} (object {name})"), name),
            },
        };
        self.octets.insert(email, octets);
        Ok(())
    }
}

impl Found {
    /// The contents of sound large messages that were not removed: what is there already does not come twice.
    fn kept_contents(&self) -> BTreeSet<String> {
        let is_kept = |email: &EmailId| self.emails.get(email).is_none_or(|record| record.places > 0);
        let sound = self.octets.iter().filter_map(|(email, octets)| match octets {
            Octets::Sound { object: Some(name), .. } if is_kept(email) => content(name),
            Octets::Sound { .. } | Octets::Lost(..) | Octets::Unread(..) => None,
        });
        sound.collect()
    }

    /// Looks for octets whose row is lost: where messages say that they are, and those that no message names, which become messages
    /// of their own. An object's name begins with the BLAKE3 of its content.
    pub(super) fn find_octets(&mut self, objects: &dyn Objects, account: AccountId) -> Result<(), Error> {
        let mut named = BTreeSet::new();
        let emails: Vec<_> = self.emails.iter().map(|(email, record)| (*email, record.object.clone())).collect();
        for (email, name) in emails {
            let is_sound = matches!(self.octets.get(&email), Some(Octets::Sound { .. }));
            let Some(name) = name else { continue };
            if !is_sound {
                match whole(objects, account, &name) {
                    Ok(Some(size)) => {
                        self.octets.insert(email, Octets::Sound { size, object: Some(name.clone()) });
                        self.rowless.insert(email, name.clone());
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.octets.insert(email, Octets::Unread(unreadable(&error), name.clone()));
                    }
                }
            }
            named.insert(name);
        }
        named.extend(self.octets.values().filter_map(|octets| match octets {
            Octets::Sound { object, .. } | Octets::Lost(_, object) => object.clone(),
            Octets::Unread(_, object) => Some(object.clone()),
        }));
        // Where no row is missing, what nobody names is what was removed.
        if !self.may_lack_messages() {
            return Ok(());
        }
        let known = self.kept_contents();
        let last = self.emails.keys().chain(self.octets.keys()).chain(self.removed.keys()).max().copied();
        let mut next =
            last.unwrap_or_default().max(self.record.as_ref().map(|record| record.last_email).unwrap_or_default());
        let all = objects.list(account).unwrap_or_else(|error| {
            let what = format!("large messages that no row names could not be looked for: {error}");
            self.strays.push(Loss { is_unread: true, ..Loss::of(what) });
            Vec::new()
        });
        // Messages that are lost had numbers too: none is given to another.
        next.0 = next.0.saturating_add(MARGIN);
        for (name, at) in all {
            if named.contains(&name) || content(&name).is_some_and(|content| known.contains(&content)) {
                continue;
            }
            let size = match whole(objects, account, &name) {
                Ok(Some(size)) => size,
                Ok(None) => {
                    let what = format!("a large message that no row names is damaged on disk (object {name})");
                    self.strays.push(Loss { object: Some((account, name)), ..Loss::of(what) });
                    continue;
                }
                Err(error) => {
                    let what = format!("a large message that no row names is in object {name}: {}", unreadable(&error));
                    self.strays.push(Loss { object: Some((account, name)), is_unread: true, ..Loss::of(what) });
                    continue;
                }
            };
            // Numbers of messages are near the clock.
            let at = EmailId(at.max(0).unsigned_abs().saturating_mul(1000).saturating_add(500));
            next = at.max(EmailId(next.0.saturating_add(1)));
            self.octets.insert(next, Octets::Sound { size, object: Some(name.clone()) });
            self.rowless.insert(next, name);
        }
        Ok(())
    }
}

/// By its name, the BLAKE3 of an object's content.
fn content(name: &str) -> Option<String> {
    name.get(..HASH_CHARS).map(str::to_owned)
}

/// The name of an object begins with the BLAKE3 of its content, in so many digits.
const HASH_CHARS: usize = 64;

/// The size of an object whose content is what its name says; `None`: it is not there, or not that.
fn whole(objects: &dyn Objects, account: AccountId, name: &str) -> Result<Option<u32>, ObjectError> {
    let octets = match objects.read(account, name) {
        Ok(octets) => octets,
        Err(ObjectError::Missing) => return Ok(None),
        Err(error) => return Err(error),
    };
    let hash = blake3::hash(&octets).to_hex();
    Ok(name.starts_with(hash.as_str()).then_some(u32::try_from(octets.len()).ok()).flatten())
}

/// That something is there, for all that is known.
fn unreadable(error: &ObjectError) -> String {
    format!("its text could not be read, and may be there still: {error}; copy it by hand, or try again")
}

/// Octets of the key of a folder of an import: letter, kind, device, folder.
pub(super) const FOLDER_KEY_BYTES: usize = 2 + 4 + 8;

/// Why an object is not what a row says.
enum Why {
    Lost(String),
    Unread(String),
}

/// Reads an object whole.
fn object(objects: &dyn Objects, (account, name): (AccountId, &str), size: u32, digest: &Digest) -> Result<(), Why> {
    match objects.read(account, name) {
        Err(ObjectError::Missing) => Err(Why::Lost("its text is missing".to_owned())),
        Err(error) => Err(Why::Unread(unreadable(&error))),
        Ok(octets) if octets.len() != size as usize => {
            Err(Why::Lost(format!("its text has {} octets instead of {size}", octets.len())))
        }
        Ok(octets) if *blake3::hash(&octets).as_bytes() != digest.hash => {
            Err(Why::Lost("its text is damaged on disk".to_owned()))
        }
        Ok(_) => Ok(()),
    }
}
