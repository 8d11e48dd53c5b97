//! Who is connected, for people who look, and the word that a session is to end.

use crate::{Doing, SessionId};
use std::net::IpAddr;
use std::ops::ControlFlow;

/// A session as it is when somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// As the log calls it; it says since when, too.
    pub id: SessionId,
    /// The service as in the configuration: `imaps`.
    pub service: &'static str,
    /// What is spoken: `imap`.
    pub protocol: &'static str,
    /// Where the client is.
    pub address: IpAddr,
    /// Its port there.
    pub port: u16,
    /// Under TLS.
    pub is_tls: bool,
    /// The account of whoever is logged in.
    pub owner: Option<u64>,
    /// What it does.
    pub doing: Doing,
    /// For how many seconds nothing came from its client.
    pub quiet_secs: u64,
    /// Octets that came from the client, without what TLS adds.
    pub received_bytes: u64,
    /// Octets that went to it, with that.
    pub sent_bytes: u64,
    /// It was told to end, and does so as soon as it can; or it has said goodbye, and its client has yet to close.
    pub is_ending: bool,
}

/// What came of the word that a session is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ends by that.
    Begins,
    /// It ended already.
    Begun,
}

/// The sessions of a server.
pub trait Roster: Send + Sync {
    /// Shows `look` the sessions, the one that began last first; those that began before `before`, if that is given. What it looks
    /// at is no copy of all of them, and holds no lock that a session waits for longer than for a few of them.
    fn each(&self, before: Option<SessionId>, look: &mut dyn FnMut(Live) -> ControlFlow<()>);

    /// One of them.
    fn one(&self, id: SessionId) -> Option<Live>;

    /// Tells one of them to say goodbye as soon as nothing that it does is lost by it; `None`: it is not there.
    fn end(&self, id: SessionId) -> Option<Ending>;
}
