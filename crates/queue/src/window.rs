//! What is to be tried now, in memory: jobs, each a message and one of the places where its mail goes, by sender and by place.
//!
//! Senders take turns, one job each, so that whoever has a hundred thousand waiting delays nobody by more than one; the places
//! where a sender's mail goes take turns as well, and at one place the oldest goes first. A place that takes no more at the moment
//! is passed over: what waits for it waits here, and its sender's other mail goes on. What waits here for one place never takes all of
//! its sender's room: more of it waits in the queue, and what goes to other places is let in past it.
//!
//! Only a part of what is due is here ([`crate::load`] fills it up). Pure.

use crate::entry::QueueId;
use crate::outgoing::Destination;
use crate::turns::Turn;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use store::Timestamp;

/// So many jobs wait here, of each sender no more than a part of the places that are free of them ...
const MANY: usize = 32 * 1024;
const PART: usize = 8;
/// Where there was no room at all there is some again when so many have gone: each look at the queue lets many in.
const CROWD: usize = MANY / PART;
/// ... and so many of each sender in any case, also where there are many already.
const FEW: usize = 16;
/// Of the room that a sender's other jobs leave one place has three quarters at most, the next one that is slow three quarters of the
/// rest, and so on; and a part of all of the sender's room (`PART`) in any case.
const PLACE_PARTS: (usize, usize) = (3, 4);
/// There are never more, but for the last message's other destinations.
pub(crate) const JOBS_MAX: usize = 2 * MANY;

/// A message and one of the places where its mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) id: QueueId,
    pub(crate) turn: Turn,
    pub(crate) destination: Destination,
}

/// Whether a message was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It was.
    Taken,
    /// One of its places has its part of the sender's room; there is room for other places.
    PlaceFull,
    /// There is no room for this sender.
    Full,
}

#[derive(Default)]
pub(crate) struct Window {
    lanes: BTreeMap<Turn, Lane>,
    /// Of which jobs are here or under way.
    messages: HashMap<QueueId, Known>,
    waiting: usize,
    /// Who was served last.
    last: Turn,
    is_low: bool,
    /// There was no room at all for somebody.
    is_crowded: bool,
}

/// What is here of a sender.
#[derive(Default)]
struct Lane {
    waiting: HashMap<Destination, VecDeque<QueueId>>,
    /// The keys of `waiting`, in the order of their turns.
    order: VecDeque<Destination>,
    count: usize,
    under_way: usize,
    /// Jobs that have left their places and have not ended.
    leaving: usize,
    /// What was due before is here, or was.
    loaded_to: Timestamp,
    /// More is due than there was room for.
    has_more: bool,
    /// Not all that was due was looked at.
    is_broken_off: bool,
    /// Places of which more waits in the queue, and how many were here then: they had no room for more.
    left_out: HashMap<Destination, usize>,
    /// All that is due is to be looked at again: somewhere is room, or a message is due again.
    anew: bool,
}

#[derive(Default)]
struct Known {
    jobs: usize,
    /// When it was due as it was let in.
    due_at: Option<Timestamp>,
    /// It was changed meanwhile.
    is_touched: bool,
}

impl Lane {
    /// Nothing of it is under way, nor was a moment ago.
    fn is_idle(&self) -> bool {
        self.under_way == 0 && self.leaving == 0
    }

    fn waiting_for(&self, place: &Destination) -> usize {
        self.waiting.get(place).map_or(0, VecDeque::len)
    }

    /// How many jobs are here, those for one place counted up to a part of the room for `max`: what waits for a slow one is no reason to
    /// let in nothing else.
    fn many_places(&self, max: usize) -> usize {
        self.waiting.values().map(|jobs| jobs.len().min((max / PART).max(FEW))).sum()
    }

    /// Whether one of some places has its part of the room for `max`; that is remembered.
    fn is_full_for(&mut self, places: &[Destination], max: usize) -> bool {
        let (parts, of) = PLACE_PARTS;
        let full = places.iter().find_map(|place| {
            let here = self.waiting_for(place);
            let left = max.saturating_sub(self.count - here);
            (here >= (left * parts / of).max(max / PART).max(FEW)).then(|| (place.clone(), here))
        });
        let is_so = full.is_some();
        self.left_out.extend(full);
        self.has_more |= is_so;
        is_so
    }

    /// Whether what waits in the queue is to be looked at, now that something was taken for a place: of that, or of all, little is here.
    fn is_low(&mut self, place: &Destination, low: usize) -> bool {
        let here = self.waiting_for(place);
        let is_of_place = self.left_out.get(place).is_some_and(|then| here <= then / 4);
        if is_of_place {
            self.left_out.remove(place);
        }
        let is_so = is_of_place || self.has_more && self.count < low;
        self.anew |= is_so;
        is_so
    }
}

impl Window {
    /// From when on what is due of a sender is to be let in; `None`: it has enough for now.
    pub(crate) fn wants_from(&mut self, turn: Turn) -> Option<Timestamp> {
        let max = self.max();
        let Some(lane) = self.lanes.get_mut(&turn) else {
            self.is_crowded |= max == 0;
            return (max > 0).then_some(Timestamp(0));
        };
        // Where places are full another look would come no further than the last one.
        let has_enough = lane.many_places(max) > max / 2 || lane.is_broken_off && !lane.left_out.is_empty();
        if lane.count >= max || has_enough && !lane.anew {
            lane.has_more = true;
            return None;
        }
        if std::mem::take(&mut lane.anew) {
            lane.loaded_to = Timestamp(0);
        }
        Some(lane.loaded_to)
    }

    /// Whether a new message of a sender waits in the queue, behind others for one of its places (`Some(true)`), or goes past what waits
    /// there for other places; `None`: nothing waits there for want of room for its place.
    pub(crate) fn waits_behind(&self, turn: Turn, places: &[Destination]) -> Option<bool> {
        let lane = self.lanes.get(&turn).filter(|lane| !lane.left_out.is_empty())?;
        Some(places.iter().any(|place| lane.left_out.contains_key(place)))
    }

    /// Of a sender so many messages for places that are full are passed over in one look, until what comes behind waits for the next.
    pub(crate) fn passed_over_max(&self) -> usize {
        self.max() / 2
    }

    /// Whether more of a sender is due than is here.
    pub(crate) fn has_more(&self, turn: Turn) -> bool {
        self.lanes.get(&turn).is_some_and(|lane| lane.has_more)
    }

    /// There was no room for a message of a sender.
    pub(crate) fn leave_out(&mut self, turn: Turn) {
        let low = self.low();
        if let Some(lane) = self.lanes.get_mut(&turn) {
            lane.has_more = true;
            self.is_low |= lane.count < low;
        }
        self.tidy(turn);
    }

    /// So many jobs of one sender may wait here now.
    fn max(&self) -> usize {
        match self.waiting {
            ..JOBS_MAX => (MANY.saturating_sub(self.waiting) / PART).max(FEW),
            _ => 0,
        }
    }

    /// A sender's part is low when less than a quarter of what there may be is left: then it takes more, and each look at the queue
    /// lets many in.
    fn low(&self) -> usize {
        self.max() / 4
    }

    pub(crate) fn has(&self, id: QueueId) -> bool {
        self.messages.contains_key(&id)
    }

    /// Lets a message in that is not here, where there is room for all of its jobs.
    pub(crate) fn add(&mut self, turn: Turn, id: QueueId, destinations: Vec<Destination>) -> Room {
        let max = self.max();
        let lane = self.lanes.entry(turn).or_default();
        if lane.count >= max {
            return Room::Full;
        }
        if lane.is_full_for(&destinations, max) {
            return Room::PlaceFull;
        }
        for destination in destinations {
            let jobs = lane.waiting.entry(destination.clone()).or_default();
            if jobs.is_empty() {
                lane.order.push_back(destination);
            }
            jobs.push_back(id);
            lane.count += 1;
            self.waiting += 1;
            self.messages.entry(id).or_default().jobs += 1;
        }
        Room::Taken
    }

    /// What was due until then has been let in, but for what there was no room for. `is_broken_off`: for more than was looked at.
    pub(crate) fn loaded(&mut self, turn: Turn, to: Timestamp, is_broken_off: bool) {
        let low = self.low();
        if let Some(lane) = self.lanes.get_mut(&turn) {
            (lane.loaded_to, lane.is_broken_off) = (to, is_broken_off);
            lane.has_more = is_broken_off || !lane.left_out.is_empty();
            // Much was taken while it was let in.
            let is_low = lane.has_more && lane.count < low;
            lane.anew |= is_low;
            self.is_low |= is_low;
        }
        self.tidy(turn);
    }

    /// The next job, of the sender whose turn it is, for a place that `may` take one, of so many that wait for it. A sender that has
    /// `per_sender_max` under way is passed over.
    pub(crate) fn take(
        &mut self,
        per_sender_max: usize,
        may: &mut dyn FnMut(&Destination, usize) -> bool,
    ) -> Option<Job> {
        let found = |(turn, lane): (&Turn, &Lane), may: &mut dyn FnMut(&Destination, usize) -> bool| {
            let is_free = lane.under_way < per_sender_max;
            let mut may = |place: &Destination| may(place, lane.waiting.get(place).map_or(0, VecDeque::len));
            is_free.then(|| lane.order.iter().position(&mut may).map(|at| (*turn, at))).flatten()
        };
        // From the one after the last to the end, then from the beginning up to the last.
        let after = self.lanes.range((Excluded(self.last), Unbounded));
        let (turn, at) = after.chain(self.lanes.range(..=self.last)).find_map(|lane| found(lane, may))?;
        let destination = self.lanes.get(&turn)?.order.get(at)?.clone();
        self.take_of(turn, destination)
    }

    /// The next job for a place, as [`Window::take`].
    pub(crate) fn take_for(&mut self, destination: &Destination, per_sender_max: usize) -> Option<Job> {
        let after = self.lanes.range((Excluded(self.last), Unbounded));
        let mut in_turn = after.chain(self.lanes.range(..=self.last));
        let has_some = |lane: &Lane| lane.under_way < per_sender_max && lane.waiting.contains_key(destination);
        let turn = in_turn.find(|(_, lane)| has_some(lane)).map(|(turn, _)| *turn)?;
        self.take_of(turn, destination.clone())
    }

    /// Another job of the same sender for the same place.
    pub(crate) fn take_another(&mut self, job: &Job) -> Option<Job> {
        self.take_of(job.turn, job.destination.clone())
    }

    /// Gives a job back, and takes those of the same sender for the same place that wait behind the first `kept`, at most `max`.
    pub(crate) fn take_behind(&mut self, job: Job, kept: usize, max: usize) -> Vec<Job> {
        let low = self.low();
        let Some(lane) = self.lanes.get_mut(&job.turn) else { return Vec::new() };
        let jobs = lane.waiting.entry(job.destination.clone()).or_default();
        if jobs.is_empty() {
            lane.order.push_back(job.destination.clone());
        }
        jobs.push_front(job.id);
        let end = jobs.len().min(kept.saturating_add(max));
        let taken: Vec<QueueId> = jobs.drain(kept.min(end)..end).collect();
        lane.count = lane.count + 1 - taken.len();
        lane.under_way = lane.under_way + taken.len() - 1;
        self.waiting = self.waiting + 1 - taken.len();
        self.is_low |= lane.is_low(&job.destination, low);
        taken.into_iter().map(|id| Job { id, ..job.clone() }).collect()
    }

    fn take_of(&mut self, turn: Turn, destination: Destination) -> Option<Job> {
        let low = self.low();
        let lane = self.lanes.get_mut(&turn)?;
        let jobs = lane.waiting.get_mut(&destination)?;
        let id = jobs.pop_front()?;
        let is_last = jobs.is_empty();
        lane.order.retain(|place| *place != destination);
        if is_last {
            lane.waiting.remove(&destination);
        } else {
            lane.order.push_back(destination.clone());
        }
        lane.count -= 1;
        lane.under_way += 1;
        self.is_low |= lane.is_low(&destination, low);
        self.waiting -= 1;
        if self.waiting < JOBS_MAX - CROWD {
            self.is_low |= std::mem::take(&mut self.is_crowded);
        }
        self.last = turn;
        Some(Job { id, turn, destination })
    }

    /// Whether somebody else, of whom nothing is under way, has a job for a place that `may` take one.
    pub(crate) fn somebody_waits(&self, but: Turn, may: &mut dyn FnMut(&Destination) -> bool) -> bool {
        let mut idle = self.lanes.iter().filter(|(turn, lane)| **turn != but && lane.is_idle());
        idle.any(|(_, lane)| lane.order.iter().any(&mut *may))
    }

    /// A message that is here has a row that says when it is due: another time than before if it was written down meanwhile.
    pub(crate) fn see(&mut self, id: QueueId, at: Timestamp) {
        if let Some(known) = self.messages.get_mut(&id) {
            known.is_touched |= *known.due_at.get_or_insert(at) != at;
        }
    }

    /// A message was changed: when its jobs have ended it is looked at again.
    pub(crate) fn touch(&mut self, id: QueueId) {
        if let Some(known) = self.messages.get_mut(&id) {
            known.is_touched = true;
        }
    }

    /// A job that was taken has ended. `again`: its message is to be looked at again.
    pub(crate) fn done(&mut self, job: &Job, again: bool) {
        self.leave(job);
        self.written(job, again);
    }

    /// A job that was taken leaves its place to others, and ends when [`Window::written`] says so.
    pub(crate) fn leave(&mut self, job: &Job) {
        if let Some(lane) = self.lanes.get_mut(&job.turn) {
            lane.under_way -= 1;
            lane.leaving += 1;
        }
    }

    /// A job that has left its place has ended, as [`Window::done`].
    pub(crate) fn written(&mut self, job: &Job, again: bool) {
        let Some(known) = self.messages.get_mut(&job.id) else { return };
        known.jobs -= 1;
        let (is_last, again) = (known.jobs == 0, again || known.is_touched);
        if is_last {
            self.messages.remove(&job.id);
        }
        if let Some(lane) = self.lanes.get_mut(&job.turn) {
            lane.leaving -= 1;
            if again && is_last {
                (lane.anew, lane.has_more, self.is_low) = (true, true, true);
            }
        }
        self.tidy(job.turn);
    }

    fn tidy(&mut self, turn: Turn) {
        if let Some(lane) = self.lanes.get(&turn).filter(|lane| lane.count == 0 && lane.is_idle()) {
            self.is_low |= lane.has_more;
            self.lanes.remove(&turn);
        }
    }

    /// Whether some sender has more that is due and could be let in; asked once.
    pub(crate) fn take_low(&mut self) -> bool {
        std::mem::take(&mut self.is_low)
    }

    pub(crate) fn is_low(&self) -> bool {
        self.is_low
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Everything that is due is looked at again.
    pub(crate) fn forget_what_was_loaded(&mut self) {
        self.lanes.values_mut().for_each(|lane| lane.anew = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::TlsWish;

    fn to(domain: &str) -> Destination {
        Destination::Domain { name: domain.to_owned(), tls: TlsWish::Usual }
    }

    fn taken(window: &mut Window, per_sender_max: usize, full: &[&str]) -> Vec<u64> {
        let full: Vec<Destination> = full.iter().map(|domain| to(domain)).collect();
        let mut may = |place: &Destination, _| !full.contains(place);
        std::iter::from_fn(|| window.take(per_sender_max, &mut may)).map(|job| job.id.0).collect()
    }

    /// Lets one in for one of ten places.
    fn add(window: &mut Window, turn: Turn, id: QueueId) -> bool {
        window.add(turn, id, vec![to(&(id.0 % 10).to_string())]) == Room::Taken
    }

    #[test]
    fn a_place_that_is_full_holds_up_what_goes_there_and_nothing_else() {
        let mut window = Window::default();
        for (id, domain) in [(1, "full"), (2, "full"), (3, "a"), (4, "b"), (5, "a")] {
            assert_eq!(window.add(Turn::of(Some(20)), QueueId(id), vec![to(domain)]), Room::Taken);
        }
        assert_eq!(taken(&mut window, 9, &["full"]), [3, 4, 5]);
        assert_eq!(taken(&mut window, 4, &[]), [1], "four are under way then");
        assert_eq!(window.take_for(&to("full"), 9).unwrap().id, QueueId(2));
        assert!(window.is_empty() && window.has(QueueId(3)));
    }

    #[test]
    fn a_message_is_known_until_all_of_its_jobs_have_ended() {
        let mut window = Window::default();
        window.add(Turn::of(None), QueueId(1), vec![to("a"), to("b")]);
        let [a, b] = [(); 2].map(|()| window.take(9, &mut |_, _| true).unwrap());
        assert_eq!([&a.destination, &b.destination], [&to("a"), &to("b")]);
        window.done(&a, true);
        assert!(window.has(QueueId(1)) && !window.is_low(), "another one of its jobs goes on");
        window.done(&b, true);
        assert!(!window.has(QueueId(1)) && window.take_low() && !window.take_low());
    }

    #[test]
    fn a_message_that_an_operator_changed_while_it_was_tried_waited_half_a_minute() {
        let mut window = Window::default();
        window.add(Turn::of(None), QueueId(1), vec![to("a")]);
        let job = window.take(9, &mut |_, _| true).unwrap();
        window.touch(QueueId(1));
        window.done(&job, false);
        assert!(window.take_low());
        // So does one that is due again before its job has ended.
        window.add(Turn::of(None), QueueId(2), vec![to("a")]);
        let job = window.take(9, &mut |_, _| true).unwrap();
        [1, 1, 2].into_iter().for_each(|at| window.see(QueueId(2), Timestamp(at)));
        window.done(&job, false);
        assert!(window.take_low());
    }

    #[test]
    fn somebody_waits_of_whom_nothing_is_under_way() {
        let mut window = Window::default();
        window.add(Turn::of(Some(20)), QueueId(1), vec![to("a"), to("b")]);
        let (me, other) = (Turn::of(Some(20)), Turn::of(Some(21)));
        let job = window.take(9, &mut |_, _| true).unwrap();
        assert!(!window.somebody_waits(other, &mut |_| true));
        window.done(&job, false);
        assert!(!window.somebody_waits(me, &mut |_| true), "whoever is served waits for nobody else");
        window.add(other, QueueId(2), vec![to("a")]);
        assert!(window.somebody_waits(me, &mut |_| true));
        assert!(!window.somebody_waits(me, &mut |place| *place != to("a")));
    }

    #[test]
    fn so_many_are_let_in_and_of_each_sender_some() {
        let mut window = Window::default();
        let mut fill = |account: u32| {
            let turn = Turn::of(Some(account));
            let ids = (0..).map(|number| QueueId(u64::from(account) << 32 | number));
            ids.take_while(|id| add(&mut window, turn, *id)).count()
        };
        let first = fill(0);
        assert!(first.abs_diff(MANY / (PART + 1)) <= 1, "{first}: a part of what is free then");
        let (mut all, mut before, mut senders) = (first, first, 1);
        while all < JOBS_MAX {
            let some = fill(senders);
            assert!(some >= FEW.min(JOBS_MAX - all) && some <= before, "{some} of sender {senders}");
            (all, before, senders) = (all + some, some, senders + 1);
        }
        assert!(senders > 1000 && all == JOBS_MAX, "{senders} {all}");
        assert_eq!(fill(senders), 0);
    }

    #[test]
    fn what_waited_for_a_slow_place_took_all_the_room_of_its_sender() {
        let (mut window, turn) = (Window::default(), Turn::of(None));
        let mut ids = (0..).map(QueueId);
        let mut fill = |window: &mut Window, place: &str| {
            let mut rooms = ids.by_ref().map(|id| window.add(turn, id, vec![to(place)]));
            rooms.position(|room| room == Room::PlaceFull).unwrap()
        };
        let (first, second) = (fill(&mut window, "slow"), fill(&mut window, "slower"));
        assert!(second < first && first + second < window.max(), "{first} {second} of {}", window.max());
        assert_eq!(window.waits_behind(turn, &[to("a"), to("slow")]), Some(true));
        assert_eq!(window.waits_behind(turn, &[to("a")]), Some(false));
        assert_eq!(window.add(turn, QueueId(u64::MAX), vec![to("a")]), Room::Taken);
        window.loaded(turn, Timestamp(5), false);
        assert_eq!((window.take_low(), window.wants_from(turn)), (false, Some(Timestamp(5))), "only what is new");
        window.loaded(turn, Timestamp(5), true);
        assert_eq!(window.wants_from(turn), None, "another look would come no further");
        let taken = (1..).find(|_| window.take_for(&to("slow"), usize::MAX).is_some() && window.take_low()).unwrap();
        assert_eq!(first - taken, first / 4);
        assert_eq!(window.wants_from(turn), Some(Timestamp(0)), "there is room for what was passed over");
        assert_eq!((window.waits_behind(turn, &[to("slow")]), fill(&mut window, "slow") > 1), (Some(false), true));
    }

    #[test]
    fn whoever_found_no_room_at_all_waited_half_a_minute_for_it() {
        let mut window = Window::default();
        let full = (0..).map(|account| Turn::of(Some(account))).find(|turn| {
            let ids = (0..).map(|number| QueueId(u64::from(turn.account().unwrap()) << 32 | number));
            ids.take_while(|id| add(&mut window, *turn, *id)).count() == 0
        });
        assert_eq!(window.wants_from(Turn::of(Some(u32::MAX))), None, "after {full:?}");
        for taken in 0..=CROWD {
            assert!(!window.is_low(), "{taken}");
            window.take(usize::MAX, &mut |_, _| true).unwrap();
        }
        assert!(window.take_low() && window.wants_from(Turn::of(Some(u32::MAX))).is_some());
    }

    /// A sender whose part was filled while few waited had more than others may have, and less than it was to have then.
    #[test]
    fn whoever_had_enough_had_the_queue_looked_at_with_each_message_that_left() {
        let mut window = Window::default();
        let mut ids = (0..).map(QueueId);
        let mut fill = |window: &mut Window| {
            for turn in (0..200).map(|account| Turn::of(Some(account))) {
                if window.wants_from(turn).is_some() {
                    while add(window, turn, ids.next().unwrap()) {}
                    window.loaded(turn, Timestamp(0), true);
                }
            }
        };
        fill(&mut window);
        let mut looks = 0;
        for _ in 0..20_000 {
            window.take(usize::MAX, &mut |_, _| true).unwrap();
            if window.take_low() {
                looks += 1;
                fill(&mut window);
            }
        }
        assert!(looks <= 100, "{looks} looks for 20,000 messages");
    }
}
