//! The same for people, on one screen.

use console::{Connected, DiskStatus, HintsStatus, Jobs, QueueStatus, StandbyStatus, Status, last_backup};
use store::feed::Feed;

use super::Observed;
use super::process::Process;
use crate::hinted::Hints;
use crate::service::Service;

const DAY_SECS: i64 = 24 * 3600;

impl Observed {
    /// How the server does. Reads from the store.
    pub(crate) fn status(&self) -> Status {
        let now = self.clock.now().unix_millis / 1000;
        let age = |millis: i64| (now - millis / 1000).max(0);
        let process = Process::look();
        let of_service = |service: Service| {
            let open = self.admission.connected(service);
            (open > 0).then(|| Connected { service: service.name().to_owned(), open })
        };
        let queue = self.census().map(|census| QueueStatus {
            waiting: census.waiting,
            held: census.held,
            scheduled: census.scheduled,
            oldest_seconds: census.oldest_at.map(|at| age(at.0)),
        });
        let disk = self.disk.room().ok().map(|room| DiskStatus {
            free_bytes: room.free,
            size_bytes: room.size,
            reserve_bytes: room.reserve,
        });
        let jobs = self.work.jobs().into_iter().filter(|(_, count)| *count > 0);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.flow.hostname().to_owned(),
            up_seconds: (now - self.started_at).max(0),
            lacks: self.lacks().map(str::to_owned),
            connections: Service::ALL.into_iter().filter_map(of_service).collect(),
            connections_max: self.admission.connections_max(),
            queue,
            backup_age_seconds: last_backup(&self.data_dir).map(|at| age(at.0)),
            standby: self.feed.as_ref().map(|feed| standby(feed)),
            hints: hints(self.hinted.come()),
            certificate_days: self.certificates.ends_at().map(|at| (at - now).div_euclid(DAY_SECS)),
            disk,
            memory_bytes: process.resident_bytes,
            open_files: process.open_files,
            open_files_max: process.open_files_max,
            jobs: jobs.map(|(kind, count)| Jobs { kind: kind.to_owned(), count }).collect(),
            worst_step_millis: u64::try_from(self.work.worst_step().as_millis()).unwrap_or(u64::MAX),
            needs: Vec::new(),
        }
        .judged()
    }
}

fn hints(come: Hints) -> Option<HintsStatus> {
    match come {
        Hints::Awaited => None,
        Hints::Come => Some(HintsStatus { why_not: None }),
        Hints::DoNotCome(why) => Some(HintsStatus { why_not: Some(why) }),
    }
}

fn standby(feed: &Feed) -> StandbyStatus {
    let seconds = |time: std::time::Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    feed.listener().map_or_else(StandbyStatus::default, |listener| StandbyStatus {
        asked_seconds: Some(seconds(listener.asked)),
        behind_commits: listener.behind,
        lag_seconds: seconds(listener.lag),
    })
}
