//! How long something takes.

use std::time::{Duration, Instant};

/// Runs from when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Runs from now on.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it runs.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
