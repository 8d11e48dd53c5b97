//! Lines of the log that strangers can make without end: so many of a kind in a second, of which one network has a share, and then
//! how many were left out.
//!
//! Which lines these are is said where they are written, by their target ([`session::STRANGERS`]). What happens to mail, and who
//! is let in, is never left out.

use std::collections::HashMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session::{Network, STRANGERS};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, warn};

/// Lines of one kind in one second.
const LINES_PER_SECOND_MAX: u64 = 100;
/// Of these at most so many of one network, so that a flood from one address hides no other.
const LINES_OF_NETWORK_MAX: u64 = 10;
/// What counts as one address: whoever has one of an IPv6 /64 has all of them.
const NETWORK_BITS: (u8, u8) = (32, 64);
/// The field that says whom a line is of.
const ADDRESS: &str = "address";
/// It is told so often how many were left out.
const EVERY: Duration = Duration::from_secs(1);

/// How many lines of each kind there were in this second.
#[derive(Debug)]
pub(crate) struct Flood {
    /// Gives seconds since some start.
    seconds: fn() -> u64,
    kinds: Mutex<HashMap<Identifier, Kind>>,
}

#[derive(Debug)]
struct Kind {
    event: String,
    second: u64,
    lines: u64,
    /// Those of each network that had any in this second: no more than there were lines.
    by_network: HashMap<Network, u64>,
    left_out: u64,
}

/// What a line says.
#[derive(Default)]
struct Said {
    /// What it begins with.
    message: String,
    /// Whom it is of.
    address: Option<IpAddr>,
}

impl Flood {
    pub(super) fn new(seconds: fn() -> u64) -> Self {
        Self { seconds, kinds: Mutex::default() }
    }

    /// Whether a line is written; else it is counted.
    pub(super) fn admits(&self, event: &Event<'_>) -> bool {
        if event.metadata().target() != STRANGERS {
            return true;
        }
        let (second, said) = ((self.seconds)(), Said::by(event));
        let network = said.address.map(|address| Network::around(address, NETWORK_BITS));
        let mut kinds = self.lock();
        let new = || Kind { event: said.message, second, lines: 0, by_network: HashMap::new(), left_out: 0 };
        let kind = kinds.entry(event.metadata().callsite()).or_insert_with(new);
        if kind.second != second {
            (kind.second, kind.lines) = (second, 0);
            kind.by_network.clear();
        }
        let is_admitted = kind.admits(network);
        kind.left_out += u64::from(!is_admitted);
        is_admitted
    }

    /// How many lines were left out since this was asked last, of each kind.
    fn take_left_out(&self) -> Vec<(String, u64)> {
        let mut kinds = self.lock();
        let left_out = kinds.values_mut().filter(|kind| kind.left_out > 0);
        left_out.map(|kind| (kind.event.clone(), std::mem::take(&mut kind.left_out))).collect()
    }

    /// Says how many lines were left out.
    pub(crate) fn tell(&self) {
        for (event, count) in self.take_left_out() {
            warn!(event, count, "lines left out");
        }
    }

    /// Says so every second, until `stop` becomes true or its sender is dropped.
    pub(crate) async fn keep_telling(&self, mut stop: watch::Receiver<bool>) {
        while timeout(EVERY, stop.wait_for(|stop| *stop)).await.is_err() {
            self.tell();
        }
        self.tell();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kind {
    /// Whether there is one more line in this second.
    fn admits(&mut self, network: Option<Network>) -> bool {
        if self.lines >= LINES_PER_SECOND_MAX {
            return false;
        }
        if let Some(network) = network {
            let lines = self.by_network.entry(network).or_default();
            if *lines >= LINES_OF_NETWORK_MAX {
                return false;
            }
            *lines += 1;
        }
        self.lines += 1;
        true
    }
}

impl Said {
    fn by(event: &Event<'_>) -> Self {
        let mut said = Self::default();
        event.record(&mut said);
        said
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            ADDRESS => self.address = format!("{value:?}").parse().ok(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tracing::{Metadata, Subscriber, info, span};

    /// Counts the lines that are written.
    struct Counting(Arc<Flood>, Arc<AtomicU64>);

    impl Subscriber for Counting {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            self.1.fetch_add(u64::from(self.0.admits(event)), Ordering::SeqCst);
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    thread_local! {
        /// Each test has its own.
        static SECOND: Cell<u64> = const { Cell::new(7) };
    }

    fn flood() -> (Arc<Flood>, Arc<AtomicU64>) {
        (Arc::new(Flood::new(|| SECOND.get())), Arc::default())
    }

    /// So many lines of a host.
    fn wrong(host: u32, times: u64) {
        let address = std::net::Ipv4Addr::from_bits(0xc000_0200 + host);
        (0..times).for_each(|n| info!(target: STRANGERS, %address, n, "login failed"));
    }

    #[test]
    fn a_stranger_filled_the_disk_with_lines() {
        let (flood, written) = flood();
        let written_since = || written.swap(0, Ordering::SeqCst);
        let all = |times: u64| (0..times).for_each(|n| wrong(u32::try_from(n).unwrap(), 1));
        let _logs = tracing::subscriber::set_default(Counting(flood.clone(), written.clone()));
        all(LINES_PER_SECOND_MAX);
        assert_eq!((written_since(), flood.take_left_out()), (LINES_PER_SECOND_MAX, Vec::new()), "at the limit");
        all(2);
        info!(target: STRANGERS, "recipient refused");
        assert_eq!(written_since(), 1, "another kind has its own");
        assert_eq!(flood.take_left_out(), [("login failed".to_owned(), 2)]);
        assert_eq!(flood.take_left_out(), Vec::new(), "it is told once");
        for n in 0..LINES_PER_SECOND_MAX * 2 {
            info!(n, "delivered");
        }
        assert_eq!(written_since(), LINES_PER_SECOND_MAX * 2, "what happens to mail is never left out");
        for n in 0..=LINES_PER_SECOND_MAX {
            info!(target: STRANGERS, n, "sender examined");
        }
        assert_eq!(written_since(), LINES_PER_SECOND_MAX, "lines that are of nobody have all there are");
        SECOND.set(8);
        wrong(1, 1);
        assert_eq!(written_since(), 1, "the next second");
    }

    #[test]
    fn a_flood_from_one_address_hid_the_failures_of_all_others() {
        let (flood, written) = flood();
        let written_since = || written.swap(0, Ordering::SeqCst);
        let _logs = tracing::subscriber::set_default(Counting(flood.clone(), written.clone()));
        wrong(1, LINES_OF_NETWORK_MAX);
        assert_eq!((written_since(), flood.take_left_out()), (LINES_OF_NETWORK_MAX, Vec::new()), "at its share");
        wrong(1, 1000);
        wrong(2, 3);
        assert_eq!(written_since(), 3);
        assert_eq!(flood.take_left_out(), [("login failed".to_owned(), 1000)]);
        for host in 0..100 {
            info!(target: STRANGERS, address = %format!("2001:db8::{host:x}"), "login failed here");
        }
        assert_eq!(written_since(), LINES_OF_NETWORK_MAX, "an IPv6 /64 is one");
        (3..10_000).for_each(|host| wrong(host, 2));
        assert!(flood.lock().values().all(|kind| kind.by_network.len() as u64 <= LINES_PER_SECOND_MAX), "bounded");
    }
}
