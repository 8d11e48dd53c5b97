//! What is held, for those who ask and for maildrops that go on listing it.

use crate::account::Account;
use crate::brake::{Burst, Pace};
use crate::engine::Snapshot;
use crate::error::Error;
use crate::hold::{Batch, Hold};
use crate::ids::{DeviceId, EmailId, HoldId, MailboxId, Uid};
use crate::key;
use crate::state;
use std::collections::{BTreeMap, HashMap};

/// What is held of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldIn {
    /// Where it was, or still is.
    pub mailbox: MailboxId,
    /// The messages, in the order in which they were to be removed.
    pub emails: Vec<EmailId>,
}

/// Where a message was that lies in the mailbox of what is held, and who wanted to remove it.
pub(in crate::account) type Origins = HashMap<Uid, (MailboxId, DeviceId)>;

impl Account {
    /// All holds, the newest first; answered ones until they leave retention.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn holds(&self) -> Result<Vec<Hold>, Error> {
        let mut holds = Vec::new();
        state::scan(&*self.snapshot()?, key::kind(b'O'), |key, value| {
            let hold = key::number_at(key, 1).and_then(|id| Hold::decode(HoldId(id), value));
            holds.push(hold.map_err(Error::corrupt("a hold"))?);
            Ok(())
        })?;
        holds.reverse();
        Ok(holds)
    }

    /// What devices removed, or wanted to remove, far more than they ever did, until the owner has answered or undone it.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn bursts(&self) -> Result<BTreeMap<DeviceId, Burst>, Error> {
        let mut bursts = BTreeMap::new();
        state::scan(&*self.snapshot()?, key::kind(b'V'), |key, value| {
            let pace = key::number_at(key, 1).and_then(|id| Ok((DeviceId(id), Pace::decode(value)?)));
            let (device, pace) = pace.map_err(Error::corrupt("the pace of a device"))?;
            bursts.extend(pace.burst.map(|burst| (device, burst)));
            Ok(())
        })?;
        Ok(bursts)
    }

    /// How many holds wait for an answer.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn open_holds(&self) -> Result<u32, Error> {
        Ok(self.cell.state()?.record.open_holds)
    }

    /// The messages of a hold without an answer, by mailbox.
    ///
    /// # Errors
    /// [`Error::NoSuchAccount`], faults.
    pub fn held(&self, hold: HoldId) -> Result<Vec<HeldIn>, Error> {
        let mut held: Vec<HeldIn> = Vec::new();
        batches(&*self.snapshot()?, |id, batch| {
            let (mailbox, emails) = match batch {
                Batch::Moved { from, messages, .. } => (from, messages.iter().map(|m| m.before.email).collect()),
                Batch::Kept { mailbox, emails, .. } => (mailbox, emails),
            };
            match held.iter_mut().find(|known| known.mailbox == mailbox) {
                _ if id != hold => {}
                Some(known) => known.emails.extend(emails),
                None => held.push(HeldIn { mailbox, emails }),
            }
        })?;
        Ok(held)
    }
}

/// Where everything was that lies in the mailbox of what is held.
pub(in crate::account) fn origins(snapshot: &dyn Snapshot) -> Result<Origins, Error> {
    let mut devices: HashMap<HoldId, DeviceId> = HashMap::new();
    state::scan(snapshot, key::kind(b'O'), |key, value| {
        let hold = key::number_at(key, 1).and_then(|id| Hold::decode(HoldId(id), value));
        let hold = hold.map_err(Error::corrupt("a hold"))?;
        devices.insert(hold.id, hold.device);
        Ok(())
    })?;
    let mut origins = Origins::new();
    batches(snapshot, |hold, batch| {
        let device = devices.get(&hold).copied().unwrap_or_default();
        if let Batch::Moved { from, messages, .. } = batch {
            origins.extend(messages.iter().map(|moved| (moved.uid, (from, device))));
        }
    })?;
    Ok(origins)
}

fn batches(snapshot: &dyn Snapshot, mut visit: impl FnMut(HoldId, Batch)) -> Result<(), Error> {
    state::scan(snapshot, key::kind(b'Q'), |key, value| {
        let batch = key::number_at(key, 1).and_then(|id| Ok((HoldId(id), Batch::decode(value)?)));
        let (hold, batch) = batch.map_err(Error::corrupt("a part of a hold"))?;
        visit(hold, batch);
        Ok(())
    })
}
