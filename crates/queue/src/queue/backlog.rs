//! What waits, by the domains of its recipients: for whoever looks after the queue.

use super::{LISTED_AT_ONCE, Queue};
use crate::entry::{Entry, LastReply, QueueId, Recipient};
use crate::error::Error;
use crate::outgoing::Via;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use store::Timestamp;

/// So many domains are told apart.
pub(crate) const DOMAINS_MAX: usize = 10_000;
/// So many messages are changed in one commit.
const CHANGED_AT_ONCE: usize = 256;

/// What waits for the recipients of one domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// In lower case; `postmaster` for those without one.
    pub domain: String,
    /// Messages.
    pub messages: u64,
    /// Those of them that are held back.
    pub held: u64,
    /// Which ways they take: senders have theirs.
    pub ways: BTreeSet<Via>,
    /// When the oldest came.
    pub oldest_at: Timestamp,
    /// When the first is tried; `None` if all are held.
    pub next_at: Option<Timestamp>,
    /// What was said last, if anything was tried.
    pub last: Option<LastReply>,
}

/// What is done to all messages for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Those that are not held are tried now, for its recipients.
    Retry,
    /// They are kept from being tried, for their other recipients too.
    Hold,
    /// That ends, but for what waits for an answer of its account's owner; they are tried now.
    Release,
}

impl Backlog {
    fn add(&mut self, entry: &Entry, recipient: &Recipient) {
        let at = recipient.next_at.map_or(entry.next_at, Timestamp);
        if !entry.held {
            self.next_at = Some(self.next_at.map_or(at, |known| known.min(at)));
        }
        self.oldest_at = self.oldest_at.min(entry.enqueued_at);
        let last = recipient.last_reply().filter(|last| self.last.as_ref().is_none_or(|known| known.at < last.at));
        self.last = last.cloned().or(self.last.take());
    }
}

impl Queue {
    /// What waits for each domain, most messages first. Looks at all messages; further domains than 10,000 are left out.
    ///
    /// # Errors
    /// Faults.
    pub fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        let mut domains: BTreeMap<String, Backlog> = BTreeMap::new();
        self.each(&mut |entries| {
            for entry in entries.iter().filter(|entry| entry.later.is_none()) {
                self.count(&mut domains, entry);
            }
            Ok(())
        })?;
        let mut found: Vec<Backlog> = domains.into_values().collect();
        found.sort_by_key(|backlog| std::cmp::Reverse(backlog.messages));
        Ok(found)
    }

    /// Does something to all messages that wait for recipients of a domain; gives how many there are. What came before a fault
    /// stays done.
    ///
    /// # Errors
    /// [`store::Error::NoSpace`], faults.
    pub fn change_all(&self, domain: &str, wish: Wish, now: Timestamp) -> Result<u64, Error> {
        let domain = domain.to_lowercase();
        let mut changed = 0;
        self.each(&mut |entries| {
            // What waits for a time of its own does not wait for a domain.
            let waits = |entry: &&Entry| {
                entry.later.is_none() && entry.waiting().any(|(_, recipient)| domain_of(recipient) == domain)
            };
            let ids: Vec<QueueId> = entries.iter().filter(waits).map(|entry| entry.id).collect();
            for some in ids.chunks(CHANGED_AT_ONCE) {
                self.change_some(some, &|entry| wished(entry, &domain, wish, now))?;
                changed += some.len() as u64;
            }
            Ok(())
        })?;
        Ok(changed)
    }

    /// Reads all messages, some at a time.
    pub(super) fn each(&self, look: &mut dyn FnMut(&[Entry]) -> Result<(), Error>) -> Result<(), Error> {
        let mut after = None;
        loop {
            let entries = self.list(after, LISTED_AT_ONCE)?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = Some(last.id);
            look(&entries)?;
        }
    }

    fn count(&self, domains: &mut BTreeMap<String, Backlog>, entry: &Entry) {
        let mut seen = HashSet::new();
        for (_, recipient) in entry.waiting() {
            let domain = domain_of(recipient);
            if domains.len() >= DOMAINS_MAX && !domains.contains_key(&domain) {
                continue;
            }
            let backlog = domains.entry(domain.clone()).or_insert_with(|| Backlog {
                domain: domain.clone(),
                messages: 0,
                held: 0,
                ways: BTreeSet::new(),
                oldest_at: entry.enqueued_at,
                next_at: None,
                last: None,
            });
            backlog.add(entry, recipient);
            // One that cannot be read takes none, and is set aside.
            backlog.ways.extend(self.way(entry, recipient));
            if seen.insert(domain) {
                backlog.messages += 1;
                backlog.held += u64::from(entry.held);
            }
        }
    }
}

fn wished(entry: &mut Entry, domain: &str, wish: Wish, now: Timestamp) {
    match wish {
        Wish::Hold => return entry.held = true,
        Wish::Retry if entry.held => return,
        Wish::Retry => {}
        // What its account's owner is asked about leaves by an answer, or one by one.
        Wish::Release if entry.is_asked => return,
        Wish::Release => entry.held = false,
    }
    let recipients = entry.recipients.iter_mut().filter(|recipient| domain_of(recipient) == domain);
    recipients.for_each(|recipient| recipient.next_at = None);
    entry.next_at = now;
}

pub(super) fn domain_of(recipient: &Recipient) -> String {
    recipient.address.rsplit_once('@').map_or(recipient.address.as_str(), |(_, domain)| domain).to_lowercase()
}
