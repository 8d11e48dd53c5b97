//! Writing the rows of an account into another engine.

use super::found::{FOLDER_KEY_BYTES, Found, Octets};
use super::mend::Mended;
use super::{Remnant, Salvage};
use crate::device::Device;
use crate::engine::{Commit, Write};
use crate::error::Error;
use crate::ids::{AccountId, DeviceId, EmailId, MailboxId, ModSeq};
use crate::journal::{Change, JournalEntry, OfAccount, OfMessages, Protocol};
use crate::key;
use crate::record::{BodyRecord, Digest, EmailRecord, HeaderCopy, MessageRecord, Subscription};
use crate::shown::Shown;
use crate::state;
use message::Summary;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Rows are written in commits of about so many octets.
const COMMIT_BYTES: usize = 4 * 1024 * 1024;

/// The rows of an account on their way; the last commit gives its head.
pub(super) struct Out<'a, 'b> {
    salvage: &'a Salvage<'b>,
    account: AccountId,
    head: ModSeq,
    last: ModSeq,
    writes: Vec<Write>,
    bytes: usize,
    history_bytes: u64,
}

impl<'a, 'b> Out<'a, 'b> {
    pub(super) fn new(salvage: &'a Salvage<'b>, account: AccountId, last: ModSeq) -> Self {
        Self { salvage, account, head: ModSeq(0), last, writes: Vec::new(), bytes: 0, history_bytes: 0 }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        let bytes = key.len() + value.len();
        if matches!(key.first(), Some(b'G' | b'H' | b'J')) {
            self.history_bytes += bytes as u64;
        }
        self.bytes += bytes;
        self.writes.push(Write::Put { key, value });
        // The heads on the way lie below the last one.
        let next = ModSeq(self.head.0 + 1);
        if self.bytes >= COMMIT_BYTES && next < self.last { self.commit(next) } else { Ok(()) }
    }

    pub(super) fn end(mut self) -> Result<(), Error> {
        let last = self.last;
        self.commit(last)
    }

    fn commit(&mut self, next: ModSeq) -> Result<(), Error> {
        let writes = std::mem::take(&mut self.writes);
        self.salvage.commit(Commit { account: self.account, expected: self.head, next, writes })?;
        (self.head, self.bytes) = (next, 0);
        Ok(())
    }
}

/// Takes a key and its value.
type VisitRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Error> + 'a;

/// Visits the sound rows of an account until one fails.
pub(super) fn each(salvage: &Salvage<'_>, account: AccountId, visit: &mut VisitRow<'_>) -> Result<(), Error> {
    let mut outcome = Ok(());
    salvage.remains.rows(account, &mut |remnant| {
        if let Remnant::Row { key, value } = remnant {
            outcome = visit(key, value);
        }
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome
}

/// Copies an account as it is.
pub(super) fn copy(salvage: &Salvage<'_>, account: AccountId, head: ModSeq) -> Result<(), Error> {
    let mut out = Out::new(salvage, account, head);
    each(salvage, account, &mut |key, value| out.put(key.to_vec(), value.to_vec()))?;
    out.end()
}

/// Writes an account as it is mended.
pub(super) fn write(salvage: &Salvage<'_>, account: AccountId, mended: &mut Mended) -> Result<(), Error> {
    let mut out = Out::new(salvage, account, mended.head);
    let mut imported = BTreeMap::new();
    each(salvage, account, &mut |key, value| kept(mended, (key, value), &mut imported, (salvage, &mut out)))?;
    for (folder, count) in imported {
        out.put(folder, u32::to_be_bytes(count).to_vec())?;
    }
    made(mended, &mut out)?;
    out.put(key::account(), mended.record.encode())?;
    let history_bytes = state::write_history_bytes(out.history_bytes);
    out.put(key::history_bytes(), history_bytes)?;
    out.end()
}

/// What is made of what was found, in the place of the rows that said it.
fn made(mended: &mut Mended, out: &mut Out<'_, '_>) -> Result<(), Error> {
    let entry = JournalEntry {
        modseq: mended.head,
        at: mended.now,
        device: DeviceId(0),
        protocol: Protocol::Server,
        change: Change::Account(OfAccount::Repaired),
    };
    out.put(key::journal(mended.head), entry.encode())?;
    let Found { mailboxes, entries, emails, removed, holds, batches, paces, rowless, summaries, .. } = &mended.found;
    for mailbox in mailboxes.values() {
        out.put(key::mailbox(mailbox.id), mailbox.encode())?;
        for entry in entries.get(&mailbox.id).into_iter().flat_map(BTreeMap::values) {
            out.put(key::message(mailbox.id, entry.uid), MessageRecord::encode(entry))?;
        }
    }
    for (email, name) in rowless.iter().filter(|(email, _)| emails.contains_key(*email)) {
        let octets = out.salvage.objects.read(out.account, name)?;
        let (digest, header) = (Digest::of(&octets, *blake3::hash(&octets).as_bytes()), HeaderCopy::of(&octets));
        let size = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        out.put(key::body(*email), BodyRecord::Object { digest, size, name: name.clone(), header }.encode())?;
        if !summaries.contains(email) {
            out.put(key::summary(*email), Summary::parse(&octets).encode())?;
        }
    }
    for (email, record) in emails {
        out.put(key::email(*email), record.encode())?;
        if let Some(at) = record.removed_at {
            let by = removed.get(email).map_or_else(|| DeviceId(0).0.to_be_bytes().to_vec(), |(_, by)| by.clone());
            out.put(key::retained(at, *email), by)?;
        }
    }
    for (id, hold) in holds {
        out.put(key::hold(*id), hold.encode())?;
    }
    for ((id, number), batch) in batches {
        out.put(key::held_batch(*id, *number), batch.encode())?;
    }
    for (device, pace) in paces {
        out.put(key::pace(*device), pace.encode())?;
    }
    shown(&mended.found, out)
}

/// What POP3 shows otherwise, and the UIDLs that lead to messages. Each UIDL is one message's.
fn shown(found: &Found, out: &mut Out<'_, '_>) -> Result<(), Error> {
    let (mut all, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for email in found.emails.keys() {
        let mut shown = found.shown.get(email).cloned().unwrap_or_default();
        shown.uidl = shown.uidl.or_else(|| found.uidls.get(email).cloned());
        shown.uidl = shown.uidl.filter(|uidl| taken.insert(uidl.clone()));
        if shown != Shown::default() {
            all.insert(*email, shown);
        }
    }
    for (email, shown) in all {
        if let Some(uidl) = &shown.uidl {
            out.put(key::uidl(uidl), email.0.to_be_bytes().to_vec())?;
        }
        out.put(key::shown(email), shown.encode())?;
    }
    Ok(())
}

/// Takes over a row, if it is still of something, and is not made anew.
fn kept(
    mended: &Mended,
    (key, value): (&[u8], &[u8]),
    imported: &mut BTreeMap<Vec<u8>, u32>,
    (salvage, out): (&Salvage<'_>, &mut Out<'_, '_>),
) -> Result<(), Error> {
    let found = &mended.found;
    let email = |at| key::long_at(key, at).map(EmailId).ok();
    let is_there = |at| email(at).is_some_and(|email| found.emails.contains_key(&email));
    let is_mailbox = |at| key::number_at(key, at).is_ok_and(|id| found.mailboxes.contains_key(&MailboxId(id)));
    let is_device = |at| key::number_at(key, at).is_ok_and(|id| found.devices.contains(&DeviceId(id)));
    let is_kept = match key.first() {
        Some(b'C') => is_mailbox(1),
        Some(b'D') => {
            if let Some(device) = revoked(found, key, value) {
                return out.put(key.to_vec(), device);
            }
            is_device(1)
        }
        Some(b'F' | b'W') => true,
        Some(b'I') => is_there(9),
        Some(b'J') => {
            let entry = key::long_at(key, 1).and_then(|modseq| JournalEntry::decode(ModSeq(modseq), value));
            if let Ok(entry) = &entry {
                history(mended, entry, out)?;
            }
            entry.is_ok()
        }
        Some(b'P') => is_there(5),
        Some(b'S') => Subscription::decode(value).is_ok_and(|name| {
            let is_taken = found.mailboxes.values().any(|mailbox| state::same_name(&mailbox.name, &name));
            !is_taken && key == key::subscription(&name)
        }),
        Some(b'T') => is_there(1),
        Some(b'X') => match key.get(1) {
            Some(0 | 1) => mended.keeps_training(),
            Some(2) => mended.keeps_training() && is_there(2),
            Some(20) => is_mailbox(2) || key == key::annotations(None),
            // What was authorized under another UIDVALIDITY is not any more.
            Some(40) => is_mailbox(2) && !mended.is_renewed(key::number_at(key, 2).ok()),
            Some(60 | 61) => is_mailbox(2),
            Some(62) => true,
            Some(120) if is_device(2) => {
                let folder = key.get(..FOLDER_KEY_BYTES).unwrap_or_default().to_vec();
                let next = imported.entry(folder.clone()).or_default();
                if key.len() > FOLDER_KEY_BYTES {
                    // One behind the other, also where one is lost.
                    let row = [&folder[..], &next.to_be_bytes()].concat();
                    *next += 1;
                    out.put(row, value.to_vec())?;
                }
                false
            }
            Some(_) | None => false,
        },
        Some(b'Y') => match email(1).filter(|_| is_there(1)) {
            Some(email) if found.rowless.contains_key(&email) => false,
            Some(email) if matches!(found.octets.get(&email), Some(Octets::Sound { .. })) => {
                if !found.summaries.contains(&email) {
                    summary(email, value, (salvage, out))?;
                }
                true
            }
            Some(_) | None => false,
        },
        // What is made anew, and what nobody needs.
        Some(_) | None => false,
    };
    if is_kept { out.put(key.to_vec(), value.to_vec()) } else { Ok(()) }
}

/// A device that may not log in any more, as the journal tells and its record does not: that one is older.
fn revoked(found: &Found, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let id = key::number_at(key, 1).map(DeviceId).ok()?;
    let at = *found.revoked.get(&id)?;
    let device = Device::decode(id, value).ok().filter(|device| device.revoked_at.is_none())?;
    Some(Device { revoked_at: Some(at), ..device }.encode())
}

/// What is known of a message without reading it.
fn summary(email: EmailId, body: &[u8], (salvage, out): (&Salvage<'_>, &mut Out<'_, '_>)) -> Result<(), Error> {
    let octets = match BodyRecord::decode(body) {
        Ok(BodyRecord::Inline { body, .. }) => body.to_vec(),
        Ok(BodyRecord::Object { name, .. }) => salvage.objects.read(out.account, &name)?,
        Err(_) => return Ok(()),
    };
    out.put(key::summary(email), Summary::parse(&octets).encode())
}

/// What leads from messages to an entry of the journal.
fn history(mended: &Mended, entry: &JournalEntry, out: &mut Out<'_, '_>) -> Result<(), Error> {
    if entry.modseq <= mended.record.history_from {
        return Ok(());
    }
    if let Some(emails) = entry.change.in_bulk() {
        return out.put(key::bulk(entry.modseq), emails.encode());
    }
    let is_arrival = matches!(entry.change, Change::Messages(OfMessages::Added { .. }));
    let arrived = |record: &EmailRecord| record.arrival.is_some_and(|arrival| arrival.modseq == entry.modseq);
    for email in entry.change.emails().into_iter().collect::<BTreeSet<_>>() {
        // Its arrival a message tells itself; one that is gone has taken that along.
        if !is_arrival || !mended.found.emails.get(&email).is_none_or(arrived) {
            out.put(key::history(email, entry.modseq), Vec::new())?;
        }
    }
    Ok(())
}
