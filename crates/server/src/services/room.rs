//! A look at the disk every second; and where room runs out, what is retained gives way, the oldest first.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use console::{AccountConsole, Letterhead};
use store::{AccountId, Actor, DeviceId, Protocol, Store, Timestamp};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;
use crate::lifecycle::Disk;

const EVERY: Duration = Duration::from_secs(1);
/// Retention gives way in steps: what was removed within such a time goes together, in all accounts.
const STEP_MILLIS: i64 = 24 * 3600 * 1000;
/// In so many steps at most in one look.
const STEPS_MAX: usize = 400;

/// Looks at the disk, until `stop` becomes true or its sender is dropped. `is_mail_here`: what gives way makes room on it.
pub(crate) async fn keep_room(
    (store, disk, head): (Store, Arc<Disk>, Letterhead),
    is_mail_here: bool,
    clock: Clock,
    mut stop: watch::Receiver<bool>,
) {
    let mut told = HashSet::new();
    while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
        let (store, disk, now) = (store.clone(), disk.clone(), Timestamp(clock.now().unix_millis));
        let (mut told_before, stopping, head) = (std::mem::take(&mut told), stop.clone(), head.clone());
        let work = spawn_blocking(move || {
            disk.look(store.reusable_bytes());
            let is_over = || !is_mail_here || *stopping.borrow();
            let lacking = || if is_over() { 0 } else { disk.lacking_for_retention(store.reusable_bytes()) };
            let tell = |id| tell(&store, id, &head, now);
            give_way(&store, &lacking, now, &mut |id| {
                if told_before.insert(id) {
                    tell(id);
                }
            });
            if lacking() == 0 { HashSet::new() } else { told_before }
        });
        match work.await {
            Ok(after) => told = after,
            Err(error) => warn!(%error, "a look at the disk did not end well; the next one goes on"),
        }
    }
}

/// Purges what was removed first, as long as room is lacking; `tell` hears whose it was.
fn give_way(store: &Store, lacking: &dyn Fn() -> u64, now: Timestamp, tell: &mut dyn FnMut(AccountId)) {
    for _ in 0..STEPS_MAX {
        let lack = lacking();
        let Some(oldest) = (lack > 0).then(|| oldest(store)).flatten() else { return };
        let before = Timestamp(oldest.0.saturating_add(STEP_MILLIS).min(now.0));
        let mut messages = 0;
        for id in store.accounts().unwrap_or_default() {
            match store.account(id).give_way(before) {
                Ok(0) => {}
                Ok(count) => {
                    messages += count;
                    tell(id);
                }
                Err(error) => warn!(account = %id, %error, "what it retains could not give way"),
            }
        }
        if messages == 0 {
            return;
        }
        warn!(
            messages,
            lacking_bytes = lack,
            "the disk is nearly full: what was removed first has left retention early"
        );
    }
}

fn oldest(store: &Store) -> Option<Timestamp> {
    let since = |id| store.account(id).retained_since().ok().flatten();
    store.accounts().unwrap_or_default().into_iter().filter_map(since).min()
}

fn tell(store: &Store, id: AccountId, head: &Letterhead, now: Timestamp) {
    let actor = Actor { device: DeviceId(0), protocol: Protocol::Server, now };
    if let Err(error) = AccountConsole::new(store.account(id), actor).tell_of_shorter_retention(head) {
        warn!(account = %id, %error, "the owner was not told that removed mail has left retention early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use store::sim::{SimEngine, SimObjects};
    use store::{Expunge, Flags, NewMessage, SystemFlag, Target};

    const DAY: i64 = STEP_MILLIS;

    /// Two accounts; messages of a kilobyte that were removed on these days.
    fn removed(days: [&[i64]; 2]) -> Store {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        for (id, days) in (20..).zip(days) {
            let account = store.create_account(AccountId(id), Timestamp(0)).unwrap();
            for day in days {
                let now = Timestamp(day * DAY);
                let actor = Actor { device: DeviceId(0), protocol: Protocol::Cli, now };
                let flags = Flags::system(&[SystemFlag::Deleted]);
                let message = NewMessage { body: vec![b'x'; 1024], flags, internal_date: now };
                let appended = account.append(actor, Target::Inbox, message).unwrap();
                account.expunge(actor, appended.mailbox, Expunge::AllDeleted).unwrap();
            }
        }
        store
    }

    fn retained(store: &Store) -> [u64; 2] {
        [20, 21].map(|id| store.account(AccountId(id)).retained().unwrap().messages)
    }

    #[test]
    fn on_a_full_disk_what_was_removed_first_gives_way_in_all_accounts_and_no_more_than_must() {
        let store = removed([&[1, 2, 9], &[2, 3, 9]]);
        let now = Timestamp(10 * DAY);
        let mut told = Vec::new();
        let mut when = |lacking: &dyn Fn() -> u64| give_way(&store, lacking, now, &mut |id| told.push(id.0));
        when(&|| 0);
        assert_eq!(retained(&store), [3, 3]);
        let steps = Cell::new(3);
        when(&|| {
            steps.set(steps.get() - 1);
            steps.get()
        });
        assert_eq!(retained(&store), [1, 2], "two steps: the first day, then the second in both accounts");
        when(&|| 1);
        assert_eq!(retained(&store), [0, 0], "nothing is left to give way");
        assert_eq!(told, [20, 20, 21, 21, 20, 21]);
    }

    #[test]
    fn the_owner_is_told_that_removed_mail_has_left_early() {
        let store = removed([&[1], &[]]);
        let (hostname, pages) = ("mail.example.org".to_owned(), "https://mail.example.org".to_owned());
        let head = Letterhead { hostname, pages, ..Letterhead::default() };
        tell(&store, AccountId(20), &head, Timestamp(2 * DAY));
        let account = store.account(AccountId(20));
        let inbox = account.mailboxes().unwrap().by_name("INBOX").unwrap().id;
        let email = account.view(inbox).unwrap().index().last().unwrap().email;
        let letter = String::from_utf8(account.reader().unwrap().body(email).unwrap()).unwrap();
        assert!(letter.contains("Subject: Removed mail is kept for a shorter time\r\n"), "{letter}");
    }
}
