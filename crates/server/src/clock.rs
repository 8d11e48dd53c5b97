//! The clock that drivers read. Below them the time is a parameter ([`Moment`]).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use session::Moment;

/// Reads both clocks of a [`Moment`]. One clock serves the whole server, so that deadlines compare.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic side begins at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The current time on both clocks.
    #[must_use]
    pub fn now(&self) -> Moment {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Moment { unix_millis: millis(unix) as i64, monotonic_millis: millis(self.start.elapsed()) }
    }

    /// The instant of `monotonic_millis`, at most a year from now (timers do not reach further).
    pub(crate) fn instant(&self, monotonic_millis: u64) -> Instant {
        let now = self.start.elapsed();
        let wanted = Duration::from_millis(monotonic_millis).min(now + FAR);
        self.start + wanted
    }
}

/// Further away than any deadline that matters.
pub(crate) const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whole milliseconds; 2^63 ms are 292 million years.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(i64::MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_deadline_does_not_overflow() {
        let clock = Clock::start();
        assert!(clock.instant(u64::MAX) <= Instant::now() + FAR + Duration::from_secs(60));
        assert!(clock.instant(u64::MAX) > Instant::now() + FAR / 2);
        assert!(clock.now().unix_millis > 1_700_000_000_000);
    }
}
