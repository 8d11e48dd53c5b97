//! Lets what is due into the window, as far as there is room, one thread at a time: sender by sender, or, where messages have come and
//! nothing else has happened, only those.

use crate::entry::{Entry, QueueId, Recipient};
use crate::error::Error;
use crate::outgoing::Destination;
use crate::sender::{Look, Shared};
use crate::turns::{Due, DueNow, Turn};
use crate::window::Room;
use store::Timestamp;
use tracing::error;

/// So many messages are read at a time.
const AT_ONCE: usize = 64;
/// Messages may become visible so much after the time that they bear.
const OVERLAP_MILLIS: i64 = 2000;

impl Shared {
    /// Lets in what is due.
    pub(crate) fn load(&self, what: Look) -> Result<(), Error> {
        let now = (self.clock)();
        let ended = match what {
            Look::All => self.load_all(now),
            Look::News => self.load_news(now),
        };
        self.load_ended();
        if let Err(Error::Damaged(why)) = &ended
            && self.lock().may_write_due_anew()
        {
            error!(why, "what says when messages are tried is damaged; it is written anew");
            self.queue.write_due_anew()?;
        }
        ended
    }

    /// Lets in what has come since the last look, which found all that was due then.
    fn load_news(&self, now: Timestamp) -> Result<(), Error> {
        let before = self.lock().newest();
        let (Some(before), Some(newest)) = (before, self.queue.newest()?) else { return self.load_all(now) };
        if !newest.only_came_since(&before) || self.queue.has_touched() {
            return self.load_all(now);
        }
        let mut after = before.id;
        while after < newest.id {
            let came = self.queue.came_after(after, AT_ONCE)?;
            if came.is_empty() {
                break;
            }
            for entry in came {
                // One that cannot be read is set aside where it is due.
                let Ok(entry) = entry else { return self.load_all(now) };
                after = entry.id;
                self.let_in_new(&entry, now)?;
            }
        }
        self.lock().note_newest(Some(newest));
        self.wake_all();
        Ok(())
    }

    fn let_in_new(&self, entry: &Entry, now: Timestamp) -> Result<(), Error> {
        if entry.held {
            return Ok(());
        }
        if !entry.is_due(now) {
            self.lock().look_again_at(entry.next_at);
            return Ok(());
        }
        let due = Due::of(entry);
        if self.lock().window.has(due.id) {
            return Ok(());
        }
        let Some(destinations) = self.destinations_of(&due, Ok(entry.clone()), now)? else { return Ok(()) };
        let mut state = self.lock();
        match state.window.waits_behind(due.turn, &destinations) {
            Some(true) => return Ok(()),
            // What waits in the queue goes elsewhere.
            Some(false) => {}
            None => {
                let Some(begin) = state.window.wants_from(due.turn) else { return Ok(()) };
                if state.window.has_more(due.turn) {
                    // It comes behind what is due and not here, and there is room for that by now.
                    drop(state);
                    return self.load_of(due.turn, begin, now);
                }
            }
        }
        match state.window.add(due.turn, due.id, destinations) {
            Room::Taken => state.window.see(due.id, due.at),
            Room::PlaceFull | Room::Full => state.window.leave_out(due.turn),
        }
        Ok(())
    }

    fn load_all(&self, now: Timestamp) -> Result<(), Error> {
        // Before anything is looked at: what comes meanwhile is new.
        let newest = self.queue.newest()?;
        self.load_all_senders(now)?;
        self.lock().note_newest(newest);
        Ok(())
    }

    fn load_all_senders(&self, now: Timestamp) -> Result<(), Error> {
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
                self.load_of(first.turn, begin, now)?;
            }
        }
        Ok(())
    }

    /// Lets in what is due of a sender, piece by piece: whichever thread does it keeps no more memory for it than that.
    fn load_of(&self, turn: Turn, begin: Timestamp, now: Timestamp) -> Result<(), Error> {
        let (mut from, mut to) = ((begin, QueueId(0)), now);
        let mut passed_over = 0;
        let (is_full, next_at) = loop {
            let DueNow { messages, next_at, has_more } = self.queue.due_now(turn, from, AT_ONCE, now)?;
            if let Some(last) = messages.last() {
                (from, to) = (last.next(), last.at);
            }
            let had_room = self.let_in(turn, messages, now)?;
            passed_over += had_room.unwrap_or(0);
            let is_full = had_room.is_none() || has_more && passed_over > self.lock().window.passed_over_max();
            if is_full || !has_more {
                break (is_full, next_at);
            }
        };
        let mut state = self.lock();
        // What had no room comes from the beginning again; what its place had no room for, when that has some.
        let to = if is_full { begin } else { Timestamp(to.0.saturating_sub(OVERLAP_MILLIS)) };
        state.window.loaded(turn, to, is_full);
        if let Some(at) = next_at {
            state.look_again_at(at);
        }
        Ok(())
    }

    /// Lets some in, but for those that are here already. How many were passed over, because their places are full; `None`: there was no
    /// room for more.
    fn let_in(&self, turn: Turn, mut messages: Vec<Due>, now: Timestamp) -> Result<Option<usize>, Error> {
        {
            let mut state = self.lock();
            messages.iter().for_each(|due| state.window.see(due.id, due.at));
            messages.retain(|due| !state.window.has(due.id));
        }
        if messages.is_empty() {
            return Ok(Some(0));
        }
        let mut jobs: Vec<(QueueId, Vec<Destination>)> = Vec::new();
        let ids: Vec<QueueId> = messages.iter().map(|due| due.id).collect();
        for (due, entry) in messages.iter().zip(self.queue.show_all(&ids)) {
            if let Some(destinations) = self.destinations_of(due, entry, now)? {
                jobs.push((due.id, destinations));
            }
        }
        let mut state = self.lock();
        let (mut passed_over, mut is_full) = (0, false);
        for (id, destinations) in jobs {
            match state.window.add(turn, id, destinations) {
                Room::Taken => {}
                Room::PlaceFull => passed_over += 1,
                Room::Full => {
                    is_full = true;
                    break;
                }
            }
        }
        messages.iter().for_each(|due| state.window.see(due.id, due.at));
        drop(state);
        self.wake_all();
        Ok((!is_full).then_some(passed_over))
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
        if entry.held || !entry.is_due(now) {
            return self.queue.forget_due(due).map(|()| None);
        }
        match self.destinations_now(&entry, now) {
            // An address that this version does not understand.
            Err(Error::Damaged(why)) => self.set_aside(due, &why).map(|()| None),
            found => found.map(Some),
        }
    }

    fn destinations_now(&self, entry: &Entry, now: Timestamp) -> Result<Vec<Destination>, Error> {
        let groups = self.outgoing.groups(entry, now)?;
        if groups.is_empty() {
            return Ok(vec![Destination::Back]);
        }
        for (destination, places) in &groups {
            self.forgive_where_asked(entry, destination, places);
        }
        Ok(groups.into_iter().map(|(destination, _)| destination).collect())
    }

    /// Somebody, perhaps on another server, wants a message to be tried now: where its destination could not be reached before, it is
    /// asked anew. Whether it is.
    pub(crate) fn forgive_where_asked(&self, entry: &Entry, destination: &Destination, places: &[usize]) -> bool {
        // It has waited, and has no time of its own any more.
        let is_asked_for = |recipient: &Recipient| {
            recipient.is_waiting() && recipient.last_reply().is_some() && recipient.next_at.is_none()
        };
        let mut recipients = places.iter().filter_map(|place| entry.recipients.get(*place));
        recipients.any(is_asked_for) && self.lock().destinations.forgive(destination, entry.next_at)
    }
}
