//! What hosts of one network may do together on port 25, and all networks together.
//!
//! A network is an IPv4 /24 or an IPv6 /64, and above that the IPv6 /48 that one customer can have, which may do
//! [`CUSTOMER_SHARES`] times as much. What is counted is forgiven evenly in time: each count is a leaky bucket, kept as the
//! moment when all of it will be forgiven.
//!
//! Nobody counts mail of this machine, of relays of ours, of who has logged in, and LMTP: there is no [`Guest`] for them.
//!
//! Invariant: what a [`Guest`] counts for its connection is given back when it is dropped.
//! Invariant: the table holds the networks that are connected, and at most [`NETWORKS_MAX`] others.

use session::Network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const MINUTE_MILLIS: u64 = 60 * 1000;
const HOUR_MILLIS: u64 = 60 * MINUTE_MILLIS;
/// What hosts near each other are called a network by.
const NETWORK_BITS: (u8, u8) = (24, 64);
/// What one customer has, where that is more: only in IPv6.
const CUSTOMER_BITS: u8 = 48;
/// A customer may do as much as so many networks ...
const CUSTOMER_SHARES: u32 = 4;
/// ... and all of them together, in connections and messages a minute, as much as so many.
const ALL_SHARES: u32 = 40;
/// Networks that are remembered besides those that are connected.
const NETWORKS_MAX: usize = 65_536;

/// Limits on what hosts of one network do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Connections at the same time, of all networks together.
    pub connections_max: u32,
    /// Connections at the same time, of one network.
    pub connections_per_network_max: u32,
    /// New connections in a minute.
    pub connects_per_minute_max: u32,
    /// Messages in a minute, whatever becomes of them.
    pub messages_per_minute_max: u32,
    /// Recipients in an hour that do not exist.
    pub wrong_recipients_per_hour_max: u32,
    /// Commands in an hour that are none (RFC 5321 §4.2.2: 500 to 504).
    pub bad_commands_per_hour_max: u32,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connections_max: 4000,
            connections_per_network_max: 100,
            connects_per_minute_max: 600,
            messages_per_minute_max: 1200,
            wrong_recipients_per_hour_max: 600,
            bad_commands_per_hour_max: 600,
        }
    }
}

/// What was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// Connections at the same time, of all networks.
    AllConnections,
    /// Connections at the same time.
    Connections,
    /// New connections in a minute, of all networks.
    AllConnects,
    /// New connections in a minute.
    Connects,
    /// Messages in a minute, of all networks.
    AllMessages,
    /// Messages in a minute.
    Messages,
    /// Wrong recipients in an hour.
    WrongRecipients,
    /// Bad commands in an hour.
    BadCommands,
}

/// What a client did that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Connect,
    Message,
    WrongRecipient,
    BadCommand,
}

/// All networks that are connected, or were of late.
#[derive(Debug)]
pub(crate) struct Networks {
    limits: NetworkLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: Usage,
    networks: HashMap<Network, Usage>,
}

/// What hosts of a network did.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    open: u32,
    /// When all of a deed will be forgiven, on the clock that never goes back.
    forgiven: [u64; 4],
}

/// A connection of a stranger; dropping it gives back what it counts for.
#[derive(Debug)]
pub(crate) struct Guest {
    networks: Arc<Networks>,
    shares: [Option<(Network, u32)>; 2],
}

impl Networks {
    /// Nobody is connected yet.
    pub(crate) fn new(limits: NetworkLimits) -> Arc<Self> {
        Arc::new(Self { limits, state: Mutex::default() })
    }

    /// Takes a connection in, at `now` on the clock that never goes back.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, now: u64) -> Result<Guest, TooMuch> {
        let (limits, shares) = (&self.limits, shares(address));
        let mut state = self.lock();
        state.forget(now);
        if state.all.open >= limits.connections_max {
            return Err(TooMuch::AllConnections);
        }
        for (network, share) in shares.into_iter().flatten() {
            let usage = state.networks.get(&network).copied().unwrap_or_default();
            if usage.open >= limits.connections_per_network_max.saturating_mul(share) {
                return Err(TooMuch::Connections);
            }
            if usage.is_full(Deed::BadCommand, limits.rate(Deed::BadCommand, share), now) {
                return Err(TooMuch::BadCommands);
            }
        }
        state.may(Deed::Connect, shares, limits, now)?;
        state.count(Deed::Connect, shares, limits, now);
        state.all.open += 1;
        for (network, _) in shares.into_iter().flatten() {
            state.networks.entry(network).or_default().open += 1;
        }
        drop(state);
        Ok(Guest { networks: Arc::clone(self), shares })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// Whether a recipient may be named that is not the postmaster: nobody learns who is here by trying, and nobody's mail
    /// takes all there is.
    pub(crate) fn may_name_recipient(&self, now: u64) -> Result<(), TooMuch> {
        let (state, limits) = (self.networks.lock(), &self.networks.limits);
        state.may(Deed::WrongRecipient, self.shares, limits, now)?;
        state.may(Deed::Message, self.shares, limits, now)
    }

    /// A message begins.
    pub(crate) fn message(&self, now: u64) {
        self.count(Deed::Message, now);
    }

    /// A recipient was named who does not exist.
    pub(crate) fn wrong_recipient(&self, now: u64) {
        self.count(Deed::WrongRecipient, now);
    }

    /// Something was said that is no command.
    pub(crate) fn bad_command(&self, now: u64) {
        self.count(Deed::BadCommand, now);
    }

    /// Mistakes of its network that are not forgiven yet.
    pub(crate) fn mistakes(&self, now: u64) -> u32 {
        let (state, limits) = (self.networks.lock(), &self.networks.limits);
        let Some((network, share)) = self.shares[0] else { return 0 };
        let usage = state.networks.get(&network).copied().unwrap_or_default();
        let of = |deed| usage.level(deed, limits.rate(deed, share), now);
        of(Deed::WrongRecipient).saturating_add(of(Deed::BadCommand))
    }

    fn count(&self, deed: Deed, now: u64) {
        self.networks.lock().count(deed, self.shares, &self.networks.limits, now);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.networks.lock();
        state.all.open = state.all.open.saturating_sub(1);
        for (network, _) in self.shares.into_iter().flatten() {
            if let Some(usage) = state.networks.get_mut(&network) {
                usage.open = usage.open.saturating_sub(1);
            }
        }
    }
}

/// How much of a deed, in which time.
#[derive(Clone, Copy)]
struct Rate {
    most: u64,
    millis: u64,
}

impl NetworkLimits {
    fn rate(&self, deed: Deed, shares: u32) -> Rate {
        let (most, millis) = match deed {
            Deed::Connect => (self.connects_per_minute_max, MINUTE_MILLIS),
            Deed::Message => (self.messages_per_minute_max, MINUTE_MILLIS),
            Deed::WrongRecipient => (self.wrong_recipients_per_hour_max, HOUR_MILLIS),
            Deed::BadCommand => (self.bad_commands_per_hour_max, HOUR_MILLIS),
        };
        Rate { most: u64::from(most.saturating_mul(shares)), millis }
    }
}

/// Microseconds, so that a rate of more than one in a millisecond is one.
impl Rate {
    fn one_micros(self) -> u64 {
        (self.millis * 1000).checked_div(self.most).unwrap_or(u64::MAX)
    }
}

impl Usage {
    fn rest_micros(&self, deed: Deed, now: u64) -> u64 {
        self.forgiven[deed as usize].saturating_sub(now.saturating_mul(1000))
    }

    /// Whether one more would be one too many.
    fn is_full(&self, deed: Deed, rate: Rate, now: u64) -> bool {
        self.rest_micros(deed, now).saturating_add(rate.one_micros()) > rate.millis * 1000
    }

    /// How many are not forgiven yet.
    fn level(&self, deed: Deed, rate: Rate, now: u64) -> u32 {
        u32::try_from(self.rest_micros(deed, now).div_ceil(rate.one_micros().max(1))).unwrap_or(u32::MAX)
    }

    /// A bucket that is full becomes no fuller: what is too much is forgiven in the same time.
    fn count(&mut self, deed: Deed, rate: Rate, now: u64) {
        let rest = self.rest_micros(deed, now).saturating_add(rate.one_micros()).min(rate.millis * 1000);
        self.forgiven[deed as usize] = now.saturating_mul(1000).saturating_add(rest);
    }
}

impl State {
    fn may(
        &self,
        deed: Deed,
        shares: [Option<(Network, u32)>; 2],
        limits: &NetworkLimits,
        now: u64,
    ) -> Result<(), TooMuch> {
        let (of_network, of_all) = match deed {
            Deed::Connect => (TooMuch::Connects, Some(TooMuch::AllConnects)),
            Deed::Message => (TooMuch::Messages, Some(TooMuch::AllMessages)),
            // Those of some are not laid to the charge of all.
            Deed::WrongRecipient => (TooMuch::WrongRecipients, None),
            Deed::BadCommand => (TooMuch::BadCommands, None),
        };
        for (network, share) in shares.into_iter().flatten() {
            let usage = self.networks.get(&network);
            if usage.is_some_and(|usage| usage.is_full(deed, limits.rate(deed, share), now)) {
                return Err(of_network);
            }
        }
        match of_all {
            Some(too_much) if self.all.is_full(deed, limits.rate(deed, ALL_SHARES), now) => Err(too_much),
            Some(_) | None => Ok(()),
        }
    }

    fn count(&mut self, deed: Deed, shares: [Option<(Network, u32)>; 2], limits: &NetworkLimits, now: u64) {
        for (network, share) in shares.into_iter().flatten() {
            self.networks.entry(network).or_default().count(deed, limits.rate(deed, share), now);
        }
        self.all.count(deed, limits.rate(deed, ALL_SHARES), now);
    }

    /// Keeps the table bounded.
    fn forget(&mut self, now: u64) {
        let bound = NETWORKS_MAX.saturating_add((self.all.open as usize).saturating_mul(2));
        if self.networks.len() < bound {
            return;
        }
        let micros = now.saturating_mul(1000);
        self.networks.retain(|_, usage| usage.open > 0 || usage.forgiven.iter().any(|until| *until > micros));
        if self.networks.len() >= bound {
            // A flood from very many networks: to each of them a limit in time means little, and to all it holds.
            self.networks.retain(|_, usage| usage.open > 0);
        }
    }
}

/// The networks that an address is in, and how many shares each of them has.
fn shares(address: IpAddr) -> [Option<(Network, u32)>; 2] {
    let network = Network::around(address, NETWORK_BITS);
    let customer = address.to_canonical().is_ipv6().then(|| Network::around(address, (32, CUSTOMER_BITS)));
    [Some((network, 1)), customer.map(|customer| (customer, CUSTOMER_SHARES))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: NetworkLimits = NetworkLimits {
        connections_max: 30,
        connections_per_network_max: 3,
        connects_per_minute_max: 6,
        messages_per_minute_max: 2,
        wrong_recipients_per_hour_max: 4,
        bad_commands_per_hour_max: 2,
    };

    fn come(networks: &Arc<Networks>, address: &str, now: u64) -> Result<Guest, TooMuch> {
        networks.enter(address.parse().unwrap(), now)
    }

    /// As many as come in, and what was too much for the next one.
    fn all(networks: &Arc<Networks>, addresses: impl Iterator<Item = String>) -> (Vec<Guest>, Option<TooMuch>) {
        let mut guests = Vec::new();
        for address in addresses {
            match come(networks, &address, 0) {
                Ok(guest) => guests.push(guest),
                Err(too_much) => return (guests, Some(too_much)),
            }
        }
        (guests, None)
    }

    #[test]
    fn many_addresses_of_one_network_had_a_share_each() {
        let check = |addresses: &dyn Fn(u32) -> String, most: usize, too_much| {
            let networks = Networks::new(LIMITS);
            let (guests, found) = all(&networks, (0..100).map(addresses));
            assert_eq!((guests.len(), found), (most, Some(too_much)), "{}", addresses(0));
            drop(guests);
            let state = networks.lock();
            assert_eq!((state.all.open, state.networks.values().any(|usage| usage.open > 0)), (0, false));
        };
        check(&|n| format!("192.0.2.{n}"), 3, TooMuch::Connections);
        check(&|n| format!("::ffff:192.0.2.{n}"), 3, TooMuch::Connections);
        check(&|n| format!("2001:db8:1:2::{n:x}"), 3, TooMuch::Connections);
        // A customer with a /48 has 65,536 networks, and is one.
        check(&|n| format!("2001:db8:1:{n:x}::1"), 12, TooMuch::Connections);
        check(&|n| format!("2001:db8:{n:x}::1"), 30, TooMuch::AllConnections);
        check(&|n| format!("198.51.{n}.1"), 30, TooMuch::AllConnections);
    }

    #[test]
    fn new_connections_in_a_minute() {
        let networks = Networks::new(LIMITS);
        let enter = |address, now| come(&networks, address, now).map(drop);
        for _ in 0..6 {
            assert_eq!(enter("192.0.2.1", 0), Ok(()));
        }
        assert_eq!((enter("192.0.2.2", 0), enter("192.0.3.1", 0)), (Err(TooMuch::Connects), Ok(())));
        // One more every ten seconds.
        assert_eq!((enter("192.0.2.1", 9_999), enter("192.0.2.1", 10_000)), (Err(TooMuch::Connects), Ok(())));
        assert_eq!(enter("192.0.2.1", 10_000), Err(TooMuch::Connects));
        // All together have forty times as much.
        let networks = Networks::new(LIMITS);
        let mut came = (0..1000).map(|n| come(&networks, &format!("198.51.{}.1", n % 250), 0).map(drop));
        assert_eq!(came.position(|came| came == Err(TooMuch::AllConnects)), Some(240));
    }

    #[test]
    fn what_is_counted_of_a_guest_is_that_of_its_network() {
        let networks = Networks::new(LIMITS);
        let enter = |address: &str| come(&networks, address, 0).unwrap();
        let (one, neighbour, other) = (enter("192.0.2.1"), enter("192.0.2.2"), enter("192.0.3.1"));
        let may = |now| [&one, &neighbour, &other].map(|guest| guest.may_name_recipient(now));
        one.message(0);
        assert_eq!(may(0), [Ok(()); 3]);
        neighbour.message(0);
        assert_eq!(may(0), [Err(TooMuch::Messages), Err(TooMuch::Messages), Ok(())]);
        assert_eq!(may(30_000), [Ok(()); 3]);
        (0..9).for_each(|_| one.wrong_recipient(30_000));
        assert_eq!(may(30_000), [Err(TooMuch::WrongRecipients), Err(TooMuch::WrongRecipients), Ok(())]);
        assert_eq!([&one, &neighbour, &other].map(|guest| guest.mistakes(30_000)), [4, 4, 0]);
        // What was too much is forgiven with the rest: one every quarter of an hour.
        assert_eq!(may(30_000 + HOUR_MILLIS / 4), [Ok(()); 3]);
        neighbour.bad_command(0);
        neighbour.bad_command(0);
        assert_eq!(come(&networks, "192.0.2.9", 0).map(drop), Err(TooMuch::BadCommands));
        assert_eq!(come(&networks, "192.0.2.9", HOUR_MILLIS / 2).map(drop), Ok(()));
    }

    #[test]
    fn the_table_of_networks_is_bounded() {
        let limits = NetworkLimits { connects_per_minute_max: 1_000_000, ..LIMITS };
        let networks = Networks::new(limits);
        let _guest = come(&networks, "2001:db8::1", 0).unwrap();
        for n in 0..NETWORKS_MAX as u32 + 100 {
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + (n << 8)));
            networks.enter(address, 0).unwrap().wrong_recipient(0);
        }
        let state = networks.lock();
        assert!(state.networks.len() <= NETWORKS_MAX + 2);
        let connected = Network::around("2001:db8::1".parse().unwrap(), NETWORK_BITS);
        assert_eq!(state.networks[&connected].open, 1, "who is connected stays counted");
    }
}
