//! Receipts of messages whose clients have their answers go (`store::receipt`): soon, because one that a crash leaves makes
//! a message that is sent once more on purpose the same.

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

/// Tidies until `stop` becomes true or its sender is dropped.
pub async fn tidy_receipts(store: Store, queue: Queue, clock: Clock, mut stop: watch::Receiver<bool>) {
    loop {
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
        let (store, queue) = (store.clone(), queue.clone());
        if let Err(error) = spawn_blocking(move || tidy(&store, &queue, clock)).await {
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
