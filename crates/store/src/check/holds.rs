//! Holds: each open one belongs to its device, and names all that lies in the mailbox of what is held.

use super::Check;
use crate::brake::Pace;
use crate::codec::Corrupt;
use crate::engine::Snapshot;
use crate::error::Error;
use crate::hold::{Batch, Hold};
use crate::ids::{DeviceId, EmailId, HoldId, Uid};
use crate::index::Index;
use crate::key;
use crate::state::{self, AccountState};
use std::collections::BTreeMap;

impl Check {
    /// `held`: what lies in the mailbox of what is held.
    pub(super) fn holds(&mut self, snapshot: &dyn Snapshot, state: &AccountState, held: &Index) -> Result<(), Error> {
        let mut open: BTreeMap<HoldId, Hold> = BTreeMap::new();
        state::scan(snapshot, key::kind(b'O'), |key, value| {
            match key::number_at(key, 1).and_then(|id| Hold::decode(HoldId(id), value)) {
                Ok(hold) => {
                    // That of an answered one may have given way to another.
                    let known = hold.answer.is_some() || state.devices.contains_key(&hold.device);
                    let known = known && hold.id <= state.record.last_hold;
                    self.must(known, format_args!("hold {} has a number or a device that there is not", hold.id));
                    if hold.answer.is_none() {
                        open.insert(hold.id, hold);
                    }
                }
                Err(Corrupt) => self.found(format_args!("a hold is damaged (key {key:02x?})")),
            }
            Ok(())
        })?;
        let (count, said) = (open.len(), state.record.open_holds);
        self.must(count == said as usize, format_args!("{count} holds wait for an answer and it says {said}"));
        self.batches(snapshot, &open, held)?;
        self.paces(snapshot, state, open)
    }

    fn batches(&mut self, snapshot: &dyn Snapshot, open: &BTreeMap<HoldId, Hold>, held: &Index) -> Result<(), Error> {
        let mut named: BTreeMap<Uid, EmailId> = BTreeMap::new();
        let mut counts: BTreeMap<HoldId, (u32, u64)> = BTreeMap::new();
        state::scan(snapshot, key::kind(b'Q'), |key, value| {
            let parts = key::number_at(key, 1).and_then(|id| Ok((HoldId(id), key::number_at(key, 5)?)));
            let (Ok((id, number)), Ok(batch)) = (parts, Batch::decode(value)) else {
                self.found(format_args!("a part of a hold is damaged (key {key:02x?})"));
                return Ok(());
            };
            let known = open.get(&id).is_some_and(|hold| number < hold.batches);
            self.must(known, format_args!("part {number} of hold {id} belongs to no hold that waits for an answer"));
            let count = counts.entry(id).or_default();
            count.0 += 1;
            count.1 += batch.messages() as u64;
            if let Batch::Moved { messages, .. } = batch {
                for moved in messages {
                    let twice = named.insert(moved.uid, moved.before.email).is_some();
                    self.must(!twice, format_args!("two holds name UID {} of what is held", moved.uid));
                }
            }
            Ok(())
        })?;
        for hold in open.values() {
            let found = counts.get(&hold.id).copied().unwrap_or_default();
            let expected = (hold.batches, hold.messages.saturating_sub(hold.answered));
            self.must(found == expected, format_args!("hold {} has {found:?}, says {expected:?}", hold.id));
        }
        for entry in held.iter() {
            let known = named.get(&entry.uid) == Some(&entry.email);
            self.must(
                known,
                format_args!("UID {} lies in the mailbox of what is held, and no hold names it", entry.uid),
            );
        }
        Ok(())
    }

    fn paces(
        &mut self,
        snapshot: &dyn Snapshot,
        state: &AccountState,
        mut open: BTreeMap<HoldId, Hold>,
    ) -> Result<(), Error> {
        state::scan(snapshot, key::kind(b'V'), |key, value| {
            match key::number_at(key, 1).and_then(|id| Ok((DeviceId(id), Pace::decode(value)?))) {
                Ok((device, pace)) => {
                    // 0: that of the main password.
                    let known = device == DeviceId(0) || state.devices.contains_key(&device);
                    self.must(known, format_args!("the pace of device {device}, which there is not"));
                    let hold = pace.hold.map(|id| open.remove(&id));
                    let own = hold.is_none_or(|hold| hold.is_some_and(|hold| hold.device == device));
                    self.must(own, format_args!("device {device} names a hold that is not its open one"));
                }
                Err(Corrupt) => self.found(format_args!("the pace of a device is damaged (key {key:02x?})")),
            }
            Ok(())
        })?;
        for hold in open.keys() {
            self.found(format_args!("hold {hold} is open and its device does not name it"));
        }
        Ok(())
    }
}
