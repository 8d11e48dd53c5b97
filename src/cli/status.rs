//! `pillarbox status`: how a server does, on one screen.

use clap::Args;
use console::{HintsStatus, StandbyStatus, Status as Told, duration};
use web::Call;

use super::place::Place;
use super::show::{Format, bytes, counted};
use super::{Failure, Outcome};

/// Show how the server does: who is connected, what waits, backup, certificate, disk, and what needs a person
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Status {
    #[command(flatten)]
    format: Format,
}

const EXAMPLES: &str = "\
Exit status: 0 nothing needs a person, 1 something does (or no server runs), 3 it could not look.
What is wrong around the server (DNS, the way out) says `pillarbox doctor`; numbers over time are in docs/metrics.md.

Examples:
  pillarbox status --config /etc/pillarbox.toml
  pillarbox status --json | jq .needs";

impl Status {
    pub(super) fn run(self, place: &Place) -> Outcome {
        let mut needs = 0;
        let mut show = |told: Told| {
            needs += told.needs.len();
            self.format.show(&told, shown)
        };
        place.call(&Call::new("GET /api/v1/admin/status"), &mut show)?;
        match needs {
            0 => Ok(()),
            1 => Err(Failure::Refused("one thing needs a person".to_owned())),
            many => Err(Failure::Refused(format!("{many} things need a person"))),
        }
    }
}

fn shown(told: &Told) -> String {
    let unseen = || "cannot be seen".to_owned();
    let connected: Vec<String> = told.connections.iter().map(|at| format!("{} {}", at.open, at.service)).collect();
    let connected = if connected.is_empty() { "nobody".to_owned() } else { connected.join(", ") };
    let queue = told.queue.map_or_else(unseen, |queue| {
        let oldest = queue.oldest_seconds.map(|age| format!(", the oldest for {}", duration(age))).unwrap_or_default();
        format!("{} waiting{oldest}, {} held, {} for later", queue.waiting, queue.held, queue.scheduled)
    });
    let backup = told.backup_age_seconds.map_or("none is known of".to_owned(), |age| format!("{} ago", duration(age)));
    let disk = told.disk.map_or_else(unseen, |disk| {
        let reserve = bytes(disk.reserve_bytes);
        format!("{} of {} free, and {reserve} in reserve", bytes(disk.free_bytes), bytes(disk.size_bytes))
    });
    let files = told.open_files.map_or_else(unseen, |open| match told.open_files_max {
        Some(max) => format!("{open} of {max}"),
        None => open.to_string(),
    });
    let jobs: Vec<String> = told.jobs.iter().map(|jobs| format!("{} {}", jobs.count, jobs.kind)).collect();
    let jobs = if jobs.is_empty() { "none".to_owned() } else { jobs.join(", ") };
    let mut rows = vec![
        ("server", format!("{}, Pillarbox {}, up {}", told.hostname, told.version, duration(told.up_seconds))),
        ("mail", told.lacks.as_ref().map_or("is taken".to_owned(), |lacks| format!("IS NOT TAKEN: {lacks}"))),
        ("connected", format!("{connected} (at most {})", told.connections_max)),
        ("queue", queue),
        ("last backup", backup),
        (
            "certificate",
            told.certificate_days.map_or_else(unseen, |days| format!("good for {}", counted(days, "day", "days"))),
        ),
        ("disk", disk),
        ("memory", told.memory_bytes.map_or_else(unseen, bytes)),
        ("open files", files),
        ("jobs", format!("{jobs}; the longest step {} ms", told.worst_step_millis)),
    ];
    rows.extend(told.hints.as_ref().map(|told| ("hints", hints(told))));
    rows.extend(told.standby.map(|told| ("standby", standby(told))));
    rows.extend(told.needs.iter().map(|need| ("TO DO", need.clone())));
    rows.into_iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

fn hints(told: &HintsStatus) -> String {
    match &told.why_not {
        None => "of all other servers come".to_owned(),
        Some(why) => format!("of other servers do not come: {why}"),
    }
}

fn standby(told: StandbyStatus) -> String {
    let StandbyStatus { asked_seconds, behind_commits, lag_seconds } = told;
    match asked_seconds {
        None => "none is there".to_owned(),
        Some(asked) => {
            format!("{behind_commits} commits behind, for {}; asked {} ago", duration(lag_seconds), duration(asked))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use console::{Connected, QueueStatus};

    #[test]
    fn it_fits_on_a_screen_and_says_what_to_do() {
        let told = Told {
            hostname: "mail.example.org".into(),
            version: "0.1.0".into(),
            up_seconds: 90_000,
            connections: vec![Connected { service: "imaps".into(), open: 3 }],
            connections_max: 100,
            queue: Some(QueueStatus { waiting: 2, oldest_seconds: Some(61), ..QueueStatus::default() }),
            certificate_days: Some(3),
            hints: Some(HintsStatus::default()),
            standby: Some(StandbyStatus { asked_seconds: Some(1), behind_commits: 7, lag_seconds: 61 }),
            ..Told::default()
        };
        let text = shown(&told.judged());
        for line in [
            "server       mail.example.org, Pillarbox 0.1.0, up 1 d 1 h",
            "connected    3 imaps (at most 100)",
            "queue        2 waiting, the oldest for 1 min 1 s, 0 held, 0 for later",
            "last backup  none is known of",
            "disk         cannot be seen",
            "hints        of all other servers come",
            "standby      7 commits behind, for 1 min 1 s; asked 1 s ago",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("TO DO").count(), 3, "the certificate, the backup and the standby: {text}");
        assert!(text.lines().count() < 24);
    }
}
