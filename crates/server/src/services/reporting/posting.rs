//! Reports on TLS over HTTPS (RFC 8460 §5.4): handed to the places where the owner of a domain wants them.
//!
//! A place that does not take one is asked again, less often with each time, and for a day (RFC 8460 §5.5). What was tried is known
//! for as long as the process lives: after a crash a place may get a report again, which has the same name then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dns::Dns;
use queue::{Https, NotPosted};
use reports::rua::Place;
use store::Timestamp;
use tracing::{info, warn};

/// After the first failure; after each one that follows twice as long, up to [`PAUSE_MILLIS_MAX`].
const PAUSE_MILLIS: i64 = 10 * 60 * 1000;
/// See [`PAUSE_MILLIS`].
const PAUSE_MILLIS_MAX: i64 = 4 * 3600 * 1000;
/// RFC 8460 §5.5: a day after the first attempt, which is made within some hours after midnight.
const PATIENCE_MILLIS: i64 = 28 * 3600 * 1000;
/// So many attempts are remembered. What is forgotten is begun anew.
const TRIES_MAX: usize = 2_000;
/// RFC 8460 §5.4.
const MEDIA_TYPE: &str = "application/tlsrpt+gzip";

/// Hands reports over. Cheap to clone.
#[derive(Clone)]
pub(super) struct Posting {
    https: Https,
    dns: Dns,
    tries: Arc<Mutex<Tries>>,
}

/// A report.
pub(super) struct Posted<'a> {
    /// Its name, the same whenever it is made.
    pub(super) id: &'a str,
    /// Whose domain it is about.
    pub(super) domain: &'a str,
    /// From when on it could be told.
    pub(super) since: Timestamp,
    /// The document.
    pub(super) packed: &'a [u8],
}

type Tries = BTreeMap<(String, Place), Try>;

/// What became of a report at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// It is there, or never will be.
    Done,
    /// Not yet.
    Failed { times: u32, again_at: Timestamp },
}

impl Posting {
    pub(super) fn new(https: Https, dns: Dns) -> Self {
        Self { https, dns, tries: Arc::default() }
    }

    /// Hands a report to each place whose turn it is; whether nothing is left to do.
    pub(super) async fn post(&self, report: &Posted<'_>, places: &BTreeSet<Place>, now: Timestamp) -> bool {
        let mut is_over = true;
        for place in places {
            let key = (report.id.to_owned(), place.clone());
            let known = self.tries().get(&key).copied();
            if !is_turn(known, now) {
                is_over &= known == Some(Try::Done);
                continue;
            }
            let (domain, to) = (report.domain, place.to_string());
            let asked = self.https.post(&self.dns, (place.host(), place.path()), MEDIA_TYPE, report.packed.to_vec());
            let tried = match asked.await {
                Ok(()) => {
                    info!(domain, to, about = "tls", "report sent");
                    Try::Done
                }
                Err(NotPosted::Never(why)) => {
                    warn!(domain, to, why, "a report is not sent");
                    Try::Done
                }
                Err(NotPosted::Later(why)) => {
                    let tried = after_failure(known, report.since, now);
                    warn!(domain, to, why, is_given_up = tried == Try::Done, "a report is not sent yet");
                    tried
                }
            };
            is_over &= tried == Try::Done;
            let mut tries = self.tries();
            if tries.len() >= TRIES_MAX {
                tries.clear();
            }
            tries.insert(key, tried);
        }
        is_over
    }

    /// A report is done with.
    pub(super) fn forget(&self, id: &str) {
        self.tries().retain(|(known, _), _| known != id);
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        // Every change is complete before anything could panic.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_turn(known: Option<Try>, now: Timestamp) -> bool {
    match known {
        None => true,
        Some(Try::Done) => false,
        Some(Try::Failed { again_at, .. }) => again_at <= now,
    }
}

fn after_failure(known: Option<Try>, since: Timestamp, now: Timestamp) -> Try {
    let times = match known {
        Some(Try::Failed { times, .. }) => times.saturating_add(1),
        Some(Try::Done) | None => 1,
    };
    let pause = PAUSE_MILLIS.saturating_mul(1 << (times - 1).min(16)).min(PAUSE_MILLIS_MAX);
    let again_at = Timestamp(now.0.saturating_add(pause));
    if again_at.0 > since.0.saturating_add(PATIENCE_MILLIS) { Try::Done } else { Try::Failed { times, again_at } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_takes_no_report_is_asked_less_and_less_and_for_a_day() {
        let (since, mut known, mut now, mut asked) = (Timestamp(0), None, Timestamp(0), 0);
        let mut pauses = Vec::new();
        loop {
            assert!(is_turn(known, now));
            asked += 1;
            known = Some(after_failure(known, since, now));
            let Some(Try::Failed { again_at, .. }) = known else { break };
            assert!(!is_turn(known, Timestamp(again_at.0 - 1)));
            pauses.push((again_at.0 - now.0) / 60_000);
            now = again_at;
        }
        assert_eq!(pauses[..6], [10, 20, 40, 80, 160, 240]);
        assert!(now.0 <= PATIENCE_MILLIS && !is_turn(known, Timestamp(i64::MAX)) && asked < 15, "{asked}");
    }
}
