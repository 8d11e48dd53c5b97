//! What is held: kept where all of it agrees, else nothing is held any more.

use super::found::Found;
use crate::hold::Batch;
use crate::ids::{EmailId, HoldId, Uid};
use crate::key;
use crate::record::AccountRecord;
use crate::role::Role;
use std::collections::BTreeMap;

/// Brings holds, what devices know of them, and the mailbox of what is held together; whether holds had to go for it.
pub(super) fn settle(found: &mut Found, record: &mut AccountRecord) -> bool {
    let devices = &found.devices;
    found.paces.retain(|device, _| device.0 == 0 || devices.contains(device));
    let agrees = agree(found);
    if !agrees {
        found.holds.retain(|_, hold| hold.answer.is_some());
        found.batches.clear();
        found.paces.values_mut().for_each(|pace| pace.hold = None);
        for mailbox in found.mailboxes.values_mut().filter(|mailbox| mailbox.role == Some(Role::Held)) {
            mailbox.role = None;
        }
    }
    let open = found.holds.values().filter(|hold| hold.answer.is_none()).count();
    record.open_holds = u32::try_from(open).unwrap_or(u32::MAX);
    !agrees
}

fn agree(found: &Found) -> bool {
    let open = found.holds.iter().filter(|(_, hold)| hold.answer.is_none());
    let open: BTreeMap<HoldId, _> = open.map(|(id, hold)| (*id, hold)).collect();
    let mut counts: BTreeMap<HoldId, (u32, u64)> = BTreeMap::new();
    let mut named: BTreeMap<Uid, EmailId> = BTreeMap::new();
    for ((id, number), batch) in &found.batches {
        if open.get(id).is_none_or(|hold| *number >= hold.batches) {
            return false;
        }
        let count = counts.entry(*id).or_default();
        *count = (count.0 + 1, count.1 + batch.messages() as u64);
        if let Batch::Moved { messages, .. } = batch {
            let twice = messages.iter().any(|moved| named.insert(moved.uid, moved.before.email).is_some());
            if twice {
                return false;
            }
        }
    }
    let mut paced: BTreeMap<HoldId, usize> = BTreeMap::new();
    for (device, pace) in &found.paces {
        if let Some(id) = pace.hold {
            if open.get(&id).is_none_or(|hold| hold.device != *device) {
                return false;
            }
            *paced.entry(id).or_default() += 1;
        }
    }
    let whole = open.iter().all(|(id, hold)| {
        let said = (hold.batches, hold.messages.saturating_sub(hold.answered));
        counts.get(id).copied().unwrap_or_default() == said
            && paced.get(id) == Some(&1)
            && found.devices.contains(&hold.device)
    });
    let held = found.mailboxes.values().find(|mailbox| mailbox.role == Some(Role::Held)).map(|mailbox| mailbox.id);
    let mut held = held.and_then(|id| found.entries.get(&id)).into_iter().flatten();
    whole
        && held.all(|(uid, entry)| named.get(uid) == Some(&entry.email))
        && [b'O', b'Q', b'V'].into_iter().all(|letter| found.gaps.is_whole(&key::kind(letter)) || open.is_empty())
}
