//! A request as handlers see it, and who made it.

use crate::caller::{Caller, Own, Proof};
use crate::cookie::Cookie;
use crate::notice::Notice;
use crate::peer::Peer;
use crate::problem::Problem;
use crate::site::Site;
use auth::{Login, WebSession};
use axum::body::Bytes;
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, Uri};
use session::{Turn, Whom};
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use store::Timestamp;

/// A request.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) site: Site,
    pub(crate) now: Timestamp,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    /// What stands in the path for `{name}`.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Peer,
    pub(crate) body: Bytes,
    /// Whether a password may be verified now. Without it a handler that has to is called again, in turn.
    pub(crate) turn: Option<Arc<Turn>>,
}

/// A request of somebody who is logged in.
pub(crate) struct Owner {
    pub(crate) visit: Visit,
    pub(crate) caller: Caller,
}

impl Visit {
    /// What stands in the path for `{name}`.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    /// This site under the host that was asked for, which was found to be one of ours.
    fn origin(&self) -> String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority().unwrap_or(self.site.hostname()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The host that was asked for, with its port.
    pub(crate) fn authority(&self) -> Option<&str> {
        // RFC 9112 §3.2.2: what the request line names counts before the field.
        self.uri.authority().map(|authority| authority.as_str()).or_else(|| self.header(HOST.as_str()))
    }

    /// Whether the browser speaks TLS, with us or with the proxy before us.
    pub(crate) fn is_secure(&self) -> bool {
        self.peer.tls.is_some()
            || self.forwarded("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
    }

    pub(crate) fn turn(&self) -> Option<&Turn> {
        self.turn.as_deref()
    }

    /// Where the request comes from. A proxy on this machine says whom it speaks for; nobody else is believed.
    pub(crate) fn address(&self) -> IpAddr {
        let told = self.forwarded("x-forwarded-for").and_then(|address| address.parse::<IpAddr>().ok());
        told.unwrap_or(self.peer.address).to_canonical()
    }

    pub(crate) fn cookie(&self, cookie: Cookie) -> Option<&str> {
        cookie.of(&self.headers, self.is_secure())
    }

    /// Who is logged in, if anybody is.
    pub(crate) fn session(&self) -> Result<Option<WebSession>, Problem> {
        let Some(token) = self.cookie(Cookie::Session) else { return Ok(None) };
        Ok(self.site.auth().web().session(token, self.now)?)
    }

    /// The last word of a field that a proxy has added to, on a connection without TLS from this machine.
    fn forwarded(&self, name: &str) -> Option<&str> {
        let is_proxy = self.peer.tls.is_none() && self.peer.address.is_loopback();
        self.headers
            .get_all(name)
            .into_iter()
            .next_back()
            .filter(|_| is_proxy)
            .and_then(|value| value.to_str().ok().and_then(|value| value.rsplit(',').next()).map(str::trim))
    }
}

impl Owner {
    /// Somebody with a session.
    pub(crate) fn of(visit: Visit, session: WebSession) -> Self {
        let mail = visit.site.auth().account_of_session(&session);
        let own = Own { account: session.account, device: session.device, mail, address: session.address.clone() };
        Self::with(visit, own, Proof::Session(Box::new(session)))
    }

    /// A program with an application password.
    pub(crate) fn program(visit: Visit, login: &Login) -> Self {
        let mail = visit.site.auth().account_of(login);
        let own = Own { account: login.account, device: login.device, mail, address: login.name.clone() };
        Self::with(visit, own, Proof::Password)
    }

    fn with(visit: Visit, own: Own, proof: Proof) -> Self {
        Whom::is_device(Some(own.device.0));
        let (site, now, parameters) = (visit.site.clone(), visit.now, visit.parameters.clone());
        let (from, origin) = (visit.address().to_string(), visit.origin());
        let caller = Caller { site, now, parameters, from, origin, own: Some(own), proof };
        Self { visit, caller }
    }

    /// The next page says this, once.
    pub(crate) fn say(&self, notice: Notice) {
        if let Proof::Session(session) = &self.proof {
            self.site.notices().put(&session.id, notice);
        }
    }
}

impl Deref for Owner {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}
