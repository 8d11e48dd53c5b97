//! Who is connected now, for whoever administers their accounts, and the end of one session.
//!
//! Administrators of domains see sessions of accounts in their domains, and of nobody else: neither those of strangers, of whom nobody
//! knows for which domain they came, nor how many others there are.

use crate::domain_administration::DomainAdministration;
use crate::done::Done;
use crate::error::Error;
use crate::moment::shown;
use crate::scope::Scope;
use crate::status::duration;
use directory::AccountInfo;
use serde::{Deserialize, Serialize};
use session::{Ending, Live, Network, Roster, SessionId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use store::{AccountId, DeviceId, Timestamp};
use wording::tr;

/// A page has so many sessions at most.
pub const SESSIONS_PER_PAGE_MAX: usize = 500;
/// What can be asked for beside the services of the configuration.
const PROTOCOLS: [&str; 5] = ["smtp", "submission", "lmtp", "imap", "pop3"];
/// Services that begin with TLS.
const SERVICES: [&str; 3] = ["submissions", "imaps", "pop3s"];

/// Which sessions are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionsAsk<'a> {
    /// Of this account: a number or an address.
    pub account: Option<&'a str>,
    /// Of this protocol, or of this service of the configuration.
    pub protocol: Option<&'a str>,
    /// From this address, or network: `192.0.2.0/24`.
    pub address: Option<&'a str>,
    /// That began before this one.
    pub before: Option<&'a str>,
    /// At most so many, and at most [`SESSIONS_PER_PAGE_MAX`].
    pub limit: usize,
}

/// A page of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsPage {
    /// The one that began last first.
    pub sessions: Vec<SessionLine>,
    /// Where the next page begins, if there is one.
    pub next_before: Option<String>,
    /// Which of several servers with the same mail it is: each knows its own sessions only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLine {
    /// As the log calls it: `674b2f10.1a`.
    pub session: String,
    /// Whose; `None`: nobody is logged in.
    pub account: Option<String>,
    /// The name of the device.
    pub device: Option<String>,
    /// As in the configuration: `imaps`.
    pub service: String,
    /// What is spoken: `imap`.
    pub protocol: String,
    /// Where the client is.
    pub address: String,
    /// Its port there.
    pub port: u16,
    /// Under TLS.
    pub tls: bool,
    /// Since when: `2026-11-22T22:36:40Z`.
    pub since: String,
    /// The command that is not answered yet.
    pub command: Option<String>,
    /// For so many seconds nothing came from the client.
    pub quiet_seconds: u64,
    /// Octets that came from it.
    pub received_bytes: u64,
    /// Octets that went to it.
    pub sent_bytes: u64,
    /// It ends.
    pub ending: bool,
    /// What it does, in words.
    pub text: String,
}

/// What a session must be to be shown.
struct Wanted<'a> {
    account: Option<AccountId>,
    protocol: Option<&'a str>,
    network: Option<Network>,
}

impl Wanted<'_> {
    fn fits(&self, live: &Live) -> bool {
        self.account.is_none_or(|account| live.owner == Some(account.0.into()))
            && self.protocol.is_none_or(|wanted| wanted == live.protocol || wanted == live.service)
            && self.network.is_none_or(|network| network.contains(live.address))
    }
}

/// Accounts by their numbers, each looked up once.
#[derive(Default)]
struct Owners(HashMap<AccountId, Option<AccountInfo>>);

impl Owners {
    fn of(&mut self, administration: &DomainAdministration, live: &Live) -> Result<Option<&AccountInfo>, Error> {
        let Some(id) = owner(live) else { return Ok(None) };
        let info = match self.0.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(administration.directory().account_by_id(id)?),
        };
        Ok(info.as_ref())
    }
}

impl DomainAdministration {
    /// A page of the sessions of this server that are theirs to see. It looks at as many as are connected, if it has to: where one ended
    /// before what is theirs, and what is asked for, it told of others.
    ///
    /// # Errors
    /// There is no such account, protocol, address or session; faults.
    pub fn sessions(&self, roster: &dyn Roster, ask: &SessionsAsk<'_>) -> Result<SessionsPage, Error> {
        let wanted = self.wanted_sessions(ask)?;
        let before = ask.before.map(|before| before.parse().map_err(|_| unknown_session(before))).transpose()?;
        let limit = ask.limit.clamp(1, SESSIONS_PER_PAGE_MAX);
        let (mut owners, mut found, mut failed) = (Owners::default(), Vec::new(), None);
        let mut next_before = None;
        roster.each(before, &mut |live| {
            if !wanted.fits(&live) {
                return ControlFlow::Continue(());
            }
            match owners.of(self, &live) {
                Ok(info) if !self.sees(info) => return ControlFlow::Continue(()),
                // Only what is theirs tells that there is more.
                Ok(_) if found.len() == limit => next_before = found.last().map(|(last, _): &(Live, _)| last.id),
                Ok(info) => {
                    found.push((live, info.map(|info| info.address.clone())));
                    return ControlFlow::Continue(());
                }
                Err(error) => failed = Some(error),
            }
            ControlFlow::Break(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let next_before = next_before.map(|id| id.to_string());
        let sessions = found.into_iter().map(|(live, account)| self.session_line(&live, account));
        Ok(SessionsPage { sessions: sessions.collect::<Result<_, _>>()?, next_before, node: None })
    }

    /// Ends a session as soon as nothing that its client waits for is lost by it.
    ///
    /// # Errors
    /// There is none of that name, or it is not theirs, which is told alike; [`Error::Forbidden`] where its owner may do more than
    /// they do; it ends already; faults.
    pub fn end_session(&self, roster: &dyn Roster, id: &str) -> Result<Done, Error> {
        let unknown = || unknown_session(id);
        let live = id.parse::<SessionId>().ok().and_then(|id| roster.one(id)).ok_or_else(unknown)?;
        let info = owner(&live).map(|id| self.directory().account_by_id(id)).transpose()?.flatten();
        if !self.sees(info.as_ref()) {
            return Err(unknown());
        }
        info.as_ref().map_or(Ok(()), |info| self.may_change(info))?;
        // Nothing is written down where nothing was done.
        if roster.end(live.id).ok_or_else(unknown)? == Ending::Begun {
            return Err(Error::refused(tr!("The session {session} ends already.", session = live.id)));
        }
        let (session, service, from) = (live.id, live.service, live.address);
        Ok(Done::new(match info {
            Some(AccountInfo { address, .. }) => {
                tr!(
                    "The session {session} of {address} ends ({service}, from {from}).",
                    session,
                    address,
                    service,
                    from
                )
            }
            None => tr!("The session {session} ends ({service}, from {from}).", session, service, from),
        }))
    }

    /// Whether a session of that account, or of nobody, is theirs to see.
    fn sees(&self, owner: Option<&AccountInfo>) -> bool {
        self.scope == Scope::Server || owner.is_some_and(|info| self.scope.has_address(&info.address))
    }

    fn wanted_sessions<'a>(&self, ask: &SessionsAsk<'a>) -> Result<Wanted<'a>, Error> {
        let account = ask.account.map(|account| self.find(account)).transpose()?.map(|info| info.id);
        if let Some(protocol) = ask.protocol.filter(|wanted| !PROTOCOLS.iter().chain(&SERVICES).any(|p| p == wanted)) {
            let known = PROTOCOLS.join(", ");
            return Err(Error::refused(tr!("“{protocol}” is none of {known}", protocol, known)));
        }
        let network = ask.address.map(|address| {
            let none =
                || Error::refused(tr!("“{address}” is neither an address nor a network (192.0.2.0/24)", address));
            address.parse::<Network>().map_err(|_| none())
        });
        Ok(Wanted { account, protocol: ask.protocol, network: network.transpose()? })
    }

    fn session_line(&self, live: &Live, account: Option<String>) -> Result<SessionLine, Error> {
        Ok(SessionLine {
            session: live.id.to_string(),
            device: self.device_of(live)?,
            account,
            service: live.service.to_owned(),
            protocol: live.protocol.to_owned(),
            address: live.address.to_string(),
            port: live.port,
            tls: live.is_tls,
            since: shown(Timestamp(i64::from(live.id.second()) * 1000)),
            command: live.doing.command.map(str::to_owned),
            quiet_seconds: live.quiet_secs,
            received_bytes: live.received_bytes,
            sent_bytes: live.sent_bytes,
            ending: live.is_ending,
            text: doing(live),
        })
    }

    /// The name of the device that is logged in; `None` also where it is gone just now.
    fn device_of(&self, live: &Live) -> Result<Option<String>, Error> {
        let Some((account, device)) = owner(live).zip(live.doing.device) else { return Ok(None) };
        match self.whole.auth.store().account(account).devices() {
            Ok(devices) => Ok(devices.get(&DeviceId(device)).map(|device| device.shown_name().to_string())),
            Err(store::Error::NoSuchAccount) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// How many sessions each device of an account has on this server.
#[must_use]
pub fn connected_devices(roster: &dyn Roster, account: AccountId) -> HashMap<u32, usize> {
    let mut devices = HashMap::new();
    roster.each(None, &mut |live| {
        if let Some(device) = live.doing.device.filter(|_| owner(&live) == Some(account)) {
            *devices.entry(device).or_default() += 1;
        }
        ControlFlow::Continue(())
    });
    devices
}

fn owner(live: &Live) -> Option<AccountId> {
    live.owner.and_then(|owner| u32::try_from(owner).ok()).map(AccountId)
}

fn unknown_session(id: &str) -> Error {
    Error::Unknown(tr!("there is no session {id} (any more); `pillarbox sessions` shows all", id))
}

fn doing(live: &Live) -> String {
    let time = duration(i64::try_from(live.quiet_secs).unwrap_or(i64::MAX));
    match live.doing.command {
        _ if live.is_ending => tr!("It ends.").to_owned(),
        Some("IDLE") => tr!("It waits for news (IDLE), for {time}.", time),
        Some(command) => tr!("In {command}; for {time} nothing came.", command, time),
        None => tr!("For {time} nothing came.", time),
    }
}
