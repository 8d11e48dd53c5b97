//! The three services: what differs between them, and what they have in common.

use crate::limits::Limits;
use crate::networks::{Guest, Networks, TooMuch};
use auth::Auth;
use mailflow::MailFlow;
use scan::Scanner;
use sender_auth::Verifier;
use session::{Network, Peer};
use std::net::IpAddr;
use std::sync::Arc;
use store::Protocol;
use store_objects::Spool;

/// What every service needs.
#[derive(Clone)]
pub struct Common {
    /// This server's name in greetings and trace fields.
    pub hostname: String,
    /// The ways of mail.
    pub flow: MailFlow,
    /// What clients may do.
    pub limits: Limits,
    /// Where messages lie that are coming in, the same for all services.
    pub spool: Arc<Spool>,
    /// Whether the driver can do a TLS handshake.
    pub starttls: bool,
    /// Looks at who mail from other hosts comes from; without it nobody does.
    pub verifier: Option<Arc<dyn Verifier>>,
    /// Filters beside us that mail from other hosts goes through.
    pub scanner: Option<Arc<dyn Scanner>>,
    /// Relays of ours in front of port 25: mail is judged by the host that brought it to them.
    pub trusted_relays: Vec<Network>,
    /// How long commands took.
    pub commands: metrics::Commands,
    /// What was refused.
    pub refusals: metrics::Refusals,
}

impl Common {
    /// Whether an address is that of a relay of ours.
    pub(crate) fn is_relay(&self, address: IpAddr) -> bool {
        self.trusted_relays.iter().any(|network| network.contains(address))
    }
}

/// A service: what its sessions share.
pub struct SmtpService {
    pub(crate) common: Common,
    /// What hosts near each other do, on port 25.
    networks: Arc<Networks>,
    pub(crate) role: Role,
}

pub(crate) enum Role {
    /// Mail from other hosts for local mailboxes (RFC 5321).
    Mx,
    /// Mail from own accounts to anywhere (RFC 6409).
    Submission { auth: Auth },
    /// Mail from a local mail system (RFC 2033).
    Lmtp { peers: Vec<IpAddr> },
}

impl SmtpService {
    /// Port 25: takes mail for local mailboxes from anybody, and relays for nobody, not even for this machine.
    #[must_use]
    pub fn mx(common: Common) -> Arc<Self> {
        Self::new(common, Role::Mx)
    }

    /// Ports 587 and 465: takes mail from accounts that log in.
    #[must_use]
    pub fn submission(common: Common, auth: Auth) -> Arc<Self> {
        Self::new(common, Role::Submission { auth })
    }

    /// LMTP: takes mail for local mailboxes from this machine and from `peers`, with one reply per recipient.
    #[must_use]
    pub fn lmtp(common: Common, peers: Vec<IpAddr>) -> Arc<Self> {
        Self::new(common, Role::Lmtp { peers })
    }

    fn new(common: Common, role: Role) -> Arc<Self> {
        let networks = Networks::new(common.limits.networks);
        Arc::new(Self { common, networks, role })
    }

    pub(crate) fn is_lmtp(&self) -> bool {
        matches!(self.role, Role::Lmtp { .. })
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.role {
            Role::Mx => Protocol::Smtp,
            Role::Submission { .. } => Protocol::Submission,
            Role::Lmtp { .. } => Protocol::Lmtp,
        }
    }

    /// Whether a client is a relay of ours, in front of us.
    pub(crate) fn is_relay(&self, peer: &Peer) -> bool {
        matches!(self.role, Role::Mx) && self.common.is_relay(peer.address)
    }

    /// Whether it is one of those who have to share: a stranger at port 25.
    pub(crate) fn is_stranger(&self, peer: &Peer) -> bool {
        matches!(self.role, Role::Mx) && !peer.is_loopback() && !self.common.is_relay(peer.address)
    }

    /// Takes a connection in, at `now` on the clock that never goes back; `None`: nobody counts what it does.
    pub(crate) fn enter(&self, peer: &Peer, now: u64) -> Result<Option<Guest>, TooMuch> {
        self.is_stranger(peer).then(|| self.networks.enter(peer.address, now)).transpose()
    }

    /// What a client may do: a relay of ours speaks for many.
    pub(crate) fn limits(&self, is_relay: bool) -> Limits {
        let limits = self.common.limits;
        if is_relay { Limits { message_bytes_max: limits.message_bytes_max, ..Limits::trusted() } } else { limits }
    }

    /// Whether a client may talk to this service at all.
    pub(crate) fn admits(&self, peer: &Peer) -> bool {
        match &self.role {
            Role::Mx | Role::Submission { .. } => true,
            Role::Lmtp { peers } => {
                let is_client = |address: &IpAddr| address.to_canonical() == peer.address.to_canonical();
                peer.is_loopback() || peers.iter().any(is_client)
            }
        }
    }
}
