//! One of several servers on the same storage: it shows that it is alive, notices what the others have done, and does what is to
//! be done once for all of them as long as it leads ([`store::Node`]).
//!
//! A thread for each thing that may be kept waiting: one for beats, which does nothing else, or a healthy server would be taken for gone;
//! one that begins what falls to this server when it leads; one that looks for what others have changed; one that tidies up; and one that
//! waits for nothing but the end of the lease, and then ends what the lead was for: connections on which mail goes out are cut, before
//! another server can begin.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hints::{HintOptions, Line};
use store::{BEAT, LEASE, Node, Standing, Store};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::hinted::Hinted;
use crate::services::Outbound;
use crate::setup::SetupError;
use looking::Looking;

mod looking;

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
    /// Says that it is there as long as anything of it is.
    _line: Option<Line>,
}

struct Shared {
    store: Store,
    begin: Begin,
    hinted: Arc<Hinted>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// It leads no more, whatever the others say.
    is_retiring: bool,
    /// What it did for all has ended, and the lead is not given up yet.
    is_to_resign: bool,
    /// It is just beginning to do something for all.
    begins: bool,
    is_stopping: bool,
    /// The number of the term in which it is to lead.
    term: Option<u64>,
    leads: Option<(u64, Leading)>,
    /// What it did for all in earlier terms: its threads may still write down what hosts have said.
    left: Vec<Leading>,
    /// Until then what it does as the one that leads is valid.
    valid_until: Option<Instant>,
}

impl State {
    fn may_resign(&self) -> bool {
        self.is_to_resign && !self.begins
    }

    /// Another one leads, or may soon: what was done for all ends at once, and nobody waits for it before this server stops.
    fn leave(&mut self, leading: Leading) {
        leading.leave();
        self.left.retain(|leading| !leading.outbound.has_ended());
        self.left.push(leading);
    }
}

impl Leading {
    /// This server stops. `grace`: what an attempt under way may still take.
    fn end(self, grace: Duration) {
        self.stop.send_replace(true);
        self.outbound.stop_within(grace);
    }

    /// At once and without waiting. What is known already of mail that went out is written down all the same.
    fn leave(&self) {
        self.stop.send_replace(true);
        self.outbound.leave();
    }
}

impl Cluster {
    /// Goes on with the beats of `node`, and leads when it is its turn. What others do it hears, where there is something to hear
    /// it by.
    ///
    /// # Errors
    /// The system gives no threads, or a file cannot be read.
    pub(crate) fn start(
        node: Node,
        (store, hinted): (Store, Arc<Hinted>),
        hints: Option<HintOptions>,
        begin: Begin,
    ) -> Result<Self, SetupError> {
        let open = |options| Line::open(options, store.clone(), hinted.clone(), hinted.counts.clone());
        let _line = hints.map(open).transpose().map_err(SetupError::new)?;
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { store, begin, hinted, state, changed });
        let mut cluster = Self { shared: Arc::clone(&shared), threads: Vec::new(), _line };
        cluster.spawn("node-beats", move |shared| shared.show_beats(node))?;
        cluster.spawn("node-lead", |shared| shared.lead())?;
        cluster.spawn("node-locks", |shared| shared.tidy())?;
        cluster.spawn("node-lease", |shared| shared.keep_to_the_lease())?;
        cluster.spawn("node-others", |shared| shared.notice_others())?;
        Ok(cluster)
    }

    /// Ends what it does for all, in good order, and gives up the lead: another one has it with its next beat, whatever else is still to
    /// end here. Waits for what it left before as well: what a host has taken would be sent again.
    pub(crate) fn retire(&self, grace: Duration) {
        let until = Instant::now() + grace;
        let (leading, left) = {
            let mut state = self.shared.lock();
            state.is_retiring = true;
            (state.leads.take(), mem::take(&mut state.left))
        };
        for leading in leading.map(|(_, leading)| leading).into_iter().chain(left) {
            leading.end(until.saturating_duration_since(Instant::now()));
        }
        self.shared.lock().is_to_resign = true;
        self.shared.changed.notify_all();
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
        self.shared.hinted.stop();
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        // What was just beginning.
        let left = mem::take(&mut self.shared.lock().left);
        left.into_iter().for_each(|leading| leading.end(Duration::ZERO));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, unless the server stops or `is_over`; whether it stops.
    fn rest_until(&self, until: Instant, is_over: impl Fn(&State) -> bool) -> bool {
        let time = until.saturating_duration_since(Instant::now());
        let rests = |state: &mut State| !state.is_stopping && !is_over(state);
        let waited = self.changed.wait_timeout_while(self.lock(), time, rests);
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
            while !self.rest_until(at + BEAT, State::may_resign) {
                if !self.lock().may_resign() {
                    break;
                }
                self.lock().is_to_resign = false;
                if let Err(error) = node.resign() {
                    warn!(%error, "this server does not lead any more, and the others do not know yet; it is tried again");
                }
            }
            if self.lock().is_stopping {
                return;
            }
        }
    }

    /// Notes what follows from a beat that began `at` a time.
    fn stand(&self, at: Instant, standing: &Standing) {
        for name in &standing.gone {
            warn!(name, "a server has gone; what it held is free");
        }
        if standing.was_away {
            warn!("the others took this server for gone, because it was silent for too long; what it held it has lost");
        }
        self.hinted.are(&standing.nodes);
        let mut state = self.lock();
        (state.valid_until, state.term) = (Some(at + LEASE), standing.leads);
        self.changed.notify_all();
    }

    /// Begins and ends what falls to this server, as its beats say.
    fn lead(&self) {
        let mut state = self.lock();
        while !state.is_stopping {
            let term = state.term.filter(|_| !state.is_retiring);
            let led = state.leads.as_ref().map(|(term, _)| *term);
            if term == led {
                state = self.wait(state);
                continue;
            }
            if let Some((_, leading)) = state.leads.take() {
                state.leave(leading);
            }
            state.begins = term.is_some();
            drop(state);
            state = match term {
                Some(term) => self.begin(term),
                None => self.lock(),
            };
            state.begins = false;
            self.changed.notify_all();
        }
    }

    fn begin(&self, term: u64) -> MutexGuard<'_, State> {
        let begun = (self.begin)(term);
        let mut state = self.lock();
        match begun {
            // It may have taken longer than the lease.
            Ok(leading) if state.term != Some(term) || state.is_retiring => {
                state.leave(leading);
                state
            }
            Ok(leading) => {
                info!(
                    term,
                    "this server leads: it sends what is in the queue, and does what is to be done once for all"
                );
                // What came while it began was nobody's news.
                leading.outbound.look_for_news();
                state.leads = Some((term, leading));
                // The end of the lease is waited for from now on.
                self.changed.notify_all();
                state
            }
            Err(error) => {
                warn!(%error, "this server leads, and cannot do what is to be done once for all");
                // The next beat tries again.
                state.term = None;
                state
            }
        }
    }

    fn tidy(&self) {
        while !self.rest_until(Instant::now() + BEAT, |_| false) {
            self.store.tidy_locks();
        }
    }

    fn keep_to_the_lease(&self) {
        let mut state = self.lock();
        while !state.is_stopping {
            let until = state.valid_until.filter(|_| state.term.is_some() || state.leads.is_some());
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => {
                    state.term = None;
                    if let Some((_, leading)) = state.leads.take() {
                        warn!("this server leads no more: it could not show the others in time that it is alive");
                        state.leave(leading);
                    }
                    state
                }
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wait(state),
            };
        }
    }

    fn notice_others(&self) {
        let news = || {
            if let Some((_, leading)) = &self.lock().leads {
                leading.outbound.look_for_news();
            }
        };
        Looking::new(&self.store, &self.hinted, news).go_on();
    }
}

#[cfg(test)]
mod tests;
