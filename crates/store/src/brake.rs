//! The damage brake: whether what a device asks to remove is so much more than it ever removed that its owner is asked first.
//!
//! A removal is a message that would be in no mailbox any more: by EXPUNGE, by DELETE of a mailbox, or by what a POP3
//! device's policy does at QUIT or later. Emptying Trash or Junk is none, except for what the same device has brought there
//! within [`WINDOW_HOURS`]; a message that stays in another mailbox is none; what the only device of an account has downloaded
//! over POP3 and deletes is none; what the device has uploaded itself within the window is none. Moves and flags are none:
//! nothing is lost by them, and undo takes them back.
//!
//! [`decide`] says which removals are held; docs/decisions/0014-the-brake-is-proportional.md says why, and tests/brake plays
//! a month of ordinary use against it. What it needs to know of a device is its `Pace`, one small record that every removal
//! renews. All devices of the main password have one pace together: who holds that password chooses what it calls itself.

use crate::codec::{Corrupt, Reader, Writer};
use crate::ids::{HoldId, MailboxId, Timestamp};
use crate::record::{grown, open_grown};

/// What a device removes is counted over so many hours.
pub const WINDOW_HOURS: i64 = 24;
/// No device is held that has removed so many messages or fewer in the window.
pub const MESSAGES_MIN: u64 = 30;
/// More than so many times that many are many: then a good part is enough, without them nearly all.
const MANY_TIMES: u64 = 10;
/// Nearly all is at least so many of [`NEARLY_ALL_OF`].
pub const NEARLY_ALL: u64 = 4;
/// See [`NEARLY_ALL`].
pub const NEARLY_ALL_OF: u64 = 5;
/// A device may remove so many times what it ever removed in a window.
pub const TIMES_MAX: u64 = 3;
/// A device that comes back may remove for each day that it was away what it ever removed in a window; so many days count.
const AWAY_DAYS_MAX: u64 = 60;
/// A good part of the account: one message in so many.
const ACCOUNT_PART: u64 = 4;
/// A good part of INBOX: one message in so many.
const INBOX_PART: u64 = 2;
/// Another mailbox that is nearly emptied is held when it is one message of the account in so many; of a smaller one the owner
/// is told.
const MAILBOX_PART: u64 = 10;
/// A pace knows at most so many mailboxes other than INBOX; the one that was removed from longest ago is forgotten.
pub const MAILBOXES_MAX: usize = 16;

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

/// What was removed of how many messages that were there when the window began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Removed, with what is asked for now.
    pub removed: u64,
    /// There, before that.
    pub there: u64,
}

impl Share {
    pub(crate) fn is_nearly_all(self, messages_min: u64) -> bool {
        self.removed > messages_min
            && self.removed.saturating_mul(NEARLY_ALL_OF) >= self.there.saturating_mul(NEARLY_ALL)
    }

    fn is_part(self, many: u64, part: u64) -> bool {
        self.removed > many && self.removed.saturating_mul(part) >= self.there
    }

    /// Whether it is more of what was there than another.
    pub(crate) fn is_more_than(self, other: Self) -> bool {
        self.removed.saturating_mul(other.there) > other.removed.saturating_mul(self.there)
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
    /// Those of them that are held and wait for an answer.
    pub held: u64,
    /// The most that it ever removed in a window before this one.
    pub largest_day: u64,
    /// Whole days since it last removed something; 0 for one that never did.
    pub away_days: u64,
    /// What was there when the window began: in the account but for Trash and Junk, and in INBOX.
    pub there: Removals,
    /// Of the other mailboxes that it asks to remove from, the one that it has removed most of.
    pub mailbox: Option<Share>,
}

/// What becomes of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is carried out.
    Pass,
    /// It is carried out, and the owner sees that it was unusual.
    Tell,
    /// It is held until the owner of the account has answered.
    Hold,
}

/// Of what a device removed too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The account.
    Account,
    /// INBOX.
    Inbox,
    /// The mailbox of [`Findings::mailbox`].
    Mailbox,
    /// What is held already.
    Before,
}

/// Whether a removal is held. It is when the device has removed more than [`MESSAGES_MIN`] within the window, more than
/// [`TIMES_MAX`] times what it ever did (and more than that for each day that it was away), and nearly all of the account, of
/// INBOX or of a mailbox that matters; of many messages a good part is enough. What follows within the window is held with it.
#[must_use]
pub fn decide(findings: &Findings) -> (Verdict, Of) {
    let Findings { messages_min, asked, removed, held, largest_day, away_days, there, mailbox } = *findings;
    let all = removed + asked;
    let usual = largest_day.saturating_mul(TIMES_MAX.max(away_days.min(AWAY_DAYS_MAX)));
    if asked.messages > 0 && held > 0 {
        return (Verdict::Hold, Of::Before);
    }
    if asked.messages == 0 || all.messages <= usual.max(messages_min) {
        return (Verdict::Pass, Of::Account);
    }
    let many = messages_min.saturating_mul(MANY_TIMES);
    let account = Share { removed: all.messages, there: there.messages };
    let inbox = Share { removed: all.of_inbox, there: there.of_inbox };
    let is_emptied = |share: &Share| share.is_nearly_all(messages_min);
    match mailbox.filter(is_emptied) {
        _ if is_emptied(&inbox) || inbox.is_part(many, INBOX_PART) => (Verdict::Hold, Of::Inbox),
        Some(mailbox) if mailbox.there.saturating_mul(MAILBOX_PART) >= there.messages => (Verdict::Hold, Of::Mailbox),
        _ if is_emptied(&account) || account.is_part(many, ACCOUNT_PART) => (Verdict::Hold, Of::Account),
        Some(_) => (Verdict::Tell, Of::Mailbox),
        None => (Verdict::Pass, Of::Account),
    }
}

/// That a device removed, or wanted to remove, far more than it ever did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burst {
    /// When it asked for the last of it.
    pub at: Timestamp,
    /// Whether it is held.
    pub is_held: bool,
    /// The name of the mailbox that it removed from; `None`: from several.
    pub mailbox: Option<String>,
    /// How many messages.
    pub removed: u64,
    /// Of how many.
    pub there: u64,
}

impl Burst {
    fn write(&self, w: &mut Writer) {
        w.signed(self.at.0).byte(u8::from(self.is_held)).option(self.mailbox.as_deref(), |w, name| {
            w.text(name);
        });
        w.number(self.removed).number(self.there);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            at: Timestamp(r.signed()?),
            is_held: r.byte()? != 0,
            mailbox: r.option(Reader::text)?,
            removed: r.number()?,
            there: r.number()?,
        })
    }
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
    /// What it removed from mailboxes other than INBOX lately, at most [`MAILBOXES_MAX`]; the one that was removed from last is
    /// the last.
    mailboxes: Vec<OfMailbox>,
    /// What its owner sees of it.
    pub(crate) burst: Option<Burst>,
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
    /// What it brought to other mailboxes: `of_inbox`, so that it left INBOX; `messages`, copies that it uploaded.
    elsewhere: Removals,
}

/// What a device removed from a mailbox since an hour; after a window it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfMailbox {
    mailbox: MailboxId,
    since: i64,
    removed: u64,
}

impl Pace {
    /// Lets hours leave the window. A clock that went back changes nothing.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        let first = hour_of(now) - WINDOW_HOURS + 1;
        let over = self.hours.iter().take_while(|hour| hour.number < first).count();
        let peak = self.hours.drain(..over).map(|hour| hour.peak).max().unwrap_or(0);
        self.largest_day = self.largest_day.max(peak);
    }

    /// What it removed in the window, held or not.
    pub(crate) fn removed(&self) -> Removals {
        self.hours.iter().fold(Removals::default(), |sum, hour| sum + hour.removed)
    }

    /// What of that is held and has no answer.
    pub(crate) fn held(&self) -> u64 {
        self.hours.iter().map(|hour| hour.held).sum()
    }

    /// What it brought to Trash and Junk in the window and has not removed from there.
    pub(crate) fn put_away(&self) -> Removals {
        self.hours.iter().fold(Removals::default(), |sum, hour| sum + hour.put_away)
    }

    /// What it brought to other mailboxes in the window.
    pub(crate) fn elsewhere(&self) -> Removals {
        self.hours.iter().fold(Removals::default(), |sum, hour| sum + hour.elsewhere)
    }

    /// What it removed from a mailbox other than INBOX in the window.
    pub(crate) fn removed_of(&self, mailbox: MailboxId, now: Timestamp) -> u64 {
        let known = self.mailboxes.iter().find(|of| of.mailbox == mailbox);
        known.filter(|of| hour_of(now) - of.since < WINDOW_HOURS).map_or(0, |of| of.removed)
    }

    /// Counts what it removed from a mailbox other than INBOX.
    pub(crate) fn count_of(&mut self, mailbox: MailboxId, removed: u64, now: Timestamp) {
        let before = self.removed_of(mailbox, now);
        let known = self.mailboxes.iter().position(|of| of.mailbox == mailbox).map(|at| self.mailboxes.remove(at));
        let since = known.filter(|_| before > 0).map_or(hour_of(now), |of| of.since);
        if self.mailboxes.len() >= MAILBOXES_MAX {
            self.mailboxes.remove(0);
        }
        self.mailboxes.push(OfMailbox { mailbox, since, removed: before.saturating_add(removed) });
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
            Verdict::Pass | Verdict::Tell => {
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

    /// Counts what it brought to other mailboxes.
    pub(crate) fn count_elsewhere(&mut self, messages: Removals, now: Timestamp) {
        if messages != Removals::default() {
            let hour = self.hour(now);
            hour.elsewhere = hour.elsewhere + messages;
        }
    }

    /// It removes from Trash or Junk what it had brought there; the oldest first.
    pub(crate) fn take_put_away(&mut self, messages: Removals) {
        take(self.hours.iter_mut().map(|hour| &mut hour.put_away), messages);
    }

    /// It removes what it had brought to other mailboxes; the oldest first.
    pub(crate) fn take_elsewhere(&mut self, messages: Removals) {
        take(self.hours.iter_mut().map(|hour| &mut hour.elsewhere), messages);
    }

    /// The pace of two devices together.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        for hour in &other.hours {
            match self.hours.iter_mut().find(|known| known.number == hour.number) {
                Some(known) => known.add(hour),
                None => self.hours.push(*hour),
            }
        }
        self.hours.sort_unstable_by_key(|hour| hour.number);
        self.largest_day = self.largest_day.max(other.largest_day);
        self.last_at = self.last_at.max(other.last_at);
        self
    }

    /// Its owner has answered: the window begins anew.
    pub(crate) fn begin_anew(&mut self) {
        self.hours.clear();
        self.mailboxes.clear();
    }

    fn hour(&mut self, now: Timestamp) -> &mut Hour {
        let newest = self.hours.last().map_or(i64::MIN, |hour| hour.number);
        let number = hour_of(now).max(newest);
        if number > newest {
            self.hours.push(Hour { number, ..Hour::default() });
        }
        let last = self.hours.len() - 1;
        &mut self.hours[last]
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = grown();
        w.number(self.largest_day).option(self.last_at, |w, at| {
            w.signed(at.0);
        });
        w.option(self.hold, |w, hold| {
            w.number(hold.0.into());
        });
        w.number(self.hours.len() as u64);
        for Hour { number, removed, held, put_away, peak, elsewhere } in &self.hours {
            w.signed(*number).number(removed.messages).number(removed.of_inbox).number(*held);
            w.number(put_away.messages).number(put_away.of_inbox).number(*peak);
            w.number(elsewhere.messages).number(elsewhere.of_inbox);
        }
        w.number(self.mailboxes.len() as u64);
        for OfMailbox { mailbox, since, removed } in &self.mailboxes {
            w.number(mailbox.0.into()).signed(*since).number(*removed);
        }
        w.option(self.burst.as_ref(), |w, burst| burst.write(w));
        w.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (mut r, has_grown) = open_grown(bytes)?;
        let removals = |r: &mut Reader<'_>| Ok(Removals { messages: r.number()?, of_inbox: r.number()? });
        let hour = |r: &mut Reader<'_>| {
            Ok(Hour {
                number: r.signed()?,
                removed: removals(r)?,
                held: r.number()?,
                put_away: removals(r)?,
                peak: r.number()?,
                elsewhere: if has_grown { removals(r)? } else { Removals::default() },
            })
        };
        let of_mailbox = |r: &mut Reader<'_>| {
            Ok(OfMailbox { mailbox: MailboxId(r.small()?), since: r.signed()?, removed: r.number()? })
        };
        let pace = Self {
            largest_day: r.number()?,
            last_at: r.option(|r| r.signed().map(Timestamp))?,
            hold: r.option(|r| r.small().map(HoldId))?,
            hours: r.list(hour)?,
            mailboxes: if has_grown { r.list(of_mailbox)? } else { Vec::new() },
            burst: if has_grown { r.option(Burst::read)? } else { None },
        };
        r.end().map(|()| pace)
    }
}

impl Hour {
    fn add(&mut self, other: &Self) {
        self.removed = self.removed + other.removed;
        self.held += other.held;
        self.put_away = self.put_away + other.put_away;
        self.peak += other.peak;
        self.elsewhere = self.elsewhere + other.elsewhere;
    }
}

fn hour_of(now: Timestamp) -> i64 {
    now.0.div_euclid(HOUR_MILLIS)
}

/// Takes numbers out of several, the first ones first.
fn take<'a>(from: impl Iterator<Item = &'a mut Removals>, mut messages: Removals) {
    for there in from {
        for (there, left) in
            [(&mut there.messages, &mut messages.messages), (&mut there.of_inbox, &mut messages.of_inbox)]
        {
            let taken = (*there).min(*left);
            *there -= taken;
            *left -= taken;
        }
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
        let many = |messages: u64, there: u64| Findings { asked: of(messages, 0), there: of(there, 0), ..all(0) };
        let inbox = |messages, there| Findings { asked: of(messages, messages), there: of(90_000, there), ..all(0) };
        let other = |removed, there, account| Findings {
            asked: of(removed, 0),
            there: of(account, 0),
            mailbox: Some(Share { removed, there }),
            ..all(0)
        };
        let (pass, tell, hold) = (Verdict::Pass, Verdict::Tell, Verdict::Hold);
        for (what, findings, expected) in [
            ("few messages", all(30), pass),
            ("one more", all(31), hold),
            ("with what went before", Findings { removed: of(30, 30), ..all(1) }, hold),
            ("one more after a hold", Findings { held: 40, removed: of(40, 40), ..inbox(1, 9_000) }, hold),
            ("nothing, whatever went before", Findings { removed: of(900, 900), ..all(0) }, pass),
            ("three times what it ever did", Findings { largest_day: 1_000, ..all(3_000) }, pass),
            ("one more", Findings { largest_day: 1_000, ..all(3_001) }, hold),
            ("after 30 days", Findings { largest_day: 50, away_days: 30, ..all(1_500) }, pass),
            ("one more", Findings { largest_day: 50, away_days: 30, ..all(1_501) }, hold),
            ("after 60 days", Findings { largest_day: 50, away_days: 60, ..all(3_000) }, pass),
            ("after a year", Findings { largest_day: 50, away_days: 365, ..all(3_001) }, hold),
            ("nearly all of the account", many(40, 50), hold),
            ("less", many(40, 51), pass),
            ("many, a quarter of the account", many(301, 1_204), hold),
            ("less", many(301, 1_205), pass),
            ("not many", many(300, 1_200), pass),
            ("40 of 45 of INBOX", inbox(40, 45), hold),
            ("four fifths", inbox(40, 50), hold),
            ("less", inbox(40, 51), pass),
            ("many, half of INBOX", inbox(301, 602), hold),
            ("less", inbox(301, 603), pass),
            ("not many", inbox(300, 600), pass),
            ("another mailbox, a tenth of the account", other(80, 100, 1_000), hold),
            ("of a larger account", other(80, 100, 1_001), tell),
            ("less of it", other(79, 100, 1_001), pass),
            ("a small one", other(30, 30, 100), pass),
        ] {
            assert_eq!(decide(&findings).0, expected, "{what}: {findings:?}");
        }
    }

    #[test]
    fn what_is_told_is_what_was_emptied() {
        let there = of(1_000, 100);
        let findings = |asked, mailbox| Findings { messages_min: 30, asked, there, mailbox, ..Findings::default() };
        let share = Some(Share { removed: 100, there: 100 });
        assert_eq!(decide(&findings(of(90, 90), None)), (Verdict::Hold, Of::Inbox));
        assert_eq!(decide(&findings(of(100, 0), share)), (Verdict::Hold, Of::Mailbox));
        assert_eq!(decide(&findings(of(900, 0), None)), (Verdict::Hold, Of::Account));
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
    fn what_leaves_a_mailbox_is_counted_for_a_window() {
        let (mut pace, one) = (Pace::default(), MailboxId(7));
        pace.count_of(one, 5, at(100));
        pace.count_of(one, 6, at(123));
        assert_eq!((pace.removed_of(one, at(123)), pace.removed_of(one, at(124))), (11, 0));
        pace.count_of(one, 2, at(124));
        assert_eq!(pace.removed_of(one, at(147)), 2);
        (0..MAILBOXES_MAX as u32).for_each(|n| pace.count_of(MailboxId(100 + n), 1, at(130)));
        assert_eq!((pace.removed_of(one, at(130)), pace.mailboxes.len()), (0, MAILBOXES_MAX));
    }

    #[test]
    fn devices_of_one_password_have_one_pace() {
        let (mut one, mut two) = (Pace::default(), Pace { hold: Some(HoldId(3)), ..Pace::default() });
        one.count(of(10, 10), Verdict::Pass, at(100));
        two.count(of(5, 0), Verdict::Pass, at(99));
        two.count(of(7, 7), Verdict::Pass, at(100));
        let both = one.with(&two);
        assert_eq!((both.removed(), both.hold, both.hours.len()), (of(22, 17), None, 2));
    }

    #[test]
    fn a_pace_of_an_earlier_version_is_read() {
        let mut w = crate::record::versioned();
        w.number(9).option(Some(5), |w, at| {
            w.signed(at);
        });
        w.option(None, |_: &mut Writer, _: u8| {}).number(1);
        w.signed(100).number(7).number(6).number(5).number(4).number(3).number(2);
        let pace = Pace::decode(&w.0).unwrap();
        assert_eq!((pace.largest_day, pace.removed(), pace.put_away()), (9, of(7, 6), of(4, 3)));
        assert_eq!((pace.elsewhere(), pace.burst), (of(0, 0), None));
    }

    #[test]
    fn a_pace_is_read_as_it_was_written_and_stays_small() {
        let mailbox = Some("Été".to_owned());
        let burst = Some(Burst { at: at(5), is_held: true, mailbox, removed: 252, there: 252 });
        let mut pace = Pace { largest_day: 9, hold: Some(HoldId(7)), burst, ..Pace::default() };
        assert_eq!(Pace::decode(&pace.encode()), Ok(pace.clone()));
        for hour in 0..1_000 {
            pace.advance(at(hour));
            pace.count(of(3, 1), Verdict::Pass, at(hour));
            pace.count_put_away(of(2, 1), at(hour));
            pace.count_elsewhere(of(2, 1), at(hour));
            pace.count_of(MailboxId(hour as u32), 3, at(hour));
        }
        assert_eq!(Pace::decode(&pace.encode()), Ok(pace.clone()));
        assert_eq!((pace.hours.len(), pace.largest_day), (WINDOW_HOURS as usize, 72));
        assert!(pace.encode().len() < 500);
        assert_eq!(Pace::decode(&[9]), Err(Corrupt));
    }
}
