//! What is known of destinations: how many connections lead there, and which cannot be reached. One that cannot is asked
//! again once after a while, by one message, however many wait for it. In memory only: after a start each is asked anew.
//! Pure: the time is passed in.

use crate::entry::LastReply;
use crate::outgoing::Destination;
use crate::schedule::Policy;
use std::collections::HashMap;
use store::Timestamp;

/// So many destinations are remembered; the one whose time to be asked comes first is forgotten first.
pub(crate) const REMEMBERED_MAX: usize = 10_000;
/// A destination that cannot be reached is asked again after an hour at the latest.
const LONGEST_WAIT_MILLIS: u64 = 3600 * 1000;

#[derive(Default)]
pub(crate) struct Destinations(HashMap<Destination, Known>);

#[derive(Default)]
struct Known {
    under_way: usize,
    /// Since it was reached last.
    failures: u32,
    ask_again_at: Timestamp,
    last: Option<LastReply>,
}

/// Whether a message may go to a destination now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes; [`Destinations::ended`] has to follow.
    Go,
    /// So many connections as may are there, or one looks whether it can be reached again.
    Full,
    /// It could not be reached, and is asked again then.
    Blocked { until: Timestamp, last: LastReply },
}

impl Destinations {
    /// Takes a place.
    pub(crate) fn admit(&mut self, destination: &Destination, max: usize, now: Timestamp) -> Admission {
        let known = self.0.entry(destination.clone()).or_default();
        match &known.last {
            Some(last) if known.failures > 0 && now < known.ask_again_at => {
                return Admission::Blocked { until: known.ask_again_at, last: last.clone() };
            }
            Some(_) | None => {}
        }
        let max = if known.failures > 0 { 1 } else { max };
        if known.under_way >= max {
            return Admission::Full;
        }
        known.under_way += 1;
        Admission::Go
    }

    /// Gives the place back. `unreached`: nobody there could be talked to, in whose words.
    pub(crate) fn ended(&mut self, destination: &Destination, unreached: Option<LastReply>, now: Timestamp) {
        let Some(known) = self.0.get_mut(destination) else { return };
        known.under_way = known.under_way.saturating_sub(1);
        match unreached {
            None => known.failures = 0,
            // Others that were under way when the first failed are no further failures.
            Some(_) if known.failures > 0 && now < known.ask_again_at => {}
            Some(last) => {
                known.failures = known.failures.saturating_add(1);
                let wait = Policy::default().back_off_millis(known.failures).min(LONGEST_WAIT_MILLIS);
                known.ask_again_at = Timestamp(now.0.saturating_add_unsigned(wait));
                known.last = Some(last);
            }
        }
        if known.failures == 0 && known.under_way == 0 {
            self.0.remove(destination);
        }
        if self.0.len() > REMEMBERED_MAX {
            self.forget_one();
        }
    }

    /// The place is given back, and nothing was learned.
    pub(crate) fn left(&mut self, destination: &Destination) {
        if let Some(known) = self.0.get_mut(destination) {
            known.under_way = known.under_way.saturating_sub(1);
        }
    }

    /// All are asked anew: an operator wants it.
    pub(crate) fn forgive(&mut self) {
        self.0.values_mut().for_each(|known| known.ask_again_at = Timestamp(0));
    }

    fn forget_one(&mut self) {
        let idle = self.0.iter().filter(|(_, known)| known.under_way == 0);
        if let Some(first) = idle.min_by_key(|(_, known)| known.ask_again_at).map(|(key, _)| key.clone()) {
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
        Destination::Domain(name.to_owned())
    }

    fn refused() -> Option<LastReply> {
        Some(LastReply::new(&Reply::plain(421, "connection refused"), false, Timestamp(0)))
    }

    #[test]
    fn a_dead_destination_is_asked_once_and_rarely_until_it_lives() {
        let (mut known, dead) = (Destinations::default(), domain("dead.example"));
        assert_eq!(known.admit(&dead, 5, Timestamp(0)), Admission::Go);
        assert_eq!(known.admit(&dead, 5, Timestamp(0)), Admission::Go, "nothing is known yet");
        known.ended(&dead, refused(), Timestamp(0));
        known.ended(&dead, refused(), Timestamp(0));
        let until = |until| Admission::Blocked { until: Timestamp(until), last: refused().unwrap() };
        for _ in 0..10_000 {
            assert_eq!(known.admit(&dead, 5, Timestamp(MINUTE - 1)), until(MINUTE));
        }
        // One looks, the others wait for it.
        assert_eq!(known.admit(&dead, 5, Timestamp(MINUTE)), Admission::Go);
        assert_eq!(known.admit(&dead, 5, Timestamp(MINUTE)), Admission::Full);
        known.ended(&dead, refused(), Timestamp(MINUTE));
        assert_eq!(known.admit(&dead, 5, Timestamp(MINUTE)), until(3 * MINUTE));
        assert_eq!(known.admit(&dead, 5, Timestamp(3 * MINUTE)), Admission::Go);
        known.ended(&dead, None, Timestamp(3 * MINUTE));
        for _ in 0..5 {
            assert_eq!(known.admit(&dead, 5, Timestamp(3 * MINUTE)), Admission::Go);
        }
        assert_eq!(known.admit(&dead, 5, Timestamp(3 * MINUTE)), Admission::Full);
        assert_eq!(known.admit(&domain("other.example"), 5, Timestamp(3 * MINUTE)), Admission::Go);
    }

    #[test]
    fn an_operator_has_it_asked_at_once() {
        let (mut known, dead) = (Destinations::default(), domain("dead.example"));
        known.admit(&dead, 1, Timestamp(0));
        known.ended(&dead, refused(), Timestamp(0));
        known.forgive();
        assert_eq!(known.admit(&dead, 1, Timestamp(1)), Admission::Go);
        known.left(&dead);
        assert_eq!(known.admit(&dead, 1, Timestamp(1)), Admission::Go);
    }

    #[test]
    fn so_many_destinations_are_remembered_and_no_more() {
        let mut known = Destinations::default();
        for number in 0..=REMEMBERED_MAX {
            let dead = domain(&number.to_string());
            known.admit(&dead, 1, Timestamp(number as i64));
            known.ended(&dead, refused(), Timestamp(number as i64));
        }
        assert_eq!(known.0.len(), REMEMBERED_MAX);
        assert!(!known.0.contains_key(&domain("0")));
    }
}
