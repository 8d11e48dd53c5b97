//! The damage brake: whether what a device asks to remove is so much more than it ever removed that its owner is asked first.
//!
//! A removal is a message that would be in no mailbox any more: by EXPUNGE, by DELETE of a mailbox, or by what a POP3
//! device's policy does at QUIT or later. Emptying Trash or Junk is none, except for what the same device has brought there
//! within [`WINDOW_HOURS`]; a message that stays in another mailbox is none; what the only device of an account has downloaded
//! over POP3 and deletes is none. Moves and flags are none: nothing is lost by them, and undo takes them back.
//!
//! [`decide`] says which removals are held; docs/decisions/0008-damage-brake.md says why, and tests/brake.rs plays a month of
//! ordinary use against it. What it needs to know of a device is its `Pace`, one small record that every removal renews.

use crate::codec::Corrupt;
use crate::ids::{HoldId, Timestamp};
use crate::record::{open, versioned};

/// What a device removes is counted over so many hours.
pub const WINDOW_HOURS: i64 = 24;
/// No device is held that has removed so many messages or fewer in the window.
pub const MESSAGES_MIN: u64 = 300;
/// A device may remove so many times what it ever removed in a window.
pub const TIMES_MAX: u64 = 3;
/// A device that comes back may remove for each day that it was away what it ever removed in a window; so many days count.
pub const AWAY_DAYS_MAX: u64 = 60;
/// Held is what takes at least this part of the account's messages: one in so many.
pub const ACCOUNT_PART: u64 = 4;
/// Held is what takes at least this part of INBOX: one in so many.
pub const INBOX_PART: u64 = 2;

const HOUR_MILLIS: i64 = 3600 * 1000;
const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// Numbers of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removals {
    /// All of them.
    pub messages: u64,
    /// Those of them that were in INBOX.
    pub of_inbox: u64,
}

impl std::ops::Add for Removals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(other.messages),
            of_inbox: self.of_inbox.saturating_add(other.of_inbox),
        }
    }
}

/// What is known when a device asks to remove messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// No device is held that removes so many or fewer: [`MESSAGES_MIN`].
    pub messages_min: u64,
    /// What it asks to remove with this operation.
    pub asked: Removals,
    /// What it removed in the window before, or had held.
    pub removed: Removals,
    /// The most that it ever removed in a window before this one.
    pub largest_day: u64,
    /// Whole days since it last removed something; 0 for one that never did.
    pub away_days: u64,
    /// What was there when the window began: in the account but for Trash and Junk, and in INBOX.
    pub there: Removals,
}

/// What becomes of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Pass,
    /// It is held until the owner of the account has answered.
    Hold,
}

/// Whether a removal is held: when the device has removed more than [`MESSAGES_MIN`] within the window, more than
/// [`TIMES_MAX`] times what it ever did (and more than that for each day that it was away), and a good part of the account or
/// of INBOX.
#[must_use]
pub fn decide(findings: &Findings) -> Verdict {
    let Findings { messages_min, asked, removed, largest_day, away_days, there } = *findings;
    let all = removed + asked;
    let usual = largest_day.saturating_mul(TIMES_MAX.max(away_days.min(AWAY_DAYS_MAX)));
    let is_part = |all: u64, there: u64, part: u64| all > messages_min && all.saturating_mul(part) >= there;
    let is_much =
        is_part(all.messages, there.messages, ACCOUNT_PART) || is_part(all.of_inbox, there.of_inbox, INBOX_PART);
    if asked.messages > 0 && all.messages > usual.max(messages_min) && is_much { Verdict::Hold } else { Verdict::Pass }
}

/// How fast a device removes: what [`decide`] has to know of it, without a look at the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The hours of the window in which it did something, oldest first; at most [`WINDOW_HOURS`].
    hours: Vec<Hour>,
    /// The most that it ever removed within a window that is over, and what its owner let it remove.
    pub(crate) largest_day: u64,
    /// When it last removed something.
    last_at: Option<Timestamp>,
    /// Its hold that has no answer yet.
    pub(crate) hold: Option<HoldId>,
}

/// What a device did in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Hour {
    /// Hours since 1970.
    number: i64,
    removed: Removals,
    /// Those of `removed` that are held.
    held: u64,
    /// What it brought to Trash or Junk, as long as it has not removed it from there.
    put_away: Removals,
    /// What it had removed in the window when it last removed something in this hour; nothing held.
    peak: u64,
}

impl Pace {
    /// Lets hours leave the window. A clock that went back changes nothing.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let first = now.0.div_euclid(HOUR_MILLIS) - WINDOW_HOURS + 1;
        let over = self.hours.iter().take_while(|hour| hour.number < first).count();
        let peak = self.hours.drain(..over).map(|hour| hour.peak).max().unwrap_or(0);
        self.largest_day = self.largest_day.max(peak);
    }

    /// What it removed in the window, held or not.
    pub(crate) fn removed(&self) -> Removals {
        self.hours.iter().fold(Removals::default(), |sum, hour| sum + hour.removed)
    }

    /// What it brought to Trash and Junk in the window and has not removed from there.
    pub(crate) fn put_away(&self) -> Removals {
        self.hours.iter().fold(Removals::default(), |sum, hour| sum + hour.put_away)
    }

    pub(crate) fn away_days(&self, now: Timestamp) -> u64 {
        self.last_at.map_or(0, |last| u64::try_from(now.0.saturating_sub(last.0)).unwrap_or(0) / DAY_MILLIS)
    }

    /// Counts what it removed, or what of it is held.
    pub(crate) fn count(&mut self, removed: Removals, verdict: Verdict, now: Timestamp) {
        let hour = self.hour(now);
        hour.removed = hour.removed + removed;
        match verdict {
            Verdict::Hold => hour.held += removed.messages,
            Verdict::Pass => {
                let peak = self.hours.iter().fold(0, |sum, hour| sum + hour.removed.messages - hour.held);
                self.hour(now).peak = peak;
            }
        }
        self.last_at = self.last_at.max(Some(now));
    }

    /// Counts what it brought to Trash or Junk.
    pub(crate) fn count_put_away(&mut self, messages: Removals, now: Timestamp) {
        let hour = self.hour(now);
        hour.put_away = hour.put_away + messages;
    }

    /// It removes from Trash or Junk what it had brought there; the oldest first.
    pub(crate) fn take_put_away(&mut self, mut messages: Removals) {
        for hour in &mut self.hours {
            for (from, left) in [
                (&mut hour.put_away.messages, &mut messages.messages),
                (&mut hour.put_away.of_inbox, &mut messages.of_inbox),
            ] {
                let taken = (*from).min(*left);
                *from -= taken;
                *left -= taken;
            }
        }
    }

    /// Its owner has answered: the window begins anew.
    pub(crate) fn begin_anew(&mut self) {
        self.hours.clear();
    }

    fn hour(&mut self, now: Timestamp) -> &mut Hour {
        let newest = self.hours.last().map_or(i64::MIN, |hour| hour.number);
        let number = now.0.div_euclid(HOUR_MILLIS).max(newest);
        if number > newest {
            self.hours.push(Hour { number, ..Hour::default() });
        }
        let last = self.hours.len() - 1;
        &mut self.hours[last]
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = versioned();
        w.number(self.largest_day).option(self.last_at, |w, at| {
            w.signed(at.0);
        });
        w.option(self.hold, |w, hold| {
            w.number(hold.0.into());
        });
        w.number(self.hours.len() as u64);
        for Hour { number, removed, held, put_away, peak } in &self.hours {
            w.signed(*number).number(removed.messages).number(removed.of_inbox).number(*held);
            w.number(put_away.messages).number(put_away.of_inbox).number(*peak);
        }
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut r = open(bytes)?;
        let pace = Self {
            largest_day: r.number()?,
            last_at: r.option(|r| r.signed().map(Timestamp))?,
            hold: r.option(|r| r.small().map(HoldId))?,
            hours: r.list(|r| {
                Ok(Hour {
                    number: r.signed()?,
                    removed: Removals { messages: r.number()?, of_inbox: r.number()? },
                    held: r.number()?,
                    put_away: Removals { messages: r.number()?, of_inbox: r.number()? },
                    peak: r.number()?,
                })
            })?,
        };
        r.end().map(|()| pace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn of(messages: u64, of_inbox: u64) -> Removals {
        Removals { messages, of_inbox }
    }

    #[test]
    fn each_limit_holds_at_one_past_it() {
        // All of INBOX, which is all of the account.
        let all = |messages| Findings {
            messages_min: MESSAGES_MIN,
            asked: of(messages, messages),
            there: of(messages, messages),
            ..Findings::default()
        };
        let elsewhere = Findings { asked: of(1_000, 0), there: of(4_000, 2_000), ..all(0) };
        let inbox = Findings { asked: of(1_000, 1_000), there: of(9_000, 2_000), ..all(0) };
        for (what, findings, expected) in [
            ("few messages", all(300), Verdict::Pass),
            ("one more", all(301), Verdict::Hold),
            ("with what went before", Findings { removed: of(300, 300), ..all(1) }, Verdict::Hold),
            ("nothing, whatever went before", Findings { removed: of(900, 900), ..all(0) }, Verdict::Pass),
            ("three times what it ever did", Findings { largest_day: 1_000, ..all(3_000) }, Verdict::Pass),
            ("one more", Findings { largest_day: 1_000, ..all(3_001) }, Verdict::Hold),
            ("after 30 days", Findings { largest_day: 50, away_days: 30, ..all(1_500) }, Verdict::Pass),
            ("one more", Findings { largest_day: 50, away_days: 30, ..all(1_501) }, Verdict::Hold),
            ("after 60 days", Findings { largest_day: 50, away_days: 60, ..all(3_000) }, Verdict::Pass),
            ("after a year", Findings { largest_day: 50, away_days: 365, ..all(3_001) }, Verdict::Hold),
            ("a quarter of the account", elsewhere, Verdict::Hold),
            ("less", Findings { asked: of(999, 0), ..elsewhere }, Verdict::Pass),
            ("half of INBOX", inbox, Verdict::Hold),
            ("less", Findings { asked: of(999, 999), ..inbox }, Verdict::Pass),
            (
                "a small INBOX beside much else",
                Findings { asked: of(500, 300), there: of(9_000, 300), ..all(0) },
                Verdict::Pass,
            ),
            ("one more", Findings { asked: of(500, 301), there: of(9_000, 301), ..all(0) }, Verdict::Hold),
        ] {
            assert_eq!(decide(&findings), expected, "{what}: {findings:?}");
        }
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp(hours * HOUR_MILLIS)
    }

    #[test]
    fn a_burst_is_not_measured_against_itself() {
        let mut pace = Pace::default();
        pace.count(of(10, 10), Verdict::Pass, at(100));
        pace.count(of(5, 0), Verdict::Pass, at(110));
        pace.count(of(70, 70), Verdict::Hold, at(110));
        pace.advance(at(123));
        assert_eq!((pace.removed(), pace.largest_day), (of(85, 80), 0));
        pace.advance(at(124));
        assert_eq!((pace.removed(), pace.largest_day), (of(75, 70), 10));
        pace.advance(at(134));
        assert_eq!((pace.removed(), pace.largest_day), (of(0, 0), 15), "what was held does not count");
        assert_eq!((pace.away_days(at(133)), pace.away_days(at(134)), pace.away_days(at(5))), (0, 1, 0));
        pace.count(of(1, 1), Verdict::Pass, at(90));
        pace.count(of(1, 1), Verdict::Pass, at(80));
        assert_eq!(pace.hours.len(), 1, "a clock that goes back opens no hour");
        pace.begin_anew();
        assert_eq!((pace.removed(), pace.largest_day), (of(0, 0), 15));
    }

    #[test]
    fn what_it_threw_away_itself_counts_when_it_empties_the_trash() {
        let mut pace = Pace::default();
        pace.count_put_away(of(10, 4), at(1));
        pace.count_put_away(of(10, 10), at(2));
        pace.take_put_away(of(12, 5));
        assert_eq!(pace.put_away(), of(8, 9));
        pace.advance(at(25));
        assert_eq!(pace.put_away(), of(8, 9), "what went first was the oldest");
        pace.take_put_away(of(100, 100));
        assert_eq!(pace.put_away(), of(0, 0));
    }

    #[test]
    fn a_pace_is_read_as_it_was_written_and_stays_small() {
        let mut pace = Pace { largest_day: 9, hold: Some(HoldId(7)), ..Pace::default() };
        assert_eq!(Pace::decode(&pace.encode()), Ok(pace.clone()));
        for hour in 0..1_000 {
            pace.advance(at(hour));
            pace.count(of(3, 1), Verdict::Pass, at(hour));
            pace.count_put_away(of(2, 1), at(hour));
        }
        assert_eq!(Pace::decode(&pace.encode()), Ok(pace.clone()));
        assert_eq!((pace.hours.len(), pace.largest_day), (WINDOW_HOURS as usize, 72));
        assert!(pace.encode().len() < 300);
        assert_eq!(Pace::decode(&[9]), Err(Corrupt));
    }
}
