//! What devices removed lately and is still kept, for whoever wants some of it back: what a device removed in one go is one line.

use crate::account::AccountConsole;
use crate::error::Error;
use crate::moment::shown;
use crate::names::{MessageLine, Names};
use crate::words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::brake::Burst;
use store::{DeviceId, EmailId, Timestamp};

/// Lines at most, the newest.
pub(crate) const REMOVALS_MAX: usize = 50;
/// Looked back so many days.
const DAYS: u16 = 30;
/// What is removed within so long after the last one belongs to it.
const GAP_MILLIS: i64 = 3_600_000;
/// Messages that a line names; how many there are in all stands beside them.
const MESSAGES_NAMED_MAX: usize = 3;

/// What a device removed in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalLine {
    /// The number of the device; 0 is the server.
    pub device_id: u32,
    /// Its name.
    pub device: String,
    /// When it removed the first of them.
    pub since: String,
    /// When it removed the last.
    pub until: String,
    /// How many of them can be put back.
    pub messages: usize,
    /// Some of them.
    pub named: Vec<MessageLine>,
    /// What it did, in words.
    pub text: String,
    /// It is far more than the device ever removed, and the owner has not said whether it was right.
    pub is_asked: bool,
}

/// Removals of a device, close to each other.
struct Run {
    device: DeviceId,
    since: Timestamp,
    until: Timestamp,
    messages: usize,
    first: Vec<EmailId>,
}

impl AccountConsole {
    /// What devices removed in the last 30 days and can be put back, the newest first, at most `REMOVALS_MAX` lines.
    ///
    /// # Errors
    /// Faults.
    pub fn removals(&self) -> Result<Vec<RemovalLine>, Error> {
        let mut runs = Runs::default();
        self.account
            .removed_since(self.actor.now.days_before(DAYS), |at, email, device| runs.take(at, email, device))?;
        let (names, bursts, devices) = (Names::of(&self.account)?, self.account.bursts()?, self.account.devices()?);
        let line = |run: &Run| {
            // An answer to one is an answer to what was before it.
            let declined = devices.get(&run.device).and_then(|device| device.offer_declined_at);
            let burst = bursts.get(&run.device).filter(|burst| run.is_of(burst) && declined < Some(burst.at));
            Ok(RemovalLine {
                device_id: run.device.0,
                device: names.device(run.device),
                since: shown(run.since),
                until: shown(run.until),
                messages: run.messages,
                named: run.first.iter().map(|email| names.message(*email)).collect::<Result<_, Error>>()?,
                text: burst.map_or_else(|| words::removed(run.messages), words::removed_in_a_burst),
                is_asked: burst.is_some(),
            })
        };
        runs.newest().iter().map(line).collect()
    }

    /// Those of them that their owner is asked about.
    ///
    /// # Errors
    /// Faults.
    pub fn unusual_removals(&self) -> Result<Vec<RemovalLine>, Error> {
        if self.account.bursts()?.values().all(|burst| burst.is_held) {
            return Ok(Vec::new());
        }
        Ok(self.removals()?.into_iter().filter(|line| line.is_asked).collect())
    }
}

impl Run {
    /// Whether a burst that was not held ended here.
    fn is_of(&self, burst: &Burst) -> bool {
        !burst.is_held && self.since <= burst.at && burst.at <= self.until
    }
}

/// Runs, of each device the last one open.
#[derive(Default)]
struct Runs {
    open: BTreeMap<DeviceId, Run>,
    closed: Vec<Run>,
}

impl Runs {
    /// The next removal.
    fn take(&mut self, at: Timestamp, email: EmailId, device: DeviceId) {
        let run = Run { device, since: at, until: at, messages: 0, first: Vec::new() };
        let open = self.open.entry(device).or_insert(run);
        if at.0.saturating_sub(open.until.0) > GAP_MILLIS {
            let run = Run { device, since: at, until: at, messages: 0, first: Vec::new() };
            self.closed.push(std::mem::replace(open, run));
            if self.closed.len() > 2 * REMOVALS_MAX {
                self.closed.sort_by_key(|run| std::cmp::Reverse(run.until));
                self.closed.truncate(REMOVALS_MAX);
            }
        }
        open.until = at;
        open.messages += 1;
        if open.first.len() < MESSAGES_NAMED_MAX {
            open.first.push(email);
        }
    }

    fn newest(self) -> Vec<Run> {
        let mut all: Vec<Run> = self.closed.into_iter().chain(self.open.into_values()).collect();
        all.sort_by_key(|run| std::cmp::Reverse(run.until));
        all.truncate(REMOVALS_MAX);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_removes_in_one_go_is_one_line_and_no_more_lines_are_kept_than_are_shown() {
        let mut runs = Runs::default();
        let (pc, phone) = (DeviceId(1), DeviceId(2));
        for (at, device) in [(0, pc), (GAP_MILLIS, pc), (GAP_MILLIS, phone), (2 * GAP_MILLIS + 1, pc)] {
            runs.take(Timestamp(at), EmailId(1), device);
        }
        let found: Vec<_> = runs.newest().iter().map(|run| (run.device, run.since.0, run.messages)).collect();
        assert_eq!(found, [(pc, 2 * GAP_MILLIS + 1, 1), (pc, 0, 2), (phone, GAP_MILLIS, 1)]);

        let mut runs = Runs::default();
        for number in 0..1_000 {
            runs.take(Timestamp(number * 2 * GAP_MILLIS), EmailId(1), pc);
            assert!(runs.closed.len() <= 2 * REMOVALS_MAX);
        }
        let newest = runs.newest();
        assert_eq!((newest.len(), newest[0].until), (REMOVALS_MAX, Timestamp(999 * 2 * GAP_MILLIS)));
    }
}
