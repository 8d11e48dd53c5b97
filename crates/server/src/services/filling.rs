//! Owners are told that their mailbox fills up, before it is full.
//!
//! The store gives hints of accounts that may have; the account itself says whether it has, and whether its owner was told.
//! A hint that got lost with a restart is made up for by a look at every account now and then.

use std::collections::BTreeSet;
use std::time::Duration;

use console::{AccountConsole, Letterhead};
use store::{AccountId, Actor, DeviceId, Error, Protocol, Store, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;

/// Hints are looked at so often.
const EVERY: Duration = Duration::from_secs(10);
/// In one of so many rounds all accounts are looked at.
const ALL_ROUNDS: u64 = 360;

/// Tells the owners of all accounts of `store`, until `stop` becomes true or its sender is dropped.
pub async fn tell_of_filling(store: Store, head: Letterhead, clock: Clock, mut stop: watch::Receiver<bool>) {
    for round in 0.. {
        if timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
        let hints = store.take_filling();
        let is_for_all = round % ALL_ROUNDS == 0;
        if hints.is_empty() && !is_for_all {
            continue;
        }
        let now = Timestamp(clock.now().unix_millis);
        let (store, head, stopping) = (store.clone(), head.clone(), stop.clone());
        let work = move || {
            let accounts = if is_for_all { all(&store) } else { hints };
            tell(&store, &accounts, &head, now, &|| *stopping.borrow());
        };
        if let Err(error) = spawn_blocking(work).await {
            warn!(%error, "owners of mailboxes that fill up were not told; the next round tries again");
        }
    }
}

fn all(store: &Store) -> BTreeSet<AccountId> {
    store.accounts().map(BTreeSet::from_iter).unwrap_or_else(|error| {
        warn!(%error, "the accounts cannot be listed to see which fill up");
        BTreeSet::new()
    })
}

fn tell(
    store: &Store,
    accounts: &BTreeSet<AccountId>,
    head: &Letterhead,
    now: Timestamp,
    is_stopping: &dyn Fn() -> bool,
) {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now };
    for id in accounts.iter().take_while(|_| !is_stopping()) {
        match AccountConsole::new(store.account(*id), actor).tell_of_filling(head) {
            Ok(true) => info!(account = %id, "the mailbox fills up; its owner was told"),
            // Not any more, or removed meanwhile.
            Ok(false) | Err(console::Error::Store(Error::NoSuchAccount)) => {}
            Err(error) => warn!(account = %id, %error, "the owner was not told that the mailbox fills up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use store::sim::{SimEngine, SimObjects};
    use store::{Flags, NewMessage, Quota, StoreOptions, Target};

    const NOW: Timestamp = Timestamp(1_790_000_000_000);

    #[test]
    fn the_owner_of_a_mailbox_that_fills_up_is_told_once() {
        let options = StoreOptions { quota: Quota { bytes: Some(10_000), messages: None }, ..StoreOptions::default() };
        let store = Store::with_options(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()), options);
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Smtp, now: NOW };
        let put = |id: u32, bytes: usize| {
            let account = store.create_account(AccountId(id), NOW).unwrap();
            let message = NewMessage { body: vec![b'x'; bytes], flags: Flags::default(), internal_date: NOW };
            account.append(actor, Target::Inbox, message).unwrap();
        };
        put(20, 7_999);
        put(21, 8_000);
        let messages = |id: u32| store.account(AccountId(id)).usage().unwrap().messages;
        let hints = store.take_filling();
        assert_eq!(hints, BTreeSet::from([AccountId(21)]));
        let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org".to_owned());
        let head = Letterhead { hostname, pages, ..Letterhead::default() };
        tell(&store, &hints, &head, NOW, &|| true);
        assert_eq!(messages(21), 1, "the server stops");
        for accounts in [hints, all(&store)] {
            tell(&store, &accounts, &head, NOW, &|| false);
            assert_eq!((messages(20), messages(21)), (1, 2));
        }
    }
}
