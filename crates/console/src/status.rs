//! How a server does, on one screen, and what of it needs a person.

use serde::{Deserialize, Serialize};
use wording::{tr, trc, trn};

/// A certificate with fewer days than this needs somebody: its renewal was due long before.
const CERTIFICATE_DAYS_MIN: i64 = 7;
/// A backup that is older needs somebody.
const BACKUP_SECS_MAX: i64 = 2 * 24 * 3600;
/// A standby that is further behind, or has not asked for so long, needs a look.
const STANDBY_SECS_MAX: i64 = 60;
/// Mail that has waited longer needs a look.
const QUEUE_SECS_MAX: i64 = 4 * 3600;
/// A session that holds its thread for longer has met a slow disk, or a fault.
const STEP_MILLIS_MAX: u64 = 5_000;

/// How a server does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which version runs.
    pub version: String,
    /// What the server is called.
    pub hostname: String,
    /// How long it runs.
    pub up_seconds: i64,
    /// Why it takes no mail, in a few words; `None` if it does.
    pub lacks: Option<String>,
    /// Who is connected, by service; only services with anybody.
    pub connections: Vec<Connected>,
    /// How many may be.
    pub connections_max: usize,
    /// What waits to go out; `None` if it cannot be read.
    pub queue: Option<QueueStatus>,
    /// How old the last backup is; `None`: there is none that this server knows of.
    pub backup_age_seconds: Option<i64>,
    /// How many whole days the certificate in use is good.
    pub certificate_days: Option<i64>,
    /// The standby; `None`: none is configured.
    pub standby: Option<StandbyStatus>,
    /// Hints of other servers with the same mail; `None`: none are to come.
    pub hints: Option<HintsStatus>,
    /// Octets on the disk of the data directory.
    pub disk: Option<DiskStatus>,
    /// Octets of memory that are in use.
    pub memory_bytes: Option<u64>,
    /// File descriptors that are open, and how many may be.
    pub open_files: Option<u64>,
    /// `None` also where there is no limit.
    pub open_files_max: Option<u64>,
    /// Jobs that run or stand in line, by kind.
    pub jobs: Vec<Jobs>,
    /// The longest that a session held its thread in the last minutes.
    pub worst_step_millis: u64,
    /// What needs a person, each with what to do.
    pub needs: Vec<String>,
}

/// Who is connected to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// As in the configuration: `imaps`.
    pub service: String,
    /// How many.
    pub open: usize,
}

/// How far the standby is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandbyStatus {
    /// When it asked last; `None`: it has not, for long or since the start.
    pub asked_seconds: Option<i64>,
    /// Commits that it does not have; of one that does not ask nobody knows.
    pub behind_commits: u64,
    /// Since when it lacks the oldest of them.
    pub lag_seconds: i64,
}

impl StandbyStatus {
    fn needs(self) -> Option<String> {
        let Self { asked_seconds, lag_seconds, .. } = self;
        let Some(asked) = asked_seconds else {
            return Some(tr!("No standby is there. Start pillarbox standby on the other machine.").to_owned());
        };
        (asked > STANDBY_SECS_MAX || lag_seconds > STANDBY_SECS_MAX).then(|| {
            tr!(
                "The standby lacks what came {lag} ago, and asked {asked} ago. Its log says why.",
                lag = duration(lag_seconds),
                asked = duration(asked)
            )
        })
    }
}

/// Whether hints of other servers come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintsStatus {
    /// Why they do not; `None` if they do.
    pub why_not: Option<String>,
}

impl HintsStatus {
    fn needs(&self) -> Option<String> {
        let why = self.why_not.as_ref()?;
        Some(tr!(
            "Hints of other servers do not come: {why}. What they do is seen a little later; look at NATS, and at those servers.",
            why = why
        ))
    }
}

/// What waits to go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Messages for their next attempt.
    pub waiting: u64,
    /// Messages for somebody to let them go.
    pub held: u64,
    /// Messages for a time that their sender chose.
    pub scheduled: u64,
    /// How long the oldest of those has waited that wait for their next attempt.
    pub oldest_seconds: Option<i64>,
}

/// Octets on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// Free for this server.
    pub free_bytes: u64,
    /// All of them.
    pub size_bytes: u64,
    /// In reserve for when it is full; 0: they were given up.
    pub reserve_bytes: u64,
}

/// Jobs of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// `long`, `passwords` or `waiting`.
    pub kind: String,
    /// How many.
    pub count: usize,
}

impl Status {
    /// The same with what of it needs a person.
    #[must_use]
    pub fn judged(self) -> Self {
        Self { needs: self.judge(), ..self }
    }

    fn judge(&self) -> Vec<String> {
        let mut needs = Vec::new();
        if let Some(lacks) = &self.lacks {
            needs.push(tr!(
                "No new mail is taken: {lacks}. The log says more; make room, or make the disk writable.",
                lacks = lacks
            ));
        }
        if self.disk.is_some_and(|disk| disk.reserve_bytes == 0) {
            needs.push(tr!("The disk was full: the room in reserve is given up. Make room on it.").to_owned());
        }
        match self.certificate_days {
            Some(days) if days < CERTIFICATE_DAYS_MIN => {
                needs.push(trn!(
                    days,
                    "The certificate ends in {n} day. `pillarbox certificate` says why it is not renewed.",
                    "The certificate ends in {n} days. `pillarbox certificate` says why it is not renewed."
                ));
            }
            Some(_) | None => {}
        }
        match self.backup_age_seconds {
            None => needs.push(tr!("No backup is known of. pillarbox backup makes one.").to_owned()),
            Some(age) if age > BACKUP_SECS_MAX => {
                needs.push(tr!("The last backup is {age} old. pillarbox backup makes one.", age = duration(age)));
            }
            Some(_) => {}
        }
        needs.extend(self.standby.and_then(StandbyStatus::needs));
        needs.extend(self.hints.as_ref().and_then(HintsStatus::needs));
        match self.queue {
            None => needs.push(tr!("The queue cannot be read. pillarbox check says more.").to_owned()),
            Some(QueueStatus { oldest_seconds: Some(age), .. }) if age > QUEUE_SECS_MAX => {
                let age = duration(age);
                needs.push(tr!(
                    "Mail has waited for {age}. pillarbox queue destinations says for whom, and why.",
                    age = age
                ));
            }
            Some(_) => {}
        }
        if self.queue.is_some_and(|queue| queue.held > 0) {
            needs.push(tr!("Mail is held. pillarbox sending and pillarbox queue say whose, and why.").to_owned());
        }
        let open: usize = self.connections.iter().map(|connected| connected.open).sum();
        if open * 10 >= self.connections_max * 9 && self.connections_max > 0 {
            needs.push(tr!(
                "{open} of {most} connections are taken. Raise limits.connections_max.",
                open = open,
                most = self.connections_max
            ));
        }
        if self.worst_step_millis > STEP_MILLIS_MAX {
            let millis = self.worst_step_millis;
            needs.push(tr!(
                "A command held its thread for {millis} ms. The disk is slow, or it is a fault of ours.",
                millis = millis
            ));
        }
        needs
    }
}

/// For people: the two largest units, `3 d 4 h`.
#[must_use]
pub fn duration(seconds: i64) -> String {
    let units = [
        (trc!("days, after a number", "d"), 86_400),
        (trc!("hours, after a number", "h"), 3600),
        (trc!("minutes, after a number", "min"), 60),
        (trc!("seconds, after a number", "s"), 1),
    ];
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (name, unit) in units {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || (!parts.is_empty() && parts.len() < 2) {
            parts.push((count, name));
        }
    }
    let said: Vec<String> =
        parts.iter().take(2).filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if said.is_empty() { format!("0 {}", trc!("seconds, after a number", "s")) } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3661, "1 h 1 min"),
            (90_000, "1 d 1 h"),
            (86_401, "1 d"),
            (-5, "0 s"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn what_needs_a_person_is_said_with_what_to_do_and_nothing_else_is() {
        let disk = DiskStatus { free_bytes: 1 << 30, size_bytes: 1 << 40, reserve_bytes: 32 << 20 };
        let (queue, connections_max) = (Some(QueueStatus::default()), 10);
        let well = Status {
            disk: Some(disk),
            queue,
            connections_max,
            backup_age_seconds: Some(BACKUP_SECS_MAX),
            certificate_days: Some(CERTIFICATE_DAYS_MIN),
            worst_step_millis: STEP_MILLIS_MAX,
            ..Status::default()
        };
        assert_eq!(well.judge(), Vec::<String>::new());
        let check = |status: Status, expected: &str| {
            let needs = status.judge();
            assert!(matches!(&needs[..], [one] if one.contains(expected)), "{needs:?} is not {expected}");
        };
        check(Status { lacks: Some("the disk is nearly full".to_owned()), ..well.clone() }, "the disk is nearly full");
        check(Status { disk: Some(DiskStatus { reserve_bytes: 0, ..disk }), ..well.clone() }, "given up");
        check(Status { certificate_days: Some(CERTIFICATE_DAYS_MIN - 1), ..well.clone() }, "in 6 days");
        check(Status { backup_age_seconds: Some(BACKUP_SECS_MAX + 3600), ..well.clone() }, "2 d 1 h old");
        check(Status { backup_age_seconds: None, ..well.clone() }, "No backup");
        check(Status { queue: None, ..well.clone() }, "cannot be read");
        let (come, lost) = (None, Some("nothing is heard of two".to_owned()));
        assert_eq!(Status { hints: Some(HintsStatus { why_not: come }), ..well.clone() }.judge(), Vec::<String>::new());
        check(Status { hints: Some(HintsStatus { why_not: lost }), ..well.clone() }, "heard of two. What they do");
        let old = QueueStatus { oldest_seconds: Some(QUEUE_SECS_MAX + 1), ..QueueStatus::default() };
        check(Status { queue: Some(old), ..well.clone() }, "waited for 4 h");
        check(Status { queue: Some(QueueStatus { held: 1, ..QueueStatus::default() }), ..well.clone() }, "is held");
        let nine = vec![Connected { service: "imaps".to_owned(), open: 9 }];
        check(Status { connections: nine, ..well.clone() }, "9 of 10");
        check(Status { worst_step_millis: STEP_MILLIS_MAX + 1, ..well }, "5001 ms");
    }
}
