//! How long something takes.

use std::time::{Duration, Instant};

/// The target of what is told of the way of a message, part by part, at level `trace`: its `id`, how many microseconds the part `took`, how
/// many `ago` it ended (none: now), and what is known of it.
pub const STAGES: &str = "stages";

/// Runs from when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Runs from now on.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long it runs, microseconds.
    #[must_use]
    pub fn micros(self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long it runs.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
