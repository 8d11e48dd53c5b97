//! Lines of the log that strangers can make without end: so many of a kind in a second, and then how many were left out.
//!
//! Which lines these are is said where they are written, by their target ([`session::STRANGERS`]). What happens to mail, and who
//! is let in, is never left out.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session::STRANGERS;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, warn};

/// Lines of one kind in one second.
const LINES_PER_SECOND_MAX: u64 = 100;
/// It is told so often how many were left out.
const EVERY: Duration = Duration::from_secs(1);

/// How many lines of each kind there were in this second.
#[derive(Debug)]
pub(crate) struct Flood {
    /// Gives seconds since some start.
    seconds: fn() -> u64,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

#[derive(Debug)]
struct Kind {
    event: String,
    second: u64,
    lines: u64,
    left_out: u64,
}

impl Flood {
    pub(super) fn new(seconds: fn() -> u64) -> Self {
        Self { seconds, kinds: Mutex::default() }
    }

    /// Whether a line is written; else it is counted.
    pub(super) fn admits(&self, event: &Event<'_>) -> bool {
        if event.metadata().target() != STRANGERS {
            return true;
        }
        let second = (self.seconds)();
        let mut kinds = self.lock();
        let new = || Kind { event: message(event), second, lines: 0, left_out: 0 };
        let kind = kinds.entry(event.metadata().callsite()).or_insert_with(new);
        if kind.second != second {
            (kind.second, kind.lines) = (second, 0);
        }
        let is_admitted = kind.lines < LINES_PER_SECOND_MAX;
        if is_admitted {
            kind.lines += 1;
        } else {
            kind.left_out += 1;
        }
        is_admitted
    }

    /// How many lines were left out since this was asked last, of each kind.
    fn take_left_out(&self) -> Vec<(String, u64)> {
        let mut kinds = self.lock();
        let left_out = kinds.values_mut().filter(|kind| kind.left_out > 0);
        left_out.map(|kind| (kind.event.clone(), std::mem::take(&mut kind.left_out))).collect()
    }

    /// Says how many lines were left out.
    pub(crate) fn tell(&self) {
        for (event, count) in self.take_left_out() {
            warn!(event, count, "lines left out");
        }
    }

    /// Says so every second, until `stop` becomes true or its sender is dropped.
    pub(crate) async fn keep_telling(&self, mut stop: watch::Receiver<bool>) {
        while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
            self.tell();
        }
        self.tell();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a line begins with.
fn message(event: &Event<'_>) -> String {
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    let mut found = Message(String::new());
    event.record(&mut found);
    found.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing::{Metadata, Subscriber, info, span};

    /// Counts the lines that are written.
    struct Counting(Arc<Flood>, Arc<AtomicU64>);

    impl Subscriber for Counting {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            self.1.fetch_add(u64::from(self.0.admits(event)), Ordering::SeqCst);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_stranger_filled_the_disk_with_lines() {
        static SECOND: AtomicU64 = AtomicU64::new(7);
        let flood = Arc::new(Flood::new(|| SECOND.load(Ordering::SeqCst)));
        let written = Arc::<AtomicU64>::default();
        let written_since = || written.swap(0, Ordering::SeqCst);
        let wrong = |times: u64| (0..times).for_each(|n| info!(target: STRANGERS, n, "login failed"));
        let _logs = tracing::subscriber::set_default(Counting(flood.clone(), written.clone()));
        wrong(LINES_PER_SECOND_MAX);
        assert_eq!((written_since(), flood.take_left_out()), (LINES_PER_SECOND_MAX, Vec::new()), "at the limit");
        wrong(2);
        info!(target: STRANGERS, "recipient refused");
        assert_eq!(written_since(), 1, "another kind has its own");
        assert_eq!(flood.take_left_out(), [("login failed".to_owned(), 2)]);
        assert_eq!(flood.take_left_out(), Vec::new(), "it is told once");
        for n in 0..LINES_PER_SECOND_MAX * 2 {
            info!(n, "delivered");
        }
        assert_eq!(written_since(), LINES_PER_SECOND_MAX * 2, "what happens to mail is never left out");
        SECOND.store(8, Ordering::SeqCst);
        wrong(1);
        assert_eq!(written_since(), 1, "the next second");
    }
}
