//! Junk filters learn, in the background: from the journals of accounts that were changed.
//!
//! The store gives hints of them. A hint that got lost with a restart is made up for by a look at every account now and then.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Clock;
use mailflow::{MailFlow, Teacher};
use std::sync::Arc;
use store::{AccountId, Error, Store, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::warn;

/// Hints are looked at so often.
const EVERY: Duration = Duration::from_secs(20);
/// All accounts are looked at so often.
const ALL_EVERY: Duration = Duration::from_hours(1);

/// Rspamd's controller, told from threads that may wait.
struct Controller {
    server: scan::Server,
    runtime: Handle,
}

impl Teacher for Controller {
    fn teach(&self, is_junk: bool, content: Vec<u8>) -> Result<(), String> {
        self.runtime.block_on(scan::teach(&self.server, is_junk, content))
    }
}

/// Lets the filters of all accounts of `store` learn, until `stop` becomes true or its sender is dropped.
pub(crate) async fn learn_junk(
    (flow, controller): (MailFlow, Option<scan::Server>),
    store: Store,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let flow = match controller {
        Some(server) => flow.with_teacher(Arc::new(Controller { server, runtime: Handle::current() })),
        None => flow,
    };
    let (mut behind, mut all_at) = (BTreeSet::new(), Instant::now() + ALL_EVERY);
    loop {
        // Who has more to read goes on at once, after all who have something to read have had a turn.
        let pause = if behind.is_empty() { EVERY } else { Duration::ZERO };
        if timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
        let mut accounts = store.take_changed();
        accounts.append(&mut behind);
        let (flow, store, stopping) = (flow.clone(), store.clone(), stop.clone());
        let is_for_all = Instant::now() >= all_at;
        if is_for_all {
            all_at = Instant::now() + ALL_EVERY;
        }
        let work = move || {
            if is_for_all {
                accounts = all(&store);
                flow.forget_complaints(Timestamp(clock.now().unix_millis));
            }
            learn(&flow, &accounts, Timestamp(clock.now().unix_millis), &|| *stopping.borrow())
        };
        match spawn_blocking(work).await {
            Ok(accounts) => behind = accounts,
            Err(error) => warn!(%error, "junk filters did not learn; the next round tries again"),
        }
    }
}

fn all(store: &Store) -> BTreeSet<AccountId> {
    store.accounts().map(BTreeSet::from_iter).unwrap_or_else(|error| {
        warn!(%error, "the accounts cannot be listed for their junk filters");
        BTreeSet::new()
    })
}

/// Gives each a turn, and those back that want another one.
fn learn(
    flow: &MailFlow,
    accounts: &BTreeSet<AccountId>,
    now: Timestamp,
    is_stopping: &dyn Fn() -> bool,
) -> BTreeSet<AccountId> {
    let mut behind = BTreeSet::new();
    for id in accounts {
        if is_stopping() {
            break;
        }
        match flow.learn_junk(*id, now, is_stopping) {
            // Removed meanwhile; or nothing can be written, which others say.
            Ok(turn) if turn.is_behind => {
                behind.insert(*id);
            }
            Ok(_) | Err(Error::NoSuchAccount | Error::NoSpace(_) | Error::ReadOnly) => {}
            Err(error) => warn!(account = %id, %error, "a junk filter could not learn"),
        }
    }
    behind
}
