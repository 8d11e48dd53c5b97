//! Posts of lists go to their members, in the background: as soon as one was taken, and when one is to be tried again.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use mailflow::MailFlow;
use store::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::clock::Clock;

/// After a fault it is tried again so much later; and it is looked so often, whatever was said.
const AGAIN: Duration = Duration::from_secs(60);

/// Rings when something was written to a list.
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Hands posts on until `stop` becomes true or its sender is dropped; what is not done then is done after the next start.
pub(crate) async fn distribute_posts(flow: MailFlow, clock: Clock, mut stop: watch::Receiver<bool>) {
    let bell = Arc::new(Bell(Notify::new()));
    let _watch = flow.posts().watch(Waker::from(bell.clone()));
    loop {
        let (working, stopping) = (flow.clone(), stop.clone());
        let work = move || {
            let now = Timestamp(clock.now().unix_millis);
            working.distribute(now, &|| *stopping.borrow()).map(|next| next.map(|next| next.0 - now.0))
        };
        let wait = match spawn_blocking(work).await {
            Ok(Ok(Some(millis))) => Duration::from_millis(millis.max(0).unsigned_abs()).min(AGAIN),
            Ok(Ok(None)) => AGAIN,
            Ok(Err(error)) => {
                warn!(%error, "posts are not handed to the members of lists; it is tried again");
                AGAIN
            }
            Err(error) => {
                warn!(%error, "posts are not handed to the members of lists; it is tried again");
                AGAIN
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(wait) => {}
            () = bell.0.notified() => {}
        }
    }
}
