//! Receipts of messages whose clients have their answers go (`store::receipt`): soon, because one that a crash leaves makes
//! a message that is sent once more on purpose the same. So does what was told of mail that was passed on long ago.

use std::time::Duration;

use queue::Queue;
use store::{Store, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;

/// Of an account that gets mail all the time they go with its next message; of the others after this time.
const EVERY: Duration = Duration::from_secs(10);
/// In one of so many rounds what was passed on long ago is forgotten.
const PASSED_ON_ROUNDS: u64 = 360;

/// Tidies until `stop` becomes true or its sender is dropped.
pub async fn tidy_receipts(store: Store, queue: Queue, clock: Clock, mut stop: watch::Receiver<bool>) {
    for round in 0_u64.. {
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
        let (store, queue) = (store.clone(), queue.clone());
        let work = move || {
            tidy(&store, &queue, clock);
            if round % PASSED_ON_ROUNDS == 0
                && let Err(error) = queue.tidy_passed_on(Timestamp(clock.now().unix_millis))
            {
                warn!(%error, "what was passed on long ago was not forgotten");
            }
        };
        if let Err(error) = spawn_blocking(work).await {
            warn!(%error, "receipts of mail were not tidied; the next round tries again");
        }
    }
}

/// Once; also when all clients have gone.
pub fn tidy(store: &Store, queue: &Queue, clock: Clock) {
    let now = Timestamp(clock.now().unix_millis);
    store.tidy_receipts(now);
    if let Err(error) = queue.tidy_receipts(now) {
        warn!(%error, "receipts of the queue were not tidied");
    }
}
