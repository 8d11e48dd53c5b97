//! What the threads of a standby tell one another: whether it has everything, and that it is to stop. Who rests is woken by both.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by all threads.
#[derive(Debug, Default)]
pub(super) struct Course {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stops: bool,
    is_whole: bool,
}

impl Course {
    /// Everybody stops.
    pub(super) fn stop(&self) {
        self.change(|state| state.stops = true);
    }

    pub(super) fn stops(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stops
    }

    /// Whether everything is here that the server has.
    pub(super) fn set_whole(&self, is_whole: bool) {
        self.change(|state| state.is_whole = is_whole);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }

    /// Rests for a time; false as soon as it is to stop.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.stops {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Waits until everything is here; false as soon as it is to stop.
    pub(super) fn until_whole(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |state: &mut State| !state.stops && !state.is_whole;
        !self.moved.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner).stops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn who_rests_or_waits_is_woken_by_a_stop() {
        for rests in [true, false] {
            let course = Course::default();
            let (began, begins) = channel();
            thread::scope(|scope| {
                let resting = scope.spawn(|| {
                    began.send(()).unwrap();
                    if rests { course.rest(LONG) } else { course.until_whole() }
                });
                begins.recv().unwrap();
                course.stop();
                assert!(!resting.join().unwrap());
            });
            assert!(course.stops() && !course.rest(Duration::ZERO) && !course.until_whole());
        }
    }

    #[test]
    fn who_waits_for_the_whole_is_woken_by_it_and_a_rest_ends_by_itself() {
        let course = Course::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| course.until_whole());
            course.set_whole(true);
            assert!(waiting.join().unwrap());
        });
        assert!(course.rest(Duration::from_millis(1)) && !course.stops());
    }
}
