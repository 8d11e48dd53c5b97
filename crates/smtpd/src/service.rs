//! The three services: what differs between them, and what they have in common.

use crate::limits::Limits;
use auth::Auth;
use mailflow::MailFlow;
use queue::Queue;
use session::Peer;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::Protocol;
use store_objects::Spool;

/// What every service needs.
#[derive(Clone)]
pub struct Common {
    /// This server's name in greetings and trace fields.
    pub hostname: String,
    /// The way into the mailboxes.
    pub delivery: MailFlow,
    /// What clients may do.
    pub limits: Limits,
    /// Where messages lie that are coming in, the same for all services.
    pub spool: Arc<Spool>,
    /// Whether the driver can do a TLS handshake.
    pub starttls: bool,
}

/// A service: what its sessions share.
pub struct Service {
    pub(crate) common: Common,
    pub(crate) role: Role,
    counter: AtomicU32,
}

pub(crate) enum Role {
    /// Mail from other hosts for local mailboxes (RFC 5321).
    Mx,
    /// Mail from own accounts to anywhere (RFC 6409).
    Submission(Submission),
    /// Mail from a local mail system (RFC 2033).
    Lmtp { peers: Vec<IpAddr> },
}

pub(crate) struct Submission {
    pub(crate) auth: Auth,
    /// The way out; without it outside addresses are refused.
    pub(crate) queue: Option<Queue>,
}

impl Service {
    /// Port 25: takes mail for local mailboxes from anybody, and relays for nobody, not even for this machine.
    #[must_use]
    pub fn mx(common: Common) -> Arc<Self> {
        Self::new(common, Role::Mx)
    }

    /// Ports 587 and 465: takes mail from accounts that log in. `queue`: the way to outside addresses, `None` without a
    /// smarthost.
    #[must_use]
    pub fn submission(common: Common, auth: Auth, queue: Option<Queue>) -> Arc<Self> {
        Self::new(common, Role::Submission(Submission { auth, queue }))
    }

    /// LMTP: takes mail for local mailboxes from this machine and from `peers`, with one reply per recipient.
    #[must_use]
    pub fn lmtp(common: Common, peers: Vec<IpAddr>) -> Arc<Self> {
        Self::new(common, Role::Lmtp { peers })
    }

    fn new(common: Common, role: Role) -> Arc<Self> {
        // Not from zero, so that two services (or two runs) do not name two messages of one millisecond alike.
        let start = RandomState::new().hash_one(()) as u32;
        Arc::new(Self { common, role, counter: AtomicU32::new(start) })
    }

    pub(crate) fn is_lmtp(&self) -> bool {
        matches!(self.role, Role::Lmtp { .. })
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.role {
            Role::Mx => Protocol::Smtp,
            Role::Submission(_) => Protocol::Submission,
            Role::Lmtp { .. } => Protocol::Lmtp,
        }
    }

    /// Whether a client may talk to this service at all.
    pub(crate) fn admits(&self, peer: &Peer) -> bool {
        match &self.role {
            Role::Mx | Role::Submission(_) => true,
            Role::Lmtp { peers } => {
                let is_client = |address: &IpAddr| address.to_canonical() == peer.address.to_canonical();
                peer.is_loopback() || peers.iter().any(is_client)
            }
        }
    }

    /// Tells a message from others of the same moment.
    pub(crate) fn next_serial(&self) -> u32 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}
