//! Who may connect: so many in all, so many from one address, so many new ones in a time.
//!
//! An address is an IPv4 address or an IPv6 /64, which is what one customer gets. The share of one address is smaller
//! than the whole, so one address cannot lock the others out; nor can many of one IPv4 /24 or IPv6 /48, which have a share together. Loopback has a share of its own, because a proxy or
//! web mail on this machine speaks for many, and no limit in time. The mail system on this machine (LMTP) is counted apart
//! from all others, with some places that nobody else gets: mail goes on to arrive when clients fill the server.
//! So is whoever reads the metrics: what goes on in a full server is to be seen.
//! A balancer in front of this server has no share: until it has said for whom a connection is, that counts in all only.
//!
//! Invariant: what is counted for a connection is given back when its [`Ticket`] is dropped.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use metrics::{CONNECTIONS_ACCEPTED, CONNECTIONS_OPEN, CONNECTIONS_REFUSED, Counts, Exposition, Levels};
use session::Network;

use crate::service::{Refusal, Service};

/// New connections that an address may open at once ...
const BURST_CONNECTIONS: u64 = 300;
/// ... and how soon it has one more: ten a second.
const REFILL_MILLIS: u64 = 100;
/// So many places, or an eighth if that is less, are for LMTP alone.
const LMTP_PLACES_MAX: usize = 16;
/// Connections of those who read metrics, beside all others.
const MONITORS_MAX: usize = 16;
/// Addresses that are remembered besides those that are connected.
const ADDRESSES_MAX: usize = 65_536;
/// Addresses near each other, of IPv4 and IPv6.
const NETWORK_BITS: (u8, u8) = (24, 48);

/// How many connections may be open at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one IPv4 address or IPv6 /64.
    pub per_address: usize,
    /// From this machine itself.
    pub per_loopback: usize,
}

impl ConnectionLimits {
    /// The same with at most `total` in all: what lowers the total lowers the shares, or one address could have it all.
    #[must_use]
    pub fn within(self, total: usize) -> Self {
        if total >= self.total {
            return self;
        }
        let (per_address, per_loopback) = (self.per_address.min(total / 4), self.per_loopback.min(total / 2));
        Self { total, per_address: per_address.max(1), per_loopback: per_loopback.max(1) }
    }

    /// From one IPv4 /24 or IPv6 /48, which one customer may have as a whole: a quarter of all, or that of two addresses
    /// where it is more.
    fn per_network(&self) -> usize {
        (self.total / 4).max(self.per_address.saturating_mul(2))
    }

    /// In all, of those that are not LMTP.
    fn clients(&self) -> usize {
        self.total - (self.total / 8).min(LMTP_PLACES_MAX)
    }
}

/// Counts connections and decides about new ones.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    /// Balancers that say for whom they speak.
    proxies: Vec<Network>,
    state: Mutex<State>,
    /// Where whoever looks for a lost mail finds which hosts were refused.
    noted: OnceLock<Noted>,
    accepted: Counts<1>,
    refused: Counts<2>,
    /// By service.
    connected: Levels<1>,
}

/// Takes the address of a host that would have brought mail, and why it is not served.
struct Noted(Box<dyn Fn(Service, IpAddr, Refusal) + Send + Sync>);

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noted")
    }
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// Of these over LMTP.
    lmtp: usize,
    /// Those who read metrics.
    monitors: usize,
    addresses: HashMap<Prefix, Usage>,
    /// Connections that are open, by the wider network of their addresses; only those that have any.
    networks: HashMap<Network, usize>,
    /// The latest moment seen.
    now: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Prefix {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
    /// Whoever speaks LMTP.
    Lmtp,
    /// Balancers that have not said yet for whom they speak.
    Proxies,
    /// Whoever reads metrics.
    Monitors,
}

#[derive(Debug, Default)]
struct Usage {
    open: usize,
    /// When all that this address has opened will be forgiven (a leaky bucket as one number).
    forgiven: u64,
}

/// The right to one connection; dropping it gives it back.
#[derive(Debug)]
pub struct Ticket {
    admission: Arc<Admission>,
    prefix: Prefix,
    /// `None`: it is not known yet for whom it is.
    service: Option<Service>,
}

impl Admission {
    /// Nobody is connected yet. In front of the server are balancers at `proxies`.
    #[must_use]
    pub fn new(limits: ConnectionLimits, proxies: &[Network]) -> Arc<Self> {
        Arc::new(Self {
            limits,
            proxies: proxies.to_vec(),
            state: Mutex::default(),
            noted: OnceLock::new(),
            accepted: Counts::new(&CONNECTIONS_ACCEPTED),
            refused: Counts::new(&CONNECTIONS_REFUSED),
            connected: Levels::new(&CONNECTIONS_OPEN),
        })
    }

    /// Whether whoever connects from `address` to `service` has to say first for whom (the PROXY protocol). LMTP, HTTP
    /// without TLS, metrics and standbys are programs that speak for themselves.
    #[must_use]
    pub(super) fn is_proxy(&self, address: IpAddr, service: Service) -> bool {
        let for_this_machine = matches!(service, Service::Lmtp | Service::Http | Service::Metrics | Service::Standby);
        !for_this_machine && self.proxies.iter().any(|network| network.contains(address))
    }

    /// Takes the connection of a balancer in, which is to become that of a client with [`Ticket::becomes`].
    ///
    /// # Errors
    /// The limit that is reached.
    pub(super) fn admit_proxy(self: &Arc<Self>, now_millis: u64) -> Result<Ticket, Refusal> {
        self.enter(Prefix::Proxies, false, now_millis)
    }

    /// Takes a connection from `address` to `service` in, at `now_millis` on the monotonic clock.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn admit(self: &Arc<Self>, address: IpAddr, service: Service, now_millis: u64) -> Result<Ticket, Refusal> {
        let address = address.to_canonical();
        let prefix = match service {
            Service::Lmtp => Prefix::Lmtp,
            Service::Metrics => Prefix::Monitors,
            _ => Prefix::of(address),
        };
        let mut ticket = self.enter(prefix, address.is_loopback(), now_millis)?;
        ticket.service = Some(service);
        self.accepted.inc([service.name()]);
        self.connected.rise([service.name()]);
        Ok(ticket)
    }

    fn enter(self: &Arc<Self>, prefix: Prefix, loopback: bool, now_millis: u64) -> Result<Ticket, Refusal> {
        let mut state = self.lock();
        state.now = state.now.max(now_millis);
        state.forget_idle(self.limits.total);
        state.enter(prefix, loopback, &self.limits)?;
        Ok(Ticket { admission: self.clone(), prefix, service: None })
    }

    /// Tells `note` from now on of hosts with mail that are refused. It must not wait for anything.
    pub(crate) fn tell(&self, note: impl Fn(Service, IpAddr, Refusal) + Send + Sync + 'static) {
        // A server has one place for it.
        let _first_counts = self.noted.set(Noted(Box::new(note)));
    }

    /// A connection was refused. Of those that bring no mail the log says enough.
    pub(crate) fn note_refused(&self, service: Service, address: IpAddr, refusal: Refusal) {
        self.refused.inc([service.name(), refusal.name()]);
        let brings_mail = matches!(service, Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp);
        if let Some(Noted(note)) = self.noted.get().filter(|_| brings_mail) {
            note(service, address.to_canonical(), refusal);
        }
    }

    /// Puts on `told` who was let in, who was not, and who is here.
    pub(crate) fn tell_metrics(&self, told: &mut Exposition) {
        self.accepted.tell(told);
        self.refused.tell(told);
        self.connected.tell(told);
    }

    /// Connections to `service` that are open now.
    #[must_use]
    pub fn connected(&self, service: Service) -> usize {
        usize::try_from(self.connected.value([service.name()])).unwrap_or_default()
    }

    /// How many may be open.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.limits.total
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.lock().open
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The balancer has said for whom the connection is.
    ///
    /// # Errors
    /// The limit that this client has reached; then the connection is not counted any more.
    pub(super) fn becomes(self, address: IpAddr, service: Service, now_millis: u64) -> Result<Self, Refusal> {
        let admission = self.admission.clone();
        drop(self);
        admission.admit(address, service, now_millis)
    }
}

impl State {
    fn enter(&mut self, prefix: Prefix, loopback: bool, limits: &ConnectionLimits) -> Result<(), Refusal> {
        if prefix == Prefix::Monitors {
            if self.monitors >= MONITORS_MAX {
                return Err(Refusal::ServerFull);
            }
            self.monitors += 1;
            return Ok(());
        }
        let now = self.now;
        let usage = self.addresses.entry(prefix).or_default();
        let (is_lmtp, is_proxy) = (prefix == Prefix::Lmtp, prefix == Prefix::Proxies);
        let share = if loopback || is_lmtp { limits.per_loopback } else { limits.per_address };
        if usage.open >= share && !is_proxy {
            return Err(Refusal::AddressFull);
        }
        let network = prefix.network();
        let of_network = network.and_then(|network| self.networks.get(&network)).copied().unwrap_or_default();
        if of_network >= limits.per_network() {
            return Err(Refusal::NetworkFull);
        }
        if !loopback && !is_lmtp && !is_proxy {
            let forgiven = usage.forgiven.max(now) + REFILL_MILLIS;
            if forgiven - now > BURST_CONNECTIONS * REFILL_MILLIS {
                return Err(Refusal::TooFast);
            }
            usage.forgiven = forgiven;
        }
        // Counted against the address's rate first, so that an address that meets a full server is slowed down too.
        let others_full = !is_lmtp && self.open - self.lmtp >= limits.clients();
        if self.open >= limits.total || others_full {
            return Err(Refusal::ServerFull);
        }
        usage.open += 1;
        self.open += 1;
        if let Some(network) = network {
            self.networks.insert(network, of_network + 1);
        }
        self.lmtp += usize::from(is_lmtp);
        Ok(())
    }

    fn leave(&mut self, prefix: Prefix) {
        if prefix == Prefix::Monitors {
            self.monitors = self.monitors.saturating_sub(1);
            return;
        }
        self.open = self.open.saturating_sub(1);
        self.lmtp = self.lmtp.saturating_sub(usize::from(prefix == Prefix::Lmtp));
        if let Some(Entry::Occupied(mut entry)) = prefix.network().map(|network| self.networks.entry(network)) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        let now = self.now;
        if let Entry::Occupied(mut entry) = self.addresses.entry(prefix) {
            let usage = entry.get_mut();
            usage.open = usage.open.saturating_sub(1);
            if usage.open == 0 && usage.forgiven <= now {
                entry.remove();
            }
        }
    }

    /// Keeps the table bounded: at most the connected addresses and [`ADDRESSES_MAX`] others.
    fn forget_idle(&mut self, connections_max: usize) {
        let bound = ADDRESSES_MAX + connections_max;
        if self.addresses.len() < bound {
            return;
        }
        let now = self.now;
        self.addresses.retain(|_, usage| usage.open > 0 || usage.forgiven > now);
        if self.addresses.len() >= bound {
            // A flood from very many addresses: to each of them the limit in time means nothing anyway.
            self.addresses.retain(|_, usage| usage.open > 0);
        }
    }
}

impl Prefix {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }

    /// Whose neighbours count together with it; this machine has none, and proxies and mail systems of ours speak for many.
    fn network(self) -> Option<Network> {
        let address = match self {
            Self::V4(bits) => IpAddr::from(bits.to_be_bytes()),
            Self::V6(bits) if bits != 0 => Ipv6Addr::from_bits(u128::from(bits) << 64).into(),
            Self::V6(_) | Self::Lmtp | Self::Proxies | Self::Monitors => return None,
        };
        (!address.is_loopback()).then(|| Network::around(address, NETWORK_BITS))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.lock().leave(self.prefix);
        if let Some(service) = self.service {
            self.admission.connected.fall([service.name()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One place of the eleven is for LMTP.
    const LIMITS: ConnectionLimits = ConnectionLimits { total: 11, per_address: 3, per_loopback: 5 };

    fn admit_all(admission: &Arc<Admission>, address: &str, count: usize) -> (Vec<Ticket>, Option<Refusal>) {
        let mut tickets = Vec::new();
        for _ in 0..count {
            match admission.admit(address.parse().unwrap(), Service::Imap, 1_000) {
                Ok(ticket) => tickets.push(ticket),
                Err(refusal) => return (tickets, Some(refusal)),
            }
        }
        (tickets, None)
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        fn check(first: &str, second: &str, same_share: bool) {
            let admission = Admission::new(LIMITS, &[]);
            let (held, refusal) = admit_all(&admission, first, 4);
            assert_eq!((held.len(), refusal), (3, Some(Refusal::AddressFull)), "{first}");
            let (others, _) = admit_all(&admission, second, 1);
            assert_eq!(others.is_empty(), same_share, "{first} {second}");
        }
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true);
        check("2001:db8:1:2::1", "2001:db8:1:3::1", false);
        check("192.0.2.1", "127.0.0.1", false);
    }

    #[test]
    fn many_addresses_of_one_customer_locked_the_others_out() {
        let limits = ConnectionLimits { total: 40, per_address: 3, per_loopback: 5 };
        let admission = Admission::new(limits, &[]);
        let check = |address: &dyn Fn(u32) -> String| {
            let held: Vec<_> = (0..20).map(|n| admit_all(&admission, &address(n), 3).0).collect();
            assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 10, "{}", address(0));
            assert_eq!(
                admission.admit(address(9).parse().unwrap(), Service::Smtp, 1_000).map(drop),
                Err(Refusal::NetworkFull)
            );
            held
        };
        let held = [check(&|n| format!("192.0.2.{n}")), check(&|n| format!("2001:db8:1:{n:x}::1"))];
        assert_eq!(admit_all(&admission, "127.0.0.1", 4).0.len(), 4, "this machine has no neighbours");
        drop(held);
        assert_eq!((admission.open(), admission.lock().networks.len()), (0, 0));
    }

    #[test]
    fn the_total_counts_all_and_comes_back() {
        let admission = Admission::new(LIMITS, &[]);
        let held: Vec<_> = ["192.0.2.1", "192.0.3.1", "192.0.4.1"].map(|from| admit_all(&admission, from, 3)).into();
        let (loopback, refusal) = admit_all(&admission, "127.0.0.1", 5);
        assert_eq!((loopback.len(), refusal), (1, Some(Refusal::ServerFull)));
        assert_eq!(admission.open(), 10);
        drop((held, loopback));
        assert_eq!(admission.open(), 0);
        let (loopback, refusal) = admit_all(&admission, "127.0.0.1", 6);
        assert_eq!((loopback.len(), refusal), (5, Some(Refusal::AddressFull)));
    }

    #[test]
    fn one_client_on_this_machine_locked_lmtp_out() {
        let configured = ConnectionLimits { total: 10_000, per_address: 100, per_loopback: 5_000 };
        for total in [4, 32, 128, 512, 10_000] {
            let limits = configured.within(total);
            let admission = Admission::new(limits, &[]);
            let admit = |address: &str, service| admission.admit(address.parse().unwrap(), service, 0);
            let all = |address: &str, service| -> Vec<Ticket> {
                std::iter::from_fn(|| admit(address, service).ok()).collect()
            };
            let loopback = all("127.0.0.1", Service::Imap);
            assert!(loopback.len() <= total / 2 && !loopback.is_empty(), "{total}: {}", loopback.len());
            let (stranger, lmtp) = (admit("192.0.2.1", Service::Imap), admit("127.0.0.1", Service::Lmtp));
            assert!(stranger.is_ok() && lmtp.is_ok(), "{total}");
            drop((loopback, stranger, lmtp));
            // Nor do very many strangers together, from eight places on.
            let from = |n: usize| format!("198.{}.{}.1", 18 + n / 256, n % 256);
            let strangers: Vec<Vec<Ticket>> = (0..4 * 10_000 / 100).map(|n| all(&from(n), Service::Imap)).collect();
            assert!(admit("192.0.2.1", Service::Imap).is_err(), "{total}: it is full");
            assert_eq!(admit("127.0.0.1", Service::Lmtp).is_ok(), total >= 8, "{total}");
            drop(strangers);
            assert_eq!(admission.open(), 0);
        }
    }

    #[test]
    fn new_connections_are_slowed_down_but_not_from_loopback() {
        let admission = Admission::new(LIMITS, &[]);
        let open = |address: &str, now| admission.admit(address.parse().unwrap(), Service::Imap, now).map(drop);
        for _ in 0..BURST_CONNECTIONS {
            assert_eq!(open("192.0.2.1", 1_000), Ok(()));
            assert_eq!(open("127.0.0.1", 1_000), Ok(()));
        }
        assert_eq!(open("192.0.2.1", 1_000), Err(Refusal::TooFast));
        assert_eq!(open("192.0.2.2", 1_000), Ok(()));
        assert_eq!(open("127.0.0.1", 1_000), Ok(()));
        assert_eq!(open("192.0.2.1", 1_000 + REFILL_MILLIS), Ok(()));
        assert_eq!(open("192.0.2.1", 1_000 + REFILL_MILLIS), Err(Refusal::TooFast));
        // A clock that seems to go back changes nothing.
        assert_eq!(open("192.0.2.1", 0), Err(Refusal::TooFast));
    }

    #[test]
    fn a_balancer_had_the_share_of_one_client() {
        let admission = Admission::new(LIMITS, &["192.0.2.9".parse().unwrap()]);
        let is_proxy = |address: &str, service| admission.is_proxy(address.parse().unwrap(), service);
        assert!(is_proxy("192.0.2.9", Service::Imap) && is_proxy("::ffff:192.0.2.9", Service::Https));
        assert!(!is_proxy("192.0.2.8", Service::Imap));
        assert!(!is_proxy("192.0.2.9", Service::Lmtp) && !is_proxy("192.0.2.9", Service::Http));

        let announced = |client: &str| {
            let ticket = admission.admit_proxy(1_000)?;
            ticket.becomes(client.parse().unwrap(), Service::Imap, 1_000)
        };
        let held: Vec<Ticket> = (1..=3).map(|_| announced("203.0.113.1").unwrap()).collect();
        assert_eq!(announced("203.0.113.1").err(), Some(Refusal::AddressFull), "each client has its share");
        let others: Vec<Ticket> = (2..=8).map(|n| announced(&format!("203.0.{n}.1")).unwrap()).collect();
        assert_eq!(admission.admit_proxy(1_000).err(), Some(Refusal::ServerFull), "and all together have theirs");
        drop((held, others));
        assert_eq!(admission.open(), 0);
        let waiting: Vec<Ticket> = std::iter::from_fn(|| admission.admit_proxy(1_000).ok()).collect();
        assert_eq!(waiting.len(), 10, "those that have not said yet for whom they are count too");
    }

    #[test]
    fn whoever_reads_metrics_is_not_kept_out_by_a_full_server_and_keeps_nobody_out() {
        let admission = Admission::new(LIMITS, &[]);
        let admit = |from: &str, service| admission.admit(from.parse().unwrap(), service, 1_000);
        let clients: Vec<Ticket> =
            (0..10).map(|n| admit(&format!("192.0.{}.1", n / 3), Service::Imap).unwrap()).collect();
        assert_eq!(admit("127.0.0.1", Service::Imap).err(), Some(Refusal::ServerFull));
        let mut monitors: Vec<Ticket> =
            (0..MONITORS_MAX).map(|_| admit("127.0.0.1", Service::Metrics).unwrap()).collect();
        assert_eq!(admit("127.0.0.1", Service::Metrics).err(), Some(Refusal::ServerFull), "one past it");
        monitors.pop();
        monitors.push(admit("127.0.0.1", Service::Metrics).unwrap());
        assert_eq!((admission.open(), admission.connected(Service::Metrics)), (10, MONITORS_MAX));
        assert_eq!(admission.connected(Service::Imap), 10);
        drop((clients, monitors));
        let monitors = admission.lock().monitors;
        assert_eq!((monitors, admission.connected(Service::Imap), admission.open()), (0, 0, 0));
        assert_eq!(admission.accepted.value(["imap"]), 10);
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let admission = Admission::new(LIMITS, &[]);
        let _held = admission.admit("192.0.2.1".parse().unwrap(), Service::Imap, 0).unwrap();
        for address in 0..(ADDRESSES_MAX as u32 + 100) {
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + address));
            assert!(admission.admit(address, Service::Imap, 0).is_ok());
        }
        let state = admission.lock();
        assert!(state.addresses.len() <= ADDRESSES_MAX + LIMITS.total);
        assert_eq!(state.addresses[&Prefix::V4(0xc000_0201)].open, 1, "who is connected stays counted");
    }
}
