//! Which way mail goes out, by who gets it and who sends it, as the operator has chosen.

use crate::entry::{Entry, TlsWish};
use crate::error::Error;
use crate::smarthost::Smarthost;
use crate::sts::Sts;
use crate::tls_outcome::TlsListener;
use dns::Dns;
use smtp_proto::{ForwardPath, ReversePath};
use std::collections::HashMap;
use std::num::NonZeroU16;
use store::Timestamp;
use tokio::runtime::Handle;

/// The ways out, and which of them mail takes.
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

/// Which way mail takes: the recipient's domain says so before the sender, and a sender's address before its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    /// What is neither in `routes` nor in `senders`.
    pub default: Via,
    /// By the recipient's domain, in lower case.
    pub routes: HashMap<String, Via>,
    /// By the reverse path: its address or its domain, in lower case.
    pub senders: HashMap<String, Via>,
    /// This server's name, in lower case. It sends what has no reverse path (RFC 7208 §2.4).
    pub hostname: String,
}

/// Why mail does not leave, by the operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// None goes to the recipient's domain.
    To,
    /// None goes from the sender.
    From,
}

/// The way of some mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) via: Via,
    /// Its sender has it go so.
    is_by_sender: bool,
}

impl Chosen {
    pub(crate) fn closed(self) -> Option<Closed> {
        let why = if self.is_by_sender { Closed::From } else { Closed::To };
        (self.via == Via::Refuse).then_some(why)
    }
}

impl Ways {
    /// All mail takes one.
    #[must_use]
    pub fn all(via: Via) -> Self {
        Self { default: via, routes: HashMap::new(), senders: HashMap::new(), hostname: String::new() }
    }

    /// That of mail from somebody to somebody.
    pub(crate) fn of(&self, from: &ReversePath, to: &ForwardPath) -> Chosen {
        self.choose(self.of_sender(from), &domain(to))
    }

    fn choose(&self, of_sender: Option<Via>, domain: &str) -> Chosen {
        let of_recipient = self.routes.get(domain).copied();
        let via = of_recipient.or(of_sender).unwrap_or(self.default);
        Chosen { via, is_by_sender: of_recipient.is_none() && of_sender.is_some() }
    }

    /// Of what is passed on the address is one that SRS made, and only its domain says something. That to which bounces of a list
    /// come back is a subaddress (RFC 5233 §1) of the list's.
    fn of_sender(&self, from: &ReversePath) -> Option<Via> {
        if self.senders.is_empty() {
            return None;
        }
        let ReversePath::Mailbox(mailbox) = from else { return self.senders.get(&self.hostname).copied() };
        let (local_part, domain) = (mailbox.local_part().to_lowercase(), mailbox.domain().to_string().to_lowercase());
        let base = local_part.split_once('+').map_or(local_part.as_str(), |(base, _)| base);
        let of_address = |local_part: &str| self.senders.get(&format!("{local_part}@{domain}"));
        of_address(&local_part).or_else(|| of_address(base)).or_else(|| self.senders.get(&domain)).copied()
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// By the domain's MX records.
    Mx,
    /// To the smarthost.
    Smarthost,
    /// None: mail is returned.
    Refuse,
}

impl Via {
    /// As it is shown: `mx`, `smarthost` or `refuse`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Smarthost => "smarthost",
            Self::Refuse => "refuse",
        }
    }
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
    /// Nowhere, and what is said of that.
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
    fn destination(&self, (from, of_sender): (&str, Option<Via>), path: &ForwardPath, tls: TlsWish) -> Destination {
        let domain = domain(path);
        let chosen = self.ways.choose(of_sender, &domain);
        match chosen.via {
            Via::Smarthost if self.smarthost.is_some() => Destination::Smarthost,
            // RFC 5321 §2.3.5: <postmaster> without a domain is ours, or the smarthost's.
            Via::Mx if self.direct.is_some() && !domain.is_empty() => Destination::Domain { name: domain, tls },
            Via::Smarthost | Via::Mx | Via::Refuse => Destination::Refused(match chosen.closed() {
                Some(Closed::From) if !from.is_empty() => format!("this server sends no mail from {from}"),
                _ if domain.is_empty() => "this server sends no such mail to others".to_owned(),
                Some(Closed::From) => "this server sends no mail of its own to others".to_owned(),
                Some(Closed::To) | None => format!("this server sends no mail to {domain}"),
            }),
        }
    }

    /// The places of the recipients whose time has come, by where their mail goes.
    pub(crate) fn groups(&self, entry: &Entry, now: Timestamp) -> Result<Vec<(Destination, Vec<usize>)>, Error> {
        if entry.later.is_some() {
            let due = entry.waiting().filter(|(_, recipient)| recipient.is_due(now));
            let places: Vec<usize> = due.map(|(place, _)| place).collect();
            return Ok(if places.is_empty() { Vec::new() } else { vec![(Destination::Release, places)] });
        }
        let (tls, of_sender) = (entry.tls_on_the_way(), self.ways.of_sender(&entry.reverse()?));
        let from = (entry.reverse_path.as_str(), of_sender);
        let mut groups: Vec<(Destination, Vec<usize>)> = Vec::new();
        let mut places: HashMap<Destination, usize> = HashMap::new();
        for (place, recipient) in entry.waiting().filter(|(_, recipient)| recipient.is_due(now)) {
            let destination = self.destination(from, &recipient.forward()?, tls);
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
