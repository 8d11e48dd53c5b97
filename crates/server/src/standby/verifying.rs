//! In the background all that a standby has is compared with the server, one keyspace after another, and begun again.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use standby::{Verified, to_verify, verify};
use store::engine::Engine;
use store::objects::Objects;
use store::{AccountId, Timestamp};
use tracing::{info, warn};

use super::client::Remote;
use super::course::Course;
use crate::clock::Clock;

/// Comparing takes about one part of so many of the time, on both sides.
const PAUSE_SHARE: u32 = 20;
/// From the beginning of one round to that of the next.
const ROUND: Duration = Duration::from_secs(6 * 3600);
/// After a fault it is tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// A keyspace that has moved on is tried again so often.
const TRIES_MAX: u32 = 5;

/// What is compared.
pub(super) struct Verifying {
    pub(super) storage: (Arc<dyn Engine>, Arc<dyn Objects>),
    pub(super) remote: Remote,
    pub(super) course: Arc<Course>,
    pub(super) clock: Clock,
    /// What is not as it should be.
    pub(super) found: Sender<(AccountId, Verified)>,
}

impl Verifying {
    /// Until the standby stops.
    pub(super) fn run(&self) {
        while self.course.until_whole() {
            let begun = Instant::now();
            let keyspaces = match to_verify(&*self.storage.0) {
                Ok(keyspaces) => keyspaces,
                Err(error) => {
                    warn!(%error, "nothing can be compared with the server for now");
                    if !self.course.rest(AGAIN) {
                        return;
                    }
                    continue;
                }
            };
            let mut compared = 0;
            for keyspace in keyspaces {
                if !self.course.until_whole() {
                    return;
                }
                compared += usize::from(self.compare(keyspace));
            }
            info!(compared, took_secs = begun.elapsed().as_secs(), "all that is here was compared with the server");
            if !self.course.rest(ROUND.saturating_sub(begun.elapsed())) {
                return;
            }
        }
    }

    /// Whether it could be.
    fn compare(&self, keyspace: AccountId) -> bool {
        for _ in 0..TRIES_MAX {
            let begun = Instant::now();
            let (engine, objects) = &self.storage;
            let now = Timestamp(self.clock.now().unix_millis);
            let verified = match verify((&**engine, &**objects), &self.remote, keyspace, now) {
                Ok(verified) => verified,
                Err(error) => {
                    warn!(%keyspace, %error, "it cannot be compared with the server");
                    return false;
                }
            };
            let is_compared = verified.is_same.is_some();
            if verified.is_same == Some(false) || !verified.damaged.is_empty() {
                warn!(
                    %keyspace,
                    rows_differ = verified.is_same == Some(false),
                    damaged = verified.damaged.len(),
                    "what is here is not what the server has; it is brought again"
                );
                drop(self.found.send((keyspace, verified)));
            }
            if !self.course.rest(begun.elapsed() * PAUSE_SHARE) || is_compared {
                return is_compared;
            }
        }
        false
    }
}
