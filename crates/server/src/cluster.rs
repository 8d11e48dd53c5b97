//! One of several servers on the same storage: it shows that it is alive, notices what the others have done, and does what is to
//! be done once for all of them as long as it leads ([`store::Node`]).
//!
//! Three threads, because each of them may be kept waiting by the database: one for beats, one that looks for what others have
//! changed, and one that waits for nothing but the end of the lease, and then ends what the lead was for: connections on which
//! mail goes out are cut, before another server can begin.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use store::{BEAT, Heads, LEASE, Node, Standing, Store, TableId};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::services::Outbound;
use crate::setup::SetupError;

/// What others have changed is looked for so often ...
const LOOK: Duration = Duration::from_millis(100);
/// ... and not before so many times as long has passed as a look takes.
const LOOK_SHARE: u32 = 9;

/// Begins what is done once for all servers, in a term of this number.
pub(crate) type Begin = Box<dyn Fn(u64) -> Result<Leading, SetupError> + Send + Sync>;

/// What is done once for all servers, while it is done here.
pub(crate) struct Leading {
    pub(crate) outbound: Outbound,
    pub(crate) stop: watch::Sender<bool>,
}

/// This server among others. Dropped, it has left them.
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    store: Store,
    begin: Begin,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// It leads no more, whatever the others say.
    is_retiring: bool,
    is_stopping: bool,
    leads: Option<(u64, Leading)>,
    /// Until then what it does as the one that leads is valid.
    valid_until: Option<Instant>,
}

impl Leading {
    /// `grace`: what an attempt under way may still take.
    fn end(self, grace: Duration) {
        self.stop.send_replace(true);
        self.outbound.stop_within(grace);
    }
}

impl Cluster {
    /// Goes on with the beats of `node`, and leads when it is its turn.
    ///
    /// # Errors
    /// The system gives no threads.
    pub(crate) fn start(node: Node, store: Store, begin: Begin) -> Result<Self, SetupError> {
        let shared = Arc::new(Shared { store, begin, state: Mutex::default(), changed: Condvar::new() });
        let mut cluster = Self { shared: Arc::clone(&shared), threads: Vec::new() };
        cluster.spawn("node-beats", move |shared| shared.show_beats(node))?;
        cluster.spawn("node-lease", |shared| shared.keep_to_the_lease())?;
        cluster.spawn("node-others", |shared| shared.notice_others())?;
        Ok(cluster)
    }

    /// Ends what it does for all, in good order. The others go on once it has left.
    pub(crate) fn retire(&self, grace: Duration) {
        let leading = {
            let mut state = self.shared.lock();
            state.is_retiring = true;
            state.leads.take()
        };
        if let Some((_, leading)) = leading {
            leading.end(grace);
        }
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce(&Shared) + Send + 'static) -> Result<(), SetupError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared));
        let thread = thread.map_err(|error| SetupError::new(format!("the system gives no threads: {error}")))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.retire(Duration::ZERO);
        self.shared.lock().is_stopping = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, unless the server stops; whether it does.
    fn rest_until(&self, until: Instant) -> bool {
        let time = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.is_stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_stopping
    }

    /// The node leaves the others with the end of this.
    fn show_beats(&self, mut node: Node) {
        let begun = Instant::now();
        let mut failed = false;
        loop {
            let at = Instant::now();
            match node.beat(at - begun) {
                Ok(standing) => {
                    failed = false;
                    self.stand(at, &standing);
                }
                Err(error) if !mem::replace(&mut failed, true) => {
                    warn!(%error, "this server cannot show the others that it is alive");
                }
                Err(_) => {}
            }
            self.store.tidy_locks();
            if self.rest_until(at + BEAT) {
                return;
            }
        }
    }

    /// Does what follows from a beat that began `at` a time.
    fn stand(&self, at: Instant, standing: &Standing) {
        for name in &standing.gone {
            warn!(name, "a server has gone; what it held is free");
        }
        if standing.was_away {
            warn!("the others took this server for gone, because it was silent for too long; what it held it has lost");
        }
        let valid_until = at + LEASE;
        let (ended, term) = {
            let mut state = self.lock();
            state.valid_until = Some(valid_until);
            self.changed.notify_all();
            let term = standing.leads.filter(|_| !state.is_retiring);
            if term.is_some() && term == state.leads.as_ref().map(|(term, _)| *term) {
                return;
            }
            (state.leads.take(), term)
        };
        if let Some((_, leading)) = ended {
            leading.end(Duration::ZERO);
        }
        let Some(term) = term else { return };
        match (self.begin)(term) {
            Ok(leading) => {
                info!(
                    term,
                    "this server leads: it sends what is in the queue, and does what is to be done once for all"
                );
                let mut state = self.lock();
                // Before the other thread looks at the lease.
                match state.is_retiring {
                    false => state.leads = Some((term, leading)),
                    true => {
                        drop(state);
                        leading.end(Duration::ZERO);
                    }
                }
                self.changed.notify_all();
            }
            // The next beat tries again.
            Err(error) => warn!(%error, "this server leads, and cannot do what is to be done once for all"),
        }
    }

    fn keep_to_the_lease(&self) {
        let mut state = self.lock();
        while !state.is_stopping {
            let until = state.valid_until.filter(|_| state.leads.is_some());
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => {
                    let leading = state.leads.take();
                    drop(state);
                    warn!("this server leads no more: it could not show the others in time that it is alive");
                    if let Some((_, leading)) = leading {
                        leading.end(Duration::ZERO);
                    }
                    self.lock()
                }
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn notice_others(&self) {
        let (mut heads, mut queue, mut failed) = (Heads::default(), 0, false);
        loop {
            let begun = Instant::now();
            match self.store.notice_others(&mut heads) {
                Ok(()) => failed = false,
                Err(error) if !mem::replace(&mut failed, true) => {
                    warn!(%error, "what other servers have changed is seen late");
                }
                Err(_) => {}
            }
            let now = self.store.changed_by_others(TableId::Queue);
            if mem::replace(&mut queue, now) != now
                && let Some((_, leading)) = &self.lock().leads
            {
                leading.outbound.wake();
            }
            if self.rest_until(Instant::now() + LOOK.max(begun.elapsed() * LOOK_SHARE)) {
                return;
            }
        }
    }
}
