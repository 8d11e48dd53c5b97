//! A standby goes on in place of its server.

use crate::copy::UNFINISHED;
use crate::notes::NOTES;
use crate::{Error, Follower, is_copied};
use store::backup::Kept;
use store::engine::Engine;
use store::{AccountId, Timestamp, succession};

/// What is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Accounts that go on.
    pub accounts: usize,
    /// Accounts that were just being brought for the first time: of them nothing is there.
    pub unfinished: Vec<AccountId>,
    /// Accounts that are damaged: they are left as they are.
    pub damaged: Vec<AccountId>,
}

/// The keyspaces that could not go on, because they are damaged. To be asked before anything is changed.
///
/// # Errors
/// What there is cannot be read at all.
pub fn damaged(engine: &dyn Engine) -> Result<Vec<AccountId>, Error> {
    let mut damaged = Vec::new();
    for keyspace in engine.accounts()?.into_iter().filter(|keyspace| is_copied(*keyspace)) {
        let is_sound = is_unfinished(engine, keyspace)
            .is_ok_and(|is_unfinished| is_unfinished || succession::can_succeed(engine, keyspace).is_ok());
        if !is_sound {
            damaged.push(keyspace);
        }
    }
    Ok(damaged)
}

/// Makes all that a standby has the data of a server. `now`: no earlier than the clock of the server when it ended. What was broken off
/// can be done again, by whoever has noted that it was begun.
///
/// # Errors
/// Faults; then no server may use it yet.
pub fn succeed(follower: Follower, now: Timestamp, step: &mut dyn FnMut(usize, usize)) -> Result<Left, Error> {
    let (engine, objects) = follower.storage();
    drop(follower);
    let all = engine.accounts()?;
    let mut left = Left { damaged: damaged(&*engine)?, ..Left::default() };
    for (done, keyspace) in all.iter().copied().enumerate() {
        step(done, all.len());
        if !is_copied(keyspace) || left.damaged.contains(&keyspace) {
            continue;
        }
        if is_unfinished(&*engine, keyspace)? {
            engine.remove_account(keyspace)?;
            for (name, _) in objects.list(keyspace)? {
                objects.remove(keyspace, &name)?;
            }
            left.unfinished.push(keyspace);
            continue;
        }
        left.accounts += usize::from(matches!(Kept::of(keyspace), Some(Kept::Account(_))));
        succession::succeed(&*engine, keyspace, now)?;
    }
    for keyspace in all.into_iter().filter(|keyspace| !is_copied(*keyspace) && *keyspace != NOTES) {
        engine.remove_account(keyspace)?;
    }
    engine.remove_account(NOTES)?;
    Ok(left)
}

fn is_unfinished(engine: &dyn Engine, keyspace: AccountId) -> Result<bool, Error> {
    Ok(engine.snapshot(keyspace)?.get(UNFINISHED)?.is_some())
}
