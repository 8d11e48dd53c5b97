//! What the tests of this crate have in common: a server in memory with two domains.

use crate::{Directory, DirectoryOptions, PasswordCost};
use std::sync::Arc;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};
use store::{AccountId, Store, Timestamp};

pub(crate) const SECRET: [u8; 32] = [7; 32];
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const NOW: Timestamp = SIM_EPOCH;

pub(crate) fn options() -> DirectoryOptions {
    DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() }
}

/// A process on the engine.
pub(crate) fn start(engine: &SimEngine) -> Directory {
    start_with(engine, options())
}

pub(crate) fn start_with(engine: &SimEngine, options: DirectoryOptions) -> Directory {
    let store = Store::new(Arc::new(engine.clone()), Arc::new(SimObjects::new()));
    Directory::open(store, &SECRET, options).unwrap()
}

/// `example.org` and `bücher.example`; Alice and Bob are in the first.
pub(crate) fn server() -> (SimEngine, Directory, [AccountId; 2]) {
    server_with(options())
}

pub(crate) fn server_with(options: DirectoryOptions) -> (SimEngine, Directory, [AccountId; 2]) {
    let engine = SimEngine::new();
    let directory = start_with(&engine, options);
    directory.add_domain("example.org").unwrap();
    directory.add_domain("bücher.example").unwrap();
    let alice = directory.add_account("Alice@example.org", PASSWORD, "Alice", NOW).unwrap();
    let bob = directory.add_account("bob@example.org", "battery staple", "Bob", NOW).unwrap();
    (engine, directory, [alice, bob])
}

/// Whether it is the main password of an account that is there.
pub(crate) fn is_password(directory: &Directory, user: &str, password: &str) -> bool {
    let known = directory.who_logs_in(user).unwrap();
    let hash = known.as_ref().map(|(_, record)| record.password.as_str());
    directory.verify_password(password, hash).unwrap()
}
