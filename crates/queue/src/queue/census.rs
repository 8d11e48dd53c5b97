//! How much waits, in numbers.

use super::Queue;
use crate::entry::Entry;
use crate::error::Error;
use store::Timestamp;

/// Messages in the queue, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// For their next attempt.
    pub waiting: u64,
    /// For somebody to let them go.
    pub held: u64,
    /// For a time that their sender chose.
    pub scheduled: u64,
    /// When the oldest came of those that wait for their next attempt.
    pub oldest_at: Option<Timestamp>,
}

impl Census {
    fn add(&mut self, entry: &Entry) {
        match entry {
            Entry { later: Some(_), .. } => self.scheduled += 1,
            Entry { held: true, .. } => self.held += 1,
            Entry { enqueued_at, .. } => {
                self.waiting += 1;
                self.oldest_at = Some(self.oldest_at.map_or(*enqueued_at, |oldest| oldest.min(*enqueued_at)));
            }
        }
    }
}

impl Queue {
    /// Counts all messages; those that cannot be read are left out. Reads them all: not for every second.
    ///
    /// # Errors
    /// Faults.
    pub fn census(&self) -> Result<Census, Error> {
        let mut census = Census::default();
        self.each(&mut |entries| {
            entries.iter().for_each(|entry| census.add(entry));
            Ok(())
        })?;
        Ok(census)
    }
}
