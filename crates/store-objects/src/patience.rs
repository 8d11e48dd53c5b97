//! Who waits for something far away that may hang: many for a short time, few for a long one.
//!
//! Whoever reads a message holds a thread, and one of the few places for long work. A bucket that answers late, or not at all, shall
//! not take all of them: all others have their turn meanwhile, and those whose message is not at hand are told so at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// Everybody waits for so long.
const SHORT: Duration = Duration::from_secs(5);
/// So many go on waiting then, for as long as a request may take. There are at least twice as many places for long work
/// (`server`'s `PLACES_MIN`).
pub(crate) const LONG_MAX: usize = 2;

#[derive(Debug)]
pub(crate) struct Patience {
    short: Duration,
    /// How many wait for long.
    long: AtomicUsize,
    /// The last one waited for long: the next one begins so.
    is_late: AtomicBool,
}

/// Too many wait for long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Impatient;

/// One that waits for long, until it is dropped.
struct Long<'a>(&'a Patience);

impl Default for Patience {
    fn default() -> Self {
        Self::with(SHORT)
    }
}

impl Patience {
    fn with(short: Duration) -> Self {
        Self { short, long: AtomicUsize::new(0), is_late: AtomicBool::new(false) }
    }

    /// Waits for what `begin` has begun; `None`: nothing will come.
    ///
    /// # Errors
    /// It takes long, and too many wait for long already. Where that is known before, nothing is begun.
    pub(crate) fn wait<T>(&self, begin: impl FnOnce() -> Receiver<T>) -> Result<Option<T>, Impatient> {
        if self.is_late.load(Ordering::Relaxed) {
            let _long = self.enter()?;
            // Where it comes soon again, nobody is held up any more.
            let receiver = begin();
            return Ok(self.soon(&receiver).unwrap_or_else(|Impatient| receiver.recv().ok()));
        }
        let receiver = begin();
        if let Ok(came) = self.soon(&receiver) {
            return Ok(came);
        }
        let _long = self.enter()?;
        Ok(receiver.recv().ok())
    }

    /// What comes within the short time.
    fn soon<T>(&self, receiver: &Receiver<T>) -> Result<Option<T>, Impatient> {
        let came = match receiver.recv_timeout(self.short) {
            Ok(came) => Ok(Some(came)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(Impatient),
        };
        self.is_late.store(came.is_err(), Ordering::Relaxed);
        came
    }

    fn enter(&self) -> Result<Long<'_>, Impatient> {
        let more = |now: usize| (now < LONG_MAX).then_some(now + 1);
        let entered = self.long.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        entered.map(|_| Long(self)).map_err(|_| Impatient)
    }
}

impl Drop for Long<'_> {
    fn drop(&mut self) {
        self.0.long.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{SyncSender, channel, sync_channel};
    use std::thread;

    /// What was begun: of each the end at which its answer goes in.
    type Begun = std::sync::mpsc::Sender<SyncSender<u32>>;

    fn begin(begun: &Begun) -> Receiver<u32> {
        let (answer, receiver) = sync_channel(1);
        begun.send(answer).unwrap();
        receiver
    }

    #[test]
    fn a_store_that_hung_held_all_who_asked_it() {
        // Whatever has not come yet is late.
        let patience = Patience::with(Duration::ZERO);
        let (begun, asked) = channel();
        thread::scope(|scope| {
            let waiting: Vec<_> = (0..4)
                .map(|_| {
                    let (begun, patience) = (begun.clone(), &patience);
                    scope.spawn(move || patience.wait(|| begin(&begun)))
                })
                .collect();
            // Two are held, whichever they are; the others come back although nothing is ever answered.
            let mut held = waiting;
            while held.len() > LONG_MAX {
                let (done, still): (Vec<_>, Vec<_>) = held.into_iter().partition(thread::ScopedJoinHandle::is_finished);
                done.into_iter().for_each(|waited| assert_eq!(waited.join().unwrap(), Err(Impatient)));
                held = still;
                thread::yield_now();
            }
            while patience.long.load(Ordering::Relaxed) < LONG_MAX {
                thread::yield_now();
            }
            assert_eq!(patience.wait(|| panic!("it asks what hangs")), Err::<Option<u32>, _>(Impatient));
            // It answers again: those who were held get it, and one who comes then is let in.
            while !held.iter().all(thread::ScopedJoinHandle::is_finished) {
                // Who has gone wants no answer.
                asked.try_iter().for_each(|answer| answer.send(7).unwrap_or_default());
                thread::yield_now();
            }
            held.into_iter().for_each(|waited| assert_eq!(waited.join().unwrap(), Ok(Some(7))));
            let answered = || {
                let (answer, receiver) = sync_channel(1);
                answer.send(8).unwrap();
                receiver
            };
            assert_eq!(patience.wait(answered), Ok(Some(8)));
            assert!(!patience.is_late.load(Ordering::Relaxed));
            assert_eq!(patience.long.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn what_was_called_off_is_not_waited_for() {
        let patience = Patience::default();
        assert_eq!(patience.wait(|| sync_channel::<u32>(1).1), Ok(None));
    }
}
