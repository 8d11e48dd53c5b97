//! What is known of destinations: how many connections lead there, which cannot be reached, and when the next message may go
//! there. One that cannot be reached is asked again once after a while, by one message, however many wait for it; where it was
//! only that TLS is not as some messages need it, those that need less of it go on. In memory only: after a start each is
//! asked anew. Pure: the time is passed in.

use crate::entry::{LastReply, TlsWish};
use crate::outgoing::{Destination, Share};
use crate::schedule::Policy;
use std::collections::{BTreeMap, HashMap};
use store::Timestamp;

/// So many destinations are remembered; the one whose time to be asked comes first is forgotten first.
pub(crate) const REMEMBERED_MAX: usize = 10_000;
/// A destination that cannot be reached is asked again after an hour at the latest.
const LONGEST_WAIT_MILLIS: u64 = 3600 * 1000;

/// By [`Destination::place`].
#[derive(Default)]
pub(crate) struct Destinations(HashMap<String, Known>);

#[derive(Default)]
struct Known {
    /// Nobody there could be talked to.
    trouble: Trouble,
    /// By what messages need of TLS.
    ways: BTreeMap<TlsWish, Way>,
    /// When the next message may go there.
    next_at: Timestamp,
    /// Messages that are not in memory have times until then ([`Destinations::book`]).
    booked_to: Timestamp,
}

/// What is known of a destination for messages that need the same of TLS.
#[derive(Default)]
struct Way {
    under_way: usize,
    /// TLS was not as they need it.
    trouble: Trouble,
}

#[derive(Default)]
struct Trouble {
    /// Since it went well last.
    failures: u32,
    ask_again_at: Timestamp,
    last: Option<LastReply>,
}

/// Why nobody at a destination could be talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreached {
    pub(crate) last: LastReply,
    /// Somebody could have been, but for what the message needs of TLS.
    pub(crate) is_for_tls: bool,
}

/// Whether a message may go to a destination now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes.
    Go,
    /// So many connections as may are there, or one looks whether it can be reached again.
    Full,
    /// So many messages as may have gone there; the next one goes then.
    Paced { until: Timestamp },
    /// It could not be reached, and is asked again then.
    Blocked { until: Timestamp, last: LastReply },
}

impl Admission {
    /// Whether there is something to do with a message now: to send it, or to write down that it waits.
    pub(crate) fn takes_some(&self) -> bool {
        match self {
            Self::Go | Self::Blocked { .. } => true,
            Self::Full | Self::Paced { .. } => false,
        }
    }
}

impl Trouble {
    fn blocks(&self, now: Timestamp) -> Option<Admission> {
        let last = self.last.as_ref().filter(|_| self.failures > 0 && now < self.ask_again_at)?;
        Some(Admission::Blocked { until: self.ask_again_at, last: last.clone() })
    }

    fn add(&mut self, last: LastReply, now: Timestamp) {
        // Others that were under way when the first failed are no further failures.
        if self.failures > 0 && now < self.ask_again_at {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let wait = Policy::default().back_off_millis(self.failures).min(LONGEST_WAIT_MILLIS);
        self.ask_again_at = Timestamp(now.0.saturating_add_unsigned(wait));
        self.last = Some(last);
    }
}

impl Known {
    fn under_way(&self) -> usize {
        self.ways.values().map(|way| way.under_way).sum()
    }

    /// Nothing is known that would not be found out by asking.
    fn is_nothing(&self, now: Timestamp) -> bool {
        let is_well = |way: &Way| way.under_way == 0 && way.trouble.failures == 0;
        self.trouble.failures == 0 && self.ways.values().all(is_well) && self.next_at <= now
    }

    fn asked_at(&self) -> Timestamp {
        let ways = self.ways.values().map(|way| way.trouble.ask_again_at);
        ways.fold(self.trouble.ask_again_at.max(self.next_at), Timestamp::max)
    }
}

impl Destinations {
    /// Whether a message may go there.
    pub(crate) fn look(&self, destination: &Destination, share: Share, now: Timestamp) -> Admission {
        let known = destination.place().and_then(|(place, tls)| Some((self.0.get(place)?, tls)));
        let Some((known, tls)) = known else { return Admission::Go };
        let way = known.ways.get(&tls);
        if let Some(blocked) = known.trouble.blocks(now).or_else(|| way?.trouble.blocks(now)) {
            return blocked;
        }
        let max = if known.trouble.failures > 0 { 1 } else { share.connections_max };
        let is_looking = way.is_some_and(|way| way.trouble.failures > 0 && way.under_way > 0);
        match self.paced_until(destination, share, now) {
            _ if is_looking || known.under_way() >= max => Admission::Full,
            Some(until) => Admission::Paced { until },
            None => Admission::Go,
        }
    }

    /// Until when no message goes there, because of those that went.
    pub(crate) fn paced_until(&self, destination: &Destination, share: Share, now: Timestamp) -> Option<Timestamp> {
        let distance = share.distance_millis?;
        let next_at = self.0.get(destination.place()?.0)?.next_at;
        // Where the clock was set back it says nothing.
        (now < next_at && next_at.0 <= now.0.saturating_add_unsigned(distance)).then_some(next_at)
    }

    /// The times of `count` messages that are to go there one after another, behind as many as `ahead` and those that have times
    /// already; where that is long none is later than any other wait is, and they are looked at again then.
    pub(crate) fn book(
        &mut self,
        destination: &Destination,
        share: Share,
        (ahead, count): (usize, usize),
        now: Timestamp,
    ) -> Vec<Timestamp> {
        let latest = Timestamp(now.0.saturating_add_unsigned(LONGEST_WAIT_MILLIS));
        let distance = share.distance_millis.unwrap_or(0);
        let behind = |at: Timestamp, count: usize| {
            Timestamp(at.0.saturating_add_unsigned(distance.saturating_mul(count as u64))).min(latest)
        };
        let known = destination.place().and_then(|(place, _)| self.0.get_mut(place));
        let next_at = known.as_ref().map_or(now, |known| known.next_at.max(now));
        let first = known.as_ref().map_or(now, |known| known.booked_to.max(behind(next_at, ahead)));
        if let Some(known) = known {
            known.booked_to = behind(first, count);
        }
        (0..count).map(|number| behind(first, number)).collect()
    }

    /// A message goes there.
    pub(crate) fn pass(&mut self, destination: &Destination, share: Share, now: Timestamp) {
        let known = destination.place().and_then(|(place, _)| self.0.get_mut(place));
        if let (Some(known), Some(distance)) = (known, share.distance_millis) {
            known.next_at = Timestamp(now.0.saturating_add_unsigned(distance));
        }
    }

    /// Takes a place; [`Destinations::leave`] has to follow.
    pub(crate) fn enter(&mut self, destination: &Destination) {
        let Some((place, tls)) = destination.place() else { return };
        if !self.0.contains_key(place) {
            self.0.insert(place.to_owned(), Known::default());
        }
        if let Some(known) = self.0.get_mut(place) {
            known.ways.entry(tls).or_default().under_way += 1;
        }
    }

    /// What somebody with a place has found out. `unreached`: nobody there could be talked to, and why.
    pub(crate) fn learn(&mut self, destination: &Destination, unreached: Option<Unreached>, now: Timestamp) {
        let known = destination.place().and_then(|(place, tls)| Some((self.0.get_mut(place)?, tls)));
        let Some((known, tls)) = known else { return };
        let way = known.ways.entry(tls).or_default();
        match unreached {
            None => (known.trouble.failures, way.trouble.failures) = (0, 0),
            Some(Unreached { last, is_for_tls: true }) => {
                known.trouble.failures = 0;
                way.trouble.add(last, now);
            }
            Some(Unreached { last, is_for_tls: false }) => known.trouble.add(last, now),
        }
    }

    /// Gives the place back.
    pub(crate) fn leave(&mut self, destination: &Destination, now: Timestamp) {
        let Some((place, tls)) = destination.place() else { return };
        let Some(known) = self.0.get_mut(place) else { return };
        if let Some(way) = known.ways.get_mut(&tls) {
            way.under_way = way.under_way.saturating_sub(1);
        }
        if known.is_nothing(now) {
            self.0.remove(place);
        }
        if self.0.len() > REMEMBERED_MAX {
            self.0.retain(|_, known| !known.is_nothing(now));
            self.forget_one();
        }
    }

    /// Somebody wanted at that time that it is asked anew: what was found out before keeps nobody from that. Whether there was something.
    pub(crate) fn forgive(&mut self, destination: &Destination, wanted_at: Timestamp) -> bool {
        let known = destination.place().and_then(|(place, tls)| Some((self.0.get_mut(place)?, tls)));
        let Some((known, tls)) = known else { return false };
        let of_way = known.ways.get_mut(&tls).map(|way| &mut way.trouble);
        let mut is_forgiven = false;
        for trouble in of_way.into_iter().chain([&mut known.trouble]) {
            if trouble.failures > 0 && trouble.last.as_ref().is_some_and(|last| last.at <= wanted_at) {
                trouble.ask_again_at = Timestamp(0);
                is_forgiven = true;
            }
        }
        is_forgiven
    }

    fn forget_one(&mut self) {
        let idle = self.0.iter().filter(|(_, known)| known.under_way() == 0);
        let first = idle.min_by_key(|(_, known)| known.asked_at()).map(|(place, _)| place.clone());
        if let Some(first) = first.filter(|_| self.0.len() > REMEMBERED_MAX) {
            self.0.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smtp_proto::Reply;

    const MINUTE: i64 = 60_000;

    fn domain(name: &str) -> Destination {
        Destination::Domain { name: name.to_owned(), tls: TlsWish::Usual }
    }

    fn unreached(is_for_tls: bool) -> Option<Unreached> {
        let last = LastReply::new(&Reply::plain(421, "connection refused"), false, Timestamp(0));
        Some(Unreached { last, is_for_tls })
    }

    fn refused() -> Option<Unreached> {
        unreached(false)
    }

    fn admit(known: &mut Destinations, destination: &Destination, max: usize, now: Timestamp) -> Admission {
        let admission = known.look(destination, Share { connections_max: max, distance_millis: None }, now);
        if admission == Admission::Go {
            known.enter(destination);
        }
        admission
    }

    fn ended(known: &mut Destinations, destination: &Destination, unreached: Option<Unreached>, now: Timestamp) {
        known.learn(destination, unreached, now);
        known.leave(destination, now);
    }

    #[test]
    fn a_dead_destination_is_asked_once_and_rarely_until_it_lives() {
        let (mut known, dead) = (Destinations::default(), domain("dead.example"));
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(0)), Admission::Go);
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(0)), Admission::Go, "nothing is known yet");
        ended(&mut known, &dead, refused(), Timestamp(0));
        ended(&mut known, &dead, refused(), Timestamp(0));
        let until = |until| Admission::Blocked { until: Timestamp(until), last: refused().unwrap().last };
        for _ in 0..10_000 {
            assert_eq!(admit(&mut known, &dead, 5, Timestamp(MINUTE - 1)), until(MINUTE));
        }
        // One looks, the others wait for it.
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(MINUTE)), Admission::Go);
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(MINUTE)), Admission::Full);
        ended(&mut known, &dead, refused(), Timestamp(MINUTE));
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(MINUTE)), until(3 * MINUTE));
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(3 * MINUTE)), Admission::Go);
        ended(&mut known, &dead, None, Timestamp(3 * MINUTE));
        for _ in 0..5 {
            assert_eq!(admit(&mut known, &dead, 5, Timestamp(3 * MINUTE)), Admission::Go);
        }
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(3 * MINUTE)), Admission::Full);
        assert_eq!(admit(&mut known, &domain("other.example"), 5, Timestamp(3 * MINUTE)), Admission::Go);
    }

    #[test]
    fn an_operator_has_it_asked_at_once() {
        let (mut known, dead) = (Destinations::default(), domain("dead.example"));
        admit(&mut known, &dead, 1, Timestamp(0));
        ended(&mut known, &dead, refused(), Timestamp(0));
        let other = domain("other.example");
        admit(&mut known, &other, 1, Timestamp(0));
        ended(&mut known, &other, refused(), Timestamp(0));
        assert!(!known.forgive(&dead, Timestamp(-1)), "it was found out since");
        assert!(matches!(admit(&mut known, &dead, 1, Timestamp(1)), Admission::Blocked { .. }));
        assert!(known.forgive(&dead, Timestamp(1)));
        assert_eq!(admit(&mut known, &dead, 1, Timestamp(1)), Admission::Go);
        known.leave(&dead, Timestamp(1));
        assert_eq!(admit(&mut known, &dead, 1, Timestamp(1)), Admission::Go);
        assert!(matches!(admit(&mut known, &other, 1, Timestamp(1)), Admission::Blocked { .. }), "nobody spoke of it");
    }

    #[test]
    fn so_many_destinations_are_remembered_and_no_more() {
        let mut known = Destinations::default();
        for number in 0..=REMEMBERED_MAX {
            let dead = domain(&number.to_string());
            admit(&mut known, &dead, 1, Timestamp(number as i64));
            ended(&mut known, &dead, refused(), Timestamp(number as i64));
        }
        assert_eq!(known.0.len(), REMEMBERED_MAX);
        assert!(!known.0.contains_key("0"));
    }

    #[test]
    fn what_waits_for_better_tls_held_up_what_needs_none() {
        let mut known = Destinations::default();
        let [usual, waived] = [TlsWish::Usual, TlsWish::Waived]
            .map(|tls| Destination::Domain { name: "stripped.example".to_owned(), tls });
        assert_eq!(admit(&mut known, &usual, 5, Timestamp(0)), Admission::Go);
        ended(&mut known, &usual, unreached(true), Timestamp(0));
        assert!(matches!(admit(&mut known, &usual, 5, Timestamp(1)), Admission::Blocked { .. }));
        for _ in 0..5 {
            assert_eq!(admit(&mut known, &waived, 5, Timestamp(1)), Admission::Go);
        }
        assert_eq!(admit(&mut known, &waived, 5, Timestamp(1)), Admission::Full, "the connections are of all");
        (0..5).for_each(|_| ended(&mut known, &waived, None, Timestamp(2)));
        // What went well without says nothing of the others, and one of them looks.
        assert!(matches!(admit(&mut known, &usual, 5, Timestamp(3)), Admission::Blocked { .. }));
        assert_eq!(admit(&mut known, &usual, 5, Timestamp(MINUTE)), Admission::Go);
        assert_eq!(admit(&mut known, &usual, 5, Timestamp(MINUTE)), Admission::Full);
        // One that is dead is dead for all.
        ended(&mut known, &usual, refused(), Timestamp(MINUTE));
        assert!(matches!(admit(&mut known, &waived, 5, Timestamp(MINUTE)), Admission::Blocked { .. }));
    }

    #[test]
    fn messages_follow_each_other_in_the_distance_that_a_destination_wants() {
        let (mut known, slow) = (Destinations::default(), domain("slow.example"));
        let share = Share { connections_max: 5, distance_millis: Some(3000) };
        let go = |known: &mut Destinations, now| {
            let admission = known.look(&slow, share, Timestamp(now));
            if admission == Admission::Go {
                known.enter(&slow);
                known.pass(&slow, share, Timestamp(now));
                known.leave(&slow, Timestamp(now));
            }
            admission
        };
        assert_eq!(go(&mut known, 10_000), Admission::Go);
        for now in [10_000, 12_999] {
            assert_eq!(go(&mut known, now), Admission::Paced { until: Timestamp(13_000) });
        }
        assert_eq!(go(&mut known, 13_000), Admission::Go);
        // The clock is set back.
        assert_eq!(go(&mut known, 5_000), Admission::Go);
        // Nothing is left of one that nothing goes to any more.
        known.enter(&slow);
        known.leave(&slow, Timestamp(8_000));
        assert!(known.0.is_empty());
    }
}
