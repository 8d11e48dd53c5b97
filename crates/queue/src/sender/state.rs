//! What the threads of the sender share, under their lock.

use crate::destinations::Destinations;
use crate::machine::{Instant, TcpStream};
use crate::queue::Newest;
use crate::window::Window;
use std::collections::HashMap;
use std::time::Duration;
use store::Timestamp;

/// A wake-up may get lost, and clocks are set; then the queue is looked at after this time.
const RECHECK: Duration = Duration::from_secs(30);

/// What says when messages are tried is written anew so often: where that is of no use, it is work for all of the queue.
const WRITE_ANEW: Duration = Duration::from_secs(600);

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// What is due of each sender.
    All,
    /// What has come.
    News,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) stopping: bool,
    /// The process goes on: what is known of what happened outside is written down all the same.
    pub(super) leaves: bool,
    /// The time to stop in good order is over.
    pub(super) cut: bool,
    pub(crate) window: Window,
    pub(crate) destinations: Destinations,
    pub(super) loading: Loading,
    /// By the number of their place.
    pub(super) sockets: HashMap<u64, TcpStream>,
    /// Places that there were.
    pub(super) places: u64,
    /// When a message may go to a place to which as many went as may.
    pub(super) paced_until: Option<Timestamp>,
    pub(super) threads_alive: usize,
    /// Threads that wait for `Shared::work`: to wake somebody costs a system call, also where nobody waits.
    pub(super) resting: usize,
    /// Threads that wait for `Shared::changed`.
    pub(super) watching: usize,
}

/// What is known of the messages that are not in the window.
#[derive(Default)]
pub(super) struct Loading {
    pub(super) is_under_way: bool,
    /// What `Queue::news` was when the queue was looked at last; `None`: it was not, or shall be.
    pub(super) news: Option<u64>,
    newest: Option<Newest>,
    /// When the next message's time comes.
    next_at: Option<Timestamp>,
    /// When all is looked at again.
    recheck: Option<Instant>,
    /// When it was written anew when messages are tried.
    written_anew: Option<Instant>,
}

impl State {
    /// The process is about to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.stopping && !self.leaves
    }

    /// A message's time comes then.
    pub(crate) fn look_again_at(&mut self, at: Timestamp) {
        let next_at = &mut self.loading.next_at;
        *next_at = Some(next_at.map_or(at, |known| known.min(at)));
    }

    /// Up to where the queue was looked at.
    pub(crate) fn newest(&self) -> Option<Newest> {
        self.loading.newest
    }

    pub(crate) fn note_newest(&mut self, newest: Option<Newest>) {
        self.loading.newest = newest;
    }

    /// Whether what says when messages are tried may be written anew, because it cannot be read; asked once.
    pub(crate) fn may_write_due_anew(&mut self) -> bool {
        let now = Instant::now();
        let may = self.loading.written_anew.is_none_or(|at| now.duration_since(at) >= WRITE_ANEW);
        if may {
            self.loading.written_anew = Some(now);
        }
        may
    }

    pub(super) fn wants_load(&self, news: u64, now: Timestamp) -> Option<Look> {
        let Loading { is_under_way, news: known, next_at, recheck, .. } = &self.loading;
        let wants_all = self.window.is_low()
            || known.is_none()
            || next_at.is_some_and(|at| at <= now)
            || recheck.is_none_or(|at| at <= Instant::now());
        match is_under_way {
            true => None,
            false if wants_all => Some(Look::All),
            false => (*known != Some(news)).then_some(Look::News),
        }
    }

    pub(super) fn begin_load(&mut self, look: Look, news: u64) {
        (self.loading.is_under_way, self.loading.news) = (true, Some(news));
        if look == Look::News {
            return;
        }
        if self.loading.recheck.is_none_or(|at| at <= Instant::now()) {
            self.loading.recheck = Some(Instant::now() + RECHECK);
            self.window.forget_what_was_loaded();
        }
        self.window.take_low();
        self.loading.next_at = None;
    }

    /// How long there is nothing to do, if nothing happens.
    pub(super) fn rest(&self, now: Timestamp) -> Duration {
        let next_at = self.loading.next_at.into_iter().chain(self.paced_until).min();
        let millis = next_at.map(|at| u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0));
        millis.map_or(RECHECK, Duration::from_millis).min(RECHECK)
    }
}
