//! How fast a backup may go: a bucket of tokens, one for each octet that is read or written.

use metrics::Stopwatch;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Less is no pace at which a backup ends.
pub const RATE_MIN: u64 = 64_000;
/// So long a snapshot of the engine is held for the sake of a pace: the log of its database cannot start over meanwhile.
const HOLD_SECS: u64 = 60;

/// A clock that stands still unless time goes by, and a way to wait.
pub trait Clock: Send + Sync {
    /// Since some moment.
    fn now(&self) -> Duration;
    /// Returns after so long.
    fn wait(&self, time: Duration);
}

/// The clock on the wall.
#[derive(Clone, Copy, Debug)]
pub struct WallClock(Stopwatch);

impl WallClock {
    /// Goes on from now.
    #[must_use]
    pub fn start() -> Self {
        Self(Stopwatch::start())
    }
}

impl Clock for WallClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        thread::sleep(time);
    }
}

/// At most so many octets a second, read and written ones together, over any time but for those of one second.
pub struct Pace {
    rate: u64,
    clock: Box<dyn Clock>,
    bucket: Mutex<Bucket>,
    /// Since when something is held that others need.
    held: Mutex<Option<Duration>>,
}

/// Something is held that others need, until this is dropped: after [`HOLD_SECS`] nothing waits any more, and what was spent is
/// waited for when it is dropped.
pub(crate) struct Hold<'p>(&'p Pace);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.0.spend(0);
    }
}

/// What is in it may be a debt: a piece is taken as a whole, and waited for.
struct Bucket {
    tokens: f64,
    filled: Duration,
}

impl Pace {
    /// At most `rate` octets a second, and at least [`RATE_MIN`].
    #[must_use]
    pub fn new(rate: u64, clock: Box<dyn Clock>) -> Self {
        let rate = rate.max(RATE_MIN);
        let bucket = Mutex::new(Bucket { tokens: rate as f64, filled: clock.now() });
        Self { rate, clock, bucket, held: Mutex::default() }
    }

    pub(crate) fn hold(&self) -> Hold<'_> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.now());
        Hold(self)
    }

    /// Waits until so many more octets may go.
    pub(crate) fn spend(&self, bytes: usize) {
        let rate = self.rate as f64;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let since = now.saturating_sub(bucket.filled).as_secs_f64();
        (bucket.tokens, bucket.filled) = ((bucket.tokens + since * rate).min(rate) - bytes as f64, now);
        let debt = -bucket.tokens;
        drop(bucket);
        if debt <= 0.0 {
            return;
        }
        let wait = Duration::from_secs_f64(debt / rate);
        let held = *self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.map(|since| (since + Duration::from_secs(HOLD_SECS)).saturating_sub(now));
        let wait = left.map_or(wait, |left| wait.min(left));
        if !wait.is_zero() {
            self.clock.wait(wait);
        }
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets a second", self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Goes on only while somebody waits, or when it is told to.
    #[derive(Clone, Default)]
    struct Counted(Arc<Mutex<Duration>>);

    impl Clock for Counted {
        fn now(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn wait(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    #[test]
    fn so_many_octets_take_so_long_whatever_their_pieces() {
        const RATE: u64 = 1_000_000;
        for piece in [1_000, 64_000, 1_000_000, 8_000_000] {
            let clock = Counted::default();
            let pace = Pace::new(RATE, Box::new(clock.clone()));
            (0..40_000_000 / piece).for_each(|_| pace.spend(piece));
            // The first second's worth waits for nobody.
            assert_eq!(clock.now().as_millis(), 39_000, "pieces of {piece}");
        }
    }

    #[test]
    fn what_others_need_is_not_held_for_the_sake_of_the_pace() {
        let clock = Counted::default();
        let pace = Pace::new(1_000_000, Box::new(clock.clone()));
        let hold = pace.hold();
        (0..301).for_each(|_| pace.spend(1_000_000));
        assert_eq!(clock.now().as_secs(), HOLD_SECS);
        drop(hold);
        assert_eq!(clock.now().as_secs(), 300, "what was spent is waited for then");
        pace.spend(1_000_000);
        assert_eq!(clock.now().as_secs(), 301);
    }

    #[test]
    fn what_was_not_used_is_kept_for_a_second_only() {
        let clock = Counted::default();
        let pace = Pace::new(1_000_000, Box::new(clock.clone()));
        clock.wait(Duration::from_secs(3600));
        pace.spend(3_000_000);
        assert_eq!(clock.now(), Duration::from_secs(3602));
        assert_eq!(Pace::new(0, Box::new(clock)).rate, RATE_MIN);
    }
}
