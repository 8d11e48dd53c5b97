//! The programs that read an account over POP3 with its main password, told apart by how they log in
//! (docs/decisions/0010-telling-pop-programs-apart.md).
//!
//! A program that is updated logs in otherwise from then on, and must keep its maildrop. So a new way of logging in is at
//! first taken for the newest face of a program that is known; only when the two have taken turns is it another program.

use crate::codec::{Corrupt, Reader, Writer};
use crate::device::{Credential, Device};
use crate::ids::{DeviceId, Timestamp};
use std::collections::BTreeMap;

/// A device knows at most so many programs; the one that was seen longest ago is forgotten.
pub(crate) const PROGRAMS_MAX: usize = 8;
/// Who was not here for so many days is not waiting for a turn: a laptop that is taken out once a month is.
pub(crate) const TURNS_DAYS: u16 = 60;
/// Who has come back so often after another one was there is a program of its own.
pub(crate) const RETURNS_MIN: u8 = 2;
/// A visit of the program that was there last is written at most this often.
const VISIT_NOTED_EVERY_MILLIS: i64 = 10 * 60 * 1000;
/// A fingerprint is cut to this length.
const FINGERPRINT_BYTES_MAX: usize = 100;

/// A way of logging in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it does when it logs in, and after ` #` what cannot be told in words.
    pub fingerprint: String,
    /// Its first login.
    pub first_at: Timestamp,
    /// Its last login, exact to some minutes.
    pub last_at: Timestamp,
    /// How often it came back after another one had been there.
    pub(crate) returns: u8,
}

impl Program {
    pub(crate) fn new(fingerprint: &str, now: Timestamp) -> Self {
        Self { fingerprint: fingerprint.to_owned(), first_at: now, last_at: now, returns: 0 }
    }

    /// What it does when it logs in, in words.
    #[must_use]
    pub fn habit(&self) -> &str {
        habit(&self.fingerprint)
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.text(&self.fingerprint).signed(self.first_at.0).signed(self.last_at.0).byte(self.returns);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Corrupt> {
        Ok(Self {
            fingerprint: r.text()?,
            first_at: Timestamp(r.signed()?),
            last_at: Timestamp(r.signed()?),
            returns: r.byte()?,
        })
    }
}

pub(crate) fn habit(fingerprint: &str) -> &str {
    fingerprint.split(" #").next().unwrap_or(fingerprint)
}

/// A fingerprint as it is kept.
pub(crate) fn kept(fingerprint: &str) -> &str {
    fingerprint.get(..fingerprint.floor_char_boundary(FINGERPRINT_BYTES_MAX)).unwrap_or_default()
}

/// A short number for a program, for records of what it did.
pub(crate) fn number(fingerprint: &str) -> u32 {
    let [a, b, c, d, ..] = *blake3::hash(kept(fingerprint).as_bytes()).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

impl Device {
    /// Whether it stands for programs that log in over POP3 with the main password.
    #[must_use]
    pub fn is_main_password_pop(&self) -> bool {
        let is_pop = |fingerprint: &str| fingerprint == "pop3" || fingerprint.starts_with("pop3:");
        self.revoked_at.is_none()
            && matches!(&self.credential, Credential::MainPassword { fingerprint } if is_pop(fingerprint))
    }

    /// Whether more than one program seems to log in as this device: until that is sure, no message may be lost to any.
    #[must_use]
    pub fn seems_shared(&self, now: Timestamp) -> bool {
        self.shared_until().is_some_and(|until| now <= until)
    }

    /// As long as only one of the programs that were seen last comes, the device seems shared until then; `None`: it knows
    /// only one, or its owner said that they are one.
    #[must_use]
    pub fn shared_until(&self) -> Option<Timestamp> {
        let mut seen: Vec<Timestamp> = self.programs.iter().map(|program| program.last_at).collect();
        seen.sort_unstable();
        seen.iter().rev().nth(1).map(|last| last.days_after(TURNS_DAYS))
    }

    /// The owner says that there is one program, which has changed: the one that was here last.
    pub(crate) fn is_one_program(&mut self) {
        let others = self.programs.len().saturating_sub(1);
        self.programs.drain(..others);
    }

    /// Notes a visit. `true`: the visitor is a program of its own, and the device another's.
    pub(crate) fn visited_by(&mut self, fingerprint: &str, now: Timestamp) -> bool {
        let lately = now.days_before(TURNS_DAYS);
        let at = self.programs.iter().position(|program| program.fingerprint == fingerprint);
        let mut visitor = at.map_or_else(|| Program::new(fingerprint, now), |at| self.programs.remove(at));
        // The last in the list was here last.
        if at.is_some_and(|at| at < self.programs.len()) {
            visitor.returns = if visitor.last_at >= lately { visitor.returns.saturating_add(1) } else { 0 };
        }
        visitor.last_at = now;
        let older = |program: &&Program| program.last_at >= lately && program.first_at <= visitor.first_at;
        let is_another = visitor.returns >= RETURNS_MIN && self.programs.iter().any(|program| older(&program));
        self.programs.push(visitor);
        if self.programs.len() > PROGRAMS_MAX {
            self.programs.remove(0);
        }
        is_another
    }

    /// Whether there is nothing to note about a visit.
    pub(crate) fn was_just_visited_by(&self, fingerprint: &str, now: Timestamp) -> bool {
        self.programs.last().is_some_and(|last| {
            last.fingerprint == fingerprint && now.0.saturating_sub(last.last_at.0) < VISIT_NOTED_EVERY_MILLIS
        })
    }
}

/// The device that a program logs in as, if there is one: its own, else the one whose newest face it may be.
pub(crate) fn device_of<'a>(
    devices: &'a BTreeMap<DeviceId, Device>,
    fingerprint: &str,
    address: &str,
) -> Option<&'a Device> {
    let pop = || devices.values().filter(|device| device.is_main_password_pop());
    let knows = |device: &&Device| device.programs.iter().any(|program| program.fingerprint == fingerprint);
    let likeness = |device: &&Device| {
        let habits = device.programs.iter().any(|program| program.habit() == habit(fingerprint));
        let login = device.last_login.as_ref();
        (habits, login.is_some_and(|login| login.address == address), login.map(|login| login.at))
    };
    pop().find(knows).or_else(|| pop().max_by_key(likeness))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pop::PopSettings;

    const DAY: i64 = 86_400_000;

    fn device() -> Device {
        Device {
            brake: true,
            id: DeviceId(1),
            name: crate::device::main_password_name("pop3"),
            credential: Credential::MainPassword { fingerprint: "pop3".to_owned() },
            added_at: Timestamp(0),
            last_login: None,
            revoked_at: None,
            pop: PopSettings::default(),
            pop_since: Timestamp(0),
            removal_since: Timestamp(0),
            saves_sent: true,
            offer_declined_at: None,
            introduced: false,
            programs: Vec::new(),
            scram: Vec::new(),
            token: None,
            protocols: 0,
        }
    }

    /// Plays visits, `a` and so on, a day between them for each blank; gives who was found to be another program.
    fn check(visits: &str, expected: &str) {
        let (mut device, mut now, mut found) = (device(), Timestamp(100 * DAY), String::new());
        for visit in visits.chars() {
            now.0 += if visit == ' ' { DAY } else { 1 };
            if visit != ' ' && device.visited_by(&visit.to_string(), now) {
                found.push(visit);
            }
        }
        assert_eq!(found, expected, "{visits}");
        assert!(device.programs.len() <= PROGRAMS_MAX);
    }

    #[test]
    fn who_takes_turns_is_another_program_and_who_replaces_is_not() {
        check("aaaa", "");
        // An update, one that was taken back, and one after the other.
        check("aabbbb", "");
        check("aabbaa", "");
        check("abcdefghijk", "");
        check("aabaab", "");
        check("ababa", "");
        check("ababab", "b");
        check("aaab aab aaaab", "b");
        // Once in ten days, as a laptop that is taken out on a Sunday.
        check("aab          aaab          aaab", "b");
        // Too far apart to be at the same time.
        let gap = " ".repeat(61);
        check(&["ab"; 4].join(&gap), "");
        // The younger one is the other one, also after an update of the first.
        check(&format!("abbb{gap}bcbcbc"), "c");
    }

    #[test]
    fn two_faces_within_some_days_seem_shared() {
        let mut device = device();
        device.visited_by("a", Timestamp(0));
        assert!(!device.seems_shared(Timestamp(0)));
        device.visited_by("b", Timestamp(DAY));
        // Only the second one comes from now on.
        for day in 2..=60 {
            device.visited_by("b", Timestamp(day * DAY));
            assert!(device.seems_shared(Timestamp(day * DAY)), "day {day}");
        }
        assert!(!device.seems_shared(Timestamp(60 * DAY + 1)));
        device.visited_by("a", Timestamp(61 * DAY));
        assert!(device.seems_shared(Timestamp(61 * DAY)), "it was not gone");
        device.is_one_program();
        assert!(!device.seems_shared(Timestamp(61 * DAY)), "its owner has said so");
        assert_eq!(device.programs[0].fingerprint, "a");
    }

    #[test]
    fn so_many_programs_are_known_and_no_more() {
        let mut device = device();
        for n in 0..=PROGRAMS_MAX {
            device.visited_by(&n.to_string(), Timestamp(0));
        }
        assert_eq!(device.programs.len(), PROGRAMS_MAX);
        assert_eq!(device.programs[0].fingerprint, "1");
    }
}
