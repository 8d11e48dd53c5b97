//! What the tests of this crate have in common: a server in memory with two domains.

use crate::{Attempt, Auth, AuthOptions, Login, LoginError};
use directory::{DirectoryOptions, PasswordCost};
use session::testing::TURN;
use std::sync::Arc;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{AccountId, Protocol, Store, Timestamp};

pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const NOW: Timestamp = SIM_EPOCH;

pub(crate) fn options() -> AuthOptions {
    let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    AuthOptions { directory, ..AuthOptions::default() }
}

/// A process on the engine.
pub(crate) fn start(engine: &SimEngine) -> Auth {
    start_with(engine, options())
}

pub(crate) fn start_with(engine: &SimEngine, options: AuthOptions) -> Auth {
    let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
    Auth::open(store, SECRET, options).unwrap()
}

/// `example.org` and `bücher.example`; Alice and Bob are in the first.
pub(crate) fn server() -> (SimEngine, Auth, [AccountId; 2]) {
    server_with(options())
}

pub(crate) fn server_with(options: AuthOptions) -> (SimEngine, Auth, [AccountId; 2]) {
    let engine = SimEngine::new();
    let auth = start_with(&engine, options);
    let directory = auth.directory();
    directory.add_domain("example.org").unwrap();
    directory.add_domain("bücher.example").unwrap();
    let alice = directory.add_account("Alice@example.org", PASSWORD, "Alice", NOW).unwrap();
    let bob = directory.add_account("bob@example.org", "battery staple", "Bob", NOW).unwrap();
    (engine, auth, [alice, bob])
}

pub(crate) fn attempt<'a>(user: &'a str, password: &'a str) -> Attempt<'a> {
    Attempt {
        user,
        password,
        protocol: Protocol::Imap,
        address: "192.0.2.1".parse().unwrap(),
        fingerprint: None,
        tls: None,
        now: NOW,
        turn: Some(&TURN),
    }
}

pub(crate) fn log_in(auth: &Auth, user: &str, password: &str) -> Result<Login, LoginError> {
    auth.log_in(&attempt(user, password))
}
