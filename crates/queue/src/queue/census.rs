//! How much waits, in numbers.

use super::Queue;
use super::backlog::{DOMAINS_MAX, domain_of};
use crate::entry::Entry;
use crate::error::Error;
use std::collections::{HashMap, HashSet};
use store::Timestamp;

/// So many destinations are told by name.
const DESTINATIONS_TOLD_MAX: usize = 10;

/// Messages in the queue, by what they wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// For their next attempt.
    pub waiting: u64,
    /// For somebody to let them go.
    pub held: u64,
    /// For a time that their sender chose.
    pub scheduled: u64,
    /// When the oldest came of those that wait for their next attempt.
    pub oldest_at: Option<Timestamp>,
    /// The ten domains for which most messages are waiting or held, most first.
    pub destinations: Vec<(String, Bound)>,
    /// For all other domains together.
    pub elsewhere: Bound,
}

/// Messages for one destination; one for several domains is counted at each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// For their next attempt.
    pub waiting: u64,
    /// For somebody to let them go.
    pub held: u64,
}

impl Bound {
    fn add(&mut self, is_held: bool) {
        *if is_held { &mut self.held } else { &mut self.waiting } += 1;
    }

    fn all(self) -> u64 {
        self.waiting + self.held
    }
}

/// What waits for each domain, while it is counted.
#[derive(Default)]
struct Destinations {
    domains: HashMap<String, Bound>,
    /// For domains beyond [`DOMAINS_MAX`].
    further: Bound,
}

impl Destinations {
    fn add(&mut self, entry: &Entry) {
        if entry.later.is_some() {
            // It waits for its time.
            return;
        }
        let domains: HashSet<String> = entry.waiting().map(|(_, recipient)| domain_of(recipient)).collect();
        for domain in domains {
            if self.domains.len() < DOMAINS_MAX || self.domains.contains_key(&domain) {
                self.domains.entry(domain).or_default().add(entry.held);
            } else {
                self.further.add(entry.held);
            }
        }
    }

    /// Those with most messages, and all others together.
    fn told(self) -> (Vec<(String, Bound)>, Bound) {
        let mut domains: Vec<(String, Bound)> = self.domains.into_iter().collect();
        // By name where they are equal, so that the same ones are told each time.
        domains.sort_unstable_by(|(name, one), (other, another)| (another.all(), name).cmp(&(one.all(), other)));
        let others = domains.split_off(domains.len().min(DESTINATIONS_TOLD_MAX));
        let elsewhere = others.iter().fold(self.further, |sum, (_, bound)| Bound {
            waiting: sum.waiting + bound.waiting,
            held: sum.held + bound.held,
        });
        (domains, elsewhere)
    }
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
        let (mut census, mut destinations) = (Census::default(), Destinations::default());
        self.each(&mut |entries| {
            for entry in entries {
                census.add(entry);
                destinations.add(entry);
            }
            Ok(())
        })?;
        (census.destinations, census.elsewhere) = destinations.told();
        Ok(census)
    }
}
