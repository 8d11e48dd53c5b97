//! Policies of other domains (see [`crate::sts`]): a row `m` domain each. What cannot be read is as if it were not there: it is
//! fetched again.

use super::Queue;
use crate::error::Error;
use crate::sts::{KEPT_MAX, Kept};

const PREFIX: &[u8] = b"m";

impl Queue {
    /// The policy of a domain, expired or not.
    pub(crate) fn kept_policy(&self, domain: &str) -> Option<Kept> {
        let row = self.table.get(&key(domain)).ok().flatten()?;
        Kept::decode(&row).ok()
    }

    /// Keeps one, in the place of what was known of the domain.
    pub(crate) fn keep_policy(&self, domain: &str, kept: &Kept) -> Result<(), Error> {
        let known = self.table.scan(PREFIX, &[], KEPT_MAX.saturating_add(1))?;
        // One that cannot be read goes first.
        let expiry = |row: &[u8]| Kept::decode(row).ok().map(|kept| kept.expires_at());
        let first = known.iter().min_by_key(|(_, row)| expiry(row)).map(|(key, _)| key);
        self.change_table(|tx| {
            if let Some(first) = first.filter(|_| known.len() >= KEPT_MAX) {
                tx.delete(first);
            }
            tx.put(&key(domain), kept.encode());
            Ok(())
        })
    }
}

fn key(domain: &str) -> Vec<u8> {
    [PREFIX, domain.as_bytes()].concat()
}
