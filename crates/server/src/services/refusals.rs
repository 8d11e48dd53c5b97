//! What was refused, and who has brought mail, is written down in rounds, so that a flood of it costs no more flushes of the
//! disk than one mail.

use std::time::Duration;

use reports::{Refusals, Strangers};
use store::Timestamp;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;

/// So soon a refusal can be found.
const EVERY: Duration = Duration::from_secs(5);
/// In one of so many rounds what is old is forgotten.
const TIDY_ROUNDS: u64 = 120;

/// Writes until `stop` becomes true or its sender is dropped.
pub(crate) async fn write_refusals(
    (refusals, strangers): (Refusals, Strangers),
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    for round in 0.. {
        let is_stopping = timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        let (refusals, strangers, now) = (refusals.clone(), strangers.clone(), Timestamp(clock.now().unix_millis));
        let work = move || {
            let written = refusals.write(now).and(strangers.write(now));
            let tidied = if round % TIDY_ROUNDS == 0 { refusals.tidy(now).and(strangers.tidy(now)) } else { Ok(()) };
            written.and(tidied)
        };
        match spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "what was refused, and who has brought mail, is not written down"),
            Err(error) => warn!(%error, "what was refused, and who has brought mail, is not written down"),
        }
        if is_stopping {
            return;
        }
    }
}
