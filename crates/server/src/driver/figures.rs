//! What the driver counts: how long steps took, what waited for a place, how late wake-ups were, which jobs were refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics::{
    Counts, Distribution, Exposition, HINT_LAG, JOBS_REFUSED, PLACE_WAITS, STEPS, Stopwatch, WORST_STEP, Worst,
};

/// Of all connections of a server together.
#[derive(Debug)]
pub(super) struct Figures {
    steps: Distribution,
    worst_step: Worst,
    pub(super) place_waits: Distribution,
    pub(super) hint_lag: Distribution,
    pub(super) jobs_refused: Counts<1>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            steps: Distribution::of_seconds(&STEPS),
            worst_step: Worst::new(&WORST_STEP),
            place_waits: Distribution::of_seconds(&PLACE_WAITS),
            hint_lag: Distribution::of_seconds(&HINT_LAG),
            jobs_refused: Counts::new(&JOBS_REFUSED),
        }
    }
}

impl Figures {
    /// A session held its thread so long.
    pub(super) fn stepped(&self, duration: Duration) {
        self.steps.took(duration);
        self.worst_step.took(duration);
    }

    /// The longest step of the last one or two minutes.
    pub(super) fn worst_step(&self) -> Duration {
        self.worst_step.value()
    }

    pub(super) fn tell(&self, told: &mut Exposition) {
        self.steps.tell(told);
        self.worst_step.tell(told);
        self.place_waits.tell(told);
        self.hint_lag.tell(told);
        self.jobs_refused.tell(told);
    }
}

/// When the first wake-up came that was not heard yet, since `begun`.
#[derive(Debug)]
pub(super) struct Since {
    begun: Stopwatch,
    /// Nanoseconds; 0: none came.
    at: AtomicU64,
}

impl Since {
    pub(super) fn new() -> Self {
        Self { begun: Stopwatch::start(), at: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// A wake-up came.
    pub(super) fn note(&self) {
        if self.at.load(Ordering::Relaxed) == 0 {
            // Of two at once either counts.
            self.at.store(self.now(), Ordering::Relaxed);
        }
    }

    /// It is heard; how long that took.
    pub(super) fn heard(&self) -> Option<Duration> {
        let at = Some(self.at.swap(0, Ordering::Relaxed)).filter(|at| *at != 0)?;
        Some(Duration::from_nanos(self.now().saturating_sub(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_is_late_by_the_first_that_was_not_heard() {
        let since = Since::new();
        assert_eq!(since.heard(), None);
        since.note();
        let first = since.at.load(Ordering::Relaxed);
        since.note();
        assert_eq!(since.at.load(Ordering::Relaxed), first, "the second one changes nothing");
        assert!(since.heard().is_some());
        assert_eq!(since.heard(), None, "it was heard");
    }
}
