//! Accounts that were ended are removed when their time has come, a few minutes later at most.

use std::time::Duration;

use directory::Directory;
use store::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;

/// They are looked for so often.
const EVERY: Duration = Duration::from_secs(600);

/// Removes accounts that were ended, once their time has come, until `stop` becomes true or its sender is dropped.
pub async fn remove_leavers(directory: Directory, clock: Clock, mut stop: watch::Receiver<bool>) {
    while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
        let directory = directory.clone();
        let work = move || directory.remove_leavers(Timestamp(clock.now().unix_millis));
        match spawn_blocking(work).await {
            Ok(Ok(removed)) => removed.into_iter().for_each(|(account, outcome)| match outcome {
                Ok(()) => info!(account, "removed with all its mail: its time has come"),
                Err(error) => {
                    warn!(account, %error, "an account whose time has come was not removed, or not whole; it is tried again, at the next start at the latest")
                }
            }),
            Ok(Err(error)) => warn!(%error, "accounts whose time has come were not looked for"),
            Err(error) => warn!(%error, "accounts whose time has come were not looked for"),
        }
    }
}
