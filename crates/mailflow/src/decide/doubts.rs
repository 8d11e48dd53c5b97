//! Doubts about a host that are no proof: what it calls itself, and whether its address has a name. Homes and small servers have
//! them, too.

use super::Reason;
use sender_auth::{HeloName, Introduction, IprevResult};

/// What follows from a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing.
    Ignore,
    /// The junk filters of the recipients are told.
    Hint,
    /// The same, and the message goes into Junk.
    Junk,
    /// It is refused before the message is there.
    Reject,
}

/// What follows from each doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubts {
    /// It calls itself something that is no name of a host, and not its address.
    pub bad_helo: Consequence,
    /// It calls itself by this server's name.
    pub own_helo: Consequence,
    /// Its address has no name that leads back to it (RFC 8601 §3).
    pub no_reverse_name: Consequence,
}

impl Default for Doubts {
    /// Nothing is refused: RFC 5321 §4.1.4 forbids it for what a host calls itself, and a home has seldom a name of its own.
    fn default() -> Self {
        Self { bad_helo: Consequence::Hint, own_helo: Consequence::Junk, no_reverse_name: Consequence::Hint }
    }
}

impl Doubts {
    /// The first doubt about what a host calls itself that has such a consequence, in words.
    pub(super) fn of_name(&self, known: &Introduction, is_it: impl Fn(Consequence) -> bool) -> Option<Reason> {
        let address = known.address;
        match known.helo_name {
            HeloName::NoName if is_it(self.bad_helo) => {
                Some(Reason(format!("{address} calls itself in HELO what is neither a name of a host nor its address")))
            }
            HeloName::Ours if is_it(self.own_helo) => {
                Some(Reason(format!("{address} calls itself in HELO by the name of this server")))
            }
            HeloName::Sound | HeloName::NoName | HeloName::Ours => None,
        }
    }

    /// The same of its address.
    pub(super) fn of_address(&self, known: &Introduction, is_it: impl Fn(Consequence) -> bool) -> Option<Reason> {
        let is_nameless = matches!(known.iprev.result, IprevResult::Fail | IprevResult::PermError);
        (is_nameless && is_it(self.no_reverse_name)).then(|| {
            let address = known.address;
            Reason(format!("{address} has no name in the DNS that leads back to it (PTR)"))
        })
    }

    /// What the junk filters are told.
    pub(crate) fn told(&self, known: &Introduction) -> junk::Doubts {
        let is_told = |consequence| consequence != Consequence::Ignore;
        junk::Doubts {
            bad_helo: known.helo_name == HeloName::NoName && is_told(self.bad_helo),
            own_helo: known.helo_name == HeloName::Ours && is_told(self.own_helo),
            no_reverse_name: self.of_address(known, is_told).is_some(),
        }
    }
}
