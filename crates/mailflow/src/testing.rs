//! A server in memory, for tests.

use crate::MailFlow;
use auth::{Auth, AuthOptions};
use directory::{DirectoryOptions, PasswordCost};
use std::sync::Arc;
use store::Store;
use store::objects::Objects;
use store::sim::{SIM_EPOCH, SimEngine, SimObjects};

pub(crate) struct World {
    pub(crate) engine: SimEngine,
    pub(crate) flow: MailFlow,
}

/// Alice, Bob and Carol at example.org; mail for the team goes to Alice and Bob. There is no way out.
pub(crate) fn world() -> World {
    let world = started(SimEngine::new(), Arc::new(SimObjects::new()));
    fill(&world);
    world
}

pub(crate) fn fill(world: &World) {
    let directory = world.flow.auth.directory();
    directory.add_domain("example.org").unwrap();
    for name in ["alice", "bob", "carol"] {
        directory.add_account(&format!("{name}@example.org"), "correct horse", "", SIM_EPOCH).unwrap();
    }
    directory.add_alias("team@example.org", &["alice@example.org", "bob@example.org"]).unwrap();
}

/// A process that begins with what the engine holds.
pub(crate) fn started(engine: SimEngine, objects: Arc<dyn Objects>) -> World {
    let store = Store::new(Arc::new(engine.clone()), objects);
    let directory = DirectoryOptions { cost: PasswordCost::LEAST, ..DirectoryOptions::default() };
    let options = AuthOptions { directory, ..AuthOptions::default() };
    let auth = Auth::open(store, [1; 32], options).unwrap();
    World { engine, flow: MailFlow::new(auth, "mail.example.org", None) }
}

impl World {
    /// The process died, and was started again.
    pub(crate) fn after_a_crash(&self) -> World {
        started(self.engine.crash(), Arc::new(SimObjects::new()))
    }
}
