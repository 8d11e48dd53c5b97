//! One line in the log for each login. `docs/log.md` tells their grammar.

use crate::conversation::Refusal;
use auth::{Login, LoginError, WebSession};
use std::net::IpAddr;
use store::Protocol;
use tracing::info;

/// A name in the log is cut to this length: who sends it decides what it is.
const NAME_CHARS_MAX: usize = 100;

/// Somebody was not let in: `why` in a few words.
pub fn failed(protocol: Protocol, address: IpAddr, name: &str, why: &'static str) {
    let (protocol, address, name) = (protocol.name(), address.to_canonical(), shown(name));
    info!(protocol, %address, name, why, "login failed");
}

/// Somebody was let in.
pub fn succeeded(protocol: Protocol, address: IpAddr, login: &Login) {
    let (protocol, address, name) = (protocol.name(), address.to_canonical(), shown(&login.name));
    info!(protocol, %address, name, account = %login.account, device = %login.device, "login");
}

/// Somebody was let in on the pages.
pub fn succeeded_on_pages(address: IpAddr, session: &WebSession) {
    let (protocol, address, name) = (Protocol::Web.name(), address.to_canonical(), shown(&session.address));
    info!(protocol, %address, name, account = %session.account, device = %session.device, "login");
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
