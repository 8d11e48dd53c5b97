//! Which way mail for a domain goes out, as the operator has chosen.

use crate::entry::{Entry, TlsWish};
use crate::error::Error;
use crate::smarthost::Smarthost;
use crate::sts::Sts;
use crate::tls_outcome::TlsListener;
use dns::Dns;
use smtp_proto::ForwardPath;
use std::collections::HashMap;
use std::num::NonZeroU16;
use store::Timestamp;
use tokio::runtime::Handle;

/// The ways out, and which of them mail for a domain takes.
#[derive(Clone)]
pub struct Outgoing {
    /// This server's own name: for EHLO, in bounces, and never a host to deliver to.
    pub hello: String,
    /// The server that takes mail for others, if there is one.
    pub smarthost: Option<Smarthost>,
    /// How the servers of the recipients' domains are found and reached, if mail goes to them.
    pub direct: Option<Direct>,
    /// Which way mail takes.
    pub ways: Ways,
}

/// Which way mail for a domain takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    /// What is not in `routes`.
    pub default: Via,
    /// By domain, in lower case.
    pub routes: HashMap<String, Via>,
}

impl Ways {
    /// All mail takes one.
    #[must_use]
    pub fn all(via: Via) -> Self {
        Self { default: via, routes: HashMap::new() }
    }

    /// That of a recipient's mail.
    pub(crate) fn of(&self, path: &ForwardPath) -> Via {
        self.via(&domain(path))
    }

    fn via(&self, domain: &str) -> Via {
        self.routes.get(domain).copied().unwrap_or(self.default)
    }
}

/// In lower case; empty for <postmaster>.
fn domain(path: &ForwardPath) -> String {
    match path {
        ForwardPath::Postmaster => String::new(),
        ForwardPath::Mailbox(mailbox) => mailbox.domain().to_string().to_lowercase(),
    }
}

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// By the domain's MX records.
    Mx,
    /// To the smarthost.
    Smarthost,
    /// None: mail is returned.
    Refuse,
}

/// What it takes to reach other servers.
#[derive(Clone)]
pub struct Direct {
    /// Finds them.
    pub dns: Dns,
    /// Runs its look-ups. The queue's threads wait for them.
    pub runtime: Handle,
    /// 25 but in tests. With 25 no address of this machine itself is delivered to.
    pub port: u16,
    /// So many connections at most at the same time, 1 at least: all together, and to one domain.
    pub connections_max: usize,
    /// See `connections_max`.
    pub per_domain_max: usize,
    /// How many messages a minute go to one domain.
    pub rates: Rates,
    /// How policies of MTA-STS are fetched; `None`: nobody is asked for any.
    pub sts: Option<Sts>,
    /// Who is told what TLS made of each session.
    pub tls_told: Option<TlsListener>,
}

/// How many messages a minute go to one domain at most, one after another in even distances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// To one that is not in `domains`; `None`: as many as there are.
    pub default: Option<NonZeroU16>,
    /// By domain, in lower case.
    pub domains: HashMap<String, NonZeroU16>,
}

/// Where one connection leads, for some of a message's recipients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Destination {
    /// The smarthost.
    Smarthost,
    /// The servers of a domain, in lower case, and what of TLS counts on the way there: who cannot be reached in one way may be in
    /// another.
    Domain { name: String, tls: TlsWish },
    /// Nowhere.
    Refused(String),
    /// To the door through which what people send comes in: its time has come.
    Release,
    /// Back: all that is left to do is to tell the sender.
    Back,
}

/// How much goes to one destination at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) connections_max: usize,
    /// From one message to the next; `None`: as fast as they come.
    pub(crate) distance_millis: Option<u64>,
}

impl Destination {
    /// What connections are counted by, and what is remembered of it; `None` where nobody is talked to.
    pub(crate) fn place(&self) -> Option<(&str, TlsWish)> {
        match self {
            // No domain has these names.
            Self::Smarthost => Some(("", TlsWish::Usual)),
            Self::Domain { name, tls } => Some((name, *tls)),
            Self::Release => Some((" ", TlsWish::Usual)),
            Self::Refused(_) | Self::Back => None,
        }
    }
}

impl Outgoing {
    /// Everything goes to one smarthost.
    #[must_use]
    pub fn to(smarthost: Smarthost) -> Self {
        Self {
            hello: smarthost.hello.clone(),
            smarthost: Some(smarthost),
            direct: None,
            ways: Ways::all(Via::Smarthost),
        }
    }

    /// Where a recipient's mail goes.
    fn destination(&self, path: &ForwardPath, tls: TlsWish) -> Destination {
        let domain = domain(path);
        match self.ways.via(&domain) {
            Via::Smarthost if self.smarthost.is_some() => Destination::Smarthost,
            // RFC 5321 §2.3.5: <postmaster> without a domain is ours, or the smarthost's.
            Via::Mx if self.direct.is_some() && !domain.is_empty() => Destination::Domain { name: domain, tls },
            Via::Smarthost | Via::Mx | Via::Refuse => Destination::Refused(domain),
        }
    }

    /// The places of the recipients whose time has come, by where their mail goes.
    pub(crate) fn groups(&self, entry: &Entry, now: Timestamp) -> Result<Vec<(Destination, Vec<usize>)>, Error> {
        if entry.later.is_some() {
            let due = entry.waiting().filter(|(_, recipient)| recipient.is_due(now));
            let places: Vec<usize> = due.map(|(place, _)| place).collect();
            return Ok(if places.is_empty() { Vec::new() } else { vec![(Destination::Release, places)] });
        }
        let tls = entry.tls_on_the_way();
        let mut groups: Vec<(Destination, Vec<usize>)> = Vec::new();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        for (place, recipient) in entry.waiting().filter(|(_, recipient)| recipient.is_due(now)) {
            let destination = self.destination(&recipient.forward()?, tls);
            let at = *places.entry(destination.clone()).or_insert(groups.len());
            match groups.get_mut(at) {
                Some((_, group)) => group.push(place),
                None => groups.push((destination, vec![place])),
            }
        }
        Ok(groups)
    }

    /// So many connections at the same time, all together.
    pub(crate) fn connections_max(&self) -> usize {
        let smarthost = self.smarthost.as_ref().map_or(0, |smarthost| smarthost.connections_max);
        let direct = self.direct.as_ref().map_or(0, |direct| direct.connections_max);
        smarthost.max(direct).max(1)
    }

    /// How much goes to one destination at a time.
    pub(crate) fn share_of(&self, destination: &Destination) -> Share {
        match (destination, &self.smarthost, &self.direct) {
            (Destination::Smarthost, Some(smarthost), _) => {
                Share { connections_max: smarthost.connections_max.max(1), distance_millis: None }
            }
            (Destination::Domain { name, .. }, _, Some(direct)) => {
                let rate = direct.rates.domains.get(name).copied().or(direct.rates.default);
                let distance_millis = rate.map(|rate| 60_000 / u64::from(rate.get()));
                Share { connections_max: direct.per_domain_max.max(1), distance_millis }
            }
            // One after another: each is in memory whole.
            (Destination::Smarthost | Destination::Domain { .. } | Destination::Release, ..) => {
                Share { connections_max: 1, distance_millis: None }
            }
            (Destination::Refused(_) | Destination::Back, ..) => {
                Share { connections_max: usize::MAX, distance_millis: None }
            }
        }
    }
}
