//! What is counted up, what rises and falls, and what is spread over buckets. Cheap to clone; all clones count together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::names::{Kind, Name};
use crate::{Exposition, Stopwatch};

/// From what takes no time to what somebody complains of, in seconds.
const SECONDS: [f64; 12] = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// How many do something together.
const TOGETHER: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// What was the worst is told for so long at least.
const WORST_FOR: Duration = Duration::from_secs(60);

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters of one name: one for each combination of the `N` labels that occurs.
#[derive(Clone, Debug)]
pub struct Counts<const N: usize> {
    name: &'static Name,
    family: Family<Labels<N>, Counter>,
}

/// Values of one name that rise and fall.
#[derive(Clone, Debug)]
pub struct Levels<const N: usize> {
    name: &'static Name,
    family: Family<Labels<N>, Gauge>,
}

/// How long something took, by labels.
#[derive(Clone, Debug)]
pub struct Durations<const N: usize> {
    name: &'static Name,
    family: Family<Labels<N>, Histogram, fn() -> Histogram>,
}

/// How long something took, or how many did it together, where there is no label.
#[derive(Clone, Debug)]
pub struct Distribution {
    name: &'static Name,
    histogram: Histogram,
}

/// The longest that something took in the last one or two minutes.
#[derive(Clone, Debug)]
pub struct Worst {
    name: &'static Name,
    state: Arc<Mutex<Record>>,
    /// Less than this is not worth the lock; nanoseconds.
    least: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Record {
    since: Stopwatch,
    now: Duration,
    before: Duration,
}

/// The labels of `name`, each with its value.
fn labels<const N: usize>(name: &Name, values: [&'static str; N]) -> Labels<N> {
    let mut names = name.labels.iter();
    values.map(|value| (names.next().copied().unwrap_or_default(), value))
}

/// What is made wrong here shows in the first test that makes it.
fn checked<const N: usize>(name: &'static Name, kind: Kind) -> &'static Name {
    debug_assert!(name.kind == kind && name.labels.len() == N, "{name:?}");
    name
}

impl<const N: usize> Counts<N> {
    /// All are 0.
    #[must_use]
    pub fn new(name: &'static Name) -> Self {
        Self { name: checked::<N>(name, Kind::Counter), family: Family::default() }
    }

    /// Counts one more.
    pub fn inc(&self, values: [&'static str; N]) {
        self.family.get_or_create(&labels(self.name, values)).inc();
    }

    /// Counts so many more.
    pub fn add(&self, values: [&'static str; N], count: usize) {
        self.family.get_or_create(&labels(self.name, values)).inc_by(count as u64);
    }

    /// How many were counted with these.
    #[must_use]
    pub fn value(&self, values: [&'static str; N]) -> u64 {
        self.family.get(&labels(self.name, values)).map_or(0, |counter| counter.get())
    }

    /// Puts them on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        told.add(self.name, self.family.clone());
    }
}

impl<const N: usize> Levels<N> {
    /// All are 0.
    #[must_use]
    pub fn new(name: &'static Name) -> Self {
        Self { name: checked::<N>(name, Kind::Gauge), family: Family::default() }
    }

    /// There is one more.
    pub fn rise(&self, values: [&'static str; N]) {
        self.family.get_or_create(&labels(self.name, values)).inc();
    }

    /// There is one less.
    pub fn fall(&self, values: [&'static str; N]) {
        self.family.get_or_create(&labels(self.name, values)).dec();
    }

    /// How many there are.
    #[must_use]
    pub fn value(&self, values: [&'static str; N]) -> i64 {
        self.family.get(&labels(self.name, values)).map_or(0, |gauge| gauge.get())
    }

    /// Puts them on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        told.add(self.name, self.family.clone());
    }
}

impl<const N: usize> Durations<N> {
    /// Nothing took any time yet.
    #[must_use]
    pub fn new(name: &'static Name) -> Self {
        let seconds = || Histogram::new(SECONDS);
        Self { name: checked::<N>(name, Kind::Histogram), family: Family::new_with_constructor(seconds) }
    }

    /// Something took as long as `stopwatch` runs.
    pub fn took(&self, values: [&'static str; N], stopwatch: Stopwatch) {
        let seconds = stopwatch.elapsed().as_secs_f64();
        self.family.get_or_create(&labels(self.name, values)).observe(seconds);
    }

    /// Puts them on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        told.add(self.name, self.family.clone());
    }
}

impl Distribution {
    /// Of durations.
    #[must_use]
    pub fn of_seconds(name: &'static Name) -> Self {
        Self { name: checked::<0>(name, Kind::Histogram), histogram: Histogram::new(SECONDS) }
    }

    /// Of how many do something together.
    #[must_use]
    pub fn of_sizes(name: &'static Name) -> Self {
        Self { name: checked::<0>(name, Kind::Histogram), histogram: Histogram::new(TOGETHER) }
    }

    /// Something took so long.
    pub fn took(&self, duration: Duration) {
        self.histogram.observe(duration.as_secs_f64());
    }

    /// So many did something together.
    pub fn together(&self, count: usize) {
        self.histogram.observe(u32::try_from(count).unwrap_or(u32::MAX).into());
    }

    /// Puts it on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        told.add(self.name, self.histogram.clone());
    }
}

impl Worst {
    /// Nothing took any time yet.
    #[must_use]
    pub fn new(name: &'static Name) -> Self {
        let record = Record { since: Stopwatch::start(), now: Duration::ZERO, before: Duration::ZERO };
        Self { name: checked::<0>(name, Kind::Gauge), state: Arc::new(Mutex::new(record)), least: Arc::default() }
    }

    /// Something took so long.
    pub fn took(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if nanos > self.least.load(Ordering::Relaxed) {
            let mut record = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            record.now = record.now.max(duration);
            self.least.store(u64::try_from(record.now.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The longest of the last one or two minutes, if it is asked for every minute.
    #[must_use]
    pub fn value(&self) -> Duration {
        let mut record = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let worst = record.now.max(record.before);
        if record.since.elapsed() >= WORST_FOR {
            *record = Record { since: Stopwatch::start(), now: Duration::ZERO, before: record.now };
            self.least.store(0, Ordering::Relaxed);
        }
        worst
    }

    /// Puts it on `told`.
    pub fn tell(&self, told: &mut Exposition) {
        told.gauge(self.name, self.value().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{COMMIT_OPERATIONS, CONNECTIONS_OPEN, DNS, LOGINS, WORST_STEP};

    #[test]
    fn what_is_counted_is_told_with_its_labels_and_two_servers_share_nothing() {
        let (logins, other) = (Counts::new(&LOGINS), Counts::new(&LOGINS));
        logins.inc(["imap", "ok"]);
        logins.clone().inc(["imap", "ok"]);
        assert_eq!((logins.value(["imap", "ok"]), logins.value(["pop3", "ok"])), (2, 0));
        assert_eq!(other.value(["imap", "ok"]), 0);
        let (open, lookups) = (Levels::new(&CONNECTIONS_OPEN), Durations::new(&DNS));
        open.rise(["imap"]);
        open.rise(["imap"]);
        open.fall(["imap"]);
        lookups.took(["ok"], Stopwatch::start());
        let operations = Distribution::of_sizes(&COMMIT_OPERATIONS);
        operations.together(3);
        let mut told = Exposition::default();
        logins.tell(&mut told);
        open.tell(&mut told);
        lookups.tell(&mut told);
        operations.tell(&mut told);
        let text = told.text().unwrap();
        for line in [
            "# TYPE pillarbox_logins counter",
            "pillarbox_logins_total{protocol=\"imap\",outcome=\"ok\"} 2",
            "pillarbox_connections_open{service=\"imap\"} 1",
            "pillarbox_dns_lookup_seconds_bucket{le=\"30.0\",outcome=\"ok\"} 1",
            "pillarbox_store_commit_operations_bucket{le=\"2.0\"} 0",
            "pillarbox_store_commit_operations_bucket{le=\"4.0\"} 1",
            "pillarbox_store_commit_operations_sum 3.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_worst_stays_until_there_is_a_worse_one() {
        let worst = Worst::new(&WORST_STEP);
        worst.took(Duration::from_millis(7));
        worst.took(Duration::from_millis(3));
        assert_eq!(worst.value(), Duration::from_millis(7));
        worst.took(Duration::from_millis(9));
        assert_eq!(worst.value(), Duration::from_millis(9));
    }
}
