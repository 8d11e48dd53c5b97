//! Posts of lists go to their members, in the background: as soon as one was taken, and when one is to be tried again.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use mailflow::MailFlow;
use store::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::clock::Clock;

/// After a fault it is tried again so much later; and it is looked so often, whatever was said.
const AGAIN: Duration = Duration::from_secs(60);
/// What lists had long ago is forgotten so often.
const TIDIED_EVERY: Duration = Duration::from_secs(3600);

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
    let mut tidied = None;
    let _watch = flow.posts().watch(Waker::from(bell.clone()));
    loop {
        let (working, stopping) = (flow.clone(), stop.clone());
        let is_to_tidy = tidied.is_none_or(|at: Instant| at.elapsed() >= TIDIED_EVERY);
        if is_to_tidy {
            tidied = Some(Instant::now());
        }
        let work = move || {
            let now = Timestamp(clock.now().unix_millis);
            if is_to_tidy && let Err(error) = working.posts().tidy(now) {
                warn!(%error, "what lists had long ago is not forgotten");
            }
            working.distribute(now, &|| *stopping.borrow()).map(|next| next.map(|next| next.0 - now.0))
        };
        let done = spawn_blocking(work).await.map_err(|error| error.to_string());
        let wait = match done.and_then(|done| done.map_err(|error| error.to_string())) {
            Ok(next) => next.map_or(AGAIN, |millis| Duration::from_millis(millis.max(0).unsigned_abs()).min(AGAIN)),
            Err(error) => {
                warn!(error, "posts are not handed to the members of lists; it is tried again");
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
