//! What was removed longer ago than the retention time gives its space back.

use std::time::Duration;

use store::{Store, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;

/// After the start, so that a restart is not slowed down.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// From one round to the next.
const EVERY: Duration = Duration::from_secs(3600);
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// Purges all accounts of `store` every hour, until `stop` becomes true or its sender is dropped. A round that runs then
/// ends after the account that it is at.
pub async fn keep_retention(store: Store, days: u32, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut pause = FIRST_AFTER;
    while timeout(pause, stop.wait_for(|stop| *stop)).await.is_err() {
        let before = Timestamp(clock.now().unix_millis.saturating_sub(i64::from(days) * DAY_MILLIS));
        let (store, stopping) = (store.clone(), stop.clone());
        let round = spawn_blocking(move || purge(&store, before, &|| *stopping.borrow()));
        if let Err(error) = round.await {
            warn!(%error, "a purge did not end well; the next one goes on");
        }
        pause = EVERY;
    }
}

/// One round over all accounts.
fn purge(store: &Store, before: Timestamp, is_stopping: &dyn Fn() -> bool) {
    let accounts = match store.accounts() {
        Ok(accounts) => accounts,
        Err(error) => return warn!(%error, "the accounts cannot be listed for a purge"),
    };
    let mut messages = 0;
    for id in accounts {
        if is_stopping() {
            break;
        }
        match store.account(id).purge(before) {
            Ok(purged) => messages += purged.messages,
            // Removed meanwhile.
            Err(store::Error::NoSuchAccount) => {}
            Err(error) => warn!(account = %id, %error, "an account could not be purged"),
        }
    }
    if messages > 0 {
        info!(messages, "removed mail has left the retention time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;
    use store::sim::{SimEngine, SimObjects};
    use store::{AccountId, Actor, DeviceId, Expunge, Flags, NewMessage, Protocol, SystemFlag, Target};

    /// Two accounts with a message each that was removed at 1,000.
    fn removed_mail() -> Store {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        for id in [AccountId(20), AccountId(21)] {
            let account = store.create_account(id, Timestamp(1)).unwrap();
            let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1_000) };
            let body = b"Subject: x\r\n\r\nx\r\n".to_vec();
            let message =
                NewMessage { body, flags: Flags::system(&[SystemFlag::Deleted]), internal_date: Timestamp(1) };
            let appended = account.append(actor, Target::Inbox, message).unwrap();
            account.expunge(actor, appended.mailbox, Expunge::AllDeleted).unwrap();
        }
        store
    }

    fn is_kept(store: &Store, id: u32) -> bool {
        let account = store.account(AccountId(id));
        let journal = account.journal(store::ModSeq(0), 1000).unwrap();
        !journal.is_empty()
    }

    #[test]
    fn what_is_older_goes_and_a_stop_ends_the_round() {
        let store = removed_mail();
        purge(&store, Timestamp(1_000), &|| false);
        assert!(is_kept(&store, 20) && is_kept(&store, 21));
        let asked = Cell::new(0);
        purge(&store, Timestamp(1_001), &|| asked.replace(asked.get() + 1) == 1);
        assert!(!is_kept(&store, 20) && is_kept(&store, 21), "stopped after the first account");
        purge(&store, Timestamp(1_001), &|| false);
        assert!(!is_kept(&store, 21));
    }
}
