//! One line in the log for each login, and one more in the metrics. `docs/log.md` tells their grammar.

use crate::conversation::Refusal;
use auth::{Auth, Login, LoginError, WebSession};
use session::{STRANGERS, Whom};
use std::net::IpAddr;
use store::Protocol;
use tracing::info;

/// A name in the log is cut to this length: who sends it decides what it is.
const NAME_CHARS_MAX: usize = 100;
/// The outcome of a login that succeeded, in the metrics.
const OK: &str = "ok";

/// Somebody was not let in: `why` in a few words.
pub fn failed(auth: &Auth, protocol: Protocol, (address, name): (IpAddr, &str), why: &'static str) {
    auth.count_login(protocol, why);
    auth.note_failure(protocol, (address, name), why);
    let (protocol, address, name) = (protocol.name(), address.to_canonical(), shown(name));
    info!(target: STRANGERS, protocol, %address, name, why, "login failed");
}

/// Somebody was let in.
pub fn succeeded(auth: &Auth, protocol: Protocol, address: IpAddr, login: &Login) {
    auth.count_login(protocol, OK);
    auth.note_login(protocol, address, login);
    let (protocol, address, name) = (protocol.name(), address.to_canonical(), shown(&login.name));
    Whom::is_device(Some(login.device.0));
    info!(protocol, %address, name, account = %login.account, "login");
}

/// Somebody was let in on the pages.
pub fn succeeded_on_pages(auth: &Auth, address: IpAddr, session: &WebSession) {
    auth.count_login(Protocol::Web, OK);
    auth.note_session(address, session);
    let (protocol, address, name) = (Protocol::Web.name(), address.to_canonical(), shown(&session.address));
    Whom::is_device(Some(session.device.0));
    info!(protocol, %address, name, account = %session.account, "login");
}

/// Why, as [`failed`] tells it.
#[must_use]
pub fn why(error: &LoginError) -> &'static str {
    Refusal::from(error).why()
}

fn shown(name: &str) -> &str {
    let end = name.char_indices().nth(NAME_CHARS_MAX).map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or_default()
}
