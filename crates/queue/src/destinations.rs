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
    /// Yes.
    Go,
    /// So many connections as may are there, or one looks whether it can be reached again.
    Full,
    /// It could not be reached, and is asked again then.
    Blocked { until: Timestamp, last: LastReply },
}

impl Destinations {
    /// Whether a message may go there.
    pub(crate) fn look(&self, destination: &Destination, max: usize, now: Timestamp) -> Admission {
        let Some(known) = self.0.get(destination) else { return Admission::Go };
        match &known.last {
            Some(last) if known.failures > 0 && now < known.ask_again_at => {
                return Admission::Blocked { until: known.ask_again_at, last: last.clone() };
            }
            Some(_) | None => {}
        }
        let max = if known.failures > 0 { 1 } else { max };
        if known.under_way >= max { Admission::Full } else { Admission::Go }
    }

    /// Takes a place; [`Destinations::leave`] has to follow.
    pub(crate) fn enter(&mut self, destination: &Destination) {
        self.0.entry(destination.clone()).or_default().under_way += 1;
    }

    /// What somebody with a place has found out. `unreached`: nobody there could be talked to, in whose words.
    pub(crate) fn learn(&mut self, destination: &Destination, unreached: Option<LastReply>, now: Timestamp) {
        let Some(known) = self.0.get_mut(destination) else { return };
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
    }

    /// Gives the place back.
    pub(crate) fn leave(&mut self, destination: &Destination) {
        let Some(known) = self.0.get_mut(destination) else { return };
        known.under_way = known.under_way.saturating_sub(1);
        if known.failures == 0 && known.under_way == 0 {
            self.0.remove(destination);
        }
        if self.0.len() > REMEMBERED_MAX {
            self.forget_one();
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

    fn admit(known: &mut Destinations, destination: &Destination, max: usize, now: Timestamp) -> Admission {
        let admission = known.look(destination, max, now);
        if admission == Admission::Go {
            known.enter(destination);
        }
        admission
    }

    fn ended(known: &mut Destinations, destination: &Destination, unreached: Option<LastReply>, now: Timestamp) {
        known.learn(destination, unreached, now);
        known.leave(destination);
    }

    #[test]
    fn a_dead_destination_is_asked_once_and_rarely_until_it_lives() {
        let (mut known, dead) = (Destinations::default(), domain("dead.example"));
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(0)), Admission::Go);
        assert_eq!(admit(&mut known, &dead, 5, Timestamp(0)), Admission::Go, "nothing is known yet");
        ended(&mut known, &dead, refused(), Timestamp(0));
        ended(&mut known, &dead, refused(), Timestamp(0));
        let until = |until| Admission::Blocked { until: Timestamp(until), last: refused().unwrap() };
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
        known.forgive();
        assert_eq!(admit(&mut known, &dead, 1, Timestamp(1)), Admission::Go);
        known.leave(&dead);
        assert_eq!(admit(&mut known, &dead, 1, Timestamp(1)), Admission::Go);
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
        assert!(!known.0.contains_key(&domain("0")));
    }
}
