//! Accounts that were ended are removed when their time has come, a few minutes later at most; what something has stopped half-way is
//! gone on with. Who asks later finds in the audit when an account was gone.

use std::collections::BTreeSet;
use std::time::Duration;

use console::domains_in;
use directory::{Directory, Error};
use reports::{Act, Acts, Looks};
use store::{AccountId, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::clock::Clock;

/// They are looked for so often.
const EVERY: Duration = Duration::from_secs(600);

/// Removes accounts that were ended, once their time has come, until `stop` becomes true or its sender is dropped.
pub async fn remove_leavers(directory: Directory, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut rests = BTreeSet::new();
    while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
        let (directory, mut known) = (directory.clone(), std::mem::take(&mut rests));
        let work = move || {
            remove(&directory, &mut known, Timestamp(clock.now().unix_millis));
            known
        };
        match spawn_blocking(work).await {
            Ok(known) => rests = known,
            Err(error) => warn!(%error, "accounts whose time has come were not looked for"),
        }
    }
}

/// `rests`: accounts of which something was there still in the round before. Only those are gone on with: of others, somebody may be
/// removing them just now.
fn remove(directory: &Directory, rests: &mut BTreeSet<AccountId>, now: Timestamp) {
    // First: what fails in this round is not tried again at once.
    if let Err(error) = finish(directory, rests, now) {
        warn!(%error, "removals that were stopped half-way were not looked for");
    }
    if let Err(error) = begin(directory, now) {
        warn!(%error, "accounts whose time has come were not looked for");
    }
    // Who helped somebody to look for mail is forgotten with the account.
    let is_gone = |account| directory.account_by_id(account).is_ok_and(|info| info.is_none());
    if let Err(error) = Looks::of(directory.store()).forget(&is_gone) {
        warn!(%error, "what was done with mail of accounts that are gone is not forgotten");
    }
}

fn finish(directory: &Directory, rests: &mut BTreeSet<AccountId>, now: Timestamp) -> Result<(), store::Error> {
    let (before, mut seen) = (std::mem::take(rests), BTreeSet::new());
    let finished = directory.finish_removals(&mut |account| {
        seen.insert(account);
        before.contains(&account)
    })?;
    *rests = seen;
    for (account, outcome) in finished {
        match outcome {
            Ok(()) => {
                info!(%account, "the rest of an account that was removed is gone");
                note(directory, format!("removed the rest of the mail of account number {account}"), now);
            }
            Err(error) => {
                warn!(%account, %error, "the rest of an account that was removed is there still; it is tried again")
            }
        }
    }
    Ok(())
}

fn begin(directory: &Directory, now: Timestamp) -> Result<(), store::Error> {
    for (account, outcome) in directory.remove_leavers(now)? {
        match outcome {
            Ok(()) => {
                info!(account, "removed with all its mail: its time has come");
                note(directory, format!("removed the account {account} with all its mail: its time had come"), now);
            }
            Err(error @ Error::Store(_)) if directory.account(&account).is_ok_and(|account| account.is_none()) => {
                warn!(account, %error, "removed: its time has come; some of its mail is there still, and is removed later");
                note(
                    directory,
                    format!("removed the account {account}: its time had come; the rest of its mail goes later"),
                    now,
                );
            }
            Err(error) => warn!(account, %error, "an account whose time has come was not removed; it is tried again"),
        }
    }
    Ok(())
}

fn note(directory: &Directory, what: String, now: Timestamp) {
    let domains = domains_in(&what);
    let act = Act { at: now, who: "the server".to_owned(), from: "itself".to_owned(), what, domains };
    if let Err(error) = Acts::new(directory.store()).note(&act) {
        error!(what = act.what, %error, "what was done is not in the audit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use directory::{DirectoryOptions, PasswordCost};
    use std::sync::Arc;
    use store::Store;
    use store::sim::{Fault, SIM_EPOCH, SimEngine, SimObjects};

    #[test]
    fn that_an_account_was_gone_for_good_stood_nowhere() {
        let engine = SimEngine::new();
        let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
        let options = DirectoryOptions { removal_days: 1, cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let directory = Directory::open(store.clone(), &[7; 32], options).unwrap();
        directory.add_domain("example.org").unwrap();
        let add =
            |name: &str| directory.add_account(&format!("{name}@example.org"), "correct horse", "", SIM_EPOCH).unwrap();
        let [_, bob] = ["alice", "bob"].map(add);
        for name in ["alice", "bob"] {
            directory.leave(&format!("{name}@example.org"), SIM_EPOCH).unwrap();
        }
        let later = Timestamp(SIM_EPOCH.0 + 86_400_000);
        let mut rests = BTreeSet::new();
        let mut remove = |now| remove(&directory, &mut rests, now);
        remove(SIM_EPOCH);
        // Alice, her mail, her line in the audit; Bob; his mail finds no room.
        engine.plan(5, Fault::Full);
        remove(later);
        // In the round after it somebody else may be at it, as far as can be told.
        remove(later);
        assert_eq!(Acts::new(&store).list("", None, 10).unwrap().len(), 2);
        remove(later);
        remove(later);
        let acts = Acts::new(&store).list("", None, 10).unwrap();
        let told: Vec<String> = acts.iter().rev().map(|(_, act)| format!("{}: {}", act.who, act.what)).collect();
        assert_eq!(
            told,
            [
                "the server: removed the account alice@example.org with all its mail: its time had come".to_owned(),
                "the server: removed the account bob@example.org: its time had come; the rest of its mail goes later"
                    .to_owned(),
                format!("the server: removed the rest of the mail of account number {bob}"),
            ]
        );
        assert_eq!(store.accounts(), Ok(vec![]));
    }
}
