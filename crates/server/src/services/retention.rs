//! What was removed longer ago than the retention time gives its space back, and so do bodies that a crash left behind.
//! What POP3 devices deleted and their policies put off is removed when it is due. New mail is indexed by its Message-ID.
//! Sessions on the pages that are over go.

use std::time::Duration;

use auth::Auth;
use store::{Account, Error, Store, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::clock::Clock;

/// After the start, so that a restart is not slowed down.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// From one round to the next.
const EVERY: Duration = Duration::from_secs(3600);
/// In one of so many rounds bodies that no message refers to are looked for.
const SWEEP_ROUNDS: u64 = 24;
/// So old is a body at least that is swept: no delivery runs for so long.
const SWEEP_AGE_MILLIS: i64 = DAY_MILLIS;
const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// Purges all accounts every hour, and forgets sessions on the pages that are over every day, until `stop` becomes true or its sender is dropped. A round that runs then
/// ends after the account that it is at.
pub(crate) async fn keep_retention(auth: Auth, days: u32, clock: Clock, mut stop: watch::Receiver<bool>) {
    let mut pause = FIRST_AFTER;
    for round in 0.. {
        if timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
        let ago = |millis| Timestamp(clock.now().unix_millis.saturating_sub(millis));
        let work = Work {
            now: ago(0),
            purge_before: ago(i64::from(days) * DAY_MILLIS),
            sweep_before: (round % SWEEP_ROUNDS == 0).then(|| ago(SWEEP_AGE_MILLIS)),
        };
        let (auth, stopping) = (auth.clone(), stop.clone());
        let done = spawn_blocking(move || {
            work.run(auth.store(), &|| *stopping.borrow());
            work.forget_sessions(&auth);
        });
        if let Err(error) = done.await {
            warn!(%error, "a purge did not end well; the next one goes on");
        }
        pause = EVERY;
    }
}

/// What one round does.
#[derive(Clone, Copy)]
struct Work {
    now: Timestamp,
    purge_before: Timestamp,
    sweep_before: Option<Timestamp>,
}

impl Work {
    /// One round over all accounts.
    fn run(self, store: &Store, is_stopping: &dyn Fn() -> bool) {
        let accounts = match store.accounts() {
            Ok(accounts) => accounts,
            Err(error) => return warn!(%error, "the accounts cannot be listed for a purge"),
        };
        let (mut messages, mut objects) = (0, 0);
        for id in accounts {
            if is_stopping() {
                break;
            }
            match self.tidy(&store.account(id), is_stopping) {
                Ok((purged, swept)) => {
                    messages += purged;
                    objects += swept;
                }
                // Removed meanwhile.
                Err(Error::NoSuchAccount) => {}
                Err(error) => warn!(account = %id, %error, "an account could not be purged"),
            }
        }
        if messages + objects > 0 {
            info!(messages, objects, "removed mail has left the retention time");
        }
    }

    /// Once a day: those that nobody can use any more.
    fn forget_sessions(self, auth: &Auth) {
        if self.sweep_before.is_none() {
            return;
        }
        if let Err(error) = auth.web().tidy(self.now) {
            warn!(%error, "sessions on the pages that are over could not be forgotten");
        }
    }

    /// How many messages and lost objects went.
    fn tidy(self, account: &Account, is_stopping: &dyn Fn() -> bool) -> Result<(usize, usize), Error> {
        account.remove_due(self.now)?;
        account.index_message_ids(usize::MAX)?;
        while account.note_sent_sizes()? > 0 && !is_stopping() {}
        while account.note_places()? > 0 && !is_stopping() {}
        let messages = account.purge(self.purge_before)?.messages;
        let objects = self.sweep_before.map_or(Ok(0), |before| account.sweep(before))?;
        Ok((messages, objects))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::lifecycle::DataDir;
    use crate::stores::Stores;
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;
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
        let work = |before| Work {
            now: Timestamp(2_000),
            purge_before: Timestamp(before),
            sweep_before: Some(Timestamp(before)),
        };
        work(1_000).run(&store, &|| false);
        assert!(is_kept(&store, 20) && is_kept(&store, 21));
        let asked = Cell::new(0);
        work(1_001).run(&store, &|| asked.replace(asked.get() + 1) == 1);
        assert!(!is_kept(&store, 20) && is_kept(&store, 21), "stopped after the first account");
        work(1_001).run(&store, &|| false);
        assert!(!is_kept(&store, 21));
    }

    /// Whether a file below a directory holds these bytes.
    fn is_on_disk(place: &Path, marker: &[u8]) -> bool {
        fs::read_dir(place).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => is_on_disk(&path, marker),
                false => fs::read(&path).unwrap().windows(marker.len()).any(|window| window == marker),
            }
        })
    }

    #[test]
    fn mail_that_has_left_retention_is_nowhere_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::trial(dir.path().join("data"));
        let open = || {
            let data_dir = DataDir::open(&config.data_dir).unwrap();
            let stores = Stores::open(&data_dir, &config).unwrap();
            (stores, data_dir)
        };
        let marker = b"nobody may read this";
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now: Timestamp(1_000) };
        let (stores, data_dir) = open();
        let account = stores.store.create_account(AccountId(20), Timestamp(1)).unwrap();
        for lines in [1, 100, 10_000] {
            let body = [b"Subject: nobody may read this\r\n\r\n".to_vec(), marker.repeat(lines)].concat();
            let message =
                NewMessage { body, flags: Flags::system(&[SystemFlag::Deleted]), internal_date: Timestamp(1) };
            let appended = account.append(actor, Target::Inbox, message).unwrap();
            account.expunge(actor, appended.mailbox, Expunge::AllDeleted).unwrap();
        }
        drop((account, stores, data_dir));
        assert!(is_on_disk(dir.path(), marker), "it can be put back");
        let (stores, data_dir) = open();
        let before = Timestamp(1_001);
        Work { now: before, purge_before: before, sweep_before: None }.run(&stores.store, &|| false);
        drop((stores, data_dir));
        assert!(!is_on_disk(dir.path(), marker));
    }
}
