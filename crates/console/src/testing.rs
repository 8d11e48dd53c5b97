//! What tests of administration have in common: a server in memory with one domain.

use crate::administration::Administration;
use crate::party::Party;
use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use std::sync::Arc;
use store::sim::{SimEngine, SimObjects};
use store::{Actor, DeviceId, Protocol, Store, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000);
pub(crate) const ADMIN: Actor = Actor { device: DeviceId(0), protocol: Protocol::Web, now: NOW };

/// The operator's, of a server with `user00@example.org` and so on.
pub(crate) fn administration(accounts: usize) -> Administration {
    let store = Store::new(Arc::new(SimEngine::new()), Arc::new(SimObjects::new()));
    let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    let options = AuthOptions { directory, ..AuthOptions::default() };
    let auth = Auth::open(store, [7; 32], options).unwrap();
    auth.directory().add_domain("example.org").unwrap();
    for n in 0..accounts {
        auth.directory().add_account(&format!("user{n:02}@example.org"), "correct horse", "", NOW).unwrap();
    }
    Administration::of(&Party::Operator, auth, ADMIN).unwrap()
}
