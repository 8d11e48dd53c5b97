//! The indexes of texts grow in the background, one at a time: those of accounts in which somebody has searched.
//!
//! Invariant: mail comes first. Where the disk lacks room the indexes go, before anything that was retained does; and whoever
//! makes one rests as long as it works.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use search::{Indexed, index_some};
use search_index::{IndexLimits, Indexes, NotIndexed, Terms};
use store::{AccountId, Store};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::lifecycle::Disk;

const EVERY: Duration = Duration::from_secs(10);
/// All indexes together are not longer, nor a segment.
pub(crate) const INDEX_LIMITS: IndexLimits = IndexLimits { bytes_max: 16 << 30, segment_messages_max: 4096 };

/// Lets indexes grow, until `stop` becomes true or its sender is dropped.
pub(crate) async fn keep_indexes(
    (store, disk, indexes): (Store, Arc<Disk>, Arc<Indexes>),
    mut stop: watch::Receiver<bool>,
) {
    while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
        let (store, disk, indexes, stopping) = (store.clone(), disk.clone(), indexes.clone(), stop.clone());
        let work = spawn_blocking(move || {
            let lacks = || disk.lacking_for_retention(store.reusable_bytes()) > 0;
            grow(&store, &indexes, &lacks, &|| *stopping.borrow());
        });
        if let Err(error) = work.await {
            warn!(%error, "the indexes of texts did not grow; the next round tries again");
        }
    }
}

/// One round: each index becomes as long as it is worth, unless room `lacks`.
fn grow(store: &Store, indexes: &Indexes, lacks: &dyn Fn() -> bool, is_stopping: &dyn Fn() -> bool) {
    let wanted = indexes.wanted();
    if wanted.is_empty() {
        return;
    }
    if lacks() {
        wanted.into_iter().for_each(|account| indexes.remove(account));
        return;
    }
    let Ok(accounts) = store.accounts() else { return };
    let accounts: BTreeSet<AccountId> = accounts.into_iter().collect();
    let mut terms = None;
    for account in wanted {
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
            let terms = terms.get_or_insert_with(Terms::default);
            match index_some(indexes, &store.account(account), terms, &mut goes_on) {
                Ok(Indexed::More) => {}
                Ok(Indexed::Enough) => break,
                Ok(Indexed::Stopped | Indexed::Not(NotIndexed::Full)) => return,
                Ok(Indexed::Not(NotIndexed::Failed(error))) => {
                    warn!(%account, %error, "an index of texts could not be written; searches read more");
                    return;
                }
                Err(error) => {
                    warn!(%account, %error, "an index of texts could not be made longer; searches read more");
                    break;
                }
            }
        }
    }
}
