//! Links that work once and not for long: what is behind one is kept in memory, and nowhere else.

use crate::token;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::{Error, Timestamp};

/// A link works for so long.
const LIFETIME_MILLIS: i64 = 10 * 60 * 1000;
/// There are at most so many; then the oldest goes.
const LINKS_MAX: usize = 1000;

/// What links lead to, by the hash of what the link holds.
#[derive(Default)]
pub(crate) struct Links(Mutex<HashMap<[u8; 32], Link>>);

struct Link {
    document: String,
    until: Timestamp,
}

impl Links {
    /// Makes a link; gives the secret part of it.
    pub(crate) fn make(&self, document: String, now: Timestamp) -> Result<String, Error> {
        let secret = token::random()?;
        let mut links = self.lock();
        links.retain(|_, link| link.until > now);
        if links.len() >= LINKS_MAX {
            let oldest = links.iter().min_by_key(|(_, link)| link.until).map(|(key, _)| *key);
            oldest.map(|key| links.remove(&key));
        }
        links.insert(key(&secret), Link { document, until: Timestamp(now.0.saturating_add(LIFETIME_MILLIS)) });
        Ok(secret)
    }

    /// Follows a link, which then works no more.
    pub(crate) fn follow(&self, secret: &str, now: Timestamp) -> Option<String> {
        self.lock().remove(&key(secret)).filter(|link| link.until > now).map(|link| link.document)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time that a look-up takes tells nothing of the secret.
fn key(secret: &str) -> [u8; 32] {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_once_and_not_for_long() {
        let links = Links::default();
        let make = |now: i64| links.make(format!("made at {now}"), Timestamp(now)).unwrap();
        let (first, second) = (make(0), make(0));
        assert_ne!(first, second);
        assert_eq!(links.follow(&first, Timestamp(LIFETIME_MILLIS - 1)).as_deref(), Some("made at 0"));
        assert_eq!(links.follow(&first, Timestamp(1)), None);
        assert_eq!(links.follow(&second, Timestamp(LIFETIME_MILLIS)), None);
        let first = make(1);
        let second = make(2);
        (0..LINKS_MAX as i64 - 1).for_each(|n| assert!(!make(3 + n).is_empty()));
        assert_eq!(links.follow(&first, Timestamp(4)), None, "the oldest went");
        assert!(links.follow(&second, Timestamp(4)).is_some());
    }
}
