//! What this server has heard of the others: which accounts may have moved, and whether hints come at all, from all of them.
//!
//! Nothing that is heard is believed. A hint makes somebody look, as often as `Pace` lets them and no oftener; and that hints come
//! only makes the looks at all that is watched rarer.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hints::{BEAT, Hearer, Hint};
use metrics::{Counts, Exposition, HINTS, HINTS_COME, LOOKS};
use store::{AccountId, ModSeq, Store};

/// A server of which nothing was heard for so long is one whose hints do not come.
const SILENCE: Duration = Duration::from_secs(3 * BEAT.as_secs());
/// On the average there are so many looks a second because of hints at most, ...
const LOOKS_PER_SECOND: u32 = 200;
/// ... so many of them one after the other, ...
const LOOKS_AT_ONCE: u32 = 20;
/// ... and they take half of the time at most.
const LOOK_SHARE: u32 = 2;
/// What is told of why nothing comes: NATS may say part of it.
const WHY_CHARS_MAX: usize = 200;

/// What was heard.
pub(crate) struct Hinted {
    store: Store,
    /// What this server is called, where there is something to hear hints by.
    me: Option<String>,
    state: Mutex<State>,
    changed: Condvar,
    pub(crate) counts: Counts<1>,
    pub(crate) looks: Counts<1>,
}

#[derive(Default)]
struct State {
    /// All servers that there are, this one among them, and when each was heard, if it was since the connection came; nothing as long as
    /// that is not known.
    heard: BTreeMap<String, Option<Instant>>,
    link: Link,
    /// Accounts that may have moved, with the highest head that somebody named. Only what is watched here, so they are few.
    due: BTreeMap<AccountId, ModSeq>,
    is_stopping: bool,
}

/// How it stands with NATS.
#[derive(Debug, Default)]
enum Link {
    /// There is none.
    #[default]
    None,
    /// Nothing has come yet.
    Awaited,
    Heard,
    /// Nothing comes, and why.
    Lost(String),
}

/// Whether hints come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hints {
    /// Not known yet; or there is nothing to hear them by.
    #[default]
    Awaited,
    Come,
    /// And why not.
    DoNotCome(String),
}

/// Why somebody who waited goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is time.
    Time,
    /// Something may have moved.
    Due(BTreeMap<AccountId, ModSeq>),
    /// Hints came, and do not come any more.
    Lost,
    Stop,
}

impl Hinted {
    /// `me`: what this server is called, where there is something to hear hints by.
    pub(crate) fn new(store: &Store, me: Option<String>) -> Self {
        let link = if me.is_some() { Link::Awaited } else { Link::None };
        Self {
            store: store.clone(),
            me,
            state: Mutex::new(State { link, ..State::default() }),
            changed: Condvar::new(),
            counts: Counts::new(&HINTS),
            looks: Counts::new(&LOOKS),
        }
    }

    /// Which servers there are. One that has just come has so long until it is missed.
    pub(crate) fn are(&self, names: &[String]) {
        let mut state = self.lock();
        let now = Instant::now();
        let since = |name: &String| (name.clone(), state.heard.get(name).copied().unwrap_or(Some(now)));
        let heard = names.iter().map(since).collect();
        state.heard = heard;
    }

    /// Whether hints of all that there are come.
    pub(crate) fn come(&self) -> Hints {
        self.lock().come(Instant::now())
    }

    /// Waits until then; or, where `hints_come`, until something may have moved or they come no more.
    pub(crate) fn wait(&self, until: Instant, hints_come: bool, pace: &Pace) -> Next {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            if state.is_stopping {
                return Next::Stop;
            }
            if hints_come && matches!(state.link, Link::Lost(_)) {
                return Next::Lost;
            }
            let may_look = (!state.due.is_empty()).then(|| pace.next());
            if may_look.is_some_and(|at| at <= now) {
                return Next::Due(std::mem::take(&mut state.due));
            }
            if until <= now {
                return Next::Time;
            }
            let time = may_look.map_or(until, |at| at.min(until)).saturating_duration_since(now);
            state = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nobody waits any more.
    pub(crate) fn stop(&self) {
        self.lock().is_stopping = true;
        self.changed.notify_all();
    }

    pub(crate) fn tell_metrics(&self, told: &mut Exposition) {
        match self.come() {
            Hints::Awaited => {}
            Hints::Come => told.gauge(&HINTS_COME, 1.0),
            Hints::DoNotCome(_) => told.gauge(&HINTS_COME, 0.0),
        }
        self.counts.tell(told);
        self.looks.tell(told);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hearer for Hinted {
    fn heard(&self, hint: &Hint<'_>) {
        // What others have done is only asked for where somebody here waits for it; what this server has done is known.
        let is_own = self.me.as_deref() == Some(hint.node);
        let heads = if is_own { Vec::new() } else { hint.heads().collect() };
        let watched = self.store.watched_of(heads);
        let mut state = self.lock();
        if let Some(at) = state.heard.get_mut(hint.node) {
            *at = Some(Instant::now());
            state.link = Link::Heard;
        }
        if watched.is_empty() {
            return;
        }
        for (id, head) in watched {
            let due = state.due.entry(id).or_default();
            // The head of an account that was removed is 0: no other one is as new.
            *due = (*due).max(if head == ModSeq(0) { ModSeq(u64::MAX) } else { head });
        }
        self.changed.notify_all();
    }

    fn lost(&self, why: String) {
        // It goes to terminals.
        let shown = |character: char| if character.is_control() { '?' } else { character };
        let mut state = self.lock();
        state.link = Link::Lost(why.chars().take(WHY_CHARS_MAX).map(shown).collect());
        // What they say before they are connected again, too, nobody hears.
        state.heard.values_mut().for_each(|at| *at = None);
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn come(&self, now: Instant) -> Hints {
        match &self.link {
            Link::None => return Hints::Awaited,
            Link::Lost(why) => return Hints::DoNotCome(why.clone()),
            Link::Awaited | Link::Heard => {}
        }
        let is_silent =
            |(_, at): &(&String, &Option<Instant>)| at.is_none_or(|at| now.saturating_duration_since(at) > SILENCE);
        let silent: Vec<&str> = self.heard.iter().filter(is_silent).map(|(name, _)| name.as_str()).collect();
        match (silent.is_empty(), &self.link) {
            (false, _) => Hints::DoNotCome(format!("nothing is heard of {}", silent.join(", "))),
            (true, Link::Heard) => Hints::Come,
            (true, Link::None | Link::Awaited | Link::Lost(_)) => Hints::Awaited,
        }
    }
}

/// How often hints may make somebody look.
#[derive(Debug)]
pub(crate) struct Pace {
    /// The looks so far are worth the time until then.
    paid_until: Instant,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    /// When the next look may begin.
    pub(crate) fn next(&self) -> Instant {
        let at_once = Duration::from_secs(1) / LOOKS_PER_SECOND * (LOOKS_AT_ONCE - 1);
        self.paid_until.checked_sub(at_once).unwrap_or(self.paid_until)
    }

    /// One began `at` a time, and took so long.
    pub(crate) fn took(&mut self, at: Instant, time: Duration) {
        let worth = (Duration::from_secs(1) / LOOKS_PER_SECOND).max(time * LOOK_SHARE);
        self.paid_until = self.paid_until.max(at) + worth;
    }
}

#[cfg(test)]
mod tests;
