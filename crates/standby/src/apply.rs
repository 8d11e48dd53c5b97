//! News are applied: of each account those that follow from what is here, as one commit.

use crate::copy::{Bodies, Copy};
use crate::{Error, Primary, is_copied};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::thread;
use store::AccountId;
use store::engine::Commit;
use store::feed::News;

impl Copy {
    /// Applies news. The accounts that have changed otherwise than the news say are added to `stale`, and those in it are left alone.
    /// Without a server to ask for large bodies, an account that needs one is stale.
    ///
    /// # Errors
    /// Faults; some may be applied then.
    pub(crate) fn apply(
        &self,
        news: Vec<News>,
        primary: Option<&dyn Primary>,
        stale: &mut BTreeSet<AccountId>,
    ) -> Result<(), Error> {
        let mut of_account: BTreeMap<AccountId, Vec<News>> = BTreeMap::new();
        for news in news.into_iter().filter(|news| is_copied(news.account()) && !stale.contains(&news.account())) {
            of_account.entry(news.account()).or_default().push(news);
        }
        let mut commits = Vec::new();
        for (account, news) in of_account {
            match self.follow(account, news)? {
                Follows::Nothing => {}
                Follows::Unknown => drop(stale.insert(account)),
                Follows::Commit(commit) => {
                    let bodies = Bodies::of(&*self.engine.snapshot(account)?, &commit.writes)?;
                    if self.bring_bodies(primary, account, &bodies)?.is_empty() {
                        commits.push((commit, bodies));
                    } else {
                        stale.insert(account);
                    }
                }
            }
        }
        self.commit_all(commits)
    }

    fn follow(&self, account: AccountId, news: Vec<News>) -> Result<Follows, Error> {
        let head = self.head(account)?;
        let mut all = Commit { account, expected: head, next: head, writes: Vec::new() };
        for news in news {
            let News::Commit(commit) = news else { return Ok(Follows::Unknown) };
            if commit.next <= head {
                // Told twice, or brought already.
                continue;
            }
            if commit.expected != all.next {
                return Ok(Follows::Unknown);
            }
            all.next = commit.next;
            all.writes.extend(commit.writes);
        }
        if all.next == head {
            return Ok(Follows::Nothing);
        }
        // A first commit meets what a bringing that was broken off has left.
        if !self.is_whole(account)? { Ok(Follows::Unknown) } else { Ok(Follows::Commit(all)) }
    }

    /// Different accounts at the same time: they share flushes.
    fn commit_all(&self, commits: Vec<(Commit, Bodies)>) -> Result<(), Error> {
        let workers = self.options.workers.min(commits.len());
        if workers <= 1 {
            return commits.into_iter().try_for_each(|(commit, bodies)| self.commit(commit, bodies));
        }
        let waiting = Mutex::new(commits.into_iter());
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some((commit, bodies)) = next() {
                self.commit(commit, bodies)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            let outcomes: Vec<Result<(), Error>> = ended
                .map(|ended| ended.unwrap_or_else(|_| Err(crate::fault("a thread that writes has ended"))))
                .collect();
            outcomes.into_iter().collect()
        })
    }
}

/// What news say of an account.
enum Follows {
    /// Nothing that is not here.
    Nothing,
    /// It follows from what is here.
    Commit(Commit),
    /// It has changed, and the news do not say how.
    Unknown,
}
