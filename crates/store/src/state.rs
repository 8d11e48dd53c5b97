//! An account in memory: what the engine holds, decoded, shared and unchanging. A commit publishes the next state.

use crate::codec::{Corrupt, Reader};
use crate::device::Device;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::flag_block::FlagBlocks;
use crate::ids::{AccountId, DeviceId, EmailId, HoldId, MailboxId, ModSeq, Timestamp, Uid, UidValidity};
use crate::index::{Builder, Entry, Index};
use crate::journal::JournalEntry;
use crate::key;
use crate::name;
use crate::record::{AccountRecord, EmailRecord, Mailbox, MessageRecord, Retained, Subscription, open, versioned};
use crate::settings::AccountSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

/// A mailbox and, once somebody asked for it, its index.
#[derive(Clone, Debug)]
pub(crate) struct MailboxState {
    pub(crate) mailbox: Mailbox,
    pub(crate) index: Option<Index>,
}

/// An account as of one commit. Cloning is cheap: all that is large is shared.
#[derive(Clone, Debug)]
pub(crate) struct AccountState {
    pub(crate) head: ModSeq,
    /// After this no annotation changed.
    pub(crate) annotated: ModSeq,
    pub(crate) record: AccountRecord,
    pub(crate) mailboxes: BTreeMap<MailboxId, Arc<MailboxState>>,
    pub(crate) devices: Arc<BTreeMap<DeviceId, Device>>,
    /// The names on the list of subscriptions that no mailbox has.
    pub(crate) subscriptions: Arc<BTreeSet<String>>,
    /// The accounts that may have shared something with this one.
    pub(crate) owners: Arc<BTreeSet<AccountId>>,
    /// How many octets the journal takes, with what leads to its entries.
    pub(crate) history_bytes: u64,
}

impl AccountState {
    /// An account of which nothing is stored yet.
    pub(crate) fn empty(now: Timestamp) -> Self {
        Self {
            head: ModSeq(0),
            annotated: ModSeq(0),
            record: AccountRecord {
                created: now,
                last_email: EmailId(0),
                last_uid_validity: UidValidity(0),
                last_mailbox: MailboxId(0),
                last_device: 0,
                journal_floor: ModSeq(0),
                settings: AccountSettings::default(),
                retained: Retained::default(),
                history_from: ModSeq(0),
                named_to: EmailId(0),
                told_of_filling: false,
                last_hold: HoldId(0),
                open_holds: 0,
                receipts: Vec::new(),
                sized_to: EmailId(0),
                places_noted_to: None,
            },
            mailboxes: BTreeMap::new(),
            devices: Arc::default(),
            subscriptions: Arc::default(),
            owners: Arc::default(),
            history_bytes: 0,
        }
    }

    /// Reads an account, without the indexes.
    pub(crate) fn load(snapshot: &dyn Snapshot) -> Result<Self, Error> {
        let missing = || match snapshot.head() {
            ModSeq(0) => Error::NoSuchAccount,
            head => Error::fault(format_args!("the record of an account is missing at modseq {head}")),
        };
        let record = snapshot.get(&key::account())?.ok_or_else(missing)?;
        let (mut record, grown) = AccountRecord::decode(&record).map_err(Error::corrupt("the account record"))?;
        if grown.is_none() {
            record.retained = count_retained(snapshot)?;
            record.history_from = snapshot.head();
        }
        let (head, history_bytes) = (snapshot.head(), history_bytes(snapshot)?);
        let (mailboxes, owners) = (BTreeMap::new(), Arc::new(read_owners(snapshot)?));
        let (devices, subscriptions) = (Arc::default(), Arc::default());
        let mut state =
            Self { head, annotated: head, record, mailboxes, devices, subscriptions, owners, history_bytes };
        let mut devices = BTreeMap::new();
        scan(snapshot, key::kind(b'B'), |key, value| {
            let mailbox = Mailbox::decode(value).ok().filter(|mailbox| key == key::mailbox(mailbox.id));
            let mailbox = mailbox.ok_or(Corrupt).map_err(Error::corrupt("a mailbox record"))?;
            state.mailboxes.insert(mailbox.id, Arc::new(MailboxState { mailbox, index: None }));
            Ok(())
        })?;
        scan(snapshot, key::kind(b'D'), |key, value| {
            let device = key::number_at(key, 1).and_then(|id| Device::decode(DeviceId(id), value));
            let device = device.map_err(Error::corrupt("a device record"))?;
            devices.insert(device.id, device);
            Ok(())
        })?;
        state.devices = Arc::new(devices);
        let mut subscriptions = BTreeSet::new();
        scan(snapshot, key::kind(b'S'), |_, value| {
            subscriptions.insert(Subscription::decode(value).map_err(Error::corrupt("a subscription"))?);
            Ok(())
        })?;
        state.subscriptions = Arc::new(subscriptions);
        Ok(state)
    }

    /// The mailbox of a name; INBOX without regard to case (RFC 9051 §5.1).
    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<MailboxState>> {
        self.mailboxes.values().find(|state| same_name(&state.mailbox.name, name))
    }

    /// A name with its levels as the mailboxes have them that are there, however their characters are composed.
    pub(crate) fn as_spelled(&self, name: &str) -> String {
        let mut spelled = String::new();
        for level in name.split('/') {
            if !spelled.is_empty() {
                spelled.push('/');
            }
            spelled.push_str(level);
            let mut names = self.mailboxes.values().map(|state| &state.mailbox.name);
            if self.by_name(&spelled).is_none()
                && let Some(there) = names.find(|there| name::are_alike(there, &spelled))
            {
                spelled.clone_from(there);
            }
        }
        spelled
    }

    /// INBOX, which every account has.
    pub(crate) fn inbox(&self) -> Result<&Mailbox, Error> {
        let inbox = self.by_name("INBOX").map(|state| &state.mailbox);
        inbox.ok_or_else(|| Error::fault("the account has no INBOX; run `pillarbox check`"))
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> Result<&Arc<MailboxState>, Error> {
        self.mailboxes.get(&id).ok_or(Error::NoSuchMailbox)
    }
}

fn read_owners(snapshot: &dyn Snapshot) -> Result<BTreeSet<AccountId>, Error> {
    let mut owners = BTreeSet::new();
    scan(snapshot, key::owners(), |key, _| {
        owners.insert(key::number_at(key, 2).map(AccountId).map_err(Error::corrupt("who shares mailboxes"))?);
        Ok(())
    })?;
    Ok(owners)
}

/// Counts what is in no mailbox and still restorable, for a record that does not say.
fn count_retained(snapshot: &dyn Snapshot) -> Result<Retained, Error> {
    let mut retained = Retained::default();
    scan(snapshot, key::kind(b'R'), |key, _| {
        let email = EmailId(key::long_at(key, 9).map_err(Error::corrupt("a retention key"))?);
        if let Some(record) = snapshot.get(&key::email(email))? {
            retained.add(EmailRecord::decode(&record).map_err(Error::corrupt("a message's record"))?.size);
        }
        Ok(())
    })?;
    Ok(retained)
}

/// How many octets the journal takes; counted where an earlier version did not.
pub(crate) fn history_bytes(snapshot: &dyn Snapshot) -> Result<u64, Error> {
    match snapshot.get(&key::history_bytes())? {
        Some(bytes) => read_history_bytes(&bytes).map_err(Error::corrupt("the size of the journal")),
        None => count_history(snapshot),
    }
}

pub(crate) fn write_history_bytes(history_bytes: u64) -> Vec<u8> {
    let mut w = versioned();
    w.number(history_bytes);
    w.0
}

pub(crate) fn read_history_bytes(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut r = open(bytes)?;
    let history_bytes = r.number()?;
    r.end().map(|()| history_bytes)
}

/// What the rows of the journal, and those that lead to them, take.
pub(crate) fn count_history(snapshot: &dyn Snapshot) -> Result<u64, Error> {
    let mut bytes = 0;
    for letter in *b"GHJ" {
        scan(snapshot, key::kind(letter), |key, value| {
            bytes += (key.len() + value.len()) as u64;
            Ok(())
        })?;
    }
    Ok(bytes)
}

/// RFC 9051 §5.1: INBOX without regard to case, also as the first level of a longer name; all else exactly.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    let below_inbox = |name: &str| match name.split_at_checked("INBOX".len()) {
        Some((first, rest)) => first.eq_ignore_ascii_case("INBOX") && (rest.is_empty() || rest.starts_with('/')),
        None => false,
    };
    a == b || (below_inbox(a) && below_inbox(b) && a.get("INBOX".len()..) == b.get("INBOX".len()..))
}

/// Scans with errors that end the scan.
pub(crate) fn scan(
    snapshot: &dyn Snapshot,
    range: (Vec<u8>, Vec<u8>),
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    scan_while(snapshot, range, |key, value| visit(key, value).map(ControlFlow::Continue))
}

/// Scans until the visitor breaks or fails.
pub(crate) fn scan_while(
    snapshot: &dyn Snapshot,
    (from, to): (Vec<u8>, Vec<u8>),
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    snapshot.scan(&from, &to, &mut |key, value| {
        visit(key, value).unwrap_or_else(|error| {
            outcome = Err(error);
            ControlFlow::Break(())
        })
    })?;
    outcome
}

/// Visits the objects that the messages of an account refer to.
pub(crate) fn each_object(snapshot: &dyn Snapshot, mut visit: impl FnMut(String)) -> Result<(), Error> {
    scan(snapshot, key::kind(b'E'), |_, value| {
        let record = EmailRecord::decode(value).map_err(Error::corrupt("a message's record"))?;
        record.object.into_iter().for_each(&mut visit);
        Ok(())
    })
}

/// Entries in a piece of a packed index.
const PIECE_ENTRIES: usize = 4096;

/// Reads the index of a mailbox: the packed one brought up to date from the journal, or the records if there is none or
/// it does not fit.
pub(crate) fn load_index(snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Index, Error> {
    if mailbox.packed_to > ModSeq(0) {
        if let Some(index) = load_packed(snapshot, mailbox)? {
            return Ok(index);
        }
        tracing::warn!(mailbox = %mailbox.id, "the packed index is damaged: it is made anew from the records");
    }
    load_records(snapshot, mailbox.id)
}

/// Reads the index from the records, the truth.
pub(crate) fn load_records(snapshot: &dyn Snapshot, mailbox: MailboxId) -> Result<Index, Error> {
    let (mut index, mut blocks) = (Builder::default(), FlagBlocks::read(snapshot, mailbox)?);
    scan(snapshot, key::kind_of(b'M', mailbox.0), |key, value| {
        let entry = key::number_at(key, 5).and_then(|uid| MessageRecord::decode(Uid(uid), value));
        let entry = entry.and_then(|entry| blocks.applied_to(entry));
        index.push(entry.map_err(Error::corrupt("a message record"))?);
        Ok(())
    })?;
    Ok(index.finish())
}

/// The packed index brought up to date; `None` when it is not there, damaged, or not what the mailbox counts.
pub(crate) fn load_packed(snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Option<Index>, Error> {
    let Some(mut index) = load_pack(snapshot, mailbox)? else { return Ok(None) };
    let complete = mailbox.highest_modseq <= mailbox.packed_to || replay(snapshot, mailbox, &mut index)?;
    let fits = index.len() == mailbox.counts.messages as usize
        && index.last().is_none_or(|last| last.uid < mailbox.uid_next && last.modseq <= mailbox.highest_modseq);
    Ok((complete && fits).then_some(index))
}

/// Brings an index up to its mailbox's last change; `false` when an entry of the journal is damaged.
fn replay(snapshot: &dyn Snapshot, mailbox: &Mailbox, index: &mut Index) -> Result<bool, Error> {
    let from = key::journal(ModSeq(mailbox.packed_to.0 + 1));
    let to = key::journal(ModSeq(mailbox.highest_modseq.0.saturating_add(1)));
    let mut damaged = false;
    scan(snapshot, (from, to), |key, value| {
        match key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value)) {
            Ok(entry) => entry.change.replay(mailbox.id, entry.modseq, index),
            Err(Corrupt) => damaged = true,
        }
        Ok(())
    })?;
    Ok(!damaged)
}

/// `None` when there is no pack of this modseq: it is a cache, the records are read instead.
fn load_pack(snapshot: &dyn Snapshot, mailbox: &Mailbox) -> Result<Option<Index>, Error> {
    let Some(header) = snapshot.get(&key::pack(mailbox.id))? else { return Ok(None) };
    let Ok((packed_to, pieces)) = read_pack_header(&header) else { return Ok(None) };
    if packed_to != mailbox.packed_to {
        return Ok(None);
    }
    let mut index = Builder::default();
    let mut found = 0;
    let mut damaged = false;
    let (from, to) = (key::pack_piece(mailbox.id, 0), key::pack_piece(mailbox.id, pieces));
    scan(snapshot, (from, to), |_, value| {
        found += 1;
        damaged |= read_piece(value, &mut index).is_err();
        Ok(())
    })?;
    Ok((found == pieces && !damaged).then(|| index.finish()))
}

/// The number of pieces of a stored pack; when its header is damaged, the most that there can be.
pub(crate) fn pieces_packed(header: &[u8], mailbox: &Mailbox) -> u32 {
    let most = mailbox.uid_next.0 / PIECE_ENTRIES as u32 + 1;
    read_pack_header(header).map_or(most, |(_, pieces)| pieces.min(most))
}

fn read_pack_header(bytes: &[u8]) -> Result<(ModSeq, u32), Corrupt> {
    let mut r = open(bytes)?;
    let header = (ModSeq(r.number()?), r.small()?);
    r.end().map(|()| header)
}

fn read_piece(bytes: &[u8], index: &mut Builder) -> Result<(), Corrupt> {
    let mut r = open(bytes)?;
    let mut previous = Entry {
        uid: Uid(0),
        size: 0,
        flags: Default::default(),
        modseq: ModSeq(0),
        email: EmailId(0),
        internal_date: Timestamp(0),
    };
    while !r.0.is_empty() {
        previous = read_packed(&mut r, &previous)?;
        if !index.push(previous) {
            return Err(Corrupt);
        }
    }
    Ok(())
}

/// Each entry is written as its difference to the one before: about 15 bytes.
fn read_packed(r: &mut Reader<'_>, previous: &Entry) -> Result<Entry, Corrupt> {
    Ok(Entry {
        uid: Uid(previous.uid.0.wrapping_add(r.small()?)),
        size: r.small()?,
        flags: crate::flags::FlagBits(r.number()?),
        modseq: ModSeq(previous.modseq.0.wrapping_add_signed(r.signed()?)),
        email: EmailId(previous.email.0.wrapping_add_signed(r.signed()?)),
        internal_date: Timestamp(previous.internal_date.0.wrapping_add(r.signed()?)),
    })
}

/// A packed index as of `modseq`: its header and its pieces.
pub(crate) fn pack(modseq: ModSeq, index: &Index) -> (Vec<u8>, Vec<Vec<u8>>) {
    let entries: Vec<&Entry> = index.iter().collect();
    let pieces: Vec<Vec<u8>> = entries.chunks(PIECE_ENTRIES).map(piece).collect();
    let mut header = versioned();
    header.number(modseq.0).number(pieces.len() as u64);
    (header.0, pieces)
}

fn piece(entries: &[&Entry]) -> Vec<u8> {
    let mut w = versioned();
    let (mut uid, mut modseq, mut email, mut date) = (0u32, 0u64, 0u64, 0i64);
    for entry in entries {
        w.number(entry.uid.0.wrapping_sub(uid).into()).number(entry.size.into()).number(entry.flags.0);
        w.signed(entry.modseq.0.wrapping_sub(modseq) as i64).signed(entry.email.0.wrapping_sub(email) as i64);
        w.signed(entry.internal_date.0.wrapping_sub(date));
        (uid, modseq, email, date) = (entry.uid.0, entry.modseq.0, entry.email.0, entry.internal_date.0);
    }
    w.0
}

/// Whether enough has changed since the last pack to make a new one: what a cold start replays stays small against what
/// it reads, and what packing writes stays small against what the changes wrote.
pub(crate) fn pack_is_due(mailbox: &Mailbox, head: ModSeq) -> bool {
    mailbox.unpacked > (mailbox.counts.messages / 16).max(1024)
        || (mailbox.unpacked > 0 && head.0 > mailbox.packed_to.0.saturating_add(16 * 1024))
}
