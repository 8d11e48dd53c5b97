//! A look at every account in the background: begun when an administrator asks, once at a time, the last one kept in memory.

use std::sync::{Arc, Mutex, PoisonError};

use auth::Auth;
use console::{Administration, Error, Party, Stretch, Survey};
use store::{AccountId, Actor, DeviceId, Protocol, Timestamp};
use tokio::runtime::Handle;
use tracing::warn;

use crate::clock::Clock;

/// Looks when it is told to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Surveyor(Arc<Inner>);

struct Inner {
    auth: Auth,
    clock: Clock,
    runtime: Handle,
    last: Mutex<Arc<Survey>>,
}

impl Surveyor {
    /// Must be made on a runtime.
    pub(crate) fn new(auth: &Auth, clock: Clock) -> Self {
        Self(Arc::new(Inner { auth: auth.clone(), clock, runtime: Handle::current(), last: Mutex::default() }))
    }

    /// What was found the last time, or so far. With `look` it looks again, if it does not look just now.
    pub(crate) fn ask(&self, look: bool) -> Arc<Survey> {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        if look && !last.is_running() {
            *last = Arc::new(Survey::begun(self.now()));
            self.0.runtime.spawn(self.clone().look());
        }
        Arc::clone(&last)
    }

    /// A stretch at a time, so that a server that stops waits for one of them at most.
    async fn look(self) {
        loop {
            let (surveyor, after) = (self.clone(), self.ask(false).last());
            let found = tokio::task::spawn_blocking(move || surveyor.stretch(after)).await;
            let more = match found {
                Ok(Ok(stretch)) => self.change(|survey, now| survey.take(stretch, now)),
                Ok(Err(error)) => self.failed(error.to_string()),
                Err(error) => self.failed(error.to_string()),
            };
            if !more {
                return;
            }
        }
    }

    fn stretch(&self, after: Option<AccountId>) -> Result<Stretch, Error> {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: self.now() };
        Administration::of(&Party::Operator, self.0.auth.clone(), actor)?.look(after)
    }

    fn failed(&self, why: String) -> bool {
        warn!(why, "the look at all accounts ended early");
        self.change(|survey, now| survey.fail(why, now));
        false
    }

    fn change<T>(&self, change: impl FnOnce(&mut Survey, Timestamp) -> T) -> T {
        let now = self.now();
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut last), now)
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.0.clock.now().unix_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth::AuthOptions;
    use console::SurveyPage;
    use directory::{DirectoryOptions, PasswordCost};
    use store::Store;
    use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

    fn surveyor(accounts: usize) -> Surveyor {
        let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
        let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
        let auth = Auth::open(store, [7; 32], AuthOptions { directory, ..AuthOptions::default() }).unwrap();
        auth.directory().add_domain("example.org").unwrap();
        for n in 0..accounts {
            auth.directory().add_account(&format!("user{n}@example.org"), "correct horse", "", SIM_EPOCH).unwrap();
        }
        Surveyor::new(&auth, Clock::start())
    }

    fn page(surveyor: &Surveyor) -> SurveyPage {
        let actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: surveyor.now() };
        let administration = Administration::of(&Party::Operator, surveyor.0.auth.clone(), actor).unwrap();
        administration.survey(&surveyor.ask(false), None).unwrap()
    }

    #[test]
    fn it_looks_once_at_a_time_to_the_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let surveyor = surveyor(120);
        assert_eq!(page(&surveyor), SurveyPage::default(), "nobody has asked");
        assert!(surveyor.ask(true).is_running() && surveyor.ask(true).is_running());
        assert_eq!(runtime.metrics().num_alive_tasks(), 1, "a second one looks");
        runtime.block_on(async {
            while surveyor.ask(false).is_running() {
                tokio::task::yield_now().await;
            }
        });
        let page = page(&surveyor);
        assert!(page.is_well() && page.looked_at == 120, "{page:?}");
        assert!(surveyor.ask(true).is_running(), "a new one begins when it is asked for");
    }
}
