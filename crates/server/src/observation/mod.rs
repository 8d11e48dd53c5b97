//! What a server tells of itself: the metrics, and whether it is ready.
//!
//! Whoever counts keeps what it counted; here it is put together when somebody asks. What is only true at the moment (the queue,
//! the disk, the process) is looked at then.

mod process;
mod status;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use auth::Auth;
use console::last_backup;
use dns::Dns;
use mailflow::MailFlow;
use metrics::{
    BACKUP, BUILD, CERTIFICATE_EXPIRY, CONNECTIONS_MAX, Commands, DISK_FREE, DISK_FREE_FILES, DISK_RESERVE, DISK_SIZE,
    Exposition, INDEX_COMPLETE, MAIL_REFUSED, MAX_FDS, Name, OPEN_FDS, QUEUE_DESTINATION_MESSAGES, QUEUE_MESSAGES,
    QUEUE_OLDEST, RESIDENT, Refusals, STANDBY_ASKED, STANDBY_BEHIND, STANDBY_LAG, START_TIME, WAL,
};
use queue::{Bound, Census, Queue};
use store::Store;
use store::feed::Feed;
use store::space::Space;

use crate::clock::Clock;
use crate::driver::Work;
use crate::hinted::Hinted;
use crate::lifecycle::Disk;
use crate::listen::Admission;
use crate::tls::Certificates;
use process::Process;

/// All messages of the queue are counted this often at most, in milliseconds.
const CENSUS_MILLIS: u64 = 30_000;
/// The destinations that are not told by name; no domain is called so.
const ELSEWHERE: &str = "(others)";

/// Empty until the server runs. Cheap to clone.
pub(crate) type Observatory = Arc<OnceLock<Observed>>;

/// All that tells how a server does.
pub(crate) struct Observed {
    pub(crate) store: Store,
    pub(crate) auth: Auth,
    pub(crate) queue: Queue,
    pub(crate) flow: MailFlow,
    pub(crate) data_dir: PathBuf,
    pub(crate) disk: Arc<Disk>,
    pub(crate) work: Arc<Work>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) dns: Dns,
    pub(crate) counted: Counted,
    pub(crate) indexed_at: Arc<AtomicI64>,
    /// What a standby is told, where one may come.
    pub(crate) feed: Option<Arc<Feed>>,
    /// What is heard of other servers with the same mail.
    pub(crate) hinted: Arc<Hinted>,
    /// True once the server stops.
    pub(crate) stops: Arc<AtomicBool>,
    pub(crate) clock: Clock,
    /// Seconds since 1970.
    pub(crate) started_at: i64,
    /// The last look at the queue, and when it was.
    pub(crate) census: Mutex<Option<(u64, Census)>>,
}

/// What the sessions of all protocols count together. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Counted {
    pub(crate) commands: Commands,
    pub(crate) refusals: Refusals,
}

impl Observed {
    /// Why the server is not ready, in a few words; `None` if it is. Reads from the store.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        if self.stops.load(Ordering::Relaxed) {
            return Some("it stops");
        }
        if self.store.read_only().is_some() {
            return Some("the disk takes nothing");
        }
        if self.disk.refuses_mail().is_some() {
            return Some("the disk is nearly full");
        }
        self.store.answers().is_err().then_some("the store does not answer")
    }

    /// All metrics. Reads from the store.
    pub(crate) fn exposition(&self) -> Exposition {
        let mut told = Exposition::default();
        told.gauges(&BUILD, &[([env!("CARGO_PKG_VERSION")], 1.0)]);
        told.gauge(&START_TIME, self.started_at as f64);
        told.gauge(&CONNECTIONS_MAX, self.admission.connections_max() as f64);
        self.admission.tell_metrics(&mut told);
        self.counted.commands.tell(&mut told);
        self.auth.tell_metrics(&mut told);
        self.store.tell_metrics(&mut told);
        self.work.tell_metrics(&mut told);
        self.flow.tell_metrics(&mut told);
        self.counted.refusals.tell(&mut told);
        self.queue.tell_metrics(&mut told);
        self.dns.tell_metrics(&mut told);
        self.tell_queue(&mut told);
        self.tell_disk(&mut told);
        self.tell_dates(&mut told);
        self.tell_standby(&mut told);
        self.hinted.tell_metrics(&mut told);
        let Process { resident_bytes, open_files, open_files_max } = Process::look();
        tell(&mut told, &RESIDENT, resident_bytes);
        tell(&mut told, &OPEN_FDS, open_files);
        tell(&mut told, &MAX_FDS, open_files_max);
        told
    }

    /// Messages in the queue, as they were a moment ago; `None` where they cannot be read.
    fn census(&self) -> Option<Census> {
        let now = self.clock.now().monotonic_millis;
        let mut last = self.census.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, census)) = &*last
            && now.saturating_sub(*at) < CENSUS_MILLIS
        {
            return Some(census.clone());
        }
        let census = self.queue.census().ok()?;
        *last = Some((now, census.clone()));
        Some(census)
    }

    fn tell_queue(&self, told: &mut Exposition) {
        let Some(census) = self.census() else { return };
        let Census { waiting, held, scheduled, oldest_at, destinations, elsewhere } = census;
        let states = [(["waiting"], waiting), (["held"], held), (["scheduled"], scheduled)];
        told.gauges(&QUEUE_MESSAGES, &states.map(|(state, count)| (state, count as f64)));
        let age = oldest_at.map_or(0, |at| self.clock.now().unix_millis.saturating_sub(at.0).max(0));
        told.gauge(&QUEUE_OLDEST, seconds(age));
        let destinations = destinations.iter().map(|(domain, bound)| (domain.as_str(), *bound));
        let destinations: Vec<([&str; 2], f64)> = destinations
            .chain([(ELSEWHERE, elsewhere)])
            .flat_map(|(domain, Bound { waiting, held })| {
                [([domain, "waiting"], waiting as f64), ([domain, "held"], held as f64)]
            })
            .collect();
        told.gauges(&QUEUE_DESTINATION_MESSAGES, &destinations);
    }

    fn tell_disk(&self, told: &mut Exposition) {
        let room = self.disk.room().ok();
        tell(told, &DISK_FREE, room.map(|room| room.free));
        tell(told, &DISK_SIZE, room.map(|room| room.size));
        tell(told, &DISK_FREE_FILES, room.and_then(|room| room.files));
        tell(told, &DISK_RESERVE, room.map(|room| room.reserve));
        let refuses = self.disk.refuses_mail().is_some() || self.store.read_only().is_some();
        told.gauge(&MAIL_REFUSED, f64::from(u8::from(refuses)));
        tell(told, &WAL, self.wal_bytes());
    }

    fn tell_dates(&self, told: &mut Exposition) {
        let indexed_at = Some(self.indexed_at.load(Ordering::Relaxed)).filter(|at| *at > 0);
        let dates = [
            (&INDEX_COMPLETE, indexed_at.map(seconds)),
            (&BACKUP, last_backup(&self.data_dir).map(|at| seconds(at.0))),
            (&CERTIFICATE_EXPIRY, self.certificates.ends_at().map(|at| at as f64)),
        ];
        for (name, at) in dates {
            at.inspect(|at| told.gauge(name, *at));
        }
    }

    fn tell_standby(&self, told: &mut Exposition) {
        let Some(listener) = self.feed.as_ref().and_then(|feed| feed.listener()) else { return };
        told.gauge(&STANDBY_BEHIND, listener.behind as f64);
        told.gauge(&STANDBY_LAG, listener.lag.as_secs_f64());
        told.gauge(&STANDBY_ASKED, listener.asked.as_secs_f64());
    }

    /// Of the embedded engine; `None` where another one keeps the mail.
    fn wal_bytes(&self) -> Option<u64> {
        let files = fs::read_dir(self.data_dir.join("store")).ok()?;
        let logs = files.flatten().filter(|file| file.file_name().to_string_lossy().ends_with("-wal"));
        Some(logs.filter_map(|log| log.metadata().ok()).map(|log| log.len()).sum())
    }
}

/// What cannot be seen is left out.
fn tell(told: &mut Exposition, name: &Name, value: Option<u64>) {
    value.inspect(|value| told.gauge(name, *value as f64));
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
