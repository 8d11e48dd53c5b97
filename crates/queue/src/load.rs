//! Lets what is due into the window, as far as there is room: sender by sender, one thread at a time.

use crate::entry::{Entry, QueueId};
use crate::error::Error;
use crate::outgoing::Destination;
use crate::sender::Shared;
use crate::turns::{Due, DueNow};
use store::Timestamp;

/// So many messages are read at a time.
const AT_ONCE: usize = 64;
/// Messages may become visible so much after the time that they bear.
const OVERLAP_MILLIS: i64 = 2000;

impl Shared {
    /// Lets in what is due.
    pub(crate) fn load(&self) -> Result<(), Error> {
        let ended = self.load_all((self.clock)());
        self.load_ended();
        ended
    }

    fn load_all(&self, now: Timestamp) -> Result<(), Error> {
        let touched = self.queue.take_touched();
        if !touched.is_empty() {
            let mut state = self.lock();
            touched.into_iter().for_each(|id| state.window.touch(id));
        }
        let mut after = None;
        while let Some(first) = self.queue.first_due_after(after)? {
            after = Some(first.turn);
            if first.at > now {
                self.lock().look_again_at(first.at);
                continue;
            }
            let begin = self.lock().window.wants_from(first.turn);
            if let Some(begin) = begin {
                self.load_of(&first, begin, now)?;
            }
        }
        Ok(())
    }

    /// Lets in what is due of the sender of `first`, piece by piece: whichever thread does it keeps no more memory for it than that.
    fn load_of(&self, first: &Due, begin: Timestamp, now: Timestamp) -> Result<(), Error> {
        let (mut from, mut to) = ((begin, QueueId(0)), now);
        let (is_full, next_at) = loop {
            let DueNow { messages, next_at, has_more } = self.queue.due_now(first.turn, from, AT_ONCE, now)?;
            if let Some(last) = messages.last() {
                (from, to) = (last.next(), last.at);
            }
            let is_full = self.let_in(first, messages, now)?;
            if is_full || !has_more {
                break (is_full, next_at);
            }
        };
        let mut state = self.lock();
        // What had no room comes from the beginning again.
        let to = if is_full { begin } else { Timestamp(to.0.saturating_sub(OVERLAP_MILLIS)) };
        state.window.loaded(first.turn, to, is_full);
        if let Some(at) = next_at {
            state.look_again_at(at);
        }
        Ok(())
    }

    /// Lets some in, but for those that are here already; whether there was no room for all.
    fn let_in(&self, first: &Due, mut messages: Vec<Due>, now: Timestamp) -> Result<bool, Error> {
        {
            let mut state = self.lock();
            messages.iter().for_each(|due| state.window.see(due.id, due.at));
            messages.retain(|due| !state.window.has(due.id));
        }
        if messages.is_empty() {
            return Ok(false);
        }
        let mut jobs: Vec<(QueueId, Vec<Destination>)> = Vec::new();
        let ids: Vec<QueueId> = messages.iter().map(|due| due.id).collect();
        for (due, entry) in messages.iter().zip(self.queue.show_all(&ids)) {
            if let Some(destinations) = self.destinations_of(due, entry, now)? {
                jobs.push((due.id, destinations));
            }
        }
        let mut state = self.lock();
        let is_full = !jobs.into_iter().all(|(id, destinations)| state.window.add(first.turn, id, destinations));
        messages.iter().for_each(|due| state.window.see(due.id, due.at));
        drop(state);
        self.wake_all();
        Ok(is_full)
    }

    /// Where a message that is due goes now; `None`: it does not.
    fn destinations_of(
        &self,
        due: &Due,
        entry: Result<Entry, Error>,
        now: Timestamp,
    ) -> Result<Option<Vec<Destination>>, Error> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Error::NoSuchEntry) => return self.queue.forget_due(due).map(|()| None),
            Err(Error::Damaged(why)) => return self.set_aside(due, &why).map(|()| None),
            Err(error) => return Err(error),
        };
        // It was found in a look at the queue that may be out of date.
        if entry.held || entry.next_at > now {
            return self.queue.forget_due(due).map(|()| None);
        }
        self.destinations_now(&entry, now).map(Some)
    }

    fn destinations_now(&self, entry: &Entry, now: Timestamp) -> Result<Vec<Destination>, Error> {
        let groups = self.outgoing.groups(entry, now)?;
        if groups.is_empty() {
            return Ok(vec![Destination::Back]);
        }
        Ok(groups.into_iter().map(|(destination, _)| destination).collect())
    }
}
