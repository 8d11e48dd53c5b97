//! Looks at what other servers have done: at all that is watched ten times a second; once a second where hints say what to look at.

use std::mem;
use std::time::{Duration, Instant};

use store::{Error, Heads, Store, TableId};
use tracing::{info, warn};

use crate::hinted::{Hinted, Hints, Next, Pace};

/// What others have changed is looked for so often ...
const LOOK: Duration = Duration::from_millis(100);
/// ... and not before so many times as long has passed as a look takes.
const LOOK_SHARE: u32 = 9;
/// However long one took: it may have waited for a database that answers again.
const LOOK_REST_MAX: Duration = Duration::from_secs(2);
/// Where hints come, what no hint came of is looked for so often.
const LOOK_BESIDE_HINTS: Duration = Duration::from_secs(1);

pub(super) struct Looking<'a, N> {
    store: &'a Store,
    hinted: &'a Hinted,
    /// Called when others have changed the queue.
    news: N,
    heads: Heads,
    queue: u64,
    has_failed: bool,
    /// When all that is watched was looked at, ...
    whole_at: Option<Instant>,
    /// ... and how often it is where hints come.
    beside_hints: Duration,
    said: Hints,
}

impl<'a, N: Fn()> Looking<'a, N> {
    pub(super) fn new(store: &'a Store, hinted: &'a Hinted, news: N) -> Self {
        let (heads, said) = (Heads::default(), Hints::default());
        let beside_hints = LOOK_BESIDE_HINTS;
        Self { store, hinted, news, heads, queue: 0, has_failed: false, whole_at: None, beside_hints, said }
    }

    /// Until it is stopped.
    pub(super) fn go_on(mut self) {
        let mut pace = Pace::new(Instant::now());
        loop {
            let begun = Instant::now();
            let hints_come = self.hints_come();
            self.look(begun, hints_come);
            let until = Instant::now() + (begun.elapsed() * LOOK_SHARE).clamp(LOOK, LOOK_REST_MAX);
            loop {
                match self.hinted.wait(until, hints_come, &pace) {
                    Next::Stop => return,
                    // What came last may not have come.
                    Next::Time | Next::Lost => break,
                    Next::Due(due) => {
                        let begun = Instant::now();
                        let looked = self.store.notice_hinted(&mut self.heads, &due);
                        if looked == Ok(true) {
                            self.hinted.looks.inc(["hint"]);
                        }
                        self.note(looked.map(drop));
                        pace.took(begun, begun.elapsed());
                    }
                }
            }
        }
    }

    fn look(&mut self, now: Instant, hints_come: bool) {
        let is_due = |at: Instant| now.saturating_duration_since(at) >= self.beside_hints;
        let looked = if hints_come && !self.whole_at.is_none_or(is_due) {
            self.store.notice_newly_watched(&mut self.heads)
        } else {
            self.hinted.looks.inc(["poll"]);
            let looked = self.store.notice_others(&mut self.heads);
            self.whole_at = looked.is_ok().then_some(now);
            looked
        };
        self.note(looked);
    }

    fn note(&mut self, looked: Result<(), Error>) {
        match looked {
            Ok(()) => self.has_failed = false,
            Err(error) => {
                // What was not seen is looked for with all else.
                self.whole_at = None;
                if !mem::replace(&mut self.has_failed, true) {
                    warn!(%error, "what other servers have changed is seen late");
                }
            }
        }
        let now = self.store.changed_by_others(TableId::Queue);
        if mem::replace(&mut self.queue, now) != now {
            (self.news)();
        }
    }

    /// Says so in the log when it is otherwise than before.
    fn hints_come(&mut self) -> bool {
        let come = self.hinted.come();
        match (&self.said, &come) {
            (Hints::Come, Hints::Come) | (Hints::DoNotCome(_), Hints::DoNotCome(_)) | (_, Hints::Awaited) => {}
            (_, Hints::Come) => {
                info!("hints of all other servers come: what they do is seen at once, and looked for once a second");
            }
            (_, Hints::DoNotCome(why)) => {
                warn!(why, "hints of other servers do not come: what they do is looked for ten times a second");
            }
        }
        let hints_come = come == Hints::Come;
        if hints_come && self.said != Hints::Come {
            // What was said before they came, nobody has heard.
            self.whole_at = None;
        }
        if come != Hints::Awaited {
            self.said = come;
        }
        hints_come
    }
}

#[cfg(test)]
mod tests;
