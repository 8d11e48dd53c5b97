//! The indexes of texts grow in the background, one at a time: those of accounts in which somebody has searched.
//!
//! Invariant: mail comes first. Where the disk lacks room the indexes go, before anything that was retained does; and whoever
//! makes one rests as long as it works.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use search::{Indexed, index_some};
use search_index::Indexes;
use store::{AccountId, Store};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;
use crate::lifecycle::Disk;

const EVERY: Duration = Duration::from_secs(10);

/// Lets indexes grow, and notes in `complete_at` (milliseconds since 1970) when all had what they are to have, until `stop` becomes true or its sender is dropped.
pub(crate) async fn keep_indexes(
    (store, disk, indexes): (Store, Arc<Disk>, Arc<Indexes>),
    (complete_at, clock): (Arc<AtomicI64>, Clock),
    mut stop: watch::Receiver<bool>,
) {
    while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
        let (store, disk, indexes, stopping) = (store.clone(), disk.clone(), indexes.clone(), stop.clone());
        let complete_at = complete_at.clone();
        let work = spawn_blocking(move || {
            let lacks = || disk.lacking_for_retention(store.reusable_bytes()) > 0;
            let begun_at = clock.now().unix_millis;
            if grow(&store, &indexes, &lacks, &|| *stopping.borrow()) {
                complete_at.store(begun_at, Ordering::Relaxed);
            }
        });
        if let Err(error) = work.await {
            warn!(%error, "the indexes of texts did not grow; the next round tries again");
        }
    }
}

/// One round: each index becomes as long as it is worth, unless room `lacks`. Whether all are.
fn grow(store: &Store, indexes: &Indexes, lacks: &dyn Fn() -> bool, is_stopping: &dyn Fn() -> bool) -> bool {
    let wanted = indexes.wanted();
    if wanted.is_empty() {
        return true;
    }
    if lacks() || indexes.limits().bytes_max == 0 {
        wanted.into_iter().for_each(|account| indexes.remove(account));
        return true;
    }
    let Ok(accounts) = store.accounts() else { return false };
    let mut is_complete = true;
    let accounts: BTreeSet<AccountId> = accounts.into_iter().collect();
    for account in wanted {
        if is_stopping() {
            return false;
        }
        if !accounts.contains(&account) || indexes.is_damaged(account) {
            // It is made anew when somebody searches again.
            indexes.remove(account);
            continue;
        }
        loop {
            let mut worked = Instant::now();
            let mut goes_on = || {
                thread::sleep(worked.elapsed());
                worked = Instant::now();
                !is_stopping() && !lacks()
            };
            match index_some(indexes, &store.account(account), &mut goes_on) {
                Ok(Indexed::More) => {}
                Ok(Indexed::Enough) => break,
                Ok(Indexed::Stopped) => return false,
                Ok(Indexed::Not(error)) => {
                    warn!(%account, %error, "an index of texts could not be written; searches read more");
                    return false;
                }
                Err(error) => {
                    warn!(%account, %error, "an index of texts could not be made longer; searches read more");
                    is_complete = false;
                    break;
                }
            }
        }
    }
    is_complete
}

#[cfg(test)]
mod tests {
    use super::*;
    use search_index::IndexLimits;
    use store::sim::{SimEngine, SimObjects};
    use store::{Account, Actor, DeviceId, EmailId, Flags, NewMessage, Protocol, Target, Timestamp};

    const ALICE: AccountId = AccountId(16);

    fn deliver(account: &Account, count: usize) {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now: Timestamp(0) };
        for n in 0..count {
            let body = format!("Subject: {n}\r\n\r\ntext {n}\r\n").into_bytes();
            let message = NewMessage { body, flags: Flags::default(), internal_date: Timestamp(0) };
            account.append(actor, Target::Inbox, message).unwrap();
        }
    }

    #[test]
    fn indexes_that_are_switched_off_go() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        deliver(&store.create_account(ALICE, Timestamp(0)).unwrap(), 100);
        let directory = tempfile::tempdir().unwrap();
        let open = |limits| Indexes::open(directory.path().to_owned(), limits);
        let round = |indexes: &Indexes| assert!(grow(&store, indexes, &|| false, &|| false));
        let indexes = open(IndexLimits::default());
        indexes.want(ALICE);
        round(&indexes);
        assert!(indexes.bytes() > 0);
        let indexes = open(IndexLimits { bytes_max: 0, ..IndexLimits::default() });
        round(&indexes);
        indexes.want(ALICE);
        round(&indexes);
        assert_eq!(indexes.bytes(), 0);
    }

    #[test]
    fn an_index_grows_for_who_searches_and_goes_with_the_room_and_with_the_account() {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let account = store.create_account(ALICE, Timestamp(0)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let indexes = Indexes::open(directory.path().to_owned(), IndexLimits::default());
        let round = |lacks: bool, stops: bool| {
            let had_any = !indexes.wanted().is_empty();
            let is_complete = grow(&store, &indexes, &|| lacks, &|| stops);
            assert_eq!(is_complete, !(stops && had_any), "{lacks} {stops}");
        };
        let last = || account.emails_after(EmailId(0), usize::MAX).unwrap().pop().unwrap();
        deliver(&account, 100);
        round(false, false);
        assert_eq!(indexes.bytes(), 0, "nobody has searched");
        indexes.want(ALICE);
        round(false, true);
        assert_eq!(indexes.bytes(), 0, "the server stops");
        round(false, false);
        assert_eq!(indexes.of(ALICE).reached(), last());
        deliver(&account, 100);
        round(false, false);
        assert_eq!(indexes.of(ALICE).reached(), last());
        round(true, false);
        assert_eq!((indexes.bytes(), indexes.wanted()), (0, Vec::new()), "mail needs the room");
        indexes.want(ALICE);
        round(false, false);
        assert!(indexes.bytes() > 0);
        store.remove_account(ALICE).unwrap();
        round(false, false);
        assert_eq!((indexes.bytes(), indexes.wanted()), (0, Vec::new()), "the account is gone");
    }
}
